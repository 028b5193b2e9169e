"""What the lake knows already of saved answers: scorings, recordings, items, payloads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from humeanalytics.jobs.sameness import ALONE, Met, Sameness, jobs_of, namespace_of, payload_key
from humeanalytics.jobs.saved_items import place_of
from humeanalytics.jobs.saved_work import Payload
from humeanalytics.lake.lake import Lake
from humeanalytics.tables.schema import schema_of

_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_SOURCE = ("scoring_id", "response_id", "uri")
_SCORING = ("scoring_id", "recording_id", "model", "fingerprint", "rows", "file", "response_id", "hume_job_id")


def known_ties(lake: Lake, load_ids: Collection[str] = ()) -> list[tuple[str, str]]:
    """Return which ids of recordings are tied to others, as all loads or some of them say."""
    rows = _rows(lake, "recording_aliases", ("alias_id", "recording_id"), **({"load_id": load_ids} if load_ids else {}))
    return [(row["alias_id"], row["recording_id"]) for row in rows]


def recordings_by_md5(lake: Lake) -> dict[str, str]:
    """Return the recordings whose bytes were seen, by the id they would have if only their md5 sum were known."""
    seen = _rows(lake, "recordings", ("recording_id", "sha256", "md5"))
    return {f"md5:{row['md5']}": row["recording_id"] for row in seen if row["sha256"] and row["md5"]}


def look_up(lake: Lake, sameness: Sameness, payloads: Iterable[Payload]) -> None:
    """Let ``sameness`` know every scoring of the lake that could be one of these payloads', and all of its payload."""
    prints = {answer.fingerprint for payload in payloads for answer in payload.answers if answer.rows}
    recordings = sameness.same_as(each for payload in payloads for each in payload.recording_ids)
    alike = _scorings(lake, fingerprint=prints)
    responses = {row["response_id"] for row in alike if row["response_id"]}
    sources = list(_rows(lake, "scoring_sources", _SOURCE, response_id=responses))
    beside = _scorings(lake, scoring_id={row["scoring_id"] for row in sources})
    scorings = [*alike, *_scorings(lake, recording_id=recordings), *_scorings(lake, response_id=responses), *beside]
    _learn(lake, sameness, scorings, sources)


def learn_loads(lake: Lake, sameness: Sameness, load_ids: Collection[str]) -> None:
    """Let ``sameness`` know all scorings and ties of some loads."""
    for one, other in known_ties(lake, load_ids) if load_ids else ():
        sameness.tie(one, other)
    _learn(lake, sameness, _scorings(lake, load_id=load_ids), list(_rows(lake, "scoring_sources", _SOURCE, load_id=load_ids)))


def _learn(lake: Lake, sameness: Sameness, scorings: list[dict[str, Any]], sources: list[dict[str, Any]]) -> None:
    """Take note of scorings, and of the payloads that these were met in once more."""
    wanted = {row["response_id"] or "" for row in (*scorings, *sources)}
    columns = ("response_id", "uri", "hume_job_id", "kind", "received_at")
    places: dict[str, list[tuple[str, str | None]]] = defaultdict(list)
    alone: set[str] = set()
    for row in sorted(_rows(lake, "responses", columns, response_id=wanted), key=lambda row: row["received_at"] or _LONG_AGO):
        places[row["response_id"]].append((row["uri"] or "", row["hume_job_id"]))
        alone |= {row["response_id"]} if row["kind"] == ALONE else set()
    for row in scorings:
        response_id = row["response_id"] or row["scoring_id"]
        of_rows = (row["model"], row["fingerprint"], row["rows"] or 0, row["file"] or "")
        uri, job_id = _first_met(row, places[response_id])
        jobs = jobs_of(uri, job_id or row["hume_job_id"])
        key = payload_key(response_id, uri, job_id)
        sameness.add(Met(row["scoring_id"], row["recording_id"], *of_rows, key, jobs, response_id in alone))
    noted = {row["scoring_id"] for row in scorings}
    for row in sources:
        if row["scoring_id"] in noted:
            job_id = dict(places[row["response_id"]]).get(row["uri"])
            key = payload_key(row["response_id"], row["uri"], job_id)
            sameness.add_source(row["scoring_id"], key, jobs_of(row["uri"], job_id))


def _first_met(scoring: dict[str, Any], places: Sequence[tuple[str, str | None]]) -> tuple[str, str | None]:
    """Return where a scoring was met first: URI and Hume's id of the job. Of several places the id of its recording may tell."""
    for uri, job_id in places:
        if scoring["recording_id"].startswith(f"name:{namespace_of(uri, job_id, scoring['response_id'])}/"):
            return uri, job_id
    return places[0] if places else ("", None)


def _scorings(lake: Lake, **wanted: Collection[str]) -> list[dict[str, Any]]:
    return list(_rows(lake, "scorings", _SCORING, **wanted))


def known_payloads(lake: Lake, payloads: Collection[Payload]) -> set[tuple[str, str]]:
    """Return which of some payloads are in the lake already, from the very same place: (response id, URI)."""
    wanted = {payload.response_id for payload in payloads}
    return {(row["response_id"], row["uri"]) for row in _rows(lake, "responses", ("response_id", "uri"), response_id=wanted)}


