"""Sound and pictures out of an open container; damaged packets are gaps, as in any player."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import av
import av.error
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from humeanalytics.sandbox.speech import RATE_HZ

THUMBNAIL = 16


def heard(container: InputContainer, check: Callable[[], None]) -> Iterator[bytes]:
    """The sound in pieces of 16-bit samples; what is in the right form already is taken as it is, bit by bit."""
    stream = sound_stream(container)
    assert stream is not None
    codec = stream.codec_context
    as_it_is = codec.name == "pcm_s16le" and codec.channels == 1 and codec.sample_rate == RATE_HZ
    resampler = None if as_it_is else _resampler()
    for packet in container.demux(stream):
        check()
        try:
            decoded = packet.decode()
        except av.error.FFmpegError:
            continue
        for frame in decoded:
            if resampler is None:
                pieces = [frame]
            else:
                try:
                    pieces = resampler.resample(frame)
                except ValueError:  # from here on the file has another rate or other channels
                    pieces = resampler.resample(None)
                    resampler = _resampler()
                    pieces += resampler.resample(frame)
            yield from (piece.to_ndarray().tobytes() for piece in pieces)
    if resampler is not None:
        yield from (piece.to_ndarray().tobytes() for piece in resampler.resample(None))


def _resampler() -> av.AudioResampler:
    return av.AudioResampler(format="s16", layout="mono", rate=RATE_HZ)


def seen(container: InputContainer, stream: VideoStream, check: Callable[[], None]) -> Iterator[av.VideoFrame]:
    """The pictures, in the order in which they are shown."""
    for packet in container.demux(stream):
        check()
        try:
            yield from packet.decode()
        except av.error.FFmpegError:
            continue


def thumbnail(picture: av.VideoFrame, scaler: VideoReformatter) -> NDArray[np.uint8]:
    """The picture in grey, `THUMBNAIL` pixels square."""
    small = scaler.reformat(picture, width=THUMBNAIL, height=THUMBNAIL, format="gray", interpolation="AREA")
    return np.ascontiguousarray(small.to_ndarray())


def picture_stream(container: InputContainer) -> VideoStream | None:
    """The first stream of pictures that can be decoded and is not the cover of a record."""
    streams = (stream for stream in container.streams.video if _can_be_decoded(stream))
    return next((stream for stream in streams if not stream.disposition & Disposition.attached_pic), None)


def sound_stream(container: InputContainer) -> AudioStream | None:
    """The first stream of sound that can be decoded."""
    return next((stream for stream in container.streams.audio if _can_be_decoded(stream)), None)


def _can_be_decoded(stream: AudioStream | VideoStream) -> bool:
    return getattr(stream, "codec_context", None) is not None  # None, whatever its type says, where the codec is unknown
