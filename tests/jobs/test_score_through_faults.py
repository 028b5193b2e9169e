"""Whatever the network does: every recording once in the tables, none sent twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

import humeanalytics as ha
from humeanalytics.sandbox.embedded import Sandbox

RECORDINGS = 250
JOBS = "/v0/batch/jobs"


def storm(seed: int) -> list[dict[str, object]]:
    """Faults of every kind that may hit a submission or an answer, each at random."""
    return [
        {"method": "POST", "path": JOBS, "status": 429, "retry_after": 0, "probability": 0.2, "seed": seed},
        {"method": "POST", "path": JOBS, "status": 503, "probability": 0.15, "seed": seed + 1},
        {"method": "POST", "path": JOBS, "drop_before": True, "probability": 0.2, "seed": seed + 2},
        {"method": "POST", "path": JOBS, "drop_after": True, "probability": 0.25, "seed": seed + 3},
        {"method": "POST", "path": JOBS, "status": 500, "probability": 0.1, "seed": seed + 4},
        {"method": "GET", "path": f"{JOBS}*", "status": 503, "probability": 0.1, "seed": seed + 5},
        {"method": "GET", "path": f"{JOBS}*", "drop_before": True, "probability": 0.1, "seed": seed + 6},
        {"method": "GET", "path": f"{JOBS}/*/predictions", "truncate": 0.6, "probability": 0.3, "seed": seed + 7},
    ]


@pytest.mark.parametrize("seed", [1, 20])
def test_every_recording_once_and_none_sent_twice(
    seed: int, voices: Callable[[int], Path], hume: Sandbox, tmp_path: Path
) -> None:
    folder = voices(RECORDINGS)
    hume.set_faults(storm(seed))
    settings = hume.settings.model_copy(update={"files_per_job": 8})

    summary = ha.score(folder, tmp_path / "lake", api="batch", models=["prosody", "burst"], settings=settings)

    assert summary.exit_code == 0, str(summary)
    assert summary.recordings["scored"] == RECORDINGS
    sent = Counter(item["fingerprint"] for item in hume.submissions())
    assert len(sent) == RECORDINGS
    assert set(sent.values()) == {1}
    with ha.open_lake(tmp_path / "lake") as lake:
        once = lake.sql(
            "SELECT count(*) AS answers, count(DISTINCT recording_id) AS recordings, bool_and(sources = 1) AS one_source "
            "FROM scorings WHERE model = 'prosody'"
        ).rows()
        assert once == [{"answers": RECORDINGS, "recordings": RECORDINGS, "one_source": True}]
        assert {row["recording_id"] for row in lake.sql("SELECT recording_id FROM scorings").rows()} == set(sent)
        told = lake.sql(
            "SELECT count(*) AS wrong FROM (SELECT scoring_id, count(*) AS n FROM prosody_all GROUP BY ALL) AS counted "
            "FULL JOIN (FROM scorings WHERE model = 'prosody' AND rows > 0) AS s USING (scoring_id) "
            "WHERE n IS DISTINCT FROM s.rows"
        ).rows()
        assert told == [{"wrong": 0}]
        assert lake.sql("SELECT count(*) AS n FROM prosody").rows()[0]["n"] >= RECORDINGS
