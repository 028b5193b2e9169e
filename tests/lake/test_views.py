from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lake_rows import commit, item, label, scoring, spoken

from humeanalytics import vocabulary
from humeanalytics.errors import QueryError
from humeanalytics.lake.lake import Lake
from humeanalytics.lake.views import label_columns, view_text


def seen(scoring_id: str, recording_id: str, time_s: float, face_id: str = "face_0", **more: object) -> dict:
    return {"scoring_id": scoring_id, "recording_id": recording_id, "file": "a.mp4", "face_id": face_id, "time_s": time_s, **more}


# ------------------------------------------------------------------------------------------------------------------- names
def test_names_has_every_name_of_the_vocabulary(lake: Lake) -> None:
    found = {(r["column"], r["kind"]): r for r in lake["names"].rows()}
    assert set(found) == {(name.column, name.kind) for name in vocabulary.names()}
    assert found["joy", "expression"] == {
        "column": "joy",
        "name": "Joy",
        "kind": "expression",
        "models": list(vocabulary.MODELS),
        "colour": next(n.colour for n in vocabulary.names() if n.name == "Joy"),
    }
    assert found["facs_au12_lip_corner_puller", "facs"]["models"] == ["face"]


# --------------------------------------------------------------------------------------------------------------- scores_v0
def test_scores_v0_is_every_score_of_every_model_in_long_form(lake: Lake) -> None:
    commit(
        lake,
        "a",
        face=[seen("f", "r1", 0.5, joy=0.5, facs_au12_lip_corner_puller=0.25)],
        prosody=[spoken("p", "r1", 1.0, 2.0, joy=0.75)],
        burst=[{"scoring_id": "b", "recording_id": "r1", "speaker_id": "spk_0", "begin_s": 3.0, "end_s": 4.0, "desc_laugh": 0.5}],
        language=[{"scoring_id": "l", "recording_id": "r1", "text": "hm", "sentiment_9": 0.125}],
        facemesh=[{"scoring_id": "m", "recording_id": "r1", "face_id": "face_3", "joy": 0.0}],
    )
    rows = lake.sql(
        'SELECT model, speaker_id, face_id, begin_s, end_s, text, kind, "column", name, score FROM scores_v0 ORDER BY ALL'
    ).rows()
    assert [tuple(row.values()) for row in rows] == [
        ("burst", "spk_0", None, 3.0, 4.0, None, "vocalisation", "desc_laugh", "Laugh", 0.5),
        ("face", None, "face_0", 0.5, 0.5, None, "expression", "joy", "Joy", 0.5),
        ("face", None, "face_0", 0.5, 0.5, None, "facs", "facs_au12_lip_corner_puller", "AU12 Lip Corner Puller", 0.25),
        ("facemesh", None, "face_3", None, None, None, "expression", "joy", "Joy", 0.0),
        ("language", None, None, None, None, "hm", "sentiment", "sentiment_9", "9", 0.125),
        ("prosody", "unknown", None, 1.0, 2.0, "No.", "expression", "joy", "Joy", 0.75),
    ]


def test_scores_v0_has_what_went_to_the_map_too(lake: Lake) -> None:
    from test_delta import with_new

    names = {f"New name {i}": i / 1024 for i in range(505)}
    lake.loads.commit_all("a", "ingest", "run", None, {"prosody": with_new(1, **names)})
    found = {r["name"]: r["score"] for r in lake.sql("SELECT name, score FROM scores_v0 WHERE name <> 'Joy'").rows()}
    assert found == names
    (other,) = {r["kind"] for r in lake.sql('SELECT kind FROM scores_v0 WHERE "column" IS NULL').rows()}
    assert other == "other"


# --------------------------------------------------------------------------------------------------------- top_expressions
def test_top_expressions_ranks_the_means_of_expressions(lake: Lake) -> None:
    commit(
        lake,
        "a",
        face=[
            seen("f", "r1", 0.0, joy=0.5, anger=0.25, facs_au12_lip_corner_puller=0.99),
            seen("f", "r1", 0.5, joy=0.25, anger=0.75, desc_smile=0.99),
            seen("f", "r1", 1.0, anger=0.75),
        ],
        items=[item("i1", "r1")],
        labels=[label("i1", "participant", "P1")],
    )
    expected = [
        {"column": "anger", "name": "Anger", "mean": pytest.approx(1.75 / 3)},
        {"column": "joy", "name": "Joy", "mean": 0.375},
    ]
    for name in ("face", "face_all", "face_labelled"):
        assert lake.sql(f"FROM top_expressions('{name}', 5)").rows() == expected
    assert lake.sql("FROM top_expressions('face')").rows() == expected
    assert lake.sql("FROM top_expressions('face', 1)").rows() == expected[:1]
    assert lake.sql("FROM top_expressions('mine', 1)", mine=lake.sql("FROM face WHERE time_s = 0")).rows() == [
        {"column": "joy", "name": "Joy", "mean": 0.5}
    ]
    assert lake.sql("FROM top_expressions('burst', 3)").rows() == []


