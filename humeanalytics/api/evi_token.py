"""Access tokens: asked for with key and secret, put on every request, renewed before they expire."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Generator
from functools import partial

import httpx
import msgspec
from pydantic import SecretStr

from humeanalytics.api import answers
from humeanalytics.api.answers import Asked
from humeanalytics.api.connections import checked_url
from humeanalytics.api.retry import TryAgain, asked_wait_s
from humeanalytics.errors import AuthenticationFailed, InvalidAnswer, MissingKey
from humeanalytics.settings import Settings

_TOKEN_PATH = "/oauth2-cc/token"
#: How long a token is good for, as Hume's documentation says.
_LIVES_S = 1800.0
#: It is renewed when this share of that is over: a request under way must not outlive its token.
_RENEW_SHARE = 5 / 6


class _Answer(msgspec.Struct):
    access_token: str
    expires_in: float | None = None


class TokenAuth(httpx.Auth):
    """Put an access token on requests in place of the key. One for all tasks of a client.

    A token that is refused though it should still be good is replaced once.

    Args:
        settings: The key, the secret key, and where tokens are given.
        clock: Seconds that only go forward.

    Raises:
        MissingKey: There is no key, or no secret key.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        if settings.secret_key is None or not settings.secret_key.get_secret_value().strip():
            raise MissingKey(
                "An access token needs the secret key beside the API key. Set HUME_SECRET_KEY, or use the API key alone."
            )
        base_url, host = checked_url(settings.base_url)
        self._basic = httpx.BasicAuth(settings.key(), settings.secret_key.get_secret_value().strip())
        self._asked = Asked("POST", base_url, host, _TOKEN_PATH, settings.key())
        self._clock = clock
        self._lock = asyncio.Lock()
        self._token: SecretStr | None = None
        self._renew_at_s = 0.0

    def __repr__(self) -> str:
        return f"<TokenAuth {self._asked.host}>"

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        raise RuntimeError("TokenAuth works with asynchronous clients only.")

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        used: SecretStr | None = None
        for _ in range(2):
            async with self._lock:
                if self._token is None or self._token is used or self._clock() >= self._renew_at_s:
                    asked_s = self._clock()
                    given = self._read(await _whole((yield self._request())))
                    self._token = SecretStr(given.access_token)
                    self._renew_at_s = asked_s + _RENEW_SHARE * min(given.expires_in or _LIVES_S, _LIVES_S)
                used = self._token
            request.headers["Authorization"] = f"Bearer {used.get_secret_value()}"
            response = yield request
            if response.status_code != 401:
                return

    def _request(self) -> httpx.Request:
        request = httpx.Request("POST", self._asked.url, data={"grant_type": "client_credentials"})
        return next(self._basic.auth_flow(request))

    def _read(self, response: httpx.Response) -> _Answer:
        status, headers = response.status_code, response.headers
        if status in (408, 425, 429) or status >= 500:
            refusal = partial(answers.refusal, self._asked, status, headers, response.content)
            raise TryAgain(refusal, asked_s=asked_wait_s(headers, time.time()))
        if status in (400, 401):
            raise AuthenticationFailed(
                f"{self._asked} answered {status}: no access token is given for this key and secret key. Check HUME_API_KEY and "
                "HUME_SECRET_KEY: they must belong together.",
                status=status,
                url=self._asked.url,
            )
        if not response.is_success:
            raise answers.refusal(self._asked, status, headers, response.content)
        try:
            given = msgspec.json.decode(response.content, type=_Answer)
        except (msgspec.DecodeError, UnicodeDecodeError):
            given = None
        if given is None or not given.access_token.isascii() or not given.access_token.strip():
            # the body is not shown: it may hold a token all the same
            raise InvalidAnswer(
                f"{self._asked} answered {status}, but without an access token. Check HUME_BASE_URL, or use the API key alone.",
                status=status,
                url=self._asked.url,
            )
        return given


async def _whole(response: httpx.Response) -> httpx.Response:
    await response.aread()
    return response
