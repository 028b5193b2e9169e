"""Every answer of Hume's as it came, under ``raw/<api>/<kind>/``, with beside it what is needed to read it again.

A file is named by the sha256 of what it holds, so the same answer is kept once. It appears whole or not at all, and never
without its sidecar: tables can be rebuilt from here alone.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import socket
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, BinaryIO, Self

import pyarrow as pa

from humeanalytics.errors import UnreadableResponse, UsageError
from humeanalytics.lake.durable import create_file, make_folder, sync_all, sync_file, sync_folder, written_to
from humeanalytics.redaction import StreamRedactor, redact_bytes

_INCOMING = ".incoming"
_META = ".meta.json"
_WORD = re.compile(r"[a-z0-9][a-z0-9_.-]*")
_RESPONSE_ID = re.compile(r"[0-9a-f]{64}")
_OF_THE_TIME = frozenset(("received_at", "nth"))
_DEAD_S = 3600.0
_FORGOTTEN_S = 7 * 86400.0


@dataclass(frozen=True, slots=True)
class RawResponse:
    """One answer that is kept: ``path`` is under ``raw/``, ``size_bytes`` before compression."""

    response_id: str
    path: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class RawFile:
    """One answer as it lies there."""

    api: str
    kind: str
    response_id: str
    path: str


class RawStore:
    """The answers of one lake.

    >>> with lake.raw.writer("batch", "predictions") as writer:  # doctest: +SKIP
    ...     for chunk in download:
    ...         writer.write(chunk)
    ...     kept = writer.commit({"origin": "api.hume.ai", "hume_job_id": job_id})
    """

    def __init__(self, folder: Path, *, sync_later: bool = False) -> None:
        """Answers are on disk when they are committed; or, ``sync_later``, after `sync`: for those who can get them again."""
        self.folder = folder
        self._cleaned = False
        self._unsynced: list[Path] | None = [] if sync_later else None

    def writer(self, api: str, kind: str, suffix: str = "json", *, redact: bool = True) -> RawWriter:
        """Begin to keep one answer.

        Args:
            api: ``batch``, ``expression`` or ``evi``.
            kind: What it is, for example ``predictions``.
            suffix: Of the file name, without a dot.
            redact: Blank secrets as the bytes stream in, and compress. False for what is packed already (zip archives),
                which is kept byte for byte.
        """
        for word in (api, kind, suffix):
            if not _WORD.fullmatch(word):
                raise UsageError(f"{word!r} cannot be part of a file name under raw/: use a-z, 0-9, '_', '-' and '.'.")
        with written_to(self.folder):
            if not self._cleaned:
                self._cleaned = True
                self._remove_leftovers()
            make_folder(self.folder / _INCOMING)
            return RawWriter(self.folder, api, kind, suffix, redact, self._unsynced)

    def sync(self) -> None:
        """Wait until all that was committed is on disk."""
        if self._unsynced:
            with written_to(self.folder):
                sync_all(self._unsynced)
            self._unsynced.clear()

    def open(self, response: str) -> BinaryIO:
        """Return what is kept under a response id or a path below ``raw/``, decompressed, as a stream of bytes.

        Raises:
            UnreadableResponse: There is no such answer.
        """
        path = self.file(response)
        if path.suffix != ".zst":
            return path.open("rb")
        return io.BufferedReader(_Unpacked(path), 1 << 20)

    def file(self, response: str) -> Path:
        """Return the file of a response id or of a path below ``raw/``."""
        if not _RESPONSE_ID.fullmatch(response):
            path = self.folder / response
            if path.is_file() and path.resolve().is_relative_to(self.folder.resolve()):
                return path
        elif found := self._files_of(response):
            return found[0]
        raise UnreadableResponse(f"No answer {response} is kept under {self.folder}.", item=response)

    def metas(self, response_id: str) -> Sequence[dict[str, Any]]:
        """Return what was noted about an answer each time it came (twice, when two jobs gave the very same bytes)."""
        metas = [json.loads(path.read_bytes()) for path in self._of(response_id) if path.name.endswith(_META)]
        return sorted(metas, key=lambda meta: str(meta.get("received_at") or ""))

    def meta(self, response_id: str) -> dict[str, Any]:
        """Return what was noted about an answer the first time it came.

        Raises:
            UnreadableResponse: There is no such answer.
        """
        metas = self.metas(response_id)
        if not metas:
            raise UnreadableResponse(f"No answer {response_id} is kept under {self.folder}.", item=response_id)
        return metas[0]

    def list(self, api: str = "*", kind: str = "*") -> Iterator[RawFile]:
        """Return every answer that is kept, or those of one API or kind, in order of their paths."""
        for folder in sorted(self.folder.glob(f"{api}/{kind}/[0-9a-f][0-9a-f]")):
            for path in sorted(folder.iterdir()):
                response_id = path.name.partition(".")[0]
                if not path.name.endswith(_META) and _RESPONSE_ID.fullmatch(response_id):
                    relative = PurePosixPath(path.relative_to(self.folder))
                    yield RawFile(relative.parts[0], relative.parts[1], response_id, str(relative))

    def _files_of(self, response_id: str) -> tuple[Path, ...]:
        return tuple(sorted(path for path in self._of(response_id) if not path.name.endswith(_META)))

    def _of(self, response_id: str) -> Iterator[Path]:
        """Yield what lies there of an answer: in the one folder of its first digits that each API and kind has."""
        for kind in self.folder.glob("[!.]*/*"):
            with suppress(FileNotFoundError, NotADirectoryError):
                yield from (path for path in (kind / response_id[:2]).iterdir() if path.name.startswith(f"{response_id}."))

    def _remove_leftovers(self) -> None:
        """Remove what writers left that are surely gone: dead here for an hour, or untouched for a week anywhere."""
        incoming = self.folder / _INCOMING
        for path in incoming.iterdir() if incoming.is_dir() else ():
            host, _, rest = path.name.rpartition("@")
            try:
                untouched_s = time.time() - path.stat().st_mtime
            except FileNotFoundError:
                continue
            pid = rest.partition(".")[0]
            dead = host == socket.gethostname() and pid.isdecimal() and not _alive(int(pid))
            if untouched_s > _FORGOTTEN_S or (dead and untouched_s > _DEAD_S):
                path.unlink(missing_ok=True)


class _Unpacked(io.RawIOBase):
    """An answer as it was before it was compressed. What is broken by now is told as such."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stream = pa.CompressedInputStream(pa.OSFile(str(path)), "zstd")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        try:
            data = self._stream.read(len(buffer))
        except OSError as error:
            raise UnreadableResponse(f"{self._path} is broken: {error}.", item=str(self._path)) from error
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._stream.close()
        super().close()


