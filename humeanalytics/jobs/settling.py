"""Settle what turned out to be one item: a place of a recording that was written down twice before that was known."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from humeanalytics.jobs.bookkeeping import Row, load_rows
from humeanalytics.jobs.sameness import Sameness
from humeanalytics.jobs.saved_items import has_no_name, place_of
from humeanalytics.jobs.saved_known import items_of, known_ties, labels_of
from humeanalytics.jobs.saved_load import FLOW
from humeanalytics.jobs.summary import RunSummary
from humeanalytics.lake.lake import Lake

#: Why an item counts no more in whose place another stands; where that is follows. Nothing that is said later takes it back.
MOVED = "the same as "


def settle(lake: Lake, summary: RunSummary) -> None:
    """Retire items of saved answers where another item tells more of the same place: with its name, or instead of a number.

    A recording may well have several items. Two of one name, of which one was written down before it was known that both are
    of one recording, are one; and so is one that has no name but the random number of the platform, or of a CSV that came alone.
    """
    sameness = Sameness(known_ties(lake))
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for item in items_of(lake, sameness.tied_ids()):
        if not (item["excluded_reason"] or "").startswith(MOVED):
            groups[sameness.canonical(item["recording_id"])].append(item)
    pairs = [(item, better) for items in groups.values() for item in items if (better := _better(item, items)) is not None]
    load_rows(lake, retired(lake, pairs), flow=FLOW, run_id=summary.run_id)


def _better(item: Mapping[str, Any], items: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the item that stands in the place of another one of the same recording, if there is one."""
    if ":" not in item["recording_id"]:
        return None
    others = [each for each in items if each is not item and not has_no_name(each)]
    if not has_no_name(item):
        mine = {place_of(item), item["name"]}
        others = [each for each in others if place_of(each) in mine and _rank(each) < _rank(item)]
    return min(others, key=_rank, default=None)


def _rank(item: Mapping[str, Any]) -> tuple[bool, str]:
    """Order items by what they tell: those of files that were seen come first."""
    return ":" in item["recording_id"], item["item_id"]


def retired(lake: Lake, pairs: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> dict[str, list[Row]]:
    """Return rows that retire items, each in favour of another one that gets its labels, and is excluded if it was.

    Args:
        lake: The lake.
        pairs: Rows of ``items``: the one to retire, the one that stays.
    """
    pairs = list(pairs)
    labels = labels_of(lake, [item["item_id"] for pair in pairs for item in pair])
    at = datetime.now(UTC)
    rows: dict[str, list[Row]] = {"items": [], "labels": []}
    for item, stays in pairs:
        rows["items"].append({**item, "excluded_reason": f"{MOVED}{stays['uri']}", "seen_at": at})
        if item["excluded_reason"] and not stays["excluded_reason"]:
            rows["items"].append({**stays, "excluded_reason": item["excluded_reason"], "seen_at": at})
        known = labels[stays["item_id"]]
        for key, value in labels[item["item_id"]].items():
            if key not in known:
                known[key] = value
                rows["labels"].append({"item_id": stays["item_id"], "key": key, "value": value, "set_at": at})
    return rows
