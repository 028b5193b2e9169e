"""The notebooks run from a fresh clone without a key, and give again what is committed with them."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MOST_BYTES, MOST_BYTES_TOGETHER = 400_000, 2_000_000

#: What differs from run to run: how long it took, when it was, on which port, and ids that are drawn.
_VARIES = (
    (re.compile(r"\b\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?: ?UTC|Z|\+\d{2}(?::?\d{2})?)?"), "TIME"),
    (re.compile(r"(\btime:? *\s|>time</td><td[^>]*>)[\d,]+\.\d s\b"), r"\1TOOK"),
    (re.compile(r"127\.0\.0\.1:\d+"), "HOST"),
    (re.compile(r"\b0x[0-9a-f]{6,}\b"), "ADDRESS"),
    (re.compile(r"\b(?:id=\"|#)?T_[0-9a-f]{5}"), "STYLE"),
)
_FRACTION = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")
#: A folder of a machine or somebody's home, a key, a host.
_PRIVATE = re.compile(r"(?<![\w<.:/])/[a-z][\w.-]*/[\w.-]|\b[a-z]:\\\\|\b127\.0\.0\.1|api[_-]?key\s*[=:]\s*\w", re.IGNORECASE)


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def outputs_of(cell: Any) -> Iterator[tuple[str, str]]:
    """Yield what a cell shows as (kind, text); of pictures only the kind, for fonts and their edges differ between machines."""
    for output in cell.outputs:
        if output.output_type == "stream":
            yield output.name, output.text
        elif output.output_type == "error":
            yield "error", f"{output.ename}: {output.evalue}"
        else:
            for kind, data in sorted(output.data.items()):
                yield kind, "" if kind.startswith("image/") or _is_picture(output.data) else data


def _is_picture(data: Mapping[str, Any]) -> bool:
    return any(kind.startswith("image/") for kind in data)


def masked(text: str) -> str:
    """Return a text without what varies, and without the widths of columns."""
    for pattern, instead in _VARIES:
        text = pattern.sub(instead, text)
    return re.sub(r"[ ─]+", " ", text)


def assert_alike(now: list[tuple[str, str]], before: list[tuple[str, str]], where: str) -> None:
    """Words and whole numbers are the same; the last digits of others depend on the machine, and how they are rounded on them."""
    assert [kind for kind, _ in now] == [kind for kind, _ in before], where
    for (_, text), (_, old) in zip(now, before, strict=True):
        assert _FRACTION.sub("0.0", text) == _FRACTION.sub("0.0", old), where
        numbers, olds = ([float(found) for found in _FRACTION.findall(each)] for each in (text, old))
        assert numbers == pytest.approx(olds, rel=0.02, abs=0.002), where


def shown(cell: Any) -> list[tuple[str, str]]:
    """What a cell shows without what varies; parts of a stream that came in several pieces are one."""
    joined: list[tuple[str, str]] = []
    for kind, text in outputs_of(cell):
        if joined and kind == joined[-1][0] == "stdout":
            joined[-1] = (kind, joined[-1][1] + text)
        else:
            joined.append((kind, text))
    return [(kind, masked(text)) for kind, text in joined]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs_and_gives_the_same_again(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "USERPROFILE", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR"):
        (tmp_path / name.lower()).mkdir()
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path))
    here = tmp_path / "notebooks"
    here.mkdir()
    assert not [name for name in os.environ if name.startswith("HUME")]
    committed, notebook = read(path), read(shutil.copy(path, here))
    for cell in code_cells(notebook):
        cell.outputs = []
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(here)}}).execute()
    for before, now in zip(code_cells(committed), code_cells(notebook), strict=True):
        assert_alike(shown(now), shown(before), f"{path.name}, {before.id}: notebooks/README.md says how to renew outputs")
    assert [file.name for file in here.iterdir()] == [path.name]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_is_committed_is_clean(path: Path) -> None:
    notebook = read(path)
    nbformat.validate(notebook)
    assert set(notebook.metadata) <= {"kernelspec", "language_info"}
    assert notebook.metadata.kernelspec.name == "python3"
    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert not any(cell.metadata for cell in notebook.cells)
    for cell in cells:
        for kind, text in outputs_of(cell):
            assert kind not in ("error", "stderr"), f"{cell.id}: {text}"
            assert not _PRIVATE.search(text), f"{cell.id}: {_PRIVATE.search(text)}"
    assert path.stat().st_size < MOST_BYTES


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_teaches(path: Path) -> None:
    """Words come first, synthetic scores are called so before the first one is shown, the end leads on, links lead somewhere."""
    notebook = read(path)
    first, last = notebook.cells[0], notebook.cells[-1]
    assert first.cell_type == last.cell_type == "markdown"
    assert "synthetic" in first.source
    assert last.source.startswith("## What next")
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for link in re.findall(r"\]\((?!https?:)([^)#]+)", cell.source):
                assert (path.parent / link).exists(), link


def test_there_are_seven_and_they_are_small() -> None:
    assert [path.stem[:2] for path in NOTEBOOKS] == [f"{number:02}" for number in range(1, 8)]
    assert sum(path.stat().st_size for path in NOTEBOOKS) < MOST_BYTES_TOGETHER
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(f"notebooks/{path.name}" in readme for path in NOTEBOOKS)


@pytest.mark.parametrize(
    ("text", "is_private"),
    [
        ("lake: /tmp/abc/lake", True),
        ("/home/ann/data", True),
        ("http://127.0.0.1:40123", True),
        ("recordings/monday.flac", False),
        ("<td>18.0 s</td></tr>", False),
        ("why FILE and/or runs", False),
    ],
)
def test_what_is_private_is_noticed(text: str, is_private: bool) -> None:
    assert bool(_PRIVATE.search(text)) is is_private


def test_what_varies_is_masked_and_nothing_else() -> None:
    before = "time:       1.4 s\nlast run: score at 2026-11-22 20:43:23 UTC\nbilled:     18.0 s\njoy 0.159"
    after = "time:       0.9 s\nlast run: score at 2027-01-02 03:04:05 UTC\nbilled:     18.0 s\njoy 0.159"
    assert masked(before) == masked(after)
    assert masked(before) != masked(after.replace("18.0 s", "20.0 s"))
    assert masked(before) != masked(after.replace("0.159", "0.160"))
