"""Intervals hold the truth as often as they say, of few units too: against tables of t, and by doing studies over and over."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

import humeanalytics as ha
from humeanalytics import vocabulary
from humeanalytics.analysis.units import interval_of_mean, t_quantile, welch_freedom

NAMES = [name.column for name in vocabulary.names_of("prosody", "expression")]
TRUTH = 0.4


@pytest.mark.parametrize(
    ("freedom", "expected"),
    [
        (1, (1.000, 6.314, 12.706)),
        (2, (0.816, 2.920, 4.303)),
        (3, (0.765, 2.353, 3.182)),
        (4, (0.741, 2.132, 2.776)),
        (7, (0.711, 1.895, 2.365)),
        (30, (0.683, 1.697, 2.042)),
        (5_000, (0.674, 1.645, 1.960)),
    ],
)
def test_quantiles_of_t_against_tables(freedom: int, expected: tuple[float, ...]) -> None:
    assert [t_quantile(share, freedom) for share in (0.75, 0.95, 0.975)] == pytest.approx(expected, abs=6e-4)


def test_degrees_of_freedom_of_two_means() -> None:
    of_first, of_second = np.array([1.0, 1.0, 0.0, 1e-200]), np.array([1.0, 0.0, 0.0, 1e-200])
    assert welch_freedom(of_first, of_second, 5, 5).tolist() == [8, 4, 8, 8]


def test_an_interval_is_widened_around_its_middle() -> None:
    draws = np.linspace(-1, 1, 4001)[:, None]
    low, high = interval_of_mean(draws, 0.95, np.zeros(1), 2)
    assert (low[0], high[0]) == (pytest.approx(-0.95 * 4.3027 / 1.95996, rel=1e-4), pytest.approx(-low[0]))


def _of_top(scores: np.ndarray, seed: int) -> pa.Table:
    people = {"participant": [f"P{n}" for n in range(len(scores))]}
    return ha.top(pa.table({**people, **dict(zip(NAMES, scores.T, strict=True))}), len(NAMES), n_resamples=400, seed=seed)


def _of_groups(scores: np.ndarray, seed: int) -> pa.Table:
    half = len(scores) // 2
    labels = {"who": [f"P{n}" for n in range(2 * half)], "group": ["a"] * half + ["b"] * half}
    shifted = np.vstack([scores[:half], 2 * scores[half:]])  # of a mean that is TRUTH higher, and more apart
    frame = pa.table({**labels, **dict(zip(NAMES, shifted.T, strict=True))})
    return ha.compare(frame, "group", "who", n_resamples=400, n_permutations=100, seed=seed)


def _of_pairs(scores: np.ndarray, seed: int) -> pa.Table:
    n = len(scores)
    labels = {"who": [f"P{at}" for at in range(n)] * 2, "group": ["a"] * n + ["b"] * n}
    before = np.random.default_rng(seed).normal(size=scores.shape)
    frame = pa.table({**labels, **dict(zip(NAMES, np.vstack([before, before + scores]).T, strict=True))})
    return ha.compare(frame, "group", "who", n_resamples=400, n_permutations=100, seed=seed)


@pytest.mark.parametrize(
    ("ask", "n"), [(_of_top, 3), (_of_top, 8), (_of_groups, 6), (_of_groups, 16), (_of_pairs, 3), (_of_pairs, 8)]
)
def test_of_95_percent_as_many_hold_the_truth(ask: Callable[[np.ndarray, int], pa.Table], n: int) -> None:
    rng = np.random.default_rng(n)
    rows = [row for seed in range(6) for row in ask(rng.normal(TRUTH, 0.1, (n, len(NAMES))), seed).to_pylist()]
    held = np.mean([row["ci_low"] <= TRUTH <= row["ci_high"] for row in rows])
    assert len(rows) == 6 * len(NAMES) and 0.9 <= held <= 0.985  # without being widened for few units, of three 80 %
