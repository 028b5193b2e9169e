"""Load saved chats: what of them is new, their items, and what could not be read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pyarrow as pa

from humeanalytics.errors import ItemError
from humeanalytics.jobs.answers import SAVED
from humeanalytics.jobs.bookkeeping import Row, error_row, load_rows, table_of, utc
from humeanalytics.jobs.chat_news import OF_CHATS, THINGS, KnownChats, new_things, rows_of
from humeanalytics.jobs.chat_payloads import Batch, ChatPayload, Page, missing_pages, read_into, told_in
from humeanalytics.jobs.export_loading import uri_of_chat
from humeanalytics.jobs.export_pages import API
from humeanalytics.jobs.load_content import load_id_of
from humeanalytics.jobs.saved_known import items_of
from humeanalytics.jobs.saved_load import FLOW
from humeanalytics.jobs.saved_work import Unread
from humeanalytics.jobs.summary import RunSummary, few
from humeanalytics.lake.lake import Lake
from humeanalytics.lake.raw import RawStore
from humeanalytics.recordings import chat_recording_id, item_id
from humeanalytics.tables.evi import EviBook, FlattenedEvi

_EARLIER = """
SELECT DISTINCT r.response_id, r.uri, r.raw_path FROM chats_all AS c
SEMI JOIN wanted AS w ON w.chat_id = c.chat_id
JOIN scoring_sources_all AS s ON s.scoring_id = c.scoring_id
JOIN responses_all AS r ON r.response_id = s.response_id AND r.uri = s.uri
WHERE r.api = 'evi' AND r.raw_path IS NOT NULL ORDER BY ALL
"""
_SOURCES = """
SELECT DISTINCT s.response_id, s.uri, s.scoring_id FROM scoring_sources_all AS s
SEMI JOIN wanted AS w ON w.response_id = s.response_id AND w.uri = s.uri
"""


class ChatLoads:
    """Loads batches of saved chats.

    Args:
        lake: The lake.
        store: Where their payloads lie.
        summary: Where to count.
        chats: All chats of the run.
        places: Of payloads that the lake has, id and URI.
        keep_raw: Whether the payloads stay there.

    Attributes:
        met: The chats that were met so far.
    """

    def __init__(
        self,
        lake: Lake,
        store: RawStore,
        summary: RunSummary,
        chats: Collection[str],
        places: Collection[tuple[str, str]],
        *,
        keep_raw: bool,
    ) -> None:
        self._lake, self._store, self._summary, self._keep_raw = lake, store, summary, keep_raw
        self._known = KnownChats(lake, chats)
        self._before, self._there = frozenset(places), set(places)
        self._said = 0
        self._partial: list[str] = []
        self.met: set[str] = set()

    def load(self, batch: Batch) -> set[tuple[str, str]]:
        """Load what a batch tells; return the places of those payloads that told anything new."""
        lake, run_id = self._lake, self._summary.run_id
        load_id = load_id_of((payload.response_id for payload in batch.payloads), (run_id, *batch.chats))
        book = EviBook()
        batch.read(book, self._store)
        flat = book.finish(load_id=load_id)
        new = {chat_id for chat_id in batch.chats if chat_id not in self._known}
        grown = self._known.told_more(flat.tables)
        payloads = list(batch.payloads)
        if earlier := self._earlier(grown, payloads):
            for payload in earlier:
                read_into(book, self._store, payload, grown, account=False)
            flat, payloads = book.finish(load_id=load_id), [*payloads, *earlier]
        taken = new | grown
        tables = {name: rows_of(table, taken) for name, table in flat.tables.items() if name in OF_CHATS}
        tables |= {name: new_things(lake, name, flat.tables[name]) for name in THINGS if name in flat.tables}
        tables = {name: table for name, table in tables.items() if table.num_rows}
        scorings = {chat.chat_id: chat.scoring_id for chat in flat.chats}
        scorings |= {chat_id: self._known.scorings[chat_id] for chat_id in batch.chats - taken}
        told = sorted(tables)
        tables |= self._sources(payloads, batch, scorings, load_id)
        self._store.sync()
        load_rows(lake, self._beside(taken, flat, payloads), flow=FLOW, run_id=run_id)
        if tables:
            counts = lake.loads.commit_all(load_id, FLOW, run_id, {"kind": "chats"}, tables)
            self._summary.rows.update({name: rows for name, rows in counts.items() if name in told})
        self._count(batch, new, grown)
        things = {name for name in told if name in THINGS}
        return {payload.place for payload in batch.payloads if payload.chats.keys() & taken or (things and not payload.chats)}

    def add_errors(self, errors: Sequence[Unread]) -> None:
        """Write down what could not be read at all."""
        rows = [self._error(each.message, each.error or "", each.uri) for each in errors]
        load_rows(self._lake, {"errors": rows}, flow=FLOW, run_id=self._summary.run_id)
        for each in errors:
            self._summary.add_error(each.uri, each.message)

    def conclude(self) -> None:
        """Say what the user should know."""
        if self._said:
            said = f"{self._said:,} things in chats could not be read, or are fewer than Hume counts"
            self._summary.notes.append(f"{said}: see errors. All else of these chats is there.")
        if self._partial:
            self._summary.notes.append(f"of some chats not all pages were there: {few(self._partial)}")

    # -------------------------------------------------------------------------------------------------------------- parts
    def _earlier(self, chats: Collection[str], now: Sequence[ChatPayload]) -> list[ChatPayload]:
        """Return what saved payloads told of some chats before, so that all of it makes one reading of each."""
        if not chats or not self._keep_raw:
            return []
        here = {payload.place for payload in now}
        wanted = pa.table({"chat_id": pa.array(sorted(chats), pa.string())})
        found = []
        for row in self._lake.sql(_EARLIER, wanted=wanted).rows():
            if (row["response_id"], row["uri"]) in here:
                continue
            try:
                found += kept_payloads(self._lake.raw, row["response_id"], row["raw_path"], only_uri=row["uri"])[:1]
            except ItemError:  # gone: what was read of it stays in the lake, and is shown with what comes now
                continue
        return found

    def _sources(
        self, payloads: Sequence[ChatPayload], batch: Batch, scorings: Mapping[str, str], load_id: str
    ) -> dict[str, pa.Table]:
        """Return the rows that say which payloads there are, and which told of which chat, but for what was said before."""
        known = self._known_sources({payload.place for payload in payloads} & self._before)
        rows: dict[str, list[Row]] = {"responses": [], "scoring_sources": []}
        for payload in {payload.place: payload for payload in payloads}.values():
            if payload.place not in self._there:
                self._there.add(payload.place)
                rows["responses"].append(payload.response_row(is_kept=self._keep_raw))
            for chat_id in payload.chats.keys() & batch.chats & scorings.keys():
                source = (*payload.place, scorings[chat_id])
                if source not in known:
                    names = ("response_id", "uri", "scoring_id")
                    rows["scoring_sources"].append({**dict(zip(names, source, strict=True)), "dialect": API})
        return {name: table_of(name, each, load_id) for name, each in rows.items() if each}

    def _known_sources(self, places: Collection[tuple[str, str]]) -> set[tuple[str, str, str]]:
        """Return what the lake knows of which payloads told of which reading: (response id, URI, scoring id)."""
        if not places:
            return set()
        ids, uris = zip(*sorted(places), strict=True)
        wanted = pa.table({"response_id": pa.array(ids, pa.string()), "uri": pa.array(uris, pa.string())})
        return {(row["response_id"], row["uri"], row["scoring_id"]) for row in self._lake.sql(_SOURCES, wanted=wanted).rows()}

    def _beside(self, taken: Collection[str], flat: FlattenedEvi, payloads: Sequence[ChatPayload]) -> dict[str, list[Row]]:
        """Return the items of chats that have none yet, and errors of what could not be read."""
        chats = {row["chat_id"]: row for row in rows_of(flat.tables["chats"], taken).to_pylist()} if taken else {}
        with_items = {item["recording_id"] for item in items_of(self._lake, {chat_recording_id(each) for each in chats})}
        items = [saved_item(row) for row in chats.values() if row["recording_id"] not in with_items]
        uris: dict[str, str] = {}
        pages: dict[str, list[Page]] = defaultdict(list)
        for payload in payloads:
            for chat_id in payload.chats:
                uris.setdefault(chat_id, payload.uri)
            for page in payload.pages:
                pages[page.chat_id].append(page)
        errors = [
            self._error(
                f"{each.message} (event {each.event_id})" if each.event_id else each.message,
                chat_id=each.chat_id,
                uri=uris.get(each.chat_id or ""),
            )
            for each in flat.problems
            if each.chat_id is None or each.chat_id in taken
        ]
        for chat_id, row in chats.items():
            lacking = missing_pages(pages[chat_id])
            if lacking and chat_id not in self._known:
                self._partial.append(f"{chat_id} ({row['events']:,} events, {lacking:,} pages missing)")
            if lacking == 0 and row["event_count"] and row["end_timestamp_raw"] and row["event_count"] != row["events"]:
                message = f"Hume counts {row['event_count']:,} events in chat {chat_id}; {row['events']:,} could be read."
                errors.append(self._error(message, "CountDiffers", uris.get(chat_id), chat_id))
        self._summary.chats["with_errors"] += len({each["recording_id"] for each in errors})
        self._said += len(errors)
        for error in errors:
            self._summary.add_error(error["uri"], error["message"])
        return {"items": items, "errors": errors}

    def _count(self, batch: Batch, new: Collection[str], grown: Collection[str]) -> None:
        self.met |= batch.chats
        told = {"found": len(batch.chats), "new": len(new), "grown": len(grown)}
        self._summary.chats.update(told | {"met_before": len(batch.chats) - len(new) - len(grown)})

    def _error(self, message: str, error: str = "UnreadableResponse", uri: str | None = None, chat_id: str | None = None) -> Row:
        recording_id = None if chat_id is None else chat_recording_id(chat_id)
        row = error_row(
            stage="flatten",
            message=message,
            error=error,
            run_id=self._summary.run_id,
            api=API,
            uri=uri,
            recording_id=recording_id,
        )
        return {**row, "item_id": None}  # it is of the chat, in whatever file


def saved_item(chat: Mapping[str, Any]) -> Row:
    """Return the item of a saved chat, given its row."""
    uri, began, ended = uri_of_chat(SAVED, chat["chat_id"]), chat["start_timestamp"], chat["end_timestamp"]
    return {
        "item_id": item_id(uri, chat["recording_id"]),
        "recording_id": chat["recording_id"],
        "uri": uri,
        "name": chat["chat_id"],
        "media_type": "chat",
        "duration_s": (ended - began).total_seconds() if began and ended else None,
        "recorded_at": began,
        "recorded_at_source": "hume" if began else None,
        "excluded_reason": None,
        "seen_at": chat["seen_at"],
    }


def kept_payloads(raw: RawStore, response_id: str, path: str, *, only_uri: str | None = None) -> list[ChatPayload]:
    """Return what is kept under a path below raw/ as the payloads it came as: the same bytes may have come from several places.

    Raises:
        UnreadableResponse: It is not there, or broken.
    """
    with raw.open(path) as stream:
        chats, pages = told_in(stream, path)
    found = []
    for meta in raw.metas(response_id):
        if meta.get("path") != path or (only_uri is not None and meta.get("uri") != only_uri):
            continue
        seen_at = utc(meta.get("saved_at") or meta.get("received_at"))
        told = (str(meta.get("uri", "")), str(path.split("/")[1]), path, response_id, int(meta.get("size_bytes", 0)))
        found.append(ChatPayload(*told, str(meta.get("origin", SAVED)), utc(meta.get("received_at")), seen_at, chats, pages))
    return found
