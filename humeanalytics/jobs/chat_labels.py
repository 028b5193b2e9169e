"""Say whose chats are: tie the rows of a manifest to them by what they are called, and write labels of their items."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from humeanalytics.errors import UsageError
from humeanalytics.jobs.bookkeeping import Row, load_rows
from humeanalytics.jobs.manifest import read_manifest
from humeanalytics.jobs.manifest_rows import Manifest, ManifestRow
from humeanalytics.jobs.saved_known import items_of, labels_of, payloads_of
from humeanalytics.jobs.summary import RunSummary, few
from humeanalytics.lake.lake import Lake
from humeanalytics.recordings import chat_recording_id

#: By what a manifest may name chats, the one that tells most first.
CHAT_COLUMNS = ("chat_id", "chat_group_id", "custom_session_id")

_CALLED = """
SELECT chat_id, trim(arg_max(chat_group_id, coalesce(seen_at, 'epoch'))) AS chat_group_id,
    trim(arg_max(custom_session_id, coalesce(seen_at, 'epoch'))) AS custom_session_id
FROM chats_all GROUP BY chat_id
"""
_OF_PAYLOADS = """
SELECT DISTINCT c.chat_id FROM scoring_sources_all AS s
SEMI JOIN payloads AS p ON p.response_id = s.response_id AND p.uri = s.uri
JOIN chats_all AS c ON c.scoring_id = s.scoring_id
"""


@dataclass(frozen=True, slots=True)
class ChatManifest:
    """A manifest whose rows are about chats: ``column`` is what it names them by."""

    manifest: Manifest
    column: str


def is_chat_column(name: str | None) -> bool:
    """Tell whether a column of a manifest names chats.

    >>> is_chat_column("Custom_Session_ID"), is_chat_column("file"), is_chat_column(None)
    (True, False, False)
    """
    return name is not None and name.strip().casefold() in CHAT_COLUMNS


def read_chat_manifest(source: str | os.PathLike[str], on: str | None) -> ChatManifest:
    """Read a manifest that names chats in the column ``on``, or in the first of `CHAT_COLUMNS` that it has.

    Raises:
        UsageError: It has no such column, or ``on`` names another one; or see `read_manifest`.
    """
    if on is not None and not is_chat_column(on):
        raise UsageError(f"Chats are known by {', '.join(CHAT_COLUMNS)}, not by {on!r}. Call the column of the manifest so.")
    for column in CHAT_COLUMNS if on is None else (on.strip().casefold(),):
        try:
            return ChatManifest(read_manifest(Path(source), on=column), column)
        except UsageError as error:
            if on is not None or "no column" not in str(error):
                raise
    raise UsageError(f"{source} has no column that names chats (one of {', '.join(CHAT_COLUMNS)}).")


def chats_of_files(lake: Lake, files: Collection[str]) -> set[str]:
    """Return the chats that some saved files told of, which were read before."""
    of_files = sorted(payloads_of(lake, files)) if files else []
    if not of_files:
        return set()
    ids, uris = zip(*of_files, strict=True)
    named = pa.table({"response_id": pa.array(ids, pa.string()), "uri": pa.array(uris, pa.string())})
    return {row["chat_id"] for row in lake.sql(_OF_PAYLOADS, payloads=named).rows()}


def label_chats(
    lake: Lake,
    manifest: ChatManifest | None,
    labels: Mapping[str, str],
    chats: Collection[str],
    summary: RunSummary,
    *,
    flow: str,
    among: Collection[str] | None = None,
) -> None:
    """Give the items of chats what is said of them, where that is something else than before.

    A row of a manifest that fits several chats labels all of them: they are one person's session, or one group.

    Args:
        lake: The lake.
        manifest: Labels of whatever chats in the lake its rows fit.
        labels: Labels for the chats of this run.
        chats: Those.
        summary: Of the run; it gets a note of rows that fit no chat, and of chats of the run without a row.
        flow: The flow whose run it is.
        among: The chats the manifest is about, if not all.
    """
    if manifest is None and not (labels and chats):
        return
    rows = {} if manifest is None else _fitting(lake, manifest, chats, summary, among)
    wanted = {chat_id: dict(row.labels) for chat_id, row in rows.items()}
    for chat_id in chats if labels else ():
        wanted[chat_id] = wanted.get(chat_id, {}) | dict(labels)
    items = items_of(lake, {chat_recording_id(chat_id) for chat_id in wanted})
    of_item = {item["item_id"]: wanted[item["recording_id"].removeprefix("chat:")] for item in items}
    excluded = [
        {**item, "excluded_reason": rows[chat_id].excluded_reason, "seen_at": datetime.now(UTC)}
        for item in items
        if (chat_id := item["recording_id"].removeprefix("chat:")) in rows
        and item["excluded_reason"] != rows[chat_id].excluded_reason
    ]
    load_rows(lake, {"items": excluded, "labels": label_rows(lake, of_item)}, flow=flow, run_id=summary.run_id)


def label_rows(lake: Lake, of_items: Mapping[str, Mapping[str, str]]) -> list[Row]:
    """Return the rows of ``labels`` that say what is to hold of some items, as far as it does not hold yet."""
    before, at = labels_of(lake, list(of_items)), datetime.now(UTC)
    return [
        {"item_id": item_id, "key": key, "value": value, "set_at": at}
        for item_id, labels in of_items.items()
        for key, value in labels.items()
        if before[item_id].get(key, "") != value
    ]


def _fitting(
    lake: Lake, given: ChatManifest, chats: Collection[str], summary: RunSummary, among: Collection[str] | None
) -> dict[str, ManifestRow]:
    """Return the row of each chat that has one, and note what fits nothing."""
    manifest, column = given.manifest, given.column
    by_key = {row.file: row for row in manifest.rows}
    called: Iterable[dict[str, Any]] = lake.sql(_CALLED).rows()
    found = {
        row["chat_id"]: by_key[row[column]]
        for row in called
        if row[column] in by_key and (among is None or row["chat_id"] in among)
    }
    taken = {row.line for row in found.values()}
    if unmatched := [f"{row.file} (line {row.line})" for row in manifest.rows if row.line not in taken]:
        summary.notes.append(f"in the manifest, but of no chat: {few(unmatched)}")
    if without := sorted(set(chats) - found.keys()):
        summary.notes.append(f"{len(without):,} chats are not in the manifest, so without its labels: {few(without)}")
    return found
