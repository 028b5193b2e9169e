"""Moments that stand out: when an expression was high or its level changed, a laugh or a sigh, what was said and how."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from humeanalytics import vocabulary
from humeanalytics.analysis import frames
from humeanalytics.analysis.change_points import FEWEST_ROWS, change_points
from humeanalytics.analysis.covered_time import Floats, Integers, check_spans
from humeanalytics.analysis.observations import PRESENCE, Observations, label_column, observe
from humeanalytics.analysis.units import totals
from humeanalytics.errors import UsageError
from humeanalytics.tables.schema import HUME_KIND

_SPAN, _POINT, _TEXT, _PLACE = ("begin_s", "end_s"), "time_s", "text", "position_begin"
_OF_FACES = ("face_id", "frame", _POINT)
#: Rows on either side of a change whose text is shown.
_TEXT_ROWS = 3
#: A pause so much longer than a typical window (or step between frames) ends a moment.
_GAP_WINDOWS = 3.0


@frames.says_of_what
def events(
    frame: Any,
    expressions: Sequence[str] | str | None = None,
    *,
    z: float = 2.0,
    toxicity: float = 0.5,
    sentiment: tuple[float, float] = (3.0, 7.0),
    burst: float = 0.5,
    changes: bool = False,
    gap_s: float | None = None,
    by: str | None = None,
    mixed_settings: bool = False,
) -> pa.Table:
    """Return the moments in which an expression was high for that person, and what was said in them.

    A moment is a stretch of rows of one person of a recording, one after the other, that all reach a threshold: of an expression
    its mean and ``z`` standard deviations there (weighted by newly covered time), because raw scores of different expressions
    are on different scales. Windows that overlap make one moment, not one each. Of v1 a moment is a stretch in which the name was
    above its cutoff. A vocal burst is a moment by itself. A change is where the level of an expression shifts and stays for
    that person in that recording (`change_points`: by ranks, against noise that remembers itself; it takes 60 rows or more).

    Args:
        frame: A Query, pyarrow, pandas or polars frame with a column an expression; of v1 what `presence` returns (made of the
            view ``spoken``, it has words).
        expressions: Only these, by column or by Hume's name.
        z: How many standard deviations above the mean of its person in its recording.
        toxicity: Flag each kind of toxicity from this probability on, where the frame has them.
        sentiment: Flag text whose sentiment, 1 (most negative) to 9 by the mean of its nine shares, is at most the first or at
            least the second, where the frame has it.
        burst: Tell of each vocal burst whose strongest description, such as Laugh, has this score or more, where the frame is one
            of bursts (``lake["burst"]``).
        changes: Tell also where the level of an expression changes.
        gap_s: A pause longer than this ends a moment; three typical windows (or steps between frames) where left out.
        by: A label, such as ``role`` or ``segment``: a moment is of one of its groups then, and what is usual for a person is
            what is usual in that group.
        mixed_settings: Take rows that were scored with different settings together.

    Returns:
        A row is one moment, by recording, person and time: ``recording_id``, ``file`` (where the frame has them), the column
        ``by`` (where one was asked for), ``person`` (``speaker_id``, ``face_id`` or ``channel``; null where no one is told
        apart), ``kind`` (``expression``, ``change``, ``burst``, ``toxicity`` or ``sentiment``), ``expression`` (Hume's name; of
        a burst its strongest description, of sentiment ``negative`` or ``positive``), ``column``, ``begin_s``, ``end_s``,
        ``time_s`` (the middle of its highest row; null without times), ``score`` (there), ``score_before`` (null but for
        changes), ``threshold``, ``text`` (of its rows, each once; null where the frame has none), ``n_units`` (always 1: the
        person), ``n_rows``, ``method``, ``seed`` (null: nothing is drawn). Empty where nothing stands out.

        Of a change ``time_s`` is when the level shifts, halfway from the end of the row before to the begin of the first row
        after; ``score_before`` and ``score`` are the levels (means) before and after, from ``begin_s`` and until ``end_s``,
        where the levels before and after them are, or nothing; ``n_rows`` have scores of the two; ``threshold`` is null, and
        ``text`` that of the three rows on either side.

    Raises:
        UsageError: No such expression; no rows; a threshold that cannot be; several settings, measures or scorings mixed.

    Examples:
        >>> frame = pa.table({"time_s": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "joy": [0.1, 0.1, 0.9, 0.1, 0.1, 0.1, 0.1]})
        >>> events(frame).select(["expression", "time_s", "score", "n_rows"]).to_pylist()
        [{'expression': 'Joy', 'time_s': 2.0, 'score': 0.9, 'n_rows': 1}]
    """
    for name, number in (("z", z), ("gap_s", 1.0 if gap_s is None else gap_s)):
        if not (math.isfinite(number) and number > 0):
            raise UsageError(f"{name} is {number:g}; it is a number above 0.")
    if not (0 < toxicity <= 1 and 1 <= sentiment[0] < sentiment[1] <= 9):
        raise UsageError(f"toxicity is {toxicity:g}, above 0 and at most 1; sentiment is {sentiment}, two numbers from 1 to 9.")
    if not 0 < burst <= 1:
        raise UsageError(f"burst is {burst:g}; it is a score above 0 and at most 1.")
    label = [] if by is None else [by]

    def labels(schema: pa.Schema) -> list[str]:
        return [*_wanted(schema), *(label_column(schema, each, "to look for moments in") for each in label)]

    observations = observe(frame, expressions, labels, mixed_settings=mixed_settings, apart=lambda _: label)
    if observations.table.num_rows == 0:
        raise UsageError("The frame has no rows, so nothing can stand out.")
    series = _Series.of(observations, gap_s, label)
    found = [_of_expression(observations, series, column, z) for column in observations.columns]
    found += _of_changes(observations, series) if changes else []
    found += _of_bursts(observations.table, series, burst)
    found += _of_toxicity(observations.table, series, toxicity)
    found += _of_sentiment(observations.table, series, sentiment)
    return _answer(observations, series, [each for each in found if len(each.first)])


def _wanted(schema: pa.Schema) -> list[str]:
    flags = [name.column for kind in ("toxicity", "sentiment") for name in vocabulary.names_of("language", kind)]
    return [name for name in (_POINT, _TEXT, _PLACE, *flags, *_bursts(schema)) if name in schema.names]


def _bursts(schema: pa.Schema) -> list[str]:
    """Return the columns of descriptions of a frame of vocal bursts; faces have some of the same name."""
    if not set(_SPAN) <= set(schema.names) or {*_OF_FACES} & set(schema.names):
        return []
    known = {name.column for name in vocabulary.names_of("burst", "vocalisation")}
    return [each.name for each in schema if each.name in known or (each.metadata or {}).get(HUME_KIND) == b"vocalisation"]


@dataclass(frozen=True, slots=True)
class _Series:
    """Rows in the order of time, person by person: ``order`` of the rows; in that order whose, when, and where a pause was."""

    keys: list[str]
    people: list[tuple[str | None, ...]]
    order: Integers
    person: Integers
    begin_s: Floats
    end_s: Floats
    begins: np.ndarray[Any, np.dtype[np.bool_]]
    when: Integers

    @staticmethod
    def of(observations: Observations, gap_s: float | None, label: Sequence[str]) -> _Series:
        table = observations.table
        own = [name for name in (*frames.PERSON_COLUMNS, "channel") if name in table.column_names][:1]
        keys = [*(name for name in frames.RECORDING_COLUMNS if name in table.column_names), *label, *own]
        keys = [name for at, name in enumerate(keys) if name not in keys[at + 1 :]]
        number, people = frames.codes(table, keys)
        ranked = sorted(range(len(people)), key=lambda at: [(each is None, len(each or ""), each or "") for each in people[at]])
        rank = np.empty(len(people), np.int64)
        rank[ranked] = np.arange(len(people))
        nothing = np.full(table.num_rows, np.nan)
        times = _SPAN if all(name in table.column_names for name in _SPAN) else (_POINT,) * (_POINT in table.column_names)
        begin, end = (frames.finite(table, times[at]) if times else nothing for at in (0, -1))
        check_spans(begin, end)
        place = frames.numbers(table, _PLACE) if _PLACE in table.column_names else nothing
        person = rank[number]
        order = np.lexsort((place, end, begin, person))
        person, begin, end = person[order], begin[order], end[order]
        other = np.diff(person, prepend=-1) != 0
        begins = other | (_pauses(begin, end, other) > (_typical_gap_s(begin, end, other) if gap_s is None else gap_s))
        # Rows at one time are of one moment, in whatever order; after a break a number is left out, so that none goes on.
        later = begins | (begin != np.roll(begin, 1)) | (end != np.roll(end, 1))
        when = np.cumsum(later) + np.cumsum(begins)
        return _Series(keys, [people[at] for at in ranked], order, person, begin, end, begins, when)


def _pauses(begin: Floats, end: Floats, other: Any) -> Floats:
    """Return the silence before each row, since the latest end of the same person; 0 where times are not known."""
    person = np.cumsum(other)
    timed = np.isfinite(begin) & np.isfinite(end)
    if not timed.any():
        return np.zeros(len(begin))
    low, span = float(begin[timed].min()), float(end[timed].max() - begin[timed].min()) + 1.0
    ends = np.where(timed, end, low - span)
    reached = np.maximum.accumulate(ends + person * span)
    before = np.concatenate(([0.0], reached[:-1])) - person * span
    return np.where(timed & ~other, begin - before, 0.0)


def _typical_gap_s(begin: Floats, end: Floats, other: Any) -> float:
    length = (end - begin)[np.isfinite(end - begin)]
    if len(length) and (typical := float(np.median(length))) > 0:
        return _GAP_WINDOWS * typical
    step = np.diff(begin)[~other[1:]]
    step = step[step > 0]  # false for NaN
    return _GAP_WINDOWS * float(np.median(step)) if len(step) else math.inf


@dataclass(frozen=True, slots=True)
class _Moments:
    """Moments of one thing: where in the series each begins and ends (one past its last row), its highest row, its score.

    ``n_rows`` are above (of rows at one time others may lie between them). Changes have a level ``before`` too: ``highest`` is
    their first row after, and ``n_rows`` of both levels have a score.
    """

    kind: str
    name: str
    column: str
    first: Integers
    last: Integers
    n_rows: Integers
    highest: Integers
    scores: Floats
    thresholds: Floats
    before: Floats | None = None


def _moments(
    series: _Series, values: Floats, above: Any, threshold: Floats, kind: str, name: str, column: str, *, sign: float = 1.0
) -> _Moments:
    """Return the stretches of rows, in the series' order, that are ``above``; highest is the row of most ``sign * values``."""
    rows = np.flatnonzero(above)
    starts = np.diff(series.when[rows], prepend=-2) > 1
    moment = np.cumsum(starts) - 1
    by_height = np.lexsort((-sign * values[rows], moment))
    counts = np.bincount(moment, minlength=int(starts.sum())).astype(np.int64)
    highest = rows[by_height][np.cumsum(counts) - counts]
    first, last = rows[starts], rows[np.cumsum(counts) - 1] + 1
    return _Moments(kind, name, column, first, last, counts, highest, values[highest], threshold[series.person[first]])


