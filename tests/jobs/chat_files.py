"""Chats as people save them, made up or of a sandbox, and what a lake shows of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import humeanalytics as ha
from humeanalytics import vocabulary
from humeanalytics.sandbox.embedded import Sandbox

#: Published examples; where they come from stands beside them.
SAMPLES = Path(__file__).parent.parent / "tables" / "samples"
START_MS = 1_760_000_000_000


def written(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def event(number: int, *, chat_id: str = "chat-1", **more: Any) -> dict[str, Any]:
    """An event as the API gives it."""
    names = vocabulary.names_of("prosody")
    return {
        "id": f"{chat_id}/{number}",
        "chat_id": chat_id,
        "timestamp": START_MS + number * 1000,
        "role": "AGENT" if number % 2 else "USER",
        "type": "AGENT_MESSAGE" if number % 2 else "USER_MESSAGE",
        "message_text": f"text {number}",
        "emotion_features": "" if number % 2 else json.dumps({n.name: (number * 7 + i) % 64 / 64 for i, n in enumerate(names)}),
        "metadata": "",
        **more,
    }


def page(
    events: list[dict[str, Any]], *, chat_id: str = "chat-1", number: int = 0, size: int = 10, **more: Any
) -> dict[str, Any]:
    """One page of the events of a chat; ``events`` are all of them, oldest first."""
    return {
        "id": chat_id,
        "chat_group_id": "group-1",
        "status": "USER_ENDED",
        "start_timestamp": START_MS,
        "pagination_direction": "ASC",
        "events_page": events[number * size : (number + 1) * size],
        "page_number": number,
        "page_size": size,
        "total_pages": -(-len(events) // size),
        "end_timestamp": START_MS + 60_000,
        "metadata": "",
        "config": {"id": "config-1", "version": 0},
        **more,
    }


def account_pages(hume: Sandbox, *, size: int, descending: bool) -> list[dict[str, Any]]:
    """All pages of chats, groups and events of a sandbox: of each second group by the endpoint of groups."""
    import httpx

    found = []
    with httpx.Client(base_url=f"{hume.url}/v0/evi", headers={"X-Hume-Api-Key": "any"}) as client:

        def walk(path: str) -> None:
            number = 0
            while True:
                query = {"page_number": number, "page_size": size, "ascending_order": str(not descending).lower()}
                told = client.get(path, params=query).raise_for_status().json()
                found.append(told)
                number += 1
                if number >= told["total_pages"]:
                    return

        walk("/chats")
        walk("/chat_groups")
        truth = hume.evi.truth()
        by_group = {group["id"] for group in truth["chat_groups"][::2]}
        for group_id in sorted(by_group):
            walk(f"/chat_groups/{group_id}/events")
        for chat in truth["chats"]:
            if chat["chat_group_id"] not in by_group:
                walk(f"/chats/{chat['id']}")
    return found


def truth_of(hume: Sandbox) -> list[tuple[Any, ...]]:
    """What `shown` gives for a lake that holds all of a sandbox."""
    told: list[tuple[Any, ...]] = []
    truth = hume.evi.truth()
    for chat in truth["chats"]:
        config = chat["config"] or {"id": None, "version": None}
        times = (chat["start_timestamp"], chat["end_timestamp"])
        head = (chat["id"], chat["chat_group_id"], chat["status"], *times, config["id"], config["version"])
        events = list(hume.evi.events(chat["id"]))
        told.append((*head, len(events)))
        for ordinal, each in enumerate(events):
            scores = json.loads(each["emotion_features"]) if each["emotion_features"] else {}
            text = None if each["type"] == "SESSION_SETTINGS" else each["message_text"] or None  # secrets in them are blank
            of_event = (each["id"], ordinal, each["type"], each["role"], each["timestamp"], text)
            told.append((chat["id"], *of_event, scores.get("Joy"), scores.get("Surprise (negative)")))
    told += [(group["id"], group["num_chats"]) for group in truth["chat_groups"]]
    return sorted(told, key=repr)


def shown(lake: Path) -> list[tuple[Any, ...]]:
    """What a lake shows of chats, their events in the server's order, and groups."""
    with ha.open_lake(lake) as opened:
        chats = opened.sql(
            "SELECT chat_id, chat_group_id, status, start_timestamp_raw, end_timestamp_raw, config_id, config_version, events "
            "FROM chats"
        ).rows()
        events = opened.sql(
            "SELECT chat_id, event_id, row_number() OVER (PARTITION BY chat_id ORDER BY ordinal) - 1, type, role, timestamp_raw, "
            "if(type = 'SESSION_SETTINGS', NULL, message_text) AS said, joy, surprise_negative FROM chat_events"
        ).rows()
        groups = opened.sql("SELECT chat_group_id, num_chats FROM chat_groups").rows()
    return sorted([tuple(row.values()) for row in (*chats, *events, *groups)], key=repr)
