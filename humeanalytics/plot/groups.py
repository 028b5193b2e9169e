"""The groups of a frame, and the means of each as the analyses take them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from posixpath import basename
from typing import Any

import numpy as np
import pyarrow as pa

from humeanalytics.analysis import frames
from humeanalytics.analysis.covered_time import Floats, Integers
from humeanalytics.analysis.observations import PERSON_LABELS, Observations, label_column, observe
from humeanalytics.analysis.units import totals
from humeanalytics.errors import UsageError

NOBODY = "(none)"
_SHORT_ID = 10


@dataclass(frozen=True, slots=True)
class Groups:
    """Rows and their groups.

    Attributes:
        of: Of each row the number of its group.
        names: Of each group, in order; one that rows without the label make up comes last.
        unit: The column that tells independent units apart; None where the frame has none.
        cell_group: Of each unit of each group, the group.
        cell_means: A unit of a group a row, an expression a column: the mean of its scores; NaN where it has none.
        n_unlabelled: Rows that are left out because they have no unit.
    """

    observations: Observations
    of: Integers
    names: list[str]
    unit: str | None
    cell_group: Integers
    cell_means: Floats
    n_unlabelled: int

    @property
    def columns(self) -> tuple[str, ...]:
        return self.observations.columns

    @property
    def labels(self) -> list[str]:
        """What a person calls the expressions."""
        return [self.observations.label(column) for column in self.columns]

    @property
    def n_rows(self) -> Integers:
        return np.bincount(self.of, minlength=len(self.names))

    @property
    def n_units(self) -> Integers:
        """How many units of each group have any score."""
        scored = np.isfinite(self.cell_means).any(axis=1)
        return np.bincount(self.cell_group[scored], minlength=len(self.names))

    def means(self) -> Floats:
        """Return the means of all rows, a row a group and a column an expression, weighted as rows are."""
        return totals(self.observations, self.of, len(self.names)).means

    def means_of_units(self) -> Floats:
        """Return means to which each unit of a group gives one value."""
        known = np.isfinite(self.cell_means)
        sums, counts = (np.zeros((len(self.names), len(self.columns))) for _ in range(2))
        np.add.at(sums, self.cell_group, np.where(known, self.cell_means, 0.0))
        np.add.at(counts, self.cell_group, known)
        return np.asarray(np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0))


def grouped(
    frame: Any,
    expressions: Sequence[str] | str | None,
    by: str | None,
    unit: str | None,
    *,
    find_unit: bool = False,
    mixed_settings: bool = False,
) -> Groups:
    """Read a frame by groups: the values of a column, or ``recording`` or ``speaker``; all rows are one where ``by`` is None.

    Rows without a unit are left out, where there is one: ``unit``, or with ``find_unit`` the label of people that the frame has.

    Raises:
        UsageError: No rows, no such column, or what must not be taken together.
    """
    keys: list[str] = []
    units: list[str] = []

    def labels(schema: pa.Schema) -> list[str]:
        keys[:] = _keys_of(schema, by)
        found = _unit_of(schema) if find_unit else []
        units[:] = found if unit is None else [label_column(schema, unit, "to tell independent units by")]
        return [*keys, *units]

    observations = observe(frame, expressions, labels, mixed_settings=mixed_settings)
    if observations.table.num_rows == 0:
        raise UsageError("Nothing to draw: the frame has no rows.")
    n_unlabelled = 0
    if units:
        its_unit, known = frames.codes(observations.table, units)
        labelled = np.array([each is not None for (each,) in known])[its_unit]
        n_unlabelled = int(np.count_nonzero(~labelled))
        if n_unlabelled == len(labelled) and unit is not None:
            raise UsageError(f"{unit} is null in every row. Labels come from a manifest: score or ingest with --manifest.")
        if n_unlabelled == len(labelled):
            units, n_unlabelled = [], 0
        elif n_unlabelled:
            observations = observations.take(np.flatnonzero(labelled))
    number, found = frames.codes(observations.table, keys)
    order = sorted(range(len(found)), key=lambda at: [(each is None, natural(each or "")) for each in found[at]])
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    cell, cells = frames.codes(observations.table, [*keys, *units])
    place_of = {found[at]: int(place[at]) for at in range(len(found))}
    cell_means = totals(observations, cell, len(cells)).means if units else np.zeros((0, len(observations.columns)))
    cell_group = np.array([place_of[each[: len(keys)]] for each in cells] if units else [], np.int64)
    names = _names([found[at] for at in order], keys)
    return Groups(observations, place[number], names, units[0] if units else None, cell_group, cell_means, n_unlabelled)


def natural(name: str) -> list[tuple[bool, int, str]]:
    """Return what to sort a name by so that 2 comes before 10.

    >>> sorted(["day 10", "day 2"], key=natural)
    ['day 2', 'day 10']
    """
    parts = re.split(r"([0-9]+)", name)
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]


def _keys_of(schema: pa.Schema, by: str | None) -> list[str]:
    recording = [name for name in frames.RECORDING_COLUMNS if name in schema.names]
    if by is None:
        return []
    if by not in schema.names and by == "recording" and recording:
        return recording
    if by not in schema.names and by == "speaker" and (person := frames.person_column(schema)) is not None:
        return [*recording, person]
    return [label_column(schema, by, "to group by")]


def _unit_of(schema: pa.Schema) -> list[str]:
    whose = [name for name in schema.names if name.lower() in PERSON_LABELS]
    return (whose or [name for name in schema.names if name == "recording_id"])[:1]


def _names(groups: Sequence[tuple[str | None, ...]], keys: Sequence[str]) -> list[str]:
    """Return names as short as they may be while they tell groups apart."""
    if not keys:
        return [""]
    short = [" ".join(_short(value, key, keys) for value, key in zip(group, keys, strict=True)).strip() for group in groups]
    if len(set(short)) == len(short):
        return short
    return [" ".join(value or NOBODY for value in group) for group in groups]


def _short(value: str | None, key: str, keys: Sequence[str]) -> str:
    if key == "recording_id" and "file" in keys:
        return ""
    if key == "recording_id" and value is not None:
        return value[:_SHORT_ID]
    return NOBODY if value is None else basename(value) if key == "file" else value


def plural(word: str) -> str:
    """Return what several of a kind of unit are called.

    >>> plural("participant"), plural("recording_id"), plural("dyad_id")
    ('participants', 'recordings', 'dyads')
    """
    return word.removesuffix("_id").replace("_", " ") + "s"


def counted(count: int, word: str) -> str:
    """Return a number of units in words: ``1 participant``, ``12 participants``."""
    return f"{count:,} {plural(word)[:-1] if count == 1 else plural(word)}"
