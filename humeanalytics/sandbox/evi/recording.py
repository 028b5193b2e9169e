"""The sound of a chat, as it is reconstructed: a low tone where the caller speaks, a higher one where the assistant does."""

from __future__ import annotations

import io

import av
import numpy as np
from numpy.typing import NDArray

from humeanalytics.sandbox.evi.conversation import Conversation

RATE_HZ = 16_000
#: Longer chats are cut here: their sound says nothing new.
_MOST_S = 60.0
_LEAST_S = 0.5
_CALLER_HZ, _ASSISTANT_HZ = 140.0, 230.0
_FRAME = 1024


def reconstructed(talk: Conversation | None) -> bytes:
    """Return the sound of a chat as an MP4 file with one track of AAC; that of a chat that was added is a short tone."""
    spans = [(0.0, _LEAST_S, _CALLER_HZ)]
    length_s = _LEAST_S
    if talk is not None:
        start_ms = talk.plan.start_ms
        spans = []
        for beat in talk.beats:
            at_s = (beat.at_ms - start_ms) / 1000
            if beat.type == "AGENT_MESSAGE":
                spans.append((at_s, at_s + 0.05 * len(beat.text or ""), _ASSISTANT_HZ))
            elif beat.spoken_ms is not None:
                spoken_s = (beat.spoken_ms[1] - beat.spoken_ms[0]) / 1000
                spans.append((max(at_s - spoken_s, 0.0), at_s, _CALLER_HZ))
        length_s = max((talk.end_ms - start_ms) / 1000, _LEAST_S)
    return _encoded(_tones(spans, min(length_s, _MOST_S)))


def _tones(spans: list[tuple[float, float, float]], length_s: float) -> NDArray[np.float32]:
    samples = np.zeros(round(length_s * RATE_HZ), np.float32)
    for begin_s, end_s, pitch_hz in spans:
        begin, end = round(begin_s * RATE_HZ), min(round(end_s * RATE_HZ), len(samples))
        samples[begin:end] = 0.2 * np.sin(2 * np.pi * pitch_hz / RATE_HZ * np.arange(max(end - begin, 0)))
    return samples


def _encoded(samples: NDArray[np.float32]) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        track = container.add_stream("aac", rate=RATE_HZ, layout="mono")
        for start in range(0, len(samples), _FRAME):
            frame = av.AudioFrame.from_ndarray(samples[None, start : start + _FRAME], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = RATE_HZ, start
            container.mux(track.encode(frame))
        container.mux(track.encode(None))
    return file.getvalue()
