"""What the views tell of chats: transcripts, turns, conversations, against plain Python where it counts."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from lake_rows import commit, item, label

from humeanalytics.lake.lake import Lake, open_lake
from humeanalytics.tables.evi import EviBook

SAMPLES = Path(__file__).parents[1] / "tables" / "samples"
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MARKS = ("USER_INTERRUPTION", "PAUSE_ONSET", "RESUME_ONSET")


def said(event_id: str, type_: str, at_ms: int, chat_id: str = "c", ordinal: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "recording_id": f"chat:{chat_id}",
        "scoring_id": f"s-{chat_id}",
        "load_id": "L",
        "event_id": event_id,
        "chat_id": chat_id,
        "ordinal": ordinal,
        "timestamp": START + timedelta(milliseconds=at_ms),
        "type": type_,
        "message_text": event_id,
        "form": "history",
        **more,
    }


def chat(chat_id: str = "c", **more: Any) -> dict[str, Any]:
    known = {
        "recording_id": f"chat:{chat_id}",
        "scoring_id": f"s-{chat_id}",
        "load_id": "L",
        "chat_id": chat_id,
        "form": "history",
    }
    return known | {"events": 1, "status": "USER_ENDED", **more}


def turns(lake: Lake, columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in lake.sql(f"SELECT {columns} FROM turns ORDER BY chat_id, turn").rows()]


# ---------------------------------------------------------------------------------------------------------- published example
def test_the_published_example_answers_after_753_ms(lake: Lake) -> None:
    book = EviBook()
    for path in sorted(SAMPLES.glob("v0_evi_*.json")):
        book.read(path.read_bytes(), name=path.name)
    lake.loads.commit_all("L", "ingest", "run", None, book.finish(load_id="L").tables)
    assert turns(lake, "speaker, text, greeting, text_latency_ms, felt_latency_ms, expression_1") == [
        ("caller", "Hello.", False, None, None, "joy"),
        ("assistant", "Hello!", False, 753, None, "interest"),
    ]
    transcript = lake.sql("SELECT * FROM transcript ORDER BY timestamp").rows()
    assert [(row["speaker"], row["message_text"], row["expressions_from"]) for row in transcript] == [
        ("caller", "Hello.", "message"),
        ("assistant", "Hello!", "message"),
    ]
    told = [(transcript[0][f"expression_{n}"], transcript[0][f"score_{n}"]) for n in (1, 2, 3)]
    assert told == [("joy", 0.29638671875), ("surprise_positive", 0.216064453125), ("interest", 0.2142333984375)]
    (prompt,) = lake.sql("SELECT chats, config_version, characters FROM prompt_versions").rows()
    assert prompt == {"chats": 1, "config_version": 0, "characters": 334}


# -------------------------------------------------------------------------------------------------------------- transcript
def test_scores_of_the_assistant_come_from_its_prosody_before_its_own(lake: Lake) -> None:
    events = [
        said("a", "AGENT_MESSAGE", 0, joy=0.25),
        said("b", "AGENT_MESSAGE", 1, joy=0.25, anger=0.125),
        said("p", "ASSISTANT_PROSODY", 2, related_event_id="b", joy=0.75, love=0.75),
        said("typed", "USER_MESSAGE", 3),
        said("q", "ASSISTANT_PROSODY", 4, related_event_id="typed", joy=0.5),
    ]
    commit(lake, "L", chat_events=events, chats=[chat()])
    rows = lake.sql(
        "SELECT event_id, joy, expressions_from, expression_1, expression_2, expression_3 FROM transcript ORDER BY ALL"
    ).rows()
    assert [tuple(row.values()) for row in rows] == [
        ("a", 0.25, "message", "joy", None, None),
        ("b", 0.75, "assistant_prosody", "joy", "love", "anger"),
        ("typed", None, None, None, None, None),
    ]


def test_of_several_prosodies_of_a_message_the_latest_that_tells_a_score_holds(lake: Lake) -> None:
    events = [
        said("a", "AGENT_MESSAGE", 0, joy=0.125),
        said("p", "ASSISTANT_PROSODY", 1, ordinal=1, related_event_id="a", joy=0.25, love=0.25),
        said("q", "ASSISTANT_PROSODY", 2, ordinal=2, related_event_id="a", joy=0.5),
    ]
    commit(lake, "L", chat_events=events, chats=[chat()])
    assert lake.sql("SELECT event_id, joy, love, expressions_from FROM transcript").rows() == [
        {"event_id": "a", "joy": 0.5, "love": 0.25, "expressions_from": "assistant_prosody"}
    ]
    assert turns(lake, "messages, scored_messages, joy, love") == [(1, 1, 0.5, 0.25)]


def test_of_equal_scores_the_first_by_name_is_told_first(lake: Lake) -> None:
    commit(lake, "L", chat_events=[said("a", "USER_MESSAGE", 0, joy=0.5, anger=0.5, awe=0.5, love=0.5)], chats=[chat()])
    (row,) = lake.sql("SELECT expression_1, expression_2, expression_3, score_3 FROM transcript").rows()
    assert row == {"expression_1": "anger", "expression_2": "awe", "expression_3": "joy", "score_3": 0.5}


# ------------------------------------------------------------------------------------------------------------------- turns
def test_scores_of_marks_are_of_nobody(lake: Lake) -> None:
    events = [
        said("u", "USER_MESSAGE", 0, joy=0.25),
        said("cut", "USER_INTERRUPTION", 10, joy=0.75),
        said("v", "USER_MESSAGE", 20),
    ]
    commit(lake, "L", chat_events=events, chats=[chat()])
    assert turns(lake, "turn, messages, scored_messages, joy") == [(1, 1, 1, 0.25), (2, 1, 0, None)]


def test_turns_break_at_marks_and_an_interruption_is_of_the_turn_it_follows(lake: Lake) -> None:
    events = [
        said("hello", "AGENT_MESSAGE", 0),
        said("rec", "USER_RECORDING_START_MESSAGE", 50),
        said("u1", "USER_MESSAGE", 3000, end_ms=2000),
        said("u2", "USER_MESSAGE", 3500, end_ms=2900, joy=0.5),
        said("a1", "AGENT_MESSAGE", 4000),
        said("a2", "AGENT_MESSAGE", 4100),
        said("cut", "USER_INTERRUPTION", 4200),
        said("a3", "AGENT_MESSAGE", 4300),
        said("pause", "PAUSE_ONSET", 4400),
        said("u3", "USER_MESSAGE", 5000),
        said("a4", "AGENT_MESSAGE", 6000),
    ]
    commit(lake, "L", chat_events=events, chats=[chat()])
    columns = "turn, speaker, messages, text, greeting, interrupted, text_latency_ms, felt_latency_ms, scored_messages, joy"
    assert turns(lake, columns) == [
        (1, "assistant", 1, "hello", True, False, None, None, 0, None),
        (2, "caller", 2, "u1 u2", False, False, None, None, 1, 0.5),
        (3, "assistant", 2, "a1 a2", False, True, 500, 4000 - 50 - 2900, 0, None),
        (4, "assistant", 1, "a3", False, False, None, None, 0, None),
        (5, "caller", 1, "u3", False, False, None, None, 0, None),
        (6, "assistant", 1, "a4", False, False, 1000, None, 0, None),
    ]


def plainly(events: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Turns, worked out event by event."""
    prosody = {e["related_event_id"]: e for e in events if e["type"] == "ASSISTANT_PROSODY"}
    made: list[dict[str, Any]] = []
    for chat_id in sorted({e["chat_id"] for e in events}):
        number, current, before, heard = 0, None, None, False
        starts = [e["timestamp"] for e in events if e["chat_id"] == chat_id and e["type"] == "USER_RECORDING_START_MESSAGE"]
        for e in sorted((e for e in events if e["chat_id"] == chat_id), key=lambda e: (e["timestamp"], e["ordinal"])):
            speaker = {"USER_MESSAGE": "caller", "AGENT_MESSAGE": "assistant"}.get(e["type"])
            if e["type"] in MARKS:
                if e["type"] == "USER_INTERRUPTION" and before is not None and before["speaker"] == "assistant":
                    before["interrupted"] = True
                current = None
            if speaker is None:
                continue
            if current is None or current["speaker"] != speaker:
                number += 1
                last, current = before, {"chat_id": chat_id, "turn": number, "speaker": speaker, "joy": [], "interrupted": False}
                made.append(current)
                current |= {
                    "greeting": speaker == "assistant" and not heard,
                    "text_latency": None,
                    "felt_latency": None,
                    "text": [],
                }
                if speaker == "assistant" and last is not None and last["speaker"] == "caller":
                    current["text_latency"] = _ms(e["timestamp"] - last["at"])
                    if starts and last["end_ms"] is not None:
                        current["felt_latency"] = _ms(e["timestamp"] - min(starts)) - last["end_ms"]
            heard = heard or speaker == "caller"
            scores = prosody.get(e["event_id"], e) if speaker == "assistant" else e
            current["joy"] += [scores["joy"]] if scores.get("joy") is not None else []
            current["text"].append(e["message_text"])
            current |= {"at": e["timestamp"], "end_ms": e.get("end_ms")}
            before = current
    keys = ("chat_id", "turn", "speaker", "greeting", "interrupted", "text_latency", "felt_latency")
    return [(*(t[k] for k in keys), " ".join(t["text"]), sum(t["joy"]) / len(t["joy"]) if t["joy"] else None) for t in made]


