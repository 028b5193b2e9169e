"""Put the rows of one model, whatever names they carry, into Arrow columns.

Scores arrive as blocks: a matrix of values, a row each, under a *layout* of names, which is resolved to columns once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from humeanalytics import vocabulary
from humeanalytics.tables import unknown
from humeanalytics.tables.schema import HUME_MODEL, HUME_NAME, KEYS, SCORE_TABLES, TABLES
from humeanalytics.tables.unknown import Identity

#: (kind, name) of each score of a row, in the row's own order.
Layout = tuple[tuple[str, str], ...]

_TIMES = ("time_s", "begin_s")


@dataclass(frozen=True, slots=True)
class ScoreBlock:
    """Scores of some rows of a chunk: ``values[i]`` are those of row ``rows[i]``, in the order of ``layout``; NaN is null."""

    rows: NDArray[np.int64]
    layout: Layout
    values: NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Repeated:
    """A column of few values that each stand in many rows one after another."""

    values: Sequence[Any]
    counts: Sequence[int]


@dataclass(frozen=True, slots=True)
class _Resolved:
    """A layout: for each declared column or new name the position of its score, and how many names stood twice."""

    positions: dict[str | Identity, int]
    doubled: int


class ModelRows:
    """The rows of one model: `add` them in chunks, then `finish`.

    Args:
        model: The table. One that is not declared has the columns ``file``, ``group_id`` and what its rows bring.
        hume_model: What Hume calls the model.

    Attributes:
        declared: The columns it has in any case.
        scores_rounded: Scores and ``prob`` that were no exact float32.
        names_doubled: Names that stood twice in a row; the first held.
    """

    def __init__(self, model: str, hume_model: str) -> None:
        self.model = model
        self.declared = _declared(model).with_metadata({HUME_MODEL: hume_model.encode()})
        self.scores_rounded = 0
        self.names_doubled = 0
        self.clear()

    def clear(self) -> None:
        """Forget all rows."""
        self.rows = 0
        # Of each column its pieces with the row each begins at; where a column has no piece, it is null.
        self._pieces: dict[str, list[tuple[int, pa.Array]]] = {}
        # New names and fields wait until all rows are known: only then is it clear how many there are.
        self._new_scores: dict[Identity, list[tuple[int, NDArray[np.float32]]]] = {}
        self._new_fields: dict[str, list[tuple[int, Any]]] = {}

    def add(
        self,
        count: int,
        scalars: Mapping[str, Sequence[Any] | NDArray[Any] | pa.Array | Repeated],
        blocks: Iterable[ScoreBlock],
        fields: Mapping[str, Iterable[tuple[int, Any]]] | None = None,
    ) -> None:
        """Add a chunk of rows.

        Args:
            count: How many.
            scalars: By column, the values of what is no score; a column left out is null.
            blocks: The scores.
            fields: By path in the row, positions in the chunk and values of fields nobody has heard of.
        """
        for name, column in scalars.items():
            array = self._array(column, self.declared.field(name).type)
            if array.null_count < count:
                self._pieces.setdefault(name, []).append((self.rows, array))
        runs: dict[str | Identity, list[tuple[NDArray[np.int64], NDArray[np.float32]]]] = {}
        for block in blocks:
            resolved = _resolve(block.layout, self.model)
            self.names_doubled += resolved.doubled * len(block.rows)
            values = self._narrow(block.values)
            for held, position in resolved.positions.items():
                runs.setdefault(held, []).append((block.rows, values[:, position]))
        for held, parts in runs.items():
            dense = _dense(parts, count)
            if isinstance(held, Identity):
                self._new_scores.setdefault(held, []).append((self.rows, dense))
            else:
                self._pieces.setdefault(held, []).append((self.rows, pa.array(dense, from_pandas=True)))
        for path, pairs in (fields or {}).items():
            self._new_fields.setdefault(path, []).extend((self.rows + row, value) for row, value in pairs)
        self.rows += count

    def put_beside(self, first_row: int, rows: int, fields: Mapping[str, Any]) -> None:
        """Give some rows, added or still to be, a value each of fields nobody has heard of."""
        for path, value in fields.items():
            self._new_fields.setdefault(path, []).extend((row, value) for row in range(first_row, first_row + rows))

    def finish(self, answers: Iterable[tuple[int, int]]) -> pa.Table:
        """Return all rows as one table, and forget them: the declared columns, then new ones in order of what they hold.

        Args:
            answers: First row and number of rows of each answer, whose rows are put in order of time: those of equal time
                stay as they stood, those without one go last.
        """
        order = self._time_order(answers)
        no_scores = pa.nulls(self.rows, pa.float32())
        columns = []
        for field in self.declared:
            pieces = self._pieces.pop(field.name, None)
            if pieces is None:
                columns.append(no_scores if field.type == pa.float32() else pa.nulls(self.rows, field.type))
            else:
                columns.append(_ordered(self._joined(pieces, field.type), order))
        table = pa.table(columns, schema=self.declared)
        new = list(self._new_columns())
        for field, array in new:
            table = table.append_column(field, _ordered(array, order))
        self.clear()
        return unknown.settle_unknown(table, self.declared) if new else table

    def _new_columns(self) -> Iterable[tuple[pa.Field, pa.Array]]:
        """Yield what nobody has heard of: columns up to a limit, then two map columns."""
        folded: dict[str, list[tuple[int, Any]]] = {}
        for count, identity in enumerate(sorted(self._new_scores)):
            runs = self._new_scores[identity]
            if count < unknown.LIMIT:
                parts = [(np.arange(first, first + len(run)), run) for first, run in runs]
                yield unknown.score_field(*identity), pa.array(_dense(parts, self.rows), from_pandas=True)
            else:
                folded[identity.key] = [(first + i, float(v)) for first, run in runs for i, v in enumerate(run) if v == v]
        if folded:
            yield unknown.OTHER, unknown.map_column(self.rows, folded, unknown.OTHER)
        folded = {}
        for count, path in enumerate(sorted(self._new_fields)):
            pairs = self._new_fields[path]
            if count < unknown.LIMIT:
                yield unknown.field_column(path, pairs, self.rows)
            else:
                folded[path] = [(row, value if isinstance(value, str) else unknown.as_json(value)) for row, value in pairs]
        if folded:
            yield unknown.OTHER_FIELDS, unknown.map_column(self.rows, folded, unknown.OTHER_FIELDS)

    def _time_order(self, answers: Iterable[tuple[int, int]]) -> pa.Array | None:
        time = next((name for name in _TIMES if name in self._pieces), None)
        if time is None:
            return None
        times = pc.fill_null(self._joined(self._pieces[time], pa.float64()), np.inf).to_numpy()
        order = np.arange(len(times))
        is_ordered = True
        for first, rows in answers:
            span = slice(first, first + rows)
            if (times[span][1:] < times[span][:-1]).any():
                order[span] = first + np.argsort(times[span], kind="stable")
                is_ordered = False
        return None if is_ordered else pa.array(order)

    def _joined(self, pieces: list[tuple[int, pa.Array]], type_: pa.DataType) -> pa.Array:
        """Return the pieces of a column as one array, null in between."""
        if len(pieces) == 1 and len(pieces[0][1]) == self.rows:
            return pieces[0][1]
        arrays, row = [], 0
        for first, array in [*pieces, (self.rows, pa.nulls(0, type_))]:
            if first > row:
                arrays.append(pa.nulls(first - row, type_))
            arrays.append(array)
            row = first + len(array)
        return pa.concat_arrays(arrays)

    def _array(self, values: Any, type_: pa.DataType) -> pa.Array:
        if isinstance(values, pa.Array):
            return values
        if isinstance(values, Repeated):
            return pa.array(values.values, type_).take(np.repeat(np.arange(len(values.values)), values.counts))
        if type_ == pa.float32():
            return pa.array(self._narrow(np.array(values, np.float64)), from_pandas=True)
        return pa.array(values, type_)

    def _narrow(self, values: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Return values as float32, and count those that change."""
        if values.dtype == np.float32:
            return values
        narrow = values.astype(np.float32)
        self.scores_rounded += int(np.count_nonzero((narrow != values) & ~np.isnan(values)))
        return narrow


