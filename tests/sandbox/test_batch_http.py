"""The six operations over HTTP: answers, states, filters, refusals."""

from __future__ import annotations

import hashlib
import json
import socket
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from hume_client import JOBS, Hume
from made_media import voice, wav

from humeanalytics.sandbox.embedded import Sandbox

SandboxWith = Callable[..., tuple[Sandbox, Hume]]
ONE_TEXT: dict[str, Any] = {"text": ["Hello there."], "models": {"language": {}}}


# ------------------------------------------------------------------------------------------------------ keys and headers
def test_any_key_will_do_but_there_must_be_one(shared: Hume) -> None:
    assert shared.get(JOBS).status_code == 200
    for headers in ({}, {"X-Hume-Api-Key": ""}):
        answer = httpx.get(f"{shared.base_url}{JOBS}", headers=headers)
        assert answer.status_code == 401
        assert answer.json() == {"fault": {"faultstring": "Invalid ApiKey", "detail": {"errorcode": "oauth.v2.InvalidApiKey"}}}


def test_one_key_only() -> None:
    with Sandbox(api_key="right") as sandbox:
        for key, status in (("right", 200), ("wrong", 401)):
            with Hume(sandbox.url, key) as hume:
                assert hume.get(JOBS).status_code == status
        assert sandbox.settings.key() == "right"


def test_every_answer_says_where_it_comes_from_and_when(sandbox_with: SandboxWith) -> None:
    sandbox, hume = sandbox_with(seed=11)
    sandbox.advance_clock(86_400)
    answers = [
        hume.get(JOBS),
        hume.get("/nowhere"),
        hume.get("/sandbox/submissions"),
        hume.post(JOBS, json=ONE_TEXT),
        hume.delete(JOBS),
        httpx.get(f"{sandbox.url}{JOBS}"),
    ]
    assert [answer.status_code for answer in answers] == [200, 404, 200, 200, 405, 401]
    for answer in answers:
        assert answer.headers["X-Hume-Sandbox"] == "seed=11"
        (date,) = answer.headers.get_list("Date")
        assert abs(parsedate_to_datetime(date).timestamp() - time.time() - 86_400) < 5


# ------------------------------------------------------------------------------------------------------------ life of a job
def test_the_states_of_a_job_have_only_the_fields_that_apply(sandbox_with: SandboxWith) -> None:
    sandbox, hume = sandbox_with(queue_s=100.0, run_s=100.0)
    job_id = hume.start(**ONE_TEXT)
    assert set(hume.job(job_id)) == {"type", "job_id", "user_id", "request", "state"}
    state = hume.job(job_id)["state"]
    assert (state["status"], set(state)) == ("QUEUED", {"status", "created_timestamp_ms"})
    sandbox.advance_clock(101)
    state = _state_when(hume, job_id, "IN_PROGRESS")
    assert set(state) == {"status", "created_timestamp_ms", "started_timestamp_ms"}
    assert state["started_timestamp_ms"] - state["created_timestamp_ms"] >= 100_000
    sandbox.advance_clock(101)
    state = _state_when(hume, job_id, "COMPLETED")
    assert state["ended_timestamp_ms"] - state["started_timestamp_ms"] >= 100_000
    assert set(state) == {
        "status",
        "created_timestamp_ms",
        "started_timestamp_ms",
        "ended_timestamp_ms",
        "num_predictions",
        "num_errors",
    }
    assert (state["num_predictions"], state["num_errors"]) == (1, 0)


def _state_when(hume: Hume, job_id: str, status: str) -> dict[str, Any]:
    end = time.monotonic() + 20
    while (state := hume.job(job_id)["state"])["status"] != status:
        assert time.monotonic() < end, state
        time.sleep(0.01)
    return state  # type: ignore[no-any-return]


def test_a_failed_job_says_why_and_has_no_results(sandbox_with: SandboxWith) -> None:
    sandbox, hume = sandbox_with()
    sandbox.set_faults([{"fail_job": True, "times": 1}])
    job_id = hume.start(**ONE_TEXT)
    job = hume.wait(job_id)
    assert set(job["state"]) == {
        "status",
        "created_timestamp_ms",
        "started_timestamp_ms",
        "ended_timestamp_ms",
        "message",
    }
    assert job["state"]["message"] == f"user '{job['user_id']}' has exceeded their usage limit"
    assert hume.get(f"{JOBS}/{job_id}/predictions").status_code == 400
    assert len(sandbox.submissions()) == 1


