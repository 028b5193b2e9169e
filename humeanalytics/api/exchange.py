"""One request and its answer: sent once, judged once. Repeating it is the client's part (``http.py``).

What is worth repeating comes as `TryAgain`, everything else as one of our errors.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from functools import partial
from typing import Any, TypeVar

import httpx
from pydantic import SecretStr

from humeanalytics.api import answers
from humeanalytics.api.answers import Asked
from humeanalytics.api.bodies import Body
from humeanalytics.api.connections import Connections, KeyHeader, checked_key, checked_url
from humeanalytics.api.downloads import Ends, Form
from humeanalytics.api.limiter import limiter_of
from humeanalytics.api.retry import TryAgain, asked_wait_s
from humeanalytics.api.server import Server
from humeanalytics.errors import ItemError
from humeanalytics.settings import Settings

T = TypeVar("T")

#: No connection was made, or none was free, or a proxy gave none: no byte of the request went out.
_NOTHING_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)
#: What a broken connection raises. TLS errors in mid-stream come as plain OSError.
BROKEN = (httpx.TransportError, httpx.DecodingError, OSError)
_ERROR_BODY_BYTES = 64 * 1024


class BodyEndsEarly(ValueError):
    """A body that is not whole; the message says of which it is."""


class BodyOfAnotherForm(ValueError):
    """A body that is something else; the message says what."""


class Exchange:
    """Requests to one server, with its connections, its rate limit and what is known of it."""

    def __init__(
        self,
        settings: Settings,
        base_url: str,
        key: str,
        transport: httpx.AsyncBaseTransport | None,
        auth: httpx.Auth | None = None,
    ) -> None:
        self.base_url, host = checked_url(base_url)
        self.server = Server(host)
        self._key = SecretStr(checked_key(key))
        self._limiter, self._requests_per_s = limiter_of(host), settings.requests_per_s
        self._connections = Connections.to(settings, self.base_url, auth or KeyHeader(self._key), transport)

    async def aclose(self) -> None:
        await self._connections.aclose()

    def asked(self, method: str, path: str) -> Asked:
        """Name a request for the errors it may end in."""
        return Asked(method, self.base_url, self.server.host, path, self._key.get_secret_value())

    # ------------------------------------------------------------------------------------------------------------- GET
    @asynccontextmanager
    async def get(
        self, asked: Asked, params: Mapping[str, Any] | None = None, at_most: Mapping[int, int] | None = None
    ) -> AsyncIterator[httpx.Response]:
        """Give a success whose body is still to be read. A GET changes nothing: all that may pass is worth repeating.

        ``at_most`` names further statuses worth it, and after how many attempts they are believed.
        """
        turn_s = await self._limiter.turn(self._requests_per_s)
        request = self._connections.reading.build_request("GET", asked.path, params=params)
        try:
            response = await self._connections.reading.send(request, stream=True)
        except BROKEN as error:
            raise _no_answer(asked, error) from error
        try:
            self._learn_from(response, turn_s)
            if not response.is_success:
                status, limits = response.status_code, at_most or {}
                refusal = partial(answers.refusal, asked, status, response.headers, await _beginning(response))
                if status in (408, 425, 429) or status >= 500 or status in limits:
                    asked_s = asked_wait_s(response.headers, time.time())
                    raise TryAgain(refusal, asked_s=asked_s, at_most=limits.get(status))
                raise refusal()
            yield response
        finally:
            await response.aclose()

    async def chunks(self, asked: Asked, response: httpx.Response, form: Form | None = None) -> AsyncGenerator[bytes, None]:
        """Yield the body, decompressed. One that ends before it is whole is worth repeating; one of another form is not."""
        invalid = partial(answers.invalid, asked, response.status_code, response.headers)
        try:
            async with aclosing(whole_body(response, form)) as chunks:
                async for chunk in chunks:
                    yield chunk
        except BodyEndsEarly as error:
            raise TryAgain(partial(invalid, str(error))) from error.__cause__
        except BodyOfAnotherForm as error:
            raise invalid(str(error)) from None

    # ------------------------------------------------------------------------------------------------------------ POST
    async def post(
        self,
        asked: Asked,
        body: Body,
        take: Callable[[httpx.Response], Awaitable[T]],
        *,
        own_errors: Mapping[str, int] | None = None,
        read_timeout_s: float | None = None,
    ) -> T:
        """Submit ``body`` and return what ``take`` makes of a success. Only what cannot have been taken is worth repeating.

        Whatever is raised but `OutcomeUnknown`, nothing was accepted.

        Args:
            asked: What errors call it.
            body: What is sent.
            take: Reads the answer. Where it fails the answer is lost, whatever it raises.
            own_errors: Where the service marks its own errors with a code (v1), a 5xx that carries one says that the request
                failed. Code -> how many attempts may end so; of any other code none is repeated.
            read_timeout_s: How long to wait for the answer; that of the settings by default.
        """
        turn_s = await self._limiter.turn(self._requests_per_s)
        async with aclosing(body.chunks()) as chunks:
            headers = {"Content-Type": body.content_type, "Content-Length": str(body.size_bytes)}
            request = self._connections.submission(asked.path, chunks, headers, read_timeout_s)
            try:
                response = await self._connections.submitting.send(request, stream=True)
            except _NOTHING_SENT as error:
                raise _no_answer(asked, error) from error
            except ItemError:  # a file failed: the body lacks its end, so it was no request yet
                raise
            except Exception as error:  # whatever else it is, the request may have arrived
                raise answers.unknown(asked, reason_of(error)) from error
            try:
                self._learn_from(response, turn_s)
                if not response.is_success:
                    raise await self._not_accepted(asked, response, own_errors or {})
                try:
                    return await take(response)
                except Exception as error:
                    lost = f"it answered {response.status_code}, but {reason_of(error)}"
                    raise answers.unknown(asked, lost, response.status_code) from error
            finally:
                await response.aclose()

    async def _not_accepted(self, asked: Asked, response: httpx.Response, own_errors: Mapping[str, int]) -> Exception:
        status, body = response.status_code, await _beginning(response)
        refusal = partial(answers.refusal, asked, status, response.headers, body)
        asked_s = asked_wait_s(response.headers, time.time())
        if status in (429, 503):
            return TryAgain(refusal, asked_s=asked_s)
        code = answers.code_of(body) if own_errors else None
        if status >= 500 and code is not None:
            return TryAgain(refusal, asked_s=asked_s, at_most=own_errors.get(code, 1))
        if status in (303, 408) or status >= 500:
            return answers.unknown(asked, f"it answered {status}: {answers.message_of(body) or 'without a message'}", status)
        return refusal()

    def _learn_from(self, response: httpx.Response, turn_s: float) -> None:
        self.server.learn_from(response)
        if response.status_code in (429, 503):
            self._limiter.slow_down(turn_s, self._requests_per_s)
        else:
            self._limiter.speed_up(self._requests_per_s)


async def whole_body(response: httpx.Response, form: Form | None = None) -> AsyncGenerator[bytes, None]:
    """Yield a body, decompressed.

    Raises:
        BodyEndsEarly: (at its end) It is not whole.
        BodyOfAnotherForm: (at its end) It is not of that form.
    """
    ends = Ends()
    try:
        async for chunk in response.aiter_bytes():
            ends.feed(chunk)
            yield chunk
    except BROKEN as error:  # also where the length that was promised, or the last chunk, is missing
        raise BodyEndsEarly(f"its body ended early ({reason_of(error)})") from error
    if form is not None and ends.head and not form.begins(ends.head):
        raise BodyOfAnotherForm(f"instead of {form.name} came {answers.looks_like(ends.head)}")
    if form is not None and not form.ends(ends.tail):  # where no length is stated, a body can be cut unseen
        raise BodyEndsEarly(f"its body ended early ({ends.size_bytes:,} bytes, not the end of {form.name})")


async def _beginning(response: httpx.Response) -> bytes:
    """The body of an error, as far as it came and is worth reading; the status says enough."""
    body = b""
    with suppress(*BROKEN):
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) >= _ERROR_BODY_BYTES:
                break
    return body


def _no_answer(asked: Asked, error: Exception) -> TryAgain:
    """No answer and no harm. Worth repeating, but for a certificate, which does not become valid by waiting."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
        cause = cause.__cause__ or cause.__context__
    return TryAgain(partial(answers.unreachable, asked, reason_of(error)), at_most=1 if cause else None)


def reason_of(error: Exception) -> str:
    """Say what went wrong in the words of an exception from below."""
    text = str(error).rstrip(".")
    if isinstance(error, ValueError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
