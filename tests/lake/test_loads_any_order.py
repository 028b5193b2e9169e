"""Loads in whatever order things happen: announced, committed, completed, done twice, merged, read from another lake object."""

from __future__ import annotations

import tempfile
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule
from lake_rows import table
from lake_writer import content

from humeanalytics.lake.lake import open_lake

NAMES = ("prosody", "scorings", "labels")


class LoadsInAnyOrder(RuleBasedStateMachine):
    announced = Bundle("announced")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.lake = open_lake(Path(self.folder.name) / "lake")
        self.committed: dict[int, set[str]] = {}
        self.complete: list[int] = []
        self.versions: dict[int, list[int]] = {0: []}

    def teardown(self) -> None:
        self.lake.close()
        self.folder.cleanup()

    @rule(target=announced, k=st.integers(0, 5))
    def announce(self, k: int) -> int:
        self.lake.loads.announce(f"load-{k}", flow="test", run_id="run", members={"k": k})
        self.committed.setdefault(k, set())
        return k

    @rule(k=announced, name=st.sampled_from(NAMES), in_pieces=st.booleans())
    def commit(self, k: int, name: str, in_pieces: bool) -> None:
        rows = table(name, *content(k)[name])
        given = iter(rows.to_batches(max_chunksize=2)) if in_pieces else rows
        assert self.lake.loads.commit(f"load-{k}", name, given) == rows.num_rows
        self.committed[k].add(name)

    @rule(k=consumes(announced))
    def do_all(self, k: int) -> None:
        tables = {name: table(name, *rows) for name, rows in content(k).items()}
        self.lake.loads.commit_all(f"load-{k}", "test", "run", {"k": k}, tables)
        self.committed[k] = set(NAMES)
        self._completed(k)

    @rule(k=announced)
    def complete_what_has_all(self, k: int) -> None:
        if self.committed[k] == set(NAMES):
            self.lake.loads.complete(f"load-{k}", "test", "run", {n: len(r) for n, r in content(k).items()})
            self._completed(k)

    def _completed(self, k: int) -> None:
        if k not in self.complete:
            self.complete.append(k)
        self.versions[self.lake.version] = sorted(self.complete)

    @rule(name=st.sampled_from((*NAMES, "loads")))
    def merge_files(self, name: str) -> None:
        self.lake._table(name).compact(many=1, vacuum=name != "loads")
        self.versions[self.lake.version] = sorted(self.complete)

    @rule()
    def come_back(self) -> None:
        uri = self.lake.uri
        self.lake.close()
        self.lake = open_lake(uri)

    @rule(pick=st.randoms(use_true_random=False))
    def look_back(self, pick: object) -> None:
        version = pick.choice(sorted(self.versions))  # type: ignore[attr-defined]
        with open_lake(self.lake.uri, version=version) as then:
            for name in NAMES:
                rows = then.sql(f"SELECT DISTINCT load_id FROM {name}_all ORDER BY 1").rows()
                assert [row["load_id"] for row in rows] == [f"load-{k}" for k in self.versions[version]]

    @invariant()
    def every_row_of_complete_loads_once(self) -> None:
        counts = " UNION ALL ".join(f"SELECT '{n}' AS t, load_id, count(*) AS n FROM {n}_all GROUP BY ALL" for n in NAMES)
        found = {(row["t"], row["load_id"]): row["n"] for row in self.lake.sql(counts).rows()}
        assert found == {(name, f"load-{k}"): len(content(k)[name]) for k in self.complete for name in NAMES}

    @invariant()
    def pending_is_what_is_announced_and_not_complete(self) -> None:
        assert {p.members["k"] for p in self.lake.loads.pending()} == set(self.committed) - set(self.complete)


TestLoadsInAnyOrder = LoadsInAnyOrder.TestCase
TestLoadsInAnyOrder.settings = settings(
    max_examples=8, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
)
