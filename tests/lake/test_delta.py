from __future__ import annotations

import json
import multiprocessing
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lake_rows import spoken, table

from humeanalytics.errors import DiskFull, LakeError
from humeanalytics.lake import layout, merging
from humeanalytics.lake.delta import StoredTable
from humeanalytics.lake.parts import Parts
from humeanalytics.lake.versions import DataFile
from humeanalytics.tables.schema import HUME_NAME, schema_of
from humeanalytics.tables.unknown import score_field


@pytest.fixture
def prosody(tmp_path: Path) -> StoredTable:
    return StoredTable(tmp_path / "prosody", schema_of("prosody"))


def rows_of(stored: StoredTable) -> list[dict[str, object]]:
    snapshot = stored.snapshot()
    assert snapshot is not None
    tables = [pq.read_table(file.path, partitioning=None) for file in snapshot.files]
    return pa.concat_tables(tables, promote_options="default").to_pylist()


def with_new(rows: int, **names: float) -> pa.Table:
    """Rows of prosody with scores nobody has heard of: column -> Hume's name is the column's title."""
    made = table("prosody", *(spoken(f"s{i}", "r") for i in range(rows)))
    for name, value in names.items():
        made = made.append_column(score_field("expression", name), pa.array([value] * rows, pa.float32()))
    return made


def test_nothing_is_there_before_the_first_rows(prosody: StoredTable) -> None:
    assert prosody.snapshot() is None
    assert not prosody.holds("a")
    assert prosody.append("a", table("prosody")) == 0
    assert prosody.snapshot() is None


def test_rows_of_a_load_come_in_once(prosody: StoredTable) -> None:
    rows = table("prosody", spoken("s1", "r1"), spoken("s2", "r1"))
    assert prosody.append("a", rows) == 2
    assert prosody.append("a", rows) == 2
    assert StoredTable(prosody.folder, schema_of("prosody")).append("a", rows) == 2
    assert prosody.append("b", rows) == 2
    assert sorted((r["load_id"], r["scoring_id"]) for r in rows_of(prosody)) == [
        ("a", "s1"),
        ("a", "s2"),
        ("b", "s1"),
        ("b", "s2"),
    ]


def test_a_table_has_its_declared_columns_from_the_start(prosody: StoredTable) -> None:
    prosody.append("a", table("prosody", spoken("s1", "r1")).select(["recording_id", "joy"]))
    snapshot = prosody.snapshot()
    assert snapshot is not None
    assert snapshot.schema.names == schema_of("prosody").names
    assert snapshot.schema.field("joy").metadata == {HUME_NAME: b"Joy"}
    assert snapshot.schema.field("joy").type == pa.float32()


def test_files_have_the_layout_that_was_measured(prosody: StoredTable) -> None:
    n = 70_000
    rows = table("prosody", spoken("s1", "r1")).take([0] * n)
    at = rows.schema.get_field_index("joy")
    scores = pa.array(np.random.default_rng(0).random(n), pa.float32())
    prosody.append("a", rows.set_column(at, rows.schema.field("joy"), scores))
    snapshot = prosody.snapshot()
    assert snapshot is not None
    meta = pq.ParquetFile(snapshot.files[0].path).metadata
    assert [meta.row_group(i).num_rows for i in range(meta.num_row_groups)] == [65_536, n - 65_536]
    columns = {meta.row_group(0).column(i).path_in_schema: meta.row_group(0).column(i) for i in range(meta.num_columns)}
    assert columns["joy"].compression == "ZSTD"
    assert "BYTE_STREAM_SPLIT" in columns["joy"].encodings
    assert not columns["joy"].has_dictionary_page
    assert not columns["begin_s"].has_dictionary_page
    assert columns["recording_id"].has_dictionary_page


