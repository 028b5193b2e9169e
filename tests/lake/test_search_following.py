"""The index of a search is a cache: however it came about, it gives what one made from nothing gives, and the catalog shows."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable
from lake_rows import at, commit, item, table

from humeanalytics.errors import LakeError
from humeanalytics.lake.lake import Lake, open_lake
from humeanalytics.lake.searching import index as indexes

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
WORDS = ("refund", "order", "Vertrag", "Verträge", "返金", "返金して", "paypal", "ok")
QUERIES = ("refund", "Vertrag", "返金", "ok", "refund ok", '"order refund"', "paypal -ok")


def said(
    chat_id: str, event_id: str, text: str | None, scoring_id: str, load_id: str, at_s: float, **more: Any
) -> dict[str, Any]:
    return {
        "recording_id": f"chat:{chat_id}",
        "scoring_id": scoring_id,
        "load_id": load_id,
        "event_id": event_id,
        "chat_id": chat_id,
        "ordinal": 0,
        "timestamp": START + timedelta(seconds=at_s),
        "type": "USER_MESSAGE",
        "message_text": text,
        "form": "history",
        **more,
    }


def reading(
    chat_id: str, scoring_id: str, load_id: str, texts: dict[str, str], minutes: float = 0, **more: Any
) -> dict[str, list[dict[str, Any]]]:
    """Rows of one reading of a chat: its messages by event id."""
    form = {"form": more.get("form", "history"), "seen_at": at(minutes)}
    events = [said(chat_id, event, text, scoring_id, load_id, n, **form) for n, (event, text) in enumerate(texts.items())]
    row = {
        "recording_id": f"chat:{chat_id}",
        "scoring_id": scoring_id,
        "load_id": load_id,
        "chat_id": chat_id,
        "events": len(events),
    }
    return {"chat_events": events, "chats": [row | form | more]}


def answers(lake: Lake) -> list[list[dict[str, Any]]]:
    return [lake.search(query, limit=None).rows() for query in QUERIES]


def shown(lake: Lake) -> list[tuple[Any, ...]]:
    """Everything the index has, read past the search itself."""
    lake.search("refund").rows()
    with sqlite3.connect(lake.path / "cache" / "search.sqlite") as index:
        return index.execute(
            "SELECT chat_id, event_id, speaker, text, expression_1 FROM messages ORDER BY chat_id, at_us, event_id"
        ).fetchall()


def transcript(lake: Lake) -> list[tuple[Any, ...]]:
    rows = lake.sql(
        "SELECT chat_id, event_id, speaker, message_text, expression_1 FROM transcript ORDER BY chat_id, timestamp, event_id"
    )
    return [tuple(row.values()) for row in rows.rows()]


@pytest.mark.parametrize("seed", range(3))
def test_an_index_that_followed_is_the_one_made_from_nothing(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    with open_lake(tmp_path / "lake") as lake:
        loads: list[str] = []
        for step in range(10):
            load_id = f"{rng.randrange(1 << 32):08x}-{step}"
            what = rng.choice(("read", "read", "read", "socket", "prosody", "exclude", "replace", "take back"))
            tables: dict[str, list[dict[str, Any]]] = {"chat_events": [], "chats": []}
            for _ in range(rng.randrange(1, 4)):
                chat_id = f"c{rng.randrange(5)}"
                texts = {f"{chat_id}-{n}": " ".join(rng.choices(WORDS, k=rng.randrange(1, 6))) for n in range(rng.randrange(5))}
                form = {"form": "socket"} if what == "socket" else {}
                read = reading(chat_id, f"s{step}-{chat_id}", load_id, texts, minutes=rng.randrange(60), **form)
                if what == "prosody":
                    voice = {"type": "ASSISTANT_PROSODY", "related_event_id": f"{chat_id}-0", rng.choice(("joy", "anger")): 0.5}
                    read["chat_events"] = [said(chat_id, f"{chat_id}-p", None, f"p{step}", load_id, 0, **voice)]
                if not any(row["chat_id"] == chat_id for row in tables["chats"]):
                    tables = {name: rows + read[name] for name, rows in tables.items()}
            if what == "exclude":
                chat_id = f"c{rng.randrange(5)}"
                why = rng.choice(("withdrawn", None))
                commit(lake, load_id, items=[item(f"i-{chat_id}", f"chat:{chat_id}", minutes=step, excluded_reason=why)])
            elif what == "replace" and loads:
                _replace(lake, load_id, tables, loads.pop(rng.randrange(len(loads))))
                loads.append(load_id)
            elif what == "take back":
                lake.loads.announce(load_id, flow="ingest", run_id="run")
                lake.loads.commit(load_id, "chat_events", table("chat_events", *tables["chat_events"]))
                answers(lake)
                lake.loads.roll_back(load_id)
            else:
                commit(lake, load_id, **tables)
                loads.append(load_id)
            if rng.random() < 0.7:
                assert shown(lake) == transcript(lake), (step, what)
        followed = answers(lake)
        lake._table("chat_events").compact(many=1)
        assert answers(lake) == followed
        shutil.rmtree(lake.path / "cache")
        assert answers(lake) == followed
        assert any(followed)
        assert shown(lake) == transcript(lake)


def _replace(lake: Lake, load_id: str, tables: dict[str, list[dict[str, Any]]], old: str) -> None:
    lake.loads.announce(load_id, flow="ingest", run_id="run")
    counts = {name: lake.loads.commit(load_id, name, table(name, *rows)) for name, rows in tables.items() if rows}
    lake.loads.complete(load_id, "ingest", "run", counts, replaces=[old])


def test_only_what_changed_is_read_again(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    add = indexes.Index.add

    def noting(self: indexes.Index, messages: Any) -> int:
        return add(self, (read.append(each.event_id) or each for each in messages))  # type: ignore[func-returns-value]

    monkeypatch.setattr(indexes.Index, "add", noting)
    for n in range(3):
        commit(lake, f"L{n}", **reading(f"c{n}", f"s{n}", f"L{n}", {f"{n}": "refund"}))
    assert len(lake.search("refund").rows()) == 3
    commit(lake, "again", **reading("c1", "s1b", "again", {"1": "no", "1b": "refund"}, minutes=5))
    assert {row["event_id"] for row in lake.search("refund").rows()} == {"0", "1b", "2"}
    commit(lake, "face", face=[{"recording_id": "r", "scoring_id": "f", "file": "x"}])
    lake.search("refund").rows()
    assert read == ["0", "1", "2", "1", "1b"]


def test_rows_that_were_purged_from_a_load_are_found_no_more(lake: Lake) -> None:
    read = [reading(f"c{n}", f"s{n}", "L", {f"{n}": "refund"}) for n in range(3)]
    commit(lake, "L", **{name: [row for each in read for row in each[name]] for name in ("chat_events", "chats")})
    assert len(lake.search("refund").rows()) == 3
    for name in ("chat_events", "chats"):
        DeltaTable(str(lake.path / "tables" / name)).delete("chat_id = 'c1'")
    assert {row["event_id"] for row in lake.search("refund").rows()} == {"0", "2"}
    assert shown(lake) == transcript(lake)


def test_the_view_can_be_given_some_chats_only(lake: Lake) -> None:
    """A view that read events by another name would have DuckDB work out all of them for each load: right, and slow."""
    with lake._catalog.reading() as reading_now:
        assert "main.chat_events" in reading_now.transcript
        assert "chat_events_all" not in reading_now.transcript


# -------------------------------------------------------------------------------------------------------------- the file
def _garbage(file: Path) -> None:
    file.write_bytes(random.Random(1).randbytes(file.stat().st_size))


def _cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def _changed_inside(file: Path) -> None:
    data = file.read_bytes()
    file.write_bytes(data.replace(b"refund", b"rebind"))


def _of_another_version(file: Path) -> None:
    with sqlite3.connect(file) as index:
        index.execute("UPDATE about SET value = 'ancient' WHERE name = 'signature'")
        index.execute("DELETE FROM messages")
    found = file.stat()
    file.with_suffix(".json").write_text(json.dumps({"size_bytes": found.st_size, "modified_ns": found.st_mtime_ns}))


def _no_tables(file: Path) -> None:
    file.unlink()
    with sqlite3.connect(file) as index:
        index.execute("CREATE TABLE other (x)")
    found = file.stat()
    file.with_suffix(".json").write_text(json.dumps({"size_bytes": found.st_size, "modified_ns": found.st_mtime_ns}))


def _note_broken(file: Path) -> None:
    file.with_suffix(".json").write_text("[")


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[list[dict[str, Any]]]]:
    """A lake whose messages were searched, and what was found."""
    with open_lake(tmp_path_factory.mktemp("indexed") / "lake") as lake:
        for n in range(3):
            commit(lake, f"L{n}", **reading(f"c{n}", f"s{n}", f"L{n}", {f"{n}{m}": f"refund order {m}" for m in range(40)}))
        return lake.path, answers(lake)


@pytest.mark.parametrize("harm", [Path.unlink, _garbage, _cut, _changed_inside, _of_another_version, _no_tables, _note_broken])
@pytest.mark.parametrize("then", ["nothing new", "a new load"])
def test_an_index_that_is_gone_broken_or_old_costs_only_time(
    indexed: tuple[Path, list[list[dict[str, Any]]]], tmp_path: Path, harm: Callable[[Path], None], then: str
) -> None:
    original, before = indexed
    shutil.copytree(original, tmp_path / "lake")
    with open_lake(tmp_path / "lake") as lake:
        assert lake.search(QUERIES[0], limit=None).rows() == before[0]
        harm(lake.path / "cache" / "search.sqlite")
        if then == "a new load":
            commit(lake, "new", **reading("new", "s", "new", {"new": "Vertrag"}))
            assert len(answers(lake)[1]) == 1
            assert shown(lake) == transcript(lake)
        else:
            assert answers(lake) == before


def test_a_lake_that_cannot_be_written_to_is_searched_from_the_users_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("XDG_CACHE_HOME", "HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "user"))
    with open_lake(tmp_path / "lake") as lake:
        commit(lake, "L", **reading("c", "s", "L", {"1": "refund"}))
        (lake.path / "cache").write_text("in the way")
        assert len(lake.search("refund").rows()) == 1
        (index,) = (tmp_path / "user").rglob("search.sqlite")
        assert index.parent.stat().st_mode & 0o077 == 0 or os.name == "nt"
    with open_lake(tmp_path / "lake") as lake:
        shutil.rmtree(tmp_path / "user")
        (tmp_path / "user").write_text("in the way too")
        with pytest.raises(LakeError, match="written to none"):
            lake.search("refund").rows()


def test_an_older_version_is_searched_as_it_was_and_leaves_nothing_behind(lake: Lake) -> None:
    commit(lake, "L", **reading("c", "s", "L", {"1": "refund"}))
    version = lake.version
    commit(lake, "M", **reading("c", "t", "M", {"1": "order", "2": "refund"}, minutes=1))
    assert [row["event_id"] for row in lake.search("refund").rows()] == ["2"]
    index = (lake.path / "cache" / "search.sqlite").stat()
    with open_lake(lake.path, version=version) as then:
        assert [row["event_id"] for row in then.search("refund").rows()] == ["1"]
        assert then._made_search is not None
        own = then._made_search._file.folder
        assert own.is_dir()
    assert not own.exists()
    assert (lake.path / "cache" / "search.sqlite").stat() == index


# --------------------------------------------------------------------------------------------------------------- processes
_SEARCHING = """
import sys
from humeanalytics.lake.lake import open_lake
with open_lake(sys.argv[1]) as lake:
    for _ in range(int(sys.argv[2])):
        counts = lake.search_counts("refund ok")
        assert counts.found == 0 and counts.by_item["ok"] == 0, counts
        rows = lake.search("refund", limit=None).rows()
        assert len({row["event_id"] for row in rows}) == len(rows)
        print(len(rows), flush=True)
