"""Which files of words a lake has read, and what each reading told."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime

import pyarrow.compute as pc

from humeanalytics.jobs.bookkeeping import Row
from humeanalytics.lake.lake import Lake
from humeanalytics.tables.words import Words


def known_sources(lake: Lake) -> tuple[set[str], dict[str, set[str]]]:
    """Return what was read before: the ids of all sources, and of each file those of its newest reading."""
    known: set[str] = set()
    newest: dict[str, tuple[datetime, set[str]]] = {}
    for rows in lake.stored("word_sources", ("source_id", "uri", "read_at")):
        for row in rows.to_pylist():
            known.add(row["source_id"])
            at, sources = newest.get(row["uri"], (row["read_at"], set()))
            if row["read_at"] >= at:
                newest[row["uri"]] = (row["read_at"], {row["source_id"], *(sources if row["read_at"] == at else ())})
    return known, {uri: sources for uri, (_, sources) in newest.items()}


def source_row(words: Words, recording_id: str, uri: str, sha256: str, at: datetime) -> Row:
    """Return the row of `word_sources` for what one file tells of one recording. Its id is the same wherever the file lies."""
    told = words.table
    identity = "\n".join((recording_id, sha256, words.of or ""))
    timed = pc.and_(pc.is_valid(told["begin_s"]), pc.is_valid(told["end_s"]))
    return {
        "source_id": hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()[:32],
        "recording_id": recording_id,
        "uri": uri,
        "sha256": sha256,
        "form": words.form,
        "language": words.language,
        "rows": len(told),
        "words": pc.sum(pc.equal(told["level"], "word")).as_py() or 0,
        "texts": pc.sum(pc.greater(pc.binary_length(told["text"]), 0)).as_py() or 0,
        "untimed": len(told) - (pc.sum(timed).as_py() or 0),
        "speakers": pc.count_distinct(told["speaker_id"], mode="only_valid").as_py(),
        "left_out_json": json.dumps(words.left_out, ensure_ascii=False) if words.left_out else None,
        "read_at": at,
    }