def test_results_are_refused_until_the_job_is_through(sandbox_with: SandboxWith) -> None:
    _, hume = sandbox_with(queue_s=100.0)
    job_id = hume.start(**ONE_TEXT)
    for what in ("predictions", "artifacts"):
        answer = hume.get(f"{JOBS}/{job_id}/{what}")
        assert (answer.status_code, answer.json()) == (400, {"message": f"job is QUEUED; {what} are not available"})


@pytest.mark.parametrize("path", ["", "/predictions", "/artifacts"])
@pytest.mark.parametrize("job_id", ["00000000-0000-0000-0000-000000000000", "no-uuid"])
def test_an_unknown_job(shared: Hume, job_id: str, path: str) -> None:
    answer = shared.get(f"{JOBS}/{job_id}{path}")
    assert (answer.status_code, answer.json()) == (404, {"message": "job not found"})


def test_there_is_nothing_else(shared: Hume) -> None:
    job_id = shared.start(**ONE_TEXT)
    assert shared.delete(f"{JOBS}/{job_id}").status_code == 405
    assert shared.get(f"{JOBS}/").status_code == 404
    assert shared.get("/v0/other").json() == {"message": "not found"}


def test_the_echo_of_uploads(shared: Hume) -> None:
    content = wav(voice(0.2))
    files = [("file", ("a.wav", content, "audio/wav")), ("file", ("b", content)), ("json", (None, '{"notify": true}'))]
    request = shared.job(shared.post(JOBS, files=files).json()["job_id"])["request"]
    md5 = hashlib.md5(content).hexdigest()
    assert request["notify"] is True
    assert request["files"] == [
        {"filename": "a.wav", "content_type": "audio/wav", "md5sum": md5},
        {"filename": "b", "content_type": "application/octet-stream", "md5sum": md5},
    ]
    assert "transcription" not in request


def test_the_echo_of_urls_keeps_their_query(shared: Hume) -> None:
    url = "http://127.0.0.1:9/a.wav?X-Amz-Signature=abc"
    request = shared.job(shared.start(urls=[url], transcription=None))["request"]
    assert (request["urls"], request["files"], request["transcription"]) == ([url], [], None)


# ---------------------------------------------------------------------------------------------------------------- listing
def test_time_and_when(sandbox_with: SandboxWith) -> None:
    sandbox, hume = sandbox_with()
    ids, created = [], []
    for _ in range(4):
        ids.append(hume.start(**ONE_TEXT))
        created.append(hume.job(ids[-1])["state"]["created_timestamp_ms"])
        sandbox.advance_clock(1)

    def listed(**query: Any) -> list[str]:
        return [job["job_id"] for job in hume.get(JOBS, params=query).raise_for_status().json()]

    assert listed() == ids[::-1]
    assert listed(when="created_before", timestamp_ms=created[2]) == [ids[1], ids[0]]
    assert listed(timestamp_ms=created[2]) == [ids[1], ids[0]]
    assert listed(when="created_after", timestamp_ms=created[2]) == [ids[3]]
    assert listed(when="created_after") == []
    assert listed(limit=2) == [ids[3], ids[2]]
    assert listed(limit=0) == []
    assert listed(direction="asc", limit=1) == [ids[0]]


def test_the_boundary_can_be_inclusive(sandbox_with: SandboxWith) -> None:
    _, hume = sandbox_with(boundary_inclusive=True)
    job = hume.job(hume.start(**ONE_TEXT))
    at = {"timestamp_ms": job["state"]["created_timestamp_ms"]}
    for when in ("created_before", "created_after"):
        assert [j["job_id"] for j in hume.get(JOBS, params={**at, "when": when}).json()] == [job["job_id"]]


def test_fifty_jobs_unless_asked_for_more(sandbox_with: SandboxWith) -> None:
    _, hume = sandbox_with(queue_s=1000.0)
    for _ in range(52):
        hume.start(**ONE_TEXT)
    assert len(hume.get(JOBS).json()) == 50
    assert len(hume.get(JOBS, params={"limit": 1000}).json()) == 52
    assert len(hume.get(JOBS, params=[("status", "QUEUED"), ("status", "FAILED"), ("limit", 99)]).json()) == 52
    assert hume.get(JOBS, params={"status": "FAILED"}).json() == []


