"""Settings of a scoring: one canonical form, every default spelled out, nothing Hume would ignore in silence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from humeanalytics.errors import SettingsError
from humeanalytics.jobs.scoring_settings import BatchScoring, batch_scoring, read_scoring


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (batch_scoring(["prosody", "face"]), batch_scoring(["face", "prosody"])),
        (batch_scoring(["face"], options={"fps_pred": 3}), batch_scoring(["face"])),
        (batch_scoring(["face"], options={"facs": True}), batch_scoring({"face": {"facs": {}}})),
        (batch_scoring(["prosody"], options={"window": (4, 1)}), batch_scoring({"prosody": {"window": {}}})),
        (batch_scoring(), batch_scoring(["face", "prosody", "burst", "language"])),
    ],
)
def test_the_same_however_written(one: BatchScoring, other: BatchScoring) -> None:
    assert one.settings_id == other.settings_id
    assert BatchScoring.from_canonical(one.canonical_json) == other


def test_other_options_are_other_settings() -> None:
    plain = batch_scoring(["language"])
    assert plain.settings_id != batch_scoring(["language"], options={"granularity": "word"}).settings_id
    assert plain.settings_id != batch_scoring(["language"], transcription=False).settings_id


def test_speakers_are_told_apart_in_both_places() -> None:
    request = batch_scoring(["prosody", "burst"], options={"identify_speakers": True}).request()
    assert request["models"]["prosody"]["identify_speakers"] is True
    assert request["transcription"]["identify_speakers"] is True
    assert request["models"]["burst"] == {}


def test_no_transcription_is_said_outright() -> None:
    assert batch_scoring(["prosody"], transcription=False).request()["transcription"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"models": ["voice"]}, "No such model: voice"),
        ({"models": {"face": {"fps": 3}}}, "face has no option 'fps'. It has: fps_pred"),
        ({"models": ["burst"], "options": {"granularity": "word"}}, "None of burst has an option 'granularity'"),
        (
            {"models": ["prosody"], "options": {"granularity": "syllable"}},
            "one of word, sentence, utterance, conversational_turn",
        ),
        ({"models": ["face"], "options": {"prob_threshold": 2}}, "a number from 0.0 to 1.0, not 2"),
        ({"models": ["face"], "options": {"fps_pred": True}}, "a number from 0.0"),
        ({"models": ["prosody"], "options": {"window": (0.1, 1)}}, "0.5 or more"),
        ({"models": ["prosody"], "options": {"language": "xx"}}, "transcription.language is one of"),
        ({"models": ["face"], "options": {"facs": "yes"}}, "on or off"),
        ({"models": ["face"], "options": {"identify_faces": 1}}, "true or false"),
    ],
)
def test_what_hume_would_ignore_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message.replace("(", r"\(")):
        batch_scoring(**arguments)


def test_a_file_of_settings(tmp_path: Path) -> None:
    path = tmp_path / "scoring.toml"
    path.write_text('[models.prosody]\ngranularity = "word"\n[models.face]\nfacs = true\n[transcription]\nlanguage = "de"\n')
    wanted = batch_scoring({"prosody": {"granularity": "word"}, "face": {"facs": {}}}, transcription={"language": "de"})
    assert read_scoring(path).settings_id == wanted.settings_id
    path.write_text("[modles.face]\n")
    with pytest.raises(SettingsError, match=r"scoring\.toml has modles"):
        read_scoring(path)
    path.write_text("[models.face]\nfpspred = 3\n")
    with pytest.raises(SettingsError, match=r"scoring.toml: face has no option 'fpspred'"):
        read_scoring(path)
