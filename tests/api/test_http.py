"""The client over real sockets: what is repeated, what is not, and what an error says. The server does as each test tells."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from humeanalytics import __version__
from humeanalytics.api.bodies import json_body
from humeanalytics.api.downloads import JSON_ARRAY, ZIP
from humeanalytics.api.http import HumeClient
from humeanalytics.errors import (
    ApiError,
    AuthenticationFailed,
    InvalidAnswer,
    NotFound,
    OutcomeUnknown,
    PermissionDenied,
    RateLimited,
    RequestRejected,
    ServerFailed,
    ServiceDiscontinued,
    ServiceUnreachable,
    SettingsError,
)

KEY = "k-3f9c1d77aa0e4b52"
PATH = "/v0/batch/jobs"
Step = bytes | str


def http(status: int, body: bytes = b"", *headers: str, length: int | None = None) -> bytes:
    """An answer as bytes; ``length`` promises another length than the body has."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def script(*steps: Step) -> Callable[[Any, asyncio.StreamWriter], Awaitable[None]]:
    """Answer request after request with these; the last one for all that follow.

    ``"close"`` ends the connection without an answer, ``"reset"`` resets it, ``"stall"`` says nothing for long.
    """
    left = list(steps)

    async def answer(request: Any, writer: asyncio.StreamWriter) -> None:
        step = left.pop(0) if len(left) > 1 else left[0]
        if step == "stall":
            await asyncio.sleep(30)
        elif step == "reset":
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            writer.transport.abort()
            raise ConnectionResetError
        elif step == "close":
            raise ConnectionResetError
        else:
            assert isinstance(step, bytes)
            writer.write(step)
            if b"Content-Length" not in step.partition(b"\r\n\r\n")[0] or _is_cut(step):
                await writer.drain()
                raise ConnectionResetError

    return answer


def _is_cut(step: bytes) -> bool:
    head, _, body = step.partition(b"\r\n\r\n")
    return int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0]) > len(body)


@pytest.fixture
def talk(raw_server: Any, make_settings: Any) -> Callable[..., Any]:
    """Run ``use(client)`` against a server that follows a script; return what it returned or raised, and the requests."""

    def talk(use: Callable[[HumeClient], Awaitable[Any]], *steps: Step, **changes: Any) -> tuple[Any, list[Any]]:
        async def run() -> tuple[Any, list[Any]]:
            async with raw_server(script(*steps)) as server:
                async with HumeClient(make_settings(**changes), base_url=server.url, key=KEY) as client:
                    try:
                        outcome = await use(client)
                    except Exception as error:
                        outcome = error
                return outcome, server.requests

        return asyncio.run(run())

    return talk


async def get(client: HumeClient) -> Any:
    return await client.get_json(PATH, {"limit": 1}, list[Any])


async def post(client: HumeClient) -> Any:
    return (await client.post(PATH, json_body({"text": ["No."]}), dict[str, str]))["job_id"]


OK = http(200, b"[1]")
ACCEPTED = http(200, b'{"job_id": "j-1"}')


# ----------------------------------------------------------------------------------------------------------- the request
def test_what_a_get_sends(talk: Any) -> None:
    outcome, [request] = talk(get, OK)
    assert outcome == [1]
    assert (request.method, request.target) == ("GET", "/v0/batch/jobs?limit=1")
    assert request.headers["x-hume-api-key"] == KEY
    assert request.headers["user-agent"] == f"humeanalytics/{__version__}"


def test_what_a_post_sends(talk: Any) -> None:
    outcome, [request] = talk(post, ACCEPTED)
    assert outcome == "j-1"
    assert (request.method, request.target, request.body) == ("POST", PATH, b'{"text":["No."]}')
    assert (request.headers["content-type"], request.headers["content-length"]) == ("application/json", "16")
    assert "transfer-encoding" not in request.headers
    assert request.headers["x-hume-api-key"] == KEY


def test_repeated_parameters_and_a_path_before_the_api(raw_server: Any, make_settings: Any) -> None:
    async def run() -> str:
        async with raw_server(script(OK)) as server:
            async with HumeClient(make_settings(), base_url=server.url + "/hume/", key=KEY) as client:
                await client.get_json(PATH, {"status": ["QUEUED", "FAILED"]}, list[Any])
            return server.requests[0].target

    assert asyncio.run(run()) == "/hume/v0/batch/jobs?status=QUEUED&status=FAILED"


