"""Strips of time: what of each recording was measured, where people spoke at once, where a face was lost."""

from __future__ import annotations

from collections.abc import Sequence
from posixpath import basename
from typing import Any

import numpy as np
import pyarrow as pa
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection

from humeanalytics.analysis import doubts, frames
from humeanalytics.analysis.covered_time import Floats
from humeanalytics.errors import UsageError
from humeanalytics.plot import canvas, words
from humeanalytics.plot.spans import PEOPLE, Spans, Strips
from humeanalytics.plot.theme import Theme, ThemeName, theme_of
from humeanalytics.plot.time_axis import set_time_axis

_WIDTH_IN, _STRIP_IN, _GAP_ROWS, _NAME_IN, _NUMBER_IN = 9.6, 0.25, 0.45, 2.1, 0.72
_MOST_STRIPS, _HEIGHT = 40, 0.66
_KEY_PT, _BETWEEN_KEYS_PT, _TICK_IN = 8.0, 26.0, 0.75
#: Numbers of `humeanalytics.quality` that are written beside the strips, where it can tell them, and what they are called.
_NUMBERS = {
    "coverage": "covered",
    "overlapped": "overlap",
    "lost": "lost",
    "unscored": "unscored",
    "low_confidence": "unsure",
    "low_speaker_confidence": "who?",
}
_TIMES = ("begin_s", "end_s", "time_s", "duration_s")


def coverage(
    frame: Any,
    *,
    recording: str | None = None,
    sure: float = 0.5,
    tolerated: float = 0.2,
    ax: Axes | None = None,
    theme: ThemeName = "light",
    title: str | None = None,
    synthetic: bool | None = None,
) -> Axes:
    """Draw which time of each recording was measured, a strip for each person, with what speaks against trusting it beside it.

    Coloured is what was measured; where others of the recording speak at the same time, and where a face was lost between two
    frames that show it, the strip has another colour. Up to the length of the recording, if the frame has ``duration_s``, or
    to the last that is known of it, the rest was not measured.

    Args:
        frame: A Query, pyarrow, pandas or polars frame of one table, with ``begin_s`` and ``end_s`` or ``time_s``; of v1
            ``audio_measurements`` or ``video_faces``.
        recording: Only this one: its id, the beginning of its id, or its file.
        sure: As in `humeanalytics.quality`: a confidence below this is low.
        tolerated: As in `humeanalytics.quality`: shares above this are doubts, and stand out.
        ax: Where to draw; a new figure where left out.
        theme: ``light`` or ``dark``.
        title: What to write above it.
        synthetic: Mark the picture as one of scores that nobody measured; what the frame says of itself where left out.

    Returns:
        The axes, in a figure without pyplot (`save` writes it, a notebook shows it). Of more than 40 people the first are
        drawn, and the picture says so.

    Raises:
        UsageError: No rows, no times, or several scorings of a recording.

    Examples:
        >>> ax = coverage(lake.sql("FROM prosody JOIN items USING (recording_id)"))  # doctest: +SKIP
    """
    look = theme_of(theme)
    synthetic = frames.is_synthetic(frame) if synthetic is None else synthetic
    table = _read(frame)
    if recording is not None:
        table = frames.one_recording(table, recording)
    quality = doubts.quality(table, sure=sure, tolerated=tolerated).to_pylist()
    drawn = min(len(quality), _MOST_STRIPS)
    strips = Strips.of(table, quality, drawn)
    quality = quality[:drawn]
    numbers = [name for name in _NUMBERS if any(row[name] is not None for row in quality)]
    subtitle = _subtitle(strips, drawn, numbers, sure, tolerated)
    whole_figure = ax is None
    names = _names(quality)
    if ax is None:
        ax = _new_axes(names, len(numbers), subtitle, _key_in(strips.named), noted=synthetic)
    canvas.style(ax, look, whole_figure=whole_figure)
    places = np.array([place for place, _, _ in names])
    colours = {"whole": look.grid, "measured": look.series[0], "shared": look.series[1], "lost": look.series[3]}
    known = Spans(np.zeros(len(strips.length_s)), strips.length_s, np.arange(len(strips.length_s)))
    for what, spans in (("whole", known), ("measured", strips.measured), ("lost", strips.lost), ("shared", strips.shared)):
        _draw(ax, strips.shown(spans.of(drawn)), places, colours[what], what)
    _axis(ax, strips, drawn, look)
    _name(ax, names, look)
    _write(ax, names, quality, numbers, tolerated, look)
    above_pt = _KEY_PT if _key_in(strips.named) <= ax.get_window_extent().width / canvas.figure_of(ax).dpi else 2.5 * _KEY_PT
    _key(ax, strips.named, colours, look, above_pt)
    canvas.headline(ax, look, "What was measured" if title is None else title, subtitle, above_pt=above_pt + 22.0)
    canvas.footer(ax, look, synthetic=synthetic, whole_figure=whole_figure, said="")
    return ax


