"""What errors say of a body, whatever it is."""

from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

import humeanalytics.api.answers
import humeanalytics.api.job
import humeanalytics.api.retry
from humeanalytics.api.answers import Asked, looks_like, message_of, refusal
from humeanalytics.errors import ApiError


@pytest.mark.parametrize("module", [humeanalytics.api.answers, humeanalytics.api.job, humeanalytics.api.retry])
def test_examples(module: object) -> None:
    results = doctest.testmod(module)  # type: ignore[arg-type]
    assert results.attempted
    assert not results.failed


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"message": "job not found"}', "job not found"),
        (b'{"code": 403, "message": "no"}', "no"),
        (b'{"fault":{"faultstring":"Invalid ApiKey","detail":{"errorcode":"x"}}}', "Invalid ApiKey"),
        (b'{"message": null, "fault": {"faultstring": "both"}}', "both"),
        (b'{"message": {"deep": 1}}', '{"message": {"deep": 1}}'),
        (b'{"fault": "a word"}', '{"fault": "a word"}'),
        (b"[1, 2]", "[1, 2]"),
        (b"plain words\n", "plain words"),
        (b"<!DOCTYPE html>\n<html><head><TITLE>502 Bad &amp; Gone</TITLE>", "an HTML page titled '502 Bad & Gone'"),
        (b"<html><body><h1 class=x>Not <b>here</b></h1>", "an HTML page titled 'Not here'"),
        (b"<!-- nginx --><html></html>", "an HTML page"),
        (b'<?xml version="1.0"?><Code>AccessDenied</Code>', '<?xml version="1.0"?><Code>AccessDenied</Code>'),
        (b"", ""),
    ],
)  # fmt: skip
def test_message(body: bytes, message: str) -> None:
    assert message_of(body) == message


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"PK\x03\x04\x14\x00\x00\x00", "bytes that begin 50 4b 03 04 14 00 00 00"),
        ("暂时不可用".encode(), "'暂时不可用'"),
        (
            "<html><title>Gesperrt für Sie</title>".encode("latin-1"),
            "an HTML page titled 'Gesperrt f\N{REPLACEMENT CHARACTER}r Sie'",
        ),
        (b'{"message": "not ready"}', "'not ready'"),
    ],
)
def test_looks_like(body: bytes, said: str) -> None:
    assert looks_like(body) == said


@given(st.integers(300, 599), st.binary(max_size=400) | st.text(max_size=400).map(lambda text: text.encode("utf-8", "replace")))
def test_every_refusal_is_one_line_that_says_what_and_where(status: int, body: bytes) -> None:
    asked = Asked("GET", "https://hume.example", "hume.example", "/v0/batch/jobs", "k-0123456789")
    error = refusal(asked, status, {"location": body.decode("latin-1")}, body + b" k-0123456789", "Tried once.")
    assert isinstance(error, ApiError)
    assert (error.status, error.url) == (status, "https://hume.example/v0/batch/jobs")
    assert str(error).startswith(f"GET /v0/batch/jobs on hume.example answered {status}")
    assert str(error).isprintable()
    assert len(str(error)) < 1_200
    assert "k-0123456789" not in str(error)
