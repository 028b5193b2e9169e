"""Faces at chosen moments of a recording: where they are in the picture, and what was strongest in each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from humeanalytics.analysis import frames
from humeanalytics.analysis.baselines import baseline
from humeanalytics.analysis.covered_time import Floats
from humeanalytics.analysis.observations import MEASURE, PRESENCE
from humeanalytics.errors import UsageError

_BOXES = (("box_x", "box_y", "box_w", "box_h"), ("box_x0", "box_y0", "box_x1", "box_y1"))
_WHOLE = "_whole"


@dataclass(frozen=True, slots=True)
class Face:
    name: str | None
    box: tuple[float, float, float, float]
    best: list[tuple[str, float]]


@dataclass(frozen=True, slots=True)
class Moment:
    """One time, the faces at it, from left to right, and why it was chosen."""

    time_s: float
    faces: list[Face]
    why: str


def is_presence(rows: pa.Table) -> bool:
    return MEASURE in rows.column_names and rows[MEASURE][0].as_py() == PRESENCE


def faces_of(frame: Any, expressions: Any, recording: str | None, person: str | None, name: str) -> pa.Table:
    def wanted(schema: pa.Schema) -> list[str]:
        if "time_s" not in schema.names or not any(set(box) <= set(schema.names) for box in _BOXES):
            raise UsageError("The frame has no faces: it needs time_s and box_x, box_y, box_w, box_h, as lake['face'] has.")
        keys = (*frames.RECORDING_COLUMNS, "scoring_id", "face_id", "time_s", MEASURE, *(each for box in _BOXES for each in box))
        return [*(each for each in keys if each in schema.names), *frames.chosen_columns(schema, expressions)]

    rows = frames.read_columns(frame, wanted)
    if rows.num_rows == 0:
        raise UsageError("Nothing to draw: the frame has no rows.")
    if recording is None and "file" in rows.column_names and len(rows["file"].unique()) > 1:
        recording = name
    rows = frames.one_recording(rows, recording)
    frames.check_one_scoring(rows)
    if person is not None:
        there = frames.texts(rows, "face_id").unique().to_pylist() if "face_id" in rows.column_names else []
        if person not in there:
            shown = ", ".join(repr(each) for each in there if each is not None) or "nobody by name"
            raise UsageError(f"The frame has no face {person!r}. There are: {shown}.")
        rows = rows.filter(pc.equal(frames.texts(rows, "face_id"), person))
    columns = frames.chosen_columns(rows.schema, expressions)
    scored = np.isfinite(np.column_stack([frames.numbers(rows, column) for column in columns])).any(axis=1)
    scored &= np.isfinite(frames.numbers(rows, "time_s")) & np.isfinite(_boxes(rows)).all(axis=1)
    if not scored.any():
        raise UsageError("Nothing to draw: no face of this recording has a time, a box and a score.")
    return rows.filter(pa.array(scored))


def _boxes(rows: pa.Table) -> Floats:
    """Return left, top, width and height of each box."""
    of_v0 = set(_BOXES[0]) <= set(rows.column_names)
    boxes = np.column_stack([frames.numbers(rows, name) for name in _BOXES[0 if of_v0 else 1]])
    if not of_v0:
        boxes[:, 2:] -= boxes[:, :2]
    return boxes


def moments_of(rows: pa.Table, columns: Sequence[str], at: Sequence[float] | float | None, count: int, k: int) -> list[Moment]:
    times = frames.numbers(rows, "time_s")
    labels = [frames.label_of(rows.schema.field(column)) for column in columns]
    scores = np.column_stack([frames.numbers(rows, column) for column in columns])
    if at is None:
        chosen = _strongest(rows, columns, labels, times, count)
    else:
        chosen = [(_nearest(times, each), "", (-1, -1)) for each in ([at] if isinstance(at, int | float) else at)]
    if not chosen:
        raise UsageError("at names no time.")
    names = frames.texts(rows, "face_id").to_pylist() if "face_id" in rows.column_names else [None] * rows.num_rows
    boxes = _boxes(rows)
    only_presence = is_presence(rows)
    found = []
    for time_s, why, (its_row, its_column) in chosen:
        here = np.flatnonzero(times == time_s)
        there = []
        for row in sorted(here, key=lambda each: boxes[each, 0]):
            best = [int(place) for place in np.argsort(-np.nan_to_num(scores[row], nan=-np.inf), kind="stable")]
            if row == its_row:  # what stands out comes first, however high others are
                best = [its_column, *(place for place in best if place != its_column)]
            best = best[:k]
            told = [(labels[each], float(scores[row, each])) for each in best if np.isfinite(scores[row, each])]
            told = [(label, math.nan) for label, score in told if score > 0] if only_presence else told
            x, y, w, h = (float(each) for each in boxes[row])
            there.append(Face(None if names[row] in (None, "unknown") else names[row], (x, y, w, h), told))
        found.append(Moment(float(time_s), there, why))
    return found


def _nearest(times: Floats, wanted: float) -> float:
    nearest = float(times[np.argmin(np.abs(times - wanted))])
    if not abs(nearest - wanted) <= 1.0:
        raise UsageError(f"No face was scored near {wanted:g} s; the nearest is at {nearest:g} s.")
    return nearest


def _strongest(
    rows: pa.Table, columns: Sequence[str], labels: Sequence[str], times: Floats, count: int
) -> list[tuple[float, str, tuple[int, int]]]:
    """Return the times in which an expression stood out most, in order of time, which it was, and its row and column."""
    plain = rows.select([*columns, *([MEASURE] if MEASURE in rows.column_names else [])])
    plain = plain.append_column(_WHOLE, pa.array(np.zeros(rows.num_rows, np.int64)))
    varies = any(
        np.nanmin(values) < np.nanmax(values) for column in columns if np.isfinite(values := frames.numbers(rows, column)).any()
    )
    if varies:
        usual = baseline(plain, _WHOLE, "z", expressions=list(columns), mixed_settings=True)
        z = np.nan_to_num(np.column_stack([frames.numbers(usual, column) for column in columns]), nan=-np.inf)
    else:
        z = np.zeros((rows.num_rows, len(columns)))
    highest, which = z.max(axis=1), z.argmax(axis=1)
    apart_s = max(1.0, float(times.max() - times.min()) / (3 * count))
    chosen: list[int] = []
    for row in np.argsort(-highest, kind="stable"):
        if len(chosen) == count:
            break
        if all(abs(times[row] - times[other]) >= apart_s for other in chosen):
            chosen.append(int(row))
    chosen.sort(key=lambda row: times[row])
    return [
        (float(times[row]), f"{labels[which[row]]} {highest[row]:+.1f} sd", (row, int(which[row])))
        if highest[row] > 0
        else (float(times[row]), "", (-1, -1))
        for row in chosen
    ]
