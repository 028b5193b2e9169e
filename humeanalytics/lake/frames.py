"""Any frame of the user's as an Arrow table."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from humeanalytics.errors import MissingExtra, UsageError

#: Marks, in the metadata of an Arrow schema and the ``attrs`` of a pandas frame, scores that nobody measured.
SYNTHETIC = "synthetic"


def as_synthetic(table: pa.Table) -> pa.Table:
    """Return a table that says of itself that its scores were made up."""
    return table.replace_schema_metadata({**(table.schema.metadata or {}), SYNTHETIC.encode(): b"true"})


def is_synthetic(frame: Any) -> bool:
    """Tell whether a frame says of itself that its scores were made up, by the sandbox or as data to learn on."""
    said = getattr(frame, "synthetic", None)
    if isinstance(said, bool):
        return said
    if isinstance(attrs := getattr(frame, "attrs", None), dict):
        return attrs.get(SYNTHETIC) is True
    if type(frame).__module__.startswith("polars"):  # its frames carry no marks, and a lazy one is worked out by asking
        return False
    schema = getattr(frame, "schema", None)
    return isinstance(schema, pa.Schema) and (schema.metadata or {}).get(SYNTHETIC.encode()) in (b"true", b"1")


def to_arrow(frame: Any, name: str) -> pa.Table:
    """Return a frame as an Arrow table: pyarrow, polars, pandas, a `Query`, or whatever else speaks Arrow.

    Args:
        frame: The frame. Of a pandas frame, levels of the index that have names become columns.
        name: What the user calls it, for the error.

    Raises:
        UsageError: It is no frame.
    """
    if isinstance(frame, pa.Table):
        return frame
    module = type(frame).__module__.partition(".")[0]
    if module == "pandas":
        if not hasattr(frame, "columns"):  # a Series
            frame = frame.to_frame()
        if not frame.columns.is_unique:
            twice = frame.columns[frame.columns.duplicated()][0]
            raise UsageError(f"{name} has several columns {twice!r}, and nothing says which is meant. Keep one, or rename them.")
        named = any(level is not None for level in frame.index.names)
        return pa.Table.from_pandas(frame.reset_index() if named else frame, preserve_index=False)
    if module == "polars" and hasattr(frame, "collect"):
        frame = frame.collect()
    if hasattr(frame, "__arrow_c_stream__"):
        return pa.RecordBatchReader.from_stream(frame).read_all()
    if hasattr(frame, "__arrow_c_array__"):
        return pa.Table.from_batches([pa.record_batch(frame)])
    if isinstance(frame, pa.RecordBatchReader):
        return frame.read_all()
    raise UsageError(f"{name} is a {type(frame).__name__}, not a frame. Pass a Query, pyarrow, polars or pandas frame.")


def to_pandas(table: pa.Table) -> Any:
    """Return an Arrow table as a pandas frame."""
    try:
        import pandas  # noqa: F401  # pyarrow's own message would not say how to install it
    except ImportError as error:
        raise MissingExtra.for_library("pandas", "frames") from error
    frame = table.to_pandas()
    if is_synthetic(table):
        frame.attrs[SYNTHETIC] = True
    return frame


def to_polars(table: pa.Table) -> Any:
    """Return an Arrow table as a polars frame."""
    try:
        import polars
    except ImportError as error:
        raise MissingExtra.for_library("polars", "frames") from error
    return polars.from_arrow(table)
