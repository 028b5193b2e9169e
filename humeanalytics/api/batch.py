"""The v0 batch API of Expression Measurement: its six operations and its limits.

Hume switched the live service off on 2026-06-14; the sandbox speaks it, and so may other servers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
import msgspec

from humeanalytics.api.bodies import Upload, form_body, json_body
from humeanalytics.api.downloads import JSON_ARRAY, ZIP, Sink
from humeanalytics.api.http import HumeClient
from humeanalytics.api.job import Job
from humeanalytics.api.job_pages import IncompleteList, jobs_since
from humeanalytics.api.service import Service
from humeanalytics.errors import InvalidAnswer
from humeanalytics.settings import Settings

__all__ = ["LIMITS", "BatchApi", "BatchLimits", "Job", "Upload"]

_JOBS = "/v0/batch/jobs"
#: Predictions asked right after a job completed are refused at times: so many attempts, then it is believed.
_TOO_EARLY = {400: 4}


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """What the service takes, as Hume's documentation of 2025 gives it. Its GB and MB are read as powers of ten."""

    url_size_bytes: int = 1_000_000_000
    file_size_bytes: int = 100_000_000
    text_size_bytes: int = 255_000_000
    urls_per_job: int = 100
    files_per_job: int = 100
    texts_per_job: int = 100
    duration_s: float = 3 * 3600.0
    queued_jobs: int = 500


LIMITS = BatchLimits()


class _Started(msgspec.Struct):
    job_id: str


class BatchApi(Service):
    """The batch API at ``settings.base_url``, with ``settings.key()``. Use with ``async with``.

    Every method raises what `humeanalytics.api.http.HumeClient` does: `ApiError` for what the service refuses (among them
    `ServiceDiscontinued`), `InvalidAnswer`, `ServiceUnreachable`; and the two that start a job `OutcomeUnknown`.

    Args:
        settings: Key, base URL, timeouts, retry policy and rate.
        transport: Takes the network's place, in tests.

    Raises:
        MissingKey: There is no key.

    Examples:
        >>> async def statuses(settings: Settings) -> dict[str, str]:
        ...     async with BatchApi(settings) as batch:
        ...         return {job.job_id: job.status for job in await batch.list_jobs(status=["FAILED"])}
    """

    def __init__(self, settings: Settings, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        super().__init__(HumeClient(settings, base_url=settings.base_url, key=settings.key(), transport=transport))

    async def check(self) -> None:
        """Ask for one job: whether the key is taken, who answers, and what time it is there."""
        await self.list_jobs(limit=1)

    # ------------------------------------------------------------------------------------------------------------ jobs
    async def list_jobs(
        self,
        *,
        limit: int | None = None,
        status: Sequence[str] = (),
        when: str | None = None,
        timestamp_ms: int | None = None,
        sort_by: str | None = None,
        direction: str | None = None,
    ) -> list[Job]:
        """Return one page of the account's jobs; without arguments its 50 newest.

        Args:
            limit: The most jobs to give.
            status: Only jobs in one of these states: ``QUEUED``, ``IN_PROGRESS``, ``COMPLETED``, ``FAILED``.
            when: ``created_before`` or ``created_after``, seen from ``timestamp_ms``.
            timestamp_ms: Unix milliseconds; the server's now by default.
            sort_by: ``created``, ``started`` or ``ended``.
            direction: ``asc`` or ``desc``.
        """
        given = {
            "limit": limit,
            "status": list(status) or None,
            "when": when,
            "timestamp_ms": timestamp_ms,
            "sort_by": sort_by,
            "direction": direction,
        }
        params = {name: value for name, value in given.items() if value is not None}
        return [Job.from_answer(answer) for answer in await self._http.get_json(_JOBS, params, list[dict[str, Any]])]

    async def jobs_since(self, created_after_ms: int) -> list[Job]:
        """Return every job created at ``created_after_ms`` or later, newest first.

        Args:
            created_after_ms: Unix milliseconds by the server's clock. `server_now_ms` is true to about a second: whoever took
                the moment from it should ask from a few seconds earlier.

        Raises:
            InvalidAnswer: The pages do not add up to a complete list. Nothing may be concluded from a job that is missing.
        """

        async def page_before(before_ms: int, limit: int) -> list[Job]:
            return await self.list_jobs(
                limit=limit, when="created_before", timestamp_ms=before_ms, sort_by="created", direction="desc"
            )

        try:
            return await jobs_since(created_after_ms, page_before)
        except IncompleteList as error:
            raise InvalidAnswer(
                f"The list of jobs at {self.origin} cannot be read to its end: it gives {error}. Submissions whose answer was "
                "lost stay unknown, for nothing can be concluded from a job that is missing. Run the same command again later.",
                status=200,
            ) from error

    async def job(self, job_id: str) -> Job:
        """Return one job.

        Raises:
            NotFound: The account of this key has no such job.
        """
        job = Job.from_answer(await self._http.get_json(_path(job_id), None, dict[str, Any]))
        if job.job_id.lower() != job_id.lower():
            raise InvalidAnswer(
                f"Asked for job {job_id}, {self.origin} answered with job {job.job_id}. Check HUME_BASE_URL.", status=200
            )
        return job

    # ---------------------------------------------------------------------------------------------------------- submit
    async def start_from_urls(self, request: Mapping[str, Any]) -> str:
        """Start a job from the URLs and texts in ``request`` and return its id.

        Args:
            request: The body of the call: ``urls``, ``text``, ``models``, ``transcription``, ``callback_url``, ``notify``.

        Raises:
            OutcomeUnknown: It may or may not have been accepted. After any other error nothing was.
        """
        return (await self._http.post(_JOBS, json_body(request), _Started)).job_id

    async def start_from_files(self, request: Mapping[str, Any], uploads: Sequence[Upload]) -> str:
        """Start a job from local files, streamed from disk, and return its id.

        Args:
            request: As in `start_from_urls`; URLs and texts may go with the files.
            uploads: The files.

        Raises:
            OutcomeUnknown: It may or may not have been accepted. After any other error nothing was.
            UnreadableRecording: A file cannot be read, or is not of the size it was planned with.
        """
        return (await self._http.post(_JOBS, form_body(request, uploads), _Started)).job_id

    # --------------------------------------------------------------------------------------------------------- collect
    async def predictions(self, job_id: str, open_sink: Callable[[], Sink]) -> int:
        """Stream the predictions of a completed job, a JSON array, into a sink, and return their size in bytes.

        ``open_sink`` is called once an attempt. Right after the end of a job the service may still refuse (400): that is
        tried again a few times.

        Raises:
            InvalidAnswer: What came is no JSON array, or kept ending early.
            RequestRejected: The job has not completed.
        """
        return await self._http.download(f"{_path(job_id)}/predictions", open_sink, JSON_ARRAY, _TOO_EARLY)

    async def artifacts(self, job_id: str, open_sink: Callable[[], Sink]) -> int:
        """Stream the artifacts of a completed job, a ZIP archive, into a sink, and return their size in bytes.

        Raises:
            InvalidAnswer: What came is no ZIP archive, or kept ending early.
        """
        return await self._http.download(f"{_path(job_id)}/artifacts", open_sink, ZIP, _TOO_EARLY)


def _path(job_id: str) -> str:
    return f"{_JOBS}/{quote(job_id, safe='')}"
