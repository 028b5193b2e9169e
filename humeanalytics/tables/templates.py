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
import sys
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from humeanalytics.tables.fields import FLOAT32_END

Ints = NDArray[np.int64]

_NUMBER = rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
_BLANK = rb"[ \t\r\n]*"
# An entry with a name, a score and nothing else, each once. A name with brackets would make a list harder to take apart.
_ENTRY = re.compile(rb'\{B"name"B:B"(?:[^]["\\{}]|\\.)*"B,B"score"B:B(N)B\}'.replace(b"B", _BLANK).replace(b"N", _NUMBER))
_LIST = re.compile(rb"\[B(?:EB,B)*EB\]".replace(b"B", _BLANK).replace(b"E", _ENTRY.pattern))
# What a number is checked against that is not plainly digits, a point and digits. No "-0", which JSON readers take for the
# whole number 0, and no more digits of a whole number than a float holds.
_RARE_NUMBER = re.compile(rb"-?(?!0+$)(?:0|[1-9][0-9]{0,14})(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")

#: A list of scores is at most this long.
MAX_TEXT_BYTES = 1 << 16
# ... and what stands between two numbers so: a buffer padded by as much can be read beyond its end without looking.
_MAX_GAP_BYTES = 1 << 12
_WORD = 8
_PADDING = bytes(_MAX_GAP_BYTES + _WORD)


class Template:
    """A list of scores without its numbers.

    Args:
        names: Hume's names in their order.
        head: The text before the first number.
        gaps: The text after each number, up to the next one; the last to the end of the list.
    """

    def __init__(self, names: tuple[str, ...], head: bytes, gaps: tuple[bytes, ...]) -> None:
        self.names = names
        self.text = b"0".join((head, *gaps))
        self._head = _Words((head,))
        self._gaps = _Words(gaps)
        self._head_bytes = len(head)
        self._count = len(gaps)
        self._lengths = np.array([len(gap) for gap in gaps])
        self._braces = np.array([gap.index(b"}") for gap in gaps])
        self.tail_bytes = len(gaps[-1])

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
        spans = [match.span(1) for match in _ENTRY.finditer(text)]
        ends = [span[1] for span in spans]
        starts = [span[0] for span in spans[1:]] + [len(text)]
        gaps = [text[end:start] for end, start in zip(ends, starts, strict=True)]
        head = text[: spans[0][0]]
        if max(map(len, [head, *gaps])) > _MAX_GAP_BYTES:
            return None
        return _template(tuple(entry["name"] for entry in entries), head, tuple(gaps))

    def match(self, buffer: Buffer, starts: Ints) -> tuple[NDArray[np.bool_], Ints, Ints]:
        """Compare the lists that begin at ``starts`` with the template.

        Returns:
            Which of them it fits, and for those (a row each) where their numbers begin and end.
        """
        fits = buffer.equal(starts[:, None], self._head)
        first_brace = np.searchsorted(buffer.braces, starts)
        fits &= first_brace + self._count <= len(buffer.braces)
        chosen = np.flatnonzero(fits)
        ends = buffer.braces[first_brace[chosen, None] + np.arange(self._count)] - self._braces
        begins = np.empty_like(ends)
        begins[:, 0] = starts[chosen] + self._head_bytes
        begins[:, 1:] = ends[:, :-1] + self._lengths[:-1]
        good = buffer.equal(ends, self._gaps)
        good &= ends[:, -1] + self.tail_bytes <= buffer.size
        good &= np.logical_and.reduce(begins < ends, axis=1)
        fits[chosen] = good
        return fits, begins[good], ends[good]


@lru_cache(64)
def _template(names: tuple[str, ...], head: bytes, gaps: tuple[bytes, ...]) -> Template:
    return Template(names, head, gaps)


