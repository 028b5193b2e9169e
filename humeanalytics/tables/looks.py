"""Say in a few words what some bytes look like that were not expected."""

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
STREAMING = "answers of Hume's streaming API"
BROKEN = "JSON that is broken"
JOB = "the details of a v0 job"
_NOT_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_NAMES_SHOWN = 8


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
    if b"<ANNOTATION_DOCUMENT" in text:
        return "a file of ELAN (--segments takes it)"
    if text.startswith(b"<"):
        return "XML or HTML"
    if _NOT_TEXT.search(head):
        return "binary data"
    return "text that is no JSON"  # and none of it is shown: it may be anything, a key file among them


def looks_like_csv(names: Iterable[str]) -> str:
    """Return in a few words what a CSV is that was not expected, by its header.

    >>> looks_like_csv(["a", "b"])
    'a CSV with the columns a, b'
    """
    names = list(names)
    if len(names) < 2 or not all(re.fullmatch(r"[\w .()/-]{1,40}", name) for name in names):
        return "text that is no such CSV"  # and none of it is shown: it may be anything
    return f"a CSV with the columns {_listed(names)}"


def looks_like_object(keys: Iterable[str]) -> str:
    """Return in a few words what a JSON object is that was not expected, by its keys.

    >>> looks_like_object(["a", "b"])
    'a JSON object with the keys a, b'
    """
    names = list(keys)
    known = set(names)
    if {"request", "state"} <= known or {"job_id", "request"} <= known:
        return JOB
    if {"fault"} <= known or known in ({"code", "message"}, {"message"}):
        return "an error answer of an API"
    if not names:
        return "an empty JSON object"
    return f"a JSON object with the keys {_listed(names)}"


def _listed(names: Iterable[str]) -> str:
    """Return some names for an error, cut short."""
    shown = [name if len(name) <= 40 else name[:37] + "..." for name in names]
    more = f" and {len(shown) - _NAMES_SHOWN} more" if len(shown) > _NAMES_SHOWN else ""
    return ", ".join(shown[:_NAMES_SHOWN]) + more
