"""Find saved answers of Hume's: files of any name, and folders that artifacts were extracted to. Opens none of them."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Collection, Iterable, Iterator

import msgspec

from humeanalytics.errors import UsageError
from humeanalytics.tables.artifacts import artifacts_root

_INODE_MASK = (1 << 63) - 1


class SavedInput(msgspec.Struct, frozen=True, gc=False):
    """One thing that was saved.

    Attributes:
        path: Its absolute path: a file, or the folder that artifacts were extracted to.
        uri: That path as tables show it.
        csvs: Of such a folder, the paths of its CSVs below it, with ``/`` between folders; of a file, none.
        size_bytes: Its size; of a folder, of all its CSVs.
        mtime_ns: When it was last changed; of a folder, the last of its CSVs.
        inode: The file's; of a folder, how many CSVs it has.
    """

    path: str
    uri: str
    csvs: tuple[str, ...]
    size_bytes: int
    mtime_ns: int
    inode: int


def find_saved(inputs: Iterable[str | os.PathLike[str]], *, leave: Collection[str] = ()) -> list[SavedInput]:
    """Return what some inputs name, each once, the oldest first: of several answers the newest will hold.

    Args:
        inputs: Files, folders (searched through, without hidden files and lakes) and glob patterns.
        leave: Absolute paths of files and folders that are no answers, whatever folder they lie in.

    Raises:
        UsageError: An input names nothing.
    """
    given: dict[str, os.stat_result | None] = {}
    for each in inputs:
        given.update(_named(os.fspath(each), leave))
    files: list[SavedInput] = []
    folders: dict[str, dict[str, os.stat_result]] = {}
    for path, facts in given.items():
        root = artifacts_root(path.replace(os.sep, "/")) if path.lower().endswith(".csv") else None
        if root is None or facts is None:
            files.append(_file(path, facts))
        else:
            folders.setdefault(root, {})[path.replace(os.sep, "/").removeprefix(f"{root}/")] = facts
    found = files + [_folder(root, csvs) for root, csvs in folders.items()]
    return sorted(found, key=lambda each: (each.mtime_ns, bool(each.csvs), not each.uri.lower().endswith(".json"), each.uri))


def _file(path: str, facts: os.stat_result | None) -> SavedInput:
    if facts is None:  # fails with its reason when it is read
        return SavedInput(path, shown(path), (), 0, 0, 0)
    return SavedInput(path, shown(path), (), facts.st_size, facts.st_mtime_ns, facts.st_ino & _INODE_MASK)


def _folder(root: str, csvs: dict[str, os.stat_result]) -> SavedInput:
    size_bytes, mtime_ns = sum(s.st_size for s in csvs.values()), max(s.st_mtime_ns for s in csvs.values())
    path = root.replace("/", os.sep) or os.sep
    return SavedInput(path, shown(path), tuple(sorted(csvs)), size_bytes, mtime_ns, len(csvs))


def shown(path: str) -> str:
    """Return a path as text that every table can hold: names of files may be bytes that are no text.

    >>> shown("/data/caf\\udce9.json")
    '/data/caf\\\\xe9.json'
    """
    return os.fsencode(path).decode("utf-8", "backslashreplace") if not path.isascii() else path


def _named(given: str, leave: Collection[str]) -> Iterator[tuple[str, os.stat_result | None]]:
    path = os.path.abspath(os.path.expanduser(given))  # noqa: PTH100, PTH111 - str paths: a walk over 100,000 files
    if os.path.isdir(path):  # noqa: PTH112
        yield from _walk(path, leave)
    elif os.path.lexists(path):
        yield path, _facts(path)
    else:
        found = sorted(glob.glob(path, recursive=True))  # noqa: PTH207
        if not found:
            raise UsageError(f"There is no file or folder {given!r}.")
        for match in found:
            if os.path.isdir(match):  # noqa: PTH112
                yield from _walk(match, leave)
            else:
                yield match, _facts(match)


def _walk(folder: str, leave: Collection[str]) -> Iterator[tuple[str, os.stat_result | None]]:
    """Yield the files below a folder. Links to folders are not followed: they may lead round in a circle."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        yield folder, None
        return
    if any(entry.name == "lake.json" for entry in entries):
        return
    for entry in entries:
        if entry.name.startswith((".", "~$")) or entry.path in leave:
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path, leave)
        else:
            yield entry.path, _facts(entry.path)


def _facts(path: str) -> os.stat_result | None:
    try:
        facts = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return facts if stat.S_ISREG(facts.st_mode) else None
