"""Every form people have saved chats in gives the same tables."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from evi_payloads import PROSODY, START_MS, as_bytes, camel, chat, event, page, scores
from hypothesis import given
from hypothesis import strategies as st

import humeanalytics as ha
from humeanalytics.errors import NotHumeData, UnreadableResponse
from humeanalytics.tables.detect import Kind, detect
from humeanalytics.tables.evi import flatten_evi

EVENTS = [
    event(0, "SYSTEM_PROMPT", role="SYSTEM"),
    event(1, "AGENT_MESSAGE"),
    event(2),
    event(3, "AGENT_MESSAGE"),
    event(4, "ASSISTANT_PROSODY", related_event_id="chat-1/3", message_text=""),
]


def columns(payload: Any, table: str = "chat_events", without: tuple[str, ...] = ("scoring_id",)) -> list[dict[str, Any]]:
    made = flatten_evi(payload if isinstance(payload, bytes) else as_bytes(payload)).tables[table]
    return made.drop_columns(list(without)).to_pylist()


# ------------------------------------------------------------------------------------------------------------------- SDKs
def test_camel_case_is_the_same_as_snake_case() -> None:
    whole = flatten_evi(as_bytes(chat(EVENTS)))
    dumped = flatten_evi(as_bytes(camel(chat(EVENTS))))
    for name, table in whole.tables.items():
        assert dumped.tables[name].equals(table), name


def test_what_an_sdk_decoded_already_is_the_same_but_for_its_raw_text() -> None:
    decoded = [
        dict(each, emotion_features=json.loads(each["emotion_features"]) if each["emotion_features"] else None) for each in EVENTS
    ]
    raw = ("emotion_features",)
    assert columns(chat(decoded), without=raw) == columns(chat(EVENTS), without=raw)  # the scoring is the same too
    named = [dict(each, emotion_features=camelled(each["emotion_features"])) for each in decoded]
    assert columns(camel(chat(named)), without=raw) == columns(chat(EVENTS), without=raw)


def camelled(given: dict[str, float] | None) -> dict[str, float] | None:
    if given is None:
        return None
    words = {name.name: name.column.split("_") for name in PROSODY}
    return {words[name][0] + "".join(map(str.capitalize, words[name][1:])): score for name, score in given.items()}


# --------------------------------------------------------------------------------------------------- pages, lists, wrappers
@pytest.mark.parametrize(
    "form",
    [
        lambda events: chat(events),
        lambda events: events,
        lambda events: {"saved": {"by": "me", "chats": [chat(events)]}},
        lambda events: [page(events, number=n, size=2) for n in range(3)],
        lambda events: {"chat": chat([]), "events": events},
        lambda events: {"id": "group-1", "page_number": 0, "page_size": 10, "total_pages": 1, "events_page": events},
        lambda events: "\n".join(map(json.dumps, events)).encode(),
    ],
    ids=["page", "list", "wrapped", "pages", "beside", "group", "lines"],
)
def test_every_form_gives_the_same_events(form: Any) -> None:
    payload = form(EVENTS)
    data = payload if isinstance(payload, bytes) else as_bytes(payload)
    assert detect(io.BytesIO(data)).kind == Kind.EVI
    assert columns(data) == columns(chat(EVENTS))
    assert ha.flatten(data)["chat_events"].num_rows == len(EVENTS)


def test_a_chat_of_which_only_events_are_known_has_a_row_too() -> None:
    (row,) = columns(EVENTS, "chats")
    assert (row["chat_id"], row["status"], row["events"]) == ("chat-1", None, 5)


def test_events_that_name_no_chat_stay_together() -> None:
    nameless = [{key: value for key, value in each.items() if key != "chat_id"} for each in EVENTS]
    flat = flatten_evi(as_bytes(nameless))
    assert len({row["chat_id"] for row in flat.tables["chat_events"].to_pylist()}) == 1
    assert flat.tables["chat_events"].num_rows == 5
    (problem,) = flat.problems
    assert "5 events" in problem.message


def test_a_chat_without_events_is_no_error() -> None:
    empty = flatten_evi(
        as_bytes({"page_number": 3, "page_size": 10, "total_pages": 3, "pagination_direction": "ASC", "chats_page": []})
    )
    assert empty.tables["chats"].num_rows == 0


@pytest.mark.parametrize(
    "field", [{"config": None}, {"metadata": None}, {"metadata": ""}, {"end_timestamp": 0}, {"end_timestamp": None}]
)
def test_null_variants(field: dict[str, Any]) -> None:
    (row,) = columns(chat(EVENTS, **field), "chats")
    assert row["metadata"] is None
    assert (row["config_id"] is None) == ("config" in field)
    assert (row["end_timestamp"] is None) == ("end_timestamp" in field)


def test_seconds_and_milliseconds_give_the_same_time() -> None:
    in_seconds = [dict(each, timestamp=each["timestamp"] // 1000) for each in EVENTS]
    assert columns(chat(in_seconds), without=("timestamp_raw",)) == columns(chat(EVENTS), without=("timestamp_raw",))
    assert columns(chat(in_seconds))[2]["timestamp_raw"] == START_MS // 1000 + 2


# ------------------------------------------------------------------------------------------------------- strings and objects
@given(seed=st.integers(0, 1000), form=st.sampled_from(["compact", "spaced", "object", "list", "shuffled"]), data=st.data())
def test_scores_are_read_by_name_in_whatever_form(seed: int, form: str, data: st.DataObject) -> None:
    given = scores(seed)
    values: dict[str, Any] = {
        "compact": json.dumps(given, separators=(",", ":")),
        "spaced": json.dumps(given),
        "object": given,
        "list": [{"name": name, "score": score} for name, score in given.items()],
        "shuffled": json.dumps(dict(data.draw(st.permutations(list(given.items()))))),
    }
    (row,) = columns(chat([event(0, emotion_features=values[form])]))
    assert {name.name: row[name.column] for name in PROSODY} == given


@given(st.sampled_from(["", None, "{}", {}, " "]))
def test_no_scores_are_null_and_no_problem(nothing: Any) -> None:
    flat = flatten_evi(as_bytes(chat([event(0, emotion_features=nothing)])))
    assert flat.problems == ()
    assert flat.tables["chat_events"]["joy"].to_pylist() == [None]


@given(st.one_of(st.text(min_size=1).filter(str.strip), st.integers(), st.lists(st.integers(), min_size=1)))
def test_what_is_no_scores_is_a_problem_and_the_event_stays(junk: Any) -> None:
    try:
        if isinstance(junk, str) and json.loads(junk) in (None, {}, []):
            return
    except ValueError:
        pass
    flat = flatten_evi(as_bytes(chat([event(0, emotion_features=junk)])))
    (problem,) = flat.problems
    assert problem.event_id == "chat-1/0"
    (row,) = flat.tables["chat_events"].to_pylist()
    assert row["joy"] is None
    assert row["message_text"] == "text 0"
    assert row["emotion_features"] is not None


def test_a_new_expression_becomes_a_column_and_new_fields_are_kept() -> None:
    given = event(0, emotion_features=json.dumps(scores(0) | {"Zest!": 0.5}), mood={"x": 1}, type="NEW_TYPE", role="ROBOT")
    table = flatten_evi(as_bytes(chat([given, event(1)], status="SILENCE_TIMEOUT", tier="gold"))).tables["chat_events"]
    first, second = table.to_pylist()
    assert (first["zest"], second["zest"]) == (0.5, None)
    assert (first["type"], first["role"], json.loads(first["other_json"])) == ("NEW_TYPE", "ROBOT", {"mood": {"x": 1}})
    (row,) = columns(chat([], status="SILENCE_TIMEOUT", tier="gold"), "chats")
    assert (row["status"], json.loads(row["other_json"])) == ("SILENCE_TIMEOUT", {"tier": "gold"})


# --------------------------------------------------------------------------------------------------------- session settings
def test_session_settings_tell_whose_chat_it_is_and_lose_their_secrets() -> None:
    first = {
        "type": "session_settings",
        "custom_session_id": "s-1",
        "language_model_api_key": "hunter2",
        "variables": {"age": "30"},
    }
    later = {"type": "session_settings", "variables": {"age": "31", "api_key": "hunter3"}}
    events = [
        event(0, "SESSION_SETTINGS", message_text=json.dumps(first)),
        event(1, "SESSION_SETTINGS", message_text=json.dumps(later)),
    ]
    flat = flatten_evi(as_bytes(chat(events)))
    (row,) = flat.tables["chats"].to_pylist()
    assert row["custom_session_id"] == "s-1"
    assert json.loads(row["variables_json"]) == {"age": "31", "api_key": ""}
    assert "hunter" not in repr([table.to_pylist() for table in flat.tables.values()])
    assert json.loads(flat.tables["chat_events"]["message_text"][0].as_py())["language_model_api_key"] == ""


def test_text_without_secrets_stays_byte_for_byte() -> None:
    text = '{"type":  "session_settings", "custom_session_id": "ü"}'
    assert columns(chat([event(0, "SESSION_SETTINGS", message_text=text)]))[0]["message_text"] == text


# -------------------------------------------------------------------------------------------------------- sockets, webhooks
CAPTURE = [
    {"type": "chat_metadata", "chat_id": "chat-1", "chat_group_id": "group-1", "request_id": "r", "custom_session_id": "s"},
    {"type": "audio_output", "id": "a", "data": "QUJD" * 1000},
    {"type": "assistant_message", "id": "m1", "message": {"role": "assistant", "content": "Hi."}, "models": {}},
    {"type": "assistant_message", "id": "m1", "message": {"role": "assistant", "content": "How are you?"}, "models": {}},
    {"type": "assistant_prosody", "id": "m1", "models": {"prosody": {"scores": scores(1)}}},
    {"type": "user_message", "interim": True, "message": {"role": "user", "content": "Fi"}, "models": {}},
    {
        "type": "user_message",
        "message": {"role": "user", "content": "Fine."},
        "models": {"prosody": {"scores": scores(2)}},
        "time": {"begin": 640, "end": 1140},
    },
    {"type": "user_interruption", "time": START_MS},
    {"type": "error", "code": "E0101", "slug": "x", "message": "no"},
]


@pytest.mark.parametrize("form", ["lines", "list", "camel", "wrapped"])
def test_a_capture_of_the_socket_becomes_events(form: str) -> None:
    payload = {
        "lines": "\n".join(map(json.dumps, CAPTURE)).encode(),
        "list": as_bytes(CAPTURE),
        "camel": as_bytes(camel(CAPTURE)),
        "wrapped": "\n".join(json.dumps({"direction": "in", "message": each}) for each in CAPTURE).encode(),
    }[form]
    assert detect(io.BytesIO(payload)).kind == Kind.EVI
    events = columns(payload)
    assert [(e["type"], e["message_text"]) for e in events[:4]] == [
        ("AGENT_MESSAGE", "Hi."),
        ("AGENT_MESSAGE", "How are you?"),
        ("ASSISTANT_PROSODY", None),
        ("USER_MESSAGE", "Fine."),
    ]
    assert (events[2]["related_event_id"], events[2]["joy"]) == (events[0]["event_id"], scores(1)["Joy"])
    assert (events[3]["begin_ms"], events[3]["end_ms"], events[3]["joy"]) == (640, 1140, scores(2)["Joy"])
    assert [e["type"] for e in events[4:]] == ["USER_INTERRUPTION", "ERROR"]
    assert events[4]["timestamp_raw"] == START_MS
    (row,) = columns(payload, "chats")
    assert (row["chat_id"], row["custom_session_id"], row["form"], row["events"]) == ("chat-1", "s", "socket", 6)


def test_what_was_said_before_the_chat_was_named_is_of_that_chat() -> None:
    early = {"type": "session_settings", "custom_session_id": "mine"}
    (row,) = columns([early, *[each for each in CAPTURE if each["type"] != "error"]], "chats")
    assert (row["chat_id"], row["events"]) == ("chat-1", 6)


def test_webhooks_tell_of_chats_and_calls() -> None:
    common = {
        "chat_group_id": "group-1",
        "chat_id": "chat-1",
        "config_id": None,
        "custom_session_id": "s",
        "twilio_metadata": None,
    }
    call = {
        "type": "tool_call",
        "name": "weather",
        "parameters": '{"city": "Bonn"}',
        "tool_call_id": "t",
        "tool_type": "function",
    }
    bodies = [
        {**common, "event_name": "chat_started", "start_time": START_MS, "chat_start_type": "new_chat_group"},
        {**common, "tool_call_message": call, "timestamp": START_MS + 5},  # the name may be missing
        {
            **common,
            "event_name": "chat_ended",
            "end_time": START_MS + 9000,
            "duration_seconds": 9,
            "end_reason": "SILENCE_TIMEOUT",
        },
    ]
    data = "\n".join(map(json.dumps, bodies)).encode()
    assert detect(io.BytesIO(data)).kind == Kind.EVI
    (row,) = columns(data, "chats")
    told = ("status", "start_timestamp_raw", "end_timestamp_raw", "duration_s", "start_type", "custom_session_id", "form")
    assert tuple(row[key] for key in told) == (
        "SILENCE_TIMEOUT",
        START_MS,
        START_MS + 9000,
        9.0,
        "new_chat_group",
        "s",
        "webhook",
    )
    (made,) = columns(data, "tool_calls")
    assert (made["name"], made["tool_call_id"], made["parameters"]) == ("weather", "t", '{"city": "Bonn"}')
    assert made["called_at"].timestamp() * 1000 == START_MS + 5


# --------------------------------------------------------------------------------------------------------------- the account
def test_a_configuration_gives_its_prompt_and_tools_too() -> None:
    config = {
        "id": "c", "version": 2, "name": "Support", "evi_version": "3", "created_on": START_MS,
        "prompt": {"id": "p", "version": 1, "name": "Kind", "text": "Be kind.", "version_type": "FIXED"},
        "language_model": {"model_provider": "ANTHROPIC", "model_resource": "x", "temperature": 0.5, "api_key": "hunter2"},
        "tools": [{"id": "t", "version": 0, "name": "weather", "tool_type": "FUNCTION", "parameters": "{}"}, None],
    }  # fmt: skip
    flat = flatten_evi(as_bytes({"page_number": 0, "page_size": 1, "total_pages": 1, "configs_page": [config]}))
    (row,) = flat.tables["evi_configs"].to_pylist()
    assert (row["config_id"], row["version"], row["prompt_id"], row["temperature"]) == ("c", 2, "p", 0.5)
    assert "hunter2" not in row["config_json"]
    assert flat.tables["evi_prompts"]["text"].to_pylist() == ["Be kind."]
    assert flat.tables["evi_tools"].select(["tool_id", "version"]).to_pylist() == [{"tool_id": "t", "version": 0}]


def test_signed_urls_of_audio_are_nowhere() -> None:
    audio = {"id": "chat-1", "user_id": "u", "status": "COMPLETE", "filename": "u/chat-1/a.mp4", "modified_at": START_MS}
    audio |= {
        "signed_audio_url": "https://storage.example/a.mp4?X-Goog-Signature=abc",
        "signed_url_expiration_timestamp_millis": 1,
    }
    flat = flatten_evi(as_bytes(audio))
    (row,) = flat.tables["chat_audio"].to_pylist()
    assert (row["chat_id"], row["status"], row["modified_at_raw"]) == ("chat-1", "COMPLETE", START_MS)
    assert "storage.example" not in repr(row)


# -------------------------------------------------------------------------------------------------------------------- broken
@pytest.mark.parametrize("data", [b"", b"hello", b'{"a": 1}', b"[]"])
def test_something_else_is_said_to_be_so(data: bytes) -> None:
    with pytest.raises(NotHumeData):
        flatten_evi(data, name="x.json")


@given(st.integers(1, 2000))
def test_a_file_that_is_cut_off_gives_an_error_and_nothing_else(cut: int) -> None:
    data = as_bytes(chat(EVENTS))
    with pytest.raises(UnreadableResponse):
        flatten_evi(data[: -min(cut, len(data) - 1)])


_ANY = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(
    field=st.sampled_from([*EVENTS[4], "status", "config", "events_page", "page_number", "page_size", "total_pages"]), value=_ANY
)
def test_whatever_stands_in_a_field_nothing_raises_and_no_other_event_is_lost(field: str, value: Any) -> None:
    payload = chat([event(1), event(2)])
    (payload if field in payload and field not in ("id", "metadata") else payload["events_page"][0])[field] = value
    events = flatten_evi(as_bytes(payload)).tables["chat_events"]
    if field != "events_page":
        assert "text 2" in events["message_text"].to_pylist()