def _of_expression(observations: Observations, series: _Series, column: str, z: float) -> _Moments:
    values = observations.scores(column)[series.order]
    n_people = len(series.people)
    name = observations.label(column)
    if observations.measure == PRESENCE:
        return _moments(series, values, values > 0, np.full(n_people, np.nan), "expression", name, column)
    person = np.empty(len(values), np.int64)
    person[series.order] = series.person
    mean = totals(observations, person, n_people, (column,)).means[:, 0]
    known = np.isfinite(values)
    weight = np.ones(len(values)) if observations.weight is None else observations.weight[series.order]
    total = np.bincount(series.person[known], weight[known], n_people)
    squares = np.bincount(series.person[known], (weight * (values - mean[series.person]) ** 2)[known], n_people)
    spread = np.sqrt(np.divide(squares, total, out=np.zeros(n_people), where=total > 0))
    # What does not vary has a spread of rounding errors, and no moments.
    threshold = np.where(spread > 1e-12, mean + z * spread, np.inf)
    above = known & (values >= threshold[series.person])
    return _moments(series, values, above, threshold, "expression", name, column)


def _of_changes(observations: Observations, series: _Series) -> Iterator[_Moments]:
    bounds = np.searchsorted(series.person, np.arange(len(series.people) + 1))
    weights = np.ones(len(series.order)) if observations.weight is None else observations.weight[series.order]
    for column in observations.columns:
        values, rows = observations.scores(column)[series.order], []
        for begin, end in itertools.pairwise(bounds.tolist()):
            if end - begin < FEWEST_ROWS:
                continue
            scores, weight = values[begin:end], weights[begin:end]
            known = np.isfinite(scores) & (weight > 0)
            at = change_points(scores, weight)
            edges = np.concatenate(([0], at, [end - begin]))
            means = [np.average(scores[a:b][known[a:b]], weights=weight[a:b][known[a:b]]) for a, b in itertools.pairwise(edges)]
            counts = [int(np.count_nonzero(known[a:b])) for a, b in itertools.pairwise(edges)]
            for n, place in enumerate(at):
                span = begin + edges[n], begin + edges[n + 2], begin + place
                rows.append((*span, means[n + 1], math.nan, means[n], counts[n] + counts[n + 1]))
        if rows:
            first, last, place, *numbers, n_rows = (np.array(each) for each in zip(*rows, strict=True))
            score, threshold, before = numbers
            name = observations.label(column)
            yield _Moments("change", name, column, first, last, n_rows, place, score, threshold, before)


