"""Read the metadata of a user's message: the segments of its speech, each with its scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from humeanalytics.tables.evi_scores import NoScores, Scores, read_model_scores
from humeanalytics.tables.evi_values import members_of, text_of, whole_of, without_secrets

#: How many numbers an embedding of a segment has.
EMBEDDING_SIZE = 768


class _Time(msgspec.Struct):
    begin_ms: int | None = None
    end_ms: int | None = None


class _Segment(msgspec.Struct):
    content: str
    scores: list[float]
    time: _Time


class _Metadata(msgspec.Struct):
    segments: list[_Segment]


_plain = msgspec.json.Decoder(_Metadata)


@dataclass(frozen=True, slots=True)
class Segment:
    """One stretch of speech; times in milliseconds of the user's audio."""

    content: str | None
    begin_ms: int | None
    end_ms: int | None
    scores: Scores | None
    embedding: list[float] | None = None


def metadata_of(value: Any) -> str | None:
    """Return the metadata of an event as text, secrets blanked. Embeddings, nearly all of it, are not searched for any."""
    text = text_of(value)
    if text is None:
        return None
    rest, at = [], 0
    while (found := text.find('"embedding"', at)) >= 0 and (end := text.find("]", found)) >= 0:
        rest.append(text[at:found])
        at = end
    told = "".join((*rest, text[at:]))
    return text if without_secrets(told) == told else without_secrets(text)


def read_segments(metadata: str | None, *, embeddings: bool = False) -> tuple[list[Segment], list[str]]:
    """Read the segments in the metadata of an event, as JSON text, and what is wrong with them.

    Metadata of any other content has none, which is nothing wrong.

    Args:
        metadata: The text.
        embeddings: Whether to read their embeddings too, which are most of the text.
    """
    if metadata is None or "segments" not in metadata:
        return [], []
    data = metadata.encode("utf-8", "surrogatepass")
    if not embeddings:
        try:  # what is not asked for, the decoder does not even make
            return _from_plain(_plain.decode(data))
        except (msgspec.DecodeError, UnicodeError):
            pass
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return [], ["the metadata is not JSON"]
    listed = value.get("segments") if isinstance(value, dict) else None
    if not isinstance(listed, list):
        return [], [] if listed is None else ["the segments in the metadata are no list"]
    segments: list[Segment] = []
    wrong: list[str] = []
    for each in listed:
        if isinstance(each, dict):
            segments.append(_from_object(members_of(each), embeddings, wrong))
        else:
            wrong.append("a segment is no object")
    return segments, wrong


def _from_plain(metadata: _Metadata) -> tuple[list[Segment], list[str]]:
    segments: list[Segment] = []
    wrong: list[str] = []
    for each in metadata.segments:
        scores = _checked(read_model_scores(each.scores), wrong)
        segments.append(Segment(each.content or None, whole_of(each.time.begin_ms), whole_of(each.time.end_ms), scores))
    return segments, wrong


def _from_object(members: dict[str, Any], embeddings: bool, wrong: list[str]) -> Segment:
    time = members_of(members["time"]) if isinstance(members.get("time"), dict) else {}
    embedding = members.get("embedding") if embeddings else None
    is_one = (
        isinstance(embedding, list) and len(embedding) == EMBEDDING_SIZE and all(type(each) in (int, float) for each in embedding)
    )
    return Segment(
        text_of(members.get("content")),
        whole_of(time.get("begin_ms", time.get("begin"))),
        whole_of(time.get("end_ms", time.get("end"))),
        _checked(read_model_scores(members.get("scores")), wrong),
        embedding if is_one else None,
    )


def _checked(scores: Scores | NoScores | None, wrong: list[str]) -> Scores | None:
    if isinstance(scores, NoScores):
        wrong.append(scores.reason)
        return None
    return scores
