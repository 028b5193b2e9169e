"""Audio as v1 measures it: windows that overlap and grow, names only where they were above a cutoff; with the truth behind."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pyarrow as pa

#: What a name has to reach to be told.
CUTOFF = 0.4


def audio(
    recordings: Iterable[str],
    truth: Callable[[str, str, float], float],
    names: tuple[str, ...] = ("joy", "anger"),
    **labels: dict[str, str],
) -> tuple[pa.Table, pa.Table]:
    """Scores and measured windows of recordings that are one utterance of 19.5 s each, by the schedule of the service.

    Args:
        recordings: Their ids.
        truth: Recording, name, end of the window -> the probability there, told where it is above the cutoff.
        names: What is looked for.
        **labels: Label -> recording -> value.
    """
    windows, scores = [], []
    for recording in recordings:
        for number, end_s in enumerate([3.0, 6.0, 9.0, 12.0, 15.0, 18.0, 19.5]):
            at = {"recording_id": recording, "scoring_id": f"s-{recording}", "measurement_id": number}
            at |= {"begin_s": max(0.0, end_s - 10.0), "end_s": end_s}
            told = [(name, probability) for name in names if (probability := truth(recording, name, end_s)) > CUTOFF]
            labelled = {key: values[recording] for key, values in labels.items() if recording in values}
            windows.append({**at, "expressions": len(told), "voice_attributes": 0, **{key: labelled.get(key) for key in labels}})
            scores += [{**at, "kind": "expression", "name": name, "probability": each} for name, each in told]
    empty = {"recording_id": "", "scoring_id": "", "measurement_id": 0, "kind": "", "name": "", "probability": 0.0}
    return pa.Table.from_pylist([*scores, empty]).slice(0, len(scores)), pa.Table.from_pylist(windows)
