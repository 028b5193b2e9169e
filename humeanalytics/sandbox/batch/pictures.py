"""Images and the frames of films: the face and facemesh models."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import repeat
from typing import Any

from humeanalytics.sandbox.batch.crops import crop_jpeg
from humeanalytics.sandbox.batch.rows import ModelRows, Row, Scores
from humeanalytics.sandbox.batch.task import Task
from humeanalytics.sandbox.faces import Cast, Face
from humeanalytics.sandbox.media import Frame, Medium

#: What a facemesh without a face model is looked for with.
_DEFAULTS: dict[str, Any] = {"fps_pred": 3.0, "prob_threshold": 0.99, "min_face_size": 60}

#: Name and JPEG of a face that was cut out.
Crop = tuple[str, bytes]


def score_pictures(task: Task, medium: Medium, crops: list[Crop], check: Callable[[], None]) -> list[ModelRows]:
    """Score the faces in an image or a film; those cut out, if asked for, go into ``crops``."""
    if not task.asks_any("face", "facemesh"):
        return []
    config = task.models.get("face", _DEFAULTS)
    cast = Cast(task.seed)
    seen: list[tuple[Frame, Face]] = []
    for frame in medium.frames(config["fps_pred"], check):
        for face in cast.faces(frame):
            if face.prob < config["prob_threshold"] or min(face.w, face.h) < config["min_face_size"]:
                continue
            if config.get("save_faces") and frame.picture is not None:
                jpeg = crop_jpeg(frame.picture, face.x, face.y, face.w, face.h)
                crops.append((f"frame_{frame.number}_face_{face.person}.jpg", jpeg))
            seen.append((frame.without_picture(), face))
    answers = []
    if "face" in task.models:
        answers.append(_face(task, seen))
    if "facemesh" in task.models:
        answers.append(_facemesh(task, seen))
    return answers


def _face(task: Task, seen: list[tuple[Frame, Face]]) -> ModelRows:
    config = task.models["face"]
    looks = [face.features for _, face in seen]
    emotions = task.score("face", "expression", looks)
    none: Iterable[Scores | None] = repeat(None, len(seen))
    facs = none if config["facs"] is None else task.score("face", "facs", looks)
    none = repeat(None, len(seen))
    descriptions = none if config["descriptions"] is None else task.score("face", "description", looks)
    rows = [
        Row(
            f"face_{face.person}" if config["identify_faces"] else "unknown",
            {
                "frame": frame.number,
                "time": frame.time_s,
                "prob": face.prob,
                "box": {"x": face.x, "y": face.y, "w": face.w, "h": face.h},
            },
            scores,
        )
        for (frame, face), *scores in zip(seen, emotions, facs, descriptions, strict=True)
    ]
    return ModelRows("face", None, rows, task.new_names)


def _facemesh(task: Task, seen: list[tuple[Frame, Face]]) -> ModelRows:
    """One mesh a person, from the first frame that shows them: a mesh has no time of its own."""
    first: dict[int, Face] = {}
    for _, face in seen:
        first.setdefault(face.person, face)
    emotions = task.score("facemesh", "expression", [face.features for face in first.values()])
    return ModelRows("facemesh", None, [Row("unknown", {}, [scores]) for scores in emotions], task.new_names)
