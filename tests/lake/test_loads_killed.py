"""A writer that is killed at random moments, with readers at work: no row missing, none doubled, none half visible."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from lake_writer import content

from humeanalytics.lake.lake import Lake, open_lake

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")

LOADS = 25
COUNTS = """
    SELECT load_id, count(*) FILTER (t = 'prosody') AS prosody, count(*) FILTER (t = 'scorings') AS scorings,
        count(*) FILTER (t = 'labels') AS labels, count(*) FILTER (t = 'loads') AS loads
    FROM (
        SELECT load_id, 'prosody' AS t FROM prosody_all UNION ALL SELECT load_id, 'scorings' FROM scorings_all
        UNION ALL SELECT load_id, 'labels' FROM labels_all UNION ALL SELECT load_id, 'loads' FROM loads_all
    ) GROUP BY load_id
"""


def expected(load_id: str) -> dict[str, object]:
    tables = content(int(load_id.removeprefix("load-")))
    return {"load_id": load_id, **{name: len(rows) for name, rows in tables.items()}, "loads": 1}


def watch(lake: Lake, stop: threading.Event, seen: list[int], wrong: list[object]) -> None:
    most = 0
    while not stop.is_set() and not wrong:
        try:
            rows = lake.sql(COUNTS).rows()
        except BaseException as error:
            wrong.append(error)
            return
        wrong += [row for row in rows if row != expected(row["load_id"])]
        if len(rows) < most:
            wrong.append(f"{most} loads, then {len(rows)}")
        most = len(rows)
        seen.append(most)
        stop.wait(0.05)


@pytest.mark.parametrize("seed", [1])
def test_kill_at_random_moments(lake: Lake, seed: int) -> None:
    chance = random.Random(seed)
    stop, seen, wrong = threading.Event(), [], []
    lakes = [lake, open_lake(lake.uri)]
    watchers = [threading.Thread(target=watch, args=(each, stop, seen, wrong)) for each in lakes]
    for watcher in watchers:
        watcher.start()
    half_done = 0
    try:
        for kill in [*[True] * 8, False]:
            writer = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("lake_writer.py")), lake.uri, str(LOADS)], stdout=subprocess.PIPE
            )
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"ready\n"
            if kill:
                while not lake.loads.pending_ids() and writer.poll() is None:
                    time.sleep(0.001)
                time.sleep(chance.uniform(0.0, 0.1))
                writer.send_signal(signal.SIGKILL)
                writer.communicate()
                half_done += len(lake.loads.pending())
            else:
                assert writer.communicate()[0] == b"done\n"
    finally:
        stop.set()
        for watcher in watchers:
            watcher.join()
        lakes[1].close()
    assert wrong == []
    assert half_done, "no kill came between the two ends of a load"
    assert len(set(seen)) > 1, "the watchers saw no load come in"
    assert sorted(lake.sql(COUNTS).rows(), key=str) == sorted((expected(f"load-{k}") for k in range(LOADS)), key=str)
    assert lake.loads.pending() == []
    assert not list((lake.path / "pending").glob("*.json"))
