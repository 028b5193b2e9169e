"""The one payload Hume itself published gives its exact values."""

from __future__ import annotations

import json
from pathlib import Path

from humeanalytics import vocabulary
from humeanalytics.tables.batch import flatten_predictions
from humeanalytics.tables.schema import KEYS, schema_of

SAMPLE = Path(__file__).parent / "samples" / "v0_batch_jobs_id_predictions.json"


def test_every_value_is_exact() -> None:
    flat = flatten_predictions(SAMPLE.read_bytes())
    [row] = flat.tables["face"].to_pylist()
    [original] = json.loads(SAMPLE.read_text())[0]["results"]["predictions"][0]["models"]["face"]["grouped_predictions"][0][
        "predictions"
    ]
    assert {name: row[name] for name in ("file", "face_id", "frame", "time_s", "prob")} == {
        "file": "faces/100.jpg",
        "face_id": "unknown",
        "frame": 0,
        "time_s": 0.0,
        "prob": 0.9994111061096191,
    }
    assert [row[f"box_{side}"] for side in "xywh"] == [
        1187.885986328125,
        1397.697509765625,
        1401.668701171875,
        1961.424560546875,
    ]
    assert row["admiration"] == 0.10722749680280685
    assert row["surprise_negative"] == 0.25518184900283813
    for score in original["emotions"]:
        assert row[vocabulary.column(score["name"])] == score["score"]
    assert len(original["emotions"]) == 48
    assert all(row[name.column] is None for kind in ("facs", "description") for name in vocabulary.names_of("face", kind))
    assert flat.scores_rounded == 0


def test_columns_are_the_declared_ones_in_their_order() -> None:
    table = flatten_predictions(SAMPLE.read_bytes()).tables["face"]
    assert table.schema.equals(schema_of("face").remove(0).remove(0).remove(0), check_metadata=False)
    assert table.schema.names == schema_of("face").names[len(KEYS) :]
    assert table.schema.field("joy").metadata == {b"hume_name": b"Joy"}


def test_it_tells_of_its_source() -> None:
    flat = flatten_predictions(SAMPLE.read_bytes())
    [answer] = flat.answers
    assert (answer.file, answer.model, answer.first_row, answer.rows, answer.copy) == ("faces/100.jpg", "face", 0, 1, 0)
    assert answer.source.type == "url"
    assert answer.source.url == "https://hume-tutorials.s3.amazonaws.com/faces.zip"
    assert (flat.dialect, flat.job_id, flat.failures) == ("api", None, ())
