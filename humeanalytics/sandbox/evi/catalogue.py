"""Configs, prompts and tools, each with its versions: what chats ran with."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from humeanalytics.sandbox.evi.talk import topics

_FIRST_MS = 1_714_000_000_000
_WEEK_MS = 7 * 86_400_000
_VERSIONS = (3, 1, 2)
#: Kind -> its place in the URL is the kind itself, its list in a page is this.
PAGE_NAMES = {"configs": "configs_page", "prompts": "prompts_page", "tools": "tools_page"}

_PROMPT = (
    "<role>You help people on the phone with {topic}. Answer in the language of the caller ({language}), in short and simple "
    "sentences.</role>\n<style>Warm, calm, never more than three sentences.{more}</style>"
)


def uuid_of(text: str) -> str:
    """Return the UUID that belongs to a text, everywhere and for good."""
    return str(UUID(bytes=hashlib.sha256(text.encode()).digest()[:16], version=4))


@dataclass(frozen=True, slots=True)
class ConfigRef:
    """The config a chat used, as the chat tells it; a version may be missing."""

    id: str
    version: int | None

    def told(self) -> dict[str, Any]:
        return {"id": self.id, "version": self.version}


class Catalogue:
    """All configs, prompts and tools of one sandbox, oldest version first.

    Attributes:
        kinds: ``configs``, ``prompts``, ``tools`` -> their versions, as the API tells them.
        refs: For each topic the configs its chats used. The last topic's config was deleted: its chats remain.
    """

    def __init__(self, seed: int) -> None:
        self.kinds: dict[str, list[dict[str, Any]]] = {"configs": [], "prompts": [], "tools": []}
        self.refs: dict[str, list[ConfigRef]] = {}
        self._texts: dict[ConfigRef, str] = {}
        for number, topic in enumerate(topics()):
            deleted = number == len(topics()) - 1
            tools = []
            for version in range(_VERSIONS[number % len(_VERSIONS)]):
                config_id = uuid_of(f"{seed}/config/{topic.name}")
                at_ms = {"created_on": _FIRST_MS + number * _WEEK_MS, "modified_on": _FIRST_MS + (number + version) * _WEEK_MS}
                more = "" if version == 0 else f" Version {version}: say what you are doing before you do it."
                text = _PROMPT.format(topic=topic.name, language=topic.language, more=more)
                ref = ConfigRef(config_id, version)
                self.refs.setdefault(topic.name, []).append(ref)
                self._texts[ref] = text
                prompt = {
                    "id": uuid_of(f"{seed}/prompt/{topic.name}"),
                    "version": version,
                    "version_type": "FIXED",
                    "name": f"{topic.name} prompt",
                    "text": text,
                    "version_description": None if version == 0 else f"change {version}",
                    **at_ms,
                }
                if topic.tool is not None and version == 0:
                    tools = [_tool(seed, topic.tool.name, topic.tool.parameters, at_ms)]
                    self.kinds["tools"] += tools
                if not deleted:
                    self.kinds["prompts"].append(prompt)
                    self.kinds["configs"].append(_config(ref, topic.name, prompt, tools, at_ms, old=number % 2 == 1))

    def prompt_text(self, ref: ConfigRef | None) -> str:
        """Return the text of a config's prompt; of none, or of an unknown one, a short one."""
        return self._texts.get(ref, "You are a helpful assistant.") if ref is not None else "You are a helpful assistant."


def _tool(seed: int, name: str, parameters: str, at_ms: dict[str, int]) -> dict[str, Any]:
    properties = {field: {"type": "string", "description": field} for field in json.loads(parameters)}
    return {
        "tool_type": "FUNCTION",
        "id": uuid_of(f"{seed}/tool/{name}"),
        "version": 0,
        "version_type": "FIXED",
        "name": name,
        "version_description": None,
        "description": f"Call {name}.",
        "parameters": json.dumps({"type": "object", "properties": properties, "required": list(properties)}, sort_keys=True),
        "fallback_content": "I could not look that up just now.",
        **at_ms,
    }


def _config(
    ref: ConfigRef, name: str, prompt: dict[str, Any], tools: list[dict[str, Any]], at_ms: dict[str, int], old: bool
) -> dict[str, Any]:
    return {
        "id": ref.id,
        "version": ref.version,
        "name": name,
        "evi_version": "2" if old else "3",
        "version_description": None,
        "prompt": prompt,
        "voice": {
            "id": uuid_of(f"voice/{name}"),
            "name": "Ava Song",
            "provider": "HUME_AI",
            "compatible_octave_models": ["1", "2"],
        },
        "language_model": {"model_provider": "ANTHROPIC", "model_resource": "claude-3-7-sonnet-latest", "temperature": 1.0},
        "ellm_model": {"allow_short_responses": old},
        "tools": tools,
        "builtin_tools": [{"tool_type": "BUILTIN", "name": "hang_up", "fallback_content": None}],
        "event_messages": {
            "on_new_chat": {"enabled": True, "text": None},
            "on_inactivity_timeout": {"enabled": False, "text": None},
            "on_max_duration_timeout": {"enabled": False, "text": None},
        },
        "timeouts": {
            "inactivity": {"enabled": True, "duration_secs": 120},
            "max_duration": {"enabled": True, "duration_secs": 1800},
        },
        "nudges": {"enabled": False, "interval_secs": None},
        "interruption": {"min_interruption_ms": 800},
        "turn_detection": {"end_of_turn_silence_ms": 800, "prefix_padding_ms": 300, "speech_detection_threshold": 0.5},
        "webhooks": [{"url": "https://example.com/hooks/evi", "events": ["chat_started", "chat_ended", "tool_call"]}],
        **at_ms,
    }
