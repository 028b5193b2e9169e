from __future__ import annotations

import os
from datetime import UTC, datetime

import pytest
from lake_rows import commit, scoring, spoken, table

from humeanalytics.errors import LakeError, UsageError
from humeanalytics.lake.lake import Lake, open_lake


def seen(lake: Lake) -> dict[str, int]:
    """Rows by table, of everything that can be seen."""
    query = "SELECT 'prosody' AS t, count(*) AS n FROM prosody_all UNION ALL SELECT 'scorings', count(*) FROM scorings_all"
    return {row["t"]: row["n"] for row in lake.sql(query).rows() if row["n"]}


def test_a_load_is_seen_when_it_is_complete_and_not_before(lake: Lake) -> None:
    lake.loads.announce("a", flow="batch", run_id="run", members={"jobs": ["j1"]})
    assert lake.loads.commit("a", "prosody", table("prosody", spoken("s1", "r1"), spoken("s1", "r1"))) == 2
    assert seen(lake) == {}
    assert lake.loads.commit("a", "scorings", table("scorings", scoring("s1", "r1"))) == 1
    assert seen(lake) == {}
    assert not lake.loads.is_complete("a")
    lake.loads.complete("a", "batch", "run", {"prosody": 2, "scorings": 1})
    assert lake.loads.is_complete("a")
    assert seen(lake) == {"prosody": 2, "scorings": 1}
    assert lake.loads.pending() == []
    (row,) = lake["loads"].rows()
    assert (row["load_id"], row["flow"], row["run_id"]) == ("a", "batch", "run")
    assert row["row_counts_json"] == '{"prosody": 2, "scorings": 1}'
    assert row["committed_at"].tzinfo is not None


def test_pending_loads_are_known_to_others_with_what_they_hold(lake: Lake) -> None:
    lake.loads.announce("a", flow="batch", run_id="run-1", members={"jobs": ["j1", "j2"]}, lease_s=600)
    lake.loads.announce("b", flow="ingest", run_id="run-2")
    with open_lake(lake.uri) as other:
        first, second = other.loads.pending()
        assert (first.load_id, first.flow, first.run_id, first.members) == ("a", "batch", "run-1", {"jobs": ["j1", "j2"]})
        assert first.owner.startswith(f"{os.getpid()}@")
        assert 590 < (first.lease_until - datetime.now(UTC)).total_seconds() <= 600
        assert second.load_id == "b"
        assert [p.load_id for p in other.loads.pending("ingest")] == ["b"]


def test_announcing_again_renews_the_lease_and_keeps_the_marker(lake: Lake) -> None:
    lake.loads.announce("a", flow="batch", run_id="run", members={"jobs": ["j1"]})
    os.utime(lake.path / "pending" / "a.json", (0, 0))
    (lapsed,) = lake.loads.pending()
    assert lapsed.lease_until < datetime.now(UTC)
    lake.loads.announce("a", flow="batch", run_id="later")
    (renewed,) = lake.loads.pending()
    assert renewed.lease_until > datetime.now(UTC)
    assert renewed.members == {"jobs": ["j1"]}


def test_doing_a_load_again_changes_nothing(lake: Lake) -> None:
    rows = {"prosody": [spoken("s1", "r1")], "scorings": [scoring("s1", "r1")], "labels": []}
    counts = commit(lake, "a", **rows)
    assert counts == {"prosody": 1, "scorings": 1}
    before = lake.version
    assert commit(lake, "a", **rows) == counts
    assert lake.version == before
    assert lake.loads.pending() == []
    assert seen(lake) == {"prosody": 1, "scorings": 1}


def test_a_complete_load_is_not_hidden_by_a_marker_that_stayed(lake: Lake) -> None:
    commit(lake, "a", prosody=[spoken("s1", "r1")])
    (lake.path / "pending" / "a.json").write_text(
        '{"load_id": "a", "flow": "x", "run_id": "", "members": {}, "owner": "", "announced_at": "2026-01-01T00:00:00+00:00",'
        ' "lease_s": 1}'
    )
    assert seen(lake) == {"prosody": 1}
    assert lake.loads.pending() == []
    assert list((lake.path / "pending").iterdir()) == []


def test_rows_of_a_load_that_nobody_completes_stay_hidden_through_compaction(lake: Lake) -> None:
    commit(lake, "a", prosody=[spoken("s1", "r1")])
    lake.loads.announce("lost", flow="batch", run_id="run")
    lake.loads.commit("lost", "prosody", table("prosody", spoken("s2", "r2")))
    commit(lake, "z", prosody=[spoken("s3", "r3")])
    assert lake._table("prosody").compact(many=1)
    assert {r["scoring_id"] for r in lake["prosody_all"].rows()} == {"s1", "s3"}
    with open_lake(lake.uri) as other:
        assert {r["scoring_id"] for r in other["prosody_all"].rows()} == {"s1", "s3"}
    lake.loads.complete("lost", "batch", "run", {"prosody": 1})
    assert {r["scoring_id"] for r in lake["prosody_all"].rows()} == {"s1", "s2", "s3"}


def test_rows_whose_marker_was_removed_by_hand_stay_hidden(lake: Lake) -> None:
    lake.loads.announce("a", flow="batch", run_id="run")
    lake.loads.commit("a", "prosody", table("prosody", spoken("s1", "r1")))
    (lake.path / "pending" / "a.json").unlink()
    assert seen(lake) == {}


def test_a_load_that_was_not_announced_cannot_be_committed(lake: Lake) -> None:
    with pytest.raises(LakeError, match="not announced"):
        lake.loads.commit("a", "prosody", table("prosody", spoken("s1", "r1")))
    assert lake._table("prosody").snapshot() is None


def test_a_load_that_lacks_rows_cannot_be_completed(lake: Lake) -> None:
    lake.loads.announce("a", flow="batch", run_id="run")
    lake.loads.commit("a", "prosody", table("prosody", spoken("s1", "r1")))
    with pytest.raises(LakeError, match="scorings lacks its rows"):
        lake.loads.complete("a", "batch", "run", {"prosody": 1, "scorings": 1})
    assert [p.load_id for p in lake.loads.pending()] == ["a"]


@pytest.mark.parametrize("load_id", ["", "../a", "a b", "a" * 129])
def test_a_load_id_cannot_lead_elsewhere(lake: Lake, load_id: str) -> None:
    with pytest.raises(UsageError):
        lake.loads.announce(load_id, flow="batch", run_id="run")


def test_small_files_are_merged_when_there_are_many(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    from humeanalytics.lake import delta

    monkeypatch.setattr(delta.StoredTable.compact, "__kwdefaults__", {"many": 5, "vacuum": True})
    for k in range(14):
        commit(lake, f"load-{k}", prosody=[spoken(f"s{k}", f"r{k}")])
    snapshot = lake._table("prosody").snapshot()
    assert snapshot is not None
    assert len(snapshot.files) <= 5
    loads = lake._table("loads").snapshot()
    assert loads is not None
    assert len(loads.files) <= 5
    assert seen(lake) == {"prosody": 14}
