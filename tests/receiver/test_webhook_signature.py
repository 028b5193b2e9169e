"""The signature of webhooks, against one that is worked out here, and against the sandbox's."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import humeanalytics as ha
from humeanalytics.errors import UsageError, WebhookRefused
from humeanalytics.receiver.signature import MAX_AGE_S, MAX_AHEAD_S
from humeanalytics.sandbox.evi.webhooks import signature_of as signature_of_the_sandbox

NOW = 1_700_000_000
BODY = b'{"event_name":"chat_ended","chat_id":"1f3a"}'
KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


def signed(message: bytes, key: str = "key") -> str:
    return hmac.new(key.encode(), message, hashlib.sha256).hexdigest()


def refusal(body: bytes, timestamp: str | None, signature: str | None, keys: str | list[str] = "key") -> str:
    with pytest.raises(WebhookRefused) as refused:
        ha.verify_webhook(body, timestamp, signature, keys, now_s=NOW)
    return refused.value.reason


@given(
    body=st.binary(max_size=300),
    key=KEYS,
    age_s=st.integers(-int(MAX_AHEAD_S), int(MAX_AGE_S)),
    others=st.lists(KEYS, max_size=2),
)
def test_what_was_signed_with_any_of_the_keys_is_taken(body: bytes, key: str, age_s: int, others: list[str]) -> None:
    timestamp = str(NOW - age_s)
    signature = signed(body + b"." + timestamp.encode(), key)
    assert signature == signature_of_the_sandbox(body, timestamp, key)
    for keys in ([*others, key], [key, *others]):
        ha.verify_webhook(body, timestamp, signature, keys, now_s=NOW)


@given(body=st.binary(min_size=1, max_size=300), at=st.integers(0), flip=st.integers(1, 255))
def test_one_byte_of_the_body_that_changed_is_noticed(body: bytes, at: int, flip: int) -> None:
    at %= len(body)
    changed = body[:at] + bytes([body[at] ^ flip]) + body[at + 1 :]
    assert refusal(changed, str(NOW), signed(body + b".%d" % NOW)) == "signature"


@given(body=st.binary(max_size=100), moved=st.integers(1, 20))
def test_bytes_do_not_move_between_body_and_time(body: bytes, moved: int) -> None:
    """The dot parts the two: a body that took digits of the time over is another one."""
    digits = str(NOW)
    cut = moved % len(digits)
    assume(cut)
    assert refusal(body + b"." + digits[:cut].encode(), digits, signed(body + b"." + digits.encode())) == "signature"


@pytest.mark.parametrize(
    "signature",
    [
        signed(b"%d." % NOW + BODY),  # the time first
        signed(BODY + b"%d" % NOW),  # without the dot
        signed(BODY),
        signed(BODY + b".%d" % (NOW - 1)),
        signed(BODY + b".%d" % NOW, "another key"),
        signed(BODY + b".%d" % NOW).upper(),  # it is told in lower case
        signed(BODY + b".%d" % NOW)[:-1],
        "sha256=" + signed(BODY + b".%d" % NOW),
        "",
        "0" * 64,
        "ü" * 64,
        "\udcff",
    ],
)
def test_a_signature_that_is_made_otherwise_is_none(signature: str) -> None:
    assert refusal(BODY, str(NOW), signature) == "signature"
    assert refusal(BODY, str(NOW), signature, ["old", "key", "new"]) == "signature"


@pytest.mark.parametrize(
    ("timestamp", "reason"),
    [
        (str(NOW - 181), "too old"),
        (str(NOW + 31), "too early"),
        (str(NOW * 1000), "too early"),  # milliseconds
        ("0", "too old"),
        ("9" * 15, "too early"),
        ("9" * 16, "timestamp"),
        ("9" * 5000, "timestamp"),
        (f"-{NOW}", "timestamp"),
        (f"+{NOW}", "timestamp"),
        (f"{NOW}.0", "timestamp"),
        (f" {NOW}", "timestamp"),
        (f"{NOW}\n", "timestamp"),
        ("1_700_000_000", "timestamp"),
        ("1e9", "timestamp"),
        ("١٧٠٠٠٠٠٠٠٠", "timestamp"),  # digits, but not those of HTTP
        ("now", "timestamp"),
        ("", "timestamp"),
        (None, "not signed"),
    ],
)
def test_a_time_that_is_not_now_is_refused_however_well_it_is_signed(timestamp: str | None, reason: str) -> None:
    assert refusal(BODY, timestamp, signed(BODY + b"." + (timestamp or "").encode())) == reason


def test_a_signature_that_is_missing_is_named() -> None:
    assert refusal(BODY, str(NOW), None) == "not signed"


@pytest.mark.parametrize("keys", ["", [], ["key", ""]])
def test_nothing_is_verified_without_a_key(keys: str | list[str]) -> None:
    with pytest.raises(UsageError, match="signing key"):
        ha.verify_webhook(BODY, str(NOW), signed(BODY + b".%d" % NOW, ""), keys, now_s=NOW)


@given(st.text(max_size=80), st.text(max_size=80))
def test_whatever_stands_in_the_headers_is_refused_and_nothing_else_is_raised(timestamp: str, signature: str) -> None:
    assert refusal(BODY, timestamp, signature) in ("timestamp", "too old", "too early", "signature")
