"""What the lake knows of chats, and so which of those at the service are still to be read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from humeanalytics.api.evi import Chat
from humeanalytics.lake.lake import Lake

#: For so long after its end a chat may still change: its end, its status and its last events come late (contract, section 6.4).
SETTLE_MS = 600_000

_KNOWN = """
SELECT chat_id, any_value(chat_group_id) AS chat_group_id, arg_max(status, seen_at) AS status,
    epoch_ms(arg_max(end_timestamp, seen_at)) AS ended_ms, arg_max(event_count, seen_at) AS event_count,
    arg_max(events, seen_at) AS events, epoch_ms(max(seen_at)) AS seen_ms
FROM chats_all WHERE form = 'history' AND status IS NOT NULL AND seen_at IS NOT NULL GROUP BY chat_id
"""


@dataclass(frozen=True, slots=True)
class KnownChat:
    """A chat as it was last read. Times are the service's, in milliseconds since 1970."""

    chat_id: str
    chat_group_id: str | None
    status: str | None
    ended_ms: int | None
    event_count: int | None
    events: int
    seen_ms: int

    @property
    def is_settled(self) -> bool:
        """Whether it was over, for long enough, when it was read."""
        if self.status == "ACTIVE" or not self.ended_ms:
            return False
        return self.seen_ms - self.ended_ms >= SETTLE_MS and self.events >= (self.event_count or 0)

    def differs_from(self, listed: Chat) -> bool:
        """Return whether a list tells something else of it by now."""
        grew = bool(listed.event_count) and listed.event_count != self.events
        return grew or listed.status != self.status or bool(listed.end_timestamp) != bool(self.ended_ms)


def known_chats(lake: Lake) -> dict[str, KnownChat]:
    """Return the chats whose history is in the lake, by id."""
    return {row["chat_id"]: KnownChat(**row) for row in lake.sql(_KNOWN).rows()}


def to_read_again(known: Iterable[KnownChat], listed: dict[str, Chat]) -> list[str]:
    """Return which of the known chats are to be read again: those that may have changed, and those of which a list says so."""
    return [
        each.chat_id
        for each in known
        if (each.differs_from(listed[each.chat_id]) if each.chat_id in listed else False) or not each.is_settled
    ]


def used_configs(lake: Lake) -> list[tuple[str, int]]:
    """Return the configs that chats ran with: (id, version)."""
    rows = lake.sql("SELECT DISTINCT config_id AS id, config_version AS version FROM chats_all").rows()
    return [(row["id"], row["version"]) for row in rows if row["id"] and row["version"] is not None]


def known_versions(lake: Lake) -> set[tuple[str, str, int | None]]:
    """Return which versions of configs, prompts and tools are in the lake: (kind, id, version)."""
    found: set[tuple[str, str, int | None]] = set()
    for kind, column in (("configs", "config_id"), ("prompts", "prompt_id"), ("tools", "tool_id")):
        rows = lake.sql(f"SELECT DISTINCT {column} AS id, version FROM evi_{kind}_all").rows()
        found.update((kind, row["id"], row["version"]) for row in rows)
    return found
