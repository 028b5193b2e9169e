"""Bring chats into the lake that webhooks told of: their history, and what only the webhooks tell of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime

from humeanalytics.api.blocking import in_thread
from humeanalytics.api.evi import LANES, EviApi, Walk
from humeanalytics.errors import (
    HumeAnalyticsError,
    InvalidAnswer,
    NotFound,
    RateLimited,
    RequestRejected,
    ServerFailed,
    ServiceDiscontinued,
    UnreadableResponse,
)
from humeanalytics.jobs.bookkeeping import take_back
from humeanalytics.jobs.export_choice import ExportChoice
from humeanalytics.jobs.export_flow import ExportFlow
from humeanalytics.jobs.export_known import SETTLE_MS, KnownChat, known_chats
from humeanalytics.jobs.export_loading import ChatLoader
from humeanalytics.jobs.export_pages import API, ReadPage, keep_pages
from humeanalytics.jobs.export_tables import TableMaker
from humeanalytics.jobs.flow import begin_at, end_run, open_flow
from humeanalytics.jobs.listening_store import DeliveryStore, KeptBody, Task
from humeanalytics.jobs.progress import Silent
from humeanalytics.jobs.summary import RunSummary
from humeanalytics.lake.lake import Lake
from humeanalytics.settings import Settings
from humeanalytics.tables.evi import EviBook

#: So many chats are brought by one run.
MOST_CHATS = 200
#: The end of a chat is told a few seconds after the webhook at times: so often (a minute) it is waited for.
_TRIES_FOR_ITS_END = 5
#: So many chats in a row that cannot be asked for, each after all its retries: then the service is down.
_FAILURES_THAT_CONVINCE = 3
#: A chat that the service does not have for so long, it never will.
_GIVEN_UP_S = 86_400.0
_LONGEST_WAIT_S = 3600.0


@dataclass(frozen=True, slots=True)
class _Look:
    """What a first look at a chat told; ``problem`` is why it is not to be read now."""

    task: Task
    problem: str = ""
    gone: bool = False


async def bring_chats(lake: Lake, store: DeliveryStore, tasks: Sequence[Task], settings: Settings) -> str:
    """Export some chats and load the bodies of their webhooks; say in the store what became of each, and in words what was done.

    Raises:
        ServiceDiscontinued: No chat can be exported any more; what the webhooks told is in the lake.
        HumeAnalyticsError: Nothing can be done just now.
    """
    begun = time.monotonic()
    with open_flow(lake, API, "listen", settings, 0.0) as (opened, ledger, run_id):
        summary = RunSummary("listen", opened.uri, run_id)
        async with EviApi(settings) as api:
            try:
                await begin_at(api, opened, ledger, summary)
            except ServiceDiscontinued:
                opened.claim(synthetic=bool(api.synthetic))
                loader, maker = _loader_and_maker(opened, api, run_id)
                await in_thread(_load_bodies, opened, store, loader, maker, tasks)
                raise
            looks = await _look_at(api, tasks)
            ready = [look.task.id for look in looks if not look.problem]
            ended = None
            if ready:
                choice = ExportChoice(chats=tuple(ready))
                flow = ExportFlow(opened, ledger, api, choice, run_id, Silent())
                try:
                    await flow.run()
                except HumeAnalyticsError as error:
                    ended = error  # what was read before is in the lake
                summary.chats, summary.rows = flow.counts, flow.loader.rows_loaded
                summary.exit_code = ended.exit_code if ended is not None else 3 if flow.loader.errors else 0
            loader, maker = _loader_and_maker(opened, api, run_id)
            await in_thread(_load_bodies, opened, store, loader, maker, tasks)
        known = await in_thread(known_chats, opened)
        for look in looks:
            if ended is None or look.problem or look.task.id in known:
                _conclude(store, loader, look, known.get(look.task.id))
        summary.rows += loader.rows_loaded
        if ready or loader.rows_loaded:
            end_run(opened, ledger, summary, API, begun)
    if ended is not None:
        raise ended
    exported = len(known.keys() & set(ready))
    said = [f"{exported:,} chats exported"] if exported else []
    if exported < len(tasks):
        said.append(f"{len(tasks) - exported:,} not to be had yet: asked for again later")
    return "; ".join(said)


def _loader_and_maker(lake: Lake, api: EviApi, run_id: str) -> tuple[ChatLoader, TableMaker]:
    return ChatLoader(lake, api.origin, run_id), TableMaker(lake.raw.folder, api.origin, run_id, embeddings=False)


async def _look_at(api: EviApi, tasks: Sequence[Task]) -> list[_Look]:
    """Look at the first event of each chat: one that is not there, or not over, is left for later and leaves no trace."""
    free = asyncio.Semaphore(LANES)
    failed: list[HumeAnalyticsError] = []

    async def look(task: Task) -> _Look:
        async with free:
            try:
                problem = await _not_over(api, task)
            except (NotFound, RequestRejected) as error:
                return _Look(task, str(error), gone=True)
            except (ServerFailed, RateLimited) as error:
                failed.append(error)
                if len(failed) >= _FAILURES_THAT_CONVINCE:
                    raise
                return _Look(task, str(error))
            except (InvalidAnswer, UnreadableResponse):
                return _Look(task)  # the export says what is wrong with it, in the table of errors
            failed.clear()
            return _Look(task, problem)

    looking = [asyncio.ensure_future(look(task)) for task in tasks]
    try:
        return await asyncio.gather(*looking)
    finally:
        for each in looking:
            each.cancel()
        await asyncio.wait(looking)


async def _not_over(api: EviApi, task: Task) -> str:
    """Return why a chat is not to be read yet, if it is not."""
    async with aclosing(api.chat_events(task.id, Walk(page_size=1))) as pages:
        async for page in pages:
            over = page.head.status not in (None, "ACTIVE") and bool(page.head.end_timestamp)
            return "" if over or task.tries >= _TRIES_FOR_ITS_END else "It has not ended yet."
    return ""


def _load_bodies(lake: Lake, store: DeliveryStore, loader: ChatLoader, maker: TableMaker, tasks: Iterable[Task]) -> None:
    """Bring the bodies of webhooks of some chats, and whatever has waited long, under raw/ and into the tables."""
    take_back(lake, API)
    kept = store.bodies(task.id for task in tasks)
    known = [_page(each) for each in kept if _is_known(each)]
    keep_pages(lake.raw, maker.origin, [_page(each) for each in kept if not _is_known(each)])
    if known:
        loader.load(maker((), known))
    store.forget_bodies(kept)


def _page(delivered: KeptBody) -> ReadPage:
    uri = f"webhooks/{delivered.event_name}/{delivered.chat_id}"
    return ReadPage("webhooks", uri, delivered.body, datetime.fromtimestamp(delivered.received_s, UTC))


def _is_known(delivered: KeptBody) -> bool:
    """Whether tables can be made of it; what is of no known kind is kept under raw/ all the same."""
    try:
        EviBook().read(delivered.body)
    except UnreadableResponse:
        return False
    return True


def _conclude(store: DeliveryStore, loader: ChatLoader, look: _Look, known: KnownChat | None) -> None:
    """Say what became of a chat, and when to look again."""
    task = look.task
    wait_s = min(2.0 ** min(task.tries + 1, 20), _LONGEST_WAIT_S)
    old = store.age_s(task) > _GIVEN_UP_S
    if look.gone and old:
        message = f"Chat {task.id}, which a webhook told of, is not at the service. It was looked for, for a day."
        loader.add_error(task.id, message, "NotFound")
        store.settle(task, "given up", message)
    elif look.problem:
        store.later(task, wait_s, look.problem)
    elif known is None:
        message = "It could not be read; the table errors says why."
        store.settle(task, "given up", message) if old else store.later(task, wait_s, message)
    elif known.status == "ACTIVE" or not known.ended_ms:
        store.settle(task) if old else store.later(task, wait_s, "It was read and has not ended yet.")
    elif (settled_ms := known.ended_ms + SETTLE_MS - known.seen_ms) > 0:
        store.later(task, settled_ms / 1000 + 1, "It was read; once more when nothing of it can change.")
    else:
        store.settle(task)
