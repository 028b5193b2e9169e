"""Answers of v1 give exactly the rows they hold, on the recording's own clock, in whatever form and pieces they come."""

from __future__ import annotations

import doctest
import io
import itertools
import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from v1_payloads import FORMS, answer_of, audio_answer, expected, utterances_of, video_answer

import humeanalytics.tables.expression
import humeanalytics.tables.expression_placement
import humeanalytics.tables.expression_saved
import humeanalytics.tables.expression_values
from humeanalytics.tables.expression import (
    FlattenedExpression,
    Frame,
    Placement,
    Uploaded,
    flatten_saved,
    flatten_saved_in_pieces,
    flatten_uploads,
    flatten_uploads_in_pieces,
    looks_like_v1,
    read_received,
    saved_recording_id,
    upload_row,
)
from humeanalytics.tables.keys import of_answers, with_keys
from humeanalytics.tables.schema import KEYS, V1_TABLES, schema_of

AUDIO = {
    "request_id": "b2c9e6f0417d4a5c8e3f7019ad5528c1",
    "run_id": "0199c3e1-7a40-7c11-9b6e-2f0d61c4a8e7",
    "received": {"audio_duration_ms": 31400},
    "utterances": [
        {"utterance_id": 0, "audio_start_ms": 412, "audio_end_ms": 7655},
        {"utterance_id": 1, "audio_start_ms": 12040, "audio_end_ms": 27310},
    ],
    "measurements": [
        {
            "measurement_id": 0,
            "utterance_id": 0,
            "audio_start_ms": 412,
            "audio_end_ms": 3412,
            "trigger": "interval",
            "expressions": [{"name": "interest", "probability": 0.5874}, {"name": "amusement", "probability": 0.3312}],
            "voice_attributes": [{"name": "clear", "probability": 0.9405}],
        },
        {
            "measurement_id": 1,
            "utterance_id": 1,
            "audio_start_ms": 12040,
            "audio_end_ms": 15040,
            "trigger": "interval",
            "expressions": [],
            "voice_attributes": [],
        },
    ],
}
VIDEO = {
    "request_id": "5d0be1c3f4a84e2f9a76c0b81e42d993",
    "run_id": "0199c3e4-10b2-7f05-8c1d-6e9ab2743f10",
    "received": {"frames": 2},
    "measurements": [
        {
            "frame_id": 0,
            "faces": [
                {
                    "face_id": 0,
                    "bbox": [612.4, 188.0, 871.9, 540.3],
                    "confidence": 0.9987,
                    "expressions": [{"name": "amusement", "probability": 0.6641}],
                    "descriptions": [{"name": "smile", "probability": 0.8032}],
                },
                {"face_id": 1, "bbox": [140, 230.7, 301.5, 449.8], "confidence": 0.9911, "expressions": [], "descriptions": []},
                {
                    "face_id": None,
                    "bbox": [1010.0, 96.5, 1088.1, 201.4],
                    "confidence": 0.9402,
                    "expressions": None,
                    "descriptions": None,
                },
            ],
        },
        {"frame_id": 1, "faces": []},
    ],
    "face_state": "opaque-token",
}


def encoded(answer: Any) -> bytes:
    return json.dumps(answer).encode()


def rows(flat: FlattenedExpression, table: str, *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in flat.tables[table].select(list(columns)).to_pylist()]


def without_hume(table: pa.Table) -> pa.Table:
    return table.select([name for name in table.column_names if not name.startswith("hume_")])


@pytest.mark.parametrize(
    "module",
    [
        humeanalytics.tables.expression,
        humeanalytics.tables.expression_placement,
        humeanalytics.tables.expression_saved,
        humeanalytics.tables.expression_values,
    ],
)
def test_examples(module: Any) -> None:
    results = doctest.testmod(module)
    assert results.attempted
    assert not results.failed