def test_submissions_never_use_a_connection_again(talk: Any) -> None:
    """A kept one may be closed by the server just when it is used, and the outcome would be unknown for nothing."""

    async def use(client: HumeClient) -> None:
        for call in (get, post, post, get, post):
            await call(client)

    _, requests = talk(use, OK, ACCEPTED, ACCEPTED, OK, ACCEPTED)
    assert [request.connection for request in requests] == [1, 2, 3, 1, 4]


# ------------------------------------------------------------------------------------------------------ who answers, when
def test_origin_is_the_host_until_a_sandbox_says_what_it_is(talk: Any) -> None:
    async def use(client: HumeClient) -> list[Any]:
        seen = [(client.origin.partition(":")[0], client.synthetic)]
        for _ in range(3):
            await get(client)
            seen.append((client.origin.partition(":")[0], client.synthetic))
        return seen

    outcome, _ = talk(use, http(502), OK, http(200, b"[1]", "X-Hume-Sandbox: seed=7"), OK)
    assert outcome == [("127.0.0.1", None), ("127.0.0.1", False), ("sandbox/7", True), ("sandbox/7", True)]


def test_an_error_without_the_header_tells_nothing(talk: Any) -> None:
    async def use(client: HumeClient) -> bool | None:
        with pytest.raises(ApiError):
            await get(client)
        return client.synthetic

    assert talk(use, http(404))[0] is None
    assert talk(use, http(404, b"", "X-Hume-Sandbox: seed=7"))[0] is True


def test_clock_of_the_server(talk: Any) -> None:
    async def use(client: HumeClient) -> tuple[float | None, float, float]:
        before_ms = client.server_now_ms()
        await get(client)
        return client.server_offset_s, before_ms, client.server_now_ms()

    (offset_s, before_ms, after_ms), _ = talk(use, http(200, b"[]", "Date: Wed, 21 Oct 2015 07:28:00 GMT"))
    assert after_ms == pytest.approx(1445412480500, abs=600)
    assert after_ms - before_ms == pytest.approx(offset_s * 1000, abs=600)
    (offset_s, *_), _ = talk(use, http(200, b"[]", "Date: yesterday"))
    assert offset_s is None


