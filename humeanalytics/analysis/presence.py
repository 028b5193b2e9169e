"""What v1 tells, as something that may be averaged: whether a name was above its cutoff, in every window that was measured."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from humeanalytics import vocabulary
from humeanalytics.analysis import frames
from humeanalytics.analysis.observations import MEASURE, PRESENCE, check_one_settings
from humeanalytics.errors import UsageError
from humeanalytics.lake.frames import to_arrow
from humeanalytics.tables.schema import HUME_NAME

_PLACES = (("measurement_id",), ("frame_id", "face"))
_KEYS = ("recording_id", "scoring_id")
_ADDED = (MEASURE, "n_units", "n_rows", "method", "seed")
_COUNTS = ("expressions", "voice_attributes", "descriptions")


@frames.says_of_what
def presence(scores: Any, measured: Any, *, kind: str = "expression", mixed_settings: bool = False) -> pa.Table:
    """Return the windows, or faces, that v1 measured, and for each name whether it was above its cutoff there.

    v1 tells names above a cutoff only, so a mean of its probabilities is far too high, and a window without any name has no row
    among the scores. The mean of what this returns, weighted by newly covered time, is the *presence* of a name: the share
    of the time in which it was above its cutoff. All other analyses take this frame, as they take one of v0.

    Args:
        scores: All rows of ``audio_scores`` or ``video_scores`` that belong to the windows; those of others do not matter.
        measured: ``audio_measurements`` or ``video_faces``, with labels or without: which windows or faces to tell of. Faces that
            were found and not measured are left out, as is whatever Hume gave no list for.
        kind: ``expression``, ``voice_attribute`` (audio) or ``description`` (video). They mean different things, so one at a
            time.
        mixed_settings: Take rows that were scored with different settings together. A Query asks its
            lake, and a column ``settings_id`` tells; other frames do not say.

    Returns:
        A row is one measured window (or face in a frame): the columns of ``measured`` without its counts, ``measure`` (always
        ``presence``), ``n_units`` (null: nobody is counted), ``n_rows`` (always 1: the window), ``method``, ``seed`` (null:
        nothing is drawn), and for each name of that kind in ``scores`` a column of int8, 1 where it was above its cutoff and 0
        where it was not. Columns are named as those of v0 are, other kinds with the kind before. A name that was
        never above its cutoff has no column: v1 does not say which names it looked for.

    Raises:
        UsageError: The frames are not those of v1, do not belong together, or scores are missing of what was measured; or
            several settings are mixed.

    Examples:
        >>> windows = pa.table({"scoring_id": ["s", "s"], "measurement_id": [0, 1], "begin_s": [0.0, 3.0], "end_s": [3.0, 9.0]})
        >>> row = {"scoring_id": "s", "measurement_id": 0, "kind": "expression", "name": "joy", "probability": 0.7}
        >>> presence(pa.Table.from_pylist([row]), windows).select(["begin_s", "joy"]).to_pylist()
        [{'begin_s': 0.0, 'joy': 1}, {'begin_s': 3.0, 'joy': 0}]
    """
    place = _place_of(measured_table := frames.without_views(to_arrow(measured, "measured")))
    if MEASURE not in measured_table.column_names:
        frames.check_free(measured_table.column_names, _ADDED)
    if not mixed_settings:  # what this returns is no Query any more, of which its lake could tell
        check_one_settings(measured, measured_table)
    if f"{kind}s" not in _COUNTS:
        raise UsageError(f"There is no kind {kind!r}; it is one of {', '.join(each.removesuffix('s') for each in _COUNTS)}.")
    keys = [name for name in _KEYS if name in measured_table.column_names]
    table = frames.read_columns(scores, lambda schema: _wanted(schema, [*keys, *place]))
    table = table.filter(pc.equal(frames.texts(table, "kind"), kind))
    count = f"{kind}s"
    if "measured" in measured_table.column_names:
        measured_table = measured_table.filter(pc.field("measured"))
    if count in measured_table.column_names:
        measured_table = measured_table.filter(pc.is_valid(measured_table[count]))
    keys = [*(name for name in keys if name in table.column_names), *place]
    if len(keys) == len(place) and _several(measured_table):
        raise UsageError("The scores tell neither recording_id nor scoring_id, so nobody can say which windows are theirs.")
    window, score_window, windows = _windows(measured_table, table, keys)
    number, names = frames.codes(table, ["name"])
    above = np.zeros((windows, len(names)), np.int8)
    here = score_window < windows
    above[score_window[here], number[here]] = 1
    if count in measured_table.column_names:
        _check_whole(above, window, frames.numbers(measured_table, count), kind)
    kept = measured_table.drop_columns([name for name in (*_COUNTS, *_ADDED) if name in measured_table.column_names])
    columns = _columns([name or "" for (name,) in names], kind, kept.column_names)
    order = sorted(columns, key=lambda each: each[1])
    fields = [pa.field(column, pa.int8(), metadata={HUME_NAME: name.encode()}) for name, column, _ in order]
    said = {
        MEASURE: pa.scalar(PRESENCE),
        "n_units": pa.scalar(None, pa.int64()),
        "n_rows": pa.scalar(1, pa.int64()),
        "method": pa.scalar(f"1 where the {kind.replace('_', ' ')} was above its cutoff"),
        "seed": pa.scalar(None, pa.int64()),
    }
    return pa.Table.from_arrays(
        [
            *kept.columns,
            *(pa.repeat(value, kept.num_rows) for value in said.values()),
            *(pa.array(above[window, at]) for _, _, at in order),
        ],
        schema=pa.schema(
            [*kept.schema, *(pa.field(name, value.type) for name, value in said.items()), *fields], kept.schema.metadata
        ),
    )


def _place_of(measured: pa.Table) -> tuple[str, ...]:
    for place in _PLACES:
        if set(place) <= set(measured.column_names):
            return place
    raise UsageError(
        "measured needs measurement_id, as audio_measurements has, or frame_id and face, as video_faces has. "
        f"It has: {', '.join(measured.column_names)}."
    )


def _wanted(schema: pa.Schema, keys: list[str]) -> list[str]:
    if missing := [name for name in (*keys[-1:], "kind", "name") if name not in schema.names]:
        raise UsageError(
            f"scores lacks {', '.join(missing)}: audio_scores goes with audio_measurements, video_scores with video_faces."
        )
    return [*(name for name in keys if name in schema.names), "kind", "name"]


def _several(measured: pa.Table) -> bool:
    return any(name in measured.column_names and len(pc.unique(measured[name])) > 1 for name in _KEYS)


def _windows(measured: pa.Table, scores: pa.Table, keys: list[str]) -> tuple[Any, Any, int]:
    """Number the windows: of each measured row, of each score (too high where it has none of them), and how many there are."""
    both = pa.concat_tables([pa.table({name: frames.texts(each, name) for name in keys}) for each in (measured, scores)])
    number, _ = frames.codes(both, keys)
    window = number[: measured.num_rows]
    return window, number[measured.num_rows :], int(window.max(initial=-1)) + 1


def _check_whole(above: Any, window: Any, told: Any, kind: str) -> None:
    lacking = int(np.count_nonzero(above.sum(axis=1, dtype=np.int64)[window] < told))
    if lacking:
        raise UsageError(
            f"Of {lacking:,} of {len(window):,} rows measured, scores has fewer names of kind {kind!r} than were told. Pass all "
            "scores: a name that is missing would count as below its cutoff."
        )


def _columns(names: list[str], kind: str, taken: list[str]) -> list[tuple[str, str, int]]:
    """Return name, column and place of each name; one whose column is taken gets one made of its hash."""
    used, found = set(taken) | set(_ADDED), []
    prefix = "" if kind == "expression" else f"{kind}_"
    for at, name in enumerate(names):
        column = prefix + vocabulary.column(name)
        if column in used:
            column = prefix + vocabulary.fallback_column(name)
        used.add(column)
        found.append((name, column, at))
    return found
