"""Decode JSON that may be broken anywhere, with errors that say where and why."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import msgspec

from humeanalytics.errors import UnreadableResponse

_BYTE = re.compile(r"(?:JSON is malformed: )?(.*) \(byte (\d+)\)")
# The escape of one half of a pair, without the other half beside it: JavaScript writes these, UTF-8 cannot.
_HALF_A_PAIR = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)


@dataclass(frozen=True, slots=True)
class Text:
    """A JSON value as it stands in a payload, and at which byte of the payload it begins."""

    data: bytes
    start: int


#: A JSON value not yet decoded: taken from a payload, or from within such a one.
Undecoded = Text | msgspec.Raw


def bytes_of(value: Undecoded) -> bytes | memoryview:
    """Return the bytes of a value."""
    return value.data if isinstance(value, Text) else memoryview(value)


def opening_of(value: Undecoded) -> bytes:
    """Return the first byte of a value, which tells its kind: ``{ [ " t f n``, or it is a number."""
    return bytes(bytes_of(value)[:1])


def decode(value: Undecoded, type_: Any, item: str, place: str) -> Any:
    """Decode a value.

    Args:
        value: Its bytes.
        type_: What to decode it to, as msgspec takes it.
        item: The name of the payload, for errors.
        place: Where the value stands in it, as a JSON path.

    Raises:
        UnreadableResponse: It is broken; says at which path or byte, and how.
    """
    data = bytes_of(value)
    try:
        return msgspec.json.decode(data, type=type_)
    except msgspec.ValidationError as error:
        reason, _, inner = str(error).partition(" - at `$")
        message = f"{place}{inner.rstrip('`')}: {reason}"
    except msgspec.DecodeError as error:
        message = _malformed(data, value.start if isinstance(value, Text) else 0, str(error))
    except UnicodeDecodeError as error:
        message = f"{place}: {error.reason}"
    except RecursionError:
        message = f"{place} is nested deeper than any answer of Hume's"
    raise UnreadableResponse(f"{item}: {message}.", item=item) from None


def text_of(value: Undecoded | None, item: str, place: str) -> str | None:
    """Return the text that a value is, or None if it is absent, null or something else.

    Raises:
        UnreadableResponse: It is a text, and broken.
    """
    if value is None or opening_of(value) != b'"':
        return None
    return str(decode(value, str, item, place))


def _malformed(data: bytes | memoryview, start: int, message: str) -> str:
    """Say what is wrong with JSON, and where. The decoder calls a surrogate that stands alone, and many a cut, something else."""
    half = _HALF_A_PAIR.search(data)
    if half and ("truncated" in message or "escape" in message):
        return f"the JSON is malformed at byte {start + half.start()}: half of a surrogate pair, {half[0].decode()}"
    told = _BYTE.fullmatch(message)
    if told is None or int(told[2]) >= len(data):
        return f"the JSON ends early, after {start + len(data)} bytes; the file seems to be cut off"
    return f"the JSON is malformed at byte {start + int(told[2])}: {told[1]}"
