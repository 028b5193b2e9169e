"""Every kind of fault, as a client meets it, and what the server has done by then."""

from __future__ import annotations

import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest
from hume_client import JOBS, Hume, rows
from hypothesis import given, settings
from hypothesis import strategies as st
from made_media import voice, wav

from humeanalytics.sandbox.embedded import Sandbox
from humeanalytics.sandbox.faults import Faults, InvalidRule

SandboxWith = Callable[..., tuple[Sandbox, Hume]]
ONE_TEXT: dict[str, Any] = {"text": ["Hello there."], "models": {"language": {}}}
BROKEN = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)


# ------------------------------------------------------------------------------------------------------- answers spoiled
@pytest.mark.parametrize("status", [400, 403, 408, 429, 500, 502, 503, 504])
def test_a_status_and_no_work(sandbox_with: SandboxWith, status: int) -> None:
    sandbox, hume = sandbox_with()
    sandbox.set_faults([{"method": "POST", "status": status, "times": 1}])
    answer = hume.post(JOBS, json=ONE_TEXT)
    assert (answer.status_code, answer.json()["code"]) == (status, status)
    assert sandbox.submissions() == []
    assert hume.post(JOBS, json=ONE_TEXT).status_code == 200


def test_a_status_with_a_large_upload(sandbox_with: SandboxWith) -> None:
    sandbox, hume = sandbox_with()
    sandbox.set_faults([{"method": "POST", "status": 503, "times": 1}])
    assert hume.post(JOBS, files={"file": b"x" * 20_000_000}).status_code == 503
    assert hume.post(JOBS, files={"file": b"Hello."}).status_code == 200


def test_bodies_of_errors(sandbox_with: SandboxWith) -> None:
    sandbox, hume = sandbox_with()
    sandbox.set_faults(
        [
            {"status": 500, "body": {"message": "mine"}, "times": 1},
            {"status": 500, "body": "plain text", "times": 1},
            {"status": 502, "html": True, "times": 1},
        ]
    )
    first, second, third = (hume.get(JOBS) for _ in range(3))
    assert first.json() == {"message": "mine"}
    assert (second.text, second.headers["Content-Type"]) == ("plain text", "text/plain; charset=utf-8")
    assert third.status_code == 502 and third.headers["Content-Type"].startswith("text/html") and "<h1>" in third.text


def test_when_to_come_again(sandbox_with: SandboxWith) -> None:
    sandbox, hume = sandbox_with()
    waits: list[Any] = [2, 0.5, "soon", {"ms": 1500}, {"date_in_s": 60}]
    sandbox.set_faults([{"status": 429, "retry_after": wait, "times": 1} for wait in waits])
    answers = [hume.get(JOBS) for _ in waits]
    assert [answer.headers.get("Retry-After") for answer in answers[:3]] == ["2", "0.5", "soon"]
    assert answers[3].headers["retry-after-ms"] == "1500" and "Retry-After" not in answers[3].headers
    ahead = parsedate_to_datetime(answers[4].headers["Retry-After"]) - parsedate_to_datetime(answers[4].headers["Date"])
    assert abs(ahead.total_seconds() - 60) <= 1


def test_the_end_of_the_service(sandbox_with: SandboxWith) -> None:
    sandbox, hume = sandbox_with()
    sandbox.set_faults([{"discontinued": True}])
    body = {"code": 403, "message": "The Expression Measurement API has been discontinued and is no longer available."}
    for answer in (hume.get(JOBS), hume.post(JOBS, json=ONE_TEXT), hume.get(f"{JOBS}/x/predictions")):
        assert (answer.status_code, answer.json()) == (403, body)
    assert sandbox.submissions() == []


@pytest.mark.parametrize("large", [False, True])
def test_dropped_before_the_work_is_recorded(sandbox_with: SandboxWith, large: bool) -> None:
    sandbox, hume = sandbox_with()
    sandbox.set_faults([{"path": JOBS, "drop_before": True, "times": 2}])
    with pytest.raises(BROKEN):
        hume.post(JOBS, files={"file": b"x" * (20_000_000 if large else 10)})
    with pytest.raises(BROKEN):
        hume.get(JOBS)
    assert (hume.get(JOBS).json(), sandbox.submissions()) == ([], [])


