"""What nobody has heard of is kept: models, fields, names; and what failed is told."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from humeanalytics.errors import UnreadableResponse
from humeanalytics.tables.batch import Failure, Flattened, flatten_predictions


def flatten(models: dict[str, Any], **more: Any) -> Flattened:
    results = {"predictions": [{"file": "a.mp4", "file_type": "video", "models": models}], "errors": []}
    return flatten_predictions(
        json.dumps([{"source": {"type": "url", "url": "https://x.com/a.mp4"}, "results": results} | more]).encode()
    )


def face(*rows: dict[str, Any], **beside: Any) -> dict[str, Any]:
    return {"face": {"metadata": None, "grouped_predictions": [{"id": "face_0", "predictions": list(rows)}]} | beside}


def emotions(**scores: float) -> list[dict[str, Any]]:
    return [{"name": name, "score": score} for name, score in scores.items()]


def test_a_new_name_becomes_a_column_that_says_what_it_is() -> None:
    table = flatten(face({"emotions": emotions(Joy=0.5, Zest=0.25)})).tables["face"]
    assert table.schema.field("zest").metadata == {b"hume_name": b"Zest", b"hume_kind": b"expression"}
    assert table["zest"].to_pylist() == [0.25]


def test_names_that_clean_to_one_column_stay_apart() -> None:
    table = flatten(face({"emotions": emotions(**{"Zest": 0.5, "zest!": 0.25, "Joy!": 0.125, "???": 1.0, "File": 0.75})})).tables[
        "face"
    ]
    held = {
        f.metadata[b"hume_name"].decode(): table[f.name][0].as_py() for f in table.schema if b"hume_kind" in (f.metadata or {})
    }
    assert held == {"Zest": 0.5, "zest!": 0.25, "Joy!": 0.125, "???": 1.0, "File": 0.75}
    assert table["joy"][0].as_py() is None
    assert table["file"][0].as_py() == "a.mp4"


def test_a_doubled_name_holds_with_its_first_score_and_is_counted() -> None:
    flat = flatten(face({"emotions": [*emotions(Joy=0.5, Awe=0.25), *emotions(Joy=0.75)]}))
    assert flat.tables["face"]["joy"].to_pylist() == [0.5]
    assert flat.names_doubled == 1


def test_the_former_name_of_desire_and_camel_case_are_known() -> None:
    table = flatten(face({"emotions": emotions(**{"Sexual Desire": 0.5, "surpriseNegative": 0.25})})).tables["face"]
    assert (table["desire"][0].as_py(), table["surprise_negative"][0].as_py()) == (0.5, 0.25)
    assert table.num_columns == len(flatten(face()).tables["face"].schema)


def test_new_fields_become_columns_typed_by_their_values() -> None:
    rows = [
        {"gaze": 0.5, "side": "left", "mixed": 1, "box": {"x": 1.5, "angle": 3}, "all_null": None, "big": 2**60 + 1},
        {"gaze": 2, "mixed": "two", "landmarks": [[1, 2]], "flag": True, "nested": {"a": {"b": 1}}},
    ]
    table = flatten(face(*rows)).tables["face"]
    new = {f.name: (str(f.type), table[f.name].to_pylist()) for f in table.schema if b"hume_field" in (f.metadata or {})}
    assert new == {
        "gaze": ("double", [0.5, 2.0]),
        "side": ("string", ["left", None]),
        "mixed": ("string", ["1", "two"]),
        "box_angle": ("double", [3.0, None]),
        "big": ("string", [str(2**60 + 1), None]),
        "landmarks": ("string", [None, "[[1,2]]"]),
        "flag": ("string", [None, "true"]),
        "nested": ("string", [None, '{"a":{"b":1}}']),
    }
    assert table["box_x"].to_pylist() == [1.5, None]


def test_fields_beside_the_rows_are_kept_with_each_row() -> None:
    models = face({"time": 0}, {"time": 1}, quality=0.5)
    models["face"]["metadata"] = {"confidence": 0.25}
    models["face"]["grouped_predictions"][0]["gender"] = "unknown"
    table = flatten(models).tables["face"]
    assert table["answer_quality"].to_pylist() == [0.5, 0.5]
    assert table["metadata_confidence"].to_pylist() == [0.25, 0.25]
    assert table["group_gender"].to_pylist() == ["unknown", "unknown"]


def test_what_stands_in_a_score_beside_it_is_kept() -> None:
    table = flatten(
        face({"emotions": [{"name": "Joy", "score": 0.5, "rank": 1}, {"name": "Awe", "score": None}, {"name": "Envy"}]})
    ).tables["face"]
    assert table["joy"].to_pylist() == [0.5]
    assert table["emotions_more"].to_pylist() == ['{"Joy":{"rank":1}}']


def test_a_new_field_named_like_a_column_does_not_touch_it() -> None:
    table = flatten(face({"face_id": "streaming", "joy": "much", "emotions": emotions(Joy=0.5)})).tables["face"]
    assert table["face_id"].to_pylist() == ["face_0"]
    assert table["joy"].to_pylist() == [0.5]
    fields = {f.metadata[b"hume_field"]: table[f.name][0].as_py() for f in table.schema if b"hume_field" in (f.metadata or {})}
    assert fields == {b"face_id": "streaming", b"joy": "much"}


def test_a_new_model_has_a_table_of_its_own() -> None:
    row = {"time": {"begin": 1.0}, "emotions": emotions(Joy=0.5), "moods": emotions(Zest=0.25), "what": "x"}
    flat = flatten({"Gaze 2": {"metadata": None, "grouped_predictions": [{"id": "g", "predictions": [row]}]}})
    [table] = flat.tables.values()
    assert flat.answers[0].model == "model_gaze_2"
    assert table.schema.metadata == {b"hume_model": b"Gaze 2"}
    assert table.to_pylist() == [{"file": "a.mp4", "group_id": "g", "joy": 0.5, "zest": 0.25, "time_begin": 1.0, "what": "x"}]


def test_new_models_that_clean_to_one_name_stay_apart() -> None:
    rows = {"metadata": None, "grouped_predictions": [{"id": "g", "predictions": [{"x": 1.0}]}]}
    flat = flatten({"gaze 2": rows, "gaze-2": rows})
    assert len(flat.tables) == 2
    assert {answer.rows for answer in flat.answers} == {1}


def test_more_new_names_than_the_limit_go_to_a_map() -> None:
    names = {f"New {i:04}": i / 1024 for i in range(600)}
    table = flatten(face({"emotions": emotions(**names)}, {"emotions": emotions(Joy=0.5)})).tables["face"]
    assert table.num_columns == len(flatten(face()).tables["face"].schema) + 501
    assert table["new_0499"].to_pylist() == [499 / 1024, None]
    assert table["other"].to_pylist() == [[(f"New {i:04}", i / 1024) for i in range(500, 600)], None]


def test_scores_that_are_no_float32_are_rounded_to_the_nearest_and_counted() -> None:
    flat = flatten(face({"prob": 0.1, "emotions": emotions(Joy=0.1, Awe=0.5)}))
    assert flat.tables["face"]["joy"].to_pylist() == [0.10000000149011612]
    assert flat.tables["face"]["prob"].to_pylist() == [0.10000000149011612]
    assert flat.scores_rounded == 2


def test_an_answer_without_rows_is_an_answer_and_a_null_model_is_none() -> None:
    flat = flatten(
        {"face": {"metadata": None, "grouped_predictions": []}, "prosody": None, "burst": {"grouped_predictions": None}}
    )
    assert [(answer.model, answer.rows) for answer in flat.answers] == [("face", 0), ("burst", 0)]
    assert {model: len(table) for model, table in flat.tables.items()} == {"face": 0, "burst": 0}


def test_rows_are_in_order_of_time_within_each_answer_and_stay_put_among_equals() -> None:
    groups = [
        {"id": g, "predictions": [{"time": t, "frame": i} for i, t in enumerate(times)]}
        for g, times in (("b", (1, 3)), ("a", (0, 1, 2)))
    ]
    models = {"face": {"metadata": None, "grouped_predictions": groups}}
    table = flatten(models).tables["face"]
    assert list(zip(table["time_s"].to_pylist(), table["face_id"].to_pylist(), strict=True)) == [
        (0, "a"),
        (1, "b"),
        (1, "a"),
        (2, "a"),
        (3, "b"),
    ]


def test_errors_are_failures_in_humes_words() -> None:
    source = {"type": "url", "url": "https://x.com/a.zip?X-Amz-Signature=secret"}
    payload = [
        {
            "source": source,
            "results": {
                "predictions": [],
                "errors": [{"file": "Angry/.DS_Store", "model": None, "message": "unable to determine file type"}],
            },
        },
        {"source": source, "results": None, "error": "could not fetch https://x.com/a.zip?X-Amz-Signature=secret"},
        {"source": source, "results": None},
        {"source": {"type": "text"}, "results": {"predictions": None, "errors": None}, "error": None},
        {
            "source": {"type": "text"},
            "results": {"errors": [{"message": "m", "file": "1", "model": "ner"}, "bare"]},
            "error": {"code": 1},
        },
    ]
    flat = flatten_predictions(json.dumps(payload).encode())
    told = [(f.source.index if f.source else None, f.file, f.model, f.message) for f in flat.failures]
    assert told == [
        (0, "Angry/.DS_Store", None, "unable to determine file type"),
        (1, None, None, told[1][3]),
        (2, None, None, "Hume gave neither results nor an error for this source"),
        (4, "1", "ner", "m"),
        (4, None, None, "bare"),
        (4, None, None, '{"code":1}'),
    ]
    assert "secret" not in repr(flat)
    assert told[1][3].startswith("could not fetch https://x.com/a.zip")


def test_a_failed_job_told_by_webhook_is_a_failure() -> None:
    flat = flatten_predictions(b'{"job_id": "1", "status": "FAILED", "message": "limit exceeded"}')
    assert flat.failures == (Failure(None, None, None, "limit exceeded"),)
    assert flat.status == "FAILED"


def test_a_file_object_is_read_as_bytes_are() -> None:
    data = json.dumps([{"source": {}, "results": {"predictions": [{"file": "a", "models": face({"time": 1})}]}}]).encode()
    assert flatten_predictions(io.BytesIO(data)) == flatten_predictions(data)


def test_one_file_name_twice_in_a_source_is_two_answers() -> None:
    prediction = {"file": "file", "models": face({"time": 1})}
    flat = flatten_predictions(json.dumps([{"source": {}, "results": {"predictions": [prediction, prediction]}}]).encode())
    assert [answer.copy for answer in flat.answers] == [0, 1]


def test_predictions_without_their_sources_are_read() -> None:
    prediction = {"file": "0", "models": face({"time": 1})}
    for payload in ([prediction], prediction, {"predictions": [prediction], "errors": []}, {"x": {"predictions": [prediction]}}):
        flat = flatten_predictions(json.dumps(payload).encode())
        assert [(answer.file, answer.source.type, answer.rows) for answer in flat.answers] == [("0", "unknown", 1)]
        assert flat.dialect == "wrapped"


def test_keys_of_those_who_wrapped_it_may_be_anything() -> None:
    prediction = {"file": "0", "models": face({"time": 1})}
    keys = ["Alice", "alice", "P 01", "p_01", "2024-01-01T10:00", "", "a.b", "日本"]
    flat = flatten_predictions(json.dumps({key: [prediction] for key in keys}).encode())
    assert [(answer.source.index, answer.rows) for answer in flat.answers] == [(i, 1) for i in range(len(keys))]


def test_two_spellings_of_one_key_are_told() -> None:
    prediction = {"file": "0", "fileType": "a", "file_type": "b", "models": face({"time": 1})}
    with pytest.raises(UnreadableResponse, match="spellings of one"):
        flatten_predictions(json.dumps([prediction]).encode())


def test_new_fields_are_the_same_in_the_spelling_of_any_sdk() -> None:
    tables = [flatten(face({name: 0.5})).tables["face"] for name in ("gaze_angle", "gazeAngle")]
    assert tables[0].equals(tables[1])
