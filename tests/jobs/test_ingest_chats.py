"""Saved chats of EVI through `ingest`, in every form people save them in."""

from __future__ import annotations

import gzip
import json
import os
import random
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chat_files import SAMPLES, account_pages, event, page, shown, truth_of, written

import humeanalytics as ha
from humeanalytics import vocabulary
from humeanalytics.jobs import chat_payloads
from humeanalytics.sandbox.embedded import Sandbox
from humeanalytics.sandbox.options import SandboxOptions

PUBLISHED = "470a49f6-1dec-4afe-8b61-035d3b2d63b0"


def rows(lake: Path, sql: str) -> list[dict[str, Any]]:
    with ha.open_lake(lake) as opened:
        return opened.sql(sql).rows()


# ------------------------------------------------------------------------------------------------ the published example
def test_the_published_example(tmp_path: Path) -> None:
    files = {path.name: path.read_bytes() for path in SAMPLES.glob("v0_evi_*.json")}
    summary = ha.ingest(written(tmp_path / "saved", files), tmp_path / "lake")
    assert (summary.exit_code, summary.files["loaded"], summary.errors) == (0, 5, []), str(summary)
    assert (summary.chats["found"], summary.chats["new"]) == (2, 2)
    events = rows(tmp_path / "lake", f"SELECT * FROM chat_events WHERE chat_id = '{PUBLISHED}' ORDER BY ordinal")
    given = json.loads((SAMPLES / "v0_evi_chats_id.json").read_bytes())["events_page"]
    assert len(events) == 3
    for told, row in zip(given, events, strict=True):
        scores = json.loads(told["emotion_features"]) if told["emotion_features"] else {}
        names = vocabulary.names_of("prosody")
        assert {n.name: row[n.column] for n in names if row[n.column] is not None} == scores
        assert (row["event_id"], row["timestamp_raw"]) == (told["id"], told["timestamp"])
        assert row["message_text"] == told["message_text"]
    turns = rows(tmp_path / "lake", "SELECT speaker, text, text_latency_ms FROM turns ORDER BY turn")
    assert [turn["speaker"] for turn in turns] == ["caller", "assistant"]
    assert [turn["text_latency_ms"] for turn in turns] == [None, 753]
    said = rows(tmp_path / "lake", "SELECT speaker, message_text FROM transcript ORDER BY timestamp, ordinal")
    assert [each["message_text"] for each in said] == [told["message_text"] for told in given[1:]]


# ------------------------------------------------------------------------------------------------ every form of an account
@pytest.fixture(scope="module")
def hume() -> Iterator[Sandbox]:
    with Sandbox(options=SandboxOptions(evi_chats=14, evi_events_per_chat=24, evi_running=0)) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def truth(hume: Sandbox) -> list[tuple[Any, ...]]:
    return truth_of(hume)


def test_pages_of_both_endpoints_in_any_order(hume: Sandbox, truth: list[tuple[Any, ...]], tmp_path: Path) -> None:
    pages = account_pages(hume, size=7, descending=False) + account_pages(hume, size=10, descending=True)
    random.Random(3).shuffle(pages)
    files = {f"{n:04d}.json": json.dumps(each).encode() for n, each in enumerate(pages + pages[:9])}
    summary = ha.ingest(written(tmp_path / "saved", files), tmp_path / "lake")
    assert summary.exit_code == 0, str(summary)
    assert shown(tmp_path / "lake") == truth
    again = ha.ingest(tmp_path / "saved", tmp_path / "lake")
    assert (again.files["known"], again.rows, again.chats) == (len(files), {}, {})


