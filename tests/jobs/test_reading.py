"""`flatten` and `flatten_batches`: whatever was saved, wherever it comes from, as the same tables; each answer once."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pyarrow as pa
import pytest
from hypothesis import strategies as st
from made_jobs import NAMES, Made, made_job, rows_of, written, zipped_files

import humeanalytics as ha
from humeanalytics.errors import DiskFull, NotHumeData, UnreadableResponse, UsageError
from humeanalytics.tables.schema import schema_of

JOB = made_job(Made("a.wav", 1), Made("b.wav", 2), Made("c.mp4", 3, rows=40), texts=["No.", "Yes."], models=("face", "prosody"))
OTHER = made_job(Made("d.wav", 4))
Row = tuple[tuple[str, str], ...]
Rows = dict[str, Counter[Row]]


def zstd(data: bytes) -> bytes:
    return pa.Codec("zstd").compress(data, asbytes=True)


def told(table: pa.Table | pa.RecordBatch) -> list[Row]:
    """What the rows say, apart from columns they have nothing in: a table may have them, a batch not."""
    return [tuple((k, repr(v)) for k, v in row.items() if v is not None) for row in table.to_pylist()]


def as_rows(tables: dict[str, pa.Table]) -> Rows:
    return {model: Counter(told(table)) for model, table in tables.items() if table.num_rows}


def of_batches(batches: Iterator[tuple[str, pa.RecordBatch]]) -> Rows:
    rows: Rows = {}
    for model, batch in batches:
        rows.setdefault(model, Counter()).update(told(batch))
    return {model: each for model, each in rows.items() if each}


def counts(tables: dict[str, pa.Table]) -> Counter[str]:
    return Counter({model: table.num_rows for model, table in tables.items() if table.num_rows})


def without_ids(rows: Rows) -> Rows:
    """Rows without ids, and without what no CSV tells."""
    left = ("recording_id", "scoring_id", "detected_language", "language_confidence")
    shorter: Rows = {}
    for model, counted in rows.items():
        shorter[model] = Counter()
        for row, n in counted.items():
            shorter[model][tuple(pair for pair in row if pair[0] not in left)] += n
    return shorter


# --------------------------------------------------------------------------------------------------------------- sources
def test_every_way_to_name_a_file_gives_the_same(tmp_path: Path) -> None:
    path = written(tmp_path, {"p.json": JOB.predictions}) / "p.json"
    expected = as_rows(ha.flatten(JOB.predictions))
    assert Counter({model: sum(rows.values()) for model, rows in expected.items()}) == rows_of(JOB)
    for source in (path, str(path), os.path.relpath(path), tmp_path):
        assert as_rows(ha.flatten(source)) == expected
        assert of_batches(ha.flatten_batches(source)) == expected
    with path.open("rb") as file:
        assert as_rows(ha.flatten(file)) == expected
        assert of_batches(ha.flatten_batches(file)) == expected  # read from its beginning each time
    assert as_rows(ha.flatten(io.BytesIO(JOB.predictions))) == expected


@pytest.mark.parametrize(
    "pack", [gzip.compress, zstd, lambda data: zipped_files({"a/p.json": data}), lambda d: gzip.compress(zstd(d))]
)
def test_what_is_packed_is_the_same(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    expected = as_rows(ha.flatten(JOB.predictions))
    packed = pack(JOB.predictions)
    path = written(tmp_path, {"packed": packed}) / "packed"
    for source in (packed, path, io.BytesIO(packed)):
        assert as_rows(ha.flatten(source)) == expected
        assert of_batches(ha.flatten_batches(source, rows=1)) == expected


def test_artifacts_in_every_form_are_the_rows_of_the_json(tmp_path: Path) -> None:
    expected = without_ids(as_rows(ha.flatten(JOB.predictions)))
    JOB.extract(tmp_path / "extracted")
    written(tmp_path, {"z.zip": JOB.artifacts})
    for source in (JOB.artifacts, tmp_path / "z.zip", tmp_path / "extracted", io.BytesIO(JOB.artifacts)):
        assert without_ids(as_rows(ha.flatten(source))) == expected
        assert without_ids(of_batches(ha.flatten_batches(source, rows=2))) == expected
    csv = min((tmp_path / "extracted").rglob("face.csv"))
    [(model, table)] = ha.flatten(csv).items()
    assert (model, table.num_rows, set(table["file"].to_pylist())) == ("face", 3, {"a.wav"})


def test_tables_are_those_of_the_data_dictionary() -> None:
    for model, table in ha.flatten(JOB.predictions).items():
        assert table.schema.names[:3] == ["recording_id", "scoring_id", "load_id"]
        assert table.schema.equals(schema_of(model))
        assert table["load_id"].null_count == len(table)
    for model, batch in ha.flatten_batches(JOB.predictions):
        assert batch.schema.equals(schema_of(model))


# ------------------------------------------------------------------------------------------------------------- each once
def test_forms_of_one_job_come_once_wherever_they_are(tmp_path: Path) -> None:
    forms = {
        "p.json": JOB.predictions,
        "z.zip": JOB.artifacts,
        "platform.json": JOB.platform(),
        "hook.json": JOB.webhook(),
        "other.json": OTHER.predictions,
        "copy.json.gz": gzip.compress(JOB.predictions),
    }
    folder = written(tmp_path / "in", forms)
    JOB.extract(folder / "extracted")
    expected = rows_of(JOB, OTHER)
    names = list(forms)
    for seed in range(3):
        random.Random(seed).shuffle(names)
        archive = zipped_files({name: forms[name] for name in names})
        for source in (archive, folder):
            assert counts(ha.flatten(source)) == expected
            assert Counter({m: sum(n.values()) for m, n in of_batches(ha.flatten_batches(source, rows=3)).items()}) == expected
    both = zipped_files({"p.json": JOB.predictions, **{f"artifacts/{n}": d for n, d in unzipped(JOB.artifacts).items()}})
    assert counts(ha.flatten(both)) == rows_of(JOB)


def unzipped(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_recording_that_is_in_a_job_twice_comes_once() -> None:
    job = made_job(Made("a.wav", 1), Made("a.wav", 1), Made("copy of a.wav", 1))
    assert counts(ha.flatten(job.predictions)) == rows_of(made_job(Made("a.wav", 1)))
    assert of_batches(ha.flatten_batches(job.predictions, rows=1)) == as_rows(ha.flatten(job.predictions))


def test_ids_are_those_of_an_ingest(tmp_path: Path) -> None:
    other = made_job(texts=["Maybe.", "No."])
    late = json.dumps({"predictions": made_job(texts=["A.", "B."]).payload, "status": "COMPLETED", "job_id": "1f3a"}).encode()
    folder = written(
        tmp_path / "in",
        {"p.json": JOB.predictions, f"HumeAI_predictions_{other.job_id}.json": other.platform(), "hook.json": late},
    )
    lake = ha.open_lake(tmp_path / "lake")
    ha.ingest(folder, lake)
    for model, table in ha.flatten(folder).items():
        query = f"SELECT recording_id, scoring_id, count(*) AS n FROM {model} GROUP BY ALL ORDER BY ALL"
        flat = Counter(zip(table["recording_id"].to_pylist(), table["scoring_id"].to_pylist(), strict=True))
        found = {(row["recording_id"], row["scoring_id"]): row["n"] for row in lake.sql(query).rows()}
        assert found == flat
    assert {f"name:{other.job_id}/1", "name:1f3a/1"} <= set(ha.flatten(folder)["language"]["recording_id"].to_pylist())


# ------------------------------------------------------------------------------------------------------------ in batches
@hypothesis.given(
    st.lists(st.builds(Made, st.sampled_from(["a.wav", "b.wav"]), st.integers(0, 5), st.integers(0, 5)), max_size=4),
    st.lists(st.sampled_from(["No.", "Yes."]), max_size=3),
    st.integers(1, 20),
    st.sampled_from(["predictions", "artifacts", "platform", "webhook", "late", "two hooks", "lines", "zip"]),
)
@hypothesis.settings(max_examples=60)
def test_batches_are_the_tables_bit_by_bit(files: list[Made], texts: list[str], rows: int, form: str) -> None:
    hypothesis.assume(files or texts)
    job = made_job(*files, texts=texts)
    hook: Any = {"job_id": job.job_id, "status": "COMPLETED", "predictions": job.payload}
    data = {
        "predictions": lambda: job.predictions,
        "artifacts": lambda: job.artifacts,
        "platform": job.platform,
        "webhook": job.webhook,
        "late": lambda: json.dumps(dict(reversed(hook.items()))).encode(),
        "two hooks": lambda: json.dumps([hook, hook | {"job_id": "another"}]).encode(),
        "lines": lambda: b"\n".join(json.dumps(each).encode() for each in (hook, hook | {"job_id": "another"})),
        "zip": lambda: zipped_files({"p.json": job.predictions, "z.zip": job.artifacts}),
    }[form]()
    try:
        expected = as_rows(ha.flatten(data))
    except NotHumeData:
        hypothesis.assume(False)
    assert of_batches(ha.flatten_batches(data, rows=rows)) == expected


def test_batches_are_small_and_rows_of_one_recording_follow_each_other() -> None:
    batches = list(ha.flatten_batches(JOB.predictions, rows=5))
    assert max(len(batch) for _, batch in batches) <= 80  # the rows of one file are never apart
    faces = [each for model, batch in batches if model == "face" for each in batch["recording_id"].to_pylist()]
    assert faces == sorted(faces, key=faces.index)
    assert len([1 for model, _ in batches if model == "face"]) > 1


def test_the_setting_says_how_many_rows_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = len(list(ha.flatten_batches(JOB.predictions)))
    monkeypatch.setenv("HUMEANALYTICS_ROWS_HELD", "1")
    assert len(list(ha.flatten_batches(JOB.predictions))) > whole


def test_a_new_name_is_a_column_where_it_occurs() -> None:
    payload = JOB.payload
    prosody = payload[1]["results"]["predictions"][0]["models"]["prosody"]
    prosody["grouped_predictions"][0]["predictions"][0]["emotions"].append({"name": "Zest", "score": 0.5})
    data = json.dumps(payload).encode()
    assert ha.flatten(data)["prosody"]["zest"].to_pylist().count(0.5) == 1
    batches = [batch for model, batch in ha.flatten_batches(data, rows=1) if model == "prosody"]
    assert {"zest" in batch.schema.names for batch in batches} == {True, False}
    assert of_batches(ha.flatten_batches(data, rows=1)) == as_rows(ha.flatten(data))


# ---------------------------------------------------------------------------------------------------------------- errors
@pytest.mark.parametrize("call", [ha.flatten, lambda source: list(ha.flatten_batches(source, rows=1))])
def test_what_is_wrong_is_told(tmp_path: Path, call: Callable[[Any], Any]) -> None:
    (tmp_path / "empty").mkdir()
    wrong: list[tuple[Any, type[Exception], str]] = [
        (JOB.predictions[:-50], UnreadableResponse, "ends early"),
        (b"", NotHumeData, "an empty file"),
        (b"participant,age\n007,33\n", NotHumeData, "a CSV with the columns participant, age"),
        (zipped_files({}), NotHumeData, "nothing in it"),
        (zipped_files({"a.txt": b"Notes."}), NotHumeData, r"a\.txt"),
        (tmp_path / "nowhere.json", UsageError, "nowhere.json"),
        (tmp_path / "empty", NotHumeData, "nothing in it"),
        (zipped_files({"p.json": JOB.predictions, "q.json": OTHER.predictions[:-9]}), UnreadableResponse, r"q\.json"),
    ]
    for source, error, reason in wrong:
        with pytest.raises(error, match=reason):
            call(source)


def test_somebody_elses_files_beside_the_answers_are_left_alone(tmp_path: Path) -> None:
    folder = written(
        tmp_path, {"p.json": JOB.predictions, "notes.txt": b"Notes.", "other.json": b'{"a": 1}', "a.png": b"\x89PNG\r\n\x1a\n"}
    )
    assert counts(ha.flatten(folder)) == rows_of(JOB)
    assert of_batches(ha.flatten_batches(folder)) == as_rows(ha.flatten(folder))


def test_a_folder_that_cannot_be_unpacked_for_want_of_room_is_no_broken_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    JOB.extract(tmp_path / "extracted")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfileobj", full)
    with pytest.raises(DiskFull):
        ha.flatten(tmp_path / "extracted")


def test_names_stay_as_they_are() -> None:
    assert {name.lower() for name in NAMES} <= set(ha.flatten(JOB.predictions)["prosody"].schema.names)
