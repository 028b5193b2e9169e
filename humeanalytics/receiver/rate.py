"""How often something may happen."""

from __future__ import annotations

import time
from collections.abc import Callable


class Rate:
    """So many a second on the average, and twice as many at once.

    >>> now = [0.0]
    >>> rate = Rate(1.0, clock=lambda: now[0])
    >>> [rate.wait_s() for _ in range(3)]
    [0.0, 0.0, 1.0]
    """

    def __init__(self, per_s: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s, self._clock = per_s, clock
        self._most = max(1.0, 2 * per_s)
        self._left, self._at = self._most, clock()

    def wait_s(self) -> float:
        """Return 0 if it may happen now, which is counted; else after how many seconds to ask again."""
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._at) * self._per_s)
        self._at = now
        if self._left < 1:
            return (1 - self._left) / self._per_s
        self._left -= 1
        return 0.0
