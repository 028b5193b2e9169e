"""What is broken or not Hume's gives an error of ours that says where and why, and never half a result."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from v0_payloads import JobMaker, api_json, written

from humeanalytics.errors import HumeAnalyticsError, NotHumeData, UnreadableResponse
from humeanalytics.tables.batch import flatten_in_pieces, flatten_predictions

SAMPLE = (Path(__file__).parent / "samples" / "v0_batch_jobs_id_predictions.json").read_bytes()
ROW = {
    "frame": 0,
    "time": 0.5,
    "prob": 0.9,
    "box": {"x": 1.0, "y": 2.0, "w": 3.0, "h": 4.0},
    "emotions": [{"name": "Joy", "score": 0.25}],
    "facs": None,
}


def payload(row: dict[str, Any] | str) -> bytes:
    """Return a payload with one face in it; a row given as text is taken as it is."""
    groups = [{"id": "unknown", "predictions": ["ROW"]}]
    models = {"face": {"metadata": None, "grouped_predictions": groups}}
    results = {"predictions": [{"file": "a.jpg", "models": models}], "errors": []}
    whole = json.dumps([{"source": {"type": "text"}, "results": results}])
    return whole.replace('"ROW"', row if isinstance(row, str) else json.dumps(row)).encode()


PLACE = "$[0].results.predictions[0].models.face.grouped_predictions[0].predictions[0]"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (ROW | {"emotions": {"Joy": 0.5}}, "emotions is an object, not a list"),
        (ROW | {"emotions": "Joy"}, 'emotions is "Joy", not a list'),
        (ROW | {"emotions": 5}, "emotions is 5, not a list"),
        (ROW | {"emotions": [{"name": "Joy", "score": "0.5"}]}, 'the score of Joy in emotions is "0.5", not a number'),
        (ROW | {"emotions": [{"name": "Joy", "score": True}]}, "the score of Joy in emotions is true, not a number"),
        (ROW | {"emotions": [{"name": 3, "score": 0.5}]}, "a name in emotions is no text"),
        (ROW | {"emotions": [{"score": 0.5}]}, "emotions[0] is an object, not an object with name and score"),
        (ROW | {"emotions": [{"name": "Joy", "probability": 0.5}]}, "emotions[0] has no score; its keys are name, probability"),
        (ROW | {"emotions": [0.5]}, "emotions[0] is 0.5, not an object with name and score"),
        (ROW | {"emotions": [{"name": "Joy", "score": 1e300}]}, "the score of Joy in emotions is 1e300, which no float32 holds"),
        (
            ROW | {"emotions": [{"name": "Joy", "score": 2**53 + 1}]},
            "the score of Joy in emotions is 9007199254740993, a whole number beyond",
        ),
        (ROW | {"time": "0.5"}, 'time is "0.5", not a number'),
        (ROW | {"time": 2**63 + 1}, f"time is {2**63 + 1}, not a number that a float holds"),
        (ROW | {"time": 2**53 + 1}, f"time is {2**53 + 1}, not a number that a float holds"),
        (ROW | {"box": {"x": -(2**53) - 1}}, f"box.x is {-(2**53) - 1}, not a number that a float holds"),
        (ROW | {"frame": 2**63}, f"frame is {2**63}, not a whole number of 64 bits"),
        (ROW | {"frame": 0.5}, "frame is 0.5, not a whole number"),
        (ROW | {"prob": 1e39}, "prob is 1e39, which no float32 holds"),
        (ROW | {"box": {"x": []}}, "box.x is a list, not a number"),
        ("17", "17 is no object"),
    ],
)
def test_a_wrong_value_is_named_with_its_place(row: dict[str, Any] | str, reason: str) -> None:
    with pytest.raises(UnreadableResponse) as caught:
        flatten_predictions(payload(row), name="job.json")
    assert str(caught.value).startswith(f"job.json: {PLACE}: ")
    assert reason in str(caught.value)
    assert caught.value.item == "job.json"


def test_whole_numbers_that_a_float_holds_are_kept_however_large() -> None:
    row = ROW | {"time": 2**53, "box": {"x": 2**53 - 1, "y": -(2**53), "w": 2**62, "h": 2.0**53 + 2}}
    [read] = flatten_predictions(payload(row)).tables["face"].to_pylist()
    assert [read[name] for name in ("time_s", "box_x", "box_y", "box_w", "box_h")] == [row["time"], *row["box"].values()]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "nan", "1e", "01", "1.", ".5", "+1", "0x10", "1_0"])
def test_what_is_no_json_number_is_refused(number: str) -> None:
    for row in (f'{{"time": {number}}}', f'{{"emotions": [{{"name": "Joy", "score": {number}}}]}}'):
        with pytest.raises(UnreadableResponse, match=r"malformed"):
            flatten_predictions(payload(row))


def test_a_number_beyond_a_double_is_refused() -> None:
    with pytest.raises(UnreadableResponse, match="out of range"):
        flatten_predictions(payload('{"emotions": [{"name": "Joy", "score": 1e999}]}'))


def test_half_a_surrogate_pair_is_refused_by_name() -> None:
    with pytest.raises(UnreadableResponse, match=r"half of a surrogate pair, \\ud83d"):
        flatten_predictions(payload('{"text": "\\ud83d"}'))


def test_invalid_utf8_is_told_by_its_byte() -> None:
    broken = SAMPLE.replace(b"Awkwardness", b"Awkw\xe9rdness")
    with pytest.raises(UnreadableResponse, match=f"byte {broken.index(0xE9)} is not UTF-8"):
        flatten_predictions(broken)


@pytest.mark.parametrize("opening", ["[", '{"predictions":', '[{"source":{},"results":'])
def test_endless_nesting_is_refused(opening: str) -> None:
    deep = opening * 10_000
    with pytest.raises(UnreadableResponse, match="nested"):
        flatten_predictions(deep.encode())
    with pytest.raises(UnreadableResponse, match="nested"):
        flatten_predictions(payload('{"text": ' + "[" * 10_000 + "]" * 10_000 + "}"))


@pytest.mark.parametrize(
    ("data", "looks"),
    [
        (b"", "an empty file"),
        (b"  \n", "a file of nothing but blanks"),
        (b"<!DOCTYPE html><html><body>403</body></html>", "an HTML page"),
        (b'<?xml version="1.0"?>', "XML or HTML"),
        (b"PK\x03\x04....", "a zip archive"),
        (b"\x1f\x8b\x08\x00", "gzip data"),
        (b"\x00\x01\x02binary", "binary data"),
        (b"a,b,c\n1,2,3\n", "text that is no JSON"),
        (b'"predictions"', "text that is no JSON"),
        (b'{"a": 1, "b": [{"x": 2}], "c": null}', "a JSON object with the keys a, b, c"),
        (b"[]", "a JSON list without a source in it"),
        (b"[1, 2, 3]", "a JSON list without a source in it"),
        (b"{}", "an empty JSON object"),
        (b'{"code": 403, "message": "discontinued"}', "an error answer of an API"),
        (b'{"fault": {"faultstring": "Invalid ApiKey"}}', "an error answer of an API"),
        (b'{"job_id": "1", "request": {"models": {"face": {}}}, "state": {}}', "the details of a v0 job"),
        (b'{"face": {"warning": "No faces detected."}}', "a JSON object with the keys face"),
        (b'{"face": {"predictions": [{"emotions": {"Joy": 0.5}}]}}', "a JSON object with the keys face"),
        (b'{"jobs": [{"job_id": "1", "request": {}, "state": {}}]}', "the details of a v0 job"),
    ],
)
def test_what_is_not_humes_is_told_by_its_looks(data: bytes, looks: str) -> None:
    with pytest.raises(NotHumeData) as caught:
        flatten_predictions(data, name="x.json")
    assert looks in str(caught.value)
    assert str(caught.value).startswith("x.json: ")


def test_no_text_of_a_foreign_file_is_shown() -> None:
    with pytest.raises(NotHumeData) as caught:
        flatten_predictions(b"HUME_API_KEY=abcdef0123456789")
    assert "abcdef" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (
            [{"source": {}, "results": {"predictions": {}, "errors": []}}],
            "$[0].results.predictions: this is an object, not a list",
        ),
        ([{"source": {}, "results": [], "error": None}], "$[0].results: this is a list, not an object"),
        ([{"source": {}, "results": {"predictions": [3]}}], "$[0].results.predictions[0]: this is a number, not an object"),
        (
            [{"source": {}, "results": {"predictions": [{"file": 3, "models": {}}]}}],
            "$[0].results.predictions[0].file: this is a number, not a text",
        ),
        (
            [{"source": {}, "results": {"predictions": [{"file": "a"}]}}],
            "$[0].results.predictions[0]: there are no models; the keys are file",
        ),
        ([{"source": {}, "results": {"predictions": [{"file": "a", "models": []}]}}], ".models: this is a list, not an object"),
        (
            [{"source": {}, "results": {"predictions": [{"file": "a", "models": {"face": 1}}]}}],
            ".models.face: this is a number, not an object",
        ),
        (
            [{"source": {}, "results": None, "error": None}, 17],
            "$[1]: this is neither a source nor a prediction, although $[0] is",
        ),
        ([{}, {"source": {}, "results": None}], "$[0]: this is neither a source nor a prediction, although $[1] is"),
    ],
)
def test_a_frame_that_is_wrong_is_named_with_its_place(data: Any, reason: str) -> None:
    with pytest.raises(UnreadableResponse) as caught:
        flatten_predictions(json.dumps(data).encode())
    assert reason in str(caught.value)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32), at=st.floats(0, 1, exclude_max=True))
def test_truncation_at_any_byte_is_told(seed: int, at: float) -> None:
    rng = random.Random(seed)
    whole = written(api_json(JobMaker(rng, odd=0.1, rows=2).job()), rng).rstrip()
    cut = int(at * len(whole))
    with pytest.raises(UnreadableResponse):
        flatten_predictions(whole[:cut])


def test_truncation_of_the_sample_is_told_with_its_length() -> None:
    for cut in range(200, len(SAMPLE) - 1, 97):
        with pytest.raises(UnreadableResponse, match=f"ends early, after {cut} bytes"):
            flatten_predictions(SAMPLE[:cut])


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 2**32), edits=st.integers(1, 4))
def test_mutated_bytes_never_crash_otherwise(seed: int, edits: int) -> None:
    rng = random.Random(seed)
    data = bytearray(written(api_json(JobMaker(rng, odd=0.1, rows=2).job()), rng))
    for _ in range(edits):
        at = rng.randrange(len(data))
        data[at : at + rng.choice([0, 1, 1, 5, 50])] = rng.choice(
            [b"", b"[", b"}", b'"', b"\\", b"\xff", b"null", b"-", b"1e9", b","]
        )
    try:
        flat = flatten_predictions(bytes(data))
    except HumeAnalyticsError:
        return
    assert flat == flatten_predictions(bytes(data), by_name=True)
    assert sum(answer.rows for answer in flat.answers) == sum(len(table) for table in flat.tables.values())


@pytest.mark.parametrize("depth", [90, 98, 100, 102, 104, 106, 108, 109, 110, 111, 112, 113, 120, 300, 500, 950, 3000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('{"emotions":[', "]}")])
def test_nesting_is_kept_or_refused_and_never_a_crash(depth: int, opening: str, closing: str) -> None:
    levels = depth // len(closing)
    deep = opening * levels + '{"emotions":[{"name":"Joy","score":0.5}]}' + closing * levels
    for place in ("row", "beside", "wrapper"):
        if place == "row":
            data = payload(json.dumps(ROW | {"deep": "DEEP"}).replace('"DEEP"', deep))
        elif place == "beside":
            data = payload(ROW).replace(b'"metadata": null', b'"metadata": {"deep": %b}' % deep.encode())
        else:
            data = b'{"deep": %b, "predictions": %b}' % (deep.encode(), payload(ROW))
        try:
            flat = flatten_predictions(data)
        except UnreadableResponse as error:
            assert "nested" in str(error)
            with pytest.raises(UnreadableResponse, match="nested"):
                flatten_predictions(data, by_name=True)
        else:
            assert flat == flatten_predictions(data, by_name=True)
            assert len(flat.tables["face"]) == 1


@pytest.mark.parametrize("window_bytes", [100, 1 << 20])
def test_what_a_source_is_does_not_depend_on_the_window(window_bytes: int) -> None:
    results = {"predictions": [{"file": "a", "models": {}}]}
    long = {"notes": ["x" * 50] * 9}
    data = json.dumps([{"source": {"type": "url", "url": "https://x.com/a"}, "more": long, "results": results}]).encode()
    [flat] = flatten_in_pieces(data, window_bytes=window_bytes)
    assert (flat.dialect, flat.answers, flat.failures) == ("api", (), ())


@pytest.mark.parametrize("key", ["file", "file_type", "message", "filename", "url"])
@pytest.mark.parametrize("window_bytes", [200, 1 << 20])
@pytest.mark.parametrize("broken", [b'"a\nb"', b'"a\xffb"', b'"a\\qb"'])
def test_a_text_that_is_no_json_text_is_told_wherever_it_stands(key: str, window_bytes: int, broken: bytes) -> None:
    payload = (
        b'[{"source":{"type":"file","filename":"f","url":"u"},"results":{"errors":[{"file":"e","message":"m"}],'
        b'"predictions":[{"file":"p","file_type":"video","models":{}}]}}]'
    )
    at = payload.rindex(b'"%b":' % key.encode()) + len(key) + 3
    end = payload.index(b'"', at + 1) + 1
    with pytest.raises(UnreadableResponse):
        list(flatten_in_pieces(payload[:at] + broken + payload[end:], window_bytes=window_bytes))
