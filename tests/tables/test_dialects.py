"""What saved files really look like, measured on several dozen real jobs: one test a peculiarity, with literal files.

`v0_forms.py` writes the same peculiarities down at random; here they stand so that they can be read.
"""

from __future__ import annotations

import io
import json
import random
import struct
from typing import Any

import pytest
from test_artifacts import zipped

from humeanalytics.tables.artifacts import CsvFile, flatten_artifacts, flatten_csvs
from humeanalytics.tables.batch import Flattened, flatten_predictions
from humeanalytics.tables.schema import schema_of

JOY = [{"name": "Admiration", "score": 0.25}, {"name": "Joy", "score": 0.5}]
BOX = {"x": 1.5, "y": 2.5, "w": 3.5, "h": 4.5}
FACE = {"frame": 0, "time": 0, "prob": 0.5, "box": BOX, "emotions": JOY, "facs": None, "descriptions": None}
SPEECH = {
    "text": "No.",
    "time": {"begin": 0.5, "end": 1},
    "confidence": None,
    "speaker_confidence": None,
    "emotions": JOY,
}
WORD = SPEECH | {"time": None, "position": {"begin": 0, "end": 3}, "sentiment": None, "toxicity": None}
URL = {"type": "url", "url": "https://x.com/a.mp4"}


def answer(*groups: tuple[str, list[dict[str, Any]]], metadata: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"metadata": metadata, "grouped_predictions": [{"id": id_, "predictions": rows} for id_, rows in groups]}


def prediction(file: str, models: dict[str, Any], file_type: str | None = "video") -> dict[str, Any]:
    return {"file": file} | ({"file_type": file_type} if file_type else {}) | {"models": models}


def source(described: dict[str, Any], *predictions: dict[str, Any], errors: Any = ()) -> dict[str, Any]:
    return {"source": described, "results": {"predictions": list(predictions), "errors": list(errors)}}


def read(payload: Any) -> Flattened:
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    flat = flatten_predictions(data)
    assert flat == flatten_predictions(data, by_name=True)
    return flat


def rows(flat: Flattened, model: str) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if value is not None} for row in flat.tables[model].to_pylist()]


# ------------------------------------------------------------------------------------------------------------------ JSON
@pytest.mark.parametrize("file_type", ["video", "video_no_audio", "audio", "image", "text", "hologram"])
def test_1_the_api_tells_the_type_of_a_file_and_any_model_can_stand_under_any_type(file_type: str) -> None:
    models = {"face": answer(("unknown", [FACE])), "prosody": answer(("unknown", [SPEECH]))}
    flat = read([source(URL, prediction("a.mp4", models, file_type))])
    assert flat.dialect == "api"
    assert [(a.file_type, a.model, a.rows) for a in flat.answers] == [(file_type, "face", 1), (file_type, "prosody", 1)]


def test_2_the_platform_has_uuids_other_orders_and_whole_numbers() -> None:
    text = """[{"source": {"type": "registry_file", "file_id": "5f3a0b9e-6f53-4a53-8a35-0d5a2f0f8f11"}, "results": {
        "predictions": [{"file": "0d5a2f0f-8f11-4a53-8a35-5f3a0b9e6f53", "models": {
            "face": {"metadata": null, "grouped_predictions": [{"id": "face_0", "predictions": [
                {"box": {"x": 10, "y": 2.5, "w": 3, "h": 4}, "frame": 3, "time": 0, "prob": 1, "descriptions": null,
                 "emotions": [{"name": "Joy", "score": 0}, {"name": "Awe", "score": 1}], "facs": null}]}]},
            "prosody": {"metadata": {"confidence": 1, "detected_language": "en"}, "grouped_predictions": [{"id": "spk_0",
                "predictions": [{"text": "No.", "time": {"begin": 3, "end": 4.5}, "confidence": 1,
                "emotions": [{"name": "Joy", "score": 0.5}], "speaker_confidence": 0}]}]}}}], "errors": []}}]"""
    flat = read(text.encode())
    assert flat.dialect == "platform"
    assert {a.file_type for a in flat.answers} == {None}
    assert flat.answers[0].source.file_id == "5f3a0b9e-6f53-4a53-8a35-0d5a2f0f8f11"
    file = {"file": "0d5a2f0f-8f11-4a53-8a35-5f3a0b9e6f53"}
    assert rows(flat, "face") == [
        file
        | {"face_id": "face_0", "frame": 3, "time_s": 0.0, "prob": 1.0, "joy": 0.0, "awe": 1.0}
        | {"box_x": 10.0, "box_y": 2.5, "box_w": 3.0, "box_h": 4.0}
    ]
    language = {"detected_language": "en", "language_confidence": 1.0}
    spoken = {"begin_s": 3.0, "end_s": 4.5, "text": "No.", "confidence": 1.0, "speaker_confidence": 0.0, "joy": 0.5}
    assert rows(flat, "prosody") == [file | {"speaker_id": "spk_0"} | spoken | language]