@pytest.mark.parametrize(
    "query",
    [
        "limit=x",
        "limit=-1",
        "status=DONE",
        "when=later",
        "timestamp_ms=1.5",
        "sort_by=name",
        "direction=up",
        "limit=9" + "9" * 30,
    ],
)
def test_what_a_list_cannot_be_asked(shared: Hume, query: str) -> None:
    answer = shared.get(f"{JOBS}?{query}")
    assert answer.status_code == 400
    assert answer.json()["code"] == 400 and query.split("=")[0] in answer.json()["message"]


# -------------------------------------------------------------------------------------------------------------- refusals
def refused(answer: httpx.Response, status: int, about: str) -> None:
    assert answer.status_code == status
    assert answer.json()["code"] == status
    assert about in answer.json()["message"]


def test_bodies_that_are_none(shared: Hume) -> None:
    as_json = {"Content-Type": "application/json"}
    refused(shared.post(JOBS, content=b"{", headers=as_json), 400, "not valid JSON")
    refused(shared.post(JOBS, content=b"\xff", headers=as_json), 400, "not valid JSON")
    refused(shared.post(JOBS, content=b"", headers=as_json), 400, "not valid JSON")
    refused(shared.post(JOBS, content=b"[]", headers=as_json), 400, "must be an object")
    refused(shared.post(JOBS, content=b"a=1", headers={"Content-Type": "application/x-www-form-urlencoded"}), 415, "content type")
    refused(shared.post(JOBS, content=b"{}"), 415, "content type")
    refused(shared.post(JOBS, json={}), 400, "no urls, text or files")
    refused(shared.post(JOBS, json={"models": {"face": {}}, "text": []}), 400, "no urls, text or files")
    refused(shared.post(JOBS, files={"json": (None, "{}")}), 400, "no part named 'file'")
    refused(shared.post(JOBS, files={"file": b"x", "json": (None, "{")}), 400, "not valid JSON")


def test_a_refused_request_leaves_nothing_behind(tmp_path: Any) -> None:
    with Sandbox(state=tmp_path) as sandbox, Hume(sandbox.url) as hume:
        refused(hume.post(JOBS, files={"file": b"x" * 100, "json": (None, '{"notify": 3}')}), 400, "notify")
        assert (hume.get(JOBS).json(), sandbox.submissions()) == ([], [])
        assert list((tmp_path / "uploads").iterdir()) == []


def test_limits_over_http(sandbox_with: SandboxWith) -> None:
    sandbox, hume = sandbox_with(max_file_bytes=1000, max_files=2, max_text_bytes=20, max_body_bytes=500, queue_s=1000.0)
    refused(hume.post(JOBS, files={"file": b"x" * 1001}), 400, "exceeds the maximum of 1000 bytes")
    refused(hume.post(JOBS, files=[("file", b"x")] * 3), 400, "more than 2 files")
    refused(hume.post(JOBS, json={"text": ["x" * 21]}), 400, "exceeds the maximum of 20 bytes")
    refused(hume.post(JOBS, json={"text": ["x" * 19] * 30}), 400, "exceeds the maximum of 500 bytes")
    assert sandbox.submissions() == []
    hume.upload({"a": b"x" * 1000, "b": b"y"}, text=["x" * 20])
    assert len(sandbox.submissions()) == 3


def test_the_queue_is_limited_and_only_what_waits_counts(sandbox_with: SandboxWith) -> None:
    sandbox, hume = sandbox_with(max_queued_jobs=2, queue_s=100.0)
    first = [hume.start(**ONE_TEXT) for _ in range(2)]
    refused(hume.post(JOBS, json=ONE_TEXT), 429, "the maximum is 2")
    assert len(sandbox.submissions()) == 2
    sandbox.advance_clock(101)
    for job_id in first:
        hume.wait(job_id)
    hume.start(**ONE_TEXT)


def test_strictness_is_an_option(sandbox_with: SandboxWith) -> None:
    form = {"file": ("a.txt", b"Hello."), "models": (None, '{"face": {}}')}
    _, lenient = sandbox_with()
    job_id = lenient.post(JOBS, files=form).json()["job_id"]
    assert set(lenient.job(job_id)["request"]["models"]) == {"burst", "face", "facemesh", "language", "ner", "prosody"}
    _, strict = sandbox_with(strict=True)
    refused(strict.post(JOBS, files=form), 400, "unknown form part 'models'")
    refused(strict.post(JOBS, json={**ONE_TEXT, "window_sizes": [1]}), 400, "unknown field window_sizes")


