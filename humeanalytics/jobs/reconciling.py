"""The verb `reconcile`: what became of submissions whose answer was lost. Sends nothing."""

from __future__ import annotations

import os
import time

from humeanalytics.api.batch import BatchApi
from humeanalytics.jobs.batch import FLOW, BatchFlow
from humeanalytics.jobs.contents import Contents
from humeanalytics.jobs.floor import Floor
from humeanalytics.jobs.flow import open_flow
from humeanalytics.jobs.progress import Silent
from humeanalytics.jobs.running import run_sync
from humeanalytics.jobs.scoring_settings import batch_scoring
from humeanalytics.jobs.summary import RunSummary
from humeanalytics.lake.lake import Lake
from humeanalytics.settings import Settings, load_settings


def reconcile(
    lake: Lake | str | os.PathLike[str] | None = None, *, settings: Settings | None = None, lock_wait_s: float = 0.0
) -> RunSummary:
    """Look among the jobs at Hume for submissions whose answer was lost.

    One that is found is adopted; the next `score` collects it. One that is still absent after ``settings.settle_s`` was
    never accepted and is planned again. `score` does the same at the start of each run.

    Returns:
        Jobs by what became of them: ``adopted``, ``planned`` again, still ``unknown``.

    Raises:
        LakeLocked: A `score` runs.
        ApiError, ServiceUnreachable: Hume could not be asked.

    Examples:
        >>> import humeanalytics as ha
        >>> ha.reconcile("lake")  # doctest: +SKIP
    """
    return run_sync(_reconcile(lake, settings or load_settings(), lock_wait_s))


async def _reconcile(lake: Lake | str | os.PathLike[str] | None, settings: Settings, lock_wait_s: float) -> RunSummary:
    begun = time.monotonic()
    settings.key()
    with open_flow(lake, FLOW, "reconcile", settings, lock_wait_s, create=False) as (opened, ledger, run_id):
        summary = RunSummary("reconcile", opened.uri, run_id)
        async with BatchApi(settings) as api:
            await api.check()
            opened.claim(synthetic=bool(api.synthetic))
            summary.synthetic = bool(api.synthetic)
            floor = Floor(opened, ledger, api, settings, Contents(()), Silent(), run_id)
            summary.jobs = await BatchFlow(floor, batch_scoring()).recover()
        if not summary.jobs:
            summary.notes.append("No submission is in doubt.")
        summary.exit_code = 3 if summary.jobs["unknown"] else 0
        summary.duration_s = time.monotonic() - begun
        ledger.end_run(run_id, summary.exit_code, summary.to_dict())
        return summary
