"""Read the JSON values of a saved payload of EVI's, one after the other, sound left out."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

import msgspec

from humeanalytics.errors import NotHumeData
from humeanalytics.tables.json_stream import JsonStream
from humeanalytics.tables.json_text import Text, decode
from humeanalytics.tables.looks import looks_like

_PIECE_BYTES = 1 << 20
_WINDOW_BYTES = 1 << 22
_HEAD_BYTES = 512
#: Where to look for what says that a message is nothing but sound, which is long, and comes last.
_SOUND = re.compile(rb'^\s*\{[^{}]{0,400}"type"\s*:\s*"audio_(?:output|input)"')


class _Kind(msgspec.Struct):
    type: str


def values_in(data: bytes | BinaryIO, item: str) -> Iterator[Any]:
    """Yield the JSON values in a payload: one, or as many as there are lines.

    Raises:
        NotHumeData: It is no JSON object or list; says what it looks like.
        UnreadableResponse: It is broken; says where.
    """
    stream = io.BytesIO(data) if isinstance(data, bytes) else data
    first = b""
    while len(first) < _HEAD_BYTES and (more := stream.read(_PIECE_BYTES)):
        first += more
    if first.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] not in (b"[", b"{"):
        raise NotHumeData(f"{item}: this is {looks_like(first[:_HEAD_BYTES])}, not of EVI's history.", item=item)
    pieces = iter((first,))
    json = JsonStream(lambda: next(pieces, b"") or stream.read(_PIECE_BYTES), item, _WINDOW_BYTES)
    number = 0
    while json.opening() in (b"{", b"["):
        number += 1
        yield _decoded(json.whole_value(), item, f"value {number}, $" if number > 1 else "$")
    json.finish()


def _decoded(text: Text, item: str, place: str) -> Any:
    if _SOUND.search(text.data[:600]):  # the decoder then reads over the sound without making a text of it
        return {"type": decode(text, _Kind, item, place).type}
    return decode(text, Any, item, place)
