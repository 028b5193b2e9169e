"""A run that is killed, again and again: the same command ends with every recording once, and none sent twice."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

import humeanalytics as ha
from humeanalytics.sandbox.embedded import Sandbox
from humeanalytics.sandbox.options import SandboxOptions

RECORDINGS = 200
KILLS = 7

_SCRIPT = """
import sys
import humeanalytics as ha

folder, lake, url = sys.argv[1:]
settings = ha.load_settings(
    api_key="test", base_url=url, settle_s=1.0, poll_first_s=0.05, poll_cap_s=0.3, retry_first_s=0.05, retry_cap_s=0.5,
    requests_per_s=1000.0, files_per_job=5, load_files=20, load_s=0.5,
)
raise SystemExit(ha.score(folder, lake, api="batch", models=["prosody"], settings=settings).exit_code)
"""


def run(folder: Path, lake: Path, url: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", _SCRIPT, str(folder), str(lake), url])


def check_whole(lake_folder: Path, submissions: list[dict[str, object]], recordings: int) -> None:
    """Every recording has its rows once, and was sent once."""
    sent = Counter(item["fingerprint"] for item in submissions)
    assert set(sent.values()) == {1}
    assert len(sent) == recordings
    with ha.open_lake(lake_folder) as lake:
        scorings = lake.sql("SELECT recording_id, scoring_id, rows, sources FROM scorings").rows()
        assert {row["recording_id"] for row in scorings} == set(sent)
        assert len(scorings) == recordings
        assert all(row["sources"] == 1 for row in scorings)
        stored = {r["scoring_id"]: r["n"] for r in lake.sql("SELECT scoring_id, count(*) AS n FROM prosody GROUP BY ALL").rows()}
        assert stored == {row["scoring_id"]: row["rows"] for row in scorings if row["rows"]}
        assert stored == {
            r["scoring_id"]: r["n"] for r in lake.sql("SELECT scoring_id, count(*) AS n FROM prosody_all GROUP BY ALL").rows()
        }
        assert lake.sql("SELECT state, count(*) AS n FROM jobs GROUP BY ALL").rows() == [
            {"state": "loaded", "n": recordings // 5}
        ]
        assert lake.loads.pending() == []


@pytest.mark.timeout(400)
@pytest.mark.parametrize("seed", [11])
def test_killed_at_random_moments(seed: int, voices: Callable[[int], Path], tmp_path: Path) -> None:
    folder, lake = voices(RECORDINGS), tmp_path / "lake"
    moments = random.Random(seed)
    with Sandbox(options=SandboxOptions(queue_s=0.2, run_s=2.0)) as hume:  # so slow that a run is not over at once
        hume.set_faults([{"method": "POST", "path": "/v0/batch/jobs", "drop_after": True, "probability": 0.1, "seed": seed}])

        def done() -> int:
            return len(hume.submissions()) + len(list((lake / "raw").rglob("*.zst")))

        killed = 0
        while killed < KILLS:
            process = run(folder, lake, hume.url)
            enough = done() + moments.randint(1, RECORDINGS // KILLS)  # a moment by what it has done: machines are fast or slow
            while done() < enough and process.poll() is None:
                time.sleep(0.01)
            time.sleep(moments.uniform(0.0, 0.2))
            process.kill()
            if process.wait() == 0:
                break
            killed += 1
        deadline = time.monotonic() + 120
        while run(folder, lake, hume.url).wait() != 0:
            assert time.monotonic() < deadline, "the run does not come to an end"
        check_whole(lake, hume.submissions(), RECORDINGS)
    assert killed >= 3, "the run was over before it could be killed often enough"


def test_an_embedded_sandbox_is_found_again(voices: Callable[[int], Path], tmp_path: Path) -> None:
    """With --sandbox the service dies with the run; the jobs it had accepted are in the lake's folder."""
    folder, lake = voices(40), tmp_path / "lake"
    command = [
        *(sys.executable, "-m", "humeanalytics", "score", str(folder), "--api", "batch", "--models", "prosody"),
        *("--sandbox", "--lake", str(lake), "--quiet"),
    ]
    for wait_s in (1.0, 1.5, 2.0):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            process.wait(wait_s)
        except subprocess.TimeoutExpired:
            process.kill()
        process.wait()
    last = subprocess.run(command, capture_output=True, text=True, check=False)
    assert last.returncode == 0, last.stdout + last.stderr
    with ha.open_lake(lake) as opened:
        assert opened.sql("SELECT count(DISTINCT recording_id) AS n, count(*) AS m FROM scorings").rows() == [{"n": 40, "m": 40}]
    with Sandbox(state=lake / "sandbox") as hume:
        assert Counter(Counter(item["fingerprint"] for item in hume.submissions()).values()) == {1: 40}
