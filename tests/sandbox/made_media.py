"""Media made on the spot: sounds, pictures, films and archives whose every property a test knows."""

from __future__ import annotations

import io
import tarfile
import wave
import zipfile
from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray

RATE_HZ = 16_000
Samples = NDArray[np.int16]


def voice(seconds: float, pitch_hz: float = 120.0, loudness: float = 0.2, seed: int = 0) -> Samples:
    """Something like a voice: harmonics of a pitch under a slow swell; ``loudness`` is its root mean square."""
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    draw = np.random.default_rng(seed)
    sound = sum(np.sin(2 * np.pi * k * pitch_hz * t + draw.uniform(0, 6)) / k for k in range(1, 9))
    sound = sound * (1 + 0.3 * np.sin(2 * np.pi * draw.uniform(2, 5) * t))
    return (
        np.asarray(sound * loudness / max(float(np.sqrt(np.mean(sound**2))), 1e-9) * 32767).clip(-32767, 32767).astype(np.int16)
    )


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * RATE_HZ), np.int16)


def wav(*pieces: Samples) -> bytes:
    """Pieces of sound one after the other, as a WAV file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE_HZ)
        out.writeframes(np.concatenate(pieces).tobytes())
    return file.getvalue()


def mp3(sound: Samples, rate_hz: int) -> bytes:
    """Sound as MP3; ``sound`` counts as having ``rate_hz`` already."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp3", options={"write_xing": "0", "id3v2_version": "0"}) as out:
        stream = out.add_stream("mp3", rate=rate_hz, layout="mono")
        for start in range(0, len(sound), 1152):
            piece = av.AudioFrame.from_ndarray(sound[None, start : start + 1152], format="s16p", layout="mono")
            piece.sample_rate, piece.pts = rate_hz, start
            out.mux(stream.encode(piece))
        out.mux(stream.encode(None))
    return file.getvalue()


def pixels(width: int = 320, height: int = 240, seed: int = 0, shift: int = 0) -> NDArray[np.uint8]:
    """A colourful picture."""
    x, y = np.meshgrid(np.arange(width) + shift, np.arange(height))
    waves = np.random.default_rng(seed).uniform(0.01, 0.05, 6)
    channels = [127 + 120 * np.sin(waves[2 * c] * x + c) * np.cos(waves[2 * c + 1] * y) for c in range(3)]
    return np.stack(channels, axis=2).astype(np.uint8)


def image(codec: str = "png", flat: bool = False, width: int = 320, height: int = 240, seed: int = 0) -> bytes:
    """A picture as PNG (or another codec's); ``flat`` is one grey."""
    picture = np.full((height, width, 3), 90, np.uint8) if flat else pixels(width, height, seed)
    encoder = av.CodecContext.create(codec, "w")
    encoder.width, encoder.height, encoder.time_base = width, height, Fraction(1, 25)
    encoder.pix_fmt = {"png": "rgb24", "mjpeg": "yuvj420p", "bmp": "bgr24"}[codec]
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=encoder.pix_fmt)
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])


def film(
    seconds: float,
    fps: Fraction = Fraction(30000, 1001),
    sound: Samples | None = None,
    size: tuple[int, int] = (320, 240),
    seed: int = 0,
) -> bytes:
    """A film in Matroska, with ``sound`` unless that is None."""
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as out:
        pictures = out.add_stream("mpeg4", rate=fps)
        pictures.width, pictures.height, pictures.pix_fmt = *size, "yuv420p"
        audio = None if sound is None else out.add_stream("pcm_s16le", rate=RATE_HZ, layout="mono")
        for number in range(round(seconds * fps)):
            frame = av.VideoFrame.from_ndarray(pixels(*size, seed, shift=number), format="rgb24")
            out.mux(pictures.encode(frame))
        out.mux(pictures.encode(None))
        if audio is not None and sound is not None:
            for start in range(0, len(sound), 1024):
                piece = av.AudioFrame.from_ndarray(sound[None, start : start + 1024], format="s16", layout="mono")
                piece.sample_rate, piece.pts = RATE_HZ, start
                out.mux(audio.encode(piece))
            out.mux(audio.encode(None))
    return file.getvalue()


def zip_of(files: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


def tar_of(files: dict[str, bytes], compression: str) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=f"w:{compression}") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()
