"""Take secrets out of whatever is stored or printed.

Three things carry credentials in Hume's payloads: the query of a signed URL (``source.url``, ``request.urls``, audio
download links), the user info of a URL, and a few fields by name. They are blanked: the name stays, so that a reader sees
something was there, the value goes. Parameters that are no signature stay, because they can be what tells two recordings
apart (``?id=5``).

A payload is not parsed for that: it may be broken, and it must stay byte for byte as it came but for what is blanked. So
the patterns here know how JSON escapes what they look for, and never take half an escape.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote

# Parameters that grant access: Amazon, Google, Azure, Alibaba, Tencent, CloudFront, and what sites name their own.
_GRANTS_ACCESS = re.compile(
    r"x-amz-.+|x-goog-.+|x-oss-.+|q-sign.*|awsaccesskeyid|googleaccessid|ossaccesskeyid|key-pair-id|sig|hmac|hdnea|jwt|"
    r"auth|authorization|credentials?|[a-z0-9_.-]*(?:token|secret|password|passwd|api_?key|access_?key|signature)",
    re.IGNORECASE | re.ASCII,
)
# Parameters that bound a signature in time or scope. On their own they may mean anything (``?st=2``), so they count as
# part of a signature only beside one of the above.
_BOUNDS_ACCESS = re.compile(
    r"expires?|expiry|exp|policy|se|sp|sv|sr|st|spr|sip|srt|ss|skoid|sktid|skt|ske|sks|skv|q-.+|security",
    re.IGNORECASE | re.ASCII,
)
_SECRET_FIELDS = (
    rb"api_?key|x-hume-api-key|secret_?key|access_?token|refresh_?token|client_?secret|password|authorization|bearer_?token"
)
_SECRET_NAME = re.compile(f"(?:[a-z0-9_.-]*[_.-])?(?:{_SECRET_FIELDS.decode()})", re.IGNORECASE | re.ASCII)

# A stretch of parameters runs from a separator to whatever cannot stand in a URL. A backslash is part of it only where it
# escapes something that can: \/ or \u0026, but not \" or \n.
_PARAMETERS = re.compile(
    rb"[?&#\\](?:(?<=[?&#])|(?<=\\)u00(?:26|3[fF]|23))"
    rb'(?:[^"\s<>\\]+|\\[/\\]|\\u(?!0022)[0-9a-fA-F]{4})+'
)
_USER_INFO = re.compile(rb'(/\\?/)([^/"\s\\?#]+)@')
_SCHEME = re.compile(rb"(?:(https?)|[a-z0-9+.-]):\\?$", re.IGNORECASE)
_FIELD = re.compile(rb'("(?:' + _SECRET_FIELDS + rb')"\s*:\s*)"(?:[^"\\]|\\.)+"', re.IGNORECASE | re.DOTALL)
_SECRET_ENDS = (
    *(b"key", b"token", b"secret", b"password", b"passwd", b"signature"),
    *(b"authorization", b"auth", b"credential", b"credentials", b"jwt", b"sig"),
)
#: A field whose name ends like a secret's and whose value is a text, with as many backslashes as the depth of JSON in JSON takes.
_ANY_FIELD = re.compile(
    rb'(\\{0,7})"([a-z0-9_.-]{0,64}(?:' + b"|".join(_SECRET_ENDS) + rb'))\1"\s*:\s*\1"',
    re.IGNORECASE,
)
_QUOTED = re.compile(rb'(\\*)"')
_FIELD_HINTS = (b'key"', b'token"', b'secret"', b'password"', b'authorization"')
#: What stands in every payload with such a field, and in few others; what JSON may escape it as; what scores consist of.
_FIELD_SIGNS = (
    *(b"key", b"token", b"secret", b"passw", b"signature", b"authorization", b"credential", b"jwt"),
    *(b'sig"', b"sig\\", b'auth"', b"auth\\"),
)
_ESCAPED_ASCII = re.compile(rb"\\u00[2-7]")
_OF_NUMBERS = b"0123456789.,+- []"
_HEADER = re.compile(r"(?i)(x-hume-api-key|authorization)(['\"]?\s*[:=]\s*['\"]?)(?:bearer\s+)?[^\s'\",}]+")

# What parts parameters, and a name from its value: in the URL itself (also as HTML and JSON escape it) ...
_SEPARATOR = re.compile(r"(&amp;|\\u00(?:26|3f|23)|[?&#])", re.IGNORECASE)
_EQUALS = re.compile(r"=|\\u003d", re.IGNORECASE)
# ... and in a URL that is itself the value of a parameter.
_INNER_SEPARATOR = re.compile(r"(%26|%3f|%23)", re.IGNORECASE)
_INNER_EQUALS = re.compile(r"%3d", re.IGNORECASE)

#: More than any URL or secret field takes: what began so long ago has ended.
_LONGEST_BYTES = 64 * 1024
_BLOCK_BYTES = 4 * _LONGEST_BYTES
_MOST_HELD_BYTES = 16 * _LONGEST_BYTES
#: A word that tells of a secret is shorter.
_SEAM_BYTES = 64


def _secret_names(names: Iterable[str]) -> set[str]:
    """Which of the parameter names of one query belong to a signature."""
    names = set(names)
    granting = {name for name in names if _GRANTS_ACCESS.fullmatch(unquote(name))}
    return granting | {name for name in names if granting and _BOUNDS_ACCESS.fullmatch(unquote(name))}


def _parameters(text: str, separator: re.Pattern[str], equals: re.Pattern[str]) -> list[tuple[str, str, str, bool]]:
    """Split a query into (separator before, name with its equals sign, value, whether it is secret).

    A parameter without an equals sign is a value without a name.
    """
    pieces = ["", *separator.split(text)]
    split = []
    for before, piece in zip(pieces[::2], pieces[1::2], strict=True):
        sign = equals.search(piece)
        name, value_start = (piece[: sign.start()], sign.end()) if sign else (piece, 0)
        split.append((before, name, piece[:value_start], piece[value_start:]))
    secret = _secret_names(name for _, name, _, _ in split)
    return [(before, head, value, name in secret) for before, name, head, value in split]


def _blanked(query: str) -> str:
    """Take the values of its secret parameters out of a query."""
    kept = ""
    for before, head, value, secret in _parameters(query, _SEPARATOR, _EQUALS):
        if "%3" in value and not secret:
            inner = _parameters(value, _INNER_SEPARATOR, _INNER_EQUALS)
            value = "".join(b + h + ("" if s and h else v) for b, h, v, s in inner)
        kept += before + head + ("" if secret and head else value)
    return kept


def _dropped(query: str) -> str:
    """Take its secret parameters out of a query, names and all; what is left begins with the same separator."""
    kept, first = "", ""
    for before, head, value, secret in _parameters(query, _SEPARATOR, _EQUALS):
        first = first or before
        if secret or not head + value:
            continue
        if "%3" in value:
            inner = _parameters(value, _INNER_SEPARATOR, _INNER_EQUALS)
            value = "".join(b + h + v for b, h, v, s in inner if not s)
        kept += (before if kept else first) + head + value
    return kept


def _user_info(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Find user info in URLs. Elsewhere than on the web a lone name is no credential: it may be an Azure container."""
    for found in _USER_INFO.finditer(data):
        scheme = _SCHEME.search(data, max(0, found.start() - 8), found.start())
        if scheme and (scheme[1] or b":" in found[2]):
            yield scheme.start(), found.end(), scheme[0] + found[1]


