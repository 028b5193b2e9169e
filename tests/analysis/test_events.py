"""Moments that stand out: against looking for them one by one, and with moments that were put there."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from v1_frames import audio

from humeanalytics.analysis.moments import events
from humeanalytics.analysis.presence import presence
from humeanalytics.errors import UsageError


def found(frame: Any, *arguments: Any, **more: Any) -> list[dict[str, Any]]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ResourceWarning)  # other tests leave sockets, collected at any time
        return list(events(frame, *arguments, **more).to_pylist())


def test_a_moment_that_was_put_there_is_found_with_its_words() -> None:
    rng = np.random.default_rng(3)
    joy = rng.uniform(0.1, 0.2, 60)
    joy[30:33] = 0.8, 0.9, 0.85
    begin = np.arange(60) * 2.0
    frame = pd.DataFrame(
        {"speaker_id": "a", "begin_s": begin, "end_s": begin + 4, "joy": joy, "text": [f"w{n // 2}" for n in range(60)]}
    )
    (row,) = found(frame)
    assert (row["begin_s"], row["end_s"], row["time_s"], row["score"]) == (60.0, 68.0, 64.0, 0.9)
    assert (row["text"], row["n_rows"], row["person"], row["kind"], row["expression"]) == ("w15 w16", 3, "a", "expression", "Joy")
    assert 0.2 < row["threshold"] < 0.8


rows = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), st.integers(0, 60), st.none() | st.integers(0, 4)),
    min_size=1,
    max_size=30,
    unique_by=lambda row: row[:3],
)


@given(rows, st.sampled_from([0.5, 1.0]), st.sampled_from([1.0, 5.0]))
def test_against_looking_for_them_one_by_one(drawn: list[tuple[str, str, int, int | None]], z: float, gap_s: float) -> None:
    recording, face, times, scores = (list(each) for each in zip(*drawn, strict=True))
    joy = pa.array([None if score is None else score / 4 for score in scores], pa.float32())
    frame = pa.table({"recording_id": recording, "face_id": face, "time_s": pa.array(times, pa.float64()), "joy": joy})
    expected = []
    for key in sorted({row[:2] for row in drawn}):
        own = sorted((t, s) for r, f, t, s in [(r, f, t, -1.0 if s is None else s / 4) for r, f, t, s in drawn] if (r, f) == key)
        values = np.array([s for _, s in own if s >= 0])
        if len(values) == 0 or values.std() < 1e-9:
            continue
        threshold, moment, before = values.mean() + z * values.std(), [], -1e9
        for t, s in [*own, (1e9, -1.0)]:
            if moment and (s < threshold - 1e-12 or t - before > gap_s):
                expected.append((*key, moment[0][0], moment[-1][0], max(s for _, s in moment), len(moment)))
                moment = []
            if s >= threshold + 1e-12:
                moment.append((t, s))
            elif s >= threshold - 1e-12:
                return  # rounding decides
            before = t
    answer = found(frame, z=z, gap_s=gap_s)
    assert [
        tuple(row[n] for n in ("recording_id", "person", "begin_s", "end_s", "score", "n_rows")) for row in answer
    ] == expected


def test_overlapping_windows_make_one_moment_and_a_pause_ends_one() -> None:
    begin = [0.0, 1.0, 2.0, 30.0, 31.0, *(50.0 + n for n in range(30))]
    joy = [0.9] * 5 + [0.1] * 30
    frame = pa.table({"begin_s": begin, "end_s": [b + 4 for b in begin], "joy": joy})
    assert [(r["begin_s"], r["end_s"], r["n_rows"]) for r in found(frame, z=1.0)] == [(0.0, 6.0, 3), (30.0, 35.0, 2)]
    assert [r["n_rows"] for r in found(frame, z=1.0, gap_s=100.0)] == [5]


@pytest.mark.parametrize("order", [1, -1])
def test_faces_of_one_frame_that_nobody_told_apart_are_of_one_moment(order: int) -> None:
    joy = [0.1, 0.1] * 20 + [0.9, 0.1] * 3 + [0.1, 0.1] * 20
    frame = pa.table({"face_id": ["unknown"] * 86, "time_s": [float(n // 2) for n in range(86)], "joy": joy})
    (row,) = found(frame.take(list(range(86))[::order]))
    assert (row["begin_s"], row["end_s"], row["n_rows"], row["score"]) == (20.0, 22.0, 3, 0.9)


def test_toxic_and_one_sided_text() -> None:
    sentiment = {f"sentiment_{n}": [float(n == 2), float(n == 5), float(n in (8, 9)) / 2] for n in range(1, 10)}
    columns = {"text": ["I hate it", "well", "lovely"], "joy": [0.1, 0.1, 0.1], "toxicity_insult": [0.9, 0.2, None], **sentiment}
    answer = found(pa.table(columns))
    assert [(r["kind"], r["column"], r["expression"], r["score"], r["threshold"], r["text"]) for r in answer] == [
        ("toxicity", "toxicity_insult", "insult", 0.9, 0.5, "I hate it"),
        ("sentiment", "sentiment", "negative", 2.0, 3.0, "I hate it"),
        ("sentiment", "sentiment", "positive", 8.5, 7.0, "lovely"),
    ]
    assert answer[0]["begin_s"] is answer[0]["time_s"] is None
    assert [r["kind"] for r in found(pa.table(columns), toxicity=0.95, sentiment=(1.5, 9.0))] == []


def test_of_v1_a_moment_is_a_stretch_above_the_cutoff_where_told_rows_make_many() -> None:
    scores, measured = audio("a", lambda _r, name, end_s: 0.9 * (name == "joy" and end_s in (6.0, 9.0, 12.0, 18.0)))
    answer = found(presence(scores, measured))
    assert scores.num_rows == 4
    assert [(r["begin_s"], r["end_s"], r["n_rows"], r["threshold"]) for r in answer] == [
        (0.0, 12.0, 3, None),
        (8.0, 18.0, 1, None),
    ]
    with pytest.raises(UsageError, match=r"ha\.presence"):
        events(scores)


_ROW = pa.table({"time_s": [0.0], "joy": [0.9]})


@pytest.mark.parametrize(
    ("frame", "arguments", "message"),
    [
        (_ROW.slice(0, 0), {}, "no rows"),
        (_ROW, {"z": 0}, "z is 0"),
        (_ROW, {"gap_s": -1.0}, "gap_s is -1"),
        (_ROW, {"sentiment": (7.0, 3.0)}, "two numbers from 1 to 9"),
        (_ROW, {"expressions": "anger"}, "anger is an expression, but not of this frame"),
        (pa.table({"text": ["x"]}), {}, "has no expressions"),
    ],
)
def test_what_cannot_be_asked(frame: pa.Table, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        events(frame, **arguments)


def test_nothing_stands_out() -> None:
    endless = pa.table({"time_s": [0.0, 1.0], "joy": [0.1, float("inf")]})
    for frame in (_ROW, endless, pa.table({"joy": [0.1, 0.1]}), pa.table({"time_s": [0.0], "joy": pa.nulls(1, pa.float32())})):
        assert found(frame) == []


def test_each_vocal_burst_is_a_moment_by_itself() -> None:
    bursts = {
        "recording_id": ["r"] * 4,
        "begin_s": [5.0, 1.0, 1.5, 9.0],
        "end_s": [5.5, 1.4, 2.0, 9.5],
        "joy": [0.1] * 4,
        "desc_laugh": pa.array([0.6, 0.7, 0.9, 0.4], pa.float64()),
        "desc_sigh": pa.array([0.7, None, 0.2, 0.3], pa.float64()),
    }
    answer = found(pa.table(bursts))
    assert [(r["kind"], r["expression"], r["column"], r["begin_s"], r["time_s"], r["score"], r["n_rows"]) for r in answer] == [
        ("burst", "Laugh", "desc_laugh", 1.0, pytest.approx(1.2), 0.7, 1),
        ("burst", "Laugh", "desc_laugh", 1.5, 1.75, 0.9, 1),
        ("burst", "Sigh", "desc_sigh", 5.0, 5.25, 0.7, 1),
    ]
    assert {(r["threshold"], r["text"], r["score_before"]) for r in answer} == {(0.5, None, None)}
    said = found(pa.table({**bursts, "text": ["a", "b", None, "d"]}), burst=0.4)
    assert [r["text"] for r in said] == ["b", None, "a", "d"]
    assert found(pa.table(bursts), burst=0.95) == []
    faces = {**bursts, "face_id": ["face_0"] * 4}
    assert found(pa.table(faces)) == []  # a face that laughs makes no sound here
    with pytest.raises(UsageError, match="burst is 0"):
        events(pa.table(bursts), burst=0.0)
