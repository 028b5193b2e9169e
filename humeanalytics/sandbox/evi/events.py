"""Events as the API writes them: scores and segments as JSON in strings, byte for byte what Python's ``json.dumps`` gives."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from humeanalytics import vocabulary
from humeanalytics.sandbox.evi.catalogue import uuid_of
from humeanalytics.sandbox.evi.conversation import Beat, Conversation
from humeanalytics.sandbox.evi.fleet import ChatPlan
from humeanalytics.sandbox.scores import score

_NAMES = tuple(sorted(name.name for name in vocabulary.names_of("prosody")))
_FEATURES = "{{" + ", ".join(f"{json.dumps(name)}: {{}}" for name in _NAMES) + "}}"
_EMBEDDINGS = 32
_EMBEDDING = 768
_TOKENS_PER_S = 24
_LONG_MS = 3000


def _model_order() -> NDArray[np.intp]:
    """Where in the alphabet the scores of a segment stand: two names are out of order."""
    names = list(_NAMES)
    names.remove("Desire")
    names.insert(names.index("Shame"), "Desire")
    at = names.index("Confusion")
    names[at], names[at + 1] = names[at + 1], names[at]
    return np.array([_NAMES.index(name) for name in names])


_MODEL_ORDER = _model_order()


class EventWriter:
    """Writes events of one sandbox.

    Args:
        seed: Scores depend on it and on the chat.
        embeddings: Whether segments of 2024 carry their embedding.
    """

    def __init__(self, seed: int, embeddings: bool) -> None:
        self._seed = seed
        self._embeddings = embeddings

    def write(self, talk: Conversation, beats: Sequence[Beat]) -> list[dict[str, Any]]:
        """Return some events of a chat as objects. An event is the same whichever it is written with."""
        scored = [beat for beat in beats if beat.scored]
        rows = dict(zip((beat.index for beat in scored), self._scores(talk.plan, scored), strict=True))
        return [self._event(talk.plan, beat, rows.get(beat.index)) for beat in beats]

    def _scores(self, plan: ChatPlan, beats: Iterable[Beat]) -> NDArray[np.float16]:
        """Scores of two halves of each event, which for all but long speech are the same."""
        features = [feature for beat in beats for feature in _features(plan, beat)]
        if not features:
            return np.empty((0, 2, len(_NAMES)), np.float16)
        return score(self._seed, "evi", _NAMES, np.array(features)).astype(np.float16).reshape(-1, 2, len(_NAMES))

    def _event(self, plan: ChatPlan, beat: Beat, halves: NDArray[np.float16] | None) -> dict[str, Any]:
        event = {
            "id": event_id(plan, beat.index),
            "chat_id": plan.chat_id,
            "timestamp": beat.at_ms,
            "role": beat.role,
            "type": beat.type,
            "message_text": beat.text,
            "emotion_features": plan.nothing,
            "metadata": plan.nothing,
        }
        if halves is not None:
            values = ((halves[0].astype(np.float32) + halves[1]) / 2).astype(np.float16)
            event["emotion_features"] = _FEATURES.format(*_written(values))
            if beat.spoken_ms is not None:
                event["metadata"] = self._segments(plan, beat, halves)
        if plan.era == "2026":
            event["related_event_id"] = None if beat.about is None else event_id(plan, beat.about.index)
        return event

    def _segments(self, plan: ChatPlan, beat: Beat, halves: NDArray[np.float16]) -> str:
        assert beat.spoken_ms is not None
        begin_ms, end_ms = beat.spoken_ms
        text = beat.text or ""
        words = text.split(" ")
        if not _is_long(beat):
            segments = [self._segment(plan, text, halves[0], begin_ms, end_ms)]
        else:
            middle, pause_ms = len(words) // 2, begin_ms + (end_ms - begin_ms) // 2
            segments = [
                self._segment(plan, " ".join(words[:middle]), halves[0], begin_ms, pause_ms),
                self._segment(plan, " ".join(words[middle:]), halves[1], pause_ms + 100, end_ms),
            ]
        return '{"segments": [' + ", ".join(segments) + "]}"

    def _segment(self, plan: ChatPlan, text: str, values: NDArray[np.float16], begin_ms: int, end_ms: int) -> str:
        parts = [f'"content": {json.dumps(text)}']
        scores = ", ".join(_written(values[_MODEL_ORDER]))
        if plan.era == "2024" and self._embeddings:
            parts.append(f'"embedding": [{_embeddings(self._seed)[_number_of(text) % _EMBEDDINGS]}]')
        parts.append(f'"scores": [{scores}]')
        if plan.era == "2024":
            tokens = [(17 + _number_of(text) + 37 * place) % 500 for place in range((end_ms - begin_ms) * _TOKENS_PER_S // 1000)]
            parts.append(f'"stoks": {json.dumps(tokens)}')
        parts.append(f'"time": {{"begin_ms": {begin_ms}, "end_ms": {end_ms}}}')
        return "{" + ", ".join(parts) + "}"


def event_id(plan: ChatPlan, index: int) -> str:
    """Return the id of an event."""
    return uuid_of(f"{plan.key}/{index}")


def _is_long(beat: Beat) -> bool:
    return beat.spoken_ms is not None and beat.spoken_ms[1] - beat.spoken_ms[0] > _LONG_MS and " " in (beat.text or "")


def _features(plan: ChatPlan, beat: Beat) -> tuple[list[float], list[float]]:
    digest = hashlib.sha256(f"{plan.key}/{beat.index}".encode()).digest()
    noise = [(byte - 127.5) / 75 for byte in digest[:6]]
    glad, loud = beat.mood
    first = [glad + 0.5 * noise[0], loud + 0.5 * noise[1], *noise[2:]]
    return first, [first[0] + 0.3, *first[1:]] if _is_long(beat) else first


def _number_of(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


@cache
def _embeddings(seed: int) -> tuple[str, ...]:
    """A few embeddings, in JSON: to write one for each segment would take longer than all the rest."""
    draw = np.random.Generator(np.random.PCG64(seed))
    rows = (1.3 * draw.standard_normal((_EMBEDDINGS, _EMBEDDING))).astype(np.float16).tolist()
    return tuple(", ".join(map(repr, row)) for row in rows)


@cache
def _float16_texts() -> tuple[str, ...]:
    return tuple(map(repr, np.arange(1 << 16, dtype=np.uint16).view(np.float16).tolist()))


def _written(values: NDArray[np.float16]) -> list[str]:
    """Numbers as JSON; there are so few different ones that it pays to have them all written."""
    texts = _float16_texts()
    return [texts[bits] for bits in values.view(np.uint16).tolist()]
