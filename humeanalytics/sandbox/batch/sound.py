"""Sound: the prosody and burst models, and the transcript that the models of language hang on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from humeanalytics.sandbox.batch.rows import ModelRows, Row
from humeanalytics.sandbox.batch.task import Task, as_single, interval
from humeanalytics.sandbox.batch.texts import metadata_of, score_words
from humeanalytics.sandbox.media import Medium
from humeanalytics.sandbox.speech import HOP_SAMPLES, Samples, Stretch, cut, features, find_speech, rms
from humeanalytics.sandbox.transcripts import Transcript, transcribe
from humeanalytics.sandbox.words import passages

#: A burst is a stretch no longer than this, and at least this loud.
_BURST_S = 0.8
_BURST_RMS = 0.05


class NotTranscribed(Exception):
    """The transcript is too uncertain to be used."""


def score_sound(task: Task, medium: Medium, sidecar: str | None, check: Callable[[], None]) -> list[ModelRows]:
    """Score the sound of a file.

    Raises:
        NotTranscribed: Its transcript is less certain than was asked for.
    """
    if not task.asks_any("prosody", "burst", "language", "ner"):
        return []
    samples = medium.sound(task.max_duration_s, check)
    speech = find_speech(samples)
    transcript = None
    if task.transcription is not None and task.asks_any("prosody", "language", "ner"):
        known = sidecar if sidecar is not None else medium.transcript
        transcript = _transcript(task, samples, speech, known, task.transcription)
    answers = []
    if "prosody" in task.models:
        answers.append(_prosody(task, samples, speech, transcript))
    if "burst" in task.models:
        answers.append(_burst(task, samples, speech))
    text, spoken = ("", ()) if transcript is None else (transcript.text, transcript.words)
    return answers + score_words(task, text, spoken, transcript)


def _transcript(
    task: Task, samples: Samples, speech: Sequence[Stretch], known: str | None, config: dict[str, Any]
) -> Transcript | None:
    transcript = transcribe(task.seed, samples, speech, known, config["language"])
    threshold = config["confidence_threshold"]
    if transcript is not None and transcript.confidence < threshold:
        raise NotTranscribed(
            f"unable to transcribe file: transcript confidence ({transcript.confidence:.7g}) "
            f"below threshold value ({threshold:g})"
        )
    return transcript


def _prosody(task: Task, samples: Samples, speech: Sequence[Stretch], transcript: Transcript | None) -> ModelRows:
    config = task.models["prosody"]
    speakers = task.speakers("prosody")
    found: list[tuple[str, tuple[int, int], str | None, float | None, float | None]] = []
    if config["window"] is not None:
        found = [("unknown", span, None, None, None) for span in _windows(config["window"], samples, speech)]
    elif transcript is None:
        found = [("unknown", (stretch.begin_ms, stretch.end_ms), None, None, None) for stretch in speech]
    else:
        for said in passages(transcript.text, transcript.words, config["granularity"]):
            assert said.span_ms is not None
            sure = as_single(said.confidence), speakers.confidence(said)
            found.append((speakers.name(said.voice), said.span_ms, said.text, *sure))
    emotions = task.score("prosody", "expression", [features(cut(samples, *span)) for _, span, *_ in found])
    rows = [
        Row(
            speaker,
            {"text": text, "time": interval(span), "confidence": sure, "speaker_confidence": sure_of_speaker},
            [scores],
        )
        for (speaker, span, text, sure, sure_of_speaker), scores in zip(found, emotions, strict=True)
    ]
    return ModelRows("prosody", metadata_of(transcript), rows, task.new_names)


def _windows(config: dict[str, float], samples: Samples, speech: Sequence[Stretch]) -> list[tuple[int, int]]:
    """Windows of one length, one step apart, up to the end of the recording; those in which nobody speaks are left out."""
    length_ms, step_ms, whole_ms = round(config["length"] * 1000), round(config["step"] * 1000), len(samples) // HOP_SAMPLES
    windows, begin_ms, at = [], 0, 0
    while begin_ms == 0 or begin_ms - step_ms + length_ms < whole_ms:
        end_ms = min(begin_ms + length_ms, whole_ms)
        while at < len(speech) and speech[at].end_ms <= begin_ms:
            at += 1
        if at < len(speech) and speech[at].begin_ms < end_ms:
            windows.append((begin_ms, end_ms))
        begin_ms += step_ms
    return windows


def _burst(task: Task, samples: Samples, speech: Sequence[Stretch]) -> ModelRows:
    spans = [(stretch.begin_ms, stretch.end_ms) for stretch in speech if stretch.duration_s <= _BURST_S]
    spans = [span for span in spans if rms(cut(samples, *span)) >= _BURST_RMS]
    sounds = [features(cut(samples, *span)) for span in spans]
    emotions, kinds = task.score("burst", "expression", sounds), task.score("burst", "vocalisation", sounds)
    rows = [Row("unknown", {"time": interval(span)}, scores) for span, *scores in zip(spans, emotions, kinds, strict=True)]
    return ModelRows("burst", None, rows, task.new_names)
