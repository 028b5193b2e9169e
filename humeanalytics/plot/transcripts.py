"""What was said in a chat, shaded by what the voice expressed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.patches import FancyBboxPatch

from humeanalytics.analysis import frames
from humeanalytics.errors import UsageError
from humeanalytics.plot import canvas, words
from humeanalytics.plot.theme import ColoursName, Theme, ThemeName, ink_on, readable, series_colours, theme_of
from humeanalytics.plot.time_axis import clock

_WIDTH_IN, _MARGIN_IN, _TIMES_IN, _INDENT_IN, _BUBBLE_IN, _PAD_IN = 8.4, 0.35, 0.62, 1.1, 5.6, 0.09
_HEAD_IN, _LINE_IN, _BETWEEN_IN, _MARK_IN = 0.2, 0.185, 0.12, 0.26
_COLUMNS = ("chat_id", "timestamp", "ordinal", "speaker", "message_text")
_MARKS = {"USER_INTERRUPTION": "the caller interrupts", "PAUSE_ONSET": "the assistant is paused", "RESUME_ONSET": "and goes on"}
#: How much of its colour the message with the lowest and with the highest score has.
_PALE, _STRONG = 0.1, 0.5
_STRONGEST, _VIVID = 3, 0.15


@dataclass(frozen=True, slots=True)
class _Message:
    """One message; ``best`` are its strongest expressions: column, name and score."""

    time_s: float | None
    speaker: str
    lines: list[str]
    best: list[tuple[str, str, float]]
    marks: list[str]

    @property
    def height_in(self) -> float:
        return len(self.marks) * _MARK_IN + _HEAD_IN + len(self.lines) * _LINE_IN + 2 * _PAD_IN + _BETWEEN_IN


def transcript(
    frame: Any,
    *,
    chat: str | None = None,
    expressions: Sequence[str] | str | None = None,
    events: Any = None,
    first: int = 1,
    limit: int = 30,
    ax: Axes | None = None,
    theme: ThemeName = "light",
    colours: ColoursName = "accessible",
    title: str | None = None,
    synthetic: bool | None = None,
) -> Axes:
    """Draw what was said in a chat: each message shaded by the strongest expression of the voice, more colour for a higher score.

    Caller to the left, assistant indented; the three strongest expressions stand above each message. Which is the strongest
    depends on the scales of different expressions too: name some with ``expressions`` to see those.

    Letters come from matplotlib's own font, which has European alphabets and simple emoji, and for Japanese, Chinese, Korean and
    others from fonts that are installed (such as Noto Sans CJK). What no font has is drawn as ``□``, and the picture says so.

    Args:
        frame: Rows of ``transcript``: a Query, pyarrow, pandas or polars frame.
        chat: Which chat, where there are several: its id or the beginning of it.
        expressions: Choose the strongest among these only.
        events: Rows of ``chat_events``: interruptions and pauses of the chat are marked.
        first: The message to begin with, counted from 1.
        limit: How many messages at most; what is left out is said. In an ``ax`` of yours no more than fit into it.
        ax: Where to draw; a new figure where left out, as high as it takes.
        theme: ``light`` or ``dark``.
        colours: ``accessible``: the seven that are strongest most often have a colour. ``hume``: all have Hume's own.
        title: What to write above it.
        synthetic: Mark the picture as one of scores that nobody measured; what the frame says of itself where left out.

    Returns:
        The axes, in a figure without pyplot (`save` writes it, a notebook shows it).

    Raises:
        UsageError: No messages, several chats and none is named, or these are not rows of ``transcript``.

    Examples:
        >>> ax = transcript(lake["transcript"], chat="6740c61f", events=lake["chat_events"])  # doctest: +SKIP
    """
    look = theme_of(theme)
    if first < 1 or limit < 1:
        raise UsageError(f"first is {first} and limit {limit}; messages are counted from 1.")
    synthetic = frames.is_synthetic(frame) if synthetic is None else synthetic
    rows = _rows_of(frame, expressions, chat)
    if first > rows.num_rows:
        raise UsageError(f"first is {first}, but the chat has {rows.num_rows} messages.")
    part = rows.slice(first - 1, limit)
    whole_figure = ax is None
    width_in = _WIDTH_IN - 2 * _MARGIN_IN if ax is None else ax.get_window_extent().width / canvas.figure_of(ax).dpi
    room_in = None if ax is None else ax.get_window_extent().height / canvas.figure_of(ax).dpi
    messages = _fitting(_messages(rows, part, first, events, width_in), room_in)
    palette = _palette(messages, colours, look)
    said = _said(messages, rows.num_rows, first, colours, palette)
    height_in = sum(message.height_in for message in messages)
    if ax is None:
        above_in = canvas.headroom_in(said, width_in - 0.2)
        ax = canvas.new_axes(
            _WIDTH_IN, [height_in], left_in=_MARGIN_IN, right_in=_MARGIN_IN, above_in=above_in, below_in=0.6, gap_in=0.0
        )[0]
    canvas.style(ax, look, whole_figure=whole_figure)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_xlim(0, width_in)
    ax.set_ylim(height_in if room_in is None else room_in, 0)
    _draw(ax, messages, palette, width_in, look)
    canvas.headline(ax, look, _title(rows) if title is None else title, said)
    missing = any(words.NO_LETTER in line for message in messages for line in message.lines)
    note = (
        f"{words.NO_LETTER}: a letter that no font installed here has; Noto Sans CJK and Noto Emoji have most." if missing else ""
    )
    canvas.footer(ax, look, synthetic=synthetic, whole_figure=whole_figure or missing, said=note, below_pt=8.0)
    return ax


def _rows_of(frame: Any, expressions: Sequence[str] | str | None, chat: str | None) -> pa.Table:
    def wanted(schema: pa.Schema) -> list[str]:
        if missing := [name for name in ("speaker", "message_text") if name not in schema.names]:
            raise UsageError(
                f"These are no rows of transcript: there is no column {missing[0]}. Pass lake['transcript'], or rows of it."
            )
        scores = frames.chosen_columns(schema, expressions) if expressions is not None else frames.expression_columns(schema)
        return [*(name for name in _COLUMNS if name in schema.names), *scores]

    rows = frames.read_columns(frame, wanted)
    if rows.num_rows and "chat_id" in rows.column_names:
        found = pc.unique(frames.texts(rows, "chat_id")).to_pylist()
        fitting = [each for each in found if chat is None or (each or "").startswith(chat)]
        if len(fitting) != 1:
            shown = ", ".join(repr((each or "")[:8]) for each in (fitting or found)[:6])
            what = f"{len(fitting) or 'no'} chats" + ("" if chat is None else f" {chat!r}")
            raise UsageError(f"The frame holds {what}; choose one with chat=..., such as {shown}.")
        rows = rows.filter(pc.equal(frames.texts(rows, "chat_id"), fitting[0]))
    if rows.num_rows == 0:
        raise UsageError("Nothing to draw: the frame has no messages.")
    keys = [(name, "ascending") for name in ("timestamp", "ordinal") if name in rows.column_names]
    return rows.sort_by(keys) if keys else rows


def _micros(times: pa.ChunkedArray) -> list[int | None]:
    """Return times of day as microseconds."""
    if not pa.types.is_timestamp(times.type):
        return [None] * len(times)
    micros: list[int | None] = times.cast(pa.timestamp("us", times.type.tz)).cast(pa.int64()).to_pylist()
    return micros


def _messages(rows: pa.Table, part: pa.Table, first: int, events: Any, width_in: float) -> list[_Message]:
    scores = frames.expression_columns(rows.schema)
    labels = {column: frames.label_of(rows.schema.field(column)) for column in scores}
    values = np.column_stack([frames.numbers(part, column) for column in scores]) if scores else np.zeros((part.num_rows, 0))
    all_times = _micros(rows["timestamp"]) if "timestamp" in rows.column_names else [None] * rows.num_rows
    began = next((each for each in all_times if each is not None), None)
    times = all_times[first - 1 : first - 1 + part.num_rows]
    marks = _marks(events, rows, times, first)
    text_in = min(_BUBBLE_IN, width_in - _TIMES_IN - _INDENT_IN) - 2 * _PAD_IN
    found = []
    for at, (speaker, text) in enumerate(zip(part["speaker"].to_pylist(), part["message_text"].to_pylist(), strict=True)):
        known = [
            (column, labels[column], float(score)) for column, score in zip(scores, values[at], strict=True) if np.isfinite(score)
        ]
        best = sorted(known, key=lambda each: -each[2])[:_STRONGEST]
        now = times[at]
        since_s = None if now is None or began is None else (now - began) / 1e6
        lines = words.wrapped(text or "", canvas.LABEL_PT, text_in) or ["(no text)"]
        found.append(_Message(since_s, speaker or "unknown", lines, best, marks[at]))
    return found


def _marks(events: Any, rows: pa.Table, times: Sequence[int | None], first: int) -> list[list[str]]:
    """Return what happened between each message and the one before it."""
    marks: list[list[str]] = [[] for _ in times]
    if events is None:
        return marks

    def wanted(schema: pa.Schema) -> list[str]:
        if not {"type", "timestamp"} <= set(schema.names):
            raise UsageError("events are no rows of chat_events: they need the columns type and timestamp.")
        return [name for name in ("type", "timestamp", "chat_id") if name in schema.names]

    table = frames.read_columns(events, wanted)
    if "chat_id" in table.column_names and "chat_id" in rows.column_names:
        table = table.filter(pc.equal(frames.texts(table, "chat_id"), frames.texts(rows, "chat_id")[0]))
    happened = zip(table["type"].to_pylist(), _micros(table["timestamp"]), strict=True)
    for kind, when in sorted(
        (each for each in happened if each[0] in _MARKS and each[1] is not None), key=lambda each: each[1] or 0
    ):
        later = next((at for at, time in enumerate(times) if time is not None and time >= (when or 0)), None)
        if later is not None and (later > 0 or first == 1):
            marks[later].append(_MARKS[kind])
    return marks


def _fitting(messages: list[_Message], room_in: float | None) -> list[_Message]:
    """Return the messages that fit into so much room, at least one."""
    if room_in is None:
        return messages
    reached = np.cumsum([message.height_in for message in messages])
    return messages[: max(1, int(np.searchsorted(reached, room_in, side="right")))]


def _palette(messages: Sequence[_Message], colours: str, look: Theme) -> dict[str, str]:
    counts = Counter(message.best[0][0] for message in messages if message.best)
    columns = [column for column, _ in counts.most_common()]
    if colours == "hume":
        return dict(zip(columns, series_colours(columns, colours, look), strict=True))
    # what is near the colour of text or of grey would say nothing as a shade
    shades = [each for each in series_colours(look.series, colours, look) if max(to_rgb(each)) - min(to_rgb(each)) > _VIVID]
    return dict(zip(columns, shades, strict=False))


def _said(messages: Sequence[_Message], total: int, first: int, colours: str, palette: dict[str, str]) -> str:
    said = [f"{total:,} message{'' if total == 1 else 's'}"]
    if len(messages) < total:
        left_out = total - len(messages)
        said.append(f"{first:,} to {first + len(messages) - 1:,} are drawn, {left_out:,} left out")
    if any(message.best for message in messages):
        said.append("shaded by the strongest expression of the voice, more colour is stronger")
    if colours != "hume" and any(message.best and message.best[0][0] not in palette for message in messages):
        said.append("grey: one that is the strongest less often than those in colour")
    return "; ".join(said)


def _title(rows: pa.Table) -> str:
    chat = frames.texts(rows, "chat_id")[0].as_py() if "chat_id" in rows.column_names else None
    title = f"Chat {chat[:8]}" if chat else "Chat"
    times = rows["timestamp"] if "timestamp" in rows.column_names else None
    if times is None or not pa.types.is_timestamp(times.type) or times[0].as_py() is None:
        return title
    begins = times.cast(pa.timestamp("us", times.type.tz))[0].as_py()
    return f"{title}, {begins:%Y-%m-%d %H:%M}" + (f" {times.type.tz}" if times.type.tz else "")


def _draw(ax: Axes, messages: Sequence[_Message], palette: dict[str, str], width_in: float, look: Theme) -> None:
    highest = max((message.best[0][2] for message in messages if message.best), default=1.0)
    lowest = min((message.best[0][2] for message in messages if message.best), default=0.0)
    y = 0.0
    for message in messages:
        for mark in message.marks:
            _write(ax, f"\N{EM DASH} {mark} \N{EM DASH}", (_TIMES_IN, y + _MARK_IN / 2), look.warning, canvas.SMALL_PT)
            y += _MARK_IN
        left = _TIMES_IN + (_INDENT_IN if message.speaker == "assistant" else 0.0)
        bubble_in = min(_BUBBLE_IN, width_in - left)
        if message.time_s is not None:
            _write(ax, clock(message.time_s), (0.0, y + _HEAD_IN / 2), look.muted, canvas.SMALL_PT)
        _head(ax, message, (left, y + _HEAD_IN / 2), palette, look)
        y += _HEAD_IN
        height_in = len(message.lines) * _LINE_IN + 2 * _PAD_IN
        face = look.background
        if message.best:
            column, _, score = message.best[0]
            share = (score - lowest) / (highest - lowest) if highest > lowest else 1.0
            face = _mixed(look.background, palette.get(column, look.muted), _PALE + (_STRONG - _PALE) * share)
        box = FancyBboxPatch(
            (left + 0.04, y + 0.04),
            bubble_in - 0.08,
            height_in - 0.08,
            boxstyle="round,pad=0.04,rounding_size=0.07",
            facecolor=face,
            edgecolor=look.grid if message.best else look.missing,
            linewidth=0.0 if message.best else 0.8,
            zorder=1,
        )
        ax.add_patch(box)
        ink = ink_on(to_rgb(face), look)
        for at, line in enumerate(message.lines):
            _write(ax, line, (left + _PAD_IN, y + _PAD_IN + (at + 0.5) * _LINE_IN), ink, canvas.LABEL_PT)
        y += height_in + _BETWEEN_IN


def _head(ax: Axes, message: _Message, at: tuple[float, float], palette: dict[str, str], look: Theme) -> None:
    """Write who speaks, and what is strongest."""
    x, y = at
    parts = [(message.speaker.capitalize(), look.text, True)]
    for place, (column, label, score) in enumerate(message.best):
        colour = readable(palette.get(column, look.muted), look) if place == 0 else look.muted
        parts.append((f"{label} {score:.2f}", colour, place == 0))
    if not message.best:
        parts.append(("no scores", look.muted, False))
    for text, colour, bold in parts:
        _write(ax, text, (x, y), colour, canvas.SMALL_PT, bold=bold)
        x += words.text_width_in(text, canvas.SMALL_PT, bold=bold) + 0.14


def _write(ax: Axes, text: str, at: tuple[float, float], colour: str, size_pt: float, *, bold: bool = False) -> None:
    ax.text(
        *at,
        words.shown(text),
        color=colour,
        fontsize=size_pt,
        fontweight="bold" if bold else "normal",
        fontfamily=words.families(),
        va="center_baseline",
        zorder=2,
    )


def _mixed(ground: str, colour: str, share: float) -> str:
    red, green, blue = ((1 - share) * a + share * b for a, b in zip(to_rgb(ground), to_rgb(colour), strict=True))
    return to_hex((red, green, blue))
