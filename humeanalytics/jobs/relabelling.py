"""Say whose saved answers are: give their items the labels of a manifest and of the call, when all of a run is in the lake."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from humeanalytics.errors import UsageError
from humeanalytics.jobs.bookkeeping import Row, load_rows
from humeanalytics.jobs.manifest import Manifest, ManifestRow
from humeanalytics.jobs.saved_load import FLOW
from humeanalytics.jobs.summary import RunSummary, few
from humeanalytics.jobs.tying import MOVED
from humeanalytics.lake.lake import Lake

_ITEMS = """
    WITH RECURSIVE here AS (
        SELECT response_id FROM responses_all SEMI JOIN files ON split_part(responses_all.uri, '!/', 1) = files.uri
    ), touched AS (
        SELECT scoring_id FROM scorings SEMI JOIN here USING (response_id)
        UNION SELECT scoring_id FROM scoring_sources SEMI JOIN here USING (response_id)
        UNION SELECT scoring_id FROM met
    ), held(recording_id, file, root) AS (
        SELECT recording_id, min(file), recording_id FROM scorings SEMI JOIN touched USING (scoring_id) GROUP BY ALL
        UNION
        SELECT a.recording_id, held.file, held.root FROM recording_aliases AS a JOIN held ON a.alias_id = held.recording_id
    )
    SELECT i.* EXCLUDE (load_id), any_value(held.file) AS file, min(held.root) AS root,
        (SELECT map_from_entries(list((key, value))) FROM labels WHERE labels.item_id = i.item_id) AS labels
    FROM items AS i JOIN held USING (recording_id)
    WHERE i.excluded_reason IS NULL OR NOT starts_with(i.excluded_reason, ?)
    GROUP BY ALL ORDER BY i.uri, i.item_id
"""


def relabel(
    lake: Lake,
    manifest: Manifest | None,
    labels: Mapping[str, str],
    files: Collection[str],
    scorings: Collection[str],
    summary: RunSummary,
) -> None:
    """Give the items of a run what is said of them, where that is something else than before.

    Args:
        lake: The lake.
        manifest: The manifest, if there is one.
        labels: Labels for everything.
        files: Saved files that were read before this run.
        scorings: Scorings that this run met.
        summary: Of the run; it gets a note of what the manifest could not tell.
    """
    if manifest is None and not labels:
        return
    frames = {
        "files": pa.table({"uri": pa.array(sorted(files), pa.string())}),
        "met": pa.table({"scoring_id": pa.array(sorted(scorings), pa.string())}),
    }
    items = lake.sql(_ITEMS, [MOVED], **frames).rows()
    of_items, notes = ({}, []) if manifest is None else assigned(manifest, items)
    summary.notes += notes
    rows: dict[str, list[Row]] = {"items": [], "labels": []}
    for item in items:
        row, at = of_items.get(item["item_id"]), datetime.now(UTC)
        excluded_reason = row.excluded_reason if row else item["excluded_reason"]
        if excluded_reason != item["excluded_reason"]:
            kept = {name: value for name, value in item.items() if name not in ("file", "root", "labels")}
            rows["items"].append({**kept, "excluded_reason": excluded_reason, "seen_at": at})
        before = dict(item["labels"] or {})
        rows["labels"] += [
            {"item_id": item["item_id"], "key": key, "value": value, "set_at": at}
            for key, value in ((row.labels if row else {}) | dict(labels)).items()
            if before.get(key, "") != value
        ]
    load_rows(lake, rows, flow=FLOW, run_id=summary.run_id)


def assigned(manifest: Manifest, items: Sequence[Mapping[str, Any]]) -> tuple[dict[str, ManifestRow], list[str]]:
    """Find the row of the manifest that each item has: by its place, else by the name of the file as Hume has it.

    A row that fits several recordings fits none: which of them it means, nobody can tell.

    Args:
        manifest: The manifest.
        items: Items with ``item_id, uri, name, file, root``; ``root`` is the same for items of one recording.

    Returns:
        Rows by item, and notes on what could not be told.
    """
    fitting: dict[int, list[tuple[Mapping[str, Any], ManifestRow, bool]]] = defaultdict(list)
    notes: list[str] = []
    for item in items:
        try:
            row, whole = manifest.find(item["uri"], item["name"])
            if row is None:
                row, whole = manifest.find(item["file"], item["name"])
        except UsageError as error:
            notes.append(str(error))
            continue
        if row is not None:
            fitting[row.line].append((item, row, whole))
    found: dict[str, ManifestRow] = {}
    for fits in fitting.values():
        wholly = [fit for fit in fits if fit[2]] or fits
        if len({item["root"] for item, _, _ in wholly}) > 1:
            _, row, _ = wholly[0]
            notes.append(
                f"{manifest.source}, line {row.line}: {row.file!r} fits {len(wholly)} recordings, so none got its labels: "
                f"{few([item['uri'] for item, _, _ in wholly])}. Write more of the path into column {manifest.file_column!r}."
            )
        else:
            found.update({item["item_id"]: row for item, row, _ in wholly})
    unmatched = [f"{row.file} (line {row.line})" for row in manifest.rows if row.line not in fitting]
    if unmatched:
        notes.append(f"in the manifest, but not found: {few(unmatched)}")
    without = [item["name"] for item in items if item["item_id"] not in found]
    if without:
        notes.append(f"found, but not in the manifest, so without its labels: {few(without)}")
    return found, notes
