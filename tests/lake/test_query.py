from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lake_rows import at, commit, item, scoring, spoken

from humeanalytics.errors import LakeError, MissingExtra, QueryError, UsageError
from humeanalytics.lake.lake import Lake, open_lake


def fill(lake: Lake) -> Lake:
    commit(
        lake,
        "a",
        prosody=[spoken(f"s{i}", f"r{i}", joy=i / 8) for i in range(4)],
        scorings=[scoring(f"s{i}", f"r{i}", minutes=i) for i in range(4)],
        items=[item(f"i{i}", f"r{i}", minutes=i) for i in range(4)],
    )
    return lake


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """A lake that no test changes."""
    with open_lake(tmp_path_factory.mktemp("filled") / "lake") as lake:
        yield fill(lake)


@pytest.fixture
def growing(lake: Lake) -> Lake:
    """A lake of the same content, to change."""
    return fill(lake)


# ------------------------------------------------------------------------------------------------------------------- forms
def test_an_answer_comes_in_every_form(filled: Lake) -> None:
    query = filled.sql("SELECT recording_id, joy FROM prosody ORDER BY 1")
    assert query.columns == ["recording_id", "joy"]
    expected = [{"recording_id": f"r{i}", "joy": i / 8} for i in range(4)]
    assert query.rows() == expected
    assert query.arrow().to_pylist() == expected
    assert query.pl().to_dicts() == expected
    assert query.df().to_dict("records") == expected
    assert pa.table(query).to_pylist() == expected
    assert pl.DataFrame(query).to_dicts() == expected
    assert [row for batch in query.batches() for row in batch.to_pylist()] == expected
    assert query.arrow().schema.field("joy").type == pa.float32()


def test_an_answer_without_rows_has_its_columns_in_every_form(filled: Lake) -> None:
    query = filled.sql("SELECT recording_id, seen_at FROM items WHERE false")
    assert query.rows() == []
    for table in (query.arrow(), pa.table(query)):
        assert table.schema.names == ["recording_id", "seen_at"]
        assert table.schema.field("seen_at").type == pa.timestamp("us", "UTC")
    assert list(query.df().columns) == ["recording_id", "seen_at"]


def test_sums_and_counts_are_integers(filled: Lake) -> None:
    (row,) = filled.sql("SELECT sum(rows) AS rows, count(*) AS n, sum(1) AS ones FROM scorings").rows()
    assert row == {"rows": 4, "n": 4, "ones": 4}
    assert all(type(value) is int for value in row.values())
    assert filled.sql("SELECT sum(rows) AS rows FROM scorings").df()["rows"].dtype == "int64"
    with pytest.raises(QueryError, match=r"INT64"):
        filled.sql("SELECT sum(x) AS s FROM (VALUES (9223372036854775807), (1)) AS t(x)").rows()


