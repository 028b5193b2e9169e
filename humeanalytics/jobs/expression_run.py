"""One run of `score` by v1: open, take in, prepare, upload, load, conclude."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from humeanalytics.api.expression import ExpressionApi
from humeanalytics.errors import ApiError, HumeAnalyticsError, ItemError
from humeanalytics.jobs import states
from humeanalytics.jobs.expression import FLOW, ExpressionFlow
from humeanalytics.jobs.expression_floor import ExpressionFloor
from humeanalytics.jobs.expression_scoring import ExpressionScoring
from humeanalytics.jobs.flow import begin_at, end_run, open_flow, record_settings, state_folder
from humeanalytics.jobs.plan import AloneOrPhotos
from humeanalytics.jobs.progress import Progress
from humeanalytics.jobs.summary import RunSummary
from humeanalytics.jobs.taking_in import Labelling, TakingIn, Wanted
from humeanalytics.jobs.who_when import WhoWhen, write_who_when
from humeanalytics.jobs.work import Source
from humeanalytics.lake.lake import Lake
from humeanalytics.settings import Settings

_PREPARED = "prepared"
#: So many recordings that are cut short, or odd in another way, are named in a summary.
_SHOWN_ODDITIES = 5


async def score_by_expression(
    sources: Sequence[Source],
    lake: Lake | str | os.PathLike[str] | None,
    scoring: ExpressionScoring,
    labelling: Labelling,
    settings: Settings,
    flags: Mapping[str, bool],
    lock_wait_s: float,
    progress: Progress,
    said: WhoWhen,
    *,
    budget_s: float | None,
    resend: str,
) -> RunSummary:
    """Score sources with v1. See `humeanalytics.jobs.scoring.score`."""
    begun = time.monotonic()
    settings.expression_key()  # before anything is made: a missing key is the commonest first mistake
    ended: BaseException | None = None
    with open_flow(lake, FLOW, "score", settings, lock_wait_s) as (opened, ledger, run_id):
        summary = RunSummary("score", opened.uri, run_id)
        async with ExpressionApi(settings) as api:
            await begin_at(api, opened, ledger, summary)
            wanted = Wanted(FLOW, api.origin, scoring.settings_id, tuple(scoring.models))
            record_settings(opened, ledger, scoring, FLOW, run_id)
            taking_in = TakingIn(opened, ledger, sources, labelling, AloneOrPhotos(), wanted, summary, progress, limits=None)
            async with _prepared(state_folder(opened, settings) / _PREPARED) as folder:
                floor = ExpressionFloor(opened, ledger, api, settings, folder, progress, run_id, budget_s=budget_s, resend=resend)
                flow = ExpressionFlow(floor, scoring)
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


@asynccontextmanager
async def _prepared(folder: Path) -> AsyncIterator[Path]:
    """Give the folder for prepared media, without what a killed run left in it."""
    shutil.rmtree(folder, ignore_errors=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _conclude(summary: RunSummary, floor: ExpressionFloor, ended: BaseException | None) -> None:
    loader, ledger, settings = floor.loader, floor.ledger, floor.settings
    summary.recordings.update({"scored": loader.outcomes["done"], "failed": loader.outcomes["failed"]})
    summary.recordings["sent"] = floor.counts["sent"]
    summary.rows = loader.rows_loaded
    summary.jobs.update(ledger.counts_of_run(floor.run_id))
    summary.uploads.update(ledger.uploads_of_run(floor.run_id))
    summary.billed_s = round(floor.budget.spent_s, 3)
    if settings.expression_usd_per_s is not None:
        summary.cost_usd = floor.budget.spent_s * settings.expression_usd_per_s
    for uri, message in loader.messages:
        summary.add_error(uri, message)
    for trouble in floor.troubles:
        summary.add_error(trouble.item if isinstance(trouble, ItemError) else None, str(trouble))
    unknown = sum(len(ledger.works(job.job_id)) for job in ledger.jobs(states.UNKNOWN, api=FLOW, origin=floor.api.origin))
    if unknown:
        summary.recordings["unknown"] = unknown
        summary.notes.append(_lost_note(floor, unknown))
    twice, seconds = ledger.billed_twice(floor.api.origin)
    if twice:
        summary.in_doubt_s = round(seconds, 3)
        summary.notes.append(
            f"{twice:,} uploads ({seconds:,.1f} s) may have been billed twice: their answers were lost and they were sent again. "
            "They are the rows of the table uploads whose state is 'unknown'."
        )
    if unsuited := summary.recordings["unsuited"]:
        summary.notes.append(f"{unsuited:,} files were not sent: none of the models chosen can answer for their kind of media.")
    if floor.out_of_budget:
        summary.notes.append(f"The budget of {floor.budget.limit_s:g} s was reached. The same command goes on with the rest.")
    if loader.faces_unmeasured:
        summary.notes.append(
            f"{loader.faces_unmeasured:,} faces were seen and not measured: v1 measures the two largest of a picture. The view "
            "coverage tells where; --crop scores one tile of a call."
        )
    if loader.known_again:
        summary.notes.append(f"{loader.known_again:,} answers were in the lake already and gave no new rows.")
    for uri, message in loader.oddities[:_SHOWN_ODDITIES]:
        summary.notes.append(f"{uri}: {message}" if uri else message)
    if (more := len(loader.oddities) - _SHOWN_ODDITIES) > 0:
        summary.notes.append(f"Something is odd about {more:,} more recordings: humeanalytics errors tells.")
    failed = summary.recordings["failed"] or summary.recordings["refused"] or unknown or loader.parts_failed
    codes = {3} if failed else set()
    codes |= {75 if isinstance(trouble, ApiError) else 3 for trouble in floor.troubles}
    if floor.out_of_budget:
        codes.add(5)
    if isinstance(ended, HumeAnalyticsError):
        codes.add(ended.exit_code)
    elif ended is not None:
        codes.add(75)
    summary.exit_code = next((code for code in (4, 5, 75, 3, 2, 1) if code in codes), 0)
    if before := summary.recordings["failed_before"]:
        summary.notes.append(f"{before:,} failed before and were not tried again: --retry-failed does.")


def _lost_note(floor: ExpressionFloor, recordings: int) -> str:
    lost = floor.ledger.uploads_in("unknown", origin=floor.api.origin)
    told = {"yes": "billed", "no": "not billed"}
    counts: dict[str, int] = {}
    for upload in lost:
        verdict = told.get(upload.billed or "", "nobody can tell whether billed")
        counts[verdict] = counts.get(verdict, 0) + 1
    verdicts = ", ".join(f"{count:,} {verdict}" for verdict, count in sorted(counts.items()))
    return (
        f"The answers to {len(lost):,} uploads of {recordings:,} recordings were lost ({verdicts}); v1 gives none twice. "
        "--resend-unknown unbilled sends again what was not billed, --resend-unknown always everything."
    )
