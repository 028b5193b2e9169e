"""Pictures are divided into requests: in order, none lost, within the limits, and none so small that its minimum is wasted."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from humeanalytics.media.geometry import Region, fitted
from humeanalytics.media.packing import PART_BYTES, Picture, packed

REGION = Region(0, 0, 8, 8)


def pictures(sizes: list[int]) -> list[Picture]:
    return [Picture(bytes(size), 8, 8, REGION, float(place)) for place, size in enumerate(sizes)]


def cost(pack: list[Picture]) -> int:
    return sum(len(picture.jpeg) + PART_BYTES for picture in pack)


@given(st.lists(st.integers(1, 3000), max_size=200), st.integers(3400, 60_000), st.integers(1, 80), st.integers(1, 30))
def test_every_picture_is_in_one_pack_in_order_and_packs_keep_the_limits(
    sizes: list[int], most_bytes: int, most: int, least: int
) -> None:
    given_pictures = pictures(sizes)
    packs = list(packed(given_pictures, most_bytes=most_bytes, most=most, least=least))
    assert [picture for pack in packs for picture in pack] == given_pictures
    assert all(pack and cost(pack) <= most_bytes and len(pack) <= most for pack in packs)


@given(st.lists(st.integers(1, 3000), max_size=200), st.integers(3400, 60_000), st.integers(1, 80), st.integers(1, 30))
def test_there_are_no_more_packs_than_filling_each_to_the_brim_would_make(
    sizes: list[int], most_bytes: int, most: int, least: int
) -> None:
    brimful = [[0, 0]] if sizes else []
    for size in sizes:
        if brimful[-1][0] == most or (brimful[-1][0] and brimful[-1][1] + size + PART_BYTES > most_bytes):
            brimful.append([0, 0])
        brimful[-1][0] += 1
        brimful[-1][1] += size + PART_BYTES
    assert len(list(packed(pictures(sizes), most_bytes=most_bytes, most=most, least=least))) == len(brimful)


@given(st.integers(1, 500), st.integers(60, 200))
def test_of_several_packs_none_is_below_the_minimum(count: int, most: int) -> None:
    packs = list(packed(pictures([10] * count), most=most))
    assert len(packs) == math.ceil(count / most)
    if len(packs) > 1:
        assert min(len(pack) for pack in packs) >= 30


def test_a_pack_is_given_before_all_pictures_are_known() -> None:
    seen = 0

    def endless():  # type: ignore[no-untyped-def]
        nonlocal seen
        while True:
            seen += 1
            yield Picture(bytes(100), 8, 8, REGION)

    assert len(next(packed(endless(), most=100))) == 100
    assert seen <= 130


@given(st.integers(1, 20_000), st.integers(1, 20_000), st.integers(1, 10_000_000))
def test_a_fitted_size_keeps_its_shape_and_the_limit(width: int, height: int, most: int) -> None:
    narrower, lower = fitted(width, height, most)
    assert 1 <= narrower <= width and 1 <= lower <= height
    assert narrower * lower <= most
    if width * height <= most:
        assert (narrower, lower) == (width, height)
    elif narrower > 50 and lower > 50:
        assert abs(narrower / lower / (width / height) - 1) < 0.05
        assert narrower * lower > 0.9 * most
