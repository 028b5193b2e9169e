"""Flatten what Hume's v0 API predicted, in every form people have saved it: of batch jobs, and of the streaming API."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import IO, BinaryIO

from humeanalytics.errors import NotHumeData, UnreadableResponse
from humeanalytics.tables.envelope import Payload
from humeanalytics.tables.flattened import Answer, Failure, Flattened, Source
from humeanalytics.tables.json_stream import MAX_DEPTH, JsonStream
from humeanalytics.tables.looks import BROKEN, looks_like
from humeanalytics.tables.predictions import PredictionReader, note_dialect
from humeanalytics.tables.score_lists import ListCutter

__all__ = ["Answer", "Failure", "Flattened", "Source", "flatten_in_pieces", "flatten_predictions"]

_PIECE_BYTES = 1 << 20
_HEAD_BYTES = 512
_LOOK_BYTES = 1 << 16
#: How much of a payload, its lists of scores cut out, is held at a time; that is about a twelfth of the payload.
WINDOW_BYTES = 1 << 20

#: Is told of every stretch of a payload that is read, in order: at which byte it begins, the stretch, and what of it could be
#: anything but scores (a small part, as a rule). Where reading has to begin anew, so does this.
Watch = Callable[[int, bytes, bytes], None]


def flatten_predictions(data: bytes | BinaryIO, *, name: str = "predictions", by_name: bool = False) -> Flattened:
    """Turn saved predictions of Hume's v0 API into tables.

    Takes what the API gave, what the web platform let people download, the body of a webhook, what the official SDKs dump,
    a single source, messages of the streaming API, and any of these somewhere inside other JSON, or several as JSON lines;
    minified or indented, with or without a byte order mark. Everything is read by name. Scores and ``prob`` become float32,
    all else stays exact. The payload is read in pieces and never held whole.

    What nobody has heard of is kept: a new name becomes a column, so does a new field of a row (float64 if all its values are
    numbers, else text); a new model becomes a table ``model_<its name>`` with ``file``, ``group_id``, its fields and its
    scores. Only lists and objects that stand beside the rows, not in them, are left to the raw answer. A name that stands
    twice in one list holds with its first score, and is counted.

    Args:
        data: The bytes, or a file opened for reading bytes. One that cannot seek is read all the same, but errors in it are
            told less exactly.
        name: What errors call it: a path, a URL, a job.
        by_name: Take no short cuts. The result is the same; this is for those who doubt it.

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
    [flattened] = flatten_in_pieces(data, name=name, rows=None, by_name=by_name)
    return flattened


def flatten_in_pieces(
    data: bytes | BinaryIO,
    *,
    name: str = "predictions",
    rows: int | None = 200_000,
    window_bytes: int = WINDOW_BYTES,
    by_name: bool = False,
    watch: Watch | None = None,
) -> Iterator[Flattened]:
    """Yield saved predictions as tables of whole predictions, for payloads whose tables together do not fit into memory.

    Every answer is in one piece with all its rows. Failures, counts, and what the payload tells of itself only at its end are
    complete in the last piece. There is at least one.

    Args:
        data: As for `flatten_predictions`.
        name: What errors call it.
        rows: A piece ends with the prediction that brings it to so many rows; None makes one piece of everything.
        window_bytes: How much of the payload is held at a time, the lists of scores cut out of it.
        by_name: As for `flatten_predictions`.
        watch: Is told of all that is read, for those who keep it too.

    Raises:
        NotHumeData: As `flatten_predictions`; before the first piece.
        UnreadableResponse: As `flatten_predictions`; maybe after pieces, which then are of no use.
    """
    start = 0 if isinstance(data, bytes) else data.tell() if data.seekable() else None
    yielded = False
    try:
        for flattened in _pieces(data, name, rows, window_bytes, None if by_name else ListCutter(), watch):
            yield flattened
            yielded = True
        return
    except NotHumeData:
        raise
    except UnreadableResponse as error:
        if by_name or start is None:
            raise
        told: UnreadableResponse = error
    # What is broken is told with its byte and place, which reading without short cuts knows exactly. Not from within the
    # handler: two errors of one fault, one above the other, only confuse.
    if not isinstance(data, bytes):
        data.seek(start)
    for flattened in _pieces(data, name, rows, window_bytes, None, watch):
        if not yielded:
            yield flattened
    if yielded:
        raise told


