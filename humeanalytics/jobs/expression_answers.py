"""Answers of v1 under raw/, with what was noted beside them, become scorings, their rows, and rows of ``uploads``.

Used by the run that sent them and by `rebuild` alike: what it takes stands under raw/ alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from humeanalytics.jobs import upload_states
from humeanalytics.jobs.bookkeeping import Row, utc
from humeanalytics.jobs.expression_scoring import FLOW
from humeanalytics.jobs.load_content import Answered, Known, LoadContent, add_scorings, response_row
from humeanalytics.jobs.work import Work
from humeanalytics.lake.raw import RawStore
from humeanalytics.tables.expression import (
    FlattenedExpression,
    Placement,
    Received,
    Uploaded,
    flatten_uploads_in_pieces,
    upload_row,
)
from humeanalytics.tables.keys import of_answers, with_keys

#: States of an upload whose answer can be put into tables.
ANSWERED = (upload_states.RECEIVED, upload_states.LOADED)
#: Of more rows than this, and the last answer's, tables are not held: the answers are read again as they are written.
_HELD_ROWS = 200_000


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer that is kept, with what was noted beside it."""

    response_id: str
    uploaded: Uploaded
    meta: Mapping[str, Any]

    @staticmethod
    def positions_in(meta: Mapping[str, Any]) -> set[int]:
        """Return the positions of the works that an upload carried."""
        frames = Placement.from_json(meta["placement"]).frames
        return {0} if frames is None else {frame.recording for frame in frames}


def answer_of(raw: RawStore, response_id: str, meta: Mapping[str, Any]) -> Answer:
    """Return an answer as it is kept; it is opened when its turn comes."""
    placement = Placement.from_json(meta["placement"])
    opened = partial(raw.open, str(meta.get("path") or response_id))
    return Answer(response_id, Uploaded(f"the answer {response_id[:12]}", opened, placement), meta)


@dataclass(frozen=True, slots=True)
class Measured:
    """The answers to all uploads of a job about one model, in order, and what they come to.

    Attributes:
        answers: The answers.
        flattened: All of them flattened. Of very many rows the tables are left out: `pieces` gives them.
        faces_unmeasured: How many faces were found and not measured: only the largest of a picture are.
    """

    answers: tuple[Answer, ...]
    flattened: FlattenedExpression
    faces_unmeasured: int

    @property
    def fingerprints(self) -> list[str]:
        return [answer.fingerprint for answer in self.flattened.answers]

    def pieces(self) -> Iterator[FlattenedExpression]:
        """Read the answers again and yield their tables in pieces that fit into memory."""
        return flatten_uploads_in_pieces([each.uploaded for each in self.answers], rows=_HELD_ROWS)

    @property
    def positions(self) -> set[int]:
        """The positions of the works that were answered."""
        return {answer.recording for answer in self.flattened.answers}


def measured(answers: Sequence[Answer]) -> Measured:
    """Read the answers to all uploads of a job about one model.

    Raises:
        UnreadableResponse: One cannot be read.
    """
    ordered = tuple(sorted(answers, key=lambda each: _order(each.uploaded.placement)))
    whole: FlattenedExpression | None = None
    unmeasured = 0
    for piece in flatten_uploads_in_pieces([each.uploaded for each in ordered], rows=_HELD_ROWS):
        unmeasured += _unmeasured(piece)
        whole = piece if whole is None else _without_tables(whole, piece)
    assert whole is not None
    return Measured(ordered, whole, unmeasured)


def _unmeasured(piece: FlattenedExpression) -> int:
    frames = piece.tables.get("video_frames")
    return 0 if frames is None else (pc.sum(pc.subtract(frames["faces"], frames["measured_faces"])).as_py() or 0)


