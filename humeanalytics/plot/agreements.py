"""How far face, voice and words go together, pair by pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
from matplotlib.axes import Axes

from humeanalytics.analysis import frames
from humeanalytics.errors import UsageError
from humeanalytics.plot import canvas
from humeanalytics.plot.groups import counted, plural
from humeanalytics.plot.intervals import Forest, Interval, above_pt, check_choice, signed, small
from humeanalytics.plot.theme import Theme, ThemeName, theme_of

_ANSWER = ("expression", "first", "second", "correlation", "ci_low", "ci_high", "q_value", "lag_s", "n_units", "unit", "every_s")
_MOST_PANELS = 6
_FOREST = Forest(8.0, 2.3, (("r", 48.0), ("lag", 100.0), ("q", 154.0)))
_ROWS_ALONE, _ROWS_BESIDE_OTHERS = 25, 10


def agreement(
    answer: Any,
    *,
    k: int | None = None,
    discoveries: float = 0.05,
    ax: Axes | None = None,
    theme: ThemeName = "light",
    title: str | None = None,
    synthetic: bool | None = None,
) -> Axes:
    """Draw how far modalities go together in time: of each expression the correlation and its interval, the highest first.

    What passes the control of false discoveries is filled and bold, all else is hollow and grey. Each pair of modalities has a
    panel. Beside each row is the lag at which the correlation is highest, which it is by chance too.

    Args:
        answer: What `humeanalytics.agreement` returned, as any frame.
        k: How many expressions, those with the lowest p; where left out 25, with several pairs 10 each.
        discoveries: The share of false discoveries to put up with: what has a q up to this is marked.
        ax: Where to draw; a new figure where left out. For one pair only.
        theme: ``light`` or ``dark``.
        title: What to write above it.
        synthetic: Mark the picture as one of scores that nobody measured; the answer says so itself where left out.

    Returns:
        The axes, in a figure without pyplot; of several pairs the uppermost, the others in ``ax.figure.axes``.

    Raises:
        UsageError: It is no such answer, no correlation could be told, or there are more than six pairs.

    Examples:
        >>> ax = agreement(ha.agreement({"face": lake["face"], "voice": lake["prosody"]}))  # doctest: +SKIP
    """
    look = theme_of(theme)
    check_choice(k, discoveries)
    synthetic = frames.is_synthetic(answer) if synthetic is None else synthetic
    table = frames.read_columns(answer, _wanted)
    pairs = _pairs(table, k)
    if len(pairs) > _MOST_PANELS or (ax is not None and len(pairs) > 1):
        raise UsageError(
            f"{len(pairs)} pairs of modalities do not fit into one {'picture' if ax is None else 'Axes'}; take fewer."
        )
    subtitle = _subtitle(table, pairs, discoveries)
    intervals = [[_interval(row, discoveries, look) for row in rows] for rows in pairs]
    panels = _FOREST.draw(ax, intervals, subtitle, _reach(pairs), look)
    for panel, rows in zip(panels, pairs if len(pairs) > 1 else [], strict=False):
        heading = f"{rows[0]['first']} and {rows[0]['second']}: {_units(rows)}"
        canvas.note(panel, heading, (0.0, 1.0), (0.0, 22.0), look.text, bold=True)
    panels[-1].set_xlabel("correlation at the same time", color=look.muted, fontsize=canvas.LABEL_PT, labelpad=6)
    alone = f"{pairs[0][0]['first']} and {pairs[0][0]['second']}" if len(pairs) == 1 else "How modalities go together"
    canvas.headline(panels[0], look, alone if title is None else title, subtitle, above_pt=above_pt(len(pairs)))
    canvas.footer(panels[-1], look, synthetic=synthetic, whole_figure=ax is None, said="")
    return panels[0]


def _wanted(schema: pa.Schema) -> list[str]:
    if missing := [name for name in (*_ANSWER, "p_value") if name not in schema.names]:
        raise UsageError(
            f"This is no answer of agreement: it has no column {missing[0]}. Pass what humeanalytics.agreement returned."
        )
    return list(schema.names)


def _pairs(table: pa.Table, k: int | None) -> list[list[dict[str, Any]]]:
    """Return the rows of each pair of modalities that are drawn, from the highest correlation to the lowest."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in table.to_pylist():
        found.setdefault((row["first"], row["second"]), []).append(row)
    most = k if k is not None else _ROWS_ALONE if len(found) == 1 else _ROWS_BESIDE_OTHERS
    pairs = []
    for rows in found.values():
        known = [row for row in rows if row["correlation"] is not None]
        known.sort(key=lambda row: (row["p_value"] is None, row["p_value"] or 0.0, -abs(row["correlation"])))
        if known:
            pairs.append(sorted(known[:most], key=lambda row: -row["correlation"]))
    if not pairs:
        raise UsageError("Nothing to draw: no two modalities have a correlation of any expression.")
    return pairs


def _units(rows: Sequence[Mapping[str, Any]]) -> str:
    most = max(rows, key=lambda row: row["n_units"])
    return counted(most["n_units"], most["unit"] or "recording")


def _subtitle(table: pa.Table, pairs: Sequence[Sequence[Mapping[str, Any]]], discoveries: float) -> str:
    first = pairs[0][0]
    tested = sum(value is not None for value in table["q_value"].to_pylist())
    said = [_units(pairs[0])] if len(pairs) == 1 else []
    said.append(f"dot: mean correlation within {plural(first['unit'] or 'recording')}, over cells of {first['every_s']:g} s")
    if tested:
        said.append(
            f"line: its interval; filled: q of at most {discoveries:g} (Benjamini and Hochberg, {counted(tested, 'test')})"
        )
    else:
        said.append("no interval and no test: that takes two or more")
    said.append("lag: above 0 the second comes later")
    shown = sum(len(rows) for rows in pairs)
    if shown < table.num_rows:
        said.append(f"the {shown} with the lowest p of {table.num_rows}" if tested else f"{shown} of {table.num_rows}")
    text = "; ".join(said)
    return text[0].upper() + text[1:]


def _reach(pairs: Sequence[Sequence[Mapping[str, Any]]]) -> tuple[float, float]:
    ends = [row[name] for rows in pairs for row in rows for name in ("correlation", "ci_low", "ci_high") if row[name] is not None]
    low, high = min(0.0, *ends), max(0.0, *ends)
    margin = 0.05 * (high - low) or 0.5
    return low - margin, high + margin


def _interval(row: Mapping[str, Any], discoveries: float, look: Theme) -> Interval:
    passes = row["q_value"] is not None and bool(row["q_value"] <= discoveries)
    lag = "\N{EN DASH}" if row["lag_s"] is None else f"{signed(row['lag_s'], 1)} s"
    colour = look.series[0] if row["correlation"] > 0 else look.series[1]
    numbers = (signed(row["correlation"], 2), lag, small(row["q_value"]))
    return Interval(row["expression"], row["correlation"], row["ci_low"], row["ci_high"], passes, colour, numbers)
