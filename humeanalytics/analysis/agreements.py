"""Whether face, voice and words say the same: how they go together in time, which comes first, and where they part."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from humeanalytics.analysis import frames
from humeanalytics.analysis.covered_time import Floats, Integers
from humeanalytics.analysis.modalities import LEAST_CELLS, Clock, Modality, share_clock
from humeanalytics.analysis.units import false_discovery, generator, interval, interval_of_mean, p_of_pairs, resampled
from humeanalytics.errors import UsageError

#: What varies less than so in a score does not vary: it is rounding.
_LEAST_SD = 1e-12
_MOST_LAGS = 1_000
_MEASURES = ("correlation", "ci_low", "ci_high", "p_value", "q_value", "lag_s", "lag_low_s", "lag_high_s", "correlation_at_lag")


@frames.says_of_what
def agreement(
    modalities: Mapping[str, Any],
    expressions: Sequence[str] | str | None = None,
    *,
    unit: str | None = None,
    every_s: float = 1.0,
    max_lag_s: float = 5.0,
    confidence: float = 0.95,
    n_resamples: int = 2_000,
    n_permutations: int = 10_000,
    seed: int = 0,
    mixed_settings: bool = False,
    mixed_people: bool = False,
) -> pa.Table:
    """Return how face, voice and words go together in time, for every two of them and each expression both have.

    All are put into cells of one clock by how far each row reaches into them, never by the order of rows; cells that one of two
    has nothing for do not count. Within a recording neighbouring moments are alike, so two series that have nothing to do with
    each other correlate by chance, and a test that takes moments for independent finds that significant. So each unit gives one
    correlation, and interval and p are of units. Of one recording there is a correlation and no more.

    Args:
        modalities: Name -> frame (Query, pyarrow, pandas or polars), two or more: ``{"face": lake["face"], "voice":
            lake["prosody"], "words": lake["language"]}``; of v1 what `presence` returns. Rows go together by ``recording_id``,
            ``file``, ``unit``, and ``speaker_id``, ``face_id`` or ``channel`` where all frames have it.
        expressions: Only these, by column or by Hume's name; all that two frames share where left out.
        unit: The label of what is independent, such as ``participant``. May be left out where no frame has a label of people:
            then it is the recording.
        every_s: Length of the cells, and the step of lags. Shorter than a window, neighbouring cells say the same.
        max_lag_s: The highest lag to look at, either way.
        confidence: Of the intervals.
        n_resamples: How often units are drawn anew for the intervals.
        n_permutations: How often signs are dealt anew for p; where there are no more ways than that, all are tried.
        seed: Of what is drawn.
        mixed_settings: Take rows of one frame that were scored with different settings together. A Query asks its
            lake, and a column ``settings_id`` tells; other frames do not say.
        mixed_people: Where a frame tells people of a recording apart that another does not, take the mean of them.

    Returns:
        A row is one expression and two modalities, in their order, then the highest correlation first: ``expression`` (Hume's
        name), ``column``, ``first``, ``second``; ``correlation`` (-1 to 1, at the same time: of each unit within its recordings,
        their mean by Fisher's z), ``ci_low``, ``ci_high``, ``p_value`` (two-sided), ``q_value`` (Benjamini and Hochberg, over
        all rows); ``lag_s`` (at which the mean correlation of units that have one at every lag is highest; above 0 the second
        comes after the first; to within ``every_s``, for a frame stands for the whole of its cell), ``lag_low_s``,
        ``lag_high_s``, ``correlation_at_lag`` (the highest of many, so it is above 0 by chance alone); ``n_units``, ``n_cells``
        in common, ``n_rows`` of both that they are made of, ``n_rows_unlabelled`` that have no unit, ``unit``, ``every_s``,
        ``measure``, ``method``, ``seed``. A unit counts that has ten cells in common in which both vary; correlation and lag are
        null without one, intervals and p with fewer than two.

    Raises:
        UsageError: Fewer than two frames, or they have no recording, no time or no expression in common; no such column;
            ``unit`` is left out though a frame says whose rows are; people that cannot be told apart; a number that cannot be;
            or scores that must not be mixed are.

    Examples:
        >>> rng, time_s = np.random.default_rng(1), np.arange(300.0)
        >>> joy = rng.normal(size=300)
        >>> face = pa.table({"time_s": time_s, "joy": joy})
        >>> voice = pa.table({"begin_s": time_s + 2, "end_s": time_s + 3, "joy": joy})
        >>> answer = agreement({"face": face, "voice": voice})
        >>> answer.select(["first", "second", "lag_s", "n_units", "n_cells"]).to_pylist()
        [{'first': 'face', 'second': 'voice', 'lag_s': 2.0, 'n_units': 1, 'n_cells': 298}]
    """
    if not 0 < confidence < 1:
        raise UsageError(f"confidence is {confidence:g}; it is a share between 0 and 1, such as 0.95.")
    for name, number in (("n_resamples", n_resamples), ("n_permutations", n_permutations)):
        if number < 100:
            raise UsageError(f"{name} is {number}; fewer than 100 say nothing.")
    if not (math.isfinite(max_lag_s) and max_lag_s >= 0):
        raise UsageError(f"max_lag_s is {max_lag_s:g}; it is a number of seconds, 0 or more.")
    clock = share_clock(
        modalities, expressions, unit=unit, every_s=every_s, mixed_settings=mixed_settings, mixed_people=mixed_people
    )
    n_lags = int(max_lag_s / every_s + 1e-9)
    if n_lags > _MOST_LAGS:
        raise UsageError(
            f"max_lag_s={max_lag_s:g} is {n_lags:,} steps of every_s={every_s:g}; at most {_MOST_LAGS:,} are looked at."
        )
    # The nearest to 0 comes first, so that it is the one among equals.
    lags = np.array(sorted(range(-n_lags, n_lags + 1), key=lambda lag: (abs(lag), lag)), np.int64)
    rng = generator(seed)
    rows: list[dict[str, Any]] = []
    most_cells = 0
    for first, second, columns in clock.pairs():
        z, n_cells = _fisher(clock, first, second, columns, lags)
        most_cells = max(most_cells, int(n_cells.max(initial=0)))
        numbers = _of_units(rng, z, np.asarray(lags * every_s, np.float64), confidence, n_resamples, n_permutations)
        labels = dict(zip(first.columns, first.labels, strict=True))
        of_pair = []
        for at, column in enumerate(columns):
            known = np.isfinite(z[0, :, at])
            n_rows = _rows_of(clock, first, column) + _rows_of(clock, second, column)
            of_pair.append(
                {
                    "expression": labels[column],
                    "column": column,
                    "first": first.name,
                    "second": second.name,
                    **{name: float(values[at]) for name, values in numbers.items()},
                    "n_units": int(known.sum()),
                    "n_cells": int(n_cells[known, at].sum()),
                    "n_rows": int(n_rows[known].sum()),
                    "n_rows_unlabelled": clock.n_rows_unlabelled,
                    "unit": clock.unit_column,
                    "every_s": float(every_s),
                    "measure": clock.measure,
                    "method": f"correlation within recordings over cells of {every_s:g} s, by Fisher's z; units resampled "
                    f"({n_resamples:,}), widened for few units as t is; their signs permuted",
                    "seed": seed,
                }
            )
        rows += sorted(of_pair, key=lambda row: (math.isnan(row["correlation"]), -row["correlation"], row["column"]))
    if most_cells < LEAST_CELLS:
        raise UsageError(
            f"{clock.names} have at most {most_cells} cells of {every_s:g} s in common in a unit; a correlation takes "
            f"{LEAST_CELLS}. Take a shorter every_s, or frames that cover the same time."
        )
    q_values = false_discovery(np.array([row["p_value"] for row in rows]))
    for row, q_value in zip(rows, q_values, strict=True):
        row["q_value"] = float(q_value)
        row.update({name: None for name in _MEASURES if math.isnan(row[name])})
    return pa.Table.from_pylist(rows, _SCHEMA)


def _rows_of(clock: Clock, modality: Modality, column: str) -> Integers:
    """Return how many rows of a modality have a score, of each unit."""
    inside = clock.unit >= 0
    n_rows = modality.n_rows[inside, modality.columns.index(column)]
    return np.bincount(clock.unit[inside], n_rows, clock.n_units).astype(np.int64)


def _fisher(clock: Clock, first: Modality, second: Modality, columns: Sequence[str], lags: Integers) -> tuple[Floats, Integers]:
    """Return Fisher's z of each lag, unit and expression, NaN where there is none; and cells in common, a row a unit."""
    n_units = clock.n_units
    z, n_cells = np.full((len(lags), n_units, len(columns)), np.nan), np.zeros((n_units, len(columns)), np.int64)
    sides = [[each.centred(column) for each in (first, second)] for column in columns]
    for lag_at, lag in enumerate(lags):
        here, there = clock.common(first, second, int(lag), int(np.abs(lags).max()))
        if len(here) == 0:
            continue
        begins = np.flatnonzero(np.diff(first.series[here], prepend=-1) != 0)
        series = first.series[here][begins]
        unit, length = clock.unit[series], np.diff(begins, append=len(here))
        for at, ((x_all, x_mean), (y_all, y_mean)) in enumerate(sides):
            x, y = x_all[here], y_all[there]
            n = length
            if not math.isfinite(float(x.sum() + y.sum())):
                known = np.isfinite(x) & np.isfinite(y)
                x, y, n = np.where(known, x, 0.0), np.where(known, y, 0.0), np.add.reduceat(known, begins, dtype=np.int64)
            # Scores are centred already, so that no digits are lost here; within these cells they are once more.
            some = np.maximum(n, 1)
            sum_x, sum_y = np.add.reduceat(x, begins), np.add.reduceat(y, begins)
            products = (
                np.add.reduceat(x * y, begins) - sum_x * sum_y / some,
                np.maximum(0.0, np.add.reduceat(x * x, begins) - sum_x**2 / some),
                np.maximum(0.0, np.add.reduceat(y * y, begins) - sum_y**2 / some),
            )
            xy, xx, yy = (np.bincount(unit, each, n_units) for each in products)
            cells = np.bincount(unit, n, n_units)
            size_x, size_y = (np.bincount(unit, n * np.maximum(1.0, m[series] ** 2), n_units) for m in (x_mean, y_mean))
            varies = (cells >= LEAST_CELLS) & (xx > _LEAST_SD**2 * size_x) & (yy > _LEAST_SD**2 * size_y)
            r = xy[varies] / np.sqrt(xx[varies] * yy[varies])
            z[lag_at, varies, at] = np.arctanh(np.clip(r, -1 + 1e-9, 1 - 1e-9))
            if lag == 0:
                n_cells[:, at] = cells
    return z, n_cells


