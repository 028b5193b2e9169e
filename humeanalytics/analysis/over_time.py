"""Scores over the time of one recording: as they are, or on a regular grid; smoothed; with gaps kept as gaps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from humeanalytics.analysis import frames
from humeanalytics.analysis.covered_time import Floats, Integers
from humeanalytics.analysis.observations import refuse_long
from humeanalytics.errors import UsageError
from humeanalytics.tables.schema import HUME_NAME

_SPAN, _POINT = ("begin_s", "end_s"), "time_s"
#: Silence longer than so many typical windows is a gap.
_GAP_WINDOWS = 3.0
_MAX_CELLS = 5_000_000


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of one recording in time: numbers a row, and ``scores`` a row and expression; ``n_rows`` went into each."""

    person: Integers
    begin_s: Floats
    end_s: Floats
    scores: Floats
    n_rows: Integers

    @property
    def middle_s(self) -> Floats:
        return (self.begin_s + self.end_s) / 2

    def take(self, rows: Any) -> _Rows:
        """Return some rows, or all in another order; columns of scores stay whole in memory, which all else here goes along."""
        place = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        if len(place) == len(self.person) and (np.diff(place, prepend=-1) == 1).all():
            return self
        scores = np.empty((len(place), self.scores.shape[1]), order="F")
        for at in range(scores.shape[1]):
            scores[:, at] = self.scores[:, at][place]
        return _Rows(self.person[place], self.begin_s[place], self.end_s[place], scores, self.n_rows[place])


def timeline(
    frame: Any,
    expressions: Sequence[str] | str | None = None,
    *,
    recording: str | None = None,
    person: str | None = None,
    every_s: float | None = None,
    smooth_s: float | None = None,
    gap_s: float | None = None,
) -> pa.Table:
    """Return the scores of one recording over its time.

    Args:
        frame: A Query, pyarrow, pandas or polars frame with ``begin_s`` and ``end_s`` (speech, text, bursts) or ``time_s``
            (faces); of v1 what `presence` returns.
        expressions: By column or by Hume's name; all that the frame has where left out.
        recording: Which, where the frame holds several: its id, the beginning of its id, or its file.
        person: Only this ``speaker_id`` or ``face_id``.
        every_s: Means over cells of so many seconds: of the rows in a cell, or of the windows that reach into it, each by
            how far it does. Cells that nothing reaches into are left out.
        smooth_s: A centred moving mean over so many seconds, which never reaches over a gap.
        gap_s: Silence longer than this is a gap; three typical windows (or steps between frames) where left out.

    Returns:
        A row is one scored stretch, frame or cell of one person, by person and time: ``person`` (text; null where the frame
        tells no one apart), ``stretch`` (a number that changes at each gap), ``begin_s``, ``end_s``, ``time_s`` (their middle),
        ``n_rows`` that went into it, and the expressions as float64. Rows of one person at one time, such as several faces of a
        frame that all are ``unknown``, become one, their mean. Rows without a time are left out.

    Raises:
        UsageError: No such expression or recording, several recordings or scorings of one, no columns of time, or a length
            that is not positive.

    Examples:
        >>> frame = pa.table({"time_s": [0.0, 0.5, 1.0, 9.0], "joy": [0.0, 0.2, 0.4, 1.0]})
        >>> timeline(frame, "joy", every_s=1.0).select(["stretch", "time_s", "joy"]).to_pydict()
        {'stretch': [0, 0, 1], 'time_s': [0.5, 1.5, 9.5], 'joy': [0.1, 0.4, 1.0]}
    """
    for name, length in (("every_s", every_s), ("smooth_s", smooth_s), ("gap_s", gap_s)):
        if length is not None and not (math.isfinite(length) and length > 0):
            raise UsageError(f"{name} is {length:g}; it is a number of seconds above 0.")
    table, columns = _read(frame, expressions, recording)
    by = frames.person_column(table.schema)
    rows, people = _rows(table, columns, by)
    if person is not None:
        if person not in people:
            there = ", ".join(repr(each) for each in people if each is not None) or "nobody by name"
            raise UsageError(f"The frame has nobody called {person!r} in {by or 'speaker_id or face_id'}. There are: {there}.")
        rows = rows.take(rows.person == people.index(person))
    rows = rows.take(np.lexsort((rows.begin_s, rows.middle_s, rows.person)))
    gap_s = _typical_gap_s(rows) if gap_s is None else gap_s
    rows = _merged(rows) if every_s is None else _on_grid(rows, every_s)
    stretch = _stretches(rows, gap_s)
    if smooth_s is not None:
        rows = _smoothed(rows, stretch, smooth_s)
    names = pa.array([people[at] for at in rows.person], pa.string())
    fields = [pa.field(c, pa.float64(), metadata={HUME_NAME: frames.label_of(table.schema.field(c)).encode()}) for c in columns]
    return pa.Table.from_arrays(
        [names, stretch, rows.begin_s, rows.end_s, rows.middle_s, rows.n_rows]
        + [pa.array(rows.scores[:, at], pa.float64(), from_pandas=True) for at in range(len(columns))],
        schema=pa.schema(
            [
                ("person", pa.string()),
                ("stretch", pa.int64()),
                *((name, pa.float64()) for name in (*_SPAN, _POINT)),
                ("n_rows", pa.int64()),
                *fields,
            ]
        ),
    )


