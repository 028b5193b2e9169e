"""Rows in time, and one regular grid for all that has to be looked at together: what lies side by side is told by time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from humeanalytics.analysis import frames
from humeanalytics.analysis.covered_time import Floats, Integers, check_spans
from humeanalytics.errors import UsageError

SPAN, POINT = ("begin_s", "end_s"), "time_s"
_MAX_CELLS = 5_000_000


def time_columns(schema: pa.Schema) -> list[str]:
    """Return the columns that say when a row was: begin and end, or a point.

    Raises:
        UsageError: The frame has none of them, or both.
    """
    spans = [name for name in SPAN if name in schema.names]
    if len(spans) == 1 or not (spans or POINT in schema.names):
        raise UsageError("A frame over time needs begin_s and end_s (speech, text, bursts) or time_s (faces).")
    if spans and POINT in schema.names:
        raise UsageError("The frame has begin_s and time_s: speech and faces. Look at one model at a time.")
    return spans or [POINT]


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows in time: numbers a row. A column of scores is made when it is needed: all at once are hundreds of megabytes.

    Attributes:
        part: Whose a row is.
        begin_s, end_s: When it is.
        n_rows: How many rows went into it.
        column: Gives the scores of an expression, by its number; NaN where there is none.
        n_columns: How many expressions there are.
    """

    part: Integers
    begin_s: Floats
    end_s: Floats
    n_rows: Integers
    column: Callable[[int], Floats]
    n_columns: int

    @property
    def middle_s(self) -> Floats:
        return (self.begin_s + self.end_s) / 2

    def take(self, rows: Any) -> Rows:
        """Return some rows, or all in another order."""
        place = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        if len(place) == len(self.part) and (np.diff(place, prepend=-1) == 1).all():
            return self
        column = self.column
        begin_s, end_s, n_rows = self.begin_s[place], self.end_s[place], self.n_rows[place]
        return Rows(self.part[place], begin_s, end_s, n_rows, lambda at: column(at)[place], self.n_columns)


def rows_in_time(table: pa.Table, columns: Sequence[str], part: Integers) -> Rows:
    """Return the rows that have a time, with the scores of some columns; ``part`` says of each row of the table whose it is."""
    begin, end = (frames.numbers(table, name if name in table.column_names else POINT) for name in SPAN)
    timed = np.isfinite(begin) & np.isfinite(end)
    check_spans(begin[timed], end[timed])

    def column(at: int) -> Floats:
        return frames.finite(table, columns[at])

    return Rows(part, begin, np.maximum(begin, end), np.ones_like(part), column, len(columns)).take(timed)


def on_grid(rows: Rows, every_s: float, most: int = _MAX_CELLS) -> Rows:
    """Return means over cells of ``every_s``, by part and time: a window counts for a cell by how far it reaches into it.

    Cells begin at multiples of ``every_s``, whatever the rows, so that the grids of two frames are one. Those that nothing
    reaches into are left out.

    Raises:
        UsageError: There would be more than ``most`` pieces.
    """
    if len(rows.begin_s) == 0:
        return rows
    # A billionth of a cell is rounding, not time: 0.3 s begins the fourth cell of 0.1 s, though 0.3 / 0.1 is below 3.
    start = np.floor(rows.begin_s / every_s + 1e-9)
    stop = np.maximum(start + 1, np.ceil(rows.end_s / every_s - 1e-9))
    if float((stop - start).sum()) > most or float(np.abs(stop).max()) > 2.0**40:
        raise UsageError(f"every_s={every_s:g} cuts the rows into more than {most:,} pieces. Take a longer one.")
    first, reaches = start.astype(np.int64), (stop - start).astype(np.int64)
    row = np.repeat(np.arange(len(first)), reaches)
    cell = first[row] + np.arange(len(row)) - np.repeat(np.cumsum(reaches) - reaches, reaches)
    inside = np.minimum(rows.end_s[row], (cell + 1) * every_s) - np.maximum(rows.begin_s[row], cell * every_s)
    # Frames have no length: all of a cell count the same, but next to nothing beside a window.
    weight = np.maximum(inside, 1e-9)
    low = int(cell.min())
    width = int(cell.max()) - low + 1
    places, where = np.unique(rows.part[row] * width + (cell - low), return_inverse=True)
    # Frames in the order of time fill cells one after the other: their sums are many times faster than bins.
    first_of = np.flatnonzero(np.diff(where, prepend=-1)) if (np.diff(where) >= 0).all() else None

    def sum_of(values: Floats) -> Floats:
        found = np.bincount(where, values, len(places)) if first_of is None else np.add.reduceat(values, first_of)
        return np.asarray(found, np.float64)

    every_weight = sum_of(weight)
    scores = []
    for at in range(rows.n_columns):
        values = rows.column(at) if len(row) == len(first) else rows.column(at)[row]
        known = ~np.isnan(values)
        if known.all():
            total, weights = sum_of(weight * values), every_weight
        else:
            total = sum_of(np.where(known, weight * values, 0.0))
            weights = sum_of(np.where(known, weight, 0.0))
        scores.append(np.divide(total, weights, out=np.full(len(places), np.nan), where=weights > 0))
    part, cells = places // width, places % width + low
    n_rows = np.bincount(where, rows.n_rows[row], len(places)).astype(np.int64)
    return Rows(part, cells * float(every_s), (cells + 1) * float(every_s), n_rows, scores.__getitem__, len(scores))
