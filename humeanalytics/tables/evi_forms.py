"""Tell what the objects in a saved payload of EVI's are, and have each read."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from humeanalytics.tables import evi_account as account
from humeanalytics.tables.evi_events import is_event, read_events
from humeanalytics.tables.evi_gathered import Gathered
from humeanalytics.tables.evi_socket import MESSAGES, Capture
from humeanalytics.tables.evi_values import id_of, members_of
from humeanalytics.tables.evi_webhooks import is_webhook, read_webhook

_MAX_DEPTH = 32
_SIGNS = re.compile(
    rb'"(?:events_page|chats_page|chat_groups_page|audio_reconstructions_page|configs_page|prompts_page|tools_page'
    rb"|eventsPage|chatsPage|chatGroupsPage|audioReconstructionsPage|configsPage|promptsPage|toolsPage"
    rb"|emotion_features|emotionFeatures|message_text|messageText|chat_group_id|chatGroupId|evi_version|eviVersion"
    rb'|signed_audio_url|signedAudioUrl|tool_call_message|toolCallMessage|fallback_content|fallbackContent)"\s*:'
    rb'|"type"\s*:\s*"(?:user_message|assistant_message|assistant_prosody|chat_metadata|audio_output|user_interruption'
    rb'|assistant_end|socket_connected)"'
    rb'|"event_name"\s*:\s*"(?:chat_started|chat_ended|tool_call)"|"num_chats"\s*:|"numChats"\s*:'
    rb'|"version_type"\s*:\s*"(?:FIXED|LATEST)"|"versionType"\s*:\s*"(?:FIXED|LATEST)"'
)
#: The list in a page -> what reads an element.
_LISTS: dict[str, tuple[str, Callable[[dict[str, Any], Gathered, datetime | None], object]]] = {
    "chats_page": ("chats", account.read_chat),
    "chat_groups_page": ("chat_groups", account.read_group),
    "audio_reconstructions_page": ("chat_audio", account.read_audio),
    "configs_page": ("evi_configs", account.read_config),
    "prompts_page": ("evi_prompts", account.read_prompt),
    "tools_page": ("evi_tools", account.read_tool),
}
_CONFIG_SIGNS = frozenset(("evi_version", "ellm_model", "event_messages", "builtin_tools", "turn_detection"))


def looks_like_evi(head: bytes) -> bool:
    """Tell from the first bytes of a saved file whether it is of EVI: some 64 KiB are enough.

    >>> looks_like_evi(b'{"page_number": 0, "page_size": 1, "total_pages": 1, "chats_page": []}')
    True
    >>> looks_like_evi(b'[{"source": {"type": "url"}, "results": {"predictions": []}}]')
    False
    """
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    return text[:1] in (b"{", b"[") and _SIGNS.search(text) is not None


class Reader:
    """Reads the values of one payload.

    Args:
        gathered: Takes what is read.
        seen_at: When the payload was so.
    """

    def __init__(self, gathered: Gathered, seen_at: datetime | None) -> None:
        self._gathered = gathered
        self._seen_at = seen_at
        self._capture: Capture | None = None
        self._singles: list[dict[str, Any]] = []

    def finish(self) -> None:
        """Take in what is complete only at the end: events that stood one by one, and a capture that never said its chat."""
        if self._singles:
            read_events(self._singles, {}, None, self._gathered, self._seen_at)
        if self._capture is not None:
            self._capture.finish()

    def read(self, value: Any, depth: int = 0, at: Any = None) -> None:
        """Read whatever of EVI's is in a value: pages, single things, messages of a socket, or any of these in other JSON."""
        if depth > _MAX_DEPTH:
            return
        if isinstance(value, list):
            events = [each for each in value if isinstance(each, dict) and is_event(members_of(each)) and not _is_message(each)]
            if events:
                read_events(events, {}, None, self._gathered, self._seen_at)
            for each in value if len(events) < len(value) else ():
                if not (isinstance(each, dict) and is_event(members_of(each)) and not _is_message(each)):
                    self.read(each, depth + 1)
        elif isinstance(value, dict):
            members = members_of(value)
            if not self._read_object(members, at):
                at = next((members[key] for key in ("received_at", "timestamp", "at", "time", "ts") if key in members), None)
                for each in members.values():
                    self.read(each, depth + 1, at)

    def _read_object(self, members: dict[str, Any], at: Any) -> bool:
        """Read an object of EVI's; return whether it was one."""
        gathered, seen_at = self._gathered, self._seen_at
        if _is_message(members):
            self._capture = self._capture or Capture(gathered, seen_at)
            self._capture.read(members, at)
        elif "events_page" in members:
            self._read_events_page(members)
        elif page := next((key for key in _LISTS if key in members), None):
            self._read_page(members, page)
        elif is_webhook(members):
            read_webhook(members, gathered, seen_at)
            gathered.met.add("chats")
            gathered.found += 1
        elif is_event(members):
            self._singles.append(members)
        else:
            return self._read_single(members)
        return True

    def _read_events_page(self, members: dict[str, Any]) -> None:
        is_chat = not members.keys().isdisjoint(("chat_group_id", "status", "start_timestamp"))
        chat_id = account.read_chat(members, self._gathered, self._seen_at) if is_chat else None
        if not is_chat and id_of(members.get("id")):
            account.read_group(members, self._gathered, self._seen_at)
        listed = members["events_page"]
        read_events(listed if isinstance(listed, list) else [], members, chat_id, self._gathered, self._seen_at)
        self._gathered.found += 1

    def _read_page(self, members: dict[str, Any], page: str) -> None:
        table, read = _LISTS[page]
        listed = members[page]
        for each in listed if isinstance(listed, list) else ():
            if isinstance(each, dict):
                read(members_of(each), self._gathered, self._seen_at)
        if page in ("chats_page", "audio_reconstructions_page") and id_of(members.get("id")):
            account.read_group(members, self._gathered, self._seen_at)
        self._gathered.met.add(table)
        self._gathered.found += 1

    def _read_single(self, members: dict[str, Any]) -> bool:
        """Read a chat, a group, ... that stands alone; return whether it was one."""
        keys = members.keys()
        read: Callable[[dict[str, Any], Gathered, datetime | None], object]
        if "id" not in keys:
            return False
        if keys & {"num_chats", "first_start_timestamp"}:
            table, read = "chat_groups", account.read_group
        elif "chat_group_id" in keys:
            table, read = "chats", account.read_chat
        elif "user_id" in keys and keys & {"signed_audio_url", "filename"}:
            table, read = "chat_audio", account.read_audio
        elif keys & _CONFIG_SIGNS and "version" in keys:
            table, read = "evi_configs", account.read_config
        elif {"tool_type", "version"} <= keys or "fallback_content" in keys:
            table, read = "evi_tools", account.read_tool
        elif {"version", "text", "version_type"} <= keys:
            table, read = "evi_prompts", account.read_prompt
        else:
            return False
        read(members, self._gathered, self._seen_at)
        self._gathered.met.add(table)
        self._gathered.found += 1
        events = members.get("events")
        if table == "chats" and isinstance(events, list):
            listed = [each for each in events if isinstance(each, dict)]
            read_events(listed, {}, id_of(members["id"]), self._gathered, self._seen_at)
        return True


def _is_message(members: dict[str, Any]) -> bool:
    return members.get("type") in MESSAGES if isinstance(members.get("type"), str) else False
