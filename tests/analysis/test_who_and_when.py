"""Roles, participants and phases as groups of every analysis, held against what a loop over the rows finds."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import humeanalytics as ha
from humeanalytics.errors import UsageError

GROUPS = ("role", "participant", "segment")
SUBJECTS = [
    *({"recording_id": f"r{n}", "subject": "spk_0", "role": "therapist", "participant": "T1"} for n in range(4)),
    *({"recording_id": f"r{n}", "subject": "spk_1", "role": "client", "participant": f"P{n}"} for n in range(4)),
]
SEGMENTS = [
    {"recording_id": f"r{n}", "begin_s": begin_s, "end_s": end_s, "segment": name}
    for n in range(4)
    for begin_s, end_s, name in ((0.0, 15.0, "rest"), (15.0, 40.0, "task"), (45.0, 60.0, "talk"))
]


def dialogue(seed: int = 1, unlabelled: bool = True) -> pa.Table:
    """Two people in each of four recordings, who speak at the same time, in windows that overlap; a third nobody knows."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for n in range(4):
        for speaker in ("spk_0", "spk_1", *(["spk_2"] if unlabelled else [])):
            for begin_s in np.sort(rng.uniform(0, 60, 14)).round(2).tolist():
                length = round(float(rng.uniform(2, 7)), 2)
                span = {"begin_s": begin_s, "end_s": begin_s + length}
                rows.append({"recording_id": f"r{n}", "speaker_id": speaker, **span, "joy": float(rng.random())})
    order = rng.permutation(len(rows))
    return pa.Table.from_pylist([rows[at] for at in order])


def labelled(**more: Any) -> pa.Table:
    return ha.label(dialogue(**more), pa.Table.from_pylist(SUBJECTS), pa.Table.from_pylist(SEGMENTS))


def segment_of(begin_s: float, end_s: float) -> str | None:
    shared = {
        each["segment"]: min(end_s, each["end_s"]) - max(begin_s, each["begin_s"])
        for each in SEGMENTS
        if each["recording_id"] == "r0"
    }
    best = max(shared, key=lambda name: shared[name])
    return best if shared[best] > 0 else None


def weights(rows: list[dict[str, Any]], *parts: str) -> list[float]:
    """The seconds each row newly covers among the rows that are the same in these columns, found row by row."""
    found = [0.0] * len(rows)
    of_part: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for at, row in enumerate(rows):
        of_part[tuple(row[name] for name in parts)].append(at)
    for members in of_part.values():
        reached = -1.0
        for at in sorted(members, key=lambda at: (rows[at]["begin_s"], rows[at]["end_s"])):
            found[at] = max(0.0, rows[at]["end_s"] - max(rows[at]["begin_s"], reached))
            reached = max(reached, rows[at]["end_s"])
    return found


def weighted(rows: list[dict[str, Any]], weight: list[float], key: str) -> dict[Any, float]:
    sums: dict[Any, float] = defaultdict(float)
    totals: dict[Any, float] = defaultdict(float)
    for row, each in zip(rows, weight, strict=True):
        sums[row[key]] += each * row["joy"]
        totals[row[key]] += each
    return {group: sums[group] / totals[group] for group in sums}


# ----------------------------------------------------------------------------------------------------------------- label
def test_label_says_what_a_loop_over_the_rows_finds() -> None:
    frame = dialogue()
    found = labelled()
    assert found.column_names == [*frame.column_names, "role", "participant", "segment"]
    assert found.select(frame.column_names).equals(frame)
    known = {(each["recording_id"], each["subject"]): each for each in SUBJECTS}
    for row in found.to_pylist():
        who = known.get((row["recording_id"], row["speaker_id"]), {})
        assert (row["role"], row["participant"]) == (who.get("role"), who.get("participant"))
        assert row["segment"] == segment_of(row["begin_s"], row["end_s"])


def test_label_takes_frames_of_any_kind() -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    want = labelled().select(list(GROUPS))
    got = ha.label(dialogue().to_pandas(), pandas.DataFrame(SUBJECTS), pandas.DataFrame(SEGMENTS))
    assert got.select(list(GROUPS)).equals(want)
    frame = polars.DataFrame(dialogue()).with_columns(polars.col("speaker_id").cast(polars.Categorical))
    got = ha.label(frame, polars.DataFrame(SUBJECTS), polars.DataFrame(SEGMENTS))
    assert got.select(list(GROUPS)).equals(want)


