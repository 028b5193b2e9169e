"""What stands in a distribution: shares of time, and units as dots."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch
from plot_frames import faces, speech, study
from test_timeline import assert_words_stand_apart, words

import humeanalytics as ha
from humeanalytics.errors import UsageError
from humeanalytics.plot import distribution


def heights(ax: Axes) -> list[np.ndarray[Any, Any]]:
    """How high each group's area is, step by step."""
    found = []
    for patch in ax.patches:
        if isinstance(patch, StepPatch) and patch.get_fill():
            data = patch.get_data()
            found.append(np.asarray(data.baseline - data.values))
    return found


def dots(ax: Axes) -> list[list[float]]:
    return [sorted(float(x) for x, _ in each.get_offsets()) for each in ax.collections if isinstance(each, PathCollection)]


def test_a_dot_is_the_mean_of_a_unit() -> None:
    ax = distribution(study(), "joy", by="condition")
    per = ha.summarise(study(), "participant").to_pylist()
    for at, found in enumerate(dots(ax)):
        assert found == pytest.approx(sorted(row["joy_mean"] for row in per if int(row["participant"][1:]) % 2 == at))
    bars = [line.get_xdata()[0] for line in ax.get_lines() if line.get_linewidth() == 1.4]
    assert bars == pytest.approx([np.mean(each) for each in dots(ax)])
    assert "n = 6; 60 rows" in words(ax)


def test_areas_count_by_newly_covered_time() -> None:
    frame = pa.table({"begin_s": [0.0, 1.0, 2.0], "end_s": [10.0, 10.0, 10.0], "joy": [0.0, 1.0, 1.0]})
    (area,) = heights(distribution(frame, "joy"))
    assert area[0] > 0 and area[1:].max() == 0, "the later windows add no time"
    (area,) = heights(distribution(frame.select(["joy"]), "joy"))
    assert area[-1] == pytest.approx(2 * area[0])


def test_all_groups_have_the_same_area() -> None:
    frame = pa.table({"g": ["a"] * 90 + ["b"] * 10, "joy": np.linspace(0, 1, 100)})
    areas = [each.sum() for each in heights(distribution(frame, "joy", by="g"))]
    assert areas[0] == pytest.approx(areas[1])


def test_what_is_independent_is_said() -> None:
    assert any("dot: the mean of one participant" in text for text in words(distribution(study(), "joy", by="condition")))
    assert any("dot: the mean of one recording" in text for text in words(distribution(speech(), "joy")))
    ax = distribution(faces().drop_columns(["recording_id"]), "joy")
    assert any("there are no dots" in text for text in words(ax)) and not dots(ax)
    frame = pa.table({"participant": ["a", None, "b"], "joy": [0.2, 0.3, 0.4]})
    assert any("1 row without participant left out" in text for text in words(distribution(frame, "joy")))


def test_each_expression_has_a_panel() -> None:
    ax = distribution(study(), by="condition", k=3, synthetic=True)
    assert len(ax.figure.axes) == 3 and len({each.get_xlim() for each in ax.figure.axes}) == 1
    with pytest.raises(UsageError, match="3 expressions do not fit into one Axes"):
        distribution(study(), by="condition", k=3, ax=Figure().add_subplot())
    own = Figure().add_subplot()
    assert distribution(study(), "joy", by="condition", ax=own) is own


def test_a_group_without_scores_says_so() -> None:
    frame = pa.table({"g": ["a", "a", "b"], "joy": pa.array([0.1, 0.2, None], pa.float32())})
    assert "no score" in words(distribution(frame, "joy", by="g"))


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("conditions", [("control", "treated"), tuple(f"a condition with a long name {n}" for n in range(8))])
def test_words_stand_apart_and_inside(conditions: tuple[str, ...], theme: Any) -> None:
    frame = study(people=16, conditions=conditions)
    assert_words_stand_apart(distribution(frame, ["joy", "anger"], by="condition", theme=theme, synthetic=True).figure)


@pytest.mark.parametrize(
    ("frame", "arguments", "message"),
    [
        (study(rows=0), {}, "no rows"),
        (pa.table({"joy": pa.array([None], pa.float32())}), {}, "no row has a score of Joy"),
        (study(), {"by": "participant"}, "12 values; 8 at most"),
        (study(), {"by": "nobody"}, "no column 'nobody'"),
        (study(), {"unit": "nobody"}, "no column 'nobody'"),
        (study(), {"k": 0}, "k is 0"),
        (pa.table({"measure": ["presence"], "joy": pa.array([1], pa.int8())}), {}, "Presence is 0 or 1"),
    ],
)
def test_nothing_to_draw(frame: pa.Table, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        distribution(frame, **arguments)


def test_one_row_and_equal_scores() -> None:
    assert dots(distribution(pa.table({"participant": ["a"], "joy": [0.0]}))) == [[0.0]]
    assert len(dots(distribution(pa.table({"participant": ["a", "b"], "joy": [0.3, 0.3]}), "joy"))[0]) == 2


@pytest.mark.parametrize(
    "form", [lambda t: t.to_pandas(), pl.from_arrow, lambda t: t.to_reader()], ids=["pandas", "polars", "stream"]
)
def test_any_frame(form: Any) -> None:
    assert words(distribution(form(study()), "joy", by="condition")) == words(distribution(study(), "joy", by="condition"))
