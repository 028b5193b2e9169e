"""What the models say of sounds, pictures, films and texts: shapes, times, options, and errors of single files."""

from __future__ import annotations

import io
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hume_client import JOBS, Hume, rows
from made_media import film, image, mp3, silence, voice, wav

from humeanalytics import vocabulary
from humeanalytics.sandbox.embedded import Sandbox

SandboxWith = Callable[..., tuple[Sandbox, Hume]]

LOW, HIGH = voice(1.0, 110, seed=1), voice(1.4, 230, seed=2)
#: low voice from 0.5 to 1.5 s, high from 2.0 to 3.4, low again from 4.0 to 5.0
TALK = wav(silence(0.5), LOW, silence(0.5), HIGH, silence(0.6), LOW, silence(0.3))
SPANS = [(0.5, 1.5), (2.0, 3.4), (4.0, 5.0)]
SAID = "Good morning, Maria. How are you today? I am fine, thank you."

LISTS = {
    "face": {"emotions": 48, "facs": 36, "descriptions": 27},
    "prosody": {"emotions": 48},
    "burst": {"emotions": 48, "descriptions": 67},
    "language": {"emotions": 53, "sentiment": 9, "toxicity": 6},
    "ner": {"emotions": 53},
    "facemesh": {"emotions": 48},
}
KEYS = {
    "face": ["frame", "time", "prob", "box", "emotions", "facs", "descriptions"],
    "prosody": ["text", "time", "confidence", "speaker_confidence", "emotions"],
    "burst": ["time", "emotions", "descriptions"],
    "language": ["text", "position", "time", "confidence", "speaker_confidence", "emotions", "sentiment", "toxicity"],
    "ner": [
        *["entity", "position", "entity_confidence", "support", "uri", "link_word"],
        *["time", "confidence", "speaker_confidence", "emotions"],
    ],
    "facemesh": ["emotions"],
}


def spans(prediction: dict[str, Any], model: str) -> list[tuple[float, float]]:
    return sorted((row["time"]["begin"], row["time"]["end"]) for row in rows(prediction, model))


def near(found: list[tuple[float, float]], wanted: list[tuple[float, float]]) -> bool:
    return np.shape(found) == np.shape(wanted) and bool(np.allclose(found, wanted, atol=0.004))


def scored_one(hume: Hume, name: str, content: bytes, models: dict[str, Any], **body: Any) -> dict[str, Any]:
    return hume.scored({name: content}, models=models, **body)[0]


# ------------------------------------------------------------------------------------------------------------------ shapes
def test_rows_have_the_keys_of_the_contract_in_its_order(shared: Hume) -> None:
    speech = wav(voice(0.5, 120), silence(0.4), HIGH)
    everything = {
        "face": {"facs": {}, "descriptions": {}},
        "prosody": {},
        "burst": {},
        "language": {"sentiment": {}, "toxicity": {}},
        "ner": {},
        "facemesh": {},
    }
    files = {"film.mkv": film(1.0, sound=voice(0.5)), "talk.wav": speech, "talk.txt": SAID.encode()}
    predictions = shared.scored(files, models=everything)
    seen = set()
    for prediction in predictions:
        assert list(prediction) == ["file", "file_type", "models"]
        for model, found in prediction["models"].items():
            assert list(found) == ["metadata", "grouped_predictions"]
            for group in found["grouped_predictions"]:
                assert list(group) == ["id", "predictions"]
                for row in group["predictions"]:
                    seen.add(model)
                    assert list(row) == KEYS[model]
                    for key, count in LISTS[model].items():
                        assert [list(score) for score in row[key]] == [["name", "score"]] * count
    assert seen == set(KEYS)


def test_names_are_the_vocabulary_in_alphabetical_order(shared: Hume) -> None:
    prediction = scored_one(shared, "t.txt", b"Hello.", {"language": {"sentiment": {}, "toxicity": {}}})
    (row,) = rows(prediction, "language")
    names = [score["name"] for score in row["emotions"]]
    assert names == sorted(names) == [name.name for name in vocabulary.names_of("language", "expression")]
    assert [score["name"] for score in row["sentiment"]] == list("123456789")
    assert [s["name"] for s in row["toxicity"]] == ["toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate"]
    assert sum(score["score"] for score in row["sentiment"]) == pytest.approx(1, abs=1e-5)


