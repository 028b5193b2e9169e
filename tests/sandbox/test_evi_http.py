"""EVI over plain HTTP: pages, forms, strings, credentials, audio and webhooks, as the contract has them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.server
import io
import json
import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import av
import httpx
import pytest
from hume_client import Hume

from humeanalytics.sandbox.embedded import Sandbox
from humeanalytics.sandbox.options import SandboxOptions

SandboxWith = Callable[..., tuple[Sandbox, Hume]]
CHATS, GROUPS = "/v0/evi/chats", "/v0/evi/chat_groups"
UNKNOWN = "6375d4f8-cd3e-4d6b-b13b-ace66b7c8aaa"
AFTER_ALL_S = 3600.0


def pages(hume: Hume, path: str, items: str, size: int = 100, **params: Any) -> list[dict[str, Any]]:
    """All items of a list, page after page until one is empty."""
    found: list[dict[str, Any]] = []
    for number in range(10_000):
        page = hume.get(path, params={"page_number": number, "page_size": size, **params}).raise_for_status().json()
        if not page[items]:
            return found
        found += page[items]
    raise AssertionError("no end")


# --------------------------------------------------------------------------------------------------------------- pages
def test_envelope_defaults_and_a_page_beyond_the_end(sandbox_with: SandboxWith) -> None:
    _, hume = sandbox_with(evi_chats=21, evi_running=0)
    page = hume.get(CHATS).json()
    assert {name: page[name] for name in page if name != "chats_page"} == {
        "page_number": 0,
        "page_size": 10,
        "total_pages": 3,
        "pagination_direction": "ASC",
    }
    assert len(page["chats_page"]) == 10
    beyond = hume.get(CHATS, params={"page_number": 3}).json()
    assert (beyond["chats_page"], beyond["page_number"], beyond["total_pages"]) == ([], 3, 3)
    chat_id = page["chats_page"][0]["id"]
    beyond = hume.get(f"{CHATS}/{chat_id}", params={"page_number": 99}).json()
    assert beyond["events_page"] == []
    assert beyond["id"] == chat_id


def test_both_orders_are_each_other_backwards(sandbox_with: SandboxWith) -> None:
    _, hume = sandbox_with(evi_chats=23, evi_running=0)
    for path, items in ((CHATS, "chats_page"), (GROUPS, "chat_groups_page")):
        forwards = pages(hume, path, items, 4, ascending_order="true")
        assert pages(hume, path, items, 4, ascending_order="false") == forwards[::-1]
        started = [one.get("start_timestamp", one.get("first_start_timestamp")) for one in forwards]
        assert started == sorted(started)
    assert hume.get(CHATS, params={"ascending_order": "false"}).json()["pagination_direction"] == "DESC"


@pytest.mark.parametrize(
    "params",
    [{"page_size": 0}, {"page_size": 101}, {"page_number": -1}, {"page_size": "x"}, {"ascending_order": 2}, {"config_id": "x"}],
)
def test_what_cannot_be_is_a_400_with_an_error_response(shared: Hume, params: dict[str, Any]) -> None:
    answer = shared.get(CHATS, params=params)
    assert answer.status_code == 400
    assert set(answer.json()) <= {"code", "error", "message"}


def test_guesses_about_pages(sandbox_with: SandboxWith) -> None:
    _, hume = sandbox_with(
        evi_chats=0,
        evi_running=0,
        evi_empty_total_pages=1,
        evi_page_size_status=None,
        evi_newest_first=True,
        evi_spring_errors=True,
    )
    page = hume.get(CHATS, params={"page_size": 1000}).json()
    assert page == {"page_number": 0, "page_size": 100, "total_pages": 1, "pagination_direction": "DESC", "chats_page": []}
    answer = hume.get(f"{CHATS}/{UNKNOWN}")
    assert answer.status_code == 404
    assert set(answer.json()) == {"timestamp", "status", "error", "message", "path"}


def test_unknown_routes_and_unknown_ids(shared: Hume) -> None:
    answer = shared.get(f"{CHATS}/{UNKNOWN}/events")
    assert answer.status_code == 404
    body = answer.json()
    assert body["message"] == f"No static resource chats/{UNKNOWN}/events."
    assert body["path"] == f"/chats/{UNKNOWN}/events"
    assert shared.delete(f"{CHATS}/{UNKNOWN}").status_code == 405
    for path in (f"{CHATS}/{UNKNOWN}", f"{CHATS}/{UNKNOWN}/audio", f"{GROUPS}/{UNKNOWN}", f"{GROUPS}/{UNKNOWN}/events"):
        answer = shared.get(path)
        assert answer.status_code == 404
        assert "message" in answer.json()


# --------------------------------------------------------------------------------------------------------------- forms
def test_strings_are_json_as_python_writes_it_and_segments_are_in_the_models_order(shared: Hume) -> None:
    events = [json.loads(line) for line in shared.get("/sandbox/evi/events").text.splitlines()]
    orders = set()
    for event in events:
        for name in ("emotion_features", "metadata"):
            if event[name]:
                assert json.dumps(json.loads(event[name]), sort_keys=True) == event[name]
        if event["type"] == "USER_MESSAGE" and event["metadata"]:
            segments = json.loads(event["metadata"])["segments"]
            features = json.loads(event["emotion_features"])
            if len(segments) == 1:
                (segment,) = segments
                assert sorted(segment["scores"]) == sorted(features.values())
                assert segment["scores"][11:13] == [features["Contemplation"], features["Confusion"]]
                assert segment["scores"][40:43] == [features["Satisfaction"], features["Desire"], features["Shame"]]
            orders.add(len(segments))
            assert segments[0]["time"]["begin_ms"] < segments[0]["time"]["end_ms"]
            assert len(segments[0].get("embedding", [0] * 768)) == 768
    assert orders == {1, 2}


def test_forms_of_nothing(shared: Hume) -> None:
    chats = shared.get("/sandbox/evi").json()["chats"]
    assert {chat["metadata"] for chat in chats} == {"", None}
    configs = [chat["config"] for chat in chats]
    assert None in configs
    assert {config["version"] for config in configs if config} >= {0, 1, None}
    assert 0 in {chat["event_count"] for chat in chats}
    events = [json.loads(line) for line in shared.get("/sandbox/evi/events").text.splitlines()]
    assert {"", None} <= {event["emotion_features"] for event in events}
    with_relation = [event for event in events if "related_event_id" in event]
    assert 0 < len(with_relation) < len(events)
    said = {event["id"] for event in events if event["type"] == "AGENT_MESSAGE"}
    assert all((event["related_event_id"] in said) == (event["type"] == "ASSISTANT_PROSODY") for event in with_relation)


def test_the_past_follows_from_the_seed(sandbox_with: SandboxWith) -> None:
    _, one = sandbox_with(evi_running=0)
    _, same = sandbox_with(evi_running=0)
    _, other = sandbox_with(seed=8, evi_running=0)
    events = one.get("/sandbox/evi/events").content
    assert same.get("/sandbox/evi/events").content == events
    assert other.get("/sandbox/evi/events").content != events


def test_new_fields(sandbox_with: SandboxWith) -> None:
    _, hume = sandbox_with(evi_new_fields=True)
    page = hume.get(CHATS).json()
    assert "cursor" in page
    assert "region" in page["chats_page"][0]
    long = max(page["chats_page"], key=lambda chat: chat["event_count"])
    events = pages(hume, f"{CHATS}/{long['id']}", "events_page")
    assert {"GESTURE_ONSET"} < {event["type"] for event in events}


def test_guesses_about_events(sandbox_with: SandboxWith) -> None:
    def events_and_counts(**options: Any) -> tuple[list[dict[str, Any]], int]:
        _, hume = sandbox_with(evi_running=0, **options)
        counted = sum(chat["event_count"] for chat in hume.get("/sandbox/evi").json()["chats"])
        return [json.loads(line) for line in hume.get("/sandbox/evi/events").text.splitlines()], counted

    usual, counted = events_and_counts()
    other, counted_otherwise = events_and_counts(
        evi_count_all=False,
        evi_tool_role="AGENT",
        evi_bare_tool_results=True,
        evi_interruption_time=False,
        evi_segments_from_recording=False,
        evi_embeddings=False,
    )
    assert counted == len(usual) == len(other)
    assert counted_otherwise == sum(event["type"] in ("USER_MESSAGE", "AGENT_MESSAGE") for event in other)
    assert [event["id"] for event in usual] == [event["id"] for event in other]
    seen = set()
    for one, two in zip(usual, other, strict=True):
        if one["type"] == "FUNCTION_CALL":
            assert (one["role"], two["role"]) == ("TOOL", "AGENT")
        elif one["type"] == "FUNCTION_CALL_RESPONSE":
            whole = json.loads(one["message_text"])
            assert two["message_text"] == whole.get("content", whole.get("error"))
        elif one["type"] == "USER_INTERRUPTION":
            assert one["message_text"] == str(one["timestamp"])
            assert not two["message_text"]
        elif one["metadata"] != two["metadata"]:
            first, second = (json.loads(event["metadata"])["segments"][0] for event in (one, two))
            assert "embedding" not in second
            assert first["time"]["begin_ms"] <= second["time"]["begin_ms"]
            assert first["scores"] == second["scores"]
        seen.add(one["type"])
    assert {"FUNCTION_CALL", "FUNCTION_CALL_RESPONSE", "USER_INTERRUPTION", "USER_MESSAGE"} < seen


def test_answers_can_be_made_slow(sandbox_with: SandboxWith) -> None:
    _, hume = sandbox_with(evi_delay_s=0.3)
    began_s = time.monotonic()
    hume.get(CHATS)
    assert time.monotonic() - began_s >= 0.3


# -------------------------------------------------------------------------------------------------------------- growth
def test_chats_begin_grow_and_end_by_the_clock(sandbox_with: SandboxWith) -> None:
    sandbox, hume = sandbox_with(evi_chats=5, evi_running=2, evi_new_chats=6, evi_new_every_s=100.0)
    before = pages(hume, CHATS, "chats_page")
    assert len(before) == 7
    running = [chat for chat in before if chat["status"] == "ACTIVE"]
    assert len(running) == 2
    assert all(chat["end_timestamp"] is None for chat in running)
    assert hume.get(f"{GROUPS}/{running[0]['chat_group_id']}").json()["active"] is True

    sandbox.advance_clock(6 * 100.0)
    sandbox.advance_clock(AFTER_ALL_S)
    after = {chat["id"]: chat for chat in pages(hume, CHATS, "chats_page")}
    assert len(after) == 13
    for chat in running:
        ended = after[chat["id"]]
        assert ended["status"] != "ACTIVE"
        assert ended["end_timestamp"] > chat["start_timestamp"]
        assert ended["event_count"] >= chat["event_count"]
        events = pages(hume, f"{CHATS}/{chat['id']}", "events_page")
        assert len(events) == ended["event_count"]
        assert max(event["timestamp"] for event in events) <= ended["end_timestamp"]


def test_the_end_is_told_late(sandbox_with: SandboxWith) -> None:
    sandbox, hume = sandbox_with(evi_chats=0, evi_running=1, evi_end_late_s=3 * AFTER_ALL_S)
    (running,) = hume.get(CHATS).json()["chats_page"]
    assert running["status"] == "ACTIVE"
    sandbox.advance_clock(AFTER_ALL_S)
    (ended,) = hume.get(CHATS).json()["chats_page"]
    assert ended["status"] != "ACTIVE"
    assert ended["end_timestamp"] is None
    sandbox.advance_clock(3 * AFTER_ALL_S)
    (told,) = hume.get(CHATS).json()["chats_page"]
    assert running["start_timestamp"] < told["end_timestamp"] < running["start_timestamp"] + AFTER_ALL_S * 1000


def test_what_tests_add_change_and_delete_survives_a_restart(tmp_path: Any) -> None:
    options = SandboxOptions(evi_chats=3, evi_running=1)
    with Sandbox(state=tmp_path, options=options) as sandbox, Hume(sandbox.url) as hume:
        whole = [{"type": "USER_MESSAGE", "message_text": "hi"}, {"type": "AGENT_MESSAGE"}]
        chat = hume.post("/sandbox/evi/chats", json={"events": whole}).raise_for_status().json()
        assert (chat["status"], chat["event_count"]) == ("ACTIVE", 2)
        more = hume.post(f"/sandbox/evi/chats/{chat['id']}/events", json=[{"type": "CHAT_END_MESSAGE"}]).json()
        ended = {"status": "USER_ENDED", "end_timestamp": more[0]["timestamp"]}
        assert hume.post(f"/sandbox/evi/chats/{chat['id']}", json=ended).json()["event_count"] == 3
        first = hume.get(CHATS).json()["chats_page"][0]["id"]
        hume.delete(f"/sandbox/evi/chats/{first}").raise_for_status()
        assert hume.get(f"{CHATS}/{first}").status_code == 404
        assert hume.post(f"/sandbox/evi/chats/{first}", json={}).status_code == 404
        assert hume.get("/sandbox/evi/events", params={"chat_id": first}).status_code == 404
        assert hume.post("/sandbox/evi/chats", json={"id": chat["id"]}).status_code == 400
        sandbox.advance_clock(AFTER_ALL_S)
        before = hume.get("/sandbox/evi").json()["chats"], hume.get("/sandbox/evi/events").content
    with Sandbox(state=tmp_path, options=options) as sandbox, Hume(sandbox.url) as hume:
        assert (hume.get("/sandbox/evi").json()["chats"], hume.get("/sandbox/evi/events").content) == before
        events = pages(hume, f"{CHATS}/{chat['id']}", "events_page")
        assert [(event["type"], event["role"]) for event in events] == [
            ("USER_MESSAGE", "USER"),
            ("AGENT_MESSAGE", "AGENT"),
            ("CHAT_END_MESSAGE", "SYSTEM"),
        ]


def test_a_large_fleet_is_there_at_once(sandbox_with: SandboxWith) -> None:
    _, hume = sandbox_with(evi_chats=2000, evi_events_per_chat=50, evi_running=0)
    chats = pages(hume, CHATS, "chats_page")
    assert len(chats) == len({chat["id"] for chat in chats}) == 2000
    assert 90_000 < sum(chat["event_count"] for chat in chats) < 110_000
    long = max(chats, key=lambda chat: chat["event_count"])
    assert len(pages(hume, f"{CHATS}/{long['id']}", "events_page")) == long["event_count"] > 100


# --------------------------------------------------------------------------------------------------------- credentials
def token_of(url: str, key: str = "k", secret: str = "s") -> httpx.Response:
    basic = base64.b64encode(f"{key}:{secret}".encode()).decode()
    headers = {"Authorization": f"Basic {basic}"}
    return httpx.post(f"{url}/oauth2-cc/token", data={"grant_type": "client_credentials"}, headers=headers)


def test_tokens_are_good_for_half_an_hour() -> None:
    with Sandbox(api_key="k") as sandbox:
        bearer = {"Authorization": f"Bearer {token_of(sandbox.url).json()['access_token']}"}
        assert httpx.get(sandbox.url + CHATS, headers=bearer).status_code == 200
        assert httpx.get(sandbox.url + CHATS, headers={"X-Hume-Api-Key": "k"}).status_code == 200
        assert httpx.get(sandbox.url + CHATS).status_code == 401
        assert httpx.get(sandbox.url + "/v0/batch/jobs", headers=bearer).status_code == 401
        forged = {"Authorization": bearer["Authorization"][:-1] + "x"}
        assert httpx.get(sandbox.url + CHATS, headers=forged).status_code == 401
        assert token_of(sandbox.url, key="other").status_code == 401
        assert token_of(sandbox.url, secret="").status_code == 401
        sandbox.advance_clock(1790)
        assert httpx.get(sandbox.url + CHATS, headers=bearer).status_code == 200
        sandbox.advance_clock(11)
        assert httpx.get(sandbox.url + CHATS, headers=bearer).status_code == 401


# --------------------------------------------------------------------------------------------------------------- audio
def test_audio_by_the_clock(sandbox_with: SandboxWith) -> None:
    sandbox, hume = sandbox_with(evi_running=0, evi_audio_queue_s=100.0, evi_audio_run_s=100.0)
    path = f"{CHATS}/{hume.get(CHATS).json()['chats_page'][0]['id']}/audio"
    queued = hume.get(path).json()
    assert (queued["status"], queued["filename"], queued["signed_audio_url"]) == ("QUEUED", None, None)
    sandbox.advance_clock(100)
    assert hume.get(path).json()["status"] == "IN_PROGRESS"
    sandbox.advance_clock(100)
    done = hume.get(path).json()
    assert done["status"] == "COMPLETE"

    file = httpx.get(done["signed_audio_url"])
    assert file.status_code == 200
    with av.open(io.BytesIO(file.content)) as container:
        assert container.streams.audio[0].codec_context.name == "aac"
        assert 1 < container.duration / 1e6 <= 61
    assert httpx.get(done["signed_audio_url"][:-1] + "0").status_code in (200, 403)  # one in sixteen ends in 0
    assert httpx.get(done["signed_audio_url"].partition("?")[0]).status_code == 403
    sandbox.advance_clock(3601)
    expired = httpx.get(done["signed_audio_url"])
    assert expired.status_code == 400
    assert "ExpiredToken" in expired.text
    assert httpx.get(hume.get(path).json()["signed_audio_url"]).content == file.content


def test_audio_by_polls_and_its_other_ends(sandbox_with: SandboxWith) -> None:
    sandbox, hume = sandbox_with(evi_running=0, evi_audio_polls=3)
    one, two, three = (chat["id"] for chat in hume.get(CHATS).json()["chats_page"][:3])
    hume.post(f"/sandbox/evi/chats/{two}", json={"audio": "ERROR"}).raise_for_status()
    sandbox.evi.change_chat(three, audio="IN_PROGRESS")
    seen = {chat_id: [hume.get(f"{CHATS}/{chat_id}/audio").json()["status"] for _ in range(5)] for chat_id in (one, two, three)}
    assert seen[one] == ["QUEUED", "IN_PROGRESS", "IN_PROGRESS", "COMPLETE", "COMPLETE"]
    assert seen[two][-1] == "ERROR"
    assert seen[three][-1] == "IN_PROGRESS"
    assert hume.post(f"/sandbox/evi/chats/{one}", json={"audio": "PROCESSING"}).status_code == 400


# ------------------------------------------------------------------------------------------------------------ webhooks
@pytest.fixture
def receiver() -> Iterator[tuple[str, Any]]:
    """The URL of a server, and the requests it gets."""
    calls: Any = queue.Queue()

    class Receiver(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            calls.put((dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/hook", calls
        server.shutdown()
        thread.join()


def test_webhooks_are_signed(sandbox_with: SandboxWith, receiver: tuple[str, Any]) -> None:
    url, calls = receiver
    _, hume = sandbox_with(evi_running=0, evi_signing_key="a key")
    truth = hume.get("/sandbox/evi").json()
    calling = [json.loads(line) for line in hume.get("/sandbox/evi/events").text.splitlines()]
    chat_id = next(event["chat_id"] for event in calling if event["type"] == "FUNCTION_CALL")
    chat = next(chat for chat in truth["chats"] if chat["id"] == chat_id)
    for name in ("chat_started", "chat_ended", "tool_call"):
        sent = hume.post("/sandbox/evi/webhooks", json={"url": url, "event_name": name, "chat_id": chat_id}).raise_for_status()
        headers, body = calls.get(timeout=10)
        stamp = headers["X-Hume-AI-Webhook-Timestamp"]
        wanted = hmac.new(b"a key", body + b"." + stamp.encode(), hashlib.sha256).hexdigest()
        assert headers["X-Hume-AI-Webhook-Signature"] == wanted == sent.json()["signature"]
        said = json.loads(body)
        assert said["event_name"] == name
        assert {"chat_group_id", "chat_id", "config_id", "caller_number", "custom_session_id", "twilio_metadata"} < set(said)
        if name == "chat_started":
            assert said["start_time"] == chat["start_timestamp"]
        elif name == "chat_ended":
            assert (said["end_reason"], said["end_time"]) == (chat["status"], chat["end_timestamp"])
        else:
            assert said["tool_call_message"]["tool_call_id"].startswith("call_")
    told = {"url": url, "event_name": "chat_ended", "chat_id": chat_id, "key": "wrong", "age_s": 500, "body": "{}"}
    hume.post("/sandbox/evi/webhooks", json=told).raise_for_status()
    headers, body = calls.get(timeout=10)
    assert body == b"{}"
    assert (
        headers["X-Hume-AI-Webhook-Signature"]
        == hmac.new(b"wrong", b"{}." + headers["X-Hume-AI-Webhook-Timestamp"].encode(), hashlib.sha256).hexdigest()
    )
    elsewhere = {"url": "http://example.com/", "event_name": "chat_ended", "chat_id": chat_id}
    assert hume.post("/sandbox/evi/webhooks", json=elsewhere).status_code == 400


# -------------------------------------------------------------------------------------------------------------- faults
def test_faults_strike_history_too(sandbox_with: SandboxWith) -> None:
    sandbox, hume = sandbox_with()
    sandbox.set_faults([{"path": "/v0/evi/chats", "status": 429, "retry_after": 3, "times": 1}])
    struck = hume.get(CHATS)
    assert (struck.status_code, struck.headers["Retry-After"]) == (429, "3")
    assert hume.get(CHATS).status_code == 200
