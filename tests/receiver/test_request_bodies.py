"""What is read of requests: no more than may be, and of a callback the id of its job alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from humeanalytics.receiver.bodies import TooLarge, TooSlow, job_id_in, read_head, read_whole, webhook_of
from humeanalytics.receiver.rate import Rate

VALUES = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=8) | st.just("job_id"),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["job_id", "a", '"', "\\", "[{"]), inner, max_size=3)
    ),
    max_leaves=12,
)
OTHERS = st.dictionaries(st.sampled_from(["status", "predictions", '"job_id"', "job_id\\", ":", "x"]), VALUES, max_size=4)


async def pieces(*parts: bytes, pause_s: float = 0.0) -> AsyncIterator[bytes]:
    for part in parts:
        await asyncio.sleep(pause_s)
        yield part


@given(before=OTHERS, after=OTHERS, escaped=st.booleans())
def test_the_job_is_found_wherever_it_stands_and_nowhere_else(
    before: dict[str, Any], after: dict[str, Any], escaped: bool
) -> None:
    head = json.dumps({**before, "job_id": "1f3a-0"}, ensure_ascii=escaped).encode()
    assert job_id_in(head) == "1f3a-0"
    assert job_id_in(head[:-1] + b"," + json.dumps(after).encode()[1:]) == "1f3a-0"
    assert job_id_in(json.dumps({**before, **after}).encode()) is None


@given(before=OTHERS, cut=st.integers(0))
def test_a_body_that_was_cut_off_names_its_job_or_none(before: dict[str, Any], cut: int) -> None:
    whole = json.dumps({**before, "job_id": "1f3a-0", "predictions": [{"job_id": "other"}]}).encode()
    assert job_id_in(whole[: cut % len(whole)]) in (None, "1f3a-0")


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"null",
        b'"job_id"',
        b'[{"job_id": "a"}]',
        b'{"job_id": 7}',
        b'{"job_id": ""}',
        b'{"job_id": "../../etc"}',
        b'{"job_id": "a b"}',
        b'{"job_id": "' + b"a" * 65 + b'"}',
        b'{"job_id": ["a"]}',
        b'{"job_id": {"job_id": "a"}}',
        b'{"job_id":',
        b'{"job_id": "a',
        b'{"job_id": "\xff"}',
        b"{}" + b'{"job_id": "a"}',
        b"]" * 1000,
        b'{"x": "' + b'\\"' * 500_000,  # and not slow either
        b"[" * 1_000_000,
    ],
)
def test_what_names_no_job(head: bytes) -> None:
    assert job_id_in(head) is None


@given(st.binary(max_size=200))
def test_any_bytes_at_all_are_read_without_an_error(body: bytes) -> None:
    assert job_id_in(body) is None or b"job_id" in body
    webhook = webhook_of(body)
    assert webhook is None or webhook.body == body


@pytest.mark.parametrize(
    ("body", "about"),
    [
        (b'{"event_name": "chat_ended", "chat_id": "c"}', ("chat_ended", "c", "")),
        (b'{"chat_start_type": "new_chat_group", "chat_id": "c"}', ("chat_started", "c", "")),
        (b'{"chat_id": "c", "tool_call_message": {"tool_call_id": "t"}}', ("tool_call", "c", "t")),
        (b'{"event_name": "chat_paused", "chat_id": "c"}', ("chat_paused", "c", "")),
        (b'{"event_name": 7, "chat_id": "../c", "tool_call_message": []}', ("tool_call", "", "")),
        (b"{}", ("", "", "")),
    ],
)
def test_what_a_webhook_is_about(body: bytes, about: tuple[str, str, str]) -> None:
    webhook = webhook_of(body)
    assert webhook is not None
    assert (webhook.event_name, webhook.chat_id, webhook.tool_call_id) == about


@pytest.mark.parametrize("body", [b"", b"[]", b"7", b"not JSON", b"[" * 100_000, b"\xff"])
def test_what_is_no_webhook(body: bytes) -> None:
    assert webhook_of(body) is None


@given(st.lists(st.binary(max_size=30), max_size=6), st.integers(1, 100))
def test_a_body_is_bounded_however_it_comes(parts: list[bytes], most: int) -> None:
    whole = b"".join(parts)
    assert asyncio.run(read_head(pieces(*parts), most, 5)) == whole[:most]
    if len(whole) > most:
        with pytest.raises(TooLarge):
            asyncio.run(read_whole(pieces(*parts), most, 5))
    else:
        assert asyncio.run(read_whole(pieces(*parts), most, 5)) == whole


def test_a_body_that_drips_is_not_waited_for() -> None:
    for read in (read_whole, read_head):
        with pytest.raises(TooSlow):
            asyncio.run(read(pieces(*[b"x"] * 50, pause_s=0.02), 1000, 0.1))


@given(st.floats(0.1, 100), st.lists(st.floats(0, 5), max_size=100))
def test_a_rate_is_kept_whenever_one_asks(per_s: float, pauses: list[float]) -> None:
    now = 0.0
    rate, passed = Rate(per_s, clock=lambda: now), 0
    for pause in pauses:
        now += pause
        wait_s = rate.wait_s()
        passed += wait_s == 0
        assert wait_s <= 1 / per_s
    assert passed <= now * per_s + max(1.0, 2 * per_s) + 1e-6