def test_top_expressions_of_no_table_is_a_readable_error(lake: Lake) -> None:
    with pytest.raises(QueryError, match="fase"):
        lake.sql("FROM top_expressions('fase', 3)").rows()


# ---------------------------------------------------------------------------------------------------------------- coverage
def coverage(lake: Lake) -> dict[tuple[str, str], dict]:
    return {(row["item_id"], row["model"]): row for row in lake["coverage"].rows()}


def test_coverage_says_for_each_item_and_model_what_was_scored(lake: Lake) -> None:
    commit(
        lake,
        "a",
        prosody=[
            spoken("p", "r1", 0.0, 4.0),
            spoken("p", "r1", 2.0, 6.0),
            spoken("p", "r1", 3.0, 3.5),
            spoken("p", "r1", 8.0, 9.0),
        ],
        face=[seen("f", "r3", t / 4) for t in (0, 1, 2, 8)] + [seen("f", "r3", 0.0, "face_1")],
        scorings=[
            scoring("p", "r1", rows=4),
            scoring("f", "r3", "face", rows=5),
            scoring("e", "r3", rows=0),
        ],
        items=[
            item("heard", "r1", duration_s=10.0),
            item("waiting", "r2", duration_s=5.0),
            item("seen", "r3", media_type="video", duration_s=3.0),
            item("out", "r4", excluded_reason="withdrew"),
        ],
        errors=[
            {"error_id": "e1", "item_id": "waiting", "model": "prosody"},
            {"error_id": "e2", "recording_id": "r2"},
            {"error_id": "e3", "recording_id": "r3", "model": "face"},
        ],
    )
    found = coverage(lake)
    assert set(found) == {("heard", "prosody"), ("waiting", "prosody"), ("seen", "prosody"), ("seen", "face")}

    def told(item_id: str, model: str) -> tuple:
        row = found[item_id, model]
        return row["scored"], row["rows"], row["covered_s"], row["duration_s"], row["errors"]

    assert told("heard", "prosody") == (True, 4, 7.0, 10.0, 0)
    assert told("waiting", "prosody") == (False, 0, None, 5.0, 2)
    assert told("seen", "prosody") == (True, 0, None, 3.0, 0)
    assert told("seen", "face") == (True, 5, 1.0, 3.0, 1)


def test_coverage_before_any_scoring_lists_what_waits(lake: Lake) -> None:
    commit(lake, "a", items=[item("text", "r1", media_type="text"), item("image", "r2", media_type="image")])
    found = coverage(lake)
    assert set(found) == {("text", "language"), ("text", "ner"), ("image", "face"), ("image", "facemesh"), ("image", "video")}
    assert not any(row["scored"] for row in found.values())


def test_covered_seconds_are_the_union_of_the_windows(lake: Lake) -> None:
    chance = random.Random(7)
    windows = {f"r{n}": [(chance.randrange(40), chance.randrange(12)) for _ in range(chance.randint(1, 12))] for n in range(200)}
    rows = [spoken(r, r, begin / 4, (begin + length) / 4) for r, each in windows.items() for begin, length in each]
    chance.shuffle(rows)
    commit(lake, "a", prosody=rows, scorings=[scoring(r, r) for r in windows], items=[item(r, r) for r in windows])
    found = {row["recording_id"]: row["covered_s"] for row in lake["coverage"].rows()}
    union = {r: {quarter for begin, length in each for quarter in range(begin, begin + length)} for r, each in windows.items()}
    assert found == {r: len(quarters) / 4 for r, quarters in union.items()}


# ------------------------------------------------------------------------------------------------------------------ naming
def test_each_view_says_what_a_row_is() -> None:
    from importlib import resources

    names = [p.name.removesuffix(".sql") for p in resources.files("humeanalytics.lake").joinpath("views").iterdir()]
    assert len(names) > 15
    for name in names:
        assert view_text(name).about.startswith("One "), name
        assert view_text(name).sql.strip(), name


@given(st.lists(st.text(max_size=8), unique=True, max_size=8), st.lists(st.text(min_size=1, max_size=8), max_size=5))
def test_label_columns_never_meet(keys: list[str], taken: list[str]) -> None:
    columns = label_columns(keys, taken)
    assert len(columns) == len(keys)
    lowered = [c.lower() for c in columns]
    assert len(set(lowered)) == len(lowered)
    assert not set(lowered) & {t.lower() for t in taken}
    assert all(column.endswith(key) for column, key in zip(columns, keys, strict=True))
