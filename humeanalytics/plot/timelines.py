"""Scores over the time of a recording."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from posixpath import basename
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from humeanalytics.analysis import frames, over_time
from humeanalytics.analysis.observations import MEASURE
from humeanalytics.analysis.strongest import top
from humeanalytics.errors import UsageError
from humeanalytics.plot import canvas, words
from humeanalytics.plot.labels import LINE_HEIGHT_PT, label_ends
from humeanalytics.plot.theme import ColoursName, Theme, ThemeName, series_colours, theme_of
from humeanalytics.plot.time_axis import set_time_axis
from humeanalytics.plot.traces import Trace, draw, trace_of

_WIDTH_IN, _ALONE_HEIGHT_IN, _PANEL_HEIGHT_IN = 9.0, 3.1, 1.35
_MAX_PEOPLE = 6
#: Lines of more points than can be told apart are drawn as means instead, over fewer cells, and the picture says so.
_MAX_POINTS, _MAX_CELLS = 1000, 400
_FINE_FROM = 250
#: A recording in which somebody speaks so early is drawn from its beginning on.
_BEGINNING_SHARE = 0.2
_NICE_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)


def timeline(
    frame: Any,
    expressions: Sequence[str] | str | None = None,
    *,
    k: int = 4,
    recording: str | None = None,
    person: str | None = None,
    every_s: float | None = None,
    smooth_s: float | None = None,
    gap_s: float | None = None,
    ax: Axes | None = None,
    theme: ThemeName = "light",
    colours: ColoursName = "accessible",
    title: str | None = None,
    synthetic: bool | None = None,
) -> Axes:
    """Draw the scores of one recording over its time.

    Speech and text are drawn as bars as long as what was scored, joined by a thin line; faces and overlapping windows as
    lines. A line ends at a gap (silence of more than ``gap_s``) and begins again after it. Several speakers or faces get a
    panel each, one below the other: the six with most rows.

    Args:
        frame: A Query, pyarrow, pandas or polars frame with expressions and ``begin_s`` and ``end_s``, or ``time_s``. Or several
            of one recording by the name of their modality, ``{"face": ..., "voice": ...}``: each has its panels, on one clock.
        expressions: By column or by Hume's name; the ``k`` with the highest means where left out.
        recording: Which, where the frame holds several: its id, the beginning of its id, or its file.
        person: Only this ``speaker_id`` or ``face_id``; needed with ``ax`` where there are several.
        every_s: Draw means over so many seconds. A recording of more points than can be told apart is drawn so anyway.
        smooth_s: A centred moving mean over so many seconds; never reaches over a gap.
        gap_s: Silence longer than this ends a line; three typical windows where left out.
        ax: Where to draw; a new figure where left out.
        theme: ``light`` or ``dark``.
        colours: ``accessible``, or ``hume`` for Hume's own colours.
        title: The file's name where left out.
        synthetic: Mark the picture as one of scores that nobody measured; what the frame says of itself where left out.

    Returns:
        The axes, in a figure without pyplot (`save` writes it, a notebook shows it); of several panels the uppermost, the
        others in ``ax.figure.axes``.

    Raises:
        UsageError: The frame has nothing to draw, or several recordings, or a name that is not there; says what to choose from.

    Examples:
        >>> ax = timeline(lake["prosody"], ["joy", "calmness"], recording="interview.wav")  # doctest: +SKIP
    """
    look = theme_of(theme)
    modalities = frame if isinstance(frame, Mapping) else {"": frame}
    synthetic = any(frames.is_synthetic(each) for each in modalities.values()) if synthetic is None else synthetic
    if len(modalities) > 1 and person is not None:
        raise UsageError("A face_id is not a speaker_id: choose the person's rows in each frame, and leave out person.")
    rows_of = {name: _rows_of(each, expressions, recording) for name, each in modalities.items()}
    rows = _of_one_recording(rows_of)
    columns = _columns_of(rows_of, expressions, k)
    labels = [frames.label_of(rows.schema.field(column)) for column in columns]
    parts = [
        _Part.of(name, its, columns, person=person, every_s=every_s, smooth_s=smooth_s, gap_s=gap_s)
        for name, its in rows_of.items()
    ]
    named = [(name, trace) for part in parts for name, trace in part.traces]
    if ax is not None and len(named) > 1:
        names = ", ".join(repr(name) for name, _ in named)
        raise UsageError(f"Several people do not fit into one Axes: choose one with person=..., of {names}, or leave out ax.")
    traces = [trace for _, trace in named]
    if not any(np.isfinite(trace.scores).any() for trace in traces):
        raise UsageError(f"Nothing to draw: no row of this recording has a time and a score of {', '.join(labels)}.")
    palette = series_colours(columns, colours, look)
    subtitle = "; ".join(part.said(smooth_s) for part in parts)
    panels = [ax] if ax is not None else _new_panels(len(named), labels, subtitle)
    _set_limits(panels, traces)
    fine = max(len(trace.begin_s) for trace in traces) > _FINE_FROM
    for panel, (name, trace) in zip(panels, named, strict=True):
        canvas.style(panel, look, whole_figure=ax is None)
        _rulers(panel, look, canvas.label_of_measure(trace.measure), ticks=5 if len(named) == 1 else 3)
        ends = draw(panel, trace, labels, palette, fine=fine)
        drawn = [at for at, end in enumerate(ends) if end is not None]
        label_ends(
            panel, [end for end in ends if end is not None], [labels[at] for at in drawn], [palette[at] for at in drawn], look
        )
        if len(named) > 1:
            canvas.note(panel, name or "unknown", (0.0, 1.0), (0.0, 4.0), look.text, bold=True)
    for panel in panels[:-1]:
        panel.tick_params(labelbottom=False)
    panels[-1].set_xlabel("time in the recording (m:ss)", color=look.muted, fontsize=canvas.LABEL_PT, labelpad=6)
    canvas.headline(
        panels[0], look, _file_of(rows) if title is None else title, subtitle, above_pt=12.0 if len(named) == 1 else 26.0
    )
    scales = (
        canvas.SCALES if len(parts) == 1 else "Different expressions are on different scales, and so are different modalities."
    )
    canvas.footer(panels[-1], look, synthetic=synthetic, whole_figure=ax is None, said=scales)
    return panels[0]


def _rows_of(frame: Any, expressions: Sequence[str] | str | None, recording: str | None) -> pa.Table:
    """Return the rows of the one recording, of the columns that matter."""
    times = ("begin_s", "end_s", "time_s")
    keys = (*frames.RECORDING_COLUMNS, *frames.NAME_COLUMNS, "scoring_id", *frames.PERSON_COLUMNS, MEASURE, *times)

    def wanted(schema: pa.Schema) -> list[str]:
        return [*(name for name in keys if name in schema.names), *frames.chosen_columns(schema, expressions)]

    rows = frames.one_recording(frames.read_columns(frame, wanted), recording)
    if rows.num_rows == 0:
        raise UsageError("Nothing to draw: the frame has no rows.")
    return rows


def _of_one_recording(rows_of: Mapping[str, pa.Table]) -> pa.Table:
    """Return the rows of the first modality, having made sure that the others are of the same recording."""
    if not rows_of:
        raise UsageError("There is no modality: pass frames by name, such as {'face': lake['face'], 'voice': lake['prosody']}.")
    ids = {name: rows["recording_id"][0].as_py() for name, rows in rows_of.items() if "recording_id" in rows.column_names}
    if len(set(ids.values())) > 1:
        raise UsageError(f"{' and '.join(ids)} are of different recordings; choose one with recording=...")
    return next(iter(rows_of.values()))


def _columns_of(rows_of: Mapping[str, pa.Table], expressions: Sequence[str] | str | None, k: int) -> list[str]:
    """Return the columns to draw: of several modalities the strongest of the first that the others have too."""
    first, *others = rows_of.values()
    if expressions is not None:
        return frames.chosen_columns(first.schema, expressions)
    shared = [name for name in frames.chosen_columns(first.schema, None) if all(name in each.column_names for each in others)]
    if not shared:
        raise UsageError(f"{' and '.join(rows_of)} have no expression in common.")
    strongest: list[str] = top(first, k, expressions=shared)["column"].to_pylist()
    if not strongest:
        raise UsageError("Nothing to draw: no row of the frame has a score.")
    return strongest


@dataclass(frozen=True, slots=True)
class _Part:
    """What is drawn of one modality: the traces of its people by name, in cells of so many seconds where there are any."""

    modality: str
    traces: list[tuple[str | None, Trace]]
    every_s: float | None
    n_people: int

    @staticmethod
    def of(
        modality: str,
        rows: pa.Table,
        columns: Sequence[str],
        *,
        person: str | None,
        every_s: float | None,
        smooth_s: float | None,
        gap_s: float | None,
    ) -> _Part:
        every_s = _cell_s(rows, person) if every_s is None else every_s
        scores = over_time.timeline(rows, columns, person=person, every_s=every_s, gap_s=gap_s, smooth_s=smooth_s)
        counts = {each["values"]: each["counts"] for each in pc.value_counts(scores["person"]).to_pylist()}
        people = _most_present(counts)
        named = [name if not modality else modality if len(people) == 1 else f"{modality} {name or 'unknown'}" for name in people]
        traces = [trace_of(scores, name, columns, whole_cells=every_s is not None) for name in people]
        return _Part(modality, list(zip(named, traces, strict=True)), every_s, len(counts))

    def said(self, smooth_s: float | None) -> str:
        shown = len(self.traces)
        left_out = "" if self.n_people <= shown else f"{shown} of {self.n_people} people"
        said = _subtitle([trace for _, trace in self.traces], self.every_s, smooth_s, left_out)
        return f"{self.modality}: {said[0].lower()}{said[1:]}" if self.modality else said


def _file_of(rows: pa.Table) -> str:
    told = next((name for name in ("file", *frames.NAME_COLUMNS) if name in rows.column_names), None)
    file = None if told is None else frames.texts(rows, told)[0].as_py()
    return basename(file) if file else "Expression over time"


def _most_present(counts: Mapping[str | None, int]) -> list[str | None]:
    """Return the people with most rows, in the order in which they were counted: that of their names."""
    kept = sorted(counts, key=lambda name: -counts[name])[:_MAX_PEOPLE]
    return [name for name in counts if name in kept] or [None]


def _cell_s(rows: pa.Table, person: str | None) -> float | None:
    """Return over how many seconds to take means, None where all can be drawn as it is."""
    by = frames.person_column(rows.schema)
    count = rows.num_rows
    if by is not None and count > _MAX_POINTS:
        counts = {each["values"]: each["counts"] for each in pc.value_counts(frames.texts(rows, by)).to_pylist()}
        count = max(counts.values()) if person is None else counts.get(person, 0)
    if count <= _MAX_POINTS:
        return None
    begin, end = (frames.numbers(rows, name if name in rows.column_names else "time_s") for name in ("begin_s", "end_s"))
    length = float(np.nanmax(end) - np.nanmin(begin)) if np.isfinite(begin).any() and np.isfinite(end).any() else 0.0
    return next((float(cell) for cell in _NICE_S if length / cell <= _MAX_CELLS), length / _MAX_CELLS)


def _new_panels(count: int, labels: Sequence[str], subtitle: str) -> list[Axes]:
    right_in = 0.42 + max(words.text_width_in(label, canvas.LABEL_PT) for label in labels)
    panel_in = _ALONE_HEIGHT_IN if count == 1 else max(_PANEL_HEIGHT_IN, (len(labels) + 0.5) * LINE_HEIGHT_PT / 72)
    return list(
        canvas.new_axes(
            _WIDTH_IN,
            [panel_in] * count,
            left_in=0.75,
            right_in=right_in,
            above_in=canvas.headroom_in(subtitle, _WIDTH_IN - 0.75 - 0.2, above_pt=12.0 if count == 1 else 26.0),
            below_in=0.95,
            gap_in=0.4,
        )
    )


def _set_limits(panels: Sequence[Axes], traces: Sequence[Trace]) -> None:
    """Give all panels the same limits: the same time and the same height are then in the same place."""
    begin = min(float(trace.begin_s.min()) for trace in traces if len(trace.begin_s))
    end = max(float(trace.end_s.max()) for trace in traces if len(trace.end_s))
    if 0 < begin < _BEGINNING_SHARE * end:
        begin = 0.0
    margin_s = 0.01 * (end - begin) or 0.5
    low = min(0.0, *(float(np.nanmin(t.scores)) for t in traces if np.isfinite(t.scores).any()))
    high = max(float(np.nanmax(t.scores)) for t in traces if np.isfinite(t.scores).any())
    height = (high - low) or 1.0
    for panel in panels:
        panel.set_xlim(begin - margin_s, end + margin_s)
        panel.set_ylim(low - 0.025 * height, high + 0.08 * height)


def _rulers(panel: Axes, look: Theme, label: str, *, ticks: int) -> None:
    panel.yaxis.set_major_locator(MaxNLocator(ticks, steps=[1, 2, 2.5, 5, 10]))
    panel.grid(True, axis="y", color=look.grid, linewidth=0.8)
    panel.set_ylabel(label, color=look.muted, fontsize=canvas.LABEL_PT, labelpad=8)
    set_time_axis(panel.xaxis)


def _subtitle(traces: Sequence[Trace], every_s: float | None, smooth_s: float | None, left_out: str) -> str:
    if every_s is not None:
        said = [f"means over {every_s:g} s"]
    elif any(trace.is_bars for trace in traces):
        said = ["a bar is one scored stretch"]
    elif any((trace.end_s > trace.begin_s).any() for trace in traces):
        said = ["overlapping windows, at their middles"]
    elif any((trace.n_rows > 1).any() for trace in traces):
        said = ["frame by frame, the mean of faces that were not told apart"]
    else:
        said = ["frame by frame"]
    if smooth_s is not None:
        said.append(f"moving mean of {smooth_s:g} s")
    if left_out:
        said.append(left_out)
    text = ", ".join(said)
    return text[0].upper() + text[1:]
