"""Answers of v1 in the catalog: the newest scoring of a recording under the plain names, and never in one view with v0."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from lake_rows import at, commit, item, label, scoring, spoken

from humeanalytics.lake.lake import Lake
from humeanalytics.tables.expression import Frame, Placement, Uploaded, flatten_saved, flatten_uploads
from humeanalytics.tables.keys import with_keys
from humeanalytics.tables.schema import SCORE_TABLES, V1_TABLES, schema_of


def measured(
    scoring_id: str, recording_id: str, measurement_id: int = 0, begin_s: float = 0.0, end_s: float = 3.0
) -> dict[str, Any]:
    """A row of ``audio_measurements``."""
    return {
        "scoring_id": scoring_id,
        "recording_id": recording_id,
        "measurement_id": measurement_id,
        "utterance_id": 0,
        "begin_s": begin_s,
        "end_s": end_s,
    }


def heard(scoring_id: str, recording_id: str, name: str = "joy", probability: float = 0.5, **more: Any) -> dict[str, Any]:
    """A row of ``audio_scores``."""
    own = {"kind": "expression", "name": name, "probability": probability, "rank": 1}
    return measured(scoring_id, recording_id) | own | more


def framed(scoring_id: str, recording_id: str, frame_id: int, faces: int = 1, measured_faces: int = 1) -> dict[str, Any]:
    """A row of ``video_frames``, three a second."""
    own = {"frame_id": frame_id, "time_s": frame_id / 4, "faces": faces, "measured_faces": measured_faces}
    return {"scoring_id": scoring_id, "recording_id": recording_id, **own}


def seen(scoring_id: str, recording_id: str, frame_id: int = 0, **more: Any) -> dict[str, Any]:
    """A row of ``video_scores``."""
    own = {"face": 0, "face_id": 0, "kind": "description", "name": "smile", "probability": 0.75, "rank": 1}
    return {"scoring_id": scoring_id, "recording_id": recording_id, "frame_id": frame_id, "time_s": frame_id / 4} | own | more


def scorings_in(lake: Lake, name: str) -> list[str]:
    return [row["s"] for row in lake.sql(f"SELECT DISTINCT scoring_id AS s FROM {name} ORDER BY ALL").rows()]


# ----------------------------------------------------------------------------------------------------- which scoring is shown
def test_all_tables_of_a_model_show_the_newest_scoring_of_each_recording(lake: Lake) -> None:
    for scoring_id, minutes in (("old", 1), ("new", 2)):
        commit(
            lake,
            scoring_id,
            audio_utterances=[{"scoring_id": scoring_id, "recording_id": "r1", "utterance_id": 0}],
            audio_measurements=[measured(scoring_id, "r1")],
            audio_scores=[heard(scoring_id, "r1")],
            scorings=[scoring(scoring_id, "r1", "audio", minutes=minutes)],
        )
    for table in ("audio_utterances", "audio_measurements", "audio_scores"):
        assert scorings_in(lake, table) == ["new"]
        assert scorings_in(lake, f"{table}_all") == ["new", "old"]
    assert scorings_in(lake, "scores_v1") == ["new"]


def test_a_scoring_of_silence_takes_the_place_of_one_that_heard_something(lake: Lake) -> None:
    commit(lake, "a", audio_scores=[heard("old", "r1")], scorings=[scoring("old", "r1", "audio", minutes=1)])
    commit(lake, "b", scorings=[scoring("new", "r1", "audio", minutes=2, rows=0)])
    assert scorings_in(lake, "audio_scores") == []


def test_v0_and_v1_do_not_take_each_others_place_and_share_no_view(lake: Lake) -> None:
    commit(
        lake,
        "a",
        prosody=[spoken("v0", "r1")],
        audio_scores=[heard("v1", "r1", end_s=4.0)],
        video_scores=[seen("v1v", "r1")],
        scorings=[scoring("v0", "r1", minutes=9), scoring("v1", "r1", "audio", minutes=1), scoring("v1v", "r1", "video")],
    )
    assert (scorings_in(lake, "prosody"), scorings_in(lake, "audio_scores")) == (["v0"], ["v1"])
    assert scorings_in(lake, "scores_v0") == ["v0"]
    assert scorings_in(lake, "scores_v1") == ["v1", "v1v"]
    assert not set(SCORE_TABLES) & set(V1_TABLES)


def test_a_recording_whose_items_are_all_excluded_is_left_out(lake: Lake) -> None:
    commit(
        lake,
        "a",
        audio_scores=[heard("s1", "r1"), heard("s2", "r2")],
        scorings=[scoring("s1", "r1", "audio"), scoring("s2", "r2", "audio")],
        items=[item("i1", "r1", excluded_reason="withdrew"), item("i2", "r2")],
    )
    assert scorings_in(lake, "audio_scores") == ["s2"]


def test_one_scoring_that_two_loads_brought_counts_once(lake: Lake) -> None:
    for load_id, minutes in (("first", 1), ("again", 2)):
        rows = scoring("s1", "r1", "video", loaded_at=at(minutes))
        commit(lake, load_id, video_frames=[framed("s1", "r1", n) for n in range(3)], scorings=[rows])
    assert lake["video_frames"].arrow().num_rows == 3


def test_labels_become_columns_and_a_name_stays_humes(lake: Lake) -> None:
    commit(
        lake,
        "a",
        audio_scores=[heard("s1", "r1")],
        scorings=[scoring("s1", "r1", "audio")],
        items=[item("i1", "r1")],
        labels=[label("i1", "participant", "007")],
    )
    (row,) = lake.labelled("audio_scores").rows()
    assert (row["name"], row["item_name"], row["participant"]) == ("joy", "i1.wav", "007")


# ------------------------------------------------------------------------------------------------------------------- views
def test_scores_v1_is_both_in_long_form(lake: Lake) -> None:
    commit(lake, "a", audio_scores=[heard("s1", "r1", channel=1)], video_scores=[seen("s2", "r1", 2)])
    rows = lake.sql("SELECT * EXCLUDE (recording_id, scoring_id) FROM scores_v1 ORDER BY model").rows()
    assert [tuple(row.values()) for row in rows] == [
        ("audio", 1, 0, 0, None, None, None, 0.0, 3.0, "expression", "joy", 0.5, 1),
        ("video", None, None, None, 2, 0, 0, 0.5, 0.5, "description", "smile", 0.75, 1),
    ]


def test_coverage_counts_the_seconds_measured_and_faces_that_were_not(lake: Lake) -> None:
    windows = [(0.0, 3.0), (0.0, 6.0), (2.0, 7.5), (10.0, 11.0)]
    commit(
        lake,
        "a",
        audio_measurements=[measured("a1", "r1", n, *window) for n, window in enumerate(windows)],
        video_frames=[framed("v1", "r1", n, faces, min(faces, 2)) for n, faces in enumerate([1, 0, 3, 5])],
        scorings=[scoring("a1", "r1", "audio", rows=4), scoring("v1", "r1", "video", rows=4)],
        items=[item("i1", "r1", media_type="video", duration_s=12.0), item("i2", "r2", media_type="image")],
    )
    told = {
        (row["item_id"], row["model"]): (row["scored"], row["covered_s"], row["unmeasured_faces"])
        for row in lake["coverage"].rows()
    }
    assert told == {
        ("i1", "audio"): (True, 8.5, None),
        ("i1", "video"): (True, 0.75, 4),
        ("i2", "video"): (False, None, None),
    }


def upload(upload_id: str, minutes: float, **more: Any) -> dict[str, Any]:
    return {"upload_id": upload_id, "recording_id": "r1", "model": "audio", "origin": "h", "noted_at": at(minutes), **more}


def test_uploads_are_as_they_were_last_written_and_costs_add_them_up(lake: Lake) -> None:
    lost = {"state": "unknown", "duration_s": 30.0, "billed_s": 30.0, "size_bytes": 7}
    commit(
        lake,
        "a",
        uploads=[
            upload("u1", 1, state="received", received_s=5.0, billed="yes", billed_s=10.0, size_bytes=5),
            upload("u2", 1, **lost, billed="unknown"),
            upload("u3", 1, **lost, billed="unknown"),
            upload("u4", 1, state="rejected", duration_s=3.0, billed="no", billed_s=10.0),
        ],
    )
    commit(lake, "b", uploads=[upload("u3", 2, **lost, billed="yes", metered_s=31.0)])
    assert lake["uploads"].arrow().num_rows == 4
    assert lake["uploads_all"].arrow().num_rows == 5
    (row,) = lake["costs"].rows()
    assert row == {
        "recording_id": "r1",
        "model": "audio",
        "origin": "h",
        "requests": 4,
        "lost": 2,
        "size_bytes": 19,
        "audio_s": 68.0,
        "images": None,
        "billed_s": 71.0,
        "in_doubt_s": 30.0,
    }


# ------------------------------------------------------------------------------------------------------ answers into a lake
def audio_answer(**measurement: Any) -> bytes:
    each = {"measurement_id": 0, "utterance_id": 0, "audio_start_ms": 100, "audio_end_ms": 2100, "trigger": "speech_ended"}
    lists = {"expressions": [{"name": "joy", "probability": 0.2208}], "voice_attributes": [{"name": "calm", "probability": 0.8}]}
    told = {"run_id": "run", "received": {"audio_duration_ms": 3000}}
    return json.dumps(told | {"utterances": [], "measurements": [each | lists | measurement]}).encode()


def test_flattened_answers_fit_the_lake_whatever_they_bring(lake: Lake) -> None:
    """What nobody has heard of widens a table, in whatever order loads come, and the exact values come back."""
    for number, more in enumerate([{}, {"pitch": 0.25}, {"sounds": [{"name": "bell", "probability": 1}], "pitch": "high"}, {}]):
        flat = flatten_saved(audio_answer(**more))
        keyed = with_keys(flat, [f"r{number}"], [f"s{number}"], None)
        row = scoring(f"s{number}", f"r{number}", "audio", fingerprint=flat.answers[0].fingerprint)
        tables = {name: table for name, table in keyed.items() if len(table)}
        lake.loads.commit_all(f"load-{number}", "ingest", "run", None, tables)
        commit(lake, f"scoring-{number}", scorings=[row])
    told = lake.sql("SELECT recording_id, kind, name, probability, load_id FROM audio_scores ORDER BY ALL").rows()
    assert [tuple(row.values()) for row in told[:2]] == [
        ("r0", "expression", "joy", 0.2208, "load-0"),
        ("r0", "voice_attribute", "calm", 0.8, "load-0"),
    ]
    assert [row["name"] for row in told if row["kind"] == "sounds"] == ["bell"]
    columns = [name for name in lake["audio_measurements"].columns if name not in schema_of("audio_measurements").names]
    assert len(columns) == 2  # one of numbers, one of text
    pitches = lake.sql(f"SELECT {', '.join(columns)} FROM audio_measurements ORDER BY recording_id").rows()
    assert [[value for value in row.values() if value is not None] for row in pitches] == [[], [0.25], ["high"], []]


def test_photos_of_one_upload_are_each_their_own_scoring(lake: Lake) -> None:
    rng = random.Random(2)
    boxes = [[rng.random() * 100 for _ in range(4)] for _ in range(3)]
    faces = [{"face_id": 0, "bbox": box, "confidence": 0.95, "expressions": [], "descriptions": None} for box in boxes]
    answer = {"run_id": "v", "received": {"frames": 3}, "measurements": [{"frame_id": n, "faces": [faces[n]]} for n in range(3)]}
    frames = tuple(Frame(0, 0.0, number) for number in (2, 0, 1))
    flat = flatten_uploads([Uploaded("v", json.dumps(answer).encode(), Placement(frames=frames))])
    tables = with_keys(flat, ["r0", "r1", "r2"], ["s0", "s1", "s2"], None)
    lake.loads.commit_all("load", "score", "run", None, {name: table for name, table in tables.items() if len(table)})
    commit(lake, "scorings", scorings=[scoring(f"s{n}", f"r{n}", "video") for n in range(3)])
    rows = lake.sql("SELECT recording_id, box_x0, expressions, descriptions, measured FROM video_faces ORDER BY 1").rows()
    assert [tuple(row.values()) for row in rows] == [(f"r{n}", boxes[sent][0], 0, None, True) for n, sent in enumerate((1, 2, 0))]


@pytest.mark.parametrize("name", V1_TABLES)
def test_what_an_empty_lake_shows(lake: Lake, name: str) -> None:
    assert lake[name].arrow().num_rows == lake[f"{name}_labelled"].arrow().num_rows == 0
    found = {table.name: table for table in lake.tables()}
    assert found[name].kind == "table"
    assert "(v1)" in found[name].about
