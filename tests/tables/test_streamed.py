"""What people saved of the v0 streaming API gives rows in the same tables; its warnings are failures in Hume's words."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from v0_payloads import JobMaker, ModelAnswer, row_json, shuffled_keys, written

from humeanalytics.errors import NotHumeData, UnreadableResponse
from humeanalytics.tables.batch import Flattened, flatten_in_pieces, flatten_predictions

JOY = [{"name": "Joy", "score": 0.5}, {"name": "Awe", "score": 0.25}]
FACE: dict[str, Any] = {
    "face": {
        "predictions": [
            {
                "time": None,
                "frame": 0,
                "bbox": {"x": -1.5, "y": 2, "w": 30.25, "h": 40},
                "prob": 0.5,
                "face_id": "unknown",
                "emotions": JOY,
                "facs": [{"name": "AU26 Jaw Drop", "score": 0.125}],
                "descriptions": [{"name": "Jaw drop", "score": 0.75}],
            },
            {"bbox": {"x": 1, "y": 2, "w": 3, "h": 4}, "face_id": "face_1", "prob": 1, "emotions": JOY[::-1]},
        ]
    }
}
SPEECH: dict[str, Any] = {
    "prosody": {"time": {"begin": 5.0, "end": 9.5}, "predictions": [{"time": {"begin": 0.5, "end": 1.25}, "emotions": JOY}]},
    "burst": {
        "predictions": [{"time": {"begin": 0, "end": 1}, "emotions": JOY, "descriptions": [{"name": "Laugh", "score": 1}]}]
    },
    "language": {"predictions": [{"text": "No.", "position": {"begin": 0, "end": 3}, "emotions": JOY, "sentiment": None}]},
    "facemesh": {"predictions": [{"emotions": JOY}]},
}
NO_FACE: dict[str, Any] = {
    "face": {"warning": "No faces detected.", "code": "W0103"},
    "burst": {"warning": "No vocal bursts detected.", "code": "W0101"},
}


def rows(flat: Flattened, model: str) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if value is not None} for row in flat.tables[model].to_pylist()]


def read(payload: Any) -> Flattened:
    data = json.dumps(payload).encode()
    flat = flatten_predictions(data)
    assert flat == flatten_predictions(data, by_name=True)
    return flat


def test_a_message_gives_the_rows_of_each_model() -> None:
    flat = read(FACE | SPEECH)
    scores = {"joy": 0.5, "awe": 0.25}
    assert (flat.dialect, flat.job_id, flat.failures) == ("streaming", None, ())
    assert {answer.file for answer in flat.answers} == {"0"}
    first = {"file": "0", "face_id": "unknown", "frame": 0, "prob": 0.5} | scores
    boxes = {"box_x": -1.5, "box_y": 2.0, "box_w": 30.25, "box_h": 40.0}
    second = {"file": "0", "face_id": "face_1", "prob": 1.0, "box_x": 1.0, "box_y": 2.0, "box_w": 3.0, "box_h": 4.0} | scores
    assert rows(flat, "face") == [first | boxes | {"facs_au26_jaw_drop": 0.125, "desc_jaw_drop": 0.75}, second]
    [prosody] = rows(flat, "prosody")
    assert prosody == {"file": "0", "begin_s": 0.5, "end_s": 1.25, "answer_time_begin": 5.0, "answer_time_end": 9.5} | scores
    assert rows(flat, "burst") == [{"file": "0", "begin_s": 0.0, "end_s": 1.0, "desc_laugh": 1.0} | scores]
    assert rows(flat, "language") == [{"file": "0", "text": "No.", "position_begin": 0, "position_end": 3} | scores]
    assert rows(flat, "facemesh") == [{"file": "0"} | scores]


def test_a_warning_is_a_failure_in_humes_words() -> None:
    flat = read(NO_FACE)
    assert [(f.file, f.model, f.message) for f in flat.failures] == [
        ("0", "face", "No faces detected. (W0103)"),
        ("0", "burst", "No vocal bursts detected. (W0101)"),
    ]
    assert (flat.tables, flat.answers, flat.dialect) == ({}, (), "streaming")


def test_an_error_about_all_of_a_message_is_a_failure_too() -> None:
    flat = read([FACE, {"error": "Audio is longer than 5000 ms.", "code": "E0203", "payload_id": "p7"}])
    assert [(f.file, f.model, f.message) for f in flat.failures] == [("p7", None, "Audio is longer than 5000 ms. (E0203)")]


def test_a_model_that_found_nothing_is_an_answer_without_rows() -> None:
    flat = read({"face": {"predictions": []}})
    assert [(a.model, a.rows) for a in flat.answers] == [("face", 0)]


MESSAGES = [FACE, SPEECH, NO_FACE, FACE | {"payload_id": "p4"}, FACE]


@pytest.mark.parametrize(
    "payload",
    [
        json.dumps(MESSAGES),
        json.dumps(MESSAGES, indent=2).replace("\n", "\r\n"),
        "\n".join(map(json.dumps, MESSAGES)),
        "\r\n".join(map(json.dumps, MESSAGES)) + "\r\n",
        json.dumps({"participant": "007", "frames": MESSAGES}),
        json.dumps({f"12:00:0{i}": message for i, message in enumerate(MESSAGES)}),
        json.dumps([{"at": i, "result": message} for i, message in enumerate(MESSAGES)]),
        json.dumps([message | {"ner": None, "job_details": {"job_id": "1f3a"}} for message in MESSAGES]),
    ],
)
@pytest.mark.parametrize("window_bytes", [50, 1 << 20])
def test_messages_stand_in_whatever_people_wrote_them_to(payload: str, window_bytes: int) -> None:
    [flat] = flatten_in_pieces(payload.encode(), rows=None, window_bytes=window_bytes)
    assert flat.dialect == "streaming"
    assert flat.job_id is None  # of the session, and more than one dump can be of it
    assert [(a.file, a.copy, a.model, a.rows) for a in flat.answers] == [
        ("0", 0, "face", 2),
        *(("1", 0, model, 1) for model in SPEECH),
        ("p4", 0, "face", 2),
        ("4", 0, "face", 2),
    ]
    assert {answer.source.index for answer in flat.answers} == {0}
    assert [f.file for f in flat.failures] == ["2", "2"]


def test_dumps_of_the_typescript_sdk_are_read_too() -> None:
    row = {"faceId": "face_2", "bbox": {"x": 1, "y": 2, "w": 3, "h": 4}, "emotions": [{"name": "Joy", "score": 0.5}]}
    flat = read({"payloadId": "p", "face": {"predictions": [row]}, "prosody": None})
    assert [(row["file"], row["face_id"], row["box_h"], row["joy"]) for row in rows(flat, "face")] == [("p", "face_2", 4.0, 0.5)]


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32))
def test_messages_give_what_the_same_rows_give_in_a_batch_job(seed: int) -> None:
    rng = random.Random(seed)
    maker = JobMaker(rng, odd=0.05)
    streamed: dict[str, Any] = {}
    batch: dict[str, Any] = {}
    for model in ("face", "prosody", "burst", "language", "facemesh"):
        answer: ModelAnswer = maker.answer(model)
        for _, group in answer.groups:
            for row in group:
                row.fields.clear()
        written_rows = [(id_, row_json(row)) for id_, group in answer.groups for row in group]
        batch[model] = {"grouped_predictions": [{"id": id_, "predictions": [row]} for id_, row in written_rows]}
        streamed[model] = {"predictions": [dict(row) for _, row in written_rows]}
        for (id_, _), each in zip(written_rows, streamed[model]["predictions"], strict=True):
            if model == "face":
                each |= {"bbox": each.pop("box"), "face_id": id_}
    message = shuffled_keys(streamed, rng) if rng.random() < 0.5 else streamed
    flat = flatten_predictions(written([message], rng))
    wanted = flatten_predictions(json.dumps({"file": "0", "models": batch}).encode())
    found = {
        model: table.drop_columns([c for c in ("speaker_id",) if c in table.column_names]) for model, table in flat.tables.items()
    }
    for model, table in found.items():
        other = wanted.tables[model].drop_columns([c for c in ("speaker_id",) if c in wanted.tables[model].column_names])
        if model == "facemesh":
            table, other = table.drop_columns(["face_id"]), other.drop_columns(["face_id"])
        assert table.to_pylist() == other.to_pylist()
    assert {(a.model, a.rows) for a in flat.answers} == {(a.model, a.rows) for a in wanted.answers}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"bbox": {"x": "1"}, "emotions": []}, '$.face.predictions[0]: bbox.x is "1", not a number'),
        ({"face_id": 3, "emotions": []}, "$.face.predictions[0]: face_id is 3, not a text"),
        ({"emotions": [{"name": "Joy", "score": "much"}]}, '$.face.predictions[0]: the score of Joy in emotions is "much"'),
        ({"bbox": {}, "emotions": {"Joy": 0.5}}, "$.face.predictions[0]: emotions is an object, not a list"),
    ],
)
def test_a_wrong_value_is_named_with_its_place(row: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnreadableResponse) as caught:
        flatten_predictions(json.dumps({"face": {"predictions": [row]}}).encode())
    assert reason in str(caught.value)


def test_the_line_is_told_where_there_are_several() -> None:
    broken = {"face": {"predictions": [{"bbox": 5, "emotions": [{"name": "Joy", "score": "much"}]}]}}
    with pytest.raises(UnreadableResponse, match=r"value 3, \$\.face\.predictions\[0\]: the score of Joy"):
        flatten_predictions(b"\n".join(json.dumps(each).encode() for each in (FACE, FACE, broken)))


@pytest.mark.parametrize(
    "foreign",
    [
        {"face": {"warning": "Look out!"}},
        {"face": {"predictions": [{"emotions": {"joy": 0.5}}]}},
        {"face": {"predictions": [1, 2]}},
        {"face": {"predictions": {"emotions": JOY}}},
        {"error": "not found", "code": 404},
    ],
)
def test_what_only_resembles_a_message_is_not_taken_for_one(foreign: Any) -> None:
    with pytest.raises(NotHumeData):
        flatten_predictions(json.dumps(foreign).encode())


def test_batch_predictions_under_the_name_of_a_model_are_batch_predictions() -> None:
    row = {"frame": 0, "time": 0, "prob": 0.5, "box": {"x": 1, "y": 2, "w": 3, "h": 4}, "emotions": JOY}
    models = {"face": {"metadata": None, "grouped_predictions": [{"id": "face_0", "predictions": [row]}]}}
    source = {"source": {"type": "url", "url": "https://x.com/a"}, "results": {"predictions": [{"file": "a", "models": models}]}}
    for window_bytes in (50, 1 << 20):
        data = json.dumps({"face": {"predictions": [source]}}).encode()
        [flat] = flatten_in_pieces(data, window_bytes=window_bytes)
        assert [(a.file, a.source.type, a.rows) for a in flat.answers] == [("a", "url", 1)]
        assert flat.dialect == "wrapped"
