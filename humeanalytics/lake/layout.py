"""How the lake's Parquet files are laid out. Figures behind each choice: ``docs/performance.md``."""

from __future__ import annotations

import pyarrow as pa
from deltalake import ColumnProperties, WriterProperties

ROW_GROUP_ROWS = 65_536
#: Small files above this number are compacted.
MANY_FILES = 200
#: Compaction makes files of about this size; what is larger than half of it counts as large and is left alone.
FILE_BYTES = 128 * 1024 * 1024
#: What no snapshot refers to is kept this long, for readers that began before a compaction.
RETENTION_HOURS = 7 * 24

#: The log is never cleaned: it is what `open_lake(uri, version=N)` goes back along.
DELTA_CONFIGURATION = {"delta.enableExpiredLogCleanup": "false", "delta.checkpointInterval": "50"}


def writer_properties(schema: pa.Schema) -> WriterProperties:
    """Return the layout of a table: dictionaries on strings only, the bytes of scores split by significance, zstd."""
    plain = ColumnProperties(dictionary_enabled=False)
    split = ColumnProperties(dictionary_enabled=False, encoding="BYTE_STREAM_SPLIT")
    words = ColumnProperties(dictionary_enabled=True)
    by_column = {}
    for field in schema:
        if pa.types.is_float32(field.type):
            by_column[field.name] = split
        elif pa.types.is_string(field.type) or pa.types.is_large_string(field.type) or pa.types.is_string_view(field.type):
            by_column[field.name] = words
    return WriterProperties(
        compression="ZSTD",
        compression_level=1,
        max_row_group_size=ROW_GROUP_ROWS,
        default_column_properties=plain,
        column_properties=by_column,
    )
