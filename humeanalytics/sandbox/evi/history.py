"""The chats as they are at a moment: what follows from the seed, and what was added, changed and deleted since."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from humeanalytics.sandbox.evi.catalogue import Catalogue
from humeanalytics.sandbox.evi.conversation import Beat, Conversation, play
from humeanalytics.sandbox.evi.events import EventWriter
from humeanalytics.sandbox.evi.fleet import ChatPlan, plan_fleet
from humeanalytics.sandbox.evi.store import EviStore
from humeanalytics.sandbox.options import SandboxOptions

_MESSAGES = ("USER_MESSAGE", "AGENT_MESSAGE")


@dataclass(frozen=True, slots=True)
class Chat:
    """A chat that has begun: where it belongs, and its plan, or what was said of it when it was added."""

    id: str
    group_id: str
    start_ms: int
    plan: ChatPlan | None
    given: dict[str, Any]


class History:
    """All chats of one sandbox. Safe to use from several threads.

    Args:
        seed: What the chats follow from.
        store: What else there is to know.
        options: How many chats, and the guesses about them.
    """

    def __init__(self, seed: int, store: EviStore, options: SandboxOptions) -> None:
        self.catalogue = Catalogue(seed)
        self._seed = seed
        self._store = store
        self._options = options
        self._writer = EventWriter(seed, options.evi_embeddings)
        self._lock = threading.RLock()
        self._talks: dict[str, Conversation] = {}
        self._chats: list[Chat] | None = None
        self._by_id: dict[str, Chat] = {}

    # ------------------------------------------------------------------------------------------------------------- chats
    def chats(self, now_ms: int) -> list[Chat]:
        """Return the chats that have begun and were not deleted, oldest first."""
        with self._lock:
            known = self._known()
            begun = known[: bisect_right(known, now_ms, key=lambda chat: chat.start_ms)]
            deleted = self._store.deleted
            return [chat for chat in begun if chat.id not in deleted] if deleted else begun

    def chat(self, chat_id: str, now_ms: int) -> Chat | None:
        """Return a chat that has begun and was not deleted, or None."""
        with self._lock:
            self._known()
            chat = self._by_id.get(chat_id)
            return chat if chat and chat.start_ms <= now_ms and chat_id not in self._store.deleted else None

    def ids(self) -> set[str]:
        """Return the ids of all chats, also of those that have not begun or were deleted."""
        with self._lock:
            self._known()
            return set(self._by_id)

    def groups(self, now_ms: int) -> dict[str, list[Chat]]:
        """Return the chats of each group, oldest first; groups in the order in which they began."""
        groups: dict[str, list[Chat]] = {}
        for chat in self.chats(now_ms):
            groups.setdefault(chat.group_id, []).append(chat)
        return groups

    def chats_changed(self) -> None:
        """Take note that chats were added."""
        with self._lock:
            self._chats = None

    def _known(self) -> list[Chat]:
        if self._chats is None:
            plans = plan_fleet(self._seed, self._store.opening_ms, self._options, self.catalogue)
            chats = [Chat(plan.chat_id, plan.group_id, plan.start_ms, plan, {}) for plan in plans]
            chats += [
                Chat(given["id"], given["chat_group_id"], given["start_timestamp"], None, given)
                for given in list(self._store.chats.values())
            ]
            self._chats = sorted(chats, key=lambda chat: chat.start_ms)
            self._by_id = {chat.id: chat for chat in chats}
        return self._chats

    # -------------------------------------------------------------------------------------------------------------- told
    def status(self, chat: Chat, now_ms: int) -> str:
        """Return a chat's status as it is told."""
        return str(self._fields(chat, now_ms)["status"])

    def config(self, chat: Chat) -> dict[str, Any] | None:
        """Return the config a chat used, as it is told."""
        changed: dict[str, Any] = self._store.changes.get(chat.id, {})
        if "config" in changed:
            return changed["config"]  # type: ignore[no-any-return]
        if chat.plan is None:
            return chat.given.get("config")
        return chat.plan.config.told() if chat.plan.config else None

    def told(self, chat: Chat, now_ms: int) -> dict[str, Any]:
        """Return a chat as a list of chats tells it."""
        fields = self._fields(chat, now_ms)
        if "event_count" not in fields:
            events = self.events(chat, now_ms)
            fields["event_count"] = len(events) if self._options.evi_count_all else events.messages()
        order = ("id", "chat_group_id", "status", "start_timestamp", "end_timestamp", "event_count", "metadata", "config")
        told = {name: fields.pop(name) for name in order}
        return told | fields | ({"region": {"name": "nowhere"}} if self._options.evi_new_fields else {})

    def _fields(self, chat: Chat, now_ms: int) -> dict[str, Any]:
        changed = self._store.changes.get(chat.id, {})
        if chat.plan is None:
            return {"status": "ACTIVE", "end_timestamp": None, "metadata": None, "config": None, **chat.given, **changed}
        end_ms = self.talk(chat.plan).end_ms
        shown_from_ms = end_ms + self._options.evi_end_late_s * 1000
        fields = {
            "id": chat.id,
            "chat_group_id": chat.group_id,
            "status": "ACTIVE" if now_ms < end_ms else chat.plan.ends,
            "start_timestamp": chat.start_ms,
            "end_timestamp": None if now_ms < shown_from_ms else end_ms,
            "metadata": chat.plan.nothing,
            "config": self.config(chat),
        }
        return fields | changed

    # ------------------------------------------------------------------------------------------------------------ events
    def talk(self, plan: ChatPlan) -> Conversation:
        """Return a planned chat as it is played, to its end."""
        with self._lock:
            talk = self._talks.get(plan.chat_id)
            if talk is None:
                talk = play(plan, self.catalogue.prompt_text(plan.config), self._options)
                self._talks[plan.chat_id] = talk
            return talk

    def events(self, chat: Chat, now_ms: int) -> Events:
        """Return the events a chat has by now, in order."""
        talk = self.talk(chat.plan) if chat.plan else None
        beats = talk.beats if talk else []
        seen = bisect_right(beats, now_ms, key=lambda beat: beat.at_ms)
        added = [event for event in self._store.events.get(chat.id, ()) if event["timestamp"] <= now_ms]
        return Events(self._writer, talk, beats if seen == len(beats) else beats[:seen], added, self._options.evi_new_fields)


