"""Flatten what EVI's history told, in every form people have saved it, to tables of chats."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO

import pyarrow as pa

from humeanalytics.errors import NotHumeData
from humeanalytics.recordings import chat_recording_id
from humeanalytics.tables.evi_chats import Chat, Event, folded
from humeanalytics.tables.evi_forms import Reader
from humeanalytics.tables.evi_gathered import Gathered, Problem
from humeanalytics.tables.evi_plain import read_plain_page
from humeanalytics.tables.evi_rows import Rows, fact_rows
from humeanalytics.tables.evi_saved import values_in
from humeanalytics.tables.evi_scores import NoScores, Scores, read_scores
from humeanalytics.tables.evi_segments import Segment, read_segments
from humeanalytics.tables.evi_session import session_of
from humeanalytics.tables.evi_tool_calls import tool_calls

__all__ = ["EviBook", "FlattenedEvi", "Problem", "flatten_evi"]

_ROWS = ("chats", "chat_events", "chat_segments", "tool_calls")


@dataclass(frozen=True, slots=True)
class ReadChat:
    """One chat as it was read: what its rows carry as ``recording_id`` and ``scoring_id``, and how many events it has."""

    chat_id: str
    recording_id: str
    scoring_id: str
    events: int


@dataclass(frozen=True, slots=True)
class FlattenedEvi:
    """What was gathered, as tables.

    Attributes:
        tables: By name, with the columns of `schema.TABLES` in their order, new expressions behind. Rows of one chat are
            contiguous, events in the server's order. Tables of which there was nothing are missing.
        chats: The chats, in the order of the rows.
        problems: What could not be read. What it stood in was kept.
    """

    tables: dict[str, pa.Table]
    chats: tuple[ReadChat, ...]
    problems: tuple[Problem, ...]


class EviBook:
    """Gathers payloads of EVI's history, in any order, and makes tables of them: each event once, each chat whole.

    Takes pages of every list (chats, events of a chat or of a group, groups, audio, configurations, prompts, tools), bare lists
    of events, single things, what the SDKs of Python and TypeScript dump, captures of the WebSocket as a list or as JSON
    lines, bodies of webhooks, and any of these in other JSON.

    Args:
        origin: The host it all came from, or ``saved``: part of what tells one answer from another.

    Attributes:
        chats: The chats that were met so far, and how many events of each.

    Examples:
        >>> book = EviBook()
        >>> book.read(b'{"id": "g", "page_number": 0, "page_size": 1, "total_pages": 1, "events_page": [{"id": "e", '
        ...           b'"chat_id": "c", "type": "USER_MESSAGE", "message_text": "Hi", "emotion_features": ""}]}')
        >>> book.finish().tables["chat_events"].select(["chat_id", "ordinal", "message_text", "joy"]).to_pylist()
        [{'chat_id': 'c', 'ordinal': 0, 'message_text': 'Hi', 'joy': None}]
    """

    def __init__(self, *, origin: str = "saved") -> None:
        self._origin = origin
        self._gathered = Gathered()
        self.chats: Counter[str] = Counter()

    def read(
        self,
        data: bytes | BinaryIO,
        *,
        name: str = "the answer",
        seen_at: datetime | None = None,
        only: Collection[str] | None = None,
        account: bool = True,
        is_clean: bool | None = None,
    ) -> None:
        """Read a payload. Of one that is broken nothing is taken.

        Args:
            data: The bytes, or a file opened for reading bytes.
            name: What errors call it.
            seen_at: When Hume gave it, or when its file was last changed: of two that differ the later holds.
            only: Take of these chats alone what it tells, for who has too many to hold; None takes all.
            account: Whether to take what it tells of groups, sound, configurations, prompts and tools.
            is_clean: Whether it is known that it holds no secrets: then nobody looks for them again.

        Raises:
            NotHumeData: It is something else; says what it looks like.
            UnreadableResponse: It is broken; says where.
        """
        gathered = Gathered(only=only)
        if isinstance(data, bytes) and read_plain_page(data, gathered, seen_at, is_clean=is_clean):
            self._absorb(gathered, account)
        else:
            self.read_values(values_in(data, name), name=name, seen_at=seen_at, only=only, account=account)

    def read_values(
        self,
        values: Any,
        *,
        name: str = "the answer",
        seen_at: datetime | None = None,
        only: Collection[str] | None = None,
        account: bool = True,
    ) -> None:
        """Read what was decoded from JSON already: an iterable of values. See `read`."""
        gathered = Gathered(only=only)
        reader = Reader(gathered, seen_at)
        for value in values:
            reader.read(value)
        reader.finish()
        if not gathered.found:
            raise NotHumeData(f"{name}: this is JSON without anything of EVI's history in it.", item=name)
        gathered.name_the_nameless()
        self._absorb(gathered, account)

    def _absorb(self, gathered: Gathered, account: bool) -> None:
        self.chats.update({chat_id: len(chat.events) for chat_id, chat in gathered.chats.items()})
        self.chats.update(gathered.passed_over)
        self._gathered.absorb(gathered, account=account)

    def finish(self, *, load_id: str | None = None, embeddings: bool = False) -> FlattenedEvi:
        """Return the tables.

        Args:
            load_id: The load of all rows.
            embeddings: Whether `chat_segments` gets a column ``embedding``, 768 float32 in a list of that fixed size.
        """
        gathered = self._gathered
        rows = {name: Rows(name, load_id) for name in _ROWS}
        problems = list(gathered.problems)
        chats = [
            _chat_rows(gathered.chats[chat_id], rows, problems, self._origin, embeddings) for chat_id in sorted(gathered.chats)
        ]
        tables: dict[str, pa.Table] = {}
        for name, each in rows.items():
            if len(each) or name in gathered.met:
                tables[name] = each.table(embeddings=embeddings and name == "chat_segments")
                if each.scores_lost:
                    problems.append(
                        Problem(None, None, f"{each.scores_lost} scores are larger than a float32 can be; they are null")
                    )
        for name, things, keys in (
            ("chat_groups", gathered.groups, ("chat_group_id",)),
            ("evi_configs", gathered.configs, ("config_id", "version")),
            ("evi_prompts", gathered.prompts, ("prompt_id", "version")),
            ("evi_tools", gathered.tools, ("tool_id", "version")),
        ):
            if things or name in gathered.met:
                tables[name] = fact_rows(name, load_id, things, keys)
        if gathered.audio or "chat_audio" in gathered.met:
            tables["chat_audio"] = _audio_rows(gathered, load_id, self._origin)
        return FlattenedEvi(tables, tuple(chats), tuple(problems))


def flatten_evi(
    data: bytes | BinaryIO, *, name: str = "the answer", seen_at: datetime | None = None, embeddings: bool = False
) -> FlattenedEvi:
    """Flatten one saved payload of EVI's history. See `EviBook`, which takes several.

    Raises:
        NotHumeData: It is something else; says what it looks like.
        UnreadableResponse: It is broken; says where.

    Examples:
        >>> flat = flatten_evi(b'{"page_number": 0, "page_size": 10, "total_pages": 0, "chats_page": []}')
        >>> flat.tables["chats"].num_rows
        0
    """
    book = EviBook()
    book.read(data, name=name, seen_at=seen_at)
    return book.finish(embeddings=embeddings)


def _chat_rows(chat: Chat, rows: dict[str, Rows], problems: list[Problem], origin: str, embeddings: bool) -> ReadChat:
    """Add all rows of a chat to their tables."""
    ordered = chat.in_order()
    events = [event for _, event in ordered]
    # A socket may have told what its session is called, also where its messages give way to those of the history.
    of_session = session_of([*(event for event in chat.events.values() if event.form == "socket"), *events])
    told = of_session | {key: value for key, value in folded(chat.facts).items() if value is not None}
    told["form"] = told.get("form") or (events[0].form if events else "webhook")
    told |= {"chat_id": chat.chat_id, "events": len(events)}
    read = [_read_event(event, problems, embeddings) for event in events]
    calls = tool_calls(chat, events)
    recording_id = chat_recording_id(chat.chat_id)
    scoring_id = _scoring_id(origin, recording_id, told, ordered, read, calls)
    seen = [event.seen_at for event in events if event.seen_at is not None]
    told["seen_at"] = max([*seen, told["seen_at"]]) if told.get("seen_at") else max(seen, default=None)
    keys = {"recording_id": recording_id, "scoring_id": scoring_id, "chat_id": chat.chat_id, "seen_at": told["seen_at"]}
    rows["chats"].add(told | keys)
    _add_events(rows["chat_events"], keys, ordered, read)
    _add_segments(rows["chat_segments"], keys, events, [segments for _, segments in read])
    for call in calls:
        called, responded = call.get("called_ms"), call.get("responded_ms")
        latency = None if called is None or responded is None else responded - called
        rows["tool_calls"].add(call | keys | {"latency_ms": latency})
    return ReadChat(chat.chat_id, recording_id, scoring_id, len(events))


def _add_events(
    rows: Rows, keys: dict[str, Any], ordered: list[tuple[int, Event]], read: list[tuple[Scores | None, list[Segment]]]
) -> None:
    events = [event for _, event in ordered]
    columns = {slot: [getattr(event, slot) for event in events] for slot in rows.told_by(Event)}
    columns["ordinal"] = [ordinal for ordinal, _ in ordered]
    for nth, (_, segments) in enumerate(read):
        if segments:
            columns["begin_ms"][nth], columns["end_ms"][nth] = segments[0].begin_ms, segments[-1].end_ms
    rows.extend(columns, keys, [scores for scores, _ in read])


def _add_segments(rows: Rows, keys: dict[str, Any], events: list[Event], read: list[list[Segment]]) -> None:
    segments = [segment for each in read for segment in each]
    columns = {slot: [getattr(segment, slot) for segment in segments] for slot in rows.told_by(Segment)}
    columns["event_id"] = [event.event_id for event, each in zip(events, read, strict=True) for _ in each]
    columns["nth"] = [nth for each in read for nth in range(len(each))]
    rows.extend(columns, keys, [each.scores for each in segments], [each.embedding for each in segments])


def _read_event(event: Event, problems: list[Problem], embeddings: bool) -> tuple[Scores | None, list[Segment]]:
    scores = read_scores(event.emotion_features)
    if isinstance(scores, NoScores):
        problems.append(Problem(event.chat_id, event.event_id, scores.reason))
        scores = None
    segments, wrong = read_segments(event.metadata, embeddings=embeddings)
    problems += [Problem(event.chat_id, event.event_id, reason) for reason in wrong]
    return scores, segments


def _scoring_id(
    origin: str,
    recording_id: str,
    told: dict[str, Any],
    ordered: Sequence[tuple[int, Event]],
    read: Sequence[tuple[Scores | None, list[Segment]]],
    calls: Sequence[dict[str, Any]],
) -> str:
    """Return an id that is the same for a chat in whatever form it was read, as long as it tells the same."""
    digest = hashlib.sha256("\n".join(("evi", origin, recording_id)).encode("utf-8", "surrogatepass"))
    columns = ("chat_group_id", "config_id", "config_version", "status", "start_timestamp", "end_timestamp", "event_count")
    told_of_calls = [[call.get("tool_call_id"), call.get("name"), call.get("content"), call.get("error")] for call in calls]
    digest.update(repr(([told.get(column) for column in columns], told_of_calls)).encode("utf-8", "surrogatepass"))
    for (_, event), (scores, segments) in zip(ordered, read, strict=True):
        of_event = (event.event_id, event.timestamp_ms, event.role, event.type, event.message_text, event.related_event_id)
        of_segments = [(each.content, each.begin_ms, each.end_ms) for each in segments]
        digest.update(repr((of_event, of_segments)).encode("utf-8", "surrogatepass"))
        digest.update(scores.to_bytes() if scores else b"")
    return digest.hexdigest()[:32]


def _audio_rows(gathered: Gathered, load_id: str | None, origin: str) -> pa.Table:
    rows = Rows("chat_audio", load_id)
    for chat_id in sorted(gathered.audio):
        told = folded(gathered.audio[chat_id])
        recording_id = chat_recording_id(chat_id)
        state = repr((origin, chat_id, told.get("status"), told.get("modified_at")))
        scoring_id = hashlib.sha256(f"evi\n{state}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
        rows.add(told | {"chat_id": chat_id, "recording_id": recording_id, "scoring_id": scoring_id})
    return rows.table()
