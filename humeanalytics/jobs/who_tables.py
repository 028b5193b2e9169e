"""Read who is who, and which phase is which: tables that name recordings as a manifest does, several rows for each."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from humeanalytics.errors import UsageError
from humeanalytics.jobs.manifest import read_rows
from humeanalytics.jobs.manifest_rows import Manifest, ManifestRow, whole_place
from humeanalytics.tables.segments import Segment, in_order
from humeanalytics.tables.words_rows import number

#: The column that names a recording by its id, where none names it by its file.
_BY_ID = "recording_id"
What = TypeVar("What")


@dataclass(frozen=True, slots=True)
class Subject:
    """What one line says of one subject: None where it has no such column, an empty text takes away what was said before."""

    line: int
    subject: str
    role: str | None
    participant: str | None


@dataclass(frozen=True, slots=True)
class SaidOf(Generic[What]):
    """A table with what it says, by recording.

    Attributes:
        manifest: Its recordings: of each the first line about it.
        of_line: What is said of the recording of such a line.
    """

    manifest: Manifest
    of_line: Mapping[int, tuple[What, ...]]


def read_subjects(source: str | os.PathLike[str]) -> SaidOf[Subject]:
    """Read a CSV of subjects: the recording, ``subject``, ``role`` or ``participant`` or both.

    Raises:
        UsageError: It cannot be read, or a line does not fit; names the file and the line.
    """

    def said(shown: str, rows: Sequence[ManifestRow]) -> tuple[Subject, ...]:
        seen: dict[str, int] = {}
        subjects = []
        for row in rows:
            subject = row.labels["subject"]
            if not subject:
                raise UsageError(f"{shown}, line {row.line}: subject is empty; write which face, speaker or channel it is.")
            if subject.isdigit():
                raise UsageError(
                    f"{shown}, line {row.line}: subject {subject!r} may be a channel or a face. Write channel_{subject} or "
                    f"face_{subject}."
                )
            if (before := seen.setdefault(subject, row.line)) != row.line:
                raise UsageError(f"{shown}, lines {before} and {row.line}: both are about {subject!r} of {row.file!r}.")
            subjects.append(Subject(row.line, subject, row.labels.get("role"), row.labels.get("participant")))
        return tuple(subjects)

    return _read(source, ("subject",), ("role", "participant"), said)


def read_segments(source: str | os.PathLike[str]) -> SaidOf[Segment]:
    """Read a CSV of segments: the recording, ``begin_s``, ``end_s``, ``segment``. A line with none of the last three takes away
    what was said of the recording before.

    Raises:
        UsageError: It cannot be read, or a line does not fit; names the file and the line.
    """

    def said(shown: str, rows: Sequence[ManifestRow]) -> tuple[Segment, ...]:
        empty = [row for row in rows if not any(row.labels.values())]
        if empty and len(rows) > 1:
            raise UsageError(
                f"{shown}, line {empty[0].line}: it says that {empty[0].file!r} has no segments, and other lines name some."
            )
        segments = [_segment(shown, row) for row in rows if not empty]
        return tuple(in_order(segments, repr(rows[0].file)))

    return _read(source, ("begin_s", "end_s", "segment"), (), said)


def _segment(shown: str, row: ManifestRow) -> Segment:
    place = f"{shown}, line {row.line}"
    if not row.labels["segment"]:
        raise UsageError(f"{place}: segment is empty. Write what it is, or leave the line out.")
    times = []
    for name in ("begin_s", "end_s"):
        if (value := number(row.labels[name])) is None:
            raise UsageError(f"{place}: {name} {row.labels[name]!r} is no number of seconds, such as 12.5.")
        times.append(value)
    return Segment(times[0], times[1], row.labels["segment"], place)


def _read(
    source: str | os.PathLike[str],
    needed: Sequence[str],
    one_of: Sequence[str],
    said: Callable[[str, Sequence[ManifestRow]], tuple[What, ...]],
) -> SaidOf[What]:
    try:
        shown, rows, file_column, keys, folder = read_rows(Path(source))
    except UsageError as error:
        if "no column that names the file" not in str(error):
            raise
        try:
            shown, rows, file_column, keys, folder = read_rows(Path(source), on=_BY_ID)
        except UsageError:
            raise error from None
    wanted = [*needed, *one_of]
    named = {key: key.casefold() for key in keys}
    if missing := [name for name in needed if name not in named.values()]:
        raise UsageError(f"{shown}: it has no column {missing[0]!r}. It needs {file_column}, {', '.join(wanted)}.")
    if one_of and not set(one_of) & set(named.values()):
        raise UsageError(f"{shown}: it has neither {' nor '.join(one_of)}, so it says nothing of its subjects.")
    more = [key for key, name in named.items() if name not in wanted]
    more += ["recorded_at"] * any(row.recorded_at for row in rows)
    more += ["excluded_reason"] * any(row.excluded_reason for row in rows)
    if more:
        raise UsageError(
            f"{shown}: column {more[0]!r} has no meaning here; there are {file_column}, {', '.join(wanted)}. Labels of "
            "recordings stand in a file of their own: --manifest."
        )
    by_place: dict[str, list[ManifestRow]] = defaultdict(list)
    for row in rows:
        values = {named[key]: value for key, value in row.labels.items()}
        by_place[whole_place(row.file, os.fspath(folder or ""))].append(ManifestRow(row.line, row.file, values))
    firsts = [each[0] for each in by_place.values()]
    manifest = Manifest(shown, firsts, file_column, keys, os.fspath(folder or ""))
    return SaidOf(manifest, {each[0].line: said(shown, each) for each in by_place.values()})
