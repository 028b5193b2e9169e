"""What comes out of answers of v1: tables, and the answers their rows belong to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from humeanalytics.tables.expression_placement import Received
from humeanalytics.tables.expression_saved import Refused
from humeanalytics.tables.schema import KEYS


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
    """Answers of v1 as tables.

    Attributes:
        dialect: The form they were read from: ``v1`` as the API and its Python SDK write it, ``v1_camel`` as a TypeScript SDK,
            ``v1_wrapped`` where they stood in other JSON.
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

    def with_keys(self, recording_ids: Sequence[str], scoring_ids: Sequence[str], load_id: str | None) -> dict[str, pa.Table]:
        """Return the tables with the three keys as first columns.

        Args:
            recording_ids: The recording of each of `answers`.
            scoring_ids: The scoring of each of `answers`.
            load_id: The load, the same for all; None leaves it null.

        Raises:
            ValueError: There are more or fewer ids than answers.
        """
        if not len(recording_ids) == len(scoring_ids) == len(self.answers):
            given = f"{len(recording_ids)} recording ids and {len(scoring_ids)} scoring ids"
            raise ValueError(f"There are {len(self.answers)} answers, but {given}.")
        tables = {}
        for name, table in self.tables.items():
            chosen = sorted((answer.spans[name], i) for i, answer in enumerate(self.answers) if name in answer.spans)
            repeats = np.repeat([i for _, i in chosen], [count for (_, count), _ in chosen])
            of = pa.array(repeats.astype(np.int64))
            keys = [pa.array(ids, pa.string()).take(of) for ids in (recording_ids, scoring_ids)]
            keys.append(pa.repeat(pa.scalar(load_id, pa.string()), len(table)))
            schema = pa.schema([*(key.field() for key in KEYS), *table.schema], table.schema.metadata)
            tables[name] = pa.table([*keys, *table.columns], schema=schema)
        return tables