def test_3_in_june_2023_a_single_source_stood_for_itself() -> None:
    described = {"md5sum": "0" * 32, "content_type": "video/mp4", "filename": "a.mp4", "type": "file"}
    single = source(described, prediction("a.mp4", {"face": answer(("unknown", [FACE]))}, None))
    flat = read(single)
    assert (flat.dialect, flat.answers[0].source.filename, flat.answers[0].rows) == ("object", "a.mp4", 1)
    assert read([single]).dialect == "api"
    assert read([single]).tables == flat.tables


@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("indent", [None, 0, 1, 2, 3, 4])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_4_blanks_and_line_ends_and_a_byte_order_mark_do_not_matter(bom: bytes, indent: int | None, line_end: str) -> None:
    payload = [source(URL, prediction("a.mp4", {"face": answer(("unknown", [FACE] * 9))}))]
    text = json.dumps(payload, indent=indent, separators=(",", ":") if indent is None else None) + "\n"
    assert read(bom + text.replace("\n", line_end).encode()) == read(payload)


def test_5_scores_go_by_their_names() -> None:
    rng = random.Random(5)
    names = ["Admiration", "Joy", "Surprise (negative)", "Triumph", "Desire"]
    shuffled = [rng.sample(names, len(names)) for _ in range(20)]
    faces = [
        FACE | {"time": i, "emotions": [{"name": name, "score": 1 / 2 ** names.index(name)} for name in order]}
        for i, order in enumerate(shuffled)
    ]
    for row in rows(read([source(URL, prediction("a.mp4", {"face": answer(("unknown", faces))}))]), "face"):
        assert [row[c] for c in ("admiration", "joy", "surprise_negative", "triumph", "desire")] == [
            1,
            1 / 2,
            1 / 4,
            1 / 8,
            1 / 16,
        ]


def test_6_scores_above_1_and_boxes_below_0_are_kept_and_no_digit_is_lost() -> None:
    score = struct.unpack("<f", struct.pack("<f", 1.303))[0]
    box = {"x": -12.345678901234567, "y": 0.1, "w": 1e-7, "h": 1234.5678901234567}
    face = FACE | {"time": 2.3356666666666666, "prob": score, "box": box, "emotions": [{"name": "Concentration", "score": score}]}
    flat = read([source(URL, prediction("a.mp4", {"face": answer(("unknown", [face]))}))])
    [row] = flat.tables["face"].to_pylist()
    assert (row["concentration"], row["prob"], row["time_s"]) == (score, score, 2.3356666666666666)
    assert {side: row[f"box_{side}"] for side in "xywh"} == box
    assert flat.scores_rounded == 0


def test_7_null_is_null_wherever_it_stands() -> None:
    models = {
        "face": answer(("unknown", [FACE])),
        "prosody": answer(("unknown", [SPEECH]), metadata={"confidence": 0.5, "detected_language": None}),
        "language": answer(("unknown", [WORD])),
    }
    flat = read([source({"type": "text"}, prediction("1", models, "text"))])
    [face], [speech], [word] = (rows(flat, model) for model in models)
    assert not any(name.startswith(("facs", "desc")) for name in face)
    assert not {"confidence", "speaker_confidence", "detected_language"} & speech.keys()
    assert speech["language_confidence"] == 0.5
    assert not {"begin_s", "end_s", "confidence"} & word.keys()
    assert not any(name.startswith(("sentiment", "toxicity", "language")) for name in word)
    assert flat.names_doubled == flat.scores_rounded == 0


