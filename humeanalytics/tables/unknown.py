"""Give a column to what nobody has heard of: new names of expressions, new fields of rows.

A new column says in its field metadata what it holds: an expression ``hume_name`` and ``hume_kind``, a field ``hume_field``.
That, and not the column's name, is what it is known by. Its name comes from `vocabulary.column`; one that would meet another
column becomes ``x_`` and a hash. Past a limit new columns go to two map columns, ``other`` (scores) and ``other_fields``
(text), so that a file of nonsense cannot widen a table without end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from humeanalytics import vocabulary
from humeanalytics.tables.schema import HUME_FIELD, HUME_KIND, HUME_NAME

#: New columns a table may have, before the rest go to the map columns.
LIMIT = 500
#: Map column of scores: Hume's name (prefixed by its kind, unless it is an expression) -> score.
OTHER = pa.field("other", pa.map_(pa.string(), pa.float32()))
#: Map column of fields: path in the row -> value as text.
OTHER_FIELDS = pa.field("other_fields", pa.map_(pa.string(), pa.string()))

_MAPS = {OTHER.name: OTHER, OTHER_FIELDS.name: OTHER_FIELDS}

#: The kind of an `Identity` that is a field of rows and no score.
FIELD = "field"


class Identity(NamedTuple):
    """What a new column holds: ``kind`` is a kind of names, or ``field``; ``name`` is Hume's."""

    kind: str
    name: str

    @property
    def key(self) -> str:
        """Its key in a map column."""
        return self.name if self.kind == FIELD else vocabulary.PREFIXES[self.kind] + self.name

    @property
    def map(self) -> pa.Field:
        """The map column it goes to past the limit."""
        return OTHER_FIELDS if self.kind == FIELD else OTHER

    @property
    def candidates(self) -> tuple[str, str]:
        """The columns it may have, best first."""
        kind = "expression" if self.kind == FIELD else self.kind
        fallback = vocabulary.fallback_column(f"field {self.name}" if self.kind == FIELD else self.name, kind)
        return vocabulary.column(self.name, kind), fallback


def identity_of(field: pa.Field) -> Identity | None:
    """Return what a new column holds, or None for a declared column."""
    metadata = field.metadata or {}
    if HUME_FIELD in metadata:
        return Identity(FIELD, metadata[HUME_FIELD].decode())
    if HUME_KIND in metadata:
        return Identity(metadata[HUME_KIND].decode(), metadata[HUME_NAME].decode())
    return None


def score_field(kind: str, name: str, column: str = "") -> pa.Field:
    """Return the field of a new score; `settle_unknown` gives it its final name."""
    return pa.field(column or f"{kind}:{name}", pa.float32(), metadata={HUME_NAME: name.encode(), HUME_KIND: kind.encode()})


def field_column(name: str, values: Iterable[tuple[int, Any]], rows: int) -> tuple[pa.Field, pa.Array]:
    """Return field and values of a new field, from rows and values: float64 if all are numbers, text if all are, else JSON."""
    dense: list[Any] = [None] * rows
    for row, value in values:
        dense[row] = value
    if all(value is None or _is_exact_number(value) for value in dense):
        type_ = pa.float64()
    else:
        type_ = pa.string()
        dense = [value if value is None or isinstance(value, str) else as_json(value) for value in dense]
    return pa.field(f"{FIELD}:{name}", type_, metadata={HUME_FIELD: name.encode()}), pa.array(dense, type_)


def _is_exact_number(value: Any) -> bool:
    return type(value) is float or (type(value) is int and abs(value) <= 2**53)


def as_json(value: Any) -> str:
    """Return a value as compact JSON text."""
    return msgspec.json.encode(value).decode()


def map_column(rows: int, entries: Mapping[str, Iterable[tuple[int, Any]]], field: pa.Field) -> pa.Array:
    """Return a map column from, for each key, its rows and values. A row without any is null."""
    triples = sorted((row, key, value) for key, pairs in entries.items() for row, value in pairs)
    offsets: list[int | None] = [None] * (rows + 1)
    for position, (row, _, _) in reversed(list(enumerate(triples))):
        offsets[row] = position
    offsets[rows] = len(triples)
    keys = pa.array([key for _, key, _ in triples], pa.string())
    return pa.MapArray.from_arrays(
        pa.array(offsets, pa.int32()), keys, pa.array([v for _, _, v in triples], field.type.item_type)
    )


