"""Pair what called a tool with what came back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from humeanalytics.tables.evi_chats import Chat, Event, Facts, folded
from humeanalytics.tables.evi_values import members_of, object_of
from humeanalytics.tables.evi_webhooks import answer_of, call_of

CALL, RESPONSE = "FUNCTION_CALL", "FUNCTION_CALL_RESPONSE"


@dataclass(slots=True)
class _Told:
    """An event that called or answered, and what it says."""

    event: Event
    told: dict[str, Any]
    paired: bool = False


def tool_calls(chat: Chat, events: Sequence[Event]) -> list[dict[str, Any]]:
    """Return the calls of a chat, in order; answers that belong to none stand at the end.

    A call and an answer that name the same id belong together. Of the rest, an answer belongs to the oldest call before it
    that has none; one that names an id, and a call that names another, never.

    Args:
        chat: The chat, with what webhooks told of its calls.
        events: Its events, in order.
    """
    calls = [_Told(event, _call(event)) for event in events if event.type == CALL]
    answers = [_Told(event, _answer(event)) for event in events if event.type == RESPONSE]
    rows = [_row(call, *_of_id(call, answers)) for call in calls]
    if not all(answer.paired for answer in answers):
        _pair_by_order(events, calls, answers, rows)
    rows += [_row(None, answer, None) for answer in answers if not answer.paired]
    return _with_webhooks(chat, rows)


def _call(event: Event) -> dict[str, Any]:
    return call_of(members_of(object_of(event.message_text) or object_of(event.metadata) or {}))


def _answer(event: Event) -> dict[str, Any]:
    said = object_of(event.message_text)
    members = members_of(said) if said is not None else {}
    if members.keys() & {"content", "error", "tool_call_id"}:
        return answer_of(members)
    beside = members_of(object_of(event.metadata) or {})
    return answer_of(beside | {"content": event.message_text})


def _of_id(call: _Told, answers: Sequence[_Told]) -> tuple[_Told | None, str | None]:
    wanted = call.told["tool_call_id"]
    for answer in answers if wanted is not None else ():
        if answer.told["tool_call_id"] == wanted and not answer.paired:
            answer.paired = call.paired = True
            return answer, "id"
    return None, None


def _pair_by_order(events: Sequence[Event], calls: Sequence[_Told], answers: Sequence[_Told], rows: list[dict[str, Any]]) -> None:
    place = {event.event_id: i for i, event in enumerate(events)}
    for answer in answers:
        if answer.paired:
            continue
        for i, call in enumerate(calls):
            is_before = place[call.event.event_id] < place[answer.event.event_id]
            named = call.told["tool_call_id"] is not None and answer.told["tool_call_id"] is not None
            if is_before and not call.paired and not named:
                answer.paired = call.paired = True
                rows[i] = _row(call, answer, "order")
                break


def _row(call: _Told | None, answer: _Told | None, paired_by: str | None) -> dict[str, Any]:
    row: dict[str, Any] = dict(call.told) if call else {}
    row |= {"call_event_id": call.event.event_id, "called_ms": call.event.timestamp_ms} if call else {}
    if answer:
        told = answer.told if row.get("tool_call_id") is None else {**answer.told, "tool_call_id": row["tool_call_id"]}
        row |= {**told, "response_event_id": answer.event.event_id, "responded_ms": answer.event.timestamp_ms}
    return row | {"paired_by": paired_by}


def _with_webhooks(chat: Chat, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add what webhooks told: to the call of the same id, or, of calls that no event is known of, as rows of their own."""
    by_id = {row["tool_call_id"]: row for row in rows if row.get("tool_call_id") is not None}
    told: dict[str | None, list[Facts]] = {}
    for each in chat.calls:
        told.setdefault(each.told["tool_call_id"], []).append(each)
    for tool_call_id, facts in told.items():
        whole = folded(facts)
        row = by_id.get(tool_call_id)
        if row is None:
            rows.append(whole)
            continue
        for column, value in whole.items():
            if row.get(column) is None:
                row[column] = value
    return rows
