"""The CSV artifacts of a job give the tables that its JSON gives."""

from __future__ import annotations

import csv
import io
import json
import random
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from v0_forms import COLUMNS, artifacts_of, csv_text
from v0_payloads import JobMaker, actual_answers, api_json, row_json

from humeanalytics.errors import HumeAnalyticsError, NotHumeData, UnreadableResponse
from humeanalytics.tables.archives import Limits
from humeanalytics.tables.artifacts import CsvFile, flatten_artifacts, flatten_csvs
from humeanalytics.tables.batch import Flattened, flatten_predictions
from humeanalytics.tables.schema import schema_of

Rows = list[tuple[int, str, str, Counter[Any]]]


def rows_of(flat: Flattened) -> Rows:
    """Return the rows of each answer, without what no CSV tells; an empty text is the same there as none."""
    found: Rows = []
    for answer, (file, model, rows) in zip(flat.answers, actual_answers(flat), strict=True):
        kept: Counter[Any] = Counter()
        for row, count in rows:
            without = [cell for cell in row if cell[0] not in ("detected_language", "language_confidence") and cell[1] != "''"]
            kept[tuple(sorted((name.partition(":")[2] or name, value) for name, value in without))] += count
        found.append((answer.source.index, file, model, kept))
    return sorted(found, key=lambda each: each[:3])


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_json_and_artifacts_give_the_same_rows_and_fingerprints(seed: int) -> None:
    rng = random.Random(seed)
    job = JobMaker(rng, odd=rng.choice([0, 0.1]), models=tuple(COLUMNS)).job()
    answers = [answer for source in job for file in source.files for answer in file.models.values()]
    assume(answers)
    for answer in answers:
        seen: dict[str, set[str]] = {}
        for row in (row for _, rows in answer.groups for row in rows):
            row.fields.clear()
            for key, scores in row.lists.items():
                for name, _ in scores or ():
                    seen.setdefault(name, set()).add(key)
        assume(all(len(keys) == 1 for keys in seen.values()))  # no CSV tells a new name of one list from that of another
    payload = api_json(job)
    by_json = flatten_predictions(json.dumps(payload).encode())
    by_csv = flatten_artifacts(io.BytesIO(artifacts_of(payload, rng)))
    assert rows_of(by_csv) == rows_of(by_json)
    prints = [
        sorted((a.source.index, a.file, a.model, a.rows, a.fingerprint) for a in flat.answers) for flat in (by_csv, by_json)
    ]
    assert prints[0] == prints[1]
    assert by_csv.dialect == "artifacts"
    for model, table in by_csv.tables.items():
        declared = schema_of(model).names[3:]
        assert table.column_names[: len(declared)] == declared


def zipped(members: dict[str, bytes]) -> io.BytesIO:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in members.items():
            archive.writestr(path, data)
    return io.BytesIO(out.getvalue())


FACE = b"Id,Frame,Time,Probability,FaceX0,FaceY0,FaceWidth,FaceHeight,Joy,AU26 Jaw Drop,Hand over Mouth,Jaw drop\n"
PLACE = "file-3-Angry.zip/csv/Angry/7.jpg/face.csv"


def flatten_one(data: bytes, path: str = PLACE) -> Flattened:
    return flatten_csvs([CsvFile(path, lambda: io.BytesIO(data))], name="artifacts")


def test_a_path_tells_source_and_file() -> None:
    flat = flatten_artifacts(zipped({f"download/{PLACE}": FACE, "registry_file-0-9f0c/csv/9f0c/prosody.csv": b"Id,Joy\n"}))
    told = [(a.source.type, a.source.index, a.source.filename, a.file, a.model, a.rows) for a in flat.answers]
    assert told == [
        ("registry_file", 0, "9f0c", "9f0c", "prosody", 0),
        ("file", 3, "Angry.zip", "Angry/7.jpg", "face", 0),
    ]


def test_sources_that_share_a_number_stay_apart() -> None:
    paths = ["url-0-x/csv/1/face.csv", "text-0-text/csv/1/language.csv", "file-1-a/csv/a/face.csv"]
    for order in (paths, paths[::-1]):
        flat = flatten_artifacts(zipped(dict.fromkeys(order, b"Id,Joy\n")))
        assert [(a.source.type, a.source.index) for a in flat.answers] == [("file", 0), ("text", 1), ("url", 2)]


def test_a_csv_alone_is_of_a_source_unknown() -> None:
    flat = flatten_one(b"Id,Joy\nunknown,0.5\n", "talk.wav/prosody.csv")
    assert [(a.source.type, a.file, a.model, a.rows) for a in flat.answers] == [("unknown", "talk.wav", "prosody", 1)]
    assert flatten_one(b"Id,Joy\nunknown,0.5\n", "prosody.csv").answers[0].file == "prosody"


