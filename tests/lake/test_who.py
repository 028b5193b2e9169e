"""What the views of a lake say of whose a row is and in which phase it lies, once somebody has said so."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lake_rows import at, commit, item, label, scoring, spoken

import humeanalytics as ha
from humeanalytics.errors import QueryError
from humeanalytics.lake.lake import Lake


def subject(recording_id: str, name: str, role: str | None = None, participant: str | None = None, minutes: float = 0) -> dict:
    return {
        "recording_id": recording_id,
        "subject": name,
        "role": role,
        "participant": participant,
        "uri": "who.csv",
        "set_at": at(minutes),
    }


def segment(recording_id: str, begin_s: float | None, end_s: float | None, name: str | None, minutes: float = 0) -> dict:
    said = {"begin_s": begin_s, "end_s": end_s, "segment": name, "uri": "phases.csv"}
    return {"recording_id": recording_id, **said, "set_at": at(minutes)}


def heard(lake: Lake, load_id: str = "a", recording_id: str = "r1", **more: Any) -> None:
    """Two speakers in one recording, four windows."""
    rows = [
        spoken("p", recording_id, 0.0, 4.0, speaker_id="spk_0"),
        spoken("p", recording_id, 3.0, 7.0, speaker_id="spk_1"),
        spoken("p", recording_id, 6.0, 12.0, speaker_id="spk_0"),
        spoken("p", recording_id, 20.0, 21.0, speaker_id="spk_2"),
    ]
    commit(lake, load_id, prosody=rows, items=[item("i1", recording_id)], scorings=[scoring("p", recording_id)], **more)


def columns(lake: Lake, listed: str, table: str = "prosody_labelled") -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in lake.sql(f"SELECT {listed} FROM {table} ORDER BY begin_s").rows()]


# ------------------------------------------------------------------------------------------------ where nothing is said
def test_views_are_as_they_were_where_nothing_is_said(lake: Lake) -> None:
    heard(lake, labels=[label("i1", "participant", "P1")])
    names = lake.labelled("prosody").arrow().column_names
    assert names[-4:] == ["item_id", "uri", "name", "participant"]
    assert not {"role", "segment"} & set(names)
    with pytest.raises(QueryError):
        lake.sql("SELECT role FROM prosody_labelled").rows()


def test_only_columns_that_somebody_speaks_of_are_there(lake: Lake) -> None:
    heard(lake, subjects=[subject("r1", "spk_0", "therapist")])
    names = lake.labelled("prosody").arrow().column_names
    assert names[-1] == "role" and "participant" not in names and "segment" not in names


# -------------------------------------------------------------------------------------------------------------- subjects
def test_a_row_has_the_role_and_the_participant_of_its_subject(lake: Lake) -> None:
    heard(lake, subjects=[subject("r1", "spk_0", "therapist", "T1"), subject("r1", "spk_1", "client", "P7")])
    assert columns(lake, "speaker_id, role, participant") == [
        ("spk_0", "therapist", "T1"),
        ("spk_1", "client", "P7"),
        ("spk_0", "therapist", "T1"),
        ("spk_2", None, None),
    ]


def test_a_subject_comes_before_the_label_of_the_recording_row_by_row(lake: Lake) -> None:
    heard(lake, labels=[label("i1", "participant", "P1")], subjects=[subject("r1", "spk_1", "client", "P7")])
    assert columns(lake, "participant, role") == [("P1", None), ("P7", "client"), ("P1", None), ("P1", None)]
    assert lake.labelled("items").rows()[0]["participant"] == "P1"


def test_a_label_of_people_keeps_its_capitals(lake: Lake) -> None:
    heard(lake, labels=[label("i1", "Participant", "P1")], subjects=[subject("r1", "spk_1", None, "P7")])
    assert [name for name in lake.labelled("prosody").arrow().column_names if name.lower() == "participant"] == ["Participant"]
    assert columns(lake, "participant")[:2] == [("P1",), ("P7",)]


def test_a_recording_that_lies_in_two_places_has_its_rows_twice_and_its_people_each_time(lake: Lake) -> None:
    heard(lake, subjects=[subject("r1", "spk_1", "client", "P7")])
    commit(lake, "b", items=[item("i2", "r1")], labels=[label("i2", "participant", "P2")])
    found = lake.sql("SELECT item_id, participant FROM prosody_labelled WHERE speaker_id <> 'spk_0' ORDER BY ALL").rows()
    assert [tuple(row.values()) for row in found] == [("i1", "P7"), ("i1", None), ("i2", "P2"), ("i2", "P7")]


def test_subjects_of_another_recording_are_of_no_matter(lake: Lake) -> None:
    heard(lake, subjects=[subject("r2", "spk_0", "therapist", "T1")])
    assert set(columns(lake, "role, participant")) == {(None, None)}


def test_faces_and_channels_of_v1_are_named_by_their_number(lake: Lake) -> None:
    window = {"scoring_id": "a", "recording_id": "r1", "utterance_id": 0}
    commit(
        lake,
        "a",
        audio_measurements=[{**window, "channel": n, "measurement_id": n, "begin_s": float(n), "end_s": n + 3.0} for n in (0, 1)],
        video_faces=[
            {"scoring_id": "v", "recording_id": "r1", "frame_id": n, "face": 0, "face_id": n, "time_s": float(n)} for n in (0, 1)
        ],
        face=[{"scoring_id": "f", "recording_id": "r1", "face_id": "face_1", "time_s": 0.0, "joy": 0.5}],
        subjects=[subject("r1", "channel_0", "agent"), subject("r1", "face_1", "customer", "C1")],
        segments=[segment("r1", 0.5, 9.0, "main")],
    )
    assert columns(lake, "channel, role, segment", "audio_measurements_labelled") == [(0, "agent", "main"), (1, None, "main")]
    faces = lake.sql("SELECT face_id, role, participant, segment FROM video_faces_labelled ORDER BY ALL").rows()
    assert [tuple(row.values()) for row in faces] == [(0, None, None, None), (1, "customer", "C1", "main")]
    [face] = lake.sql("SELECT role, participant, segment FROM face_labelled").rows()
    assert tuple(face.values()) == ("customer", "C1", None)


def test_what_was_said_last_holds_and_an_empty_text_takes_it_away(lake: Lake) -> None:
    heard(lake, subjects=[subject("r1", "spk_0", "therapist", "T1"), subject("r1", "spk_1", "client", "P7")])
    commit(lake, "b", subjects=[subject("r1", "spk_0", "supervisor", None, 1), subject("r1", "spk_1", "", "", 1)])
    rows = lake.sql("SELECT subject, role, participant FROM subjects ORDER BY ALL").rows()
    assert [tuple(row.values()) for row in rows] == [("spk_0", "supervisor", "T1")]
    assert columns(lake, "role")[:2] == [("supervisor",), (None,)]


def test_a_label_called_role_or_segment_gives_way(lake: Lake) -> None:
    said = {"subjects": [subject("r1", "spk_0", "therapist")], "segments": [segment("r1", 0, 5, "rest")]}
    heard(lake, labels=[label("i1", "role", "pilot"), label("i1", "segment", "premium")], **said)
    assert columns(lake, "role, label_role, segment, label_segment")[0] == ("therapist", "pilot", "rest", "premium")


def test_subjects_hold_for_all_ids_of_a_recording(lake: Lake) -> None:
    heard(lake, recording_id="name:job/a.wav", subjects=[subject("name:job/a.wav", "spk_0", "therapist")])
    commit(lake, "b", segments=[segment("name:job/a.wav", 0, 5, "rest")])
    commit(lake, "c", recording_aliases=[{"alias_id": "name:job/a.wav", "recording_id": "sha", "reason": "md5"}])
    assert columns(lake, "recording_id, role, segment")[0] == (
        *lake.sql("SELECT recording_id FROM prosody").rows()[0].values(),
        "therapist",
        "rest",
    )
    assert lake["subjects"].rows()[0]["recording_id"] == lake["segments"].rows()[0]["recording_id"]


# -------------------------------------------------------------------------------------------------------------- segments
def test_a_row_is_of_the_segment_in_which_most_of_its_time_lies(lake: Lake) -> None:
    heard(lake, segments=[segment("r1", 0, 4, "rest"), segment("r1", 4, 8.5, "task"), segment("r1", 8.5, 30, "talk")])
    assert columns(lake, "begin_s, segment") == [(0.0, "rest"), (3.0, "task"), (6.0, "talk"), (20.0, "talk")]


def test_a_row_outside_of_all_segments_is_of_none_and_of_two_alike_it_is_of_the_earlier(lake: Lake) -> None:
    heard(lake, segments=[segment("r1", 1, 5, "rest"), segment("r1", 5, 9, "task")])
    assert columns(lake, "begin_s, segment") == [(0.0, "rest"), (3.0, "rest"), (6.0, "task"), (20.0, None)]


def test_the_segments_said_last_take_the_place_of_all_others_of_that_recording(lake: Lake) -> None:
    heard(lake, segments=[segment("r1", 0, 4, "rest"), segment("r1", 4, 30, "task"), segment("r2", 0, 9, "other")])
    commit(lake, "b", segments=[segment("r1", 0, 30, "all", 1)])
    assert {name for (name,) in columns(lake, "segment")} == {"all"}
    assert len(lake["segments"].rows()) == 2
    commit(lake, "c", segments=[segment("r1", None, None, None, 2)])
    assert {name for (name,) in columns(lake, "segment")} == {None}
    assert [row["segment"] for row in lake["segments"].rows()] == ["other"]


def test_views_follow_what_is_said_while_the_lake_is_open(lake: Lake) -> None:
    heard(lake)
    assert "segment" not in lake.labelled("prosody").arrow().column_names
    commit(lake, "b", segments=[segment("r1", 0, 30, "all")])
    assert {name for (name,) in columns(lake, "segment")} == {"all"}


# ----------------------------------------------------------------------------------------------------- one rule for both
_TIMES = st.integers(0, 40).map(lambda n: n / 4)


@st.composite
def _phases(draw: st.DrawFn) -> list[tuple[float, float, str]]:
    """Segments that do not overlap."""
    edges = sorted(draw(st.sets(_TIMES, max_size=8)))
    kept = [pair for pair in pairwise(edges) if draw(st.booleans())]
    return [(begin, end, f"s{n % 3}") for n, (begin, end) in enumerate(kept)]


def by_hand(begin: float, end: float, phases: list[tuple[float, float, str]]) -> str | None:
    best: tuple[float, str | None] = (-1.0, None)
    for first, last, name in phases:
        if begin == end:
            if first <= begin < last:
                return name
        elif (both := min(end, last) - max(begin, first)) > 0 and both > best[0]:
            best = both, name
    return best[1]


@given(_phases(), st.lists(st.tuples(_TIMES, _TIMES), min_size=1, max_size=12))
def test_any_row_is_of_the_segment_that_a_search_by_hand_finds(
    phases: list[tuple[float, float, str]], spans: list[tuple[float, float]]
) -> None:
    begin, end = zip(*(sorted(span) for span in spans), strict=True)
    frame = pa.table({"begin_s": begin, "end_s": end})
    table = pa.Table.from_pylist(
        [dict(zip(("begin_s", "end_s", "segment"), each, strict=True)) for each in phases],
        schema=pa.schema({"begin_s": pa.float64(), "end_s": pa.float64(), "segment": pa.string()}),
    )
    if not phases:
        return
    found = ha.label(frame, segments=table)["segment"].to_pylist()
    assert found == [by_hand(b, e, phases) for b, e in zip(begin, end, strict=True)]


def test_a_frame_is_labelled_as_the_view_labels_it(lake: Lake) -> None:
    subjects = [subject("r1", "spk_0", "therapist", "T1"), subject("r1", "spk_1", None, "P7")]
    segments = [segment("r1", 1, 5, "rest"), segment("r1", 5.5, 9, "task")]
    heard(lake, labels=[label("i1", "participant", "P1")], subjects=subjects, segments=segments)
    plain = lake.sql("SELECT * EXCLUDE (role, participant, segment), 'P1' AS participant FROM prosody_labelled").arrow()
    own = ha.label(plain, lake["subjects"], lake["segments"])
    view = lake.labelled("prosody").arrow().select(own.column_names)
    order = [("begin_s", "ascending")]
    assert own.sort_by(order).equals(view.sort_by(order))


def test_times_of_day_are_utc(lake: Lake) -> None:
    heard(lake, subjects=[subject("r1", "spk_0", "therapist")])
    assert lake["subjects"].rows()[0]["set_at"] == datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
