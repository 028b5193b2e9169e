"""The published examples give their exact values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import humeanalytics as ha
from humeanalytics import vocabulary
from humeanalytics.tables.evi import EviBook, flatten_evi

SAMPLES = Path(__file__).parent / "samples"
CHAT = "470a49f6-1dec-4afe-8b61-035d3b2d63b0"
PROSODY = vocabulary.names_of("prosody")


def sample(name: str) -> bytes:
    return (SAMPLES / f"v0_evi_{name}.json").read_bytes()


def rows(name: str, table: str) -> list[dict[str, Any]]:
    return flatten_evi(sample(name)).tables[table].to_pylist()


@pytest.mark.parametrize("name", ["chats_id", "chat_groups_id_events"])
def test_every_score_of_every_event_is_the_one_in_its_string(name: str) -> None:
    given = json.loads(sample(name))["events_page"]
    for event, row in zip(given, rows(name, "chat_events"), strict=True):
        scores = json.loads(event["emotion_features"]) if event["emotion_features"] else {}
        assert len(scores) in (0, 48)
        assert {n.name: row[n.column] for n in PROSODY if row[n.column] is not None} == scores
        assert row["emotion_features"] == (event["emotion_features"] or None)
        assert row["metadata"] == (event["metadata"] or None)


def test_scores_of_a_segment_are_put_under_the_right_names() -> None:
    given = json.loads(sample("chats_id"))["events_page"][1]
    (segment,) = json.loads(given["metadata"])["segments"]
    (row,) = rows("chats_id", "chat_segments")
    alphabetical = json.loads(given["emotion_features"])
    assert list(alphabetical.values()) != segment["scores"]  # else this would show nothing
    assert {n.name: row[n.column] for n in PROSODY} == alphabetical
    told = {key: row[key] for key in ("event_id", "chat_id", "nth", "content", "begin_ms", "end_ms")}
    assert told == {"event_id": given["id"], "chat_id": CHAT, "nth": 0, "content": "Hello.", "begin_ms": 640, "end_ms": 1140}
    assert row["contemplation"] == segment["scores"][11]
    assert row["desire"] == segment["scores"][41]


def test_embeddings_come_on_request_and_exactly() -> None:
    (segment,) = json.loads(json.loads(sample("chats_id"))["events_page"][1]["metadata"])["segments"]
    table = flatten_evi(sample("chats_id"), embeddings=True).tables["chat_segments"]
    assert table.schema.field("embedding").type.list_size == 768
    assert np.array_equal(table["embedding"].to_pylist()[0], np.array(segment["embedding"], np.float32))
    assert "embedding" not in flatten_evi(sample("chats_id")).tables["chat_segments"].column_names


def test_events_keep_their_order_times_and_marks() -> None:
    events = rows("chats_id", "chat_events")
    assert [(e["ordinal"], e["timestamp_raw"], e["role"], e["type"]) for e in events] == [
        (0, 1716244940762, "SYSTEM", "SYSTEM_PROMPT"),
        (1, 1716244956278, "USER", "USER_MESSAGE"),
        (2, 1716244957031, "AGENT", "AGENT_MESSAGE"),
    ]
    assert events[1]["timestamp"].isoformat() == "2024-05-20T22:42:36.278000+00:00"
    assert (events[1]["begin_ms"], events[1]["end_ms"]) == (640, 1140)


def test_a_version_of_0_and_no_configuration_at_all_are_told_apart() -> None:
    (with_one,) = rows("chats", "chats")
    (without,) = rows("chat_groups_id", "chats")
    assert (with_one["config_id"], with_one["config_version"]) == ("1b60e1a0-cc59-424a-8d2c-189d354db3f3", 0)
    assert (without["config_id"], without["config_version"]) == (None, None)
    assert (with_one["event_count"], without["event_count"]) == (3, 0)
    assert (with_one["metadata"], without["metadata"]) == (None, None)


def test_groups_are_told_by_lists_and_by_themselves() -> None:
    (listed,) = rows("chat_groups", "chat_groups")
    (alone,) = rows("chat_groups_id", "chat_groups")
    assert (listed["num_chats"], listed["active"], listed["most_recent_chat_id"]) == (
        5,
        False,
        "dfdbdd4d-0ddf-418b-8fc4-80a266579d36",
    )
    assert (alone["num_chats"], alone["first_start_timestamp_raw"]) == (1, 1712334213647)


def test_all_of_them_together_tell_of_each_event_once() -> None:
    book = EviBook()
    for name in ("chat_groups_id_events", "chats", "chat_groups", "chats_id", "chat_groups_id"):
        book.read(sample(name), name=name)
    flat = book.finish()
    assert flat.tables["chat_events"].num_rows == 3
    assert flat.problems == ()
    (chat,) = [row for row in flat.tables["chats"].to_pylist() if row["chat_id"] == CHAT]
    assert (chat["events"], chat["event_count"], chat["status"]) == (3, 3, "USER_ENDED")
    assert chat["chat_group_id"] == "9fc18597-3567-42d5-94d6-935bde84bf2f"  # its own word before that of a list of events


def test_flatten_takes_a_folder_of_them(tmp_path: Path) -> None:
    for path in SAMPLES.glob("v0_evi_*.json"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    tables = ha.flatten(tmp_path)
    assert {name: table.num_rows for name, table in tables.items()} == {
        "chats": 2,
        "chat_events": 3,
        "chat_segments": 1,
        "chat_groups": 2,
    }


@pytest.mark.parametrize("by_alias", [False, True])
def test_a_dump_of_the_official_sdk_gives_the_same(by_alias: bool) -> None:
    from hume.empathic_voice.types.return_chat_paged_events import ReturnChatPagedEvents

    parsed = ReturnChatPagedEvents.model_validate_json(sample("chats_id"))
    whole, dumped = flatten_evi(sample("chats_id")), flatten_evi(parsed.model_dump_json(by_alias=by_alias).encode())
    assert dumped.tables.keys() == whole.tables.keys()
    for name, table in whole.tables.items():
        assert dumped.tables[name].equals(table), name
