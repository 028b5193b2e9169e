"""The verb `rebuild`: tables made again from raw/ alone."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from humeanalytics.errors import ItemError
from humeanalytics.jobs import batch, expression_scoring, saved_load
from humeanalytics.jobs.answers import SAVED, saved_scoring_ids
from humeanalytics.jobs.bookkeeping import Row, kept_rows, load_rows, utc
from humeanalytics.jobs.expression_answers import add_measured, measured
from humeanalytics.jobs.expression_rebuilding import KeptUploads, unfinished_jobs
from humeanalytics.jobs.flow import open_flow, run_row, state_folder
from humeanalytics.jobs.load_content import Answered, Known, LoadContent, add_job, add_scores
from humeanalytics.jobs.lock import flow_lock
from humeanalytics.jobs.sameness import Met, Sameness, jobs_of
from humeanalytics.jobs.saved_files import kept_part
from humeanalytics.jobs.saved_load import add_payload, same_bytes_row
from humeanalytics.jobs.saved_work import Payload
from humeanalytics.jobs.summary import RunSummary
from humeanalytics.jobs.work import Work
from humeanalytics.lake.lake import Lake
from humeanalytics.settings import Settings, load_settings
from humeanalytics.tables.batch import flatten_predictions
from humeanalytics.tables.keys import saved_recording_id

FLOW = "rebuild"


def rebuild(
    lake: Lake | str | os.PathLike[str] | None = None, *, settings: Settings | None = None, lock_wait_s: float = 0.0
) -> RunSummary:
    """Make the tables of a lake again from the answers kept under raw/, all at one moment.

    Until then queries see the tables as they were. A load that has no raw answers (``ingest --no-raw``) stays as it is.
    Older versions of the lake stay readable.

    Raises:
        LakeLocked: A score or an ingest works on the lake.

    Examples:
        >>> import humeanalytics as ha
        >>> ha.rebuild("lake")  # doctest: +SKIP
    """
    begun = time.monotonic()
    settings = settings or load_settings()
    with open_flow(lake, FLOW, FLOW, settings, lock_wait_s, create=False) as (opened, ledger, run_id):
        locks = state_folder(opened, settings) / "locks"
        with (
            flow_lock(locks, batch.FLOW, lake_uri=opened.uri, wait_s=lock_wait_s),
            flow_lock(locks, expression_scoring.FLOW, lake_uri=opened.uri, wait_s=lock_wait_s),
            flow_lock(locks, saved_load.FLOW, lake_uri=opened.uri, wait_s=lock_wait_s),
        ):
            summary = RunSummary(FLOW, opened.uri, run_id, synthetic=bool(opened.identity.synthetic))
            for dead in opened.loads.pending(flow=FLOW):
                opened.loads.roll_back(dead.load_id)
            for left_over in _pending(opened).glob("*.spool"):
                shutil.rmtree(left_over, ignore_errors=True)
            _Rebuild(opened, summary, unfinished_jobs(ledger)).run()
            summary.exit_code = 3 if summary.files["failed"] else 0
            summary.duration_s = time.monotonic() - begun
            load_rows(opened, {"runs": [run_row(summary, ledger)]}, flow=FLOW, run_id=run_id)
            ledger.end_run(run_id, summary.exit_code, summary.to_dict())
            return summary


def _pending(lake: Lake) -> Path:
    return Path(lake.uri) / "pending"


@dataclass(frozen=True, slots=True)
class _Kept:
    """One answer under raw/, and what was noted about it each time it came."""

    response_id: str
    path: str
    metas: tuple[dict[str, Any], ...]


class _Rebuild:
    def __init__(self, lake: Lake, summary: RunSummary, unfinished: set[str]) -> None:
        self._lake, self._summary = lake, summary
        self._uploads = KeptUploads(lake.raw, unfinished)
        self._known: Known = {}
        self._sameness = Sameness()
        self._by_md5: dict[str, str] = {}
        self._load_id = uuid.uuid4().hex

    def run(self) -> None:
        spool = _pending(self._lake) / f"{self._load_id}.spool"
        spool.mkdir(parents=True)
        try:
            pieces = self._spool_all(spool)
            loads = self._lake.loads
            loads.announce(self._load_id, flow=FLOW, run_id=self._summary.run_id, members={"kind": FLOW})
            counts: dict[str, int] = {}
            for table, paths in sorted(pieces.items()):
                loads.renew(self._load_id)
                counts[table] = loads.commit(self._load_id, table, _batches(paths))
            replaces = self._replaced()
            loads.complete(self._load_id, FLOW, self._summary.run_id, counts, replaces=replaces)
            self._summary.rows.update(counts)
            self._summary.notes.append(f"{len(replaces):,} earlier loads gave way; open_lake(version=...) still shows them.")
        finally:
            shutil.rmtree(spool, ignore_errors=True)

    def _replaced(self) -> set[str]:
        """The loads whose rows all come from raw/: they have answers there, or rows that were kept there."""
        raw = {file.response_id for file in self._lake.raw.list()}
        told = self._lake.sql("SELECT load_id, list(DISTINCT response_id) AS responses FROM responses_all GROUP BY ALL").rows()
        from_raw = {row["load_id"] for row in told if set(row["responses"]) <= raw}
        no_answers = self._lake.sql("SELECT load_id FROM loads ANTI JOIN responses_all USING (load_id)").rows()
        rows_kept = {response_id[:32] for response_id in raw}
        errors_only = {row["load_id"] for row in no_answers if row["load_id"] in rows_kept}
        earlier = self._lake.sql("SELECT load_id FROM loads WHERE flow = ?", [FLOW]).rows()
        return (from_raw | errors_only | {row["load_id"] for row in earlier}) - {self._load_id}

    def _spool_all(self, spool: Path) -> dict[str, list[Path]]:
        """Read every answer once, oldest first, and lay its rows down by table: they may be more than memory holds."""
        pieces: dict[str, list[Path]] = {}
        for kept in self._kept():
            self._summary.files["found"] += 1
            if self._uploads.take(kept.response_id, kept.path, kept.metas):
                continue
            load = LoadContent()
            try:
                self._add(load, kept)
            except ItemError as error:
                self._summary.files["failed"] += 1
                self._summary.add_error(kept.path, str(error))
                continue
            self._lay_down(load, spool, pieces)
            self._summary.files["read"] += 1
        for path, answers, of_job in self._uploads.jobs():  # once all rows that people wrote are known
            load = LoadContent()
            try:
                add_measured(load, measured(answers), of_job, self._known, load_id=self._load_id)
            except ItemError as error:
                self._summary.files["failed"] += len(answers)
                self._summary.add_error(path, str(error))
                continue
            self._lay_down(load, spool, pieces)
            self._summary.files["read"] += len(answers)
        return pieces

    def _lay_down(self, load: LoadContent, spool: Path, pieces: dict[str, list[Path]]) -> None:
        for table, rows in load.tables(self._load_id).items():
            path = spool / f"{len(pieces.setdefault(table, []))}-{table}.arrow"
            with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, rows.schema) as writer:
                writer.write_table(rows)
            pieces[table].append(path)

    def _kept(self) -> list[_Kept]:
        found = [
            _Kept(file.response_id, file.path, tuple(self._lake.raw.metas(file.response_id))) for file in self._lake.raw.list()
        ]
        return sorted(found, key=lambda kept: (str(kept.metas[0].get("received_at") if kept.metas else ""), kept.path))

    def _add(self, load: LoadContent, kept: _Kept) -> None:
        if kept.path.startswith("lake/rows/"):
            for table, rows in kept_rows(self._lake, kept.response_id).items():
                load.rows.setdefault(table, []).extend(rows)
                self._learn_ties(table, rows)
            return
        for meta in kept.metas:
            answered = _answered(kept, meta)
            if answered.origin == SAVED:
                self._add_saved(load, kept, meta, answered)
            else:
                with self._lake.raw.open(kept.response_id) as stream:
                    flattened = flatten_predictions(stream, name=kept.path)
                add_job(load, answered, flattened, self._known, load_id=self._load_id, run_id=self._summary.run_id)
        for row in load.rows.get("scorings", ()):
            self._learn(row)

    def _add_saved(self, load: LoadContent, kept: _Kept, meta: Mapping[str, Any], answered: Answered) -> None:
        with self._lake.raw.open(kept.response_id) as stream:
            flattened = kept_part(stream, kept.path, answered.uri).flatten()
        namespace = str(meta.get("namespace") or flattened.job_id or kept.response_id[:32])
        payload = Payload(answered.uri, kept.path.split("/")[1], namespace, kept.response_id, kept.path, answered.size_bytes)
        recording_ids = [saved_recording_id(answer, namespace) for answer in flattened.answers]
        payload.add(flattened, recording_ids, saved_scoring_ids(flattened.answers, recording_ids))
        recognised = self._sameness.recognise(payload)
        for each in set(recording_ids) & self._by_md5.keys():
            load.add("recording_aliases", same_bytes_row(each, self._by_md5.pop(each)))
        answered = replace(answered, hume_job_id=flattened.job_id)
        add_payload(load, answered, payload, recognised, run_id=self._summary.run_id)
        fresh = [known is None for known in recognised.known]
        add_scores(load, flattened, recording_ids, payload.scoring_ids, fresh, self._load_id)

    def _learn(self, row: Row) -> None:
        """Take note of a scoring, so that the same answer met again is known."""
        place = self._known.setdefault((row["recording_id"], row["model"], row["fingerprint"]), [])
        place.append((row["scoring_id"], row["origin"], row["settings_id"]))
        jobs = jobs_of("", row["hume_job_id"])
        of_rows = (row["model"], row["fingerprint"], row["rows"])
        self._sameness.add(Met(row["scoring_id"], row["recording_id"], *of_rows, row["file"], row["response_id"], jobs))

    def _learn_ties(self, table: str, rows: Sequence[Row]) -> None:
        for row in rows if table == "recordings" else ():
            if row.get("sha256") and row.get("md5"):
                self._by_md5[f"md5:{row['md5']}"] = row["recording_id"]
                self._sameness.tie(f"md5:{row['md5']}", row["recording_id"])
        for row in rows if table == "recording_aliases" else ():
            self._sameness.tie(row["alias_id"], row["recording_id"])


def _answered(kept: _Kept, meta: dict[str, Any]) -> Answered:
    return Answered(
        response_id=kept.response_id,
        api=kept.path.split("/")[0],
        origin=str(meta.get("origin", SAVED)),
        kind=kept.path.split("/")[1],
        uri=str(meta.get("uri", "")),
        settings_id=meta.get("settings_id"),
        hume_job_id=meta.get("hume_job_id"),
        scored_at=utc(meta.get("scored_at")),
        received_at=utc(meta.get("received_at")),
        size_bytes=int(meta.get("size_bytes", 0)),
        raw_path=kept.path,
        works=tuple(Work(**work) for work in meta.get("works", ())),
    )


def _batches(paths: list[Path]) -> Iterator[pa.RecordBatch]:
    for path in paths:
        with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as reader:
            yield from reader
