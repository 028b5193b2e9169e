"""Read events of EVI's history: pages of a chat or a group, and lists that were taken out of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from humeanalytics.tables.evi_chats import CHAT, CHAT_END, GROUP, GROUP_END, Event, Facts, made_id
from humeanalytics.tables.evi_gathered import NO_CHAT, Gathered, Problem
from humeanalytics.tables.evi_segments import metadata_of
from humeanalytics.tables.evi_values import (
    id_of,
    json_without_secrets,
    members_of,
    others_json,
    text_of,
    time_of,
    whole_of,
    without_secrets,
)

_KEYS = frozenset(
    ("id", "chat_id", "timestamp", "role", "type", "message_text", "emotion_features", "metadata", "related_event_id")
)
#: Types whose text is JSON, or may be: secrets in it stand under names.
JSON_TEXTS = frozenset(("SESSION_SETTINGS", "FUNCTION_CALL", "FUNCTION_CALL_RESPONSE"))


def message_text_of(value: Any, type_: str | None) -> str | None:
    """Return the text of a message as it is kept."""
    text = text_of(value)
    return json_without_secrets(text) if type_ in JSON_TEXTS else without_secrets(text)


def is_event(members: dict[str, Any]) -> bool:
    """Tell whether an object is an event of the history."""
    return "type" in members and not members.keys().isdisjoint(
        ("message_text", "emotion_features", "chat_id", "related_event_id")
    )


def read_event(members: dict[str, Any], chat_id: str | None, seen_at: datetime | None, made: Counter[str]) -> Event:
    """Read one event.

    Args:
        members: The event.
        chat_id: The chat it is of, where it does not say so itself.
        seen_at: When it was so.
        made: How many events without an id were met that hold the same.
    """
    type_, role = text_of(members.get("type")), text_of(members.get("role"))
    timestamp_ms, timestamp_raw = time_of(members.get("timestamp"))
    chat = id_of(members.get("chat_id")) or chat_id or NO_CHAT
    text = message_text_of(members.get("message_text"), type_)
    event_id = id_of(members.get("id"))
    if event_id is None:
        event_id = made_id(chat, type_, role, timestamp_raw, text)
        made[event_id] += 1
        event_id += f".{made[event_id]}" * (made[event_id] > 1)
    return Event(
        event_id,
        chat,
        type_,
        role,
        timestamp_ms,
        timestamp_raw,
        text,
        text_of(members.get("emotion_features")),
        metadata_of(members.get("metadata")),
        id_of(members.get("related_event_id")),
        other_json=None if members.keys() <= _KEYS else others_json(members, _KEYS),
        seen_at=seen_at,
    )


def no_time(event: Event) -> Problem:
    """Return what is to be said of an event whose timestamp cannot be one."""
    return Problem(event.chat_id, event.event_id, "the event's timestamp is no time")


def read_events(
    listed: Sequence[Any], page: dict[str, Any], chat_id: str | None, gathered: Gathered, seen_at: datetime | None
) -> None:
    """Read the events of a page, or of a bare list: then ``page`` is empty.

    Args:
        listed: The events.
        page: The page they stand in.
        chat_id: The chat the page is of; None where it is of a group, or nobody knows.
        gathered: Takes them.
        seen_at: When the page was so.
    """
    made: Counter[str] = Counter()
    events = []
    for each in listed:
        if not isinstance(each, dict):
            continue
        members = members_of(each)
        events.append(event := read_event(members, chat_id, seen_at, made))
        if event.timestamp_ms is None and members.get("timestamp") is not None:
            gathered.problems.append(no_time(event))
    if len(events) < len(listed):
        what = f"{len(listed) - len(events)} of {len(listed)} events in a list are no objects; they are left out"
        gathered.problems.append(Problem(chat_id, None, what))
    take_events(events, page, chat_id, gathered, seen_at)


def take_events(
    events: list[Event], page: dict[str, Any], chat_id: str | None, gathered: Gathered, seen_at: datetime | None
) -> None:
    """Take in the events of a page, or of a bare list, as `read_events` reads them, each with its place."""
    gathered.met |= {"chats", "chat_events"}
    gathered.found += len(events)
    for event in events:
        if event.type is None:
            gathered.problems.append(Problem(event.chat_id, event.event_id, "the event has no type"))
    is_group = bool(page) and chat_id is None
    first = (whole_of(page.get("page_number")) or 0) * max(whole_of(page.get("page_size")) or 0, 0)
    direction = str(page.get("pagination_direction") or "").upper()
    if direction not in ("ASC", "DESC"):
        known = [event.timestamp_ms for event in events if event.timestamp_ms is not None]
        direction = "DESC" if known and known[0] > known[-1] else "ASC"
    if not page and direction == "DESC":  # a whole list, turned round
        events.reverse()
        direction = "ASC"
    name = (GROUP if is_group else CHAT) if direction == "ASC" else (GROUP_END if is_group else CHAT_END)
    for place, event in enumerate(events, first):
        event.places[name] = place
        gathered.add(event)
    group_id = id_of(page.get("id")) if is_group else None
    for chat_id in {event.chat_id for event in events if event.chat_id != NO_CHAT and group_id}:
        gathered.chat(chat_id).facts.append(Facts({"chat_group_id": group_id}, seen_at))
    pages = whole_of(page.get("total_pages"))
    if direction == "DESC" and events and pages is not None and pages == (whole_of(page.get("page_number")) or 0) + 1:
        for chat in {event.chat_id for event in events}:
            gathered.chat(chat).totals.setdefault(name, set()).add(first + len(events))
