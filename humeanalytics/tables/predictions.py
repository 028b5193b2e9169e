"""Read predictions, one model's answer after the other, by the fastest way that is right for each list of rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from humeanalytics import vocabulary
from humeanalytics.tables.by_name import NamedRows
from humeanalytics.tables.columns import ModelRows
from humeanalytics.tables.envelope import Payload, Prediction
from humeanalytics.tables.fields import FIELDS, GROUP_COLUMNS
from humeanalytics.tables.fingerprint import fingerprints
from humeanalytics.tables.flattened import Answer, Source
from humeanalytics.tables.json_stream import JsonStream
from humeanalytics.tables.json_text import Text, Undecoded, text_of
from humeanalytics.tables.nodes import Node, canonical, elements_of, held, kind_of, members_of, ordered
from humeanalytics.tables.schema import SCORE_TABLES
from humeanalytics.tables.score_lists import ListCutter
from humeanalytics.tables.typed_rows import TypedRows

#: A model, its first row of an answer and how many there are.
_Answered = tuple["_Model", int, int]


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


class _Model:
    """One model's rows, and the two ways to them."""

    def __init__(self, table: str, hume_model: str, item: str, cutter: ListCutter | None) -> None:
        self.columns = ModelRows(table, hume_model)
        self.named = NamedRows(self.columns, item)
        self.typed = TypedRows(self.columns, cutter, self.named.flush) if cutter and table in FIELDS else None
        self.group_column = GROUP_COLUMNS.get(table, "group_id")

    @property
    def rows(self) -> int:
        return self.columns.rows + self.named.pending + (self.typed.pending if self.typed else 0)

    def flush(self) -> None:
        """Hand over what is pending; rows of only one of the two ways ever are."""
        self.named.flush()
        if self.typed:
            self.typed.flush()


