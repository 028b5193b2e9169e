"""Frames as the tables give them, with scores that move."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

EXPRESSIONS = ("joy", "calmness", "anger", "interest", "surprise_positive", "boredom")


def scores(times: np.ndarray[Any, Any], seed: int = 1) -> dict[str, pa.Array]:
    rng = np.random.default_rng(seed)
    return {
        name: pa.array(0.55 + 0.3 * np.sin(times * rng.uniform(0.05, 0.4) + rng.uniform(0, 6)) - 0.04 * at, pa.float32())
        for at, name in enumerate(EXPRESSIONS)
    }


def speech(speakers: int = 1, rows: int = 24, file: str = "interview.wav", seed: int = 1) -> pa.Table:
    """Stretches of 2 s every 2.5 s, and a silence of half a minute after the tenth."""
    begin = np.arange(rows) * 2.5 + 30.0 * (np.arange(rows) >= 10)
    return pa.table(
        {
            "recording_id": ["a" * 64] * rows,
            "scoring_id": ["s"] * rows,
            "file": [file] * rows,
            "speaker_id": [f"spk_{at % speakers}" if speakers > 1 else "unknown" for at in range(rows)],
            "begin_s": begin,
            "end_s": begin + 2.0,
            **scores(begin, seed),
        }
    )


def faces(seconds: float = 60.0, people: int = 1, file: str = "greeting.mp4") -> pa.Table:
    """Three frames a second, and nobody to be seen from 20 s to 30 s."""
    times = np.arange(0, seconds, 1 / 3)
    times = times[(times < 20) | (times >= 30)]
    parts = [
        pa.table(
            {
                "recording_id": ["b" * 64] * len(times),
                "file": [file] * len(times),
                "face_id": [f"face_{at}" if people > 1 else "unknown"] * len(times),
                "time_s": times,
                **scores(times, at),
            }
        )
        for at in range(people)
    ]
    return pa.concat_tables(parts)