def test_results_can_vanish(sandbox_with: SandboxWith) -> None:
    sandbox, hume = sandbox_with(retention_s=3600.0)
    job_id = hume.start(**ONE_TEXT)
    assert hume.predictions(job_id)
    sandbox.advance_clock(3601)
    for path in ("", "/predictions", "/artifacts"):
        assert hume.get(f"{JOBS}/{job_id}{path}").status_code == 404
    assert hume.get(JOBS).json() == []
    again = hume.start(**ONE_TEXT)
    assert [job["job_id"] for job in hume.get(JOBS).json()] == [again]


# --------------------------------------------------------------------------------------------------------------- control
def test_submissions_name_every_item_once(sandbox_with: SandboxWith) -> None:
    sandbox, hume = sandbox_with(queue_s=1000.0)
    url, text, content = "http://127.0.0.1:9/a.wav?id=1", "Schöne Grüße.", wav(voice(0.2))
    first = hume.start(urls=[url], text=[text, text])
    second = hume.upload({"a.wav": content, "b.wav": content}, text=["Beside."])
    submissions = sandbox.submissions()
    assert submissions == httpx.get(f"{sandbox.url}/sandbox/submissions").json()

    def sha256(data: bytes) -> str:
        return hashlib.sha256(data).hexdigest()

    assert {s["api"] for s in submissions} == {"batch"}
    assert [(s["job_id"], s["fingerprint"]) for s in submissions] == [
        (first, sha256(url.encode())),
        (first, sha256(text.encode())),
        (first, sha256(text.encode())),
        (second, sha256(content)),
        (second, sha256(content)),
        (second, sha256(b"Beside.")),
    ]
    assert {s["at"] for s in submissions if s["job_id"] == first} == {hume.job(first)["state"]["created_timestamp_ms"]}


def test_the_clock_over_http(sandbox_with: SandboxWith) -> None:
    sandbox, _ = sandbox_with()
    before = httpx.get(f"{sandbox.url}/sandbox").json()["now_ms"]
    answer = httpx.post(f"{sandbox.url}/sandbox/clock", json={"advance_s": 100})
    assert 100_000 <= answer.json()["now_ms"] - before < 105_000
    for body in (
        b"{}",
        b"[]",
        b"x",
        b'{"advance_s": -1}',
        b'{"advance_s": "1"}',
        b'{"advance_s": 1, "b": 2}',
        b'{"advance_s": 1e300}',
    ):
        assert httpx.post(f"{sandbox.url}/sandbox/clock", content=body).status_code == 400


def test_rules_over_http(sandbox_with: SandboxWith) -> None:
    sandbox, hume = sandbox_with()
    rules = [{"path": JOBS, "method": "get", "status": 503, "times": 2, "after": 1}]
    put = httpx.post(f"{sandbox.url}/sandbox/faults", json=rules)
    assert put.json() == [{**rules[0], "seen": 0, "hits": 0}]
    assert [hume.get(JOBS).status_code for _ in range(5)] == [200, 503, 503, 200, 200]
    assert httpx.get(f"{sandbox.url}/sandbox/faults").json() == [{**rules[0], "seen": 5, "hits": 2}]
    bad = httpx.post(f"{sandbox.url}/sandbox/faults", content=json.dumps([rules[0], {"status": 99}]))
    assert bad.status_code == 400
    assert "rule 1: 'status' must be an HTTP status" in bad.json()["message"]
    assert len(httpx.get(f"{sandbox.url}/sandbox/faults").json()) == 1
    httpx.post(f"{sandbox.url}/sandbox/faults", json=[])
    assert hume.get(JOBS).status_code == 200


def test_a_client_that_goes_away_in_the_middle_of_an_upload(tmp_path: Path) -> None:
    head = (
        f"POST {JOBS} HTTP/1.1\r\nHost: x\r\nX-Hume-Api-Key: k\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        'Content-Length: 1000000\r\n\r\n--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    )
    with Sandbox(state=tmp_path) as sandbox:
        with socket.create_connection(("127.0.0.1", int(sandbox.url.rpartition(":")[2]))) as client:
            client.sendall(head.encode() + b"x" * 200_000)
            _until(lambda: any(tmp_path.glob("uploads/*")))
        _until(lambda: not any(tmp_path.glob("uploads/*")))
        assert sandbox.submissions() == []


def _until(happens: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not happens():
        assert time.monotonic() < end
        time.sleep(0.01)
