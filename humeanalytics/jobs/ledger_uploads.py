"""What the ledger remembers of uploads to v1: each before its first byte goes out, and what came of it."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from humeanalytics.jobs import states, upload_states
from humeanalytics.jobs.ledger_file import now
from humeanalytics.jobs.ledger_found import FilesFound


@dataclass(frozen=True, slots=True)
class Place:
    """Which of a job's uploads one is: a chunk of a channel's sound, or so many images of a pack from the ``first`` on."""

    model: str
    channel: int | None
    part: int
    first: int = 0
    images: int | None = None

    def halves(self) -> tuple[Place, Place]:
        """Return the two uploads that a pack which was refused goes on as."""
        assert self.images is not None
        half = self.images // 2
        of = (self.model, self.channel, self.part)
        return Place(*of, self.first, half), Place(*of, self.first + half, self.images - half)


@dataclass(frozen=True, slots=True)
class LedgerUpload:
    """One upload as the ledger knows it. Times are ISO 8601 in UTC; ``*_server_ms`` are by the service's clock."""

    upload_id: str
    job_id: str
    run_id: str
    state: str
    model: str
    channel: int | None
    part: int
    first: int
    images: int | None
    position: int | None
    sha256: str | None
    size_bytes: int | None
    placement_json: str | None
    intent_at: str | None
    intent_server_ms: int | None
    lost_server_ms: int | None
    answered_at: str | None
    status: int | None
    error_code: str | None
    message: str | None
    response_id: str | None
    hume_run_id: str | None
    hume_request_id: str | None
    received_ms: int | None
    received_frames: int | None
    face_state: str | None
    billed: str | None
    billed_s: float | None
    metered_s: float | None
    other_json: str | None

    @property
    def place(self) -> Place:
        return Place(self.model, self.channel, self.part, self.first, self.images)

    @property
    def was_sent(self) -> bool:
        """Whether it ever was a request. What could not be prepared was none."""
        return self.intent_at is not None


_COLUMNS = ", ".join(LedgerUpload.__slots__)
_NOTE = "state || ' ' || coalesce(billed, '') || ' ' || coalesce(metered_s, '')"


