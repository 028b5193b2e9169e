"""How fast loads go in and answers come out: ``python tests/benchmarks/lake.py``. Figures and ratios to peers of the same run.

Two parts. *append*: 200,000 rows of ``face`` as one load, against pyarrow writing the same rows to one Parquet file with its
own defaults. *catalog*: 1,000 loads and 10,000,000 rows of ``prosody``; the mean of one expression by recording through the
catalog, against DuckDB over the very same files; then with a pending load and superseded scorings to leave out.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from humeanalytics import vocabulary
from humeanalytics.lake.lake import Lake, open_lake
from humeanalytics.tables.schema import schema_of

MEAN = "SELECT recording_id, avg(joy) AS joy FROM {} GROUP BY recording_id"
ROWS_PER_RECORDING = 1_000
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def score_rows(model: str, first_recording: int, rows: int, seed: int, scoring: str = "s") -> pa.Table:
    """Rows of a score table with its expressions filled, as many a recording as `ROWS_PER_RECORDING`."""
    rng = np.random.default_rng(seed)
    recording = first_recording + np.arange(rows) // ROWS_PER_RECORDING
    names = {i: f"{i:064x}" for i in range(first_recording, first_recording + rows // ROWS_PER_RECORDING + 1)}
    time_s = (np.arange(rows) % ROWS_PER_RECORDING) / 3
    expressions = {name.column for name in vocabulary.names_of(model, "expression")}
    columns = []
    for field in (schema := schema_of(model)):
        if field.name == "recording_id":
            columns.append(pa.array([names[i] for i in recording]))
        elif field.name == "scoring_id":
            columns.append(pa.array([f"{scoring}{names[i][1:]}" for i in recording]))
        elif field.name in expressions:
            columns.append(pa.array(np.exp(rng.normal(-3, 1, rows)).astype(np.float32)))
        elif field.name in ("time_s", "begin_s"):
            columns.append(pa.array(time_s))
        elif field.name == "end_s":
            columns.append(pa.array(time_s + 2.0))
        elif field.name in ("box_x", "box_y", "box_w", "box_h"):
            columns.append(pa.array(rng.uniform(0, 800, rows)))
        elif field.name in ("file", "face_id", "speaker_id"):
            columns.append(pa.array(["unknown"] * rows))
        else:
            columns.append(pa.nulls(rows, field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def bookkeeping(first_recording: int, recordings: int, scoring: str = "s") -> dict[str, pa.Table]:
    """The rows of scorings and items that belong to some recordings."""
    ids = [f"{i:064x}" for i in range(first_recording, first_recording + recordings)]
    scorings = [
        {
            "scoring_id": f"{scoring}{i[1:]}",
            "recording_id": i,
            "model": "prosody",
            "scored_at": NOW,
            "loaded_at": datetime.now(UTC),
            "rows": ROWS_PER_RECORDING,
        }
        for i in ids
    ]
    items = [{"item_id": i, "recording_id": i, "uri": f"/r/{i}.wav", "media_type": "audio", "seen_at": NOW} for i in ids]
    return {
        "scorings": pa.Table.from_pylist(scorings, schema=schema_of("scorings")),
        "items": pa.Table.from_pylist(items, schema=schema_of("items")),
    }


def timed(work: Callable[[], Any], times: int) -> list[float]:
    """Seconds of each of some runs."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return taken


def show(label: str, taken: list[float], peer: list[float] | None = None) -> None:
    best, middle = min(taken), statistics.median(taken)
    ratio = f"  {best / min(peer):5.2f} of its peer" if peer else ""
    print(f"{label:58s} best {best * 1000:8.1f} ms  median {middle * 1000:8.1f} ms{ratio}", flush=True)


def bench_append(folder: Path, rows: int) -> None:
    print(f"append: {rows:,} rows of face, {len(schema_of('face'))} columns")
    table = score_rows("face", 0, rows, seed=0)
    peer = timed(lambda: pq.write_table(table, folder / "peer.parquet"), 5)
    show("pyarrow, its own defaults, one file, not synced", peer)
    with open_lake(folder / "append") as lake:
        numbers = iter(range(100))
        whole = timed(lambda: lake.loads.commit_all(f"load-{next(numbers)}", "bench", "run", None, {"face": table}), 5)
        show("one load, on disk and complete", whole, peer)
        pieces = timed(
            lambda: lake.loads.commit_all(
                f"load-{next(numbers)}", "bench", "run", None, {"face": iter(table.to_batches(max_chunksize=4096))}
            ),
            5,
        )
        show("the same in pieces of 4,096 rows", pieces, peer)
        snapshot = lake._table("face").snapshot()
        assert snapshot is not None
        size = snapshot.files[0].size_bytes / 1e6
    print(f"{'size: lake, pyarrow defaults':58s} {size:.1f} MB, {(folder / 'peer.parquet').stat().st_size / 1e6:.1f} MB")


