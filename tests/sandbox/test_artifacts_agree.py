"""The artifacts: their layout, their columns, and that every value is the one in the JSON."""

from __future__ import annotations

import csv
import io
import math
import zipfile
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import av
import pytest
from hume_client import JOBS, Hume, rows
from made_media import film, image, silence, voice, wav, zip_of

from humeanalytics import vocabulary
from humeanalytics.sandbox.embedded import Sandbox

SandboxWith = Callable[..., tuple[Sandbox, Hume]]

EVERYTHING: dict[str, Any] = {
    "face": {"facs": {}, "descriptions": {}, "identify_faces": True, "fps_pred": 5, "min_face_size": 1},
    "prosody": {"granularity": "word", "identify_speakers": True},
    "burst": {},
    "language": {"granularity": "word", "sentiment": {}, "toxicity": {}, "identify_speakers": True},
    "ner": {},
    "facemesh": {},
}
TALK = wav(voice(1.5, 110), silence(0.5), voice(1.5, 230), silence(0.4), voice(0.5, 110, seed=3))
SAID = 'Hello, Maria said: "Come to Berlin", and we did.\nIt was nice; wasn\'t it? Yes.'

#: Column -> path in a row of the JSON, written down again here so that the server cannot agree with itself by mistake.
WHERE = {
    "Frame": "frame",
    "Time": "time",
    "Probability": "prob",
    "FaceX0": "box.x",
    "FaceY0": "box.y",
    "FaceWidth": "box.w",
    "FaceHeight": "box.h",
    "Text": "text",
    "BeginTime": "time.begin",
    "EndTime": "time.end",
    "BeginPosition": "position.begin",
    "EndPosition": "position.end",
    "Confidence": "confidence",
    "SpeakerConfidence": "speaker_confidence",
    "Entity": "entity",
    "EntityConfidence": "entity_confidence",
    "Support": "support",
    "Uri": "uri",
    "LinkWord": "link_word",
}
TEXT_COLUMNS = ("Id", "Text", "Entity", "Uri", "LinkWord")
Cells = tuple[tuple[str, Any], ...]


def from_csv(content: bytes) -> list[Cells]:
    lines = list(csv.reader(io.StringIO(content.decode(), newline="")))
    header = lines[0]
    assert len(set(header)) == len(header)
    assert all(len(line) == len(header) for line in lines)
    return [
        tuple(
            sorted(
                (n, (cell if n in TEXT_COLUMNS else float(cell)) if cell else None) for n, cell in zip(header, line, strict=True)
            )
        )
        for line in lines[1:]
    ]


def from_json(prediction: dict[str, Any], model: str, header: list[str]) -> list[Cells]:
    found = []
    for row in rows(prediction, model):
        cells: dict[str, Any] = dict.fromkeys(header)
        cells["Id"] = row["id"]
        for column in header:
            if column in WHERE:
                value: Any = row
                for key in WHERE[column].split("."):
                    value = None if value is None else value[key]
                cells[column] = value
        for key in ("emotions", "facs", "descriptions", "sentiment", "toxicity"):
            cells.update({score["name"]: score["score"] for score in row.get(key) or ()})
        assert list(cells) == header  # no name that the header lacks
        found.append(tuple(sorted((name, cell) for name, cell in cells.items())))
    return found


def header_of(content: bytes) -> list[str]:
    return next(csv.reader(io.StringIO(content.decode(), newline="")))


def check_agreement(archive: zipfile.ZipFile, folder: str, prediction: dict[str, Any]) -> None:
    models = prediction["models"]
    inside = {name.removeprefix(folder) for name in archive.namelist() if name.startswith(folder)}
    assert inside == {f"{model}.csv" for model in models}
    for model in models:
        content = archive.read(f"{folder}{model}.csv")
        lines = from_csv(content)
        assert sorted(lines, key=repr) == sorted(from_json(prediction, model, header_of(content)), key=repr)
        times = [dict(line).get("Time", dict(line).get("BeginTime")) or 0.0 for line in lines]
        if model != "facemesh":
            assert times == sorted(times)


@pytest.mark.parametrize("options", ["all", "none"])
def test_csv_and_json_agree_value_for_value(shared: Hume, options: str) -> None:
    models = EVERYTHING if options == "all" else {model: {} for model in EVERYTHING}
    files = {
        "talk.wav": TALK,
        "film.mkv": film(2.0, Fraction(25), sound=voice(2.0), seed=4),
        "words.txt": SAID.encode(),
        "face.png": image(seed=2),
        "still.wav": wav(silence(1)),
    }
    job_id = shared.upload(files, models=models, text=[SAID, "No."])
    *sources, texts = shared.predictions(job_id)
    archive = shared.artifacts(job_id)
    assert archive.testzip() is None
    for number, (source, name) in enumerate(zip(sources, files, strict=True)):
        (prediction,) = source["results"]["predictions"]
        check_agreement(archive, f"file-{number}-{name}/csv/{name}/", prediction)
    for prediction in texts["results"]["predictions"]:
        check_agreement(archive, f"text-0-text/csv/{prediction['file']}/", prediction)
    kinds = {name.rpartition("/")[2] for name in archive.namelist()}
    assert kinds == {f"{model}.csv" for model in EVERYTHING}


def platform_order(names: list[str]) -> list[str]:
    names = [name for name in names if name not in ("Contemplation", "Desire")]
    names.insert(names.index("Confusion"), "Contemplation")
    names.insert(names.index("Shame"), "Desire")
    return names


