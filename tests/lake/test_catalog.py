from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from lake_rows import at, commit, item, label, scoring, spoken, table

from humeanalytics.errors import TableNotFound
from humeanalytics.lake.catalog import _ASKS_FOR_VIEWS
from humeanalytics.lake.lake import Lake, open_lake
from humeanalytics.tables.schema import TABLES, schema_of
from humeanalytics.tables.unknown import score_field


def scorings_in(lake: Lake, name: str = "prosody") -> list[str]:
    """The scorings whose rows a table shows."""
    return [row["s"] for row in lake.sql(f"SELECT DISTINCT scoring_id AS s FROM {name} ORDER BY ALL").rows()]


# ------------------------------------------------------------------------------------------------------------- empty lakes
def test_a_table_that_is_not_there_yet_is_empty_with_its_columns(lake: Lake) -> None:
    for name, shown in itertools.product(TABLES, ("", "_all")):
        found = lake[name + shown].arrow()
        assert found.num_rows == 0
        declared = schema_of(name)
        assert found.schema.names[: len(declared)] == declared.names
        assert found.schema.types[: len(declared)] == declared.types


def test_the_views_of_an_empty_lake_answer(lake: Lake) -> None:
    for name in (
        "names",
        "coverage",
        "costs",
        "scores_v0",
        "scores_v1",
        "face_labelled",
        "video_faces_labelled",
        "items_labelled",
    ):
        assert (lake[name].arrow().num_rows > 0) == (name == "names"), name


def test_an_unknown_table_is_told_with_those_there_are(lake: Lake) -> None:
    with pytest.raises(TableNotFound, match=r"'prosodie'. There are: face, prosody"):
        lake["prosodie"]
    with pytest.raises(TableNotFound):
        lake["top_expressions"]
    with pytest.raises(TableNotFound, match=r"facemesh, audio_utterances, .*, video_scores, chats, chat_events, items"):
        lake.labelled("scorings")


@pytest.mark.parametrize("name", ["joy=0.875", "a lake & more", "with 'quotes\"", "st*r?", "Ünï{code}", "100%"])
def test_a_lake_may_lie_in_a_folder_of_any_usual_name(tmp_path: Path, name: str) -> None:
    if sys.platform == "win32" and set(name) & set('*?"'):
        pytest.skip("no such names here")
    with open_lake(tmp_path / name / "lake") as lake:
        commit(lake, "a", prosody=[spoken("s1", "r1", joy=0.25)], scorings=[scoring("s1", "r1")])
        commit(lake, "b", prosody=[spoken("s2", "r2", joy=0.5)], scorings=[scoring("s2", "r2")])
        expected = [{"recording_id": "r1", "joy": 0.25}, {"recording_id": "r2", "joy": 0.5}]
        assert lake.sql("SELECT recording_id, joy FROM prosody ORDER BY 1").rows() == expected
        assert lake._table("prosody").compact(many=1)
        assert lake.sql("SELECT recording_id, joy FROM prosody ORDER BY 1").rows() == expected
        with lake.raw.writer("batch", "predictions") as writer:
            kept = writer.commit()
        assert [file.response_id for file in lake.raw.list()] == [kept.response_id]


# ----------------------------------------------------------------------------------------------- which scoring of a recording
def test_a_table_shows_the_newest_scoring_of_each_recording_and_model(lake: Lake) -> None:
    commit(
        lake,
        "a",
        prosody=[spoken("old", "r1", joy=0.1), spoken("other", "r2", joy=0.2)],
        burst=[spoken("burst", "r1")],
        scorings=[scoring("old", "r1", minutes=1), scoring("other", "r2", minutes=1), scoring("burst", "r1", "burst", minutes=0)],
    )
    assert scorings_in(lake) == ["old", "other"]
    commit(lake, "b", prosody=[spoken("new", "r1", joy=0.9)] * 2, scorings=[scoring("new", "r1", minutes=2)])
    assert scorings_in(lake) == ["new", "other"]
    assert scorings_in(lake, "prosody_all") == ["new", "old", "other"]
    assert scorings_in(lake, "burst") == ["burst"]
    assert {r["scoring_id"]: r["newest"] for r in lake["scorings"].rows()} == {
        "old": False,
        "new": True,
        "other": True,
        "burst": True,
    }


