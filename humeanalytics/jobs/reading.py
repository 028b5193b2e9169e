"""The verb `flatten`: saved answers of Hume's to Arrow tables, with no lake at all."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from humeanalytics.errors import UnreadableResponse
from humeanalytics.jobs.answers import scoring_id
from humeanalytics.tables.batch import flatten_predictions
from humeanalytics.tables.flattened import Flattened
from humeanalytics.tables.keys import saved_recording_id, with_keys

#: Where an answer comes from when it was found in a file.
SAVED = "saved"


def flatten(source: str | os.PathLike[str] | bytes | BinaryIO) -> dict[str, pa.Table]:
    """Flatten saved predictions to one wide table a model, a column an expression.

    Args:
        source: A path, bytes, or a binary file object.

    Returns:
        Model -> table, with the columns of the data dictionary (``docs/data-dictionary.md``): ids, ``file``, times in
        seconds (``*_s``, float64), boxes in pixels, scores float32. A name that Hume did not give is null. ``load_id`` is
        null: it belongs to lakes. Models the file does not have are missing.

    Raises:
        NotHumeData: It is something else; the message says what it looks like.
        UnreadableResponse: It is broken; the message says where.

    Examples:
        >>> import humeanalytics as ha
        >>> from humeanalytics.samples import sample
        >>> sorted(ha.flatten(sample("predictions.json")))
        ['burst', 'face', 'language', 'prosody']
    """
    if isinstance(source, bytes):
        return _tables(source, "the predictions")
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise UnreadableResponse(f"{path} cannot be read: {error.strerror}.", item=str(path)) from error
        return _tables(data, str(path))
    return _tables(source.read(), str(getattr(source, "name", "the predictions")))


def _tables(data: bytes, name: str) -> dict[str, pa.Table]:
    flattened = flatten_predictions(io.BytesIO(data), name=name)
    job = flattened.job_id or hashlib.sha256(data).hexdigest()[:32]
    recording_ids = [saved_recording_id(answer, job) for answer in flattened.answers]
    return with_keys(flattened, recording_ids, saved_scoring_ids(flattened, recording_ids), None)


def saved_scoring_ids(flattened: Flattened, recording_ids: list[str]) -> list[str]:
    """Return the scoring ids of answers of which only the file is known."""
    return [
        scoring_id(
            api="batch",
            origin=SAVED,
            recording_id=recording_id,
            model=answer.model,
            settings_id=None,
            fingerprint=answer.fingerprint,
        )
        for answer, recording_id in zip(flattened.answers, recording_ids, strict=True)
    ]
