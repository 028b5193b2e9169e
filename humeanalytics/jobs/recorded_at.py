"""When a recording was made: the manifest knows best, then the file's own tag, its name, and the time of its last change."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Literal

RecordedAtSource = Literal["manifest", "media", "name", "modified"]

# 2026-10-01 or 20261001; never 01-10-2026, whose day and month nobody can tell apart.
_DATE = re.compile(r"(?<!\d)(199\d|20\d\d)([-_.]?)(\d\d)\2(\d\d)(?=\D|\d{6}(?!\d)|$)")
# What follows the date counts as a time of day with its seconds, or after a T: "2026-10-01_12-34" may be take 12 of 34.
_TIME = re.compile(r"(T|[-_. ]| at )?(\d\d|(?<=at )\d)([-_.:]?)(\d\d)\3(\d\d)(?:[.,]?(\d{6}|\d{3}))?(?!\d)", re.IGNORECASE)
_SHORT_TIME = re.compile(r"(T)(\d\d)([-_.:]?)(\d\d)(?!\d)", re.IGNORECASE)
_HALF_DAY = re.compile(r"\s?([AP])\.?M\b", re.IGNORECASE)
_ZONE = re.compile(r"Z(?![a-z])|([+-])(\d\d):?(\d\d)(?!\d)", re.IGNORECASE)
_UUID_AFTER = re.compile(r"-[0-9a-f]{4}-[0-9a-f]{4}-", re.IGNORECASE)


def recorded_at(
    name: str,
    *,
    manifest: datetime | None = None,
    media: datetime | None = None,
    modified: datetime | None = None,
) -> tuple[datetime, RecordedAtSource] | tuple[None, None]:
    """Return when a recording was made, in UTC, and where that is known from; two None where nothing tells.

    Args:
        name: The file's name; a date in it counts when it is the only one and possible. Without a zone it is read as UTC.
        manifest: What the manifest says.
        media: What a tag inside the file says.
        modified: When the file was last changed.

    Examples:
        >>> recorded_at("interview_2026-10-01_14-03-22.wav")
        (datetime.datetime(2026, 10, 1, 14, 3, 22, tzinfo=datetime.timezone.utc), 'name')
    """
    if manifest is not None:
        return _utc(manifest), "manifest"
    if media is not None:
        return _utc(media), "media"
    if (named := time_in_name(name)) is not None:
        return named, "name"
    if modified is not None:
        return _utc(modified), "modified"
    return None, None


def _utc(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def time_in_name(name: str) -> datetime | None:
    """Return the one date, or date and time, that a file name holds, in UTC; None where there is none or there are several.

    >>> time_in_name("PXL_20261001_140322123.mp4"), time_in_name("2026-10-01_to_2026-10-05.wav")
    (datetime.datetime(2026, 10, 1, 14, 3, 22, 123000, tzinfo=datetime.timezone.utc), None)
    """
    found = set(_times(name))
    return found.pop() if len(found) == 1 else None


def _times(name: str) -> Iterator[datetime | None]:
    for date in _DATE.finditer(name):
        if not _stands_alone(name, date):
            continue
        try:
            day = datetime(int(date[1]), int(date[3]), int(date[4]), tzinfo=UTC)
        except ValueError:  # 2026-13-45
            continue
        yield _time_of_day(day, name[date.end() :])


def _stands_alone(name: str, date: re.Match[str]) -> bool:
    """Tell a date from eight digits that happen to stand in a longer code or a UUID."""
    if date[2]:
        return True
    before = re.search(r"[^\W_]*$", name[: date.start()])
    return not (before and re.search(r"\d", before[0])) and _UUID_AFTER.match(name, date.end()) is None


def _time_of_day(day: datetime, rest: str) -> datetime | None:
    """Return the moment that ``rest``, what follows a date, makes of the day; None where it says a time that cannot be."""
    time = _TIME.match(rest) or _SHORT_TIME.match(rest)
    if time is None:
        return day
    marked = (time[1] or "").strip(" -_.").lower() in ("t", "at")
    hour, minute = int(time[2]), int(time[4])
    second, fraction = (int(time[5]), time[6] or "0") if time.re is _TIME else (0, "0")
    end = time.end()
    if half := _HALF_DAY.match(rest, end):
        if not 1 <= hour <= 12:
            return None
        hour, end = hour % 12 + 12 * (half[1].lower() == "p"), half.end()
    try:
        at = day.replace(hour=hour, minute=minute, second=second, microsecond=int(fraction.ljust(6, "0")))
    except ValueError:
        return None if marked else day  # after a mere separator, six digits may as well be a number of something
    zone = _ZONE.match(rest, end) if marked else None
    if zone is not None and zone[1]:
        if int(zone[2]) > 14 or int(zone[3]) > 59:
            return None
        offset = timedelta(hours=int(zone[2]), minutes=int(zone[3])) * (1 if zone[1] == "+" else -1)
        at = at.replace(tzinfo=timezone(offset)).astimezone(UTC)
    return at
