"""The sandbox as a process: killed and started again on the same state, told to end, started wrongly."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from hume_client import JOBS, Hume
from made_media import voice, wav
from sandbox_process import process

from humeanalytics.sandbox.batch.store import StateInUse
from humeanalytics.sandbox.embedded import Sandbox


def submissions(url: str) -> list[dict[str, Any]]:
    return httpx.get(f"{url}/sandbox/submissions").json()  # type: ignore[no-any-return]


def test_accepted_jobs_survive_a_kill_at_any_moment(tmp_path: Path) -> None:
    draw = random.Random(3)
    files = {f"{i}.wav": wav(voice(0.3, seed=i)) for i in range(20)}
    accepted: dict[str, dict[str, Any]] = {}
    lost = 0
    arguments = ("--state", str(tmp_path), "--queue-s", "0.05", "--run-s", "0.2")
    for _ in range(4):
        with process(*arguments) as (running, url), Hume(url) as hume:
            for job_id, job in accepted.items():
                now = hume.job(job_id)
                assert now["request"] == job["request"]
                assert now["state"]["created_timestamp_ms"] == job["state"]["created_timestamp_ms"]
            end = time.monotonic() + draw.uniform(0.05, 0.6)
            try:
                while time.monotonic() < end:
                    job_id = hume.upload(files, text=["Hello."], models={"prosody": {}, "language": {}})
                    accepted[job_id] = hume.job(job_id)
                    if time.monotonic() > end - 0.05:
                        os.kill(running.pid, signal.SIGKILL)
            except httpx.TransportError:
                lost += 1
            running.kill()
            running.wait()
    with process(*arguments) as (_, url), Hume(url) as hume:
        for job_id in accepted:
            state = hume.wait(job_id)["state"]
            assert (state["status"], state["num_predictions"], state["num_errors"]) == ("COMPLETED", 21, 0)
            assert len(hume.predictions(job_id)) == 21
            assert hume.artifacts(job_id).testzip() is None
        by_job: dict[str, int] = {}
        for submission in submissions(url):
            by_job[submission["job_id"]] = by_job.get(submission["job_id"], 0) + 1
        assert set(by_job.values()) == {21}
        assert set(accepted) <= set(by_job)
        assert len(by_job) <= len(accepted) + 4  # of an answer that was lost, the job may be there
    assert len(accepted) >= 4
    assert list((tmp_path / "uploads").iterdir()) == []


def test_the_same_answers_after_a_restart(tmp_path: Path) -> None:
    with Sandbox(state=tmp_path) as sandbox, Hume(sandbox.url) as hume:
        sandbox.set_faults([{"stuck": "QUEUED", "after": 1, "times": 1}])
        done, stuck = (hume.upload({"a.wav": wav(voice(1.0))}) for _ in range(2))
        hume.wait(done)
        before = [hume.get(f"{JOBS}/{done}{path}").content for path in ("", "/predictions", "/artifacts")]
        sandbox.advance_clock(3600)
        later = hume.job(hume.start(text=["Later."]))["state"]["created_timestamp_ms"]
        billed = sandbox.submissions()
    with Sandbox(state=tmp_path) as sandbox, Hume(sandbox.url) as hume:
        assert [hume.get(f"{JOBS}/{done}{path}").content for path in ("", "/predictions", "/artifacts")] == before
        assert sandbox.submissions() == billed
        assert hume.job(stuck)["state"]["status"] == "QUEUED"  # faults of a job stay with it
        assert hume.job(hume.start(text=["Much later."]))["state"]["created_timestamp_ms"] >= later  # so does the clock


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_told_to_end(tmp_path: Path, number: int) -> None:
    with process("--seed", "5") as (running, url):
        assert httpx.get(f"{url}/sandbox").json()["seed"] == 5
        with Hume(url) as hume:  # a connection left open must not hold it up
            hume.start(text=["Hello."])
            running.send_signal(number)
            out, err = running.communicate(timeout=20)
    assert (running.returncode, out, err) == (0, "", "")


def test_faults_from_a_file(tmp_path: Path) -> None:
    rules = tmp_path / "faults.json"
    rules.write_text(json.dumps([{"status": 503, "times": 1}]))
    with process("--faults", str(rules)) as (_, url), Hume(url) as hume:
        assert [hume.get(JOBS).status_code for _ in range(2)] == [503, 200]


def test_wrong_use_says_what_is_wrong(tmp_path: Path) -> None:
    def message(*arguments: str) -> str:
        command = [sys.executable, "-m", "humeanalytics.sandbox", "--port", "0", *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert ended.returncode == 1 and ended.stdout == "" and "Traceback" not in ended.stderr
        return ended.stderr

    broken = tmp_path / "broken.json"
    broken.write_text("[{")
    odd = tmp_path / "odd.json"
    odd.write_text('[{"status": 1}]')
    assert "broken.json is not JSON" in message("--faults", str(broken))
    assert "rule 0: 'status' must be" in message("--faults", str(odd))
    assert "No such file" in message("--faults", str(tmp_path / "none.json"))
    with Sandbox(seed=7, state=tmp_path / "state"):
        assert "Another sandbox works in" in message("--state", str(tmp_path / "state"))
    assert "was made with seed 7, not 8" in message("--state", str(tmp_path / "state"), "--seed", "8")


def test_one_sandbox_a_folder(tmp_path: Path) -> None:
    with Sandbox(state=tmp_path), pytest.raises(StateInUse, match="end it first or use another folder"):
        Sandbox(state=tmp_path).start()
    with Sandbox(state=tmp_path) as again:
        assert again.submissions() == []
