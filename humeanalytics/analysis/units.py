"""Independent units (people, mostly): the mean of each, and what chance does when units, never rows, are drawn again."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from statistics import NormalDist
from typing import Any

import numpy as np

from humeanalytics.analysis.covered_time import Floats, Integers
from humeanalytics.analysis.observations import Observations
from humeanalytics.errors import UsageError

#: How many numbers a table of draws may have: more is done piece by piece.
_CELLS = 4_000_000
#: With so many degrees of freedom t is normal to three digits and more.
_NORMAL_FROM = 2_000
Generator = np.random.Generator


@dataclass(frozen=True, slots=True)
class Totals:
    """Of each unit (a row) and expression (a column): the weighted sum of its scores, their weight, and how many there are."""

    sums: Floats
    weights: Floats
    n_rows: Integers

    @property
    def means(self) -> Floats:
        """The mean of each unit; NaN where it has no score."""
        return np.asarray(np.divide(self.sums, self.weights, out=np.full(self.sums.shape, np.nan), where=self.weights > 0))


def generator(seed: int) -> Generator:
    """Return what draws, the same for the same seed.

    Raises:
        UsageError: The seed is none that an answer could carry.
    """
    if not (isinstance(seed, int | np.integer) and 0 <= seed < 2**63):
        raise UsageError(f"seed is {seed!r}; it is a whole number, 0 or more, so that the same answer can be drawn again.")
    return np.random.default_rng(int(seed))


def totals(observations: Observations, unit: Integers, n_units: int, columns: tuple[str, ...] | None = None) -> Totals:
    """Add up the scores of each unit; rows whose ``unit`` is negative are left out."""
    columns = observations.columns if columns is None else columns
    inside = unit >= 0
    everything = bool(inside.all())
    unit = unit if everything else unit[inside]
    weight = observations.weight
    weight = weight if weight is None or everything else weight[inside]
    rows_of = np.bincount(unit, minlength=n_units)
    weight_of = rows_of.astype(np.float64) if weight is None else np.bincount(unit, weight, n_units)
    sums, weights, n_rows = (np.zeros((n_units, len(columns))) for _ in range(3))
    for at, column in enumerate(columns):
        scores = observations.scores(column)
        scores = scores if everything else scores[inside]
        if math.isfinite(float(scores.sum())):
            sums[:, at] = np.bincount(unit, scores if weight is None else scores * weight, n_units)
            weights[:, at], n_rows[:, at] = weight_of, rows_of
            continue
        known = np.isfinite(scores)
        its_unit, its_weight = unit[known], None if weight is None else weight[known]
        its = scores[known] if its_weight is None else scores[known] * its_weight
        n_rows[:, at] = np.bincount(its_unit, minlength=n_units)
        sums[:, at] = np.bincount(its_unit, its, n_units)
        weights[:, at] = n_rows[:, at] if its_weight is None else np.bincount(its_unit, its_weight, n_units)
        # Scores of windows only that others cover wholly: those count the same.
        if (hidden := (weights[:, at] <= 0) & (n_rows[:, at] > 0)).any():
            sums[hidden, at] = np.bincount(its_unit, scores[known], n_units)[hidden]
            weights[hidden, at] = n_rows[hidden, at]
    return Totals(sums, weights, n_rows.astype(np.int64))


def resampled(rng: Generator, n_units: int, n_resamples: int) -> Iterator[Floats]:
    """Yield draws of as many units as there are, with replacement: how often each unit was drawn, a draw a row."""
    step = max(1, _CELLS // max(n_units, 1))
    for done in range(0, n_resamples, step):
        yield rng.multinomial(n_units, np.full(n_units, 1 / n_units), min(step, n_resamples - done)).astype(np.float64)


def resampled_means(rng: Generator, values: Floats, n_resamples: int) -> Floats:
    """Return the means of units drawn again, a draw a row.

    A bootstrap of n units is narrower than it should be by n / (n - 1), which matters where units are few: it is widened.
    """
    n_units = len(values)
    means = np.concatenate([draws @ values / n_units for draws in resampled(rng, n_units, n_resamples)])
    centre = values.mean(axis=0)
    return np.asarray(centre + (means - centre) * math.sqrt(n_units / (n_units - 1)))


def interval(draws: Floats, confidence: float) -> tuple[Floats, Floats]:
    """Return the range that holds the middle ``confidence`` of draws, of each column."""
    low, high = np.quantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    return low, high


def interval_of_mean(draws: Floats, confidence: float, centre: Any, freedom: Any) -> tuple[Any, Any]:
    """Return the same of a mean that was drawn, wider by how much t is wider than the normal distribution.

    Of few units not only their mean is uncertain but how much they vary too: without this, of three units an interval of 95 %
    would hold the truth in 80 % of studies.

    Args:
        draws: Means of units drawn again, a draw a row.
        confidence: Share of studies in which the interval should hold the truth.
        centre: The mean that was observed.
        freedom: How many units beyond the first the spread is known from; as ``centre`` of each column, or of all.
    """
    low, high = interval(draws, confidence)
    found, which = np.unique(np.maximum(1, np.asarray(freedom, np.int64)), return_inverse=True)
    wider = np.array([t_quantile((1 + confidence) / 2, int(each)) for each in found]) / NormalDist().inv_cdf((1 + confidence) / 2)
    wider = wider[which].reshape(np.shape(freedom))
    return centre + (low - centre) * wider, centre + (high - centre) * wider


def welch_freedom(of_first: Floats, of_second: Floats, n_first: int, n_second: int) -> Integers:
    """Return the degrees of freedom of a difference of two means, whose variances these are (Welch and Satterthwaite)."""
    total = of_first + of_second
    # Shares, for squares of small variances are nothing.
    share = np.divide(of_first, total, out=np.full(len(total), 0.5), where=total > 0)
    freedom = 1 / (share**2 / (n_first - 1) + (1 - share) ** 2 / (n_second - 1))
    return np.asarray(np.floor(freedom + 1e-9), np.int64)


@cache
def t_quantile(share: float, freedom: int) -> float:
    """Return the value below which a share, 0.5 or more, of Student's t distribution lies.

    >>> round(t_quantile(0.975, 7), 4)
    2.3646
    """
    if freedom > _NORMAL_FROM:
        return NormalDist().inv_cdf(share)
    # For whole degrees of freedom the distribution is a finite sum of powers of a cosine.
    odd = freedom % 2
    steps = np.arange(1, (freedom - odd) // 2)
    factors = np.cumprod(np.concatenate(([1.0], (2.0 * steps - 1 + odd) / (2.0 * steps + odd))))[: (freedom - odd) // 2]

    def within(angle: float) -> float:
        cosine = math.cos(angle)
        total = math.sin(angle) * cosine**odd * float(factors @ cosine ** (2.0 * np.arange(len(factors))))
        return 2 / math.pi * (angle + total) if odd else total

    low, high = 0.0, math.pi / 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if within(middle) < 2 * share - 1 else (low, middle)
    return math.sqrt(freedom) * math.tan((low + high) / 2)


def p_of_groups(rng: Generator, first: Floats, second: Floats, n_permutations: int) -> tuple[Floats, bool]:
    """Return how often units dealt anew into two groups differ at least as much as they do, for each column; two-sided.

    Returns:
        The p values, and whether all ways to deal them were tried rather than some drawn at random.
    """
    units, size = np.vstack([first, second]), len(first)
    observed = second.mean(axis=0) - first.mean(axis=0)
    total = units.sum(axis=0)
    exact = math.comb(len(units), size) <= n_permutations

    def differences(dealt: Floats) -> Floats:
        inside = dealt @ units
        return np.asarray((total - inside) / (len(units) - size) - inside / size)

    dealings = _every_group(len(units), size) if exact else _dealt(rng, len(units), size, n_permutations)
    return _share_as_extreme((differences(each) for each in dealings), observed, units, exact=exact), exact


def p_of_pairs(rng: Generator, differences: Floats, n_permutations: int) -> tuple[Floats, bool]:
    """Return how often differences of units, each turned round or not, have as large a mean; otherwise as `p_of_groups`."""
    n_units = len(differences)
    exact = n_units <= math.log2(n_permutations)
    turns = _every_turn(n_units) if exact else _turned(rng, n_units, n_permutations)
    means = (each @ differences / n_units for each in turns)
    return _share_as_extreme(means, differences.mean(axis=0), differences, exact=exact), exact


def _every_group(n_units: int, size: int) -> Iterator[Floats]:
    chosen = np.array(list(combinations(range(n_units), size)))
    dealt = np.zeros((len(chosen), n_units))
    np.put_along_axis(dealt, chosen, 1.0, axis=1)
    yield dealt


def _dealt(rng: Generator, n_units: int, size: int, n_permutations: int) -> Iterator[Floats]:
    one = (np.arange(n_units) < size).astype(np.float64)
    step = max(1, _CELLS // n_units)
    for done in range(0, n_permutations, step):
        yield rng.permuted(np.tile(one, (min(step, n_permutations - done), 1)), axis=1)


def _every_turn(n_units: int) -> Iterator[Floats]:
    yield 1.0 - 2.0 * ((np.arange(2**n_units)[:, None] >> np.arange(n_units)) & 1).astype(np.float64)


def _turned(rng: Generator, n_units: int, n_permutations: int) -> Iterator[Floats]:
    step = max(1, _CELLS // n_units)
    for done in range(0, n_permutations, step):
        yield 1.0 - 2.0 * rng.integers(0, 2, (min(step, n_permutations - done), n_units)).astype(np.float64)


def _share_as_extreme(draws: Iterator[Floats], observed: Floats, values: Floats, *, exact: bool) -> Floats:
    # Sums in another order differ in their last digits; what is equal must count as equal.
    least = np.abs(observed) - 1e-12 * np.maximum(1e-300, np.abs(values).max(axis=0))
    count, n_draws = np.zeros(len(observed)), 0
    for each in draws:
        count += (np.abs(each) >= least).sum(axis=0)
        n_draws += len(each)
    # What was observed is one of all ways; of drawn ones it is added, so that no p is 0.
    return count / n_draws if exact else (count + 1) / (n_draws + 1)


def false_discovery(p_values: Floats) -> Floats:
    """Return the share of false discoveries to expect among tests with such a p or a lower one (Benjamini and Hochberg).

    Args:
        p_values: Of all tests that were made; NaN where one could not be, which does not count.

    Examples:
        >>> false_discovery(np.array([0.01, 0.04, 0.03, 0.5])).round(4).tolist()
        [0.04, 0.0533, 0.0533, 0.5]
    """
    found = np.full(len(p_values), np.nan)
    tested = np.flatnonzero(~np.isnan(p_values))
    order = tested[np.argsort(-p_values[tested], kind="stable")]
    rank = np.arange(len(order), 0, -1)
    found[order] = np.minimum.accumulate(np.minimum(1.0, p_values[order] * len(order) / np.maximum(rank, 1)))
    return found


def standardised(difference: Any, spread: Any, freedom: int) -> Any:
    """Return differences in units of a standard deviation, corrected for few units (Hedges); NaN where nothing varies."""
    correction = 1 - 3 / (4 * freedom - 1) if freedom > 0 else math.nan
    # What does not vary has a spread of rounding errors.
    return correction * np.divide(difference, spread, out=np.full(np.shape(difference), np.nan), where=spread > 1e-12)
