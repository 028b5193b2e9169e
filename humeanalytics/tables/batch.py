"""Flatten the predictions of v0 batch jobs, in every form people have saved them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from humeanalytics.errors import UnreadableResponse
from humeanalytics.tables.by_name import PredictionReader
from humeanalytics.tables.columns import ModelRows
from humeanalytics.tables.envelope import Payload, Prediction, renamed
from humeanalytics.tables.fingerprint import fingerprints
from humeanalytics.tables.flattened import Answer, Failure, Flattened, Source
from humeanalytics.tables.json_text import decode

__all__ = ["Answer", "Failure", "Flattened", "Source", "flatten_predictions"]


def flatten_predictions(data: bytes | BinaryIO, *, name: str = "predictions") -> Flattened:
    """Turn saved predictions of v0 batch jobs into tables.

    Takes what the API gave, what the web platform let people download, the body of a webhook, what the official SDKs dump,
    a single source, and any of these somewhere inside other JSON; minified or indented, with or without a byte order mark.
    Everything is read by name. Scores and ``prob`` become float32, all else stays exact.

    What nobody has heard of is kept: a new name becomes a column, so does a new field of a row (float64 if all its values are
    numbers, else text); a new model becomes a table ``model_<its name>`` with ``file``, ``group_id``, its fields and its
    scores. Only lists and objects that stand beside the rows, not in them, are left to the raw answer. A name that stands
    twice in one list holds with its first score, and is counted.

    Args:
        data: The bytes, or a file opened for reading bytes.
        name: What errors call it: a path, a URL, a job.

    Returns:
        Tables, the answers their rows belong to, failures and counts.

    Raises:
        NotHumeData: It is something else; says what it looks like.
        UnreadableResponse: It is broken; says where and how. Nothing is returned of a payload that is broken anywhere.

    Examples:
        >>> payload = b'''{"source": {"type": "file", "filename": "a.jpg"}, "results": {"errors": [], "predictions": [
        ...     {"file": "a.jpg", "models": {"face": {"metadata": null, "grouped_predictions": [{"id": "unknown", "predictions": [
        ...         {"frame": 0, "time": 0, "prob": 0.5, "box": {"x": 1, "y": 2, "w": 3, "h": 4},
        ...          "emotions": [{"name": "Joy", "score": 0.25}], "facs": null, "descriptions": null}]}]}}}]}}'''
        >>> flatten_predictions(payload).tables["face"].select(["file", "time_s", "joy"]).to_pylist()
        [{'file': 'a.jpg', 'time_s': 0.0, 'joy': 0.25}]
    """
    payload = Payload(data if isinstance(data, bytes) else bytes(data.read()), name)
    reader = PredictionReader(name)
    drafts: list[_Draft] = []
    seen: dict[tuple[int, str], int] = {}
    for prediction in payload.predictions():
        drafts += _read(prediction, payload, reader, seen)
    tables = {model: _in_time_order(rows.finish(), model, drafts) for model, rows in reader.tables.items()}
    return Flattened(
        dialect=payload.dialect,
        job_id=payload.job_id,
        status=payload.status,
        tables=tables,
        answers=tuple(_answers(tables, drafts)),
        failures=tuple(payload.failures),
        scores_rounded=sum(rows.scores_rounded for rows in reader.tables.values()),
        names_doubled=sum(rows.names_doubled for rows in reader.tables.values()),
    )


@dataclass(frozen=True, slots=True)
class _Draft:
    """An answer without its fingerprint, which is computed for a whole table at once."""

    source: Source
    file: str
    file_type: str | None
    copy: int
    model: str
    first_row: int
    rows: int


def _read(prediction: Prediction, payload: Payload, reader: PredictionReader, seen: dict[tuple[int, str], int]) -> list[_Draft]:
    """Read one prediction; return a draft for each model in it."""
    place = prediction.place

    def broken(reason: str) -> UnreadableResponse:
        return UnreadableResponse(f"{payload.item}: {place}{reason}.", item=payload.item)

    members: Any = decode(prediction.raw, Any, payload.item, place)
    if type(members) is not dict:
        raise broken(" is no object")
    members = renamed(members, payload.item, place)
    file, file_type = members.get("file"), members.get("file_type")
    models = members.get("models") if "models" in members else broken
    if type(file) is not str:
        raise broken(".file is no text")
    if file_type is not None and type(file_type) is not str:
        raise broken(".file_type is no text")
    if models is None:
        models = {}
    if type(models) is not dict:
        raise broken(f" has no models; its keys are {', '.join(members)}" if models is broken else ".models is no object")
    copy = seen.get((prediction.source.index, file), 0)
    seen[prediction.source.index, file] = copy + 1
    payload.note_file(file, file_type, sdk=None in models.values())
    drafts = []
    for model, answer in models.items():
        if answer is None:
            continue
        rows: ModelRows = reader.rows_of(model)
        first_row = rows.rows
        reader.read(model, answer, file, f"{place}.models.{model}")
        drafts.append(_Draft(prediction.source, file, file_type, copy, rows.model, first_row, rows.rows - first_row))
    return drafts


def _in_time_order(table: pa.Table, model: str, drafts: list[_Draft]) -> pa.Table:
    """Return the rows of each answer in order of time, those of equal time as they stood; rows without a time go last."""
    time = next((name for name in ("time_s", "begin_s") if name in table.column_names), None)
    if time is None:
        return table
    times = pc.fill_null(table[time], np.inf).to_numpy()
    if (times[1:] >= times[:-1]).all():
        return table
    order = np.arange(len(times))
    for draft in drafts:
        if draft.model == model:
            rows = slice(draft.first_row, draft.first_row + draft.rows)
            order[rows] = draft.first_row + np.argsort(times[rows], kind="stable")
    return table.take(order)


def _answers(tables: dict[str, pa.Table], drafts: list[_Draft]) -> list[Answer]:
    found: dict[str, list[str]] = {}
    for model, table in tables.items():
        ranges = [(draft.first_row, draft.rows) for draft in drafts if draft.model == model]
        found[model] = fingerprints(table, model, ranges)[::-1]
    return [Answer(d.source, d.file, d.file_type, d.copy, d.model, d.first_row, d.rows, found[d.model].pop()) for d in drafts]
