"""A chat, played from its plan: which events it has, and when."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from dataclasses import dataclass

from humeanalytics.sandbox.evi.catalogue import uuid_of
from humeanalytics.sandbox.evi.fleet import ChatPlan
from humeanalytics.sandbox.options import SandboxOptions

#: How long after its last event a chat ends.
_WAITED_MS = {"INACTIVITY_TIMEOUT": 120_000, "SILENCE_TIMEOUT": 30_000, "MAX_DURATION_TIMEOUT": 500, "ERROR": 40}
_SPOKEN_MS_PER_CHARACTER = 55


@dataclass(slots=True)
class Beat:
    """One event.

    Attributes:
        at_ms: Unix milliseconds.
        spoken_ms: Where in the caller's sound it was said; None: it was not, or not by the caller.
        scored: Whether it has scores.
        mood: Pleasantness and arousal.
        about: The event it belongs to.
        index: Its place in the chat.
    """

    type: str
    role: str
    at_ms: int
    text: str | None = None
    spoken_ms: tuple[int, int] | None = None
    scored: bool = False
    mood: tuple[float, float] = (0.0, 0.0)
    about: Beat | None = None
    index: int = 0


@dataclass(frozen=True, slots=True)
class Conversation:
    """A chat from its first to its last event, whatever of it has happened by now."""

    plan: ChatPlan
    beats: list[Beat]
    end_ms: int

    @property
    def custom_session_id(self) -> str | None:
        """What the caller's own system calls it, if it told."""
        settings = next((beat.text for beat in self.beats[:4] if beat.type == "SESSION_SETTINGS"), None)
        return json.loads(settings)["custom_session_id"] if settings else None


def play(plan: ChatPlan, prompt: str, options: SandboxOptions) -> Conversation:
    """Play a chat. The same plan gives the same chat."""
    stage = _Stage(plan, options)
    if plan.events:
        stage.open(prompt)
        while len(stage.beats) < plan.events - 1 or stage.now_ms < plan.until_ms:
            stage.exchange()
    return stage.close()


