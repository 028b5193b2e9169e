"""Read the 48 expressions of speech, whichever way EVI gives them: by name, or as a list in the order of the model."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from msgspec.structs import astuple

from humeanalytics.tables.schema import HUME_NAME
from humeanalytics.tables.unknown import as_json, score_field
from humeanalytics.vocabulary import known_column, names_of

_NAMES = names_of("prosody", "expression")
#: The columns, in the order of the table, which is alphabetical.
COLUMNS: tuple[str, ...] = tuple(name.column for name in _NAMES)
_PLACE = {column: place for place, column in enumerate(COLUMNS)}


def _model_order() -> tuple[int, ...]:
    """Return, for each place of the table, where the model's own order has that expression.

    The model has Contemplation before Confusion, and Desire between Satisfaction and Shame.
    """
    order = list(COLUMNS)
    order.remove("contemplation")
    order.insert(order.index("confusion"), "contemplation")
    order.remove("desire")
    order.insert(order.index("shame"), "desire")
    return tuple(order.index(column) for column in COLUMNS)


_in_table_order: Callable[[list[float]], tuple[float, ...]] = itemgetter(*_model_order())
#: An object with all the names spelled as Hume spells them, and nothing else: nearly all there are.
_Plain = msgspec.defstruct(
    "_Plain", [(name.column, float, msgspec.field(name=name.name)) for name in _NAMES], forbid_unknown_fields=True
)
_plain = msgspec.json.Decoder(_Plain)
NOTHING: tuple[float | None, ...] = (None,) * len(COLUMNS)


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of one row: those of the table in its order, and those under names nobody has heard of."""

    known: tuple[float | None, ...]
    new: Mapping[str, float] | None = None

    def to_bytes(self) -> bytes:
        """Return bytes that are the same for the same scores."""
        if None in self.known or self.new:
            return repr((self.known, sorted((self.new or {}).items()))).encode("utf-8", "surrogatepass")
        return struct.pack(f"<{len(self.known)}d", *self.known)


@dataclass(frozen=True, slots=True)
class NoScores:
    """What stands where scores should, and is none."""

    reason: str


def read_scores(value: Any) -> Scores | NoScores | None:
    """Read scores by name, from JSON as text or an object; None where there are none.

    >>> read_scores('{"Joy": 0.25, "Zest": 1}').new, read_scores(""), read_scores("?")
    ({'Zest': 1.0}, None, NoScores(reason='the scores are not JSON'))
    """
    if isinstance(value, str):
        if not value.strip():
            return None
        data = value.encode("utf-8", "surrogatepass")
        try:
            return Scores(astuple(_plain.decode(data)))
        except (msgspec.DecodeError, UnicodeError):
            try:
                value = msgspec.json.decode(data)
            except (msgspec.DecodeError, UnicodeError, RecursionError):
                return NoScores("the scores are not JSON")
    return _by_name(value)


def _by_name(value: Any) -> Scores | NoScores | None:
    if value is None or value == {} or value == []:
        return None
    for wrapper in ("prosody", "scores"):  # as a socket sends them
        if isinstance(value, dict) and wrapper in value:
            return _by_name(value[wrapper])
    if isinstance(value, list) and all(isinstance(each, dict) and isinstance(each.get("name"), str) for each in value):
        value = {each["name"]: each.get("score") for each in value}
    if not isinstance(value, dict):
        return NoScores(f"the scores are {_shown(value)}, not an object of names and numbers")
    known: list[float | None] = list(NOTHING)
    new: dict[str, float] = {}
    for name, score in value.items():
        if score is None:
            continue
        if type(score) not in (int, float):
            return NoScores(f"the score of {name} is {_shown(score)}, not a number")
        column = known_column(name)
        if column in _PLACE:
            known[_PLACE[column]] = float(score)
        else:
            new[name] = float(score)
    return Scores(tuple(known), new or None) if new or any(each is not None for each in known) else None


def read_model_scores(value: Any) -> Scores | NoScores | None:
    """Read scores of a segment: a list in the order of the model, or by name."""
    if isinstance(value, list) and value and type(value[0]) in (int, float):
        if len(value) != len(COLUMNS):
            return NoScores(f"a segment has {len(value)} scores where there are {len(COLUMNS)} expressions")
        if not set(map(type, value)) <= {int, float}:
            return NoScores("a segment has scores that are no numbers")
        return Scores(_in_table_order(value))
    return read_scores(value)


def score_columns(rows: Sequence[Scores | None]) -> tuple[list[pa.Field], list[pa.Array], int]:
    """Return the columns of scores, those of new names behind, and how many scores were too large to be kept (and are null)."""
    block = np.array([NOTHING if row is None else row.known for row in rows], np.float64).reshape(len(rows), len(COLUMNS))
    large = np.abs(block) > np.finfo(np.float32).max
    block[large] = np.nan
    columns = np.ascontiguousarray(block.T, np.float32)
    fields = [pa.field(name.column, pa.float32(), metadata={HUME_NAME: name.name.encode()}) for name in _NAMES]
    arrays = [pa.array(column, from_pandas=True) for column in columns]
    new: dict[str, list[float | None]] = {}
    for i, row in enumerate(rows):
        for name, score in (row.new or {}).items() if row is not None else ():
            new.setdefault(name, [None] * len(rows))[i] = score if abs(score) < 3.4e38 else None
    for name in sorted(new):
        fields.append(score_field("expression", name))
        arrays.append(pa.array(new[name], pa.float32()))
    return fields, arrays, int(large.sum())


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else as_json(value)
    return repr(text if len(text) <= 40 else text[:37] + "...")
