"""A question in SQL, asked when its answer is needed, each time of the lake as it then is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from humeanalytics.errors import QueryError
from humeanalytics.lake import display
from humeanalytics.lake.catalog import Catalog
from humeanalytics.lake.frame_files import whole
from humeanalytics.lake.frames import as_synthetic, to_arrow, to_pandas, to_polars
from humeanalytics.lake.scans import identifier

Parameters = Sequence[Any] | Mapping[str, Any] | None
_BATCH_ROWS = 65_536
_EXPLAIN = re.compile(r"\s*EXPLAIN\b(?:\s+ANALY[SZ]E\b)?(?:\s*\([^)]*\))?", re.IGNORECASE)
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)


class Query:
    """One question to a lake. Nothing runs until an answer is asked for; each answer is of the lake at that time.

    Each evaluation has a connection of its own, so queries can be shared between threads. Times are UTC in every form.
    A Query is also a frame: it can be passed by name to other queries, and to anything that takes Arrow streams.

    Raises:
        QueryError: DuckDB does not take the SQL, or it is something else than one question.

    Examples:
        >>> lake.sql("SELECT recording_id, avg(joy) AS joy FROM prosody GROUP BY ALL").df()  # doctest: +SKIP
    """

    def __init__(
        self,
        catalog: Catalog,
        sql: str,
        parameters: Parameters = None,
        frames: Mapping[str, Any] | None = None,
        providers: Mapping[str, Callable[[], pa.Table]] | None = None,
        *,
        synthetic: bool = False,
    ) -> None:
        self._catalog = catalog
        #: Whether the lake holds the sandbox's results: a plot of them says so.
        self.synthetic = synthetic
        self._sql = _one_question(catalog, sql)
        self._parameters = dict(parameters) if isinstance(parameters, Mapping) else list(parameters or ())
        self._frames = {
            name: frame if isinstance(frame, Query) else to_arrow(frame, name) for name, frame in (frames or {}).items()
        }
        self._providers = {} if providers is None else providers

    # ------------------------------------------------------------------------------------------------------------ answers
    def arrow(self) -> pa.Table:
        """Return the answer as a pyarrow Table."""
        with self._asked() as relation:
            table = relation.to_arrow_table()
        return as_synthetic(table) if self.synthetic else table

    def df(self) -> Any:
        """Return the answer as a pandas DataFrame.

        Raises:
            MissingExtra: pandas is not installed.
        """
        return to_pandas(self.arrow())

    def pl(self) -> Any:
        """Return the answer as a polars DataFrame.

        Raises:
            MissingExtra: polars is not installed.
        """
        return to_polars(self.arrow())

    def rows(self) -> list[dict[str, Any]]:
        """Return the answer as a list of dictionaries, one a row."""
        return self.arrow().to_pylist()  # type: ignore[no-any-return]

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the answer piece by piece, without holding all of it."""
        with self._asked() as relation:
            yield from relation.to_arrow_reader(_BATCH_ROWS)

    @property
    def columns(self) -> list[str]:
        """The names of the answer's columns."""
        with self._asked() as relation:
            return list(relation.columns)

    def to_csv(self, path: str | Path) -> Path:
        """Write the answer as CSV with a header, UTF-8, times as ISO 8601 with Z; return the path."""
        with self._asked() as relation, whole(path) as temporary:
            times = _replaced(relation, ("TIMESTAMP WITH TIME ZONE",), "strftime({}, '%Y-%m-%dT%H:%M:%S.%fZ')")
            times.write_csv(str(temporary), header=True)
        return Path(path)

    def to_parquet(self, path: str | Path) -> Path:
        """Write the answer as Parquet; return the path."""
        with self._asked() as relation, whole(path) as temporary:
            relation.write_parquet(str(temporary), compression="zstd")
        return Path(path)

    def head(self, rows: int) -> tuple[pa.Table, bool]:
        """Return the first rows of the answer, and whether there are more."""
        with self._asked() as relation:
            first = relation.limit(rows + 1).to_arrow_table()
        return first.slice(0, rows), first.num_rows > rows

    def ask(self, query: str, /, **frames: Any) -> Query:
        """Return another question to the same lake, see `Lake.sql`."""
        return Query(self._catalog, query, None, frames, self._providers, synthetic=self.synthetic)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        batches = self.batches()
        first = next(batches, None)
        if first is None:
            return self.arrow().__arrow_c_stream__(requested_schema)

        def all_batches() -> Iterator[pa.RecordBatch]:
            yield first
            yield from batches

        return pa.RecordBatchReader.from_batches(first.schema, all_batches()).__arrow_c_stream__(requested_schema)

    def __repr__(self) -> str:
        return display.text(*self.head(display.ROWS))

    def _repr_html_(self) -> str:
        return display.html(*self.head(display.ROWS))

    # ------------------------------------------------------------------------------------------------------------- asking
    @contextmanager
    def _asked(self) -> Iterator[Any]:
        """Give the DuckDB relation of the question, on a connection that lives as long as the block."""
        frames = {name: frame.arrow() if isinstance(frame, Query) else frame for name, frame in self._frames.items()}
        for name, provide in self._providers.items():
            if name not in frames and re.search(rf"\b{re.escape(name)}\b", self._sql, re.IGNORECASE):
                frames[name] = provide()
        cursor = self._catalog.cursor(self._sql)
        try:
            try:
                relation = self._put(cursor, frames)
            except duckdb.CatalogException:  # something of that name there may be among all views
                cursor.close()
                cursor = self._catalog.cursor()
                relation = self._put(cursor, frames)
            # What sum() of integers gives has 128 bits, which frames do not know as integers.
            yield _replaced(relation, ("HUGEINT", "UHUGEINT"), "CAST({} AS BIGINT)")
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # the file an answer was to be written to; DuckDB's own errors come through Arrow without a number
            raise QueryError(f"{error}\n\n{self._tables(frames)}") from error
        finally:
            cursor.close()

    def _put(self, cursor: duckdb.DuckDBPyConnection, frames: Mapping[str, Any]) -> Any:
        for name, frame in frames.items():
            cursor.register(name, frame)
        # A transaction that cannot write: what a question could still smuggle in (an INSERT inside WITH) is refused.
        cursor.execute("BEGIN TRANSACTION READ ONLY")
        return cursor.sql(self._sql, params=self._parameters or None)

    def _tables(self, frames: Mapping[str, Any]) -> str:
        relations = self._catalog.relations().values()
        plain = [r.name for r in relations if r.kind == "table"]
        more = [r.name for r in relations if r.kind != "table" and not r.name.endswith(("_all", "_labelled"))]
        return (
            f"Tables: {', '.join([*plain, *frames, *(n for n in self._providers if n not in frames)])}. "
            f"Views and macros: {', '.join(more)}. Every table also as <table>_all, every table of scores as <table>_labelled."
        )


