"""The manifest: a table that says whose each recording is. One column names the file, the others are labels, kept as text.

`read_manifest` reads CSV, TSV and semicolons alike; `Manifest` finds the row of an item.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from humeanalytics.errors import UsageError
from humeanalytics.jobs.manifest_rows import Manifest, ManifestRow

__all__ = ["FILE_COLUMNS", "Manifest", "ManifestRow", "parse_label", "read_manifest"]

#: Columns that may name the file, the likeliest first. Capitals, spaces and underscores make no difference.
FILE_COLUMNS = ("file", "filename", "path", "recording", "uri", "url", "name")
_DELIMITERS = (",", ";", "\t")
_BYTE_ORDER_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


def read_manifest(
    source: str | os.PathLike[str] | TextIO, *, on: str | None = None, folder: str | os.PathLike[str] | None = None
) -> Manifest:
    """Read a manifest: comma, semicolon or tab separated, UTF-8 (with or without byte order mark) or UTF-16 with one.

    Args:
        source: A path, or an open text stream.
        on: The column that names the file; else the first of `FILE_COLUMNS` that is there.
        folder: What paths in the manifest are relative to; its own folder where left out.

    Returns:
        The rows, ready to `match`. Of the other columns, ``recorded_at`` is a time (ISO 8601; without a zone it is UTC) and
        ``excluded_reason`` leaves a recording out of analyses; all the rest are labels: text, stripped, never guessed at.

    Raises:
        UsageError: It cannot be read, lacks the column, or a line does not fit; names the file and the line.

    Examples:
        >>> import io
        >>> manifest = read_manifest(io.StringIO("file,participant\\na.wav,007\\n"))
        >>> manifest.match("/data/a.wav", "a.wav").labels
        {'participant': '007'}
    """
    shown, rows, file_column, keys, folder = read_rows(source, on=on, folder=folder)
    return Manifest(shown, rows, file_column, keys, None if folder is None else os.fspath(folder))


def read_rows(
    source: str | os.PathLike[str] | TextIO, *, on: str | None = None, folder: str | os.PathLike[str] | None = None
) -> tuple[str, list[ManifestRow], str, tuple[str, ...], str | os.PathLike[str] | None]:
    """Return what a manifest is made of: what errors call it, rows, the columns of the file and of labels, the folder of paths.

    Several rows may be about one file. Arguments and errors as `read_manifest`.
    """
    if isinstance(source, (str, os.PathLike)):
        path = Path(source).expanduser()
        shown, text = str(path), _decoded(path)
        folder = path.absolute().parent if folder is None else folder
    else:
        shown, text = str(getattr(source, "name", "the manifest")), source.read().removeprefix("\ufeff")
    try:
        rows, file_column, keys = _parsed(shown, text, on)
    except csv.Error as error:
        raise UsageError(f"{shown} is not a table as CSV has it: {error}.") from error
    return shown, rows, file_column, keys, folder


def parse_label(text: str) -> tuple[str, str]:
    """Return key and value of a label given as ``key=value``; an empty value takes the label away.

    Raises:
        UsageError: There is no ``=`` or no key.

    Examples:
        >>> parse_label("session = 007")
        ('session', '007')
    """
    key, equals, value = (part.strip() for part in text.partition("="))
    if not equals or not key:
        raise UsageError(f"{text!r} is not a label. Write it as key=value, for example condition=control.")
    return key, value


def _decoded(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"The manifest {path} cannot be read: {error.strerror or error}.") from error
    if data.startswith(b"PK\x03\x04"):
        raise UsageError(f"{path} looks like a spreadsheet, not like CSV. Save it as CSV (UTF-8).")
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS if data.startswith(mark)), "utf-8")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{path}, line {line}: not {encoding.upper()}. Save the manifest as CSV in UTF-8.") from None


def _parsed(shown: str, text: str, on: str | None) -> tuple[list[ManifestRow], str, tuple[str, ...]]:
    delimiter, header_line, header = _header(shown, text, on)
    file_at = _file_column(header, on)
    if file_at is None:
        wanted = f"no column {on!r}" if on else f"no column that names the file (one of {', '.join(FILE_COLUMNS)})"
        raise UsageError(
            f"{shown}, line {header_line}: {wanted}. There are: {', '.join(filter(None, header))}. Name one with --on."
        )
    _check_header(shown, header_line, header)
    folded = [name.casefold() for name in header]
    special = {name: folded.index(name) for name in ("recorded_at", "excluded_reason") if name in folded}
    label_at = {name: at for at, name in enumerate(header) if name and at != file_at and at not in special.values()}
    rows = [
        ManifestRow(
            line,
            _file(shown, line, cells[file_at], header[file_at]),
            {name: cells[at] for name, at in label_at.items()},
            _time(shown, line, cells[special["recorded_at"]]) if "recorded_at" in special else None,
            (cells[special["excluded_reason"]] or None) if "excluded_reason" in special else None,
        )
        for line, cells in _lines(text, delimiter)
        if line > header_line and _fits(shown, line, cells, header)
    ]
    return rows, header[file_at], tuple(label_at)


def _lines(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each record that holds anything with the number of its first line."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise csv.Error(f"line {line}: {error}") from error
        if any(cell.strip() for cell in cells) and not (line == 1 and re.fullmatch(r"sep=.", delimiter.join(cells))):
            yield line, [cell.strip() for cell in cells]
        line = reader.line_num + 1


def _header(shown: str, text: str, on: str | None) -> tuple[str, int, list[str]]:
    """Return the delimiter, the line and the names of the header: the reading that has the file column, and most columns."""
    readings: list[tuple[bool, int, int, int, list[str]]] = []
    for rank, delimiter in enumerate(_DELIMITERS):
        try:
            line, names = next(_lines(text, delimiter))
        except StopIteration:
            raise UsageError(f"{shown} is empty.") from None
        except csv.Error:  # quotation marks that fit another separator
            if rank == len(_DELIMITERS) - 1 and not readings:
                raise
            continue
        readings.append((_file_column(names, on) is not None, len(names), -rank, line, names))
    *_, rank, line, names = max(readings)
    return _DELIMITERS[-rank], line, names


def _file_column(header: Sequence[str], on: str | None) -> int | None:
    if on is not None:
        folded = [name.casefold() for name in header]
        return folded.index(on.strip().casefold()) if on.strip().casefold() in folded else None
    plain = [re.sub(r"[\s_-]+", "", name).casefold() for name in header]
    return next((plain.index(name) for name in FILE_COLUMNS if name in plain), None)


def _check_header(shown: str, line: int, header: Sequence[str]) -> None:
    seen: dict[str, str] = {}
    for name in filter(None, header):
        if (twin := seen.setdefault(name.casefold(), name)) is not name:
            raise UsageError(f"{shown}, line {line}: two columns are called {twin!r} and {name!r}; SQL cannot tell them apart.")
    if "excluded" in seen and "excluded_reason" not in seen:
        raise UsageError(
            f"{shown}, line {line}: column {seen['excluded']!r} would exclude nothing. Call it excluded_reason and write the "
            "reason into it, or nothing where a recording is not excluded."
        )


def _fits(shown: str, line: int, cells: list[str], header: Sequence[str]) -> bool:
    """Check that a line has a cell for each column, and none where no column is; always True."""
    beyond = [cell for at, cell in enumerate(cells) if cell and (at >= len(header) or not header[at])]
    if len(cells) < len(header) or beyond:
        what = f"{beyond[0]!r} stands in no column" if beyond else f"{len(cells)} cells where the header has {len(header)}"
        raise UsageError(f"{shown}, line {line}: {what}. A value that holds the separator needs quotation marks.")
    return True


def _file(shown: str, line: int, cell: str, column: str) -> str:
    if not cell:
        raise UsageError(f"{shown}, line {line}: column {column!r} is empty; nothing says which file this line is about.")
    return cell


def _time(shown: str, line: int, cell: str) -> datetime | None:
    if not cell:
        return None
    try:
        at = datetime.fromisoformat(cell)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        example = "2026-10-01T14:03:22+02:00"
        raise UsageError(
            f"{shown}, line {line}: recorded_at {cell!r} is not a time as ISO 8601 has it, such as {example}."
        ) from None
