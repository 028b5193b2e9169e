"""The v0 flow: jobs submitted, waited for, collected and loaded, with whatever happens meanwhile survived.

Four kinds of workers share a `_Floor`: submitters, a poller, collectors and the loader. Each takes a job in one state,
does one thing, writes down what came of it in the ledger and hands the job on. Nothing is decided from memory: a run that
was killed anywhere goes on from the ledger.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any

from humeanalytics.api.batch import BatchApi
from humeanalytics.api.blocking import in_thread
from humeanalytics.api.job import Job
from humeanalytics.errors import (
    HumeAnalyticsError,
    InvalidAnswer,
    ItemError,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    RequestRejected,
    ServerFailed,
    WaitTimeout,
)
from humeanalytics.jobs import states
from humeanalytics.jobs.bookkeeping import of_ms
from humeanalytics.jobs.contents import Contents
from humeanalytics.jobs.cost import batch_cost_usd
from humeanalytics.jobs.ledger import Ledger, now
from humeanalytics.jobs.loading import AnswerLoader
from humeanalytics.jobs.plan import work_of
from humeanalytics.jobs.progress import Progress
from humeanalytics.jobs.reconcile import CLOCK_MARGIN_MS, Unknown, find_accepted
from humeanalytics.jobs.scoring_settings import BatchScoring
from humeanalytics.jobs.work import Recording, Work
from humeanalytics.lake.lake import Lake
from humeanalytics.settings import Settings

FLOW = "batch"
#: Requests for the state of jobs that may be under way at once.
_POLLS_AT_ONCE = 8
#: So many recordings refused one by one, and none ever taken: then it is the request, not the recordings.
_REFUSALS_THAT_CONVINCE = 3
#: So many jobs in a row whose state cannot be had, each after all its retries: then the service is down.
_FAILURES_THAT_CONVINCE = 3
#: How often the loader looks whether anything is still under way that is worth waiting for.
_LOOK_AROUND_S = 0.1


class BatchFlow:
    """One run of the v0 flow over one lake. Use `run` once."""

    def __init__(
        self,
        lake: Lake,
        ledger: Ledger,
        api: BatchApi,
        settings: Settings,
        scoring: BatchScoring,
        contents: Contents,
        progress: Progress,
        run_id: str,
    ) -> None:
        self._lake, self._ledger, self._api, self._settings = lake, ledger, api, settings
        self._scoring, self._contents, self._progress, self._run_id = scoring, contents, progress, run_id
        self.loader = AnswerLoader(lake, ledger, flow=FLOW, run_id=run_id)
        self.counts: Counter[str] = Counter()
        self.cost_usd = 0.0
        self.troubles: list[HumeAnalyticsError] = []
        """What went wrong with single jobs without ending the run."""
        self._to_submit: asyncio.Queue[str] = asyncio.Queue(maxsize=64)
        self._to_collect: asyncio.Queue[tuple[str, Job]] = asyncio.Queue()
        self._to_load: asyncio.Queue[str] = asyncio.Queue()
        self._polls: list[tuple[float, float, str]] = []  # due, delay, job id
        self._poll_added = asyncio.Event()
        self._at_work: set[str] = set()  # jobs this run has not brought to an end yet
        self._queued: set[str] = set()  # jobs that Hume has accepted and not ended
        self._ended_one = asyncio.Event()
        self._planned_all = False
        self._finished = asyncio.Event()
        self._refused_singly = 0
        self._polls_failed = 0
        self._random = random.Random()

    # ------------------------------------------------------------------------------------------------ the whole
    async def recover(self) -> Counter[str]:
        """Bring what earlier runs left to where this one can go on: half loads, and submissions cut short.

        Returns:
            What `reconcile` found.
        """
        await in_thread(self.loader.recover)
        for job in self._ledger.jobs(states.INTENT, api=FLOW, origin=self._api.origin):
            self._ledger.move(job.job_id, states.UNKNOWN, self._run_id, why="the run that sent it ended before the answer")
        return await self.reconcile(resubmit=False)

    async def run(self, groups: AsyncIterator[Sequence[Recording]]) -> None:
        """Send every group, wait for all jobs of this lake that are open, and load their answers.

        Raises:
            WaitTimeout: ``settings.wait_s`` passed; everything under way goes on at Hume.
            ApiError, ServiceUnreachable: Something that no further request would survive.
        """
        for job in self._ledger.jobs(states.ACCEPTED, states.UNKNOWN, states.RECEIVED, api=FLOW, origin=self._api.origin):
            self._at_work.add(job.job_id)
            if job.state == states.ACCEPTED:
                self._queued.add(job.job_id)
                self._poll_later(job.job_id, 0.0)
            elif job.state == states.RECEIVED:
                self._to_load.put_nowait(job.job_id)
        try:
            async with asyncio.timeout(self._settings.wait_s):
                await self._work(groups)
        except TimeoutError:
            raise WaitTimeout(self._waited_too_long()) from None
        finally:
            await asyncio.shield(asyncio.ensure_future(self._load_all()))

    async def _work(self, groups: AsyncIterator[Sequence[Recording]]) -> None:
        try:
            async with asyncio.TaskGroup() as workers:
                tasks = [
                    workers.create_task(self._plan(groups)),
                    workers.create_task(self._poll()),
                    workers.create_task(self._load()),
                    workers.create_task(self._reconcile_now_and_then()),
                    *(workers.create_task(self._submit()) for _ in range(self._settings.concurrency)),
                    *(workers.create_task(self._collect()) for _ in range(self._settings.concurrency)),
                ]
                await self._finished.wait()
                for task in tasks:
                    task.cancel()
        except BaseExceptionGroup as group:
            raise _first(group) from None

    def _check_finished(self) -> None:
        self._report()
        if self._planned_all and not self._at_work:
            self._finished.set()

    def _end(self, job_id: str) -> None:
        """This run is through with a job."""
        self._at_work.discard(job_id)
        self._leave_queue(job_id)
        self._check_finished()

    def _leave_queue(self, job_id: str) -> None:
        self._queued.discard(job_id)
        self._ended_one.set()

    def _report(self) -> None:
        done = sum(self.loader.outcomes.values())
        if not self.counts["to_score"] and not self._at_work:
            return
        self._progress.stage("score", done, self.counts["to_score"] if self._planned_all else None, self._detail())

    def _detail(self) -> str:
        return f"{len(self._queued)} jobs at Hume" if self._queued else ""

    # ------------------------------------------------------------------------------------------------ plan
    async def _plan(self, groups: AsyncIterator[Sequence[Recording]]) -> None:
        async for group in groups:
            self._contents.add(group)
            works = [work_of(recording, position) for position, recording in enumerate(group)]
            await self._enqueue(works)
        for job in self._ledger.jobs(states.PLANNED, api=FLOW, origin=self._api.origin):
            if job.job_id not in self._at_work and self._contents.at_hand(self._ledger.works(job.job_id)):
                self._at_work.add(job.job_id)  # it was planned by a run that never got to send it
                await self._to_submit.put(job.job_id)
        self._planned_all = True
        self._check_finished()

    async def _enqueue(self, works: Sequence[Work], settings_id: str | None = None) -> None:
        job_id = self._ledger.plan_job(
            works,
            api=FLOW,
            origin=self._api.origin,
            settings_id=settings_id or self._scoring.settings_id,
            run_id=self._run_id,
        )
        self._at_work.add(job_id)
        self.counts["to_score"] += len(works)
        await self._to_submit.put(job_id)

    # ------------------------------------------------------------------------------------------------ submit
    async def _submit(self) -> None:
        while True:
            job_id = await self._to_submit.get()
            while len(self._queued) >= self._settings.max_queued_jobs:
                self._ended_one.clear()
                await self._ended_one.wait()
            self._queued.add(job_id)
            await self._submit_one(job_id)

    async def _submit_one(self, job_id: str) -> None:
        works = self._ledger.works(job_id)
        changed = await in_thread(self._contents.unusable, works)
        if changed:
            await self._plan_without(job_id, works, changed)
            return
        scoring = BatchScoring.from_canonical(self._ledger.settings_json(self._ledger.job(job_id).settings_id))
        self._ledger.move(job_id, states.INTENT, self._run_id, intent_at=now(), intent_server_ms=self._api.server_now_ms())
        try:
            hume_job_id = await self._send(works, scoring)
        except OutcomeUnknown as error:
            self._ledger.move(job_id, states.UNKNOWN, self._run_id, why=str(error))
            self._leave_queue(job_id)
        except RequestRejected as error:
            await self._rejected(job_id, works, error)
        except RateLimited:
            self._ledger.move(job_id, states.PLANNED, self._run_id, why="refused for now (429)")
            self._queued.discard(job_id)
            if not self._queued:
                raise
            # Other jobs of ours are in the queue at Hume, which may be what is full: try again when one has ended.
            self._ended_one.clear()
            await self._ended_one.wait()
            await self._to_submit.put(job_id)
        except HumeAnalyticsError as error:
            # Nothing was taken: no connection, or no permission. What no further request would survive ends the run.
            self._ledger.move(job_id, states.PLANNED, self._run_id, why=str(error))
            self._queued.discard(job_id)
            if not isinstance(error, ItemError):
                raise
            to_blame = {work.position: str(error) for work in works if work.uri == error.item}
            await self._plan_without(job_id, works, to_blame or {work.position: str(error) for work in works})
        else:
            self._ledger.move(job_id, states.ACCEPTED, self._run_id, hume_job_id=hume_job_id, accepted_at=now())
            self._count_sent(works)
            self._refused_singly = 0
            self._poll_later(job_id, 0.0)

    def _count_sent(self, works: Sequence[Work]) -> None:
        self.counts["sent"] += len(works)
        self.cost_usd += batch_cost_usd(works, self._settings.batch_prices)

    async def _send(self, works: Sequence[Work], scoring: BatchScoring) -> str:
        request: dict[str, Any] = {**scoring.request(), "notify": False}
        uploads = [self._contents.upload(work) for work in works if work.kind == "file"]
        if urls := [self._contents.url(work) for work in works if work.kind == "url"]:
            request["urls"] = urls
        if texts := [self._contents.text(work) for work in works if work.kind == "text"]:
            request["text"] = texts
        if uploads:
            return await self._api.start_from_files(request, uploads)
        return await self._api.start_from_urls(request)

    async def _plan_without(self, job_id: str, works: Sequence[Work], changed: dict[int, str]) -> None:
        """Some files changed or vanished since they were read: send the others."""
        self._ledger.drop_planned(job_id)
        self.troubles += [ItemError(message, item=works[position].uri) for position, message in changed.items()]
        self.counts["to_score"] -= len(works)
        rest = [work for work in works if work.position not in changed]
        if rest:
            await self._enqueue([_at(work, position) for position, work in enumerate(rest)])
        self._end(job_id)

    async def _rejected(self, job_id: str, works: Sequence[Work], error: RequestRejected) -> None:
        """Refused whole. One recording may be to blame: halve the job until it stands alone."""
        settings_id = self._ledger.job(job_id).settings_id
        self._ledger.move(job_id, states.REJECTED, self._run_id, why=str(error), ended_at=now())
        if len(works) > 1:
            self._ledger.release_job(job_id)
            self.counts["to_score"] -= len(works)
            middle = len(works) // 2
            for half in (works[:middle], works[middle:]):
                await self._enqueue([_at(work, position) for position, work in enumerate(half)], settings_id)
        else:
            self._refused_singly += 1
            self.loader.outcomes["failed"] += 1
            if self._refused_singly >= _REFUSALS_THAT_CONVINCE and not self.counts["sent"]:
                raise RequestRejected(
                    f"Hume refuses every request, the last with: {error}", status=error.status, url=error.url
                ) from error
        self._end(job_id)

    # ------------------------------------------------------------------------------------------------ wait
    def _poll_later(self, job_id: str, delay_s: float) -> None:
        grown = min(max(delay_s * 2, self._settings.poll_first_s), self._settings.poll_cap_s)
        due = asyncio.get_running_loop().time() + self._random.uniform(grown / 2, grown)
        heapq.heappush(self._polls, (due, grown, job_id))
        self._poll_added.set()

    async def _poll(self) -> None:
        free = asyncio.Semaphore(_POLLS_AT_ONCE)
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as polls:
            while True:
                self._poll_added.clear()
                wait_s = self._polls[0][0] - loop.time() if self._polls else None
                if wait_s is None or wait_s > 0:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._poll_added.wait(), wait_s)
                    continue
                await free.acquire()
                _, delay_s, job_id = heapq.heappop(self._polls)
                polls.create_task(self._poll_one(job_id, delay_s)).add_done_callback(lambda _: free.release())

    async def _poll_one(self, job_id: str, delay_s: float) -> None:
        hume_job_id = self._ledger.job(job_id).hume_job_id
        assert hume_job_id is not None
        try:
            job = await self._api.job(hume_job_id)
        except NotFound as error:
            self._gone(job_id, str(error))
            return
        except (ServerFailed, RateLimited, InvalidAnswer) as error:
            self._polls_failed += 1
            if self._polls_failed >= _FAILURES_THAT_CONVINCE:
                raise
            self.troubles.append(error)  # the job goes on at Hume; the next run asks again
            self._end(job_id)
            return
        self._polls_failed = 0
        if not job.ended:
            self._poll_later(job_id, delay_s)
            return
        self._leave_queue(job_id)
        if job.status == "COMPLETED":
            await self._to_collect.put((job_id, job))
            return
        message = job.message or "Hume gives no reason"
        self._ledger.move(job_id, states.FAILED, self._run_id, why=f"The job failed at Hume: {message}", ended_at=_ended(job))
        self.loader.outcomes["failed"] += len(self._ledger.works(job_id))
        self._end(job_id)

    def _gone(self, job_id: str, why: str) -> None:
        self._ledger.move(job_id, states.GONE, self._run_id, why=why, ended_at=now())
        self.loader.outcomes["failed"] += len(self._ledger.works(job_id))
        self._end(job_id)

    def _waited_too_long(self) -> str:
        open_jobs = sorted(self._at_work)
        job = self._ledger.job(open_jobs[0]) if open_jobs else None
        first = f" The first is {job.hume_job_id or job.job_id}, {job.state}." if job else ""
        return (
            f"{len(open_jobs)} jobs had not ended after {self._settings.wait_s:g} s.{first} They go on at Hume, and nothing "
            f"is lost: humeanalytics score --api batch --lake {self._lake.uri} collects them, whatever else it is given."
        )

    # ------------------------------------------------------------------------------------------------ collect
    async def _collect(self) -> None:
        while True:
            job_id, job = await self._to_collect.get()
            try:
                await self._collect_one(job_id, job)
            except NotFound as error:
                self._gone(job_id, f"The results are gone: {error}")
            except (ServerFailed, RateLimited, InvalidAnswer) as error:
                # The results stay at Hume; the next run asks again.
                self.troubles.append(error)
                self._end(job_id)

    async def _collect_one(self, job_id: str, job: Job) -> None:
        ended_at = _ended(job)
        meta = {
            "origin": self._api.origin,
            "uri": f"{self._settings.base_url}/v0/batch/jobs/{job.job_id}/predictions",
            "hume_job_id": job.job_id,
            "scored_at": ended_at,
            "received_at": now(),
            **self._contents.meta(self._ledger, job_id),
        }
        sink = _RawSink(self._lake, meta)
        await self._api.predictions(job.job_id, sink)
        self._ledger.move(
            job_id, states.RECEIVED, self._run_id, response_id=sink.response_id, received_at=now(), ended_at=ended_at
        )
        self._to_load.put_nowait(job_id)

    # ------------------------------------------------------------------------------------------------ load
    async def _load(self) -> None:
        """Commit what has arrived when it is enough, or old enough, or when nothing else is under way."""
        loop = asyncio.get_running_loop()
        while True:
            waiting = [await self._to_load.get()]
            deadline = loop.time() + self._settings.load_s
            count = len(self._ledger.works(waiting[0]))
            while count < self._settings.load_files and loop.time() < deadline and not self._at_work <= set(waiting):
                try:
                    job_id = await asyncio.wait_for(self._to_load.get(), _LOOK_AROUND_S)
                except TimeoutError:
                    continue
                waiting.append(job_id)
                count += len(self._ledger.works(job_id))
            await in_thread(self.loader.load, [self._ledger.job(job_id) for job_id in waiting])
            for job_id in waiting:
                self._end(job_id)

    async def _load_all(self) -> None:
        """Load whatever has been received, and the errors of what ended badly."""
        received = self._ledger.jobs(states.RECEIVED, api=FLOW, origin=self._api.origin)
        await in_thread(self.loader.recover)
        fresh = [job for job in received if self._ledger.job(job.job_id).state == states.RECEIVED]
        await in_thread(self.loader.load, fresh)

    # ------------------------------------------------------------------------------------------------ reconcile
    async def _reconcile_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(max(0.1, min(self._settings.settle_s / 2, 10.0)))
            await self.reconcile(resubmit=True)

    async def reconcile(self, *, resubmit: bool) -> Counter[str]:
        """Look among the jobs at Hume for the submissions whose answer was lost.

        Found, a job is adopted. Still absent after ``settings.settle_s``, it was never accepted, and is planned again.

        Returns:
            How many were ``adopted``, ``planned`` again, or are still ``unknown``.
        """
        lost = [
            Unknown(job, self._ledger.works(job.job_id), BatchScoring.from_canonical(self._ledger.settings_json(job.settings_id)))
            for job in self._ledger.jobs(states.UNKNOWN, api=FLOW, origin=self._api.origin)
        ]
        outcome: Counter[str] = Counter()
        if not lost:
            return outcome
        asked_ms = self._api.server_now_ms()
        since_ms = min(each.job.intent_server_ms or 0 for each in lost) - CLOCK_MARGIN_MS
        listed = await self._api.jobs_since(since_ms)
        accepted = find_accepted(lost, listed, self._ledger.hume_ids(api=FLOW, origin=self._api.origin))
        for each in lost:
            job_id = each.job.job_id
            found = accepted.get(job_id)
            if found is not None:
                self._ledger.move(
                    job_id, states.ACCEPTED, self._run_id, why="found at Hume", hume_job_id=found.job_id, accepted_at=now()
                )
                outcome["adopted"] += 1
                if resubmit:
                    self._count_sent(each.works)
                    self._queued.add(job_id)
                    self._poll_later(job_id, 0.0)
            elif asked_ms - (each.job.intent_server_ms or 0) > self._settings.settle_s * 1000 + CLOCK_MARGIN_MS:
                self._ledger.move(job_id, states.PLANNED, self._run_id, why="not among the jobs at Hume: never accepted")
                outcome["planned"] += 1
                if resubmit and self._contents.at_hand(each.works):
                    await self._to_submit.put(job_id)
                elif resubmit:
                    self._end(job_id)
            else:
                outcome["unknown"] += 1
        return outcome


class _RawSink:
    """A `Sink` for downloads that keeps what arrives under raw/. Called once for each attempt."""

    def __init__(self, lake: Lake, meta: dict[str, Any]) -> None:
        self._lake, self._meta = lake, meta
        self.response_id: str | None = None

    def __call__(self) -> _RawSink:
        self._writer = self._lake.raw.writer(FLOW, "predictions", "json")
        return self

    def write(self, data: bytes) -> None:
        self._writer.write(data)

    def commit(self) -> None:
        self.response_id = self._writer.commit(self._meta).response_id

    def abort(self) -> None:
        self._writer.abort()


def _at(work: Work, position: int) -> Work:
    return Work(
        position,
        *(work.kind, work.recording_id, work.uri, work.sent_name, work.md5, work.size_bytes),
        *(work.media_type, work.duration_s, work.parts),
    )


def _ended(job: Job) -> str | None:
    ended = of_ms(job.ended_ms)
    return None if ended is None else ended.isoformat(timespec="milliseconds")


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error to raise of several that came at once: the first that is no group and no mere cancellation."""
    for error in group.exceptions:
        return _first(error) if isinstance(error, BaseExceptionGroup) else error
    return group