def test_8_a_model_that_found_nothing_has_answered() -> None:
    flat = read([source(URL, prediction("a.mp4", {"face": answer(), "burst": answer()}))])
    assert [(a.model, a.rows) for a in flat.answers] == [("face", 0), ("burst", 0)]
    assert flat.failures == ()
    assert flat.tables["face"].schema.names == schema_of("face").names[3:]


def test_9_groups_mix_are_not_sorted_and_can_share_unknown() -> None:
    faces = [FACE | {"box": BOX | {"x": x}} for x in (1.0, 2.0)]
    speech = [("spk_1", [SPEECH]), ("unknown", [SPEECH | {"time": {"begin": 0, "end": 1}}]), ("spk_0", [SPEECH])]
    models = {"face": answer(("unknown", faces)), "prosody": answer(*speech)}
    flat = read([source(URL, prediction("a.mp4", models))])
    assert [(row["face_id"], row["box_x"]) for row in rows(flat, "face")] == [("unknown", 1.0), ("unknown", 2.0)]
    # Rows of one answer stand in order of time, those of equal time as they stood.
    assert [row["speaker_id"] for row in rows(flat, "prosody")] == ["unknown", "spk_1", "spk_0"]


def test_10_files_of_an_archive_are_known_by_their_paths() -> None:
    paths = ["Angry/7.jpg", "Angry/70.jpg", "Happy/7.jpg"]
    models = {"face": answer(("unknown", [FACE]))}
    flat = read([source({"type": "file", "filename": "f.zip", "md5sum": "0" * 32}, *(prediction(p, models) for p in paths))])
    assert [(a.file, a.copy, a.source.filename) for a in flat.answers] == [(path, 0, "f.zip") for path in paths]
    assert flat.tables["face"]["file"].to_pylist() == paths


def test_11_texts_are_known_by_numbers_in_any_order() -> None:
    words = [prediction(file, {"language": answer(("unknown", [WORD | {"text": file * 2}]))}, "text") for file in "2971"]
    flat = read([source({"type": "text"}, *words)])
    assert [(row["file"], row["text"]) for row in rows(flat, "language")] == [("2", "22"), ("9", "99"), ("7", "77"), ("1", "11")]


def test_12_errors_are_told_in_humes_words() -> None:
    words = "unable to transcribe file: transcript confidence (0.4025879) below threshold value (0.5)"
    errors = [
        {"file": "Angry/.DS_Store", "model": None, "message": "unable to determine file type"},
        {"file": "a.wav", "model": None, "message": words},
    ]
    flat = read([source(URL, errors=errors), {"source": URL, "results": None, "error": "could not be fetched"}])
    assert [(f.source and f.source.index, f.file, f.model, f.message) for f in flat.failures] == [
        (0, "Angry/.DS_Store", None, "unable to determine file type"),
        (0, "a.wav", None, words),
        (1, None, None, "could not be fetched"),
    ]
    assert (flat.tables, flat.answers) == ({}, ())


def test_13_no_credentials_of_a_signed_url_come_through() -> None:
    url = "https://s3.amazonaws.com/b/a.mp4?X-Amz-Credential=AKIA123&X-Amz-Signature=f00d&part=1"
    models = {"face": answer(("unknown", [FACE]))}
    failed = {"source": {"type": "url", "url": url}, "results": None, "error": f"could not fetch {url}"}
    errors = [{"file": "a.mp4", "message": f"no media at {url}"}]
    flat = read([source({"type": "url", "url": url}, prediction("a.mp4", models), errors=errors), failed])
    told = repr((flat.answers, flat.failures)) + str(flat.tables["face"].to_pylist())
    assert "AKIA123" not in told
    assert "f00d" not in told
    assert "part=1" in told


LIST = [source(URL, prediction("a.mp4", {"face": answer(("unknown", [FACE]))}))]
DUMP = [
    {
        "source": {"type": "file", "filename": "a.mp4", "content_type": None, "md_5_sum": "0" * 32},
        "results": {"predictions": [prediction("a.mp4", {"face": answer(("unknown", [FACE])), "ner": None}, None)], "errors": []},
        "error": None,
    }
]


