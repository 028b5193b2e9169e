"""Expressions against groups, or against the time of one recording, as fields of colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from humeanalytics.analysis import frames
from humeanalytics.errors import UsageError
from humeanalytics.plot import canvas, words
from humeanalytics.plot.fields import ORDERS, Field, Order, of_groups, of_time, ordered
from humeanalytics.plot.theme import Theme, ThemeName, colour_map, ink_on, theme_of
from humeanalytics.plot.time_axis import set_time_axis

_WIDTH_IN, _LEAST_WIDTH_IN, _ROW_IN, _LOW_ROW_IN, _WIDEST_CELL_IN = 9.0, 6.2, 0.27, 0.19, 1.35
_LEAST_CELL_IN, _SCALE_ROOM_IN = 0.2, 1.05
_NAME_IN = 1.7
_SLANT_DEGREES, _SLANT_COS, _SLANT_SIN = 40, 0.77, 0.65
#: What is left of means that are 0.
_ROUNDING = 1e-9


def heatmap(
    frame: Any,
    expressions: Sequence[str] | str | None = None,
    *,
    by: str | None = None,
    unit: str | None = None,
    k: int | None = None,
    order: Order = "strength",
    recording: str | None = None,
    person: str | None = None,
    every_s: float | None = None,
    values: bool | None = None,
    mixed_settings: bool = False,
    ax: Axes | None = None,
    theme: ThemeName = "light",
    title: str | None = None,
    synthetic: bool | None = None,
) -> Axes:
    """Draw expressions (rows) against groups, or against the time of one recording, as fields of colour.

    Scores, and v1's presence, are drawn from little to much; what `humeanalytics.baseline` returns from below to above what is
    usual, on a scale as long to both sides. A field without any score is grey and hatched: it is no 0.

    Args:
        frame: A Query, pyarrow, pandas or polars frame with a column an expression; of v1 what `humeanalytics.presence` returns.
        expressions: Only these, by column or by Hume's name.
        by: A column whose values are the groups, or ``recording`` or ``speaker``. Left out: the time of one recording.
        unit: The label of what is independent, such as ``participant``: each unit of a group gives one mean to it, however long
            it spoke. Left out: a group's mean is over all its rows, by the time they newly cover.
        k: The ``k`` expressions with the highest means only.
        order: Of the rows: ``strength``, ``likeness`` or ``given`` (as in ``expressions``).
        recording: Of a timeline: which, as in `timeline`.
        person: Of a timeline: which ``speaker_id`` or ``face_id``; needed where there are several.
        every_s: Of a timeline: means over so many seconds; chosen where left out, and said.
        values: Whether to write the means into the fields; where there is room, if left out.
        mixed_settings: Take rows that were scored with different settings together.
        ax: Where to draw; a new figure where left out.
        theme: ``light`` or ``dark``.
        title: What to write above it.
        synthetic: Mark the picture as one of scores that nobody measured; what the frame says of itself where left out.

    Returns:
        The axes, in a figure without pyplot (`save` writes it, a notebook shows it).

    Raises:
        UsageError: Nothing to draw; more than 400 groups; several recordings or people and none is named; or no such name.

    Examples:
        >>> ax = heatmap(ha.baseline(lake["prosody_labelled"]), by="condition", k=12)  # doctest: +SKIP
    """
    look = theme_of(theme)
    if order not in ORDERS:
        raise UsageError(f"order is {order!r}; it is one of {', '.join(ORDERS)}.")
    if k is not None and k < 1:
        raise UsageError(f"k is {k}; at least one expression must be drawn.")
    synthetic = frames.is_synthetic(frame) if synthetic is None else synthetic
    if by is None:
        field = of_time(frame, expressions, recording, person, every_s)
    else:
        field = of_groups(frame, expressions, by, unit, mixed_settings=mixed_settings)
    field, left_out = ordered(field, order, k)
    said = [field.what, *([ORDERS[order]] if len(field.labels) > 2 and ORDERS[order] else []), *left_out]
    subtitle = "; ".join(said)
    whole_figure = ax is None
    sizes = _Sizes.of(field, subtitle)
    if ax is None:
        ax = sizes.axes(field)
    canvas.style(ax, look, whole_figure=whole_figure)
    norm = _norm(field)
    _draw(ax, field, norm, look, values=sizes.has_room_for_values if values is None else values)
    _name(ax, field, sizes, look)
    _scale(ax, field, norm, look)
    canvas.headline(ax, look, field.title if title is None else title, subtitle)
    apart = field.centre is None and len(field.labels) > 1
    scales = "Different expressions are on different scales: compare within a row." if apart else ""
    canvas.footer(ax, look, synthetic=synthetic, whole_figure=whole_figure, said=scales, below_pt=sizes.below_pt(field))
    return ax


@dataclass(frozen=True, slots=True)
class _Sizes:
    """How large everything is, in inches; names of groups are slanted where they would not stand beside one another."""

    width: float
    left: float
    cell: float
    row: float
    columns: int
    rows: int
    slanted: bool
    name: float
    every: int
    above: float

    @staticmethod
    def of(field: Field, subtitle: str) -> _Sizes:
        rows, columns = field.values.shape
        row = _ROW_IN if rows <= 24 else _LOW_ROW_IN
        left = 0.35 + max(words.text_width_in(label, _label_pt(row)) for label in field.labels)
        room = _WIDTH_IN - left - _SCALE_ROOM_IN
        cell = room / columns if field.edges_s is not None else min(_WIDEST_CELL_IN, room / columns)
        lines = [line for name in field.names for line in name.split("\n")]
        slanted = bool(lines) and max(words.text_width_in(line, canvas.SMALL_PT) for line in lines) + 0.1 > cell
        if slanted:
            left = max(left, 1.25)
            cell = min(cell, (_WIDTH_IN - left - _SCALE_ROOM_IN) / columns)
        name = min(_NAME_IN, (left + cell / 2 - 0.1) / _SLANT_COS)
        every = max(1, int(np.ceil(_LEAST_CELL_IN / cell)))
        width = min(_WIDTH_IN, max(_LEAST_WIDTH_IN, left + cell * columns + _SCALE_ROOM_IN))
        return _Sizes(
            width, left, cell, row, columns, rows, slanted, name, every, canvas.headroom_in(subtitle, width - left - 0.2)
        )

    def names(self, field: Field) -> list[str]:
        """Return what is written below the columns that have room for a name."""
        shown = field.names[:: self.every]
        if not self.slanted:
            return shown
        return [words.fitted(name.replace("\n", ", "), canvas.SMALL_PT, self.name) for name in shown]

    @property
    def has_room_for_values(self) -> bool:
        return self.cell >= 0.42 and self.row >= _ROW_IN

    def below_pt(self, field: Field) -> float:
        """Return where the footer stands, below the names of groups or the words of the time axis."""
        if not self.slanted:
            return 42.0 if field.edges_s is not None else 34.0 if any("\n" in name for name in field.names) else 26.0
        longest = max(words.text_width_in(name, canvas.SMALL_PT) for name in self.names(field))
        return 72 * (_SLANT_SIN * longest + 0.3)

    def axes(self, field: Field) -> Axes:
        made = canvas.new_axes(
            self.width,
            [self.row * self.rows],
            left_in=self.left,
            right_in=self.width - self.left - self.cell * self.columns,
            above_in=self.above,
            below_in=self.below_pt(field) / 72 + 0.42,
            gap_in=0.0,
        )
        return made[0]


def _label_pt(row_in: float) -> float:
    return canvas.LABEL_PT if row_in >= _ROW_IN else canvas.SMALL_PT


def _norm(field: Field) -> Normalize:
    low, high = float(np.nanmin(field.values)), float(np.nanmax(field.values))
    if (centre := field.centre) is not None:
        reach = max(high - centre, centre - low)
        if reach < _ROUNDING:
            raise UsageError(
                f"Every field is {centre:g}: the baseline was taken within these very groups. Choose another by=, or the time "
                "of one recording (recording=...)."
            )
        return Normalize(centre - reach, centre + reach)
    low = min(low, 0.0)
    return Normalize(low, high if high > low else low + 1.0)


def _draw(ax: Axes, field: Field, norm: Normalize, look: Theme, *, values: bool) -> None:
    rows, columns = field.values.shape
    edges = np.arange(columns + 1) - 0.5 if field.edges_s is None else field.edges_s
    colours = colour_map(look.diverging if field.centre is not None else look.sequential)
    ax.add_patch(
        Rectangle(
            (edges[0], -0.5),
            edges[-1] - edges[0],
            rows,
            facecolor=look.grid,
            edgecolor=look.missing,
            hatch="//////",
            linewidth=0,
            zorder=1,
        )
    )
    shown = np.ma.masked_invalid(field.values)
    lines: dict[str, Any] = (
        {"edgecolors": look.background, "linewidth": 1.0}
        if field.edges_s is None and columns <= 60
        else {"edgecolors": "face", "linewidth": 0.2}
    )
    ax.pcolormesh(edges, np.arange(rows + 1) - 0.5, shown, cmap=colours, norm=norm, zorder=2, **lines)
    ax.set_xlim(edges[0], edges[-1])
    ax.set_ylim(rows - 0.5, -0.5)
    if not values or field.edges_s is not None:
        return
    for (row, column), value in np.ndenumerate(field.values):
        if np.isfinite(value):
            ink = ink_on(colours(norm(value)), look)
            text = f"{value:.2f}".replace("-", "\N{MINUS SIGN}")
            ax.text(column, row, text, ha="center", va="center_baseline", color=ink, fontsize=7.5, zorder=3)


def _name(ax: Axes, field: Field, sizes: _Sizes, look: Theme) -> None:
    ax.set_yticks(range(len(field.labels)), [words.shown(label) for label in field.labels], fontsize=_label_pt(sizes.row))
    ax.tick_params(axis="y", colors=look.text)
    if field.edges_s is not None:
        set_time_axis(ax.xaxis)
        ax.set_xlabel("time in the recording (m:ss)", color=look.muted, fontsize=canvas.LABEL_PT, labelpad=6)
        return
    how: dict[str, Any] = {"rotation": _SLANT_DEGREES, "ha": "right", "rotation_mode": "anchor"} if sizes.slanted else {}
    names = ["\n".join(words.shown(line) for line in name.split("\n")) for name in sizes.names(field)]
    ax.set_xticks(range(0, sizes.columns, sizes.every), names, fontsize=canvas.SMALL_PT, **how)
    ax.tick_params(axis="x", colors=look.text)


def _scale(ax: Axes, field: Field, norm: Normalize, look: Theme) -> None:
    """Draw what the colours mean to the right of the fields, and what is grey where anything is."""
    extent, dpi = ax.get_window_extent(), canvas.figure_of(ax).dpi
    width_in, height_in = extent.width / dpi, extent.height / dpi
    missing = not np.isfinite(field.values).all()
    tall_in = min(1.5, max(height_in - (0.3 if missing else 0.0), 0.4))
    scale = ax.inset_axes((1 + 0.22 / width_in, 1 - tall_in / height_in, 0.13 / width_in, tall_in / height_in))
    canvas.style(scale, look, whole_figure=False)
    steps = np.linspace(norm.vmin or 0.0, norm.vmax or 1.0, 101)
    colours = colour_map(look.diverging if field.centre is not None else look.sequential)
    scale.pcolormesh(
        [0, 1], steps, ((steps[1:] + steps[:-1]) / 2)[:, None], cmap=colours, norm=norm, edgecolors="face", linewidth=0.2
    )
    scale.set_xticks([])
    scale.yaxis.tick_right()
    scale.yaxis.set_major_locator(MaxNLocator(4 if tall_in > 0.8 else 2, steps=[1, 2, 2.5, 5, 10]))
    scale.tick_params(length=0, pad=3, labelsize=canvas.SMALL_PT, colors=look.muted)
    scale.set_ylabel(canvas.label_of_measure(field.measure), color=look.muted, fontsize=canvas.SMALL_PT)
    scale.yaxis.set_label_position("right")
    if missing:
        box: dict[str, Any] = {
            "facecolor": look.grid,
            "edgecolor": look.missing,
            "hatch": "//////",
            "linewidth": 0,
            "clip_on": False,
        }
        scale.add_patch(Rectangle((0, -0.26 / tall_in), 1, 0.13 / tall_in, transform=scale.transAxes, **box))
        canvas.note(scale, "no score", (0.0, 0.0), (14.0, -0.15 * 72), look.muted)
