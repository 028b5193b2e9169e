"""What not to trust: against going through every tenth of a second, and with faults that were made on purpose."""

from __future__ import annotations

import warnings
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from v1_frames import audio

from humeanalytics.analysis.doubts import quality
from humeanalytics.errors import UsageError


def judged(frame: Any, **arguments: Any) -> list[dict[str, Any]]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ResourceWarning)  # other tests leave sockets, collected at any time
        return list(quality(frame, **arguments).to_pylist())


windows = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.integers(0, 40), st.integers(0, 12)), min_size=1, max_size=25
)


@given(windows)
def test_time_covered_and_shared_against_every_tenth_of_a_second(drawn: list[tuple[str, str, int, int]]) -> None:
    recording, speaker, begin, length = (list(each) for each in zip(*drawn, strict=True))
    spans = {"begin_s": [b / 10 for b in begin], "end_s": [(b + n) / 10 for b, n in zip(begin, length, strict=True)]}
    ticks: dict[tuple[str, str], set[int]] = {}
    for r, s, b, n in drawn:
        ticks.setdefault((r, s), set()).update(range(b, b + n))
    rows = judged(pa.table({"recording_id": recording, "speaker_id": speaker, **spans}))
    assert [(row["recording_id"], row["person"]) for row in rows] == sorted(ticks)
    for row in rows:
        key = (row["recording_id"], row["person"])
        others = set().union(*(each for other, each in ticks.items() if other[0] == key[0] and other != key))
        if not any(ticks[key] for key in ticks):
            continue  # nothing has a length: frames, one would think
        if ticks[key]:
            assert row["covered_s"] == pytest.approx(len(ticks[key]) / 10)
            assert row["overlapped"] == pytest.approx(len(ticks[key] & others) / len(ticks[key]), abs=1e-6)


def test_a_face_that_is_lost() -> None:
    seen = [n / 2 for n in range(10)] + [n / 2 for n in range(20, 30)]
    frame = pa.table(
        {"face_id": ["face_0"] * 20 + ["face_1"] * 2, "time_s": [*seen, 0.0, 0.5], "prob": [0.9] * 15 + [0.3] * 5 + [0.9] * 2}
    )
    lost, fine = judged(pl.from_arrow(frame))
    assert (lost["n_losses"], lost["lost"], lost["covered_s"]) == (1, pytest.approx(5.0 / 14.5), 10.0)
    assert (lost["low_confidence"], lost["doubts"]) == (0.25, "low confidence (25%); face lost (34%)")
    assert (fine["n_losses"], fine["lost"], fine["doubts"], fine["low_speaker_confidence"]) == (0, 0.0, "", None)
    assert judged(frame, sure=0.2, tolerated=0.4)[0]["doubts"] == ""


def test_rows_without_scores_and_uncertain_speakers() -> None:
    columns = {"begin_s": [0.0, 1.0], "end_s": [1.0, 2.0], "duration_s": [8.0, 8.0], "joy": [0.1, None], "anger": [None, None]}
    frame = pa.table({**columns, "speaker_confidence": [0.1, None]})
    (row,) = judged(frame)
    assert (row["unscored"], row["low_speaker_confidence"], row["coverage"], row["overlapped"]) == (0.5, 1.0, 0.25, None)
    assert row["doubts"] == "speaker uncertain (100%); rows without scores (50%)"


def test_of_v1_what_was_measured_and_not_its_scores() -> None:
    scores, measured = audio("ab", lambda *_: 0.0)
    assert [(row["recording_id"], row["covered_s"], row["n_rows"]) for row in judged(measured)] == [
        ("a", 19.5, 7),
        ("b", 19.5, 7),
    ]
    with pytest.raises(UsageError, match="audio_measurements or video_faces"):
        quality(scores)
    faces = pa.table({"face_id": [0, 0, None, None], "time_s": [0.0, 0.5, 0.0, 0.5], "measured": [True, True, False, False]})
    rows = judged(faces)
    assert [(row["person"], row["unscored"]) for row in rows] == [("0", 0.0), (None, 1.0)]


_ROW = pa.table({"begin_s": [0.0], "end_s": [0.0]})


@pytest.mark.parametrize(
    ("frame", "arguments", "message"),
    [
        (_ROW.slice(0, 0), {}, "no rows"),
        (_ROW, {"sure": 50}, "sure is 50"),
        (pa.table({"text": ["x"]}), {}, "neither times nor confidences nor scores"),
        (pa.table({"recording_id": ["a", "a"], "scoring_id": ["1", "2"], "time_s": [0.0, 0.0]}), {}, "several scorings"),
    ],
)
def test_what_cannot_be_judged(frame: pa.Table, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        quality(frame, **arguments)


def test_hardly_anything() -> None:
    (row,) = judged(
        pa.table({"time_s": [None], "joy": [None]}, schema=pa.schema([("time_s", pa.float64()), ("joy", pa.float32())]))
    )
    assert (row["covered_s"], row["lost"], row["unscored"]) == (None, None, 1.0)
    (row,) = judged(pa.table({"time_s": [0.0], "joy": [0.5]}))
    assert (row["covered_s"], row["lost"], row["n_losses"], row["doubts"]) == (0.0, None, None, "")
