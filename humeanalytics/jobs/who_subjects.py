"""Which rows of ``subjects`` a run writes: what a table and the names of channels say, as far as it does not hold yet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from humeanalytics.errors import UnreadableRecording
from humeanalytics.jobs.bookkeeping import Row
from humeanalytics.jobs.summary import few
from humeanalytics.jobs.who_recordings import KnownRecordings
from humeanalytics.jobs.who_tables import SaidOf, Subject
from humeanalytics.lake import who
from humeanalytics.lake.lake import Lake

BY_CHANNEL = "--channel-names"
#: Tables that together have a row of each subject that has any.
_OF_SUBJECTS = ("face", "prosody", "burst", "language", "ner", "facemesh", "audio_measurements", "video_faces")
_SHOWN = 4

#: Recording and subject.
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Told:
    """What is said of one subject, and where."""

    role: str | None
    participant: str | None
    uri: str
    place: str


def told_by_table(table: SaidOf[Subject], recordings: KnownRecordings) -> tuple[dict[Key, Told], list[str]]:
    """Return what a table says of recordings that the lake knows, and notes on the others.

    Raises:
        UsageError: Two of its names mean one recording.
    """
    source = table.manifest.source
    of_line, notes = recordings.of_table(table.manifest)
    told = {
        (root, each.subject): Told(each.role, each.participant, source, f"{source}, line {each.line}")
        for line, root in of_line.items()
        for each in table.of_line[line]
    }
    return told, notes


def told_by_channels(
    lake: Lake, names: Sequence[str], uris: Collection[str], recordings: KnownRecordings
) -> tuple[dict[Key, Told], list[str]]:
    """Return which channels of recordings are whose, where there are as many as names, and notes on the others."""
    from humeanalytics.media.sound import channels_of  # with it FFmpeg, which few runs need here

    subjects = {f"channel_{n}": Told(name, None, BY_CHANNEL, BY_CHANNEL) for n, name in enumerate(names) if name}
    held = {key: row[who.ROLE] for key, row in _held(lake, recordings).items()}
    found: dict[Key, Told] = {}
    unfit = []
    for item in recordings.items:
        of_run = item["uri"] in uris and item["media_type"] in ("audio", "video")
        if not of_run or all(held.get((item["root"], name)) == each.role for name, each in subjects.items()):
            continue
        try:
            channels = channels_of(item["uri"])
        except UnreadableRecording:
            continue  # a video without sound, or one whose trouble was told when it was to be scored
        if channels == len(names):
            found |= {(item["root"], name): each for name, each in subjects.items()}
        else:
            unfit.append(f"{item['name']} ({channels})")
    if not unfit:
        return found, []
    note = f"{len(names)} channels were named, and these recordings have another number, so theirs got no names: {few(unfit)}"
    return found, [f"{note}. Say who is who in a file: --subjects."]


def new_rows(lake: Lake, told: Mapping[Key, Told], recordings: KnownRecordings, at: datetime) -> list[Row]:
    """Return the rows that say what is told, as far as it does not hold yet."""
    held = _held(lake, recordings) if told else {}
    rows: list[Row] = []
    for (root, subject), each in told.items():
        said = {who.ROLE: each.role, who.PARTICIPANT: each.participant}
        before = held.get((root, subject), {})
        if any(value is not None and value != (before.get(name) or "") for name, value in said.items()):
            rows.append({"recording_id": root, "subject": subject, **said, "uri": each.uri, "set_at": at})
    return rows


def _held(lake: Lake, recordings: KnownRecordings) -> dict[Key, dict[str, Any]]:
    rows = lake.sql("SELECT recording_id, subject, role, participant FROM subjects").rows()
    return {(recordings.canonical(row["recording_id"]), row["subject"]): row for row in rows}


def note_absent(lake: Lake, told: Mapping[Key, Told], rows: Sequence[Row], recordings: KnownRecordings) -> list[str]:
    """Return a note on new subjects that no row is of: a slip, or they are scored later."""
    new = [(row["recording_id"], row["subject"]) for row in rows if row[who.ROLE] or row[who.PARTICIPANT]]
    if not new:
        return []
    named = pa.table({"recording_id": pa.array(sorted({root for root, _ in new}), pa.string())})
    parts = []
    for table in _OF_SUBJECTS:
        types = {row["column_name"]: row["column_type"] for row in lake.sql(f"DESCRIBE {table}").rows()}
        parts += [
            f"SELECT DISTINCT t.recording_id, {key} AS subject FROM {table} AS t SEMI JOIN named USING (recording_id)"
            for key in who.subject_keys(types)
        ]
    there: dict[str, set[str]] = defaultdict(set)
    for row in lake.sql(" UNION ".join(parts), named=named).rows():
        if row["subject"] is not None:
            there[recordings.canonical(row["recording_id"])].add(row["subject"])
    absent = []
    for root, subject in new:
        if subject not in there[root]:
            listed = ", ".join(sorted(there[root])[:_SHOWN]) or "nothing yet"
            absent.append(f"{told[root, subject].place} ({subject} of {recordings.name(root)}, which has {listed})")
    return [f"no row is of these subjects so far, which is well if it is scored later: {few(absent)}"] if absent else []
