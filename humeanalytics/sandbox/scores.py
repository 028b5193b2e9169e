"""From what something is like (a few numbers near -2 to 2) to the scores of a list of names.

One seeded, smooth function for each name: alike things score alike, another seed is another model. Names that a person
would call pleasant or excited lean that way on the first two numbers (pleasantness, arousal), so that a demonstration
looks like something; beyond that nothing here means anything.

Only additions, multiplications, divisions and square roots are used, element by element: the same content gives the same
bits however many rows are scored at once.
"""

from __future__ import annotations

import hashlib
from functools import cache

import numpy as np
from numpy.typing import NDArray

from humeanalytics.sandbox import lexicon

#: Expressions that Hume's own display lets reach above 1.
_STRONG = {"Concentration": 1.35, "Confusion": 1.12, "Interest": 1.05, "Calmness": 1.08, "Determination": 1.02, "Joy": 1.0}


def numbers_of(key: str, count: int) -> NDArray[np.float64]:
    """Return numbers from a normal distribution that belong to a key, everywhere and for good."""
    seed = int.from_bytes(hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()[:8], "big")
    return np.random.Generator(np.random.PCG64(seed)).standard_normal(count)


@cache
def _weights(seed: int, purpose: str, names: tuple[str, ...], features: int) -> tuple[NDArray[np.float64], ...]:
    weights, bias, low, high = [], [], [], []
    leaning = {way: lexicon.names(way) for way in ("pleasant", "unpleasant", "excited", "quiet")}
    for name in names:
        weight = 1.1 * numbers_of(f"{seed}/{purpose}/{name}", features) / np.sqrt(features)
        weight[0] = abs(weight[0]) * 0.4 + 0.55 * ((name in leaning["pleasant"]) - (name in leaning["unpleasant"]))
        weight[1] = abs(weight[1]) * 0.4 + 0.45 * ((name in leaning["excited"]) - (name in leaning["quiet"]))
        weights.append(weight)
        spread = numbers_of(f"range/{purpose}/{name}", 2)
        bias.append(-0.65 + 0.2 * spread[0])
        low.append(0.004 + 0.02 * abs(spread[1]))
        high.append(_STRONG.get(name, float(np.clip(0.42 + 0.3 * spread[0], 0.09, 0.95))))
    return np.array(weights).T.copy(), np.array(bias), np.array(low), np.array(high)


def score(seed: int, purpose: str, names: tuple[str, ...], features: NDArray[np.float64]) -> NDArray[np.float32]:
    """Score some rows.

    Args:
        seed: The sandbox's seed.
        purpose: What is scored (``"face"``, ``"prosody"``, ...): the same name means another thing to another model.
        names: The names, in the order of the columns returned.
        features: One row a thing, one column a number; the first is pleasantness, the second arousal.

    Returns:
        Scores as float32, one row a thing, one column a name; mostly 0 to 1, rarely a little above.
    """
    _, _, low, high = _weights(seed, purpose, names, features.shape[1])
    share = shares(seed, purpose, names, features)
    return np.asarray(low + (high - low) * share * share, dtype=np.float32)


def shares(seed: int, purpose: str, names: tuple[str, ...], features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far up its range each name is in each row, 0 to 1: what `score` makes scores of."""
    weights, bias, _, _ = _weights(seed, purpose, names, features.shape[1])
    x = np.broadcast_to(bias, (len(features), len(names)))
    for column, weight in zip(features.T, weights, strict=True):
        x = x + column[:, None] * weight
    return np.asarray(0.5 * (1 + x / np.sqrt(1 + x * x)))


def sentiment(pleasantness: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the nine shares of sentiment, which sum to 1, for each pleasantness near -2 to 2."""
    centre = 5 + 4 * pleasantness / np.sqrt(2 + pleasantness * pleasantness)
    distance = np.arange(1, 10)[None, :] - centre[:, None]
    weight = 1 / (1 + distance * distance) ** 2
    return np.asarray(weight / weight.sum(axis=1, keepdims=True), dtype=np.float32)


def toxicity(seed: int, names: tuple[str, ...], features: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the six probabilities of toxicity: small unless a text is unpleasant."""
    share = score(seed, "toxicity", names, features).astype(np.float64)
    unpleasant = np.maximum(-features[:, :1], 0)
    return np.asarray(np.minimum(share * (0.002 + 0.4 * unpleasant / (1 + unpleasant)), 1), dtype=np.float32)
