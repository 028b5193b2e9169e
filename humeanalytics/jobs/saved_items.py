"""Items and recordings of saved answers: all that such a file tells of what was scored."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from humeanalytics import recordings
from humeanalytics.jobs.bookkeeping import Row, uri_of
from humeanalytics.jobs.saved_work import Payload
from humeanalytics.jobs.work import name_of
from humeanalytics.tables.flattened import Answer

_SAVED_SUFFIX = re.compile(r"\.jsonl?(?:\.(?:gz|zst))?\Z", re.IGNORECASE)


def saved_item_rows(payload: Payload, new: set[str]) -> Iterator[tuple[str, Row]]:
    """Yield (table, row) for each recording that a saved answer speaks of and that is ``new``: nothing else has told of it."""
    at = datetime.now(UTC)
    done: set[str] = set()
    for answer, recording_id in zip(payload.answers, payload.recording_ids, strict=True):
        if recording_id in done or recording_id not in new:
            continue
        done.add(recording_id)
        uri, name = _place(answer, payload.uri)
        media_type = _media_type(answer)
        item_id = recordings.item_id(uri, recording_id)
        yield "recordings", {"recording_id": recording_id, "md5": answer.source.md5sum, "media_type": media_type}
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


def item_name(answer: Answer, payload_uri: str) -> str:
    """Return what a person calls the item that an answer is about."""
    return _place(answer, payload_uri)[1]


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
