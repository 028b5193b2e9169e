"""The lines of one person: bars for stretches of speech, lines for frames, and nothing across a gap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from humeanalytics.analysis import frames
from humeanalytics.analysis.covered_time import Floats, Integers
from humeanalytics.analysis.observations import MEASURE, PRESENCE, SCORE

#: From so many points on, dots would run into one another.
_MAX_DOTS = 60
_OVERLAPPING_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Trace:
    """What is drawn of one person, in order of time; ``scores`` has a column an expression, NaN where there is none."""

    begin_s: Floats
    end_s: Floats
    stretch: Integers
    n_rows: Integers
    scores: Floats
    is_bars: bool
    measure: str

    @property
    def middle_s(self) -> Floats:
        return (self.begin_s + self.end_s) / 2


def trace_of(scores: pa.Table, person: str | None, columns: Sequence[str], *, whole_cells: bool) -> Trace:
    """Return one person's part of what `timeline` gave.

    Args:
        whole_cells: The rows are cells of a grid, not what was scored: a line, no bars.
    """
    is_person = pc.is_null(scores["person"]) if person is None else pc.equal(scores["person"], person)
    part = scores.filter(is_person)
    begin_s, end_s = frames.numbers(part, "begin_s"), frames.numbers(part, "end_s")
    overlapping = np.mean(begin_s[1:] < end_s[:-1] - 1e-9) if len(begin_s) > 1 else 0.0
    is_bars = not whole_cells and bool((end_s > begin_s).any()) and bool(overlapping < _OVERLAPPING_SHARE)
    values = np.column_stack([frames.numbers(part, column) for column in columns]).reshape(-1, len(columns))
    measure = str(scores[MEASURE][0]) if scores.num_rows else SCORE
    return Trace(begin_s, end_s, part["stretch"].to_numpy(), part["n_rows"].to_numpy(), values, is_bars, measure)


def draw(
    ax: Axes, trace: Trace, labels: Sequence[str], colours: Sequence[str], *, fine: bool
) -> list[tuple[float, float] | None]:
    """Draw a trace, finely where there is much of it; return where each line ends, None where an expression has no score."""
    ends: list[tuple[float, float] | None] = []
    breaks = np.flatnonzero(np.diff(trace.stretch)) + 1
    for at, (label, colour) in enumerate(zip(labels, colours, strict=True)):
        scores = trace.scores[:, at]
        known = np.flatnonzero(np.isfinite(scores))
        x, y = np.insert(trace.middle_s, breaks, np.nan), np.insert(scores, breaks, np.nan)
        (line,) = ax.plot(x, y, color=colour, label=label, solid_joinstyle="round", solid_capstyle="round", zorder=2)
        if trace.is_bars:
            # What is there or not does not go from one to the other.
            line.set(linewidth=0.0 if trace.measure == PRESENCE else 0.9, alpha=0.4)
            bars = [[(trace.begin_s[row], scores[row]), (trace.end_s[row], scores[row])] for row in known]
            ax.add_collection(
                LineCollection(bars, colors=[colour], linewidths=3.2, capstyle="butt", zorder=3, label=f"_{label}"),
                autolim=False,
            )
        else:
            dots = range(len(y)) if len(known) <= _MAX_DOTS else _alone(y)
            line.set(
                linewidth=1.1 if fine else 1.7,
                marker="o",
                markersize=3.2,
                markeredgewidth=0,
                markevery=list(dots),
            )
        ends.append(
            (float((trace.end_s if trace.is_bars else trace.middle_s)[known[-1]]), float(scores[known[-1]]))
            if len(known)
            else None
        )
    return ends


def _alone(y: Floats) -> list[int]:
    """Return the points that have no neighbour: a line through one point is not seen."""
    known = np.concatenate(([False], np.isfinite(y), [False]))
    return [int(at) for at in np.flatnonzero(known[1:-1] & ~known[:-2] & ~known[2:])]