# ------------------------------------------------------------------------------------------------------------ one answer
def test_audio() -> None:
    flat = flatten_saved(encoded(AUDIO))
    run = "0199c3e1-7a40-7c11-9b6e-2f0d61c4a8e7"
    assert rows(flat, "audio_utterances", *schema_of("audio_utterances").names[3:]) == [
        (None, 0, 0.412, 7.655, False, run, 0, 412, 7655),
        (None, 1, 12.04, 27.31, False, run, 1, 12040, 27310),
    ]
    assert rows(flat, "audio_measurements", *schema_of("audio_measurements").names[3:]) == [
        (None, 0, 0, 0.412, 3.412, "interval", 2, 1, run, 0, 0, 412, 3412),
        (None, 1, 1, 12.04, 15.04, "interval", 0, 0, run, 1, 1, 12040, 15040),
    ]
    assert rows(flat, "audio_scores", *schema_of("audio_scores").names[3:]) == [
        (None, 0, 0, 0.412, 3.412, "expression", "interest", 0.5874, 1),
        (None, 0, 0, 0.412, 3.412, "expression", "amusement", 0.3312, 2),
        (None, 0, 0, 0.412, 3.412, "voice_attribute", "clear", 0.9405, 1),
    ]


def test_video_where_null_is_not_empty() -> None:
    flat = flatten_saved(encoded(VIDEO))
    assert rows(flat, "video_frames", "frame_id", "time_s", "faces", "measured_faces") == [(0, None, 3, 2), (1, None, 0, 0)]
    counted = ("frame_id", "face", "face_id", "measured", "confidence", "expressions", "descriptions")
    assert rows(flat, "video_faces", *counted) == [
        (0, 0, 0, True, 0.9987, 1, 1),
        (0, 1, 1, True, 0.9911, 0, 0),
        (0, 2, None, False, 0.9402, None, None),
    ]
    assert rows(flat, "video_faces", "box_x0", "box_y0", "box_x1", "box_y1")[1] == (140.0, 230.7, 301.5, 449.8)
    assert rows(flat, "video_scores", "frame_id", "face", "face_id", "kind", "name", "probability", "rank") == [
        (0, 0, 0, "expression", "amusement", 0.6641, 1),
        (0, 0, 0, "description", "smile", 0.8032, 1),
    ]


@given(st.integers(0, 2**32), st.sampled_from(sorted(FORMS)))
def test_every_form_of_an_answer_gives_the_same_rows(seed: int, form: str) -> None:
    answer = answer_of(random.Random(seed))
    text = FORMS[form](answer)
    flat = flatten_saved(text.encode())
    assert {name: table.to_pylist() for name, table in flat.tables.items()} == {
        name: [{column: row[column] for column in flat.tables[name].column_names} for row in expected_rows]
        for name, expected_rows in expected(answer).items()
    }
    plain = flatten_saved(encoded(answer))
    assert flat.answers == plain.answers
    [received] = flat.received
    assert (received.run_id, received.request_id, received.other) == (answer["run_id"], answer["request_id"], {})
    assert received.face_state == answer.get("face_state")
    assert flat.dialect == {"sdk camelCase": "v1_camel"}.get(
        form, "v1_wrapped" if "wrapped" in form or form in ("list", "lines") else "v1"
    )
    assert looks_like_v1(text.encode()) or not any(plain.tables.values())


def test_tables_have_the_declared_columns() -> None:
    flat = flatten_saved(encoded([AUDIO, VIDEO]))
    assert tuple(flat.tables) == V1_TABLES
    for name, table in flat.tables.items():
        declared = schema_of(name)
        assert table.schema.names == declared.names[len(KEYS) :]
        assert table.schema.types == declared.types[len(KEYS) :]


def test_silence_and_no_images_are_answers_too() -> None:
    silence = {**AUDIO, "utterances": [], "measurements": []}
    flat = flatten_saved(encoded([silence, {**VIDEO, "received": {"frames": 0}, "measurements": []}]))
    assert [len(table) for table in flat.tables.values()] == [0] * 6
    assert [(answer.model, answer.rows, dict(answer.spans)) for answer in flat.answers] == [
        ("audio", 0, {"audio_utterances": (0, 0), "audio_measurements": (0, 0), "audio_scores": (0, 0)}),
        ("video", 0, {"video_frames": (0, 0), "video_faces": (0, 0), "video_scores": (0, 0)}),
    ]
    assert flat.answers[0].fingerprint != flat.answers[1].fingerprint


