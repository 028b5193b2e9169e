"""The export of EVI's chats: list them, read those that are new or changed, load them while others are still read."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from humeanalytics.api.blocking import in_thread
from humeanalytics.api.evi import Chat, EviApi, Page, Walk
from humeanalytics.errors import InvalidAnswer, NotFound, UnreadableResponse
from humeanalytics.jobs.bookkeeping import take_back
from humeanalytics.jobs.export_around import incomplete_groups, read_groups, read_versions
from humeanalytics.jobs.export_audio import read_audio
from humeanalytics.jobs.export_choice import ExportChoice
from humeanalytics.jobs.export_known import KnownChat, known_chats, to_read_again
from humeanalytics.jobs.export_loading import ChatLoader, ReadChat
from humeanalytics.jobs.export_pages import API, KeptPage, PageKeeper
from humeanalytics.jobs.ledger import Ledger
from humeanalytics.jobs.progress import Progress
from humeanalytics.lake.lake import Lake
from humeanalytics.lake.raw import RawStore

#: What was read is committed when it is so many chats, so many bytes, or so old.
_LOAD_CHATS = 200
_LOAD_BYTES = 16_000_000
_LOAD_S = 5.0


@dataclass
class _Listed:
    """What the list of chats told: of each what walking needs, and all of it as it came."""

    chats: dict[str, Chat]
    items: dict[str, dict[str, Any]]
    newest_ms: int = 0
    whole: bool = False


class ExportFlow:
    """One run of an export."""

    def __init__(
        self, lake: Lake, ledger: Ledger, api: EviApi, choice: ExportChoice, run_id: str, progress: Progress, *, lanes: int
    ) -> None:
        self._lake, self._ledger, self._api, self._choice, self._progress = lake, ledger, api, choice, progress
        self._raw = RawStore(lake.raw.folder, sync_later=True)  # synced before their rows are loaded
        self.loader = ChatLoader(lake, self._raw, api.origin, run_id, embeddings=choice.embeddings)
        self.counts: Counter[str] = Counter()
        self._lanes = lanes
        self._known: dict[str, KnownChat] = {}
        self._failed: set[str] = set()
        self._gone: set[str] = set()

    async def run(self) -> None:
        """Export what is new.

        Raises:
            HumeAnalyticsError: The service cannot be asked further. What was read is in the lake.
        """
        await in_thread(take_back, self._lake, API)
        self._known = await in_thread(known_chats, self._lake)
        listed = await self._list()
        wanted = self._wanted(listed)
        self.counts.update(found=len(listed.chats), known=len(listed.chats.keys() - set(wanted)))
        await self._read_all(wanted, listed)
        await self._read_around(wanted, listed)
        if self._choice.audio:
            fetched, failed = await read_audio(
                self._api, self._lake, self.loader, self._raw, wanted if self._choice.is_partial else None, self._lanes
            )
            self.counts.update(audio=fetched, audio_failed=failed)
        self._remember(listed)

    # ------------------------------------------------------------------------------------------------------------- list
    async def _list(self) -> _Listed:
        listed = _Listed({}, {})
        if self._choice.chats:
            return listed
        complete_to_ms = int(self._ledger.remembered(self._key("complete_to")) or 0)
        keeper = self._keeper()
        walk = Walk(
            ascending=not (complete_to_ms or self._choice.since_ms), open_sink=lambda n: keeper.sink("chats", f"chats?page={n}")
        )
        source = self._api.chats(walk, config_id=self._choice.config_id)
        if self._choice.groups:
            source = self._of_groups(keeper)
        async with aclosing(source) as pages:
            async for page in pages:
                self._take(listed, page, keeper.forget())
                self._progress.stage("list", len(listed.chats), None)
                if not page.ascending and self._is_old(page, complete_to_ms):
                    break
        await in_thread(self._raw.sync)
        listed.whole = not self._choice.is_partial
        return listed

    async def _of_groups(self, keeper: PageKeeper) -> AsyncGenerator[Page[Chat], None]:
        for group in self._choice.groups:
            async for page in self._api.chat_group(group, self._walk(keeper, "chat_groups", f"chat_groups/{group}")):
                yield page

    def _take(self, listed: _Listed, page: Page[Chat], kept: Sequence[KeptPage]) -> None:
        for each in kept:
            told = msgspec.json.decode(each.data)
            for item in told.get("chats_page") or ():
                if isinstance(item, dict) and self._choice.takes(item.get("start_timestamp")):
                    listed.items[str(item.get("id"))] = item
        for chat in page.items:
            if chat.id and self._choice.takes(chat.start_timestamp):
                listed.chats[chat.id] = chat
                listed.newest_ms = max(listed.newest_ms, chat.start_timestamp or 0)

    def _is_old(self, page: Page[Chat], complete_to_ms: int) -> bool:
        """Whether nothing that is wanted can come after a page of a list that has the newest first."""
        starts = [chat.start_timestamp or 0 for chat in page.items]
        if self._choice.since_ms and starts and max(starts) < self._choice.since_ms:
            return True
        return bool(complete_to_ms) and all(
            chat.id in self._known and start <= complete_to_ms for chat, start in zip(page.items, starts, strict=True)
        )

    def _wanted(self, listed: _Listed) -> list[str]:
        """Return the chats to read, oldest first as far as that is known."""
        if self._choice.chats:
            return list(dict.fromkeys(self._choice.chats))
        new = [chat_id for chat_id in listed.chats if chat_id not in self._known]
        if self._choice.is_partial:
            again = to_read_again((self._known[each] for each in listed.chats if each in self._known), listed.chats)
        else:
            again = to_read_again(self._known.values(), listed.chats)
            again += [each for each in self._remembered("failed") if each not in listed.chats]
            gone = self._remembered("gone chats") - listed.chats.keys()
            again = [each for each in again if each not in gone]
        wanted = dict.fromkeys([*new, *again])
        return sorted(wanted, key=lambda each: listed.chats[each].start_timestamp or 0 if each in listed.chats else 0)

    # ------------------------------------------------------------------------------------------------------------- read
    async def _read_all(self, wanted: Sequence[str], listed: _Listed) -> None:
        """Read chats, several at once, and load them meanwhile. However it ends, what was read is loaded."""
        read: asyncio.Queue[ReadChat | None] = asyncio.Queue(2 * self._lanes)
        waiting = iter(wanted)

        async def reader() -> None:
            for chat_id in waiting:
                if (chat := await self._read(chat_id, listed)) is not None:
                    await read.put(chat)

        under_way = [asyncio.ensure_future(self._load(read, len(wanted))), asyncio.ensure_future(_all(reader, self._lanes))]
        loading, reading = under_way
        try:
            await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
        finally:
            reading.cancel()
            await asyncio.wait([reading])
            if not loading.done():
                await read.put(None)
            await asyncio.wait([loading])
        loading.result()
        if not reading.cancelled():
            reading.result()

    async def _read(self, chat_id: str, listed: _Listed) -> ReadChat | None:
        keeper, uri = self._keeper(), f"chats/{chat_id}"
        ended = False
        try:
            async with aclosing(self._api.chat_events(chat_id, self._walk(keeper, "chat_events", uri))) as pages:
                async for page in pages:
                    ended = page.head.status not in (None, "ACTIVE") and bool(page.head.end_timestamp)
        except NotFound:
            self.counts["gone"] += 1
            self._gone.add(chat_id)
            message = f"Chat {chat_id} is not there any more. What was read of it before stays."
            await in_thread(self.loader.add_error, chat_id, message, "NotFound")
            return None
        except (InvalidAnswer, UnreadableResponse) as error:
            self.counts["failed"] += 1
            self._failed.add(chat_id)
            await in_thread(self.loader.add_error, chat_id, str(error), type(error).__name__)
            return None
        self.counts["read_again" if chat_id in self._known else "new"] += 1
        return ReadChat(
            chat_id, listed.chats.get(chat_id), listed.items.get(chat_id), keeper.forget(), ended, chat_id not in self._known
        )

    async def _load(self, read: asyncio.Queue[ReadChat | None], total: int) -> None:
        batch: list[ReadChat] = []
        size_bytes, begun, done, ended = 0, time.monotonic(), 0, False
        while not ended:
            chat = await read.get()
            if chat is None:
                ended = True
            else:
                batch.append(chat)
                size_bytes += sum(len(page.data) for page in chat.pages)
            old = time.monotonic() - begun > _LOAD_S
            if batch and (ended or old or len(batch) >= _LOAD_CHATS or size_bytes >= _LOAD_BYTES):
                await in_thread(self.loader.load, batch)
                done += len(batch)
                self._progress.stage("read", done, total)
                batch, size_bytes, begun = [], 0, time.monotonic()

    # ----------------------------------------------------------------------------------------------------------- around
    async def _read_around(self, read: Sequence[str], listed: _Listed) -> None:
        known = await in_thread(known_chats, self._lake)
        groups = {group for each in read if each in known and (group := known[each].chat_group_id)}
        if groups:
            await read_groups(self._api, self._keeper(), self.loader, groups)
        if listed.whole:
            for message in await in_thread(incomplete_groups, self._lake, groups, listed.newest_ms):
                await in_thread(self.loader.add_error, None, message, "CountDiffers")
        gone = self._remembered("gone")
        await read_versions(self._api, self._keeper(), self.loader, self._lake, gone)
        self._ledger.remember(self._key("gone"), " ".join(sorted(gone)))

    # ------------------------------------------------------------------------------------------------------------ memory
    def _remember(self, listed: _Listed) -> None:
        """Note up to where all chats were read: from there on the next export looks at the newest first."""
        before = self._remembered("failed")
        if listed.whole:
            complete_to = max(listed.newest_ms, int(self._ledger.remembered(self._key("complete_to")) or 0))
            self._ledger.remember(self._key("complete_to"), str(complete_to))
            before = set()
        self._ledger.remember(self._key("failed"), " ".join(sorted(before | self._failed)))
        self._ledger.remember(self._key("gone chats"), " ".join(sorted(self._remembered("gone chats") | self._gone)))

    def _remembered(self, what: str) -> set[str]:
        return set(self._ledger.remembered(self._key(what)).split())

    def _key(self, what: str) -> str:
        return f"evi {what} {self._api.origin}"

    def _keeper(self) -> PageKeeper:
        return PageKeeper(self._raw, self._api.origin, self._now)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._api.server_now_ms() / 1000, UTC)

    @staticmethod
    def _walk(keeper: PageKeeper, kind: str, uri: str) -> Walk:
        return Walk(open_sink=lambda number: keeper.sink(kind, f"{uri}?page={number}"))


async def _all(work: Callable[[], Coroutine[Any, Any, None]], lanes: int) -> None:
    """Work in several lanes at once; where one fails, or this is cancelled, end the others."""
    tasks = [asyncio.ensure_future(work()) for _ in range(lanes)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
