"""Say what some bytes are, by their content."""

from __future__ import annotations

import re
from collections.abc import Iterable

_MAGIC = (
    (b"PK\x03\x04", "a zip archive"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"\x1f\x8b", "gzip data"),
    (b"\x28\xb5\x2f\xfd", "zstd data"),
    (b"%PDF", "a PDF document"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"RIFF", "a RIFF file (WAV, AVI or WebP)"),
    (b"PAR1", "a Parquet file"),
    (b"SQLite format 3", "an SQLite database"),
    (b"\xff\xfe", "UTF-16 text"),
    (b"\xfe\xff", "UTF-16 text"),
)
_NOT_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_KEYS_SHOWN = 8


def looks_like(head: bytes) -> str:
    """Return in a few words what a file that is no JSON looks like from its first bytes.

    >>> looks_like(b"<!DOCTYPE html><html>"), looks_like(b""), looks_like(b"PK\\x03\\x04...")
    ('an HTML page', 'an empty file', 'a zip archive')
    """
    for magic, what in _MAGIC:
        if head.startswith(magic):
            return what
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text:
        return "a file of nothing but blanks" if head else "an empty file"
    if re.match(rb"<(!doctype\s+html|html|head|body)\b", text, re.IGNORECASE):
        return "an HTML page"
    if text.startswith(b"<"):
        return "XML or HTML"
    if _NOT_TEXT.search(head):
        return "binary data"
    return "text that is no JSON"  # and none of it is shown: it may be anything, a key file among them


def looks_like_object(keys: Iterable[str]) -> str:
    """Return in a few words what a JSON object is that was not expected, by its keys.

    >>> looks_like_object(["a", "b"])
    'a JSON object with the keys a, b'
    """
    names = [key if len(key) <= 40 else key[:37] + "..." for key in keys]
    known = set(names)
    if {"request", "state"} <= known or {"job_id", "request"} <= known:
        return "the details of a v0 job, not its predictions"
    if {"fault"} <= known or known in ({"code", "message"}, {"message"}):
        return "an error answer of an API"
    if not names:
        return "an empty JSON object"
    more = f" and {len(names) - _KEYS_SHOWN} more" if len(names) > _KEYS_SHOWN else ""
    return f"a JSON object with the keys {', '.join(names[:_KEYS_SHOWN])}{more}"
