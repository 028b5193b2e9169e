"""Find the answers of v1 in a saved payload, whatever people have put around them."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from humeanalytics.errors import NotHumeData
from humeanalytics.redaction import redact_text
from humeanalytics.tables.expression_values import Values
from humeanalytics.tables.json_stream import JsonStream
from humeanalytics.tables.json_text import Text, decode
from humeanalytics.tables.looks import looks_like, looks_like_object

_PIECE_BYTES = 1 << 20
_WINDOW_BYTES = 1 << 22
_MAX_DEPTH = 32
_HEAD_BYTES = 512
_SIGNS = re.compile(
    rb'"(?:audio_(?:duration|start|end)_ms|audio(?:Duration|Start|End)Ms|(?:utterance|measurement)_id|(?:utterance|measurement)Id'
    rb'|voice_?[aA]ttributes|face_?[sS]tate)"\s*:|"received"\s*:\s*\{\s*"frames"\s*:|"frame_?[iI]d"\s*:\s*\d+\s*,\s*"faces"\s*:'
)
_REALTIME = ("session.created", "measurement.result", "utterance.start", "utterance.end", "session.closed")


@dataclass(frozen=True, slots=True)
class Refused:
    """An error of v1 that was saved where an answer should be."""

    code: str
    message: str
    request_id: str | None


@dataclass
class SavedAnswers:
    """The answers in one payload: iterate over them; afterwards it is known what else was there.

    Attributes:
        wrapped: Whether they stood in other JSON.
        refused: Errors that stood where answers should be.
    """

    data: bytes | BinaryIO
    values: Values
    wrapped: bool = False
    refused: list[Refused] = field(default_factory=list)
    _looks: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[tuple[str, dict[str, Any], str]]:
        """Yield the model, the members and the place of each answer.

        Raises:
            NotHumeData: (at the end) There is none.
            UnreadableResponse: The payload is broken; says where.
        """
        found = False
        for value, place in self._tops():
            for answer in self._find(value, place, 0):
                found = True
                yield answer
        if not found:
            said = "; ".join(f"{each.code}: {each.message}" for each in self.refused[:3])
            looks = f"an error of v1 ({said})" if self.refused else (self._looks or ["a JSON list without an answer in it"])[0]
            raise NotHumeData(f"{self.values.item}: this is {looks}, not an answer of v1.", item=self.values.item)

    def _tops(self) -> Iterator[tuple[Any, str]]:
        """Yield the payload, or, of a list and of JSON lines, one value after the other: however many, few are held."""
        item = self.values.item
        stream = io.BytesIO(self.data) if isinstance(self.data, bytes) else self.data
        first = b""
        while len(first) < _HEAD_BYTES and (more := stream.read(_PIECE_BYTES)):
            first += more
        if first.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] not in (b"[", b"{"):
            raise NotHumeData(f"{item}: this is {looks_like(first[:_HEAD_BYTES])}, not an answer of v1.", item=item)
        pieces = iter((first,))
        json = JsonStream(lambda: next(pieces, b"") or stream.read(_PIECE_BYTES), item, _WINDOW_BYTES)
        if json.opening() == b"[":
            yield from self._elements(json)
        else:
            yield from self._lines(json)
        json.finish()

    def _elements(self, json: JsonStream) -> Iterator[tuple[Any, str]]:
        self.wrapped = True
        item, count = self.values.item, 0
        for run in json.runs():
            elements = decode(run, list[Any], item, "$") if run else [decode(json.whole_value(), Any, item, f"$[{count}]")]
            for element in elements:
                yield element, f"$[{count}]"
                count += 1

    def _lines(self, json: JsonStream) -> Iterator[tuple[Any, str]]:
        text, count = json.whole_value(), 1
        self.wrapped = json.opening() == b"{"
        yield self._line(text, count)
        while json.opening() == b"{":
            count += 1
            yield self._line(json.whole_value(), count)

    def _line(self, text: Text, number: int) -> tuple[Any, str]:
        place = f"value {number}, $" if self.wrapped else "$"
        return decode(text, Any, self.values.item, place), place

    def _find(self, value: Any, place: str, depth: int) -> Iterator[tuple[str, dict[str, Any], str]]:
        if depth > _MAX_DEPTH:
            return
        if type(value) is list:
            for i, element in enumerate(value):
                yield from self._find(element, f"{place}[{i}]", depth + 1)
        elif type(value) is dict:
            members = self.values.members(value, place)
            model = model_of(members)
            if model is not None:
                self.wrapped = self.wrapped or depth > 0
                yield model, members, place
                return
            self._note(members)
            for key, member in value.items():
                yield from self._find(member, f"{place}.{key}", depth + 1)

    def _note(self, members: dict[str, Any]) -> None:
        """Remember what an object is that is no answer."""
        code, message, request_id = members.get("code"), members.get("message"), members.get("request_id")
        if members.get("type") == "error" and type(code) is str:
            told = redact_text(message) if type(message) is str else ""
            self.refused.append(Refused(code, told, request_id if type(request_id) is str else None))
        elif members.get("type") in _REALTIME:
            self._looks.append("a message of a realtime session of v1")
        elif "runs" in members and "measurements" not in members:
            self._looks.append("a list of runs of v1, which holds no measurements")
        else:
            self._looks.append(looks_like_object(members))


def model_of(members: dict[str, Any]) -> str | None:
    """Return whether an object is an answer about ``audio`` or ``video``, or None where it is none of v1.

    >>> model_of({"run_id": "x", "received": {"frames": 2}, "measurements": []}), model_of({"measurements": []})
    ('video', None)
    """
    if "measurements" not in members or members.get("type") in _REALTIME:
        return None
    received = members.get("received")
    told = received.keys() if type(received) is dict else set()
    if "utterances" in members or told & {"audio_duration_ms", "audioDurationMs"}:
        return "audio"
    measurements = members["measurements"]
    first = measurements[0].keys() if type(measurements) is list and measurements and type(measurements[0]) is dict else set()
    if "frames" in told or "faces" in first:
        return "video"
    return "audio" if first & {"trigger", "voice_attributes", "voiceAttributes"} else None


def looks_like_v1(head: bytes) -> bool:
    """Tell from the first bytes of a saved file whether answers of v1 are in it: some 64 KiB are enough.

    No answer of v0 or EVI looks so. A file may still turn out to be broken.

    >>> looks_like_v1(b'{"request_id": "b2", "run_id": "01", "received": {"audio_duration_ms": 31400}')
    True
    >>> looks_like_v1(b'[{"source": {"type": "url"}, "results": {"predictions": []}}]')
    False
    """
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    return text[:1] in (b"{", b"[") and _SIGNS.search(text) is not None
