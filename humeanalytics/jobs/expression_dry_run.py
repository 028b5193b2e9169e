"""``score --dry-run`` by v1: what would be sent for each recording, and what it would be billed."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from humeanalytics.api.expression import LIMITS
from humeanalytics.errors import ItemError
from humeanalytics.jobs.bookkeeping import uri_of
from humeanalytics.jobs.expression_parts import suited_models
from humeanalytics.jobs.expression_scoring import ExpressionScoring
from humeanalytics.jobs.work import Problem, Recording
from humeanalytics.media.jpeg import MOST_PIXELS
from humeanalytics.media.packing import MOST_BODY_BYTES, MOST_PICTURES
from humeanalytics.media.probe import probe
from humeanalytics.media.sound import channels_of
from humeanalytics.media.wav import HEADER_BYTES, RATE_HZ, SAMPLE_BYTES

#: How large a frame becomes is known only once it is encoded: this many bytes a pixel, as films of faces mostly are.
_BYTES_PER_PIXEL = 0.15
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class PlannedRecording:
    """What one recording would take: seconds of it, requests, megabytes sent, seconds billed. A photo's request is shared."""

    uri: str
    media_type: str
    seconds: float
    images: int
    requests: int
    megabytes: float
    billed_s: float


@dataclass
class ExpressionDryRun:
    """What a `score` with the same arguments would do now.

    Sizes of sound are exact; those of frames are estimated, and with them their number of requests.
    """

    recordings: Counter[str] = field(default_factory=Counter)
    planned: list[PlannedRecording] = field(default_factory=list)
    requests: int = 0
    megabytes: float = 0.0
    seconds: float = 0.0
    billed_s: float = 0.0
    usd_per_s: float | None = None
    cost_usd: float | None = None
    budget_s: float | None = None
    problems: list[dict[str, str]] = field(default_factory=list)
    _photos: list[PlannedRecording] = field(default_factory=list)

    def add(self, found: Recording | Problem, scoring: ExpressionScoring, chunk_s: float) -> None:
        """Count one recording that would be sent."""
        if isinstance(found, Problem):
            self._refuse(found.source.uri, found.message)
            return
        models = suited_models(found.media_type, scoring)
        if not models:
            self.recordings["unsuited"] += 1
            return
        if any(found.recording_id == seen for seen in self._seen):
            return
        self._seen.append(found.recording_id)
        try:
            planned = _planned(found, models, scoring, chunk_s)
        except (ItemError, OSError) as error:
            self._refuse(found.source.uri, str(error))
            return
        self.recordings["to_send"] += 1
        (self._photos if found.media_type == "image" else self.planned).append(planned)

    def __post_init__(self) -> None:
        self._seen: list[str] = []

    def finish(self) -> None:
        """Sum up, once everything is added."""
        self.requests = sum(each.requests for each in self.planned)
        self.billed_s = sum(each.billed_s for each in self.planned)
        for pack in _packs(self._photos):
            self.requests += 1
            self.billed_s += LIMITS.billed_s(images=len(pack))
        self.planned += self._photos
        self.megabytes = sum(each.megabytes for each in self.planned)
        self.seconds = sum(each.seconds for each in self.planned)
        self.cost_usd = None if self.usd_per_s is None else self.billed_s * self.usd_per_s

    def _refuse(self, uri: str, message: str) -> None:
        self.problems.append({"uri": uri_of(uri), "message": message})
        self.recordings["refused"] += 1

    def to_dict(self) -> dict[str, Any]:
        told = {name: value for name, value in asdict(self).items() if not name.startswith("_")}
        return told | {"recordings": dict(self.recordings)}

    def __str__(self) -> str:
        counts = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in self.recordings.items() if count)
        cost = "unknown: set expression_usd_per_s in the settings to what a second costs you"
        if self.cost_usd is not None:
            cost = f"about {self.cost_usd:,.2f} USD at {self.usd_per_s:g} USD a second"
        lines = [
            f"found:      {counts}",
            f"would send: {self.requests:,} requests, {self.megabytes:,.2f} MB, {self.seconds:,.1f} s of sound and video",
            f"billed:     {self.billed_s:,.1f} s",
            f"cost:       {cost}",
        ]
        if self.budget_s is not None and self.billed_s > self.budget_s:
            lines.append(f"budget:     {self.budget_s:g} s: the run would stop before the rest")
        if self.planned:
            heads = ("seconds", "requests", "MB", "billed s")
            lines.append("".join(f"{head:>10}" for head in heads) + "  recording")
        for each in self.planned[:_SHOWN]:
            numbers = f"{each.seconds:>10,.1f}{each.requests:>10,}{each.megabytes:>10,.2f}{each.billed_s:>10,.1f}"
            lines.append(f"{numbers}  {Path(each.uri).name}")
        if len(self.planned) > _SHOWN:
            lines.append(f"{'':>42}and {len(self.planned) - _SHOWN:,} more: --json lists all")
        return "\n".join(lines + [f"refused:    {each['message']}" for each in self.problems])


def _planned(recording: Recording, models: tuple[str, ...], scoring: ExpressionScoring, chunk_s: float) -> PlannedRecording:
    path = recording.source.uri
    facts = probe(path)
    seconds = recording.duration_s or facts.duration_s or 0.0
    requests, size_bytes, billed_s, images = 0, 0.0, 0.0, 0
    if "audio" in models and facts.has_audio:
        ways = channels_of(path) if scoring.channels == "split" else 1
        full, rest_s = divmod(seconds, chunk_s)
        lengths = [chunk_s] * int(full) + ([rest_s] if rest_s else [])
        requests += ways * len(lengths)
        size_bytes += ways * (len(lengths) * HEADER_BYTES + seconds * RATE_HZ * SAMPLE_BYTES)
        billed_s += ways * sum(LIMITS.billed_s(audio_s=length) for length in lengths)
    if "video" in models and recording.media_type == "image":
        images, requests = 1, 0
        size_bytes += min(recording.source.size_bytes or 0, LIMITS.image_bytes)
        billed_s += LIMITS.billed_image_s
    elif "video" in models and facts.has_video:
        images = max(1, math.ceil(seconds * min(scoring.fps, facts.fps or scoring.fps)))
        crop = scoring.crop
        pixels = crop.width * crop.height if crop else min((facts.width or 0) * (facts.height or 0), MOST_PIXELS)
        frame_bytes = min(pixels * _BYTES_PER_PIXEL, LIMITS.image_bytes)
        packs = max(1, math.ceil(images / MOST_PICTURES), math.ceil(images * frame_bytes / MOST_BODY_BYTES))
        requests += packs
        size_bytes += images * frame_bytes
        billed_s += max(images * LIMITS.billed_image_s, packs * LIMITS.billed_least_s)
    return PlannedRecording(
        uri_of(path), recording.media_type or "", seconds, images, requests, size_bytes / 1e6, round(billed_s, 3)
    )


def _packs(photos: list[PlannedRecording]) -> list[list[PlannedRecording]]:
    packs: list[list[PlannedRecording]] = []
    room = 0.0
    for photo in photos:
        if not packs or photo.megabytes * 1e6 > room or len(packs[-1]) >= MOST_PICTURES:
            packs.append([])
            room = MOST_BODY_BYTES
        packs[-1].append(photo)
        room -= photo.megabytes * 1e6
    return packs
