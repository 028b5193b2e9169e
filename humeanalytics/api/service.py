"""What the clients of all of Hume's APIs have in common: one connection, who answers there, and what time it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from humeanalytics.api.http import HumeClient


class Service(ABC):
    """One of Hume's APIs at one address. Use as an async context manager."""

    def __init__(self, http: HumeClient) -> None:
        self._http = http

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._http.aclose()

    @property
    def origin(self) -> str:
        """Who answers: ``host[:port]``, or ``sandbox/SEED`` once an answer said so."""
        return self._http.origin

    @property
    def synthetic(self) -> bool | None:
        """Whether a sandbox answers; None until an answer told."""
        return self._http.synthetic

    def server_now_ms(self) -> int:
        """Return the server's time in Unix milliseconds, true to about a second."""
        return self._http.server_now_ms()

    @abstractmethod
    async def check(self) -> None:
        """Ask for as little as there is: whether the key is taken, who answers, and what time it is there."""
