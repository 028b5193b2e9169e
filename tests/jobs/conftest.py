"""Recordings to score, a sandbox to score them, and a lake to put the answers into."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from voices import write_voice

from humeanalytics.sandbox.embedded import Sandbox


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
