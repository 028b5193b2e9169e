"""A long recording sent in pieces gives what it gives whole, where there is no limit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from expression_client import measured, refusal, send_audio
from hume_client import Hume
from made_media import RATE_HZ, Samples, silence, voice, wav

from humeanalytics.sandbox.embedded import Sandbox

SandboxWith = Callable[..., tuple[Sandbox, Hume]]


def talk(minutes: float) -> Samples:
    """Speech and pauses by turns; the same few voices, each time at another place."""
    draw = np.random.default_rng(5)
    voices = [voice(draw.uniform(0.3, 14), draw.uniform(85, 260), draw.uniform(0.03, 0.3), n) for n in range(12)]
    pieces: list[Samples] = []
    while sum(map(len, pieces)) < minutes * 60 * RATE_HZ:
        pieces += [silence(draw.uniform(0.4, 4)), voices[draw.integers(12)]]
    return np.concatenate(pieces)[: round(minutes * 60 * RATE_HZ)]


def without_ids(body: dict[str, Any], from_ms: int, utterances: int) -> list[tuple[Any, ...]]:
    told = [
        ("utterance", u["utterance_id"] + utterances, u["audio_start_ms"] + from_ms, u["audio_end_ms"] + from_ms)
        for u in body["utterances"]
    ]
    for m in body["measurements"]:
        begin, end = m["audio_start_ms"] + from_ms, m["audio_end_ms"] + from_ms
        told.append((m["trigger"], m["utterance_id"] + utterances, begin, end, m["expressions"], m["voice_attributes"]))
    return told


def test_forty_minutes_in_pieces_and_whole(sandbox_with: SandboxWith) -> None:
    samples = talk(40)
    _, limited = sandbox_with()
    _, unlimited = sandbox_with(expression_max_body_bytes=None)
    recording = wav(samples)
    assert refusal(send_audio(limited, recording)) == (413, "audio_too_long")
    whole = measured(send_audio(unlimited, recording))
    assert whole["received"] == {"audio_duration_ms": 2_400_000} and len(whole["measurements"]) > 500
    ends = [utterance["audio_end_ms"] for utterance in whole["utterances"]]
    begins = [utterance["audio_start_ms"] for utterance in whole["utterances"]][1:]
    pieces, told, utterances, start_ms = 0, list[tuple[Any, ...]](), 0, 0
    while start_ms < 2_400_000:
        pauses = [
            (end + begin) // 2 for end, begin in zip(ends, begins, strict=False) if start_ms < end and begin <= start_ms + 780_000
        ]
        end_ms = 2_400_000 if start_ms + 780_000 >= 2_400_000 else pauses[-1]
        body = measured(send_audio(limited, wav(samples[start_ms * 16 : end_ms * 16])))
        assert body["received"] == {"audio_duration_ms": end_ms - start_ms}
        told += without_ids(body, start_ms, utterances)
        utterances += len(body["utterances"])
        start_ms, pieces = end_ms, pieces + 1
    assert pieces >= 4
    assert sorted(told, key=repr) == sorted(without_ids(whole, 0, 0), key=repr)
