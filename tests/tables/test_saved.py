"""What a saved file is shows in its content, however it is packed and whatever it is called."""

from __future__ import annotations

import gzip
import io
import json
import random
import zipfile
from typing import Any

import pyarrow as pa
import pytest
from test_artifacts import FACE, PLACE, zipped
from test_dialects import EXPRESSIONS, HEADERS
from v0_payloads import FORMS, JobMaker, JobSource

from humeanalytics.errors import HumeAnalyticsError, NotHumeData, UnreadableResponse
from humeanalytics.tables.archives import Limits
from humeanalytics.tables.batch import flatten_predictions
from humeanalytics.tables.detect import Kind, detect
from humeanalytics.tables.saved import SavedPart, saved_parts


def job() -> list[JobSource]:
    rng = random.Random(1)
    while True:
        made = JobMaker(rng, models=("face", "prosody")).job()
        if any(source.described["type"] == "file" for source in made) and len(json.dumps(FORMS["api"](made))) > 5000:
            return made


PREDICTIONS = json.dumps(FORMS["api"](job())).encode()
ARTIFACTS = zipped({PLACE: FACE + b"u,3,0.1,,,,,,0.5,,,\n"}).getvalue()
JOB = b'{"job_id": "1", "request": {"models": {"face": {}}}, "state": {"status": "COMPLETED"}}'


def gz(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)  # the same bytes in every process that collects these tests


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as packed:
        packed.write(data)
    return sink.getvalue().to_pybytes()


def parts_of(data: bytes, limits: Limits | None = None) -> list[SavedPart]:
    return list(saved_parts(io.BytesIO(data), name="x", limits=limits))


@pytest.mark.parametrize(
    ("data", "kind", "about"),
    [
        (ARTIFACTS, Kind.ARTIFACTS, "a ZIP archive with 1 CSVs of artifacts"),
        (FACE, Kind.ARTIFACT_CSV, "a CSV of artifacts with 12 columns"),
        *((b"\xef\xbb\xbf" + header.encode() + b"\r\n", Kind.ARTIFACT_CSV, "a CSV of artifacts") for header in HEADERS.values()),
        (b"Id," + EXPRESSIONS.encode() + b"\n", Kind.ARTIFACT_CSV, "a CSV of artifacts with 49 columns"),
        (JOB, Kind.JOB, "the details of a v0 job"),
        (b"[" + JOB + b"," + JOB + b"]", Kind.JOB, "the details of a v0 job"),
        (b'{"face": {"predictions": [{"bbox": {}}]}}', Kind.STREAMING, "streaming"),
        (b'{"face": {"predictions": [{"emotions": []}]}}\n' * 3, Kind.STREAMING, "streaming"),
        (b'[{"burst": {"warning": "No vocal bursts detected.", "code": "W0101"}}]', Kind.STREAMING, "streaming"),
        (b'{"a": 1}', Kind.OTHER, "a JSON object with the keys a"),
        (b'[{"source": {"type', Kind.JSON, "JSON that is broken"),
        (PREDICTIONS[:-30], Kind.PREDICTIONS, "predictions of a v0 batch job (api)"),
        (gz(b"x"), Kind.GZIP, "gzip data"),
        (zstd(b"x"), Kind.ZSTD, "zstd data"),
        (zipped({"a.txt": b"x"}).getvalue(), Kind.ZIP, "a ZIP archive of 1 files, none of them artifacts"),
        (b"PK\x03\x04broken", Kind.ZIP, "a ZIP archive that is broken"),
        (b"id,participant,age\n1,2,3\n", Kind.OTHER, "a CSV with the columns id, participant, age"),
        (b"Id,Text,Time\n1,no,3\n", Kind.OTHER, "a CSV with the columns Id, Text, Time"),
        (b"id,participant,joy,anger,BeginTime\n1,2,3,4,5\n", Kind.OTHER, "a CSV with the columns id, participant, joy, anger"),
        (HEADERS["face"].replace(",", ";").encode(), Kind.OTHER, "text that is no JSON"),
        (HEADERS["face"].replace(",", "\t").encode(), Kind.OTHER, "text that is no JSON"),
        (HEADERS["face"].encode("utf-16"), Kind.OTHER, "UTF-16 text"),
        (b'{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}', Kind.OTHER, "a JSON object with the keys cells"),
        (b'{"type": "FeatureCollection", "features": []}', Kind.OTHER, "a JSON object with the keys type, features"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj", Kind.OTHER, "a PDF document"),
        (b"<!DOCTYPE html>\n<html lang=en>", Kind.OTHER, "an HTML page"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", Kind.OTHER, "a PNG image"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", Kind.OTHER, "a JPEG image"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100), Kind.OTHER, "binary data"),
        (b"SELECT 1", Kind.OTHER, "text that is no JSON"),
        (b"RIFF....WAVE", Kind.OTHER, "a RIFF file"),
        (b"", Kind.OTHER, "an empty file"),
    ],
)
def test_kinds_show_in_the_content(data: bytes, kind: Kind, about: str) -> None:
    file = io.BytesIO(data)
    found = detect(file)
    assert (found.kind, file.tell()) == (kind, 0)
    assert about in found.about


