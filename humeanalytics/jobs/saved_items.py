"""Items and recordings of saved answers: all that such a file tells of what was scored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from humeanalytics import recordings
from humeanalytics.jobs.bookkeeping import Row, uri_of
from humeanalytics.jobs.taking_in import Labelling
from humeanalytics.jobs.work import Source, name_of
from humeanalytics.lake.lake import Lake
from humeanalytics.tables.flattened import Answer, Flattened


def known_recordings(lake: Lake) -> Callable[[str], str]:
    """Return a function that turns an id of which only part is known into the recording's, where the lake knows it.

    An md5 sum is known from the recordings that were sent or tied; anything else from ``recording_aliases``.
    """
    aliases = {
        row["alias_id"]: row["recording_id"] for row in lake.sql("SELECT alias_id, recording_id FROM recording_aliases").rows()
    }
    by_md5 = "SELECT 'md5:' || md5 AS alias_id, recording_id FROM recordings WHERE md5 IS NOT NULL AND sha256 IS NOT NULL"
    aliases |= {row["alias_id"]: row["recording_id"] for row in lake.sql(by_md5).rows()}
    return lambda recording_id: aliases.get(recording_id, recording_id)


def saved_item_rows(
    flattened: Flattened, recording_ids: Sequence[str], path: str, labelling: Labelling
) -> Iterator[tuple[str, Row]]:
    """Yield (table, row) for each recording that a saved answer speaks of and that nothing else has told of."""
    at = datetime.now(UTC)
    done: set[str] = set()
    for answer, recording_id in zip(flattened.answers, recording_ids, strict=True):
        if recording_id in done or ":" not in recording_id:
            continue
        done.add(recording_id)
        uri, name = _place(answer, path)
        labels, excluded_reason = labelling.of(Source(uri if "://" in uri else answer.file, "file"))
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
                "excluded_reason": excluded_reason,
                "seen_at": at,
            },
        )
        for key, value in labels.items():
            yield "labels", {"item_id": item_id, "key": key, "value": value, "set_at": at}


def _place(answer: Answer, path: str) -> tuple[str, str]:
    """Where a recording was, as far as the answer tells: its URL, else its place in the file it was read from."""
    if answer.source.type == "url" and answer.source.url:
        url = uri_of(answer.source.url)
        name = name_of(url)
        return (url, name) if answer.file in (name, "") else (f"{url}!/{answer.file}", name_of(answer.file))
    inner = f"{answer.file}#{answer.copy}" if answer.copy else answer.file
    return f"{path}#{answer.source.index}/{inner}", name_of(answer.file)


def _media_type(answer: Answer) -> str | None:
    told = (answer.file_type or "").partition("_")[0]
    return told if told in ("video", "audio", "image", "text") else recordings.media_type_of(answer.file)
