"""Collect the rows of one model, whatever names they carry, into Arrow columns.

Scores arrive as lists of names with lists of values. Rows that carry the same names in the same order share one *layout*,
which is resolved to columns once; the values of such rows become one numpy matrix.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from humeanalytics import vocabulary
from humeanalytics.errors import UnreadableResponse
from humeanalytics.tables import unknown
from humeanalytics.tables.schema import HUME_MODEL, HUME_NAME, KEYS, SCORE_TABLES, TABLES
from humeanalytics.tables.unknown import Identity

#: (kind, name) of each score of a row, in the row's own order.
Layout = tuple[tuple[str, str], ...]
#: Where a row stands: the path of its model, its group, its position in the group.
Place = tuple[str, int, int]

#: Rows are held as Python objects only until there are this many of them.
_CHUNK_ROWS = 4096


def place_text(place: Place) -> str:
    """Return where a row stands as a JSON path; rows keep it in pieces, because it is hardly ever needed."""
    return f"{place[0]}.grouped_predictions[{place[1]}].predictions[{place[2]}]"


@dataclass(frozen=True, slots=True)
class _Resolved:
    """A layout: for each column the position of its score, and how many names stood twice."""

    declared: dict[str, int]
    new: dict[Identity, int]
    doubled: int


@dataclass(slots=True)
class _Pending:
    """Rows not yet turned into Arrow. ``layouts`` holds each run of equal layouts with the row it begins at."""

    scalars: dict[str, list[Any]]
    places: list[Place] = field(default_factory=list)
    layouts: list[tuple[Layout, int]] = field(default_factory=list)
    scores: list[list[float | None]] = field(default_factory=list)


class ModelRows:
    """The rows of one model of one payload: `append` each, then `finish`.

    Args:
        model: The table. One that is not declared has the columns ``file``, ``group_id`` and what its rows bring.
        hume_model: What Hume calls the model.
        item: The name of the payload, for errors.
    """

    def __init__(self, model: str, hume_model: str, item: str) -> None:
        declared = (
            [column.field() for column in TABLES[model].columns[len(KEYS) :]]
            if model in SCORE_TABLES
            else [pa.field("file", pa.string()), pa.field("group_id", pa.string())]
        )
        self.declared = pa.schema(declared, {HUME_MODEL: hume_model.encode()})
        self.model = model
        self.rows = 0
        self.scores_rounded = 0
        self.names_doubled = 0
        self._item = item
        self._scores = [f.name for f in declared if HUME_NAME in (f.metadata or {})]
        self._scalars = [f for f in declared if HUME_NAME not in (f.metadata or {})]
        self._resolved: dict[Layout, _Resolved] = {}
        self._chunks: list[pa.Table] = []
        # New names and fields wait until all rows are known: only then is it clear how many there are.
        self._new_scores: dict[Identity, list[tuple[int, NDArray[np.float32]]]] = {}
        self._new_fields: dict[str, list[tuple[int, Any]]] = {}
        self._pending = _Pending({f.name: [] for f in self._scalars})

    def append(
        self, place: Place, values: dict[str, Any], fields: dict[str, Any], layout: Layout, scores: list[float | None]
    ) -> None:
        """Add one row.

        Args:
            place: Where it stands in the payload, for errors.
            values: Values of declared columns that are no scores; those left out are null.
            fields: Values of fields nobody has heard of, by their path in the row.
            layout: What the scores are called.
            scores: As many as the layout has names.
        """
        pending = self._pending
        for name, column in pending.scalars.items():
            column.append(values.get(name))
        for name, value in fields.items():
            self._new_fields.setdefault(name, []).append((self.rows, value))
        if not pending.layouts or pending.layouts[-1][0] != layout:
            pending.layouts.append((layout, len(pending.places)))
        pending.scores.append(scores)
        pending.places.append(place)
        self.rows += 1
        if len(pending.places) >= _CHUNK_ROWS:
            self._flush()

    def finish(self) -> pa.Table:
        """Return all rows as one table: the declared columns, then new ones in order of what they hold."""
        self._flush()
        table = pa.concat_tables([self.declared.empty_table(), *self._chunks]).combine_chunks()
        self._chunks = []
        folded: dict[str, list[tuple[int, Any]]] = {}
        for count, identity in enumerate(sorted(self._new_scores)):
            runs = self._new_scores[identity]
            if count < unknown.LIMIT:
                table = table.append_column(unknown.score_field(*identity), _score_array(_dense(runs, self.rows)))
            else:
                folded[identity.key] = [(first + i, float(v)) for first, run in runs for i, v in enumerate(run) if v == v]
        if folded:
            table = table.append_column(unknown.OTHER, unknown.map_column(self.rows, folded, unknown.OTHER))
        folded = {}
        for count, name in enumerate(sorted(self._new_fields)):
            pairs = self._new_fields[name]
            if count < unknown.LIMIT:
                table = table.append_column(*unknown.field_column(name, pairs, self.rows))
            else:
                folded[name] = [(row, value if isinstance(value, str) else unknown.as_json(value)) for row, value in pairs]
        if folded:
            table = table.append_column(unknown.OTHER_FIELDS, unknown.map_column(self.rows, folded, unknown.OTHER_FIELDS))
        return unknown.settle_unknown(table, self.declared)

    def _flush(self) -> None:
        pending, self._pending = self._pending, _Pending({f.name: [] for f in self._scalars})
        if not pending.places:
            return
        arrays: dict[str, pa.Array] = {}
        for scalar in self._scalars:
            values = pending.scalars[scalar.name]
            if scalar.type == pa.float32():
                arrays[scalar.name] = _score_array(self._float32(np.array(values, np.float64), pending.places, scalar.name))
            else:
                arrays[scalar.name] = pa.array(values, scalar.type)
        first_row = self.rows - len(pending.places)
        runs: dict[str, list[tuple[int, NDArray[np.float32]]]] = {}
        ends = [first for _, first in pending.layouts[1:]] + [len(pending.places)]
        for (layout, first), end in zip(pending.layouts, ends, strict=True):
            resolved = self._resolve(layout)
            self.names_doubled += resolved.doubled * (end - first)
            if not layout:
                continue
            matrix = self._float32(np.array(pending.scores[first:end], np.float64), pending.places[first:end], "a score")
            for name, position in resolved.declared.items():
                runs.setdefault(name, []).append((first, matrix[:, position]))
            for identity, position in resolved.new.items():
                self._new_scores.setdefault(identity, []).append((first_row + first, matrix[:, position].copy()))
        for name in self._scores:
            arrays[name] = (
                _score_array(_dense(runs[name], len(pending.places)))
                if name in runs
                else pa.nulls(len(pending.places), pa.float32())
            )
        self._chunks.append(pa.table([arrays[name] for name in self.declared.names], schema=self.declared))

    def _resolve(self, layout: Layout) -> _Resolved:
        resolved = self._resolved.get(layout)
        if resolved is None:
            scores = set(self._scores)
            declared: dict[str, int] = {}
            new: dict[Identity, int] = {}
            for position, (kind, name) in enumerate(layout):
                column = vocabulary.known_column(name, kind)
                if column in scores and column is not None:
                    declared.setdefault(column, position)
                else:
                    new.setdefault(Identity(kind, name), position)
            resolved = _Resolved(declared, new, len(layout) - len(declared) - len(new))
            self._resolved[layout] = resolved
        return resolved

    def _float32(self, values: NDArray[np.float64], places: list[Place], what: str) -> NDArray[np.float32]:
        with np.errstate(over="ignore"):
            rounded = values.astype(np.float32)
        too_large = np.isinf(rounded)
        if too_large.any():
            at = tuple(np.argwhere(too_large)[0])
            raise UnreadableResponse(
                f"{self._item}: {place_text(places[at[0]])}: {what} is {float(values[at])!r}, which no float32 holds.",
                item=self._item,
            )
        self.scores_rounded += int(np.count_nonzero((rounded != values) & ~np.isnan(values)))
        return rounded


def _dense(runs: list[tuple[int, NDArray[np.float32]]], rows: int) -> NDArray[np.float32]:
    """Put runs of values at their rows; NaN, which no JSON holds, stands for null."""
    if len(runs) == 1 and len(runs[0][1]) == rows:
        return runs[0][1]
    dense = np.full(rows, np.nan, np.float32)
    for first, values in runs:
        dense[first : first + len(values)] = values
    return dense


def _score_array(values: NDArray[np.float32]) -> pa.Array:
    return pa.array(np.ascontiguousarray(values), from_pandas=True)
