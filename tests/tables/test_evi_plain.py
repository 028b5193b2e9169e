"""Pages in the form of the API, decoded the short way, against the reader of all forms: the same tables, or left to it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from humeanalytics.tables.evi import EviBook
from humeanalytics.tables.evi_gathered import Gathered
from humeanalytics.tables.evi_plain import read_plain_page

SEEN = datetime(2026, 11, 1, tzinfo=UTC)
TEXTS = st.sampled_from(
    [
        "",
        "Hi",
        " ",
        "key",
        '{"api_key": "abc"}',
        '{"type":"tool_call","name":"t","parameters":"{\\"token\\": \\"s\\"}"}',
        "a@b",
        "\ud83d\ude00",
    ]
)
MAYBE_TEXT = st.none() | TEXTS
SCORES = [None, "", '{"Joy": 0.5}', "{", '{"Joy": "x"}']
METADATA = [None, "", '{"segments": []}', '{"segments": [{"content": "hi", "scores": [1], "time": {}}]}', "{}"]


def pages(*, odd: bool) -> st.SearchStrategy[dict[str, Any]]:
    """Pages as the API has them; ``odd``: with what it never gave, too."""

    def one_of(usual: list[Any], *others: Any) -> st.SearchStrategy[Any]:
        return st.sampled_from([*usual, *others] if odd else usual)

    events = st.fixed_dictionaries(
        {
            "id": one_of(["e1", "e2", "e3", "é"], "", " e4"),
            "chat_id": one_of(["c", "d"], ""),
            "timestamp": one_of([0, 1716244940, 1716244940648, -5, 2**70], 1.5),
            "role": st.sampled_from(["USER", "AGENT", "", "NEW"]),
            "type": st.sampled_from(["USER_MESSAGE", "AGENT_MESSAGE", "SESSION_SETTINGS", "FUNCTION_CALL", "NEW", ""]),
        },
        optional={
            "message_text": MAYBE_TEXT,
            "emotion_features": st.sampled_from(SCORES),
            "metadata": st.sampled_from(METADATA),
            "related_event_id": st.sampled_from([None, "e1", " e2 ", ""]),
            **({"new_field": st.integers()} if odd else {}),
        },
    )
    return st.fixed_dictionaries(
        {
            "id": one_of(["c", "d"], ""),
            "chat_group_id": st.sampled_from(["g", ""]),
            "status": st.sampled_from(["ACTIVE", "USER_ENDED", "NEW"]),
            "start_timestamp": st.sampled_from([1716244940648, 1716244940]),
            "pagination_direction": one_of(["ASC", "DESC"], "asc"),
            "page_number": st.integers(0, 2),
            "page_size": st.sampled_from([2, 100]),
            "total_pages": st.integers(-1, 3),
            "events_page": st.lists(events, max_size=4),
        },
        optional={
            "end_timestamp": st.sampled_from([None, 0, 1716244990648]),
            "metadata": MAYBE_TEXT,
            "config": one_of([None, {"id": "k", "version": 0}, {"id": "k"}], {"id": "k", "version": 1, "name": "n"}),
            **({"tag": st.text(max_size=2)} if odd else {}),
        },
    )


def tables_of(page: bytes, *, short: bool) -> dict[str, Any]:
    book = EviBook()
    if short:
        book.read(page, seen_at=SEEN)
    else:
        book.read_values([json.loads(page)], seen_at=SEEN)
    made = book.finish()
    return {name: table.to_pylist() for name, table in made.tables.items()} | {
        "problems": made.problems,
        "chats read": made.chats,
    }


@given(pages(odd=False))
def test_the_short_way_gives_what_the_long_one_gives(page: dict[str, Any]) -> None:
    data = json.dumps(page).encode()
    assert read_plain_page(data, Gathered(), SEEN)
    assert repr(tables_of(data, short=True)) == repr(tables_of(data, short=False))


@given(pages(odd=True))
def test_whatever_is_odd_is_read_as_if_there_were_no_short_way(page: dict[str, Any]) -> None:
    data = json.dumps(page).encode()
    assert repr(tables_of(data, short=True)) == repr(tables_of(data, short=False))


def test_a_page_of_the_api_goes_the_short_way_and_others_do_not() -> None:
    event = {"id": "e", "chat_id": "c", "timestamp": 1716244940648, "role": "USER", "type": "USER_MESSAGE", "message_text": "Hi"}
    page = {
        **{"id": "c", "chat_group_id": "g", "status": "USER_ENDED", "start_timestamp": 1716244940000, "end_timestamp": None},
        **{"pagination_direction": "ASC", "page_number": 0, "page_size": 100, "total_pages": 1, "events_page": [event]},
    }
    assert read_plain_page(json.dumps(page).encode(), Gathered(), SEEN)
    for odd in ({"tag": "x"}, {"page_number": "0"}, {"events_page": [event | {"id": " e"}]}, {"pagination_direction": "asc"}):
        gathered = Gathered()
        assert not read_plain_page(json.dumps(page | odd).encode(), gathered, SEEN)
        assert not gathered.chats
