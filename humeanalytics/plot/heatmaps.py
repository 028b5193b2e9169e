"""Expressions against groups, or against the time of one recording, as fields of colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from posixpath import basename
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from humeanalytics.analysis import frames, over_time
from humeanalytics.analysis.covered_time import Floats
from humeanalytics.analysis.observations import MEASURE, PRESENCE, SCORE, refuse_long
from humeanalytics.errors import UsageError
from humeanalytics.plot import canvas, words
from humeanalytics.plot.groups import counted, grouped, plural
from humeanalytics.plot.likeness import alike_first
from humeanalytics.plot.theme import Theme, ThemeName, colour_map, ink_on, theme_of
from humeanalytics.plot.time_axis import set_time_axis

Order = Literal["strength", "likeness", "given"]
_ORDERS = {"strength": "highest mean first", "likeness": "what rises and falls together stands together", "given": ""}
_WIDTH_IN, _LEAST_WIDTH_IN, _ROW_IN, _LOW_ROW_IN, _WIDEST_CELL_IN = 9.0, 6.2, 0.27, 0.19, 1.35
_LEAST_CELL_IN, _SCALE_ROOM_IN, _MOST_GROUPS, _MOST_CELLS = 0.2, 1.05, 400, 180
_NAME_IN = 1.7
_SLANT_DEGREES, _SLANT_COS, _SLANT_SIN = 40, 0.77, 0.65
#: What is left of means that are 0.
_ROUNDING = 1e-9
_NICE_S = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)


@dataclass(frozen=True, slots=True)
class _Field:
    """What is drawn: a row an expression, a column a group or a stretch of time."""

    values: Floats
    labels: list[str]
    names: list[str]
    edges_s: Floats | None
    measure: str
    what: str
    title: str

    @property
    def centre(self) -> float | None:
        """What is usual, where the values say how far from it each is."""
        how = self.measure.partition(" of ")[0]
        return {"z": 0.0, "difference": 0.0, "share": 1.0}.get(how)


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
        synthetic: Mark the picture as made of the sandbox's scores; what the frame says of itself where left out.

    Returns:
        The axes, in a figure without pyplot (`save` writes it, a notebook shows it).

    Raises:
        UsageError: Nothing to draw; more than 400 groups; several recordings or people and none is named; or no such name.

    Examples:
        >>> ax = heatmap(ha.baseline(lake["prosody_labelled"]), by="condition", k=12)  # doctest: +SKIP
    """
    look = theme_of(theme)
    if order not in _ORDERS:
        raise UsageError(f"order is {order!r}; it is one of {', '.join(_ORDERS)}.")
    if k is not None and k < 1:
        raise UsageError(f"k is {k}; at least one expression must be drawn.")
    synthetic = frames.is_synthetic(frame) if synthetic is None else synthetic
    if by is None:
        field = _of_time(frame, expressions, recording, person, every_s)
    else:
        field = _of_groups(frame, expressions, by, unit, mixed_settings=mixed_settings)
    field, left_out = _ordered(field, order, k)
    said = [field.what, *([_ORDERS[order]] if len(field.labels) > 2 and _ORDERS[order] else []), *left_out]
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


def _of_groups(frame: Any, expressions: Any, by: str, unit: str | None, *, mixed_settings: bool) -> _Field:
    groups = grouped(frame, expressions, by, unit, mixed_settings=mixed_settings)
    if len(groups.names) > _MOST_GROUPS:
        raise UsageError(
            f"{by} has {len(groups.names):,} values; {_MOST_GROUPS} at most can be told apart. Take a label that groups them."
        )
    means = groups.means() if unit is None else groups.means_of_units()
    measure = groups.observations.measure
    mean = "share of time above the cutoff" if measure == PRESENCE else f"mean {measure}"
    if unit is not None:
        what = f"A field is the mean of its {plural(unit)}' means"
        names = [f"{name}\nn = {n:,}" for name, n in zip(groups.names, groups.n_units, strict=True)]
        if groups.n_unlabelled:
            what += f" ({groups.n_unlabelled:,} rows have no {unit} and are left out)"
    else:
        names = groups.names
        what = f"A field is the {mean} of a group, {groups.observations.method}; {counted(int(groups.n_rows.sum()), 'row')}"
    return _Field(
        means.T, groups.labels, names, None, measure, what, f"Expressions by {by.removesuffix('_id').replace('_', ' ')}"
    )