def _names_a_secret(data: bytes) -> bool:
    lower = data.lower()
    return any(hint in lower for hint in _FIELD_HINTS)


def _has_parameters(data: bytes) -> bool:
    return b"=" in data or (b"%" in data and b"%3" in data) or (b"\\" in data and b"\\u003" in data)


def _may_hold_secrets(data: bytes) -> bool:
    return b"@" in data or _has_parameters(data) or _names_a_secret(data)


def _edits(data: bytes) -> list[tuple[int, int, bytes]]:
    """Return what may have to be replaced in ``data``: begin, end, and what comes there; in order, outer ones first."""
    edits = []
    # Scores make up nearly all of a payload and hold none of these: a few quick searches spare the regular expressions.
    if _names_a_secret(data):
        edits += [(*found.span(), found[1] + b'""') for found in _FIELD.finditer(data)]
    if b"@" in data:
        edits += _user_info(data)
    if _has_parameters(data):
        for found in _PARAMETERS.finditer(data):
            edits.append((*found.span(), _blanked(found[0].decode("latin-1")).encode("latin-1")))
    return sorted(edits, key=lambda edit: (edit[0], -edit[1]))


def _edited(data: bytes, edits: Iterable[tuple[int, int, bytes]]) -> bytes:
    pieces, done = [], 0
    for begin, end, replacement in edits:
        if begin >= done:
            pieces += [data[done:begin], replacement]
            done = end
    return b"".join([*pieces, data[done:]])


def redact_bytes(data: bytes) -> bytes:
    """Return ``data`` with signatures, user info of URLs and secret fields blanked.

    >>> redact_bytes(b'{"url": "https://x.com/a.mp4?id=5&X-Amz-Signature=abc"}')
    b'{"url": "https://x.com/a.mp4?id=5&X-Amz-Signature="}'
    """
    edits = _edits(data)
    return _edited(data, edits) if edits else data


def may_hold_secrets(data: bytes) -> bool:
    """Tell, quickly, whether anything in JSON could be what is blanked here, however deep in strings of it.

    Where it could not, neither `redact_bytes` nor `redact_fields` changes anything, of the whole or of a string in it.
    """
    if b"@" in data or b"=" in data or (b"%" in data and b"%3" in data) or _ESCAPED_ASCII.search(data):
        return True
    lower = data.translate(None, _OF_NUMBERS).lower()
    return any(sign in lower for sign in _FIELD_SIGNS)


