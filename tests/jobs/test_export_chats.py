"""The export of chats against the sandbox's own truth: while it grows, through faults and kills, in parts."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import humeanalytics as ha
from humeanalytics.errors import UsageError
from humeanalytics.sandbox.embedded import Sandbox

FAST = {"requests_per_s": 10_000.0, "retry_first_s": 0.01, "retry_cap_s": 0.05}
SandboxWith = Callable[..., Sandbox]
#: Takes minutes: runs when asked for.
WHOLE = pytest.mark.skipif(
    "HUMEANALYTICS_WHOLE_SIZE" not in os.environ, reason="set HUMEANALYTICS_WHOLE_SIZE=1 for the whole size"
)


class _Asked(logging.Handler):
    def __init__(self, asked: list[str]) -> None:
        super().__init__()
        self._asked = asked

    def emit(self, record: logging.LogRecord) -> None:
        self._asked.append(record.getMessage())


@pytest.fixture
def asked() -> Iterator[list[str]]:
    """Every request that is made here, as the HTTP library logs it."""
    logger, found = logging.getLogger("httpx"), list[str]()
    handler, level = _Asked(found), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield found
    logger.removeHandler(handler)
    logger.setLevel(level)


def settings_of(hume: Sandbox) -> ha.Settings:
    return hume.settings.model_copy(update=FAST)


def column_of(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def rows(lake: Path, sql: str) -> list[dict[str, Any]]:
    with ha.open_lake(lake) as opened:
        return opened.sql(sql).rows()


def assert_equal_to(hume: Sandbox, lake: Path) -> None:
    """The lake holds every chat and every event there is, each once, with the server's text, time and order."""
    truth = hume.evi.truth()
    chats = {row["chat_id"]: row for row in rows(lake, "SELECT * FROM chats")}
    assert chats.keys() == {chat["id"] for chat in truth["chats"]}
    for chat in truth["chats"]:
        row = chats[chat["id"]]
        assert (row["chat_group_id"], row["status"], row["start_timestamp_raw"], row["end_timestamp_raw"]) == (
            chat["chat_group_id"],
            chat["status"],
            chat["start_timestamp"],
            chat["end_timestamp"],
        )
        assert (row["config_id"], row["config_version"]) == (
            (chat["config"]["id"], chat["config"]["version"]) if chat["config"] else (None, None)
        )
    events, told = list(hume.evi.events()), []
    places: Counter[str] = Counter()
    for event in events:
        chat_id, text = event["chat_id"], event["message_text"] or None
        told.append((chat_id, places[chat_id], event["id"], event["type"], event["role"], event["timestamp"], text))
        places[chat_id] += 1
    read = [
        (
            row["chat_id"],
            row["ordinal"],
            row["event_id"],
            row["type"],
            row["role"],
            row["timestamp_raw"],
            row["message_text"] or None,
        )
        for row in rows(lake, "SELECT * FROM chat_events")
    ]
    blank = {event[2] for event in told if event[3] == "SESSION_SETTINGS"}  # secrets in them are blank in the lake
    assert sorted(each[:6] for each in read) == sorted(each[:6] for each in told)
    assert {each for each in read if each[2] not in blank} == {each for each in told if each[2] not in blank}
    scored = {event["id"]: json.loads(event["emotion_features"]) for event in events if event["emotion_features"]}
    read_scores = {row["event_id"]: row for row in rows(lake, "SELECT * FROM chat_events WHERE joy IS NOT NULL")}
    assert read_scores.keys() == scored.keys()
    for event_id, scores in scored.items():
        row = read_scores[event_id]
        assert {name: row[column_of(name)] for name in scores} == {name: np.float32(score) for name, score in scores.items()}
    groups = {row["chat_group_id"]: row["num_chats"] for row in rows(lake, "SELECT * FROM chat_groups")}
    assert groups == {group["id"]: group["num_chats"] for group in truth["chat_groups"]}


