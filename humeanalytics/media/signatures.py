"""What a file is by its first bytes, and what to call it when it is nothing that can be scored."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import Literal

#: So much of a file's beginning decides.
HEAD_BYTES = 4096

#: First bytes -> container of an archive Hume takes.
_ARCHIVES = ((b"PK\x03\x04", "zip"), (b"PK\x05\x06", "zip"), (b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"), (b"\xfd7zXZ\x00", "xz"))
#: First bytes -> container of a still image, and the name FFmpeg reads it by.
_IMAGES = (
    (b"\xff\xd8\xff", "jpeg", "jpeg_pipe"),
    (b"\x89PNG\r\n\x1a\n", "png", "png_pipe"),
    (b"GIF87a", "gif", "gif"),
    (b"GIF89a", "gif", "gif"),
    (b"II*\x00", "tiff", "tiff_pipe"),
    (b"MM\x00*", "tiff", "tiff_pipe"),
)
_IMAGE_BRANDS = {b"heic": "heic", b"heix": "heic", b"mif1": "heic", b"hevc": "heic", b"msf1": "heic", b"avif": "avif"}
#: First bytes -> what a person would call the file. None of these can be scored.
_FOREIGN = (
    (b"%PDF", "a PDF document"),
    (b"{\\rtf", "an RTF document"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Microsoft Office document"),
    (b"Rar!", "a RAR archive; Hume takes .zip, .tar.gz, .tar.bz2 and .tar.xz"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive; Hume takes .zip, .tar.gz, .tar.bz2 and .tar.xz"),
    (b"version https://git-lfs", "a Git LFS pointer; fetch the file itself with: git lfs pull"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"PAR1", "a Parquet table"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x7fELF", "a program"),
    (b"#EXTM3U", "a playlist, which only names where the recording is"),
    (b"[InternetShortcut]", "a shortcut to a web page"),
    (b"bplist00", "a property list of macOS"),
    (b"ADIF", "AAC of the old ADIF kind, whose length cannot be told"),
)
_OFFICE_MEMBERS = (b"[Content_Types].xml", b"mimetype", b"word/", b"xl/", b"ppt/", b"_rels/", b"META-INF/")
_MARKUP = (
    (b"<!doctype html", "an HTML page, maybe a saved 'view' link instead of the download"),
    (b"<html", "an HTML page, maybe a saved 'view' link instead of the download"),
    (b"<svg", "an SVG drawing"),
)


@dataclass(frozen=True, slots=True)
class Kind:
    """What some first bytes say: ``reader`` is the name by which FFmpeg opens an image."""

    media_type: Literal["archive", "image"]
    container: str
    reader: str | None = None


def kind_of(head: bytes) -> Kind | None:
    """Return the archive or still image that begins with ``head``, or None for anything else.

    >>> kind_of(b"PK\\x03\\x04....").container, kind_of(b"RIFF....WAVE")
    ('zip', None)
    """
    for magic, container in _ARCHIVES:
        if head.startswith(magic):
            return Kind("archive", container)
    for magic, container, reader in _IMAGES:
        if head.startswith(magic):
            return Kind("image", container, reader)
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return Kind("image", "webp", "webp_pipe")
    # "BM" alone begins too many words: the size field and its reserved zeros must fit as well.
    if head.startswith(b"BM") and head[6:10] == b"\x00\x00\x00\x00" and b"\x00" in head[10:18]:
        return Kind("image", "bmp", "bmp_pipe")
    if head[4:8] == b"ftyp" and head[8:12] in _IMAGE_BRANDS:
        return Kind("image", _IMAGE_BRANDS[head[8:12]], "mov")
    return None


def foreign_name(head: bytes) -> str | None:
    """Return what a file that can never be scored is called, or None where it may be a recording.

    >>> foreign_name(b"%PDF-1.7"), foreign_name(b"  <!DOCTYPE html><html>")
    ('a PDF document', "an HTML page, maybe a saved 'view' link instead of the download")
    """
    for magic, name in _FOREIGN:
        if head.startswith(magic):
            return name
    start = head.removeprefix(codecs.BOM_UTF8).lstrip().lower()
    for tag, name in _MARKUP:
        if start.startswith(tag):
            return name
    if start.startswith(b"<?xml"):
        within = start[:1000]
        return "an SVG drawing" if b"<svg" in within else "an HTML page" if b"<html" in within else "an XML document"
    if head.startswith(b"PK\x03\x04") and head[30:].startswith(_OFFICE_MEMBERS):
        return "an office document, e-book or program in a ZIP archive"
    if head[257:262] == b"ustar":
        return "a tar archive without compression; Hume takes .zip, .tar.gz, .tar.bz2 and .tar.xz"
    if head and not head.strip(b"\x00"):
        return "zeros only, as a download that never finished leaves them"
    if head.startswith((codecs.BOM_UTF16_LE + b"\x00\x00", codecs.BOM_UTF32_BE)):
        return "text in UTF-32; save it as UTF-8"
    return None


def is_text(head: bytes) -> bool:
    """Tell whether ``head`` reads as UTF-8 text (its last character may be cut).

    >>> is_text("Grüße".encode()), is_text(b"\\xff\\xfb\\x90\\x00")
    (True, False)
    """
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return not any(character < " " and character not in "\t\n\r\f\v\x1b" for character in text)


def described(head: bytes) -> str:
    """Return what an unknown file looks like, for the end of a message."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "like text in UTF-16; save it as UTF-8"
    if is_text(head):
        start = head.removeprefix(codecs.BOM_UTF8).lstrip()[:1]
        return "like JSON" if start in (b"{", b"[") else "like plain text"
    return f"like no audio, video, image or archive known here; it begins with the bytes {head[:8].hex(' ')}"
