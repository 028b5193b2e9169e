"""Fields of colour before they are drawn: expressions against groups, or against the time of one recording, in an order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from posixpath import basename
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from humeanalytics.analysis import frames, over_time
from humeanalytics.analysis.covered_time import Floats
from humeanalytics.analysis.observations import MEASURE, PRESENCE, SCORE, refuse_long
from humeanalytics.errors import UsageError
from humeanalytics.plot.groups import counted, grouped, plural
from humeanalytics.plot.likeness import alike_first

Order = Literal["strength", "likeness", "given"]
#: What a picture says of the order of its rows.
ORDERS = {"strength": "highest mean first", "likeness": "what rises and falls together stands together", "given": ""}
_MOST_GROUPS, _MOST_CELLS = 400, 180
_NICE_S = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)


@dataclass(frozen=True, slots=True)
class Field:
    """What is drawn: a row an expression, a column a group or a stretch of time."""

    values: Floats
    labels: list[str]
    names: list[str]
    edges_s: Floats | None
    measure: str
    what: str
    title: str

    @property
    def centre(self) -> float | None:
        """What is usual, where the values say how far from it each is."""
        how = self.measure.partition(" of ")[0]
        return {"z": 0.0, "difference": 0.0, "share": 1.0}.get(how)


def of_groups(frame: Any, expressions: Any, by: str, unit: str | None, *, mixed_settings: bool) -> Field:
    groups = grouped(frame, expressions, by, unit, mixed_settings=mixed_settings)
    if len(groups.names) > _MOST_GROUPS:
        raise UsageError(
            f"{by} has {len(groups.names):,} values; {_MOST_GROUPS} at most can be told apart. Take a label that groups them."
        )
    means = groups.means() if unit is None else groups.means_of_units()
    measure = groups.observations.measure
    mean = "share of time above the cutoff" if measure == PRESENCE else f"mean {measure}"
    if unit is not None:
        what = f"A field is the mean of its {plural(unit)}' means"
        names = [f"{name}\nn = {n:,}" for name, n in zip(groups.names, groups.n_units, strict=True)]
        if groups.n_unlabelled:
            what += f" ({groups.n_unlabelled:,} rows have no {unit} and are left out)"
    else:
        names = groups.names
        what = f"A field is the {mean} of a group, {groups.observations.method}; {counted(int(groups.n_rows.sum()), 'row')}"
    return Field(means.T, groups.labels, names, None, measure, what, f"Expressions by {by.removesuffix('_id').replace('_', ' ')}")


def of_time(frame: Any, expressions: Any, recording: str | None, person: str | None, every_s: float | None) -> Field:
    def wanted(schema: pa.Schema) -> list[str]:
        refuse_long(schema)
        keys = (*frames.RECORDING_COLUMNS, "scoring_id", *frames.PERSON_COLUMNS, "begin_s", "end_s", "time_s", MEASURE)
        return [*(name for name in keys if name in schema.names), *frames.chosen_columns(schema, expressions)]

    rows = frames.one_recording(frames.read_columns(frame, wanted), recording)
    if rows.num_rows == 0:
        raise UsageError("Nothing to draw: the frame has no rows.")
    columns = frames.chosen_columns(rows.schema, expressions)
    whose = frames.person_column(rows.schema)
    if whose is not None and person is None:
        there = pc.unique(frames.texts(rows, whose)).to_pylist()
        if len(there) > 1:
            shown = ", ".join(repr(each) for each in there[:8])
            raise UsageError(f"Several people do not fit into one heatmap: choose one with person=..., of {shown}.")
    ends = [frames.numbers(rows, name if name in rows.column_names else "time_s") for name in ("begin_s", "end_s")]
    if not all(np.isfinite(each).any() for each in ends):
        raise UsageError("Nothing to draw: no row of this recording has a time.")
    length_s = float(np.nanmax(ends[1]) - min(np.nanmin(ends[0]), 0.0))
    if every_s is None:
        least_s = max(length_s / _MOST_CELLS, _step_s(*ends))
        every_s = float(next((cell for cell in _NICE_S if cell >= least_s), least_s))
    scores = over_time.timeline(rows, columns, person=person, every_s=every_s)
    at = np.round(frames.numbers(scores, "begin_s") / every_s).astype(np.int64)
    first = min(int(at.min()), 0) if at.min() * every_s < 0.2 * length_s else int(at.min())
    values = np.full((len(columns), int(at.max()) - first + 1), np.nan)
    for row, column in enumerate(columns):
        values[row, at - first] = frames.numbers(scores, column)
    measures = pc.unique(frames.texts(rows, MEASURE)).to_pylist() if MEASURE in rows.column_names else [SCORE]
    if len(measures) > 1:
        raise UsageError(f"The frame mixes measures: {', '.join(map(str, measures))}. Draw each by itself.")
    mean = "share of time above the cutoff" if measures[0] == PRESENCE else f"mean {measures[0]}"
    file = frames.texts(rows, "file")[0].as_py() if "file" in rows.column_names else None
    title = (basename(file) if file else "Expressions over time") + (f", {person}" if person is not None else "")
    return Field(
        values,
        [frames.label_of(rows.schema.field(column)) for column in columns],
        [],
        np.arange(first, first + values.shape[1] + 1, dtype=np.float64) * every_s,
        measures[0] or SCORE,
        f"A field is the {mean} over {every_s:g} s; {counted(rows.num_rows, 'row')}",
        title,
    )


def _step_s(begin_s: Floats, end_s: Floats) -> float:
    """Return how far frames usually are apart, 0 of stretches: cells shorter than that would be empty between two frames."""
    times = np.unique(begin_s[np.isfinite(begin_s)])
    if len(times) < 2 or np.any(end_s > begin_s):
        return 0.0
    return round(float(np.median(np.diff(times))), 6)


def ordered(field: Field, order: Order, k: int | None) -> tuple[Field, list[str]]:
    known = np.isfinite(field.values)
    if not known.any():
        raise UsageError(f"Nothing to draw: no row has a score of {', '.join(field.labels[:6])}.")
    counts = known.sum(axis=1)
    means = np.divide(np.where(known, field.values, 0).sum(axis=1), counts, out=np.full(len(counts), -np.inf), where=counts > 0)
    rows = np.argsort(-means, kind="stable")
    rows = rows[counts[rows] > 0]
    said = []
    if empty := len(counts) - len(rows):
        said.append(f"{empty} without any score {'is' if empty == 1 else 'are'} left out")
    if k is not None and k < len(rows):
        said.append(f"the {k} highest of {len(rows)} expressions")
        rows = rows[:k]
    if order == "given":
        rows = np.sort(rows)
    elif order == "likeness":
        rows = rows[alike_first(field.values[rows])]
    return replace(field, values=field.values[rows], labels=[field.labels[at] for at in rows]), said
