"""Find what to score: folders, globs, files, URLs, tables of texts. Looks at names and sizes, opens no recording."""

from __future__ import annotations

import csv
import glob
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from humeanalytics.errors import UsageError
from humeanalytics.jobs.work import Source
from humeanalytics.redaction import without_signature

#: What stands beside recordings in a folder without being one. Named one by one on the command line, each is tried.
_COMPANIONS = (
    *(".csv", ".tsv", ".json", ".jsonl", ".parquet", ".xlsx", ".toml", ".yaml", ".yml", ".md", ".py", ".ipynb", ".log"),
    *(".vtt", ".srt", ".textgrid", ".rttm", ".eaf"),  # words and segments, which `ingest` takes
)
_INODE_MASK = (1 << 63) - 1


def is_url(text: str) -> bool:
    return text.startswith(("http://", "https://"))


def find_sources(inputs: Iterable[str | os.PathLike[str]]) -> Iterator[Source]:
    """Yield every source that some inputs name, each once.

    Args:
        inputs: Folders (searched through, without hidden files, lakes and tables such as CSV), glob patterns, files,
            http(s) URLs.

    Raises:
        UsageError: An input names nothing.
    """
    seen: set[str] = set()
    for given in inputs:
        for source in _sources_of(os.fspath(given)):
            if source.uri not in seen:
                seen.add(source.uri)
                yield source


def _sources_of(given: str) -> Iterator[Source]:
    if is_url(given):
        if not urlsplit(given).hostname:
            raise UsageError(f"{given!r} is not a complete URL.")
        yield Source(without_signature(given), "url", sent_uri=given)
        return
    path = os.path.abspath(os.path.expanduser(given))  # noqa: PTH100, PTH111 - str paths: a walk over 100,000 files
    if os.path.isdir(path):  # noqa: PTH112
        yield from _walk(path)
    elif os.path.lexists(path):
        yield file_source(path)
    elif glob.has_magic(given):
        found = sorted(glob.glob(path, recursive=True))  # noqa: PTH207
        if not found:
            raise UsageError(f"Nothing matches {given!r}.")
        for match in found:
            yield from _walk(match) if os.path.isdir(match) else (file_source(match),)  # noqa: PTH112
    else:
        raise UsageError(f"There is no file or folder {given!r}.")


def _walk(folder: str) -> Iterator[Source]:
    """Files below a folder in a stable order. Links to folders are not followed: they may lead round in a circle."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        yield Source(folder, "file")  # fails with its reason when it is read
        return
    if any(entry.name == "lake.json" for entry in entries):
        return
    for entry in entries:
        if entry.name.startswith((".", "~$")):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path)
        elif not entry.name.lower().endswith(_COMPANIONS):
            try:
                yield _source(entry.path, entry.stat())
            except OSError:
                yield Source(entry.path, "file")


def file_source(path: str) -> Source:
    """Return the source of one file. One that cannot be looked at comes without size, and fails when it is read."""
    try:
        return _source(path, os.stat(path))  # noqa: PTH116
    except OSError:
        return Source(path, "file")


def _source(path: str, facts: os.stat_result) -> Source:
    if not stat.S_ISREG(facts.st_mode):
        return Source(path, "file")
    return Source(path, "file", facts.st_size, facts.st_mtime_ns, facts.st_ino & _INODE_MASK)


def text_sources(table: Path, column: str | None) -> list[Source]:
    """Return one source for each text of a CSV, TSV or Parquet table; rows without text give none.

    Args:
        table: The file. Its other columns become labels of the texts.
        column: The column that holds the texts; may be left out when the table has one of the name ``text``.

    Raises:
        UsageError: The file cannot be read, or there is no such column.
    """
    path = str(table.expanduser().absolute())
    try:
        rows = _parquet_rows(path) if path.lower().endswith(".parquet") else _csv_rows(path)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"Cannot read the table of texts {table}: {error}") from error
    names = next(rows, None)
    name = "text" if column is None else column
    if names is None or name not in names:
        raise UsageError(f"{path} has no column {name!r}. It has: {', '.join(names or ())}. Name one with --text-column.")
    sources: list[Source] = []
    for number, row in enumerate(rows, start=1):
        values = dict(zip(names, row, strict=False))
        text = values.pop(name, "")
        if text.strip():
            size_bytes = len(text.encode("utf-8", "surrogatepass"))
            labels = {key: value for key, value in values.items() if key and value}
            sources.append(Source(f"{path}#{number}", "text", size_bytes=size_bytes, text=text, labels=labels))
    return sources


def _csv_rows(path: str) -> Iterator[list[str]]:
    with Path(path).open(encoding="utf-8-sig", newline="") as file:
        yield from csv.reader(file, delimiter="\t" if path.lower().endswith(".tsv") else ",")


def _parquet_rows(path: str) -> Iterator[list[str]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except pa.ArrowException as error:
        raise UsageError(f"{path} is not a Parquet file: {error}") from error
    yield table.column_names
    columns = [column.to_pylist() for column in table.columns]
    for row in zip(*columns, strict=True):
        yield ["" if value is None else str(value) for value in row]
