"""A sandbox in a process of its own, to be killed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def process(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run ``python -m humeanalytics.sandbox`` on a free port; the process and its URL."""
    command = [sys.executable, "-W", "error", "-m", "humeanalytics.sandbox", "--port", "0", *arguments]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert running.stdout is not None
        line = running.stdout.readline()
        assert line.startswith("listening on http://127.0.0.1:"), line + (running.stderr.read() if running.stderr else "")
        yield running, line.split()[-1]
    finally:
        running.kill()
        running.communicate()
