"""Which expressions are strongest, how much they vary, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from humeanalytics.analysis import frames
from humeanalytics.analysis.covered_time import Floats, Integers
from humeanalytics.analysis.observations import (
    BY_ROWS,
    BY_TIME,
    MEASURE,
    PERSON_LABELS,
    Observations,
    label_column,
    observe,
)
from humeanalytics.analysis.units import generator, interval_of_mean, resampled, totals
from humeanalytics.errors import UsageError

__all__ = ["BY_ROWS", "BY_TIME", "top"]
_NUMBERS = ("mean", "q25", "q75", "ci_low", "ci_high")
_COLUMNS = ("expression", "column", *_NUMBERS, "relative", "n_units", "n_rows", MEASURE, "method", "seed")


@frames.says_of_what
def top(
    frame: Any,
    k: int = 10,
    *,
    by: str | None = None,
    each: bool = False,
    expressions: Sequence[str] | str | None = None,
    unit: str | None = None,
    relative_to: Any = None,
    confidence: float = 0.95,
    n_resamples: int = 1_000,
    seed: int = 0,
    mixed_settings: bool = False,
) -> pa.Table:
    """Return the ``k`` expressions with the highest mean over all rows, and for each group its mean and middle half.

    Rows with ``begin_s`` and ``end_s`` count by the time they newly cover, because windows overlap (within one person of one
    recording); rows without, such as faces in frames, count the same each, and among rows with one as the average window does.
    Scores of different expressions are on different scales: the order says which scores are high, not which feeling is strong.
    With ``relative_to`` each is ranked on its own scale: by how far it is above its usual mean, in its usual standard deviations.

    Args:
        frame: A Query, pyarrow, pandas or polars frame with a column an expression; of v1 what `presence` returns.
        k: How many expressions; fewer where the frame has fewer with any score.
        by: A column whose values are the groups. They all show the same expressions, the strongest over all rows.
        each: Each group shows its own ``k`` strongest instead (with ``relative_to`` those furthest above what is usual), as far
            as it has scores.
        expressions: Choose among these only, by column or by Hume's name.
        unit: The label of what is independent: the interval comes from drawing units anew, never rows. Where left out a label of
            people (``participant``) if the frame has one, else the recording. Rows without that label are of their recording.
        relative_to: A frame of the same kind that says what is usual, such as the whole table of which ``frame`` is a part.
        confidence: Of the interval.
        n_resamples: How often units are drawn anew.
        seed: Of what is drawn.
        mixed_settings: Take rows that were scored with different settings together. A Query asks its
            lake, and a column ``settings_id`` tells; other frames do not say.

    Returns:
        A row is one expression (of one group), the strongest first, groups in the order of their names (with ``each`` a group
        after the other, and the strongest of each first): ``expression`` (Hume's name), ``column``, the column ``by`` as text,
        ``mean``, ``q25``, ``q75`` (the value below which a quarter and three quarters of the weight lie), ``ci_low``,
        ``ci_high`` (of the mean; null with fewer than two units), ``relative`` (only with ``relative_to``: standard deviations
        above the usual mean; what does not vary there is left out), ``n_units`` with a score (null where the frame tells no
        units apart), ``n_rows`` with a score, ``measure`` (``score``, ``presence``: a share of time, ...), ``method``, ``seed``.
        Empty where no row has a score.

    Raises:
        UsageError: No such column or expression, ``k`` below 1, ``each`` without ``by``, several scorings of one recording,
            several settings, or a ``relative_to`` of another measure or in which nothing varies.

    Examples:
        >>> frame = pa.table({"begin_s": [0.0, 4.0], "end_s": [4.0, 5.0], "joy": [0.5, 0.0], "anger": [0.1, 0.2]})
        >>> top(frame, 1).select(["expression", "mean", "q25", "q75"]).to_pylist()
        [{'expression': 'Joy', 'mean': 0.4, 'q25': 0.5, 'q75': 0.5}]
    """
    if k < 1:
        raise UsageError(f"k is {k}; at least one expression must be asked for.")
    if each and by is None:
        raise UsageError("each=True shows the strongest of each group; say by=..., the column whose values are the groups.")
    if not 0 < confidence < 1:
        raise UsageError(f"confidence is {confidence:g}; it is a share between 0 and 1, such as 0.95.")
    if n_resamples < 100:
        raise UsageError(f"n_resamples is {n_resamples}; fewer than 100 say nothing.")
    units: list[str] = []

    def labels(schema: pa.Schema) -> list[str]:
        if by is not None and by not in schema.names:
            raise UsageError(f"The frame has no column {by!r} to group by. It has: {', '.join(schema.names)}.")
        frames.check_free([by] if by is not None else [], _COLUMNS)
        units[:] = _unit_of(schema, unit)
        return [*([by] if by is not None else []), *units]

    # Each group covers time of its own: one recording that belongs to two people counts for both.
    observations = observe(
        frame, expressions, labels, apart=lambda _: [by] if by is not None else [], mixed_settings=mixed_settings
    )
    columns = observations.columns
    usual = (
        None if relative_to is None else usual_of(relative_to, columns, observations.measure, mixed_settings=mixed_settings)[0]
    )
    means = np.array([_mean(observations, column) for column in columns])
    rank = means if usual is None else _relative(means, usual)
    if np.isnan(rank).all() and not np.isnan(means).all():
        raise UsageError("relative_to varies in no expression of the frame, so it does not say what is usual. Pass more rows.")
    groups = _groups(observations.table, by)
    ranked = _strongest_of_each(observations, groups, usual, k) if each else [_strongest(rank, k)] * len(groups)
    rng = generator(seed)
    of_group = [
        _of_group(
            observations, tuple(columns[at] for at in its), members, units, rng, confidence=confidence, n_resamples=n_resamples
        )
        for (_, members), its in zip(groups, ranked, strict=True)
    ]
    shown = [(place, of) for of, its in enumerate(ranked) for place in range(len(its))]
    rows: list[dict[str, Any]] = []
    for place, of in shown if each else sorted(shown):
        column, group, its = columns[ranked[of][place]], groups[of][0], of_group[of][place]
        relative = math.nan if usual is None else _relative(its["mean"], usual[:, [ranked[of][place]]])[0]
        rows.append(
            {
                "expression": observations.label(column),
                "column": column,
                **({} if by is None else {by: group}),
                **{name: None if value is None or math.isnan(value) else value for name, value in its.items()},
                **({} if usual is None else {"relative": None if math.isnan(relative) else float(relative)}),
                MEASURE: observations.measure,
                "method": observations.method,
                "seed": seed,
            }
        )
    numbers = (*_NUMBERS, *([] if usual is None else ["relative"]))
    schema = pa.schema(
        [
            ("expression", pa.string()),
            ("column", pa.string()),
            *([] if by is None else [pa.field(by, pa.string())]),
            *(pa.field(name, pa.float64()) for name in numbers),
            ("n_units", pa.int64()),
            ("n_rows", pa.int64()),
            (MEASURE, pa.string()),
            ("method", pa.string()),
            ("seed", pa.int64()),
        ]
    )
    return pa.Table.from_pylist(rows, schema)


def _unit_of(schema: pa.Schema, unit: str | None) -> list[str]:
    if unit is not None:
        return [label_column(schema, unit, "to tell independent units by")]
    found = [name for name in schema.names if name.lower() in PERSON_LABELS] or [n for n in schema.names if n == "recording_id"]
    return found[:1]


def usual_of(reference: Any, columns: Sequence[str], measure: str, *, mixed_settings: bool) -> tuple[Floats, int]:
    """Return usual mean and standard deviation of each expression (a row each), and of how many rows.

    Raises:
        UsageError: The reference holds another measure, lacks an expression, or mixes what must not be mixed.
    """
    usual = observe(reference, list(columns), lambda _: [], mixed_settings=mixed_settings)
    if usual.measure != measure:
        raise UsageError(f"relative_to holds {usual.measure}, the frame {measure}: they are on different scales.")
    found = np.full((2, len(columns)), np.nan)
    for at, column in enumerate(columns):
        scores = usual.scores(column)
        known = np.isfinite(scores)
        if known.any():
            weight = None if usual.weight is None or usual.weight[known].sum() <= 0 else usual.weight[known]
            found[0, at] = np.average(scores[known], weights=weight)
            found[1, at] = math.sqrt(np.average((scores[known] - found[0, at]) ** 2, weights=weight))
    return found, usual.table.num_rows


def _mean(observations: Observations, column: str) -> float:
    values = observations.table.column(column)
    if observations.weight is None and not pa.types.is_float16(values.type):
        mean = pc.mean(values).as_py()  # Arrow skips null, without a copy of every column; what it makes of NaN is asked again
        if mean is not None and math.isfinite(mean):
            return float(mean)
    return float(totals(observations, np.zeros(observations.table.num_rows, np.int64), 1, (column,)).means[0, 0])


def _relative(mean: Any, usual: Floats) -> Floats:
    mean = np.atleast_1d(np.asarray(math.nan if mean is None else mean, np.float64))
    return np.asarray(np.divide(mean - usual[0], usual[1], out=np.full(len(mean), np.nan), where=usual[1] > 1e-12))


def _strongest(rank: Floats, k: int) -> list[int]:
    """Return the places of the ``k`` highest, the highest first; what has no rank has no place."""
    return sorted((at for at in range(len(rank)) if not math.isnan(rank[at])), key=lambda at: -rank[at])[:k]


def _strongest_of_each(
    observations: Observations, groups: Sequence[tuple[str | None, Integers | None]], usual: Floats | None, k: int
) -> list[list[int]]:
    number = np.full(observations.table.num_rows, -1)
    for at, (_, members) in enumerate(groups):
        number[members] = at
    means = totals(observations, number, len(groups)).means
    return [_strongest(its if usual is None else _relative(its, usual), k) for its in means]


def _groups(table: pa.Table, by: str | None) -> list[tuple[str | None, Integers | None]]:
    if by is None:
        return [(None, None)]
    if table.num_rows == 0:
        return []
    number, names = frames.codes(table, [by])
    order = np.argsort(number, kind="stable")
    members = np.split(order, np.searchsorted(number[order], np.arange(1, len(names))))
    found = [(name, rows) for (name,), rows in zip(names, members, strict=True) if len(rows)]
    return sorted(found, key=lambda each: (each[0] is None, each[0] or ""))


def _units(table: pa.Table, units: Sequence[str]) -> tuple[Integers, list[tuple[str | None, ...]]]:
    """Number the units of rows. Rows without a label are not one more person: each recording of them is a unit."""
    number, names = frames.codes(table, units)
    keys = [name for name in frames.RECORDING_COLUMNS if name in table.column_names]
    nobody = np.array([name == (None,) for name in names], bool)
    if len(units) != 1 or units[0] in keys or not keys or not nobody.any():
        return number, names
    recording, recordings = frames.codes(table, keys)
    found, number = np.unique(np.where(nobody[number], len(names) + recording, number), return_inverse=True)
    told = [names[at] if at < len(names) else (None, *recordings[at - len(names)]) for at in found.tolist()]
    return number, told


def _of_group(
    observations: Observations,
    columns: tuple[str, ...],
    members: Integers | None,
    units: Sequence[str],
    rng: np.random.Generator,
    *,
    confidence: float,
    n_resamples: int,
) -> list[dict[str, Any]]:
    """Return the numbers of each expression of one group."""
    part = observations.take(members) if members is not None else observations
    number, names = _units(part.table, units)
    # By name and not as they come, so that the same seed draws the same units whatever the order of rows.
    rank = np.empty(len(names), np.int64)
    by_name = sorted(range(len(names)), key=lambda at: [(each is None, each or "") for each in names[at]])
    rank[by_name] = np.arange(len(names))
    number = rank[number]
    drawn: dict[int, list[Floats]] = {}
    found = []

    def draws_of(n_units: int) -> list[Floats]:  # the same for all expressions that as many units have
        if n_units not in drawn:
            drawn[n_units] = list(resampled(rng, n_units, n_resamples))
        return drawn[n_units]

    for column in columns:
        scores, weight = part.scores(column), part.weight
        known = np.isfinite(scores)
        if not known.all():
            scores, weight, its_unit = scores[known], None if weight is None else weight[known], number[known]
        else:
            its_unit = number
        if len(scores) == 0:
            nothing = dict.fromkeys(_NUMBERS)
            found.append({**nothing, "n_units": 0 if units else None, "n_rows": 0})
            continue
        if weight is not None and weight.sum() <= 0:  # windows that others cover wholly
            weight = None
        mean = float(scores.mean()) if weight is None else float(np.dot(scores, weight) / weight.sum())
        q25, q75 = _quartiles(scores, weight)
        n_units = int(np.count_nonzero(np.bincount(its_unit))) if units else None
        low, high = _interval(scores, weight, its_unit, len(names), draws_of, confidence) if units else (None, None)
        numbers = {"mean": mean, "q25": q25, "q75": q75, "ci_low": low, "ci_high": high}
        found.append({**numbers, "n_units": n_units, "n_rows": len(scores)})
    return found


def _interval(
    scores: Floats,
    weight: Floats | None,
    unit: Integers,
    n_units: int,
    draws_of: Callable[[int], list[Floats]],
    confidence: float,
) -> tuple[float | None, float | None]:
    """Return the range of the mean when units are drawn anew, widened for few of them."""
    weights = np.bincount(unit, weight, n_units)
    sums = np.bincount(unit, scores if weight is None else scores * weight, n_units)
    weights, sums = weights[weights > 0], sums[weights > 0]
    if (n := len(weights)) < 2:
        return None, None
    draws = np.concatenate([(drawn @ sums) / (drawn @ weights) for drawn in draws_of(n)])
    mean = float(sums.sum() / weights.sum())
    low, high = interval_of_mean(mean + (draws - mean) * math.sqrt(n / (n - 1)), confidence, mean, n - 1)
    return float(low), float(high)


def _quartiles(scores: Floats, weight: Floats | None) -> tuple[float, float]:
    """Return the smallest scores at or below which a quarter and three quarters of the weight lie."""
    if weight is None:
        places = np.ceil(np.array([0.25, 0.75]) * len(scores)).astype(np.int64) - 1
        low, high = np.partition(scores, places)[places]
        return float(low), float(high)
    order = np.argsort(scores)
    reached = np.cumsum(weight[order])
    # A rounding error in the sum must not push a share that is met exactly on to the next score.
    low, high = np.searchsorted(reached, np.array([0.25, 0.75]) * reached[-1] * (1 - 1e-12))
    return float(scores[order[low]]), float(scores[order[high]])