# ---------------------------------------------------------------------------------------------------------- GET: repeated
@pytest.mark.parametrize(
    "trouble",
    [
        *(http(status) for status in (408, 425, 429, 500, 502, 503, 504, 599)),
        http(429, b"", "Retry-After: 0"),
        http(503, b"", "retry-after-ms: 5"),
        http(500, b'{"message": "cut', length=500),
        http(200, b"[1", length=900),
        http(200, b"", length=900),
        http(200, b""),
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n[1, 2",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[1\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"this is not HTTP\r\n\r\n",
        http(200, gzip.compress(b"[1]" * 1000, mtime=0)[:-20], "Content-Encoding: gzip"),
        http(200, b"not gzip", "Content-Encoding: gzip"),
        "close",
        "reset",
    ],
    ids=[
        *("408", "425", "429", "500", "502", "503", "504", "599", "429-now", "503-soon", "500-cut"),
        *("cut", "cut-at-once", "empty", "cut-without-length", "cut-chunk", "cut-header", "no-http", "cut-gzip", "no-gzip"),
        *("close", "reset"),
    ],
)
def test_get_is_repeated(talk: Any, trouble: Step) -> None:
    outcome, requests = talk(get, trouble, trouble, OK)
    assert outcome == [1]
    assert len(requests) == 3


def test_get_is_repeated_after_a_silence(talk: Any) -> None:
    outcome, requests = talk(get, "stall", OK, read_timeout_s=0.1)
    assert (outcome, len(requests)) == ([1], 2)


def test_get_fails_with_the_last_error_at_the_deadline(talk: Any) -> None:
    outcome, requests = talk(get, http(500), http(503, b'{"message": "Overloaded"}'), retry_deadline_s=0.2)
    assert isinstance(outcome, ServerFailed)
    assert (outcome.status, outcome.exit_code) == (503, 75)
    assert f"Tried {len(requests)} times" in str(outcome)
    assert "Overloaded" in str(outcome)
    assert len(requests) > 2


@pytest.mark.parametrize("asked", ["Retry-After: 3600", "Retry-After: Wed, 21 Oct 2043 07:28:00 GMT", "retry-after-ms: 3600000"])
def test_a_wait_beyond_the_deadline_fails_at_once(talk: Any, asked: str) -> None:
    outcome, requests = talk(get, http(429, b"", asked), OK)
    assert isinstance(outcome, RateLimited)
    assert "asked to wait" in str(outcome)
    assert len(requests) == 1


@pytest.mark.parametrize("asked", ["Retry-After: 0.3", "retry-after-ms: 300"])
def test_waits_as_long_as_asked(talk: Any, asked: str) -> None:
    async def use(client: HumeClient) -> float:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        await get(client)
        return loop.time() - began_s

    outcome, _ = talk(use, http(429, b"", asked), OK)
    assert 0.3 <= outcome < 20


def test_no_server_at_all(make_settings: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody else gets the port, and nobody answers

        async def run(call: Any) -> None:
            url = f"http://127.0.0.1:{taken.getsockname()[1]}"
            async with HumeClient(make_settings(retry_deadline_s=0.1), base_url=url, key=KEY) as client:
                await call(client)

        for call in (get, post):
            with pytest.raises(
                ServiceUnreachable, match=r"127\.0\.0\.1:\d+ got no answer: ConnectError: .* Tried \d+ times"
            ) as caught:
                asyncio.run(run(call))
            assert caught.value.exit_code == 75


# ------------------------------------------------------------------------------------------------------ GET: not repeated
@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (http(401, b'{"fault":{"faultstring":"Invalid ApiKey","detail":{}}}'), AuthenticationFailed, ["Invalid ApiKey"]),
        (http(403, b'{"code":403,"message":"Not on your plan."}'), PermissionDenied, ["Not on your plan", "permissions"]),
        (http(404, b'{"message":"job not found"}'), NotFound, ["job not found", "account"]),
        (http(400, b'{"code":400,"message":"fps_pred is no number"}'), RequestRejected, ["fps_pred is no number"]),
        (http(413, b"<html><head><title>413 Too Large</title>"), RequestRejected, ["'413 Too Large'"]),
        (http(422, b""), RequestRejected, ["422 without a message"]),
        (http(418, b"\xff\xfe tea"), RequestRejected, ["418", "tea"]),
        (http(301, b"", "Location: https://y.example/x?X-Amz-Signature=abc"), RequestRejected, ["https://y.example/x"]),
        (http(200, b"<!DOCTYPE html><html><title>Sign in</title></html>"), InvalidAnswer, ["instead of JSON", "'Sign in'"]),
        (http(200, b'{"jobs": []}'), InvalidAnswer, ["not what was promised", "Expected `array`"]),
        (http(200, b"\x89PNG\r\n\x1a\n\x00\x00"), InvalidAnswer, ["bytes that begin 89 50 4e 47"]),
        (http(200, b"[1, 2, oops]"), InvalidAnswer, ["malformed", "oops"]),
    ],
)  # fmt: skip
def test_get_fails_at_once(talk: Any, answer: bytes, kind: type[ApiError], said: list[str]) -> None:
    error, requests = talk(get, answer)
    assert type(error) is kind
    assert error.status == int(answer[9:12])
    assert error.url.endswith(PATH)
    assert len(requests) == 1
    message = str(error)
    for words in (f"GET {PATH} on 127.0.0.1:", f"answered {error.status}", *said):
        assert words in message
    assert "abc" not in message


def test_discontinued(talk: Any) -> None:
    body = b'{"code":403,"message":"The Expression Measurement API has been discontinued and is no longer available."}'
    for call in (get, post):
        error, requests = talk(call, http(403, body))
        assert type(error) is ServiceDiscontinued
        assert (error.exit_code, len(requests)) == (4, 1)
        for words in ("2026-06-14", "ingest", "--sandbox", "v1"):
            assert words in str(error)


def test_no_redirect_is_followed(talk: Any, raw_server: Any) -> None:
    async def run() -> int:
        async with raw_server(script(OK)) as other:
            moved = http(307, b"", f"Location: {other.url}{PATH}")
            for call in (get, post):
                outcome, _ = await asyncio.to_thread(talk, call, moved)
                assert isinstance(outcome, RequestRejected)
            return other.connections

    assert asyncio.run(run()) == 0


def test_request_id_is_kept(talk: Any) -> None:
    error, _ = talk(get, http(400, b"{}", "X-Request-Id: r-17"))
    assert error.request_id == "r-17"


# -------------------------------------------------------------------------------------------------------------- POST
@pytest.mark.parametrize("status", [429, 503])
def test_post_is_repeated_where_nothing_was_taken(talk: Any, status: int) -> None:
    outcome, requests = talk(post, http(status), http(status, b"", "Retry-After: 0"), ACCEPTED)
    assert (outcome, len(requests)) == ("j-1", 3)
    assert len({request.body for request in requests}) == 1