def test_kinds_come_from_names_and_names_that_are_alike_stay_apart() -> None:
    table = flatten_one(FACE + b"unknown,3,0.1,0.25,-1.5,2,3,4,0.5,0.125,,1\n").tables["face"]
    row = table.to_pylist()[0]
    assert (row["frame"], row["time_s"], row["prob"], row["box_x"], row["joy"]) == (3, 0.1, 0.25, -1.5, 0.5)
    assert (row["facs_au26_jaw_drop"], row["facs_hand_over_mouth"], row["desc_jaw_drop"]) == (0.125, None, 1.0)


def test_a_bom_and_the_former_name_of_desire_are_known() -> None:
    table = flatten_one(b"\xef\xbb\xbfId,Sexual Desire\nunknown,0.5\n").tables["face"]
    assert table["desire"].to_pylist() == [0.5]


def test_a_column_twice_holds_with_the_first_and_is_counted() -> None:
    flat = flatten_one(b"Id,Joy,Joy\nunknown,0.5,0.25\n")
    assert (flat.tables["face"]["joy"].to_pylist(), flat.names_doubled) == ([0.5], 1)


def test_new_columns_are_scores_if_they_are_numbers_else_fields() -> None:
    table = flatten_one(b"Id,Zest,Mood,Empty,Text\nu,0.5,good,,hello\nv,,1,,\n").tables["face"]
    new = {f.name: (f.metadata, table[f.name].to_pylist()) for f in table.schema if b"hume_name" not in (f.metadata or {})}
    assert new["mood"] == ({b"hume_field": b"Mood"}, ["good", "1"])
    assert new["text"] == ({b"hume_field": b"text"}, ["hello", None])
    assert table.schema.field("zest").metadata == {b"hume_name": b"Zest", b"hume_kind": b"expression"}
    assert table["zest"].to_pylist() == [0.5, None]
    assert "empty" not in table.column_names


def test_a_new_model_has_a_table_of_its_own() -> None:
    table = flatten_one(b"Id,Time,Joy\ng,1.5,0.5\n", "url-0-x/csv/x/gaze.csv").tables["model_gaze"]
    assert table.to_pylist() == [{"file": "x", "group_id": "g", "joy": 0.5, "time": "1.5"}]


def test_text_of_any_kind_comes_through() -> None:
    texts = ['he said "hi", twice', "line\nbreak\r\nagain", "日本語 😀", " blank ", "null", "NA", "007", "\u2028"]
    out = io.StringIO()
    csv.writer(out).writerows([["Id", "Text", "BeginTime"], *(["u", text, i] for i, text in enumerate(texts))])
    data = out.getvalue().encode()
    assert flatten_one(data, "file-0-a/csv/a/prosody.csv").tables["prosody"]["text"].to_pylist() == texts
    for most in (2, 3, 50):  # whatever arrives at a time
        rng = random.Random(most)
        file = CsvFile("file-0-a/csv/a/prosody.csv", lambda rng=rng, most=most: io.BufferedReader(Trickle(data, rng, most), 1))
        assert flatten_csvs([file]).tables["prosody"]["text"].to_pylist() == texts


class Trickle(io.RawIOBase):
    """A file that gives a few bytes at a time."""

    def __init__(self, data: bytes, rng: random.Random, most: int) -> None:
        self._file, self._rng, self._most = io.BytesIO(data), rng, most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        drop = self._file.read(min(len(buffer), self._rng.randrange(1, self._most)))
        buffer[: len(drop)] = drop
        return len(drop)


