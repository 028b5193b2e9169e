"""Faces in the frames of a video, with what they expressed."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from PIL import Image

from humeanalytics.analysis import frames
from humeanalytics.errors import UsageError
from humeanalytics.media.packing import Picture as Still
from humeanalytics.media.stills import stills
from humeanalytics.plot import canvas, words
from humeanalytics.plot.moments import Face, Moment, faces_of, is_presence, moments_of
from humeanalytics.plot.theme import Theme, ThemeName, readable, theme_of
from humeanalytics.plot.time_axis import clock

_MARGIN_IN, _GAP_IN, _LINE_IN, _HEAD_IN = 0.35, 0.22, 0.165, 0.24
_ONE_IN, _CELL_IN, _COLUMNS = 5.6, 2.75, 3
_MOST_PIXELS, _MOST_FACES, _MOST_MOMENTS = 900_000, 4, 24
#: Light ones: they stand on a dark line, whatever the picture is like.
_BOX_COLOURS = ("#62b9ee", "#f2a33c", "#5ad1a8", "#f2aed6")
_ABOVE_PT = 26.0


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
        synthetic: Mark the picture as one of scores that nobody measured; what the frame says of itself where left out.

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
    rows = faces_of(frame, expressions, recording, person, Path(video).name)
    columns = frames.chosen_columns(rows.schema, expressions)
    found = moments_of(rows, columns, at, 1 if ax is not None and at is None else moments, k)
    if ax is not None and len(found) > 1:
        raise UsageError(f"{len(found)} moments do not fit into one Axes: name one time, or leave out ax.")
    pictures = stills(video, [moment.time_s for moment in found], most_pixels=_MOST_PIXELS)
    said = _said(found, pictures, at is None, is_presence(rows))
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


def _said(found: Sequence[Moment], pictures: Sequence[Still], strongest: bool, presence: bool) -> str:
    what = "Expressions above their cutoff" if presence else "Strongest expressions and their scores"
    said = [f"{what}, of each face from left to right"]
    if strongest:
        said.append("frames in which one was furthest above its mean in this recording (in its standard deviations)")
    outside = sum(_is_outside(face, picture) for moment, picture in zip(found, pictures, strict=True) for face in moment.faces)
    if outside:
        said.append(f"outside the picture and not drawn: {outside} of the boxes (is this the recording that was scored?)")
    hidden = sum(max(len(moment.faces) - _MOST_FACES, 0) for moment in found)
    if hidden:
        said.append(f"words of {hidden} more faces are left out")
    return "; ".join(said)


def _is_outside(face: Face, picture: Still) -> bool:
    x, y, w, h = face.box
    return not (0 <= x + w / 2 <= picture.region.width and 0 <= y + h / 2 <= picture.region.height)


def _unbroken(text: str) -> str:
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def _caption(moment: Moment, width_in: float) -> list[list[str]]:
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
    found: Sequence[Moment], pictures: Sequence[Still], captions: Sequence[Sequence[Sequence[str]]], said: str
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


def _draw(ax: Axes, moment: Moment, picture: Still, look: Theme) -> None:
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


def _write(ax: Axes, moment: Moment, caption: Sequence[Sequence[str]], look: Theme) -> None:
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
