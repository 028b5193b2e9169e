"""What stands out in a series: high scores, changes of level, vocal bursts, toxic or one-sided text."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from humeanalytics import vocabulary
from humeanalytics.analysis import frames
from humeanalytics.analysis.change_points import FEWEST_ROWS, change_points
from humeanalytics.analysis.covered_time import Floats, Integers
from humeanalytics.analysis.grid import POINT, SPAN
from humeanalytics.analysis.observations import PRESENCE, Observations
from humeanalytics.analysis.series import Series
from humeanalytics.analysis.units import totals
from humeanalytics.tables.schema import HUME_KIND

_OF_FACES = ("face_id", "frame", POINT)


@dataclass(frozen=True, slots=True)
class Moments:
    """Moments of one thing: where in the series each begins and ends (one past its last row), its highest row, its score.

    ``n_rows`` are above (of rows at one time others may lie between them). Changes have a level ``before`` too: ``highest`` is
    their first row after, and ``n_rows`` of both levels have a score.
    """

    kind: str
    name: str
    column: str
    first: Integers
    last: Integers
    n_rows: Integers
    highest: Integers
    scores: Floats
    thresholds: Floats
    before: Floats | None = None


def _moments(
    series: Series, values: Floats, above: Any, threshold: Floats, kind: str, name: str, column: str, *, sign: float = 1.0
) -> Moments:
    """Return the stretches of rows, in the series' order, that are ``above``; highest is the row of most ``sign * values``."""
    rows = np.flatnonzero(above)
    starts = np.diff(series.when[rows], prepend=-2) > 1
    moment = np.cumsum(starts) - 1
    by_height = np.lexsort((-sign * values[rows], moment))
    counts = np.bincount(moment, minlength=int(starts.sum())).astype(np.int64)
    highest = rows[by_height][np.cumsum(counts) - counts]
    first, last = rows[starts], rows[np.cumsum(counts) - 1] + 1
    return Moments(kind, name, column, first, last, counts, highest, values[highest], threshold[series.person[first]])


def of_expression(observations: Observations, series: Series, column: str, z: float) -> Moments:
    values = observations.scores(column)[series.order]
    n_people = len(series.people)
    name = observations.label(column)
    if observations.measure == PRESENCE:
        return _moments(series, values, values > 0, np.full(n_people, np.nan), "expression", name, column)
    person = np.empty(len(values), np.int64)
    person[series.order] = series.person
    mean = totals(observations, person, n_people, (column,)).means[:, 0]
    known = np.isfinite(values)
    weight = np.ones(len(values)) if observations.weight is None else observations.weight[series.order]
    total = np.bincount(series.person[known], weight[known], n_people)
    squares = np.bincount(series.person[known], (weight * (values - mean[series.person]) ** 2)[known], n_people)
    spread = np.sqrt(np.divide(squares, total, out=np.zeros(n_people), where=total > 0))
    # What does not vary has a spread of rounding errors, and no moments.
    threshold = np.where(spread > 1e-12, mean + z * spread, np.inf)
    above = known & (values >= threshold[series.person])
    return _moments(series, values, above, threshold, "expression", name, column)


def of_changes(observations: Observations, series: Series) -> Iterator[Moments]:
    bounds = np.searchsorted(series.person, np.arange(len(series.people) + 1))
    weights = np.ones(len(series.order)) if observations.weight is None else observations.weight[series.order]
    for column in observations.columns:
        values, rows = observations.scores(column)[series.order], []
        for begin, end in itertools.pairwise(bounds.tolist()):
            if end - begin < FEWEST_ROWS:
                continue
            scores, weight = values[begin:end], weights[begin:end]
            known = np.isfinite(scores) & (weight > 0)
            at = change_points(scores, weight)
            edges = np.concatenate(([0], at, [end - begin]))
            means = [np.average(scores[a:b][known[a:b]], weights=weight[a:b][known[a:b]]) for a, b in itertools.pairwise(edges)]
            counts = [int(np.count_nonzero(known[a:b])) for a, b in itertools.pairwise(edges)]
            for n, place in enumerate(at):
                span = begin + edges[n], begin + edges[n + 2], begin + place
                rows.append((*span, means[n + 1], math.nan, means[n], counts[n] + counts[n + 1]))
        if rows:
            first, last, place, *numbers, n_rows = (np.array(each) for each in zip(*rows, strict=True))
            score, threshold, before = numbers
            name = observations.label(column)
            yield Moments("change", name, column, first, last, n_rows, place, score, threshold, before)


def of_bursts(table: pa.Table, series: Series, least: float) -> Iterator[Moments]:
    if not (columns := burst_columns(table.schema)):
        return
    scores = np.column_stack([frames.numbers(table, column)[series.order] for column in columns])
    scores = np.where(np.isfinite(scores), scores, -np.inf)
    strongest = scores.argmax(axis=1)
    for at, column in enumerate(columns):
        rows = np.flatnonzero((strongest == at) & (scores[:, at] >= least))
        threshold, name = np.full(len(rows), least), frames.label_of(table.schema.field(column))
        one = np.ones(len(rows), np.int64)
        yield Moments("burst", name, column, rows, rows + 1, one, rows, scores[rows, at], threshold)


def of_toxicity(table: pa.Table, series: Series, least: float) -> Iterator[Moments]:
    threshold = np.full(len(series.people), least)
    for name in vocabulary.names_of("language", "toxicity"):
        if name.column in table.column_names:
            values = frames.finite(table, name.column)[series.order]
            yield _moments(series, values, values >= least, threshold, "toxicity", name.name, name.column)


def of_sentiment(table: pa.Table, series: Series, bounds: tuple[float, float]) -> Iterator[Moments]:
    columns = [name.column for name in vocabulary.names_of("language", "sentiment")]
    if not all(column in table.column_names for column in columns):
        return
    shares = np.column_stack([frames.finite(table, column)[series.order] for column in columns])
    whole = shares.sum(axis=1)
    values = np.divide(shares @ np.arange(1, 10), whole, out=np.full(len(whole), np.nan), where=whole > 0)
    for name, bound, sign in (("negative", bounds[0], -1.0), ("positive", bounds[1], 1.0)):
        threshold = np.full(len(series.people), bound)
        yield _moments(series, values, sign * values >= sign * bound, threshold, "sentiment", name, "sentiment", sign=sign)


def burst_columns(schema: pa.Schema) -> list[str]:
    """Return the columns of descriptions of a frame of vocal bursts; faces have some of the same name."""
    if not set(SPAN) <= set(schema.names) or {*_OF_FACES} & set(schema.names):
        return []
    known = {name.column for name in vocabulary.names_of("burst", "vocalisation")}
    return [each.name for each in schema if each.name in known or (each.metadata or {}).get(HUME_KIND) == b"vocalisation"]
