"""The call a job makes to its ``callback_url`` when it has ended: once, and only on this machine."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import msgspec

from humeanalytics.sandbox.batch.downloads import is_loopback

_log = logging.getLogger(__name__)
_TIMEOUT_S = 10.0
_CHUNK_BYTES = 1 << 18


def deliver(url: str, job_id: str, predictions: Path | None, message: str | None, check: Callable[[], None]) -> None:
    """POST the outcome of a job: its predictions, or the message of its failure (the name of that key is a guess)."""
    if not is_loopback(url):
        _log.warning("Sandbox job %s has a callback that is not on this machine; it is not called.", job_id)
        return
    head = {"job_id": job_id, "status": "FAILED" if predictions is None else "COMPLETED"}
    try:
        with httpx.Client(timeout=_TIMEOUT_S, trust_env=False) as client:
            if predictions is None:
                client.post(url, json={**head, "message": message})
            else:
                start = msgspec.json.encode(head)[:-1] + b',"predictions":'
                length = len(start) + predictions.stat().st_size + 1
                headers = {"Content-Type": "application/json", "Content-Length": str(length)}
                client.post(url, content=_body(start, predictions, check), headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        _log.warning("Callback of sandbox job %s failed: %s", job_id, error)


def _body(start: bytes, predictions: Path, check: Callable[[], None]) -> Iterator[bytes]:
    yield start
    with predictions.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            check()
            yield chunk
    yield b"}"
