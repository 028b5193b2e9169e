"""One row for each person, recording, speaker or chat: the table people take to R."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from humeanalytics.analysis import frames
from humeanalytics.analysis.covered_time import Floats, Integers, covered_by_part
from humeanalytics.analysis.observations import PRESENCE, Observations, label_column, observe
from humeanalytics.analysis.quantiles import quantiles_of_rows, weighted_quantiles
from humeanalytics.errors import UsageError
from humeanalytics.tables.schema import HUME_NAME

_DURATION = "duration_s"
_ORDER = (("begin_s", "end_s"), ("time_s",))
_COLUMNS = ("n_units", "n_rows", "covered_s", "coverage", "method", "seed")


@frames.says_of_what
def summarise(
    source: Any,
    per: str = "participant",
    models: Sequence[str] | str | None = None,
    *,
    expressions: Sequence[str] | str | None = None,
    level: float = 0.5,
    quantiles: Sequence[float] = (0.25, 0.5, 0.75),
    mixed_settings: bool = False,
) -> pa.Table:
    """Return one row for each person, recording, speaker or chat.

    Windows overlap, so rows count by the time they newly cover, within one person of one recording; rows without a time, or
    without a length as faces in frames, count the same each, and among rows with one as the average window does. Of v1, whose
    scores are cut off, there is presence in place of means.

    Args:
        source: A lake; or a Query, pyarrow, polars or pandas frame with a column an expression (of v1 what `presence`
            returns).
        per: ``recording``, ``speaker`` (or face, within a recording), ``chat``, or any label: ``participant``, ``condition``.
        models: Of a lake: ``prosody``, ``face``, ... of v0 or ``audio``, ``video`` of v1, not of both; all that have rows where
            left out. Not for a frame.
        expressions: Only these, by column or by Hume's name.
        level: What a score has to exceed to count for ``_above`` and ``_peaks``.
        quantiles: Shares between 0 and 1.
        mixed_settings: Take rows that were scored with different settings together. A Query asks its
            lake, and a column ``settings_id`` tells; other frames do not say.

    Returns:
        A row is one value of ``per``, in order, null last (rows without the label). First what ``per`` stands for; then
        ``n_units`` (recordings), ``n_rows``, ``covered_s`` (seconds of the recordings that the rows cover, counted once; of
        frames their number by the usual step; null without times), ``coverage`` (its share of the recordings' length, where that
        is known: 0 to 1); then for each expression, named by its column, ``_mean``, ``_sd`` (by which the row's own scores lie
        apart, weighted as the mean and not corrected for being few; null of a single one), ``_q25``, ``_q50``, ``_q75`` (the
        score at or below which so much of the time lies), ``_above`` (share of the time above ``level``) and ``_peaks`` (how
        many separate stretches are above it: rows one after the other in time; of rows of one person at one time any); of v1
        ``_presence`` (share of the time in which it was above its cutoff) and ``_peaks`` (stretches of that). Last ``method``
        and ``seed`` (null: nothing is drawn). Null where there is no score. Of several models all but the first columns have the
        model before: ``face_joy_mean``.

    Raises:
        UsageError: No such column, model or expression; no rows at all, or none with the label; v0 and v1, several settings or
            several scorings of one recording together.

    Examples:
        >>> frame = pa.table({"participant": ["P1", "P1"], "begin_s": [0.0, 1.0], "end_s": [4.0, 5.0], "joy": [0.0, 1.0]})
        >>> summarise(frame).select(["participant", "n_rows", "covered_s", "joy_mean", "joy_above"]).to_pylist()
        [{'participant': 'P1', 'n_rows': 2, 'covered_s': 5.0, 'joy_mean': 0.2, 'joy_above': 0.2}]
    """
    shares = _checked(level, quantiles)

    def summary(frame: Any, *, checked: bool) -> pa.Table:
        observations, keys = _observed(frame, per, expressions, mixed_settings=mixed_settings or checked)
        return _Summary(observations, keys, per, level, shares).table()

    if not hasattr(source, "labelled"):
        if models is not None:
            raise UsageError("models is for lakes: a frame has the rows of one. Leave it out, or pass the lake.")
        return summary(source, checked=False)
    from humeanalytics.analysis.lake_scores import chosen_models, scores_of

    chosen = chosen_models(source, [models] if isinstance(models, str) else models)
    found = {
        model: summary(scores_of(source, model, _keys_of(per), mixed_settings=mixed_settings), checked=True) for model in chosen
    }
    return next(iter(found.values())) if len(found) == 1 else _side_by_side(found)


def _checked(level: float, quantiles: Sequence[float]) -> list[float]:
    if not math.isfinite(level):
        raise UsageError(f"level is {level}; it is a score, such as 0.5.")
    if wrong := [share for share in quantiles if not 0 < share < 1]:
        raise UsageError(f"A quantile is a share between 0 and 1, such as 0.25, not {wrong[0]:g}.")
    return sorted(set(quantiles))


def _keys_of(per: str) -> Callable[[pa.Schema], list[str]]:
    """Return which columns say what a row of the answer is, given a schema."""

    def keys(schema: pa.Schema) -> list[str]:
        recording = [name for name in frames.RECORDING_COLUMNS if name in schema.names]
        if per in schema.names:
            return [per]
        if per == "recording" and recording:
            return recording
        if per == "speaker" and (person := frames.person_column(schema)) is not None:
            return [*recording, person]
        if per == "chat" and "chat_id" in schema.names:
            return ["chat_id"]
        return [label_column(schema, per, "to summarise by (nor is it recording, speaker or chat of a frame that tells them)")]

    return keys


def _observed(frame: Any, per: str, expressions: Any, *, mixed_settings: bool) -> tuple[Observations, list[str]]:
    named: list[str] = []

    def labels(schema: pa.Schema) -> list[str]:
        named[:] = _keys_of(per)(schema)
        more = ("time_s", _DURATION)
        return [*named, *(name for name in more if name in schema.names and name not in named)]

    observations = observe(frame, expressions, labels, apart=lambda _: named, mixed_settings=mixed_settings)
    if observations.table.num_rows == 0:
        raise UsageError("The frame has no rows, so there is nothing to summarise.")
    if all(observations.table[name].null_count == observations.table.num_rows for name in named):
        raise UsageError(
            f"{' and '.join(named)} is null in every row. Labels come from a manifest: score or ingest with --manifest."
        )
    return observations, named


@dataclass(frozen=True, slots=True)
class _Summary:
    """A summary in the making: rows of one model, and what a row of the answer is."""

    observations: Observations
    keys: list[str]
    per: str
    level: float
    quantiles: list[float]

    def table(self) -> pa.Table:
        rows = self.observations.table
        number, groups = frames.codes(rows, self.keys)
        order = sorted(range(len(groups)), key=lambda at: [(each is None, each or "") for each in groups[at]])
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        group, n_groups = place[number], len(groups)
        columns: dict[str, Any] = {
            name: pa.array([groups[at][i] for at in order], pa.string()) for i, name in enumerate(self.keys)
        }
        frames.check_free(self.keys, _COLUMNS)
        columns |= self._coverage(group, n_groups)
        runs = _Runs.of(rows, group)
        together = None if (np.diff(group) >= 0).all() else np.argsort(group, kind="stable")
        fields = {}
        for column in self.observations.columns:
            scores = self.observations.scores(column)
            for suffix, values in self._numbers(scores, group, n_groups, runs, together).items():
                frames.check_free([name := f"{column}_{suffix}"], columns)
                columns[name] = values
                fields[name] = self.observations.label(column)
        columns["method"] = pa.array([self._method()] * n_groups)
        columns["seed"] = pa.nulls(n_groups, pa.int64())
        arrays = {
            name: each if isinstance(each, pa.Array) else pa.array(each, from_pandas=True) for name, each in columns.items()
        }
        meta = {name: {HUME_NAME: label.encode()} for name, label in fields.items()}
        return pa.table(
            list(arrays.values()),
            schema=pa.schema([pa.field(name, each.type, metadata=meta.get(name)) for name, each in arrays.items()]),
        )

    def _method(self) -> str:
        if self.observations.measure == PRESENCE:
            return f"share above the cutoff, {self.observations.method}"
        return f"{self.observations.method}; level {self.level:g}"

    def _coverage(self, group: Integers, n_groups: int) -> dict[str, Any]:
        rows = self.observations.table
        keys = [name for name in frames.RECORDING_COLUMNS if name in rows.column_names]
        recording, _ = frames.codes(rows, keys)
        part = group * (int(recording.max(initial=0)) + 1) + recording
        pairs, first, part = np.unique(part, return_index=True, return_inverse=True)
        found: dict[str, Any] = {
            "n_units": np.bincount(group[first], minlength=n_groups) if keys else pa.nulls(n_groups, pa.int64()),
            "n_rows": np.bincount(group, minlength=n_groups),
        }
        times = next((names for names in _ORDER if all(name in rows.column_names for name in names)), None)
        covered = np.full(n_groups, np.nan)
        if times is not None:
            spans = [frames.numbers(rows, name) for name in (times[0], times[-1])]
            of_part = covered_by_part(spans[0], spans[1], part, len(pairs))
            known = np.bincount(group, np.isfinite(spans[0]) & np.isfinite(spans[1]), n_groups) > 0
            covered = np.where(known, np.bincount(group[first], of_part, n_groups), np.nan)
        found["covered_s"] = covered
        if _DURATION in rows.column_names and keys:
            length = np.bincount(group[first], frames.numbers(rows, _DURATION)[first], n_groups)
            share = np.divide(covered, length, out=np.full(n_groups, np.nan), where=length > 0)
            found["coverage"] = np.minimum(share, 1.0)  # windows may reach beyond the end, and steps of frames too
        return found

    def _numbers(self, scores: Floats, group: Integers, n_groups: int, runs: _Runs, together: Integers | None) -> dict[str, Any]:
        """Return the numbers of an expression; ``together`` are the rows group by group, None if they stand so."""
        its, its_group, its_weight = scores, group, self.observations.weight
        if together is not None:
            its, its_group = its[together], its_group[together]
            its_weight = None if its_weight is None else its_weight[together]
        if not (known := np.isfinite(its)).all():
            its, its_group = its[known], its_group[known]
            its_weight = None if its_weight is None else its_weight[known]
        # Rows of a group stand together: their sums are many times faster than counting them into bins.
        first = np.flatnonzero(np.diff(its_group, prepend=-1))

        def sum_of(values: Any) -> Floats:
            sums = np.zeros(n_groups)
            if len(first):
                sums[its_group[first]] = np.add.reduceat(values.astype(np.float64, copy=False), first)
            return sums

        sizes = np.zeros(n_groups)
        sizes[its_group[first]] = np.diff(first, append=len(its))
        total = sizes if its_weight is None else sum_of(its_weight)
        # A recording of which only windows have a score that others cover wholly: those count the same.
        if its_weight is not None and (total == 0).any():
            its_weight = np.where((total == 0)[its_group], 1.0, its_weight)
            total = sum_of(its_weight)

        def mean_of(values: Any) -> Floats:
            sums = sum_of(values if its_weight is None else its_weight * values)
            return np.asarray(np.divide(sums, total, out=np.full(n_groups, np.nan), where=total > 0))

        mean = mean_of(its)
        if self.observations.measure == PRESENCE:
            return {"presence": mean, "peaks": runs.count(scores > 0, n_groups)}
        spread = np.sqrt(mean_of((its - mean[its_group]) ** 2))
        counted = sizes if its_weight is None else sum_of(its_weight > 0)
        spread[counted < 2] = np.nan  # one score says nothing of how much they vary
        found = {"mean": mean, "sd": spread}
        if its_weight is None:
            found |= quantiles_of_rows(its, its_group, n_groups, self.quantiles)
        else:
            found |= weighted_quantiles(its, its_group, its_weight, total, self.quantiles)
        found |= {"above": mean_of(its > self.level), "peaks": runs.count(scores > self.level, n_groups)}
        return found


@dataclass(frozen=True, slots=True)
class _Runs:
    """Moments in the order of time, each of the rows of a person of a recording that are at one time.

    Attributes:
        order: Rows, moment by moment; ``starts`` where in it each moment starts, None where each is one row.
        first, group: Of each moment whether it is the first of its person, and whose it is.
    """

    order: Integers
    starts: Integers | None
    first: np.ndarray[Any, np.dtype[np.bool_]]
    group: Integers

    @staticmethod
    def of(rows: pa.Table, group: Integers) -> _Runs:
        keys = [n for n in (*frames.RECORDING_COLUMNS, *frames.PERSON_COLUMNS, "channel") if n in rows.column_names]
        part, _ = frames.codes(rows, keys)
        times = next((names for names in _ORDER if all(name in rows.column_names for name in names)), ())
        at = [frames.numbers(rows, name) for name in times]
        order = np.lexsort((*reversed(at), part, group))
        new = (np.diff(part[order], prepend=-1) != 0) | (np.diff(group[order], prepend=-1) != 0)
        later = np.ones(len(order), np.bool_)
        if at:  # rows without a time, like those of a frame without, come one after the other
            later = np.any([each[order] != np.roll(each[order], 1) for each in at], axis=0) | new
        if later.all():
            return _Runs(order, None, new, group[order])
        starts = np.flatnonzero(later)
        return _Runs(order, starts, new[starts], group[order][starts])

    def count(self, above: np.ndarray[Any, Any], n_groups: int) -> Integers:
        """Return for each group how often moments begin to be above, or are from the first: any row of them is."""
        here = above[self.order]
        here = here if self.starts is None else np.logical_or.reduceat(here, self.starts)
        before = np.concatenate(([False], here[:-1])) & ~self.first
        return np.bincount(self.group, here & ~before, n_groups).astype(np.int64)


def _side_by_side(found: Mapping[str, pa.Table]) -> pa.Table:
    """Join summaries of several models: a row for each that any of them has."""
    keys = {model: table.column_names[: table.column_names.index("n_units")] for model, table in found.items()}
    names = next(iter(keys.values()))
    if any(each != names for each in keys.values()):
        raise UsageError(f"{' and '.join(found)} tell people apart by different columns. Summarise one model at a time.")
    all_keys = pa.concat_tables([table.select(names) for table in found.values()])
    number, groups = frames.codes(all_keys, names)
    order = sorted(range(len(groups)), key=lambda at: [(each is None, each or "") for each in groups[at]])
    arrays = {name: pa.array([groups[at][i] for at in order], pa.string()) for i, name in enumerate(names)}
    fields, at = [pa.field(name, pa.string()) for name in names], 0
    for model, table in found.items():
        row_of = np.full(len(groups), -1)
        row_of[number[at : at + table.num_rows]] = np.arange(table.num_rows)
        at += table.num_rows
        rows = pa.array(row_of[order], mask=row_of[order] < 0)
        for field in table.schema:
            if field.name not in names:
                arrays[f"{model}_{field.name}"] = table[field.name].combine_chunks().take(rows)
                fields.append(field.with_name(f"{model}_{field.name}"))
    return pa.Table.from_arrays(list(arrays.values()), schema=pa.schema(fields))
