"""What stands around chats: their groups, and the configs, prompts and tools they ran with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

import msgspec

from humeanalytics.api.evi import LANES, EviApi, Versions, Walk
from humeanalytics.errors import NotFound
from humeanalytics.jobs.export_making import all_of
from humeanalytics.jobs.export_pages import PageBuffer, ReadPage

#: Of more groups than this, the list of all is read instead of one after the other.
_GROUPS_ONE_BY_ONE = 20

#: A config, a prompt or a tool: of which kind, its id, its version.
Version = tuple[str, str, int | None]


class Surroundings:
    """Reads what stands around chats, each thing once, and holds the pages until they are taken.

    Args:
        api: The service.
        now: Its time.
        there: Versions that need not be read. Takes those that are.
        gone: Versions that do not exist any more, which is no error: chats outlive their configs. Takes those that are met.
    """

    def __init__(self, api: EviApi, now: Callable[[], datetime], there: set[Version], gone: set[str]) -> None:
        self._api, self._there, self._gone = api, there, gone
        self._groups, self._versions = PageBuffer(now), PageBuffer(now)
        self._read_before: set[str] = set()

    async def read(self, groups: Collection[str], configs: Iterable[tuple[str, int]]) -> None:
        """Read groups, and configs with the prompts and tools they name."""
        new = set(groups) - self._read_before
        self._read_before |= new
        await all_of(self._read_groups(new), self._read_versions([("configs", *each) for each in configs]))

    def take(self) -> list[ReadPage]:
        """Return the pages that came."""
        return [*(_without_chats(page) for page in self._groups.take()), *self._versions.take()]

    async def _read_groups(self, groups: Collection[str]) -> None:
        """Read groups. One that is gone meanwhile is left out."""
        if len(groups) > _GROUPS_ONE_BY_ONE:
            async for _ in self._api.chat_groups(Walk(take=partial(self._take, "chat_groups"))):
                pass
            return
        for group_id in sorted(groups):
            try:
                async for _ in self._api.chat_group(group_id, Walk(take=partial(self._take, f"chat_groups/{group_id}"))):
                    pass
            except NotFound:
                continue

    async def _read_versions(self, wanted: list[tuple[str, str, int]]) -> None:
        while wanted:
            now, wanted = wanted[:LANES], wanted[LANES:]
            for used in await asyncio.gather(*(self._read_version(*each) for each in now)):
                wanted += used

    async def _read_version(self, kind: str, id_: str, version: int) -> list[tuple[str, str, int]]:
        """Read one version, unless it is there or gone; return what else it names."""
        place = f"{kind}/{id_}/version/{version}"
        if (kind, id_, version) in self._there or place in self._gone:
            return []
        self._there.add((kind, id_, version))
        versions: Versions = getattr(self._api, kind)
        try:
            told = await versions.get(id_, version, partial(self._versions.add, f"evi_{kind}", place))
        except NotFound:
            self._gone.add(place)
            return []
        return _used_by(told) if kind == "configs" else []

    def _take(self, uri: str, number: int, data: bytes) -> None:
        self._groups.add("chat_groups", f"{uri}?page={number}", data)


def _used_by(config: Mapping[str, Any]) -> list[tuple[str, str, int]]:
    """Return the prompt and the tools of a config: (kind, id, version)."""
    used = [("prompts", config.get("prompt")), *(("tools", tool) for tool in config.get("tools") or ())]
    return [
        (of, each["id"], each["version"])
        for of, each in used
        if isinstance(each, dict) and each.get("id") and each.get("version") is not None
    ]


def _without_chats(page: ReadPage) -> ReadPage:
    """Return what a page tells of its group alone: its chats are read one by one."""
    told = msgspec.json.decode(page.data)
    if "chats_page" in told:
        told["chats_page"] = []
    return replace(page, data=msgspec.json.encode(told))
