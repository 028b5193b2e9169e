"""An upload read up to the point from which on it is a run: what it is, what it will cost, how it is measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from humeanalytics.sandbox.expression.audio import measure_audio
from humeanalytics.sandbox.expression.configs import read_audio_config, read_video_config
from humeanalytics.sandbox.expression.forms import Form
from humeanalytics.sandbox.expression.pcm import headerless, read_samples
from humeanalytics.sandbox.expression.refusals import Refused
from humeanalytics.sandbox.expression.sound import duration_ms
from humeanalytics.sandbox.expression.tracking import resume
from humeanalytics.sandbox.expression.video import check_images, measure_images
from humeanalytics.sandbox.options import SandboxOptions
from humeanalytics.sandbox.speech import RATE_HZ

#: Each image is billed as this much, whatever is in it.
FRAME_S = 1 / 3


@dataclass(frozen=True, slots=True)
class Measurer:
    """Who measures: the seed, the options, the organization; and whether there are names nobody has heard of."""

    seed: int
    options: SandboxOptions
    organization: str
    new_names: bool = False


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload that is a run from here on.

    Attributes:
        endpoint: ``audio`` or ``video``.
        config: As the run tells it.
        received: What was taken in, as the answer tells it.
        media_s: How long that is, for the bill.
        media_bytes: How many bytes.
        measure: Takes the time in Unix milliseconds; returns the rest of the answer, or raises `Refused`.
    """

    endpoint: str
    config: dict[str, Any]
    received: dict[str, int]
    media_s: float
    media_bytes: int
    measure: Callable[[int], dict[str, Any]]


def read_audio(form: Form, by: Measurer) -> Upload:
    """Read an audio upload; it is a run when its samples are there.

    Raises:
        Refused: The config does not fit, or there are no samples in it that can be taken.
    """
    if len(form.files) > 1:
        raise Refused("message_invalid", "more than one part 'file'")
    (file,) = form.files
    config = read_audio_config(_config_of(form, by.options), by.options.expression_nulls)
    unseen = file.content_type == "application/octet-stream" and not by.options.expression_by_content
    samples = headerless(file.data) if unseen else read_samples(file.data)

    def measure(now_ms: int) -> dict[str, Any]:
        return measure_audio(samples, config.measurement_timer_ms, by.seed, by.options, by.new_names)

    counted = len(file.data) if by.options.expression_headers_counted else samples.nbytes
    received = {"audio_duration_ms": duration_ms(samples)}
    return Upload("audio", config.told(), received, len(samples) / RATE_HZ, counted, measure)


def read_video(form: Form, by: Measurer) -> Upload:
    """Read an image upload; it is a run before its images are looked at.

    Raises:
        Refused: The config does not fit.
    """
    config = read_video_config(_config_of(form, by.options), by.options.expression_nulls)
    images = [file.data for file in form.files]

    def measure(now_ms: int) -> dict[str, Any]:
        check_images(images, by.options)
        tracker = resume(config.face_state, by.organization, now_ms, by.options.expression_face_state_s * 1000, by.seed)
        answer = measure_images(images, config, tracker, by.seed, by.options, by.new_names)
        if config.return_face_state:
            answer["face_state"] = tracker.state(by.organization, now_ms, by.seed)
        return answer

    received = {"frames": len(images)}
    return Upload("video", config.told(), received, len(images) * FRAME_S, sum(map(len, images)), measure)


def _config_of(form: Form, options: SandboxOptions) -> bytes | None:
    if form.config is None:
        return None
    if options.expression_typed_config and form.config.content_type != "application/json":
        raise Refused("config_invalid", "the part 'config' must be application/json")
    return form.config.data
