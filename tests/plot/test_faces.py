"""What stands over the frames of a video: boxes where the table says, at the time the table says."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from plot_frames import filmed
from test_timeline import assert_words_stand_apart, words

from humeanalytics.errors import UnreadableRecording, UsageError
from humeanalytics.media.stills import stills
from humeanalytics.plot import faces
from humeanalytics.samples import sample

VIDEO = sample("012_greeting.mp4")


def boxes(ax: Axes) -> list[tuple[float, ...]]:
    found = [each for each in ax.patches if isinstance(each, Rectangle) and each.get_linewidth() < 2]
    return [(*each.get_xy(), each.get_width(), each.get_height()) for each in found]


def times(ax: Axes) -> list[str]:
    return [text.get_text().split(" ")[0] for panel in ax.figure.axes for text in panel.texts if text.get_text()[:2] == "0:"]


def test_boxes_and_words_of_one_moment() -> None:
    ax = faces(VIDEO, filmed(people=2), at=2.2)
    assert boxes(ax) == [(20.0, 60.0, 90.0, 110.0), (170.0, 60.0, 90.0, 110.0)]
    assert times(ax) == ["0:02.0"]
    assert ax.get_xlim() == (0, 320) and ax.get_ylim() == (240, 0)
    said = " ".join(words(ax))
    assert "face_0: " in said and "face_1: " in said and ax.get_title(loc="left") == "012_greeting.mp4"
    assert len(ax.images) == 1


def test_the_strongest_moments_stand_out_in_their_own_recording() -> None:
    seconds = tuple(np.arange(0, 7, 0.5))
    frame = filmed(seconds)
    calm = np.full(len(seconds), 0.8)
    joy = np.full(len(seconds), 0.1)
    calm[0], joy[9] = 0.81, 0.3
    for name, values in (("calmness", calm), ("joy", joy)):
        frame = frame.set_column(frame.schema.get_field_index(name), name, pa.array(values))
    frame = frame.drop_columns(["anger", "interest", "surprise_positive", "boredom"])
    ax = faces(VIDEO, frame, moments=2, k=1)
    assert times(ax) == ["0:00.0", "0:04.5"]
    assert "Joy +3.6 sd" in " ".join(words(ax))
    assert "Joy\N{NO-BREAK SPACE}0.30" in " ".join(words(ax)), "what stands out is told though calmness is higher"


def test_boxes_of_v1() -> None:
    frame = filmed((1.0, 3.0)).drop_columns(["box_x", "box_y", "box_w", "box_h"])
    for name, value in {"box_x0": 20.0, "box_y0": 60.0, "box_x1": 110.0, "box_y1": 170.0}.items():
        frame = frame.append_column(name, pa.array([value] * 2))
    names = ("joy", "calmness", "anger", "interest", "surprise_positive", "boredom")
    presence = frame.drop_columns(list(names)).append_column("measure", pa.array(["presence"] * 2))
    presence = presence.append_column("joy", pa.array([1, 0], pa.int8())).append_column("awe", pa.array([0, 0], pa.int8()))
    ax = faces(VIDEO, presence, at=[1.0, 3.0])
    assert boxes(ax) == [(20.0, 60.0, 90.0, 110.0)]
    said = words(ax)
    assert "face_0: Joy" in said and any(text.startswith("face_0: nothing above") for text in said)


def test_a_picture_is_the_one_shown_at_that_time() -> None:
    found = stills(VIDEO, [5.0, 0.0, 2.04, 2.0829])
    assert [round(each.time_s, 3) for each in found] == [5.0, 0.0, 2.0, 2.083]
    assert (found[0].width, found[0].height) == (320, 240)
    assert found[0].jpeg != found[1].jpeg
    small = stills(VIDEO, [1.0], most_pixels=5000)[0]
    assert small.width * small.height <= 5000 and (small.region.width, small.region.height) == (320, 240)
    assert stills(VIDEO, []) == []


def test_a_time_that_the_video_does_not_have() -> None:
    with pytest.raises(UsageError, match=r"last picture at 7\.83 s, so none at 60 s\. Are the rows of another recording"):
        faces(VIDEO, filmed((60.0,)))
    with pytest.raises(UsageError, match="times count from the beginning"):
        stills(VIDEO, [-1.0])
    with pytest.raises(UnreadableRecording, match="only sound"):
        faces(sample("007_interview.flac"), filmed())
    with pytest.raises(UnreadableRecording):
        faces("nowhere.mp4", filmed())


def test_boxes_outside_the_picture_are_said() -> None:
    frame = filmed((1.0,)).set_column(4, "box_x", pa.array([900.0]))
    ax = faces(VIDEO, frame)
    assert not boxes(ax) and "outside the picture and not drawn: 1 of the boxes" in " ".join(words(ax))


def test_crowds() -> None:
    ax = faces(VIDEO, filmed((1.0,), people=7))
    assert "words of 3 more faces are left out" in " ".join(words(ax))


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("arguments", [{"at": 1.0}, {"moments": 4}], ids=["one", "four"])
def test_words_stand_apart_and_inside(arguments: dict[str, Any], theme: Any) -> None:
    assert_words_stand_apart(faces(VIDEO, filmed(people=2), theme=theme, synthetic=True, **arguments).figure)


def test_an_axes_of_the_user() -> None:
    ax = Figure().add_subplot()
    assert faces(VIDEO, filmed(), ax=ax) is ax and boxes(ax)
    with pytest.raises(UsageError, match="2 moments do not fit"):
        faces(VIDEO, filmed(), at=[1.0, 2.0], ax=ax)


@pytest.mark.parametrize(
    ("frame", "arguments", "message"),
    [
        (filmed(()), {}, "no rows"),
        (pa.table({"time_s": [0.0], "joy": [0.5]}), {}, "has no faces"),
        (filmed().set_column(4, "box_x", pa.nulls(5, pa.float64())), {}, "a time, a box and a score"),
        (filmed(), {"at": 30.0}, "No face was scored near 30 s; the nearest is at 4 s"),
        (filmed(), {"at": []}, "at names no time"),
        (filmed(), {"moments": 0}, "moments 0"),
        (filmed(), {"person": "face_9"}, r"no face 'face_9'. There are: 'face_0'"),
        (filmed(), {"recording": "other.mp4"}, "no recording 'other.mp4'"),
    ],
)
def test_wrong_use(frame: pa.Table, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        faces(VIDEO, frame, **arguments)


def test_scores_that_never_vary_have_no_strongest_moment() -> None:
    frame = filmed((1.0, 3.0)).select(["time_s", "box_x", "box_y", "box_w", "box_h"]).append_column("joy", pa.array([0.5, 0.5]))
    assert times(faces(VIDEO, frame, moments=1)) == ["0:01.0"]


@pytest.mark.parametrize(
    "form", [lambda t: t.to_pandas(), pl.from_arrow, lambda t: t.to_reader()], ids=["pandas", "polars", "stream"]
)
def test_any_frame(form: Any) -> None:
    assert words(faces(VIDEO, form(filmed()), at=1.0)) == words(faces(VIDEO, filmed(), at=1.0))
