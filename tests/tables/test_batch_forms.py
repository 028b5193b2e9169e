"""Whatever form a job was saved in, and however oddly, it gives the rows it was made of."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from v0_payloads import (
    FORMS,
    JobMaker,
    actual_answers,
    expected_answers,
    shuffled_keys,
    whole_numbers,
    written,
)

from humeanalytics.tables.batch import flatten_predictions

DIALECTS = {
    "api": "api",
    "platform": "platform",
    "sdk": "sdk",
    "camel": "sdk",
    "webhook": "webhook",
    "webhook dump": "webhook",
}


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_every_form_gives_the_rows_it_was_made_of(form: str, seed: int) -> None:
    rng = random.Random(seed)
    job = JobMaker(rng).job()
    data = written(FORMS[form](job), rng)
    flat = flatten_predictions(data)
    assert actual_answers(flat) == expected_answers(job)
    assert flat == flatten_predictions(data, by_name=True)
    assert flat.names_doubled == 0
    assert flat.failures == ()


@settings(max_examples=120, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_odd_rows_in_any_order_give_the_rows_they_were_made_of(seed: int) -> None:
    rng = random.Random(seed)
    job = JobMaker(rng, odd=0.15).job()
    form = rng.choice(list(FORMS))
    payload = FORMS[form](job)
    if rng.random() < 0.5:
        payload = shuffled_keys(payload, rng)
    if rng.random() < 0.5:
        payload = whole_numbers(payload)
    data = written(payload, rng)
    flat = flatten_predictions(data)
    assert flat == flatten_predictions(data, by_name=True)
    # New fields are typed by all their values; they have tests of their own.
    found, wanted = actual_answers(flat, with_fields=False), expected_answers(job, with_fields=False)
    assert Counter(found) == Counter(wanted)
    assert len(flat.failures) == sum(len(source.errors) for source in job)


@pytest.mark.parametrize("form", DIALECTS)
def test_the_dialect_is_told(form: str) -> None:
    rng = random.Random(7)
    job = JobMaker(rng).job()
    while not any(source.described["type"] == "file" for source in job):
        job = JobMaker(rng).job()
    assert flatten_predictions(written(FORMS[form](job), rng)).dialect == DIALECTS[form]


def test_one_source_alone_is_a_payload() -> None:
    rng = random.Random(3)
    job = JobMaker(rng).job()[:1]
    flat = flatten_predictions(written(FORMS["api"](job)[0], rng))
    assert flat.dialect == "object"
    assert actual_answers(flat) == expected_answers(job)


def test_a_webhook_tells_job_and_status() -> None:
    flat = flatten_predictions(b'{"job_id": "1f3a", "status": "COMPLETED", "predictions": []}')
    assert (flat.dialect, flat.job_id, flat.status, flat.tables, flat.answers) == ("webhook", "1f3a", "COMPLETED", {}, ())
