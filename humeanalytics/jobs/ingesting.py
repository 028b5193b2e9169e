"""The verb `ingest`: saved answers of Hume's into a lake."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from humeanalytics.errors import HumeAnalyticsError, ItemError, LakeMixed, UsageError
from humeanalytics.jobs.bookkeeping import ROWS, Row, error_row, load_rows, roll_forward_rows, uri_of, utc
from humeanalytics.jobs.flow import open_flow, run_row
from humeanalytics.jobs.ledger import Ledger, now
from humeanalytics.jobs.load_content import Answered, Known, LoadContent, add_saved, known_scorings, load_id_of
from humeanalytics.jobs.manifest import read_manifest
from humeanalytics.jobs.progress import Progress, show_progress
from humeanalytics.jobs.reading import SAVED
from humeanalytics.jobs.saved_items import known_recordings, saved_item_rows
from humeanalytics.jobs.sources import saved_files
from humeanalytics.jobs.summary import RunSummary
from humeanalytics.jobs.taking_in import Labelling
from humeanalytics.lake.lake import Lake
from humeanalytics.settings import Settings, load_settings
from humeanalytics.tables.batch import flatten_predictions
from humeanalytics.tables.flattened import Flattened
from humeanalytics.tables.keys import saved_recording_id

FLOW = "ingest"
_CHUNK_BYTES = 1 << 20
_LOAD_BYTES = 256_000_000


def ingest(
    files: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    lake: Lake | str | os.PathLike[str] | None = None,
    *,
    manifest: str | os.PathLike[str] | None = None,
    on: str | None = None,
    labels: Mapping[str, str] | None = None,
    synthetic: bool = False,
    settings: Settings | None = None,
    lock_wait_s: float = 0.0,
    progress: bool = False,
) -> RunSummary:
    """Read predictions that were saved from Hume into a lake; what is there already gives no new rows.

    Args:
        files: Files, folders (searched for ``*.json``) and glob patterns.
        lake: A `Lake`, or where one is or shall be. Default: the setting ``lake``.
        manifest: A CSV that ties labels to the recordings by name; ``on`` names the column that names them.
        labels: Labels for everything in this call.
        synthetic: The files were made by the sandbox: the lake is, or becomes, a synthetic one.
        settings: Default: from the environment (`load_settings`).
        lock_wait_s: How long to wait for another ingest on this lake, in seconds.
        progress: Show how far it is.

    Returns:
        What was done, in numbers. A file that cannot be read is in its ``errors`` and never stops the others.

    Raises:
        UsageError: A name matches nothing.
        LakeMixed: The lake holds the sandbox's results, and ``synthetic`` does not say that these are such.
        LakeLocked: Another ingest works on it.

    Examples:
        >>> import humeanalytics as ha
        >>> ha.ingest("HumeAI_predictions_1f3a.json", "lake")  # doctest: +SKIP
    """
    begun = time.monotonic()
    paths = list(saved_files([files] if isinstance(files, str | os.PathLike) else list(files)))
    if not paths:
        raise UsageError("There is no JSON file in what was given.")
    labelling = Labelling(None if manifest is None else read_manifest(Path(manifest), on=on), labels or {})
    with (
        show_progress(progress) as shown,
        open_flow(lake, FLOW, "ingest", settings or load_settings(), lock_wait_s) as (opened, ledger, run_id),
    ):
        _claim(opened, synthetic)
        summary = RunSummary("ingest", opened.uri, run_id, synthetic=synthetic)
        work = _Ingest(opened, ledger, labelling, summary)
        work.recover()
        work.take(paths, shown)
        summary.notes += labelling.notes()
        summary.exit_code = 3 if summary.files["failed"] else 0
        summary.duration_s = time.monotonic() - begun
        load_rows(opened, {"runs": [run_row(summary, ledger)]}, flow=FLOW, run_id=run_id)
        ledger.end_run(run_id, summary.exit_code, summary.to_dict())
        return summary


def _claim(lake: Lake, synthetic: bool) -> None:
    try:
        lake.claim(synthetic=synthetic)
    except LakeMixed as error:
        if synthetic:
            raise
        raise LakeMixed(f"{error} If the files were made by the sandbox too, say so: --synthetic.", uri=lake.uri) from None


@dataclass(frozen=True, slots=True)
class _Kept:
    """A file that was read and is kept under raw/."""

    path: str
    response_id: str
    size_bytes: int


class _Ingest:
    def __init__(self, lake: Lake, ledger: Ledger, labelling: Labelling, summary: RunSummary) -> None:
        self._lake, self._ledger, self._labelling, self._summary = lake, ledger, labelling, summary

    def recover(self) -> None:
        """Roll forward what a killed ingest left unfinished."""
        for pending in self._lake.loads.pending(flow=FLOW):
            if pending.members.get("kind") == ROWS:
                roll_forward_rows(self._lake, pending)
            else:
                kept = [_Kept(**each) for each in pending.members["files"]]
                self._load(kept, [], load_id=pending.load_id)

    def take(self, paths: Sequence[str], progress: Progress) -> None:
        self._summary.files["found"] = len(paths)
        kept: list[_Kept] = []
        errors: list[Row] = []
        for number, path in enumerate(paths, start=1):
            try:
                kept.append(self._keep(path))
            except (ItemError, OSError) as error:
                errors.append(self._error(path, error))
            if len(kept) >= 200 or sum(each.size_bytes for each in kept) > _LOAD_BYTES:
                self._load(kept, errors)
                kept, errors = [], []
            progress.stage("ingest", number, len(paths))
        self._load(kept, errors)

    def _keep(self, path: str) -> _Kept:
        """Put a file under raw/, after a look at whether it is Hume's at all."""
        with Path(path).open("rb") as stream:
            flatten_predictions(stream, name=path)
            stream.seek(0)
            with self._lake.raw.writer("batch", "predictions", "json") as writer:
                while chunk := stream.read(_CHUNK_BYTES):
                    writer.write(chunk)
                raw = writer.commit({"origin": SAVED, "uri": path, "received_at": now()})
        return _Kept(path, raw.response_id, raw.size_bytes)

    def _error(self, path: str, error: ItemError | OSError) -> Row:
        message = str(error) if isinstance(error, HumeAnalyticsError) else f"{path} cannot be read: {error.strerror}."
        self._summary.files["failed"] += 1
        self._summary.add_error(path, message)
        kind = type(error).__name__ if isinstance(error, HumeAnalyticsError) else "UnreadableResponse"
        return error_row(stage="flatten", message=message, error=kind, run_id=self._summary.run_id, api="batch", uri=path)

    def _load(self, kept: Sequence[_Kept], errors: Sequence[Row], *, load_id: str | None = None) -> None:
        if load_id is None:
            known = self._known_responses(kept)
            self._summary.files["known"] += sum(each.response_id in known for each in kept)
            kept = list({each.response_id: each for each in kept if each.response_id not in known}.values())
        load = LoadContent()
        for row in errors:
            load.add("errors", row)
        if kept:
            load_id = load_id or load_id_of((each.response_id for each in kept), ())
            self._fill(load, kept, load_id)
            members = {"kind": "saved", "files": [asdict(each) for each in kept]}
            tables = load.tables(load_id)
            self._lake.loads.commit_all(load_id, flow=FLOW, run_id=self._summary.run_id, members=members, tables=tables)
            self._summary.rows.update({name: tables[name].num_rows for name in load.scores})
            self._summary.files["loaded"] += len(kept)
        elif errors:
            load_rows(self._lake, {"errors": errors}, flow=FLOW, run_id=self._summary.run_id)

    def _known_responses(self, kept: Sequence[_Kept]) -> set[str]:
        wanted = pa.table({"response_id": pa.array([each.response_id for each in kept], pa.string())})
        query = "SELECT DISTINCT response_id FROM responses SEMI JOIN wanted USING (response_id)"
        return {row["response_id"] for row in self._lake.sql(query, wanted=wanted).rows()}

    def _fill(self, load: LoadContent, kept: Sequence[_Kept], load_id: str) -> None:
        resolve = known_recordings(self._lake)
        known: Known = {}
        items: dict[str, list[Row]] = {}
        for each in kept:
            flattened = self._flattened(each)
            known = known_scorings(self._lake, [answer.fingerprint for answer in flattened.answers]) | known
            job = flattened.job_id or each.response_id[:32]
            recording_ids = [resolve(saved_recording_id(answer, job)) for answer in flattened.answers]
            answered = self._answered(each, flattened)
            again = add_saved(load, answered, flattened, recording_ids, known, load_id=load_id, run_id=self._summary.run_id)
            self._summary.recordings["answers_known"] += again
            self._summary.recordings["answers"] += len(flattened.answers)
            for table, row in saved_item_rows(flattened, recording_ids, each.path, self._labelling):
                items.setdefault(table, []).append(row)
            load.compact()
        # A load of its own, kept under raw/: what a manifest said stands in no answer of Hume's.
        load_rows(self._lake, items, flow=FLOW, run_id=self._summary.run_id)

    def _flattened(self, kept: _Kept) -> Flattened:
        with self._lake.raw.open(kept.response_id) as stream:
            return flatten_predictions(stream, name=kept.path)

    def _answered(self, kept: _Kept, flattened: Flattened) -> Answered:
        meta: dict[str, Any] = self._lake.raw.meta(kept.response_id)
        return Answered(
            response_id=kept.response_id,
            api="batch",
            origin=SAVED,
            kind="predictions",
            uri=uri_of(kept.path),
            settings_id=None,
            hume_job_id=flattened.job_id,
            scored_at=None,
            received_at=utc(meta.get("received_at")),
            size_bytes=kept.size_bytes,
            raw_path=meta.get("path"),
            works=(),
        )
