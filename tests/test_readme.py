"""The README shows what really happens, and leads nowhere that is not there."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from humeanalytics.samples import samples_folder

README = Path(__file__).parent.parent / "README.md"
TEXT = README.read_text(encoding="utf-8")


@pytest.mark.parametrize("link", re.findall(r"\]\((?!https?:)([^)#]+)\)", TEXT))
def test_links_lead_somewhere(link: str) -> None:
    assert (README.parent / link).exists()


def test_the_commands_print_what_the_readme_shows(tmp_path: Path) -> None:
    shown = re.findall(r"```console\n\$ humeanalytics (.*)\n((?:.*\n)*?)```", TEXT)
    assert len(shown) >= 2
    for place in ("recordings", "manifest.csv"):
        (tmp_path / place).symlink_to(samples_folder() / place)
    (tmp_path / "downloads").mkdir()
    for name in ("predictions.json", "artifacts.zip"):
        download = tmp_path / "downloads" / name
        download.write_bytes((samples_folder() / name).read_bytes())
        os.utime(download, (1_760_000_000, 1_760_000_000))  # they are read in order of time, and a checkout has none
    (tmp_path / "downloads" / "notes.txt").write_text("What I noticed: they talk at once.")
    for command, output in shown:
        done = subprocess.run(
            [sys.executable, "-m", "humeanalytics", *shlex.split(command)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == (3 if "some items failed" in output else 0), done.stderr
        assert without_passing_things(done.stdout) == without_passing_things(output)


def without_passing_things(text: str) -> list[str]:
    """Lines without where it ran and how long it took."""
    lines = [re.sub(r"/\S*/(?=downloads/)", "/data/", line) for line in text.splitlines()]
    return [line for line in lines if not line.startswith(("lake:", "time:"))]


def test_the_figure_for_a_paper_is_made_as_it_stands_there(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(import humeanalytics as ha\nfrom humeanalytics\.samples .*?)```", TEXT, re.DOTALL)
    assert len([line for line in code.splitlines() if line and not line.startswith(("import ", "from "))]) <= 5
    subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=tmp_path, check=True)
    assert (tmp_path / "figure-1.pdf").read_bytes().startswith(b"%PDF")
