"""Expressions ranked by their scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from humeanalytics.analysis import frames, strongest
from humeanalytics.analysis.observations import MEASURE, PRESENCE
from humeanalytics.errors import UsageError
from humeanalytics.plot import canvas, words
from humeanalytics.plot.theme import ColoursName, Theme, ThemeName, readable, series_colours, theme_of

_WIDTH_IN, _ROW_IN, _GROUP_IN = 7.2, 0.34, 0.2
#: How much of a row its groups share between them.
_GROUPS_SHARE = 0.72
_BETWEEN_GROUPS_PT = 14.0


def top(
    frame: Any,
    k: int = 10,
    *,
    by: str | None = None,
    expressions: Sequence[str] | str | None = None,
    ax: Axes | None = None,
    theme: ThemeName = "light",
    colours: ColoursName = "accessible",
    title: str | None = None,
    synthetic: bool | None = None,
) -> Axes:
    """Draw the ``k`` strongest expressions: a dot at the mean, a line over the middle half of the scores.

    Where windows overlap, scores count by the time they newly cover, see `humeanalytics.analysis.strongest`.

    Args:
        frame: A Query, pyarrow, pandas or polars frame with a column an expression; one recording or many.
        k: How many expressions.
        by: A column whose values are drawn as groups, each in its colour; at most eight.
        expressions: Choose among these only, by column or by Hume's name.
        ax: Where to draw; a new figure where left out.
        theme: ``light`` or ``dark``.
        colours: ``accessible``, or ``hume`` for Hume's own colours, where there are no groups.
        title: What to write above it.
        synthetic: Mark the picture as one of scores that nobody measured; what the frame says of itself where left out.

    Returns:
        The axes, in a figure without pyplot (`save` writes it, a notebook shows it).

    Raises:
        UsageError: The frame has nothing to draw, too many groups, or a name that is not there.

    Examples:
        >>> ax = top(lake["prosody_labelled"], 8, by="condition")  # doctest: +SKIP
    """
    look = theme_of(theme)
    if by is not None and colours == "hume":
        raise UsageError("Hume's colours tell expressions apart, not groups. Leave out by or colours.")
    synthetic = frames.is_synthetic(frame) if synthetic is None else synthetic
    rows = strongest.top(frame, k, by=by, expressions=expressions).to_pylist()
    if not rows:
        raise UsageError("Nothing to draw: no row of the frame has a score.")
    names = list(dict.fromkeys(row["expression"] for row in rows))
    groups = list(dict.fromkeys(row[by] if by is not None else None for row in rows))
    palette = series_colours([str(group) for group in groups], "accessible", look)
    by_name = (
        dict(zip(names, series_colours([row["column"] for row in rows], "hume", look), strict=True)) if colours == "hume" else {}
    )
    whole_figure = ax is None
    if ax is None:
        ax = _new_axes(names, len(groups), room_for_groups=by is not None)
    canvas.style(ax, look, whole_figure=whole_figure)
    is_presence = rows[0][MEASURE] == PRESENCE
    _rulers(ax, names, rows, canvas.label_of_measure(rows[0][MEASURE]), look)
    for at, group in enumerate(groups):
        offset = (at - (len(groups) - 1) / 2) * _GROUPS_SHARE / len(groups)
        for row in rows:
            if by is None or row[by] == group:
                colour = by_name.get(row["expression"], palette[at])
                _draw(ax, row, names.index(row["expression"]) + offset, colour, with_half=not is_presence)
    if by is None:
        _write_means(ax, [row["mean"] for row in rows], look)
    else:
        _name_groups(ax, ["(none)" if group is None else group for group in groups], palette, look)
    counted = "the time scored" if rows[0]["method"] == strongest.BY_TIME else f"{_rows_counted(rows, len(groups)):,} rows"
    subtitle = f"Above the cutoff: share of {counted}" if is_presence else f"Mean (dot) and middle half (line) of {counted}"
    canvas.headline(
        ax, look, "Strongest expressions" if title is None else title, subtitle, above_pt=12.0 if by is None else 30.0
    )
    canvas.footer(ax, look, synthetic=synthetic, whole_figure=whole_figure)
    return ax


def _rows_counted(rows: Sequence[dict[str, Any]], groups: int) -> int:
    """Return how many rows have a score of the strongest expression, over all groups."""
    return sum(row["n_rows"] for row in rows[:groups])


def _new_axes(names: Sequence[str], groups: int, *, room_for_groups: bool) -> Axes:
    left_in = 0.35 + max(words.text_width_in(name, canvas.LABEL_PT) for name in names)
    height_in = len(names) * max(_ROW_IN, _GROUP_IN * groups + 0.1)
    above_in = 1.02 if room_for_groups else 0.78
    return canvas.new_axes(_WIDTH_IN, [height_in], left_in=left_in, right_in=0.65, above_in=above_in, below_in=0.95, gap_in=0.0)[
        0
    ]


def _rulers(ax: Axes, names: Sequence[str], rows: Sequence[dict[str, Any]], label: str, look: Theme) -> None:
    ends = ("mean",) if rows[0][MEASURE] == PRESENCE else ("mean", "q25", "q75")
    low = min(0.0, *(row[end] for row in rows if row["n_rows"] for end in ends))
    high = max(row[end] for row in rows if row["n_rows"] for end in ends)
    ax.set_xlim(low, (high + 0.04 * (high - low)) if high > low else low + 1.0)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_yticks(range(len(names)), [words.shown(name) for name in names])
    ax.tick_params(axis="y", colors=look.text)
    ax.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    ax.grid(True, axis="x", color=look.grid, linewidth=0.8)
    ax.set_xlabel(label, color=look.muted, fontsize=canvas.LABEL_PT, labelpad=6)


def _draw(ax: Axes, row: dict[str, Any], y: float, colour: str, *, with_half: bool) -> None:
    if row["n_rows"] == 0:
        return
    if with_half:
        ax.plot([row["q25"], row["q75"]], [y, y], color=colour, linewidth=4.5, alpha=0.38, solid_capstyle="round", zorder=2)
    ax.plot([row["mean"]], [y], color=colour, marker="o", markersize=7, markeredgewidth=0, zorder=3, clip_on=False)


def _write_means(ax: Axes, means: Sequence[float], look: Theme) -> None:
    digits = 2 if max(means) >= 0.1 else 3
    for y, mean in enumerate(means):
        ax.annotate(
            f"{mean:.{digits}f}",
            (1.0, y),
            (8.0, 0.0),
            xycoords=ax.get_yaxis_transform(),
            textcoords="offset points",
            va="center_baseline",
            color=look.muted,
            fontsize=canvas.LABEL_PT,
            annotation_clip=False,
        )


def _name_groups(ax: Axes, names: Sequence[str], palette: Sequence[str], look: Theme) -> None:
    """Write the groups' names in their colours, one beside the other above the axes."""
    room_in = canvas.figure_of(ax).get_size_inches()[0] * (1 - ax.get_position().x0) - 0.2
    between_in = _BETWEEN_GROUPS_PT / 72
    if sum(words.text_width_in(name, canvas.SMALL_PT, bold=True) + between_in for name in names) > room_in:
        names = [words.fitted(name, canvas.SMALL_PT, room_in / len(names) - between_in, bold=True) for name in names]
    at_pt = 0.0
    for name, colour in zip(names, palette, strict=True):
        canvas.note(ax, name, (0.0, 1.0), (at_pt, 10.0), readable(colour, look), bold=True)
        at_pt += words.text_width_in(name, canvas.SMALL_PT, bold=True) * 72 + _BETWEEN_GROUPS_PT
