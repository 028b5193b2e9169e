"""The ``file`` parts of an image upload: whether each is a JPEG within the limits, and what it looks like."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import av
import av.error
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from humeanalytics.sandbox.decoding import thumbnail
from humeanalytics.sandbox.expression.refusals import Refused
from humeanalytics.sandbox.options import SandboxOptions

_COMMENT, _SCAN, _END = 0xFE, 0xDA, 0xD9
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded image: its size as stored, whatever its EXIF says; tiny and grey; and the comments in the file."""

    width: int
    height: int
    thumbnail: NDArray[np.uint8]
    comments: tuple[bytes, ...]


def check_image(data: bytes, number: int, options: SandboxOptions) -> None:
    """Look at an image as far as that goes without decoding it.

    Raises:
        Refused: It is no JPEG, or larger than images may be.
    """
    if data[:3] != b"\xff\xd8\xff":
        raise Refused("unsupported_media_type", f"image {number} is not a JPEG")
    most_bytes, most_pixels = options.expression_max_image_bytes, options.expression_max_image_pixels
    if most_bytes is not None and len(data) > most_bytes:
        raise Refused("image_too_large", f"image {number} has {len(data)} bytes; the maximum is {most_bytes}")
    size = _size(data)
    if most_pixels is not None and size is not None and size[0] * size[1] > most_pixels:
        raise Refused("image_too_large", f"image {number} has {size[0] * size[1]} pixels; the maximum is {most_pixels}")


def decode_image(data: bytes, number: int, scaler: VideoReformatter) -> Picture:
    """Decode an image that was checked.

    Raises:
        Refused: It is damaged or cut short.
    """
    size = _size(data)
    if size is None or not _is_complete(data):
        raise Refused("image_decode_failed", f"image {number} cannot be decoded: it is incomplete")
    decoder = VideoCodecContext.create("mjpeg", "r")
    decoder.thread_count = 1
    decoder.options = {"err_detect": "explode"}  # a damaged image is an error, not half a picture
    try:
        frames = [*decoder.decode(av.Packet(data)), *decoder.decode(None)]
        if len(frames) != 1 or (frames[0].width, frames[0].height) != size:
            raise ValueError(f"{len(frames)} pictures")
        grey = thumbnail(frames[0], scaler)
    except (av.error.FFmpegError, ValueError):
        raise Refused("image_decode_failed", f"image {number} cannot be decoded") from None
    return Picture(*size, grey, tuple(data[begin:end] for marker, begin, end in _segments(data) if marker == _COMMENT))


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, begin and end of the payload of each segment up to the first scan, as far as they are sound."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF or marker in _WITHOUT_LENGTH:
            at += 1 if marker == 0xFF else 2
            continue
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == _END or not at + 4 <= end <= len(data):
            return
        yield marker, at + 4, end
        if marker == _SCAN:
            return
        at = end


def _size(data: bytes) -> tuple[int, int] | None:
    """Width and height from the header; None if there is none."""
    for marker, begin, end in _segments(data):
        if marker in _FRAMES and end - begin >= 6:
            height, width = int.from_bytes(data[begin + 1 : begin + 3], "big"), int.from_bytes(data[begin + 3 : begin + 5], "big")
            return (width, height) if width and height else None
    return None


def _is_complete(data: bytes) -> bool:
    """Whether the end of the image follows its first scan; within a scan the marker cannot occur."""
    return any(marker == _SCAN and data.find(bytes([0xFF, _END]), end) >= 0 for marker, _, end in _segments(data))
