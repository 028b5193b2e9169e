"""The v1 client against a real server: uploads, runs, every way an upload can go wrong, and what was billed by then."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import math
import struct
import wave
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest

from humeanalytics.api.expression import LIMITS, AudioConfig, ExpressionApi, VideoConfig, jpeg, wav
from humeanalytics.errors import (
    AuthenticationFailed,
    HumeAnalyticsError,
    NotFound,
    OutcomeUnknown,
    PermissionDenied,
    RateLimited,
    RequestRejected,
    ServerFailed,
)
from humeanalytics.sandbox.embedded import Sandbox
from humeanalytics.sandbox.options import SandboxOptions
from humeanalytics.settings import Settings

Use = Callable[[ExpressionApi], Awaitable[Any]]
AUDIO = "/v1/expression/audio/file"


def speech(seconds: float = 4.0, channels: int = 1) -> bytes:
    """A WAV of 0.5 s of silence and then something like a voice."""
    t = np.arange(round(seconds * 16_000)) / 16_000
    tone = np.sin(2 * math.pi * 140 * t) * 0.4 * (1 + 0.3 * np.sin(2 * math.pi * 3 * t)) * (t > 0.5)
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(2)
        out.setframerate(16_000)
        out.writeframes(np.repeat((tone * 20_000).astype("<i2"), channels).tobytes())
    return file.getvalue()


def picture(seed: int = 0) -> bytes:
    """A colourful JPEG."""
    pixels = np.random.default_rng(seed).integers(0, 255, (15, 20, 3), np.uint8).repeat(16, 0).repeat(16, 1)
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.time_base, encoder.pix_fmt = 320, 240, Fraction(1, 25), "yuvj420p"
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuvj420p")
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])


SOUND = speech()


def upload(data: bytes = SOUND) -> Any:
    return wav("talk.wav", len(data), lambda: io.BytesIO(data))


@pytest.fixture(scope="module")
def service() -> Iterator[Sandbox]:
    with Sandbox(options=SandboxOptions()) as service:
        yield service


@pytest.fixture
def sandbox(service: Sandbox) -> Iterator[Sandbox]:
    yield service
    service.set_faults([])


@pytest.fixture
def ask(sandbox: Sandbox) -> Callable[..., Any]:
    """Put rules in force, run ``use(expression)`` and return what it returned or raised, and how many uploads were billed."""

    def ask(use: Use, *rules: dict[str, Any], **changes: Any) -> tuple[Any, int]:
        async def run() -> Any:
            settings: Settings = sandbox.settings.model_copy(
                update={"retry_first_s": 0.005, "retry_cap_s": 0.05, "retry_deadline_s": 10.0, **changes}
            )
            async with ExpressionApi(settings) as expression:
                sandbox.set_faults(list(rules))
                try:
                    return await use(expression)
                except HumeAnalyticsError as error:
                    return error

        before = len(sandbox.submissions())
        outcome = asyncio.run(run())
        return outcome, len(sandbox.submissions()) - before

    return ask


def measuring(sink: Callable[[], Any], data: bytes = SOUND, config: AudioConfig | None = None) -> Use:
    async def use(expression: ExpressionApi) -> int:
        return await expression.measure_audio(upload(data), config or AudioConfig(), sink)

    return use


# ---------------------------------------------------------------------------------------------------------------- uploads
def test_audio_is_measured_and_its_run_found(ask: Any, sandbox: Sandbox, sinks: Any) -> None:
    async def use(expression: ExpressionApi) -> Any:
        await expression.check()
        since = datetime.fromtimestamp(expression.server_now_ms() / 1000, UTC) - timedelta(seconds=5)
        size_bytes = await expression.measure_audio(upload(), AudioConfig(measurement_timer_ms=3500), sinks[1])
        answer = json.loads(sinks[0][-1].data)
        assert size_bytes == len(sinks[0][-1].data)
        runs = {run.run_id: run for run in await expression.runs.uploads_since(since, "audio")}
        run = await expression.runs.get(answer["run_id"])
        return answer, runs[answer["run_id"]], run, await expression.runs.log(answer["run_id"]), expression.origin

    (answer, listed, run, log, origin), billed = ask(use)
    assert billed == 1
    assert answer["received"] == {"audio_duration_ms": 4000}
    assert [utterance["audio_start_ms"] // 100 for utterance in answer["utterances"]] == [5]
    assert (listed.status, listed.endpoint, listed.mode, listed.failed) == ("ended", "audio", "file", False)
    assert (listed.bytes_received, listed.metered_s) == (len(SOUND), LIMITS.billed_s(audio_s=4.0))
    assert run.config["measurement_timer_ms"] == 3500
    assert (log.events, log.at_cap, log.gaps) == ((), False, False)
    assert origin == f"sandbox/{sandbox.seed}"
    assert sandbox.submissions()[-1]["fingerprint"] == hashlib.sha256(SOUND).hexdigest()


def test_images_are_measured_in_order_and_a_face_state_goes_on(ask: Any, sinks: Any) -> None:
    images = [jpeg(f"{n}.jpg", picture(n // 2)) for n in range(6)]

    async def use(expression: ExpressionApi) -> Any:
        ask_for_state = VideoConfig(threshold=0.5, min_size=1, return_face_state=True)
        await expression.measure_images(images, ask_for_state, sinks[1])
        first = json.loads(sinks[0][-1].data)
        again = VideoConfig(threshold=0.5, min_size=1, face_state=first["face_state"])
        await expression.measure_images(images[:1], again, sinks[1])
        await expression.measure_images(images[-1:], VideoConfig(), sinks[1])
        runs = [run async for run in expression.runs.newest_first(endpoint="video")]
        return first, json.loads(sinks[0][-2].data), json.loads(sinks[0][-1].data), runs

    (first, again, last, runs), billed = ask(use)
    assert billed == 6 + 1 + 1
    assert first["received"] == {"frames": 6}
    assert [measured["frame_id"] for measured in first["measurements"]] == list(range(6))
    assert first["measurements"][0]["faces"] == first["measurements"][1]["faces"] != []
    assert "face_state" not in again and "face_state" not in last
    ids = [{face["face_id"] for face in answer["measurements"][0]["faces"]} - {None} for answer in (first, again)]
    assert ids[0] == ids[1] != set()
    assert [run.metered_s for run in runs[:3]] == [LIMITS.billed_s(images=n) for n in (1, 1, 6)] == [10.0] * 3


def test_runs_in_many_pages(ask: Any, sinks: Any) -> None:
    async def use(expression: ExpressionApi) -> Any:
        for _ in range(5):
            await expression.measure_audio(upload(), AudioConfig(), sinks[1])
        told = [json.loads(sink.data)["run_id"] for sink in sinks[0]]
        return told, [run.run_id async for run in expression.runs.newest_first(page_size=2, mode="file", endpoint="audio")]

    (told, listed), _ = ask(use)
    assert listed[:5] == told[::-1]
    assert len(set(listed)) == len(listed)


# ----------------------------------------------------------------------------------------------------- refused and not taken
@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (speech(channels=2), 400, "audio_decode_failed"),
        (b"", 400, "audio_decode_failed"),
        (b"OggS" + bytes(100), 415, "unsupported_media_type"),
    ],
)
def test_a_sound_that_is_refused(ask: Any, sinks: Any, data: bytes, status: int, code: str) -> None:
    outcome, billed = ask(measuring(sinks[1], data))
    assert type(outcome) is RequestRejected
    assert (outcome.status, outcome.code, billed) == (status, code, 0)
    assert outcome.request_id is not None and len(outcome.request_id) == 32


@pytest.mark.parametrize(
    ("bad", "status", "code"),
    [(b"\x89PNG\r\n\x1a\n" + bytes(50), 415, "unsupported_media_type"), (picture()[:300], 400, "image_decode_failed")],
)
def test_one_bad_image_voids_the_request(ask: Any, sinks: Any, bad: bytes, status: int, code: str) -> None:
    images = [jpeg("good", picture()), jpeg("bad", bad), jpeg("good", picture())]
    outcome, billed = ask(lambda e: e.measure_images(images, VideoConfig(), sinks[1]))
    assert type(outcome) is RequestRejected
    assert (outcome.status, outcome.code, billed) == (status, code, 0)


@pytest.mark.parametrize(
    ("rule", "error", "code"),
    [
        ({"status": 401}, AuthenticationFailed, None),
        ({"status": 403}, PermissionDenied, "forbidden"),
        ({"status": 404}, NotFound, None),
        ({"status": 405}, RequestRejected, "method_not_allowed"),
        ({"status": 413, "code": "audio_too_long"}, RequestRejected, "audio_too_long"),
        ({"status": 429}, RateLimited, None),
        ({"status": 503}, ServerFailed, "server_busy"),
        ({"status": 500}, ServerFailed, "internal_error"),
        ({"fail_run": True}, ServerFailed, "internal_error"),
    ],
)
def test_what_the_service_says_no_to(ask: Any, sinks: Any, rule: dict[str, Any], error: Any, code: str | None) -> None:
    outcome, billed = ask(measuring(sinks[1]), {"path": AUDIO, **rule}, retry_deadline_s=0.1)
    assert type(outcome) is error
    assert outcome.code == code or (code is None and outcome.status == 404)
    assert billed == 0
    assert {tuple(sink.ended) for sink in sinks[0]} == {("abort",)}


def test_what_was_not_taken_is_sent_again_and_billed_once(ask: Any, sinks: Any) -> None:
    rules = [{"path": AUDIO, "times": 1, **rule} for rule in ({"status": 503}, {"status": 429}, {"fail_run": True})]
    outcome, billed = ask(measuring(sinks[1]), *rules)
    assert outcome == len(sinks[0][-1].data)
    assert billed == 1
    assert [sink.ended for sink in sinks[0]] == [["abort"]] * 3 + [["commit"]]


# --------------------------------------------------------------------------------------------------------------------- lost
@pytest.mark.parametrize(
    ("rule", "was_billed"),
    [
        ({"drop_before": True}, False),
        ({"drop_before": "received"}, False),
        ({"drop_after": True}, True),
        ({"truncate": 0.5}, True),
        ({"wrong_body": True}, True),
        ({"wrong_body": "{}}"}, True),
        ({"status": 500, "body": "boom"}, False),
        ({"status": 502, "html": True}, False),
        ({"status": 504}, False),
    ],
)
def test_a_lost_answer_is_told_apart_by_the_runs(ask: Any, sinks: Any, rule: dict[str, Any], was_billed: bool) -> None:
    """The run list tells what the client cannot: whether the upload was measured, by its size and the seconds it cost."""
    sound = speech(11.5)

    async def use(expression: ExpressionApi) -> Any:
        await expression.check()
        since = datetime.fromtimestamp(expression.server_now_ms() / 1000, UTC) - timedelta(seconds=2)
        known = {run.run_id for run in await expression.runs.uploads_since(since, "audio")}
        try:
            await expression.measure_audio(upload(sound), AudioConfig(), sinks[1])
        except OutcomeUnknown:
            found = [run for run in await expression.runs.uploads_since(since, "audio") if run.run_id not in known]
            return [(run.bytes_received, run.metered_s) for run in found]

    if rule == {"wrong_body": "{}}"}:  # it begins and ends as an answer does: that it is none is for its reader to say
        outcome, billed = ask(measuring(sinks[1], sound), {"path": AUDIO, **rule})
        assert (outcome, billed) == (3, 1)
        return
    found, billed = ask(use, {"path": AUDIO, "times": 1, **rule})
    assert billed == int(was_billed)
    assert found == ([(len(sound), 11.5)] if was_billed else [])
    assert [sink.ended for sink in sinks[0]] == [["abort"]]


def test_an_answer_that_drips_is_waited_for(ask: Any, sinks: Any) -> None:
    outcome, billed = ask(measuring(sinks[1]), {"path": AUDIO, "slow": 1500.0}, expression_read_timeout_s=0.5)
    assert outcome == len(sinks[0][-1].data) > 500
    assert billed == 1


def test_new_fields_and_names_do_no_harm(ask: Any, sinks: Any) -> None:
    async def use(expression: ExpressionApi) -> Any:
        await expression.measure_audio(upload(), AudioConfig(), sinks[1])
        run_id = json.loads(sinks[0][-1].data)["run_id"]
        return run_id, await expression.runs.get(run_id), await expression.runs.log(run_id)

    (run_id, run, log), _ = ask(use, {"new_names": True}, {"new_fields": True})
    assert run.run_id == run_id
    assert run.status not in ("", "live", "ended", "errored")
    assert log.events == ()


def test_an_organization_without_access_may_look_but_not_measure(sinks: Any) -> None:
    with Sandbox(options=SandboxOptions(expression_access=False)) as sandbox:

        async def run() -> None:
            async with ExpressionApi(sandbox.settings) as expression:
                await expression.check()
                assert [each async for each in expression.runs.newest_first()] == []
                with pytest.raises(PermissionDenied, match="limited release"):
                    await expression.measure_audio(upload(), AudioConfig(), sinks[1])

        asyncio.run(run())


def test_a_wrong_key_is_told_at_once() -> None:
    with Sandbox(api_key="right-key-of-the-sandbox") as sandbox:

        async def run() -> None:
            settings = sandbox.settings.model_copy(update={"expression_api_key": None, "api_key": _secret("some-other-key-9f")})
            async with ExpressionApi(settings) as expression:
                with pytest.raises(AuthenticationFailed) as caught:
                    await expression.check()
                assert caught.value.request_id is not None
                assert "some-other-key" not in str(caught.value)

        asyncio.run(run())


def _secret(key: str) -> Any:
    from pydantic import SecretStr

    return SecretStr(key)


def test_header_of_the_made_sound() -> None:
    """The sandbox takes a plain 44-byte header only; what these tests send has one."""
    assert SOUND[:4] == b"RIFF"
    assert struct.unpack("<HHI", SOUND[20:28]) == (1, 1, 16_000)
    assert SOUND[36:40] == b"data"
