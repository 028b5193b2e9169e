"""Rows of the v1 tables on their way to Arrow: `Rows` of things, and `Scores` that hang on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from humeanalytics.tables import unknown
from humeanalytics.tables.expression_values import Values, beside
from humeanalytics.tables.schema import HUME_MODEL, KEYS, TABLES

_SCORE = frozenset(("name", "probability"))
_OF_SCORES = ("kind", "name", "probability", "rank")


class Rows:
    """Rows of one table, each with what nobody has heard of beside it.

    Args:
        table: The table. Its three keys are not among the columns here.
    """

    def __init__(self, table: str) -> None:
        self.schema = _schema(table)
        self.columns: dict[str, list[Any]] = {name: [] for name in self.schema.names}
        self.fields: dict[str, list[tuple[int, Any]]] = {}
        self.count = 0

    def add(self, values: Mapping[str, Any], more: Mapping[str, Any]) -> int:
        """Add one row and return its position; ``more`` is what nobody has heard of."""
        for name, column in self.columns.items():
            column.append(values.get(name))
        for path, value in more.items():
            self.fields.setdefault(path, []).append((self.count, value))
        self.count += 1
        return self.count - 1

    def table(self) -> pa.Table:
        """Return the rows; new columns follow the declared ones."""
        arrays = [pa.array(self.columns[field.name], field.type) for field in self.schema]
        return _with_fields(pa.table(arrays, schema=self.schema), self.fields)


class Scores:
    """Scores of one table, each hanging on a row of another, whose place in the recording it shares.

    Args:
        table: The table of the scores.
    """

    def __init__(self, table: str) -> None:
        self.schema = _schema(table)
        self.fields: dict[str, list[tuple[int, Any]]] = {}
        self._parents: list[int] = []
        self._kinds: list[str] = []
        self._counts: list[int] = []
        self._names: list[str] = []
        self._probabilities: list[float] = []

    @property
    def count(self) -> int:
        return len(self._names)

    def add(self, parent: int, kind: str, entries: Any, values: Values, place: str) -> int | None:
        """Add one list of scores; return how many there are in it, None where there is no list.

        Args:
            parent: The row they hang on.
            kind: What kind of names they have.
            entries: The list as it came, or None.
            values: What reads it.
            place: Where it stands, for errors.
        """
        if entries is None:
            return None
        names, probabilities = self._names, self._probabilities
        for i, entry in enumerate(values.elements(entries, place)):
            name, probability = (entry.get("name"), entry.get("probability")) if type(entry) is dict else (None, None)
            if type(name) is not str or type(probability) is not float or len(entry) > 2:
                name, probability = self._odd(entry, values, f"{place}[{i}]")
            names.append(name)
            probabilities.append(probability)
        self._parents.append(parent)
        self._kinds.append(kind)
        self._counts.append(len(entries))
        return len(entries)

    def _odd(self, entry: Any, values: Values, place: str) -> tuple[str, float]:
        """Read a score of more or other than a name and a float."""
        members = values.members(entry, place)
        name = members.get("name")
        if type(name) is not str:
            values.error(place, f"this is no score with a name; its keys are {', '.join(members) or 'none'}")
        if "probability" not in members:
            values.error(place, f"{name} has no probability; the keys are {', '.join(members)}")
        for path, value in beside(members, _SCORE).items():
            self.fields.setdefault(path, []).append((len(self._names), value))
        return name, values.number(members["probability"], f"{place}.probability")

    def table(self, parents: pa.Table) -> tuple[pa.Table, pa.Array]:
        """Return the scores with the columns they share with their parents, and of each score the row of its parent."""
        counts = np.array(self._counts, np.int64)
        of = pa.array(np.repeat(np.array(self._parents, np.int64), counts))
        begins = np.repeat(np.cumsum(counts) - counts, counts)
        own = {
            "kind": pa.array(self._kinds, pa.string()).take(pa.array(np.repeat(np.arange(len(counts)), counts))),
            "name": pa.array(self._names, pa.string()),
            "probability": pa.array(self._probabilities, pa.float64()),
            "rank": pa.array(np.arange(len(begins)) - begins + 1),
        }
        arrays = [own[name] if name in _OF_SCORES else parents[name].take(of) for name in self.schema.names]
        return _with_fields(pa.table(arrays, schema=self.schema), self.fields), of


def _schema(table: str) -> pa.Schema:
    declared = TABLES[table]
    metadata = {HUME_MODEL: str(declared.model).encode()}
    return pa.schema([column.field() for column in declared.columns[len(KEYS) :]], metadata)


def _with_fields(table: pa.Table, fields: Mapping[str, Sequence[tuple[int, Any]]]) -> pa.Table:
    """Return a table with what nobody has heard of: a column each up to a limit, the rest in one map column."""
    if not fields:
        return table
    declared, folded = table.schema, {}
    for count, path in enumerate(sorted(fields)):
        if count < unknown.LIMIT:
            table = table.append_column(*unknown.field_column(path, fields[path], len(table)))
        else:
            folded[path] = [(row, value if isinstance(value, str) else unknown.as_json(value)) for row, value in fields[path]]
    if folded:
        table = table.append_column(unknown.OTHER_FIELDS, unknown.map_column(len(table), folded, unknown.OTHER_FIELDS))
    return unknown.settle_unknown(table, declared)