def _read(frame: Any) -> pa.Table:
    def wanted(schema: pa.Schema) -> list[str]:
        if not ({"begin_s", "end_s"} <= set(schema.names) or "time_s" in schema.names):
            raise UsageError(
                f"The frame tells no times: it needs begin_s and end_s, or time_s. It has: {', '.join(schema.names)}."
            )
        more = ("scoring_id", "measured", "confidence", "prob", "speaker_confidence", "name", "probability")
        scores = frames.expression_columns(schema)
        listed = (*frames.RECORDING_COLUMNS, *PEOPLE, *_TIMES, *more, *scores)
        return [name for name in listed if name in schema.names]

    table = frames.read_columns(frame, wanted)
    if table.num_rows == 0:
        raise UsageError("Nothing to draw: the frame has no rows.")
    return table


def _subtitle(strips: Strips, drawn: int, numbers: Sequence[str], sure: float, tolerated: float) -> str:
    said = ["A strip is one person of one recording"]
    if strips.of_frames:
        said.append("a frame counts for the usual step to the next")
    if set(numbers) & {"low_confidence", "low_speaker_confidence"}:
        of_whom = " (who? of the speaker)" if "low_speaker_confidence" in numbers else ""
        said.append(f"unsure: share of rows whose confidence is below {sure:g}{of_whom}")
    if set(numbers) - {"coverage"}:
        said.append(f"bold: above {tolerated:.0%}")
    if strips.narrow_s is not None:
        said.append(f"gaps of less than {strips.narrow_s:.2g} s are not drawn")
    if drawn < len(strips.length_s):
        said.append(f"the first {drawn} of {len(strips.length_s):,} are drawn")
    if strips.n_untimed:
        said.append(f"{strips.n_untimed:,} rows without a time are left out")
    return "; ".join(said)


def _names(quality: Sequence[dict[str, Any]]) -> list[tuple[float, str | None, str]]:
    """Return for each strip its place from above, the recording where it is the first of it, and the person."""
    found: list[tuple[float, str | None, str]] = []
    before: Any = object()
    place = 0.0
    several = len({tuple(row.get(key) for key in frames.RECORDING_COLUMNS) for row in quality}) < len(quality)
    for row in quality:
        key = tuple(row.get(name) for name in frames.RECORDING_COLUMNS)
        file = row.get("file")
        name = basename(file) if file else (row.get("recording_id") or "")[:16] or "all rows"
        new = key != before
        if new and found:
            place += _GAP_ROWS if several else 0.0
        found.append((place, name if new else None, row["person"] or ""))
        before = key
        place += 1
    return found


def _new_axes(names: Sequence[tuple[float, str | None, str]], numbers: int, subtitle: str, key_in: float, *, noted: bool) -> Axes:
    left_in = 0.35 + _names_in(names)[0] + _names_in(names)[1]
    right_in = 0.35 + _NUMBER_IN * numbers
    above_pt = 22.0 + (_KEY_PT if key_in <= _WIDTH_IN - left_in - right_in else 2.5 * _KEY_PT)
    rows = names[-1][0] + 1
    return canvas.new_axes(
        _WIDTH_IN,
        [_STRIP_IN * rows],
        left_in=left_in,
        right_in=right_in,
        above_in=canvas.headroom_in(subtitle, _WIDTH_IN - left_in - 0.2, above_pt=above_pt),
        below_in=0.95 if noted else 0.65,
        gap_in=0.0,
    )[0]


def _names_in(names: Sequence[tuple[float, str | None, str]]) -> tuple[float, float]:
    """Return how much room the names of recordings and those of people take."""
    widest = max(words.text_width_in(name, canvas.SMALL_PT) for _, name, _ in names if name is not None)
    people = max(words.text_width_in(person, canvas.SMALL_PT) for _, _, person in names)
    return min(widest, _NAME_IN), min(people, 1.0) + 0.15 if people else 0.0


