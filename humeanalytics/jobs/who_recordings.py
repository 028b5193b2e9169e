"""Find the recordings that tables and annotations of subjects and segments are about: by name, as a manifest, or by their ids."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import PurePath
from typing import Any
from urllib.parse import unquote

from humeanalytics.errors import UsageError
from humeanalytics.jobs.manifest_rows import Manifest
from humeanalytics.jobs.relabelling import rows_of_items
from humeanalytics.jobs.sameness import Sameness
from humeanalytics.jobs.saved_items import place_of
from humeanalytics.jobs.saved_known import known_ties
from humeanalytics.jobs.settling import MOVED
from humeanalytics.jobs.word_recordings import Candidate, WordRecordings
from humeanalytics.jobs.work import name_of
from humeanalytics.lake.lake import Lake
from humeanalytics.tables.segments_elan import ElanMedia

_SHORTEST_ID = 8


class KnownRecordings:
    """The recordings of a lake by all they may be called."""

    def __init__(self, lake: Lake) -> None:
        self._sameness = Sameness(known_ties(lake))
        query = (
            "SELECT item_id, recording_id, uri, name, media_type, duration_s, excluded_reason FROM items ORDER BY uri, item_id"
        )
        rows = [row for row in lake.sql(query).rows() if not (row["excluded_reason"] or "").startswith(MOVED)]
        self.items: list[dict[str, Any]] = [
            {**row, "name": row["name"] or "", "file": place_of(row), "root": self.canonical(row["recording_id"])} for row in rows
        ]

    def canonical(self, recording_id: str) -> str:
        """Return the id that stands for all a recording is known by."""
        return self._sameness.canonical(recording_id)

    def name(self, recording_id: str) -> str:
        """Return what a recording is called, given the id that stands for it."""
        return self._names.get(recording_id) or recording_id

    @cached_property
    def _names(self) -> dict[str, str]:
        return {item["root"]: item["name"] for item in self.items}

    @cached_property
    def _by_name(self) -> WordRecordings:
        candidates = (
            (Candidate(item["uri"], item["root"], None, item["duration_s"]), item["name"], item["media_type"])
            for item in self.items
        )
        return WordRecordings(candidates)

    @cached_property
    def durations_s(self) -> dict[str, float]:
        """How long recordings are, where that is known."""
        return {item["root"]: item["duration_s"] for item in self.items if item["duration_s"] is not None}

    def of_table(self, manifest: Manifest) -> tuple[dict[int, str], list[str]]:
        """Return the recording of each line of a table, and what cannot be told.

        Raises:
            UsageError: Two of its names mean one recording.
        """
        ids = {item["recording_id"]: item["root"] for item in self.items}
        of_line = {row.line: ids[row.file] for row in manifest.rows if row.file in ids}
        found, unfound, notes = rows_of_items(manifest, self.items, got="what it says")
        roots = {item["item_id"]: item["root"] for item in self.items}
        for item_id, row in found.items():
            of_line.setdefault(row.line, roots[item_id])
        for row in unfound:
            begins = {root for each, root in ids.items() if len(row.file) >= _SHORTEST_ID and each.startswith(row.file)}
            if len(begins) == 1:
                of_line.setdefault(row.line, *begins)
            elif row.line not in of_line:
                notes.append(
                    f"{manifest.source}, line {row.line}: the lake has no recording {row.file!r}. Is it spelt so, and scored?"
                )
        first: dict[str, int] = {}
        for line, root in sorted(of_line.items()):
            if (before := first.setdefault(root, line)) != line:
                raise UsageError(
                    f"{manifest.source}, lines {before} and {line}: both name one recording. Call it the same in all."
                )
        return of_line, notes

    def of_file(self, uri: str, media: Sequence[ElanMedia]) -> str:
        """Return the recording that an annotation is of: the one it is named after, or else the one it names.

        Raises:
            UsageError: There is none, or several are called so; or the clock of the annotation is not the recording's.
        """
        found = self._by_name.find(uri, None, alone=True)
        for each in media:
            if isinstance(found, str):
                named = self._by_name.find(str(PurePath(uri).with_name(f"{_name(each)}.eaf")), None, alone=True)
                found = named if isinstance(named, Candidate) else found
        if isinstance(found, str):
            raise UsageError(f"{uri}: {found}. Name the file after its recording (talk.eaf for talk.wav), or score it first.")
        name = name_of(found.uri)
        offsets = [each.offset_ms for each in media if _name(each) == name] or [each.offset_ms for each in media]
        if any(offsets):
            raise UsageError(
                f"{uri}: in ELAN {name} was shifted by {next(filter(None, offsets))} ms, so its times are not the recording's. "
                "Take the shift back there, or export the segments as CSV with the recording's own times."
            )
        assert found.recording_id is not None
        return found.recording_id


def _name(media: ElanMedia) -> str:
    return unquote(name_of(media.uri))