def test_scores_are_single_precision(shared: Hume) -> None:
    models = {"face": {"facs": {}, "descriptions": {}}, "prosody": {}, "language": {"sentiment": {}, "toxicity": {}}}
    prediction = scored_one(shared, "film.mkv", film(1.0, sound=voice(1.0)), models)
    numbers = [
        score["score"] for model in models for row in rows(prediction, model) for key in LISTS[model] for score in row[key]
    ]
    numbers += [row["prob"] for row in rows(prediction, "face")]
    assert len(numbers) > 500
    assert all(float(np.float32(number)) == number for number in numbers)


def test_what_was_not_asked_for_is_null_but_there(shared: Hume) -> None:
    face = scored_one(shared, "a.png", image(), {"face": {}})
    (row,) = rows(face, "face")[:1]
    assert row["facs"] is None and row["descriptions"] is None
    text = scored_one(shared, "a.txt", b"Hello.", {"language": {}})
    (row,) = rows(text, "language")
    assert row["sentiment"] is None and row["toxicity"] is None
    assert set(text["models"]) == {"language"}


# ------------------------------------------------------------------------------------------------------------------- sound
def test_utterances_are_where_somebody_speaks(shared: Hume) -> None:
    talk = scored_one(shared, "talk.wav", TALK, {"prosody": {}})
    assert talk["file_type"] == "audio"
    assert near(spans(talk, "prosody"), SPANS)
    assert all(row["id"] == "unknown" and row["speaker_confidence"] is None for row in rows(talk, "prosody"))
    metadata = talk["models"]["prosody"]["metadata"]
    assert metadata["detected_language"] == "en" and 0.5 < metadata["confidence"] < 1


@pytest.mark.parametrize(
    ("granularity", "texts"),
    [
        ("word", SAID.split()),
        ("sentence", ["Good morning, Maria.", "How are you today?", "I am fine, thank you."]),
        ("utterance", ["Good morning, Maria.", "How are you today?", "I am fine, thank you."]),
        ("conversational_turn", ["Good morning, Maria.", "How are you today?", "I am fine, thank you."]),
    ],
)
def test_granularities(shared: Hume, granularity: str, texts: list[str]) -> None:
    models = {"prosody": {"granularity": granularity}, "language": {"granularity": granularity}}
    talk, _ = shared.scored({"talk.wav": TALK, "talk.txt": SAID.encode()}, models=models)
    prosody, language = rows(talk, "prosody"), rows(talk, "language")
    assert [row["text"] for row in language] == texts
    assert [(row["text"], row["time"]) for row in prosody] == [(row["text"], row["time"]) for row in language]
    assert [SAID[row["position"]["begin"] : row["position"]["end"]] for row in language] == texts
    times = spans(talk, "prosody")
    assert all(begin < end for begin, end in times)
    assert all(end <= begin for (_, end), (begin, _) in pairwise(times))
    assert times[0][0] == pytest.approx(0.5, abs=0.004) and times[-1][1] == pytest.approx(5.0, abs=0.004)


def test_a_turn_goes_on_until_another_voice_speaks(shared: Hume) -> None:
    content = wav(LOW, silence(0.4), LOW, silence(0.4), HIGH)
    models = {"language": {"granularity": "conversational_turn", "identify_speakers": True}}
    said = "One two three four five six seven eight nine ten."
    talk, _ = shared.scored({"talk.wav": content, "talk.wav.txt": said.encode()}, models=models)
    first, second = rows(talk, "language")
    assert (first["id"], second["id"]) == ("spk_0", "spk_1")
    assert f"{first['text']} {second['text']}" == said
    assert near([tuple(row["time"].values()) for row in (first, second)], [(0, 2.4), (2.8, 4.2)])


