"""Decode JSON that may be broken anywhere, with errors that say where and why."""

from __future__ import annotations

import codecs
import re
from typing import Any

import msgspec

from humeanalytics.errors import UnreadableResponse

_PIECE_BYTES = 1 << 20
_BYTE = re.compile(r"\(byte (\d+)\)")
_BLANK = re.compile(rb"[ \t\r\n]*")
# The escape of one half of a pair, without the other half beside it: JavaScript writes these, UTF-8 cannot.
_HALF_A_PAIR = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)


def without_bom(data: bytes) -> memoryview:
    """Return the payload without the byte order mark it may begin with, not copied."""
    return memoryview(data)[len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0 :]


def opening_of(raw: Any) -> bytes:
    """Return the first byte of a JSON value, which tells its kind: ``{ [ " t f n`` or a number."""
    view = memoryview(raw)
    head = bytes(view[:1])
    if head in b" \t\r\n" and head:
        blank = _BLANK.match(view)
        head = bytes(view[blank.end() : blank.end() + 1]) if blank else b""
    return head


def text_of(raw: Any) -> str | None:
    """Return the text a JSON value is, or None if it is absent, null or something else."""
    if raw is None or opening_of(raw) != b'"':
        return None
    return msgspec.json.decode(raw, type=str)


def check_utf8(data: bytes, item: str) -> None:
    """Raise `UnreadableResponse` with the place of the first byte that is not UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    for start in range(0, len(data), _PIECE_BYTES):
        piece = data[start : start + _PIECE_BYTES]
        if piece.isascii() and not decoder.getstate()[0]:
            continue
        held = len(decoder.getstate()[0])
        try:
            decoder.decode(piece, final=start + _PIECE_BYTES >= len(data))
        except UnicodeDecodeError as error:
            at = start - held + error.start
            raise UnreadableResponse(f"{item}: byte {at} is not UTF-8 ({error.reason}).", item=item) from None
    if rest := decoder.getstate()[0]:
        raise UnreadableResponse(f"{item}: ends within a character, at byte {len(data) - len(rest)}.", item=item)


def decode(raw: Any, type_: Any, item: str, place: str) -> Any:
    """Decode a JSON value.

    Args:
        raw: Its bytes.
        type_: What to decode it to, as msgspec takes it.
        item: The name of the payload, for errors.
        place: Where the value stands in it, as a JSON path.

    Raises:
        UnreadableResponse: It is broken; says at which path or byte, and how.
    """
    try:
        return msgspec.json.decode(raw, type=type_)
    except msgspec.ValidationError as error:
        reason, _, inner = str(error).partition(" - at `$")
        raise UnreadableResponse(f"{item}: {place}{inner.rstrip('`')}: {reason}.", item=item) from None
    except msgspec.DecodeError as error:
        raise UnreadableResponse(f"{item}: {_reason(raw, str(error), place)}.", item=item) from None
    except UnicodeDecodeError as error:
        raise UnreadableResponse(f"{item}: {place}: {error.reason}.", item=item) from None
    except RecursionError:
        raise UnreadableResponse(f"{item}: {place} is nested deeper than any answer of Hume's.", item=item) from None


def _reason(raw: Any, message: str, place: str) -> str:
    """Say why JSON is malformed. The decoder calls a surrogate that stands alone, and many a cut, something else."""
    view = memoryview(raw)
    half = _HALF_A_PAIR.search(view)
    if half and ("truncated" in message or "escape" in message):
        return f"{place}: half of a surrogate pair, {half[0].decode()}, at byte {half.start()}"
    at = _BYTE.search(message)
    if "truncated" in message or (at and int(at[1]) >= len(view)):
        return f"{place}: the JSON ends early, after {len(view)} bytes; the file seems to be cut off"
    return f"{place}: {message}"
