"""Make the study of this folder again: the answer of v0 batch for 24 invented interviews, whose truth is known.

    python data/study/make_study.py

Everything is drawn from one seed; nobody was recorded. What is built in, and what an analysis should therefore find:

- Half of the 24 participants recall a day alone, half together with a friend (``condition``). Of those together, joy and
  amusement are higher while they recall (``RECALL_S``), anxiety and sadness lower, by ``EFFECT`` standard deviations between
  people. Nothing else differs, and nothing at all does in the first 20 s, the baseline.
- Face and voice of a participant share one mood; the voice follows the face by ``VOICE_AFTER_S``. The interviewer, ``spk_0``, who
  is not in the picture, has a mood of nobody's.
- Participants differ in how high each of their expressions usually is, by more than conditions do.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from humeanalytics import vocabulary

FOLDER = Path(__file__).parent
SEED = 20261
PARTICIPANTS, DURATION_S = 24, 60.0
BASELINE_S, RECALL_S = (0.0, 20.0), (20.0, 60.0)
FACE_EVERY_S, VOICE_AFTER_S = 1.0, 2.0
EFFECT = 1.8
#: How condition and mood move an expression; 0 where it is not named.
OF_CONDITION = {"Joy": 1.0, "Amusement": 1.0, "Anxiety": -1.0, "Sadness": -1.0}
OF_MOOD = {"Joy": 1.0, "Amusement": 0.8, "Excitement": 0.7, "Contentment": 0.6, "Calmness": 0.3, "Sadness": -0.8, "Anxiety": -0.6}
OFTEN = {"Calmness": 0.42, "Concentration": 0.36, "Interest": 0.38, "Contemplation": 0.30, "Joy": 0.30, "Amusement": 0.24}
SPREAD, MOOD, NOISE = 0.035, 0.07, 0.03
ASKED = ("What do you see from where you sit?", "Tell me of a day you remember well.", "Who was there?", "How did it end?")
TOLD = (
    "There is a window, and a tree behind it.",
    "It is quiet here.",
    "We took the early train to the sea.",
    "It rained, so we sat in the station for an hour.",
    "Somebody had brought bread and plums.",
    "Later the sky cleared.",
    "We walked until our shoes were full of sand.",
    "I would do it again.",
)
#: Who speaks when: 0 asks, 1 tells.
TURNS = (
    (0, 0, 1),
    (1, 0, 3),
    (1, 1, 10),
    (0, 1, 20),
    (1, 2, 23),
    (1, 3, 28),
    (0, 2, 34),
    (1, 4, 37),
    (1, 5, 42),
    (0, 3, 47),
    (1, 6, 50),
    (1, 7, 55),
)


def main() -> None:
    rng = np.random.default_rng(SEED)
    names = [name.name for name in vocabulary.names_of("prosody", "expression")]
    usual = np.array([OFTEN.get(name, 0.04 + 0.16 * rng.random()) for name in names])
    shift, sway = (np.array([of.get(name, 0.0) for name in names]) for of in (OF_CONDITION, OF_MOOD))
    answer, manifest, subjects, segments = [], [], [], []
    for number in range(1, PARTICIPANTS + 1):
        file = f"P{number:02}_interview.mp4"
        condition = ("alone", "together")[number % 2]
        own = usual + SPREAD * rng.standard_normal(len(names))
        effect = EFFECT * SPREAD * shift * (condition == "together")
        moods = [smooth(rng) for _ in range(2)]

        def scores(
            at_s: float, speaker: int = 1, own: Any = own, effect: Any = effect, moods: Any = moods
        ) -> list[dict[str, Any]]:
            recalls = RECALL_S[0] <= at_s < RECALL_S[1]
            level = usual if speaker == 0 else own + effect * recalls
            drawn = level + MOOD * sway * moods[speaker](at_s) + NOISE * rng.standard_normal(len(names))
            limited = np.clip(drawn, 0.002, 0.98)
            return [{"name": name, "score": stepped(float(score))} for name, score in zip(names, limited, strict=True)]

        faces = [
            {
                "frame": int(at * 30),
                "time": at,
                "prob": stepped(0.97 + 0.02 * rng.random()),
                "box": {"x": 210.5, "y": 120.25, "w": 180.0, "h": 220.75},
                "emotions": scores(at),
                "facs": None,
                "descriptions": None,
            }
            for at in np.arange(0.0, DURATION_S, FACE_EVERY_S).tolist()
        ]
        spoken: dict[int, list[dict[str, Any]]] = {0: [], 1: []}
        for speaker, line, begin in TURNS:
            text = (ASKED, TOLD)[speaker][line]
            begin_s = begin + round(0.3 * rng.random(), 3)
            end_s = round(begin_s + 0.07 * len(text) + 0.4 * rng.random(), 3)
            emotions = scores((begin_s + end_s) / 2 - VOICE_AFTER_S, speaker) if speaker else scores((begin_s + end_s) / 2, 0)
            confidence = {
                "confidence": stepped(0.85 + 0.1 * rng.random()),
                "speaker_confidence": stepped(0.8 + 0.1 * rng.random()),
            }
            spoken[speaker].append(
                {"text": text, "time": {"begin": round(begin_s, 3), "end": end_s}, **confidence, "emotions": emotions}
            )
        models = {
            "face": {"metadata": None, "grouped_predictions": [{"id": "face_0", "predictions": faces}]},
            "prosody": {
                "metadata": {"confidence": 0.9375, "detected_language": "en"},
                "grouped_predictions": [{"id": f"spk_{n}", "predictions": rows} for n, rows in spoken.items()],
            },
        }
        md5 = hashlib.md5(file.encode(), usedforsecurity=False).hexdigest()
        source = {"type": "file", "filename": file, "content_type": "video/mp4", "md5sum": md5}
        predictions = [{"file": file, "file_type": "video", "models": models}]
        answer.append({"source": source, "results": {"predictions": predictions, "errors": []}})
        manifest.append({"file": file, "participant": f"P{number:02}", "condition": condition})
        subjects += [
            {"recording": file, "subject": "spk_0", "role": "interviewer", "participant": "I1"},
            {"recording": file, "subject": "spk_1", "role": "participant", "participant": f"P{number:02}"},
            {"recording": file, "subject": "face_0", "role": "participant", "participant": f"P{number:02}"},
        ]
        for name, (begin_s, end_s) in {"baseline": BASELINE_S, "recall": RECALL_S}.items():
            segments.append({"recording": file, "begin_s": begin_s, "end_s": end_s, "segment": name})
    content = json.dumps(answer, separators=(",", ":")).encode()
    (FOLDER / "predictions.json.gz").write_bytes(gzip.compress(content, 9, mtime=0))
    for name, rows in {"manifest": manifest, "subjects": subjects, "segments": segments}.items():
        with (FOLDER / f"{name}.csv").open("w", newline="", encoding="utf-8") as file_:
            writer = csv.DictWriter(file_, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


def stepped(value: float) -> float:
    """Return a number in steps of 1/1024, which float32 holds exactly and JSON writes short."""
    return round(value * 1024) / 1024


def smooth(rng: np.random.Generator) -> Any:
    """Return a mood by the second: waves of 15 to 40 s with random phases, of variance one."""
    phases, lengths_s = rng.uniform(0, 2 * np.pi, 5), rng.uniform(15, 40, 5)
    return lambda at_s: float(np.sin(2 * np.pi * at_s / lengths_s + phases).sum() * np.sqrt(2 / 5))


if __name__ == "__main__":
    main()