def _of_bursts(table: pa.Table, series: _Series, least: float) -> Iterator[_Moments]:
    if not (columns := _bursts(table.schema)):
        return
    scores = np.column_stack([frames.numbers(table, column)[series.order] for column in columns])
    scores = np.where(np.isfinite(scores), scores, -np.inf)
    strongest = scores.argmax(axis=1)
    for at, column in enumerate(columns):
        rows = np.flatnonzero((strongest == at) & (scores[:, at] >= least))
        threshold, name = np.full(len(rows), least), frames.label_of(table.schema.field(column))
        one = np.ones(len(rows), np.int64)
        yield _Moments("burst", name, column, rows, rows + 1, one, rows, scores[rows, at], threshold)


def _of_toxicity(table: pa.Table, series: _Series, least: float) -> Iterator[_Moments]:
    threshold = np.full(len(series.people), least)
    for name in vocabulary.names_of("language", "toxicity"):
        if name.column in table.column_names:
            values = frames.finite(table, name.column)[series.order]
            yield _moments(series, values, values >= least, threshold, "toxicity", name.name, name.column)


def _of_sentiment(table: pa.Table, series: _Series, bounds: tuple[float, float]) -> Iterator[_Moments]:
    columns = [name.column for name in vocabulary.names_of("language", "sentiment")]
    if not all(column in table.column_names for column in columns):
        return
    shares = np.column_stack([frames.finite(table, column)[series.order] for column in columns])
    whole = shares.sum(axis=1)
    values = np.divide(shares @ np.arange(1, 10), whole, out=np.full(len(whole), np.nan), where=whole > 0)
    for name, bound, sign in (("negative", bounds[0], -1.0), ("positive", bounds[1], 1.0)):
        threshold = np.full(len(series.people), bound)
        yield _moments(series, values, sign * values >= sign * bound, threshold, "sentiment", name, "sentiment", sign=sign)


