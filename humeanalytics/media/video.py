"""Frames out of a container, chosen by the time at which they are shown."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from humeanalytics.media.opening import begin_us, note_if_short, packets_of, refused

#: Containers round times to milliseconds: a frame this much before its turn is on time.
_ROUNDING_S = 0.001
#: A time stamp this far before the last one begins a new count.
_JUMP_S = 1.0


def track_of_pictures(container: InputContainer, notes: list[str]) -> VideoStream:
    tracks = [track for track in container.streams.video if not track.disposition & Disposition.attached_pic]
    decodable = [track for track in tracks if _can_be_decoded(track)]
    if not decodable:
        unknown = "holds a track of pictures in a coding unknown here"
        raise refused(container.name, unknown if tracks else "has no pictures, only sound")
    best = container.streams.best("video")
    track = next((track for track in decodable if best is not None and track.index == best.index), decodable[0])
    if len(decodable) > 1:
        notes.append(f"It has {len(decodable)} tracks of pictures; the one scored is number {decodable.index(track) + 1}.")
    return track


def _can_be_decoded(track: VideoStream) -> bool:
    return getattr(track, "codec_context", None) is not None  # None, whatever its type says, where FFmpeg has no decoder


def shown(container: InputContainer, stream: VideoStream, fps: float, notes: list[str]) -> Iterator[tuple[float, VideoFrame]]:
    """Yield at most ``fps`` frames a second, each with the time at which it is shown.

    A second is divided into ``fps`` equal parts, counted from the beginning; of each part, the first frame that begins in it.
    """
    begin = begin_us(container)
    begin_s = None if begin is None else begin / 1e6
    end_s = None if container.duration is None else container.duration / 1e6
    part, last_s, last_length_s, ahead_s, jumps = 0, -1.0, 0.0, 0.0, 0
    for frame in _decoded(container, stream, notes):
        stamp = frame.pts if frame.pts is not None else frame.dts
        if stamp is None or frame.time_base is None:
            time_s = max(last_s, 0.0) + float(1 / (stream.average_rate or Fraction(25)))
        else:
            time_s = float(stamp * frame.time_base)
            if begin_s is None:
                begin_s = time_s
            time_s -= begin_s + ahead_s
            beyond = end_s is not None and time_s > end_s + _JUMP_S and time_s > last_s + _JUMP_S
            if last_s >= 0 and (time_s < last_s - _JUMP_S or beyond):
                jumps += 1
                ahead_s += time_s - last_s
                time_s = last_s
        last_s = time_s
        last_length_s = float((frame.duration or 0) * (frame.time_base or 0))
        if (time_s + _ROUNDING_S) * fps >= part:
            part = int((time_s + _ROUNDING_S) * fps // 1) + 1
            yield time_s, frame
    note_if_short("pictures", container, stream, max(last_s, 0.0) + last_length_s, notes)
    if jumps:
        times = "once" if jumps == 1 else f"{jumps:,} times"
        notes.append(f"The time stamps of the pictures jump {times}; from there on times count from the frame before.")


def _decoded(container: InputContainer, stream: VideoStream, notes: list[str]) -> Iterator[VideoFrame]:
    damaged = 0
    stream.thread_type = "AUTO"
    for packet in packets_of(container, stream, notes):
        try:
            frames = packet.decode()
        except av.FFmpegError:
            damaged += 1
            continue
        damaged += sum(frame.is_corrupt for frame in frames)
        yield from (frame for frame in frames if not frame.is_corrupt)
    if damaged:
        notes.append(f"{damaged:,} damaged {'frame was' if damaged == 1 else 'frames were'} left out of the pictures.")
