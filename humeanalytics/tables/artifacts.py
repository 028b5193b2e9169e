"""Flatten the artifacts of v0 batch jobs: a CSV a model and file, in a ZIP archive or out of it.

The layout is ``<kind of source>-<number>-<name>/csv/<file>/<model>.csv``; an archive that was scored has a folder for each of
its members. Columns are found by the header, whatever their order. The values are those of the JSON, to the last digit, so
the tables are the same: but for what no CSV tells, which is the language that was detected.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import IO, BinaryIO

import pyarrow as pa

from humeanalytics.errors import NotHumeData
from humeanalytics.tables.archives import Limits, opened_zip
from humeanalytics.tables.artifact_csv import read_csv
from humeanalytics.tables.artifact_headers import model_of, read_header
from humeanalytics.tables.columns import ModelRows
from humeanalytics.tables.fingerprint import fingerprints
from humeanalytics.tables.flattened import Answer, Flattened, Source
from humeanalytics.tables.predictions import table_of
from humeanalytics.tables.schema import SCORE_TABLES

#: What a path says of a source: its kind, its number and its name.
_SourceKey = tuple[str, int, str | None]

_SOURCE_FOLDER = re.compile(r"([a-z_]+)-(\d{1,9})-(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class CsvFile:
    """One CSV: its path inside the artifacts, as much of it as is known, with ``/`` between folders; and how to open it."""

    path: str
    open: Callable[[], IO[bytes]]


@dataclass(frozen=True, slots=True)
class _Place:
    """What a path says of a CSV. The model is None where its name is somebody's own."""

    source: _SourceKey
    file: str
    hume_model: str | None


def flatten_artifacts(archive: BinaryIO, *, name: str = "artifacts", limits: Limits = Limits()) -> Flattened:
    """Turn the artifacts archive of a v0 batch job into the tables that its predictions JSON gives.

    Members are read one after the other as they are unpacked; nothing goes to disk, and only the tables stay in memory.

    Args:
        archive: The ZIP archive, opened for reading bytes; it must be able to seek.
        name: What errors call it.
        limits: What an archive may hold.

    Returns:
        As `flatten_predictions` does, of the dialect ``artifacts``. There are no failures in artifacts, and of a source no
        more than its kind, its number and its name.

    Raises:
        NotHumeData: It is no ZIP archive, or no artifacts are in it.
        UnreadableResponse: It or a CSV in it is broken, or breaks a limit; says which and how.
    """
    [flattened] = artifacts_in_pieces(archive, name=name, rows=None, limits=limits)
    return flattened


def artifacts_in_pieces(
    archive: BinaryIO, *, name: str = "artifacts", rows: int | None = 200_000, limits: Limits = Limits()
) -> Iterator[Flattened]:
    """Yield the artifacts archive of a v0 batch job as tables of whole CSVs, where all together do not fit into memory.

    Args:
        archive: As for `flatten_artifacts`. It has to stay open until the last piece.
        name: What errors call it.
        rows: As for `csvs_in_pieces`.
        limits: What an archive may hold.

    Raises:
        NotHumeData: As `flatten_artifacts`; of the archive before the first piece.
        UnreadableResponse: As `flatten_artifacts`; maybe after pieces, which then are of no use.
    """
    with opened_zip(archive, name, limits) as opened:
        members = [member for member in opened.infolist() if is_artifact(member.filename)]
        if not members:
            raise NotHumeData(f"{name}: no artifacts of a v0 batch job are in this ZIP archive.", item=name)
        files = [CsvFile(member.filename, partial(opened.open, member)) for member in members]
        yield from csvs_in_pieces(files, name=name, rows=rows)


def flatten_csvs(files: Iterable[CsvFile], *, name: str = "artifacts") -> Flattened:
    """Turn CSVs of artifacts, out of an archive or a folder or single ones, into tables.

    Args:
        files: The CSVs. One whose path does not tell its source counts as of a source of its own kind, ``unknown``; one that
            somebody gave another name is known by its columns, and of a file of that name.
        name: What errors call them all.

    Raises:
        NotHumeData: One of them is something else.
        UnreadableResponse: One of them is broken.
    """
    [flattened] = csvs_in_pieces(files, name=name, rows=None)
    return flattened


def csvs_in_pieces(files: Iterable[CsvFile], *, name: str = "artifacts", rows: int | None = 200_000) -> Iterator[Flattened]:
    """Yield CSVs of artifacts as tables of whole CSVs, and so of whole answers. There is at least one piece.

    Args:
        files: As for `flatten_csvs`.
        name: What errors call them all.
        rows: A piece ends with the CSV that brings it to so many rows; None makes one piece of everything.

    Raises:
        NotHumeData: One of them is something else; maybe after pieces, which then are of no use.
        UnreadableResponse: One of them is broken; likewise.
    """
    places = [(_place(file.path), file) for file in files]
    sources = _sources(place for place, _ in places)
    reader = _CsvReader(sources, name)
    for place, file in sorted(places, key=lambda pair: (sources[pair[0].source].index, pair[0].file)):
        if rows is not None and reader.rows >= rows:
            yield reader.finish()
        reader.read(place, file)
    yield reader.finish()


