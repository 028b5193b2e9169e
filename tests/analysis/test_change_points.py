"""Changes of level: none in noise, those that were put there, and the division that trying all of them finds."""

from __future__ import annotations

import itertools
import time
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from humeanalytics.analysis.change_points import FEWEST_ROWS, _partition, change_points
from humeanalytics.analysis.moments import events

_Floats = np.ndarray[Any, np.dtype[np.float64]]


def autoregression(rng: np.random.Generator, phi: float, n: int, n_series: int) -> _Floats:
    """Series of variance 1, a row each, that have run for a while."""
    series, noise = np.zeros((n_series, n)), rng.normal(0, 1, (n_series, n + 200))
    state = np.zeros(n_series)
    for at in range(n + 200):
        state = phi * state + noise[:, at]
        if at >= 200:
            series[:, at - 200] = state
    return series * np.sqrt(1 - phi**2)


def share_with_changes(series: _Floats) -> float:
    return float(np.mean([len(change_points(each)) > 0 for each in series]))


@pytest.mark.parametrize(
    ("phi", "n", "at_most"),
    [
        (0.0, 60, 0.02),
        (0.5, 60, 0.05),
        (0.8, 60, 0.15),
        (0.0, 300, 0.02),
        (0.8, 300, 0.03),
        (0.9, 300, 0.06),
        (0.95, 2_000, 0.03),
    ],
)
def test_noise_that_remembers_itself_has_no_changes(phi: float, n: int, at_most: float) -> None:
    series = autoregression(np.random.default_rng(5), phi, n, 100)
    assert share_with_changes(series) <= at_most
    if phi >= 0.8:  # what takes rows for independent finds them everywhere
        naive = [_partition(each, np.arange(n + 1), 2 * each.var() * np.log(n)) for each in series[:20]]
        assert np.mean([len(each) > 0 for each in naive]) > 0.8


def test_neither_have_overlapping_windows_nor_single_peaks() -> None:
    rng = np.random.default_rng(6)
    words = rng.normal(0, 1, (100, 303))
    assert share_with_changes((words[:, :-3] + words[:, 1:-2] + words[:, 2:-1] + words[:, 3:]) / 4) <= 0.02
    assert share_with_changes((rng.uniform(0, 1, (100, 200)) < 0.03) + rng.normal(0, 0.01, (100, 200))) <= 0.02
    assert share_with_changes(np.exp(2 * autoregression(rng, 0.5, 200, 100))) <= 0.02


def test_changes_that_were_put_there_are_found() -> None:
    rng, near = np.random.default_rng(7), 0
    for noise in autoregression(rng, 0.5, 900, 20):
        level = np.repeat([0.0, 2.5, 1.0], 300)
        found = change_points(np.exp(noise + level))
        near += len(found) == 2 and bool(np.all(np.abs(found - [300, 600]) <= 30))
    assert near >= 18
    steps = np.repeat([0.2, 0.6, 0.2], 100) + rng.normal(0, 0.02, 300)
    steps[[20, 150, 250]] = np.nan
    assert change_points(steps).tolist() == [100, 200]


@given(st.lists(st.integers(-9, 9), min_size=5, max_size=13), st.sampled_from([0.3, 3.0, 40.0]))
def test_the_division_is_the_best_of_all(drawn: list[int], penalty: float) -> None:
    levels, n = np.array(drawn, np.float64), len(drawn)

    def cost(splits: list[int]) -> float:
        parts = np.split(levels, splits)
        return sum(float(((part - part.mean()) ** 2).sum()) for part in parts) + penalty * len(parts)

    every = [list(each) for k in range(3) for each in itertools.combinations(range(5, n - 4), k)]
    allowed = [each for each in every if all(b - a >= 5 for a, b in itertools.pairwise([0, *each, n]))]
    assert cost(_partition(levels, np.arange(n + 1), penalty)) == pytest.approx(min(cost(each) for each in allowed))


