"""Files that are either there, whole and on disk, or not there at all, whatever kills the machine meanwhile."""

from __future__ import annotations

import errno
import os
import random
import sys
import time
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from humeanalytics.errors import DiskFull, LakeError

#: More are written to disk by one call: the system flushes more than them then, but does not wait for each.
_MANY_PATHS = 32
_FULL = {errno.ENOSPC, errno.EDQUOT}


@contextmanager
def disk_full_named(path: Path) -> Iterator[None]:
    """Turn the system's "no space left" (also as the Rust and C++ libraries put it) into `DiskFull`."""
    try:
        yield
    except DiskFull:
        raise
    except Exception as error:
        full = error.errno in _FULL if isinstance(error, OSError) and error.errno else "No space left on device" in str(error)
        if not full:
            raise
        raise DiskFull(
            f"No space left for {path}. Nothing is lost: make room and run the same command again.", uri=str(path)
        ) from error


@contextmanager
def written_to(path: Path) -> Iterator[None]:
    """Turn whatever the system has against writing to a place of the lake into an error that names it, not what was read."""
    try:
        with disk_full_named(path):
            yield
    except LakeError:
        raise
    except OSError as error:
        raise LakeError(f"{path} cannot be written to: {error.strerror or error}.", uri=str(path)) from error


def sync_file(path: Path) -> None:
    """Wait until the bytes of a file are on disk."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on disk. Windows has no such call and needs none."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make a folder and the parents it lacks, durably."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for new in reversed(missing):
        new.mkdir(exist_ok=True)
        sync_folder(new.parent)


def replace_file(path: Path, data: bytes) -> None:
    """Write a file in place of whatever was there; a reader sees the old one or the new one."""
    temporary = _write_beside(path, data)
    try:
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_all(paths: Collection[Path]) -> None:
    """Wait until many files, and their names, are on disk: where the system can, with one call for all of them."""
    if sys.platform == "linux" and len(paths) >= _MANY_PATHS:
        os.sync()
        return
    for path in paths:
        sync_file(path)
    for folder in {path.parent for path in paths}:
        sync_folder(folder)


def create_file(path: Path, data: bytes, *, sync: bool = True) -> bool:
    """Write a file unless there is one of that name; return whether this call made it. Of several at once one wins.

    Args:
        path: The file.
        data: What it shall hold.
        sync: Wait until it is on disk. Who says no sees to that later.
    """
    if path.exists():
        return False
    temporary = _write_beside(path, data, sync=sync)
    try:
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
        except OSError:  # a file system without hard links: the name may be taken between the check and the rename
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    if sync:
        sync_folder(path.parent)
    return True


def _write_beside(path: Path, data: bytes, *, sync: bool = True) -> Path:
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    with disk_full_named(path):
        try:
            with temporary.open("xb") as file:
                file.write(data)
                if sync:
                    file.flush()
                    os.fsync(file.fileno())
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    return temporary


def pause(attempt: int) -> None:
    """Wait before another attempt at something that others were at too: not before the first, then by chance ever longer."""
    if attempt:
        time.sleep(random.uniform(0, min(1.0, 0.02 * 2**attempt)))


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Be the only process in the block; the kernel lets go of the lock however the process ends."""
    with path.open("a+b") as file:
        if sys.platform == "win32":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
            try:
                yield
            finally:
                file.seek(0)
                msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
            yield