def test_numbers_that_pandas_made_floats_are_faces_and_channels_still() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"channel": [0, 1, None], "time_s": [0.0, 1.0, 2.0], "joy": [0.1, 0.2, 0.3]})
    assert frame["channel"].dtype == float
    found = ha.label(frame, pa.table({"subject": ["channel_1"], "role": ["client"]}))
    assert found["role"].to_pylist() == [None, "client", None]


def test_what_a_subject_says_comes_before_a_participant_of_the_frame() -> None:
    frame = pa.table({"face_id": ["face_0", "face_1", None], "time_s": [0.0, 0.0, 0.0], "participant": ["R", "R", "R"]})
    subjects = pa.table({"subject": ["face_0", "face_1"], "participant": ["P1", ""]})
    assert ha.label(frame, subjects)["participant"].to_pylist() == ["P1", "R", "R"]


def test_archives_hold_several_files_of_one_recording() -> None:
    frame = pa.table({"recording_id": ["z", "z"], "file": ["a.mp4", "b.mp4"], "face_id": ["face_0"] * 2, "time_s": [0.0, 0.0]})
    subjects = pa.table({"recording_id": ["z"], "file": ["b.mp4"], "subject": ["face_0"], "role": ["mother"]})
    assert ha.label(frame, subjects)["role"].to_pylist() == [None, "mother"]


def test_frames_at_the_edge_of_a_segment_belong_to_what_begins_there() -> None:
    frame = pa.table({"time_s": [0.0, 4.999, 5.0, 9.0, float("nan"), None], "joy": [0.0] * 6})
    phases = pa.table({"begin_s": [0.0, 5.0], "end_s": [5.0, 9.0], "segment": ["a", "b"]})
    assert ha.label(frame, segments=phases)["segment"].to_pylist() == ["a", "a", "b", None, None, None]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "Say who or when"),
        ({"subjects": {"subject": ["spk_0"]}}, "subjects needs the columns subject, and role or participant"),
        ({"subjects": {"subject": ["spk_0", None], "role": ["a", "b"]}}, "subjects, row 2: subject is empty"),
        ({"subjects": {"subject": ["spk_0", "spk_0"], "role": ["a", "b"]}}, "rows 1 and 2: both are about 'spk_0'"),
        (
            {"subjects": {"subject": ["spk_9"], "role": ["a"]}},
            "subjects tells of spk_9, and no row .* The frame has: spk_0, spk_1",
        ),
        ({"subjects": {"file": ["a.wav"], "subject": ["spk_0"], "role": ["a"]}}, "tells recordings apart by file"),
        ({"segments": {"begin_s": [0.0], "segment": ["a"]}}, "segments needs the columns begin_s, end_s, segment"),
        (
            {"segments": {"begin_s": [4.0], "end_s": [2.0], "segment": ["a"]}},
            "segments, row 1: 'a' begins at 4 s and ends at 2 s",
        ),
        ({"segments": {"begin_s": [4.0], "end_s": [None], "segment": ["a"]}}, "have to be numbers of seconds"),
        ({"segments": {"begin_s": [0.0], "end_s": [2.0], "segment": [None]}}, "segments, row 1: segment is empty"),
        (
            {"segments": {"begin_s": [0.0, 1.0], "end_s": [2.0, 3.0], "segment": ["a", "b"]}},
            r"segments, row 2: 'b' of the recording begins at 1 s, while 'a' \(segments, row 1\) lasts until 2 s",
        ),
        (
            {"segments": {"recording_id": ["other"], "begin_s": [0.0], "end_s": [2.0], "segment": ["a"]}},
            "segments tells of other, and no row is of those",
        ),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, dict[str, list[Any]]], told: str) -> None:
    frame = dialogue(unlabelled=False)
    frame = frame.filter(pa.compute.equal(frame["recording_id"], "r0"))
    types = {"begin_s": pa.float64(), "end_s": pa.float64()}
    made = {
        name: pa.table({key: pa.array(values, types.get(key, pa.string())) for key, values in columns.items()})
        for name, columns in given.items()
    }
    with pytest.raises(UsageError, match=told):
        ha.label(frame, **made)


def test_a_table_of_several_recordings_has_to_say_which() -> None:
    with pytest.raises(UsageError, match="The frame is of 4 recordings: subjects has to say of which it tells, in recording_id"):
        ha.label(dialogue(), pa.table({"subject": ["spk_0"], "role": ["therapist"]}))


def test_an_empty_frame_stays_empty_with_its_columns() -> None:
    found = ha.label(dialogue().slice(0, 0), pa.Table.from_pylist(SUBJECTS), pa.Table.from_pylist(SEGMENTS))
    assert found.num_rows == 0 and found.column_names[-3:] == list(GROUPS)


