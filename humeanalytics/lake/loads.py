"""Loads: rows of several tables that become visible together or not at all, and once, however often a process dies.

A load is announced (a marker under ``pending/``), each of its tables takes its rows once, then one row in the table
``loads`` says it is complete, then the marker goes. After a kill at any point the same calls roll it forward. Readers
leave out what is announced and not complete (`humeanalytics.lake.snapshot`).
"""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from humeanalytics.errors import LakeError, UsageError
from humeanalytics.lake.delta import StoredTable
from humeanalytics.lake.durable import create_file, make_folder, sync_folder
from humeanalytics.lake.parts import Rows, Written
from humeanalytics.tables.schema import schema_of

LEASE_S = 15 * 60.0
_LOAD_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


@dataclass(frozen=True, slots=True)
class Pending:
    """A load that was announced and is not complete.

    Attributes:
        load_id: The load.
        flow: The flow that announced it.
        run_id: The run that announced it.
        members: What it holds, as the flow noted it: enough to do it again.
        owner: Process and host that announced it.
        announced_at: When.
        lease_until: Until then its owner may be at work on it; after that anyone may roll it forward.
    """

    load_id: str
    flow: str
    run_id: str
    members: Mapping[str, Any]
    owner: str
    announced_at: datetime
    lease_until: datetime


