"""One load in the making: answers become scorings, their rows, and what is to be known of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain

import pyarrow as pa
import pyarrow.compute as pc

from humeanalytics.jobs.answers import Outcome, scoring_id, tie
from humeanalytics.jobs.bookkeeping import Row, error_row, table_of
from humeanalytics.jobs.work import Work
from humeanalytics.lake.lake import Lake
from humeanalytics.tables.expression_flattened import ExpressionAnswer, FlattenedExpression
from humeanalytics.tables.flattened import Answer, Failure, Flattened
from humeanalytics.tables.keys import of_answers, with_keys
from humeanalytics.tables.unknown import gathered

_MANY_PIECES = 16
_LARGE_ROWS = 50_000

#: Scorings that are known: (recording, model, fingerprint) -> [(scoring_id, origin, settings_id)].
Known = dict[tuple[str, str, str], list[tuple[str, str, str | None]]]


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer under raw/, with all that is known of how it came about."""

    response_id: str
    api: str
    origin: str
    kind: str
    uri: str
    settings_id: str | None
    hume_job_id: str | None
    scored_at: datetime | None
    received_at: datetime | None
    size_bytes: int
    raw_path: str | None
    works: tuple[Work, ...]
    saved_at: datetime | None = None


@dataclass
class LoadContent:
    """What one load will hold: score tables in pieces, bookkeeping as rows.

    Attributes:
        scores: Pieces by table.
        later: By table, what gives further pieces when their turn comes: they are too many to be held.
        rows: Bookkeeping by table.
    """

    scores: dict[str, list[pa.Table]] = field(default_factory=dict)
    later: dict[str, list[Callable[[], Iterator[pa.Table]]]] = field(default_factory=dict)
    rows: dict[str, list[Row]] = field(default_factory=dict)

    def add(self, table: str, row: Row) -> None:
        self.rows.setdefault(table, []).append(row)

    def compact(self) -> None:
        """Make one piece of many small ones: a table costs a few buffers a column, however few rows it has."""
        for name, pieces in self.scores.items():
            small = [piece for piece in pieces if piece.num_rows < _LARGE_ROWS]
            if len(small) >= _MANY_PIECES:
                large = [piece for piece in pieces if piece.num_rows >= _LARGE_ROWS]
                self.scores[name] = [*large, gathered(small).combine_chunks()]

    def tables(self, load_id: str) -> dict[str, Iterable[pa.Table]]:
        """Return the rows by table, to be gone through once."""
        tables = {name: [gathered(pieces)] for name, pieces in self.scores.items()}
        tables |= {name: [table_of(name, rows, load_id)] for name, rows in self.rows.items()}
        return tables | {
            name: chain(tables.get(name, ()), chain.from_iterable(give() for give in givers))
            for name, givers in self.later.items()
        }

    def scored(self, row_counts: Mapping[str, int]) -> dict[str, int]:
        """Return how many rows of scores, and not of bookkeeping, a load had."""
        return {name: rows for name, rows in row_counts.items() if name in self.scores or name in self.later}


def load_id_of(response_ids: Iterable[str], job_ids: Iterable[str]) -> str:
    """Return the id of a load: a hash of what it holds, so that the same load made twice is one."""
    return hashlib.sha256("\n".join((*sorted(response_ids), *sorted(job_ids))).encode()).hexdigest()[:32]


def known_scorings(lake: Lake, fingerprints: Sequence[str]) -> Known:
    """Scorings already in the lake: (recording, model, fingerprint) -> [(scoring_id, origin, settings_id)]."""
    known: Known = {}
    wanted = pa.array(sorted(set(fingerprints)), pa.string())
    columns = ("fingerprint", "recording_id", "model", "scoring_id", "origin", "settings_id")
    for rows in lake.stored("scorings", columns) if fingerprints else ():
        for row in rows.filter(pc.is_in(rows["fingerprint"], value_set=wanted)).to_pylist():
            place = known.setdefault((row["recording_id"], row["model"], row["fingerprint"]), [])
            place.append((row["scoring_id"], row["origin"], row["settings_id"]))
    return known


def same_scoring(known: Iterable[tuple[str, str, str | None]], origin: str, settings_id: str | None) -> str | None:
    """Which of the known scorings with equal rows is this very answer. What a saved file does not tell fits anything."""
    for scoring, known_origin, known_settings in known:
        if "saved" not in (origin, known_origin) and origin != known_origin:
            continue
        if None not in (settings_id, known_settings) and settings_id != known_settings:
            continue
        return scoring
    return None


def add_answer(
    load: LoadContent,
    answered: Answered,
    flattened: Flattened,
    recording_ids: Sequence[str],
    known: Known,
    *,
    load_id: str,
) -> int:
    """Add one flattened answer to a load; return how many of its scorings were known already (those add a source only)."""
    _, fresh = add_scorings(load, answered, flattened, recording_ids, known, load_id=load_id)
    load.add("responses", response_row(answered))
    return fresh.count(False)


