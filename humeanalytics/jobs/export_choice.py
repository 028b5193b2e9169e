"""Which chats an export is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from humeanalytics.moments import moment_us

#: Times below this are seconds, as some old texts have them; above, milliseconds.
_SECONDS_BELOW = 100_000_000_000


@dataclass(frozen=True, slots=True)
class ExportChoice:
    """What of an account's history is wanted. Times are Unix milliseconds.

    Attributes:
        since_ms, until_ms: Chats that began from, and before, these.
        config_id: Chats that used this config.
        chats: These and no others.
        groups: The chats of these groups.
        audio: Have the sound of each chat made, and fetch it.
        embeddings: Keep the 768 numbers of each stretch of speech in the table too.
    """

    since_ms: int | None = None
    until_ms: int | None = None
    config_id: str | None = None
    chats: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    audio: bool = False
    embeddings: bool = False

    @property
    def is_partial(self) -> bool:
        """Whether chats may be left out, so that nothing follows from what is not there."""
        return any((self.since_ms, self.until_ms, self.config_id, self.chats, self.groups))

    def takes(self, start: object) -> bool:
        """Return whether a chat that began then is wanted; one of which that is not known is."""
        if not isinstance(start, int) or isinstance(start, bool):
            return True
        start_ms = start * 1000 if start < _SECONDS_BELOW else start
        return not (self.since_ms and start_ms < self.since_ms) and not (self.until_ms and start_ms >= self.until_ms)


def moment_ms(given: str | date | datetime | None) -> int | None:
    """Return a moment as Hume counts it; see `moment_us`."""
    us = moment_us(given)
    return None if us is None else us // 1000


def ids_of(given: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return one id, several or none as a tuple."""
    return () if not given else (given,) if isinstance(given, str) else tuple(given)