@pytest.mark.parametrize("form", ["lists", "lines", "zip", "gzip", "python"])
def test_other_forms(form: str, hume: Sandbox, truth: list[tuple[Any, ...]], tmp_path: Path) -> None:
    pages = account_pages(hume, size=100, descending=False)
    files: dict[str, bytes]
    if form == "lists":
        heads = [each for each in pages if "events_page" not in each]
        bare = [list(hume.evi.events(chat["id"])) for chat in hume.evi.truth()["chats"]]
        files = {f"{n}.json": json.dumps(each).encode() for n, each in enumerate([*heads, *bare])}
    elif form == "lines":
        files = {"all.jsonl": b"\n".join(json.dumps(each).encode() for each in pages)}
    elif form == "zip":
        with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
            for n, each in enumerate(pages):
                archive.writestr(f"{n}.json", json.dumps(each))
        files = {"all.zip": (tmp_path / "all.zip").read_bytes()}
    elif form == "gzip":
        files = {f"{n}.json.gz": gzip.compress(json.dumps(each).encode()) for n, each in enumerate(pages)}
    else:
        files = {f"{n}.json": each for n, each in enumerate(dumps_of_the_sdk(hume))}
    summary = ha.ingest(written(tmp_path / "saved", files), tmp_path / "lake")
    assert summary.exit_code == 0, str(summary)
    assert shown(tmp_path / "lake") == truth
    # ... and the same as pages adds nothing.
    other = {f"p{n}.json": json.dumps(each).encode() for n, each in enumerate(account_pages(hume, size=9, descending=False))}
    again = ha.ingest(written(tmp_path / "other", other), tmp_path / "lake")
    assert (again.chats["new"], again.chats["grown"], again.rows.get("chat_events", 0)) == (0, 0, 0), str(again)


def dumps_of_the_sdk(hume: Sandbox) -> list[bytes]:
    """What people save who walk the account with the official SDK."""
    from hume import HumeClient

    evi = HumeClient(api_key="any", base_url=hume.url).empathic_voice
    chats = list(evi.chats.list_chats(page_size=50))
    saved = ["[" + ",".join(chat.json() for chat in chats) + "]"]
    saved += ["[" + ",".join(told.json() for told in evi.chats.list_chat_events(chat.id)) + "]" for chat in chats]
    saved += ["[" + ",".join(group.json() for group in evi.chat_groups.list_chat_groups()) + "]"]
    return [each.encode() for each in saved]


def test_after_an_export_nothing_is_new_and_after_an_ingest_neither(hume: Sandbox, tmp_path: Path) -> None:
    settings = hume.settings.model_copy(update={"requests_per_s": 10_000.0})
    pages = {f"{n}.json": json.dumps(each).encode() for n, each in enumerate(account_pages(hume, size=8, descending=False))}
    ha.export_chats(tmp_path / "lake", settings=settings)
    before = shown(tmp_path / "lake")
    summary = ha.ingest(written(tmp_path / "saved", pages), tmp_path / "lake", synthetic=True)
    assert (summary.exit_code, summary.chats["met_before"]) == (0, 14), str(summary)
    assert summary.rows.keys() <= {"chat_groups"}  # lists tell more of a group than it does itself
    assert shown(tmp_path / "lake") == before
    assert rows(tmp_path / "lake", "SELECT count(*) AS n FROM items") == [{"n": 14}]
    ha.ingest(tmp_path / "saved", tmp_path / "first", synthetic=True)
    ha.export_chats(tmp_path / "first", settings=settings)
    assert shown(tmp_path / "first") == before
    assert rows(tmp_path / "first", "SELECT count(*) AS n FROM items") == [{"n": 14}]


# ------------------------------------------------------------------------------------------------ what grows, what is less
def as_page(events: list[dict[str, Any]], **more: Any) -> bytes:
    return json.dumps(page(events, **{"size": 100, **more})).encode()


