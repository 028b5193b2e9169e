"""Text, cut into words, sentences and longer passages; what it is like; and who it names.

Positions count characters (code points) from 0, ends exclusive.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from humeanalytics.sandbox import lexicon
from humeanalytics.sandbox.scores import numbers_of

# Scripts written without spaces are cut into characters.
_WORD = re.compile(r"[぀-ヿ㐀-鿿豈-﫿]|[^\s぀-ヿ㐀-鿿豈-﫿]+")
_ENDS_SENTENCE = re.compile(r"[.!?…。！？][\"'’”»)\]]*$")
_BARE = re.compile(r"^[\W_]+|[\W_]+$")

GRANULARITIES = ("word", "sentence", "utterance", "conversational_turn")


@dataclass(frozen=True, slots=True)
class Word:
    """One word: where it stands in its text and, if it was spoken, when, in which stretch, by which voice."""

    text: str
    begin: int
    end: int
    sentence: int
    utterance: int
    turn: int = 0
    begin_ms: int | None = None
    end_ms: int | None = None
    voice: int | None = None
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Passage:
    """Some words in a row that are scored together."""

    text: str
    words: tuple[Word, ...]

    @property
    def begin(self) -> int:
        return self.words[0].begin

    @property
    def end(self) -> int:
        return self.words[-1].end

    @property
    def span_ms(self) -> tuple[int, int] | None:
        first, last = self.words[0], self.words[-1]
        return None if first.begin_ms is None or last.end_ms is None else (first.begin_ms, last.end_ms)

    @property
    def voice(self) -> int | None:
        return self.words[0].voice

    @property
    def confidence(self) -> float | None:
        known = [word.confidence for word in self.words if word.confidence is not None]
        return sum(known) / len(known) if known else None


def split_words(text: str) -> list[Word]:
    """Cut a text into words; each sentence counts as an utterance, the whole as one turn.

    >>> [(w.text, w.begin, w.sentence) for w in split_words("Oh no. Really?")]
    [('Oh', 0, 0), ('no.', 3, 0), ('Really?', 7, 1)]
    """
    words, sentence = [], 0
    for match in _WORD.finditer(text):
        words.append(Word(match[0], match.start(), match.end(), sentence, sentence))
        sentence += bool(_ENDS_SENTENCE.search(match[0]))
    return words


_GROUP: dict[str, Callable[[tuple[int, Word]], int]] = {
    "word": lambda pair: pair[0],
    "sentence": lambda pair: pair[1].sentence,
    "utterance": lambda pair: pair[1].utterance,
    "conversational_turn": lambda pair: pair[1].turn,
}


def passages(text: str, words: Sequence[Word], granularity: str) -> list[Passage]:
    """Group the words of a text by one of `GRANULARITIES`.

    >>> [p.text for p in passages("Oh no. Really?", split_words("Oh no. Really?"), "sentence")]
    ['Oh no.', 'Really?']
    """
    groups = (tuple(word for _, word in group) for _, group in groupby(enumerate(words), _GROUP[granularity]))
    return [Passage(text[group[0].begin : group[-1].end], group) for group in groups]


def bare(word: str) -> str:
    """Return a word without the punctuation around it."""
    return _BARE.sub("", word)


@lru_cache(maxsize=1 << 16)
def _meaning(word: str) -> NDArray[np.float64]:
    return 1.4 * numbers_of(f"word/{word}", 8)


def features(passage: Passage) -> NDArray[np.float64]:
    """Return what a passage is like: pleasantness, arousal and the mean of its words' meanings."""
    words = [bare(word.text).lower() for word in passage.words]
    pleasant, unpleasant = lexicon.words("pleasant"), lexicon.words("unpleasant")
    count = len(words)
    valence = sum((word in pleasant) - (word in unpleasant) for word in words)
    shouts = passage.text.count("!") + sum(word.text.isupper() and len(word.text) > 2 for word in passage.words)
    meaning = np.add.reduce([_meaning(word) for word in words]) / count**0.7
    pleasantness = 3.0 * valence / (1 + abs(valence)) + 0.3 * meaning[0]
    arousal = 2.0 * shouts / (1 + shouts) - 0.4 + 0.3 * meaning[1]
    return np.array([pleasantness, arousal, *meaning])


_SCRIPTS = (
    ("ja", re.compile(r"[぀-ヿ]")),
    ("ko", re.compile(r"[가-힯]")),
    ("zh", re.compile(r"[一-鿿]")),
    ("ta", re.compile(r"[஀-௿]")),
    ("hi", re.compile(r"[ऀ-ॿ]")),
    ("uk", re.compile(r"[іїєґІЇЄҐ]")),
    ("ru", re.compile(r"[Ѐ-ӿ]")),
)


def language_of(text: str) -> str:
    """Guess the language of a text: by its script, then by its most frequent small words; English where nothing tells.

    >>> language_of("Das ist nicht der Zug, auf den wir warten.")
    'de'
    """
    for tag, script in _SCRIPTS:
        if script.search(text):
            return tag
    words, known = set(text.lower().split()), lexicon.stopwords()
    return max(known, key=lambda tag: len(words & known[tag]))


@dataclass(frozen=True, slots=True)
class Entity:
    """Somebody or something that a text names; ``word`` is where the name begins, ``sentence`` what it is said in."""

    name: str
    begin: int
    end: int
    word: Word
    sentence: Passage


def entities(text: str, words: Sequence[Word]) -> list[Entity]:
    """Find names: capitalised words that do not begin a sentence, neighbours together, and a few known anywhere.

    >>> [e.name for e in entities("Then Maria Smith left.", split_words("Then Maria Smith left."))]
    ['Maria Smith']
    """
    found: list[Entity] = []
    for sentence in passages(text, words, "sentence"):
        run: list[Word] = []
        for number, word in enumerate((*sentence.words, None)):
            if word is not None and _is_name(word, number):
                run.append(word)
                if not re.search(r"\W$", word.text):
                    continue
            if run:
                named = text[run[0].begin : run[-1].end]
                name = bare(named).removesuffix("'s").removesuffix("’s")
                begin = run[0].begin + named.index(name)
                found.append(Entity(name, begin, begin + len(name), run[0], sentence))
                run = []
    return found


def _is_name(word: Word, number: int) -> bool:
    name = bare(word.text).removesuffix("'s").removesuffix("’s")
    if name in lexicon.words("entities"):
        return True
    return number > 0 and len(name) > 1 and name[0].isupper() and name[1:].islower() and not name.startswith("I'")
