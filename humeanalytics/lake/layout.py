"""How the lake's Parquet files are laid out. Figures behind each choice: ``docs/performance.md``."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from deltalake import ColumnProperties, WriterProperties

ROW_GROUP_ROWS = 65_536
#: Small files above this number are merged.
MANY_FILES = 200
#: Files become about this large; one larger than half of it is not small.
FILE_BYTES = 128 * 1024 * 1024
#: What no snapshot refers to is kept this long, for readers that began before a merge.
RETENTION_HOURS = 7 * 24

#: The log is never cleaned: it is what `open_lake(uri, version=N)` goes back along.
DELTA_CONFIGURATION = {"delta.enableExpiredLogCleanup": "false", "delta.checkpointInterval": "50"}

_COMPRESSION_LEVEL = 1


def _words(schema: pa.Schema) -> list[str]:
    """Return the columns that have a dictionary: strings, which repeat."""
    kinds = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return [field.name for field in schema if any(is_kind(field.type) for is_kind in kinds)]


def _scores(schema: pa.Schema) -> list[str]:
    """Return the columns whose bytes are split by significance before they are compressed: scores."""
    return [field.name for field in schema if pa.types.is_float32(field.type)]


def parquet_options(schema: pa.Schema) -> dict[str, Any]:
    """Return the layout as pyarrow's ``ParquetWriter`` takes it."""
    return {
        "compression": "zstd",
        "compression_level": _COMPRESSION_LEVEL,
        "use_dictionary": _words(schema) or False,
        "column_encoding": dict.fromkeys(_scores(schema), "BYTE_STREAM_SPLIT"),
    }


def writer_properties(schema: pa.Schema) -> WriterProperties:
    """Return the same layout as Delta Lake takes it, for merging and deleting."""
    split = ColumnProperties(dictionary_enabled=False, encoding="BYTE_STREAM_SPLIT")
    words = ColumnProperties(dictionary_enabled=True)
    return WriterProperties(
        compression="ZSTD",
        compression_level=_COMPRESSION_LEVEL,
        max_row_group_size=ROW_GROUP_ROWS,
        default_column_properties=ColumnProperties(dictionary_enabled=False),
        column_properties=dict.fromkeys(_scores(schema), split) | dict.fromkeys(_words(schema), words),
    )