def test_rows_stay_in_their_order_however_they_come(prosody: StoredTable) -> None:
    n = 150_000
    one = table("prosody", spoken("s1", "r1")).take([0] * n)
    at = one.schema.get_field_index("begin_s")
    rows = one.set_column(at, one.schema.field("begin_s"), pa.array(np.arange(n, dtype="f8")))
    prosody.append("whole", rows)
    prosody.append("chunks", pa.concat_tables([rows.slice(i, 999) for i in range(0, n, 999)]))
    prosody.append("pieces", iter(rows.to_batches(max_chunksize=777)))
    snapshot = prosody.snapshot()
    assert snapshot is not None
    for file in snapshot.files:
        assert pq.read_table(file.path, columns=["begin_s"]).column(0).to_numpy().tolist() == list(range(n))
    assert prosody.compact(many=2)
    snapshot = prosody.snapshot()
    assert snapshot is not None
    (merged,) = [pq.read_table(file.path, columns=["load_id", "begin_s"]).to_pydict() for file in snapshot.files]
    for load_id in ("whole", "chunks", "pieces"):
        begun = [begin for load, begin in zip(merged["load_id"], merged["begin_s"], strict=True) if load == load_id]
        assert begun == list(range(n))


def test_a_large_load_becomes_several_files_of_one_commit(prosody: StoredTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "FILE_BYTES", 1_000_000)
    rng = np.random.default_rng(0)

    def pieces() -> Iterator[pa.Table]:
        one = table("prosody", spoken("s1", "r1")).take([0] * 20_000)
        at = one.schema.get_field_index("joy")
        for _ in range(20):
            yield one.set_column(at, one.schema.field("joy"), pa.array(rng.random(20_000), pa.float32()))

    assert prosody.append("a", pieces()) == 400_000
    snapshot = prosody.snapshot()
    assert snapshot is not None
    assert len(snapshot.files) > 1
    assert sum(file.rows for file in snapshot.files) == 400_000
    assert snapshot.version == 1


def test_rows_that_fail_on_their_way_leave_nothing(prosody: StoredTable) -> None:
    def pieces() -> Iterator[pa.Table]:
        yield table("prosody", spoken("s1", "r1")).take([0] * 70_000)
        raise ConnectionError

    with pytest.raises(ConnectionError):
        prosody.append("a", pieces())
    assert not prosody.holds("a")
    assert list(prosody.folder.rglob("*.parquet")) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_commits_nothing_and_leaves_nothing(prosody: StoredTable, monkeypatch: pytest.MonkeyPatch) -> None:
    prosody.append("before", table("prosody", spoken("s1", "r1")))
    files = set(prosody.folder.rglob("*"))
    real = pq.ParquetWriter
    monkeypatch.setattr(pq, "ParquetWriter", lambda path, *rest, **options: real("/dev/full", *rest, **options))
    with pytest.raises(DiskFull, match="No space left"):
        prosody.append("a", table("prosody", spoken("s1", "r1")).take([0] * 200_000))
    monkeypatch.undo()
    assert set(prosody.folder.rglob("*")) == files
    assert not prosody.holds("a")
    assert prosody.append("a", table("prosody", spoken("s1", "r1"))) == 1


def test_snapshots_say_which_loads_a_file_holds(prosody: StoredTable) -> None:
    prosody.append("b", table("prosody", spoken("s1", "r1")))
    prosody.append("a" * 64, table("prosody", spoken("s1", "r1")))
    snapshot = prosody.snapshot()
    assert snapshot is not None
    assert {(f.load_first, f.load_last, f.rows) for f in snapshot.files} == {("b", "b", 1), ("a" * 64, "a" * 64, 1)}
    assert prosody.compact(many=1)
    compacted = prosody.snapshot()
    assert compacted is not None
    assert [(f.load_first, f.load_last, f.rows) for f in compacted.files] == [("a" * 64, "b", 2)]


def test_an_open_table_sees_what_others_commit(prosody: StoredTable) -> None:
    other = StoredTable(prosody.folder, schema_of("prosody"))
    assert prosody.snapshot() is None
    other.append("a", table("prosody", spoken("s1", "r1")))
    first = prosody.snapshot()
    assert first is not None and len(first.files) == 1
    assert prosody.snapshot() is first
    other.append("b", table("prosody", spoken("s1", "r1")))
    assert prosody.holds("b")
    second = prosody.snapshot()
    assert second is not None and len(second.files) == 2


