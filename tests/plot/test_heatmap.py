"""What stands in a heatmap: means, order, and grey where there is nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from plot_frames import EXPRESSIONS, speech, study
from test_timeline import assert_words_stand_apart, words

import humeanalytics as ha
from humeanalytics.errors import UsageError
from humeanalytics.plot import heatmap
from humeanalytics.plot.likeness import alike_first


def rows(ax: Axes) -> list[str]:
    return [label.get_text() for label in ax.get_yticklabels()]


def groups(ax: Axes) -> list[str]:
    return [label.get_text() for label in ax.get_xticklabels()]


def mesh(ax: Axes) -> QuadMesh:
    return next(each for each in ax.collections if isinstance(each, QuadMesh))


def fields(ax: Axes) -> np.ma.MaskedArray[Any, Any]:
    return np.ma.asarray(mesh(ax).get_array()).reshape(len(rows(ax)), -1)


def test_means_are_those_of_the_summary() -> None:
    frame = study()
    ax = heatmap(frame, by="condition")
    summary = ha.summarise(frame, "condition").to_pylist()
    expected = {name: [row[f"{name}_mean"] for row in summary] for name in EXPRESSIONS}
    columns = {"Surprise (positive)": "surprise_positive"}
    for label, values in zip(rows(ax), fields(ax), strict=True):
        assert list(values) == pytest.approx(expected[columns.get(label, label.lower())])
    assert groups(ax) == ["control", "treated"]
    assert "120 rows" in " ".join(words(ax)) and "weighted by newly covered time" in " ".join(words(ax))


def test_with_a_unit_each_counts_the_same_however_much_there_is_of_it() -> None:
    frame = pa.table({"who": ["a", "a", "a", "b"], "group": ["x"] * 4, "joy": [0.0, 0.0, 0.0, 1.0]})
    assert fields(heatmap(frame, by="group"))[0, 0] == pytest.approx(0.25)
    ax = heatmap(frame, by="group", unit="who")
    assert fields(ax)[0, 0] == pytest.approx(0.5)
    assert groups(ax) == ["x\nn = 2"]


def test_rows_without_a_unit_are_left_out_and_said() -> None:
    frame = pa.table({"who": ["a", None, "b"], "group": ["x"] * 3, "joy": [0.2, 0.9, 0.4]})
    ax = heatmap(frame, by="group", unit="who")
    assert fields(ax)[0, 0] == pytest.approx(0.3)
    assert "1 rows have no who and are left out" in " ".join(words(ax))
    with pytest.raises(UsageError, match="who is null in every row"):
        heatmap(frame.set_column(0, "who", pa.nulls(3, pa.string())), by="group", unit="who")


def test_rows_whose_person_nobody_knows_count_where_no_unit_is_asked_for() -> None:
    frame = study()
    half = [name if at % 3 else None for at, name in enumerate(frame["participant"].to_pylist())]
    known = heatmap(frame, by="condition")
    assert np.array_equal(fields(heatmap(frame.set_column(2, "participant", pa.array(half)), by="condition")), fields(known))
    ax = heatmap(frame.set_column(2, "participant", pa.array(half)), ["joy"], by="participant")
    assert groups(ax)[-1] == "(none)"


def test_the_order_is_as_asked_and_said() -> None:
    frame = pa.table({"g": ["1", "2", "3"], "joy": [0.1, 0.5, 0.9], "anger": [0.9, 0.5, 0.0], "awe": [0.0, 0.4, 0.9]})
    assert rows(heatmap(frame, by="g")) == ["Joy", "Anger", "Awe"]
    assert rows(heatmap(frame, ["awe", "anger", "joy"], by="g", order="given")) == ["Awe", "Anger", "Joy"]
    alike = rows(heatmap(frame, by="g", order="likeness"))
    assert abs(alike.index("Joy") - alike.index("Awe")) == 1
    said = " ".join(words(heatmap(frame, by="g", k=2)))
    assert "highest mean first" not in said and "the 2 highest of 3 expressions" in said
    with pytest.raises(UsageError, match="order is 'random'"):
        heatmap(frame, by="g", order="random")  # type: ignore[arg-type]


def test_what_is_alike_stands_together() -> None:
    turn = np.linspace(0, 6, 40)
    noise = np.random.default_rng(3).normal(0, 0.1, (8, 40))
    series = np.vstack([np.sin(turn) if at % 2 else np.cos(turn) for at in range(8)]) + noise
    order = alike_first(series)
    assert sorted(order) == list(range(8))
    assert int(np.sum(np.diff(order % 2) != 0)) == 1
    assert sorted(alike_first(np.array([[np.nan, 1.0], [1.0, 1.0], [2.0, np.nan]]))) == [0, 1, 2]
    assert len(alike_first(np.zeros((0, 3)))) == 0


def test_nothing_is_no_zero() -> None:
    frame = pa.table({"g": ["a", "b"], "joy": pa.array([0.0, None], pa.float32()), "anger": pa.array([0.2, 0.3], pa.float32())})
    ax = heatmap(frame, by="g")
    values = fields(ax)
    assert values.mask.tolist() == [[False, False], [False, True]]
    assert values[1, 0] == 0.0
    assert [text.get_text() for text in ax.child_axes[0].texts] == ["no score"]
    assert not heatmap(frame.drop_columns("joy"), by="g").child_axes[0].texts
    assert sorted(text.get_text() for text in ax.texts if text.get_text()[0].isdigit()) == ["0.00", "0.20", "0.30"]


def test_scores_begin_at_zero_and_baselines_go_as_far_to_both_sides() -> None:
    frame = study()
    assert mesh(heatmap(frame, by="condition")).norm.vmin == 0.0
    z = heatmap(ha.baseline(frame), by="begin_s")
    assert mesh(z).norm.vmin == -mesh(z).norm.vmax  # type: ignore[operator]
    assert not any("different scales" in text for text in words(z)), "z is on one scale"
    share = mesh(heatmap(ha.baseline(frame, how="share"), by="begin_s")).norm
    assert share.vmin + share.vmax == pytest.approx(2.0)  # type: ignore[operator]
    with pytest.raises(UsageError, match="Every field is 0"):
        heatmap(ha.baseline(frame), by="participant")


def test_time_keeps_its_gaps() -> None:
    ax = heatmap(speech())
    values = fields(ax)
    times = np.array(mesh(ax).get_coordinates())[0, :, 0]
    silent = (times[:-1] >= 25) & (times[1:] <= 55)
    assert silent.sum() > 20 and values.mask[:, silent].all()
    spoken = times[:-1] < 2.0
    assert not values.mask[:, spoken].any()
    assert ax.get_xlabel() == "time in the recording (m:ss)"
    assert "A field is the mean score over 0.5 s" in " ".join(words(ax)) or "over 1 s" in " ".join(words(ax))


@pytest.mark.parametrize(("step_s", "cells"), [(1.0, 60), (1 / 3, 120), (7.0, 60)])
def test_cells_are_no_shorter_than_frames_are_apart(step_s: float, cells: int) -> None:
    times = np.arange(0, cells * max(step_s, 0.5), step_s)
    values = fields(heatmap(pa.table({"time_s": times, "joy": np.linspace(0, 1, len(times))})))
    assert not np.ma.getmaskarray(values).any()


def test_people_and_recordings_have_to_be_chosen() -> None:
    with pytest.raises(UsageError, match=r"person=.*'spk_0', 'spk_1'"):
        heatmap(speech(2))
    assert heatmap(speech(2), person="spk_1").get_title(loc="left") == "interview.wav, spk_1"
    with pytest.raises(UsageError, match=r"choose one with recording=.*interview_00\.wav"):
        heatmap(study())
    assert heatmap(study(), recording="interview_03.wav").get_title(loc="left") == "interview_03.wav"
    assert len(groups(heatmap(study(), by="recording"))) == 12
    assert groups(heatmap(speech(2), by="speaker")) == ["interview.wav spk_0", "interview.wav spk_1"]


def test_numbers_in_names_are_sorted_as_numbers() -> None:
    names = [f"day {at}" for at in (10, 2, 1)]
    assert groups(heatmap(pa.table({"g": [*names, None], "joy": [0.1] * 4}), by="g")) == ["day 1", "day 2", "day 10", "(none)"]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(
    ("frame", "arguments"),
    [
        (study(), {"by": "condition", "unit": "participant"}),
        (study(), {"by": "file"}),
        (study(conditions=("a quiet room", "an open-plan office on a street with trams and more of that")), {"by": "condition"}),
        (speech(), {}),
        (speech(rows=1), {"expressions": "joy"}),
    ],
    ids=["units", "files", "long names", "time", "one field"],
)
def test_words_stand_apart_and_inside(frame: pa.Table, arguments: dict[str, Any], theme: Any) -> None:
    ax = heatmap(frame, theme=theme, synthetic=True, **arguments)
    if any(label.get_rotation() for label in ax.get_xticklabels()):
        ax.set_xticks([])  # boxes around slanted words overlap though the words do not
    assert_words_stand_apart(ax.figure)


@pytest.mark.parametrize(
    ("frame", "arguments", "message"),
    [
        (speech(rows=0), {}, "no rows"),
        (speech(rows=0), {"by": "file"}, "no rows"),
        (pa.table({"g": ["a"], "joy": pa.array([None], pa.float32())}), {"by": "g"}, "no row has a score of Joy"),
        (pa.table({"time_s": pa.array([None], pa.float64()), "joy": [0.5]}), {}, "no row of this recording has a time"),
        (study(), {"by": "nobody"}, "no column 'nobody'"),
        (study(), {"by": "condition", "k": 0}, "k is 0"),
        (pa.table({"g": [str(at) for at in range(401)], "joy": [0.5] * 401}), {"by": "g"}, "401 values; 400 at most"),
        (pa.table({"name": ["Joy"], "probability": [0.5], "time_s": [0.0]}), {}, "presence first"),
        (pa.table({"measure": ["score", "presence"], "time_s": [0.0, 1.0], "joy": [0.5, 1]}), {}, "mixes measures"),
    ],
)
def test_nothing_to_draw(frame: pa.Table, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        heatmap(frame, **arguments)


def test_any_frame_and_any_axes() -> None:
    expected = fields(heatmap(study(), by="condition"))
    for form in (lambda t: t.to_pandas(), pl.from_arrow, lambda t: t.to_reader()):
        assert np.array_equal(fields(heatmap(form(study()), by="condition")), expected)
    ax = Figure().add_subplot()
    assert heatmap(study(), by="condition", ax=ax) is ax
