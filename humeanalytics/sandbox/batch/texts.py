"""Words, written or spoken: the language and ner models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from humeanalytics.sandbox import scores, words
from humeanalytics.sandbox.batch.rows import ModelRows, Row, Scores, names_of
from humeanalytics.sandbox.batch.task import Task, as_single, interval
from humeanalytics.sandbox.transcripts import Transcript
from humeanalytics.sandbox.words import Passage, Word


def score_words(task: Task, text: str, split: Sequence[Word], transcript: Transcript | None) -> list[ModelRows]:
    """Score a text; ``transcript`` is None for one that was written, or where nothing was said."""
    answers = []
    if "language" in task.models:
        answers.append(_language(task, text, split, transcript))
    if "ner" in task.models:
        answers.append(_ner(task, text, split, transcript))
    return answers


def metadata_of(transcript: Transcript | None) -> dict[str, Any] | None:
    """Return what an answer says of a transcript; nothing of a written text."""
    if transcript is None:
        return None
    return {"confidence": transcript.confidence, "detected_language": transcript.language}


def _position(task: Task, text: str, begin: int, end: int) -> dict[str, int]:
    if task.utf16_positions:
        begin, end = (len(text[:at].encode("utf-16-le", "surrogatepass")) // 2 for at in (begin, end))
    return {"begin": begin, "end": end}


def _language(task: Task, text: str, split: Sequence[Word], transcript: Transcript | None) -> ModelRows:
    config = task.models["language"]
    speakers = task.speakers("language")
    found = words.passages(text, split, config["granularity"])
    meanings = np.array([words.features(passage) for passage in found])
    emotions = task.score("language", "expression", meanings)
    sentiment: Sequence[Scores | None] = [None] * len(found)
    toxicity: Sequence[Scores | None] = [None] * len(found)
    if found and config["sentiment"] is not None:
        sentiment = list(scores.sentiment(meanings[:, 0]))
    if found and config["toxicity"] is not None:
        toxicity = list(scores.toxicity(task.seed, names_of("language", "toxicity"), meanings))
    rows = [
        Row(
            speakers.name(passage.voice),
            {
                "text": passage.text,
                "position": _position(task, text, passage.begin, passage.end),
                "time": interval(passage.span_ms),
                "confidence": as_single(passage.confidence),
                "speaker_confidence": speakers.confidence(passage),
            },
            lists,
        )
        for passage, *lists in zip(found, emotions, sentiment, toxicity, strict=True)
    ]
    return ModelRows("language", metadata_of(transcript), rows, task.new_names)


def _ner(task: Task, text: str, split: Sequence[Word], transcript: Transcript | None) -> ModelRows:
    speakers = task.speakers("ner")
    found = words.entities(text, split)
    emotions = task.score("ner", "expression", [words.features(entity.sentence) for entity in found])
    rows = []
    for entity, expressions in zip(found, emotions, strict=True):
        said = Passage(entity.name, (entity.word,))
        trust, fame = scores.numbers_of(f"entity/{entity.name}", 2)
        rows.append(
            Row(
                speakers.name(entity.word.voice),
                {
                    "entity": entity.name,
                    "position": _position(task, text, entity.begin, entity.end),
                    "entity_confidence": as_single(1 / (1 + 0.2 * abs(trust))),
                    "support": float(int(40 * 8 ** abs(fame))),
                    "uri": f"http://dbpedia.org/resource/{entity.name.replace(' ', '_')}",
                    "link_word": words.bare(entity.word.text),
                    "time": interval(said.span_ms),
                    "confidence": as_single(said.confidence),
                    "speaker_confidence": speakers.confidence(said),
                },
                [expressions],
            )
        )
    return ModelRows("ner", metadata_of(transcript), rows, task.new_names)