@pytest.mark.parametrize(
    ("data", "error", "reason"),
    [
        (b"", NotHumeData, "this is an empty file"),
        (b"a,b,c\n1,2,3\n", NotHumeData, "this is a CSV with the columns a, b, c, not a CSV of artifacts"),
        (b"Id\nx\n", NotHumeData, "this is text that is no such CSV"),
        (b"HUME_API_KEY=abcdef\n", NotHumeData, "this is text that is no such CSV"),
        (b"\x89PNG\r\n", NotHumeData, "this is a PNG image"),
        (b"Id,Time,time\n", UnreadableResponse, "two of its columns have one name"),
        (FACE + b"u,3,0.1\n", UnreadableResponse, "the CSV is broken in row 1: Expected 12 columns, got 3"),
        (FACE + b"u,3,0.1,x,,,,,,,,\n", UnreadableResponse, "in row 1 in the column Probability"),
        (FACE + b"u,3,0.1,,,,,,joy,,,\n", UnreadableResponse, "in row 1 in the column Joy"),
        (FACE + b"u,3,0.1,,,,,,nan,,,\n", UnreadableResponse, "not all values of Joy are numbers"),
        (FACE + b"u,3,inf,,,,,,,,,\n", UnreadableResponse, "not all values of Time are numbers"),
        (FACE + b"u,3,0.1,1e39,,,,,,,,\n", UnreadableResponse, "not all values of Probability are numbers"),
        (FACE + b"u,3.5,0.1,,,,,,,,,\n", UnreadableResponse, "not all values of Frame are whole"),
        (FACE + b"\xff,3,0.1,,,,,,,,,\n", UnreadableResponse, "invalid UTF8"),
        (FACE + b"u,3,0.1,,,,,,,,,,\n", UnreadableResponse, "the CSV is broken in row 1: Expected 12 columns, got 13"),
        (
            FACE + b"u,3,0.1,,,,,,,,,\n" * 2 + b"u,3\n",
            UnreadableResponse,
            "the CSV is broken in row 3: Expected 12 columns, got 2",
        ),
        (FACE + b"u,3,0.1,,,,,,,,,\n<html>\n", UnreadableResponse, "the CSV is broken in row 2: Expected 12 columns, got 1"),
        (FACE + b'"u,3,0.1,,,,,,,,,\n' * 2, UnreadableResponse, "the CSV is broken in line 3: a quote within a cell"),
        (
            FACE + b'u,3,0.1,,,,,,,,,\nu"v,3,0.1,,,,,,,,,\n',
            UnreadableResponse,
            "the CSV is broken in line 3: a quote within a cell",
        ),
        (FACE + b'"u"v",3,0.1,,,,,,,,,\n', UnreadableResponse, "the CSV is broken in line 2: a quote within a cell"),
        (FACE + b'u,3,0.1,,,,,,"0.5,,,\nu,3,0.1,,,,,,0.5,,,\n', UnreadableResponse, "the CSV is broken"),
        (FACE + b'u,"3"x,0.1,,,,,,,,,\n', UnreadableResponse, "the CSV is broken in line 2: a quote within a cell"),
        (FACE + b"u,3,0.1,,,,,,0;5,,,\n", UnreadableResponse, "in row 1 in the column Joy"),
        (b"Id,ID,Time\n", UnreadableResponse, "two of its columns have one name"),
        (b"ID;Frame;Time\n", NotHumeData, "this is text that is no such CSV"),
        (b"%PDF-1.7\n", NotHumeData, "this is text that is no such CSV"),
        (b'{"message": "x", "Id": 3}\n', NotHumeData, "this is text that is no such CSV"),
        (FACE + b"u,3,0.1,,,,,,,,,0.5", UnreadableResponse, "its last line has no end"),
    ],
)
def test_a_broken_csv_is_told(data: bytes, error: type[HumeAnalyticsError], reason: str) -> None:
    with pytest.raises(error) as caught:
        flatten_one(data)
    assert reason in str(caught.value)
    assert str(caught.value).startswith(f"artifacts: {PLACE}: ")
    assert type(caught.value) is error


def test_truncation_at_any_byte_is_told() -> None:
    whole = FACE + b'"u",3,0.1,0.25,-1.5,2,3,4,0.5,0.125,,1\nv,4,0.2,,,,,,,,,0.75\n'
    for cut in range(len(FACE), len(whole)):
        if whole[:cut].endswith(b"\n"):
            continue  # a whole row less is a shorter answer as far as anybody can tell; in a ZIP its checksum tells
        with pytest.raises(UnreadableResponse):
            flatten_one(whole[:cut])


def test_a_zip_cut_off_or_changed_is_told() -> None:
    whole = zipped({PLACE: FACE + b"u,3,0.1,,,,,,0.5,,,\n" * 100}).getvalue()
    for cut in range(1, len(whole), 7):
        with pytest.raises((UnreadableResponse, NotHumeData)):
            flatten_artifacts(io.BytesIO(whole[:cut]))
    for at in range(40, 140, 3):
        changed = bytearray(whole)
        changed[at] ^= 0x55
        with pytest.raises(UnreadableResponse):
            flatten_artifacts(io.BytesIO(bytes(changed)))


@pytest.mark.parametrize(
    ("data", "looks"),
    [
        (b"", "an empty file"),
        (b"<html>", "an HTML page"),
        (b'{"message": "x"}', "text"),
        (zipped({"a.txt": b"x"}).getvalue(), "no artifacts"),
    ],
)
def test_what_is_no_artifacts_archive_is_told(data: bytes, looks: str) -> None:
    with pytest.raises(NotHumeData, match=looks):
        flatten_artifacts(io.BytesIO(data))


