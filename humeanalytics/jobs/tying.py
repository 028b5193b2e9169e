"""Tie saved answers to the recordings they are of, where those are at hand: by their md5 sums, or by names that are unique."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePath
from typing import Any

import pyarrow as pa

from humeanalytics.jobs.bookkeeping import Row, item_row, load_rows, part_recordings, problem_row, recording_row
from humeanalytics.jobs.intake import take_in
from humeanalytics.jobs.progress import Progress
from humeanalytics.jobs.saved_load import FLOW
from humeanalytics.jobs.sources import find_sources
from humeanalytics.jobs.summary import RunSummary
from humeanalytics.jobs.taking_in import Labelling
from humeanalytics.jobs.work import Problem, Recording, Source, name_of
from humeanalytics.lake.lake import Lake
from humeanalytics.recordings import media_type_of
from humeanalytics.tables.detect import Kind, detect

#: Why the item that a saved answer gave counts no more once the file it is of was found; the file's path follows.
MOVED = "the same as "
#: Rows may reach so far beyond the end of their recording: containers round.
_SLACK_S = 1.0


@dataclass(frozen=True, slots=True)
class _Tie:
    """A recording of saved answers, its item, and the file it is."""

    recording_id: str
    item: Row
    recording: Recording
    reason: str


def media_files(given: Iterable[str | os.PathLike[str]]) -> list[Source]:
    """Return the recordings that some folders and files hold. What was saved beside them, answers and transcripts, is none.

    Raises:
        UsageError: A name matches nothing.
    """
    return [source for source in find_sources(given) if source.kind == "file" and not _was_saved(source.uri)]


def _was_saved(path: str) -> bool:
    if media_type_of(path) is not None:
        return False
    try:
        with Path(path).open("rb") as file:
            return detect(file).kind != Kind.OTHER
    except OSError:
        return False  # which is told when it is read


def tie_media(lake: Lake, media: Sequence[Source], labelling: Labelling, summary: RunSummary, progress: Progress) -> None:
    """Tie the recordings of saved answers to files.

    The file's item takes the place of the one that the saved answer gave, with its labels. A name that several files or
    several recordings have ties nothing, and neither does a file that ends before the rows do: nothing is guessed.
    """
    found: list[Recording] = []
    rows: dict[str, list[Row]] = defaultdict(list)
    for number, source in enumerate(media, start=1):
        taken = take_in(source, labelling.recorded_at)
        if isinstance(taken, Problem):
            rows["errors"].append(problem_row(taken, run_id=summary.run_id, api="batch"))
            summary.add_error(source.uri, taken.message)
            summary.recordings["refused"] += 1
        else:
            found += [taken, *part_recordings(taken)]
        progress.stage("recordings", number, len(media))
    if not media:
        return
    ties, notes = _ties(lake, found)
    labels = _labels(lake, [tie.item["item_id"] for tie in ties])
    for tie in ties:
        of_file, excluded_reason = labelling.of(tie.recording.source, tie.item["excluded_reason"])
        item, at = item_row(tie.recording, excluded_reason), datetime.now(UTC)
        moved = {**tie.item, "excluded_reason": f"{MOVED}{item['uri']}", "seen_at": at}
        rows["recordings"].append(recording_row(tie.recording))
        rows["items"] += [item, moved]
        rows["labels"] += [
            {"item_id": item["item_id"], "key": key, "value": value, "set_at": at}
            for key, value in (labels.get(tie.item["item_id"], {}) | of_file).items()
        ]
        rows["recording_aliases"].append(
            {"alias_id": tie.recording_id, "recording_id": tie.recording.recording_id, "reason": tie.reason}
        )
    load_rows(lake, rows, flow=FLOW, run_id=summary.run_id)
    summary.recordings["tied"] += len(ties)
    summary.notes += notes


def _ties(lake: Lake, found: Sequence[Recording]) -> tuple[list[_Tie], list[str]]:
    """Find the file of each recording that is not tied to one yet; and say which names are not unique."""
    by_md5 = {f"md5:{recording.md5}": recording for recording in found if recording.md5}
    by_name: dict[str, dict[str, Recording]] = defaultdict(dict)
    by_stem: dict[str, dict[str, Recording]] = defaultdict(dict)
    for recording in found:
        by_name[_name(recording.source.uri)][recording.recording_id] = recording
        by_stem[PurePath(_name(recording.source.uri)).stem][recording.recording_id] = recording
    items = {row["recording_id"]: row for row in _loose_items(lake)}
    holders: dict[tuple[str, str | None], set[str]] = defaultdict(set)
    for recording_id, item in items.items():
        if recording_id not in by_md5:
            holders[item["file"], item["v1_model"]].add(recording_id)
    ends_s = _ends_s(lake, list(items))
    ties: list[_Tie] = []
    notes: list[str] = []
    for recording_id, item in items.items():
        row = {name: value for name, value in item.items() if name not in ("file", "v1_model", "received_s")}
        candidates = by_name.get(item["file"]) or by_name.get(item["name"]) or {}
        if not candidates and item["v1_model"]:  # called after the file it was saved in, which may lack the suffix
            candidates = by_stem.get(item["name"]) or {}
        if recording_id in by_md5:
            ties.append(_Tie(recording_id, row, by_md5[recording_id], "md5"))
        elif recording_id.startswith("md5:") or not candidates:
            continue  # another file of that name, or none
        elif len(candidates) > 1 or len(holders[item["file"], item["v1_model"]]) > 1:
            notes.append(f"{item['uri']}: not tied to a recording, because {item['file']!r} is the name of more than one.")
        else:
            [recording] = candidates.values()
            end_s = ends_s.get(recording_id, 0.0)
            received_s = item["received_s"]
            if None not in (recording.duration_s, received_s) and abs(recording.duration_s - received_s) > _SLACK_S:
                notes.append(
                    f"{item['uri']}: not tied to {recording.source.uri}, which has {recording.duration_s:.1f} s; "
                    f"the results are of {received_s:.1f} s of sound, a part of it or something else."
                )
            elif recording.duration_s is not None and end_s > recording.duration_s + _SLACK_S:
                notes.append(
                    f"{item['uri']}: not tied to {recording.source.uri}, which ends after {recording.duration_s:.1f} s; "
                    f"the results reach {end_s:.1f} s."
                )
            else:
                ties.append(_Tie(recording_id, row, recording, "name"))
    return ties, notes


def _name(uri: str) -> str:
    """What Hume calls a recording that was sent: its name, or inside an archive its path."""
    return uri.partition("!/")[2] or name_of(uri)


def _loose_items(lake: Lake) -> list[dict[str, Any]]:
    """Return the items of recordings of which no bytes were seen, with the file as Hume names it; v1 does not, so its model."""
    query = """
        WITH tied AS (
            SELECT alias_id AS id FROM recording_aliases WHERE recording_id NOT LIKE '%:%'
        )
        SELECT i.* EXCLUDE (load_id), coalesce(nullif(s.file, ''), i.name) AS file, s.v1_model, u.received_s
        FROM items AS i LEFT JOIN (
            SELECT recording_id, min(file) AS file, min(model) FILTER (WHERE api = 'expression') AS v1_model
            FROM scorings GROUP BY recording_id
        ) AS s USING (recording_id)
        LEFT JOIN (SELECT recording_id, max(received_s) AS received_s FROM uploads GROUP BY ALL) AS u USING (recording_id)
        WHERE i.recording_id LIKE '%:%' AND i.recording_id NOT IN (FROM tied)
        ORDER BY i.uri, i.item_id
    """
    return lake.sql(query).rows()


def _ends_s(lake: Lake, recording_ids: Sequence[str]) -> dict[str, float]:
    """Return how far the rows of some recordings reach."""
    wanted = pa.table({"recording_id": pa.array(recording_ids, pa.string())})
    parts = [
        f"SELECT recording_id, end_s FROM {model} SEMI JOIN wanted USING (recording_id)"
        for model in ("prosody", "burst", "language", "audio_measurements")
    ]
    parts += [
        f"SELECT recording_id, time_s AS end_s FROM {model} SEMI JOIN wanted USING (recording_id)"
        for model in ("face", "video_frames")
    ]
    query = f"SELECT recording_id, max(end_s) AS end_s FROM ({' UNION ALL '.join(parts)}) WHERE end_s IS NOT NULL GROUP BY ALL"
    return {row["recording_id"]: row["end_s"] for row in lake.sql(query, wanted=wanted).rows()} if recording_ids else {}


def _labels(lake: Lake, item_ids: Sequence[str]) -> dict[str, dict[str, str]]:
    wanted = pa.table({"item_id": pa.array(item_ids, pa.string())})
    labels: dict[str, dict[str, str]] = defaultdict(dict)
    for row in lake.sql("SELECT item_id, key, value FROM labels SEMI JOIN wanted USING (item_id)", wanted=wanted).rows():
        labels[row["item_id"]][row["key"]] = row["value"]
    return labels
