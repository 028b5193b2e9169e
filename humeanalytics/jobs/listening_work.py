"""Do what `listen` was told of, beside the receiver and never in its way; what cannot be done now is tried again, for ever."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, Self

from humeanalytics.api.blocking import in_thread
from humeanalytics.errors import (
    AuthenticationFailed,
    HumeAnalyticsError,
    LakeError,
    LakeLocked,
    MissingKey,
    PermissionDenied,
    ServiceDiscontinued,
    ServiceUnreachable,
)
from humeanalytics.jobs.listening_chats import MOST_CHATS, bring_chats
from humeanalytics.jobs.listening_jobs import MOST_JOBS, collect_jobs
from humeanalytics.jobs.listening_store import CHAT, JOB, DeliveryStore, Task
from humeanalytics.lake.lake import Lake
from humeanalytics.redaction import redact_text
from humeanalytics.settings import Settings

_log = logging.getLogger(__name__)
#: Deliveries come in swarms: so long is waited for more of them, since what is brought together is one load.
_GATHER_S = 0.3
#: After what nobody but a person can change (a key, a service that has ended) it is tried again this seldom.
_REFUSED_S = 3600.0
_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 300.0
_LOCKED_WAIT_S = 10.0
#: What has nothing to do with which chat or job it is.
_NOBODYS_FAULT = (LakeError, AuthenticationFailed, PermissionDenied, MissingKey, ServiceUnreachable)
#: The clock may be put forward, so what is due is looked at now and then in any case.
_LOOK_AROUND_S = 60.0


class _Work(Protocol):
    def __call__(self, lake: Lake, store: DeliveryStore, tasks: Sequence[Task], settings: Settings, /) -> Awaitable[str]:
        """Do what is due, note in the store what came of it, and return that in words."""


class Worker:
    """A thread that exports chats and collects jobs while the ``with`` block runs.

    Args:
        lake: Where to.
        store: What there is to do.
        settings: Key, host and limits.
        say: Told, in a line, what was done and what hinders; the same hindrance once.
    """

    def __init__(self, lake: Lake, store: DeliveryStore, settings: Settings, say: Callable[[str], None]) -> None:
        self._lake, self._store, self._settings, self._say = lake, store, settings, say
        self._loop: asyncio.AbstractEventLoop | None = None
        self._started = threading.Event()
        self._woken: dict[str, asyncio.Event] = {}
        self._busy: set[str] = set()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="listen-worker", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.wait()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._running.cancel)
        self._thread.join()
        self._loop = None

    def wake(self) -> None:
        """There is something new to do. For any thread."""
        if self._loop is not None:
            for woken in self._woken.values():
                self._loop.call_soon_threadsafe(woken.set)

    @property
    def is_busy(self) -> bool:
        """Whether something is under way, or could be."""
        return bool(self._busy) or any(self._store.due(kind, 1) for kind in (CHAT, JOB))

    async def _run(self) -> None:
        self._woken = {CHAT: asyncio.Event(), JOB: asyncio.Event()}
        chats = asyncio.ensure_future(self._do_all(CHAT, bring_chats, MOST_CHATS))
        jobs = asyncio.ensure_future(self._do_all(JOB, collect_jobs, MOST_JOBS))
        self._running = asyncio.gather(chats, jobs)
        self._loop = asyncio.get_running_loop()
        self._started.set()
        with contextlib.suppress(asyncio.CancelledError):
            await self._running
        await asyncio.wait([chats, jobs])  # whatever is in the middle of a commit ends it

    async def _do_all(self, kind: str, work: _Work, most: int) -> None:
        failures, hindrance, size = 0, "", most
        while True:
            await self._until_due(kind)
            self._busy.add(kind)
            tasks = self._store.due(kind, size)
            try:
                done = await work(self._lake, self._store, tasks, self._settings) if tasks else ""
                failures, hindrance, size = 0, "", most
                if done:
                    self._say(done)
            except Exception as error:
                failures += 1
                wait_s, told = self._hindered(error, failures)
                if told != hindrance:
                    self._say(f"{told} What was delivered is kept; it is tried again in {wait_s:,.0f} s, or by the next listen.")
                hindrance = told
                if not isinstance(error, _NOBODYS_FAULT):  # one of them to blame stands alone before long, and lets others pass
                    size = max(1, len(tasks) // 2)
                    if len(tasks) == 1:
                        self._store.later(tasks[0], wait_s, told)
                self._busy.discard(kind)
                await asyncio.sleep(wait_s)
            finally:
                self._busy.discard(kind)

    async def _until_due(self, kind: str) -> None:
        woken = self._woken[kind]
        while True:
            woken.clear()
            due_s = await in_thread(self._store.next_due_s, kind)
            if due_s == 0:
                await asyncio.sleep(_GATHER_S)
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(woken.wait(), _LOOK_AROUND_S if due_s is None else min(due_s, _LOOK_AROUND_S))

    @staticmethod
    def _hindered(error: Exception, failures: int) -> tuple[float, str]:
        """Return after how long to try again, and what to say."""
        grown_s = _FIRST_WAIT_S * 2.0 ** min(failures - 1, 20)
        if isinstance(error, ServiceDiscontinued):
            return _REFUSED_S, f"{error} Nothing can be fetched from there any more."
        if isinstance(error, AuthenticationFailed | PermissionDenied | MissingKey):
            return _REFUSED_S, str(error)
        if isinstance(error, LakeLocked):
            return min(grown_s, _LOCKED_WAIT_S), str(error)
        if not isinstance(error, HumeAnalyticsError):
            _log.exception("A bug in humeanalytics: what listen was told of could not be done.")
            return min(grown_s, _LONGEST_WAIT_S), f"{type(error).__name__}: {redact_text(str(error))}."
        return min(grown_s, _LONGEST_WAIT_S), str(error)
