"""Many saved answers, read by one process, several, or somebody else's; in one load or many: the tables are the same."""

from __future__ import annotations

import gzip
import json
import multiprocessing
import random
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from made_jobs import SHOWN, Made, contents, counted, made_job, rows_of, written, zipped_files
from saved_jobs import SavedJob

import humeanalytics as ha
from humeanalytics.jobs import ingesting
from humeanalytics.settings import load_settings


def many_jobs() -> list[SavedJob]:
    rng = random.Random(7)
    jobs = []
    for number in range(20):
        files = [Made(f"{number}-{i}.wav", 10 * number + i, rows=rng.randrange(4)) for i in range(rng.randrange(3))]
        shared = [Made("interview.wav", 1000 + number % 3)] if number % 5 == 0 else []
        texts = [rng.choice(["No.", "Yes.", f"It rained on day {number % 11}."]) for _ in range(rng.randrange(3))]
        job_id = str(uuid.UUID(int=number, version=4))
        jobs.append(made_job(*files, *shared, texts=texts if files or shared or texts else ["Nothing."], job_id=job_id))
    return jobs


JOBS = many_jobs()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a few forms of each of the jobs, some of them packed, and some junk."""
    rng = random.Random(8)
    files: dict[str, bytes] = {}
    for number, job in enumerate(JOBS):
        forms = {
            f"HumeAI_predictions_{job.job_id}.json": job.platform(),
            f"{number}/predictions.json": job.predictions,
            f"{number}/artifacts.zip": job.artifacts,
            f"{number}/hook.json": job.webhook(),
            f"{number}/pretty.json.gz": gzip.compress(json.dumps(job.payload, indent=1).encode(), mtime=0),
            f"{number}.zip": zipped_files({"p.json": job.predictions, "z/artifacts.zip": job.artifacts}),
        }
        # A job of texts is told from others that said the same by its id alone: that stands in these two.
        chosen = rng.sample(sorted(forms), rng.randrange(1, 5))
        if not job.rows()["prosody"]:
            chosen = [name for name in forms if job.job_id in name or "hook" in name]
        files |= {name: forms[name] for name in chosen}
        if number % 10 == 0:
            files[f"{number}/notes.txt"] = b"Notes."
            files[f"{number}/cut.json"] = job.predictions[:-9]
    return written(tmp_path_factory.mktemp("saved") / "in", files)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little is worth a process, a task, a load."""
    monkeypatch.setattr(ingesting, "_WORTH_A_PROCESS_BYTES", 0)
    monkeypatch.setattr(ingesting, "_TASK_INPUTS", 7)
    monkeypatch.setattr(ingesting, "_LOAD_INPUTS", 30)


@pytest.fixture(scope="module")
def expected(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """What one process makes of the folder, all at once."""
    with ha.open_lake(tmp_path_factory.mktemp("lake") / "lake") as lake:
        summary = ha.ingest(folder, lake, settings=load_settings(workers=1))
        assert (summary.exit_code, summary.files["failed"]) == (3, 4)
        assert lake.sql("SELECT count(*) AS n FROM loads WHERE row_counts_json LIKE '%prosody%'").rows() == [{"n": 1}]
        return contents(lake)


def test_what_is_loaded_is_what_was_saved(folder: Path, expected: dict[str, list[dict[str, Any]]]) -> None:
    shared = {made for number in range(0, 20, 5) for made in [1000 + number % 3]}
    rows = rows_of(*JOBS)
    twice = 4 - len(shared)  # jobs of a recording that another job is of too
    assert len(expected["prosody"]) == len(expected["prosody_labelled"]) == rows["prosody"] - 3 * twice
    assert len(expected["burst"]) == rows["burst"] - 3 * twice
    assert len(expected["language"]) == rows["language"]


def test_several_processes_and_loads_make_no_difference(
    folder: Path, expected: dict[str, list[dict[str, Any]]], tmp_path: Path, small: None
) -> None:
    with ha.open_lake(tmp_path / "lake") as lake:
        summary = ha.ingest(folder, lake, settings=load_settings(workers=2))
        assert contents(lake) == expected
        loads = lake.sql("SELECT count(*) AS n FROM loads WHERE row_counts_json LIKE '%scorings%'").rows()[0]["n"]
        assert loads == -(-summary.files["found"] // 30)
        assert lake.loads.pending() == []
        again = ha.ingest(folder, lake, settings=load_settings(workers=1), rehash=True)
        assert (again.files["loaded"], again.rows) == (0, {})
        assert contents(lake) == expected
        before = contents(lake, but=("uri",))
        ha.rebuild(lake)
        assert contents(lake, but=("uri",)) == before
        assert contents(lake) == expected


def threads() -> Executor:
    return ThreadPoolExecutor(2)


def processes() -> Executor:
    return ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))


@pytest.mark.parametrize("make", [threads, processes])
def test_an_executor_of_the_callers(
    make: Callable[[], Executor], folder: Path, expected: dict[str, list[dict[str, Any]]], tmp_path: Path, small: None
) -> None:
    with ha.open_lake(tmp_path / "lake") as lake, make() as executor:
        ha.ingest(folder, lake, executor=executor)
        assert contents(lake) == expected
        assert executor.submit(abs, -1).result() == 1  # it is the caller's still


