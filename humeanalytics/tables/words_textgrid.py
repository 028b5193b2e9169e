"""Read TextGrids of Praat, in their long and short form: interval tiers, which are the words of speakers if nobody says else."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NoReturn

from humeanalytics.tables.words_rows import WordRows, number

#: All that Praat reads of a text file: strings with doubled quotes, flags and numbers that stand free; and comments to skip.
_TOKEN = re.compile(r'"(?:[^"]|"")*"|"|<[a-z]+>(?!\S)|(?<!\S)[-+]?[\d.][\d.eE+-]*(?!\S)|![^\n]*|[^\s"!]+')
_WORDS = re.compile(r"(?:(?P<who>.*?)\s*[-_/:]\s*)?(?:words?|ort(?:-mau)?)", re.IGNORECASE | re.DOTALL)
_PARTS_OF_WORDS = re.compile(
    r"(?:.*[-_/:]\s*)?(?:phon(?:e|eme)?s?|syll(?:able)?s?|segs?|(?:kan|kas|mas)-mau|mau)", re.I | re.DOTALL
)
#: Names of tiers that say what is in them, and not who speaks.
_NO_NAMES = frozenset(
    ("", "utterance", "utterances", "sentence", "sentences", "phrase", "phrases", "transcript", "transcription", "text", "speech")
)


@dataclass(frozen=True, slots=True)
class Tier:
    """One tier: its intervals that are not empty, each with its begin and end in seconds, its text and the line it stands in."""

    name: str
    intervals: tuple[tuple[float, float, str, int], ...]

    @property
    def of_words(self) -> re.Match[str] | None:
        return _WORDS.fullmatch(self.name.strip())


def is_textgrid(head: str) -> bool:
    """Tell whether a file is a TextGrid by its beginning, in any form of Praat's."""
    start = head[:200].lstrip()
    return start.startswith(('File type = "ooTextFile', '"ooTextFile', "ooBinaryFile")) and "TextGrid" in start


def read_textgrid(text: str, rows: WordRows) -> None:
    """Read a TextGrid: tiers of words if there are any, else every tier as one speaker; parts of words are left aside."""
    _add(textgrid_tiers(text, rows), rows)


def textgrid_tiers(text: str, rows: WordRows) -> list[Tier]:
    """Return the interval tiers of a TextGrid; ``rows`` says what is broken, and notes tiers of points as left out."""
    tokens = _Tokens(text, rows)
    tokens.header()
    tokens.number("the begin")
    tokens.number("the end")
    tiers: list[Tier] = []
    for _ in range(tokens.count("the number of tiers") if tokens.flag() else 0):
        kind, name = tokens.string("the class of a tier"), tokens.string("the name of a tier")
        tokens.number("the begin of a tier")
        tokens.number("the end of a tier")
        size = tokens.count("the size of the tier")
        if kind == "IntervalTier":
            tiers.append(Tier(name, tuple(_intervals(tokens, size, rows))))
        elif kind == "TextTier":
            for _ in range(size):
                tokens.number("the time of a point")
                tokens.string("the text of a point")
            rows.left_out.append(f"the tier {name!r} of points")
        else:
            tokens.broken(f"a tier of the class {kind!r} is not known")
    return tiers


def _intervals(tokens: _Tokens, size: int, rows: WordRows) -> Iterator[tuple[float, float, str, int]]:
    for _ in range(size):
        begin_s, end_s = tokens.number("the begin of an interval"), tokens.number("the end of an interval")
        rows.ends_after(begin_s, end_s, tokens.place)
        text = tokens.string("the text of an interval")
        if text.strip():
            yield begin_s, end_s, text, tokens.line


def _add(tiers: list[Tier], rows: WordRows) -> None:
    who_have_words = {(found["who"] or "").strip() for tier in tiers if (found := tier.of_words)}
    for tier in tiers:
        name, found = tier.name.strip(), tier.of_words
        if found:
            speaker, level = (found["who"] or "").strip(), "word"
        else:
            speaker, level = "" if name.lower() in _NO_NAMES else name, "segment"
            if _PARTS_OF_WORDS.fullmatch(name):
                rows.left_out.append(f"the tier {tier.name!r} of parts of words")
                continue
            if who_have_words and ("" in who_have_words or not speaker or speaker in who_have_words):
                rows.left_out.append(f"the tier {tier.name!r}: there is one of words")
                continue
        for begin_s, end_s, text, _ in tier.intervals:
            rows.add(begin_s, end_s, text, level=level, speaker_id=speaker or None)


class _Tokens:
    """What is in the file, one after the other, as Praat reads it."""

    def __init__(self, text: str, rows: WordRows) -> None:
        self._text, self._rows = text, rows
        self._found = (match for match in _TOKEN.finditer(text) if match[0][0] in '"<-+.0123456789')
        self._at = 0

    @cached_property
    def _line_ends(self) -> list[int]:
        return [match.start() for match in re.finditer("\n", self._text)]

    @property
    def line(self) -> int:
        return bisect_left(self._line_ends, self._at) + 1

    @property
    def place(self) -> str:
        return f"line {self.line}"

    def broken(self, reason: str) -> NoReturn:
        self._rows.broken(self.place, reason)

    def header(self) -> None:
        first = self.string("the kind of file")
        kind = self.string("the class of object")
        if not first.startswith("ooTextFile") or kind != "TextGrid":
            self.broken(f"this is a file of Praat's with a {kind!r} in it, not a TextGrid")

    def string(self, what: str) -> str:
        """Return the next string, its doubled quotes single."""
        for match in self._found:
            token, self._at = match[0], match.start()
            if len(token) > 1 and token.startswith('"'):
                return token[1:-1].replace('""', '"')
            if token == '"':
                self.broken("a quote is opened and never closed")
            if number(token) is not None:
                self.broken(f"{token[:40]} is not a text, where {what} should stand")
        self._ends(what)

    def number(self, what: str) -> float:
        """Return the next number."""
        for match in self._found:
            token, self._at = match[0], match.start()
            if token.startswith('"'):
                self.broken(f"a text stands where {what} should")
            value = number(token)
            if value is not None:
                return value
            if token[0] in "-+.0123456789":
                self.broken(f"{token[:40]} is not a number, where {what} should stand")
        self._ends(what)

    def count(self, what: str) -> int:
        value = self.number(what)
        if value < 0 or not value.is_integer():
            self.broken(f"{value:g} is not {what}")
        return int(value)

    def flag(self) -> bool:
        """Return <exists> or <absent> at all."""
        for match in self._found:
            self._at = match.start()
            if match[0] in ("<exists>", "<absent>"):
                return match[0] == "<exists>"
            self.broken("<exists> or <absent> should stand here")
        self._ends("<exists> or <absent>")

    def _ends(self, what: str) -> NoReturn:
        self._at = len(self._text)
        self.broken(f"the file ends where {what} should stand; it seems to be cut off")