def test_a_scoring_that_gave_no_rows_takes_the_place_of_one_that_did(lake: Lake) -> None:
    commit(lake, "a", prosody=[spoken("old", "r1")], scorings=[scoring("old", "r1", minutes=1)])
    commit(lake, "b", scorings=[scoring("new", "r1", minutes=2, rows=0)])
    assert scorings_in(lake) == []


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (
            {"scored_at": at(1), "loaded_at": at(9)},
            {"scored_at": at(2), "loaded_at": at(3)},
        ),
        ({"scored_at": None, "loaded_at": at(9)}, {"scored_at": at(1), "loaded_at": at(3)}),
        ({"scored_at": at(1), "loaded_at": at(2)}, {"scored_at": at(1), "loaded_at": at(3)}),
        ({"scored_at": None, "loaded_at": at(2)}, {"scored_at": None, "loaded_at": at(2)}),  # then the scoring_id
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_newest_is_by_scored_at_then_loaded_at_then_scoring_id(lake: Lake, first: dict, second: dict, turned: bool) -> None:
    loads = [("a", "s1", first), ("b", "s2", second)]
    for load_id, scoring_id, times in reversed(loads) if turned else loads:
        commit(lake, load_id, prosody=[spoken(scoring_id, "r1")], scorings=[scoring(scoring_id, "r1", **times)])
    assert scorings_in(lake) == ["s2"]


def test_two_ids_of_one_recording_are_one_recording(lake: Lake) -> None:
    commit(lake, "a", prosody=[spoken("old", "md5:77")], scorings=[scoring("old", "md5:77", minutes=1)])
    commit(lake, "b", prosody=[spoken("new", "abc")], scorings=[scoring("new", "abc", minutes=2)])
    assert scorings_in(lake) == ["new", "old"]
    commit(
        lake,
        "c",
        recording_aliases=[{"alias_id": "md5:77", "recording_id": "url:1"}, {"alias_id": "url:1", "recording_id": "abc"}],
    )
    assert scorings_in(lake) == ["new"]


def test_one_scoring_that_two_loads_brought_counts_once(lake: Lake) -> None:
    rows = {"prosody": [spoken("s1", "r1"), spoken("s1", "r1", 1.0, 2.0)]}
    commit(lake, "first", **rows, scorings=[scoring("s1", "r1", loaded_at=at(1))])
    commit(lake, "again", **rows, scorings=[scoring("s1", "r1", loaded_at=at(2))])
    assert lake.sql("SELECT load_id, count(*) AS n FROM prosody GROUP BY ALL").rows() == [{"load_id": "first", "n": 2}]
    assert lake["prosody_all"].arrow().num_rows == 4
    assert [r["load_id"] for r in lake["scorings"].rows()] == ["first"]


def test_rows_without_a_scoring_are_seen(lake: Lake) -> None:
    commit(lake, "a", prosody=[spoken("s1", "r1"), {"recording_id": "r2", "joy": 0.5}])
    commit(lake, "b", prosody=[spoken("s2", "r3")], scorings=[scoring("s2", "r3"), scoring("s3", "r3", minutes=1)])
    found = lake.sql("SELECT recording_id FROM prosody ORDER BY 1").rows()
    assert [row["recording_id"] for row in found] == ["r1", "r2"]


# -------------------------------------------------------------------------------------------------------- items and labels
def test_a_recording_is_left_out_when_all_its_items_are_excluded(lake: Lake) -> None:
    commit(
        lake,
        "a",
        prosody=[spoken("s1", "r1"), spoken("s2", "r2")],
        scorings=[scoring("s1", "r1"), scoring("s2", "r2")],
        items=[item("i1", "r1"), item("i2", "r2"), item("i3", "r2")],
    )
    out = {"excluded_reason": "withdrew"}
    commit(lake, "b", items=[item("i1", "r1", 1, **out), item("i2", "r2", 1, **out)])
    assert scorings_in(lake) == ["s2"]
    assert scorings_in(lake, "prosody_all") == ["s1", "s2"]
    assert [r["item_id"] for r in lake.sql("SELECT item_id FROM prosody_labelled").rows()] == ["i3"]
    commit(lake, "c", items=[item("i3", "r2", 2, **out)])
    assert scorings_in(lake) == []
    commit(lake, "d", items=[item("i1", "r1", 3)])
    assert scorings_in(lake) == ["s1"]