def add_scorings(
    load: LoadContent,
    answered: Answered,
    flattened: Flattened | FlattenedExpression,
    recording_ids: Sequence[str],
    known: Known,
    *,
    load_id: str,
) -> tuple[list[str], list[bool]]:
    """Add the scorings in a flattened answer, and the rows of those that are new.

    Returns:
        The id of each, and whether it is new: one that was known already adds a source only.
    """
    scoring_ids: list[str] = []
    fresh: list[bool] = []
    answers: Sequence[Answer | ExpressionAnswer] = flattened.answers
    for answer, recording_id in zip(answers, recording_ids, strict=True):
        place = known.setdefault((recording_id, answer.model, answer.fingerprint), [])
        scoring = same_scoring(place, answered.origin, answered.settings_id)
        fresh.append(scoring is None)
        if scoring is None:
            scoring = scoring_id(
                api=answered.api,
                origin=answered.origin,
                recording_id=recording_id,
                model=answer.model,
                settings_id=answered.settings_id,
                fingerprint=answer.fingerprint,
            )
            place.append((scoring, answered.origin, answered.settings_id))
            load.add("scorings", scoring_row(answered, answer, recording_id, scoring, flattened.dialect))
        else:
            load.add("scoring_sources", source_row(answered, scoring, flattened.dialect))
        scoring_ids.append(scoring)
    add_scores(load, flattened, recording_ids, scoring_ids, fresh, load_id)
    return scoring_ids, fresh


def scoring_row(answered: Answered, answer: Answer | ExpressionAnswer, recording_id: str, scoring: str, dialect: str) -> Row:
    return {
        "scoring_id": scoring,
        "recording_id": recording_id,
        "api": answered.api,
        "origin": answered.origin,
        "model": answer.model,
        "settings_id": answered.settings_id,
        "hume_job_id": answered.hume_job_id if isinstance(answer, Answer) else next(iter(answer.run_ids), None),
        "response_id": answered.response_id,
        "file": answer.file if isinstance(answer, Answer) else None,
        "dialect": dialect,
        "scored_at": answered.scored_at,
        "saved_at": answered.saved_at,
        "loaded_at": datetime.now(UTC),
        "rows": answer.rows,
        "fingerprint": answer.fingerprint,
    }


def source_row(answered: Answered, scoring: str, dialect: str) -> Row:
    return {"scoring_id": scoring, "response_id": answered.response_id, "uri": answered.uri, "dialect": dialect}


def response_row(answered: Answered) -> Row:
    return {
        "response_id": answered.response_id,
        "api": answered.api,
        "origin": answered.origin,
        "kind": answered.kind,
        "uri": answered.uri,
        "hume_job_id": answered.hume_job_id,
        "size_bytes": answered.size_bytes,
        "received_at": answered.received_at,
        "raw_path": answered.raw_path,
    }


def add_job(
    load: LoadContent,
    answered: Answered,
    flattened: Flattened,
    known: Known,
    *,
    load_id: str,
    run_id: str,
) -> tuple[tuple[Outcome, ...], int]:
    """Add the answer of a job: its scorings, and an error for whatever of it failed or was left without a word.

    Returns:
        What came of each recording of the job, and how many of the scorings were known already.
    """
    tied = tie(flattened, answered.works, answered.hume_job_id or answered.response_id)
    again = add_answer(load, answered, flattened, tied.recording_ids, known, load_id=load_id)
    for failure, work in tied.failures:
        load.add("errors", _error(answered, run_id, failure.message, work, failure.file, failure.model))
    for outcome in tied.outcomes:
        if not outcome.done and not outcome.messages:
            load.add("errors", _error(answered, run_id, "Hume's answer does not mention this recording.", outcome.work))
    return tied.outcomes, again


def failure_row(answered: Answered, failure: Failure, recording_id: str | None, run_id: str) -> Row:
    """Return the error that a saved answer tells of, of a recording that may be known. Told in two forms it is one error."""
    file = f"{answered.uri}#{failure.file}" if failure.file else answered.uri
    known = recording_id is not None and not recording_id.startswith("name:")
    row = error_row(
        stage="score",
        message=failure.message,
        error="ScoringFailed",
        run_id=run_id,
        api=answered.api,
        uri=file,
        recording_id=recording_id,
        hume_job_id=answered.hume_job_id,
        model=failure.model,
        wherever=known,
    )
    return {**row, "item_id": None}  # it is of the recording, in whatever place


def _error(
    answered: Answered, run_id: str, message: str, work: Work | None, file: str | None = None, model: str | None = None
) -> Row:
    return error_row(
        stage="score",
        message=message,
        error="ScoringFailed",
        run_id=run_id,
        api=answered.api,
        uri=work.uri if work else file,
        recording_id=work.recording_id if work else None,
        hume_job_id=answered.hume_job_id,
        model=model,
    )


def add_scores(
    load: LoadContent,
    flattened: Flattened | FlattenedExpression,
    recording_ids: Sequence[str],
    scoring_ids: Sequence[str],
    fresh: Sequence[bool],
    load_id: str,
) -> None:
    """Add the rows of those answers that are ``fresh``."""
    tables = with_keys(flattened, recording_ids, scoring_ids, load_id)
    for model, table in of_answers(tables, flattened.answers, fresh).items():
        if table.num_rows:
            load.scores.setdefault(model, []).append(table)
