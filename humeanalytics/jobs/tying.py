"""Tie saved answers to the recordings they are of, where those are at hand: by their md5 sums, or by names that are unique."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

import pyarrow as pa

from humeanalytics.jobs.bookkeeping import Row, item_row, load_rows, part_recordings, problem_row, recording_row
from humeanalytics.jobs.intake import take_in
from humeanalytics.jobs.progress import Progress
from humeanalytics.jobs.sameness import Sameness
from humeanalytics.jobs.saved_items import place_of
from humeanalytics.jobs.saved_known import items_of, known_ties, measured_by_v1, unseen_recordings
from humeanalytics.jobs.saved_load import FLOW
from humeanalytics.jobs.settling import MOVED, retired
from humeanalytics.jobs.sources import find_sources
from humeanalytics.jobs.summary import RunSummary
from humeanalytics.jobs.taking_in import Labelling
from humeanalytics.jobs.work import Problem, Recording, Source, name_of
from humeanalytics.lake.lake import Lake
from humeanalytics.recordings import media_type_of
from humeanalytics.tables.detect import Kind, detect

#: Rows may reach so far beyond the end of their recording: containers round.
_SLACK_S = 1.0
_ENDS = dict.fromkeys(("prosody", "burst", "language", "ner", "audio_measurements"), "end_s")
_ENDS |= dict.fromkeys(("face", "video_frames"), "time_s")
_SOUND_OR_PICTURE = frozenset(("audio", "video"))


@dataclass(frozen=True, slots=True)
class _File:
    """A recording that is at hand, and its name: of a member of an archive, the path in it."""

    recording: Recording
    name: str

    @property
    def endings(self) -> list[str]:
        """Return what Hume may have called it: the end of its path, however much of that; of a member, all of its path."""
        if "!/" in self.recording.source.uri:
            return [self.name]
        parts = PurePath(self.recording.source.uri).parts
        return ["/".join(parts[start:]) for start in range(1, len(parts))]


@dataclass(slots=True)
class _Loose:
    """A recording of saved answers of which no bytes were seen.

    Attributes:
        ids: All ids that mean it.
        items: Its items.
        v1_model: What v1 measured of it, if v1 did.
        received_s: How much sound v1 received of it, in seconds.
    """

    ids: set[str]
    items: list[dict[str, Any]] = field(default_factory=list)
    v1_model: str | None = None
    received_s: float | None = None

    @property
    def files(self) -> set[str]:
        return {place_of(item) for item in self.items}

    @property
    def names(self) -> set[str]:
        return {item["name"] for item in self.items if item["name"]}

    @property
    def media_types(self) -> set[str]:
        return {item["media_type"] for item in self.items if item["media_type"]}


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

    The file's item takes the place of those that the saved answers gave, with their labels. A name that several files or
    several recordings have ties nothing, and neither does a file that ends before the rows do: nothing is guessed.
    """
    if not media:
        return
    files: list[_File] = []
    problems: list[Row] = []
    for number, source in enumerate(media, start=1):
        taken = take_in(source, labelling.recorded_at)
        if isinstance(taken, Problem):
            problems.append(problem_row(taken, run_id=summary.run_id, api="batch"))
            summary.add_error(source.uri, taken.message)
            summary.recordings["refused"] += 1
        else:
            files.append(_File(taken, name_of(source.uri)))
            parts = zip(part_recordings(taken), taken.parts, strict=True)
            files += [_File(part, inner) for part, inner in parts]
        progress.stage("recordings", number, len(media))
    loose = _loose(lake)
    ties, notes = _ties(loose, files, _ends_s(lake, {each for one in loose for each in one.ids}))
    rows = _rows(lake, ties, labelling)
    rows["errors"] = problems
    load_rows(lake, rows, flow=FLOW, run_id=summary.run_id)
    summary.recordings["tied"] += len(ties)
    summary.notes += notes