class Events:
    """The events of a chat; those that follow from the seed are written when they are asked for."""

    def __init__(
        self, writer: EventWriter, talk: Conversation | None, beats: Sequence[Beat], added: list[dict[str, Any]], new_fields: bool
    ) -> None:
        self._writer = writer
        self._talk = talk
        self._new_fields = new_fields
        self._all: Sequence[Beat | dict[str, Any]] = beats
        if added:
            self._all = sorted([*beats, *added], key=_at_ms)

    def __len__(self) -> int:
        return len(self._all)

    def messages(self) -> int:
        """Return how many are messages."""
        return sum((one.type if isinstance(one, Beat) else one["type"]) in _MESSAGES for one in self._all)

    def written(self, begin: int, end: int) -> list[dict[str, Any]]:
        """Return the events from ``begin`` up to ``end``, as the API tells them."""
        part = self._all[begin:end]
        beats = [one for one in part if isinstance(one, Beat)]
        written = iter(self._writer.write(self._talk, beats) if self._talk else [])
        events = [next(written) if isinstance(one, Beat) else one for one in part]
        if self._new_fields:
            events = [_with_new_fields(begin + place, event) for place, event in enumerate(events)]
        return events


def _at_ms(one: Beat | dict[str, Any]) -> int:
    return one.at_ms if isinstance(one, Beat) else int(one["timestamp"])


def _with_new_fields(place: int, event: dict[str, Any]) -> dict[str, Any]:
    unknown = {"type": "GESTURE_ONSET", "role": "OBSERVER"} if place % 10 == 9 else {}
    return {**event, "confidence": 0.5, **unknown}
