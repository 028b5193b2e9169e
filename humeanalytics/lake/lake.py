"""A lake: the folder in which answers and tables live, and the one object through which everything else uses it."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from humeanalytics.errors import LakeError, LakeNotFound, TableNotFound, UsageError
from humeanalytics.lake import identity, overview
from humeanalytics.lake.delta import StoredTable
from humeanalytics.lake.identity import Identity
from humeanalytics.lake.loads import Loads
from humeanalytics.lake.raw import RawStore
from humeanalytics.lake.scans import identifier, literal
from humeanalytics.lake.snapshot import SnapshotReader
from humeanalytics.redaction import without_here
from humeanalytics.tables.schema import TABLES

if TYPE_CHECKING:
    from humeanalytics.lake.catalog import Catalog
    from humeanalytics.lake.query import Parameters, Query
    from humeanalytics.lake.searching.asking import Wanted
    from humeanalytics.lake.searching.index import Among
    from humeanalytics.lake.searching.search import Counts, Search

#: What a row is of a table that upper layers provide.
_PROVIDED = {"jobs": "One unit of submission, as the ledger has it now."}
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


@dataclass(frozen=True, slots=True)
class TableInfo:
    """One name that SQL can ask for.

    Attributes:
        name: The name.
        kind: ``table``, ``view`` or ``macro``.
        rows: How many rows a table has; None for views and macros, where counting means computing.
        about: What a row is.
    """

    name: str
    kind: str
    rows: int | None
    about: str


class Lake:
    """A lake that is open. Make one with `open_lake`.

    Attributes:
        uri: Where it lies.
        path: Its folder.
        raw: Hume's answers as they came.
        loads: The commits of rows.
    """

    def __init__(self, path: Path, version: int | None, providers: Mapping[str, Callable[[], pa.Table]]) -> None:
        self.path = path
        self.uri = str(path)
        self.raw = RawStore(path / "raw")
        self._providers = dict(providers)
        self._stored: dict[str, StoredTable] = {}
        self._lock = threading.Lock()
        self.loads = Loads(path / "pending", self._table, self._table_names)
        self._at = version
        self._closed = False
        self._made_catalog: Catalog | None = None
        self._made_search: Search | None = None
        self._snapshots = SnapshotReader(path / "tables", self._table, self.loads, version)

    @property
    def _catalog(self) -> Catalog:
        from humeanalytics.lake.catalog import Catalog  # with it DuckDB, which a run that only writes never needs

        with self._lock:
            if self._made_catalog is None:
                self._made_catalog = Catalog(self._snapshots)
                if self._closed:
                    self._made_catalog.close()
            return self._made_catalog

    @property
    def _search(self) -> Search:
        from humeanalytics.lake.searching.search import Search  # with it SQLite and stems, which only a search needs

        lake_id = self.identity.lake_id
        with self._lock:
            if self._closed:
                raise LakeError("This lake was closed. Open it again with open_lake().")
            if self._made_search is None:
                passing = self._at is not None
                self._made_search = Search(self.path, lake_id, self._snapshots, lambda: self._catalog, passing=passing)
            return self._made_search

    def _table_names(self) -> list[str]:
        folder = self.path / "tables"
        return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []

    def _table(self, name: str) -> StoredTable:
        with self._lock:
            if name not in self._stored:
                declared = TABLES[name].schema if name in TABLES else None
                self._stored[name] = StoredTable(self.path / "tables" / name, declared)
            return self._stored[name]

    # ---------------------------------------------------------------------------------------------------------- identity
    @property
    def identity(self) -> Identity:
        """What ``lake.json`` says now."""
        found = identity.read_identity(self.path)
        if found is None:
            raise LakeNotFound(f"The lake at {self.uri} is gone.", uri=self.uri)
        return found

    @property
    def version(self) -> int:
        """The version of the lake: pass it to `open_lake` to see the lake as it is now again."""
        snapshot = self._table("loads").snapshot()
        if self._at is not None:
            return self._at
        return snapshot.version if snapshot is not None else 0

    def claim(self, *, synthetic: bool) -> Identity:
        """Decide, the first time and for good, whether this lake holds the sandbox's results or real ones.

        Raises:
            LakeMixed: It is decided otherwise.
        """
        return identity.claim(self.path, synthetic=synthetic)

    def bind_ledger(self, ledger_id: str) -> Identity:
        """Tie the lake to the ledger that is about to submit for it.

        Raises:
            LedgerMismatch: Its submissions are in another ledger.
        """
        return identity.bind_ledger(self.path, ledger_id)

    # --------------------------------------------------------------------------------------------------------- questions
    def sql(self, query: str, params: Parameters = None, /, **frames: Any) -> Query:
        """Ask in SQL (DuckDB's).

        Args:
            query: One statement that reads. Files of your own can be read by path: ``FROM 'selfreport.csv'``.
            params: Values for ``?`` (a list) or ``$name`` (a dictionary).
            **frames: Frames by the name they have in the query: a Query, pyarrow, polars or pandas, or any other that
                speaks Arrow.

        Raises:
            QueryError: DuckDB does not take it (at once for its form; when the answer is asked for, for anything else).

        Examples:
            >>> lake.sql("SELECT * FROM prosody JOIN report USING (recording_id)", report=frame).df()  # doctest: +SKIP
        """
        from humeanalytics.lake.query import Query

        return Query(self._catalog, query, params, frames, self._providers, synthetic=bool(self.identity.synthetic))

    def search(
        self,
        query: str,
        *,
        limit: int | None = 20,
        speaker: str | None = None,
        since: str | date | datetime | None = None,
        until: str | date | datetime | None = None,
        any_word: bool = False,
    ) -> Query:
        """Find what was said in chats: messages of caller and assistant, those that fit best first.

        A word is found in its English and German forms too (``refunds`` finds *refund*, ``Verträge`` finds *Vertrag*), umlauts
        also as ae, oe, ue or without dots, and whatever is not spaced, as Japanese, by any part of it. A message has to have
        all words; ``"a phrase in quotes"`` word for word; ``-word`` and ``-"a phrase"`` not at all. Nothing that can be typed
        is an error. What is found is what the view ``transcript`` shows at that moment.

        Args:
            query: What to look for. One that only excludes finds nothing.
            limit: At most so many messages; None for all.
            speaker: Only what ``caller`` (or ``user``) or ``assistant`` (or ``agent``) said.
            since: Only what was said from then, e.g. ``2026-10-01``; without a time zone in UTC.
            until: Only what was said before.
            any_word: Messages that have one of the words will do; those that have more of them come first.

        Returns:
            A Query: ``rank``, from 1; ``relevance``, higher is better, to be compared within one search only; ``timestamp``,
            ``speaker``; ``snippet``, the part of the text around the first hit, each hit in brackets; the message before and
            the one after in that chat; the three strongest expressions of the voice; ``chat_group_id``, ``chat_id``,
            ``event_id``, which join to other tables; ``message_text``, and ``hits``, where in it they are, in characters.

        Raises:
            UsageError: The limit, speaker or a time cannot be.
            LakeError: The SQLite of this Python has no FTS5; or (when asked for an answer) the index cannot be written.

        Examples:
            >>> lake.search("refund -paypal", speaker="caller").df()  # doctest: +SKIP
            >>> lake.sql("SELECT participant, count(*) FROM hits JOIN chats_labelled USING (chat_id) GROUP BY ALL",
            ...          hits=lake.search("refund", limit=None))  # doctest: +SKIP
        """
        from humeanalytics.lake.query import Query

        wanted, among = self._searched(query, speaker=speaker, since=since, until=until, any_word=any_word)
        if limit is not None and limit < 1:
            raise UsageError(f"A search can give one message or more, not {limit}.")
        found = {"found": lambda: self._search.table(wanted, among, limit)}
        return Query(self._catalog, "FROM found ORDER BY rank", None, None, found, synthetic=bool(self.identity.synthetic))

    def search_counts(
        self,
        query: str,
        *,
        speaker: str | None = None,
        since: str | date | datetime | None = None,
        until: str | date | datetime | None = None,
        any_word: bool = False,
    ) -> Counts:
        """Return how many messages have what was asked for, and each word by itself; arguments as `search`.

        Raises:
            UsageError: The speaker or a time cannot be.

        Examples:
            >>> lake.search_counts("refund paypal").by_item  # doctest: +SKIP
            {'refund': 1204, 'paypal': 3}
        """
        return self._search.counts(*self._searched(query, speaker=speaker, since=since, until=until, any_word=any_word))

    def _searched(
        self,
        query: str,
        *,
        speaker: str | None,
        since: str | date | datetime | None,
        until: str | date | datetime | None,
        any_word: bool,
    ) -> tuple[Wanted, Among]:
        from humeanalytics.lake.searching.asking import understand
        from humeanalytics.lake.searching.search import among_which

        return understand(query, any_word=any_word), among_which(speaker, since, until)

    def stored(self, table: str, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield some columns of every row of complete loads, file by file, without SQL: for flows, which ask little and often."""
        state = self._snapshots.read()
        if table not in state.tables:
            return
        hidden = pa.array(sorted(state.hidden), pa.string())
        files, mixed = state.visible_files(table)
        for file in files:
            rows = pq.read_table(file.path, columns=list({*columns, "load_id"}), partitioning=None)
            if mixed:
                rows = rows.filter(pc.invert(pc.is_in(rows["load_id"], value_set=hidden)))
            yield rows.select(list(columns))

    def __getitem__(self, table: str) -> Query:
        """Return a table or view as a Query.

        Raises:
            TableNotFound: There is none of that name.
        """
        relations = self._catalog.relations()
        names = [name for name, relation in relations.items() if relation.kind != "macro"] + list(self._providers)
        if table not in names:
            raise TableNotFound(table, (name for name in names if not name.endswith(("_all", "_labelled"))))
        return self.sql(f"FROM {identifier(table)}")

    def labelled(self, table: str) -> Query:
        """Return a table or view of scores, of chats or of what was said in them, or ``items``, with its labels as columns.

        Raises:
            TableNotFound: There is no such table.
        """
        relations = self._catalog.relations()
        if f"{table}_labelled" not in relations:
            raise TableNotFound(table, (n.removesuffix("_labelled") for n in relations if n.endswith("_labelled")))
        return self[f"{table}_labelled"]

    def tables(self) -> list[TableInfo]:
        """Return every name that SQL can ask for: tables with their rows, views and macros, and what a row of each is."""
        relations = self._catalog.relations().values()
        counted = [relation.name for relation in relations if relation.kind == "table"]
        counts = self.sql(" UNION ALL ".join(f"SELECT {literal(n)} AS name, count(*) AS n FROM {identifier(n)}" for n in counted))
        rows = {row["name"]: row["n"] for row in counts.rows()}
        found = [TableInfo(r.name, r.kind, rows.get(r.name), r.about) for r in relations]
        return found + [
            TableInfo(name, "table", provide().num_rows, _PROVIDED.get(name, "")) for name, provide in self._providers.items()
        ]

    def provide(self, name: str, table: Callable[[], pa.Table]) -> None:
        """Let SQL ask for a table that is not in the lake's folder; ``table`` is called each time a query names it."""
        self._providers[name] = table

    # --------------------------------------------------------------------------------------------------------- life, looks
    def close(self) -> None:
        """Let go of the lake. Nothing needs saving."""
        with self._lock:
            self._closed = True
            catalog, search = self._made_catalog, self._made_search
        if search is not None:
            search.close()
        if catalog is not None:  # outside the lock, which a question under way may need to come to its end
            catalog.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        at = "" if self._at is None else f" at version {self._at}"
        filled = ", ".join(f"{t.name} {t.rows:,}" for t in self.tables() if t.rows)
        return without_here(f"Lake {self.uri}{at} ({self._holds()}): {filled or 'empty'}")

    def _repr_html_(self) -> str:
        at = "" if self._at is None else f" at version {self._at}"
        return overview.html(without_here(f"{self.uri}{at}"), self._holds(), self.tables())

    def _holds(self) -> str:
        return {None: "nothing yet", True: "sandbox results", False: "real results"}[self.identity.synthetic]


def open_lake(
    uri: str | Path,
    *,
    create: bool = True,
    version: int | None = None,
    storage_options: Mapping[str, str] | None = None,
    providers: Mapping[str, Callable[[], pa.Table]] | None = None,
) -> Lake:
    """Open a lake, and make it where there is none.

    Args:
        uri: A folder, as a path or a ``file:`` URI.
        create: Whether to make a lake in a new or empty folder.
        version: See the lake as it was: only loads that were complete at this version of the table ``loads``
            (`Lake.version`). Compaction does not change what is seen.
        storage_options: For lakes in buckets, which are not supported yet.
        providers: Tables to be had in SQL beside those of the lake, by name: functions that return them, called whenever a
            query names them.

    Raises:
        LakeNotFound: There is no lake, and ``create`` is false.
        LakeError: The folder holds something else; or the place is one that is not supported.
        LakeTooNew: A newer humeanalytics wrote it.

    Examples:
        >>> lake = open_lake("lake")  # doctest: +SKIP
        >>> lake["prosody"].df()  # doctest: +SKIP
    """
    path = _folder(uri)
    if storage_options:
        raise LakeError("Storage options are for lakes in buckets, which are not supported yet.", uri=str(uri))
    found = identity.read_identity(path)
    if found is None and not create:
        there = f"; it holds {identity.looks_like(path)}" if path.is_dir() else ""
        raise LakeNotFound(f"There is no lake at {path}{there}.", uri=str(path))
    if found is None:
        identity.create_identity(path)
    return Lake(path, version, providers or {})


def _folder(uri: str | Path) -> Path:
    """Return the local folder that a URI means."""
    text = str(uri)
    if isinstance(uri, str) and uri.startswith("file:"):
        return Path(url2pathname(unquote(urlsplit(uri).path))).absolute()
    if _SCHEME.match(text):
        raise LakeError(
            f"{text}: lakes in buckets are not supported yet. Name a folder; a finished lake can be copied to a bucket, where "
            "any engine that reads Delta Lake takes it.",
            uri=text,
        )
    return Path(uri).expanduser().absolute()
