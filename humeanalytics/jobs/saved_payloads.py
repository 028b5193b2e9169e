"""Read saved inputs: rows into Parquet next to the tables, bytes under raw/, facts to whoever decides what of it is new.

This is what worker processes do. Nothing of it can be seen in the lake until the one who asked commits it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from humeanalytics.errors import HumeAnalyticsError, ItemError, LakeError
from humeanalytics.jobs.answers import SAVED, saved_scoring_ids
from humeanalytics.jobs.sameness import ALONE, namespace_of, platform_job
from humeanalytics.jobs.saved_files import digest_of, held, is_hidden, only_csvs, opened_parts, uri_of_part
from humeanalytics.jobs.saved_inputs import SavedInput
from humeanalytics.jobs.saved_work import ANSWERS, Payload, ReadResult, ReadTask, Unread
from humeanalytics.jobs.summary import few
from humeanalytics.lake.delta import StoredTable
from humeanalytics.lake.parts import Parts, Written
from humeanalytics.lake.raw import RawResponse, RawStore, RawWriter
from humeanalytics.tables.batch import Watch
from humeanalytics.tables.detect import Kind
from humeanalytics.tables.flattened import Flattened
from humeanalytics.tables.job_details import ended_at
from humeanalytics.tables.keys import of_answers, saved_recording_id, with_keys
from humeanalytics.tables.saved import SavedPart
from humeanalytics.tables.schema import TABLES
from humeanalytics.tables.unknown import gathered

_CHUNK_BYTES = 1 << 20
#: What payloads are called that are no predictions in JSON.
_KINDS = {Kind.ARTIFACTS: "artifacts", Kind.ARTIFACT_CSV: ALONE, Kind.EXPRESSION: ANSWERS}
_WORTH_WRITING_ROWS = 10_000
_DETAILS_BYTES = 64 << 20


def read_saved(task: ReadTask) -> ReadResult:
    """Read some inputs. What cannot be read is told of and stops nothing.

    Raises:
        DiskFull: There is no room. No rows of the task stay behind.
        LakeError: The lake takes no rows for another reason. Likewise.
    """
    reader = _Reader(task)
    try:
        found = [(saved, list(reader.read(saved, number))) for number, saved in enumerate(task.inputs, start=task.first)]
        return ReadResult(found, reader.finish())
    except BaseException:
        reader.abort()
        raise


def unread(uri: str, error: HumeAnalyticsError | OSError | MemoryError) -> Unread:
    """Return what to tell of something that cannot be read."""
    if isinstance(error, HumeAnalyticsError):
        return Unread(uri, type(error).__name__, str(error))
    if isinstance(error, MemoryError):
        return Unread(uri, "UnreadableResponse", f"{uri} does not fit into memory. Lower the setting rows_held or workers.")
    return Unread(uri, "UnreadableResponse", f"{uri} cannot be read: {error.strerror or error}.")


def _foreign(uri: str, parts: Sequence[SavedPart]) -> Unread:
    """Return what to tell of what is not of Hume's in a file: of an archive, however much is in it, in one sentence."""
    if len(parts) == 1:
        [part] = parts
        what = f"{part.name}: this is {part.detected.about}, not an answer of Hume's."
        return Unread(uri_of_part(uri, part), "NotHumeData", what)
    if not parts:
        return Unread(uri, "NotHumeData", f"{uri}: there is nothing in this archive.")
    named = few([f"{part.member} ({part.detected.about})" for part in parts])
    return Unread(uri, "NotHumeData", f"{uri}: {len(parts):,} files in it are no answers of Hume's: {named}.")


