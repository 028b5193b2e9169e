"""The Expression Measurement API v1: its two uploads, its run endpoints and its limits.

An upload is measured while it waits, and its answer is all there will ever be of it: there are no jobs and no stored results,
and a second upload of the same bytes is billed again. So the answer goes to a sink before anybody reads it, and nothing is
sent twice but what the service said it did not take.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx

from humeanalytics.api.bodies import Upload, measure_body
from humeanalytics.api.downloads import JSON_OBJECT, Sink
from humeanalytics.api.expression_request import LIMITS, AudioConfig, ExpressionLimits, VideoConfig, jpeg, wav
from humeanalytics.api.expression_run import Run, RunEvent, RunLog
from humeanalytics.api.expression_runs import Runs
from humeanalytics.api.http import HumeClient
from humeanalytics.api.service import Service
from humeanalytics.errors import LimitExceeded, UsageError
from humeanalytics.settings import Settings

__all__ = [
    "LIMITS",
    "AudioConfig",
    "ExpressionApi",
    "ExpressionLimits",
    "Run",
    "RunEvent",
    "RunLog",
    "Runs",
    "Upload",
    "VideoConfig",
    "jpeg",
    "wav",
]

_EXPRESSION = "/v1/expression"
#: An error of Hume's own says that the request failed, and one that failed is not billed (contract, sections 1.6 and 2).
#: Its code -> how many attempts may end so. 429 and 503 are repeated until the deadline, whatever they carry.
_FAILED_AND_FREE = {"internal_error": 4, "server_busy": 4}


class ExpressionApi(Service):
    """The API at ``settings.expression_base_url``, with ``settings.expression_key()``. Use with ``async with``.

    Every method raises what `humeanalytics.api.http.HumeClient` does: `ApiError` for what the service refuses, its ``code``
    in Hume's own terms; `InvalidAnswer`, `ServiceUnreachable`; and the uploads `OutcomeUnknown`.

    Args:
        settings: Key, base URL, timeouts, retry policy and rate.
        limits: What the service takes.
        transport: Takes the network's place, in tests.

    Attributes:
        runs: What was uploaded when, and what was billed for it.

    Raises:
        MissingKey: There is no key.

    Examples:
        >>> async def seconds_billed(settings: Settings) -> float:
        ...     async with ExpressionApi(settings) as expression:
        ...         return sum([run.metered_s or 0.0 async for run in expression.runs.newest_first(mode="file")])
    """

    def __init__(
        self, settings: Settings, *, limits: ExpressionLimits = LIMITS, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        key = settings.expression_key()
        super().__init__(HumeClient(settings, base_url=settings.expression_base_url, key=key, transport=transport))
        self.limits = limits
        self._read_timeout_s = settings.expression_read_timeout_s
        self.runs = Runs(self._http)

    async def check(self) -> None:
        """Ask for one run: whether the key is taken, who answers, and what time it is there.

        Whether the key may measure only an upload tells (403): the run list asks for no such permission.
        """
        await self.runs.check()

    # ---------------------------------------------------------------------------------------------------------- measure
    async def measure_audio(self, audio: Upload, config: AudioConfig, open_sink: Callable[[], Sink]) -> int:
        """Upload one audio, have it measured, and stream the answer into a sink; return the answer's size in bytes.

        Args:
            audio: A WAV of 16-bit, 16 kHz, one channel. What is of another kind and not refused is measured as noise, and
                billed: see to it before.
            config: How to measure it.
            open_sink: Opens the sink of one attempt; see `HumeClient.exchange`.

        Raises:
            LimitExceeded: The request would be larger than the service takes; nothing was sent.
            OutcomeUnknown: It may have been measured and billed, and its answer is lost. After any other error it was not.
            RequestRejected: With a ``code``: ``audio_decode_failed``, ``unsupported_media_type``, ``audio_too_long``, ...
            PermissionDenied: This key has no access to v1.
            UnreadableRecording: The file cannot be read, or is not of the size it was planned with.
        """
        return await self._measure("audio", [audio], config.as_json(), open_sink)

    async def measure_images(self, images: Sequence[Upload], config: VideoConfig, open_sink: Callable[[], Sink]) -> int:
        """Upload JPEGs, have each measured, and stream the answer into a sink; return the answer's size in bytes.

        One that the service refuses voids the whole request (``image_decode_failed``): halve it and go on.

        Args:
            images: In the order of their frames; the answer counts them from 0. Pixels as they shall be seen: the service
                turns nothing.
            config: How to measure them.
            open_sink: Opens the sink of one attempt; see `HumeClient.exchange`.

        Raises:
            UsageError: There are no images.
            LimitExceeded, OutcomeUnknown, RequestRejected, PermissionDenied, UnreadableRecording: As `measure_audio`.
        """
        if not images:
            raise UsageError("There are no images to measure.")
        for image in images:
            if image.size_bytes > self.limits.image_bytes:
                raise LimitExceeded(
                    f"{image.name} is an image of {image.size_bytes:,} bytes; v1 takes {self.limits.image_bytes:,}. "
                    "Nothing was sent.",
                    item=image.name,
                )
        return await self._measure("video", images, config.as_json(), open_sink)

    async def _measure(
        self, endpoint: str, uploads: Sequence[Upload], config: Mapping[str, Any], open_sink: Callable[[], Sink]
    ) -> int:
        body = measure_body(config, uploads)
        if body.size_bytes > self.limits.body_bytes:
            raise LimitExceeded(
                f"{uploads[0].name} would be sent in a request of {body.size_bytes:,} bytes; v1 takes "
                f"{self.limits.body_bytes:,}. Nothing was sent.",
                item=uploads[0].name,
            )
        return await self._http.exchange(
            f"{_EXPRESSION}/{endpoint}/file",
            body,
            open_sink,
            JSON_OBJECT,
            own_errors=_FAILED_AND_FREE,
            read_timeout_s=self._read_timeout_s,
        )
