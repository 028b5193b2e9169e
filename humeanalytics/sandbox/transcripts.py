"""What was said: the words of a transcript laid over the speech that was found, or words made up where there is none."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from humeanalytics.sandbox.lexicon import sentences
from humeanalytics.sandbox.speech import Samples, Stretch, cut, is_low_voice, rms
from humeanalytics.sandbox.words import Word, language_of, split_words

_WORDS_PER_S = 2.6
#: A stretch shorter than this tells nobody's voice.
_VOICE_MS = 150


@dataclass(frozen=True, slots=True)
class Transcript:
    """The text of a recording, its timed words, how sure the transcription is and of which language."""

    text: str
    words: tuple[Word, ...]
    confidence: float
    language: str


def transcribe(
    seed: int, samples: Samples, speech: Sequence[Stretch], known_text: str | None, language: str | None
) -> Transcript | None:
    """Return the transcript of some speech, or None where nobody speaks.

    Args:
        seed: The sandbox's seed; made-up words depend on it and on the samples of their own stretch.
        samples: The whole recording.
        speech: The stretches of speech in it.
        known_text: What is said, where that is known.
        language: A BCP-47 tag, or None to guess.
    """
    if not speech:
        return None
    voices, certainty, invented = [], [], []
    for stretch in speech:
        piece = cut(samples, stretch.begin_ms, stretch.end_ms)
        voices.append(None if stretch.end_ms - stretch.begin_ms < _VOICE_MS else int(is_low_voice(piece)))
        certainty.append(_certainty(piece))
        if known_text is None:
            invented.append(_invent(seed, piece, stretch))
    text = " ".join(invented) if known_text is None else " ".join(known_text.split())
    words = split_words(text)
    counts = [len(said.split()) for said in invented] if known_text is None else _share_out(words, speech)
    timed = _time(words, counts, speech, voices, certainty)
    durations = np.array([stretch.duration_s for stretch in speech])
    confidence = float(np.float32((np.array(certainty) * durations).sum() / durations.sum()))
    return Transcript(text, timed, confidence, language or language_of(text))


def _certainty(piece: Samples) -> float:
    """Loud speech is understood, speech just above the threshold is not: 0.34 at -40 dB, 0.5 at -37 dB, 0.8 at -18 dB."""
    loudness = float(np.log10(max(rms(piece), 1e-6) / 0.01))
    return 0.34 + 0.64 * max(loudness, 0.0) / (0.45 + max(loudness, 0.0))


def _invent(seed: int, piece: Samples, stretch: Stretch) -> str:
    count = max(1, round(stretch.duration_s * _WORDS_PER_S))
    draw = random.Random(hashlib.sha256(f"{seed}/".encode() + piece.tobytes()).digest())
    words: list[str] = []
    while len(words) < count:
        words += draw.choice(sentences())[: count - len(words)]
        words[-1] += draw.choice(".....?!")
    return " ".join(words)


def _share_out(words: Sequence[Word], speech: Sequence[Stretch]) -> list[int]:
    """How many words fall into each stretch: a sentence each if that comes out even, else in proportion to its length."""
    if words and words[-1].sentence + 1 == len(speech):
        return [int(n) for n in np.bincount([word.sentence for word in words])]
    weights = np.array([len(word.text) + 2 for word in words], dtype=np.float64)
    middles = (np.cumsum(weights) - weights / 2) / max(weights.sum(), 1)
    durations = np.array([stretch.duration_s for stretch in speech])
    ends = np.cumsum(durations) / durations.sum()
    return [int(n) for n in np.bincount(np.minimum(np.searchsorted(ends, middles), len(speech) - 1), minlength=len(speech))]


def _time(
    words: Sequence[Word],
    counts: Sequence[int],
    speech: Sequence[Stretch],
    voices: Sequence[int | None],
    certainty: Sequence[float],
) -> tuple[Word, ...]:
    """Give each word its stretch, voice and time; the words of a stretch fill it from end to end."""
    timed: list[Word] = []
    start, turn = 0, 0
    spoke: int | None = None
    for number, (count, stretch) in enumerate(zip(counts, speech, strict=True)):
        voice = voices[number]
        if voice is not None and spoke is not None and voice != spoke:
            turn += 1
        spoke = spoke if voice is None else voice
        own = words[start : start + count]
        start += count
        lengths = np.cumsum([0, *(len(word.text) + 2 for word in own)])
        edges = (
            [stretch.begin_ms + round(float(e)) for e in lengths / lengths[-1] * (stretch.end_ms - stretch.begin_ms)]
            if own
            else []
        )
        for i, word in enumerate(own):
            wobble = 0.06 * ((len(word.text) * 7 + i * 5) % 11 - 5) / 5
            timed.append(
                replace(
                    word,
                    utterance=number,
                    turn=turn,
                    begin_ms=edges[i],
                    end_ms=edges[i + 1],
                    voice=voice,
                    confidence=float(np.float32(min(max(certainty[number] + wobble, 0.0), 1.0))),
                )
            )
    return tuple(timed)
