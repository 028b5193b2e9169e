"""How scores are spread within groups, and where the means of units lie in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from humeanalytics.analysis import frames
from humeanalytics.analysis.covered_time import Floats
from humeanalytics.analysis.observations import BY_TIME, PRESENCE
from humeanalytics.errors import UsageError
from humeanalytics.plot import canvas, words
from humeanalytics.plot.groups import Groups, counted, grouped, plural
from humeanalytics.plot.theme import Theme, ThemeName, readable, series_colours, theme_of

_WIDTH_IN, _ROW_IN, _COUNTS_IN, _NAME_IN = 8.2, 0.62, 1.75, 2.2
_BINS, _MOST_EXPRESSIONS, _MOST_GROUPS = 40, 8, 8
#: How much of a row is for the spread of scores, and how much below it for the dots.
_SPREAD_SHARE, _DOTS_SHARE = 0.58, 0.34


def distribution(
    frame: Any,
    expressions: Sequence[str] | str | None = None,
    *,
    by: str | None = None,
    unit: str | None = None,
    k: int = 4,
    mixed_settings: bool = False,
    ax: Axes | None = None,
    theme: ThemeName = "light",
    title: str | None = None,
    synthetic: bool | None = None,
) -> Axes:
    """Draw how the scores of each group are spread, and below them a dot for each unit: its mean.

    The spread is counted in 40 equal steps, by the time rows newly cover, and not smoothed; all groups have the same
    area. The dots show how many independent things there are: whether groups differ is a question about dots, not about areas.

    Args:
        frame: A Query, pyarrow, pandas or polars frame with a column an expression.
        expressions: At most eight, by column or by Hume's name; the ``k`` with the highest means where left out. A panel
            each.
        by: A column whose values are the groups, or ``recording`` or ``speaker``; at most eight. All rows are one where left out.
        unit: The label of what is independent; where left out a label of people (``participant``), else the recording.
        k: How many expressions, where none is named.
        mixed_settings: Take rows that were scored with different settings together.
        ax: Where to draw; a new figure where left out. For one expression only.
        theme: ``light`` or ``dark``.
        title: What to write above it.
        synthetic: Mark the picture as one of scores that nobody measured; what the frame says of itself where left out.

    Returns:
        The axes, in a figure without pyplot; of several expressions the uppermost, the others in ``ax.figure.axes``.

    Raises:
        UsageError: Nothing to draw, too many groups or expressions, v1's presence (which is 0 or 1), or no such name.

    Examples:
        >>> ax = distribution(lake["prosody_labelled"], ["joy", "calmness"], by="condition")  # doctest: +SKIP
    """
    look = theme_of(theme)
    synthetic = frames.is_synthetic(frame) if synthetic is None else synthetic
    groups = grouped(frame, expressions, by, unit, find_unit=True, mixed_settings=mixed_settings)
    if groups.observations.measure == PRESENCE:
        raise UsageError("Presence is 0 or 1, so it is not spread. Draw its shares with plot.heatmap or plot.compare.")
    if len(groups.names) > _MOST_GROUPS:
        raise UsageError(f"{by} has {len(groups.names)} values; {_MOST_GROUPS} at most fit into one picture.")
    chosen = _chosen(groups, named=expressions is not None, k=k)
    if ax is not None and len(chosen) > 1:
        raise UsageError(f"{len(chosen)} expressions do not fit into one Axes: name one, or leave out ax.")
    palette = series_colours(groups.names, "accessible", look)
    subtitle = _subtitle(groups)
    whole_figure = ax is None
    panels = [ax] if ax is not None else _new_panels(groups, len(chosen), subtitle)
    edges = _edges(groups, chosen)
    means = groups.means_of_units()
    for panel, column in zip(panels, chosen, strict=True):
        canvas.style(panel, look, whole_figure=whole_figure)
        _rulers(panel, groups, edges, palette, look)
        _draw(panel, groups, column, edges, means[:, column], palette, look)
        if len(chosen) > 1:
            canvas.note(panel, groups.labels[column], (0.0, 1.0), (0.0, 4.0), look.text, bold=True)
    for panel in panels[:-1]:
        panel.tick_params(labelbottom=False)
    panels[-1].set_xlabel(groups.observations.measure, color=look.muted, fontsize=canvas.LABEL_PT, labelpad=6)
    if title is None:
        title = groups.labels[chosen[0]] if len(chosen) == 1 else "Spread of scores"
        title += "" if by is None else f" by {by.removesuffix('_id').replace('_', ' ')}"
    canvas.headline(panels[0], look, title, subtitle, above_pt=12.0 if len(chosen) == 1 else 26.0)
    scales = "Different expressions are on different scales." if len(chosen) > 1 else ""
    canvas.footer(panels[-1], look, synthetic=synthetic, whole_figure=whole_figure, said=scales)
    return panels[0]


def _chosen(groups: Groups, *, named: bool, k: int) -> list[int]:
    """Return which columns to draw: those that were named and have a score, or those with the highest means."""
    if k < 1:
        raise UsageError(f"k is {k}; at least one expression must be drawn.")
    known = [at for at, column in enumerate(groups.columns) if np.isfinite(groups.observations.scores(column)).any()]
    if not known:
        raise UsageError(f"Nothing to draw: no row has a score of {', '.join(groups.labels[:6])}.")
    if not named:
        means = {at: float(np.nanmean(groups.observations.scores(groups.columns[at]))) for at in known}
        known = sorted(known, key=lambda at: -means[at])[:k]
    if len(known) > _MOST_EXPRESSIONS:
        raise UsageError(f"{len(known)} expressions do not fit into one picture; name {_MOST_EXPRESSIONS} at most.")
    return known


def _subtitle(groups: Groups) -> str:
    weighed = "time scored" if groups.observations.method == BY_TIME else "rows"
    said = [f"Area: share of the {weighed}, in {_BINS} steps"]
    if groups.unit is None:
        said.append("the frame does not tell what is independent, so there are no dots")
    else:
        said.append(f"dot: the mean of one {plural(groups.unit)[:-1]}, bar: their mean")
    if groups.n_unlabelled:
        said.append(f"{counted(groups.n_unlabelled, 'row')} without {groups.unit} left out")
    return "; ".join(said)


def _new_panels(groups: Groups, count: int, subtitle: str) -> list[Axes]:
    left_in = 0.35 + max(min(words.text_width_in(name, canvas.LABEL_PT), _NAME_IN) for name in groups.names)
    return list(
        canvas.new_axes(
            _WIDTH_IN,
            [_ROW_IN * len(groups.names)] * count,
            left_in=left_in,
            right_in=_COUNTS_IN,
            above_in=canvas.headroom_in(subtitle, _WIDTH_IN - left_in - 0.2, above_pt=12.0 if count == 1 else 26.0),
            below_in=0.95,
            gap_in=0.36,
        )
    )


def _edges(groups: Groups, chosen: Sequence[int]) -> Floats:
    scores = [groups.observations.scores(groups.columns[at]) for at in chosen]
    low, high = min(float(np.nanmin(each)) for each in scores), max(float(np.nanmax(each)) for each in scores)
    low = min(low, 0.0) if groups.observations.measure == "score" else low
    return np.linspace(low, high if high > low else low + 1.0, _BINS + 1)


def _rulers(ax: Axes, groups: Groups, edges: Floats, palette: Sequence[str], look: Theme) -> None:
    rows = len(groups.names)
    margin = 0.015 * (edges[-1] - edges[0])
    ax.set_xlim(edges[0] - margin, edges[-1] + margin)
    ax.set_ylim(rows - 0.5, -0.5)
    names = [words.shown(words.fitted(name, canvas.LABEL_PT, _NAME_IN)) for name in groups.names]
    ax.set_yticks(range(rows), names)
    for label, colour in zip(ax.get_yticklabels(), palette, strict=True):
        label.set_color(readable(colour, look))
    ax.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    ax.grid(True, axis="x", color=look.grid, linewidth=0.8)


def _draw(ax: Axes, groups: Groups, column: int, edges: Floats, means: Floats, palette: Sequence[str], look: Theme) -> None:
    scores = groups.observations.scores(groups.columns[column])
    weight = groups.observations.weight
    shares = [_shares(scores, weight, groups.of == at, edges) for at in range(len(groups.names))]
    highest = max(float(each.max()) for each in shares)
    for at, colour in enumerate(palette):
        base = at - 0.5 + 0.06 + _SPREAD_SHARE
        ax.axhline(base, color=look.grid, linewidth=0.8, zorder=1)
        here = np.isfinite(scores) & (groups.of == at)
        if not here.any():
            ax.annotate(
                "no score",
                (0.0, base),
                (4.0, 3.0),
                xycoords=ax.get_yaxis_transform(),
                textcoords="offset points",
                color=look.muted,
                fontsize=canvas.SMALL_PT,
            )
            continue
        tops = base - shares[at] / highest * _SPREAD_SHARE
        ax.stairs(tops, edges, baseline=base, fill=True, color=colour, alpha=0.42, linewidth=0, zorder=2)
        ax.stairs(np.where(shares[at] > 0, tops, np.nan), edges, baseline=None, color=colour, linewidth=1.0, zorder=2.5)
        own = groups.cell_means[groups.cell_group == at, column]
        own = np.sort(own[np.isfinite(own)])
        if len(own):
            down, size = _stacked(own, edges)
            ax.scatter(own, base + 0.06 + down * (_DOTS_SHARE - 0.06), s=size, color=colour, linewidths=0, zorder=3)
            ax.plot([means[at]] * 2, [base, base + _DOTS_SHARE], color=look.text, linewidth=1.4, zorder=4)
        said = f"{int(here.sum()):,} rows" if groups.unit is None else f"n = {len(own):,}; {counted(int(here.sum()), 'row')}"
        ax.annotate(
            said,
            (1.0, at),
            (10.0, 0.0),
            xycoords=ax.get_yaxis_transform(),
            textcoords="offset points",
            va="center",
            color=look.muted,
            fontsize=canvas.SMALL_PT,
            annotation_clip=False,
        )


def _shares(scores: Floats, weight: Floats | None, here: Any, edges: Floats) -> Floats:
    """Return how much of a group's time, or of its rows, is in each step."""
    known = here & np.isfinite(scores)
    weights = None if weight is None or weight[known].sum() <= 0 else weight[known]
    counts = np.histogram(scores[known], edges, weights=weights)[0].astype(np.float64)
    return counts / (counts.sum() or 1.0)


def _stacked(values: Floats, edges: Floats) -> tuple[Floats, float]:
    """Return how far down, 0 to 1, each of the sorted dots is moved so that equal ones can be told apart; and their size."""
    step = (edges[-1] - edges[0]) / 70
    places = np.floor((values - edges[0]) / step)
    first = np.searchsorted(places, places)
    rank = np.arange(len(values)) - first
    deepest = int(rank.max(initial=0))
    return rank / max(deepest, 3), 14.0 if deepest <= 4 else 7.0
