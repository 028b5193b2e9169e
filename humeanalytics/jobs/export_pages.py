"""Pages of EVI's history: held as they came, then kept on disk before anybody reads them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from humeanalytics.jobs.bookkeeping import Row
from humeanalytics.lake.raw import RawResponse, RawStore
from humeanalytics.redaction import may_hold_secrets, redact_fields

API = "evi"


@dataclass(frozen=True, slots=True)
class ReadPage:
    """One page as it came; ``seen_at`` is the service's time."""

    kind: str
    uri: str
    data: bytes
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class KeptPage:
    """One page as it is kept: secrets blanked. ``is_clean``: nothing in it can be one."""

    page: ReadPage
    data: bytes
    is_clean: bool
    kept: RawResponse

    def response_row(self, origin: str) -> Row:
        return {
            "response_id": self.kept.response_id,
            "api": API,
            "origin": origin,
            "kind": self.page.kind,
            "uri": self.page.uri,
            "hume_job_id": None,
            "size_bytes": self.kept.size_bytes,
            "received_at": self.page.seen_at,
            "raw_path": self.kept.path,
        }


@dataclass
class PageBuffer:
    """Collects pages while lists are walked.

    Args:
        now: The service's time.
    """

    now: Callable[[], datetime]
    _pages: list[ReadPage] = field(default_factory=list)

    def add(self, kind: str, uri: str, data: bytes) -> None:
        """Take a page."""
        self._pages.append(ReadPage(kind, uri, data, self.now()))

    def take(self) -> list[ReadPage]:
        """Return what came since the last time, and begin anew."""
        pages, self._pages = self._pages, []
        return pages


def keep_pages(raw: RawStore, origin: str, pages: Sequence[ReadPage]) -> list[KeptPage]:
    """Put pages on disk under raw/, secrets blanked, and wait until they are there.

    Args:
        raw: Where; of a store that syncs later, which waits once for all of them.
        origin: Who gave them.
        pages: The pages.
    """
    kept = [_keep(raw, origin, page) for page in pages]
    raw.sync()
    return kept


def _keep(raw: RawStore, origin: str, page: ReadPage) -> KeptPage:
    is_clean = not may_hold_secrets(page.data)
    data = page.data if is_clean else redact_fields(page.data)  # whole: nothing is cut in the middle of a field
    with raw.writer(API, page.kind) as writer:
        writer.write(data, b"" if is_clean else None)
        response = writer.commit({"origin": origin, "uri": page.uri, "received_at": page.seen_at.isoformat()})
    return KeptPage(page, data, is_clean, response)
