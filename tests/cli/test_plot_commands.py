"""Every ``plot`` command writes a picture of what it was asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

import humeanalytics as ha
from humeanalytics.cli import app as cli
from humeanalytics.samples import sample

TOLD = ("--by", "condition", "--unit", "participant", "--where", "role = 'participant'")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study of the samples, and an answer that has faces of a film."""
    lake = tmp_path_factory.mktemp("study") / "lake"
    of = {name: sample(f"study/{name}.csv") for name in ("manifest", "subjects", "segments")}
    ha.ingest(sample("study/predictions.json.gz"), lake, **of, synthetic=True)
    ha.ingest(sample("predictions.json"), lake, synthetic=True)
    return lake


@pytest.mark.parametrize(
    "command",
    [
        ("compare", "prosody", *TOLD),
        ("compare", "face", "--by", "segment", "--unit", "participant", "--expressions", "joy,anger"),
        ("top", "prosody", "--by", "role"),
        ("distribution", "prosody", *TOLD, "--expressions", "joy,Anxiety"),
        ("heatmap", "face", "--by", "segment", "-k", "12"),
        ("heatmap", "face", "--recording", "P03_interview.mp4"),
        ("coverage", "prosody", "--where", "participant < 'P04'"),
        ("timeline", "face", "--recording", "P03_interview.mp4", "--expressions", "joy"),
        ("faces", str(sample("012_greeting.mp4")), "--moments", "3"),
    ],
    ids=lambda command: command[0],
)
def test_a_picture_is_written(study: Path, tmp_path: Path, command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "picture.svg"
    assert cli.run(["plot", *command, "--lake", str(study), "-o", str(picture)]) == 0, capsys.readouterr().err
    told, drawn = capsys.readouterr(), picture.read_text(encoding="utf-8")
    assert (told.out, told.err) == (f"wrote {picture}\n", "")
    assert "<svg" in drawn


def test_a_transcript_is_drawn_of_one_chat(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ha.Sandbox(options=ha.SandboxOptions(evi_chats=3, evi_running=0)) as hume:
        ha.export_chats(tmp_path / "lake", settings=hume.settings)
        chat = next(chat["id"] for chat in hume.evi.truth()["chats"] if chat["event_count"] > 5)
    command = ["plot", "transcript", "--lake", str(tmp_path / "lake"), "-o", str(tmp_path / "chat.png")]
    assert cli.run([*command, chat]) == 0
    assert (tmp_path / "chat.png").read_bytes().startswith(b"\x89PNG")
    assert cli.run([*command, chat[:12]]) == 0
    assert cli.run([*command, "no-such-chat"]) == 2
    assert "no message of a chat 'no-such-chat'" in capsys.readouterr().err


def test_what_is_missing_is_said(study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command, says in (
        (("compare", "prosody", "--by", "condition"), "unit='participant'"),
        (("compare", "prosody", "--by", "mood", "--unit", "participant"), "mood"),
        (("heatmap", "face"), "--recording"),
        (("coverage", "prosody", "--where", "nothing = 1"), "nothing"),
        (("top", "prosody", "-o", "top.gif"), ".png"),
    ):
        output = [] if "-o" in command else ["-o", str(tmp_path / "x.png")]
        assert cli.run(["plot", *command, "--lake", str(study), *output]) == 2
        assert says in capsys.readouterr().err
    assert not (tmp_path / "x.png").exists()