def test_a_chat_that_grew_and_one_that_is_less(tmp_path: Path) -> None:
    events, lake = [event(number) for number in range(8)], tmp_path / "lake"
    ha.ingest(written(tmp_path / "1", {"a.json": as_page(events[:5], status="ACTIVE", end_timestamp=None)}), lake)
    grown = ha.ingest(written(tmp_path / "2", {"a.json": as_page(events)}), lake)
    assert (grown.chats["grown"], grown.rows["chat_events"]) == (1, 8), str(grown)
    before = shown(lake)
    assert [row[2:4] + row[7:] for row in before if row[0] == "chat-1" and len(row) == 8] == [
        ("USER_ENDED", 1_760_000_000_000, 8)
    ]
    # The earlier state once more, in a file that looks younger: it has no word against what came after it.
    less = ha.ingest(written(tmp_path / "3", {"a.json": as_page(events[:5], status="ACTIVE", end_timestamp=None)}), lake)
    assert (less.chats["met_before"], less.rows) == (1, {}), str(less)
    assert shown(lake) == before
    part = ha.ingest(written(tmp_path / "4", {"a.json": as_page(events, number=1, size=3)}), lake)
    assert (part.chats["met_before"], part.rows) == (1, {})
    assert shown(lake) == before


def test_pages_that_come_one_by_one_make_the_chat_in_the_end(tmp_path: Path) -> None:
    events = [event(number, timestamp=1_760_000_000_000) for number in range(20)]  # only their places tell the order
    for number in (2, 0, 1):
        summary = ha.ingest(
            written(tmp_path / str(number), {"a.json": as_page(events, number=number, size=8)}), tmp_path / "lake"
        )
    assert summary.chats["grown"] == 1
    ha.ingest(written(tmp_path / "all", {"a.json": as_page(events)}), tmp_path / "other")
    assert shown(tmp_path / "lake") == shown(tmp_path / "other")
    told = rows(tmp_path / "lake", "SELECT DISTINCT scoring_id FROM chat_events")
    assert told == rows(tmp_path / "other", "SELECT DISTINCT scoring_id FROM chat_events"), "one reading, of all pages"


def test_pages_that_lack_are_told_of_and_a_count_that_differs_is_an_error(tmp_path: Path) -> None:
    events = [event(number) for number in range(20)]
    heads = {key: value for key, value in page(events).items() if "page" not in key and "pagination" not in key}
    listed = {"page_number": 0, "page_size": 10, "total_pages": 1, "chats_page": [{**heads, "event_count": 20}]}
    files = {"list.json": json.dumps(listed).encode(), "0.json": as_page(events, size=10)}
    first = ha.ingest(written(tmp_path / "saved", files), tmp_path / "lake")
    assert (first.exit_code, [note for note in first.notes if "1 pages missing" in note] != []) == (0, True), str(first)
    short = {"1.json": as_page(events[:-1], number=1, size=10)}
    second = ha.ingest(written(tmp_path / "saved", short), tmp_path / "lake")
    assert (second.exit_code, second.chats["grown"]) == (3, 1), str(second)
    [error] = rows(tmp_path / "lake", "SELECT error, recording_id, uri, message FROM errors")
    assert (error["error"], error["recording_id"]) == ("CountDiffers", "chat:chat-1")
    assert "counts 20 events" in error["message"] and "19 could" in error["message"]


