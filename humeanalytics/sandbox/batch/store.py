"""The jobs: an SQLite file that holds every accepted job before its id is told to anybody.

Bytes lie beside it: ``uploads/<job>.bin`` until a job has ended, ``results/<job>.json`` and ``results/<job>.zip`` after.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from humeanalytics.sandbox.database import Database

_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY,
    job_id TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL,
    created INTEGER NOT NULL,
    started INTEGER,
    ended INTEGER,
    num_predictions INTEGER,
    num_errors INTEGER,
    message TEXT,
    request TEXT NOT NULL,
    plan TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS jobs_created ON jobs (created);
CREATE INDEX IF NOT EXISTS jobs_status ON jobs (status);
CREATE TABLE IF NOT EXISTS submissions (
    number INTEGER PRIMARY KEY, api TEXT NOT NULL, job_id TEXT NOT NULL, fingerprint TEXT NOT NULL, at INTEGER NOT NULL
);
"""
#: ``plan`` is only read by the worker.
_SHOWN = "job_id, status, created, started, ended, num_predictions, num_errors, message, request, plan ->> 'faults'"


class QueueFull(Exception):
    """As many jobs are queued as may be."""


class StateInUse(RuntimeError):
    """Another sandbox works on this folder."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it can be told to a client; times are Unix milliseconds, ``request`` is JSON."""

    job_id: str
    status: str
    created: int
    started: int | None
    ended: int | None
    num_predictions: int | None
    num_errors: int | None
    message: str | None
    request: str
    faults: dict[str, Any]


@dataclass(frozen=True, slots=True)
class JobQuery:
    """Which jobs to list, in what order; ``created_from`` and ``created_to`` are inclusive."""

    limit: int = 50
    statuses: tuple[str, ...] = ()
    created_from: int | None = None
    created_to: int | None = None
    sort_by: str = "created"
    ascending: bool = False
    ended_from: int | None = None
    """Leave out jobs that ended before this."""