def test_an_item_excluded_under_another_id_of_its_recording_counts(lake: Lake) -> None:
    commit(
        lake,
        "a",
        prosody=[spoken("s1", "md5:1")],
        scorings=[scoring("s1", "md5:1")],
        items=[item("i1", "abc", excluded_reason="withdrew")],
    )
    assert scorings_in(lake) == ["s1"]
    commit(lake, "b", recording_aliases=[{"alias_id": "md5:1", "recording_id": "abc"}])
    assert scorings_in(lake) == []


def test_items_are_as_they_were_last_written(lake: Lake) -> None:
    commit(lake, "a", items=[item("i1", "r1", 5, duration_s=2.0)])
    commit(lake, "b", items=[item("i1", "r1", 1, duration_s=1.0)])
    (row,) = lake["items"].rows()
    assert (row["duration_s"], row["seen_at"]) == (2.0, at(5))
    assert lake["items_all"].arrow().num_rows == 2


def test_labels_are_the_newest_and_an_empty_one_takes_away(lake: Lake) -> None:
    commit(lake, "a", labels=[label("i1", "participant", "007"), label("i1", "condition", "A"), label("i2", "condition", "A")])
    commit(lake, "b", labels=[label("i1", "condition", "B", 1), label("i2", "condition", "", 1)])
    found = {(r["item_id"], r["key"]): r["value"] for r in lake["labels"].rows()}
    assert found == {("i1", "participant"): "007", ("i1", "condition"): "B"}


def test_labels_become_columns(lake: Lake) -> None:
    commit(
        lake,
        "a",
        prosody=[spoken("s1", "r1"), spoken("s2", "r2"), spoken("s3", "r3")],
        scorings=[scoring("s1", "r1"), scoring("s2", "r2"), scoring("s3", "r3")],
        items=[item("i1", "r1"), item("i2", "r2")],
    )
    assert lake.labelled("prosody").arrow().num_rows == 3  # with no labels at all
    commit(lake, "b", labels=[label("i1", "participant", "007"), label("i2", "participant", "12"), label("i1", "a key", "x")])
    found = lake.sql('SELECT recording_id, item_id, uri, name, participant, "a key" AS a FROM prosody_labelled ORDER BY 1').rows()
    assert [tuple(row.values()) for row in found] == [
        ("r1", "i1", "/data/i1.wav", "i1.wav", "007", "x"),
        ("r2", "i2", "/data/i2.wav", "i2.wav", "12", None),
        ("r3", None, None, None, None, None),
    ]
    labelled = {row["item_id"]: row["participant"] for row in lake.labelled("items").rows()}
    assert labelled == {"i1": "007", "i2": "12"}


def test_a_recording_of_two_people_gives_its_rows_to_each(lake: Lake) -> None:
    commit(
        lake,
        "a",
        prosody=[spoken("s1", "r1"), spoken("s1", "r1", 1.0, 2.0)],
        scorings=[scoring("s1", "r1")],
        items=[item("i1", "r1"), item("i2", "r1")],
        labels=[label("i1", "participant", "A"), label("i2", "participant", "B")],
    )
    counts = lake.sql("SELECT participant, count(*) AS n FROM prosody_labelled GROUP BY ALL ORDER BY 1").rows()
    assert counts == [{"participant": "A", "n": 2}, {"participant": "B", "n": 2}]
    assert lake["prosody"].arrow().num_rows == 2


def test_labels_follow_a_recording_through_its_other_ids(lake: Lake) -> None:
    commit(
        lake,
        "a",
        prosody=[spoken("s1", "md5:1")],
        scorings=[scoring("s1", "md5:1")],
        items=[item("i1", "abc")],
        labels=[label("i1", "participant", "A")],
        recording_aliases=[{"alias_id": "md5:1", "recording_id": "abc"}],
    )
    assert [r["participant"] for r in lake.sql("SELECT participant FROM prosody_labelled").rows()] == ["A"]


