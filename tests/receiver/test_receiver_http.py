"""The receiver over real HTTP: who is let in, how much of them, and that nothing but a count is left of the others."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import httpx
import pytest

from humeanalytics.errors import UsageError
from humeanalytics.receiver.app import BATCH_PATH, EVI_PATH, Receiver, Terms
from humeanalytics.receiver.bodies import Webhook
from humeanalytics.receiver.serving import ReceiverServer

BODY = b'{"event_name":"chat_ended","chat_id":"1f3a"}'
TOKEN = "t0ken"
TERMS = Terms(("old", "new"), TOKEN, body_bytes=2000, per_s=1000.0, body_s=0.5)


class Kept:
    """A door that keeps what it is given in memory."""

    def __init__(self) -> None:
        self.all: list[Webhook | str] = []
        self.fails = False

    def take_webhook(self, webhook: Webhook) -> bool:
        return self.take_callback(webhook)

    def take_callback(self, what: Webhook | str) -> bool:
        if self.fails:
            raise OSError("the disk is full of marker-bytes")
        self.all.append(what)
        return self.all.count(what) == 1

    def counts(self) -> dict[str, Any]:
        return {"deliveries": len(self.all)}


@contextmanager
def served(terms: Terms = TERMS) -> Iterator[tuple[str, Kept, Receiver]]:
    kept = Kept()
    receiver = Receiver(kept, terms)
    with ReceiverServer(receiver.app, "127.0.0.1", 0) as server:
        yield server.url, kept, receiver


@pytest.fixture
def at() -> Iterator[tuple[str, Kept, Receiver]]:
    with served() as all_of_it:
        yield all_of_it


def headers(body: bytes = BODY, key: str = "new", age_s: int = 0) -> dict[str, str]:
    timestamp = str(int(time.time()) - age_s)
    signature = hmac.new(key.encode(), body + b"." + timestamp.encode(), hashlib.sha256).hexdigest()
    return {"X-Hume-AI-Webhook-Timestamp": timestamp, "X-Hume-AI-Webhook-Signature": signature}


@pytest.mark.parametrize("key", ["old", "new"])
def test_a_webhook_is_kept_as_it_came(at: tuple[str, Kept, Receiver], key: str) -> None:
    url, kept, _ = at
    body = b' {"chat_id" : "1f3a",\n "end_reason": "x"} '
    answer = httpx.post(url + EVI_PATH, content=body, headers=headers(body, key))
    assert (answer.status_code, answer.content) == (200, b"")
    assert kept.all == [Webhook("chat_ended", "1f3a", "", body)]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda given: given.pop("X-Hume-AI-Webhook-Signature"), "not signed"),
        (lambda given: given.pop("X-Hume-AI-Webhook-Timestamp"), "not signed"),
        (lambda given: given.clear(), "not signed"),
        (lambda given: given.update(headers(key="neither")), "signature"),
        (lambda given: given.update(headers(BODY[:-1] + b" }")), "signature"),
        (lambda given: given.update(headers(age_s=200)), "too old"),
        (lambda given: given.update(headers(age_s=-60)), "too early"),
        (lambda given: given.update({"X-Hume-AI-Webhook-Timestamp": "soon"}), "timestamp"),
    ],
)
def test_what_is_not_signed_just_now_is_refused(at: tuple[str, Kept, Receiver], change: Any, reason: str) -> None:
    url, kept, receiver = at
    given = headers()
    change(given)
    answer = httpx.post(url + EVI_PATH, content=BODY, headers=given)
    assert (answer.status_code, answer.content) == (401, b"")
    assert (kept.all, dict(receiver.refused)) == ([], {reason: 1})


def test_two_signatures_are_none(at: tuple[str, Kept, Receiver]) -> None:
    url, kept, _ = at
    given = [*headers().items(), ("X-Hume-AI-Webhook-Signature", "0" * 64)]
    assert httpx.post(url + EVI_PATH, content=BODY, headers=given).status_code == 401
    assert not kept.all


@pytest.mark.parametrize("body", [b"[]", b"not JSON", b""])
def test_what_is_signed_and_no_webhook_is_refused(at: tuple[str, Kept, Receiver], body: bytes) -> None:
    url, kept, _ = at
    assert httpx.post(url + EVI_PATH, content=body, headers=headers(body)).status_code == 400
    assert not kept.all


def test_a_callback_needs_the_token(at: tuple[str, Kept, Receiver]) -> None:
    url, kept, receiver = at
    body = b'{"job_id": "1f3a", "status": "COMPLETED", "predictions": []}'
    for query in (
        "",
        "?token=",
        "?token=wrong",
        f"?token={TOKEN}x",
        f"?tokens={TOKEN}",
        "?token=%FF",
        f"?token=x&token={TOKEN[:-1]}",
    ):
        assert httpx.post(url + BATCH_PATH + query, content=body).status_code == 401
    assert not kept.all
    assert receiver.refused["token"] == 7
    assert httpx.post(f"{url}{BATCH_PATH}?token={TOKEN}", content=body).status_code == 200
    assert kept.all == ["1f3a"]


def test_a_callback_may_be_as_large_as_predictions_are(at: tuple[str, Kept, Receiver]) -> None:
    url, kept, _ = at

    def body() -> Iterator[bytes]:
        yield b'{"job_id":"1f3a","status":"COMPLETED","predictions":['
        for _ in range(300):
            yield b"7," * 32_768

    assert httpx.post(f"{url}{BATCH_PATH}?token={TOKEN}", content=body()).status_code == 200
    assert kept.all == ["1f3a"]
    late = b'{"predictions":[' + b"7," * 2000 + b'7],"job_id":"1f3b"}'  # not in what is looked at
    assert httpx.post(f"{url}{BATCH_PATH}?token={TOKEN}", content=late).status_code == 400
    assert kept.all == ["1f3a"]


@pytest.mark.parametrize("size", [2001, 100_000, 3_000_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_webhook_that_is_too_large_is_refused(at: tuple[str, Kept, Receiver], size: int, chunked: bool) -> None:
    url, kept, _ = at
    body = b"x" * size
    parts = (body[start : start + 5000] for start in range(0, size, 5000))
    answer = httpx.post(url + EVI_PATH, content=parts if chunked else body, headers=headers(body))
    assert answer.status_code == 413
    assert not kept.all


def test_a_webhook_may_be_as_large_as_it_may_be(at: tuple[str, Kept, Receiver]) -> None:
    url, kept, _ = at
    body = BODY + b" " * (2000 - len(BODY))
    assert httpx.post(url + EVI_PATH, content=body, headers=headers(body)).status_code == 200
    assert len(kept.all) == 1


@pytest.mark.parametrize("length", [str(len(BODY) - 4), str(len(BODY) + 1)])
def test_a_length_that_lies_gets_nowhere(at: tuple[str, Kept, Receiver], length: str) -> None:
    """Too short: the rest is another request, and the signature does not fit. Too long: the rest never comes."""
    url, kept, receiver = at
    host, port = url.removeprefix("http://").split(":")
    with closing(http.client.HTTPConnection(host, int(port), timeout=10)) as connection:
        connection.putrequest("POST", EVI_PATH)
        for name, value in {**headers(), "Content-Length": length}.items():
            connection.putheader(name, value)
        connection.endheaders()
        connection.send(BODY)
        assert connection.getresponse().status == (401 if int(length) < len(BODY) else 408)
    assert not kept.all
    assert receiver.refused.total() == 1


def test_a_body_that_drips_is_given_up(at: tuple[str, Kept, Receiver]) -> None:
    url, kept, _ = at

    def drips() -> Iterator[bytes]:
        for byte in BODY:
            yield bytes([byte])
            time.sleep(0.05)

    begun = time.monotonic()
    with httpx.Client() as client:
        try:
            status = client.post(url + EVI_PATH, content=drips(), headers=headers()).status_code
        except httpx.HTTPError:  # it was told while it was still sending
            status = 408
    assert status == 408
    assert time.monotonic() - begun < 5
    assert not kept.all


def test_a_connection_that_says_nothing_holds_up_nobody(at: tuple[str, Kept, Receiver]) -> None:
    url, kept, _ = at
    host, port = url.removeprefix("http://").split(":")
    with closing(socket.create_connection((host, int(port)))) as silent:
        silent.sendall(b"POST /webhooks/evi HTTP/1.1\r\nHo")
        assert httpx.post(url + EVI_PATH, content=BODY, headers=headers()).status_code == 200
    assert len(kept.all) == 1


def test_only_so_many_are_taken_a_second() -> None:
    with served(Terms(("new",), TOKEN, per_s=0.5)) as (url, kept, receiver), httpx.Client() as client:
        answers = [client.post(url + EVI_PATH, content=BODY, headers=headers()) for _ in range(6)]
        taken = [answer for answer in answers if answer.status_code == 200]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert len(taken) + len(refused) == 6
        assert 1 <= len(taken) == len(kept.all) < 6
        assert all(int(answer.headers["Retry-After"]) >= 1 for answer in refused)
        assert receiver.refused["too many"] == len(refused)
        unsigned = {client.post(url + EVI_PATH, content=BODY).status_code for _ in range(60)}
        assert unsigned == {401, 429}  # what is never kept is not read without end either


def test_what_is_refused_does_not_use_up_what_others_may_send() -> None:
    with served(Terms(("new",), TOKEN, per_s=2.0)) as (url, kept, _):
        for _ in range(10):
            assert httpx.post(url + EVI_PATH, content=BODY, headers=headers(key="wrong")).status_code == 401
        assert httpx.post(url + EVI_PATH, content=BODY, headers=headers()).status_code == 200
        assert len(kept.all) == 1


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", EVI_PATH, 405),
        ("PUT", EVI_PATH, 405),
        ("HEAD", EVI_PATH, 405),
        ("GET", f"{BATCH_PATH}?token={TOKEN}", 405),
        ("POST", "/healthz", 405),
        ("POST", "/", 404),
        ("POST", EVI_PATH + "/", 404),
        ("POST", EVI_PATH + "/../evi/x", 404),
        ("GET", "/docs", 404),
    ],
)
def test_there_is_nothing_else(at: tuple[str, Kept, Receiver], method: str, path: str, status: int) -> None:
    url, kept, receiver = at
    assert httpx.request(method, url + path, content=BODY, headers=headers()).status_code == status
    assert not kept.all
    assert receiver.refused.total() == 1


def test_what_cannot_be_kept_is_not_said_to_be(at: tuple[str, Kept, Receiver], caplog: pytest.LogCaptureFixture) -> None:
    url, kept, _ = at
    kept.fails = True
    answer = httpx.post(url + EVI_PATH, content=BODY, headers=headers())
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert "OSError" in caplog.text
    assert "marker-bytes" not in caplog.text
    kept.fails = False
    assert httpx.post(url + EVI_PATH, content=BODY, headers=headers()).status_code == 200


def test_without_keys_anybody_is_believed() -> None:
    with served(Terms((), TOKEN)) as (url, kept, _):
        assert httpx.post(url + EVI_PATH, content=BODY).status_code == 200
        assert len(kept.all) == 1


def test_health_is_numbers(at: tuple[str, Kept, Receiver]) -> None:
    url, _, _ = at
    httpx.post(url + EVI_PATH, content=BODY)
    answer = httpx.get(url + "/healthz")
    assert json.loads(answer.content) == {"status": "ok", "deliveries": 0, "refused": {"not signed": 1}}
    assert answer.headers["Connection"] == "close"


def test_what_is_not_even_http_ends(at: tuple[str, Kept, Receiver]) -> None:
    url, kept, _ = at
    host, port = url.removeprefix("http://").split(":")
    for said in (b"\x16\x03\x01\x02\x00garbage\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000 + b"\r\n"):
        with closing(socket.create_connection((host, int(port)), timeout=10)) as client:
            try:
                client.sendall(said)
                heard = client.recv(100)
            except ConnectionError:
                continue
            assert heard.startswith(b"HTTP/1.1 400") or not heard
    assert not kept.all


def test_a_port_that_is_taken_is_named() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port}"), ReceiverServer(Receiver(Kept(), TERMS).app, "127.0.0.1", port):
            pass
