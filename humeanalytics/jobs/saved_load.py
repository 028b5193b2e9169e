"""One load of saved answers: decide what is new of what the workers read, and commit that."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from humeanalytics.jobs.answers import SAVED
from humeanalytics.jobs.bookkeeping import Row, error_row, load_rows, uri_of, utc
from humeanalytics.jobs.load_content import Answered, LoadContent, failure_row, response_row, scoring_row, source_row
from humeanalytics.jobs.sameness import ALONE, Recognised, Sameness, is_random, jobs_of
from humeanalytics.jobs.saved_items import place_and_name, place_of, saved_item_rows
from humeanalytics.jobs.saved_known import item_places, known_payloads, look_up
from humeanalytics.jobs.saved_work import Payload, ReadResult, Unread
from humeanalytics.jobs.summary import RunSummary
from humeanalytics.jobs.work import name_of
from humeanalytics.lake.lake import Lake
from humeanalytics.lake.parts import Written
from humeanalytics.tables.expression import Placement, Received, upload_row
from humeanalytics.tables.flattened import Answer, Failure
from humeanalytics.tables.keys import saved_recording_id

FLOW = "ingest"
#: v1 bills every run as if it had this length at least.
_LEAST_BILLED_S = 10.0


def announce(lake: Lake, load_id: str, run_id: str) -> None:
    """Say, durably, that a load of saved answers is about to be written."""
    lake.loads.announce(load_id, flow=FLOW, run_id=run_id, members={"kind": "saved"})


class SavedLoad:
    """A load in the making: `add` what was read for it, `commit` it.

    Args:
        lake: The lake.
        load_id: The load, announced.
        sameness: What is known of answers met before; it learns.
        by_md5: Recordings whose bytes were seen and that no md5 sum is tied to yet; what is tied is taken out.
        summary: Where to count.

    Attributes:
        scorings: All that were met.
        same_texts: Payloads of texts only that were met before, and that do not say of which job they are.
    """

    def __init__(self, lake: Lake, load_id: str, sameness: Sameness, by_md5: dict[str, str], summary: RunSummary) -> None:
        self.load_id = load_id
        self._by_md5 = by_md5
        self._lake, self._sameness, self._summary = lake, sameness, summary
        self._content = LoadContent()
        self._beside: dict[str, list[Row]] = {}
        self._written: dict[str, list[Written]] = {}
        self._ended_at: dict[str, datetime] = {}
        self.same_texts: list[str] = []
        self.scorings: set[str] = set()

    def add(self, result: ReadResult) -> set[str]:
        """Take what came of some inputs; return the URIs of payloads that were in the lake already, from the very same place."""
        payloads = [each for _, found in result.found for each in found if isinstance(each, Payload)]
        for unread in (each for _, found in result.found for each in found if isinstance(each, Unread)):
            self._ended_at |= unread.ended_at
            if unread.error is not None:
                self.add_error(unread)
        look_up(self._lake, self._sameness, payloads)
        here = known_payloads(self._lake, payloads)
        recognised = [self._sameness.recognise(payload) for payload in payloads]
        places = self._item_places(payloads)
        seen: set[str] = set()
        stale: set[str] = set()  # whose rows are in the lake, or to come from another input
        known: set[str] = set()
        for payload, recognition in zip(payloads, recognised, strict=True):
            is_here = (payload.response_id, uri_of(payload.uri)) in here
            for scoring, before in zip(payload.scoring_ids, recognition.known, strict=True):
                if scoring not in seen and (is_here or before is not None):
                    stale.add(scoring)
                seen.add(scoring)
            before_or_new = zip(recognition.known, payload.scoring_ids, strict=True)
            self.scorings.update(before or scoring for before, scoring in before_or_new)
            if is_here:
                known.add(payload.uri)
            else:
                self._add_payload(payload, recognition, places)
        for table, written in result.written.items():
            self._written.setdefault(table, []).extend(_without(each, stale) for each in written)
        return known

    def _item_places(self, payloads: Sequence[Payload]) -> dict[str, set[str]]:
        """Return the places of the items there are of the recordings in some payloads, by the id that stands for each."""
        places: dict[str, set[str]] = {}
        recordings = self._sameness.same_as(each for payload in payloads for each in payload.recording_ids)
        beside = ((row["recording_id"], place_of(row)) for row in self._beside.get("items", ()))
        for recording_id, place in (*item_places(self._lake, recordings), *beside):
            places.setdefault(self._sameness.canonical(recording_id), set()).add(place)
        return places

    def _add_payload(self, payload: Payload, recognised: Recognised, places: dict[str, set[str]]) -> None:
        for each in set(payload.recording_ids) & self._by_md5.keys():
            self._content.add("recording_aliases", same_bytes_row(each, self._by_md5.pop(each)))
        add_payload(self._content, answered_of(payload), payload, recognised, run_id=self._summary.run_id)
        self._summary.answers["found"] += len(payload.answers)
        self._summary.answers["met_before"] += sum(known is not None for known in recognised.known)
        new: list[tuple[Answer, str]] = []
        for answer, recording_id in zip(payload.answers, payload.recording_ids, strict=True):
            known = places.setdefault(self._sameness.canonical(recording_id), set())
            place, name = place_and_name(answer, payload.uri)
            # v1, the platform and a CSV alone have no names.
            is_told = answer.parts is None and not is_random(answer.file) and payload.kind != ALONE
            if not known or (is_told and not known & {place, name}):
                new.append((answer, recording_id))
            known.add(place)
        for answer in filter(None, map(failed_answer, payload.failures)):
            recording_id = saved_recording_id(answer, payload.namespace)
            if not places.setdefault(self._sameness.canonical(recording_id), set()):
                new.append((answer, recording_id))
                places[self._sameness.canonical(recording_id)].add(place_and_name(answer, payload.uri)[0])
        self._summary.answers["failed"] += len(payload.failures)
        is_text = not any(payload.is_timed) and any(answer.rows for answer in payload.answers)
        if is_text and None not in recognised.known and not jobs_of(payload.uri, payload.job_id):
            self.same_texts.append(payload.uri)
        for table, row in saved_item_rows(payload.uri, new):
            self._beside.setdefault(table, []).append(row)

    def add_error(self, unread: Unread) -> None:
        """Take something that gave no rows, and should have."""
        row = error_row(
            stage="flatten",
            message=unread.message,
            error=unread.error or "",
            run_id=self._summary.run_id,
            api="batch",
            uri=unread.uri,
        )
        self._beside.setdefault("errors", []).append(row)

    def commit(self) -> None:
        """Make the load visible, and what is said beside it: items, labels and errors stand in no answer of Hume's."""
        scorings = self._content.rows.get("scorings", [])
        self._content.rows["scorings"] = [scored_when(row, self._ended_at) for row in scorings]
        load_rows(self._lake, self._beside, flow=FLOW, run_id=self._summary.run_id)
        loads, rows = self._lake.loads, self._content.tables(self.load_id)
        loads.tidy(self.load_id, (each for written in self._written.values() for each in written))
        counts = {table: loads.adopt(self.load_id, table, written) for table, written in self._written.items()}
        counts |= {table: loads.commit(self.load_id, table, data) for table, data in rows.items()}
        counts = {table: count for table, count in counts.items() if count}
        if counts:
            loads.complete(self.load_id, FLOW, self._summary.run_id, counts)
        else:
            loads.roll_back(self.load_id)
        self._summary.rows.update({table: count for table, count in counts.items() if table in self._written})