def _of_units(
    rng: np.random.Generator, z: Floats, lags_s: Floats, confidence: float, n_resamples: int, n_permutations: int
) -> dict[str, Floats]:
    """Return each number of the answer, a value an expression; ``z`` is of each lag (the first is none), unit, expression."""
    n_columns = z.shape[2]
    found = {name: np.full(n_columns, np.nan) for name in _MEASURES}
    patterns, pattern = np.unique(np.isfinite(z).all(axis=0) + 1 * np.isfinite(z[0]), axis=1, return_inverse=True)
    for at in range(patterns.shape[1]):  # expressions that the same units have correlations of are drawn together
        columns = np.flatnonzero(pattern.ravel() == at)
        now = z[0][patterns[:, at] > 0][:, columns]
        if len(now) == 0:
            continue
        centre = now.mean(axis=0)
        found["correlation"][columns] = np.tanh(centre)
        if len(now) > 1:
            means = np.concatenate([draws @ now / len(now) for draws in resampled(rng, len(now), n_resamples)])
            means = centre + (means - centre) * math.sqrt(len(now) / (len(now) - 1))
            low, high = interval_of_mean(means, confidence, centre, len(now) - 1)
            found["ci_low"][columns], found["ci_high"][columns] = np.tanh(low), np.tanh(high)
            found["p_value"][columns] = p_of_pairs(rng, now, n_permutations)[0]
        later = z[:, patterns[:, at] > 1][:, :, columns]
        if later.shape[1] == 0 or len(lags_s) == 1:
            continue
        curve = later.mean(axis=1)
        best = curve.argmax(axis=0)
        found["lag_s"][columns] = lags_s[best]
        found["correlation_at_lag"][columns] = np.tanh(curve[best, np.arange(len(columns))])
        if later.shape[1] > 1:
            drawn = [
                np.stack([(draws @ later[:, :, each].T).argmax(axis=1) for each in range(len(columns))], axis=1)
                for draws in resampled(rng, later.shape[1], n_resamples)
            ]
            low, high = interval(lags_s[np.concatenate(drawn)], confidence)
            found["lag_low_s"][columns], found["lag_high_s"][columns] = low, high
    return found


_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("expression", "column", "first", "second")),
        *((name, pa.float64()) for name in _MEASURES),
        *((name, pa.int64()) for name in ("n_units", "n_cells", "n_rows", "n_rows_unlabelled")),
        ("unit", pa.string()),
        ("every_s", pa.float64()),
        ("measure", pa.string()),
        ("method", pa.string()),
        ("seed", pa.int64()),
    ]
)