def test_an_unknown_name_becomes_a_column_and_older_rows_have_none(prosody: StoredTable) -> None:
    prosody.append("a", table("prosody", spoken("s1", "r1")))
    prosody.append("b", with_new(1, Zest=0.25))
    prosody.append("c", table("prosody", spoken("s3", "r1")))
    assert {r["load_id"]: r.get("zest") for r in rows_of(prosody)} == {"a": None, "b": 0.25, "c": None}
    snapshot = prosody.snapshot()
    assert snapshot is not None
    assert snapshot.schema.field("zest").metadata[HUME_NAME] == b"Zest"


def test_pieces_whose_columns_differ_are_one_commit(prosody: StoredTable) -> None:
    pieces = [
        *table("prosody", spoken("s1", "r1")).to_batches(),
        *with_new(2, Zest=0.5).to_batches(),
        *table("prosody").to_batches(),
        *with_new(1, Glee=0.75, Zest=0.25).to_batches(),
        *table("prosody", spoken("s9", "r1")).to_batches(),
    ]
    assert prosody.append("a", iter(pieces)) == 5
    snapshot = prosody.snapshot()
    assert snapshot is not None
    logs = (prosody.folder / "_delta_log").glob("*.json")
    assert sum('"add":' in log.read_text() for log in logs) == 1
    assert [(r["scoring_id"], r["zest"], r["glee"]) for r in rows_of(prosody)] == [
        ("s1", None, None),
        ("s0", 0.5, None),
        ("s1", 0.5, None),
        ("s0", 0.25, 0.75),
        ("s9", None, None),
    ]


def test_more_new_names_than_columns_keep_their_values_in_a_map(prosody: StoredTable) -> None:
    names = {f"New name {i}": i / 1024 for i in range(520)}
    prosody.append("a", iter([*with_new(1, **names).to_batches(), *table("prosody", spoken("s", "r")).to_batches()]))
    row = next(r for r in rows_of(prosody) if r["other"])
    kept = dict(row["other"])  # type: ignore[call-overload]
    columns = {name: row[f"new_name_{name.rpartition(' ')[2]}"] for name in names if name not in kept}
    assert len(columns) == 500
    assert {**kept, **columns} == names


def test_rows_that_cannot_fit_are_refused_whole(prosody: StoredTable) -> None:
    prosody.append("a", table("prosody", spoken("s1", "r1")))
    wrong = table("prosody", spoken("s1", "r1")).set_column(
        schema_of("prosody").get_field_index("begin_s"), "begin_s", pa.array(["soon"])
    )
    with pytest.raises(LakeError, match="load b do not fit table prosody"):
        prosody.append("b", wrong)
    assert not prosody.holds("b")


def test_threads_that_add_columns_at_once_all_get_in(prosody: StoredTable) -> None:
    def add(i: int) -> None:
        stored = another(prosody)
        for k in range(3):
            stored.append(f"load-{i}-{k}", with_new(2, **{f"Name {i} {k}": 0.5, "Shared": 0.25}))

    run_at_once(*(partial(add, i) for i in range(6)))
    found = rows_of(prosody)
    assert len(found) == 36
    for row in found:
        _, i, k = str(row["load_id"]).split("-")
        assert (row[f"name_{i}_{k}"], row["shared"]) == (0.5, 0.25)
        assert sum(row[f"name_{a}_{b}"] is not None for a in range(6) for b in range(3)) == 1
    snapshot = prosody.snapshot()
    assert snapshot is not None
    assert len(snapshot.schema) == len(schema_of("prosody")) + 19


