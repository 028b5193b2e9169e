"""The verb `reconcile`: what became of submissions whose answer was lost. Sends nothing."""

from __future__ import annotations

import os
import time

from humeanalytics.api.batch import BatchApi
from humeanalytics.api.expression import ExpressionApi
from humeanalytics.errors import UsageError
from humeanalytics.jobs import expression, states
from humeanalytics.jobs.batch import FLOW, BatchFlow
from humeanalytics.jobs.contents import Contents
from humeanalytics.jobs.expression_floor import ExpressionFloor
from humeanalytics.jobs.expression_scoring import expression_scoring
from humeanalytics.jobs.floor import Floor
from humeanalytics.jobs.flow import begin_at, end_run, lake_uri, open_flow, state_folder
from humeanalytics.jobs.ledger import LEDGER_FILE, Ledger
from humeanalytics.jobs.opening import open_lake
from humeanalytics.jobs.progress import Silent
from humeanalytics.jobs.running import run_sync
from humeanalytics.jobs.scoring_settings import batch_scoring
from humeanalytics.jobs.summary import RunSummary
from humeanalytics.lake.lake import Lake
from humeanalytics.settings import Settings, load_settings


def reconcile(
    lake: Lake | str | os.PathLike[str] | None = None,
    *,
    api: str | None = None,
    settings: Settings | None = None,
    lock_wait_s: float = 0.0,
) -> RunSummary:
    """Look at Hume for submissions whose answer was lost.

    v0: among its jobs. One that is found is adopted; the next `score` collects it. One that is still absent after
    ``settings.settle_s`` was never accepted and is planned again. v1: in its list of runs, which tells whether an upload was
    billed, and nothing else. `score` does the same at the start of each run.

    Args:
        lake: The lake.
        api: ``expression`` (v1) or ``batch`` (v0). Default: whichever has something in doubt.
        settings: Keys, hosts and limits. Default: from the environment (`load_settings`).
        lock_wait_s: How long to wait for a `score` on this lake, in seconds.

    Returns:
        v0: jobs by what became of them: ``adopted``, ``planned`` again, still ``unknown``. v1: uploads: ``billed``,
        ``not billed``, ``cannot tell``.

    Raises:
        LakeLocked: A `score` runs.
        ApiError, ServiceUnreachable: Hume could not be asked.

    Examples:
        >>> import humeanalytics as ha
        >>> ha.reconcile("lake")  # doctest: +SKIP
    """
    if api not in (None, FLOW, expression.FLOW):
        raise UsageError(f"There is no API {api!r}. There are: {expression.FLOW} (v1), {FLOW} (v0).")
    settings = settings or load_settings()
    apis = [api] if api is not None else _in_doubt(lake, settings)
    summaries = [run_sync(_BY_API[each](lake, settings, lock_wait_s)) for each in apis]
    for more in summaries[1:]:
        summaries[0].jobs += more.jobs
        summaries[0].uploads += more.uploads
        summaries[0].exit_code = max(summaries[0].exit_code, more.exit_code)
    return summaries[0]


def _in_doubt(lake: Lake | str | os.PathLike[str] | None, settings: Settings) -> list[str]:
    """The APIs that something was sent to without an answer; where there is none, the one that was used last."""
    opened = lake if isinstance(lake, Lake) else open_lake(lake_uri(lake, settings), create=False)
    try:
        with Ledger.open(state_folder(opened, settings) / LEDGER_FILE) as ledger:
            open_states = (states.INTENT, states.UNKNOWN, states.ACCEPTED)
            found = [api for api in _BY_API if ledger.jobs(*open_states, api=api)]
            used = [api for api in _BY_API if ledger.last_origin(api) is not None]
            return found or used[:1] or [FLOW]
    finally:
        if opened is not lake:
            opened.close()


async def _reconcile_expression(lake: Lake | str | os.PathLike[str] | None, settings: Settings, lock_wait_s: float) -> RunSummary:
    begun = time.monotonic()
    settings.expression_key()
    with open_flow(lake, expression.FLOW, "reconcile", settings, lock_wait_s, create=False) as (opened, ledger, run_id):
        summary = RunSummary("reconcile", opened.uri, run_id)
        async with ExpressionApi(settings) as api:
            await begin_at(api, opened, ledger, summary)
            folder = state_folder(opened, settings)
            floor = ExpressionFloor(opened, ledger, api, settings, folder, Silent(), run_id)
            summary.uploads = await expression.ExpressionFlow(floor, expression_scoring()).recover()
            floor.loader.note_uploads()
        lost = sum(summary.uploads.values())
        if not lost:
            summary.notes.append("No upload is in doubt.")
        summary.exit_code = 3 if lost else 0
        end_run(opened, ledger, summary, expression.FLOW, begun)
        return summary


async def _reconcile_batch(lake: Lake | str | os.PathLike[str] | None, settings: Settings, lock_wait_s: float) -> RunSummary:
    begun = time.monotonic()
    settings.key()
    with open_flow(lake, FLOW, "reconcile", settings, lock_wait_s, create=False) as (opened, ledger, run_id):
        summary = RunSummary("reconcile", opened.uri, run_id)
        async with BatchApi(settings) as api:
            await begin_at(api, opened, ledger, summary)
            floor = Floor(opened, ledger, api, settings, Contents(()), Silent(), run_id)
            summary.jobs = await BatchFlow(floor, batch_scoring()).recover()
        if not summary.jobs:
            summary.notes.append("No submission is in doubt.")
        summary.exit_code = 3 if summary.jobs["unknown"] else 0
        end_run(opened, ledger, summary, FLOW, begun)
        return summary


_BY_API = {expression.FLOW: _reconcile_expression, FLOW: _reconcile_batch}
