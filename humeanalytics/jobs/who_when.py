"""Who is who in recordings, and which phase of them is which: read what a call says of it, and write it into a lake."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from humeanalytics.errors import ItemError, UsageError
from humeanalytics.jobs.bookkeeping import Row, error_row, load_rows
from humeanalytics.jobs.saved_inputs import shown
from humeanalytics.jobs.summary import RunSummary, few
from humeanalytics.jobs.who_recordings import KnownRecordings
from humeanalytics.jobs.who_subjects import Key, Told, new_rows, note_absent, told_by_channels, told_by_table
from humeanalytics.jobs.who_tables import SaidOf, Subject, read_segments, read_subjects
from humeanalytics.lake.lake import Lake
from humeanalytics.tables.segments import Segment, in_order
from humeanalytics.tables.segments_files import Annotated, is_annotation, read_annotation

PathLike = str | os.PathLike[str]

_SUFFIXES = (".csv", ".tsv", ".eaf", ".textgrid")
#: What reaches further beyond the end of its recording may be of another cut of it.
_SLACK_S = 5.0
_SPAN = ("begin_s", "end_s", "segment")


@dataclass
class WhoWhen:
    """What a call says of subjects and segments.

    Attributes:
        subjects: The table of subjects.
        tables: Tables of segments, by file.
        annotations: Annotations of one recording each, by file.
        failed: Files of segments that cannot be read, and why.
        channel_names: Roles of the channels, in their order, of recordings that were split ...
        of_channels: ... and those recordings, by their URIs.
        files: Everything that was named, as absolute paths: no answers of Hume's.
    """

    subjects: SaidOf[Subject] | None = None
    tables: dict[str, SaidOf[Segment]] = field(default_factory=dict)
    annotations: dict[str, Annotated] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    channel_names: Sequence[str] = ()
    of_channels: frozenset[str] = frozenset()
    files: set[str] = field(default_factory=set)

    @property
    def says_anything(self) -> bool:
        return bool(self.subjects or self.tables or self.annotations or self.failed or self.channel_names)


def read_who_when(
    subjects: PathLike | None = None, segments: PathLike | Iterable[PathLike] | None = None, tier: str | None = None
) -> WhoWhen:
    """Read a table of subjects, and files of segments: CSV, ELAN, TextGrid, or folders of such.

    Raises:
        UsageError: The table of subjects cannot be read or does not fit; a name of files matches nothing.
    """
    said = WhoWhen()
    if subjects is not None:
        said.files.add(str(_absolute(subjects)))
        said.subjects = read_subjects(subjects)
    given = [] if segments is None else [segments] if isinstance(segments, str | os.PathLike) else list(segments)
    if tier is not None and not given:
        raise UsageError(f"The tier {tier!r} is of files of segments, and none is named: --segments FILE.")
    for path in dict.fromkeys(path for each in given for path in _files(each)):
        uri = shown(str(path))
        said.files.add(str(path))
        try:
            data = path.read_bytes()
            if is_annotation(data):
                annotated = read_annotation(data, tier=tier, name=uri)
                said.annotations[uri] = Annotated(tuple(in_order(annotated.segments, "the recording")), annotated.media)
            else:
                said.tables[uri] = read_segments(path)
        except OSError as error:
            said.failed[uri] = f"{uri} cannot be read: {error.strerror or error}."
        except (ItemError, UsageError) as error:
            said.failed[uri] = str(error)
    return said


def _absolute(given: PathLike) -> Path:
    return Path(os.path.abspath(os.path.expanduser(given)))  # noqa: PTH100, PTH111 - nobody follows links here


def _files(given: PathLike) -> list[Path]:
    path = _absolute(given)
    if path.is_dir():
        found = [each for each in sorted(path.rglob("*")) if each.suffix.lower() in _SUFFIXES and each.is_file()]
        found = [each for each in found if not any(part.startswith((".", "~$")) for part in each.relative_to(path).parts)]
        if not found:
            raise UsageError(f"There is no file of segments ({', '.join(_SUFFIXES)}) in {path}.")
        return found
    if not os.path.lexists(path):
        raise UsageError(f"There is no file or folder of segments {str(given)!r}.")
    return [path]


def write_who_when(lake: Lake, said: WhoWhen, summary: RunSummary, *, flow: str) -> None:
    """Write what is said, where it is something else than what holds; a file that does not fit never stops the others.

    Args:
        lake: The lake; what is said is about recordings it knows by now.
        said: What the call says.
        summary: Of the run; it gets what could not be read or told.
        flow: The flow whose run it is.
    """
    if not said.says_anything:
        return
    writing = _Writing(lake, said, summary, KnownRecordings(lake), datetime.now(UTC), dict(said.failed))
    told = writing.subjects()
    rows: dict[str, list[Row]] = {"segments": writing.segments()}
    rows["subjects"] = new_rows(lake, told, writing.recordings, writing.at)
    rows["errors"] = writing.errors()
    load_rows(lake, rows, flow=flow, run_id=summary.run_id)
    summary.rows.update({name: len(rows[name]) for name in ("subjects", "segments") if rows[name]})
    summary.notes += note_absent(lake, told, rows["subjects"], writing.recordings)


@dataclass
class _Writing:
    lake: Lake
    said: WhoWhen
    summary: RunSummary
    recordings: KnownRecordings
    at: datetime
    failed: dict[str, str]

    def subjects(self) -> dict[Key, Told]:
        """Return what is said of subjects: a table goes before names of channels."""
        told: dict[Key, Told] = {}
        if self.said.channel_names:
            told, notes = told_by_channels(self.lake, self.said.channel_names, self.said.of_channels, self.recordings)
            self.summary.notes += notes
        if self.said.subjects is not None:
            try:
                by_table, notes = told_by_table(self.said.subjects, self.recordings)
                told |= by_table
                self.summary.notes += notes
            except UsageError as error:
                self.failed[self.said.subjects.manifest.source] = str(error)
        return told

    def segments(self) -> list[Row]:
        """Return the rows of recordings that have other segments than before."""
        wanted = self._wanted_segments()
        held = self._segments_held() if wanted else {}
        rows: list[Row] = []
        beyond = []
        for root, (segments, uri) in wanted.items():
            told = [(each.begin_s, each.end_s, each.segment) for each in segments]
            length_s = self.recordings.durations_s.get(root)
            if told and length_s is not None and told[-1][1] > length_s + _SLACK_S:
                beyond.append(f"{segments[-1].place} ({told[-1][1]:,.1f} s of {length_s:,.1f} s)")
            if told != held.get(root, []):
                spans: list[dict[str, Any]] = [dict(zip(_SPAN, each, strict=True)) for each in told]
                of_recording = {"recording_id": root, "uri": uri, "set_at": self.at}
                rows += [{**of_recording, **span} for span in spans or [dict.fromkeys(_SPAN)]]
        if beyond:
            what = "segments that reach beyond the end of their recording, as if of another cut"
            self.summary.notes.append(f"{what}: {few(beyond)}")
        return rows

    def _wanted_segments(self) -> dict[str, tuple[Sequence[Segment], str]]:
        """Return the segments of each recording, and the file that tells of them."""
        wanted: dict[str, tuple[Sequence[Segment], str]] = {}
        for uri in (*self.said.tables, *self.said.annotations):
            try:
                told = self._told_by(uri)
                for root in told.keys() & wanted.keys():
                    first, name = wanted[root][1], self.recordings.name(root)
                    raise UsageError(f"{uri}: {first} tells of the segments of {name} too. Give one file for a recording.")
            except UsageError as error:
                self.failed[uri] = str(error)
            else:
                wanted |= {root: (segments, uri) for root, segments in told.items()}
        return wanted

    def _told_by(self, uri: str) -> Mapping[str, Sequence[Segment]]:
        if (annotated := self.said.annotations.get(uri)) is not None:
            return {self.recordings.of_file(uri, annotated.media): annotated.segments}
        table = self.said.tables[uri]
        of_line, notes = self.recordings.of_table(table.manifest)
        self.summary.notes += notes
        return {root: table.of_line[line] for line, root in of_line.items()}

    def _segments_held(self) -> dict[str, list[tuple[float, float, str]]]:
        held: dict[str, list[tuple[float, float, str]]] = defaultdict(list)
        for row in self.lake.sql("SELECT recording_id, begin_s, end_s, segment FROM segments ORDER BY begin_s, end_s").rows():
            held[self.recordings.canonical(row["recording_id"])].append((row["begin_s"], row["end_s"], row["segment"]))
        return held

    def errors(self) -> list[Row]:
        """Tell of files that were left out, and return their rows; those that were told of before are no news."""
        if not self.failed:
            return []
        rows = [
            error_row(
                stage="flatten",
                message=message,
                error="UnreadableResponse",
                run_id=self.summary.run_id,
                api="segments",
                uri=uri,
            )
            for uri, message in self.failed.items()
        ]
        known = {row["error_id"] for row in self.lake.sql("SELECT error_id FROM errors WHERE api = 'segments'").rows()}
        new = [row for row in rows if row["error_id"] not in known]
        for uri, message in self.failed.items():
            self.summary.add_error(uri, message)
        if new and self.summary.exit_code == 0:
            self.summary.exit_code = 3
        return new