def test_a_label_whose_key_is_a_column_already_gets_another_name(lake: Lake) -> None:
    commit(
        lake,
        "a",
        prosody=[spoken("s1", "r1")],
        ner=[{"scoring_id": "n1", "recording_id": "r1", "uri": "https://page"}],
        scorings=[scoring("s1", "r1"), scoring("n1", "r1", "ner")],
        items=[item("i1", "r1")],
        labels=[label("i1", key, f"is {key}") for key in ("text", "Joy", "name", "label_text", "quote\"d 'key'", "URI")],
    )
    (row,) = lake.labelled("prosody").rows()
    assert (row["text"], row["joy"], row["name"], row["uri"]) == ("No.", 0.5, "i1.wav", "/data/i1.wav")
    assert row["label_text"] == "is label_text"
    assert (row["label_label_text"], row["label_Joy"], row["label_name"]) == ("is text", "is Joy", "is name")
    assert (row["quote\"d 'key'"], row["label_URI"]) == ("is quote\"d 'key'", "is URI")
    (row,) = lake.labelled("ner").rows()
    assert (row["uri"], row["item_uri"], row["text"], row["label_text"]) == (
        "https://page",
        "/data/i1.wav",
        None,
        "is label_text",
    )
    (row,) = lake.labelled("items").rows()
    assert (row["uri"], row["text"], row["Joy"]) == ("/data/i1.wav", "is text", "is Joy")


# ------------------------------------------------------------------------------------------------------------- bookkeeping
def test_bookkeeping_shows_each_thing_once(lake: Lake) -> None:
    met = {"recording_id": "r1", "sha256": "r1", "size_bytes": 5, "media_type": "audio"}
    known = {"settings_id": "x", "api": "batch", "canonical_json": "{}"}
    answer = {"response_id": "p", "api": "batch", "kind": "predictions"}
    error = {"error_id": "e", "message": "no speech"}
    run = {"run_id": "run", "verb": "score", "started_at": at(0)}
    source = {"scoring_id": "s1", "response_id": "q", "uri": "saved.json"}
    commit(
        lake,
        "a",
        recordings=[met],
        settings=[known],
        responses=[{**answer, "received_at": at(1)}],
        errors=[{**error, "happened_at": at(1)}],
        runs=[run],
        scorings=[scoring("s1", "r1")],
        scoring_sources=[source],
    )
    commit(
        lake,
        "b",
        recordings=[{**met, "sha256": None, "md5": "7", "duration_s": 2.5}],
        settings=[known],
        responses=[{**answer, "received_at": at(2)}],
        errors=[{**error, "happened_at": at(2)}],
        runs=[{**run, "ended_at": at(9), "exit_code": 0}],
        scoring_sources=[source, {**source, "uri": "other.json"}],
    )
    (recording,) = lake["recordings"].rows()
    assert (recording["sha256"], recording["md5"], recording["duration_s"]) == ("r1", "7", 2.5)
    assert lake["settings"].arrow().num_rows == 1
    assert [r["received_at"] for r in lake["responses"].rows()] == [at(1)]
    assert [r["happened_at"] for r in lake["errors"].rows()] == [at(2)]
    assert [r["exit_code"] for r in lake["runs"].rows()] == [0]
    assert [r["load_id"] for r in lake.sql("FROM loads ORDER BY committed_at").rows()] == ["a", "b"]
    assert lake["scoring_sources"].arrow().num_rows == 2
    assert [r["sources"] for r in lake["scorings"].rows()] == [3]


# ------------------------------------------------------------------------------------------------------- following the lake
def test_an_open_lake_sees_what_other_processes_commit(lake: Lake) -> None:
    assert lake["prosody"].arrow().num_rows == 0
    query = lake.sql("SELECT count(*) AS n FROM prosody")
    program = (
        "import sys; from lake_rows import *\nfrom humeanalytics.lake.lake import open_lake\n"
        "commit(open_lake(sys.argv[1]), 'x', prosody=[spoken('s', 'r')], scorings=[scoring('s', 'r')])"
    )
    subprocess.run([sys.executable, "-c", program, lake.uri], check=True, env={"PYTHONPATH": __file__.rpartition("/")[0]})
    assert query.rows() == [{"n": 1}]


