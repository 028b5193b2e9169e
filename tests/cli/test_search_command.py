"""What ``search`` prints: for people, in a terminal and in a pipe, and for programs."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from humeanalytics.cli import app as cli
from humeanalytics.lake.lake import open_lake
from humeanalytics.tables.schema import schema_of

SAID = (
    ("AGENT_MESSAGE", "Hello, how can I help you today? " * 10),
    ("USER_MESSAGE", "I want two refunds\x1b[31m for this order, and for that order too, and I want both of them " + "now " * 60),
    ("AGENT_MESSAGE", "Of course."),
    ("USER_MESSAGE", "返金してください。早く返金してください。" * 3),
)


@pytest.fixture
def lake(tmp_path: Path) -> str:
    events = [
        {
            "recording_id": "chat:c",
            "scoring_id": "s",
            "load_id": "L",
            "event_id": f"e{n}",
            "chat_id": "c",
            "ordinal": n,
            "timestamp": datetime(2026, 3, 1, 12, tzinfo=UTC) + timedelta(seconds=n),
            "type": kind,
            "message_text": text,
            "form": "history",
            "joy": 0.5,
        }
        for n, (kind, text) in enumerate(SAID)
    ]
    with open_lake(tmp_path / "lake") as lake:
        table = pa.Table.from_pylist(events, schema=schema_of("chat_events"))
        lake.loads.commit_all("L", "ingest", "run", None, {"chat_events": table})
    return str(tmp_path / "lake")


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    code = cli.run(["search", *arguments])
    told = capsys.readouterr()
    assert code == 0, told.err
    return told.out


def test_people_see_the_hit_and_what_was_said_around_it(lake: str, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = printed(capsys, "refund", "both", "--lake", lake).splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert lines[0].startswith("1. 2026-03-01 12:00:01  chat c")
    assert lines[1].split()[:2] == ["assistant", "…"]
    assert "I want two [refunds] [31m for this order" in "\n".join(lines)
    assert [line.split() for line in lines if "joy" in line] == [["joy", "0.50"]]
    assert "   assistant Of course." in "".join(f"{line.rstrip()}\n" for line in lines)
    assert lines[-1] == "1 message"
    assert "\x1b" not in "".join(lines)


def test_in_a_terminal_hits_are_in_colour_and_japanese_keeps_to_the_width(
    lake: str, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    for name, value in (("COLUMNS", "80"), ("FORCE_COLOR", "1"), ("TERM", "xterm-256color")):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)
    told = printed(capsys, "返金", "--lake", lake)
    assert told.count("\x1b[1;30;43m返金") == 6
    assert "[返金]" not in told


def test_programs_get_one_array(lake: str, capsys: pytest.CaptureFixture[str]) -> None:
    rows = json.loads(printed(capsys, "order", "--lake", lake, "--json"))
    assert [row["event_id"] for row in rows] == ["e1"]
    assert rows[0]["timestamp"] == "2026-03-01T12:00:01Z" and len(rows[0]["hits"]) == 2
    assert json.loads(printed(capsys, "nowhere", "--lake", lake, "--json")) == []


def test_of_more_than_are_shown_the_number_is_told(lake: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = printed(capsys, "--any", "hello refund course", "-n", "2", "--lake", lake)
    assert told.splitlines()[-1] == "the best 2 of 3 messages; --limit shows more"


def test_where_nothing_is_found_it_says_why(lake: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert printed(capsys, "hello refund", "--lake", lake) == (
        "no message found that has all: hello (1), refund (1)\n--any finds the 2 that have one of them.\n"
    )
    assert printed(capsys, "hello", "--speaker", "caller", "--lake", lake) == "no message found: hello (0)\n"
    assert printed(capsys, '"', "--lake", lake) == "nothing to look for: the query has no words of its own.\n"
    open_lake(tmp_path / "empty").close()
    assert printed(capsys, "hello", "--lake", str(tmp_path / "empty")).startswith("no chats in this lake.")


def test_wrong_use_is_told(lake: str, capsys: pytest.CaptureFixture[str]) -> None:
    for wrong in (["--limit", "0"], ["--speaker", "bob"], ["--since", "yesterday"]):
        assert cli.run(["search", "hello", "--lake", lake, *wrong]) == 2
    assert "yesterday" in capsys.readouterr().err
