"""The verb `rebuild`: tables made again from raw/ alone."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa

from humeanalytics.errors import ItemError
from humeanalytics.jobs import batch, export_pages, expression_scoring, saved_load
from humeanalytics.jobs.answers import SAVED, saved_scoring_ids
from humeanalytics.jobs.bookkeeping import Row, kept_rows, uri_of, utc
from humeanalytics.jobs.chat_payloads import ChatPayload
from humeanalytics.jobs.chat_rebuilding import KeptChats, kept_chats, rebuilt
from humeanalytics.jobs.expression_answers import add_measured, measured
from humeanalytics.jobs.expression_rebuilding import KeptUploads, unfinished_jobs
from humeanalytics.jobs.flow import end_run, open_flow, state_folder
from humeanalytics.jobs.load_content import Answered, Known, LoadContent, add_job, add_scores
from humeanalytics.jobs.lock import flow_lock
from humeanalytics.jobs.sameness import Met, Sameness, jobs_of, platform_job
from humeanalytics.jobs.saved_files import kept_part
from humeanalytics.jobs.saved_known import learn_loads
from humeanalytics.jobs.saved_load import add_payload, same_bytes_row
from humeanalytics.jobs.saved_work import Payload
from humeanalytics.jobs.summary import RunSummary
from humeanalytics.jobs.work import Work
from humeanalytics.lake.lake import Lake
from humeanalytics.settings import Settings, load_settings
from humeanalytics.tables.batch import flatten_predictions
from humeanalytics.tables.keys import saved_recording_id

FLOW = "rebuild"

#: The id of an answer, and where it came from.
_Place: TypeAlias = tuple[str, str]


def rebuild(
    lake: Lake | str | os.PathLike[str] | None = None, *, settings: Settings | None = None, lock_wait_s: float = 0.0
) -> RunSummary:
    """Make the tables of a lake again from the answers kept under raw/, all at one moment.

    Until then queries see the tables as they were. A load that has no raw answers (``ingest --no-raw``) stays as it is.
    Older versions of the lake stay readable.

    Raises:
        LakeLocked: A score, an ingest or an export works on the lake.

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
            flow_lock(locks, export_pages.API, lake_uri=opened.uri, wait_s=lock_wait_s),
        ):
            summary = RunSummary(FLOW, opened.uri, run_id, synthetic=bool(opened.identity.synthetic))
            for dead in opened.loads.pending(flow=FLOW):
                opened.loads.roll_back(dead.load_id)
            for left_over in _pending(opened).glob("*.spool"):
                shutil.rmtree(left_over, ignore_errors=True)
            _Rebuild(opened, summary, unfinished_jobs(ledger)).run()
            summary.exit_code = 3 if summary.files["failed"] else 0
            end_run(opened, ledger, summary, FLOW, begun)
            return summary


def _pending(lake: Lake) -> Path:
    return Path(lake.uri) / "pending"


@dataclass(frozen=True, slots=True)
class _Kept:
    """One answer under raw/, and what was noted about it when it came; again for each other time it came."""

    response_id: str
    path: str
    meta: dict[str, Any]

    @property
    def place(self) -> _Place:
        return self.response_id, uri_of(str(self.meta.get("uri", "")))

    @property
    def order(self) -> tuple[str, int, str]:
        """When it came, and of the members of an archive as which of them."""
        return str(self.meta.get("received_at") or ""), int(self.meta.get("nth") or 0), self.path


#: Every load, with the answers that it is made of: a batch of saved chats may be of a list that an earlier one brought.
_PLACES = """
SELECT load_id, response_id, uri FROM loads LEFT JOIN (
    SELECT load_id, response_id, uri FROM responses_all
    UNION SELECT load_id, response_id, uri FROM scoring_sources_all WHERE dialect = 'evi'
) USING (load_id)
"""


