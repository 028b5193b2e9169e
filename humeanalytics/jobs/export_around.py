"""What stands around chats: their groups, and the configs, prompts and tools they ran with."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import msgspec

from humeanalytics.api.blocking import in_thread
from humeanalytics.api.downloads import Sink
from humeanalytics.api.evi import EviApi, Versions, Walk
from humeanalytics.errors import NotFound
from humeanalytics.jobs.export_known import known_versions, used_configs
from humeanalytics.jobs.export_pages import PageBuffer, ReadPage
from humeanalytics.lake.lake import Lake

#: Of more groups than this, the list of all is read instead of one after the other.
_GROUPS_ONE_BY_ONE = 20

_INCOMPLETE = """
SELECT g.chat_group_id, g.num_chats, count(c.chat_id) AS chats
FROM chat_groups AS g JOIN (SELECT DISTINCT chat_id, chat_group_id FROM chats_all) AS c USING (chat_group_id)
WHERE NOT coalesce(g.active, false) AND epoch_ms(g.most_recent_start_timestamp) <= ? AND list_contains(?, g.chat_group_id)
GROUP BY ALL HAVING count(c.chat_id) < g.num_chats
"""


async def read_groups(api: EviApi, buffer: PageBuffer, groups: Collection[str]) -> None:
    """Read groups. One that is gone meanwhile is left out."""
    if len(groups) > _GROUPS_ONE_BY_ONE:
        async for _ in api.chat_groups(Walk(open_sink=partial(_sink, buffer, "chat_groups"))):
            pass
        return
    for group_id in sorted(groups):
        try:
            async for _ in api.chat_group(group_id, Walk(open_sink=partial(_sink, buffer, f"chat_groups/{group_id}"))):
                pass
        except NotFound:
            continue


def incomplete_groups(lake: Lake, groups: Collection[str], newest_ms: int) -> list[str]:
    """Say of which groups the lake has fewer chats than Hume counts, though none began after the newest that was listed."""
    rows = lake.sql(_INCOMPLETE, [newest_ms, sorted(groups)]).rows()
    return [
        f"Hume counts {row['num_chats']:,} chats in group {row['chat_group_id']}; {row['chats']:,} are in the lake."
        for row in rows
    ]


async def read_versions(api: EviApi, buffer: PageBuffer, lake: Lake, gone: set[str], *, lanes: int) -> None:
    """Read the configs that chats ran with, and the prompts and tools of these, as far as they are not in the lake yet.

    Args:
        api: The service.
        buffer: Takes what comes.
        lake: Where chats and configs are known.
        gone: Versions that do not exist any more, which is no error: chats outlive their configs. Takes those that are met.
        lanes: How many to ask for at once.
    """
    wanted = [("configs", *used) for used in await in_thread(used_configs, lake)]
    there = await in_thread(known_versions, lake)

    async def read(kind: str, id_: str, version: int) -> list[tuple[str, str, int]]:
        place = f"{kind}/{id_}/version/{version}"
        if (kind, id_, version) in there or place in gone:
            return []
        there.add((kind, id_, version))
        versions: Versions = getattr(api, kind)
        try:
            told = await versions.get(id_, version, partial(buffer.sink, f"evi_{kind}", place))
        except NotFound:
            gone.add(place)
            return []
        return _used_by(told) if kind == "configs" else []

    while wanted:
        now, wanted = wanted[:lanes], wanted[lanes:]
        for used in await asyncio.gather(*(read(*each) for each in now)):
            wanted += used


def _used_by(config: Mapping[str, Any]) -> list[tuple[str, str, int]]:
    """Return the prompt and the tools of a config: (kind, id, version)."""
    used = [("prompts", config.get("prompt")), *(("tools", tool) for tool in config.get("tools") or ())]
    return [
        (of, each["id"], each["version"])
        for of, each in used
        if isinstance(each, dict) and each.get("id") and each.get("version") is not None
    ]


def _sink(buffer: PageBuffer, uri: str, number: int) -> Sink:
    return buffer.sink(uri.partition("/")[0], f"{uri}?page={number}")


def without_chats(page: ReadPage) -> ReadPage:
    """Return what a page tells of its group alone: its chats are read one by one."""
    told = msgspec.json.decode(page.data)
    if "chats_page" in told:
        told["chats_page"] = []
    return replace(page, data=msgspec.json.encode(told))
