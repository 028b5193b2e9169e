"""Tables of chats made again from raw/ alone: exported, ingested, grown, and both."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from chat_files import account_pages, event, page, written

import humeanalytics as ha
from humeanalytics.sandbox.embedded import Sandbox

TABLES = (
    *("chats", "chat_events", "chat_segments", "tool_calls", "chat_groups", "chat_audio", "evi_configs", "evi_prompts"),
    *("evi_tools", "items", "labels", "transcript", "turns", "conversations"),
)
SandboxWith = Callable[..., Sandbox]


def contents(lake: Path) -> dict[str, list[dict[str, Any]]]:
    """All that a lake shows of chats, but for which load brought it."""
    with ha.open_lake(lake) as opened:
        found = {}
        for table in TABLES:
            without = "" if table in ("transcript", "turns", "conversations") else "EXCLUDE (load_id)"
            found[table] = opened.sql(f"SELECT * {without} FROM {table} ORDER BY ALL").rows()
        errors = "EXCLUDE (load_id, run_id, happened_at)"
        return found | {"errors": opened.sql(f"SELECT * {errors} FROM errors ORDER BY ALL").rows()}


def assert_the_same(lake: Path, before: dict[str, list[dict[str, Any]]]) -> None:
    after = contents(lake)
    for table, rows in before.items():
        for told, made in zip(rows, after[table], strict=True):
            assert {key: (value, made[key]) for key, value in told.items() if made[key] != value} == {}, (table, told)


def as_files(pages: list[dict[str, Any]]) -> dict[str, bytes]:
    return {f"{number}.json": json.dumps(each).encode() for number, each in enumerate(pages)}


@pytest.mark.parametrize("gone", [False, True])
def test_what_was_exported(gone: bool, sandbox_with: SandboxWith, tmp_path: Path) -> None:
    hume, lake = sandbox_with(evi_chats=9, evi_running=2, evi_audio_queue_s=0, evi_audio_run_s=0), tmp_path / "lake"
    settings = hume.settings.model_copy(update={"requests_per_s": 10_000.0})
    ha.export_chats(lake, settings=settings, audio=True, embeddings=not gone)
    hume.advance_clock(7200)
    ha.export_chats(lake, settings=settings, audio=True, embeddings=not gone)
    before = contents(lake)
    assert all(before[table] for table in ("chats", "chat_events", "chat_segments", "chat_audio", "evi_configs", "items"))
    assert gone or any(row["embedding"] for row in before["chat_segments"])
    if gone:
        shutil.rmtree(lake / "tables")
    assert ha.rebuild(lake).exit_code == 0
    assert_the_same(lake, before)
    ha.rebuild(lake)
    assert_the_same(lake, before)
    assert ha.export_chats(lake, settings=settings).chats["new"] == 0


@pytest.mark.parametrize("gone", [False, True])
def test_what_was_ingested_in_one_go_or_several(gone: bool, sandbox_with: SandboxWith, tmp_path: Path) -> None:
    hume, lake = sandbox_with(evi_chats=9, evi_running=0), tmp_path / "lake"
    pages = account_pages(hume, size=9, descending=False)
    files = as_files(pages)
    first = dict(list(files.items())[: len(files) // 2])
    ha.ingest(written(tmp_path / "saved", first), lake, labels={"wave": "1"})
    ha.ingest(written(tmp_path / "saved", files), lake)
    before = contents(lake)
    assert before["chat_events"] and before["labels"]
    if gone:
        shutil.rmtree(lake / "tables")
    summary = ha.rebuild(lake)
    assert summary.exit_code == 0, str(summary)
    assert_the_same(lake, before)
    assert ha.ingest(written(tmp_path / "saved", files), lake, rehash=True).rows == {}


def test_a_chat_that_was_exported_and_saved_beside(sandbox_with: SandboxWith, tmp_path: Path) -> None:
    hume, lake = sandbox_with(evi_chats=5, evi_running=0), tmp_path / "lake"
    ha.export_chats(lake, settings=hume.settings)
    one = hume.evi.truth()["chats"][0]["id"]
    more = {"event_name": "chat_ended", "chat_id": one, "caller_number": "+15550100", "end_reason": "USER_ENDED"}
    saved = as_files([more, *account_pages(hume, size=50, descending=False)])
    ha.ingest(written(tmp_path / "saved", saved), lake, synthetic=True)
    before = contents(lake)
    assert [row["caller_number"] for row in before["chats"] if row["chat_id"] == one] == ["+15550100"]
    ha.rebuild(lake)
    assert_the_same(lake, before)


def test_without_raw_it_stays_as_it_is(tmp_path: Path) -> None:
    events = [event(number) for number in range(12)]
    kept = as_files([page([{**each, "chat_id": "chat-2"} for each in events], chat_id="chat-2", size=20)])
    ha.ingest(written(tmp_path / "a", as_files([page(events, size=20)])), tmp_path / "lake", raw=False)
    ha.ingest(written(tmp_path / "b", kept), tmp_path / "lake")
    before = contents(tmp_path / "lake")
    assert len(before["chat_events"]) == 24
    assert ha.rebuild(tmp_path / "lake").exit_code == 0
    assert_the_same(tmp_path / "lake", before)
