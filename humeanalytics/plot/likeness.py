"""An order in which what is alike stands side by side."""

from __future__ import annotations

from typing import Any

import numpy as np

from humeanalytics.analysis.covered_time import Floats, Integers


def alike_first(rows: Floats) -> Integers:
    """Return an order of rows in which those that rise and fall together are neighbours.

    Rows are joined two by two, the most correlated first, by the mean distance of all in one to all in the other; each
    is turned so that ends that meet are alike. NaN takes no part; a row that does not vary is unlike all others.

    >>> alike_first(np.array([[0.0, 1, 2], [2, 1, 0], [0, 1, 3], [5, 1, 0]])).tolist()
    [0, 2, 3, 1]
    """
    distance = _distances(rows)
    chains = [[at] for at in range(len(rows))]
    between: Any = distance.copy()
    np.fill_diagonal(between, np.inf)
    while len(chains) > 1:
        a, b = sorted(np.unravel_index(np.argmin(between), between.shape))
        sizes = len(chains[a]), len(chains[b])
        merged = (between[a] * sizes[0] + between[b] * sizes[1]) / sum(sizes)
        joins = [
            (distance[left[-1], right[0]], left + right)
            for left in (chains[a], chains[a][::-1])
            for right in (chains[b], chains[b][::-1])
        ]
        chains[a] = min(joins, key=lambda each: each[0])[1]
        del chains[b]
        between[a], between[:, a] = merged, merged
        between[a, a] = np.inf
        between = np.delete(np.delete(between, b, axis=0), b, axis=1)
    return np.array(chains[0] if chains else [], np.int64)


def _distances(rows: Floats) -> Floats:
    """Return 1 minus the correlation of each pair of rows, over where both are known; 1 where it cannot be told."""
    known = np.isfinite(rows)
    count = np.maximum(known.sum(axis=1, keepdims=True), 1)
    centred = np.where(known, rows - np.where(known, rows, 0).sum(axis=1, keepdims=True) / count, 0.0)
    size = np.sqrt((centred[:, None, :] ** 2 * known[None, :, :]).sum(axis=2))
    both = size * size.T
    product = centred @ centred.T
    return np.asarray(1 - np.divide(product, both, out=np.zeros_like(product), where=both > 1e-15))
