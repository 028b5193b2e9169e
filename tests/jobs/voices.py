"""Recordings of a voice, of a kind: a tone that the sandbox takes for speech."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

RATE_HZ = 16_000


def write_voice(path: Path, number: int, duration_s: float = 0.6) -> Path:
    """Write a WAV with one short stretch of sound, which the sandbox takes for speech; another for each number."""
    count = int(RATE_HZ * duration_s)
    time_s = np.arange(count) / RATE_HZ
    envelope = (time_s > 0.1) & (time_s < duration_s - 0.1)
    tone = np.sin(2 * np.pi * (120 + number % 997) * time_s) * (0.3 + 0.001 * (number % 100)) * envelope
    samples = (tone * 32767).astype("<i2")
    samples[0] = number % 7  # silent, but no two files are the same bytes
    samples[1] = number // 7 % 11
    samples[2:10:2] = [number >> shift & 7 for shift in (0, 3, 6, 9)]
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(samples.tobytes())
    return path
