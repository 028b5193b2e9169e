"""One table of the lake: a Delta Lake table that takes each load once."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from pathlib import Path

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Schema, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from humeanalytics.errors import LakeError
from humeanalytics.lake import layout, merging
from humeanalytics.lake.durable import disk_full_named, make_folder, pause, written_to
from humeanalytics.lake.parts import Parts, Rows, Written, remove_parts, widened
from humeanalytics.lake.versions import Snapshot, log_file, read_snapshot, sync_commits

_ATTEMPTS = 40


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
                self._snapshot = read_snapshot(self._read, self.folder)
            return self._snapshot if self._read is not None else None

    def snapshot_at(self, version: int) -> Snapshot:
        """Return an older version.

        Raises:
            LakeError: There is no such version.
        """
        try:
            return read_snapshot(DeltaTable(str(self.folder), version=version), self.folder)
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
        if not log_file(self.folder, table.version() + 1).exists():
            return table, False
        table.update_incremental()
        return table, True

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
        return self.adopt(load_id, [self.write(load_id, data)])

    def write(self, load_id: str, data: Rows) -> Written:
        """Write the rows of one load, or some of them, next to the table, for `adopt` here or in another process.

        Raises:
            DiskFull: There is no room; nothing stays behind.
            LakeError: The rows do not fit.
        """
        return self.begin(load_id).write_all(data)

    def begin(self, load_id: str) -> Parts:
        """Return a writer for rows of one load that come bit by bit."""
        with written_to(self.folder):
            make_folder(self.folder)
        return Parts(self.folder, self._columns(), load_id)

    def adopt(self, load_id: str, written: Sequence[Written]) -> int:
        """Commit rows that `write` left next to the table, all at once and once; return how many there are.

        Raises:
            DiskFull: There is no room; nothing is committed.
            LakeError: The table changed under every attempt.
        """
        with disk_full_named(self.folder):
            if any(each.rows for each in written):
                self._commit(load_id, [each for each in written if each.rows])
            return sum(each.rows for each in written)

    def remove_parts(self, load_id: str, *, but: Collection[Path] = ()) -> None:
        """Remove files that were written for a load next to the table, but for some."""
        remove_parts(self.folder, load_id, but=but)

    def _columns(self) -> pa.Schema:
        """Return the columns the table has, or will be made with."""
        with self._writing:
            self._write, _ = self._current(self._write)
            if self._write is not None:
                return pa.schema(self._write.schema().to_arrow())
        return self._declared if self._declared is not None else pa.schema([])

    def _commit(self, load_id: str, written: Sequence[Written]) -> None:
        failure: Exception | None = None
        for attempt in range(_ATTEMPTS):
            pause(attempt)
            with self._writing:
                table = self._open_for_writing(written[0].schema)
                if table.transaction_version(load_id) is not None:  # another process committed this very load
                    for each in written:
                        each.discard()
                    return
                existing = pa.schema(table.schema().to_arrow())
                written, wanted = _fitted(written, existing)
                before = table.version()
                try:
                    missing = [field for field in wanted if existing.get_field_index(field.name) < 0]
                    if missing:
                        table.alter.add_columns(list(Schema.from_arrow(pa.schema(missing)).fields))
                    once = CommitProperties(app_transactions=[Transaction(load_id, 1)])
                    actions = [action for each in written for action in each.actions()]
                    table.create_write_transaction(actions, "append", table.schema(), commit_properties=once)
                    table.update_incremental()
                except CommitFailedError as error:
                    # Another commit of this very load, or one that changed the columns: look again.
                    failure, self._write = error, None
                    continue
                sync_commits(self.folder, before + 1, table.version())
                return
        for each in written:
            each.discard()
        raise LakeError(
            f"Table {self.name} changed under every attempt to add load {load_id}.", uri=str(self.folder)
        ) from failure

    def _open_for_writing(self, schema: pa.Schema) -> DeltaTable:
        self._write, _ = self._current(self._write)
        if self._write is None:
            schema = self._declared if self._declared is not None else schema
            made = Schema.from_arrow(schema)
            try:
                self._write = DeltaTable.create(str(self.folder), made, configuration=layout.DELTA_CONFIGURATION)
            except (DeltaError, OSError):
                if not log_file(self.folder, 0).exists():  # else another process made it first
                    raise
                self._write = DeltaTable(str(self.folder))
            sync_commits(self.folder, 0, 0)
        return self._write

    def remove(self, load_id: str) -> None:
        """Take away the rows of one load, committed or not. What was committed cannot come again."""
        for attempt in range(_ATTEMPTS):
            pause(attempt)
            with self._writing:
                self._write, _ = self._current(self._write)
                if self._write is None or self._write.transaction_version(load_id) is None:
                    remove_parts(self.folder, load_id)
                    return
                before = self._write.version()
                properties = layout.writer_properties(pa.schema(self._write.schema().to_arrow()))
                try:
                    self._write.delete(f"load_id = '{load_id}'", writer_properties=properties)
                except CommitFailedError:  # the files were merged meanwhile
                    self._write = None
                    continue
                sync_commits(self.folder, before + 1, self._write.version())
                return
        raise LakeError(f"Table {self.name} changed under every attempt to remove load {load_id}.", uri=str(self.folder))

    # -------------------------------------------------------------------------------------------------------- compaction
    def compact(self, *, many: int = layout.MANY_FILES, vacuum: bool = True) -> bool:
        """Merge the small files when there are many; return whether that was done.

        Args:
            many: More small files than this are merged.
            vacuum: Remove files that nothing newer than a week refers to.

        Raises:
            DiskFull: There is no room; nothing is changed.
        """
        snapshot = self.snapshot()
        with disk_full_named(self.folder):
            merged = snapshot is not None and merging.merge_small_files(self.folder, snapshot, many)
            if merged and vacuum:
                merging.remove_unused(self.folder)
        return merged


def _fitted(written: Sequence[Written], existing: pa.Schema) -> tuple[list[Written], pa.Schema]:
    """Return written rows so that all of them fit one set of columns, and that set."""
    fitted: list[Written] = []
    for each in written:
        each = each if each.fit(existing) else each.again(existing)
        existing = widened(existing, each.schema)
        fitted.append(each)
    return fitted, existing