def test_dropped_after_the_work_is_recorded(sandbox_with: SandboxWith) -> None:
    sandbox, hume = sandbox_with()
    sandbox.set_faults([{"method": "POST", "drop_after": True, "times": 1}])
    with pytest.raises(BROKEN):
        hume.post(JOBS, json=ONE_TEXT)
    (submission,) = sandbox.submissions()
    (job,) = hume.get(JOBS).json()
    assert job["job_id"] == submission["job_id"]
    assert hume.predictions(job["job_id"])


def test_a_slow_drip(sandbox_with: SandboxWith) -> None:
    sandbox, hume = sandbox_with()
    job_id = hume.start(**ONE_TEXT)
    whole = hume.predictions(job_id)
    size = len(hume.get(f"{JOBS}/{job_id}/predictions").content)
    sandbox.set_faults([{"path": "*/predictions", "slow": size / 0.5}])
    start = time.monotonic()
    with hume.stream("GET", f"{JOBS}/{job_id}/predictions") as answer:
        pieces = list(answer.iter_raw())
    assert time.monotonic() - start >= 0.4
    assert len(pieces) >= 5
    assert httpx.Response(200, content=b"".join(pieces)).json() == whole


def test_a_sandbox_closes_in_the_middle_of_a_drip() -> None:
    with Sandbox() as sandbox:
        sandbox.set_faults([{"path": JOBS, "slow": 1}])
        with Hume(sandbox.url) as hume, hume.stream("GET", JOBS) as answer:
            assert answer.status_code == 200
            start = time.monotonic()
            sandbox.close()
            assert time.monotonic() - start < 5


@pytest.mark.parametrize("share", [0, 0.5, 0.99])
@pytest.mark.parametrize("what", ["predictions", "artifacts"])
def test_a_body_that_ends_early(sandbox_with: SandboxWith, share: float, what: str) -> None:
    sandbox, hume = sandbox_with()
    job_id = hume.upload({"a.wav": wav(voice(1.0))})
    hume.wait(job_id)
    whole = hume.get(f"{JOBS}/{job_id}/{what}").content
    sandbox.set_faults([{"path": f"*/{what}", "truncate": share, "times": 1}])
    got = b""
    with pytest.raises(httpx.RemoteProtocolError), hume.stream("GET", f"{JOBS}/{job_id}/{what}") as answer:
        assert (answer.status_code, int(answer.headers["Content-Length"])) == (200, len(whole))
        for piece in answer.iter_raw():
            got += piece
    assert got == whole[: int(len(whole) * share)]
    assert hume.get(f"{JOBS}/{job_id}/{what}").content == whole


def test_a_truncated_answer_to_a_submission_comes_after_the_work(sandbox_with: SandboxWith) -> None:
    sandbox, hume = sandbox_with()
    sandbox.set_faults([{"method": "POST", "truncate": 0.3, "times": 1}])
    with pytest.raises(httpx.RemoteProtocolError):
        hume.post(JOBS, json=ONE_TEXT)
    assert len(sandbox.submissions()) == 1


def test_a_wrong_body(sandbox_with: SandboxWith) -> None:
    sandbox, hume = sandbox_with()
    sandbox.set_faults([{"method": "POST", "wrong_body": True, "times": 1}, {"method": "POST", "wrong_body": "[]", "times": 1}])
    garbage = hume.post(JOBS, json=ONE_TEXT)
    assert garbage.status_code == 200
    with pytest.raises(ValueError, match=r"decode|Expecting|Invalid"):
        garbage.json()
    assert hume.post(JOBS, json=ONE_TEXT).json() == []
    assert len(sandbox.submissions()) == 2


