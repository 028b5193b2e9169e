"""What recordings hold, at the moment they are sent: files opened, texts read, signed URLs kept in memory only."""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from humeanalytics.api.bodies import Upload
from humeanalytics.errors import UnreadableRecording
from humeanalytics.jobs.intake import read_text
from humeanalytics.jobs.ledger import Ledger
from humeanalytics.jobs.work import Recording, Source, Work
from humeanalytics.recordings import text_recording_id, url_id
from humeanalytics.redaction import without_signature


class Contents:
    """Gives what a work holds. Signed URLs and rows of text tables are known only if this run was given them."""

    def __init__(self, sources: Iterable[Source]) -> None:
        self._urls: dict[str, str] = {}
        self._texts: dict[str, str] = {}
        self._stats: dict[str, tuple[int | None, int | None]] = {}
        for source in sources:
            if source.kind == "url" and source.sent_uri:
                self._urls[url_id(source.uri)] = source.sent_uri
            elif source.text is not None:
                self._texts[text_recording_id(source.text)] = source.text

    def add(self, recordings: Iterable[Recording]) -> None:
        """Learn how files that are about to be sent looked when they were read."""
        for recording in recordings:
            source = recording.source
            if source.kind == "file":
                self._stats[recording.recording_id] = (source.size_bytes, source.mtime_ns)

    def at_hand(self, works: Sequence[Work]) -> bool:
        """Whether this run could send all of these."""
        return all(
            work.kind == "file"
            or work.recording_id in self._urls
            or work.recording_id in self._texts
            or (work.kind == "text" and work.uri.lower().endswith(".txt"))
            for work in works
        )

    def unusable(self, works: Sequence[Work]) -> dict[int, str]:
        """Return why some works cannot be sent any more, by position: the file is gone, or is not what it was."""
        reasons: dict[int, str] = {}
        for work in works:
            if work.kind == "url" or work.recording_id in self._texts:
                continue
            try:
                facts = Path(work.uri).stat()
            except OSError as error:
                reasons[work.position] = f"{work.uri} can no longer be read: {error.strerror}."
                continue
            size_bytes, mtime_ns = self._stats.get(work.recording_id, (work.size_bytes, None))
            if facts.st_size != size_bytes or (mtime_ns is not None and facts.st_mtime_ns != mtime_ns):
                reasons[work.position] = f"{work.uri} changed after it was read. The next run takes it up as it is now."
        return reasons

    def upload(self, work: Work) -> Upload:
        """Return a file as the API client takes it; it is opened when its turn comes."""
        size_bytes = work.size_bytes
        assert size_bytes is not None
        content_type = mimetypes.guess_type(work.sent_name)[0] or "application/octet-stream"
        return Upload(name=work.sent_name, size_bytes=size_bytes, content_type=content_type, open=partial(_open, work.uri))

    def url(self, work: Work) -> str:
        """Return a URL with whatever signature this run was given for it."""
        return self._urls[work.recording_id]

    def text(self, work: Work) -> str:
        """Return a text."""
        known = self._texts.get(work.recording_id)
        return read_text(Path(work.uri)) if known is None else known

    @staticmethod
    def meta(ledger: Ledger, job_id: str) -> dict[str, Any]:
        """Return what must stand beside an answer under raw/ so that tables can be rebuilt without the ledger."""
        job = ledger.job(job_id)
        works = [
            {
                "position": work.position,
                "kind": work.kind,
                "recording_id": work.recording_id,
                "uri": without_signature(work.uri) if work.kind == "url" else work.uri,
                "sent_name": work.sent_name,
                "md5": work.md5,
                "size_bytes": work.size_bytes,
                "media_type": work.media_type,
                "duration_s": work.duration_s,
                "parts": dict(work.parts),
            }
            for work in ledger.works(job_id)
        ]
        return {
            "job_id": job_id,
            "settings_id": job.settings_id,
            "settings": json.loads(ledger.settings_json(job.settings_id)),
            "works": works,
        }


def _open(uri: str) -> BinaryIO:
    try:
        return Path(uri).open("rb")
    except OSError as error:
        raise UnreadableRecording(f"{uri} can no longer be read: {error.strerror}.", item=uri) from error
