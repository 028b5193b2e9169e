"""From what a run was given to what it has to send: look up, read what is new, label, group."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from humeanalytics.api.batch import LIMITS, BatchLimits
from humeanalytics.api.blocking import in_thread
from humeanalytics.jobs.bookkeeping import Row, item_row, load_rows, part_recordings, problem_row, recording_row, uri_of
from humeanalytics.jobs.intake import beyond_limits, take_in
from humeanalytics.jobs.ledger import Ledger
from humeanalytics.jobs.manifest import Manifest, ManifestRow
from humeanalytics.jobs.plan import Groups, suits
from humeanalytics.jobs.progress import Progress
from humeanalytics.jobs.summary import RunSummary, few
from humeanalytics.jobs.work import Problem, Recording, Source, Standing, name_of
from humeanalytics.lake.lake import Lake

_READ_AT_ONCE = 32
#: What was read is written down, and sent, when it is this much, or this old; at first when it is little, so that nobody waits.
_BATCH_FILES = 1000
_BATCH_S = 5.0
_BATCHES_GROW = 4


@dataclass(frozen=True, slots=True)
class Wanted:
    """What sources are held against: one API, one origin, one settings."""

    api: str
    origin: str
    settings_id: str
    models: tuple[str, ...]

    def ids(self) -> dict[str, str]:
        return {"api": self.api, "origin": self.origin, "settings_id": self.settings_id}


class Labelling:
    """What is said of an item: by the table it stands in, by the manifest, by ``--label``; the later wins.

    Args:
        manifest: The manifest, if there is one.
        labels: Labels for everything.
        sources: All sources, where they are known beforehand: which row is of which does not depend on their order then.

    Raises:
        UsageError: A row of the manifest fits several of the sources.
    """

    def __init__(self, manifest: Manifest | None, labels: Mapping[str, str], sources: Iterable[Source] = ()) -> None:
        self._manifest, self._labels = manifest, dict(labels)
        self._without_row: list[str] = []
        if manifest is not None:
            of_sources = list(sources)
            found = manifest.match_all((uri_of(source.uri), name_of(source.uri)) for source in of_sources)
            self._without_row = [source.uri for source in of_sources if uri_of(source.uri) not in found]

    @property
    def applies_to_known(self) -> bool:
        """Whether items seen before may get other labels from this run."""
        return self._manifest is not None or bool(self._labels)

    def row(self, source: Source) -> ManifestRow | None:
        return None if self._manifest is None else self._manifest.match(uri_of(source.uri), name_of(source.uri))

    def of(self, source: Source, excluded_before: str | None = None) -> tuple[dict[str, str], str | None]:
        """Return the labels of a source, and why it is excluded, if it is.

        Only a row of the manifest takes an exclusion back: silence does not.
        """
        row = self.row(source)
        labels = dict(source.labels) | (dict(row.labels) if row else {}) | self._labels
        return labels, row.excluded_reason if row else excluded_before

    def notes(self) -> list[str]:
        """Return what the user should know: rows of the manifest that are of nothing, and recordings without a row."""
        notes: list[str] = []
        if rows := [] if self._manifest is None else self._manifest.unmatched():
            notes.append(f"in the manifest, but not found: {few([f'{row.file} (line {row.line})' for row in rows])}")
        if self._without_row:
            notes.append(f"found, but not in the manifest, so without its labels: {few([name_of(u) for u in self._without_row])}")
        return notes

    def recorded_at(self, source: Source) -> datetime | None:
        row = self.row(source)
        return row.recorded_at if row else None


def labels_hash(labels: Mapping[str, str]) -> str | None:
    """Return a hash of the labels of an item; None where there are none."""
    return hashlib.sha256(json.dumps(sorted(labels.items())).encode()).hexdigest()[:16] if labels else None


class TakingIn:
    """Turns sources into groups of recordings to send, and writes down what they are on the way."""

    def __init__(
        self,
        lake: Lake,
        ledger: Ledger,
        sources: Sequence[Source],
        labelling: Labelling,
        grouping: Groups,
        wanted: Wanted,
        summary: RunSummary,
        progress: Progress,
        limits: BatchLimits | None = LIMITS,
    ) -> None:
        self._lake, self._ledger, self._labelling, self._grouping = lake, ledger, labelling, grouping
        self._sources = {source.uri: source for source in sources}
        self._wanted, self._summary, self._progress, self._limits = wanted, summary, progress, limits

    async def groups(
        self, *, force: bool = False, retry_failed: bool = False, rehash: bool = False
    ) -> AsyncIterator[list[Recording]]:
        """Yield what is to be sent, group by group, while the rest is still being read."""
        ledger, counts = self._ledger, self._summary.recordings
        standing = await in_thread(self._look_up, rehash)
        if self._labelling.applies_to_known and await in_thread(self._label_known):
            standing = await in_thread(self._look_up, rehash)  # an exclusion may have come or gone
        if retry_failed or force:
            forgotten = ledger.forget_problems() if retry_failed else 0
            if ledger.release(**self._wanted.ids(), also_done=force) or forgotten:
                standing = await in_thread(self._look_up, rehash)
        counts["found"] = len(self._sources)
        counts.update({"known": standing.done, "under_way": standing.under_way})
        counts.update({"failed_before": standing.failed_before, "excluded": standing.excluded})
        known = await in_thread(ledger.recordings, [self._sources[uri] for uri in standing.to_plan])
        # An archive's members stand nowhere but in the archive.
        again = [recording.source for recording in known if recording.media_type == "archive"]
        too_large = [problem for each in known if (problem := beyond_limits(each, self._limits))]
        if too_large:
            await in_thread(self._write_down, too_large)
        for recording in known:
            if recording.media_type != "archive" and not beyond_limits(recording, self._limits) and self._suits(recording):
                for group in self._grouping.add(recording):
                    yield group
        to_read = [*again, *(self._sources[uri] for uri in standing.new)]
        async for batch in self._read(to_read):
            for recording in await in_thread(self._write_down, batch):
                for group in self._grouping.add(recording):
                    yield group
        for group in self._grouping.rest():
            yield group

    def _suits(self, recording: Recording) -> bool:
        fits = suits(recording.media_type, self._wanted.models)
        self._summary.recordings["unsuited"] += not fits
        return fits

    def _look_up(self, rehash: bool) -> Standing:
        return self._ledger.look_up(self._sources.values(), **self._wanted.ids(), recheck=rehash)

    async def _read(self, sources: Sequence[Source]) -> AsyncIterator[list[Recording | Problem]]:
        batch: list[Recording | Problem] = []
        begun, enough = time.monotonic(), _READ_AT_ONCE
        for start in range(0, len(sources), _READ_AT_ONCE):
            chunk = sources[start : start + _READ_AT_ONCE]
            reading = (in_thread(take_in, each, self._labelling.recorded_at, limits=self._limits) for each in chunk)
            batch += await asyncio.gather(*reading)
            self._progress.stage("read", start + len(chunk), len(sources))
            if len(batch) >= enough or time.monotonic() - begun > _BATCH_S:
                yield batch
                batch, begun, enough = [], time.monotonic(), min(enough * _BATCHES_GROW, _BATCH_FILES)
        if batch:
            yield batch

    def _write_down(self, batch: Sequence[Recording | Problem]) -> list[Recording]:
        """Commit a batch to the lake, then to the ledger; return what of it is to be sent."""
        rows: dict[str, list[Row]] = {"items": [], "recordings": [], "labels": [], "errors": []}
        said: list[tuple[str, str | None, str | None]] = []
        to_send: list[Recording] = []
        for each in batch:
            if isinstance(each, Problem):
                rows["errors"].append(problem_row(each, run_id=self._summary.run_id, api=self._wanted.api))
                self._summary.add_error(uri_of(each.source.uri), each.message)
                self._summary.recordings["refused"] += 1
            else:
                labels, excluded = self._labelling.of(each.source)
                rows["recordings"].append(recording_row(each))
                for item in (item_row(each, excluded), *_part_rows(each, excluded)):
                    rows["items"].append(item)
                    rows["labels"] += _label_rows(item["item_id"], labels)
                said.append((each.source.uri, labels_hash(labels), excluded))
                if excluded is None:
                    if self._suits(each):
                        to_send.append(each)
                else:  # whoever took back their consent is not sent anywhere
                    self._summary.recordings["excluded"] += 1
        load_rows(self._lake, rows, flow=self._wanted.api, run_id=self._summary.run_id)
        self._ledger.record_files(batch)
        self._ledger.record_labels(said)
        claimed = self._ledger.claimed([each.recording_id for each in to_send], **self._wanted.ids())
        self._summary.recordings["known"] += sum(each.recording_id in claimed for each in to_send)
        return [each for each in to_send if each.recording_id not in claimed]

    def _label_known(self) -> bool:
        """Write what this run says of items seen before, where it is something else; return whether it was."""
        changed: list[tuple[Source, dict[str, str], str | None]] = []
        for uri, known_hash, excluded_before in list(self._ledger.seen_recordings()):
            source = self._sources[uri]
            labels, excluded = self._labelling.of(source, excluded_before)
            if excluded != excluded_before or (labels and labels_hash(labels) != known_hash):
                changed.append((source, labels, excluded))
        if not changed:
            return False
        what = {recording.source.uri: recording for recording in self._ledger.recordings([source for source, *_ in changed])}
        rows: dict[str, list[Row]] = {"items": [], "labels": []}
        for source, labels, excluded in changed:
            item = item_row(what[source.uri], excluded)
            rows["items"].append(item)
            rows["labels"] += _label_rows(item["item_id"], labels)
        load_rows(self._lake, rows, flow=self._wanted.api, run_id=self._summary.run_id)
        self._ledger.record_labels((source.uri, labels_hash(labels), excluded) for source, labels, excluded in changed)
        return True


def _part_rows(recording: Recording, excluded_reason: str | None) -> list[Row]:
    """The members of an archive are items of their own."""
    return [item_row(part, excluded_reason) for part in part_recordings(recording)]


def _label_rows(item_id: str, labels: Mapping[str, str]) -> list[Row]:
    at = datetime.now(UTC)
    return [{"item_id": item_id, "key": key, "value": value, "set_at": at} for key, value in labels.items()]