def test_a_million_rows_take_about_a_second() -> None:
    count, rng = 1_000_000, np.random.default_rng(0)
    recording = pa.array([f"r{n}" for n in range(4)]).take(pa.array(rng.integers(0, 4, count)))
    face = pa.array(["spk_0", "spk_1", "spk_2"]).take(pa.array(rng.integers(0, 3, count)))
    frame = pa.table({"recording_id": recording, "face_id": face, "time_s": rng.random(count) * 60, "joy": rng.random(count)})
    begun = time.perf_counter()
    found = ha.label(frame, pa.Table.from_pylist(SUBJECTS), pa.Table.from_pylist(SEGMENTS))
    assert time.perf_counter() - begun < 10  # about 1 s on an idle machine; this one is rarely idle
    times, names = frame["time_s"].to_numpy(), np.array(found["segment"].to_pylist(), dtype=object)
    assert (names[(times >= 15) & (times < 40)] == "task").all() and (names[(times >= 40) & (times < 45)] == None).all()  # noqa: E711


# ------------------------------------------------------------------------------------------------------------- summarise
@pytest.mark.parametrize("group", GROUPS)
def test_summarise_takes_groups(group: str) -> None:
    frame = labelled()
    rows = frame.to_pylist()
    want = weighted(rows, weights(rows, "recording_id", "speaker_id", group), group)
    found = ha.summarise(frame, per=group).to_pylist()
    assert {row[group]: row["joy_mean"] for row in found} == pytest.approx(want)
    for row in found:
        members = [each for each in rows if each[group] == row[group]]
        assert row["n_rows"] == len(members)
        assert row["n_units"] == len({each["recording_id"] for each in members})


def test_time_of_a_person_is_weighed_within_that_person() -> None:
    # P speaks all the time, over Q, who says one thing: measured together Q's window would cover nothing new.
    frame = pa.table(
        {
            "recording_id": ["r"] * 3,
            "speaker_id": ["spk_0", "spk_1", "spk_0"],
            "begin_s": [0.0, 2.0, 6.0],
            "end_s": [8.0, 6.0, 12.0],
            "joy": [0.0, 1.0, 0.5],
        }
    )
    people = pa.table({"subject": ["spk_0", "spk_1"], "participant": ["P", "Q"], "role": ["a", "b"]})
    phases = pa.table({"begin_s": [0.0], "end_s": [20.0], "segment": ["all"]})
    found = ha.label(frame, people, phases)
    per_person = {row["participant"]: row for row in ha.summarise(found, per="participant").to_pylist()}
    assert per_person["P"]["joy_mean"] == pytest.approx(0.5 * 4 / 12)
    assert (per_person["Q"]["joy_mean"], per_person["Q"]["covered_s"]) == (1.0, 4.0)
    want = (1.0 * 4 + 0.5 * 4) / 16
    assert ha.summarise(found, per="segment")["joy_mean"].to_pylist() == pytest.approx([want])
    # The same where only the labels tell the two apart.
    for kept in ("participant", "role"):
        lone = found.select(["recording_id", kept, "segment", "begin_s", "end_s", "joy"])
        assert ha.summarise(lone, per="segment")["joy_mean"].to_pylist() == pytest.approx([want])


def test_a_window_that_is_cut_off_from_the_one_before_by_a_segment_counts_in_full() -> None:
    frame = pa.table({"begin_s": [0.0, 3.0], "end_s": [4.0, 10.0], "joy": [0.2, 0.8]})
    phases = pa.table({"begin_s": [0.0, 4.0], "end_s": [4.0, 10.0], "segment": ["one", "two"]})
    rows = ha.summarise(ha.label(frame, segments=phases), per="segment").to_pylist()
    assert [(row["segment"], row["covered_s"], row["joy_mean"]) for row in rows] == [("one", 4.0, 0.2), ("two", 7.0, 0.8)]


# ------------------------------------------------------------------------------------------------------- compare and top
def test_compare_takes_roles_as_groups_and_participants_as_units() -> None:
    frame = labelled()
    rows = [row for row in frame.to_pylist() if row["participant"] is not None and row["segment"] in ("rest", "task")]
    weight = weights(rows, "recording_id", "speaker_id", "segment", "participant")
    means: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for row, each in zip(rows, weight, strict=True):
        sums = means[row["participant"], row["segment"]]
        sums[0] += each * row["joy"]
        sums[1] += each
    of = {key: total / seconds for key, (total, seconds) in means.items()}
    people = sorted({person for person, _ in of})
    want = [np.mean([of[person, phase] for person in people]) for phase in ("rest", "task")]
    [found] = ha.compare(frame, "segment", "participant", groups=("rest", "task"), paired=True).to_pylist()
    assert (found["mean_a"], found["mean_b"], found["n_units"]) == (pytest.approx(want[0]), pytest.approx(want[1]), 5)


