"""Read the bodies of EVI's webhooks: a chat began, a chat ended, a tool was called."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from humeanalytics.tables.evi_account import times
from humeanalytics.tables.evi_chats import Facts
from humeanalytics.tables.evi_gathered import Gathered
from humeanalytics.tables.evi_values import (
    flag_of,
    id_of,
    json_without_secrets,
    members_of,
    number_of,
    others_json,
    text_of,
    time_of,
    without_secrets,
)
from humeanalytics.tables.unknown import as_json

_NAMES = ("chat_started", "chat_ended", "tool_call")
#: What tells the three apart where the name is missing, as it may be.
_SIGNS = frozenset(("chat_start_type", "end_reason", "tool_call_message"))
_KEYS = _SIGNS | {
    *("chat_group_id", "chat_id", "config_id", "caller_number", "custom_session_id", "twilio_metadata", "event_name"),
    *("start_time", "end_time", "duration_seconds", "timestamp"),
}


def is_webhook(members: dict[str, Any]) -> bool:
    """Tell whether an object is the body of a webhook."""
    return "chat_id" in members and (members.get("event_name") in _NAMES or not members.keys().isdisjoint(_SIGNS))


def read_webhook(members: dict[str, Any], gathered: Gathered, seen_at: datetime | None) -> None:
    """Read the body of a webhook."""
    chat_id = id_of(members.get("chat_id"))
    if chat_id is None:
        return
    twilio = members.get("twilio_metadata")
    told = {
        "chat_group_id": id_of(members.get("chat_group_id")),
        "config_id": id_of(members.get("config_id")),
        "custom_session_id": text_of(members.get("custom_session_id")),
        "caller_number": text_of(members.get("caller_number")),
        "twilio_json": as_json(twilio) if isinstance(twilio, dict) and twilio else None,
        "start_type": text_of(members.get("chat_start_type")),
        **times(members, "start_time", "start_timestamp"),
        **times(members, "end_time", "end_timestamp", zero_is_null=True),
        "status": text_of(members.get("end_reason")),
        "duration_s": number_of(members.get("duration_seconds")),
        "other_json": others_json(members, _KEYS),
    }
    chat = gathered.chat(chat_id)
    chat.facts.append(Facts(told, seen_at))
    call = members.get("tool_call_message")
    if isinstance(call, dict):
        called_ms, _ = time_of(members.get("timestamp"))
        chat.calls.append(Facts({**call_of(members_of(call)), "called_ms": called_ms}, seen_at))
        gathered.met.add("tool_calls")


def call_of(members: dict[str, Any]) -> dict[str, Any]:
    """Return what a call of a tool says, secrets in its parameters blanked."""
    return {
        "tool_call_id": id_of(members.get("tool_call_id")),
        "name": text_of(members.get("name")),
        "tool_type": text_of(members.get("tool_type")),
        "parameters": json_without_secrets(text_of(members.get("parameters"))),
        "response_required": flag_of(members.get("response_required")),
    }


def answer_of(members: dict[str, Any]) -> dict[str, Any]:
    """Return what the answer of a tool says: its content, or an error."""
    return {
        "tool_call_id": id_of(members.get("tool_call_id")),
        "content": without_secrets(text_of(members.get("content"))),
        "error": without_secrets(text_of(members.get("error"))),
    }
