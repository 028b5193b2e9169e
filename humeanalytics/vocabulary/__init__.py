"""The names Hume gives to expressions, and the columns they become.

The names, the models that give them and Hume's colours are data (``names_v0.csv``, ``names_v1.csv``); this module holds the
one rule that turns a name into a column. What must not enter: anything that reads a payload, a table or a file of the user's.

Source of the names: ``docs/data-dictionary.md`` tells where each list comes from.
"""

from __future__ import annotations

import csv
import hashlib
import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib import resources

#: Kind of name -> what its columns begin with. ``expression`` needs none: it is what everybody asks for.
PREFIXES = {
    "expression": "",
    "facs": "facs_",
    "description": "desc_",
    "vocalisation": "desc_",
    "sentiment": "sentiment_",
    "toxicity": "toxicity_",
}

#: The v0 models, in the order the tables are listed everywhere.
MODELS = ("face", "prosody", "burst", "language", "ner", "facemesh")

#: The v1 models -> kind of name -> how many names Hume says there are. Far from all of them are known; more may come any time.
MODELS_V1 = {
    "audio": {"expression": 415, "voice_attribute": 190},
    "video": {"expression": 48, "description": 27},
}

_NOT_LETTER_OR_DIGIT = re.compile(r"[\W_]+")
_CAMEL_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class Name:
    """A name of Hume's: what kind it is of, its column, the models that give it, Hume's colour (``#rrggbb`` or none)."""

    kind: str
    name: str
    column: str
    models: tuple[str, ...]
    colour: str | None


def column(name: str, kind: str = "expression") -> str:
    """Return the column a name becomes: lower case, everything but letters and digits one ``_``, prefixed by its kind.

    Args:
        name: A name as Hume writes it, in any script.
        kind: A key of `PREFIXES`.

    Returns:
        The column. A name without a letter or digit becomes ``x_`` and 8 hex digits (`fallback_column`).

    Raises:
        KeyError: ``kind`` is not a key of `PREFIXES`.

    Examples:
        >>> column("Surprise (negative)"), column("AU12 Lip Corner Puller", "facs"), column("Uh-huh", "vocalisation")
        ('surprise_negative', 'facs_au12_lip_corner_puller', 'desc_uh_huh')
    """
    stem = _NOT_LETTER_OR_DIGIT.sub("_", unicodedata.normalize("NFC", name).lower()).strip("_")
    return PREFIXES[kind] + stem if stem else fallback_column(name, kind)


def fallback_column(name: str, kind: str = "expression") -> str:
    """Return the column of a name whose own would be empty or is taken by another name: ``x_`` and a hash of the name.

    >>> fallback_column("???")
    'x_a03b221c'
    """
    return "x_" + hashlib.sha256(f"{PREFIXES[kind]}{name}".encode("utf-8", "surrogatepass")).hexdigest()[:8]


@cache
def names() -> tuple[Name, ...]:
    """Return every v0 name known, by kind and in the order Hume's JSON lists them."""
    with (resources.files(__package__) / "names_v0.csv").open("r", encoding="utf-8") as file:
        return tuple(
            Name(
                row["kind"],
                row["name"],
                column(row["name"], row["kind"]),
                tuple(row["models"].split()),
                row["colour"] or None,
            )
            for row in csv.DictReader(file)
        )


@cache
def names_of(model: str, kind: str | None = None) -> tuple[Name, ...]:
    """Return the names a v0 model gives, all or those of one kind, in the order of Hume's JSON.

    >>> len(names_of("prosody")), len(names_of("language", "expression")), len(names_of("face", "facs"))
    (48, 53, 36)
    """
    return tuple(name for name in names() if model in name.models and kind in (None, name.kind))


@cache
def _known_columns(kind: str) -> dict[str, str]:
    """Every spelling of a known name of one kind that has been seen -> its column."""
    known: dict[str, str] = {}
    for name in names():
        if name.kind == kind:
            known[name.name] = name.column
            first, *rest = name.column.removeprefix(PREFIXES[kind]).split("_")
            known[first + "".join(word.capitalize() for word in rest)] = name.column
    if kind == "expression":  # what "Desire" was called until 2023
        known["Sexual Desire"] = known["sexualDesire"] = "desire"
    return known


def known_column(name: str, kind: str = "expression") -> str | None:
    """Return the column of a known name, also in the camelCase of the TypeScript SDKs, or None for a name never heard of.

    >>> known_column("aestheticAppreciation"), known_column("Aesthetic Appreciation"), known_column("Zest")
    ('aesthetic_appreciation', 'aesthetic_appreciation', None)
    """
    return _known_columns(kind).get(name)


def kind_of(name: str, model: str) -> str:
    """Return the kind of a bare name, as in a CSV header, where nothing else tells it.

    A name nobody has heard of counts as an expression, unless it is spelled like an action unit (``AU99 ...``).

    >>> kind_of("Hand over Mouth", "face"), kind_of("Jaw drop", "face"), kind_of("7", "language"), kind_of("Joy", "face")
    ('facs', 'description', 'sentiment', 'expression')
    """
    for known in names_of(model):
        if known.name == name:
            return known.kind
    return "facs" if model == "face" and re.match(r"AU\d+\b", name) else "expression"


@dataclass(frozen=True, slots=True)
class NameV1:
    """A name that v1 gives: its model and kind as in `MODELS_V1`, and how it is known.

    ``source`` is ``documented`` for what Hume's documentation shows, ``presumed`` for what follows from it and from v0.
    """

    model: str
    kind: str
    name: str
    source: str


@cache
def names_v1() -> tuple[NameV1, ...]:
    """Return the v1 names known, by model, kind and name. Never hold an answer against them: it may have others."""
    with (resources.files(__package__) / "names_v1.csv").open("r", encoding="utf-8") as file:
        return tuple(NameV1(**row) for row in csv.DictReader(file))


@cache
def names_v1_of(model: str, kind: str) -> tuple[NameV1, ...]:
    """Return the known names of one list of a v1 answer, in alphabetical order.

    >>> [name.name for name in names_v1_of("audio", "voice_attribute")]
    ['background music', 'calm', 'clear', 'fast', 'husky', 'monotone']
    """
    return tuple(name for name in names_v1() if (name.model, name.kind) == (model, kind))
