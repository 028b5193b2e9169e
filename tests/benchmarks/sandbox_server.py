"""A sandbox for benchmarks: in a process of its own, so that its work is not counted with what is measured."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def sandbox_process(*arguments: str, **options: Any) -> Iterator[str]:
    """Run a sandbox; yields its URL.

    Args:
        arguments: Further arguments of its command line.
        options: Options of the sandbox, by name.
    """
    given = [part for name, value in options.items() for part in ("--option", f"{name}={value}")]
    command = [sys.executable, "-m", "humeanalytics.sandbox", "--port", "0", *arguments, *given]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip().rpartition(" ")[2]
    finally:
        process.terminate()
        process.wait(60)
