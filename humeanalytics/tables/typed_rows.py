"""Read rows that look as Hume's API writes them, their lists of scores cut out: decoded straight into structs."""

from __future__ import annotations

from operator import attrgetter
from typing import Annotated, Any

import msgspec
import numpy as np
import pyarrow as pa
from msgspec import Meta

from humeanalytics.tables.columns import Layout, ModelRows, Repeated, ScoreBlock
from humeanalytics.tables.fields import FIELDS, LISTS, TYPES, kind_of_list
from humeanalytics.tables.json_text import Undecoded, bytes_of
from humeanalytics.tables.score_lists import ListCutter

_FLUSH_ROWS = 8192
# Bounds keep out what is not exact as a float, or too large for its column: reading by name says what is wrong with it.
_FIELD_TYPES: dict[pa.DataType, Any] = {
    pa.string(): str,
    pa.int64(): Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)],
    pa.float64(): Annotated[float, Meta(ge=-(2.0**53), le=2.0**53)],
    pa.float32(): Annotated[float, Meta(ge=-(2.0**53), le=2.0**53)],
}


def _row_type(model: str) -> type[msgspec.Struct]:
    """Return a struct of one model's rows: every field optional, lists of scores as references, nothing else allowed."""
    plain: dict[str, Any] = {}
    nested: dict[str, list[Any]] = {}
    for path, column in FIELDS[model].items():
        outer, _, inner = path.partition(".")
        type_ = _FIELD_TYPES[TYPES[column]] | None
        if inner:
            nested.setdefault(outer, []).append((inner, type_, None))
        else:
            plain[outer] = type_
    nested.pop("metadata", None)
    for outer, fields in nested.items():
        plain[outer] = msgspec.defstruct(outer.title(), fields, forbid_unknown_fields=True, gc=False) | None
    plain |= dict.fromkeys(LISTS, int | None)
    return msgspec.defstruct(
        f"{model.title()}Row", [(name, type_, None) for name, type_ in plain.items()], forbid_unknown_fields=True, gc=False
    )


_DECODERS = {model: msgspec.json.Decoder(list[_row_type(model)]) for model in FIELDS}  # type: ignore[misc]


class TypedRows:
    """Rows of one model on their way into `ModelRows`, as structs.

    Args:
        rows: Where they go.
        cutter: Where their scores are.
    """

    def __init__(self, rows: ModelRows, cutter: ListCutter) -> None:
        self._rows = rows
        self._cutter = cutter
        self._decoder = _DECODERS[rows.model]
        self._paths = {path: column for path, column in FIELDS[rows.model].items() if not path.startswith("metadata.")}
        self._layouts: dict[tuple[str, tuple[str, ...]], Layout] = {}
        self._clear()

    def _clear(self) -> None:
        self._pending: list[Any] = []
        self._beside: list[tuple[dict[str, Any], int]] = []

    @property
    def pending(self) -> int:
        """How many rows have not been handed over yet."""
        return len(self._pending)

    def decode(self, text: Undecoded) -> list[Any] | None:
        """Decode a list of rows, or return None if it is anything but plain."""
        try:
            rows: list[Any] = self._decoder.decode(bytes_of(text))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        for name in LISTS:
            references = [value for value in map(attrgetter(name), rows) if value is not None]
            if references and not (self._cutter.is_reference(min(references)) and self._cutter.is_reference(max(references))):
                return None  # a number where a list must be
        return rows

    def append(self, rows: list[Any], values: dict[str, Any]) -> None:
        """Add decoded rows. ``values`` is what columns beside those of the rows hold for all of them."""
        self._pending += rows
        self._beside.append((values, len(rows)))
        if self.pending >= _FLUSH_ROWS:
            self.flush()

    def flush(self) -> None:
        """Hand over what is pending."""
        rows = self._pending
        if not rows:
            return
        scalars: dict[str, Any] = {}
        for path, column in self._paths.items():
            outer, _, inner = path.partition(".")
            values = list(map(attrgetter(outer), rows))
            if inner:
                values = [None if value is None else getattr(value, inner) for value in values]
            scalars[column] = values
        counts = [count for _, count in self._beside]
        for column in {column for values, _ in self._beside for column in values}:
            scalars[column] = Repeated([values.get(column) for values, _ in self._beside], counts)
        self._rows.add(len(rows), scalars, self._blocks(rows))
        self._clear()

    def _blocks(self, rows: list[Any]) -> list[ScoreBlock]:
        blocks = []
        for key in LISTS:
            references = list(map(attrgetter(key), rows))
            having = [i for i, reference in enumerate(references) if reference is not None]
            if not having:
                continue
            kind = kind_of_list(key, None, self._rows.model)
            places = np.array(having)
            for scores in self._cutter.take([references[i] for i in having]):
                layout = self._layouts.get((key, scores.names))
                if layout is None:
                    layout = self._layouts[key, scores.names] = tuple((str(kind), name) for name in scores.names)
                blocks.append(ScoreBlock(places[scores.rows], layout, scores.values))
        return blocks
