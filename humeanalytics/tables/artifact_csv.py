"""Read one CSV of artifacts into rows: by its header, in blocks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import IO, Any, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
from numpy.typing import NDArray

from humeanalytics import vocabulary
from humeanalytics.errors import UnreadableResponse
from humeanalytics.tables.artifact_headers import HEADERS, ID, spelled
from humeanalytics.tables.columns import ModelRows, Repeated, ScoreBlock
from humeanalytics.tables.fields import FIELDS, FLOAT32_END, GROUP_COLUMNS, TYPES

# A line has to fit into a block: the longest holds the text of a whole recording.
_BLOCK_BYTES = 16 << 20
#: What a quote stands next to: the one that opens a cell after it, the one that closes it before it; two quotes mean one.
_BESIDE_QUOTES = np.frombuffer(b',\r\n"', np.uint8)
_WHOLE_END = 2**53
_ARROW_PLACE = re.compile(r"(?:In CSV column #(\d+): )?(?:CSV parse error: )?(?:Row #(\d+): )?(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Header:
    """What the columns of a CSV are, by position."""

    names: list[str]
    group: int
    scalars: dict[int, str]  # -> column of the table
    fields: dict[int, str]  # -> path in a row, where the table has no column for it
    known: list[int]  # scores
    unknown: list[int]  # scores or fields
    doubled: frozenset[int]  # those of all of them that share a name


def read_csv(stream: IO[bytes], names: list[str], rows: ModelRows, file: str, item: str) -> None:
    """Append the rows of one CSV.

    Args:
        stream: The CSV, from behind its header.
        names: The names of its columns.
        rows: Where they go.
        file: The file they are of, as Hume names it.
        item: What errors call the CSV.

    Raises:
        UnreadableResponse: It is broken; says in which row, as far as that is known.
    """
    header = _header_of(names, rows.model, item)
    watched = _Watched(stream, item)
    if not watched.peek():
        return
    options = pacsv.ConvertOptions(
        column_types={str(i): _type_of(i, header) for i in range(len(header.names))},
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    try:
        reader = pacsv.open_csv(
            pa.PythonFile(watched, mode="r"),
            read_options=pacsv.ReadOptions(
                column_names=[str(i) for i in range(len(header.names))], block_size=_BLOCK_BYTES, use_threads=False
            ),
            parse_options=pacsv.ParseOptions(newlines_in_values=True),
            convert_options=options,
        )
        for batch, scores, fields in _batches(reader, header):
            _add(batch, header, scores, fields, rows, file, item)
    except pa.ArrowInvalid as error:
        _explain(str(error), header, item)
    if watched.last != b"\n":
        reason = "its last line has no end: it seems to be cut off. If it is whole, add a line break"
        raise UnreadableResponse(f"{item}: {reason}.", item=item)


def _header_of(names: list[str], model: str, item: str) -> _Header:
    """Say what each column is."""
    keys = [spelled(name) for name in names]
    paths = {i: HEADERS[key] for i, key in enumerate(keys) if key in HEADERS}
    if keys.count(ID) > 1 or len(set(paths.values())) < len(paths):
        raise UnreadableResponse(f"{item}: two of its columns have one name: {', '.join(names[:20])}.", item=item)
    columns = FIELDS.get(model, {})
    group = keys.index(ID)
    scores = [(i, _identity(name, model)) for i, name in enumerate(names) if i not in paths and i != group]
    counts = Counter(identity for _, identity in scores)
    return _Header(
        names=names,
        group=group,
        scalars={i: columns[path] for i, path in paths.items() if path in columns},
        fields={i: path for i, path in paths.items() if path not in columns},
        known=[i for i, (_, _, is_known) in scores if is_known],
        unknown=[i for i, (_, _, is_known) in scores if not is_known],
        doubled=frozenset(i for i, identity in scores if counts[identity] > 1),
    )


def _identity(name: str, model: str) -> tuple[str, str, bool]:
    """Return the kind of a name, the column of a known one, or else the name itself, and whether it is known."""
    kind = vocabulary.kind_of(name, model)
    column = vocabulary.known_column(name, kind)
    return kind, column or name, column is not None


def _batches(reader: pacsv.CSVStreamingReader, header: _Header) -> Iterable[tuple[pa.RecordBatch, list[int], dict[int, str]]]:
    """Yield batches, and which of their columns are scores and which fields nobody has heard of.

    What a column is that nobody has heard of shows in its values: so then all of them are read first.
    """
    if not header.unknown:
        yield from ((batch, header.known, header.fields) for batch in reader)
        return
    batches = list(reader)
    scores = [i for i in header.unknown if all(_as_numbers(batch.column(i)) is not None for batch in batches)]
    fields = header.fields | {i: header.names[i] for i in header.unknown if i not in scores}
    yield from ((batch, sorted((*header.known, *scores)), fields) for batch in batches)


def _as_numbers(array: pa.Array) -> pa.Array | None:
    try:
        return array.cast(pa.float64())
    except pa.ArrowInvalid:
        return None


def _add(
    batch: pa.RecordBatch, header: _Header, scores: list[int], fields: dict[int, str], rows: ModelRows, file: str, item: str
) -> None:
    count = len(batch)
    if not count:
        return
    scalars: dict[str, Any] = {"file": Repeated([file], [count])}
    scalars[GROUP_COLUMNS.get(rows.model, "group_id")] = batch.column(header.group)
    for i, column in header.scalars.items():
        scalars[column] = _scalar(batch.column(i), TYPES[column], header.names[i], item)
    # Of a name that stands twice the first holds, be it empty: so those stay, although empty columns need no look.
    present = [i for i in scores if batch.column(i).null_count < count or i in header.doubled]
    layout = tuple((vocabulary.kind_of(header.names[i], rows.model), header.names[i]) for i in present)
    blocks = []
    if present:
        values = np.empty((count, len(present)))
        for j, i in enumerate(present):
            values[:, j] = _finite(batch.column(i).cast(pa.float64()), header.names[i], item, FLOAT32_END)
        blocks.append(ScoreBlock(np.arange(count), layout, values))
    held = {path: _pairs(batch.column(i)) for i, path in fields.items() if batch.column(i).null_count < count}
    rows.add(count, scalars, blocks, held)


def _scalar(array: pa.Array, type_: pa.DataType, name: str, item: str) -> Any:
    """Return the values of a column in the type of the table's."""
    if type_ == pa.string():
        return array
    values = _finite(array, name, item, FLOAT32_END if type_ == pa.float32() else np.inf)
    if type_ == pa.float32():
        return values
    if type_ == pa.int64():
        present = values[~np.isnan(values)]
        if (present != np.floor(present)).any() or (np.abs(present) > _WHOLE_END).any():
            raise UnreadableResponse(f"{item}: not all values of {name} are whole numbers of a sensible size.", item=item)
        return array.cast(pa.int64())
    return array