def test_a_measurement_may_end_after_its_utterance_and_name_one_that_is_not_told() -> None:
    measurement = {**AUDIO["measurements"][1], "audio_end_ms": 27_400, "utterance_id": 7}  # type: ignore[index]
    flat = flatten_saved(encoded({**AUDIO, "measurements": [measurement]}))
    assert rows(flat, "audio_measurements", "end_s", "utterance_id", "hume_utterance_id") == [(27.4, None, 7)]


# ------------------------------------------------------------------------------------------------------- uploads of a recording
def test_offsets_are_applied_and_originals_kept() -> None:
    placed = Placement(channel=1, chunk=3, offset_ms=780_000)
    flat = flatten_uploads([Uploaded("c3", encoded(AUDIO), placed)])
    assert rows(flat, "audio_utterances", "channel", "begin_s", "end_s", "hume_begin_ms", "hume_end_ms") == [
        (1, 780.412, 787.655, 412, 7655),
        (1, 792.04, 807.31, 12040, 27310),
    ]
    assert rows(flat, "audio_scores", "channel", "begin_s", "end_s")[0] == (1, 780.412, 783.412)


@given(st.integers(0, 2**32), st.lists(st.integers(1, 119), max_size=5, unique=True))
def test_a_recording_cut_between_utterances_gives_the_rows_of_the_uncut_one(seed: int, cuts: list[int]) -> None:
    rng = random.Random(seed)
    speech = utterances_of(rng, 120_000)
    silent = [cut * 1000 for cut in sorted(cuts) if not any(begin <= cut * 1000 <= end for begin, end in speech)]
    edges = [0, *silent, 120_000]
    uploads = [
        Uploaded(f"chunk {i}", encoded(audio_answer(rng, speech, begin, end)), Placement(chunk=i, offset_ms=begin))
        for i, (begin, end) in enumerate(itertools.pairwise(edges))
    ]
    rng.shuffle(uploads)
    whole = flatten_uploads([Uploaded("whole", encoded(audio_answer(rng, speech, 0, 120_000)))])
    parts = flatten_uploads(uploads)
    for name, table in whole.tables.items():
        assert without_hume(parts.tables[name]).equals(without_hume(table))
    assert parts.answers[0].fingerprint == whole.answers[0].fingerprint
    assert parts.answers[0].spans == whole.answers[0].spans
    assert len(parts.answers[0].run_ids) == len(edges) - 1
    assert sum(received.audio_ms or 0 for received in parts.received) == 120_000


