"""Sandboxes to talk to over real HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from hume_client import Hume

from humeanalytics.sandbox.embedded import Sandbox
from humeanalytics.sandbox.options import SandboxOptions

QUICK = {"queue_s": 0.0, "run_s": 0.0}


@pytest.fixture(scope="session")
def shared() -> Iterator[Hume]:
    """A client of a sandbox that several tests share: start jobs, but order no faults and count no jobs."""
    with Sandbox(options=SandboxOptions(**QUICK)) as sandbox, Hume(sandbox.url) as hume:
        yield hume


@pytest.fixture
def sandbox_with() -> Iterator[Callable[..., tuple[Sandbox, Hume]]]:
    """``sandbox, hume = sandbox_with(max_files=2)``: a sandbox of one's own with these options, and a client of it."""
    with ExitStack() as stack:

        def make(seed: int = 7, **options: Any) -> tuple[Sandbox, Hume]:
            sandbox = stack.enter_context(Sandbox(seed=seed, options=SandboxOptions(**{**QUICK, **options})))
            return sandbox, stack.enter_context(Hume(sandbox.url))

        yield make
