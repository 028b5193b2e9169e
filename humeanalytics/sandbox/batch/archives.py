"""Archives: told by their first bytes, read member by member."""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, Any, BinaryIO, cast

_MAGIC = {b"PK\x03\x04": "zip", b"PK\x05\x06": "zip", b"\x1f\x8b": "gz", b"BZh": "bz2", b"\xfd7zXZ\x00": "xz"}
_IN_MEMORY_BYTES = 8 << 20
#: A text longer than this is nobody's transcript.
_SIDECAR_BYTES = 1 << 20


class BrokenArchive(Exception):
    """The archive cannot be read, or holds more than may be."""


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an archive: its path inside, and how to get at its bytes."""

    path: str
    size_bytes: int
    _open: Callable[[], IO[bytes]]

    @contextmanager
    def content(self) -> Iterator[BinaryIO]:
        """Unpack the member to a temporary file.

        Raises:
            BrokenArchive: Its bytes are damaged or encrypted.
        """
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES) as unpacked:
            try:
                with self._open() as packed:
                    shutil.copyfileobj(packed, unpacked, 1 << 18)
            except Exception as error:  # damage can surface as nearly anything in these readers
                raise BrokenArchive(f"unable to extract file: {error}") from None
            unpacked.seek(0)
            yield cast(BinaryIO, unpacked)


def kind_of(file: BinaryIO) -> str | None:
    """Return ``zip``, ``gz``, ``bz2`` or ``xz``, or None for what is no archive."""
    file.seek(0)
    start = file.read(6)
    return next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), None)


@contextmanager
def opened(file: BinaryIO, kind: str, max_members: int, max_member_bytes: int) -> Iterator[list[Member]]:
    """Open an archive and yield its files in order; folders and links are left out.

    Raises:
        BrokenArchive: It is damaged, holds no tar, or more or larger files than may be.
    """
    file.seek(0)
    try:
        members, archive = _zip(file) if kind == "zip" else _tar(file, kind)
    except Exception as error:
        raise BrokenArchive(f"unable to extract archive: {error}") from None
    try:
        if len(members) > max_members:
            raise BrokenArchive(f"archive holds {len(members)} files; the maximum is {max_members}")
        for member in members:
            if member.size_bytes > max_member_bytes:
                raise BrokenArchive(f"{member.path} in the archive exceeds the maximum of {max_member_bytes} bytes")
        yield members
    finally:
        archive.close()


def _zip(file: BinaryIO) -> tuple[list[Member], Any]:
    archive = zipfile.ZipFile(file)
    infos = [info for info in archive.infolist() if not info.is_dir()]
    return [Member(info.filename, info.file_size, lambda info=info: archive.open(info)) for info in infos], archive  # type: ignore[misc]


_DECOMPRESS: dict[str, Callable[[BinaryIO], Any]] = {
    "gz": lambda file: gzip.GzipFile(fileobj=file),
    "bz2": bz2.BZ2File,
    "xz": lzma.LZMAFile,
}


def _tar(file: BinaryIO, kind: str) -> tuple[list[Member], Any]:
    archive = tarfile.open(fileobj=_DECOMPRESS[kind](file), mode="r:")  # noqa: SIM115

    def extract(info: tarfile.TarInfo) -> IO[bytes]:
        content = archive.extractfile(info)
        if content is None:
            raise tarfile.TarError(f"{info.name} is no file")
        return content

    infos = [info for info in archive.getmembers() if info.isreg()]
    return [Member(info.name.removeprefix("./"), info.size, lambda info=info: extract(info)) for info in infos], archive  # type: ignore[misc]


def sidecar_of(path: str, texts: dict[str, str]) -> str | None:
    """Return the transcript that lies beside a file: ``talk.wav.txt`` or ``talk.txt`` for ``talk.wav``.

    >>> sidecar_of("a/talk.wav", {"a/talk.txt": "Hello."})
    'Hello.'
    """
    if path in texts:
        return None
    return texts.get(f"{path}.txt") or texts.get(f"{PurePosixPath(path).parent / PurePosixPath(path).stem}.txt")


def read_sidecar(file: BinaryIO) -> str:
    """Return the text of a file that may be a transcript; nothing if it is none."""
    file.seek(0)
    data = file.read(_SIDECAR_BYTES + 1)
    try:
        return data.decode("utf-8-sig") if len(data) <= _SIDECAR_BYTES else ""
    except UnicodeDecodeError:
        return ""


def read_member_sidecar(member: Member) -> str:
    """Return the text of a file in an archive that may be a transcript; nothing if it is none."""
    try:
        with member.content() as content:
            return read_sidecar(content)
    except BrokenArchive:
        return ""
