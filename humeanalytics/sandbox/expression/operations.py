"""The five operations of the API."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from humeanalytics.sandbox.clock import Clock
from humeanalytics.sandbox.expression.audio import measure_audio
from humeanalytics.sandbox.expression.configs import read_audio_config, read_video_config
from humeanalytics.sandbox.expression.forms import Form, Part, receive_form
from humeanalytics.sandbox.expression.listing import events_page, read_query, runs_page, told_run
from humeanalytics.sandbox.expression.names import NEW_STATUS
from humeanalytics.sandbox.expression.pcm import headerless, read_samples
from humeanalytics.sandbox.expression.refusals import AUDIO_PATH, RUNS_PATH, VIDEO_PATH, Refused, new_request_id
from humeanalytics.sandbox.expression.run_faults import RunFaults
from humeanalytics.sandbox.expression.runs import RunStore, new_run_id
from humeanalytics.sandbox.expression.sound import duration_ms
from humeanalytics.sandbox.expression.tracking import resume
from humeanalytics.sandbox.expression.video import check_images, measure_images
from humeanalytics.sandbox.options import SandboxOptions
from humeanalytics.sandbox.speech import RATE_HZ

#: Any run that is billed is billed this much at least.
LEAST_METERED_S = 10.0
_FRAME_S = 1 / 3


@dataclass(frozen=True, slots=True)
class _Upload:
    """An upload that has reached the point from which on it is a run.

    Attributes:
        endpoint: ``audio`` or ``video``.
        config: As the run tells it.
        received: What was taken in, as the answer tells it.
        media_s: How long that is, for the bill.
        media_bytes: How many bytes.
        measure: Returns the rest of the answer, or raises `Refused`.
    """

    endpoint: str
    config: dict[str, Any]
    received: dict[str, int]
    media_s: float
    media_bytes: int
    measure: Callable[[], dict[str, Any]]


@dataclass(slots=True)
class _Outcome:
    """A run that was measured, or failed: what to say of it once it is time to answer."""

    upload: _Upload
    run_id: str
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
        user_id: Who uploads.
    """

    def __init__(self, runs: RunStore, clock: Clock, seed: int, options: SandboxOptions, user_id: str) -> None:
        self._runs = runs
        self._clock = clock
        self._seed = seed
        self._options = options
        self._user_id = user_id

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
        return await self._measure(request, self._audio, "audio_too_long")

    async def measure_video(self, request: Request) -> Response:
        return await self._measure(request, self._video, self._options.expression_large_images_code)

    async def _measure(self, request: Request, read: Callable[[Form, RunFaults], _Upload], too_large: str) -> Response:
        request_id = new_request_id()
        faults = RunFaults.of(request.state.job_rules)
        try:
            if not self._options.expression_access:
                await request.body()  # who stops listening is not heard either
                raise Refused("forbidden", "this organization has no access to expression measurement")
            form = await receive_form(request, self._options.expression_max_body_bytes, too_large)
            arrived_s = time.monotonic()
            outcome = await asyncio.to_thread(lambda: self._run(read(form, faults), form, faults))
        except Refused as refused:
            return refused.reply(request_id)
        except ClientDisconnect:
            return Refused("message_invalid", "the request body ends early").reply(request_id)
        await asyncio.sleep(arrived_s + self._options.expression_delay_s - time.monotonic())
        # Whoever asked may be gone by now. It was measured all the same, and is billed.
        body = await asyncio.to_thread(self._settle, outcome, request_id)
        return outcome.refused.reply(request_id) if outcome.refused else Response(body, media_type="application/json")

    def _audio(self, form: Form, faults: RunFaults) -> _Upload:
        if len(form.files) > 1:
            raise Refused("message_invalid", "more than one part 'file'")
        (file,) = form.files
        config = read_audio_config(self._config_of(form), self._options.expression_nulls)
        unseen = file.content_type == "application/octet-stream" and not self._options.expression_by_content
        samples = headerless(file.data) if unseen else read_samples(file.data)
        return _Upload(
            "audio",
            config.told(),
            {"audio_duration_ms": duration_ms(samples)},
            len(samples) / RATE_HZ,
            len(file.data) if self._options.expression_headers_counted else samples.nbytes,
            lambda: measure_audio(samples, config.measurement_timer_ms, self._seed, self._options, faults.new_names),
        )

    def _video(self, form: Form, faults: RunFaults) -> _Upload:
        config = read_video_config(self._config_of(form), self._options.expression_nulls)
        images = [file.data for file in form.files]

        def measure() -> dict[str, Any]:
            check_images(images, self._options)
            now_ms, good_for_ms = self._clock.now_ms(), self._options.expression_face_state_s * 1000
            tracker = resume(config.face_state, self._user_id, now_ms, good_for_ms, self._seed)
            answer = measure_images(images, config, tracker, self._seed, self._options, faults.new_names)
            if config.return_face_state:
                answer["face_state"] = tracker.state(self._user_id, now_ms, self._seed)
            return answer

        frames = {"frames": len(images)}
        return _Upload("video", config.told(), frames, len(images) * _FRAME_S, sum(map(len, images)), measure)

    def _config_of(self, form: Form) -> bytes | None:
        if form.config is None:
            return None
        if self._options.expression_typed_config and form.config.content_type != "application/json":
            raise Refused("config_invalid", "the part 'config' must be application/json")
        return form.config.data

    def _run(self, upload: _Upload, form: Form, faults: RunFaults) -> _Outcome:
        started = self._clock.now_ms()
        outcome = _Outcome(upload, new_run_id(started), faults)
        if not faults.lose_run:
            hidden = faults.hide_run or self._options.expression_visible_after_s
            self._runs.start(outcome.run_id, upload.endpoint, started, upload.config, visible=not hidden)
        try:
            outcome.answer = upload.measure()
            if faults.fail_run:
                raise Refused("internal_error", "measurement failed")
            outcome.billed = [_fingerprint(file) for file in form.files]
        except Refused as refused:
            outcome.refused = refused
        return outcome

    def _settle(self, outcome: _Outcome, request_id: str) -> bytes:
        """Write down how the run ended and what it costs, then return the answer."""
        upload, faults, now_ms = outcome.upload, outcome.faults, self._clock.now_ms()
        hidden_s = faults.hide_run or self._options.expression_visible_after_s
        self._runs.end(
            outcome.run_id,
            now_ms,
            status="errored" if outcome.refused else NEW_STATUS if faults.new_names else "ended",
            visible=now_ms + int(hidden_s * 1000) if hidden_s else None,
            bytes_received=upload.media_bytes,
            metered_s=0.0 if outcome.refused else max(LEAST_METERED_S, upload.media_s),
            billed=outcome.billed,
        )
        answer = {"request_id": request_id, "run_id": outcome.run_id, "received": upload.received, **outcome.answer}
        if faults.new_fields:
            answer |= {"region": {"name": "nowhere", "tier": 3}, "received": {**upload.received, "channels": 1}}
            answer["measurements"] = [{**measurement, "snr_db": 31.5} for measurement in answer["measurements"]]
        return msgspec.json.encode(answer)

    # ------------------------------------------------------------------------------------------------------------ asking
    async def list_runs(self, request: Request) -> Response:
        request_id = new_request_id()
        try:
            query = read_query(request.query_params)
        except Refused as refused:
            return refused.reply(request_id)
        of_others = query.user_id not in (None, self._user_id)
        runs = [] if of_others else self._runs.find(query.rows, self._clock.now_ms())
        return Response(runs_page(runs, query, self._user_id), media_type="application/json")

    async def get_run(self, request: Request) -> Response:
        run = self._runs.get(request.path_params["run_id"], self._clock.now_ms())
        if run is None:
            return Refused("not_found", "no such run").reply(new_request_id())
        return Response(msgspec.json.encode(told_run(run, self._user_id, whole=True)), media_type="application/json")

    async def list_events(self, request: Request) -> Response:
        run = self._runs.get(request.path_params["run_id"], self._clock.now_ms())
        try:
            if run is None:
                raise Refused("not_found", "no such run")
            return Response(events_page(request.query_params), media_type="application/json")
        except Refused as refused:
            return refused.reply(new_request_id())


def _fingerprint(file: Part) -> str:
    return hashlib.sha256(file.data).hexdigest()
