"""Recordings to score, a sandbox to score them, and a lake to put the answers into."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from voices import write_voice

from humeanalytics.sandbox.embedded import Sandbox
from humeanalytics.sandbox.options import SandboxOptions


@pytest.fixture
def voices(tmp_path: Path) -> Callable[[int], Path]:
    """Make a folder of so many recordings, no two alike."""

    def make(count: int, name: str = "recordings") -> Path:
        for number in range(count):
            write_voice(tmp_path / name / f"{number:04d}.wav", number)
        return tmp_path / name

    return make


@pytest.fixture
def hume() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox_with() -> Iterator[Callable[..., Sandbox]]:
    """Start sandboxes with options of their own."""
    with ExitStack() as started:
        yield lambda **options: started.enter_context(Sandbox(options=SandboxOptions(**options)))
