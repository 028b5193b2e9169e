"""What the lake knows already of saved answers: scorings, recordings, items, payloads."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from humeanalytics.jobs.sameness import Met, Sameness, jobs_of
from humeanalytics.jobs.saved_work import Payload
from humeanalytics.lake.lake import Lake

_SCORING = ("scoring_id", "recording_id", "model", "fingerprint", "rows", "file", "response_id", "hume_job_id")


def known_ties(lake: Lake) -> dict[str, str]:
    """Return which ids of recordings are tied to others."""
    return {row["alias_id"]: row["recording_id"] for row in _rows(lake, "recording_aliases", ("alias_id", "recording_id"))}


def recordings_by_md5(lake: Lake) -> dict[str, str]:
    """Return the recordings whose bytes were seen, by the id they would have if only their md5 sum were known."""
    seen = _rows(lake, "recordings", ("recording_id", "sha256", "md5"))
    return {f"md5:{row['md5']}": row["recording_id"] for row in seen if row["sha256"] and row["md5"]}


def look_up(lake: Lake, sameness: Sameness, payloads: Iterable[Payload]) -> None:
    """Let ``sameness`` know every scoring of the lake that could be one of these payloads', and all of its payload."""
    prints = sorted({answer.fingerprint for payload in payloads for answer in payload.answers if answer.rows})
    alike = list(_rows(lake, "scorings", _SCORING, fingerprint=prints))
    responses = sorted({row["response_id"] for row in alike if row["response_id"]})
    beside = list(_rows(lake, "scorings", _SCORING, response_id=responses))
    recordings = sorted(sameness.same_as(each for payload in payloads for each in payload.recording_ids))
    same_ids = list(_rows(lake, "scorings", _SCORING, recording_id=recordings))
    uris = {
        row["response_id"]: row["uri"] or "" for row in _rows(lake, "responses", ("response_id", "uri"), response_id=responses)
    }
    for row in (*alike, *beside, *same_ids):
        response_id, job_id = row["response_id"] or row["scoring_id"], row["hume_job_id"]
        place = (row["scoring_id"], row["recording_id"], row["model"], row["fingerprint"], row["rows"] or 0, row["file"] or "")
        sameness.add(Met(*place, response_id, jobs_of(uris.get(response_id, ""), job_id)))


def known_payloads(lake: Lake, payloads: Collection[Payload]) -> set[tuple[str, str]]:
    """Return which of some payloads are in the lake already, from the very same place: (response id, URI)."""
    wanted = sorted({payload.response_id for payload in payloads})
    return {(row["response_id"], row["uri"]) for row in _rows(lake, "responses", ("response_id", "uri"), response_id=wanted)}


def item_names(lake: Lake, recording_ids: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield (recording id, name) of the items of some recordings."""
    for row in _rows(lake, "items", ("recording_id", "name"), recording_id=sorted(recording_ids)):
        yield row["recording_id"], row["name"] or ""


def places_met(lake: Lake, scorings: Collection[str]) -> dict[str, int]:
    """Return for some scorings in how many places each was met: files, members of archives, downloads."""
    more: dict[str, set[tuple[str, str]]] = {scoring: set() for scoring in scorings}
    columns = ("scoring_id", "response_id", "uri")
    for row in _rows(lake, "scoring_sources", columns, scoring_id=sorted(scorings)):
        more[row["scoring_id"]].add((row["response_id"], row["uri"]))
    return {scoring: 1 + len(places) for scoring, places in more.items()}


def _rows(lake: Lake, table: str, columns: Collection[str], **wanted: Collection[str]) -> Iterator[dict[str, Any]]:
    """Yield rows of a table, of those whose column has one of the wanted values if any are."""
    for name, values in wanted.items():
        if not values:
            return
        value_set = pa.array(list(values), pa.string())
        for rows in lake.stored(table, tuple(columns)):
            yield from rows.filter(pc.is_in(rows[name], value_set=value_set)).to_pylist()
    if not wanted:
        for rows in lake.stored(table, tuple(columns)):
            yield from rows.to_pylist()
