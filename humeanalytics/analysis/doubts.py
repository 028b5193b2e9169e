"""What not to trust: people who spoke over each other, faces that were lost, rows that even the detector was unsure of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from humeanalytics.analysis import frames
from humeanalytics.analysis.covered_time import Floats, Integers, check_spans, covered_by_part, shared_s
from humeanalytics.analysis.observations import check_one_settings, label_column
from humeanalytics.errors import UsageError

_SPAN, _POINT = ("begin_s", "end_s"), "time_s"
#: Columns that say how sure the service was: of a transcript, of who spoke, that this is a face.
_CONFIDENCE, _SPEAKER = ("confidence", "prob"), "speaker_confidence"
_DURATION, _MEASURED = "duration_s", "measured"
#: A step so much longer than the usual one means that a face was not found in between.
_LOST_STEPS = 1.5
_SHARES = ("low_confidence", "low_speaker_confidence", "unscored", "overlapped", "lost")
_SAID = {
    "low_confidence": "low confidence",
    "low_speaker_confidence": "speaker uncertain",
    "unscored": "rows without scores",
    "overlapped": "others speak at the same time",
    "lost": "face lost",
}


@frames.says_of_what
def quality(
    frame: Any, *, by: str | None = None, sure: float = 0.5, tolerated: float = 0.2, mixed_settings: bool = False
) -> pa.Table:
    """Tell for each person of each recording how much there is, and what speaks against trusting it.

    Whether scores or confidences drift from day to day, over recordings, `drift` tells.

    Args:
        frame: A Query, pyarrow, pandas or polars frame of one table: of v0 with expressions or without, of v1
            ``audio_measurements`` or ``video_faces`` (its scores lack what was measured without a result).
        by: A label, such as ``role`` or ``segment``: each of its groups is judged by itself.
        sure: A confidence below this is low, 0 to 1.
        tolerated: Shares above this are named in ``doubts``.
        mixed_settings: Take rows that were scored with different settings together. A Query asks its
            lake, and a column ``settings_id`` tells; other frames do not say.

    Returns:
        A row is one person (``speaker_id``, ``face_id`` or ``channel``) of one recording, in order: ``recording_id``, ``file``
        (where the frame has them), the column ``by`` (where one was asked for), ``person`` (null where it tells no one apart),
        ``n_units`` (always 1: the person), ``n_rows``,
        ``covered_s`` (seconds its rows cover, counted once; of frames their number by the usual step), ``coverage`` (of the
        recording's length, where the frame has ``duration_s``), and shares from 0 to 1, null where the frame cannot tell:
        ``low_confidence`` and ``low_speaker_confidence`` (of rows that have one), ``unscored`` (of rows: without any score, of
        v1 faces that were found and not measured), ``overlapped`` (of the time covered: somebody else of the recording speaks
        too, so that the voice is of both), ``lost`` (of the time from a face's first frame to its last: it was not found), with
        ``n_losses``; ``doubts``, in words, empty where there are none; ``method``, ``seed`` (null: nothing is drawn).

    Raises:
        UsageError: The frame has no rows, or nothing to judge by; ``sure`` or ``tolerated`` is no share; or several settings or
            scorings are mixed.

    Examples:
        >>> frame = pa.table({"speaker_id": ["a", "b"], "begin_s": [0.0, 3.0], "end_s": [4.0, 13.0]})
        >>> quality(frame).select(["person", "covered_s", "overlapped", "doubts"]).to_pylist()[0]
        {'person': 'a', 'covered_s': 4.0, 'overlapped': 0.25, 'doubts': 'others speak at the same time (25%)'}
    """
    for name, share in (("sure", sure), ("tolerated", tolerated)):
        if not 0 <= share <= 1:
            raise UsageError(f"{name} is {share:g}; it is a share from 0 to 1.")
    table, person = _read(frame, by, mixed_settings=mixed_settings)
    keys = [name for name in frames.RECORDING_COLUMNS if name in table.column_names]
    own = [person] if person else []
    recording, _ = frames.codes(table, keys)
    if by is not None and by not in (*keys, *own):
        _, people = frames.codes(table, [*keys, *own])
        keys.append(by)
        part, parts = frames.codes(table, [*keys, *own])
        if len(parts) > len(people):  # the same person in several groups, such as phases, is nobody else there
            recording, _ = frames.codes(table, keys)
    else:
        part, parts = frames.codes(table, [*keys, *own])
    whole = np.zeros(len(parts), np.int64)
    whole[part] = recording
    found = _shares(table, part, whole, sure, by_person=person is not None)
    order = sorted(range(len(parts)), key=lambda at: [(each is None, len(each or ""), each or "") for each in parts[at]])
    doubts = [
        "; ".join(f"{_SAID[name]} ({found[name][at]:.0%})" for name in _SHARES if found[name][at] > tolerated) for at in order
    ]
    texts = {name: [parts[at][place] for at in order] for place, name in enumerate(keys)}
    texts["person"] = [parts[at][-1] if person else None for at in order]
    counts = {"n_units": np.ones(len(parts)), "n_rows": np.bincount(part, minlength=len(parts))}
    columns: dict[str, pa.Array] = {name: pa.array(values, pa.string()) for name, values in texts.items()}
    columns |= {name: pa.array(values[order].astype(np.int64)) for name, values in counts.items()}
    for name in ("covered_s", "coverage", *_SHARES):
        columns[name] = pa.array(found[name][order], pa.float64(), from_pandas=True)
    columns["n_losses"] = pa.array(found["n_losses"][order], from_pandas=True).cast(pa.int64())
    columns["doubts"] = pa.array(doubts, pa.string())
    columns["method"] = pa.array([f"confidence below {sure:g} is low; shares above {tolerated:g} are doubts"] * len(parts))
    columns["seed"] = pa.nulls(len(parts), pa.int64())
    return pa.table(columns)


def _read(frame: Any, by: str | None, *, mixed_settings: bool) -> tuple[pa.Table, str | None]:
    people: list[str] = []

    def wanted(schema: pa.Schema) -> list[str]:
        if {"name", "probability"} <= set(schema.names):
            raise UsageError(
                "Scores of v1 tell nothing of what was measured without a result. Pass audio_measurements or video_faces."
            )
        people[:] = [name for name in (*frames.PERSON_COLUMNS, "channel") if name in schema.names][:1]
        more = (*_SPAN, _POINT, *_CONFIDENCE, _SPEAKER, _DURATION, _MEASURED)
        known = [name for name in more if name in schema.names]
        scores = frames.expression_columns(schema) if _MEASURED not in schema.names else []
        if not known and not scores:
            raise UsageError(f"The frame has neither times nor confidences nor scores. It has: {', '.join(schema.names)}.")
        keys = [name for name in (*frames.RECORDING_COLUMNS, "scoring_id", "settings_id", "api") if name in schema.names]
        label = [] if by is None else [label_column(schema, by, "to judge by")]
        return [*keys, *label, *people, *known, *(name for name in scores if name not in known)]

    table = frames.read_columns(frame, wanted)
    if table.num_rows == 0:
        raise UsageError("The frame has no rows, so there is nothing to judge.")
    frames.check_one_scoring(table)
    if not mixed_settings:
        check_one_settings(frame, table)
    return table, people[0] if people else None


def _shares(table: pa.Table, part: Integers, whole: Integers, sure: float, *, by_person: bool) -> dict[str, Floats]:
    n_parts = len(whole)
    found = {name: np.full(n_parts, np.nan) for name in ("covered_s", "coverage", "n_losses", *_SHARES)}
    rows = np.bincount(part, minlength=n_parts)

    def share_of_rows(wrong: Any, known: Any) -> Floats:
        count = np.bincount(part[known], minlength=n_parts)
        return np.asarray(
            np.divide(np.bincount(part[known], wrong[known], n_parts), count, out=np.full(n_parts, np.nan), where=count > 0)
        )

    confidence = next((name for name in _CONFIDENCE if name in table.column_names), None)
    for name, column in (("low_confidence", confidence), ("low_speaker_confidence", _SPEAKER)):
        if column is not None and column in table.column_names:
            values = frames.numbers(table, column)
            found[name] = share_of_rows(values < sure, np.isfinite(values))
    scores = frames.expression_columns(table.schema)
    if _MEASURED in table.column_names:
        measured = table[_MEASURED].cast(pa.int8()).to_numpy(zero_copy_only=False).astype(np.float64)
        found["unscored"] = share_of_rows(measured == 0, np.isfinite(measured))
    elif scores:
        scored = np.zeros(table.num_rows, bool)
        for column in scores:
            if scored.all():
                break
            scored |= np.isfinite(frames.numbers(table, column))
        found["unscored"] = np.bincount(part, ~scored, n_parts) / rows
    times = _SPAN if all(name in table.column_names for name in _SPAN) else (_POINT,) * (_POINT in table.column_names)
    if not times:
        return found
    begin, end = frames.finite(table, times[0]), frames.finite(table, times[-1])
    timed = np.isfinite(begin) & np.isfinite(end)
    check_spans(begin[timed], end[timed])
    has_time = np.bincount(part, timed, n_parts) > 0
    found["covered_s"] = np.where(has_time, covered_by_part(begin, end, part, n_parts), np.nan)
    if times == _SPAN and by_person:
        covered = found["covered_s"]
        shared = shared_s(begin[timed], end[timed], part[timed], whole)
        found["overlapped"] = np.divide(shared, covered, out=np.full(n_parts, np.nan), where=covered > 0)
    elif times != _SPAN:
        found |= _losses(begin[timed], part[timed], whole)
    if _DURATION in table.column_names:
        length = np.full(n_parts, np.nan)
        length[part] = frames.numbers(table, _DURATION)
        share = np.divide(found["covered_s"], length, out=np.full(n_parts, np.nan), where=length > 0)
        found["coverage"] = np.minimum(share, 1.0)
    return found


def _losses(time_s: Floats, part: Integers, whole: Integers) -> dict[str, Floats]:
    """Return what share of a face's time it was lost, and how often: steps longer than is usual in its recording."""
    n_parts = len(whole)
    order = np.lexsort((time_s, part))
    part, time_s = part[order], time_s[order]
    within = (np.diff(part) == 0) & (np.diff(time_s) > 0)
    step, owner = np.diff(time_s)[within], part[1:][within]
    usual = np.full(n_parts, np.nan)
    if len(step):
        of_whole = whole[owner]
        by_size = np.lexsort((step, of_whole))
        count = np.bincount(of_whole, minlength=int(whole.max()) + 1)
        middle = np.minimum(np.cumsum(count) - count + count // 2, len(step) - 1)
        usual = np.where(count > 0, step[by_size][middle], np.nan)[whole]
    long = step > _LOST_STEPS * usual[owner]
    missed = np.bincount(owner[long], (step - usual[owner])[long], n_parts)
    span = np.bincount(owner, step, n_parts)
    share = np.divide(missed, span, out=np.full(n_parts, np.nan), where=span > 0)
    return {"lost": share, "n_losses": np.where(span > 0, np.bincount(owner[long], minlength=n_parts), np.nan)}