def test_headers_are_the_platforms(shared: Hume) -> None:
    job_id = shared.upload(
        {"film.mkv": film(1.0, sound=voice(0.5)), "words.txt": SAID.encode()}, models={m: {} for m in EVERYTHING}
    )
    archive = shared.artifacts(job_id)
    headers = {m: header_of(archive.read(f"file-0-film.mkv/csv/film.mkv/{m}.csv")) for m in EVERYTHING}

    def names(model: str, kind: str) -> list[str]:
        return [name.name for name in vocabulary.names_of(model, kind)]

    expressions = platform_order(names("face", "expression"))
    assert expressions[10:13] == ["Concentration", "Contemplation", "Confusion"]
    assert expressions[expressions.index("Desire") - 1 :][:3] == ["Satisfaction", "Desire", "Shame"]
    facs = names("face", "facs")
    assert headers["face"] == [
        *["Id", "Frame", "Time", "Probability", "FaceX0", "FaceY0", "FaceWidth", "FaceHeight"],
        *expressions,
        *facs[:31],
        *facs[31:],
        *names("face", "description"),
    ]
    assert facs[31] == "Hand over Mouth" and headers["face"][-1] == "Wrinkled nose" and len(headers["face"]) == 119
    assert headers["prosody"] == [
        *["Id", "Text", "BeginTime", "EndTime", "Confidence", "SpeakerConfidence"],
        *expressions,
    ]
    assert headers["burst"] == ["Id", "BeginTime", "EndTime", *expressions, *names("burst", "vocalisation")]
    assert len(headers["burst"]) == 118
    assert headers["language"] == [
        *["Id", "Text", "BeginPosition", "EndPosition", "BeginTime", "EndTime", "Confidence", "SpeakerConfidence"],
        *platform_order(names("language", "expression")),
        *"123456789",
        *["toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate"],
    ]
    assert len(headers["language"]) == 76


def test_columns_not_asked_for_are_there_and_empty(shared: Hume) -> None:
    archive = shared.artifacts(shared.upload({"a.png": image()}, models={"face": {}}))
    (line,) = from_csv(archive.read("file-0-a.png/csv/a.png/face.csv"))[:1]
    cells = dict(line)
    assert cells["AU26 Jaw Drop"] is cells["Jaw drop"] is cells["Hand over Face"] is None
    assert sum(value is None for value in cells.values()) == 63


def test_archives_have_one_folder_for_each_member(shared: Hume) -> None:
    files = {"Angry/7.png": image(seed=1), "Happy/7.png": image(seed=2), "Angry/.DS_Store": b"\x00\x01"}
    job_id = shared.upload({"faces.zip": zip_of(files)}, models={"face": {}})
    (source,) = shared.predictions(job_id)
    archive = shared.artifacts(job_id)
    for prediction in source["results"]["predictions"]:
        check_agreement(archive, f"file-0-faces.zip/csv/{prediction['file']}/", prediction)
    assert sorted(archive.namelist()) == [f"file-0-faces.zip/csv/{name}/face.csv" for name in ("Angry/7.png", "Happy/7.png")]


def test_names_stay_in_their_folder(shared: Hume) -> None:
    files = {"../../up.txt": b"One.", "/etc/passwd": b"Two.", "C:\\x\\y.txt": b"Three."}
    job_id = shared.upload({"../odd/name.zip": zip_of(files), "..": b"Four."}, models={"language": {}})
    shared.predictions(job_id)
    assert sorted(shared.artifacts(job_id).namelist()) == [
        "file-0-odd_name.zip/csv/C:/x/y.txt/language.csv",
        "file-0-odd_name.zip/csv/etc/passwd/language.csv",
        "file-0-odd_name.zip/csv/up.txt/language.csv",
        "file-1-file/csv/file/language.csv",
    ]


def test_two_uploads_of_one_name(shared: Hume) -> None:
    files = [("file", ("a.txt", b"One.")), ("file", ("a.txt", b"Two.")), ("json", (None, '{"models": {"language": {}}}'))]
    archive = shared.artifacts(shared.post(JOBS, files=files).json()["job_id"])
    found = [dict(from_csv(archive.read(name))[0])["Text"] for name in archive.namelist()]
    assert archive.namelist() == [f"file-{i}-a.txt/csv/a.txt/language.csv" for i in range(2)]
    assert found == ["One.", "Two."]


def test_cut_out_faces(shared: Hume) -> None:
    models = {"face": {"save_faces": True, "fps_pred": 2}}
    job_id = shared.upload({"film.mkv": film(1.0, Fraction(10))}, models=models)
    (source,) = shared.predictions(job_id)
    archive = shared.artifacts(job_id)
    crops = [name for name in archive.namelist() if name.startswith("file-0-film.mkv/faces/film.mkv/")]
    found = rows(source["results"]["predictions"][0], "face")
    assert len(crops) == len(found) > 0
    for name in crops:
        with av.open(io.BytesIO(archive.read(name))) as picture:
            frame = next(picture.decode(video=0))
        assert any(
            math.isclose(frame.width, r["box"]["w"], abs_tol=3) and math.isclose(frame.height, r["box"]["h"], abs_tol=3)
            for r in found
        )
    none = shared.artifacts(shared.upload({"film.mkv": film(0.5)}, models={"face": {}}))
    assert not any("/faces/" in name for name in none.namelist())


def test_new_names_are_in_both(sandbox_with: SandboxWith) -> None:
    sandbox, hume = sandbox_with()
    sandbox.set_faults([{"new_names": True}])
    job_id = hume.upload({"talk.wav": TALK}, models=EVERYTHING)
    (source,) = hume.predictions(job_id)
    archive = hume.artifacts(job_id)
    assert "Zest" in header_of(archive.read("file-0-talk.wav/csv/talk.wav/prosody.csv"))
    prediction = source["results"]["predictions"][0]
    prediction["models"].pop("gaze")
    check_agreement(archive, "file-0-talk.wav/csv/talk.wav/", prediction)