@given(st.integers(0, 2**32), st.integers(1, 40))
def test_pieces_put_together_are_the_whole(seed: int, limit: int) -> None:
    rng = random.Random(seed)
    if rng.random() < 0.5:
        speech = utterances_of(rng, 120_000)
        uploads = [
            Uploaded(
                f"{i}", encoded(audio_answer(rng, speech, i * 20_000, (i + 1) * 20_000)), Placement(chunk=i, offset_ms=i * 20_000)
            )
            for i in range(6)
        ]
    else:
        frames = [tuple(Frame(i * 4 + n, (i * 4 + n) / 3) for n in range(4)) for i in range(6)]
        uploads = [
            Uploaded(f"{i}", encoded(video_answer(rng, 4)), Placement(chunk=i, frames=frames[i], face_chain=i // 3))
            for i in range(6)
        ]
    whole = flatten_uploads(uploads)
    pieces = list(flatten_uploads_in_pieces(uploads, rows=limit))
    for name, table in whole.tables.items():
        assert pa.concat_tables([piece.tables[name] for piece in pieces]).equals(table)
        assert sum(piece.answers[0].spans[name][1] for piece in pieces) == len(table)
    assert pieces[-1].answers[0].fingerprint == whole.answers[0].fingerprint
    assert pieces[-1].answers[0].run_ids == whole.answers[0].run_ids
    assert tuple(received for piece in pieces for received in piece.received) == whole.received


def test_ids_are_unique_over_channels_and_rows_in_order_of_time() -> None:
    rng = random.Random(5)
    uploads = [
        Uploaded(
            f"{channel}/{chunk}",
            encoded(audio_answer(rng, utterances_of(rng, 60_000))),
            Placement(channel=channel, chunk=chunk, offset_ms=chunk * 60_000),
        )
        for channel in (1, 0)
        for chunk in (1, 0)
    ]
    flat = flatten_uploads(uploads)
    for table, key in (("audio_utterances", "utterance_id"), ("audio_measurements", "measurement_id")):
        ids = flat.tables[table][key].to_pylist()
        assert sorted(ids) == list(range(len(ids)))
    for table in flat.tables.values():
        begins = table["begin_s"].to_pylist()
        assert begins == sorted(begins)
        assert set(table["channel"].to_pylist()) == {0, 1}
    spoken = dict(zip(*(flat.tables["audio_utterances"][name].to_pylist() for name in ("utterance_id", "channel")), strict=True))
    assert all(spoken[u] == c for u, c in rows(flat, "audio_measurements", "utterance_id", "channel"))
    measured = dict(rows(flat, "audio_measurements", "measurement_id", "channel"))
    assert all(measured[m] == c for m, c in rows(flat, "audio_scores", "measurement_id", "channel"))
    assert flat.answers[0].rows == sum(map(len, flat.tables.values()))


@pytest.mark.parametrize(
    ("placement", "flags"),
    [
        (Placement(), [False, False]),
        (Placement(begins="silence", ends="silence"), [False, False]),
        (Placement(begins="hard"), [True, False]),
        (Placement(ends="hard"), [False, True]),
        (Placement(begins="hard", ends="hard"), [True, True]),
    ],
)
def test_utterances_at_a_hard_cut_are_flagged(placement: Placement, flags: list[bool]) -> None:
    answer = {**AUDIO, "received": {"audio_duration_ms": 27_900}}
    assert rows(flatten_uploads([Uploaded("a", encoded(answer), placement)]), "audio_utterances", "hard_cut") == [
        (flag,) for flag in flags
    ]
    far = {**AUDIO, "received": {"audio_duration_ms": 29_000}}
    assert rows(flatten_uploads([Uploaded("a", encoded(far), placement)]), "audio_utterances", "hard_cut")[1] == (False,)


def test_frames_have_the_number_and_time_they_were_sent_with() -> None:
    placed = Placement(frames=(Frame(30, 10.01, left=100, top=50, across=2.0, down=1.5), Frame(31, 10.3433)))
    flat = flatten_uploads([Uploaded("v", encoded(VIDEO), placed)])
    assert rows(flat, "video_frames", "frame_id", "time_s", "hume_frame_id") == [(30, 10.01, 0), (31, 10.3433, 1)]
    assert set(rows(flat, "video_scores", "frame_id", "time_s")) == {(30, 10.01)}
    assert rows(flat, "video_faces", "box_x0", "box_y0", "box_x1", "box_y1")[1] == (
        100 + 2 * 140,
        50 + 1.5 * 230.7,
        100 + 2 * 301.5,
        50 + 1.5 * 449.8,
    )


def test_faces_keep_their_numbers_within_a_chain_and_get_others_in_the_next() -> None:
    def upload(chunk: int, chain: int) -> Uploaded:
        frames = (Frame(2 * chunk, 2.0 * chunk), Frame(2 * chunk + 1, 2.0 * chunk + 1))
        return Uploaded(str(chunk), encoded(VIDEO), Placement(chunk=chunk, frames=frames, face_chain=chain))

    flat = flatten_uploads([upload(0, 0), upload(1, 0), upload(2, 1), upload(3, 5)])
    assert rows(flat, "video_faces", "face_chain", "hume_face_id", "face_id") == [
        *[(0, 0, 0), (0, 1, 1), (0, None, None)] * 2,
        *[(1, 0, 2), (1, 1, 3), (1, None, None)],
        *[(5, 0, 4), (5, 1, 5), (5, None, None)],
    ]
    with pytest.raises(ValueError, match="chain 0 comes after one of chain 1"):
        flatten_uploads([upload(0, 1), upload(1, 0)])


def test_photos_of_several_recordings_in_one_upload_are_taken_apart() -> None:
    rng = random.Random(3)
    answers = [video_answer(rng, 3), video_answer(rng, 2)]
    frames = [(Frame(0, 0.0, 0), Frame(0, 0.0, 2), Frame(0, 0.0, 1)), (Frame(0, 0.0, 4), Frame(0, 0.0, 3))]
    uploads = [Uploaded(str(i), encoded(answers[i]), Placement(chunk=i, frames=frames[i])) for i in range(2)]
    flat = flatten_uploads(uploads)
    assert [(answer.recording, answer.spans["video_frames"]) for answer in flat.answers] == [(i, (i, 1)) for i in range(5)]
    assert [answer.run_ids for answer in flat.answers] == [(answers[i]["run_id"],) for i in (0, 0, 0, 1, 1)]
    told = [frame for i, n in ((0, 0), (0, 2), (0, 1), (1, 1), (1, 0)) for frame in [answers[i]["measurements"][n]]]
    assert [count for (count,) in rows(flat, "video_frames", "faces")] == [len(frame["faces"]) for frame in told]
    keyed = with_keys(flat, [f"r{i}" for i in range(5)], [f"s{i}" for i in range(5)], "load")
    for name, table in keyed.items():
        assert table.schema.names[:3] == ["recording_id", "scoring_id", "load_id"]
        for answer in flat.answers:
            first, count = answer.spans[name]
            assert table["recording_id"].to_pylist()[first : first + count] == [f"r{answer.recording}"] * count
        assert table["load_id"].to_pylist() == ["load"] * len(table)
    some = of_answers(keyed, flat.answers, [True, False, True, False, False])
    for name, table in some.items():
        whose = keyed[name]["recording_id"].to_pylist()
        assert table.to_pylist() == [row for row, r in zip(keyed[name].to_pylist(), whose, strict=True) if r in ("r0", "r2")]
    with pytest.raises(ValueError, match="There are 5 answers, but 1 recording ids"):
        with_keys(flat, ["r"], ["s"], None)


def test_a_recording_whose_images_the_answer_leaves_out_is_an_answer_without_rows() -> None:
    frames = (Frame(0, 0.0, 0), Frame(0, 0.0, 1))
    flat = flatten_uploads(
        [Uploaded("v", encoded({**VIDEO, "measurements": VIDEO["measurements"][:1]}), Placement(frames=frames))]
    )  # type: ignore[index]
    assert [answer.spans["video_frames"][1] for answer in flat.answers] == [1, 0]


# ------------------------------------------------------------------------------------------------------- what is not known
def test_what_nobody_has_heard_of_is_kept() -> None:
    score = {"name": "brand new", "probability": 1, "intensity": 0.25}
    measurement = {
        **AUDIO["measurements"][0],  # type: ignore[index]
        "trigger": "next_year",
        "expressions": [score],
        "sounds": [{"name": "doorbell", "probability": 0.5}],
        "loudnessDb": -20.5,
        "speaker": {"id": 3},
        "nothing": None,
    }
    later = {
        **AUDIO,
        "received": {"audio_duration_ms": 31400, "format": "wav"},
        "measurements": [measurement, AUDIO["measurements"][1]],  # type: ignore[index]
        "utterances": [{**u, "language": "de"} for u in AUDIO["utterances"]],  # type: ignore[attr-defined]
        "model": {"version": 2},
    }
    flat = flatten_saved(encoded(later))
    assert rows(flat, "audio_measurements", "trigger", "loudnessdb", "speaker") == [
        ("next_year", -20.5, '{"id":3}'),
        ("interval", None, None),
    ]
    assert "nothing" not in flat.tables["audio_measurements"].column_names
    assert rows(flat, "audio_scores", "kind", "name", "probability", "intensity") == [
        ("expression", "brand new", 1.0, 0.25),
        ("voice_attribute", "clear", 0.9405, None),
        ("sounds", "doorbell", 0.5, None),
    ]
    assert rows(flat, "audio_utterances", "language") == [("de",), ("de",)]
    assert flat.received[0].other == {"model": {"version": 2}, "received.format": "wav"}
    field = flat.tables["audio_measurements"].schema.field("loudnessdb")
    assert field.metadata == {b"hume_field": b"loudnessDb"}


def test_new_fields_do_not_enter_the_fingerprint_and_new_names_do() -> None:
    plain = flatten_saved(encoded(VIDEO)).answers[0].fingerprint
    faces = VIDEO["measurements"][0]["faces"]  # type: ignore[index]
    gaze = [{**faces[0], "gaze": 0.5}, *faces[1:]]
    with_gaze = flatten_saved(encoded({**VIDEO, "measurements": [{"frame_id": 0, "faces": gaze}, VIDEO["measurements"][1]]}))  # type: ignore[index]
    assert rows(with_gaze, "video_faces", "gaze") == [(0.5,), (None,), (None,)]
    assert with_gaze.answers[0].fingerprint == plain
    for change in (
        {**faces[0], "descriptions": [{"name": "grin", "probability": 0.8032}]},
        {**faces[0], "expressions": None},
        {**faces[0], "expressions": []},
        {**faces[0], "confidence": 0.9986},
    ):
        other = flatten_saved(encoded({**VIDEO, "measurements": [{"frame_id": 0, "faces": [change, *faces[1:]]}]}))
        assert other.answers[0].fingerprint != plain
    assert flatten_saved(encoded({**VIDEO, "run_id": "another"})).answers[0].fingerprint == plain


def test_fields_past_the_limit_go_to_a_map() -> None:
    measurement = {**AUDIO["measurements"][0], **{f"field {i:03}": i / 2 for i in range(505)}}  # type: ignore[index]
    table = flatten_saved(encoded({**AUDIO, "measurements": [measurement]})).tables["audio_measurements"]
    [row] = table.to_pylist()
    assert row["field_007"] == 3.5
    assert dict(row["other_fields"]) == {f"field {i}": str(i / 2) for i in range(500, 505)}


# ------------------------------------------------------------------------------------------------------------ saved files
@given(st.integers(0, 2**32), st.integers(1, 60))
def test_a_file_of_many_answers_is_read_in_pieces_of_whole_ones(seed: int, limit: int) -> None:
    rng = random.Random(seed)
    answers = [answer_of(rng) for _ in range(rng.randrange(1, 8))]
    data = encoded(answers)
    pieces = list(flatten_saved_in_pieces(io.BytesIO(data), rows=limit))
    found = [(answer, piece) for piece in pieces for answer in piece.answers]
    assert [answer.recording for answer, _ in found] == list(range(len(answers)))
    for (answer, piece), told in zip(found, answers, strict=True):
        assert answer.run_ids == (told["run_id"],)
        [alone] = flatten_saved(encoded(told)).answers
        assert answer.fingerprint == alone.fingerprint
        for name, wanted in expected(told).items():
            first, count = answer.spans[name]
            assert len(wanted) == count
            table = piece.tables[name].slice(first, count)
            assert table.to_pylist() == [{column: row[column] for column in table.column_names} for row in wanted]


def test_errors_among_answers_are_told() -> None:
    error = {"type": "error", "code": "server_busy", "message": "Later.", "request_id": "77"}
    flat = flatten_saved(encoded([AUDIO, error, {"file": "b.wav", "error": error}]))
    assert len(flat.answers) == 1
    assert [(refused.code, refused.message, refused.request_id) for refused in flat.refused] == [
        ("server_busy", "Later.", "77")
    ] * 2


def test_a_list_longer_than_any_window_is_read_element_by_element() -> None:
    rng = random.Random(1)
    answer = video_answer(rng, 500)
    data = encoded([answer] * 30)
    assert len(data) > 5_000_000
    pieces = list(flatten_saved_in_pieces(data, rows=2_000))
    assert len(pieces) > 3
    assert len({answer.fingerprint for piece in pieces for answer in piece.answers}) == 1
    assert sum(len(piece.answers) for piece in pieces) == 30


def test_saved_answers_are_known_by_their_run() -> None:
    flat = flatten_saved(encoded([AUDIO, VIDEO, {**VIDEO, "run_id": None}]))
    ids = [saved_recording_id(answer, "file") for answer in flat.answers]
    assert ids[:2] == ["name:0199c3e1-7a40-7c11-9b6e-2f0d61c4a8e7/audio", "name:0199c3e4-10b2-7f05-8c1d-6e9ab2743f10/video"]
    assert len(set(ids)) == 3


ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("path", ["data/predictions.json", "tests/tables/samples/v0_batch_jobs_id_predictions.json"])
def test_answers_of_v0_do_not_look_like_v1(path: str) -> None:
    data = (ROOT / path).read_bytes()
    assert not looks_like_v1(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"RIFF audio_duration_ms",
        b'{"messages": [{"emotion_features": "{}", "role": "USER"}]}',
        b'"audio_duration_ms":',
        b'{"text": "they said audio_duration_ms and face_state: fine"}',
    ],
)
def test_what_does_not_look_like_v1(data: bytes) -> None:
    assert not looks_like_v1(data)


# ----------------------------------------------------------------------------------------------------------------- uploads
def test_an_uploads_row_fits_its_table() -> None:
    placed = Placement(channel=1, chunk=2, offset_ms=780_000, duration_ms=31_400, begins="silence", ends="hard")
    received = read_received(Uploaded("a", encoded({**AUDIO, "later": [1]}), placed))
    row = upload_row(received, placed, recording_id="r", size_bytes=5, billed_s=31.4)
    assert set(row) <= set(schema_of("uploads").names)
    [stored] = pa.Table.from_pylist([row], schema=schema_of("uploads")).to_pylist()
    assert {name: value for name, value in stored.items() if value is not None} == {
        "upload_id": "run:0199c3e1-7a40-7c11-9b6e-2f0d61c4a8e7",
        "recording_id": "r",
        "model": "audio",
        "state": "received",
        "channel": 1,
        "chunk": 2,
        "offset_s": 780.0,
        "duration_s": 31.4,
        "begins": "silence",
        "ends": "hard",
        "size_bytes": 5,
        "hume_run_id": "0199c3e1-7a40-7c11-9b6e-2f0d61c4a8e7",
        "hume_request_id": "b2c9e6f0417d4a5c8e3f7019ad5528c1",
        "received_s": 31.4,
        "billed": "yes",
        "billed_s": 31.4,
        "other_json": '{"later":[1]}',
    }
    images = Placement(frames=(Frame(0, 0.0), Frame(1, 0.5)), face_chain=1)
    row = upload_row(read_received(Uploaded("v", encoded(VIDEO))), images)
    assert (row["frames"], row["received_frames"], row["face_chain"], row["duration_s"]) == (2, 2, 1, None)


@pytest.mark.parametrize(
    ("answer", "placement", "said"),
    [
        (AUDIO, Placement(duration_ms=31_400), None),
        (AUDIO, Placement(duration_ms=31_400.4375), None),
        (AUDIO, Placement(), None),
        (AUDIO, Placement(duration_ms=31_402), "31.400 s of audio where 31.402 s were sent"),
        (VIDEO, Placement(frames=(Frame(0), Frame(1))), None),
        (VIDEO, Placement(frames=(Frame(0), Frame(1), Frame(2))), "2 images where 3 were sent"),
    ],
)
def test_what_does_not_fit_what_was_sent_is_said(answer: Any, placement: Placement, said: str | None) -> None:
    mismatch = read_received(Uploaded("a", encoded(answer), placement)).mismatch(placement)
    assert mismatch is None if said is None else said in str(mismatch)


sizes = st.floats(0, 1e4)
frames = st.builds(Frame, st.integers(0, 10**6), st.none() | st.floats(0, 1e6), st.integers(0, 9), sizes, sizes, sizes, sizes)
edges = st.sampled_from(["recording", "silence", "hard"])
placements = st.builds(
    Placement,
    channel=st.none() | st.integers(0, 9),
    chunk=st.integers(0, 99),
    offset_ms=st.integers(0, 10**9) | st.floats(0, 1e9),
    duration_ms=st.none() | st.integers(0, 10**6),
    begins=edges,
    ends=edges,
    frames=st.none() | st.lists(frames, max_size=3).map(tuple),
    face_chain=st.integers(0, 5),
)


@given(placements)
def test_a_placement_can_be_kept_as_json(placement: Placement) -> None:
    assert Placement.from_json(json.loads(json.dumps(placement.to_json()))) == placement


def test_what_is_no_placement_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no placement of an upload: .*`\$\.begins`"):
        Placement.from_json({"begins": "softly"})


def test_answers_are_opened_one_after_the_other_and_closed() -> None:
    opened: list[io.BytesIO] = []

    def open_answer() -> io.BytesIO:
        assert all(stream.closed for stream in opened)
        opened.append(io.BytesIO(encoded(AUDIO)))
        return opened[-1]

    uploads = [Uploaded(str(chunk), open_answer, Placement(chunk=chunk, offset_ms=chunk * 40_000)) for chunk in range(3)]
    assert len(flatten_uploads(uploads).tables["audio_utterances"]) == 6
    assert [stream.closed for stream in opened] == [True] * 3