def _read(frame: Any, expressions: Sequence[str] | str | None, recording: str | None) -> tuple[pa.Table, list[str]]:
    columns: list[str] = []

    def wanted(schema: pa.Schema) -> list[str]:
        refuse_long(schema)
        columns[:] = frames.chosen_columns(schema, expressions)
        spans = [name for name in _SPAN if name in schema.names]
        if len(spans) == 1 or not (spans or _POINT in schema.names):
            raise UsageError("A frame over time needs begin_s and end_s (speech, text, bursts) or time_s (faces).")
        if spans and _POINT in schema.names:
            raise UsageError("The frame has begin_s and time_s: speech and faces. Look at one model at a time.")
        keys = (*frames.RECORDING_COLUMNS, "scoring_id", *frames.PERSON_COLUMNS, *_SPAN, _POINT)
        return [*(name for name in keys if name in schema.names), *columns]

    table = frames.one_recording(frames.read_columns(frame, wanted), recording)
    frames.check_one_scoring(table)
    return table, columns


def _rows(table: pa.Table, columns: Sequence[str], by: str | None) -> tuple[_Rows, list[str | None]]:
    """Return the rows that have a time, and the people their numbers stand for, in the order of their names."""
    person, found = frames.codes(table, [by] if by is not None else [])
    names = [each[0] if by is not None else None for each in found]
    people = sorted(names, key=lambda name: (name is None, len(name or ""), name or ""))  # face_9 before face_10
    rank = np.array([people.index(name) for name in names], np.int64)
    begin, end = (frames.numbers(table, name if name in table.column_names else _POINT) for name in _SPAN)
    scores = np.empty((table.num_rows, len(columns)), order="F")
    for at, column in enumerate(columns):
        scores[:, at] = frames.numbers(table, column)
    timed = np.isfinite(begin) & np.isfinite(end)
    rank_of = rank[person] if len(rank) else person
    return _Rows(rank_of, begin, np.maximum(begin, end), scores, np.ones_like(person)).take(timed), people


def _merged(rows: _Rows) -> _Rows:
    """Return rows in order with those of one person at one time made one."""
    if len(rows.begin_s) == 0:
        return rows
    keys = (rows.person, rows.begin_s, rows.end_s)
    first = np.flatnonzero(np.concatenate(([True], np.any([np.diff(key) != 0 for key in keys], axis=0))))
    if len(first) == len(rows.begin_s):
        return rows
    known = ~np.isnan(rows.scores)
    total, count = np.add.reduceat(np.where(known, rows.scores, 0.0), first), np.add.reduceat(known, first, dtype=np.float64)
    merged = rows.take(first)
    scores = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return replace(merged, scores=scores, n_rows=np.add.reduceat(rows.n_rows, first))


def _typical_gap_s(rows: _Rows) -> float:
    if len(rows.begin_s) == 0:
        return math.inf
    window_s = float(np.median(rows.end_s - rows.begin_s))
    if window_s == 0:
        steps = np.diff(rows.begin_s)[np.diff(rows.person) == 0]
        window_s = float(np.median(steps[steps > 0])) if (steps > 0).any() else math.inf
    return _GAP_WINDOWS * window_s


