"""Read from the details of v0 jobs, which hold no scores, when each job ended."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

_DEPTH = 4


def ended_at(data: bytes) -> dict[str, datetime]:
    """Return when jobs ended, by Hume's id of the job: those that the details or a list of them tell of.

    Hume counts milliseconds since 1970 in UTC (``state.ended_timestamp_ms``). What is broken or tells no time is left out.

    >>> details = b'{"job_id": "8c5f", "request": {}, "state": {"status": "COMPLETED", "ended_timestamp_ms": 1712587158800}}'
    >>> ended_at(details)["8c5f"].isoformat()
    '2024-04-08T14:39:18.800000+00:00'
    """
    try:
        payload = msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return dict(_told(payload, 0))


def _told(value: Any, depth: int) -> Iterator[tuple[str, datetime]]:
    if isinstance(value, list) and depth < _DEPTH:
        for each in value:
            yield from _told(each, depth + 1)
    elif isinstance(value, dict):
        job_id, state = value.get("job_id", value.get("jobId")), value.get("state")
        ended_ms = None
        if isinstance(state, dict):
            ended_ms = state.get("ended_timestamp_ms", state.get("endedTimestampMs"))
        if isinstance(job_id, str) and type(ended_ms) is int and 0 < ended_ms < 1 << 45:
            yield job_id, datetime.fromtimestamp(ended_ms / 1000, UTC)
        elif depth < _DEPTH and job_id is None:
            for each in value.values():
                yield from _told(each, depth + 1)