def test_a_csv_is_written_whole_or_not_at_all(filled: Lake, tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    query = filled.sql("SELECT recording_id, seen_at, timestamp '2026-01-01 08:00:00' AS local FROM items ORDER BY 1 LIMIT 2")
    assert query.to_csv(path) == path
    assert path.read_text().splitlines() == [
        "recording_id,seen_at,local",
        "r0,2026-03-01T12:00:00.000000Z,2026-01-01 08:00:00",
        "r1,2026-03-01T12:01:00.000000Z,2026-01-01 08:00:00",
    ]
    broken = filled.sql("SELECT CASE WHEN range < 300000 THEN 1 ELSE CAST('x' || range AS INT) END FROM range(400000)")
    with pytest.raises(QueryError, match="x300000"):
        broken.to_csv(path)
    assert path.read_text().startswith("recording_id,")
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["out.csv"]


def test_parquet_is_written(filled: Lake, tmp_path: Path) -> None:
    path = filled.sql("SELECT recording_id, joy, timestamptz '2026-01-01 08:00:00+02' AS at FROM prosody ORDER BY 1").to_parquet(
        tmp_path / "out.parquet"
    )
    table = pq.read_table(path)
    assert table.column("joy").to_pylist() == [0.0, 0.125, 0.25, 0.375]
    assert table.column("at")[0].as_py() == datetime(2026, 1, 1, 6, tzinfo=UTC)
    with pytest.raises(UsageError, match="no folder"):
        filled["prosody"].to_parquet(tmp_path / "nowhere" / "out.parquet")


def test_it_looks_like_a_table(filled: Lake) -> None:
    query = filled.sql("SELECT recording_id, joy, seen_at, '<b>' AS tag FROM prosody JOIN items USING (recording_id) ORDER BY 1")
    shown = repr(query)
    assert "recording_id" in shown and "0.375" in shown and "2026-03-01 12:03" in shown
    html = query._repr_html_()
    assert "&lt;b&gt;" in html and "<b>" not in html
    assert "linear-gradient(to right, " in html and "37.5%" in html
    assert "2026-03-01 12:03:00Z" in html
    assert "4 rows, 4 columns" in html


def test_a_long_answer_shows_its_beginning(filled: Lake) -> None:
    query = filled.sql("SELECT range AS n, NULL AS nothing, range / 3 AS third FROM range(1000000)")
    assert "The first 20 rows" in repr(query)
    html = query._repr_html_()
    assert html.count("<tr>") == 21
    assert "null</td>" in html


# ------------------------------------------------------------------------------------------------------------------- times
def test_times_are_utc_in_every_form_whatever_the_machines_zone(filled: Lake, tmp_path: Path) -> None:
    program = """
import json, sys
from humeanalytics.lake.lake import open_lake
lake = open_lake(sys.argv[1])
columns = "seen_at, strftime(seen_at, '%H:%M') AS clock, date_trunc('day', seen_at) AS day"
query = lake.sql(f"SELECT {columns} FROM items WHERE item_id = 'i1'")
table, frame, polar, (row,) = query.arrow(), query.df(), query.pl(), query.rows()
print(json.dumps([
    str(table.schema.field("seen_at").type), str(frame["seen_at"].dtype), str(polar["seen_at"].dtype),
    row["seen_at"].isoformat(), frame["seen_at"][0].isoformat(), polar["seen_at"][0].isoformat(), row["clock"],
    row["day"].isoformat(), query.to_csv(sys.argv[2]).read_text().split(",")[2].partition("\\n")[2],
    "2026-03-01 12:01" in repr(query), "2026-03-01 12:01:00Z" in query._repr_html_(),
    [m for m in sys.modules if m == "pytz"],
]))
"""
    for zone in ("America/New_York", "Asia/Kolkata"):
        result = subprocess.run(
            [sys.executable, "-c", program, filled.uri, str(tmp_path / "t.csv")],
            env={**os.environ, "TZ": zone},
            capture_output=True,
            text=True,
            check=True,
        )
        time = "2026-03-01T12:01:00+00:00"
        assert json.loads(result.stdout) == [
            "timestamp[us, tz=UTC]",
            "datetime64[us, UTC]",
            "Datetime(time_unit='us', time_zone='UTC')",
            *[time] * 3,
            "12:01",
            "2026-03-01T00:00:00+00:00",
            "2026-03-01T12:01:00.000000Z",
            True,
            True,
            [],
        ]


# -------------------------------------------------------------------------------------------------- parameters and frames
def test_parameters_by_position_and_by_name(filled: Lake) -> None:
    assert filled.sql("SELECT count(*) AS n FROM prosody WHERE joy > ? AND recording_id <> ?", [0.1, "r3"]).rows() == [{"n": 2}]
    named = filled.sql(
        "SELECT count(*) AS n FROM items WHERE seen_at >= $since AND name = $name", {"since": at(1), "name": "i1.wav"}
    )
    assert named.rows() == [{"n": 1}]
    assert named.rows() == [{"n": 1}]
    assert filled.sql("SELECT ? AS x", ["Robert'); DROP TABLE items; --"]).rows() == [{"x": "Robert'); DROP TABLE items; --"}]


REPORT = {"recording_id": ["r1", "r2"], "mood": [3, 5]}


@pytest.mark.parametrize(
    "frame",
    [
        pa.table(REPORT),
        pa.record_batch(REPORT),
        pa.table(REPORT).to_reader(),
        pd.DataFrame(REPORT),
        pd.DataFrame(REPORT).set_index("recording_id"),
        pl.DataFrame(REPORT),
        pl.LazyFrame(REPORT),
    ],
    ids=["table", "batch", "reader", "pandas", "pandas-index", "polars", "lazy"],
)
def test_a_frame_goes_by_its_name(filled: Lake, frame: object) -> None:
    query = filled.sql(
        "SELECT r.recording_id, r.mood, p.joy FROM report AS r JOIN prosody AS p USING (recording_id)", report=frame
    )
    for _ in range(2):
        rows = sorted(query.rows(), key=str)
        assert rows == [{"recording_id": "r1", "mood": 3, "joy": 0.125}, {"recording_id": "r2", "mood": 5, "joy": 0.25}]


def test_a_query_goes_by_its_name_and_stays_lazy(growing: Lake) -> None:
    happy = growing.sql("SELECT * FROM prosody WHERE joy > ?", [0.2])
    query = growing.sql("SELECT count(*) AS n FROM query AS q, params AS p", query=happy, params=pa.table({"x": [1]}))
    assert query.rows() == [{"n": 2}]
    commit(growing, "b", prosody=[spoken("s9", "r9", joy=0.9)])
    assert query.rows() == [{"n": 3}]


def test_a_pandas_frame_with_nullable_and_zoned_columns_comes_through(filled: Lake) -> None:
    frame = pd.DataFrame(
        {
            "n": pd.array([1, None], dtype="Int64"),
            "t": pd.to_datetime(["2026-01-01 12:00", None]).tz_localize("Europe/Berlin"),
            "c": pd.Categorical(["x", "y"]),
            "d": [date(2026, 1, 1), None],
        }
    )
    rows = filled.sql("SELECT n, t, c, d FROM mine", mine=frame).rows()
    assert rows[0] == {"n": 1, "t": datetime(2026, 1, 1, 11, tzinfo=UTC), "c": "x", "d": date(2026, 1, 1)}
    assert rows[1] == {"n": None, "t": None, "c": "y", "d": None}


def test_what_is_no_frame_is_told(filled: Lake) -> None:
    with pytest.raises(UsageError, match="report is a list, not a frame"):
        filled.sql("SELECT * FROM report", report=[1, 2])


def test_only_frames_given_by_name_are_seen(filled: Lake) -> None:
    mine = pa.table(REPORT)
    with pytest.raises(QueryError, match="mine"):
        filled.sql("SELECT * FROM mine").rows()
    assert mine.num_rows == 2


def test_a_table_of_a_provider_is_asked_for_when_a_query_names_it(filled: Lake) -> None:
    calls: list[int] = []

    def jobs() -> pa.Table:
        calls.append(1)
        return pa.table({"job_id": [f"j{len(calls)}"]})

    with open_lake(filled.uri, providers={"jobs": jobs}) as lake:
        lake.sql("SELECT count(*) FROM prosody").rows()
        assert calls == []
        assert lake.sql("SELECT * FROM Jobs").rows() == [{"job_id": "j1"}]
        assert lake["jobs"].rows() == [{"job_id": "j2"}]


def test_a_file_of_the_users_is_read_by_path(filled: Lake, tmp_path: Path) -> None:
    (tmp_path / "self report.csv").write_text("recording_id,mood\nr1,3\n")
    rows = filled.sql(f"SELECT mood, joy FROM '{tmp_path / 'self report.csv'}' JOIN prosody USING (recording_id)").rows()
    assert rows == [{"mood": 3, "joy": 0.125}]


# ------------------------------------------------------------------------------------------------------------------ errors
def test_a_misspelt_table_is_duckdbs_own_error_with_the_tables_there_are(filled: Lake) -> None:
    with pytest.raises(QueryError) as caught:
        filled.sql("SELECT * FROM prosidy", report=pa.table(REPORT)).rows()
    message = str(caught.value)
    assert "Table with name prosidy does not exist" in message
    assert 'Did you mean "prosody"?' in message
    assert "Tables: face, prosody, burst, language, ner, facemesh, " in message
    assert "report" in message and "coverage" in message
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("form", ["arrow", "df", "pl", "rows", "columns", "__repr__", "_repr_html_", "__arrow_c_stream__"])
def test_an_error_is_the_same_in_every_form(filled: Lake, form: str) -> None:
    query = filled.sql("SELECT joi FROM prosody")
    with pytest.raises(QueryError, match="joi"):
        value = getattr(query, form)
        value()


def test_an_error_in_the_middle_of_a_stream_is_a_query_error(filled: Lake) -> None:
    query = filled.sql("SELECT CASE WHEN range < 300000 THEN 1 ELSE CAST('x' || range AS INT) END AS a FROM range(400000)")
    with pytest.raises(QueryError, match="x300000"):
        for _ in query.batches():
            pass


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO items VALUES (1)",
        "CREATE TABLE x AS SELECT 1",
        "CREATE TEMP VIEW v AS SELECT 1",
        "DROP VIEW prosody",
        "COPY (SELECT 1) TO 'out.csv'",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO 'out.csv'",
        "explain /* x */ (analyze, format json) COPY (SELECT 1) TO 'out.csv'",
        "ATTACH 'x.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "PRAGMA database_list",
        "SET TimeZone = 'Europe/Berlin'",
        "SELECT 1; SELECT 2",
        "SELECT 1; COPY (SELECT 1) TO 'out.csv'",
        "",
        "-- nothing",
        "SELEC 1",
        "WITH gone AS (DELETE FROM internal.hidden_loads RETURNING *) SELECT * FROM gone",
        "EXPLAIN ANALYZE INSERT INTO internal.hidden_loads VALUES ('a')",
    ],
)
def test_what_is_no_question_is_refused(filled: Lake, sql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*.csv"))
    with pytest.raises(QueryError):
        filled.sql(sql).rows()
    assert sorted(tmp_path.rglob("*.csv")) == before
    assert filled.sql("SELECT count(*) AS n FROM prosody").rows() == [{"n": 4}]


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("FROM prosody", 4),
        ("TABLE prosody", 4),
        ("VALUES (1), (2)", 2),
        ("WITH t AS (SELECT 1) SELECT * FROM t;", 1),
        ("SELECT 1 -- the end", 1),
        ("PIVOT (SELECT recording_id, model FROM scorings) ON model USING count(*)", 4),
        ("SUMMARIZE SELECT joy FROM prosody", 1),
        ("EXPLAIN SELECT 1", 1),
        ("EXPLAIN ANALYZE SELECT count(*) FROM prosody", 1),
    ],
)
def test_every_kind_of_question_is_taken(filled: Lake, sql: str, rows: int) -> None:
    query = filled.sql(sql)
    assert query.arrow().num_rows == rows
    assert len(query.columns) > 0
    assert repr(query)


