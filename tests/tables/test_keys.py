"""Keys stand before the rows they belong to, and no two recordings share an id."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from v0_payloads import JobMaker, api_json

from humeanalytics.recordings import url_id
from humeanalytics.tables.batch import Answer, Source, flatten_predictions
from humeanalytics.tables.keys import saved_recording_id, with_keys
from humeanalytics.tables.schema import schema_of

MD5 = "900150983cd24fb0d6963f7d28e17f72"


def answer(source: Source, file: str, copy: int = 0) -> Answer:
    return Answer(source, file, None, copy, "face", 0, 1, "")


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_every_row_has_the_keys_of_its_answer(seed: int) -> None:
    flat = flatten_predictions(json.dumps(api_json(JobMaker(random.Random(seed)).job())).encode())
    recordings = [f"recording {i}" for i in range(len(flat.answers))]
    scorings = [f"scoring {i}" for i in range(len(flat.answers))]
    tables = with_keys(flat, recordings, scorings, "load")
    for i, each in enumerate(flat.answers):
        rows = tables[each.model].slice(each.first_row, each.rows)
        assert set(rows["recording_id"].to_pylist()) <= {f"recording {i}"}
        assert set(rows["scoring_id"].to_pylist()) <= {f"scoring {i}"}
        assert rows.drop_columns(["recording_id", "scoring_id", "load_id"]).equals(
            flat.tables[each.model].slice(each.first_row, each.rows)
        )
    for model, table in tables.items():
        assert table.schema.equals(schema_of(model), check_metadata=False)
        assert table["load_id"].null_count == 0


def test_a_load_that_is_not_known_yet_is_null_and_ids_must_match_answers() -> None:
    flat = flatten_predictions(json.dumps(api_json(JobMaker(random.Random(5)).job())).encode())
    ids = ["x"] * len(flat.answers)
    assert all(table["load_id"].null_count == len(table) for table in with_keys(flat, ids, ids, None).values())
    with pytest.raises(ValueError, match="answers, but"):
        with_keys(flat, ids[1:], ids, None)


@pytest.mark.parametrize(
    ("source", "file", "expected"),
    [
        (Source(0, "file", filename="a.wav", md5sum=MD5), "a.wav", f"md5:{MD5}"),
        (Source(4, "file", filename="a.wav", md5sum=MD5.upper()), "a.wav", f"md5:{MD5}"),
        (Source(0, "file", md5sum=MD5), "file", f"md5:{MD5}"),
        (Source(0, "url", url="https://x.com/a%20b.mp4?id=5"), "a b.mp4", url_id("https://x.com/a%20b.mp4?id=5")),
        (Source(0, "url", url="https://x.com/a.mp4"), "a.mp4", url_id("https://x.com/a.mp4?Signature=1")),
        # members of archives, and what may be one
        (Source(0, "file", filename="a.zip", md5sum=MD5), "a.zip", "name:1f3a/a.zip"),
        (Source(0, "file", filename="a.zip", md5sum=MD5), "x/a.wav", "name:1f3a/x/a.wav"),
        (Source(0, "file", filename="a", content_type="application/zip", md5sum=MD5), "a", "name:1f3a/a"),
        (Source(0, "file", filename="a.bin", md5sum=MD5), "a.wav", "name:1f3a/a.wav"),
        (Source(0, "file", md5sum=MD5), "a.wav", "name:1f3a/a.wav"),
        (Source(0, "file", filename="a.wav"), "a.wav", "name:1f3a/a.wav"),
        (Source(0, "url", url="https://x.com/a.tar.gz"), "a.tar.gz", "name:1f3a/a.tar.gz"),
        (Source(0, "url", url="https://x.com/latest"), "1.jpg", "name:1f3a/1.jpg"),
        (Source(0, "url", url="https://[broken/a.mp4"), "a.mp4", "name:1f3a/a.mp4"),
        (Source(0, "registry_file", file_id="9f0c"), "9f0c", "name:1f3a/9f0c"),
        (Source(0, "text"), "7", "name:1f3a/7"),
        (Source(2, "text"), "7", "name:1f3a/~2.0/7"),
        (Source(0, "text"), "~2.0/7", "name:1f3a/~0.0/~2.0/7"),
    ],
)
def test_a_recording_is_named_by_what_is_certain(source: Source, file: str, expected: str) -> None:
    assert saved_recording_id(answer(source, file), "1f3a") == expected


def test_a_signed_url_is_the_same_recording_whoever_signed_it_and_no_signature_is_kept() -> None:
    def read(url: str) -> Answer:
        results = {"predictions": [{"file": "a b.mp4", "models": {"face": {"grouped_predictions": []}}}]}
        return flatten_predictions(json.dumps([{"source": {"type": "url", "url": url}, "results": results}]).encode()).answers[0]

    url = "https://x.s3.amazonaws.com/a%20b.mp4?id=5"
    signed = read(f"{url}&X-Amz-Credential=AKIA123&X-Amz-Signature=f00d")
    assert "AKIA123" not in repr(signed)
    assert "f00d" not in repr(signed)
    assert saved_recording_id(signed, "j") == saved_recording_id(read(url), "k") == url_id(url)
    assert saved_recording_id(read(url.replace("5", "6")), "j") != url_id(url)


def test_nothing_merges_two_different_things() -> None:
    sources = [
        *(Source(i, "text") for i in range(3)),
        *(Source(i, "file", filename=name, md5sum=None) for i in range(3) for name in ("a.wav", "b.zip")),
        *(
            Source(i, "file", filename=name, md5sum=f"{i}{j}" * 16)
            for i in range(3)
            for j, name in enumerate(("a.wav", "b.zip", "file"))
        ),
    ]
    files = ["1", "2", "a.wav", "b.zip", "x/a.wav", "~1.0/a.wav", "~0.1/1", "0/1", "file"]
    seen: dict[str, tuple[str, int, str, int]] = {}
    for job in ("j", "j/0", "j%2F0", "j/~1.0"):
        for source in sources:
            for file in files:
                for copy in (0, 1):
                    # One source of a payload is one thing: only sources of the same kind can stand at one place.
                    what = (job, source.index, file, copy)
                    found = saved_recording_id(answer(source, file, copy), job)
                    if found.startswith("md5:"):
                        assert (source.filename, copy) == (file, 0)
                        assert found == f"md5:{source.md5sum}"
                    else:
                        assert seen.setdefault(found, what) == what