@pytest.mark.parametrize(("status", "kind"), [(429, RateLimited), (503, ServerFailed)])
def test_post_that_was_never_taken_is_no_unknown(talk: Any, status: int, kind: type[ApiError]) -> None:
    outcome, requests = talk(post, http(status), retry_deadline_s=0.1)
    assert type(outcome) is kind
    assert len(requests) > 1


@pytest.mark.parametrize(
    ("trouble", "status", "reason"),
    [
        *((http(status, b'{"message":"boom"}'), status, f"{status}: boom") for status in (303, 408, 500, 501, 502, 504, 507)),
        (http(200, b'{"job_id": "j', length=900), 200, "peer closed connection"),
        (http(200, b'{"job'), 200, "truncated"),
        (http(200, b"<html><title>Welcome</title></html>"), 200, "'Welcome'"),
        (http(200, b'{"id": 7}'), 200, "Expected `str`"),
        (http(204), 204, "holds nothing"),
        (http(200, b"not gzip", "Content-Encoding: gzip"), 200, "DecodingError"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", None, "RemoteProtocolError"),
        (b"gibberish\r\n\r\n", None, "RemoteProtocolError"),
        ("close", None, "RemoteProtocolError: Server disconnected without sending a response"),
        ("reset", None, "ReadError"),
        ("stall", None, "ReadTimeout"),
    ],
)  # fmt: skip
def test_post_whose_answer_is_lost_is_unknown_and_sent_once(talk: Any, trouble: Step, status: int | None, reason: str) -> None:
    error, requests = talk(post, trouble, ACCEPTED, read_timeout_s=0.3)
    assert type(error) is OutcomeUnknown
    assert len(requests) == 1
    assert error.status == status
    assert reason in error.reason
    assert reason in str(error)
    assert "reconcile" in str(error)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(http(400), RequestRejected), (http(401), AuthenticationFailed), (http(403), PermissionDenied), (http(404), NotFound),
     (http(409), RequestRejected), (http(413), RequestRejected), (http(425), ServerFailed), (http(308), RequestRejected)],
)  # fmt: skip
def test_post_that_is_refused_fails_at_once(talk: Any, answer: bytes, kind: type[ApiError]) -> None:
    error, requests = talk(post, answer)
    assert type(error) is kind
    assert len(requests) == 1


def test_unknown_after_a_refusal_that_was_repeated(talk: Any) -> None:
    outcome, requests = talk(post, http(503), "close", ACCEPTED)
    assert type(outcome) is OutcomeUnknown
    assert len(requests) == 2


NOTHING_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
MAYBE_SENT = (
    httpx.ReadError,
    httpx.ReadTimeout,
    httpx.WriteError,
    httpx.WriteTimeout,
    httpx.CloseError,
    httpx.RemoteProtocolError,
    httpx.LocalProtocolError,
    httpx.TooManyRedirects,
    httpx.StreamClosed,
    ssl.SSLError,
    OSError,
    RuntimeError,
)


@pytest.mark.parametrize("kind", [*NOTHING_SENT, *MAYBE_SENT])
def test_every_way_a_connection_can_fail(make_settings: Any, kind: type[Exception]) -> None:
    """Where httpx may raise what: the first group before a byte went out, the second at any later moment."""
    tries = 0

    def handle(request: httpx.Request) -> httpx.Response:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise kind() if kind is httpx.StreamClosed else kind("as told")
        return httpx.Response(200, json={"job_id": "j-1"})

    async def run() -> Any:
        transport = httpx.MockTransport(handle)
        async with HumeClient(make_settings(), base_url="https://hume.example", key=KEY, transport=transport) as client:
            return await post(client)

    if kind in NOTHING_SENT:
        assert asyncio.run(run()) == "j-1"
    else:
        with pytest.raises(OutcomeUnknown) as caught:
            asyncio.run(run())
        assert kind.__name__ in caught.value.reason
        assert tries == 1


def test_a_bad_certificate_is_not_tried_again(make_settings: Any) -> None:
    tries = 0

    def handle(request: httpx.Request) -> httpx.Response:
        nonlocal tries
        tries += 1
        raise httpx.ConnectError("certificate verify failed") from ssl.SSLCertVerificationError(1, "certificate verify failed")

    async def run() -> None:
        transport = httpx.MockTransport(handle)
        async with HumeClient(make_settings(), base_url="https://hume.example", key=KEY, transport=transport) as client:
            await get(client)

    with pytest.raises(ServiceUnreachable, match="certificate verify failed"):
        asyncio.run(run())
    assert tries == 1


