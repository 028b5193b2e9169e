"""The six operations of the API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from humeanalytics.sandbox.batch.queue import JobQueue
from humeanalytics.sandbox.batch.requests import InvalidRequest, JobRequest, read_request
from humeanalytics.sandbox.batch.store import Job, JobQuery, JobStore, QueueFull
from humeanalytics.sandbox.batch.uploads import Form, InvalidUpload, Upload, receive_form
from humeanalytics.sandbox.batch.work import Plan, encode_plan
from humeanalytics.sandbox.clock import Clock
from humeanalytics.sandbox.faults import JOBS_PATH, JobFaults
from humeanalytics.sandbox.fingerprints import of_text
from humeanalytics.sandbox.options import SandboxOptions
from humeanalytics.sandbox.replies import JOB_NOT_FOUND, json_reply, refusal

_CHUNK_BYTES = 1 << 17
_STATUSES = ("QUEUED", "IN_PROGRESS", "COMPLETED", "FAILED")


class BatchOperations:
    """Answers to requests about jobs."""

    def __init__(self, store: JobStore, queue: JobQueue, clock: Clock, options: SandboxOptions, user_id: str) -> None:
        self._store = store
        self._queue = queue
        self._clock = clock
        self._options = options
        self._user_id = user_id

    def routes(self) -> list[Route]:
        one = JOBS_PATH + "/{job_id}"
        return [
            Route(JOBS_PATH, self.list_jobs, methods=["GET"]),
            Route(JOBS_PATH, self.start_job, methods=["POST"]),
            Route(one, self.job_details, methods=["GET"]),
            Route(f"{one}/predictions", self.predictions, methods=["GET"]),
            Route(f"{one}/artifacts", self.artifacts, methods=["GET"]),
        ]

    # ---------------------------------------------------------------------------------------------------------- starting
    async def start_job(self, request: Request) -> Response:
        job_id = str(uuid4())
        upload_path = self._store.upload_path(job_id)
        accepted = False
        try:
            body, uploads = await self._receive(request, upload_path)
            asked = read_request(body, self._options)
            if not (asked.urls or asked.texts or uploads):
                raise InvalidRequest("no urls, text or files to process")
            await asyncio.to_thread(self._accept, job_id, asked, uploads, request.state.job_rules)
            accepted = True
        except (InvalidRequest, InvalidUpload) as error:
            return refusal(self._options.validation_status, str(error))
        except _UnsupportedType:
            return refusal(415, "content type must be application/json or multipart/form-data")
        except QueueFull:
            most = self._options.max_queued_jobs
            return refusal(self._options.queue_full_status, f"too many queued jobs; the maximum is {most}")
        except ClientDisconnect:
            return refusal(400, "request body ends early")
        finally:
            if not accepted:
                upload_path.unlink(missing_ok=True)
        return json_reply({"job_id": job_id})

    async def _receive(self, request: Request, upload_path: Path) -> tuple[Any, list[Upload]]:
        content_type = request.headers.get("content-type", "")
        kind = content_type.partition(";")[0].strip().lower()
        if kind == "multipart/form-data":
            form = await receive_form(content_type, request.stream(), upload_path, self._options)
            return self._form_body(form), form.files
        if kind != "application/json":
            raise _UnsupportedType
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > self._options.max_body_bytes:
                raise InvalidRequest(f"request body exceeds the maximum of {self._options.max_body_bytes} bytes")
        return _decode(bytes(body)), []

    def _form_body(self, form: Form) -> Any:
        if not form.files:
            raise InvalidUpload("the form has no part named 'file'")
        if form.unknown and self._options.strict:
            raise InvalidUpload(f"unknown form part {form.unknown[0]!r}")
        body = {} if form.json is None else _decode(form.json)
        return {} if body is None else body

    def _accept(self, job_id: str, asked: JobRequest, uploads: list[Upload], rules: list[Any]) -> None:
        faults = JobFaults.of(rules, f"user '{self._user_id}' has exceeded their usage limit")
        files = [{"filename": u.filename, "content_type": u.content_type, "md5sum": u.md5} for u in uploads]
        plan = Plan(asked.models, asked.transcription, asked.urls, asked.texts, uploads, asked.callback_url, faults)
        prints = [*map(of_text, asked.urls), *(u.sha256 for u in uploads), *map(of_text, asked.texts)]
        created = self._clock.now_ms()
        echo = msgspec.json.encode({**asked.echo, "files": files}).decode()
        self._store.accept(job_id, created, echo, encode_plan(plan), prints, self._options.max_queued_jobs)
        self._queue.add(job_id, created)

    # ------------------------------------------------------------------------------------------------------------ asking
    async def list_jobs(self, request: Request) -> Response:
        try:
            query = self._query(request)
        except InvalidRequest as error:
            return refusal(self._options.validation_status, str(error))
        return json_reply([self._shown(job) for job in self._store.find(query)])

    def _query(self, request: Request) -> JobQuery:
        given = request.query_params
        statuses = tuple(given.getlist("status"))
        for status in statuses:
            if status not in _STATUSES:
                raise InvalidRequest(f"status must be one of {', '.join(_STATUSES)}")
        limit = _integer(given.get("limit", "50"), "limit")
        at = _integer(given.get("timestamp_ms", str(self._clock.now_ms() + 1)), "timestamp_ms")
        when = _choice(given.get("when", "created_before"), "when", ("created_before", "created_after"))
        margin = 0 if self._options.boundary_inclusive else 1
        retention_s = self._options.retention_s
        return JobQuery(
            limit,
            statuses,
            created_from=at + margin if when == "created_after" else None,
            created_to=at - margin if when == "created_before" else None,
            sort_by=_choice(given.get("sort_by", "created"), "sort_by", ("created", "started", "ended")),
            ascending=_choice(given.get("direction", "desc"), "direction", ("asc", "desc")) == "asc",
            ended_from=None if retention_s is None else self._clock.now_ms() - int(retention_s * 1000),
        )

    async def job_details(self, request: Request) -> Response:
        job = self._find(request)
        return json_reply(JOB_NOT_FOUND, 404) if job is None else json_reply(self._shown(job))

    async def predictions(self, request: Request) -> Response:
        return self._result(request, "predictions")

    async def artifacts(self, request: Request) -> Response:
        return self._result(request, "artifacts")

    def _find(self, request: Request) -> Job | None:
        job = self._store.get(request.path_params["job_id"])
        if job is None or self._options.retention_s is None or job.ended is None:
            return job
        return job if job.ended + self._options.retention_s * 1000 >= self._clock.now_ms() else None

    def _result(self, request: Request, what: str) -> Response:
        job = self._find(request)
        if job is None:
            return json_reply(JOB_NOT_FOUND, 404)
        if job.status != "COMPLETED":
            return json_reply({"message": f"job is {job.status}; {what} are not available"}, self._options.not_ready_status)
        if what == "predictions":
            return _file_reply(self._store.predictions_path(job.job_id), "application/json")
        return _file_reply(self._store.artifacts_path(job.job_id), "application/octet-stream")

    def _shown(self, job: Job) -> dict[str, Any]:
        """A job as it is told: only the fields of the state it is in."""
        queued = job.status == "QUEUED"
        state: dict[str, Any] = {
            "status": "PREPARING" if queued and job.faults.get("new_names") else job.status,
            "created_timestamp_ms": job.created,
            "started_timestamp_ms": job.started,
            "ended_timestamp_ms": job.ended,
            "num_predictions": job.num_predictions,
            "num_errors": job.num_errors,
            "message": job.message,
        }
        shown: dict[str, Any] = {
            "type": "INFERENCE",
            "job_id": job.job_id,
            "user_id": self._user_id,
            "request": msgspec.Raw(job.request.encode()),
            "state": {name: value for name, value in state.items() if value is not None},
        }
        if job.faults.get("new_fields"):
            shown |= {"region": {"name": "nowhere", "tier": 3}, "priority": None}
            shown["state"] |= {"progress": 0.5}
        return shown


class _UnsupportedType(Exception):
    pass


def _decode(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"request body is not valid JSON: {error}") from None


def _integer(value: str, name: str) -> int:
    try:
        number = int(value)
    except ValueError:
        raise InvalidRequest(f"{name} must be an integer") from None
    if not 0 <= number < 2**63 - 1:
        raise InvalidRequest(f"{name} must not be negative")
    return number


def _choice(value: str, name: str, values: tuple[str, ...]) -> str:
    if value not in values:
        raise InvalidRequest(f"{name} must be one of {', '.join(values)}")
    return value


def _file_reply(path: Path, media_type: str) -> Response:
    """Stream a file, with its length: an answer that breaks off can be told from one that ends."""

    async def chunks() -> AsyncIterator[bytes]:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk

    return StreamingResponse(chunks(), media_type=media_type, headers={"Content-Length": str(path.stat().st_size)})
