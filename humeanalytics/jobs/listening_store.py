"""What `listen` was told, and what is still to be done about it: a SQLite file beside the ledger.

Not in the ledger itself: a run that writes much there must not keep a sender waiting. Written like it, in WAL mode with
synchronous=FULL, so that what was taken survives a power cut. Each delivery is kept once, by what it is about; its body only
until it is under ``raw/``.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from humeanalytics.errors import LakeTooNew
from humeanalytics.jobs.ledger_file import chunks, transaction
from humeanalytics.receiver.bodies import Webhook
from humeanalytics.redaction import redact_bytes, redact_fields

STORE_FILE = "deliveries.sqlite"
CHAT: Final = "chat"
JOB: Final = "job"

#: A chat lasts half an hour at most: one that began so long ago is over, whether or not a webhook said so.
OVER_BY_NOW_S = 3600.0
_FORMAT = 1
_SCHEMA = """
-- What came, by what it is about: the event, the chat and the call of a tool; or the job.
CREATE TABLE deliveries (
    delivery_id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, event_name TEXT NOT NULL, about TEXT NOT NULL,
    received_s REAL NOT NULL, body BLOB
);
CREATE INDEX deliveries_not_loaded ON deliveries (about) WHERE body IS NOT NULL;
-- What is to be done: a chat to be exported, a job to be collected. Times are Unix seconds.
CREATE TABLE tasks (
    kind TEXT NOT NULL, id TEXT NOT NULL, since_s REAL NOT NULL, due_s REAL NOT NULL, tries INTEGER NOT NULL DEFAULT 0,
    times_told INTEGER NOT NULL DEFAULT 1, state TEXT NOT NULL DEFAULT 'waiting', message TEXT,
    PRIMARY KEY (kind, id)
) WITHOUT ROWID;
CREATE INDEX tasks_due ON tasks (due_s) WHERE state = 'waiting';
"""


@dataclass(frozen=True, slots=True)
class Task:
    """A chat to be exported or a job to be collected; ``since_s`` is when that was first known, in Unix seconds."""

    kind: str
    id: str
    since_s: float
    tries: int
    times_told: int


@dataclass(frozen=True, slots=True)
class KeptBody:
    """The body of a webhook that is not loaded yet, without secrets; ``received_s`` in Unix seconds."""

    delivery_id: int
    event_name: str
    chat_id: str
    received_s: float
    body: bytes


class DeliveryStore:
    """What was delivered to one lake. Any thread may use it. A context manager.

    Args:
        path: The file; it is made if there is none.
        added: Called, by whatever thread, when there is something new to do.
        now_s: The clock.
    """

    def __init__(self, path: Path, *, added: Callable[[], None] = lambda: None, now_s: Callable[[], float] = time.time) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._added, self._now_s = added, now_s
        self._writing = threading.Lock()
        self._db = sqlite3.connect(path, isolation_level=None, timeout=60.0, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA secure_delete = ON")  # a body that was moved to raw/ may be deleted from there one day
        try:
            self._make(path)
        except BaseException:
            self._db.close()
            raise

    def _make(self, path: Path) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > _FORMAT:
            raise LakeTooNew(
                f"{path} was written by a newer humeanalytics. Upgrade with: python -m pip install -U humeanalytics",
                uri=str(path),
            )
        if version < _FORMAT:
            self._db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {_FORMAT}; COMMIT;")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._writing:
            self._db.close()

    # -------------------------------------------------------------------------------------------------- what is delivered
    def take_webhook(self, webhook: Webhook) -> bool:
        """Keep a webhook, and what is to be done about it; return whether it is new."""
        body = redact_bytes(redact_fields(webhook.body))
        if webhook.chat_id:
            key = "\n".join(("evi", webhook.event_name, webhook.chat_id, webhook.tool_call_id))
        else:
            key = f"evi\n{hashlib.sha256(webhook.body).hexdigest()}"
        after_s = 0.0 if webhook.event_name == "chat_ended" else OVER_BY_NOW_S
        return self._take(key, webhook.event_name, CHAT, webhook.chat_id, body, after_s if webhook.chat_id else None)

    def take_callback(self, job_id: str) -> bool:
        """Keep that a job has ended; return whether that is new."""
        return self._take(f"batch\n{job_id}", "job_ended", JOB, job_id, None, 0.0)

    def _take(self, key: str, event_name: str, kind: str, about: str, body: bytes | None, after_s: float | None) -> bool:
        now_s = self._now_s()
        with self._transaction():
            new = self._db.execute(
                "INSERT OR IGNORE INTO deliveries (key, event_name, about, received_s, body) VALUES (?, ?, ?, ?, ?)",
                (key, event_name, about, now_s, body),
            ).rowcount
            if new and after_s is not None:
                self._db.execute(
                    "INSERT INTO tasks (kind, id, since_s, due_s) VALUES (?, ?, ?, ?) "
                    "ON CONFLICT DO UPDATE SET times_told = times_told + 1, tries = 0, state = 'waiting', "
                    "due_s = CASE state WHEN 'waiting' THEN min(due_s, excluded.due_s) ELSE excluded.due_s END",
                    (kind, about, now_s, now_s + after_s),
                )
        if new and after_s == 0:
            self._added()
        return bool(new)

    # ------------------------------------------------------------------------------------------------------ what is to do
    def due(self, kind: str, most: int) -> list[Task]:
        """Return what is to be done now, the longest due first."""
        rows = self._all(
            "SELECT kind, id, since_s, tries, times_told FROM tasks "
            "WHERE state = 'waiting' AND kind = ? AND due_s <= ? ORDER BY due_s LIMIT ?",
            *(kind, self._now_s(), most),
        )
        return [Task(*row) for row in rows]

    def next_due_s(self, kind: str) -> float | None:
        """Return in how many seconds something will be due, or None where nothing waits."""
        found = self._all("SELECT min(due_s) FROM tasks WHERE state = 'waiting' AND kind = ?", kind)[0][0]
        return None if found is None else max(0.0, found - self._now_s())

    def age_s(self, task: Task) -> float:
        """Return how long a task has been known."""
        return self._now_s() - task.since_s

    def later(self, task: Task, after_s: float, message: str) -> None:
        """Try a task again after a while; ``message`` says why. Told of again meanwhile, it stays due."""
        self._write(
            "UPDATE tasks SET due_s = ?, tries = tries + 1, message = ? WHERE kind = ? AND id = ? AND times_told = ?",
            *(self._now_s() + after_s, message, task.kind, task.id, task.times_told),
        )

    def settle(self, task: Task, state: str = "done", message: str | None = None) -> None:
        """A task is through: ``done``, or ``given up``. Told of again meanwhile, it is not."""
        self._write(
            "UPDATE tasks SET state = ?, message = ? WHERE kind = ? AND id = ? AND times_told = ?",
            *(state, message, task.kind, task.id, task.times_told),
        )

    def bodies(self, chat_ids: Iterable[str]) -> list[KeptBody]:
        """Return the bodies that are not loaded yet: those of some chats, and those that are of no chat or have waited long."""
        columns = "SELECT delivery_id, event_name, about, received_s, body FROM deliveries WHERE body IS NOT NULL AND "
        rows = self._all(f"{columns} (about = '' OR received_s <= ?)", self._now_s() - OVER_BY_NOW_S)
        for some in chunks(list(chat_ids), 500):
            rows += self._all(f"{columns} about IN ({','.join('?' * len(some))})", *some)
        return [KeptBody(*row) for row in sorted({row[0]: row for row in rows}.values())]

    def forget_bodies(self, kept: Iterable[KeptBody]) -> None:
        """These are in the lake: they need not be kept here as well."""
        with self._transaction():
            ids = ((each.delivery_id,) for each in kept)
            self._db.executemany("UPDATE deliveries SET body = NULL WHERE delivery_id = ?", ids)
        with self._writing:
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # else the log would still hold them

    def counts(self) -> dict[str, int]:
        """Return how many deliveries came, and what of the work is done."""
        tasks = dict(self._all("SELECT state, count(*) FROM tasks GROUP BY state"))
        return {
            "deliveries": self._all("SELECT count(*) FROM deliveries")[0][0],
            "waiting": tasks.get("waiting", 0),
            "done": tasks.get("done", 0),
            "given_up": tasks.get("given up", 0),
        }

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._writing, transaction(self._db):
            yield

    def _all(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with self._writing:
            return self._db.execute(sql, parameters).fetchall()

    def _write(self, sql: str, *parameters: Any) -> None:
        with self._writing:
            self._db.execute(sql, parameters)