def _ms(step: timedelta) -> int:
    return step // timedelta(milliseconds=1)


@pytest.mark.parametrize("seed", range(4))
def test_turns_are_those_of_plain_python(lake: Lake, seed: int) -> None:
    rng = random.Random(seed)
    types = ("USER_MESSAGE", "AGENT_MESSAGE", "AGENT_MESSAGE", "ASSISTANT_PROSODY", "SYSTEM_PROMPT", *MARKS)
    events: list[dict[str, Any]] = []
    for c in range(60):
        at, last = 0, None
        if rng.random() < 0.5:
            events.append(said(f"{c}-r", "USER_RECORDING_START_MESSAGE", 0, f"c{c:02}", -1))
        for n in range(rng.randrange(40)):
            type_ = rng.choice(types)
            at += rng.choice((0, 0, 1, 250, 4000))
            more: dict[str, Any] = {}
            if type_ == "USER_MESSAGE" and rng.random() < 0.7:
                more = {"joy": rng.randrange(256) / 256, "end_ms": at - rng.randrange(500)}
            if type_ == "AGENT_MESSAGE":
                more = {"joy": rng.randrange(256) / 256} if rng.random() < 0.3 else {}
                last = f"{c}-{n}"
            if type_ == "ASSISTANT_PROSODY":
                if last is None:
                    continue
                more, last = {"related_event_id": last, "joy": rng.randrange(256) / 256}, None
            events.append(said(f"{c}-{n}", type_, at, f"c{c:02}", n, **more))
    shuffled = rng.sample(events, len(events))
    commit(lake, "L", chat_events=shuffled, chats=[chat(f"c{c:02}") for c in range(60)])
    columns = "chat_id, turn, speaker, greeting, interrupted, text_latency_ms, felt_latency_ms, text, joy"
    found, wanted = turns(lake, columns), plainly(events)
    assert [row[:-1] for row in found] == [row[:-1] for row in wanted]
    assert [row[-1] is None for row in found] == [row[-1] is None for row in wanted]
    assert [row[-1] or 0.0 for row in found] == pytest.approx([row[-1] or 0.0 for row in wanted], rel=1e-6)