@pytest.mark.parametrize("path", ["../x/csv/a/face.csv", "/etc/file-0-a/csv/a/face.csv", "a\\..\\..\\x", "C:/x"])
def test_paths_that_lead_out_are_refused(path: str) -> None:
    with pytest.raises(UnreadableResponse, match="leads out of it"):
        flatten_artifacts(zipped({PLACE: FACE, path: FACE}))


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(members=1), "2 files are in it, more than the limit of 1"),
        (Limits(member_bytes=1000), "more than the limit of 1000"),
        (Limits(total_bytes=100_000), "more than the limit of 100000"),
        (Limits(free_bytes=1000), "no honest archive"),
    ],
)
def test_limits_hold_and_can_be_raised(limits: Limits, reason: str) -> None:
    archive = zipped({PLACE: FACE + b"u,3,0.1,,,,,,0.5,,,\n" * 10_000, "x/file-0-a/csv/a/face.csv": FACE})
    with pytest.raises(UnreadableResponse, match=reason):
        flatten_artifacts(archive, limits=limits)
    assert len(flatten_artifacts(archive).tables["face"]) == 10_000


def test_a_member_that_lies_about_its_size_is_not_read_beyond_it() -> None:
    honest = zipped({PLACE: FACE + b"u,3,0.1,,,,,,0.5,,,\n" * 1000}).getvalue()
    size = len(FACE + b"u,3,0.1,,,,,,0.5,,,\n" * 1000).to_bytes(4, "little")
    assert honest.count(size) == 2
    with pytest.raises(UnreadableResponse):
        flatten_artifacts(io.BytesIO(honest.replace(size, (500).to_bytes(4, "little"))))


def test_a_member_that_claims_gigabytes_is_refused_unread() -> None:
    honest = zipped({PLACE: FACE, "b.json": b"[]"}).getvalue()
    for claimed in (0xFFFFFFFE, 1 << 31):
        data = bytearray(honest)
        at = data.index(b"PK\x01\x02") + 24  # its size, unpacked, in the directory
        data[at : at + 4] = claimed.to_bytes(4, "little")
        with pytest.raises(UnreadableResponse, match=f"has {claimed} bytes, more than the limit|no honest archive"):
            flatten_artifacts(io.BytesIO(bytes(data)))
    with pytest.raises(UnreadableResponse, match="no honest archive"):
        flatten_artifacts(io.BytesIO(bytes(data)), limits=Limits(member_bytes=1 << 40))


def test_members_that_share_their_bytes_are_refused() -> None:
    inside = FACE + b"u,3,0.1,,,,,,0.5,,,\n" * 2000
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(PLACE, inside)
        [first] = archive.filelist
        for i in range(500):  # each a name more in the directory, and no byte more of data
            again = zipfile.ZipInfo(f"file-{i}-a/csv/a/face.csv")
            for field in ("compress_type", "CRC", "compress_size", "file_size", "header_offset", "flag_bits"):
                setattr(again, field, getattr(first, field))
            archive.filelist.append(again)
    with pytest.raises(UnreadableResponse, match="no honest archive"):
        flatten_artifacts(io.BytesIO(out.getvalue()), limits=Limits(free_bytes=1 << 20))


def test_an_encrypted_archive_is_told() -> None:
    data = bytearray(zipped({PLACE: FACE}).getvalue())
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + at] |= 1
    with pytest.raises(UnreadableResponse, match=r"password|encrypted"):
        flatten_artifacts(io.BytesIO(bytes(data)))


@pytest.mark.parametrize("damage", [zlib.crc32, len])
def test_mutated_csvs_never_crash_otherwise(damage: Callable[[bytes], int]) -> None:
    rng = random.Random(damage(b"seed"))
    groups = [{"id": f"face_{i}", "predictions": [row_json(JobMaker(rng).row("face", {"facs"}))]} for i in range(3)]
    whole = csv_text("face", groups, rng).encode()
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(data))
            data[at : at + rng.choice([0, 1, 9])] = rng.choice([b"", b'"', b",", b"\n", b"\xff", b"nan", b"\x00", b"1e9", b"Id"])
        try:
            flatten_one(bytes(data))
        except HumeAnalyticsError:
            continue


def test_of_a_column_that_stands_twice_the_first_holds_even_if_it_is_empty() -> None:
    flat = flatten_one(b"Id,Desire,Sexual Desire,Joy,Joy\nunknown,,0.5,,0.25\nv,,0.5,,0.25\n")
    assert (flat.tables["face"]["joy"].to_pylist(), flat.tables["face"]["desire"].to_pylist()) == ([None, None], [None, None])
    assert flat.names_doubled == 4
