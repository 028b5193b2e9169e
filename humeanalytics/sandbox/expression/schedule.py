"""When an utterance is measured, and over what: settled by the utterance and the timer alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

#: A window reaches back this far, but never before its utterance.
WINDOW_MS = 10_000
#: The end of an utterance is measured unless the measurement before ended less than this long ago.
SETTLED_MS = 1000


@dataclass(frozen=True, slots=True)
class Window:
    """One measurement: the sound it covers, in milliseconds from the start of the audio, and why it was taken."""

    begin_ms: int
    end_ms: int
    trigger: str


def windows(begin_ms: int, end_ms: int, timer_ms: int, latest_ms: int | None = None) -> Iterator[Window]:
    """Yield the measurements of one utterance, in order; there is at least one.

    Args:
        begin_ms: Where the utterance starts.
        end_ms: Where it ends.
        timer_ms: How often to measure while it lasts.
        latest_ms: Up to here an interval is still taken though speech has stopped; None: up to the utterance's end.

    Examples:
        >>> [(window.begin_ms, window.end_ms, window.trigger) for window in windows(412, 7655, 3000)]
        [(412, 3412, 'interval'), (412, 6412, 'interval'), (412, 7655, 'speech_ended')]
    """
    last_ms = None
    for due_ms in range(begin_ms + timer_ms, max(latest_ms or end_ms, end_ms) + 1, timer_ms):
        yield Window(max(begin_ms, due_ms - WINDOW_MS), due_ms, "interval")
        last_ms = due_ms
    if last_ms is None or end_ms - last_ms >= SETTLED_MS:
        yield Window(max(begin_ms, end_ms - WINDOW_MS), end_ms, "speech_ended")
