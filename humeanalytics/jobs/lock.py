"""One flow at a time on one lake: a kernel file lock, which dies with its process whatever kills it."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from humeanalytics.errors import LakeLocked

_POLL_S = 0.2


@contextmanager
def flow_lock(folder: Path, flow: str, *, lake_uri: str, wait_s: float = 0.0) -> Iterator[None]:
    """Hold the lock of one flow while the block runs.

    Args:
        folder: Where the lock files lie (the folder of the ledger).
        flow: ``batch``, ``expression``, ``evi`` or ``ingest``.
        lake_uri: For the message.
        wait_s: How long to wait for it.

    Raises:
        LakeLocked: Another process has it; the message says which.
    """
    folder.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + wait_s
    with (folder / f"{flow}.lock").open("a+b") as file:
        while not _try_lock(file):
            if time.monotonic() >= deadline:
                raise locked(folder, flow, lake_uri)
            time.sleep(_POLL_S)
        note = {"pid": os.getpid(), "since": datetime.now(UTC).isoformat(timespec="seconds")}
        (folder / f"{flow}.holder.json").write_text(json.dumps(note), encoding="utf-8")
        try:
            yield
        finally:
            _unlock(file)


def locked(folder: Path, flow: str, lake_uri: str) -> LakeLocked:
    """Return the error that says who holds the lock of a flow, and what to do."""
    holder = _holder(folder, flow)
    return LakeLocked(
        f"Another run of {flow!r} works on {lake_uri} ({holder}). Run the same command when it has ended, or add --wait 30m. "
        "Queries, labels and other flows are not held up.",
        uri=lake_uri,
        holder=holder,
    )


def _holder(folder: Path, flow: str) -> str:
    # Beside the lock, not in it: Windows lets nobody else read a locked range.
    try:
        note = json.loads((folder / f"{flow}.holder.json").read_text(encoding="utf-8"))
        return f"process {note['pid']} on this machine since {note['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


if sys.platform == "win32":
    import msvcrt

    def _try_lock(file: IO[bytes]) -> bool:
        try:
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(file: IO[bytes]) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try_lock(file: IO[bytes]) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)