def test_windows_overlap_and_have_no_text(shared: Hume) -> None:
    talk = scored_one(shared, "talk.wav", TALK, {"prosody": {"window": {"length": 2, "step": 0.5}, "granularity": "word"}})
    assert spans(talk, "prosody") == [(k / 2, min(k / 2 + 2, 5.3)) for k in range(8)]
    assert {row["text"] for row in rows(talk, "prosody")} == {None}
    assert {row["confidence"] for row in rows(talk, "prosody")} == {None}


def test_windows_without_speech_are_left_out(shared: Hume) -> None:
    content = wav(voice(1.0), silence(3), voice(1.0))
    talk = scored_one(shared, "talk.wav", content, {"prosody": {"window": {"length": 1, "step": 1}}})
    assert spans(talk, "prosody") == [(0, 1), (4, 5)]
    short = scored_one(shared, "short.wav", wav(voice(0.7)), {"prosody": {"window": {}}})
    assert spans(short, "prosody") == [(0, 0.7)]


def test_without_a_transcription_there_is_sound_but_no_words(shared: Hume) -> None:
    models = {"prosody": {"granularity": "word"}, "language": {}, "ner": {}}
    talk = scored_one(shared, "talk.wav", TALK, models, transcription=None)
    assert near(spans(talk, "prosody"), SPANS)
    assert {row["text"] for row in rows(talk, "prosody")} == {None}
    for model in models:
        assert talk["models"][model]["metadata"] is None
    assert talk["models"]["language"]["grouped_predictions"] == talk["models"]["ner"]["grouped_predictions"] == []


@pytest.mark.parametrize(
    ("models", "transcription"),
    [({"prosody": {"identify_speakers": True}}, {}), ({"prosody": {}}, {"identify_speakers": True})],
)
def test_speakers(shared: Hume, models: dict[str, Any], transcription: dict[str, Any]) -> None:
    talk = scored_one(shared, "talk.wav", TALK, models, transcription=transcription)
    groups = talk["models"]["prosody"]["grouped_predictions"]
    assert [(group["id"], len(group["predictions"])) for group in groups] == [("spk_0", 2), ("spk_1", 1)]
    assert near(spans(talk, "prosody"), SPANS)
    assert all(0 < row["speaker_confidence"] <= 1 for row in rows(talk, "prosody"))


def test_a_sound_too_short_to_tell_is_nobodys(shared: Hume) -> None:
    content = wav(voice(1.0, 110), silence(0.5), voice(0.12, 110), silence(0.3))
    talk = scored_one(shared, "talk.wav", content, {"prosody": {"identify_speakers": True}})
    assert {row["id"] for row in rows(talk, "prosody")} == {"spk_0", "unknown"}


def test_bursts_are_short_and_loud(shared: Hume) -> None:
    content = wav(voice(0.4, loudness=0.3), silence(0.4), voice(0.4, loudness=0.03), silence(0.4), voice(1.5, loudness=0.3))
    burst = scored_one(shared, "a.wav", content, {"burst": {}})
    assert near(spans(burst, "burst"), [(0, 0.4)])
    assert burst["models"]["burst"]["metadata"] is None


def test_silence_gives_nothing_and_no_error(shared: Hume) -> None:
    still = scored_one(shared, "still.wav", wav(silence(2)), {"prosody": {}, "burst": {}, "language": {}, "ner": {}})
    assert {model: found["grouped_predictions"] for model, found in still["models"].items()} == {
        "prosody": [],
        "burst": [],
        "language": [],
        "ner": [],
    }


def test_sound_that_changes_its_rate_midway(shared: Hume) -> None:
    content = mp3(np.repeat(voice(1.0), 2), 32_000) + mp3(np.concatenate([silence(0.5), voice(1.0)]), 16_000)
    talk = scored_one(shared, "two.mp3", content, {"prosody": {}})
    first, second = spans(talk, "prosody")
    assert first[1] - first[0] == pytest.approx(1, abs=0.1)
    assert second[1] - second[0] == pytest.approx(1, abs=0.1)
    assert second[0] - first[1] == pytest.approx(0.5, abs=0.15)