def _without_tables(before: FlattenedExpression, piece: FlattenedExpression) -> FlattenedExpression:
    """Return what two pieces tell together, but for their rows."""
    counts = {(answer.model, answer.recording): answer.spans for answer in before.answers}
    answers = []
    for answer in piece.answers:
        had = counts.get((answer.model, answer.recording), {})
        spans = {table: (0, rows + had.get(table, (0, 0))[1]) for table, (_, rows) in answer.spans.items()}
        answers.append(replace(answer, spans=spans))
    dialect = before.dialect if piece.dialect == "v1" else piece.dialect
    return FlattenedExpression(dialect, {}, tuple(answers), (*before.received, *piece.received))


def add_measured(load: LoadContent, of: Measured, works: Sequence[Work], known: Known, *, load_id: str) -> int:
    """Add what was measured of a job to a load; return how many of its scorings were known already."""
    by_position = {work.position: work for work in works}
    recording_ids = [by_position[answer.recording].recording_id for answer in of.flattened.answers]
    newest = max(of.answers, key=lambda each: str(each.meta.get("received_at") or ""))
    scoring_ids, fresh = add_scorings(load, answered_by(newest), of.flattened, recording_ids, known, load_id=load_id)
    if not of.flattened.tables and any(fresh):
        numbers = [answer.recording for answer in of.flattened.answers]
        ids = dict(zip(numbers, zip(recording_ids, scoring_ids, fresh, strict=True), strict=True))
        for table in sorted({name for answer in of.flattened.answers for name in answer.spans}):
            load.later.setdefault(table, []).append(partial(_rows_in_pieces, of, table, ids, load_id))
    for each, received in zip(of.answers, of.flattened.received, strict=True):
        load.add("responses", response_row(answered_by(each)))
        load.add("uploads", _row(each, received, of.flattened, recording_ids, scoring_ids))
    return fresh.count(False)


def _rows_in_pieces(of: Measured, table: str, ids: Mapping[int, tuple[str, str, bool]], load_id: str) -> Iterator[pa.Table]:
    """Yield the rows of one table; ``ids`` has recording, scoring, and whether it is new, of each answer."""
    for piece in of.pieces():
        recordings, scorings, fresh = zip(*(ids[answer.recording] for answer in piece.answers), strict=True)
        keyed = with_keys(replace(piece, tables={table: piece.tables[table]}), recordings, scorings, load_id)
        yield of_answers(keyed, piece.answers, fresh)[table]


def answered_by(answer: Answer) -> Answered:
    meta = answer.meta
    return Answered(
        response_id=answer.response_id,
        api=FLOW,
        origin=str(meta["origin"]),
        kind=str(meta["model"]),
        uri=str(meta.get("uri", "")),
        settings_id=meta.get("settings_id"),
        hume_job_id=None,
        scored_at=utc(meta.get("received_at")),
        received_at=utc(meta.get("received_at")),
        size_bytes=int(meta.get("size_bytes", 0)),
        raw_path=meta.get("path"),
        works=(),
    )


def _order(placement: Placement) -> tuple[int, int]:
    return (-1 if placement.channel is None else placement.channel, placement.chunk)


def _row(
    each: Answer, received: Received, flattened: FlattenedExpression, recording_ids: Sequence[str], scoring_ids: Sequence[str]
) -> Row:
    meta, placement = each.meta, each.uploaded.placement
    of = Answer.positions_in(meta)
    held = [i for i, answer in enumerate(flattened.answers) if answer.recording in of]
    return upload_row(
        received,
        placement,
        upload_id=meta["upload_id"],
        recording_id=recording_ids[held[0]] if len(held) == 1 else None,
        scoring_id=scoring_ids[held[0]] if len(held) == 1 else None,
        run_id=meta["run_id"],
        origin=meta["origin"],
        settings_id=meta["settings_id"],
        size_bytes=meta["media_bytes"],
        sha256=meta["sha256"],
        sent_at=utc(meta["sent_at"]),
        answered_at=utc(meta["received_at"]),
        status=200,
        response_id=each.response_id,
        billed_s=meta["billed_s"],
        noted_at=datetime.now(UTC),
    )
