"""When jobs ended is read out of their details, in the spelling of the API and of its SDKs, whatever else is there."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from humeanalytics.tables.job_details import ended_at

ENDED_MS = 1_712_587_158_800
ENDED = datetime(2024, 4, 8, 14, 39, 18, 800_000, UTC)


def details(job_id: str, **state: object) -> dict[str, object]:
    return {"job_id": job_id, "user_id": "u", "request": {"models": {}}, "state": {"status": "COMPLETED", **state}}


def test_one_job_a_list_and_what_an_sdk_makes_of_it() -> None:
    one = details("a", ended_timestamp_ms=ENDED_MS)
    camel = {"jobId": "b", "state": {"status": "COMPLETED", "endedTimestampMs": ENDED_MS}}
    assert ended_at(json.dumps(one).encode()) == {"a": ENDED}
    assert ended_at(b"\xef\xbb\xbf" + json.dumps([one, camel]).encode()) == {"a": ENDED, "b": ENDED}
    assert ended_at(json.dumps({"jobs": [one]}).encode()) == {"a": ENDED}


def test_what_tells_no_time_is_left_out() -> None:
    running = details("a", started_timestamp_ms=ENDED_MS)
    odd = [
        details("b", ended_timestamp_ms="soon"),
        details("c", ended_timestamp_ms=True),
        details("d", ended_timestamp_ms=1 << 60),
    ]
    assert ended_at(json.dumps([running, *odd]).encode()) == {}
    assert ended_at(b"[" * 5000) == ended_at(b"{") == ended_at(b"\xff") == {}


@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_any_json_is_survived(payload: object) -> None:
    assert ended_at(json.dumps(payload).encode()) == {}
