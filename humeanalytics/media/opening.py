"""A recording opened for decoding, and held against itself: bytes that change while they are read are nobody's recording."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard, Stream

from humeanalytics.errors import UnreadableRecording
from humeanalytics.media import signatures
from humeanalytics.media.probe import BARE_STREAMS, probe, reader_options

Track = TypeVar("Track", bound=Stream)

#: Formats whose length FFmpeg guesses from their first packets.
_GUESSING = {"aac", "ac3", "eac3"}
#: Less than this is a matter of rounding, and of encoders that round up to whole packets.
_SHORT_S = 0.5

#: What a file's size and time of change (nanoseconds) were when its digest was taken.
KnownState = tuple[int, int]


def refused(path: str | os.PathLike[str], what: str) -> UnreadableRecording:
    """Return the error that says of a file ``what`` is wrong with it."""
    shown = os.fspath(path).encode("utf-8", "backslashreplace").decode()
    return UnreadableRecording(f"{shown} {what}.", item=shown)


@contextmanager
def unchanged(path: Path, known: KnownState | None = None) -> Iterator[bytes]:
    """Guard the reading of a file; yield its first bytes.

    Raises:
        UnreadableRecording: It is missing, empty, no ordinary file, or its size or time of change is another at the end than
            at the beginning (or than ``known``): whatever was made of it is to be thrown away.
    """
    before = _state(path)
    if known is not None and before != known:
        raise _changed(path, "since it was taken in")
    try:
        with path.open("rb") as stream:
            head = stream.read(signatures.HEAD_BYTES)
    except OSError as error:
        raise refused(path, f"cannot be read: {error.strerror or error}") from error
    try:
        yield head
    except UnreadableRecording as error:
        if _state(path) != before:
            raise _changed(path, "while it was read") from error
        raise
    if _state(path) != before:
        raise _changed(path, "while it was read")


@contextmanager
def open_recording(path: str | os.PathLike[str], known: KnownState | None = None) -> Iterator[InputContainer]:
    """Open a file of sound or moving pictures for PyAV, and make sure that it stays as it is.

    Raises:
        UnreadableRecording: It is missing, empty, broken, no recording, or it changed meanwhile. The message says which.

    Examples:
        >>> from humeanalytics.samples import sample
        >>> with open_recording(sample("012_greeting.mp4")) as container:
        ...     len(container.streams.audio), len(container.streams.video)
        (1, 1)
    """
    file = Path(path).absolute()
    with unchanged(file, known) as head:
        try:
            if signatures.kind_of(head) is not None:
                raise ValueError("an image or archive")
            container = av.open(str(file), options=reader_options(head), metadata_errors="replace")
        except (av.FFmpegError, OSError, ValueError) as error:
            raise _not_opened(file) from error
        with container:
            bare = BARE_STREAMS.get(container.format.name)
            if bare is not None and not head.startswith(bare):
                probe(file)  # FFmpeg finds a packet or two in almost anything; this counts them
            try:
                yield container
            except av.FFmpegError as error:
                raise refused(file, f"cannot be decoded: {reason(error)}") from error


def packets_of(container: InputContainer, stream: Track, notes: list[str]) -> Iterator[Packet[Track]]:
    """Yield the packets of one track, up to where the file can be read; of the others, FFmpeg passes over what it can."""
    for other in container.streams:
        if other.index != stream.index:
            other.discard = Discard.all
    packets: Any = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except IndexError:  # PyAV's, at the very end, where another track began in the middle of the file
            return
        except av.FFmpegError as error:
            notes.append(f"The file cannot be read to its end: {reason(error)}.")
            return
        if packet is None:
            return
        yield packet


def note_if_short(what: str, container: InputContainer, stream: Stream, read_s: float, notes: list[str]) -> None:
    """Add a note where a track promises to go on for longer than could be read."""
    name = container.format.name
    if name in _GUESSING:
        return
    if stream.duration is not None and stream.time_base is not None:
        begin_s = (stream.start_time or 0) * stream.time_base - Fraction(begin_us(container) or 0, 1_000_000)
        promised_s = float(begin_s + stream.duration * stream.time_base)
    elif container.duration is not None and len(container.streams.audio) + len(container.streams.video) == 1:
        promised_s = container.duration / 1e6
    else:
        return
    if promised_s - read_s > max(_SHORT_S, 0.02 * promised_s):
        notes.append(f"Cut short: {promised_s:.1f} s of {what} are promised, {read_s:.1f} s could be read.")


def begin_us(container: InputContainer) -> int | None:
    """Return the time stamp at which a recording begins, in microseconds; None where the container does not tell.

    Some containers count what an encoder needs to warm up as time before 0; it is never shown, and the beginning is 0.
    """
    start_us: int | None = container.start_time  # None, whatever its type says, where it is unknown
    return 0 if start_us is not None and -100_000 < start_us < 0 else start_us


def reason(error: BaseException) -> str:
    """Return what the system or FFmpeg says was wrong, without its number and the path."""
    return getattr(error, "strerror", None) or str(error)


def promised_more(head: bytes, size_bytes: int) -> bool:
    """Tell whether a RIFF file (WAV, AVI) says of itself that it is longer than it is, as one whose copying broke off.

    Recorders that could not go back to fill the size in leave 0 or the largest number there: those promise nothing.

    >>> promised_more(b"RIFF\\x24\\x7d\\x00\\x00WAVE", 1000), promised_more(b"RIFF\\xff\\xff\\xff\\xffWAVE", 1000)
    (True, False)
    """
    promised = int.from_bytes(head[4:8], "little")
    return head[:4] == b"RIFF" and 0 < promised < 0xFFFFFF00 and promised + 8 > size_bytes + 1  # a last odd byte goes unpadded


def _not_opened(file: Path) -> UnreadableRecording:
    facts = probe(file)  # raises what is wrong with it, where it can say
    return refused(file, f"is of the kind {facts.media_type} ({facts.container}): no sound and no moving pictures")


def _state(path: Path) -> KnownState:
    try:
        facts = path.stat()
    except (OSError, ValueError):
        facts = None
    if facts is None or not stat.S_ISREG(facts.st_mode) or facts.st_size == 0:
        probe(path)  # says what it is instead of a file with something in it
        raise _changed(path, "while it was looked at")
    return facts.st_size, facts.st_mtime_ns


def _changed(path: Path, when: str) -> UnreadableRecording:
    return refused(path, f"changed {when}; leave it alone, and the next run takes it up")
