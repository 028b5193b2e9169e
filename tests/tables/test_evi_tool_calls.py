"""Calls of tools and what came back are paired by id, else in order."""

from __future__ import annotations

import json
from typing import Any

from evi_payloads import START_MS, as_bytes, chat, event
from hypothesis import given
from hypothesis import strategies as st

from humeanalytics.tables.evi import flatten_evi


def call(number: int, tool_call_id: str | None = None, **more: Any) -> dict[str, Any]:
    said = {"name": "weather", "parameters": '{"city":"Bonn"}', "tool_type": "function", "response_required": True, **more}
    return event(
        number, "FUNCTION_CALL", message_text=json.dumps(said | ({"tool_call_id": tool_call_id} if tool_call_id else {}))
    )


def answer(number: int, tool_call_id: str | None = None, **said: Any) -> dict[str, Any]:
    text = json.dumps({"tool_call_id": tool_call_id, "content": "sunny", **said}) if tool_call_id else "sunny"
    return event(number, "FUNCTION_CALL_RESPONSE", message_text=text)


def pairs(*events: dict[str, Any]) -> list[tuple[str | None, str | None, str | None]]:
    rows = flatten_evi(as_bytes(chat(list(events)))).tables["tool_calls"].to_pylist()
    cut = [(row["call_event_id"], row["response_event_id"], row["paired_by"]) for row in rows]
    return [(a and a.removeprefix("chat-1/"), b and b.removeprefix("chat-1/"), by) for a, b, by in cut]


def test_by_id_whatever_the_order() -> None:
    assert pairs(call(0, "a"), call(1, "b"), answer(2, "b"), answer(3, "a")) == [("0", "3", "id"), ("1", "2", "id")]


def test_without_ids_in_order() -> None:
    assert pairs(call(0), answer(1), call(2), call(3), answer(4)) == [("0", "1", "order"), ("2", "4", "order"), ("3", None, None)]


def test_an_answer_that_names_another_call_is_of_none() -> None:
    assert pairs(call(0, "a"), answer(1, "z")) == [("0", None, None), (None, "1", None)]


def test_an_answer_before_any_call_is_of_none() -> None:
    assert pairs(answer(0), call(1)) == [("1", None, None), (None, "0", None)]


def test_what_they_say() -> None:
    failed = answer(3, "a", error="no network", content="", type="tool_error")
    (row,) = flatten_evi(as_bytes(chat([call(0, "a", api_key="hunter2"), failed]))).tables["tool_calls"].to_pylist()
    assert (row["name"], row["tool_type"], row["parameters"]) == ("weather", "function", '{"city":"Bonn"}')
    assert (row["content"], row["error"], row["latency_ms"], row["response_required"]) == (None, "no network", 3000, True)
    assert row["called_at"].timestamp() * 1000 == START_MS


def test_text_that_is_no_json_still_pairs() -> None:
    rows = flatten_evi(as_bytes(chat([event(0, "FUNCTION_CALL", message_text="weather?"), answer(1)]))).tables["tool_calls"]
    assert rows.select(["name", "content", "paired_by"]).to_pylist() == [{"name": None, "content": "sunny", "paired_by": "order"}]


@given(st.lists(st.sampled_from(["call", "answer", "call a", "answer a", "call b", "answer b"]), max_size=12))
def test_nothing_is_lost_or_paired_twice(kinds: list[str]) -> None:
    events = []
    for n, kind in enumerate(kinds):
        what, _, named = kind.partition(" ")
        events.append((call if what == "call" else answer)(n, named or None))
    made = pairs(*events) if events else []
    calls = [str(n) for n, kind in enumerate(kinds) if kind.startswith("call")]
    answers = [str(n) for n, kind in enumerate(kinds) if kind.startswith("answer")]
    assert sorted(a for a, _, _ in made if a is not None) == sorted(calls)
    assert sorted(b for _, b, _ in made if b is not None) == sorted(answers)
    for a, b, by in made:
        assert (by is not None) == (a is not None and b is not None)
        if by == "order":
            assert a is not None
            assert b is not None
            assert int(a) < int(b)
