"""The v0 flow: jobs submitted, waited for, collected and loaded, with whatever happens meanwhile survived.

Submitters, a waiter, collectors and the loader share a `Floor`. Each takes a job in one state, does one thing, writes down
what came of it in the ledger and hands the job on. Nothing is decided from memory: a run that was killed anywhere goes on
from the ledger.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from typing import Any

from humeanalytics.api.blocking import in_thread
from humeanalytics.errors import WaitTimeout
from humeanalytics.jobs import states
from humeanalytics.jobs.collecting import Collector
from humeanalytics.jobs.floor import FLOW, Floor
from humeanalytics.jobs.ledger import now
from humeanalytics.jobs.reconcile import CLOCK_MARGIN_MS, Unknown, find_accepted
from humeanalytics.jobs.scoring_settings import BatchScoring
from humeanalytics.jobs.submitting import Submitter
from humeanalytics.jobs.waiting import Waiter
from humeanalytics.jobs.work import LedgerJob, Recording

__all__ = ["FLOW", "BatchFlow"]

_MOST_BETWEEN_LOOKS_S = 10.0


class BatchFlow:
    """One run of the v0 flow over one lake. Use `recover`, then `run`, once each."""

    def __init__(self, floor: Floor, scoring: BatchScoring) -> None:
        self._floor = floor
        self._submitter, self._waiter, self._collector = Submitter(floor, scoring), Waiter(floor), Collector(floor)

    async def recover(self) -> Counter[str]:
        """Bring what earlier runs left to where this one can go on: half loads, and submissions cut short.

        Returns:
            What `reconcile` found.
        """
        floor = self._floor
        await in_thread(floor.loader.recover)
        for job in floor.ledger.jobs(states.INTENT, api=FLOW, origin=floor.api.origin):
            floor.ledger.move(job.job_id, states.UNKNOWN, floor.run_id, why="the run that sent it ended before the answer")
        return await self.reconcile(resubmit=False)

    async def run(self, groups: AsyncIterator[Sequence[Recording]]) -> None:
        """Send every group, wait for all jobs of this lake that are open, and load their answers.

        Raises:
            WaitTimeout: ``settings.wait_s`` passed; everything under way goes on at Hume.
            ApiError, ServiceUnreachable: Something that no further request would survive.
        """
        floor = self._floor
        self._take_up(floor.ledger.jobs(states.ACCEPTED, states.UNKNOWN, states.RECEIVED, api=FLOW, origin=floor.api.origin))
        sending = [self._submitter.send() for _ in range(floor.settings.concurrency)]
        await self._work(self._submitter.plan(groups), self._reconcile_now_and_then(), *sending)

    async def collect(self, jobs: Sequence[LedgerJob]) -> None:
        """Wait for some jobs that Hume has accepted, and load their answers. Sends nothing. Raises what `run` does."""
        self._take_up(jobs)
        self._floor.all_planned()
        await self._work()

    def _take_up(self, jobs: Iterable[LedgerJob]) -> None:
        floor = self._floor
        for job in jobs:
            floor.at_work.add(job.job_id)
            if job.state == states.ACCEPTED:
                floor.queued.add(job.job_id)
                floor.poll_later(job.job_id)
            elif job.state == states.RECEIVED:
                floor.to_load.put_nowait(job.job_id)

    async def _work(self, *others: Coroutine[Any, Any, None]) -> None:
        """Wait, collect and load, beside whatever else is to be done, until nothing is at work."""
        try:
            async with asyncio.timeout(self._floor.settings.wait_s):
                await self._until_finished(others)
        except TimeoutError:
            raise WaitTimeout(self._waited_too_long()) from None
        finally:
            await asyncio.shield(asyncio.ensure_future(self._collector.load_rest()))

    async def _until_finished(self, others: Sequence[Coroutine[Any, Any, None]]) -> None:
        collecting = [self._collector.collect() for _ in range(self._floor.settings.concurrency)]
        try:
            async with asyncio.TaskGroup() as workers:
                work = (*others, self._waiter.poll(), self._collector.load(), *collecting)
                tasks = [workers.create_task(each) for each in work]
                await self._floor.finished.wait()
                for task in tasks:
                    task.cancel()
        except BaseExceptionGroup as group:
            raise _first(group) from None

    def _waited_too_long(self) -> str:
        floor = self._floor
        open_jobs = sorted(floor.at_work)
        job = floor.ledger.job(open_jobs[0]) if open_jobs else None
        first = f" The first is {job.hume_job_id or job.job_id}, {job.state}." if job else ""
        return (
            f"{len(open_jobs)} jobs had not ended after {floor.settings.wait_s:g} s.{first} They go on at Hume, and nothing "
            f"is lost: humeanalytics score --api batch --lake {floor.lake.uri} collects them, whatever else it is given."
        )

    # ------------------------------------------------------------------------------------------------ lost answers
    async def _reconcile_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(max(0.1, min(self._floor.settings.settle_s / 2, _MOST_BETWEEN_LOOKS_S)))
            await self.reconcile(resubmit=True)

    async def reconcile(self, *, resubmit: bool) -> Counter[str]:
        """Look among the jobs at Hume for the submissions whose answer was lost.

        Found, a job is adopted. Still absent after ``settings.settle_s``, it was never accepted, and is planned again.

        Returns:
            How many were ``adopted``, ``planned`` again, or are still ``unknown``.
        """
        floor, ledger = self._floor, self._floor.ledger
        lost = [
            Unknown(job, ledger.works(job.job_id), BatchScoring.from_canonical(ledger.settings_json(job.settings_id)))
            for job in ledger.jobs(states.UNKNOWN, api=FLOW, origin=floor.api.origin)
        ]
        outcome: Counter[str] = Counter()
        if not lost:
            return outcome
        asked_ms = floor.api.server_now_ms()
        since_ms = min(each.job.intent_server_ms or 0 for each in lost) - CLOCK_MARGIN_MS
        listed = await floor.api.jobs_since(since_ms)
        accepted = find_accepted(lost, listed, ledger.hume_ids(api=FLOW, origin=floor.api.origin))
        settled_before_ms = asked_ms - floor.settings.settle_s * 1000 - CLOCK_MARGIN_MS
        for each in lost:
            job_id = each.job.job_id
            if (found := accepted.get(job_id)) is not None:
                ledger.move(
                    job_id, states.ACCEPTED, floor.run_id, why="found at Hume", hume_job_id=found.job_id, accepted_at=now()
                )
                outcome["adopted"] += 1
                if resubmit:
                    floor.accepted(job_id, each.works)
            elif (each.job.intent_server_ms or 0) < settled_before_ms:
                ledger.move(job_id, states.PLANNED, floor.run_id, why="not among the jobs at Hume: never accepted")
                outcome["planned"] += 1
                if resubmit and floor.contents.at_hand(each.works):
                    floor.to_submit.put_nowait(job_id)
                elif resubmit:
                    floor.end(job_id)
            else:
                outcome["unknown"] += 1
        return outcome


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error to raise of several that came at once: the first that is no group."""
    for error in group.exceptions:
        return _first(error) if isinstance(error, BaseExceptionGroup) else error
    return group
