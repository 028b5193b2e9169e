"""How a table is declared: its columns, their types, what a row means."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

UTC_TIME = pa.timestamp("us", "UTC")
#: Field metadata under which an expression column keeps the name Hume gave it.
HUME_NAME = b"hume_name"
#: Field metadata of a column that is not declared here: the kind of its name; or, where it is no score, its path in a row.
HUME_KIND = b"hume_kind"
HUME_FIELD = b"hume_field"
#: Table metadata: what Hume calls the model.
HUME_MODEL = b"hume_model"


@dataclass(frozen=True, slots=True)
class Column:
    """One column. ``hume_name`` is set where it holds the score of an expression."""

    name: str
    type: pa.DataType
    about: str
    hume_name: str | None = None

    def field(self) -> pa.Field:
        return pa.field(self.name, self.type, metadata={HUME_NAME: self.hume_name.encode()} if self.hume_name else None)


@dataclass(frozen=True, slots=True)
class Table:
    """One table: ``row`` says what a row is; ``model`` is whose answers they are, as `scorings` names it, else None."""

    name: str
    row: str
    columns: tuple[Column, ...]
    model: str | None = None

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([column.field() for column in self.columns])


def declared(name: str, type_: pa.DataType, about: str) -> Column:
    """Return a column that holds no score of its own."""
    return Column(name, type_, about)


S, F32, F64, I64, I32, B = pa.string(), pa.float32(), pa.float64(), pa.int64(), pa.int32(), pa.bool_()

#: The three columns every row of scores carries.
KEYS = (
    declared("recording_id", S, "what was scored: the sha256 of its bytes, or a prefixed id where only less is known"),
    declared("scoring_id", S, "the answer this row came in; joins to `scorings`"),
    declared("load_id", S, "the load that committed this row; joins to `loads`"),
)
