"""The v1 API: what each call sends, and what becomes of the answer."""

from __future__ import annotations

import asyncio
import doctest
import io
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta, timezone
from email.parser import BytesParser
from email.policy import HTTP
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

import humeanalytics.api.expression_request
import humeanalytics.api.expression_run
from humeanalytics.api.expression import LIMITS, AudioConfig, ExpressionApi, ExpressionLimits, Run, Upload, VideoConfig, jpeg, wav
from humeanalytics.api.expression_run import RunEvent, as_rfc3339
from humeanalytics.errors import InvalidAnswer, LimitExceeded, MissingKey, NotFound, OutcomeUnknown, UsageError

Handler = Callable[[httpx.Request], httpx.Response]
NOON = datetime(2026, 10, 6, 12, 0, tzinfo=UTC)
ANSWER = {"request_id": "r", "run_id": "0199c3e1", "received": {"audio_duration_ms": 1}, "utterances": [], "measurements": []}


@pytest.fixture
def call(make_settings: Any) -> Callable[..., Any]:
    """Run ``use(expression)`` against a handler in the network's place."""

    def call(
        use: Callable[[ExpressionApi], Awaitable[Any]], handle: Handler, limits: ExpressionLimits = LIMITS, **changes: Any
    ) -> Any:
        async def run() -> Any:
            transport = httpx.MockTransport(handle)
            async with ExpressionApi(make_settings(**changes), limits=limits, transport=transport) as expression:
                return await use(expression)

        return asyncio.run(run())

    return call


