"""Open what was saved: files, packed or not, and folders of CSVs, each as the payloads in it."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import IO, BinaryIO

from humeanalytics.errors import UnreadableResponse
from humeanalytics.jobs.saved_inputs import SavedInput, shown
from humeanalytics.lake.durable import disk_full_named
from humeanalytics.settings import Settings
from humeanalytics.tables.archives import Limits, opened_zip
from humeanalytics.tables.artifacts import is_artifact
from humeanalytics.tables.saved import SavedPart, saved_parts

_CHUNK_BYTES = 1 << 20
#: What is packed is unpacked once and held if it is not larger, else unpacked each time it is read.
_HELD_BYTES = 32 << 20
#: Of members of archives made here: the earliest time that ZIP knows.
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


def limits_of(settings: Settings) -> Limits:
    """Return what archives may hold, as the settings say."""
    return Limits(
        members=settings.archive_members,
        member_bytes=settings.archive_member_bytes,
        total_bytes=settings.archive_total_bytes,
        ratio=settings.archive_ratio,
    )


@contextmanager
def opened_parts(saved: SavedInput, limits: Limits) -> Iterator[Iterator[SavedPart]]:
    """Open a saved input for as long as the payloads in it are needed.

    Raises:
        OSError: It cannot be read.
        UnreadableResponse: It is packed and broken, beyond a limit, or no plain file.
        DiskFull: There is no room for temporary files.
    """
    with ExitStack() as stack:
        if saved.csvs:
            file: BinaryIO = stack.enter_context(tempfile.TemporaryFile())
            pack(file, ((shown(csv), partial(_open, Path(saved.path, csv))) for csv in saved.csvs))
        else:
            path = Path(saved.path)
            mode = path.stat().st_mode
            if stat.S_ISDIR(mode):  # it could not be looked into when files were searched for: this says why
                os.scandir(path).close()
            if not stat.S_ISREG(mode):
                raise UnreadableResponse(f"{saved.uri} is no plain file.", item=saved.uri)
            file = stack.enter_context(path.open("rb"))
        yield saved_parts(file, name=saved.uri, limits=limits)


def uri_of_part(uri: str, part: SavedPart) -> str:
    """Return what tables call a payload: the file it was read from, and behind ``!/`` the member."""
    return f"{uri}!/{part.member}" if part.member else uri


def is_hidden(path: str) -> bool:
    """Tell whether a path in an archive is one that people do not see: what a system puts beside their files.

    >>> is_hidden("__MACOSX/day 1/._a.json"), is_hidden("day 1/.DS_Store"), is_hidden("day 1/a.json")
    (True, True, False)
    """
    return any(part.startswith(".") or part == "__MACOSX" for part in path.replace("\\", "/").replace("!", "/").split("/"))


def kept_part(stream: BinaryIO, path: str, uri: str) -> SavedPart:
    """Return the payload that is kept under a path below raw/ and was read from ``uri``. It was no attack then.

    Raises:
        UnreadableResponse: It cannot be read.
    """
    file: BinaryIO = stream if path.endswith(".zip") else io.BytesIO(stream.read())
    anything = Limits(members=2**31, member_bytes=2**50, total_bytes=2**50, ratio=2**31)
    name = uri if path.startswith("batch/artifact_csv/") else path
    return next(iter(saved_parts(file, name=name, limits=anything)))


def held(part: SavedPart) -> SavedPart:
    """Return a packed part so that it is unpacked once only, if it is not too large to be held."""
    with part.open() as stream:
        if not isinstance(stream, io.BufferedReader):
            return part  # it lies in the file as it is
        data = stream.read(_HELD_BYTES + 1)
    return part if len(data) > _HELD_BYTES else replace(part, open=partial(io.BytesIO, data))


def digest_of(part: SavedPart) -> tuple[str, int]:
    """Return the sha256 of a payload, unpacked, and its size in bytes.

    Raises:
        UnreadableResponse: It cannot be unpacked.
    """
    sha256, size_bytes = hashlib.sha256(), 0
    with part.open() as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            sha256.update(chunk)
            size_bytes += len(chunk)
    return sha256.hexdigest(), size_bytes


@contextmanager
def only_csvs(part: SavedPart) -> Iterator[IO[bytes]]:
    """Open an archive of artifacts, without what else is in it: that may be anything, secrets too."""
    with part.open() as stream, opened_zip(stream, part.name, part.limits) as archive:
        members = [member for member in archive.infolist() if not member.is_dir()]
        if all(is_artifact(member.filename) for member in members):
            with part.open() as whole:
                yield whole
            return
        with tempfile.TemporaryFile() as packed:
            csvs = (member for member in members if is_artifact(member.filename))
            pack(packed, ((member.filename, partial(archive.open, member)) for member in csvs))
            packed.seek(0)
            yield packed


def pack(packed: IO[bytes], files: Iterable[tuple[str, Callable[[], IO[bytes]]]]) -> None:
    """Put files into a ZIP archive that is the same, byte for byte, whenever and wherever that is done."""
    with disk_full_named(Path(tempfile.gettempdir())), zipfile.ZipFile(packed, "w") as archive:
        for path, open_ in files:
            member = zipfile.ZipInfo(path, _ZIP_TIME)
            member.compress_type = zipfile.ZIP_DEFLATED
            with open_() as source, archive.open(member, "w", force_zip64=True) as target:
                shutil.copyfileobj(source, target, _CHUNK_BYTES)


def _open(path: Path) -> BinaryIO:
    return path.open("rb")
