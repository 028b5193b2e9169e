"""Flatten the artifacts of v0 batch jobs: a CSV a model and file, in a ZIP archive or out of it.

The layout is ``<kind of source>-<number>-<name>/csv/<file>/<model>.csv``; an archive that was scored has a folder for each of
its members. Columns are found by the header, whatever their order. The values are those of the JSON, to the last digit, so
the tables are the same: but for what no CSV tells, which is the language that was detected.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import IO, Any, BinaryIO

import pyarrow as pa

from humeanalytics.errors import NotHumeData
from humeanalytics.tables.archives import Limits, opened_zip
from humeanalytics.tables.artifact_csv import read_csv
from humeanalytics.tables.columns import ModelRows
from humeanalytics.tables.fingerprint import fingerprints
from humeanalytics.tables.flattened import Answer, Flattened, Source
from humeanalytics.tables.predictions import table_of

_SOURCE_FOLDER = re.compile(r"([a-z_]+)-(\d{1,9})-(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class CsvFile:
    """One CSV: its path inside the artifacts, as much of it as is known, with ``/`` between folders; and how to open it."""

    path: str
    open: Callable[[], IO[bytes]]


@dataclass(frozen=True, slots=True)
class _Place:
    """What a path says of a CSV. The source is its kind, number and name."""

    source: tuple[str, int, str | None]
    file: str
    hume_model: str


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
    with opened_zip(archive, name, limits) as opened:
        members = [member for member in opened.infolist() if is_artifact(member.filename)]
        if not members:
            raise NotHumeData(f"{name}: no artifacts of a v0 batch job are in this ZIP archive.", item=name)
        files = [CsvFile(member.filename, partial(opened.open, member)) for member in members]
        return flatten_csvs(files, name=name)


def flatten_csvs(files: Iterable[CsvFile], *, name: str = "artifacts") -> Flattened:
    """Turn CSVs of artifacts, out of an archive or a folder or single ones, into tables.

    Args:
        files: The CSVs. One whose path does not tell its source counts as of a source of its own kind, ``unknown``.
        name: What errors call them all.

    Raises:
        NotHumeData: One of them is something else.
        UnreadableResponse: One of them is broken.
    """
    rows: dict[str, ModelRows] = {}
    drafts: list[tuple[_Place, str, int, int]] = []
    places = [(_place(file.path), file) for file in files]
    sources = _sources(place for place, _ in places)
    for place, file in sorted(places, key=lambda pair: (sources[pair[0].source].index, pair[0].file)):
        table = table_of(place.hume_model)
        model = rows.setdefault(table, ModelRows(table, place.hume_model))
        first_row = model.rows
        with file.open() as stream:
            read_csv(stream, model, place.file, f"{name}: {file.path}" if file.path != name else name)
        drafts.append((place, table, first_row, model.rows - first_row))
    tables: dict[str, pa.Table] = {}
    prints: dict[str, Any] = {}
    for table, model in rows.items():
        spans = [(first_row, count) for _, model_of, first_row, count in drafts if model_of == table]
        tables[table] = model.finish(spans)
        prints[table] = iter(fingerprints(tables[table], table, spans))
    seen: dict[tuple[Source, str, str], int] = {}
    answers = []
    for place, table, first_row, count in drafts:
        source = sources[place.source]
        copy = seen.get((source, place.file, table), 0)
        seen[source, place.file, table] = copy + 1
        answers.append(Answer(source, place.file, None, copy, table, first_row, count, next(prints[table])))
    return Flattened(
        dialect="artifacts",
        job_id=None,
        status=None,
        tables=tables,
        answers=tuple(answers),
        failures=(),
        scores_rounded=sum(model.scores_rounded for model in rows.values()),
        names_doubled=sum(model.names_doubled for model in rows.values()),
    )


def is_artifact(path: str) -> bool:
    """Tell whether a path is one of a CSV of artifacts.

    >>> is_artifact("file-0-a.wav/csv/a.wav/prosody.csv"), is_artifact("notes/a.csv")
    (True, False)
    """
    return path.lower().endswith(".csv") and _split(path) is not None


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
        return _Place(("unknown", 0, None), folders[-1] if folders else stem, stem)
    folder, inner = found
    model = inner[-1].rpartition(".")[0]
    # A CSV right below ``csv`` names no file: then the source does.
    return _Place((folder[1], int(folder[2]), folder[3]), "/".join(inner[:-1]) or folder[3], model)


def _sources(places: Iterable[_Place]) -> dict[tuple[str, int, str | None], Source]:
    """Return the sources that paths tell of: with the numbers they have, or, where two have one, counted anew in their order."""
    told = sorted({place.source for place in places}, key=lambda source: (source[0], source[1], source[2] or ""))
    is_unique = len({number for _, number, _ in told}) == len(told)
    return {
        (kind, number, name): Source(number if is_unique else i, kind, filename=name)
        for i, (kind, number, name) in enumerate(told)
    }
