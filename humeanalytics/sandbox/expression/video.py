"""What is measured in an image upload."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from av.video.reformatter import VideoReformatter

from humeanalytics.sandbox.expression.configs import VideoConfig
from humeanalytics.sandbox.expression.detection import Face, choose_faces, detect
from humeanalytics.sandbox.expression.jpeg import check_image, decode_image
from humeanalytics.sandbox.expression.probabilities import Score, tell
from humeanalytics.sandbox.expression.tracking import Tracker
from humeanalytics.sandbox.options import SandboxOptions

#: Scores of measured faces: key of the answer, kind of the names.
_LISTS = (("expressions", "expression"), ("descriptions", "description"))


def check_images(images: Sequence[bytes], options: SandboxOptions) -> None:
    """Look at every image before any is measured.

    Raises:
        Refused: One of them cannot be taken, so none is.
    """
    for number, data in enumerate(images):
        check_image(data, number, options)


def measure_images(
    images: Sequence[bytes],
    config: VideoConfig,
    tracker: Tracker,
    seed: int,
    options: SandboxOptions,
    new_names: bool = False,
) -> dict[str, Any]:
    """Return ``measurements`` as the answer has them; the tracker has followed the faces.

    Raises:
        Refused: An image cannot be decoded, or tells of its faces wrongly.
    """
    scaler = VideoReformatter()
    frames = [
        choose_faces(
            detect(decode_image(data, number, scaler), seed),
            config.threshold,
            config.min_size,
            options.expression_faces_measured,
        )
        for number, data in enumerate(images)
    ]
    features = np.array([face.features for measured, _ in frames for face in measured])
    scores = iter(list(zip(*(tell(seed, "video", kind, features, new_names) for _, kind in _LISTS), strict=True)))
    return {
        "measurements": [
            {
                "frame_id": number,
                "faces": [_told(face, tracker.id_of(face.person), next(scores)) for face in measured]
                + [_told(face, None, None) for face in others],
            }
            for number, (measured, others) in enumerate(frames)
        ]
    }


def _told(face: Face, face_id: int | None, scores: Sequence[list[Score]] | None) -> dict[str, Any]:
    lists = {key: None if scores is None else scores[at] for at, (key, _) in enumerate(_LISTS)}
    return {"face_id": face_id, "bbox": list(face.box), "confidence": face.confidence, **lists}