class PredictionReader:
    """Reads the predictions of one payload into tables: `read` each, and `finish` whenever tables are wanted.

    Args:
        payload: What the predictions are of.
        cutter: What has cut the lists of scores out of it; None if nothing has.
    """

    def __init__(self, payload: Payload, cutter: ListCutter | None) -> None:
        self._payload = payload
        self._cutter = cutter
        self._models: dict[str, _Model] = {}  # by table
        self._tables: dict[str, str] = {}  # by Hume's name
        self._copies: dict[tuple[int, str], int] = {}
        self._drafts: list[_Draft] = []

    @property
    def rows(self) -> int:
        """How many rows there are since the last time tables were made."""
        return sum(model.rows for model in self._models.values())

    @property
    def scores_rounded(self) -> int:
        return sum(model.columns.scores_rounded for model in self._models.values())

    @property
    def names_doubled(self) -> int:
        return sum(model.columns.names_doubled for model in self._models.values())

    def read(self, prediction: Prediction) -> None:
        """Read one prediction.

        Raises:
            UnreadableResponse: Something is not of the type it must be; says where.
        """
        place = prediction.place
        if prediction.file is None:
            file, file_type, answered = self._read_file(prediction)
        else:
            file, file_type = prediction.file, None
            said = prediction.members
            answered = [self._read_answer(model, node, file, f"{place}.{model}", rows_key="predictions") for model, node in said]
        copy = self._copies.get((prediction.source.index, file), 0)
        self._copies[prediction.source.index, file] = copy + 1
        for read, first_row, rows in answered:
            self._drafts.append(_Draft(prediction.source, file, file_type, copy, read.columns.model, first_row, rows))

    def _read_file(self, prediction: Prediction) -> tuple[str, str | None, list[_Answered]]:
        place, payload = prediction.place, self._payload
        file: str | None = None
        file_type: str | None = None
        answered: list[_Answered] = []
        keys: list[str] = []
        by_sdk = False
        for key, node in ordered(prediction.members, last="models", after="file"):
            keys.append(key)
            if key == "file":
                file = self._text(node, f"{place}.file")
            elif key == "file_type":
                file_type = self._text(node, f"{place}.file_type")
            elif key == "models" and kind_of(node) != "null":
                if file is None:
                    raise payload.error(f"{place}.file", "this is null or missing")
                for model, answer in members_of(node, payload.item, f"{place}.models", spelled=True):
                    if kind_of(answer) == "null":
                        by_sdk = True
                    else:
                        answered.append(self._read_answer(model, answer, file, f"{place}.models.{model}"))
        if "models" not in keys:
            raise payload.error(place, f"there are no models; the keys are {', '.join(keys) or 'none'}")
        if file is None:
            raise payload.error(f"{place}.file", "this is null or missing")
        payload.note_file(file, file_type, by_sdk=by_sdk)
        return file, file_type, answered

    def finish(self) -> tuple[dict[str, pa.Table], tuple[Answer, ...]]:
        """Return tables and answers of all that was read since the last time."""
        tables: dict[str, pa.Table] = {}
        prints: dict[str, Iterator[str]] = {}
        for name in dict.fromkeys(draft.model for draft in self._drafts):
            self._models[name].flush()
            spans = [(draft.first_row, draft.rows) for draft in self._drafts if draft.model == name]
            tables[name] = self._models[name].columns.finish(spans)
            prints[name] = iter(fingerprints(tables[name], name, spans))
        answers = tuple(
            Answer(d.source, d.file, d.file_type, d.copy, d.model, d.first_row, d.rows, next(prints[d.model]))
            for d in self._drafts
        )
        self._drafts = []
        return tables, answers

    # ---------------------------------------------------------------------------------------------------------- one answer
    def _read_answer(
        self, hume_model: str, node: Node, file: str, place: str, *, rows_key: str = "grouped_predictions"
    ) -> _Answered:
        """Read one model's answer for one file."""
        payload, model = self._payload, self._model(hume_model)
        first_row = model.rows
        values: dict[str, Any] = {"file": file}
        beside: dict[str, Any] = {}
        keys: list[str] = []
        for key, part in ordered(members_of(node, payload.item, place), last="grouped_predictions", after="metadata"):
            keys.append(key)
            if key == "metadata" and kind_of(part) != "null":
                for inner, value in members_of(held(part), payload.item, f"{place}.metadata"):
                    decoded = payload.decoded(value, f"{place}.metadata.{inner}")
                    model.named.put(f"metadata.{inner}", decoded, values, beside, place)
            elif key == "grouped_predictions":
                for g, group in elements_of(part, payload.item, f"{place}.grouped_predictions"):
                    self._read_group(model, group, values, f"{place}.grouped_predictions[{g}]")
            elif key == rows_key:
                self._read_list(model, part, values, f"{place}.{key}")
            elif key != "metadata":
                self._put_aside(f"answer.{key}", part, beside)
        if rows_key not in keys:
            raise payload.error(place, f"there are no {rows_key}; the keys are {', '.join(keys) or 'none'}")
        rows = model.rows - first_row
        model.columns.put_beside(first_row, rows, beside)
        return model, first_row, rows

    def _read_group(self, model: _Model, node: Node, values: dict[str, Any], place: str) -> None:
        payload = self._payload
        first_row = model.rows
        values = dict(values)
        beside: dict[str, Any] = {}
        for key, part in ordered(members_of(node, payload.item, place), last="predictions", after="id"):
            if key == "id":
                values[model.group_column] = self._text(part, f"{place}.id")
            elif key == "predictions":
                self._read_list(model, part, values, f"{place}.predictions")
            else:
                self._put_aside(f"group.{key}", part, beside)
        model.columns.put_beside(first_row, model.rows - first_row, beside)

    def _read_list(self, model: _Model, node: Node, values: dict[str, Any], place: str) -> None:
        """Read the rows of one group: at once, or as many at a time as there are in the window of the stream."""
        if kind_of(node) not in ("a list", "null"):
            raise self._payload.error(place, f"this is {kind_of(node)}, not a list")
        if not isinstance(node, JsonStream):
            self._read_rows(model, node, values, place, 0)
            return
        first = model.rows
        for run in node.runs():
            text = run
            if text is None:  # one row alone is larger than the window
                row = node.whole_value()
                text = Text(b"[%b]" % row.data, row.start - 1)
            self._read_rows(model, text, values, place, model.rows - first)

    def _read_rows(self, model: _Model, text: Undecoded, values: dict[str, Any], place: str, first: int) -> None:
        if model.typed and model.typed.append(text, values):
            return
        decoded: Any = self._payload.decoded(text, place, list[Any] | None)
        if model.typed:
            model.typed.flush()
        model.named.append(decoded or (), place, first, values)

    def _model(self, hume_model: str) -> _Model:
        """Return a model by what Hume calls it."""
        table = self._tables.get(hume_model)
        if table is None:
            table = table_of(hume_model)
            if table in self._models and table not in SCORE_TABLES:  # its name differs from another's in signs only
                table = "model_" + vocabulary.fallback_column(hume_model)
            self._tables[hume_model] = table
        if table not in self._models:
            self._models[table] = _Model(table, hume_model, self._payload.item, self._cutter)
        return self._models[table]

    def _text(self, node: Node, place: str) -> str | None:
        if kind_of(node) not in ("a text", "null"):
            raise self._payload.error(place, f"this is {kind_of(node)}, not a text")
        return text_of(held(node), self._payload.item, place)

    def _put_aside(self, path: str, node: Node, fields: dict[str, Any]) -> None:
        """Keep a scalar that stands beside the rows as a field of each; what is larger stays in the raw answer only."""
        if kind_of(node) in ("an object", "a list"):
            if path.endswith(".time") and not isinstance(node, JsonStream):
                for inner, part in members_of(node, self._payload.item, path):
                    self._put_aside(f"{path}.{inner}", part, fields)
            return
        value = self._payload.decoded(node, path)
        if value is not None and not isinstance(value, list):  # a list of scores had been cut out
            fields[path] = value


def note_dialect(prediction: Prediction, payload: Payload) -> None:
    """Look at a prediction only for what it tells of the payload's dialect, and not further than its models."""
    file: str | None = None
    file_type: str | None = None
    by_sdk = False
    for key, node in prediction.members:
        if key == "file" and not isinstance(node, JsonStream):
            file = text_of(node, payload.item, f"{prediction.place}.file")
        elif key == "file_type" and not isinstance(node, JsonStream):
            file_type = text_of(node, payload.item, f"{prediction.place}.file_type")
        elif key == "models":
            if not isinstance(node, JsonStream) and kind_of(node) == "an object":
                by_sdk = any(kind_of(answer) == "null" for _, answer in members_of(node, payload.item, "$", spelled=True))
            break
    payload.note_file(file or "", file_type, by_sdk=by_sdk)


def table_of(hume_model: str) -> str:
    """Return the table of a model, by what Hume calls it. One nobody has heard of never meets a table of another purpose.

    >>> table_of("prosody"), table_of("faceMesh"), table_of("gaze 2")
    ('prosody', 'facemesh', 'model_gaze_2')
    """
    known = hume_model.lower()
    if known in SCORE_TABLES:
        return known
    return "model_" + vocabulary.column(canonical(hume_model))