def scored_when(row: Row, ended_at: Mapping[str, datetime]) -> Row:
    """Return a row of ``scorings`` with the time its job ended, where details of jobs told that."""
    ended = ended_at.get(row["hume_job_id"] or "")
    return row if ended is None or row["scored_at"] is not None else {**row, "scored_at": ended}


def _without(written: Written, stale: Collection[str]) -> Written:
    """Return written rows without those of some scorings."""
    if not stale or not written.rows:
        return written
    gone = pa.array(sorted(stale), pa.string())

    def keep(rows: pa.RecordBatch) -> pa.RecordBatch:
        return rows.filter(pc.invert(pc.is_in(rows["scoring_id"], value_set=gone)))

    return written.again(written.existing, keep)


def add_payload(load: LoadContent, answered: Answered, payload: Payload, recognised: Recognised, *, run_id: str) -> None:
    """Add all that is to be known of a payload to a load, but for its rows."""
    ids = zip(payload.answers, payload.recording_ids, payload.scoring_ids, recognised.known, strict=True)
    told: set[str] = set()
    for number, (answer, recording_id, scoring, known) in enumerate(ids):
        if known is None:
            of_answer = replace(answered, hume_job_id=answer.run_ids[0]) if answer.run_ids else answered
            load.add("scorings", scoring_row(of_answer, answer, recording_id, scoring, payload.dialect))
            if payload.received:
                upload = saved_upload_row(answered, payload.received[number], number)
                load.add("uploads", {**upload, "recording_id": recording_id, "scoring_id": scoring, "run_id": run_id})
        elif known not in told:  # the same recording may be in one payload twice, which is one place to meet it
            load.add("scoring_sources", source_row(answered, known, payload.dialect))
        told.add(known or scoring)
    load.add("responses", response_row(answered))
    for less, more in recognised.ties:
        load.add("recording_aliases", {"alias_id": less, "recording_id": more, "reason": "the same answers"})
    for failure in payload.failures:
        load.add("errors", failure_row(answered, failure, failed_recording_id(failure, payload.namespace), run_id))


def failed_answer(failure: Failure) -> Answer | None:
    """Return what could not be scored as an answer without anything in it, if it is told what that was."""
    source = failure.source
    file = failure.file or (source and (source.filename or (source.url and name_of(uri_of(source.url)))))
    return Answer(source, file, None, 0, "", 0, 0, "") if source and file else None


def failed_recording_id(failure: Failure, namespace: str) -> str | None:
    """Return the recording that could not be scored, as far as that is told."""
    answer = failed_answer(failure)
    return None if answer is None else saved_recording_id(answer, namespace)


def saved_upload_row(answered: Answered, received: Received, number: int) -> Row:
    """Return the row of ``uploads`` that a saved answer of v1 gives, but for the keys of its recording and scoring."""
    told = upload_row(received, Placement(), origin=SAVED, response_id=answered.response_id, noted_at=answered.received_at)
    of_run = {} if received.run_id else {"upload_id": f"response:{answered.response_id}/{number}"}
    seconds = received.audio_ms / 1000 if received.audio_ms is not None else (received.frames or 0) / 3
    return {**told, **of_run, "billed_s": max(_LEAST_BILLED_S, seconds)}


def same_bytes_row(md5_id: str, recording_id: str) -> Row:
    """Return the tie of an md5 sum to the recording it was computed of."""
    return {"alias_id": md5_id, "recording_id": recording_id, "reason": "the same bytes"}


def answered_of(payload: Payload) -> Answered:
    return Answered(
        response_id=payload.response_id,
        api=payload.api,
        origin=SAVED,
        kind=payload.kind,
        uri=uri_of(payload.uri),
        settings_id=None,
        hume_job_id=payload.job_id,
        scored_at=None,
        received_at=utc(payload.received_at),
        size_bytes=payload.size_bytes,
        raw_path=payload.raw_path,
        works=(),
        saved_at=utc(payload.saved_at),
    )
