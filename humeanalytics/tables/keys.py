"""Put the keys of recording, scoring and load before flattened rows, and name the recording of a saved answer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Protocol
from urllib.parse import unquote, urlsplit

import numpy as np
import pyarrow as pa

from humeanalytics.recordings import md5_id, media_type_of, name_id, url_id
from humeanalytics.tables import expression
from humeanalytics.tables.expression_flattened import ExpressionAnswer
from humeanalytics.tables.flattened import Answer, Source
from humeanalytics.tables.schema import KEYS

_ARCHIVE_TYPE = re.compile(r"zip|\btar\b|x-tar|gzip|bzip|xz|compressed", re.IGNORECASE)


class Spanning(Protocol):
    """An answer whose rows stand together in each table it has rows in: of v0 in one, of v1 in up to three."""

    @property
    def spans(self) -> Mapping[str, tuple[int, int]]:
        """Table -> first row and number of rows."""


class Tabled(Protocol):
    """Answers as tables."""

    @property
    def tables(self) -> Mapping[str, pa.Table]: ...

    @property
    def answers(self) -> Sequence[Spanning]: ...


def with_keys(
    flattened: Tabled, recording_ids: Sequence[str], scoring_ids: Sequence[str], load_id: str | None
) -> dict[str, pa.Table]:
    """Return the tables with the three keys as first columns.

    Args:
        flattened: What was read.
        recording_ids: The recording of each answer, in the order of ``flattened.answers``.
        scoring_ids: The scoring of each answer, in the same order.
        load_id: The load, the same for all; None leaves it null.

    Raises:
        ValueError: There are more or fewer ids than answers.
    """
    if not len(recording_ids) == len(scoring_ids) == len(flattened.answers):
        given = f"{len(recording_ids)} recording ids and {len(scoring_ids)} scoring ids"
        raise ValueError(f"There are {len(flattened.answers)} answers, but {given}.")
    tables = {}
    for name, table in flattened.tables.items():
        held = sorted((answer.spans[name], i) for i, answer in enumerate(flattened.answers) if name in answer.spans)
        repeats = pa.array(np.repeat(np.array([i for _, i in held], np.int64), [count for (_, count), _ in held]))
        keys = [pa.array(ids, pa.string()).take(repeats) for ids in (recording_ids, scoring_ids)]
        keys.append(pa.repeat(pa.scalar(load_id, pa.string()), len(table)))
        schema = pa.schema([*(key.field() for key in KEYS), *table.schema], table.schema.metadata)
        tables[name] = pa.table([*keys, *table.columns], schema=schema)
    return tables


def of_answers(tables: Mapping[str, pa.Table], answers: Sequence[Spanning], chosen: Sequence[bool]) -> dict[str, pa.Table]:
    """Return the rows of those answers that are chosen.

    Args:
        tables: The tables of `Flattened`, with keys or without.
        answers: The answers their rows belong to.
        chosen: For each answer whether its rows are wanted.
    """
    found = dict(tables)
    for name, table in tables.items():
        held = sorted(
            (*answer.spans[name], wanted) for answer, wanted in zip(answers, chosen, strict=True) if name in answer.spans
        )
        if any(rows and not wanted for _, rows, wanted in held):
            wanted_rows = [table.slice(first, rows) for first, rows, wanted in held if wanted]
            found[name] = pa.concat_tables([table.schema.empty_table(), *wanted_rows])
    return found


def saved_recording_id(answer: Answer, job: str) -> str:
    """Return the id of the recording that a saved answer is about, as far as the answer tells.

    An upload that was one media file is known by its md5 sum, a URL that was one by its URL: there the file bears the name of
    the source. Anything else (a member of an archive, a text, a registry file) is known by its name within the job only.
    Two different recordings never share an id, as long as ``job`` names one job. An answer of v1 is known by Hume's run.

    Args:
        answer: The answer.
        job: Hume's id of the job, or whatever stands for it where that is unknown.

    Examples:
        >>> upload = Source(0, "file", filename="a.wav", md5sum="900150983cd24fb0d6963f7d28e17f72")
        >>> saved_recording_id(Answer(upload, "a.wav", "audio", 0, "prosody", 0, 3, ""), "1f3a")
        'md5:900150983cd24fb0d6963f7d28e17f72'
        >>> saved_recording_id(Answer(Source(0, "text"), "7", "text", 0, "language", 0, 3, ""), "1f3a")
        'name:1f3a/7'
    """
    source = answer.source
    if answer.parts is not None:
        of_v1 = ExpressionAnswer(answer.model, source.index, answer.run_ids, answer.parts, answer.fingerprint)
        return expression.saved_recording_id(of_v1, job)
    if answer.copy == 0 and _is_one_media_file(source, answer.file):
        if source.md5sum:
            return md5_id(source.md5sum)
        if source.url:
            return url_id(source.url)
    # Where a name alone would not tell: files of other sources than the first, repetitions, and names that look so marked.
    marked = source.index > 0 or answer.copy > 0 or answer.file.startswith("~")
    marker = f"~{source.index}.{answer.copy}/" if marked else ""
    return name_id(job.replace("%", "%25").replace("/", "%2F"), marker + answer.file)


def _is_one_media_file(source: Source, file: str) -> bool:
    """Tell whether a source certainly was the one file that the answer is about, and not an archive it was in."""
    if source.url is not None:
        try:
            name = PurePosixPath(urlsplit(source.url).path).name
        except ValueError:  # no URL at all, whatever it was sent as
            return False
        names = {name, unquote(name)}
    else:
        # Hume calls an upload without a name "file".
        names = {source.filename if source.filename is not None else "file"}
    if file not in names or not file:
        return False
    is_archive = any(media_type_of(name) == "archive" for name in names)
    return not is_archive and not (source.content_type and _ARCHIVE_TYPE.search(source.content_type))
