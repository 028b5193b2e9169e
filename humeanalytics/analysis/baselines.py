"""Scores as far from what is usual for that person, or in that recording: only so do expressions compare with each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from humeanalytics.analysis import frames
from humeanalytics.analysis.covered_time import Floats, Integers
from humeanalytics.analysis.observations import MEASURE, Observations, label_column, observe
from humeanalytics.analysis.units import totals
from humeanalytics.errors import UsageError

#: What a baseline may be.
_HOW = ("z", "difference", "share", "range")
_ANSWERS = ("n_units", "n_rows", "method", "seed", MEASURE)


@frames.says_of_what
def baseline(
    frame: Any,
    within: str = "participant",
    how: str = "z",
    *,
    reference: Mapping[str, str] | None = None,
    expressions: Sequence[str] | str | None = None,
    mixed_settings: bool = False,
) -> pa.Table:
    """Return the rows of a frame with each score as it stands to the mean of its person, or of its recording.

    Raw scores of different expressions are on different scales, and people differ in what their faces and voices show anyway;
    what remains is how a moment differs from what is usual. Means and spreads weigh windows by the time they newly cover.

    Args:
        frame: A Query, pyarrow, pandas or polars frame with a column an expression; of v1 what `presence` returns.
        within: Within what: a label such as ``participant``, or ``recording_id``.
        how: ``z`` (standard deviations above the mean; those of all its rows, uncorrected), ``difference`` (score minus mean),
            ``share`` (score over mean: 1 is the mean, 2 twice that), or ``range`` (from 0, the lowest score there is, to 1, the
            highest: one row that stands out moves all others).
        reference: Which rows tell what is usual, as ``{"segment": "baseline"}``: a label and its value; all rows where left out.
            Everybody's rows are then measured by their own in that phase.
        expressions: Only these, by column or by Hume's name; others are left out.
        mixed_settings: Take rows that were scored with different settings together. A Query asks its
            lake, and a column ``settings_id`` tells; other frames do not say.

    Returns:
        A row is a row of the frame that has ``within``, in order: its other columns, the expressions as float64 in their
        place, then ``measure`` (``z of score``, ..., which keeps other analyses from mixing it with scores), ``n_units``
        (recordings) and ``n_rows`` of its person that the mean is of, ``method``, ``seed`` (null: nothing is drawn). Null where
        there is no score, for a person without a score in the ``reference``, and where what it would be divided by is 0: of ``z``
        for a person whose score never varies (with one row it cannot) or of ``range``, of ``share`` for one whose mean is 0.

    Raises:
        UsageError: No such column or expression, ``how`` is another, no row has ``within``, nobody's scores vary; or settings,
            measures or scorings are mixed.

    Examples:
        >>> frame = pa.table({"participant": ["P1", "P1", "P2", "P2"], "joy": [0.25, 0.75, 0.5, 1.0]})
        >>> baseline(frame, how="difference")["joy"].to_pylist()
        [-0.25, 0.25, -0.25, 0.25]
    """
    if how not in _HOW:
        raise UsageError(f"how is {how!r}; it is one of {', '.join(_HOW)}.")

    def labels(schema: pa.Schema) -> list[str]:
        if MEASURE not in schema.names:  # with it they are of an answer that this one takes the place of
            frames.check_free(schema.names, _ANSWERS)
        told = [label_column(schema, name, "to tell by what is usual") for name in reference or {}]
        return [*dict.fromkeys([label_column(schema, within, "to take a baseline in"), *told])]

    observations = observe(
        frame,
        expressions,
        labels,
        apart=lambda _: [within, *(reference or {})],
        mixed_settings=mixed_settings,
        whole=True,
    )
    if observations.measure.partition(" of ")[0] in _HOW:
        raise UsageError(f"The frame holds {observations.measure} already; take a baseline of scores.")
    number, names = frames.codes(observations.table, [within])
    labelled = np.array([name is not None for (name,) in names])
    if observations.table.num_rows == 0 or not labelled.any():
        what = "has no rows" if observations.table.num_rows == 0 else f"has {within} null in every row"
        raise UsageError(f"The frame {what}, so nobody's baseline can be told.")
    kept = np.flatnonzero(labelled[number])
    if len(kept) < len(number):
        observations, number = observations.take(kept), number[kept]
    usual = _Usual.of(observations, number, len(names), reference)
    made, varies = {}, how not in ("z", "range")
    for at, column in enumerate(observations.columns):
        scores = observations.scores(column)
        if how == "range":
            low, high = usual.extremes(scores)
            # Where nothing varies, or nothing is finite, there is no range.
            width = np.where(high > low, high - low, np.nan)
            varies = varies or bool(np.isfinite(width).any())
            made[column] = (np.where(np.isfinite(scores), scores, np.nan) - low[number]) / width[number]
            continue
        mean = usual.means[:, at]
        difference = scores - mean[number]
        if how == "z":
            spread = usual.spread(difference)
            # What does not vary has a spread of rounding errors.
            spread[spread <= 1e-12 * np.maximum(1.0, np.abs(mean))] = np.nan
            varies = varies or bool(np.isfinite(spread).any())
            made[column] = difference / spread[number]
        elif how == "share":
            made[column] = scores / np.where(mean == 0, np.nan, mean)[number]
        else:
            made[column] = difference
    if not varies:
        raise UsageError(
            f"No expression varies within any {within}, so there is no {'range' if how == 'range' else 'standard deviation'} "
            "to measure by. "
            f"Take how='difference', or within= something that has more than a row."
        )
    weighed = "from lowest to highest" if how == "range" else observations.method
    phase = "".join(f", by {name} {value!r}" for name, value in (reference or {}).items())
    method = f"within {within}{phase}, {weighed}"
    return _answer(observations.table, made, number, usual, how=f"{how} of {observations.measure}", method=method)


@dataclass(frozen=True, slots=True)
class _Usual:
    """The rows that tell what is usual, and whose each is; the mean of each person, an expression a column."""

    rows: Integers
    number: Integers
    n: int
    weight: Floats | None
    means: Floats

    @staticmethod
    def of(observations: Observations, number: Integers, n: int, reference: Mapping[str, str] | None) -> _Usual:
        rows = np.arange(len(number))
        for name, value in (reference or {}).items():
            told = pc.fill_null(pc.equal(frames.texts(observations.table, name), str(value)), False)
            rows = np.intersect1d(rows, np.flatnonzero(told.to_numpy()))
            if not len(rows):
                there = sorted(filter(None, pc.unique(frames.texts(observations.table, name)).to_pylist()))
                raise UsageError(
                    f"No row has {name} {value!r}, so nothing tells what is usual. There are: {', '.join(there[:8])}."
                )
        its = observations if len(rows) == len(number) else observations.take(rows)
        return _Usual(rows, number[rows], n, its.weight, totals(its, number[rows], n).means)

    def extremes(self, scores: Floats) -> tuple[Floats, Floats]:
        """Return the lowest and the highest finite score of each person; infinite the wrong way round where there is none."""
        low, high = np.full(self.n, np.inf), np.full(self.n, -np.inf)
        its = scores[self.rows]
        known = np.isfinite(its)
        np.minimum.at(low, self.number[known], its[known])
        np.maximum.at(high, self.number[known], its[known])
        return low, high

    def spread(self, difference: Floats) -> Floats:
        """Return the standard deviation of each person from what is usual."""
        its = difference[self.rows]
        known = np.isfinite(its)
        person = self.number[known]
        weights = np.ones(len(person)) if self.weight is None else self.weight[known]
        if (empty := np.bincount(person, weights, self.n) <= 0).any():  # of windows only that others cover wholly
            weights = np.where(empty[person], 1.0, weights)
        total = np.bincount(person, weights, self.n)
        squares = np.bincount(person, weights * its[known] ** 2, self.n)
        return np.asarray(np.sqrt(np.divide(squares, total, out=np.full(self.n, np.nan), where=total > 0)))


def _answer(rows: pa.Table, made: dict[str, Any], number: Any, usual: _Usual, *, how: str, method: str) -> pa.Table:
    kept = [
        name
        for name in rows.column_names
        if name not in _ANSWERS and (name in made or name not in frames.expression_columns(rows.schema))
    ]
    fields, arrays = [], []
    for name in kept:
        field = rows.schema.field(name)
        if name in made:
            field = pa.field(name, pa.float64(), metadata=frames.marks_of(field))
        fields.append(field)
        arrays.append(pa.array(made[name], from_pandas=True) if name in made else rows[name])
    keys = [name for name in frames.RECORDING_COLUMNS if name in rows.column_names]
    n_units = pa.nulls(len(number), pa.int64())
    if keys:
        recording, _ = frames.codes(rows, keys)
        n_recordings = int(recording.max(initial=0)) + 1
        pairs = np.unique(usual.number * n_recordings + recording[usual.rows])
        n_units = pa.array(np.bincount(pairs // n_recordings, minlength=usual.n)[number])
    constant = pa.array(np.zeros(len(number), np.int64))
    added = {
        MEASURE: pa.array([how]).take(constant),
        "n_units": n_units,
        "n_rows": pa.array(np.bincount(usual.number, minlength=usual.n)[number]),
        "method": pa.array([method]).take(constant),
        "seed": pa.nulls(len(number), pa.int64()),
    }
    fields += [pa.field(name, each.type) for name, each in added.items()]
    return pa.Table.from_arrays([*arrays, *added.values()], schema=pa.schema(fields))
