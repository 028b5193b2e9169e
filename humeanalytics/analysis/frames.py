"""What an analysis reads of a frame: the columns it needs, what they are called, and one recording at a time where it must."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, wraps
from posixpath import basename
from typing import Any, ParamSpec

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from humeanalytics import vocabulary
from humeanalytics.errors import UsageError
from humeanalytics.lake.frames import as_synthetic, to_arrow
from humeanalytics.lake.frames import is_synthetic as is_synthetic  # for pictures, beside what else they read of a frame
from humeanalytics.tables.schema import HUME_NAME

#: Columns that say which person of a recording a row is about.
PERSON_COLUMNS = ("speaker_id", "face_id")
#: What says of a column that it is a `Composite`, by its name; beside it stand version and definition.
COMPOSITE = b"composite"
#: Columns that say which recording: an archive is one recording of many files.
RECORDING_COLUMNS = ("recording_id", "file")
#: What a recording may be chosen by, where a frame has no ``file`` (of v1): the name and path of a labelled view.
NAME_COLUMNS = ("name", "uri")
_RECORDING_ID, _SCORING = "recording_id", "scoring_id"
_OTHER_KINDS = tuple(sorted({prefix for prefix in vocabulary.PREFIXES.values() if prefix}))
_SHOWN_CHOICES = 6
_HIGHEST = 1e100
Parameters = ParamSpec("Parameters")


def says_of_what(analysis: Callable[Parameters, pa.Table]) -> Callable[Parameters, pa.Table]:
    """Make an analysis say of its answer that the scores were made up, where one of its frames, or its lake, says so."""

    @wraps(analysis)
    def saying(*args: Parameters.args, **kwargs: Parameters.kwargs) -> pa.Table:
        answer = analysis(*args, **kwargs)
        return as_synthetic(answer) if any(map(_is_made_up, (*args, *kwargs.values()))) else answer

    return saying


def _is_made_up(given: Any) -> bool:
    if isinstance(given, Mapping):
        return any(map(_is_made_up, given.values()))
    identity = getattr(given, "identity", None)  # of a lake
    return is_synthetic(given if identity is None else identity)


def read_columns(frame: Any, wanted: Callable[[pa.Schema], Sequence[str]]) -> pa.Table:
    """Return the columns of a frame that ``wanted`` picks from its schema; of a stream, nothing else is held.

    Args:
        frame: A Query, pyarrow, pandas or polars frame, or anything else that speaks Arrow.
        wanted: Schema -> names.

    Raises:
        UsageError: It is no frame, has several columns of a name that is wanted, or what ``wanted`` raises.
    """
    if (
        isinstance(frame, pa.Table)
        or type(frame).__module__.partition(".")[0] == "pandas"
        or not hasattr(frame, "__arrow_c_stream__")
    ):
        table = to_arrow(frame, "the frame")
        return without_views(table.select(_positions(table.schema, wanted(table.schema))))
    reader = pa.RecordBatchReader.from_stream(frame)
    positions = _positions(reader.schema, wanted(reader.schema))
    schema = pa.schema([reader.schema.field(at) for at in positions], reader.schema.metadata)
    return without_views(pa.Table.from_batches([batch.select(positions) for batch in reader], schema))


def without_views(table: pa.Table) -> pa.Table:
    """Return a table whose texts are strings: of the views that polars gives, in its categories too, Arrow takes no rows."""
    for at, field in enumerate(table.schema):
        of_dictionary = pa.types.is_dictionary(field.type) and pa.types.is_string_view(field.type.value_type)
        if pa.types.is_string_view(field.type) or of_dictionary:
            table = table.set_column(at, field.with_type(pa.string()), texts(table, field.name))
    return table


def _positions(schema: pa.Schema, names: Iterable[str]) -> list[int]:
    found = list(dict.fromkeys(names))
    if twice := [name for name in found if schema.names.count(name) > 1]:
        raise UsageError(
            f"The frame has several columns {twice[0]!r}, and nothing says which is meant. Keep one, or rename them."
        )
    return [schema.names.index(name) for name in found]


@cache
def _names_by_column() -> Mapping[str, vocabulary.Name]:
    return {name.column: name for name in vocabulary.names()}


def label_of(field: pa.Field) -> str:
    """Return what a person calls a column of scores: Hume's own name where it is known, else the column's."""
    if field.metadata and HUME_NAME in field.metadata:
        return str(field.metadata[HUME_NAME].decode())
    if field.metadata and COMPOSITE in field.metadata:
        return str(field.metadata[COMPOSITE].decode())
    known = _known(field.name)
    return known.name if known is not None else field.name


def _known(column: str) -> vocabulary.Name | None:
    """Return the name that a column holds the scores of: called as in the lake, or as Hume calls it."""
    by_column = _names_by_column()
    return by_column.get(column) or by_column.get(vocabulary.known_column(column) or "")


def marks_of(field: pa.Field) -> dict[bytes, bytes]:
    """Return what a column made of a column of scores carries on: what a person calls it, or the definition of a composite."""
    if field.metadata and COMPOSITE in field.metadata:
        return dict(field.metadata)
    return {HUME_NAME: label_of(field).encode()}


def expression_columns(schema: pa.Schema) -> list[str]:
    """Return the columns that hold scores of expressions: known by name, marked with the name Hume gave them, or composites."""
    found = []
    for field in schema:
        known = _known(field.name)
        marked = bool(field.metadata) and HUME_NAME in field.metadata and not field.name.startswith(_OTHER_KINDS)
        marked = marked or (bool(field.metadata) and COMPOSITE in field.metadata)
        if (known.kind == "expression" if known is not None else marked) and _is_number(field.type):
            found.append(field.name)
    return found


def _check_scores(schema: pa.Schema) -> None:
    """Refuse texts where scores are meant, such as numbers with a decimal comma: they would be left out without a word."""
    for field in schema:
        known = _known(field.name)
        if (
            known is not None
            and known.kind == "expression"
            and (pa.types.is_string(field.type) or pa.types.is_large_string(field.type))
        ):
            raise UsageError(
                f"Column {field.name!r} is called as an expression and holds texts, so it would be left out. Make it numbers, "
                "give it another name, or say which expressions=..."
            )


def chosen_columns(schema: pa.Schema, expressions: Sequence[str] | str | None) -> list[str]:
    """Return the columns of the expressions asked for, by column or by Hume's name; all there are where none is named.

    Raises:
        UsageError: The frame has no such column of numbers, or no expressions at all.
    """
    if expressions is None:
        _check_scores(schema)
        if not (found := expression_columns(schema)):
            raise UsageError(f"The frame has no expressions, such as joy or calmness. It has: {', '.join(schema.names)}.")
        return found
    names = [expressions] if isinstance(expressions, str) else list(expressions)
    if not names:
        raise UsageError("Name at least one expression, such as joy, or leave the argument out.")
    return list(dict.fromkeys(_column_of(name, schema) for name in names))


def _column_of(name: str, schema: pa.Schema) -> str:
    column = vocabulary.known_column(name) or vocabulary.column(name)
    as_hume_calls_it = (each for each in schema.names if vocabulary.known_column(each) == column)
    for candidate in (name, column, vocabulary.column(name), next(as_hume_calls_it, name)):
        if candidate in schema.names:
            if not _is_number(schema.field(schema.names.index(candidate)).type):
                raise UsageError(f"Column {candidate!r} holds no numbers, so it cannot be an expression.")
            return candidate
    there = expression_columns(schema)
    if (known := vocabulary.known_column(name)) is not None:
        hint = f"{known} is an expression, but not of this frame, which has: {', '.join(there) or 'none'}"
    else:
        # Two letters swapped or a capital must not stand in the way, nor the underscores.
        close = difflib.get_close_matches(vocabulary.column(name), there, n=3, cutoff=0.6)
        hint = f"did you mean {' or '.join(close)}?" if close else f"it has: {', '.join(there) or 'none'}"
    raise UsageError(f"The frame has no expression {name!r}: {hint.rstrip('.?')}{'?' if hint.endswith('?') else '.'}")


def _is_number(type_: pa.DataType) -> bool:
    return bool(pa.types.is_floating(type_) or pa.types.is_integer(type_) or pa.types.is_decimal(type_))


def numbers(table: pa.Table, column: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return a column as float64; null becomes NaN.

    Raises:
        UsageError: It holds something else than numbers.
    """
    values = table.column(column)
    try:
        return np.asarray(values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)
    except pa.ArrowException:
        raise UsageError(f"Column {column!r} holds {values.type}, where numbers are needed.") from None


