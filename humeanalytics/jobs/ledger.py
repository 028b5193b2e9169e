"""The ledger: what was found, what was sent, what came of it. The only module that knows the SQLite file.

SQLite in WAL mode with synchronous=FULL: when a call returns, its change survives a power cut. One connection, used by any
thread, one write at a time; other processes may read meanwhile.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from humeanalytics.jobs import states
from humeanalytics.jobs.ledger_schema import migrate
from humeanalytics.jobs.work import LedgerJob, Problem, Recording, Source, Standing, Work, name_of

LEDGER_FILE = "ledger.sqlite"
_JOB_COLUMNS = ", ".join(LedgerJob.__slots__)
_WORK_COLUMNS = "position, kind, recording_id, uri, sent_name, md5, size_bytes, media_type, duration_s, parts_json, outcome"


def now() -> str:
    """The time as the ledger writes it: ISO 8601, UTC, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _work(row: Sequence[Any]) -> Work:
    facts = dict(zip(_WORK_COLUMNS.split(", "), row, strict=True))
    parts_json = facts.pop("parts_json")
    return Work(**facts, parts=json.loads(parts_json) if parts_json else {})


def _chunks(values: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (values[start : start + size] for start in range(0, len(values), size))


class Ledger:
    """The memory of one lake's submissions. Open with `Ledger.open`; use as a context manager."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._db = connection
        self._writing = threading.RLock()  # the loader writes from a thread of its own
        self.path = path
        self.ledger_id: str = self._one("SELECT value FROM meta WHERE key = 'ledger_id'")

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open or create the ledger at ``path``.

        Raises:
            LakeTooNew: A newer version of the package wrote it.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, isolation_level=None, timeout=60.0, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA temp_store = MEMORY")
        try:
            migrate(connection, str(path))
        except BaseException:
            connection.close()
            raise
        return cls(connection, path)

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _one(self, sql: str, *parameters: Any) -> Any:
        row = self._db.execute(sql, parameters).fetchone()
        return None if row is None else row[0]

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._writing:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _write(self, sql: str, *parameters: Any) -> int:
        with self._writing:
            return self._db.execute(sql, parameters).rowcount

    # ------------------------------------------------------------------------------------------------ what was found
    def look_up(self, sources: Iterable[Source], *, api: str, origin: str, settings_id: str, recheck: bool = False) -> Standing:
        """Compare everything a run found with what is known of it, in one pass that stays cheap for 100,000 sources.

        A source is known if its size, time of change and inode are as they were; ``recheck`` trusts none of them.
        """
        with self._transaction():
            self._db.execute("DROP TABLE IF EXISTS temp.seen")
            self._db.execute("CREATE TEMP TABLE seen (uri TEXT PRIMARY KEY, size_bytes, mtime_ns, inode) WITHOUT ROWID")
            self._db.executemany(
                "INSERT OR IGNORE INTO temp.seen VALUES (?, ?, ?, ?)",
                ((s.uri, s.size_bytes, s.mtime_ns, s.inode) for s in sources),
            )
        rows = self._db.execute(
            """
            SELECT s.uri,
                   CASE WHEN f.uri IS NULL THEN 'new'
                        WHEN f.problem IS NOT NULL THEN 'failed_before'
                        WHEN f.excluded_reason IS NOT NULL THEN 'excluded'
                        WHEN j.state IS NULL OR j.state = 'planned' THEN 'to_plan'
                        WHEN j.state IN ('rejected', 'failed', 'gone') OR w.outcome = 'failed' THEN 'failed_before'
                        WHEN j.state = 'loaded' THEN 'done'
                        ELSE 'under_way' END AS standing
            FROM temp.seen AS s
            LEFT JOIN files AS f
              ON f.uri = s.uri AND f.size_bytes IS s.size_bytes AND f.mtime_ns IS s.mtime_ns AND f.inode IS s.inode AND NOT ?
            LEFT JOIN work AS w
              ON w.recording_id = f.recording_id AND w.settings_id = ? AND w.origin = ? AND w.api = ? AND w.claims = 1
            LEFT JOIN jobs AS j ON j.job_id = w.job_id
            """,
            (recheck, settings_id, origin, api),
        )
        counts = {"done": 0, "under_way": 0, "failed_before": 0, "excluded": 0}
        uris: dict[str, list[str]] = {"new": [], "to_plan": []}
        for uri, standing in rows:
            if standing in counts:
                counts[standing] += 1
            else:
                uris[standing].append(uri)
        return Standing(**counts, new=tuple(uris["new"]), to_plan=tuple(uris["to_plan"]))

    def seen_recordings(self) -> Iterator[tuple[str, str | None, str | None]]:
        """Of the recordings of the last `look_up`: URI, the hash of the labels last written, why it is excluded."""
        yield from self._db.execute(
            "SELECT f.uri, f.labels_hash, f.excluded_reason FROM temp.seen AS s JOIN files AS f USING (uri) "
            "WHERE f.recording_id IS NOT NULL"
        )

    def record_files(self, found: Iterable[Recording | Problem]) -> None:
        """Remember what sources turned out to be, or why they cannot be scored."""
        with self._transaction():
            for each in found:
                s = each.source
                stat = (s.uri, s.size_bytes, s.mtime_ns, s.inode)
                if isinstance(each, Problem):
                    self._db.execute(
                        "INSERT OR REPLACE INTO files (uri, size_bytes, mtime_ns, inode, problem_kind, problem) "
                        "VALUES (?, ?, ?, ?, ?, ?)",
                        (*stat, each.kind, each.message),
                    )
                else:
                    self._db.execute(
                        "INSERT INTO files (uri, size_bytes, mtime_ns, inode, recording_id, md5, media_type, duration_s, "
                        "recorded_at, recorded_at_source) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
                        "ON CONFLICT (uri) DO UPDATE SET size_bytes = excluded.size_bytes, mtime_ns = excluded.mtime_ns, "
                        "inode = excluded.inode, "
                        "labels_hash = CASE WHEN recording_id = excluded.recording_id THEN labels_hash END, "
                        "excluded_reason = CASE WHEN recording_id = excluded.recording_id THEN excluded_reason END, "
                        "recording_id = excluded.recording_id, md5 = excluded.md5, media_type = excluded.media_type, "
                        "duration_s = excluded.duration_s, recorded_at = excluded.recorded_at, "
                        "recorded_at_source = excluded.recorded_at_source, problem_kind = NULL, problem = NULL",
                        (
                            *stat,
                            each.recording_id,
                            each.md5,
                            each.media_type,
                            each.duration_s,
                            each.recorded_at,
                            each.recorded_at_source,
                        ),
                    )

    def recordings(self, sources: Sequence[Source]) -> list[Recording]:
        """Return what known sources are, without looking at them again. Archives come without their parts."""
        known: dict[str, tuple[Any, ...]] = {}
        for chunk in _chunks([source.uri for source in sources], 500):
            rows = self._db.execute(
                "SELECT uri, recording_id, media_type, md5, duration_s, recorded_at, recorded_at_source FROM files "
                f"WHERE recording_id IS NOT NULL AND uri IN ({','.join('?' * len(chunk))})",
                chunk,
            )
            known.update((uri, tuple(facts)) for uri, *facts in rows)
        return [
            Recording(source, facts[0], name_of(source.uri), *facts[1:])
            for source in sources
            if (facts := known.get(source.uri)) is not None
        ]

    def claimed(self, recording_ids: Sequence[str], *, api: str, origin: str, settings_id: str) -> set[str]:
        """Which of some recordings were sent already, or are about to be told apart from what was."""
        taken: set[str] = set()
        for chunk in _chunks(recording_ids, 500):
            rows = self._db.execute(
                "SELECT w.recording_id FROM work AS w JOIN jobs AS j USING (job_id) WHERE w.claims = 1 AND j.state <> 'planned' "
                f"AND w.api = ? AND w.origin = ? AND w.settings_id = ? AND w.recording_id IN ({','.join('?' * len(chunk))})",
                (api, origin, settings_id, *chunk),
            )
            taken.update(row[0] for row in rows)
        return taken

    def record_labels(self, said: Iterable[tuple[str, str | None, str | None]]) -> None:
        """Remember, for each URI, the hash of the labels written and why it is excluded, if it is."""
        with self._transaction():
            self._db.executemany("UPDATE files SET labels_hash = ?2, excluded_reason = ?3 WHERE uri = ?1", said)

    def forget_problems(self) -> int:
        """Forget why files of the last `look_up` could not be used, so that they are looked at again."""
        return self._write("DELETE FROM files WHERE problem IS NOT NULL AND uri IN (SELECT uri FROM temp.seen)")

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
