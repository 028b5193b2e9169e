"""Whoever watches a payload being read can keep it, redacted, as if it had been searched for secrets byte by byte."""

from __future__ import annotations

import io
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from v0_payloads import FORMS, JobMaker, api_json, written

from humeanalytics.errors import HumeAnalyticsError
from humeanalytics.redaction import StreamRedactor, redact_bytes
from humeanalytics.tables.batch import flatten_in_pieces

SECRETS = (
    b"https://x.com/a.mp4?id=5&X-Amz-Signature=abcdef",
    b"https://user:word@x.com/a.mp4",
    b'x","api_key":"sk-123456',
    b"https://x.com/a?token=%3Fsig%3Dsecret",
    b"\\u003fSignature\\u003dsecret",
    b'x","Authorization" : "Bearer abc',
)


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32))
def test_what_is_watched_and_redacted_is_what_redacting_it_all_gives(seed: int) -> None:
    rng = random.Random(seed)
    data = bytearray(written(FORMS[rng.choice(list(FORMS))](JobMaker(rng, rows=rng.choice([3, 60])).job()), rng))
    for _ in range(rng.randrange(4)):
        strings = [i for i in range(len(data)) if data[i : i + 2] == b'"n'] or [0]
        at = rng.choice(strings)
        data[at + 1 : at + 1] = rng.choice(SECRETS)
    payload = bytes(data)
    redactor, kept, seen = StreamRedactor(), [], 0

    def watch(at: int, stretch: bytes, text: bytes) -> None:
        nonlocal seen
        if at + len(stretch) <= seen:
            return
        stretch, text = (stretch, text) if at == seen else (stretch[seen - at :],) * 2
        kept.append(redactor.feed(stretch, text))
        seen += len(stretch)

    try:
        list(flatten_in_pieces(io.BytesIO(payload), rows=20, watch=watch))
    except HumeAnalyticsError:
        return
    assert seen == len(payload)
    assert b"".join([*kept, redactor.finish()]) == redact_bytes(payload)


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_anywhere_between_megabytes_of_scores_is_blanked(secret: bytes) -> None:
    rng = random.Random(3)
    payload = written(api_json(JobMaker(rng, models=("face",), rows=600).job()), rng)
    marks = [at for at in range(0, len(payload), len(payload) // 12) if at]
    for mark in marks:
        at = payload.find(b'"emotions"', mark)
        if at < 0:
            continue
        data = payload[:at] + b'"note":"' + secret + b'",' + payload[at:]
        redactor, kept = StreamRedactor(), []
        list(flatten_in_pieces(data, rows=None, watch=lambda _, s, t, k=kept, r=redactor: k.append(r.feed(s, t))))
        assert b"".join([*kept, redactor.finish()]) == redact_bytes(data) != data
