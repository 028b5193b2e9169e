"""One file through all the models that were asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from humeanalytics.sandbox import faces, media, scores, words
from humeanalytics.sandbox.batch.crops import crop_jpeg
from humeanalytics.sandbox.batch.rows import FileRows, ModelRows, Row, names_of
from humeanalytics.sandbox.media import Medium, TooLong
from humeanalytics.sandbox.speech import Samples, Stretch, cut, features, find_speech, rms
from humeanalytics.sandbox.transcripts import Transcript, transcribe
from humeanalytics.sandbox.words import Passage, Word

#: A burst is a stretch no longer than this, and at least this loud.
_BURST_S = 0.8
_BURST_RMS = 0.05


class FileError(Exception):
    """A file cannot be scored; the message is what the answer says of it."""


@dataclass(frozen=True, slots=True)
class Job:
    """What to do with each file of a job."""

    seed: int
    models: dict[str, dict[str, Any]]
    transcription: dict[str, Any] | None
    max_duration_s: float = 3 * 3600.0
    utf16_positions: bool = False
    new_names: bool = False

    def identifies_speakers(self, model: str) -> bool:
        """Speakers are told apart when the transcription says so, or, as it was in the beginning, the model."""
        return bool((self.transcription or {}).get("identify_speakers") or self.models.get(model, {}).get("identify_speakers"))


def score_file(job: Job, file: str, content: BinaryIO, sidecar: str | None, check: Callable[[], None]) -> FileRows:
    """Score one file of media or text.

    Args:
        job: What to do.
        file: Its name in the answer.
        content: Its bytes; can be read and sought.
        sidecar: What is said in it, if a text beside it tells.
        check: Called now and then; may raise to stop the work.

    Raises:
        FileError: It cannot be scored, in Hume's words where they are known.
    """
    try:
        medium = media.look_at(content)
        if medium.duration_s > job.max_duration_s:
            raise TooLong(job.max_duration_s)
        if medium.text is not None:
            return score_text(job, file, medium.text)
        models: list[ModelRows] = []
        crops: list[tuple[str, bytes]] = []
        if medium.has_pictures:
            models += _watch(job, content, crops, check)
        if medium.has_sound and job.models.keys() & {"prosody", "burst", "language", "ner"}:
            models += _listen(job, medium, content, sidecar, check)
    except (media.UnknownFileType, TooLong) as error:
        raise FileError(str(error)) from None
    return FileRows(file, _file_type(job, medium.file_type), models, tuple(crops))


def score_text(job: Job, file: str, text: str) -> FileRows:
    """Score a text that came as such."""
    split = words.split_words(text)
    models = []
    if "language" in job.models:
        models.append(_language(job, text, split, None))
    if "ner" in job.models:
        models.append(_ner(job, text, split, None))
    return FileRows(file, _file_type(job, "text"), models)


def _file_type(job: Job, file_type: str) -> str:
    return f"{file_type}_360" if job.new_names else file_type


def _expressions(
    job: Job, model: str, rows: Sequence[NDArray[np.float64]] | NDArray[np.float64], kind: str = "expression"
) -> Any:
    names = names_of(model, kind, job.new_names)
    return scores.score(job.seed, model, names, np.array(rows)) if len(rows) else []


# ------------------------------------------------------------------------------------------------------------- pictures
def _watch(job: Job, content: BinaryIO, crops: list[tuple[str, bytes]], check: Callable[[], None]) -> Iterable[ModelRows]:
    config = job.models.get("face", {})
    if not job.models.keys() & {"face", "facemesh"}:
        return []
    cast = faces.Cast(job.seed)
    seen: list[tuple[media.Frame, faces.Face]] = []
    for frame in media.watch(content, config.get("fps_pred", 3.0), check):
        for face in cast.faces(frame):
            if face.prob < config.get("prob_threshold", 0.99) or min(face.w, face.h) < config.get("min_face_size", 60):
                continue
            if config.get("save_faces") and frame.picture is not None:
                jpeg = crop_jpeg(frame.picture, face.x, face.y, face.w, face.h)
                crops.append((f"frame_{frame.number}_face_{face.person}.jpg", jpeg))
            seen.append((frame.without_picture(), face))
    answers = []
    if "face" in job.models:
        answers.append(_face(job, config, seen))
    if "facemesh" in job.models:
        answers.append(_facemesh(job, seen))
    return answers


def _face(job: Job, config: dict[str, Any], seen: list[tuple[media.Frame, faces.Face]]) -> ModelRows:
    looks = [face.features for _, face in seen]
    emotions = _expressions(job, "face", looks)
    facs = _expressions(job, "face", looks, "facs") if config["facs"] is not None else [None] * len(seen)
    described = config["descriptions"] is not None
    descriptions = _expressions(job, "face", looks, "description") if described else [None] * len(seen)
    rows = [
        Row(
            f"face_{face.person}" if config["identify_faces"] else "unknown",
            {
                "frame": frame.number,
                "time": frame.time_s,
                "prob": face.prob,
                "box": {"x": face.x, "y": face.y, "w": face.w, "h": face.h},
            },
            (emotions[i], facs[i], descriptions[i]),
        )
        for i, (frame, face) in enumerate(seen)
    ]
    return ModelRows("face", None, rows, job.new_names)


def _facemesh(job: Job, seen: list[tuple[media.Frame, faces.Face]]) -> ModelRows:
    """One mesh a person, from the first frame that shows them: a mesh has no time of its own."""
    first: dict[int, faces.Face] = {}
    for _, face in seen:
        first.setdefault(face.person, face)
    emotions = _expressions(job, "facemesh", [face.features for face in first.values()])
    return ModelRows("facemesh", None, [Row("unknown", {}, (emotion,)) for emotion in emotions], job.new_names)


# ---------------------------------------------------------------------------------------------------------------- sound
def _listen(job: Job, medium: Medium, content: BinaryIO, sidecar: str | None, check: Callable[[], None]) -> Iterable[ModelRows]:
    samples = media.hear(content, job.max_duration_s, check)
    speech = find_speech(samples)
    transcript = None
    if job.transcription is not None and job.models.keys() & {"prosody", "language", "ner"}:
        known = sidecar if sidecar is not None else medium.transcript
        transcript = transcribe(job.seed, samples, speech, known, job.transcription["language"])
        threshold = job.transcription["confidence_threshold"]
        if transcript is not None and transcript.confidence < threshold:
            raise FileError(
                f"unable to transcribe file: transcript confidence ({transcript.confidence:.7g}) "
                f"below threshold value ({threshold:g})"
            )
    answers = []
    if "prosody" in job.models:
        answers.append(_prosody(job, samples, speech, transcript))
    if "burst" in job.models:
        answers.append(_burst(job, samples, speech))
    text, spoken = ("", ()) if transcript is None else (transcript.text, transcript.words)
    if "language" in job.models:
        answers.append(_language(job, text, spoken, transcript))
    if "ner" in job.models:
        answers.append(_ner(job, text, spoken, transcript))
    return answers


def _metadata(transcript: Transcript | None) -> dict[str, Any] | None:
    if transcript is None:
        return None
    return {"confidence": transcript.confidence, "detected_language": transcript.language}


class _Speakers:
    """Names for the voices of a file: ``spk_0`` is who speaks first; a sound too short to tell is ``unknown``."""

    def __init__(self, identify: bool) -> None:
        self._identify = identify
        self._known: dict[int, str] = {}

    def name(self, voice: int | None) -> str:
        if not self._identify or voice is None:
            return "unknown"
        return self._known.setdefault(voice, f"spk_{len(self._known)}")

    def confidence(self, passage: Passage) -> float | None:
        if not self._identify or passage.voice is None or passage.confidence is None:
            return None
        return float(np.float32(0.6 + 0.4 * passage.confidence))


def _interval(span_ms: tuple[int, int]) -> dict[str, float]:
    return {"begin": span_ms[0] / 1000, "end": span_ms[1] / 1000}


def _confidence(passage: Passage) -> float | None:
    return None if passage.confidence is None else float(np.float32(passage.confidence))


def _prosody(job: Job, samples: Samples, speech: Sequence[Stretch], transcript: Transcript | None) -> ModelRows:
    config = job.models["prosody"]
    speakers = _Speakers(job.identifies_speakers("prosody"))
    spans: list[tuple[str, tuple[int, int], str | None, float | None, float | None]] = []
    if config["window"] is not None:
        spans = [("unknown", span, None, None, None) for span in _windows(config["window"], samples, speech)]
    elif transcript is None:
        spans = [("unknown", (stretch.begin_ms, stretch.end_ms), None, None, None) for stretch in speech]
    else:
        for passage in words.passages(transcript.text, transcript.words, config["granularity"]):
            assert passage.span_ms is not None
            who = speakers.name(passage.voice)
            spans.append((who, passage.span_ms, passage.text, _confidence(passage), speakers.confidence(passage)))
    emotions = _expressions(job, "prosody", [features(cut(samples, *span)) for _, span, *_ in spans])
    rows = [
        Row(
            who,
            {"text": text, "time": _interval(span), "confidence": sure, "speaker_confidence": sure_who},
            (emotions[i],),
        )
        for i, (who, span, text, sure, sure_who) in enumerate(spans)
    ]
    return ModelRows("prosody", _metadata(transcript), rows, job.new_names)


def _windows(config: dict[str, float], samples: Samples, speech: Sequence[Stretch]) -> list[tuple[int, int]]:
    """Windows of one length, one step apart, up to the end of the recording; those in which nobody speaks are left out."""
    length_ms, step_ms, whole_ms = round(config["length"] * 1000), round(config["step"] * 1000), len(samples) // 16
    windows, begin_ms, at = [], 0, 0
    while begin_ms == 0 or begin_ms - step_ms + length_ms < whole_ms:
        end_ms = min(begin_ms + length_ms, whole_ms)
        while at < len(speech) and speech[at].end_ms <= begin_ms:
            at += 1
        if at < len(speech) and speech[at].begin_ms < end_ms:
            windows.append((begin_ms, end_ms))
        begin_ms += step_ms
    return windows


def _burst(job: Job, samples: Samples, speech: Sequence[Stretch]) -> ModelRows:
    spans = [(stretch.begin_ms, stretch.end_ms) for stretch in speech if stretch.duration_s <= _BURST_S]
    spans = [span for span in spans if rms(cut(samples, *span)) >= _BURST_RMS]
    sounds = [features(cut(samples, *span)) for span in spans]
    emotions, kinds = _expressions(job, "burst", sounds), _expressions(job, "burst", sounds, "vocalisation")
    rows = [Row("unknown", {"time": _interval(span)}, (emotions[i], kinds[i])) for i, span in enumerate(spans)]
    return ModelRows("burst", None, rows, job.new_names)


# ----------------------------------------------------------------------------------------------------------------- text
def _position(job: Job, text: str, begin: int, end: int) -> dict[str, int]:
    if job.utf16_positions:
        begin, end = (len(text[:at].encode("utf-16-le", "surrogatepass")) // 2 for at in (begin, end))
    return {"begin": begin, "end": end}


def _language(job: Job, text: str, split: Sequence[Word], transcript: Transcript | None) -> ModelRows:
    config = job.models["language"]
    speakers = _Speakers(job.identifies_speakers("language"))
    found = words.passages(text, split, config["granularity"])
    meanings = np.array([words.features(passage) for passage in found]).reshape(len(found), -1)
    emotions = _expressions(job, "language", meanings)
    nothing = [None] * len(found)
    sentiment: Any = nothing
    toxicity: Any = nothing
    if found and config["sentiment"] is not None:
        sentiment = scores.sentiment(meanings[:, 0])
    if found and config["toxicity"] is not None:
        toxicity = scores.toxicity(job.seed, names_of("language", "toxicity"), meanings)
    rows = [
        Row(
            speakers.name(passage.voice),
            {
                "text": passage.text,
                "position": _position(job, text, passage.begin, passage.end),
                "time": None if passage.span_ms is None else _interval(passage.span_ms),
                "confidence": _confidence(passage),
                "speaker_confidence": speakers.confidence(passage),
            },
            (emotions[i], sentiment[i], toxicity[i]),
        )
        for i, passage in enumerate(found)
    ]
    return ModelRows("language", _metadata(transcript), rows, job.new_names)


def _ner(job: Job, text: str, split: Sequence[Word], transcript: Transcript | None) -> ModelRows:
    speakers = _Speakers(job.identifies_speakers("ner"))
    found = words.entities(text, split)
    emotions = _expressions(job, "ner", [words.features(entity.sentence) for entity in found])
    rows = []
    for i, entity in enumerate(found):
        said = Passage(entity.name, (entity.word,))
        trust, fame = scores.numbers_of(f"entity/{entity.name}", 2)
        rows.append(
            Row(
                speakers.name(entity.word.voice),
                {
                    "entity": entity.name,
                    "position": _position(job, text, entity.begin, entity.end),
                    "entity_confidence": float(np.float32(1 / (1 + 0.2 * abs(trust)))),
                    "support": float(int(40 * 8 ** abs(fame))),
                    "uri": f"http://dbpedia.org/resource/{entity.name.replace(' ', '_')}",
                    "link_word": words.bare(entity.word.text),
                    "time": None if said.span_ms is None else _interval(said.span_ms),
                    "confidence": _confidence(said),
                    "speaker_confidence": speakers.confidence(said),
                },
                (emotions[i],),
            )
        )
    return ModelRows("ner", _metadata(transcript), rows, job.new_names)
