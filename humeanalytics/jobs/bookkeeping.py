"""Rows of the bookkeeping tables, and small loads of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pyarrow as pa

from humeanalytics import recordings
from humeanalytics.jobs.work import Problem, Recording, name_of
from humeanalytics.lake.lake import Lake
from humeanalytics.lake.loads import Pending
from humeanalytics.redaction import redact_text, without_signature
from humeanalytics.tables.schema import UTC_TIME, schema_of

Row = Mapping[str, Any]

#: Kind of a load, in its marker, that holds bookkeeping rows kept under raw/.
ROWS = "rows"


def utc(text: str | None) -> datetime | None:
    """Return an ISO 8601 time as the tables hold it."""
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


def of_ms(milliseconds: int | None) -> datetime | None:
    """Return a time of Hume's, which counts milliseconds since 1970 in UTC."""
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)


def ms_of(at: datetime) -> int:
    """Return a time as Hume counts it."""
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def table_of(name: str, rows: Sequence[Row], load_id: str) -> pa.Table:
    """Return rows as the table they belong to."""
    return pa.Table.from_pylist([{**row, "load_id": load_id} for row in rows], schema=schema_of(name))


def load_rows(lake: Lake, rows: Mapping[str, Sequence[Row]], *, flow: str, run_id: str) -> str | None:
    """Commit bookkeeping rows as one load; return its id, or None where there is nothing to commit.

    The rows are put under raw/ first, like an answer of Hume's: they hold what people said of their recordings, and tables
    can be rebuilt from raw/ alone.
    """
    given = {name: list(each) for name, each in rows.items() if each}
    if not given:
        return None
    with lake.raw.writer("lake", "rows", "json") as writer:
        writer.write(json.dumps(given, sort_keys=True, default=_iso).encode("utf-8", "surrogatepass"))
        kept = writer.commit({"flow": flow, "run_id": run_id, "received_at": datetime.now(UTC).isoformat()})
    load_id = kept.response_id[:32]
    members = {"kind": ROWS, "response_id": kept.response_id}
    tables = {name: table_of(name, each, load_id) for name, each in given.items()}
    lake.loads.commit_all(load_id, flow=flow, run_id=run_id, members=members, tables=tables)
    return load_id


def kept_rows(lake: Lake, response_id: str) -> dict[str, list[Row]]:
    """Return bookkeeping rows as `load_rows` kept them under raw/."""
    with lake.raw.open(response_id) as stream:
        given: dict[str, list[dict[str, Any]]] = json.loads(stream.read())
    for name, rows in given.items():
        times = [field.name for field in schema_of(name) if field.type == UTC_TIME]
        for row in rows:
            row.update({column: utc(row[column]) for column in times if row.get(column)})
    return {name: list(rows) for name, rows in given.items()}


def roll_forward_rows(lake: Lake, pending: Pending) -> None:
    """Commit what is missing of a load of bookkeeping rows that a killed run left behind."""
    rows = kept_rows(lake, pending.members["response_id"])
    lake.loads.tidy(pending.load_id)
    tables = {name: table_of(name, each, pending.load_id) for name, each in rows.items()}
    lake.loads.commit_all(pending.load_id, pending.flow, pending.run_id, pending.members, tables)


def take_back(lake: Lake, flow: str) -> None:
    """Take away the loads that a killed run of a flow left unfinished: what they hold is read again. Bookkeeping goes forward."""
    for pending in lake.loads.pending(flow=flow):
        if pending.members.get("kind") == ROWS:
            roll_forward_rows(lake, pending)
        else:
            lake.loads.roll_back(pending.load_id)


def _iso(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{value!r} cannot be kept as JSON")


def uri_of(uri: str) -> str:
    """Return a URI as tables show it: without the signature of a URL."""
    return without_signature(uri) if "://" in uri else uri


def item_row(recording: Recording, excluded_reason: str | None = None) -> Row:
    uri = uri_of(recording.source.uri)
    return {
        "item_id": recordings.item_id(uri, recording.recording_id),
        "recording_id": recording.recording_id,
        "uri": uri,
        "name": recording.name,
        "media_type": recording.media_type,
        "duration_s": recording.duration_s,
        "recorded_at": utc(recording.recorded_at),
        "recorded_at_source": recording.recorded_at_source,
        "excluded_reason": excluded_reason,
        "seen_at": datetime.now(UTC),
    }


def part_recordings(recording: Recording) -> list[Recording]:
    """Return the members of an archive as the recordings they are."""
    return [
        replace(
            recording,
            source=msgspec.structs.replace(recording.source, uri=f"{recording.source.uri}!/{inner}", size_bytes=None),
            recording_id=recording_id,
            name=name_of(inner),
            media_type=recordings.media_type_of(inner),
            md5=None,
            duration_s=None,
            parts={},
        )
        for inner, recording_id in recording.parts.items()
    ]


def recording_row(recording: Recording) -> Row:
    seen = ":" not in recording.recording_id
    return {
        "recording_id": recording.recording_id,
        "sha256": recording.recording_id if seen else None,
        "md5": recording.md5,
        "size_bytes": recording.source.size_bytes,
        "media_type": recording.media_type,
        "duration_s": recording.duration_s,
    }


def error_row(
    *,
    stage: str,
    message: str,
    error: str,
    run_id: str,
    api: str,
    uri: str | None = None,
    recording_id: str | None = None,
    hume_job_id: str | None = None,
    model: str | None = None,
    wherever: bool = False,
) -> Row:
    """Return the row of one error. One that is told again, ``wherever`` that is, is the same."""
    place = ("", "") if wherever else (uri or "", hume_job_id or "")
    identity = "\n".join((stage, error, message, place[0], recording_id or "", place[1], model or ""))
    shown = None if uri is None else uri_of(uri)
    return {
        "error_id": hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()[:32],
        "recording_id": recording_id,
        "item_id": None if shown is None or recording_id is None else recordings.item_id(shown, recording_id),
        "run_id": run_id,
        "api": api,
        "stage": stage,
        "uri": shown,
        "hume_job_id": hume_job_id,
        "model": model,
        "error": error,
        "message": redact_text(message),
        "happened_at": datetime.now(UTC),
    }


def problem_row(problem: Problem, *, run_id: str, api: str) -> Row:
    return error_row(stage="plan", message=problem.message, error=problem.kind, run_id=run_id, api=api, uri=problem.source.uri)