REQUEST = {"models": {"face": {"fps_pred": 3, "facs": None}, "ner": None}, "urls": ["https://x.com/a"] * 60, "files": []}
STATE = {"status": "COMPLETED", "created_timestamp_ms": 1, "num_predictions": 3, "num_errors": 0}
DETAILS = {"type": "INFERENCE", "job_id": "1", "user_id": "2", "request": REQUEST, "state": STATE}


@pytest.mark.parametrize(
    "payload",
    [
        DETAILS,
        dict(reversed(DETAILS.items())),
        {"jobId": "1", "request": REQUEST, "state": STATE},
        DETAILS | {"status": "COMPLETED", "base_url": "https://api.hume.ai"},
        {"job_id": "1", "status": "COMPLETED", "request": REQUEST, "creation_timestamp": 1, "completed": {"num_predictions": 3}},
        [DETAILS] * 50,
        {"jobs": [DETAILS] * 3, "when": "today"},
        {f"job {i}": {"details": DETAILS} for i in range(3)},
    ],
)
@pytest.mark.parametrize("indent", [None, 2])
def test_details_and_lists_of_jobs_are_known_and_hold_no_scores(payload: Any, indent: int | None) -> None:
    data = json.dumps(payload, indent=indent).encode()
    [part] = parts_of(data)
    assert (part.detected.kind, part.can_be_flattened) == (Kind.JOB, False)
    with pytest.raises(NotHumeData, match="x: this is the details of a v0 job, not the scores of a v0"):
        part.flatten()
    with pytest.raises(NotHumeData, match="this is the details of a v0 job"):
        flatten_predictions(data)


@pytest.mark.parametrize(
    ("form", "dialect"),
    [("api", "api"), ("platform", "platform"), ("sdk", "sdk"), ("camel", "sdk"), ("webhook", "webhook"), ("wrapped", "wrapped")],
)
def test_dialects_show_at_the_beginning(form: str, dialect: str) -> None:
    data = json.dumps(FORMS[form](job())).encode()
    found = detect(io.BytesIO(data))
    assert (found.kind, found.dialect) == (Kind.PREDICTIONS, dialect)
    assert flatten_predictions(data).dialect == dialect


def test_one_source_alone_is_detected() -> None:
    assert detect(io.BytesIO(json.dumps(FORMS["api"](job())[0]).encode())).dialect == "object"


@pytest.mark.parametrize(
    ("data", "members"),
    [
        (PREDICTIONS, [""]),
        (gz(PREDICTIONS), [""]),
        (zstd(PREDICTIONS), [""]),
        (zstd(gz(PREDICTIONS)), [""]),
        (gz(PREDICTIONS[:1000]) + gz(PREDICTIONS[1000:]), [""]),
        (zipped({"b/p.json": PREDICTIONS, "a/q.txt": PREDICTIONS}).getvalue(), ["b/p.json", "a/q.txt"]),
        (zipped({"p.json.gz": gz(PREDICTIONS)}).getvalue(), ["p.json.gz"]),
        (zipped({"in.zip": zipped({"p": PREDICTIONS}).getvalue()}).getvalue(), ["in.zip!p"]),
        (gz(zipped({"p": PREDICTIONS}).getvalue()), ["p"]),
    ],
)
def test_predictions_are_found_however_they_are_packed(data: bytes, members: list[str]) -> None:
    parts = parts_of(data)
    assert [part.member for part in parts] == members
    for part in parts:
        assert part.detected.kind == Kind.PREDICTIONS
        assert part.can_be_flattened
        assert part.flatten() == flatten_predictions(PREDICTIONS)
        with part.open() as stream:
            assert stream.read() == PREDICTIONS