class Loads:
    """The loads of one lake."""

    def __init__(self, pending: Path, table: Callable[[str], StoredTable], names: Callable[[], list[str]]) -> None:
        self._folder = pending
        self._table = table
        self._names = names

    def announce(
        self, load_id: str, *, flow: str, run_id: str, members: Mapping[str, Any] | None = None, lease_s: float = LEASE_S
    ) -> None:
        """Say, durably, that rows of a load are about to come. Again renews the lease; of a complete load, does nothing.

        Args:
            load_id: Up to 128 letters, digits, ``-`` and ``_``: a hash of what the load holds.
            flow: The flow, for example ``batch`` or ``ingest``.
            run_id: The run.
            members: What the load holds, as JSON can: enough for another process to do it again.
            lease_s: How long this process may be expected to be at work on it.
        """
        if not _LOAD_ID.fullmatch(load_id):
            raise UsageError(f"{load_id!r} is no load id: use up to 128 letters, digits, '-' and '_'.")
        if self.is_complete(load_id):
            self._forget(load_id)
            return
        make_folder(self._folder)
        marker = {
            "load_id": load_id,
            "flow": flow,
            "run_id": run_id,
            "members": dict(members or {}),
            "owner": f"{os.getpid()}@{socket.gethostname()}",
            "announced_at": datetime.now(UTC).isoformat(),
            "lease_s": lease_s,
        }
        if not create_file(self._marker(load_id), json.dumps(marker).encode()):
            # The lease counts from the marker's time of change. The file is never replaced: on some file systems a
            # listing under way could miss it for a moment, and a reader would see half a load.
            self.renew(load_id)

    def commit(self, load_id: str, table: str, data: Rows) -> int:
        """Commit the rows a load has in one table, unless they are there; return how many it has.

        Args:
            load_id: A load that was announced.
            table: The table; one that is not declared is made with the columns of its first rows.
            data: A table, or pieces of one whose columns may differ.

        Raises:
            LakeError: The load was not announced, or the rows do not fit.
            DiskFull: There is no room.
        """
        self._require_announced(load_id)
        return self._table(table).append(load_id, data)

    def adopt(self, load_id: str, table: str, written: Sequence[Written]) -> int:
        """Commit the rows of a load that were written next to a table (`StoredTable.write`); return how many there are.

        Raises:
            LakeError: The load was not announced.
            DiskFull: There is no room.
        """
        self._require_announced(load_id)
        return self._table(table).adopt(load_id, written)

    def tidy(self, load_id: str, written: Iterable[Written] = ()) -> None:
        """Remove what was written for a load and is neither in a table nor about to be adopted: a process died over it."""
        kept = {path for each in written for path in each.paths}
        for table in map(self._table, self._names()):
            if not table.holds(load_id):
                table.remove_parts(load_id, but=kept)

    def _require_announced(self, load_id: str) -> None:
        if not self._marker(load_id).exists() and not self.is_complete(load_id):
            raise LakeError(f"Load {load_id} was not announced, so its rows could be seen by halves. Announce it first.")

    def complete(
        self, load_id: str, flow: str, run_id: str, row_counts: Mapping[str, int], *, replaces: Collection[str] = ()
    ) -> None:
        """Make a load visible: all its tables have their rows. Then merge small files where there are many.

        Args:
            load_id: A load whose tables are committed.
            flow: The flow.
            run_id: The run.
            row_counts: Rows by table.
            replaces: Loads whose rows are no longer to be seen from the same moment on. They stay where they are, for
                older versions of the lake.

        Raises:
            LakeError: A table has none of the rows that ``row_counts`` tells of; the load stays pending.
        """
        lacking = [name for name, rows in row_counts.items() if rows and not self._table(name).holds(load_id)]
        if lacking:
            raise LakeError(f"Load {load_id} is not complete: {', '.join(lacking)} lacks its rows. Commit them first.")
        loads = self._table("loads")
        row = {
            "load_id": load_id,
            "flow": flow,
            "run_id": run_id,
            "committed_at": datetime.now(UTC),
            "row_counts_json": json.dumps(dict(row_counts), sort_keys=True),
            "replaces_json": json.dumps(sorted(replaces)) if replaces else None,
        }
        loads.append(load_id, pa.Table.from_pylist([row], schema=schema_of("loads")))
        self._forget(load_id)
        for name in row_counts:
            self._table(name).compact()
        loads.compact(vacuum=False)  # older versions of this one table are what open_lake(version=N) reads

    def commit_all(
        self, load_id: str, flow: str, run_id: str, members: Mapping[str, Any] | None, tables: Mapping[str, Rows]
    ) -> dict[str, int]:
        """Announce, commit and complete a load; return its rows by table. Doing it again changes nothing.

        >>> lake.loads.commit_all("3f2a", "ingest", run_id, {"response_id": rid}, {"face": faces})  # doctest: +SKIP
        {'face': 1042}
        """
        self.announce(load_id, flow=flow, run_id=run_id, members=members)
        row_counts = {name: self.commit(load_id, name, data) for name, data in tables.items()}
        row_counts = {name: rows for name, rows in row_counts.items() if rows}
        self.complete(load_id, flow, run_id, row_counts)
        return row_counts

    def roll_back(self, load_id: str) -> None:
        """Take away a load that was announced, never completed, and cannot be done again. It may not be tried once more.

        Raises:
            LakeError: The load is complete.
        """
        if self.is_complete(load_id):
            raise LakeError(f"Load {load_id} is complete; its rows are in use.")
        for name in self._names():
            self._table(name).remove(load_id)
        self._marker(load_id).unlink(missing_ok=True)
        sync_folder(self._folder)

    def is_complete(self, load_id: str) -> bool:
        """Return whether a load is complete."""
        return self._table("loads").holds(load_id)

    def pending(self, flow: str | None = None) -> list[Pending]:
        """Return the loads that were announced and are not complete, of one flow or of all, oldest first."""
        found = []
        for pending in self._announced():
            if self.is_complete(pending.load_id):  # its process died just before it took the marker away
                self._forget(pending.load_id)
            elif flow in (None, pending.flow):
                found.append(pending)
        return sorted(found, key=lambda pending: pending.announced_at)

    def pending_ids(self) -> set[str]:
        """Return the ids of loads with a marker: all that are not complete, and maybe some that just became so."""
        try:
            with os.scandir(self._folder) as entries:
                return {name.removesuffix(".json") for entry in entries if (name := entry.name).endswith(".json")}
        except FileNotFoundError:
            return set()

    def renew(self, load_id: str) -> None:
        """Renew the lease of a load, for work that takes longer than one."""
        marker = self._marker(load_id)
        if marker.exists():
            os.utime(marker)

    def _forget(self, load_id: str) -> None:
        """Take away the marker of a complete load."""
        self._marker(load_id).unlink(missing_ok=True)
        if self._folder.is_dir():
            sync_folder(self._folder)

    def _marker(self, load_id: str) -> Path:
        return self._folder / f"{load_id}.json"

    def _announced(self) -> Iterator[Pending]:
        for load_id in self.pending_ids():
            marker = self._marker(load_id)
            try:
                told, changed_s = json.loads(marker.read_bytes()), marker.stat().st_mtime
            except FileNotFoundError:
                continue  # became complete meanwhile
            yield Pending(
                load_id,
                told["flow"],
                told["run_id"],
                told["members"],
                told["owner"],
                datetime.fromisoformat(told["announced_at"]),
                datetime.fromtimestamp(changed_s, UTC) + timedelta(seconds=told["lease_s"]),
            )
