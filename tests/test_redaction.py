"""Secrets stay out: nothing secret survives redaction, wherever a payload was cut, and nothing else changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from humeanalytics.redaction import (
    StreamRedactor,
    is_secret_name,
    may_hold_secrets,
    redact_bytes,
    redact_fields,
    redact_text,
    without_here,
)

SECRET = "5eCr3t-Va1ue"


# ------------------------------------------------------------------------------------------------------------ by example
@pytest.mark.parametrize(
    ("given_text", "redacted"),
    [
        # signed URLs of several makers; what bounds a signature goes with it, and only with it
        ("https://x.com/a.mp4?id=5&X-Amz-Signature=*", "https://x.com/a.mp4?id=5&X-Amz-Signature="),
        ("https://x.com/a?Expires=9&Signature=*&Key-Pair-Id=*", "https://x.com/a?Expires=&Signature=&Key-Pair-Id="),
        ("https://x.com/a?sv=1&se=2&sp=r&sig=*", "https://x.com/a?sv=&se=&sp=&sig="),
        ("https://x.com/a?sv=1&se=2&sp=r", "https://x.com/a?sv=1&se=2&sp=r"),
        ("https://x.com/a?X-Goog-Credential=*%40g&X-Goog-Date=*", "https://x.com/a?X-Goog-Credential=&X-Goog-Date="),
        ("https://x.com/a?TOKEN=*&upload_token=*", "https://x.com/a?TOKEN=&upload_token="),
        # however the URL is written down
        ("see https://x.com/a?sig=* and https://y.com/?id=1", "see https://x.com/a?sig= and https://y.com/?id=1"),
        ("<https://x.com/a?sig=*>", "<https://x.com/a?sig=>"),
        ("https://x.com/a?id=1&amp;sig=*&amp;n=2", "https://x.com/a?id=1&amp;sig=&amp;n=2"),
        ("https://x.com/a b/c.mp4?sig=*", "https://x.com/a b/c.mp4?sig="),
        ("https://x.com/a?name=b c&sig=*", "https://x.com/a?name=b c&sig="),
        ("https://x.com/a?X%2DAmz%2DSignature=*", "https://x.com/a?X%2DAmz%2DSignature="),
        ("https://x.com/a#access_token=*", "https://x.com/a#access_token="),
        ("s3://b/a.mp4?sig=*", "s3://b/a.mp4?sig="),
        ("wss://x.com/v0/evi?api_key=*", "wss://x.com/v0/evi?api_key="),
        ("https://x.com/?to=https://y.com/?token=*&n=1", "https://x.com/?to=https://y.com/?token=&n=1"),
        ("https://x.com/?to=https%3A%2F%2Fy.com%3Ftoken%3D*%26n%3D1", "https://x.com/?to=https%3A%2F%2Fy.com%3Ftoken%3D%26n%3D1"),
        ("https://x.com/?https%3A%2F%2Fy.com%3Ftoken%3D*", "https://x.com/?https%3A%2F%2Fy.com%3Ftoken%3D"),
        # user info
        ("https://u:*@x.com/a", "https://x.com/a"),
        ("https://*@x.com/a", "https://x.com/a"),
        ("https://u:*@*@x.com/a", "https://x.com/a"),
        ("ftp://u:*@x.com/a", "ftp://x.com/a"),
        # what only looks like it
        ("abfss://container@account.dfs.core.windows.net/a", "abfss://container@account.dfs.core.windows.net/a"),
        ("https://x.com/@someone/a@b", "https://x.com/@someone/a@b"),
        ("Is it? R&D = joy & token", "Is it? R&D = joy & token"),
        ("https://x.com/a?signature&token", "https://x.com/a?signature&token"),
        ("https://x.com/a?design=5&keys=6&authority=7", "https://x.com/a?design=5&keys=6&authority=7"),
        # fields by name
        ('{"api_key": "*", "apiKey" :"*", "n": 1}', '{"api_key": "", "apiKey" :"", "n": 1}'),
        ('{"password": "*\\"*\\\\", "n": 1}', '{"password": "", "n": 1}'),
        ('{"token": "No", "key": "value", "access_token": 5}', '{"token": "No", "key": "value", "access_token": 5}'),
    ],
)  # fmt: skip
def test_examples(given_text: str, redacted: str) -> None:
    assert ("*" in given_text) == (given_text != redacted)
    assert redact_bytes(given_text.replace("*", SECRET).encode()).decode() == redacted


@pytest.mark.parametrize(
    ("written_url", "redacted_url"),
    [
        (r"https:\/\/x.com\/a.mp4?id=5&sig=ab\/cd", "https://x.com/a.mp4?id=5&sig="),
        (r"https://x.com/a?id=5\u0026sig\u003dabc\u0026n=1", "https://x.com/a?id=5&sig=&n=1"),
        (r"https://x.com/a?to=y\u003Fsig=abc", "https://x.com/a?to=y?sig="),
        (r"<a href=\"https://x.com/a?sig=abc\">link</a>", '<a href="https://x.com/a?sig=">link</a>'),
        (r"one\nhttps://x.com/a?sig=abc\ntwo", "one\nhttps://x.com/a?sig=\ntwo"),
        (r"https:\/\/u:abc@x.com\/", "https://x.com/"),
        (r"https://x.com/a?q=\"b\"&sig=abc", 'https://x.com/a?q="b"&sig='),
        (r"C:\\temp\\?sig=abc", "C:\\temp\\?sig="),
        (r"https://x.com/\u00fc?sig=\ud83c\udfac", "https://x.com/ü?sig="),
    ],
)
def test_json_stays_json_however_it_is_escaped(written_url: str, redacted_url: str) -> None:
    payload = f'{{"url": "{written_url}", "n": 1}}'
    assert json.loads(redact_bytes(payload.encode())) == {"url": redacted_url, "n": 1}
    assert json.loads(payload)["url"] != redacted_url


def test_headers_in_text() -> None:
    text = "{'X-Hume-Api-Key': '*', 'n': 1} Authorization: Bearer *, x-hume-api-key=*".replace("*", SECRET)
    assert redact_text(text) == "{'X-Hume-Api-Key': '***', 'n': 1} Authorization: ***, x-hume-api-key=***"
    assert redact_text("half a character \ud83d, nothing else") == "half a character \ud83d, nothing else"


# ----------------------------------------------------------------------------------------------------------- in general
SECRET_NAMES = ["X-Amz-Signature", "x-goog-signature", "Signature", "sig", "token", "access_token", "api_key", "password", "jwt"]
PLAIN_NAMES = ["id", "n", "t", "v", "name", "design", "keys", "author", "st", "se", "expires"]
plain_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="=&?#@%\\"), max_size=12)
value = st.text(st.sampled_from("abcXYZ019-_.~+/,:;'()*"), max_size=8)


@st.composite
def urls(draw: st.DrawFn, *, signed: bool) -> str:
    """A URL of ours: perhaps with user info, some parameters, some of them signatures, in any order."""
    scheme = draw(st.sampled_from(["https", "http", "s3", "wss", "HTTPS"]))
    user = draw(st.sampled_from(["", f"u:{SECRET}@"])) if signed else ""
    path = "/".join(draw(st.lists(st.sampled_from(["a", "b.mp4", "Ü", "c d", "e%20f", "it's"]), max_size=3)))
    pairs = [f"{draw(st.sampled_from(PLAIN_NAMES))}={draw(value)}" for _ in range(draw(st.integers(0, 3)))]
    if signed:
        pairs += [
            f"{name}={draw(value)}{SECRET}{draw(value)}" for name in draw(st.lists(st.sampled_from(SECRET_NAMES), max_size=3))
        ]
        if draw(st.booleans()):
            inner = f"https://y.com/c?q=1&{draw(st.sampled_from(SECRET_NAMES))}={SECRET}"
            pairs.append("to=" + (quote(inner, safe="") if draw(st.booleans()) else inner))
    pairs = draw(st.permutations(pairs))
    return f"{scheme}://{user}x.example/{path}" + ("?" if pairs else "") + "&".join(pairs)


def written(payload: Any, *, ascii_only: bool, slashes: bool, ampersands: bool) -> bytes:
    """JSON as one or another library writes it."""
    text = json.dumps(payload, ensure_ascii=ascii_only)
    text = text.replace("/", "\\/") if slashes else text
    return (text.replace("&", "\\u0026").replace("=", "\\u003d") if ampersands else text).encode()


styles = st.fixed_dictionaries({"ascii_only": st.booleans(), "slashes": st.booleans(), "ampersands": st.booleans()})


def payload_of(strings: list[str]) -> list[dict[str, Any]]:
    return [{"source": {"url": text}, "text": f'He said "{text}", twice.', "score": 0.25, "api_key": SECRET} for text in strings]


@given(st.lists(urls(signed=True), max_size=4), styles)
def test_nothing_secret_survives_and_the_rest_can_be_read(strings: list[str], style: dict[str, bool]) -> None:
    redacted = redact_bytes(written(payload_of(strings), **style))
    assert SECRET.encode() not in redacted
    rows = json.loads(redacted)
    assert [row["score"] for row in rows] == [0.25] * len(strings)
    assert all(row["api_key"] == "" and row["text"].endswith('", twice.') for row in rows)


@given(st.lists(urls(signed=False) | plain_text, max_size=5), styles)
def test_what_is_no_secret_stays_byte_for_byte(strings: list[str], style: dict[str, bool]) -> None:
    data = written([{"url": text, "text": f"so? {text} & so = {text}", "score": 1.5e-7} for text in strings], **style)
    assert redact_bytes(data) == data


@given(st.lists(urls(signed=True) | plain_text, max_size=4), styles)
def test_twice_is_once(strings: list[str], style: dict[str, bool]) -> None:
    once = redact_bytes(written(payload_of(strings), **style))
    assert redact_bytes(once) == once


@given(st.binary(max_size=300) | st.text('"\\?&#=@/:u0026sigtoken ', max_size=80).map(str.encode))
def test_any_bytes_are_survived(data: bytes) -> None:
    once = redact_bytes(data)
    assert len(once) <= len(data)
    redact_text(data.decode("utf-8", "replace"))


# -------------------------------------------------------------------------------------------------------------- streamed
def streamed(data: bytes, cuts: list[int]) -> bytes:
    redactor, parts, begin = StreamRedactor(), [], 0
    for end in [*sorted(cuts), len(data)]:
        parts.append(redactor.feed(data[begin:end]))
        begin = end
    return b"".join([*parts, redactor.finish()])


FILLERS = {
    "scores": b'{"name": "Joy", "score": 0.0123456789},',
    "words": b"so? he & she = joy, ",
    "one token": b"QUJD",
    "quotes": b'\\"\\",',
}
PIECES = [
    b'{"url": "https://x.com/a.mp4?id=5&X-Amz-Signature=SECRET&X-Amz-Date=1"}',
    b'"https:\\/\\/u:SECRET@x.com\\/?a=1\\u0026sig\\u003dSECRET"',
    b'"api_key" : "SECRET \\" SECRET"',
    b' https://x.com/?to=https%3A%2F%2Fy.com%3Ftoken%3DSECRET ',
    b'"password":"SECRET"',
    b" &sig=SECRET&q=1 ",
]  # fmt: skip


@given(
    st.lists(
        st.tuples(
            st.sampled_from(sorted(FILLERS)), st.sampled_from([0, 9, 60_000, 70_001, 200_000, 300_000]), st.sampled_from(PIECES)
        ),
        min_size=1,
        max_size=5,
    ),
    st.lists(st.integers(0, 1_500_000), max_size=12) | st.integers(10_000, 400_000).map(lambda n: list(range(n, 1_500_000, n))),
    st.data(),
)
@settings(max_examples=60, deadline=None)
def test_pieces_make_no_difference(parts: list[tuple[str, int, bytes]], cuts: list[int], data: st.DataObject) -> None:
    """Wherever it is cut: at random, and in the very middle of what is secret."""
    whole, marks = b"", []
    for filler, size_bytes, piece in parts:
        whole += (FILLERS[filler] * (size_bytes // len(FILLERS[filler]) + 1))[:size_bytes] + b" "
        marks.append(len(whole) + data.draw(st.integers(0, len(piece))))
        whole += piece
    redacted = streamed(whole, [cut for cut in cuts + marks if cut <= len(whole)])
    assert redacted == redact_bytes(whole)
    assert b"SECRET" not in redacted


def test_every_single_cut() -> None:
    """What is let go ends 64 KiB before what came: let that end fall on every byte of the secrets."""
    before = 250_000
    whole = b'{"a":"' + b"x" * (before - 6) + b'", ' + b", ".join(PIECES) + b', "b":"' + b"y" * 70_000 + b'"}'
    expected = redact_bytes(whole)
    assert b"SECRET" not in expected
    for cut in range(before, before + sum(map(len, PIECES)) + 30):
        assert streamed(whole, [cut + 64 * 1024]) == expected


def test_memory_stays_bounded_while_it_streams() -> None:
    for filler in (b'{"score": 0.5},' * 5000, b"?" + b"A" * 70_000, b"A" * 70_000):
        redactor = StreamRedactor()
        for _ in range(100):
            redactor.feed(filler)
        assert len(redactor._held) < 2_000_000


# ------------------------------------------------------------------------------------------------ fields, however deep
FIELDS = st.dictionaries(
    st.sampled_from(["a", "token", "language_model_api_key", "languageModelApiKey", "text", "key", "keys"]),
    st.text(st.sampled_from('ab"\\\\ \n{}:,é'), max_size=12),
    max_size=4,
)


@given(st.lists(FIELDS, min_size=1, max_size=4), st.booleans())
def test_secret_fields_are_blank_however_deep_and_nothing_else_changes(levels: list[dict[str, str]], spaced: bool) -> None:
    separators = (", ", ": ") if spaced else (",", ":")

    def nested(blank: bool) -> str:
        value: dict[str, str] = {}
        for level in levels:
            inner = {"inner": json.dumps(value, separators=separators)} if value else {}
            told = {name: "" if blank and is_secret_name(name) else text for name, text in level.items()}
            value = {**told, **inner}
        return json.dumps(value, separators=separators)

    assert redact_fields(nested(False).encode()) == nested(True).encode()


@given(st.lists(FIELDS, min_size=1, max_size=3), st.sampled_from([*PIECES, b"design", b"0.5, 0.25"]), st.booleans())
def test_where_nothing_may_be_secret_nothing_changes(levels: list[dict[str, str]], piece: bytes, ascii_only: bool) -> None:
    value: dict[str, object] = {"said": piece.decode("latin-1")}
    for level in levels:
        value = {**level, "inner": json.dumps(value, ensure_ascii=ascii_only)}
    data = json.dumps(value, ensure_ascii=ascii_only).encode()
    if not may_hold_secrets(data):
        assert redact_bytes(data) == redact_fields(data) == data
        inner = str(value["inner"]).encode()
        assert redact_bytes(inner) == redact_fields(inner) == inner


def test_plain_talk_is_known_to_hold_no_secrets() -> None:
    assert not may_hold_secrets(json.dumps({"text": "A design by an author. 5 % off", "scores": [0.5, 0.25]}).encode())
    assert may_hold_secrets(b'{"a": "{\\"x_sig\\": \\"1\\"}"}')
    assert may_hold_secrets(json.dumps({"api_k\u0065y": 1}).encode().replace(b"key", b"k\\u0065y"))


# ------------------------------------------------------------------------------------------------------ the working folder
def test_paths_below_the_working_folder_are_told_from_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert without_here(f"{tmp_path / 'lake'}: done, {tmp_path / 'a' / 'b.wav'}") == f"lake: done, {Path('a') / 'b.wav'}"
    assert without_here(f"{tmp_path}-2/lake") == f"{tmp_path}-2/lake"
    assert without_here(str(tmp_path)) == str(tmp_path)