def test_pieces_make_no_difference(folder: Path, expected: dict[str, list[dict[str, Any]]], tmp_path: Path, small: None) -> None:
    with ha.open_lake(tmp_path / "lake") as lake:
        ha.ingest(folder, lake, settings=load_settings(workers=1, rows_held=1))
        assert contents(lake) == expected


def test_without_raw_the_tables_are_the_same_and_a_rebuild_leaves_them(
    folder: Path, expected: dict[str, list[dict[str, Any]]], tmp_path: Path, small: None
) -> None:
    with ha.open_lake(tmp_path / "lake") as lake:
        ha.ingest(folder, lake, raw=False, settings=load_settings(workers=1))
        assert list(lake.raw.list("batch")) == []
        found = contents(lake)
        # Of artifacts raw/ has only the CSVs, of JSON what is left when secrets are blanked: their ids are of other bytes.
        same = [table for table in SHOWN if table not in ("responses", "scoring_sources", "scorings")]
        assert {table: found[table] for table in same} == {table: expected[table] for table in same}
        ha.rebuild(lake)
        assert contents(lake) == found
        assert lake.sql("SELECT count(*) AS n FROM prosody_all").rows()[0]["n"] == len(found["prosody"])


@pytest.fixture
def halves(folder: Path) -> Iterator[tuple[list[Path], list[Path]]]:
    """The files of the folder in two halves, by chance."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    random.Random(9).shuffle(paths)
    yield paths[::2], paths[1::2]


@pytest.mark.parametrize("raw_first", [True, False])
def test_a_rebuild_knows_what_it_left(
    raw_first: bool, halves: tuple[list[Path], list[Path]], tmp_path: Path, small: None
) -> None:
    """Some forms of a job are in loads that stay, others are read again: still each answer once, under the same ids."""
    with ha.open_lake(tmp_path / "lake") as lake:
        for half, raw in zip(halves, (raw_first, not raw_first), strict=True):
            ha.ingest(half, lake, raw=raw, settings=load_settings(workers=1))
        before = contents(lake)
        for _ in range(2):
            ha.rebuild(lake)
            assert contents(lake) == before


def test_what_cannot_be_read_any_more_stays_in_the_tables(tmp_path: Path) -> None:
    job, other = made_job(Made("a.wav", 1), Made("b.wav", 2)), made_job(Made("c.wav", 3))
    written(tmp_path / "in", {"p.json": job.predictions, "other.json": other.predictions})
    with ha.open_lake(tmp_path / "lake") as lake:
        ha.ingest(tmp_path / "in", lake)
        ha.ingest(written(tmp_path / "more", {"z.zip": job.artifacts}), lake)
        before = contents(lake)
        [broken] = [lake.raw.file(row["response_id"]) for row in lake.sql("FROM responses WHERE uri LIKE '%/p.json'").rows()]
        kept = broken.read_bytes()
        broken.write_bytes(kept[:50])
        for _ in range(2):
            summary = ha.rebuild(lake)
            assert (summary.exit_code, summary.files["failed"], summary.files["read"]) == (3, 1, summary.files["found"] - 1)
            assert contents(lake) == before
        broken.write_bytes(kept)
        assert ha.rebuild(lake).exit_code == 0
        assert contents(lake) == before


def test_counts_are_of_files_whatever_is_in_them(tmp_path: Path) -> None:
    job, other = made_job(Made("a.wav", 1)), made_job(Made("b.wav", 2))
    files = {
        "two.zip": zipped_files({"p.json": job.predictions, "q.json": other.predictions}),
        "copy.json": job.predictions,
        "p.txt": b"Notes.",
    }
    written(tmp_path / "in", files)
    with ha.open_lake(tmp_path / "lake") as lake:
        summary = ha.ingest(tmp_path / "in", lake)
        assert summary.files == {"found": 3, "known": 0, "loaded": 2, "failed": 1}
        assert summary.kinds == {"api predictions": 3}
        assert +summary.answers == {"found": 6, "met_before": 2}
        assert summary.sources == {"1": 2, "2": 2}
        assert ha.ingest(tmp_path / "in", lake, rehash=True).files == {"found": 3, "known": 2, "failed": 1}
        assert counted(lake) == rows_of(job, other)


def test_a_recording_that_was_sent_twice_in_one_job_is_one(tmp_path: Path) -> None:
    """Its rows are there once, whichever name is met first; each name is an item."""
    job = made_job(Made("a.wav", 1), Made("a.wav", 1), Made("other name.wav", 1), Made("b.wav", 2))
    once = rows_of(made_job(Made("a.wav", 1), Made("b.wav", 2)))
    written(tmp_path / "in", {"p.json": job.predictions, "copy.json": job.predictions, "hook.json": job.webhook()})
    with ha.open_lake(tmp_path / "lake") as lake:
        for rehash in (False, True):
            ha.ingest(tmp_path / "in", lake, rehash=rehash)
            assert counted(lake, suffix="_all") == counted(lake) == once
            assert [row["sources"] for row in lake.sql("SELECT DISTINCT sources FROM scorings").rows()] == [3]
            items = [row["name"] for row in lake.sql("SELECT name FROM items WHERE excluded_reason IS NULL ORDER BY name").rows()]
            assert items == ["a.wav", "b.wav", "other name.wav"]
