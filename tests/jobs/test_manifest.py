"""A manifest read from all the forms people save it in, and its rows found again."""

from __future__ import annotations

import csv
import io
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from humeanalytics.errors import UsageError
from humeanalytics.jobs.manifest import Manifest, parse_label, read_manifest
from humeanalytics.samples import sample, samples_folder


def read(text: str, on: str | None = None, folder: str | None = None) -> Manifest:
    return read_manifest(io.StringIO(text), on=on, folder=folder)


def error(text: str, on: str | None = None) -> str:
    with pytest.raises(UsageError) as caught:
        read(text, on)
    return str(caught.value)


# ------------------------------------------------------------------------------------------------------------- reading
def test_labels_are_kept_as_text() -> None:
    (row,) = read("file,participant,score,answer,space\na.wav,007,1.50,NA,  two words  \n").rows
    assert row.labels == {"participant": "007", "score": "1.50", "answer": "NA", "space": "two words"}
    assert (row.line, row.file, row.recorded_at, row.excluded_reason) == (2, "a.wav", None, None)


def test_an_empty_cell_is_an_empty_text() -> None:
    assert read("file,condition\na.wav,\n").rows[0].labels == {"condition": ""}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_forms_that_spreadsheets_save(tmp_path: Path, encoding: str, separator: str, line_end: str) -> None:
    lines = [["File Name", "Größe", "note"], ["p1/ä.wav", "1,5; or\tso", "two\nlines"], ["b.wav", "", "x"]]
    text = io.StringIO()
    csv.writer(text, delimiter=separator, lineterminator=line_end, quoting=csv.QUOTE_ALL).writerows(lines)
    (tmp_path / "m.csv").write_bytes(text.getvalue().encode(encoding))
    manifest = read_manifest(tmp_path / "m.csv")
    assert (manifest.file_column, manifest.keys) == ("File Name", ("Größe", "note"))
    assert [row.file for row in manifest.rows] == ["p1/ä.wav", "b.wav"]
    assert manifest.rows[0].labels == {"Größe": "1,5; or\tso", "note": "two\nlines"}


def test_the_separator_that_excel_announces_and_lines_without_content() -> None:
    manifest = read("sep=;\nfile;group\n\na.wav;1\n;\nb.wav;2;;\n")
    assert [(row.line, row.file, row.labels["group"]) for row in manifest.rows] == [(4, "a.wav", "1"), (6, "b.wav", "2")]


def test_line_numbers_count_lines_inside_quotation_marks() -> None:
    assert [row.line for row in read('file,note\na.wav,"one\ntwo\nthree"\nb.wav,x\n').rows] == [2, 5]


def test_the_likeliest_column_names_the_file_and_the_rest_are_labels() -> None:
    manifest = read("name,file,url\nAna,a.wav,https://x.com/1\n")
    assert manifest.file_column == "file"
    assert manifest.rows[0].labels == {"name": "Ana", "url": "https://x.com/1"}
    assert read("name,Clip\nAna,a.wav\n", on="clip").rows[0].file == "a.wav"


def test_recorded_at_and_excluded_reason_are_no_labels() -> None:
    text = "file,Recorded_At,excluded_reason,x\na.wav,2026-10-01T14:03:22+02:00,,1\n"
    text += "b.wav,2026-10-01 14:03,consent withdrawn,2\nc.wav,,,3\n"
    first, second, third = read(text).rows
    assert first.recorded_at == datetime(2026, 10, 1, 12, 3, 22, tzinfo=UTC)
    assert second.recorded_at == datetime(2026, 10, 1, 14, 3, tzinfo=UTC)
    assert third.recorded_at is None
    assert [row.excluded_reason for row in (first, second, third)] == [None, "consent withdrawn", None]
    assert first.labels == {"x": "1"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("participant,age\n1,2\n", "line 1: no column that names the file (one of file, filename"),
        ("file,x\na.wav,1,2\n", "line 2: '2' stands in no column"),
        ("file,x,y\na.wav,1,2\nb.wav,1\n", "line 3: 2 cells where the header has 3"),
        ("file,\na.wav,stray\n", "line 2: 'stray' stands in no column"),
        ("file,x\n,1\n", "line 2: column 'file' is empty"),
        ("file,x,X\na.wav,1,2\n", "two columns are called 'x' and 'X'"),
        ("file,recorded_at\na.wav,01/10/2026\n", "line 2: recorded_at '01/10/2026' is not a time"),
        ("file,recorded_at\na.wav,0001-01-01T00:00+14:00\n", "line 2: recorded_at"),
        ("file,excluded\na.wav,yes\n", "Call it excluded_reason"),
        ("file,x\na.wav,1\n./a.wav,2\n", "lines 2 and 3: both are about './a.wav'"),
        ('file,x\na.wav,1\nb.wav,"open\nand on\n', "not a table as CSV has it: line 3: unexpected end"),
    ],
)
def test_what_is_wrong_and_where(text: str, expected: str) -> None:
    assert expected in error(text)


