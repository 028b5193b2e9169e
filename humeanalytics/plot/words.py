"""Words as there are letters for them: fonts for other scripts where they are installed, lines no wider than their room."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any

import matplotlib as mpl
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font
from matplotlib.textpath import TextPath

#: Stands for a letter that no font has: a picture says so, where it is words that it shows.
NO_LETTER = "□"
#: Fonts of other scripts, of which the first that is installed is taken for what the usual font does not have.
_OTHER_SCRIPTS = (
    ("Noto Sans CJK JP", "Noto Sans JP", "Hiragino Sans", "Yu Gothic", "Meiryo", "MS Gothic", "IPAexGothic", "IPAGothic"),
    ("Noto Sans CJK SC", "Noto Sans SC", "PingFang SC", "Microsoft YaHei", "SimHei", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei"),
    ("Noto Sans CJK KR", "Noto Sans KR", "Apple SD Gothic Neo", "Malgun Gothic", "NanumGothic"),
    ("Noto Sans Devanagari", "Mangal", "Nirmala UI"),
    ("Noto Sans Thai", "Thonburi", "Leelawadee UI"),
    ("Noto Emoji", "Segoe UI Emoji", "Symbola"),
)
#: What shapes other characters and is nothing by itself.
_UNSEEN = re.compile("[\u200b-\u200f\u2060\ufe00-\ufe0f\ufeff\U0001f3fb-\U0001f3ff]")
#: Not the space that must not be broken at.
_SPACES = re.compile(r"[^\S\xa0]+")
_NOT_FIRST = frozenset("、。，．・：；？！」』）］｝〉》】ー…’”,.:;?!)]}")


def families() -> list[str]:
    """Return the names of fonts to take letters from, the first that has one: matplotlib's own, then those of other scripts."""
    wanted: list[str] = []
    settings: Mapping[str, Any] = mpl.rcParams  # type: ignore[assignment]
    for name in mpl.rcParams["font.family"]:
        wanted += settings.get(f"font.{name}", [name])
    return list(_installed(tuple(wanted)))


@cache
def _installed(wanted: tuple[str, ...]) -> tuple[str, ...]:
    there = {font.name for font in fontManager.ttflist}
    first = next((name for name in wanted if name in there), "DejaVu Sans")
    others = [next((name for name in names if name in there), None) for names in _OTHER_SCRIPTS]
    return tuple(dict.fromkeys([first, "DejaVu Sans", *(name for name in others if name is not None)]))


@cache
def _letters(fonts: tuple[str, ...]) -> frozenset[int]:
    paths = [findfont(FontProperties(family=[name]), fallback_to_default=False) for name in fonts]
    return frozenset(code for path in paths for code in get_font(path).get_charmap())


def drawable(text: str) -> str:
    """Return a text of one line of which each letter can be drawn; what no font here has becomes ``□``.

    >>> drawable("one\\ntwo"), drawable("\\U00013000")
    ('one two', '□')
    """
    letters = _letters(tuple(families()))
    plain = _SPACES.sub(" ", _UNSEEN.sub("", unicodedata.normalize("NFC", text))).strip()
    return "".join(each if ord(each) in letters else NO_LETTER for each in plain if unicodedata.category(each) != "Cc")


def shown(text: str) -> str:
    """Return a text as matplotlib has to be given it: drawable, and a dollar is a dollar, no mathematics."""
    return drawable(text).replace("$", r"\$")


def text_width_in(text: str, size_pt: float, *, bold: bool = False) -> float:
    """Return how wide some words will be, in inches."""
    return _width_in(drawable(text), size_pt, bold, tuple(families()))


@lru_cache(maxsize=8192)
def _width_in(plain: str, size_pt: float, bold: bool, fonts: tuple[str, ...]) -> float:
    if not plain.strip():
        return 0.0
    font = FontProperties(family=list(fonts), weight="bold" if bold else "normal")
    outline = TextPath((0, 0), plain.replace("$", "S"), size=size_pt, prop=font, usetex=False).vertices[:, 0]
    return float(outline.max() - outline.min()) / 72


def fitted(text: str, size_pt: float, width_in: float, *, bold: bool = False) -> str:
    """Return some words, their middle left out where they would be wider than that."""

    def kept(half: int) -> str:
        return f"{text[:half]}…{text[-half:]}"

    if text_width_in(text, size_pt, bold=bold) <= width_in:
        return text
    halves = range(1, len(text) // 2 + 1)
    fitting = bisect_right(halves, width_in, key=lambda half: text_width_in(kept(half), size_pt, bold=bold))
    return kept(max(fitting, 1))


def wrapped(text: str, size_pt: float, width_in: float) -> list[str]:
    """Return the lines of a text that are at most so wide: broken at spaces, in Japanese and Chinese between letters.

    A word that is wider than a line is broken too.

    >>> wrapped("one two three", 10, 0.6)
    ['one two', 'three']
    """
    pieces = [each for piece in _pieces(drawable(text)) for each in _cut(piece, size_pt, width_in)]
    lines = []
    while pieces:
        fitting = bisect_right(
            range(1, len(pieces) + 1), width_in, key=lambda n: text_width_in("".join(pieces[:n]).rstrip(" "), size_pt)
        )
        taken = max(fitting, 1)
        # what must not begin a line takes the letter before it along
        while 1 < taken < len(pieces) and pieces[taken][0] in _NOT_FIRST:
            taken -= 1
        lines.append("".join(pieces[:taken]).rstrip(" "))
        pieces = pieces[taken:]
    return lines


def _pieces(text: str) -> list[str]:
    """Return what a line may be broken between: words with the space behind them, letters of scripts without spaces."""
    pieces: list[str] = []
    open_ = False
    for letter in text:
        wide = unicodedata.east_asian_width(letter) in "WF"
        if open_ and not wide:
            pieces[-1] += letter
        else:
            pieces.append(letter)
        open_ = not wide and letter != " "
    return pieces


def _cut(piece: str, size_pt: float, width_in: float) -> list[str]:
    if text_width_in(piece, size_pt) <= width_in or len(piece) == 1:
        return [piece]
    fitting = bisect_right(range(1, len(piece)), width_in, key=lambda n: text_width_in(piece[:n], size_pt))
    at = max(fitting, 1)
    return [piece[:at], *_cut(piece[at:], size_pt, width_in)]
