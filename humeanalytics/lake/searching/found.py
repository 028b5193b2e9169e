"""What a search finds, as a table."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from humeanalytics.lake.searching.asking import Wanted
from humeanalytics.lake.searching.index import Hit
from humeanalytics.lake.searching.marking import hits_in, marked, snippet_of
from humeanalytics.tables.schema import UTC_TIME

_SPAN = pa.struct([pa.field("begin", pa.int64()), pa.field("end", pa.int64())])
FOUND = pa.schema(
    [
        pa.field("rank", pa.int64()),
        pa.field("speaker", pa.string()),
        pa.field("snippet", pa.string()),
        pa.field("timestamp", UTC_TIME),
        *(pa.field(f"{where}_{what}", pa.string()) for where in ("before", "after") for what in ("speaker", "text")),
        *(
            pa.field(f"{name}_{n}", type_)
            for n in (1, 2, 3)
            for name, type_ in (("expression", pa.string()), ("score", pa.float32()))
        ),
        pa.field("message_text", pa.string()),
        pa.field("hits", pa.list_(_SPAN)),
        pa.field("relevance", pa.float64()),
        pa.field("chat_group_id", pa.string()),
        pa.field("chat_id", pa.string()),
        pa.field("event_id", pa.string()),
    ]
)


def found_table(hits: Iterable[Hit], wanted: Wanted) -> pa.Table:
    """Return what was found as a table of `FOUND`, best first."""
    rows = []
    for rank, hit in enumerate(hits, 1):
        places = hits_in(hit.text, wanted)
        row = hit._asdict()
        row |= {"rank": rank, "relevance": -row.pop("cost"), "timestamp": row.pop("at_us"), "message_text": row.pop("text")}
        row |= {"snippet": marked(*snippet_of(hit.text, places)), "hits": [{"begin": b, "end": e} for b, e in places]}
        rows.append(row)
    columns = {field.name: pa.array([row[field.name] for row in rows], field.type) for field in FOUND}
    return pa.Table.from_pydict(columns, schema=FOUND)