def settle_unknown(table: pa.Table, existing: pa.Schema, limit: int = LIMIT) -> pa.Table:
    """Name the new columns of a table so that it can be appended to a table of another schema.

    Pure; the same whatever the order of the columns, and doing it twice changes nothing. Declared columns stay as they are
    and where they are; new ones follow them in order of what they hold.

    Args:
        table: Rows to be appended.
        existing: The schema they will meet: the declared one, or that of the table in the lake, with its field metadata.
        limit: How many new columns there may be, those in ``existing`` counted.

    Returns:
        The same rows. A new column has the column of ``existing`` that holds the same, else its own name, else (where
        that would meet another column, compared without regard to case) its fallback; what is past the limit is in the
        map columns ``other`` and ``other_fields``.

    Examples:
        >>> zest = pa.table([pa.array([0.5], pa.float32())], schema=pa.schema([score_field("expression", "Joy!")]))
        >>> settle_unknown(zest, pa.schema([pa.field("joy", pa.float32(), metadata={"hume_name": "Joy"})])).column_names
        ['x_643e9686']
    """
    if not any(f.name in _MAPS or identity_of(f) for f in table.schema):
        return table
    homes: dict[Identity, list[pa.Field]] = {}
    for field in existing:
        if identity := identity_of(field):
            homes.setdefault(identity, []).append(field)
    plain = [f for f in table.schema if identity_of(f) is None and f.name not in _MAPS]
    taken = {name.lower() for name in (*existing.names, *(f.name for f in plain), *_MAPS)}
    room = limit - sum(map(len, homes.values()))
    new, rest = _unfold(table, homes)
    settled: list[tuple[pa.Field, pa.ChunkedArray]] = []
    for identity in sorted(new):
        field, array = new[identity]
        home = _home(field, homes.get(identity, ()))
        if home is None and room > 0:
            name = next((name for name in identity.candidates if name.lower() not in taken), None)
            if name is not None:
                home = field.with_name(name)
                taken.add(name.lower())
                room -= 1
        if home is not None:
            settled.append((home, _as_type(array, home.type)))
        else:
            values = _as_type(array, identity.map.type.item_type).to_pylist()
            pairs = [(row, value) for row, value in enumerate(values) if value is not None]
            rest[identity.map.name].setdefault(identity.key, []).extend(pairs)
    for name, entries in rest.items():
        if any(entries.values()):
            settled.append((_MAPS[name], map_column(len(table), entries, _MAPS[name])))
    return pa.table(
        [*(table[f.name] for f in plain), *(array for _, array in settled)],
        schema=pa.schema([*plain, *(field for field, _ in settled)], table.schema.metadata),
    )


def _unfold(
    table: pa.Table, homes: Iterable[Identity]
) -> tuple[dict[Identity, tuple[pa.Field, pa.ChunkedArray]], dict[str, dict[str, list[tuple[int, Any]]]]]:
    """Return the new columns of a table, with what its map columns hold for ``homes``, and what else the maps hold."""
    new = {identity: (f, table[f.name]) for f in table.schema if (identity := identity_of(f))}
    rest: dict[str, dict[str, list[tuple[int, Any]]]] = {name: {} for name in _MAPS}
    for name, entries in rest.items():
        if name in table.column_names:
            for row, pairs in enumerate(table[name].to_pylist()):
                for key, value in pairs or ():
                    entries.setdefault(key, []).append((row, value))
    for identity in homes:
        found = rest[identity.map.name].pop(identity.key, ())
        if found:
            values: list[Any] = [None] * len(table)
            for row, value in found:
                values[row] = value
            array = pa.chunked_array([pa.array(values, identity.map.type.item_type)])
            if identity in new:
                field, column = new[identity]
                new[identity] = field, pc.coalesce(column, _as_type(array, column.type))
            elif identity.kind == FIELD:
                new[identity] = pa.field("", pa.string(), metadata={HUME_FIELD: identity.name.encode()}), array
            else:
                new[identity] = score_field(*identity), array
    return new, rest


def _home(field: pa.Field, homes: Iterable[pa.Field]) -> pa.Field | None:
    """Return the column among ``homes`` that can take ``field``: one of its type, else one of text."""
    by_type = {home.type: home for home in homes}
    if field.type in by_type:
        return by_type[field.type]
    if identity_of(field).kind != FIELD:  # type: ignore[union-attr]  # scores are numbers, whatever width a lake gave them
        return next(iter(by_type.values()), None)
    return by_type.get(pa.string())


def _as_type(array: pa.ChunkedArray, type_: pa.DataType) -> pa.ChunkedArray:
    if array.type == type_:
        return array
    if type_ == pa.string():
        return pa.chunked_array([pa.array([v if v is None else as_json(v) for v in array.to_pylist()], type_)])
    return array.cast(type_)


def gathered(tables: Sequence[pa.Table], limit: int = LIMIT) -> pa.Table:
    """Return the rows of several tables of one model as one, columns that hold the same in one column.

    `pyarrow.concat_tables` goes by names alone: it would mix two names nobody has heard of that clean to one column, and fail
    where one field has numbers here and texts there.

    Args:
        tables: At least one; their declared columns have the same types.
        limit: As for `settle_unknown`.
    """
    if all(table.schema.equals(tables[0].schema, check_metadata=True) for table in tables):
        return pa.concat_tables(tables)
    known = pa.schema([])
    for table in tables:
        settled = settle_unknown(table, known, limit)
        known = pa.schema([*known, *(field for field in settled.schema if field.name not in known.names)])
    return pa.concat_tables([settle_unknown(table, known, limit) for table in tables], promote_options="default")
