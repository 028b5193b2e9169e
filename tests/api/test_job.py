"""Jobs as the service has told them over the years."""

from __future__ import annotations

from typing import Any

import pytest
import rich.pretty
from hypothesis import given
from hypothesis import strategies as st

from humeanalytics.api.batch import Job
from humeanalytics.errors import InvalidAnswer

COMPLETED = {
    "type": "INFERENCE",
    "job_id": "3fe1c8a2-0a1b-4c1d-9e4f-2c0f6f3b9d11",
    "user_id": "u-1",
    "request": {
        "callback_url": None,
        "files": [{"filename": "a.wav", "content_type": "audio/wav", "md5sum": "0cc175b9c0f1b6a831c399e269772661"}],
        "models": {"face": None, "prosody": {"granularity": "utterance"}},
        "notify": False,
        "text": ["No."],
        "urls": ["https://x.example/a.mp4?Signature=zzz"],
    },
    "state": {
        "status": "COMPLETED",
        "created_timestamp_ms": 1712590457884,
        "started_timestamp_ms": 1712590457995,
        "ended_timestamp_ms": 1712590462252,
        "num_predictions": 10,
        "num_errors": 0,
    },
}


def test_completed_job() -> None:
    job = Job.from_answer(COMPLETED)
    assert (job.status, job.ended, job.type, job.user_id) == ("COMPLETED", True, "INFERENCE", "u-1")
    assert (job.created_ms, job.started_ms, job.ended_ms) == (1712590457884, 1712590457995, 1712590462252)
    assert (job.num_predictions, job.num_errors, job.message) == (10, 0, None)
    assert job.urls == ("https://x.example/a.mp4?Signature=zzz",)
    assert job.texts == ("No.",)
    assert job.md5s == ("0cc175b9c0f1b6a831c399e269772661",)
    assert job.request == COMPLETED["request"]
    assert job.raw == COMPLETED


def test_what_is_printed_of_a_job_has_no_signature() -> None:
    assert repr(Job.from_answer(COMPLETED)) == "<Job 3fe1c8a2-0a1b-4c1d-9e4f-2c0f6f3b9d11 COMPLETED>"
    assert "zzz" not in f"{Job.from_answer(COMPLETED)}"
    assert "zzz" not in rich.pretty.pretty_repr(Job.from_answer(COMPLETED))


@pytest.mark.parametrize(
    ("state", "ended"),
    [
        ({"status": "QUEUED", "created_timestamp_ms": 1}, False),
        ({"status": "IN_PROGRESS", "created_timestamp_ms": 1, "started_timestamp_ms": 2}, False),
        ({"status": "PAUSED_FOR_REVIEW", "created_timestamp_ms": 1}, False),
        ({"status": "CANCELLED", "created_timestamp_ms": 1, "ended_timestamp_ms": 3}, True),
        ({"status": "FAILED"}, True),
    ],
)
def test_states_known_and_not(state: dict[str, Any], ended: bool) -> None:
    job = Job.from_answer({"job_id": "j", "state": state})
    assert (job.status, job.ended) == (state["status"], ended)
    assert job.started_ms == state.get("started_timestamp_ms")


def test_failed_job_of_2022() -> None:
    job = Job.from_answer(
        {
            "job_id": "j",
            "status": "FAILED",
            "creation_timestamp": 1660594810,
            "completion_timestamp": 1660594899.5,
            "failed": {"message": "user 'u' has exceeded their usage limit"},
            "request": {"urls": ["https://x.example/a.zip"], "models": {}},
        }
    )
    assert (job.status, job.ended) == ("FAILED", True)
    assert (job.created_ms, job.started_ms, job.ended_ms) == (1660594810000, None, 1660594899500)
    assert job.message == "user 'u' has exceeded their usage limit"
    assert job.urls == ("https://x.example/a.zip",)


def test_completed_job_of_2022() -> None:
    answer = {"job_id": "j", "status": "COMPLETED", "completed": {"num_errors": 1, "num_predictions": 0, "predictions_url": "x"}}
    job = Job.from_answer(answer)
    assert (job.num_errors, job.num_predictions) == (1, 0)


def test_null_is_as_good_as_absent() -> None:
    nulls = {"files": None, "urls": None, "text": None, "models": None}
    job = Job.from_answer(
        {"job_id": "j", "type": None, "user_id": None, "state": {"status": "QUEUED", "message": None}, "request": nulls}
    )
    assert (job.urls, job.texts, job.md5s, job.message, job.type) == ((), (), (), None, "INFERENCE")
    assert Job.from_answer({"job_id": "j", "state": None, "request": None}).status == ""


@pytest.mark.parametrize("answer", [{}, {"job_id": None}, {"job_id": 7}, {"id": "j"}])
def test_a_job_without_an_id_is_none(answer: dict[str, Any]) -> None:
    with pytest.raises(InvalidAnswer, match="job_id"):
        Job.from_answer(answer)


words = st.text("aZ5 é", max_size=4)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)
FIELDS = ["type", "user_id", "request", "state", "status", "creation_timestamp", "completed", "failed", "message"]
INNER = ["status", "created_timestamp_ms", "num_errors", "message", "urls", "text", "files"]


@given(st.dictionaries(st.sampled_from(FIELDS), json_values | st.dictionaries(st.sampled_from(INNER), json_values)))
def test_whatever_else_stands_there_is_survived_and_kept(fields: dict[str, Any]) -> None:
    answer = {"job_id": "j", **fields}
    job = Job.from_answer(answer)
    assert job.raw == answer
    assert isinstance(job.status, str)
    assert job.created_ms is None or isinstance(job.created_ms, int)
    assert isinstance(job.ended, bool)
