"""Moments that stand out: when an expression was high or its level changed, a laugh or a sigh, what was said and how."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from humeanalytics import vocabulary
from humeanalytics.analysis import frames
from humeanalytics.analysis.covered_time import Floats
from humeanalytics.analysis.grid import POINT
from humeanalytics.analysis.observations import PRESENCE, Observations, label_column, observe
from humeanalytics.analysis.series import PLACE, Series
from humeanalytics.analysis.standing_out import (
    Moments,
    burst_columns,
    of_bursts,
    of_changes,
    of_expression,
    of_sentiment,
    of_toxicity,
)
from humeanalytics.errors import UsageError

_TEXT = "text"
#: Rows on either side of a change whose text is shown.
_TEXT_ROWS = 3


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
        mixed_settings: Take rows that were scored with different settings together. A Query asks its
            lake, and a column ``settings_id`` tells; other frames do not say.

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
    series = Series.of(observations, gap_s, label)
    found = [of_expression(observations, series, column, z) for column in observations.columns]
    found += of_changes(observations, series) if changes else []
    found += of_bursts(observations.table, series, burst)
    found += of_toxicity(observations.table, series, toxicity)
    found += of_sentiment(observations.table, series, sentiment)
    return _answer(observations, series, [each for each in found if len(each.first)])


def _wanted(schema: pa.Schema) -> list[str]:
    flags = [name.column for kind in ("toxicity", "sentiment") for name in vocabulary.names_of("language", kind)]
    return [name for name in (POINT, _TEXT, PLACE, *flags, *burst_columns(schema)) if name in schema.names]


def _answer(observations: Observations, series: Series, found: Sequence[Moments]) -> pa.Table:
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


def _or_nan(values: Floats | None, moments: Moments) -> Floats:
    return np.full(len(moments.first), np.nan) if values is None else values


def _words(texts: Iterator[str | None]) -> str | None:
    """Return texts one after the other; windows that overlap say the same again, which is left out."""
    return " ".join(dict.fromkeys(each for each in texts if each)) or None