def test_two_names_that_want_one_column_at_once_get_one_each(prosody: StoredTable) -> None:
    prosody.append("first", table("prosody", spoken("s", "r")))
    slow = another(prosody)
    slow.holds("first")
    parts = Parts(prosody.folder, slow._columns(), "slow").write_all(with_new(1, **{"Zest!": 0.75}))
    another(prosody).append("fast", with_new(1, **{"Zest?": 0.25}))
    slow.adopt("slow", [parts])
    found = {str(row["load_id"]): row for row in rows_of(prosody)}
    snapshot = prosody.snapshot()
    assert snapshot is not None
    names = {f.name: f.metadata[HUME_NAME].decode() for f in snapshot.schema if f.name not in schema_of("prosody").names}
    assert sorted(names.values()) == ["Zest!", "Zest?"]
    columns = {name: column for column, name in names.items()}
    assert [found[load][columns["Zest!"]] for load in ("first", "fast", "slow")] == [None, None, 0.75]
    assert [found[load][columns["Zest?"]] for load in ("first", "fast", "slow")] == [None, 0.25, None]


def _append_same(folder: Path, start: object, done: object) -> None:
    stored = StoredTable(folder, schema_of("prosody"))
    start.wait()  # type: ignore[attr-defined]
    for k in range(5):
        stored.append(f"load-{k}", table("prosody", spoken(f"s{k}", "r"), spoken(f"s{k}", "r", 1.0, 2.0)))
    done.put(True)  # type: ignore[attr-defined]


