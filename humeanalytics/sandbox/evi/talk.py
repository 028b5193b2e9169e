"""The conversations in ``talk.toml``."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True, slots=True)
class Tool:
    """A function of the caller's: its name, what it is called with and what it answers, both JSON."""

    name: str
    parameters: str
    result: str


@dataclass(frozen=True, slots=True)
class Topic:
    """What a conversation is about.

    Attributes:
        mood: Pleasantness and arousal at the beginning and at the end.
        exchanges: What the caller says, message by message, then the reply, sentence by sentence.
    """

    name: str
    language: str
    mood: tuple[tuple[float, float], tuple[float, float]]
    greeting: tuple[str, ...]
    exchanges: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]
    tool: Tool | None


@cache
def topics() -> tuple[Topic, ...]:
    """Return all topics, in the order of the file."""
    found = tomllib.loads((resources.files(__package__) / "talk.toml").read_text(encoding="utf-8"))["topic"]
    return tuple(
        Topic(
            name=topic["name"],
            language=topic["language"],
            mood=(tuple(topic["mood"][0]), tuple(topic["mood"][1])),
            greeting=tuple(topic["greeting"]),
            exchanges=tuple((tuple(caller), tuple(reply)) for caller, reply in topic["exchanges"]),
            tool=Tool(*topic["tool"]) if "tool" in topic else None,
        )
        for topic in found
    )