class JobStore:
    """The jobs of one sandbox; safe to use from several threads.

    Args:
        folder: Where they lie; made if it is not there.
        seed: The sandbox's seed.

    Raises:
        StateInUse: Another sandbox has the folder open.
        ValueError: The folder was made with another seed.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self._uploads, self._results = folder / "uploads", folder / "results"
        self._uploads.mkdir(parents=True, exist_ok=True)
        self._results.mkdir(exist_ok=True)
        self._holder = _hold(folder / "holder.sqlite")
        self._db = Database(folder / "sandbox.sqlite", _SCHEMA)
        known = self.fact("seed")
        if known not in (None, str(seed)):
            self.close()
            raise ValueError(f"The sandbox in {folder} was made with seed {known}, not {seed}; use that seed or another folder.")
        self.set_fact("seed", str(seed))
        unfinished = {job_id for job_id, _ in self.unfinished()}
        for path in self._uploads.iterdir():  # of requests that were never accepted, and of jobs that have ended
            if path.stem not in unfinished:
                path.unlink()

    def close(self) -> None:
        """Close the files."""
        self._db.close()
        self._holder.close()

    # ------------------------------------------------------------------------------------------------------------ paths
    def upload_path(self, job_id: str) -> Path:
        return self._uploads / f"{job_id}.bin"

    def predictions_path(self, job_id: str) -> Path:
        return self._results / f"{job_id}.json"

    def artifacts_path(self, job_id: str) -> Path:
        return self._results / f"{job_id}.zip"

    # ----------------------------------------------------------------------------------------------------------- writing
    def accept(self, job_id: str, created: int, request: str, plan: str, fingerprints: Iterable[str], max_queued: int) -> None:
        """Write a job down, for good, with what it will be billed for.

        Raises:
            QueueFull: ``max_queued`` jobs are waiting already.
        """
        with self._db.writing() as db:
            (queued,) = db.execute("SELECT count(*) FROM jobs WHERE status = 'QUEUED'").fetchone()
            if queued >= max_queued:
                raise QueueFull
            db.execute(
                "INSERT INTO jobs (job_id, status, created, request, plan) VALUES (?, 'QUEUED', ?, ?, ?)",
                (job_id, created, request, plan),
            )
            db.executemany(
                "INSERT INTO submissions (api, job_id, fingerprint, at) VALUES ('batch', ?, ?, ?)",
                ((job_id, fingerprint, created) for fingerprint in fingerprints),
            )

    def start(self, job_id: str, at: int) -> None:
        """Mark a job as IN_PROGRESS; one that was before a restart keeps its time."""
        with self._db.writing() as db:
            db.execute("UPDATE jobs SET status = 'IN_PROGRESS', started = coalesce(started, ?) WHERE job_id = ?", (at, job_id))

    def complete(self, job_id: str, at: int, num_predictions: int, num_errors: int) -> None:
        """Mark a job as COMPLETED; its results must be in their files."""
        with self._db.writing() as db:
            db.execute(
                "UPDATE jobs SET status = 'COMPLETED', ended = ?, num_predictions = ?, num_errors = ? WHERE job_id = ?",
                (at, num_predictions, num_errors, job_id),
            )
        self.upload_path(job_id).unlink(missing_ok=True)

    def fail(self, job_id: str, at: int, message: str) -> None:
        """Mark a job as FAILED."""
        with self._db.writing() as db:
            db.execute("UPDATE jobs SET status = 'FAILED', ended = ?, message = ? WHERE job_id = ?", (at, message, job_id))
        self.upload_path(job_id).unlink(missing_ok=True)

    def set_fact(self, name: str, value: str) -> None:
        with self._db.writing() as db:
            db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    # ----------------------------------------------------------------------------------------------------------- reading
    def fact(self, name: str) -> str | None:
        rows = self._db.read("SELECT value FROM facts WHERE name = ?", (name,))
        return str(rows[0][0]) if rows else None

    def get(self, job_id: str) -> Job | None:
        """Return a job, or None."""
        rows = self._db.read(f"SELECT {_SHOWN} FROM jobs WHERE job_id = ?", (job_id,))
        return _job(rows[0]) if rows else None

    def plan(self, job_id: str) -> str:
        """Return what the worker needs to know of a job."""
        return str(self._db.read("SELECT plan FROM jobs WHERE job_id = ?", (job_id,))[0][0])

    def find(self, query: JobQuery) -> list[Job]:
        """Return the jobs a query asks for; those without the time they are sorted by come last."""
        where, values = ["true"], list[Any]()
        if query.statuses:
            where.append(f"status IN ({', '.join('?' * len(query.statuses))})")
            values += query.statuses
        for condition, value in (
            ("created >= ?", query.created_from),
            ("created <= ?", query.created_to),
            ("coalesce(ended >= ?, true)", query.ended_from),
        ):
            if value is not None:
                where.append(condition)
                values.append(value)
        if query.sort_by not in ("created", "started", "ended"):
            raise ValueError(query.sort_by)
        order = "ASC" if query.ascending else "DESC"
        sql = f"SELECT {_SHOWN} FROM jobs WHERE {' AND '.join(where)} ORDER BY {query.sort_by} {order} NULLS LAST, number {order}"
        return [_job(row) for row in self._db.read(f"{sql} LIMIT ?", (*values, query.limit))]

    def unfinished(self) -> list[tuple[str, int]]:
        """Return id and time of creation of the jobs that have not ended, oldest first."""
        return self._db.read("SELECT job_id, created FROM jobs WHERE status NOT IN ('COMPLETED', 'FAILED') ORDER BY number")

    def submissions(self) -> list[dict[str, Any]]:
        """Return one entry for each item of each accepted job, in order."""
        rows = self._db.read("SELECT api, job_id, fingerprint, at FROM submissions ORDER BY number")
        return [{"api": api, "job_id": job_id, "fingerprint": print_, "at": at} for api, job_id, print_, at in rows]

    def counts(self) -> dict[str, int]:
        """Return the number of jobs in each state."""
        return dict(self._db.read("SELECT status, count(*) FROM jobs GROUP BY status"))


def _job(row: Sequence[Any]) -> Job:
    job_id, status, created, started, ended, num_predictions, num_errors, message, request, faults = row
    found = json.loads(faults or "{}")
    return Job(job_id, status, created, started, ended, num_predictions, num_errors, message, request, found)


def _hold(path: Path) -> sqlite3.Connection:
    """Take a lock that ends with the process, however it ends."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0)
    try:
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        connection.close()
        raise StateInUse(f"Another sandbox works in {path.parent}; end it first or use another folder.") from error
    return connection
