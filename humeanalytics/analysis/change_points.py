"""Where the level of a series shifts and stays, as far as noise that remembers itself does not do as much."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from humeanalytics.analysis.covered_time import Floats, Integers

#: A series is looked at in so many equal shares of its time at most; the row of a change is then sought among those around it.
_MOST_BINS = 256
#: Fewer rows do not tell a level from noise.
FEWEST_ROWS = 60
#: A level holds for at least so many rows.
_LEVEL_ROWS = 5
#: Noise is measured over stretches as long as leave so many of them: between levels, and around them.
_FEWEST_BETWEEN, _FEWEST_AROUND = 20, 8
#: Of the differences between stretches the largest may be changes of level. Of normal ones this share has this variance.
_KEPT, _KEPT_VARIANCE = 0.6, 0.2146
#: Where stretches are too few how alike neighbours are tells, as in a first-order autoregression, up to this.
_MOST_ALIKE = 0.9
#: What one more change has to explain: so many times the noise and the logarithm of the number of bins. (BIC has 2, for noise
#: that is known. With 4 a series without a change has one in fewer than 1 of 100 where rows are independent or windows
#: overlap, and in about 1 of 10 where 60 rows are alike at 0.8 or 120 at 0.9.)
_PENALTY = 4.0


def change_points(scores: Floats, weight: Floats | None = None) -> Integers:
    """Return the rows at which a new level begins.

    Optimal partitioning: of all ways to divide the series, the one with the least squares around the levels of its parts, where
    each further part costs a penalty. Squares are of ranks, so that single peaks make no levels. The penalty counts in noise:
    the largest long-run variance over stretches of any length, first of what differs between them, then of what is left
    around the levels found, until these stay; so windows that overlap, and moods that wander, are not taken for changes.

    Args:
        scores: Of one person in one recording, in the order of time. What is not finite is passed over.
        weight: The seconds each row newly covers; rows of none are passed over. All count the same where left out.

    Returns:
        Places in ``scores``, ascending; none of fewer than `FEWEST_ROWS` scores.

    Examples:
        >>> noise = np.random.default_rng(1).normal(0, 0.05, 100)
        >>> change_points(noise + np.where(np.arange(100) < 40, 0.2, 0.5)).tolist()
        [40]
    """
    known = np.isfinite(scores) if weight is None else np.isfinite(scores) & (weight > 0)
    rows = np.flatnonzero(known)
    if len(rows) < FEWEST_ROWS:
        return np.zeros(0, np.int64)
    ranks = _ranks(scores[rows])
    reached = np.concatenate(([0.0], np.cumsum(np.ones(len(rows)) if weight is None else weight[rows])))
    sums = np.concatenate(([0.0], np.cumsum(ranks * np.diff(reached))))
    edges = np.linspace(0.0, reached[-1], min(len(rows), _MOST_BINS) + 1)
    levels = np.diff(np.interp(edges, reached, sums)) / np.diff(edges)
    row_of_edge = np.minimum(np.searchsorted(reached, edges * (1 - 1e-12)), len(rows))
    # What one row alone explains, one that is long among short ones or rare among ties, is no level either.
    alone = float((ranks**2 * np.diff(reached)).max() / edges[1])
    splits = _splits(levels, row_of_edge, alone)
    # Ranks of the highest row before and of the lowest after are neighbours: scores tell better which is which.
    sums = np.concatenate(([0.0], np.cumsum((scores[rows] - scores[rows].mean()) * np.diff(reached))))
    return rows[_refined(splits, edges, reached, sums)]


def _splits(levels: Floats, row_of_edge: Integers, least: float) -> list[int]:
    """Return the bins at which parts begin, but for the first; each further part explains more than ``least``."""
    noise, splits = _noise_between(levels), [0]
    while splits and noise > 1e-12:  # else hardly a rank is another
        # Noise only grows, so that parts become fewer, until they stay.
        found = _partition(levels, row_of_edge, max(_PENALTY * noise * math.log(len(levels)), least))
        if found == splits:
            return splits
        splits = found
        noise = max(noise, _noise_around(levels, splits))
    return []


def _ranks(values: Floats) -> Floats:
    """Return ranks from -0.5 to 0.5; the same for the same values."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray(((np.cumsum(count) - count / 2) / len(values) - 0.5)[place])


