"""Pages of EVI's history to tables, by way of raw/: what an export does in a process of its own where there is much to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from humeanalytics.api.evi import Chat
from humeanalytics.jobs.bookkeeping import table_of
from humeanalytics.jobs.export_pages import ReadPage, keep_pages
from humeanalytics.jobs.load_content import load_id_of
from humeanalytics.lake.raw import RawStore
from humeanalytics.tables.evi import EviBook, Problem


@dataclass(frozen=True, slots=True)
class ReadChat:
    """A chat and the pages of its events.

    Attributes:
        listed, item: What the list told of it, if it was in one.
        pages: Its events.
        is_over: Whether it had ended when they were read.
        is_new: Whether it was not known before.
    """

    chat_id: str
    listed: Chat | None
    item: Mapping[str, Any] | None
    pages: Sequence[ReadPage]
    is_over: bool
    is_new: bool


@dataclass(frozen=True, slots=True)
class Tables:
    """One load to be: its tables, what could not be read, and how many events each chat has."""

    load_id: str
    tables: Mapping[str, pa.Table]
    problems: Sequence[Problem]
    events: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class TableMaker:
    """Keeps pages and makes tables of them. Small: it travels to where it works.

    Args:
        raw: The folder of answers.
        origin: Who gave the pages.
        run_id: The run.
        embeddings: Whether to keep embeddings in ``chat_segments``.
    """

    raw: Path
    origin: str
    run_id: str
    embeddings: bool

    def __call__(self, chats: Sequence[ReadChat], others: Sequence[ReadPage]) -> Tables:
        """Put the pages of chats, and others, on disk, then make tables of them."""
        pages = [*others, *(page for chat in chats for page in chat.pages)]
        kept = keep_pages(RawStore(self.raw, sync_later=True), self.origin, pages)
        # Of this run: a load that was taken back after a kill may not come again, and the same pages may.
        load_id = load_id_of((each.kept.response_id for each in kept), (self.run_id, *(chat.chat_id for chat in chats)))
        book = EviBook(origin=self.origin)
        for chat in chats:
            if chat.item is not None and chat.pages:
                book.read_values([chat.item], name=f"chat {chat.chat_id}", seen_at=chat.pages[-1].seen_at)
        for each in kept:
            book.read(each.data, name=each.page.uri, seen_at=each.page.seen_at, is_clean=each.is_clean)
        flattened = book.finish(load_id=load_id, embeddings=self.embeddings)
        tables: dict[str, pa.Table] = {name: table for name, table in flattened.tables.items() if table.num_rows}
        responses = {(each.kept.response_id, each.page.uri): each.response_row(self.origin) for each in kept}
        tables["responses"] = table_of("responses", list(responses.values()), load_id)
        return Tables(load_id, tables, flattened.problems, {chat.chat_id: chat.events for chat in flattened.chats})
