"""How an answer looks in a terminal and in a notebook."""

from __future__ import annotations

import math
import re
from datetime import datetime
from html import escape
from typing import Any

import duckdb
import pyarrow as pa

from humeanalytics import vocabulary

ROWS = 20
_TEXT_CHARACTERS = 60
#: Ids are hashes: who compares them by eye looks at their beginning.
_ID, _ID_CHARACTERS = re.compile(r"[0-9a-f]{32,}"), 10

#: Notebooks align the cells of tables to the right; the class is named twice to weigh more than theirs.
STYLE = """
<style>
.humeanalytics-table { overflow-x: auto; max-width: 100%; }
.humeanalytics-table table { border-collapse: collapse; font-size: 12px; line-height: 1.4; }
.humeanalytics-table.humeanalytics-table th { text-align: left; vertical-align: bottom; padding: 2px 8px;
 border-bottom: 1px solid currentColor; }
.humeanalytics-table.humeanalytics-table th small { display: block; font-weight: normal; opacity: .6; }
.humeanalytics-table.humeanalytics-table td { text-align: left; padding: 1px 8px; white-space: nowrap; }
.humeanalytics-table.humeanalytics-table td.n { text-align: right; font-variant-numeric: tabular-nums; }
.humeanalytics-table.humeanalytics-table td.null { opacity: .4; }
.humeanalytics-table p { font-size: 11px; opacity: .6; margin: 2px 8px; }
</style>
""".strip().replace("\n", "")


_FIRST = "The first {} rows. In Python .df(), .pl(), .arrow() and .to_csv(path) give all, on the command line --json and -o FILE."


def text(head: pa.Table, more: bool) -> str:
    """Return the first rows of an answer as a table of characters."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        drawn = str(connection.from_arrow(head)).rstrip()
    return f"{drawn}\n{_FIRST.format(head.num_rows)}" if more else drawn


def html(head: pa.Table, more: bool) -> str:
    """Return the first rows of an answer as HTML: scores with a bar in Hume's colour of the expression."""
    colours = _colours()
    header = "".join(f"<th>{escape(field.name)}<small>{escape(_type_name(field.type))}</small></th>" for field in head.schema)
    columns = [
        [_cell(value, field, colours.get(field.name)) for value in column.to_pylist()]
        for field, column in zip(head.schema, head.columns, strict=True)
    ]
    body = "".join(f"<tr>{''.join(cells)}</tr>" for cells in zip(*columns, strict=True))
    count = f"{head.num_rows} row{'s' * (head.num_rows != 1)}"
    note = f"the first {count}; .df(), .pl() and .arrow() give all" if more else count
    return (
        f'<div class="humeanalytics-table">{STYLE}<table><thead><tr>{header}</tr></thead><tbody>{body}</tbody></table>'
        f"<p>{note}, {head.num_columns} column{'s' * (head.num_columns != 1)}</p></div>"
    )


def _colours() -> dict[str, str]:
    return {name.column: name.colour for name in vocabulary.names() if name.colour}


def _type_name(type_: pa.DataType) -> str:
    return "UTC" if pa.types.is_timestamp(type_) and type_.tz else str(type_)


def _cell(value: Any, field: pa.Field, colour: str | None) -> str:
    if value is None:
        return '<td class="null">null</td>'
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return f"<td{_title(value)}>{escape(_short(value))}</td>"
    if isinstance(value, int):
        return f'<td class="n">{value}</td>'
    drawn = f"{value:.4g}" if math.isfinite(value) and (abs(value) < 1e-3 or abs(value) >= 1e5) and value else f"{value:.3f}"
    if colour and math.isfinite(value):
        filled = f"{min(max(value, 0.0), 1.0):.1%}"
        bar = f"background: linear-gradient(to right, {colour}99 {filled}, transparent {filled})"
        return f'<td class="n" style="{bar}">{drawn}</td>'
    return f'<td class="n">{drawn}</td>'


def _short(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds").replace("+00:00", "Z")
    shown = str(value)
    if _ID.fullmatch(shown):
        return f"{shown[:_ID_CHARACTERS]}…"
    return shown if len(shown) <= _TEXT_CHARACTERS else f"{shown[: _TEXT_CHARACTERS - 1]}…"


def _title(value: Any) -> str:
    return f' title="{escape(str(value))}"' if len(str(value)) > _TEXT_CHARACTERS or _ID.fullmatch(str(value)) else ""
