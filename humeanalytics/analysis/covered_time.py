"""How much time a window adds to what earlier windows covered: the weight of its scores."""

from __future__ import annotations

from typing import Any

import numpy as np

from humeanalytics.errors import UsageError

Floats = np.ndarray[Any, np.dtype[np.float64]]
Integers = np.ndarray[Any, np.dtype[np.int64]]


def check_spans(begin_s: Floats, end_s: Floats) -> None:
    """Refuse windows that end before they begin: they cover nothing, and would drop out of every mean without a word.

    Raises:
        UsageError: Some do, by more than rounding.
    """
    backwards = np.flatnonzero(end_s < begin_s - 1e-6 * np.maximum(1.0, np.abs(begin_s)))
    if len(backwards):
        at = backwards[0]
        raise UsageError(
            f"{len(backwards):,} of {len(begin_s):,} rows end before they begin, such as one from {begin_s[at]:g} to "
            f"{end_s[at]:g} s. Leave them out (WHERE end_s >= begin_s), or mend them."
        )


def newly_covered_s(begin_s: Floats, end_s: Floats, part: Integers) -> Floats:
    """Return the seconds each window adds to those that began before it, within its part (one person of one recording).

    Windows of 4 s every second say most things four times: the first counts 4 s, each further one 1 s. Those that begin and end
    together share what they add, so that the order of rows does not matter. The sum over a part is the time that was covered at
    all.

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
    adds = np.maximum(0.0, end - np.maximum(begin, reached))
    first = np.concatenate(([True], (np.diff(begin) != 0) | (np.diff(end) != 0)))
    if not first.all():
        starts = np.flatnonzero(first)
        count = np.diff(starts, append=len(adds))
        adds = np.repeat(np.add.reduceat(adds, starts) / count, count)
    covered[order] = adds
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


def merged_spans(begin_s: Floats, end_s: Floats, part: Integers) -> tuple[Floats, Floats, Integers]:
    """Return the stretches without a break that windows of each part cover together, by part and time: begin, end and part.

    >>> [each.tolist() for each in merged_spans(np.array([0.0, 1.0, 9.0]), np.array([4.0, 5.0, 10.0]), np.array([0, 0, 0]))]
    [[0.0, 9.0], [5.0, 10.0], [0, 0]]
    """
    order = np.lexsort((begin_s, part))
    begin, end, part = begin_s[order], end_s[order], part[order]
    if len(begin) == 0:
        return begin, end, part
    span = float(end.max() - begin.min()) + 1.0
    reached = np.maximum.accumulate(end + part * span) - part * span
    new = np.concatenate(([True], (np.diff(part) != 0) | (begin[1:] > reached[:-1])))
    first = np.flatnonzero(new)
    return begin[first], np.maximum.reduceat(end, first), part[first]


def shared_s(begin_s: Floats, end_s: Floats, part: Integers, whole: Integers) -> Floats:
    """Return for each part the seconds that it covers while another part of the same whole covers them too.

    Args:
        begin_s, end_s: Of each window; finite.
        part: A number for each window: who speaks. Numbers are below the length of the answer, one more than the highest.
        whole: The whole of each *part*: in which recording they speak.

    Examples:
        >>> begin, end = np.array([0.0, 3.0]), np.array([4.0, 9.0])
        >>> shared_s(begin, end, np.array([0, 1]), np.array([0, 0])).tolist()
        [1.0, 1.0]
    """
    begin, end, owner = merged_spans(begin_s, end_s, part)
    if len(begin) == 0:
        return np.zeros(len(whole))
    # Wholes lie one behind the other on one line of time; how many parts are under way at each place of it is a running sum.
    behind = whole[owner] * (float(end.max() - begin.min()) + 1.0)
    begin, end = begin + behind, end + behind
    places = np.concatenate((begin, end))
    order = np.argsort(places, kind="stable")
    under_way = np.cumsum(np.concatenate((np.ones(len(begin)), -np.ones(len(end))))[order])
    places = places[order]
    shared = np.concatenate(([0.0], np.cumsum(np.diff(places) * (under_way[:-1] >= 2))))
    inside = shared[np.searchsorted(places, end)] - shared[np.searchsorted(places, begin)]
    return np.bincount(owner, inside, len(whole)).astype(np.float64)
