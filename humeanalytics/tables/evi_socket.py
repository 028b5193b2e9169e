"""Read captures of EVI's WebSocket: messages as they came, which never say at what time unless whoever kept them does.

They become events as the history has them, as far as there are such. Ids are the messages' own, where they have one.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

from humeanalytics.tables.evi_chats import CHAT, Event, Facts, made_id
from humeanalytics.tables.evi_events import message_text_of
from humeanalytics.tables.evi_gathered import NO_CHAT, Gathered
from humeanalytics.tables.evi_values import id_of, members_of, text_of, time_of, whole_of
from humeanalytics.tables.unknown import as_json

#: Message -> type and role of the event it is in the history.
_TYPES = {
    "user_message": ("USER_MESSAGE", "USER"),
    "assistant_message": ("AGENT_MESSAGE", "AGENT"),
    "assistant_prosody": ("ASSISTANT_PROSODY", "AGENT"),
    "user_interruption": ("USER_INTERRUPTION", "USER"),
    "tool_call": ("FUNCTION_CALL", "AGENT"),
    "tool_response": ("FUNCTION_CALL_RESPONSE", "TOOL"),
    "tool_error": ("FUNCTION_CALL_RESPONSE", "TOOL"),
    "session_settings": ("SESSION_SETTINGS", "SYSTEM"),
    "pause_assistant_message": ("PAUSE_ONSET", "USER"),
    "resume_assistant_message": ("RESUME_ONSET", "USER"),
    "assistant_end": ("ASSISTANT_END", "AGENT"),
    "error": ("ERROR", "SYSTEM"),
}
#: Sound, and what a client notes of its own connection: no events.
_PASSED_OVER = frozenset(("audio_output", "audio_input", "socket_connected", "socket_disconnected", "user_input"))
MESSAGES = frozenset((*_TYPES, *_PASSED_OVER, "chat_metadata"))
_JSON = ("tool_call", "tool_response", "tool_error", "session_settings", "error")
_AT = ("received_at", "timestamp", "sent_at", "created_at")


class Capture:
    """Reads the messages of one capture, in their order: which chat they are of, the first of them says.

    Args:
        gathered: Takes what is read.
        seen_at: When the capture was made.
    """

    def __init__(self, gathered: Gathered, seen_at: datetime | None) -> None:
        self._gathered = gathered
        self._seen_at = seen_at
        self._chat_id = NO_CHAT
        self._read: Counter[str] = Counter()  # events by chat
        self._ids: Counter[str] = Counter()
        self._events: list[Event] = []
        self._early: list[tuple[str, dict[str, Any], Any]] = []

    def read(self, members: dict[str, Any], at: Any = None) -> None:
        """Read a message.

        Args:
            members: The message.
            at: When it came, as whoever kept it noted beside it.
        """
        kind = members.get("type")
        self._gathered.found += 1
        self._gathered.met |= {"chats", "chat_events"}
        at = next((members[key] for key in _AT if members.get(key) is not None), at)
        if kind == "chat_metadata":
            self._begin(members, at)
        elif kind not in _PASSED_OVER and not (kind == "user_message" and members.get("interim") is True):
            if self._chat_id == NO_CHAT:  # a client may speak before the server says which chat it is
                self._early.append((str(kind), members, at))
            else:
                self._add(str(kind), members, at)

    def finish(self) -> None:
        """Take in what is clear only at the end: what was said before any message told of a chat, and whether times are known."""
        self._take_early()
        # Interruptions tell their own time. Where messages have none, it would put them before all of these.
        if any(event.timestamp_ms is None for event in self._events):
            for event in self._events:
                event.timestamp_ms = None if event.type == "USER_INTERRUPTION" else event.timestamp_ms

    def _take_early(self) -> None:
        early, self._early = self._early, []
        for kind, members, at in early:
            self._add(kind, members, at)

    def _begin(self, members: dict[str, Any], at: Any) -> None:
        chat_id = id_of(members.get("chat_id"))
        if chat_id is None:
            return
        self._chat_id = chat_id
        ms, raw = time_of(at)
        told = {
            "chat_group_id": id_of(members.get("chat_group_id")),
            "custom_session_id": text_of(members.get("custom_session_id")),
            "start_timestamp": ms,
            "start_timestamp_raw": raw,
        }
        self._gathered.chat(chat_id).facts.append(Facts(told, self._seen_at))
        self._take_early()

    def _add(self, kind: str, members: dict[str, Any], at: Any) -> None:
        type_, role = _TYPES.get(kind, (kind.upper(), None))
        said = members_of(members["message"]) if isinstance(members.get("message"), dict) else {}
        given = members.get("models")
        models = members_of(given) if isinstance(given, dict) else {}
        scores = models.get("prosody")
        if isinstance(scores, dict):
            scores = scores.get("scores", scores)
        span = members_of(members["time"]) if isinstance(members.get("time"), dict) else {}
        text = as_json({key: each for key, each in members.items() if key not in _AT}) if kind in _JSON else said.get("content")
        if kind == "user_interruption":
            text = members.get("time")
            at = text if at is None else at
        ms, raw = time_of(at)
        text = message_text_of(text, "SESSION_SETTINGS" if kind in _JSON else type_)
        own_id = id_of(members.get("id"))
        event = Event(
            self._id(type_, own_id, text, raw),
            self._chat_id,
            type_,
            role,
            ms,
            raw,
            text,
            text_of(scores),
            related_event_id=own_id if kind == "assistant_prosody" else None,
            begin_ms=whole_of(span.get("begin", span.get("begin_ms"))),
            end_ms=whole_of(span.get("end", span.get("end_ms"))),
            form="socket",
            seen_at=self._seen_at,
        )
        event.places[CHAT] = self._read[self._chat_id]
        self._read[self._chat_id] += 1
        self._events.append(event)
        self._gathered.add(event)

    def _id(self, type_: str, own_id: str | None, text: str | None, raw: int | None) -> str:
        """Return an id for an event: that of its message, counted on where several share it, as the parts of a reply do."""
        if own_id is None:
            # A place and no time: a capture that was kept twice gives the same.
            return made_id(self._chat_id, type_, text, raw, self._read[self._chat_id])
        name = own_id if type_ == "AGENT_MESSAGE" else f"{own_id}:{type_.lower()}"
        self._ids[name] += 1
        return name if self._ids[name] == 1 else f"{name}:{self._ids[name]}"
