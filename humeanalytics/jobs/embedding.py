"""A sandbox that lives in a lake's folder, so that a run that was killed finds its jobs again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from humeanalytics.errors import SettingsError
from humeanalytics.jobs.flow import state_folder
from humeanalytics.jobs.lock import locked
from humeanalytics.jobs.opening import open_lake
from humeanalytics.settings import Settings

if TYPE_CHECKING:
    from humeanalytics.sandbox.embedded import Sandbox

_POLL_S = 0.2


@contextmanager
def embedded_sandbox(
    uri: str, seed: int, settings: Settings, *, flow: str = "batch", wait_s: float = 0.0, transcripts: Path | None = None
) -> Iterator[Sandbox]:
    """Run a sandbox for one lake, which is, or becomes, a synthetic one.

    Args:
        uri: The lake.
        seed: Seed of the scores.
        settings: Where the lake's state is.
        flow: What it is for: ``batch`` or ``expression``.
        wait_s: How long to wait for another run that has the sandbox of this lake.
        transcripts: A folder of texts that say what is said in recordings of the same name.

    Raises:
        LakeMixed: The lake holds real results.
        LakeLocked: Another run has the sandbox of this lake.
        SettingsError: The lake's sandbox has another seed.
    """
    from humeanalytics.sandbox.batch.store import StateInUse
    from humeanalytics.sandbox.embedded import Sandbox
    from humeanalytics.sandbox.options import SandboxOptions

    with open_lake(uri) as lake:
        lake.claim(synthetic=True)  # refuses a lake of real results before anything is put into it
        folder = state_folder(lake, settings)
    sandbox = Sandbox(seed=seed, state=folder / "sandbox", options=SandboxOptions(transcripts=transcripts))
    deadline = time.monotonic() + wait_s
    while True:
        try:
            sandbox.start()
            break
        except StateInUse:
            if time.monotonic() >= deadline:
                raise locked(folder / "locks", flow, uri) from None
            time.sleep(_POLL_S)
        except ValueError as error:
            raise SettingsError(f"{error} Use the same --seed for one lake.") from error
    try:
        yield sandbox
    finally:
        sandbox.close()
