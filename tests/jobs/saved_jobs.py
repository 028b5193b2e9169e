"""Jobs that a sandbox has scored, and the forms in which people keep their answers."""

from __future__ import annotations

import io
import json
import time
import uuid
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from humeanalytics.sandbox.embedded import Sandbox

MODELS: dict[str, Any] = {"face": {"facs": {}}, "prosody": {}, "burst": {}, "language": {"sentiment": {}, "toxicity": {}}}


@dataclass(frozen=True)
class SavedJob:
    """One job: its id, details and artifacts as the API gives them, and its predictions."""

    job_id: str
    details: bytes
    predictions: bytes
    artifacts: bytes

    @property
    def payload(self) -> Any:
        return json.loads(self.predictions)

    def rows(self) -> Counter[str]:
        """Count the rows of each model, without the toolkit."""
        counts: Counter[str] = Counter()
        for source in self.payload:
            for prediction in source["results"]["predictions"]:
                for model, answer in prediction["models"].items():
                    counts[model] += sum(len(group["predictions"]) for group in answer["grouped_predictions"])
        return counts

    # -------------------------------------------------------------------------------------------------- forms
    def platform(self) -> bytes:
        """What the web platform let people download: registry files, random names, another order of keys."""
        payload = self.payload
        for number, source in enumerate(payload):
            if source["source"]["type"] != "text":
                source["source"] = {"type": "registry_file", "file_id": str(uuid.UUID(int=number + 1, version=4))}
            for nth, prediction in enumerate(source["results"]["predictions"]):
                del prediction["file_type"]
                if source["source"]["type"] != "text":
                    prediction["file"] = str(uuid.UUID(int=1000 * number + nth + 7, version=4))
                for model in prediction["models"].values():
                    for group in model["grouped_predictions"]:
                        group["predictions"] = [dict(reversed(row.items())) for row in group["predictions"]]
        return json.dumps(payload, indent=2).encode()

    def webhook(self) -> bytes:
        return json.dumps({"job_id": self.job_id, "status": "COMPLETED", "predictions": self.payload}).encode()

    def extract(self, folder: Path) -> Path:
        with zipfile.ZipFile(io.BytesIO(self.artifacts)) as archive:
            archive.extractall(folder)
        return folder


def saved_job(hume: Sandbox, files: Sequence[Path] = (), texts: Sequence[str] = (), models: Any = MODELS) -> SavedJob:
    """Score some files and texts as one job."""
    with httpx.Client(base_url=hume.url, headers={"X-Hume-Api-Key": "k"}, timeout=60) as client:
        body = {"models": models} | ({"text": list(texts)} if texts else {})
        if files:
            parts: list[Any] = [("file", (path.name, path.read_bytes())) for path in files]
            started = client.post("/v0/batch/jobs", files=parts, data={"json": json.dumps(body)})
        else:
            started = client.post("/v0/batch/jobs", json=body)
        job_id = started.raise_for_status().json()["job_id"]
        where, end = f"/v0/batch/jobs/{job_id}", time.monotonic() + 60
        while (details := client.get(where)).json()["state"]["status"] not in ("COMPLETED", "FAILED"):
            assert time.monotonic() < end
            time.sleep(0.02)
        return SavedJob(
            job_id, details.content, client.get(f"{where}/predictions").content, client.get(f"{where}/artifacts").content
        )


def zipped(**members: bytes) -> bytes:
    """Return a ZIP archive of some files; two underscores stand for a dot."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "."), data)
    return out.getvalue()
