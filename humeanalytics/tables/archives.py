"""Look into ZIP archives that anybody may have made: nothing is unpacked, and no member is read beyond a limit."""

from __future__ import annotations

import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import IO, BinaryIO

from humeanalytics.errors import NotHumeData, UnreadableResponse
from humeanalytics.tables.looks import looks_like

_BUFFER_BYTES = 1 << 20
#: What reading raises that is packed in a broken or odd way. (A `ValueError` too are pyarrow's errors and those of encodings, a
#: `RuntimeError` an unknown compression or a password that is missing.)
UNPACKING_ERRORS = (
    OSError,
    EOFError,
    RuntimeError,
    ValueError,
    OverflowError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)


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


class SavedZip:
    """A ZIP archive that anybody may have made, its directory looked at.

    Args:
        archive: The archive.
        name: What errors call it.
        limits: What it may hold.
    """

    def __init__(self, archive: zipfile.ZipFile, name: str, limits: Limits) -> None:
        self._archive = archive
        self._name = name
        self._limits = limits

    def infolist(self) -> list[zipfile.ZipInfo]:
        """Return what is in it."""
        return self._archive.infolist()

    def open(self, member: zipfile.ZipInfo, name: str = "") -> BinaryIO:
        """Open what is in it for reading; errors call that ``name``, or by the names of the archive and the member.

        Reading raises `UnreadableResponse` where the packing is broken or breaks a limit.
        """
        name = name or f"{self._name}: {member.filename}"
        return unpacked(partial(self._archive.open, member), name, self._limits, member.compress_size)

    def close(self) -> None:
        """Close the archive, which leaves the file open."""
        self._archive.close()


def open_zip(file: IO[bytes], name: str, limits: Limits) -> SavedZip:
    """Open an archive after a look at its directory.

    Args:
        file: The archive; it must be able to seek.
        name: What errors call it.
        limits: What it may hold.

    Raises:
        NotHumeData: It is no ZIP archive.
        UnreadableResponse: It is broken or breaks a limit.
    """
    try:
        archive = zipfile.ZipFile(file)
    except zipfile.BadZipFile as error:
        file.seek(0)
        head = file.read(512)
        if head.startswith(b"PK"):
            raise UnreadableResponse(f"{name}: the ZIP archive is broken: {error}.", item=name) from error
        raise NotHumeData(f"{name}: this is {looks_like(head)}, not a ZIP archive.", item=name) from error
    except UNPACKING_ERRORS as error:
        raise UnreadableResponse(f"{name}: the ZIP archive cannot be read: {error}.", item=name) from error
    _check(archive, name, limits)
    return SavedZip(archive, name, limits)


@contextmanager
def opened_zip(file: IO[bytes], name: str, limits: Limits) -> Iterator[SavedZip]:
    """Open an archive as `open_zip` does, and close it."""
    archive = open_zip(file, name, limits)
    try:
        yield archive
    finally:
        archive.close()


def unpacked(open_: Callable[[], IO[bytes]], item: str, limits: Limits, packed_bytes: int | None) -> BinaryIO:
    """Open what is packed somewhere, as a stream that explains what goes wrong and does not go beyond limits.

    Args:
        open_: Opens it at its beginning.
        item: What errors call it.
        limits: What holds for it.
        packed_bytes: How large it is, packed; None where that is not known.
    """
    return io.BufferedReader(_Unpacked(open_, item, limits, packed_bytes), _BUFFER_BYTES)


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


class _Unpacked(io.RawIOBase):
    """What is packed in a stream. Going back begins anew; more than a limit is an error, and so is what cannot be unpacked."""

    def __init__(self, open_: Callable[[], IO[bytes]], item: str, limits: Limits, packed_bytes: int | None) -> None:
        self._open = open_
        self._item = item
        self._limits = limits
        self._packed_bytes = packed_bytes
        self._stream: IO[bytes] | None = None
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        target = offset + (self._at if whence == io.SEEK_CUR else 0)
        if whence == io.SEEK_END or target < 0:
            raise io.UnsupportedOperation("only from the beginning")
        if target < self._at:
            self._stream, self._at = None, 0
        while self._at < target and self.read(min(target - self._at, _BUFFER_BYTES)):
            pass
        return self._at

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        try:
            self._stream = self._stream or self._open()
            data = self._stream.read(len(buffer))
        except UnreadableResponse:  # of what it is packed in
            raise
        except UNPACKING_ERRORS as error:
            raise UnreadableResponse(f"{self._item}: it cannot be unpacked: {error}.", item=self._item) from error
        self._at += len(data)
        self._check()
        buffer[: len(data)] = data
        return len(data)

    def _check(self) -> None:
        limits = self._limits
        if self._at > limits.member_bytes:
            size = f"more than the limit of {limits.member_bytes} bytes"
            raise UnreadableResponse(f"{self._item}: it unpacks to {size}.", item=self._item)
        if self._packed_bytes is not None and self._at > max(limits.free_bytes, limits.ratio * self._packed_bytes):
            what = f"it unpacks to more than {limits.ratio} times its size"
            raise UnreadableResponse(f"{self._item}: {what}: that is no honest archive.", item=self._item)


def leads_out(path: str) -> bool:
    """Tell whether a path in an archive would lead out of the folder it was unpacked in.

    >>> leads_out("../x"), leads_out("/etc/x"), leads_out("C:\\\\x"), leads_out("a/b..c/d")
    (True, True, True, False)
    """
    parts = path.replace("\\", "/").split("/")
    return ".." in parts or parts[0] == "" or ":" in parts[0][:2] or "\0" in path
