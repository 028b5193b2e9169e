"""The export of EVI's chats: list them, read those that are new or changed, load them while others are still read."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from humeanalytics.api.blocking import in_thread
from humeanalytics.api.evi import LANES, Chat, EviApi, Page, Walk
from humeanalytics.errors import InvalidAnswer, NotFound, UnreadableResponse
from humeanalytics.jobs.bookkeeping import take_back
from humeanalytics.jobs.export_around import Surroundings
from humeanalytics.jobs.export_audio import read_audio
from humeanalytics.jobs.export_choice import ExportChoice
from humeanalytics.jobs.export_known import (
    KnownChat,
    incomplete_groups,
    known_chats,
    known_versions,
    to_read_again,
    used_configs,
)
from humeanalytics.jobs.export_loading import ChatLoader
from humeanalytics.jobs.export_making import ChatIntake, all_of
from humeanalytics.jobs.export_pages import API, PageBuffer, ReadPage, keep_pages
from humeanalytics.jobs.export_tables import ReadChat, TableMaker
from humeanalytics.jobs.ledger import Ledger
from humeanalytics.jobs.progress import Progress
from humeanalytics.lake.lake import Lake


@dataclass
class _Listed:
    """What the list of chats told: of each what walking needs, and all of it as it came."""

    chats: dict[str, Chat]
    items: dict[str, dict[str, Any]]
    newest_ms: int = 0
    whole: bool = False


class ExportFlow:
    """One run of an export. Of one that is of some chats only, ``chosen`` says of which."""

    def __init__(
        self,
        lake: Lake,
        ledger: Ledger,
        api: EviApi,
        choice: ExportChoice,
        run_id: str,
        progress: Progress,
        *,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        self._lake, self._ledger, self._api, self._choice, self._progress = lake, ledger, api, choice, progress
        self._maker = TableMaker(lake.raw.folder, api.origin, run_id, choice.embeddings)
        self.loader = ChatLoader(lake, api.origin, run_id, labels=labels)
        self.chosen: set[str] | None = None
        self.counts: Counter[str] = Counter()
        self._known: dict[str, KnownChat] = {}
        self._failed: set[str] = set()
        self._gone: set[str] = set()
        self._latest_ms = 0

    async def run(self) -> None:
        """Export what is new.

        Raises:
            HumeAnalyticsError: The service cannot be asked further. What was read is in the lake.
        """
        await in_thread(take_back, self._lake, API)
        with ChatIntake(self._maker, self.loader) as intake:
            listed = await self._list(intake)
            wanted = self._wanted(listed)
            self.chosen = {*wanted, *listed.chats} if self._choice.is_partial else None
            self.counts.update(found=len(listed.chats), known=len(listed.chats.keys() - set(wanted)))
            intake.expect(len(wanted))
            await self._read_wanted(wanted, listed, intake)
        if self._choice.audio:
            only = wanted if self._choice.is_partial else None
            fetched, failed = await read_audio(self._api, self._lake, self.loader, only, LANES)
            self.counts.update(audio=fetched, audio_failed=failed)
        self._remember(listed)

    # ------------------------------------------------------------------------------------------------------------- list
    async def _list(self, intake: ChatIntake) -> _Listed:
        """Walk the list of chats, while the lake is asked which of them it has."""
        knowing = asyncio.ensure_future(in_thread(known_chats, self._lake))
        try:
            return _Listed({}, {}) if self._choice.chats else await self._walk_list(intake, knowing)
        finally:
            self._known = await knowing

    async def _walk_list(self, intake: ChatIntake, knowing: asyncio.Future[dict[str, KnownChat]]) -> _Listed:
        listed = _Listed({}, {})
        complete_to_ms = int(self._ledger.remembered(self._key("complete_to")) or 0)
        buffer, raw = self._buffer(), self._lake.raw
        walk = self._walk(buffer, "chats", "chats", ascending=not (complete_to_ms or self._choice.since_ms))
        source = self._api.chats(walk, config_id=self._choice.config_id)
        if self._choice.groups:
            source = self._of_groups(buffer)
        async with aclosing(source) as pages:
            async for page in pages:
                told = buffer.take()
                await in_thread(keep_pages, raw, self._api.origin, told)
                self._take(listed, page, told)
                self._progress.stage("list", len(listed.chats), None)
                if page.ascending:
                    intake.expect(len(listed.chats.keys() - self._known.keys()))
                    continue
                self._known = await knowing
                if self._is_old(page, complete_to_ms):
                    break
        listed.whole = not self._choice.is_partial
        return listed

    async def _of_groups(self, buffer: PageBuffer) -> AsyncGenerator[Page[Chat], None]:
        for group in self._choice.groups:
            async for page in self._api.chat_group(group, self._walk(buffer, "chat_groups", f"chat_groups/{group}")):
                yield page

    def _take(self, listed: _Listed, page: Page[Chat], pages: Sequence[ReadPage]) -> None:
        for each in pages:
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
    async def _read_all(self, wanted: Sequence[str], listed: _Listed, intake: ChatIntake) -> None:
        """Read chats, several at once, and load them meanwhile. However it ends, what was read is loaded."""
        waiting = iter(wanted)

        async def reader() -> None:
            for chat_id in waiting:
                if (chat := await self._read(chat_id, listed)) is not None:
                    await intake.put(chat)

        loading = asyncio.ensure_future(intake.run(lambda done: self._progress.stage("read", done, len(wanted))))
        readers = all_of(*(reader() for _ in range(LANES)))
        reading = asyncio.ensure_future(readers)
        try:
            await asyncio.wait([loading, reading], return_when=asyncio.FIRST_COMPLETED)
        finally:
            reading.cancel()
            await asyncio.wait([reading])
            ending = asyncio.ensure_future(intake.put(None))
            await asyncio.wait([loading])
            ending.cancel()  # where loading failed, nobody takes it any more
        loading.result()
        if not reading.cancelled():
            reading.result()

    async def _read(self, chat_id: str, listed: _Listed) -> ReadChat | None:
        buffer, uri = self._buffer(), f"chats/{chat_id}"
        ended = False
        try:
            async with aclosing(self._api.chat_events(chat_id, self._walk(buffer, "chat_events", uri))) as pages:
                async for page in pages:
                    ended = page.head.status not in (None, "ACTIVE") and bool(page.head.end_timestamp)
        except NotFound:
            self.counts["gone"] += 1
            self._gone.add(chat_id)
            message = f"Chat {chat_id} is not at the service (any more). What was read of it before, if anything was, stays."
            await in_thread(self.loader.add_error, chat_id, message, "NotFound")
            return None
        except (InvalidAnswer, UnreadableResponse) as error:
            self.counts["failed"] += 1
            self._failed.add(chat_id)
            await in_thread(self.loader.add_error, chat_id, str(error), type(error).__name__)
            return None
        self.counts["read_again" if chat_id in self._known else "new"] += 1
        return ReadChat(
            chat_id, listed.chats.get(chat_id), listed.items.get(chat_id), buffer.take(), ended, chat_id not in self._known
        )

    # ----------------------------------------------------------------------------------------------------------- around
    async def _read_wanted(self, wanted: Sequence[str], listed: _Listed, intake: ChatIntake) -> None:
        """Read chats and what stands around them: what the list told of that at the same time, the rest after them."""
        gone = self._remembered("gone")
        around = Surroundings(self._api, self._now, await in_thread(known_versions, self._lake), gone)
        told = [listed.chats[each] for each in wanted if each in listed.chats]
        groups = {chat.chat_group_id for chat in told if chat.chat_group_id}
        used = {(chat.config.id, chat.config.version) for chat in told if chat.config and chat.config.version is not None}
        await all_of(self._read_all(wanted, listed, intake), around.read(groups, sorted(used)))
        known = await in_thread(known_chats, self._lake)
        groups = {group for each in wanted if each in known and (group := known[each].chat_group_id)}
        await around.read(groups, await in_thread(used_configs, self._lake))
        await intake.load(around.take())
        if listed.whole and groups:
            for message in await in_thread(incomplete_groups, self._lake, groups, listed.newest_ms):
                await in_thread(self.loader.add_error, None, message, "CountDiffers")
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

    def _buffer(self) -> PageBuffer:
        return PageBuffer(self._now)

    def _now(self) -> datetime:
        """Return the service's time: known to a second and learned anew, yet what comes later in a run is never earlier."""
        self._latest_ms = max(self._latest_ms, self._api.server_now_ms())
        return datetime.fromtimestamp(self._latest_ms / 1000, UTC)

    @staticmethod
    def _walk(buffer: PageBuffer, kind: str, uri: str, *, ascending: bool = True) -> Walk:
        return Walk(ascending=ascending, take=lambda number, data: buffer.add(kind, f"{uri}?page={number}", data))
