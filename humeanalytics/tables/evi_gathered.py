"""All that was read so far: chats, groups, and what they ran with."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field

from humeanalytics.tables.evi_chats import Chat, Event, Facts, made_id

#: Where events are gathered until it is clear which chat they are of.
NO_CHAT = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that could not be read in an event that was kept, or in a chat; ``message`` says what."""

    chat_id: str | None
    event_id: str | None
    message: str


@dataclass(slots=True)
class Gathered:
    """What payloads told.

    Attributes:
        chats: By id.
        groups, audio: What was told of each, by id.
        configs, prompts, tools: The same, by id and version.
        problems: What could not be read.
        met: Tables of which there was a list, even an empty one.
        found: How many things of EVI's there were.
        only: The chats whose events are wanted; None wants all.
        passed_over: Of the other chats, how many events there were.
    """

    chats: dict[str, Chat] = field(default_factory=dict)
    groups: dict[str, list[Facts]] = field(default_factory=lambda: defaultdict(list))
    audio: dict[str, list[Facts]] = field(default_factory=lambda: defaultdict(list))
    configs: dict[tuple[str, int], list[Facts]] = field(default_factory=lambda: defaultdict(list))
    prompts: dict[tuple[str, int], list[Facts]] = field(default_factory=lambda: defaultdict(list))
    tools: dict[tuple[str, int], list[Facts]] = field(default_factory=lambda: defaultdict(list))
    problems: list[Problem] = field(default_factory=list)
    met: set[str] = field(default_factory=set)
    found: int = 0
    only: Collection[str] | None = None
    passed_over: Counter[str] = field(default_factory=Counter)

    def chat(self, chat_id: str) -> Chat:
        """Return a chat, known before or not."""
        return self.chats.get(chat_id) or self.chats.setdefault(chat_id, Chat(chat_id))

    def add(self, event: Event) -> None:
        """Take an event in, if it is wanted."""
        if self.only is None or event.chat_id in self.only or event.chat_id == NO_CHAT:
            self.chat(event.chat_id).add(event)
        else:
            self.passed_over[event.chat_id] += 1

    def absorb(self, other: Gathered, *, account: bool = True) -> None:
        """Take in what another payload told of wanted chats and, of an ``account``, what else there is."""
        for chat_id, chat in other.chats.items():
            if other.only is not None and chat_id not in other.only:
                continue
            if chat_id in self.chats:
                self.chats[chat_id].absorb(chat)
            else:
                self.chats[chat_id] = chat
        self.problems += [each for each in other.problems if other.only is None or each.chat_id in other.only]
        self.met |= other.met
        self.found += other.found
        for name in ("groups", "audio", "configs", "prompts", "tools") if account else ():
            for key, facts in getattr(other, name).items():
                getattr(self, name)[key] += facts

    def name_the_nameless(self) -> None:
        """Give the events of which no chat is known one of their own, named by what it holds."""
        chat = self.chats.pop(NO_CHAT, None)
        if chat is None:
            return
        chat.chat_id = made_id(*sorted(chat.events))
        for event in chat.events.values():
            event.chat_id = chat.chat_id
        self.chat(chat.chat_id).absorb(chat)
        self.problems.append(
            Problem(
                chat.chat_id, None, f"{len(chat.events)} events do not say of which chat they are; they count as one of their own"
            )
        )
