"""What comes out of one saved payload: tables, the answers their rows belong to, and what failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from humeanalytics.tables.expression_placement import Received


@dataclass(frozen=True, slots=True)
class Source:
    """One source of a payload: an upload, a URL, a registry file, or all texts of a job together.

    Attributes:
        index: Its position among the sources of the payload, counted from 0.
        type: ``file``, ``url``, ``text``, ``registry_file`` or whatever Hume says; ``unknown`` where the payload holds
            predictions without their source.
        url: The URL, with signatures blanked.
        filename: The name an upload had.
        content_type: The content type an upload had.
        md5sum: The md5 sum of an upload, in hexadecimal: of the archive, where an archive was uploaded.
        file_id: Hume's id of a registry file.
    """

    index: int
    type: str
    url: str | None = None
    filename: str | None = None
    content_type: str | None = None
    md5sum: str | None = None
    file_id: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One model's answer for one file, which is what a scoring is. One without rows is an answer too.

    Attributes:
        source: Where the file came from.
        file: The file as Hume names it: inside an archive a path, for texts a number. Of a message of the streaming API its
            ``payload_id``, or its number among the messages, counted from 0.
        file_type: ``video``, ``audio``, ``image``, ``text``, ...; None where the payload does not tell.
        copy: 0, or n for the n-th repetition of the same file name within one source.
        model: The model, which is also the table.
        first_row: Where its rows begin in ``tables[model]``.
        rows: How many there are.
        fingerprint: Hash of the rows' values, the same in whatever form the answer is met (`tables.fingerprint`).
        parts: Of v1, whose answers have rows in several tables: table -> first row and number of rows. None for v0.
        run_ids: Of v1, Hume's runs it took, as far as the payload tells.
    """

    source: Source
    file: str
    file_type: str | None
    copy: int
    model: str
    first_row: int
    rows: int
    fingerprint: str
    parts: Mapping[str, tuple[int, int]] | None = None
    run_ids: tuple[str, ...] = ()

    @property
    def api(self) -> str:
        """Whose answer it is: ``batch`` (v0) or ``expression`` (v1)."""
        return "batch" if self.parts is None else "expression"

    @property
    def spans(self) -> Mapping[str, tuple[int, int]]:
        """Table -> first row and number of rows."""
        return {self.model: (self.first_row, self.rows)} if self.parts is None else self.parts


@dataclass(frozen=True, slots=True)
class Failure:
    """Something Hume could not do, in Hume's words: a whole source (``file`` is None), a file, or one model of a file."""

    source: Source | None
    file: str | None
    model: str | None
    message: str


@dataclass(frozen=True, slots=True)
class Flattened:
    """One payload as tables.

    Attributes:
        dialect: The form it was read from: ``api``, ``platform``, ``object``, ``webhook``, ``wrapped``, ``sdk``,
            ``streaming`` or ``artifacts``; of v1 ``v1``, ``v1_camel`` or ``v1_wrapped``.
        job_id: Hume's id of the job, where the payload tells; None where it tells of several.
        status: The job's status, where the payload tells.
        tables: By model (of v1, which has three a model, by table), the columns of `schema.TABLES` without the three keys, in
            that order, then new names. Rows of one answer are contiguous and in order of time.
        answers: In the order of the payload.
        failures: In the order of the payload.
        scores_rounded: Scores and ``prob`` that were no exact float32 and were rounded to the nearest.
        names_doubled: Names that stood twice in one list of scores; the first holds.
        received: Of v1, what each answer told beside its measurements, in the order of ``answers``.
    """

    dialect: str
    job_id: str | None
    status: str | None
    tables: dict[str, pa.Table]
    answers: tuple[Answer, ...]
    failures: tuple[Failure, ...]
    scores_rounded: int
    names_doubled: int
    received: tuple[Received, ...] = ()
