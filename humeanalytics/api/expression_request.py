"""What a request to v1 may be: its limits, its settings, the media it carries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from io import BytesIO
from typing import Any, BinaryIO

from humeanalytics.api.bodies import Upload
from humeanalytics.errors import UsageError


@dataclass(frozen=True, slots=True)
class ExpressionLimits:
    """What the service takes and how it bills, as its documentation of October 2026 has it.

    Sections are those of the contract's notes. Megabytes are read as powers of ten, which is the smaller reading.

    Attributes:
        body_bytes: A whole request, multipart framing and all (section 2).
        audio_ms: The longest audio that surely fits into one (section 2).
        sample_rate_hz: Of audio, which is 16-bit mono (section 1.3).
        timer_ms: Least and most of ``measurement_timer_ms`` (section 1.3).
        image_bytes, image_pixels: One JPEG: its size, and width times height (section 1.4).
        faces_listed, faces_measured: In one image: how many are told, and of how many largest the expressions (section 3).
        face_state_s: How long a ``face_state`` may be used after it was given (section 3).
        billed_least_s: What any request that is measured costs at least, in seconds (section 2).
        billed_image_s: What one image costs, whatever its frame rate, with a face or without (section 2).
        page_size: The most runs or events on one page (section 1.5).
    """

    body_bytes: int = 25_000_000
    audio_ms: int = 780_000
    sample_rate_hz: int = 16_000
    timer_ms: tuple[int, int] = (3_000, 10_000)
    image_bytes: int = 2_000_000
    image_pixels: int = 8_294_400
    faces_listed: int = 32
    faces_measured: int = 2
    face_state_s: float = 24 * 3600.0
    billed_least_s: float = 10.0
    billed_image_s: float = 1 / 3
    page_size: int = 200

    def billed_s(self, *, audio_s: float = 0.0, images: int = 0) -> float:
        """Return what one request costs, in seconds; the authority is `Run.metered_s`.

        >>> LIMITS.billed_s(audio_s=3.0), LIMITS.billed_s(images=90)
        (10.0, 30.0)
        """
        return max(audio_s + images * self.billed_image_s, self.billed_least_s)


LIMITS = ExpressionLimits()


@dataclass(frozen=True, slots=True)
class AudioConfig:
    """How audio is measured. What is None is left to the service.

    Attributes:
        measurement_timer_ms: How often to measure within an utterance: 3000 (the service's default) to 10000 ms of speech.

    Raises:
        UsageError: A value the service would refuse.
    """

    measurement_timer_ms: int | None = None

    def __post_init__(self) -> None:
        least, most = LIMITS.timer_ms
        timer_ms = self.measurement_timer_ms
        if timer_ms is not None and not (_is_whole(timer_ms) and least <= timer_ms <= most):
            raise UsageError(f"measurement_timer_ms must be a whole number from {least} to {most}, not {timer_ms!r}.")

    def as_json(self) -> dict[str, Any]:
        """Return it as the service takes it, without what is not set."""
        return _set(asdict(self))


@dataclass(frozen=True, slots=True)
class VideoConfig:
    """How images are measured. What is None is left to the service.

    Attributes:
        threshold: How sure the detector must be of a face, 0 to 1 (the service's default: 0.9); not the scale of v0.
        min_size: Shorter side of the smallest face, in pixels of the image as sent (default: 60).
        return_face_state: Ask for a ``face_state``, with which a later request goes on numbering the same faces.
        face_state: That of an earlier answer. Too old a one is ignored without a word.

    Raises:
        UsageError: A value the service would refuse.
    """

    threshold: float | None = None
    min_size: int | None = None
    return_face_state: bool | None = None
    face_state: str | None = None

    def __post_init__(self) -> None:
        if self.threshold is not None and not (_is_number(self.threshold) and 0 <= self.threshold <= 1):
            raise UsageError(f"threshold must be a number from 0 to 1, not {self.threshold!r}.")
        if self.min_size is not None and not (_is_whole(self.min_size) and self.min_size >= 1):
            raise UsageError(f"min_size must be a whole number of pixels from 1, not {self.min_size!r}.")

    def as_json(self) -> dict[str, Any]:
        """Return it as the service takes it, without what is not set: ``face_state`` stands beside ``face``, not in it."""
        face = _set({name: getattr(self, name) for name in ("threshold", "min_size", "return_face_state")})
        return _set({"face": face or None, "face_state": self.face_state})


def wav(name: str, size_bytes: int, open_: Callable[[], BinaryIO]) -> Upload:
    """Return a WAV file to upload. ``name`` is for errors alone: the service is not told what a file is called."""
    return Upload(name, size_bytes, "audio/wav", open_, sent_name="audio.wav")


def jpeg(name: str, data: bytes) -> Upload:
    """Return a JPEG at hand to upload. ``name`` is for errors alone."""
    return Upload(name, len(data), "image/jpeg", partial(BytesIO, data), sent_name="image.jpg")


def _set(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
