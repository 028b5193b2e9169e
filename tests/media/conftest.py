"""Recordings made for a test: sound from numbers, films from pictures, each at the times it is given."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

WriteWav = Callable[..., Path]
WriteSound = Callable[..., Path]
WriteFilm = Callable[..., Path]


@pytest.fixture
def write_wav(tmp_path: Path) -> WriteWav:
    """A WAV of samples that are already in the type the file shall have, of shape ``(n,)`` or ``(n, channels)``."""

    def write(samples: np.ndarray, rate_hz: int, name: str = "sound.wav", mask: int | None = None) -> Path:
        samples = np.atleast_2d(samples.T).T
        data = samples.tobytes()
        width, channels = samples.dtype.itemsize, samples.shape[1]
        tag = 3 if samples.dtype.kind == "f" else 1
        form = struct.pack("<HHIIHH", tag, channels, rate_hz, rate_hz * channels * width, channels * width, 8 * width)
        if mask is not None:
            guid = struct.pack("<H", tag) + bytes.fromhex("000000001000800000aa00389b71")
            form = struct.pack("<H", 0xFFFE) + form[2:] + struct.pack("<HHI", 22, 8 * width, mask) + guid
        chunks = b"fmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data)) + data
        path = tmp_path / name
        path.write_bytes(b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks)
        return path

    return write


@pytest.fixture
def write_sound(tmp_path: Path) -> WriteSound:
    """An encoded sound of float samples between -1 and 1, shape ``(channels, n)``.

    ``starts`` gives pieces and the second each begins at; ``film_s`` adds pictures from 0 s on.
    """

    def write(
        name: str,
        samples: np.ndarray,
        rate_hz: int,
        codec: str,
        *,
        layout: str = "mono",
        starts: Sequence[tuple[float, int, int]] | None = None,
        film_s: float = 0.0,
        options: dict[str, str] | None = None,
    ) -> Path:
        samples = np.atleast_2d(samples).astype(np.float32)
        path = tmp_path / name
        with av.open(str(path), "w", options=options or {}) as container:
            film = container.add_stream("mpeg4", rate=10) if film_s else None
            sound = container.add_stream(codec, rate=rate_hz, layout=layout)
            if film is not None:
                film.width, film.height, film.pix_fmt = 64, 48, "yuv420p"
                for _ in range(int(film_s * 10)):
                    container.mux(film.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")))
                container.mux(film.encode(None))
            for at_s, begin, end in starts or [(0.0, 0, samples.shape[1])]:
                for first in range(begin, end, 960):
                    piece = np.ascontiguousarray(samples[:, first : min(first + 960, end)])
                    frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout=layout)
                    frame.sample_rate, frame.time_base = rate_hz, Fraction(1, rate_hz)
                    frame.pts = round(at_s * rate_hz) + first - begin
                    container.mux(sound.encode(frame))
            container.mux(sound.encode(None))
        return path

    return write


@pytest.fixture
def write_film(tmp_path: Path) -> WriteFilm:
    """A film of RGB pictures, each shown from the second that stands with it; lossless in Matroska unless asked otherwise."""

    def write(
        name: str,
        pictures: Iterable[tuple[float, np.ndarray]],
        codec: str = "ffv1",
        *,
        pix_fmt: str = "bgr0",
        aspect: Fraction | None = None,
        ticks_per_s: int = 1000,
        options: dict[str, str] | None = None,
    ) -> Path:
        path = tmp_path / name
        with av.open(str(path), "w", options=options or {}) as container:
            stream = container.add_stream(codec, rate=25)
            stream.pix_fmt = pix_fmt
            stream.codec_context.time_base = Fraction(1, ticks_per_s)
            stream.time_base = Fraction(1, ticks_per_s)
            for number, (at_s, picture) in enumerate(pictures):
                if number == 0:
                    stream.height, stream.width = picture.shape[:2]
                    if aspect is not None:
                        stream.codec_context.sample_aspect_ratio = aspect
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
                frame.time_base, frame.pts = Fraction(1, ticks_per_s), round(at_s * ticks_per_s)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path

    return write