def test_a_column_that_is_not_there() -> None:
    message = error("file,x\na.wav,1\n", on="clip")
    assert "line 1: no column 'clip'. There are: file, x." in message and "--on" in message


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"m\.csv cannot be read: No such file"):
        read_manifest(tmp_path / "m.csv")
    (tmp_path / "m.csv").write_bytes(b"PK\x03\x04xl/workbook.xml")
    with pytest.raises(UsageError, match="looks like a spreadsheet"):
        read_manifest(tmp_path / "m.csv")
    (tmp_path / "m.csv").write_bytes("file,x\na.wav,1\nb.wav,é\n".encode("latin-1"))
    with pytest.raises(UsageError, match=r"m\.csv, line 3: not UTF-8"):
        read_manifest(tmp_path / "m.csv")


def test_the_same_file_named_twice_in_two_ways(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text(f"file,x\na.wav,1\n{tmp_path}/a.wav,2\n")
    with pytest.raises(UsageError, match="lines 2 and 3"):
        read_manifest(tmp_path / "m.csv")


# ------------------------------------------------------------------------------------------------------------ matching
def line_of(manifest: Manifest, uri: str, name: str | None = None) -> int | None:
    row = manifest.match(uri, uri.rpartition("/")[2] if name is None else name)
    return None if row is None else row.line


def test_the_samples_match_their_manifest() -> None:
    manifest = read_manifest(sample("manifest.csv"))
    for path in (samples_folder() / "recordings").iterdir():
        row = manifest.match(str(path), path.name)
        assert row is not None and row.labels["participant"] == path.name[:3]
    assert manifest.unmatched() == []


def test_by_whole_path_relative_path_and_end_of_path() -> None:
    manifest = read("file\n/data/p1/a.wav\np2/a.wav\nb.wav\n../p3/c.wav\n", folder="/study/labels")
    assert line_of(manifest, "/data/p1/a.wav") == 2
    assert line_of(manifest, "/study/labels/p2/a.wav") == 3
    assert line_of(read("file\np2/a.wav\n", folder="/study"), "/elsewhere/p2/a.wav") == 2
    assert line_of(manifest, "/elsewhere/b.wav") == 4
    assert line_of(manifest, "/study/p3/c.wav") == 5
    assert line_of(manifest, "/elsewhere/xb.wav") is None
    assert manifest.unmatched() == []


def test_the_longest_end_of_a_path_wins() -> None:
    manifest = read("file\na.wav\np1/a.wav\nx/p1/a.wav\n")
    assert line_of(manifest, "/data/x/p1/a.wav") == 4
    assert line_of(manifest, "/data/y/p1/a.wav") == 3
    assert line_of(manifest, "/data/p2/a.wav") == 2


def test_a_folder_that_differs_is_another_recording() -> None:
    manifest = read("file\nsite_a/001.wav\nsite_a/002.wav\n", folder="/data")
    assert line_of(manifest, "/data/site_b/001.wav") is None
    assert len(manifest.unmatched()) == 2


def test_a_path_of_another_machine_matches_by_name_only_where_names_tell_files_apart() -> None:
    manifest = read("file\nC:\\Users\\ana\\rec\\001.wav\nC:\\Users\\ana\\rec\\002.wav\n")
    assert line_of(manifest, "/data/recordings/002.wav") == 3
    manifest = read("file\nC:\\p1\\interview.wav\nC:\\p2\\interview.wav\n")
    assert line_of(manifest, "/data/p3/interview.wav") is None
    assert line_of(read("file\nC:\\p1\\a.wav\n"), "C:\\p1\\a.wav", "a.wav") == 2


def test_an_item_without_folders_matches_by_name_or_is_ambiguous() -> None:
    manifest = read("file\np1/a.wav\np2/a.wav\np2/b.wav\n")
    assert line_of(manifest, "https://host/b.wav") == 4
    with pytest.raises(UsageError, match=r"https://host/a\.wav may be line 2 \(p1/a\.wav\), line 3 \(p2/a\.wav\)"):
        line_of(manifest, "https://host/a.wav?X-Amz-Signature=1", "a.wav")


def test_one_row_for_two_items_is_an_error_that_names_them() -> None:
    manifest = read("file\na.wav\n")
    assert line_of(manifest, "/x/a.wav") == 2
    assert line_of(manifest, "/x/a.wav") == 2
    with pytest.raises(UsageError, match=r"line 2: 'a\.wav' fits both /x/a\.wav and /y/a\.wav\. Write more of the path"):
        line_of(manifest, "/y/a.wav")


def test_match_all_does_not_depend_on_the_order() -> None:
    items = [("/data/Old/a.wav", "a.wav"), ("/data/a.wav", "a.wav"), ("/data/b.wav", "b.wav")]
    for order in (items, items[::-1]):
        manifest = read("file\na.wav\n", folder="/data")
        assert {uri: row.line for uri, row in manifest.match_all(order).items()} == {"/data/a.wav": 2}
    with pytest.raises(UsageError, match="fits both"):
        read("file\na.wav\n", folder="/elsewhere").match_all(items)


def test_urls_match_without_their_signature() -> None:
    manifest = read(
        "url,x\nhttps://x.com/a.mp4?id=5&X-Amz-Signature=abc,1\nhttps://x.com/a.mp4?id=6,2\nhttps://x.com/p/c.mp4,3\n"
    )
    assert line_of(manifest, "https://x.com/a.mp4?id=5&X-Amz-Signature=other", "a.mp4") == 2
    assert line_of(manifest, "https://x.com/a.mp4?id=6") == 3
    assert line_of(manifest, "https://x.com/a.mp4?id=7") is None, "a query that differs names another recording"
    assert line_of(manifest, "/downloads/c.mp4") == 4
    assert line_of(read("file\nfile:///data/a%20b.wav\n"), "/data/a b.wav") == 2


def test_names_written_decomposed_or_with_odd_characters() -> None:
    manifest = read("file\ncafe\u0301 #1?.wav\n100%.wav\n")
    assert line_of(manifest, "/data/caf\u00e9 #1?.wav", "caf\u00e9 #1?.wav") == 2
    assert line_of(manifest, "/data/100%.wav") == 3


def test_rows_of_a_table_of_texts() -> None:
    manifest = read("file\nnotes.csv#2\n", folder="/data")
    assert line_of(manifest, "/data/notes.csv#2") == 2
    assert line_of(manifest, "/data/notes.csv#1") is None


def test_no_secret_stands_in_an_error() -> None:
    manifest = read("url\nhttps://u:pw@x.com/p1/a.wav?X-Amz-Signature=hidden\nhttps://x.com/p2/a.wav\n")
    with pytest.raises(UsageError) as caught:
        line_of(manifest, "a.wav")
    assert "hidden" not in str(caught.value) and "pw" not in str(caught.value)


def test_a_hundred_thousand_rows(tmp_path: Path) -> None:
    paths = [f"/data/p{i % 500}/{i:06}.wav" for i in range(100_000)]
    (tmp_path / "m.csv").write_text("file,participant\n" + "".join(f"{path[6:]},{i % 500}\n" for i, path in enumerate(paths)))
    started = time.process_time()
    manifest = read_manifest(tmp_path / "m.csv")
    rows = manifest.match_all((path, path.rpartition("/")[2]) for path in paths)
    assert time.process_time() - started < 15, "about 2 s; were each row compared with each item it would be hours"
    assert len(rows) == 100_000 and manifest.unmatched() == []
    assert rows[paths[12_345]].labels == {"participant": str(12_345 % 500)}


part = st.text(st.characters(codec="utf-8", exclude_characters="/\\\x00\n\r~:"), min_size=1, max_size=6).filter(
    lambda text: text.strip() == text and text not in (".", "..") and not text.startswith("\ufeff")
)
paths = st.lists(st.lists(part, min_size=1, max_size=3).map("/".join), min_size=1, max_size=8, unique=True)


@given(paths, st.sampled_from([",", ";", "\t"]), st.randoms())
def test_whatever_is_written_is_found_again_by_its_whole_path(names: list[str], separator: str, random: object) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator)
    writer.writerow(["file", "number"])
    writer.writerows([name, str(at)] for at, name in enumerate(names))
    try:
        manifest = read(text.getvalue(), folder="/data")
    except UsageError as error:  # two spellings of one file
        assert "both are about" in str(error)
        return
    found = manifest.match_all((f"/data/{name}", name.rpartition("/")[2]) for name in names)
    assert {uri: row.labels["number"] for uri, row in found.items()} == {
        f"/data/{name}": str(at) for at, name in enumerate(names)
    }
    assert manifest.unmatched() == []


@given(st.text(max_size=200))
def test_no_text_crashes_the_reader(text: str) -> None:
    try:
        manifest = read("file,x\n" + text)
    except UsageError:
        return
    assert all(row.file for row in manifest.rows)


# -------------------------------------------------------------------------------------------------------------- labels
def test_labels_on_the_command_line() -> None:
    assert parse_label("participant=007") == ("participant", "007")
    assert parse_label(" note = a=b ") == ("note", "a=b")
    assert parse_label("condition=") == ("condition", "")
    for wrong in ("participant", "=007", ""):
        with pytest.raises(UsageError, match="key=value"):
            parse_label(wrong)
