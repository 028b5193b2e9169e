"""What is told of a score: its probability to four decimals, the highest first, and nothing of what lies below a cutoff."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from humeanalytics.sandbox import scores
from humeanalytics.sandbox.expression.names import NEW_NAMES, leaning_names_of, names_of

#: Voice attributes from here on are told ...
VOICE_CUTOFF = 0.725
#: ... and what a face shows, above this.
FACE_CUTOFF = 0.1

Score = dict[str, Any]


def tell(seed: int, model: str, kind: str, features: NDArray[np.float64], new_names: bool = False) -> list[list[Score]]:
    """Return the scores of some windows or faces as the answer tells them, a list for each.

    Args:
        seed: The sandbox's seed.
        model: ``audio`` or ``video``.
        kind: ``expression``, ``voice_attribute`` or ``description``.
        features: One row a window or face.
        new_names: Whether there are names nobody has heard of.
    """
    if not len(features):
        return []
    share = scores.shares(seed, f"v1/{model}/{kind}", leaning_names_of(model, kind), features)
    low, high, cutoff = _ranges(model, kind)
    probability = low + (high - low) * share * share
    names = names_of(model, kind)
    if new_names:
        names = (*names, *NEW_NAMES)
        probability = np.concatenate([probability, 0.75 + 0.2 * share[:, : len(NEW_NAMES)]], axis=1)
        cutoff = np.concatenate([cutoff, np.zeros(len(NEW_NAMES))])
    shown = np.round(probability, 4)
    # Of equals, those of an audio answer are told by the score beneath; those of a video answer by name alone.
    beneath = probability if model == "audio" else shown
    above = shown > cutoff if model == "video" else shown >= cutoff
    return [
        [
            {"name": names[at], "probability": float(row[at])}
            for at in sorted(np.flatnonzero(told).tolist(), key=lambda at: (-row[at], -under[at], names[at]))
        ]
        for row, under, told in zip(shown, beneath, above, strict=True)
    ]


@cache
def _ranges(model: str, kind: str) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest probability of each name, and its cutoff."""
    names = names_of(model, kind)
    spread = np.array([scores.numbers_of(f"v1/{model}/{kind}/{name}", 2) for name in names])
    ceiling = spread[:, 0] / np.sqrt(1 + spread[:, 0] ** 2)  # -1 to 1
    if kind == "voice_attribute":
        return np.full(len(names), 0.05), 0.82 + 0.16 * ceiling, np.full(len(names), VOICE_CUTOFF)
    low = 0.004 + 0.02 * np.abs(spread[:, 1]) / np.sqrt(1 + spread[:, 1] ** 2)
    high = 0.52 + 0.42 * ceiling
    if model == "video":
        return low, high, np.full(len(names), FACE_CUTOFF)
    # Each expression of a voice has a threshold of its own: high in its range, so that a few in a hundred are present.
    threshold = low + (high - low) * (0.83 + 0.08 * spread[:, 1] / np.sqrt(1 + spread[:, 1] ** 2))
    return low, high, np.round(threshold, 4)
