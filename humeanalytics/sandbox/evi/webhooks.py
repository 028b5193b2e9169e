"""Webhooks: what a chat would have sent, signed, and sent on demand; only to this machine."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import httpx

from humeanalytics.sandbox.batch.downloads import is_loopback
from humeanalytics.sandbox.evi.history import Chat, History

EVENTS = ("chat_started", "chat_ended", "tool_call")
TIMESTAMP_HEADER = "X-Hume-AI-Webhook-Timestamp"
SIGNATURE_HEADER = "X-Hume-AI-Webhook-Signature"
_TIMEOUT_S = 10.0


def signature_of(body: bytes, timestamp: str, key: str) -> str:
    """Return the signature of a body: of the body first, then a dot, then the time.

    >>> signature_of(b'{"a": 1}', "1700000000", "k")[:16]
    '229191a7823ab3e2'
    """
    return hmac.new(key.encode(), body + b"." + timestamp.encode(), hashlib.sha256).hexdigest()


def payload(history: History, chat: Chat, event_name: str, now_ms: int) -> dict[str, Any]:
    """Return what the webhook of an event of a chat says; all fields are there, unknown ones are null.

    Raises:
        ValueError: There is no such event, or the chat has none of the kind.
    """
    if event_name not in EVENTS:
        raise ValueError(f"A webhook is of {', '.join(EVENTS)}, not of {event_name!r}.")
    talk = history.talk(chat.plan) if chat.plan else None
    config = history.config(chat)
    told = history.told(chat, now_ms)
    common = {
        "event_name": event_name,
        "chat_group_id": chat.group_id,
        "chat_id": chat.id,
        "config_id": config["id"] if config else None,
        "caller_number": None,
        "custom_session_id": talk.custom_session_id if talk else None,
        "twilio_metadata": None,
    }
    if event_name == "chat_started":
        resumed = history.groups(now_ms)[chat.group_id][0].id != chat.id
        return common | {
            "start_time": chat.start_ms,
            "chat_start_type": "resumed_chat_group" if resumed else "new_chat_group",
        }
    if event_name == "chat_ended":
        end_ms = talk.end_ms if talk else told["end_timestamp"] or now_ms
        return common | {"end_time": end_ms, "duration_seconds": (end_ms - chat.start_ms) // 1000, "end_reason": told["status"]}
    beats = [beat for beat in talk.beats if beat.type == "FUNCTION_CALL"] if talk else []
    if not beats:
        raise ValueError(f"Chat {chat.id} calls no tool.")
    return common | {"timestamp": beats[0].at_ms, "tool_call_message": json.loads(beats[0].text or "{}")}


def deliver(url: str, body: bytes, timestamp: str, key: str) -> int:
    """POST a signed body and return the status of the answer.

    Raises:
        ValueError: The URL is not on this machine.
        httpx.HTTPError: Nobody answers.
    """
    if not is_loopback(url):
        raise ValueError("The sandbox calls loopback addresses only.")
    headers = {
        "Content-Type": "application/json",
        TIMESTAMP_HEADER: timestamp,
        SIGNATURE_HEADER: signature_of(body, timestamp, key),
    }
    with httpx.Client(timeout=_TIMEOUT_S, trust_env=False) as client:
        return client.post(url, content=body, headers=headers).status_code