@pytest.mark.parametrize(
    ("payload", "dialect", "job_id"),
    [
        ({"participant": "007", "predictions": LIST, "when": {"day": 3}}, "wrapped", None),
        ({"2024-01-01T10:00:00": {"predictions": LIST}, "2024-01-01T10:00:05": {"predictions": []}}, "wrapped", None),
        ({"speakers": [{"name": "A", "predictions": LIST}, {"name": "B", "predictions": None}]}, "wrapped", None),
        ([[LIST]], "api", None),
        ({"job_id": "1f3a", "status": "COMPLETED", "predictions": LIST}, "webhook", "1f3a"),
        ({"predictions": LIST, "status": "COMPLETED", "job_id": "1f3a"}, "webhook", "1f3a"),
        ({"job_id": "1f3a", "status": "COMPLETED", "predictions": DUMP}, "webhook", "1f3a"),
        ({"jobId": "1f3a", "status": "COMPLETED", "predictions": LIST}, "webhook", "1f3a"),
        ({"received": [{"job_id": "1f3a", "status": "COMPLETED", "predictions": LIST}]}, "wrapped", "1f3a"),
        (DUMP, "sdk", None),
        ({"predictions": LIST[0]["results"]["predictions"], "errors": []}, "wrapped", None),
    ],
)
def test_14_predictions_are_found_in_what_people_wrapped_them_in(payload: Any, dialect: str, job_id: str | None) -> None:
    flat = read(payload)
    assert (flat.dialect, flat.job_id) == (dialect, job_id)
    assert rows(flat, "face") == rows(read(LIST), "face")


def test_14_jobs_together_in_one_file_are_not_taken_for_one() -> None:
    webhooks = [{"job_id": f"job {i}", "status": "COMPLETED", "predictions": LIST} for i in range(2)]
    for data in (json.dumps(webhooks).encode(), b"\n".join(json.dumps(each).encode() for each in webhooks)):
        flat = read(data)
        assert (flat.job_id, flat.status) == (None, None)
        assert [(a.source.index, a.rows) for a in flat.answers] == [(0, 1), (1, 1)]


# 15, what people saved of the streaming API, has tests of its own: test_streamed.py.


# ------------------------------------------------------------------------------------------------------------- artifacts
@pytest.mark.parametrize(
    ("path", "source_type", "filename", "file"),
    [
        ("file-0-a.wav/csv/a.wav/prosody.csv", "file", "a.wav", "a.wav"),
        ("url-3-a.mp4/csv/a.mp4/prosody.csv", "url", "a.mp4", "a.mp4"),
        ("registry_file-0-5f3a0b9e/csv/5f3a0b9e/prosody.csv", "registry_file", "5f3a0b9e", "5f3a0b9e"),
        ("file-1-faces.zip/csv/Angry/7.jpg/prosody.csv", "file", "faces.zip", "Angry/7.jpg"),
        ("text-0-text/csv/12/prosody.csv", "text", "text", "12"),
        ("artifacts (1)/file-0-csv/csv/csv/prosody.csv", "file", "csv", "csv"),
    ],
)
def test_16_the_path_of_a_csv_tells_source_file_and_model(path: str, source_type: str, filename: str, file: str) -> None:
    flat = flatten_artifacts(zipped({path: b"Id,Text,BeginTime,Joy\nspk_0,No.,0.5,0.25\n", "notes.txt": b"x"}))
    [found] = flat.answers
    assert (found.source.type, found.source.filename, found.file, found.model, found.rows) == (
        source_type,
        filename,
        file,
        "prosody",
        1,
    )


