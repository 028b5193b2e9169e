"""What somebody wants to find: the language of queries, which has no mistakes, and what it means to the index."""

from __future__ import annotations

import re
from dataclasses import dataclass

from humeanalytics.lake.searching.terms import forms, normal, pairs, segments

_QUOTES = '"“”„‟«»「」『』'
#: One item: a minus, and a phrase in quotes of whatever language (one that is never closed reaches to the end) or a word.
_ITEM = re.compile(f"(-?)(?:[{_QUOTES}]([^{_QUOTES}]*)[{_QUOTES}]?|([^\\s{_QUOTES}]+))")


@dataclass(frozen=True, slots=True)
class Phrase:
    """Terms that stand one after the other in one of some columns of the index.

    Attributes:
        columns: The columns.
        terms: The terms.
        begins: The last term may be the beginning of a longer one: a single character of a run.
    """

    columns: tuple[str, ...]
    terms: tuple[str, ...]
    begins: bool

    @property
    def match(self) -> str:
        # Terms are letters, digits and marks: nothing in them could end the quotes.
        return f'{{{" ".join(self.columns)}}} : "{" ".join(self.terms)}"{" *" * self.begins}'


@dataclass(frozen=True, slots=True)
class Item:
    """One thing of a query: a word in any of its forms, or a phrase as it stands.

    Attributes:
        text: As it was typed, without quotes and minus.
        phrases: A message has it that has one of these.
    """

    text: str
    phrases: tuple[Phrase, ...]

    @property
    def match(self) -> str:
        return f"({' OR '.join(phrase.match for phrase in self.phrases)})"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A query, understood.

    Attributes:
        items: What messages shall have: all of it, or any.
        unwanted: What they shall not have.
        any_word: One of the items is enough.
    """

    items: tuple[Item, ...]
    unwanted: tuple[Item, ...] = ()
    any_word: bool = False

    @property
    def match(self) -> str:
        """The query as FTS5 takes it; empty where it asks for nothing."""
        if not self.items:
            return ""
        wanted = (" OR " if self.any_word else " AND ").join(item.match for item in self.items)
        unwanted = " OR ".join(item.match for item in self.unwanted)
        return f"({wanted}) NOT ({unwanted})" if unwanted else wanted


def understand(query: str, *, any_word: bool = False) -> Wanted:
    """Return what a query means. Whatever is typed means something, if only that nothing is asked for.

    Args:
        query: Words, each in any of its forms; ``"quoted phrases"``, word for word; ``-word`` and ``-"a phrase"`` for what
            shall not be there.
        any_word: Messages that have one of them shall be found, not only those that have all.

    Examples:
        >>> [item.text for item in understand('refund "credit card" -paypal').items]
        ['refund', 'credit card']
    """
    found: dict[bool, dict[tuple[Phrase, ...], Item]] = {False: {}, True: {}}
    for minus, quoted, word in _ITEM.findall(normal(query)):
        phrases = _phrases(segments(quoted or word), exactly=bool(quoted))
        if phrases:
            found[bool(minus)].setdefault(phrases, Item((quoted or word).strip(), phrases))
    return Wanted(tuple(found[False].values()), tuple(found[True].values()), any_word)


def _phrases(pieces: list[tuple[str, str]], *, exactly: bool) -> tuple[Phrase, ...]:
    """Return the phrases one of which a message has to have: the words themselves, or their stems."""
    if not pieces:
        return ()
    last_run = pieces[-1][0]
    by_form = list(zip(*(_places(run, word, last=n == len(pieces)) for n, (run, word) in enumerate(pieces, 1)), strict=True))
    spelled, plain, english, german = (tuple(term for places in form for term in places) for form in by_form)
    begins = len(last_run) == 1
    # Who types umlauts means them; who does not may mean either.
    phrases = [Phrase(("words", "plain") if spelled == plain else ("words",), spelled, begins)]
    if not exactly and any(word for _, word in pieces):
        phrases += [Phrase(("english",), english, begins), Phrase(("german",), german, begins)]
    return tuple(phrases)


def _places(run: str, word: str, *, last: bool) -> tuple[tuple[str, ...], ...]:
    """Return the terms of one piece in each of the four forms."""
    if word:
        return tuple((form,) for form in forms(word))
    # A run that ends a phrase may go on in what was said, so that the character at its end does not stand alone there.
    terms = tuple(pairs(run)[: -1 if last and len(run) > 1 else None])
    return (terms,) * 4
