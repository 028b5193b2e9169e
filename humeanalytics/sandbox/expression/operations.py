"""The five operations of the API."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from humeanalytics.sandbox.clock import Clock
from humeanalytics.sandbox.expression.forms import Form, receive_form
from humeanalytics.sandbox.expression.listing import events_page, read_query, runs_page, told_run
from humeanalytics.sandbox.expression.names import NEW_STATUS
from humeanalytics.sandbox.expression.refusals import AUDIO_PATH, RUNS_PATH, VIDEO_PATH, Refused, new_request_id
from humeanalytics.sandbox.expression.run_faults import RunFaults
from humeanalytics.sandbox.expression.runs import RunStore, new_run_id
from humeanalytics.sandbox.expression.uploads import Measurer, Upload, read_audio, read_video
from humeanalytics.sandbox.options import SandboxOptions

#: Any run that is billed is billed this much at least.
LEAST_METERED_S = 10.0

_Read = Callable[[Form, Measurer], Upload]


@dataclass(slots=True)
class _Run:
    """A run that was measured, or failed: what to say of it once it is time to answer."""

    run_id: str
    upload: Upload
    faults: RunFaults
    answer: dict[str, Any] = field(default_factory=dict)
    billed: list[str] = field(default_factory=list)
    refused: Refused | None = None


class ExpressionOperations:
    """Answers to uploads, and to questions about their runs.

    Args:
        runs: Where runs are kept.
        clock: What time it is.
        seed: The sandbox's seed.
        options: Delays, limits, guesses.
        user_id: Who uploads; stands for the organization too.
    """

    def __init__(self, runs: RunStore, clock: Clock, seed: int, options: SandboxOptions, user_id: str) -> None:
        self._runs = runs
        self._clock = clock
        self._seed = seed
        self._options = options
        self._user_id = user_id
        self._under_way = 0

    def routes(self) -> list[Route]:
        return [
            Route(AUDIO_PATH, self.measure_audio, methods=["POST"]),
            Route(VIDEO_PATH, self.measure_video, methods=["POST"]),
            Route(RUNS_PATH, self.list_runs, methods=["GET"]),
            Route(RUNS_PATH + "/{run_id}", self.get_run, methods=["GET"]),
            Route(RUNS_PATH + "/{run_id}/events", self.list_events, methods=["GET"]),
        ]

    # --------------------------------------------------------------------------------------------------------- measuring
    async def measure_audio(self, request: Request) -> Response:
        return await self._admit(request, read_audio, "audio_too_long")

    async def measure_video(self, request: Request) -> Response:
        return await self._admit(request, read_video, self._options.expression_large_images_code)

    async def _admit(self, request: Request, read: _Read, too_large: str) -> Response:
        request_id = new_request_id()
        most = self._options.expression_most_at_once
        try:
            if not self._options.expression_access:
                raise Refused("forbidden", "this organization has no access to expression measurement")
            if most is not None and self._under_way >= most:
                raise Refused("server_busy", "the server is busy; try again later")
        except Refused as refused:
            with suppress(ClientDisconnect):
                async for _ in request.stream():  # who stops listening is not heard either
                    pass
            return refused.reply(request_id)
        self._under_way += 1
        try:
            return await self._measure(request, read, too_large, request_id)
        except Refused as refused:
            return refused.reply(request_id)
        except ClientDisconnect:
            return Refused("message_invalid", "the request body ends early").reply(request_id)
        finally:
            self._under_way -= 1

    async def _measure(self, request: Request, read: _Read, too_large: str, request_id: str) -> Response:
        faults = RunFaults.of(request.state.job_rules)
        by = Measurer(self._seed, self._options, self._user_id, faults.new_names)
        form = await receive_form(request, self._options.expression_max_body_bytes, too_large)
        arrived_s = time.monotonic()
        run = await asyncio.to_thread(lambda: self._run(read(form, by), form, faults))
        await asyncio.sleep(arrived_s + self._options.expression_delay_s - time.monotonic())
        # Whoever asked may be gone by now. It was measured all the same, and is billed.
        answer = await asyncio.to_thread(self._settle, run, request_id)
        if run.refused is not None:
            raise run.refused
        return Response(answer, media_type="application/json")

    def _run(self, upload: Upload, form: Form, faults: RunFaults) -> _Run:
        started = self._clock.now_ms()
        run = _Run(new_run_id(started), upload, faults)
        if not faults.lose_run:
            self._runs.start(run.run_id, upload.endpoint, started, upload.config, visible=not self._hidden_s(faults))
        try:
            run.answer = upload.measure(started)
            if faults.fail_run:
                raise Refused("internal_error", "measurement failed")
            run.billed = [hashlib.sha256(file.data).hexdigest() for file in form.files]
        except Refused as refused:
            run.refused = refused
        return run

    def _settle(self, run: _Run, request_id: str) -> bytes:
        """Write down how a run ended and what it costs, then return the answer."""
        upload, faults, now_ms = run.upload, run.faults, self._clock.now_ms()
        hidden_s = self._hidden_s(faults)
        self._runs.end(
            run.run_id,
            now_ms,
            status="errored" if run.refused else NEW_STATUS if faults.new_names else "ended",
            visible=now_ms + int(hidden_s * 1000) if hidden_s else None,
            bytes_received=upload.media_bytes,
            metered_s=0.0 if run.refused else max(LEAST_METERED_S, upload.media_s),
            billed=run.billed,
        )
        answer = {"request_id": request_id, "run_id": run.run_id, "received": upload.received, **run.answer}
        if faults.new_fields and not run.refused:
            answer |= {"region": {"name": "nowhere", "tier": 3}, "received": {**upload.received, "channels": 1}}
            answer["measurements"] = [{**measurement, "snr_db": 31.5} for measurement in answer["measurements"]]
        return msgspec.json.encode(answer)

    def _hidden_s(self, faults: RunFaults) -> float:
        return faults.hide_run or self._options.expression_visible_after_s

    # ------------------------------------------------------------------------------------------------------------ asking
    async def list_runs(self, request: Request) -> Response:
        try:
            query = read_query(request.query_params)
        except Refused as refused:
            return refused.reply(new_request_id())
        of_others = query.user_id not in (None, self._user_id)
        runs = [] if of_others else self._runs.find(query.rows, self._clock.now_ms())
        return Response(runs_page(runs, query, self._user_id), media_type="application/json")

    async def get_run(self, request: Request) -> Response:
        run = self._runs.get(request.path_params["run_id"], self._clock.now_ms())
        if run is None:
            return Refused("not_found", "no such run").reply(new_request_id())
        return Response(msgspec.json.encode(told_run(run, self._user_id, whole=True)), media_type="application/json")

    async def list_events(self, request: Request) -> Response:
        try:
            if self._runs.get(request.path_params["run_id"], self._clock.now_ms()) is None:
                raise Refused("not_found", "no such run")
            return Response(events_page(request.query_params), media_type="application/json")
        except Refused as refused:
            return refused.reply(new_request_id())