def redact_fields(data: bytes) -> bytes:
    """Blank the text under every field whose name says that it is secret (`is_secret_name`), however deep in JSON within JSON.

    The rest stays byte for byte as it is. For payloads that anybody may have saved in any form; see `redact_bytes` for URLs.

    >>> redact_fields(b'{"languageModelApiKey": "k", "message_text": "{\\\\"api_key\\\\": \\\\"k\\\\"}"}')
    b'{"languageModelApiKey": "", "message_text": "{\\\\"api_key\\\\": \\\\"\\\\"}"}'
    """
    lower = data.lower()
    if not any(name + mark in lower for name in _SECRET_ENDS for mark in (b'"', b"\\")):
        return data
    pieces, done = [], 0
    for found in _ANY_FIELD.finditer(data):
        if found.start() >= done and is_secret_name(found[2].decode()):
            pieces.append(data[done : found.end()])
            done = _end_of_text(data, found.end(), len(found[1]))
    return b"".join([*pieces, data[done:]]) if pieces else data


def _end_of_text(data: bytes, begin: int, escapes: int) -> int:
    """Return where a text in JSON ends that began there, given how many backslashes stand before its quotation marks."""
    for mark in _QUOTED.finditer(data, begin):
        before = len(mark[1])
        # A mark that ends the text has so many before it; one within the text has more, one that ends what is around it fewer.
        if before <= escapes or before % (2 * escapes + 2) == escapes:
            return mark.start() + max(0, before - escapes)
    return len(data)


def is_secret_name(name: str) -> bool:
    """Tell whether a field or parameter of that name holds what grants access.

    >>> is_secret_name("language_model_api_key"), is_secret_name("secretKey"), is_secret_name("event_limit")
    (True, True, False)
    """
    return (_GRANTS_ACCESS.fullmatch(name) or _SECRET_NAME.fullmatch(name)) is not None


def redact_text(text: str) -> str:
    """Return ``text`` (a log line, an error message) without signatures and key headers."""
    return _HEADER.sub(r"\1\2***", redact_bytes(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass"))


class StreamRedactor:
    """Redact a payload that arrives in pieces, wherever the pieces were cut: `feed` each, then `finish`.

    The end of what came is held back, since a secret may have begun in it; and nothing is cut where one was found.
    """

    def __init__(self) -> None:
        self._held = bytearray()
        self._seam = b""
        self._is_suspect = False

    def feed(self, chunk: bytes, text: bytes | None = None) -> bytes:
        """Take the next piece; return what can be let go (maybe nothing).

        Args:
            chunk: The piece.
            text: What of it could be or name a secret, if somebody knows that the rest is scores. Where nothing in it looks
                like one, the piece is not searched.
        """
        self._held += chunk
        if text is None or self._is_suspect:
            self._is_suspect, self._seam = True, chunk[-_SEAM_BYTES:]
        else:
            told = self._seam + text
            self._is_suspect = _may_hold_secrets(told)
            self._seam = told[-_SEAM_BYTES:]
        if len(self._held) < _BLOCK_BYTES:
            return b""
        return self._searched() if self._is_suspect else self._let_go(len(self._held) - _LONGEST_BYTES)

    def _let_go(self, cut: int) -> bytes:
        ready = bytes(memoryview(self._held)[:cut])
        del self._held[:cut]
        return ready

    def _searched(self) -> bytes:
        """Blank what is secret in all that is held; hold on to the end of it."""
        data = bytes(self._held)
        edits = _edits(data)
        cut = len(data) - _LONGEST_BYTES
        for begin, end, _ in reversed(edits):
            if begin < cut < end:
                cut = begin
        if not cut and len(data) > _MOST_HELD_BYTES:  # one enormous token, which is no URL
            cut = len(data) - _LONGEST_BYTES
        del self._held[:cut]
        self._is_suspect = _may_hold_secrets(bytes(self._held))
        return _edited(data[:cut], [edit for edit in edits if edit[1] <= cut])

    def finish(self) -> bytes:
        """Return the rest."""
        ready, self._held = bytes(self._held), bytearray()
        return redact_bytes(ready) if self._is_suspect else ready


def without_signature(url: str) -> str:
    """Return ``url`` without user info, fragment and signature parameters: what names a resource, not who may read it.

    The same for a URL however it was signed, and for what redaction left of it.

    >>> without_signature("https://u:p@x.com/a.mp4?id=5&Expires=1&Signature=abc#t=3")
    'https://x.com/a.mp4?id=5'
    """
    given = url.partition("#")[0].encode("utf-8", "surrogatepass")
    address = _edited(given, _user_info(given)).decode("utf-8", "surrogatepass")
    query = _SEPARATOR.search(address)
    return address[: query.start()] + _dropped(address[query.start() :]) if query else address


def without_here(text: str) -> str:
    """Return a text with paths below the working folder as they are from there: what a notebook shows goes to others with it.

    Examples:
        >>> without_here(f"{Path.cwd() / 'lake'}: done")
        'lake: done'
    """
    try:
        here = str(Path.cwd())
    except FileNotFoundError:  # the folder is gone
        return text
    return text.replace(here.rstrip(os.sep) + os.sep, "") if len(here) > 3 else text
