"""Phases of a recording, as a file tells them, and what must hold of them: each begins before it ends, and no two overlap."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise

from humeanalytics.errors import UsageError

#: Who annotates rounds to a millisecond: what overlaps by no more touches.
_TOUCHING_S = 0.001 + 1e-9


@dataclass(frozen=True, slots=True)
class Segment:
    """One phase.

    Attributes:
        begin_s, end_s: Seconds from the start of the recording.
        segment: What it is.
        place: Where it stands, as errors say it: ``phases.csv, line 3``.
    """

    begin_s: float
    end_s: float
    segment: str
    place: str


def in_order(segments: Iterable[Segment], recording: str) -> list[Segment]:
    """Return the segments of one recording in order of time; where two overlap by a rounding error the later gives way.

    Args:
        segments: The segments.
        recording: What errors call the recording.

    Raises:
        UsageError: One does not end after it begins, begins before the recording does, or two overlap; says where they stand.
    """
    ordered = sorted(segments, key=lambda each: (each.begin_s, each.end_s))
    for each in ordered:
        if not (math.isfinite(each.begin_s) and math.isfinite(each.end_s)):
            raise UsageError(f"{each.place}: begin and end of {each.segment!r} have to be numbers of seconds.")
        if each.begin_s < 0:
            raise UsageError(f"{each.place}: {each.segment!r} begins at {each.begin_s:g} s, before the recording does.")
        if each.end_s <= each.begin_s:
            raise UsageError(
                f"{each.place}: {each.segment!r} begins at {each.begin_s:g} s and ends at {each.end_s:g} s; it has to end after "
                "it begins. Are the two columns the other way round?"
            )
    for one, other in pairwise(ordered):
        if one.end_s - other.begin_s > _TOUCHING_S or other.end_s <= one.end_s:
            raise UsageError(
                f"{other.place}: {other.segment!r} of {recording} begins at {other.begin_s:g} s, while {one.segment!r} "
                f"({one.place}) lasts until {one.end_s:g} s. A moment is of one segment: cut them where one gives way to the "
                "other, or give the two kinds of segments in two files and take one of them."
            )
    reached = [0.0, *(each.end_s for each in ordered)]
    return [replace(each, begin_s=max(each.begin_s, before)) for each, before in zip(ordered, reached, strict=False)]
