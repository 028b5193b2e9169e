"""Scores: exact in single precision, settled by seed and content, smooth, each name in a range of its own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from humeanalytics.sandbox import scores, words
from humeanalytics.sandbox.batch.rows import names_of

NAMES = names_of("face", "expression")


def some_rows(count: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, 12))


def test_they_depend_on_seed_purpose_and_content_only() -> None:
    rows = some_rows(20)
    once = scores.score(7, "face", NAMES, rows)
    assert once.dtype == np.float32 and once.shape == (20, 48)
    assert (scores.score(7, "face", NAMES, rows) == once).all()
    assert not np.allclose(scores.score(8, "face", NAMES, rows), once)
    assert not np.allclose(scores.score(7, "prosody", NAMES, rows), once)


@given(st.integers(0, 40), st.integers(1, 41))
@settings(deadline=None)
def test_a_row_scores_the_same_however_many_stand_beside_it(start: int, count: int) -> None:
    rows = some_rows(41)
    part = rows[start : start + count]
    assert (scores.score(7, "face", NAMES, part) == scores.score(7, "face", NAMES, rows)[start : start + count]).all()


def test_alike_things_score_alike() -> None:
    rows = some_rows(200)
    near = rows + 0.01 * some_rows(200, seed=2)
    change = np.abs(scores.score(7, "face", NAMES, rows) - scores.score(7, "face", NAMES, near))
    assert 0 < change.max() < 0.05


def test_ranges_differ_and_one_is_rarely_passed() -> None:
    many = np.concatenate([scores.score(seed, "face", NAMES, some_rows(3000, seed)) for seed in range(5)])
    assert many.min() > 0 and 1 < many.max() < 1.4
    assert 0 < (many > 1).mean() < 0.002
    highest = many.max(axis=0)
    assert highest.min() < 0.3 and np.ptp(highest) > 0.7


def test_pleasant_words_sound_joyful() -> None:
    names = names_of("language", "expression")

    def score_of(text: str, name: str) -> float:
        (passage,) = words.passages(text, words.split_words(text), "conversational_turn")
        return float(scores.score(7, "language", names, words.features(passage)[None, :])[0, names.index(name)])

    glad, sad = "What a wonderful, happy, lovely day, thank you!", "It was a terrible, sad, awful day and I hate it."
    assert score_of(glad, "Joy") > 2 * score_of(sad, "Joy")
    assert score_of(sad, "Sadness") > 2 * score_of(glad, "Sadness")


@pytest.mark.parametrize("pleasantness", [-3.0, -1.0, 0.0, 1.0, 3.0])
def test_sentiment_is_a_distribution_that_leans_the_right_way(pleasantness: float) -> None:
    (shares,) = scores.sentiment(np.array([pleasantness]))
    assert shares.sum() == pytest.approx(1, abs=1e-6) and shares.min() >= 0
    mean = float((shares * np.arange(1, 10)).sum())
    assert np.sign(round(mean - 5, 6)) == np.sign(pleasantness)


def test_toxicity_needs_unpleasantness() -> None:
    names = names_of("language", "toxicity")
    rows = np.zeros((2, 10))
    rows[:, 0] = [2.5, -2.5]
    kind, nasty = scores.toxicity(7, names, rows)
    assert ((kind >= 0) & (kind < 0.01)).all()
    assert (nasty > kind).all() and (nasty <= 1).all()
