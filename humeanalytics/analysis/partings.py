"""Where face, voice and words part: stretches in which one is high, for that person, and another is not."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from humeanalytics.analysis import frames
from humeanalytics.analysis.covered_time import Floats, Integers
from humeanalytics.analysis.modalities import LEAST_CELLS, Clock, Modality, share_clock
from humeanalytics.errors import UsageError

_NUMBERS = ("begin_s", "end_s", "score_first", "score_second", "z_first", "z_second", "difference")
_COLUMNS = ("first", "second", "expression", "column", *_NUMBERS, "n_units", "n_cells", "n_rows", "measure", "method", "seed")


@frames.says_of_what
def partings(
    modalities: Mapping[str, Any],
    expressions: Sequence[str] | str | None = None,
    *,
    z: float = 2.0,
    k: int | None = None,
    unit: str | None = None,
    every_s: float = 1.0,
    mixed_settings: bool = False,
    mixed_people: bool = False,
) -> pa.Table:
    """Return the stretches in which two modalities part: an expression is high in one, for that person, and not in the other.

    Scores of face, voice and words are on different scales, so each is taken in standard deviations from its own mean, within one
    person of one recording, over the time in which both are there; a stretch is one without a gap in which these differ by ``z``.

    Args:
        modalities: Name -> frame, as for `agreement`.
        expressions: Only these, by column or by Hume's name.
        z: By how many standard deviations they must differ.
        k: Only so many, the largest.
        unit: The label whose persons are told apart, as for `agreement`.
        every_s: Length of the cells of the clock.
        mixed_settings: Take rows of one frame that were scored with different settings together. A Query asks its
            lake, and a column ``settings_id`` tells; other frames do not say.
        mixed_people: Where a frame tells people of a recording apart that another does not, take the mean of them.

    Returns:
        A row is one stretch, the largest first (by difference times length): the columns that tell recordings and people apart,
        as text, then ``first``, ``second``, ``expression`` (Hume's name), ``column``, ``begin_s``, ``end_s``, ``score_first``,
        ``score_second`` (means), ``z_first``, ``z_second``, ``difference`` (second less first, in standard deviations),
        ``n_units`` (always 1: the person), ``n_cells`` of the stretch, ``n_rows`` of that person that the means are of,
        ``measure``, ``method``, ``seed`` (null: nothing is drawn). Empty where they nowhere part so far. A series of fewer
        than ten cells in common, or one in which either does not vary, is left out.

    Raises:
        UsageError: As `agreement`; or ``z`` or ``k`` is not above 0.

    Examples:
        >>> time_s, low, high = [float(n) for n in range(12)], [0.1, 0.2] * 6, [0.1, 0.2] * 5 + [0.9, 0.9]
        >>> face, voice = pa.table({"time_s": time_s, "joy": low}), pa.table({"time_s": time_s, "joy": high})
        >>> partings({"face": face, "voice": voice}, k=1).select(["begin_s", "end_s", "score_first", "score_second"]).to_pylist()
        [{'begin_s': 10.0, 'end_s': 11.0, 'score_first': 0.1, 'score_second': 0.9}]
    """
    if not (math.isfinite(z) and z > 0):
        raise UsageError(f"z is {z:g}; it is a number above 0.")
    if k is not None and k < 1:
        raise UsageError(f"k is {k}; at least one stretch must be asked for.")
    clock = share_clock(
        modalities, expressions, unit=unit, every_s=every_s, mixed_settings=mixed_settings, mixed_people=mixed_people
    )
    tables = []
    for first, second, columns in clock.pairs():
        common = clock.common(first, second)
        tables += [_stretches(clock, first, second, common, column, z) for column in columns]
    rows = pa.concat_tables(tables)
    size = np.abs(rows["difference"].to_numpy()) * rows["n_cells"].to_numpy()
    return rows.take(pa.array(np.argsort(-size, kind="stable")[:k]))


def _stretches(
    clock: Clock, first: Modality, second: Modality, common: tuple[Integers, Integers], column: str, z: float
) -> pa.Table:
    here, there = common
    scores = [each.scores[:, each.columns.index(column)][at] for each, at in ((first, here), (second, there))]
    known = np.isfinite(scores[0]) & np.isfinite(scores[1])
    series, cell = first.series[here][known], first.cell[here][known]
    scores = [each[known] for each in scores]
    of_first, of_second = (_z_within(each, series, len(clock.series)) for each in scores)
    difference = of_second - of_first
    apart = np.abs(difference) >= z  # false for NaN
    series, cell, difference = series[apart], cell[apart], difference[apart]
    new = (np.diff(series, prepend=-1) != 0) | (np.diff(cell, prepend=-2) != 1) | (np.diff(np.sign(difference), prepend=0) != 0)
    begins = np.flatnonzero(new)
    count = np.diff(begins, append=len(series))

    def mean(values: Floats) -> Floats:
        return np.asarray(np.add.reduceat(values, begins) / count) if len(begins) else np.zeros(0)

    frames.check_free(clock.keys, _COLUMNS)
    whose = series[begins]
    n_rows = sum(each.n_rows[:, each.columns.index(column)] for each in (first, second))
    same = pa.array(np.zeros(len(begins), np.int64))
    text = {"first": first.name, "second": second.name}
    text |= {"expression": first.labels[first.columns.index(column)], "column": column}
    made: dict[str, Any] = {
        key: pa.array([clock.series[at][place] for at in whose], pa.string()) for place, key in enumerate(clock.keys)
    }
    made |= {name: pa.array([value], pa.string()).take(same) for name, value in text.items()}
    made |= {
        "begin_s": cell[begins] * float(clock.every_s),
        "end_s": (cell[begins] + count) * float(clock.every_s),
        "score_first": mean(scores[0][apart]),
        "score_second": mean(scores[1][apart]),
        "z_first": mean(of_first[apart]),
        "z_second": mean(of_second[apart]),
        "difference": mean(difference),
        "n_units": np.ones(len(begins), np.int64),
        "n_cells": count.astype(np.int64),
        "n_rows": np.asarray(n_rows)[whose].astype(np.int64),
        "measure": pa.array([clock.measure], pa.string()).take(same),
        "method": pa.array([f"z within a person of a recording, over cells of {clock.every_s:g} s"]).take(same),
        "seed": pa.nulls(len(begins), pa.int64()),
    }
    return pa.table(made)


def _z_within(scores: Floats, series: Integers, n_series: int) -> Floats:
    """Return scores in standard deviations from the mean of their series; NaN of one that is short or does not vary."""
    count = np.bincount(series, minlength=n_series)
    mean = np.bincount(series, scores, n_series) / np.maximum(count, 1)
    apart = scores - mean[series]
    spread = np.sqrt(np.bincount(series, apart**2, n_series) / np.maximum(count, 1))
    spread[(count < LEAST_CELLS) | (spread <= 1e-12 * np.maximum(1.0, np.abs(mean)))] = np.nan
    return np.asarray(apart / spread[series])
