"""An SQLite file that several threads write and read: what it was told to keep is on the disk when a write returns."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class Database:
    """One connection to write, one to read.

    Args:
        path: The file; made if it is not there.
        schema: Statements that make what is not there yet.
    """

    def __init__(self, path: Path, schema: str) -> None:
        self._write_lock, self._read_lock = threading.Lock(), threading.Lock()
        self._writer = _connect(path)
        self._writer.executescript(schema)
        self._reader = _connect(path)

    def close(self) -> None:
        """Close the file."""
        with self._write_lock, self._read_lock:
            self._writer.close()
            self._reader.close()

    def read(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """Return all rows of a query."""
        with self._read_lock:
            return self._reader.execute(sql, values).fetchall()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Write something in one transaction: all of it, or, if an exception leaves the block, nothing."""
        with self._write_lock:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
            except BaseException:
                self._writer.execute("ROLLBACK")
                raise
            self._writer.execute("COMMIT")


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    return connection
