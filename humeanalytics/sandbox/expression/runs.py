"""The runs: an SQLite file that holds every run, and what is billed for it, before its answer is told to anybody."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from humeanalytics.sandbox.database import Database

_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    number INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL UNIQUE,
    endpoint TEXT NOT NULL,
    status TEXT NOT NULL,
    started INTEGER NOT NULL,
    ended INTEGER,
    visible INTEGER,
    bytes_received INTEGER,
    metered_s REAL NOT NULL,
    config TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS runs_started ON runs (started, number);
CREATE TABLE IF NOT EXISTS submissions (
    number INTEGER PRIMARY KEY, run_id TEXT NOT NULL, fingerprint TEXT NOT NULL, at INTEGER NOT NULL
);
"""
#: A run that has been live for so long that nobody believes it any more; takes the moment from which on that is so.
_STATUS = "CASE WHEN status = 'live' AND started < ? THEN 'errored' ELSE status END"
_ENDED = "CASE WHEN status = 'live' AND started < ? THEN started ELSE ended END"
_SHOWN = f"number, run_id, endpoint, {_STATUS} AS told, started, {_ENDED}, bytes_received, metered_s, config"


@dataclass(frozen=True, slots=True)
class Run:
    """A run as it can be told; times are Unix milliseconds, ``config`` is JSON, ``number`` the order in which runs came."""

    number: int
    run_id: str
    endpoint: str
    status: str
    started: int
    ended: int | None
    bytes_received: int | None
    metered_s: float
    config: str


@dataclass(frozen=True, slots=True)
class RunQuery:
    """Which runs to list, newest first: from ``started_from`` (inclusive) up to ``started_to`` (exclusive)."""

    limit: int
    status: str | None = None
    endpoint: str | None = None
    started_from: int | None = None
    started_to: int | None = None
    after: tuple[int, int] | None = None
    """Start and number of the last run of the page before."""


class RunStore:
    """The runs of one sandbox; safe to use from several threads.

    Args:
        folder: Where they lie.
        silence_s: A live run that old is told as errored.
    """

    def __init__(self, folder: Path, silence_s: float) -> None:
        self._db = Database(folder / "expression.sqlite", _SCHEMA)
        self._silence_ms = int(silence_s * 1000)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    # ----------------------------------------------------------------------------------------------------------- writing
    def start(self, run_id: str, endpoint: str, at: int, config: dict[str, Any], visible: bool) -> None:
        """Write down that a run has begun; one that is not visible is told to nobody until it has ended."""
        with self._db.writing() as db:
            db.execute(
                "INSERT INTO runs (run_id, endpoint, status, started, visible, metered_s, config) "
                "VALUES (?, ?, 'live', ?, ?, 0, ?)",
                (run_id, endpoint, at, at if visible else None, json.dumps(config)),
            )

    def end(
        self,
        run_id: str,
        at: int,
        *,
        status: str,
        visible: int | None,
        bytes_received: int,
        metered_s: float,
        billed: Iterable[str],
    ) -> None:
        """Write down how a run ended, and the fingerprints of what is billed for it, in one go.

        Args:
            run_id: The run; it may be one that was never started, then only what is billed is written down.
            at: When.
            status: ``ended``, ``errored``, or one nobody has heard of.
            visible: From when on it is told of; None: as it was.
            bytes_received: Bytes of media.
            metered_s: Billable seconds.
            billed: The sha256 sums of the files.
        """
        with self._db.writing() as db:
            db.execute(
                "UPDATE runs SET status = ?, ended = ?, visible = coalesce(?, visible), bytes_received = ?, metered_s = ? "
                "WHERE run_id = ?",
                (status, at, visible, bytes_received, metered_s, run_id),
            )
            db.executemany(
                "INSERT INTO submissions (run_id, fingerprint, at) VALUES (?, ?, ?)", ((run_id, print_, at) for print_ in billed)
            )

    # ----------------------------------------------------------------------------------------------------------- reading
    def get(self, run_id: str, now_ms: int) -> Run | None:
        """Return a run, or None."""
        silent = now_ms - self._silence_ms
        rows = self._db.read(f"SELECT {_SHOWN} FROM runs WHERE run_id = ? AND visible <= ?", (silent, silent, run_id, now_ms))
        return Run(*rows[0]) if rows else None

    def find(self, query: RunQuery, now_ms: int) -> list[Run]:
        """Return the runs a query asks for."""
        silent = now_ms - self._silence_ms
        where, values = ["visible <= ?"], list[Any]([silent, silent, now_ms])
        for condition, value in (
            ("told = ?", query.status),
            ("endpoint = ?", query.endpoint),
            ("started >= ?", query.started_from),
            ("started < ?", query.started_to),
        ):
            if value is not None:
                where.append(condition)
                values.append(value)
        if query.after is not None:
            where.append("(started, number) < (?, ?)")
            values += query.after
        sql = f"SELECT {_SHOWN} FROM runs WHERE {' AND '.join(where)} ORDER BY started DESC, number DESC LIMIT ?"
        return [Run(*row) for row in self._db.read(sql, (*values, query.limit))]

    def submissions(self) -> list[dict[str, Any]]:
        """Return one entry for each file of each upload that was accepted, in order; ``job_id`` is the run's."""
        rows: Sequence[Any] = self._db.read("SELECT run_id, fingerprint, at FROM submissions ORDER BY number")
        return [{"api": "expression", "job_id": run_id, "fingerprint": print_, "at": at} for run_id, print_, at in rows]

    def counts(self, now_ms: int) -> dict[str, int]:
        """Return the number of runs in each state, those included that are not visible."""
        return dict(self._db.read(f"SELECT {_STATUS} AS told, count(*) FROM runs GROUP BY told", (now_ms - self._silence_ms,)))


def new_run_id(at_ms: int) -> str:
    """Return a UUID of version 7: it begins with the time.

    >>> new_run_id(1_760_000_000_000)[:13]
    '0199c82c-c000'
    """
    value = at_ms << 80 | 0x7 << 76 | secrets.randbits(12) << 64 | 0b10 << 62 | secrets.randbits(62)
    return str(UUID(int=value))