def _of_time(frame: Any, expressions: Any, recording: str | None, person: str | None, every_s: float | None) -> _Field:
    def wanted(schema: pa.Schema) -> list[str]:
        refuse_long(schema)
        keys = (*frames.RECORDING_COLUMNS, "scoring_id", *frames.PERSON_COLUMNS, "begin_s", "end_s", "time_s", MEASURE)
        return [*(name for name in keys if name in schema.names), *frames.chosen_columns(schema, expressions)]

    rows = frames.one_recording(frames.read_columns(frame, wanted), recording)
    if rows.num_rows == 0:
        raise UsageError("Nothing to draw: the frame has no rows.")
    columns = frames.chosen_columns(rows.schema, expressions)
    whose = frames.person_column(rows.schema)
    if whose is not None and person is None:
        there = pc.unique(frames.texts(rows, whose)).to_pylist()
        if len(there) > 1:
            shown = ", ".join(repr(each) for each in there[:8])
            raise UsageError(f"Several people do not fit into one heatmap: choose one with person=..., of {shown}.")
    ends = [frames.numbers(rows, name if name in rows.column_names else "time_s") for name in ("begin_s", "end_s")]
    if not all(np.isfinite(each).any() for each in ends):
        raise UsageError("Nothing to draw: no row of this recording has a time.")
    length_s = float(np.nanmax(ends[1]) - min(np.nanmin(ends[0]), 0.0))
    if every_s is None:
        every_s = float(next((cell for cell in _NICE_S if length_s / cell <= _MOST_CELLS), length_s / _MOST_CELLS))
    scores = over_time.timeline(rows, columns, person=person, every_s=every_s)
    at = np.round(frames.numbers(scores, "begin_s") / every_s).astype(np.int64)
    first = min(int(at.min()), 0) if at.min() * every_s < 0.2 * length_s else int(at.min())
    values = np.full((len(columns), int(at.max()) - first + 1), np.nan)
    for row, column in enumerate(columns):
        values[row, at - first] = frames.numbers(scores, column)
    measures = pc.unique(frames.texts(rows, MEASURE)).to_pylist() if MEASURE in rows.column_names else [SCORE]
    if len(measures) > 1:
        raise UsageError(f"The frame mixes measures: {', '.join(map(str, measures))}. Draw each by itself.")
    mean = "share of time above the cutoff" if measures[0] == PRESENCE else f"mean {measures[0]}"
    file = frames.texts(rows, "file")[0].as_py() if "file" in rows.column_names else None
    title = (basename(file) if file else "Expressions over time") + (f", {person}" if person is not None else "")
    return _Field(
        values,
        [frames.label_of(rows.schema.field(column)) for column in columns],
        [],
        np.arange(first, first + values.shape[1] + 1, dtype=np.float64) * every_s,
        measures[0] or SCORE,
        f"A field is the {mean} over {every_s:g} s; {counted(rows.num_rows, 'row')}",
        title,
    )


def _ordered(field: _Field, order: Order, k: int | None) -> tuple[_Field, list[str]]:
    known = np.isfinite(field.values)
    if not known.any():
        raise UsageError(f"Nothing to draw: no row has a score of {', '.join(field.labels[:6])}.")
    counts = known.sum(axis=1)
    means = np.divide(np.where(known, field.values, 0).sum(axis=1), counts, out=np.full(len(counts), -np.inf), where=counts > 0)
    rows = np.argsort(-means, kind="stable")
    rows = rows[counts[rows] > 0]
    said = []
    if empty := len(counts) - len(rows):
        said.append(f"{empty} without any score {'is' if empty == 1 else 'are'} left out")
    if k is not None and k < len(rows):
        said.append(f"the {k} highest of {len(rows)} expressions")
        rows = rows[:k]
    if order == "given":
        rows = np.sort(rows)
    elif order == "likeness":
        rows = rows[alike_first(field.values[rows])]
    return replace(field, values=field.values[rows], labels=[field.labels[at] for at in rows]), said


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
    def of(field: _Field, subtitle: str) -> _Sizes:
        rows, columns = field.values.shape
        row = _ROW_IN if rows <= 24 else _LOW_ROW_IN
        left = 0.35 + max(words.text_width_in(label, _label_pt(row)) for label in field.labels)
        room = _WIDTH_IN - left - _SCALE_ROOM_IN
        cell = room / columns if field.edges_s is not None else min(_WIDEST_CELL_IN, room / columns)
        lines = [line for name in field.names for line in name.split("\n")]
        slanted = max((words.text_width_in(line, canvas.SMALL_PT) for line in lines), default=0.0) + 0.1 > cell
        if slanted:
            left = max(left, 1.25)
            cell = min(cell, (_WIDTH_IN - left - _SCALE_ROOM_IN) / columns)
        name = min(_NAME_IN, (left + cell / 2 - 0.1) / _SLANT_COS)
        every = max(1, int(np.ceil(_LEAST_CELL_IN / cell)))
        width = min(_WIDTH_IN, max(_LEAST_WIDTH_IN, left + cell * columns + _SCALE_ROOM_IN))
        return _Sizes(
            width, left, cell, row, columns, rows, slanted, name, every, canvas.headroom_in(subtitle, width - left - 0.2)
        )

    def names(self, field: _Field) -> list[str]:
        """Return what is written below the columns that have room for a name."""
        shown = field.names[:: self.every]
        if not self.slanted:
            return shown
        return [words.fitted(name.replace("\n", ", "), canvas.SMALL_PT, self.name) for name in shown]

    @property
    def has_room_for_values(self) -> bool:
        return self.cell >= 0.42 and self.row >= _ROW_IN

    def below_pt(self, field: _Field) -> float:
        """Return where the footer stands, below the names of groups or the words of the time axis."""
        if not self.slanted:
            return 42.0 if field.edges_s is not None else 34.0 if any("\n" in name for name in field.names) else 26.0
        longest = max(words.text_width_in(name, canvas.SMALL_PT) for name in self.names(field))
        return 72 * (_SLANT_SIN * longest + 0.3)

    def axes(self, field: _Field) -> Axes:
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


def _norm(field: _Field) -> Normalize:
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


def _draw(ax: Axes, field: _Field, norm: Normalize, look: Theme, *, values: bool) -> None:
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


def _name(ax: Axes, field: _Field, sizes: _Sizes, look: Theme) -> None:
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


def _scale(ax: Axes, field: _Field, norm: Normalize, look: Theme) -> None:
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
    scale.set_ylabel(field.measure if field.measure != PRESENCE else "share of time", color=look.muted, fontsize=canvas.SMALL_PT)
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