@pytest.mark.parametrize("pack", [bytes, gz, zstd, lambda data: zipped({"inner.zip": data}).getvalue()])
def test_artifacts_are_found_however_they_are_packed(pack: type[bytes]) -> None:
    [part] = parts_of(pack(ARTIFACTS))
    assert part.detected.kind == Kind.ARTIFACTS
    assert [(a.file, a.model, a.rows) for a in part.flatten().answers] == [("Angry/7.jpg", "face", 1)]


def test_a_csv_alone_is_flattened_by_its_path() -> None:
    [part] = saved_parts(io.BytesIO(FACE), name="kept/talk.mp4/face.csv")
    assert [(a.file, a.model) for a in part.flatten().answers] == [("talk.mp4", "face")]
    [part] = parts_of(zipped({"talk.mp4/face.csv": FACE}).getvalue())
    assert [(a.file, a.model) for a in part.flatten().answers] == [("talk.mp4", "face")]


def test_a_csv_that_somebody_called_otherwise_is_known_by_its_columns() -> None:
    for model, header in HEADERS.items():
        line = ",".join("x" if name in ("Id", "Text") else "1" for name in header.split(","))
        [part] = saved_parts(io.BytesIO(f"{header}\n{line}\n".encode()), name=f"kept/p01 {model} (1).csv")
        [answer] = part.flatten().answers
        assert (answer.model, answer.file, answer.rows) == (model, f"p01 {model} (1)", 1)
    [part] = saved_parts(io.BytesIO(b"Id," + EXPRESSIONS.encode() + b"\n"), name="mesh.csv")
    assert [(a.model, a.file) for a in part.flatten().answers] == [("facemesh", "mesh")]


def test_artifacts_with_json_beside_them_are_parts_of_their_own_and_pictures_none() -> None:
    archive = zipped({PLACE: FACE, "file-3-Angry.zip/faces/1.jpg": b"\xff\xd8\xff", "HumeAI_predictions_1.json": PREDICTIONS})
    parts = parts_of(archive.getvalue())
    assert [(part.member, part.detected.kind) for part in parts] == [
        ("", Kind.ARTIFACTS),
        ("HumeAI_predictions_1.json", Kind.PREDICTIONS),
    ]


def test_streaming_dumps_are_flattened() -> None:
    [part] = parts_of(b'{"language": {"predictions": [{"text": "No.", "emotions": [{"name": "Joy", "score": 0.5}]}]}}')
    assert part.can_be_flattened
    assert [(a.model, a.rows) for a in part.flatten().answers] == [("language", 1)]


def test_what_cannot_be_flattened_is_a_part_that_says_what_it_is() -> None:
    parts = parts_of(zipped({"a.txt": b"hello", "job.json": JOB, "p.json": PREDICTIONS}).getvalue())
    assert [part.can_be_flattened for part in parts] == [False, False, True]
    with pytest.raises(NotHumeData, match=r"x \(a.txt\): this is text that is no JSON"):
        parts[0].flatten()
    with pytest.raises(NotHumeData, match=r"x \(job.json\): this is the details of a v0 job"):
        parts[1].flatten()


