"""Scores over time: order, grid, gaps and smoothing, against calculations by brute force."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from humeanalytics.analysis.over_time import timeline
from humeanalytics.errors import UsageError


def faces(times: list[float], scores: list[float | None], **more: list[Any]) -> pa.Table:
    return pa.table({"time_s": pa.array(times, pa.float64()), "joy": pa.array(scores, pa.float32()), **more})


def speech(spans: list[tuple[float, float]], scores: list[float], **more: list[Any]) -> pa.Table:
    return pa.table({"begin_s": [b for b, _ in spans], "end_s": [e for _, e in spans], "joy": scores, **more})


def test_rows_come_in_the_order_of_time_and_of_names() -> None:
    frame = faces([2.0, 0.0, 1.0, 0.0], [0.2, 0.0, 0.1, 0.9], face_id=["face_2", "face_2", "face_2", "face_10"])
    answer = timeline(frame)
    assert answer["person"].to_pylist() == ["face_2", "face_2", "face_2", "face_10"]
    assert answer["time_s"].to_pylist() == [0.0, 1.0, 2.0, 0.0]
    assert answer["joy"].to_pylist() == pytest.approx([0.0, 0.1, 0.2, 0.9])
    assert answer["stretch"].to_pylist() == [0, 0, 0, 1]
    assert answer.schema.field("joy").metadata[b"hume_name"] == b"Joy"


def test_faces_of_one_frame_that_nobody_told_apart_become_their_mean() -> None:
    frame = faces([0.0, 0.0, 0.5, 0.5, 1.0], [0.1, 0.3, None, 0.4, 0.9], face_id=["unknown"] * 5)
    answer = timeline(frame)
    assert answer["time_s"].to_pylist() == [0.0, 0.5, 1.0]
    assert answer["joy"].to_pylist() == pytest.approx([0.2, 0.4, 0.9])
    assert answer["n_rows"].to_pylist() == [2, 2, 1]
    assert timeline(frame, every_s=1.0)["n_rows"].to_pylist() == [4, 1]
    apart = frame.set_column(2, "face_id", pa.array(["face_0", "face_1", "face_0", "face_1", "face_0"]))
    assert timeline(apart)["n_rows"].to_pylist() == [1] * 5


def test_gaps_of_frames_and_of_speech() -> None:
    answer = timeline(faces([0.0, 0.5, 1.0, 1.5, 3.0, 4.6, 5.1], [0.1] * 7))
    assert answer["stretch"].to_pylist() == [0, 0, 0, 0, 0, 1, 1]  # steps of half a second: 1.5 s are bridged, 1.6 s are not
    answer = timeline(speech([(0, 2), (3, 5), (11, 13), (20, 22)], [0.1] * 4))
    assert answer["stretch"].to_pylist() == [0, 0, 0, 1]  # windows of two seconds: 6 s are bridged, 7 s are not
    answer = timeline(speech([(0, 2), (3, 5), (11, 13), (20, 22)], [0.1] * 4), gap_s=0.5)
    assert answer["stretch"].to_pylist() == [0, 1, 2, 3]


def test_a_long_window_covers_the_silence_of_shorter_ones() -> None:
    answer = timeline(speech([(0, 100), (1, 2), (3, 4), (101, 102)], [0.1] * 4), gap_s=2)
    assert set(answer["stretch"].to_pylist()) == {0}


def test_a_grid_of_frames() -> None:
    answer = timeline(faces([0.0, 0.3, 0.9, 1.0, 5.2], [0.0, 0.3, None, 1.0, 0.5]), every_s=1.0)
    assert answer["begin_s"].to_pylist() == [0.0, 1.0, 5.0]
    assert answer["end_s"].to_pylist() == [1.0, 2.0, 6.0]
    assert answer["joy"].to_pylist() == pytest.approx([0.15, 1.0, 0.5])


def test_a_frame_at_the_beginning_of_a_cell_belongs_to_it() -> None:
    answer = timeline(faces([number * 0.1 for number in range(30)], [0.5] * 30), every_s=0.1)
    assert answer.num_rows == 30


def test_a_grid_of_windows_weights_by_how_far_they_reach_in() -> None:
    answer = timeline(speech([(0.0, 1.5), (1.5, 2.0)], [0.0, 1.0]), every_s=1.0)
    assert answer["joy"].to_pylist() == pytest.approx([0.0, 0.5])


def test_gaps_stay_gaps_on_a_grid() -> None:
    answer = timeline(speech([(0, 2), (2, 4), (30, 32)], [0.1, 0.2, 0.3]), every_s=1)
    assert answer["begin_s"].to_pylist() == [0, 1, 2, 3, 30, 31]
    assert answer["stretch"].to_pylist() == [0, 0, 0, 0, 1, 1]


def test_smoothing_stops_at_gaps_and_skips_what_is_missing() -> None:
    frame = faces([0.0, 1.0, 2.0, 3.0, 50.0], [0.0, 0.3, None, 0.9, 1.0])
    answer = timeline(frame, smooth_s=2.0)
    assert answer["joy"].to_pylist() == [pytest.approx(0.15), pytest.approx(0.15), None, pytest.approx(0.9), 1.0]


def test_one_recording_of_several_is_chosen() -> None:
    frame = faces(
        [0.0, 1.0, 0.0], [0.1, 0.2, 0.9], recording_id=["aaaa1", "aaaa1", "bbbb2"], file=["p1/a.mp4", "p1/a.mp4", "b.mp4"]
    )
    with pytest.raises(UsageError, match=r"holds 2 recordings; choose one with recording=\.\.\., such as 'p1/a\.mp4', 'b\.mp4'"):
        timeline(frame)
    for name in ("bbbb2", "bbbb", "b.mp4", "elsewhere/b.mp4"):
        assert timeline(frame, recording=name)["joy"].to_pylist() == [pytest.approx(0.9)]
    assert timeline(frame, recording="a.mp4").num_rows == 2
    with pytest.raises(UsageError, match=r"holds no recording 'c\.mp4'\. There are 'p1/a\.mp4', 'b\.mp4'"):
        timeline(frame, recording="c.mp4")


def test_the_files_of_an_archive_are_told_apart() -> None:
    frame = faces([0.0, 0.0], [0.1, 0.9], recording_id=["zip", "zip"], file=["a.mp4", "b.mp4"])
    assert timeline(frame, recording="b.mp4")["joy"].to_pylist() == [pytest.approx(0.9)]
    with pytest.raises(UsageError, match="holds 2 recordings 'zip'"):
        timeline(frame, recording="zip")


def test_one_person_is_chosen() -> None:
    frame = speech([(0, 1), (1, 2)], [0.1, 0.9], speaker_id=["spk_0", "spk_1"])
    assert timeline(frame, person="spk_1")["joy"].to_pylist() == [0.9]
    with pytest.raises(UsageError, match=r"nobody called 'spk_7' in speaker_id\. There are: 'spk_0', 'spk_1'"):
        timeline(frame, person="spk_7")


@pytest.mark.parametrize(
    ("frame", "arguments", "message"),
    [
        (pa.table({"joy": [0.1]}), {}, "needs begin_s and end_s"),
        (pa.table({"joy": [0.1], "begin_s": [0.0]}), {}, "needs begin_s and end_s"),
        (pa.table({"joy": [0.1], "begin_s": [0.0], "end_s": [1.0], "time_s": [0.0]}), {}, "one model at a time"),
        (faces([0.0], [0.1]), {"every_s": 0}, "every_s is 0"),
        (faces([0.0], [0.1]), {"smooth_s": float("nan")}, "smooth_s is nan"),
        (faces([0.0, 1e9], [0.1, 0.2]), {"every_s": 1e-9}, "more than 5,000,000 pieces"),
        (speech([(0.0, 1e300)], [0.1]), {"every_s": 1.0}, "more than 5,000,000 pieces"),
        (faces([0.0], [0.1]), {"expressions": "anger"}, "anger is an expression, but not of this frame"),
        (faces([0.0, 0.0], [0.1, 0.2], recording_id=["a", "a"], scoring_id=["1", "2"]), {}, "several scorings"),
    ],
)
def test_wrong_use(frame: pa.Table, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        timeline(frame, **arguments)


@pytest.mark.parametrize("arguments", [{}, {"every_s": 1.0}, {"smooth_s": 5.0}, {"every_s": 1.0, "smooth_s": 5.0}])
@pytest.mark.parametrize(
    "frame",
    [
        faces([], []),
        faces([1.0], [None]),
        faces([1.0], [0.5]),
        speech([(1.0, 1.0)], [0.5]),
        pl.DataFrame({"time_s": [None], "joy": [0.5]}),
    ],
    ids=["empty", "null", "one frame", "no length", "no time"],
)
def test_hardly_anything(frame: Any, arguments: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ResourceWarning)  # other tests leave sockets, collected at any time
        answer = timeline(frame.cast({"time_s": pl.Float64}) if isinstance(frame, pl.DataFrame) else frame, **arguments)
    assert answer.num_rows <= 1
    assert answer["joy"].to_pylist() in ([], [None], [0.5])


spans = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 40), st.floats(0, 1, width=32)), min_size=1, max_size=25)


@settings(deadline=None)
@given(spans, st.sampled_from([0.25, 1.0, 2.5]))
def test_the_grid_against_counting_it_out(rows: list[tuple[int, int, float]], every_s: float) -> None:
    windows = [(begin / 10, (begin + length) / 10, score) for begin, length, score in rows]
    answer = timeline(speech([(b, e) for b, e, _ in windows], [s for *_, s in windows]), every_s=every_s)
    cells = dict(zip(answer["begin_s"].to_pylist(), answer["joy"].to_pylist(), strict=True))
    for number in range(int(25 / every_s) + 1):
        low, high = number * every_s, (number + 1) * every_s
        reach = [(min(e, high) - max(b, low), s) for b, e, s in windows]
        weight = sum(part for part, _ in reach if part > 1e-6)
        if weight > 0:
            expected = sum(part * s for part, s in reach if part > 1e-6) / weight
            assert cells[low] == pytest.approx(expected, abs=1e-4)
        elif low in cells:
            assert any(b == e and low - 1e-6 <= b <= high + 1e-6 for b, e, _ in windows)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 300), st.floats(0, 1, width=32)), min_size=1, max_size=40, unique_by=lambda row: row[0]),
    st.sampled_from([0.4, 2.0, 7.0]),
)
def test_smoothing_against_counting_it_out(rows: list[tuple[int, float]], smooth_s: float) -> None:
    times = [time / 10 for time, _ in rows]
    answer = timeline(faces(times, [score for _, score in rows]), smooth_s=smooth_s, gap_s=3.0)
    raw = timeline(faces(times, [score for _, score in rows]), gap_s=3.0).to_pylist()
    for smoothed, own in zip(answer.to_pylist(), raw, strict=True):
        near = [
            each["joy"]
            for each in raw
            if each["stretch"] == own["stretch"] and abs(each["time_s"] - own["time_s"]) <= smooth_s / 2 + 1e-9
        ]
        assert smoothed["joy"] == pytest.approx(np.mean(near), abs=1e-9)