# ------------------------------------------------------------------------------------------------------------ jobs spoiled
@pytest.mark.parametrize("where", ["QUEUED", "IN_PROGRESS"])
def test_a_job_that_gets_stuck(sandbox_with: SandboxWith, where: str) -> None:
    sandbox, hume = sandbox_with()
    sandbox.set_faults([{"stuck": where, "times": 1}])
    stuck = hume.start(**ONE_TEXT)
    assert hume.predictions(hume.start(**ONE_TEXT))
    sandbox.advance_clock(10_000)
    end = time.monotonic() + 20
    while hume.job(stuck)["state"]["status"] != where:
        assert time.monotonic() < end
        time.sleep(0.01)
    time.sleep(0.1)
    assert hume.job(stuck)["state"]["status"] == where


def test_a_job_that_fails(sandbox_with: SandboxWith) -> None:
    sandbox, hume = sandbox_with()
    sandbox.set_faults([{"fail_job": "the model is asleep", "after": 1, "times": 1}])
    states = [hume.wait(hume.start(**ONE_TEXT))["state"] for _ in range(3)]
    assert [state["status"] for state in states] == ["COMPLETED", "FAILED", "COMPLETED"]
    assert states[1]["message"] == "the model is asleep"


def test_files_that_fail(sandbox_with: SandboxWith) -> None:
    sandbox, hume = sandbox_with()
    sandbox.set_faults([{"file_error": "cannot be heard", "file": "b*.txt"}, {"file_error": "nor this", "file": "2"}])
    job_id = hume.upload({"a.txt": b"One.", "b1.txt": b"Two."}, text=["Three.", "Four."], models={"language": {}})
    a, b, texts = hume.predictions(job_id)
    assert a["results"]["errors"] == []
    assert b["results"] == {
        "predictions": [],
        "errors": [{"file": "b1.txt", "model": None, "message": "cannot be heard"}],
    }
    assert [p["file"] for p in texts["results"]["predictions"]] == ["1"]
    assert texts["results"]["errors"][0]["message"] == "nor this"
    state = hume.job(job_id)["state"]
    assert (state["num_predictions"], state["num_errors"]) == (2, 2)


def test_new_fields(sandbox_with: SandboxWith) -> None:
    sandbox, hume = sandbox_with()
    plain = hume.predictions(hume.start(**ONE_TEXT))
    sandbox.set_faults([{"new_fields": True}])
    job_id = hume.start(**ONE_TEXT)
    odd = hume.predictions(job_id)
    job = hume.job(job_id)
    assert {"region", "priority"} <= set(job) and "progress" in job["state"]
    assert hume.get(JOBS).json()[0]["region"]
    for place in (odd[0]["source"], prediction := odd[0]["results"]["predictions"][0], rows(prediction, "language")[0]):
        assert place.pop("hologram") == {"depth": 3, "tags": ["new"]}
    without = [{k: v for k, v in row.items() if k != "hologram"} for row in rows(prediction, "language")]
    assert without == rows(plain[0]["results"]["predictions"][0], "language")


def test_new_names(sandbox_with: SandboxWith) -> None:
    sandbox, hume = sandbox_with(queue_s=50.0)
    sandbox.set_faults([{"new_names": True}])
    job_id = hume.start(**ONE_TEXT)
    assert hume.job(job_id)["state"]["status"] == "PREPARING"
    sandbox.advance_clock(60)
    (source,) = hume.predictions(job_id)
    (prediction,) = source["results"]["predictions"]
    assert prediction["file_type"] == "text_360"
    assert set(prediction["models"]) == {"language", "gaze"}
    names = [score["name"] for score in rows(prediction, "language")[0]["emotions"]]
    assert names[53:] == ["Zest", "Ennui (mild)"]


# -------------------------------------------------------------------------------------------------------------------- rules
def test_paths_methods_and_counts() -> None:
    faults = Faults(7)
    faults.replace(
        [
            {"path": "/v0/batch/jobs/*/predictions", "status": 500},
            {"path_regex": r"/v0/batch/jobs/[0-9a-f]+", "method": "get", "status": 501, "after": 1, "times": 1},
            {"status": 502, "method": "PUT"},
        ]
    )

    def hit(method: str, path: str) -> Any:
        rule, on_job = faults.strike(method, path)
        assert on_job == []
        return rule and rule.argument

    assert hit("GET", "/v0/batch/jobs/a/b/predictions") == 500
    assert [hit("GET", "/v0/batch/jobs/abc") for _ in range(3)] == [None, 501, None]
    assert hit("POST", "/v0/batch/jobs/abc") is None
    assert hit("PUT", "/anything") == 502
    assert [(rule["seen"], rule["hits"]) for rule in faults.report()] == [(1, 1), (3, 1), (1, 1)]


