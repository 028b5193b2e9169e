"""What is known of one chat while its pages are read, and how they become one list of events in the server's order."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

#: In which list an event has its place: of its chat or of its group; seen from its beginning or from its end.
CHAT, CHAT_END, GROUP, GROUP_END = "chat", "chat_end", "group", "group_end"
#: Types of events in which somebody says something.
MESSAGES = ("USER_MESSAGE", "AGENT_MESSAGE")
_LISTS = ((CHAT, CHAT_END), (GROUP, GROUP_END))


@dataclass(slots=True)
class Event:
    """One event, its texts as they came; ``places`` says where it stood in which list."""

    event_id: str
    chat_id: str
    type: str | None = None
    role: str | None = None
    timestamp_ms: int | None = None
    timestamp_raw: int | None = None
    message_text: str | None = None
    emotion_features: str | None = None
    metadata: str | None = None
    related_event_id: str | None = None
    begin_ms: int | None = None
    end_ms: int | None = None
    form: str = "history"
    other_json: str | None = None
    seen_at: datetime | None = None
    places: dict[str, int] = field(default_factory=dict)

    @property
    def weight(self) -> tuple[Any, ...]:
        """Which of two readings of one event tells more: the later one, else the fuller one; never by chance."""
        told = (self.message_text, self.emotion_features, self.metadata, self.related_event_id, self.other_json, self.type)
        return (
            self.form == "history",
            self.seen_at.timestamp() if self.seen_at else 0.0,
            sum(each is not None for each in told),
            self.timestamp_ms is not None,
            repr((told, self.role, self.timestamp_raw)),
        )


@dataclass(frozen=True, slots=True)
class Facts:
    """What one place told of a thing, by column; None is nothing told."""

    told: Mapping[str, Any]
    seen_at: datetime | None = None

    @property
    def weight(self) -> tuple[Any, ...]:
        """Which of two tellings holds: of a chat that ended, one that knows so; the later one, by when it was seen; else by what
        it knows to have happened. (A file that was copied looks younger than it is.)

        What a list of events tells of its chats in passing holds only where nothing else is told.
        """
        known = (self.told.get("end_timestamp_raw"), self.told.get("modified_at_raw"), self.told.get("event_count"))
        return (
            bool(self.told.get("end_timestamp_raw")),
            self.seen_at.timestamp() if self.seen_at else 0.0,
            *(each or 0 for each in known),
            repr(sorted(self.told.items())),
        )


def folded(facts: Iterable[Facts]) -> dict[str, Any]:
    """Return all that is told of a thing: of each column the latest that is not null. The order they come in does not matter.

    >>> folded([Facts({"status": "USER_ENDED", "end_timestamp_raw": 9}), Facts({"status": "ACTIVE", "config_id": "c"})])
    {'status': 'USER_ENDED', 'config_id': 'c', 'end_timestamp_raw': 9}
    """
    whole: dict[str, Any] = {}
    seen: list[datetime] = []
    for each in sorted(facts, key=lambda fact: fact.weight):
        whole |= {column: value for column, value in each.told.items() if value is not None}
        if each.seen_at is not None:
            seen.append(each.seen_at)
    return whole | ({"seen_at": max(seen)} if seen else {})


@dataclass(slots=True)
class Chat:
    """One chat: what was told of it, its events by id, and how many there are by what pages from the end say."""

    chat_id: str
    facts: list[Facts] = field(default_factory=list)
    events: dict[str, Event] = field(default_factory=dict)
    calls: list[Facts] = field(default_factory=list)
    totals: dict[str, set[int]] = field(default_factory=dict)

    def add(self, event: Event) -> None:
        """Take an event in; of one that is known already, what tells more is kept, and every place."""
        known = self.events.get(event.event_id)
        if known is None:
            self.events[event.event_id] = event
            return
        places = dict(known.places)
        for name, place in event.places.items():
            places[name] = min(place, places.get(name, place))
        better = known if known.weight >= event.weight else event
        self.events[event.event_id] = replace(better, places=places)

    def absorb(self, other: Chat) -> None:
        """Take in all that is known of the same chat from elsewhere."""
        self.facts += other.facts
        self.calls += other.calls
        for name, totals in other.totals.items():
            self.totals.setdefault(name, set()).update(totals)
        for event in other.events.values():
            self.add(event)

    def in_order(self) -> list[tuple[int, Event]]:
        """Return the events with their ordinals, oldest first.

        An ordinal is the event's place in the server's list where every event has one of its own. Where places contradict each
        other (lists without page numbers, pages from the end of a chat that grew), time decides, then place.
        """
        events = self._of_one_form()
        for forward, backward in _LISTS:
            totals = self.totals.get(backward, set())
            total = next(iter(totals)) if len(totals) == 1 else 0
            places = [_place(event, forward, backward, total) for event in events]
            if None not in places and len(set(places)) == len(places):
                ordered = sorted(zip(places, events, strict=True), key=lambda pair: pair[0] or 0)
                if not ordered or (ordered[0][0] or 0) >= 0:
                    return [(place or 0, event) for place, event in ordered]
                return list(enumerate(event for _, event in ordered))
        return list(enumerate(sorted(events, key=self._by_time)))

    def _of_one_form(self) -> list[Event]:
        """Return the events of the history, or those of the socket, whichever has more of what was said.

        Messages of a socket are those of the history under other ids: together they would be told twice.
        """
        history = [event for event in self.events.values() if event.form == "history"]
        others = [event for event in self.events.values() if event.form != "history"]
        said = [sum(event.type in MESSAGES for event in each) for each in (history, others)]
        return history if history and said[0] >= said[1] else others

    def _by_time(self, event: Event) -> tuple[Any, ...]:
        places = [_place(event, forward, backward, 0) for forward, backward in _LISTS]
        place = next((each for each in places if each is not None), 0)
        return event.timestamp_ms is None, event.timestamp_ms or 0, place, event.event_id


def _place(event: Event, forward: str, backward: str, total: int) -> int | None:
    """Return the place of an event in a list, counted from its beginning; below 0 from its end where that is all there is."""
    if forward in event.places:
        return event.places[forward]
    return total - 1 - event.places[backward] if backward in event.places else None


def made_id(*told: Any) -> str:
    """Return an id of what came without one, made of what it holds."""
    return "made:" + hashlib.sha256(repr(told).encode("utf-8", "surrogatepass")).hexdigest()[:32]
