"""Pictures from frames, with matplotlib.

A function takes any frame and an ``Axes`` (or makes one) and returns the ``Axes``. What must not enter: fetching,
statistics (``analysis`` has them), ``show()``.

An ``Axes`` of yours has to have room for title and labels: ``Figure(layout="constrained")`` makes it.

Figures are made without pyplot, so none stays in memory and no display is needed; in a notebook the ``Axes`` shows itself.
"""

from __future__ import annotations

from humeanalytics.plot.agreements import agreement
from humeanalytics.plot.canvas import save
from humeanalytics.plot.distributions import distribution
from humeanalytics.plot.film import faces
from humeanalytics.plot.forests import compare
from humeanalytics.plot.heatmaps import heatmap
from humeanalytics.plot.rankings import top
from humeanalytics.plot.strips import coverage
from humeanalytics.plot.timelines import timeline
from humeanalytics.plot.transcripts import transcript

__all__ = ["agreement", "compare", "coverage", "distribution", "faces", "heatmap", "save", "timeline", "top", "transcript"]