@given(st.integers(0, 2**32), st.floats(0, 1))
@settings(deadline=None)
def test_chance_is_settled_by_the_seed(seed: int, probability: float) -> None:
    def draws(sandbox_seed: int) -> list[bool]:
        faults = Faults(sandbox_seed)
        faults.replace([{"status": 500, "probability": probability, "seed": seed}])
        return [faults.strike("GET", "/")[0] is not None for _ in range(40)]

    assert draws(1) == draws(2)
    if probability in (0, 1):
        assert set(draws(1)) == {bool(probability)}


def test_rules_have_luck_of_their_own() -> None:
    faults = Faults(7)
    faults.replace([{"path": f"/{i}", "status": 500, "probability": 0.5} for i in range(2)])
    first, second = ([faults.strike("GET", f"/{i}")[0] is not None for _ in range(64)] for i in range(2))
    assert first != second
    assert 16 < sum(first) < 48 and 16 < sum(second) < 48


def test_job_rules_strike_submissions_only_and_all_that_strike_count() -> None:
    faults = Faults(7)
    faults.replace(
        [{"new_fields": True}, {"status": 500, "times": 1}, {"new_names": True, "times": 1}, {"drop_after": True, "times": 1}]
    )
    rule, on_job = faults.strike("POST", JOBS)
    assert rule is not None and (rule.action, on_job) == ("status", [])  # no job, nothing to act on
    rule, on_job = faults.strike("POST", JOBS)
    assert rule is not None and (rule.action, [r.action for r in on_job]) == ("drop_after", ["new_fields", "new_names"])
    rule, on_job = faults.strike("POST", JOBS)
    assert rule is None and [r.action for r in on_job] == ["new_fields"]
    assert faults.strike("GET", JOBS)[1] == []
    assert faults.strike("POST", "/v0/other")[1] == []


@pytest.mark.parametrize(
    ("rules", "complaint"),
    [
        ({}, "rules must be a list, not dict"),
        (["x"], "rule 0: a rule must be an object, not str"),
        ([{}], "rule 0: a rule needs exactly one action of status, .*; this one has none"),
        ([{"status": 500, "stuck": "QUEUED"}], "this one has status, stuck"),
        ([{"status": 500}, {"status": "500"}], "rule 1: 'status' must be an HTTP status"),
        ([{"status": True}], "'status' must be"),
        ([{"status": 500, "time": 3}], "'time' does not go with 'status'"),
        ([{"drop_before": True, "retry_after": 1}], "'retry_after' does not go with 'drop_before'"),
        ([{"drop_before": False}], "'drop_before' must be true"),
        ([{"status": 500, "times": -1}], "'times' must be a count"),
        ([{"status": 500, "probability": 2}], "'probability' must be a number from 0 to 1"),
        ([{"status": 500, "path": "/a", "path_regex": "/a"}], "exclude each other"),
        ([{"status": 500, "path_regex": "("}], "not a regular expression"),
        ([{"status": 429, "retry_after": {"s": 1}}], "'retry_after' must be"),
        ([{"slow": 0}], "'slow' must be a number of bytes per second"),
        ([{"truncate": 1}], "'truncate' must be a share"),
        ([{"stuck": "COMPLETED"}], "'stuck' must be QUEUED or IN_PROGRESS"),
        ([{"fail_job": 3}], "'fail_job' must be a message or true"),
        ([{"stuck": "QUEUED", "method": "GET"}], "acts on the job that a POST starts"),
    ],
)
def test_rules_that_cannot_be(rules: Any, complaint: str) -> None:
    faults = Faults(7)
    faults.replace([{"status": 418}])
    with pytest.raises(InvalidRule, match=complaint):
        faults.replace(rules)
    assert [rule["status"] for rule in faults.report()] == [418]
