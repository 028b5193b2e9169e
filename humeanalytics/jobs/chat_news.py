"""What the lake knows of chats, and which readings of them tell it anything new.

By what they tell, not by ids of answers: the same chat may have been exported, or saved page by page, or in another form.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from humeanalytics.lake.lake import Lake
from humeanalytics.tables.evi_chats import MESSAGES
from humeanalytics.tables.schema import HUME_NAME, schema_of

_LONG_AGO = datetime.min.replace(tzinfo=UTC)
#: Tables whose rows are of one chat and are loaded with it.
OF_CHATS = ("chats", "chat_events", "chat_segments", "tool_calls")
#: Tables of other things that are told of, and what names one of them.
THINGS = {
    "chat_groups": ("chat_group_id",),
    "chat_audio": ("chat_id",),
    "evi_configs": ("config_id", "version"),
    "evi_prompts": ("prompt_id", "version"),
    "evi_tools": ("tool_id", "version"),
}
#: What of a row is of the reading, not of the thing.
_OF_THE_READING = frozenset(("recording_id", "scoring_id", "load_id", "seen_at", "events", "form"))
_OF_EVENTS = ("type", "role", "timestamp_raw", "message_text", "related_event_id", "begin_ms", "end_ms")

_NEW_EVENTS = """
SELECT DISTINCT n.chat_id
FROM (SELECT chat_id, event_id, seen_at, hash($content) AS content FROM fresh) AS n
ANTI JOIN (
    SELECT e.chat_id, event_id, seen_at, hash($content) AS content
    FROM chat_events_all AS e SEMI JOIN (SELECT DISTINCT chat_id FROM fresh) AS f ON f.chat_id = e.chat_id
) AS k ON k.chat_id = n.chat_id AND k.event_id = n.event_id AND (k.content = n.content OR k.seen_at >= n.seen_at)
"""
#: As `hidden_events.sql` decides which form of a chat shows.
_AS_HISTORY = """
SELECT chat_id
FROM (
    SELECT chat_id, count(*) FILTER (form = 'socket' AND type IN ('USER_MESSAGE', 'AGENT_MESSAGE')) AS said
    FROM fresh GROUP BY chat_id
) AS n
JOIN (
    SELECT e.chat_id, count(DISTINCT event_id) FILTER (type IN ('USER_MESSAGE', 'AGENT_MESSAGE')) AS said
    FROM chat_events_all AS e SEMI JOIN (SELECT DISTINCT chat_id FROM fresh) AS f ON f.chat_id = e.chat_id
    WHERE form = 'history' GROUP BY e.chat_id
) AS k USING (chat_id)
WHERE k.said >= n.said
"""
#: Calls that an event tells of are new with it; those that only a webhook tells of are looked at.
_NEW_CALLS = """
SELECT DISTINCT n.chat_id FROM fresh AS n
ANTI JOIN tool_calls_all AS k ON k.chat_id = n.chat_id AND k.tool_call_id IS NOT DISTINCT FROM n.tool_call_id
    AND k.name IS NOT DISTINCT FROM n.name
WHERE n.call_event_id IS NULL AND n.response_event_id IS NULL
"""


class KnownChats:
    """What the lake knew of some chats when this was made.

    Attributes:
        scorings: The reading that shows, of each chat that is known.
    """

    def __init__(self, lake: Lake, chat_ids: Iterable[str]) -> None:
        self._lake = lake
        self._rows: dict[str, list[dict[str, Any]]] = {}
        wanted = pa.table({"chat_id": pa.array(sorted(chat_ids), pa.string())})
        columns = ", ".join(f"c.{name}" for name in schema_of("chats").names if name != "load_id")
        sql = f"SELECT {columns} FROM chats_all AS c SEMI JOIN wanted AS w ON w.chat_id = c.chat_id"
        for row in lake.sql(sql, wanted=wanted).rows() if wanted.num_rows else ():
            self._rows.setdefault(row["chat_id"], []).append(row)
        self.scorings = {chat_id: max(rows, key=_age)["scoring_id"] for chat_id, rows in self._rows.items()}

    def __contains__(self, chat_id: object) -> bool:
        return chat_id in self._rows

    def told_more(self, tables: Mapping[str, pa.Table]) -> set[str]:
        """Return of which known chats some tables tell what the lake does not know, and is not older than what it knows."""
        found: set[str] = set()
        for row in tables["chats"].to_pylist() if "chats" in tables else ():
            if row["chat_id"] in self and _tells_more(row, self._rows[row["chat_id"]], ("chat_id",)):
                found.add(row["chat_id"])
        known = self._rows.keys() - found
        content = ", ".join(f'"{name}"' for name in (*_OF_EVENTS, *_scores()))
        for table, sql in (("chat_events", _NEW_EVENTS.replace("$content", content)), ("tool_calls", _NEW_CALLS)):
            fresh = self._counted(rows_of(tables[table], known)) if table in tables and known else None
            if fresh is not None and fresh.num_rows:
                found |= {row["chat_id"] for row in self._lake.sql(sql, fresh=fresh).rows()}
        return found

    def _counted(self, rows: pa.Table) -> pa.Table:
        """Leave out events of a socket where the lake has as many messages of the chat's history: those are not shown."""
        if "form" not in rows.column_names or "socket" not in rows["form"].unique().to_pylist():
            return rows
        found = self._lake.sql(_AS_HISTORY, fresh=rows.select(["chat_id", "form", "type"])).rows()
        as_history = [row["chat_id"] for row in found]
        hidden = pc.is_in(rows["chat_id"], value_set=pa.array(as_history, pa.string()))
        return rows.filter(pc.invert(pc.and_(hidden, pc.equal(rows["form"], "socket"))))


