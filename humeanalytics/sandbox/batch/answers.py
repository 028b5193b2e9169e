"""The answer of a job as it is served: an array in JSON, written source by source so that no answer has to fit in memory."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import Any, BinaryIO, Self

import msgspec

from humeanalytics.sandbox.batch.rows import FileRows, ModelRows

_encode = msgspec.json.Encoder().encode
_NEW_MODEL = {"gaze": {"metadata": None, "grouped_predictions": [{"id": "unknown", "predictions": [{"yaw": 0.25}]}]}}


class PredictionsWriter:
    """Write the predictions of one job: `begin_source`, then its `file` and `error` calls, or `source_error`; then `close`.

    Args:
        file: Where to.
        new_fields: Put in fields nobody has heard of.
        new_names: Put in a model nobody has heard of.
    """

    def __init__(self, file: BinaryIO, new_fields: bool = False, new_names: bool = False) -> None:
        self._file = file
        self._extra: dict[str, Any] = {"hologram": {"depth": 3, "tags": ["new"]}} if new_fields else {}
        self._new_model = _NEW_MODEL if new_names else None
        self._any_source = False
        self._any_file = False
        self._errors: list[dict[str, Any]] = []
        self.num_predictions = 0
        self.num_errors = 0

    def __enter__(self) -> Self:
        self._file.write(b"[")
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self._file.write(b"]")

    def source_error(self, source: dict[str, Any], message: str) -> None:
        """Write a source that failed as a whole."""
        self._open(source)
        self._file.write(b',"results":null,"error":' + _encode(message) + b"}")
        self.num_errors += 1

    def begin_source(self, source: dict[str, Any]) -> None:
        """Begin a source of which there are results."""
        self._open(source)
        self._file.write(b',"results":{"predictions":[')
        self._any_file, self._errors = False, []

    def _open(self, source: dict[str, Any]) -> None:
        self._file.write(b',{"source":' if self._any_source else b'{"source":')
        self._file.write(_encode({**source, **self._extra}))
        self._any_source = True

    def file(self, scored: FileRows) -> None:
        """Write what the models found in one file."""
        write = self._file.write
        head = _encode({"file": scored.file, "file_type": scored.file_type, **self._extra})
        write((b"," if self._any_file else b"") + head[:-1] + b',"models":{')
        for number, model in enumerate(scored.models):
            write((b"," if number else b"") + _encode(model.model) + b":")
            self._model(model)
        if self._new_model is not None:
            write((b"," if scored.models else b"") + _encode(self._new_model)[1:-1])
        write(b"}}")
        self._any_file = True
        self.num_predictions += 1

    def _model(self, model: ModelRows) -> None:
        write = self._file.write
        write(b'{"metadata":' + _encode(model.metadata) + b',"grouped_predictions":[')
        for number, (group, rows) in enumerate(model.groups()):
            write((b"," if number else b"") + b'{"id":' + _encode(group) + b',"predictions":[')
            self._rows(model.predictions(rows))
            write(b"]}")
        write(b"]}")

    def _rows(self, predictions: Iterable[dict[str, Any]]) -> None:
        for number, prediction in enumerate(predictions):
            self._file.write((b"," if number else b"") + _encode({**prediction, **self._extra}))

    def error(self, file: str, message: str) -> None:
        """Note that one file could not be scored."""
        self._errors.append({"file": file, "model": None, "message": message})
        self.num_errors += 1

    def end_source(self) -> None:
        """End the source that was begun."""
        self._file.write(b'],"errors":' + _encode(self._errors) + b"}}")
