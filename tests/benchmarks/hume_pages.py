"""Pages of events as the sandbox gives them, for benchmarks."""

from __future__ import annotations

from collections.abc import Iterator

import httpx

from humeanalytics.sandbox.embedded import Sandbox
from humeanalytics.sandbox.options import SandboxOptions

CHATS = "/v0/evi/chats"


def pages_of_events(chats: int, events: int) -> Iterator[bytes]:
    """Yield all pages of all chats of a sandbox, oldest chat first."""
    options = SandboxOptions(evi_chats=chats, evi_events_per_chat=events, evi_running=0)
    with Sandbox(options=options) as hume, httpx.Client(base_url=hume.url, headers={"X-Hume-Api-Key": "b"}, timeout=60) as client:
        for number in range(-(-chats // 100)):
            listed = client.get(CHATS, params={"page_number": number, "page_size": 100}).raise_for_status().json()
            yield from (page for chat in listed["chats_page"] for page in _pages(client, chat["id"]))


def _pages(client: httpx.Client, chat_id: str) -> Iterator[bytes]:
    number, total = 0, 1
    while number < total:
        answer = client.get(f"{CHATS}/{chat_id}", params={"page_number": number, "page_size": 100}).raise_for_status()
        yield answer.content
        number, total = number + 1, answer.json()["total_pages"]
