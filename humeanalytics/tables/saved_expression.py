"""Saved answers of v1 as what saved answers of v0 come as, so that whoever keeps either need not tell them apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from humeanalytics.tables.expression import flatten_saved_in_pieces
from humeanalytics.tables.flattened import Answer, Failure, Flattened, Source


def expression_in_pieces(stream: BinaryIO, *, name: str, rows: int | None) -> Iterator[Flattened]:
    """Yield saved answers of v1 piece by piece; an error of Hume's that stands among them is a failure.

    Raises:
        NotHumeData, UnreadableResponse: As `flatten_saved_in_pieces`.
    """
    for piece in flatten_saved_in_pieces(stream, name=name, rows=rows):
        answers = tuple(
            Answer(
                Source(answer.recording, "unknown"),
                "",
                "audio" if answer.model == "audio" else None,
                0,
                answer.model,
                0,
                answer.rows,
                answer.fingerprint,
                answer.spans,
                answer.run_ids,
            )
            for answer in piece.answers
        )
        yield Flattened(
            dialect=piece.dialect,
            job_id=None,
            status=None,
            tables=piece.tables,
            answers=answers,
            failures=tuple(Failure(None, None, None, f"{each.code}: {each.message}") for each in piece.refused),
            scores_rounded=0,
            names_doubled=0,
            received=piece.received,
        )