def _draw(ax: Axes, spans: Spans, places: Floats, colour: str, what: str) -> None:
    if len(spans.begin_s) == 0:
        return
    top, bottom = places[spans.strip] - _HEIGHT / 2, places[spans.strip] + _HEIGHT / 2
    corners = np.stack(
        [
            np.column_stack([spans.begin_s, top]),
            np.column_stack([spans.end_s, top]),
            np.column_stack([spans.end_s, bottom]),
            np.column_stack([spans.begin_s, bottom]),
        ],
        axis=1,
    )
    ax.add_collection(PolyCollection(list(corners), facecolors=colour, linewidths=0, label=what, zorder=2), autolim=False)


def _axis(ax: Axes, strips: Strips, drawn: int, look: Theme) -> None:
    end = float(strips.length_s[:drawn].max())
    begin = min(0.0, float(strips.measured.begin_s.min()))
    ax.set_xlim(begin, end if end > begin else begin + 1.0)
    set_time_axis(ax.xaxis, max(2, int(ax.get_window_extent().width / canvas.figure_of(ax).dpi / _TICK_IN)))
    long = end >= 3600
    ax.set_xlabel(
        f"time in the recording ({'h:mm:ss' if long else 'm:ss'})", color=look.muted, fontsize=canvas.LABEL_PT, labelpad=6
    )


def _name(ax: Axes, names: Sequence[tuple[float, str | None, str]], look: Theme) -> None:
    ax.set_ylim(names[-1][0] + 0.5, -0.5)
    ax.set_yticks([])
    recordings_in, people_in = _names_in(names)
    for place, name, person in names:
        _beside(ax, person, (0.0, place), -8.0, look.muted, people_in)
        _beside(ax, name or "", (0.0, place), -8.0 - 72 * people_in, look.text, recordings_in + 0.02)


def _write(
    ax: Axes,
    names: Sequence[tuple[float, str | None, str]],
    quality: Sequence[dict[str, Any]],
    numbers: Sequence[str],
    tolerated: float,
    look: Theme,
) -> None:
    """Write the shares to the right of the strips, one below the other."""
    for at, number in enumerate(numbers):
        right_pt = 72 * _NUMBER_IN * (at + 1)
        canvas.note(ax, _NUMBERS[number], (1.0, 1.0), (right_pt, 8.0), look.muted)
        for (place, _, _), row in zip(names, quality, strict=True):
            share = row[number]
            doubtful = share is not None and number != "coverage" and share > tolerated
            text = "\N{EN DASH}" if share is None else f"{share:.0%}"
            colour = look.warning if doubtful else look.muted
            _beside(ax, text, (1.0, place), right_pt, colour, _NUMBER_IN, bold=doubtful)


def _beside(
    ax: Axes, text: str, at: tuple[float, float], offset_pt: float, colour: str, room_in: float, *, bold: bool = False
) -> None:
    if not text:
        return
    ax.annotate(
        words.shown(words.fitted(text, canvas.SMALL_PT, room_in)),
        at,
        (offset_pt, 0.0),
        xycoords=ax.get_yaxis_transform(),
        textcoords="offset points",
        ha="right",
        va="center_baseline",
        color=colour,
        fontsize=canvas.SMALL_PT,
        fontweight="bold" if bold else "normal",
        fontfamily=words.families(),
        annotation_clip=False,
    )


def _key(ax: Axes, named: Sequence[tuple[str, str]], colours: dict[str, str], look: Theme, up_pt: float) -> None:
    """Write what the colours mean above the strips."""
    at_pt = 0.0
    for what, text in named:
        canvas.note(ax, "\N{BLACK SQUARE}", (0.0, 1.0), (at_pt, up_pt), colours[what])
        canvas.note(ax, text, (0.0, 1.0), (at_pt + 10.0, up_pt), look.text)
        at_pt += 72 * words.text_width_in(text, canvas.SMALL_PT) + _BETWEEN_KEYS_PT


def _key_in(named: Sequence[tuple[str, str]]) -> float:
    return sum(words.text_width_in(text, canvas.SMALL_PT) + _BETWEEN_KEYS_PT / 72 for _, text in named)