def parts_of(request: httpx.Request) -> list[tuple[str | None, str | None, str, bytes]]:
    """The parts of a multipart body: name, file name, media type, content."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(head + request.content)
    assert not message.defects
    return [
        (
            part.get_param("name", header="content-disposition"),  # type: ignore[misc]
            part.get_filename(),
            part.get_content_type() if "content-type" in part else "",
            part.get_payload(decode=True),
        )
        for part in message.iter_parts()  # type: ignore[attr-defined]
    ]


def sound(data: bytes = b"RIFF") -> Upload:
    return wav("Jane Doe, session 3.wav", len(data), lambda: io.BytesIO(data))


@pytest.mark.parametrize("module", [humeanalytics.api.expression_request, humeanalytics.api.expression_run])
def test_examples(module: Any) -> None:
    results = doctest.testmod(module)
    assert results.attempted
    assert not results.failed


# -------------------------------------------------------------------------------------------------------------- uploads
def test_audio_is_one_file_behind_its_config(call: Any, sinks: Any) -> None:
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=ANSWER)

    config = AudioConfig(measurement_timer_ms=5000)
    size_bytes = call(lambda expression: expression.measure_audio(sound(), config, sinks[1]), handle)
    [request] = seen
    assert (request.method, str(request.url)) == ("POST", "https://api.cloud.hume.ai/v1/expression/audio/file")
    assert int(request.headers["content-length"]) == len(request.content)
    assert "transfer-encoding" not in request.headers
    assert parts_of(request) == [
        ("config", None, "application/json", b'{"measurement_timer_ms":5000}'),
        ("file", "audio.wav", "audio/wav", b"RIFF"),
    ]
    [sink] = sinks[0]
    assert (json.loads(sink.data), sink.ended, size_bytes) == (ANSWER, ["commit"], len(sink.data))


def test_nothing_of_a_file_but_its_bytes_is_told(call: Any, sinks: Any) -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        assert b"Jane" not in request.content
        return httpx.Response(200, json=ANSWER)

    call(lambda expression: expression.measure_audio(sound(), AudioConfig(), sinks[1]), handle)


def test_images_in_their_order(call: Any, sinks: Any) -> None:
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=ANSWER)

    images = [jpeg(f"frame {i}", b"\xff\xd8" + bytes([i]) + b"\r\n--\xff\xd9") for i in range(40)]
    config = VideoConfig(threshold=0.8, return_face_state=True, face_state="tok")
    call(lambda expression: expression.measure_images(images, config, sinks[1]), handle)
    [request] = seen
    assert request.url.path == "/v1/expression/video/file"
    settings, *files = parts_of(request)
    told = {"face": {"threshold": 0.8, "return_face_state": True}, "face_state": "tok"}
    assert settings[:3] == ("config", None, "application/json")
    assert json.loads(settings[3]) == told
    assert [file[:3] for file in files] == [("file", "image.jpg", "image/jpeg")] * 40
    assert [file[3][2] for file in files] == list(range(40))


def test_what_is_not_set_is_not_sent(call: Any, sinks: Any) -> None:
    seen: list[list[Any]] = []

    def handle(request: httpx.Request) -> httpx.Response:
        assert int(request.headers["content-length"]) == len(request.content)
        seen.append(parts_of(request))
        return httpx.Response(200, json=ANSWER)

    async def use(expression: ExpressionApi) -> None:
        await expression.measure_audio(sound(), AudioConfig(), sinks[1])
        await expression.measure_images([jpeg("a", b"x")], VideoConfig(), sinks[1])
        await expression.measure_images([jpeg("a", b"x")], VideoConfig(face_state="tok"), sinks[1])
        await expression.measure_images([jpeg("a", b"x")], VideoConfig(min_size=1, return_face_state=False), sinks[1])

    call(use, handle)
    assert [[part[0] for part in parts] for parts in seen] == [["file"], ["file"], ["config", "file"], ["config", "file"]]
    assert json.loads(seen[2][0][3]) == {"face_state": "tok"}
    assert json.loads(seen[3][0][3]) == {"face": {"min_size": 1, "return_face_state": False}}


def test_a_file_on_the_disk_is_streamed_from_there(call: Any, sinks: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(bytes(range(256)) * 4000)
    upload = wav("a.wav", path.stat().st_size, lambda: path.open("rb"))

    def handle(request: httpx.Request) -> httpx.Response:
        assert parts_of(request)[-1][3] == path.read_bytes()
        return httpx.Response(200, json=ANSWER)

    call(lambda expression: expression.measure_audio(upload, AudioConfig(), sinks[1]), handle)


@pytest.mark.parametrize(
    "make",
    [
        lambda: AudioConfig(measurement_timer_ms=2999),
        lambda: AudioConfig(measurement_timer_ms=10_001),
        lambda: AudioConfig(measurement_timer_ms=3000.5),  # type: ignore[arg-type]
        lambda: AudioConfig(measurement_timer_ms=True),
        lambda: VideoConfig(threshold=1.01),
        lambda: VideoConfig(threshold=float("nan")),
        lambda: VideoConfig(threshold="0.5"),  # type: ignore[arg-type]
        lambda: VideoConfig(threshold=True),
        lambda: VideoConfig(min_size=0),
        lambda: VideoConfig(min_size=10.0),  # type: ignore[arg-type]
    ],
)
def test_settings_the_service_would_refuse(make: Callable[[], Any]) -> None:
    with pytest.raises(UsageError, match="must be"):
        make()


def test_what_is_too_large_is_not_sent(call: Any, sinks: Any) -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        raise AssertionError("something was sent")

    limits = ExpressionLimits(body_bytes=1000, image_bytes=500)
    for use, said in (
        (lambda e: e.measure_audio(sound(bytes(900)), AudioConfig(), sinks[1]), "Jane Doe, session 3.wav would be sent in a"),
        (lambda e: e.measure_images([jpeg("a", bytes(400)), jpeg("b", bytes(501))], VideoConfig(), sinks[1]), "b is an image"),
        (lambda e: e.measure_images([jpeg("a", bytes(400))] * 3, VideoConfig(), sinks[1]), "a would be sent"),
    ):
        with pytest.raises(LimitExceeded, match=said):
            call(use, handle, limits)
    with pytest.raises(UsageError, match="no images"):
        call(lambda e: e.measure_images([], VideoConfig(), sinks[1]), handle)
    assert sinks[0] == []


def test_a_request_of_just_the_limit_is_sent(call: Any, sinks: Any) -> None:
    sizes: list[int] = []

    def handle(request: httpx.Request) -> httpx.Response:
        sizes.append(len(request.content))
        return httpx.Response(200, json=ANSWER)

    use = lambda e: e.measure_audio(sound(bytes(900)), AudioConfig(), sinks[1])  # noqa: E731
    call(use, handle)
    call(use, handle, ExpressionLimits(body_bytes=sizes[0]))
    with pytest.raises(LimitExceeded):
        call(use, handle, ExpressionLimits(body_bytes=sizes[0] - 1))


def test_an_answer_is_waited_for_longer_than_other_answers(call: Any, sinks: Any) -> None:
    seen: dict[str, Any] = {}

    def handle(request: httpx.Request) -> httpx.Response:
        seen[request.method] = request.extensions["timeout"]["read"]
        return httpx.Response(200, json=ANSWER | {"runs": []})

    async def use(expression: ExpressionApi) -> None:
        await expression.check()
        await expression.measure_audio(sound(), AudioConfig(), sinks[1])

    call(use, handle, read_timeout_s=7.0, expression_read_timeout_s=77.0)
    assert seen == {"GET": 7.0, "POST": 77.0}


def test_the_largest_audio_fits_into_a_request() -> None:
    pcm_bytes = LIMITS.audio_ms * LIMITS.sample_rate_hz // 1000 * 2
    assert pcm_bytes + 44 + 1000 < LIMITS.body_bytes


def test_what_a_request_costs() -> None:
    assert LIMITS.billed_s(audio_s=0.5) == 10.0
    assert LIMITS.billed_s(audio_s=31.4) == 31.4
    assert LIMITS.billed_s(images=1) == LIMITS.billed_s(images=30) == 10.0
    assert LIMITS.billed_s(images=300) == pytest.approx(100.0)


# ----------------------------------------------------------------------------------------------------------- key and host
def test_the_key_of_v1_goes_before_the_common_one(call: Any, sinks: Any) -> None:
    keys: list[tuple[str, str]] = []

    def handle(request: httpx.Request) -> httpx.Response:
        keys.append((request.headers["x-hume-api-key"], request.url.host))
        return httpx.Response(200, json={"runs": []})

    check = ExpressionApi.check
    call(check, handle, api_key="common-key")
    call(check, handle, api_key="common-key", expression_api_key="own-key-of-v1")
    call(check, handle, api_key="common-key", expression_api_key="  ", expression_base_url="http://hume.example:8080/x")
    assert keys == [("common-key", "api.cloud.hume.ai"), ("own-key-of-v1", "api.cloud.hume.ai"), ("common-key", "hume.example")]


def test_without_any_key(make_settings: Any) -> None:
    with pytest.raises(MissingKey, match=r"No API key for api\.cloud\.hume\.ai"):
        ExpressionApi(make_settings(api_key=None))


def test_check_learns_who_answers(call: Any) -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        assert (request.url.path, request.url.params["page_size"]) == ("/v1/expression/run", "1")
        return httpx.Response(
            200, json={"runs": []}, headers={"X-Hume-Sandbox": "seed=7", "Date": "Wed, 21 Oct 2015 07:28:00 GMT"}
        )

    async def use(expression: ExpressionApi) -> Any:
        assert (expression.origin, expression.synthetic) == ("api.cloud.hume.ai", None)
        await expression.check()
        return expression.origin, expression.synthetic, expression.server_now_ms()

    origin, synthetic, now_ms = call(use, handle)
    assert (origin, synthetic) == ("sandbox/7", True)
    assert now_ms == pytest.approx(1445412480500, abs=2000)


# ----------------------------------------------------------------------------------------------------------------- runs
def run_answer(number: int, **more: Any) -> dict[str, Any]:
    started_at = as_rfc3339(NOON + timedelta(seconds=number))
    return {
        "run_id": f"run-{number}",
        "user_id": "u",
        "status": "ended",
        "endpoint": "audio",
        "mode": "file",
        "started_at": started_at,
        "ended_at": None,
        "bytes_received": 960_000 + number,
        "bytes_recorded": None,
        "metered_seconds": 30.0,
    } | more


class RunPages:
    """A server's list of runs, newest first, in pages."""

    def __init__(self, numbers: list[int], page: int = 2) -> None:
        self.numbers, self.page = sorted(numbers, reverse=True), page
        self.asked: list[dict[str, str]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        params = dict(request.url.params)
        self.asked.append(params)
        at = int(params.get("cursor", "at-0").removeprefix("at-"))
        answer: dict[str, Any] = {"runs": [run_answer(n) for n in self.numbers[at : at + self.page]]}
        if at + self.page < len(self.numbers):
            answer["next_cursor"] = f"at-{at + self.page}"
        return httpx.Response(200, json=answer)


async def listed(expression: ExpressionApi, **filters: Any) -> list[str]:
    return [run.run_id async for run in expression.runs.newest_first(**filters)]


def test_runs_are_listed_to_the_last_page_with_the_same_filters(call: Any) -> None:
    pages = RunPages([1, 2, 3, 4, 5])
    filters = {
        "started_after": NOON,
        "started_before": NOON.astimezone(timezone(timedelta(hours=2))) + timedelta(minutes=1),
        "endpoint": "audio",
        "mode": "file",
        "status": "ended",
        "user_id": "u",
        "page_size": 2,
    }
    assert call(lambda e: listed(e, **filters), pages) == ["run-5", "run-4", "run-3", "run-2", "run-1"]
    assert [params.pop("cursor", None) for params in pages.asked] == [None, "at-2", "at-4"]
    assert (
        pages.asked
        == [
            {
                "started_after": "2026-10-06T12:00:00.000000Z",
                "started_before": "2026-10-06T12:01:00.000000Z",
                "endpoint": "audio",
                "mode": "file",
                "status": "ended",
                "user_id": "u",
                "page_size": "2",
            }
        ]
        * 3
    )


def test_runs_without_filters(call: Any) -> None:
    pages = RunPages([])
    assert call(listed, pages) == []
    assert pages.asked == [{"page_size": "200"}]


@given(st.integers(0, 30), st.integers(1, 7), st.data())
def test_a_run_that_pages_repeat_counts_once(count: int, page: int, data: st.DataObject) -> None:
    """New runs push known ones to later pages while these are read."""
    pages = RunPages(list(range(count)), page)
    new = iter(range(1000, 2000))

    def handle(request: httpx.Request) -> httpx.Response:
        answer = pages(request)
        if data.draw(st.booleans()):
            pages.numbers.insert(0, next(new))
        return answer

    async def use() -> list[str]:
        from humeanalytics.settings import Settings

        settings = Settings(_env_file=None, api_key="k-3f9c1d77aa0e4b52", requests_per_s=1e6)  # type: ignore[call-arg,arg-type]
        async with ExpressionApi(settings, transport=httpx.MockTransport(handle)) as expression:
            return await listed(expression)

    found = asyncio.run(use())
    assert len(set(found)) == len(found)
    assert set(found) >= {f"run-{n}" for n in range(count)}


def test_pages_without_an_end(call: Any) -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"runs": [run_answer(1)], "next_cursor": "again"})

    with pytest.raises(InvalidAnswer, match=r"has no end: .* Nothing can be concluded"):
        call(listed, handle)


