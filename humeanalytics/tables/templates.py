"""Read many equal lists of scores at once, out of the bytes of their JSON.

Hume writes the scores of every row in the same way: the same names in the same order with the same blanks, only the numbers
differ. A `Template` is such a list without its numbers. Where a list is, byte for byte, a template with numbers between,
its scores are known without parsing it as JSON; where it is not, nothing is claimed and it is read in the ordinary way.

How a template is matched against thousands of lists at once: every entry ends with the only closing brace in it, so the
braces say where each number ends, and the length of the template's text between two numbers says where the next one
begins. All text between numbers is then compared, eight bytes at a time. Arrow parses the numbers where they stand.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Ints = NDArray[np.int64]

_NUMBER = rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
_SCORE = re.compile(rb'"score"[ \t\r\n]*:[ \t\r\n]*(' + _NUMBER + rb")(?=[ \t\r\n]*[,}])")
_LIST = re.compile(rb"\[(?:[^][{}]*\{[^][{}]*\})+[ \t\r\n]*\]")
# What a number is checked against that is not plainly digits, a point and digits. No "-0", which JSON readers take for the
# whole number 0, and no more digits of a whole number than a float holds.
_RARE_NUMBER = re.compile(rb"-?(?!0+$)(?:0|[1-9][0-9]{0,14})(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")

#: A template's text is at most this long, so that a buffer padded by as much can be read beyond its end.
MAX_TEXT_BYTES = 1 << 16
_WORD = 8


@dataclass(frozen=True, slots=True)
class Template:
    """A list of scores without its numbers.

    Attributes:
        names: Hume's names in their order.
        head: The text before the first number.
        gaps: The text after each number, up to the next one; the last to the end of the list.
    """

    names: tuple[str, ...]
    head: bytes
    gaps: tuple[bytes, ...]

    @classmethod
    def learn(cls, buffer: bytes, start: int) -> Template | None:
        """Take the list that begins at ``start`` as a template, or return None if it is no plain list of scores."""
        found = _LIST.match(buffer, start, start + MAX_TEXT_BYTES)
        if not found:
            return None
        text = found[0]
        try:
            entries: list[dict[str, Any]] = msgspec.json.decode(text, type=list[dict[str, Any]])
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        spans = [match.span(1) for match in _SCORE.finditer(text)]
        plain = all(entry.keys() == {"name", "score"} and type(entry["name"]) is str for entry in entries)
        if not plain or len(spans) != len(entries):
            return None
        ends = [span[1] for span in spans]
        starts = [span[0] for span in spans[1:]] + [len(text)]
        gaps = tuple(text[end:start] for end, start in zip(ends, starts, strict=True))
        if any(gap.count(b"}") != 1 for gap in gaps):
            return None
        return cls(tuple(entry["name"] for entry in entries), text[: spans[0][0]], gaps)

    def match(self, buffer: Buffer, starts: Ints) -> tuple[NDArray[np.bool_], Ints, Ints]:
        """Compare the lists that begin at ``starts`` with the template.

        Returns:
            Which of them it fits, and for those (a row each) where their numbers begin and end.
        """
        count = len(self.gaps)
        fits = buffer.equal(starts, self.head)
        first_brace = np.searchsorted(buffer.braces, starts)
        fits &= first_brace + count <= len(buffer.braces)
        chosen = np.flatnonzero(fits)
        lengths = np.array([len(gap) for gap in self.gaps])
        ends = buffer.braces[first_brace[chosen, None] + np.arange(count)] - np.array([gap.index(b"}") for gap in self.gaps])
        begins = np.empty_like(ends)
        begins[:, 0] = starts[chosen] + len(self.head)
        begins[:, 1:] = ends[:, :-1] + lengths[:-1]
        good = (begins < ends).all(axis=1) & (ends[:, -1] + lengths[-1] <= buffer.size)
        for j, gap in enumerate(self.gaps):
            good &= buffer.equal(ends[:, j], gap)
        fits[chosen] = good
        return fits, begins[good], ends[good]


class Buffer:
    """A piece of JSON, made ready for looking at many places of it at once.

    Attributes:
        data: Its bytes.
        size: How many.
        braces: Where its closing braces are.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.size = len(data)
        self._bytes = np.frombuffer(data + bytes(MAX_TEXT_BYTES + _WORD), np.uint8)
        self.braces: Ints = self.where(b"}")
        # The eight bytes from each byte on, as one number; the bytes are only ever read.
        self._words = np.lib.stride_tricks.as_strided(
            self._bytes[:_WORD].view(np.uint64), shape=(len(self._bytes) - _WORD,), strides=(1,), writeable=False
        )

    def where(self, byte: bytes) -> Ints:
        """Return the places of a byte."""
        return np.flatnonzero(self._bytes[: self.size] == byte[0])

    def equal(self, places: Ints, text: bytes) -> NDArray[np.bool_]:
        """Tell of each place whether the text stands there."""
        same = np.ones(len(places), np.bool_)
        if len(text) < _WORD:
            for i, byte in enumerate(text):
                same &= self._bytes[places + i] == byte
            return same
        for offset in (*range(0, len(text) - _WORD, _WORD), len(text) - _WORD):
            word = np.frombuffer(text, np.uint64, 1, offset)[0]
            same &= self._words[places + offset] == word
        return same

    def numbers(self, begins: Ints, ends: Ints) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Parse the numbers of lists, a row each.

        Returns:
            The values, and which of the rows hold numbers throughout as JSON writes them, none beyond a float32.
        """
        values = self._cast(begins, ends)
        good: NDArray[np.bool_] = (np.abs(values) < 3.4028235677973366e38).all(axis=1)  # false also for NaN: what is no number
        first, second, third = (self._bytes[begins + i] for i in range(3))
        last = self._bytes[ends - 1]
        digit = [(each - np.uint8(48)) < 10 for each in (first, second, third, last)]
        usual = digit[0] & digit[3] & (((second == 46) & digit[2]) | (ends - begins == 1))
        for row, column in np.argwhere(~usual & good[:, None]):
            token = self.data[begins[row, column] : ends[row, column]]
            good[row] &= _RARE_NUMBER.fullmatch(token) is not None
        return values, good

    def _cast(self, begins: Ints, ends: Ints) -> NDArray[np.float64]:
        """Parse tokens where they stand; rows with one that is no number are NaN throughout."""
        rows, columns = begins.shape
        if rows == 0:
            return np.empty((0, columns))
        # One string array over the whole buffer: tokens, and between them, as nulls, what separates them.
        offsets = np.empty(2 * rows * columns + 1, np.int32)
        offsets[0:-1:2] = begins.reshape(-1)
        offsets[1::2] = ends.reshape(-1)
        offsets[-1] = offsets[-2]
        valid = np.full(len(offsets) // 8 + 1, 0b01010101, np.uint8)
        tokens = pa.StringArray.from_buffers(
            len(offsets) - 1, pa.py_buffer(offsets), pa.py_buffer(self._bytes), pa.py_buffer(valid)
        )
        try:
            cast = tokens.cast(pa.float64())
        except pa.ArrowInvalid:
            if rows == 1:
                return np.full((1, columns), np.nan)
            half = rows // 2
            return np.concatenate([self._cast(begins[:half], ends[:half]), self._cast(begins[half:], ends[half:])])
        return np.frombuffer(cast.buffers()[1], np.float64, len(offsets) - 1)[::2].reshape(rows, columns)
