"""The rate limiter, in simulated time: spacing, halving, recovery, and one for each host."""

from __future__ import annotations

import asyncio
import threading
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from humeanalytics.api.limiter import HostLimiter, limiter_of


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limiter(clock: Clock) -> HostLimiter:
    return HostLimiter(clock)


def test_first_turn_is_free_and_the_next_ones_are_spaced_out(limiter: HostLimiter, clock: Clock) -> None:
    assert [limiter.reserve(20.0)[0] for _ in range(3)] == pytest.approx([0.0, 0.05, 0.1])
    clock.now_s = 10.0
    assert limiter.reserve(20.0)[0] == 0.0  # what was not used is not saved up
    assert limiter.reserve(20.0)[0] == pytest.approx(0.05)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.floats(0.5, 50))
def test_never_more_than_the_ceiling_in_any_second(pauses_s: list[float], ceiling_per_s: float) -> None:
    clock = Clock()
    limiter = HostLimiter(clock)
    turns_s = []
    for pause_s in pauses_s:
        clock.now_s += pause_s
        turns_s.append(limiter.reserve(ceiling_per_s)[1])
    assert all(b - a >= 1 / ceiling_per_s - 1e-9 for a, b in pairwise(turns_s))


def test_a_burst_of_complaints_halves_once(limiter: HostLimiter, clock: Clock) -> None:
    turns_s = [limiter.reserve(20.0)[1] for _ in range(5)]
    clock.now_s = 1.0
    for turn_s in turns_s:
        limiter.slow_down(turn_s, 20.0)
    assert limiter.rate_per_s(20.0) == 10.0
    clock.now_s = 1.5
    limiter.slow_down(limiter.reserve(20.0)[1], 20.0)
    assert limiter.rate_per_s(20.0) == 10.0
    clock.now_s = 2.5  # sent a while after the cut, and still too much
    limiter.slow_down(limiter.reserve(20.0)[1], 20.0)
    assert limiter.rate_per_s(20.0) == 5.0


def test_never_stops_altogether(limiter: HostLimiter, clock: Clock) -> None:
    for _ in range(50):
        clock.now_s += 100.0
        limiter.slow_down(limiter.reserve(20.0)[1], 20.0)
    assert limiter.rate_per_s(20.0) == pytest.approx(0.4)
    assert limiter.rate_per_s(0.1) == 0.1


def test_grows_back_slowly_and_not_beyond_the_ceiling(limiter: HostLimiter, clock: Clock) -> None:
    limiter.slow_down(limiter.reserve(20.0)[1], 20.0)
    for _ in range(15):
        clock.now_s += 1.0
        limiter.speed_up(20.0)
    assert limiter.rate_per_s(20.0) == pytest.approx(15.0)
    for _ in range(100):
        clock.now_s += 1.0
        limiter.speed_up(20.0)
    assert limiter.rate_per_s(20.0) == 20.0


def test_silence_is_no_success(limiter: HostLimiter, clock: Clock) -> None:
    limiter.slow_down(limiter.reserve(20.0)[1], 20.0)
    clock.now_s += 3600.0
    limiter.speed_up(20.0)
    assert limiter.rate_per_s(20.0) == pytest.approx(10.0 + 20.0 / 60.0)


def test_many_successes_at_once_count_by_time_not_by_number(limiter: HostLimiter, clock: Clock) -> None:
    limiter.slow_down(limiter.reserve(20.0)[1], 20.0)
    clock.now_s += 1.0
    for _ in range(1000):
        limiter.speed_up(20.0)
    assert limiter.rate_per_s(20.0) == pytest.approx(10.0 + 20.0 / 60.0)


def test_each_client_keeps_its_own_ceiling(limiter: HostLimiter) -> None:
    assert (limiter.rate_per_s(5.0), limiter.rate_per_s(50.0)) == (5.0, 50.0)
    limiter.slow_down(limiter.reserve(50.0)[1], 50.0)
    assert (limiter.rate_per_s(5.0), limiter.rate_per_s(50.0)) == (5.0, 25.0)


def test_one_for_each_host() -> None:
    assert limiter_of("limiter.example:1") is limiter_of("limiter.example:1")
    assert limiter_of("limiter.example:1") is not limiter_of("limiter.example:2")


def test_event_loops_in_several_threads_share_it() -> None:
    limiter = HostLimiter()
    turns_s: list[float] = []

    async def ask() -> None:
        turns_s.extend([await limiter.turn(200.0) for _ in range(10)])

    threads = [threading.Thread(target=lambda: asyncio.run(ask())) for _ in range(4)]
    began_s = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - began_s >= 39 / 200
    turns_s.sort()
    assert len(turns_s) == 40
    assert all(b - a >= 1 / 200 - 1e-9 for a, b in pairwise(turns_s))
