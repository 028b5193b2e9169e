"""The declared tables: what holds for all of them."""

from __future__ import annotations

import duckdb
import pytest

from humeanalytics.tables.schema import TABLES, Table


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_columns_need_no_quotes_in_sql(table: Table) -> None:
    columns = [column.name for column in table.columns]
    assert len({name.lower() for name in columns}) == len(columns)
    one_row = ", ".join(f'1 AS "{name}"' for name in columns)
    with duckdb.connect() as database:
        assert database.execute(f"SELECT {', '.join(columns)} FROM (SELECT {one_row})").fetchone() == (1,) * len(columns)
        database.execute(f"FROM (SELECT 1 AS {table.name}) AS {table.name}")


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_keys_are_among_the_columns_that_have_statistics(table: Table) -> None:
    keys = [i for i, column in enumerate(table.columns) if column.name.endswith("_id")]
    assert max(keys, default=0) < 32
