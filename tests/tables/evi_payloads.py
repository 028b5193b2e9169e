"""Chats as the history gives them, made up, to be bent into every form people save them in."""

from __future__ import annotations

import json
import random
from typing import Any

from humeanalytics import vocabulary

PROSODY = vocabulary.names_of("prosody")
START_MS = 1_760_000_000_000


def scores(seed: int) -> dict[str, float]:
    """48 scores that are exactly float32."""
    rng = random.Random(seed)
    return {name.name: rng.randrange(1 << 12) / (1 << 12) for name in PROSODY}


def event(
    number: int, type_: str = "USER_MESSAGE", *, chat_id: str = "chat-1", at_ms: int | None = None, **more: Any
) -> dict[str, Any]:
    """An event as the API gives it."""
    scored = type_ in ("USER_MESSAGE", "ASSISTANT_PROSODY")
    return {
        "id": f"{chat_id}/{number}",
        "chat_id": chat_id,
        "timestamp": START_MS + number * 1000 if at_ms is None else at_ms,
        "role": "USER" if type_.startswith("USER") else "AGENT",
        "type": type_,
        "message_text": f"text {number}",
        "emotion_features": json.dumps(scores(number)) if scored else "",
        "metadata": "",
        **more,
    }


def chat(events: list[dict[str, Any]], *, chat_id: str = "chat-1", **more: Any) -> dict[str, Any]:
    """A chat with all its events on one page."""
    return page(events, chat_id=chat_id, number=0, size=max(len(events), 1), **more)


def page(
    events: list[dict[str, Any]], *, chat_id: str = "chat-1", number: int = 0, size: int = 10, direction: str = "ASC", **more: Any
) -> dict[str, Any]:
    """One page of the events of a chat; ``events`` are all of them, oldest first."""
    listed = events if direction == "ASC" else events[::-1]
    return {
        "id": chat_id,
        "chat_group_id": "group-1",
        "status": "USER_ENDED",
        "start_timestamp": START_MS,
        "pagination_direction": direction,
        "events_page": listed[number * size : (number + 1) * size],
        "page_number": number,
        "page_size": size,
        "total_pages": -(-len(events) // size),
        "end_timestamp": START_MS + 60_000,
        "metadata": "",
        "config": {"id": "config-1", "version": 0},
        **more,
    }


def camel(value: Any) -> Any:
    """The same as the TypeScript SDK dumps it: keys in camelCase, what is within strings as it was."""
    if isinstance(value, dict):
        return {_camel_key(key): camel(each) for key, each in value.items()}
    return [camel(each) for each in value] if isinstance(value, list) else value


def _camel_key(key: str) -> str:
    first, *rest = key.split("_")
    return first + "".join(word.capitalize() for word in rest)


def as_bytes(value: Any) -> bytes:
    return json.dumps(value).encode()
