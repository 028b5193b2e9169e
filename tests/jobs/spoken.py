"""Speech and pauses that a test knows, as WAV files; and what a lake holds of them."""

from __future__ import annotations

import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 16_000


def speech(seconds: float, number: int) -> NDArray[np.int16]:
    """Harmonics of a pitch under a slow swell, another for each number."""
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    pitch_hz = 90 + 37 * (number % 5)
    sound = sum(np.sin(2 * np.pi * k * pitch_hz * time_s + number) / k for k in range(1, 5))
    swell = 1 + 0.3 * np.sin(2 * np.pi * (2 + number % 3) * time_s)
    return np.asarray(sound * swell * (0.08 + 0.02 * (number % 4)) * 32767).clip(-32767, 32767).astype(np.int16)


def talk(stretches: Sequence[tuple[float, float]]) -> NDArray[np.int16]:
    """So many seconds of silence and then of speech, one after the other."""
    pieces = []
    for number, (pause_s, speech_s) in enumerate(stretches):
        pieces += [np.zeros(round(pause_s * RATE_HZ), np.int16), speech(speech_s, number)]
    return np.concatenate(pieces)


def write_wav(path: Path, samples: NDArray[Any], *, rate_hz: int = RATE_HZ) -> Path:
    """Write samples of shape ``(n,)`` or ``(n, channels)``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(samples.astype("<i2").tobytes())
    return path
