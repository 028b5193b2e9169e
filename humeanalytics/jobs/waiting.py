"""Wait for jobs at Hume to end, asking less and less often."""

from __future__ import annotations

import asyncio
import contextlib
import heapq

from humeanalytics.errors import InvalidAnswer, NotFound, RateLimited, ServerFailed
from humeanalytics.jobs import states
from humeanalytics.jobs.collecting import ended_at
from humeanalytics.jobs.floor import Floor
from humeanalytics.jobs.ledger import now

#: Requests for the state of jobs that may be under way at once.
_POLLS_AT_ONCE = 8
#: So many jobs in a row whose state cannot be had, each after all its retries: then the service is down.
_FAILURES_THAT_CONVINCE = 3


class Waiter:
    """Asks for the state of each job when its time has come."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._failed_in_a_row = 0

    async def poll(self) -> None:
        """Ask, for ever."""
        floor, free, loop = self._floor, asyncio.Semaphore(_POLLS_AT_ONCE), asyncio.get_running_loop()
        async with asyncio.TaskGroup() as polls:
            while True:
                floor.poll_added.clear()
                wait_s = floor.polls[0][0] - loop.time() if floor.polls else None
                if wait_s is None or wait_s > 0:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(floor.poll_added.wait(), wait_s)
                    continue
                await free.acquire()
                _, delay_s, job_id = heapq.heappop(floor.polls)
                polls.create_task(self._ask(job_id, delay_s)).add_done_callback(lambda _: free.release())

    async def _ask(self, job_id: str, delay_s: float) -> None:
        floor, ledger = self._floor, self._floor.ledger
        hume_job_id = ledger.job(job_id).hume_job_id
        assert hume_job_id is not None
        try:
            job = await floor.api.job(hume_job_id)
        except NotFound as error:
            ledger.move(job_id, states.GONE, floor.run_id, why=str(error), ended_at=now())
            floor.end_badly(job_id)
            return
        except (ServerFailed, RateLimited, InvalidAnswer) as error:
            self._failed_in_a_row += 1
            if self._failed_in_a_row >= _FAILURES_THAT_CONVINCE:
                raise
            floor.troubles.append(error)  # the job goes on at Hume; the next run asks again
            floor.end(job_id)
            return
        self._failed_in_a_row = 0
        if not job.ended:
            floor.poll_later(job_id, delay_s)
            return
        floor.leave_queue(job_id)
        if job.status == "COMPLETED":
            floor.to_collect.put_nowait((job_id, job))
            return
        message = job.message or "Hume gives no reason"
        ledger.move(job_id, states.FAILED, floor.run_id, why=f"The job failed at Hume: {message}", ended_at=ended_at(job))
        floor.end_badly(job_id)
