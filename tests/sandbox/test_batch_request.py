"""What a request may say, what is assumed where it is silent, what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from humeanalytics.sandbox.batch.requests import InvalidRequest, read_request
from humeanalytics.sandbox.options import SandboxOptions

DEFAULTS = SandboxOptions()
STRICT = SandboxOptions(strict=True)

#: The echo of a request that names no models, as Hume's documentation of 2024 shows it.
ALL_MODELS = {
    "burst": {},
    "face": {
        "descriptions": None,
        "facs": None,
        "fps_pred": 3,
        "identify_faces": False,
        "min_face_size": 60,
        "prob_threshold": 0.99,
        "save_faces": False,
    },
    "facemesh": {},
    "language": {"granularity": "word", "identify_speakers": False, "sentiment": None, "toxicity": None},
    "ner": {"identify_speakers": False},
    "prosody": {"granularity": "utterance", "identify_speakers": False, "window": None},
}


@pytest.mark.parametrize("body", [{}, {"models": None}])
def test_silence_means_all_models_with_defaults(body: dict[str, Any]) -> None:
    request = read_request(body, DEFAULTS)
    assert request.echo == {"callback_url": None, "models": ALL_MODELS, "notify": False, "text": [], "urls": []}
    assert request.models == ALL_MODELS
    assert request.transcription == {"confidence_threshold": 0.5, "identify_speakers": False, "language": None}


def test_models_not_asked_for_are_null_in_the_echo() -> None:
    request = read_request({"models": {"face": {"facs": {}}, "burst": None}}, DEFAULTS)
    assert request.models == {"face": {**ALL_MODELS["face"], "facs": {}}}
    assert request.echo["models"] == {**dict.fromkeys(ALL_MODELS), "face": {**ALL_MODELS["face"], "facs": {}}}


def test_a_null_option_is_an_option_not_set() -> None:
    request = read_request({"models": {"prosody": {"granularity": None, "window": None}}}, DEFAULTS)
    assert request.models["prosody"] == ALL_MODELS["prosody"]


def test_a_window_is_filled_in() -> None:
    request = read_request({"models": {"prosody": {"window": {"step": 2}}}}, DEFAULTS)
    assert request.models["prosody"]["window"] == {"length": 4.0, "step": 2.0}


def test_transcription_null_is_off_and_partly_given_is_filled_in() -> None:
    off = read_request({"transcription": None}, DEFAULTS)
    assert off.transcription is None and off.echo["transcription"] is None
    some = read_request({"transcription": {"language": "fr"}}, DEFAULTS)
    assert some.echo["transcription"] == some.transcription
    assert some.transcription == {"confidence_threshold": 0.5, "identify_speakers": False, "language": "fr"}


def test_old_float_sizes_become_whole() -> None:
    assert read_request({"models": {"face": {"min_face_size": 80.0}}}, DEFAULTS).models["face"]["min_face_size"] == 80


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ([], "request body must be an object"),
        ({"models": []}, "models must be an object"),
        ({"models": {"face": 3}}, "models.face must be an object"),
        ({"models": {"face": {"fps_pred": -1}}}, "models.face.fps_pred must be between 0"),
        ({"models": {"face": {"fps_pred": "3"}}}, "models.face.fps_pred must be a number"),
        ({"models": {"face": {"prob_threshold": 1.5}}}, "models.face.prob_threshold must be between 0 and 1"),
        ({"models": {"face": {"min_face_size": -1}}}, "models.face.min_face_size"),
        ({"models": {"face": {"identify_faces": 1}}}, "models.face.identify_faces must be true or false"),
        ({"models": {"face": {"facs": True}}}, "models.face.facs must be an object or null"),
        ({"models": {"prosody": {"granularity": "passage"}}}, "models.prosody.granularity must be one of word"),
        ({"models": {"prosody": {"window": {"length": 0.4}}}}, "models.prosody.window.length"),
        ({"models": {"prosody": {"window": {"step": 0.1}}}}, "models.prosody.window.step"),
        ({"models": {"language": {"granularity": 3}}}, "models.language.granularity"),
        ({"transcription": {"language": "xx"}}, "transcription.language must be null or one of"),
        ({"transcription": {"confidence_threshold": 2}}, "transcription.confidence_threshold"),
        ({"transcription": "off"}, "transcription must be an object or null"),
        ({"urls": "http://x/a.wav"}, "urls must be a list of strings"),
        ({"urls": ["ftp://x/a.wav"]}, r"urls\[0\] must be an http or https URL"),
        ({"urls": ["file:///etc/passwd"]}, r"urls\[0\] must be"),
        ({"urls": ["http://[::1/a"]}, r"urls\[0\] must be"),
        ({"text": [1]}, "text must be a list of strings"),
        ({"callback_url": "nowhere"}, "callback_url must be"),
        ({"notify": "yes"}, "notify must be true or false"),
        ({"urls": ["http://x/a"] * 101}, "urls has 101 entries; the maximum is 100"),
        ({"text": ["a"] * 101}, "text has 101 entries; the maximum is 100"),
    ],
)
def test_what_is_refused(body: Any, complaint: str) -> None:
    with pytest.raises(InvalidRequest, match=complaint):
        read_request(body, DEFAULTS)


def test_a_hundred_of_each_is_taken() -> None:
    request = read_request({"urls": ["http://x/a"] * 100, "text": ["a"] * 100}, DEFAULTS)
    assert len(request.urls) == len(request.texts) == 100


def test_the_size_of_a_text_counts_its_bytes() -> None:
    options = SandboxOptions(max_text_bytes=10)
    assert read_request({"text": ["ééééé"]}, options).texts == ["ééééé"]
    with pytest.raises(InvalidRequest, match=r"text\[1\] exceeds the maximum of 10 bytes"):
        read_request({"text": ["", "éééééé"]}, options)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"model": {}}, "model"),
        ({"models": {"gaze": {}}}, "models.gaze"),
        ({"models": {"face": {"use_existing_partition": True}}}, "models.face.use_existing_partition"),
        ({"transcription": {"diarize": True}}, "transcription.diarize"),
    ],
)
def test_unknown_keys_are_ignored_unless_strict(body: dict[str, Any], field: str) -> None:
    assert "gaze" not in read_request(body, DEFAULTS).models
    with pytest.raises(InvalidRequest, match=f"unknown field {field}"):
        read_request(body, STRICT)