class _CsvReader:
    """Reads CSVs into tables: `read` each, and `finish` whenever tables are wanted."""

    def __init__(self, sources: dict[_SourceKey, Source], name: str) -> None:
        self._sources = sources
        self._name = name
        self._models: dict[str, ModelRows] = {}  # by table
        self._drafts: list[tuple[_Place, str, int, int]] = []  # with the table, its first row and how many
        self._copies: dict[tuple[int, str, str], int] = {}

    @property
    def rows(self) -> int:
        """How many rows there are since the last time tables were made."""
        return sum(model.rows for model in self._models.values())

    def read(self, place: _Place, file: CsvFile) -> None:
        item = f"{self._name}: {file.path}" if file.path != self._name else self._name
        with file.open() as stream:
            names = read_header(stream, item)
            hume_model = place.hume_model or model_of(names)
            table = table_of(hume_model)
            model = self._models.setdefault(table, ModelRows(table, hume_model))
            first_row = model.rows
            read_csv(stream, names, model, place.file, item)
        self._drafts.append((place, table, first_row, model.rows - first_row))

    def finish(self) -> Flattened:
        """Return all that was read since the last time; the counts are of all that was read at all."""
        tables: dict[str, pa.Table] = {}
        prints: dict[str, Iterator[str]] = {}
        for table in dict.fromkeys(table for _, table, _, _ in self._drafts):
            spans = [(first_row, count) for _, table_of_it, first_row, count in self._drafts if table_of_it == table]
            tables[table] = self._models[table].finish(spans)
            prints[table] = iter(fingerprints(tables[table], table, spans))
        answers = tuple(
            Answer(
                self._sources[place.source],
                place.file,
                None,
                self._copy(place, table),
                table,
                first_row,
                count,
                next(prints[table]),
            )
            for place, table, first_row, count in self._drafts
        )
        self._drafts = []
        return Flattened(
            dialect="artifacts",
            job_id=None,
            status=None,
            tables=tables,
            answers=answers,
            failures=(),
            scores_rounded=sum(model.scores_rounded for model in self._models.values()),
            names_doubled=sum(model.names_doubled for model in self._models.values()),
        )

    def _copy(self, place: _Place, table: str) -> int:
        """Count how often a file of one source has had an answer of one model before."""
        known = self._sources[place.source].index, place.file, table
        copy = self._copies.get(known, 0)
        self._copies[known] = copy + 1
        return copy


def is_artifact(path: str) -> bool:
    """Tell whether a path is one of a CSV of artifacts.

    >>> is_artifact("file-0-a.wav/csv/a.wav/prosody.csv"), is_artifact("notes/a.csv")
    (True, False)
    """
    return path.lower().endswith(".csv") and _split(path) is not None


def artifacts_root(path: str) -> str | None:
    """Return the folder that artifacts were extracted to, from the path of one CSV of theirs; None for any other path.

    >>> artifacts_root("/data/job/file-0-a.wav/csv/a.wav/prosody.csv"), artifacts_root("/data/notes.csv")
    ('/data/job', None)
    """
    found = _split(path) if path.lower().endswith(".csv") else None
    return None if found is None else "/".join(path.split("/")[: -len(found[1]) - 2])


def _split(path: str) -> tuple[re.Match[str], list[str]] | None:
    """Return the folder of the source in a path, and the parts after ``csv``."""
    parts = path.split("/")
    for i, part in enumerate(parts[:-2]):
        folder = _SOURCE_FOLDER.fullmatch(part)
        if folder and parts[i + 1] == "csv":
            return folder, parts[i + 2 :]
    return None


def _place(path: str) -> _Place:
    found = _split(path)
    if found is None:
        *folders, file_name = path.split("/")
        stem = file_name.rpartition(".")[0] or file_name
        if stem.lower() in SCORE_TABLES:
            return _Place(("unknown", 0, None), folders[-1] if folders else stem, stem)
        return _Place(("unknown", 0, None), stem, None)
    folder, inner = found
    model = inner[-1].rpartition(".")[0]
    # A CSV right below ``csv`` names no file: then the source does.
    return _Place((folder[1], int(folder[2]), folder[3]), "/".join(inner[:-1]) or folder[3], model)


def _sources(places: Iterable[_Place]) -> dict[_SourceKey, Source]:
    """Return the sources that paths tell of: with the numbers they have, or, where two have one, counted anew in their order."""
    told = sorted({place.source for place in places}, key=lambda source: (source[0], source[1], source[2] or ""))
    is_unique = len({number for _, number, _ in told}) == len(told)
    return {
        (kind, number, name): Source(number if is_unique else i, kind, filename=name)
        for i, (kind, number, name) in enumerate(told)
    }
