"""The audio of a chat: asked for, waited for, and fetched from a signed link that is shown and stored nowhere."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial

import httpx

from humeanalytics.api import answers
from humeanalytics.api.answers import Asked
from humeanalytics.api.blocking import in_thread
from humeanalytics.api.connections import HEADERS, is_loopback, tls
from humeanalytics.api.downloads import Form, Sink
from humeanalytics.api.evi_items import Reconstruction
from humeanalytics.api.exchange import BROKEN, BodyEndsEarly, BodyOfAnotherForm, reason_of, whole_body
from humeanalytics.api.retry import RetryPolicy, TryAgain, asked_wait_s
from humeanalytics.errors import InvalidAnswer, ItemError, WaitTimeout
from humeanalytics.settings import Settings

#: Where a container says what it is, what it says there, and what its files are called.
_CONTAINERS = (
    (4, b"ftyp", ".mp4"),
    (0, b"RIFF", ".wav"),
    (0, b"OggS", ".ogg"),
    (0, b"fLaC", ".flac"),
    (0, b"\x1a\x45\xdf\xa3", ".webm"),
    (0, b"ID3", ".mp3"),
    (0, b"\xff\xfb", ".mp3"),
    (0, b"\xff\xf1", ".aac"),
)
_HEAD_BYTES = 16
_LINK_REFUSED = (400, 401, 403, 404, 410)
_SOUND = Form("sound", lambda head: head.lstrip()[:1] not in (b"<", b"{", b"["), lambda tail: bool(tail))


@dataclass(frozen=True, slots=True)
class AudioWait:
    """How long to wait for audio: ``first_s``, then ``factor`` times longer each time up to ``cap_s``, and when to give up.

    How long reconstruction takes is not published. These are this toolkit's own figures.
    """

    first_s: float = 2.0
    factor: float = 1.5
    cap_s: float = 30.0
    deadline_s: float = 900.0


@dataclass(frozen=True, slots=True)
class SavedAudio:
    """The audio of a chat that went into a sink.

    Attributes:
        suffix: What such a file is called, by its first bytes (``.mp4``); ``.bin`` if they say nothing.
        filename: What the service calls it.
        modified_at: When the service made it, in Unix milliseconds.
    """

    chat_id: str
    size_bytes: int
    sha256: str
    suffix: str
    filename: str | None
    modified_at: int | None


class LinkRefused(Exception):
    """A signed link does not open (any more); the message is the status."""


async def complete(
    chat_id: str,
    ask: Callable[[], Awaitable[Reconstruction]],
    wait: AudioWait,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Reconstruction:
    """Ask until the audio of a chat is complete, and return it with a fresh link. The first to ask starts the work.

    Raises:
        ItemError: It ended in ERROR or CANCELLED.
        WaitTimeout: The deadline passed.
    """
    began_s, delay_s = clock(), wait.first_s
    while True:
        told = await ask()
        if told.status == "COMPLETE":
            return told
        if told.status in ("ERROR", "CANCELLED"):
            raise ItemError(
                f"The audio of chat {chat_id} cannot be had: its reconstruction ended in {told.status}. That does not touch "
                "its transcript; a later run asks again.",
                item=chat_id,
            )
        left_s = began_s + wait.deadline_s - clock()
        if left_s <= 0:
            raise WaitTimeout(
                f"The audio of chat {chat_id} is still {told.status or 'without a status'} after {wait.deadline_s:g} s. The "
                "service goes on with it: run the same command again later."
            )
        await sleep(min(delay_s, left_s))
        delay_s = min(delay_s * wait.factor, wait.cap_s)


class SignedDownloads:
    """Downloads from signed links: no key goes with them, and their query is in no log.

    Args:
        settings: Timeouts and retry policy.
        transport: Takes the network's place, in tests.
    """

    def __init__(self, settings: Settings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        trust_env = not is_loopback(settings.base_url)
        self._client = httpx.AsyncClient(
            headers=HEADERS,
            timeout=httpx.Timeout(settings.read_timeout_s, connect=settings.connect_timeout_s),
            follow_redirects=True,  # there is nothing on the request that another host must not see
            trust_env=trust_env,
            verify=tls(trust_env),
            transport=transport,
        )
        self._policy = RetryPolicy.of(settings)

    async def aclose(self) -> None:
        await self._client.aclose()

    async def fetch(self, told: Reconstruction, open_sink: Callable[[], Sink]) -> SavedAudio:
        """Stream the file of a complete reconstruction into a sink; after a failure again, from the start, into a fresh one.

        Raises:
            LinkRefused: The link has expired, or never was good: ask for another.
            InvalidAnswer: There is no link, or what came is a page or a text.
            ServerFailed, RateLimited, ServiceUnreachable: As elsewhere.
        """
        try:
            request = self._client.build_request("GET", told.signed_audio_url or "")
        except httpx.InvalidURL:
            request = self._client.build_request("GET", "")
        url = request.url
        if url.scheme not in ("http", "https") or not url.host:
            raise InvalidAnswer(
                f"The audio of chat {told.id} is COMPLETE, but comes without a link. Ask again later.", status=200
            )
        host = url.netloc.decode("ascii")
        asked = Asked("GET", f"{url.scheme}://{host}", host, url.path, "")

        async def attempt() -> SavedAudio:
            token = _downloading.set(True)
            try:
                response = await self._client.send(request, stream=True)
            except BROKEN as error:
                raise TryAgain(partial(answers.unreachable, asked, type(error).__name__)) from None  # it holds the link
            finally:
                _downloading.reset(token)
            try:
                return await self._take(asked, told, response, open_sink)
            finally:
                await response.aclose()

        return await self._policy.run(attempt)

    async def _take(
        self, asked: Asked, told: Reconstruction, response: httpx.Response, open_sink: Callable[[], Sink]
    ) -> SavedAudio:
        status, headers = response.status_code, response.headers
        if status in _LINK_REFUSED:
            raise LinkRefused(str(status))
        if not response.is_success:
            refusal = partial(answers.refusal, asked, status, headers, b"")
            if status in (408, 425, 429) or status >= 500:
                raise TryAgain(refusal, asked_s=asked_wait_s(headers, time.time()))
            raise refusal()
        sink, head, size_bytes, digest = open_sink(), b"", 0, hashlib.sha256()
        try:
            async with aclosing(whole_body(response, _SOUND)) as chunks:
                async for chunk in chunks:
                    sink.write(chunk)
                    digest.update(chunk)
                    head, size_bytes = (head + chunk)[:_HEAD_BYTES], size_bytes + len(chunk)
        except BaseException as error:
            await in_thread(sink.abort)
            if isinstance(error, BodyEndsEarly):
                raise TryAgain(partial(answers.invalid, asked, status, headers, reason_of(error))) from None
            if isinstance(error, BodyOfAnotherForm):
                raise answers.invalid(asked, status, headers, str(error)) from None
            raise
        await in_thread(sink.commit)
        return SavedAudio(told.id, size_bytes, digest.hexdigest(), suffix_of(head), told.filename, told.modified_at)


def suffix_of(head: bytes) -> str:
    """Return what a file that begins like this is called.

    >>> suffix_of(b"\\0\\0\\0\\x20ftypisom"), suffix_of(b"?")
    ('.mp4', '.bin')
    """
    return next((suffix for at, mark, suffix in _CONTAINERS if head[at:].startswith(mark)), ".bin")


#: Whether what runs now is a download from a signed link.
_downloading: ContextVar[bool] = ContextVar("downloading", default=False)


class _NoLinks(logging.Filter):
    """Take the query off the links that httpx would log."""

    def filter(self, record: logging.LogRecord) -> bool:
        if _downloading.get() and isinstance(record.args, tuple):
            record.args = tuple(arg.copy_with(query=None) if isinstance(arg, httpx.URL) else arg for arg in record.args)
        return True


logging.getLogger("httpx").addFilter(_NoLinks())