def test_new_columns_of_the_lake_are_seen_by_views_made_before(lake: Lake) -> None:
    commit(lake, "a", prosody=[spoken("s1", "r1")], scorings=[scoring("s1", "r1")], items=[item("i1", "r1")])
    assert "zest" not in lake["prosody"].columns
    zest = table("prosody", spoken("s2", "r2")).append_column(score_field("expression", "Zest"), pa.array([0.75], pa.float32()))
    lake.loads.commit_all("b", "ingest", "run", None, {"prosody": zest, "scorings": table("scorings", scoring("s2", "r2"))})
    for name in ("prosody", "prosody_all", "prosody_labelled"):
        found = lake.sql(f"SELECT scoring_id, zest FROM {name} ORDER BY 1").rows()
        assert found == [{"scoring_id": "s1", "zest": None}, {"scoring_id": "s2", "zest": 0.75}]
    (name,) = lake.sql("FROM names WHERE \"column\" = 'zest'").rows()
    assert name == {"column": "zest", "name": "Zest", "kind": "expression", "models": ["prosody"], "colour": None}
    assert lake.sql("SELECT score FROM scores_v0 WHERE name = 'Zest'").rows() == [{"score": 0.75}]
    assert lake.sql("FROM top_expressions('prosody', 1)").rows() == [{"column": "zest", "name": "Zest", "mean": 0.75}]


def test_a_model_nobody_declared_is_a_table_of_scores_like_the_others(lake: Lake) -> None:
    waving = pa.table({"recording_id": ["r1", "r1"], "scoring_id": ["g1", "g2"], "waving": pa.array([0.5, 0.25], pa.float32())})
    made = table("scorings", scoring("g1", "r1", "gesture", 1), scoring("g2", "r1", "gesture", 2))
    lake.loads.commit_all(
        "a", "ingest", "run", None, {"gesture": waving, "scorings": made, "items": table("items", item("i", "r1"))}
    )
    assert lake.sql("SELECT waving FROM gesture").rows() == [{"waving": 0.25}]
    assert lake["gesture_all"].arrow().num_rows == 2
    assert lake.sql("SELECT item_id FROM gesture_labelled").rows() == [{"item_id": "i"}]


def test_tables_says_what_there_is(lake: Lake) -> None:
    commit(lake, "a", prosody=[spoken("s1", "r1")] * 3, scorings=[scoring("s1", "r1")])
    lake.provide("jobs", lambda: pa.table({"job_id": ["j1", "j2"]}))
    found = {t.name: t for t in lake.tables()}
    assert set(TABLES) <= set(found)
    assert (found["prosody"].kind, found["prosody"].rows, found["face"].rows) == ("table", 3, 0)
    assert found["prosody"].about == "One stretch of speech; windows may overlap (v0)."
    assert found["jobs"].rows == 2
    assert found["coverage"].about.startswith("One item that is not excluded and one model")
    assert found["top_expressions"].kind == "macro"
    assert all(t.about for t in found.values() if t.name != "jobs")
    assert repr(lake) == f"Lake {lake.uri} (nothing yet): prosody 3, scorings 1, loads 1, jobs 2"
    html = lake._repr_html_()
    assert "<code>prosody</code></td><td class='n'>3<" in html and "<th>Measurements</th>" in html
    assert "Conversations" not in html, "a group without rows is left out"


def test_an_ordinary_lake_is_read_without_any_filter(lake: Lake) -> None:
    """What is left out must cost nothing where nothing is left out."""
    commit(lake, "a", prosody=[spoken("s1", "r1")], scorings=[scoring("s1", "r1")], items=[item("i1", "r1")])
    commit(lake, "b", prosody=[spoken("s2", "r2")], scorings=[scoring("s2", "r2")])
    plan = lake.sql("EXPLAIN SELECT avg(joy) FROM prosody").rows()[0]["explain_value"]
    assert "hidden" not in plan and "Join" not in plan and "Union" not in plan
    lake.loads.announce("pending", flow="x", run_id="run")
    lake.loads.commit("pending", "prosody", table("prosody", spoken("s3", "r3")))
    assert lake["prosody"].arrow().num_rows == 2
    assert lake.sql("EXPLAIN SELECT avg(joy) FROM prosody").rows()[0]["explain_value"] == plan
    commit(lake, "c", prosody=[spoken("s4", "r1")], scorings=[scoring("s4", "r1", minutes=9)])
    assert "join" in lake.sql("EXPLAIN SELECT avg(joy) FROM prosody").rows()[0]["explain_value"].lower()


