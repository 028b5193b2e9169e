"""Whatever the network does and however often the run is killed: every measurement once, nothing billed twice unknowingly."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from voices import write_voice

import humeanalytics as ha
from humeanalytics.sandbox.embedded import Sandbox
from humeanalytics.sandbox.options import SandboxOptions

RECORDINGS = 150
UPLOAD = "/v1/expression/*/file"
_SCRIPT = """
import sys
import humeanalytics as ha

folder, lake, url, resend = sys.argv[1:]
settings = ha.load_settings(
    api_key="test", expression_base_url=url, settle_s=0.5, retry_first_s=0.05, retry_cap_s=0.3, requests_per_s=1000.0,
    load_files=20, load_s=0.5,
)
summary = ha.score(folder, lake, models=["audio"], settings=settings, resend_unknown=resend)
print(summary.to_json())
raise SystemExit(summary.exit_code)
"""


def storm(seed: int) -> list[dict[str, object]]:
    """Faults of every kind that may hit an upload or its answer, each at random."""
    return [
        {"method": "POST", "path": UPLOAD, "status": 503, "retry_after": 0, "probability": 0.15, "seed": seed},
        {"method": "POST", "path": UPLOAD, "status": 429, "probability": 0.05, "seed": seed + 1},
        {"method": "POST", "path": UPLOAD, "drop_before": True, "probability": 0.05, "seed": seed + 2},
        {"method": "POST", "path": UPLOAD, "drop_before": "received", "probability": 0.05, "seed": seed + 3},
        {"method": "POST", "path": UPLOAD, "drop_after": True, "probability": 0.08, "seed": seed + 4},
        {"method": "POST", "path": UPLOAD, "truncate": 0.5, "probability": 0.04, "seed": seed + 5},
        {"path": UPLOAD, "fail_run": True, "probability": 0.04, "seed": seed + 6},
        {"method": "GET", "path": "/v1/expression/run", "status": 503, "probability": 0.1, "seed": seed + 7},
    ]


def run(folder: Path, lake: Path, url: str, resend: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _SCRIPT, str(folder), str(lake), url, resend]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def ended(process: subprocess.Popen[str]) -> dict[str, object]:
    told = process.communicate(timeout=120)[0]
    return dict(json.loads(told)) if told else {}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [3])
def test_every_measurement_once_through_faults_and_kills(seed: int, tmp_path: Path) -> None:
    folder, lake = tmp_path / "recordings", tmp_path / "lake"
    for number in range(RECORDINGS):
        write_voice(folder / f"{number:04d}.wav", number)
    moments = random.Random(seed)
    killed = 0
    with Sandbox(options=SandboxOptions(expression_delay_s=0.05)) as hume:
        hume.set_faults(storm(seed))
        for _ in range(5):
            process = run(folder, lake, hume.url, "never")
            enough = len(hume.submissions()) + moments.randint(1, 20)  # by what it has done: a machine may be fast or slow
            while len(hume.submissions()) < enough and process.poll() is None:
                time.sleep(0.01)
            time.sleep(moments.uniform(0.0, 0.3))
            process.kill()
            process.communicate()
            killed += process.returncode == -signal.SIGKILL
        unbilled = ended(run(folder, lake, hume.url, "unbilled"))
        assert unbilled
        hume.set_faults([])
        deadline = time.monotonic() + 120
        while (last := run(folder, lake, hume.url, "always")) and (summary := ended(last)) and last.returncode != 0:
            assert time.monotonic() < deadline, summary
        sent = Counter(str(item["fingerprint"]) for item in hume.submissions())
    assert killed >= 3, "the runs were over before they could be killed"
    _check_once(lake, sent)
    _check_bills(lake, sent, summary)


def _check_once(lake_folder: Path, sent: Counter[str]) -> None:
    with ha.open_lake(lake_folder) as lake:
        scorings = lake.sql("SELECT recording_id, scoring_id, rows, sources FROM scorings").rows()
        assert len(scorings) == len({row["recording_id"] for row in scorings}) == len(sent) == RECORDINGS
        assert {row["sources"] for row in scorings} == {1}
        for table in ("audio_utterances", "audio_measurements"):
            of = {"audio_utterances": "utterance_id", "audio_measurements": "measurement_id"}[table]
            counted = lake.sql(f"SELECT count(*) AS n, count(DISTINCT (recording_id, {of})) AS once FROM {table}_all").rows()[0]
            assert counted["n"] == counted["once"] >= RECORDINGS
        rows = lake.sql(
            "SELECT scoring_id, count(*) AS n FROM (SELECT scoring_id FROM audio_utterances_all UNION ALL SELECT scoring_id FROM "
            "audio_measurements_all UNION ALL SELECT scoring_id FROM audio_scores_all) GROUP BY ALL"
        ).rows()
        assert {row["scoring_id"]: row["n"] for row in rows} == {row["scoring_id"]: row["rows"] for row in scorings}
        assert lake.sql("SELECT state, count(*) AS n FROM jobs GROUP BY ALL").rows() == [{"state": "loaded", "n": RECORDINGS}]
        assert lake.loads.pending() == []


def _check_bills(lake_folder: Path, sent: Counter[str], summary: dict[str, object]) -> None:
    """Whatever was billed twice, the ledger calls unknown, and the summary tells of it; what it calls free was free."""
    ledger = sqlite3.connect(lake_folder / "ledger.sqlite")
    resent = Counter(row[0] for row in ledger.execute("SELECT sha256 FROM uploads WHERE state = 'resent'"))
    billed = Counter(row[0] for row in ledger.execute("SELECT sha256 FROM uploads WHERE state = 'resent' AND billed = 'yes'"))
    free = Counter(row[0] for row in ledger.execute("SELECT sha256 FROM uploads WHERE state = 'resent' AND billed = 'no'"))
    told_s = ledger.execute("SELECT sum(coalesce(metered_s, billed_s)) FROM uploads WHERE state = 'resent' AND billed <> 'no'")
    assert summary["in_doubt_s"] == (told_s.fetchone()[0] or 0)
    ledger.close()
    twice = {sha256: count - 1 for sha256, count in sent.items() if count > 1}
    assert twice, "no answer was lost after it was billed"
    for sha256, count in twice.items():
        assert count <= resent[sha256] - free[sha256]
        assert count >= billed[sha256]
    with ha.open_lake(lake_folder) as lake:
        lost = lake.sql("SELECT sha256, count(*) AS n FROM uploads WHERE state = 'unknown' GROUP BY ALL").rows()
        assert {row["sha256"]: row["n"] for row in lost} == dict(resent)
        received = lake.sql("SELECT count(*) AS n, count(DISTINCT sha256) AS once FROM uploads WHERE state = 'received'").rows()
        assert received == [{"n": RECORDINGS, "once": RECORDINGS}]


def test_ctrl_c_waits_for_what_is_paid_for(tmp_path: Path) -> None:
    """Stopped in the middle, a run takes in the answers that are under way; the next one sends only the rest."""
    folder, lake = tmp_path / "recordings", tmp_path / "lake"
    for number in range(30):
        write_voice(folder / f"{number:04d}.wav", number)
    with Sandbox(options=SandboxOptions(expression_delay_s=0.6)) as hume:
        process = run(folder, lake, hume.url, "never")
        while len(hume.submissions()) < 5:
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        stopped_at = len(hume.submissions())
        with ha.open_lake(lake) as opened:
            assert opened.sql("SELECT count(*) AS n FROM scorings").rows() == [{"n": stopped_at}]
            assert opened.sql("SELECT exit_code FROM runs").rows() == [{"exit_code": 75}]
            assert opened.sql("SELECT DISTINCT state FROM uploads").rows() == [{"state": "received"}]
        assert stopped_at < 30
        assert ended(run(folder, lake, hume.url, "never"))["exit_code"] == 0
        sent = Counter(str(item["fingerprint"]) for item in hume.submissions())
        assert set(sent.values()) == {1}
        assert len(sent) == 30
