"""Faces in the frames of a video, with what they expressed."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from PIL import Image

from humeanalytics.analysis import frames
from humeanalytics.analysis.baselines import baseline
from humeanalytics.analysis.covered_time import Floats
from humeanalytics.analysis.observations import MEASURE, PRESENCE
from humeanalytics.errors import UsageError
from humeanalytics.media.packing import Picture as Still
from humeanalytics.media.stills import stills
from humeanalytics.plot import canvas, words
from humeanalytics.plot.theme import Theme, ThemeName, readable, theme_of
from humeanalytics.plot.time_axis import clock

_MARGIN_IN, _GAP_IN, _LINE_IN, _HEAD_IN = 0.35, 0.22, 0.165, 0.24
_ONE_IN, _CELL_IN, _COLUMNS = 5.6, 2.75, 3
_MOST_PIXELS, _MOST_FACES, _MOST_MOMENTS = 900_000, 4, 24
_BOXES = (("box_x", "box_y", "box_w", "box_h"), ("box_x0", "box_y0", "box_x1", "box_y1"))
#: Light ones: they stand on a dark line, whatever the picture is like.
_BOX_COLOURS = ("#62b9ee", "#f2a33c", "#5ad1a8", "#f2aed6")
_WHOLE, _ABOVE_PT = "_whole", 26.0


@dataclass(frozen=True, slots=True)
class _Face:
    name: str | None
    box: tuple[float, float, float, float]
    best: list[tuple[str, float]]


@dataclass(frozen=True, slots=True)
class _Moment:
    """One time, the faces at it, from left to right, and why it was chosen."""

    time_s: float
    faces: list[_Face]
    why: str


def faces(
    video: str | os.PathLike[str],
    frame: Any,
    expressions: Sequence[str] | str | None = None,
    *,
    at: Sequence[float] | float | None = None,
    moments: int = 6,
    k: int = 3,
    recording: str | None = None,
    person: str | None = None,
    ax: Axes | None = None,
    theme: ThemeName = "light",
    title: str | None = None,
    synthetic: bool | None = None,
) -> Axes:
    """Draw faces in the frames of a video: a box around each, and below the frame the strongest expressions of each.

    Which frames: those ``at`` certain times, or the strongest moments, in order of time: those in which an expression of a face
    was furthest above its mean in this recording, in its standard deviations there, each some time apart from the others.

    Args:
        video: Its path; the recording that was scored.
        frame: Rows of ``face`` (v0), or of v1 ``humeanalytics.presence(lake["video_scores"], lake["video_faces"])``.
        expressions: Only these, by column or by Hume's name.
        at: One time, or several, in seconds: of each the scored frame that is nearest, at most a second away.
        moments: How many of the strongest moments, where ``at`` is left out.
        k: How many expressions of each face.
        recording: Which, where the frame holds several; that with the name of the video where left out.
        person: Only this ``face_id``.
        ax: Where to draw; a new figure where left out. For one moment only.
        theme: ``light`` or ``dark``.
        title: The file's name where left out.
        synthetic: Mark the picture as made of the sandbox's scores; what the frame says of itself where left out.

    Returns:
        The axes, in a figure without pyplot; of several moments the first, the others in ``ax.figure.axes``.

    Raises:
        UsageError: No rows with a box and a time, none near a time, times behind the video's end, or no such name.
        UnreadableRecording: The video cannot be read.

    Examples:
        >>> ax = faces("012_greeting.mp4", lake["face"], moments=3)  # doctest: +SKIP
    """
    look = theme_of(theme)
    if k < 1 or not 1 <= moments <= _MOST_MOMENTS:
        raise UsageError(f"k is {k} and moments {moments}; at least 1, and at most {_MOST_MOMENTS} moments.")
    synthetic = frames.is_synthetic(frame) if synthetic is None else synthetic
    rows = _rows_of(frame, expressions, recording, person, Path(video).name)
    columns = frames.chosen_columns(rows.schema, expressions)
    found = _moments(rows, columns, at, 1 if ax is not None and at is None else moments, k)
    if ax is not None and len(found) > 1:
        raise UsageError(f"{len(found)} moments do not fit into one Axes: name one time, or leave out ax.")
    pictures = stills(video, [moment.time_s for moment in found], most_pixels=_MOST_PIXELS)
    said = _said(found, pictures, at is None, _is_presence(rows))
    captions = [_caption(moment, (_ONE_IN if len(found) == 1 else _CELL_IN) - 0.2) for moment in found]
    whole_figure = ax is None
    panels = [ax] if ax is not None else _new_panels(found, pictures, captions, said)
    for panel, moment, picture, caption in zip(panels, found, pictures, captions, strict=True):
        canvas.style(panel, look, whole_figure=whole_figure)
        _draw(panel, moment, picture, look)
        _write(panel, moment, caption, look)
    head = Path(video).name if title is None else title
    canvas.headline(panels[0], look, head, said, above_pt=_ABOVE_PT)
    deepest = max(_lines(caption) for caption in captions[-((len(captions) - 1) % _COLUMNS + 1) :])
    lowest = panels[(len(panels) - 1) // _COLUMNS * _COLUMNS]
    canvas.footer(
        lowest, look, synthetic=synthetic, whole_figure=whole_figure, said="", below_pt=72 * (deepest * _LINE_IN + 0.18)
    )
    return panels[0]


def _is_presence(rows: pa.Table) -> bool:
    return MEASURE in rows.column_names and rows[MEASURE][0].as_py() == PRESENCE


def _rows_of(frame: Any, expressions: Any, recording: str | None, person: str | None, name: str) -> pa.Table:
    def wanted(schema: pa.Schema) -> list[str]:
        if "time_s" not in schema.names or not any(set(box) <= set(schema.names) for box in _BOXES):
            raise UsageError("The frame has no faces: it needs time_s and box_x, box_y, box_w, box_h, as lake['face'] has.")
        keys = (*frames.RECORDING_COLUMNS, "scoring_id", "face_id", "time_s", MEASURE, *(each for box in _BOXES for each in box))
        return [*(each for each in keys if each in schema.names), *frames.chosen_columns(schema, expressions)]

    rows = frames.read_columns(frame, wanted)
    if rows.num_rows == 0:
        raise UsageError("Nothing to draw: the frame has no rows.")
    if recording is None and "file" in rows.column_names and len(rows["file"].unique()) > 1:
        recording = name
    rows = frames.one_recording(rows, recording)
    frames.check_one_scoring(rows)
    if person is not None:
        there = frames.texts(rows, "face_id").unique().to_pylist() if "face_id" in rows.column_names else []
        if person not in there:
            shown = ", ".join(repr(each) for each in there if each is not None) or "nobody by name"
            raise UsageError(f"The frame has no face {person!r}. There are: {shown}.")
        rows = rows.filter(pc.equal(frames.texts(rows, "face_id"), person))
    columns = frames.chosen_columns(rows.schema, expressions)
    scored = np.isfinite(np.column_stack([frames.numbers(rows, column) for column in columns])).any(axis=1)
    scored &= np.isfinite(frames.numbers(rows, "time_s")) & np.isfinite(_boxes(rows)).all(axis=1)
    if not scored.any():
        raise UsageError("Nothing to draw: no face of this recording has a time, a box and a score.")
    return rows.filter(pa.array(scored))


def _boxes(rows: pa.Table) -> Floats:
    """Return left, top, width and height of each box."""
    of_v0 = set(_BOXES[0]) <= set(rows.column_names)
    boxes = np.column_stack([frames.numbers(rows, name) for name in _BOXES[0 if of_v0 else 1]])
    if not of_v0:
        boxes[:, 2:] -= boxes[:, :2]
    return boxes


def _moments(rows: pa.Table, columns: Sequence[str], at: Sequence[float] | float | None, count: int, k: int) -> list[_Moment]:
    times = frames.numbers(rows, "time_s")
    labels = [frames.label_of(rows.schema.field(column)) for column in columns]
    scores = np.column_stack([frames.numbers(rows, column) for column in columns])
    if at is None:
        chosen = _strongest(rows, columns, labels, times, count)
    else:
        chosen = [(_nearest(times, each), "", (-1, -1)) for each in ([at] if isinstance(at, int | float) else at)]
    if not chosen:
        raise UsageError("at names no time.")
    names = frames.texts(rows, "face_id").to_pylist() if "face_id" in rows.column_names else [None] * rows.num_rows
    boxes = _boxes(rows)
    is_presence = _is_presence(rows)
    found = []
    for time_s, why, (its_row, its_column) in chosen:
        here = np.flatnonzero(times == time_s)
        there = []
        for row in sorted(here, key=lambda each: boxes[each, 0]):
            best = [int(place) for place in np.argsort(-np.nan_to_num(scores[row], nan=-np.inf), kind="stable")]
            if row == its_row:  # what stands out comes first, however high others are
                best = [its_column, *(place for place in best if place != its_column)]
            best = best[:k]
            told = [(labels[each], float(scores[row, each])) for each in best if np.isfinite(scores[row, each])]
            told = [(label, math.nan) for label, score in told if score > 0] if is_presence else told
            x, y, w, h = (float(each) for each in boxes[row])
            there.append(_Face(None if names[row] in (None, "unknown") else names[row], (x, y, w, h), told))
        found.append(_Moment(float(time_s), there, why))
    return found


def _nearest(times: Floats, wanted: float) -> float:
    nearest = float(times[np.argmin(np.abs(times - wanted))])
    if not abs(nearest - wanted) <= 1.0:
        raise UsageError(f"No face was scored near {wanted:g} s; the nearest is at {nearest:g} s.")
    return nearest


def _strongest(
    rows: pa.Table, columns: Sequence[str], labels: Sequence[str], times: Floats, count: int
) -> list[tuple[float, str, tuple[int, int]]]:
    """Return the times in which an expression stood out most, in order of time, which it was, and its row and column."""
    plain = rows.select([*columns, *([MEASURE] if MEASURE in rows.column_names else [])])
    plain = plain.append_column(_WHOLE, pa.array(np.zeros(rows.num_rows, np.int64)))
    varies = any(
        np.nanmin(values) < np.nanmax(values) for column in columns if np.isfinite(values := frames.numbers(rows, column)).any()
    )
    if varies:
        usual = baseline(plain, _WHOLE, "z", expressions=list(columns), mixed_settings=True)
        z = np.nan_to_num(np.column_stack([frames.numbers(usual, column) for column in columns]), nan=-np.inf)
    else:
        z = np.zeros((rows.num_rows, len(columns)))
    highest, which = z.max(axis=1), z.argmax(axis=1)
    apart_s = max(1.0, float(times.max() - times.min()) / (3 * count))
    chosen: list[int] = []
    for row in np.argsort(-highest, kind="stable"):
        if len(chosen) == count:
            break
        if all(abs(times[row] - times[other]) >= apart_s for other in chosen):
            chosen.append(int(row))
    chosen.sort(key=lambda row: times[row])
    return [
        (float(times[row]), f"{labels[which[row]]} {highest[row]:+.1f} sd", (row, int(which[row])))
        if highest[row] > 0
        else (float(times[row]), "", (-1, -1))
        for row in chosen
    ]


def _said(found: Sequence[_Moment], pictures: Sequence[Still], strongest: bool, presence: bool) -> str:
    what = "Expressions above their cutoff" if presence else "Strongest expressions and their scores"
    said = [f"{what}, of each face from left to right"]
    if strongest:
        said.append("frames in which one was furthest above its mean in this recording (in its standard deviations)")
    outside = sum(_is_outside(face, picture) for moment, picture in zip(found, pictures, strict=True) for face in moment.faces)
    if outside:
        said.append(f"{outside} boxes lie outside the picture: is this the recording that was scored?")
    hidden = sum(max(len(moment.faces) - _MOST_FACES, 0) for moment in found)
    if hidden:
        said.append(f"words of {hidden} more faces are left out")
    return "; ".join(said)


def _is_outside(face: _Face, picture: Still) -> bool:
    x, y, w, h = face.box
    return not (0 <= x + w / 2 <= picture.region.width and 0 <= y + h / 2 <= picture.region.height)


def _unbroken(text: str) -> str:
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def _caption(moment: _Moment, width_in: float) -> list[list[str]]:
    """Return the lines of each face, below the picture."""
    captions = []
    for face in moment.faces[:_MOST_FACES]:
        told = ", ".join(_unbroken(label if math.isnan(score) else f"{label} {score:.2f}") for label, score in face.best)
        told = told or "nothing above its cutoff"
        captions.append(words.wrapped(f"{face.name}: {told}" if face.name else told, canvas.SMALL_PT, width_in))
    return captions


def _lines(caption: Sequence[Sequence[str]]) -> int:
    return sum(len(lines) for lines in caption)


def _new_panels(
    found: Sequence[_Moment], pictures: Sequence[Still], captions: Sequence[Sequence[Sequence[str]]], said: str
) -> list[Axes]:
    """Return a panel for each moment: three beside one another, each as high as its picture and room for words below."""
    columns = min(len(found), _COLUMNS)
    cell_in = _ONE_IN if len(found) == 1 else _CELL_IN
    width_in = 2 * _MARGIN_IN + max(columns * cell_in + (columns - 1) * _GAP_IN, _ONE_IN)
    places = []
    top_in = canvas.headroom_in(said, width_in - _MARGIN_IN - 0.2, above_pt=_ABOVE_PT)
    for begin in range(0, len(found), _COLUMNS):
        row = range(begin, min(begin + _COLUMNS, len(found)))
        high_in = max(cell_in * pictures[each].region.height / pictures[each].region.width for each in row)
        for each in row:
            own_in = cell_in * pictures[each].region.height / pictures[each].region.width
            places.append((_MARGIN_IN + (each - begin) * (cell_in + _GAP_IN), top_in, cell_in, own_in))
        top_in += high_in + max(_lines(captions[each]) for each in row) * _LINE_IN + _HEAD_IN + 0.16
    return list(canvas.new_panels(width_in, top_in + 0.3, places))


def _draw(ax: Axes, moment: _Moment, picture: Still, look: Theme) -> None:
    width, height = picture.region.width, picture.region.height
    with Image.open(io.BytesIO(picture.jpeg)) as image:
        ax.imshow(np.asarray(image.convert("RGB")), extent=(0, width, height, 0), interpolation="bilinear", zorder=1)
    ax.set_xlim(0, width)
    ax.set_ylim(height, 0)
    ax.set_xticks([])
    ax.set_yticks([])
    for at, face in enumerate(moment.faces):
        if _is_outside(face, picture):
            continue
        x, y, w, h = face.box
        for colour, width_pt in (("#000000", 3.4), (_BOX_COLOURS[at % _MOST_FACES], 1.8)):  # dark below: seen on any picture
            box = Rectangle(
                (x, y), w, h, fill=False, edgecolor=colour, linewidth=width_pt, joinstyle="round", zorder=2, alpha=0.9
            )
            ax.add_patch(box)


def _write(ax: Axes, moment: _Moment, caption: Sequence[Sequence[str]], look: Theme) -> None:
    head = clock(moment.time_s, 1) + (f"   {moment.why}" if moment.why else "")
    canvas.note(ax, head, (0.0, 1.0), (0.0, 4.0), look.text, bold=True)
    down_pt = 5.0
    for at, lines in enumerate(caption):
        for place, line in enumerate(lines):
            if place == 0:
                canvas.note(
                    ax, "\N{BLACK SQUARE}", (0.0, 0.0), (0.0, -down_pt), readable(_BOX_COLOURS[at % _MOST_FACES], look, 1.6)
                )
            canvas.note(ax, line, (0.0, 0.0), (11.0, -down_pt), look.text)
            down_pt += 72 * _LINE_IN
