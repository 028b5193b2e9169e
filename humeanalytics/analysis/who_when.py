"""Whose each row of a frame is, and in which phase of its recording it lies; what the views of a lake say of their rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from humeanalytics.analysis import frames
from humeanalytics.errors import UsageError
from humeanalytics.lake import who
from humeanalytics.lake.frames import to_arrow
from humeanalytics.tables.segments import Segment, in_order

_OF_SUBJECTS = (who.ROLE, who.PARTICIPANT)
_SUBJECT, _RECORDING = "subject", "recording"
_SHOWN = 8


@frames.says_of_what
def label(frame: Any, subjects: Any = None, segments: Any = None) -> pa.Table:
    """Say of each row of a frame who it is and in which phase of its recording: columns that any analysis takes as groups.

    A frame of ``lake.labelled(...)`` has them already where the lake knows subjects and segments; this is the same for others.

    Args:
        frame: Rows with ``speaker_id``, ``face_id`` or ``channel``, and with times (``begin_s`` and ``end_s``, or ``time_s``), in
            seconds, as far as they are needed.
        subjects: A frame with a row for each face, speaker or channel: ``subject`` (what stands in ``speaker_id`` or ``face_id``;
            where those are numbers, as in v1, ``face_0`` and ``channel_0`` for 0) and ``role`` or ``participant`` or both.
        segments: A frame with a row for each phase: ``begin_s``, ``end_s`` and ``segment``. Those of a recording do not overlap.
            Both have ``recording_id`` or ``file`` or both, as the frame has; they may lack them where it is of one recording.

    Returns:
        The frame, row by row, with ``role``, ``participant`` and ``segment`` as far as they were given; null where nothing is
        said. Where the frame has a ``role`` or ``participant`` before, what a subject says comes first, row by row. A row is
        of the segment in which most of its time lies (of two alike the earlier), a frame of the one it lies in; one that has no
        time in any is of none.

    Raises:
        UsageError: A column is missing, a subject stands there twice, a segment ends before it begins, two of them overlap, or
            none of it is about any row.

    Examples:
        >>> heard = pa.table({"speaker_id": ["spk_0", "spk_1"], "begin_s": [0.0, 8.0], "end_s": [4.0, 12.0], "joy": [0.1, 0.9]})
        >>> roles = pa.table({"subject": ["spk_0", "spk_1"], "role": ["therapist", "client"]})
        >>> phases = pa.table({"begin_s": [0.0, 9.0], "end_s": [9.0, 60.0], "segment": ["before", "after"]})
        >>> label(heard, roles, phases).select(["role", "segment"]).to_pylist()
        [{'role': 'therapist', 'segment': 'before'}, {'role': 'client', 'segment': 'after'}]
    """
    table = to_arrow(frame, "the frame")
    if subjects is None and segments is None:
        raise UsageError("Say who or when: subjects=, segments= or both.")
    said = _Said(table)
    if subjects is not None:
        said.add_subjects(to_arrow(subjects, "subjects"))
    if segments is not None:
        said.add_segments(to_arrow(segments, "segments"))
    return said.labelled()


@dataclass
class _Said:
    """What a question to DuckDB needs, and what it asks for: the very SQL of the views of a lake."""

    table: pa.Table
    rows: dict[str, pa.Array] = field(default_factory=dict)
    given: dict[str, pa.Table] = field(default_factory=dict)
    joins: str = ""
    columns: dict[str, str] = field(default_factory=dict)

    def add_subjects(self, subjects: pa.Table) -> None:
        of_subjects = [name for name in _OF_SUBJECTS if name in subjects.column_names]
        if _SUBJECT not in subjects.column_names or not of_subjects:
            raise _lacks("subjects", subjects, "subject, and role or participant or both")
        names = frames.texts(subjects, _SUBJECT)
        if names.null_count:
            raise UsageError(f"subjects, row {_first(pc.is_null(names))}: subject is empty.")
        recording, own, shown = _recordings(self.table, subjects, "subjects")
        _refuse_twice(own, names.to_pylist(), shown)
        values = {name: frames.texts(subjects, name) for name in of_subjects}
        values = {name: pc.if_else(pc.equal(each, ""), None, each) for name, each in values.items()}
        types = self._take_subject_columns()
        keys = who.subject_keys(types)
        if not keys:
            raise UsageError("The frame has neither speaker_id nor face_id nor channel, so no row is known to be of any subject.")
        recording_name = self._take("recording_of_subjects", recording)
        self.given["subjects"] = pa.table({"recording_id": own, _SUBJECT: names.cast(pa.string()), **values})
        self.joins += who.who_joins(keys, "subjects", recording_name)
        for name in of_subjects:
            before = None
            if name in self.table.column_names:
                before = self._take(f"{name}_before", frames.texts(self.table, name))
            self.columns[name] = who.who_column(name, keys, before)
        self._refuse_if_of_nothing(keys, recording_name, names)

    def _take_subject_columns(self) -> dict[str, str]:
        """Take the columns that tell subjects apart, and return what DuckDB calls their types."""
        types = {}
        for name in ("speaker_id", "face_id", "channel"):
            if name in self.table.column_names:
                values = _whole_numbers(self.table[name])
                numbered = pa.types.is_integer(values.type)
                self._take(name, values.cast(pa.int64()) if numbered else frames.texts(pa.table({name: values}), name))
                types[name] = "BIGINT" if numbered else "VARCHAR"
        return types

    def _refuse_if_of_nothing(self, keys: Sequence[str], recording: str, names: pa.ChunkedArray) -> None:
        if not self.table.num_rows:
            return
        there = " UNION ".join(f"SELECT DISTINCT {recording} AS recording_id, {key} AS subject FROM t" for key in keys)
        found = self._ask(f"SELECT count(*) AS n FROM subjects SEMI JOIN ({there}) USING (recording_id, subject)")
        if found["n"][0].as_py() == 0:
            known = self._ask(f"SELECT DISTINCT subject FROM ({there}) WHERE subject IS NOT NULL ORDER BY 1")[
                "subject"
            ].to_pylist()
            told = ", ".join(dict.fromkeys(names.to_pylist()[:_SHOWN])) or "nobody"
            raise UsageError(
                f"subjects tells of {told}, and no row of the frame is of any of them in the recordings named. The frame has: "
                f"{', '.join(known[:_SHOWN]) or 'no subject'}."
            )

    def add_segments(self, segments: pa.Table) -> None:
        wanted = ("begin_s", "end_s", who.SEGMENT)
        if not set(wanted) <= set(segments.column_names):
            raise _lacks("segments", segments, ", ".join(wanted))
        if (times := who.times_of(self.table.column_names)) is None:
            raise UsageError("The frame has neither begin_s and end_s nor time_s, so no row is known to lie in any segment.")
        recording, own, shown = _recordings(self.table, segments, "segments")
        numbers = [frames.numbers(segments, name) for name in wanted[:2]]
        names = frames.texts(segments, who.SEGMENT).to_pylist()
        of: dict[int, list[Segment]] = {}
        for at, (begin_s, end_s, name, part) in enumerate(zip(*numbers, names, own.to_pylist(), strict=True)):
            if not name:
                raise UsageError(f"segments, row {at + 1}: segment is empty.")
            of.setdefault(part, []).append(Segment(float(begin_s), float(end_s), name, f"segments, row {at + 1}"))
        ordered = [(part, each) for part, its in of.items() for each in in_order(its, shown[part])]
        if self.table.num_rows and not set(pc.unique(recording).to_pylist()) & of.keys():
            raise UsageError(
                f"segments tells of {', '.join(list(shown.values())[:_SHOWN]) or 'nothing'}, and no row is of those."
            )
        recording_name = self._take("recording_of_segments", recording)
        self.given["segments"] = pa.table(
            {
                "recording_id": pa.array([part for part, _ in ordered], pa.int64()),
                "begin_s": pa.array([each.begin_s for _, each in ordered], pa.float64()),
                "end_s": pa.array([each.end_s for _, each in ordered], pa.float64()),
                who.SEGMENT: pa.array([each.segment for _, each in ordered], pa.string()),
            }
        )
        for name in dict.fromkeys(times):
            self._take(name, pa.array(frames.numbers(self.table, name), from_pandas=True))
        self.columns[who.SEGMENT], join = who.segment_column(times, "segments", recording_name)
        self.joins += join

    def _take(self, name: str, values: pa.Array | pa.ChunkedArray) -> str:
        self.rows[name] = values
        return f"t.{name}"

    def _ask(self, sql: str) -> pa.Table:
        with duckdb.connect(config={"temp_directory": ""}) as connection:  # nothing here touches a disk
            connection.register("t", pa.table({"row": np.arange(self.table.num_rows), **self.rows}))
            for name, each in self.given.items():
                connection.register(name, each)
            return connection.sql(sql).to_arrow_table()

    def labelled(self) -> pa.Table:
        listed = ", ".join(f"{value} AS {name}" for name, value in self.columns.items())
        found = self._ask(f"SELECT t.row, {listed} FROM t{self.joins}")
        order = np.empty(self.table.num_rows, np.int64)
        order[found["row"].to_numpy()] = np.arange(found.num_rows)
        table = self.table
        for name in self.columns:
            values = found[name].combine_chunks().take(pa.array(order)).cast(pa.string())
            at = table.schema.get_field_index(name)
            table = table.append_column(name, values) if at < 0 else table.set_column(at, name, values)
        return table


def _recordings(table: pa.Table, given: pa.Table, what: str) -> tuple[pa.Array, pa.Array, Mapping[int, str]]:
    """Return a number that stands for the recording of each row, and of each row given; and what the latter are called."""
    keys = [name for name in frames.RECORDING_COLUMNS if name in given.column_names]
    if missing := [name for name in keys if name not in table.column_names]:
        raise UsageError(f"{what} tells recordings apart by {missing[0]}, which the frame does not have.")
    if not keys:
        there = [name for name in frames.RECORDING_COLUMNS if name in table.column_names]
        _, several = frames.codes(table, there)
        if len(several) > 1:
            raise UsageError(f"The frame is of {len(several)} recordings: {what} has to say of which it tells, in {there[0]}.")
        zeros = pa.array(np.zeros(table.num_rows, np.int64)), pa.array(np.zeros(given.num_rows, np.int64))
        return *zeros, {0: "the recording"}
    both = pa.concat_tables([pa.table({name: frames.texts(each, name) for name in keys}) for each in (given, table)])
    number, names = frames.codes(both, keys)
    own = number[: given.num_rows]
    for at in np.unique(own):
        if all(name is None for name in names[at]):
            raise UsageError(f"{what}, row {int(np.flatnonzero(own == at)[0]) + 1}: {keys[0]} is empty.")
    shown = {int(at): " ".join(name for name in names[at] if name is not None) for at in np.unique(own)}
    return pa.array(number[given.num_rows :]), pa.array(own), shown


def _refuse_twice(recording: pa.Array, names: Sequence[str], shown: Mapping[int, str]) -> None:
    seen: dict[tuple[int, str], int] = {}
    for at, key in enumerate(zip(recording.to_pylist(), names, strict=True)):
        if (before := seen.setdefault(key, at)) != at:
            raise UsageError(f"subjects, rows {before + 1} and {at + 1}: both are about {key[1]!r} of {shown[key[0]]}.")


def _whole_numbers(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return numbers as whole ones where they are: pandas makes floats of those that some rows lack."""
    if not pa.types.is_floating(values.type):
        return values
    known = np.asarray(values.cast(pa.float64()).to_numpy(zero_copy_only=False))
    if all(math.isfinite(each) and each.is_integer() for each in np.unique(known[np.isfinite(known)]).tolist()):
        whole = np.where(np.isfinite(known), known, 0).astype(np.int64)
        return pa.chunked_array([pa.array(whole, mask=~np.isfinite(known))])
    return values


def _first(of: pa.ChunkedArray) -> int:
    return int(pc.index(of, True).as_py()) + 1


def _lacks(what: str, frame: pa.Table, wanted: str) -> UsageError:
    return UsageError(f"{what} needs the columns {wanted}. It has: {', '.join(frame.column_names)}.")
