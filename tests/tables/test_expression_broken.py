"""An answer of v1 that is broken, or was never one, gives an error of ours that says where and why, and never half a result."""

from __future__ import annotations

import copy
import io
import json
import random
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from v1_payloads import FORMS, answer_of

from humeanalytics.errors import HumeAnalyticsError, NotHumeData, UnreadableResponse
from humeanalytics.tables.expression import (
    Frame,
    Placement,
    Uploaded,
    flatten_saved,
    flatten_saved_in_pieces,
    flatten_uploads,
    looks_like_v1,
)

SPAN = {"audio_start_ms": 5, "audio_end_ms": 900}
UTTERANCE = {"utterance_id": 0, **SPAN}
MEASUREMENT = {"measurement_id": 0, **UTTERANCE, "trigger": "interval", "expressions": [], "voice_attributes": []}
FACE = {"face_id": 0, "bbox": [1.0, 2.0, 3.0, 4.0], "confidence": 0.95, "expressions": [], "descriptions": []}


def audio(**changes: Any) -> dict[str, Any]:
    whole = {"run_id": "a", "received": {"audio_duration_ms": 1000}, "utterances": [UTTERANCE], "measurements": [MEASUREMENT]}
    return whole | changes


def measured(**changes: Any) -> dict[str, Any]:
    return audio(measurements=[MEASUREMENT | changes])


def seen(**changes: Any) -> dict[str, Any]:
    return {"run_id": "v", "received": {"frames": 1}, "measurements": [{"frame_id": 0, "faces": [FACE | changes]}]}


def joy(**more: Any) -> list[dict[str, Any]]:
    return [{"name": "joy", **more}]


M, F = "$.measurements[0]", "$.measurements[0].faces[0]"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (audio(run_id=5), "$.run_id: 5 is not a text"),
        (audio(received=[]), "$.received: a list is no object"),
        (audio(received={"audio_duration_ms": "5"}), '$.received.audio_duration_ms: "5" is not a whole number'),
        (audio(utterances={}), "$.utterances: an object is no list"),
        (audio(utterances=[7]), "$.utterances[0]: 7 is no object"),
        (audio(utterances=[SPAN]), "$.utterances[0]: there is no utterance_id; the keys are audio_start_ms, audio_end_ms"),
        (audio(utterances=[UTTERANCE | {"audio_end_ms": None}]), "$.utterances[0].audio_end_ms: null is not a whole number"),
        (audio(utterances=[UTTERANCE | {"audio_end_ms": 0.5}]), "$.utterances[0].audio_end_ms: 0.5 is not a whole number"),
        (audio(utterances=[UTTERANCE | {"audio_end_ms": 2**60}]), f"audio_end_ms: {2**60} is not a whole number"),
        (audio(utterances=[UTTERANCE | {"audio_end_ms": True}]), "audio_end_ms: true is not a whole number"),
        (audio(utterances=[UTTERANCE, UTTERANCE]), "$.utterances[1]: utterance_id 0 stands here a second time"),
        (audio(utterances=[{"utteranceId": 0, **UTTERANCE}]), "$.utterances[0]: two of the keys"),
        (audio(measurements=None), "$.measurements: null is no list"),
        (audio(measurements=[MEASUREMENT, MEASUREMENT]), "$.measurements[1]: measurement_id 0 stands here a second time"),
        (measured(measurement_id="0"), f'{M}.measurement_id: "0" is not a whole number'),
        (measured(trigger=5), f"{M}.trigger: 5 is not a text"),
        (measured(expressions={"joy": 0.5}), f"{M}.expressions: an object is no list"),
        (measured(expressions=joy()), f"{M}.expressions[0]: joy has no probability; the keys are name"),
        (measured(expressions=joy(score=0.5)), f"{M}.expressions[0]: joy has no probability; the keys are name, score"),
        (measured(expressions=joy(probability="0.5")), f'{M}.expressions[0].probability: "0.5" is not a number'),
        (measured(expressions=joy(probability=None)), f"{M}.expressions[0].probability: null is not a number"),
        (measured(expressions=joy(probability=True)), f"{M}.expressions[0].probability: true is not a number"),
        (measured(expressions=joy(probability=2**53 + 1)), f"{M}.expressions[0].probability: 9007199254740993 is not a number"),
        (
            measured(voice_attributes=[{"probability": 0.5}]),
            f"{M}.voice_attributes[0]: this is no score with a name; its keys are",
        ),
        (measured(voice_attributes=["calm"]), f'{M}.voice_attributes[0]: "calm" is no object'),
        (seen(bbox=None), f"{F}.bbox: null is no list"),
        (seen(bbox={"x0": 1}), f"{F}.bbox: an object is no list"),
        (seen(bbox=[1, 2, 3]), f"{F}.bbox: this has 3 numbers, not the four of two corners"),
        (seen(bbox=[1, 2, "3", 4]), f'{F}.bbox[2]: "3" is not a number'),
        (seen(face_id=-1), f"{F}: face_id is -1"),
        (seen(face_id="0"), f'{F}.face_id: "0" is not a whole number'),
        (seen(confidence="high"), f'{F}.confidence: "high" is not a number'),
        (seen(descriptions=[[]]), f"{F}.descriptions[0]: a list is no object"),
        ({**seen(), "measurements": [{"frame_id": 0, "faces": None}]}, f"{M}.faces: null is no list"),
        ({**seen(), "measurements": [{"faces": []}]}, f"{M}: there is no frame_id; the keys are faces"),
        (
            {**seen(), "measurements": [{"frame_id": 0, "faces": []}] * 2},
            "$.measurements[1]: frame_id 0 stands here a second time",
        ),
        ({**seen(), "face_state": {}}, "$.face_state: an object is not a text"),
    ],
)
def test_a_wrong_value_is_named_with_its_place(answer: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnreadableResponse) as caught:
        flatten_saved(json.dumps(answer).encode(), name="answer.json")
    assert type(caught.value) is UnreadableResponse
    assert str(caught.value).startswith(f"answer.json: {reason.split(':')[0]}" if reason.startswith("$") else "answer.json: ")
    assert reason in str(caught.value)
    assert caught.value.item == "answer.json"