def test_uploads_since_are_what_a_lost_answer_is_looked_for_in(call: Any) -> None:
    """Also where the service does not filter as it was asked to."""
    runs = [
        run_answer(9, bytes_received=None, status="live", metered_seconds=0),
        run_answer(8, endpoint="video"),
        run_answer(7, mode="realtime"),
        run_answer(6, status="errored", metered_seconds=0.0, bytes_received=12),
        run_answer(5),
        run_answer(-1),
    ]
    seen: list[dict[str, str]] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(dict(request.url.params))
        return httpx.Response(200, json={"runs": runs})

    found = call(lambda e: e.runs.uploads_since(NOON, "audio"), handle)
    told = [(run.run_id, run.bytes_received, run.metered_s, run.failed) for run in found]
    assert told == [("run-9", None, 0.0, False), ("run-6", 12, 0.0, True), ("run-5", 960_005, 30.0, False)]
    assert seen == [{"started_after": as_rfc3339(NOON), "endpoint": "audio", "mode": "file", "page_size": "200"}]
    assert len(call(lambda e: e.runs.uploads_since(NOON), handle)) == 4


def test_a_time_without_a_zone_is_refused(call: Any) -> None:
    with pytest.raises(ValueError, match="time zone"):
        call(lambda e: e.runs.uploads_since(datetime(2026, 10, 6)), RunPages([]))  # noqa: DTZ001


