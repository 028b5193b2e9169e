"""Make Arrow tables of what was gathered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

from humeanalytics.tables.evi_chats import Facts, folded
from humeanalytics.tables.evi_scores import Scores, score_columns
from humeanalytics.tables.evi_segments import EMBEDDING_SIZE
from humeanalytics.tables.schema import HUME_NAME, UTC_TIME, schema_of
from humeanalytics.tables.unknown import settle_unknown

#: Columns that hold milliseconds until they are columns.
_MS = {"called_at": "called_ms", "responded_at": "responded_ms", "timestamp": "timestamp_ms"}
_EMBEDDING = pa.field("embedding", pa.list_(pa.float32(), EMBEDDING_SIZE))


class Rows:
    """Rows of one table, column by column.

    Args:
        table: Its name in the schema.
        load_id: The load of all of them, or None.
    """

    def __init__(self, table: str, load_id: str | None) -> None:
        self._schema = schema_of(table)
        self._load_id = load_id
        self._plain = [field for field in self._schema if HUME_NAME not in (field.metadata or {})]
        self._has_scores = len(self._plain) < len(self._schema)
        self._columns: dict[str, list[Any]] = {field.name: [] for field in self._plain}
        self._scores: list[Scores | None] = []
        self._embeddings: list[list[float] | None] = []
        self.scores_lost = 0

    def __len__(self) -> int:
        return len(self._columns[self._plain[0].name])

    def told_by(self, kind: type) -> list[str]:
        """Return which attributes of a thing with slots are columns, by the name of the attribute."""
        attributes = {_MS.get(name, name) for name in self._columns}
        return [slot for slot in kind.__slots__ if slot in attributes]  # type: ignore[attr-defined]

    def add(self, told: Mapping[str, Any]) -> None:
        """Add a row without scores; what it does not tell is null."""
        self.extend({name: [value] for name, value in told.items()}, {}, [None])

    def extend(
        self,
        told: Mapping[str, Sequence[Any]],
        same: Mapping[str, Any],
        scores: Sequence[Scores | None],
        embeddings: Sequence[list[float] | None] | None = None,
    ) -> None:
        """Add rows.

        Args:
            told: Their columns; a column that is not told is null.
            same: Columns that have the same value in all of them, which holds over ``told``.
            scores: Of each row.
            embeddings: Of each row.
        """
        for name, column in self._columns.items():
            source = _MS.get(name, name)
            if source in same:
                column += [same[source]] * len(scores)
            else:
                column += told.get(source) or [None] * len(scores)
        if self._has_scores:
            self._scores += scores
            self._embeddings += embeddings or [None] * len(scores)

    def table(self, *, embeddings: bool = False) -> pa.Table:
        """Return the table."""
        self._columns["load_id"] = [self._load_id] * len(self)
        arrays = {field.name: _array(self._columns[field.name], field.type) for field in self._plain}
        fields = {field.name: field for field in self._plain}
        if self._has_scores:
            score_fields, score_arrays, self.scores_lost = score_columns(self._scores)
            fields |= {field.name: field for field in score_fields}
            arrays |= dict(zip((field.name for field in score_fields), score_arrays, strict=True))
        if embeddings:
            fields["embedding"], arrays["embedding"] = _EMBEDDING, pa.array(self._embeddings, _EMBEDDING.type)
        order = [*self._schema.names, *(name for name in fields if name not in self._schema.names)]
        made = pa.table([arrays[name] for name in order], schema=pa.schema([fields[name] for name in order]))
        return settle_unknown(made, self._schema)


def _array(values: Sequence[Any], type_: pa.DataType) -> pa.Array:
    if type_ == UTC_TIME:  # milliseconds, or the time a payload was seen
        return pa.array([value if value is None or isinstance(value, datetime) else value * 1000 for value in values], type_)
    try:
        return pa.array(values, type_)
    except UnicodeEncodeError:  # halves of pairs, which UTF-8 cannot write
        return pa.array([value and value.encode("utf-8", "replace").decode("utf-8") for value in values], type_)


def fact_rows(table: str, load_id: str | None, things: Mapping[Any, Iterable[Facts]], key_columns: Sequence[str]) -> pa.Table:
    """Return a table of what was told of things, a row a thing, in order of their keys."""
    rows = Rows(table, load_id)
    for key in sorted(things):
        keys = key if isinstance(key, tuple) else (key,)
        rows.add(folded(things[key]) | dict(zip(key_columns, keys, strict=True)))
    return rows.table()
