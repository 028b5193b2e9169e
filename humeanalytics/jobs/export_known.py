"""What the lake knows of chats, and so which of those at the service are still to be read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from humeanalytics.api.evi import Chat
from humeanalytics.jobs.bookkeeping import Row, ms_of
from humeanalytics.lake.lake import Lake

#: For so long after its end a chat may still change: its end, its status and its last events come late (contract, section 6.4).
SETTLE_MS = 600_000

_TOLD = ("chat_id", "chat_group_id", "form", "status", "end_timestamp", "event_count", "events", "seen_at")


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
        # One that was read by its id alone has no count yet.
        grew = bool(listed.event_count) and (listed.event_count != self.events or self.event_count is None)
        return grew or listed.status != self.status or bool(listed.end_timestamp) != bool(self.ended_ms)


def known_chats(lake: Lake) -> dict[str, KnownChat]:
    """Return the chats whose history is in the lake, by id: of each column what was told last."""
    told = [row for row in _rows(lake, "chats", _TOLD) if row["form"] == "history" and row["status"] and row["seen_at"]]
    chats: dict[str, dict[str, Any]] = {}
    for row in sorted(told, key=lambda row: row["seen_at"]):
        chats.setdefault(row["chat_id"], dict.fromkeys(_TOLD)).update({k: v for k, v in row.items() if v is not None})
    return {
        chat_id: KnownChat(
            chat_id,
            chat["chat_group_id"],
            chat["status"],
            None if chat["end_timestamp"] is None else ms_of(chat["end_timestamp"]),
            chat["event_count"],
            chat["events"] or 0,
            ms_of(chat["seen_at"]),
        )
        for chat_id, chat in chats.items()
    }


def to_read_again(known: Iterable[KnownChat], listed: dict[str, Chat]) -> list[str]:
    """Return which of the known chats are to be read again: those that may have changed, and those of which a list says so."""
    return [
        each.chat_id
        for each in known
        if (each.differs_from(listed[each.chat_id]) if each.chat_id in listed else False) or not each.is_settled
    ]


def used_configs(lake: Lake) -> list[tuple[str, int]]:
    """Return the configs that chats ran with: (id, version)."""
    used = {(row["config_id"], row["config_version"]) for row in _rows(lake, "chats", ("config_id", "config_version"))}
    return sorted((id_, version) for id_, version in used if id_ and version is not None)


def known_versions(lake: Lake) -> set[tuple[str, str, int | None]]:
    """Return which versions of configs, prompts and tools are in the lake: (kind, id, version)."""
    found: set[tuple[str, str, int | None]] = set()
    for kind, column in (("configs", "config_id"), ("prompts", "prompt_id"), ("tools", "tool_id")):
        found.update((kind, row[column], row["version"]) for row in _rows(lake, f"evi_{kind}", (column, "version")))
    return found


def incomplete_groups(lake: Lake, groups: Collection[str], newest_ms: int) -> list[str]:
    """Say of which groups the lake has fewer chats than Hume counts, though none began after the newest that was listed."""
    columns = ("chat_group_id", "num_chats", "active", "most_recent_start_timestamp", "seen_at")
    told = [row for row in _rows(lake, "chat_groups", columns) if row["chat_group_id"] in groups and row["num_chats"]]
    newest = {row["chat_group_id"]: row for row in sorted(told, key=lambda row: (row["seen_at"] is not None, row["seen_at"]))}
    chats: dict[str, set[str]] = defaultdict(set)
    for row in _rows(lake, "chats", ("chat_id", "chat_group_id")) if newest else ():
        chats[row["chat_group_id"]].add(row["chat_id"])
    return [
        f"Hume counts {row['num_chats']:,} chats in group {group_id}; {len(chats[group_id]):,} are in the lake."
        for group_id, row in sorted(newest.items())
        if not row["active"]
        and row["most_recent_start_timestamp"] is not None
        and ms_of(row["most_recent_start_timestamp"]) <= newest_ms
        and len(chats[group_id]) < row["num_chats"]
    ]


def _rows(lake: Lake, table: str, columns: Sequence[str]) -> Iterator[Row]:
    """Yield rows of complete loads. Not by SQL: an export that finds nothing new is done before DuckDB has been loaded."""
    for rows in lake.stored(table, columns):
        yield from rows.to_pylist()