# ------------------------------------------------------------------------------------------------ what is odd or broken
def test_bad_input_costs_what_is_bad_and_nothing_else(tmp_path: Path) -> None:
    good = [event(number) for number in range(6)]
    odd = [
        event(0, chat_id="odd", type="SOMETHING_NEW", role="OVERSEER"),
        event(1, chat_id="odd", type="USER_MESSAGE", emotion_features="{not json"),
        event(2, chat_id="odd", emotion_features='{"Joy": "much"}', metadata="{}{"),
        {**event(3, chat_id="odd"), "brand_new": {"a": 1}},
    ]
    homeless = [{key: value for key, value in event(number, chat_id="x").items() if key != "chat_id"} for number in range(3)]
    files = {
        "good.json": as_page(good),
        "good again.json": as_page(good),
        "odd.json": as_page(odd, chat_id="odd"),
        "homeless.json": json.dumps(homeless).encode(),
        "cut.json": as_page(good)[:-40],
        "other.json": b'{"weather": "fine"}',
        "empty.json": b"",
    }
    summary = ha.ingest(written(tmp_path / "saved", files), tmp_path / "lake")
    assert (summary.exit_code, summary.files["failed"], summary.files["loaded"]) == (3, 3, 4), str(summary)
    told = {row["chat_id"]: row["events"] for row in rows(tmp_path / "lake", "SELECT chat_id, events FROM chats")}
    assert sorted(told.values()) == [3, 4, 6]
    assert {"chat-1", "odd"} < told.keys()
    [row] = rows(tmp_path / "lake", "SELECT type, role, message_text FROM chat_events WHERE event_id = 'odd/0'")
    assert row == {"type": "SOMETHING_NEW", "role": "OVERSEER", "message_text": "text 0"}
    errors = rows(tmp_path / "lake", "SELECT uri, recording_id, message FROM errors")
    named = {Path(error["uri"]).name for error in errors}
    assert named == {"odd.json", "homeless.json", "cut.json", "other.json", "empty.json"}
    assert {error["recording_id"] for error in errors if "odd.json" in error["uri"]} == {"chat:odd"}
    again = ha.ingest(tmp_path / "saved", tmp_path / "lake")
    assert (again.exit_code, again.files["known"], again.files["failed_before"]) == (0, 4, 3)


def test_what_else_is_saved_of_conversations(tmp_path: Path) -> None:
    capture = [
        {"type": "session_settings", "custom_session_id": "ann", "language_model_api_key": "sk-secret-1"},
        {"type": "chat_metadata", "chat_id": "live", "chat_group_id": "g"},
        {"type": "audio_output", "id": "a", "data": "A" * 100_000},
        {
            "type": "user_message",
            "id": "m1",
            "message": {"role": "user", "content": "Hi"},
            "models": {"prosody": {"scores": {"Joy": 0.5}}},
        },
        {"type": "assistant_message", "id": "m2", "message": {"role": "assistant", "content": "Hello"}, "models": {}},
    ]
    ended = {
        "event_name": "chat_ended",
        "chat_id": "live",
        "chat_group_id": "g",
        "end_reason": "USER_ENDED",
        "duration_seconds": 7,
    }
    files = {
        "capture.jsonl": b"\n".join(json.dumps(each).encode() for each in capture),
        "hook.json": json.dumps(ended).encode(),
        "predictions.json": (SAMPLES / "v0_batch_jobs_id_predictions.json").read_bytes(),
    }
    lake = tmp_path / "lake"
    summary = ha.ingest(written(tmp_path / "saved", files), lake)
    assert (summary.exit_code, summary.files["loaded"], summary.rows["face"]) == (0, 3, 1), str(summary)
    [chat] = rows(lake, "SELECT chat_id, custom_session_id, status, duration_s, form FROM chats")
    assert tuple(chat.values())[:4] == ("live", "ann", "USER_ENDED", 7.0)
    said = rows(lake, "SELECT speaker, message_text, joy FROM transcript ORDER BY ordinal")
    assert [tuple(each.values()) for each in said] == [("caller", "Hi", 0.5), ("assistant", "Hello", None)]
    # The history of the same chat holds over the capture: nothing is told twice.
    events = [event(0, chat_id="live", message_text="Hi"), event(1, chat_id="live", message_text="Hello")]
    more = ha.ingest(written(tmp_path / "history", {"a.json": as_page(events, chat_id="live")}), lake)
    assert more.chats["grown"] == 1
    assert [each["message_text"] for each in rows(lake, "SELECT message_text FROM transcript ORDER BY ordinal")] == [
        "Hi",
        "Hello",
    ]
    assert rows(lake, "SELECT custom_session_id FROM chats") == [{"custom_session_id": "ann"}]
    # A capture that comes after the history tells nothing that would be shown.
    late = ha.ingest(written(tmp_path / "late", {"capture.jsonl": files["capture.jsonl"]}), tmp_path / "other")
    assert late.chats["new"] == 1
    ha.ingest(tmp_path / "history", tmp_path / "third")
    third = ha.ingest([tmp_path / "late", tmp_path / "saved" / "hook.json"], tmp_path / "third")
    assert third.chats["grown"] == 1  # what its session is called, how it ended
    assert ha.ingest(tmp_path / "late", tmp_path / "third", rehash=True).rows == {}
    assert [row["message_text"] for row in rows(tmp_path / "third", "FROM transcript ORDER BY ordinal")] == ["Hi", "Hello"]


