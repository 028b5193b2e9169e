"""The sandbox inside a process: its life, its settings, beside a running event loop, under load."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
from hume_client import JOBS, Hume
from made_media import voice, wav

import humeanalytics as ha
from humeanalytics.sandbox.embedded import Sandbox
from humeanalytics.sandbox.options import SandboxOptions


def test_it_comes_and_goes_without_a_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    before = set(threading.enumerate())
    gc.collect()  # what other tests left behind is none of this one's business
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with Sandbox() as sandbox, Hume(sandbox.url) as hume:
            url = sandbox.url
            hume.predictions(hume.upload({"a.wav": wav(voice(0.5))}, models={"prosody": {}}))
            assert list(tmp_path.iterdir())
        gc.collect()
    assert set(threading.enumerate()) == before
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)


def test_by_hand_and_more_than_once() -> None:
    sandbox = Sandbox()
    with pytest.raises(RuntimeError, match="does not run"):
        _ = sandbox.url
    sandbox.close()
    for _ in range(2):
        sandbox.start()
        url = sandbox.url
        sandbox.start()
        assert sandbox.url == url
        assert httpx.get(f"{url}/sandbox").status_code == 200
        sandbox.close()
        sandbox.close()
    assert repr(sandbox) == "<Sandbox seed=7 not running>"


def test_a_port_that_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="in use"):
            Sandbox(port=taken.getsockname()[1]).start()


def test_settings_point_to_it_and_carry_no_real_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUME_API_KEY", "a-real-key")
    monkeypatch.setenv("HUME_EXPRESSION_API_KEY", "another-real-key")
    monkeypatch.setenv("HUME_BASE_URL", "https://api.hume.ai")
    with ha.Sandbox(seed=3) as sandbox:
        settings = sandbox.settings
        assert isinstance(settings, ha.Settings)
        assert settings.base_url == settings.expression_base_url == sandbox.url
        assert settings.expression_api_key is not None
        assert "real" not in settings.key() + settings.expression_api_key.get_secret_value()
        assert (settings.settle_s, settings.poll_first_s, settings.poll_cap_s) == (1.0, 0.05, 1.0)
        assert (settings.retry_first_s, settings.retry_cap_s, settings.requests_per_s) == (0.05, 1.0, 1000)
        assert httpx.get(f"{sandbox.url}{JOBS}", headers={"X-Hume-Api-Key": settings.key()}).status_code == 200


def test_beside_a_running_event_loop() -> None:
    async def go() -> None:
        slowest_s = 0.0

        async def heartbeat() -> None:
            nonlocal slowest_s
            while True:
                start = time.monotonic()
                await asyncio.sleep(0.005)
                slowest_s = max(slowest_s, time.monotonic() - start)

        beating = asyncio.create_task(heartbeat())
        with Sandbox() as sandbox:
            async with httpx.AsyncClient(base_url=sandbox.url, headers={"X-Hume-Api-Key": "k"}) as client:
                started = await client.post(JOBS, json={"text": ["Hello."], "models": {"language": {}}})
                job = f"{JOBS}/{started.json()['job_id']}"
                while (await client.get(job)).json()["state"]["status"] != "COMPLETED":
                    await asyncio.sleep(0.02)
        beating.cancel()
        assert slowest_s < 10  # else the loop stood still for as long as the sandbox worked

    asyncio.run(go())


def test_two_at_once_know_nothing_of_each_other() -> None:
    with Sandbox(seed=1) as one, Sandbox(seed=2) as other, Hume(one.url) as hume:
        hume.start(text=["Hello."])
        assert (len(one.submissions()), len(other.submissions())) == (1, 0)


def test_five_hundred_recordings_are_scored_in_seconds_and_polling_stays_quick() -> None:
    voices = [voice(1.0, 90 + 10 * i, seed=i) for i in range(20)]
    recordings = [wav(np.roll(voices[i % 20], 16 * i)) for i in range(500)]
    with Sandbox() as sandbox, Hume(sandbox.url) as hume:
        start = time.monotonic()
        jobs = []
        for first in range(0, 500, 100):
            files = {f"{i}.wav": recordings[i] for i in range(first, first + 100)}
            jobs.append(hume.upload(files, models={"prosody": {}, "language": {}}))
        polls = []
        while True:
            asked = time.monotonic()
            states = [job["state"] for job in hume.get(JOBS).json()]
            polls.append(time.monotonic() - asked)
            if all(state["status"] == "COMPLETED" for state in states):
                break
            time.sleep(0.02)
        took_s = time.monotonic() - start
        assert sum(state["num_predictions"] for state in states) == 500
        polls.sort()
        # On two idle cores: about 2 s and 5 ms; generous, because tests share the machine.
        assert took_s < 40
        assert polls[len(polls) // 2] < 0.5


def test_queued_jobs_hold_no_media_in_memory() -> None:
    content = voice(30.0).tobytes()  # about a megabyte
    options = SandboxOptions(queue_s=10_000.0)
    with Sandbox(options=options) as sandbox, Hume(sandbox.url) as hume:
        hume.upload({"warm up.wav": content})
        gc.collect()
        before = psutil.Process().memory_info().rss
        files = {f"{i}.wav": content for i in range(20)}
        for _ in range(10):  # 200 MB in all
            hume.upload(files)
        gc.collect()
        grown = psutil.Process().memory_info().rss - before
        assert len(sandbox.submissions()) == 201
    assert grown < 100_000_000


def test_a_list_of_many_jobs(tmp_path: Path) -> None:
    names: dict[str, bytes] = {f"{i}.txt": b"Hi." for i in range(100)}
    with Sandbox(state=tmp_path, options=SandboxOptions(queue_s=10_000.0)) as sandbox, Hume(sandbox.url) as hume:
        for _ in range(20):
            hume.upload(names)
        start = time.monotonic()
        listed: list[Any] = hume.get(JOBS, params={"limit": 1000}).json()
        assert len(listed) == 20 and all(len(job["request"]["files"]) == 100 for job in listed)
        assert time.monotonic() - start < 5
