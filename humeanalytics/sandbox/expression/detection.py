"""Faces in an image, made up from the image alone: alike images show alike faces, wherever in an upload they come.

A face is looked for in a few places where a camera would have one. How sure the detector is of it, where exactly it is, and
what it is like, follow smoothly from what the image is like there. A test that must know exactly what is found writes it into
the JPEG: a comment ``faces: [{"person": "Ann", "box": [10, 20, 110, 140], "confidence": 0.97}]`` stands for the detector.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from humeanalytics.sandbox.decoding import THUMBNAIL
from humeanalytics.sandbox.expression.jpeg import Picture
from humeanalytics.sandbox.expression.refusals import Refused
from humeanalytics.sandbox.scores import numbers_of

_COMMENT = b"faces:"
#: A place flatter than this (standard deviation of grey, 0 to 255) shows nobody.
_FLAT = 4.0
_LISTED = 32


@dataclass(frozen=True, slots=True)
class Face:
    """A detected face: who it is to the tracker, its box in pixels of the image as stored, how sure, what it is like."""

    person: str
    box: tuple[float, float, float, float]
    confidence: float
    features: NDArray[np.float64]

    @property
    def shorter_side(self) -> float:
        return min(self.box[2] - self.box[0], self.box[3] - self.box[1])

    @property
    def area(self) -> float:
        return (self.box[2] - self.box[0]) * (self.box[3] - self.box[1])


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a face may be: centre and size (of the image's shorter side), and how doubtful faces are there at most."""

    x: float
    y: float
    size: float
    doubt: float


_PLACES = (
    _Place(0.50, 0.46, 0.56, 0.02),
    _Place(0.24, 0.55, 0.40, 0.20),
    _Place(0.78, 0.52, 0.36, 0.30),
    _Place(0.13, 0.20, 0.20, 0.35),
    _Place(0.88, 0.18, 0.18, 0.40),
)


class _Written(msgspec.Struct, forbid_unknown_fields=True):
    person: str
    box: tuple[float, float, float, float]
    confidence: float = 0.99


def choose_faces(faces: list[Face], threshold: float, min_size: int, most_measured: int) -> tuple[list[Face], list[Face]]:
    """Return the faces to measure, largest first, and those only to list, the surest first.

    Args:
        faces: What the detector found.
        threshold: Leave out those it is less sure of than this.
        min_size: Leave out those whose shorter side has fewer pixels than this.
        most_measured: How many to measure.
    """
    listed = [face for face in faces if face.confidence >= threshold and face.shorter_side >= min_size]
    by_size = sorted(listed, key=lambda face: -face.area)
    measured = by_size[:most_measured]
    others = sorted(by_size[most_measured:], key=lambda face: -face.confidence)
    return measured, others[: max(_LISTED - len(measured), 0)]


def detect(picture: Picture, seed: int) -> list[Face]:
    """Return every face the detector finds at all.

    Raises:
        Refused: A comment begins as if it told of faces, but does not.
    """
    for comment in picture.comments:
        if comment.startswith(_COMMENT):
            return [_as_written(face, picture, seed) for face in _read(comment)]
    return list(_made_up(picture, seed))


def _read(comment: bytes) -> list[_Written]:
    try:
        return msgspec.json.decode(comment[len(_COMMENT) :], type=list[_Written])
    except msgspec.DecodeError as error:
        raise Refused("image_decode_failed", f"the comment 'faces:' in the image cannot be read: {error}") from None


def _as_written(written: _Written, picture: Picture, seed: int) -> Face:
    person = numbers_of(f"v1/face/{seed}/{written.person}", 8)
    look = _look(picture.thumbnail.astype(np.float64))
    return Face(written.person, written.box, round(written.confidence, 4), np.concatenate([1.2 * person, look]))


def _made_up(picture: Picture, seed: int) -> Iterator[Face]:
    grey = picture.thumbnail.astype(np.float64)
    side = min(picture.width, picture.height)
    for number, place in enumerate(_PLACES):
        here = _around(grey, place)
        contrast = float(here.std())
        if contrast < _FLAT:
            continue
        look = _look(here)
        person = numbers_of(f"v1/face/{seed}/{number}", 20)
        turned_away = max(_within_one(float(look @ person[8:12])), 0.0)
        confidence = round(contrast**2 / (contrast**2 + _FLAT**2) - place.doubt * turned_away, 4)
        height = side * place.size * (1 + 0.12 * _within_one(float(look @ person[12:16])))
        width = height * 0.78
        x = picture.width * (place.x + 0.03 * _within_one(float(look[2])))
        y = picture.height * (place.y + 0.03 * _within_one(float(look[3])))
        box = (
            round(max(x - width / 2, 0.0), 1),
            round(max(y - height / 2, 0.0), 1),
            round(min(x + width / 2, float(picture.width)), 1),
            round(min(y + height / 2, float(picture.height)), 1),
        )
        yield Face(str(number), box, max(confidence, 0.0), np.concatenate([0.9 * person[:8], look]))


def _around(grey: NDArray[np.float64], place: _Place) -> NDArray[np.float64]:
    reach = max(place.size / 2, 0.15)
    rows, columns = (
        slice(max(int((at - reach) * THUMBNAIL), 0), min(math.ceil((at + reach) * THUMBNAIL), THUMBNAIL))
        for at in (place.y, place.x)
    )
    return grey[rows, columns]


def _look(grey: NDArray[np.float64]) -> NDArray[np.float64]:
    """Brightness, contrast and where the light comes from."""
    rows, columns = grey.shape[0] // 2, grey.shape[1] // 2
    return np.array(
        [
            (grey.mean() - 110) / 45,
            (grey.std() - 50) / 20,
            (grey[:, :columns].mean() - grey[:, columns:].mean()) / 30,
            (grey[:rows].mean() - grey[rows:].mean()) / 30,
        ]
    )


def _within_one(value: float) -> float:
    return value / math.sqrt(1 + value * value)
