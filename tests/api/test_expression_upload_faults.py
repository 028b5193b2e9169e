"""Whatever an upload meets on its way: what is sent again, what never is, and what becomes of the answer. Over real sockets."""

from __future__ import annotations

import asyncio
import errno
import io
import json
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from humeanalytics.api.expression import AudioConfig, ExpressionApi, VideoConfig, jpeg, wav
from humeanalytics.errors import (
    ApiError,
    AuthenticationFailed,
    DiskFull,
    HumeAnalyticsError,
    NotFound,
    OutcomeUnknown,
    PermissionDenied,
    RateLimited,
    RequestRejected,
    ServerFailed,
    ServiceUnreachable,
    UnreadableRecording,
)

Step = bytes | str
ANSWER = b'{"request_id":"b2c9","run_id":"0199c3e1","received":{"audio_duration_ms":5},"utterances":[],"measurements":[]}'


def http(status: int, body: bytes = b"", *headers: str, length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def own_error(status: int, code: str, *headers: str) -> bytes:
    body = {"type": "error", "code": code, "message": f"About {code}.", "request_id": "5d0be1c3f4a84e2f9a76c0b81e42d993"}
    return http(status, json.dumps(body).encode(), *headers)


def gateway(status: int, message: str = "no", *headers: str) -> bytes:
    return http(status, json.dumps({"message": message}).encode(), *headers)


OK = http(200, ANSWER)


@pytest.fixture
def upload(raw_server: Any, make_settings: Any, sinks: Any) -> Callable[..., Any]:
    """Upload one audio to a server that answers with these steps, the last for all that follow.

    Returns what the upload returned or raised, and how many requests came. ``"close"`` ends a connection without an answer,
    ``"reset"`` resets it, ``"stall"`` says nothing, ``b"..."`` without its promised end is cut there.
    """

    def upload(
        *steps: Step, use: Callable[[ExpressionApi], Awaitable[Any]] | None = None, open_sink: Any = None, **changes: Any
    ) -> tuple[Any, int]:
        left = list(steps)

        async def answer(request: Any, writer: asyncio.StreamWriter) -> None:
            step = left.pop(0) if len(left) > 1 else left[0]
            if step == "stall":
                await asyncio.sleep(30)
            elif step == "reset":
                linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                writer.transport.abort()
                raise ConnectionResetError
            elif isinstance(step, bytes):
                writer.write(step)
                await writer.drain()
                head, _, body = step.partition(b"\r\n\r\n")
                if int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0] or -1) != len(body):
                    raise ConnectionResetError
            else:
                raise ConnectionResetError

        async def measure(expression: ExpressionApi) -> int:
            sound = wav("a.wav", 4, lambda: io.BytesIO(b"RIFF"))
            return await expression.measure_audio(sound, AudioConfig(), open_sink or sinks[1])

        async def run() -> tuple[Any, int]:
            async with raw_server(answer) as server:
                settings = make_settings(expression_base_url=server.url, **changes)
                async with ExpressionApi(settings) as expression:
                    try:
                        outcome = await (use or measure)(expression)
                    except HumeAnalyticsError as error:
                        outcome = error
                return outcome, len(server.requests)

        return asyncio.run(run())

    return upload


# ------------------------------------------------------------------------------------------- refused: said once, never sent again
@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (400, "message_invalid", RequestRejected),
        (400, "config_invalid", RequestRejected),
        (400, "audio_decode_failed", RequestRejected),
        (400, "image_decode_failed", RequestRejected),
        (400, "invalid_request", RequestRejected),
        (403, "forbidden", PermissionDenied),
        (404, "not_found", NotFound),
        (405, "method_not_allowed", RequestRejected),
        (413, "audio_too_long", RequestRejected),
        (413, "image_too_large", RequestRejected),
        (415, "unsupported_media_type", RequestRejected),
        (422, "a code of next year", RequestRejected),
    ],
)
def test_a_refusal_carries_humes_code(upload: Any, sinks: Any, status: int, code: str, error: type[ApiError]) -> None:
    outcome, requests = upload(own_error(status, code), OK)
    assert type(outcome) is error
    assert (outcome.status, outcome.code, outcome.request_id) == (status, code, "5d0be1c3f4a84e2f9a76c0b81e42d993")
    assert f"answered {status} {code}: About {code}. " in str(outcome)
    assert requests == 1
    assert [sink.ended for sink in sinks[0]] == [["abort"]]


