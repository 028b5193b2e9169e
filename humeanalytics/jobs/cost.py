"""What scoring costs, estimated from a dated price table; the service's own meter is what counts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from humeanalytics.settings import BatchPrices


class Priced(Protocol):
    """Anything with a media type, a duration and, for texts, words to count."""

    @property
    def media_type(self) -> str | None: ...
    @property
    def duration_s(self) -> float | None: ...
    @property
    def size_bytes(self) -> int | None: ...


#: Words are estimated from bytes where the text is not at hand: English has about six to a word with its space.
_BYTES_PER_WORD = 6.0


def batch_cost_usd(recordings: Iterable[Priced], prices: BatchPrices) -> float:
    """Return the estimated price of v0 scorings, in US dollars.

    Audio and video are metered by the second, images each, texts by the word. Archives and URLs, whose content is not
    known beforehand, count nothing: the estimate is a lower bound where there are any.
    """
    total = 0.0
    for recording in recordings:
        if recording.media_type == "video":
            total += (recording.duration_s or 0.0) / 60 * prices.video_per_min
        elif recording.media_type == "audio":
            total += (recording.duration_s or 0.0) / 60 * prices.audio_per_min
        elif recording.media_type == "image":
            total += prices.image_each
        elif recording.media_type == "text":
            total += (recording.size_bytes or 0) / _BYTES_PER_WORD * prices.text_per_word
    return total
