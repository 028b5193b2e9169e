"""Rows of a forest: a dot, the line of its interval, and numbers beside it; what passes a test is filled and bold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from humeanalytics.plot import canvas, words
from humeanalytics.plot.theme import Theme

ROW_IN = 0.27


@dataclass(frozen=True, slots=True)
class Interval:
    """One row; ``low`` and ``high`` are None where there is no interval. ``numbers`` stand to the right of it."""

    label: str
    value: float
    low: float | None
    high: float | None
    passes: bool
    colour: str
    numbers: tuple[str, ...]


def draw_intervals(
    ax: Axes, rows: Sequence[Interval], heads_pt: Sequence[tuple[str, float]], reach: tuple[float, float], look: Theme
) -> None:
    """Draw rows from above.

    Args:
        heads_pt: What the numbers are called, and where their right edges are, in points from the axes.
        reach: From where to where the axis goes.
    """
    for y, row in enumerate(rows):
        colour = row.colour if row.passes else look.muted
        if row.low is not None and row.high is not None:
            ax.plot(
                [row.low, row.high], [y, y], color=colour, linewidth=2.4 if row.passes else 1.3, solid_capstyle="butt", zorder=2
            )
        face = colour if row.passes else look.background
        ax.plot([row.value], [y], "o", markersize=6.5, color=colour, markerfacecolor=face, markeredgewidth=1.3, zorder=3)
    ax.set_xlim(*reach)
    ax.set_ylim(len(rows) - 0.4, -0.7)
    ax.set_yticks(range(len(rows)), [words.shown(row.label) for row in rows])
    ax.tick_params(axis="y", colors=look.text)
    for label, row in zip(ax.get_yticklabels(), rows, strict=True):
        label.set_fontweight("bold" if row.passes else "normal")
    ax.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    ax.grid(True, axis="x", color=look.grid, linewidth=0.8)
    ax.axvline(0.0, color=look.muted, linewidth=1.0, zorder=1.5)
    for at, (head, right_pt) in enumerate(heads_pt):
        canvas.note(ax, head, (1.0, 1.0), (right_pt, 6.0), look.muted)
        for y, row in enumerate(rows):
            ax.annotate(
                row.numbers[at],
                (1.0, y),
                (right_pt, 0.0),
                xycoords=ax.get_yaxis_transform(),
                textcoords="offset points",
                ha="right",
                va="center_baseline",
                color=look.muted,
                fontsize=canvas.SMALL_PT,
                annotation_clip=False,
            )


def new_panels(
    labels: Sequence[str], counts: Sequence[int], subtitle: str, *, width_in: float, numbers_in: float, above_pt: float
) -> list[Axes]:
    """Return a panel for each count of rows, one below the other, with room for labels, numbers and the words above."""
    left_in = 0.35 + max(words.text_width_in(label, canvas.LABEL_PT, bold=True) for label in labels)
    return list(
        canvas.new_axes(
            width_in,
            [ROW_IN * count + 0.1 for count in counts],
            left_in=left_in,
            right_in=numbers_in,
            above_in=canvas.headroom_in(subtitle, width_in - left_in - 0.2, above_pt=above_pt),
            below_in=0.95,
            gap_in=0.78,
        )
    )


def signed(number: float | None, digits: int = 3) -> str:
    """Return a number with its sign, a dash where there is none."""
    return "\N{EN DASH}" if number is None else f"{number:+.{digits}f}".replace("-", "\N{MINUS SIGN}")


def small(number: float | None) -> str:
    """Return a p or q."""
    return "\N{EN DASH}" if number is None else "< 0.001" if number < 0.001 else f"{number:.3f}"
