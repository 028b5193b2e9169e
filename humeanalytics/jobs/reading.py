"""The verbs `flatten` and `flatten_batches`: saved answers of Hume's to Arrow, with no lake at all."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

import pyarrow as pa

from humeanalytics.errors import ItemError, LakeError, NotHumeData, UnreadableResponse
from humeanalytics.jobs.answers import saved_scoring_ids
from humeanalytics.jobs.sameness import Sameness, namespace_of
from humeanalytics.jobs.saved_files import digest_of, held, limits_of, opened_parts, uri_of_part
from humeanalytics.jobs.saved_inputs import find_saved
from humeanalytics.jobs.saved_work import Payload
from humeanalytics.settings import load_settings
from humeanalytics.tables.evi import EviBook
from humeanalytics.tables.flattened import Flattened
from humeanalytics.tables.keys import of_answers, saved_recording_id, with_keys
from humeanalytics.tables.saved import SavedPart, saved_parts
from humeanalytics.tables.unknown import gathered

#: Forms in which a payload may tell only at its end of which job it is.
_TOLD_LATE = frozenset(("webhook", "wrapped"))

SavedSource = str | os.PathLike[str] | bytes | BinaryIO


def flatten(source: SavedSource) -> dict[str, pa.Table]:
    """Flatten saved answers to one wide table a model, a column an expression.

    Args:
        source: A path, bytes, or a binary file object that can seek: predictions of a v0 batch job in any form people have
            saved them in, artifacts (a ZIP, the folder it was extracted to, one CSV), answers of v1, chats of EVI (pages of its
            history, lists of events, dumps of the SDKs, captures of the socket, bodies of webhooks), any of them packed with
            gzip, zstd or ZIP; or a folder of such. What is in it in two forms comes once.

    Returns:
        Model -> table, with the columns of the data dictionary (``docs/data-dictionary.md``): ids, ``file``, times in
        seconds (``*_s``, float64), boxes in pixels, scores float32. A name that Hume did not give is null. ``load_id`` is
        null: it belongs to lakes. Models that are not in it are missing. Of v1 there are long tables, three a model:
        ``audio_scores`` and so on, a row a name. Of EVI there are ``chats``, ``chat_events`` and so on; pages of one chat
        are one chat.

    Raises:
        NotHumeData: It is something else; the message says what it looks like.
        UnreadableResponse: It is broken; the message says where.

    Examples:
        >>> import humeanalytics as ha
        >>> from humeanalytics.samples import sample
        >>> sorted(ha.flatten(sample("predictions.json")))
        ['burst', 'face', 'language', 'prosody']
    """
    pieces: dict[str, list[pa.Table]] = {}
    for tables in _tables(source, None):
        for model, table in tables.items():
            pieces.setdefault(model, []).append(table)
    return {model: each[0] if len(each) == 1 else gathered(each) for model, each in pieces.items()}


def flatten_batches(source: SavedSource, *, rows: int | None = None) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Flatten saved answers bit by bit, for what does not fit into memory.

    Args:
        source: As for `flatten`. What is wrapped in other JSON, or holds several payloads, is read twice: what is in it in two
            forms comes once.
        rows: About how many rows are held at a time. Default: the setting ``rows_held``.

    Yields:
        Pairs of a model and some of its rows, with the columns `flatten` gives. Rows of one recording and model follow each
        other. A name nobody has heard of is a column of those batches only in which it occurs.

    Raises:
        NotHumeData: As `flatten`.
        UnreadableResponse: As `flatten`, maybe after batches: of a broken file none should be used.

    Examples:
        >>> import humeanalytics as ha
        >>> from humeanalytics.samples import sample
        >>> sum(len(batch) for model, batch in ha.flatten_batches(sample("predictions.json")) if model == "burst")
        2
    """
    held_rows = load_settings().rows_held if rows is None else rows
    for tables in _tables(source, held_rows):
        for model, table in tables.items():
            for batch in table.to_batches():
                yield model, batch


