"""Gather the rows of answers of v1, answer after answer, and give them out as tables in pieces of whole answers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from humeanalytics.tables.expression_audio import AudioRows
from humeanalytics.tables.expression_flattened import ExpressionAnswer, FlattenedExpression
from humeanalytics.tables.expression_placement import Placement, Received
from humeanalytics.tables.expression_saved import Refused
from humeanalytics.tables.expression_values import Values
from humeanalytics.tables.expression_video import VideoRows
from humeanalytics.tables.fingerprint import row_hashes

_READERS: dict[str, type[AudioRows] | type[VideoRows]] = {"audio": AudioRows, "video": VideoRows}
_TIMES = ("begin_s", "time_s")
_WORD = 1 << 64


class Pieces:
    """Answers on their way to tables: `read` each, and take a `piece` whenever there is enough."""

    def __init__(self) -> None:
        self._readers: dict[str, AudioRows | VideoRows] = {}
        self._prints: dict[tuple[str, int], _Print] = {}
        self._run_ids: dict[tuple[str, int], list[str]] = {}
        self._received: list[Received] = []

    @property
    def rows(self) -> int:
        """How many rows the next piece will have."""
        return sum(reader.rows for reader in self._readers.values())

    def restart(self) -> None:
        """Count ids from 0 again: what follows is of another recording."""
        for reader in self._readers.values():
            reader.restart()

    def read(
        self, model: str, answer: dict[str, Any], place: str, placement: Placement, values: Values, recording: int = 0
    ) -> Received:
        """Add one answer; return what it tells beside its rows.

        Raises:
            UnreadableResponse: Something is not what it must be; says where.
            ValueError: The uploads are not in the order of their face chains.
        """
        reader = self._readers.setdefault(model, _READERS[model]())
        received = reader.read(answer, placement, values, place, recording)
        self._received.append(received)
        frames = placement.frames if model == "video" else None
        for each in sorted({recording + frame.recording for frame in frames}) if frames else [recording]:
            runs = self._run_ids.setdefault((model, each), [])
            if received.run_id is not None and received.run_id not in runs:
                runs.append(received.run_id)
        return received

    def piece(self, *, wrapped: bool = False, refused: Iterable[Refused] = ()) -> FlattenedExpression:
        """Return what was read since the last piece. Answers stay known, for more of their rows may come."""
        tables: dict[str, pa.Table] = {}
        spans: dict[tuple[str, int], dict[str, tuple[int, int]]] = {}
        for model, reader in self._readers.items():
            made, recordings = reader.tables()
            wanted = [recording for of, recording in self._run_ids if of == model]
            for name, table in made.items():
                tables[name], found = _in_order(table, recordings[name])
                hashes = row_hashes(_values_of(tables[name]))
                for recording in wanted:
                    first, count = found.get(recording, (0, 0))
                    spans.setdefault((model, recording), {})[name] = (first, count)
                    mark = self._prints.setdefault((model, recording), _Print(model))
                    mark.add(name, hashes[:, first : first + count])
        answers = tuple(
            ExpressionAnswer(model, recording, tuple(runs), spans[model, recording], self._prints[model, recording].digest())
            for (model, recording), runs in sorted(self._run_ids.items(), key=lambda item: (item[0][1], item[0][0]))
        )
        dialect = "v1_wrapped" if wrapped else next((each.dialect for each in self._received if each.dialect != "v1"), "v1")
        received, self._received = tuple(self._received), []
        return FlattenedExpression(dialect, tables, answers, received, tuple(refused))

    def forget(self) -> None:
        """Forget the answers: all their rows are in pieces."""
        self._prints.clear()
        self._run_ids.clear()


class _Print:
    """The fingerprint of an answer in the making: a hash of a set of rows (with multiplicity), whatever pieces they come in.

    Each row is hashed over the columns that every form of an answer has; the sums of the hashes stand for the set.
    """

    def __init__(self, model: str) -> None:
        self._model = model
        self._sums: dict[str, list[int]] = {}

    def add(self, table: str, hashes: np.typing.NDArray[np.uint64]) -> None:
        sums = self._sums.setdefault(table, [0, 0, 0])
        sums[0] += hashes.shape[1]
        for lane in (0, 1):
            sums[1 + lane] = (sums[1 + lane] + int(hashes[lane].sum(dtype=np.uint64))) % _WORD

    def digest(self) -> str:
        told = "\n".join(f"{table} {rows} {a:016x} {b:016x}" for table, (rows, a, b) in sorted(self._sums.items()))
        return hashlib.sha256(f"v1 {self._model}\n{told}".encode()).hexdigest()[:32]


def _values_of(table: pa.Table) -> pa.Table:
    """Return what enters the fingerprint: what an answer says, not in which upload it says it."""
    names = [field.name for field in table.schema if not field.name.startswith("hume_")]
    chosen = table.select(names)
    for i, field in enumerate(chosen.schema):
        if pa.types.is_boolean(field.type):
            chosen = chosen.set_column(i, field.name, chosen.column(i).cast(pa.int64()))
    return chosen


def _in_order(table: pa.Table, recordings: pa.Array) -> tuple[pa.Table, dict[int, tuple[int, int]]]:
    """Return rows by recording and time, and of each recording its first row and how many it has.

    Rows of equal time stay as they stood; those without one go last.
    """
    of = recordings.to_numpy()
    time = next(table[name] for name in _TIMES if name in table.column_names)
    times = pc.fill_null(time, np.inf).to_numpy()
    order = np.lexsort((times, of))
    if (order[1:] < order[:-1]).any():
        table, of = table.take(pa.array(order)), of[order]
    found, firsts, counts = np.unique(of, return_index=True, return_counts=True)
    return table, dict(zip(found.tolist(), zip(firsts.tolist(), counts.tolist(), strict=True), strict=True))
