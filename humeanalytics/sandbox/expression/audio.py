"""What is measured in an audio upload."""

from __future__ import annotations

from typing import Any

import numpy as np

from humeanalytics.sandbox.expression.names import NEW_TRIGGER
from humeanalytics.sandbox.expression.probabilities import tell
from humeanalytics.sandbox.expression.schedule import windows
from humeanalytics.sandbox.expression.sound import FEATURES, Utterance, energies, utterances
from humeanalytics.sandbox.options import SandboxOptions
from humeanalytics.sandbox.speech import Samples


def measure_audio(samples: Samples, timer_ms: int, seed: int, options: SandboxOptions, new_names: bool = False) -> dict[str, Any]:
    """Return ``utterances`` and ``measurements`` as the answer has them.

    Args:
        samples: The audio, mono at 16 kHz.
        timer_ms: How often an utterance is measured.
        seed: The sandbox's seed.
        options: How long a pause ends an utterance, and how late an interval may be.
        new_names: Whether there are names and a trigger nobody has heard of.
    """
    energy = energies(samples)
    spoken = utterances(energy, options.expression_pause_ms)
    tail_ms = options.expression_late_interval_ms
    taken, features = [], []
    for number, stretch in enumerate(spoken):
        sound = Utterance(samples, energy, stretch, tail_ms)
        latest_ms = min(stretch.end_ms + tail_ms, len(energy))
        for window in windows(stretch.begin_ms, stretch.end_ms, timer_ms, latest_ms):
            taken.append((number, window))
            features.append(sound.features(window.begin_ms, window.end_ms))
    rows = np.array(features).reshape(-1, len(FEATURES))
    expressions, attributes = (tell(seed, "audio", kind, rows, new_names) for kind in ("expression", "voice_attribute"))
    return {
        "utterances": [
            {"utterance_id": number, "audio_start_ms": stretch.begin_ms, "audio_end_ms": stretch.end_ms}
            for number, stretch in enumerate(spoken)
        ],
        "measurements": [
            {
                "measurement_id": number,
                "utterance_id": utterance,
                "audio_start_ms": window.begin_ms,
                "audio_end_ms": window.end_ms,
                "trigger": NEW_TRIGGER if new_names and window.trigger == "interval" else window.trigger,
                "expressions": expressions[number],
                "voice_attributes": attributes[number],
            }
            for number, (utterance, window) in enumerate(taken)
        ],
    }
