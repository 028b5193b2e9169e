"""Chats on their way into the lake: a process that dies loses nothing, and a lake that takes nothing ends the export."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import humeanalytics as ha
from humeanalytics.errors import DiskFull
from humeanalytics.jobs import export_making
from humeanalytics.jobs.export_loading import ChatLoader
from humeanalytics.jobs.export_making import ChatIntake
from humeanalytics.jobs.export_tables import ReadChat, Tables
from humeanalytics.sandbox.embedded import Sandbox
from humeanalytics.sandbox.options import SandboxOptions


class DiesElsewhere:
    """Makes tables in the process it was made in, and ends any other."""

    def __init__(self) -> None:
        self._home = os.getpid()

    def __call__(self, chats: Sequence[ReadChat], others: Sequence[Any]) -> Tables:
        if os.getpid() != self._home:
            os._exit(1)
        return Tables("load", {}, (), {})


class Loaded:
    """A loader that only notes what it is given."""

    def __init__(self) -> None:
        self.chats: list[str] = []

    def load(self, made: Tables, chats: Sequence[ReadChat] = ()) -> None:
        self.chats += [chat.chat_id for chat in chats]


def test_a_process_that_dies_loses_no_chat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_making, "cores", lambda: 2)
    loader: Any = Loaded()
    chats = [ReadChat(f"c{n}", None, None, (), is_over=True, is_new=True) for n in range(450)]

    async def take_in() -> None:
        maker: Any = DiesElsewhere()
        with ChatIntake(maker, loader) as intake:
            intake.expect(len(chats))
            assert intake._process is not None
            loading = asyncio.ensure_future(intake.run(lambda done: None))
            for chat in (*chats, None):
                await intake.put(chat)
            await loading
            assert intake._process is None

    asyncio.run(take_in())
    assert loader.chats == [chat.chat_id for chat in chats]


@pytest.mark.timeout(60)
def test_a_disk_that_is_full_ends_the_export_when_all_has_been_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many chats as fill every place on the way: the last of them is read before the first cannot be loaded."""

    def load(self: ChatLoader, made: Tables, chats: Sequence[ReadChat] = ()) -> None:
        time.sleep(2)
        raise DiskFull("No space left.")

    monkeypatch.setattr(ChatLoader, "load", load)
    monkeypatch.setattr(export_making, "_BATCH_CHATS", 1)
    on_the_way = 4 + export_making._WAITING_BATCHES + export_making._WAITING_CHATS
    options = SandboxOptions(evi_chats=on_the_way, evi_running=0, evi_events_per_chat=3)
    with Sandbox(options=options) as hume, pytest.raises(DiskFull):
        ha.export_chats(tmp_path / "lake", settings=hume.settings)
