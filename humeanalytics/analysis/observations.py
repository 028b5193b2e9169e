"""The rows of a frame as an analysis weighs them: scores, how much time each newly covers, and what must not be mixed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from humeanalytics.analysis import frames
from humeanalytics.analysis.covered_time import Floats, Integers, check_spans, newly_covered_s
from humeanalytics.errors import UsageError

BY_TIME = "weighted by newly covered time"
BY_ROWS = "every row counts the same"
BY_BOTH = f"{BY_TIME}, rows without a time as the average window"
#: What a frame without a column `MEASURE` holds, and what `presence` makes of the scores of v1.
SCORE, PRESENCE = "score", "presence"
#: The column that says what the columns of expressions hold, so that unlike things are not taken together.
MEASURE = "measure"
#: Labels that say whose a row is: where a frame has one, rows of one person are not independent of each other.
PERSON_LABELS = ("participant", "participant_id", "subject", "subject_id", "person", "person_id")
#: ... and where none of these tells people apart, labels that say who it is.
_WHOSE = ("role", "participant")
_SPAN = ("begin_s", "end_s")
#: Whose rows overlap in time without covering the same: people of a recording, channels that were measured each by itself.
_APART = (*frames.RECORDING_COLUMNS, *frames.PERSON_COLUMNS, "channel")
_SCORING, _SETTINGS, _API = "scoring_id", "settings_id", "api"
_LONG = {"name", "probability"}


@dataclass(frozen=True, slots=True)
class Observations:
    """Rows of one measure, checked.

    Attributes:
        table: The rows, with the columns that were asked for and those that say whose they are.
        columns: The columns of expressions.
        weight: Of each row the seconds it newly covers; None where every row counts the same.
        measure: ``score``, ``presence``, or what `baseline` made of them.
    """

    table: pa.Table
    columns: tuple[str, ...]
    weight: Floats | None
    measure: str
    untimed: bool = False

    @property
    def method(self) -> str:
        """How rows count."""
        return BY_ROWS if self.weight is None else BY_BOTH if self.untimed else BY_TIME

    def take(self, rows: Integers) -> Observations:
        """Return some of the rows."""
        weight = None if self.weight is None else self.weight[rows]
        return replace(self, table=self.table.take(pa.array(rows)), weight=weight)

    def scores(self, column: str) -> Floats:
        """Return the scores of an expression, a row each; NaN where there is none."""
        return frames.finite(self.table, column)

    def label(self, column: str) -> str:
        """Return what a person calls an expression."""
        return frames.label_of(self.table.schema.field(column))


def observe(
    frame: Any,
    expressions: Sequence[str] | str | None,
    labels: Callable[[pa.Schema], Sequence[str]],
    *,
    apart: Callable[[pa.Schema], Sequence[str]] | None = None,
    mixed_settings: bool = False,
    whole: bool = False,
) -> Observations:
    """Read a frame for an analysis.

    Args:
        frame: A Query, pyarrow, pandas or polars frame with a column an expression.
        expressions: Which, by column or by Hume's name; all there are where left out.
        labels: Schema -> the other columns the analysis needs.
        apart: Schema -> labels whose groups each cover time of their own; all labels where left out. A recording that belongs
            to two people counts for both.
        mixed_settings: Take rows that were scored with different settings together. A Query asks its
            lake, and a column ``settings_id`` tells; other frames do not say.
        whole: Keep all columns of the frame.

    Raises:
        UsageError: There are no such columns; or rows of different measures, of several scorings of one recording, or of
            different settings are mixed.
    """
    chosen: list[str] = []
    named: list[str] = []

    def wanted(schema: pa.Schema) -> list[str]:
        refuse_long(schema)
        named[:] = labels(schema)
        chosen[:] = [name for name in frames.chosen_columns(schema, expressions) if name not in named]
        keys = (*_apart(schema), _SCORING, _SETTINGS, _API, MEASURE, *_SPAN)
        return schema.names if whole else [*(name for name in keys if name in schema.names), *named, *chosen]

    table = frames.read_columns(frame, wanted)
    measure = one_measure(table)
    frames.check_one_scoring(table)
    if not mixed_settings:
        check_one_settings(frame, table)
    parts = [*_apart(table.schema), *(named if apart is None else apart(table.schema))]
    weight, untimed = _weight(table, parts)
    return Observations(table, tuple(chosen), weight, measure, untimed)


def _apart(schema: pa.Schema) -> list[str]:
    """Return the columns that say whose time is whose."""
    found = [name for name in _APART if name in schema.names]
    told_apart = any(name not in frames.RECORDING_COLUMNS for name in found)
    return found if told_apart else [*found, *(name for name in _WHOSE if name in schema.names)]


def refuse_long(schema: pa.Schema) -> None:
    """Refuse scores of v1 as they come.

    Raises:
        UsageError: The frame is ``audio_scores``, ``video_scores``, ``scores_v1`` or like them.
    """
    if set(schema.names) >= _LONG:
        raise UsageError(
            "These are scores of v1, which tell only what was above a cutoff: a mean of them is far too high. Make a frame of "
            "presence first: ha.presence(lake['audio_scores'], lake['audio_measurements']), or for faces "
            "ha.presence(lake['video_scores'], lake['video_faces'])."
        )


def one_measure(table: pa.Table) -> str:
    """Return what the expressions of a frame hold: ``score``, or what its column ``measure`` says.

    Raises:
        UsageError: Rows of different measures are mixed.
    """
    if MEASURE not in table.column_names:
        return SCORE
    found = pc.unique(frames.texts(table, MEASURE)).to_pylist()
    if len(found) > 1:
        shown = ", ".join(sorted(SCORE if each is None else each for each in found))
        raise UsageError(
            f"The frame mixes measures: {shown}. They are on different scales (v0 gives scores, v1 presence), so ask about each "
            "by itself."
        )
    return found[0] if found and found[0] is not None else SCORE


def check_one_settings(frame: Any, table: pa.Table) -> None:
    """Refuse rows that different settings, or both v0 and v1, were asked for; of a Query its lake tells.

    Raises:
        UsageError: They are mixed.
    """
    known = table
    if _SCORING in table.column_names and _SETTINGS not in table.column_names and hasattr(frame, "ask"):
        ids = pa.table({_SCORING: pc.unique(frames.texts(table, _SCORING))})
        known = frame.ask("SELECT DISTINCT s.api, s.settings_id FROM scorings AS s SEMI JOIN ids USING (scoring_id)", ids=ids)
        known = known.arrow()
    for column, what in ((_API, "v0 and v1 together"), (_SETTINGS, "several settings")):
        if column not in known.column_names:
            continue
        found = sorted(each for each in pc.unique(frames.texts(known, column)).to_pylist() if each is not None)
        if len(found) > 1:
            more = "" if column == _API else " (or say mixed_settings=True, if the difference does not matter)"
            shown = ", ".join(each[:16] for each in found[:4])
            raise UsageError(
                f"The frame has rows of {what}: {column} is {shown}. Scores of different origin do not compare; choose one, "
                f"for example with SQL: JOIN scorings USING (recording_id, scoring_id) WHERE {column} = '...'{more}."
            )


def _weight(table: pa.Table, parts: Iterable[str]) -> tuple[Floats | None, bool]:
    """Return the newly covered seconds of each row (None where no times add up to anything), and whether some rows have no time.

    Seconds and sentences do not add up: texts among speech, and rows whose time was lost, count as the average window does.
    """
    if not all(name in table.column_names for name in _SPAN) or table.num_rows == 0:
        return None, False
    begin, end = (frames.numbers(table, name) for name in _SPAN)
    timed = np.isfinite(begin) & np.isfinite(end)
    part, _ = frames.codes(table, list(dict.fromkeys(parts)))
    check_spans(begin[timed], end[timed])
    covered = np.zeros(len(begin))
    covered[timed] = newly_covered_s(begin[timed], end[timed], part[timed])
    if not covered.sum() > 0:
        return None, False
    covered[~timed] = covered[timed].mean()
    return covered, not timed.all()


def label_column(schema: pa.Schema, name: str, what: str) -> str:
    """Return a column that somebody named.

    Raises:
        UsageError: The frame has none of that name.
    """
    if name in schema.names:
        return name
    scores = set(frames.expression_columns(schema))
    there = ", ".join(each for each in schema.names if each not in scores)
    raise UsageError(
        f"The frame has no column {name!r} {what}. It has: {there}. Labels are columns of lake.labelled('prosody') and of "
        "NAME_labelled in SQL."
    )


def unit_column(schema: pa.Schema, unit: str | None) -> str:
    """Return the column that says which rows are independent of each other: rows of one unit are not.

    Raises:
        UsageError: None was named and the frame says whose rows are; or there is none.
    """
    if unit is not None:
        return label_column(schema, unit, "to tell independent units by")
    whose = [name for name in schema.names if name.lower() in PERSON_LABELS]
    if whose:
        raise UsageError(
            f"Say what is independent: unit={whose[0]!r}. Rows, or recordings, of one person are alike, and a test that takes "
            "them for independent finds effects that are not there."
        )
    if "recording_id" in schema.names:
        return "recording_id"
    raise UsageError("Say what is independent: unit=..., the column that tells people, or recordings, apart.")
