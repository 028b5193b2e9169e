"""The ledger: what was found, what was sent, what came of it. The only place that knows its SQLite file."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from humeanalytics.jobs import states
from humeanalytics.jobs.ledger_file import now
from humeanalytics.jobs.ledger_uploads import Uploads
from humeanalytics.jobs.work import LedgerJob, Work

__all__ = ["LEDGER_FILE", "Ledger", "now"]

LEDGER_FILE = "ledger.sqlite"
_JOB_COLUMNS = ", ".join(LedgerJob.__slots__)
_WORK_COLUMNS = "position, kind, recording_id, uri, sent_name, md5, size_bytes, media_type, duration_s, parts_json, outcome"


def _work(row: Sequence[Any]) -> Work:
    facts = dict(zip(_WORK_COLUMNS.split(", "), row, strict=True))
    parts_json = facts.pop("parts_json")
    return Work(**facts, parts=json.loads(parts_json) if parts_json else {})


class Ledger(Uploads):
    """The memory of one lake's submissions. Open with `Ledger.open`; use as a context manager."""

    # ------------------------------------------------------------------------------------------------ what was sent
    def record_settings(self, settings_id: str, api: str, canonical_json: str) -> None:
        self._write("INSERT OR IGNORE INTO settings VALUES (?, ?, ?)", settings_id, api, canonical_json)

    def knows_settings(self, settings_id: str) -> bool:
        return self._one("SELECT 1 FROM settings WHERE settings_id = ?", settings_id) is not None

    def settings_json(self, settings_id: str) -> str:
        found = self._one("SELECT canonical_json FROM settings WHERE settings_id = ?", settings_id)
        return str(found)

    def plan_job(self, works: Sequence[Work], *, api: str, origin: str, settings_id: str, run_id: str) -> str:
        """Write a job that is about to be sent. Plans of earlier runs for the same recordings give way: they never left.

        Raises:
            sqlite3.IntegrityError: A recording is claimed by a job that has left ``planned``.
        """
        job_id = uuid.uuid4().hex
        with self._transaction():
            for work in works:
                self._db.execute(
                    "DELETE FROM work WHERE recording_id = ? AND settings_id = ? AND origin = ? AND api = ? AND claims = 1 "
                    "AND job_id IN (SELECT job_id FROM jobs WHERE state = 'planned')",
                    (work.recording_id, settings_id, origin, api),
                )
            self._db.execute("DELETE FROM jobs WHERE state = 'planned' AND job_id NOT IN (SELECT job_id FROM work)")
            self._db.execute(
                "INSERT INTO jobs (job_id, api, origin, settings_id, state, run_id, planned_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (job_id, api, origin, settings_id, states.PLANNED, run_id, now()),
            )
            self._insert_work(job_id, works, api, origin, settings_id)
            self._note_move(job_id, states.PLANNED, run_id, None)
        return job_id

    def _insert_work(self, job_id: str, works: Sequence[Work], api: str, origin: str, settings_id: str) -> None:
        self._db.executemany(
            "INSERT INTO work (job_id, api, origin, settings_id, position, kind, recording_id, uri, sent_name, md5, size_bytes, "
            "media_type, duration_s, parts_json) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (
                    *(job_id, api, origin, settings_id, w.position, w.kind, w.recording_id, w.uri, w.sent_name),
                    *(w.md5, w.size_bytes, w.media_type, w.duration_s, json.dumps(dict(w.parts)) if w.parts else None),
                )
                for w in works
            ),
        )

    def drop_planned(self, job_id: str) -> None:
        """Take back a plan that was never sent; its recordings can be planned again."""
        with self._transaction():
            self._db.execute(
                "DELETE FROM work WHERE job_id = ? AND job_id IN (SELECT job_id FROM jobs WHERE state = ?)",
                (job_id, states.PLANNED),
            )
            self._db.execute("DELETE FROM jobs WHERE job_id = ? AND state = ?", (job_id, states.PLANNED))

    def move(self, job_id: str, to: str, run_id: str, *, why: str | None = None, **fields: Any) -> None:
        """Move a job to another state and write ``fields`` of it, durably, in one transaction.

        Raises:
            IllegalMove: `states.LEGAL_MOVES` does not have the move.
        """
        with self._transaction():
            state = self._one("SELECT state FROM jobs WHERE job_id = ?", job_id)
            states.check_move(job_id, state, to)
            fields["state"] = to
            if why is not None:
                fields["message"] = why
            assignments = ", ".join(f"{name} = ?" for name in fields)
            self._db.execute(f"UPDATE jobs SET {assignments} WHERE job_id = ?", (*fields.values(), job_id))
            self._note_move(job_id, to, run_id, why)

    def _note_move(self, job_id: str, state: str, run_id: str, why: str | None) -> None:
        self._db.execute("INSERT INTO moves VALUES (?, ?, ?, ?, ?)", (job_id, now(), state, run_id, why))

    def set_outcomes(self, job_id: str, outcomes: Iterable[tuple[int, str, str | None]]) -> None:
        """Write what came of each recording of a job: (position, ``done`` or ``failed``, message)."""
        with self._transaction():
            self._db.executemany(
                "UPDATE work SET outcome = ?, message = ? WHERE job_id = ? AND position = ?",
                ((outcome, message, job_id, position) for position, outcome, message in outcomes),
            )

    def assign_load(self, load_id: str | None, job_ids: Iterable[str]) -> None:
        """Note which load the answers of some jobs go into, before it is announced: a killed run finds it by this."""
        with self._transaction():
            self._db.executemany("UPDATE jobs SET load_id = ? WHERE job_id = ?", ((load_id, job_id) for job_id in job_ids))

    def release(self, *, api: str, origin: str, settings_id: str, also_done: bool) -> int:
        """Give up the word on recordings of the last `look_up`, so that they are planned again.

        Those that ended badly (``--retry-failed``), or with ``also_done`` all that ended (``--force``); never one that
        may be under way.
        """
        return self._write(
            """
            UPDATE work SET claims = 0
            WHERE claims = 1 AND api = ? AND origin = ? AND settings_id = ?
              AND recording_id IN (SELECT f.recording_id FROM temp.seen AS s JOIN files AS f USING (uri))
              AND job_id IN (SELECT job_id FROM jobs WHERE state IN ('rejected', 'failed', 'gone', 'loaded'))
              AND (? OR outcome = 'failed' OR job_id IN (SELECT job_id FROM jobs WHERE state IN ('rejected', 'failed', 'gone')))
            """,
            *(api, origin, settings_id, also_done),
        )

    def release_job(self, job_id: str) -> None:
        """Give up the word of one job on its recordings: it was refused as a whole and goes on in parts."""
        self._write("UPDATE work SET claims = 0 WHERE job_id = ?", job_id)

    # ------------------------------------------------------------------------------------------------ questions
    def job(self, job_id: str) -> LedgerJob:
        return LedgerJob(*self._db.execute(f"SELECT {_JOB_COLUMNS} FROM jobs WHERE job_id = ?", (job_id,)).fetchone())

    def jobs(self, *in_states: str, api: str, origin: str | None = None) -> list[LedgerJob]:
        """Return the jobs in some states, oldest first."""
        marks = ",".join("?" * len(in_states))
        rows = self._db.execute(
            f"SELECT {_JOB_COLUMNS} FROM jobs WHERE api = ? AND (? IS NULL OR origin = ?) AND state IN ({marks}) "
            "ORDER BY planned_at, job_id",
            (api, origin, origin, *in_states),
        )
        return [LedgerJob(*row) for row in rows]

    def jobs_of(self, recording_ids: Iterable[str], job_id: str) -> list[LedgerJob]:
        """Return the jobs that hold any of some recordings, and the one of an id, ours or Hume's."""
        ids = list(recording_ids)
        rows = self._db.execute(
            f"SELECT {_JOB_COLUMNS} FROM jobs WHERE job_id = ? OR hume_job_id = ? OR job_id IN "
            f"(SELECT job_id FROM work WHERE recording_id IN ({','.join('?' * len(ids))})) ORDER BY planned_at",
            (job_id, job_id, *ids),
        )
        return [LedgerJob(*row) for row in rows]

    def jobs_with_unwritten_errors(self, api: str) -> list[LedgerJob]:
        """Jobs that ended badly and whose errors are in no load yet."""
        return [job for job in self.jobs(*states.ENDED_BADLY, api=api) if job.load_id is None]

    def works(self, job_id: str) -> list[Work]:
        """Return what a job holds, by position."""
        rows = self._db.execute(f"SELECT {_WORK_COLUMNS} FROM work WHERE job_id = ? ORDER BY position", (job_id,))
        return [_work(row) for row in rows]

    def claims_of(self, job_id: str) -> bool:
        return bool(self._one("SELECT max(claims) FROM work WHERE job_id = ?", job_id))

    def hume_ids(self, *, api: str, origin: str) -> set[str]:
        """Hume's ids of all jobs this ledger knows: what `reconcile` must not adopt."""
        rows = self._db.execute(
            "SELECT hume_job_id FROM jobs WHERE api = ? AND origin = ? AND hume_job_id IS NOT NULL", (api, origin)
        )
        return {row[0] for row in rows}

    def last_origin(self, api: str) -> str | None:
        """Where the newest job of an API was sent."""
        found = self._one("SELECT origin FROM jobs WHERE api = ? ORDER BY planned_at DESC LIMIT 1", api)
        return None if found is None else str(found)

    def counts(self, api: str | None = None) -> dict[str, int]:
        """Jobs by state."""
        rows = self._db.execute("SELECT state, count(*) FROM jobs WHERE ? IS NULL OR api = ? GROUP BY state", (api, api))
        return dict(rows.fetchall())

    def counts_of_run(self, run_id: str) -> dict[str, int]:
        """Jobs by state, of those that a run had to do with."""
        rows = self._db.execute(
            "SELECT state, count(*) FROM jobs WHERE job_id IN (SELECT job_id FROM moves WHERE run_id = ?) GROUP BY state",
            (run_id,),
        )
        return dict(rows.fetchall())

    def history(self, job_id: str) -> list[tuple[str, str, str | None]]:
        """Every move of a job: when, to which state, why."""
        return self._db.execute("SELECT at, state, why FROM moves WHERE job_id = ? ORDER BY rowid", (job_id,)).fetchall()

    # ------------------------------------------------------------------------------------------------ runs
    def start_run(self, verb: str) -> str:
        run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}"
        self._write("INSERT INTO runs (run_id, verb, started_at) VALUES (?, ?, ?)", run_id, verb, now())
        return run_id

    def run_started_at(self, run_id: str) -> str:
        return str(self._one("SELECT started_at FROM runs WHERE run_id = ?", run_id))

    def end_run(self, run_id: str, exit_code: int, counts: dict[str, Any]) -> None:
        self._write(
            "UPDATE runs SET ended_at = ?, exit_code = ?, counts_json = ? WHERE run_id = ?",
            *(now(), exit_code, json.dumps(counts), run_id),
        )
