"""Read what EVI's history tells beside events: chats, groups, audio, configurations, prompts, tools."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from humeanalytics.tables.evi_chats import Facts
from humeanalytics.tables.evi_gathered import Gathered
from humeanalytics.tables.evi_values import (
    blanked,
    flag_of,
    id_of,
    members_of,
    number_of,
    others_json,
    text_of,
    time_of,
    whole_of,
    without_secrets,
)
from humeanalytics.tables.unknown import as_json

PAGE_KEYS = frozenset(("page_number", "page_size", "total_pages", "pagination_direction"))
_CHAT_KEYS = PAGE_KEYS | {
    *("id", "chat_group_id", "status", "start_timestamp", "end_timestamp", "event_count", "metadata", "config"),
    *("events_page", "events", "tag"),
}
_GROUP_KEYS = PAGE_KEYS | {
    *("id", "first_start_timestamp", "most_recent_start_timestamp", "num_chats", "most_recent_chat_id"),
    *("most_recent_config", "active", "chats_page", "events_page", "audio_reconstructions_page", "user_id"),
}
_AUDIO_KEYS = PAGE_KEYS | {
    *("id", "user_id", "status", "filename", "modified_at", "signed_audio_url", "signed_url_expiration_timestamp_millis"),
}
_VERSIONED_KEYS = {"id", "version", "name", "version_description", "version_type", "created_on", "modified_on"}


def times(members: Mapping[str, Any], key: str, column: str = "", *, zero_is_null: bool = False) -> dict[str, Any]:
    """Return a time and the number it came as, under its two columns."""
    ms, raw = time_of(members.get(key))
    if zero_is_null and raw == 0:
        ms = raw = None
    return {column or key: ms, f"{column or key}_raw": raw}


def read_chat(members: dict[str, Any], gathered: Gathered, seen_at: datetime | None) -> str | None:
    """Read what is told of a chat; return its id."""
    chat_id = id_of(members.get("id"))
    if chat_id is None:
        return None
    config = members_of(members["config"]) if isinstance(members.get("config"), dict) else {}
    told = {
        "chat_group_id": id_of(members.get("chat_group_id")),
        "config_id": id_of(config.get("id")),
        "config_version": whole_of(config.get("version")),
        "status": text_of(members.get("status")),
        **times(members, "start_timestamp"),
        **times(members, "end_timestamp", zero_is_null=True),
        "event_count": whole_of(members.get("event_count")),
        "metadata": without_secrets(text_of(members.get("metadata"))),
        "other_json": others_json(members, _CHAT_KEYS),
        "form": "history",
    }
    gathered.chat(chat_id).facts.append(Facts(told, seen_at))
    return chat_id


def read_group(members: dict[str, Any], gathered: Gathered, seen_at: datetime | None) -> None:
    """Read what is told of a group."""
    group_id = id_of(members.get("id"))
    if group_id is None:
        return
    given = members.get("most_recent_config")
    config = members_of(given) if isinstance(given, dict) else {}
    told = {
        **times(members, "first_start_timestamp"),
        **times(members, "most_recent_start_timestamp"),
        "num_chats": whole_of(members.get("num_chats")),
        "most_recent_chat_id": id_of(members.get("most_recent_chat_id")),
        "most_recent_config_id": id_of(config.get("id")),
        "most_recent_config_version": whole_of(config.get("version")),
        "active": flag_of(members.get("active")),
        "other_json": others_json(members, _GROUP_KEYS),
    }
    gathered.groups[group_id].append(Facts(told, seen_at))


def read_audio(members: dict[str, Any], gathered: Gathered, seen_at: datetime | None) -> None:
    """Read how the reconstruction of a chat's sound stands. Its signed URL is not read."""
    chat_id = id_of(members.get("id"))
    if chat_id is None:
        return
    told = {
        "user_id": id_of(members.get("user_id")),
        "status": text_of(members.get("status")),
        "filename": without_secrets(text_of(members.get("filename"))),
        **times(members, "modified_at"),
        "other_json": others_json(members, _AUDIO_KEYS),
    }
    gathered.audio[chat_id].append(Facts(told, seen_at))


def read_config(members: dict[str, Any], gathered: Gathered, seen_at: datetime | None) -> None:
    """Read a configuration, and the prompt and tools that stand in it."""
    config_id = id_of(members.get("id"))
    if config_id is None:
        return
    prompt, voice, model = (
        members_of(given) if isinstance(given := members.get(key), dict) else {} for key in ("prompt", "voice", "language_model")
    )
    told = {
        **_versioned(members),
        "evi_version": text_of(members.get("evi_version")),
        "prompt_id": id_of(prompt.get("id")),
        "prompt_version": whole_of(prompt.get("version")),
        "voice_id": id_of(voice.get("id")),
        "voice_name": text_of(voice.get("name")),
        "language_model_provider": text_of(model.get("model_provider")),
        "language_model_resource": without_secrets(text_of(model.get("model_resource"))),
        "temperature": number_of(model.get("temperature")),
        "config_json": without_secrets(as_json(blanked(members))),
    }
    gathered.configs[config_id, whole_of(members.get("version")) or 0].append(Facts(told, seen_at))
    if prompt:
        read_prompt(prompt, gathered, seen_at)
    for tools in (members.get("tools"), members.get("builtin_tools")):
        for tool in tools if isinstance(tools, list) else ():
            if isinstance(tool, dict):
                read_tool(members_of(tool), gathered, seen_at)


def read_prompt(members: dict[str, Any], gathered: Gathered, seen_at: datetime | None) -> None:
    """Read a prompt."""
    prompt_id = id_of(members.get("id"))
    if prompt_id is not None:
        told = {
            **_versioned(members),
            "version_type": text_of(members.get("version_type")),
            "text": without_secrets(text_of(members.get("text"))),
            "other_json": others_json(members, _VERSIONED_KEYS | {"text"}),
        }
        gathered.prompts[prompt_id, whole_of(members.get("version")) or 0].append(Facts(told, seen_at))


def read_tool(members: dict[str, Any], gathered: Gathered, seen_at: datetime | None) -> None:
    """Read a tool."""
    tool_id = id_of(members.get("id"))
    if tool_id is not None:
        texts = ("tool_type", "description", "parameters", "fallback_content")
        told = {
            **_versioned(members),
            "version_type": text_of(members.get("version_type")),
            **{key: without_secrets(text_of(members.get(key))) for key in texts},
            "other_json": others_json(members, _VERSIONED_KEYS.union(texts)),
        }
        gathered.tools[tool_id, whole_of(members.get("version")) or 0].append(Facts(told, seen_at))


def _versioned(members: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": text_of(members.get("name")),
        "version_description": text_of(members.get("version_description")),
        **times(members, "created_on"),
        **times(members, "modified_on"),
    }
