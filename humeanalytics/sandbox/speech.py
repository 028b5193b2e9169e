"""Where somebody speaks, and what the sound of a stretch is like: from the samples alone.

Nothing here looks further than the samples it is about: the threshold is absolute, the grid is 1 ms, all sums are exact
integers. So a stretch of speech that lies whole inside a piece cut out of a recording (at a whole millisecond) is found
there at the same place and measures the same, to the last bit, as in the recording.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Everything is heard at this rate, mono, 16 bits.
RATE_HZ = 16_000
HOP_SAMPLES = RATE_HZ // 1000

Samples = NDArray[np.int16]

#: A millisecond is loud enough to be speech from this root mean square on (full scale 1.0): -40 dB.
SPEECH_RMS = 0.01
#: Silence this long ends a stretch.
GAP_MS = 250
#: A stretch needs this many milliseconds of sound, or it is a click.
SOUND_MS = 50

#: The same as the energy of one millisecond of 16-bit samples.
SPEECH_ENERGY = int((SPEECH_RMS * 32768) ** 2 * HOP_SAMPLES)
_BLOCK_HOPS = 60_000

#: Lags at which a voice repeats itself, in samples: 400 Hz down to 78 Hz.
_VOICE_LAGS = range(40, 206, 3)
#: Voices that repeat from this lag on (150 Hz and below) count as low.
_LOW_VOICE_LAG = 107
_VOICE_WINDOW = RATE_HZ // 2

FEATURES = ("brightness", "loudness", "roughness", "crest", "near", "middle", "far", "liveliness", "swell", "length")
#: What is usual in speech, and how far speech strays from it: measured on synthetic voices, utterance by utterance.
_USUAL = np.array([0.37, -0.94, 0.33, 2.73, -0.10, 0.02, 0.00, 0.79, 0.02, 0.81])
_SPREAD = np.array([0.05, 0.13, 0.08, 0.27, 0.15, 0.08, 0.11, 0.11, 0.21, 0.87])


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of speech, in whole milliseconds from the start of the samples; ``end_ms`` is exclusive."""

    begin_ms: int
    end_ms: int

    @property
    def duration_s(self) -> float:
        return (self.end_ms - self.begin_ms) / 1000


def cut(samples: Samples, begin_ms: int, end_ms: int) -> Samples:
    """Return the samples from ``begin_ms`` to ``end_ms``, read into memory."""
    return np.array(samples[begin_ms * HOP_SAMPLES : end_ms * HOP_SAMPLES])


def find_speech(samples: Samples) -> list[Stretch]:
    """Find the stretches of speech in mono samples at 16 kHz.

    >>> tone = (np.sin(np.arange(16_000) * 0.1) * 8000).astype(np.int16)
    >>> find_speech(np.concatenate([np.zeros(8000, np.int16), tone]))
    [Stretch(begin_ms=500, end_ms=1500)]
    """
    return stretches(np.concatenate([np.empty(0, np.int64), *_loud_hops(samples)]))


def stretches(loud: NDArray[np.int64], gap_ms: int = GAP_MS) -> list[Stretch]:
    """Return the stretches of speech of which some milliseconds, given by their numbers, are the loud ones."""
    if not len(loud):
        return []
    breaks = np.flatnonzero(np.diff(loud) > gap_ms) + 1
    first = np.concatenate([[0], breaks])
    last = np.concatenate([breaks, [len(loud)]]) - 1
    return [Stretch(int(loud[a]), int(loud[b]) + 1) for a, b in zip(first, last, strict=True) if b - a + 1 >= SOUND_MS]


def _loud_hops(samples: Samples) -> Iterator[NDArray[np.int64]]:
    """Numbers of the milliseconds that are loud, block by block: three hours of samples stay on disk."""
    hops = len(samples) // HOP_SAMPLES
    for start in range(0, hops, _BLOCK_HOPS):
        stop = min(start + _BLOCK_HOPS, hops)
        block = samples[start * HOP_SAMPLES : stop * HOP_SAMPLES].reshape(-1, HOP_SAMPLES).astype(np.int64)
        yield np.flatnonzero(np.einsum("ij,ij->i", block, block) >= SPEECH_ENERGY) + start


def rms(samples: Samples) -> float:
    """Return the root mean square of some samples; full scale is 1.0."""
    return float(np.sqrt(_energy(samples.astype(np.int64)) / max(len(samples), 1))) / 32768


def _energy(x: NDArray[np.int64]) -> int:
    return int(np.dot(x, x))


def is_low_voice(samples: Samples) -> bool:
    """Tell a low voice from a high one by the shortest lag at which the sound repeats itself well."""
    x = samples[:_VOICE_WINDOW].astype(np.int64)
    likeness = np.array([int(np.dot(x[:-lag], x[lag:])) if len(x) > lag else 0 for lag in _VOICE_LAGS])
    return _VOICE_LAGS[int(np.argmax(likeness >= 0.85 * likeness.max()))] >= _LOW_VOICE_LAG


def features(samples: Samples) -> NDArray[np.float64]:
    """Return what a stretch sounds like, from its own samples alone: for each of `FEATURES` how far it is from usual speech.

    Most speech lies between -2 and 2; nothing gets beyond 2.5.
    """
    x = samples.astype(np.int64)
    energy = max(_energy(x), 1)
    step = np.diff(x)
    brightness = _energy(step) / energy
    roughness = _energy(np.diff(step)) / energy
    loudness = np.sqrt(energy / max(len(x), 1)) / 32768
    crest = float(np.max(np.abs(x), initial=0)) / 32768 / max(loudness, 1e-6)
    near, middle, far = (int(np.dot(x[:-lag], x[lag:])) / energy if len(x) > lag else 0.0 for lag in (8, 40, 120))
    blocks = max(len(x) // (20 * HOP_SAMPLES), 1)
    cells = x[: len(x) // blocks * blocks].reshape(blocks, -1)
    envelope = np.sqrt(np.einsum("ij,ij->i", cells, cells) / max(cells.shape[1], 1)) / 32768
    mean = max(float(envelope.mean()), 1e-6)
    half = (blocks + 1) // 2
    swell = (float(envelope[-half:].mean()) - float(envelope[:half].mean())) / mean
    measured = np.array(
        [
            brightness / (0.35 + brightness),
            np.log10(max(loudness, 1e-6)),
            roughness / (0.5 + roughness),
            np.log2(max(crest, 1.0)),
            near,
            middle,
            far,
            float(envelope.std()) / mean,
            swell,
            np.log2(max(len(x), 1) / RATE_HZ),
        ]
    )
    from_usual = (measured - _USUAL) / _SPREAD
    return np.asarray(from_usual / np.sqrt(1 + from_usual * from_usual / 6))
