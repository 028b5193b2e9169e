"""How long a recording lasts where its container does not say so, or cannot be believed."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

#: A day of sound in packets: beyond it, what the container estimates must do.
_MAX_PACKETS = 5_000_000


def is_cut_short(container: Any) -> bool:
    """Tell whether an MP4's table of contents points past the end of the file, as in a download that broke off."""
    if not container.format.name.startswith("mov"):
        return False
    for stream in container.streams:
        entries: Any = getattr(stream, "index_entries", ())  # PyAV shows them since 16
        if len(entries) and entries[-1].pos + entries[-1].size > container.size:
            return True
    return False


def measured(container: Any, timed: Set[int]) -> tuple[float | None, float]:
    """Read through the packets; return the seconds those of the ``timed`` streams span, and the share of the file all make up."""
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    packets = packet_bytes = 0
    for packet in container.demux():
        packets += 1
        if packets > _MAX_PACKETS:
            return None, 1.0
        packet_bytes += packet.size
        index, pts = packet.stream_index, packet.pts
        if pts is None or index not in timed:
            continue
        end = pts + (packet.duration or 0)
        if pts < first.setdefault(index, pts):
            first[index] = pts
        if end > last.get(index, end - 1):
            last[index] = end
    spans = [(last[i] - first[i]) * float(container.streams[i].time_base) for i in first if container.streams[i].time_base]
    return max(spans, default=None), packet_bytes / container.size
