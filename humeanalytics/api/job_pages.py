"""The list of jobs, walked backwards in time to its end: the API itself has no pages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import pairwise

from humeanalytics.api.job import Job

#: ``(created before this moment in ms, at most so many)`` -> jobs, newest first.
Page = Callable[[int, int], Awaitable[list[Job]]]

#: Later than any job, whatever the clocks say.
_END_OF_TIME_MS = 4_102_444_800_000
#: How many jobs the service gives by default, hence how many it surely gives at once.
_PAGE = 50
_LONGEST_PAGE = 51_200
_MOST_PAGES = 4_000


class IncompleteList(Exception):
    """The pages do not add up to a complete list; the message says what they give instead."""


async def jobs_since(created_after_ms: int, page_before: Page) -> list[Job]:
    """Return every job created at a moment or later, newest first, each once.

    Neighbouring pages overlap by a millisecond, since it is not published whether "before" includes its moment; where one
    millisecond holds more jobs than a page, the page is made longer.

    Raises:
        IncompleteList: A job may be missing.
    """
    jobs: dict[str, Job] = {}
    before_ms, limit = _END_OF_TIME_MS, _PAGE
    for _ in range(_MOST_PAGES):
        page = await page_before(before_ms, limit)
        times_ms = _times_ms(page)
        jobs |= {job.job_id: job for job in page if job.job_id not in jobs}
        if not page or times_ms[-1] < created_after_ms:
            return [job for job in jobs.values() if job.created_ms is not None and job.created_ms >= created_after_ms]
        oldest_ms = times_ms[-1]
        if oldest_ms + 1 < before_ms:
            before_ms, limit = oldest_ms + 1, _PAGE
        elif len(page) < limit:
            # All there is, unless the service has a longest page of its own and this millisecond fills it.
            if len(page) >= _PAGE and await _older_than(oldest_ms, page_before):
                raise IncompleteList(f"at most {len(page)} jobs at once, and as many or more in one millisecond")
            return list(jobs.values())
        elif limit < _LONGEST_PAGE:
            limit *= 2
        else:
            raise IncompleteList(f"more than {limit} jobs of one millisecond")
    raise IncompleteList(f"no end after {_MOST_PAGES} pages")


def _times_ms(page: list[Job]) -> list[int]:
    times_ms = [job.created_ms for job in page if job.created_ms is not None]
    if len(times_ms) < len(page):
        raise IncompleteList("jobs without the time of their creation")
    if any(older_ms > newer_ms for newer_ms, older_ms in pairwise(times_ms)):
        raise IncompleteList("jobs in another order than asked for")
    return times_ms


async def _older_than(created_ms: int, page_before: Page) -> bool:
    """Whether there are jobs from before that millisecond, whichever way its boundary counts."""
    for before_ms in (created_ms, created_ms - 1):
        if any(older_ms < created_ms for older_ms in _times_ms(await page_before(before_ms, 1))):
            return True
    return False
