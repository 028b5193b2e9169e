"""JPEGs that Hume's v1 takes: baseline, without EXIF, at most 2 MB and 8,294,400 pixels."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import av
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from humeanalytics.media.geometry import fitted

MOST_BYTES = 2_000_000
MOST_PIXELS = 8_294_400

#: FFmpeg's scale of quality, 2 the best to 31. What is too large is tried again with the next.
_QUALITIES = (2, 4, 7, 12, 20, 31)
FINEST, GOOD = 2, 4
#: Once quality cannot get lower, a picture is made this much smaller each time, in pixels.
_SHRINK = 0.6

SOI, EOI, SOS = 0xD8, 0xD9, 0xDA
_BASELINE = 0xC0
_FRAME_HEADERS = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}


@dataclass(frozen=True, slots=True)
class Shape:
    """What the header of a JPEG says: pixels as stored; whether any decoder takes it (8 bits, baseline); 1, 3 or 4 colours."""

    width: int
    height: int
    baseline: bool
    components: int


def encoded(
    picture: VideoFrame, *, best: int = GOOD, most_bytes: int = MOST_BYTES, most_pixels: int = MOST_PIXELS
) -> tuple[bytes, int, int]:
    """Return a picture as a JPEG within the limits, and its width and height.

    Quality is lowered first, then the picture is made smaller.

    Args:
        picture: In FFmpeg's format ``yuvj420p``: full range, the colours of JPEG.
        best: `FINEST` or `GOOD`.
    """
    width, height = fitted(picture.width, picture.height, most_pixels)
    while True:
        fit = picture if (width, height) == (picture.width, picture.height) else picture.reformat(width, height)
        for quality in _QUALITIES[_QUALITIES.index(best) :]:
            jpeg = _encode(fit, quality)
            if len(jpeg) <= most_bytes:
                return jpeg, width, height
        width, height = fitted(width, height, max(int(width * height * _SHRINK), 1))


def _encode(picture: VideoFrame, quality: int) -> bytes:
    encoder: VideoCodecContext = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = picture.width, picture.height, "yuvj420p"
    encoder.sample_aspect_ratio = Fraction(1)  # makes FFmpeg write the JFIF header
    encoder.time_base = Fraction(1)
    encoder.thread_count = 1
    encoder.qmin = encoder.qmax = quality
    picture.pts, picture.time_base = 0, Fraction(1)
    return b"".join(bytes(packet) for packet in (*encoder.encode(picture), *encoder.encode(None)))


def shape(jpeg: bytes) -> Shape:
    """Read the header of a JPEG.

    Raises:
        ValueError: It is none, or not a whole one.
    """
    for marker, begin, end in segments(jpeg):
        if marker in _FRAME_HEADERS and end - begin >= 10:
            height, width = int.from_bytes(jpeg[begin + 5 : begin + 7], "big"), int.from_bytes(jpeg[begin + 7 : begin + 9], "big")
            return Shape(width, height, marker <= _BASELINE + 1 and jpeg[begin + 4] == 8, jpeg[begin + 9])
    raise ValueError("it has no frame header")


def segments(jpeg: bytes) -> list[tuple[int, int, int]]:
    """Return the marker, beginning and end of each piece of a JPEG, up to the end of its (first) picture.

    A scan reaches from its marker to the next one that is not part of it. Whatever follows the end of the picture (the
    second view, the depth map and the film that phones put there) is not told of.

    Raises:
        ValueError: It is no JPEG, or its end is missing.
    """
    found: list[tuple[int, int, int]] = [(SOI, 0, 2)]
    if not jpeg.startswith(b"\xff\xd8"):
        raise ValueError("it does not begin like a JPEG")
    at = 2
    while True:
        begin = at
        while jpeg[at : at + 2] == b"\xff\xff":  # fill bytes
            at += 1
        if at + 2 > len(jpeg) or jpeg[at] != 0xFF:
            raise ValueError("it was cut short" if at + 2 > len(jpeg) else f"it is damaged at byte {at:,}")
        marker = jpeg[at + 1]
        if marker == EOI:
            return [*found, (marker, begin, at + 2)]
        at += 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
        if marker == SOS:
            at = _end_of_scan(jpeg, at)
        found.append((marker, begin, at))


def _end_of_scan(jpeg: bytes, at: int) -> int:
    while True:
        at = jpeg.find(b"\xff", at)
        if at < 0 or at + 1 >= len(jpeg):
            raise ValueError("it was cut short")
        if jpeg[at + 1] != 0 and not 0xD0 <= jpeg[at + 1] <= 0xD7 and jpeg[at + 1] != 0xFF:
            return at
        at += 1 if jpeg[at + 1] == 0xFF else 2