@pytest.mark.parametrize("group", GROUPS)
def test_compare_gives_the_means_of_units(group: str) -> None:
    unit = "recording_id"
    frame = labelled()
    frame = frame.filter(pa.compute.is_valid(frame[group])) if group != "participant" else _with_several_recordings(frame)
    rows = frame.to_pylist()
    weight = weights(rows, "recording_id", "speaker_id", group)
    for answer in ha.compare(frame, group, unit, paired=False if group == "participant" else None).to_pylist():
        for side in "ab":
            members = [(row, each) for row, each in zip(rows, weight, strict=True) if row[group] == answer[f"group_{side}"]]
            of_unit = weighted([row for row, _ in members], [each for _, each in members], unit)
            assert answer[f"mean_{side}"] == pytest.approx(np.mean(list(of_unit.values())))
            assert answer[f"n_units_{side}"] == len(of_unit)


def _with_several_recordings(frame: pa.Table) -> pa.Table:
    """The same with two people only, each in two recordings: a group needs two units."""
    names = [{"P0": "X", "P1": "X", "P2": "Y", "P3": "Y"}.get(name) for name in frame["participant"].to_pylist()]
    frame = frame.set_column(frame.schema.get_field_index("participant"), "participant", pa.array(names))
    return frame.filter(pa.compute.is_valid(frame["participant"]))


@pytest.mark.parametrize("group", GROUPS)
def test_top_takes_groups(group: str) -> None:
    frame = labelled()
    rows = frame.to_pylist()
    want = weighted(rows, weights(rows, "recording_id", "speaker_id", group), group)
    found = ha.top(frame, 1, by=group, n_resamples=100).to_pylist()
    assert {row[group]: row["mean"] for row in found} == pytest.approx(
        {k: v for k, v in want.items() if k is not None or k in {row[group] for row in found}}
    )
    assert {row[group] for row in found} >= {name for name in want if name is not None}


# -------------------------------------------------------------------------------------------- baseline, events, quality
@pytest.mark.parametrize("group", GROUPS)
def test_baseline_is_within_groups(group: str) -> None:
    frame = labelled()
    rows = [row for row in frame.to_pylist() if row[group] is not None]
    want = weighted(rows, weights(rows, "recording_id", "speaker_id", group), group)
    found = ha.baseline(frame, within=group, how="difference")
    assert found["joy"].to_pylist() == pytest.approx([row["joy"] - want[row[group]] for row in rows])


@pytest.mark.parametrize("group", GROUPS)
def test_events_are_of_one_group_and_stand_out_in_it(group: str) -> None:
    frame = labelled()
    rows = frame.to_pylist()
    found = ha.events(frame, z=1.0, by=group).to_pylist()
    assert found
    weight = weights(rows, "recording_id", "speaker_id", group)
    parts: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for at, row in enumerate(rows):
        parts[row["recording_id"], row[group], row["speaker_id"]].append(at)
    above = 0
    for key, members in parts.items():
        joy, seconds = np.array([rows[at]["joy"] for at in members]), np.array([weight[at] for at in members])
        mean = np.average(joy, weights=seconds)
        threshold = mean + np.sqrt(np.average((joy - mean) ** 2, weights=seconds))
        own = [row for row in found if (row["recording_id"], row[group], row["person"]) == key]
        assert all(row["threshold"] == pytest.approx(threshold) for row in own)
        assert sum(row["n_rows"] for row in own) == np.count_nonzero((joy >= threshold) & (np.ptp(joy) > 0))
        above += len(own)
    assert above == len(found)


@pytest.mark.parametrize("group", GROUPS)
def test_quality_judges_each_group_by_itself(group: str) -> None:
    frame = labelled()
    rows = frame.to_pylist()
    found = ha.quality(frame, by=group).to_pylist()
    parts: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        parts[row["recording_id"], row[group], row["speaker_id"]].append(row)
    assert len(found) == len(parts)
    step = 0.01
    for row in found:
        key = row["recording_id"], row[group], row["person"]
        covered = _cells(parts[key], step)
        assert (row["n_rows"], row["covered_s"]) == (len(parts[key]), pytest.approx(len(covered) * step, abs=0.2))
        apart = [each for each in parts if each[0] == key[0] and each != key and (group != "segment" or each[1] == key[1])]
        others = set().union(*(_cells(parts[each], step) for each in apart))
        assert row["overlapped"] == pytest.approx(len(covered & others) / len(covered), abs=0.02)


