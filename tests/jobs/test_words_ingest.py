"""Files of words through `ingest`: each to the recording it is named after, or into `errors` with the reason."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from voices import write_voice

import humeanalytics as ha
from humeanalytics.jobs.summary import RunSummary
from humeanalytics.lake.lake import Lake


def vtt(*said: str) -> bytes:
    cues = [f"\n00:00:0{i}.000 --> 00:00:0{i}.500\n<v Anna>{text}\n" for i, text in enumerate(said)]
    return f"WEBVTT\n{''.join(cues)}".encode()


@pytest.fixture
def media(tmp_path: Path) -> Path:
    """A folder with two recordings."""
    for number, name in enumerate(("talk.wav", "b/other.wav")):
        write_voice(tmp_path / "media" / name, number)
    return tmp_path / "media"


def ingest(lake: Lake, files: Path | Iterable[Path], media: Path | None = None, **more: Any) -> RunSummary:
    return ha.ingest(files, lake, recordings=[media] if media else [], **more)


def texts(lake: Lake, table: str = "words") -> list[tuple[str | None, str | None]]:
    query = f"SELECT i.name, w.text FROM {table} AS w LEFT JOIN items AS i USING (recording_id) ORDER BY ALL"
    return [tuple(row.values()) for row in lake.sql(query).rows()]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return ha.open_lake(tmp_path / "lake")


@pytest.mark.parametrize(
    "name", ["talk.vtt", "talk.wav.vtt", "talk.en.vtt", "talk.wav.en-GB.vtt", "talk.txt", "deep/er/talk.vtt"]
)
def test_words_belong_to_the_recording_they_are_named_after(lake: Lake, media: Path, tmp_path: Path, name: str) -> None:
    file = tmp_path / "words" / name
    file.parent.mkdir(parents=True)
    file.write_bytes(vtt("hi", "you"))
    summary = ingest(lake, file, media)
    assert (summary.exit_code, summary.files["loaded"], summary.rows["words"]) == (0, 1, 2)
    assert texts(lake) == [("talk.wav", "hi"), ("talk.wav", "you")]
    [row] = lake.sql("SELECT recording_id, sha256 FROM recordings").rows()
    assert row["recording_id"] == row["sha256"]


def test_a_second_run_reads_nothing_and_a_changed_file_takes_the_place_of_the_old(
    lake: Lake, media: Path, tmp_path: Path
) -> None:
    file = tmp_path / "talk.vtt"
    file.write_bytes(vtt("helo"))
    ingest(lake, file, media)
    again = ingest(lake, file, media)
    assert (again.files["known"], again.files["loaded"], again.rows["words"]) == (1, 0, 0)
    file.write_bytes(vtt("hello", "there"))
    ingest(lake, file, media)
    assert [text for _, text in texts(lake)] == ["hello", "there"]
    assert [text for _, text in texts(lake, "words_all")] == ["hello", "helo", "there"]
    file.write_bytes(vtt("helo"))  # as it was at first: its words are there already
    back = ingest(lake, file, media)
    assert [text for _, text in texts(lake)] == ["helo"]
    assert (back.files["loaded"], back.rows["words"]) == (1, 0)
    assert ingest(lake, file, media, rehash=True).files["known"] == 1
    assert lake.sql("SELECT count(*) AS n FROM words_all").rows() == [{"n": 3}]


def test_an_emptied_file_leaves_no_words(lake: Lake, media: Path, tmp_path: Path) -> None:
    file = tmp_path / "talk.vtt"
    for data in (vtt("hi"), vtt()):
        file.write_bytes(data)
        ingest(lake, file, media)
    assert texts(lake) == []


def test_a_name_that_two_recordings_have_ties_nothing_unless_one_lies_beside(lake: Lake, media: Path, tmp_path: Path) -> None:
    write_voice(media / "b" / "talk.wav", 7)
    far, beside = tmp_path / "far" / "talk.vtt", media / "b" / "talk.vtt"
    far.parent.mkdir()
    far.write_bytes(vtt("whose"))
    beside.write_bytes(vtt("mine"))
    summary = ingest(lake, [far, beside], media)
    assert summary.exit_code == 3
    assert "2 recordings are called 'talk'" in summary.errors[0]["message"]
    [row] = lake.sql("SELECT i.uri, w.text FROM words AS w JOIN items AS i USING (recording_id)").rows()
    assert row == {"uri": str(media / "b" / "talk.wav"), "text": "mine"}
    [error] = lake.sql("SELECT uri, api, stage FROM errors").rows()
    assert error == {"uri": str(far), "api": "words", "stage": "flatten"}


def test_a_folder_of_recordings_with_their_words_beside_them_is_all_it_takes(lake: Lake, media: Path) -> None:
    (media / "talk.wav.json").write_text(json.dumps({"segments": [{"start": 0, "end": 0.4, "text": "yes"}], "language": "en"}))
    (media / "b" / "other.vtt").write_bytes(vtt("no"))
    summary = ingest(lake, media, media)
    assert (summary.exit_code, summary.files["found"], summary.files["loaded"]) == (0, 2, 2)
    assert texts(lake) == [("other.wav", "no"), ("talk.wav", "yes")]


def test_words_wait_for_their_recording_without_failing_every_night(lake: Lake, media: Path, tmp_path: Path) -> None:
    file = tmp_path / "talk.vtt"
    file.write_bytes(vtt("hi"))
    first = ingest(lake, file)
    assert (first.exit_code, first.files["failed"]) == (3, 1)
    assert "no recording is called 'talk'" in first.errors[0]["message"]
    second = ingest(lake, file)
    assert (second.exit_code, second.files["failed"], second.files["failed_before"]) == (0, 0, 1)
    third = ingest(lake, file, media)
    assert (third.exit_code, third.files["loaded"]) == (0, 1)
    assert texts(lake) == [("talk.wav", "hi")]
    assert ingest(lake, file, media).files["known"] == 1


def test_rttm_of_several_recordings_names_them_itself(lake: Lake, media: Path, tmp_path: Path) -> None:
    line = "SPEAKER {} 1 0.1 0.2 <NA> <NA> {} <NA> <NA>\n"
    (tmp_path / "all.rttm").write_text(line.format("talk", "A") + line.format("other", "B") + line.format("nobody", "C"))
    summary = ingest(lake, tmp_path / "all.rttm", media)
    assert (summary.exit_code, summary.files["failed"]) == (3, 1)
    rows = lake.sql("SELECT i.name, w.speaker_id FROM words AS w JOIN items AS i USING (recording_id) ORDER BY ALL").rows()
    assert rows == [{"name": "other.wav", "speaker_id": "B"}, {"name": "talk.wav", "speaker_id": "A"}]


def test_words_in_an_archive_beside_other_things(lake: Lake, media: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("x/talk.vtt", vtt("hi"))
        archive.writestr("readme.txt", "What I found.")
    summary = ingest(lake, tmp_path / "all.zip", media)
    assert (summary.exit_code, summary.files["failed"]) == (3, 1)  # somebody's notes
    assert texts(lake) == [("talk.wav", "hi")]
    assert ingest(lake, tmp_path / "all.zip", media).files["failed_before"] == 1


def test_a_broken_file_is_told_of_and_stops_nothing(lake: Lake, media: Path, tmp_path: Path) -> None:
    (tmp_path / "talk.srt").write_text("1\n00:00:02,000 --> 00:00:01,000\nhi\n")
    (tmp_path / "other.json").write_text(json.dumps({"segments": [{"start": 0, "end": 0.4, "text": "yes"}], "language": "en"}))
    summary = ingest(lake, [tmp_path / "talk.srt", tmp_path / "other.json"], media)
    assert (summary.exit_code, summary.files["failed"], summary.files["loaded"]) == (3, 1, 1)
    assert "line 2: it ends at 1.000 s, before it begins" in summary.errors[0]["message"]
    assert texts(lake) == [("other.wav", "yes")]


def test_what_the_user_should_know_is_noted(lake: Lake, media: Path, tmp_path: Path) -> None:
    words = [{"word": "In", "start": 0.1, "end": 0.3}, {"word": "2014"}, {"word": "late", "start": 90, "end": 91}]
    (tmp_path / "talk.json").write_text(json.dumps({"segments": [{"start": 0, "end": 91, "text": "", "words": words}]}))
    grid = '"ooTextFile" "TextGrid" 0 1 <exists> 2 "IntervalTier" "words" 0 1 1 0 0.5 "a" "IntervalTier" "phones" 0 1 1 0 0.5 "x"'
    (tmp_path / "other.TextGrid").write_text(grid)
    notes = "\n".join(ingest(lake, [tmp_path / "talk.json", tmp_path / "other.TextGrid"], media).notes)
    assert "1 words have no times in their file" in notes
    assert "other.TextGrid: the tier 'phones' of parts of words" in notes
    assert "talk.json (91 s, talk.wav 1 s)" in notes


@pytest.mark.parametrize("raw", [True, False])
def test_words_outlive_a_rebuild(lake: Lake, media: Path, tmp_path: Path, raw: bool) -> None:
    file = tmp_path / "talk.vtt"
    for data in (vtt("helo"), vtt("hello")):
        file.write_bytes(data)
        ingest(lake, file, media, raw=raw)
    before = texts(lake), texts(lake, "words_all")
    ha.rebuild(lake)
    assert (texts(lake), texts(lake, "words_all")) == before
    assert before[0] == [("talk.wav", "hello")]