# ------------------------------------------------------------------------------------------------ night after night
def test_all_the_first_time_then_what_is_new_or_grew(sandbox_with: SandboxWith, tmp_path: Path, asked: list[str]) -> None:
    hume, lake = sandbox_with(evi_chats=130, evi_events_per_chat=12, evi_running=3), tmp_path / "lake"
    first = ha.export_chats(lake, settings=settings_of(hume))
    assert (first.exit_code, first.chats["new"], first.chats["found"]) == (0, 133, 133), str(first)
    hume.advance_clock(7200)
    now_ms = hume.evi.truth()["now_ms"]
    hume.evi.add_chat(start_timestamp=now_ms - 60_000, end_timestamp=now_ms - 1_000, status="USER_ENDED")
    second = ha.export_chats(lake, settings=settings_of(hume))
    assert (second.chats["new"], second.chats["read_again"]) == (1, 3), str(second)
    assert_equal_to(hume, lake)
    hume.advance_clock(7200)
    ha.export_chats(lake, settings=settings_of(hume))
    assert_equal_to(hume, lake)
    asked.clear()
    nothing = ha.export_chats(lake, settings=settings_of(hume))
    assert (nothing.exit_code, nothing.chats["new"], nothing.chats["read_again"], nothing.rows) == (0, 0, 0, {})
    assert 1 <= len(asked) <= 4


def test_a_chat_that_is_taken_up_again_brings_its_group_up_to_date(sandbox_with: SandboxWith, tmp_path: Path) -> None:
    hume, lake = sandbox_with(evi_chats=8, evi_running=0), tmp_path / "lake"
    ha.export_chats(lake, settings=settings_of(hume))
    group = hume.evi.truth()["chat_groups"][0]
    hume.evi.add_chat(chat_group_id=group["id"])
    hume.advance_clock(7200)
    ha.export_chats(lake, settings=settings_of(hume))
    [told] = rows(lake, f"SELECT num_chats FROM chat_groups WHERE chat_group_id = '{group['id']}'")
    assert told["num_chats"] == group["num_chats"] + 1
    [conversation] = rows(lake, f"SELECT chats FROM conversations WHERE chat_group_id = '{group['id']}'")
    assert conversation["chats"] == group["num_chats"] + 1


# ------------------------------------------------------------------------------------------------ parts
def test_parts_leave_nothing_out_of_later_exports(sandbox_with: SandboxWith, tmp_path: Path) -> None:
    hume, lake = sandbox_with(evi_chats=40, evi_running=0), tmp_path / "lake"
    starts = sorted(chat["start_timestamp"] for chat in hume.evi.truth()["chats"])
    since = ha.export_chats(lake, since=_iso(starts[30]), settings=settings_of(hume))
    assert since.chats["new"] == 10, str(since)
    between = ha.export_chats(lake, since=_iso(starts[5]), until=_iso(starts[12]), settings=settings_of(hume))
    assert between.chats["new"] == 7
    one = hume.evi.truth()["chats"][20]["id"]
    assert ha.export_chats(lake, chat=one, settings=settings_of(hume)).chats["new"] == 1
    rest = ha.export_chats(lake, settings=settings_of(hume))
    assert rest.chats["new"] == 22
    assert_equal_to(hume, lake)


def test_what_was_read_by_its_id_alone_gets_its_count_when_it_is_listed(sandbox_with: SandboxWith, tmp_path: Path) -> None:
    hume, lake = sandbox_with(evi_chats=6, evi_running=0), tmp_path / "lake"
    one = next(chat["id"] for chat in hume.evi.truth()["chats"] if chat["event_count"])
    ha.export_chats(lake, chat=one, settings=settings_of(hume))
    assert rows(lake, "SELECT chat_id, event_count FROM chats") == [{"chat_id": one, "event_count": None}]
    ha.export_chats(lake, settings=settings_of(hume))
    counts = {row["chat_id"]: row["event_count"] for row in rows(lake, "SELECT chat_id, event_count FROM chats")}
    assert counts == {chat["id"]: chat["event_count"] for chat in hume.evi.truth()["chats"]}
    assert ha.export_chats(lake, settings=settings_of(hume)).chats.get("read_again", 0) == 0


