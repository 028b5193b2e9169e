"""Scores over the time of one recording: as they are, or on a regular grid; smoothed; with gaps kept as gaps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from humeanalytics.analysis import frames
from humeanalytics.analysis.covered_time import Floats, Integers
from humeanalytics.analysis.grid import POINT, SPAN, Rows, on_grid, rows_in_time, time_columns
from humeanalytics.analysis.observations import MEASURE, check_one_settings, label_column, one_measure, refuse_long
from humeanalytics.errors import UsageError

#: Silence longer than so many typical windows is a gap.
_GAP_WINDOWS = 3.0
_MADE_OF = ("n_units", "method", "seed")


@frames.says_of_what
def timeline(
    frame: Any,
    expressions: Sequence[str] | str | None = None,
    *,
    recording: str | None = None,
    person: str | None = None,
    every_s: float | None = None,
    smooth_s: float | None = None,
    gap_s: float | None = None,
    by: str | None = None,
    mixed_settings: bool = False,
) -> pa.Table:
    """Return the scores of one recording over its time.

    Args:
        frame: A Query, pyarrow, pandas or polars frame with ``begin_s`` and ``end_s`` (speech, text, bursts) or ``time_s``
            (faces); of v1 what `presence` returns. Or several of one recording by the name of their modality, such as
            ``{"face": ..., "voice": ...}``, on one clock: that takes ``every_s``.
        expressions: By column or by Hume's name; all that the frame has where left out.
        recording: Which, where the frame holds several: its id, the beginning of its id, or its file.
        person: Only this ``speaker_id`` or ``face_id``, or this value of ``by``; of several modalities only that.
        every_s: Means over cells of so many seconds: of the rows in a cell, or of the windows that reach into it, each by
            how far it does. Cells that nothing reaches into are left out.
        smooth_s: A centred moving mean over so many seconds, which never reaches over a gap.
        by: The label that says whose a row is: ``role`` or ``participant``, or ``segment`` for a line a phase. ``speaker_id`` or
            ``face_id`` where left out.
        gap_s: Silence longer than this is a gap; three typical windows (or steps between frames) where left out.
        mixed_settings: Take rows that were scored with different settings together. A Query asks its
            lake, and a column ``settings_id`` tells; other frames do not say.

    Returns:
        A row is one scored stretch, frame or cell of one person, by person and time: ``person`` (text; null where the frame
        tells no one apart), ``stretch`` (a number that changes at each gap), ``begin_s``, ``end_s``, ``time_s`` (their middle),
        ``n_rows`` that went into it, the expressions as float64, then ``measure``, ``n_units`` (always 1: the person), ``method``
        and ``seed`` (null: nothing is drawn). Rows of one person at one time, such as several faces of a frame that all are
        ``unknown``, become one, their mean. Rows without a time are left out. Of several modalities the rows of each come one
        after the other, with their ``modality`` first; cells that begin at the same time are the same cell, and expressions
        that a modality does not have are null.

    Raises:
        UsageError: No such expression or recording, several recordings, scorings or settings of one, no columns of time, or a
            length that is not positive; of several modalities no ``every_s``, frames of different recordings, or of v0 and v1.

    Examples:
        >>> frame = pa.table({"time_s": [0.0, 0.5, 1.0, 9.0], "joy": [0.0, 0.2, 0.4, 1.0]})
        >>> timeline(frame, "joy", every_s=1.0).select(["stretch", "time_s", "joy"]).to_pydict()
        {'stretch': [0, 0, 1], 'time_s': [0.5, 1.5, 9.5], 'joy': [0.1, 0.4, 1.0]}
    """
    for name, length in (("every_s", every_s), ("smooth_s", smooth_s), ("gap_s", gap_s)):
        if length is not None and not (math.isfinite(length) and length > 0):
            raise UsageError(f"{name} is {length:g}; it is a number of seconds above 0.")
    if isinstance(frame, Mapping):
        return _side_by_side(frame, expressions, recording, by, person, every_s, smooth_s, gap_s, mixed_settings=mixed_settings)
    table, columns = _read(frame, expressions, recording, by, mixed_settings=mixed_settings)
    return _timeline(table, columns, by, person, every_s, smooth_s, gap_s)


def _timeline(
    table: pa.Table,
    columns: Sequence[str],
    by: str | None,
    person: str | None,
    every_s: float | None,
    smooth_s: float | None,
    gap_s: float | None,
) -> pa.Table:
    by = frames.person_column(table.schema) if by is None else by
    rows, people = _rows(table, columns, by)
    if person is not None:
        if person not in people:
            there = ", ".join(repr(each) for each in people if each is not None) or "nobody by name"
            raise UsageError(f"The frame has nobody called {person!r} in {by or 'speaker_id or face_id'}. There are: {there}.")
        rows = rows.take(rows.part == people.index(person))
    rows = rows.take(np.lexsort((rows.begin_s, rows.middle_s, rows.part)))
    gap_s = _typical_gap_s(rows) if gap_s is None else gap_s
    rows = _merged(rows) if every_s is None else on_grid(rows, every_s)
    stretch = _stretches(rows, gap_s)
    if smooth_s is not None:
        rows = _smoothed(rows, stretch, smooth_s)
    names = pa.array([people[at] for at in rows.part], pa.string())
    fields = [pa.field(c, pa.float64(), metadata=frames.marks_of(table.schema.field(c))) for c in columns]
    how = "rows as they are" if every_s is None else f"means over cells of {every_s:g} s, windows by how far they reach in"
    how += "" if smooth_s is None else f"; moving mean over {smooth_s:g} s"
    same = pa.array(np.zeros(len(stretch), np.int64))
    return pa.Table.from_arrays(
        [names, stretch, rows.begin_s, rows.end_s, rows.middle_s, rows.n_rows]
        + [pa.array(rows.column(at), pa.float64(), from_pandas=True) for at in range(len(columns))]
        + [pa.array([one_measure(table)]).take(same), np.ones_like(stretch), pa.array([how]).take(same)]
        + [pa.nulls(len(stretch), pa.int64())],
        schema=pa.schema(
            [
                ("person", pa.string()),
                ("stretch", pa.int64()),
                *((name, pa.float64()) for name in (*SPAN, POINT)),
                ("n_rows", pa.int64()),
                *fields,
                (MEASURE, pa.string()),
                ("n_units", pa.int64()),
                ("method", pa.string()),
                ("seed", pa.int64()),
            ]
        ),
    )


def _side_by_side(
    modalities: Mapping[str, Any],
    expressions: Sequence[str] | str | None,
    recording: str | None,
    by: str | None,
    person: str | None,
    every_s: float | None,
    smooth_s: float | None,
    gap_s: float | None,
    *,
    mixed_settings: bool,
) -> pa.Table:
    """Return the timelines of several modalities of one recording, in cells of one grid."""
    if not modalities:
        raise UsageError("There is no modality: pass frames by name, such as {'face': lake['face'], 'voice': lake['prosody']}.")
    if every_s is None:
        raise UsageError("Several modalities share a clock only in cells of one length: say every_s, such as every_s=1.")
    if person is not None and by is None:
        raise UsageError("A face_id is not a speaker_id: say by='participant' where both have it, or choose rows in each frame.")
    found, heard_of = [], {}
    for name, frame in modalities.items():
        try:
            table, columns = _read(frame, expressions, recording, by, mixed_settings=mixed_settings)
            answer = _timeline(table, columns, by, person, every_s, smooth_s, gap_s)
        except UsageError as error:
            raise UsageError(f"Of {name}: {error}") from None
        if "recording_id" in table.column_names and table.num_rows:
            heard_of[name] = frames.texts(table, "recording_id")[0].as_py()
        which = pa.array([str(name)]).take(pa.array(np.zeros(answer.num_rows, np.int64)))
        found.append(answer.add_column(0, "modality", which))
    if len(set(heard_of.values())) > 1:
        shown = ", ".join(f"{name} of {(id_ or 'no recording')[:16]!r}" for name, id_ in heard_of.items())
        raise UsageError(f"The frames are of different recordings, which have no clock in common: {shown}. Say recording=....")
    rows = pa.concat_tables(found, promote_options="default")
    measures = sorted(set(pc.unique(rows[MEASURE]).to_pylist()))
    if len(measures) > 1:
        raise UsageError(f"The modalities are of different measures, {' and '.join(measures)}, which do not share a scale.")
    last = (MEASURE, *_MADE_OF)
    return rows.select([*(name for name in rows.column_names if name not in last), *last])


def _read(
    frame: Any, expressions: Sequence[str] | str | None, recording: str | None, by: str | None, *, mixed_settings: bool
) -> tuple[pa.Table, list[str]]:
    columns: list[str] = []

    def wanted(schema: pa.Schema) -> list[str]:
        refuse_long(schema)
        columns[:] = frames.chosen_columns(schema, expressions)
        frames.check_free(columns, ("person", "stretch", *SPAN, POINT, "n_rows", MEASURE, *_MADE_OF))
        label = [] if by is None else [label_column(schema, by, "to tell lines apart by")]
        scored = ("scoring_id", "settings_id", "api")
        keys = (*frames.RECORDING_COLUMNS, *frames.NAME_COLUMNS, *scored, *frames.PERSON_COLUMNS, MEASURE, *time_columns(schema))
        return [*dict.fromkeys((*(name for name in keys if name in schema.names), *label)), *columns]

    table = frames.one_recording(frames.read_columns(frame, wanted), recording)
    frames.check_one_scoring(table)
    if not mixed_settings:
        check_one_settings(table, table)  # of one scoring a lake has nothing more to tell
    return table, columns


def _rows(table: pa.Table, columns: Sequence[str], by: str | None) -> tuple[Rows, list[str | None]]:
    """Return the rows that have a time, and the people their numbers stand for, in the order of their names."""
    person, found = frames.codes(table, [by] if by is not None else [])
    names = [each[0] if by is not None else None for each in found]
    people = sorted(names, key=lambda name: (name is None, len(name or ""), name or ""))  # face_9 before face_10
    place = {name: at for at, name in enumerate(people)}
    rank = np.array([place[name] for name in names], np.int64)
    return rows_in_time(table, columns, rank[person] if len(rank) else person), people


def _merged(rows: Rows) -> Rows:
    """Return rows in order with those of one person at one time made one."""
    if len(rows.begin_s) == 0:
        return rows
    keys = (rows.part, rows.begin_s, rows.end_s)
    first = np.flatnonzero(np.concatenate(([True], np.any([np.diff(key) != 0 for key in keys], axis=0))))
    if len(first) == len(rows.begin_s):
        return rows

    def column(at: int) -> Floats:
        scores = rows.column(at)
        known = ~np.isnan(scores)
        total, count = np.add.reduceat(np.where(known, scores, 0.0), first), np.add.reduceat(known, first, dtype=np.float64)
        return np.asarray(np.divide(total, count, out=np.full(len(first), np.nan), where=count > 0))

    return replace(rows.take(first), column=column, n_rows=np.add.reduceat(rows.n_rows, first))


def _typical_gap_s(rows: Rows) -> float:
    if len(rows.begin_s) == 0:
        return math.inf
    window_s = float(np.median(rows.end_s - rows.begin_s))
    if window_s == 0:
        steps = np.diff(rows.begin_s)[np.diff(rows.part) == 0]
        window_s = float(np.median(steps[steps > 0])) if (steps > 0).any() else math.inf
    return _GAP_WINDOWS * window_s


def _stretches(rows: Rows, gap_s: float) -> Integers:
    """Number the stretches between gaps; a person's first row begins a new one."""
    if len(rows.begin_s) == 0:
        return np.zeros(0, np.int64)
    origin, span = rows.begin_s.min(), rows.end_s.max() - rows.begin_s.min() + 1.0
    reached = np.maximum.accumulate(rows.end_s - origin + rows.part * span) - rows.part * span + origin
    silence = rows.begin_s[1:] - reached[:-1]
    new = (np.diff(rows.part) != 0) | (silence > gap_s * (1 + 1e-9))
    return np.concatenate(([0], np.cumsum(new))).astype(np.int64)


def _smoothed(rows: Rows, stretch: Integers, smooth_s: float) -> Rows:
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
    weight = np.where(length > 0, length, 1.0 if np.isinf(shortest) else shortest / 1000)

    def column(at: int) -> Floats:
        scores = rows.column(at)
        known = ~np.isnan(scores)
        total = np.cumsum(np.concatenate(([0.0], np.where(known, scores * weight, 0.0))))
        weights = np.cumsum(np.concatenate(([0.0], np.where(known, weight, 0.0))))
        counted = weights[high] - weights[low]
        mean = np.divide(total[high] - total[low], counted, out=np.full(len(counted), np.nan), where=counted > 0)
        return np.where(known, mean, np.nan)

    return replace(rows, column=column)
