"""Local files as they arrive: a multipart body, streamed into one file on disk."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import io
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from humeanalytics.sandbox.options import SandboxOptions


class InvalidUpload(Exception):
    """The body is no multipart form, or breaks a limit."""


@dataclass(frozen=True, slots=True)
class Upload:
    """One uploaded file: its name and type as sent, its sums, and where its bytes lie in the file of the upload."""

    filename: str
    content_type: str | None
    md5: str
    sha256: str
    offset_bytes: int
    size_bytes: int


@dataclass
class Form:
    """What a multipart body held: the ``json`` part if there was one, the files, names of parts nobody asked for."""

    json: bytes | None = None
    files: list[Upload] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


class _Receiver:
    """Takes the parser's events. A problem is remembered rather than raised: the body has to be read to its end."""

    def __init__(self, disk: BinaryIO, options: SandboxOptions) -> None:
        self.form = Form()
        self.problem: str | None = None
        self.ended = False
        self._disk = disk
        self._options = options
        self._written_bytes = 0

    def refuse(self, problem: str) -> None:
        """Note why the body cannot be taken; the first reason stays."""
        self.problem = self.problem or problem

    def on_part_begin(self) -> None:
        self._headers: dict[bytes, bytes] = {}
        self._header_name = self._header_value = b""
        self._part = ""
        self._size_bytes = 0
        self._value = bytearray()

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def on_header_end(self) -> None:
        self._headers[self._header_name.lower()] = self._header_value
        self._header_name = self._header_value = b""

    def on_headers_finished(self) -> None:
        _, given = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._part = _text(given.get(b"name", b""))
        self._filename = _text(given.get(b"filename", b"")) or "file"
        self._offset_bytes = self._written_bytes
        self._md5, self._sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
        if self._part == "file" and len(self.form.files) == self._options.max_files:
            self.refuse(f"more than {self._options.max_files} files; pack them into an archive")

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._size_bytes += end - start
        if self._part == "file":
            if self._size_bytes > self._options.max_file_bytes:
                self.refuse(f"file {self._filename!r} exceeds the maximum of {self._options.max_file_bytes} bytes")
            if self.problem is None:
                piece = memoryview(data)[start:end]
                self._md5.update(piece)
                self._sha256.update(piece)
                self._written_bytes += self._disk.write(piece)
        elif self._part == "json":
            if self._size_bytes > self._options.max_body_bytes:
                self.refuse(f"the json part exceeds the maximum of {self._options.max_body_bytes} bytes")
            if self.problem is None:
                self._value += data[start:end]

    def on_end(self) -> None:
        self.ended = True

    def on_part_end(self) -> None:
        if self._part == "json":
            self.form.json = bytes(self._value)
        elif self._part != "file":
            self.form.unknown.append(self._part)
        elif self.problem is None:
            content_type = self._headers.get(b"content-type")
            self.form.files.append(
                Upload(
                    self._filename,
                    _text(content_type) if content_type else None,
                    self._md5.hexdigest(),
                    self._sha256.hexdigest(),
                    self._offset_bytes,
                    self._size_bytes,
                )
            )


async def receive_form(content_type: str, body: AsyncIterator[bytes], path: Path, options: SandboxOptions) -> Form:
    """Read a multipart body; its files go one after the other into ``path``, which is on the disk when this returns.

    Raises:
        InvalidUpload: It is no multipart form, or breaks a limit.
    """
    _, given = parse_options_header(content_type)
    if not given.get(b"boundary"):
        raise InvalidUpload("multipart body without a boundary")
    with path.open("wb") as disk:
        receiver, broken = _Receiver(disk, options), False
        callbacks: Any = {name: getattr(receiver, name) for name in dir(receiver) if name.startswith("on_")}
        try:
            parser = MultipartParser(given[b"boundary"], callbacks)
        except FormParserError as error:
            raise InvalidUpload(f"broken multipart body: {error}") from None
        async for chunk in body:
            if not broken:
                try:
                    parser.write(chunk)
                except FormParserError as error:
                    broken = True
                    receiver.refuse(f"broken multipart body: {error}")
        if not receiver.ended:
            receiver.refuse("broken multipart body: it ends early")
        if receiver.problem is not None:
            raise InvalidUpload(receiver.problem)
        disk.flush()
        await asyncio.to_thread(os.fsync, disk.fileno())
    return receiver.form


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


class FilePart(io.RawIOBase):
    """One uploaded file, read from its place in the file of the upload."""

    def __init__(self, file: BinaryIO, offset_bytes: int, size_bytes: int) -> None:
        super().__init__()
        self._file, self._offset_bytes, self._size_bytes, self._at = file, offset_bytes, size_bytes, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size_bytes}[whence]
        if start + offset < 0:
            raise OSError(errno.EINVAL, "negative seek position")  # as real files do
        self._at = start + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        self._file.seek(self._offset_bytes + self._at)
        wanted = min(len(buffer), max(self._size_bytes - self._at, 0))
        data = self._file.read(wanted)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