def test_one_run(call: Any) -> None:
    config = {"schema": "v4", "image": {"type": "image/jpeg"}, "face": {"threshold": 0.9, "min_size": 60}}
    answer = run_answer(3, ended_at="2026-10-06T14:00:05+02:00", close_code=None, config=config, later={"new": 1})

    def handle(request: httpx.Request) -> httpx.Response:
        assert request.url.raw_path == b"/v1/expression/run/run%2F3"
        return httpx.Response(200, json=answer | {"run_id": "RUN/3"})

    run = call(lambda e: e.runs.get("run/3"), handle)
    assert (run.run_id, run.status, run.endpoint, run.mode, run.user_id) == ("RUN/3", "ended", "audio", "file", "u")
    assert (run.started_at, run.ended_at) == (NOON + timedelta(seconds=3), NOON + timedelta(seconds=5))
    assert (run.bytes_received, run.bytes_recorded, run.metered_s, run.config) == (960_003, None, 30.0, config)
    assert run.raw["later"] == {"new": 1}
    with pytest.raises(InvalidAnswer, match=r"Asked for run other"):
        call(lambda e: e.runs.get("other"), lambda _: httpx.Response(200, json=answer))


def test_a_run_that_is_not_there(call: Any) -> None:
    body = {"type": "error", "code": "not_found", "message": "no such run", "request_id": "9f" * 16}
    with pytest.raises(NotFound) as caught:
        call(lambda e: e.runs.get("x"), lambda _: httpx.Response(404, json=body))
    assert (caught.value.code, caught.value.request_id) == ("not_found", "9f" * 16)
    assert "404 not_found: no such run." in str(caught.value)