class Uploads(FilesFound):
    """The part of a ledger that knows uploads."""

    # ------------------------------------------------------------------------------------------------ writing
    def journal_upload(self, job_id: str, place: Place, run_id: str, **facts: Any) -> str:
        """Write, durably, that an upload is about to go out; return its id. Its job counts as sent from now on.

        An earlier upload of the same place that was planned is this one; one whose answer was lost is superseded by it.

        Raises:
            IllegalMove: The upload at this place has been answered already.
        """
        with self._transaction():
            before = self._at(job_id, place)
            if before is not None and before[1] == upload_states.UNKNOWN:
                self._set(before[0], upload_states.RESENT, {})
                before = None
            if before is None:
                upload_id = uuid.uuid4().hex
                self._insert(upload_id, job_id, place, run_id, upload_states.PLANNED)
            else:
                upload_id = before[0]
            self._set(upload_id, upload_states.INTENT, {"run_id": run_id, **facts})
            if self._one("SELECT state FROM jobs WHERE job_id = ?", job_id) == states.PLANNED:
                self._db.execute("UPDATE jobs SET state = ?, intent_at = ? WHERE job_id = ?", (states.INTENT, now(), job_id))
                self._db.execute("INSERT INTO moves VALUES (?, ?, ?, ?, ?)", (job_id, now(), states.INTENT, run_id, None))
            return upload_id

    def record_unusable(self, job_id: str, place: Place, run_id: str, message: str, position: int | None) -> None:
        """Write why a part of a recording, or all its sound or pictures, cannot be sent at all."""
        with self._transaction():
            if self._at(job_id, place) is None:
                upload_id = uuid.uuid4().hex
                self._insert(upload_id, job_id, place, run_id, upload_states.FAILED)
                facts = (message, position, "no", upload_id)
                self._db.execute("UPDATE uploads SET message = ?, position = ?, billed = ? WHERE upload_id = ?", facts)

    def move_upload(self, upload_id: str, to: str, **facts: Any) -> None:
        """Move an upload to another state and write ``facts`` of it, durably, in one transaction.

        Raises:
            IllegalMove: `upload_states.LEGAL_MOVES` does not have the move.
        """
        with self._transaction():
            self._set(upload_id, to, facts)

    def record_bill(self, upload_id: str, billed: str, metered_s: float | None, hume_run_id: str | None) -> None:
        """Write what the list of runs says of an upload whose answer was lost."""
        self._write(
            "UPDATE uploads SET billed = ?, metered_s = ?, hume_run_id = ? WHERE upload_id = ? AND state = ?",
            *(billed, metered_s, hume_run_id, upload_id, upload_states.UNKNOWN),
        )

    def settle_uploads(self, job_ids: Iterable[str]) -> None:
        """The answers to all uploads of some jobs are in the lake."""
        with self._transaction():
            self._db.executemany(
                "UPDATE uploads SET state = 'loaded', noted = 'loaded' WHERE job_id = ? AND state = 'received'",
                ((each,) for each in job_ids),
            )

    def set_noted(self, upload_ids: Iterable[str]) -> None:
        """The table ``uploads`` of the lake was told of these as they are."""
        with self._transaction():
            self._db.executemany(f"UPDATE uploads SET noted = {_NOTE} WHERE upload_id = ?", ((each,) for each in upload_ids))

    def _at(self, job_id: str, place: Place) -> tuple[str, str] | None:
        found: tuple[str, str] | None = self._db.execute(
            "SELECT upload_id, state FROM uploads WHERE job_id = ? AND model = ? AND coalesce(channel, -1) = coalesce(?, -1) "
            "AND part = ? AND first = ? AND coalesce(images, -1) = coalesce(?, -1) AND state <> 'resent'",
            (job_id, place.model, place.channel, place.part, place.first, place.images),
        ).fetchone()
        return found

    def _insert(self, upload_id: str, job_id: str, place: Place, run_id: str, state: str) -> None:
        self._db.execute(
            "INSERT INTO uploads (upload_id, job_id, run_id, state, model, channel, part, first, images) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (upload_id, job_id, run_id, state, place.model, place.channel, place.part, place.first, place.images),
        )

    def _set(self, upload_id: str, to: str, facts: dict[str, Any]) -> None:
        state = self._one("SELECT state FROM uploads WHERE upload_id = ?", upload_id)
        states.check_move(f"upload {upload_id}", state, to, upload_states.LEGAL_MOVES)
        assignments = ", ".join(f"{name} = ?" for name in ("state", *facts))
        self._db.execute(f"UPDATE uploads SET {assignments} WHERE upload_id = ?", (to, *facts.values(), upload_id))

    # ------------------------------------------------------------------------------------------------ questions
    def upload(self, upload_id: str) -> LedgerUpload:
        return self._uploads("upload_id = ?", upload_id)[0]

    def uploads_of(self, job_id: str) -> list[LedgerUpload]:
        """Return the uploads of a job in the order of its parts; those that were sent again first."""
        return self._uploads("job_id = ?", job_id)

    def uploads_in(self, *in_states: str, origin: str) -> list[LedgerUpload]:
        """Return all uploads to one origin in some states, oldest first."""
        marks = ",".join("?" * len(in_states))
        found = self._uploads(f"state IN ({marks}) AND job_id IN (SELECT job_id FROM jobs WHERE origin = ?)", *in_states, origin)
        return sorted(found, key=lambda upload: (upload.intent_server_ms or 0, upload.upload_id))

    def uploads_to_note(self) -> list[LedgerUpload]:
        """Requests whose state or bill is another than the lake was last told. A loaded one is told of by its load."""
        return self._uploads(
            "state IN ('received', 'failed', 'unknown', 'resent') AND intent_at IS NOT NULL AND noted IS NOT (" + _NOTE + ")"
        )

    def uploads_of_run(self, run_id: str) -> Counter[str]:
        """Requests by state, of those that a run sent."""
        rows = self._db.execute(
            "SELECT state, count(*) FROM uploads WHERE run_id = ? AND intent_at IS NOT NULL GROUP BY state", (run_id,)
        )
        return Counter(dict(rows.fetchall()))

    def billed_twice(self, origin: str) -> tuple[int, float]:
        """Uploads that were lost and sent again, without it being certain that the first was free; and their seconds."""
        row = self._db.execute(
            "SELECT count(*), coalesce(sum(coalesce(metered_s, billed_s)), 0) FROM uploads WHERE state = 'resent' "
            "AND billed IS NOT 'no' AND job_id IN (SELECT job_id FROM jobs WHERE origin = ?)",
            (origin,),
        ).fetchone()
        return int(row[0]), float(row[1])

    def hume_runs_known(self, hume_run_ids: Iterable[str]) -> set[str]:
        """Which of some runs of Hume's are known to be those of our uploads."""
        return {
            each for each in hume_run_ids if self._one("SELECT 1 FROM uploads WHERE hume_run_id = ? LIMIT 1", each) is not None
        }

    def file_state(self, uri: str) -> tuple[str | None, int | None, int | None, str | None] | None:
        """Of a file that was found: recording id, size, time of change in ns, why it is excluded."""
        found: tuple[str | None, int | None, int | None, str | None] | None = self._db.execute(
            "SELECT recording_id, size_bytes, mtime_ns, excluded_reason FROM files WHERE uri = ?", (uri,)
        ).fetchone()
        return found

    def _uploads(self, where: str, *parameters: Any) -> list[LedgerUpload]:
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM uploads WHERE {where} "
            "ORDER BY model, channel, part, first, state <> 'resent', intent_at, upload_id",
            parameters,
        )
        return [LedgerUpload(*row) for row in rows]
