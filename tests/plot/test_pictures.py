"""Pictures look as they did when somebody last looked at them."""

from __future__ import annotations

import pytest
from pictures import BASELINES, PICTURES, difference, shrunk
from PIL import Image
from plot_frames import speech, study

from humeanalytics import plot

#: Letters drawn by other rules differ by up to 10; anything that is elsewhere, or of another colour, by more.
_TOLERATED = 12.0


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_as_it_was(name: str) -> None:
    with Image.open(BASELINES / f"{name}.png") as baseline:
        apart = difference(shrunk(PICTURES[name]()), baseline.convert("RGB"))
    assert apart <= _TOLERATED, f"{name} differs by {apart:.1f}. If it should: python tests/plot/pictures.py, and look at it."


def test_each_baseline_has_its_picture_and_is_small() -> None:
    files = {path.stem: path.stat().st_size for path in BASELINES.iterdir()}
    assert set(files) == set(PICTURES)
    assert max(files.values()) < 40_000


def test_other_data_make_another_picture() -> None:
    with Image.open(BASELINES / "timeline.png") as baseline:
        other = plot.timeline(speech(2, seed=2), ["joy", "anger"], synthetic=True)
        assert difference(shrunk(other), baseline.convert("RGB")) > _TOLERATED
        without_a_mark = plot.timeline(speech(2), ["joy", "anger"])
        assert difference(shrunk(without_a_mark), baseline.convert("RGB")) > _TOLERATED
    with Image.open(BASELINES / "heatmap.png") as baseline:
        other = plot.heatmap(study(effect=0.25), by="condition", unit="participant")
        assert difference(shrunk(other), baseline.convert("RGB")) > _TOLERATED
