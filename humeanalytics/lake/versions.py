"""Versions of a Delta table: the files one is made of, and how to be sure that one is on disk."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pyarrow as pa
from deltalake import DeltaTable

from humeanalytics.lake.durable import sync_file, sync_folder


@dataclass(frozen=True, slots=True)
class DataFile:
    """One Parquet file of a snapshot. It holds rows of loads from ``load_first`` to ``load_last`` (None: not known)."""

    path: str
    modified_ms: int
    size_bytes: int
    rows: int
    load_first: str | None
    load_last: str | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One version of a table."""

    version: int
    schema: pa.Schema
    files: tuple[DataFile, ...]


def read_snapshot(table: DeltaTable, folder: Path) -> Snapshot:
    """Return the version that a table is at, its files in the order they came."""
    adds = pa.RecordBatchReader.from_stream(table.get_add_actions(flatten=True)).read_all()
    count = adds.num_rows

    def column(name: str) -> list[Any]:
        return adds.column(name).to_pylist() if name in adds.column_names else [None] * count

    names = ("modification_time", "path", "size_bytes", "num_records", "min.load_id", "max.load_id")
    files = tuple(
        DataFile(_local(path, folder), modified_ms, size, rows or 0, first, last)
        for modified_ms, path, size, rows, first, last in sorted(zip(*map(column, names), strict=True), key=lambda f: f[:2])
    )
    return Snapshot(table.version(), pa.schema(table.schema().to_arrow()), files)


def log_file(folder: Path, version: int) -> Path:
    """Return the file that tells of one commit to a table."""
    return folder / "_delta_log" / f"{version:020d}.json"


def sync_commits(folder: Path, first: int, last: int) -> None:
    """Wait until commits to a table are on disk: what a ledger calls loaded must not go with the power."""
    for version in range(first, last + 1):
        log = log_file(folder, version)
        for path in _added(log):
            if (folder / path).exists():
                sync_file(folder / path)
        sync_file(log)
    sync_folder(folder)
    sync_folder(folder / "_delta_log")


def _local(path: str, folder: Path) -> str:
    """Return the file that a log entry means: relative to the table, or a URI, percent-encoded either way."""
    if path.startswith("file:"):
        return unquote(urlsplit(path).path)
    return str(folder / unquote(path))


def _added(log: Path) -> list[str]:
    actions = (json.loads(line) for line in log.read_bytes().splitlines() if b'"add"' in line)
    return [unquote(action["add"]["path"]) for action in actions if "add" in action]