def _finite(array: pa.Array, name: str, item: str, end: float) -> NDArray[np.float64]:
    """Return numbers, NaN for null, having made sure that no value is NaN itself, infinite or too large."""
    values: NDArray[np.float64] = array.to_numpy(zero_copy_only=False)
    if np.count_nonzero(np.isnan(values)) > array.null_count or (np.abs(values) >= end).any():
        raise UnreadableResponse(f"{item}: not all values of {name} are numbers that its column can hold.", item=item)
    return values


def _pairs(array: pa.Array) -> list[tuple[int, Any]]:
    return [(row, value) for row, value in enumerate(array.to_pylist()) if value is not None]


def _type_of(i: int, header: _Header) -> pa.DataType:
    if i in header.scalars:
        return pa.string() if TYPES[header.scalars[i]] == pa.string() else pa.float64()
    return pa.float64() if i in header.known else pa.string()


def _explain(message: str, header: _Header, item: str) -> NoReturn:
    """Raise an error that says in our words what Arrow found."""
    match = _ARROW_PLACE.match(message)
    assert match
    column = f" in the column {header.names[int(match[1])]}" if match[1] else ""
    row = f" in row {match[2]}" if match[2] else ""
    reason = match[3] if len(match[3]) <= 200 else f"{match[3][:197]}..."
    raise UnreadableResponse(f"{item}: the CSV is broken{row}{column}: {reason}.", item=item)


class _Watched:
    """A CSV behind its header that remembers the last byte it gave, and raises where a quote stands in the middle of a cell.

    Arrow takes such quotes as it can; what it makes of them may be a row less.
    """

    def __init__(self, stream: IO[bytes], item: str) -> None:
        self.last = b""
        self.closed = False
        self._stream = stream
        self._item = item
        self._ahead = b""
        self._unchecked = b"\n"  # the last byte that was looked at, and those after it
        self._quotes = 0
        self._line = 2

    def peek(self) -> bytes:
        """Return the next byte without taking it."""
        self._ahead = self._ahead or self._stream.read(1)
        return self._ahead

    def read(self, size: int = -1) -> bytes:
        data, self._ahead = self._ahead + self._stream.read(size if size < 0 else max(0, size - len(self._ahead))), b""
        self.last = data[-1:] or self.last
        self._check(data or b"\n")
        return data

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self.closed = True

    def _check(self, data: bytes) -> None:
        """Look at all quotes but one in the last byte: what follows it is still to come."""
        data = self._unchecked + data
        self._unchecked = data[-2:]
        if b'"' in data:
            octets = np.frombuffer(data, np.uint8)
            places = np.flatnonzero(octets[1:-1] == ord('"')) + 1
            is_opening = (self._quotes + np.arange(len(places))) % 2 == 0
            beside = octets[places + np.where(is_opening, -1, 1)]
            wrong = places[~np.isin(beside, _BESIDE_QUOTES)]
            if len(wrong):
                line = self._line + data.count(b"\n", 1, int(wrong[0]))
                raise UnreadableResponse(
                    f"{self._item}: the CSV is broken in line {line}: a quote within a cell.", item=self._item
                )
            self._quotes += len(places)
        self._line += data.count(b"\n", 1, len(data) - 1)
