"""The ledger's SQLite file: opened, written durably, one write at a time.

SQLite in WAL mode with synchronous=FULL: when a call returns, its change survives a power cut. One connection, used by any
thread; other processes may read meanwhile.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from humeanalytics.errors import DiskFull
from humeanalytics.jobs.ledger_schema import migrate


def now() -> str:
    """The time as the ledger writes it: ISO 8601, UTC, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def chunks(values: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (values[start : start + size] for start in range(0, len(values), size))


class LedgerFile:
    """An open ledger. Use as a context manager."""

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

    def remember(self, key: str, value: str) -> None:
        """Write down a word of a flow's own."""
        self._write("INSERT OR REPLACE INTO meta VALUES (?, ?)", key, value)

    def remembered(self, key: str) -> str:
        """Return it; empty where there is none."""
        return str(self._one("SELECT value FROM meta WHERE key = ?", key) or "")

    def _one(self, sql: str, *parameters: Any) -> Any:
        row = self._db.execute(sql, parameters).fetchone()
        return None if row is None else row[0]

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Make what is written in the block one change: all of it survives, or nothing, and the disk is waited for once."""
        with self._transaction():
            yield

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._writing, self._room():
            inner = self._db.in_transaction  # of this thread, since it holds the lock: part of what it writes at once
            if inner:
                yield
                return
            with transaction(self._db):
                yield

    @contextmanager
    def _room(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
                raise
            raise DiskFull(
                f"No space left for the ledger {self.path}. Nothing is lost: make room and run the same command again.",
                uri=str(self.path),
            ) from error

    def _write(self, sql: str, *parameters: Any) -> int:
        with self._writing, self._room():
            return self._db.execute(sql, parameters).rowcount


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Write all that is written in the block, or nothing; nobody else writes meanwhile."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
