"""Sources by URL: fetched when the job runs, and only from this machine."""

from __future__ import annotations

import ipaddress
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import BinaryIO, cast
from urllib.parse import urljoin, urlsplit

import httpx

_IN_MEMORY_BYTES = 1 << 20
_MOST_REDIRECTS = 5
_TIMEOUT = httpx.Timeout(10.0, connect=5.0)


class DownloadFailed(Exception):
    """A URL cannot be fetched; the message is the error of its source."""


def is_loopback(url: str) -> bool:
    """Tell whether a URL names this machine, by an address or as ``localhost``: no name is looked up.

    >>> is_loopback("http://127.0.0.1:8000/a.wav"), is_loopback("https://example.com/a.wav")
    (True, False)
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        return False
    host = parts.hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def name_of(url: str) -> str:
    """Return what a file from a URL is called: the last part of its path.

    >>> name_of("http://127.0.0.1/media/talk%201.wav?Signature=x")
    'talk%201.wav'
    """
    return PurePosixPath(urlsplit(url).path).name or "file"


@contextmanager
def downloaded(url: str, max_bytes: int, check: Callable[[], None]) -> Iterator[BinaryIO]:
    """Fetch a URL to a temporary file.

    Raises:
        DownloadFailed: It is not on this machine, does not answer, or is too large.
    """
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES) as file:
        try:
            with httpx.Client(timeout=_TIMEOUT, trust_env=False) as client:
                _fetch(client, url, cast(BinaryIO, file), max_bytes, check)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise DownloadFailed(f"unable to download file: {error}") from None
        file.seek(0)
        yield cast(BinaryIO, file)


def _fetch(client: httpx.Client, url: str, file: BinaryIO, max_bytes: int, check: Callable[[], None]) -> None:
    for _ in range(_MOST_REDIRECTS + 1):
        if not is_loopback(url):
            raise DownloadFailed("unable to download file: the sandbox fetches from loopback addresses only")
        with client.stream("GET", url) as answer:
            if answer.is_redirect:
                url = urljoin(url, answer.headers.get("location", ""))
                continue
            if answer.status_code != 200:
                raise DownloadFailed(f"unable to download file: {answer.status_code} {answer.reason_phrase}")
            size_bytes = 0
            for chunk in answer.iter_bytes():
                check()
                size_bytes += file.write(chunk)
                if size_bytes > max_bytes:
                    raise DownloadFailed(f"file size exceeds the maximum of {max_bytes} bytes")
            return
    raise DownloadFailed("unable to download file: too many redirects")