def test_cancelling_a_submission_cancels_it(talk: Any) -> None:
    async def use(client: HumeClient) -> str:
        task = asyncio.create_task(post(client))
        await asyncio.sleep(0.1)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            return "cancelled"
        return "answered"

    assert talk(use, "stall")[0] == "cancelled"


# ---------------------------------------------------------------------------------------------------------- downloads
LARGE = json.dumps([{"i": i} for i in range(60_000)]).encode()


def download(sinks: Any, form: Any = JSON_ARRAY, at_most: Any = None) -> Any:
    async def use(client: HumeClient) -> Any:
        return await client.download(PATH, sinks[1], form, at_most)

    return use


def test_download(talk: Any, sinks: Any) -> None:
    outcome, _ = talk(download(sinks), http(200, LARGE))
    [sink] = sinks[0]
    assert (outcome, sink.data, sink.ended) == (len(LARGE), LARGE, ["commit"])


def test_download_unpacks_what_was_packed_for_the_way(talk: Any, sinks: Any) -> None:
    outcome, _ = talk(download(sinks), http(200, gzip.compress(LARGE, mtime=0), "Content-Encoding: gzip"))
    assert (outcome, sinks[0][0].data) == (len(LARGE), LARGE)


@pytest.mark.parametrize(
    "trouble",
    [
        http(200, LARGE[:300_000], length=len(LARGE)),
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + LARGE[:300_000],
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000\r\n" + LARGE[:0x10000] + b"\r\n",
        http(200, gzip.compress(LARGE, mtime=0)[:-3000], "Content-Encoding: gzip"),
        http(200, b""),
    ],
    ids=["length", "close", "chunked", "gzip", "empty"],
)
def test_a_download_that_ends_early_starts_over_in_a_fresh_sink(talk: Any, sinks: Any, trouble: bytes) -> None:
    outcome, requests = talk(download(sinks), trouble, http(200, LARGE))
    assert (outcome, len(requests)) == (len(LARGE), 2)
    assert [sink.ended for sink in sinks[0]] == [["abort"], ["commit"]]
    assert sinks[0][1].data == LARGE


def test_a_download_that_always_ends_early(talk: Any, sinks: Any) -> None:
    error, requests = talk(download(sinks), http(200, LARGE[:100], length=len(LARGE)), retry_deadline_s=0.1)
    assert type(error) is InvalidAnswer
    assert f"Tried {len(requests)} times" in str(error)
    assert {tuple(sink.ended) for sink in sinks[0]} == {("abort",)}
    assert len(sinks[0]) == len(requests)


@pytest.mark.parametrize(
    ("form", "body", "said"),
    [
        (JSON_ARRAY, b'{"message":"job has no predictions"}', "instead of a JSON array came 'job has no predictions'"),
        (JSON_ARRAY, b"<html><title>Oops</title>", "an HTML page titled 'Oops'"),
        (ZIP, b'{"message":"no artifacts"}', "instead of a ZIP archive came 'no artifacts'"),
        (ZIP, b"Rar!\x1a\x07\x00", "bytes that begin 52 61 72 21"),
    ],
)
def test_a_body_of_another_kind_is_thrown_away_and_named(talk: Any, sinks: Any, form: Any, body: bytes, said: str) -> None:
    error, requests = talk(download(sinks, form), http(200, body))
    assert type(error) is InvalidAnswer
    assert said in str(error)
    assert (len(requests), sinks[0][0].ended) == (1, ["abort"])


def test_a_status_that_is_repeated_only_so_often(talk: Any, sinks: Any) -> None:
    early = http(400, b'{"message":"not yet"}')
    assert talk(download(sinks, at_most={400: 4}), early, early, early, http(200, b"[]"))[0] == 2
    error, requests = talk(download(sinks, at_most={400: 4}), early)
    assert type(error) is RequestRejected
    assert "not yet" in str(error)
    assert len(requests) == 4


def test_what_a_sink_raises_passes_and_is_not_tried_again(talk: Any) -> None:
    ended: list[str] = []

    class FullDisk:
        def write(self, data: bytes, /) -> None:
            raise OSError(28, "No space left on device")

        def commit(self) -> None:
            ended.append("commit")

        def abort(self) -> None:
            ended.append("abort")

    async def use(client: HumeClient) -> Any:
        return await client.download(PATH, FullDisk)

    error, requests = talk(use, http(200, LARGE))
    assert isinstance(error, OSError)
    assert error.errno == 28
    assert (len(requests), ended) == (1, ["abort"])


