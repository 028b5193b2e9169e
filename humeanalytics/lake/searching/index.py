"""The index as a database: what was said, chat by chat, and the terms of it (SQLite's FTS5)."""

from __future__ import annotations

import sqlite3
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from humeanalytics.errors import LakeError
from humeanalytics.lake.searching.asking import Wanted
from humeanalytics.lake.searching.stems import stems_version
from humeanalytics.lake.searching.terms import TERMS_VERSION, terms_of

_FORMAT = 1
#: Terms of so many bytes are gathered in memory before they are written.
_GATHERED_BYTES = 32 * 1024 * 1024
_SCHEMA = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE loads (load_id TEXT PRIMARY KEY, rows TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE touched (load_id TEXT, chat_id TEXT, rows INTEGER, PRIMARY KEY (load_id, chat_id)) WITHOUT ROWID;
CREATE TABLE hidden (chat_id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE chats (chat_id TEXT PRIMARY KEY, chat_group_id TEXT, first_id INTEGER, last_id INTEGER) WITHOUT ROWID;
CREATE TABLE messages (
    id INTEGER PRIMARY KEY, chat_id TEXT NOT NULL, event_id TEXT, at_us INTEGER, speaker TEXT, text TEXT,
    expression_1 TEXT, score_1 REAL, expression_2 TEXT, score_2 REAL, expression_3 TEXT, score_3 REAL
);
CREATE VIRTUAL TABLE terms USING fts5(words, plain, english, german, content = '', tokenize = 'ascii');
"""
_FIND = """
WITH hits AS MATERIALIZED (SELECT rowid AS id, bm25(terms) AS cost FROM terms WHERE terms MATCH :match),
first AS MATERIALIZED (
    SELECT m.id, hits.cost FROM hits CROSS JOIN messages AS m ON m.id = hits.id
    WHERE (:speaker IS NULL OR m.speaker = :speaker) AND (:since_us IS NULL OR m.at_us >= :since_us)
        AND (:until_us IS NULL OR m.at_us < :until_us)
    ORDER BY hits.cost, m.at_us DESC, m.chat_id, m.id LIMIT :limit
)
SELECT first.cost, c.chat_group_id, m.chat_id, m.event_id, m.at_us, m.speaker, m.text, before.speaker, before.text,
    after.speaker, after.text, m.expression_1, m.score_1, m.expression_2, m.score_2, m.expression_3, m.score_3
FROM first JOIN messages AS m ON m.id = first.id JOIN chats AS c ON c.chat_id = m.chat_id
LEFT JOIN messages AS before ON before.id = m.id - 1 AND before.chat_id = m.chat_id
LEFT JOIN messages AS after ON after.id = m.id + 1 AND after.chat_id = m.chat_id
ORDER BY first.cost, m.at_us DESC, m.chat_id, m.id
"""
_COUNT = """
WITH hits AS MATERIALIZED (SELECT rowid AS id FROM terms WHERE terms MATCH :match)
SELECT count(*) FROM hits CROSS JOIN messages AS m ON m.id = hits.id
WHERE (:speaker IS NULL OR m.speaker = :speaker) AND (:since_us IS NULL OR m.at_us >= :since_us)
    AND (:until_us IS NULL OR m.at_us < :until_us)
"""


class Said(NamedTuple):
    """One message, as the view ``transcript`` has it: times in microseconds since 1970."""

    chat_group_id: str | None
    chat_id: str
    event_id: str | None
    at_us: int | None
    speaker: str
    text: str | None
    expression_1: str | None
    score_1: float | None
    expression_2: str | None
    score_2: float | None
    expression_3: str | None
    score_3: float | None


class Hit(NamedTuple):
    """One message that was found, and what was said before and after it. The lower its cost, the better it fits."""

    cost: float
    chat_group_id: str | None
    chat_id: str
    event_id: str | None
    at_us: int | None
    speaker: str
    text: str
    before_speaker: str | None
    before_text: str | None
    after_speaker: str | None
    after_text: str | None
    expression_1: str | None
    score_1: float | None
    expression_2: str | None
    score_2: float | None
    expression_3: str | None
    score_3: float | None


@dataclass(frozen=True, slots=True)
class Among:
    """Among which messages to look: of whom, and from when until before when, in microseconds since 1970."""

    speaker: str | None = None
    since_us: int | None = None
    until_us: int | None = None


def signature() -> str:
    """Return what an index has to be made by to be used: anything else may have cut texts into other terms."""
    return f"{_FORMAT}.{TERMS_VERSION}, snowballstemmer {stems_version()}, Unicode {unicodedata.unidata_version}"


def require_fts5() -> None:
    """Make sure that SQLite can search.

    Raises:
        LakeError: It was built without FTS5.
    """
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute("CREATE VIRTUAL TABLE terms USING fts5(words)")
    except sqlite3.OperationalError as error:
        raise LakeError(
            f"Search needs SQLite with its extension FTS5, and the one of this Python ({sys.executable}, SQLite "
            f"{sqlite3.sqlite_version}) has none. Use a Python that has: those of python.org, conda and Linux distributions do."
        ) from error
    finally:
        connection.close()


class Index:
    """An index in an open database. Transactions are its user's."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = self._db = connection

    def make(self) -> None:
        """Make the tables."""
        for statement in _SCHEMA.split(";\n"):
            if statement.strip():
                self._db.execute(statement)
        self._db.execute("INSERT INTO terms (terms, rank) VALUES ('hashsize', ?)", [_GATHERED_BYTES])
        self.note("signature", signature())

    def note(self, name: str, value: str) -> None:
        """Keep a fact about the index."""
        self._db.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", [name, value])

    def noted(self, name: str) -> str | None:
        """Return a fact about the index."""
        found = self._db.execute("SELECT value FROM about WHERE name = ?", [name]).fetchone()
        return None if found is None else str(found[0])

    # --------------------------------------------------------------------------------------------------- what it was made of
    def loads(self) -> dict[str, str]:
        """Return the loads it was made of, and how many rows each had."""
        return dict(self._db.execute("SELECT load_id, rows FROM loads"))

    def hidden(self) -> set[str]:
        """Return the chats that were not to be seen."""
        return {chat_id for (chat_id,) in self._db.execute("SELECT chat_id FROM hidden")}

    def touched_by(self, loads: Iterable[str]) -> set[str]:
        """Return the chats that some of these loads tell of."""
        return {
            chat_id
            for load_id in loads
            for (chat_id,) in self._db.execute("SELECT chat_id FROM touched WHERE load_id = ?", [load_id])
        }

    def forget_loads(self, loads: Iterable[str]) -> None:
        """Forget that the index was made of some loads."""
        for load_id in loads:
            self._db.execute("DELETE FROM touched WHERE load_id = ?", [load_id])
            self._db.execute("DELETE FROM loads WHERE load_id = ?", [load_id])

    def keep_loads(self, loads: dict[str, str], touched: Iterable[tuple[str, str, int]], hidden: set[str]) -> None:
        """Note loads that the index is now made of too, the chats each tells of in how many rows, and chats not to be seen."""
        self._db.executemany("INSERT INTO loads VALUES (?, ?)", loads.items())
        self._db.executemany("INSERT INTO touched VALUES (?, ?, ?)", touched)
        self._db.execute("DELETE FROM hidden")
        self._db.executemany("INSERT INTO hidden VALUES (?)", ((chat_id,) for chat_id in sorted(hidden)))

    def together(self, chats: Iterable[str] | None, rows: int) -> Iterator[list[str]]:
        """Yield some of the chats that loads tell of, or all: so many at a time that they have about so many rows.

        Chats of one load come one after the other: their rows lie together in the lake.
        """
        which = ""
        if chats is not None:
            self._db.execute("CREATE TEMP TABLE IF NOT EXISTS wanted (chat_id TEXT PRIMARY KEY) WITHOUT ROWID")
            self._db.execute("DELETE FROM temp.wanted")
            self._db.executemany("INSERT INTO temp.wanted VALUES (?)", ((chat_id,) for chat_id in chats))
            which = "WHERE chat_id IN temp.wanted"
        counted = f"SELECT chat_id, sum(rows) FROM touched {which} GROUP BY chat_id ORDER BY min(load_id), chat_id"
        gathered: list[str] = []
        so_many = 0
        for chat_id, of_chat in self._db.execute(counted):
            gathered.append(chat_id)
            so_many += of_chat
            if so_many >= rows:
                yield gathered
                gathered, so_many = [], 0
        if gathered:
            yield gathered

    # -------------------------------------------------------------------------------------------------------------- messages
    def remove(self, chats: Iterable[str]) -> None:
        """Take out all messages of some chats."""
        for chat_id in chats:
            found = self._db.execute("SELECT first_id, last_id FROM chats WHERE chat_id = ?", [chat_id]).fetchone()
            if found is None:
                continue
            said = self._db.execute("SELECT id, text FROM messages WHERE id BETWEEN ? AND ?", found).fetchall()
            # An index without content takes a row out only if it is told the terms of it, word for word.
            self._db.executemany(
                "INSERT INTO terms (terms, rowid, words, plain, english, german) VALUES ('delete', ?, ?, ?, ?, ?)",
                ((message_id, *_columns(text)) for message_id, text in said),
            )
            self._db.execute("DELETE FROM messages WHERE id BETWEEN ? AND ?", found)
            self._db.execute("DELETE FROM chats WHERE chat_id = ?", [chat_id])

    def add(self, messages: Iterable[Said]) -> int:
        """Put in all messages of some chats, which come chat by chat and each in its order; return how many."""
        (before,) = self._db.execute("SELECT coalesce(max(id), 0) FROM messages").fetchone()
        last = before
        for chat_id, of_chat in groupby(messages, key=attrgetter("chat_id")):
            said = list(of_chat)
            first, last = last + 1, last + len(said)
            self._db.execute("INSERT INTO chats VALUES (?, ?, ?, ?)", [chat_id, said[0].chat_group_id, first, last])
            self._db.executemany(
                f"INSERT INTO messages VALUES ({', '.join('?' * 12)})", ((n, *each[1:]) for n, each in enumerate(said, first))
            )
            self._db.executemany(
                "INSERT INTO terms (rowid, words, plain, english, german) VALUES (?, ?, ?, ?, ?)",
                ((n, *_columns(each.text)) for n, each in enumerate(said, first)),
            )
        return int(last - before)

    # --------------------------------------------------------------------------------------------------------------- finding
    def find(self, wanted: Wanted, among: Among, limit: int | None) -> Iterator[Hit]:
        """Yield the messages that fit best, best first; of those that fit alike the newest first."""
        if wanted.match:
            values = {"match": wanted.match, "limit": -1 if limit is None else limit, **_values(among)}
            yield from map(Hit._make, self._db.execute(_FIND, values))

    def count(self, wanted: Wanted, among: Among) -> int:
        """Return how many messages fit."""
        if not wanted.match:
            return 0
        return int(self._db.execute(_COUNT, {"match": wanted.match, **_values(among)}).fetchone()[0])


def _values(among: Among) -> dict[str, str | int | None]:
    return {"speaker": among.speaker, "since_us": among.since_us, "until_us": among.until_us}


def _columns(text: str | None) -> tuple[str, str, str, str]:
    terms = terms_of(text or "")
    return " ".join(terms.words), " ".join(terms.plain), " ".join(terms.english), " ".join(terms.german)