def test_the_place_is_that_in_the_file_however_it_is_wrapped() -> None:
    wrapped = {"a": {"b": [audio(), measured(trigger=5)]}}
    with pytest.raises(UnreadableResponse, match=r"x: \$\.a\.b\[1\]\.measurements\[0\]\.trigger: 5"):
        flatten_saved(json.dumps(wrapped).encode(), name="x")
    with pytest.raises(UnreadableResponse, match=r"x: \$\[2\]\.measurements\[0\]\.trigger: 5"):
        flatten_saved(json.dumps([audio(), audio(), measured(trigger=5)]).encode(), name="x")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"run_id": "a", "measurements": [', "the JSON ends early, after 33 bytes"),
        ('{"run_id": NaN, "measurements": []}', "malformed at byte 11"),
        ('{"run_id": "\\ud83d", "measurements": []}', "half of a surrogate pair"),
        ('{"utterances": [], "measurements": []} []', "something follows the end of the JSON"),
        ('{"utterances": [], "measurements": []}\n{"utterances": {}, "measurements": []}', "x: value 2, $.utterances: an object"),
        ('{"utterances": [], "measurements": ' + "[" * 5000 + "]" * 5000 + "}", "nested"),
        ("[" * 5000, ""),
        ('{"utterances": [], "measurements": [{"audio_start_ms": 1e999}]}', "out of range"),
    ],
)
def test_json_that_is_broken_is_told_as_such(text: str, reason: str) -> None:
    with pytest.raises(UnreadableResponse) as caught:
        flatten_saved(text.encode(), name="x")
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("data", "looks"),
    [
        (b"", "an empty file"),
        (b"<!DOCTYPE html><html>", "an HTML page"),
        (b"RIFF....WAVE", "a RIFF file"),
        (b"HUME_API_KEY=abc", "text that is no JSON"),
        (b"[]", "a JSON list without an answer in it"),
        (b"{}", "an empty JSON object"),
        (b'{"a": 1, "measurements": [1, 2]}', "a JSON object with the keys a, measurements"),
        (b'{"measurements": [{"temperature": 5}]}', "a JSON object with the keys measurements"),
        (b'{"type": "error", "code": "server_busy", "message": "Later."}', "an error of v1 (server_busy: Later.)"),
        (b'{"message": "no"}', "an error answer of an API"),
        (b'{"runs": [{"run_id": "x"}]}', "a list of runs of v1, which holds no measurements"),
        (b'{"type": "measurement.result", "measurement_id": 0, "expressions": []}', "a message of a realtime session of v1"),
        (b'[{"type": "session.created"}, {"type": "utterance.start"}]', "a message of a realtime session of v1"),
    ],
)
def test_what_is_no_answer_is_told_by_its_looks(data: bytes, looks: str) -> None:
    with pytest.raises(NotHumeData) as caught:
        flatten_saved(data, name="x.json")
    assert str(caught.value).startswith("x.json: this is ")
    assert looks in str(caught.value)
    assert "abc" not in str(caught.value)


