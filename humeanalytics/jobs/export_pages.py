"""Pages of EVI's history on their way to the disk: kept as they came, and held until their chats are loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from humeanalytics.jobs.bookkeeping import Row
from humeanalytics.lake.raw import RawResponse, RawStore, RawWriter
from humeanalytics.redaction import may_hold_secrets, redact_inner_fields

API = "evi"


@dataclass(frozen=True, slots=True)
class KeptPage:
    """One page as it came, and where it is kept; ``is_clean``: nothing in it can be a secret."""

    kind: str
    uri: str
    data: bytes
    is_clean: bool
    kept: RawResponse
    seen_at: datetime

    def response_row(self, origin: str) -> Row:
        return {
            "response_id": self.kept.response_id,
            "api": API,
            "origin": origin,
            "kind": self.kind,
            "uri": self.uri,
            "hume_job_id": None,
            "size_bytes": self.kept.size_bytes,
            "received_at": self.seen_at,
            "raw_path": self.kept.path,
        }


class PageSink:
    """A `Sink` that keeps one page under raw/ and hands it on."""

    def __init__(self, writer: RawWriter, meta: Mapping[str, Any], take: Callable[[bytes, bool, RawResponse], None]) -> None:
        self._writer, self._meta, self._take = writer, meta, take
        self._data: list[bytes] = []

    def write(self, data: bytes) -> None:
        self._data.append(data)

    def commit(self) -> None:
        data = b"".join(self._data)  # pages are small: nothing is cut in the middle of a field
        is_clean = not may_hold_secrets(data)
        if not is_clean:
            data = redact_inner_fields(data)
        self._writer.write(data, b"" if is_clean else None)
        self._take(data, is_clean, self._writer.commit(self._meta))

    def abort(self) -> None:
        self._writer.abort()


@dataclass
class PageKeeper:
    """Keeps pages under raw/ and remembers what it kept.

    Args:
        raw: Where. Of a store that syncs later, `RawStore.sync` is for whoever loads the pages.
        origin: Who gave them.
        now: The service's time.
    """

    raw: RawStore
    origin: str
    now: Callable[[], datetime]
    pages: list[KeptPage] = field(default_factory=list)

    def sink(self, kind: str, uri: str) -> PageSink:
        """Return the sink of one page."""
        seen_at = self.now()

        def take(data: bytes, is_clean: bool, kept: RawResponse) -> None:
            self.pages.append(KeptPage(kind, uri, data, is_clean, kept, seen_at))

        meta = {"origin": self.origin, "uri": uri, "received_at": seen_at.isoformat()}
        return PageSink(self.raw.writer(API, kind), meta, take)

    def forget(self) -> list[KeptPage]:
        """Return what was kept since the last time, and begin anew."""
        pages, self.pages = self.pages, []
        return pages