def test_an_archive_of_everything_together(tmp_path: Path) -> None:
    (tmp_path / "saved").mkdir()
    with zipfile.ZipFile(tmp_path / "saved" / "all.zip", "w") as archive:
        archive.writestr("p.json", (SAMPLES / "v0_batch_jobs_id_predictions.json").read_bytes())
        archive.writestr("c.json", as_page([event(number) for number in range(4)]))
        archive.writestr("cut.json", as_page([event(number) for number in range(4)])[:-30])
    first = ha.ingest(tmp_path / "saved", tmp_path / "lake")
    assert (first.exit_code, first.rows["face"], first.rows["chat_events"], first.files["failed"]) == (3, 1, 4, 1), str(first)
    [error] = rows(tmp_path / "lake", "SELECT uri FROM errors WHERE error = 'UnreadableResponse'")
    assert error["uri"].endswith("all.zip!/cut.json")
    again = ha.ingest(tmp_path / "saved", tmp_path / "lake", retry_failed=True)
    assert (again.chats["met_before"], again.rows) == (1, {}), str(again)


@pytest.mark.parametrize("raw", [True, False])
def test_no_secret_stays_anywhere(raw: bool, tmp_path: Path) -> None:
    settings = {
        "type": "session_settings",
        "language_model_api_key": "sk-SECRET-1",
        "variables": {"auth_token": "sk-SECRET-2", "n": "1"},
    }
    call = {"name": "book", "parameters": json.dumps({"apiKey": "sk-SECRET-3"}), "tool_call_id": "t"}
    events = [
        event(0, type="SESSION_SETTINGS", role="SYSTEM", message_text=json.dumps(settings)),
        event(1, type="FUNCTION_CALL", role="TOOL", message_text=json.dumps(call)),
        event(2, message_text="see https://x.com/a.mp4?X-Amz-Signature=sk-SECRET-4"),
    ]
    capture = (
        b'{"type": "chat_metadata", "chat_id": "live"}\n'
        + json.dumps({**settings, "languageModelApiKey": "sk-SECRET-5"}).encode()
    )
    ha.ingest(written(tmp_path / "saved", {"a.json": as_page(events), "b.jsonl": capture}), tmp_path / "lake", raw=raw)
    with ha.open_lake(tmp_path / "lake") as lake:
        kept = [lake.raw.open(file.path).read() for file in lake.raw.list("evi")]
        told = repr([lake.sql(f"SELECT * FROM {table}").rows() for table in ("chat_events", "chats", "tool_calls")]).encode()
    assert (len(kept), b"auth_token" in told) == (2 * raw, True)
    for each in (*kept, told, (tmp_path / "lake" / "ledger.sqlite").read_bytes()):
        assert b"SECRET" not in each


def test_a_chat_of_very_many_events(tmp_path: Path) -> None:
    events = [event(number) for number in range(20_000)]
    files = {f"{number}.json": as_page(events, number=number) for number in range(200)}
    ha.ingest(written(tmp_path / "saved", files), tmp_path / "lake")
    [told] = rows(tmp_path / "lake", "SELECT count(*) AS n, count(DISTINCT event_id) AS d, max(ordinal) AS m FROM chat_events")
    assert told == {"n": 20_000, "d": 20_000, "m": 19_999}


