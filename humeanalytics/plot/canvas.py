"""Figures to draw on: made without pyplot, with room for words, saved in one way."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from humeanalytics.analysis.observations import PRESENCE
from humeanalytics.errors import UsageError
from humeanalytics.plot import words
from humeanalytics.plot.theme import Theme
from humeanalytics.plot.words import fitted, text_width_in

TITLE_PT, LABEL_PT, SMALL_PT = 13.0, 9.5, 8.5
_FORMATS = (".png", ".svg", ".pdf")
_SCREEN_DPI = 100
_LINE_PT = 1.45 * SMALL_PT
#: With few dots an inch, letters are drawn a little wider than they are.
_SAFE = 0.95
#: What keeps scores from being compared.
SCALES = "Different expressions are on different scales."
_SYNTHETIC = "Synthetic scores: made up, not measured"


class Sheet(Figure):
    """A Figure that a notebook shows without pyplot."""

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        drawn, kept = io.BytesIO(), io.BytesIO()
        self.savefig(drawn, format="png", dpi=2 * _SCREEN_DPI)  # sharp on fine screens, shown at half the size
        # A notebook keeps every picture in it: of 256 colours it takes a third of the room. `save` keeps all colours.
        photos = any(ax.images for ax in self.axes)
        with Image.open(drawn) as picture:
            few = picture.convert("RGB").quantize(
                256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.FLOYDSTEINBERG if photos else Image.Dither.NONE
            )
            few.save(kept, "png", optimize=True)
        width_in, height_in = self.get_size_inches()
        return kept.getvalue(), {"width": round(width_in * _SCREEN_DPI), "height": round(height_in * _SCREEN_DPI)}


class Picture(Axes):
    """An Axes that a notebook shows, with its whole figure, when it is the last thing in a cell."""

    def _repr_png_(self) -> tuple[bytes, dict[str, int]] | None:
        figure = self.get_figure(root=True)
        return figure._repr_png_() if isinstance(figure, Sheet) else None


def new_axes(
    width_in: float,
    panel_heights_in: Sequence[float],
    *,
    left_in: float,
    right_in: float,
    above_in: float,
    below_in: float,
    gap_in: float,
) -> list[Picture]:
    """Return axes of a new figure, one below the other, with margins in inches around and between them."""
    height_in = above_in + sum(panel_heights_in) + gap_in * (len(panel_heights_in) - 1) + below_in
    places: list[tuple[float, float, float, float]] = []
    top_in = above_in
    for panel_in in panel_heights_in:
        places.append((left_in, top_in, width_in - left_in - right_in, panel_in))
        top_in += panel_in + gap_in
    return new_panels(width_in, height_in, places)


def new_panels(width_in: float, height_in: float, places: Sequence[tuple[float, float, float, float]]) -> list[Picture]:
    """Return axes of a new figure, each where its left, top (from above), width and height in inches say."""
    figure = Sheet(figsize=(width_in, height_in))
    axes: list[Picture] = []
    for left_in, top_in, panel_width_in, panel_in in places:
        bounds = (left_in, height_in - top_in - panel_in, panel_width_in, panel_in)
        place = tuple(part / whole for part, whole in zip(bounds, (width_in, height_in) * 2, strict=True))
        axes.append(figure.add_axes(Picture(figure, place)))  # type: ignore[arg-type]
    return axes


def style(ax: Axes, theme: Theme, *, whole_figure: bool) -> None:
    """Take away what is not data, and colour the rest."""
    if whole_figure:
        figure_of(ax).set_facecolor(theme.background)
    ax.set_facecolor(theme.background)
    for side in ("top", "right", "left", "bottom"):
        ax.spines[side].set_visible(False)
    ax.tick_params(length=0, colors=theme.muted, labelsize=LABEL_PT, pad=5, labelfontfamily=words.families())
    ax.grid(False)
    ax.set_axisbelow(True)


def headline(ax: Axes, theme: Theme, title: str, subtitle: str, *, above_pt: float = 12.0) -> None:
    """Write a title and lines below it above an axes, flush with its left edge; of a title too long, its middle goes."""
    room_in = _room_in(ax)
    lines = words.wrapped(subtitle, SMALL_PT, room_in)
    shown = words.shown(fitted(title, TITLE_PT, room_in, bold=True))
    up_pt = above_pt + _LINE_PT * max(len(lines) - 1, 0)
    ax.set_title(
        shown,
        loc="left",
        color=theme.text,
        fontsize=TITLE_PT,
        fontweight="bold",
        pad=up_pt + 16,
        fontfamily=words.families(),
    )
    for at, line in enumerate(lines):
        note(ax, line, (0.0, 1.0), (0.0, up_pt - at * _LINE_PT), theme.muted)


def headroom_in(subtitle: str, room_in: float, *, above_pt: float = 12.0) -> float:
    """Return how much room a title and its lines need above an axes, in a figure with so much room to the right."""
    lines = len(words.wrapped(subtitle, SMALL_PT, _SAFE * room_in))
    return round((above_pt + _LINE_PT * (lines - 1) + 44) / 72, 2)  # whole dots, at 100 and at 200 an inch


def _room_in(ax: Axes) -> float:
    """Return how wide a title may be: up to the edge of a figure of ours; in another, beside which others may stand, the axes."""
    figure = figure_of(ax)
    if not isinstance(figure, Sheet):
        return _SAFE * float(ax.get_window_extent().width / figure.dpi)
    return _SAFE * (float(figure.get_size_inches()[0] * (1 - ax.get_position().x0)) - 0.2)


def label_of_measure(measure: str) -> str:
    """Return what to call the axis of a measure: score, z of score, share of time."""
    return "share of time" if measure == PRESENCE else measure


def note(
    ax: Axes, text: str, at: tuple[float, float], offset_pt: tuple[float, float], colour: str, *, bold: bool = False
) -> None:
    """Write small words at a place of the axes (0 to 1), moved by so many points; on the right half flush right."""
    ax.annotate(
        words.shown(text),
        at,
        offset_pt,
        xycoords="axes fraction",
        textcoords="offset points",
        ha="right" if at[0] > 0.5 else "left",
        va="baseline" if at[1] > 0.5 else "top",
        color=colour,
        fontsize=SMALL_PT,
        fontweight="bold" if bold else "normal",
        fontfamily=words.families(),
        annotation_clip=False,
    )


def footer(ax: Axes, theme: Theme, *, synthetic: bool, whole_figure: bool, said: str = SCALES, below_pt: float = 42.0) -> None:
    """Say below an axes what keeps its scores from being compared, and, in any case, that they were made up where they were."""
    if whole_figure and said:
        note(ax, said, (0.0, 0.0), (0.0, -below_pt), theme.muted)
    if synthetic and not (whole_figure and said):
        note(ax, _SYNTHETIC, (0.0, 0.0), (0.0, -below_pt), theme.warning, bold=True)
    elif synthetic:
        width_in = ax.get_window_extent().width / figure_of(ax).dpi
        needed_in = text_width_in(said, SMALL_PT) + text_width_in(_SYNTHETIC, SMALL_PT, bold=True) + 0.4
        at, down_pt = ((1.0, 0.0), below_pt) if needed_in <= width_in else ((0.0, 0.0), below_pt + 1.6 * SMALL_PT)
        note(ax, _SYNTHETIC, at, (0.0, -down_pt), theme.warning, bold=True)


def save(picture: Axes | Figure, path: str | os.PathLike[str]) -> Path:
    """Write a picture as PNG (200 dots an inch), SVG or PDF, as the name of the file says; return its path.

    Raises:
        UsageError: The name ends in something else, or its folder does not exist.

    Examples:
        >>> save(timeline(lake["prosody"]), "joy.png")  # doctest: +SKIP
    """
    path = Path(path).expanduser()
    if path.suffix.lower() not in _FORMATS:
        raise UsageError(f"Cannot save a picture as {path.name!r}. The name must end in one of: {', '.join(_FORMATS)}.")
    if not path.parent.is_dir():
        raise UsageError(f"Cannot save {path}: there is no folder {path.parent}.")
    figure = picture if isinstance(picture, Figure) else figure_of(picture)
    # Letters stay letters in a PDF, so that a journal can set them and a reader can find them.
    with mpl.rc_context({"pdf.fonttype": 42, "svg.hashsalt": "humeanalytics"}):
        metadata = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(path.suffix.lower())
        figure.savefig(path, dpi=200, facecolor=figure.get_facecolor(), metadata=metadata)
    return path


def figure_of(ax: Axes) -> Figure:
    figure = ax.get_figure(root=True)
    if figure is None:
        raise UsageError("This Axes was taken off its figure; there is nothing to draw on.")
    return figure
