"""How much of a run may happen at once, and in all: uploads under way, bytes prepared, seconds billed."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

#: Uploads at once that a run begins with.
_FIRST = 2
#: The number is halved once in this time at most: one moment of the service's makes several uploads complain.
_HALVED_ONCE_S = 1.0


class Lanes:
    """So many uploads at once as the service takes: few at first, one more after a round that went well, half after a complaint.

    Examples:
        >>> lanes = Lanes(8)
        >>> lanes.open
        2
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.open = min(_FIRST, most)
        self.used = 0
        self._went_well = 0
        self._halved_at_s = float("-inf")
        self._waiting: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def lane(self) -> AsyncIterator[Callable[[], None]]:
        """Hold one lane while the block runs, or until what is given is called, in any thread."""
        if self.used >= self.open or self._waiting:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._leave()
                raise
        else:
            self.used += 1
        loop, held = asyncio.get_running_loop(), True

        def leave() -> None:
            nonlocal held
            if held:
                held = False
                self._leave()

        def leave_soon() -> None:
            loop.call_soon_threadsafe(leave)

        try:
            yield leave_soon
        finally:
            leave()

    def went_well(self) -> None:
        """An upload was answered."""
        self._went_well += 1
        if self._went_well >= self.open and self.open < self._most:
            self.open, self._went_well = self.open + 1, 0
            self._wake()

    def complained(self) -> None:
        """The service is busy."""
        now_s = time.monotonic()
        if now_s - self._halved_at_s >= _HALVED_ONCE_S:
            self.open, self._went_well, self._halved_at_s = max(1, self.open // 2), 0, now_s

    def _leave(self) -> None:
        self.used -= 1
        self._wake()

    def _wake(self) -> None:
        while self._waiting and self.used < self.open:
            turn = self._waiting.popleft()
            if not turn.done():
                self.used += 1
                turn.set_result(None)


class Room:
    """So many bytes of prepared media lie on the disk or are under way. What is larger than all of it goes alone."""

    def __init__(self, size_bytes: int) -> None:
        self._size_bytes = size_bytes
        self.held_bytes = 0
        self._freed = asyncio.Event()

    async def take(self, size_bytes: int) -> None:
        """Wait until so much fits."""
        while self.held_bytes and self.held_bytes + size_bytes > self._size_bytes:
            self._freed.clear()
            await self._freed.wait()
        self.held_bytes += size_bytes

    def give_back(self, size_bytes: int) -> None:
        self.held_bytes -= size_bytes
        self._freed.set()


class Budget:
    """Seconds that a run may have billed.

    >>> budget = Budget(25.0)
    >>> [budget.take(10.0) for _ in range(3)], budget.spent_s
    ([True, True, False], 20.0)
    """

    def __init__(self, limit_s: float | None) -> None:
        self.limit_s = limit_s
        self.spent_s = 0.0

    def take(self, billed_s: float) -> bool:
        """Set aside what an upload may cost; return whether it may go."""
        if self.limit_s is not None and self.spent_s + billed_s > self.limit_s + 1e-6:
            return False
        self.spent_s += billed_s
        return True

    def give_back(self, billed_s: float) -> None:
        """An upload turned out to be free."""
        self.spent_s -= billed_s
