"""Names beside lines never cover one another, and lie as near their lines as that allows."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from humeanalytics.plot.labels import spread

wanted = st.lists(st.integers(-50, 150), min_size=1, max_size=7)


@given(wanted)
def test_apart_and_within_and_in_order(places: list[int]) -> None:
    found = spread(places, 10.0, 0.0, 100.0)
    ordered = [place for _, place in sorted(zip(places, found, strict=True), key=lambda pair: (pair[0], pair[1]))]
    assert all(0.0 <= place <= 100.0 for place in found)
    assert all(after - before >= 10.0 - 1e-9 for before, after in itertools.pairwise(ordered))


@given(st.lists(st.integers(0, 30), min_size=1, max_size=4))
def test_no_other_places_are_nearer(places: list[int]) -> None:
    found = spread(places, 3.0, 0.0, 30.0)
    order = sorted(range(len(places)), key=lambda at: (places[at], found[at]))
    own = sum((found[at] - places[at]) ** 2 for at in order)
    for moved in itertools.product((-0.4, 0.0, 0.4), repeat=len(places)):
        tried = [found[at] + step for at, step in zip(order, moved, strict=True)]
        fits = all(b - a >= 3.0 - 1e-9 for a, b in itertools.pairwise(tried)) and tried[0] >= 0 and tried[-1] <= 30
        if fits:
            assert sum((place - places[at]) ** 2 for at, place in zip(order, tried, strict=True)) >= own - 1e-9


def test_more_than_fit_are_spaced_evenly() -> None:
    assert spread([5.0] * 5, 10.0, 0.0, 20.0) == pytest.approx([0.0, 5.0, 10.0, 15.0, 20.0])
    assert spread([], 1.0, 0.0, 1.0) == []
    assert spread([7.0], 1.0, 0.0, 1.0) == [1.0]
