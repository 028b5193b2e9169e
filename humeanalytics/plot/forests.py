"""Differences between groups with their intervals, one below the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
from matplotlib.axes import Axes

from humeanalytics.analysis import comparisons, frames
from humeanalytics.errors import UsageError
from humeanalytics.plot import canvas, words
from humeanalytics.plot.groups import counted, plural
from humeanalytics.plot.intervals import Forest, Interval, above_pt, check_choice, signed, small
from humeanalytics.plot.theme import Theme, ThemeName, readable, theme_of

_ANSWER = {"expression", "group_a", "group_b", "difference", "ci_low", "ci_high", "q_value", "unit", "paired"}
_MOST_PANELS, _NAME_IN = 6, 1.3
_FOREST = Forest(8.6, 2.55, (("difference", 66.0), ("Hedges' g", 126.0), ("q", 172.0)))
_ROWS_ALONE, _ROWS_BESIDE_OTHERS = 25, 10


def compare(
    frame_or_answer: Any,
    by: str | None = None,
    unit: str | None = None,
    *,
    k: int | None = None,
    discoveries: float = 0.05,
    ax: Axes | None = None,
    theme: ThemeName = "light",
    title: str | None = None,
    synthetic: bool | None = None,
    **options: Any,
) -> Axes:
    """Draw how groups differ: for each expression the difference of means and its interval, the largest first.

    What passes the control of false discoveries is filled and bold, all else is hollow and grey. Of more than two groups each
    pair has a panel.

    Args:
        frame_or_answer: What `humeanalytics.compare` takes, or what it returned.
        by: The label whose values are the groups; not with an answer.
        unit: The label of what is independent, such as ``participant``; not with an answer.
        k: How many expressions, those with the lowest p; where left out 25, with several pairs 10 each. The control is over all.
        discoveries: The share of false discoveries to put up with: what has a q up to this is marked.
        ax: Where to draw; a new figure where left out. For one pair of groups only.
        theme: ``light`` or ``dark``.
        title: What to write above it.
        synthetic: Mark the picture as one of scores that nobody measured; what the frame says of itself where left out.
        options: All else that `humeanalytics.compare` takes: ``groups``, ``expressions``, ``paired``, ``confidence``, ...

    Returns:
        The axes, in a figure without pyplot; of several pairs the uppermost, the others in ``ax.figure.axes``.

    Raises:
        UsageError: Nothing to draw, more than six pairs of groups, or what `humeanalytics.compare` raises.

    Examples:
        >>> ax = compare(lake["prosody_labelled"], "condition", "participant")  # doctest: +SKIP
    """
    look = theme_of(theme)
    check_choice(k, discoveries)
    synthetic = frames.is_synthetic(frame_or_answer) if synthetic is None else synthetic
    answer, confidence = _answer(frame_or_answer, by, unit, options)
    pairs = _pairs(answer, k)
    if len(pairs) > _MOST_PANELS:
        raise UsageError(f"{len(pairs)} pairs of groups do not fit into one picture; name up to four groups=.")
    if ax is not None and len(pairs) > 1:
        raise UsageError(f"{len(pairs)} pairs of groups do not fit into one Axes: name two groups=, or leave out ax.")
    subtitle = _subtitle(answer, pairs, discoveries, confidence)
    intervals = [[_interval(row, discoveries, look) for row in rows] for rows in pairs]
    panels = _FOREST.draw(ax, intervals, subtitle, _reach(pairs), look)
    for panel, rows in zip(panels, pairs, strict=True):
        _head(panel, rows, look, named=len(pairs) > 1)
    measure = answer["measure"][0].as_py() if "measure" in answer.column_names else "score"
    panels[-1].set_xlabel(
        f"difference ({canvas.label_of_measure(measure)})",
        color=look.muted,
        fontsize=canvas.LABEL_PT,
        labelpad=6,
    )
    canvas.headline(panels[0], look, _title(pairs) if title is None else title, subtitle, above_pt=above_pt(len(pairs)))
    scales = (
        ""
        if measure.startswith("z") or len(pairs[0]) == 1
        else "Different expressions are on different scales; Hedges' g is on one."
    )
    canvas.footer(panels[-1], look, synthetic=synthetic, whole_figure=ax is None, said=scales)
    return panels[0]


def _answer(given: Any, by: str | None, unit: str | None, options: Mapping[str, Any]) -> tuple[pa.Table, float | None]:
    """Return what `compare` found, and of how much confidence its intervals are where that is known."""
    if by is not None:
        return comparisons.compare(given, by, unit, **options), options.get("confidence", 0.95)
    missing: list[str] = []

    def wanted(schema: pa.Schema) -> list[str]:
        missing[:] = sorted(_ANSWER - set(schema.names))
        return [] if missing else list(schema.names)

    answer = frames.read_columns(given, wanted)
    if missing:
        raise UsageError(
            f"This is no answer of compare: it has no column {missing[0]}. Of a frame say by=, the label of the groups."
        )
    if unit is not None or options:
        named = "unit" if unit is not None else next(iter(options))
        raise UsageError(f"{named} says how to compare, and this is an answer already. Leave it out, or pass the frame and by=.")
    return answer, None


def _pairs(answer: pa.Table, k: int | None) -> list[list[dict[str, Any]]]:
    """Return the rows of each pair of groups that are drawn, from the largest difference to the lowest."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in answer.to_pylist():
        found.setdefault((row["group_a"], row["group_b"]), []).append(row)
    most = k if k is not None else _ROWS_ALONE if len(found) == 1 else _ROWS_BESIDE_OTHERS
    pairs = []
    for rows in found.values():
        known = [row for row in rows if row["difference"] is not None]
        if not known:
            continue
        known.sort(key=lambda row: (row["p_value"] is None, row["p_value"]))
        pairs.append(sorted(known[:most], key=lambda row: -row["difference"]))
    if not pairs:
        raise UsageError("Nothing to draw: no expression has scores in both groups.")
    return pairs


