"""Single pictures out of a video: what was shown at given times."""

from __future__ import annotations

import os
from collections.abc import Sequence

from av.video.frame import VideoFrame

from humeanalytics.errors import UsageError
from humeanalytics.media import jpeg
from humeanalytics.media.darkroom import Darkroom
from humeanalytics.media.opening import open_recording
from humeanalytics.media.packing import Picture
from humeanalytics.media.video import shown, track_of_pictures

#: Containers round times to milliseconds, and so do services.
_ROUNDING_S = 0.002
#: A time so far behind the last picture is of another recording.
_BEYOND_S = 1.0
_EVERY_FRAME = 1000.0


def stills(path: str | os.PathLike[str], times_s: Sequence[float], *, most_pixels: int = jpeg.MOST_PIXELS) -> list[Picture]:
    """Return what a video showed at given times: for each the last picture that was shown by then, upright, as a JPEG.

    Args:
        path: The video.
        times_s: Seconds since the recording begins, in any order.
        most_pixels: Larger pictures are made smaller; ``region`` of each says how large it was.

    Raises:
        UnreadableRecording: It holds no pictures, or cannot be decoded.
        UsageError: A time is before the beginning, or more than a second behind the last picture.

    Examples:
        >>> from humeanalytics.samples import sample
        >>> [(round(each.time_s, 3), each.width, each.height) for each in stills(sample("012_greeting.mp4"), [2.0, 0.3])]
        [(2.0, 320, 240), (0.25, 320, 240)]
    """
    if not times_s:
        return []
    if not min(times_s) >= 0:
        raise UsageError(f"There is no picture at {min(times_s):g} s: times count from the beginning of the recording.")
    wanted = sorted(set(times_s))
    found: dict[float, Picture] = {}
    with open_recording(path) as container:
        notes: list[str] = []
        stream = track_of_pictures(container, notes)
        darkroom = Darkroom(stream.sample_aspect_ratio, None, most_pixels)
        last: tuple[float, VideoFrame] | None = None

        def develop(at: tuple[float, VideoFrame], time_s: float) -> None:
            if (picture := darkroom.developed(at[1], at[0])) is not None:
                found[time_s] = picture

        for now in shown(container, stream, _EVERY_FRAME, notes):
            while len(found) < len(wanted) and wanted[len(found)] + _ROUNDING_S < now[0]:
                develop(last or now, wanted[len(found)])
            if len(found) == len(wanted):
                break
            last = now
        for time_s in wanted[len(found) :]:
            if last is None or time_s > last[0] + _BEYOND_S:
                ends = "no picture" if last is None else f"its last picture at {last[0]:.2f} s"
                raise UsageError(f"{os.fspath(path)} has {ends}, so none at {time_s:g} s. Are the rows of another recording?")
            develop(last, time_s)
    return [found[time_s] for time_s in times_s]