def _noise_between(levels: Floats) -> float:
    """Return the largest variance of a mean of levels times their number, from what differs between stretches."""
    near, further = float(np.mean(np.diff(levels) ** 2)), float(np.mean((levels[2:] - levels[:-2]) ** 2))
    found, length = near / 2, 1
    if near > 0:
        found = _carried_on(found, further / near - 1)
    while len(levels) // length >= _FEWEST_BETWEEN:
        blocks = levels[: len(levels) // length * length].reshape(-1, length).mean(axis=1)
        # Neighbours are alike, so that their differences tell too little: those further apart.
        squares = np.sort((blocks[2:] - blocks[:-2]) ** 2)
        found = max(found, length * float(squares[: math.ceil(_KEPT * len(squares))].mean()) / 2 / _KEPT_VARIANCE)
        length *= 2
    return found


def _noise_around(levels: Floats, splits: list[int]) -> float:
    """Return the same of what is left around the levels of parts."""
    lengths = np.diff([0, *splits, len(levels)])
    part = np.repeat(np.arange(len(lengths)), lengths)
    left = levels - (np.bincount(part, levels) / lengths)[part]
    found, length = 0.0, 1
    if (square := float(left @ left)) > 0:
        alike = float(left[1:] @ left[:-1]) / square
        # In short series neighbours look less alike than they are (Kendall), and more so where levels were taken away.
        alike += len(lengths) * (1 + 3 * alike) / len(levels)
        found = _carried_on(square / (len(levels) - len(lengths)), alike)
    while (n := len(levels) // length) >= max(_FEWEST_AROUND, 2 * len(lengths)):
        blocks = left[: n * length].reshape(-1, length).mean(axis=1)
        found = max(found, length * float(blocks @ blocks) / (n - len(lengths)))
        length *= 2
    return found


def _carried_on(variance: float, alike: float) -> float:
    """Return the long-run variance of a first-order autoregression whose neighbours are so much alike."""
    alike = min(max(alike, 0.0), _MOST_ALIKE)
    return variance * (1 + alike) / (1 - alike)


def _partition(levels: Floats, row_of_edge: Integers, penalty: float) -> list[int]:
    """Return the bins at which parts begin, but for the first, when as much as can be is explained for what parts cost."""
    sums = np.concatenate(([0.0], np.cumsum(levels)))
    n = len(levels)
    gain, before = np.full(n + 1, -np.inf), np.zeros(n + 1, np.int64)
    gain[0] = 0.0
    latest = np.searchsorted(row_of_edge, row_of_edge - _LEVEL_ROWS, side="right")
    width = np.arange(n + 1, 0, -1.0)
    for end in range(1, n + 1):
        upto = min(int(latest[end]), end)
        if upto <= 0:
            continue
        gains = gain[:upto] + (sums[end] - sums[:upto]) ** 2 / width[n + 1 - end : n + 1 - end + upto]
        before[end] = best = int(np.argmax(gains))
        gain[end] = gains[best] - penalty
    splits, at = [], n
    while (at := int(before[at])) > 0:
        splits.append(at)
    return splits[::-1]


def _refined(splits: list[int], edges: Floats, reached: Floats, sums: Floats) -> Integers:
    """Return for each split the place of the row, among those of the bins around it, that divides best the parts around it."""
    found: list[int] = []
    for at, after in pairwise([*splits, len(edges) - 1]):
        low, high = np.searchsorted(reached, edges[[at - 1, at + 1]])
        places = np.arange(max(low, 1), min(high, len(reached) - 2) + 1)
        begin, end = reached[found[-1]] if found else 0.0, edges[after]
        first, last = np.interp([begin, end], reached, sums)
        left, right = reached[places] - begin, end - reached[places]
        inside = (left > 0) & (right > 0)
        places, left, right = places[inside], left[inside], right[inside]
        explained = (sums[places] - first) ** 2 / left + (last - sums[places]) ** 2 / right
        found.append(int(places[np.argmax(explained)]))
    return np.array(found, np.int64)