# ------------------------------------------------------------------------------------------------------------------ versions
def test_a_version_shows_the_lake_as_it_was(lake: Lake) -> None:
    empty = lake.version
    commit(lake, "a", prosody=[spoken("s1", "r1")], scorings=[scoring("s1", "r1", minutes=1)], items=[item("i1", "r1")])
    first = lake.version
    commit(
        lake,
        "b",
        prosody=[spoken("s2", "r1")],
        scorings=[scoring("s2", "r1", minutes=2)],
        items=[item("i1", "r1", 9, excluded_reason="withdrew")],
    )
    for name in ("prosody", "scorings", "items", "loads"):
        assert lake._table(name).compact(many=1)
    commit(lake, "c", prosody=[spoken("s3", "r3")], scorings=[scoring("s3", "r3")])
    with open_lake(lake.uri, version=empty) as then:
        assert scorings_in(then) == []
    with open_lake(lake.uri, version=first) as then:
        assert then.version == first
        assert scorings_in(then) == ["s1"]
        assert [r["load_id"] for r in then["loads"].rows()] == ["a"]
        commit(lake, "d", prosody=[spoken("s4", "r4")], scorings=[scoring("s4", "r4")])
        assert scorings_in(then) == ["s1"]
    assert scorings_in(lake) == ["s3", "s4"]


def test_a_version_that_never_was_is_refused(lake: Lake) -> None:
    from humeanalytics.errors import LakeError

    commit(lake, "a", prosody=[spoken("s1", "r1")])
    for version in (-1, lake.version + 1):
        with pytest.raises(LakeError, match=f"versions 0 to {lake.version}, not {version}"):
            open_lake(lake.uri, version=version)


# --------------------------------------------------------------------------------------------- views that wait to be asked for
def listed(lake: Lake, sql: str, *parameters: object) -> set[object]:
    return {value for row in lake.sql(sql, parameters).rows() for value in row.values() if isinstance(value, str)}


@pytest.mark.parametrize("sql", ["SHOW TABLES", "-- all of them\nDESC", "SELECT table_name FROM information_schema.tables"])
def test_whoever_asks_what_there_is_is_told_of_all_views(lake: Lake, sql: str) -> None:
    lake.sql("SELECT count(*) AS n FROM face").rows()
    found = {value for row in lake.sql(sql).rows() for value in row.values() if isinstance(value, str)}
    assert found >= {"turns", "prosody_labelled", "scores_v0", "transcript_labelled", "face", "face_all"}


@pytest.mark.parametrize(
    "sql",
    [
        *("FROM (SHOW ALL TABLES)", "DESCRIBE", "DESC", "/* all of them */ DESCRIBE", "DESC TABLES", "describe tables"),
        *("FROM (DESCRIBE)", "WITH there AS (DESC) FROM there", "SELECT view_name FROM duckdb_views()", "FROM sqlite_master"),
        *("FROM pg_catalog.pg_views", "FROM query_table(?)", 'SELECT * FROM main."TURNS"', "FROM turns_labelled"),
    ],
)
def test_what_may_ask_for_views(sql: str) -> None:
    assert _ASKS_FOR_VIEWS.search(sql)
    assert not _ASKS_FOR_VIEWS.search("SELECT recording_id, avg(joy) AS joy FROM prosody GROUP BY ALL ORDER BY joy DESC LIMIT 5")


def test_a_view_is_found_whose_name_cannot_be_read_in_the_question(lake: Lake) -> None:
    commit(lake, "a", prosody=[spoken("s1", "r1", joy=0.25)], scorings=[scoring("s1", "r1")])
    hidden = "SELECT count(*) AS n FROM json_execute_serialized_sql(json_serialize_sql(reverse('dellebal_ydosorp MORF')))"
    assert lake.sql(hidden).rows() == [{"n": 1}]


def test_views_follow_once_they_are_there(lake: Lake) -> None:
    commit(lake, "a", prosody=[spoken("s1", "r1", joy=0.25)], scorings=[scoring("s1", "r1")], items=[item("i1", "r1")])
    assert lake.sql("SELECT joy FROM prosody").rows() == [{"joy": 0.25}]
    assert "wave" not in lake.sql("FROM prosody_labelled").columns
    commit(lake, "b", prosody=[spoken("s2", "r2", joy=0.5)], items=[item("i2", "r2")], labels=[label("i2", "wave", "2")])
    assert lake.sql("SELECT count(*) AS n FROM prosody").rows() == [{"n": 2}]
    assert lake.sql("SELECT wave, joy FROM prosody_labelled ORDER BY joy").rows() == [
        {"wave": None, "joy": 0.25},
        {"wave": "2", "joy": 0.5},
    ]
