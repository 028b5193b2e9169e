"""What stands in strips of time agrees with what `quality` counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from plot_frames import faces, speech, study
from test_timeline import assert_words_stand_apart, words

import humeanalytics as ha
from humeanalytics.errors import UsageError
from humeanalytics.plot import coverage
from humeanalytics.plot.spans import Spans, Strips


def drawn(ax: Axes, what: str) -> list[tuple[float, float, float]]:
    """Begin, end and place of each stretch of a kind."""
    found = [each for each in ax.collections if isinstance(each, PolyCollection) and each.get_label() == what]
    corners = [path.vertices for each in found for path in each.get_paths()]
    return [(float(each[0, 0]), float(each[1, 0]), float((each[0, 1] + each[2, 1]) / 2)) for each in corners]


def length(spans: Spans, strip: int) -> float:
    here = spans.strip == strip
    return float((spans.end_s[here] - spans.begin_s[here]).sum())


windows = st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.integers(0, 40), st.integers(1, 9))


@settings(max_examples=30)
@given(st.lists(windows, min_size=1, max_size=25))
def test_measured_and_overlapping_time_is_what_quality_counts(rows: list[tuple[str, str, int, int]]) -> None:
    files, people, begins, lengths = zip(*rows, strict=True)
    begin_s = np.array(begins, float)
    frame = pa.table({"file": files, "speaker_id": people, "begin_s": begin_s, "end_s": begin_s + np.array(lengths)})
    quality = ha.quality(frame).to_pylist()
    strips = Strips.of(frame, quality, len(quality))
    for at, row in enumerate(quality):
        assert length(strips.measured, at) == pytest.approx(row["covered_s"])
        assert length(strips.shared, at) == pytest.approx(row["overlapped"] * row["covered_s"])


@settings(max_examples=30)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 60)), min_size=1, max_size=40, unique=True))
def test_faces_are_lost_as_often_as_quality_counts(rows: list[tuple[str, int]]) -> None:
    people, times = zip(*rows, strict=True)
    frame = pa.table({"file": ["f"] * len(rows), "face_id": people, "time_s": np.array(times, float)})
    quality = ha.quality(frame, sure=0.5).to_pylist()
    strips = Strips.of(frame, quality, len(quality))
    for at, row in enumerate(quality):
        assert int((strips.lost.strip == at).sum()) == (row["n_losses"] or 0)
        if row["lost"]:
            span = max(t for p, t in rows if p == row["person"]) - min(t for p, t in rows if p == row["person"])
            assert length(strips.lost, at) == pytest.approx(row["lost"] * span)


def test_strips_go_as_far_as_the_recording() -> None:
    frame = speech(2).append_column("duration_s", pa.array([120.0] * 24))
    ax = coverage(frame)
    assert [(begin, end) for begin, end, _ in drawn(ax, "whole")] == [(0.0, 120.0)] * 2
    assert len(drawn(ax, "measured")) == 24
    assert "17%" in words(ax) or "20%" in words(ax)
    assert drawn(coverage(speech(2)), "whole")[0][1] == pytest.approx(speech()["end_s"].to_numpy().max())


def test_one_recording_and_all() -> None:
    assert len(drawn(coverage(study()), "whole")) == 12
    assert len(drawn(coverage(study(), recording="interview_03.wav"), "whole")) == 1
    ax = coverage(study(people=50, rows=2))
    assert len(drawn(ax, "whole")) == 40
    assert any("the first 40 of 50 are drawn" in text for text in words(ax))


def test_lost_faces_and_doubts() -> None:
    ax = coverage(faces(), tolerated=0.1)
    assert [(round(begin), round(end)) for begin, end, _ in drawn(ax, "lost")] == [(20, 30)]
    assert next(text for text in ax.texts if text.get_text() == "17%").get_fontweight() == "bold"


def test_of_very_many_stretches_narrow_gaps_are_closed_and_that_is_said() -> None:
    begin_s = np.arange(6000) * 1.0
    frame = pa.table({"file": ["f"] * 6000, "begin_s": begin_s, "end_s": begin_s + 0.9})
    ax = coverage(frame)
    assert len(drawn(ax, "measured")) == 1
    assert any("gaps of less than 2 s are not drawn" in text for text in words(ax))
    longer = pa.concat_tables([frame, pa.table({"file": ["f"], "begin_s": [6100.0], "end_s": [6200.0]})])
    assert len(drawn(coverage(longer), "measured")) == 2


def test_rows_without_a_time_are_said() -> None:
    frame = pa.table({"begin_s": [0.0, None], "end_s": [1.0, None], "confidence": [0.9, 0.2]})
    assert "1 rows without a time are left out" in " ".join(words(coverage(frame)))


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("people", [1, 3])
def test_words_stand_apart_and_inside(people: int, theme: Any) -> None:
    frame = speech(people, file="recordings/participant_0007_interview_2026-10-02_09-30-00.wav")
    frame = frame.append_column("confidence", pa.array([0.3] * 24)).append_column("speaker_confidence", pa.array([0.3] * 24))
    frame = frame.append_column("duration_s", pa.array([7200.0] * 24))
    assert_words_stand_apart(coverage(frame, theme=theme, synthetic=True).figure)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (speech(rows=0), "no rows"),
        (pa.table({"joy": [0.5]}), "tells no times"),
        (pa.table({"time_s": pa.array([None], pa.float64()), "joy": [0.5]}), "no row of the frame has a time"),
        (
            pa.table({"name": ["joy"], "probability": [0.5], "begin_s": [0.0], "end_s": [1.0]}),
            "audio_measurements or video_faces",
        ),
    ],
)
def test_nothing_to_draw(frame: pa.Table, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        coverage(frame)


@pytest.mark.parametrize(
    "form", [lambda t: t.to_pandas(), pl.from_arrow, lambda t: t.to_reader()], ids=["pandas", "polars", "stream"]
)
def test_any_frame(form: Any) -> None:
    assert words(coverage(form(speech(2)))) == words(coverage(speech(2)))
