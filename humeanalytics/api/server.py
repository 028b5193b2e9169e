"""What is known of the server that answers: who it is, and what time it is there."""

from __future__ import annotations

import time

import httpx

from humeanalytics.api.retry import http_date_s

_SANDBOX_HEADER = "x-hume-sandbox"


class Server:
    """One server, as its answers show it.

    Attributes:
        host: ``name[:port]``.
        synthetic: Whether it is a sandbox. None until an answer tells: one with the sandbox's header, or a success without
            it. (An error without it may be that of a proxy in between.)
        offset_s: Its clock minus this machine's, in seconds, true to about a second (``Date`` counts whole ones); None until
            an answer tells.
    """

    def __init__(self, host: str) -> None:
        self.host = host
        self.synthetic: bool | None = None
        self.offset_s: float | None = None
        self._seed: str | None = None

    @property
    def origin(self) -> str:
        """``host``, or ``sandbox/SEED`` once an answer said so."""
        return self.host if self._seed is None else f"sandbox/{self._seed}"

    def now_ms(self) -> int:
        """Return its time in Unix milliseconds; this machine's until an answer told."""
        return int((time.time() + (self.offset_s or 0.0)) * 1000)

    def learn_from(self, response: httpx.Response) -> None:
        """Take note of an answer, as soon as its headers are here."""
        date_s = http_date_s(response.headers.get("date"))
        if date_s is not None:  # it is cut to whole seconds: the middle of its second is the best guess
            self.offset_s = date_s + 0.5 - time.time()
        told = response.headers.get(_SANDBOX_HEADER)
        if told is not None:
            self.synthetic, self._seed = True, told.partition("seed=")[2].strip() or told.strip()
        elif response.is_success and self.synthetic is None:
            self.synthetic = False