def new_things(lake: Lake, table: str, rows: pa.Table) -> pa.Table:
    """Return those rows of a table of `THINGS` that tell what the lake does not know."""
    keys = THINGS[table]
    wanted = rows.select(list(keys))
    same = " AND ".join(f"w.{key} IS NOT DISTINCT FROM t.{key}" for key in keys)
    names = ", ".join(f"t.{name}" for name in schema_of(table).names if name != "load_id")
    known = lake.sql(f"SELECT {names} FROM {table}_all AS t SEMI JOIN wanted AS w ON {same}", wanted=wanted).rows()
    return things_beyond(table, rows, known)


def things_beyond(table: str, rows: pa.Table, known: Iterable[dict[str, Any]]) -> pa.Table:
    """Return those rows of a table of `THINGS` that tell what some known rows do not."""
    keys = THINGS[table]
    of_thing: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in known:
        of_thing.setdefault(tuple(row[key] for key in keys), []).append(row)
    more = [_tells_more(row, of_thing.get(tuple(row[key] for key in keys), ()), keys) for row in rows.to_pylist()]
    return rows.filter(pa.array(more, pa.bool_()))


def told_beyond(tables: Mapping[str, pa.Table], known: Mapping[str, pa.Table]) -> set[str]:
    """Return of which chats that are known some tables tell more, as `KnownChats.told_more` does for those in a lake."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in known["chats"].to_pylist() if "chats" in known else ():
        rows.setdefault(row["chat_id"], []).append(row)
    found = {
        row["chat_id"]
        for row in (tables["chats"].to_pylist() if "chats" in tables else ())
        if row["chat_id"] in rows and _tells_more(row, rows[row["chat_id"]], ("chat_id",))
    }
    if "chat_events" in tables and (rest := rows.keys() - found):
        of_history = _said(known["chat_events"], "history") if "chat_events" in known else Counter[str]()
        of_sockets = _said(tables["chat_events"], "socket")
        rest -= {chat_id for chat_id in rest & of_sockets.keys() if of_history[chat_id] >= of_sockets[chat_id]}
        there = _events(rows_of(known["chat_events"], rest)) if "chat_events" in known else {}
        for event, told in _events(rows_of(tables["chat_events"], rest)).items():
            for content, seen_at in told:
                if not any(content == other or at >= seen_at for other, at in there.get(event, ())):
                    found.add(event[0])
    return found


def _said(events: pa.Table, form: str) -> Counter[str]:
    """Return how many messages there are of each chat, of events of one form."""
    rows = events.select(["chat_id", "event_id", "form", "type"]).to_pylist()
    ids = {(row["chat_id"], row["event_id"]) for row in rows if row["form"] == form and row["type"] in MESSAGES}
    return Counter(chat_id for chat_id, _ in ids)


def _events(rows: pa.Table) -> dict[tuple[str, str], list[tuple[Any, datetime]]]:
    """Return what is told of each event, and when."""
    told: dict[tuple[str, str], list[tuple[Any, datetime]]] = {}
    columns = [*_OF_EVENTS, *_scores()]
    for row in rows.select(["chat_id", "event_id", "seen_at", *columns]).to_pylist():
        content = tuple(row[column] for column in columns)
        told.setdefault((row["chat_id"], row["event_id"]), []).append((content, row["seen_at"] or _LONG_AGO))
    return told


def rows_of(table: pa.Table, chat_ids: Collection[str]) -> pa.Table:
    """Return the rows of some chats."""
    return table.filter(pc.is_in(table["chat_id"], value_set=pa.array(sorted(chat_ids), pa.string())))


def _tells_more(row: Mapping[str, Any], known: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> bool:
    """Tell whether a row says anything that no known row says, nor a known row that is as late says otherwise."""
    if not known:
        return True
    for column, value in row.items():
        if value is None or column in _OF_THE_READING or column in keys or f"{column}_raw" in row:
            continue
        told = [other for other in known if other.get(column) is not None]
        if not any(other[column] == value for other in told) and not any(_age(other) >= _age(row) for other in told):
            return True
    return False


def _age(row: Mapping[str, Any]) -> tuple[bool, datetime]:
    """Return how late a telling is: what knows of an end is later than what does not."""
    return row.get("end_timestamp_raw") is not None, row["seen_at"] or _LONG_AGO


def _scores() -> list[str]:
    return [field.name for field in schema_of("chat_events") if HUME_NAME in (field.metadata or {})]
