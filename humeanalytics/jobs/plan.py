"""Group recordings into jobs within Hume's limits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from humeanalytics.api.batch import LIMITS
from humeanalytics.jobs.work import Kind, Recording, Work
from humeanalytics.settings import Settings
from humeanalytics.vocabulary import MODELS


def kind_of(recording: Recording) -> Kind:
    """How a recording travels: texts in the request itself, files as uploads, URLs as they are."""
    if recording.source.kind == "file" and recording.media_type == "text":
        return "text"
    return recording.source.kind


#: Media type -> the models, of v0 and v1, that can answer for it. Hume answers nothing for others, and bills them all the same.
_ANSWERED_BY: dict[str, frozenset[str]] = {
    "text": frozenset({"language", "ner"}),
    "image": frozenset({"face", "facemesh", "video"}),
    "audio": frozenset({"prosody", "burst", "language", "ner", "audio"}),
    "archive": frozenset(MODELS),
}


def suits(media_type: str | None, models: Iterable[str]) -> bool:
    """Return whether any of some models can answer for a recording of this type.

    >>> suits("text", ["prosody"]), suits("text", ["prosody", "language"]), suits("video", ["face"])
    (False, True, True)
    """
    able = _ANSWERED_BY.get(media_type or "")
    return able is None or not able.isdisjoint(models)


def work_of(recording: Recording, position: int) -> Work:
    """Return the work one recording is, at a position of its job."""
    kind = kind_of(recording)
    return Work(
        position,
        kind,
        recording.recording_id,
        recording.source.uri,
        recording.name,
        recording.md5,
        recording.source.size_bytes,
        recording.media_type,
        recording.duration_s,
        recording.parts,
    )


#: The answer to one upload is lost whole: more photos together would be more in doubt, and no cheaper.
PHOTOS_IN_A_JOB = 300


@dataclass
class _Group:
    recordings: list[Recording] = field(default_factory=list)
    size_bytes: int = 0


class Groups(Protocol):
    """Collects recordings and gives back groups, each what one job holds."""

    def add(self, recording: Recording) -> Iterator[list[Recording]]:
        """Take one recording; yield the group it completes, if it does."""

    def rest(self) -> Iterator[list[Recording]]:
        """Yield the groups that are not full."""


class AloneOrPhotos:
    """The groups of v1: a recording is a job of its own, but for photos, of which one costs as much as thirty."""

    def __init__(self) -> None:
        self._photos: list[Recording] = []
        self._seen: set[str] = set()

    def add(self, recording: Recording) -> Iterator[list[Recording]]:
        """Take one recording; yield the group it completes, if it does."""
        if recording.recording_id in self._seen:
            return
        self._seen.add(recording.recording_id)
        if recording.media_type != "image":
            yield [recording]
            return
        self._photos.append(recording)
        if len(self._photos) >= PHOTOS_IN_A_JOB:
            yield from self.rest()

    def rest(self) -> Iterator[list[Recording]]:
        """Yield the photos that are not a full job."""
        if self._photos:
            photos, self._photos = self._photos, []
            yield photos


class Grouping:
    """Collects recordings and gives back whole groups, each what one job may hold.

    Kinds are not mixed, and a recording occurs once however many items it has. Uploads are grouped up to
    ``settings.job_size_bytes`` together, so that a lost answer never leaves much in doubt.
    """

    def __init__(self, settings: Settings) -> None:
        self._limit_bytes: dict[Kind, int] = {
            "file": settings.job_size_bytes,
            "text": settings.job_size_bytes,
            "url": 1 << 62,
        }
        self._limit_count: dict[Kind, int] = {
            "file": min(settings.files_per_job, LIMITS.files_per_job),
            "text": min(settings.files_per_job, LIMITS.texts_per_job),
            "url": min(settings.files_per_job, LIMITS.urls_per_job),
        }
        self._open: dict[Kind, _Group] = {}
        self._seen: set[str] = set()

    def add(self, recording: Recording) -> Iterator[list[Recording]]:
        """Take one recording; yield the group it completes, if it does."""
        if recording.recording_id in self._seen:
            return
        self._seen.add(recording.recording_id)
        kind = kind_of(recording)
        size_bytes = recording.source.size_bytes or 0
        group = self._open.setdefault(kind, _Group())
        if group.recordings and group.size_bytes + size_bytes > self._limit_bytes[kind]:
            yield self._open.pop(kind).recordings
            group = self._open.setdefault(kind, _Group())
        group.recordings.append(recording)
        group.size_bytes += size_bytes
        if len(group.recordings) >= self._limit_count[kind]:
            yield self._open.pop(kind).recordings

    def rest(self) -> Iterator[list[Recording]]:
        """Yield the groups that are not full."""
        while self._open:
            yield self._open.popitem()[1].recordings
