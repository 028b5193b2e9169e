"""A batch job as the service tells it, in any of the shapes it has had."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

import msgspec

from humeanalytics.errors import InvalidAnswer


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One batch job. What the answer does not tell, or tells as null, is None (or empty).

    Attributes:
        job_id: Hume's id.
        status: ``QUEUED``, ``IN_PROGRESS``, ``COMPLETED``, ``FAILED``, or whatever else Hume may say.
        created_ms, started_ms, ended_ms: Unix milliseconds, by the server's clock.
        num_predictions, num_errors: Files with predictions, and errors, of a completed job.
        message: Why it failed.
        urls, texts, md5s: What was submitted, as the request is echoed: URLs (signatures and all), texts, and the md5 sums of
            uploads in hexadecimal.
        request: The whole echo, as it came.
        raw: The whole job, as it came.
    """

    job_id: str
    status: str
    created_ms: int | None = None
    started_ms: int | None = None
    ended_ms: int | None = None
    num_predictions: int | None = None
    num_errors: int | None = None
    message: str | None = None
    user_id: str | None = None
    type: str = "INFERENCE"
    urls: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    md5s: tuple[str, ...] = ()
    request: Mapping[str, Any] = {}
    raw: Mapping[str, Any] = {}

    def __repr__(self) -> str:  # the echo holds signed URLs
        return f"<Job {self.job_id} {self.status}>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("job_id", self.job_id), ("status", self.status)]

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.status in ("COMPLETED", "FAILED") or self.ended_ms is not None

    @classmethod
    def from_answer(cls, answer: Mapping[str, Any]) -> Job:
        """Read a job from an answer of any age.

        Since 2023 the state is an object with times in milliseconds; in 2022 status, times in seconds and counts stood at
        the top. Both are read, key by key.

        Raises:
            InvalidAnswer: It has no ``job_id``.

        Examples:
            >>> Job.from_answer({"job_id": "1f3a", "state": {"status": "QUEUED", "created_timestamp_ms": 5}})
            <Job 1f3a QUEUED>
        """
        job_id = answer.get("job_id")
        if not isinstance(job_id, str) or not job_id:
            raise InvalidAnswer(
                f"A job came without a job_id; it has: {', '.join(sorted(map(str, answer)))[:200]}. Check HUME_BASE_URL.",
                status=200,
            )
        state, request = _object(answer.get("state")), _object(answer.get("request"))
        completed, failed = _object(answer.get("completed")), _object(answer.get("failed"))
        files = [_object(file) for file in _list(request.get("files"))]
        return cls(
            job_id=job_id,
            status=_text(state.get("status")) or _text(answer.get("status")) or "",
            created_ms=_integer(state.get("created_timestamp_ms"), answer.get("creation_timestamp")),
            started_ms=_integer(state.get("started_timestamp_ms")),
            ended_ms=_integer(state.get("ended_timestamp_ms"), answer.get("completion_timestamp")),
            num_predictions=_integer(_first(state.get("num_predictions"), completed.get("num_predictions"))),
            num_errors=_integer(_first(state.get("num_errors"), completed.get("num_errors"))),
            message=_text(state.get("message")) or _text(failed.get("message")) or _text(answer.get("message")),
            user_id=_text(answer.get("user_id")),
            type=_text(answer.get("type")) or "INFERENCE",
            urls=_texts(request.get("urls")),
            texts=_texts(request.get("text")),
            md5s=_texts([file.get("md5sum") for file in files]),
            request=request,
            raw=answer,
        )


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(item for item in _list(value) if isinstance(item, str))


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _integer(value: Any, seconds: Any = None) -> int | None:
    """``value`` as it is, else ``seconds`` in milliseconds, where they are numbers."""
    for number, scale in ((value, 1), (seconds, 1000)):
        if isinstance(number, int | float) and not isinstance(number, bool) and isfinite(number):
            return round(number * scale)
    return None
