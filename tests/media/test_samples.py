"""The samples are found, are what their README says, and stay small."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import tomllib
from pathlib import Path

import pytest

from humeanalytics import samples
from humeanalytics.errors import UsageError
from humeanalytics.media.probe import probe
from humeanalytics.samples import sample, samples_folder


def test_every_recording_can_be_probed() -> None:
    kinds = {path.name: probe(path).media_type for path in (samples_folder() / "recordings").iterdir()}
    assert sorted(kinds.values()) == ["audio", "audio", "text", "text", "video"]


def test_sound_is_16_khz_mono_and_speech_is_in_it() -> None:
    import av
    import numpy as np

    for name in ("007_interview.flac", "012_interview_2026-10-02_09-30-00.wav"):
        with av.open(str(sample(name))) as container:
            codec = container.streams.audio[0].codec_context
            assert (codec.sample_rate, codec.channels) == (16_000, 1)
            heard = np.concatenate([frame.to_ndarray().ravel() for frame in container.decode(audio=0)])
        assert np.abs(heard).max() > 10_000
        assert (heard == 0).mean() > 0.05, "there are pauses"


def test_the_manifest_names_each_recording_once() -> None:
    with sample("manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    named = sorted(row["file"] for row in rows)
    there = sorted(path.relative_to(samples_folder()).as_posix() for path in (samples_folder() / "recordings").iterdir())
    assert named == there
    assert {row["participant"] for row in rows} == {"007", "012"}


def test_each_recording_that_is_spoken_has_its_transcript() -> None:
    spoken = {path.stem for path in (samples_folder() / "recordings").iterdir() if path.suffix != ".txt"}
    assert {path.stem for path in (samples_folder() / "transcripts").iterdir()} == spoken


def test_readme_tells_of_every_file() -> None:
    readme = sample("README.md").read_text(encoding="utf-8")
    for path in samples_folder().rglob("*"):
        if path.is_file() and "transcripts" not in path.parts and "__pycache__" not in path.parts and path.name != "README.md":
            assert re.search(rf"\b{re.escape(path.name)}`", readme) or path.name in readme, path.name


def test_the_predictions_are_of_these_recordings() -> None:
    answer = json.loads(sample("predictions.json").read_text(encoding="utf-8"))
    files = {each["source"]["filename"]: each["source"]["md5sum"] for each in answer if each["source"]["type"] == "file"}
    recordings = [path for path in (samples_folder() / "recordings").iterdir() if path.suffix != ".txt"]
    assert files == {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in recordings}
    said = {
        prediction["file"]: [row["text"] for row in prediction["models"]["prosody"]["grouped_predictions"][0]["predictions"]]
        for each in answer
        for prediction in each["results"]["predictions"]
        if each["source"]["type"] == "file"
    }
    for path in recordings:
        assert " ".join(said[path.name]).split() == sample(f"transcripts/{path.stem}.txt").read_text(encoding="utf-8").split()
    assert sample("predictions.json").stat().st_size < 400_000


def test_the_samples_stay_small() -> None:
    assert sum(path.stat().st_size for path in samples_folder().rglob("*") if path.is_file()) < 2_000_000


def test_the_wheel_ships_them() -> None:
    project = Path(__file__).parents[2] / "pyproject.toml"
    included = tomllib.loads(project.read_text(encoding="utf-8"))["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert included["data"] == "humeanalytics/data"


def test_found_in_an_installed_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site-packages" / "humeanalytics"
    (package / "data" / "recordings").mkdir(parents=True)
    (package / "data" / "manifest.csv").touch()
    (tmp_path / "site-packages" / "data").mkdir()
    monkeypatch.setattr(samples, "__file__", str(package / "samples.py"))
    assert samples_folder() == package / "data"


def test_missing_samples_and_unknown_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"no sample named 'x\.wav'.*007_interview\.flac"):
        sample("x.wav")
    with pytest.raises(UsageError, match="no sample named"):
        sample("../pyproject.toml")
    monkeypatch.setattr(samples, "__file__", str(tmp_path / "humeanalytics" / "samples.py"))
    with pytest.raises(UsageError, match="samples are missing"):
        samples_folder()
