"""A process to be killed: roll forward what is pending, then commit loads 0, 1, 2, ... up to a number, each over three tables."""

from __future__ import annotations

import sys
from typing import Any

from lake_rows import scoring, spoken, table

from humeanalytics.lake.lake import Lake, open_lake


def content(k: int) -> dict[str, list[dict[str, Any]]]:
    """What load k holds: 1 + k % 3 scorings, each with 4 rows of prosody, and as many labels."""
    ids = [f"s{k}-{i}" for i in range(1 + k % 3)]
    return {
        "prosody": [spoken(s, f"r{k}", float(n), n + 1.0) for s in ids for n in range(4)],
        "scorings": [scoring(s, f"r{k}-{s}") for s in ids],
        "labels": [{"item_id": s, "key": "k", "value": str(k)} for s in ids],
    }


def load(lake: Lake, k: int) -> None:
    tables = {name: table(name, *rows) for name, rows in content(k).items()}
    lake.loads.commit_all(f"load-{k}", "test", "run", {"k": k}, tables)


def main(uri: str, until: int) -> None:
    with open_lake(uri) as lake:
        print("ready", flush=True)
        for pending in lake.loads.pending("test"):
            load(lake, pending.members["k"])
        for k in range(until):
            if not lake.loads.is_complete(f"load-{k}"):
                load(lake, k)
        print("done", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
