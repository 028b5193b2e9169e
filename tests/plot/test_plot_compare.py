"""What stands in a forest of differences: the numbers of the analysis, and what passes marked."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from plot_frames import study
from test_timeline import assert_words_stand_apart, words

import humeanalytics as ha
from humeanalytics.errors import UsageError
from humeanalytics.plot import compare

THREE = ("a quiet room", "an open-plan office on a street with trams and more of that", "c")


def dots(ax: Axes) -> list[tuple[float, bool]]:
    found = [line for line in ax.get_lines() if line.get_marker() == "o"]
    return [(float(line.get_xdata()[0]), line.get_markerfacecolor() == line.get_color()) for line in found]


def test_the_numbers_are_those_of_the_analysis() -> None:
    ax = compare(study(), "condition", "participant")
    answer = ha.compare(study(), "condition", "participant").to_pylist()
    expected = sorted(answer, key=lambda row: -row["difference"])
    assert [label.get_text() for label in ax.get_yticklabels()] == [row["expression"] for row in expected]
    assert dots(ax) == [(row["difference"], row["q_value"] <= 0.05) for row in expected]
    assert sum(filled for _, filled in dots(ax)) == 2
    lines = [tuple(line.get_xdata()) for line in ax.get_lines() if line.get_marker() != "o" and len(line.get_xdata()) == 2][-6:]
    spans = [(row["ci_low"], row["ci_high"]) for row in expected]
    assert set(spans) <= set(lines) | {tuple(line.get_xdata()) for line in ax.get_lines()}
    bold = [label.get_text() for label in ax.get_yticklabels() if label.get_fontweight() == "bold"]
    assert bold == ["Joy", "Anger"]


def test_what_was_done_is_said() -> None:
    said = " ".join(words(compare(study(), "condition", "participant", confidence=0.9)))
    for part in ("6 participants (treated), 6 (control)", "90% interval", "Benjamini and Hochberg, 6 tests", "more in treated"):
        assert part in said
    said = " ".join(words(compare(ha.compare(study(), "condition", "participant"))))
    assert "line: its interval" in said and "%" not in said, "an answer does not tell how wide its interval is"


def test_an_answer_and_its_frame_make_the_same_picture() -> None:
    answer = ha.compare(study(), "condition", "participant", expressions=["joy", "anger"])
    assert dots(compare(answer)) == dots(compare(study(), "condition", "participant", expressions=["joy", "anger"]))
    assert dots(compare(answer.to_pandas())) == dots(compare(answer))


def test_pairs() -> None:
    frame = pa.concat_tables([study(people=8, conditions=("before",)), study(people=8, conditions=("after",), seed=5)])
    said = " ".join(words(compare(frame, "condition", "participant", groups=["before", "after"])))
    assert "8 participants, each in both groups" in said


def test_of_three_groups_each_pair_has_a_panel_on_the_same_axis() -> None:
    ax = compare(study(conditions=THREE), "condition", "participant", k=3, synthetic=True)
    panels = ax.figure.axes
    assert len(panels) == 3 and len({panel.get_xlim() for panel in panels}) == 1
    assert [len(panel.get_yticks()) for panel in panels] == [3, 3, 3]
    assert "the 9 with the lowest p of 18" in " ".join(words(ax))
    with pytest.raises(UsageError, match="3 pairs of groups do not fit into one Axes"):
        compare(study(conditions=THREE), "condition", "participant", ax=Figure().add_subplot())
    with pytest.raises(UsageError, match="10 pairs of groups do not fit"):
        compare(study(people=20, conditions=tuple("abcde")), "condition", "participant")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("conditions", [("control", "treated"), THREE], ids=["two", "three"])
def test_words_stand_apart_and_inside(conditions: tuple[str, ...], theme: Any) -> None:
    ax = compare(study(conditions=conditions), "condition", "participant", theme=theme, synthetic=True, n_permutations=200)
    assert_words_stand_apart(ax.figure)


def test_an_expression_without_an_interval_is_a_dot() -> None:
    values = pa.array([0.1, None, 0.3, None], pa.float32())
    frame = pa.table({"who": list("abcd"), "g": ["x", "x", "y", "y"], "joy": [0.1, 0.2, 0.5, 0.7], "awe": values})
    ax = compare(frame, "g", "who")
    assert [filled for _, filled in dots(ax)] == [False, False]
    assert "\N{EN DASH}" in words(ax)


@pytest.mark.parametrize(
    ("given", "arguments", "message"),
    [
        (study(), {}, "This is no answer of compare"),
        (study(), {"by": "condition"}, "unit='participant'"),
        (study(conditions=("one",)), {"by": "condition", "unit": "participant"}, "two different groups"),
        (study(rows=0), {"by": "condition", "unit": "participant"}, "no rows"),
        (study(), {"by": "condition", "unit": "participant", "discoveries": 5}, "discoveries is 5"),
        (study(), {"by": "condition", "unit": "participant", "k": 0}, "k is 0"),
        (ha.compare(study(), "condition", "participant"), {"unit": "participant"}, "unit says how to compare"),
        (ha.compare(study(), "condition", "participant"), {"groups": ["a", "b"]}, "groups says how to compare"),
        (ha.compare(study(), "condition", "participant").slice(0, 0), {}, "Nothing to draw"),
    ],
)
def test_wrong_use(given: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        compare(given, **arguments)