class _Reader:
    """Reads the inputs of one task."""

    def __init__(self, task: ReadTask) -> None:
        self.load_id = task.load_id
        self._task = task
        self._raw = RawStore(task.lake / "raw", sync_later=True)
        self._tables: dict[str, StoredTable] = {}
        self._shared: dict[str, Parts] = {}
        self._waiting: dict[str, list[pa.Table]] = {}
        self._written: dict[str, list[Written]] = {}
        self._scorings: set[str] = set()

    def read(self, saved: SavedInput, number: int) -> Iterator[Payload | Unread]:
        """Yield what is in one input, which is the one of that number of all inputs of the run."""
        try:
            with opened_parts(saved, self._task.limits) as parts:
                nth, saved_at = -1, _time(saved.mtime_ns)
                foreign: list[SavedPart] = []
                for nth, part in enumerate(parts):
                    uri = uri_of_part(saved.uri, part)
                    if part.can_be_flattened:
                        yield self._read(part, uri, [number, nth], saved_at)
                    elif part.detected.kind == Kind.JOB:
                        yield Unread(uri, None, part.detected.about, ended_at=_ended_at(part))
                    elif part.detected.kind == Kind.WORDS:
                        yield Unread(uri, None, part.detected.about, words=True)
                    elif part.is_evi:
                        yield Unread(uri, None, part.detected.about, chats=True)
                    elif not is_hidden(part.member):
                        foreign.append(part)
                if foreign or nth < 0:
                    yield _foreign(saved.uri, foreign)
        except LakeError:
            raise
        except (ItemError, OSError) as error:
            yield unread(saved.uri, error)

    def _read(self, part: SavedPart, uri: str, order: list[int], saved_at: str) -> Payload | Unread:
        try:
            return self._read_payload(part, uri, order, saved_at)
        except LakeError:
            raise
        except (ItemError, OSError, MemoryError) as error:
            return unread(uri, error)

    def _read_payload(self, part: SavedPart, uri: str, order: list[int], saved_at: str) -> Payload:
        part = held(part)
        sha256, size_bytes = digest_of(part)
        kind = _KINDS.get(part.detected.kind, "predictions")
        number, nth = order
        # So that rebuilt tables are the same: what was read in one run came in the order in which it was taken up.
        received_at = (self._task.received_at + timedelta(microseconds=number)).isoformat()
        payload = Payload(uri, kind, response_id=sha256, size_bytes=size_bytes, received_at=received_at, saved_at=saved_at)
        keeps_json = self._task.keep_raw and kind == "predictions"
        with ExitStack() as stack:
            kept = stack.enter_context(self._raw.writer("batch", kind, "json")) if keeps_json else None
            rows = self._rows(part, payload, None if kept is None else _Keep(kept), sha256)
            try:
                raw = self._kept(part, payload, kept, nth)
            except BaseException:
                rows.abort()
                raise
        rows.finish()
        if raw is not None:
            payload.response_id, payload.raw_path, payload.size_bytes = raw.response_id, raw.path, raw.size_bytes
        return payload

    def _rows(self, part: SavedPart, payload: Payload, watch: Watch | None, sha256: str) -> _PayloadRows:
        """Read all rows of a payload; and again if it says only at its end of which job they are."""
        namespace: str | None = None
        while True:
            rows = _PayloadRows(self, payload)
            try:
                for piece in part.pieces(self._task.rows_held, watch):
                    payload.namespace = namespace = namespace or namespace_of(payload.uri, piece.job_id, sha256)
                    rows.add(piece)
            except BaseException:
                rows.abort()
                raise
            told = namespace_of(payload.uri, payload.job_id, sha256)
            if namespace == told:
                payload.job_id = payload.job_id or platform_job(payload.uri)
                return rows
            rows.abort()
            payload.clear()
            namespace = told

    def _kept(self, part: SavedPart, payload: Payload, kept: RawWriter | None, nth: int) -> RawResponse | None:
        """Put a payload under raw/ for good: JSON that was kept while it was read, or CSVs, or answers of v1."""
        if not self._task.keep_raw:
            return None
        meta = {"origin": SAVED, "uri": payload.uri, "received_at": payload.received_at, "nth": nth}
        meta |= {"namespace": payload.namespace, "saved_at": payload.saved_at}
        if kept is not None:
            return kept.commit(meta)
        is_archive = payload.kind == "artifacts"
        suffix = "zip" if is_archive else "json" if payload.kind == ANSWERS else "csv"
        writer = self._raw.writer(payload.api, payload.kind, suffix, redact=not is_archive)
        with writer, only_csvs(part) if is_archive else part.open() as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                writer.write(chunk)
            return writer.commit(meta)

    # --------------------------------------------------------------------------------------------------------------- rows
    def begin(self, table: str) -> Parts:
        """Return a writer of rows for a table."""
        if table not in self._tables:
            declared = TABLES[table].schema if table in TABLES else None
            self._tables[table] = StoredTable(self._task.lake / "tables" / table, declared)
        return self._tables[table].begin(self._task.load_id)

    def write(self, table: str, rows: pa.Table) -> None:
        """Write rows of a payload that is whole: those of many small ones at a time, for each time costs as much."""
        waiting = self._waiting.setdefault(table, [])
        waiting.append(rows)
        if sum(each.num_rows for each in waiting) >= _WORTH_WRITING_ROWS:
            self._flush(table)

    def _flush(self, table: str) -> None:
        if table not in self._shared:
            self._shared[table] = self.begin(table)
        self._shared[table].write(gathered(self._waiting.pop(table)))

    def add(self, table: str, written: Written) -> None:
        """Take over rows that were written into files of their own."""
        self._written.setdefault(table, []).append(written)

    def met(self, scoring: str) -> bool:
        """Take note of a scoring; return whether this task has its rows already."""
        before = scoring in self._scorings
        self._scorings.add(scoring)
        return before

    def forget(self, scorings: list[str]) -> None:
        """Take back the note of scorings whose rows come to nothing."""
        self._scorings.difference_update(scorings)

    def finish(self) -> dict[str, list[Written]]:
        for table in list(self._waiting):
            self._flush(table)
        for table, parts in self._shared.items():
            self.add(table, parts.finish())
        self._raw.sync()
        return self._written

    def abort(self) -> None:
        for parts in self._shared.values():
            parts.abort()
        for each in (written for files in self._written.values() for written in files):
            each.discard()


