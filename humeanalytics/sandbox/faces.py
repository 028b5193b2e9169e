"""Faces, made up: as many as the picture seems to call for, moving smoothly, where a camera would have them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from humeanalytics.sandbox.decoding import THUMBNAIL
from humeanalytics.sandbox.media import Frame
from humeanalytics.sandbox.scores import numbers_of

#: A picture flatter than this (standard deviation of grey, 0 to 255) shows nobody.
_FLAT = 4.0
#: The detector itself is not sure of anything below this.
_LOWEST_PROB = 0.5


@dataclass(frozen=True, slots=True)
class Face:
    """One face in one frame: which of the file's faces, how sure, its box in pixels, what its expression is like."""

    person: int
    prob: float
    x: float
    y: float
    w: float
    h: float
    features: NDArray[np.float64]


class Cast:
    """The people in one film or picture: settled by its first frame that shows anything."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._people: list[NDArray[np.float64]] | None = None

    def faces(self, frame: Frame) -> list[Face]:
        """Return the faces of a frame, in the order of the people; none in a frame that is all one grey."""
        grey = frame.thumbnail.astype(np.float64)
        if grey.std() < _FLAT:
            return []
        if self._people is None:
            self._people = self._meet(frame.thumbnail)
        look = _look(grey)
        found = [self._face(number, person, frame, look) for number, person in enumerate(self._people)]
        return [face for face in found if face.prob >= _LOWEST_PROB]

    def _meet(self, thumbnail: NDArray[np.uint8]) -> list[NDArray[np.float64]]:
        # Coarse enough that another encoding of the same picture shows the same people.
        content = hashlib.sha256((thumbnail >> 6).tobytes()).hexdigest()
        count = 1 + (int(content[:4], 16) % 100 >= 65) + (int(content[:4], 16) % 100 >= 90)
        return [numbers_of(f"face/{self._seed}/{content}/{number}", 24) for number in range(count)]

    def _face(self, number: int, person: NDArray[np.float64], frame: Frame, look: NDArray[np.float64]) -> Face:
        t = frame.time_s
        sway = np.sin(2 * np.pi * t / (4 + 3 * np.abs(person[:10])) + np.pi * person[10:20])
        side = min(frame.width, frame.height)
        move: list[float] = sway.tolist()
        height = side * (0.56 if number == 0 else 0.4 - 0.06 * number) * (1 + 0.04 * move[0])
        width = height * (0.76 + 0.02 * move[1])
        centre_x = frame.width * ((0.5, 0.24, 0.78)[number] + 0.03 * move[2] + 0.02 * float(np.tanh(person[20])))
        centre_y = frame.height * ((0.46, 0.55, 0.52)[number] + 0.02 * move[3] + 0.02 * float(np.tanh(person[21])))
        # Sure nearly always; now and then, when two slow waves meet, a face turns away and the detector doubts it.
        doubt = max(0.0, move[4] * move[5] - 0.9) * 2
        prob = float(np.float32(0.9995 - 0.002 * abs(move[6]) - 0.001 * number - doubt))
        features = np.concatenate([0.8 * person[:10] + 0.9 * sway, look])
        features[0] += 0.5 * look[0]
        return Face(number, prob, centre_x - width / 2, centre_y - height / 2, width, height, features)


def _look(grey: NDArray[np.float64]) -> NDArray[np.float64]:
    """Brightness, contrast and where the light comes from."""
    half = THUMBNAIL // 2
    return np.array(
        [
            (grey.mean() - 110) / 60,
            (grey.std() - 50) / 25,
            (grey[:, :half].mean() - grey[:, half:].mean()) / 40,
            (grey[:half].mean() - grey[half:].mean()) / 40,
        ]
    )
