"""Whose chats are: manifests by what a session is called, in both verbs, and labels of the call."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from chat_files import event, page, written

import humeanalytics as ha
from humeanalytics.cli.app import run
from humeanalytics.errors import UsageError
from humeanalytics.sandbox.embedded import Sandbox


def rows(lake: Path, sql: str) -> list[dict[str, Any]]:
    with ha.open_lake(lake) as opened:
        return opened.sql(sql).rows()


def session(chat_id: str, called: str, group: str = "g") -> bytes:
    """A chat whose settings say what its session is called."""
    settings = json.dumps({"type": "session_settings", "custom_session_id": called})
    events = [
        event(0, chat_id=chat_id, type="SESSION_SETTINGS", role="SYSTEM", message_text=settings, emotion_features=""),
        event(2, chat_id=chat_id),
        event(3, chat_id=chat_id),
    ]
    return json.dumps(page(events, chat_id=chat_id, chat_group_id=group)).encode()


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    chats = {"a": ("ann", "g1"), "b": ("ann", "g1"), "c": ("bob", "g2"), "d": ("cyd", "g3")}
    return written(tmp_path / "saved", {f"{chat}.json": session(chat, *told) for chat, told in chats.items()})


def manifest(tmp_path: Path, text: str) -> Path:
    (tmp_path / "users.csv").write_text(text)
    return tmp_path / "users.csv"


def test_by_what_the_session_is_called(saved: Path, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    users = manifest(tmp_path, "custom_session_id,participant,arm\nann,007,A\nbob,008,B\nzoe,009,B\n")
    summary = ha.ingest(saved, lake, manifest=users, on="custom_session_id", labels={"wave": "1"})
    assert summary.exit_code == 0, str(summary)
    found = {row["chat_id"]: (row["participant"], row["wave"]) for row in rows(lake, "SELECT * FROM chats_labelled")}
    assert found == {"a": ("007", "1"), "b": ("007", "1"), "c": ("008", "1"), "d": (None, "1")}
    assert [note for note in summary.notes if "zoe (line 4)" in note]
    assert [note for note in summary.notes if "1 chats are not in the manifest" in note and "d" in note]
    for view, count in (("chat_events", 12), ("transcript", 8), ("turns", 8), ("chats", 4)):
        told = rows(lake, f"SELECT participant, count(*) AS n FROM {view}_labelled GROUP BY ALL ORDER BY ALL")
        assert [(each["participant"], each["n"]) for each in told] == [
            ("007", count // 2),
            ("008", count // 4),
            (None, count // 4),
        ]
    told = rows(lake, "SELECT conversation_id, chats, participant, arm FROM conversations_labelled ORDER BY ALL")
    assert [tuple(each.values()) for each in told] == [("g1", 2, "007", "A"), ("g2", 1, "008", "B"), ("g3", 1, None, None)]


@pytest.mark.parametrize(("column", "key", "chats"), [("chat_id", "b", {"b"}), ("chat_group_id", "g1", {"a", "b"})])
def test_by_chat_and_by_group(column: str, key: str, chats: set[str], saved: Path, tmp_path: Path) -> None:
    users = manifest(tmp_path, f"{column},participant\n{key},007\n")
    ha.ingest(saved, tmp_path / "lake", manifest=users, on=column)
    assert {row["chat_id"] for row in rows(tmp_path / "lake", "SELECT * FROM chats_labelled WHERE participant = '007'")} == chats


def test_later_words_hold_and_reach_what_is_known(saved: Path, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    ha.ingest(saved, lake)
    users = manifest(tmp_path, "custom_session_id,participant\nann,007\n")
    second = ha.ingest(saved / "c.json", lake, manifest=users, on="custom_session_id", labels={"wave": "2"})
    assert second.files["known"] == 1
    found = {row["chat_id"]: (row["participant"], row["wave"]) for row in rows(lake, "SELECT * FROM chats_labelled")}
    assert found == {"a": ("007", None), "b": ("007", None), "c": (None, "2"), "d": (None, None)}
    manifest(tmp_path, "custom_session_id,participant,excluded_reason\nann,010,\ncyd,,withdrew\n")
    ha.ingest(saved, lake, manifest=users, on="custom_session_id")
    assert {row["chat_id"]: row["participant"] for row in rows(lake, "SELECT * FROM chats_labelled")} == {
        "a": "010",
        "b": "010",
        "c": None,
    }
    assert rows(lake, "SELECT count(*) AS n FROM labels WHERE key = 'participant'") == [{"n": 2}]
    assert rows(lake, "SELECT * FROM transcript WHERE chat_id = 'd'") == []
    manifest(tmp_path, "custom_session_id,participant,excluded_reason\ncyd,011,\n")
    ha.ingest(saved, lake, manifest=users, on="custom_session_id")
    assert rows(lake, "SELECT participant FROM chats_labelled WHERE chat_id = 'd'") == [{"participant": "011"}]


def test_a_label_that_is_called_like_a_column(saved: Path, tmp_path: Path) -> None:
    ha.ingest(saved, tmp_path / "lake", labels={"speaker": "S", "status": "T"})
    told = rows(tmp_path / "lake", "SELECT DISTINCT label_speaker, status FROM turns_labelled")
    assert told == [{"label_speaker": "S", "status": "T"}]
    assert rows(tmp_path / "lake", "SELECT DISTINCT label_status FROM chats_labelled") == [{"label_status": "T"}]


def test_export_takes_the_same(sandbox_with: Callable[..., Sandbox], tmp_path: Path) -> None:
    hume, lake = sandbox_with(evi_chats=12, evi_running=0), tmp_path / "lake"
    settings = hume.settings.model_copy(update={"requests_per_s": 10_000.0})
    ha.export_chats(lake, settings=settings)
    told = rows(
        lake,
        "SELECT custom_session_id AS id, count(*) AS n FROM chats WHERE custom_session_id IS NOT NULL GROUP BY ALL ORDER BY ALL",
    )
    assert told, "the sandbox has sessions that are called something"
    users = manifest(tmp_path, "custom_session_id,participant\n" + f"{told[0]['id']},007\nnobody,008\n")
    summary = ha.export_chats(lake, settings=settings, manifest=users, on="custom_session_id", labels={"wave": "1"})
    assert (summary.exit_code, [note for note in summary.notes if "nobody" in note] != []) == (0, True)
    sql = "SELECT count(*) AS n FROM chats_labelled WHERE participant = '007'"
    assert rows(lake, sql) == [{"n": told[0]["n"]}]
    assert rows(lake, "SELECT count(*) AS n FROM labels WHERE key = 'wave'") == [{"n": 0}]  # nothing was read by this call
    one = hume.evi.truth()["chats"][0]["id"]
    ha.export_chats(lake, settings=settings, chat=one, labels={"wave": "2"})
    assert rows(lake, "SELECT chat_id FROM chats_labelled WHERE wave = '2'") == [{"chat_id": one}]
    ha.export_chats(tmp_path / "new", settings=settings, labels={"wave": "1"}, manifest=users)
    assert rows(tmp_path / "new", "SELECT DISTINCT wave FROM chats_labelled") == [{"wave": "1"}]
    assert rows(tmp_path / "new", sql) == [{"n": told[0]["n"]}]


def test_on_the_command_line(saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    users = manifest(tmp_path, "custom_session_id,participant\nann,007\n")
    how = [
        "--manifest",
        str(users),
        "--on",
        "custom_session_id",
        "--label",
        "wave=1",
        "--lake",
        str(tmp_path / "lake"),
        "--quiet",
    ]
    assert run(["ingest", str(saved), *how]) == 0
    told = capsys.readouterr().out
    assert "4 found, 4 new" in told and "4 EVI payloads" in told
    assert (
        run(["sql", "SELECT chat_id, wave FROM chats_labelled WHERE participant = '007' ORDER BY ALL", "--json", *how[6:8]]) == 0
    )
    assert json.loads(capsys.readouterr().out) == [{"chat_id": "a", "wave": "1"}, {"chat_id": "b", "wave": "1"}]
    how[how.index(str(tmp_path / "lake"))] = str(tmp_path / "exported")
    assert run(["export", "chats", "--sandbox", *how, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["notes"] and told["rows"]["chats"] == told["chats"]["new"]
    with ha.open_lake(tmp_path / "exported") as lake:
        assert lake.sql("SELECT DISTINCT wave FROM conversations_labelled").rows() == [{"wave": "1"}]


def test_a_manifest_that_names_no_chats_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    users = manifest(tmp_path, "file,participant\na.wav,007\n")
    with pytest.raises(UsageError, match="no column that names chats"):
        ha.export_chats(tmp_path / "lake", manifest=users)
    with pytest.raises(UsageError, match="Chats are known by"):
        ha.export_chats(tmp_path / "lake", manifest=users, on="file")
