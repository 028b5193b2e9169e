"""Runs: their life, what they cost, the pages and questions of the list, and that they survive a killed process."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import numpy as np
import pytest
from expression_client import RUNS, jpeg, measured, pcm, refusal, runs, send_audio, send_images, wave
from hume_client import Hume
from hypothesis import given
from hypothesis import strategies as st
from made_media import silence, voice, wav
from sandbox_process import process

from humeanalytics.sandbox.embedded import Sandbox
from humeanalytics.sandbox.expression.runs import RunQuery, RunStore, new_run_id

SandboxWith = Callable[..., tuple[Sandbox, Hume]]
SOUND = pcm(silence(0.3), voice(0.4), silence(0.3))


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def when(text: str) -> datetime:
    return datetime.fromisoformat(text)


# ------------------------------------------------------------------------------------------------------------ what is told
def test_a_run_of_sound(sandbox_with: SandboxWith) -> None:
    sandbox, hume = sandbox_with()
    file = wave(SOUND * 12)
    body = measured(send_audio(hume, file, {"measurement_timer_ms": 4000}))
    run = hume.get(f"{RUNS}/{body['run_id']}").json()
    assert UUID(body["run_id"]).version == 7 and len(body["request_id"]) == 32
    started, ended = when(run["started_at"]), when(run["ended_at"])
    assert timedelta(0) <= ended - started < timedelta(seconds=30)
    assert abs(started - datetime.now(UTC)) < timedelta(minutes=1)
    assert run == {
        "run_id": body["run_id"],
        "user_id": run["user_id"],
        "status": "ended",
        "endpoint": "audio",
        "mode": "file",
        "started_at": run["started_at"],
        "ended_at": run["ended_at"],
        "bytes_received": len(file),
        "bytes_recorded": None,
        "metered_seconds": 12.0,
        "close_code": None,
        "close_reason": None,
        "config": {
            "schema": "v4",
            "audio": {"type": "audio/pcm", "encoding": "s16le", "sample_rate": 16_000, "channels": 1},
            "measurement_timer_ms": 4000,
        },
    }
    summary = {name: value for name, value in run.items() if name not in ("close_code", "close_reason", "config")}
    assert hume.get(RUNS).json() == {"runs": [summary]}
    assert hume.get(f"{RUNS}/{body['run_id']}/events").json() == {
        "events": [],
        "at_cap": False,
        "capped_kinds": [],
        "gaps": False,
    }
    (submission,) = sandbox.submissions()
    assert submission == {"api": "expression", "job_id": body["run_id"], "fingerprint": sha256(file), "at": submission["at"]}
    assert httpx.get(f"{sandbox.url}/sandbox").json()["runs"] == {"ended": 1}


def test_a_run_of_images(sandbox_with: SandboxWith) -> None:
    sandbox, hume = sandbox_with()
    images = [jpeg(200, 200, seed) for seed in range(3)]
    config = {"face": {"threshold": 0.123456, "min_size": 30}, "face_state": "secret"}
    body = measured(send_images(hume, images, config))
    run = hume.get(f"{RUNS}/{body['run_id']}").json()
    assert (run["endpoint"], run["bytes_received"]) == ("video", sum(map(len, images)))
    face = {"threshold": 0.1235, "min_size": 30}
    assert run["config"] == {"schema": "v4", "image": {"type": "image/jpeg"}, "face": face}
    assert [(s["job_id"], s["fingerprint"]) for s in sandbox.submissions()] == [
        (body["run_id"], sha256(image)) for image in images
    ]


def test_batch_and_expression_are_counted_together_in_order(sandbox_with: SandboxWith) -> None:
    sandbox, hume = sandbox_with()
    measured(send_audio(hume, SOUND))
    time.sleep(0.002)
    hume.start(text=["Hello."])
    time.sleep(0.002)
    measured(send_audio(hume, SOUND))
    assert [submission["api"] for submission in sandbox.submissions()] == ["expression", "batch", "expression"]


@pytest.mark.parametrize(("length_s", "metered_s"), [(0.5, 10), (9.9, 10), (10, 10), (10.0005, 10.0005), (31.4, 31.4)])
def test_sound_is_billed_in_full_and_ten_seconds_at_least(sandbox_with: SandboxWith, length_s: float, metered_s: float) -> None:
    _, hume = sandbox_with()
    samples = np.zeros(round(length_s * 16_000), np.int16)
    body = measured(send_audio(hume, wav(samples)))
    assert runs(hume)[0]["metered_seconds"] == metered_s
    assert body["received"]["audio_duration_ms"] == int(length_s * 1000)


@pytest.mark.parametrize(("images", "metered_s"), [(1, 10), (30, 10), (31, 31 / 3)])
def test_images_are_billed_a_third_of_a_second_each(sandbox_with: SandboxWith, images: int, metered_s: float) -> None:
    _, hume = sandbox_with()
    measured(send_images(hume, [jpeg(16, 16)] * images))
    assert runs(hume)[0]["metered_seconds"] == pytest.approx(metered_s, abs=1e-9)


def test_bytes_received_can_be_those_of_the_samples(sandbox_with: SandboxWith) -> None:
    _, hume = sandbox_with(expression_headers_counted=False)
    measured(send_audio(hume, wave(SOUND)))
    assert runs(hume)[0]["bytes_received"] == len(SOUND)


# --------------------------------------------------------------------------------------------------------------- its life
def test_a_run_is_live_until_it_is_answered_and_the_answer_waits(sandbox_with: SandboxWith) -> None:
    sandbox, hume = sandbox_with(expression_delay_s=1.5)
    start = time.monotonic()
    answers: list[httpx.Response] = []

    def upload() -> None:
        with Hume(sandbox.url) as other:
            answers.append(send_audio(other, SOUND))

    thread = threading.Thread(target=upload)
    thread.start()
    while not (found := runs(hume)):
        assert time.monotonic() - start < 20
        time.sleep(0.01)
    (live,) = found
    assert (live["status"], live["ended_at"], live["bytes_received"], live["metered_seconds"]) == ("live", None, None, 0)
    assert sandbox.submissions() == []
    thread.join()
    assert time.monotonic() - start >= 1.5
    (ended,) = runs(hume)
    assert ended["run_id"] == live["run_id"] == measured(answers[0])["run_id"]
    assert ended["status"] == "ended" and ended["started_at"] == live["started_at"]
    assert when(ended["ended_at"]) - when(ended["started_at"]) >= timedelta(seconds=0.9)


def test_a_client_that_is_gone_is_billed_all_the_same(sandbox_with: SandboxWith) -> None:
    sandbox, hume = sandbox_with(expression_delay_s=0.5)
    with pytest.raises(httpx.ReadTimeout), Hume(sandbox.url) as other:
        other.timeout = httpx.Timeout(10, read=0.2)
        send_audio(other, SOUND)
    end = time.monotonic() + 20
    while not sandbox.submissions():
        assert time.monotonic() < end
        time.sleep(0.02)
    assert [(run["status"], run["metered_seconds"]) for run in runs(hume)] == [("ended", 10)]


def test_a_refusal_does_not_wait(sandbox_with: SandboxWith) -> None:
    _, hume = sandbox_with(expression_delay_s=20.0)
    start = time.monotonic()
    assert refusal(send_audio(hume, b"")) == (400, "audio_decode_failed")
    assert time.monotonic() - start < 10


def test_a_run_that_was_live_too_long_is_told_as_errored(tmp_path: Path) -> None:
    store = RunStore(tmp_path, silence_s=300)
    run_id = new_run_id(1000)
    store.start(run_id, "audio", 1000, {}, visible=True)

    def told(now_ms: int) -> tuple[str, int | None]:
        run = store.get(run_id, now_ms)
        assert run is not None and store.find(RunQuery(5), now_ms) == [run]
        assert store.find(RunQuery(5, status=run.status), now_ms) == [run] and store.counts(now_ms) == {run.status: 1}
        assert store.find(RunQuery(5, status="ended"), now_ms) == []
        return run.status, run.ended

    assert told(301_000) == ("live", None)
    assert told(301_001) == ("errored", 1000)
    store.end(run_id, 400_000, status="ended", visible=None, bytes_received=1, metered_s=10, billed=["x"])
    run = store.get(run_id, 10**9)
    assert run is not None and (run.status, run.ended) == ("ended", 400_000)  # heard of again
    store.close()


def test_a_run_may_take_a_moment_to_appear(sandbox_with: SandboxWith) -> None:
    sandbox, hume = sandbox_with(expression_visible_after_s=60)
    body = measured(send_audio(hume, SOUND))
    one = f"{RUNS}/{body['run_id']}"
    assert runs(hume) == [] and len(sandbox.submissions()) == 1
    assert refusal(hume.get(one)) == refusal(hume.get(f"{one}/events")) == (404, "not_found")
    sandbox.advance_clock(60.1)
    assert [run["run_id"] for run in runs(hume)] == [body["run_id"]]
    assert hume.get(one).json()["status"] == "ended"


# --------------------------------------------------------------------------------------------------------------- the list
@pytest.fixture(scope="module")
def several() -> Any:
    """A sandbox with twelve runs, some of images, some failed; newest first as told."""
    with Sandbox() as sandbox, Hume(sandbox.url) as hume:
        for number in range(12):
            send = (lambda: send_audio(hume, SOUND)) if number % 3 else (lambda: send_images(hume, [jpeg(16, 16)]))
            if number % 4 == 1:
                sandbox.set_faults([{"fail_run": True, "times": 1}])
                assert refusal(send()) == (500, "internal_error")
            else:
                measured(send())
            sandbox.advance_clock(1)
        yield hume, runs(hume)


def paged(hume: Hume, page_size: int, **query: Any) -> list[dict[str, Any]]:
    found, cursor = [], None
    while True:
        asked = {**query, "page_size": page_size} | ({} if cursor is None else {"cursor": cursor})
        page = hume.get(RUNS, params=asked).raise_for_status().json()
        assert len(page["runs"]) <= page_size
        found += page["runs"]
        if "next_cursor" not in page:
            return found
        assert len(page["runs"]) == page_size
        cursor = page["next_cursor"]


@pytest.mark.parametrize("page_size", [1, 3, 4, 11, 12, 13, 200])
def test_pages_hold_every_run_once_newest_first(several: tuple[Hume, list[dict[str, Any]]], page_size: int) -> None:
    hume, all_runs = several
    assert len(all_runs) == 12
    assert [run["started_at"] for run in all_runs] == sorted((run["started_at"] for run in all_runs), reverse=True)
    assert paged(hume, page_size) == all_runs


@given(st.data())
def test_filters_combine(several: tuple[Hume, list[dict[str, Any]]], data: st.DataObject) -> None:
    hume, all_runs = several
    user = all_runs[0]["user_id"]
    moments = [run["started_at"] for run in all_runs]
    query = {
        name: value
        for name, value in {
            "status": data.draw(st.sampled_from([None, "live", "ended", "errored"])),
            "endpoint": data.draw(st.sampled_from([None, "audio", "video"])),
            "mode": data.draw(st.sampled_from([None, None, "file", "realtime"])),
            "user_id": data.draw(st.sampled_from([None, user, user, str(uuid4())])),
            "started_after": data.draw(st.sampled_from([None, *moments])),
            "started_before": data.draw(st.sampled_from([None, *moments])),
        }.items()
        if value is not None
    }
    expected = [
        run
        for run in all_runs
        if all(run[name] == query.get(name, run[name]) for name in ("status", "endpoint", "mode", "user_id"))
        and query.get("started_after", "") <= run["started_at"] < query.get("started_before", "9")
    ]
    assert paged(hume, data.draw(st.integers(1, 13)), **query) == expected


def test_adjoining_ranges_neither_skip_nor_repeat(several: tuple[Hume, list[dict[str, Any]]]) -> None:
    hume, all_runs = several
    for run in all_runs:
        exact = when(run["started_at"])
        for moment in (exact, exact + timedelta(microseconds=1), exact - timedelta(microseconds=1)):
            for zone in ("Z", "+00:00"):
                text = moment.strftime("%Y-%m-%dT%H:%M:%S.%f") + zone
                before, after = (runs(hume, page_size=200, **{name: text}) for name in ("started_before", "started_after"))
                assert after + before == all_runs
                assert (run in after) == (moment <= exact)


def test_times_may_have_another_zone(several: tuple[Hume, list[dict[str, Any]]]) -> None:
    hume, all_runs = several
    east = datetime.fromisoformat(all_runs[3]["started_at"]).astimezone(tz=None).isoformat()
    assert runs(hume, started_after=east) == all_runs[:4]
    offset = (when(all_runs[3]["started_at"]) + timedelta(hours=5, minutes=30)).strftime("%Y-%m-%dT%H:%M:%S.%f") + "+05:30"
    assert runs(hume, started_after=offset) == all_runs[:4]


@pytest.mark.parametrize(
    "query",
    [
        {"page_size": 0},
        {"page_size": 201},
        {"page_size": "ten"},
        {"page_size": ""},
        {"page_size": "1e2"},
        {"page_size": -1},
        {"status": "done"},
        {"status": "Ended"},
        {"mode": "batch"},
        {"endpoint": "face"},
        {"started_after": "yesterday"},
        {"started_after": "2026-11-22"},
        {"started_before": "2026-11-22T10:00:00"},
        {"started_before": "2026-13-22T10:00:00Z"},
        {"started_before": "20261122T100000Z"},
        {"cursor": ""},
        {"cursor": "abc"},
        {"cursor": "ü"},
        {"cursor": "WzFd"},
        {"page_size": [1, 2]},
    ],
)
def test_questions_that_are_refused(several: tuple[Hume, list[dict[str, Any]]], query: dict[str, Any]) -> None:
    hume, all_runs = several
    assert refusal(hume.get(RUNS, params=query)) == (400, "invalid_request")
    if query.keys() & {"page_size", "cursor"}:
        answer = hume.get(f"{RUNS}/{all_runs[0]['run_id']}/events", params=query)
        assert refusal(answer) == (400, "invalid_request")


def test_a_cursor_belongs_to_its_filters(several: tuple[Hume, list[dict[str, Any]]]) -> None:
    hume, _ = several
    cursor = hume.get(RUNS, params={"page_size": 2, "endpoint": "audio"}).json()["next_cursor"]
    assert hume.get(RUNS, params={"page_size": 5, "endpoint": "audio", "cursor": cursor}).status_code == 200
    assert refusal(hume.get(RUNS, params={"page_size": 2, "cursor": cursor})) == (400, "invalid_request")


def test_a_run_nobody_knows(shared: Hume) -> None:
    for run_id in (str(uuid4()), "x", "%20"):
        assert refusal(shared.get(f"{RUNS}/{run_id}")) == (404, "not_found")
        assert refusal(shared.get(f"{RUNS}/{run_id}/events")) == (404, "not_found")


# -------------------------------------------------------------------------------------------------------------- restarts
def test_runs_are_there_after_a_restart(tmp_path: Path) -> None:
    with Sandbox(state=tmp_path) as sandbox, Hume(sandbox.url) as hume:
        sandbox.advance_clock(3600)
        body = measured(send_audio(hume, SOUND))
        before, billed = runs(hume), sandbox.submissions()
    with Sandbox(state=tmp_path) as sandbox, Hume(sandbox.url) as hume:
        assert (runs(hume), sandbox.submissions()) == (before, billed)
        assert measured(send_audio(hume, SOUND))["run_id"] > body["run_id"]
        assert runs(hume)[1:] == before


def test_what_was_answered_is_there_after_a_kill(tmp_path: Path) -> None:
    answered: list[str] = []
    state = ("--state", str(tmp_path), "--option", "expression_delay_s=0.05")
    for round_ in range(3):
        with process(*state) as (running, url), Hume(url) as hume:
            answered.append(measured(send_audio(hume, SOUND))["run_id"])
            threading.Timer(0.2 + 0.13 * round_, os.kill, (running.pid, signal.SIGKILL)).start()
            with pytest.raises(httpx.TransportError):
                while True:
                    answered.append(measured(send_audio(hume, SOUND))["run_id"])
    with process(*state) as (_, url), Hume(url) as hume:
        told = {run["run_id"]: run for run in paged(hume, 50)}
        billed = [submission["job_id"] for submission in httpx.get(f"{url}/sandbox/submissions").json()]
    assert len(answered) >= 3 and set(answered) <= set(billed) and len(set(billed)) == len(billed)
    assert {run_id for run_id, run in told.items() if run["metered_seconds"]} == set(billed)
    lost = [run for run in told.values() if run["run_id"] not in answered]
    assert len(lost) <= 3 and all(run["status"] in ("live", "ended") for run in lost)


def test_options_of_the_process() -> None:
    options = ("expression_max_body_bytes=2000", "expression_nulls=false", "expression_delay_s=0.01")
    with process(*(text for option in options for text in ("--option", option))) as (_, url), Hume(url) as hume:
        assert refusal(send_audio(hume, SOUND)) == (413, "audio_too_long")
        assert refusal(send_audio(hume, b"\x00\x00", {"measurement_timer_ms": None})) == (400, "config_invalid")
    with process("--option", "expression_max_body_bytes=none") as (_, url), Hume(url) as hume:
        measured(send_audio(hume, bytes(26_000_000)))
