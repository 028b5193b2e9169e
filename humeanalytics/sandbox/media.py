"""What some bytes are, by looking at them rather than at their name; their sound; their frames."""

from __future__ import annotations

import codecs
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import BinaryIO

import av
import av.error
import numpy as np
from av.container import InputContainer
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from humeanalytics.sandbox.decoding import heard, picture_stream, seen, sound_stream, thumbnail
from humeanalytics.sandbox.speech import RATE_HZ, Samples

_TEXT_PROBE_BYTES = 1 << 16
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")
#: Longer sound than this is decoded to a temporary file rather than to memory.
_IN_MEMORY_BYTES = 32 << 20
#: A recording can carry its own transcript: a tag ``comment`` or ``lyrics`` that begins so.
_TRANSCRIPT_TAG = "transcript:"


class UnknownFileType(Exception):
    """The bytes are no text, image, sound or film that can be decoded."""

    def __init__(self) -> None:
        super().__init__("unable to determine file type")


class Undecodable(Exception):
    """It was clear what the bytes are, but they cannot be decoded."""

    def __init__(self) -> None:
        super().__init__("unable to decode file")


class TooLong(Exception):
    """The recording is longer than the service takes."""

    def __init__(self, max_s: float) -> None:
        super().__init__(f"file duration exceeds the maximum of {max_s:g} seconds")


@dataclass(frozen=True, slots=True)
class Frame:
    """A sampled frame: its number and time, its size in pixels, and what it looks like, grey and tiny.

    ``picture`` is None once nobody needs it any more: a film does not fit into memory.
    """

    number: int
    time_s: float
    width: int
    height: int
    thumbnail: NDArray[np.uint8]
    picture: av.VideoFrame | None

    def without_picture(self) -> Frame:
        return replace(self, picture=None)


@dataclass(slots=True)
class Medium:
    """A file that was looked at: ``file_type`` in Hume's words, its length, its text if it is one, the transcript it carries."""

    file_type: str
    duration_s: float = 0.0
    text: str | None = None
    transcript: str | None = None
    _file: BinaryIO | None = field(default=None, repr=False)
    _unread: InputContainer | None = field(default=None, repr=False)

    @property
    def has_sound(self) -> bool:
        return self.file_type in ("audio", "video")

    @property
    def has_pictures(self) -> bool:
        return self.file_type in ("video", "video_no_audio", "image")

    def close(self) -> None:
        if self._unread is not None:
            self._unread.close()
            self._unread = None

    @contextmanager
    def _reading(self) -> Iterator[InputContainer]:
        """The file from its start: as it was opened to be looked at, or opened again."""
        assert self._file is not None
        container, self._unread = self._unread or _open(self._file), None
        try:
            yield container
        except av.error.FFmpegError:
            raise Undecodable from None
        finally:
            container.close()

    def sound(self, max_s: float, check: Callable[[], None]) -> Samples:
        """Return the sound, mono at 16 kHz; ``check`` is called now and then and may raise to stop.

        Raises:
            TooLong: There is more than ``max_s`` of it.
            Undecodable: It is too damaged.
        """
        with self._reading() as container, tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES) as pcm:
            size_bytes = 0
            for piece in heard(container, check):
                size_bytes += pcm.write(piece)
                if size_bytes > 2 * RATE_HZ * max_s:
                    raise TooLong(max_s)
            if size_bytes <= _IN_MEMORY_BYTES:
                pcm.seek(0)
                return np.frombuffer(pcm.read(), np.int16)
            pcm.rollover()
            pcm.flush()
            return np.memmap(pcm._file, np.int16, mode="r")

    def frames(self, fps_pred: float, check: Callable[[], None]) -> Iterator[Frame]:
        """Yield the frames that are scored at ``fps_pred`` frames per second; all of them if that is 0.

        Frame ``k`` is number ``round(k * fps / fps_pred)``, and its time is its number divided by the file's own rate.
        """
        with self._reading() as container:
            stream = picture_stream(container)
            assert stream is not None
            stream.thread_type = "AUTO"
            rate = stream.average_rate or stream.guessed_rate
            fps = float(rate) if rate else 25.0
            step = fps / fps_pred if fps_pred > 0 else 1.0
            scaler = VideoReformatter()  # one for the whole film: making one takes longer than using it
            wanted = sampled = 0
            for number, picture in enumerate(seen(container, stream, check)):
                if number == wanted:
                    grey = thumbnail(picture, scaler)
                    yield Frame(number, number / fps, picture.width, picture.height, grey, picture)
                    while wanted <= number:
                        sampled += 1
                        wanted = round(sampled * step)


@contextmanager
def looked_at(file: BinaryIO) -> Iterator[Medium]:
    """Find out what a file is.

    Raises:
        UnknownFileType: It is nothing that can be scored.
    """
    text = _read_text(file)
    medium = Medium("text", text=text) if text is not None else _look(file)
    try:
        yield medium
    finally:
        medium.close()


def _look(file: BinaryIO) -> Medium:
    container = _open(file)
    pictures, sound = picture_stream(container), sound_stream(container)
    duration_s = (container.duration or 0) / 1_000_000
    if pictures is None:
        file_type = "audio"
    elif sound is None and _is_still(container, pictures):
        file_type, duration_s = "image", 0.0
    else:
        file_type = "video_no_audio" if sound is None else "video"
    if pictures is None and sound is None:
        container.close()
        raise UnknownFileType
    return Medium(file_type, duration_s, None, _own_transcript(container), file, container)


def _open(file: BinaryIO) -> InputContainer:
    file.seek(0)
    try:
        return av.open(file, mode="r", metadata_errors="replace")
    except (av.error.FFmpegError, ValueError):
        raise UnknownFileType from None


def _is_still(container: InputContainer, stream: VideoStream) -> bool:
    name = container.format.name
    return name.endswith("_pipe") or name == "image2" or stream.frames == 1


def _own_transcript(container: InputContainer) -> str | None:
    tags = {key.lower(): value for key, value in container.metadata.items()}
    for tag in ("comment", "lyrics"):
        value = tags.get(tag, "")
        if value.lower().startswith(_TRANSCRIPT_TAG):
            return value[len(_TRANSCRIPT_TAG) :].strip()
    return None


def _read_text(file: BinaryIO) -> str | None:
    """The file as text if it is UTF-8 and not blank, else None."""
    file.seek(0)
    probe = file.read(_TEXT_PROBE_BYTES)
    try:
        start = codecs.getincrementaldecoder("utf-8-sig")().decode(probe)
    except UnicodeDecodeError:
        return None
    if not start.strip() or _CONTROL.search(start):
        return None
    try:
        return start if len(probe) < _TEXT_PROBE_BYTES else (probe + file.read()).decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