@dataclass(frozen=True, slots=True)
class _Tie:
    """A recording of saved answers, for each of its items the file it is, and how that was found."""

    loose: _Loose
    files: list[tuple[dict[str, Any], Recording]]
    reason: str


def _rows(lake: Lake, ties: Sequence[_Tie], labelling: Labelling) -> dict[str, list[Row]]:
    """Return what is to be written of ties: the recordings and their items, and those in whose place they stand."""
    rows: dict[str, list[Row]] = defaultdict(list)
    files = {item_row(file)["item_id"]: file for tie in ties for _, file in tie.files}
    items: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for tie in ties:
        for item, file in tie.files:
            items[item_row(file)["item_id"]].append(item)
            alias = {"alias_id": item["recording_id"], "recording_id": file.recording_id, "reason": tie.reason}
            if alias not in rows["recording_aliases"]:
                rows["recording_aliases"].append(alias)
    before = {row["item_id"]: row for row in items_of(lake, {file.recording_id for file in files.values()})}
    pairs: list[tuple[Mapping[str, Any], Mapping[str, Any]]] = []
    for item_id, file in files.items():
        excluded = (each["excluded_reason"] for each in (before.get(item_id), *items[item_id]) if each is not None)
        labels, excluded_reason = labelling.of(file.source, next(filter(None, excluded), None))
        stays = item_row(file, excluded_reason)
        pairs += [({**item, "excluded_reason": None}, stays) for item in items[item_id]]
        rows["recordings"].append(recording_row(file))
        rows["items"].append(stays)
        at = stays["seen_at"]
        rows["labels"] += [{"item_id": item_id, "key": key, "value": value, "set_at": at} for key, value in labels.items()]
    said = {(row["item_id"], row["key"]) for row in rows["labels"]}
    moved = retired(lake, pairs)
    rows["items"] += moved["items"]
    rows["labels"] += [row for row in moved["labels"] if (row["item_id"], row["key"]) not in said]
    return rows


def _ties(loose: Sequence[_Loose], files: Sequence[_File], ends_s: Mapping[str, float]) -> tuple[list[_Tie], list[str]]:
    """Find the files of recordings that are not tied to any yet; and say which names are not unique."""
    by_md5: dict[str, list[_File]] = defaultdict(list)
    by_name: dict[str, list[_File]] = defaultdict(list)
    by_stem: dict[str, list[_File]] = defaultdict(list)
    by_ending: dict[str, list[_File]] = defaultdict(list)
    for file in files:
        for ending in file.endings:
            by_ending[ending].append(file)
        by_name[file.name].append(file)
        by_stem[PurePath(file.name).stem].append(file)
        if file.recording.md5:
            by_md5[f"md5:{file.recording.md5}"].append(file)
    rest: list[_Loose] = []
    ties: list[_Tie] = []
    notes: list[str] = []
    for one in loose:
        of_md5 = [file for each in sorted(one.ids) for file in by_md5.get(each, ())]
        if of_md5:
            of_md5 = [file for file in of_md5 if file.recording.recording_id == of_md5[0].recording.recording_id]
            ties.append(_Tie(one, [(item, _likest(item, of_md5)) for item in one.items], "md5"))
        elif not any(each.startswith("md5:") for each in one.ids):  # else another file of that name, or none
            rest.append(one)
    claims: list[tuple[int, _Loose, str, dict[str, _File]]] = []
    claimed: dict[tuple[str, str | None], list[int]] = defaultdict(list)  # v1 answers of sound and of pictures one by one
    for one in rest:
        ways = [(one.files, by_ending)]  # with all its folders: p2/a.wav is not p1/a.wav
        if one.v1_model:  # called after the file it was saved in, which may lack the suffix
            ways += [(one.names, by_name), (one.names, by_stem)]
        for way, (names, files_by) in enumerate(ways):
            if named := _named(names, files_by):
                claims.append((way, one, min(names), named))
                for recording_id in named:
                    claimed[recording_id, one.v1_model].append(way)
                break
    for way, one, name, named in claims:
        uri = one.items[0]["uri"]
        [best, *others] = sorted(each for recording_id in named for each in claimed[recording_id, one.v1_model])
        if way > best or others[:1] == [way]:  # a file that a whole name tells is not for one that lacks its suffix
            notes.append(f"{uri}: not tied to a recording, because {name!r} may be the name of more than one.")
            continue
        [file] = named.values()
        end_s = max((ends_s.get(each, 0.0) for each in one.ids), default=0.0)
        if reason := _objection(file.recording, one, end_s):
            notes.append(f"{uri}: not tied to {file.recording.source.uri}, {reason}.")
        else:
            ties.append(_Tie(one, [(item, file.recording) for item in one.items], "name"))
    return ties, notes