"""


def searching(lake: Path, times: int) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", _SEARCHING, str(lake), str(times)], stdout=subprocess.PIPE, text=True)


def test_processes_search_at_once_while_loads_come(tmp_path: Path) -> None:
    with open_lake(tmp_path / "lake") as lake:
        processes = [searching(lake.path, 15) for _ in range(3)]
        for n in range(10):
            texts = {f"{n}-{m}": "a refund" for m in range(100)}
            commit(lake, f"L{n}", **reading(f"c{n}", f"s{n}", f"L{n}", texts))
        for process in processes:
            told, _ = process.communicate(timeout=120)
            counts = [int(line) for line in told.split()]
            assert process.returncode == 0 and len(counts) == 15
            assert counts == sorted(counts) and all(count % 100 == 0 for count in counts)
        assert len(lake.search("refund", limit=None).rows()) == 1000


@pytest.mark.parametrize("first", [True, False])
def test_a_process_killed_while_it_indexes_costs_only_time(tmp_path: Path, first: bool) -> None:
    with open_lake(tmp_path / "lake") as lake:
        if not first:
            commit(lake, "before", **reading("b", "sb", "before", {"b": "refund"}))
            assert len(lake.search("refund").rows()) == 1
        texts = {f"{m}": f"a refund of {m} order{m} and reasons{m * 7} too" for m in range(8_000)}
        commit(lake, "L", **reading("c", "s", "L", texts))
        cache = lake.path / "cache"
        process = searching(lake.path, 1)
        until = time.monotonic() + 60
        while not (cache / "search.sqlite-journal").exists():
            assert process.poll() is None and time.monotonic() < until
            time.sleep(0.005)
        time.sleep(0.2)
        process.kill()
        process.wait()
        assert process.stdout is not None and process.stdout.read() == "" and process.returncode == -signal.SIGKILL
        assert len(lake.search("refund", limit=None).rows()) == 8_000 + (not first)
        assert shown(lake) == transcript(lake)
