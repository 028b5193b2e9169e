"""One table of the lake: a Delta Lake table that takes each load once."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Schema, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from humeanalytics.errors import LakeError
from humeanalytics.lake import layout
from humeanalytics.lake.durable import disk_full_named, make_folder, sync_file, sync_folder
from humeanalytics.lake.staging import Rows, Staged

_ATTEMPTS = 40


@dataclass(frozen=True, slots=True)
class DataFile:
    """One Parquet file of a snapshot. It holds rows of loads from ``load_first`` to ``load_last`` (None: not known)."""

    path: str
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
            data: A table, or pieces of one whose columns may differ. Columns the table lacks are added to it.

        Raises:
            DiskFull: There is no room; nothing is committed.
            LakeError: The rows do not fit, or the table changed under every attempt.
        """
        with disk_full_named(self.folder):
            make_folder(self.folder.parent)
            staged = Staged(data, self.folder.parent)
            try:
                if staged.rows and not self.holds(load_id):
                    self._commit(load_id, staged)
                return staged.rows
            except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
                raise LakeError(f"Rows of load {load_id} do not fit table {self.name}: {error}", uri=str(self.folder)) from error
            finally:
                staged.close()

    def _commit(self, load_id: str, staged: Staged) -> None:
        failure: Exception | None = None
        for attempt in range(_ATTEMPTS):
            if attempt:
                time.sleep(random.uniform(0, min(1.0, 0.02 * 2**attempt)))
            with self._writing:
                table = self._open_for_writing(staged, load_id)
                if table.transaction_version(load_id) is not None:
                    return  # this load's rows came in by another process between two attempts
                before = table.version()
                existing = pa.schema(table.schema().to_arrow())
                reader = staged.reader(existing, load_id)
                grows = len(reader.schema) > len(existing)
                try:
                    write_deltalake(
                        table,
                        reader,
                        mode="append",
                        schema_mode="merge" if grows else None,
                        writer_properties=layout.writer_properties(reader.schema),
                        commit_properties=CommitProperties(app_transactions=[Transaction(load_id, 1)]),
                    )
                except CommitFailedError as error:
                    # Another commit of this very load, or one that changed the columns: look again.
                    failure, self._write = error, None
                    continue
                self._sync(before + 1, table.version())
                return
        raise LakeError(
            f"Table {self.name} changed under every attempt to add load {load_id}.", uri=str(self.folder)
        ) from failure

    def _open_for_writing(self, staged: Staged, load_id: str) -> DeltaTable:
        self._write, _ = self._current(self._write)
        if self._write is None:
            declared = self._declared
            if declared is None:
                declared = staged.reader(pa.schema([("load_id", pa.string())]), load_id).schema
            make_folder(self.folder)
            try:
                DeltaTable.create(str(self.folder), Schema.from_arrow(declared), configuration=layout.DELTA_CONFIGURATION)
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
        with self._writing:
            self._write, _ = self._current(self._write)
            if self._write is None or self._write.transaction_version(load_id) is None:
                return
            before = self._write.version()
            self._write.delete(f"load_id = '{load_id}'")
            self._sync(before + 1, self._write.version())

    # -------------------------------------------------------------------------------------------------------- compaction
    def compact(self, *, many: int = layout.MANY_FILES, vacuum: bool = True) -> bool:
        """Merge the small files when there are many; return whether there were.

        Args:
            many: More small files than this are merged.
            vacuum: Remove files that no version newer than a week refers to.
        """
        snapshot = self.snapshot()
        small = [file for file in snapshot.files if file.size_bytes < layout.FILE_BYTES // 2] if snapshot else []
        if snapshot is None or len(small) <= many:
            return False
        with disk_full_named(self.folder):
            table = DeltaTable(str(self.folder))
            before = table.version()
            try:
                table.optimize.compact(
                    target_size=layout.FILE_BYTES,
                    max_concurrent_tasks=1,
                    writer_properties=layout.writer_properties(snapshot.schema),
                )
            except CommitFailedError:
                return True  # another process is at it
            self._sync(before + 1, table.version())
            if vacuum:
                table.vacuum(retention_hours=layout.RETENTION_HOURS, dry_run=False)
        return True


def _snapshot(table: DeltaTable, folder: Path) -> Snapshot:
    adds = pa.table(table.get_add_actions(flatten=True))
    count = adds.num_rows

    def column(name: str) -> list[object]:
        return adds.column(name).to_pylist() if name in adds.column_names else [None] * count

    files = tuple(
        DataFile(_local(str(path), folder), int(size), int(rows or 0), first, last)  # type: ignore[arg-type, call-overload]
        for path, size, rows, first, last in zip(
            column("path"), column("size_bytes"), column("num_records"), column("min.load_id"), column("max.load_id"), strict=True
        )
    )
    return Snapshot(table.version(), pa.schema(table.schema().to_arrow()), files)


def _local(path: str, folder: Path) -> str:
    """Return the file that a log entry means: relative to the table, or a URI, percent-encoded either way."""
    if path.startswith("file:"):
        return unquote(urlsplit(path).path)
    return str(folder / unquote(path))


def _added(log: Path) -> list[str]:
    import json

    actions = (json.loads(line) for line in log.read_bytes().splitlines() if b'"add"' in line)
    return [unquote(action["add"]["path"]) for action in actions if "add" in action]
