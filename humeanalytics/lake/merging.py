"""Many small files of a table merged into few, with readers and writers at work."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from deltalake import CommitProperties, DeltaTable
from deltalake.exceptions import CommitFailedError
from deltalake.transaction import RemoveAction

from humeanalytics.lake import layout
from humeanalytics.lake.durable import pause
from humeanalytics.lake.parts import Parts, Written, read_rows
from humeanalytics.lake.versions import DataFile, Snapshot, read_snapshot, sync_commits

_ATTEMPTS = 40


def merge_small_files(folder: Path, snapshot: Snapshot, many: int) -> bool:
    """Merge the small files of a table when there are more than ``many``; return whether that was done."""
    small = [file for file in snapshot.files if file.size_bytes < layout.FILE_BYTES // 2]
    if len(small) <= many:
        return False
    merged = Parts(folder, snapshot.schema, None).write_all(read_rows(file.path for file in small))
    if exchange(folder, small, merged):
        return True
    merged.discard()
    return False


def exchange(folder: Path, files: Sequence[DataFile], merged: Written) -> bool:
    """Commit merged files in place of those they were made of, unless one of these is gone; return whether that was done.

    Delta Lake (the library) rebases a commit over those that came before it, and does not see that two of them take away
    the same file: their rows would be doubled. So this commit may not be rebased. It is of the very version that was looked
    at, or it fails and the next one is looked at.
    """
    removed_ms = int(time.time() * 1000)
    removals = [RemoveAction(quote(Path(f.path).name), False, removed_ms, f.size_bytes, {}) for f in files]
    actions = [*removals, *merged.actions(modified_ms=min(file.modified_ms for file in files))]
    table = DeltaTable(str(folder))
    for attempt in range(_ATTEMPTS):
        pause(attempt)
        table.update_incremental()
        if not set(files) <= set(read_snapshot(table, folder).files):
            return False
        before = table.version()
        try:
            only_next = CommitProperties(max_commit_retries=0)
            table.create_write_transaction(actions, "append", table.schema(), commit_properties=only_next)
        except CommitFailedError:
            continue
        sync_commits(folder, before + 1, before + 1)
        return True
    return False


def remove_unused(folder: Path) -> None:
    """Remove the files that no version newer than a week refers to."""
    table = DeltaTable(str(folder))
    if table.vacuum(retention_hours=layout.RETENTION_HOURS, dry_run=True, full=True):
        table.vacuum(retention_hours=layout.RETENTION_HOURS, dry_run=False, full=True)
