"""Make ``predictions.json`` and ``artifacts.zip`` again: the sample recordings scored through the sandbox, as one job.

    python data/make_predictions.py

What is written is each answer as the sandbox sent it, byte for byte. The words are those of ``transcripts/``; the scores are
invented, by seed and content.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import httpx

from humeanalytics.sandbox.embedded import Sandbox
from humeanalytics.sandbox.options import SandboxOptions

FOLDER = Path(__file__).parent
SEED = 7
REQUEST = {
    "models": {
        "face": {"fps_pred": 2},
        "prosody": {"granularity": "utterance"},
        "burst": {},
        "language": {"granularity": "sentence", "sentiment": {}},
    },
    "transcription": {"language": "en"},
}


def main() -> None:
    recordings = sorted(path for path in (FOLDER / "recordings").iterdir() if path.suffix != ".txt")
    texts = [path.read_text(encoding="utf-8") for path in sorted((FOLDER / "recordings").glob("*.txt"))]
    options = SandboxOptions(transcripts=FOLDER / "transcripts")
    with (
        Sandbox(seed=SEED, options=options) as hume,
        httpx.Client(base_url=hume.url, headers={"X-Hume-Api-Key": "sample"}, timeout=60) as client,
    ):
        files = [("file", (path.name, path.read_bytes())) for path in recordings]
        answer = client.post("/v0/batch/jobs", files=files, data={"json": json.dumps({**REQUEST, "text": texts})})
        job = f"/v0/batch/jobs/{answer.raise_for_status().json()['job_id']}"
        while (state := client.get(job).raise_for_status().json()["state"])["status"] not in ("COMPLETED", "FAILED"):
            time.sleep(0.1)
        if state["status"] == "FAILED":
            raise SystemExit(f"the sandbox failed: {state['message']}")
        for answer, name in (("predictions", "predictions.json"), ("artifacts", "artifacts.zip")):
            (FOLDER / name).write_bytes(client.get(f"{job}/{answer}").raise_for_status().content)


if __name__ == "__main__":
    main()
