"""Put received answers into the lake: flatten, tie, commit; every row once, whatever kills the process.

The order is what makes that true. The ledger notes which load each answer goes into; the load is announced in the lake;
each table is committed, which happens once however often it is tried; the load is completed; the ledger learns of it.
A run that finds answers with a load noted goes on from wherever the last one stopped, with the very same load.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from humeanalytics.errors import UnreadableResponse
from humeanalytics.jobs import states
from humeanalytics.jobs.answers import Outcome
from humeanalytics.jobs.bookkeeping import ROWS, Row, error_row, load_rows, roll_forward_rows, uri_of, utc
from humeanalytics.jobs.ledger import Ledger, now
from humeanalytics.jobs.load_content import Answered, Known, LoadContent, add_job, known_scorings, load_id_of
from humeanalytics.jobs.work import LedgerJob, Work
from humeanalytics.lake.lake import Lake
from humeanalytics.tables.batch import flatten_predictions
from humeanalytics.tables.flattened import Flattened

#: So many answers are held one by one while their fingerprints are looked up together.
_READ_AT_ONCE = 16


class AnswerLoader:
    """Loads the answers of one flow's jobs. Not for several threads at once."""

    def __init__(self, lake: Lake, ledger: Ledger, *, flow: str, run_id: str) -> None:
        self._lake, self._ledger, self._flow, self._run_id = lake, ledger, flow, run_id
        self.rows_loaded: Counter[str] = Counter()
        self.scores_rounded = 0
        self.names_doubled = 0
        self.outcomes: Counter[str] = Counter()
        self.known_again = 0
        self.messages: list[tuple[str | None, str]] = []

    def recover(self) -> None:
        """Roll forward the loads that a killed run left unfinished."""
        unfinished: dict[str, list[LedgerJob]] = {}
        for job in self._ledger.jobs(states.RECEIVED, api=self._flow):
            if job.load_id is not None:
                unfinished.setdefault(job.load_id, []).append(job)
        for load_id, jobs in unfinished.items():
            self._load(load_id, jobs)
        for pending in self._lake.loads.pending(flow=self._flow):
            if pending.members.get("kind") == ROWS:
                roll_forward_rows(self._lake, pending)

    def load(self, jobs: Sequence[LedgerJob]) -> None:
        """Load the answers of some received jobs, as one load; and the errors of jobs that ended badly, as another."""
        self._load_bad_ends()
        if not jobs:
            return
        load_id = load_id_of((job.response_id or "" for job in jobs), (job.job_id for job in jobs))
        self._ledger.assign_load(load_id, [job.job_id for job in jobs])
        self._load(load_id, jobs)

    def _load_bad_ends(self) -> None:
        jobs = self._ledger.jobs_with_unwritten_errors(self._flow)
        rows = [row for job in jobs for row in self._bad_end(job)]
        load_id = load_rows(self._lake, {"errors": rows}, flow=self._flow, run_id=self._run_id)
        self.messages += [(row["uri"], row["message"]) for row in rows]
        # Where there is nothing to tell (a job that went on in parts), that is told.
        self._ledger.assign_load(load_id or "", [job.job_id for job in jobs])

    def _load(self, load_id: str, jobs: Sequence[LedgerJob]) -> None:
        load, outcomes, unreadable = LoadContent(), [], []
        # Rows of a load that was already half committed must come out the same: what this very load has in the lake
        # does not count as known. Pending loads are hidden, so it is not seen; a complete one is not made again.
        done = self._lake.loads.is_complete(load_id)
        known: Known = {}
        for start in range(0, len(jobs), _READ_AT_ONCE):
            read: list[tuple[LedgerJob, Answered, Flattened]] = []
            for job in jobs[start : start + _READ_AT_ONCE]:
                works = tuple(self._ledger.works(job.job_id))
                try:
                    read.append((job, *self._read(job, works)))
                except UnreadableResponse as error:
                    unreadable.append((job, str(error)))
                    for work in works:
                        load.add("errors", self._error_of(job, work, "flatten", str(error)))
            if not done:
                known = known_scorings(self._lake, [a.fingerprint for _, _, flat in read for a in flat.answers]) | known
            for job, answered, flattened in read:
                self.scores_rounded += flattened.scores_rounded
                self.names_doubled += flattened.names_doubled
                of_job, again = add_job(load, answered, flattened, known, load_id=load_id, run_id=self._run_id)
                self.known_again += again
                outcomes.append((job, of_job))
            load.compact()
        if not done:
            tables = load.tables(load_id)
            members = {"kind": "answers", "jobs": [job.job_id for job in jobs], "responses": [j.response_id for j in jobs]}
            counts = self._lake.loads.commit_all(load_id, flow=self._flow, run_id=self._run_id, members=members, tables=tables)
            self.rows_loaded.update(load.scored(counts))
        self.messages += [(row["uri"], row["message"]) for row in load.rows.get("errors", ())]
        self._settle(load_id, outcomes, unreadable)

    def _settle(
        self, load_id: str, outcomes: Sequence[tuple[LedgerJob, Sequence[Outcome]]], unreadable: Sequence[tuple[LedgerJob, str]]
    ) -> None:
        for job, of_job in outcomes:
            self._ledger.set_outcomes(
                job.job_id, ((o.work.position, "done" if o.done else "failed", "; ".join(o.messages) or None) for o in of_job)
            )
            if self._ledger.job(job.job_id).state == states.RECEIVED:
                self._ledger.move(job.job_id, states.LOADED, self._run_id, loaded_at=now(), load_id=load_id)
            self.outcomes.update("done" if o.done else "failed" for o in of_job)
        for job, message in unreadable:
            if self._ledger.job(job.job_id).state == states.RECEIVED:
                self._ledger.move(job.job_id, states.FAILED, self._run_id, why=message, load_id=load_id)
            self.outcomes["failed"] += len(self._ledger.works(job.job_id))

    def _read(self, job: LedgerJob, works: tuple[Work, ...]) -> tuple[Answered, Flattened]:
        assert job.response_id is not None
        meta: dict[str, Any] = dict(self._lake.raw.meta(job.response_id))
        with self._lake.raw.open(job.response_id) as stream:
            flattened = flatten_predictions(stream, name=f"the predictions of job {job.hume_job_id}")
        answered = Answered(
            response_id=job.response_id,
            api=job.api,
            origin=job.origin,
            kind="predictions",
            uri=str(meta.get("uri", "")),
            settings_id=job.settings_id,
            hume_job_id=job.hume_job_id,
            scored_at=utc(job.ended_at),
            received_at=utc(job.received_at),
            size_bytes=int(meta.get("size_bytes", 0)),
            raw_path=meta.get("path"),
            works=works,
        )
        return answered, flattened

    def _bad_end(self, job: LedgerJob) -> list[Row]:
        if not self._ledger.claims_of(job.job_id):
            return []  # refused as a whole and sent again in parts: the parts tell
        stage = "submit" if job.state == states.REJECTED else "score"
        return [self._error_of(job, work, stage, job.message or job.state) for work in self._ledger.works(job.job_id)]

    def _error_of(self, job: LedgerJob, work: Work, stage: str, message: str) -> Row:
        kind = {"submit": "RequestRejected", "flatten": "UnreadableResponse"}.get(stage, "ScoringFailed")
        return error_row(
            stage=stage,
            message=message,
            error=kind,
            run_id=self._run_id,
            api=job.api,
            uri=uri_of(work.uri),
            recording_id=work.recording_id,
            hume_job_id=job.hume_job_id,
        )
