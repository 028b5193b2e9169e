"""What stands around chats: their groups, and the configs, prompts and tools they ran with."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from functools import partial

import msgspec

from humeanalytics.api.blocking import in_thread
from humeanalytics.api.evi import EviApi, Walk
from humeanalytics.errors import NotFound
from humeanalytics.jobs.export_known import known_versions, used_configs
from humeanalytics.jobs.export_loading import ChatLoader
from humeanalytics.jobs.export_pages import KeptPage, PageKeeper, PageSink
from humeanalytics.lake.lake import Lake

#: Of more groups than this, the list of all is read instead of one after the other.
_GROUPS_ONE_BY_ONE = 20

_INCOMPLETE = """
SELECT g.chat_group_id, g.num_chats, count(c.chat_id) AS chats
FROM chat_groups AS g JOIN (SELECT DISTINCT chat_id, chat_group_id FROM chats_all) AS c USING (chat_group_id)
WHERE NOT coalesce(g.active, false) AND epoch_ms(g.most_recent_start_timestamp) <= ? AND list_contains(?, g.chat_group_id)
GROUP BY ALL HAVING count(c.chat_id) < g.num_chats
"""


async def read_groups(api: EviApi, keeper: PageKeeper, loader: ChatLoader, groups: Collection[str]) -> None:
    """Read groups and load what is told of them. One that is gone meanwhile is left out."""
    if len(groups) > _GROUPS_ONE_BY_ONE:
        async for _ in api.chat_groups(Walk(open_sink=partial(_sink, keeper, "chat_groups"))):
            pass
    else:
        for group_id in sorted(groups):
            try:
                async for _ in api.chat_group(group_id, Walk(open_sink=partial(_sink, keeper, f"chat_groups/{group_id}"))):
                    pass
            except NotFound:
                continue
    await in_thread(loader.load, [], [_without_chats(page) for page in keeper.forget()])


def incomplete_groups(lake: Lake, groups: Collection[str], newest_ms: int) -> list[str]:
    """Say of which groups the lake has fewer chats than Hume counts, though none began after the newest that was listed."""
    rows = lake.sql(_INCOMPLETE, [newest_ms, sorted(groups)]).rows()
    return [
        f"Hume counts {row['num_chats']:,} chats in group {row['chat_group_id']}; {row['chats']:,} are in the lake."
        for row in rows
    ]


async def read_versions(api: EviApi, keeper: PageKeeper, loader: ChatLoader, lake: Lake, gone: set[str]) -> None:
    """Read the configs that chats ran with, and the prompts and tools of these, as far as they are not in the lake yet.

    Args:
        api: The service.
        keeper: Keeps what comes.
        loader: Loads it.
        lake: Where chats and configs are known.
        gone: Versions that do not exist any more, which is no error: chats outlive their configs. Takes those that are met.
    """
    wanted = [("configs", *used) for used in await in_thread(used_configs, lake)]
    there = await in_thread(known_versions, lake)
    while wanted:
        kind, id_, version = wanted.pop()
        place = f"{kind}/{id_}/version/{version}"
        if (kind, id_, version) in there or place in gone:
            continue
        there.add((kind, id_, version))
        versions = getattr(api, kind)
        try:
            told = await versions.get(id_, version, partial(keeper.sink, f"evi_{kind}", place))
        except NotFound:
            gone.add(place)
            continue
        if kind == "configs":
            used = [("prompts", told.get("prompt")), *(("tools", tool) for tool in told.get("tools") or ())]
            wanted += [
                (of, each["id"], each["version"])
                for of, each in used
                if isinstance(each, dict) and each.get("id") and each.get("version") is not None
            ]
    await in_thread(loader.load, [], keeper.forget())


def _sink(keeper: PageKeeper, uri: str, number: int) -> PageSink:
    return keeper.sink(uri.partition("/")[0], f"{uri}?page={number}")


def _without_chats(page: KeptPage) -> KeptPage:
    """Return what a page tells of its group alone: its chats are read one by one."""
    told = msgspec.json.decode(page.data)
    if "chats_page" in told:
        told["chats_page"] = []
    return replace(page, data=msgspec.json.encode(told))
