"""The official Python SDK for v1, unchanged, against the sandbox; every answer and error is parsed by its own types."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from expression_client import jpeg, pcm, showing, wave
from hume_expression_measurement import (
    AsyncExpressionMeasurementClient,
    AudioFileConfig,
    AudioRunConfig,
    BadRequestError,
    ContentTooLargeError,
    ErrorBody,
    ExpressionMeasurementClient,
    ForbiddenError,
    InternalServerError,
    MethodNotAllowedError,
    NotFoundError,
    ServiceUnavailableError,
    UnauthorizedError,
    UnsupportedMediaTypeError,
    VideoFileConfig,
    VideoFileConfigFace,
    VideoRunConfig,
)
from hume_expression_measurement.core.api_error import ApiError
from hume_expression_measurement.environment import ExpressionMeasurementClientEnvironment
from made_media import image, silence, voice, wav

from humeanalytics.sandbox.embedded import Sandbox
from humeanalytics.sandbox.options import SandboxOptions

SPEECH = wav(silence(0.5), voice(7), silence(1), voice(2), silence(0.5))
RAW = pcm(silence(0.5), voice(2), silence(0.5))
FACES = [
    {"person": "Ann", "box": [10, 10, 210, 260]},
    {"person": "Bob", "box": [300, 10, 420, 160]},
    {"person": "Cleo", "box": [500, 10, 580, 110]},
]
PICTURE = showing(jpeg(640, 480), FACES)


def client_of(sandbox: Sandbox, key: str = "any", retries: int = 0) -> ExpressionMeasurementClient:
    return ExpressionMeasurementClient(api_key=key, environment=environment(sandbox), max_retries=retries)


def environment(sandbox: Sandbox) -> ExpressionMeasurementClientEnvironment:
    return ExpressionMeasurementClientEnvironment(base=sandbox.url, production=sandbox.url.replace("http", "ws"))


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def client(sandbox: Sandbox) -> ExpressionMeasurementClient:
    return client_of(sandbox)


# --------------------------------------------------------------------------------------------------------------- uploads
@pytest.mark.parametrize("config", [None, {}, {"measurement_timer_ms": 5000}])
def test_audio(client: ExpressionMeasurementClient, config: dict[str, int] | None) -> None:
    given: Any = {} if config is None else {"config": AudioFileConfig(**config)}
    answer = client.audio.measure(file=SPEECH, **given)
    assert answer.received.audio_duration_ms == 11_000
    assert [utterance.utterance_id for utterance in answer.utterances] == [0, 1]
    first = [m.audio_end_ms - m.audio_start_ms for m in answer.measurements if m.utterance_id == 0]
    assert len(first) == (2 if config else 3)  # at 5 s, or at 3 and 6 s; and at the end
    assert {m.trigger for m in answer.measurements} == {"interval", "speech_ended"}
    assert any(m.expressions for m in answer.measurements) and any(m.voice_attributes for m in answer.measurements)


@pytest.mark.parametrize("way", ["bytes", "open file", "named", "headerless"])
def test_audio_in_every_form_of_a_file(client: ExpressionMeasurementClient, tmp_path: Path, way: str) -> None:
    path = tmp_path / "talk.wav"
    path.write_bytes(SPEECH)
    with path.open("rb") as opened:
        forms: dict[str, Any] = {
            "bytes": SPEECH,
            "open file": opened,
            "named": ("talk.wav", SPEECH, "audio/wav"),
            "headerless": ("talk.pcm", SPEECH[44:], "application/octet-stream"),
        }
        assert client.audio.measure(file=forms[way]).received.audio_duration_ms == 11_000


@pytest.mark.parametrize(
    "config", [None, VideoFileConfig(), VideoFileConfig(face=VideoFileConfigFace(threshold=0.8, min_size=90))]
)
def test_images(client: ExpressionMeasurementClient, config: VideoFileConfig | None) -> None:
    given: Any = {} if config is None else {"config": config}
    flat = image("mjpeg", flat=True, width=640, height=480)
    answer = client.video.measure(file=[PICTURE, ("second.jpg", flat, "image/jpeg"), PICTURE], **given)
    assert answer.received.frames == 3 and answer.face_state is None
    assert [frame.frame_id for frame in answer.measurements] == [0, 1, 2]
    first, nobody, again = (frame.faces for frame in answer.measurements)
    assert nobody == [] and first == again
    assert [face.face_id for face in first] == ([0, 1] if config is not None and config.face else [0, 1, None])
    assert first[0].bbox == [10, 10, 210, 260] and first[0].expressions and first[0].descriptions is not None
    if len(first) == 3:
        assert first[2].expressions is None and first[2].descriptions is None and first[2].confidence == 0.99


def test_face_ids_go_on_with_a_state(client: ExpressionMeasurementClient) -> None:
    wants = VideoFileConfigFace(return_face_state=True)
    first = client.video.measure(file=[showing(jpeg(), FACES[1:2]), PICTURE], config=VideoFileConfig(face=wants))
    config = VideoFileConfig(face=wants, face_state=first.face_state)
    second = client.video.measure(file=[PICTURE], config=config)
    assert [face.face_id for face in second.measurements[0].faces] == [1, 0, None]
    assert second.face_state
    restarted = client.video.measure(file=[PICTURE], config=VideoFileConfig(face_state="altered"))
    assert [face.face_id for face in restarted.measurements[0].faces] == [0, 1, None]


# ------------------------------------------------------------------------------------------------------------------ runs
def test_runs() -> None:
    with Sandbox() as sandbox:
        client = client_of(sandbox)
        ids = [client.audio.measure(file=RAW, config=AudioFileConfig(measurement_timer_ms=4000)).run_id for _ in range(3)]
        ids.append(client.video.measure(file=[PICTURE]).run_id)
        page = client.runs.list(page_size=3)
        assert [run.run_id for run in page.runs] == ids[:0:-1] and page.next_cursor
        last = client.runs.list(page_size=3, cursor=page.next_cursor)
        assert [run.run_id for run in last.runs] == ids[:1] and last.next_cursor is None
        user, started = page.runs[0].user_id, page.runs[1].started_at
        assert isinstance(started, datetime)
        assert [run.run_id for run in client.runs.list(endpoint="video", mode="file", status="ended", user_id=user).runs] == ids[
            3:
        ]
        after, before = client.runs.list(started_after=started), client.runs.list(started_before=started)
        assert [run.run_id for run in after.runs + before.runs] == ids[::-1] and started in {r.started_at for r in after.runs}
        assert client.runs.list(started_after=started + timedelta(hours=1)).runs == []
        audio, video = client.runs.get(ids[0]), client.runs.get(ids[3])
        assert isinstance(audio.config, AudioRunConfig) and isinstance(video.config, VideoRunConfig)
        assert (audio.config.measurement_timer_ms, audio.config.schema_, video.config.face.min_size) == (4000, "v4", 60)
        assert (audio.metered_seconds, audio.bytes_received, audio.close_code) == (10, len(RAW), None)
        events = client.runs.list_events(ids[0], page_size=10)
        assert (events.events, events.at_cap, events.gaps, events.next_cursor) == ([], False, False, None)


# ---------------------------------------------------------------------------------------------------------------- errors
Call = Callable[[ExpressionMeasurementClient], Any]
LOST = "01926f3a-5b1c-7d2e-8f40-3a9b7c1d2e5f"


@pytest.mark.parametrize(
    ("call", "error", "code"),
    [
        (lambda c: c.audio.measure(file=b""), BadRequestError, "audio_decode_failed"),
        (lambda c: c.audio.measure(file=wave(RAW, rate_hz=8000)), BadRequestError, "audio_decode_failed"),
        (lambda c: c.audio.measure(file=RAW, config=AudioFileConfig(measurement_timer_ms=1)), BadRequestError, "config_invalid"),
        (lambda c: c.audio.measure(file=RAW, config=AudioFileConfig(timer=1)), BadRequestError, "config_invalid"),
        (lambda c: c.audio.measure(file=b"OggS"), UnsupportedMediaTypeError, "unsupported_media_type"),
        (lambda c: c.audio.measure(file=bytes(25_000_000)), ContentTooLargeError, "audio_too_long"),
        (lambda c: c.video.measure(file=[]), BadRequestError, "message_invalid"),
        (lambda c: c.video.measure(file=[PICTURE[:-2]]), BadRequestError, "image_decode_failed"),
        (lambda c: c.video.measure(file=[PICTURE, image("png")]), UnsupportedMediaTypeError, "unsupported_media_type"),
        (lambda c: c.video.measure(file=[PICTURE + bytes(2_000_000)]), ContentTooLargeError, "image_too_large"),
        (lambda c: c.video.measure(file=[PICTURE] * 2500), ContentTooLargeError, "image_too_large"),
        (lambda c: c.runs.list(page_size=201), BadRequestError, "invalid_request"),
        (lambda c: c.runs.list(cursor="x"), BadRequestError, "invalid_request"),
        (lambda c: c.runs.get(LOST), NotFoundError, "not_found"),
        (lambda c: c.runs.list_events(LOST), NotFoundError, "not_found"),
    ],
)
def test_every_error_that_a_request_can_earn(
    client: ExpressionMeasurementClient, call: Call, error: type[ApiError], code: str
) -> None:
    with pytest.raises(error) as caught:
        call(client)
    body = caught.value.body
    assert isinstance(body, ErrorBody)
    assert (body.type, body.code, len(body.request_id)) == ("error", code, 32)


CALLS: list[Call] = [
    lambda c: c.audio.measure(file=RAW),
    lambda c: c.video.measure(file=[PICTURE]),
    lambda c: c.runs.list(),
    lambda c: c.runs.get(LOST),
    lambda c: c.runs.list_events(LOST),
]


@pytest.mark.parametrize(
    ("status", "error", "code", "calls"),
    [
        (403, ForbiddenError, "forbidden", CALLS[:2]),
        (405, MethodNotAllowedError, "method_not_allowed", CALLS),
        (500, InternalServerError, "internal_error", CALLS),
        (503, ServiceUnavailableError, "server_busy", CALLS),
    ],
)
def test_every_error_of_the_service(status: int, error: type[ApiError], code: str, calls: list[Call]) -> None:
    with Sandbox() as sandbox:
        sandbox.set_faults([{"status": status}])
        for call in calls:
            with pytest.raises(error) as caught:
                call(client_of(sandbox))
            assert caught.value.body.code == code


def test_errors_of_the_gateway() -> None:
    with Sandbox(api_key="right") as sandbox:
        for call in CALLS:
            with pytest.raises(UnauthorizedError) as rejected:
                call(client_of(sandbox, key="wrong"))
            assert rejected.value.body.message and rejected.value.body.request_id
        sandbox.set_faults([{"status": 429}])
        for call in CALLS:
            with pytest.raises(ApiError) as limited:
                call(client_of(sandbox, key="right"))
            assert (limited.value.status_code, limited.value.body) == (429, {"message": "API rate limit exceeded"})


def test_no_access() -> None:
    with Sandbox(options=SandboxOptions(expression_access=False)) as sandbox:
        for call in CALLS[:2]:
            with pytest.raises(ForbiddenError):
                call(client_of(sandbox))
        assert client_of(sandbox).runs.list().runs == []


def test_its_retries_pay_twice_for_an_answer_that_was_lost() -> None:
    with Sandbox() as sandbox:
        sandbox.set_faults([{"method": "POST", "drop_after": True, "times": 1}])
        answer = client_of(sandbox, retries=1).audio.measure(file=RAW)
        first, second = sandbox.submissions()
        assert first["fingerprint"] == second["fingerprint"] and second["job_id"] == answer.run_id != first["job_id"]


def test_async(sandbox: Sandbox) -> None:
    async def go() -> None:
        client = AsyncExpressionMeasurementClient(api_key="any", environment=environment(sandbox), max_retries=0)
        audio, video = await asyncio.gather(client.audio.measure(file=SPEECH), client.video.measure(file=[PICTURE]))
        assert (audio.received.audio_duration_ms, video.received.frames) == (11_000, 1)
        assert (await client.runs.get(audio.run_id)).run_id == audio.run_id
        with pytest.raises(NotFoundError):
            await client.runs.get(LOST)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the client has no way to be closed
        asyncio.run(go())