def _one_question(catalog: Catalog, sql: str) -> str:
    """Return the SQL if it is one statement that only reads.

    Raises:
        QueryError: It is not.
    """
    try:
        statements = catalog.statements(sql)
        if len(statements) == 1 and statements[0].type == duckdb.StatementType.EXPLAIN:
            explained = _EXPLAIN.sub("", _COMMENT.sub("", sql), count=1)
            statements = catalog.statements(explained)
    except duckdb.Error as error:
        raise QueryError(str(error)) from error
    if len(statements) != 1:
        raise QueryError(f"One question at a time: this is {len(statements) or 'no'} statement{'s' * (len(statements) > 1)}.")
    kind = statements[0].type
    pivot = kind == duckdb.StatementType.MULTI and re.match(r"\s*(WITH|PIVOT)", _COMMENT.sub("", sql), re.IGNORECASE)
    if kind != duckdb.StatementType.SELECT and not pivot:
        raise QueryError(
            f"A lake is only read through SQL, and {kind.name} is no question. Write answers with .to_csv() or .to_parquet(); "
            "bring frames of your own by name: lake.sql('... FROM mine', mine=frame)."
        )
    return sql


def _replaced(relation: Any, types: Sequence[str], expression: str) -> Any:
    """Return a relation whose columns of some types are what an expression makes of them."""
    found = [identifier(name) for name, type_ in zip(relation.columns, relation.types, strict=True) if str(type_) in types]
    if not found or len(set(relation.columns)) < len(relation.columns):  # of two columns of one name none can be named
        return relation
    return relation.project(f"* REPLACE ({', '.join(f'{expression.format(name)} AS {name}' for name in found)})")
