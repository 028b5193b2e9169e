"""Quantiles within groups: of weighted scores and of rows that count the same."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from humeanalytics.analysis.covered_time import Floats, Integers

#: Groups of fewer rows are not worth being sorted one by one.
_FEW_ROWS = 20


def weighted_quantiles(
    scores: Floats, group: Integers, weight: Floats, total: Floats, shares: Sequence[float]
) -> dict[str, Floats]:
    """Return for each group the smallest scores at or below which these shares of its weight lie."""
    order = np.argsort(scores)
    order = order[np.argsort(group[order], kind="stable")]
    here = group[order]
    starts = np.searchsorted(here, np.arange(len(total)))
    reached = np.cumsum(weight[order])
    before = np.concatenate(([0.0], reached))[starts]
    reached -= before[here]
    sizes = np.bincount(here, minlength=len(total))
    rounding = 1e-14 * float(weight.sum())
    found = {}
    for share in shares:
        # A rounding error in the sum must not push a share that is met exactly on to the next score.
        below = reached < (share * total * (1 - 1e-10) - rounding)[here]
        at = starts + np.minimum(np.bincount(here, below, len(total)).astype(np.int64), np.maximum(sizes - 1, 0))
        values = np.full(len(total), np.nan)
        values[sizes > 0] = scores[order[at[sizes > 0]]]
        found[_name(share)] = values
    return found


def _name(share: float) -> str:
    return f"q{100 * share:g}".replace(".", "_")


def quantiles_of_rows(scores: Floats, group: Integers, n_groups: int, shares: Sequence[float]) -> dict[str, Floats]:
    """Return the same where every row counts the same; quickest where rows of a group stand together, groups in order."""
    sizes = np.bincount(group, minlength=n_groups)
    starts = np.cumsum(sizes) - sizes
    ordered = _sorted_within(scores, group, starts)
    found = {}
    for share in shares:
        at = np.maximum(np.ceil(share * sizes * (1 - 1e-12)).astype(np.int64) - 1, 0)
        values = np.full(n_groups, np.nan)
        values[sizes > 0] = ordered[(starts + at)[sizes > 0]]
        found[_name(share)] = values
    return found


def _sorted_within(scores: Floats, group: Integers, starts: Integers) -> Floats:
    """Return scores in order within each group, groups one after the other."""
    single = scores.astype(np.float32)
    exact = bool((single == scores).all())
    if len(starts) * _FEW_ROWS < len(scores) and (np.diff(group) >= 0).all():
        ordered = single if exact else scores.copy()
        for begin, end in pairwise([*starts.tolist(), len(scores)]):
            ordered[begin:end].sort()
        return ordered.astype(np.float64)
    if not exact:
        return scores[np.lexsort((scores, group))]
    # What v0 sends is float32: group and score fit into one whole number, and sorting those is many times faster.
    sign, bits = np.uint32(0x80000000), single.view(np.uint32)
    keys = (group.astype(np.uint64) << np.uint64(32)) | np.where(bits & sign, ~bits, bits | sign)
    keys.sort()
    bits = keys.astype(np.uint32)
    return np.where(bits & sign, bits & ~sign, ~bits).astype(np.uint32).view(np.float32).astype(np.float64)
