"""Make the tables of chats again from what is kept of them under raw/: of each chat its newest reading, made of all there is."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import msgspec
import pyarrow as pa

from humeanalytics.errors import ItemError
from humeanalytics.jobs.answers import SAVED
from humeanalytics.jobs.chat_loads import kept_payloads
from humeanalytics.jobs.chat_news import OF_CHATS, THINGS, rows_of, things_beyond, told_beyond
from humeanalytics.jobs.chat_payloads import Batch, ChatPayload, batches, read_into
from humeanalytics.jobs.export_pages import API
from humeanalytics.jobs.load_content import LoadContent
from humeanalytics.lake.lake import Lake
from humeanalytics.lake.raw import RawStore
from humeanalytics.tables.evi import EviBook, FlattenedEvi

_LONG_AGO = datetime.min.replace(tzinfo=UTC)
#: Kinds under raw/ of what a service gave: lists of chats (of which only the chats that were read count), groups (likewise).
_LISTS, _GROUPS, _EVENTS, _SOUND, _WEBHOOKS = "chats", "chat_groups", "chat_events", "audio", "webhooks"

_SEEN = """
SELECT response_id, uri, max(received_at) AS seen_at FROM responses_all WHERE api = 'evi' AND origin <> 'saved' GROUP BY ALL
"""


@dataclass
class KeptChats:
    """What is kept of chats under raw/.

    Attributes:
        payloads: All that can be read, oldest first.
        paths: Where each answer lies, by its id.
        failed: Why an answer cannot be read, by its id.
    """

    payloads: list[ChatPayload] = field(default_factory=list)
    paths: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def kept_chats(lake: Lake) -> KeptChats:
    """Look at everything of chats that is kept under raw/, but their sound."""
    kept = KeptChats()
    # The very same page may have come again later, which raw/ does not tell.
    seen = {(row["response_id"], row["uri"]): row["seen_at"] for row in lake.sql(_SEEN).rows()}
    for file in lake.raw.list(API):
        if file.kind == _SOUND:
            continue
        kept.paths[file.response_id] = file.path
        try:
            found = kept_payloads(lake.raw, file.response_id, file.path)
        except ItemError as error:
            if file.kind != _WEBHOOKS:  # whoever signs may send what nobody has heard of: that is kept, and never was in a table
                kept.failed[file.response_id] = str(error)
            continue
        kept.payloads += [replace(each, seen_at=seen.get(each.place) or each.seen_at) for each in found]
    kept.payloads.sort(key=lambda payload: (payload.received_at or _LONG_AGO, payload.path, payload.uri))
    # The same bytes at the same place were read anew because the file was touched: what they told had not changed.
    of_place: dict[tuple[str, str], ChatPayload] = {}
    kept.payloads = [each for each in kept.payloads if of_place.setdefault(each.place, each) is each]
    if seen:  # a page of an export that was killed before it was loaded: the next one reads that chat whole
        kept.payloads = [each for each in kept.payloads if each.kind != _EVENTS or each.place in seen]
    return kept


def rebuilt(lake: Lake, payloads: Sequence[ChatPayload], load_id: str) -> Iterator[LoadContent]:
    """Yield the rows of all chats that some payloads tell of, batch by batch.

    Args:
        lake: The lake they are kept in.
        payloads: The payloads.
        load_id: The load of the rows.
    """
    read = {chat_id for payload in payloads if payload.kind == _EVENTS for chat_id in payload.chats}
    embeddings = bool(lake.sql("SELECT 1 FROM (DESCRIBE chat_segments_all) WHERE column_name = 'embedding'").rows())
    divided = batches([replace(payload, chats=_wanted(payload, read)) for payload in payloads])
    for batch in divided:
        yield _Rebuilding(lake.raw, batch, load_id, embeddings).content()


def _wanted(payload: ChatPayload, read: Collection[str]) -> Mapping[str, int]:
    """Return the chats that a payload counts for: those in lists of a service count where their events were read too."""
    if payload.kind not in (_LISTS, _GROUPS):
        return payload.chats
    return {chat_id: events for chat_id, events in payload.chats.items() if chat_id in read}


class _Rebuilding:
    def __init__(self, raw: RawStore, batch: Batch, load_id: str, embeddings: bool) -> None:
        self._raw, self._batch, self._load_id, self._embeddings = raw, batch, load_id, embeddings

    def content(self) -> LoadContent:
        """Return the rows of a batch: what services gave, and what people had saved as far as it tells more."""
        origins = sorted({payload.origin for payload in self._batch.payloads}, key=lambda origin: (origin == SAVED, origin))
        load, scorings = LoadContent(), dict[str, str]()
        known: dict[str, pa.Table] = {}
        for origin in origins:
            flat = self._flat(origin)
            tables = self._beyond(flat, known) if origin == SAVED else flat.tables
            told = set(tables["chats"]["chat_id"].to_pylist()) if "chats" in tables else set()
            scorings |= {each.chat_id: each.scoring_id for each in flat.chats if each.chat_id in told}
            for name, table in tables.items():
                if table.num_rows:
                    load.scores.setdefault(name, []).append(table)
                    both = [known[name], table] if name in known else [table]
                    known[name] = pa.concat_tables(both, promote_options="default")
        for number, payload in enumerate(self._batch.payloads):
            if number in self._batch.first and (payload.origin == SAVED or payload.kind != _LISTS):
                load.add("responses", payload.response_row())
            for chat_id in payload.chats.keys() & scorings.keys() if payload.origin == SAVED else ():
                place = {"response_id": payload.response_id, "uri": payload.place[1]}
                load.add("scoring_sources", {**place, "scoring_id": scorings[chat_id], "dialect": API})
        return load

    def _flat(self, origin: str) -> FlattenedEvi:
        book = EviBook(origin=origin)
        for item, seen_at in self._listed(origin):
            book.read_values([item], name=f"chat {item['id']}", seen_at=seen_at)
        for number, payload in enumerate(self._batch.payloads):
            if payload.origin == origin and payload.kind != _LISTS:
                is_first, chats = number in self._batch.first, self._batch.chats & payload.chats.keys()
                read_into(book, self._raw, payload, () if payload.kind == _GROUPS else chats, account=is_first)
        return book.finish(load_id=self._load_id, embeddings=self._embeddings)

    def _listed(self, origin: str) -> Iterator[tuple[dict[str, Any], datetime]]:
        """Yield what the last list before a chat was read told of it, as of when it was read: that is how exports have it."""
        read_at: dict[str, datetime] = {}
        for payload in self._batch.payloads:
            for chat_id in payload.chats if (payload.origin, payload.kind) == (origin, _EVENTS) else ():
                read_at[chat_id] = max(payload.seen_at or _LONG_AGO, read_at.get(chat_id, _LONG_AGO))
        items: dict[str, dict[str, Any]] = {}
        for payload in self._batch.payloads:
            if payload.origin != origin or payload.kind not in (_LISTS, _GROUPS):
                continue
            with self._raw.open(payload.path) as stream:
                told = msgspec.json.decode(stream.read())
            for item in told.get("chats_page") or ():
                at = read_at.get(str(item.get("id"))) if isinstance(item, dict) else None
                if at is not None and (payload.received_at or _LONG_AGO) <= at:
                    items[item["id"]] = item
        for chat_id, item in items.items():
            yield item, read_at[chat_id]

    def _beyond(self, flat: FlattenedEvi, known: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
        """Return the rows that tell more than what is known."""
        before: set[Any] = set(known["chats"]["chat_id"].to_pylist()) if "chats" in known else set()
        taken = {each.chat_id for each in flat.chats if each.chat_id not in before} | told_beyond(flat.tables, known)
        tables = {name: rows_of(table, taken) for name, table in flat.tables.items() if name in OF_CHATS}
        return tables | {
            name: things_beyond(name, flat.tables[name], known[name].to_pylist() if name in known else ())
            for name in THINGS
            if name in flat.tables
        }
