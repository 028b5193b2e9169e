"""What SQL sees: a DuckDB database in memory whose views follow the lake.

Under a table's name stands what an analyst means: rows of the newest scoring of each recording and model, of complete
loads, of recordings that are not excluded. ``<table>_all`` is everything of complete loads, ``<table>_labelled`` has the
labels as columns. Whatever is left out is a small set to exclude, and no filter at all where that set is empty.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from humeanalytics.errors import LakeError
from humeanalytics.lake import views
from humeanalytics.lake.lookups import canonical_ids, known_names
from humeanalytics.lake.scans import FileColumns, column_types, identifier, literal, scan
from humeanalytics.lake.snapshot import LakeSnapshot, SnapshotReader
from humeanalytics.tables.schema import SCORE_TABLES, TABLES, model_of

# Joins and not NOT EXISTS: two of these, one around the other, DuckDB plans so that it takes ten times as long.
_NOT_HIDDEN_LOAD = "ANTI JOIN internal.hidden_loads AS h ON h.load_id = t.load_id"
_NOT_HIDDEN_SCORING = "ANTI JOIN internal.hidden_scorings AS h ON h.scoring_id = t.scoring_id"
#: Bookkeeping that decides which scorings hold.
_DECIDING = ("scorings", "items", "recording_aliases", "labels")
#: Other tables whose rows are of recordings that may be known by several ids. (Chats have one.)
_TIED = ("errors", "uploads", "words", "word_sources")
#: Tables of chats whose rows can have labels: those of what a chat is an item of.
_OF_CHATS = ("chats", "chat_events")
#: Tables with the most rows of chats: where none of them is hidden, nobody looks for those that are.
_ROWS_OF_CHATS = ("chat_events", "chat_segments")
_VIEWS = ("scores_v1", "spoken", "coverage", "costs", "conversations", "tool_usage", "prompt_versions")
_WITH_EXPRESSIONS = ("transcript", "turns")
#: Views whose rows are of a chat, or of several, and have labels too.
_CHAT_VIEWS = {"transcript": "of_chats_labelled", "turns": "of_chats_labelled", "conversations": "conversations_labelled"}


@dataclass(frozen=True, slots=True)
class Relation:
    """One name that SQL can ask for: ``kind`` is ``table``, ``view`` or ``macro``; ``about`` says what a row is."""

    name: str
    kind: str
    about: str


@dataclass(frozen=True, slots=True)
class Reading:
    """The lake as it was at one moment.

    Attributes:
        snapshot: The state it was in.
        connection: Sees this very state.
        transcript: The statement of the view of that name, which reads nothing but ``main.chat_events`` and ``main.chats``.
    """

    snapshot: LakeSnapshot
    connection: duckdb.DuckDBPyConnection
    transcript: str


class Catalog:
    """DuckDB over the snapshots of a lake."""

    def __init__(self, reader: SnapshotReader) -> None:
        self._reader = reader
        self._lock = threading.RLock()
        self._types: dict[tuple[pa.Schema, ...], dict[str, str]] = {}
        self._closed = False
        self._state: LakeSnapshot | None = None
        self._made: dict[str, str] = {}
        self._columns: dict[str, dict[str, str]] = {}
        self._relations: dict[str, Relation] = {}
        self._label_keys: list[str] = []
        self._view_columns: dict[str, list[str]] = {}
        self._has_ties = False
        self._hides_rows_of_chats = False
        self._rescored = False
        self._tied_models: set[str] = set()

    @cached_property
    def _database(self) -> duckdb.DuckDBPyConnection:
        # Made when the first question is asked: a run that only writes never pays for it.
        database = duckdb.connect(
            config={
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
                "temp_directory": str(Path(tempfile.gettempdir()) / "humeanalytics-duckdb"),
            }
        )
        database.execute("SET GLOBAL TimeZone = 'UTC'; CREATE SCHEMA internal")
        return database

    @cached_property
    def _file_columns(self) -> FileColumns:
        return FileColumns(self._database.cursor())

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Return a connection of its own that sees the lake as it is now. The caller closes it."""
        with self._lock:
            self._require_open()
            self.refresh()
            cursor = self._database.cursor()
        cursor.execute("SET python_enable_replacements = false")
        return cursor

    @contextmanager
    def reading(self) -> Iterator[Reading]:
        """Give the lake as it is now, and stays as long as the block takes."""
        with self._lock:
            cursor = self.cursor()
            cursor.execute("BEGIN TRANSACTION READ ONLY")
            cursor.execute("FROM internal.hidden_loads LIMIT 0").fetchall()  # a transaction begins with its first question
            assert self._state is not None
            reading = Reading(self._state, cursor, self._made["main.transcript"].partition(" AS ")[2])
        with closing(cursor):
            yield reading

    def statements(self, sql: str) -> list[duckdb.Statement]:
        """Parse SQL. Needs nothing of the lake."""
        with self._lock:
            self._require_open()
            return self._database.extract_statements(sql)

    def relations(self) -> dict[str, Relation]:
        """Return whatever SQL can name, by name."""
        with self._lock:
            self._require_open()
            self.refresh()
            return dict(self._relations)

    def close(self) -> None:
        """Let go of everything."""
        with self._lock:
            self._closed = True
            if "_database" in self.__dict__:
                self._database.close()

    def _require_open(self) -> None:
        if self._closed:
            raise LakeError("This lake was closed. Open it again with open_lake().")

    # ----------------------------------------------------------------------------------------------------- following the lake
    def refresh(self) -> None:
        """Bring the views up to the lake as it is now; all of them in one transaction."""
        with self._lock:
            state = self._reader.read()
            if state is self._state:
                return
            made, columns = dict(self._made), dict(self._columns)
            self._database.execute("BEGIN")
            try:
                self._build(state)
                self._database.execute("COMMIT")
            except BaseException:
                self._made, self._columns = made, columns
                self._database.execute("ROLLBACK")
                raise
            self._state = state

    def _build(self, state: LakeSnapshot) -> None:
        before = self._state
        names = [*TABLES, *(name for name in state.tables if name not in TABLES)]
        columns = {name: self._columns_of(name, state) for name in names}
        if columns != self._columns:  # a view has its columns from when it was made
            self._made.clear()
            self._columns = columns
            self._store("names", known_names(state, names))
        self._store("hidden_loads", pa.table({"load_id": pa.array(sorted(state.hidden), pa.string())}))
        relations: dict[str, Relation] = {}
        for name in names:
            self._view(f"{name}_all", self._scan(name, state))
            about = f"{TABLES[name].row[0].upper()}{TABLES[name].row[1:]}" if name in TABLES else "Not a table of this version"
            relations[name] = Relation(name, "table", f"{about}.")
            relations[f"{name}_all"] = Relation(f"{name}_all", "view", f"{about}: every row of complete loads.")
        differs = before is None or _loads_differ(before, state)
        if before is None or differs or any(before.tables.get(t) != state.tables.get(t) for t in _DECIDING):
            differs = True
            self._decide()
        for name in names:
            relations[name] = self._plain(name, relations[name])
        if differs:
            self._learn_chats()
        for name in [*_scores(names, columns), *_OF_CHATS, "items"]:
            self._view(f"{name}_labelled", views.labelled(name, list(columns[name]), self._label_keys))
            about = views.view_text("items_labelled" if name == "items" else "scores_labelled").about
            relations[f"{name}_labelled"] = Relation(f"{name}_labelled", "view", about)
        relations |= self._views_of_names(columns)
        self._relations = relations

    def _plain(self, name: str, relation: Relation) -> Relation:
        """Make the view that a table's own name stands for."""
        if name in _scores([name], self._columns):
            model = model_of(name) if name in TABLES else name
            of_model = f"FROM internal.hidden_scorings WHERE model = {literal(model or name)}"
            ((hidden, doubled),) = self._rows(f"SELECT count(*), count(*) FILTER (doubled) {of_model}")
            # Two columns are compared only where an answer is in two loads and seen in one; one column is a tenth faster.
            without = (" " + _NOT_HIDDEN_SCORING) * bool(hidden) + " AND h.load_id = t.load_id" * bool(doubled)
            shown = f"FROM main.{identifier(name + '_all')} AS t{without}"
            self._view(name, views.tied(shown) if (model or name) in self._tied_models else shown)
        elif name in _ROWS_OF_CHATS and not self._hides_rows_of_chats:
            self._view(name, f"FROM main.{name}_all")
        elif name in TABLES and name not in _DECIDING:
            sql = views.view_text(name).sql
            self._view(name, views.tied(sql) if name in _TIED and self._has_ties else sql)
        elif name not in TABLES:
            self._view(name, f"FROM main.{identifier(name + '_all')}")
        about = views.view_text(name).about if name in TABLES and model_of(name) is None else relation.about
        return Relation(name, "table", about)

    def _decide(self) -> None:
        """Find, from the bookkeeping, which ids mean the same recording, whose each is, and which scorings do not hold.

        What comes out is small and kept as tables: DuckDB then knows how small, and joins it the right way round.
        """
        ties = self._rows("SELECT DISTINCT alias_id, recording_id FROM main.recording_aliases_all ORDER BY ALL")
        self._store("aliased", canonical_ids(ties))
        self._has_ties = bool(ties)
        of_ties = "FROM main.scorings_all AS s JOIN internal.aliased AS c ON c.recording_id = s.recording_id"
        tied = self._rows(f"SELECT DISTINCT s.model {of_ties} WHERE c.canonical_id <> c.recording_id") if ties else []
        self._tied_models = {model for (model,) in tied}
        for name in ("recording_aliases", "labels"):
            self._view(name, views.view_text(name).sql)
        for name in ("items", "scorings"):
            sql = views.view_text(name).sql
            self._view(name, views.tied(sql) if ties else sql)
        keys = self._rows("SELECT DISTINCT key FROM main.labels WHERE key IS NOT NULL ORDER BY key")
        self._label_keys = [key for (key,) in keys]
        self._view("wide_labels", views.wide_labels(self._label_keys), schema="internal")
        for name in ("recording_items", "hidden_scorings", "hidden_chats", "hidden_events"):
            self._database.execute(f"CREATE OR REPLACE TABLE internal.{name} AS {views.view_text(name).sql}")
        of_chats = "(SELECT count(*) FROM internal.hidden_chats) + (SELECT count(*) FROM internal.hidden_events)"
        self._hides_rows_of_chats = self._rows(f"SELECT {of_chats} > 0") == [(True,)]

    def _learn_chats(self) -> None:
        """Find what the views of chats ask for again and again."""
        self._database.execute(f"CREATE OR REPLACE TABLE internal.known_chats AS {views.view_text('known_chats').sql}")
        scored = "FROM main.chat_events WHERE type = 'ASSISTANT_PROSODY' AND related_event_id IS NOT NULL"
        self._rescored = self._rows(f"SELECT count(*) > count(DISTINCT (chat_id, related_event_id)) {scored}") == [(True,)]

    def _views_of_names(self, columns: dict[str, dict[str, str]]) -> dict[str, Relation]:
        known = self._rows('SELECT model, "column", kind FROM internal.names ORDER BY place, nth')
        scores = {table: [column for model, column, _ in known if model == table] for table in SCORE_TABLES}
        other = [table for table in SCORE_TABLES if "other" in columns[table]]
        expressions = dict.fromkeys(column for _, column, kind in known if kind == "expression")
        self._view("names", views.view_text("names").sql)
        self._view("scores_v0", views.scores_v0(scores, other))
        for name in _VIEWS:
            self._view(name, views.view_text(name).sql)
        spoken = [column for model, column, kind in known if (model, kind) == ("prosody", "expression")]
        for name in _WITH_EXPRESSIONS:
            of_events = [column for column in spoken if column in columns["chat_events"]]
            self._view(name, views.with_expressions(name, of_events, rescored=self._rescored))
        macro = views.view_text("top_expressions").fill(expressions=", ".join(map(literal, expressions)))
        self._make("top_expressions", f"CREATE OR REPLACE MACRO main.top_expressions(table_name, k := 10) AS TABLE {macro}")
        made = ("names", "scores_v0", *_VIEWS, *_WITH_EXPRESSIONS)
        found = {name: Relation(name, "view", views.view_text(name).about) for name in made}
        for name, text in _CHAT_VIEWS.items():
            self._view(f"{name}_labelled", views.labelled(name, self._columns_of_view(name), self._label_keys, text))
            found[f"{name}_labelled"] = Relation(f"{name}_labelled", "view", views.view_text(text).about)
        return found | {"top_expressions": Relation("top_expressions", "macro", views.view_text("top_expressions").about)}

    # -------------------------------------------------------------------------------------------------------------- parts
    def _columns_of_view(self, name: str) -> list[str]:
        """Return the columns of a view."""
        made = self._made[f"main.{name}"]
        if made not in self._view_columns:
            self._view_columns[made] = [column for column, *_ in self._rows(f"DESCRIBE main.{identifier(name)}")]
        return self._view_columns[made]

    def _columns_of(self, name: str, state: LakeSnapshot) -> dict[str, str]:
        """Return column -> DuckDB type: those declared, then whatever else the lake has."""
        declared = TABLES[name].schema if name in TABLES else pa.schema([])
        stored = state.tables[name].schema if name in state.tables else pa.schema([])
        if (declared, stored) not in self._types:
            more = [field for field in stored if declared.get_field_index(field.name) < 0]
            self._types[declared, stored] = column_types(self._database, pa.schema([*declared, *more]))
        return self._types[declared, stored]

    def _scan(self, name: str, state: LakeSnapshot) -> str:
        files, mixed = state.visible_files(name) if name in state.tables else ([], False)
        return scan(self._columns[name], self._file_columns.of(files), _NOT_HIDDEN_LOAD if mixed else "")

    def _view(self, name: str, sql: str, schema: str = "main") -> None:
        self._make(f"{schema}.{name}", f"CREATE OR REPLACE VIEW {schema}.{identifier(name)} AS {sql}")

    def _make(self, key: str, statement: str) -> None:
        if self._made.get(key) != statement:
            self._database.execute(statement)
            self._made[key] = statement

    def _store(self, name: str, table: pa.Table) -> None:
        self._database.register("incoming", table)
        self._database.execute(f"CREATE OR REPLACE TABLE internal.{name} AS FROM incoming")
        self._database.unregister("incoming")

    def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self._database.execute(sql).fetchall()


def _scores(names: Iterable[str], columns: dict[str, dict[str, str]]) -> list[str]:
    """Return the tables whose rows are of a scoring: the declared ones, and those of models nobody has heard of."""
    return [
        name
        for name in names
        if (model_of(name) is not None if name in TABLES else {"recording_id", "scoring_id"} <= set(columns[name]))
    ]


def _loads_differ(before: LakeSnapshot, after: LakeSnapshot) -> bool:
    return before.hidden != after.hidden or before.complete != after.complete