def _cells(rows: list[dict[str, Any]], step: float) -> set[int]:
    """The steps of time that some rows cover."""
    return {cell for row in rows for cell in range(round(row["begin_s"] / step), round(row["end_s"] / step))}


# ---------------------------------------------------------------------------------------------- timeline and presence
@pytest.mark.parametrize("group", GROUPS)
def test_timeline_has_a_line_for_each_group(group: str) -> None:
    frame = labelled()
    frame = frame.filter(pa.compute.equal(frame["recording_id"], "r1"))
    rows = frame.to_pylist()
    found = ha.timeline(frame, "joy", by=group, every_s=10.0).to_pylist()
    for row in found:
        total = seconds = 0.0
        for each in rows:
            both = min(each["end_s"], row["end_s"]) - max(each["begin_s"], row["begin_s"])
            if each[group] == row["person"] and both > 0:
                total, seconds = total + both * each["joy"], seconds + both
        assert row["joy"] == pytest.approx(total / seconds)
    assert {row["person"] for row in found} == {row[group] for row in rows}
    lone = ha.timeline(frame, "joy", by="role", person="client")
    assert set(lone["person"].to_pylist()) == {"client"}
    with pytest.raises(UsageError, match="has nobody called 'nurse' in role"):
        ha.timeline(frame, "joy", by="role", person="nurse")


def test_groups_that_are_not_there_are_told() -> None:
    frame = dialogue()
    for ask in (
        lambda: ha.events(frame, by="role"),
        lambda: ha.quality(frame, by="role"),
        lambda: ha.timeline(frame, "joy", recording="r0", by="role"),
    ):
        with pytest.raises(UsageError, match="no column 'role'"):
            ask()


@pytest.mark.parametrize("group", GROUPS)
def test_presence_keeps_groups_and_weighs_each_channel_by_itself(group: str) -> None:
    rng = np.random.default_rng(3)
    windows = [
        {
            "recording_id": "r",
            "scoring_id": "s",
            "channel": channel,
            "measurement_id": 20 * channel + n,
            "begin_s": 3.0 * n,
            "end_s": 3.0 * n + 8,
        }
        for channel in (0, 1)
        for n in range(15)
    ]
    scores = [
        {"recording_id": "r", "scoring_id": "s", "measurement_id": each["measurement_id"], "kind": "expression", "name": "joy"}
        for each in windows
        if rng.random() < 0.4
    ]
    people = pa.table({"subject": ["channel_0", "channel_1"], "role": ["agent", "customer"], "participant": ["A", "C"]})
    phases = pa.table({"begin_s": [0.0, 20.0], "end_s": [20.0, 60.0], "segment": ["hello", "problem"]})
    frame = ha.presence(pa.Table.from_pylist(scores), ha.label(pa.Table.from_pylist(windows), people, phases))
    rows = frame.to_pylist()
    want = weighted(rows, weights(rows, "recording_id", "channel", group), group)
    found = ha.summarise(frame, per=group).to_pylist()
    assert {row[group]: row["joy_presence"] for row in found} == pytest.approx(want)


def test_modalities_on_one_clock_by_participant() -> None:
    """A face and a voice have other names for one person; by the label they are one."""
    face = pa.table(
        {"face_id": ["face_0"] * 4, "participant": ["P1"] * 4, "time_s": [0.2, 0.7, 1.2, 1.7], "joy": [0.25, 0.5, 0.5, 1.0]}
    )
    voice = pa.table(
        {
            "speaker_id": ["spk_1", "spk_0"],
            "participant": ["P1", "I1"],
            "begin_s": [0.0, 0.0],
            "end_s": [2.0, 2.0],
            "joy": [0.125, 0.75],
        }
    )
    answer = ha.timeline({"face": face, "voice": voice}, "joy", by="participant", person="P1", every_s=1.0)
    assert answer.select(["modality", "person", "begin_s", "joy"]).to_pylist() == [
        {"modality": "face", "person": "P1", "begin_s": 0.0, "joy": 0.375},
        {"modality": "face", "person": "P1", "begin_s": 1.0, "joy": 0.75},
        {"modality": "voice", "person": "P1", "begin_s": 0.0, "joy": 0.125},
        {"modality": "voice", "person": "P1", "begin_s": 1.0, "joy": 0.125},
    ]
