"""Read rows by the names of their fields and scores, whatever their order: always right, at the speed of Python."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from humeanalytics.errors import UnreadableResponse
from humeanalytics.tables.columns import Layout, ModelRows, ScoreBlock
from humeanalytics.tables.fields import (
    FIELDS,
    FLOAT32_END,
    GROUP_COLUMNS,
    NESTED,
    STREAMED_FIELDS,
    STREAMED_NESTED,
    TYPES,
    kind_of_list,
)
from humeanalytics.tables.nodes import renamed

#: Where a row stands: the path of its group's rows, its position among them.
Place = tuple[str, int]

_WHOLE_END = 2**53
_INT64 = range(-(2**63), 2**63)
_FLUSH_ROWS = 4096


class NamedRows:
    """Rows of one model on their way into `ModelRows`, read by name.

    Args:
        rows: Where they go.
        item: The name of the payload, for errors.
    """

    def __init__(self, rows: ModelRows, item: str) -> None:
        self._rows = rows
        self._item = item
        self._group_column = GROUP_COLUMNS.get(rows.model, "group_id")
        self._paths = FIELDS.get(rows.model, {})
        self._streamed_paths = STREAMED_FIELDS.get(rows.model, {})
        self._layouts: dict[tuple[tuple[str, tuple[str, ...]], ...], Layout] = {}
        self._scalars = [f.name for f in rows.declared if f.name in TYPES or f.name in _BESIDE]
        self._clear()

    def _clear(self) -> None:
        self.pending = 0
        self._columns: dict[str, list[Any]] = {name: [] for name in self._scalars}
        self._fields: dict[str, list[tuple[int, Any]]] = {}
        self._runs: list[tuple[Layout, int]] = []  # each run of equal layouts with the row it begins at
        self._scores: list[list[float | None]] = []

    def append(self, rows: Iterable[Any], place: str, first: int, values: dict[str, Any]) -> None:
        """Add decoded rows.

        Args:
            rows: The rows.
            place: Where their list stands in the payload, for errors.
            first: The position of the first of them there.
            values: What columns beside those of the rows hold for all of them.

        Raises:
            UnreadableResponse: Something is not of the type it must be; says where.
        """
        for i, row in enumerate(rows, first):
            self._append(row, (place, i), dict(values), {})
            if self.pending >= _FLUSH_ROWS:
                self.flush()

    def flush(self) -> None:
        """Hand over what is pending."""
        if self.pending:
            ends = [first for _, first in self._runs[1:]] + [self.pending]
            blocks = [
                ScoreBlock(np.arange(first, end), layout, np.array(self._scores[first:end], np.float64))
                for (layout, first), end in zip(self._runs, ends, strict=True)
                if layout
            ]
            self._rows.add(self.pending, self._columns, blocks, self._fields)
            self._clear()

    def put(
        self,
        path: str,
        value: Any,
        values: dict[str, Any],
        fields: dict[str, Any],
        place: str | Place,
        paths: Mapping[str, str] | None = None,
    ) -> None:
        """Put one value into its column, or among the fields nobody has heard of."""
        column = (self._paths if paths is None else paths).get(path)
        if value is None:
            return
        if column is None:
            fields[path] = value
        else:
            values[column] = self._converted(value, TYPES[column], place, path)

    # ------------------------------------------------------------------------------------------------------------ one row
    def _append(self, row: Any, place: Place, values: dict[str, Any], fields: dict[str, Any]) -> None:
        if type(row) is not dict:
            raise self._error(place, f"{_shown(row)} is no object")
        in_group = self._group_column in values
        paths, nested = (self._paths, NESTED) if in_group else (self._streamed_paths, STREAMED_NESTED)
        lists: list[tuple[str, tuple[str, ...]]] = []
        scores: list[float | None] = []
        for key, value in renamed(row, self._item, _text_of(place)).items():
            kind = kind_of_list(key, value, self._rows.model)
            if kind is not None:
                if value is not None:
                    lists.append((kind, self._read_scores(key, value, scores, place, fields)))
            elif key in nested and type(value) is dict:
                for inner, part in renamed(value, self._item, key).items():
                    self.put(f"{key}.{inner}", part, values, fields, place, paths)
            else:
                self.put(key, value, values, fields, place, paths)
        shape = tuple(lists)
        layout = self._layouts.get(shape)
        if layout is None:
            layout = self._layouts[shape] = tuple((kind, name) for kind, names in lists for name in names)
        if not self._runs or self._runs[-1][0] != layout:
            self._runs.append((layout, self.pending))
        self._scores.append(scores)
        for name, column in self._columns.items():
            column.append(values.get(name))
        for path, value in fields.items():
            self._fields.setdefault(path, []).append((self.pending, _plain(value)))
        self.pending += 1

    def _read_scores(
        self, key: str, entries: Any, scores: list[float | None], place: Place, fields: dict[str, Any]
    ) -> tuple[str, ...]:
        """Add the scores of one list to those of the row, and return their names."""
        try:
            names = tuple([entry["name"] for entry in entries])
            values = [entry["score"] for entry in entries]
            as_expected = {2}.issuperset(map(len, entries)) and type(entries) is list
        except (KeyError, TypeError, IndexError):
            as_expected = False
        if not as_expected:
            names, values = self._read_odd_scores(key, entries, place, fields)
        if not {str}.issuperset(map(type, names)):
            raise self._error(place, f"a name in {key} is no text")
        for name, value in zip(names, values, strict=True):
            if type(value) is not float and value is not None and (type(value) is not int or abs(value) > _WHOLE_END):
                what = "a whole number beyond what a float holds" if type(value) is int else "not a number"
                raise self._error(place, f"the score of {name} in {key} is {_shown(value)}, {what}")
            if value is not None and abs(value) >= FLOAT32_END:
                raise self._error(place, f"the score of {name} in {key} is {_shown(value)}, which no float32 holds")
        scores += values
        return names

    def _read_odd_scores(
        self, key: str, entries: Any, place: Place, fields: dict[str, Any]
    ) -> tuple[tuple[str, ...], list[float | None]]:
        """Read a list with more or less in its entries than name and score. What is more becomes a field of the row."""
        if type(entries) is not list:
            raise self._error(place, f"{key} is {_shown(entries)}, not a list")
        more: dict[str, Any] = {}
        names, values = [], []
        for i, entry in enumerate(entries):
            if type(entry) is not dict or "name" not in entry:
                raise self._error(place, f"{key}[{i}] is {_shown(entry)}, not an object with name and score")
            rest = {inner: value for inner, value in entry.items() if inner not in ("name", "score")}
            if "score" not in entry and rest:
                raise self._error(place, f"{key}[{i}] has no score; its keys are {', '.join(entry)}")
            if rest:
                more[str(entry["name"])] = rest
            names.append(entry["name"])
            values.append(entry.get("score"))
        if more:
            fields[f"{key}.more"] = more
        return tuple(names), values

    def _converted(self, value: Any, type_: pa.DataType, place: str | Place, path: str) -> Any:
        if type_ == pa.string():
            if type(value) is str:
                return value
            raise self._error(place, f"{path} is {_shown(value)}, not a text")
        if type_ == pa.int64():
            if type(value) is float and value.is_integer():
                value = int(value)
            if type(value) is int and value in _INT64:
                return value
            raise self._error(place, f"{path} is {_shown(value)}, not a whole number of 64 bits")
        if type(value) is int and value in _INT64 and int(float(value)) == value:
            value = float(value)
        if type(value) is not float:
            raise self._error(place, f"{path} is {_shown(value)}, not a number that a float holds")
        if type_ == pa.float32() and abs(value) >= FLOAT32_END:
            raise self._error(place, f"{path} is {_shown(value)}, which no float32 holds")
        return value

    def _error(self, place: str | Place, reason: str) -> UnreadableResponse:
        where = place if isinstance(place, str) else _text_of(place)
        return UnreadableResponse(f"{self._item}: {where}: {reason}.", item=self._item)


def _plain(value: Any) -> Any:
    """Return what is in objects and lists with whole numbers as such: it becomes text, which must not tell 1.0 from 1."""
    if isinstance(value, dict):
        return {key: _plain_inside(each) for key, each in value.items()}
    return [_plain_inside(each) for each in value] if isinstance(value, list) else value


def _plain_inside(value: Any) -> Any:
    return int(value) if type(value) is float and value.is_integer() and abs(value) <= _WHOLE_END else _plain(value)


_BESIDE = frozenset(("file", "face_id", "speaker_id", "group_id"))


def _text_of(place: Place) -> str:
    return f"{place[0]}[{place[1]}]"


def _shown(value: Any) -> str:
    """Return a value for an error, cut short."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 60 else text[:57] + "..."
