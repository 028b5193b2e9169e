"""What docs/interop.md tells readers with other engines, tried: its SQL and its Python, as they stand there."""

from __future__ import annotations

import os
import re
from pathlib import Path

import duckdb
import polars as pl
import pytest
from deltalake import DeltaTable
from lake_rows import commit, scoring, spoken, table

from humeanalytics.lake.lake import Lake

PAGE = (Path(__file__).parents[2] / "docs" / "interop.md").read_text(encoding="utf-8")


def block(language: str, beginning: str) -> str:
    """The code of the page that holds some text."""
    found = [code for code in re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL) if beginning in code]
    assert len(found) == 1, beginning
    return found[0]


@pytest.fixture
def lake_of_all_kinds(lake: Lake) -> Lake:
    commit(lake, "a", prosody=[spoken("s1", "r1", joy=0.25)], scorings=[scoring("s1", "r1", minutes=1)])
    commit(lake, "b", prosody=[spoken("s2", "r1", joy=0.5)], scorings=[scoring("s2", "r1", minutes=2)])
    commit(lake, "wrong", prosody=[spoken("s3", "r2", joy=0.75)], scorings=[scoring("s3", "r2")])
    lake.loads.announce("right", flow="rebuild", run_id="run")
    lake.loads.commit("right", "prosody", table("prosody", spoken("s3", "r2", joy=1.0)))
    lake.loads.commit("right", "scorings", table("scorings", scoring("s3", "r2")))
    lake.loads.complete("right", "rebuild", "run", {"prosody": 1, "scorings": 1}, replaces=["wrong"])
    lake.loads.announce("pending", flow="batch", run_id="run")
    lake.loads.commit("pending", "prosody", table("prosody", spoken("s9", "r9", joy=0.0)))
    return lake


def delta_tables(lake: Lake) -> duckdb.DuckDBPyConnection:
    """Another engine's view of the tables: every row of their newest versions."""
    connection = duckdb.connect()
    for name in ("loads", "prosody", "scorings"):
        connection.register(name, DeltaTable(str(lake.path / "tables" / name)).to_pyarrow_table())
    return connection


def test_the_sql_for_whole_loads_gives_what_the_catalog_gives(lake_of_all_kinds: Lake) -> None:
    connection = delta_tables(lake_of_all_kinds)
    (replaced,) = re.findall(r"\| DuckDB \| `(.*)` \|", PAGE)
    connection.execute(f"CREATE VIEW replaced AS {replaced}")
    whole = block("sql", "Rows of prosody of whole loads").strip()
    rows = connection.sql(f"SELECT load_id, scoring_id, joy FROM ({whole}\n) ORDER BY ALL").fetchall()
    query = "SELECT load_id, scoring_id, joy FROM prosody_all ORDER BY ALL"
    assert rows == [tuple(row.values()) for row in lake_of_all_kinds.sql(query).rows()]
    assert rows == [("a", "s1", 0.25), ("b", "s2", 0.5), ("right", "s3", 1.0)]
    connection.execute(f"CREATE VIEW whole_scorings AS {whole.replace('prosody', 'scorings')}")
    newest = connection.sql(block("sql", "row_number()")).fetchall()
    held = lake_of_all_kinds.sql("SELECT DISTINCT scoring_id FROM prosody").rows()
    assert sorted(newest) == sorted(tuple(row.values()) for row in held) == [("s2",), ("s3",)]


def test_the_python_for_polars_runs_as_it_stands(
    lake_of_all_kinds: Lake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(lake_of_all_kinds.path.parent)
    assert os.path.basename(lake_of_all_kinds.path) == "lake"  # noqa: PTH119
    names: dict[str, object] = {}
    exec(block("python", "import polars"), names)
    prosody = names["prosody"]
    assert isinstance(prosody, pl.LazyFrame)
    assert sorted(prosody.select("load_id", "joy").collect().rows()) == [("a", 0.25), ("b", 0.5), ("right", 1.0)]
    assert "joy" in capsys.readouterr().out


def test_a_query_is_a_frame_to_others(lake_of_all_kinds: Lake) -> None:
    assert pl.DataFrame(lake_of_all_kinds["prosody"]).height == 2


def test_scores_tell_humes_name_in_the_delta_schema(lake_of_all_kinds: Lake) -> None:
    fields = {f.name: f for f in DeltaTable(str(lake_of_all_kinds.path / "tables" / "prosody")).schema().fields}
    assert fields["joy"].metadata == {"hume_name": "Joy"}