def test_cancelling_a_download_throws_away_what_came(raw_server: Any, make_settings: Any, sinks: Any) -> None:
    async def drip(request: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(http(200, LARGE, length=10 * len(LARGE)))
        await writer.drain()
        await asyncio.sleep(30)

    async def run() -> None:
        async with raw_server(drip) as server, HumeClient(make_settings(), base_url=server.url, key=KEY) as client:
            task = asyncio.create_task(client.download(PATH, sinks[1]))
            while not sinks[0] or not sinks[0][0].data:
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(run())
    assert [sink.ended for sink in sinks[0]] == [["abort"]]


def test_stream(talk: Any) -> None:
    async def use(client: HumeClient) -> bytes:
        async with client.stream(PATH, {"page": 2}) as chunks:
            return b"".join([chunk async for chunk in chunks])

    outcome, requests = talk(use, http(503), "close", http(200, b"", length=5), http(200, LARGE))
    assert outcome == LARGE
    assert [request.target for request in requests] == [f"{PATH}?page=2"] * 4


def test_stream_says_that_a_body_ended_early(talk: Any) -> None:
    came: list[bytes] = []

    async def use(client: HumeClient) -> None:
        async with client.stream(PATH) as chunks:
            async for chunk in chunks:
                came.append(chunk)  # noqa: PERF401 (what came before the error is the point)

    error, requests = talk(use, http(200, LARGE[:300_000], length=len(LARGE)), http(200, LARGE))
    assert type(error) is InvalidAnswer
    assert "ended early" in str(error)
    assert len(requests) == 1
    assert LARGE.startswith(b"".join(came))


# ------------------------------------------------------------------------------------------------------------- secrets
@pytest.mark.parametrize("call", [get, post])
def test_the_key_is_in_no_error_log_or_repr(talk: Any, caplog: pytest.LogCaptureFixture, call: Any) -> None:
    caplog.set_level(0)
    echo = json.dumps(
        {"message": f"bad key {KEY}; X-Hume-Api-Key: {KEY}; see https://s3.example/a?X-Amz-Signature=5ec7e7"}
    ).encode()
    texts = []
    for answer in (
        http(401, echo),
        http(500, echo),
        http(200, echo[:-9]),
    ):
        error, _ = talk(call, answer, retry_deadline_s=0.02)
        assert isinstance(error, Exception)
        chain: BaseException | None = error
        while chain is not None:
            texts += [str(chain), repr(chain)]
            chain = chain.__cause__ or chain.__context__

    async def use(client: HumeClient) -> str:
        await call(client)
        return repr(client) + repr(vars(client)) + repr(vars(client._exchange)) + repr(client._exchange.asked("GET", "/"))

    texts.append(talk(use, OK if call is get else ACCEPTED)[0])
    texts += [record.getMessage() for record in caplog.records]
    assert len(caplog.records) > 3
    for text in texts:
        assert KEY not in text
        assert "5ec7e7" not in text


@pytest.mark.parametrize("key", ["", "two words", "line\nbreak", "schlüssel", "tab\tkey"])
def test_a_key_that_cannot_be_one(make_settings: Any, key: str) -> None:
    with pytest.raises(SettingsError) as caught:
        HumeClient(make_settings(), base_url="https://hume.example", key=key)
    assert not key or key not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["", "api.hume.ai", "ftp://x", "https://", "https://u:p@x.example", "https://x?key=1", "https://x:99999", "http://[::1"],
)
def test_a_base_url_that_cannot_be_one(make_settings: Any, url: str) -> None:
    with pytest.raises(SettingsError, match="HUME_BASE_URL"):
        HumeClient(make_settings(), base_url=url, key=KEY)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://api.hume.ai", "api.hume.ai"),
        ("https://API.hume.ai:443/", "api.hume.ai"),
        ("http://127.0.0.1:8765", "127.0.0.1:8765"),
        ("http://[::1]:8765/hume", "[::1]:8765"),
    ],
)
def test_host_of_a_base_url(make_settings: Any, url: str, host: str) -> None:
    assert HumeClient(make_settings(), base_url=url, key=KEY).origin == host


def test_a_proxy_is_not_asked_for_this_machine(talk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert talk(get, OK)[0] == [1]
