"""Rows in the order of time, person by person, with the pauses between them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from humeanalytics.analysis import frames
from humeanalytics.analysis.covered_time import Floats, Integers, check_spans
from humeanalytics.analysis.grid import POINT, SPAN
from humeanalytics.analysis.observations import Observations

#: Where in a text a row begins, for text that was never spoken.
PLACE = "position_begin"
#: A pause so much longer than a typical window (or step between frames) is one.
_GAP_WINDOWS = 3.0


@dataclass(frozen=True, slots=True)
class Series:
    """Rows in the order of time, person by person: ``order`` of the rows; in that order whose, when, and where a pause was."""

    keys: list[str]
    people: list[tuple[str | None, ...]]
    order: Integers
    person: Integers
    begin_s: Floats
    end_s: Floats
    begins: np.ndarray[Any, np.dtype[np.bool_]]
    when: Integers

    @staticmethod
    def of(observations: Observations, gap_s: float | None, label: Sequence[str]) -> Series:
        table = observations.table
        own = [name for name in (*frames.PERSON_COLUMNS, "channel") if name in table.column_names][:1]
        keys = [*(name for name in frames.RECORDING_COLUMNS if name in table.column_names), *label, *own]
        keys = [name for at, name in enumerate(keys) if name not in keys[at + 1 :]]
        number, people = frames.codes(table, keys)
        ranked = sorted(range(len(people)), key=lambda at: [(each is None, len(each or ""), each or "") for each in people[at]])
        rank = np.empty(len(people), np.int64)
        rank[ranked] = np.arange(len(people))
        nothing = np.full(table.num_rows, np.nan)
        times = SPAN if all(name in table.column_names for name in SPAN) else (POINT,) * (POINT in table.column_names)
        begin, end = (frames.finite(table, times[at]) if times else nothing for at in (0, -1))
        check_spans(begin, end)
        place = frames.numbers(table, PLACE) if PLACE in table.column_names else nothing
        person = rank[number]
        order = np.lexsort((place, end, begin, person))
        person, begin, end = person[order], begin[order], end[order]
        other = np.diff(person, prepend=-1) != 0
        begins = other | (_pauses(begin, end, other) > (_typical_gap_s(begin, end, other) if gap_s is None else gap_s))
        # Rows at one time are of one moment, in whatever order; after a break a number is left out, so that none goes on.
        later = begins | (begin != np.roll(begin, 1)) | (end != np.roll(end, 1))
        when = np.cumsum(later) + np.cumsum(begins)
        return Series(keys, [people[at] for at in ranked], order, person, begin, end, begins, when)


def _pauses(begin: Floats, end: Floats, other: Any) -> Floats:
    """Return the silence before each row, since the latest end of the same person; 0 where times are not known."""
    person = np.cumsum(other)
    timed = np.isfinite(begin) & np.isfinite(end)
    if not timed.any():
        return np.zeros(len(begin))
    low, span = float(begin[timed].min()), float(end[timed].max() - begin[timed].min()) + 1.0
    ends = np.where(timed, end, low - span)
    reached = np.maximum.accumulate(ends + person * span)
    before = np.concatenate(([0.0], reached[:-1])) - person * span
    return np.where(timed & ~other, begin - before, 0.0)


def _typical_gap_s(begin: Floats, end: Floats, other: Any) -> float:
    length = (end - begin)[np.isfinite(end - begin)]
    if len(length) and (typical := float(np.median(length))) > 0:
        return _GAP_WINDOWS * typical
    step = np.diff(begin)[~other[1:]]
    step = step[step > 0]  # false for NaN
    return _GAP_WINDOWS * float(np.median(step)) if len(step) else math.inf
