"""Rows of a forest: a dot, the line of its interval, and numbers beside it; what passes a test is filled and bold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from humeanalytics.errors import UsageError
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


@dataclass(frozen=True, slots=True)
class Forest:
    """A picture of intervals: a panel for each pair of things, one below the other.

    Attributes:
        width_in: How wide it is.
        numbers_in: How much of that the numbers to the right take.
        heads_pt: What the numbers are called, and where their right edges are, in points from the axes.
    """

    width_in: float
    numbers_in: float
    heads_pt: tuple[tuple[str, float], ...]

    def draw(
        self, ax: Axes | None, pairs: Sequence[Sequence[Interval]], subtitle: str, reach: tuple[float, float], look: Theme
    ) -> list[Axes]:
        """Draw into ``ax``, or into panels of a new figure with room for labels, numbers and the words above; return them."""
        panels = [ax] if ax is not None else self._new_panels(pairs, subtitle)
        for panel, rows in zip(panels, pairs, strict=True):
            canvas.style(panel, look, whole_figure=ax is None)
            draw_intervals(panel, rows, self.heads_pt, reach, look)
        return panels

    def _new_panels(self, pairs: Sequence[Sequence[Interval]], subtitle: str) -> list[Axes]:
        labels = [row.label for rows in pairs for row in rows]
        left_in = 0.35 + max(words.text_width_in(label, canvas.LABEL_PT, bold=True) for label in labels)
        return list(
            canvas.new_axes(
                self.width_in,
                [ROW_IN * len(rows) + 0.1 for rows in pairs],
                left_in=left_in,
                right_in=self.numbers_in,
                above_in=canvas.headroom_in(subtitle, self.width_in - left_in - 0.2, above_pt=above_pt(len(pairs))),
                below_in=0.95,
                gap_in=0.78,
            )
        )


def above_pt(n_panels: int) -> float:
    """Return the room between the title and the first panel: several have a heading each."""
    return 30.0 if n_panels == 1 else 46.0


def check_choice(k: int | None, discoveries: float) -> None:
    """Refuse a number of rows, or a share of false discoveries, that cannot be.

    Raises:
        UsageError: It cannot.
    """
    if not 0 < discoveries < 1:
        raise UsageError(f"discoveries is {discoveries:g}; it is a share between 0 and 1, such as 0.05.")
    if k is not None and k < 1:
        raise UsageError(f"k is {k}; at least one expression must be drawn.")


def signed(number: float | None, digits: int = 3) -> str:
    """Return a number with its sign, a dash where there is none."""
    return "\N{EN DASH}" if number is None else f"{number:+.{digits}f}".replace("-", "\N{MINUS SIGN}")


def small(number: float | None) -> str:
    """Return a p or q."""
    return "\N{EN DASH}" if number is None else "< 0.001" if number < 0.001 else f"{number:.3f}"
