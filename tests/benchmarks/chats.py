"""Measure SQL over chats: one chat's transcript, turns over all, with and without expressions, warm.

    python tests/benchmarks/chats.py --events 1000000

Prints figures; asserts nothing. The chats are the sandbox's, of all its eras; as many copies of them as it takes, under other
ids, are committed to a lake as exports of 400 chats are.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from hume_pages import pages_of_events

from humeanalytics.lake.lake import Lake, open_lake
from humeanalytics.tables.evi import EviBook

CHATS = 400
_IDS = ("chat_id", "chat_group_id", "event_id", "related_event_id", "recording_id", "scoring_id")
QUERIES = {
    "turns: latency by speaker": "SELECT speaker, avg(text_latency_ms), sum(interrupted::int) FROM turns GROUP BY speaker",
    "turns: two expressions": "SELECT speaker, avg(joy), avg(anger) FROM turns GROUP BY speaker",
    "turns: every column": "SELECT count(COLUMNS(*)) FROM turns",
    "transcript: two expressions": "SELECT speaker, avg(joy), avg(anger) FROM transcript GROUP BY speaker",
    "conversations": "SELECT count(COLUMNS(*)) FROM conversations",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--keep", type=Path, help="a folder for the lake, which is used again if it is there")
    given = parser.parse_args()
    print(json.dumps({"cores": os.cpu_count(), "python": sys.version.split()[0]}), flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.keep or Path(temporary) / "lake"
        if not folder.exists():
            fill(folder, given.events)
        with open_lake(folder) as lake:
            measure(lake)


def fill(folder: Path, events: int) -> None:
    book = EviBook(origin="benchmark")
    for page in pages_of_events(chats=CHATS, events=50):
        book.read(page)
    flattened = book.finish(load_id="0" * 32)
    tables = {
        name: table for name, table in flattened.tables.items() if name in ("chats", "chat_events", "chat_segments", "tool_calls")
    }
    with open_lake(folder) as lake:
        for n, copied in enumerate(copies(tables, -(-events // tables["chat_events"].num_rows))):
            load_id = hashlib.sha256(str(n).encode()).hexdigest()[:32]
            copied = {name: with_load(table, load_id) for name, table in copied.items()}
            lake.loads.commit_all(load_id, flow="evi", run_id="benchmark", members={}, tables=copied)


def with_load(table: pa.Table, load_id: str) -> pa.Table:
    return table.set_column(table.column_names.index("load_id"), "load_id", pa.repeat(pa.scalar(load_id), table.num_rows))


def copies(tables: dict[str, pa.Table], count: int) -> Iterator[dict[str, pa.Table]]:
    """Yield the tables again and again, each time with other ids: as random as before, the rows of a chat together."""
    for n in range(count):
        copied = {}
        for name, table in tables.items():
            for column in _IDS:
                if column in table.column_names:
                    at = table.column_names.index(column)
                    table = table.set_column(at, table.schema.field(at), renamed(table[column], n))
            copied[name] = table.sort_by([("chat_id", "ascending")]) if n else table
        yield copied


def renamed(ids: pa.ChunkedArray, n: int) -> pa.Array:
    encoded = ids.combine_chunks().dictionary_encode()
    made = [hashlib.sha256(f"{n} {each}".encode()).hexdigest() for each in encoded.dictionary.to_pylist()]
    uuids = [f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:32]}" for h in made]
    return pc.take(pa.array(uuids, pa.string()), encoded.indices)


def measure(lake: Lake) -> None:
    [counts] = lake.sql("SELECT count(*) AS events, count(DISTINCT chat_id) AS chats FROM chat_events").rows()
    print(json.dumps(counts), flush=True)
    chats = [row["chat_id"] for row in lake.sql("SELECT chat_id FROM chats ORDER BY hash(chat_id) LIMIT 21").rows()]
    took_ms = []
    for chat_id in chats:
        begun = time.perf_counter()
        lake.sql("SELECT * FROM transcript WHERE chat_id = ? ORDER BY timestamp, ordinal", [chat_id]).arrow()
        took_ms.append((time.perf_counter() - begun) * 1000)
    told = {"transcript of a chat": {"median_ms": round(statistics.median(took_ms[1:])), "most_ms": round(max(took_ms[1:]))}}
    print(json.dumps(told), flush=True)
    for name, query in QUERIES.items():
        took_s = []
        for _ in range(4):
            begun = time.perf_counter()
            lake.sql(query).arrow()
            took_s.append(time.perf_counter() - begun)
        print(
            json.dumps({name: {"best_s": round(min(took_s[1:]), 2), "median_s": round(statistics.median(took_s[1:]), 2)}}),
            flush=True,
        )
    print(json.dumps({"peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)}), flush=True)


if __name__ == "__main__":
    main()