def _title(pairs: Sequence[Sequence[Mapping[str, Any]]]) -> str:
    first = pairs[0][0]
    if len(pairs) > 1:
        return "How the groups differ"
    return f"{first['group_b']} against {first['group_a']}"


def _short(group: str) -> str:
    return words.fitted(group, canvas.SMALL_PT, _NAME_IN)


def _units(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return how many units are in each group, by the expression that most of them have scores of."""
    most = max(rows, key=lambda row: row["n_units"])
    unit = plural(most["unit"])
    if most["paired"]:
        return f"{most['n_units']:,} {unit}, each in both groups"
    return f"{most['n_units_b']:,} {unit} ({_short(most['group_b'])}), {most['n_units_a']:,} ({_short(most['group_a'])})"


def _subtitle(
    answer: pa.Table, pairs: Sequence[Sequence[Mapping[str, Any]]], discoveries: float, confidence: float | None
) -> str:
    tested = sum(value is not None for value in answer["q_value"].to_pylist())
    shown = sum(len(rows) for rows in pairs)
    interval = "interval" if confidence is None else f"{100 * confidence:g}% interval"
    said = [_units(pairs[0])] if len(pairs) == 1 else []
    said.append(f"dot: difference of the means of {plural(pairs[0][0]['unit'])}, line: its {interval}")
    said.append(f"filled: q of at most {discoveries:g} (Benjamini and Hochberg, {counted(tested, 'test')})")
    if shown < answer.num_rows:
        said.append(f"the {shown} with the lowest p of {answer.num_rows}")
    text = "; ".join(said)
    return text[0].upper() + text[1:]


def _reach(pairs: Sequence[Sequence[Mapping[str, Any]]]) -> tuple[float, float]:
    ends = [row[name] for rows in pairs for row in rows for name in ("difference", "ci_low", "ci_high") if row[name] is not None]
    low, high = min(0.0, *ends), max(0.0, *ends)
    margin = 0.04 * (high - low) or 0.5
    return low - margin, high + margin


def _passes(row: Mapping[str, Any], discoveries: float) -> bool:
    return row["q_value"] is not None and bool(row["q_value"] <= discoveries)


def _interval(row: Mapping[str, Any], discoveries: float, look: Theme) -> Interval:
    return Interval(
        row["expression"],
        row["difference"],
        row["ci_low"],
        row["ci_high"],
        _passes(row, discoveries),
        look.series[1] if row["difference"] > 0 else look.series[0],
        (signed(row["difference"]), signed(row["effect_size"], 2), small(row["q_value"])),
    )


def _head(ax: Axes, rows: Sequence[Mapping[str, Any]], look: Theme, *, named: bool) -> None:
    """Write above a panel which way is which, and of several which it is."""
    first = rows[0]
    room_in = ax.get_window_extent().width / canvas.figure_of(ax).dpi / 2 - 0.1
    sides = (
        (0.0, f"\N{LEFTWARDS ARROW} more in {first['group_a']}", 0),
        (1.0, f"more in {first['group_b']} \N{RIGHTWARDS ARROW}", 1),
    )
    for at, text, series in sides:
        fitting = words.fitted(text, canvas.SMALL_PT, room_in, bold=True)
        canvas.note(ax, fitting, (at, 1.0), (0.0, 6.0), readable(look.series[series], look), bold=True)
    if named:
        heading = f"{_short(first['group_b'])} against {_short(first['group_a'])}: {_units(rows)}"
        canvas.note(ax, heading, (0.0, 1.0), (0.0, 22.0), look.text, bold=True)