def finite(table: pa.Table, column: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return a column as float64; NaN where there is no finite number.

    Raises:
        UsageError: It holds something else than numbers, or some so high that they cannot be added up.
    """
    values = numbers(table, column)
    if values.min(initial=0.0) > -_HIGHEST and values.max(initial=0.0) < _HIGHEST:  # false where any is NaN
        return values
    values = np.where(np.isfinite(values), values, np.nan)
    if (np.abs(values) > _HIGHEST).any():
        raise UsageError(f"Column {column!r} holds numbers as high as {np.nanmax(np.abs(values)):g}; no score or time is.")
    return values


def texts(table: pa.Table, column: str) -> pa.ChunkedArray:
    """Return a column as text, whatever kind of text or number it is; what is not a number is null.

    Raises:
        UsageError: It holds what has no text, such as lists.
    """
    values = table.column(column)
    try:
        if pa.types.is_dictionary(values.type):
            parts = [each.dictionary.cast(pa.string()).take(each.indices) for each in values.chunks]
            return pa.chunked_array(parts, pa.string())
        if pa.types.is_floating(values.type):
            values = pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
        return values.cast(pa.string())
    except pa.ArrowException:
        raise UsageError(f"Column {column!r} holds {values.type}, where a label is needed.") from None


def codes(table: pa.Table, columns: Sequence[str]) -> tuple[np.ndarray[Any, np.dtype[np.int64]], list[tuple[str | None, ...]]]:
    """Return a number for each row that says which combination of texts it has, and the combinations, in order of first sight."""
    if not columns:
        return np.zeros(table.num_rows, np.int64), [()]
    number = np.zeros(table.num_rows, np.int64)
    for column in columns:
        encoded = texts(table, column).combine_chunks().dictionary_encode(null_encoding="encode")
        number = number * max(len(encoded.dictionary), 1) + encoded.indices.to_numpy(zero_copy_only=False)
        number = pa.array(number).dictionary_encode().indices.to_numpy(zero_copy_only=False).astype(np.int64)
    # Numbers are given in order of first sight: one that no row before had is a new highest.
    first = np.flatnonzero(np.diff(np.maximum.accumulate(number), prepend=-1))
    at = pa.array(first, pa.int64())
    return number, list(zip(*(texts(table, column).take(at).to_pylist() for column in columns), strict=True))


def one_recording(table: pa.Table, recording: str | None) -> pa.Table:
    """Return the rows of one recording.

    Args:
        table: Rows; whatever there is of `RECORDING_COLUMNS` tells recordings apart.
        recording: Its id, the beginning of its id, or its file with or without folders (where rows have no file, their name or
            path if there is one). May be left out when there is one.

    Raises:
        UsageError: There are several to choose from, or none like that.
    """
    keys = [column for column in RECORDING_COLUMNS if column in table.column_names]
    if table.num_rows == 0 or not keys:
        return table
    if keys == [_RECORDING_ID]:
        keys += [column for column in NAME_COLUMNS if column in table.column_names][:1]
    number, recordings = codes(table, keys)
    fitting = list(range(len(recordings)))
    if recording is not None:
        exact = [at for at in fitting if recording in recordings[at]]
        fitting = exact or [at for at in fitting if _is_meant(recording, dict(zip(keys, recordings[at], strict=True)))]
    if len(fitting) != 1:
        shown = _choices(keys, [recordings[at] for at in fitting or range(len(recordings))])
        if recording is None:
            raise UsageError(f"The frame holds {len(recordings)} recordings; choose one with recording=..., such as {shown}.")
        what = "no recording" if not fitting else f"{len(fitting)} recordings"
        raise UsageError(f"The frame holds {what} {recording!r}. There are {shown}.")
    return table.filter(pa.array(number == fitting[0])) if len(recordings) > 1 else table


def _is_meant(recording: str, keys: Mapping[str, str | None]) -> bool:
    recording_id = keys.get(_RECORDING_ID)
    file = next((name for column, name in keys.items() if column != _RECORDING_ID), None)
    return bool(
        (recording_id and len(recording) >= 4 and recording_id.startswith(recording))
        or (file and basename(file) == basename(recording))
    )


def _choices(keys: Sequence[str], recordings: Sequence[tuple[str | None, ...]]) -> str:
    files = [each[-1] if len(keys) > 1 else None for each in recordings]
    told_apart = all(files) and len(set(files)) == len(files)
    names = [file if told_apart else (each[0] or "")[:16] for file, each in zip(files, recordings, strict=True)]
    more = f" and {len(names) - _SHOWN_CHOICES} more" if len(names) > _SHOWN_CHOICES else ""
    return ", ".join(repr(name) for name in names[:_SHOWN_CHOICES]) + more


def check_one_scoring(table: pa.Table) -> None:
    """Refuse rows that count a recording twice: those of several scorings of it.

    Raises:
        UsageError: Some recording has rows of more than one scoring.
    """
    keys = [column for column in RECORDING_COLUMNS if column in table.column_names]
    if _SCORING not in table.column_names or not keys or table.num_rows == 0:
        return
    _, pairs = codes(table, [*keys, _SCORING])
    # Readings of a chat add up: each event is in one of them.
    pairs = [pair for pair in pairs if not (pair[0] or "").startswith("chat:")]
    if len(pairs) > len({pair[:-1] for pair in pairs}):
        raise UsageError(
            "The frame holds rows of several scorings of one recording, so its time would count twice. Take the table by its "
            "plain name, which shows the newest scoring only, or choose one scoring_id; and look at one model at a time."
        )


def check_free(names: Iterable[str], taken: Iterable[str]) -> None:
    """Refuse columns of a frame that are called as columns of the answer are: one of the two would be lost.

    Raises:
        UsageError: Some are.
    """
    if both := sorted(set(names) & set(taken)):
        raise UsageError(f"The answer has a column {both[0]!r} of its own. Rename that of the frame.")


def person_column(schema: pa.Schema) -> str | None:
    """Return the column that says which person of a recording a row is about, if there is one."""
    return next((column for column in PERSON_COLUMNS if column in schema.names), None)
