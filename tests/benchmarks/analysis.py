"""Measure analyses over many rows of faces, as v0 gives them: 48 expressions, 200 people, five recordings each.

    python tests/benchmarks/analysis.py --rows 1000000

Prints processor time, of all cores, and the time on the clock. Of a picture it is the time until it is saved, with what the
analysis takes that it draws; compare with the line of that analysis. `--pictures` measures those only.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import humeanalytics as ha
from humeanalytics import vocabulary

PEOPLE, RECORDINGS = 200, 5
FPS = 3


def faces(rows: int) -> pa.Table:
    """Faces in the order of time within recordings, with labels."""
    rng = np.random.default_rng(7)
    recording = np.arange(rows) * (PEOPLE * RECORDINGS) // rows
    person = recording // RECORDINGS
    ids = pa.array([f"{n:064x}" for n in range(PEOPLE * RECORDINGS)])
    begins = np.searchsorted(recording, recording)

    def of(names: list[str], which: Any) -> pa.Array:
        return pa.array(names).take(pa.array(which))

    return pa.table(
        {
            "recording_id": ids.take(pa.array(recording)),
            "scoring_id": ids.take(pa.array(recording)),
            "file": ids.take(pa.array(recording)),
            "face_id": of(["face_0", "face_1"], rng.integers(0, 2, rows)),
            "time_s": (np.arange(rows) - begins) / FPS,
            "participant": of([f"P{n:03}" for n in range(PEOPLE)], person),
            "condition": of(["control", "treated"], person % 2),
            **{name.column: rng.random(rows, dtype=np.float32) for name in vocabulary.names_of("face", "expression")},
        }
    )


def measure(what: str, ask: Callable[[], Any]) -> None:
    began, used = time.perf_counter(), time.process_time()
    ask()
    print(f"{what:44}{time.process_time() - used:8.2f} s processor {time.perf_counter() - began:8.2f} s clock", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--pictures", action="store_true")
    arguments = parser.parse_args()
    rows = arguments.rows
    frame = faces(rows)
    film = frame.drop_columns(["recording_id", "scoring_id", "file", "face_id"]).set_column(
        0, "time_s", pa.array(np.arange(rows) / FPS)
    )
    ha.top(frame.slice(0, 1000))  # what is imported when it is first used
    if not arguments.pictures:
        analyses(frame, film)
    pictures(frame, film)


def analyses(frame: pa.Table, film: pa.Table) -> None:
    measure(
        "timeline, 4 expressions, every second",
        lambda: ha.timeline(film, ["joy", "anger", "fear", "awe"], every_s=1.0, smooth_s=5.0),
    )
    measure("timeline, 48 expressions, every minute", lambda: ha.timeline(film, every_s=60.0))
    measure("top 10, interval of people", lambda: ha.top(frame))
    measure("top 10, by condition", lambda: ha.top(frame, by="condition"))
    measure("compare, 10,000 permutations of people", lambda: ha.compare(frame, "condition", "participant"))
    measure("summarise per participant", lambda: ha.summarise(frame))
    measure("baseline within participant", lambda: ha.baseline(frame))


def pictures(frame: pa.Table, film: pa.Table) -> None:
    four = ["joy", "anger", "fear", "awe"]
    with tempfile.TemporaryDirectory() as folder:
        png = Path(folder) / "picture.png"
        ha.plot.save(ha.plot.top(frame.slice(0, 1000)), png)  # what is imported when it is first used
        measure("picture of timeline, 4 expressions", lambda: ha.plot.save(ha.plot.timeline(film, four), png))
        measure("picture of top 10, by condition", lambda: ha.plot.save(ha.plot.top(frame, by="condition"), png))
        measure("picture of compare", lambda: ha.plot.save(ha.plot.compare(frame, "condition", "participant"), png))
        measure("picture of heatmap by participant", lambda: ha.plot.save(ha.plot.heatmap(frame, by="participant"), png))
        measure("picture of heatmap over time", lambda: ha.plot.save(ha.plot.heatmap(film), png))
        measure(
            "picture of distribution by condition",
            lambda: ha.plot.save(ha.plot.distribution(frame, four, by="condition"), png),
        )
        measure("picture of coverage", lambda: ha.plot.save(ha.plot.coverage(frame), png))


if __name__ == "__main__":
    main()
