"""Put the answers of v1 into the lake: those to all uploads of a recording together, every row once, whatever kills the process.

As for v0 (``loading.py``): the ledger notes which load an answer goes into, the load is announced, each table is committed
once, the load is completed, the ledger learns of it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from humeanalytics.errors import UnreadableResponse
from humeanalytics.jobs import states, upload_states
from humeanalytics.jobs.bookkeeping import ROWS, Row, error_row, load_rows, roll_forward_rows, uri_of, utc
from humeanalytics.jobs.expression_answers import ANSWERED, Answer, Measured, add_measured, answer_of, measured
from humeanalytics.jobs.expression_scoring import FLOW
from humeanalytics.jobs.ledger import Ledger, now
from humeanalytics.jobs.ledger_uploads import LedgerUpload
from humeanalytics.jobs.load_content import Known, LoadContent, known_scorings, load_id_of
from humeanalytics.jobs.work import LedgerJob, Work
from humeanalytics.lake.lake import Lake

#: Answers of so many bytes together, as they are kept, are a load: their rows take thirty times that of memory.
LOAD_BYTES = 4_000_000
#: So many jobs are read while their fingerprints are looked up together.
_READ_AT_ONCE = 64


class ExpressionLoader:
    """Loads the answers of v1 jobs. Not for several threads at once."""

    def __init__(self, lake: Lake, ledger: Ledger, *, run_id: str) -> None:
        self._lake, self._ledger, self._run_id = lake, ledger, run_id
        self.rows_loaded: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.known_again = 0
        self.faces_unmeasured = 0
        self.parts_failed = 0
        self.messages: list[tuple[str | None, str]] = []
        #: What is odd about recordings that were scored all the same.
        self.oddities: list[tuple[str | None, str]] = []

    def recover(self) -> None:
        """Roll forward the loads that a killed run left unfinished."""
        unfinished: dict[str, list[LedgerJob]] = {}
        for job in self._ledger.jobs(states.RECEIVED, api=FLOW):
            if job.load_id is not None:
                unfinished.setdefault(job.load_id, []).append(job)
        for load_id, jobs in unfinished.items():
            self._load(load_id, jobs)
        for pending in self._lake.loads.pending(flow=FLOW):
            if pending.members.get("kind") == ROWS:
                roll_forward_rows(self._lake, pending)

    def load(self, job_ids: Sequence[str]) -> None:
        """Load the answers of some received jobs, as few loads as memory allows; and the errors of jobs that ended badly."""
        self._load_bad_ends()
        jobs = [job for job_id in job_ids if (job := self._ledger.job(job_id)).state == states.RECEIVED]
        for batch in self._batches(jobs):
            load_id = load_id_of((), (job.job_id for job in batch))
            self._ledger.assign_load(load_id, [job.job_id for job in batch])
            self._load(load_id, batch)

    def _tell(self, errors: Sequence[Row]) -> None:
        for row in errors:
            (self.oddities if row["error"] == NOTED else self.messages).append((row["uri"], row["message"]))

    def note_uploads(self) -> None:
        """Tell the table ``uploads`` of requests that are in no load: refused, lost, or of recordings that are not complete."""
        uploads = self._ledger.uploads_to_note()
        rows = [self._upload_row(upload) for upload in uploads]
        load_rows(self._lake, {"uploads": rows}, flow=FLOW, run_id=self._run_id)
        self._ledger.set_noted([upload.upload_id for upload in uploads])

    def _batches(self, jobs: Sequence[LedgerJob]) -> Iterator[list[LedgerJob]]:
        batch: list[LedgerJob] = []
        size_bytes = 0
        for job in jobs:
            of_job = sum(self._lake.raw.file(response_id).stat().st_size for response_id in self._responses(job.job_id))
            if batch and size_bytes + of_job > LOAD_BYTES:
                yield batch
                batch, size_bytes = [], 0
            batch.append(job)
            size_bytes += of_job
        if batch:
            yield batch

    def _responses(self, job_id: str) -> list[str]:
        return [u.response_id for u in self._ledger.uploads_of(job_id) if u.state in ANSWERED and u.response_id]

    def _load(self, load_id: str, jobs: Sequence[LedgerJob]) -> None:
        load, errors = LoadContent(), list[Row]()
        # Rows of a load that was already half committed must come out the same: what this very load has in the lake
        # does not count as known. Pending loads are hidden, so it is not seen; a complete one is not made again.
        done = self._lake.loads.is_complete(load_id)
        answered: dict[str, set[int]] = {}
        known: Known = {}
        for start in range(0, len(jobs), _READ_AT_ONCE):
            read = [(job, self._ledger.uploads_of(job.job_id)) for job in jobs[start : start + _READ_AT_ONCE]]
            found = [(job, of) for job, uploads in read if not done for of in self._read(errors, job, uploads)]
            known = known_scorings(self._lake, [each for _, of in found for each in of.fingerprints]) | known
            for job, of in found:
                self.faces_unmeasured += of.faces_unmeasured
                self.known_again += add_measured(load, of, self._ledger.works(job.job_id), known, load_id=load_id)
                answered.setdefault(job.job_id, set()).update(of.positions)
            for job, uploads in read:
                errors += self._errors(job, uploads)
            load.compact()
        if not done:
            tables = load.tables(load_id)
            members = {"kind": "answers", "jobs": [job.job_id for job in jobs]}
            counts = self._lake.loads.commit_all(load_id, flow=FLOW, run_id=self._run_id, members=members, tables=tables)
            self.rows_loaded.update(load.scored(counts))
        # Apart from the answers, whose tables can be made again from raw/: what went wrong on the way is not in there.
        load_rows(self._lake, {"errors": errors}, flow=FLOW, run_id=self._run_id)
        self._tell(errors)
        with self._ledger.at_once():
            for job in jobs:
                self._settle(load_id, job, self._positions(job.job_id) if done else answered.get(job.job_id, set()))

    def _read(self, errors: list[Row], job: LedgerJob, uploads: Sequence[LedgerUpload]) -> list[Measured]:
        """Read what was measured of a job, by model. What cannot be read is an error."""
        read = []
        for model in ("audio", "video"):
            of_model = [u for u in uploads if u.model == model and u.state in ANSWERED and u.response_id]
            try:
                if of_model:
                    read.append(measured([answer_of(self._lake.raw, str(u.response_id), self._meta(u)) for u in of_model]))
            except UnreadableResponse as error:
                errors.append(self._error(job, None, "flatten", "UnreadableResponse", str(error), model))
        return read

    def _meta(self, upload: LedgerUpload) -> Mapping[str, Any]:
        metas = self._lake.raw.metas(upload.response_id or "")
        return next((meta for meta in metas if meta.get("upload_id") == upload.upload_id), metas[0])

    def _positions(self, job_id: str) -> set[int]:
        """The positions of the works of a job that were answered, by what stands beside the answers."""
        positions: set[int] = set()
        for upload in self._ledger.uploads_of(job_id):
            if upload.state in ANSWERED and upload.response_id:
                positions |= Answer.positions_in(self._meta(upload))
        return positions

    def _settle(self, load_id: str, job: LedgerJob, positions: set[int]) -> None:
        works = self._ledger.works(job.job_id)
        outcomes = [(work.position, "done" if work.position in positions else "failed", None) for work in works]
        self._ledger.set_outcomes(job.job_id, outcomes)
        self._ledger.settle_uploads([job.job_id])
        if self._ledger.job(job.job_id).state == states.RECEIVED:
            self._ledger.move(job.job_id, states.LOADED, self._run_id, loaded_at=now(), load_id=load_id)
        self.outcomes.update(outcome for _, outcome, _ in outcomes)

    # ------------------------------------------------------------------------------------------------ errors
    def _load_bad_ends(self) -> None:
        jobs = self._ledger.jobs_with_unwritten_errors(FLOW)
        rows = [row for job in jobs for row in self._errors(job, self._ledger.uploads_of(job.job_id))]
        load_id = load_rows(self._lake, {"errors": rows}, flow=FLOW, run_id=self._run_id)
        self._tell(rows)
        for job in jobs:
            self.outcomes["failed"] += len(self._ledger.works(job.job_id))
        self._ledger.assign_load(load_id or "", [job.job_id for job in jobs])

    def _errors(self, job: LedgerJob, uploads: Sequence[LedgerUpload]) -> list[Row]:
        """Whatever of a job could not be prepared, was refused, or had an answer of no use; and what is odd about it."""
        works = {work.position: work for work in self._ledger.works(job.job_id)}
        rows: list[Row] = []
        for upload in uploads:
            if upload.state != upload_states.FAILED:
                continue
            self.parts_failed += 1
            work = works[upload.position if upload.position is not None else 0]
            stage, kind = _kind_of(upload)
            rows.append(self._error(job, work, stage, kind, upload.message or "", upload.model))
        if job.state in states.ENDED_BADLY and job.message and not rows:
            rows += [self._error(job, work, "plan", "UnreadableRecording", job.message, None) for work in works.values()]
        elif job.message and job.state not in states.ENDED_BADLY:
            only = works[0] if len(works) == 1 else None
            rows.append(self._error(job, only, "plan", NOTED, job.message, None))
        return rows

    def _error(self, job: LedgerJob, work: Work | None, stage: str, kind: str, message: str, model: str | None) -> Row:
        return error_row(
            stage=stage,
            message=message,
            error=kind,
            run_id=self._run_id,
            api=FLOW,
            uri=uri_of(work.uri) if work else None,
            recording_id=work.recording_id if work else None,
            hume_job_id=None,
            model=model,
        )

    def _upload_row(self, upload: LedgerUpload) -> Row:
        job, works = self._ledger.job(upload.job_id), self._ledger.works(upload.job_id)
        of = [work.recording_id for work in works if len(works) == 1 or work.position == upload.position]
        only = of[0] if of else None
        return row_of_ledger(upload, job, only)


#: Kind of an "error" that only says what is odd about a recording that was scored.
NOTED = "RecordingNote"


def _kind_of(upload: LedgerUpload) -> tuple[str, str]:
    if not upload.was_sent:
        return "plan", "UnreadableRecording"
    if upload.response_id is not None:
        return "flatten", "UnreadableResponse"
    return "submit", "RequestRejected"


def row_of_ledger(upload: LedgerUpload, job: LedgerJob, recording_id: str | None) -> Row:
    """Return the row of ``uploads`` for a request that is in no load, as the ledger knows it."""
    placed = json.loads(upload.placement_json or "{}")
    is_audio = upload.model == "audio"
    told = {upload_states.RECEIVED: "received", upload_states.FAILED: "rejected"}
    duration_ms = placed.get("duration_ms")
    return {
        "upload_id": upload.upload_id,
        "recording_id": recording_id,
        "scoring_id": None,
        "run_id": upload.run_id,
        "origin": job.origin,
        "model": upload.model,
        "settings_id": job.settings_id,
        "state": told.get(upload.state, "unknown"),
        "channel": upload.channel,
        "chunk": placed.get("chunk", 0),
        "offset_s": placed.get("offset_ms", 0) / 1000 if is_audio else None,
        "duration_s": None if duration_ms is None else duration_ms / 1000,
        "begins": placed.get("begins", "recording") if is_audio else None,
        "ends": placed.get("ends", "recording") if is_audio else None,
        "frames": upload.images,
        "face_chain": None if is_audio else placed.get("face_chain", 0),
        "size_bytes": upload.size_bytes,
        "sha256": upload.sha256,
        "sent_at": utc(upload.intent_at),
        "answered_at": utc(upload.answered_at),
        "status": upload.status,
        "error_code": upload.error_code,
        "hume_run_id": upload.hume_run_id,
        "hume_request_id": upload.hume_request_id,
        "response_id": upload.response_id,
        "received_s": None if upload.received_ms is None else upload.received_ms / 1000,
        "received_frames": upload.received_frames,
        "billed": upload.billed,
        "billed_s": 0.0 if upload.billed == "no" else upload.billed_s,
        "metered_s": upload.metered_s,
        "noted_at": datetime.now(UTC),
        "other_json": None,
    }
