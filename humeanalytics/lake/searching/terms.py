"""The words of a text as they are searched by: pure, and the same for what was said and for what is asked.

Words go by Unicode, whatever their case, width or accents. One with umlauts is spelled ae, oe, ue beside that, and can be found
without them; each has its English and German stem beside it. Scripts that put no spaces between words (Chinese, Japanese, Thai,
...) and Korean, which puts few, are taken two characters at a time, so that any part of them can be found.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from humeanalytics.lake.searching.stems import english_stem, german_stem

#: Rises when the same text gives other terms than before.
TERMS_VERSION = 1

#: Thai, Lao, Myanmar, Hangul, Khmer, radicals, kana, bopomofo, ideographs: a run of them is no word but some in a row.
_UNSPACED = (
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ecf\u0edc-\u0edf\u1000-\u103f\u1050-\u108f\u109a-\u109f\u1100-\u11ff\u1780-\u17dd"
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u302f\u3031-\u3035\u3038-\u303c\u3041-\u309a\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff"
    "\u3105-\u312f\u3131-\u318e\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97c\uac00-\ud7a3\ud7b0-\ud7fb"
    "\uf900-\ufaff\U0001aff0-\U0001b16f\U00020000-\U0003ffff"
)
_LAST_CHECKED = 0x1FFFF
_LETTERS = [*range(0xC0, 0x250), *range(0x1E00, 0x1F00), *range(0x370, 0x400), *range(0x1F00, 0x2000)]  # Latin and Greek
_UMLAUTS = {"ä": ("ae", "a"), "ö": ("oe", "o"), "ü": ("ue", "u")}
_SPELLED = str.maketrans({umlaut: spelled for umlaut, (spelled, _) in _UMLAUTS.items()})
_PLAIN = str.maketrans({umlaut: plain for umlaut, (_, plain) in _UMLAUTS.items()})
# Words that are of one of the two languages and hardly ever of the other, nor of what people look for.
_OF_ENGLISH = (
    "a and are as at but can could for have he i is it me my of on or she that the they this to we were what when with would you "
    "your"
)
_OF_GERMAN = (
    "aber auch auf bei bitte das der ein eine einen es habe haben ich ist kann mich mir mit nicht noch nur oder sich sie sind "
    "und von wenn wie wir zu zum zur über für"
)
_ENGLISH, _GERMAN = frozenset(_OF_ENGLISH.split()), frozenset(_OF_GERMAN.split())


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of a text, place by place: each list has one for each place, or nothing at all.

    Attributes:
        words: Words with umlauts spelled out; two characters a place where words are not spaced, one at the end of a run.
        plain: The same without umlauts, where there are any.
        english: English stems, if it may be English.
        german: German stems, if it may be German.
    """

    words: list[str]
    plain: list[str]
    english: list[str]
    german: list[str]


def normal(text: str) -> str:
    """Return a text with what is the same for a search being the same: case, width, accents other than umlauts.

    >>> normal("Café ＯＫ, Straße, Über")
    'cafe ok, strasse, über'
    """
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return folded.translate(_unaccented())


def terms_of(text: str) -> Terms:
    """Return the terms of what somebody said."""
    folded = normal(text)
    pieces = segments(folded)
    said = {word for _, word in pieces if word}
    accented = not _UMLAUTS.keys().isdisjoint(folded)
    is_english, is_german = not said.isdisjoint(_ENGLISH), accented or not said.isdisjoint(_GERMAN)
    neither = bool(said) and not is_english and not is_german
    return Terms(
        words=_column(pieces, spelled),
        plain=_column(pieces, bare) if accented else [],
        english=_column(pieces, in_english) if is_english or neither else [],
        german=_column(pieces, german_stem) if is_german or neither else [],
    )


def _column(pieces: list[tuple[str, str]], form: Callable[[str], str]) -> list[str]:
    terms: list[str] = []
    for run, word in pieces:
        if run:
            terms += pairs(run)
        else:
            terms.append(form(word))
    return terms


def segments(normalised: str) -> list[tuple[str, str]]:
    """Return the pieces of a text that is `normal`, in order: each a run that is not spaced, or a word.

    >>> segments("das ipad, 返金して")
    [('', 'das'), ('', 'ipad'), ('返金して', '')]
    """
    found: list[tuple[str, str]] = _pattern().findall(normalised)
    return found


def placed(normalised: str) -> Iterator[tuple[int, int]]:
    """Yield where in a text that is `normal` each place of its `Terms` begins and ends."""
    for found in _pattern().finditer(normalised):
        if found.lastindex == 1:
            for begin in range(found.start(), found.end()):
                yield begin, min(begin + 2, found.end())
        else:
            yield found.span()


def pairs(run: str) -> list[str]:
    """Return each two characters of a run that stand together, then the last one alone.

    >>> pairs("返金して")
    ['返金', '金し', 'して', 'て']
    """
    return [run[begin : begin + 2] for begin in range(len(run))]


def spelled(word: str) -> str:
    """Return a word with umlauts spelled out: ``rueckgabe``."""
    return word if word.isascii() else word.translate(_SPELLED)


def bare(word: str) -> str:
    """Return a word without the dots of its umlauts: ``ruckgabe``."""
    return word if word.isascii() else word.translate(_PLAIN)


def in_english(word: str) -> str:
    """Return the English stem of a word."""
    return english_stem(bare(word))


def forms(word: str) -> tuple[str, str, str, str]:
    """Return a word as it stands in each column of `Terms`.

    >>> forms("rückerstattungen")
    ('rueckerstattungen', 'ruckerstattungen', 'ruckerstattungen', 'ruckerstatt')
    """
    return spelled(word), bare(word), in_english(word), german_stem(word)


@cache
def _pattern() -> re.Pattern[str]:
    """Return what finds runs (first group) and words (second): letters, digits and marks, as this Python's Unicode has them."""
    unspaced = re.compile(f"[{_UNSPACED}]")
    ranges: list[list[int]] = []
    for code in range(_LAST_CHECKED + 1):
        character = chr(code)
        if unicodedata.category(character)[0] in "LNM" and not unspaced.match(character):
            if ranges and ranges[-1][1] == code - 1:
                ranges[-1][1] = code
            else:
                ranges.append([code, code])
    spaced = "".join(f"{re.escape(chr(first))}-{re.escape(chr(last))}" for first, last in ranges)
    return re.compile(f"([{_UNSPACED}]+)|([{spaced}]+)")


@cache
def _unaccented() -> dict[int, str | None]:
    """Return what `normal` puts in place of letters with accents, and what it leaves out: loose accents, invisible characters."""
    table: dict[int, str | None] = dict.fromkeys(
        [0xAD, 0x200C, 0x200D, 0x2060, 0xFEFF, *range(0x300, 0x370), *range(0xFE00, 0xFE10)]
    )
    table |= dict.fromkeys(range(0xE0100, 0xE01F0))
    for code in _LETTERS:
        bare = "".join(c for c in unicodedata.normalize("NFD", chr(code)) if not unicodedata.combining(c))
        if bare != chr(code) and chr(code) not in _UMLAUTS:
            table[code] = bare
    return table