EXPRESSIONS = (
    "Admiration,Adoration,Aesthetic Appreciation,Amusement,Anger,Anxiety,Awe,Awkwardness,Boredom,Calmness,Concentration,"
    "Contemplation,Confusion,Contempt,Contentment,Craving,Determination,Disappointment,Disgust,Distress,Doubt,Ecstasy,"
    "Embarrassment,Empathic Pain,Entrancement,Envy,Excitement,Fear,Guilt,Horror,Interest,Joy,Love,Nostalgia,Pain,Pride,"
    "Realization,Relief,Romance,Sadness,Satisfaction,Desire,Shame,Surprise (negative),Surprise (positive),Sympathy,Tiredness,"
    "Triumph"
)
ACTION_UNITS = (
    "AU1 Inner Brow Raise,AU2 Outer Brow Raise,AU4 Brow Lowerer,AU5 Upper Lid Raise,AU6 Cheek Raise,AU7 Lids Tight,"
    "AU9 Nose Wrinkle,AU10 Upper Lip Raiser,AU11 Nasolabial Furrow Deepener,AU12 Lip Corner Puller,AU14 Dimpler,"
    "AU15 Lip Corner Depressor,AU16 Lower Lip Depress,AU17 Chin Raiser,AU18 Lip Pucker,AU19 Tongue Show,AU20 Lip Stretch,"
    "AU22 Lip Funneler,AU23 Lip Tightener,AU24 Lip Presser,AU25 Lips Part,AU26 Jaw Drop,AU27 Mouth Stretch,AU28 Lips Suck,"
    "AU32 Bite,AU34 Puff,AU37 Lip Wipe,AU38 Nostril Dilate,AU43 Eye Closure,AU53 Head Up,AU54 Head Down"
)
HANDS = "Hand over Mouth,Hand over Eyes,Hand over Forehead,Hand over Face,Hand touching Face / Head"
DESCRIPTIONS = (
    "Beaming,Biting lip,Cheering,Cringe,Cry,Eyes closed,Face in hands,Frown,Gasp,Glare,Glaring,Grimace,Grin,Jaw drop,Laugh,"
    "Licking lip,Pout,Scowl,Smile,Smirk,Snarl,Squint,Sulking,Tongue out,Wide-eyed,Wince,Wrinkled nose"
)
VOCALISATIONS = (
    "Cackle,Cheer,Chuckle,Cry,Gasp,Giggle,Groan,Growl,Grunt,Hiss,Hoot,Howl,Laugh,Moan,Pant,Roar,Scream,Screech,Shout,Shriek,"
    "Sigh,Snicker,Snort,Sob,Squeal,Wail,Wheep,Whimper,Yawn,Yelp,Ah,Aha,Ahh,Argh,Aww,Eek,Eww,Grr,Ha,Hah,Haha,Hehe,Hmm,Huh,"
    "Hurray,Mhm,Mmm,Oh,Ohh,Ooh,Ooph,Ouch,Oww,Pff,Phew,Tsk,Ugh,Uh,Uh-huh,Umm,Whee,Whew,Woah,Wow,Yay,Yippee,Yuck"
)
WORDS = (
    EXPRESSIONS.replace("Anxiety", "Annoyance,Anxiety")
    .replace("Disgust", "Disapproval,Disgust")
    .replace("Entrancement", "Enthusiasm,Entrancement")
    .replace("Guilt", "Gratitude,Guilt")
    .replace("Satisfaction", "Sarcasm,Satisfaction")
)
HEADERS = {
    "face": f"Id,Frame,Time,Probability,FaceX0,FaceY0,FaceWidth,FaceHeight,{EXPRESSIONS},{ACTION_UNITS},{HANDS},{DESCRIPTIONS}",
    "prosody": f"Id,Text,BeginTime,EndTime,Confidence,SpeakerConfidence,{EXPRESSIONS}",
    "language": "Id,Text,BeginPosition,EndPosition,BeginTime,EndTime,Confidence,SpeakerConfidence,"
    f"{WORDS},1,2,3,4,5,6,7,8,9,toxic,severe_toxic,obscene,threat,insult,identity_hate",
    "burst": f"Id,BeginTime,EndTime,{EXPRESSIONS},{VOCALISATIONS}",
}


def flatten_one(model: str, header: str, *lines: str) -> Flattened:
    data = "".join(f"{line}\n" for line in (header, *lines)).encode()
    return flatten_csvs([CsvFile(f"file-0-a/csv/a/{model}.csv", lambda: io.BytesIO(data))])


