"""The verb `ingest`: saved answers of Hume's into a lake."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from humeanalytics.errors import Interrupted, LakeMixed, UsageError
from humeanalytics.jobs.bookkeeping import take_back, uri_of
from humeanalytics.jobs.chat_labels import chats_of_files, is_chat_column, label_chats, read_chat_manifest
from humeanalytics.jobs.flow import end_run, open_flow
from humeanalytics.jobs.ledger import Ledger
from humeanalytics.jobs.load_content import load_id_of
from humeanalytics.jobs.manifest import read_manifest
from humeanalytics.jobs.processes import WorkerDied, cores, map_in_order, worker_pool
from humeanalytics.jobs.progress import Progress, show_progress
from humeanalytics.jobs.relabelling import relabel
from humeanalytics.jobs.sameness import Sameness
from humeanalytics.jobs.saved_chats import Beside, take_chats
from humeanalytics.jobs.saved_files import limits_of
from humeanalytics.jobs.saved_inputs import SavedInput, find_saved
from humeanalytics.jobs.saved_known import known_ties, places_met, recordings_by_md5, scored_uris
from humeanalytics.jobs.saved_load import FLOW, SavedLoad, announce
from humeanalytics.jobs.saved_payloads import read_saved
from humeanalytics.jobs.saved_work import ANSWERS, Payload, ReadResult, ReadTask, Unread
from humeanalytics.jobs.settling import settle
from humeanalytics.jobs.summary import RunSummary, few, oddities
from humeanalytics.jobs.taking_in import Labelling
from humeanalytics.jobs.tying import media_files, tie_media
from humeanalytics.jobs.unmeasured import unmeasured_faces
from humeanalytics.jobs.who_when import read_who_when, write_who_when
from humeanalytics.jobs.words import WordFiles, take_words, waiting_for_recordings
from humeanalytics.lake.lake import Lake
from humeanalytics.settings import Settings, load_settings

#: A worker reads about so much at a time, a load holds about so much ...
_TASK_BYTES, _LOAD_BYTES = 24_000_000, 256_000_000
#: ... or so many inputs.
_TASK_INPUTS, _LOAD_INPUTS = 100, 1000
#: Less than this is read faster here than a process starts.
_WORTH_A_PROCESS_BYTES = 16_000_000


def ingest(
    files: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    lake: Lake | str | os.PathLike[str] | None = None,
    *,
    manifest: str | os.PathLike[str] | None = None,
    on: str | None = None,
    labels: Mapping[str, str] | None = None,
    subjects: str | os.PathLike[str] | None = None,
    segments: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | None = None,
    tier: str | None = None,
    recordings: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] = (),
    raw: bool = True,
    retry_failed: bool = False,
    rehash: bool = False,
    synthetic: bool = False,
    settings: Settings | None = None,
    executor: Executor | None = None,
    lock_wait_s: float = 0.0,
    progress: bool = False,
) -> RunSummary:
    """Read whatever was saved from Hume into a lake; what is there already, in any form, gives no new rows.

    Args:
        files: Files, folders (searched through, whatever the names in them) and glob patterns. What each is shows in it:
            predictions of v0 batch jobs in JSON (of the API, the platform, a webhook, an SDK, wrapped), artifacts (a ZIP, a
            folder it was extracted to, a single CSV), answers of v1, chats of EVI (pages of its history in any order, dumps of
            SDKs, captures of its socket, webhooks), and transcripts and speaker turns (WebVTT, SubRip, JSON
            of Whisper and WhisperX, TextGrid, RTTM) of recordings they are named after; any of them packed with gzip, zstd or
            ZIP.
        lake: A `Lake`, or where one is or shall be. Default: the setting ``lake``.
        manifest: A CSV that ties labels to the recordings by name; ``on`` names the column that names them. Of chats that is
            ``chat_id``, ``chat_group_id`` or ``custom_session_id``, and its rows label whatever chats in the lake they fit.
        labels: Labels for everything in this call.
        subjects: A CSV that says who is who in recordings of the lake: columns ``recording`` (its name, path or id), ``subject``
            (``face_0``, ``spk_1``, ``channel_0``), ``role`` and ``participant``, or one of these. What was said last holds.
        segments: Files, or folders of them, that say which phase of a recording is which: CSV (``recording``, ``begin_s``,
            ``end_s``, ``segment``), ELAN (.eaf) or TextGrids named after their recordings. Those of the last file about a
            recording hold. A TextGrid is words unless it is named here. With either of the two ``files`` may be empty.
        tier: The tier of ELAN files and TextGrids that holds the segments, where several have something in them.
        recordings: Folders or files of the recordings that were scored: results are tied to them by their md5 sum, or by a
            name that only one of them has.
        raw: Keep the bytes of each answer too, so that tables can be rebuilt.
        retry_failed: Read again what could not be read before and has not changed since.
        rehash: Read everything again, whatever size and time of change say.
        synthetic: The files were made by the sandbox: the lake is, or becomes, a synthetic one.
        settings: Default: from the environment (`load_settings`).
        executor: Where to read; its processes must see the same folders. Default: processes of this machine, as many as
            the setting ``workers`` says.
        lock_wait_s: How long to wait for another ingest on this lake, in seconds.
        progress: Show how far it is.

    Returns:
        What was done, in numbers. A file that cannot be read is in its ``errors`` and never stops the others.

    Raises:
        UsageError: A name matches nothing.
        LakeMixed: The lake holds the sandbox's results, and ``synthetic`` does not say that these are such.
        LakeLocked: Another ingest works on it.
        DiskFull: There is no room; the same call goes on later.

    Examples:
        >>> import humeanalytics as ha
        >>> ha.ingest(["HumeAI_predictions_1f3a.json", "artifacts.zip"], "lake")  # doctest: +SKIP
    """
    begun = time.monotonic()
    settings = settings or load_settings()
    media = media_files(_listed(recordings))
    leave = {os.path.abspath(os.path.expanduser(manifest))} if manifest is not None else set()  # noqa: PTH100, PTH111
    said = read_who_when(subjects, segments, tier)
    inputs = find_saved(_listed(files), leave=leave | said.files | {source.uri for source in media})
    inputs = [each for each in inputs if each.path not in said.files]
    if not inputs and not said.says_anything:
        raise UsageError("There is no file in what was given.")
    of_chats = None if manifest is None or not is_chat_column(on) else read_chat_manifest(manifest, on)
    rows = None if manifest is None or of_chats is not None else read_manifest(Path(manifest), on=on)
    of_media = Labelling(rows, labels or {}, media)
    with (
        show_progress(progress) as shown,
        open_flow(lake, FLOW, "ingest", settings, lock_wait_s) as (opened, ledger, run_id),
    ):
        if inputs:  # what people say of recordings is neither real nor synthetic
            _claim(opened, synthetic)
        summary = RunSummary("ingest", opened.uri, run_id, synthetic=bool(opened.identity.synthetic))
        inputs = _without_recordings(opened, inputs, summary)
        work = _Ingest(opened, ledger, summary, settings, shown, raw)
        try:
            take_back(opened, FLOW)
            work.take(inputs, executor, retry_failed=retry_failed, rehash=rehash)
            tie_media(opened, media, of_media, summary, shown)
            settle(opened, summary)
            work.take_chats()
            words = WordFiles(work.words, work.waiting, keep_raw=raw)
            take_words(opened, ledger, words, media, of_media, summary, shown, settings)
            relabel(opened, rows, labels or {}, work.known_before, work.scorings, summary)
            chats = work.chats | (chats_of_files(opened, work.known_before) if labels or of_chats else set())
            label_chats(opened, of_chats, labels or {}, chats, summary, flow=FLOW)
            write_who_when(opened, said, summary, flow=FLOW)
        except KeyboardInterrupt:
            raise Interrupted("Stopped. What was loaded is there; the same call goes on where this one ended.") from None
        work.conclude()
        if summary.files["failed"] or summary.chats["with_errors"]:
            summary.exit_code = 3
        end_run(opened, ledger, summary, FLOW, begun)
        return summary


def _listed(given: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> list[str | os.PathLike[str]]:
    return [given] if isinstance(given, str | os.PathLike) else list(given)


def _without_recordings(lake: Lake, inputs: Sequence[SavedInput], summary: RunSummary) -> list[SavedInput]:
    """Pass over what the lake knows as a recording that was scored: its words may lie beside it, it is no answer itself."""
    recordings = scored_uris(lake)
    rest = [each for each in inputs if uri_of(each.uri) not in recordings]
    if len(rest) < len(inputs):
        summary.files["recordings"] = len(inputs) - len(rest)
    return rest


def _claim(lake: Lake, synthetic: bool) -> None:
    try:
        lake.claim(synthetic=synthetic)
    except LakeMixed as error:
        if synthetic:
            raise
        raise LakeMixed(f"{error} If the files were made by the sandbox too, say so: --synthetic.", uri=lake.uri) from None


class _Ingest:
    def __init__(
        self,
        lake: Lake,
        ledger: Ledger,
        summary: RunSummary,
        settings: Settings,
        progress: Progress,
        keep_raw: bool,
    ) -> None:
        self._lake, self._ledger, self._summary = lake, ledger, summary
        self._settings, self._progress, self._keep_raw = settings, progress, keep_raw
        self._received_at = datetime.now(UTC)
        self._scores_rounded = self._names_doubled = 0
        self._same_texts: list[str] = []
        self.scorings: set[str] = set()
        self.known_before: list[str] = []
        self.words: dict[SavedInput, bool] = {}
        self.waiting: set[str] = set()
        self.chats: set[str] = set()
        self._with_chats: dict[SavedInput, Beside] = {}

    def take(
        self, inputs: Sequence[SavedInput], executor: Executor | None, *, retry_failed: bool = False, rehash: bool = False
    ) -> None:
        """Read what is new of some inputs, and commit it load by load."""
        counts = self._summary.files
        before = {} if rehash else self._ledger.saved_before(inputs)
        self.known_before = [uri for uri, failed in before.items() if not failed]
        counts["found"], counts["known"] = len(inputs), len(self.known_before)
        failed_before = {uri for uri, failed in before.items() if failed}
        if failed_before and not retry_failed:
            self.waiting = failed_before & waiting_for_recordings(self._lake)
            counts["failed_before"] = len(failed_before - self.waiting)
            failed_before = self.waiting
        new = [each for each in inputs if each.uri not in before or each.uri in failed_before]
        if new:
            with self._results(new, executor) as results:
                self._take(results, _Meter(self._progress, new))

    def _tasks(self, inputs: Sequence[SavedInput]) -> Iterator[ReadTask]:
        """Yield tasks, load by load. A load is announced before anything is written for it."""
        first = 0
        for load in _grouped(inputs, _LOAD_BYTES, _LOAD_INPUTS):
            load_id = load_id_of((self._summary.run_id, *(each.uri for each in load)), ())
            announce(self._lake, load_id, self._summary.run_id)
            for part in _grouped(load, _TASK_BYTES, _TASK_INPUTS):
                yield ReadTask(
                    inputs=tuple(part),
                    load_id=load_id,
                    lake=self._lake.path,
                    keep_raw=self._keep_raw,
                    limits=limits_of(self._settings),
                    rows_held=self._settings.rows_held,
                    received_at=self._received_at,
                    first=first,
                )
                first += len(part)

    @contextmanager
    def _results(
        self, inputs: Sequence[SavedInput], executor: Executor | None
    ) -> Iterator[Iterator[tuple[ReadTask, ReadResult | WorkerDied]]]:
        """Yield what comes of inputs: read here where it is little, else in processes."""
        workers, tasks = self._settings.workers or cores(), self._tasks(inputs)
        is_little = sum(each.size_bytes for each in inputs) < _WORTH_A_PROCESS_BYTES
        if executor is None and (is_little or len(inputs) == 1 or workers == 1):
            yield ((task, read_saved(task)) for task in tasks)
            return
        with worker_pool(workers) if executor is None else _given(executor) as make:
            yield map_in_order(read_saved, tasks, make, at_once=2 * workers, alone=_alone)

    def _take(self, results: Iterable[tuple[ReadTask, ReadResult | WorkerDied]], meter: _Meter) -> None:
        ties, by_md5 = known_ties(self._lake), recordings_by_md5(self._lake)
        sameness = Sameness([*ties, *by_md5.items()])
        tied = {alias_id for alias_id, _ in ties}
        by_md5 = {each: recording_id for each, recording_id in by_md5.items() if each not in tied}
        load: SavedLoad | None = None
        done: list[tuple[SavedInput, bool]] = []
        for task, result in results:
            if isinstance(result, WorkerDied):
                result = _lost(task, result)
            if load is None or load.load_id != task.load_id:
                self._commit(load, done)
                load = SavedLoad(self._lake, task.load_id, sameness, by_md5, self._summary)
                done = []
            known = load.add(result)
            self._lake.loads.renew(task.load_id)
            for saved, found in result.found:
                failed = self._count(saved, found, known)
                if _has_chats(found):
                    is_new = any(isinstance(each, Payload) and each.uri not in known for each in found)
                    self._with_chats[saved] = Beside(failed, is_new)
                if _has_words(found):
                    self.words[saved] = failed
                elif not _has_chats(found):
                    done.append((saved, failed))
            meter.tell(result)
        self._commit(load, done)

    def _commit(self, load: SavedLoad | None, done: Sequence[tuple[SavedInput, bool]]) -> None:
        if load is not None:
            load.commit()
            self._ledger.record_saved(done)
            self.scorings |= load.scorings
            self._same_texts += load.same_texts

    def _count(self, saved: SavedInput, found: Sequence[Payload | Unread], known: Collection[str]) -> bool:
        """Count what was in one input, given the payloads that were in the lake; return whether anything in it failed."""
        errors = [each for each in found if isinstance(each, Unread) and each.error is not None]
        uris = {each.uri for each in found if isinstance(each, Payload)}
        for each in found:
            if isinstance(each, Payload):
                self._summary.kinds[_kind(saved, each)] += 1
                self._scores_rounded += each.scores_rounded
                self._names_doubled += each.names_doubled
            elif each.error is None and not each.words and not each.chats:
                self._summary.kinds[each.message] += 1
        for error in errors:
            self._summary.add_error(error.uri, error.message)
        if not _has_words(found) and not _has_chats(found):  # those are counted when they are tied, and loaded
            became = "without_scores" if not uris else "loaded" if uris - set(known) else "known"
            self._summary.files["failed" if errors else became] += 1
        return bool(errors)

    def take_chats(self) -> None:
        """Load the chats that were met: what all files of this run tell of one, together."""
        self.chats = take_chats(
            self._lake,
            self._ledger,
            self._with_chats,
            self._summary,
            self._progress,
            self._settings,
            keep_raw=self._keep_raw,
            uncounted=self.words,
        )

    def conclude(self) -> None:
        """Say what the user should know, and in how many places each scoring of this run was met."""
        self._summary.notes += oddities(self._scores_rounded, self._names_doubled)
        if self._same_texts:
            self._summary.notes.append(
                f"texts and scores that were met before, so counted once: {few(self._same_texts)}. Did other people write the "
                "same? Put the id of Hume's job into the file's name."
            )
        if failed := self._summary.answers["failed"]:
            self._summary.notes.append(f"{failed:,} times a saved answer says that Hume could not score something: see errors.")
        if self._summary.rows["video_frames"]:
            self._summary.notes += unmeasured_faces(self._lake, self.scorings)
        self._summary.sources.update(map(str, sorted(places_met(self._lake, self.scorings).values())))


class _Meter:
    """Tells how far reading is, how fast, and how long it will take."""

    def __init__(self, progress: Progress, inputs: Sequence[SavedInput]) -> None:
        self._progress, self._inputs = progress, len(inputs)
        self._size_bytes = sum(each.size_bytes for each in inputs)
        self._read = self._read_bytes = 0
        self._begun = time.monotonic()
        progress.stage("ingest", 0, self._inputs)

    def tell(self, result: ReadResult) -> None:
        self._read += len(result.found)
        self._read_bytes += sum(saved.size_bytes for saved, _ in result.found)
        taken_s = max(time.monotonic() - self._begun, 1e-3)
        left_s = taken_s * (self._size_bytes - self._read_bytes) / max(self._read_bytes, 1)
        left = f", {left_s / 60:.0f} min left" if left_s >= 90 else f", {left_s:.0f} s left" if left_s >= 1 else ""
        self._progress.stage("ingest", self._read, self._inputs, f"{self._read_bytes / 1e6 / taken_s:,.0f} MB/s{left}")


def _has_words(found: Sequence[Payload | Unread]) -> bool:
    return any(isinstance(each, Unread) and each.words for each in found)


def _has_chats(found: Sequence[Payload | Unread]) -> bool:
    return any(isinstance(each, Unread) and each.chats for each in found)


def _kind(saved: SavedInput, payload: Payload) -> str:
    """What a payload was, as the summary says it."""
    if payload.kind == "artifacts":
        return "artifacts folder" if saved.csvs else "artifacts zip"
    if payload.kind == "artifact_csv":
        return "artifacts CSV"
    return f"{payload.dialect} {'answers' if payload.kind == ANSWERS else 'predictions'}"


def _grouped(inputs: Sequence[SavedInput], most_bytes: int, most: int) -> Iterator[list[SavedInput]]:
    """Yield runs of inputs that are not much, or one that is."""
    group: list[SavedInput] = []
    size_bytes = 0
    for each in inputs:
        if group and (size_bytes + each.size_bytes > most_bytes or len(group) >= most):
            yield group
            group, size_bytes = [], 0
        group.append(each)
        size_bytes += each.size_bytes
    if group:
        yield group


def _alone(task: ReadTask) -> list[ReadTask]:
    return [replace(task, inputs=(each,), first=task.first + i) for i, each in enumerate(task.inputs)]


def _lost(task: ReadTask, died: WorkerDied) -> ReadResult:
    """What came of an input that a process died of."""
    [saved] = task.inputs
    message = f"{saved.uri}: {died}. Was there too little memory? Lower the setting rows_held or workers."
    return ReadResult([(saved, [Unread(saved.uri, "UnreadableResponse", message)])], {})


@contextmanager
def _given(executor: Executor) -> Iterator[Callable[[], Executor]]:
    """Yield what gives an executor of the caller's, once: nobody here can make another."""
    given = [executor]

    def give() -> Executor:
        if not given:
            why = "The executor that was given has broken: a process of its died"
            raise Interrupted(f"{why}. What was loaded is there; the same call, with another, goes on where this one ended.")
        return given.pop()

    yield give
