"""How often a host is asked: one limiter a host for the whole process, which slows down when the host says so."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable

#: However often a host complains, this share of the ceiling stays: else one bad minute would stop a night's run.
_SLOWEST_SHARE = 1 / 50
#: The rate is halved once in this time at most.
_WINDOW_S = 1.0
#: Steady success brings the rate from nothing back to its ceiling in this time.
_RECOVERY_S = 60.0
#: A success says something about the second before it, not about the silence before that.
_CREDIT_S = 1.0


class HostLimiter:
    """Space out the requests to one host: halve the rate when it complains, grow slowly while it does not.

    It holds no lock while it waits and belongs to no event loop, so that clients in several threads can share it. Each
    client brings its own ceiling; what was learned from the host's complaints holds for all.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._learned_per_s = math.inf
        self._next_at_s = -math.inf
        self._slowed_at_s = -math.inf
        self._grown_at_s = -math.inf

    def rate_per_s(self, ceiling_per_s: float) -> float:
        """Return the rate now in force for a client with that ceiling."""
        return min(self._learned_per_s, ceiling_per_s)

    def reserve(self, ceiling_per_s: float) -> tuple[float, float]:
        """Take the next free turn; return how long to wait for it in seconds, and the turn (a moment of the clock)."""
        with self._lock:
            now_s = self._clock()
            turn_s = max(now_s, self._next_at_s)
            self._next_at_s = turn_s + 1.0 / self.rate_per_s(ceiling_per_s)
            return turn_s - now_s, turn_s

    async def turn(self, ceiling_per_s: float) -> float:
        """Wait for the next free turn and return it."""
        wait_s, turn_s = self.reserve(ceiling_per_s)
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        return turn_s

    def slow_down(self, turn_s: float, ceiling_per_s: float) -> None:
        """Note that the request of that turn was one too many.

        Only a request sent a while after the last cut says anything about the rate that led to: a burst of complaints
        halves once.
        """
        with self._lock:
            if turn_s < self._slowed_at_s + _WINDOW_S:
                return
            self._learned_per_s = max(self.rate_per_s(ceiling_per_s) / 2, ceiling_per_s * _SLOWEST_SHARE)
            self._slowed_at_s = self._grown_at_s = self._clock()

    def speed_up(self, ceiling_per_s: float) -> None:
        """Note that a request went well."""
        with self._lock:
            now_s = self._clock()
            credit_s = min(now_s - self._grown_at_s, _CREDIT_S)
            self._grown_at_s = now_s
            if self._learned_per_s < ceiling_per_s:
                self._learned_per_s = min(self._learned_per_s + ceiling_per_s * credit_s / _RECOVERY_S, ceiling_per_s)


_limiters: dict[str, HostLimiter] = {}
_limiters_lock = threading.Lock()


def limiter_of(host: str) -> HostLimiter:
    """Return the limiter that all clients of this process share for ``host`` (``name[:port]``)."""
    with _limiters_lock:
        return _limiters.setdefault(host, HostLimiter())
