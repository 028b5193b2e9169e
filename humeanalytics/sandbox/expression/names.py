"""The names this Hume scores: those known of the real one, and stand-ins, so that there are as many."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources

from humeanalytics import vocabulary

#: What the fault ``new_names`` adds to every list; always above any cutoff.
NEW_NAMES = ("ennui (mild)", "zest")
NEW_TRIGGER = "emphasis"
NEW_STATUS = "archived"


@cache
def names_of(model: str, kind: str) -> tuple[str, ...]:
    """Return the names of one list of an answer, in alphabetical order.

    >>> len(names_of("audio", "expression")), len(names_of("video", "description"))
    (415, 27)
    """
    stand_ins = tomllib.loads((resources.files(__package__) / "names.toml").read_text(encoding="utf-8"))[model][kind]
    names = {name.name: None for name in vocabulary.names_v1_of(model, kind)}  # in order, each once
    if kind == "expression":
        names |= {name.name.lower(): None for name in vocabulary.names_of("prosody", kind) if model == "audio"}
    names |= dict.fromkeys(" ".join(stand_ins.split()).split(", ")) if stand_ins else {}
    return tuple(sorted(list(names)[: vocabulary.MODELS_V1[model][kind]]))


@cache
def leaning_names_of(model: str, kind: str) -> tuple[str, ...]:
    """Return the same names, written as `humeanalytics.sandbox.lexicon` writes those it knows to lean one way."""
    known = {name.name.lower(): name.name for name in vocabulary.names()}
    return tuple(known.get(name, name) for name in names_of(model, kind))