def _named(names: Collection[str], by_name: Mapping[str, Sequence[_File]]) -> dict[str, _File]:
    """Return the recordings that have one of some names, by id."""
    return {file.recording.recording_id: file for name in sorted(names) for file in by_name.get(name, ())}


def _likest(item: Mapping[str, Any], files: Sequence[_File]) -> Recording:
    """Return which of several files of the same bytes an item is: the one of its name, if there is one."""
    names = (place_of(item), item["name"])
    return min(files, key=lambda file: (file.name not in names, file.recording.source.uri)).recording


def _objection(recording: Recording, loose: _Loose, end_s: float) -> str | None:
    """Say why a file cannot be what results are of, although the name fits."""
    if recording.duration_s is not None:
        if loose.received_s is not None and abs(recording.duration_s - loose.received_s) > _SLACK_S:
            received = f"the results are of {loose.received_s:.1f} s of sound, a part of it or something else"
            return f"which has {recording.duration_s:.1f} s; {received}"
        if end_s > recording.duration_s + _SLACK_S:
            return f"which ends after {recording.duration_s:.1f} s; the results reach {end_s:.1f} s"
    media_types = loose.media_types
    told = media_types | (_SOUND_OR_PICTURE if media_types & _SOUND_OR_PICTURE else set())
    if recording.media_type is not None and told and recording.media_type not in told:
        return f"which is {recording.media_type}; the results are of {' or '.join(sorted(media_types))}"
    return None


def _loose(lake: Lake) -> list[_Loose]:
    """Return the recordings of which no bytes were seen, with the items that stand for them."""
    sameness = Sameness(known_ties(lake))
    found: dict[str, _Loose] = {}
    for recording_id in sorted(unseen_recordings(lake)):
        canonical = sameness.canonical(recording_id)
        if ":" in canonical and canonical not in found:
            found[canonical] = _Loose(sameness.same_as([canonical]))
    for item in items_of(lake, {each for one in found.values() for each in one.ids}):
        if not (item["excluded_reason"] or "").startswith(MOVED):
            found[sameness.canonical(item["recording_id"])].items.append(item)
    for recording_id, (model, received_s) in measured_by_v1(lake, {each for one in found.values() for each in one.ids}).items():
        one = found[sameness.canonical(recording_id)]
        one.v1_model, one.received_s = model, received_s
    return sorted((one for one in found.values() if one.items), key=lambda one: one.items[0]["uri"])


def _ends_s(lake: Lake, recording_ids: Collection[str]) -> dict[str, float]:
    """Return how far the rows of some recordings reach."""
    if not recording_ids:
        return {}
    wanted = pa.table({"recording_id": pa.array(sorted(recording_ids), pa.string())})
    parts = [
        f"SELECT recording_id, {column} AS end_s FROM {table}_all SEMI JOIN wanted USING (recording_id)"
        for table, column in _ENDS.items()
    ]
    query = f"SELECT recording_id, max(end_s) AS end_s FROM ({' UNION ALL '.join(parts)}) WHERE end_s IS NOT NULL GROUP BY ALL"
    return {row["recording_id"]: row["end_s"] for row in lake.sql(query, wanted=wanted).rows()}
