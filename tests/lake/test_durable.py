from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from humeanalytics.errors import DiskFull
from humeanalytics.lake import durable

FULL = Path("/dev/full")


def test_create_file_lets_the_first_one_win_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    assert durable.create_file(path, b"first")
    assert not durable.create_file(path, b"second")
    assert path.read_bytes() == b"first"
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_create_file_among_processes_is_won_by_one(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from humeanalytics.lake.durable import create_file\n"
        "start = float(sys.argv[2])\n"
        "while time.time() < start: pass\n"
        "print(create_file(Path(sys.argv[1]), sys.argv[3].encode()))"
    )
    path, start = tmp_path / "claimed", str(time.time() + 2)
    racers = [
        subprocess.Popen([sys.executable, "-c", program, str(path), start, str(i)], stdout=subprocess.PIPE, text=True)
        for i in range(4)
    ]
    told = [racer.communicate()[0].strip() for racer in racers]
    assert sorted(told) == ["False", "False", "False", "True"]
    assert path.read_text() == str(told.index("True"))


def test_replace_file_puts_the_new_in_place_of_the_old(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    durable.replace_file(path, b"old")
    durable.replace_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
def test_a_full_disk_is_told_as_one_to_come_back_to(tmp_path: Path) -> None:
    with pytest.raises(DiskFull, match=r"No space left for .*lake") as caught, durable.disk_full_named(tmp_path / "lake"):
        FULL.write_bytes(b"x")
    assert caught.value.exit_code == 75
    assert isinstance(caught.value, OSError)


def test_a_full_disk_as_other_libraries_put_it_is_known_too(tmp_path: Path) -> None:
    with pytest.raises(DiskFull), durable.disk_full_named(tmp_path):
        raise RuntimeError("Generic error: write failed: No space left on device (os error 28)")


def test_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), durable.disk_full_named(tmp_path):
        raise PermissionError(13, "Permission denied")