def test_words_are_made_up_by_seed_where_none_are_known(sandbox_with: SandboxWith) -> None:
    texts = []
    for seed in (7, 7, 8):
        _, hume = sandbox_with(seed=seed)
        talk = scored_one(hume, "talk.wav", TALK, {"language": {"granularity": "utterance"}})
        texts.append([row["text"] for row in rows(talk, "language")])
    assert texts[0] == texts[1] != texts[2]
    assert len(texts[0]) == 3


def test_a_recording_can_carry_its_transcript(shared: Hume) -> None:
    file = io.BytesIO()
    with av.open(file, "w", format="wav") as out:
        out.metadata["comment"] = "transcript: Guten Tag, das ist nicht mein Zug."
        stream = out.add_stream("pcm_s16le", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(voice(2.0)[None, :], format="s16", layout="mono")
        frame.sample_rate = 16_000
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    talk = scored_one(shared, "zug.wav", file.getvalue(), {"language": {"granularity": "sentence"}})
    assert [row["text"] for row in rows(talk, "language")] == ["Guten Tag, das ist nicht mein Zug."]
    assert talk["models"]["language"]["metadata"]["detected_language"] == "de"


def test_transcripts_from_a_folder(sandbox_with: SandboxWith, tmp_path: Path) -> None:
    (tmp_path / "talk.txt").write_text("One. Two. Three.")
    _, hume = sandbox_with(transcripts=tmp_path)
    talk, other = hume.scored({"talk.wav": TALK, "other.wav": TALK}, models={"prosody": {}})
    assert [row["text"] for row in rows(talk, "prosody")] == ["One.", "Two.", "Three."]
    assert [row["text"] for row in rows(other, "prosody")] != ["One.", "Two.", "Three."]


def test_the_language_asked_for_is_the_language_found(shared: Hume) -> None:
    talk = scored_one(shared, "talk.wav", TALK, {"prosody": {}}, transcription={"language": "sv"})
    assert talk["models"]["prosody"]["metadata"]["detected_language"] == "sv"


# ----------------------------------------------------------------------------------------------------------------- pictures
@pytest.mark.parametrize("codec", ["png", "mjpeg", "bmp"])
def test_images(shared: Hume, codec: str) -> None:
    found = scored_one(shared, "no name", image(codec), {"face": {}, "facemesh": {}, "prosody": {}, "language": {}})
    assert found["file_type"] == "image"
    assert set(found["models"]) == {"face", "facemesh"}
    for row in rows(found, "face"):
        assert (row["frame"], row["time"]) == (0, 0)
        assert row["prob"] >= 0.99 and min(row["box"]["w"], row["box"]["h"]) >= 60
    assert len(rows(found, "facemesh")) == len(rows(found, "face")) > 0


@pytest.mark.parametrize(("fps_pred", "step"), [(3, 30000 / 1001 / 3), (10, 30000 / 1001 / 10), (0, 1), (100, 1)])
def test_frames_are_sampled_as_hume_did(shared: Hume, fps_pred: float, step: float) -> None:
    fps = Fraction(30000, 1001)
    found = scored_one(shared, "film.mkv", film(2.0, fps), {"face": {"fps_pred": fps_pred, "prob_threshold": 0.5}})
    assert found["file_type"] == "video_no_audio"
    frames = sorted({(row["frame"], row["time"]) for row in rows(found, "face")})
    wanted = [number for number in (round(k * step) for k in range(60)) if number < 60]
    assert [number for number, _ in frames] == wanted
    assert all(time == number / float(fps) for number, time in frames)


def test_faces_are_told_apart_and_move_smoothly(sandbox_with: SandboxWith) -> None:
    _, hume = sandbox_with()
    options = {"identify_faces": True, "fps_pred": 0, "min_face_size": 1, "prob_threshold": 0.5}
    counts = set()
    for seed in range(6):
        found = scored_one(hume, "film.mkv", film(1.0, Fraction(25), seed=seed), {"face": options})
        groups = found["models"]["face"]["grouped_predictions"]
        counts.add(len(groups))
        assert {group["id"] for group in groups} == {f"face_{i}" for i in range(len(groups))}
        assert [len(g["predictions"]) for g in groups] == sorted((len(g["predictions"]) for g in groups), reverse=True)
        for group in groups:
            boxes = np.array([list(row["box"].values()) for row in group["predictions"]])
            assert np.abs(np.diff(boxes, axis=0)).max() < 3
            scores = np.array([[s["score"] for s in row["emotions"]] for row in group["predictions"]])
            assert 0 < np.abs(np.diff(scores, axis=0)).max() < 0.15
    assert len(counts) > 1


def test_a_flat_picture_shows_nobody(shared: Hume) -> None:
    found = scored_one(shared, "grey.png", image(flat=True), {"face": {}, "facemesh": {}})
    assert found["models"]["face"] == found["models"]["facemesh"] == {"metadata": None, "grouped_predictions": []}


def test_small_and_uncertain_faces_are_left_out(shared: Hume) -> None:
    small = image(width=80, height=60)
    assert rows(scored_one(shared, "s.png", small, {"face": {}}), "face") == []
    assert rows(scored_one(shared, "s.png", small, {"face": {"min_face_size": 10}}), "face")
    assert rows(scored_one(shared, "s.png", image(), {"face": {"prob_threshold": 1.0}}), "face") == []


def test_a_film_with_sound_has_both(shared: Hume) -> None:
    content = film(2.0, sound=np.concatenate([silence(0.5), voice(1.0), silence(0.5)]))
    found = scored_one(shared, "film.mkv", content, {"face": {}, "prosody": {}})
    assert found["file_type"] == "video"
    assert near(spans(found, "prosody"), [(0.5, 1.5)])
    assert rows(found, "face")


# -------------------------------------------------------------------------------------------------------------------- texts
def test_texts_are_one_source_numbered_in_an_order_of_its_own(shared: Hume) -> None:
    texts = [f"This is text number {i}." for i in range(1, 26)]
    body = {"text": texts, "models": {"language": {"granularity": "conversational_turn"}}}
    first, second = (shared.predictions(shared.start(**body)) for _ in range(2))
    assert first == second
    (source,) = first
    assert source["source"] == {"type": "text"} and "error" not in source
    files = [prediction["file"] for prediction in source["results"]["predictions"]]
    assert sorted(files, key=int) == [str(i) for i in range(1, 26)] != files
    for prediction in source["results"]["predictions"]:
        assert prediction["file_type"] == "text"
        (row,) = rows(prediction, "language")
        assert row["text"] == texts[int(prediction["file"]) - 1]
        assert row["time"] is row["confidence"] is row["speaker_confidence"] is None
        assert prediction["models"]["language"]["metadata"] is None


def test_texts_can_be_numbered_from_zero(sandbox_with: SandboxWith) -> None:
    _, hume = sandbox_with(text_index_base=0)
    (source,) = hume.predictions(hume.start(text=["a", "b"], models={"language": {}}))
    assert sorted(p["file"] for p in source["results"]["predictions"]) == ["0", "1"]


def test_positions_beyond_the_basic_plane(sandbox_with: SandboxWith) -> None:
    for utf16, wanted in ((False, [(0, 1), (2, 6)]), (True, [(0, 2), (3, 7)])):
        _, hume = sandbox_with(utf16_positions=utf16)
        (source,) = hume.predictions(hume.start(text=["🙂 Ja!!"], models={"language": {}}))
        found = rows(source["results"]["predictions"][0], "language")
        assert [(row["position"]["begin"], row["position"]["end"]) for row in found] == wanted


def test_text_that_cannot_be_written_in_utf_8(shared: Hume) -> None:
    answer = shared.post(JOBS, content=b'{"text": ["a \\ud83d b"]}', headers={"Content-Type": "application/json"})
    assert answer.status_code in (200, 400)
    if answer.status_code == 200:
        assert shared.wait(answer.json()["job_id"])["state"]["status"] == "COMPLETED"


def test_models_that_do_not_fit_a_file_are_absent(shared: Hume) -> None:
    everything = {model: {} for model in KEYS}
    talk, text = shared.scored({"talk.wav": TALK, "words.md": b"Hello."}, models=everything)
    assert set(talk["models"]) == {"prosody", "burst", "language", "ner"}
    assert set(text["models"]) == {"language", "ner"}


# ------------------------------------------------------------------------------------------------------------------- errors
def test_one_bad_file_does_not_stop_the_others(shared: Hume) -> None:
    files = {"a.wav": wav(voice(1.0)), "b.wav": b"\x00\x01\x02 no sound" * 50, "c.wav": b"", "d.wav": wav(voice(1.0))}
    job_id = shared.upload(files, models={"prosody": {}})
    state = shared.wait(job_id)["state"]
    assert (state["status"], state["num_predictions"], state["num_errors"]) == ("COMPLETED", 2, 2)
    results = [source["results"] for source in shared.predictions(job_id)]
    assert [len(result["predictions"]) for result in results] == [1, 0, 0, 1]
    for name, result in (("b.wav", results[1]), ("c.wav", results[2])):
        assert result["errors"] == [{"file": name, "model": None, "message": "unable to determine file type"}]


def test_a_transcript_too_uncertain_to_use(shared: Hume) -> None:
    quiet = wav(voice(1.0, loudness=0.0115))
    job_id = shared.upload({"quiet.wav": quiet}, models={"prosody": {}})
    (source,) = shared.predictions(job_id)
    assert source["results"]["predictions"] == []
    (error,) = source["results"]["errors"]
    assert error["message"].startswith("unable to transcribe file: transcript confidence (0.")
    assert error["message"].endswith(") below threshold value (0.5)")
    assert scored_one(shared, "quiet.wav", quiet, {"prosody": {}}, transcription={"confidence_threshold": 0.1})
    assert scored_one(shared, "quiet.wav", quiet, {"burst": {}})
    strict = shared.upload({"loud.wav": TALK}, models={"language": {}}, transcription={"confidence_threshold": 0.99})
    assert shared.wait(strict)["state"]["num_errors"] == 1


def test_too_long_a_recording(sandbox_with: SandboxWith) -> None:
    _, hume = sandbox_with(max_duration_s=2.0)
    job_id = hume.upload({"long.wav": wav(voice(2.5)), "short.wav": wav(voice(1.5))}, models={"prosody": {}})
    long, short = hume.predictions(job_id)
    assert long["results"]["errors"][0]["message"] == "file duration exceeds the maximum of 2 seconds"
    assert short["results"]["errors"] == []


# -------------------------------------------------------------------------------------------------------------- determinism
def test_the_same_seed_gives_the_same_answer_and_another_does_not(sandbox_with: SandboxWith) -> None:
    files = {"talk.wav": TALK, "film.mkv": film(1.0), "words.txt": SAID.encode()}
    answers = []
    for seed in (7, 7, 8):
        _, hume = sandbox_with(seed=seed)
        answers.append(hume.get(f"{JOBS}/{_done(hume, hume.upload(files))}/predictions").content)
    assert answers[0] == answers[1]
    assert answers[0] != answers[2]


def _done(hume: Hume, job_id: str) -> str:
    assert hume.wait(job_id)["state"]["num_errors"] == 0
    return job_id


def test_a_piece_cut_out_scores_as_it_did_in_the_whole(shared: Hume) -> None:
    piece = wav(silence(0.25), HIGH, silence(0.3))
    models = {"prosody": {}, "language": {"granularity": "utterance"}}
    whole, part = shared.scored({"talk.wav": TALK, "piece.wav": piece}, models=models)
    for model in models:
        (row,) = rows(part, model)
        (same,) = [r for r in rows(whole, model) if abs(r["time"]["begin"] - 2.0) < 0.004]
        assert row["time"]["begin"] - 0.25 == pytest.approx(same["time"]["begin"] - 2.0)
        assert (row["text"], row["emotions"]) == (same["text"], same["emotions"])
