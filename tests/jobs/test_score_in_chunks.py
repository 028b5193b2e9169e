"""A recording that is too long for one upload gives what it gives whole, where there is no limit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spoken import talk, write_wav

import humeanalytics as ha
from humeanalytics.sandbox.embedded import Sandbox
from humeanalytics.sandbox.options import SandboxOptions
from humeanalytics.tables.expression import FlattenedExpression, Uploaded, flatten_uploads

#: What of a row tells in which upload it was measured.
_OF_THE_UPLOAD = ("hume_", "hard_cut", "utterance_id", "measurement_id")


@pytest.fixture(scope="module")
def unlimited() -> Iterator[Sandbox]:
    with Sandbox(seed=7, options=SandboxOptions(expression_max_body_bytes=None)) as sandbox:
        yield sandbox


def whole(sandbox: Sandbox, wav: Path) -> FlattenedExpression:
    """Have a recording measured in one upload, however long it is."""
    files = {"file": ("audio.wav", wav.read_bytes(), "audio/wav")}
    answer = httpx.post(f"{sandbox.url}/v1/expression/audio/file", files=files, headers={"X-Hume-Api-Key": "any"}, timeout=120)
    assert answer.status_code == 200, answer.text
    return flatten_uploads([Uploaded("whole", answer.content)])


def test_forty_minutes_in_pieces_and_whole(unlimited: Sandbox, tmp_path: Path) -> None:
    draw = np.random.default_rng(5)
    stretches = [(float(draw.uniform(0.4, 5)), float(draw.uniform(0.3, 14))) for _ in range(240)]
    wav = write_wav(tmp_path / "recordings/long.wav", talk(stretches)[: 40 * 60 * 16_000])
    with Sandbox(seed=7) as hume:
        summary = ha.score(wav.parent, tmp_path / "lake", settings=hume.settings)
        assert summary.exit_code == 0, str(summary)
        assert len(hume.submissions()) >= 4
    at_once = whole(unlimited, wav)
    with ha.open_lake(tmp_path / "lake") as lake:
        assert lake.sql("SELECT count(*) AS n FROM audio_utterances WHERE hard_cut").rows() == [{"n": 0}]
        assert lake.sql("SELECT fingerprint FROM scorings").rows() == [{"fingerprint": at_once.answers[0].fingerprint}]
        for table, rows in at_once.tables.items():
            held = lake.sql(f"SELECT * FROM {table} ORDER BY ALL").arrow()
            assert held.num_rows == rows.num_rows > 0, table
            names = [name for name in rows.column_names if not name.startswith("hume_")]
            assert _sorted(held.select(names).to_pylist()) == _sorted(rows.select(names).to_pylist())


lengths_s = st.floats(0.3, 9.0).map(lambda seconds: round(seconds, 3))
pauses_s = st.one_of(st.floats(0.05, 0.9), st.floats(1.1, 6.0)).map(lambda seconds: round(seconds, 3))


@settings(max_examples=12)
@given(stretches=st.lists(st.tuples(pauses_s, lengths_s), min_size=6, max_size=24))
def test_any_pattern_of_pauses(
    stretches: list[tuple[float, float]], unlimited: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """With uploads of 30 s at most. An utterance that a hard cut went through is told as such, and only that one differs."""
    folder = tmp_path_factory.mktemp("split")
    wav = write_wav(folder / "recordings/talk.wav", talk(stretches))
    short = unlimited.settings.model_copy(update={"expression_chunk_s": 30.0})
    summary = ha.score(wav.parent, folder / "lake", models=["audio"], settings=short)
    assert summary.exit_code == 0, str(summary)
    at_once = whole(unlimited, wav)
    with ha.open_lake(folder / "lake") as lake:
        cuts = [row["at"] for row in lake.sql("SELECT offset_s + duration_s AS at FROM uploads WHERE ends = 'hard'").rows()]
        utterances = at_once.tables["audio_utterances"].to_pylist()
        spans = [(u["begin_s"], u["end_s"]) for u in utterances if any(u["begin_s"] - 1 < cut < u["end_s"] + 1 for cut in cuts)]
        flagged = lake.sql("SELECT begin_s, end_s FROM audio_utterances WHERE hard_cut").rows()
        assert all(any(begin - 1 <= f["begin_s"] and f["end_s"] <= end + 1 for begin, end in spans) for f in flagged)
        for table, rows in at_once.tables.items():
            held = lake.sql(f"SELECT * EXCLUDE (recording_id, scoring_id, load_id) FROM {table}").rows()
            assert _apart_from(spans, held) == _apart_from(spans, rows.to_pylist()), table


def _apart_from(spans: list[tuple[float, float]], rows: list[dict[str, Any]]) -> list[Any]:
    told = [
        {name: value for name, value in row.items() if not name.startswith(_OF_THE_UPLOAD)}
        for row in rows
        if not any(begin <= row["begin_s"] <= end + 0.1 for begin, end in spans)
    ]
    return _sorted(told)


def _sorted(rows: list[dict[str, Any]]) -> list[Any]:
    return sorted((tuple(sorted(row.items())) for row in rows), key=repr)
