"""Answers of v1 of more rows than are held at once, and answers that cannot be read any more: no row differs, none is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from spoken import talk, write_wav

import humeanalytics as ha
from humeanalytics.jobs import expression_answers
from humeanalytics.samples import sample
from humeanalytics.sandbox.embedded import Sandbox

TABLES = (
    "scorings",
    "uploads",
    "audio_utterances",
    "audio_measurements",
    "audio_scores",
    "video_frames",
    "video_faces",
    "video_scores",
)
OF_THE_LOAD = ("load_id", "loaded_at", "noted_at", "scored_at", "sent_at", "answered_at", "run_id", "upload_id", "response_id")


def told(lake: Path, *left_out: str) -> dict[str, list[str]]:
    found = {}
    with ha.open_lake(lake) as opened:
        for table in TABLES:
            rows: list[dict[str, Any]] = opened.sql(f"SELECT * FROM {table}").rows()
            found[table] = sorted(repr({k: v for k, v in row.items() if k not in left_out}) for row in rows)
    return found


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    folder = tmp_path / "recordings"
    write_wav(folder / "long.wav", talk([(2.0, 5.0)] * 12))
    (folder / "greeting.mp4").write_bytes(sample("012_greeting.mp4").read_bytes())
    return folder


@pytest.mark.parametrize("held", [1, 60, 2000])
def test_rows_that_are_not_held_are_the_same(
    recordings: Path, hume: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: int
) -> None:
    settings = hume.settings.model_copy(update={"expression_chunk_s": 30.0})
    lake = tmp_path / "lake"
    monkeypatch.setattr(expression_answers, "_HELD_ROWS", held)
    summary = ha.score(recordings, lake, settings=settings)
    assert summary.exit_code == 0, str(summary)
    in_pieces = told(lake, "load_id", "loaded_at", "noted_at")
    assert {table: len(in_pieces[table]) for table in summary.rows} == dict(summary.rows)
    assert len(in_pieces["audio_scores"]) > 500 and len(in_pieces["video_scores"]) > 100
    monkeypatch.undo()
    assert ha.rebuild(lake).exit_code == 0
    assert told(lake, "load_id", "loaded_at", "noted_at") == in_pieces


def test_the_same_answer_again_gives_no_rows_however_many_they_are(
    recordings: Path, hume: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expression_answers, "_HELD_ROWS", 1)
    settings = hume.settings.model_copy(update={"expression_chunk_s": 30.0})
    ha.score(recordings, tmp_path / "lake", settings=settings)
    before = told(tmp_path / "lake", "sources", *OF_THE_LOAD)
    again = ha.score(recordings, tmp_path / "lake", settings=settings, force=True)
    assert (again.exit_code, again.rows) == (0, {})
    after = told(tmp_path / "lake", "sources", *OF_THE_LOAD)
    assert len(after.pop("uploads")) == 2 * len(before.pop("uploads"))
    assert after == before


@pytest.mark.parametrize("how", ["cut", "other bytes", "gone"])
def test_an_answer_that_broke_on_the_disk_takes_no_rows_away(recordings: Path, hume: Sandbox, tmp_path: Path, how: str) -> None:
    settings, lake = hume.settings.model_copy(update={"expression_chunk_s": 30.0}), tmp_path / "lake"
    assert ha.score(recordings, lake, settings=settings).exit_code == 0
    before = told(lake, "load_id", "loaded_at", "noted_at")
    broken = max((lake / "raw" / "expression" / "audio").glob("*/*.json.zst"), key=lambda path: path.stat().st_size)
    if how == "cut":
        broken.write_bytes(broken.read_bytes()[:100])
    elif how == "other bytes":
        broken.write_bytes(b"{}")
    else:
        broken.unlink()
    summary = ha.rebuild(lake)
    assert told(lake, "load_id", "loaded_at", "noted_at") == before
    assert summary.exit_code == (0 if how == "gone" else 3), str(summary)
