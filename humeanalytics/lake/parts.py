"""The rows of one load for one table as Parquet files, written as they come and not yet part of the table.

Rows stay in the order they came in, which Delta Lake's own writer does not promise, and are never all in memory. Every file
of a table has all columns that were known when it was written; a name nobody has heard of closes the file and opens the next.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake.transaction import AddAction, RemoveAction

from humeanalytics.errors import LakeError
from humeanalytics.lake import layout
from humeanalytics.lake.durable import sync_file, sync_folder, written_to
from humeanalytics.tables.unknown import settle_unknown

Rows: TypeAlias = pa.Table | pa.RecordBatch | Iterable[pa.RecordBatch | pa.Table]


@dataclass(frozen=True, slots=True)
class Written:
    """Parquet files in the folder of a table, on disk and not yet part of it: commit their `actions`, or `discard` them.

    Attributes:
        folder: The table's folder.
        paths: The files.
        rows: How many rows are in them.
        schema: The columns the table has to have.
        existing: The columns it had when they were written.
        load_id: The load they are of; None where rows tell it themselves.
    """

    folder: Path
    paths: tuple[Path, ...]
    rows: int
    schema: pa.Schema
    existing: pa.Schema
    load_id: str | None

    def actions(self, *, modified_ms: int | None = None) -> list[AddAction | RemoveAction]:
        """Return what a commit says of the files.

        Args:
            modified_ms: Set where the rows are not new but come out of other files, to the time of the oldest of these.
        """
        return [_add_action(path, modified_ms) for path in self.paths]

    def fit(self, existing: pa.Schema) -> bool:
        """Return whether the files can be committed to a table that by now has these columns.

        Where another process has added columns meanwhile, the names these files gave to new ones may mean something else.
        """
        new = [field for field in self.schema if self.existing.get_field_index(field.name) < 0]
        if not new or existing.names == self.existing.names:
            return True
        return all(
            field.name in existing.names and existing.field(field.name).equals(field, check_metadata=True) for field in new
        )

    def again(self, existing: pa.Schema, keep: Callable[[pa.RecordBatch], pa.RecordBatch] = lambda rows: rows) -> Written:
        """Return the same rows, or those of them to ``keep``, written anew for a table with these columns, in place of these."""
        anew = Parts(self.folder, existing, self.load_id)
        try:
            return anew.write_all(keep(rows) for rows in read_rows(self.paths))
        finally:
            self.discard()

    def discard(self) -> None:
        """Remove the files."""
        for path in self.paths:
            path.unlink(missing_ok=True)


class Parts:
    """The writer of such files: `write` rows, then `finish`; or `abort`.

    Args:
        folder: The table's folder.
        existing: The columns the table has.
        load_id: The load, which each row will tell; None where rows tell it already.
    """

    def __init__(self, folder: Path, existing: pa.Schema, load_id: str | None) -> None:
        self._rows = 0
        self._schema = existing
        self._existing, self._folder, self._load_id = existing, folder, load_id
        self._files: list[Path] = []
        self._writer: pq.ParquetWriter | None = None
        self._waiting: list[pa.Table] = []
        self._waiting_rows = 0

    def write_all(self, data: Rows) -> Written:
        """Write rows and finish; where that fails, nothing stays behind."""
        pieces = [data] if isinstance(data, (pa.Table, pa.RecordBatch)) else data
        try:
            for piece in pieces:
                self.write(pa.Table.from_batches([piece]) if isinstance(piece, pa.RecordBatch) else piece)
            return self.finish()
        except BaseException:
            self.abort()
            raise

    def write(self, piece: pa.Table) -> None:
        """Write some more rows, whatever columns they have.

        Raises:
            DiskFull: There is no room.
            LakeError: The rows do not fit, or nothing can be written there.
        """
        if piece.num_rows == 0:
            return
        with self._telling():
            self._write(piece)

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Name the table in whatever goes wrong."""
        with written_to(self._folder):
            try:
                yield
            except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
                rows = f"Rows of load {self._load_id} do not fit table {self._folder.name}"
                raise LakeError(f"{rows}: {error}", uri=str(self._folder)) from error

    def _write(self, piece: pa.Table) -> None:
        settled = settle_unknown(piece if self._load_id is None else _marked(piece, self._load_id), self._schema)
        wider = widened(self._schema, settled.schema)
        if len(wider) > len(self._schema):
            self._close_file()
            self._schema = wider
        self._waiting.append(_fit(settled, self._schema))
        self._waiting_rows += piece.num_rows
        self._rows += piece.num_rows
        if self._waiting_rows >= layout.ROW_GROUP_ROWS:
            self._flush(self._waiting_rows // layout.ROW_GROUP_ROWS * layout.ROW_GROUP_ROWS)

    def finish(self) -> Written:
        """Close the last file, wait until all are on disk, and return them.

        Raises:
            DiskFull: There is no room.
            LakeError: The rows do not fit, or nothing can be written there.
        """
        with self._telling():
            self._close_file()
            for path in self._files:
                sync_file(path)
            if self._files:
                sync_folder(self._folder)
        return Written(self._folder, tuple(self._files), self._rows, self._schema, self._existing, self._load_id)

    def abort(self) -> None:
        """Remove what was written."""
        if self._writer is not None:
            with suppress(OSError):  # a full disk fails the footer too; the file goes anyway
                self._writer.close()
            self._writer = None
        for path in self._files:
            path.unlink(missing_ok=True)
        self._files = []

    def _flush(self, rows: int) -> None:
        if rows == 0:
            return
        if self._writer is None:
            path = self._folder / f"{_prefix(self._load_id)}{len(self._files):05d}-{uuid.uuid4()}.zstd.parquet"
            self._files.append(path)
            self._writer = pq.ParquetWriter(path, self._schema, **layout.parquet_options(self._schema))
        waiting = pa.concat_tables(self._waiting)
        self._writer.write_table(waiting.slice(0, rows), row_group_size=layout.ROW_GROUP_ROWS)
        self._waiting = [waiting.slice(rows)]
        self._waiting_rows -= rows
        if self._files[-1].stat().st_size > layout.FILE_BYTES:
            self._writer.close()
            self._writer = None

    def _close_file(self) -> None:
        self._flush(self._waiting_rows)
        self._waiting = []
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def _marked(table: pa.Table, load_id: str) -> pa.Table:
    """Return a table whose rows say which load committed them."""
    column = pa.repeat(pa.scalar(load_id, pa.string()), table.num_rows)
    at = table.schema.get_field_index("load_id")
    field = pa.field("load_id", pa.string())
    return table.set_column(at, field, column) if at >= 0 else table.append_column(field, column)


def _prefix(load_id: str | None) -> str:
    return "part-" if load_id is None else f"part-{load_id}-"


def remove_parts(folder: Path, load_id: str, *, but: Collection[Path] = ()) -> None:
    """Remove the files of a load, but for some: those that were committed."""
    for path in folder.glob(f"{_prefix(load_id)}*.parquet"):
        if path not in but:
            path.unlink(missing_ok=True)


def widened(schema: pa.Schema, more: pa.Schema) -> pa.Schema:
    return pa.schema([*schema, *(field for field in more if schema.get_field_index(field.name) < 0)])


def _fit(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return a table with exactly the columns of a schema, null where it has none."""
    present = set(table.schema.names)
    columns = [
        table.column(field.name).cast(field.type) if field.name in present else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def read_rows(paths: Iterable[str | Path]) -> Iterator[pa.RecordBatch]:
    """Yield the rows of Parquet files in their order, about a row group at a time."""
    for path in paths:
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(layout.ROW_GROUP_ROWS)


def _add_action(path: Path, modified_ms: int | None) -> AddAction:
    meta, status = pq.read_metadata(path), path.stat()
    first: dict[str, Any] = {}
    last: dict[str, Any] = {}
    nulls: dict[str, int] = {}
    for i in range(meta.num_columns):
        chunks = [meta.row_group(group).column(i) for group in range(meta.num_row_groups)]
        name = chunks[0].path_in_schema
        # What other engines skip files by: the keys, and numbers that are counted. Long texts would fill the log.
        if not (name.endswith("_id") or chunks[0].physical_type == "INT64") or any(not c.is_stats_set for c in chunks):
            continue
        nulls[name] = sum(chunk.statistics.null_count for chunk in chunks)
        bounds = [chunk.statistics for chunk in chunks if chunk.statistics.has_min_max]
        if bounds and isinstance(bounds[0].min, (str, int)):
            first[name], last[name] = min(b.min for b in bounds), max(b.max for b in bounds)
    stats = {"numRecords": meta.num_rows, "minValues": first, "maxValues": last, "nullCount": nulls}
    added_ms = int(status.st_mtime * 1000) if modified_ms is None else modified_ms
    return AddAction(path.name, status.st_size, {}, added_ms, modified_ms is None, json.dumps(stats))