def test_events_of_a_run(call: Any) -> None:
    pages = {
        None: {
            "events": [event(1), event(2, detail={"limit_bytes": 5})],
            "at_cap": False,
            "capped_kinds": [],
            "next_cursor": "c",
        },
        "c": {"events": [event(3)], "at_cap": True, "capped_kinds": ["rate_limited"], "gaps": True},
    }
    asked: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(200, json=pages[request.url.params.get("cursor")])

    async def use(expression: ExpressionApi) -> Any:
        return await expression.runs.log("run-1"), [event async for event in expression.runs.events("run-1")]

    log, events = call(use, handle)
    assert asked == ["/v1/expression/run/run-1/events"] * 4
    assert list(log.events) == events
    assert [(event.seq, event.at, event.kind) for event in events] == [(n, NOON, "rate_limited") for n in (1, 2, 3)]
    assert [dict(event.detail) for event in events] == [{}, {"limit_bytes": 5}, {}]
    assert (log.at_cap, log.capped_kinds, log.gaps) == (True, ("rate_limited",), True)


def event(number: int, **more: Any) -> dict[str, Any]:
    return {"seq": number, "at": as_rfc3339(NOON), "kind": "rate_limited", **more}


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | st.lists(st.integers(), max_size=2)
FIELDS = ("status", "endpoint", "mode", "started_at", "ended_at", "bytes_received", "metered_seconds", "config", "close_code")


@given(st.dictionaries(st.sampled_from(FIELDS), VALUES))
def test_a_run_with_odd_values_is_read_as_far_as_it_tells(answer: dict[str, Any]) -> None:
    run = Run.from_answer(answer | {"run_id": "x"})
    assert run.raw == answer | {"run_id": "x"} or "nan" in repr(answer)
    assert run.metered_s is None or abs(run.metered_s) < 2**63
    assert run.started_at is None or run.started_at.tzinfo is UTC
    assert RunEvent.from_answer(answer).kind == ""


@pytest.mark.parametrize("answer", [{}, {"run_id": ""}, {"run_id": 5}, {"run_id": None, "status": "ended"}])
def test_a_run_without_an_id_is_none(answer: dict[str, Any]) -> None:
    with pytest.raises(InvalidAnswer, match="run_id"):
        Run.from_answer(answer)


def test_an_answer_without_runs_is_none(call: Any) -> None:
    with pytest.raises(InvalidAnswer, match="runs"):
        call(listed, lambda _: httpx.Response(200, json={"jobs": []}))


def test_a_sink_is_open_before_the_first_byte_goes_out(call: Any) -> None:
    class Full(Exception):
        pass

    def open_sink() -> Any:
        raise Full

    def handle(request: httpx.Request) -> httpx.Response:
        raise AssertionError("something was sent")

    with pytest.raises(Full):
        call(lambda e: e.measure_audio(sound(), AudioConfig(), open_sink), handle)


def test_outcome_of_a_lost_answer_says_what_v1_can_tell(call: Any, sinks: Any) -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("nothing came")

    with pytest.raises(OutcomeUnknown, match=r"nothing came.*measured and billed.*--resend-unknown"):
        call(lambda e: e.measure_audio(sound(), AudioConfig(), sinks[1]), handle)
