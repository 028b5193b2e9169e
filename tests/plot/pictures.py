"""The pictures that `test_pictures.py` compares with those under ``baselines/``.

    python tests/plot/pictures.py

draws them anew. Look at each before it is committed.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
from matplotlib.axes import Axes
from PIL import Image, ImageFilter

sys.path.insert(0, str(Path(__file__).parent))

from plot_frames import agreed, conversation, faces, filmed, speech, study

from humeanalytics import baseline, plot
from humeanalytics.samples import sample

BASELINES = Path(__file__).parent / "baselines"
_DPI, _SHRUNK, _BLUR = 100, 2, 2.0


def coverage_frame() -> pa.Table:
    """Two speakers who speak over each other, in a recording of two minutes."""
    return (
        speech(2)
        .append_column("duration_s", pa.array([120.0] * 24))
        .set_column(5, "end_s", pa.array(speech(2)["begin_s"].to_numpy() + 3.5))
    )


PICTURES: dict[str, Callable[[], Axes]] = {
    "agreement": lambda: plot.agreement(agreed()),
    "timeline": lambda: plot.timeline(speech(2), ["joy", "anger"], synthetic=True),
    "timeline_dark": lambda: plot.timeline(faces(), ["joy", "calmness", "anger"], theme="dark"),
    "top": lambda: plot.top(speech(2), 4, by="speaker_id"),
    "heatmap": lambda: plot.heatmap(study(), by="condition", unit="participant"),
    "heatmap_time": lambda: plot.heatmap(speech(), synthetic=True),
    "heatmap_z_dark": lambda: plot.heatmap(baseline(study(rows=4), "recording_id"), by="begin_s", order="likeness", theme="dark"),
    "compare": lambda: plot.compare(study(), "condition", "participant"),
    "distribution": lambda: plot.distribution(study(), ["joy", "anger"], by="condition"),
    "coverage": lambda: plot.coverage(coverage_frame()),
    "coverage_faces_dark": lambda: plot.coverage(faces(people=2), theme="dark", synthetic=True),
    "transcript": lambda: plot.transcript(conversation()),
    "faces": lambda: plot.faces(sample("012_greeting.mp4"), filmed(people=2), moments=2),
}


def shrunk(ax: Axes) -> Image.Image:
    """Draw a picture, coarsely: so that the way a machine draws letters matters little."""
    buffer = io.BytesIO()
    figure = ax.figure
    figure.savefig(buffer, format="png", dpi=_DPI, facecolor=figure.get_facecolor())  # type: ignore[union-attr]
    with Image.open(buffer) as image:
        return image.convert("RGB").reduce(_SHRUNK)


def difference(one: Image.Image, other: Image.Image, tiles: int = 6) -> float:
    """Return how far two pictures are apart, 0 to 255: the highest root mean square of any part of them."""
    if one.size != other.size:
        return 255.0
    blurred = [np.asarray(each.filter(ImageFilter.GaussianBlur(_BLUR)), np.float64) for each in (one, other)]
    apart = (blurred[0] - blurred[1]) ** 2
    parts = [part for rows in np.array_split(apart, tiles, axis=0) for part in np.array_split(rows, tiles, axis=1)]
    return float(np.sqrt(max(part.mean() for part in parts)))


def main() -> None:
    BASELINES.mkdir(exist_ok=True)
    for name, draw in PICTURES.items():
        shrunk(draw()).save(BASELINES / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
