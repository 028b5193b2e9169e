"""Pages of events in the very form of the API: nearly all there are, decoded straight into what is needed of them.

Whatever is spelled, typed or nested otherwise is left to the reader of all forms, which gives the same for these.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec
from msgspec.structs import asdict

from humeanalytics.redaction import may_hold_secrets
from humeanalytics.tables.evi_account import read_chat
from humeanalytics.tables.evi_chats import Event
from humeanalytics.tables.evi_events import JSON_TEXTS, message_text_of, no_time, take_events
from humeanalytics.tables.evi_gathered import Gathered
from humeanalytics.tables.evi_segments import metadata_of
from humeanalytics.tables.evi_values import time_of


class _Event(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    chat_id: str
    timestamp: int
    role: str
    type: str
    message_text: str | None = None
    emotion_features: str | None = None
    metadata: str | None = None
    related_event_id: str | None = None


class _Config(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    version: int | None = None


class _Page(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    chat_group_id: str
    status: str
    start_timestamp: int
    pagination_direction: Literal["ASC", "DESC"]
    page_number: int
    page_size: int
    total_pages: int
    events_page: list[_Event]
    end_timestamp: int | None = None
    metadata: str | None = None
    config: _Config | None = None


_page = msgspec.json.Decoder(_Page)


def read_plain_page(data: bytes, gathered: Gathered, seen_at: datetime | None, *, is_clean: bool | None = None) -> bool:
    """Read a page of the events of a chat; return whether it was one in the form of the API, else nothing was read.

    Args:
        data: The page.
        gathered: Takes what is read.
        seen_at: When the page was so.
        is_clean: Whether it is known that no secret stands in it, as `may_hold_secrets` tells.
    """
    try:
        page = _page.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    if not all(_is_plain(id_) for each in page.events_page for id_ in (each.id, each.chat_id)) or not _is_plain(page.id):
        return False
    clean = not may_hold_secrets(data) if is_clean is None else is_clean
    told = {name: getattr(page, name) for name in page.__struct_fields__ if name != "events_page"}
    told["config"] = None if page.config is None else asdict(page.config)
    chat_id = read_chat(told, gathered, seen_at)
    events = [_event(each, seen_at, clean) for each in page.events_page]
    gathered.problems += [no_time(event) for event in events if event.timestamp_ms is None]
    take_events(events, told, chat_id, gathered, seen_at)
    gathered.found += 1
    return True


def _is_plain(id_: str) -> bool:
    return id_ != "" and id_ == id_.strip()


def _event(told: _Event, seen_at: datetime | None, clean: bool) -> Event:
    timestamp_ms, timestamp_raw = time_of(told.timestamp)
    type_ = told.type or None
    is_text = clean and type_ not in JSON_TEXTS
    return Event(
        told.id,
        told.chat_id,
        type_,
        told.role or None,
        timestamp_ms,
        timestamp_raw,
        told.message_text or None if is_text else message_text_of(told.message_text, type_),
        told.emotion_features or None,
        told.metadata or None if clean else metadata_of(told.metadata),
        (told.related_event_id or "").strip() or None,
        seen_at=seen_at,
    )
