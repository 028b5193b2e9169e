"""How a lake looks in a notebook: what it holds, in groups, and what there is to ask."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from humeanalytics.lake import display
from humeanalytics.tables.evi_schema import EVI_TABLES
from humeanalytics.tables.schema import SCORE_TABLES, V1_TABLES

if TYPE_CHECKING:
    from humeanalytics.lake.lake import TableInfo

_GROUPS = {
    "Measurements": {*SCORE_TABLES, *V1_TABLES},
    "Conversations": {table.name for table in EVI_TABLES},
}
_OTHERS = "Beside them"
#: What people ask first, of the views there are.
_FIRST_VIEWS = ("transcript", "turns", "conversations", "spoken", "coverage", "scores_v0", "scores_v1")


def html(uri: str, holds: str, tables: Sequence[TableInfo]) -> str:
    """Return a lake as HTML: its tables that have rows, with what a row is, and its views.

    Args:
        uri: Where it is.
        holds: Whose results are in it.
        tables: What SQL can ask for.
    """
    filled = [table for table in tables if table.rows]
    of = {table.name: next((heading for heading, names in _GROUPS.items() if table.name in names), _OTHERS) for table in filled}
    groups = {heading: [table for table in filled if of[table.name] == heading] for heading in (*_GROUPS, _OTHERS)}
    rows = "".join(
        f"<tr><th>{heading}</th><th style='text-align:right'>rows</th><th>a row is</th></tr>{''.join(map(_row, group))}"
        for heading, group in groups.items()
        if group
    )
    listed = f"<table>{rows}</table>" if rows else "<p>empty: score, ingest or export something into it</p>"
    views = [table.name for table in tables if table.kind == "view"]
    first = [name for name in _FIRST_VIEWS if name in views]
    more = (
        f"<p>views: {', '.join(first)} and {len(views) - len(first)} more; lake.tables() has all</p>" if filled and first else ""
    )
    head = f"<p style='font-size:13px;opacity:1'><b>Lake</b> {escape(uri)} · {escape(holds)}</p>"
    return f'<div class="humeanalytics-table">{display.STYLE}{head}{listed}{more}</div>'


def _row(table: TableInfo) -> str:
    sentence, mark, _ = table.about.partition(". ")
    about = f"{sentence}." if mark else sentence
    return (
        f"<tr><td><code>{escape(table.name)}</code></td><td class='n'>{table.rows:,}</td>"
        f"<td style='white-space:normal' title='{escape(table.about)}'>{escape(about)}</td></tr>"
    )