def test_an_upload_has_one_answer_of_the_model_that_the_others_have() -> None:
    one, other = json.dumps(audio()).encode(), json.dumps(seen()).encode()
    with pytest.raises(
        UnreadableResponse, match="b: this is an answer about video, and another upload of the job has one about audio"
    ):
        flatten_uploads([Uploaded("a", one), Uploaded("b", other, Placement(chunk=1))])
    with pytest.raises(UnreadableResponse, match="a: this holds 2 answers"):
        flatten_uploads([Uploaded("a", b"[%b, %b]" % (one, one))])
    with pytest.raises(ValueError, match="no uploads"):
        flatten_uploads([])


def test_a_frame_that_was_not_sent_is_refused() -> None:
    answer = {**seen(), "measurements": [{"frame_id": n, "faces": []} for n in (0, 1)]}
    with pytest.raises(UnreadableResponse, match=r"v: \$\.measurements\[1\]: frame_id is 1, and 1 images were sent"):
        flatten_uploads([Uploaded("v", json.dumps(answer).encode(), Placement(frames=(Frame(0, 0.0),)))])


# --------------------------------------------------------------------------------------------------------------- mutations
@given(st.integers(0, 2**32), st.sampled_from(sorted(FORMS.keys() - {"lines"})), st.floats(0, 1, exclude_max=True))
def test_truncation_at_any_byte_is_told(seed: int, form: str, at: float) -> None:
    whole = FORMS[form](answer_of(random.Random(seed))).encode()
    with pytest.raises(UnreadableResponse):
        flatten_saved(whole[: int(at * len(whole))])


@given(st.integers(0, 2**32), st.sampled_from(sorted(FORMS)), st.integers(1, 4))
def test_mutated_bytes_never_crash_otherwise(seed: int, form: str, edits: int) -> None:
    rng = random.Random(seed)
    data = bytearray(FORMS[form](answer_of(rng)).encode())
    for _ in range(edits):
        at = rng.randrange(len(data))
        bits = [b"", b"[", b"}", b'"', b"\\", b"\xff", b"null", b"-", b"1e9", b",", b"1e400", b"9" * 30]
        data[at : at + rng.choice([0, 1, 1, 5, 50])] = rng.choice(bits)
    looks_like_v1(bytes(data))
    _flattens_or_says_why(bytes(data))


VALUES: list[Any] = [None, True, 0, -1, 2**53, 2**70, 0.5, 1e300, "", "joy", [], [None], {}, {"name": "x"}, {"frames": 1}, [[]]]
KEYS = ["faces", "utterances", "measurements", "name", "probability", "Run_id", "runId", "new", "frame_id", "utteranceId", ""]


@given(st.integers(0, 2**32), st.integers(1, 5))
def test_mutated_structures_never_crash_otherwise(seed: int, edits: int) -> None:
    rng = random.Random(seed)
    answer = {"top": [answer_of(rng)]}
    for _ in range(edits):
        _mutate(answer, rng)
    _flattens_or_says_why(json.dumps(answer).encode())


def _mutate(value: Any, rng: random.Random) -> None:
    """Change something at some depth: a value, a key, one more, one less."""
    while True:
        inner = [each for each in (value.values() if isinstance(value, dict) else value) if isinstance(each, dict | list)]
        if not inner or rng.random() < 0.15:
            break
        value = rng.choice(inner)
    new = copy.deepcopy(rng.choice(VALUES))
    if isinstance(value, dict):
        key = rng.choice([*value, rng.choice(KEYS)])
        if rng.random() < 0.3 and key in value:
            del value[key]
        else:
            value[key] = new
    elif value and rng.random() < 0.7:
        value[rng.randrange(len(value))] = new
    else:
        value.append(copy.deepcopy(rng.choice([*value, new])))


def _flattens_or_says_why(data: bytes) -> None:
    try:
        flat = flatten_saved(data)
    except HumeAnalyticsError as error:
        assert str(error).startswith("the answer: ")
        return
    assert sum(answer.rows for answer in flat.answers) == sum(map(len, flat.tables.values()))
    pieces = list(flatten_saved_in_pieces(io.BytesIO(data), rows=1))
    assert [answer.fingerprint for piece in pieces for answer in piece.answers] == [a.fingerprint for a in flat.answers]


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
words = st.sampled_from([*KEYS, "received", "audio_duration_ms", "frames", "expressions", "type", "code"]) | st.text(max_size=3)


@given(st.recursive(leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=6), max_leaves=30))
@example({"type": []})
def test_any_json_is_read_or_refused(value: Any) -> None:
    _flattens_or_says_why(json.dumps(value).encode())
