"""What was above its cutoff in every window that was measured, against looking at each window by itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from v1_frames import audio

from humeanalytics.analysis.over_time import timeline
from humeanalytics.analysis.presence import presence
from humeanalytics.errors import UsageError

NAMES = ("joy", "feeling upset", "Joy", "")


def faces(*rows: tuple[int, int, bool, int | None]) -> pa.Table:
    """Frame, face, whether it was measured, and how many expressions it had."""
    columns = ("frame_id", "face", "measured", "expressions")
    return pa.Table.from_pylist([{"scoring_id": "s", **dict(zip(columns, row, strict=True))} for row in rows])


def scores_of(*rows: tuple[int, int, str]) -> pa.Table:
    shown = [
        {"scoring_id": "s", "frame_id": f, "face": a, "kind": "expression", "name": n, "probability": 0.5} for f, a, n in rows
    ]
    return pa.Table.from_pylist(shown)


@given(
    st.dictionaries(st.tuples(st.sampled_from("ab"), st.sampled_from(NAMES), st.integers(0, 19)), st.floats(0, 1), max_size=40)
)
def test_every_window_by_itself(chances: dict[tuple[str, str, int], float]) -> None:
    def truth(recording: str, name: str, end_s: float) -> float:
        return chances.get((recording, name, int(end_s)), 0.0)

    scores, measured = audio("ab", truth, NAMES)
    answer = presence(scores, measured)
    column_of = {
        answer.schema.field(c).metadata[b"hume_name"].decode(): c for c in answer.column_names if answer.schema.field(c).metadata
    }
    assert set(column_of) == set(scores["name"].to_pylist())
    for row in answer.to_pylist():
        assert row["measure"] == "presence"
        for name, column in column_of.items():
            assert row[column] == (truth(row["recording_id"], name, row["end_s"]) > 0.4)


def test_faces_that_were_only_found_are_left_out_and_faces_without_a_name_stay() -> None:
    measured = faces((0, 0, True, 1), (0, 1, True, 0), (0, 2, False, None), (1, 0, True, 2))
    answer = presence(scores_of((0, 0, "joy"), (1, 0, "joy"), (1, 0, "fear")), measured)
    assert answer.select(["frame_id", "face", "joy", "fear"]).to_pylist() == [
        {"frame_id": 0, "face": 0, "joy": 1, "fear": 0},
        {"frame_id": 0, "face": 1, "joy": 0, "fear": 0},
        {"frame_id": 1, "face": 0, "joy": 1, "fear": 1},
    ]


def test_windows_of_labelled_tables_stand_once_for_each_label() -> None:
    scores, measured = audio("a", lambda *_: 0.9, ("joy",))
    twice = pa.concat_tables([measured.append_column("participant", [[name] * 7]) for name in ("P1", "P2")])
    answer = presence(scores, twice)
    assert answer["joy"].to_pylist() == [1] * 14 and answer["participant"].to_pylist() == ["P1"] * 7 + ["P2"] * 7


def test_scores_that_were_filtered_are_refused_rather_than_counted_as_below() -> None:
    scores, measured = audio("ab", lambda *_: 0.9)
    with pytest.raises(UsageError, match=r"Of 7 of 14 rows measured, scores has fewer names of kind 'expression'"):
        presence(scores.filter(pa.compute.equal(scores["recording_id"], "a")), measured)
    only_a = measured.filter(pa.compute.equal(measured["recording_id"], "a"))
    assert presence(scores, only_a).num_rows == 7  # scores of other windows do not matter


def test_kinds_are_told_apart() -> None:
    rows = [
        {"scoring_id": "s", "measurement_id": 0, "kind": k, "name": "clear", "probability": 0.9}
        for k in ("expression", "voice_attribute")
    ]
    windows = pa.table({"scoring_id": ["s", "s"], "measurement_id": [0, 1], "voice_attributes": [1, 0], "expressions": [1, None]})
    scores = pa.Table.from_pylist(rows)
    assert presence(scores, windows, kind="voice_attribute")["voice_attribute_clear"].to_pylist() == [1, 0]
    assert presence(scores, windows)["clear"].to_pylist() == [1]  # of the other there is no list


def test_nothing_was_above_or_nothing_measured() -> None:
    scores, measured = audio("a", lambda *_: 0.0)
    assert presence(scores, measured).column_names[-1] == "seed" and presence(scores, measured).num_rows == 7
    scores, measured = audio("a", lambda *_: 0.9)
    assert presence(scores, measured.slice(0, 0)).num_rows == 0


def test_presence_over_time_is_the_share_of_windows() -> None:
    scores, measured = audio("a", lambda _r, _n, end_s: 0.9 * (end_s < 7))
    with pytest.raises(UsageError, match=r"ha\.presence"):
        timeline(scores, "joy")
    answer = timeline(presence(scores, measured), "joy", every_s=100.0)
    inside = [(min(10.0, end), end < 7) for end in (3.0, 6.0, 9.0, 12.0, 15.0, 18.0, 19.5)]
    assert answer["joy"].to_pylist() == pytest.approx([np.average([a for _, a in inside], weights=[w for w, _ in inside])])


@pytest.mark.parametrize(
    ("scores", "measured", "message"),
    [
        (scores_of((0, 0, "joy")), pa.table({"time_s": [0.0]}), "measured needs measurement_id"),
        (pa.table({"scoring_id": ["s"], "joy": [0.1]}), faces((0, 0, True, 0)), "scores lacks face, kind, name"),
        (
            scores_of((0, 0, "joy")).drop_columns("scoring_id"),
            pa.concat_tables([faces((0, 0, True, 1)), faces((0, 0, True, 1)).set_column(0, "scoring_id", [["t"]])]),
            "tell neither recording_id nor scoring_id",
        ),
    ],
)
def test_frames_that_do_not_belong_together(scores: Any, measured: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        presence(scores, measured)


def test_polars_frames_whose_texts_are_views() -> None:
    scores, measured = audio("ab", lambda recording, name, end_s: 0.9 if recording == "a" else 0.1, ("joy",))
    assert presence(pl.from_arrow(scores), pl.from_arrow(measured)).equals(presence(scores, measured))
