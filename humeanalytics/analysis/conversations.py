"""How a chat went: the voice of each side at its beginning and its end, and which way it moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from humeanalytics.analysis import frames
from humeanalytics.analysis.covered_time import Floats, Integers
from humeanalytics.analysis.turn_taking import SPEAKERS, Turns, read_turns

_NUMBERS = ("mean", "at_start", "at_end", "change", "sd", "change_in_sd", "slope_per_min")
_METHOD = "turns by their scored messages; start and end are the first and last third of the turns with a score"


@frames.says_of_what
def conversation(
    turns: Any,
    expressions: Sequence[str] | str | None = None,
    *,
    mixed_settings: bool = False,
) -> pa.Table:
    """Return how the voices of a chat moved from its beginning to its end, for each chat, speaker and expression.

    Caller and assistant are never taken together: the assistant's voice is not how the caller feels. Greetings, what the
    assistant says before the caller has said anything, do not count. A turn counts by its messages that have scores.

    Args:
        turns: A Query, pyarrow, pandas or polars frame as ``lake["turns"]`` has it: ``chat_id``, ``turn``, ``speaker``,
            ``greeting``, ``first_at``, ``last_at``, ``scored_messages`` (where it is missing, each turn counts the same), and a
            column an expression, which may be composites.
        expressions: Only these, by column or by Hume's name.
        mixed_settings: Take rows that were scored with different settings together. A Query asks its
            lake, and a column ``settings_id`` tells; other frames do not say.

    Returns:
        A row is one chat, speaker and expression, in that order (chats by id, callers first): ``chat_id``, ``speaker``,
        ``expression`` (Hume's name), ``column``; ``mean``; ``at_start``, ``at_end`` (mean of the first and last third of the
        turns with a score, at least one each); ``change`` (the second less the first; null with one turn); ``sd`` (of its
        turns, 0 where they are all the same), ``change_in_sd`` (null where that is 0); ``slope_per_min`` (of the weighted line
        through its turns, each at its middle; null where all are at one time); ``minutes`` (from the chat's first turn to the
        middle of the speaker's last), ``n_turns`` (with greetings left out), ``n_rows`` (those with a score), ``n_units``
        (always 1: the chat), ``measure``, ``method``, ``seed`` (null: nothing is drawn). Null without a score.

    Raises:
        UsageError: It is no frame of turns, has none, or one twice; no such expression; or scores that must not be mixed are.

    Examples:
        >>> from datetime import datetime
        >>> at = [datetime(2026, 3, 1, 12, minute) for minute in range(4)]
        >>> frame = pa.table({"chat_id": ["c"] * 4, "turn": [1, 2, 3, 4], "speaker": ["caller", "assistant"] * 2,
        ...     "greeting": [False] * 4, "first_at": at, "last_at": at, "joy": [0.25, 0.9, 0.75, 0.9]})
        >>> conversation(frame).select(["speaker", "at_start", "at_end", "slope_per_min"]).to_pylist()[0]
        {'speaker': 'caller', 'at_start': 0.25, 'at_end': 0.75, 'slope_per_min': 0.25}
    """
    taken = read_turns(turns, expressions, lambda _: [], mixed_settings=mixed_settings)
    observations, n_columns = taken.observations, len(taken.observations.columns)
    # A side is one speaker of one chat; those come first by id, then callers before assistants.
    ranked = sorted(range(len(taken.chats)), key=lambda at: (taken.chats[at] is None, taken.chats[at] or ""))
    rank = np.empty(len(ranked), np.int64)
    rank[ranked] = np.arange(len(ranked))
    side = rank[taken.chat] * len(SPEAKERS) + taken.speaker
    sides, of_side = np.unique(side, return_inverse=True)
    order = np.lexsort((taken.number, of_side))
    found = {name: np.full((len(sides), n_columns), np.nan) for name in _NUMBERS}
    n_rows = np.zeros((len(sides), n_columns), np.int64)
    known: Any = np.zeros(0, np.bool_)
    scored: _Scored | None = None
    for at, column in enumerate(observations.columns):
        scores = observations.scores(column)[order]
        its = np.isfinite(scores)
        if scored is None or not np.array_equal(its, known):  # mostly a turn has scores of all expressions, or of none
            known, scored = its, _Scored.of(order[its], of_side, taken)
        n_rows[scored.side, at] = scored.count
        for name, values in scored.numbers(scores[its]).items():
            found[name][scored.side, at] = values
    minutes = np.zeros(len(sides))
    np.maximum.at(minutes, of_side, taken.minute)
    whose = np.repeat(np.arange(len(sides)), n_columns)
    texts = {
        "chat_id": pa.array([taken.chats[at] for at in ranked], pa.string()).take(pa.array(sides[whose] // len(SPEAKERS))),
        "speaker": pa.array(SPEAKERS).take(pa.array(sides[whose] % len(SPEAKERS))),
        "expression": _repeated([observations.label(column) for column in observations.columns], len(sides)),
        "column": _repeated(observations.columns, len(sides)),
    }
    return pa.table(
        {
            **texts,
            **{name: pa.array(values.ravel(), pa.float64(), from_pandas=True) for name, values in found.items()},
            "minutes": minutes[whose],
            "n_turns": np.bincount(of_side, minlength=len(sides))[whose].astype(np.int64),
            "n_rows": n_rows.ravel(),
            "n_units": np.ones(len(whose), np.int64),
            "measure": _repeated([observations.measure], len(whose)),
            "method": _repeated([_METHOD], len(whose)),
            "seed": pa.nulls(len(whose), pa.int64()),
        }
    )


@dataclass(frozen=True, slots=True)
class _Scored:
    """Turns with a score, side by side and in order: ``first`` of each side, ``count``; weights that add up to 1."""

    side: Integers
    first: Integers
    count: Integers
    weight: Floats
    at_start: Floats
    at_end: Floats
    later: Floats

    @staticmethod
    def of(rows: Integers, of_side: Integers, turns: Turns) -> _Scored:
        """Return what is the same for all expressions that ``rows``, by side and number, have a score of."""
        first = np.flatnonzero(np.diff(of_side[rows], prepend=-1) != 0)
        count = np.diff(first, append=len(rows)).astype(np.int64)
        messages = np.maximum(turns.messages[rows], 1.0)
        place, third = np.arange(len(rows)) - np.repeat(first, count), np.repeat(np.maximum(1, count // 3), count)

        def share(which: Any) -> Floats:
            weight = np.where(which, messages, 0.0)
            return np.asarray(weight / np.repeat(np.add.reduceat(weight, first), count)) if len(first) else weight

        weight, minute = share(True), turns.minute[rows]
        middle = np.add.reduceat(weight * minute, first) if len(first) else minute
        return _Scored(
            of_side[rows][first],
            first,
            count,
            weight,
            share(place < third),
            share(place >= np.repeat(count, count) - third),
            minute - np.repeat(middle, count),
        )

    def numbers(self, scores: Floats) -> dict[str, Floats]:
        """Return the numbers of each side; NaN where there is none."""
        if len(self.first) == 0:
            return {}

        def total(values: Floats) -> Floats:
            return np.asarray(np.add.reduceat(values, self.first))

        mean = total(self.weight * scores)
        apart = scores - np.repeat(mean, self.count)
        weighted = self.weight * apart
        sd = np.sqrt(total(weighted * apart))
        sd[sd <= 1e-12 * np.maximum(1.0, np.abs(mean))] = 0.0
        spread = total(self.weight * self.later**2)
        at_start, at_end = total(self.at_start * scores), total(self.at_end * scores)
        change, nothing = np.where(self.count > 1, at_end - at_start, np.nan), np.full(len(mean), np.nan)
        return {
            "mean": mean,
            "at_start": at_start,
            "at_end": at_end,
            "change": change,
            "sd": sd,
            "change_in_sd": np.divide(change, sd, out=nothing.copy(), where=sd > 0),
            # A microsecond, the clock of the events, is 1.7e-8 of a minute.
            "slope_per_min": np.divide(total(weighted * self.later), spread, out=nothing.copy(), where=spread > 1e-16),
        }


def _repeated(values: Sequence[str], times: int) -> pa.Array:
    return pa.array(values, pa.string()).take(pa.array(np.tile(np.arange(len(values)), times)))
