"""The word lists in ``lexicon.toml``."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Any


@cache
def _lists() -> dict[str, dict[str, Any]]:
    return tomllib.loads((resources.files(__package__) / "lexicon.toml").read_text(encoding="utf-8"))


@cache
def words(kind: str) -> frozenset[str]:
    """Return the words of a kind: ``pleasant``, ``unpleasant`` or ``entities``."""
    return frozenset(_lists()["words"][kind].split())


@cache
def names(leaning: str) -> frozenset[str]:
    """Return Hume's names that lean one way: ``pleasant``, ``unpleasant``, ``excited`` or ``quiet``."""
    return frozenset(_lists()["names"][leaning])


@cache
def stopwords() -> dict[str, frozenset[str]]:
    """Return the most frequent small words of some languages, by tag."""
    return {tag: frozenset(text.split()) for tag, text in _lists()["stopwords"].items()}


@cache
def sentences() -> tuple[tuple[str, ...], ...]:
    """Return sentences for people to say, as words."""
    return tuple(tuple(sentence.split()) for sentence in _lists()["speech"]["sentences"])
