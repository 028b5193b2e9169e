"""What every flow begins and ends with: the lake, the lock, the ledger, the run."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from humeanalytics import __version__
from humeanalytics.api.service import Service
from humeanalytics.errors import LedgerMismatch, SettingsError
from humeanalytics.jobs.bookkeeping import Row, load_rows, utc
from humeanalytics.jobs.ledger import LEDGER_FILE, Ledger
from humeanalytics.jobs.lock import flow_lock
from humeanalytics.jobs.opening import open_lake
from humeanalytics.jobs.summary import RunSummary
from humeanalytics.lake.lake import Lake
from humeanalytics.settings import Settings

#: What of a summary the table ``runs`` keeps.
_COUNTED = ("chats", "recordings", "jobs", "uploads", "rows", "files")


def state_folder(lake: Lake, settings: Settings) -> Path:
    """Return the folder of a lake's ledger and locks: the lake's own, or below the setting ``state``.

    Raises:
        SettingsError: The lake is in a bucket, where no ledger can lie, and ``state`` is not set.
    """
    if settings.state is not None:
        return settings.state / lake.identity.lake_id
    if lake.path is None:
        raise SettingsError(
            f"{lake.uri} is no local folder. Say where its ledger shall lie: set HUMEANALYTICS_STATE to a folder."
        )
    return lake.path


@contextmanager
def open_flow(
    lake: Lake | str | os.PathLike[str] | None,
    flow: str,
    verb: str,
    settings: Settings,
    lock_wait_s: float,
    *,
    create: bool = True,
) -> Iterator[tuple[Lake, Ledger, str]]:
    """Open the lake, hold the flow's lock, open the ledger, begin a run; yield (lake, ledger, run id).

    Raises:
        LakeNotFound: There is no lake and ``create`` is False.
        LakeLocked: The flow runs already.
        LedgerMismatch: The lake has submissions and the ledger that knows them is not here.
    """
    opened = lake if isinstance(lake, Lake) else open_lake(lake_uri(lake, settings), create=create)
    try:
        folder = state_folder(opened, settings)
        with flow_lock(folder / "locks", flow, lake_uri=opened.uri, wait_s=lock_wait_s):
            path = folder / LEDGER_FILE
            if opened.identity.ledger_id is not None and not path.exists():
                raise LedgerMismatch(
                    f"{opened.uri} has submissions, but the ledger that knows them is not at {path}. Bring it back, or set "
                    "HUMEANALYTICS_STATE to the folder it is in: without it, what was paid for would be sent again.",
                    uri=opened.uri,
                )
            with Ledger.open(path) as ledger:
                yield opened, ledger, ledger.start_run(verb)
    finally:
        if opened is not lake:
            opened.close()


def lake_uri(lake: str | os.PathLike[str] | None, settings: Settings) -> str:
    """Return which lake is meant.

    Raises:
        SettingsError: Nothing says so.
    """
    uri = lake if lake is not None else settings.lake
    if uri is None:
        raise SettingsError("Say which lake: --lake FOLDER, or set HUMEANALYTICS_LAKE.")
    return os.fspath(uri)


class Canonical(Protocol):
    """Settings of a scoring, by v0 or v1."""

    @property
    def settings_id(self) -> str: ...
    @property
    def canonical_json(self) -> str: ...


def record_settings(lake: Lake, ledger: Ledger, scoring: Canonical, flow: str, run_id: str) -> None:
    """Write what these settings are, the first time they are used: in the lake first, so that the ledger's word is enough."""
    if not ledger.knows_settings(scoring.settings_id):
        row = {"settings_id": scoring.settings_id, "api": flow, "canonical_json": scoring.canonical_json}
        load_rows(lake, {"settings": [row]}, flow=flow, run_id=run_id)
        ledger.record_settings(scoring.settings_id, flow, scoring.canonical_json)


async def begin_at(api: Service, lake: Lake, ledger: Ledger, summary: RunSummary) -> None:
    """Ask who answers, and bind lake and ledger to them."""
    await api.check()
    lake.claim(synthetic=bool(api.synthetic))
    lake.bind_ledger(ledger.ledger_id)
    summary.synthetic = bool(api.synthetic)


def end_run(lake: Lake, ledger: Ledger, summary: RunSummary, flow: str, begun_s: float) -> None:
    """Write down how a run ended that began at ``begun_s`` (of `time.monotonic`)."""
    summary.duration_s = time.monotonic() - begun_s
    load_rows(lake, {"runs": [_run_row(summary, ledger)]}, flow=flow, run_id=summary.run_id)
    ledger.end_run(summary.run_id, summary.exit_code, summary.to_dict())


def _run_row(summary: RunSummary, ledger: Ledger) -> Row:
    return {
        "run_id": summary.run_id,
        "verb": summary.verb,
        "started_at": utc(ledger.run_started_at(summary.run_id)),
        "ended_at": datetime.now(UTC),
        "exit_code": summary.exit_code,
        "counts_json": json.dumps({name: getattr(summary, name) for name in _COUNTED}),
        "version": __version__,
    }
