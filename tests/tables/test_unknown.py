"""New columns get names that meet nothing, whatever order tables and columns come in."""

from __future__ import annotations

import random
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from humeanalytics.tables.schema import schema_of
from humeanalytics.tables.unknown import (
    FIELD,
    OTHER,
    OTHER_FIELDS,
    as_json,
    field_column,
    gathered,
    identity_of,
    score_field,
    settle_unknown,
)

NAMES = ["Zest", "zest", "ZEST!", "Joy!", "File", "???", "!!!", "Ärger", "Arger", "other", "Other fields", "a b", "a-b", "AU99"]


def new(*columns: tuple[str, str, float], rows: int = 1) -> pa.Table:
    """Return a table of new scores as they are before they have names."""
    fields = [score_field(kind, name) for kind, name, _ in columns]
    return pa.table([pa.array([value] * rows, pa.float32()) for _, _, value in columns], schema=pa.schema(fields))


def held(table: pa.Table) -> dict[str, Any]:
    """Return the first row of a table by what its columns hold, not by what they are called."""
    found: dict[str, Any] = {}
    for field in table.schema:
        value = table[field.name][0].as_py()
        if value is None:
            continue
        if field.name == OTHER.name:
            found |= dict(value)
        elif field.name == OTHER_FIELDS.name:
            found |= {f"field {key}": text for key, text in value}
        elif (identity := identity_of(field)) and identity.kind == FIELD:
            found[f"field {identity.key}"] = value if isinstance(value, str) else as_json(value)
        elif identity:
            found[identity.key] = value
        else:
            found[field.name] = value
    return found


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 12))
def test_nothing_is_lost_or_doubled_and_order_does_not_matter(seed: int, limit: int) -> None:
    rng = random.Random(seed)
    identities = [
        (kind, name) for name in rng.sample(NAMES, rng.randrange(1, 12)) for kind in rng.sample(["expression", "description"], 1)
    ]
    columns = [(kind, name, float(i)) for i, (kind, name) in enumerate(identities)]
    table = new(*columns)
    existing = settle_unknown(new(*rng.sample(columns, rng.randrange(len(columns) + 1))), schema_of("face"), limit).schema
    existing = pa.schema([*schema_of("face"), *existing])
    settled = settle_unknown(table, existing, limit)
    assert held(settled) == held(table)
    assert len({name.lower() for name in settled.column_names}) == settled.num_columns
    for field in settled.schema:
        if field.name in existing.names:
            assert identity_of(existing.field(field.name)) == identity_of(field)
    assert settle_unknown(new(*rng.sample(columns, len(columns))), existing, limit).equals(settled)
    assert settle_unknown(settled, existing, limit).equals(settled)
    known = sum(identity_of(field) is not None for field in existing)
    added = sum(identity_of(f) is not None and f.name not in existing.names for f in settled.schema)
    assert known + added <= max(limit, known)


def test_a_column_that_holds_the_same_takes_it_whatever_it_is_called() -> None:
    existing = pa.schema([score_field("expression", "Zest?", "zest"), score_field("expression", "Zest!", "x_12345678")])
    assert settle_unknown(new(("expression", "Zest!", 1.0)), existing).column_names == ["x_12345678"]


def test_declared_columns_stay_where_they_are() -> None:
    table = pa.table({"file": ["a"], "frame": [1]}).append_column(
        score_field("expression", "Awe!"), pa.array([1.0], pa.float32())
    )
    assert settle_unknown(table, schema_of("face")).column_names == [
        "file",
        "frame",
        "x_" + settle_unknown(table, schema_of("face")).column_names[2][2:],
    ]
    assert settle_unknown(table, pa.schema([])).column_names == ["file", "frame", "awe"]


def test_what_is_past_the_limit_comes_back_where_there_is_a_column_for_it() -> None:
    folded = settle_unknown(new(("expression", "A", 1.0), ("expression", "B", 2.0)), pa.schema([]), 1)
    assert folded.to_pylist() == [{"a": 1.0, "other": [("B", 2.0)]}]
    existing = pa.schema([score_field("expression", "B", "b")])
    assert settle_unknown(folded, existing, 1).to_pylist() == [{"b": 2.0, "other": [("A", 1.0)]}]


def field_table(name: str, *values: Any) -> pa.Table:
    field, array = field_column(name, list(enumerate(values)), len(values))
    return pa.table([array], schema=pa.schema([field]))


def test_a_field_of_another_type_goes_where_it_fits() -> None:
    numbers = settle_unknown(field_table("gaze", 0.5, 1), pa.schema([]))
    assert numbers.to_pydict() == {"gaze": [0.5, 1.0]}
    text = settle_unknown(field_table("gaze", "left"), numbers.schema)
    assert text.column_names != ["gaze"]
    both = pa.schema([*numbers.schema, *text.schema])
    assert settle_unknown(field_table("gaze", "right"), both).column_names == text.column_names
    assert settle_unknown(field_table("gaze", 2.5), both).column_names == ["gaze"]
    only_text = settle_unknown(field_table("gaze", "left"), pa.schema([]))
    assert settle_unknown(field_table("gaze", 2.5), only_text.schema).to_pydict() == {"gaze": ["2.5"]}


def test_fields_past_the_limit_are_kept_as_text() -> None:
    assert settle_unknown(field_table("gaze", 0.5, None), pa.schema([]), 0).to_pydict() == {
        "other_fields": [[("gaze", "0.5")], None]
    }


@pytest.mark.parametrize("name", NAMES)
def test_an_expression_and_a_field_of_one_name_stay_apart(name: str) -> None:
    table = new(("expression", name, 1.0))
    field, array = field_column(name, [(0, "text")], 1)
    settled = settle_unknown(table.append_column(field, array), schema_of("face"))
    assert sorted(map(str, settled.to_pylist()[0].values())) == ["1.0", "text"]


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 8))
def test_tables_are_gathered_by_what_their_columns_hold(seed: int, limit: int) -> None:
    rng = random.Random(seed)
    tables = []
    for i in range(rng.randrange(1, 5)):
        table = pa.table({"frame": [i]})
        for name in rng.sample(NAMES, rng.randrange(5)):
            table = table.append_column(score_field("expression", name), pa.array([float(i)], pa.float32()))
        for name in rng.sample(["gaze", "Zest"], rng.randrange(3)):
            table = table.append_column(*field_column(name, [(0, rng.choice([0.5, "left"]))], 1))
        tables.append(settle_unknown(table, schema_of("face")))
    whole = gathered(tables, limit)
    assert [held(whole.slice(i, 1)) for i in range(len(tables))] == [held(table) for table in tables]


def test_gathering_equal_tables_copies_nothing() -> None:
    table = settle_unknown(new(("expression", "Zest", 1.0)), schema_of("face"))
    assert gathered([table, table]).equals(pa.concat_tables([table, table]))
