"""How much something rises from day to day: within units, or from unit to unit; with an interval and a test of units."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from humeanalytics.analysis.covered_time import Floats, Integers
from humeanalytics.analysis.units import interval_of_mean, p_of_pairs, resampled

NUMBERS = ("mean", "slope_per_day", "ci_low", "ci_high", "p_value", "q_value")
#: How many numbers a table of permutations may have: more is done piece by piece.
_CELLS = 4_000_000


@dataclass(frozen=True, slots=True)
class UnitSlopes:
    """Of each unit its mean day and means, and how days vary, and scores with them, around these."""

    days: Floats
    means: Floats
    squares: Floats
    products: Floats

    @staticmethod
    def of(unit: Integers, day: Floats, means: Floats) -> UnitSlopes:
        n = int(unit.max(initial=-1)) + 1
        count = np.bincount(unit, minlength=n)
        days = np.bincount(unit, day, n) / count
        around = day - days[unit]
        levels = np.column_stack([np.bincount(unit, its, n) / count for its in means.T]).reshape(n, means.shape[1])
        products = np.column_stack([np.bincount(unit, around * its, n) for its in (means - levels[unit]).T])
        squares = np.bincount(unit, around**2, n).astype(np.float64)
        return UnitSlopes(days, levels, squares, products.astype(np.float64).reshape(n, means.shape[1]))

    def tested(
        self, rng: np.random.Generator, is_within: bool, confidence: float, n_resamples: int, n_permutations: int
    ) -> tuple[dict[str, Floats], str]:
        """Return each of `NUMBERS` but ``q_value``, a value a column, and how they came about; NaN of too few units or days."""
        n, n_columns = self.means.shape
        nothing = np.full(n_columns, np.nan)
        found = {name: nothing.copy() for name in NUMBERS}
        found["mean"] = self.means.mean(axis=0) if n else nothing
        freedom = n - 1 if is_within else n - 2
        spread = self.squares.sum() if is_within else ((self.days - self.days.mean()) ** 2).sum() if n else 0.0
        if freedom < 1 or not spread > 0:
            return found, "too few units or days"
        if is_within:
            slope = self.products.sum(axis=0) / spread
            draws = np.concatenate([(d @ self.products) / (d @ self.squares)[:, None] for d in resampled(rng, n, n_resamples)])
            p_value, exact = p_of_pairs(rng, self.products, n_permutations)
        else:
            days, means = self.days - self.days.mean(), self.means - self.means.mean(axis=0)
            slope = days @ means / spread
            draws = np.concatenate([_slopes(d, days, means) for d in resampled(rng, n, n_resamples)])
            draws = draws[np.isfinite(draws).all(axis=1)]
            p_value, exact = _p_of_order(rng, days, means, n_permutations)
        found["slope_per_day"], found["p_value"] = slope, p_value
        # Few units drawn again vary less than they should, as in `units.resampled_means`.
        draws = slope + (draws - slope) * math.sqrt(n / freedom)
        found["ci_low"], found["ci_high"] = interval_of_mean(draws, confidence, slope, freedom)
        ways = "all permutations of units" if exact else f"{n_permutations:,} permutations of units"
        kind = "slope within units" if is_within else "slope between units"
        return found, f"{kind}; percentile interval of resampled units ({n_resamples:,}), widened for few units as t is; {ways}"


def _slopes(drawn: Floats, days: Floats, means: Floats) -> Floats:
    """Return the slope over units drawn so often each, a draw a row; NaN where all drawn are of one day."""
    n = drawn.sum(axis=1, keepdims=True)
    day = drawn @ days[:, None]
    squares = drawn @ days[:, None] ** 2 - day**2 / n
    products = drawn @ (days[:, None] * means) - day * (drawn @ means) / n
    some = squares > 1e-9 * (days**2).sum()
    return np.asarray(
        np.divide(products, squares, out=np.full(products.shape, np.nan), where=np.broadcast_to(some, products.shape))
    )


def _p_of_order(rng: np.random.Generator, days: Floats, means: Floats, n_permutations: int) -> tuple[Floats, bool]:
    """Return how often days dealt anew to units go along with scores as much, a column each, and whether all ways were tried."""
    n = len(days)
    exact = math.lgamma(n + 1) <= math.log(n_permutations) + 1e-9
    least = np.abs(days @ means) * (1 - 1e-9)
    count, n_draws = np.zeros(means.shape[1]), 0
    for dealt in [np.array(list(permutations(days)))] if exact else _dealt(rng, days, n_permutations):
        count += (np.abs(dealt @ means) >= least).sum(axis=0)
        n_draws += len(dealt)
    return count / n_draws if exact else (count + 1) / (n_draws + 1), exact


def _dealt(rng: np.random.Generator, days: Floats, n_permutations: int) -> Iterator[Floats]:
    step = max(1, _CELLS // len(days))
    for done in range(0, n_permutations, step):
        yield rng.permuted(np.tile(days, (min(step, n_permutations - done), 1)), axis=1)
