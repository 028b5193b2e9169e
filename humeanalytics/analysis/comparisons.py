"""How groups differ: conditions, speakers, before and after; with an interval and a test that know what is independent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa

from humeanalytics.analysis import frames
from humeanalytics.analysis.covered_time import Floats, Integers
from humeanalytics.analysis.observations import Observations, label_column, observe, unit_column
from humeanalytics.analysis.units import (
    Totals,
    false_discovery,
    generator,
    interval_of_mean,
    p_of_groups,
    p_of_pairs,
    resampled_means,
    standardised,
    totals,
    welch_freedom,
)
from humeanalytics.errors import UsageError

_MOST_GROUPS = 8
_METHOD = "percentile interval of resampled units, widened for few units as t is"
_NUMBERS = ("mean_a", "mean_b", "difference", "ci_low", "ci_high", "effect_size", "p_value", "q_value")
_COUNTS = ("n_units", "n_units_a", "n_units_b", "n_rows", "n_rows_unlabelled")


@frames.says_of_what
def compare(
    frame: Any,
    by: str,
    unit: str | None = None,
    *,
    groups: Sequence[str] | None = None,
    expressions: Sequence[str] | str | None = None,
    paired: bool | None = None,
    confidence: float = 0.95,
    n_resamples: int = 2_000,
    n_permutations: int = 10_000,
    seed: int = 0,
    mixed_settings: bool = False,
) -> pa.Table:
    """Compare groups: how much each expression differs, how sure that is, and how often chance alone does as much.

    Each unit (a person, mostly) gives one mean a group, weighted by newly covered time; all units count the same, however long
    they spoke. Interval and p are of units drawn and dealt anew, never rows: rows of one person are alike, and taking them
    for independent finds effects that are not there.

    Args:
        frame: A Query, pyarrow, pandas or polars frame with a column an expression; of v1 what `presence` returns.
        by: The label whose values are the groups: condition, speaker_id, phase. Of more than two, every pair is compared.
        unit: The label of what is independent, such as ``participant``. May be left out where the frame has no label of people:
            then it is the recording.
        groups: Only these values of ``by``, in this order: ``("before", "after")`` gives after minus before.
        expressions: Only these, by column or by Hume's name.
        paired: Whether the same units are in both groups, so that each is compared with itself. Found out where left out; if
            only some units are in both, it has to be said: True leaves out all others.
        confidence: Of the interval, such as 0.95.
        n_resamples: How often units are drawn anew for the interval.
        n_permutations: How often they are dealt anew for p; where there are no more ways than that, all are tried: p is exact.
        seed: Of what is drawn. The same seed gives the same answer.
        mixed_settings: Take rows that were scored with different settings together. A Query asks its
            lake, and a column ``settings_id`` tells; other frames do not say.

    Returns:
        A row is one expression and one pair of groups, by pair, then p: ``expression`` (Hume's name), ``column``, ``group_a``,
        ``group_b``, ``mean_a``, ``mean_b`` (over units), ``difference`` (b minus a, on the scale of the scores, or of presence),
        ``ci_low``, ``ci_high`` (of the difference), ``effect_size`` (Hedges' g; of pairs the mean difference by its own standard
        deviation, corrected likewise; null where nothing varies), ``p_value`` (two-sided), ``q_value`` (Benjamini and Hochberg,
        over all rows of the answer), ``n_units``, ``n_units_a``, ``n_units_b``, ``n_rows`` that went in, ``n_rows_unlabelled``
        that did not because their group or unit is null, ``unit``, ``paired``, ``measure``, ``method``, ``seed``. Where an
        expression has scores of fewer than two units in a group, interval, effect size, p and q are null.

    Raises:
        UsageError: No such column or group; ``unit`` is left out though the frame says whose rows are; fewer than two groups, or
            fewer than two units in one; some units are in both groups and ``paired`` does not say what to do; scores that
            must not be mixed are.

    Examples:
        >>> scores = [0.1, 0.2, 0.1, 0.2, 0.6, 0.7, 0.8, 0.7]
        >>> frame = pa.table({"who": list("abcdefgh"), "group": ["x"] * 4 + ["y"] * 4, "joy": scores})
        >>> answer = compare(frame, "group", "who").select(["difference", "p_value", "n_units"]).to_pylist()[0]
        >>> round(answer["difference"], 3), round(answer["p_value"], 4), answer["n_units"]
        (0.55, 0.0286, 8)
    """
    _check_numbers(confidence, n_resamples, n_permutations)
    named: list[str] = []

    def labels(schema: pa.Schema) -> list[str]:
        named[:] = [label_column(schema, by, "to compare"), unit_column(schema, unit)]
        if named[0] == named[1]:
            raise UsageError(f"by and unit are both {by!r}. A group is made of several units: say unit=..., whose rows they are.")
        return named

    observations = observe(frame, expressions, labels, mixed_settings=mixed_settings)
    cells = _cells(observations, by, named[1], groups)
    if not cells.totals.n_rows.any():
        raise UsageError(f"No row that has {by} and {named[1]} has a score of {', '.join(observations.columns[:4])}.")
    rng = generator(seed)
    kind = {True: "paired", False: "independent"}
    rows: list[dict[str, Any]] = []
    for a, b in combinations(range(len(cells.groups)), 2):
        is_paired = _is_paired(cells, a, b, paired, named[1])
        pair = _Pair(*cells.means(a), *cells.means(b), is_paired, confidence, n_resamples, n_permutations)
        compared, methods = pair.compared(rng)
        rows += sorted(
            (
                {
                    "expression": observations.label(column),
                    "column": column,
                    "group_a": cells.groups[a],
                    "group_b": cells.groups[b],
                    **{name: values[at] for name, values in compared.items()},
                    "n_rows_unlabelled": cells.n_rows_unlabelled,
                    "unit": named[1],
                    "paired": is_paired,
                    "measure": observations.measure,
                    "method": f"{kind[is_paired]} units; within a unit {observations.method}; {methods[at]}",
                    "seed": seed,
                }
                for at, column in enumerate(observations.columns)
            ),
            key=_by_p,
        )
    q_values = false_discovery(np.array([row["p_value"] for row in rows]))
    for row, q_value in zip(rows, q_values, strict=True):
        row["q_value"] = q_value
        row.update({name: None for name in _NUMBERS if math.isnan(row[name])})
    return pa.Table.from_pylist(rows, _SCHEMA)


def _check_numbers(confidence: float, n_resamples: int, n_permutations: int) -> None:
    if not 0 < confidence < 1:
        raise UsageError(f"confidence is {confidence:g}; it is a share between 0 and 1, such as 0.95.")
    for name, number, least in (("n_resamples", n_resamples, 100), ("n_permutations", n_permutations, 100)):
        if number < least:
            raise UsageError(f"{name} is {number}; fewer than {least} say nothing.")


def _by_p(row: dict[str, Any]) -> tuple[bool, float, float, str]:
    effect = row["effect_size"]
    return math.isnan(row["p_value"]), row["p_value"], 0.0 if math.isnan(effect) else -abs(effect), row["column"]


@dataclass(frozen=True, slots=True)
class _Cells:
    """What each unit did in each group: a cell is a unit in a group; ``of`` and ``unit`` say which, ``totals`` its scores."""

    groups: list[str]
    of: Integers
    unit: Integers
    n_units: int
    totals: Totals
    n_rows_unlabelled: int

    def means(self, group: int) -> tuple[Floats, Integers]:
        """Return mean and number of rows of all units in a group, a row a unit; NaN and 0 of those that are not in it."""
        here = self.of == group
        found = np.full((self.n_units, self.totals.sums.shape[1]), np.nan)
        n_rows = np.zeros(found.shape, np.int64)
        found[self.unit[here]], n_rows[self.unit[here]] = self.totals.means[here], self.totals.n_rows[here]
        return found, n_rows

    def units(self, group: int) -> Integers:
        return np.asarray(self.unit[self.of == group])


def _cells(observations: Observations, by: str, unit: str, groups: Sequence[str] | None) -> _Cells:
    if observations.table.num_rows == 0:
        raise UsageError("The frame has no rows, so there is nothing to compare.")
    number, pairs = frames.codes(observations.table, [by, unit])
    labelled = np.array([group is not None and who is not None for group, who in pairs])
    for at, name in enumerate((by, unit)):
        if all(pair[at] is None for pair in pairs):
            raise UsageError(f"{name} is null in every row. Labels come from a manifest: score or ingest with --manifest.")
    if not labelled.any():
        raise UsageError(
            f"No row has both {by} and {unit}. Rows of one are without the other; label them, or choose another unit."
        )
    there = sorted({str(group) for group, who in pairs if group is not None and who is not None})
    chosen = there if groups is None else [str(group) for group in groups]
    if missing := [group for group in chosen if group not in there]:
        raise UsageError(f"{by} is nowhere {missing[0]!r} (in rows that have a {unit}). It is: {', '.join(there[:20])}.")
    if len(chosen) < 2 or len(set(chosen)) < len(chosen):
        raise UsageError(f"Comparing takes two different groups or more; of {by} there is {', '.join(map(repr, chosen))}.")
    if len(chosen) > _MOST_GROUPS:
        raise UsageError(
            f"{by} has {len(chosen)} values; name at most {_MOST_GROUPS} of them: groups=({chosen[0]!r}, {chosen[1]!r})."
        )
    # By name and not as they come, so that the same seed draws the same units whatever the order of rows.
    names = sorted({str(who) for (_, who), known in zip(pairs, labelled, strict=True) if known})
    place_of_unit, place_of_group = {name: at for at, name in enumerate(names)}, {name: at for at, name in enumerate(chosen)}
    kept = [at for at, (group, _) in enumerate(pairs) if labelled[at] and group in place_of_group]
    cell_of = np.full(len(pairs), -1)
    cell_of[kept] = np.arange(len(kept))
    return _Cells(
        chosen,
        np.array([place_of_group[str(pairs[at][0])] for at in kept]),
        np.array([place_of_unit[str(pairs[at][1])] for at in kept]),
        len(names),
        totals(observations, cell_of[number], len(kept)),
        int(np.count_nonzero(~labelled[number])),
    )


def _is_paired(cells: _Cells, a: int, b: int, paired: bool | None, unit: str) -> bool:
    of_a, of_b = set(cells.units(a).tolist()), set(cells.units(b).tolist())
    both, names = of_a & of_b, f"{cells.groups[a]!r} and {cells.groups[b]!r}"
    if paired is None and both and of_a != of_b:
        raise UsageError(
            f"{len(both)} of {len(of_a | of_b)} units ({unit}) are in both {names}, the others in one. Say paired=True to "
            "compare those in both with themselves and leave out the others, or choose the units so that none is in both."
        )
    if paired is False and both:
        raise UsageError(
            f"{len(both)} units ({unit}) are in both {names}, so the groups are not independent. Leave out paired=False."
        )
    if paired or both:
        if len(both) < 2:
            raise UsageError(f"{len(both)} units ({unit}) are in both {names}; comparing pairs takes two or more.")
        return True
    for group, units in ((a, of_a), (b, of_b)):
        if len(units) < 2:
            raise UsageError(
                f"{cells.groups[group]!r} has {len(units)} unit ({unit}): what one does tells nothing of a group. It takes two "
                "or more; if they are recordings of one person, nothing can be said of people."
            )
    return False


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two groups: means and rows of all units, a row a unit and a column an expression; NaN and 0 where a unit has none."""

    first: Floats
    rows_of_first: Integers
    second: Floats
    rows_of_second: Integers
    is_paired: bool
    confidence: float
    n_resamples: int
    n_permutations: int

    def compared(self, rng: np.random.Generator) -> tuple[dict[str, list[Any]], list[str]]:
        """Return each number of the answer, and how p came about, a value an expression."""
        known_a, known_b = ~np.isnan(self.first), ~np.isnan(self.second)
        if self.is_paired:
            known_a = known_b = known_a & known_b
        n_columns = self.first.shape[1]
        found = {name: np.full(n_columns, np.nan) for name in _NUMBERS}
        methods = [_METHOD] * n_columns
        # Expressions that the same units have scores of are drawn together.
        patterns, pattern = np.unique(np.vstack([known_a, known_b]), axis=1, return_inverse=True)
        for at in range(patterns.shape[1]):
            columns = np.flatnonzero(pattern.ravel() == at)
            a = self.first[patterns[: len(self.first), at]][:, columns]
            b = self.second[patterns[len(self.first) :, at]][:, columns]
            if len(a):
                found["mean_a"][columns] = a.mean(axis=0)
            if len(b):
                found["mean_b"][columns] = b.mean(axis=0)
            found["difference"][columns] = found["mean_b"][columns] - found["mean_a"][columns]
            if min(len(a), len(b)) < 2:
                continue
            low_high, effect, (p, exact) = self._paired(rng, b - a) if self.is_paired else self._apart(rng, a, b)
            found["ci_low"][columns], found["ci_high"][columns] = low_high
            found["effect_size"][columns], found["p_value"][columns] = effect, p
            ways = "all permutations of units" if exact else f"{self.n_permutations:,} permutations of units"
            for column in columns:
                methods[column] = f"{_METHOD} ({self.n_resamples:,}); {ways}"
        n_a, n_b = known_a.sum(axis=0), known_b.sum(axis=0)
        n_rows = (self.rows_of_first * known_a).sum(axis=0) + (self.rows_of_second * known_b).sum(axis=0)
        counts = {"n_rows": n_rows, "n_units": n_a if self.is_paired else n_a + n_b, "n_units_a": n_a, "n_units_b": n_b}
        return {name: values.tolist() for name, values in {**found, **counts}.items()}, methods

    def _apart(self, rng: np.random.Generator, a: Floats, b: Floats) -> tuple[Any, Any, Any]:
        draws = resampled_means(rng, b, self.n_resamples) - resampled_means(rng, a, self.n_resamples)
        freedom = len(a) + len(b) - 2
        of_a, of_b = a.var(axis=0, ddof=1), b.var(axis=0, ddof=1)
        spread = np.sqrt(((len(a) - 1) * of_a + (len(b) - 1) * of_b) / freedom)
        difference = b.mean(axis=0) - a.mean(axis=0)
        effect = standardised(difference, spread, freedom)
        low_high = interval_of_mean(
            draws, self.confidence, difference, welch_freedom(of_a / len(a), of_b / len(b), len(a), len(b))
        )
        return low_high, effect, p_of_groups(rng, a, b, self.n_permutations)

    def _paired(self, rng: np.random.Generator, differences: Floats) -> tuple[Any, Any, Any]:
        draws = resampled_means(rng, differences, self.n_resamples)
        effect = standardised(differences.mean(axis=0), differences.std(axis=0, ddof=1), len(differences) - 1)
        low_high = interval_of_mean(draws, self.confidence, differences.mean(axis=0), len(differences) - 1)
        return low_high, effect, p_of_pairs(rng, differences, self.n_permutations)


_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("expression", "column", "group_a", "group_b")),
        *((name, pa.float64()) for name in _NUMBERS),
        *((name, pa.int64()) for name in _COUNTS),
        ("unit", pa.string()),
        ("paired", pa.bool_()),
        ("measure", pa.string()),
        ("method", pa.string()),
        ("seed", pa.int64()),
    ]
)
