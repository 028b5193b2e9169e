from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from humeanalytics.lake.lake import Lake, open_lake


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    with open_lake(tmp_path / "lake") as lake:
        yield lake