def test_weights_are_time_and_what_adds_none_is_passed_over() -> None:
    rng = np.random.default_rng(8)
    scores = np.repeat([0.2, 0.6], 100) + rng.normal(0, 0.05, 200)
    twice = np.repeat(scores, 2)
    weight = np.tile([1.5, 0.0], 200)
    assert change_points(twice, weight).tolist() == [200]
    uneven = rng.uniform(0.5, 8, 200)
    assert change_points(scores, uneven).tolist() == [100]
    one = scores[:100].copy()
    one[50] = 0.9  # a row as long as all others is not a level
    assert change_points(one, np.where(np.arange(100) == 50, 100.0, 1.0)).tolist() == []


@pytest.mark.parametrize(
    "scores",
    [
        [],
        [0.5],
        [0.5] * 200,
        [np.nan] * 200,
        [0.1] * 30 + [0.9] * 29,
        [np.inf] * 100,
        [0.0] * 199 + [1.0],
        [1e-300] * 100 + [0.0],
    ],
)
def test_what_tells_nothing_is_quiet(scores: list[float]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ResourceWarning)  # other tests leave sockets, collected at any time
        assert change_points(np.array(scores, np.float64)).tolist() == []


def test_events_tell_levels_when_and_what_was_said_around() -> None:
    rng = np.random.default_rng(9)
    n = 160
    joy = np.where(np.arange(n) < 100, 0.2, 0.5) + rng.normal(0, 0.02, n)
    begin = np.arange(n) * 3.0
    frame = pd.DataFrame(
        {
            "recording_id": "r",
            "speaker_id": ["b"] * n + ["a"] * n,
            "begin_s": np.tile(begin, 2),
            "end_s": np.tile(begin + 2, 2),
            "joy": np.concatenate([joy, rng.normal(0.3, 0.05, n)]),
            "text": [f"w{each}" for each in np.tile(np.arange(n), 2)],
        }
    ).sample(frac=1, random_state=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ResourceWarning)  # other tests leave sockets, collected at any time
        plain, answer = events(frame), events(frame, changes=True)
    assert "change" not in plain["kind"].to_pylist()
    assert answer.filter(pc.not_equal(answer["kind"], "change")).equals(plain)
    (row,) = [each for each in answer.to_pylist() if each["kind"] == "change"]
    assert (row["person"], row["expression"], row["column"], row["threshold"]) == ("b", "Joy", "joy", None)
    assert (row["begin_s"], row["time_s"], row["end_s"], row["n_rows"]) == (0.0, 299.5, 479.0, n)
    assert row["score_before"] == pytest.approx(joy[:100].mean()) and row["score"] == pytest.approx(joy[100:].mean())
    assert row["text"] == "w97 w98 w99 w100 w101 w102"
    assert row["method"] == "optimal partitioning of ranks; weighted by newly covered time"
    times = [each["time_s"] for each in answer.to_pylist() if each["person"] == "b" and each["n_rows"] in (1, n)]
    assert times == sorted(times)
    short = events(frame[frame["begin_s"] < 3.0 * (FEWEST_ROWS - 1)], changes=True)
    assert "change" not in short["kind"].to_pylist()


def test_without_times_and_with_scores_missing() -> None:
    rng = np.random.default_rng(10)
    joy = [*rng.normal(0.2, 0.05, 80), *rng.normal(0.6, 0.05, 80)]
    joy[::7] = [None] * len(joy[::7])
    rows = [row for row in events(pa.table({"joy": joy}), changes=True).to_pylist() if row["kind"] == "change"]
    known = np.array([np.nan if each is None else each for each in joy])
    assert [(row["time_s"], row["n_rows"], row["text"]) for row in rows] == [(None, int(np.isfinite(known).sum()), None)]
    assert rows[0]["score_before"] == pytest.approx(np.nanmean(known[:80]))


def test_a_million_rows_take_a_moment() -> None:
    scores = np.random.default_rng(11).normal(0.3, 0.1, 1_000_000)
    scores[600_000:] += 0.05
    began = time.process_time()
    (found,) = change_points(scores)
    assert time.process_time() - began < 4
    assert abs(found - 600_000) < 2_000
