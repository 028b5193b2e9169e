"""Rows on their way into a table: brought to the table's columns, and set aside where they come in pieces.

Names nobody has heard of may turn up in any piece, and a commit has one set of columns. So pieces wait in an unnamed
temporary file, a stream of its own for each set of columns, until all columns are known.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, TypeAlias

import pyarrow as pa

from humeanalytics.tables.unknown import settle_unknown

Rows: TypeAlias = pa.Table | pa.RecordBatch | Iterable[pa.RecordBatch | pa.Table]


class Staged:
    """All rows of one load for one table, to be read as often as a commit has to be tried.

    Attributes:
        rows: How many there are.
    """

    def __init__(self, data: Rows, folder: Path) -> None:
        self.rows = 0
        self._table: pa.Table | None = None
        self._parts: list[tuple[pa.Schema, IO[bytes]]] = []
        self._folder = folder
        if isinstance(data, pa.RecordBatch):
            data = pa.Table.from_batches([data])
        if isinstance(data, pa.Table):
            self._table, self.rows = data, data.num_rows
        else:
            self._set_aside(data)

    def _set_aside(self, pieces: Iterable[pa.RecordBatch | pa.Table]) -> None:
        writer: pa.ipc.RecordBatchStreamWriter | None = None
        for piece in pieces:
            if piece.num_rows == 0:
                continue
            if writer is None or not piece.schema.equals(self._parts[-1][0], check_metadata=True):
                if writer is not None:
                    writer.close()
                file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115  # close() does
                self._parts.append((piece.schema, file))
                options = pa.ipc.IpcWriteOptions(compression="lz4")
                writer = pa.ipc.new_stream(pa.PythonFile(file, "w"), piece.schema, options=options)
            writer.write(piece)
            self.rows += piece.num_rows
        if writer is not None:
            writer.close()

    def reader(self, existing: pa.Schema, load_id: str) -> pa.RecordBatchReader:
        """Return the rows with the columns of a table and those it will have to take on, each row marked with its load.

        Args:
            existing: The columns the table has.
            load_id: The load.
        """
        if self._table is not None:
            table = _fit(settle_unknown(_marked(self._table, load_id), existing), existing)
            return table.to_reader(max_chunksize=65536)
        target = existing
        for schema, file in self._parts:
            if not set(schema.names) <= set(existing.names):
                for piece in _pieces(file):  # which columns a piece needs can depend on its values: those past a limit share one
                    target = _widened(target, settle_unknown(_marked(piece, load_id), target).schema)
        return pa.RecordBatchReader.from_batches(target, self._fitted_batches(target, load_id))

    def _fitted_batches(self, target: pa.Schema, load_id: str) -> Iterator[pa.RecordBatch]:
        for _, file in self._parts:
            for piece in _pieces(file):
                yield from _fit(settle_unknown(_marked(piece, load_id), target), target).to_batches(max_chunksize=65536)

    def close(self) -> None:
        """Let go of the temporary files."""
        for _, file in self._parts:
            file.close()


def _pieces(file: IO[bytes]) -> Iterator[pa.Table]:
    file.seek(0)
    for batch in pa.ipc.open_stream(pa.PythonFile(file, "r")):
        yield pa.Table.from_batches([batch])


def _marked(table: pa.Table, load_id: str) -> pa.Table:
    """Return a table whose rows say which load committed them."""
    column = pa.repeat(pa.scalar(load_id, pa.string()), table.num_rows)
    at = table.schema.get_field_index("load_id")
    field = pa.field("load_id", pa.string())
    return table.set_column(at, field, column) if at >= 0 else table.append_column(field, column)


def _widened(schema: pa.Schema, more: pa.Schema) -> pa.Schema:
    return pa.schema([*schema, *(field for field in more if schema.get_field_index(field.name) < 0)])


def _fit(table: pa.Table, existing: pa.Schema) -> pa.Table:
    """Return a table with exactly the existing columns in their order and types, null where it has none, then its new ones."""
    target = _widened(existing, table.schema)
    columns = [
        table.column(field.name).cast(field.type)
        if table.schema.get_field_index(field.name) >= 0
        else pa.nulls(table.num_rows, field.type)
        for field in target
    ]
    return pa.Table.from_arrays(columns, schema=target)