def fill(lake: Lake, loads: int, rows: int) -> None:
    """Commit the loads of the catalog benchmark; the time each takes must not grow with their number."""
    recordings = rows // ROWS_PER_RECORDING
    taken = []
    for k in range(loads):
        tables = {"prosody": score_rows("prosody", k * recordings, rows, seed=k), **bookkeeping(k * recordings, recordings)}
        start = time.perf_counter()
        lake.loads.commit_all(f"{k:032x}", "bench", "run", None, tables)
        taken.append(time.perf_counter() - start)
    tenth = max(1, loads // 10)
    show(f"commit of a load of {rows:,} rows over 3 tables, first tenth", taken[:tenth])
    show("... last tenth", taken[-tenth:])
    print(f"{'... slowest (one that merged files)':58s} {max(taken) * 1000:.0f} ms; all {sum(taken):.0f} s")


def bench_catalog(folder: Path, loads: int, rows: int) -> None:
    total = loads * rows
    print(f"\ncatalog: {loads:,} loads, {total:,} rows of prosody")
    with open_lake(folder / "catalog") as lake:
        if not lake["prosody"].head(1)[0].num_rows:
            fill(lake, loads, rows)
    start = time.perf_counter()
    lake = open_lake(folder / "catalog")
    lake.sql("SELECT 1").rows()
    print(f"{'open and first answer':58s} {(time.perf_counter() - start) * 1000:.0f} ms")
    show("an answer that reads nothing", timed(lambda: lake.sql("SELECT 1 AS one").arrow(), 20))

    def compare(label: str) -> None:
        snapshot = lake._table("prosody").snapshot()
        assert snapshot is not None
        files = [file.path for file in snapshot.files]
        bare = duckdb.connect()
        source = f"read_parquet({files!r})"
        peer, mine = [], []
        for _ in range(7):  # in turn, so that a noisy moment meets both
            peer += timed(lambda: bare.sql(MEAN.format(source)).to_arrow_table(), 1)
            mine += timed(lambda: lake.sql(MEAN.format("prosody")).arrow(), 1)
        show(f"{label}: DuckDB, the bare {len(files)} files", peer)
        show(f"{label}: the catalog", mine, peer)
        labelled = timed(lambda: lake.sql(MEAN.format("prosody_labelled")).arrow(), 3)
        show(f"{label}: the catalog, joined to items and labels", labelled, peer)

    compare("nothing to leave out")
    expected = bookkeeping(0, 1)["scorings"].column("recording_id")[0].as_py()
    (before,) = lake.sql(f"SELECT joy FROM ({MEAN.format('prosody')}) WHERE recording_id = ?", [expected]).rows()
    lake.loads.announce("pending", flow="bench", run_id="run")
    lake.loads.commit("pending", "prosody", score_rows("prosody", 0, rows, seed=1, scoring="p"))
    compare("a pending load")
    (after,) = lake.sql(f"SELECT joy FROM ({MEAN.format('prosody')}) WHERE recording_id = ?", [expected]).rows()
    assert before == after, "rows of a pending load were seen"
    newer = loads * rows // ROWS_PER_RECORDING // 100
    tables = {
        "prosody": score_rows("prosody", 0, newer * ROWS_PER_RECORDING, seed=2, scoring="n"),
        "scorings": pa.Table.from_pylist(
            [{**row, "scored_at": datetime.now(UTC)} for row in bookkeeping(0, newer, "n")["scorings"].to_pylist()],
            schema=schema_of("scorings"),
        ),
    }
    start = time.perf_counter()
    lake.loads.commit_all(f"newer-{time.time_ns()}", "bench", "run", None, tables)
    committed = time.perf_counter()
    lake.sql("SELECT 1").rows()
    print(f"{'bring the views up to a new load':58s} {(time.perf_counter() - committed) * 1000:.0f} ms")
    compare(f"{newer} scorings superseded")
    start = time.perf_counter()
    lake._table("prosody").compact(many=1)
    print(f"{'merge the small files':58s} {time.perf_counter() - start:.1f} s")
    compare("the same, pending rows merged among others")
    (row,) = lake.sql("SELECT count(*) AS n FROM prosody").rows()
    assert row["n"] == total, row
    lake.loads.roll_back("pending")
    lake.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="keep the lakes here; a second run finds them filled")
    parser.add_argument("--append-rows", type=int, default=200_000)
    parser.add_argument("--loads", type=int, default=1_000)
    parser.add_argument("--rows", type=int, default=10_000, help="rows of each load of the catalog")
    parser.add_argument("--only", choices=["append", "catalog"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if options.only != "catalog":
            with tempfile.TemporaryDirectory(dir=folder) as fresh:
                bench_append(Path(fresh), options.append_rows)
        if options.only != "append":
            bench_catalog(folder, options.loads, options.rows)


if __name__ == "__main__":
    main()
