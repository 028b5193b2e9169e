"""Saving pictures, and showing them in a notebook."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image
from plot_frames import speech

from humeanalytics.errors import UsageError
from humeanalytics.plot import save, timeline, top
from humeanalytics.plot.theme import THEMES, _contrast, readable
from humeanalytics.plot.words import fitted, text_width_in


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"), np.int16)


def test_png_has_200_dots_an_inch(tmp_path: Path) -> None:
    ax = timeline(speech(), "joy")
    assert save(ax, tmp_path / "a.png") == tmp_path / "a.png"
    with Image.open(tmp_path / "a.png") as image:
        assert image.size == tuple(round(200 * inches) for inches in ax.figure.get_size_inches())
        assert image.info["dpi"] == pytest.approx((200, 200), abs=0.1)


def test_svg_and_pdf_hold_shapes_and_come_out_the_same_twice(tmp_path: Path) -> None:
    for name, magic in (("a.svg", b"<svg"), ("a.PDF", b"%PDF")):
        first = save(timeline(speech(), "joy"), tmp_path / name).read_bytes()
        again = save(timeline(speech(), "joy").figure, tmp_path / name).read_bytes()
        assert magic in first[:1000] and b"<image" not in first
        assert first == again


def test_what_cannot_be_saved(tmp_path: Path) -> None:
    ax = timeline(speech(), "joy")
    with pytest.raises(UsageError, match=r"must end in one of: \.png, \.svg, \.pdf"):
        save(ax, tmp_path / "a.gif")
    with pytest.raises(UsageError, match="there is no folder"):
        save(ax, tmp_path / "nowhere" / "a.png")
    taken = Figure().add_subplot()
    taken.remove()
    with pytest.raises(UsageError, match="taken off its figure"):
        save(taken, tmp_path / "a.png")


def test_the_colours_of_the_theme_are_in_the_picture(tmp_path: Path) -> None:
    for name, theme in THEMES.items():
        drawn = pixels(save(timeline(speech(), "joy", theme=name), tmp_path / f"{name}.png"))  # type: ignore[arg-type]
        background = np.array([round(255 * part) for part in to_rgb(theme.background)])
        line = np.array([round(255 * part) for part in to_rgb(theme.series[0])])
        assert (np.abs(drawn - background).max(axis=2) <= 2).mean() > 0.8
        assert (np.abs(drawn - line).max(axis=2) <= 8).sum() > 500
        assert np.abs(drawn[0] - background).max() <= 2, "the figure's edge has the theme's colour too"


def test_where_nothing_was_said_nothing_is_drawn(tmp_path: Path) -> None:
    ax = timeline(speech(), ["joy", "anger"])
    drawn = pixels(save(ax, tmp_path / "a.png"))
    height = drawn.shape[0]
    to_pixels = ax.transData + ax.figure.transFigure.inverted()
    left, right = (int(to_pixels.transform((at, 0))[0] * drawn.shape[1]) for at in (27.0, 53.0))
    low, high = (height - int(to_pixels.transform((0, at))[1] * height) for at in ax.get_ylim())
    silence = drawn[high:low, left:right]
    assert (silence.max(axis=2) - silence.min(axis=2)).max() <= 12, "only grey rulers in the silence"
    spoken = drawn[high:low, :left]
    assert (spoken.max(axis=2) - spoken.min(axis=2)).max() > 100


def test_the_same_frame_gives_the_same_picture(tmp_path: Path) -> None:
    one, two = (pixels(save(top(frame), tmp_path / "a.png")) for frame in (speech(), speech().to_pandas()))
    assert np.abs(one - two).max() <= 2
    other = pixels(save(top(speech(seed=5)), tmp_path / "b.png"))
    assert one.shape != other.shape or np.abs(one - other).max() > 50


def test_a_notebook_shows_the_axes_and_the_figure_once_and_sharp() -> None:
    ax = timeline(speech(3), "joy")
    data, metadata = ax._repr_png_()  # type: ignore[attr-defined]
    width_in, height_in = ax.figure.get_size_inches()
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == pytest.approx((200 * width_in, 200 * height_in), abs=1)
    assert metadata == {"width": round(100 * width_in), "height": round(100 * height_in)}
    assert ax.figure._repr_png_()[0] == data  # type: ignore[attr-defined]


def test_drawing_needs_no_display_and_no_pyplot(tmp_path: Path) -> None:
    code = (
        "import sys, pyarrow as pa, humeanalytics as ha\n"
        "assert 'matplotlib' not in sys.modules\n"
        f"ha.plot.save(ha.plot.timeline(pa.table({{'time_s': [0.0, 1.0], 'joy': [0.1, 0.2]}})), {str(tmp_path / 'a.png')!r})\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, cwd=tmp_path)
    assert (tmp_path / "a.png").stat().st_size > 5000


def test_long_words_lose_their_middle() -> None:
    assert fitted("short.wav", 13, 5) == "short.wav"
    shown = fitted("a" * 100 + "end.wav", 13, 3, bold=True)
    assert shown.startswith("aaa") and shown.endswith("end.wav") and "…" in shown
    assert text_width_in(shown, 13, bold=True) <= 3


def test_every_colour_can_be_read_as_text() -> None:
    for theme in THEMES.values():
        for colour in (*theme.series, "#ffffff", "#000000", "#fff974"):
            assert _contrast(to_rgb(readable(colour, theme)), to_rgb(theme.background)) >= 4.5
        for colour in (theme.text, theme.muted, theme.warning):
            assert _contrast(to_rgb(colour), to_rgb(theme.background)) >= 4.5


def lab(linear: np.ndarray) -> np.ndarray:
    """Linear RGB to CIELAB: where 10 is a difference that one sees at a glance."""
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = linear @ to_xyz.T / np.array([0.9505, 1.0, 1.089])
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116).T
    return np.column_stack([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_the_palette_can_be_told_apart_by_the_colour_blind() -> None:
    # Viénot, Brettel and Mollon 1999: what a protanope and a deuteranope see of linear RGB
    simulations = (
        np.eye(3),
        np.array([[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]]),
        np.array([[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]]),
    )
    for theme in THEMES.values():
        rgb = np.array([to_rgb(colour) for colour in theme.series])
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        for simulation in simulations:
            seen = lab(np.clip(linear @ simulation.T, 0, 1))
            for count, least in ((4, 25), (8, 15)):
                assert min(np.linalg.norm(a - b) for at, a in enumerate(seen[:count]) for b in seen[:at]) > least