@pytest.mark.parametrize(
    ("step", "error", "said"),
    [
        (gateway(401, "Invalid API key"), AuthenticationFailed, "HUME_EXPRESSION_API_KEY"),
        (gateway(401), AuthenticationFailed, "HUME_API_KEY"),
        (gateway(403), PermissionDenied, "limited release"),
        (gateway(404, "no Route matched"), NotFound, "HUME_EXPRESSION_BASE_URL"),
        (http(301, b"", "Location: https://elsewhere.example/"), RequestRejected, "HUME_EXPRESSION_BASE_URL"),
        (http(400, b"<html><title>Bad</title>"), RequestRejected, "an HTML page"),
    ],
)
def test_a_refusal_of_the_gateway_has_no_code(upload: Any, step: bytes, error: type[ApiError], said: str) -> None:
    outcome, requests = upload(step, OK)
    assert type(outcome) is error
    assert outcome.code is None
    assert said in str(outcome)
    assert requests == 1


def test_access_is_refused_with_exit_code_4(upload: Any) -> None:
    for step in (own_error(403, "forbidden"), gateway(401)):
        assert upload(step)[0].exit_code == 4


# -------------------------------------------------------------------------------------------------- not taken: sent again
@pytest.mark.parametrize(
    "step",
    [
        own_error(503, "server_busy"),
        own_error(503, "server_busy", "Retry-After: 0"),
        gateway(503),
        http(503),
        gateway(429, "API rate limit exceeded"),
        http(429),
        own_error(500, "internal_error"),
    ],
)
def test_what_was_not_taken_is_sent_again(upload: Any, sinks: Any, step: bytes) -> None:
    outcome, requests = upload(step, step, OK)
    assert outcome == len(ANSWER)
    assert requests == 3
    assert [sink.ended for sink in sinks[0]] == [["abort"], ["abort"], ["commit"]]
    assert sinks[0][-1].data == ANSWER


def test_retry_after_is_waited_for_and_not_beyond_the_deadline(upload: Any) -> None:
    outcome, requests = upload(own_error(503, "server_busy", "Retry-After: 900"), OK)
    assert type(outcome) is ServerFailed
    assert (requests, outcome.code, outcome.exit_code) == (1, "server_busy", 75)
    assert "asked to wait 900 s" in str(outcome)


def test_a_failing_server_is_believed_after_a_few_times(upload: Any) -> None:
    outcome, requests = upload(own_error(500, "internal_error"))
    assert type(outcome) is ServerFailed
    assert (requests, outcome.code) == (4, "internal_error")
    assert "Tried 4 times" in str(outcome)


def test_an_error_of_humes_own_that_nobody_has_heard_of_is_a_failure_and_no_doubt(upload: Any) -> None:
    outcome, requests = upload(own_error(500, "out_of_tea"), OK)
    assert type(outcome) is ServerFailed
    assert (requests, outcome.code) == (1, "out_of_tea")


def test_busy_to_the_end(upload: Any) -> None:
    outcome, requests = upload(gateway(429, "API rate limit exceeded"), retry_deadline_s=0.05)
    assert type(outcome) is RateLimited
    assert requests > 1
    assert outcome.exit_code == 75


