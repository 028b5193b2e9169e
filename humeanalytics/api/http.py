"""One HTTP client for all of Hume's APIs: the key, retries, the rate limit, errors, streamed bodies.

What may be repeated differs by method. A GET changes nothing, so whatever may pass is tried again. A POST is paid for: it is
tried again only where no byte of it can have been taken, and where that cannot be known the outcome is unknown
(`OutcomeUnknown`), never guessed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, nullcontext
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from humeanalytics.api import answers
from humeanalytics.api.blocking import in_thread
from humeanalytics.api.bodies import Body
from humeanalytics.api.downloads import JSON, Form, Sink
from humeanalytics.api.exchange import Exchange, whole_body
from humeanalytics.api.retry import RetryPolicy, TryAgain
from humeanalytics.settings import Settings

T = TypeVar("T")


class HumeClient:
    """An asynchronous client of one host. Use with ``async with``; one event loop, any number of tasks.

    Args:
        settings: Timeouts, retry policy and rate.
        base_url: Where the API is, for example ``https://api.hume.ai``.
        key: The API key; it leaves this object only as a request header.
        transport: Takes the network's place, in tests.
        auth: Puts something else on requests than the key.
        lanes: How many answers to GETs as JSON are awaited or read at once; what is done with them afterwards takes no lane.
            By default as many as ask.

    Raises:
        SettingsError: ``base_url`` is no http(s) URL, or the key cannot be a key.

    Examples:
        >>> async def jobs(settings: Settings) -> list[dict[str, Any]]:
        ...     async with HumeClient(settings, base_url=settings.base_url, key=settings.key()) as client:
        ...         return await client.get_json("/v0/batch/jobs", {"limit": 5}, list[dict[str, Any]])
    """

    def __init__(
        self,
        settings: Settings,
        *,
        base_url: str,
        key: str,
        transport: httpx.AsyncBaseTransport | None = None,
        auth: httpx.Auth | None = None,
        lanes: int | None = None,
    ) -> None:
        self._lanes = nullcontext() if lanes is None else asyncio.Semaphore(lanes)
        self._exchange = Exchange(settings, base_url, key, transport, auth)
        self._policy = RetryPolicy.of(settings)

    def __repr__(self) -> str:
        return f"<HumeClient {self._exchange.base_url}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._exchange.aclose()

    @property
    def origin(self) -> str:
        """Who answers: ``host[:port]``, or ``sandbox/SEED`` once an answer said so."""
        return self._exchange.server.origin

    @property
    def synthetic(self) -> bool | None:
        """Whether a sandbox answers; None until an answer tells."""
        return self._exchange.server.synthetic

    @property
    def server_offset_s(self) -> float | None:
        """The server's clock minus this machine's, in seconds, true to about a second; None until an answer tells."""
        return self._exchange.server.offset_s

    def server_now_ms(self) -> int:
        """Return the server's time in Unix milliseconds, true to about a second; this machine's until an answer tells."""
        return self._exchange.server.now_ms()

    # ------------------------------------------------------------------------------------------------------------- GET
    async def get_json(
        self, path: str, params: Mapping[str, Any] | None, type_: type[T], take: Callable[[bytes], object] | None = None
    ) -> T:
        """Return the JSON answer to a GET as ``type_``. A parameter that is a list is sent once for each value.

        Where ``take`` is given, it gets the body as it came, once that is whole and has proved to be a ``type_``. It is called in
        the event loop, so it must not wait for anything.

        Raises:
            ApiError: The service refused, or kept failing until the policy gave up.
            InvalidAnswer: A success whose body is cut short, or not what ``type_`` says.
            ServiceUnreachable: No answer, after all retries.
        """
        asked = self._exchange.asked("GET", path)

        async def attempt() -> T:
            async with self._lanes, self._exchange.get(asked, params) as response:
                body = b"".join([chunk async for chunk in self._exchange.chunks(asked, response, JSON)])
            try:
                answer = answers.decoded(asked, body, type_)
            except ValueError as error:
                raise answers.invalid(asked, response.status_code, response.headers, str(error)) from error
            if take is not None:
                take(body)
            return answer

        return await self._policy.run(attempt)

    @asynccontextmanager
    async def stream(self, path: str, params: Mapping[str, Any] | None = None) -> AsyncIterator[AsyncIterator[bytes]]:
        """Give the body of a GET in pieces, decompressed. Retries end with the first piece.

        Raises:
            InvalidAnswer: (while it is read) The body ended early. What came before is worthless.
            ApiError, ServiceUnreachable: As `get_json`.
        """
        asked = self._exchange.asked("GET", path)
        async with AsyncExitStack() as stack:

            async def attempt() -> tuple[bytes, AsyncGenerator[bytes, None]]:
                async with AsyncExitStack() as opened:
                    response = await opened.enter_async_context(self._exchange.get(asked, params))
                    rest = await opened.enter_async_context(aclosing(self._exchange.chunks(asked, response)))
                    first = await anext(rest, b"")
                    stack.push_async_exit(opened.pop_all())
                    return first, rest

            first, rest = await self._policy.run(attempt)

            async def whole() -> AsyncIterator[bytes]:
                yield first
                try:
                    async for chunk in rest:
                        yield chunk
                except TryAgain as cut:
                    raise cut.give_up("") from cut.__cause__

            yield whole()

    async def download(
        self, path: str, open_sink: Callable[[], Sink], form: Form | None = None, at_most: Mapping[int, int] | None = None
    ) -> int:
        """Stream the body of a GET into a sink; after a failure again, from the start, into a fresh one.

        Args:
            path: What to get.
            open_sink: Opens the sink of one attempt. It is committed when the body is whole, else aborted.
            form: What the body's two ends must look like.
            at_most: Further statuses to try again -> how many attempts may end so.

        Returns:
            The size of the body in bytes, decompressed.

        Raises:
            InvalidAnswer: The body kept ending early, or is not of that form (it says what came instead).
            ApiError, ServiceUnreachable: As `get_json`. What the sink raises passes.
        """
        asked = self._exchange.asked("GET", path)

        async def attempt() -> int:
            async with self._exchange.get(asked, at_most=at_most) as response:
                sink, size_bytes = open_sink(), 0
                try:
                    async with aclosing(self._exchange.chunks(asked, response, form)) as chunks:
                        async for chunk in chunks:
                            sink.write(chunk)
                            size_bytes += len(chunk)
                except BaseException:
                    await in_thread(sink.abort)
                    raise
                await in_thread(sink.commit)
                return size_bytes

        return await self._policy.run(attempt)

    # ------------------------------------------------------------------------------------------------------------ POST
    async def post(self, path: str, body: Body, type_: type[T]) -> T:
        """Submit ``body``, at most once, and return the JSON answer as ``type_``.

        Whatever is raised but `OutcomeUnknown`, nothing was accepted. A cancellation tells nothing: it counts as unknown.

        Raises:
            OutcomeUnknown: It may have been accepted: the connection broke, or the answer does not tell.
            ApiError: The service refused; 429 and 503 were tried again until the policy gave up.
            ServiceUnreachable: No connection, after all retries.
            ItemError: A file could not be read while it was sent.
        """
        asked = self._exchange.asked("POST", path)

        async def take(response: httpx.Response) -> T:
            return answers.decoded(asked, await response.aread(), type_)

        async def attempt() -> T:
            return await self._exchange.post(asked, body, take)

        return await self._policy.run(attempt)

    async def exchange(
        self,
        path: str,
        body: Body,
        open_sink: Callable[[], Sink],
        form: Form,
        *,
        own_errors: Mapping[str, int],
        read_timeout_s: float,
    ) -> int:
        """Submit ``body``, at most once, and stream the answer, which is all there will ever be of it, into a sink.

        As `post`: whatever is raised but `OutcomeUnknown`, nothing was accepted. An answer that came and could not be kept
        is a lost one; what stopped it (`DiskFull`) is its ``__cause__``.

        Args:
            path: Where to.
            body: What is sent.
            open_sink: Opens the sink of one attempt, before its first byte goes out, so that a disk that takes nothing is met
                before anything is paid for. It is committed when the answer is whole, else aborted.
            form: What the two ends of the answer must look like.
            own_errors: As for `Exchange.post`.
            read_timeout_s: How long to wait for the answer.

        Returns:
            The size of the answer in bytes, decompressed.

        Raises:
            OutcomeUnknown: It may have been accepted, and its answer is lost.
            ApiError, ServiceUnreachable, ItemError: As `post`.
        """
        asked = self._exchange.asked("POST", path)

        async def attempt() -> int:
            sink, ended = open_sink(), False

            async def keep(response: httpx.Response) -> int:
                nonlocal ended
                size_bytes = 0
                async with aclosing(whole_body(response, form)) as chunks:
                    async for chunk in chunks:
                        sink.write(chunk)
                        size_bytes += len(chunk)
                ended = True
                await in_thread(sink.commit)
                return size_bytes

            try:
                return await self._exchange.post(asked, body, keep, own_errors=own_errors, read_timeout_s=read_timeout_s)
            finally:
                if not ended:
                    await in_thread(sink.abort)

        return await self._policy.run(attempt)
