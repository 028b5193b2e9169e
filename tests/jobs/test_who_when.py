"""Who is who and which phase is which, through `ingest` and `score`: into the lake, or an error that says what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_jobs import Made, made_job, written
from spoken import speech, write_wav

import humeanalytics as ha
from humeanalytics.cli.app import run
from humeanalytics.errors import UsageError
from humeanalytics.jobs.summary import RunSummary
from humeanalytics.lake.lake import Lake
from humeanalytics.sandbox.embedded import Sandbox

EAF = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT>
<HEADER TIME_UNITS="milliseconds"><MEDIA_DESCRIPTOR MEDIA_URL="file:///D:/study/b.wav" MIME_TYPE="audio/x-wav"{origin}/></HEADER>
<TIME_ORDER><TIME_SLOT TIME_SLOT_ID="t1" TIME_VALUE="0"/><TIME_SLOT TIME_SLOT_ID="t2" TIME_VALUE="1500"/></TIME_ORDER>
<TIER TIER_ID="phase"><ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="t1" TIME_SLOT_REF2="t2">
<ANNOTATION_VALUE>rest</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>
</ANNOTATION_DOCUMENT>
"""
GRID = '"ooTextFile"\n"TextGrid"\n0\n9\n<exists>\n1\n"IntervalTier"\n"phase"\n0\n9\n2\n0\n1.5\n"rest"\n1.5\n9\n"task"\n'


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A lake with the saved answers for four recordings, two of which have one name."""
    made = (Made("a.wav", 1), Made("b.wav", 2))
    files = {"one.json": made_job(*made).predictions, "p1/x.json": made_job(Made("p1/c.wav", 3)).predictions}
    files["p2/x.json"] = made_job(Made("p2/c.wav", 4)).predictions
    ha.ingest(written(tmp_path / "saved", files), lake := ha.open_lake(tmp_path / "lake"))
    return lake


def write_channels(path: Path, count: int) -> None:
    """Write a recording in which each channel is heard."""
    call = np.zeros((16_000 * 6, count), np.int16)
    for channel in range(count):
        call[16_000 : 5 * 16_000, channel] = speech(4, channel)
    write_wav(path, call)


def said(tmp_path: Path, text: str, name: str = "who.csv") -> Path:
    path = tmp_path / "said" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def subjects(lake: Lake) -> list[tuple[Any, ...]]:
    query = "SELECT i.name, s.subject, s.role, s.participant FROM subjects AS s JOIN items AS i USING (recording_id) ORDER BY ALL"
    return [tuple(row.values()) for row in lake.sql(query).rows()]


def segments(lake: Lake) -> list[tuple[Any, ...]]:
    query = "SELECT i.name, begin_s, end_s, segment FROM segments JOIN items AS i USING (recording_id) ORDER BY ALL"
    return [tuple(row.values()) for row in lake.sql(query).rows()]


def told(summary: RunSummary) -> str:
    return "\n".join([*summary.notes, *(error["message"] for error in summary.errors)])


# -------------------------------------------------------------------------------------------------------------- subjects
def test_subjects_of_a_csv_are_columns_of_the_rows_they_are_of(lake: Lake, tmp_path: Path) -> None:
    who = said(tmp_path, "recording;Subject;role;participant\na.wav;unknown;therapist;T1\nb.wav;unknown;client;007\n")
    summary = ha.ingest([], lake, subjects=who)
    assert (summary.exit_code, summary.rows["subjects"], summary.notes) == (0, 2, [])
    assert subjects(lake) == [("a.wav", "unknown", "therapist", "T1"), ("b.wav", "unknown", "client", "007")]
    found = lake.sql("SELECT name, role, participant, count(*) AS n FROM prosody_labelled GROUP BY ALL ORDER BY ALL").rows()
    assert [tuple(row.values()) for row in found][:2] == [("a.wav", "therapist", "T1", 3), ("b.wav", "client", "007", 3)]


def test_what_was_said_before_is_not_said_again(lake: Lake, tmp_path: Path) -> None:
    who = said(tmp_path, "recording,subject,role\na.wav,unknown,therapist\n")
    assert ha.ingest([], lake, subjects=who).rows["subjects"] == 1
    again = ha.ingest([], lake, subjects=who)
    assert (again.rows["subjects"], again.exit_code) == (0, 0)
    who.write_text("recording,subject,participant\na.wav,unknown,P1\n")
    ha.ingest([], lake, subjects=who)
    assert subjects(lake) == [("a.wav", "unknown", "therapist", "P1")]
    who.write_text("recording,subject,participant,role\na.wav,unknown,,\n")
    ha.ingest([], lake, subjects=who)
    assert subjects(lake) == []


def test_recordings_are_named_by_path_or_id_too(lake: Lake, tmp_path: Path) -> None:
    recording_id = lake.sql("SELECT recording_id FROM items WHERE name = 'b.wav'").rows()[0]["recording_id"]
    ha.ingest([], lake, subjects=said(tmp_path, f"recording_id,subject,role\n{recording_id},unknown,client\n"))
    ha.ingest([], lake, subjects=said(tmp_path, "recording,subject,role\np1/c.wav,unknown,first\np2/c.wav,unknown,second\n"))
    assert subjects(lake) == [
        ("b.wav", "unknown", "client", None),
        ("c.wav", "unknown", "first", None),
        ("c.wav", "unknown", "second", None),
    ]


def test_a_name_that_fits_no_recording_or_several_is_noted_with_its_line(lake: Lake, tmp_path: Path) -> None:
    who = said(tmp_path, "recording,subject,role\nz.wav,unknown,x\na.wav,unknown,therapist\nc.wav,unknown,y\n")
    summary = ha.ingest([], lake, subjects=who)
    assert subjects(lake) == [("a.wav", "unknown", "therapist", None)]
    assert f"{who}, line 2: the lake has no recording 'z.wav'" in told(summary)
    assert f"{who}, line 4: 'c.wav' fits 2 recordings, so none got what it says" in told(summary)


def test_a_subject_without_rows_is_noted_and_kept(lake: Lake, tmp_path: Path) -> None:
    who = said(tmp_path, "recording,subject,role\na.wav,spk_7,therapist\n")
    summary = ha.ingest([], lake, subjects=who)
    assert summary.exit_code == 0
    assert f"{who}, line 2 (spk_7 of a.wav, which has unknown)" in told(summary)
    assert subjects(lake) == [("a.wav", "spk_7", "therapist", None)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("recording,role\na.wav,x\n", "no column 'subject'. It needs recording, subject, role, participant"),
        ("recording,subject\na.wav,spk_0\n", "neither role nor participant"),
        ("recording,subject,role,age\na.wav,spk_0,x,41\n", "column 'age' has no meaning here"),
        ("recording,subject,role\na.wav,0,agent\n", "line 2: subject '0' may be a channel or a face. Write channel_0 or face_0"),
        ("recording,subject,role\na.wav,,agent\n", "line 2: subject is empty"),
        ("recording,subject,role\na.wav,spk_0,x\nb.wav,spk_0,x\na.wav,spk_0,y\n", "lines 2 and 4: both are about 'spk_0'"),
        ("recording,subject,role\na.wav,spk_0\n", "line 2: 2 cells where the header has 3"),
        ("who,subject,role\na.wav,spk_0,x\n", "no column that names the file"),
        ("", "is empty"),
    ],
)
def test_a_table_of_subjects_that_does_not_fit_stops_before_anything_is_done(
    lake: Lake, tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        ha.ingest([], lake, subjects=said(tmp_path, text))
    assert message in str(caught.value) and "who.csv" in str(caught.value)


# -------------------------------------------------------------------------------------------------------------- segments
def test_segments_come_from_csv_elan_and_textgrids_in_one_folder(lake: Lake, tmp_path: Path) -> None:
    said(tmp_path, "recording,begin_s,end_s,segment\np1/c.wav,0,1,rest\np1/c.wav,1,4.25,task\n", "phases.csv")
    said(tmp_path, GRID, "a.TextGrid")
    said(tmp_path, EAF.format(origin=""), "session 3.eaf")  # named otherwise; it says that it is of b.wav
    said(tmp_path, "no segments at all", "notes.txt")
    summary = ha.ingest([], lake, segments=tmp_path / "said")
    assert (summary.exit_code, summary.errors, summary.rows["segments"]) == (0, [], 5)
    assert segments(lake) == [
        ("a.wav", 0.0, 1.5, "rest"),
        ("a.wav", 1.5, 9.0, "task"),
        ("b.wav", 0.0, 1.5, "rest"),
        ("c.wav", 0.0, 1.0, "rest"),
        ("c.wav", 1.0, 4.25, "task"),
    ]
    again = ha.ingest([], lake, segments=tmp_path / "said")
    assert (again.exit_code, again.rows["segments"]) == (0, 0)


def test_a_textgrid_among_what_is_ingested_is_words_unless_it_is_named_as_segments(lake: Lake, tmp_path: Path) -> None:
    grid = said(tmp_path, GRID, "a.TextGrid")
    assert ha.ingest([grid.parent], lake, segments=grid).rows["words"] == 0
    assert segments(lake)[0] == ("a.wav", 0.0, 1.5, "rest")
    assert ha.ingest([grid.parent], lake).rows["words"] == 2


def test_one_bad_file_never_stops_the_others_and_is_news_once(lake: Lake, tmp_path: Path) -> None:
    said(tmp_path, "recording,begin_s,end_s,segment\nb.wav,0,1,rest\nb.wav,0.5,2,task\n", "overlap.csv")
    said(tmp_path, "recording,begin_s,end_s,segment\nb.wav,2,1,rest\n", "backwards.csv")
    said(tmp_path, 'recording;begin_s;end_s;segment\nb.wav;"0,5";1;rest\n', "comma.csv")
    said(tmp_path, "recording,begin_s,end_s,segment\nb.wav,0,1,\n", "nameless.csv")
    said(tmp_path, EAF.format(origin="")[:-60], "b.eaf")
    said(tmp_path, EAF.format(origin="").replace("b.wav", "other.wav"), "nobody.eaf")
    said(tmp_path, EAF.format(origin=' TIME_ORIGIN="1200"'), "shifted.eaf")
    said(tmp_path, GRID, "a.TextGrid")
    summary = ha.ingest([], lake, segments=tmp_path / "said")
    assert segments(lake) == [("a.wav", 0.0, 1.5, "rest"), ("a.wav", 1.5, 9.0, "task")]
    assert summary.exit_code == 3
    for message in (
        "overlap.csv, line 3: 'task' of 'b.wav' begins at 0.5 s, while 'rest'",
        "backwards.csv, line 2: 'rest' begins at 2 s and ends at 1 s",
        "comma.csv, line 2: begin_s '0,5' is no number of seconds, such as 12.5",
        "nameless.csv, line 2: segment is empty",
        "b.eaf, line",
        "nobody.eaf: no recording is called 'nobody'",
        "in ELAN b.wav was shifted by 1200 ms",
    ):
        assert message in told(summary)
    assert lake.sql("SELECT count(*) AS n FROM errors WHERE api = 'segments'").rows() == [{"n": 7}]
    again = ha.ingest([], lake, segments=tmp_path / "said")
    assert again.exit_code == 0 and len(again.errors) == 7


def test_two_files_about_one_recording_contradict_each_other(lake: Lake, tmp_path: Path) -> None:
    said(tmp_path, "recording,begin_s,end_s,segment\na.wav,0,1,rest\n", "a.csv")
    said(tmp_path, GRID, "a.TextGrid")
    summary = ha.ingest([], lake, segments=tmp_path / "said")
    assert segments(lake) == [("a.wav", 0.0, 1.0, "rest")]
    assert "tells of the segments of a.wav too. Give one file for a recording" in told(summary)


def test_a_line_without_times_takes_the_segments_away(lake: Lake, tmp_path: Path) -> None:
    ha.ingest([], lake, segments=said(tmp_path, GRID, "a.TextGrid"))
    ha.ingest([], lake, segments=said(tmp_path, "recording,begin_s,end_s,segment\na.wav,,,\n", "none.csv"))
    assert segments(lake) == []
    assert ha.ingest([], lake, segments=tmp_path / "said" / "none.csv").rows["segments"] == 0


def test_a_tier_is_named_for_all_files_that_have_tiers(lake: Lake, tmp_path: Path) -> None:
    two = GRID.replace("<exists>\n1\n", "<exists>\n2\n") + '"IntervalTier"\n"gaze"\n0\n9\n1\n0\n9\n"away"\n'
    grid = said(tmp_path, two, "a.TextGrid")
    assert "'phase', 'gaze'. Say which of them holds the segments with --tier" in told(ha.ingest([], lake, segments=grid))
    ha.ingest([], lake, segments=grid, tier="gaze")
    assert segments(lake) == [("a.wav", 0.0, 9.0, "away")]
    with pytest.raises(UsageError, match="The tier 'gaze' is of files of segments"):
        ha.ingest([], lake, tier="gaze")


def test_names_that_are_not_there_are_wrong_use(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no file or folder of segments"):
        ha.ingest([], lake, segments=tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no file of segments"):
        ha.ingest([], lake, segments=tmp_path / "empty")
    with pytest.raises(UsageError, match="There is no file in what was given"):
        ha.ingest([], lake)


# ----------------------------------------------------------------------------------------------------- rebuild, score, CLI
def test_a_rebuilt_lake_says_the_same(lake: Lake, tmp_path: Path) -> None:
    ha.ingest([], lake, subjects=said(tmp_path, "recording,subject,role\na.wav,unknown,therapist\n"))
    ha.ingest([], lake, segments=said(tmp_path, GRID, "a.TextGrid"))
    query = "SELECT name, begin_s, role, segment FROM prosody_labelled ORDER BY ALL"
    before = subjects(lake), segments(lake), lake.sql(query).rows()
    ha.rebuild(lake)
    assert (subjects(lake), segments(lake), lake.sql(query).rows()) == before
    assert {row["segment"] for row in before[2]} == {"rest", "task", None}


def test_a_lake_is_summarised_by_what_was_said(lake: Lake, tmp_path: Path) -> None:
    ha.ingest([], lake, subjects=said(tmp_path, "recording,subject,role\na.wav,unknown,therapist\nb.wav,unknown,client\n"))
    ha.ingest([], lake, segments=said(tmp_path, "recording,begin_s,end_s,segment\na.wav,0,60,rest\n", "phases.csv"))
    rows = lake.sql("SELECT name, joy, end_s - begin_s AS weight FROM prosody_labelled").rows()
    for per, groups in (("role", {"therapist": "a.wav", "client": "b.wav"}), ("segment", {"rest": "a.wav"})):
        found = {row[per]: row["joy_mean"] for row in ha.summarise(lake, per=per, models=["prosody"]).to_pylist()}
        for group, name in groups.items():
            own = [row for row in rows if row["name"] == name]
            assert found[group] == pytest.approx(np.average([r["joy"] for r in own], weights=[r["weight"] for r in own]))


def test_annotations_that_were_not_asked_for_say_how_they_are_taken(lake: Lake, tmp_path: Path) -> None:
    summary = ha.ingest(said(tmp_path, EAF.format(origin=""), "b.eaf"), lake)
    assert summary.exit_code == 3 and "this is a file of ELAN (--segments takes it)" in told(summary)


def test_channels_have_names(hume: Sandbox, tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    write_channels(calls / "stereo.wav", 2)
    write_channels(calls / "mono.wav", 1)
    split: dict[str, Any] = {"options": {"channels": "split"}, "models": ["audio"], "settings": hume.settings}
    summary = ha.score(calls, tmp_path / "lake", channel_names=["agent", "customer"], **split)
    assert summary.exit_code == 0
    assert "these recordings have another number, so theirs got no names: mono.wav (1)" in told(summary)
    with ha.open_lake(tmp_path / "lake") as lake:
        assert subjects(lake) == [("stereo.wav", "channel_0", "agent", None), ("stereo.wav", "channel_1", "customer", None)]
        found = lake.sql("SELECT DISTINCT name, channel, role FROM audio_measurements_labelled ORDER BY ALL").rows()
        assert [tuple(row.values()) for row in found if row["name"] == "stereo.wav"] == [
            ("stereo.wav", 0, "agent"),
            ("stereo.wav", 1, "customer"),
        ]
        assert {row["role"] for row in found if row["name"] == "mono.wav"} == {None}
    who = said(tmp_path, "recording,subject,participant\nstereo.wav,channel_1,P0\n")
    by_people = ha.ingest([], tmp_path / "lake", subjects=who)
    assert (by_people.exit_code, by_people.synthetic, by_people.rows["subjects"]) == (0, True, 1)
    who.write_text("recording,subject,role,participant\nstereo.wav,channel_1,client,P1\n")
    again = ha.score(calls, tmp_path / "lake", subjects=who, segments=said(tmp_path, GRID, "stereo.TextGrid"), **split)
    assert (again.recordings["sent"], again.rows["subjects"], again.rows["segments"]) == (0, 1, 2)


@pytest.mark.parametrize("more", [{}, {"options": {"channels": "mix"}}, {"models": ["video"]}, {"api": "batch"}])
def test_names_of_channels_need_channels(tmp_path: Path, more: dict[str, Any]) -> None:
    write_channels(tmp_path / "a.wav", 2)
    with pytest.raises(UsageError, match="--channels split"):
        ha.score(tmp_path / "a.wav", tmp_path / "lake", channel_names=["agent", "customer"], **more)


def test_the_command_line_takes_both(
    lake: Lake, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    who = said(tmp_path, "recording,subject,role\na.wav,unknown,therapist\n")
    grid = said(tmp_path, GRID, "a.TextGrid")
    arguments = ["ingest", "--lake", str(lake.path), "--subjects", str(who), "--segments", str(grid), "--tier", "phase", "-q"]
    assert run(arguments) == 0
    assert "subjects" in capsys.readouterr().out
    assert subjects(lake) and segments(lake)
    assert run(["ingest", "--lake", str(lake.path)]) == 2
