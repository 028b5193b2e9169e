"""Frames of a video, by the time at which they are shown, as JPEGs the right way up."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from av.container import InputContainer
from av.video.stream import VideoStream

from humeanalytics.errors import UsageError
from humeanalytics.media import jpeg
from humeanalytics.media.darkroom import Darkroom
from humeanalytics.media.geometry import Region
from humeanalytics.media.opening import KnownState, open_recording, refused
from humeanalytics.media.packing import MOST_BODY_BYTES, MOST_PICTURES, Pack, Picture, packed, write_pack
from humeanalytics.media.video import shown, track_of_pictures

FRAMES_PER_S = 3.0


@dataclass(frozen=True, slots=True)
class PreparedFrames:
    """The frames of one video, on disk.

    Attributes:
        packs: What goes into each request, in order of time.
        notes: Sentences on what is not as it should be: damaged frames, frames that a crop does not fit.
    """

    packs: tuple[Pack, ...]
    notes: tuple[str, ...]

    @property
    def frames(self) -> int:
        return sum(len(pack.pictures) for pack in self.packs)


def prepare_frames(
    path: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    fps: float = FRAMES_PER_S,
    crop: Region | None = None,
    most_pixels: int = jpeg.MOST_PIXELS,
    most_bytes: int = MOST_BODY_BYTES,
    most_pictures: int = MOST_PICTURES,
    known: KnownState | None = None,
) -> PreparedFrames:
    """Take frames out of a video, as JPEGs under ``folder``, which must exist and be this recording's own.

    When anything goes wrong, no file is left.

    Args:
        fps: How many frames a second are taken at most. Each is one that was shown, at its own time: of a slide that stands still
            for a minute in a recording with variable frame rate, that is one.
        crop: The part to look at, in pixels of the picture as shown.
        most_pixels: Larger pictures are made smaller.
        most_bytes, most_pictures: Limits of a request.
        known: Size and time of change that the file had when its digest was taken.

    Raises:
        UnreadableRecording: No pictures in it, or none that can be decoded; broken; changed while it was read; ``crop`` lies
            outside.
        UsageError: ``fps`` is not above 0.
        DiskFull: No room in ``folder``.

    Examples:
        >>> import tempfile
        >>> from humeanalytics.samples import sample
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     frames = prepare_frames(sample("012_greeting.mp4"), folder, fps=1)
        ...     [picture.time_s for picture in frames.packs[0].pictures][:3]
        [0.0, 1.0, 2.0]
    """
    notes: list[str] = []
    packs: list[Pack] = []
    limits = {"most_pixels": most_pixels, "most_bytes": most_bytes, "most_pictures": most_pictures}
    try:
        packs.extend(frame_packs(path, folder, notes, fps=fps, crop=crop, known=known, **limits))
    except BaseException:
        for pack in packs:
            pack.path.unlink(missing_ok=True)
        raise
    return PreparedFrames(tuple(packs), tuple(notes))


def frame_packs(
    path: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    notes: list[str],
    *,
    fps: float = FRAMES_PER_S,
    crop: Region | None = None,
    most_pixels: int = jpeg.MOST_PIXELS,
    most_bytes: int = MOST_BODY_BYTES,
    most_pictures: int = MOST_PICTURES,
    known: KnownState | None = None,
) -> Iterator[Pack]:
    """Do what `prepare_frames` does, but give each pack as soon as it is complete, while the rest is still to be decoded.

    Only the end tells whether the file stayed as it was, and fills ``notes``.
    """
    if not fps > 0:
        raise UsageError(f"Frames are taken at a rate above 0 a second, not {fps:g}.")
    with open_recording(path, known) as container:
        pictures = _pictures(container, track_of_pictures(container, notes), fps, crop, most_pixels, notes)
        index = -1
        for index, pack in enumerate(packed(pictures, most_bytes=most_bytes, most=most_pictures)):
            yield write_pack(Path(folder), index, pack)
        if index < 0:
            detail = f" ({notes[-1]})" if notes else ""
            raise refused(path, f"holds a track of pictures but none that can be used{detail}")


def _pictures(
    container: InputContainer, stream: VideoStream, fps: float, crop: Region | None, most_pixels: int, notes: list[str]
) -> Iterator[Picture]:
    darkroom = Darkroom(stream.sample_aspect_ratio, crop, most_pixels)
    for time_s, frame in shown(container, stream, fps, notes):
        if (picture := darkroom.developed(frame, time_s)) is not None:
            yield picture
    if darkroom.outside and crop is not None:
        area = f"{crop.x},{crop.y},{crop.width},{crop.height}"
        notes.append(f"{darkroom.outside:,} frames are left out: the crop {area} reaches beyond their {darkroom.outside_size}.")