def test_processes_that_commit_the_same_loads_at_once_commit_each_once(prosody: StoredTable) -> None:
    context = multiprocessing.get_context("spawn")
    start, done = context.Barrier(3), context.Queue()
    workers = [context.Process(target=_append_same, args=(prosody.folder, start, done)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [done.get(timeout=10) for _ in workers] == [True] * 3
    assert sorted((str(r["load_id"]), r["begin_s"]) for r in rows_of(prosody)) == [
        (f"load-{k}", begin) for k in range(5) for begin in (0.0, 1.0)
    ]


def test_compaction_keeps_every_row_and_what_was_committed(prosody: StoredTable) -> None:
    for k in range(12):
        prosody.append(f"load-{k:02}", table("prosody", *(spoken(f"s{k}", "r", float(i), i + 1.0) for i in range(5))))
    before = rows_of(prosody)
    assert not prosody.compact(many=12)
    assert prosody.compact(many=11)
    snapshot = prosody.snapshot()
    assert snapshot is not None
    assert len(snapshot.files) == 1
    after = rows_of(prosody)
    assert sorted(map(str, after)) == sorted(map(str, before))
    for k in range(12):  # rows of a recording stay in order of time
        assert [r["begin_s"] for r in after if r["scoring_id"] == f"s{k}"] == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert prosody.append("load-03", table("prosody", spoken("s3", "r"))) == 1
    assert len(rows_of(prosody)) == 60
    meta = pq.ParquetFile(snapshot.files[0].path).metadata.row_group(0)
    assert {meta.column(i).compression for i in range(meta.num_columns)} == {"ZSTD"}


def run_at_once(*works: Callable[[], object]) -> None:
    """Run functions in threads that start together; raise the first error of any."""
    failures: list[BaseException] = []
    barrier = threading.Barrier(len(works))

    def run(work: Callable[[], object]) -> None:
        try:
            barrier.wait()
            work()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def another(stored: StoredTable) -> StoredTable:
    """The same table as another process has it."""
    return StoredTable(stored.folder, schema_of("prosody"))


def test_merging_at_once_doubles_nothing(prosody: StoredTable) -> None:
    for k in range(10):
        prosody.append(f"load-{k}", table("prosody", spoken(f"s{k}", "r")))
    first, second = another(prosody), another(prosody)
    for each in (first, second):
        each.snapshot()  # both have looked at the same files
    run_at_once(lambda: first.compact(many=1), lambda: second.compact(many=1))
    assert sorted(str(r["load_id"]) for r in rows_of(prosody)) == [f"load-{k}" for k in range(10)]


def test_a_merge_of_files_that_are_gone_changes_nothing(prosody: StoredTable, monkeypatch: pytest.MonkeyPatch) -> None:
    for k in range(4):
        prosody.append(f"load-{k}", table("prosody", spoken(f"s{k}", "r")))
    exchange = merging.exchange

    def late(folder: Path, files: list[DataFile], merged: Parts) -> bool:
        monkeypatch.setattr(merging, "exchange", exchange)
        assert another(prosody).compact(many=1)
        return exchange(folder, files, merged)

    monkeypatch.setattr(merging, "exchange", late)
    assert not prosody.compact(many=1)
    assert len(rows_of(prosody)) == 4
    snapshot = prosody.snapshot()
    assert snapshot is not None
    assert len(list(prosody.folder.glob("*.parquet"))) == 4 + len(snapshot.files)


def test_merging_appending_and_removing_at_once_keep_every_row(prosody: StoredTable) -> None:
    def append(who: int) -> None:
        stored = another(prosody)
        for k in range(8):
            stored.append(f"load-{who}-{k}", table("prosody", *(spoken(f"s{i}", "r") for i in range(3))))

    def merge() -> None:
        stored = another(prosody)
        for _ in range(8):
            stored.compact(many=1)

    def remove() -> None:
        stored = another(prosody)
        for k in range(4):
            stored.remove(f"gone-{k}")

    for k in range(4):
        prosody.append(f"gone-{k}", table("prosody", spoken("gone", "r")))
    run_at_once(lambda: append(0), lambda: append(1), merge, merge, remove)
    counts = Counter(str(row["load_id"]) for row in rows_of(prosody))
    assert counts == {f"load-{who}-{k}": 3 for who in range(2) for k in range(8)}


def test_merging_removes_what_has_been_unused_for_a_week_and_nothing_younger(prosody: StoredTable) -> None:
    for k in range(3):
        prosody.append(f"load-{k}", table("prosody", spoken(f"s{k}", "r")))
    before = {path.name for path in prosody.folder.glob("*.parquet")}
    (prosody.folder / "just-written.parquet").write_bytes(b"by a writer at work")
    (prosody.folder / "left-behind.parquet").write_bytes(b"by a writer that was killed")
    os.utime(prosody.folder / "left-behind.parquet", (time.time() - 8 * 86400,) * 2)
    assert prosody.compact(many=1)
    after = {path.name for path in prosody.folder.glob("*.parquet")}
    assert before | {"just-written.parquet"} < after
    assert "left-behind.parquet" not in after


def test_rows_that_were_removed_stay_removed(prosody: StoredTable) -> None:
    for load_id in ("a", "b"):
        prosody.append(load_id, table("prosody", spoken("s1", "r1")))
    prosody.compact(many=1)
    prosody.remove("a")
    prosody.remove("never")
    assert [row["load_id"] for row in rows_of(prosody)] == ["b"]
    prosody.append("a", table("prosody", spoken("s1", "r1")))
    assert [row["load_id"] for row in rows_of(prosody)] == ["b"]


def test_the_log_is_kept_for_good(prosody: StoredTable) -> None:
    prosody.append("a", table("prosody", spoken("s1", "r1")))
    log = (prosody.folder / "_delta_log" / f"{0:020d}.json").read_text().splitlines()
    configuration = next(json.loads(line)["metaData"]["configuration"] for line in log if "metaData" in line)
    assert configuration["delta.enableExpiredLogCleanup"] == "false"


def test_a_table_nobody_declared_takes_the_columns_of_its_rows(tmp_path: Path) -> None:
    stored = StoredTable(tmp_path / "gesture", None)
    stored.append("a", pa.table({"recording_id": ["r1"], "scoring_id": ["s1"], "waving": pa.array([0.5], pa.float32())}))
    assert rows_of(stored) == [{"recording_id": "r1", "scoring_id": "s1", "waving": 0.5, "load_id": "a"}]


def test_a_table_lies_in_a_folder_of_any_usual_name(tmp_path: Path) -> None:
    stored = StoredTable(tmp_path / "Ünï code & *spaces* ?" / "tables" / "prosody", schema_of("prosody"))
    stored.append("a", table("prosody", spoken("s1", "r1")))
    assert len(rows_of(stored)) == 1