def _on_grid(rows: _Rows, every_s: float) -> _Rows:
    if len(rows.begin_s) == 0:
        return rows
    # A billionth of a cell is rounding, not time: 0.3 s begins the fourth cell of 0.1 s, though 0.3 / 0.1 is below 3.
    start = np.floor(rows.begin_s / every_s + 1e-9)
    stop = np.maximum(start + 1, np.ceil(rows.end_s / every_s - 1e-9))
    if float((stop - start).sum()) > _MAX_CELLS or float(np.abs(stop).max()) > 2.0**40:
        raise UsageError(f"every_s={every_s:g} cuts this recording into more than {_MAX_CELLS:,} pieces. Take a longer one.")
    first, reaches = start.astype(np.int64), (stop - start).astype(np.int64)
    row = np.repeat(np.arange(len(first)), reaches)
    cell = first[row] + np.arange(len(row)) - np.repeat(np.cumsum(reaches) - reaches, reaches)
    inside = np.minimum(rows.end_s[row], (cell + 1) * every_s) - np.maximum(rows.begin_s[row], cell * every_s)
    # Frames have no length: all of a cell count the same, but next to nothing beside a window.
    weight = np.maximum(inside, 1e-9)
    low = int(cell.min())
    width = int(cell.max()) - low + 1
    places, where = np.unique(rows.person[row] * width + (cell - low), return_inverse=True)
    every_weight = np.bincount(where, weight, len(places))
    scores = np.empty((len(places), rows.scores.shape[1]))
    for at in range(scores.shape[1]):
        values = rows.scores[:, at] if len(row) == len(first) else rows.scores[:, at][row]
        known = ~np.isnan(values)
        if known.all():
            total, weights = np.bincount(where, weight * values, len(places)), every_weight
        else:
            total = np.bincount(where[known], weight[known] * values[known], len(places))
            weights = np.bincount(where[known], weight[known], len(places))
        scores[:, at] = np.divide(total, weights, out=np.full(len(places), np.nan), where=weights > 0)
    person, cells = places // width, places % width + low
    n_rows = np.bincount(where, rows.n_rows[row], len(places)).astype(np.int64)
    return _Rows(person, cells * float(every_s), (cells + 1) * float(every_s), scores, n_rows)


def _stretches(rows: _Rows, gap_s: float) -> Integers:
    """Number the stretches between gaps; a person's first row begins a new one."""
    if len(rows.begin_s) == 0:
        return np.zeros(0, np.int64)
    origin, span = rows.begin_s.min(), rows.end_s.max() - rows.begin_s.min() + 1.0
    reached = np.maximum.accumulate(rows.end_s - origin + rows.person * span) - rows.person * span + origin
    silence = rows.begin_s[1:] - reached[:-1]
    new = (np.diff(rows.person) != 0) | (silence > gap_s * (1 + 1e-9))
    return np.concatenate(([0], np.cumsum(new))).astype(np.int64)


def _smoothed(rows: _Rows, stretch: Integers, smooth_s: float) -> _Rows:
    """Return each row as the mean of the rows of its stretch whose middles lie within half of ``smooth_s`` of its own."""
    if len(rows.begin_s) == 0:
        return rows
    middle = rows.middle_s
    place = middle - middle.min() + stretch * (float(np.ptp(middle)) + 2 * smooth_s)
    tolerance = 1e-9 * max(1.0, float(place[-1]))
    low = np.searchsorted(place, place - smooth_s / 2 - tolerance)
    high = np.searchsorted(place, place + smooth_s / 2 + tolerance, side="right")
    length = rows.end_s - rows.begin_s
    shortest = length[length > 0].min(initial=np.inf)
    weight = np.where(length > 0, length, 1.0 if np.isinf(shortest) else shortest / 1000)[:, None]
    known = ~np.isnan(rows.scores)
    total = np.cumsum(np.vstack([np.zeros(rows.scores.shape[1]), np.where(known, rows.scores * weight, 0.0)]), axis=0)
    weights = np.cumsum(np.vstack([np.zeros(rows.scores.shape[1]), np.where(known, weight, 0.0)]), axis=0)
    counted = weights[high] - weights[low]
    mean = np.divide(total[high] - total[low], counted, out=np.full(counted.shape, np.nan), where=counted > 0)
    return replace(rows, scores=np.where(known, mean, np.nan))
