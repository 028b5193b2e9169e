"""Keys, and faults on order, as a client of v1 meets them, and what was recorded and billed by then."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest
from expression_client import AUDIO, RUNS, VIDEO, jpeg, measured, pcm, refusal, runs, send_audio, send_images
from hume_client import JOBS, Hume
from made_media import silence, voice

from humeanalytics.sandbox.embedded import Sandbox
from humeanalytics.sandbox.expression.names import NEW_NAMES, NEW_STATUS, NEW_TRIGGER
from humeanalytics.sandbox.faults import Faults, InvalidRule

SandboxWith = Callable[..., tuple[Sandbox, Hume]]
SOUND = pcm(silence(0.3), voice(4), silence(0.3))
BROKEN = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)


@pytest.fixture(scope="module")
def own() -> Iterator[tuple[Sandbox, Hume]]:
    """A sandbox in which nothing is ever measured."""
    with Sandbox() as sandbox, Hume(sandbox.url) as hume:
        yield sandbox, hume


# ------------------------------------------------------------------------------------------------------------------ keys
def test_either_credential_but_one_of_them() -> None:
    with Sandbox(api_key="right") as sandbox, httpx.Client(base_url=sandbox.url) as bare:
        key, token = {"X-Hume-Api-Key": "right"}, {"Authorization": "Bearer right"}
        for headers in (key, token, {"Authorization": "bearer right"}):
            assert bare.get(RUNS, headers=headers).status_code == 200
        rejected: list[tuple[dict[str, str], bool]] = [
            ({}, False),
            ({"X-Hume-Api-Key": "wrong"}, True),
            ({"X-Hume-Api-Key": ""}, True),
            ({"Authorization": "Bearer wrong"}, False),
            ({"Authorization": "Basic right"}, False),
            ({"Authorization": "right"}, False),
            ({**key, **token}, True),
        ]
        for headers, names_request in rejected:
            for answer in (bare.get(RUNS, headers=headers), bare.post(AUDIO, files={"file": SOUND}, headers=headers)):
                assert answer.status_code == 401
                assert set(answer.json()) == ({"message", "request_id"} if names_request else {"message"})
        assert sandbox.submissions() == []


def test_without_a_key_of_its_own_it_wants_any(sandbox_with: SandboxWith) -> None:
    sandbox, _ = sandbox_with()
    with httpx.Client(base_url=sandbox.url) as bare:
        assert bare.get(RUNS).status_code == 401
        assert bare.get(RUNS, headers={"Authorization": "Bearer x"}).status_code == 200
        assert bare.get(JOBS, headers={"Authorization": "Bearer x"}).status_code == 401  # v0 has no tokens


def test_a_large_upload_hears_that_it_was_refused(sandbox_with: SandboxWith) -> None:
    sandbox, hume = sandbox_with(expression_access=False)
    large = b"\x00" * 20_000_000
    with httpx.Client(base_url=sandbox.url, timeout=60) as bare:
        assert bare.post(AUDIO, files={"file": large}).status_code == 401
    assert refusal(send_audio(hume, large)) == (403, "forbidden")
    sandbox.set_faults([{"status": 503}])
    assert refusal(send_audio(hume, large)) == (503, "server_busy")


# --------------------------------------------------------------------------------------------------------------- refusals
def test_an_organization_without_access_may_look_but_not_upload(sandbox_with: SandboxWith) -> None:
    sandbox, hume = sandbox_with(expression_access=False)
    assert refusal(send_audio(hume, SOUND)) == refusal(send_images(hume, [jpeg()])) == (403, "forbidden")
    assert runs(hume) == [] and sandbox.submissions() == []


def test_more_uploads_at_once_than_there_may_be(sandbox_with: SandboxWith) -> None:
    sandbox, hume = sandbox_with(expression_most_at_once=1, expression_delay_s=0.5)
    statuses = []

    def upload() -> None:
        with Hume(sandbox.url) as other:
            statuses.append(send_audio(other, SOUND).status_code)

    threads = [threading.Thread(target=upload) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses.count(200) == len(sandbox.submissions()) == len(runs(hume)) >= 1
    assert statuses.count(200) + statuses.count(503) == 4
    assert measured(send_audio(hume, SOUND))


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (AUDIO, 400, "message_invalid"),
        (AUDIO, 403, "forbidden"),
        (AUDIO, 405, "method_not_allowed"),
        (AUDIO, 413, "audio_too_long"),
        (VIDEO, 413, "image_too_large"),
        (VIDEO, 415, "unsupported_media_type"),
        (VIDEO, 500, "internal_error"),
        (AUDIO, 503, "server_busy"),
        (RUNS, 400, "invalid_request"),
        (f"{RUNS}/x", 404, "not_found"),
        (RUNS, 500, "internal_error"),
        (f"{RUNS}/x/events", 503, "server_busy"),
    ],
)
def test_a_status_on_order_has_the_code_that_goes_with_it(own: tuple[Sandbox, Hume], path: str, status: int, code: str) -> None:
    sandbox, hume = own
    sandbox.set_faults([{"path": path, "status": status}])
    answer = hume.get(path) if path.startswith(RUNS) else hume.post(path, files={"file": SOUND})
    assert refusal(answer) == (status, code)
    assert sandbox.submissions() == []


def test_a_code_on_order(sandbox_with: SandboxWith) -> None:
    sandbox, hume = sandbox_with()
    sandbox.set_faults([{"status": 400, "code": "config_invalid", "times": 1}, {"status": 500, "body": {"message": "mine"}}])
    assert refusal(send_audio(hume, SOUND)) == (400, "config_invalid")
    assert send_audio(hume, SOUND).json() == {"message": "mine"}


@pytest.mark.parametrize(("path", "status"), [(AUDIO, 401), (RUNS, 429), (AUDIO, 404), (AUDIO, 502), (RUNS, 504), (AUDIO, 408)])
def test_what_the_gateway_says_has_no_code(own: tuple[Sandbox, Hume], path: str, status: int) -> None:
    sandbox, hume = own
    sandbox.set_faults([{"path": "/v1/*", "status": status}])
    answer = hume.get(path) if path == RUNS else hume.post(path, files={"file": SOUND})
    assert answer.status_code == status and set(answer.json()) == {"message"}
    if status == 429:
        assert answer.json() == {"message": "API rate limit exceeded"}


def test_when_to_come_again(sandbox_with: SandboxWith) -> None:
    sandbox, hume = sandbox_with()
    sandbox.set_faults([{"status": 503, "retry_after": wait, "times": 1} for wait in (7, {"date_in_s": 60})] + [{"status": 503}])
    answers = [send_audio(hume, SOUND) for _ in range(3)]
    assert [refusal(answer) for answer in answers] == [(503, "server_busy")] * 3
    assert answers[0].headers["Retry-After"] == "7" and "Retry-After" not in answers[2].headers
    ahead = parsedate_to_datetime(answers[1].headers["Retry-After"]) - parsedate_to_datetime(answers[1].headers["Date"])
    assert abs(ahead.total_seconds() - 60) <= 1


# ------------------------------------------------------------------------------------------------------ lost connections
@pytest.mark.parametrize("how", [True, "received"])
def test_dropped_before_anything_is_recorded(sandbox_with: SandboxWith, how: Any) -> None:
    sandbox, hume = sandbox_with()
    sandbox.set_faults([{"path": "/v1/*", "method": "POST", "drop_before": how, "times": 2}])
    for send, what in ((send_audio, SOUND * 10), (send_images, [jpeg()])):
        with pytest.raises(BROKEN):
            send(hume, what)  # type: ignore[operator]
    assert runs(hume) == [] and sandbox.submissions() == []
    measured(send_audio(hume, SOUND))


def test_dropped_after_it_was_billed(sandbox_with: SandboxWith) -> None:
    sandbox, hume = sandbox_with()
    sandbox.set_faults([{"path": "/v1/*", "method": "POST", "drop_after": True, "times": 2}])
    for send, what in ((send_audio, SOUND), (send_images, [jpeg(), jpeg(seed=1)])):
        with pytest.raises(BROKEN):
            send(hume, what)  # type: ignore[operator]
    assert [(run["endpoint"], run["status"], run["metered_seconds"]) for run in runs(hume)] == [
        ("video", "ended", 10),
        ("audio", "ended", 10),
    ]
    assert [s["job_id"] for s in sandbox.submissions()] == [runs(hume)[at]["run_id"] for at in (1, 0, 0)]


def test_an_answer_that_ends_early_or_is_something_else(sandbox_with: SandboxWith) -> None:
    sandbox, hume = sandbox_with()
    sandbox.set_faults([{"path": AUDIO, "truncate": 0.5, "times": 1}, {"path": AUDIO, "wrong_body": True}])
    with pytest.raises(httpx.RemoteProtocolError):
        send_audio(hume, SOUND)
    with pytest.raises(ValueError):
        send_audio(hume, SOUND).json()
    assert len(sandbox.submissions()) == len(runs(hume)) == 2


def test_a_slow_answer(sandbox_with: SandboxWith) -> None:
    sandbox, hume = sandbox_with()
    size = len(send_audio(hume, SOUND).content)
    sandbox.set_faults([{"path": AUDIO, "slow": size / 0.5}])
    start = time.monotonic()
    measured(send_audio(hume, SOUND))
    assert time.monotonic() - start >= 0.4


# ------------------------------------------------------------------------------------------------------------- the run
def test_a_measurement_that_fails_costs_nothing(sandbox_with: SandboxWith) -> None:
    sandbox, hume = sandbox_with()
    sandbox.set_faults([{"fail_run": True, "times": 2}])
    assert refusal(send_audio(hume, SOUND)) == refusal(send_images(hume, [jpeg()])) == (500, "internal_error")
    told = [(run["status"], run["metered_seconds"], run["ended_at"] is None) for run in runs(hume)]
    assert told == [("errored", 0, False)] * 2 and sandbox.submissions() == []
    assert runs(hume, status="errored") == runs(hume)
    measured(send_audio(hume, SOUND))


def test_a_run_that_appears_late(sandbox_with: SandboxWith) -> None:
    sandbox, hume = sandbox_with()
    sandbox.set_faults([{"hide_run": 30, "times": 1}, {"hide_run": 90, "times": 1, "path": "*/audio/*"}])
    body = measured(send_audio(hume, SOUND))
    later = measured(send_audio(hume, SOUND))
    assert [run["run_id"] for run in runs(hume)] == [later["run_id"]] and len(sandbox.submissions()) == 2
    sandbox.advance_clock(60)
    assert len(runs(hume)) == 1
    sandbox.advance_clock(31)
    assert [run["run_id"] for run in runs(hume)] == [later["run_id"], body["run_id"]]


def test_a_run_that_is_never_recorded(sandbox_with: SandboxWith) -> None:
    sandbox, hume = sandbox_with()
    sandbox.set_faults([{"lose_run": True}])
    body = measured(send_audio(hume, SOUND))
    assert runs(hume) == [] and hume.get(f"{RUNS}/{body['run_id']}").status_code == 404
    assert [submission["job_id"] for submission in sandbox.submissions()] == [body["run_id"]]


def test_names_and_values_nobody_has_heard_of(sandbox_with: SandboxWith) -> None:
    sandbox, hume = sandbox_with()
    plain = measured(send_audio(hume, SOUND))["measurements"]
    sandbox.set_faults([{"new_names": True, "times": 2}])
    audio, video = measured(send_audio(hume, SOUND)), measured(send_images(hume, [jpeg(640, 480)]))
    assert [m["trigger"] for m in audio["measurements"]] == [NEW_TRIGGER, "speech_ended"]
    scored = [m[key] for m in audio["measurements"] for key in ("expressions", "voice_attributes")]
    scored += [face[key] for face in video["measurements"][0]["faces"][:2] for key in ("expressions", "descriptions")]
    assert len(scored) == 8
    for scores in scored:
        names = [score["name"] for score in scores]
        assert set(NEW_NAMES) <= set(names)
        assert [score["probability"] for score in scores] == sorted((score["probability"] for score in scores), reverse=True)
    without = [
        {
            **m,
            "trigger": None,
            **{key: [s for s in m[key] if s["name"] not in NEW_NAMES] for key in ("expressions", "voice_attributes")},
        }
        for m in audio["measurements"]
    ]
    assert without == [{**m, "trigger": None} for m in plain]
    assert [(run["status"], run["metered_seconds"]) for run in runs(hume)] == [(NEW_STATUS, 10), (NEW_STATUS, 10), ("ended", 10)]


def test_fields_nobody_has_heard_of(sandbox_with: SandboxWith) -> None:
    sandbox, hume = sandbox_with()
    plain = measured(send_audio(hume, SOUND))
    sandbox.set_faults([{"new_fields": True}])
    body, video = measured(send_audio(hume, SOUND)), measured(send_images(hume, [jpeg()]))
    assert set(body) - set(plain) == {"region"} and set(body["received"]) == {"audio_duration_ms", "channels"}
    assert set(body["measurements"][0]) - set(plain["measurements"][0]) == {"snr_db"}
    assert "region" in video and "snr_db" in video["measurements"][0]


def test_faults_of_jobs_leave_uploads_alone_and_the_other_way_round(sandbox_with: SandboxWith) -> None:
    sandbox, hume = sandbox_with()
    sandbox.set_faults([{"fail_job": True, "times": 1}, {"fail_run": True, "times": 1}])
    assert refusal(send_audio(hume, SOUND)) == (500, "internal_error")
    measured(send_audio(hume, SOUND))
    assert hume.wait(hume.start(text=["Hello."]))["state"]["status"] == "FAILED"
    assert hume.wait(hume.start(text=["Hello."]))["state"]["status"] == "COMPLETED"
    assert [rule["hits"] for rule in httpx.get(f"{sandbox.url}/sandbox/faults").json()] == [1, 1]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"status": 400, "code": "nonsense"}, "'code' must be a code of the v1 API"),
        ({"drop_after": True, "code": "forbidden"}, "'code' does not go with 'drop_after'"),
        ({"drop_before": "later"}, 'true or "received"'),
        ({"hide_run": -1}, "a number of seconds"),
        ({"fail_run": 1}, "must be true"),
        ({"fail_run": True, "method": "GET"}, "acts on the run that a POST starts"),
    ],
)
def test_rules_that_cannot_be(rule: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRule, match=message):
        Faults(7).replace([rule])