def test_one_group_and_one_config(sandbox_with: SandboxWith, tmp_path: Path) -> None:
    hume = sandbox_with(evi_chats=40, evi_running=0)
    truth = hume.evi.truth()
    group = max(truth["chat_groups"], key=lambda each: each["num_chats"])
    config = next(chat["config"]["id"] for chat in truth["chats"] if chat["config"])
    ha.export_chats(tmp_path / "one", group=group["id"], settings=settings_of(hume))
    ha.export_chats(tmp_path / "two", config=config, settings=settings_of(hume))
    assert {row["chat_id"] for row in rows(tmp_path / "one", "SELECT chat_id FROM chats")} == {
        chat["id"] for chat in truth["chats"] if chat["chat_group_id"] == group["id"]
    }
    assert {row["chat_id"] for row in rows(tmp_path / "two", "SELECT chat_id FROM chats")} == {
        chat["id"] for chat in truth["chats"] if chat["config"] and chat["config"]["id"] == config
    }


def test_what_is_no_time_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no date or time"):
        ha.export_chats(tmp_path / "lake", since="yesterday")


def _iso(ms: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(ms / 1000, UTC).isoformat()


# ------------------------------------------------------------------------------------------------ what goes wrong
def test_a_chat_that_is_gone_when_it_is_read_is_told_of(sandbox_with: SandboxWith, tmp_path: Path) -> None:
    hume, lake = sandbox_with(evi_chats=6, evi_running=0), tmp_path / "lake"
    lost = hume.evi.truth()["chats"][2]["id"]
    hume.set_faults([{"path": f"/v0/evi/chats/{lost}", "status": 404}])
    summary = ha.export_chats(lake, settings=settings_of(hume))
    assert (summary.exit_code, summary.chats["gone"], summary.chats["new"]) == (3, 1, 5)
    [error] = rows(lake, "SELECT recording_id, error FROM errors")
    assert error == {"recording_id": f"chat:{lost}", "error": "NotFound"}


def test_a_chat_that_ran_and_was_deleted_is_told_of_once(sandbox_with: SandboxWith, tmp_path: Path) -> None:
    hume, lake = sandbox_with(evi_chats=4, evi_running=1), tmp_path / "lake"
    ha.export_chats(lake, settings=settings_of(hume))
    [running] = [chat["id"] for chat in hume.evi.truth()["chats"] if chat["status"] == "ACTIVE"]
    hume.evi.delete_chat(running)
    codes = [ha.export_chats(lake, settings=settings_of(hume)).exit_code for _ in range(3)]
    assert codes == [3, 0, 0]
    assert rows(lake, f"SELECT count(*) > 0 AS there FROM chat_events WHERE chat_id = '{running}'") == [{"there": True}]


def test_configs_prompts_and_tools_that_are_gone_are_no_error(
    sandbox_with: SandboxWith, tmp_path: Path, asked: list[str]
) -> None:
    hume, lake = sandbox_with(evi_chats=10, evi_running=0), tmp_path / "lake"
    hume.set_faults([{"path": "/v0/evi/configs/*", "status": 404}])
    assert ha.export_chats(lake, settings=settings_of(hume)).exit_code == 0
    hume.set_faults([])
    asked.clear()
    assert ha.export_chats(lake, settings=settings_of(hume)).exit_code == 0
    assert asked and not [each for each in asked if "/configs/" in each], "what is gone is not asked for every night"


def test_sound_is_fetched_once_and_an_error_of_one_stops_none(sandbox_with: SandboxWith, tmp_path: Path) -> None:
    hume, lake = sandbox_with(evi_chats=4, evi_running=0), tmp_path / "lake"
    bad = hume.evi.truth()["chats"][1]["id"]
    hume.evi.change_chat(bad, audio="ERROR")
    summary = ha.export_chats(lake, audio=True, settings=settings_of(hume))
    assert (summary.exit_code, summary.chats["audio"], summary.chats["audio_failed"]) == (3, 3, 1), str(summary)
    kept = rows(lake, "SELECT path, size_bytes, sha256 FROM chat_audio WHERE sha256 IS NOT NULL")
    assert len(kept) == 3
    for row in kept:
        assert (lake / "raw" / row["path"]).stat().st_size == row["size_bytes"]
    again = ha.export_chats(lake, audio=True, settings=settings_of(hume))
    assert (again.chats["audio"], again.chats["audio_failed"]) == (0, 1)
    with ha.open_lake(lake) as opened:
        kept = [opened.raw.open(file.path).read() for file in opened.raw.list("evi") if file.kind != "audio"]
        beside = [json.dumps(meta).encode() for file in opened.raw.list("evi") for meta in opened.raw.metas(file.response_id)]
        rows_told = repr(opened.sql("SELECT * FROM chat_audio_all").rows()).encode()
    assert len(kept) > 4
    for each in (*kept, *beside, rows_told, (lake / "ledger.sqlite").read_bytes()):
        assert b"/storage/" not in each, "a signed link opens the sound to whoever has it"


def test_rebuild_leaves_chats_alone(sandbox_with: SandboxWith, tmp_path: Path) -> None:
    hume, lake = sandbox_with(evi_chats=6, evi_running=0), tmp_path / "lake"
    ha.export_chats(lake, settings=settings_of(hume))
    assert ha.rebuild(lake).exit_code == 0
    assert_equal_to(hume, lake)


EXPORT = """
import sys
import humeanalytics as ha
lake, url = sys.argv[1:]
settings = ha.load_settings(api_key="k", base_url=url, requests_per_s=10000.0)
sys.exit(ha.export_chats(lake, settings=settings).exit_code)
"""


@pytest.mark.parametrize(
    ("chats", "events", "kills_s"),
    [pytest.param(400, 20, (1.5, 2.5, 3.5), id="400 chats"), pytest.param(2000, 50, (4, 7, 10), id="2,000 chats", marks=WHOLE)],
)
def test_through_growth_faults_and_kills_it_is_the_truth_in_the_end(
    sandbox_with: SandboxWith, tmp_path: Path, chats: int, events: int, kills_s: tuple[float, ...]
) -> None:
    hume = sandbox_with(
        evi_chats=chats,
        evi_events_per_chat=events,
        evi_running=5,
        evi_new_chats=chats // 40,
        evi_new_every_s=0.5,
        evi_pace=50.0,
        evi_delay_s=0.005,
    )
    lake = tmp_path / "lake"
    hume.set_faults(
        [
            {"path": "/v0/evi/*", "status": 503, "probability": 0.06},
            {"path": "/v0/evi/chats/*", "drop_before": "received", "probability": 0.04},
        ]
    )
    command = [sys.executable, "-c", EXPORT, str(lake), hume.url]
    for after_s in kills_s:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        time.sleep(after_s)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(60)
    hume.set_faults([])
    hume.advance_clock(7200)
    for _ in range(2):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode in (0, 3), done.stderr
        hume.advance_clock(7200)
    summary = ha.export_chats(lake, settings=settings_of(hume))
    assert json.loads(summary.to_json())["chats"].get("failed", 0) == 0
    assert_equal_to(hume, lake)
    with ha.open_lake(lake) as opened:
        assert opened.loads.pending() == []
    [doubled] = rows(lake, "SELECT count(*) - count(DISTINCT (chat_id, event_id)) AS n FROM chat_events")
    assert doubled["n"] == 0
