"""The sandbox's clock: the machine's, plus what a test has advanced it by."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Clock:
    """Tell the time of the sandbox. Advancing it lets a test see hours pass in no time.

    Args:
        offset_s: Seconds the clock is ahead of the machine's from the start.
    """

    def __init__(self, offset_s: float = 0.0) -> None:
        self._lock = threading.Lock()
        self._offset_s = offset_s
        self._listeners: list[Callable[[], None]] = []

    @property
    def offset_s(self) -> float:
        return self._offset_s

    def now_s(self) -> float:
        """Return Unix time in seconds."""
        return time.time() + self._offset_s

    def now_ms(self) -> int:
        """Return Unix time in whole milliseconds."""
        return int(self.now_s() * 1000)

    def advance(self, seconds: float) -> None:
        """Put the clock forward.

        Raises:
            ValueError: ``seconds`` is negative: time stamps of jobs never run backwards.
        """
        if not 0 <= seconds < 1e10:
            raise ValueError(f"The clock can only be put forward, by a finite number of seconds, not by {seconds}.")
        with self._lock:
            self._offset_s += seconds
            listeners = list(self._listeners)
        for listener in listeners:
            listener()

    def on_advance(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` each time the clock has been put forward."""
        with self._lock:
            self._listeners.append(listener)
