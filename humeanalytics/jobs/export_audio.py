"""The sound of chats: made by the service on request, fetched, and kept as it came."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from humeanalytics.api.blocking import in_thread
from humeanalytics.api.evi import EviApi
from humeanalytics.errors import ItemError, NotFound, RequestRejected, WaitTimeout
from humeanalytics.jobs.export_loading import ChatLoader
from humeanalytics.lake.lake import Lake
from humeanalytics.lake.raw import RawResponse, RawWriter

_WITHOUT = """
SELECT DISTINCT chat_id FROM chats ANTI JOIN (SELECT chat_id FROM chat_audio_all WHERE sha256 IS NOT NULL) USING (chat_id)
WHERE status <> 'ACTIVE' ORDER BY ALL
"""


class _Kept:
    """A `Sink` that keeps the bytes under raw/ as they are."""

    def __init__(self, writer: RawWriter, meta: Mapping[str, Any]) -> None:
        self._writer, self._meta = writer, meta
        self.kept: RawResponse | None = None

    def write(self, data: bytes) -> None:
        self._writer.write(data)

    def commit(self) -> None:
        self.kept = self._writer.commit(self._meta)

    def abort(self) -> None:
        self._writer.abort()


async def read_audio(api: EviApi, lake: Lake, loader: ChatLoader, only: Collection[str] | None, lanes: int) -> tuple[int, int]:
    """Fetch the sound of all chats that are over and have none in the lake yet, or of some of them.

    Returns:
        How many were fetched, and of how many it could not be had: these have an error each, and are tried again next time.
    """
    chat_ids = [row["chat_id"] for row in await in_thread(lambda: lake.sql(_WITHOUT).rows())]
    waiting = iter([each for each in chat_ids if only is None or each in only])
    counts = {"fetched": 0, "failed": 0}

    async def fetch() -> None:
        for chat_id in waiting:
            sinks: list[_Kept] = []

            def open_sink(chat_id: str = chat_id, sinks: list[_Kept] = sinks) -> _Kept:
                meta = {"origin": api.origin, "uri": f"chats/{chat_id}/audio", "received_at": datetime.now(UTC).isoformat()}
                sinks.append(_Kept(lake.raw.writer("evi", "audio", "media", redact=False), meta))
                return sinks[-1]

            try:
                saved = await api.save_audio(chat_id, open_sink)
            except (ItemError, NotFound, WaitTimeout, RequestRejected) as error:
                counts["failed"] += 1
                await in_thread(loader.add_error, chat_id, str(error), type(error).__name__)
                continue
            kept = sinks[-1].kept
            assert kept is not None
            await in_thread(loader.load_audio, saved, kept)
            counts["fetched"] += 1

    await asyncio.gather(*(fetch() for _ in range(lanes)))
    return counts["fetched"], counts["failed"]
