"""The queries of docs/conversations.md, as they stand there, against numbers calculated without SQL."""

from __future__ import annotations

import json
import re
import statistics
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import humeanalytics as ha
from humeanalytics.sandbox.embedded import Sandbox
from humeanalytics.sandbox.options import SandboxOptions

PAGE = Path(__file__).parents[1] / "docs" / "conversations.md"
QUERIES = re.findall(r"```sql\n(.*?)```\n\n```text\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
Event = dict[str, Any]
NO_CONFIG = "no config"


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ha.Lake, list[list[Event]], dict[str, str]]]:
    """A lake, the events of each chat that is in it, and what each chat ran with."""
    folder = tmp_path_factory.mktemp("conversations") / "lake"
    with Sandbox(options=SandboxOptions(evi_running=0)) as hume:
        ha.export_chats(folder, settings=hume.settings.model_copy(update={"requests_per_s": 10_000.0}))
        truth, chats = hume.evi.truth(), defaultdict[str, list[Event]](list)
        for event in hume.evi.events():
            chats[event["chat_id"]].append(event)
    with ha.open_lake(folder) as lake:
        names = {row["config_id"]: row["name"] for row in lake.sql("FROM evi_configs ORDER BY version").rows()}
        configs = {chat["id"]: chat["config"] for chat in truth["chats"]}
        ran_with = {id_: names.get(each["id"], each["id"]) if each else NO_CONFIG for id_, each in configs.items()}
        yield lake, list(chats.values()), ran_with


@pytest.mark.parametrize(("query", "shown"), QUERIES, ids=("topics", "speed", "interruptions"))
def test_the_page_shows_what_comes_out(account: Any, query: str, shown: str) -> None:
    assert str(account[0].sql(query)).rstrip() == shown.rstrip()


def test_what_stands_within_the_text_runs_too(account: Any) -> None:
    (query,) = re.findall(r"`(SELECT [^`]+)`", PAGE.read_text(encoding="utf-8"))
    assert len(account[0].sql(query).rows()) == 48


def test_topics(account: Any) -> None:
    lake, chats, _ = account
    query = QUERIES[0][0]
    topics = dict(re.findall(r"\('(\w+)', '([^']+)'\)", query))
    scores: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for event in (event for events in chats for event in events if event["type"] == "USER_MESSAGE"):
        told = json.loads(event["emotion_features"] or "{}")
        for topic, words in topics.items():
            if told and re.search(words, event["message_text"], re.IGNORECASE):
                scores[topic].append((np.float32(told["Anger"]), np.float32(told["Disappointment"])))
    expected = {
        topic: (len(each), *(pytest.approx(np.mean(column, dtype=float), abs=0.00051) for column in zip(*each, strict=True)))
        for topic, each in scores.items()
    }
    found = {row["topic"]: (row["messages"], row["anger"], row["disappointment"]) for row in lake.sql(query).rows()}
    assert found == expected
    assert len(found) == len(topics)


def turns_of(events: list[Event]) -> list[dict[str, Any]]:
    """Walk a chat from event to event: who speaks, from when to when, and whether the other one broke in."""
    turns: list[dict[str, Any]] = []
    broken = True
    for event in events:
        side = {"USER_MESSAGE": "caller", "AGENT_MESSAGE": "assistant"}.get(event["type"])
        if event["type"] in ("USER_INTERRUPTION", "PAUSE_ONSET", "RESUME_ONSET"):
            if turns and event["type"] == "USER_INTERRUPTION":
                turns[-1]["interrupted"] = True
            broken = True
        elif side is not None:
            if broken or turns[-1]["side"] != side:
                turns.append({"side": side, "from": event["timestamp"], "interrupted": False})
            turns[-1]["to"] = event["timestamp"]
            broken = False
    return turns


def test_how_fast_and_who_is_interrupted(account: Any) -> None:
    lake, chats, ran_with = account
    latencies: dict[str, list[int]] = defaultdict(list)
    interrupted: dict[str, list[bool]] = defaultdict(list)
    for events in chats:
        turns, assistant, heard = turns_of(events), ran_with[events[0]["chat_id"]], False
        for before, turn in zip([None, *turns], turns, strict=False):
            if turn["side"] == "caller":
                heard = True
                continue
            latencies[assistant] += [turn["from"] - before["to"]] if before and before["side"] == "caller" else []
            interrupted[assistant] += [turn["interrupted"]] if heard else []
    fast = {row["assistant"]: (row["answers"], row["median_ms"]) for row in lake.sql(QUERIES[1][0]).rows()}
    assert {name: told for name, told in fast.items() if told[0]} == {
        name: (len(each), pytest.approx(statistics.median(each), abs=0.51)) for name, each in latencies.items() if each
    }
    told = {row["assistant"]: (row["turns"], row["interrupted"], row["percent"]) for row in lake.sql(QUERIES[2][0]).rows()}
    assert told == {
        name: (len(each), sum(each), pytest.approx(100 * sum(each) / len(each), abs=0.051))
        for name, each in interrupted.items()
        if each
    }
