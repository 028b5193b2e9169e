"""Where a long sound can be cut so that nobody notices: in the middle of a pause.

A cut in speech would end the utterance there, measure it early, and start the grid of measurements anew. So a cut
is called silent only when there are `MARGIN_MS` of unbroken silence on both sides of it: enough for a
detector to hear that speech has ended, and to be warm before it begins again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from humeanalytics.media.wav import SAMPLES_PER_MS

CutKind = Literal["silence", "hard"]

MARGIN_MS = 500
_AMPLE_MARGIN_MS = 5_000
#: The end of a chunk is searched in stretches of this length, the last one first.
WINDOW_MS = 120_000
_READ_MS = 30_000
#: Hume bills 10 s at least, so neither side of a cut is shorter.
SHORTEST_MS = 10_000
#: How much sound beyond the limit `find_cut` wants to see, to keep the next chunk from being too short.
LOOKAHEAD_SAMPLES = SHORTEST_MS * SAMPLES_PER_MS

#: Silence is below -40 dB of full scale and 25 dB below what is loud in the same stretch; below -60 dB it is silence anyhow.
_LOUDEST_SILENCE = (32768 * 0.01) ** 2
_ALWAYS_SILENCE = (32768 * 0.001) ** 2
_BELOW_SPEECH = 10**-2.5
#: So many of the loudest milliseconds may be clicks.
_CLICKS_MS = 500
#: A hard cut goes where this long a stretch is quietest.
_LULL_MS = 200


@dataclass(frozen=True, slots=True)
class Cut:
    """A place to cut, in samples; a multiple of 16, so that times stay whole milliseconds."""

    at: int
    kind: CutKind


class Sound(Protocol):
    """Samples, in memory or on disk, that can be read in stretches."""

    def __len__(self) -> int: ...

    def __getitem__(self, stretch: slice, /) -> NDArray[np.int16]: ...


def find_cut(samples: Sound, limit: int) -> Cut:
    """Return where to cut a sound that is longer than ``limit`` samples.

    Args:
        samples: The sound from the last cut on. Only the first ``limit`` and `LOOKAHEAD_SAMPLES` are looked at, so it does
            not matter how much more follows.
        limit: The longest the piece before the cut may be; more than 20 s.

    Returns:
        The middle of the longest pause in the last two minutes before the limit (5 s before the end of a very long one); where
        they hold none, of the two minutes before, and so on. ``"hard"`` only when there is no pause of a second anywhere, 10 s
        from either end: then the quietest point of the last two minutes.

    Examples:
        >>> talk = np.full(60 * 16_000, 5000, np.int16)
        >>> talk[20 * 16_000 : 22 * 16_000] = 0
        >>> find_cut(talk, limit=25 * 16_000)
        Cut(at=336000, kind='silence')
        >>> find_cut(talk[30 * 16_000 :], limit=25 * 16_000).kind
        'hard'
    """
    seen = min(len(samples), limit + LOOKAHEAD_SAMPLES)
    if seen <= limit:
        raise ValueError(f"{seen} samples need no cut: up to {limit} may stay together.")
    if limit <= 2 * LOOKAHEAD_SAMPLES:
        raise ValueError(f"A limit of {limit} samples leaves no room for two pieces of {SHORTEST_MS / 1000:g} s.")
    loudness = levels(samples, seen)
    last = min(limit, seen - LOOKAHEAD_SAMPLES) // SAMPLES_PER_MS
    begins, ends = pauses(loudness)
    for window_end in range(last, SHORTEST_MS - 1, -WINDOW_MS):
        window_begin = max(window_end - WINDOW_MS, SHORTEST_MS)
        earliest = np.maximum(begins + MARGIN_MS, window_begin)
        latest = np.minimum(ends - MARGIN_MS, window_end)
        if (fits := np.flatnonzero(earliest <= latest)).size:
            longest = fits[::-1][np.argmax((ends - begins)[fits[::-1]])]  # of equals the last: fewer pieces
            before_speech = min((ends[longest] - begins[longest]) // 2, _AMPLE_MARGIN_MS)
            at = np.clip(ends[longest] - before_speech, earliest[longest], latest[longest])
            return Cut(int(at) * SAMPLES_PER_MS, "silence")
    return Cut(_quietest(loudness, max(last - WINDOW_MS, SHORTEST_MS), last) * SAMPLES_PER_MS, "hard")


def levels(samples: Sound, count: int) -> NDArray[np.float32]:
    """Return the mean square of every whole millisecond of the first ``count`` samples."""
    squares = np.empty(count // SAMPLES_PER_MS, np.float32)
    for begin in range(0, len(squares), _READ_MS):  # in pieces, for the sake of memory
        end = min(begin + _READ_MS, len(squares))
        piece = samples[begin * SAMPLES_PER_MS : end * SAMPLES_PER_MS].reshape(-1, SAMPLES_PER_MS).astype(np.float32)
        np.einsum("ij,ij->i", piece, piece, out=squares[begin:end])
    return squares / np.float32(SAMPLES_PER_MS)


def pauses(loudness: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where silences of at least twice `MARGIN_MS` begin and end, in milliseconds; ends are exclusive."""
    rank = max(len(loudness) - 1 - _CLICKS_MS, 0)
    loud = float(np.partition(loudness, rank)[rank]) if len(loudness) else 0.0
    threshold = min(_LOUDEST_SILENCE, max(loud * _BELOW_SPEECH, _ALWAYS_SILENCE))
    quiet = np.concatenate([[False], loudness < threshold, [False]])
    edges = np.flatnonzero(quiet[1:] != quiet[:-1])
    begins, ends = edges[::2], edges[1::2]
    long = ends - begins >= 2 * MARGIN_MS
    return begins[long], ends[long]


def _quietest(loudness: NDArray[np.float32], first: int, last: int) -> int:
    """The middle of the quietest lull, between two milliseconds."""
    half = _LULL_MS // 2
    sums = np.concatenate([[0.0], np.cumsum(loudness[first - half : last + half], dtype=np.float64)])
    return first + int(np.argmin(sums[_LULL_MS:] - sums[:-_LULL_MS]))
