"""What SQL sees: a DuckDB database in memory whose views follow the lake.

Under a table's name stands what an analyst means: rows of the newest scoring of each recording and model, of complete
loads, of recordings that are not excluded. ``<table>_all`` is everything of complete loads, ``<table>_labelled`` has the
labels as columns. Whatever is left out is a small set to exclude, and no filter at all where that set is empty.
"""

from __future__ import annotations

import re
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
from humeanalytics.lake import views, who
from humeanalytics.lake.lookups import canonical_ids, known_names
from humeanalytics.lake.scans import ColumnTypes, FileColumns, identifier, literal, scan
from humeanalytics.lake.snapshot import LakeSnapshot, SnapshotReader
from humeanalytics.tables.schema import SCORE_TABLES, TABLES, model_of

# Joins and not NOT EXISTS: two of these, one around the other, DuckDB plans so that it takes ten times as long.
_NOT_HIDDEN_LOAD = "ANTI JOIN internal.hidden_loads AS h ON h.load_id = t.load_id"
_NOT_HIDDEN_SCORING = "ANTI JOIN internal.hidden_scorings AS h ON h.scoring_id = t.scoring_id"
#: Bookkeeping that decides which scorings hold, and whose rows are.
_DECIDING = ("scorings", "items", "recording_aliases", "labels", "subjects", "segments")
#: Tables that decide, that those are made of, or that tell which rows of chats hold.
_ALWAYS = (*_DECIDING, "scoring_sources", "chats", "chat_events")
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
#: What stands in SQL that asks for a view made of tables, or for whatever there is, or for something whose name is not in it.
_ASKS_FOR_VIEWS = re.compile(
    "|".join(["names", "scores_v0", *_VIEWS, *_WITH_EXPRESSIONS, "top_expressions", "internal"])
    + r"|query|show|explain|pragma|information_schema|duckdb_|sqlite_|pg_"
    + r"|describe(?!\s+[\"\w])|describe\s+(?:all|tables)\b|(?:^|[(;\n/])\s*desc\b",
    re.IGNORECASE,
)


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
        self._said = who.Said()
        self._view_columns: dict[str, list[str]] = {}
        self._has_ties = False
        self._hides_rows_of_chats = False
        self._rescored = False
        self._tied_models: set[str] = set()
        self._shown: set[str] = set()
        self._has_labels = self._has_views = False

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
        # A file of a lake never changes once it is there, so what its end says of it need be read once.
        database.execute("SET GLOBAL TimeZone = 'UTC'; SET GLOBAL parquet_metadata_cache = true; CREATE SCHEMA internal")
        return database

    @cached_property
    def _file_columns(self) -> FileColumns:
        return FileColumns(self._database.cursor())

    @cached_property
    def _column_types(self) -> ColumnTypes:
        return ColumnTypes(self._database)

    def cursor(self, sql: str | None = None) -> duckdb.DuckDBPyConnection:
        """Return a connection of its own that sees the lake as it is now. The caller closes it.

        Args:
            sql: What it will be asked. To make all that SQL can name takes longer than most questions: what nobody has asked
                for need not be there. None: everything is there.
        """
        with self._lock:
            self._require_open()
            self.refresh(sql)
            cursor = self._database.cursor()
        cursor.execute("SET python_enable_replacements = false")
        return cursor

    @contextmanager
    def reading(self) -> Iterator[Reading]:
        """Give the lake as it is now, and stays as long as the block takes."""
        with self._lock:
            cursor = self.cursor("chat_events")
            if not self._has_views:
                self._learn_chats()
            cursor.execute("BEGIN TRANSACTION READ ONLY")
            cursor.execute("FROM internal.hidden_loads LIMIT 0").fetchall()  # a transaction begins with its first question
            assert self._state is not None
            reading = Reading(self._state, cursor, self._with_expressions("transcript"))
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
            self.refresh("")
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
    def refresh(self, sql: str | None = None) -> None:
        """Bring what SQL sees up to the lake as it is now; all of it in one transaction.

        Args:
            sql: What will be asked: what it names is there. What has been there once always follows. None: everything.
        """
        with self._lock:
            state = self._reader.read()
            has_views = self._has_views or sql is None or _ASKS_FOR_VIEWS.search(sql) is not None
            names = [*TABLES, *(name for name in state.tables if name not in TABLES)]
            has_labels = has_views or self._has_labels or "labelled" in (sql or "").lower()
            shown = set(names) if has_views else self._shown | _named(names, (sql or "").lower())
            if state is self._state and (has_views, has_labels, shown) == (self._has_views, self._has_labels, self._shown):
                return
            made, columns = dict(self._made), dict(self._columns)
            self._database.execute("BEGIN")
            try:
                differs = self._build(state, [name for name in names if name in shown])
                if has_labels:
                    for name in shown.intersection(_with_labels(self._columns)):
                        self._view(f"{name}_labelled", self._labelled(name))
                if has_views:
                    self._build_views(differs or not self._has_views)
                self._database.execute("COMMIT")
            except BaseException:
                self._made, self._columns = made, columns
                self._database.execute("ROLLBACK")
                raise
            self._state, self._has_views, self._has_labels, self._shown = state, has_views, has_labels, shown
            self._relations = self._all_relations()

    def _build(self, state: LakeSnapshot, shown: list[str]) -> bool:
        """Make some tables' own names, and return whether other rows than before may hold."""
        before = self._state
        names = [*TABLES, *(name for name in state.tables if name not in TABLES)]
        columns = {name: self._columns_of(name, state) for name in names}
        if columns != self._columns:  # a view has its columns from when it was made
            self._made.clear()
            self._columns = columns
            self._store("names", known_names(state, names))
        if state is not before:
            self._store("hidden_loads", pa.table({"load_id": pa.array(sorted(state.hidden), pa.string())}))
        for name in shown:
            self._view(f"{name}_all", self._scan(name, state))
        differs = before is None or _loads_differ(before, state)
        if before is None or differs or any(before.tables.get(t) != state.tables.get(t) for t in _DECIDING):
            differs = True
            self._decide()
        for name in shown:
            self._plain(name)
        return differs

    def _all_relations(self) -> dict[str, Relation]:
        """Return whatever SQL can name, whether it has been asked for or not."""
        found = []
        for name in self._columns:
            about = f"{TABLES[name].row[0].upper()}{TABLES[name].row[1:]}" if name in TABLES else "Not a table of this version"
            plain = views.view_text(name).about if name in TABLES and model_of(name) is None else f"{about}."
            found.append(Relation(name, "table", plain))
            found.append(Relation(f"{name}_all", "view", f"{about}: every row of complete loads."))
        labelled = dict.fromkeys(_with_labels(self._columns), "scores_labelled") | {"items": "items_labelled"}
        made = {f"{name}_labelled": text for name, text in labelled.items()}
        made |= {name: name for name in ("names", "scores_v0", *_VIEWS, *_WITH_EXPRESSIONS)}
        made |= {f"{name}_labelled": text for name, text in _CHAT_VIEWS.items()}
        found += [Relation(name, "view", views.view_text(text).about) for name, text in made.items()]
        found.append(Relation("top_expressions", "macro", views.view_text("top_expressions").about))
        return {relation.name: relation for relation in found}

    def _plain(self, name: str) -> None:
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
        for name in ("recording_aliases", "labels", "subjects", "segments"):
            self._view(name, views.view_text(name).sql)
        for name in ("items", "scorings"):
            sql = views.view_text(name).sql
            self._view(name, views.tied(sql) if ties else sql)
        keys = self._rows("SELECT DISTINCT key FROM main.labels WHERE key IS NOT NULL ORDER BY key")
        self._label_keys = [key for (key,) in keys]
        self._view("wide_labels", views.wide_labels(self._label_keys), schema="internal")
        for name in ("recording_items", "hidden_scorings", "hidden_chats", "hidden_events"):
            self._database.execute(f"CREATE OR REPLACE TABLE internal.{name} AS {views.view_text(name).sql}")
        for name in ("subjects", "segments"):
            self._database.execute(f"CREATE OR REPLACE TABLE internal.{name} AS FROM main.{name}")
        self._said = self._what_is_said()
        of_chats = "(SELECT count(*) FROM internal.hidden_chats) + (SELECT count(*) FROM internal.hidden_events)"
        self._hides_rows_of_chats = self._rows(f"SELECT {of_chats} > 0") == [(True,)]

    def _what_is_said(self) -> who.Said:
        counts = (
            f"SELECT count({who.ROLE}), count({who.PARTICIPANT}), (SELECT count(*) FROM internal.segments) FROM internal.subjects"
        )
        ((roles, participants, segments),) = self._rows(counts)
        of_subjects = [name for name, count in ((who.ROLE, roles), (who.PARTICIPANT, participants)) if count]
        return who.Said(tuple(of_subjects), segments > 0)

    def _labelled(self, name: str) -> str:
        if name in _scores([name], self._columns):
            return who.scores_labelled(name, self._columns[name], self._label_keys, self._said)
        return views.labelled(name, list(self._columns[name]), self._label_keys)

    def _learn_chats(self) -> None:
        """Find what the views of chats ask for again and again."""
        self._database.execute(f"CREATE OR REPLACE TABLE internal.known_chats AS {views.view_text('known_chats').sql}")
        scored = "FROM main.chat_events WHERE type = 'ASSISTANT_PROSODY' AND related_event_id IS NOT NULL"
        self._rescored = self._rows(f"SELECT count(*) > count(DISTINCT (chat_id, related_event_id)) {scored}") == [(True,)]

    def _build_views(self, differs: bool) -> None:
        """Make the views that are made of tables."""
        if differs:
            self._learn_chats()
        columns = self._columns
        known = self._rows('SELECT model, "column", kind FROM internal.names ORDER BY place, nth')
        scores = {table: [column for model, column, _ in known if model == table] for table in SCORE_TABLES}
        other = [table for table in SCORE_TABLES if "other" in columns[table]]
        expressions = dict.fromkeys(column for _, column, kind in known if kind == "expression")
        self._view("names", views.view_text("names").sql)
        self._view("scores_v0", views.scores_v0(scores, other))
        for name in _VIEWS:
            self._view(name, views.view_text(name).sql)
        for name in _WITH_EXPRESSIONS:
            self._view(name, self._with_expressions(name))
        macro = views.view_text("top_expressions").fill(expressions=", ".join(map(literal, expressions)))
        self._make("top_expressions", f"CREATE OR REPLACE MACRO main.top_expressions(table_name, k := 10) AS TABLE {macro}")
        for name, text in _CHAT_VIEWS.items():
            self._view(f"{name}_labelled", views.labelled(name, self._columns_of_view(name), self._label_keys, text))

    # -------------------------------------------------------------------------------------------------------------- parts
    def _with_expressions(self, name: str) -> str:
        of_prosody = "FROM internal.names WHERE model = 'prosody' AND kind = 'expression' ORDER BY nth"
        spoken = [column for (column,) in self._rows(f'SELECT "column" {of_prosody}')]
        columns = [column for column in spoken if column in self._columns["chat_events"]]
        return views.with_expressions(name, columns, rescored=self._rescored)

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
            self._types[declared, stored] = self._column_types.of(pa.schema([*declared, *more]))
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


def _named(names: Iterable[str], sql: str) -> set[str]:
    """Return the tables that are needed to answer: those named, and those that others are made of."""
    named = {name for name in names if name.lower() in sql}
    return {*named, *_ALWAYS, *(["word_sources"] if "words" in named else [])}


def _with_labels(columns: dict[str, dict[str, str]]) -> list[str]:
    """Return the tables that are there with their labels, too."""
    return [*_scores(columns, columns), *_OF_CHATS, "items"]


def _loads_differ(before: LakeSnapshot, after: LakeSnapshot) -> bool:
    return before.hidden != after.hidden or before.complete != after.complete
