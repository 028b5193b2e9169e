"""Take words into a lake: transcripts and speaker turns that lie beside recordings."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pyarrow.compute as pc

from humeanalytics.errors import ItemError, UnreadableResponse
from humeanalytics.jobs.bookkeeping import Row, error_row, item_row, load_rows, recording_row, table_of
from humeanalytics.jobs.intake import take_in
from humeanalytics.jobs.ledger import Ledger
from humeanalytics.jobs.load_content import load_id_of
from humeanalytics.jobs.progress import Progress
from humeanalytics.jobs.sameness import Sameness
from humeanalytics.jobs.saved_files import limits_of, opened_parts, uri_of_part
from humeanalytics.jobs.saved_inputs import SavedInput
from humeanalytics.jobs.saved_known import known_ties
from humeanalytics.jobs.saved_load import FLOW
from humeanalytics.jobs.summary import RunSummary, few
from humeanalytics.jobs.taking_in import Labelling
from humeanalytics.jobs.word_recordings import Candidate, WordRecordings
from humeanalytics.jobs.word_sources import known_sources, source_row
from humeanalytics.jobs.work import Problem, Source, name_of
from humeanalytics.lake.lake import Lake
from humeanalytics.lake.parts import Rows
from humeanalytics.recordings import media_type_of
from humeanalytics.settings import Settings
from humeanalytics.tables.detect import Kind
from humeanalytics.tables.words import Words, read_words

#: Words whose recording is not known: they are tried again in each run, and found when it has come.
NO_RECORDING = "NoRecording"
_LOAD_ROWS, _LOAD_FILES = 100_000, 500
_MOST_BYTES = 256 << 20
#: A transcript that reaches further beyond the end of its recording may be of another cut of it.
_SLACK_S = 5.0


def waiting_for_recordings(lake: Lake) -> set[str]:
    """Return the files of words whose recording was not known when they were last read."""
    told = lake.sql("SELECT uri FROM errors WHERE error = ? AND uri IS NOT NULL", [NO_RECORDING]).rows()
    return {row["uri"].partition("!/")[0] for row in told}


@dataclass(frozen=True, slots=True)
class WordFiles:
    """Saved inputs with words in them.

    Attributes:
        inputs: The inputs, each with whether something else in it could not be read.
        waiting: Those that were read before and whose recording was not known: if it still is not, that is no news.
        keep_raw: Keep what was read under raw/ too, so that tables can be rebuilt.
    """

    inputs: Mapping[SavedInput, bool]
    waiting: Collection[str]
    keep_raw: bool


def take_words(
    lake: Lake,
    ledger: Ledger,
    files: WordFiles,
    media: Sequence[Source],
    labelling: Labelling,
    summary: RunSummary,
    progress: Progress,
    settings: Settings,
) -> None:
    """Read files of words, tie each to its recording, and commit them load by load.

    Args:
        lake: The lake.
        ledger: Remembers what was read.
        files: What to read.
        media: Recordings that are at hand, whether the lake knows them or not.
        labelling: What is said of those.
        summary: Where to count.
        progress: Where to tell how far it is.
        settings: What archives may hold.
    """
    if not files.inputs:
        return
    work = _Taking(lake, labelling, summary, files, _recordings(lake, media), *known_sources(lake))
    done: list[tuple[SavedInput, bool]] = []
    for number, (saved, failed) in enumerate(files.inputs.items(), start=1):
        done.append((saved, work.take(saved, settings, failed)))
        if work.rows_held >= _LOAD_ROWS or len(done) >= _LOAD_FILES or number == len(files.inputs):
            work.commit()
            ledger.record_saved(done)
            done = []
        progress.stage("words", number, len(files.inputs))
    work.conclude()


@dataclass
class _Taking:
    lake: Lake
    labelling: Labelling
    summary: RunSummary
    files: WordFiles
    recordings: WordRecordings
    known: set[str]
    newest: dict[str, set[str]]
    rows: dict[str, list[Row]] = field(default_factory=dict)
    untimed: int = 0
    left_out: list[str] = field(default_factory=list)
    beyond: list[str] = field(default_factory=list)
    read: set[str] = field(default_factory=set)
    failed: int = 0
    failed_again: int = 0

    @property
    def rows_held(self) -> int:
        return len(self.rows.get("words", ()))

    def take(self, saved: SavedInput, settings: Settings, failed_beside: bool) -> bool:
        """Read one file; return whether anything in it failed, be it words or what is beside them."""
        before = self.failed, self.failed_again
        fresh = False
        try:
            for uri, data in _contents(saved, settings):
                try:
                    fresh = self._take(uri, data, saved.uri in self.files.waiting) or fresh
                except ItemError as error:
                    self._fail(uri, error, False)
        except (ItemError, OSError) as error:
            self._fail(saved.uri, error, False)
        self.failed += failed_beside
        if (self.failed, self.failed_again) == before:
            self.summary.files["loaded" if fresh else "known"] += 1
            return False
        self.summary.files["failed" if self.failed > before[0] else "failed_before"] += 1
        return True

    def _take(self, uri: str, data: bytes, is_waiting: bool) -> bool:
        """Add what one file tells; return whether any of it is new."""
        found, sha256, at = read_words(data, name=uri), hashlib.sha256(data).hexdigest(), datetime.now(UTC)
        made: list[tuple[Words, Row]] = []
        for words in found:
            try:
                recording_id = self._recording(uri, words, alone=len(found) == 1)
            except ItemError as error:
                self._fail(uri, error, is_waiting)
            else:
                made.append((words, source_row(words, recording_id, uri, sha256, at)))
        self.summary.kinds["words"] += bool(made)
        if self.newest.get(uri) == {row["source_id"] for _, row in made}:
            return False
        for words, row in made:
            self._add("word_sources", row)
            if row["source_id"] not in self.known:
                self.known.add(row["source_id"])
                keys = {"recording_id": row["recording_id"], "source_id": row["source_id"]}
                self._add("words", *({**keys, **each} for each in words.table.to_pylist()))
                self.untimed += row["untimed"]
                self.left_out += [f"{uri}: {each}" for each in words.left_out]
        return bool(made)

    def _recording(self, uri: str, words: Words, *, alone: bool) -> str:
        found = self.recordings.find(uri, words.of, alone=alone)
        if isinstance(found, str):
            raise _NoRecording(
                f"{uri}: {found}. Name the file after its recording (talk.wav.vtt or talk.vtt for talk.wav), or name the folder "
                "of the recording with --recordings.",
                item=uri,
            )
        recording_id, duration_s = found.recording_id, found.duration_s
        if found.source is not None:
            recording_id, duration_s = self._read_recording(found.source)
        assert recording_id is not None
        end_s = pc.max(words.table["end_s"]).as_py()
        if end_s is not None and duration_s is not None and end_s > duration_s + _SLACK_S:
            self.beyond.append(f"{uri} ({end_s:,.0f} s, {name_of(found.uri)} {duration_s:,.0f} s)")
        return recording_id

    def _read_recording(self, source: Source) -> tuple[str, float | None]:
        """Read a recording that the lake does not know, and let it know."""
        taken = take_in(source, self.labelling.recorded_at)
        if isinstance(taken, Problem):
            raise UnreadableResponse(f"its recording cannot be read: {taken.message}", item=source.uri)
        if source.uri not in self.read:
            self.read.add(source.uri)
            labels, excluded_reason = self.labelling.of(source)
            item = item_row(taken, excluded_reason)
            self._add("recordings", recording_row(taken))
            self._add("items", item)
            told = ({"item_id": item["item_id"], "key": key, "value": value} for key, value in labels.items())
            self._add("labels", *({**each, "set_at": item["seen_at"]} for each in told))
        return taken.recording_id, taken.duration_s

    def _fail(self, uri: str, error: ItemError | OSError, is_waiting: bool) -> None:
        is_lost = isinstance(error, _NoRecording)
        if is_lost and is_waiting:
            self.failed_again += 1
            return
        self.failed += 1
        if isinstance(error, ItemError):
            kind, message = NO_RECORDING if is_lost else type(error).__name__, str(error)
        else:
            kind, message = "UnreadableResponse", f"{uri} cannot be read: {error.strerror or error}."
        run_id = self.summary.run_id
        self._add("errors", error_row(stage="flatten", message=message, error=kind, run_id=run_id, api="words", uri=uri))
        self.summary.add_error(uri, message)

    def _add(self, table: str, *rows: Row) -> None:
        self.rows.setdefault(table, []).extend(rows)

    def commit(self) -> None:
        """Make what was added visible."""
        rows = {name: each for name, each in self.rows.items() if each}
        kept = {name: rows.pop(name) for name in ("words", "word_sources") if name in rows and not self.files.keep_raw}
        load_rows(self.lake, rows, flow=FLOW, run_id=self.summary.run_id)
        if kept:
            load_id = load_id_of([self.summary.run_id, *(row["source_id"] for row in kept["word_sources"])], ())
            tables: dict[str, Rows] = {name: table_of(name, each, load_id) for name, each in kept.items()}
            self.lake.loads.commit_all(load_id, FLOW, self.summary.run_id, {"kind": "words"}, tables)
        for name in ("words", "word_sources"):
            self.summary.rows[name] += len(self.rows.get(name, ()))
        self.rows = {}

    def conclude(self) -> None:
        """Say what the user should know."""
        notes = self.summary.notes
        if self.untimed:
            notes.append(f"{self.untimed:,} words have no times in their file: they are in `words` and meet nothing in `spoken`.")
        if self.left_out:
            notes.append(f"not taken for words: {few(self.left_out)}")
        if self.beyond:
            notes.append(f"words that reach beyond the end of their recording, as if of another cut: {few(self.beyond)}")


class _NoRecording(UnreadableResponse):
    """It cannot be told which recording some words are of."""


def _contents(saved: SavedInput, settings: Settings) -> Iterator[tuple[str, bytes]]:
    """Yield the files of words in a saved input: URI and bytes."""
    with opened_parts(saved, limits_of(settings)) as parts:
        for part in parts:
            if part.detected.kind == Kind.WORDS:
                uri = uri_of_part(saved.uri, part)
                with part.open() as stream:
                    data = stream.read(_MOST_BYTES + 1)
                if len(data) > _MOST_BYTES:
                    raise UnreadableResponse(f"{uri}: no transcript has more than {_MOST_BYTES >> 20} MB.", item=uri)
                yield uri, data


def _recordings(lake: Lake, media: Sequence[Source]) -> WordRecordings:
    canonical = Sameness(known_ties(lake)).canonical

    def candidates() -> Iterator[tuple[Candidate, str, str | None]]:
        query = "SELECT recording_id, uri, name, media_type, duration_s FROM items ORDER BY seen_at DESC, item_id"
        for row in lake.sql(query).rows():
            candidate = Candidate(row["uri"], canonical(row["recording_id"]), None, row["duration_s"])
            yield candidate, row["name"] or "", row["media_type"]
        for source in media:
            yield Candidate(source.uri, None, source), name_of(source.uri), media_type_of(source.uri)

    return WordRecordings(candidates())
