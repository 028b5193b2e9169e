"""Read JSON that arrives in pieces: what fits into a window is taken whole, what is larger step by step.

The syntax of values is checked where they are decoded; here only that of the way to them is.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from typing import NoReturn

import numpy as np
from msgspec import Raw
from numpy.typing import NDArray

from humeanalytics.errors import UnreadableResponse
from humeanalytics.tables.json_text import Text, decode

_BLANK = re.compile(rb"[ \t\r\n]*")
_KEY = re.compile(rb'("(?:[^"\\]|\\.)*")[ \t\r\n]*:', re.DOTALL)
_SCALAR = re.compile(rb'"(?:[^"\\]|\\.)*"|[^][{}",: \t\r\n]+', re.DOTALL)
#: How deep values may be nested.
MAX_DEPTH = 120


class JsonStream:
    """A JSON text, read from its beginning to its end.

    Each method reads on from where the one before stopped. Whoever is handed a stream in the place of a value has to read that
    value, and nothing after it.

    Args:
        read: Gives the next piece; an empty one at the end.
        item: The name of the payload, for errors.
        window_bytes: How long a value may be to be held whole.
        max_depth: How deep values may be nested: far deeper than any answer of Hume's, and not so deep that what works its
            way down by recursion gets stuck.
    """

    def __init__(self, read: Callable[[], bytes], item: str, window_bytes: int, max_depth: int = MAX_DEPTH) -> None:
        self._read = read
        self._item = item
        self._window_bytes = window_bytes
        self._max_depth = max_depth
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._data = b""
        self._at = 0
        self._dropped = 0  # bytes before the window
        self._ended = False
        self._depth = 0
        self._structure: _Structure | None = None

    @property
    def position(self) -> int:
        """How many bytes have been read so far."""
        return self._dropped + self._at

    def opening(self) -> bytes:
        """Return the first byte of the next value, or nothing at the end."""
        self._skip_blanks()
        return self._data[self._at : self._at + 1]

    def head(self, size: int) -> bytes:
        """Return so many bytes of what comes next, or as many as there are, without taking them."""
        self._skip_blanks()
        self._fill(size)
        return self._data[self._at : self._at + size]

    def value(self) -> Text | None:
        """Take the next value whole, or return None if it is an object or list longer than a window."""
        end = self._end_of_value(self._window_bytes)
        return None if end is None else self._taken(end)

    def whole_value(self) -> Text:
        """Take the next value whole, however long it is."""
        size = self._window_bytes
        while (end := self._end_of_value(size)) is None:
            size *= 2
        return self._taken(end)

    def members(self) -> Iterator[str]:
        """Step into the next value, an object, and yield its keys; the value of each is to be read before the next."""
        self._enter()
        seen: set[str] = set()
        if self._take(b"}"):
            self._depth -= 1
            return
        while True:
            self._skip_blanks()
            key = self._key()
            if key in seen:
                self._broken(f"the key {key!r} stands twice in one object")
            seen.add(key)
            yield key
            if self._take(b","):
                continue
            if not self._take(b"}"):
                self._broken("expected ',' or '}'")
            self._depth -= 1
            return

    def runs(self) -> Iterator[Text | None]:
        """Step into the next value, a list, and yield as many elements at once as the window holds, as a list of their own.

        Yields None where not even one fits: that one is to be read before the next.
        """
        self._enter()
        if self._take(b"]"):
            self._depth -= 1
            return
        while True:
            self._skip_blanks()
            self._fill(self._window_bytes)
            stop, is_end = self._structure_here().last_element(self._at)
            if stop is None:
                yield None
                is_end = not self._take(b",")
                if is_end and not self._take(b"]"):
                    self._broken("expected ',' or ']'")
            else:
                run = self._data[self._at : stop]
                if not run.strip():
                    self._broken("an element is missing")
                start = self.position - 1
                self._at = stop + 1
                yield Text(b"[" + run + b"]", start)
            if is_end:
                self._depth -= 1
                return

    def skip(self) -> None:
        """Read over the next value, checking only that it is JSON."""
        text = self.value()
        if text is not None:
            decode(text, Raw, self._item, "$")
        elif self.opening() == b"{":
            for _ in self.members():
                self.skip()
        else:
            for run in self.runs():
                if run is None:
                    self.skip()
                else:
                    decode(run, Raw, self._item, "$")

    def finish(self) -> None:
        """Make sure that nothing follows."""
        if self.opening():
            self._broken("something follows the end of the JSON")

    # ------------------------------------------------------------------------------------------------------- small steps
    def _enter(self) -> None:
        self._skip_blanks()
        self._at += 1
        self._depth += 1
        if self._depth > self._max_depth:
            self._too_deep(self.position)

    def _take(self, byte: bytes) -> bool:
        """Step over a byte if it comes next."""
        found = self.opening() == byte
        self._at += found
        return found

    def _skip_blanks(self) -> None:
        while True:
            blank = _BLANK.match(self._data, self._at)
            self._at = blank.end() if blank else self._at
            if self._at < len(self._data) or not self._fill(1):
                return

    def _key(self) -> str:
        size = 1024
        while True:
            enough = self._fill(size)
            match = _KEY.match(self._data, self._at)
            if match:
                self._at = match.end()
                key: str = decode(Text(match[1], self.position - len(match[0])), str, self._item, "$")
                return key
            if self._data[self._at : self._at + 1] not in (b'"', b""):
                self._broken("expected a key")
            if not enough:
                self._ends_early()
            size *= 2

    def _taken(self, end: int) -> Text:
        text = Text(self._data[self._at : end], self.position)
        self._at = end
        return text

    def _end_of_value(self, size: int) -> int | None:
        """Return where in the window the next value ends, or None if it is an object or list longer than ``size``."""
        if self.opening() in (b"{", b"["):
            is_more = self._fill(size)
            end = self._structure_here().end_of(self._at)
            if end is None and not is_more:
                self._ends_early()
            return end
        while True:
            match = _SCALAR.match(self._data, self._at)
            if match and (match.end() < len(self._data) or self._ended):
                return match.end()
            if not match and self._data[self._at : self._at + 1] not in (b'"', b""):
                self._broken("expected a value")
            if not self._fill(size):
                match = _SCALAR.match(self._data, self._at)
                return match.end() if match else self._ends_early()
            size *= 2

    # -------------------------------------------------------------------------------------------------------- the window
    def _fill(self, size: int) -> bool:
        """See to it that ``size`` bytes lie ahead in the window; return whether there are as many."""
        missing = size - (len(self._data) - self._at)
        if missing <= 0 or self._ended:
            return missing <= 0
        pieces = [self._data[self._at :]]
        while missing > 0 and not self._ended:
            piece = self._read()
            self._ended = not piece
            if self._dropped == 0 and not self._data and len(pieces) == 1 and piece.startswith(codecs.BOM_UTF8):
                piece, self._dropped = piece[len(codecs.BOM_UTF8) :], len(codecs.BOM_UTF8)
            self._check_utf8(piece, sum(map(len, pieces)))
            pieces.append(piece)
            missing -= len(piece)
        self._dropped += self._at
        self._data, self._at, self._structure = b"".join(pieces), 0, None
        return missing <= 0

    def _check_utf8(self, piece: bytes, ahead: int) -> None:
        held = len(self._utf8.getstate()[0])
        if held or self._ended or not piece.isascii():
            try:
                self._utf8.decode(piece, final=self._ended)
            except UnicodeDecodeError as error:
                at = self._dropped + self._at + ahead - held + error.start
                self._raise(f"byte {at} is not UTF-8 ({error.reason})")

    def _structure_here(self) -> _Structure:
        if self._structure is None:
            self._structure = _Structure(self._data, self._at)
            place = self._structure.first_deeper(self._max_depth - self._depth)
            if place is not None:
                self._too_deep(self._dropped + place)
        return self._structure

    def _too_deep(self, position: int) -> NoReturn:
        self._raise(f"the JSON is nested deeper than any answer of Hume's at byte {position}")

    def _broken(self, reason: str) -> NoReturn:
        if self._at >= len(self._data) and not self._fill(1):
            self._ends_early()
        self._raise(f"the JSON is malformed at byte {self.position}: {reason}")

    def _ends_early(self) -> NoReturn:
        self._fill(1 << 62)
        size = self._dropped + len(self._data)
        self._raise(f"the JSON ends early, after {size} bytes; the file seems to be cut off")

    def _raise(self, reason: str) -> NoReturn:
        raise UnreadableResponse(f"{self._item}: {reason}.", item=self._item)


class _Structure:
    """Where the brackets and commas of a window are that stand in no string, and how deep.

    Args:
        data: The window.
        start: Where to begin, which must not be within a string.
    """

    def __init__(self, data: bytes, start: int) -> None:
        octets = np.frombuffer(data, np.uint8)[start:]
        quotes = octets == ord('"')
        if b"\\" in data:
            quotes &= ~_escaped(octets)
        quoted = np.cumsum(quotes, dtype=np.int32)  # how many quotes so far: an odd number within a string
        folded = octets | 0x20  # makes [ the same as {, and ] as }
        opens, closes = folded == ord("{"), folded == ord("}")
        found = np.flatnonzero(opens | closes | (octets == ord(",")))
        found = found[quoted[found] & 1 == 0]
        self._places: NDArray[np.int64] = found + start
        steps = opens[found].astype(np.int32) - closes[found]
        self._commas = steps == 0
        self._depths = np.cumsum(steps, dtype=np.int32)

    def first_deeper(self, depth: int) -> int | None:
        """Return the first place that is more than so much deeper than the beginning, or None if there is none."""
        if self._depths.max(initial=0) <= depth:
            return None
        return int(self._places[(self._depths > depth).argmax()])

    def end_of(self, place: int) -> int | None:
        """Return where the container that begins at a place has ended, or None if that is beyond the window."""
        first = int(np.searchsorted(self._places, place))
        closed = self._first_below(first + 1, int(self._depths[first]))
        return None if closed is None else int(self._places[closed]) + 1

    def last_element(self, place: int) -> tuple[int | None, bool]:
        """Return where the last element of a list that is whole has ended, and whether the list has too.

        Args:
            place: The beginning of an element.
        """
        first = int(np.searchsorted(self._places, place))
        depth = int(self._depths[first - 1]) if first else 0
        closed = self._first_below(first, depth)
        if closed is not None:
            return int(self._places[closed]), True
        commas = np.flatnonzero(self._commas[first:] & (self._depths[first:] == depth))
        return (int(self._places[first + commas[-1]]), False) if len(commas) else (None, False)

    def _first_below(self, first: int, depth: int) -> int | None:
        """Return the first mark from ``first`` on after which it is less deep than ``depth``."""
        span = 64
        while first < len(self._depths):
            below = self._depths[first : first + span] < depth
            if below.any():
                return first + int(below.argmax())
            first += span
            span *= 4
        return None


def _escaped(octets: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Tell of each byte whether a backslash escapes it: whether an odd number of them stands before it."""
    backslashes = np.flatnonzero(octets == ord("\\"))
    starts_run = np.diff(backslashes, prepend=-2) != 1
    run_start = np.maximum.accumulate(np.where(starts_run, backslashes, -1))
    escaping = backslashes[(backslashes - run_start) % 2 == 0]
    escaped = np.zeros(len(octets) + 1, np.bool_)
    escaped[escaping + 1] = True
    return escaped[:-1]
