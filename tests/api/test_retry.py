"""The retry policy: how long it waits, when it gives up, what it makes of a service's own wish."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from humeanalytics.api.retry import RetryPolicy, TryAgain, asked_wait_s, http_date_s
from humeanalytics.errors import ServerFailed

seconds = st.floats(0.001, 1e6)


@given(seconds, seconds, st.integers(1, 10_000), st.floats(0, 1e6), st.floats(0, 1))
def test_delay_stays_within_cap_and_deadline(first_s: float, cap_s: float, attempt: int, remaining_s: float, luck: float) -> None:
    policy = RetryPolicy(first_s, cap_s, 300.0)
    delay_s = policy.delay_s(attempt, remaining_s, draw=lambda low, high: low + luck * (high - low))
    assert 0 <= delay_s <= min(cap_s, remaining_s)


@given(st.integers(1, 40))
def test_longest_delay_doubles_up_to_the_cap(attempt: int) -> None:
    policy = RetryPolicy(1.0, 30.0, 300.0)
    assert policy.delay_s(attempt, 300.0, draw=max) == min(2.0 ** (attempt - 1), 30.0)


@given(st.integers(1, 100), st.floats(0, 1e6), st.floats(0, 1e9))
def test_never_sooner_than_the_service_asked(attempt: int, remaining_s: float, asked_s: float) -> None:
    assert RetryPolicy(1.0, 30.0, 300.0).delay_s(attempt, remaining_s, asked_s) >= asked_s


class Course:
    """Simulated time, in which each attempt takes a while and ends as told."""

    def __init__(self, policy: RetryPolicy, *, takes_s: float = 0.0, asked_s: float | None = None, fails: int = 10**9) -> None:
        self.policy, self.takes_s, self.asked_s, self.fails = policy, takes_s, asked_s, fails
        self.now_s = 1000.0
        self.tries = 0
        self.slept_s: list[float] = []
        self.at_most: int | None = None

    async def attempt(self) -> int:
        self.tries += 1
        self.now_s += self.takes_s
        if self.tries <= self.fails:
            raise TryAgain(lambda story: ServerFailed(story, status=503), asked_s=self.asked_s, at_most=self.at_most)
        return self.tries

    async def sleep(self, delay_s: float) -> None:
        self.slept_s.append(delay_s)
        self.now_s += delay_s

    def run(self) -> int:
        return asyncio.run(self.policy.run(self.attempt, clock=lambda: self.now_s, sleep=self.sleep))


def test_returns_what_the_first_good_attempt_returns() -> None:
    course = Course(RetryPolicy(1.0, 30.0, 300.0), fails=3)
    assert course.run() == 4
    assert len(course.slept_s) == 3


def test_gives_up_at_the_deadline_and_tells_how_often_it_tried() -> None:
    course = Course(RetryPolicy(1.0, 30.0, 300.0), takes_s=2.0)
    with pytest.raises(ServerFailed, match=r"Tried \d+ times in 30\d s") as caught:
        course.run()
    assert str(course.tries) in str(caught.value)
    assert 300.0 <= course.now_s - 1000.0 <= 304.0
    assert course.tries > 10


def test_deadline_counts_from_the_first_failure() -> None:
    """A download of an hour that broke at its end still has its retries."""
    course = Course(RetryPolicy(1.0, 30.0, 300.0), takes_s=3600.0, fails=1)
    assert course.run() == 2


def test_no_retries_without_a_deadline() -> None:
    course = Course(RetryPolicy(1.0, 30.0, 0.0))
    with pytest.raises(ServerFailed, match="Tried once"):
        course.run()
    assert (course.tries, course.slept_s) == (1, [])


def test_waits_as_long_as_asked_even_beyond_the_cap() -> None:
    course = Course(RetryPolicy(1.0, 30.0, 300.0), asked_s=120.0, fails=2)
    course.run()
    assert course.slept_s == [120.0, 120.0]


def test_fails_at_once_when_asked_to_wait_beyond_the_deadline() -> None:
    course = Course(RetryPolicy(1.0, 30.0, 300.0), asked_s=3600.0)
    with pytest.raises(ServerFailed, match=r"asked to wait 3600 s, longer than the 300 s left of retry_deadline_s \(300 s\)"):
        course.run()
    assert course.slept_s == []


def test_at_most_so_many_attempts() -> None:
    course = Course(RetryPolicy(1.0, 30.0, 300.0))
    course.at_most = 4
    with pytest.raises(ServerFailed, match="Tried 4 times"):
        course.run()
    assert course.tries == 4


def test_other_errors_and_cancellation_pass_at_once() -> None:
    tries = 0

    async def attempt(error: BaseException) -> None:
        nonlocal tries
        tries += 1
        raise error

    async def run(error: BaseException) -> None:
        async def once() -> None:
            await attempt(error)

        await RetryPolicy(1.0, 30.0, 300.0).run(once)

    with pytest.raises(KeyError):
        asyncio.run(run(KeyError("no")))
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(run(asyncio.CancelledError()))
    assert tries == 2


NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "asked_s"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": " 0.5 "}, 0.5),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "Retry-After": "7"}, 0.25),
        ({"retry-after-ms": "soon", "Retry-After": "7"}, 7.0),
        ({"Retry-After": format_datetime(NOW + timedelta(seconds=90), usegmt=True)}, 90.0),
        ({"Retry-After": format_datetime(NOW - timedelta(seconds=90), usegmt=True)}, 0.0),
        ({"Retry-After": "-5"}, 0.0),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "Sun, 99 Nov 2026 99:00:00 GMT"}, None),
        ({"Retry-After": ""}, None),
    ],
)
def test_asked_wait(headers: dict[str, str], asked_s: float | None) -> None:
    assert asked_wait_s(headers, NOW.timestamp()) == asked_s


def test_date_to_wait_for_is_read_by_the_servers_own_clock() -> None:
    server = NOW + timedelta(hours=5)
    headers = {
        "Date": format_datetime(server, usegmt=True),
        "Retry-After": format_datetime(server + timedelta(seconds=30), usegmt=True),
    }
    assert asked_wait_s(headers, NOW.timestamp()) == 30.0


@given(st.text())
def test_any_header_is_survived(text: str) -> None:
    asked_s = asked_wait_s({"Retry-After": text, "Date": text, "retry-after-ms": text}, 0.0)
    assert asked_s is None or asked_s >= 0
    http_date_s(text)
