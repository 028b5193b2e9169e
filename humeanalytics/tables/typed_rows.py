"""Read rows that look as Hume's API writes them, their lists of scores cut out: decoded straight into structs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
import numpy as np
import pyarrow as pa
from msgspec import Meta
from msgspec.structs import astuple

from humeanalytics.tables.columns import Layout, ModelRows, Repeated, ScoreBlock
from humeanalytics.tables.fields import FIELDS, LISTS, TYPES, kind_of_list
from humeanalytics.tables.json_text import Undecoded, bytes_of
from humeanalytics.tables.score_lists import ListCutter

_FLUSH_ROWS = 8192
# Bounds keep out what is not exact as a float, or too large for its column: reading by name says what is wrong with it.
_FIELD_TYPES: dict[pa.DataType, Any] = {
    pa.string(): str,
    pa.int64(): Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)],
    pa.float64(): Annotated[float, Meta(gt=-(2.0**53), lt=2.0**53)],
    pa.float32(): Annotated[float, Meta(gt=-(2.0**53), lt=2.0**53)],
}


class _Shape:
    """What a plain row of a model looks like: every field optional, lists of scores as references, nothing else allowed.

    Attributes:
        decoder: Decodes a list of such rows.
        columns: Field -> its column, or for a field of several parts their columns; in the order of the structs.
        lists: The fields that hold references, which come last.
    """

    def __init__(self, model: str) -> None:
        self.columns: dict[str, str | list[str]] = {}
        self.lists = tuple(LISTS)
        types: dict[str, Any] = {}
        parts: dict[str, list[Any]] = {}
        for path, column in FIELDS[model].items():
            outer, _, inner = path.partition(".")
            type_ = _FIELD_TYPES[TYPES[column]] | None
            if outer == "metadata":
                continue
            if inner:
                parts.setdefault(outer, []).append((inner, type_, None))
                types[outer] = None
                self.columns.setdefault(outer, []).append(column)  # type: ignore[union-attr]
            else:
                types[outer] = type_
                self.columns[outer] = column
        for outer, fields in parts.items():
            types[outer] = msgspec.defstruct(outer.title(), fields, forbid_unknown_fields=True, gc=False) | None
        types |= dict.fromkeys(self.lists, int | None)
        fields = [(name, type_, None) for name, type_ in types.items()]
        row = msgspec.defstruct(f"{model.title()}Row", fields, forbid_unknown_fields=True, gc=False)
        self.decoder: msgspec.json.Decoder[list[Any]] = msgspec.json.Decoder(list[row])  # type: ignore[valid-type]


_SHAPES = {model: _Shape(model) for model in FIELDS}


class TypedRows:
    """Rows of one model on their way into `ModelRows`, read as structs and kept by field.

    Args:
        rows: Where they go.
        cutter: Where their scores are.
        hand_over: Hands over rows that were read in another way and come before those that are appended here.
    """

    def __init__(self, rows: ModelRows, cutter: ListCutter, hand_over: Callable[[], None]) -> None:
        self._rows = rows
        self._cutter = cutter
        self._hand_over = hand_over
        self._shape = _SHAPES[rows.model]
        self._layouts: dict[tuple[str, tuple[str, ...]], Layout] = {}
        self._clear()

    def _clear(self) -> None:
        self.pending = 0
        self._fields: list[list[Any]] = [[] for _ in (*self._shape.columns, *self._shape.lists)]
        self._beside: list[tuple[dict[str, Any], int]] = []

    def append(self, text: Undecoded, values: dict[str, Any]) -> bool:
        """Add a list of rows, if it is plain; else do nothing and return False.

        Args:
            text: The list.
            values: What columns beside those of the rows hold for all of them.
        """
        try:
            rows = self._shape.decoder.decode(bytes_of(text))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        fields = list(zip(*map(astuple, rows), strict=True))
        for references in fields[len(self._shape.columns) :]:
            absent = references.count(None)
            if absent == len(rows):
                continue
            present = [reference for reference in references if reference is not None] if absent else references
            if not (self._cutter.is_reference(min(present)) and self._cutter.is_reference(max(present))):
                return False  # a number where a list must be
        self._hand_over()
        for held, more in zip(self._fields, fields, strict=bool(rows)):
            held += more
        self._beside.append((values, len(rows)))
        self.pending += len(rows)
        if self.pending >= _FLUSH_ROWS:
            self.flush()
        return True

    def flush(self) -> None:
        """Hand over what is pending."""
        if not self.pending:
            return
        scalars: dict[str, Any] = {}
        for column, values in zip(self._shape.columns.values(), self._fields, strict=False):
            if isinstance(column, str):
                scalars[column] = values
            else:
                absent = (None,) * len(column)
                parts = (absent if value is None else astuple(value) for value in values)
                scalars |= zip(column, zip(*parts, strict=True), strict=True)
        counts = [count for _, count in self._beside]
        for name in {name for values, _ in self._beside for name in values}:
            scalars[name] = Repeated([values.get(name) for values, _ in self._beside], counts)
        self._rows.add(self.pending, scalars, self._blocks())
        self._clear()

    def _blocks(self) -> list[ScoreBlock]:
        blocks = []
        for key, references in zip(self._shape.lists, self._fields[len(self._shape.columns) :], strict=True):
            absent = references.count(None)
            if absent == self.pending:
                continue
            places = np.arange(self.pending)
            if absent:
                places = np.array([row for row, reference in enumerate(references) if reference is not None])
                references = [reference for reference in references if reference is not None]
            for scores in self._cutter.take(references):
                layout = self._layouts.get((key, scores.names))
                if layout is None:
                    kind = kind_of_list(key, None, self._rows.model)
                    layout = self._layouts[key, scores.names] = tuple((str(kind), name) for name in scores.names)
                blocks.append(ScoreBlock(places[scores.rows], layout, scores.values))
        return blocks
