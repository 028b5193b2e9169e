"""A folder in which everything is wrong that can be: each is told with its place and reason, and everything else is loaded."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_jobs import Made, counted, made_job, rows_of, written, zipped_files

import humeanalytics as ha
from humeanalytics.errors import HumeAnalyticsError
from humeanalytics.lake.lake import Lake
from humeanalytics.settings import load_settings

JOB = made_job(Made("a.wav", 1))
ROW = r"\$\[0\]\.results\.predictions\[0\]\.models\.prosody\.grouped_predictions\[0\]\.predictions\[0\]: "


def with_row(change: Callable[[dict[str, Any]], Any]) -> bytes:
    """The predictions, the first row of prosody changed."""
    payload = JOB.payload
    models = payload[0]["results"]["predictions"][0]["models"]
    change(models["prosody"]["grouped_predictions"][0]["predictions"][0])
    return json.dumps(payload).encode()


def members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def claiming(data: bytes, size_bytes: int) -> bytes:
    """An archive whose last member pretends to be so large."""
    out = bytearray(data)
    entry = out.rindex(b"PK\x01\x02")
    out[entry + 24 : entry + 28] = struct.pack("<I", size_bytes)
    return bytes(out)


def encrypted(data: bytes, name: str) -> bytes:
    """An archive of which one member is said to be encrypted."""
    out = bytearray(data)
    for signature, flags, path in ((b"PK\x03\x04", 6, 30), (b"PK\x01\x02", 8, 46)):
        at = out.find(signature)
        while at >= 0:
            if out[at + path : at + path + len(name)] == name.encode():
                out[at + flags] |= 1
            at = out.find(signature, at + 1)
    return bytes(out)


def with_other_header() -> bytes:
    csvs = members(JOB.artifacts)
    path = next(path for path in csvs if path.endswith("burst.csv"))
    return zipped_files(csvs | {path: csvs[path].replace(b"Id,", b"Number,", 1)})


DEEP = b"[" * 10_000 + b"]" * 10_000
#: File -> its bytes, the kind of its error, and what the message says: where it is, and why.
BAD: dict[str, tuple[bytes, str, str]] = {
    "truncated.json": (JOB.predictions[:1000], "UnreadableResponse", "ends early, after 1000 bytes"),
    "not utf-8.json": (JOB.predictions.replace(b"word", b"w\xffrd", 1), "UnreadableResponse", r"byte \d+ is not UTF-8"),
    "nan.json": (
        with_row(lambda row: row["emotions"][0].update(score=float("nan"))),
        "UnreadableResponse",
        r"malformed at byte \d+",
    ),
    "infinity.json": (with_row(lambda row: row["time"].update(end=float("inf"))), "UnreadableResponse", r"malformed at byte \d+"),
    "text score.json": (
        with_row(lambda row: row["emotions"][0].update(score="0.5")),
        "UnreadableResponse",
        ROW + 'the score of Joy in emotions is "0.5", not a number',
    ),
    "text time.json": (with_row(lambda row: row["time"].update(begin="0.5")), "UnreadableResponse", ROW + 'time.begin is "0.5"'),
    "no list.json": (with_row(lambda row: row.update(emotions={"Joy": 1})), "UnreadableResponse", ROW + "emotions is an object"),
    "deep.json": (DEEP, "UnreadableResponse", r"nested deeper than any answer of Hume's at byte \d+"),
    "deep inside.json": (
        JOB.predictions.replace(b'"file_type"', b'"deep": ' + DEEP + b', "file_type"', 1),
        "UnreadableResponse",
        r"nested deeper than any answer of Hume's at byte \d+",
    ),
    "claims 4 GB.zip": (
        claiming(zipped_files({"p.json": JOB.predictions}), 0xFFFFFFF0),
        "UnreadableResponse",
        r"p\.json in it has 4294967280 bytes, more than the limit of \d+",
    ),
    "bomb.zip": (zipped_files({"p.json": b" " * (70 << 20)}), "UnreadableResponse", r"p\.json unpacks to \d+ bytes from \d+"),
    "bomb.json.gz": (gzip.compress(b"[" + b" " * (70 << 20), 1), "UnreadableResponse", "more than 100 times its size"),
    "path.zip": (zipped_files({"../p.json": JOB.predictions}), "UnreadableResponse", r"'\.\./p\.json' in it leads out of it"),
    "root.zip": (zipped_files({"/etc/p.json": JOB.predictions}), "UnreadableResponse", "'/etc/p.json' in it leads out of it"),
    "cut.zip": (zipped_files({"p.json": JOB.predictions})[:-30], "UnreadableResponse", "the ZIP archive is broken"),
    "cut.json.gz": (gzip.compress(JOB.predictions)[:-20], "UnreadableResponse", "cannot be unpacked: .* ended before"),
    "no.json.gz": (b"\x1f\x8bsomething else", "UnreadableResponse", "cannot be unpacked"),
    "header.zip": (
        with_other_header(),
        "NotHumeData",
        r"header\.zip: file-0-a\.wav/csv/a\.wav/burst\.csv: .* which has a column Id",
    ),
    "invoice.pdf": (b"%PDF-1.7\n%\xe2\xe3", "NotHumeData", "this is a PDF document"),
    "picture.png": (b"\x89PNG\r\n\x1a\n" + bytes(99), "NotHumeData", "this is a PNG image"),
    "page.html": (b"<!DOCTYPE html><html></html>", "NotHumeData", "this is an HTML page"),
    "table.xlsx": (
        zipped_files(
            {"[Content_Types].xml": b"<?xml version='1.0'?>", "xl/workbook.xml": b"<x/>", "xl/a.png": b"\x89PNG\r\n\x1a\n"}
        ),
        "NotHumeData",
        r"3 files in it are no answers of Hume's: \[Content_Types\]\.xml \(XML.*\), .*a PNG image",
    ),
    "other.json": (b'{"answers": [1, 2]}', "NotHumeData", "this is a JSON object with the keys answers"),
    "other.csv": (b"participant,age\n007,33\n", "NotHumeData", "this is a CSV with the columns participant, age"),
    "empty.json": (b"", "NotHumeData", "this is an empty file"),
    "empty.zip": (zipped_files({}), "NotHumeData", "there is nothing in this archive"),
}
GOOD = {
    "p.json": made_job(Made("b.wav", 2)).predictions,
    "z.zip": made_job(Made("c.wav", 3)).artifacts,
    "mac.zip": zipped_files(
        {"day 1/p.json": made_job(Made("d.wav", 4)).predictions, "__MACOSX/day 1/._p.json": bytes(99), ".DS_Store": b"\0Bud1"}
    ),
    "p.json.gz": gzip.compress(made_job(Made("e.wav", 5)).predictions),
}
MIXED = encrypted(
    zipped_files({"secret.json": JOB.predictions, "ok.json": made_job(Made("f.wav", 6)).predictions}), "secret.json"
)
LOADED = rows_of(made_job(*(Made(name, number) for number, name in enumerate("bcdef"))))


def told(lake: Lake) -> dict[str, tuple[str, str]]:
    rows = lake.sql("SELECT uri, error, message, stage, run_id FROM errors").rows()
    assert len({row["uri"] for row in rows}) == len(rows)
    assert {row["stage"] for row in rows} <= {"flatten"}
    return {row["uri"]: (row["error"], row["message"]) for row in rows}


def test_each_is_told_and_all_others_are_loaded(tmp_path: Path) -> None:
    folder = written(tmp_path / "in", {name: data for name, (data, _, _) in BAD.items()} | GOOD | {"mixed.zip": MIXED})
    (folder / "gone.json").symlink_to(tmp_path / "nowhere")
    more = {"gone.json": ("UnreadableResponse", "cannot be read: No such file")}
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe.json")
        more["pipe.json"] = ("UnreadableResponse", "is no plain file")
    (folder / ".hidden.json").write_bytes(b"nothing")
    (folder / "~$table.xlsx").write_bytes(b"nothing")
    lake = ha.open_lake(tmp_path / "lake")
    summary = ha.ingest(folder, lake)
    bad = len(BAD) + len(more) + 1
    assert summary.exit_code == 3
    assert (summary.files["failed"], summary.files["loaded"]) == (bad, len(GOOD)), summary
    found = told(lake)
    expected = {name: (kind, reason) for name, (_, kind, reason) in BAD.items()} | more
    assert found.keys() == {str(folder / name) for name in expected} | {f"{folder}/mixed.zip!/secret.json"}
    for name, (kind, reason) in expected.items():
        error, message = found[str(folder / name)]
        assert error == kind, message
        assert message.startswith(str(folder / name)), message
        assert re.search(reason, message), message
    error, message = found[f"{folder}/mixed.zip!/secret.json"]
    assert (error, "secret.json" in message, "encrypted" in message) == ("UnreadableResponse", True, True)
    assert counted(lake) == counted(lake, suffix="_all") == LOADED  # nothing of what is broken, not even of its good parts
    assert {item["name"] for item in lake.sql("FROM items").rows()} == {f"{name}.wav" for name in "bcdef"}
    assert lake.sql("SELECT count(*) AS n FROM responses").rows() == [{"n": 5}]
    assert len(list(lake.raw.list("batch"))) == 5
    assert not list((tmp_path / "lake" / "raw" / ".incoming").iterdir())

    again = ha.ingest(folder, lake)
    assert again.exit_code == 0
    assert (again.files["failed_before"], again.files["known"], again.files["failed"]) == (bad, len(GOOD), 0)
    retried = ha.ingest(folder, lake, retry_failed=True)
    assert (retried.exit_code, retried.files["failed"], retried.files["known"]) == (3, bad, len(GOOD))
    assert told(lake).keys() == found.keys()
    rehashed = ha.ingest(folder, lake, rehash=True)
    assert (rehashed.exit_code, rehashed.files["failed"], rehashed.files["known"]) == (3, bad, len(GOOD))
    assert told(lake).keys() == found.keys()
    assert counted(lake, suffix="_all") == LOADED
    assert len(list(lake.raw.list("batch"))) == 5


def test_what_was_mended_is_read_again(tmp_path: Path) -> None:
    files = {"cut.json": JOB.predictions[:1000], "changed.json": made_job(Made("b.wav", 2)).predictions, "mixed.zip": MIXED}
    folder, lake = written(tmp_path / "in", files), ha.open_lake(tmp_path / "lake")
    assert ha.ingest(folder, lake).exit_code == 3
    written(folder, {"cut.json": JOB.predictions, "changed.json": made_job(Made("b.wav", 7)).predictions})
    summary = ha.ingest(folder, lake)
    assert (summary.exit_code, summary.files["loaded"], summary.files["failed_before"]) == (0, 2, 1)
    assert counted(lake, suffix="_all") == rows_of(JOB, *(made_job(Made("b.wav", number)) for number in (2, 6, 7)))
    written(folder, {"mixed.zip": zipped_files({"secret.json": made_job(Made("g.wav", 8)).predictions, "notes.txt": b"Notes."})})
    summary = ha.ingest(folder, lake)
    assert (summary.exit_code, summary.files["failed"]) == (3, 1)
    assert "notes.txt" in summary.errors[0]["message"]
    assert lake.sql("SELECT count(*) AS n FROM prosody WHERE file = 'g.wav'").rows() == [{"n": 3}]


def test_settings_raise_the_limits_of_archives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = ha.open_lake(tmp_path / "lake")
    data = zipped_files({"p.json": JOB.predictions, "q.json": GOOD["p.json"]})
    (tmp_path / "p.zip").write_bytes(data)
    largest = max(len(JOB.predictions), len(GOOD["p.json"]))
    lowered = {"archive_member_bytes": largest - 1, "archive_members": 1, "archive_total_bytes": largest + 1}
    for name, limit in lowered.items():
        summary = ha.ingest(tmp_path / "p.zip", lake, settings=load_settings(**{name: limit}), retry_failed=True)
        assert summary.exit_code == 3
        assert str(limit) in summary.errors[0]["message"]
        monkeypatch.setenv(f"HUMEANALYTICS_{name.upper()}", str(limit))
        with pytest.raises(HumeAnalyticsError, match=str(limit)):
            ha.flatten(tmp_path / "p.zip")
        monkeypatch.setenv(f"HUMEANALYTICS_{name.upper()}", str(limit + 1))
    assert not counted(lake)
    monkeypatch.setenv("HUMEANALYTICS_ARCHIVE_TOTAL_BYTES", str(10 * largest))
    assert ha.ingest(tmp_path / "p.zip", lake, retry_failed=True).exit_code == 0
    assert counted(lake) == rows_of(JOB, made_job(Made("b.wav", 2)))


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("rows_held", [1, 100_000])
def test_what_breaks_at_its_end_leaves_nothing_behind(tmp_path: Path, raw: bool, rows_held: int) -> None:
    """Rows of all its beginning were written when the end turned out broken."""
    job = made_job(*(Made(f"{number}.wav", number) for number in range(5)), texts=["No."])
    csvs = members(job.artifacts)
    last = max(csvs)
    files = {
        "p.json": job.predictions[:-30],
        "z.zip": zipped_files(csvs | {last: csvs[last].replace(b"Id", b"No", 1)}),
        "bad last.zip": zipped_files({"good.json": made_job(Made("good.wav", 9)).predictions, "p.json": job.predictions[:-9]}),
    }
    folder, lake = written(tmp_path / "in", files), ha.open_lake(tmp_path / "lake")
    summary = ha.ingest(folder, lake, raw=raw, settings=load_settings(rows_held=rows_held))
    assert summary.files["failed"] == 3
    assert counted(lake, suffix="_all") == rows_of(made_job(Made("good.wav", 9)))
    assert len(list(lake.raw.list("batch"))) == raw
    tables = [
        path for path in (tmp_path / "lake" / "tables").rglob("*.parquet") if path.parent.name in ("prosody", "burst", "language")
    ]
    assert len(tables) == 2
    assert ha.ingest(folder, lake, raw=raw).exit_code == 0


def test_names_that_are_no_text(tmp_path: Path) -> None:
    try:
        folder = written(tmp_path / "in", {os.fsdecode(b"caf\xe9.json"): JOB.predictions, os.fsdecode(b"\xe9.json"): b"{"})
    except OSError:
        pytest.skip("this file system takes no such name")
    JOB.extract(folder / os.fsdecode(b"\xe9tude"))
    lake = ha.open_lake(tmp_path / "lake")
    summary = ha.ingest(tmp_path / "in", lake, recordings=())
    assert (summary.files["loaded"], summary.files["failed"]) == (2, 1), summary
    assert counted(lake) == JOB.rows()
    uris = {row["uri"] for row in lake.sql("FROM responses UNION ALL BY NAME FROM errors").rows()}
    assert uris == {str(folder / name) for name in ("caf\\xe9.json", "\\xe9.json", "\\xe9tude")}
    assert ha.ingest(tmp_path / "in", lake).files == {"found": 3, "known": 2, "failed_before": 1}


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the administrator may read everything")
def test_what_may_not_be_read_is_told(tmp_path: Path) -> None:
    folder = written(tmp_path / "in", {"locked.json": JOB.predictions, "ok.json": GOOD["p.json"], "room/p.json": JOB.predictions})
    (folder / "locked.json").chmod(0)
    (folder / "room").chmod(0)
    lake = ha.open_lake(tmp_path / "lake")
    try:
        summary = ha.ingest(folder, lake)
        assert (summary.exit_code, summary.files["failed"], summary.files["loaded"]) == (3, 2, 1)
        assert {uri: message for uri, (_, message) in told(lake).items()} == {
            str(folder / name): f"{folder / name} cannot be read: Permission denied." for name in ("locked.json", "room")
        }
    finally:
        (folder / "room").chmod(0o700)
        (folder / "locked.json").chmod(0o600)
    summary = ha.ingest(folder, lake, retry_failed=True)  # what may be read by now: no time of change tells
    assert summary.exit_code == 0
    assert counted(lake) == rows_of(JOB, made_job(Made("b.wav", 2)))


def test_a_lake_that_takes_nothing_is_not_the_fault_of_what_was_read(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_bytes(JOB.predictions)
    lake = ha.open_lake(tmp_path / "lake")
    lake.raw.folder.write_bytes(b"a file where a folder should be")
    with pytest.raises(HumeAnalyticsError, match="raw cannot be written to") as caught:
        ha.ingest(tmp_path / "p.json", lake)
    assert caught.value.exit_code == 2
    lake.raw.folder.unlink()
    assert ha.ingest(tmp_path / "p.json", lake).files["loaded"] == 1
    assert counted(lake) == JOB.rows()


def test_the_command_says_so_too(tmp_path: Path) -> None:
    written(tmp_path / "in", {"p.json": JOB.predictions, "other.csv": BAD["other.csv"][0]})
    command = [sys.executable, "-m", "humeanalytics", "ingest", "in", "--lake", "lake", "--quiet"]
    first = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert first.returncode == 3
    assert "this is a CSV with the columns participant, age" in first.stdout
    again = subprocess.run([*command, "--json"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert again.returncode == 0
    assert json.loads(again.stdout)["files"] == {"found": 2, "known": 1, "failed_before": 1}
    assert again.stderr == ""
