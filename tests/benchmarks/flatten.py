"""How fast saved predictions become tables: ``python tests/benchmarks/flatten.py``. Figures and ratios to peers of the same run.

*one*: this project and what one would use without it, on one generated payload, each in a process of its own; every peer makes
wide Arrow columns, one an expression, except the SDK's types, which only parse. *lake*: the same payload into a lake, Parquet
written and committed, with its bytes kept and without. *large*: 1.1 GB, whole, in pieces and into a lake. *files*: 5,000
payloads, flattened and into a lake, on one process and on two. ``--only`` picks parts.

Payloads are mostly faces, the scores float32 values written with up to 17 digits, as Hume wrote them. Each runner is warmed up on
a small payload before its time is taken, and the best of ``--rounds`` counts: the machine may be busy with other things.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from humeanalytics import vocabulary

NAMES = [name.name for name in vocabulary.names_of("face", "expression")]
ROWS_PER_FILE = 1_000
SMALL_ROWS = 104  # a payload of 287 KB, about what one short clip gives


# ------------------------------------------------------------------------------------------------------------- payloads
def prediction(file: str, rows: int, rng: np.random.Generator) -> str:
    """Return the JSON of one file: two faces, ``rows`` rows together."""
    scores = rng.beta(1, 8, (rows, len(NAMES))).astype(np.float32).astype(float).tolist()
    faces: dict[str, list[dict[str, Any]]] = {"face_1": [], "face_0": []}
    for i, row in enumerate(scores):
        box = dict(zip("xywh", rng.normal(300, 40, 4).tolist(), strict=True))
        faces[f"face_{i % 2}"].append(
            {
                "frame": i // 2 * 10,
                "time": i // 2 * 10 / 29.97,
                "prob": float(np.float32(0.99 + rng.random() / 100)),
                "box": box,
                "emotions": [{"name": name, "score": score} for name, score in zip(NAMES, row, strict=True)],
                "facs": None,
                "descriptions": None,
            }
        )
    groups = [{"id": face, "predictions": each} for face, each in faces.items()]
    models = {"face": {"metadata": None, "grouped_predictions": groups}}
    return json.dumps({"file": file, "file_type": "video", "models": models}, separators=(",", ":"))


def write_payload(path: Path, size_bytes: int, rows: int = ROWS_PER_FILE, seed: int = 1) -> None:
    """Write a payload of about a size; past some predictions they come again under other names."""
    rng = np.random.default_rng(seed)
    made: list[str] = []
    with path.open("w") as out:
        out.write('[{"source":{"type":"url","url":"https://example.org/clips.zip"},"results":{"predictions":[')
        number = 0
        while out.tell() < size_bytes or number == 0:
            name = f"clips/{number}.mp4"
            if len(made) < 40:
                made.append(prediction("FILE", rows, rng))
            text = made[number % len(made)].replace('"FILE"', f'"{name}"', 1)
            out.write(f"{',' if number else ''}{text}")
            number += 1
        out.write('],"errors":[]}}]')


# --------------------------------------------------------------------------------------------- runners: path -> rows
def this_project(path: Path) -> int:
    from humeanalytics.tables.batch import flatten_predictions

    with path.open("rb") as file:
        return len(flatten_predictions(file).tables["face"])


def this_project_in_pieces(path: Path) -> int:
    from humeanalytics.tables.batch import flatten_in_pieces

    with path.open("rb") as file:
        return sum(len(piece.tables["face"]) for piece in flatten_in_pieces(file, rows=50_000))


def this_project_by_name(path: Path) -> int:
    from humeanalytics.tables.batch import flatten_predictions

    with path.open("rb") as file:
        return len(flatten_predictions(file, by_name=True).tables["face"])


def into_a_lake(path: Path, *, raw: bool = True, workers: int = 1) -> int:
    """Ingest a file or a folder into a new lake, which is removed again."""
    import humeanalytics as ha
    from humeanalytics.settings import load_settings

    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        return ha.ingest(path, folder, raw=raw, settings=load_settings(workers=workers)).rows["face"]


def into_a_lake_without_raw(path: Path) -> int:
    return into_a_lake(path, raw=False)


def orjson_loops(path: Path) -> int:
    import orjson
    import pyarrow as pa

    columns: dict[str, list[Any]] = {}
    for source in orjson.loads(path.read_bytes()):
        for each in source["results"]["predictions"]:
            for group in each["models"]["face"]["grouped_predictions"]:
                for row in group["predictions"]:
                    flat = {"file": each["file"], "face_id": group["id"], "frame": row["frame"], "time": row["time"]}
                    flat |= {"prob": row["prob"], **row["box"]}
                    for emotion in row["emotions"]:
                        flat[emotion["name"]] = emotion["score"]
                    for name, value in flat.items():
                        columns.setdefault(name, []).append(value)
    return len(pa.table({name: pa.array(c, pa.float32()) if name in NAMES else pa.array(c) for name, c in columns.items()}))


def polars_explode(path: Path) -> int:
    import polars as pl

    scores = pl.col("emotions").list.eval(pl.element().struct.field("score").cast(pl.Float32))
    frame = (
        pl.read_json(path)
        .select(pl.col("results").struct.field("predictions"))
        .explode("predictions")
        .unnest("predictions")
        .select("file", pl.col("models").struct.field("face").struct.field("grouped_predictions"))
        .explode("grouped_predictions")
        .unnest("grouped_predictions")
        .explode("predictions")
        .unnest("predictions")
        .with_columns(scores.list.to_struct(fields=NAMES).alias("emotions"))
        .unnest("emotions")
        .unnest("box")
    )
    return len(frame.to_arrow())


def duckdb_unnest(path: Path) -> int:
    import duckdb

    scores = ", ".join(f'row.emotions[{i}].score::FLOAT AS "{name}"' for i, name in enumerate(NAMES, 1))
    query = f"""
        WITH files AS (SELECT unnest(results.predictions) AS p FROM read_json('{path}', maximum_object_size=2000000000)),
             groups AS (SELECT p.file, unnest(p.models.face.grouped_predictions) AS g FROM files),
             rows AS (SELECT file, g.id, unnest(g.predictions) AS row FROM groups)
        SELECT file, id, row.frame, row.time, row.prob, row.box.x, row.box.y, row.box.w, row.box.h, {scores} FROM rows
    """
    with duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false")
        return len(connection.sql(query).to_arrow_table())


def pandas_normalize(path: Path) -> int:
    import pandas as pd
    import pyarrow as pa

    payload = json.loads(path.read_bytes())
    faces = [
        {"file": each["file"], "face_id": group["id"], "n": n, **row}
        for source in payload
        for each in source["results"]["predictions"]
        for group in each["models"]["face"]["grouped_predictions"]
        for n, row in enumerate(group["predictions"])
    ]
    long = pd.json_normalize(faces, record_path="emotions", meta=["file", "face_id", "n", "time", "prob", "box"])
    wide = long.pivot(index=["file", "face_id", "n"], columns="name", values="score")
    return len(pa.Table.from_pandas(wide))


def sdk_parse_obj(path: Path) -> int:
    from hume.core.pydantic_utilities import parse_obj_as
    from hume.expression_measurement.batch import UnionPredictResult

    return _sdk_rows(parse_obj_as(list[UnionPredictResult], json.loads(path.read_bytes())))


def sdk_type_adapter(path: Path) -> int:
    from hume.expression_measurement.batch import UnionPredictResult
    from pydantic import TypeAdapter

    return _sdk_rows(TypeAdapter(list[UnionPredictResult]).validate_json(path.read_bytes()))


def _sdk_rows(results: Any) -> int:
    return sum(
        len(group.predictions)
        for result in results
        for each in result.results.predictions
        for group in each.models.face.grouped_predictions
    )


RUNNERS: dict[str, Callable[[Path], int]] = {
    "official SDK types, parse_obj_as": sdk_parse_obj,
    "official SDK types, TypeAdapter.validate_json": sdk_type_adapter,
    "DuckDB read_json + unnest": duckdb_unnest,
    "json + pandas json_normalize + pivot": pandas_normalize,
    "orjson whole file + Python loops": orjson_loops,
    "polars read_json + explode": polars_explode,
    "humeanalytics, by name only": this_project_by_name,
    "humeanalytics, in pieces": this_project_in_pieces,
    "humeanalytics": this_project,
    "humeanalytics, into a lake, raw kept": into_a_lake,
    "humeanalytics, into a lake, without raw": into_a_lake_without_raw,
}
INTO_A_LAKE = ("humeanalytics, into a lake, raw kept", "humeanalytics, into a lake, without raw")
ORJSON = "orjson whole file + Python loops"
SLOW = {"official SDK types, parse_obj_as", "official SDK types, TypeAdapter.validate_json"}


# ------------------------------------------------------------------------------------------------------------ measuring
def measured(name: str, path: Path, small: Path) -> dict[str, float]:
    """Run one runner in a process of its own; return seconds of the clock and of the processor, and its peak memory."""
    command = [sys.executable, __file__, "--runner", name, str(path), str(small)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        told, _ = process.communicate()
    if process.returncode != 0:
        raise SystemExit(f"{name} failed")
    return dict(json.loads(told))


def run_one(name: str, path: Path, small: Path) -> None:
    """Run one runner here, warmed up, and print what it took."""
    RUNNERS[name](small)
    clock, processor = time.perf_counter(), time.process_time()
    rows = RUNNERS[name](path)
    taken = {"clock_s": time.perf_counter() - clock, "processor_s": time.process_time() - processor, "rows": rows}
    print(json.dumps(taken | {"peak_mb": _peak_mb()}))


def _peak_mb() -> float:
    try:
        import resource
    except ImportError:  # Windows
        return float(psutil.Process().memory_info().peak_wset) / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def compare(names: list[str], path: Path, small: Path, rounds: int) -> None:
    """Print one line a runner: the best of some rounds, and how much faster than Python loops over orjson."""
    best: dict[str, dict[str, float]] = {}
    for turn in range(rounds):
        for name in names:
            if turn and name in SLOW:
                continue
            taken = measured(name, path, small)
            if name not in best or taken["clock_s"] < best[name]["clock_s"]:
                best[name] = taken
    megabytes = path.stat().st_size / 1e6
    reference = best.get(ORJSON)
    rows = {taken["rows"] for taken in best.values()}
    print(
        f"\n{megabytes:.0f} MB, {max(rows):.0f} rows; MB of JSON a second, of the clock and of the processor; peak memory in MB\n"
    )
    print("| approach | MB/s | MB/s of processor | times orjson loops | peak MB |\n|---|---|---|---|---|")
    for name, taken in sorted(best.items(), key=lambda item: -item[1]["clock_s"]):
        times = f"{reference['clock_s'] / taken['clock_s']:.1f}" if reference else ""
        speed = f"{megabytes / taken['clock_s']:.1f} | {megabytes / taken['processor_s']:.1f}"
        print(f"| {name} | {speed} | {times} | {taken['peak_mb']:.0f} |")
    assert len(rows) == 1, "they do not agree on the number of rows"


# ---------------------------------------------------------------------------------------------------------- many files
def flatten_all(paths: list[Path]) -> int:
    return sum(this_project(path) for path in paths)


def many_files(folder: Path, count: int, rounds: int) -> None:
    """Print the speed over many small files, flattened and into a lake, on one process and on two."""
    paths = [folder / f"{i}.json" for i in range(count)]
    for i, path in enumerate(paths[:50]):
        write_payload(path, 1, rows=SMALL_ROWS, seed=i)
    for i, path in enumerate(paths[50:]):
        # Every answer is another one, as in a folder that somebody saved: equal ones would be known and cost nothing.
        path.write_bytes(
            paths[i % 50].read_bytes().replace(b"clips.zip", b"%d.zip" % i).replace(b'"frame":0,', b'"frame":%d,' % i)
        )
    megabytes = sum(path.stat().st_size for path in paths) / 1e6
    print(f"\n{count} files of {megabytes / count * 1e3:.0f} KB, MB of JSON a second\n")
    print("| | one process | two | times |\n|---|---|---|---|")
    context = multiprocessing.get_context("spawn")
    chunks = list(_chunks(paths, 50))
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        list(pool.map(flatten_all, [paths[:20]] * 4))
        flatten_all(paths[:20])
        one = _best(rounds, flatten_all, paths)
        two = _best(rounds, lambda: list(pool.map(flatten_all, chunks)))
    print(f"| flattened | {megabytes / one:.0f} | {megabytes / two:.0f} | {one / two:.2f} |")
    for raw in (True, False):
        one, two = (_best(rounds, into_a_lake, folder, raw=raw, workers=workers) for workers in (1, 2))
        what = "raw kept" if raw else "without raw"
        print(f"| into a lake, {what} | {megabytes / one:.0f} | {megabytes / two:.0f} | {one / two:.2f} |")


def _best(rounds: int, work: Callable[..., Any], *args: Any, **options: Any) -> float:
    return min(_seconds(lambda: work(*args, **options)) for _ in range(rounds))


def _chunks(paths: list[Path], size: int) -> Iterator[list[Path]]:
    for first in range(0, len(paths), size):
        yield paths[first : first + size]


def _seconds(work: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runner", nargs=3, help=argparse.SUPPRESS)
    parts = ("one", "lake", "large", "files")
    parser.add_argument("--only", nargs="+", choices=parts, default=parts)
    parser.add_argument("--mb", type=int, default=108, help="size of the one file")
    parser.add_argument("--large-mb", type=int, default=1100)
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    if given.runner:
        name, path, small = given.runner
        run_one(name, Path(path), Path(small))
        return
    with tempfile.TemporaryDirectory() as folder:
        small, path = Path(folder, "small.json"), Path(folder, "payload.json")
        write_payload(small, 1, rows=20)
        if "one" in given.only or "lake" in given.only:
            write_payload(path, given.mb * 1_000_000)
        if "one" in given.only:
            compare([name for name in RUNNERS if name not in INTO_A_LAKE], path, small, given.rounds)
        if "lake" in given.only:
            compare([ORJSON, "humeanalytics", *INTO_A_LAKE], path, small, given.rounds)
        if "large" in given.only:
            write_payload(path, given.large_mb * 1_000_000)
            compare(["humeanalytics, in pieces", "humeanalytics", *INTO_A_LAKE], path, small, given.rounds)
            path.unlink()
        if "files" in given.only:
            many = Path(folder, "many")
            many.mkdir()
            many_files(many, given.files, given.rounds)


if __name__ == "__main__":
    main()
