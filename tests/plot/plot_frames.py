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


def study(
    people: int = 12, rows: int = 10, conditions: tuple[str, ...] = ("control", "treated"), effect: float = 0.15, seed: int = 4
) -> pa.Table:
    """Interviews of people, every other one treated: more joy and less anger, by ``effect``."""
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(people), rows)
    which = person % len(conditions)
    begin = np.tile(np.arange(rows) * 3.0, people)
    made = {
        name: 0.4 - 0.03 * at + rng.normal(0, 0.04, people)[person] + rng.normal(0, 0.08, len(person))
        for at, name in enumerate(EXPRESSIONS)
    }
    made["joy"] = made["joy"] + effect * which
    made["anger"] = made["anger"] - effect * which
    return pa.table(
        {
            "recording_id": [f"{at:064x}" for at in person],
            "file": [f"interview_{at:02}.wav" for at in person],
            "participant": [f"P{at:02}" for at in person],
            "condition": [conditions[at] for at in which],
            "begin_s": begin,
            "end_s": begin + 2.0,
            **{name: pa.array(np.clip(values, 0, None), pa.float32()) for name, values in made.items()},
        }
    )


def conversation(
    texts: tuple[str | None, ...] = ("Hello!", "Where is my parcel?", "It left the depot.", "You said that."),
) -> pa.Table:
    """Messages of caller and assistant in turn, ten seconds apart; the second has no scores."""
    rows = len(texts)
    values = {
        name: [0.2 + 0.1 * ((at + row) % 6) if row != 1 else None for row in range(rows)] for at, name in enumerate(EXPRESSIONS)
    }
    return pa.table(
        {
            "chat_id": ["0123456789abcdef"] * rows,
            "timestamp": pa.array([1_767_225_600_000_000 + 10_000_000 * row for row in range(rows)], pa.timestamp("us", "UTC")),
            "ordinal": list(range(rows)),
            "speaker": ["caller" if row % 2 == 0 else "assistant" for row in range(rows)],
            "message_text": pa.array(texts, pa.string()),
            **{name: pa.array(each, pa.float32()) for name, each in values.items()},
        }
    )


def filmed(times: tuple[float, ...] = (0.0, 1.0, 2.0, 3.0, 4.0), people: int = 1) -> pa.Table:
    """Faces with boxes in a picture of 320 x 240 pixels."""
    rows = [(time, person) for time in times for person in range(people)]
    seconds = np.array([time for time, _ in rows])
    return pa.table(
        {
            "recording_id": ["c" * 64] * len(rows),
            "file": ["012_greeting.mp4"] * len(rows),
            "face_id": [f"face_{person}" for _, person in rows],
            "time_s": seconds,
            "box_x": [20.0 + 150.0 * person for _, person in rows],
            "box_y": [60.0] * len(rows),
            "box_w": [90.0] * len(rows),
            "box_h": [110.0] * len(rows),
            **scores(seconds * 9),
        }
    )


def agreed(pairs: tuple[tuple[str, str], ...] = (("face", "voice"),), units: int = 12) -> pa.Table:
    """What `humeanalytics.agreement` answers, of six expressions each; with one unit there is no interval and no test."""
    rows = []
    for first, second in pairs:
        for at, name in enumerate(EXPRESSIONS):
            r = 0.6 - 0.17 * at
            q = 0.001 if abs(r) > 0.2 else 0.4
            rows.append(
                {
                    "expression": name.replace("_", " ").capitalize(),
                    "column": name,
                    "first": first,
                    "second": second,
                    "correlation": r,
                    "ci_low": r - 0.15 if units > 1 else None,
                    "ci_high": r + 0.12 if units > 1 else None,
                    "p_value": q / 2 if units > 1 else None,
                    "q_value": q if units > 1 else None,
                    "lag_s": 0.5 * at,
                    "n_units": units,
                    "unit": "participant",
                    "every_s": 1.0,
                }
            )
    return pa.Table.from_pylist(rows)
