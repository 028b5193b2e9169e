"""SQL that reads the files of one table of one snapshot, as DuckDB likes it best."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from humeanalytics.lake.versions import DataFile

if TYPE_CHECKING:
    import duckdb


def identifier(name: str) -> str:
    """Return a name as SQL takes it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a text as SQL takes it."""
    return "'" + text.replace("'", "''") + "'"


class FileColumns:
    """Which columns each Parquet file has. Files never change, so each is opened once."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._known: dict[str, frozenset[str]] = {}

    def of(self, files: Sequence[DataFile]) -> dict[frozenset[str], list[str]]:
        """Return the files grouped by the columns they have."""
        new = [file.path for file in files if file.path not in self._known]
        if new:
            self._learn(new)
        groups: dict[frozenset[str], list[str]] = defaultdict(list)
        for file in files:
            groups[self._known[file.path]].append(file.path)
        return groups

    def _learn(self, paths: list[str]) -> None:
        sets: dict[str, frozenset[str]] = {}
        found = self._connection.sql(
            "SELECT file_name, string_agg(coalesce(num_children, 0) || ' ' || name, chr(10)) "
            f"FROM parquet_schema({_file_list(paths)}) GROUP BY file_name"
        ).fetchall()
        for path, described in found:
            if described not in sets:
                sets[described] = frozenset(_top_level(described.split("\n")))
            self._known[path] = sets[described]


def _top_level(described: Iterable[str]) -> Iterable[str]:
    """Return the columns out of a schema listed depth first, each line a number of children and a name."""
    open_children: list[int] = []
    for line in described:
        children, _, name = line.partition(" ")
        if len(open_children) == 1:
            yield name
        if open_children:
            open_children[-1] -= 1
        open_children.append(int(children))
        while open_children and open_children[-1] == 0:
            open_children.pop()


class ColumnTypes:
    """What DuckDB calls each type of Arrow's. Tables have hundreds of columns and few types, and to ask takes a while."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._known: dict[pa.DataType, str] = {}

    def of(self, schema: pa.Schema) -> dict[str, str]:
        """Return column -> DuckDB type."""
        new = list(dict.fromkeys(type_ for type_ in schema.types if type_ not in self._known))
        if new:
            asked = pa.schema([(f"column_{n}", type_) for n, type_ in enumerate(new)])
            self._known |= dict(zip(new, map(str, self._connection.from_arrow(asked.empty_table()).types), strict=True))
        return {field.name: self._known[field.type] for field in schema}


def scan(types: dict[str, str], groups: dict[frozenset[str], list[str]], without: str = "") -> str:
    """Return a query of all rows of some files, with the same columns whatever each file has.

    Args:
        types: Column -> DuckDB type, in order.
        groups: Files by the columns they have.
        without: A join that leaves out rows of ``t``.
    """
    if not groups:
        return f"SELECT {', '.join(_null(name, type_) for name, type_ in types.items())} WHERE false"
    selects = []
    for columns, paths in groups.items():
        chosen = (identifier(name) if name in columns else _null(name, type_) for name, type_ in types.items())
        # A lake may lie in a folder called joy=1, which is no value of a column.
        files = f"read_parquet({_file_list(paths)}, hive_partitioning = false)"
        selects.append(f"SELECT {', '.join(chosen)} FROM {files} AS t {without}".rstrip())
    return " UNION ALL ".join(selects)


def _null(name: str, type_: str) -> str:
    return f"CAST(NULL AS {type_}) AS {identifier(name)}"


def _file_list(paths: Iterable[str]) -> str:
    # Brackets cannot stand in the path of a lake; the other two characters of patterns can.
    return "[" + ", ".join(literal(path.replace("*", "[*]").replace("?", "[?]")) for path in paths) + "]"
