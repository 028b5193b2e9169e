"""Names beside the ends of lines, so that no legend is needed; moved apart where they would cover one another."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.text import Annotation

from humeanalytics.plot import words
from humeanalytics.plot.canvas import LABEL_PT, figure_of
from humeanalytics.plot.theme import Theme, readable

LINE_HEIGHT_PT = 1.3 * LABEL_PT
_LEADER_PT = 14.0


def spread(wanted: Sequence[float], distance: float, low: float, high: float) -> list[float]:
    """Return places near the wanted ones, in the same order, at least ``distance`` apart and within ``low`` to ``high``.

    The places are those with the least squared distance from the wanted ones. Where they do not all fit, they are evenly spaced.

    >>> spread([1.0, 1.0, 5.0], 1.0, 0.0, 10.0)
    [0.5, 1.5, 5.0]
    """
    count = len(wanted)
    if count == 0:
        return []
    if (count - 1) * distance > high - low:
        distance = (high - low) / (count - 1)
    order = sorted(range(count), key=lambda at: wanted[at])
    # Without the distances already due, the places need only not fall: blocks that would, take their mean.
    blocks: list[tuple[float, int]] = []
    for rank, at in enumerate(order):
        blocks.append((wanted[at] - rank * distance, 1))
        while len(blocks) > 1 and blocks[-2][0] >= blocks[-1][0]:
            (mean, size), (other, more) = blocks[-2:]
            blocks[-2:] = [((mean * size + other * more) / (size + more), size + more)]
    level = [mean for mean, size in blocks for _ in range(size)]
    places = [0.0] * count
    for rank, at in enumerate(order):
        places[at] = min(max(level[rank], low), high - (count - 1) * distance) + rank * distance
    return places


def label_ends(
    ax: Axes, ends: Sequence[tuple[float, float]], names: Sequence[str], colours: Sequence[str], theme: Theme
) -> list[Annotation]:
    """Write each name to the right of the end of its line (in data units), with a thin line between where it was moved.

    The limits of the axes must be what they will stay.
    """
    if not ends:
        return []
    extent, dpi = ax.get_window_extent(), figure_of(ax).dpi
    width_pt, height_pt = extent.width * 72 / dpi, extent.height * 72 / dpi
    to_axes = ax.transData + ax.transAxes.inverted()
    levels_pt = [float(to_axes.transform(end)[1]) * height_pt for end in ends]
    places_pt = spread(levels_pt, LINE_HEIGHT_PT, LABEL_PT / 2, height_pt - LABEL_PT / 2)
    furthest = max(x for x, _ in ends)
    labels = []
    for (x, y), level_pt, place_pt, name, colour in zip(ends, levels_pt, places_pt, names, colours, strict=True):
        behind_pt = float(to_axes.transform((furthest, y))[0] - to_axes.transform((x, y))[0]) * width_pt
        leader = {
            "arrowstyle": "-",
            "color": colour,
            "linewidth": 1.4,
            "alpha": 0.8,
            "shrinkA": 1.5,
            "shrinkB": 3.5,
            "relpos": (0, 0.5),
        }
        labels.append(
            ax.annotate(
                words.shown(name),
                (x, y),
                (behind_pt + _LEADER_PT, place_pt - level_pt),
                textcoords="offset points",
                ha="left",
                va="center",
                color=readable(colour, theme),
                fontsize=LABEL_PT,
                fontfamily=words.families(),
                annotation_clip=False,
                arrowprops=leader,
            )
        )
    return labels