class RawWriter:
    """One answer on its way to disk: `write` its bytes, then `commit`. Left without a commit, it leaves nothing behind."""

    def __init__(self, folder: Path, api: str, kind: str, suffix: str, redact: bool, unsynced: list[Path] | None = None) -> None:
        self._raw, self._unsynced = folder, unsynced
        self._api, self._kind = api, kind
        self._suffix = f"{suffix}.zst" if redact else suffix
        self._redactor = StreamRedactor() if redact else None
        self._sha256 = hashlib.sha256()
        self._size_bytes = 0
        self._temporary = folder / _INCOMING / f"{socket.gethostname()}@{os.getpid()}.{uuid.uuid4().hex}"
        file = pa.OSFile(str(self._temporary), "wb")
        self._sink = pa.CompressedOutputStream(file, "zstd") if redact else file
        self._done = False

    def write(self, data: bytes, text: bytes | None = None) -> None:
        """Take the next bytes.

        Args:
            data: The bytes.
            text: What of them could be a secret, as `StreamRedactor.feed` takes it.

        Raises:
            DiskFull: There is no room; nothing is kept.
            LakeError: Nothing can be written there.
        """
        self._put(self._redactor.feed(data, text) if self._redactor else data)

    def commit(self, meta: Mapping[str, Any] | None = None) -> RawResponse:
        """Put the answer on disk for good.

        Args:
            meta: What it takes to read the answer again without the ledger (origin, uri, hume_job_id, received_at,
                settings, members, ...), as JSON can hold it. It is on disk before the answer appears.

        Raises:
            DiskFull: There is no room; nothing is kept.
        """
        if self._redactor:
            self._put(self._redactor.finish())
        response_id = self._sha256.hexdigest()
        folder = self._raw / self._api / self._kind / response_id[:2]
        path = folder / f"{response_id}.{self._suffix}"
        with written_to(folder):
            self._sink.close()
            if self._unsynced is None:
                sync_file(self._temporary)
            make_folder(folder)
            self._note(path, response_id, dict(meta or {}))
            if _is_whole(path, self._temporary):
                self._temporary.unlink()
            else:
                self._temporary.replace(path)
                if self._unsynced is None:
                    sync_folder(folder)
                else:
                    self._unsynced.append(path)
        self._done = True
        return RawResponse(response_id, path.relative_to(self._raw).as_posix(), self._size_bytes)

    def _note(self, path: Path, response_id: str, meta: dict[str, Any]) -> None:
        # The same bytes may come from two jobs with other settings: each has a sidecar of its own. When it came, and as
        # which of several, is no difference, or every reading of one saved file would leave another.
        meta |= {"api": self._api, "kind": self._kind, "response_id": response_id, "size_bytes": self._size_bytes}
        meta["path"] = path.relative_to(self._raw).as_posix()
        encoded = redact_bytes(json.dumps(meta, sort_keys=True).encode())
        same = json.dumps({k: v for k, v in json.loads(encoded).items() if k not in _OF_THE_TIME}, sort_keys=True)
        name = f"{path.name}.{hashlib.sha256(same.encode()).hexdigest()[:12]}{_META}"
        sidecar = path.with_name(name)
        if create_file(sidecar, encoded, sync=self._unsynced is None) and self._unsynced is not None:
            self._unsynced.append(sidecar)

    def abort(self) -> None:
        """Drop what was written."""
        if not self._done:
            self._done = True
            with suppress(OSError):  # a full disk fails the flush; the file goes anyway
                self._sink.close()
            self._temporary.unlink(missing_ok=True)

    def _put(self, data: bytes) -> None:
        self._sha256.update(data)
        self._size_bytes += len(data)
        with written_to(self._temporary):
            self._sink.write(data)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.abort()


def _is_whole(path: Path, written: Path) -> bool:
    """Tell whether a file is there as it was written: a machine that stopped may have left its name with nothing in it."""
    try:
        return path.stat().st_size == written.stat().st_size
    except FileNotFoundError:
        return False


def _alive(pid: int) -> bool:
    if os.name == "nt":  # os.kill would end the process there; wait for the week to pass
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
