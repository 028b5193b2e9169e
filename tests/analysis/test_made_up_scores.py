"""Whatever is made of scores that nobody measured says so, so that a picture of it can."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import humeanalytics as ha
from humeanalytics.lake.frames import as_synthetic, is_synthetic

ROWS = pa.table(
    {
        "recording_id": ["a"] * 6 + ["b"] * 6,
        "participant": ["P1"] * 3 + ["P2"] * 3 + ["P3"] * 3 + ["P4"] * 3,
        "condition": ["x"] * 6 + ["y"] * 6,
        "begin_s": [float(n) for n in range(6)] * 2,
        "end_s": [n + 1.0 for n in range(6)] * 2,
        "joy": [0.1, 0.5, 0.9, 0.2, 0.3, 0.4] * 2,
        "calmness": [0.4, 0.2, 0.3, 0.9, 0.5, 0.1] * 2,
    }
)
ANSWERS: dict[str, Callable[[Any], pa.Table]] = {
    "summarise": lambda frame: ha.summarise(frame),
    "timeline": lambda frame: ha.timeline(frame, "joy", recording="a"),
    "timelines": lambda frame: ha.timeline({"face": frame, "voice": frame}, "joy", recording="a", every_s=1.0),
    "top": lambda frame: ha.top(frame),
    "compare": lambda frame: ha.compare(frame, by="condition", unit="participant"),
    "baseline": lambda frame: ha.baseline(frame),
    "composite": lambda frame: ha.composite(frame, ha.Composite("glad", "1", {"Joy": 1.0, "Calmness": 1.0})),
    "events": lambda frame: ha.events(frame, z=1.0),
    "quality": lambda frame: ha.quality(frame),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_says_what_its_frame_says(name: str) -> None:
    assert is_synthetic(ANSWERS[name](as_synthetic(ROWS)))
    assert not is_synthetic(ANSWERS[name](ROWS))


def test_an_answer_of_an_answer_does_too() -> None:
    assert is_synthetic(ha.top(ha.baseline(as_synthetic(ROWS))))


def test_every_public_analysis_passes_it_on() -> None:
    public = {name: getattr(ha, name) for name in ha.__all__}
    analyses = {name for name, each in public.items() if inspect.isfunction(each) and ".analysis." in each.__module__}
    assert {name for name in analyses if not hasattr(public[name], "__wrapped__")} == set()


def test_queries_and_pandas_frames_say_it_too(tmp_path: Path) -> None:
    source = Path(__file__).parents[2] / "data" / "predictions.json"
    for synthetic in (True, False):
        ha.ingest(source, tmp_path / str(synthetic), synthetic=synthetic)
        with ha.open_lake(tmp_path / str(synthetic)) as lake:
            query = lake["prosody"]
            for frame in (query, query.arrow(), query.df(), ha.summarise(lake, per="recording")):
                assert is_synthetic(frame) is synthetic
            assert is_synthetic(ha.summarise(query.df(), per="recording")) is synthetic
