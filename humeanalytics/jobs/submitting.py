"""Send jobs to Hume: each written down before it goes, none sent twice, one bad recording never holding up the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

from humeanalytics.api.blocking import in_thread
from humeanalytics.errors import HumeAnalyticsError, ItemError, OutcomeUnknown, RateLimited, RequestRejected
from humeanalytics.jobs import states
from humeanalytics.jobs.floor import FLOW, Floor
from humeanalytics.jobs.ledger import now
from humeanalytics.jobs.plan import work_of
from humeanalytics.jobs.scoring_settings import BatchScoring
from humeanalytics.jobs.work import Recording, Work

#: Jobs planned ahead of what is being sent.
_PLANNED_AHEAD = 64
#: So many recordings refused one by one, and none ever taken: then it is the request, not the recordings.
_REFUSALS_THAT_CONVINCE = 3


class Submitter:
    """Plans jobs and sends them. Several `send` workers may run at once."""

    def __init__(self, floor: Floor, scoring: BatchScoring) -> None:
        self._floor, self._scoring = floor, scoring
        self._ledger, self._api, self._contents, self._run_id = floor.ledger, floor.api, floor.contents, floor.run_id
        self._took_one = asyncio.Event()
        self._refused_singly = 0

    # ------------------------------------------------------------------------------------------------ plan
    async def plan(self, groups: AsyncIterator[Sequence[Recording]]) -> None:
        """Make a job of each group, then take up whatever earlier runs planned and never sent."""
        floor = self._floor
        async for group in groups:
            self._contents.add(group)
            self._enqueue([work_of(recording, position) for position, recording in enumerate(group)])
            while floor.to_submit.qsize() >= _PLANNED_AHEAD:
                self._took_one.clear()
                await self._took_one.wait()
        for job in self._ledger.jobs(states.PLANNED, api=FLOW, origin=self._api.origin):
            works = self._ledger.works(job.job_id)
            if job.job_id not in floor.at_work and self._contents.at_hand(works):
                floor.at_work.add(job.job_id)
                floor.counts["to_score"] += len(works)
                floor.to_submit.put_nowait(job.job_id)
        floor.all_planned()

    def _enqueue(self, works: Sequence[Work], settings_id: str | None = None) -> None:
        job_id = self._ledger.plan_job(
            [replace(work, position=position) for position, work in enumerate(works)],
            api=FLOW,
            origin=self._api.origin,
            settings_id=settings_id or self._scoring.settings_id,
            run_id=self._run_id,
        )
        self._floor.at_work.add(job_id)
        self._floor.counts["to_score"] += len(works)
        self._floor.to_submit.put_nowait(job_id)

    # ------------------------------------------------------------------------------------------------ send
    async def send(self) -> None:
        """Send one job after another, as long as Hume's queue has room."""
        floor = self._floor
        while True:
            job_id = await floor.to_submit.get()
            self._took_one.set()
            while len(floor.queued) >= floor.settings.max_queued_jobs:
                await floor.one_left_the_queue()
            floor.queued.add(job_id)
            await self._send_one(job_id)

    async def _send_one(self, job_id: str) -> None:
        works = self._ledger.works(job_id)
        unusable = await in_thread(self._contents.unusable, works)
        if unusable:
            self._go_on_without(job_id, works, unusable)
            return
        scoring = BatchScoring.from_canonical(self._ledger.settings_json(self._ledger.job(job_id).settings_id))
        self._ledger.move(job_id, states.INTENT, self._run_id, intent_at=now(), intent_server_ms=self._api.server_now_ms())
        try:
            hume_job_id = await self._post(works, scoring)
        except OutcomeUnknown as error:
            self._ledger.move(job_id, states.UNKNOWN, self._run_id, why=str(error))
            self._floor.leave_queue(job_id)
        except RequestRejected as error:
            self._rejected(job_id, works, error)
        except RateLimited:
            self._ledger.move(job_id, states.PLANNED, self._run_id, why="refused for now (429)")
            self._floor.queued.discard(job_id)
            if not self._floor.queued:
                raise
            # Other jobs of ours are in the queue at Hume, which may be what is full: try again when one has ended.
            await self._floor.one_left_the_queue()
            self._floor.to_submit.put_nowait(job_id)
        except HumeAnalyticsError as error:
            # Nothing was taken: no connection, or no permission. What no further request would survive ends the run.
            self._ledger.move(job_id, states.PLANNED, self._run_id, why=str(error))
            self._floor.queued.discard(job_id)
            if not isinstance(error, ItemError):
                raise
            to_blame = {work.position: str(error) for work in works if work.uri == error.item}
            self._go_on_without(job_id, works, to_blame or {work.position: str(error) for work in works})
        else:
            self._ledger.move(job_id, states.ACCEPTED, self._run_id, hume_job_id=hume_job_id, accepted_at=now())
            self._refused_singly = 0
            self._floor.accepted(job_id, works)

    async def _post(self, works: Sequence[Work], scoring: BatchScoring) -> str:
        request: dict[str, Any] = {**scoring.request(), "notify": False}
        uploads = [self._contents.upload(work) for work in works if work.kind == "file"]
        if urls := [self._contents.url(work) for work in works if work.kind == "url"]:
            request["urls"] = urls
        if texts := [self._contents.text(work) for work in works if work.kind == "text"]:
            request["text"] = texts
        if uploads:
            return await self._api.start_from_files(request, uploads)
        return await self._api.start_from_urls(request)

    def _go_on_without(self, job_id: str, works: Sequence[Work], unusable: dict[int, str]) -> None:
        """Some files changed or vanished since they were read: send the others."""
        settings_id = self._ledger.job(job_id).settings_id
        self._ledger.drop_planned(job_id)
        self._floor.troubles += [ItemError(unusable[work.position], item=work.uri) for work in works if work.position in unusable]
        self._floor.counts["to_score"] -= len(works)
        rest = [work for work in works if work.position not in unusable]
        if rest:
            self._enqueue(rest, settings_id)
        self._floor.end(job_id)

    def _rejected(self, job_id: str, works: Sequence[Work], error: RequestRejected) -> None:
        """Refused whole. One recording may be to blame: halve the job until it stands alone."""
        settings_id = self._ledger.job(job_id).settings_id
        self._ledger.move(job_id, states.REJECTED, self._run_id, why=str(error), ended_at=now())
        if len(works) > 1:
            self._ledger.release_job(job_id)
            self._floor.counts["to_score"] -= len(works)
            middle = len(works) // 2
            self._enqueue(works[:middle], settings_id)
            self._enqueue(works[middle:], settings_id)
            self._floor.end(job_id)
            return
        self._refused_singly += 1
        if self._refused_singly >= _REFUSALS_THAT_CONVINCE and not self._floor.counts["sent"]:
            raise RequestRejected(
                f"Hume refuses every request, the last with: {error}", status=error.status, url=error.url
            ) from error
        self._floor.end_badly(job_id)