class _PayloadRows:
    """The rows of one payload. What comes in one piece waits until it is whole; more pieces go into files of their own."""

    def __init__(self, reader: _Reader, payload: Payload) -> None:
        self._reader, self._payload = reader, payload
        self._pieces = 0
        self._waiting: dict[str, pa.Table] = {}
        self._own: dict[str, Parts] = {}
        self._new: list[str] = []

    def add(self, piece: Flattened) -> None:
        self._pieces += 1
        recording_ids = [saved_recording_id(answer, self._payload.namespace) for answer in piece.answers]
        scoring_ids = saved_scoring_ids(piece.answers, recording_ids)
        tables = self._new_rows(with_keys(piece, recording_ids, scoring_ids, self._reader.load_id), piece, scoring_ids)
        self._payload.add(piece, recording_ids, scoring_ids)
        if self._pieces == 1:
            self._waiting = tables
        else:
            self._write_own(self._waiting)
            self._write_own(tables)
            self._waiting = {}

    def _new_rows(self, tables: dict[str, pa.Table], piece: Flattened, scoring_ids: list[str]) -> dict[str, pa.Table]:
        """Leave out the rows of scorings that this task has met before: the same upload twice, or a copy of the file."""
        new = [not self._reader.met(scoring) for scoring in scoring_ids]
        self._new += [scoring for scoring, is_new in zip(scoring_ids, new, strict=True) if is_new]
        return of_answers(tables, piece.answers, new)

    def _write_own(self, tables: dict[str, pa.Table]) -> None:
        for table, rows in tables.items():
            if rows.num_rows:
                if table not in self._own:
                    self._own[table] = self._reader.begin(table)
                self._own[table].write(rows)

    def finish(self) -> None:
        for table, rows in self._waiting.items():
            if rows.num_rows:
                self._reader.write(table, rows)
        for table, parts in self._own.items():
            self._reader.add(table, parts.finish())

    def abort(self) -> None:
        for parts in self._own.values():
            parts.abort()
        self._reader.forget(self._new)


class _Keep:
    """Writes what is read of a payload under raw/, once, however often reading begins anew."""

    def __init__(self, writer: RawWriter) -> None:
        self._writer, self._written = writer, 0

    def __call__(self, at: int, stretch: bytes, text: bytes) -> None:
        new = at + len(stretch) - self._written
        if new > 0:
            self._writer.write(stretch[-new:], text if new == len(stretch) else None)
            self._written += new


def _time(ns: int) -> str:
    return datetime.fromtimestamp(ns / 1e9, UTC).isoformat()


def _ended_at(part: SavedPart) -> dict[str, datetime]:
    """Return when jobs ended, as their details tell. What is larger is no list that anybody saved."""
    with part.open() as stream:
        data = stream.read(_DETAILS_BYTES + 1)
    return ended_at(data) if len(data) <= _DETAILS_BYTES else {}
