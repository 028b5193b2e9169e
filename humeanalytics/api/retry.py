"""When to try again and how long to wait: one policy, as data."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

from humeanalytics.errors import HumeAnalyticsError
from humeanalytics.settings import Settings

T = TypeVar("T")


class TryAgain(Exception):
    """One attempt failed in a way that may be repeated.

    Attributes:
        give_up: Makes the error to raise when it is not repeated; takes a sentence on what was tried.
        asked_s: How long the service asked to wait, in seconds.
        at_most: How many attempts may end like this; None leaves it to the deadline.
    """

    def __init__(
        self, give_up: Callable[[str], HumeAnalyticsError], *, asked_s: float | None = None, at_most: int | None = None
    ) -> None:
        self.give_up = give_up
        self.asked_s = asked_s
        self.at_most = at_most
        super().__init__("this attempt failed and may be repeated")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How one request is repeated: exponential backoff with full jitter, under a cap and a total deadline.

    The deadline counts from the first failure, so that a long download is not denied its retries.

    Attributes:
        first_s: Longest wait after the first failure; it doubles with each further one.
        cap_s: Longest wait of all, unless the service asks for more.
        deadline_s: Total time for retries.
    """

    first_s: float
    cap_s: float
    deadline_s: float

    @classmethod
    def of(cls, settings: Settings) -> RetryPolicy:
        return cls(settings.retry_first_s, settings.retry_cap_s, settings.retry_deadline_s)

    def delay_s(
        self,
        attempt: int,
        remaining_s: float,
        asked_s: float | None = None,
        draw: Callable[[float, float], float] = random.uniform,
    ) -> float:
        """Return how long to wait after failure number ``attempt`` (from 1), in seconds.

        Never longer than ``remaining_s``, except where the service asked for longer: then it is no use to try again.

        >>> RetryPolicy(1.0, 30.0, 300.0).delay_s(4, 300.0, draw=max)
        8.0
        """
        delay_s = draw(0.0, min(self.cap_s, self.first_s * 2.0 ** min(attempt - 1, 60)))
        return max(min(delay_s, remaining_s), asked_s or 0.0)

    async def run(
        self,
        attempt: Callable[[], Awaitable[T]],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> T:
        """Await ``attempt()`` until it raises no `TryAgain`, or the policy gives up.

        Raises:
            HumeAnalyticsError: What ``give_up`` of the last `TryAgain` made. Any other exception passes at once.
        """
        began_s = clock()
        deadline_s: float | None = None
        remaining_s = 0.0

        def wait(state: RetryCallState) -> float:
            nonlocal deadline_s, remaining_s
            now_s = clock()
            if deadline_s is None:
                deadline_s = now_s + self.deadline_s
            remaining_s = max(deadline_s - now_s, 0.0)
            return self.delay_s(state.attempt_number, remaining_s, _failure(state).asked_s)

        def stop(state: RetryCallState) -> bool:
            at_most = _failure(state).at_most
            out_of_tries = at_most is not None and state.attempt_number >= at_most
            return out_of_tries or remaining_s == 0.0 or state.upcoming_sleep > remaining_s

        # The attempts are counted here because tenacity hands out the last exception only.
        attempts = 0

        async def counted() -> T:
            nonlocal attempts
            attempts += 1
            return await attempt()

        retrying = AsyncRetrying(retry=retry_if_exception_type(TryAgain), wait=wait, stop=stop, sleep=sleep, reraise=True)
        try:
            return await retrying(counted)
        except TryAgain as last:
            story = f"Tried {attempts} times in {clock() - began_s:.0f} s." if attempts > 1 else "Tried once."
            if last.asked_s is not None and last.asked_s > remaining_s:
                story += (
                    f" The service asked to wait {last.asked_s:g} s, longer than the {remaining_s:.0f} s left of "
                    f"retry_deadline_s ({self.deadline_s:g} s)."
                )
            raise last.give_up(story) from last.__cause__


def _failure(state: RetryCallState) -> TryAgain:
    failure = state.outcome.exception() if state.outcome else None
    assert isinstance(failure, TryAgain)  # tenacity asks only about what `retry_if_exception_type` let through
    return failure


def asked_wait_s(headers: Mapping[str, str], now_s: float) -> float | None:
    """Return how long an answer asks to wait, in seconds, or None.

    Takes ``retry-after-ms``, then ``Retry-After`` in seconds or as an HTTP date. A date is measured against the answer's own
    ``Date`` where it has one, because the clocks of client and server differ; else against ``now_s`` (Unix seconds).

    >>> asked_wait_s({"Retry-After": "3"}, now_s=0.0)
    3.0
    """
    lower = {name.lower(): value for name, value in headers.items()}
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            asked = float(lower[name]) * unit_s
        except (KeyError, ValueError):
            continue
        if math.isfinite(asked):
            return max(asked, 0.0)
    until_s = http_date_s(lower.get("retry-after"))
    if until_s is None:
        return None
    sent_s = http_date_s(lower.get("date"))
    return max(until_s - (now_s if sent_s is None else sent_s), 0.0)


def http_date_s(date: str | None) -> float | None:
    """Return an HTTP date in Unix seconds, or None where there is none or it makes no sense."""
    try:
        when = parsedate_to_datetime(date) if date else None
        return when.replace(tzinfo=when.tzinfo or UTC).timestamp() if when else None
    except (ValueError, OverflowError):
        return None
