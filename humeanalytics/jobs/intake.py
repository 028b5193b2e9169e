"""Turn a source into a recording: read it once for its digest, look inside, hold it against Hume's limits."""

from __future__ import annotations

import os
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from humeanalytics import recordings
from humeanalytics.api.batch import LIMITS
from humeanalytics.errors import ItemError, LimitExceeded, UnreadableRecording
from humeanalytics.jobs.recorded_at import recorded_at
from humeanalytics.jobs.work import Problem, Recording, Source
from humeanalytics.media.probe import MediaFacts, probe

_MIB = 1_000_000


def take_in(source: Source, manifest_time: Callable[[Source], datetime | None] = lambda _: None) -> Recording | Problem:
    """Return what a source is, or why it cannot be scored. Never raises for the source's own faults."""
    try:
        if source.kind == "url":
            return _url(source, manifest_time(source))
        if source.kind == "text":
            return _text(source, source.text or "", manifest_time(source))
        return _file(source, manifest_time(source))
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
    name = unquote(PurePosixPath(urlsplit(source.uri).path).name) or source.uri
    when, how = recorded_at(name=name, manifest=manifest_time, media=None, modified=None)
    return _recording(source, recordings.url_id(source.uri), name, recordings.media_type_of(source.uri), when, how)


def _text(source: Source, text: str, manifest_time: datetime | None) -> Recording:
    _check_text_size(source)
    name = source.uri.rpartition("/")[2]
    when, how = recorded_at(name=name, manifest=manifest_time, media=None, modified=None)
    return _recording(source, recordings.text_recording_id(text), name, "text", when, how)


def _file(source: Source, manifest_time: datetime | None) -> Recording:
    path = Path(source.uri)
    facts = probe(path)
    before = path.stat()
    if facts.media_type == "text":
        _check_text_size(source)
        read_text(path)
    elif before.st_size > LIMITS.local_file_bytes:
        raise LimitExceeded(
            f"{path} has {before.st_size / _MIB:,.0f} MB; Hume takes local files up to {LIMITS.local_file_bytes / _MIB:,.0f} MB. "
            f"Give it by URL (up to {LIMITS.url_file_bytes / _MIB:,.0f} MB) or split it.",
            item=str(path),
        )
    if facts.duration_s is not None and facts.duration_s > LIMITS.media_duration_s:
        raise LimitExceeded(
            f"{path} lasts {facts.duration_s / 3600:.2f} h; Hume takes audio and video up to {LIMITS.media_duration_s / 3600:g} h. "
            "Split it.",
            item=str(path),
        )
    with path.open("rb") as stream:
        digest = recordings.digest(stream)
    after = path.stat()
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or digest.size_bytes != after.st_size:
        raise UnreadableRecording(f"{path} changed while it was read. It is taken up by the next run.", item=str(path))
    parts = _parts(path) if facts.media_type == "archive" else {}
    modified = datetime.fromtimestamp(after.st_mtime).astimezone()
    when, how = recorded_at(name=path.name, manifest=manifest_time, media=facts.recorded_at, modified=modified)
    return _recording(source, digest.sha256, path.name, facts.media_type, when, how, digest.md5, facts, parts)


def _recording(
    source: Source,
    recording_id: str,
    name: str,
    media_type: str | None,
    when: datetime | None,
    how: str | None,
    md5: str | None = None,
    facts: MediaFacts | None = None,
    parts: dict[str, str] | None = None,
) -> Recording:
    duration_s = facts.duration_s if facts is not None else None
    at = None if when is None else when.isoformat()
    return Recording(source, recording_id, name, media_type, md5, duration_s, at, how, parts or {})


def _check_text_size(source: Source) -> None:
    if source.size_bytes is not None and source.size_bytes > LIMITS.text_bytes:
        raise LimitExceeded(
            f"{source.uri} has {source.size_bytes / _MIB:,.0f} MB; Hume takes texts up to {LIMITS.text_bytes / _MIB:,.0f} MB.",
            item=source.uri,
        )


def _parts(path: Path) -> dict[str, str]:
    """Return inner path -> recording id of an archive's members, so that results of each can be told apart."""
    try:
        return {name: recordings.digest(stream).sha256 for name, stream in _members(path)}
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
