"""Moments as users give them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from humeanalytics.errors import UsageError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment_us(given: str | date | datetime | None) -> int | None:
    """Return a moment in microseconds since 1970; without a time zone it is in UTC, without a time of day its day's beginning.

    Raises:
        UsageError: It is no date or time.

    Examples:
        >>> moment_us("2026-10-01"), moment_us("2026-10-01T02:00:00.5+02:00")
        (1790812800000000, 1790812800500000)
    """
    if given is None:
        return None
    try:
        moment = datetime.fromisoformat(given if isinstance(given, str) else given.isoformat())
    except ValueError:
        raise UsageError(f"{given!r} is no date or time. Write for example 2026-10-01 or 2026-10-01T08:30:00+02:00.") from None
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) // timedelta(microseconds=1)
