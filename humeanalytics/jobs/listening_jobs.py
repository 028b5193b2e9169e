"""Collect the results of v0 jobs that have called: of jobs that `score` sent, and of jobs that somebody else sent."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from humeanalytics.api.batch import BatchApi
from humeanalytics.api.blocking import in_thread
from humeanalytics.api.job import Job
from humeanalytics.errors import InvalidAnswer, LakeLocked, NotFound, RequestRejected, ServerFailed, WaitTimeout
from humeanalytics.jobs import states
from humeanalytics.jobs.batch import FLOW, BatchFlow
from humeanalytics.jobs.bookkeeping import error_row, load_rows
from humeanalytics.jobs.contents import Contents
from humeanalytics.jobs.floor import Floor
from humeanalytics.jobs.flow import begin_at, end_run, open_flow, state_folder
from humeanalytics.jobs.ingesting import ingest
from humeanalytics.jobs.ledger import LEDGER_FILE, Ledger
from humeanalytics.jobs.listening_store import DeliveryStore, Task
from humeanalytics.jobs.progress import Silent
from humeanalytics.jobs.scoring_settings import batch_scoring
from humeanalytics.jobs.summary import RunSummary
from humeanalytics.jobs.work import LedgerJob
from humeanalytics.lake.lake import Lake
from humeanalytics.settings import Settings

#: So many jobs are collected one after the other before it is said what was done.
MOST_JOBS = 20
#: A job that calls has ended: for its state to say so, no longer than this is waited.
_WAIT_S = 30.0
#: A job that Hume does not know for so long, it never will.
_GIVEN_UP_S = 3600.0
_LONGEST_WAIT_S = 600.0
_BLOCK_BYTES = 1 << 20


async def collect_jobs(lake: Lake, store: DeliveryStore, tasks: Sequence[Task], settings: Settings) -> str:
    """Collect jobs through the API; say in the store what became of each, and in words what was done.

    Raises:
        HumeAnalyticsError: Nothing can be done just now.
    """
    collected = 0
    for task in tasks:
        try:
            collected += await _collect(lake, store, task, settings)
        except (InvalidAnswer, LakeLocked, RequestRejected, ServerFailed, WaitTimeout) as error:  # the others need not wait
            store.later(task, _wait_s(task), str(error))
    said = [f"{collected:,} jobs collected"] if collected else []
    if collected < len(tasks):
        said.append(f"{len(tasks) - collected:,} jobs gave no results (yet)")
    return "; ".join(said)


async def _collect(lake: Lake, store: DeliveryStore, task: Task, settings: Settings) -> bool:
    path = state_folder(lake, settings) / LEDGER_FILE
    ours, in_doubt = False, False
    if path.is_file():
        with Ledger.open(path) as ledger:
            job = _job_of(ledger, task.id)
            if job is not None and job.state not in states.OPEN:
                store.settle(task)  # a `score` was faster
                return True
            ours, in_doubt = job is not None, bool(ledger.jobs(states.INTENT, states.UNKNOWN, api=FLOW))
    # A submission whose answer was lost may be the very job that calls: then it is found, by the flow that knows how.
    if (ours or in_doubt) and await _collect_ours(lake, task, settings):
        store.settle(task)
        return True
    return await _collect_other(lake, store, task, settings)


def _job_of(ledger: Ledger, hume_job_id: str) -> LedgerJob | None:
    return next((job for job in ledger.jobs_of((), hume_job_id) if job.api == FLOW and job.hume_job_id == hume_job_id), None)


async def _collect_ours(lake: Lake, task: Task, settings: Settings) -> bool:
    """Collect a job that `score` sent to this lake; return whether it is one."""
    begun = time.monotonic()
    with open_flow(lake, FLOW, "listen", settings, 0.0) as (opened, ledger, run_id):
        summary = RunSummary("listen", opened.uri, run_id)
        async with BatchApi(settings) as api:
            await begin_at(api, opened, ledger, summary)
            waits = settings.model_copy(update={"wait_s": min(settings.wait_s, _WAIT_S), "load_s": 0.1})
            floor = Floor(opened, ledger, api, waits, Contents(()), Silent(), run_id)
            flow = BatchFlow(floor, batch_scoring())
            await flow.recover()
            job = _job_of(ledger, task.id)
            if job is None:
                return False
            if job.state in (states.ACCEPTED, states.RECEIVED):
                await flow.collect([job])
        if floor.troubles:
            raise floor.troubles[0]
        summary.rows = floor.loader.rows_loaded
        summary.recordings.update({"scored": floor.loader.outcomes["done"], "failed": floor.loader.outcomes["failed"]})
        end_run(opened, ledger, summary, FLOW, begun)
        return True


async def _collect_other(lake: Lake, store: DeliveryStore, task: Task, settings: Settings) -> bool:
    """Fetch the results of a job that somebody else sent, and take them in as what was saved is; return whether it gave any."""
    async with BatchApi(settings) as api:
        try:
            job = await api.job(task.id)
        except NotFound as error:
            if store.age_s(task) < _GIVEN_UP_S:
                store.later(task, _wait_s(task), str(error))
            else:
                await in_thread(_give_up, lake, store, task, settings, bool(api.synthetic), str(error))
            return False
        if not job.ended:
            store.later(task, _wait_s(task), f"The job is {job.status}.")
            return False
        if job.status != "COMPLETED":
            message = f"The job failed at Hume: {job.message or 'Hume gives no reason'}"
            await in_thread(_give_up, lake, store, task, settings, bool(api.synthetic), message)
            return False
        folder = state_folder(lake, settings) / "listen" / "collected" / task.id
        try:
            files = await _fetch(api, job, folder)
            summary = await in_thread(ingest, files, lake, settings=settings, synthetic=bool(api.synthetic))
        finally:
            await in_thread(shutil.rmtree, folder, ignore_errors=True)  # what matters of it is under raw/, without secrets
    if summary.files["failed"]:
        store.settle(task, "given up", summary.errors[0]["message"] if summary.errors else "It could not be read.")
        return False
    store.settle(task)
    return True


async def _fetch(api: BatchApi, job: Job, folder: Path) -> list[Path]:
    """Put the predictions of a job, in the form that names the job, and when it ended, into files."""
    await in_thread(shutil.rmtree, folder, ignore_errors=True)
    await in_thread(folder.mkdir, parents=True)
    predictions, details = folder / "predictions.json", folder / "job.json"
    await api.predictions(job.job_id, lambda: _FileSink(predictions, job.job_id))
    # Not the whole of it: the echo of the request holds signed URLs, and that of the callback.
    details.write_text(json.dumps({"job_id": job.job_id, "request": {}, "state": job.raw.get("state")}), encoding="utf-8")
    return [predictions, details]


class _FileSink:
    """A `Sink` that writes the predictions of a job as its callback would tell them."""

    def __init__(self, path: Path, job_id: str) -> None:
        self._path = path
        self._file = path.with_suffix(".part").open("wb", buffering=_BLOCK_BYTES)
        self._file.write(b'{"job_id":' + json.dumps(job_id).encode() + b',"status":"COMPLETED","predictions":')

    def write(self, data: bytes) -> None:
        self._file.write(data)

    def commit(self) -> None:
        self._file.write(b"}")
        self._file.close()
        self._path.with_suffix(".part").replace(self._path)

    def abort(self) -> None:
        self._file.close()


def _wait_s(task: Task) -> float:
    return min(2.0 ** min(task.tries + 1, 20), _LONGEST_WAIT_S)


def _give_up(lake: Lake, store: DeliveryStore, task: Task, settings: Settings, synthetic: bool, message: str) -> None:
    with open_flow(lake, "ingest", "listen", settings, 0.0) as (opened, _, run_id):
        opened.claim(synthetic=synthetic)
        row: dict[str, Any] = dict(
            error_row(stage="score", message=message, error="ScoringFailed", run_id=run_id, api=FLOW, hume_job_id=task.id)
        )
        load_rows(opened, {"errors": [row]}, flow="ingest", run_id=run_id)
    store.settle(task, "given up", message)
