"""Look into ZIP archives that anybody may have made: nothing is unpacked, and no member is read beyond a limit."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from humeanalytics.errors import NotHumeData, UnreadableResponse
from humeanalytics.tables.looks import looks_like


@dataclass(frozen=True, slots=True)
class Limits:
    """How much an archive may hold before it counts as an attack.

    Attributes:
        members: How many files.
        member_bytes: How large one of them, unpacked.
        total_bytes: How large all of them, unpacked.
        ratio: How many times larger unpacked than packed, where that is more than ``free_bytes``. CSV and JSON of scores
            shrink to a third or a tenth.
        free_bytes: So much is fine whatever the ratio.
        held_bytes: How large a ZIP archive may be that is itself packed, and so has to be held in memory.
    """

    members: int = 200_000
    member_bytes: int = 2 << 30
    total_bytes: int = 32 << 30
    ratio: int = 100
    free_bytes: int = 64 << 20
    held_bytes: int = 256 << 20


def open_zip(file: IO[bytes], name: str, limits: Limits) -> zipfile.ZipFile:
    """Open an archive after a look at its directory.

    Args:
        file: The archive; it must be able to seek.
        name: What errors call it.
        limits: What it may hold.

    Raises:
        NotHumeData: It is no ZIP archive.
        UnreadableResponse: It is broken or breaks a limit.
    """
    with _explaining(file, name):
        archive = zipfile.ZipFile(file)
        _check(archive, name, limits)
    return archive


@contextmanager
def opened_zip(file: IO[bytes], name: str, limits: Limits) -> Iterator[zipfile.ZipFile]:
    """Open an archive as `open_zip` does, explain also what goes wrong while it is read, and close it."""
    with open_zip(file, name, limits) as archive, _explaining(file, name):
        yield archive


@contextmanager
def _explaining(file: IO[bytes], name: str) -> Iterator[None]:
    try:
        yield
    except zipfile.BadZipFile as error:
        file.seek(0)
        head = file.read(512)
        if head.startswith(b"PK"):
            raise UnreadableResponse(f"{name}: the ZIP archive is broken: {error}.", item=name) from error
        raise NotHumeData(f"{name}: this is {looks_like(head)}, not a ZIP archive.", item=name) from error
    except (zlib.error, EOFError, NotImplementedError, RuntimeError, OverflowError) as error:
        # zipfile says RuntimeError where a password is needed, NotImplementedError of a compression it does not know.
        raise UnreadableResponse(f"{name}: the ZIP archive cannot be read: {error}.", item=name) from error


def _check(archive: zipfile.ZipFile, name: str, limits: Limits) -> None:
    members = archive.infolist()
    if len(members) > limits.members:
        raise UnreadableResponse(f"{name}: {len(members)} files are in it, more than the limit of {limits.members}.", item=name)
    for member in members:
        if leads_out(member.filename):
            raise UnreadableResponse(f"{name}: the path {member.filename!r} in it leads out of it.", item=name)
        if member.file_size > limits.member_bytes:
            size = f"{member.file_size} bytes, more than the limit of {limits.member_bytes}"
            raise UnreadableResponse(f"{name}: {member.filename} in it has {size}.", item=name)
        _check_ratio(member.file_size, member.compress_size, f"{name}: {member.filename}", name, limits)
    total, packed = sum(member.file_size for member in members), sum(member.compress_size for member in members)
    if total > limits.total_bytes:
        raise UnreadableResponse(f"{name}: it unpacks to {total} bytes, more than the limit of {limits.total_bytes}.", item=name)
    if archive.fp is not None:  # members that overlap are packed once and unpacked many times
        archive.fp.seek(0, 2)
        packed = min(packed, archive.fp.tell())
    _check_ratio(total, packed, name, name, limits)


def _check_ratio(size: int, packed: int, what: str, name: str, limits: Limits) -> None:
    if size > limits.free_bytes and size > limits.ratio * packed:
        raise UnreadableResponse(f"{what} unpacks to {size} bytes from {packed}: that is no honest archive.", item=name)


def leads_out(path: str) -> bool:
    """Tell whether a path in an archive would lead out of the folder it was unpacked in.

    >>> leads_out("../x"), leads_out("/etc/x"), leads_out("C:\\\\x"), leads_out("a/b..c/d")
    (True, True, True, False)
    """
    parts = path.replace("\\", "/").split("/")
    return ".." in parts or parts[0] == "" or ":" in parts[0][:2] or "\0" in path
