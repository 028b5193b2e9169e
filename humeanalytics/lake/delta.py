"""One table of the lake: a Delta Lake table that takes each load once."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Schema, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import RemoveAction

from humeanalytics.errors import LakeError
from humeanalytics.lake import layout
from humeanalytics.lake.durable import disk_full_named, make_folder, sync_file, sync_folder
from humeanalytics.lake.parts import Parts, Rows, read_rows

_ATTEMPTS = 40


@dataclass(frozen=True, slots=True)
class DataFile:
    """One Parquet file of a snapshot. It holds rows of loads from ``load_first`` to ``load_last`` (None: not known)."""

    path: str
    modified_ms: int
    size_bytes: int
    rows: int
    load_first: str | None
    load_last: str | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One version of a table."""

    version: int
    schema: pa.Schema
    files: tuple[DataFile, ...]


class StoredTable:
    """A Delta table in a folder of the lake. Safe to use from several threads and processes at once.

    Args:
        folder: ``tables/<name>`` of the lake.
        declared: The columns it is made with; None takes those of the first rows.
    """

    def __init__(self, folder: Path, declared: pa.Schema | None) -> None:
        self.folder = folder
        self.name = folder.name
        self._declared = declared
        self._reading, self._writing = threading.Lock(), threading.Lock()
        self._read: DeltaTable | None = None
        self._write: DeltaTable | None = None
        self._snapshot: Snapshot | None = None

    # ----------------------------------------------------------------------------------------------------------- reading
    def snapshot(self) -> Snapshot | None:
        """Return the newest version, or None where nothing was ever committed. Costs next to nothing when it is not new."""
        with self._reading:
            self._read, moved = self._current(self._read)
            if self._read is not None and (moved or self._snapshot is None):
                self._snapshot = _snapshot(self._read, self.folder)
            return self._snapshot if self._read is not None else None

    def snapshot_at(self, version: int) -> Snapshot:
        """Return an older version.

        Raises:
            LakeError: There is no such version.
        """
        try:
            return _snapshot(DeltaTable(str(self.folder), version=version), self.folder)
        except DeltaError as error:
            raise LakeError(f"Table {self.name} has no version {version}: {error}", uri=str(self.folder)) from error

    def _current(self, table: DeltaTable | None) -> tuple[DeltaTable | None, bool]:
        """Return the table at its newest version, and whether that is another than before."""
        if table is None:
            if not (self.folder / "_delta_log").is_dir():
                return None, False
            try:
                return DeltaTable(str(self.folder)), True
            except TableNotFoundError:
                return None, False
        # Versions are numbered without gaps and their logs stay: asking for the next one is all it takes.
        if not self._log(table.version() + 1).exists():
            return table, False
        table.update_incremental()
        return table, True

    def _log(self, version: int) -> Path:
        return self.folder / "_delta_log" / f"{version:020d}.json"

    # ----------------------------------------------------------------------------------------------------------- writing
    def holds(self, load_id: str) -> bool:
        """Return whether a load has been committed to this table."""
        with self._writing:
            self._write, _ = self._current(self._write)
            return self._write is not None and self._write.transaction_version(load_id) is not None

    def append(self, load_id: str, data: Rows) -> int:
        """Commit the rows of one load, unless they are there already; return how many rows the load has here.

        Args:
            load_id: The load. Committing it again, at once or years later, adds nothing.
            data: A table, or pieces of one whose columns may differ. Columns the table lacks are added to it. Rows stay in
                their order.

        Raises:
            DiskFull: There is no room; nothing is committed.
            LakeError: The rows do not fit, or the table changed under every attempt.
        """
        if isinstance(data, (pa.Table, pa.RecordBatch)) and (data.num_rows == 0 or self.holds(load_id)):
            return int(data.num_rows)
        with disk_full_named(self.folder):
            make_folder(self.folder)
            try:
                parts = Parts(self.folder, self._columns(), load_id).write_all(data)
            except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
                raise LakeError(f"Rows of load {load_id} do not fit table {self.name}: {error}", uri=str(self.folder)) from error
            if parts.rows:
                self._commit(load_id, parts)
            return parts.rows

    def _columns(self) -> pa.Schema:
        """Return the columns the table has, or will be made with."""
        with self._writing:
            self._write, _ = self._current(self._write)
            if self._write is not None:
                return pa.schema(self._write.schema().to_arrow())
        return self._declared if self._declared is not None else pa.schema([])

    def _commit(self, load_id: str, parts: Parts) -> None:
        failure: Exception | None = None
        for attempt in range(_ATTEMPTS):
            _pause(attempt)
            with self._writing:
                table = self._open_for_writing(parts.schema)
                if table.transaction_version(load_id) is not None:  # another process committed this very load
                    parts.discard()
                    return
                existing = pa.schema(table.schema().to_arrow())
                if not parts.fit(existing):
                    parts = parts.again(existing)
                before = table.version()
                try:
                    missing = [field for field in parts.schema if existing.get_field_index(field.name) < 0]
                    if missing:
                        table.alter.add_columns(list(Schema.from_arrow(pa.schema(missing)).fields))
                    once = CommitProperties(app_transactions=[Transaction(load_id, 1)])
                    table.create_write_transaction(parts.actions(), "append", table.schema(), commit_properties=once)
                    table.update_incremental()
                except CommitFailedError as error:
                    # Another commit of this very load, or one that changed the columns: look again.
                    failure, self._write = error, None
                    continue
                self._sync(before + 1, table.version())
                return
        parts.discard()
        raise LakeError(
            f"Table {self.name} changed under every attempt to add load {load_id}.", uri=str(self.folder)
        ) from failure

    def _open_for_writing(self, schema: pa.Schema) -> DeltaTable:
        self._write, _ = self._current(self._write)
        if self._write is None:
            schema = self._declared if self._declared is not None else schema
            try:
                DeltaTable.create(str(self.folder), Schema.from_arrow(schema), configuration=layout.DELTA_CONFIGURATION)
            except (DeltaError, OSError):
                if not self._log(0).exists():  # else another process made it first
                    raise
            self._sync(0, 0)
            self._write = DeltaTable(str(self.folder))
        return self._write

    def _sync(self, first: int, last: int) -> None:
        """Wait until commits are on disk: what a ledger calls loaded must not go with the power."""
        for version in range(first, last + 1):
            log = self._log(version)
            for path in _added(log):
                if (self.folder / path).exists():
                    sync_file(self.folder / path)
            sync_file(log)
        sync_folder(self.folder)
        sync_folder(self.folder / "_delta_log")

    def remove(self, load_id: str) -> None:
        """Take away the rows of one load. It counts as committed ever after: it cannot come again."""
        for attempt in range(_ATTEMPTS):
            _pause(attempt)
            with self._writing:
                self._write, _ = self._current(self._write)
                if self._write is None or self._write.transaction_version(load_id) is None:
                    return
                before = self._write.version()
                properties = layout.writer_properties(pa.schema(self._write.schema().to_arrow()))
                try:
                    self._write.delete(f"load_id = '{load_id}'", writer_properties=properties)
                except CommitFailedError:  # the files were merged meanwhile
                    self._write = None
                    continue
                self._sync(before + 1, self._write.version())
                return
        raise LakeError(f"Table {self.name} changed under every attempt to remove load {load_id}.", uri=str(self.folder))

    # -------------------------------------------------------------------------------------------------------- compaction
    def compact(self, *, many: int = layout.MANY_FILES, vacuum: bool = True) -> bool:
        """Merge the small files when there are many; return whether there were.

        Args:
            many: More small files than this are merged.
            vacuum: Remove files that nothing newer than a week refers to.

        Raises:
            DiskFull: There is no room; nothing is changed.
        """
        snapshot = self.snapshot()
        small = [file for file in snapshot.files if file.size_bytes < layout.FILE_BYTES // 2] if snapshot else []
        if snapshot is None or len(small) <= many:
            return False
        with disk_full_named(self.folder):
            merged = Parts(self.folder, snapshot.schema, None).write_all(read_rows(file.path for file in small))
            if not self._exchange(small, merged):
                merged.discard()
            elif vacuum:
                self._vacuum()
        return True

    def _exchange(self, files: Sequence[DataFile], merged: Parts) -> bool:
        """Commit merged files in place of those they were made of, unless one of these is gone.

        Delta Lake (the library) rebases a commit over those that came before it, and does not see that two of them take
        away the same file: their rows would be doubled. So this commit may not be rebased. It is of the very version that
        was looked at, or it fails and the next one is looked at.
        """
        removed_ms = int(time.time() * 1000)
        removals = [RemoveAction(quote(Path(f.path).name), False, removed_ms, f.size_bytes, {}) for f in files]
        actions = [*removals, *merged.actions(modified_ms=min(file.modified_ms for file in files))]
        table = DeltaTable(str(self.folder))
        for attempt in range(_ATTEMPTS):
            _pause(attempt)
            table.update_incremental()
            if not set(files) <= set(_snapshot(table, self.folder).files):
                return False
            before = table.version()
            try:
                only_next = CommitProperties(max_commit_retries=0)
                table.create_write_transaction(actions, "append", table.schema(), commit_properties=only_next)
            except CommitFailedError:
                continue
            self._sync(before + 1, before + 1)
            return True
        return False

    def _vacuum(self) -> None:
        table = DeltaTable(str(self.folder))
        if table.vacuum(retention_hours=layout.RETENTION_HOURS, dry_run=True, full=True):
            table.vacuum(retention_hours=layout.RETENTION_HOURS, dry_run=False, full=True)


def _pause(attempt: int) -> None:
    """Wait a little before another attempt, by chance longer each time."""
    if attempt:
        time.sleep(random.uniform(0, min(1.0, 0.02 * 2**attempt)))


def _snapshot(table: DeltaTable, folder: Path) -> Snapshot:
    adds = pa.RecordBatchReader.from_stream(table.get_add_actions(flatten=True)).read_all()
    count = adds.num_rows

    def column(name: str) -> list[Any]:
        return adds.column(name).to_pylist() if name in adds.column_names else [None] * count

    names = ("modification_time", "path", "size_bytes", "num_records", "min.load_id", "max.load_id")
    files = tuple(
        DataFile(_local(path, folder), modified_ms, size, rows or 0, first, last)
        for modified_ms, path, size, rows, first, last in sorted(zip(*map(column, names), strict=True), key=lambda f: f[:2])
    )
    return Snapshot(table.version(), pa.schema(table.schema().to_arrow()), files)


def _local(path: str, folder: Path) -> str:
    """Return the file that a log entry means: relative to the table, or a URI, percent-encoded either way."""
    if path.startswith("file:"):
        return unquote(urlsplit(path).path)
    return str(folder / unquote(path))


def _added(log: Path) -> list[str]:
    actions = (json.loads(line) for line in log.read_bytes().splitlines() if b'"add"' in line)
    return [unquote(action["add"]["path"]) for action in actions if "add" in action]
