"""Where an index is kept, and how it comes to be whole: made where there is none, and again where it is not what was left there.

An index in use is held to be whole only while size and time of its file are those that were noted when it was last written. So
one that was damaged, cut short, put back from a backup or left by a process that died costs the time to make it, and no more.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

from humeanalytics.errors import DiskFull, LakeError
from humeanalytics.lake.durable import exclusive
from humeanalytics.lake.searching.index import Index, require_fts5, signature

_NAME = "search"
_BUSY_S = 60.0
_MAPPED_BYTES = 1 << 30
_CACHED_KIB = 64 * 1024
#: What programs that make backups look for, to leave a folder out: https://bford.info/cachedir/
_TAG = b"Signature: 8a477f597d28d172789f06886806bc55\n# The search index of a lake. It is made again when it is gone.\n"


class IndexFile:
    """The index of one lake, in the first of some folders that can be written to.

    Args:
        folders: Where it may lie, the best place first.
    """

    def __init__(self, folders: list[Path]) -> None:
        self._folders = folders
        self._found: Path | None = None

    @property
    def folder(self) -> Path:
        """The folder it lies in.

        Raises:
            LakeError: None can be written to.
        """
        if self._found is None or not self._found.is_dir():  # somebody may have cleared a cache away under an open lake
            self._found = next(filter(_can_be_written, self._folders), None)
        if self._found is None:
            raise LakeError(f"The search index can be written to none of {', '.join(map(str, self._folders))}.")
        return self._found

    @property
    def path(self) -> Path:
        """The file it is."""
        return self.folder / f"{_NAME}.sqlite"

    @property
    def _note(self) -> Path:
        return self.folder / f"{_NAME}.json"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Be the only process in the block that writes the index, however long another does."""
        with ExitStack() as held:
            while not self._locked(held):
                time.sleep(0.1)
            yield

    def _locked(self, held: ExitStack) -> bool:
        try:
            held.enter_context(exclusive(self.folder / f"{_NAME}.lock"))
        except OSError as error:
            if error.errno != errno.EDEADLK:  # which is how Windows says, after ten seconds, that another still has it
                raise
            return False
        return True

    # ------------------------------------------------------------------------------------------------------------ opening
    def opened(self, state: str) -> Index | None:
        """Return the index, in a transaction that reads, if it is whole and of a state of the lake; it is to be closed."""
        if not self._is_whole():
            return None
        connection = None
        try:
            connection = _connected(self.path, "ro")
            connection.execute("BEGIN")
            index = Index(connection)
            if index.noted("state") == state and index.noted("signature") == signature():
                return index
        except sqlite3.Error:  # another process is just making it, or it is none: a look under the lock will tell
            pass
        if connection is not None:
            connection.close()
        return None

    def _is_whole(self) -> bool:
        try:
            return bool(json.loads(self._note.read_bytes()) == _looks(self.path))
        except (OSError, ValueError):
            return False

    # ------------------------------------------------------------------------------------------------------------- making
    def write(self, state: str, follow: Callable[[Index], object]) -> None:
        """Bring the index up to a state of the lake, which ``follow`` does; one that is not whole is made from nothing.

        Raises:
            DiskFull: There is no room for it.
            LakeError: SQLite cannot search, or the index cannot be written.
        """
        require_fts5()
        if self._is_whole():
            with suppress(sqlite3.Error):
                self._write(state, follow)
                return
        self._discard()
        try:
            self._write(state, follow)
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
                raise DiskFull(f"No space left for the search index {self.path}. Make room and search again.") from error
            raise LakeError(f"The search index {self.path} could not be written: {error}.") from error

    def _write(self, state: str, follow: Callable[[Index], object]) -> None:
        """Bring the file up to a state in one transaction, and note how it looks then."""
        with closing(_connected(self.path, "rwc")) as connection:
            connection.execute("BEGIN EXCLUSIVE")
            index = Index(connection)
            made = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if made and index.noted("signature") != signature():
                raise sqlite3.DatabaseError("of another version")
            if not made:
                index.make()
            follow(index)
            index.note("state", state)
            connection.execute("COMMIT")
        self._note.write_text(json.dumps(_looks(self.path)))

    def _discard(self) -> None:
        """Take away the index: of what is not whole nothing is read, not even to mend it."""
        for name in (
            self._note.name,
            self.path.name,
            f"{self.path.name}-journal",
            f"{self.path.name}-wal",
            f"{self.path.name}-shm",
        ):
            try:
                (self.folder / name).unlink(missing_ok=True)
            except OSError as error:
                raise LakeError(
                    f"The search index {self.folder / name} cannot be replaced: {error.strerror or error}."
                ) from error


def folders_for(lake: Path, lake_id: str) -> list[Path]:
    """Return where the index of a lake may lie: in the lake; where that is read-only, in the user's cache."""
    name = hashlib.sha256(f"{lake_id} {lake}".encode()).hexdigest()[:32]
    return [lake / "cache", _users_cache() / "humeanalytics" / "search" / name]


def _users_cache() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _can_be_written(folder: Path) -> bool:
    """Return whether files can be made in a folder, which is made if need be."""
    try:
        if not folder.is_dir():
            folder.mkdir(parents=True, mode=0o700)
        with tempfile.TemporaryFile(dir=folder):
            pass
        tag = folder / "CACHEDIR.TAG"
        if not tag.exists():
            tag.write_bytes(_TAG)
    except OSError:
        return False
    return True


def _connected(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
    )
    connection.execute(f"PRAGMA mmap_size = {_MAPPED_BYTES}" if mode == "ro" else f"PRAGMA cache_size = -{_CACHED_KIB}")
    return connection


def _looks(path: Path) -> dict[str, int]:
    found = path.stat()
    return {"size_bytes": found.st_size, "modified_ns": found.st_mtime_ns}
