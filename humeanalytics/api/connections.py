"""The connections to one host: where they lead, what key they carry, what they may be used for again."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import AsyncGenerator, Generator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr

from humeanalytics import __version__
from humeanalytics.errors import SettingsError
from humeanalytics.settings import Settings

HEADERS = {"User-Agent": f"humeanalytics/{__version__}"}


@dataclass(frozen=True, slots=True)
class Connections:
    """Two pools of connections to one host.

    Submissions get a connection of their own each. One kept from an earlier request may be closed by the server at the
    moment it is used again, and the outcome of the submission would be unknown for nothing.
    """

    reading: httpx.AsyncClient
    submitting: httpx.AsyncClient

    @classmethod
    def to(cls, settings: Settings, base_url: str, auth: httpx.Auth, transport: httpx.AsyncBaseTransport | None) -> Connections:
        """Prepare both pools; nothing is connected yet."""
        # A proxy from the environment is not asked for this machine's own addresses: it could not reach them.
        trust_env = not is_loopback(base_url)
        make = partial(
            httpx.AsyncClient,
            base_url=base_url,
            auth=auth,
            headers=HEADERS,
            timeout=httpx.Timeout(settings.read_timeout_s, connect=settings.connect_timeout_s),
            follow_redirects=False,  # the key goes to this host and no other
            trust_env=trust_env,
            verify=tls(trust_env),
            transport=transport,
        )
        return cls(make(), make(limits=httpx.Limits(max_keepalive_connections=0)))

    def submission(
        self, path: str, content: AsyncGenerator[bytes, None], headers: dict[str, str], read_timeout_s: float | None
    ) -> httpx.Request:
        """Return the request of a submission; None leaves the time to wait for its answer to the settings."""
        usual = self.submitting.timeout
        timeout = httpx.Timeout(usual.read if read_timeout_s is None else read_timeout_s, connect=usual.connect)
        return self.submitting.build_request("POST", path, content=content, headers=headers, timeout=timeout)

    async def aclose(self) -> None:
        await self.reading.aclose()
        await self.submitting.aclose()


class KeyHeader(httpx.Auth):
    """Put the key on a request as it leaves, so that no client object carries it in its headers."""

    def __init__(self, key: SecretStr) -> None:
        self._key = key

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["X-Hume-Api-Key"] = self._key.get_secret_value()
        yield request


def checked_url(base_url: str) -> tuple[str, str]:
    """Return the base URL without a slash at its end, and its ``host[:port]``."""
    try:
        parts = urlsplit(base_url.strip())
        name, port = parts.hostname, parts.port
    except ValueError:
        name = port = None
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not name or parts.username or parts.query or parts.fragment:
        raise SettingsError(
            "The base URL (HUME_BASE_URL, for v1 HUME_EXPRESSION_BASE_URL) must be like https://api.hume.ai: http or https, a "
            "host, no user, no query."
        )
    host = f"[{name}]" if ":" in name else name
    if port is not None and port != {"http": 80, "https": 443}[parts.scheme]:
        host += f":{port}"
    return f"{parts.scheme}://{host}{parts.path.rstrip('/')}", host


def checked_key(key: str) -> str:
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise SettingsError(
            "The API key (HUME_API_KEY, for v1 HUME_EXPRESSION_API_KEY) holds characters that no key has, such as blanks or line "
            "breaks. Copy it again."
        )
    return key


def is_loopback(base_url: str) -> bool:
    name = urlsplit(base_url).hostname or ""
    with suppress(ValueError):
        return ipaddress.ip_address(name).is_loopback
    return name == "localhost"


@cache
def tls(trust_env: bool) -> ssl.SSLContext:
    """One context for all clients: reading the certificates takes longer than a request."""
    return httpx.create_ssl_context(trust_env=trust_env)
