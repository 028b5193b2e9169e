"""A run of v1 as the service tells it: one upload, or one realtime session, and what was billed for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from typing import Any

import msgspec

from humeanalytics.errors import InvalidAnswer


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run. What the answer does not tell, or tells as null, is None (or empty); enumerations are open.

    Attributes:
        run_id: Hume's id, which the answer to the upload tells too.
        status: ``live``, ``ended``, ``errored``, or whatever else Hume may say.
        endpoint: ``audio`` or ``video``.
        mode: ``file`` for uploads, ``realtime`` for sessions.
        started_at, ended_at: By the server's clock, in UTC.
        bytes_received: Bytes of media the server took in; None until the run has ended.
        bytes_recorded: How much of it was stored; None where media is not stored.
        metered_s: Seconds billed: at least 10 once a run has ended, 0 for an upload that failed.
        user_id: Whose key it was.
        config: The settings in force, defaults among them; empty in lists.
        close_code, close_reason: How a realtime session ended.
        raw: The whole run, as it came.
    """

    run_id: str
    status: str = ""
    endpoint: str = ""
    mode: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    bytes_received: int | None = None
    bytes_recorded: int | None = None
    metered_s: float | None = None
    user_id: str | None = None
    config: Mapping[str, Any] = {}
    close_code: int | None = None
    close_reason: str | None = None
    raw: Mapping[str, Any] = {}

    def __repr__(self) -> str:
        return f"<Run {self.run_id} {self.status}>"

    @property
    def failed(self) -> bool:
        """Whether it ended without a measurement, for which nothing is billed."""
        return self.status == "errored" and self.mode == "file" and not self.metered_s

    @classmethod
    def from_answer(cls, answer: Mapping[str, Any]) -> Run:
        """Read a run from an answer, key by key.

        Raises:
            InvalidAnswer: It has no ``run_id``.

        Examples:
            >>> Run.from_answer({"run_id": "0199c3e1", "status": "ended", "metered_seconds": 10.0})
            <Run 0199c3e1 ended>
        """
        run_id = answer.get("run_id")
        if not isinstance(run_id, str) or not run_id:
            raise InvalidAnswer(
                f"A run came without a run_id; it has: {', '.join(sorted(map(str, answer)))[:200]}. "
                "Check HUME_EXPRESSION_BASE_URL.",
                status=200,
            )
        config = answer.get("config")
        return cls(
            run_id=run_id,
            status=_text(answer.get("status")) or "",
            endpoint=_text(answer.get("endpoint")) or "",
            mode=_text(answer.get("mode")) or "",
            started_at=_moment(answer.get("started_at")),
            ended_at=_moment(answer.get("ended_at")),
            bytes_received=_integer(answer.get("bytes_received")),
            bytes_recorded=_integer(answer.get("bytes_recorded")),
            metered_s=_number(answer.get("metered_seconds")),
            user_id=_text(answer.get("user_id")),
            config=config if isinstance(config, Mapping) else {},
            close_code=_integer(answer.get("close_code")),
            close_reason=_text(answer.get("close_reason")),
            raw=answer,
        )


@dataclass(frozen=True, slots=True)
class RunEvent:
    """One problem in a run's log: ``seq`` from 1, ``at`` in UTC, its ``kind``, and what goes with that kind."""

    seq: int | None
    at: datetime | None
    kind: str
    detail: Mapping[str, Any]

    @classmethod
    def from_answer(cls, answer: Mapping[str, Any]) -> RunEvent:
        """Read an event from an answer, key by key."""
        detail = answer.get("detail")
        return cls(
            _integer(answer.get("seq")),
            _moment(answer.get("at")),
            _text(answer.get("kind")) or "",
            detail if isinstance(detail, Mapping) else {},
        )


@dataclass(frozen=True, slots=True)
class RunLog:
    """The log of a run. Only realtime sessions write one.

    Attributes:
        events: In order.
        at_cap: Whether the log is full and later events are missing.
        capped_kinds: Kinds of events that are no longer noted.
        gaps: Whether events are missing in between.
    """

    events: tuple[RunEvent, ...] = ()
    at_cap: bool = False
    capped_kinds: tuple[str, ...] = ()
    gaps: bool = False


def as_rfc3339(moment: datetime) -> str:
    """Return a time as the service takes it, in UTC.

    Raises:
        ValueError: It does not tell its time zone, so it may mean any of many moments.

    Examples:
        >>> as_rfc3339(datetime(2026, 10, 6, 12, 0, tzinfo=UTC))
        '2026-10-06T12:00:00.000000Z'
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no time zone; give it one, for example datetime(..., tzinfo=UTC)")
    return moment.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _number(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**63
    return float(value) if is_number and isfinite(value) else None


def _integer(value: Any) -> int | None:
    number = _number(value)
    return int(value) if number is not None and number.is_integer() else None


def _moment(value: Any) -> datetime | None:
    """A time of day in UTC. One without a zone is the server's, which counts in UTC."""
    if not isinstance(value, str):
        return None
    try:
        moment = msgspec.convert(value, datetime)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (msgspec.ValidationError, ValueError, OverflowError):
        return None