def test_no_connection_is_no_harm(make_settings: Any, sinks: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"

        async def run() -> None:
            async with ExpressionApi(make_settings(expression_base_url=url, retry_deadline_s=0.05)) as expression:
                await expression.measure_audio(wav("a", 1, lambda: io.BytesIO(b"x")), AudioConfig(), sinks[1])

        with pytest.raises(ServiceUnreachable, match="HUME_EXPRESSION_BASE_URL"):
            asyncio.run(run())
    assert len(sinks[0]) > 1
    assert {tuple(sink.ended) for sink in sinks[0]} == {("abort",)}


# ----------------------------------------------------------------------------------------- lost: perhaps billed, never sent again
@pytest.mark.parametrize(
    ("step", "status", "reason"),
    [
        ("close", None, ""),
        ("reset", None, ""),
        ("stall", None, "ReadTimeout"),
        (http(500), 500, "without a message"),
        (gateway(500, "An unexpected error occurred"), 500, "An unexpected error"),
        (http(500, b'{"type": "error", "message": "no code"}'), 500, "no code"),
        (gateway(502), 502, ""),
        (http(504, b"<h1>504 Gateway Time-out</h1>"), 504, "504 Gateway Time-out"),
        (gateway(408), 408, ""),
        (http(200, ANSWER[:50], length=len(ANSWER)), 200, "its body ended early"),
        (http(200, ANSWER[:50]), 200, "its body ended early (50 bytes, not the end of a JSON object)"),
        (http(200), 200, "its body ended early"),
        (http(200, b"<html><title>Log in</title>"), 200, "instead of a JSON object came an HTML page titled 'Log in'"),
        (http(200, b"[]"), 200, "instead of a JSON object came"),
    ],
)
def test_a_lost_answer_is_unknown(upload: Any, sinks: Any, step: Step, status: int | None, reason: str) -> None:
    outcome, requests = upload(step, OK, expression_read_timeout_s=0.3)
    assert type(outcome) is OutcomeUnknown
    assert (outcome.status, requests) == (status, 1)
    assert reason in outcome.reason
    assert [sink.ended for sink in sinks[0]] == [["abort"]]


@pytest.mark.parametrize("where", ["write", "commit"])
def test_an_answer_that_cannot_be_kept_is_a_lost_one(upload: Any, where: str) -> None:
    """Also one with a full disk: it was measured and billed, and there is no second copy."""
    calls: list[str] = []

    class Sink:
        def write(self, data: bytes, /) -> None:
            self._do("write")

        def commit(self) -> None:
            self._do("commit")

        def abort(self) -> None:
            self._do("abort")

        def _do(self, what: str) -> None:
            calls.append(what)
            if what == where:
                raise DiskFull("No room left on lake.") from OSError(errno.ENOSPC, "No space left on device")

    outcome, requests = upload(OK, open_sink=Sink)
    assert type(outcome) is OutcomeUnknown
    assert (outcome.status, requests) == (200, 1)
    assert isinstance(outcome.__cause__, DiskFull)
    assert "DiskFull: No room left on lake" in outcome.reason
    assert calls == (["write", "abort"] if where == "write" else ["write", "commit"])


def test_a_cancelled_upload_leaves_nothing_in_its_sink(raw_server: Any, make_settings: Any, sinks: Any) -> None:
    async def run() -> int:
        arrived = asyncio.Event()

        async def answer(request: Any, writer: asyncio.StreamWriter) -> None:
            arrived.set()
            await asyncio.sleep(30)

        async with raw_server(answer) as server:
            async with ExpressionApi(make_settings(expression_base_url=server.url)) as expression:
                sound = wav("a", 1, lambda: io.BytesIO(b"x"))
                task = asyncio.create_task(expression.measure_audio(sound, AudioConfig(), sinks[1]))
                await arrived.wait()
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            return len(server.requests)

    assert asyncio.run(run()) == 1
    assert [sink.ended for sink in sinks[0]] == [["abort"]]


@pytest.mark.parametrize(("size_bytes", "said"), [(3, "longer"), (5, "shorter")])
def test_a_file_that_changed_meanwhile_is_no_upload(upload: Any, sinks: Any, size_bytes: int, said: str) -> None:
    async def use(expression: ExpressionApi) -> int:
        images = [jpeg("a", b"x"), wav("b.jpg", size_bytes, lambda: io.BytesIO(b"1234"))]
        return await expression.measure_images(images, VideoConfig(), sinks[1])

    outcome, requests = upload(OK, use=use)
    assert type(outcome) is UnreadableRecording
    assert requests == 0
    assert outcome.item == "b.jpg"
    assert said in str(outcome)
    assert [sink.ended for sink in sinks[0]] == [["abort"]]


def test_no_error_tells_the_key(upload: Any) -> None:
    key = "k-3f9c1d77aa0e4b52"
    for step in (gateway(401, f"bad key {key}"), gateway(502, key), own_error(400, key), http(200, key.encode())):
        outcome, _ = upload(step)
        assert key not in str(outcome)
        assert key not in str(getattr(outcome, "reason", ""))
