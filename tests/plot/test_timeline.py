"""What stands in a timeline: lines, bars, gaps, names, and words that are true."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from plot_frames import EXPRESSIONS, faces, speech

import humeanalytics as ha
from humeanalytics.errors import UsageError
from humeanalytics.plot import timeline


def names(ax: Axes) -> dict[str, Annotation]:
    return {text.get_text(): text for text in ax.texts if isinstance(text, Annotation) and text.arrow_patch is not None}


def words(ax: Axes) -> list[str]:
    own = [text.get_text() for each in ax.figure.axes for text in each.texts]
    return [ax.get_title(loc="left"), *own]


def bars(ax: Axes) -> list[LineCollection]:
    return [each for each in ax.collections if isinstance(each, LineCollection)]


def tick_labels(axis: Axis) -> list[Text]:
    low, high = sorted(axis.get_view_interval())
    return [label for label, at in zip(axis.get_ticklabels(), axis.get_ticklocs(), strict=False) if low <= at <= high]


def text_boxes(figure: Figure) -> list[tuple[str, Any]]:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    shown = [
        text
        for ax in figure.axes
        for text in (*ax.texts, *tick_labels(ax.xaxis), *tick_labels(ax.yaxis), ax.xaxis.label, ax.yaxis.label, ax._left_title)  # type: ignore[attr-defined]
        if text.get_text() and text.get_visible()
    ]
    # of an annotation the words alone: its leader may well pass through another's box
    return [(text.get_text(), Text.get_window_extent(text, canvas.get_renderer())) for text in shown]


def assert_words_stand_apart(figure: Figure) -> None:
    boxes = text_boxes(figure)
    for (one, box), (other, another) in itertools.combinations(boxes, 2):
        shared_w = min(box.x1, another.x1) - max(box.x0, another.x0)
        shared_h = min(box.y1, another.y1) - max(box.y0, another.y0)
        assert shared_w <= 1 or shared_h <= 1, f"{one!r} covers {other!r}"
    width, height = figure.bbox.width, figure.bbox.height
    for name, box in boxes:
        assert box.x0 >= 0 and box.x1 <= width and box.y0 >= 0 and box.y1 <= height, f"{name!r} leaves the picture"


def test_speech_is_drawn_as_bars_joined_by_a_line() -> None:
    frame = speech()
    ax = timeline(frame, ["joy", "Calmness"])
    assert [line.get_label() for line in ax.get_lines()] == ["Joy", "Calmness"]
    joy_bars, _ = bars(ax)
    segments = np.array(joy_bars.get_segments())
    assert segments[:, 0, 0].tolist() == frame["begin_s"].to_pylist()
    assert segments[:, 1, 0].tolist() == frame["end_s"].to_pylist()
    assert segments[:, 0, 1] == pytest.approx(np.array(frame["joy"].to_pylist()))
    assert (segments[:, 0, 1] == segments[:, 1, 1]).all()


def test_no_line_crosses_a_gap() -> None:
    for frame, silence_s in ((speech(), (24.5, 55.0)), (faces(), (19.7, 30.0))):
        for line in timeline(frame, ["joy", "anger"]).get_lines():
            x, y = line.get_data()
            assert np.isnan(y).sum() == 1
            drawn = [(a, b) for a, b in itertools.pairwise(zip(x, y, strict=True)) if np.isfinite(a[1]) and np.isfinite(b[1])]
            assert drawn and not any(a[0] < silence_s[0] and b[0] > silence_s[1] for a, b in drawn)


def test_faces_and_overlapping_windows_are_lines_without_bars() -> None:
    assert bars(timeline(faces(), "joy")) == []
    windows = pa.table({"begin_s": np.arange(30.0), "end_s": np.arange(30.0) + 4, "joy": np.linspace(0, 1, 30)})
    ax = timeline(windows)
    assert bars(ax) == []
    assert ax.get_lines()[0].get_xdata().tolist() == (np.arange(30.0) + 2).tolist()
    assert "Overlapping windows, at their middles" in words(ax)


def test_faces_that_nobody_told_apart_are_drawn_as_their_mean_and_it_is_said() -> None:
    ax = timeline(pa.table({"face_id": ["unknown"] * 4, "time_s": [0.0, 0.0, 1.0, 1.0], "joy": [0.0, 1.0, 0.4, 0.6]}))
    assert ax.get_lines()[0].get_ydata().tolist() == [0.5, 0.5]
    assert "Frame by frame, the mean of faces that were not told apart" in words(ax)


def test_a_recording_is_drawn_from_its_beginning_unless_it_begins_late() -> None:
    def begins(first_s: float) -> float:
        return float(timeline(pa.table({"time_s": [first_s, 100.0], "joy": [0.1, 0.2]}), gap_s=200).get_xlim()[0])

    assert begins(5.0) == pytest.approx(-1.0)
    assert begins(60.0) == pytest.approx(59.6)


def test_a_lonely_point_is_a_dot() -> None:
    times = [*np.arange(0, 40, 0.2), 100.0]
    line = timeline(pa.table({"time_s": times, "joy": [0.5] * len(times)})).get_lines()[0]
    assert line.get_marker() == "o"
    assert line.get_markevery() == [len(times)]  # one further on, because of the gap before it
    assert line.get_xdata()[len(times)] == 100.0


def test_the_strongest_are_drawn_where_none_is_named() -> None:
    assert [line.get_label() for line in timeline(speech(), k=2).get_lines()] != []
    ax = timeline(pa.table({"time_s": [0.0, 1.0], "joy": [0.1, 0.1], "anger": [0.9, 0.9], "fear": [0.5, 0.5]}), k=2)
    assert [line.get_label() for line in ax.get_lines()] == ["Anger", "Fear"]


def test_names_stand_at_the_ends_of_their_lines_and_apart() -> None:
    frame = pa.table({"time_s": [0.0, 1.0, 2.0], **{name: [0.5, 0.5, 0.5 + at / 1000] for at, name in enumerate(EXPRESSIONS)}})
    ax = timeline(frame, list(EXPRESSIONS))
    assert set(names(ax)) == {"Joy", "Calmness", "Anger", "Interest", "Surprise (positive)", "Boredom"}
    assert [label.xy for label in names(ax).values()] == [(2.0, pytest.approx(0.5 + at / 1000)) for at in range(6)]
    assert_words_stand_apart(ax.figure)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(
    "frame",
    [speech(), speech(3), faces(), faces(people=2), speech(rows=1), speech(file="x" * 200 + ".wav")],
    ids=["speech", "three", "face", "faces", "one row", "long name"],
)
def test_words_stand_apart_and_inside(frame: pa.Table, theme: Any) -> None:
    ax = timeline(frame, theme=theme, synthetic=True)
    assert_words_stand_apart(ax.figure)


def test_all_eight_colours_with_a_panel_each() -> None:
    rows = 12
    frame = speech(2, rows).append_column("boredom_2", pa.array([0.01] * rows)).append_column("fear", pa.array([0.02] * rows))
    ax = timeline(frame, [*EXPRESSIONS, "boredom_2", "fear"], synthetic=True)
    colours = {line.get_color() for line in ax.get_lines()}
    assert len(colours) == 8
    assert_words_stand_apart(ax.figure)
    with pytest.raises(UsageError, match="9 in one picture cannot be told apart; choose 8"):
        timeline(frame.append_column("awe", pa.array([0.0] * rows)), [*EXPRESSIONS, "boredom_2", "fear", "awe"])


def test_each_person_has_a_panel_on_the_same_axes() -> None:
    ax = timeline(speech(3), ["joy"], synthetic=True)
    panels = ax.figure.axes
    assert len(panels) == 3 and panels[0] is ax
    assert len({panel.get_xlim() for panel in panels}) == len({panel.get_ylim() for panel in panels}) == 1
    assert [next(t.get_text() for t in panel.texts if t.get_text().startswith("spk_")) for panel in panels] == [
        "spk_0",
        "spk_1",
        "spk_2",
    ]
    assert sum(len(collection.get_segments()) for panel in panels for collection in bars(panel)) == 24


def test_of_many_people_the_six_most_present_are_drawn_and_the_rest_said() -> None:
    ax = timeline(faces(people=9), ["joy"])
    assert len(ax.figure.axes) == 6
    assert "Frame by frame, 6 of 9 people" in words(ax)


def test_one_person() -> None:
    ax = timeline(speech(3), ["joy"], person="spk_1")
    assert len(ax.figure.axes) == 1
    assert len(bars(ax)[0].get_segments()) == 8
    with pytest.raises(UsageError, match="nobody called 'spk_9'"):
        timeline(speech(3), ["joy"], person="spk_9")


def test_several_recordings_must_be_chosen_from() -> None:
    frame = pa.concat_tables(
        [
            speech(),
            faces().rename_columns({"face_id": "speaker_id", "time_s": "begin_s"}).append_column("end_s", faces()["time_s"]),
        ],
        promote_options="default",
    )
    with pytest.raises(UsageError, match=r"recording=.*'interview\.wav', 'greeting\.mp4'"):
        timeline(frame)
    assert timeline(frame, recording="interview.wav").get_title(loc="left") == "interview.wav"
    assert timeline(frame, recording="bbbbbb").get_title(loc="left") == "greeting.mp4"


def test_a_long_recording_is_drawn_as_means_and_says_so() -> None:
    times = np.arange(0, 7200, 1 / 3)
    ax = timeline(pa.table({"time_s": times, "joy": np.sin(times / 300) / 2 + 0.5}))
    assert "Means over 30 s" in words(ax)
    assert len(ax.get_lines()[0].get_xdata()) == 240


def test_means_and_smoothing_are_said() -> None:
    assert "Means over 5 s, moving mean of 10 s" in words(timeline(speech(), "joy", every_s=5, smooth_s=10))
    assert "A bar is one scored stretch, moving mean of 10 s" in words(timeline(speech(), "joy", smooth_s=10))
    assert "Frame by frame" in words(timeline(faces(), "joy"))


def test_synthetic_scores_are_marked() -> None:
    def is_marked(ax: Axes) -> bool:
        return any("Synthetic scores" in text for text in words(ax))

    frame = speech()
    assert not is_marked(timeline(frame, "joy"))
    assert is_marked(timeline(frame, "joy", synthetic=True))
    assert is_marked(timeline(frame.replace_schema_metadata({"synthetic": "true"}), "joy"))
    assert is_marked(timeline(frame, "joy", synthetic=True, ax=Figure().add_subplot()))


def test_axes_have_units_and_begin_at_zero() -> None:
    ax = timeline(speech())
    assert ax.get_xlabel() == "time in the recording (m:ss)" and ax.get_ylabel() == "score"
    assert ax.get_ylim()[0] == pytest.approx(0, abs=0.05)
    negative = timeline(pa.table({"time_s": [0.0, 1.0], "joy": [-0.5, 0.5]}))
    assert negative.get_ylim()[0] < -0.5


def test_an_axes_of_the_user_is_drawn_into_and_returned() -> None:
    figure = Figure(figsize=(10, 8), facecolor="pink")
    above, below = figure.subplots(2, 1)
    assert timeline(speech(), ["joy"], ax=below) is below
    assert below.get_lines() and not above.get_lines()
    assert figure.get_facecolor()[:3] == pytest.approx((1.0, 0.753, 0.796), abs=0.01)
    with pytest.raises(UsageError, match=r"choose one with person=.*'spk_0', 'spk_1'"):
        timeline(speech(2), ax=above)


def test_colours() -> None:
    light, dark = timeline(speech(), "joy"), timeline(speech(), "joy", theme="dark")
    assert light.get_facecolor() != dark.get_facecolor()
    assert timeline(speech(), "anger", colours="hume").get_lines()[0].get_color() == "#b21816"
    with pytest.raises(UsageError, match="no theme 'neon'"):
        timeline(speech(), theme="neon")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no colours 'rainbow'"):
        timeline(speech(), colours="rainbow")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("frame", "arguments", "message"),
    [
        (speech(rows=0), {}, "the frame has no rows"),
        (pa.table({"time_s": [0.0], "joy": pa.array([None], pa.float32())}), {}, "no row of the frame has a score"),
        (pa.table({"time_s": [0.0], "joy": pa.array([None], pa.float32())}), {"expressions": "joy"}, "a time and a score of Joy"),
        (
            pa.table({"begin_s": pa.array([None], pa.float64()), "end_s": pa.array([None], pa.float64()), "joy": [0.5]}),
            {},
            "a time and a score",
        ),
        (pa.table({"joy": [0.5]}), {}, "needs begin_s and end_s"),
        (speech(), {"expressions": "joi"}, r"did you mean joy\?"),
        (speech(), {"k": 0}, "k is 0"),
    ],
)
def test_nothing_to_draw(frame: pa.Table, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        timeline(frame, **arguments)


@pytest.mark.parametrize(
    "form", [lambda t: t.to_pandas(), pl.from_arrow, lambda t: t.to_reader()], ids=["pandas", "polars", "stream"]
)
def test_any_frame(form: Any) -> None:
    drawn, expected = timeline(form(speech()), "joy"), timeline(speech(), "joy")
    assert np.array_equal(drawn.get_lines()[0].get_ydata(), expected.get_lines()[0].get_ydata(), equal_nan=True)


def test_a_name_with_signs_of_mathematics_is_a_name() -> None:
    ax = timeline(speech(file="cost_$5_and_$6.wav"), "joy", title=None)
    FigureCanvasAgg(ax.figure).draw()
    assert ax.get_title(loc="left").replace("\\", "") == "cost_$5_and_$6.wav"


def test_the_verb_can_be_called_twice_and_leaves_nothing_behind() -> None:
    import sys

    assert ha.plot.timeline(speech()) is not ha.plot.timeline(speech())
    if "matplotlib.pyplot" in sys.modules:
        assert sys.modules["matplotlib.pyplot"].get_fignums() == []


def test_modalities_have_panels_on_one_clock() -> None:
    voice = speech(2).set_column(0, "recording_id", pa.array(["b" * 64] * 24))
    ax = timeline({"face": faces(), "voice": voice}, ["joy", "anger"], synthetic=True)
    panels = ax.figure.axes
    assert len(panels) == 3 and len({panel.get_xlim() for panel in panels}) == len({panel.get_ylim() for panel in panels}) == 1
    named = [next(t.get_text() for t in panel.texts if t.get_text().startswith(("face", "voice"))) for panel in panels[1:]]
    assert named == ["voice spk_0", "voice spk_1"] and "face" in words(ax)
    assert "face: frame by frame; voice: a bar is one scored stretch" in words(ax)
    assert not bars(panels[0]) and bars(panels[1])
    assert_words_stand_apart(ax.figure)
    with pytest.raises(UsageError, match="face and voice are of different recordings"):
        timeline({"face": faces(), "voice": speech()})
    with pytest.raises(UsageError, match="A face_id is not a speaker_id"):
        timeline({"face": faces(), "voice": voice}, person="spk_0")
    with pytest.raises(UsageError, match="There is no modality"):
        timeline({})
    with pytest.raises(UsageError, match="no expression in common"):
        timeline({"face": pa.table({"time_s": [0.0], "joy": [0.5]}), "voice": pa.table({"time_s": [0.0], "awe": [0.5]})})


def test_presence_does_not_go_from_one_to_the_other_and_a_recording_is_called_by_its_name() -> None:
    frame = pa.table(
        {
            "recording_id": ["a" * 64] * 3 + ["b" * 64],
            "name": ["day.wav"] * 3 + ["night.wav"],
            "measure": ["presence"] * 4,
            "begin_s": [0.0, 2.0, 4.0, 0.0],
            "end_s": [1.0, 3.0, 5.0, 1.0],
            "joy": pa.array([1, 0, 1, 1], pa.int8()),
        }
    )
    ax = timeline(frame, recording="day.wav")
    assert [line.get_linewidth() for line in ax.get_lines()] == [0.0]
    assert (ax.get_ylabel(), ax.get_title(loc="left")) == ("share of time", "day.wav")
    with pytest.raises(UsageError, match=r"'day\.wav', 'night\.wav'"):
        timeline(frame)
