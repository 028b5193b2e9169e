"""What comes out of answers of v1: tables, and the answers their rows belong to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from humeanalytics.tables.expression_placement import Received
from humeanalytics.tables.expression_saved import Refused


@dataclass(frozen=True, slots=True)
class ExpressionAnswer:
    """One model's answer for one recording, which is what a scoring is. One without rows is an answer too.

    Attributes:
        model: ``audio`` or ``video``.
        recording: Which recording of the job, as `Frame.recording` counts; of saved answers their number.
        run_ids: Hume's runs it took.
        spans: Table -> first row and number of rows.
        fingerprint: Hash of the rows' values, the same in whatever form the answer is met. Of tables in pieces, that of all
            rows up to here: the last piece has that of the whole.
    """

    model: str
    recording: int
    run_ids: tuple[str, ...]
    spans: Mapping[str, tuple[int, int]]
    fingerprint: str

    @property
    def rows(self) -> int:
        """How many rows it has, in all tables of its model together."""
        return sum(count for _, count in self.spans.values())


@dataclass(frozen=True, slots=True)
class FlattenedExpression:
    """Answers of v1 as tables; `keys.with_keys` puts recording and scoring before their rows.

    Attributes:
        dialect: The form they were read from: ``v1`` as the API and its Python SDK write it, ``v1_camel`` as a TypeScript SDK,
            ``v1_wrapped`` where they stood in other JSON, or several in lines.
        tables: The columns of `schema.TABLES` without the three keys, in that order, then what nobody has heard of. Rows of
            one answer are contiguous and in order of time. Of a model that was met all three tables are there.
        answers: In the order of recordings.
        received: What each answer of Hume's told beside its measurements, in the order they were read.
        refused: Errors that were saved where answers should be.
    """

    dialect: str
    tables: dict[str, pa.Table]
    answers: tuple[ExpressionAnswer, ...]
    received: tuple[Received, ...]
    refused: tuple[Refused, ...] = ()