@pytest.mark.parametrize(("model", "columns"), [("face", 119), ("prosody", 54), ("language", 76), ("burst", 118)])
def test_17_every_column_of_a_csv_is_known(model: str, columns: int) -> None:
    names = HEADERS[model].split(",")
    assert len(names) == columns
    cells = ["x" if name in ("Id", "Text") else str(i) for i, name in enumerate(names)]
    table = flatten_one(model, HEADERS[model], ",".join(cells)).tables[model]
    declared = schema_of(model)
    assert table.column_names == declared.names[3:]
    [row] = table.to_pylist()
    told = {name for name, value in row.items() if value is not None}
    assert set(declared.names[3:]) - told <= {"detected_language", "language_confidence"}
    scores = {declared.field(name).metadata[b"hume_name"].decode(): row[name] for name in told if declared.field(name).metadata}
    first = {"face": 8, "prosody": 6, "language": 8, "burst": 3}[model]
    assert scores == {name: float(i) for i, name in enumerate(names) if i >= first}


def test_17_what_was_not_asked_for_is_empty() -> None:
    line = "face_0,3,0.1,0.5,-1.5,2,3,4," + ",".join(["0.25"] * 48) + "," * 63
    [row] = rows(flatten_one("face", HEADERS["face"], line), "face")
    assert len(row) == 1 + 8 + 48
    [row] = rows(
        flatten_one("language", HEADERS["language"], "unknown,No.,0,3,,,,," + ",".join(["0.5"] * 53) + "," * 15), "language"
    )
    assert len(row) == 1 + 4 + 53
    assert row["text"] == "No."


def test_17_hands_are_action_units_although_they_stand_among_the_descriptions() -> None:
    names = HEADERS["face"].split(",")
    assert names.index("Hand over Mouth") > names.index("AU54 Head Down")
    cells = ["face_0" if name == "Id" else "1" if name in HANDS else "" for name in names]
    [row] = rows(flatten_one("face", HEADERS["face"], ",".join(cells)), "face")
    assert sorted(row) == [
        "face_id",
        "facs_hand_over_eyes",
        "facs_hand_over_face",
        "facs_hand_over_forehead",
        "facs_hand_over_mouth",
        "facs_hand_touching_face_head",
        "file",
    ]


def test_18_columns_go_by_the_header_and_names_that_are_alike_stay_apart() -> None:
    wanted = {"confusion": 0.25, "contemplation": 0.5, "desire": 0.125, "facs_au26_jaw_drop": 0.75, "desc_jaw_drop": 1.0}
    names = {"Confusion": 0.25, "Contemplation": 0.5, "Desire": 0.125, "AU26 Jaw Drop": 0.75, "Jaw drop": 1.0}
    for header in (HEADERS["face"].split(","), sorted(HEADERS["face"].split(","), reverse=True)):
        cells = ["face_0" if name == "Id" else str(names.get(name, "")) for name in header]
        [row] = rows(flatten_one("face", ",".join(header), ",".join(cells)), "face")
        assert row == {"file": "a", "face_id": "face_0"} | wanted


def test_19_rows_across_groups_in_order_of_time_give_the_table_of_the_json() -> None:
    groups = {f"face_{i}": [FACE | {"time": t + i / 8, "frame": t, "prob": 0.5 + t / 8} for t in range(3)] for i in (1, 0)}
    by_json = read([source({"type": "file", "filename": "a"}, prediction("a", {"face": answer(*groups.items())}, None))])
    by_time = sorted(((id_, row) for id_, each in groups.items() for row in each), key=lambda pair: pair[1]["time"])
    lines = [f"{id_},{row['frame']},{row['time']},{row['prob']},1.5,2.5,3.5,4.5,0.25,0.5" for id_, row in by_time]
    header = "Id,Frame,Time,Probability,FaceX0,FaceY0,FaceWidth,FaceHeight,Admiration,Joy"
    by_csv = flatten_one("face", header, *lines)
    assert [id_ for id_, _ in by_time] == ["face_0", "face_1"] * 3
    assert by_csv.tables == by_json.tables
    assert [a.fingerprint for a in by_csv.answers] == [a.fingerprint for a in by_json.answers]
