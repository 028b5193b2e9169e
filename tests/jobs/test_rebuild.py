"""Tables made again from raw/ alone."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import humeanalytics as ha
from humeanalytics.jobs.rebuilding import rebuild
from humeanalytics.sandbox.embedded import Sandbox

#: What may differ between a row and the same row made again.
_OF_THE_LOAD = "EXCLUDE (load_id)"


def contents(lake: Path) -> dict[str, list[Any]]:
    """Everything a lake shows under the tables' plain names, but for which load brought it."""
    shown: dict[str, list[Any]] = {}
    with ha.open_lake(lake) as opened:
        for table in ("prosody", "burst", "language", "items", "labels", "recordings", "scoring_sources", "errors", "settings"):
            without = {"errors": "EXCLUDE (load_id, happened_at, run_id)"}.get(table, _OF_THE_LOAD)
            shown[table] = opened.sql(f"SELECT * {without} FROM {table} ORDER BY ALL").rows()
        shown["scorings"] = opened.sql("SELECT * EXCLUDE (load_id, loaded_at) FROM scorings ORDER BY ALL").rows()
        shown["labelled"] = opened.sql("SELECT participant, count(*) AS n FROM prosody_labelled GROUP BY ALL ORDER BY ALL").rows()
    return shown


@pytest.fixture
def scored(voices: Callable[[int], Path], hume: Sandbox, tmp_path: Path) -> Path:
    folder, lake = voices(12), tmp_path / "lake"
    (folder / "empty.wav").write_bytes(b"")
    (folder / "note.txt").write_text("I am glad that this works. It took a while.")
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("file,participant\n" + "".join(f"{number:04d}.wav,{number % 3:03d}\n" for number in range(12)))
    settings = hume.settings.model_copy(update={"files_per_job": 4})
    summary = ha.score(folder, lake, api="batch", manifest=manifest, settings=settings)
    assert summary.exit_code == 3  # the empty file
    other = ha.score(folder / "0000.wav", lake, api="batch", models={"prosody": {"granularity": "word"}}, settings=settings)
    assert other.recordings["scored"] == 1
    return lake


def test_rebuilt_tables_are_the_same(scored: Path) -> None:
    before = contents(scored)
    assert before["prosody"]
    assert before["labelled"]
    summary = rebuild(scored)
    assert summary.exit_code == 0, str(summary)
    assert contents(scored) == before
    rebuild(scored)
    assert contents(scored) == before


def test_tables_that_are_gone_come_back(scored: Path, hume: Sandbox) -> None:
    before = contents(scored)
    shutil.rmtree(scored / "tables")
    rebuild(scored)
    assert contents(scored) == before
    # ... and a later run goes on as if nothing had happened.
    summary = ha.score(scored.parent / "recordings", scored, api="batch", settings=hume.settings)
    assert summary.recordings["sent"] == 0
    assert contents(scored) == before


def test_an_older_version_shows_what_was_there(scored: Path) -> None:
    with ha.open_lake(scored) as lake:
        version = lake.version
        rows = lake.sql("SELECT count(*) AS n FROM prosody").rows()
    rebuild(scored)
    with ha.open_lake(scored, version=version) as lake:
        assert lake.sql("SELECT count(*) AS n FROM prosody").rows() == rows
        assert lake.sql("SELECT count(DISTINCT load_id) AS n FROM prosody_all").rows()[0]["n"] > 1


def test_killed_while_rebuilding(scored: Path) -> None:
    before = contents(scored)
    command = [sys.executable, "-m", "humeanalytics", "rebuild", "--lake", str(scored)]
    for wait_s in (0.6, 0.9, 1.2):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        time.sleep(wait_s)
        process.kill()
        process.wait()
        assert contents(scored) == before
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0
    assert contents(scored) == before
    with ha.open_lake(scored) as lake:
        assert lake.loads.pending() == []
    assert not list((scored / "pending").iterdir())