def items_of(lake: Lake, recording_ids: Collection[str]) -> list[dict[str, Any]]:
    """Return the items of some recordings as they were last written, without their load."""
    columns = [name for name in schema_of("items").names if name != "load_id"]
    newest: dict[str, dict[str, Any]] = {}
    for row in _rows(lake, "items", columns, recording_id=recording_ids):
        before = newest.get(row["item_id"])
        if before is None or (before["seen_at"] or _LONG_AGO) <= (row["seen_at"] or _LONG_AGO):
            newest[row["item_id"]] = row
    return sorted(newest.values(), key=lambda row: row["item_id"])


def labels_of(lake: Lake, item_ids: Collection[str]) -> dict[str, dict[str, str]]:
    """Return the labels of some items as they hold now, by item and key."""
    newest: dict[tuple[str, str], tuple[datetime, str, str]] = {}
    for row in _rows(lake, "labels", ("item_id", "key", "value", "set_at", "load_id"), item_id=item_ids):
        said, place = (row["set_at"] or _LONG_AGO, row["load_id"], row["value"] or ""), (row["item_id"], row["key"])
        newest[place] = max(said, newest.get(place, said))
    labels: dict[str, dict[str, str]] = defaultdict(dict)
    for (item_id, key), (_, _, value) in newest.items():
        if value:
            labels[item_id][key] = value
    return labels


def unseen_recordings(lake: Lake) -> set[str]:
    """Return the ids of all recordings that have items and are known by less than their bytes."""
    return {row["recording_id"] for row in _rows(lake, "items", ("recording_id",)) if ":" in row["recording_id"]}


def measured_by_v1(lake: Lake, recording_ids: Collection[str]) -> dict[str, tuple[str, float | None]]:
    """Return which model of v1 measured some recordings, and how many seconds of sound it received, where that is known."""
    models = {
        row["recording_id"]: row["model"]
        for row in _rows(lake, "scorings", ("recording_id", "api", "model"), recording_id=recording_ids)
        if row["api"] == "expression"
    }
    received: dict[str, float] = {}
    for row in _rows(lake, "uploads", ("recording_id", "received_s"), recording_id=models.keys()):
        if row["received_s"] is not None:
            received[row["recording_id"]] = max(row["received_s"], received.get(row["recording_id"], 0.0))
    return {recording_id: (model, received.get(recording_id)) for recording_id, model in models.items()}


def scored_uris(lake: Lake) -> set[str]:
    """Return where recordings lie whose bytes were seen. (Not by SQL: that would take 60 MB more of memory.)"""
    rows = _rows(lake, "items", ("recording_id", "uri"))
    return {row["uri"] for row in rows if ":" not in row["recording_id"]}


def item_places(lake: Lake, recording_ids: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield (recording id, place) of the items of some recordings, as `saved_items.place_of` has it."""
    for row in _rows(lake, "items", ("recording_id", "uri", "name"), recording_id=recording_ids):
        yield row["recording_id"], place_of(row)


def recordings_of(lake: Lake, files: Collection[str], scorings: Collection[str]) -> set[str]:
    """Return the recordings that some saved files are about, which are in the lake, and some scorings."""
    known = set(files)
    responses = {
        row["response_id"]
        for row in _rows(lake, "responses", ("response_id", "uri"))
        if any(place in known for place in _places(row["uri"] or ""))
    }
    touched = {row["scoring_id"] for row in _rows(lake, "scoring_sources", ("scoring_id",), response_id=responses)}
    found = (*_scorings(lake, scoring_id=touched | set(scorings)), *_scorings(lake, response_id=responses))
    return {row["recording_id"] for row in found}


def payloads_of(lake: Lake, files: Collection[str]) -> set[tuple[str, str]]:
    """Return the payloads of chats that some saved files are, or hold: (response id, URI)."""
    rows = _rows(lake, "responses", ("response_id", "uri", "api"), api={"evi"})
    known = set(files)
    return {(row["response_id"], row["uri"]) for row in rows if any(place in known for place in _places(row["uri"] or ""))}


def items_by_chat(lake: Lake) -> defaultdict[str, list[str]]:
    """Return the ids of the items that chats have, by the id of the chat as a recording."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for row in _rows(lake, "items", ("recording_id", "item_id")):
        if row["recording_id"].startswith("chat:") and row["item_id"] not in found[row["recording_id"]]:
            found[row["recording_id"]].append(row["item_id"])
    return found


def _places(uri: str) -> Iterator[str]:
    """Yield a URI and, of a member of an archive, what may be the archive's."""
    parts = uri.split("!/")
    for count in range(1, len(parts) + 1):
        yield "!/".join(parts[:count])


def places_met(lake: Lake, scorings: Collection[str]) -> dict[str, int]:
    """Return for some scorings in how many places each was met: files, members of archives, downloads."""
    more: dict[str, set[tuple[str, str]]] = {scoring: set() for scoring in scorings}
    columns = ("scoring_id", "response_id", "uri")
    for row in _rows(lake, "scoring_sources", columns, scoring_id=scorings):
        more[row["scoring_id"]].add((row["response_id"], row["uri"]))
    return {scoring: 1 + len(places) for scoring, places in more.items()}


def _rows(lake: Lake, table: str, columns: Collection[str], **wanted: Collection[str]) -> Iterator[dict[str, Any]]:
    """Yield rows of a table; where a column and values are given, those that have one of them in it."""
    for name, values in wanted.items():
        value_set = pa.array(sorted(values), pa.string())
        for rows in lake.stored(table, tuple({*columns, name})) if values else ():
            yield from rows.filter(pc.is_in(rows[name], value_set=value_set)).to_pylist()
    if not wanted:
        for rows in lake.stored(table, tuple(columns)):
            yield from rows.to_pylist()
