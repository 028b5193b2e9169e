"""Where in a text the hits are, and the part of it that shows them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

from humeanalytics.lake.searching.asking import Phrase, Wanted
from humeanalytics.lake.searching.terms import Terms, normal, placed, terms_of

#: A text up to so long is shown whole.
SNIPPET_CHARACTERS = 160
_MARKS = "[", "]"


def hits_in(text: str, wanted: Wanted) -> list[tuple[int, int]]:
    """Return where hits begin and end in a text, in characters, those that touch or overlap as one.

    >>> from humeanalytics.lake.searching.asking import understand
    >>> hits_in("Refunds? No refund!", understand("refund"))
    [(0, 7), (12, 18)]
    """
    terms, (folded, origins) = terms_of(text), _traced(text)
    places = list(placed(folded))
    found: set[tuple[int, int]] = set()
    for phrase in (phrase for item in wanted.items for phrase in item.phrases):
        for begin, end in _occurrences(terms, phrase):
            shown = 1 if phrase.begins else places[end - 1][1] - places[end - 1][0]
            found.add((origins[places[begin][0]][0], origins[places[end - 1][0] + shown - 1][1]))
    return _joined(sorted(found))


def snippet_of(
    text: str, hits: Sequence[tuple[int, int]], characters: int = SNIPPET_CHARACTERS
) -> tuple[str, list[tuple[int, int]]]:
    """Return the part of a text around its first hit, and where hits are in it.

    >>> snippet_of("It was late, so I want a refund, and that today.", [(25, 31)], 30)
    ('… I want a refund, and that …', [(11, 17)])
    """
    if len(text) <= characters:
        return text, list(hits)
    first = hits[0][0] if hits else 0
    begin = max(0, min(first - characters // 3, len(text) - characters))
    end = min(len(text), begin + characters)
    begin, end = _at_words(text, begin, end, hits[0] if hits else (0, 0))
    before, after = "… " * (begin > 0), " …" * (end < len(text))
    moved = len(before) - begin
    kept = [(max(b, begin) + moved, min(e, end) + moved) for b, e in hits if b < end and e > begin]
    return f"{before}{text[begin:end]}{after}", kept


def marked(text: str, hits: Iterable[tuple[int, int]], marks: tuple[str, str] = _MARKS) -> str:
    """Return a text with each hit between marks.

    >>> marked("Refunds? No refund!", [(0, 7), (12, 18)])
    '[Refunds]? No [refund]!'
    """
    pieces, at = [], 0
    for begin, end in hits:
        pieces += [text[at:begin], marks[0], text[begin:end], marks[1]]
        at = end
    return "".join([*pieces, text[at:]])


def _at_words(text: str, begin: int, end: int, hit: tuple[int, int]) -> tuple[int, int]:
    """Return a part of a text made smaller so that it begins and ends between words, where there are any near, around a hit."""
    if begin and text[begin - 1] != " ":
        space = text.find(" ", begin, min(begin + 20, hit[0]))
        begin = space + 1 if space >= 0 else begin
    if end < len(text) and text[end] != " ":
        space = text.rfind(" ", max(end - 20, hit[1]), end)
        end = space if space >= 0 else end
    return begin, end


def _occurrences(terms: Terms, phrase: Phrase) -> Iterable[tuple[int, int]]:
    """Yield the places at which a phrase begins and ends."""
    size, wanted = len(phrase.terms), list(phrase.terms)
    for column in phrase.columns:
        said: list[str] = getattr(terms, column)
        for begin in range(len(said) - size + 1):
            there = said[begin : begin + size]
            if there == wanted or (phrase.begins and there[:-1] == wanted[:-1] and there[-1].startswith(wanted[-1])):
                yield begin, begin + size


def _traced(text: str) -> tuple[str, list[tuple[int, int]]]:
    """Return a text as `normal` has it, and of each of its characters where that stands in the text."""
    folded = normal(text)
    if len(folded) == len(text) and text.isascii():
        return folded, [(place, place + 1) for place in range(len(text))]
    for parts in (_clusters(text), _between_spaces(text)):
        pieces = [(normal(text[begin:end]), (begin, end)) for begin, end in parts]
        if "".join(piece for piece, _ in pieces) == folded:
            return folded, [origin for piece, origin in pieces for _ in piece]
    return folded, [(0, len(text))] * len(folded)


def _clusters(text: str) -> list[tuple[int, int]]:
    """Return the parts of a text that are normalised each by itself: a character and whatever combines with it."""
    begins = [place for place, character in enumerate(text) if place == 0 or not _combines(character)]
    return list(zip(begins, [*begins[1:], len(text)], strict=True))


def _combines(character: str) -> bool:
    return unicodedata.combining(character) != 0 or "\u1160" <= character <= "\u11ff" or character in "\uff9e\uff9f"


def _between_spaces(text: str) -> list[tuple[int, int]]:
    begins = [place for place, character in enumerate(text) if place == 0 or character == " " or text[place - 1] == " "]
    return list(zip(begins, [*begins[1:], len(text)], strict=True))


def _joined(hits: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for begin, end in hits:
        if joined and begin <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((begin, end))
    return joined
