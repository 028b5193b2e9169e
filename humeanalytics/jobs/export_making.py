"""Chats on their way into the lake: gathered to batches, made into tables, committed. Each goes on while the others do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import BrokenExecutor, Executor
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from humeanalytics.api.blocking import in_thread
from humeanalytics.jobs.export_loading import ChatLoader
from humeanalytics.jobs.export_pages import ReadPage
from humeanalytics.jobs.export_tables import ReadChat, TableMaker, Tables
from humeanalytics.jobs.processes import cores, worker_pool

#: A batch is so many chats, so many bytes, or so old.
_BATCH_CHATS = 200
_BATCH_BYTES = 16_000_000
_BATCH_S = 5.0
#: How many chats may wait to be put into a batch.
_WAITING_CHATS = 8
#: How many batches may wait to be made into tables: old chats have long pages, which take longer to read than to get.
_WAITING_BATCHES = 4
#: For fewer chats than this no process is started: that takes a second of a core.
_WORTH_A_PROCESS = 200


class ChatIntake:
    """Makes tables of what was read and loads them. Use as a context manager.

    Tables are made in a process of their own where there is much to do: reading JSON would hold up the network otherwise.

    Args:
        maker: Makes the tables.
        loader: Commits them.
    """

    def __init__(self, maker: TableMaker, loader: ChatLoader) -> None:
        self._maker, self._loader = maker, loader
        self._may_start = cores() > 1
        self._process: Executor | None = None
        self._stack = ExitStack()
        self._read: asyncio.Queue[ReadChat | None] = asyncio.Queue(_WAITING_CHATS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()

    def expect(self, chats: int) -> None:
        """Learn how many chats will come, at the least: for many a process is started, which takes a while."""
        if self._may_start and chats >= _WORTH_A_PROCESS:
            self._may_start = False
            self._process = self._stack.enter_context(worker_pool(1))()
            self._process.submit(_get_ready)

    async def put(self, chat: ReadChat | None) -> None:
        """Hand over a chat that was read; None: there are no more. Waits where loading is slower than reading."""
        await self._read.put(chat)

    async def load(self, pages: Sequence[ReadPage]) -> None:
        """Load pages that are of no chat: of groups, configs, prompts, tools."""
        if pages:
            await in_thread(self._loader.load, await self._tables((), pages))

    async def run(self, loaded: Callable[[int], None]) -> None:
        """Load chats until there are no more.

        Args:
            loaded: Is told how many chats are in the lake, after each batch.
        """
        batches: asyncio.Queue[list[ReadChat]] = asyncio.Queue(_WAITING_BATCHES)
        made: asyncio.Queue[tuple[Tables, list[ReadChat]] | None] = asyncio.Queue(1)

        async def make() -> None:
            while batch := await batches.get():
                await made.put((await self._tables(batch, ()), batch))
            await made.put(None)

        async def commit() -> None:
            done = 0
            while each := await made.get():
                await in_thread(self._loader.load, *each)
                done += len(each[1])
                loaded(done)

        await all_of(self._gather(batches), make(), commit())

    async def _gather(self, batches: asyncio.Queue[list[ReadChat]]) -> None:
        batch: list[ReadChat] = []
        size_bytes, begun = 0, time.monotonic()
        while (chat := await self._read.get()) is not None:
            batch.append(chat)
            size_bytes += sum(len(page.data) for page in chat.pages)
            old = time.monotonic() - begun > _BATCH_S
            if old or len(batch) >= _BATCH_CHATS or size_bytes >= _BATCH_BYTES:
                await batches.put(batch)
                batch, size_bytes, begun = [], 0, time.monotonic()
        if batch:
            await batches.put(batch)
        await batches.put([])

    async def _tables(self, chats: Sequence[ReadChat], others: Sequence[ReadPage]) -> Tables:
        if self._process is not None:
            try:
                return await asyncio.wrap_future(self._process.submit(self._maker, chats, others))
            except BrokenExecutor:  # it died: whatever killed it, what was read is still here
                self._process = None
        return await in_thread(self._maker, chats, others)


def _get_ready() -> None:
    """In the process: nothing. What `TableMaker` needs was imported to find this."""


async def all_of(*work: Coroutine[Any, Any, None]) -> None:
    """Do several things at once; where one fails, or this is cancelled, end the others."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