def _tables(source: SavedSource, rows: int | None) -> Iterator[dict[str, pa.Table]]:
    """Yield tables with keys, each answer once in whatever forms it is there."""
    looks = _looked_through(source) if _needs_a_look(source, rows) else None
    error: ItemError | None = None
    found = False
    chats: EviBook | None = None
    for number, (uri, part) in enumerate(_parts(source)):
        if part.is_evi:
            try:
                chats = _with_chats(chats, part)
            except NotHumeData as not_hume:
                error = error or not_hume
            continue
        if not part.can_be_flattened:
            what = f"{part.name}: this is {part.detected.about}, not the scores of a v0 batch job."
            error = error or NotHumeData(what, item=part.name)
            continue
        look = looks[number] if looks is not None else _Look()
        read = 0
        seen: set[str] = set()  # the same recording may be in one job twice
        try:
            for piece, recording_ids, scoring_ids in _pieces(uri, part, rows, look.namespace):
                found = True
                of_piece = slice(read, read := read + len(piece.answers))
                fresh = _first(scoring_ids, seen) if look.fresh is None else look.fresh[of_piece]
                yield of_answers(with_keys(piece, recording_ids, scoring_ids, None), piece.answers, fresh)
        except NotHumeData as not_hume:
            error = error or not_hume
    if chats is not None:
        yield chats.finish().tables
    elif not found:
        raise error or NotHumeData("There is nothing in it.", item="the archive")


def _with_chats(chats: EviBook | None, part: SavedPart) -> EviBook:
    """Return the chats read so far with those of one more part: many may tell of one chat, and each event comes once."""
    book = chats or EviBook()
    with part.open() as stream:
        book.read(stream, name=part.name)
    return book


def _first(scoring_ids: Iterable[str], seen: set[str]) -> list[bool]:
    """Tell which scorings are there for the first time, and take note of them."""
    first = []
    for scoring in scoring_ids:
        first.append(scoring not in seen)
        seen.add(scoring)
    return first


@dataclass(frozen=True, slots=True)
class _Look:
    """What looking through a payload beforehand told: which of its answers no payload before it has, and of which job it is."""

    fresh: list[bool] | None = None
    namespace: str | None = None


def _looked_through(source: SavedSource) -> list[_Look]:
    """Look through all of a source, payload by payload."""
    sameness = Sameness()
    looks: list[_Look] = []
    for number, (uri, part) in enumerate(_parts(source)):
        payload = Payload(uri, "predictions", response_id=str(number))
        if part.can_be_flattened:
            with suppress(NotHumeData):
                for piece in part.pieces(load_settings().rows_held):
                    payload.add(piece, [], [])
            payload.namespace = _namespace(uri, part, payload.job_id)
            payload.recording_ids = [saved_recording_id(answer, payload.namespace) for answer in payload.answers]
            payload.scoring_ids = saved_scoring_ids(payload.answers, payload.recording_ids)
        looks.append(_Look([known is None for known in sameness.recognise(payload).known], payload.namespace))
    return looks


def _needs_a_look(source: SavedSource, rows: int | None) -> bool:
    """Tell whether all of a source has to be known before any of it: there may be forms of one answer, or its end tells more."""
    parts = [part for _, part in islice(_parts(source), 2)]
    return len(parts) > 1 or (rows is not None and any(part.detected.dialect in _TOLD_LATE for part in parts))


def _pieces(
    uri: str, part: SavedPart, rows: int | None, namespace: str | None
) -> Iterator[tuple[Flattened, list[str], list[str]]]:
    """Yield the pieces of a payload, with recording and scoring ids of their answers."""
    part = held(part)
    for piece in part.pieces(rows):
        namespace = namespace or _namespace(uri, part, piece.job_id)
        recording_ids = [saved_recording_id(answer, namespace) for answer in piece.answers]
        yield piece, recording_ids, saved_scoring_ids(piece.answers, recording_ids)


def _namespace(uri: str, part: SavedPart, job_id: str | None) -> str:
    """Return where recordings of a payload stand of which only a name is known."""
    return namespace_of(uri, job_id, digest_of(part)[0])


def _parts(source: SavedSource) -> Iterator[tuple[str, SavedPart]]:
    """Yield the payloads in a source and what tables would call them, each while its file is open."""
    limits = limits_of(load_settings())
    if isinstance(source, str | os.PathLike):
        for saved in find_saved([source]):
            try:
                with opened_parts(saved, limits) as parts:
                    yield from ((uri_of_part(saved.uri, part), part) for part in parts)
            except LakeError:  # no room for temporary files
                raise
            except OSError as error:
                raise UnreadableResponse(f"{saved.uri} cannot be read: {error.strerror}.", item=saved.uri) from error
    else:
        file = io.BytesIO(source) if isinstance(source, bytes) else source
        name = str(getattr(source, "name", "the predictions"))
        yield from ((uri_of_part(name, part), part) for part in saved_parts(file, name=name, limits=limits))
