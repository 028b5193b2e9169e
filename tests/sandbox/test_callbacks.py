"""The call to ``callback_url`` when a job has ended."""

from __future__ import annotations

import http.server
import json
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hume_client import Hume

from humeanalytics.sandbox.embedded import Sandbox

SandboxWith = Callable[..., tuple[Sandbox, Hume]]
Calls = "queue.Queue[tuple[str, dict[str, str], Any]]"


@pytest.fixture
def receiver() -> Iterator[tuple[str, Any]]:
    """The URL of a server, and the calls it gets."""
    calls: Any = queue.Queue()

    class Receiver(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            calls.put((self.path, dict(self.headers), json.loads(body)))
            self.send_response(500)  # whatever the answer: there is one call only
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", calls
        server.shutdown()
        thread.join()


def test_a_completed_job_calls_with_its_predictions(sandbox_with: SandboxWith, receiver: tuple[str, Any]) -> None:
    url, calls = receiver
    _, hume = sandbox_with()
    job_id = hume.start(text=["Hello.", "Bye."], models={"language": {}}, callback_url=f"{url}/done?mine=42")
    path, headers, body = calls.get(timeout=20)
    assert (path, headers["Content-Type"]) == ("/done?mine=42", "application/json")
    assert not any("signature" in name.lower() for name in headers)
    assert body == {"job_id": job_id, "status": "COMPLETED", "predictions": hume.predictions(job_id)}
    with pytest.raises(queue.Empty):
        calls.get(timeout=0.3)


def test_a_failed_job_calls_with_its_message(sandbox_with: SandboxWith, receiver: tuple[str, Any]) -> None:
    url, calls = receiver
    sandbox, hume = sandbox_with()
    sandbox.set_faults([{"fail_job": "out of luck"}])
    job_id = hume.start(text=["Hello."], callback_url=url)
    assert calls.get(timeout=20)[2] == {"job_id": job_id, "status": "FAILED", "message": "out of luck"}


@pytest.mark.parametrize("callback_url", ["http://127.0.0.1:9/nobody", "https://example.com/elsewhere"])
def test_a_callback_nobody_takes_does_no_harm(shared: Hume, callback_url: str) -> None:
    job_id = shared.start(text=["Hello."], models={"language": {}}, callback_url=callback_url)
    assert shared.job(job_id)["request"]["callback_url"] == callback_url
    assert shared.predictions(job_id)
