"""When a recording was made: the manifest knows best, then the file's own tag, its name, and the time of its last change."""

from __future__ import annotations

import re
from typing import Literal

RecordedAtSource = Literal["manifest", "media", "name", "modified"]

# 2026-10-01 or 20261001, never 01-10-2026, whose day and month nobody can tell apart. A time of day follows with its
# seconds, or after a T: "2026-10-01_12-34" may just as well be take 12 of 34.
_DATE = r"(?<!\d)(?P<year>199\d|20\d\d)(?P<dash>[-_.]?)(?P<month>\d\d)(?P=dash)(?P<day>\d\d)"
_TIME = r"(?P<hour>\d\d)(?P<colon>[-_.:]?)(?P<minute>\d\d)(?P=colon)(?P<second>\d\d)(?:[.,]?(?P<fraction>\d{6}|\d{3}))?(?!\d)"
_SHORT_TIME = r"(?P<short_hour>\d\d)[-_.:]?(?P<short_minute>\d\d)(?!\d)"
_ZONE = r"(?P<zone>Z|[+-]\d\d:?\d\d(?!\d))?"
_HALF_DAY = r"(?:\s?(?P<half>[AP])\.?M\b)?"
_WHEN = re.compile(
    f"{_DATE}(?:(?P<t>T| at )(?:{_TIME}|{_SHORT_TIME}){_ZONE}{_HALF_DAY}|[-_. ]?{_TIME.replace('P<', 'P<plain_')}Z?|(?!\\d))".replace(
        "(?P=colon)(?P<plain", "(?P=plain_colon)(?P<plain"
    ),
    re.IGNORECASE,
)