# ----------------------------------------------------------------------------------------------------------- conversations
def test_a_conversation_is_a_chat_and_all_that_resumed_it(lake: Lake) -> None:
    def spanned(chat_id: str, begin_s: float, end_s: float | None, **more: Any) -> dict[str, Any]:
        times = {"start_timestamp": START + timedelta(seconds=begin_s)}
        times |= {"end_timestamp": START + timedelta(seconds=end_s)} if end_s is not None else {}
        return chat(chat_id, **times, **more)

    chats = [
        spanned("c2", 100, 130, chat_group_id="g"),
        spanned("c1", 0, 60, chat_group_id="g"),
        spanned("c3", 200, None, chat_group_id="g", status="ACTIVE"),
        spanned("alone", 0, 5, status="ERROR"),
    ]
    events = [
        said("x", "USER_MESSAGE", 205_000, "c3"),
        said("y", "USER_INTERRUPTION", 210_000, "c3"),
        said("z", "AGENT_MESSAGE", 1, "c1"),
    ]
    commit(lake, "L", chats=chats, chat_events=events)
    rows = lake.sql(
        "SELECT conversation_id, chats, resumes, length_s, gap_s, longest_gap_s, ending, active, caller_messages,"
        " assistant_messages, interruptions, chat_ids FROM conversations ORDER BY ALL"
    ).rows()
    assert [tuple(row.values()) for row in rows] == [
        ("alone", 1, 0, 5.0, 0.0, None, "ERROR", False, 0, 0, 0, ["alone"]),
        ("g", 3, 2, 60.0 + 30.0 + 10.0, 40.0 + 70.0, 70.0, "ACTIVE", True, 1, 1, 1, ["c1", "c2", "c3"]),
    ]


