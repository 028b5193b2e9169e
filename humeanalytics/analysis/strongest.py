"""Which expressions are strongest, and how much they vary."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from humeanalytics.analysis import frames
from humeanalytics.analysis.covered_time import Floats, Integers, newly_covered_s
from humeanalytics.errors import UsageError

BY_TIME = "weighted by newly covered time"
BY_ROWS = "every row counts the same"
_SPAN = ("begin_s", "end_s")


def strongest_expressions(
    frame: Any, k: int = 10, *, by: str | None = None, expressions: Sequence[str] | str | None = None
) -> pa.Table:
    """Return the ``k`` expressions with the highest mean over all rows, and for each group its mean and middle half.

    Rows with ``begin_s`` and ``end_s`` count by the time they newly cover, because windows overlap (within one person of one
    recording); rows without, such as faces in frames, count the same each. Scores of different expressions are on
    different scales: the order says which scores are high, not which feeling is strong.

    Args:
        frame: A Query, pyarrow, pandas or polars frame with a column an expression.
        k: How many expressions; fewer where the frame has fewer with any score.
        by: A column whose values are the groups. They all show the same expressions, the strongest over all rows.
        expressions: Choose among these only, by column or by Hume's name.

    Returns:
        A row is one expression (of one group), the strongest first, groups in the order of their names: ``expression``
        (Hume's name), ``column``, the column ``by`` as text, ``mean``, ``q25``, ``q75`` (the value below which a quarter and
        three quarters of the weight lie), ``n_rows`` with a score, ``method``. Empty where no row has a score.

    Raises:
        UsageError: No such column or expression, ``k`` below 1, or several scorings of one recording.

    Examples:
        >>> frame = pa.table({"begin_s": [0.0, 4.0], "end_s": [4.0, 5.0], "joy": [0.5, 0.0], "anger": [0.1, 0.2]})
        >>> strongest_expressions(frame, 1).select(["expression", "mean", "q25", "q75"]).to_pylist()
        [{'expression': 'Joy', 'mean': 0.4, 'q25': 0.5, 'q75': 0.5}]
    """
    if k < 1:
        raise UsageError(f"k is {k}; at least one expression must be asked for.")
    chosen: list[str] = []

    def wanted(schema: pa.Schema) -> list[str]:
        chosen[:] = frames.chosen_columns(schema, expressions)
        if by is not None and by not in schema.names:
            raise UsageError(f"The frame has no column {by!r} to group by. It has: {', '.join(schema.names)}.")
        keys = ("recording_id", "file", "scoring_id", *frames.PERSON_COLUMNS, *_SPAN)
        return [*(name for name in keys if name in schema.names), *([by] if by is not None else []), *chosen]

    table = frames.read_columns(frame, wanted)
    frames.check_one_scoring(table)
    weights = _weights(table, by)
    means = {column: _ranking_mean(table, column, weights) for column in chosen}
    ranked = sorted((column for column in chosen if not math.isnan(means[column])), key=lambda column: -means[column])[:k]
    groups = _groups(table, by)
    rows: list[dict[str, Any]] = []
    for column in ranked:
        scores = frames.numbers(table, column)
        for group, members in groups:
            summary = _summary(scores, weights) if members is None else _summary(scores[members], _of(weights, members))
            rows.append(
                {
                    "expression": frames.label_of(table.schema.field(column)),
                    "column": column,
                    **({} if by is None else {by: group}),
                    **summary,
                    "method": BY_ROWS if weights is None else BY_TIME,
                }
            )
    by_field = [] if by is None else [pa.field(by, pa.string())]
    numbers = [pa.field(name, pa.float64()) for name in ("mean", "q25", "q75")]
    schema = pa.schema(
        [
            ("expression", pa.string()),
            ("column", pa.string()),
            *by_field,
            *numbers,
            ("n_rows", pa.int64()),
            ("method", pa.string()),
        ]
    )
    return pa.Table.from_pylist(rows, schema)


def _weights(table: pa.Table, by: str | None) -> Floats | None:
    """Return the newly covered seconds of each row; None where rows have no time, or none that adds up to anything.

    Each group covers time of its own: one recording that belongs to two people counts for both.
    """
    if not all(name in table.column_names for name in _SPAN) or table.num_rows == 0:
        return None
    begin, end = (frames.numbers(table, name) for name in _SPAN)
    if not (np.isfinite(begin).all() and np.isfinite(end).all()):
        return None  # texts among speech: seconds and sentences do not add up
    keys = [name for name in (*frames.RECORDING_COLUMNS, *frames.PERSON_COLUMNS) if name in table.column_names]
    part, _ = frames.codes(table, [*keys, *([by] if by is not None and by not in keys else [])])
    covered = newly_covered_s(begin, end, part)
    return covered if covered.sum() > 0 else None


def _groups(table: pa.Table, by: str | None) -> list[tuple[str | None, Integers | None]]:
    if by is None:
        return [(None, None)]
    number, names = frames.codes(table, [by])
    order = np.argsort(number, kind="stable")
    members = np.split(order, np.searchsorted(number[order], np.arange(1, len(names))))
    found = [(name, rows) for (name,), rows in zip(names, members, strict=True) if len(rows)]
    return sorted(found, key=lambda each: (each[0] is None, each[0] or ""))


def _of(weights: Floats | None, members: np.ndarray[Any, Any]) -> Floats | None:
    return None if weights is None else weights[members]


def _ranking_mean(table: pa.Table, column: str, weights: Floats | None) -> float:
    if weights is None:  # Arrow skips null, without a copy of every column; what it makes of NaN is asked again below
        mean = pc.mean(table.column(column)).as_py()
        if mean is not None and not math.isnan(mean):
            return float(mean)
    mean = _summary(frames.numbers(table, column), weights, quartiles=False)["mean"]
    return math.nan if mean is None else mean


def _summary(scores: Floats, weights: Floats | None, *, quartiles: bool = True) -> dict[str, Any]:
    known = ~np.isnan(scores)
    n_rows = int(np.count_nonzero(known))
    if n_rows == 0:
        return {"mean": None, "q25": None, "q75": None, "n_rows": 0}
    if n_rows < len(scores):
        scores, weights = scores[known], _of(weights, known)
    if weights is not None and weights.sum() <= 0:  # windows that others cover wholly
        weights = None
    mean = float(scores.mean()) if weights is None else float(np.dot(scores, weights) / weights.sum())
    q25, q75 = _quartiles(scores, weights) if quartiles else (None, None)
    return {"mean": mean, "q25": q25, "q75": q75, "n_rows": n_rows}


def _quartiles(scores: Floats, weights: Floats | None) -> tuple[float, float]:
    """Return the smallest scores at or below which a quarter and three quarters of the weight lie."""
    if weights is None:
        low, high = np.quantile(scores, [0.25, 0.75], method="inverted_cdf")
        return float(low), float(high)
    order = np.argsort(scores)
    reached = np.cumsum(weights[order])
    # A rounding error in the sum must not push a share that is met exactly on to the next score.
    low, high = np.searchsorted(reached, np.array([0.25, 0.75]) * reached[-1] * (1 - 1e-12))
    return float(scores[order[low]]), float(scores[order[high]])
