"""How much time a window adds to what earlier windows covered: the weight of its scores."""

from __future__ import annotations

from typing import Any

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]
Integers = np.ndarray[Any, np.dtype[np.int64]]


def newly_covered_s(begin_s: Floats, end_s: Floats, part: Integers) -> Floats:
    """Return the seconds each window adds to those that began before it, within its part (one person of one recording).

    Windows of 4 s every second say most things four times: the first counts 4 s, each further one 1 s. The sum over a part
    is the time that was covered at all.

    Args:
        begin_s, end_s: Where each window begins and ends; finite.
        part: A number for each window, the same within a part.

    Examples:
        >>> newly_covered_s(np.array([0.0, 1.0, 9.0]), np.array([4.0, 5.0, 10.0]), np.array([0, 0, 0])).tolist()
        [4.0, 1.0, 1.0]
    """
    covered = np.zeros(len(begin_s))
    if len(begin_s) == 0:
        return covered
    order = np.lexsort((end_s, begin_s, part))
    # One pass over all parts: each is moved behind the one before it, so that no end of another reaches into it.
    origin, span = float(begin_s.min()), float(max(end_s.max(), begin_s.max()) - begin_s.min()) + 1.0
    behind = part[order] * span - origin
    begin, end = begin_s[order] + behind, end_s[order] + behind
    reached = np.concatenate(([-np.inf], np.maximum.accumulate(end)[:-1]))
    covered[order] = np.maximum(0.0, end - np.maximum(begin, reached))
    return covered


def covered_by_part(begin_s: Floats, end_s: Floats, part: Integers, n_parts: int) -> Floats:
    """Return the seconds that the rows of each part cover: of windows their union, of frames their number by the usual step.

    Args:
        begin_s, end_s: Of each row; the same for frames. Rows whose times are not finite cover nothing.
        part: A number below ``n_parts`` for each row.

    Examples:
        >>> covered_by_part(np.array([0.0, 1.0, 9.0]), np.array([4.0, 5.0, 10.0]), np.array([0, 0, 1]), 2).tolist()
        [5.0, 1.0]
        >>> covered_by_part(np.array([0.0, 0.5, 0.5, 1.0]), np.array([0.0, 0.5, 0.5, 1.0]), np.zeros(4, np.int64), 1).tolist()
        [1.5]
    """
    timed = np.isfinite(begin_s) & np.isfinite(end_s)
    begin_s, end_s, part = begin_s[timed], end_s[timed], part[timed]
    covered = np.bincount(part, newly_covered_s(begin_s, end_s, part), n_parts).astype(np.float64)
    point = np.bincount(part, end_s > begin_s, n_parts) == 0
    frames = point[part]
    if frames.any():
        order = np.lexsort((begin_s[frames], part[frames]))
        its_part, time_s = part[frames][order], begin_s[frames][order]
        seen = np.concatenate(([True], (np.diff(its_part) != 0) | (np.diff(time_s) != 0)))
        its_part, time_s = its_part[seen], time_s[seen]
        within = np.diff(its_part) == 0
        step, step_part = np.diff(time_s)[within], its_part[1:][within]
        step = step[np.lexsort((step, step_part))]
        count = np.bincount(step_part, minlength=n_parts)
        middle = np.cumsum(count) - count + count // 2
        usual = np.zeros(n_parts)
        usual[count > 0] = step[middle[count > 0]]
        covered += np.where(point, np.bincount(its_part, minlength=n_parts) * usual, 0.0)
    return covered
