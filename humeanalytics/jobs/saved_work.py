"""What reading saved answers is about: tasks for worker processes, and what comes back from them. Data only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from humeanalytics.jobs.saved_inputs import SavedInput
from humeanalytics.lake.parts import Written
from humeanalytics.tables.archives import Limits
from humeanalytics.tables.expression_placement import Received
from humeanalytics.tables.flattened import Answer, Failure, Flattened

#: The kind of a payload with answers of v1.
ANSWERS = "answers"
#: So many letters are not equal by chance either.
_LONG_TEXT = 64
#: So many rows of v1 are not equal by chance: a score has four digits, a face five numbers of several.
_TELLING_ROWS = {"audio_scores": 8, "video_faces": 3}


@dataclass(slots=True)
class Payload:
    """What is to be known of one payload that was read. Its rows are elsewhere.

    Attributes:
        uri: The file it was read from, and behind ``!/`` the member.
        kind: ``predictions``, ``artifacts`` or ``artifact_csv``; of v1 ``answers``.
        namespace: Where recordings stand of which only a name is known: Hume's job, or the sha256 of the payload.
        response_id: What it is kept under in raw/, or its sha256 where it is not kept.
        raw_path: Its path under raw/, if it is kept.
        size_bytes: Before compression.
        received_at: When it came, in ISO 8601: the moment the run began that read it, and a microsecond for each input before.
        saved_at: When the file was last changed, in ISO 8601.
        dialect: The form it was read from.
        job_id: Hume's id of the job, where the payload tells.
        answers: Its answers.
        recording_ids: The recording of each, as far as the payload tells.
        scoring_ids: The scoring of each under that recording.
        is_timed: Whether the rows of each lie in the time or the picture of a recording, and so are not equal by chance; None
            where nothing can be told from them, be they equal or not.
        is_long: Whether the rows of each are of a text so long that no two people write it by chance.
        received: Of v1, what each told beside its measurements.
        failures: What Hume could not do.
        scores_rounded: As `Flattened` has it.
        names_doubled: As `Flattened` has it.
    """

    uri: str
    kind: str
    namespace: str = ""
    response_id: str = ""
    raw_path: str | None = None
    size_bytes: int = 0
    received_at: str | None = None
    saved_at: str | None = None
    dialect: str = ""
    job_id: str | None = None
    answers: list[Answer] = field(default_factory=list)
    recording_ids: list[str] = field(default_factory=list)
    scoring_ids: list[str] = field(default_factory=list)
    is_timed: list[bool | None] = field(default_factory=list)
    is_long: list[bool] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    scores_rounded: int = 0
    names_doubled: int = 0

    @property
    def api(self) -> str:
        """Whose answers they are: ``batch`` (v0) or ``expression`` (v1)."""
        return "expression" if self.kind == ANSWERS else "batch"

    def clear(self) -> None:
        """Forget what pieces told of answers: they are read again."""
        self.answers, self.recording_ids, self.scoring_ids, self.is_timed, self.is_long = [], [], [], [], []
        self.received, self.failures = [], []

    def add(self, piece: Flattened, recording_ids: list[str], scoring_ids: list[str]) -> None:
        """Take over what a piece of it tells."""
        self.dialect, self.job_id = piece.dialect, piece.job_id
        self.scores_rounded, self.names_doubled = piece.scores_rounded, piece.names_doubled
        self.answers += piece.answers
        self.recording_ids += recording_ids
        self.scoring_ids += scoring_ids
        self.is_timed += [_is_timed(piece, answer) for answer in piece.answers]
        self.is_long += [_is_long(piece, answer) for answer in piece.answers]
        self.received += piece.received
        self.failures += piece.failures


@dataclass(frozen=True, slots=True)
class Unread:
    """What gave no rows: with an ``error``, or without one if it is an answer of Hume's that holds no scores, or ``words``, or
    ``chats``.

    Of the details of jobs ``ended_at`` says when each ended, by its id.
    """

    uri: str
    error: str | None
    message: str
    words: bool = False
    chats: bool = False
    ended_at: Mapping[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReadTask:
    """Some inputs to read for one load.

    Attributes:
        inputs: What to read.
        load_id: The load.
        lake: The folder of the lake.
        keep_raw: Whether to keep the payloads under raw/.
        limits: What archives may hold.
        rows_held: A payload with more rows than about so many is written piece by piece.
        received_at: When the run began.
        first: Which of all inputs of the run the first of these is.
    """

    inputs: tuple[SavedInput, ...]
    load_id: str
    lake: Path
    keep_raw: bool
    limits: Limits
    rows_held: int
    received_at: datetime
    first: int


@dataclass(slots=True)
class ReadResult:
    """What came of a task: by input what was in it, in order; and by table the rows, each scoring's once."""

    found: list[tuple[SavedInput, list[Payload | Unread]]]
    written: dict[str, list[Written]]


def _is_long(piece: Flattened, answer: Answer) -> bool:
    """Tell whether the rows are of a text so long that no two people write it by chance."""
    if answer.parts is not None or not answer.rows or "text" not in piece.tables[answer.model].column_names:
        return False
    texts = piece.tables[answer.model].column("text").slice(answer.first_row, min(answer.rows, _LONG_TEXT))
    return (pc.sum(pc.utf8_length(texts)).as_py() or 0) >= _LONG_TEXT


def _is_timed(piece: Flattened, answer: Answer) -> bool | None:
    """Tell whether rows lie in the time or the picture of a recording; those of a text that was written do not."""
    if answer.parts is not None:
        # Few rows with few digits, as those of silence or of frames without a face, are equal by chance.
        told = any(answer.parts.get(table, (0, 0))[1] >= rows for table, rows in _TELLING_ROWS.items())
        return True if told else None
    table: pa.Table = piece.tables[answer.model]
    for column in ("begin_s", "time_s"):
        if column in table.column_names and answer.rows:
            values = table.column(column).slice(answer.first_row, answer.rows)
            if pc.count(values).as_py():
                return True
    return answer.model in ("face", "facemesh") and answer.rows > 0
