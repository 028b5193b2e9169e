"""The floor on which the workers of one v0 run stand: what they share, and when the run is over."""

from __future__ import annotations

import asyncio
import heapq
import random
from collections import Counter
from collections.abc import Sequence
from typing import Final

from humeanalytics.api.batch import BatchApi
from humeanalytics.api.job import Job
from humeanalytics.errors import HumeAnalyticsError
from humeanalytics.jobs.contents import Contents
from humeanalytics.jobs.cost import batch_cost_usd
from humeanalytics.jobs.ledger import Ledger
from humeanalytics.jobs.loading import AnswerLoader
from humeanalytics.jobs.progress import Progress
from humeanalytics.jobs.work import Work
from humeanalytics.lake.lake import Lake
from humeanalytics.settings import Settings

FLOW: Final = "batch"


class Floor:
    """Who works with what, which jobs are where, and what came of it so far.

    Attributes:
        at_work: Jobs that this run has not brought to an end yet.
        queued: Jobs that are on their way to Hume, or there and not ended.
        troubles: What went wrong with single jobs without ending the run.
        counts: Recordings ``to_score`` and ``sent`` by this run.
    """

    def __init__(
        self, lake: Lake, ledger: Ledger, api: BatchApi, settings: Settings, contents: Contents, progress: Progress, run_id: str
    ) -> None:
        self.lake, self.ledger, self.api, self.settings = lake, ledger, api, settings
        self.contents, self.run_id = contents, run_id
        self.loader = AnswerLoader(lake, ledger, flow=FLOW, run_id=run_id)
        self.counts: Counter[str] = Counter()
        self.cost_usd = 0.0
        self.troubles: list[HumeAnalyticsError] = []
        self.at_work: set[str] = set()
        self.queued: set[str] = set()
        # Without bounds: whoever takes a job may have to give one back. The planner alone minds the length.
        self.to_submit: asyncio.Queue[str] = asyncio.Queue()
        self.to_collect: asyncio.Queue[tuple[str, Job]] = asyncio.Queue()
        self.to_load: asyncio.Queue[str] = asyncio.Queue()
        self.polls: list[tuple[float, float, str]] = []  # due, delay, job id
        self.poll_added = asyncio.Event()
        self.finished = asyncio.Event()
        self._left_queue = asyncio.Event()
        self._planned_all = False
        self._progress = progress
        self._random = random.Random()

    def end(self, job_id: str) -> None:
        """This run is through with a job."""
        self.at_work.discard(job_id)
        self.leave_queue(job_id)
        self._check_finished()

    def end_badly(self, job_id: str) -> None:
        """This run is through with a job that gave no results, and all its recordings failed."""
        self.loader.outcomes["failed"] += len(self.ledger.works(job_id))
        self.end(job_id)

    def all_planned(self) -> None:
        """Nothing more will come than what is at work."""
        self._planned_all = True
        self._check_finished()

    def leave_queue(self, job_id: str) -> None:
        """A job no longer counts as queued at Hume."""
        self.queued.discard(job_id)
        self._left_queue.set()

    async def one_left_the_queue(self) -> None:
        """Wait until another job has left the queue."""
        self._left_queue.clear()
        await self._left_queue.wait()

    def accepted(self, job_id: str, works: Sequence[Work]) -> None:
        """A job was accepted: it is billed, and its end is awaited."""
        self.counts["sent"] += len(works)
        self.cost_usd += batch_cost_usd(works, self.settings.batch_prices)
        self.queued.add(job_id)
        self.poll_later(job_id)

    def poll_later(self, job_id: str, delay_s: float = 0.0) -> None:
        """Ask for the state of a job after a while: twice as long as the last time, with jitter, up to a cap."""
        grown_s = min(max(delay_s * 2, self.settings.poll_first_s), self.settings.poll_cap_s)
        due = asyncio.get_running_loop().time() + self._random.uniform(grown_s / 2, grown_s)
        heapq.heappush(self.polls, (due, grown_s, job_id))
        self.poll_added.set()

    def _check_finished(self) -> None:
        if self.counts["to_score"] or self.at_work:
            done = sum(self.loader.outcomes.values())
            detail = f"{len(self.queued)} jobs at Hume" if self.queued else ""
            self._progress.stage("score", done, self.counts["to_score"] if self._planned_all else None, detail)
        if self._planned_all and not self.at_work:
            self.finished.set()
