"""Measure the scoring flow: a night in which nothing is new, and many jobs at once.

    python tests/benchmarks/scoring.py known --recordings 100000
    python tests/benchmarks/scoring.py jobs --jobs 2000 --queued 500

Prints figures; asserts nothing. Traffic goes to a sandbox on loopback only, and ends by itself.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sandbox_server import sandbox_process

SCORE = """
import json, resource, sys, time
begun = time.perf_counter()
import humeanalytics as ha
inputs, lake, url, flags = sys.argv[1:]
quick = {"settle_s": 1.0, "retry_first_s": 0.05, "requests_per_s": 1000.0}
settings = ha.load_settings(api_key="benchmark", base_url=url, **quick, **json.loads(flags))
if inputs.endswith(".csv"):
    summary = ha.score([], lake, api="batch", models=["language"], texts=inputs, settings=settings)
else:
    summary = ha.score(inputs, lake, api="batch", models=["prosody"], settings=settings)
took_s = time.perf_counter() - begun
peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
told = {"recordings": dict(summary.recordings), "exit": summary.exit_code}
print(json.dumps({"took_s": round(took_s, 2), "peak_mb": round(peak_mb), **told}))
"""


def score(inputs: Path, lake: Path, url: str, **flags: object) -> dict[str, object]:
    """Score in a fresh process and return what it measured of itself."""
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", SCORE, str(inputs), str(lake), url, json.dumps(flags)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return {"process_s": round(time.perf_counter() - begun, 2), **json.loads(done.stdout)}


def known(recordings: int) -> None:
    """A lake that knows many recordings, scored again: nothing is new."""
    with tempfile.TemporaryDirectory() as temporary, sandbox_process() as url:
        folder, lake = Path(temporary) / "recordings", Path(temporary) / "lake"
        make_known(folder, lake, recordings)
        for _ in range(3):
            print(json.dumps({"known": recordings, **score(folder, lake, url)}), flush=True)


def make_known(folder: Path, lake_folder: Path, count: int) -> None:
    """Write recordings, and a ledger in which each of them is scored. Scoring them all would take an hour and prove no more."""
    import humeanalytics as ha
    from humeanalytics.jobs.ledger import LEDGER_FILE, Ledger
    from humeanalytics.jobs.scoring_settings import batch_scoring
    from humeanalytics.jobs.sources import find_sources
    from humeanalytics.jobs.states import ACCEPTED, INTENT, LOADED, RECEIVED
    from humeanalytics.jobs.work import Recording, Work

    for number in range(count):
        path = folder / f"{number // 1000:03d}" / f"{number:06d}.wav"
        if number % 1000 == 0:
            path.parent.mkdir(parents=True)
        path.write_bytes(b"%d" % number)
    settings_id = batch_scoring(["prosody"]).settings_id
    wanted = {"api": "batch", "origin": "sandbox/7", "settings_id": settings_id}
    with ha.open_lake(lake_folder) as lake, Ledger.open(lake_folder / LEDGER_FILE) as ledger:
        lake.claim(synthetic=True)
        lake.bind_ledger(ledger.ledger_id)
        run_id = ledger.start_run("score")
        sources = list(find_sources([folder]))
        found = [Recording(s, f"{number:064x}", Path(s.uri).name, "audio") for number, s in enumerate(sources)]
        ledger.record_files(found)
        for start in range(0, count, 100):
            chunk = found[start : start + 100]
            works = [Work(i, "file", each.recording_id, each.source.uri, each.name) for i, each in enumerate(chunk)]
            job_id = ledger.plan_job(works, run_id=run_id, **wanted)
            for state in (INTENT, ACCEPTED, RECEIVED, LOADED):
                ledger.move(job_id, state, run_id, **({"load_id": "0"} if state == LOADED else {}))
            ledger.set_outcomes(job_id, ((i, "done", None) for i in range(len(works))))


def jobs(count: int, queued: int) -> None:
    """Many jobs in the ledger, as many as Hume allows at the sandbox: how much memory the scoring process takes."""
    with tempfile.TemporaryDirectory() as temporary, sandbox_process("--queue-s", "3") as url:
        texts, lake = Path(temporary) / "texts.csv", Path(temporary) / "lake"
        texts.write_text("text\n" + "".join(f"This is text number {number}.\n" for number in range(count)), encoding="utf-8")
        told = score(texts, lake, url, files_per_job=1, max_queued_jobs=queued, poll_cap_s=10.0)
        print(json.dumps({"jobs": count, "queued": queued, **told}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    known_ = commands.add_parser("known")
    known_.add_argument("--recordings", type=int, default=100_000)
    jobs_ = commands.add_parser("jobs")
    jobs_.add_argument("--jobs", type=int, default=2000)
    jobs_.add_argument("--queued", type=int, default=500)
    given = parser.parse_args()
    print(json.dumps({"cores": os.cpu_count(), "python": sys.version.split()[0]}))
    if given.command == "known":
        known(given.recordings)
    else:
        jobs(given.jobs, given.queued)


if __name__ == "__main__":
    main()
