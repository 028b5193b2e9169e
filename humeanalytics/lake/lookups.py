"""Small tables that the catalog's views look things up in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa

from humeanalytics import vocabulary
from humeanalytics.lake.snapshot import LakeSnapshot
from humeanalytics.tables.schema import HUME_KIND, HUME_NAME, SCORE_TABLES, TABLES

_NAMES = pa.schema(
    [
        ("model", pa.string()),
        ("column", pa.string()),
        ("name", pa.string()),
        ("kind", pa.string()),
        ("colour", pa.string()),
        ("place", pa.int32()),
        ("nth", pa.int32()),
    ]
)


def canonical_ids(ties: Sequence[tuple[str, ...]]) -> pa.Table:
    """Return for each id in a tie one id that stands for all it is tied to."""
    canonical: dict[str, str] = {}

    def find(recording_id: str) -> str:
        while (towards := canonical.setdefault(recording_id, recording_id)) != recording_id:
            recording_id = towards
        return recording_id

    for alias_id, recording_id in ties:
        canonical[find(alias_id)] = find(recording_id)
    ids = sorted(canonical)
    return pa.table({"recording_id": pa.array(ids, pa.string()), "canonical_id": pa.array(map(find, ids), pa.string())})


def known_names(state: LakeSnapshot, tables: Iterable[str]) -> pa.Table:
    """Return every name known or met: by model, in the order of the vocabulary, then what the lake has beyond it."""
    rows: list[dict[str, object]] = []
    for place, model in enumerate(name for name in tables if name in SCORE_TABLES or name not in TABLES):
        known = {name.column: (name.name, name.kind, name.colour) for name in vocabulary.names_of(model)}
        for field in state.tables[model].schema if model in state.tables else ():
            if field.name not in known and HUME_NAME in (field.metadata or {}):
                kind = field.metadata.get(HUME_KIND, b"expression").decode()
                known[field.name] = field.metadata[HUME_NAME].decode(), kind, None
        for nth, (column, (name, kind, colour)) in enumerate(known.items()):
            rows.append(dict(zip(_NAMES.names, (model, column, name, kind, colour, place, nth), strict=True)))
    return pa.Table.from_pylist(rows, schema=_NAMES)