def test_tool_usage_counts_what_was_not_answered_before_the_caller_spoke_again(lake: Lake) -> None:
    def called(n: int, at_ms: int, answered_ms: int | None, **more: Any) -> dict[str, Any]:
        row = {
            "recording_id": "chat:c",
            "scoring_id": "s-c",
            "load_id": "L",
            "chat_id": "c",
            "call_event_id": f"call{n}",
            "name": "w",
        }
        row |= {"called_at": START + timedelta(milliseconds=at_ms)}
        if answered_ms is not None:
            row |= {
                "response_event_id": f"answer{n}",
                "responded_at": START + timedelta(milliseconds=answered_ms),
                "paired_by": "order",
            }
        return row | more

    calls = [called(0, 0, 100), called(1, 1000, 3000, error="late"), called(2, 4000, None)]
    commit(lake, "L", tool_calls=calls, chats=[chat()], chat_events=[said("u", "USER_MESSAGE", 2000)])
    (row,) = lake.sql("SELECT name, calls, chats, answered, errors, unanswered, median_latency_ms FROM tool_usage").rows()
    assert tuple(row.values()) == ("w", 3, 1, 2, 1, 2, 1050.0)


# ------------------------------------------------------------------------------------------------------------ read again
def test_a_chat_that_was_read_page_by_page_and_again_is_whole_and_has_each_event_once(lake: Lake) -> None:
    early = {"seen_at": START}
    late = {"seen_at": START + timedelta(hours=1)}
    first = [
        said("a", "USER_MESSAGE", 0, message_text="old", scoring_id="1", **early),
        said("b", "AGENT_MESSAGE", 5, scoring_id="1", **early),
    ]
    second = [
        said("a", "USER_MESSAGE", 0, message_text="new", scoring_id="2", load_id="M", **late),
        said("c", "USER_MESSAGE", 9, scoring_id="2", load_id="M", **late),
    ]
    commit(lake, "L", chat_events=first, chats=[chat(scoring_id="1", status="ACTIVE", custom_session_id="s", events=2, **early)])
    commit(lake, "M", chat_events=second, chats=[chat(scoring_id="2", load_id="M", events=2, **late)])
    rows = lake.sql("SELECT event_id, message_text FROM chat_events ORDER BY event_id").rows()
    assert [tuple(row.values()) for row in rows] == [("a", "new"), ("b", "b"), ("c", "c")]
    (row,) = lake.sql("SELECT status, custom_session_id, events FROM chats").rows()
    assert tuple(row.values()) == ("USER_ENDED", "s", 3)
    assert len(lake.sql("FROM chat_events_all").rows()) == 4


def test_a_capture_gives_way_to_the_history_of_the_same_chat(lake: Lake) -> None:
    commit(lake, "L", chat_events=[said("m1", "AGENT_MESSAGE", 0, form="socket")], chats=[chat(form="socket")])
    assert [row["event_id"] for row in lake.sql("SELECT event_id FROM transcript").rows()] == ["m1"]
    again = [said("x", "AGENT_MESSAGE", 0, scoring_id="2", load_id="M")]
    commit(lake, "M", chat_events=again, chats=[chat(scoring_id="2", load_id="M")])
    assert [row["event_id"] for row in lake.sql("SELECT event_id FROM transcript").rows()] == ["x"]


def test_chats_take_labels_and_can_be_excluded(tmp_path: Path) -> None:
    with open_lake(tmp_path / "lake") as lake:
        commit(
            lake,
            "L",
            chats=[chat("a"), chat("b")],
            chat_events=[said("1", "USER_MESSAGE", 0, "a"), said("2", "USER_MESSAGE", 0, "b")],
            items=[item("ia", "chat:a"), item("ib", "chat:b", excluded_reason="withdrawn")],
            labels=[label("ia", "participant", "P1")],
        )
        assert lake.sql("SELECT chat_id, participant FROM chats_labelled").rows() == [{"chat_id": "a", "participant": "P1"}]
        for view in ("chats", "chat_events", "transcript", "turns", "conversations"):
            assert len(lake.sql(f"FROM {view}").rows()) == 1, view
