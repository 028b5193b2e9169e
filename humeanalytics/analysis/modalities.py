"""Several frames on one clock: face, voice and words of the same recordings in cells of one grid, by whose they are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa

from humeanalytics.analysis import frames
from humeanalytics.analysis.covered_time import Floats, Integers
from humeanalytics.analysis.grid import Rows, on_grid, rows_in_time, time_columns
from humeanalytics.analysis.observations import PERSON_LABELS, Observations, label_column, observe, unit_column
from humeanalytics.errors import UsageError

#: What has fewer cells in common tells nothing of a correlation.
LEAST_CELLS = 10
_MOST_CELLS = 20_000_000
_RECORDING, _FILE = frames.RECORDING_COLUMNS
_PEOPLE = (*frames.PERSON_COLUMNS, "channel")


@dataclass(frozen=True, slots=True)
class Modality:
    """One modality in cells, by series and time.

    Attributes:
        name: What the user calls it.
        columns: Its expressions.
        labels: What a person calls them.
        series, cell: Of each cell whose it is, and its number on the clock.
        scores: A row a cell, a column an expression; NaN where there is none.
        n_rows: How many rows have a score: a row a series, a column an expression.
    """

    name: str
    columns: tuple[str, ...]
    labels: tuple[str, ...]
    series: Integers
    cell: Integers
    scores: Floats
    n_rows: Integers

    def centred(self, column: str) -> tuple[Floats, Floats]:
        """Return the scores of an expression less the mean of their series, and these means."""
        scores, n_series = self.scores[:, self.columns.index(column)], len(self.n_rows)
        known = np.isfinite(scores)
        counts = np.bincount(self.series[known], minlength=n_series)
        means = np.bincount(self.series[known], scores[known], n_series) / np.maximum(counts, 1)
        return scores - means[self.series], means


@dataclass(frozen=True, slots=True)
class Clock:
    """Modalities on one clock. A series is one person of one recording, as far as all modalities tell people apart.

    Attributes:
        keys: The columns that tell series apart.
        series: Of each series their values.
        unit: Of each series the number of its unit, below ``n_units``.
    """

    modalities: tuple[Modality, ...]
    keys: tuple[str, ...]
    series: list[tuple[str | None, ...]]
    unit: Integers
    n_units: int
    unit_column: str | None
    n_rows_unlabelled: int
    measure: str
    every_s: float

    def pairs(self) -> list[tuple[Modality, Modality, list[str]]]:
        """Return every two modalities, in the order they were named, and the expressions both have.

        Raises:
            UsageError: No two have any expression in common.
        """
        found = []
        for first, second in combinations(self.modalities, 2):
            found.append((first, second, [column for column in first.columns if column in second.columns]))
        if not any(columns for *_, columns in found):
            raise UsageError(f"{self.names} have no expression in common.")
        return found

    @property
    def names(self) -> str:
        return " and ".join(each.name for each in self.modalities)

    def common(self, first: Modality, second: Modality, lag: int = 0, room: int = 0) -> tuple[Integers, Integers]:
        """Return the places of cells of the first and of those of the second that are ``lag`` cells later, side by side.

        Args:
            room: The highest lag there will be, either way.
        """
        if not (len(first.cell) and len(second.cell)):
            nothing = np.zeros(0, np.int64)
            return nothing, nothing
        low = min(int(first.cell.min()), int(second.cell.min()))
        width = max(int(first.cell.max()), int(second.cell.max())) - low + 1 + room
        wanted = first.series * width + (first.cell - low) + lag
        there = second.series * width + (second.cell - low)
        at = np.minimum(np.searchsorted(there, wanted), len(there) - 1)
        here = np.flatnonzero(there[at] == wanted)
        return here, at[here]


def share_clock(
    modalities: Mapping[str, Any],
    expressions: Sequence[str] | str | None,
    *,
    unit: str | None,
    every_s: float,
    mixed_settings: bool,
    mixed_people: bool,
) -> Clock:
    """Put the rows of several frames into cells of one clock, by recording and person.

    Raises:
        UsageError: Fewer than two frames; one lacks a column that is needed; measures or settings are mixed; people that one
            frame tells apart are one to another; or the frames have nothing in common.
    """
    if not isinstance(modalities, Mapping) or len(modalities) < 2:
        raise UsageError(
            "Pass two frames or more by the name of their modality: {'face': lake['face'], 'voice': lake['prosody']}."
        )
    if not (math.isfinite(every_s) and every_s > 0):
        raise UsageError(f"every_s is {every_s:g}; it is a number of seconds above 0.")
    units: dict[str, str | None] = {}
    read = {str(name): _read(str(name), frame, expressions, unit, units, mixed_settings) for name, frame in modalities.items()}
    if len({each.measure for each in read.values()}) > 1:
        shown = ", ".join(f"{name} holds {each.measure}" for name, each in read.items())
        raise UsageError(f"The modalities are of different measures, which do not compare: {shown}.")
    unit = next(iter(units.values()))
    keys = _keys(read, unit)
    texts = [pa.table({key: frames.texts(each.table, key) for key in keys}) for each in read.values()]
    lengths = [each.table.num_rows for each in read.values()]
    number, series = np.zeros(sum(lengths), np.int64), list[tuple[str | None, ...]]([()])
    if keys:
        number, series = frames.codes(pa.concat_tables(texts), keys)
    numbers = dict(zip(read, np.split(number, np.cumsum(lengths)[:-1]), strict=True))
    _check_together(read, numbers)
    for name, each in read.items():
        _check_people(name, each, numbers[name], keys, series, mixed_people=mixed_people)
    names = [each[keys.index(unit)] if unit is not None else "" for each in series]
    labelled = np.array([name is not None for name in names], np.bool_)
    if series and not labelled.any():
        raise UsageError(f"{unit} is null in every row. Labels come from a manifest: score or ingest with --manifest.")
    # By name and not as they come, so that the same seed draws the same units whatever the order of rows.
    place = {name: at for at, name in enumerate(sorted({name for name in names if name is not None}))}
    made = []
    for name, each in read.items():
        part = numbers[name]
        rows = rows_in_time(each.table, each.columns, np.where(labelled[part], part, -1) if len(part) else part)
        made.append(_modality(name, each, rows.take(rows.part >= 0), len(series), every_s))
    return Clock(
        tuple(made),
        tuple(keys),
        series,
        np.array([place.get(name, -1) if name is not None else -1 for name in names], np.int64),
        len(place),
        unit,
        int(sum(np.count_nonzero(~labelled[part]) for part in numbers.values() if len(part))),
        next(iter(read.values())).measure,
        every_s,
    )


def _read(
    name: str,
    frame: Any,
    expressions: Sequence[str] | str | None,
    unit: str | None,
    units: dict[str, str | None],
    mixed_settings: bool,
) -> Observations:
    def labels(schema: pa.Schema) -> list[str]:
        if unit is not None:
            units[name] = label_column(schema, unit, "to tell independent units by")
        else:
            tells = _RECORDING in schema.names or any(each.lower() in PERSON_LABELS for each in schema.names)
            units[name] = unit_column(schema, None) if tells else None
        its = units[name]
        return [*([] if its is None else [its]), *time_columns(schema)]

    try:
        return observe(frame, expressions, labels, mixed_settings=mixed_settings)
    except UsageError as error:
        raise UsageError(f"Of {name}: {error}") from None


def _keys(read: Mapping[str, Observations], unit: str | None) -> list[str]:
    tables = {name: each.table.column_names for name, each in read.items()}
    lacking = [name for name, columns in tables.items() if _RECORDING not in columns]
    if 0 < len(lacking) < len(tables):
        raise UsageError(f"{' and '.join(lacking)} has no recording_id, so nobody can say which rows belong together.")
    shared = [key for key in (_RECORDING, _FILE, *_PEOPLE) if all(key in columns for columns in tables.values())]
    return [*shared, *([] if unit is None or unit in shared else [unit])]


def _check_together(read: Mapping[str, Observations], numbers: Mapping[str, Integers]) -> None:
    if empty := [name for name, each in read.items() if each.table.num_rows == 0]:
        raise UsageError(f"{' and '.join(empty)} has no rows, so there is nothing to hold against it.")
    if not any(len(np.intersect1d(numbers[a], numbers[b])) for a, b in combinations(read, 2)):
        raise UsageError(
            f"{' and '.join(read)} have no recording and person in common. Rows go together by recording_id, file, and "
            "whatever else both tell people apart by."
        )


def _check_people(
    name: str,
    read: Observations,
    number: Integers,
    keys: Sequence[str],
    series: list[tuple[str | None, ...]],
    *,
    mixed_people: bool,
) -> None:
    """Refuse series in which a modality tells apart what the others do not."""
    own = [
        each for each in ((_FILE,) if mixed_people else (_FILE, *_PEOPLE)) if each in read.table.column_names and each not in keys
    ]
    if not own:
        return
    apart, _ = frames.codes(read.table, own)
    pairs = np.unique(number * (int(apart.max(initial=0)) + 1) + apart) // (int(apart.max(initial=0)) + 1)
    several = np.flatnonzero(np.bincount(pairs, minlength=len(series)) > 1)
    if len(several):
        shown = ", ".join(each[:16] for each in series[several[0]] if each) or "the recording"
        hint = "" if _FILE in own[:1] and mixed_people else ", or say mixed_people=True to take their mean"
        raise UsageError(
            f"{name} tells several apart by {' and '.join(own)} in {len(several)} of {len(series)} recordings, such as {shown}; "
            f"the other frames do not say which of them is theirs. Keep one in each, or label both with whose they are "
            f"(unit='participant'){hint}."
        )


def _modality(name: str, read: Observations, rows: Rows, n_series: int, every_s: float) -> Modality:
    counts = np.zeros((n_series, len(read.columns)), np.int64)
    for at in range(len(read.columns)):
        counts[:, at] = np.bincount(rows.part[np.isfinite(rows.column(at))], minlength=n_series)
    cells = on_grid(rows, every_s, _MOST_CELLS)
    number = np.rint(cells.begin_s / every_s).astype(np.int64)
    scores = np.column_stack([cells.column(at) for at in range(cells.n_columns)])
    return Modality(name, read.columns, tuple(map(read.label, read.columns)), cells.part, number, scores, counts)
