"""Whether scores drift from day to day, which a lamp, a microphone or a model that changes does as well as people."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from humeanalytics.analysis import frames
from humeanalytics.analysis.covered_time import Floats, Integers
from humeanalytics.analysis.observations import PERSON_LABELS, Observations, label_column, observe
from humeanalytics.analysis.slopes import NUMBERS, UnitSlopes
from humeanalytics.analysis.units import false_discovery, generator, totals
from humeanalytics.errors import UsageError

_CONFIDENCE = ("confidence", "prob", "speaker_confidence", "language_confidence")
_DAY_US, _FEWEST_DAYS = 86_400_000_000, 3


@frames.says_of_what
def drift(
    frame: Any,
    unit: str | None = None,
    *,
    time: str = "recorded_at",
    within: bool | None = None,
    expressions: Sequence[str] | str | None = None,
    confidence: float = 0.95,
    n_resamples: int = 2_000,
    n_permutations: int = 10_000,
    seed: int = 0,
    mixed_settings: bool = False,
) -> pa.Table:
    """Tell of each expression, and of each confidence, how much it rises or falls from day to day, and how sure that is.

    Each recording gives one mean, weighted by newly covered time, and counts the same however many rows it has. Where people
    have recordings of several days, each is compared with itself (one slope for all, people differ in their level), because
    else whoever came later would make a drift. What is drawn and dealt anew are units, never rows. A drift does not say why:
    people may change, and so may room, microphone, settings and model.

    Args:
        frame: A Query, pyarrow, pandas or polars frame with a column an expression; of v1 what `presence` returns.
        unit: The label of what is independent. Where left out a label of people (``participant``) if the frame has one, else the
            recording.
        time: The column that says when the recording was: a time, a date, text as ISO 8601 has it (UTC where it tells no
            zone), or a number of days. Tables of scores do not have it; items do:
            ``lake.sql("SELECT p.*, i.recorded_at FROM prosody_labelled AS p JOIN items AS i USING (item_id)")``.
        within: Whether units are compared with themselves. Found out where left out: if two units or more have several days;
            those of one day are left out then. False takes one mean and one mean day of each unit.
        expressions: Only these, by column or by Hume's name; confidences too by their column. All there are where left out.
        confidence: Of the interval, such as 0.95.
        n_resamples: How often units are drawn anew for the interval.
        n_permutations: How often they are dealt anew for p; where there are no more ways than that, all are tried: p is exact.
        seed: Of what is drawn. The same seed gives the same answer.
        mixed_settings: Take rows that were scored with different settings together: a change of settings is a drift, too.

    Returns:
        A row is one expression (or confidence), by p: ``expression`` (Hume's name), ``column``, ``mean`` (over units),
        ``slope_per_day`` (in scores a day; times the days gives what it adds up to), ``ci_low``, ``ci_high``, ``p_value``
        (two-sided; within units slopes are turned round, between units days are dealt anew), ``q_value`` (Benjamini and
        Hochberg, over all rows), ``n_units``, ``n_recordings``, ``n_days`` (calendar days, UTC), ``n_rows`` that went in,
        ``n_rows_left_out`` (time or unit null, or of units with one day when slopes are within), ``unit``, ``within``,
        ``measure``, ``method``, ``seed``. Where an expression has scores of too few units or days, numbers are null.

    Raises:
        UsageError: No such column; no times, a time that cannot be read, several of one recording; fewer than three days, or
            all on one; fewer than two units that have several days, or than three of which each has one; settings, measures
            or scorings are mixed.

    Examples:
        >>> days, joy = [0, 1, 2, 3, 4, 5], [0.1, 0.15, 0.2, 0.25, 0.3, 0.35]
        >>> frame = pa.table({"recording_id": list("abcdef"), "day": days, "joy": joy})
        >>> row = drift(frame, time="day").to_pylist()[0]
        >>> round(row["slope_per_day"], 3), round(row["p_value"], 4), row["n_units"]
        (0.05, 0.0028, 6)
    """
    if not 0 < confidence < 1:
        raise UsageError(f"confidence is {confidence:g}; it is a share between 0 and 1, such as 0.95.")
    for name, number in (("n_resamples", n_resamples), ("n_permutations", n_permutations)):
        if number < 100:
            raise UsageError(f"{name} is {number}; fewer than 100 say nothing.")
    named: list[str] = []
    sure: list[str] = []

    def labels(schema: pa.Schema) -> list[str]:
        named[:] = [_time_column(schema, time), _unit_column(schema, unit)]
        if named[0] == named[1]:
            raise UsageError(f"time and unit are both {time!r}. A unit has a time; it is not one.")
        sure[:] = [name for name in _CONFIDENCE if name in schema.names and expressions is None]
        return [*named, *sure]

    observations = observe(frame, expressions, labels, apart=lambda _: [named[1]], mixed_settings=mixed_settings)
    columns = (*observations.columns, *sure)
    recordings = _Recordings.of(observations, named[0], named[1], columns)
    is_within = recordings.compares(within, named[1])
    rng = generator(seed)
    found = recordings.drifts(rng, is_within, confidence, n_resamples, n_permutations)
    q_values = false_discovery(np.array([row["p_value"] for row in found]))
    n_rows = observations.table.num_rows
    rows = []
    for column, row, q_value in zip(columns, found, q_values, strict=True):
        row["q_value"] = q_value
        how = f"{row.pop('ways')}; means of recordings {observations.method}"
        row |= {name: None for name in NUMBERS if math.isnan(row[name])}
        name = observations.label(column)
        more = {"unit": named[1], "within": is_within, "measure": observations.measure, "method": how, "seed": seed}
        left_out = n_rows - recordings.n_rows_used(is_within)
        rows.append({"expression": name, "column": column, **row, "n_rows_left_out": left_out, **more})
    rows.sort(key=lambda row: (row["p_value"] is None, row["p_value"], row["column"]))
    return pa.Table.from_pylist(rows, _SCHEMA)


def _time_column(schema: pa.Schema, time: str) -> str:
    if time in schema.names:
        return time
    raise UsageError(
        f'The frame has no column {time!r} that says when recordings were. Items have it: lake.sql("SELECT p.*, i.recorded_at '
        'FROM prosody_labelled AS p JOIN items AS i USING (item_id)"); or name another column of yours: time=...'
    )


def _unit_column(schema: pa.Schema, unit: str | None) -> str:
    if unit is not None:
        return label_column(schema, unit, "to tell independent units by")
    whose = [name for name in schema.names if name.lower() in PERSON_LABELS]
    whose += [name for name in frames.RECORDING_COLUMNS if name in schema.names]
    if not whose:
        raise UsageError("Say what is independent: unit=..., the column that tells people, or recordings, apart.")
    return str(whose[0])


def _days(table: pa.Table, column: str) -> Floats:
    """Return times in days; NaN where there is none."""
    type_ = table.schema.field(column).type
    if pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_):
        return frames.numbers(table, column)
    try:
        values = table.column(column)
        if not (pa.types.is_timestamp(type_) or pa.types.is_date(type_)):
            said = pc.utf8_trim_whitespace(frames.texts(table, column))
            zoned = pc.match_substring_regex(said, r"(Z|[+-]\d\d:?\d\d)$")
            dated = pc.match_substring_regex(said, r"^\d{4}-\d\d-\d\d$")
            values = pc.if_else(pc.or_(zoned, dated), said, pc.binary_join_element_wise(said, "Z", ""))
            values = pc.if_else(dated, pc.binary_join_element_wise(values, "T00:00Z", ""), values)
        since = values.cast(pa.timestamp("us", "UTC"), safe=False).cast(pa.int64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise UsageError(f"Column {column!r} holds no times as ISO 8601 has them, such as 2026-10-01T14:03:00Z.") from error
    return np.asarray(since.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64) / _DAY_US


@dataclass(frozen=True, slots=True)
class _Recordings:
    """What each recording (of each unit) is: whose, when, and the mean of each column; of those that have a time and a unit."""

    unit: Integers
    day: Floats
    means: Floats
    n_rows: Integers
    n_rows_of: Integers

    @staticmethod
    def of(observations: Observations, time: str, unit: str, columns: tuple[str, ...]) -> _Recordings:
        table = observations.table
        if table.num_rows == 0:
            raise UsageError("The frame has no rows, so nothing can drift.")
        day = _days(table, time)
        keys = [name for name in frames.RECORDING_COLUMNS if name in table.column_names]
        number, names = frames.codes(table, [unit, *keys] if keys else [unit, time])
        known = np.isfinite(day) & np.array([each[0] is not None for each in names])[number]
        for at, there in enumerate((np.isfinite(day), np.array([each[0] is not None for each in names])[number])):
            if not there.any():
                more = ": labels come from a manifest" if at else ""
                raise UsageError(f"{(time, unit)[at]} is null in every row{more}.")
        if not known.any():
            raise UsageError(f"No row has both {time} and {unit}.")
        latest = np.full(len(names), -np.inf)
        np.maximum.at(latest, number[known], day[known])
        if (other := np.flatnonzero(known & (day != latest[number]))).size:
            which = " ".join(each for each in names[number[other[0]]][1:] if each is not None)
            raise UsageError(f"{time} is not one time of a recording: that of {which} has several. Pass when it began.")
        whose, _ = frames.codes(pa.table({unit: pa.array([each[0] for each in names], pa.string())}), [unit])
        found = totals(observations, np.where(known, number, -1), len(names), columns)
        there = np.isfinite(latest)
        n_rows_of = np.bincount(number[known], minlength=len(names))
        return _Recordings(whose[there], latest[there], found.means[there], found.n_rows[there], n_rows_of[there])

    def several(self) -> Any:
        """Tell of each recording whether its unit has others on other days."""
        pairs = np.unique(np.column_stack([self.unit, np.floor(self.day)]), axis=0)
        return np.bincount(pairs[:, 0].astype(np.int64), minlength=int(self.unit.max()) + 1)[self.unit] > 1

    def n_rows_used(self, is_within: bool) -> int:
        return int(self.n_rows_of[self.several()].sum() if is_within else self.n_rows_of.sum())

    def compares(self, within: bool | None, unit: str) -> bool:
        """Tell whether units are compared with themselves.

        Raises:
            UsageError: There are too few days or units.
        """
        several = self.several()
        n_days, n_units = len(np.unique(np.floor(self.day))), len(np.unique(self.unit))
        n_several = len(np.unique(self.unit[several]))
        is_within = n_several >= 2 if within is None else within
        if n_days < _FEWEST_DAYS:
            what = "all on one day" if n_days == 1 else f"of {n_days} days"
            raise UsageError(
                f"The {len(self.day)} recordings are {what}: a drift takes {_FEWEST_DAYS} days or more. ha.compare tells how two "
                "days differ."
            )
        if is_within and n_several < 2:
            raise UsageError(
                f"{n_several} of {n_units} units ({unit}) have recordings of several days; comparing units with themselves takes "
                "two or more."
            )
        if not is_within and n_units < _FEWEST_DAYS:
            raise UsageError(
                f"There are {n_units} units ({unit}): what so few do tells nothing of others. It takes {_FEWEST_DAYS} or more; "
                "unit='recording_id' asks about these recordings alone."
            )
        return is_within

    def drifts(
        self, rng: np.random.Generator, is_within: bool, confidence: float, n_resamples: int, n_permutations: int
    ) -> list[dict[str, Any]]:
        """Return the numbers of each column."""
        n_columns = self.means.shape[1]
        found: list[dict[str, Any]] = [{} for _ in range(n_columns)]
        # Columns that the same recordings have scores of are drawn together.
        patterns, pattern = np.unique(np.isfinite(self.means), axis=1, return_inverse=True)
        for at in range(patterns.shape[1]):
            columns, kept = np.flatnonzero(pattern.ravel() == at), patterns[:, at]
            part = _Recordings(self.unit[kept], self.day[kept], self.means[kept], self.n_rows[kept], self.n_rows_of[kept])
            if is_within and kept.any():
                several = part.several()
                part = _Recordings(*(getattr(part, name)[several] for name in part.__slots__))
            unit = np.unique(part.unit, return_inverse=True)[1]
            units = UnitSlopes.of(unit, part.day, part.means[:, columns])
            numbers, ways = units.tested(rng, is_within, confidence, n_resamples, n_permutations)
            counts = {
                "n_units": len(units.days),
                "n_recordings": len(part.day),
                "n_days": len(np.unique(np.floor(part.day))),
            }
            for place, column in enumerate(columns):
                its = {name: float(values[place]) for name, values in numbers.items()}
                found[column] = {**its, **counts, "n_rows": int(part.n_rows[:, column].sum()), "ways": ways}
        return found


_SCHEMA = pa.schema(
    [
        ("expression", pa.string()),
        ("column", pa.string()),
        *((name, pa.float64()) for name in NUMBERS),
        *((name, pa.int64()) for name in ("n_units", "n_recordings", "n_days", "n_rows", "n_rows_left_out")),
        ("unit", pa.string()),
        ("within", pa.bool_()),
        ("measure", pa.string()),
        ("method", pa.string()),
        ("seed", pa.int64()),
    ]
)