def test_describe_and_show_tell_of_the_lake(filled: Lake) -> None:
    assert {"recording_id", "joy"} <= {r["column_name"] for r in filled.sql("DESCRIBE prosody").rows()}
    shown = {r["name"] for r in filled.sql("SHOW TABLES").rows()}
    assert {"prosody", "prosody_all", "prosody_labelled", "coverage"} <= shown
    assert not {"hidden_loads", "hidden_scorings"} & shown


def test_a_missing_library_is_named_with_its_extra(filled: Lake) -> None:
    program = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in ("pandas", "polars"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
from humeanalytics.errors import MissingExtra
from humeanalytics.lake.lake import open_lake
query = open_lake(sys.argv[1]).sql("SELECT joy FROM prosody ORDER BY 1")
print(query.rows()[1])
for form in (query.df, query.pl):
    try:
        form()
    except MissingExtra as error:
        print(error)
"""
    out = subprocess.run(
        [sys.executable, "-c", program, filled.uri], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert out[0] == "{'joy': 0.125}"
    assert out[1].startswith("pandas is not installed. Install it with: ")
    assert out[2].startswith("polars is not installed. Install it with: ")
    assert issubclass(MissingExtra, ImportError)


def test_a_closed_lake_says_so(growing: Lake) -> None:
    query = growing["prosody"]
    growing.close()
    with pytest.raises(LakeError, match="was closed"):
        query.rows()
    with pytest.raises(LakeError, match="was closed"):
        growing.sql("SELECT 1")


# ----------------------------------------------------------------------------------------------------------------- threads
def test_threads_that_ask_first_at_once_share_one_catalog(filled: Lake) -> None:
    with open_lake(filled.uri) as lake:
        barrier = threading.Barrier(6)
        found: list[object] = []

        def ask() -> None:
            barrier.wait()
            found.append((id(lake._catalog), lake.sql("SELECT count(*) AS n FROM prosody").rows()))

        threads = [threading.Thread(target=ask) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [(id(lake._catalog), [{"n": 4}])] * 6


def test_many_threads_ask_while_loads_come_in(growing: Lake) -> None:
    """Each answer is of one state of the lake: as many rows of prosody as of scorings, whatever comes in meanwhile."""
    query = growing.sql("SELECT (SELECT count(*) FROM prosody_all) AS p, (SELECT count(*) FROM scorings_all) AS s")
    wrong: list[object] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            try:
                (row,) = query.rows()
                if row["p"] != row["s"]:
                    wrong.append(row)
            except BaseException as error:
                wrong.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for k in range(8):
        commit(growing, f"more-{k}", prosody=[spoken(f"m{k}", f"m{k}")], scorings=[scoring(f"m{k}", f"m{k}")])
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert query.rows() == [{"p": 12, "s": 12}]


def test_a_stream_can_be_read_while_others_ask(growing: Lake) -> None:
    stream = pa.RecordBatchReader.from_stream(growing.sql("SELECT range AS n FROM range(200000)"))
    first = stream.read_next_batch().num_rows
    commit(growing, "b", prosody=[spoken("s9", "r9")], scorings=[scoring("s9", "r9")])
    assert growing.sql("SELECT count(*) AS n FROM prosody").rows() == [{"n": 5}]
    assert first + sum(batch.num_rows for batch in stream) == 200_000
