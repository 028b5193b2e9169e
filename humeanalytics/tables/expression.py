"""Flatten answers of Expression Measurement v1: those to the uploads of one job, and those that people have saved."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any, BinaryIO, NamedTuple

from humeanalytics.errors import UnreadableResponse
from humeanalytics.recordings import name_id
from humeanalytics.tables.expression_flattened import ExpressionAnswer, FlattenedExpression
from humeanalytics.tables.expression_pieces import Pieces
from humeanalytics.tables.expression_placement import Edge, Frame, Placement, Received
from humeanalytics.tables.expression_saved import Refused, SavedAnswers, looks_like_v1
from humeanalytics.tables.expression_values import Values
from humeanalytics.tables.unknown import as_json

__all__ = [
    "Edge",
    "ExpressionAnswer",
    "FlattenedExpression",
    "Frame",
    "Placement",
    "Received",
    "Refused",
    "Uploaded",
    "flatten_saved",
    "flatten_saved_in_pieces",
    "flatten_uploads",
    "flatten_uploads_in_pieces",
    "looks_like_v1",
    "read_received",
    "saved_recording_id",
    "upload_row",
]


class Uploaded(NamedTuple):
    """The answer to one upload.

    Attributes:
        name: What errors call it.
        data: Its bytes, a file opened for reading bytes, or what opens one: called when its turn has come, and closed then.
        placement: Where what was sent lies.
    """

    name: str
    data: bytes | BinaryIO | Callable[[], BinaryIO]
    placement: Placement = Placement()


def flatten_uploads(uploads: Iterable[Uploaded]) -> FlattenedExpression:
    """Turn the answers to the uploads of one job, all of one model, into tables on the recordings' own clocks.

    They are read by channel and chunk, in whatever order they are given. Ids are counted over all of them, so that they are
    unique within a recording; how it was split shows in ``hume_*`` columns, ``face_chain`` and ``hard_cut`` only.
    Measurements without scores and frames without faces keep their rows. A null list is not an empty one: its count is null.
    What nobody has heard of is kept: a new name is a row like any other, a new list of scores gives rows whose kind is its
    key, and any other new field of a row becomes a column, as in the tables of v0.

    Args:
        uploads: The answers.

    Returns:
        Tables, an answer for each recording, and what each upload told beside.

    Raises:
        NotHumeData: One is something else; says what it looks like.
        UnreadableResponse: One is broken, or not about what was sent; says which, where and how.
        ValueError: There are none, or face chains do not follow one another.

    Examples:
        >>> one = b'''{"request_id": "r", "run_id": "a", "received": {"audio_duration_ms": 5000},
        ...  "utterances": [{"utterance_id": 0, "audio_start_ms": 100, "audio_end_ms": 1900}],
        ...  "measurements": [{"measurement_id": 0, "utterance_id": 0, "audio_start_ms": 100, "audio_end_ms": 1900,
        ...    "trigger": "speech_ended", "expressions": [{"name": "joy", "probability": 0.2208}], "voice_attributes": []}]}'''
        >>> flat = flatten_uploads([Uploaded("1", one), Uploaded("2", one, Placement(chunk=1, offset_ms=5000))])
        >>> flat.tables["audio_scores"].select(["measurement_id", "name", "begin_s", "rank"]).to_pylist()[1]
        {'measurement_id': 1, 'name': 'joy', 'begin_s': 5.1, 'rank': 1}
    """
    [flattened] = flatten_uploads_in_pieces(uploads, rows=None)
    return flattened


def flatten_uploads_in_pieces(uploads: Iterable[Uploaded], *, rows: int | None = 200_000) -> Iterator[FlattenedExpression]:
    """Yield the answers to the uploads of one job as tables of whole uploads, where together they do not fit into memory.

    Pieces put together are what `flatten_uploads` returns, but that rows of several channels are in order of time in each
    piece only. Every piece has all answers met so far; their fingerprints are those of the whole in the last one.

    Args:
        uploads: As for `flatten_uploads`; only their placements are looked at before their turn.
        rows: A piece ends with the upload that brings it to so many rows; None makes one piece of everything.

    Raises:
        NotHumeData, UnreadableResponse, ValueError: As `flatten_uploads`; maybe after pieces, which then are of no use.
    """
    ordered = sorted(uploads, key=lambda upload: (_channel(upload.placement), upload.placement.chunk))
    if not ordered:
        raise ValueError("There are no uploads to flatten.")
    pieces, about = Pieces(), ""
    for upload in ordered:
        if rows is not None and pieces.rows >= rows:
            yield pieces.piece()
        received = _read(pieces, upload)
        if about not in ("", received.model):
            reason = f"this is an answer about {received.model}, and another upload of the job has one about {about}"
            raise UnreadableResponse(f"{upload.name}: {reason}.", item=upload.name)
        about = received.model
    yield pieces.piece()


def _read(pieces: Pieces, upload: Uploaded) -> Received:
    values = Values(upload.name)
    if callable(upload.data):
        with upload.data() as stream:
            answers = list(SavedAnswers(stream, values))
    else:
        answers = list(SavedAnswers(upload.data, values))
    if len(answers) > 1:
        reason = f"this holds {len(answers)} answers, not the one to an upload"
        raise UnreadableResponse(f"{upload.name}: {reason}.", item=upload.name)
    return pieces.read(*answers[0], upload.placement, values)


def flatten_saved(data: bytes | BinaryIO, *, name: str = "the answer") -> FlattenedExpression:
    """Turn saved answers of v1 into tables, each answer as that for a recording of its own.

    Takes what the API gave, what the official SDKs dump (``model_dump``, ``model_dump_json``, camelCase), lists and lines of
    these, and any of them somewhere inside other JSON. A saved answer does not tell which part of a recording it is about:
    times are those within its upload, and frames have numbers but no times.

    Args:
        data: The bytes, or a file opened for reading bytes.
        name: What errors call it.

    Raises:
        NotHumeData: There is no answer of v1 in it; says what it looks like.
        UnreadableResponse: It is broken; says where and how.
    """
    [flattened] = flatten_saved_in_pieces(data, name=name, rows=None)
    return flattened


def flatten_saved_in_pieces(
    data: bytes | BinaryIO, *, name: str = "the answer", rows: int | None = 200_000
) -> Iterator[FlattenedExpression]:
    """Yield saved answers as tables of whole answers, for files whose tables together do not fit into memory.

    Every answer is in one piece with all its rows. What was refused is in the last one.

    Args:
        data: As for `flatten_saved`.
        name: What errors call it.
        rows: A piece ends with the answer that brings it to so many rows; None makes one piece of everything.

    Raises:
        NotHumeData, UnreadableResponse: As `flatten_saved`; maybe after pieces, which then are of no use.
    """
    values, pieces = Values(name), Pieces()
    saved = SavedAnswers(data, values)
    for number, (model, members, place) in enumerate(saved):
        if rows is not None and pieces.rows >= rows:
            yield pieces.piece(wrapped=saved.wrapped)
            pieces.forget()
        pieces.restart()
        pieces.read(model, members, place, Placement(), values, number)
    yield pieces.piece(wrapped=saved.wrapped, refused=saved.refused)


def read_received(upload: Uploaded) -> Received:
    """Return what the answer to one upload tells beside its measurements: its ids, what arrived, the ``face_state``.

    The measurements are read all the same, so that an answer which cannot be flattened is told of as it comes.

    Raises:
        NotHumeData, UnreadableResponse: As `flatten_uploads`.

    Examples:
        >>> answer = b'{"run_id": "a", "received": {"frames": 0}, "measurements": [], "face_state": "tok"}'
        >>> read_received(Uploaded("the answer", answer)).face_state
        'tok'
    """
    return _read(Pieces(), upload)


def upload_row(received: Received, placement: Placement, **known: str | int | float | datetime | None) -> dict[str, Any]:
    """Return the row of `uploads` for a request that was answered.

    Args:
        received: What its answer told.
        placement: Where what was sent lies.
        known: Further columns, by name; they go before what is told here.

    Examples:
        >>> answer = b'{"run_id": "a", "received": {"audio_duration_ms": 500}, "utterances": [], "measurements": []}'
        >>> row = upload_row(read_received(Uploaded("the answer", answer)), Placement(chunk=1), origin="saved")
        >>> row["upload_id"], row["chunk"], row["received_s"], row["origin"]
        ('run:a', 1, 0.5, 'saved')
    """
    is_audio = received.model == "audio"
    row = {
        "upload_id": f"run:{received.run_id}",
        "model": received.model,
        "state": "received",
        "channel": placement.channel,
        "chunk": placement.chunk,
        "offset_s": placement.offset_ms / 1000 if is_audio else None,
        "duration_s": None if placement.duration_ms is None else placement.duration_ms / 1000,
        "begins": placement.begins if is_audio else None,
        "ends": placement.ends if is_audio else None,
        "frames": None if placement.frames is None else len(placement.frames),
        "face_chain": None if is_audio else placement.face_chain,
        "hume_run_id": received.run_id,
        "hume_request_id": received.request_id,
        "received_s": None if received.audio_ms is None else received.audio_ms / 1000,
        "received_frames": received.frames,
        "billed": "yes",
        "other_json": as_json(received.other) if received.other else None,
    }
    return row | known


def saved_recording_id(answer: ExpressionAnswer, file: str) -> str:
    """Return the id of the recording that a saved answer is about, as far as it tells: it is what one run of Hume's was about.

    Args:
        answer: The answer.
        file: What stands for the run where the answer does not name it: something that is another for each file.

    Examples:
        >>> saved_recording_id(ExpressionAnswer("audio", 0, ("0199c3e1",), {}, ""), "9f2c")
        'name:0199c3e1/audio'
    """
    if answer.run_ids:
        return name_id(answer.run_ids[0].replace("%", "%25").replace("/", "%2F"), answer.model)
    return name_id(hashlib.sha256(file.encode("utf-8", "surrogatepass")).hexdigest()[:32], f"~{answer.recording}/{answer.model}")


def _channel(placement: Placement) -> int:
    return -1 if placement.channel is None else placement.channel
