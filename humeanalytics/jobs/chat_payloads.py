"""Payloads of EVI's history as they are kept: which chats each tells of, and batches of chats with all that tells of them."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, cast

from humeanalytics.jobs.answers import SAVED
from humeanalytics.jobs.bookkeeping import Row, uri_of
from humeanalytics.jobs.export_pages import API
from humeanalytics.lake.durable import disk_full_named
from humeanalytics.lake.raw import RawStore
from humeanalytics.redaction import redact_fields
from humeanalytics.tables.evi import EviBook
from humeanalytics.tables.evi_saved import values_in
from humeanalytics.tables.evi_values import id_of, members_of, whole_of

#: Kind, under raw/, of what people saved.
KIND = "saved"
#: What is read and loaded at once.
_BATCH_BYTES, _BATCH_CHATS = 32_000_000, 2000
_BLOCK_BYTES = 8 << 20
_HELD_BYTES = 32 << 20


@dataclass(frozen=True, slots=True)
class Page:
    """Which page of the events of a chat a payload holds, of how many: what it claims."""

    chat_id: str
    direction: str
    size: int
    number: int
    pages: int


@dataclass(frozen=True, slots=True)
class ChatPayload:
    """One payload, kept.

    Attributes:
        uri: The file it was read from, and behind ``!/`` the member; or the path at the service.
        path: Where it lies below its store.
        origin: The host it came from, or ``saved``.
        seen_at: When the service gave it, or when its file was last changed.
        chats: The chats it tells of, with the number of events.
        pages: The pages of events it holds.
    """

    uri: str
    kind: str
    path: str
    response_id: str
    size_bytes: int
    origin: str
    received_at: datetime | None
    seen_at: datetime | None
    chats: Mapping[str, int]
    pages: Sequence[Page]

    @property
    def place(self) -> tuple[str, str]:
        return self.response_id, uri_of(self.uri)

    def response_row(self, *, is_kept: bool = True) -> Row:
        """Return its row of ``responses``."""
        return {
            "response_id": self.response_id,
            "api": API,
            "origin": self.origin,
            "kind": self.kind,
            "uri": uri_of(self.uri),
            "hume_job_id": None,
            "size_bytes": self.size_bytes,
            "received_at": self.received_at,
            "raw_path": self.path if is_kept else None,
        }


def keep_payload(
    store: RawStore, stream: BinaryIO, *, uri: str, received_at: datetime, saved_at: datetime, nth: int
) -> ChatPayload:
    """Keep what somebody saved, without the secrets in it, and say what it tells of. What is none of EVI's is not kept.

    Raises:
        NotHumeData: There is nothing of EVI's in it.
        UnreadableResponse: It is broken.
        DiskFull: There is no room.
    """
    meta = {"origin": SAVED, "uri": uri, "received_at": received_at.isoformat(), "saved_at": saved_at.isoformat(), "nth": nth}
    with tempfile.SpooledTemporaryFile(_HELD_BYTES) as spool, store.writer(API, KIND) as writer:
        with disk_full_named(Path(tempfile.gettempdir())):
            for block in _without_secrets(stream):
                spool.write(block)
        spool.seek(0)
        chats, pages = told_in(cast(BinaryIO, spool), uri)
        spool.seek(0)
        while block := spool.read(_BLOCK_BYTES):
            writer.write(block)
        kept = writer.commit(meta)
    return ChatPayload(uri, KIND, kept.path, kept.response_id, kept.size_bytes, SAVED, received_at, saved_at, chats, pages)


def told_in(stream: BinaryIO, name: str) -> tuple[dict[str, int], list[Page]]:
    """Return the chats that a payload tells of, with the number of events, and the pages of events in it."""
    pages: list[Page] = []
    book = EviBook()
    book.read_values(_noted(values_in(stream, name), pages), name=name, only=())
    return dict(book.chats), pages


def read_into(
    book: EviBook, store: RawStore, payload: ChatPayload, only: Collection[str] | None = None, *, account: bool = True
) -> None:
    """Read a payload, or what it tells of some chats."""
    with store.open(payload.path) as stream:
        book.read(stream, name=payload.uri, seen_at=payload.seen_at, only=only, account=account)


def _without_secrets(stream: BinaryIO) -> Iterator[bytes]:
    """Yield a payload without secrets, cut where a line ends: there no field does not."""
    held: list[bytes] = []
    while block := stream.read(_BLOCK_BYTES):
        cut = block.rfind(b"\n") + 1
        held.append(block[:cut] if cut else block)
        if cut:
            yield redact_fields(b"".join(held))
            held = [block[cut:]]
    yield redact_fields(b"".join(held))


def _noted(values: Iterator[Any], pages: list[Page]) -> Iterator[Any]:
    """Yield values, and note which of them are pages of the events of a chat."""
    for value in values:
        for each in value if isinstance(value, list) else (value,):
            if isinstance(each, dict) and ("events_page" in each or "eventsPage" in each):
                members = members_of(each)
                chat_id, size = id_of(members.get("id")), whole_of(members.get("page_size"))
                number, total = whole_of(members.get("page_number")), whole_of(members.get("total_pages"))
                is_chat = not members.keys().isdisjoint(("chat_group_id", "status", "start_timestamp"))
                if is_chat and chat_id is not None and size is not None and number is not None and total is not None:
                    pages.append(Page(chat_id, str(members.get("pagination_direction")), size, number, total))
        yield value


def missing_pages(pages: Sequence[Page]) -> int | None:
    """Return how many pages of the events of one chat are not there; None where none of them says how many there should be.

    >>> missing_pages([Page("c", "ASC", 10, 0, 3), Page("c", "ASC", 10, 2, 3)]), missing_pages([])
    (1, None)
    """
    walks: dict[tuple[str, int], list[Page]] = {}
    for page in pages:
        walks.setdefault((page.direction, page.size), []).append(page)
    lacking = [max(page.pages for page in walk) - len({p.number for p in walk if p.number < p.pages}) for walk in walks.values()]
    return max(0, min(lacking)) if lacking else None


@dataclass(frozen=True, slots=True)
class Batch:
    """Chats, and all payloads that tell of them; of those in ``first`` no batch before had anything."""

    chats: frozenset[str]
    payloads: tuple[ChatPayload, ...]
    first: frozenset[int]

    def read(self, book: EviBook, store: RawStore) -> None:
        """Read what the payloads tell of these chats."""
        for number, payload in enumerate(self.payloads):
            read_into(book, store, payload, self.chats, account=number in self.first)


def batches(payloads: Sequence[ChatPayload]) -> list[Batch]:
    """Divide chats into batches that can be held, those told of by the same payloads together."""
    of_chat: dict[str, list[int]] = {}
    sizes: dict[str, float] = {}
    for number, payload in enumerate(payloads):
        weight = payload.size_bytes / max(1, sum(events + 1 for events in payload.chats.values()))
        for chat_id, events in payload.chats.items():
            of_chat.setdefault(chat_id, []).append(number)
            sizes[chat_id] = sizes.get(chat_id, 0.0) + weight * (events + 1)
    groups: list[list[str]] = []
    size_bytes = 0.0
    for chat_id in of_chat:
        if not groups or size_bytes + sizes[chat_id] > _BATCH_BYTES or len(groups[-1]) >= _BATCH_CHATS:
            groups.append([])
            size_bytes = 0.0
        groups[-1].append(chat_id)
        size_bytes += sizes[chat_id]
    seen: set[int] = set()
    made: list[Batch] = []
    without = [number for number, payload in enumerate(payloads) if not payload.chats]
    for group in groups or [[]] * bool(without):
        numbers = sorted({number for chat_id in group for number in of_chat[chat_id]} | set(without))
        without = []
        first = frozenset(at for at, number in enumerate(numbers) if number not in seen)
        made.append(Batch(frozenset(group), tuple(payloads[number] for number in numbers), first))
        seen.update(numbers)
    return made
