"""Read transcripts in JSON: of Whisper in its several programs, and of WhisperX with words and speakers."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any

from humeanalytics.tables.words_rows import WordRows

_SIGNS = re.compile(
    rb'"(?:segments|word_segments|transcription|chunks|words)"\s*:\s*\[\s*'
    rb'(?:\{[^\[\]]{0,4000}?"(?:start|end|timestamps?|offsets)"\s*:|\](?=\s*[,}]))'
)
_LIST_OF_SEGMENTS = re.compile(rb'(?:\xef\xbb\xbf)?\s*\[\s*\{[^\[\]{}]{0,4000}?"(?:start|end)"\s*:\s*[-0-9]')
_PIECE_BYTES = 1 << 20
_REACH_BYTES = 8192


def is_words_json(file: IO[bytes]) -> bool:
    """Tell whether JSON that is no answer of Hume's is a transcript: by the names of its members, wherever they stand."""
    window = file.read(_PIECE_BYTES)
    if _LIST_OF_SEGMENTS.match(window):
        return True
    while window:
        if _SIGNS.search(window):
            return True
        more = file.read(_PIECE_BYTES)
        window = window[-_REACH_BYTES:] + more if more else b""
    return False


def read_json(text: str, rows: WordRows) -> str:
    """Read a transcript; return its form, ``whisper`` or ``whisperx``. Words are taken where there are any, else segments."""
    value = _loaded(text, rows)
    whole = value if isinstance(value, dict) else {"segments": value}
    language = whole.get("language")
    if not isinstance(language, str):
        result = whole.get("result")  # of whisper.cpp
        language = result.get("language") if isinstance(result, dict) else None
    rows.language = language if isinstance(language, str) else None
    segments = [*_segments(whole, rows)]
    beside = "word_segments" if "word_segments" in whole else "words"
    words = [*_objects(whole.get(beside), f"$.{beside}", rows)]
    if words and not any(segment.get("words") for _, segment in segments):
        for place, word in words:
            _add_word(word, place, None, rows)
    else:
        for place, segment in segments:
            _add_segment(segment, place, rows)
    words += [word for _, segment in segments for word in _objects(segment.get("words"), "", rows)]
    is_x = "word_segments" in whole or any("score" in word or "speaker" in word for _, word in words)
    return "whisperx" if is_x else "whisper"


def _loaded(text: str, rows: WordRows) -> Any:
    try:
        return json.loads(text)  # and not msgspec: WhisperX writes NaN
    except json.JSONDecodeError as error:
        rows.broken(f"line {error.lineno}, column {error.colno}", f"the JSON is malformed: {error.msg}")
    except RecursionError:
        rows.broken("$", "it is nested deeper than any transcript")
    except ValueError:  # a whole number of thousands of digits
        rows.broken("$", "there is a number in it that is too long to be one")


def _segments(whole: Mapping[str, Any], rows: WordRows) -> Iterator[tuple[str, dict[str, Any]]]:
    for name in ("segments", "transcription", "chunks"):
        if name in whole:
            yield from _objects(whole[name], f"$.{name}", rows)
            return
    if not {"words", "word_segments"} & whole.keys():
        rows.broken("$", f"there are no segments and no words in it; its keys are {', '.join(list(whole)[:8]) or 'none'}")


def _objects(value: Any, place: str, rows: WordRows) -> Iterator[tuple[str, dict[str, Any]]]:
    if value is None:
        return
    if not isinstance(value, list):
        rows.broken(place, "this is no list")
    for i, element in enumerate(value):
        if not isinstance(element, dict):
            rows.broken(f"{place}[{i}]", "this is no object")
        yield f"{place}[{i}]", element


def _add_segment(segment: dict[str, Any], place: str, rows: WordRows) -> None:
    speaker = _text(segment, ("speaker",), place, rows)
    words = [*_objects(segment.get("words"), f"{place}.words", rows)]
    for at, word in words:
        _add_word(word, at, speaker, rows)
    if words:
        return
    text = _text(segment, ("text",), place, rows)
    if text is None:
        rows.broken(place, f"there is no text in it; its keys are {', '.join(list(segment)[:8]) or 'none'}")
    begin_s, end_s = _span(segment, place, rows)
    if text.strip():
        rows.add(begin_s, end_s, text, level="segment", speaker_id=speaker)


def _add_word(word: dict[str, Any], place: str, speaker: str | None, rows: WordRows) -> None:
    text = _text(word, ("word", "text"), place, rows)
    if text is None:
        rows.broken(place, f"there is no word in it; its keys are {', '.join(list(word)[:8]) or 'none'}")
    begin_s, end_s = _span(word, place, rows)
    sure = next((word[name] for name in ("score", "probability", "confidence") if word.get(name) is not None), None)
    confidence = None if sure is None else _number(sure, f"{place}", rows)
    if text.strip():
        speaker = _text(word, ("speaker",), place, rows) or speaker
        rows.add(begin_s, end_s, text, level="word", speaker_id=speaker, confidence=confidence)


def _span(members: dict[str, Any], place: str, rows: WordRows) -> tuple[float | None, float | None]:
    """Return when something begins and ends. What was not aligned has no times; what ends before it begins has no end."""
    if isinstance(members.get("offsets"), dict):  # of whisper.cpp, milliseconds
        offsets = members["offsets"]
        found = [_number(offsets.get(name), f"{place}.offsets.{name}", rows) for name in ("from", "to")]
        begin_s, end_s = (None if each is None else each / 1000 for each in found)
    elif isinstance(members.get("timestamp"), list) and len(members["timestamp"]) == 2:
        begin_s, end_s = (_number(each, f"{place}.timestamp", rows) for each in members["timestamp"])
    else:
        begin_s, end_s = (_number(members.get(name), f"{place}.{name}", rows) for name in ("start", "end"))
    if begin_s is not None and end_s is not None and end_s < begin_s:
        end_s = None
    return begin_s, end_s


def _number(value: Any, place: str, rows: WordRows) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        rows.broken(place, "this is no number")
    try:
        told = float(value)
    except OverflowError:
        rows.broken(place, "this number is too large to be one")
    return told if math.isfinite(told) else None


def _text(members: dict[str, Any], names: Sequence[str], place: str, rows: WordRows) -> str | None:
    for name in names:
        value = members.get(name)
        if isinstance(value, str):
            return value
        if value is not None:
            rows.broken(f"{place}.{name}", "this is no text")
    return None
