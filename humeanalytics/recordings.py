"""What is scored, and how it is known again: recordings by their bytes, items by where they lie.

A *recording* is some bytes; its id is their sha256 and never changes. Where less is known (a saved result that names only a
URL, an md5 sum or a file name) a prefixed id says all that is known and cannot meet another. An *item* is one place where
a recording occurred: two people who both wrote "No." are two items of one recording.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO

from humeanalytics.redaction import without_signature

_CHUNK_BYTES = 1 << 20

#: File name suffix -> media type. What Hume's v0 batch took, as far as published; anything else is probed.
MEDIA_TYPES: dict[str, str] = {
    **dict.fromkeys(("wav", "mp3", "m4a", "aac", "flac", "ogg", "oga", "opus", "aif", "aiff", "wma", "amr"), "audio"),
    **dict.fromkeys(("mp4", "mov", "m4v", "mkv", "webm", "avi", "wmv", "mpg", "mpeg", "3gp", "flv", "ts"), "video"),
    **dict.fromkeys(("jpg", "jpeg", "png", "gif", "bmp", "webp", "tif", "tiff", "heic"), "image"),
    **dict.fromkeys(("txt",), "text"),
    **dict.fromkeys(("zip", "tar.gz", "tgz", "tar.bz2", "tbz2", "tar.xz", "txz"), "archive"),
}


@dataclass(frozen=True, slots=True)
class Digest:
    """What identifies some bytes: ``sha256`` for us, ``md5`` because Hume reports it; both in hexadecimal."""

    sha256: str
    md5: str
    size_bytes: int


def digest(stream: BinaryIO) -> Digest:
    """Read a stream to its end and return its digest.

    >>> import io
    >>> digest(io.BytesIO(b"No.")).size_bytes
    3
    """
    sha256, md5, size_bytes = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    while chunk := stream.read(_CHUNK_BYTES):
        sha256.update(chunk)
        md5.update(chunk)
        size_bytes += len(chunk)
    return Digest(sha256.hexdigest(), md5.hexdigest(), size_bytes)


def text_recording_id(text: str) -> str:
    """Return the recording id of a text: the sha256 of its UTF-8 bytes."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def md5_id(md5: str) -> str:
    """Return the id of a recording of which only the md5 sum is known."""
    return f"md5:{md5.lower()}"


def url_id(url: str) -> str:
    """Return the id of a recording of which only the URL is known; the same however the URL was signed.

    >>> url_id("https://x.com/a.mp4?Signature=1") == url_id("https://x.com/a.mp4")
    True
    """
    return "url:" + hashlib.sha256(without_signature(url).encode()).hexdigest()


def name_id(job: str, file: str) -> str:
    """Return the id of a recording of which only a name inside some job is known."""
    return f"name:{job}/{file}"


def chat_recording_id(chat_id: str) -> str:
    """Return the id of a chat of EVI as a recording: what its labels and answers hang on."""
    return f"chat:{chat_id}"


def item_id(uri: str, recording_id: str) -> str:
    """Return the id of one recording at one place."""
    return hashlib.sha256(f"{uri}\n{recording_id}".encode("utf-8", "surrogatepass")).hexdigest()[:32]


def media_type_of(name: str) -> str | None:
    """Return the media type that a file name or URL promises, or None.

    >>> media_type_of("a/B.MP4"), media_type_of("https://x.com/a.tar.gz?x=1"), media_type_of("notes.docx")
    ('video', 'archive', None)
    """
    path = _path_of(name) if "://" in name else name
    suffixes = PurePosixPath(path.lower()).suffixes
    for count in (2, 1):
        found = MEDIA_TYPES.get("".join(suffixes[-count:]).removeprefix("."))
        if found:
            return found
    return None


def _path_of(url: str) -> str:
    """The path of a URL of any quality; `urllib` refuses some that payloads hold."""
    return re.split("[?#]", url.partition("://")[2], maxsplit=1)[0].partition("/")[2]
