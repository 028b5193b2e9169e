"""Look inside a file: what kind of recording it is, how long, how large, and when it was made.

The content decides, never the name, but for one thing: a text is a recording only when its name ends in ``.txt``.
FFmpeg sees only the containers listed here and only this one file, so that a playlist cannot make it open others.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
import os
import stat
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from humeanalytics.errors import UnreadableRecording
from humeanalytics.media import signatures
from humeanalytics.media.durations import is_cut_short, measured
from humeanalytics.recordings import media_type_of

MediaType = Literal["audio", "video", "image", "text", "archive"]

#: The formats of sound and moving pictures that FFmpeg may look for.
CONTAINERS = (
    "wav,w64,aiff,caf,flac,ogg,mp3,aac,ac3,eac3,amr,au,nistsphere,wv,ape,tta,voc,mov,matroska,avi,asf,mpeg,mpegts,flv,mxf,rm"
)
#: Streams without a table of contents, and how they begin: FFmpeg guesses their length from the first packets, and finds
#: a packet or two in almost any small binary file.
BARE_STREAMS: dict[str, bytes | tuple[bytes, ...]] = {
    "mp3": (b"ID3", b"\xff"),
    "aac": (b"ID3", b"\xff"),
    "ac3": b"\x0bw",
    "eac3": b"\x0bw",
    "amr": b"#!AMR",
}
#: What is left over of a bare stream besides its packets: tags and cover pictures. Beyond it, FFmpeg took noise for sound.
_BARE_STREAM_MIN_SHARE = 0.5
_CHUNK_BYTES = 1 << 20
_OLDEST_PLAUSIBLE = datetime(1990, 1, 1, tzinfo=UTC)  # clocks that were never set begin in 1904 or 1970


@dataclass(frozen=True, slots=True)
class MediaFacts:
    """What is known of a recording from looking inside.

    Attributes:
        duration_s: Seconds; None for images, texts, archives, and where a container does not tell.
        fps: Frames a second, on average; only of videos.
        width, height: Pixels as stored, before any rotation that the container asks for; of videos and images.
        recorded_at: When the container says it was made, in UTC.
        container: FFmpeg's name of the format (its first, where it has several), or that of the archive, or ``text``.
    """

    media_type: MediaType
    container: str
    duration_s: float | None = None
    has_audio: bool = False
    has_video: bool = False
    fps: float | None = None
    width: int | None = None
    height: int | None = None
    recorded_at: datetime | None = None


def probe(path: str | os.PathLike[str]) -> MediaFacts:
    """Look at a file and return what kind of recording it is.

    Raises:
        UnreadableRecording: It is missing, empty, cut short, or nothing that can be scored. The message says what it looked like.

    Examples:
        >>> from humeanalytics.samples import sample
        >>> facts = probe(sample("012_greeting.mp4"))
        >>> facts.media_type, facts.width, facts.height, facts.fps, facts.recorded_at.isoformat()
        ('video', 320, 240, 12.0, '2026-10-02T09:15:00+00:00')
    """
    file = Path(path).absolute()
    head = _head(file)
    if foreign := signatures.foreign_name(head):
        raise _unreadable(file, f"is {foreign}")
    kind = signatures.kind_of(head)
    if kind is not None and kind.media_type == "archive":
        _check_archive(file, kind.container)
        return MediaFacts("archive", kind.container)
    if kind is not None:
        return _image(file, kind)
    if signatures.is_text(head):
        return _text(file, head)
    return _media(file, head)


def _unreadable(file: Path, what: str) -> UnreadableRecording:
    shown = str(file).encode("utf-8", "backslashreplace").decode()  # a name that is not UTF-8 must not break whoever prints it
    return UnreadableRecording(f"{shown} {what}.", item=shown)


def _head(file: Path) -> bytes:
    try:
        facts = file.stat()
        if stat.S_ISDIR(facts.st_mode):
            raise _unreadable(file, "is a folder, not a recording")
        if not stat.S_ISREG(facts.st_mode):  # opening a named pipe would wait for ever
            raise _unreadable(file, "is not an ordinary file but a pipe, socket or device")
        if facts.st_size == 0:
            raise _unreadable(file, "is empty (0 bytes)")
        with file.open("rb") as stream:
            return stream.read(signatures.HEAD_BYTES)
    except FileNotFoundError:
        what = "is a link to a file that does not exist" if file.is_symlink() else "does not exist"
        raise _unreadable(file, what) from None
    except OSError as error:
        raise _unreadable(file, f"cannot be read: {error.strerror or error}") from error
    except ValueError as error:  # a NUL in the path
        raise _unreadable(file, f"cannot be read: {error}") from error


def _text(file: Path, head: bytes) -> MediaFacts:
    if media_type_of(file.name) != "text":
        raise _unreadable(file, f"looks {signatures.described(head)}; only .txt files are scored as texts")
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    at, blank = 0, True
    try:
        with file.open("rb") as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                blank = not decoder.decode(chunk).strip() and blank
                at += len(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        at += error.start - len(decoder.getstate()[0])
        raise _unreadable(file, f"is not UTF-8 text from byte {at:,} on; save it as UTF-8") from None
    except OSError as error:
        raise _unreadable(file, f"cannot be read: {error.strerror or error}") from error
    if blank:
        raise _unreadable(file, "holds no text, only white space")
    return MediaFacts("text", "text")


def _check_archive(file: Path, container: str) -> None:
    try:
        if container == "zip":
            if not zipfile.is_zipfile(file):
                raise _unreadable(file, "begins like a ZIP archive but has no table of contents: it was cut short")
            with file.open("rb") as stream:
                if stream.read(4) == b"PK\x05\x06":
                    raise _unreadable(file, "is a ZIP archive with nothing in it")
            return
        opened: Any = {"gzip": gzip.open, "bzip2": bz2.open, "xz": lzma.open}[container]
        with opened(file, "rb") as stream:
            if stream.read(512)[257:262] != b"ustar":
                raise _unreadable(file, f"is compressed with {container} but holds no tar archive")
    except (OSError, EOFError, lzma.LZMAError, zipfile.BadZipFile) as error:
        raise _unreadable(file, f"is a broken {container} archive: {error}") from error


def _image(file: Path, kind: signatures.Kind) -> MediaFacts:
    import av

    try:
        with av.open(
            str(file), format=kind.reader, options={"protocol_whitelist": "file"}, metadata_errors="replace"
        ) as container:
            pictures = [stream.codec_context for stream in container.streams.video if stream.codec_context is not None]
            width, height = max(((each.width, each.height) for each in pictures), default=(0, 0))
    except (av.FFmpegError, OSError, ValueError) as error:
        raise _unreadable(file, f"is a broken {kind.container} image: {_reason(error)}") from error
    if width <= 0 or height <= 0:
        raise _unreadable(file, f"begins like a {kind.container} image but holds no picture: it was cut short")
    return MediaFacts("image", kind.container, width=width, height=height)


def reader_options(head: bytes) -> dict[str, str]:
    """Return what FFmpeg is told when it opens a file of sound or moving pictures that begins with ``head``."""
    options = {"format_whitelist": CONTAINERS, "protocol_whitelist": "file"}
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        options["probesize"] = "4096"  # FFmpeg would look for other codecs hidden in the samples, ten times as long
        options["max_size"] = "65536"  # bytes a packet; by default a sixteenth, and as many times the work by the packet
    return options


def _media(file: Path, head: bytes) -> MediaFacts:
    import av

    try:
        with av.open(str(file), options=reader_options(head), metadata_errors="replace") as container:
            return _media_facts(file, head, container)
    except (av.FFmpegError, OSError, ValueError, OverflowError) as error:
        if media_type_of(file.name) in ("audio", "video") and not signatures.described(head).startswith("like text"):
            what = f"is broken, cut short or of an unknown kind ({_reason(error)}); it begins with the bytes {head[:8].hex(' ')}"
            raise _unreadable(file, what) from error
        raise _unreadable(file, f"looks {signatures.described(head)}") from error


def _media_facts(file: Path, head: bytes, container: Any) -> MediaFacts:
    from av.stream import Disposition

    name = container.format.name.partition(",")[0]
    sounds = [s for s in container.streams.audio if s.codec_context is None or s.codec_context.sample_rate]
    pictures = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not sounds and not pictures:
        raise _unreadable(file, f"holds neither sound nor picture (container: {name})")
    duration_s = container.duration / 1e6 if container.duration is not None else None
    if duration_s is None or name in BARE_STREAMS or is_cut_short(container):
        measured_s, share = measured(container, {stream.index for stream in (*sounds, *pictures)})
        if name in BARE_STREAMS:
            promised = head.startswith(BARE_STREAMS[name]) or media_type_of(file.name) in ("audio", "video")
            if not promised or share < _BARE_STREAM_MIN_SHARE:
                raise _unreadable(file, f"looks {signatures.described(head)}")
        duration_s = measured_s if measured_s is not None else duration_s
    if not duration_s:
        raise _unreadable(file, f"holds no samples (container: {name})")
    picture = pictures[0] if pictures else None
    codec = picture.codec_context if picture is not None else None
    return MediaFacts(
        "video" if pictures else "audio",
        name,
        duration_s=duration_s,
        has_audio=bool(sounds),
        has_video=bool(pictures),
        fps=float(picture.average_rate) if picture is not None and picture.average_rate else None,
        width=(codec.width or None) if codec is not None else None,
        height=(codec.height or None) if codec is not None else None,
        recorded_at=_recorded_at(container.metadata),
    )


def _recorded_at(tags: Mapping[str, str]) -> datetime | None:
    # Apple's own tag keeps the zone; the other is UTC by definition.
    for key in ("com.apple.quicktime.creationdate", "creation_time"):
        try:
            tagged = datetime.fromisoformat(tags[key])
            at = tagged.astimezone(UTC)
        except (KeyError, ValueError, OverflowError):
            continue
        if tagged.tzinfo is not None and at >= _OLDEST_PLAUSIBLE:
            return at
    return None


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error)
