"""Take secrets out of whatever is stored or printed.

Two things carry credentials in Hume's payloads: the query of a signed URL (``source.url``, ``request.urls``, audio
download links) and a few fields by name. Both are blanked: the name stays, so that a reader sees something was there, the
value goes. Parameters that are no signature stay, because they can be what tells two recordings apart (``?id=5``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit, urlunsplit

# Parameters that grant access: Amazon, Google, Azure, Alibaba, Tencent, CloudFront, and what sites name their own.
_GRANTS_ACCESS = re.compile(
    r"x-amz-.+|x-goog-.+|x-oss-.+|q-sign.*|awsaccesskeyid|googleaccessid|ossaccesskeyid|key-pair-id|sig|hmac|hdnea|jwt|"
    r"auth|authorization|credentials?|[a-z0-9_.-]*(?:token|secret|password|passwd|api_?key|access_?key|signature)",
    re.IGNORECASE,
)
# Parameters that bound a signature in time or scope. On their own they may mean anything (``?st=2``), so they count as
# part of a signature only beside one of the above.
_BOUNDS_ACCESS = re.compile(
    r"expires?|expiry|exp|policy|se|sp|sv|sr|st|spr|sip|srt|ss|skoid|sktid|skt|ske|sks|skv|q-.+|security", re.IGNORECASE
)
_SECRET_FIELDS = (
    rb"api_?key|x-hume-api-key|secret_?key|access_?token|refresh_?token|client_?secret|password|authorization|bearer_?token"
)

_URL_QUERY = re.compile(rb"(https?:(?:\\?/){2}[^\"\s<>?]*\?)([^\"\s<>#]+)", re.IGNORECASE)
_PAIR_SEPARATOR = re.compile(rb"(&amp;|&|\\u0026)")
_USER_INFO = re.compile(rb"(https?:(?:\\?/){2})[^/\"\s\\@?#]+@", re.IGNORECASE)
_FIELD = re.compile(rb'("(?:' + _SECRET_FIELDS + rb')"\s*:\s*)"(?:[^"\\]|\\.)+"', re.IGNORECASE)
_OPEN_FIELD = re.compile(rb'"(?:' + _SECRET_FIELDS + rb')"\s*(?::\s*("(?:[^"\\]|\\.)*)?)?$', re.IGNORECASE)
_FIELD_HINTS = (b"key", b"Key", b"KEY", b"oken", b"OKEN", b"ecret", b"ECRET", b"assword", b"uthorization")
_HEADER = re.compile(r"(?i)(x-hume-api-key|authorization)(['\"]?\s*[:=]\s*['\"]?)(?:bearer\s+)?[^\s'\",}]+")

#: More of a payload than any URL or secret field takes; this much is held back until its end is known.
_HOLD_BACK_BYTES = 64 * 1024


def _signature_names(names: Iterable[str]) -> set[str]:
    """Which of the parameter names of one query belong to a signature."""
    names = set(names)
    granting = {name for name in names if _GRANTS_ACCESS.fullmatch(name)}
    return granting | {name for name in names if granting and _BOUNDS_ACCESS.fullmatch(name)}


def _blank_query(match: re.Match[bytes]) -> bytes:
    pieces = _PAIR_SEPARATOR.split(match[2])
    names = [piece.partition(b"=")[0].decode("latin-1") for piece in pieces]
    secret = _signature_names(names[::2])
    for i in range(0, len(pieces), 2):
        if names[i] in secret:
            pieces[i] = names[i].encode("latin-1") + b"="
    return match[1] + b"".join(pieces)


def redact_bytes(data: bytes) -> bytes:
    """Return ``data`` with signatures, user info of URLs and secret fields blanked.

    >>> redact_bytes(b'{"url": "https://x.com/a.mp4?id=5&X-Amz-Signature=abc"}')
    b'{"url": "https://x.com/a.mp4?id=5&X-Amz-Signature="}'
    """
    # Scores make up nearly all of a payload and hold none of these: a few memchr passes spare three regular expressions.
    if b"?" in data:
        data = _URL_QUERY.sub(_blank_query, data)
    if b"@" in data:
        data = _USER_INFO.sub(rb"\1", data)
    if any(hint in data for hint in _FIELD_HINTS):
        data = _FIELD.sub(rb'\1""', data)
    return data


def redact_text(text: str) -> str:
    """Return ``text`` (a log line, an error message) without signatures and key headers."""
    return _HEADER.sub(r"\1\2***", redact_bytes(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass"))


class StreamRedactor:
    """Redact a payload that arrives in pieces, wherever the pieces were cut: `feed` each, then `finish`.

    A piece is let go up to its last quotation mark that no secret field straddles: no URL holds a raw quotation mark.
    """

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, chunk: bytes) -> bytes:
        """Take the next piece; return what can be let go (maybe nothing)."""
        self._held += chunk
        if len(self._held) < _HOLD_BACK_BYTES:
            return b""
        cut = self._held.rfind(b'"') + 1
        if cut == 0 and len(self._held) > 4 * _HOLD_BACK_BYTES:  # one enormous token, or no JSON at all
            cut = len(self._held) - _HOLD_BACK_BYTES
        open_field = _OPEN_FIELD.search(self._held, max(0, cut - _HOLD_BACK_BYTES), cut)
        if open_field:
            cut = open_field.start()
        ready = bytes(self._held[:cut])
        del self._held[:cut]
        return redact_bytes(ready)

    def finish(self) -> bytes:
        """Return the rest."""
        ready, self._held = bytes(self._held), bytearray()
        return redact_bytes(ready)


def without_signature(url: str) -> str:
    """Return ``url`` without user info, fragment and signature parameters: what names a resource, not who may read it.

    >>> without_signature("https://u:p@x.com/a.mp4?id=5&Expires=1&Signature=abc#t=3")
    'https://x.com/a.mp4?id=5'
    """
    parts = urlsplit(url)
    pairs = [pair for pair in parts.query.split("&") if pair]
    secret = _signature_names(pair.partition("=")[0] for pair in pairs)
    query = "&".join(pair for pair in pairs if pair.partition("=")[0] not in secret)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, query, ""))
