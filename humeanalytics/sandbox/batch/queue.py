"""The queue: which job is scored when, and how it ends."""

from __future__ import annotations

import heapq
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count

from humeanalytics.sandbox.batch.callbacks import deliver
from humeanalytics.sandbox.batch.store import JobStore
from humeanalytics.sandbox.batch.work import Counts, Plan, Stopped, decode_plan, run_job
from humeanalytics.sandbox.clock import Clock
from humeanalytics.sandbox.options import SandboxOptions

_log = logging.getLogger(__name__)


class JobQueue:
    """Take accepted jobs through their states, some at a time, by the sandbox's clock.

    A scheduler thread keeps what is due when; worker threads score. Only job ids wait here, never their bytes.
    """

    def __init__(self, store: JobStore, clock: Clock, seed: int, options: SandboxOptions) -> None:
        self._store = store
        self._clock = clock
        self._seed = seed
        self._options = options
        self._wake = threading.Condition()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._closing = False
        self._workers = ThreadPoolExecutor(options.workers, "sandbox-worker")
        self._callers = ThreadPoolExecutor(2, "sandbox-callback")
        self._scheduler = threading.Thread(target=self._schedule, name="sandbox-scheduler", daemon=True)

    def open(self) -> None:
        """Start, with the jobs that an earlier sandbox left unfinished."""
        self._clock.on_advance(self._notify)
        for job_id, created_ms in self._store.unfinished():
            self.add(job_id, created_ms)
        self._scheduler.start()

    def close(self) -> None:
        """Stop: jobs under way are given up where they are, to be begun again by the next sandbox on this state."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._scheduler.join()
        self._workers.shutdown(wait=True, cancel_futures=True)
        self._callers.shutdown(wait=True, cancel_futures=True)

    def add(self, job_id: str, created_ms: int) -> None:
        """Put an accepted job into the queue."""
        self._at(created_ms / 1000 + self._options.queue_s, lambda: self._enqueue(job_id))

    def _at(self, due_s: float, action: Callable[[], None]) -> None:
        with self._wake:
            heapq.heappush(self._due, (due_s, next(self._order), action))
            self._wake.notify()

    def _notify(self) -> None:
        with self._wake:
            self._wake.notify()

    def _schedule(self) -> None:
        while True:
            with self._wake:
                wait_s = self._due[0][0] - self._clock.now_s() if self._due else None
                while not self._closing and (wait_s is None or wait_s > 0):
                    self._wake.wait(None if wait_s is None else min(wait_s, 3600))
                    wait_s = self._due[0][0] - self._clock.now_s() if self._due else None
                if self._closing:
                    return
                _, _, action = heapq.heappop(self._due)
            try:
                action()
            except Exception:  # one job must not stop the others
                _log.exception("The sandbox's queue met an error.")

    def _enqueue(self, job_id: str) -> None:
        self._workers.submit(self._run, job_id)

    def _check(self) -> None:
        if self._closing:
            raise Stopped

    def _run(self, job_id: str) -> None:
        try:
            self._check()
            plan = decode_plan(self._store.plan(job_id))
            if plan.faults.stuck == "QUEUED":
                return
            started_ms = self._clock.now_ms()
            self._store.start(job_id, started_ms)
            if plan.faults.stuck == "IN_PROGRESS":
                return
            message, counts = plan.faults.fail_job, None
            if message is None:
                try:
                    counts = self._work(job_id, plan)
                except Exception as error:
                    _log.exception("Sandbox job %s failed.", job_id)
                    message = f"internal error: {error}"
            callback_url = plan.callback_url
            self._at(started_ms / 1000 + self._options.run_s, lambda: self._end(job_id, callback_url, counts, message))
        except Stopped:
            return

    def _work(self, job_id: str, plan: Plan) -> Counts:
        store = self._store
        paths = store.upload_path(job_id), store.predictions_path(job_id), store.artifacts_path(job_id)
        return run_job(plan, *paths, self._seed, self._options, self._check)

    def _end(self, job_id: str, callback_url: str | None, counts: Counts | None, message: str | None) -> None:
        now_ms = self._clock.now_ms()
        if counts is None:
            self._store.fail(job_id, now_ms, message or "")
        else:
            self._store.complete(job_id, now_ms, counts.num_predictions, counts.num_errors)
        if callback_url is not None:
            predictions = None if counts is None else self._store.predictions_path(job_id)
            self._callers.submit(deliver, callback_url, job_id, predictions, message, self._check)