@pytest.mark.parametrize("pack", [gz, zstd])
def test_packing_that_is_broken_is_told(pack: type[bytes]) -> None:
    whole = pack(PREDICTIONS)
    for cut in range(5, len(whole), max(1, len(whole) // 40)):
        with pytest.raises(HumeAnalyticsError):
            for part in parts_of(whole[:cut]):
                part.flatten()


@pytest.mark.parametrize("pack", [gz, lambda data: zipped({"p.json": data}).getvalue()])
def test_a_changed_byte_is_told_by_the_checksum(pack: type[bytes]) -> None:
    changed = bytearray(pack(PREDICTIONS))
    changed[len(changed) // 2] ^= 0xFF
    with pytest.raises(UnreadableResponse):
        for part in parts_of(bytes(changed)):
            part.flatten()


@pytest.mark.parametrize("pack", [gz, zstd, lambda data: zipped({"p.json": data}).getvalue()])
def test_bombs_are_refused_and_limits_can_be_raised(pack: type[bytes]) -> None:
    bomb = pack(b"[" + b" " * 3_000_000 + PREDICTIONS[1:])
    for limits in (Limits(free_bytes=100_000, ratio=5), Limits(member_bytes=100_000)):
        with pytest.raises(UnreadableResponse, match=r"honest|limit"):
            for part in parts_of(bomb, limits):
                part.flatten()
    [part] = parts_of(bomb)
    assert part.flatten() == flatten_predictions(PREDICTIONS)


def test_a_packed_zip_has_to_fit_into_memory() -> None:
    with pytest.raises(UnreadableResponse, match="Unpack it once"):
        parts_of(gz(ARTIFACTS), Limits(held_bytes=100))


def test_packing_without_end_stops() -> None:
    data = PREDICTIONS
    for _ in range(6):
        data = gz(data)
    [part] = parts_of(data)
    assert part.detected.kind == Kind.GZIP
    assert not part.can_be_flattened


def test_a_password_is_told_and_hides_no_other_member() -> None:
    data = bytearray(zipped({"p.json": PREDICTIONS, "q.json": PREDICTIONS}).getvalue())
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + at] |= 1
    locked, other = parts_of(bytes(data))
    with pytest.raises(UnreadableResponse, match=r"p\.json.*(password|encrypted)"):
        locked.flatten()
    assert other.flatten().answers


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("pack", [bytes, gz, zstd, lambda data: gz(zstd(data))])
def test_archives_changed_anywhere_never_crash_otherwise(method: int, pack: type[bytes]) -> None:
    rng = random.Random(method)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.writestr(PLACE, FACE + b"u,3,0.1,,,,,,0.5,,,\n" * 9)
        archive.writestr("p.json", PREDICTIONS)
        archive.writestr("\u00e4/\u00f6.txt", b"x")
    whole = pack(out.getvalue())
    directory = max(0, whole.find(b"PK\x01\x02"))
    refused = 0
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(rng.choice([0, directory]), len(data))
            data[at : at + rng.choice([0, 1, 4])] = rng.choice([b"\xff", b"\x00", b"\xff" * 4, b"PK\x05\x06", rng.randbytes(1)])
        try:
            for part in parts_of(bytes(data)):
                if part.can_be_flattened:
                    part.flatten()
        except HumeAnalyticsError:
            refused += 1
    assert refused > 50


def test_the_file_stays_open() -> None:
    file = io.BytesIO(ARTIFACTS)
    for part in saved_parts(file, name="x"):
        part.flatten()
    assert not file.closed
    assert zipfile.is_zipfile(file)


CSVS = {
    f"file-{i}-{name}/csv/{name}/{model}.csv": b"Id,Time,Joy\n" + b"u,1,0.5\n" * (i + 1)
    for i, name in enumerate("abc")
    for model in ("face", "gaze")
}


@pytest.mark.parametrize("data", [PREDICTIONS, gz(PREDICTIONS), zipped(CSVS).getvalue(), ARTIFACTS, FACE])
@pytest.mark.parametrize("rows", [1, 2, 4, 1000])
def test_pieces_hold_whole_answers_and_together_all_of_them(data: bytes, rows: int) -> None:
    [part] = parts_of(data)
    whole, pieces = part.flatten(), list(part.pieces(rows))
    assert [a.fingerprint for piece in pieces for a in piece.answers] == [a.fingerprint for a in whole.answers]
    assert [(a.source, a.file, a.copy, a.rows) for piece in pieces for a in piece.answers] == [
        (a.source, a.file, a.copy, a.rows) for a in whole.answers
    ]
    for piece in pieces:
        assert sum(answer.rows for answer in piece.answers) == sum(map(len, piece.tables.values()))
    for piece in pieces[:-1]:
        assert sum(answer.rows for answer in piece.answers) >= rows
    last = pieces[-1]
    assert (last.scores_rounded, last.names_doubled) == (whole.scores_rounded, whole.names_doubled)
    assert list(part.pieces(None)) == [whole]


def test_artifacts_are_cut_between_csvs() -> None:
    [part] = parts_of(zipped(CSVS).getvalue())
    assert [[(a.file, a.model) for a in piece.answers] for piece in part.pieces(4)] == [
        [("a", "face"), ("a", "model_gaze"), ("b", "face")],
        [("b", "model_gaze"), ("c", "face")],
        [("c", "model_gaze")],
    ]
