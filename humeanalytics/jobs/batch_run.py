"""One run of `score` by v0: open, take in, submit, wait, collect, load, conclude."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping, Sequence

from humeanalytics.api.batch import BatchApi
from humeanalytics.errors import ApiError, HumeAnalyticsError, ItemError
from humeanalytics.jobs import states
from humeanalytics.jobs.batch import FLOW, BatchFlow
from humeanalytics.jobs.contents import Contents
from humeanalytics.jobs.floor import Floor
from humeanalytics.jobs.flow import begin_at, end_run, open_flow, record_settings
from humeanalytics.jobs.plan import Grouping
from humeanalytics.jobs.progress import Progress
from humeanalytics.jobs.scoring_settings import BatchScoring
from humeanalytics.jobs.summary import RunSummary, oddities
from humeanalytics.jobs.taking_in import Labelling, TakingIn, Wanted
from humeanalytics.jobs.who_when import WhoWhen, write_who_when
from humeanalytics.jobs.work import Source
from humeanalytics.lake.lake import Lake
from humeanalytics.settings import Settings


async def score_by_batch(
    sources: Sequence[Source],
    lake: Lake | str | os.PathLike[str] | None,
    scoring: BatchScoring,
    labelling: Labelling,
    settings: Settings,
    flags: Mapping[str, bool],
    lock_wait_s: float,
    progress: Progress,
    said: WhoWhen,
) -> RunSummary:
    begun = time.monotonic()
    settings.key()  # before anything is made: a missing key is the commonest first mistake
    with open_flow(lake, FLOW, "score", settings, lock_wait_s) as (opened, ledger, run_id):
        summary = RunSummary("score", opened.uri, run_id)
        async with BatchApi(settings) as api:
            await begin_at(api, opened, ledger, summary)
            wanted = Wanted(FLOW, api.origin, scoring.settings_id, tuple(scoring.models))
            record_settings(opened, ledger, scoring, FLOW, run_id)
            contents = Contents(sources)
            taking_in = TakingIn(opened, ledger, sources, labelling, Grouping(settings), wanted, summary, progress)
            floor = Floor(opened, ledger, api, settings, contents, progress, run_id)
            flow = BatchFlow(floor, scoring)
            ended: BaseException | None = None
            try:
                await flow.recover()
                await flow.run(taking_in.groups(**flags))
            except (HumeAnalyticsError, asyncio.CancelledError) as error:
                ended = error
            _conclude(summary, floor, ended)
            summary.notes += labelling.notes()
            write_who_when(opened, said, summary, flow=FLOW)
            end_run(opened, ledger, summary, FLOW, begun)
    if ended is not None:
        if isinstance(ended, HumeAnalyticsError):
            ended.add_note(str(summary))
        raise ended
    return summary


def _conclude(summary: RunSummary, floor: Floor, ended: BaseException | None) -> None:
    loader, ledger = floor.loader, floor.ledger
    summary.recordings.update({"scored": loader.outcomes["done"], "failed": loader.outcomes["failed"]})
    summary.recordings["sent"] = floor.counts["sent"]
    summary.rows = loader.rows_loaded
    summary.cost_usd = floor.cost_usd
    summary.jobs.update(ledger.counts_of_run(floor.run_id))
    for uri, message in loader.messages:
        summary.add_error(uri, message)
    for trouble in floor.troubles:
        summary.add_error(trouble.item if isinstance(trouble, ItemError) else None, str(trouble))
    unknown = sum(len(ledger.works(job.job_id)) for job in ledger.jobs(states.UNKNOWN, api=FLOW))
    if unknown:
        summary.recordings["unknown"] = unknown
        summary.notes.append(
            f"{unknown} recordings were sent and their answer was lost. They are looked for at Hume at the start of each run, "
            "or by: humeanalytics reconcile"
        )
    if unsuited := summary.recordings["unsuited"]:
        summary.notes.append(
            f"{unsuited:,} recordings were not sent: none of the models chosen can answer for their kind of media."
        )
    summary.notes += oddities(loader.scores_rounded, loader.names_doubled)
    if loader.known_again:
        summary.notes.append(f"{loader.known_again:,} answers were in the lake already and gave no new rows.")
    failed = summary.recordings["failed"] or summary.recordings["refused"] or unknown
    codes = {3} if failed else set()
    codes |= {75 if isinstance(trouble, ApiError) else 3 for trouble in floor.troubles}
    if isinstance(ended, HumeAnalyticsError):
        codes.add(ended.exit_code)
    elif ended is not None:
        codes.add(75)
    summary.exit_code = next((code for code in (4, 5, 75, 3, 2, 1) if code in codes), 0)
    if summary.recordings["failed_before"]:
        summary.notes.append(
            f"{summary.recordings['failed_before']:,} failed before and were not tried again: --retry-failed does."
        )
