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

LOADS = 60
COUNTS = """
    SELECT l.load_id, (SELECT count(*) FROM prosody_all AS p WHERE p.load_id = l.load_id) AS prosody,
        (SELECT count(*) FROM scorings_all AS s WHERE s.load_id = l.load_id) AS scorings,
        (SELECT count(*) FROM labels_all AS b WHERE b.load_id = l.load_id) AS labels
    FROM (
        SELECT load_id FROM prosody_all UNION SELECT load_id FROM scorings_all
        UNION SELECT load_id FROM labels_all UNION SELECT load_id FROM loads_all
    ) AS l
"""


def expected(load_id: str) -> dict[str, object]:
    tables = content(int(load_id.removeprefix("load-")))
    return {"load_id": load_id, **{name: len(rows) for name, rows in tables.items()}}


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


@pytest.mark.parametrize("seed", [1, 2])
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
                time.sleep(chance.uniform(0.0, 0.6))
                writer.send_signal(signal.SIGKILL)
                assert writer.wait() == -signal.SIGKILL
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
