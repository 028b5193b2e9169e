"""How recordings are known again: by their bytes, and where less is known, by what cannot change."""

from __future__ import annotations

import hashlib
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from humeanalytics.recordings import digest, item_id, md5_id, media_type_of, name_id, text_recording_id, url_id
from humeanalytics.redaction import redact_bytes, redact_text, without_signature


@given(st.binary(max_size=3_000))
def test_digest(data: bytes) -> None:
    found = digest(io.BytesIO(data))
    assert (found.sha256, found.md5, found.size_bytes) == (
        hashlib.sha256(data).hexdigest(),
        hashlib.md5(data).hexdigest(),
        len(data),
    )


def test_digest_of_several_chunks() -> None:
    data = b"0123456789" * 300_000
    assert digest(io.BytesIO(data)).sha256 == hashlib.sha256(data).hexdigest()


def test_a_text_is_its_bytes() -> None:
    assert text_recording_id("Nö.") == digest(io.BytesIO("Nö.".encode())).sha256
    assert len({text_recording_id(text) for text in ("No.", "No. ", "no.", "\ud83d", "")}) == 5


def test_prefixed_ids_cannot_meet() -> None:
    assert md5_id("AB" * 16) == "md5:" + "ab" * 16
    assert name_id("j-1", "a/b.wav") == "name:j-1/a/b.wav"
    assert url_id("https://x.com/a").startswith("url:")
    assert item_id("a.wav", "1") != item_id("b.wav", "1") != item_id("b.wav", "2")
    assert item_id("caf\udce9.wav", "1") == item_id("caf\udce9.wav", "1")


# ------------------------------------------------------------------------------------------------------------------ URLs
@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("https://x.com/a.mp4", "https://x.com/a.mp4"),
        ("https://x.com/a.mp4?id=5&Expires=1&Signature=abc#t=3", "https://x.com/a.mp4?id=5"),
        ("https://x.com/a.mp4?Signature=abc&id=5", "https://x.com/a.mp4?id=5"),
        ("https://x.com/a.mp4?Signature=abc", "https://x.com/a.mp4"),
        ("https://x.com/a.mp4?sv=1&st=2", "https://x.com/a.mp4?sv=1&st=2"),
        ("https://x.com/a.mp4?sv=1&st=2&sig=x", "https://x.com/a.mp4"),
        ("https://u:p@ss@x.com/a@b?c=d@e", "https://x.com/a@b?c=d@e"),
        ("https://x.com/?to=https%3A%2F%2Fy.com%3Fq%3D1%26token%3Dabc", "https://x.com/?to=https%3A%2F%2Fy.com%3Fq%3D1"),
        ("https://x.com/?to=https://y.com/?token=abc&n=1", "https://x.com/?to=https://y.com/&n=1"),
        ("abfss://one@account.example/a", "abfss://one@account.example/a"),
        ("https://x.com/a?&&b=1&", "https://x.com/a?b=1"),
        ("https://x.com/a?signature", "https://x.com/a"),
        ("https://[not-an-address/a?sig=abc", "https://[not-an-address/a"),
        ("no url at all", "no url at all"),
        ("", ""),
    ],
)
def test_without_signature(url: str, plain: str) -> None:
    assert without_signature(url) == plain
    assert without_signature(plain) == plain


names = st.sampled_from(["Signature", "X-Amz-Signature", "X-Amz-Date", "X-Amz-Credential", "sig", "token", "Key-Pair-Id", "jwt"])
bounds = st.sampled_from(["Expires", "se", "st", "Policy"])
values = st.text(st.sampled_from("aZ09-_.~%2B:/, \"\\<>é🎬'"), max_size=10)
plain_pairs = st.lists(st.tuples(st.sampled_from(["id", "n", "v", "file"]), values), max_size=3)
signatures = st.lists(st.tuples(names, values), min_size=1, max_size=4)


def signed(base: str, pairs: list[tuple[str, str]]) -> str:
    return base + "?" + "&".join(f"{name}={value}" for name, value in pairs)


@given(plain_pairs, signatures, signatures, st.lists(st.tuples(bounds, values), max_size=2), st.randoms())
def test_signing_again_changes_nothing(
    pairs: list[tuple[str, str]],
    first: list[tuple[str, str]],
    second: list[tuple[str, str]],
    limits: list[tuple[str, str]],
    order: object,
) -> None:
    base = "https://x.com/a b/ü.mp4"
    one, two = signed(base, [*pairs, *first, *limits]), signed(base, [*second, *pairs])
    assert without_signature(one) == without_signature(two)
    assert url_id(one) == url_id(two)


anything = st.text(max_size=40) | st.text('ab?&#=%23dsigtoken@:/;\\" <u0026', max_size=60)


@given(
    st.builds(signed, anything.map("https://".__add__), plain_pairs)
    | st.builds(signed, st.just("https://x.com/a"), signatures)
    | anything
)
def test_redaction_leaves_the_identity_as_it_is(url: str) -> None:
    """A saved answer holds the redacted URL, the ledger the one that was given: both must name the same recording."""
    plain = without_signature(url)
    assert without_signature(plain) == plain
    assert without_signature(redact_text(url)) == plain
    assert without_signature(json.loads(redact_bytes(json.dumps({"url": url}).encode()))["url"]) == plain


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("a/B.MP4", "video"),
        ("a.wav", "audio"),
        ("a.b.tar.gz", "archive"),
        ("a.tar.wav", "audio"),
        (".wav", None),
        ("notes.docx", None),
        ("", None),
        ("https://x.com/a.mp4?x=1.wav", "video"),
        ("https://x.com/a.mp4#t=1.wav", "video"),
        ("https://video.ts", None),
        ("https://[broken/a.mp4", "video"),
    ],
)
def test_media_type_of(name: str, media_type: str | None) -> None:
    assert media_type_of(name) == media_type