class _Rebuild:
    def __init__(self, lake: Lake, summary: RunSummary, unfinished: set[str]) -> None:
        self._lake, self._summary, self._unfinished = lake, summary, unfinished
        self._known: Known = {}
        self._sameness = Sameness()
        self._by_md5: dict[str, str] = {}
        self._load_id = uuid.uuid4().hex
        self._in_tables: set[str] = set()
        self._chats = KeptChats()

    def run(self) -> None:
        spool = _pending(self._lake) / f"{self._load_id}.spool"
        # What comes to the lake from now on may be read here and is not replaced: labels are never held up.
        loads, kept = self._loads(), self._kept()
        self._chats = kept_chats(self._lake)
        self._in_tables = {response_id for places in loads.values() for response_id, _ in places}
        unread = dict(self._chats.failed)
        paths = {each.response_id: each.path for each in kept} | self._chats.paths
        try:
            while True:
                stays = self._stay(loads, paths.keys() - unread.keys())
                there = {place for load_id in stays for place in loads[load_id]}
                gone = {place for load_id in loads.keys() - stays for place in loads[load_id]}
                chats = [each for each in self._chats.payloads if each.place not in there or each.place in gone]
                pieces, failed = self._spool_all(spool, [each for each in kept if each.place not in there], chats, stays)
                if failed.keys() <= unread.keys():
                    break
                unread |= failed  # their loads stay as they are, which makes a difference to what is new in the others
            self._commit(pieces, loads.keys() - stays)
        finally:
            shutil.rmtree(spool, ignore_errors=True)
        self._summary.files.update(found=len(paths), failed=len(unread), read=len(paths) - len(unread))
        for response_id, message in unread.items():
            self._summary.add_error(paths[response_id], message)

    def _commit(self, pieces: Mapping[str, list[Path]], replaces: set[str]) -> None:
        loads = self._lake.loads
        loads.announce(self._load_id, flow=FLOW, run_id=self._summary.run_id, members={"kind": FLOW})
        counts: dict[str, int] = {}
        for table, paths in sorted(pieces.items()):
            loads.renew(self._load_id)
            counts[table] = loads.commit(self._load_id, table, _batches(paths))
        loads.complete(self._load_id, FLOW, self._summary.run_id, counts, replaces=replaces)
        self._summary.rows.update(counts)
        self._summary.notes.append(f"{len(replaces):,} earlier loads gave way; open_lake(version=...) still shows them.")

    def _loads(self) -> dict[str, set[_Place]]:
        """Return every load there is, with the answers that it is made of."""
        rows = self._lake.sql(_PLACES).rows()
        loads: dict[str, set[_Place]] = {row["load_id"]: set() for row in rows}
        for row in rows:
            if row["response_id"] is not None:
                loads[row["load_id"]].add((row["response_id"], row["uri"] or ""))
        return loads

    def _stay(self, loads: Mapping[str, set[_Place]], raw: set[str]) -> set[str]:
        """Return the loads that stay as they are: not all of their rows come from what can be read under raw/."""
        again = {response_id[:32] for response_id in raw}  # loads of rows that were kept there are named so
        again |= {row["load_id"] for row in self._lake.sql("SELECT load_id FROM loads WHERE flow = ?", [FLOW]).rows()}
        return {
            load_id
            for load_id, places in loads.items()
            if not ({response_id for response_id, _ in places} <= raw if places else load_id in again)
        }

    def _spool_all(
        self, spool: Path, kept: Sequence[_Kept], chats: Sequence[ChatPayload], stays: set[str]
    ) -> tuple[dict[str, list[Path]], dict[str, str]]:
        """Read every answer, oldest first, and lay its rows down by table: they may be more than memory holds.

        Returns:
            The files of rows by table, and of answers that cannot be read why.
        """
        shutil.rmtree(spool, ignore_errors=True)
        spool.mkdir(parents=True)
        self._known, self._sameness, self._by_md5 = {}, Sameness(), {}
        learn_loads(self._lake, self._sameness, stays)
        pieces: dict[str, list[Path]] = {}
        failed: dict[str, str] = {}
        uploads = KeptUploads(self._lake.raw, self._unfinished, self._in_tables)
        for each in kept:
            if uploads.take(each.response_id, each.path, (each.meta,)):
                continue
            load = LoadContent()
            try:
                self._add(load, each)
            except ItemError as error:
                failed[each.response_id] = str(error)
                continue
            self._lay_down(load, spool, pieces)
        for _, answers, of_job in uploads.jobs():  # once all rows that people wrote are known
            load = LoadContent()
            try:
                add_measured(load, measured(answers), of_job, self._known, load_id=self._load_id)
            except ItemError as error:
                failed |= dict.fromkeys((answer.response_id for answer in answers), str(error))
                continue
            self._lay_down(load, spool, pieces)
        for load in rebuilt(self._lake, chats, self._load_id):
            self._lay_down(load, spool, pieces)
        return pieces, failed

    def _lay_down(self, load: LoadContent, spool: Path, pieces: dict[str, list[Path]]) -> None:
        for table, parts in load.tables(self._load_id).items():
            for rows in parts:
                path = spool / f"{len(pieces.setdefault(table, []))}-{table}.arrow"
                with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, rows.schema) as writer:
                    writer.write_table(rows)
                pieces[table].append(path)

    def _kept(self) -> list[_Kept]:
        """Return what is kept of scores, and of what people said, oldest first. Chats are another matter: see `kept_chats`."""
        found = [
            _Kept(file.response_id, file.path, meta)
            for file in self._lake.raw.list()
            if file.api != export_pages.API
            for meta in self._lake.raw.metas(file.response_id)
        ]
        return sorted(found, key=lambda kept: kept.order)

    def _add(self, load: LoadContent, kept: _Kept) -> None:
        if kept.path.startswith("lake/rows/"):
            for table, rows in kept_rows(self._lake, kept.response_id).items():
                load.rows.setdefault(table, []).extend(rows)
                self._learn_ties(table, rows)
            return
        answered = _answered(kept)
        if answered.origin == SAVED:
            self._add_saved(load, kept, answered)
        else:
            with self._lake.raw.open(kept.response_id) as stream:
                flattened = flatten_predictions(stream, name=kept.path)
            add_job(load, answered, flattened, self._known, load_id=self._load_id, run_id=self._summary.run_id)
        for row in load.rows.get("scorings", ()):
            self._learn(row)

    def _add_saved(self, load: LoadContent, kept: _Kept, answered: Answered) -> None:
        with self._lake.raw.open(kept.response_id) as stream:
            flattened = kept_part(stream, kept.path, answered.uri).flatten()
        namespace = str(kept.meta.get("namespace") or flattened.job_id or kept.response_id[:32])
        payload = Payload(answered.uri, kept.path.split("/")[1], namespace, kept.response_id, kept.path, answered.size_bytes)
        recording_ids = [saved_recording_id(answer, namespace) for answer in flattened.answers]
        payload.add(flattened, recording_ids, saved_scoring_ids(flattened.answers, recording_ids))
        recognised = self._sameness.recognise(payload)
        for each in set(recording_ids) & self._by_md5.keys():
            load.add("recording_aliases", same_bytes_row(each, self._by_md5.pop(each)))
        answered = replace(answered, hume_job_id=flattened.job_id or platform_job(answered.uri))
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


def _answered(kept: _Kept) -> Answered:
    meta = kept.meta
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
        saved_at=utc(meta.get("saved_at")),
    )


def _batches(paths: list[Path]) -> Iterator[pa.RecordBatch]:
    for path in paths:
        with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as reader:
            yield from reader
