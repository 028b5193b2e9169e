"""The sound of an utterance, summed up millisecond by millisecond: where it is, and what any window of it is like.

All sums are of whole numbers and exact, and a window knows nothing but its own samples. So an utterance measures the same, to
the last bit, in whatever piece of a recording it is found.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from humeanalytics.sandbox.speech import HOP_SAMPLES, RATE_HZ, SPEECH_ENERGY, Samples, Stretch, stretches

_BLOCK_HOPS = 60_000
_CELL_HOPS = 20
#: How far apart samples are compared.
_LAGS = (1, 8, 40)
_LEAD_HOPS = math.ceil(max(_LAGS) / HOP_SAMPLES)

FEATURES = ("brightness", "loudness", "near", "middle", "peak", "liveliness", "swell", "length")
#: What is usual in speech, and how far speech strays from it: between synthetic speech and plain harmonics.
_USUAL = (0.30, -0.95, 0.10, -0.05, 3.2, 0.6, 0.03, 1.5)
_SPREAD = (0.10, 0.15, 0.18, 0.12, 0.7, 0.14, 0.20, 0.7)


def energies(samples: Samples) -> NDArray[np.float64]:
    """Return the energy of each whole millisecond of mono samples at 16 kHz."""
    blocks = [np.einsum("ij,ij->i", block, block) for block in _blocks(samples, 0, len(samples) // HOP_SAMPLES, 0)]
    return np.concatenate([np.empty(0), *blocks])


def utterances(energy: NDArray[np.float64], pause_ms: int) -> list[Stretch]:
    """Find the stretches of speech; silence of ``pause_ms`` ends one."""
    return stretches(np.flatnonzero(energy >= SPEECH_ENERGY), pause_ms)


class Utterance:
    """The sound of one utterance and of ``tail_ms`` after it, ready for windows.

    Args:
        samples: The recording, mono at 16 kHz.
        energy: Its energy by the millisecond.
        stretch: Where the utterance is.
        tail_ms: How far beyond its end a window may reach; the recording's end comes first.
    """

    def __init__(self, samples: Samples, energy: NDArray[np.float64], stretch: Stretch, tail_ms: int) -> None:
        self._begin_ms = stretch.begin_ms
        end_ms = min(stretch.end_ms + tail_ms, len(energy))
        self._energy = energy[stretch.begin_ms : end_ms]
        self._energy_until = _sums(self._energy)
        likeness: list[list[NDArray[np.float64]]] = [[] for _ in _LAGS]
        for block in _blocks(samples, stretch.begin_ms, end_ms, _LEAD_HOPS):
            flat, lead = block.reshape(-1), _LEAD_HOPS * HOP_SAMPLES
            for lag, found in zip(_LAGS, likeness, strict=True):
                earlier = flat[lead - lag : len(flat) - lag].reshape(-1, HOP_SAMPLES)
                found.append(np.einsum("ij,ij->i", block[_LEAD_HOPS:], earlier))
        self._likeness_until = [_sums(np.concatenate(found)) for found in likeness]

    def features(self, begin_ms: int, end_ms: int) -> list[float]:
        """Return what a window is like: for each of `FEATURES` how far it is from usual speech, -2.5 to 2.5.

        Args:
            begin_ms: Start of the window from the start of the recording, within the utterance.
            end_ms: Its end, no later than the utterance's end and the tail.
        """
        first, end = begin_ms - self._begin_ms, end_ms - self._begin_ms
        hops = max(end - first, 1)
        whole = self._energy_until
        energy = max(float(whole[end] - whole[first]), 1.0)
        alike = []
        for lag, until in zip(_LAGS, self._likeness_until, strict=True):
            inside = min(first + math.ceil(lag / HOP_SAMPLES), end)  # before that, samples outside the window come in
            alike.append(float(until[end] - until[inside]) / energy)
        cells = np.sqrt(np.diff(whole[first : end + 1 : _CELL_HOPS]).astype(np.float64)) if hops > _CELL_HOPS else np.ones(1)
        mean, half = max(float(cells.mean()), 1.0), (len(cells) + 1) // 2
        measured = (
            (1 - alike[0]) / (1.175 - alike[0]),
            math.log10(math.sqrt(energy / (hops * HOP_SAMPLES)) / 32768),
            alike[1],
            alike[2],
            math.log2(max(float(self._energy[first:end].max(initial=0.0)) * hops / energy, 1.0)),
            float(cells.std()) / mean,
            (float(cells[-half:].mean()) - float(cells[:half].mean())) / mean,
            math.log2(hops / 1000),
        )
        strays = [(value - usual) / spread for value, usual, spread in zip(measured, _USUAL, _SPREAD, strict=True)]
        return [stray / math.sqrt(1 + stray * stray / 6) for stray in strays]


def _blocks(samples: Samples, begin_ms: int, end_ms: int, lead: int) -> Iterator[NDArray[np.float64]]:
    """Milliseconds of samples as rows, some at a time; before each block come ``lead`` rows of what was before, or of zeros."""
    for start in range(begin_ms, end_ms, _BLOCK_HOPS):
        stop, before = min(start + _BLOCK_HOPS, end_ms), max(start - lead, begin_ms)
        block = np.zeros((lead + stop - start, HOP_SAMPLES))
        block[lead - (start - before) :] = samples[before * HOP_SAMPLES : stop * HOP_SAMPLES].reshape(-1, HOP_SAMPLES)
        yield block


def _sums(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the sum of all values before each place and before the end; exact, since they are whole numbers."""
    sums = np.zeros(len(values) + 1, np.int64)
    np.cumsum(values.astype(np.int64), out=sums[1:])
    return sums


def duration_ms(samples: Samples) -> int:
    """Return how long some samples last, in whole milliseconds."""
    return len(samples) * 1000 // RATE_HZ
