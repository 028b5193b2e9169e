"""The index brought up to the lake as it is: only chats of which something may have changed are read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from humeanalytics.lake.catalog import Reading
from humeanalytics.lake.scans import literal
from humeanalytics.lake.searching.index import Index, Said
from humeanalytics.lake.snapshot import LakeSnapshot

#: Tables whose rows decide what is seen of chats.
_TABLES = ("chats", "chat_events", "items")
_BATCH_ROWS = 8_192
#: Chats are read so many together that they have about this many rows: what that takes in memory is all it takes.
_ROWS_AT_ONCE = 100_000
_LOADS = """
SELECT load_id, count(*) FILTER (of_events) || ' events, ' || count(*) FILTER (NOT of_events) || ' chats'
FROM (
    SELECT load_id, true AS of_events FROM main.chat_events_all UNION ALL SELECT load_id, false FROM main.chats_all
) WHERE load_id IS NOT NULL GROUP BY load_id
"""
_TOUCHED = """
SELECT load_id, chat_id, count(*)
FROM (SELECT load_id, chat_id FROM main.chat_events_all UNION ALL SELECT load_id, chat_id FROM main.chats_all)
WHERE chat_id IS NOT NULL AND load_id IN (SELECT unnest(?)) GROUP BY load_id, chat_id
"""
_SAID = """
SELECT chat_group_id, chat_id, event_id, epoch_us("timestamp") AS at_us, speaker, message_text,
    expression_1, score_1, expression_2, score_2, expression_3, score_3
FROM ({transcript}) WHERE chat_id IN ({chats}) ORDER BY chat_id, "timestamp", ordinal, event_id
"""


def state_of(snapshot: LakeSnapshot) -> str:
    """Return a name of what a snapshot shows of chats: the same in every process, another for anything that could differ."""
    told = hashlib.sha256()
    for name in _TABLES:
        told.update(f"{name} {snapshot.tables[name].version if name in snapshot.tables else None}\n".encode())
    for loads in (snapshot.complete, snapshot.hidden):
        told.update(" ".join(sorted(loads)).encode() + b"\n")
    return told.hexdigest()


def follow(index: Index, lake: Reading) -> None:
    """Bring an index up to the lake as it was read.

    Loads are compared with those the index was made of: chats that are told of by one that is new, gone or has other rows than
    before are taken out and read again, as `transcript` has them, and so are chats that were excluded since, or no longer are.
    """
    then, now = index.loads(), dict(lake.connection.execute(_LOADS).fetchall())
    hidden = {chat_id for (chat_id,) in lake.connection.execute("SELECT chat_id FROM internal.hidden_chats").fetchall()}
    new = sorted(load_id for load_id, rows in now.items() if then.get(load_id) != rows)
    gone = [load_id for load_id, rows in then.items() if now.get(load_id) != rows]
    changed = index.touched_by(gone) | (hidden ^ index.hidden())
    index.forget_loads(gone)
    index.keep_loads({load_id: now[load_id] for load_id in new}, _rows(lake, _TOUCHED, new), hidden)
    if then:
        changed |= index.touched_by(new)
        index.remove(sorted(changed))
    for chats in index.together(changed if then else None, _ROWS_AT_ONCE):
        index.add(map(Said._make, _rows(lake, _said_in(chats, lake.transcript))))


def _said_in(chats: list[str], transcript: str) -> str:
    """Return a question for what was said in some chats.

    DuckDB would work out the whole view first: so the view is given only the events of these chats.
    """
    listed = ", ".join(map(literal, chats))
    events = f"(SELECT * FROM main.chat_events WHERE chat_id IN ({listed}))"
    return _SAID.format(transcript=transcript.replace("main.chat_events", events), chats=listed)


def _rows(lake: Reading, query: str, *values: list[str]) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of an answer, some thousands at a time."""
    for batch in lake.connection.sql(query, params=list(values) or None).to_arrow_reader(_BATCH_ROWS):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)
