"""Say whose saved answers are: give their items the labels of a manifest and of the call, when all of a run is in the lake."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from humeanalytics.errors import UsageError
from humeanalytics.jobs.bookkeeping import Row, load_rows
from humeanalytics.jobs.manifest import Manifest, ManifestRow
from humeanalytics.jobs.sameness import Sameness
from humeanalytics.jobs.saved_items import place_of
from humeanalytics.jobs.saved_known import items_of, known_ties, labels_of, recordings_of
from humeanalytics.jobs.saved_load import FLOW
from humeanalytics.jobs.settling import MOVED
from humeanalytics.jobs.summary import RunSummary, few
from humeanalytics.lake.lake import Lake


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
    items = _items(lake, files, scorings)
    labels_before = labels_of(lake, [item["item_id"] for item in items])
    of_items, notes = ({}, []) if manifest is None else assigned(manifest, items)
    summary.notes += notes
    rows: dict[str, list[Row]] = {"items": [], "labels": []}
    for item in items:
        row, at = of_items.get(item["item_id"]), datetime.now(UTC)
        excluded_reason = row.excluded_reason if row else item["excluded_reason"]
        if excluded_reason != item["excluded_reason"]:
            kept = {name: value for name, value in item.items() if name not in ("file", "root")}
            rows["items"].append({**kept, "excluded_reason": excluded_reason, "seen_at": at})
        before = labels_before[item["item_id"]]
        rows["labels"] += [
            {"item_id": item["item_id"], "key": key, "value": value, "set_at": at}
            for key, value in ((row.labels if row else {}) | dict(labels)).items()
            if before.get(key, "") != value
        ]
    load_rows(lake, rows, flow=FLOW, run_id=summary.run_id)


def _items(lake: Lake, files: Collection[str], scorings: Collection[str]) -> list[dict[str, Any]]:
    """Return the items of all recordings that some files and scorings are about, in the order of their places.

    With ``file``, the file as Hume names it, and ``root``, which is the same for items of one recording.
    """
    sameness = Sameness(known_ties(lake))
    held = sameness.same_as(recordings_of(lake, files, scorings))
    items = [item for item in items_of(lake, held) if not (item["excluded_reason"] or "").startswith(MOVED)]
    items.sort(key=lambda item: (item["uri"], item["item_id"]))
    return [{**item, "file": place_of(item), "root": sameness.canonical(item["recording_id"])} for item in items]


def assigned(manifest: Manifest, items: Sequence[Mapping[str, Any]]) -> tuple[dict[str, ManifestRow], list[str]]:
    """Find the row of the manifest that each item has: by its place, else by the name of the file as Hume has it.

    A row that fits several recordings fits none: which of them it means, nobody can tell.

    Args:
        manifest: The manifest.
        items: Items with ``item_id, uri, name, file, root``; ``root`` is the same for items of one recording.

    Returns:
        Rows by item, and notes on what could not be told.
    """
    found, unfound, notes = rows_of_items(manifest, items)
    unmatched = [f"{row.file} (line {row.line})" for row in unfound]
    if unmatched:
        notes.append(f"in the manifest, but not found: {few(unmatched)}")
    without = [item["name"] for item in items if item["item_id"] not in found]
    if without:
        notes.append(f"found, but not in the manifest, so without its labels: {few(without)}")
    return found, notes


def rows_of_items(
    manifest: Manifest, items: Sequence[Mapping[str, Any]], got: str = "its labels"
) -> tuple[dict[str, ManifestRow], list[ManifestRow], list[str]]:
    """Return the row of each item, the rows that fit none, and notes on rows and items that fit several; as `assigned`."""
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
                f"{manifest.source}, line {row.line}: {row.file!r} fits {len(wholly)} recordings, so none got {got}: "
                f"{few([item['uri'] for item, _, _ in wholly])}. Write more of the path into column {manifest.file_column!r}."
            )
        else:
            found.update({item["item_id"]: row for item, row, _ in wholly})
    return found, [row for row in manifest.rows if row.line not in fitting], notes
