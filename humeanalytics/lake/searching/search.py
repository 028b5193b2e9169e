"""One lake's search: the index brought up to what the catalog shows at this moment, and asked."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from humeanalytics.errors import LakeError, UsageError
from humeanalytics.lake.catalog import Catalog
from humeanalytics.lake.searching.asking import Wanted
from humeanalytics.lake.searching.following import follow, state_of
from humeanalytics.lake.searching.found import found_table
from humeanalytics.lake.searching.index import Among, Index
from humeanalytics.lake.searching.keeping import IndexFile, folders_for
from humeanalytics.lake.snapshot import LakeSnapshot, SnapshotReader
from humeanalytics.moments import moment_us

_SPEAKERS = {"caller": "caller", "user": "caller", "assistant": "assistant", "agent": "assistant"}


@dataclass(frozen=True, slots=True)
class Counts:
    """How many messages have what was asked for.

    Attributes:
        found: All of it (or any, where that was asked).
        by_item: Each item of the query by itself.
        any_word: Any of it.
    """

    found: int
    by_item: dict[str, int]
    any_word: int


class Search:
    """The search of one lake. Safe to use from several threads and processes at once.

    Args:
        lake: Its folder.
        lake_id: Its id.
        snapshots: Tells which state the lake is in.
        catalog: Gives its catalog.
        passing: Keep the index only as long as this object lives: that of a lake at an older version.
    """

    def __init__(
        self, lake: Path, lake_id: str, snapshots: SnapshotReader, catalog: Callable[[], Catalog], *, passing: bool
    ) -> None:
        self._snapshots = snapshots
        self._catalog = catalog
        self._temporary = tempfile.TemporaryDirectory(prefix="humeanalytics-search-") if passing else None
        folders = folders_for(lake, lake_id) if self._temporary is None else [Path(self._temporary.name)]
        self._file = IndexFile(folders)
        self._lock = threading.Lock()
        self._last: tuple[LakeSnapshot, str] | None = None

    def table(self, wanted: Wanted, among: Among, limit: int | None) -> pa.Table:
        """Return the messages that fit best, as a table (`lake.searching.found.FOUND`)."""
        with self._index() as index:
            hits = list(index.find(wanted, among, limit))
        return found_table(hits, wanted)

    def counts(self, wanted: Wanted, among: Among) -> Counts:
        """Return how many messages fit, altogether and item by item."""
        with self._index() as index:
            by_item = {item.text: index.count(Wanted((item,), wanted.unwanted), among) for item in wanted.items}
            return Counts(index.count(wanted, among), by_item, index.count(replace(wanted, any_word=True), among))

    def close(self) -> None:
        """Let go of it."""
        if self._temporary is not None:
            self._temporary.cleanup()

    @contextmanager
    def _index(self) -> Iterator[Index]:
        """Give the index as the lake is now. Of several processes one brings it up, the others wait and find it done."""
        index = self._file.opened(self._state_of(self._snapshots.read()))
        if index is None:
            with self._file.alone():
                index = self._brought_up()
        with closing(index.connection):
            yield index

    def _brought_up(self) -> Index:
        try:
            # Another look at the lake: whoever had the lock before may have seen more of it than was there at first.
            with self._catalog().reading() as lake:
                state = self._state_of(lake.snapshot)
                index = self._file.opened(state)
                if index is None:
                    self._file.write(state, lambda index: follow(index, lake))
                    index = self._file.opened(state)
        except (duckdb.Error, pa.ArrowException) as error:
            raise LakeError(f"The chats could not be read for the search index: {error}") from error
        if index is None:
            raise LakeError(f"The search index {self._file.path} is changed by something else. Delete it and search again.")
        return index

    def _state_of(self, snapshot: LakeSnapshot) -> str:
        with self._lock:
            if self._last is None or self._last[0] is not snapshot:
                self._last = snapshot, state_of(snapshot)
            return self._last[1]


def among_which(speaker: str | None, since: str | date | datetime | None, until: str | date | datetime | None) -> Among:
    """Return among which messages to look.

    Raises:
        UsageError: There is no such speaker, or one of the times is none.
    """
    if speaker is not None and speaker not in _SPEAKERS:
        raise UsageError(f"{speaker!r} speaks in no chat. The speaker is caller (or user) or assistant (or agent).")
    return Among(None if speaker is None else _SPEAKERS[speaker], moment_us(since), moment_us(until))