# ------------------------------------------------------------------------------------------------ many batches, and kills
@pytest.fixture
def many(tmp_path: Path) -> tuple[Path, list[tuple[Any, ...]]]:
    """A folder with the pages of 30 chats, lists of them, and what a lake shows of all that."""
    pages: list[dict[str, Any]] = []
    for chat in range(30):
        events = [event(number, chat_id=f"chat-{chat}") for number in range(12)]
        pages += [page(events, chat_id=f"chat-{chat}", number=number, size=5) for number in range(3)]
    heads = [
        {key: each[key] for key in ("id", "chat_group_id", "status", "start_timestamp", "end_timestamp", "config")}
        for each in pages[::3]
    ]
    pages.append(
        {"page_number": 0, "page_size": 50, "total_pages": 1, "chats_page": [{**head, "event_count": 12} for head in heads]}
    )
    random.Random(1).shuffle(pages)
    folder = written(tmp_path / "saved", {f"{n:03d}.json": json.dumps(each).encode() for n, each in enumerate(pages)})
    ha.ingest(folder, tmp_path / "expected")
    expected = shown(tmp_path / "expected")
    assert len([row for row in expected if len(row) == 9]) == 360
    return folder, expected


@pytest.mark.parametrize("raw", [True, False])
def test_batch_by_batch_it_is_the_same(
    raw: bool, many: tuple[Path, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat_payloads, "_BATCH_CHATS", 8)
    folder, expected = many
    summary = ha.ingest(folder, tmp_path / "lake", raw=raw)
    assert (summary.exit_code, summary.chats["new"], summary.files["loaded"]) == (0, 30, 91), str(summary)
    assert shown(tmp_path / "lake") == expected
    assert rows(tmp_path / "lake", "SELECT count(*) - count(DISTINCT (response_id, uri)) AS n FROM responses_all") == [{"n": 0}]
    ha.rebuild(tmp_path / "lake")
    assert shown(tmp_path / "lake") == expected
    rehashed = ha.ingest(folder, tmp_path / "lake", raw=raw, rehash=True)
    assert (rehashed.rows, rehashed.chats["met_before"]) == ({}, 30)


SCRIPT = """
import sys
import humeanalytics as ha
from humeanalytics.jobs import chat_payloads
chat_payloads._BATCH_CHATS = 6
sys.exit(ha.ingest(sys.argv[1], sys.argv[2], labels={"wave": "1"}).exit_code)
"""


def test_killed_at_any_moment_it_gives_every_chat_once_in_the_end(many: tuple[Path, Any], tmp_path: Path) -> None:
    folder, expected = many
    lake = tmp_path / "lake"
    command = [sys.executable, "-c", SCRIPT, str(folder), str(lake)]

    def loads() -> int:
        log = lake / "tables" / "loads" / "_delta_log"
        return len(list(log.glob("*.json"))) if log.is_dir() else 0

    for more in (1, 3, 4):
        process, before = subprocess.Popen(command, stdout=subprocess.DEVNULL), loads()
        while process.poll() is None and loads() < before + more:
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode == 0
    assert shown(lake) == expected
    assert rows(lake, "SELECT count(*) AS n FROM chats_labelled WHERE wave = '1'") == [{"n": 30}]
    assert rows(lake, "SELECT count(*) AS n FROM items") == [{"n": 30}]
    with ha.open_lake(lake) as opened:
        assert opened.loads.pending() == []
    again = subprocess.run(
        [*command[:1], "-m", "humeanalytics", "ingest", str(folder), "--lake", str(lake), "--json"],
        capture_output=True,
        check=True,
    )
    told = json.loads(again.stdout)
    assert (told["rows"], told["files"]["known"]) == ({}, 91)


# ------------------------------------------------------------------------------------- a capture beside a part of the history
def capture_of(chat_id: str, messages: int) -> list[dict[str, Any]]:
    """A capture of the socket without times, but for those of interruptions, which have their own."""
    told: list[dict[str, Any]] = [{"type": "chat_metadata", "chat_id": chat_id, "chat_group_id": "g"}]
    for n in range(messages):
        kind, role = ("user_message", "user") if n % 2 == 0 else ("assistant_message", "assistant")
        told.append({"type": kind, "id": f"s{n}", "message": {"role": role, "content": f"said {n}"}})
        if n == 3:
            told.append({"type": "user_interruption", "time": 1795370001000})
    return told


def page_of(chat_id: str, messages: int) -> dict[str, Any]:
    """The first page of the same chat's history."""
    events = [
        {
            **{"id": f"h{n}", "chat_id": chat_id, "timestamp": 1795370000000 + n, "role": ("USER", "AGENT")[n % 2]},
            **{"type": ("USER_MESSAGE", "AGENT_MESSAGE")[n % 2], "message_text": f"said {n}"},
        }
        for n in range(messages)
    ]
    return {
        **{"id": chat_id, "chat_group_id": "g", "status": "USER_ENDED", "start_timestamp": 1795370000000, "page_number": 0},
        **{"page_size": messages, "total_pages": 3, "pagination_direction": "ASC", "events_page": events},
    }


@pytest.mark.parametrize("order", [("capture", "page"), ("page", "capture"), ("both",)], ids="-".join)
def test_a_part_of_the_history_hides_no_capture_that_has_more_and_the_whole_hides_it(
    tmp_path: Path, order: tuple[str, ...]
) -> None:
    saved, lake = tmp_path / "saved", tmp_path / "lake"
    for step in order:
        folder = saved / step
        folder.mkdir(parents=True)
        if step in ("capture", "both"):
            (folder / "capture.json").write_text(json.dumps(capture_of("c", 12)))
        if step in ("page", "both"):
            (folder / "page.json").write_text(json.dumps(page_of("c", 4)))
        assert ha.ingest(folder, lake).exit_code == 0
    said = "SELECT message_text FROM transcript ORDER BY chat_id, timestamp, ordinal"
    with ha.open_lake(lake) as opened:
        assert [row["message_text"] for row in opened.sql(said).rows()] == [f"said {n}" for n in range(12)]
        turns = opened.sql("SELECT turn, interrupted FROM turns WHERE interrupted").rows()
        assert [row["turn"] for row in turns] == [4]
    assert ha.rebuild(lake).exit_code == 0
    whole = saved / "whole"
    whole.mkdir()
    (whole / "whole.json").write_text(json.dumps(page_of("c", 12) | {"total_pages": 1}))
    with ha.open_lake(lake) as opened:
        assert len(opened.sql(said).rows()) == 12
    assert ha.ingest(whole, lake).exit_code == 0
    with ha.open_lake(lake) as opened:
        rows = opened.sql("SELECT event_id FROM transcript ORDER BY timestamp, ordinal").rows()
        assert [row["event_id"] for row in rows] == [f"h{n}" for n in range(12)]


def test_parts_of_a_chat_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    page = page_of("c", 4)
    page["total_pages"] = 1
    page["events_page"][1]["timestamp"] = "soon"
    page["events_page"][2]["metadata"] = '{"segments": 3}'
    del page["events_page"][3]["type"]
    page["events_page"].append(17)
    (tmp_path / "page.json").write_text(json.dumps(page))
    assert ha.ingest(tmp_path / "page.json", tmp_path / "lake").exit_code == 3
    with ha.open_lake(tmp_path / "lake") as opened:
        assert opened.sql("SELECT count(*) AS n FROM chat_events").rows() == [{"n": 4}]
        found = " | ".join(sorted(row["message"] for row in opened.sql("SELECT message FROM errors").rows()))
    for part in ("1 of 5 events", "is no time", "segments in the metadata are no list", "has no type"):
        assert part in found