class _Stage:
    """A chat while it is played; ``_now`` is milliseconds since its start, as people count."""

    def __init__(self, plan: ChatPlan, options: SandboxOptions) -> None:
        self.beats: list[Beat] = []
        self._plan = plan
        self._options = options
        self._draw = random.Random(f"{plan.key}/talk")
        self._now = 0.0
        self._last = 0.0
        self._heard_from = 0.0
        self._exchange = 0
        self._typed = plan.era != "2024" and self._draw.random() < 0.06

    @property
    def now_ms(self) -> int:
        return self._at(self._now)

    def open(self, prompt: str) -> None:
        plan, draw = self._plan, self._draw
        if plan.era != "2024":
            self._add("CHAT_START_MESSAGE", "SYSTEM")
        if plan.era == "2026" and draw.random() < 0.6:
            self._wait(20, 60)
            self._add("SESSION_SETTINGS", "SYSTEM", self._session_settings())
        self._wait(60, 160)
        self._add("SYSTEM_PROMPT", "SYSTEM", prompt)
        if plan.era != "2024" and not self._typed:
            self._wait(150, 800)
            self._add("USER_RECORDING_START_MESSAGE", "SYSTEM")
        self._heard_from = self._now if self._options.evi_segments_from_recording else 0.0
        if draw.random() < 0.7:
            self._wait(300, 900)
            self._reply(plan.topic.greeting, interruptible=False)

    def exchange(self) -> None:
        plan, draw = self._plan, self._draw
        caller, reply = plan.topic.exchanges[self._exchange % len(plan.topic.exchanges)]
        last = max(len(plan.topic.exchanges) - 1, 1)
        share = min(self._exchange / last, 1.0)
        (glad, loud), (glad_then, loud_then) = plan.topic.mood
        mood = (glad + share * (glad_then - glad), loud + share * (loud_then - loud))
        for text in caller:
            self._wait(500, 2500)
            begun, self._now = self._now, self._now + 250 + _SPOKEN_MS_PER_CHARACTER * len(text)
            spoken = (round(begun - self._heard_from), round(self._now - self._heard_from))
            self._wait(300, 1100)
            spoken_ms = None if self._typed else spoken
            self._add("USER_MESSAGE", "USER", text, spoken_ms=spoken_ms, scored=not self._typed, mood=mood)
        if plan.topic.tool and self._exchange % 4 == 1 and draw.random() < 0.7:
            self._call_tool()
        self._wait(400, 2200)
        self._reply(reply, interruptible=True)
        if plan.era != "2024" and draw.random() < 0.05:
            self._add("PAUSE_ONSET", "USER")
            self._wait(2000, 8000)
            self._add("RESUME_ONSET", "USER")
        self._exchange += 1

    def close(self) -> Conversation:
        plan, beats = self._plan, self.beats
        self._now = max(self._now, self._last) + _WAITED_MS.get(plan.ends, 1200)
        if plan.events and plan.era != "2024":
            self._add("CHAT_END_MESSAGE", "SYSTEM")
        beats.sort(key=lambda beat: beat.at_ms)  # stable: prosody comes late, all else in order
        for index, beat in enumerate(beats):
            beat.index = index
        return Conversation(plan, beats, self._at(self._now + 30))

    def _reply(self, sentences: Iterable[str], *, interruptible: bool) -> None:
        plan, draw = self._plan, self._draw
        own = plan.era == "2024" or (plan.era == "2025" and draw.random() < 0.5)
        interrupted = interruptible and draw.random() < 0.12
        for sentence in sentences:
            said = self._add("AGENT_MESSAGE", "AGENT", sentence, scored=own, mood=(0.6, 0.0))
            if plan.era == "2026":
                self._last = self._now + draw.uniform(1500, 3000)
                late = Beat("ASSISTANT_PROSODY", "AGENT", self._at(self._last))
                late.scored, late.mood, late.about = True, (0.6, 0.1), said
                self.beats.append(late)
            if draw.random() < 0.7:  # else the next one comes in the same millisecond
                self._wait(0, 350)
        self._now += 900  # a reply takes a while to hear, unless it is cut short
        if interrupted:
            text = str(self._at(self._now)) if self._options.evi_interruption_time else self._plan.nothing
            self._add("USER_INTERRUPTION", "USER", text)
        else:
            self._now += 2400

    def _call_tool(self) -> None:
        tool = self._plan.topic.tool
        assert tool is not None
        call_id = "call_" + uuid_of(f"{self._plan.key}/{len(self.beats)}").replace("-", "")[:24]
        call = {
            "type": "tool_call",
            "name": tool.name,
            "parameters": tool.parameters,
            "tool_call_id": call_id,
            "tool_type": "function",
            "response_required": True,
        }
        self._wait(150, 500)
        self._add("FUNCTION_CALL", self._options.evi_tool_role, json.dumps(call, sort_keys=True))
        fate = self._draw.random()
        if fate < 0.1:
            return  # nobody answers
        failed = fate < 0.2
        answer = {"type": "tool_error" if failed else "tool_response", "tool_call_id": call_id}
        answer |= {"error": "timed out", "level": "warn"} if failed else {"content": tool.result}
        self._wait(200, 1800)
        bare = self._options.evi_bare_tool_results
        text = (answer.get("content") or answer["error"]) if bare else json.dumps(answer, sort_keys=True)
        self._add("FUNCTION_CALL_RESPONSE", "TOOL", text)

    def _session_settings(self) -> str:
        draw = self._draw
        settings = {
            "type": "session_settings",
            "custom_session_id": f"session-{draw.randrange(100_000):05d}",
            "system_prompt": None,
            "voice_id": None,
            "event_limit": None,
            "audio": {"channels": 1, "encoding": "linear16", "sample_rate": 48000},
            "context": None,
            "variables": {"first_name": draw.choice(("Ana", "Ben", "Chloé", "Dai")), "age": "30", "member": "true"},
        }
        if draw.random() < 0.2:
            settings["language_model_api_key"] = "sk-made-up-" + uuid_of(self._plan.key).replace("-", "")
        return json.dumps(settings, sort_keys=True)

    def _wait(self, least_ms: float, most_ms: float) -> None:
        self._now += self._draw.uniform(least_ms, most_ms)

    def _at(self, offset_ms: float) -> int:
        return self._plan.start_ms + round(offset_ms / self._plan.pace)

    def _add(
        self,
        type_: str,
        role: str,
        text: str | None = None,
        *,
        spoken_ms: tuple[int, int] | None = None,
        scored: bool = False,
        mood: tuple[float, float] = (0.0, 0.0),
    ) -> Beat:
        beat = Beat(type_, role, self._at(self._now), self._plan.nothing if text is None else text, spoken_ms, scored, mood)
        self.beats.append(beat)
        return beat
