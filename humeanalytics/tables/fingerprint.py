"""Recognise the same answer in whatever form it is met: JSON of the API or the platform, or the CSV artifacts.

A fingerprint is a hash over the set of an answer's rows (with multiplicity), of the columns that every form carries. So left
out are ``file`` (the platform names files otherwise), the detected language (no CSV has it) and fields nobody has heard of.
Null and empty text are the same (a CSV cell cannot tell them apart), and so are 0.0 and -0.0; a column that is null
throughout counts as absent (a CSV lists columns that were not asked for).

How: in each row every value, taken as one or two 32-bit words plus one, is multiplied by odd 64-bit constants that belong to its
column, and the products are summed; null adds nothing. The sums of a row, mixed, are its hash; the sorted hashes
go through SHA-256. All of it runs over whole columns.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from humeanalytics.tables.schema import HUME_FIELD, HUME_NAME

Hashes = NDArray[np.uint64]

#: Columns that not every form of an answer carries, and those that say whose rows they are and not what they hold.
NOT_IN_EVERY_FORM = frozenset(
    ("recording_id", "scoring_id", "load_id", "file", "detected_language", "language_confidence", "other_fields")
)
_BLOCK_ROWS = 2048  # so many rows of words stay in the processor's cache
_LANES = 2  # two independent 64-bit hashes make one of 128 bits


def fingerprints(table: pa.Table, model: str, ranges: Sequence[tuple[int, int]]) -> list[str]:
    """Return the fingerprint of each answer in a table.

    Args:
        table: Rows of one model, with or without the three keys.
        model: What Hume calls the model; it enters the hash.
        ranges: First row and number of rows of each answer.

    Returns:
        A fingerprint for each range: 32 hexadecimal digits.

    Examples:
        >>> table = pa.table({"begin_s": [0.5, 0.25]})
        >>> one, other = fingerprints(table, "face", [(0, 1), (1, 1)])
        >>> len(one), one == other
        (32, False)
    """
    first_lane, second_lane = row_hashes(table)
    found = []
    for first, rows in ranges:
        a, b = first_lane[first : first + rows], second_lane[first : first + rows]
        order = np.lexsort((b, a))
        digest = hashlib.sha256(f"{model}\n{rows}\n".encode())
        digest.update(a[order].astype("<u8").tobytes())
        digest.update(b[order].astype("<u8").tobytes())
        found.append(digest.hexdigest()[:32])
    return found


def row_hashes(table: pa.Table) -> Hashes:
    """Return a 128-bit hash of each row, as two rows of uint64: the same for rows of equal values, wherever they stand."""
    sums = np.zeros((_LANES, len(table)), np.uint64)
    names = _names(table.schema)
    first_row = 0
    for batch in table.to_batches():
        for first in range(0, len(batch), _BLOCK_ROWS):
            block = batch.slice(first, _BLOCK_ROWS)
            _add_block(sums[:, first_row : first_row + len(block)], block, names)
            first_row += len(block)
    return _mix(sums)


def _add_block(sums: Hashes, batch: pa.RecordBatch, names: list[bytes | None]) -> None:
    """Add to the sum of each row what its values contribute."""
    words: list[Hashes] = []
    factors: list[tuple[np.uint64, ...]] = []
    for name, array in zip(names, batch.columns, strict=True):
        if name is None or array.null_count == len(array):
            continue
        if pa.types.is_map(array.type):
            _add_map(sums, array)
            continue
        for position, word in enumerate(_words(array)):
            words.append(word)
            factors.append(_factors(name, position))
    if words:
        sums += np.einsum("wl,wr->lr", np.array(factors), np.stack(words))  # not @, which is slow for whole numbers


def _names(schema: pa.Schema) -> list[bytes | None]:
    """Return under which name each column enters the hash, or None if it does not."""
    names: list[bytes | None] = []
    for field in schema:
        metadata = field.metadata or {}
        counts = field.name not in NOT_IN_EVERY_FORM and HUME_FIELD not in metadata
        names.append(metadata.get(HUME_NAME, field.name.encode()) if counts else None)
    return names


def _add_map(sums: Hashes, array: pa.MapArray) -> None:
    """Add the entries of a map column as if each key were a column."""
    lists = array.cast(pa.list_(pa.struct([("key", pa.string()), ("value", array.type.item_type)])))
    rows = pc.list_parent_indices(lists).to_numpy()
    keys, values = pc.list_flatten(lists).flatten()
    for key in pc.unique(keys).to_pylist():
        chosen = pc.equal(keys, key)
        part = np.array([_factors(key.encode(), 0)]).T * np.stack(list(_words(values.filter(chosen))))
        sums[:, rows[chosen.to_numpy(zero_copy_only=False)]] += part


def _words(array: pa.Array) -> Iterator[Hashes]:
    """Yield the values of an array as columns of 32-bit words plus one, zero where it is null."""
    if pa.types.is_string(array.type):
        array = pc.if_else(pc.equal(array, ""), pa.scalar(None, pa.string()), array)
        encoded = array.dictionary_encode()
        rows = encoded.indices.fill_null(0).to_numpy()
        texts = encoded.dictionary if len(encoded.dictionary) else pa.array([""])
        words = [half for lane in _text_hashes(texts) for half in _halves(lane[rows])]
    elif pa.types.is_float32(array.type):
        # What a buffer holds where the array is null does not matter; adding zero makes -0.0 the same as 0.0.
        words = [(_buffer(array, np.float32) + np.float32(0)).view(np.uint32).astype(np.uint64)]
    elif pa.types.is_floating(array.type):
        words = _halves((_buffer(array, np.float64) + 0.0).view(np.uint64))
    else:
        words = _halves(_buffer(array, np.int64).view(np.uint64))
    valid = array.is_valid().to_numpy(zero_copy_only=False) if array.null_count else None
    for word in words:
        word += np.uint64(1)  # so that zero is not the same as null
        if valid is not None:
            word *= valid
        yield word


def _buffer(array: pa.Array, dtype: type[np.generic]) -> NDArray[Any]:
    width = np.dtype(dtype).itemsize
    return np.frombuffer(array.buffers()[1], dtype, len(array), array.offset * width)


def _halves(values: Hashes) -> list[Hashes]:
    return [values & np.uint64(0xFFFFFFFF), values >> np.uint64(32)]


def _text_hashes(array: pa.Array) -> Hashes:
    """Hash each text of an array without nulls: its bytes, each times a constant of its position, summed and mixed."""
    _, offsets_buffer, data = array.buffers()
    ends = np.frombuffer(offsets_buffer, np.int32)[array.offset : array.offset + len(array) + 1].astype(np.int64)
    octets = np.frombuffer(data or b"", np.uint8)[ends[0] : ends[-1]].astype(np.uint64) + np.uint64(1)
    ends -= ends[0]
    positions = (np.arange(len(octets)) - np.repeat(ends[:-1], np.diff(ends))).astype(np.uint64)
    hashes = np.empty((_LANES, len(array)), np.uint64)
    for lane in range(_LANES):
        keys = _mix(positions + np.uint64((lane + 1) << 40)) | np.uint64(1)
        running = np.concatenate((np.zeros(1, np.uint64), np.cumsum(octets * keys, dtype=np.uint64)))
        hashes[lane] = _mix(running[ends[1:]] - running[ends[:-1]])
    return hashes


@cache
def _factors(name: bytes, position: int) -> tuple[np.uint64, ...]:
    """Return the odd constants that belong to one word of one column, one for each lane."""
    digests = (hashlib.sha256(b"%b/%d/%d" % (name, position, lane)).digest() for lane in range(_LANES))
    return tuple(np.uint64(int.from_bytes(digest[:8], "little") | 1) for digest in digests)


def _mix(values: Hashes) -> Hashes:
    """Scatter 64-bit values over all of their range, one to one (the finaliser of SplitMix64)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
