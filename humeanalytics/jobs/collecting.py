"""Fetch the results of jobs that have ended, straight to raw/, and load them when there are enough."""

from __future__ import annotations

import asyncio
from typing import Any

from humeanalytics.api.blocking import in_thread
from humeanalytics.api.job import Job
from humeanalytics.errors import InvalidAnswer, NotFound, RateLimited, ServerFailed
from humeanalytics.jobs import states
from humeanalytics.jobs.bookkeeping import of_ms
from humeanalytics.jobs.floor import FLOW, Floor
from humeanalytics.jobs.ledger import now
from humeanalytics.lake.lake import Lake

#: How often the loader looks whether anything is still under way that is worth waiting for.
_LOOK_AROUND_S = 0.1


def ended_at(job: Job) -> str | None:
    """Return when a job ended, as the ledger writes it."""
    ended = of_ms(job.ended_ms)
    return None if ended is None else ended.isoformat(timespec="milliseconds")


class Collector:
    """Fetches results, and hands them to the loader. Several `collect` workers may run at once."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    async def collect(self) -> None:
        """Fetch the results of one job after another."""
        floor = self._floor
        while True:
            job_id, job = await floor.to_collect.get()
            try:
                await self._fetch(job_id, job)
            except NotFound as error:
                why = f"The results are gone: {error}"
                floor.ledger.move(job_id, states.GONE, floor.run_id, why=why, ended_at=now())
                floor.end_badly(job_id)
            except (ServerFailed, RateLimited, InvalidAnswer) as error:
                floor.troubles.append(error)  # the results stay at Hume; the next run asks again
                floor.end(job_id)

    async def _fetch(self, job_id: str, job: Job) -> None:
        floor = self._floor
        meta = {
            "origin": floor.api.origin,
            "uri": f"{floor.settings.base_url}/v0/batch/jobs/{job.job_id}/predictions",
            "hume_job_id": job.job_id,
            "scored_at": ended_at(job),
            "received_at": now(),
            **floor.contents.meta(floor.ledger, job_id),
        }
        sink = _RawSink(floor.lake, meta)
        await floor.api.predictions(job.job_id, sink)
        times = {"received_at": now(), "ended_at": ended_at(job)}
        floor.ledger.move(job_id, states.RECEIVED, floor.run_id, response_id=sink.response_id, **times)
        floor.to_load.put_nowait(job_id)

    async def load(self) -> None:
        """Commit what has arrived when it is enough, or old enough, or when nothing else is under way."""
        floor, loop = self._floor, asyncio.get_running_loop()
        while True:
            waiting = [await floor.to_load.get()]
            deadline = loop.time() + floor.settings.load_s
            count = len(floor.ledger.works(waiting[0]))
            while count < floor.settings.load_files and loop.time() < deadline and not floor.at_work <= set(waiting):
                try:
                    job_id = await asyncio.wait_for(floor.to_load.get(), _LOOK_AROUND_S)
                except TimeoutError:
                    continue
                waiting.append(job_id)
                count += len(floor.ledger.works(job_id))
            await in_thread(floor.loader.load, [floor.ledger.job(job_id) for job_id in waiting])
            for job_id in waiting:
                floor.end(job_id)

    async def load_rest(self) -> None:
        """Load whatever has been received, and the errors of what ended badly: a run that ends early leaves nothing lying."""
        floor = self._floor
        received = floor.ledger.jobs(states.RECEIVED, api=FLOW, origin=floor.api.origin)
        await in_thread(floor.loader.recover)
        fresh = [job for job in received if floor.ledger.job(job.job_id).state == states.RECEIVED]
        await in_thread(floor.loader.load, fresh)


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
