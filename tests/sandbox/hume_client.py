"""A client as plain as can be: what is tested is the server, so nothing of the toolkit's own client is in the way."""

from __future__ import annotations

import io
import json
import time
import zipfile
from typing import Any

import httpx

JOBS = "/v0/batch/jobs"
FINAL = ("COMPLETED", "FAILED")


class Hume(httpx.Client):
    """An HTTP client with a key, and short ways to say what tests say often."""

    def __init__(self, url: str, key: str = "k", **options: Any) -> None:
        super().__init__(base_url=url, headers={"X-Hume-Api-Key": key}, timeout=60, **options)

    def start(self, **body: Any) -> str:
        return self._job_id(self.post(JOBS, json=body))

    def upload(self, files: dict[str, bytes], **body: Any) -> str:
        parts: list[Any] = [("file", (name, content, "application/octet-stream")) for name, content in files.items()]
        return self._job_id(self.post(JOBS, files=parts, data={"json": json.dumps(body)}))

    def _job_id(self, answer: httpx.Response) -> str:
        assert answer.status_code == 200, answer.text
        return str(answer.json()["job_id"])

    def job(self, job_id: str) -> dict[str, Any]:
        return self.get(f"{JOBS}/{job_id}").raise_for_status().json()  # type: ignore[no-any-return]

    def wait(self, job_id: str, deadline_s: float = 60.0) -> dict[str, Any]:
        """Wait for a job to end and return it."""
        end = time.monotonic() + deadline_s
        while (job := self.job(job_id))["state"]["status"] not in FINAL:
            assert time.monotonic() < end, f"job {job_id} is still {job['state']}"
            time.sleep(0.02)
        return job

    def predictions(self, job_id: str) -> list[dict[str, Any]]:
        """Wait for a job and return its predictions."""
        assert self.wait(job_id)["state"]["status"] == "COMPLETED"
        return self.get(f"{JOBS}/{job_id}/predictions").raise_for_status().json()  # type: ignore[no-any-return]

    def artifacts(self, job_id: str) -> zipfile.ZipFile:
        self.wait(job_id)
        return zipfile.ZipFile(io.BytesIO(self.get(f"{JOBS}/{job_id}/artifacts").raise_for_status().content))

    def scored(self, files: dict[str, bytes], **body: Any) -> list[dict[str, Any]]:
        """Upload files and return the prediction of each, in order; every one must have succeeded."""
        sources = self.predictions(self.upload(files, **body))
        assert [source["results"]["errors"] for source in sources] == [[]] * len(sources)
        return [source["results"]["predictions"][0] for source in sources]


def rows(prediction: dict[str, Any], model: str) -> list[dict[str, Any]]:
    """All rows of one model, group after group, each with its group's id as ``id``."""
    groups = prediction["models"][model]["grouped_predictions"]
    return [{"id": group["id"], **row} for group in groups for row in group["predictions"]]
