"""What is told of runs: pages, cursors, and the questions they answer."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from starlette.datastructures import QueryParams

from humeanalytics.sandbox.expression.refusals import Refused
from humeanalytics.sandbox.expression.runs import Run, RunQuery

_MOST = 200
_USUAL = 50
_CHOICES = {"status": ("live", "ended", "errored"), "mode": ("realtime", "file"), "endpoint": ("audio", "video")}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Query:
    """What was asked for: the rows (one more than fit on a page), the user, how many fit, and what the cursor is tied to."""

    rows: RunQuery
    user_id: str | None
    page_size: int
    filters: str


def read_query(given: QueryParams) -> Query:
    """Read the query of a list of runs; what is not known is ignored.

    Raises:
        Refused: A value does not fit, or the cursor is not one of this list.
    """
    filters = {name: _only(given, name) for name in (*_CHOICES, "user_id", "started_before", "started_after")}
    for name, choices in _CHOICES.items():
        if filters[name] not in (None, *choices):
            raise _invalid(f"{name} must be one of {', '.join(choices)}")
    started = {name: _time(filters[name], name) for name in ("started_after", "started_before")}
    tied_to = hashlib.sha256(msgspec.json.encode(filters)).hexdigest()[:16]
    page_size = _page_size(given)
    rows = RunQuery(
        # Realtime sessions are not emulated, so none is found.
        limit=0 if filters["mode"] == "realtime" else page_size + 1,
        status=filters["status"],
        endpoint=filters["endpoint"],
        started_from=started["started_after"],
        started_to=started["started_before"],
        after=_position(_only(given, "cursor"), tied_to),
    )
    return Query(rows, filters["user_id"], page_size, tied_to)


def runs_page(runs: Sequence[Run], query: Query, user_id: str) -> bytes:
    """Return a page of runs, of which one more may be given than fit."""
    page: dict[str, Any] = {"runs": [told_run(run, user_id) for run in runs[: query.page_size]]}
    if len(runs) > query.page_size:
        last = runs[query.page_size - 1]
        position = msgspec.json.encode([last.started, last.number, query.filters])
        page["next_cursor"] = base64.urlsafe_b64encode(position).decode().rstrip("=")
    return msgspec.json.encode(page)


def told_run(run: Run, user_id: str, whole: bool = False) -> dict[str, Any]:
    """Return a run as it is told: in a list, or ``whole``."""
    told: dict[str, Any] = {
        "run_id": run.run_id,
        "user_id": user_id,
        "status": run.status,
        "endpoint": run.endpoint,
        "mode": "file",
        "started_at": _rfc_3339(run.started),
        "ended_at": None if run.ended is None else _rfc_3339(run.ended),
        "bytes_received": run.bytes_received,
        "bytes_recorded": None,
        "metered_seconds": run.metered_s,
    }
    if whole:
        told |= {"close_code": None, "close_reason": None, "config": msgspec.Raw(run.config.encode())}
    return told


def events_page(given: QueryParams) -> bytes:
    """Return the events of an upload, of which there are none.

    Raises:
        Refused: A value does not fit.
    """
    _page_size(given)
    if _only(given, "cursor") is not None:
        raise _invalid("cursor is not one of this list")
    return msgspec.json.encode({"events": [], "at_cap": False, "capped_kinds": [], "gaps": False})


def _only(given: QueryParams, name: str) -> str | None:
    values = given.getlist(name)
    if len(values) > 1:
        raise _invalid(f"{name} is given more than once")
    return values[0] if values else None


def _page_size(given: QueryParams) -> int:
    text = _only(given, "page_size")
    if text is None:
        return _USUAL
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or not 1 <= int(text) <= _MOST:
        raise _invalid(f"page_size must be 1 to {_MOST}")
    return int(text)


def _time(text: str | None, name: str) -> int | None:
    """Unix time in milliseconds, rounded up: what is whole milliseconds compares with it as with the time itself."""
    if text is None:
        return None
    try:
        if not _RFC_3339.fullmatch(text):
            raise ValueError(text)
        return -((_EPOCH - datetime.fromisoformat(text.upper())) // timedelta(milliseconds=1))
    except (ValueError, OverflowError):
        raise _invalid(f"{name} must be a time in RFC 3339 format") from None


def _position(cursor: str | None, tied_to: str) -> tuple[int, int] | None:
    if cursor is None:
        return None
    try:
        packed = base64.b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        started, number, filters = msgspec.json.decode(packed, type=tuple[int, int, str])
    except (UnicodeEncodeError, binascii.Error, msgspec.DecodeError):
        raise _invalid("cursor is not one of this list") from None
    if filters != tied_to:
        raise _invalid("cursor belongs to a list with other filters")
    return started, number


def _rfc_3339(unix_ms: int) -> str:
    return datetime.fromtimestamp(unix_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _invalid(message: str) -> Refused:
    return Refused("invalid_request", message)
