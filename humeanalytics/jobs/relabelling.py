"""Write what a run says of saved answers that were in the lake before."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

import pyarrow as pa

from humeanalytics.jobs.bookkeeping import Row, load_rows
from humeanalytics.jobs.saved_items import saved_source
from humeanalytics.jobs.saved_load import FLOW
from humeanalytics.jobs.summary import RunSummary
from humeanalytics.jobs.taking_in import Labelling
from humeanalytics.lake.lake import Lake

_ITEMS = """
    WITH here AS (
        SELECT response_id FROM responses_all SEMI JOIN files ON split_part(responses_all.uri, '!/', 1) = files.uri
    ), touched AS (
        SELECT scoring_id FROM scorings SEMI JOIN here USING (response_id)
        UNION SELECT scoring_id FROM scoring_sources SEMI JOIN here USING (response_id)
        UNION SELECT scoring_id FROM met
    ), held AS (
        SELECT recording_id, min(file) AS file FROM scorings SEMI JOIN touched USING (scoring_id) GROUP BY ALL
    )
    SELECT i.* EXCLUDE (load_id), held.file,
        (SELECT map_from_entries(list((key, value))) FROM labels WHERE labels.item_id = i.item_id) AS labels
    FROM items AS i JOIN held USING (recording_id) ORDER BY i.item_id
"""


def relabel(lake: Lake, files: Collection[str], scorings: Collection[str], labelling: Labelling, summary: RunSummary) -> None:
    """Give items that were known before the labels of this run, where those are others.

    Args:
        lake: The lake.
        files: Saved files that were read before this run.
        scorings: Scorings that this run met.
        labelling: What this run says.
        summary: Of the run.
    """
    if not labelling.applies_to_known:
        return
    frames = {
        "files": pa.table({"uri": pa.array(sorted(files), pa.string())}),
        "met": pa.table({"scoring_id": pa.array(sorted(scorings), pa.string())}),
    }
    rows: dict[str, list[Row]] = {"items": [], "labels": []}
    for item in lake.sql(_ITEMS, **frames).rows():
        file, before = item.pop("file"), dict(item.pop("labels") or {})
        at = datetime.now(UTC)
        labels, excluded_reason = labelling.of(saved_source(item["uri"], file), item["excluded_reason"])
        if excluded_reason != item["excluded_reason"]:
            rows["items"].append({**item, "excluded_reason": excluded_reason, "seen_at": at})
        rows["labels"] += [
            {"item_id": item["item_id"], "key": key, "value": value, "set_at": at}
            for key, value in labels.items()
            if before.get(key) != value
        ]
    load_rows(lake, rows, flow=FLOW, run_id=summary.run_id)
