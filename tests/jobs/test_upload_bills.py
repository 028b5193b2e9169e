"""What the list of runs lets us say of uploads whose answer was lost: never more than it does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from humeanalytics.api.expression import Run
from humeanalytics.jobs.upload_bills import CLOCK_MARGIN_MS, Lost, judge

NOW_MS = 1_000_000_000


def lost(name: str, *, seconds: float = 30.0, sent_ms: int = 0, lost_ms: int = 1_000) -> Lost:
    size = 44 + round(seconds * 32_000)
    return Lost(name, "audio", size, max(10.0, seconds), NOW_MS + sent_ms, NOW_MS + lost_ms)


def run(name: str, *, seconds: float = 30.0, at_ms: int = 500, status: str = "ended", header: int = 44, **told: object) -> Run:
    facts = {
        "run_id": name,
        "status": status,
        "endpoint": "audio",
        "mode": "file",
        "started_at": datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=NOW_MS + at_ms),
        "bytes_received": header + round(seconds * 32_000),
        "metered_s": max(10.0, seconds) if status == "ended" else 0.0,
    }
    return Run(**{**facts, **told})  # type: ignore[arg-type]


def verdicts(uploads: list[Lost], runs: list[Run], claimed: frozenset[str] = frozenset(), settled_ms: int = 60_000) -> list[str]:
    told = judge(uploads, runs, set(claimed), settled_before_ms=NOW_MS + settled_ms)
    return [told[each.upload_id].billed for each in uploads]


@pytest.mark.parametrize(
    ("runs", "billed"),
    [
        ([run("a")], "yes"),
        ([run("a", header=0)], "yes"),
        ([run("a", status="errored")], "no"),
        ([], "no"),
        ([run("a", seconds=31)], "no"),
        ([run("a", endpoint="video")], "no"),
        ([run("a", at_ms=-CLOCK_MARGIN_MS - 1)], "no"),
        ([run("a", at_ms=1_001 + CLOCK_MARGIN_MS)], "no"),
        ([run("a", status="live", metered_s=None, bytes_received=None)], "unknown"),
        ([run("a", status="errored"), run("b")], "yes"),
    ],
)
def test_one_lost_upload(runs: list[Run], billed: str) -> None:
    assert verdicts([lost("u")], runs) == [billed]


def test_a_run_of_another_upload_is_not_this_one() -> None:
    assert verdicts([lost("u")], [run("a")], frozenset({"a"})) == ["no"]


def test_what_was_lost_just_now_is_not_called_free_yet() -> None:
    assert verdicts([lost("u")], [], settled_ms=500) == ["unknown"]
    assert verdicts([lost("u")], [run("a")], settled_ms=500) == ["yes"]


def test_of_two_alike_and_one_run_nobody_can_tell_which() -> None:
    assert verdicts([lost("u"), lost("v")], [run("a")]) == ["unknown", "unknown"]
    assert verdicts([lost("u"), lost("v")], [run("a"), run("b")]) == ["yes", "yes"]
    assert verdicts([lost("u"), lost("v", seconds=40)], [run("a")]) == ["yes", "no"]
    assert verdicts([lost("u"), lost("v", sent_ms=10_000, lost_ms=11_000)], [run("a")]) == ["yes", "no"]


@given(
    uploads=st.lists(st.tuples(st.sampled_from([12.0, 30.0]), st.integers(0, 20), st.booleans()), min_size=1, max_size=8),
    others=st.integers(0, 3),
)
def test_never_free_what_was_billed_nor_billed_what_was_free(uploads: list[tuple[float, int, bool]], others: int) -> None:
    """Whatever was lost when, and billed or not: a verdict is true or is "cannot tell". Other clients only add bills."""
    each = [lost(str(i), seconds=s, sent_ms=at * 1000, lost_ms=at * 1000 + 800) for i, (s, at, _) in enumerate(uploads)]
    runs = [run(f"r{i}", seconds=s, at_ms=at * 1000 + 300) for i, (s, at, billed) in enumerate(uploads) if billed]
    for verdict, (_, _, billed) in zip(verdicts(each, runs), uploads, strict=True):
        assert verdict in ("unknown", "yes" if billed else "no")
    more = [run(f"other{i}", at_ms=i * 5000) for i in range(others)]
    for verdict, (_, _, billed) in zip(verdicts(each, runs + more), uploads, strict=True):
        assert not (verdict == "no" and billed)
