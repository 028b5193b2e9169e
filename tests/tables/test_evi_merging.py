"""Pages of a chat, in whatever order and however often they come, give each event once, in the server's order."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from evi_payloads import START_MS, as_bytes, event, page
from hypothesis import given
from hypothesis import strategies as st

from humeanalytics.tables.evi import EviBook, FlattenedEvi


def read(*payloads: Any) -> FlattenedEvi:
    book = EviBook()
    for payload in payloads:
        book.read(as_bytes(payload))
    return book.finish()


def order(flat: FlattenedEvi) -> list[tuple[int, str]]:
    return [(row["ordinal"], row["event_id"]) for row in flat.tables["chat_events"].to_pylist()]


def tied(count: int) -> list[dict[str, Any]]:
    """Events of which many share a millisecond, and whose ids say nothing of their order."""
    return [event(n, at_ms=START_MS + n // 4, id=f"{n * 7919 % 1000:03}") for n in range(count)]


@given(
    count=st.integers(1, 40),
    size=st.integers(1, 12),
    direction=st.sampled_from(["ASC", "DESC"]),
    data=st.data(),
)
def test_pages_in_any_order_and_doubled(count: int, size: int, direction: str, data: st.DataObject) -> None:
    events = tied(count)
    pages = [page(events, number=n, size=size, direction=direction) for n in range(-(-count // size))]
    given_pages = data.draw(st.permutations(pages + data.draw(st.lists(st.sampled_from(pages), max_size=3))))
    flat = read(*given_pages)
    assert order(flat) == [(n, each["id"]) for n, each in enumerate(events)]
    assert flat.tables["chats"]["events"].to_pylist() == [count]
    assert flat.tables["chat_events"].equals(read(*pages).tables["chat_events"])


@given(st.integers(1, 30), st.integers(1, 7), st.integers(1, 7))
def test_pages_of_different_sizes_and_directions_agree(count: int, size: int, other: int) -> None:
    events = tied(count)
    pages = [page(events, number=n, size=size) for n in range(-(-count // size))]
    pages += [page(events, number=n, size=other, direction="DESC") for n in range(-(-count // other))]
    assert order(read(*pages)) == [(n, each["id"]) for n, each in enumerate(events)]


def test_a_page_from_the_middle_keeps_its_places() -> None:
    assert [ordinal for ordinal, _ in order(read(page(tied(30), number=2, size=10)))] == list(range(20, 30))


def test_a_chat_that_grew_between_pages_read_from_its_end() -> None:
    before, after = tied(20), tied(23)
    flat = read(page(before, number=0, size=10, direction="DESC"), page(after, number=1, size=10, direction="DESC"))
    ids = [event_id for _, event_id in order(flat)]
    # Ten of 20 and ten of 23, from the end: 10 to 19, then 3 to 12; which of one millisecond comes first nobody can tell.
    assert sorted(ids) == sorted(each["id"] for each in after[3:20])
    times = flat.tables["chat_events"]["timestamp"].to_pylist()
    assert times == sorted(times)


def test_events_of_a_group_go_to_their_chats() -> None:
    mixed = [event(n, chat_id=f"chat-{n % 2}") for n in range(6)]
    group = {
        "id": "group-1",
        "page_number": 0,
        "page_size": 10,
        "total_pages": 1,
        "pagination_direction": "ASC",
        "events_page": mixed,
    }
    flat = read(group)
    chats = flat.tables["chats"].to_pylist()
    assert [(row["chat_id"], row["chat_group_id"], row["events"]) for row in chats] == [
        ("chat-0", "group-1", 3),
        ("chat-1", "group-1", 3),
    ]
    assert [event_id for _, event_id in order(flat)] == [f"chat-{c}/{n}" for c in (0, 1) for n in range(c, 6, 2)]


@given(st.permutations([0, 1, 2]))
def test_the_latest_word_on_an_event_and_a_chat_holds(turn: list[int]) -> None:
    told = [
        (page([event(1, message_text="old")], status="ACTIVE", end_timestamp=None), datetime(2026, 1, 1, tzinfo=UTC)),
        (page([event(1, message_text="new")], status="USER_ENDED"), datetime(2026, 1, 2, tzinfo=UTC)),
        (page([event(1, message_text="older")], status="ACTIVE", end_timestamp=None, custom=1), datetime(2025, 1, 1, tzinfo=UTC)),
    ]
    book = EviBook()
    for number in turn:
        payload, seen_at = told[number]
        book.read(as_bytes(payload), seen_at=seen_at)
    tables = book.finish().tables
    assert tables["chat_events"]["message_text"].to_pylist() == ["new"]
    (row,) = tables["chats"].to_pylist()
    assert (row["status"], row["seen_at"], row["end_timestamp_raw"]) == ("USER_ENDED", told[1][1], START_MS + 60_000)
    assert json.loads(row["other_json"]) == {"custom": 1}


def test_a_broken_payload_leaves_the_book_as_it_was() -> None:
    book = EviBook()
    book.read(as_bytes(page([event(1)])))
    with pytest.raises(ValueError, match="ends early"):
        book.read(as_bytes(page([event(2)])) + b"\n{")
    assert book.finish().tables["chat_events"].num_rows == 1


def test_the_same_chat_has_the_same_scoring_however_it_was_paged_and_another_when_it_grew() -> None:
    events = tied(20)
    whole = read(page(events, size=20)).chats
    assert read(*(page(events, number=n, size=3) for n in range(7))).chats == whole
    assert read(page(events[:19], size=20)).chats[0].scoring_id != whole[0].scoring_id
    assert whole[0].recording_id == "chat:chat-1"


def test_a_chat_of_100_000_events_takes_seconds() -> None:
    one = event(0)
    pages = [
        page([], number=n, size=100, total_pages=1000)
        | {"events_page": [dict(one, id=f"{n}/{i}", timestamp=START_MS + n * 100 + i) for i in range(100)]}
        for n in range(1000)
    ]
    began = time.process_time()
    book = EviBook()
    book.read_values(reversed(pages))
    table = book.finish().tables["chat_events"]
    assert table.num_rows == 100_000
    assert table["ordinal"].to_pylist() == list(range(100_000))
    assert time.process_time() - began < 60  # about 5 where nothing else runs