class _Words:
    """Texts cut into words of eight bytes: to which text each belongs, at what offset, and what it is.

    The last word of a text ends where the text does, and so overlaps the one before. Of the ``short`` words, which are texts
    shorter than a word, a mask says which bytes count.
    """

    def __init__(self, texts: tuple[bytes, ...]) -> None:
        pieces = [
            (i, offset, text[offset : offset + _WORD])
            for i, text in enumerate(texts)
            for offset in sorted({*range(0, len(text) - _WORD, _WORD), max(0, len(text) - _WORD)})
        ]
        self.text_of = np.array([i for i, _, _ in pieces])
        self.offsets = np.array([offset for _, offset, _ in pieces])
        self.values = np.frombuffer(b"".join(piece.ljust(_WORD, b"\0") for _, _, piece in pieces), np.uint64)
        short = [len(piece) < _WORD for _, _, piece in pieces]
        self.short = np.flatnonzero(short)
        masks = [(b"\xff" * len(piece)).ljust(_WORD, b"\0") for _, _, piece in pieces if len(piece) < _WORD]
        self.masks = np.frombuffer(b"".join(masks), np.uint64)


class Buffer:
    """A piece of JSON, made ready for looking at many places of it at once.

    Args:
        pieces: Its bytes, maybe in several parts.

    Attributes:
        data: Its bytes, followed by zeros, so that one can look a little beyond its end without asking.
        size: How many bytes there are, without the zeros.
        braces: Where its closing braces are.
    """

    def __init__(self, *pieces: bytes) -> None:
        self.size = sum(map(len, pieces))
        self.data = b"".join((*pieces, _PADDING))
        octets = np.frombuffer(self.data, np.uint8)
        self.braces: Ints = np.flatnonzero(octets[: self.size] == ord("}"))
        # The eight bytes from each byte on, as one number; they are only ever read.
        self._words = np.lib.stride_tricks.as_strided(
            octets[:_WORD].view(np.uint64), shape=(len(octets) - _WORD,), strides=(1,), writeable=False
        )

    def equal(self, places: Ints, texts: _Words) -> NDArray[np.bool_]:
        """Tell of each row of places whether at each of them stands the text that belongs there."""
        spots = places[:, texts.text_of] + texts.offsets
        found = self._words[spots.reshape(-1)].reshape(spots.shape)
        found[:, texts.short] &= texts.masks
        same: NDArray[np.bool_] = np.logical_and.reduce(found == texts.values, axis=1)
        return same

    def numbers(self, begins: Ints, ends: Ints) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Parse the numbers of lists, a row each.

        Returns:
            The values, and which of the rows hold numbers throughout as JSON writes them, none beyond a float32.
        """
        values = self._cast(begins, ends)
        in_range = np.abs(values) < FLOAT32_END  # false also for NaN, which is what is no number
        good: NDArray[np.bool_] = np.logical_and.reduce(in_range, axis=1)
        # What Arrow parses and JSON does not write differs from it in the first three characters: a sign or point at the
        # beginning, a zero before other digits, nothing after the point, inf and nan. So a digit, a point and a digit are
        # all that needs a look; the half byte 3 stands for digits, for what else has it Arrow does not parse.
        opening = self._words[begins]
        if sys.byteorder == "big":
            opening = opening.byteswap()
        usual = opening & 0xF0FFF0 == 0x302E30
        if not usual.all():
            usual |= (opening & 0xF0 == 0x30) & (ends - begins == 1)
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
            len(offsets) - 1, pa.py_buffer(offsets), pa.py_buffer(self.data), pa.py_buffer(valid)
        )
        try:
            cast = tokens.cast(pa.float64())
        except pa.ArrowInvalid:
            if rows == 1:
                return np.full((1, columns), np.nan)
            half = rows // 2
            return np.concatenate([self._cast(begins[:half], ends[:half]), self._cast(begins[half:], ends[half:])])
        return np.frombuffer(cast.buffers()[1], np.float64, len(offsets) - 1)[::2].reshape(rows, columns)
