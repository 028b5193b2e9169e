"""Who talks when: the plan of every chat of the past, of those that run when the sandbox opens, and of those that begin later."""

from __future__ import annotations

import dataclasses
import math
import random
from dataclasses import dataclass
from datetime import UTC, datetime

from humeanalytics.sandbox.evi.catalogue import Catalogue, ConfigRef, uuid_of
from humeanalytics.sandbox.evi.talk import Topic, topics
from humeanalytics.sandbox.options import SandboxOptions

_HOUR_MS = 3_600_000
#: How each twenty chats in a row end.
_ENDS = (
    *("USER_ENDED",) * 12,
    *("INACTIVITY_TIMEOUT",) * 3,
    *("USER_TIMEOUT", "MAX_DURATION_TIMEOUT", "ERROR", "ERROR", "SILENCE_TIMEOUT"),
)
_SPREAD = 0.6
#: How much longer chats that run at the opening talk on, in seconds as people count.
_GO_ON_S = 60


def _ms(year: int, month: int, day: int) -> int:
    return int(datetime(year, month, day, tzinfo=UTC).timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class Era:
    """A time in which events had one form, and the share of the past that falls into it."""

    name: str
    from_ms: int
    to_ms: int
    share: float


#: 2024: six types, the assistant's scores with its messages, "" for nothing, embeddings. 2025: markers, null for nothing.
#: 2026: session settings, the assistant's scores as events of their own, related_event_id.
ERAS = (
    Era("2024", _ms(2024, 5, 1), _ms(2025, 6, 30), 0.25),
    Era("2025", _ms(2025, 8, 15), _ms(2025, 11, 10), 0.2),
    Era("2026", _ms(2025, 11, 20), _ms(2026, 11, 1), 0.55),
)


@dataclass(frozen=True, slots=True)
class ChatPlan:
    """What is settled of a chat before a word is said. Times are Unix milliseconds.

    Attributes:
        key: What all chance in it is drawn from.
        pace: How much faster than people it goes.
        ends: The status it ends with.
        events: About how many events it will have; 0: none at all.
        until_ms: It goes on at least until then, however few events that would be: who runs at the opening is met running.
    """

    key: str
    chat_id: str
    group_id: str
    start_ms: int
    era: str
    topic: Topic
    config: ConfigRef | None
    resumed: bool
    pace: float
    ends: str
    events: int
    until_ms: int = 0

    @property
    def nothing(self) -> str | None:
        """How this chat spells that there is nothing."""
        return "" if self.era == "2024" else None


def plan_fleet(seed: int, opening_ms: int, options: SandboxOptions, catalogue: Catalogue) -> list[ChatPlan]:
    """Plan all chats, in the order in which they begin.

    Args:
        seed: The past follows from it alone.
        opening_ms: When the sandbox first opened: the present counts from here.
        options: How many, how long.
        catalogue: What they run with.
    """
    planner = _Planner(seed, options, catalogue)
    past = planner.past()
    now = planner.present(opening_ms, past)
    return sorted(past + now, key=lambda plan: (plan.start_ms, plan.chat_id))


class _Planner:
    def __init__(self, seed: int, options: SandboxOptions, catalogue: Catalogue) -> None:
        self._seed = seed
        self._options = options
        self._catalogue = catalogue
        self._draw = random.Random(f"{seed}/fleet")

    def past(self) -> list[ChatPlan]:
        plans: list[ChatPlan] = []
        for number in range(self._options.evi_chats):
            place = (number + 0.5) / self._options.evi_chats
            era = ERAS[0] if place < ERAS[0].share else ERAS[1] if place < ERAS[0].share + ERAS[1].share else ERAS[2]
            before = plans[-1] if plans and plans[-1].era == era.name and self._draw.random() < 0.3 else None
            start_ms = self._draw.randrange(era.from_ms, era.to_ms)
            if before is not None:  # a day's pause at most; no chat is longer than an hour
                start_ms = before.start_ms + self._draw.randrange(_HOUR_MS, 24 * _HOUR_MS)
            plans.append(self._plan(f"{self._seed}/chat/{number}", start_ms, era.name, before, 1.0))
        return plans

    def present(self, opening_ms: int, past: list[ChatPlan]) -> list[ChatPlan]:
        plans = []
        starts = [
            opening_ms - round((5 + 20 * number) * 1000 / self._options.evi_pace) for number in range(self._options.evi_running)
        ]
        every_ms = self._options.evi_new_every_s * 1000
        starts += [opening_ms + round((number + 1) * every_ms) for number in range(self._options.evi_new_chats)]
        last_of = {plan.group_id: plan for plan in past if plan.era == "2026"}
        for number, start_ms in enumerate(starts):
            before = None
            if last_of and self._draw.random() < 0.3:  # a group goes on once: its chats never run at the same time
                before = last_of.pop(self._draw.choice(sorted(last_of)))
            plan = self._plan(f"{self._seed}/{opening_ms}/chat/{number}", start_ms, "2026", before, self._options.evi_pace)
            if number < self._options.evi_running:
                until_ms = opening_ms + round(_GO_ON_S * 1000 / self._options.evi_pace)
                plan = dataclasses.replace(plan, events=max(plan.events, 1), until_ms=until_ms)
            plans.append(plan)
        return plans

    def _plan(self, key: str, start_ms: int, era: str, before: ChatPlan | None, pace: float) -> ChatPlan:
        draw = random.Random(key)
        topic = before.topic if before else draw.choice(topics())
        refs = self._catalogue.refs[topic.name]
        chance = draw.random()
        config = None if chance < 0.12 else ConfigRef(refs[0].id, None) if chance < 0.16 else draw.choice(refs)
        number = int(key.rpartition("/")[2])
        ends = _ENDS[(number * 7) % len(_ENDS)]
        if era == "2024" and ends == "SILENCE_TIMEOUT":
            ends = "INACTIVITY_TIMEOUT"
        mean = math.log(max(self._options.evi_events_per_chat, 1)) - _SPREAD**2 / 2
        events = 0 if draw.random() < 0.03 else max(1, round(draw.lognormvariate(mean, _SPREAD)))
        return ChatPlan(
            key=key,
            chat_id=uuid_of(key),
            group_id=before.group_id if before else uuid_of(f"{key}/group"),
            start_ms=start_ms,
            era=era,
            topic=topic,
            config=config,
            resumed=before is not None,
            pace=pace,
            ends=ends,
            events=events,
        )
