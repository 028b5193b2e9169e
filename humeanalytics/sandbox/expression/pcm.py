"""The ``file`` of an audio upload: what its first bytes say it is, and the samples in it."""

from __future__ import annotations

import struct

import numpy as np

from humeanalytics.sandbox.expression.refusals import Refused
from humeanalytics.sandbox.speech import RATE_HZ, Samples

_PCM_TAG, _EXTENSIBLE_TAG = 1, 0xFFFE


def read_samples(data: bytes) -> Samples:
    """Return the samples of an upload: of a WAV file, or of whatever is not known to be something else.

    Raises:
        Refused: It is of a kind that is not taken, or a WAV file of the wrong format, or it is damaged.
    """
    if data[:4] == b"RIFF":
        return _of_wave(data)
    kind = _refused_kind(data)
    if kind is not None:
        raise Refused("unsupported_media_type", f"{kind} is not supported; send 16-bit 16 kHz mono PCM")
    return headerless(data)


def headerless(data: bytes) -> Samples:
    """Return the samples of an upload without a header.

    Raises:
        Refused: It is empty, or half a sample is left over.
    """
    if not data:
        raise _undecodable("the file is empty")
    if len(data) % 2:
        raise _undecodable("headerless audio must be whole 16-bit samples, and its number of bytes is odd")
    return np.frombuffer(data, "<i2")


def _refused_kind(data: bytes) -> str | None:
    """What is told by magic bytes, and only that: AIFF, raw AAC or a text pass for samples."""
    # An MPEG frame begins with eleven bits and a layer; with the layer 00 it would be AAC.
    if data[:3] == b"ID3" or (len(data) > 1 and data[0] == 0xFF and data[1] & 0xE0 == 0xE0 and data[1] & 0x06):
        return "MP3"
    if data[:4] == b"fLaC":
        return "FLAC"
    if data[:4] == b"OggS":
        return "Ogg"
    return "MP4" if data[4:8] == b"ftyp" else None


def _of_wave(data: bytes) -> Samples:
    if len(data) < 12:
        raise _undecodable("the WAV file is truncated")
    if data[8:12] != b"WAVE":
        raise Refused("unsupported_media_type", "a RIFF file must be a WAV file")
    riff_end = 8 + int.from_bytes(data[4:8], "little")
    if riff_end > len(data):
        raise _undecodable("the WAV file is truncated: its header promises more bytes")
    at, has_format = 12, False
    while at + 8 <= riff_end:
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8
        if at + size > riff_end:
            raise _undecodable(f"the WAV file is truncated: its {name!r} chunk promises more bytes")
        if name == b"fmt ":
            _check_format(data[at : at + size])
            has_format = True
        elif name == b"data":
            if not has_format:
                raise _undecodable("the WAV file is malformed: no format before the data")
            if size == 0 or size % 2:
                raise _undecodable("the WAV file holds no samples" if size == 0 else "the WAV file holds half a sample")
            return np.frombuffer(data, "<i2", size // 2, at)
        at += size + size % 2
    raise _undecodable("the WAV file is malformed: it has no data")


def _check_format(chunk: bytes) -> None:
    if len(chunk) < 16:
        raise _undecodable("the WAV file is malformed: its format is cut short")
    tag, channels, rate_hz, bytes_per_s, block_bytes, bits = struct.unpack_from("<HHIIHH", chunk)
    if tag == _EXTENSIBLE_TAG:
        raise _undecodable("the extensible WAV header is not supported")
    if (tag, bits) != (_PCM_TAG, 16):
        raise _undecodable(f"the samples must be 16-bit PCM, not {bits}-bit of format {tag}")
    if rate_hz != RATE_HZ or channels != 1:
        raise _undecodable(f"the audio must be {RATE_HZ} Hz mono, not {rate_hz} Hz with {channels} channels")
    if (bytes_per_s, block_bytes) != (2 * RATE_HZ, 2):
        raise _undecodable("the WAV file is malformed: its format contradicts itself")


def _undecodable(message: str) -> Refused:
    return Refused("audio_decode_failed", message)