@cache
def _declared(model: str) -> pa.Schema:
    """Return the columns a table has in any case, without the keys."""
    if model in SCORE_TABLES:
        return pa.schema([column.field() for column in TABLES[model].columns[len(KEYS) :]])
    return pa.schema([pa.field("file", pa.string()), pa.field("group_id", pa.string())])


@lru_cache(256)
def _resolve(layout: Layout, model: str) -> _Resolved:
    """Return the columns of a layout in the table of a model."""
    positions: dict[str | Identity, int] = {}
    scores = {f.name for f in _declared(model) if HUME_NAME in (f.metadata or {})}
    for position, (kind, name) in enumerate(layout):
        column = vocabulary.known_column(name, kind)
        is_declared = column is not None and column in scores
        positions.setdefault(column if is_declared and column else Identity(kind, name), position)
    return _Resolved(positions, len(layout) - len(positions))


def _dense(parts: list[tuple[NDArray[np.int64], NDArray[np.float32]]], rows: int) -> NDArray[np.float32]:
    """Put values at their rows; NaN, which no JSON holds, stands for null."""
    if len(parts) == 1 and len(parts[0][0]) == rows:  # rows of a block are in order, so these are all of them
        return np.ascontiguousarray(parts[0][1])
    dense = np.full(rows, np.nan, np.float32)
    for places, values in parts:
        dense[places] = values
    return dense


def _ordered(array: pa.Array, order: pa.Array | None) -> pa.Array:
    return array if order is None else array.take(order)
