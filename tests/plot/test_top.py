"""What stands in a ranking."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from plot_frames import faces, speech
from test_timeline import assert_words_stand_apart

from humeanalytics.analysis import strongest
from humeanalytics.errors import UsageError
from humeanalytics.plot import top


def rows(ax: Axes) -> list[str]:
    return [label.get_text() for label in ax.get_yticklabels()]


def dots(ax: Axes) -> list[tuple[float, float]]:
    return [(line.get_xdata()[0], line.get_ydata()[0]) for line in ax.get_lines() if line.get_marker() == "o"]


def test_the_strongest_come_first_with_mean_and_middle_half() -> None:
    ax = top(speech(), 4)
    expected = strongest.top(speech(), 4).to_pylist()
    assert rows(ax) == [row["expression"] for row in expected]
    assert dots(ax) == [(pytest.approx(row["mean"]), at) for at, row in enumerate(expected)]
    lines = [list(line.get_xdata()) for line in ax.get_lines() if line.get_marker() != "o"]
    assert lines == [[row["q25"], row["q75"]] for row in expected]
    assert [text.get_text() for text in ax.texts if text.get_text()[0].isdigit()] == [f"{row['mean']:.2f}" for row in expected]
    assert ax.get_ylim() == (3.5, -0.5)


def test_means_below_a_tenth_keep_three_digits() -> None:
    ax = top(pa.table({"joy": [0.0123], "anger": [0.0119]}))
    assert [text.get_text() for text in ax.texts if text.get_text()[0].isdigit()] == ["0.012", "0.012"]


def test_groups_stand_beside_one_another_in_their_colours() -> None:
    ax = top(speech(3), 2, by="speaker_id")
    assert len(dots(ax)) == 6
    assert len({line.get_color() for line in ax.get_lines() if line.get_marker() == "o"}) == 3
    heights = sorted({round(y, 3) for _, y in dots(ax)})
    assert heights == [-0.24, 0.0, 0.24, 0.76, 1.0, 1.24]
    assert [text.get_text() for text in ax.texts][:3] == ["spk_0", "spk_1", "spk_2"]


def test_a_group_without_a_name_or_without_scores() -> None:
    frame = pa.table({"condition": ["a", None, "b"], "joy": [0.5, 0.2, None]})
    ax = top(frame, by="condition")
    assert [text.get_text() for text in ax.texts][:3] == ["a", "b", "(none)"]
    assert len(dots(ax)) == 2


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("arguments", [{}, {"by": "speaker_id"}, {"k": 1}, {"title": "A title that is long " * 8}])
def test_words_stand_apart_and_inside(arguments: dict[str, Any], theme: Any) -> None:
    assert_words_stand_apart(top(speech(3), theme=theme, synthetic=True, **arguments).figure)


def test_long_names_of_groups_stand_apart_and_inside() -> None:
    files = [f"recordings/participant_{at:03}_interview_2026-10-02_09-30-00.wav" for at in range(5)]
    ax = top(pa.table({"file": files, "joy": [0.1] * 5, "anger": [0.2] * 5}), by="file")
    assert_words_stand_apart(ax.figure)


def test_what_counts_is_said() -> None:
    assert "Mean (dot) and middle half (line) of the time scored" in [text.get_text() for text in top(speech()).texts]
    assert "Mean (dot) and middle half (line) of 150 rows" in [text.get_text() for text in top(faces()).texts]
    assert "Mean (dot) and middle half (line) of 300 rows" in [
        text.get_text() for text in top(faces(people=2), by="face_id").texts
    ]


def test_an_axes_of_the_user() -> None:
    ax = Figure().add_subplot()
    assert top(speech(), ax=ax) is ax and rows(ax)


def test_humes_colours() -> None:
    ax = top(
        pa.table({"anger": [0.9], "annoyance": [0.5], "frustration": [0.1]}),
        expressions=["anger", "annoyance", "frustration"],
        colours="hume",
    )
    colours = [line.get_color() for line in ax.get_lines() if line.get_marker() == "o"]
    assert colours[0] == "#b21816"
    assert colours[1] != "#ffffff", "white on white cannot be seen"
    with pytest.raises(UsageError, match="not groups"):
        top(speech(2), by="speaker_id", colours="hume")


@pytest.mark.parametrize(
    ("frame", "arguments", "message"),
    [
        (speech(rows=0), {}, "Nothing to draw"),
        (pa.table({"joy": pa.array([None], pa.float32())}), {}, "Nothing to draw"),
        (pa.table({"p": [str(at) for at in range(9)], "joy": [0.5] * 9}), {"by": "p"}, "9 in one picture"),
        (speech(), {"by": "nobody"}, "no column 'nobody'"),
        (speech(), {"k": 0}, "k is 0"),
    ],
)
def test_wrong_use(frame: pa.Table, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        top(frame, **arguments)


def test_one_row_and_equal_scores() -> None:
    assert dots(top(pa.table({"joy": [0.0]}))) == [(0.0, 0)]
    assert dots(top(pa.table({"joy": [0.3], "anger": [0.3]}))) == [(0.3, 0), (0.3, 1)]


def test_presence_is_a_share_of_time_without_a_middle_half() -> None:
    frame = pa.table(
        {"measure": ["presence"] * 4, "joy": pa.array([1, 1, 1, 0], pa.int8()), "awe": pa.array([0, 0, 1, 0], pa.int8())}
    )
    ax = top(frame)
    assert (rows(ax), [x for x, _ in dots(ax)]) == (["Joy", "Awe"], [0.75, 0.25])
    assert [line for line in ax.get_lines() if line.get_marker() != "o"] == []
    assert ax.get_xlabel() == "share of time"
