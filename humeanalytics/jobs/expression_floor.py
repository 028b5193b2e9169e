"""The floor on which the workers of one run of v1 stand: what they share, and why the run stops, if it does."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

from humeanalytics.api.expression import ExpressionApi
from humeanalytics.errors import HumeAnalyticsError
from humeanalytics.jobs import states
from humeanalytics.jobs.expression_loading import ExpressionLoader
from humeanalytics.jobs.ledger import Ledger
from humeanalytics.jobs.pacing import Budget, Lanes, Room
from humeanalytics.jobs.progress import Progress
from humeanalytics.lake.lake import Lake
from humeanalytics.settings import Settings


class ExpressionFloor:
    """Who works with what, and what came of it so far.

    Attributes:
        folder: Where media are prepared; nothing in it outlives a run.
        resend: What is done about uploads whose answer was lost: ``never``, ``unbilled`` or ``always`` sent again.
        stopping: Set when nothing more is to be sent. What is under way is waited for: it is paid for.
        ended: The error that stopped the run.
        out_of_budget: Whether it was the user's limit that did.
        troubles: What went wrong with single recordings without ending the run, and is tried again by the next.
        uploading: What is being sent, or waits for its turn.
        counts: Recordings ``to_score`` and ``sent`` by this run.
    """

    def __init__(
        self,
        lake: Lake,
        ledger: Ledger,
        api: ExpressionApi,
        settings: Settings,
        folder: Path,
        progress: Progress,
        run_id: str,
        *,
        budget_s: float | None = None,
        resend: str = "never",
    ) -> None:
        self.lake, self.ledger, self.api, self.settings = lake, ledger, api, settings
        self.folder, self.run_id, self.resend = folder, run_id, resend
        self.lanes, self.room, self.budget = Lanes(settings.concurrency), Room(settings.prepared_bytes), Budget(budget_s)
        self.loader = ExpressionLoader(lake, ledger, run_id=run_id)
        self.stopping = asyncio.Event()
        self.ended: BaseException | None = None
        self.out_of_budget = False
        self.troubles: list[HumeAnalyticsError] = []
        self.counts: Counter[str] = Counter()
        self.uploading: set[asyncio.Task[None]] = set()
        self.to_load: asyncio.Queue[str] = asyncio.Queue()
        self._progress = progress
        self._all_planned = False

    def stop(self, error: BaseException | None = None) -> None:
        """Send nothing more. The first reason counts."""
        if error is not None and self.ended is None:
            self.ended = error
        self.stopping.set()

    def stop_at_budget(self) -> None:
        self.out_of_budget = True
        self.stop()

    def all_planned(self) -> None:
        self._all_planned = True
        self.show()

    def ended_job(self, job_id: str, recordings: int, state: str) -> None:
        """This run is through with a job, which is in that state."""
        self.counts["ended"] += recordings
        if state == states.RECEIVED:
            self.counts["sent"] += recordings
            self.to_load.put_nowait(job_id)
        self.show()

    def show(self) -> None:
        """Tell how far the run is."""
        if total := self.counts["to_score"]:
            detail = f"{self.lanes.used} uploads under way" if self.lanes.used else ""
            self._progress.stage("score", self.counts["ended"], total if self._all_planned else None, detail)
