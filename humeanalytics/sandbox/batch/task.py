"""What to do with each file of a job, and the scores themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from humeanalytics.sandbox import scores
from humeanalytics.sandbox.batch.rows import Scores, names_of
from humeanalytics.sandbox.words import Passage


@dataclass(frozen=True, slots=True)
class Task:
    """Models with their options, complete; the transcription's, or None where it is off; and what the sandbox adds."""

    seed: int
    models: dict[str, dict[str, Any]]
    transcription: dict[str, Any] | None
    max_duration_s: float = 3 * 3600.0
    utf16_positions: bool = False
    new_names: bool = False

    def asks_any(self, *models: str) -> bool:
        return not self.models.keys().isdisjoint(models)

    def file_type(self, file_type: str) -> str:
        return f"{file_type}_360" if self.new_names else file_type

    def score(self, model: str, kind: str, features: Sequence[NDArray[np.float64]] | NDArray[np.float64]) -> Sequence[Scores]:
        """Return one vector of scores for each thing, in the order of `names_of`."""
        names = names_of(model, kind, self.new_names)
        return list(scores.score(self.seed, model, names, np.array(features))) if len(features) else []

    def speakers(self, model: str) -> Speakers:
        """Speakers are told apart when the transcription says so or, as it was in the beginning, the model."""
        of_model = self.models.get(model, {}).get("identify_speakers")
        return Speakers(bool((self.transcription or {}).get("identify_speakers") or of_model))


class Speakers:
    """Names for the voices of a file: ``spk_0`` is who speaks first; a sound too short to tell is ``unknown``."""

    def __init__(self, identify: bool) -> None:
        self._identify = identify
        self._known: dict[int, str] = {}

    def name(self, voice: int | None) -> str:
        if not self._identify or voice is None:
            return "unknown"
        return self._known.setdefault(voice, f"spk_{len(self._known)}")

    def confidence(self, passage: Passage) -> float | None:
        """How sure it is who said this; None where speakers are not told apart."""
        if not self._identify or passage.voice is None or passage.confidence is None:
            return None
        return as_single(0.6 + 0.4 * passage.confidence)


def as_single(value: float | None) -> float | None:
    """Round a number to single precision, as Hume's confidences are."""
    return None if value is None else float(np.float32(value))


def interval(span_ms: tuple[int, int] | None) -> dict[str, float] | None:
    """Return a span of milliseconds as the answer has it, in seconds."""
    return None if span_ms is None else {"begin": span_ms[0] / 1000, "end": span_ms[1] / 1000}
