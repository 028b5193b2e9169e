"""Which rows of the lake may be seen now: whole loads, and nothing of a load that is half there.

The order of reading is what makes it true, with writers at work and no lock. Writers put a marker before the first row of a
load and take it away after the load is complete. So: read which loads are complete, *then* fix a version of every table,
*then* list the markers, *then* read again which loads are complete. Everything of a load that was complete at first is in
the versions fixed. Of any other load some of it may be: such a load either has its marker still or has become complete since,
or it was rolled back meanwhile, and had its marker before.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path

import pyarrow.parquet as pq

from humeanalytics.errors import LakeError
from humeanalytics.lake.delta import StoredTable
from humeanalytics.lake.loads import Loads
from humeanalytics.lake.versions import DataFile, Snapshot


@dataclass(frozen=True)
class LakeSnapshot:
    """One consistent state of all tables.

    Attributes:
        tables: Table -> the version of it that belongs to this state.
        complete: The loads to be seen.
        hidden: Loads that may have rows in these versions and are not to be seen.
    """

    tables: dict[str, Snapshot]
    complete: frozenset[str]
    hidden: frozenset[str]

    def visible_files(self, table: str) -> tuple[list[DataFile], bool]:
        """Return the files of a table, and whether some may hold rows of hidden loads among others.

        A file that holds one load only is seen or left out as a whole, which costs a query nothing.
        """
        files, mixed = [], False
        for file in self.tables[table].files:
            first, last = file.load_first, file.load_last
            if first is not None and first == last:
                if first in self.complete:
                    files.append(file)
                continue
            files.append(file)
            mixed = mixed or any(first is None or last is None or first <= load_id <= last for load_id in self.hidden)
        return files, mixed


@dataclass(frozen=True)
class _Told:
    """What some rows of ``loads`` say: which loads are complete, and which of them others took the place of."""

    complete: frozenset[str] = frozenset()
    replaced: frozenset[str] = frozenset()

    @cached_property
    def holding(self) -> frozenset[str]:
        return self.complete - self.replaced


class SnapshotReader:
    """Take snapshots of a lake, each as cheap as what has changed since the one before.

    Args:
        tables: The folder of tables.
        table: Gives the stored table of a name.
        loads: The loads of the lake.
        version: A version of the table ``loads``: what was not complete then is never seen. None follows the newest.
    """

    def __init__(self, tables: Path, table: Callable[[str], StoredTable], loads: Loads, version: int | None = None) -> None:
        self._folder = tables
        self._table = table
        self._loads = loads
        self._told: dict[str, _Told] = {}
        self._told_at: tuple[int, _Told] = (-1, _Told())
        self._then: frozenset[str] | None = None
        if version is not None:
            self._then = self._told_then(version).holding
        self._last: LakeSnapshot | None = None

    def read(self) -> LakeSnapshot:
        """Return the state of the lake now; the very same object as before when nothing has changed."""
        before, announced = self._told_now(), self._loads.pending_ids()
        names = sorted(path.name for path in self._folder.iterdir() if path.is_dir()) if self._folder.is_dir() else []
        tables = {name: snapshot for name in names if (snapshot := self._table(name).snapshot()) is not None}
        announced |= self._loads.pending_ids()
        after = self._told_now()
        complete = before.holding if self._then is None else self._then
        # Where nothing became complete meanwhile and no older version is asked for, that is all without a look at each load.
        hidden = (frozenset(announced) - complete) | after.replaced
        if after is not before or self._then is not None:
            hidden = (after.complete | announced) - complete
        last = self._last
        if last is None or (last.tables, last.complete, last.hidden) != (tables, complete, hidden):
            self._last = last = LakeSnapshot(tables, complete, hidden)
        return last

    def _told_now(self) -> _Told:
        snapshot = self._table("loads").snapshot()
        if snapshot is None:
            return _Told()
        if snapshot.version != self._told_at[0]:
            self._told_at = snapshot.version, self._read_told(snapshot)
        return self._told_at[1]

    def _told_then(self, version: int) -> _Told:
        loads = self._table("loads")
        now = loads.snapshot()
        newest = now.version if now is not None else 0
        if not 0 <= version <= newest:
            raise LakeError(f"The lake has versions 0 to {newest}, not {version}.", uri=str(self._folder.parent))
        try:
            return self._read_told(loads.snapshot_at(version)) if now is not None else _Told()
        except FileNotFoundError as error:
            raise LakeError(
                f"Version {version} of the lake can no longer be told: a file of the table loads was removed ({error.filename}).",
                uri=str(self._folder.parent),
            ) from error

    def _read_told(self, snapshot: Snapshot) -> _Told:
        for file in snapshot.files:
            if file.path not in self._told:
                table = pq.ParquetFile(file.path).read(columns=["load_id", "replaces_json"])
                replaced = (json.loads(each) for each in table.column("replaces_json").to_pylist() if each)
                self._told[file.path] = _Told(frozenset(table.column("load_id").to_pylist()), frozenset(chain(*replaced)))
        parts = [self._told[file.path] for file in snapshot.files]
        return _Told(frozenset().union(*(part.complete for part in parts)), frozenset().union(*(part.replaced for part in parts)))
