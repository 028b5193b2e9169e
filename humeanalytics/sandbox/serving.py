"""The sandbox as a process of its own, until it is told to end."""

from __future__ import annotations

import json
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import FrameType

from humeanalytics.sandbox.embedded import Sandbox
from humeanalytics.sandbox.faults import InvalidRule
from humeanalytics.sandbox.options import SandboxOptions


def serve(
    host: str = "127.0.0.1",
    port: int = 8765,
    seed: int = 7,
    state: str | Path | None = None,
    faults_file: str | Path | None = None,
    *,
    api_key: str | None = None,
    options: SandboxOptions | None = None,
) -> None:
    """Run a sandbox until SIGINT (Ctrl-C) or SIGTERM; call it from the main thread.

    Prints ``listening on http://HOST:PORT`` when requests are answered.

    Args:
        host: The address to listen on.
        port: The port; 0 takes a free one.
        seed: Scores depend on it and on the content alone.
        state: A folder that keeps accepted jobs from run to run; None: they are gone at the end.
        faults_file: A JSON file with a list of fault rules.
        api_key: The only key accepted; None: any.
        options: Delays, limits and guesses.

    Raises:
        ValueError: The faults file does not hold rules, or ``state`` was made with another seed.
        OSError: A file cannot be read, or the port is taken.
        StateInUse: Another sandbox works on ``state``.
    """
    rules = _read_rules(Path(faults_file)) if faults_file is not None else []
    told_to_end = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        told_to_end.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with Sandbox(seed=seed, state=state, host=host, port=port, api_key=api_key, options=options) as sandbox:
            if rules:
                sandbox.set_faults(rules)
            with suppress(BrokenPipeError):
                sys.stdout.write(f"listening on {sandbox.url}\n")
                sys.stdout.flush()
            while not told_to_end.wait(0.5):  # a wait without end cannot be interrupted on Windows
                pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _read_rules(path: Path) -> list[dict[str, object]]:
    try:
        rules = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InvalidRule(f"{path} is not JSON: {error}") from None
    if not isinstance(rules, list):
        raise InvalidRule(f"{path} must hold a list of rules.")
    return rules
