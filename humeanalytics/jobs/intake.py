"""Turn a source into a recording: read it once for its digest, look inside, hold it against Hume's limits."""

from __future__ import annotations

import hashlib
import os
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from humeanalytics import recordings
from humeanalytics.api.batch import LIMITS, BatchLimits
from humeanalytics.errors import ItemError, LimitExceeded, UnreadableRecording
from humeanalytics.jobs.recorded_at import recorded_at
from humeanalytics.jobs.work import Problem, Recording, Source, name_of
from humeanalytics.media.probe import probe

_MB = 1_000_000
#: More than a hundredfold of what may be uploaded: no archive of media, which hardly compress.
_ARCHIVE_UNPACKED_BYTES = 20_000_000_000


def take_in(
    source: Source, manifest_time: Callable[[Source], datetime | None] = lambda _: None, *, limits: BatchLimits | None = LIMITS
) -> Recording | Problem:
    """Return what a source is, or why it cannot be scored. Never raises for the source's own faults.

    ``limits`` are those of v0, or None for v1, whose uploads are made to fit whatever the recording is.
    """
    try:
        if source.kind == "url":
            return _url(source, manifest_time(source))
        if source.kind == "text":
            return _text(source, source.text or "", manifest_time(source))
        return _file(source, manifest_time(source), limits)
    except ItemError as error:
        return Problem(source, type(error).__name__, str(error))
    except OSError as error:
        return Problem(source, "UnreadableRecording", f"{source.uri} cannot be read: {error.strerror or error}.")


def read_text(path: Path) -> str:
    """Return the text of a ``.txt`` file, which is UTF-8 with or without a byte order mark.

    Raises:
        UnreadableRecording: It is something else, or empty.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableRecording(
            f"{path} is not UTF-8 text: byte {error.start} is {error.object[error.start]:#04x}. Save it as UTF-8.", item=str(path)
        ) from None
    if not text.strip():
        raise UnreadableRecording(f"{path} holds no text.", item=str(path))
    return text


def _url(source: Source, manifest_time: datetime | None) -> Recording:
    name = name_of(source.uri)
    when, how = recorded_at(name=name, manifest=manifest_time, media=None, modified=None)
    media_type = recordings.media_type_of(source.uri)
    return Recording(source, recordings.url_id(source.uri), name, media_type, None, None, _iso(when), how)


def _text(source: Source, text: str, manifest_time: datetime | None) -> Recording:
    _check_text_size(source)
    name = name_of(source.uri)
    when, how = recorded_at(name=name, manifest=manifest_time, media=None, modified=None)
    return Recording(source, recordings.text_recording_id(text), name, "text", text_md5(text), None, _iso(when), how)


def text_md5(text: str) -> str:
    """Return the md5 sum by which a text that was sent is known again."""
    return hashlib.md5(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()


def _iso(when: datetime | None) -> str | None:
    return None if when is None else when.isoformat()


def _file(source: Source, manifest_time: datetime | None, limits: BatchLimits | None) -> Recording:
    path = Path(source.uri)
    before, sent_md5 = path.stat(), None
    if path.suffix.lower() != ".txt":
        _check(path, limits, size_bytes=before.st_size)
    facts = probe(path)
    if facts.media_type == "text":
        _check_text_size(source)
        sent_md5 = text_md5(read_text(path))
    _check(path, limits, duration_s=facts.duration_s)
    with path.open("rb") as stream:
        digest = recordings.digest(stream)
    after = path.stat()
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or digest.size_bytes != after.st_size:
        raise UnreadableRecording(f"{path} changed while it was read. It is taken up by the next run.", item=str(path))
    parts = _parts(path) if facts.media_type == "archive" else {}
    modified = datetime.fromtimestamp(after.st_mtime).astimezone()
    when, how = recorded_at(name=path.name, manifest=manifest_time, media=facts.recorded_at, modified=modified)
    md5 = sent_md5 or digest.md5
    return Recording(source, digest.sha256, path.name, facts.media_type, md5, facts.duration_s, _iso(when), how, parts)


def beyond_limits(recording: Recording, limits: BatchLimits | None) -> Problem | None:
    """Return why a recording that is known from another API cannot be scored within these limits; None if it can."""
    source = recording.source
    if source.kind == "file" and recording.media_type != "text":
        try:
            _check(Path(source.uri), limits, size_bytes=source.size_bytes, duration_s=recording.duration_s)
        except LimitExceeded as error:
            return Problem(source, "LimitExceeded", str(error))
    return None


def _check(path: Path, limits: BatchLimits | None, *, size_bytes: int | None = None, duration_s: float | None = None) -> None:
    if limits is None:
        return
    if size_bytes is not None and size_bytes > limits.file_size_bytes:
        raise LimitExceeded(
            f"{path} has {size_bytes / _MB:,.0f} MB; Hume takes local files up to {limits.file_size_bytes / _MB:,.0f} MB. "
            f"Give it by URL (up to {limits.url_size_bytes / _MB:,.0f} MB) or split it.",
            item=str(path),
        )
    if duration_s is not None and duration_s > limits.duration_s:
        raise LimitExceeded(
            f"{path} lasts {duration_s / 3600:.2f} h; Hume takes audio and video up to {limits.duration_s / 3600:g} h. Split it.",
            item=str(path),
        )


def _check_text_size(source: Source) -> None:
    if source.size_bytes is not None and source.size_bytes > LIMITS.text_size_bytes:
        raise LimitExceeded(
            f"{source.uri} has {source.size_bytes / _MB:,.0f} MB; Hume takes texts up to {LIMITS.text_size_bytes / _MB:,.0f} MB.",
            item=source.uri,
        )


def _parts(path: Path) -> dict[str, str]:
    """Return inner path -> recording id of an archive's members, so that results of each can be told apart."""
    parts: dict[str, str] = {}
    size_bytes = 0
    try:
        for name, stream in _members(path):
            digest = recordings.digest(stream)
            parts[name] = digest.sha256
            size_bytes += digest.size_bytes
            if size_bytes > _ARCHIVE_UNPACKED_BYTES:
                raise LimitExceeded(
                    f"{path} unpacks to more than {_ARCHIVE_UNPACKED_BYTES / _MB:,.0f} MB. Unpack it and score the folder.",
                    item=str(path),
                )
        return parts
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise UnreadableRecording(f"{path} is a broken or encrypted archive: {error}.", item=str(path)) from error


def _members(path: Path) -> Iterator[tuple[str, BinaryIO]]:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if not info.is_dir():
                    with archive.open(info) as stream:
                        yield info.filename, stream  # type: ignore[misc]
        return
    with tarfile.open(path) as tar:
        for member in tar:
            if member.isfile() and (extracted := tar.extractfile(member)) is not None:
                with closing(extracted) as stream:
                    yield os.path.normpath(member.name), stream  # type: ignore[misc]
