"""Rows to fill lakes with, as short as a test can say them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from humeanalytics.lake.lake import Lake
from humeanalytics.tables.schema import schema_of

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def at(minutes: float) -> datetime:
    """A time, some minutes after an arbitrary one."""
    return START + timedelta(minutes=minutes)


def table(name: str, *rows: dict[str, Any]) -> pa.Table:
    """Rows as the declared table; what a row leaves out is null."""
    return pa.Table.from_pylist(list(rows), schema=schema_of(name))


def commit(lake: Lake, load_id: str, **tables: list[dict[str, Any]]) -> dict[str, int]:
    """Commit a whole load."""
    made = {name: table(name, *rows) for name, rows in tables.items()}
    return lake.loads.commit_all(load_id, "ingest", "run", {"load": load_id}, made)


def scoring(scoring_id: str, recording_id: str, model: str = "prosody", minutes: float = 0, **more: Any) -> dict[str, Any]:
    """A row of ``scorings``, scored and loaded some minutes after the start."""
    return {
        "scoring_id": scoring_id,
        "recording_id": recording_id,
        "model": model,
        "scored_at": at(minutes),
        "loaded_at": at(minutes),
        "rows": 1,
        **more,
    }


def spoken(scoring_id: str, recording_id: str, begin_s: float = 0.0, end_s: float = 1.0, **more: Any) -> dict[str, Any]:
    """A row of ``prosody``."""
    return {
        "scoring_id": scoring_id,
        "recording_id": recording_id,
        "file": "a.wav",
        "speaker_id": "unknown",
        "begin_s": begin_s,
        "end_s": end_s,
        "text": "No.",
        "joy": 0.5,
        **more,
    }


def item(item_id: str, recording_id: str, minutes: float = 0, **more: Any) -> dict[str, Any]:
    """A row of ``items``."""
    return {
        "item_id": item_id,
        "recording_id": recording_id,
        "uri": f"/data/{item_id}.wav",
        "name": f"{item_id}.wav",
        "media_type": "audio",
        "seen_at": at(minutes),
        **more,
    }


def label(item_id: str, key: str, value: str, minutes: float = 0) -> dict[str, Any]:
    """A row of ``labels``."""
    return {"item_id": item_id, "key": key, "value": value, "set_at": at(minutes)}