def _answer(observations: Observations, series: _Series, found: Sequence[_Moments]) -> pa.Table:
    def all_of(name: str, type_: Any = np.int64) -> Any:
        return np.concatenate([np.asarray(getattr(each, name), type_) for each in found] or [np.zeros(0, type_)])

    first, last, highest, n_rows = all_of("first"), all_of("last"), all_of("highest"), all_of("n_rows")
    of = np.repeat(np.arange(len(found)), [len(each.first) for each in found])
    is_change = np.repeat([each.before is not None for each in found], [len(each.first) for each in found]).astype(bool)
    order = np.lexsort((of, np.where(is_change, highest, first)))
    first, last, highest, n_rows = first[order], last[order], highest[order], n_rows[order]
    of, is_change = of[order], is_change[order]
    people = [series.people[at] for at in series.person[first]]
    end_s = np.array([series.end_s[a:b].max() for a, b in zip(first, last, strict=True)], np.float64)
    text = None
    if _TEXT in observations.table.column_names:
        said = frames.texts(observations.table, _TEXT).to_pylist()
        since = np.where(is_change, np.maximum(first, highest - _TEXT_ROWS), first)
        until = np.where(is_change, np.minimum(last, highest + _TEXT_ROWS), last)
        text = [_words(said[at] for at in series.order[a:b]) for a, b in zip(since, until, strict=True)]
    own = bool(series.keys) and series.keys[-1] in (*frames.PERSON_COLUMNS, "channel")
    keys = series.keys[:-1] if own else series.keys
    numbers = {
        "begin_s": series.begin_s[first],
        "end_s": end_s,
        "time_s": (series.begin_s[highest] + series.end_s[highest - is_change]) / 2,
        "score": all_of("scores", np.float64)[order],
        "score_before": np.concatenate([_or_nan(each.before, each) for each in found] or [np.zeros(0)])[order],
        "threshold": all_of("thresholds", np.float64)[order],
    }
    columns = {name: pa.array([each[at] for each in people], pa.string()) for at, name in enumerate(keys)}
    columns["person"] = pa.array([each[-1] if own else None for each in people], pa.string())
    for name, attribute in (("kind", "kind"), ("expression", "name"), ("column", "column")):
        columns[name] = pa.array([getattr(found[at], attribute) for at in of.tolist()], pa.string())
    columns |= {name: pa.array(values, pa.float64(), from_pandas=True) for name, values in numbers.items()}
    columns["text"] = pa.nulls(len(of), pa.string()) if text is None else pa.array(text, pa.string())
    columns["n_units"], columns["n_rows"] = pa.array(np.ones(len(of), np.int64)), pa.array(n_rows)
    method = "above its cutoff" if observations.measure == PRESENCE else f"reaches its threshold; {observations.method}"
    levels = f"optimal partitioning of ranks; {observations.method}"
    columns["method"] = pa.array([levels if change else method for change in is_change], pa.string())
    columns["seed"] = pa.nulls(len(of), pa.int64())
    return pa.table(columns)


def _or_nan(values: Floats | None, moments: _Moments) -> Floats:
    return np.full(len(moments.first), np.nan) if values is None else values


def _words(texts: Iterator[str | None]) -> str | None:
    """Return texts one after the other; windows that overlap say the same again, which is left out."""
    return " ".join(dict.fromkeys(each for each in texts if each)) or None
