"""The v1 flow: recordings prepared, uploaded, their answers kept and loaded, with whatever happens meanwhile survived.

A planner, workers (each brings one job at a time as far as it gets) and the loader share an `ExpressionFloor`. Nothing is
decided from memory: a run that was killed anywhere goes on from the ledger and from what lies under raw/.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from humeanalytics.api.blocking import in_thread
from humeanalytics.errors import WaitTimeout
from humeanalytics.jobs import states, upload_states
from humeanalytics.jobs.expression_floor import ExpressionFloor
from humeanalytics.jobs.expression_keeping import take_note
from humeanalytics.jobs.expression_scoring import FLOW, ExpressionScoring
from humeanalytics.jobs.expression_work import JobWork
from humeanalytics.jobs.ledger_uploads import LedgerUpload
from humeanalytics.jobs.plan import work_of
from humeanalytics.jobs.processes import cores
from humeanalytics.jobs.upload_bills import CLOCK_MARGIN_MS, Lost, judge
from humeanalytics.jobs.work import LedgerJob, Recording
from humeanalytics.tables.expression import Placement

__all__ = ["FLOW", "ExpressionFlow"]

#: Jobs planned ahead of what is being worked on.
_PLANNED_AHEAD = 64
#: Jobs worked on for each upload that may be under way: some are being prepared meanwhile.
_JOBS_FOR_EACH_LANE = 2
#: How long a run that is being stopped waits for the answers it has paid for.
_GRACE_S = 60.0
#: How often a run takes up again what it lost itself.
_MOST_ROUNDS = 5
_LOOK_AROUND_S = 0.1
#: What is said of an upload whose answer was lost, by whether it was billed.
_OUTCOMES = {"yes": "billed", "no": "not billed", "unknown": "cannot tell"}


class ExpressionFlow:
    """One run of the v1 flow over one lake. Use `recover`, then `run`, once each."""

    def __init__(self, floor: ExpressionFloor, scoring: ExpressionScoring) -> None:
        self._floor, self._scoring = floor, scoring
        self._preparing = asyncio.Semaphore(floor.settings.workers or cores())
        self._jobs: asyncio.Queue[str | None] = asyncio.Queue(_PLANNED_AHEAD)
        self._taken: set[str] = set()

    # ------------------------------------------------------------------------------------------------ what was lost
    async def recover(self) -> Counter[str]:
        """Bring what earlier runs left to where this one can go on: half loads, answers not noted, uploads cut short.

        Returns:
            What `reconcile` found.
        """
        floor = self._floor
        await in_thread(floor.loader.recover)
        cut_short = floor.ledger.uploads_in(upload_states.INTENT, origin=floor.api.origin)
        if cut_short:
            await in_thread(self._find_answers, cut_short)
        return await self.reconcile()

    def _find_answers(self, cut_short: Sequence[LedgerUpload]) -> None:
        """An answer may lie under raw/ though the process that put it there ended before it could say so."""
        floor = self._floor
        wanted = {upload.upload_id: upload for upload in cut_short}
        since_s = min(datetime.fromisoformat(str(upload.intent_at)) for upload in cut_short).timestamp() - 1
        for file in floor.lake.raw.list(FLOW):
            if floor.lake.raw.file(file.path).stat().st_mtime < since_s:
                continue
            for meta in floor.lake.raw.metas(file.response_id):
                if (upload := wanted.pop(str(meta.get("upload_id")), None)) is not None:
                    placement, answered_at = Placement.from_json(meta["placement"]), str(meta["received_at"])
                    name = f"the answer {file.response_id[:12]}"
                    take_note(floor.ledger, floor.lake, upload.upload_id, file, placement, name, answered_at)
        for upload_id in wanted:
            lost = {"lost_server_ms": floor.api.server_now_ms(), "message": "The run that sent it ended before the answer."}
            floor.ledger.move_upload(upload_id, upload_states.UNKNOWN, **lost)

    async def reconcile(self) -> Counter[str]:
        """Look in the list of runs for the uploads whose answer was lost, and write down whether they were billed.

        Returns:
            How many were ``billed``, ``not billed``, or ``cannot tell``.
        """
        floor, ledger = self._floor, self._floor.ledger
        uploads = ledger.uploads_in(upload_states.UNKNOWN, origin=floor.api.origin)
        # What was found once stays so.
        outcome = Counter(_OUTCOMES[upload.billed] for upload in uploads if upload.billed in ("yes", "no"))
        lost = [_lost(upload) for upload in uploads if upload.billed not in ("yes", "no")]
        if not lost:
            return outcome
        asked_ms = floor.api.server_now_ms()
        since = datetime.fromtimestamp((min(each.sent_ms for each in lost) - CLOCK_MARGIN_MS) / 1000, UTC)
        listed = await floor.api.runs.uploads_since(since - timedelta(seconds=1))
        claimed = ledger.hume_runs_known(run.run_id for run in listed)
        settled_before_ms = int(asked_ms - floor.settings.settle_s * 1000)
        for upload_id, verdict in judge(lost, listed, claimed, settled_before_ms=settled_before_ms).items():
            metered_s, run_id = (verdict.run.metered_s, verdict.run.run_id) if verdict.run else (None, None)
            await in_thread(ledger.record_bill, upload_id, verdict.billed, metered_s, run_id)
            outcome[_OUTCOMES[verdict.billed]] += 1
        return outcome

    # ------------------------------------------------------------------------------------------------ the run
    async def run(self, groups: AsyncIterator[Sequence[Recording]]) -> None:
        """Bring every recording as far as it gets, and what earlier runs left; load all answers.

        Raises:
            WaitTimeout: ``settings.wait_s`` passed.
            HumeAnalyticsError: Something that no further request would survive. What was under way has been waited for.
            CancelledError: The run was stopped, likewise.
        """
        floor = self._floor
        loading = asyncio.ensure_future(self._load())
        try:
            working = asyncio.ensure_future(self._work(groups))
            try:
                async with asyncio.timeout(floor.settings.wait_s):
                    await asyncio.shield(working)
            except TimeoutError:
                floor.stop(WaitTimeout(f"{floor.settings.wait_s:g} s passed. Nothing is lost: the same command goes on."))
            except asyncio.CancelledError as stopped:
                floor.stop(stopped)
            await self._ended(working)
        finally:
            loading.cancel()
            with suppress(asyncio.CancelledError):
                await loading
            await asyncio.shield(asyncio.ensure_future(self._load_rest()))
        if floor.ended is not None:
            raise floor.ended

    async def _ended(self, working: asyncio.Future[None]) -> None:
        """Wait for what is under way; not for ever, and not when the user asks twice."""
        if not working.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([working], timeout=_GRACE_S)
        while not working.done():
            for upload in self._floor.uploading:
                upload.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.wait([working], timeout=_LOOK_AROUND_S)

    async def _work(self, groups: AsyncIterator[Sequence[Recording]]) -> None:
        workers = [
            asyncio.ensure_future(self._worker()) for _ in range(_JOBS_FOR_EACH_LANE * self._floor.settings.concurrency + 1)
        ]
        try:
            for job in self._open_jobs():
                await self._take_up(job)
            await self._plan(groups)
            self._floor.all_planned()
            await self._jobs.join()
            for _ in range(_MOST_ROUNDS):
                if not await self._take_up_lost():
                    break
                await self._jobs.join()
        except Exception as error:
            self._floor.stop(error)
        for _ in workers:
            await self._jobs.put(None)
        await asyncio.wait(workers)

    async def _worker(self) -> None:
        floor = self._floor
        while (job_id := await self._jobs.get()) is not None:
            try:
                if not floor.stopping.is_set():
                    await JobWork(floor, job_id, self._preparing).run()
            except Exception as error:
                floor.stop(error)
            finally:
                self._jobs.task_done()
        self._jobs.task_done()

    # ------------------------------------------------------------------------------------------------ plan
    async def _plan(self, groups: AsyncIterator[Sequence[Recording]]) -> None:
        floor = self._floor
        async for group in groups:
            if floor.stopping.is_set():
                return
            works = [replace(work_of(recording, position), position=position) for position, recording in enumerate(group)]
            job_id = await in_thread(
                floor.ledger.plan_job,
                works,
                api=FLOW,
                origin=floor.api.origin,
                settings_id=self._scoring.settings_id,
                run_id=floor.run_id,
            )
            floor.counts["to_score"] += len(works)
            self._taken.add(job_id)
            await self._jobs.put(job_id)

    def _open_jobs(self) -> list[LedgerJob]:
        """What earlier runs began, paid for in part, and did not finish."""
        floor = self._floor
        found = floor.ledger.jobs(
            states.INTENT, states.ACCEPTED, states.UNKNOWN, states.RECEIVED, api=FLOW, origin=floor.api.origin
        )
        return [job for job in found if job.state != states.UNKNOWN or self._may_go_on(job.job_id)]

    def _may_go_on(self, job_id: str) -> bool:
        """Whether a job with lost answers has any that may be sent again, or none that is lost any more."""
        lost = [u for u in self._floor.ledger.uploads_of(job_id) if u.state == upload_states.UNKNOWN]
        resend = self._floor.resend
        return not lost or resend == "always" or (resend == "unbilled" and any(u.billed == "no" for u in lost))

    async def _take_up(self, job: LedgerJob) -> None:
        floor = self._floor
        if job.state == states.RECEIVED:
            floor.to_load.put_nowait(job.job_id)
            return
        works = floor.ledger.works(job.job_id)
        floor.counts["to_score"] += len(works)
        self._taken.add(job.job_id)
        await self._jobs.put(job.job_id)

    async def _take_up_lost(self) -> bool:
        """Judge what this run lost; where the user has it sent again, do so. Return whether anything is."""
        floor = self._floor
        lost = floor.ledger.uploads_in(upload_states.UNKNOWN, origin=floor.api.origin)
        mine = [upload for upload in lost if upload.run_id == floor.run_id]
        if not mine or floor.stopping.is_set():
            return False
        if floor.resend == "unbilled":
            newest_ms = max(upload.lost_server_ms or 0 for upload in mine)
            left_s = floor.settings.settle_s + (newest_ms - floor.api.server_now_ms()) / 1000 + 0.1
            with suppress(TimeoutError):
                await asyncio.wait_for(floor.stopping.wait(), max(left_s, 0.0))
        await self.reconcile()
        again = [job_id for job_id in dict.fromkeys(upload.job_id for upload in mine) if self._may_go_on(job_id)]
        if floor.resend == "never" or floor.stopping.is_set():
            return False
        for job_id in again:
            floor.counts["ended"] -= len(floor.ledger.works(job_id))
            await self._jobs.put(job_id)
        return bool(again)

    # ------------------------------------------------------------------------------------------------ load
    async def _load(self) -> None:
        """Commit what has arrived when it is enough, or old enough."""
        floor, loop = self._floor, asyncio.get_running_loop()
        while True:
            waiting = [await floor.to_load.get()]
            deadline = loop.time() + floor.settings.load_s
            while len(waiting) < floor.settings.load_files and loop.time() < deadline:
                with suppress(TimeoutError):
                    waiting.append(await asyncio.wait_for(floor.to_load.get(), _LOOK_AROUND_S))
            try:
                await in_thread(floor.loader.load, waiting)
            except Exception as error:
                floor.stop(error)
                return

    async def _load_rest(self) -> None:
        """Load whatever has been received, and the errors of what ended badly: a run that ends early leaves nothing lying."""
        floor = self._floor
        received = floor.ledger.jobs(states.RECEIVED, api=FLOW, origin=floor.api.origin)
        await in_thread(floor.loader.recover)
        await in_thread(floor.loader.load, [job.job_id for job in received])
        await in_thread(floor.loader.note_uploads)


def _lost(upload: LedgerUpload) -> Lost:
    sent_ms = upload.intent_server_ms or 0
    return Lost(
        upload.upload_id,
        upload.model,
        upload.size_bytes or 0,
        upload.billed_s or 0.0,
        sent_ms,
        upload.lost_server_ms or sent_ms,
    )
