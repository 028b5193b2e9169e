"""Faces cut out of a frame, as JPEG."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray


def crop_jpeg(picture: av.VideoFrame, x: float, y: float, w: float, h: float) -> bytes:
    """Cut a box, in pixels, out of a picture; what lies outside of the picture is left out."""
    pixels = picture.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
    top, left = max(int(y), 0), max(int(x), 0)
    part: NDArray[np.uint8] = pixels[top : max(int(y + h), top + 2), left : max(int(x + w), left + 2)]
    # JPEG halves the colours both ways: sides must be even.
    part = np.ascontiguousarray(part[: part.shape[0] // 2 * 2, : part.shape[1] // 2 * 2])
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height = part.shape[1], part.shape[0]
    encoder.pix_fmt, encoder.time_base = "yuvj420p", Fraction(1, 25)
    frame = av.VideoFrame.from_ndarray(part, format="rgb24")
    packets = [*encoder.encode(frame), *encoder.encode(None)]
    return b"".join(bytes(packet) for packet in packets)