def first_look(file: IO[bytes], *, name: str = "predictions") -> tuple[str | None, str]:
    """Return the dialect of saved predictions as far as their beginning tells it.

    Returns:
        The dialect, and nothing; or None, where no prediction is in the JSON or it is broken before the first, and what it
        looks like.
    """
    payload = Payload(JsonStream(lambda: file.read(_LOOK_BYTES), name, _HEAD_BYTES), name)
    try:
        for prediction in payload.predictions():
            note_dialect(prediction, payload)
            break
    except NotHumeData:
        return None, payload.looks_like
    except UnreadableResponse:
        return None, BROKEN
    return payload.dialect, ""


def _pieces(
    data: bytes | BinaryIO,
    name: str,
    rows: int | None,
    window_bytes: int,
    cutter: ListCutter | None,
    watch: Watch | None,
) -> Iterator[Flattened]:
    read = _reading(data)
    first = b""
    while len(first) < _HEAD_BYTES and (piece_read := read()):
        first += piece_read
    head = first[:_HEAD_BYTES]
    if head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] not in (b"[", b"{"):
        raise NotHumeData(f"{name}: this is {looks_like(head)}, not the predictions of a v0 batch job.", item=name)
    depth = MAX_DEPTH - 2 if cutter else MAX_DEPTH  # lists that were cut out were two deep
    stream = JsonStream(_with(first, read, cutter, watch or _unwatched), name, window_bytes, depth)
    payload = Payload(stream, name, cutter.restored if cutter else None)
    reader = PredictionReader(payload, cutter)
    failures = 0

    def piece() -> Flattened:
        tables, answers = reader.finish()
        return Flattened(
            dialect=payload.dialect,
            job_id=payload.job_id,
            status=payload.status,
            tables=tables,
            answers=answers,
            failures=tuple(payload.failures[failures:]),
            scores_rounded=reader.scores_rounded,
            names_doubled=reader.names_doubled,
        )

    for prediction in payload.predictions():
        if rows is not None and reader.rows >= rows:
            yield piece()
            failures = len(payload.failures)
        reader.read(prediction)
    yield piece()


def _reading(data: bytes | BinaryIO) -> Callable[[], bytes]:
    """Return what gives the payload piece by piece."""
    if isinstance(data, bytes):
        pieces = (data[at : at + _PIECE_BYTES] for at in range(0, len(data), _PIECE_BYTES))
        return lambda: next(pieces, b"")
    return lambda: data.read(_PIECE_BYTES)


def _with(first: bytes, read: Callable[[], bytes], cutter: ListCutter | None, watch: Watch) -> Callable[[], bytes]:
    """Return what gives a payload piece by piece, ``first`` being read already, and its lists of scores cut out."""

    def pieces() -> Iterator[bytes]:
        at = 0
        for piece in chain(_until_empty(first, read), (b"",)):
            left, consumed, learned = piece, piece, b""
            if cutter:
                left = cutter.feed(piece, last=not piece)
                consumed, learned = cutter.consumed, cutter.learned
            watch(at, consumed, left + learned)
            at += len(consumed)
            if left:
                yield left

    left = pieces()
    return lambda: next(left, b"")


def _unwatched(at: int, stretch: bytes, text: bytes) -> None:
    """Nobody watches."""


def _until_empty(first: bytes, read: Callable[[], bytes]) -> Iterator[bytes]:
    piece = first
    while piece:
        yield piece
        piece = read()
