"""Stems of words, by the Snowball algorithms: what the forms of a word have in common."""

from __future__ import annotations

import threading
from functools import cache, lru_cache
from importlib import metadata
from typing import Protocol

#: So many words of each language are remembered, of which most of what is said consists: a stem takes 0.1 ms.
_REMEMBERED = 1 << 16
#: A stemmer keeps the word it is at in itself.
_LOCK = threading.Lock()


class _Stemmer(Protocol):
    def stemWord(self, word: str) -> str: ...


@lru_cache(maxsize=_REMEMBERED)
def english_stem(word: str) -> str:
    """Return the English stem of a word in lower case.

    >>> english_stem("refunds")
    'refund'
    """
    if word.isdigit():
        return word
    with _LOCK:
        return _stemmers()[0].stemWord(word)


@lru_cache(maxsize=_REMEMBERED)
def german_stem(word: str) -> str:
    """Return the German stem of a word in lower case, for which ü and ue are the same, and in the end u.

    >>> german_stem("verträge"), german_stem("vertrag")
    ('vertrag', 'vertrag')
    """
    if word.isdigit():
        return word
    with _LOCK:
        return _stemmers()[1].stemWord(word)


def stems_version() -> str:
    """Return the version of the algorithms: another may make other stems."""
    return metadata.version("snowballstemmer")


@cache
def _stemmers() -> tuple[_Stemmer, _Stemmer]:
    # The classes and not the library's own factory: where a C library is installed too, that takes its algorithms instead.
    from snowballstemmer.english_stemmer import EnglishStemmer
    from snowballstemmer.german_stemmer import GermanStemmer

    return EnglishStemmer(), GermanStemmer()
