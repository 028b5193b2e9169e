"""Cut the lists of scores out of a payload's bytes, so that little is left to be parsed as JSON.

What is left is the same JSON with a number, a *reference*, in the place of each list that was cut. Lists that do not look like
one of the templates stay where they are. The scores wait under their references until their rows are read.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from humeanalytics.tables.fields import LISTS
from humeanalytics.tables.templates import MAX_TEXT_BYTES, Buffer, Ints, Template

_KEY = re.compile(rb'"(?:%b)"[ \t\r\n]*:[ \t\r\n]*$' % "|".join(LISTS).encode())
_KEYS = tuple(b'"%b":%b' % (key.encode(), blank) for key in LISTS for blank in (b"", b" "))
_KEY_BYTES = 48
# Payloads have a template a model, and one more for each way of leaving names out; past this many there is no pattern.
_MAX_TEMPLATES = 32
_MAX_LESSONS = 16

_NONE, _LEFT = -1, -2


@dataclass(slots=True)
class _Segment:
    """The lists cut out of one piece. ``values`` are float32 where that is exact for every score, else float64."""

    first: int
    template_of: Ints
    row_of: Ints
    values: dict[int, NDArray[np.floating]]
    waiting: int


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of some rows: ``values[i]`` are those of ``rows[i]``, in the order of ``names``."""

    rows: Ints
    names: tuple[str, ...]
    values: NDArray[np.floating]


class ListCutter:
    """Takes a payload in pieces and gives back what is left of it, in pieces.

    Attributes:
        consumed: The bytes of the payload that the last piece given back is left of.
        learned: The texts of the lists among them that were the first of their kind, without their numbers.
    """

    def __init__(self) -> None:
        # References begin at a random number, so that no number in a payload is ever taken for one.
        self._base = secrets.randbits(60) + (1 << 60)
        self._held = b""
        self._templates: list[Template] = []
        self._segments: list[_Segment] = []
        self._cut = 0
        self.consumed = b""
        self.learned = b""

    def feed(self, piece: bytes, *, last: bool = False) -> bytes:
        """Take the next piece; return what is left of it and of what was held back before."""
        buffer = Buffer(self._held, piece)
        data = buffer.data
        starts = list(_starts(data))
        end = buffer.size
        if not last:
            end = max(0, end - _KEY_BYTES)
            if starts and data.find(b"]", starts[-1]) < 0 and buffer.size - starts[-1] < MAX_TEXT_BYTES:
                end = max(0, min(end, starts.pop() - _KEY_BYTES))
        self.learned = b""
        kept: list[bytes] = []
        position = 0
        reference = self._base + self._cut
        for start, stop in self._cut_lists(buffer, np.array(starts, np.int64)):
            kept += data[position:start], b"%d " % reference  # a blank, or what follows could become a part of the number
            position = stop
            reference += 1
        end = max(end, position)
        kept.append(data[position:end])
        self._held = data[end : buffer.size]
        self.consumed = data[:end]
        return b"".join(kept)

    def _cut_lists(self, buffer: Buffer, starts: Ints) -> Iterable[tuple[int, int]]:
        """Match lists with templates, keep the scores of those that fit, and return where those begin and end."""
        template_of, row_of, stops = (np.full(len(starts), -1) for _ in range(3))
        values: dict[int, NDArray[np.floating]] = {}
        remaining, number, lessons = np.arange(len(starts)), 0, 0
        while len(remaining):
            is_new = number == len(self._templates)
            if is_new:
                if number == _MAX_TEMPLATES or lessons == _MAX_LESSONS:
                    break
                lessons += 1
                lesson, remaining_after = remaining[0], remaining[1:]
                learned = Template.learn(buffer.data, int(starts[lesson]))
                if learned is None:
                    remaining = remaining_after
                    continue
                self._templates.append(learned)
                self.learned += learned.text
            template = self._templates[number]
            fits, begins, ends = template.match(buffer, starts[remaining])
            numbers, good = buffer.numbers(begins, ends)
            taken = remaining[fits][good]
            if len(taken):
                template_of[taken], row_of[taken] = number, np.arange(len(taken))
                stops[taken] = ends[good, -1] + template.tail_bytes
                values[number] = _narrowed(numbers[good])
            remaining = remaining[~fits]
            number += 1
        cut = np.flatnonzero(template_of >= 0)
        if len(cut):
            self._segments.append(_Segment(self._cut, template_of[cut], row_of[cut], values, len(cut)))
            self._cut += len(cut)
        return zip(starts[cut].tolist(), stops[cut].tolist(), strict=True)

    # ------------------------------------------------------------------------------------------------ what was cut out
    def is_reference(self, value: int) -> bool:
        """Tell whether a decoded number stands for a list that was cut."""
        return self._base <= value < self._base + self._cut

    def take(self, references: list[int]) -> Iterator[Scores]:
        """Yield the scores of rows by their references, a block for each template in each piece; they are forgotten then."""
        ordinals = np.array(references, np.int64) - self._base
        firsts = np.array([segment.first for segment in self._segments])
        holders = np.searchsorted(firsts, ordinals, side="right") - 1
        for holder in np.unique(holders):
            segment = self._segments[holder]
            rows = np.flatnonzero(holders == holder)
            places = ordinals[rows] - segment.first
            templates = segment.template_of[places]
            for number in np.unique(templates):
                chosen = templates == number
                values = segment.values[int(number)]
                wanted = segment.row_of[places[chosen]]
                yield Scores(rows[chosen], self._templates[number].names, values[wanted])
            segment.waiting -= len(rows)
        self._segments = [segment for segment in self._segments if segment.waiting > 0]

    def restored(self, value: object) -> object:
        """Return a decoded value with every reference in it replaced by the list it stands for."""
        if isinstance(value, dict):
            return {key: self.restored(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self.restored(each) for each in value]
        if type(value) is int and self.is_reference(value):
            [scores] = self.take([value])
            entries = zip(scores.names, scores.values[0].astype(np.float64).tolist(), strict=True)
            return [{"name": name, "score": score} for name, score in entries]
        return value


def _starts(data: bytes) -> Iterator[int]:
    """Yield where lists begin that are the value of a key that lists of scores have."""
    start = data.find(b"[")
    while start >= 0:
        before = max(0, start - _KEY_BYTES), start
        if data.endswith(_KEYS, *before) or _KEY.search(data, *before):
            yield start
        start = data.find(b"[", start + 1)


def _narrowed(values: NDArray[np.float64]) -> NDArray[np.floating]:
    """Return values as float32 if none of them changes."""
    narrow = values.astype(np.float32)
    return narrow if (narrow == values).all() else values
