"""Items and recordings of saved answers: all that such a file tells of what was scored."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from humeanalytics import recordings
from humeanalytics.jobs.bookkeeping import Row, uri_of
from humeanalytics.jobs.sameness import is_random
from humeanalytics.jobs.work import name_of
from humeanalytics.tables.flattened import Answer

_ALONE = re.compile(r"\.csv(?:\.(?:gz|zst))?#0/", re.IGNORECASE)
_INNER = re.compile(r".*#\d+/(.*)", re.DOTALL)
_IN_ARCHIVE = re.compile(r"!/(.*)", re.DOTALL)
_SAVED_SUFFIX = re.compile(r"\.jsonl?(?:\.(?:gz|zst))?\Z", re.IGNORECASE)


def saved_item_rows(payload_uri: str, new: Iterable[tuple[Answer, str]]) -> Iterator[tuple[str, Row]]:
    """Yield (table, row) for places of recordings, each as an answer and a recording id, that nothing else has told of."""
    at = datetime.now(UTC)
    for answer, recording_id in new:
        uri, name = _place(answer, payload_uri)
        media_type = _media_type(answer)
        item_id = recordings.item_id(uri, recording_id)
        md5 = answer.source.md5sum if recording_id.startswith("md5:") else None  # else it is the archive's
        yield "recordings", {"recording_id": recording_id, "md5": md5, "media_type": media_type}
        yield (
            "items",
            {
                "item_id": item_id,
                "recording_id": recording_id,
                "uri": uri,
                "name": name,
                "media_type": media_type,
                "excluded_reason": None,
                "seen_at": at,
            },
        )


def place_of(item: Row) -> str:
    """Return by what the place of an item is known again in another form: the file as Hume names it, else the item's name.

    >>> place_of({"recording_id": "md5:1", "uri": "/data/predictions.json#0/day 1/a.wav", "name": "a.wav"})
    'day 1/a.wav'
    """
    return _known_by(item["uri"], item["name"] or "") if ":" in item["recording_id"] else item["name"] or ""


def has_no_name(item: Row) -> bool:
    """Tell whether an item has no name of its own: the platform's random number, or that of a CSV that came alone."""
    return is_random(item["name"] or "") or _ALONE.search(item["uri"]) is not None


def place_and_name(answer: Answer, payload_uri: str) -> tuple[str, str]:
    """Return by what the place of an answer is known again, and what a person calls it."""
    uri, name = _place(answer, payload_uri)
    return _known_by(uri, name), name


def _known_by(uri: str, name: str) -> str:
    found = _IN_ARCHIVE.search(uri) if "://" in uri else _INNER.search(uri)
    return found[1] if found else name


def _place(answer: Answer, path: str) -> tuple[str, str]:
    """Where a recording was, as far as the answer tells: its URL, else its place in the file it was read from."""
    if answer.parts is not None:  # which tells of no file: the one it was saved in may be called after it
        name = _SAVED_SUFFIX.sub("", name_of(path.rpartition("!/")[2]))
        return (f"{path}#{answer.source.index}" if answer.source.index else path), name
    if answer.source.type == "url" and answer.source.url:
        url = uri_of(answer.source.url)
        name = name_of(url)
        return (url, name) if answer.file in (name, "") else (f"{url}!/{answer.file}", name_of(answer.file))
    inner = f"{answer.file}#{answer.copy}" if answer.copy else answer.file
    return f"{path}#{answer.source.index}/{inner}", name_of(answer.file)


def _media_type(answer: Answer) -> str | None:
    told = (answer.file_type or "").partition("_")[0]
    return told if told in ("video", "audio", "image", "text") else recordings.media_type_of(answer.file)
