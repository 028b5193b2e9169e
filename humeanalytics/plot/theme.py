"""Colours: two themes, a palette that the colour-blind can tell apart, and Hume's own on request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from matplotlib.colors import LinearSegmentedColormap, to_hex, to_rgb

from humeanalytics import vocabulary
from humeanalytics.errors import UsageError

ThemeName = Literal["light", "dark"]
ColoursName = Literal["accessible", "hume"]

#: Contrast of text with its background that the Web Content Accessibility Guidelines ask for.
_READABLE_CONTRAST = 4.5
_VISIBLE_CONTRAST = 1.6


@dataclass(frozen=True, slots=True)
class Theme:
    """The colours of one theme, ``#rrggbb``; ``series`` is near Okabe and Ito's palette, and ordered so that
    the first few differ most, also to the colour-blind."""

    background: str
    text: str
    muted: str
    grid: str
    warning: str
    series: tuple[str, ...]
    #: From little to much, near the background at first; from below to above something usual; and no score at all.
    sequential: tuple[str, ...]
    diverging: tuple[str, ...]
    missing: str


THEMES: dict[str, Theme] = {
    "light": Theme(
        background="#ffffff",
        text="#1d2126",
        muted="#646b75",
        grid="#e7e9ec",
        warning="#9a5b00",
        series=("#0072b2", "#c44601", "#00896a", "#e6ab02", "#2b2f36", "#62b9ee", "#d884b4", "#5a2fc2"),
        sequential=("#fbfae6", "#c9e8bf", "#4fb3bf", "#1f62a5", "#0b1f52"),
        diverging=("#1f5a9e", "#86b6df", "#f6f5f2", "#eda077", "#b03a0c"),
        missing="#b9bec6",
    ),
    "dark": Theme(
        background="#15181d",
        text="#e9ebee",
        muted="#9aa1ab",
        grid="#2a2f37",
        warning="#f0b35a",
        series=("#56b4e9", "#e8682c", "#1fa67f", "#ffe27a", "#ffffff", "#4a7fe0", "#f2aed6", "#a0522d"),
        sequential=("#1b2342", "#27508e", "#2b8fa6", "#7fd08c", "#f6f2a4"),
        diverging=("#9fd6ff", "#2f7ab8", "#262b32", "#bb5620", "#ffcaa0"),
        missing="#59606b",
    ),
}


def theme_of(name: str) -> Theme:
    """Return a theme by name.

    Raises:
        UsageError: There is no such theme.
    """
    if name not in THEMES:
        raise UsageError(f"There is no theme {name!r}. There are: {', '.join(THEMES)}.")
    return THEMES[name]


@cache
def _hume_colours() -> dict[str, str]:
    return {name.column: name.colour for name in vocabulary.names() if name.kind == "expression" and name.colour}


def series_colours(columns: Sequence[str], colours: str, theme: Theme) -> list[str]:
    """Return a colour for each column of scores.

    Args:
        columns: At most as many as the palette has, unless Hume's colours are asked for.
        colours: ``accessible``, or ``hume`` for the colours Hume's own examples give each expression; one that could not be
            seen on the background is darkened or lightened.

    Raises:
        UsageError: There is no such palette, or it is too short.
    """
    if colours == "hume":
        return [readable(_hume_colours().get(column, theme.muted), theme, _VISIBLE_CONTRAST) for column in columns]
    if colours != "accessible":
        raise UsageError(f"There are no colours {colours!r}. There are: accessible, hume.")
    if len(columns) > len(theme.series):
        raise UsageError(f"{len(columns)} in one picture cannot be told apart; choose {len(theme.series)} at most.")
    return list(theme.series[: len(columns)])


def colour_map(colours: Sequence[str]) -> LinearSegmentedColormap:
    """Return colours and all between them."""
    return LinearSegmentedColormap.from_list("humeanalytics", list(colours))


def ink_on(colour: Sequence[float], theme: Theme) -> str:
    """Return which colour words on a coloured ground need to be read: that of text, or of the background."""
    return max((theme.text, theme.background), key=lambda ink: _contrast(to_rgb(ink), colour[:3]))


def readable(colour: str, theme: Theme, contrast: float = _READABLE_CONTRAST) -> str:
    """Return ``colour``, moved towards that of text until it stands out from the background."""
    own, towards = to_rgb(colour), to_rgb(theme.text)
    for step in range(21):
        red, green, blue = (a + (b - a) * step / 20 for a, b in zip(own, towards, strict=True))
        mixed = (red, green, blue)
        if _contrast(mixed, to_rgb(theme.background)) >= contrast:
            return to_hex(mixed)
    return theme.text


def _contrast(one: Sequence[float], other: Sequence[float]) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(rgb: Sequence[float]) -> float:
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in rgb]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
