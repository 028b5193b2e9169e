"""What is kept of deliveries: each once, until it is done, and no longer than that."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from humeanalytics.errors import LakeTooNew
from humeanalytics.jobs.listening_store import CHAT, JOB, OVER_BY_NOW_S, DeliveryStore
from humeanalytics.receiver.bodies import Webhook


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_000_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[DeliveryStore]:
    with DeliveryStore(tmp_path / "deliveries.sqlite", now_s=clock) as opened:
        yield opened


def webhook(event_name: str, chat_id: str = "c", body: bytes = b"{}", call: str = "") -> Webhook:
    return Webhook(event_name, chat_id, call, body)


def test_a_chat_is_due_when_it_has_ended_or_must_have(store: DeliveryStore, clock: Clock) -> None:
    assert store.take_webhook(webhook("chat_started", "a"))
    assert store.take_webhook(webhook("chat_started", "b"))
    assert not store.due(CHAT, 9)
    assert store.next_due_s(CHAT) == OVER_BY_NOW_S
    assert store.take_webhook(webhook("chat_ended", "b"))
    assert [task.id for task in store.due(CHAT, 9)] == ["b"]
    clock.now_s += OVER_BY_NOW_S
    assert [task.id for task in store.due(CHAT, 9)] == ["b", "a"]
    assert store.next_due_s(JOB) is None


def test_what_is_told_while_a_chat_is_under_way_is_not_lost(store: DeliveryStore, clock: Clock) -> None:
    store.take_webhook(webhook("chat_started"))
    clock.now_s += OVER_BY_NOW_S
    (task,) = store.due(CHAT, 9)
    store.take_webhook(webhook("chat_ended"))
    store.settle(task)
    assert store.counts()["waiting"] == 1
    store.later(task, 500.0, "of what was known before")
    (task,) = store.due(CHAT, 9)
    store.settle(task)
    assert store.counts()["done"] == 1
    store.take_webhook(webhook("tool_call", call="late"))
    assert store.counts()["waiting"] == 1
    assert not store.due(CHAT, 9)


def test_one_of_many_that_come_at_once_is_new(store: DeliveryStore) -> None:
    with ThreadPoolExecutor(8) as threads:
        new = list(threads.map(lambda _: store.take_webhook(webhook("chat_ended")), range(40)))
        jobs = list(threads.map(lambda nth: store.take_callback(f"job-{nth % 4}"), range(40)))
    assert (sum(new), sum(jobs)) == (1, 4)
    assert store.counts() == {"deliveries": 5, "waiting": 5, "done": 0, "given_up": 0}


def test_calls_of_tools_are_told_apart(store: DeliveryStore) -> None:
    assert all(store.take_webhook(webhook("tool_call", call=call)) for call in ("t1", "t2"))
    assert not store.take_webhook(webhook("tool_call", call="t1"))


def test_what_waits_is_there_after_a_restart(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "deliveries.sqlite"
    with DeliveryStore(path, now_s=clock) as store:
        store.take_webhook(webhook("chat_ended", body=b'{"a": 1}'))
        store.take_callback("j")
        store.later(store.due(JOB, 9)[0], 60.0, "not yet")
    clock.now_s += 60
    with DeliveryStore(path, now_s=clock) as store:
        assert [task.id for task in store.due(CHAT, 9)] == ["c"]
        assert [(task.id, task.tries) for task in store.due(JOB, 9)] == [("j", 1)]
        assert [kept.body for kept in store.bodies(["c"])] == [b'{"a": 1}']
        assert not store.take_callback("j")


def test_a_body_is_kept_without_secrets_and_wiped_when_it_is_in_the_lake(
    tmp_path: Path, store: DeliveryStore, clock: Clock
) -> None:
    body = b'{"password": "hunter2", "url": "https://x.com/a?token=abc", "custom_session_id": "session-of-anna"}'
    store.take_webhook(webhook("chat_ended", body=body))

    def on_disk() -> bytes:
        return b"".join(path.read_bytes() for path in tmp_path.iterdir())

    assert b"session-of-anna" in on_disk()
    assert b"hunter2" not in on_disk()
    assert b"token=abc" not in on_disk()
    store.forget_bodies(store.bodies(["c"]))
    assert b"session-of-anna" not in on_disk()
    assert not store.bodies(["c"])


def test_what_is_of_no_chat_is_loaded_with_the_next_one(store: DeliveryStore, clock: Clock) -> None:
    store.take_webhook(webhook("", "", b'{"news": 1}'))
    assert not store.take_webhook(webhook("", "", b'{"news": 1}'))
    store.take_webhook(webhook("chat_started", "old"))
    clock.now_s += OVER_BY_NOW_S
    store.take_webhook(webhook("chat_started", "young"))
    assert [kept.chat_id for kept in store.bodies([])] == ["", "old"]
    assert [kept.chat_id for kept in store.bodies(["young"])] == ["", "old", "young"]


def test_a_newer_file_is_left_alone(tmp_path: Path, store: DeliveryStore) -> None:
    store._db.execute("PRAGMA user_version = 99")
    with pytest.raises(LakeTooNew, match="Upgrade"):
        DeliveryStore(tmp_path / "deliveries.sqlite")
