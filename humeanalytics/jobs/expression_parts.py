"""A job's recordings in the parts that uploads to v1 take: chunks of sound, packs of frames, packs of photos."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from humeanalytics.api.expression import LIMITS, Upload, wav
from humeanalytics.errors import ItemError
from humeanalytics.jobs.expression_scoring import ExpressionScoring
from humeanalytics.jobs.ledger_uploads import Place
from humeanalytics.jobs.work import Work
from humeanalytics.media.chunks import Chunk
from humeanalytics.media.frames import frame_packs
from humeanalytics.media.opening import KnownState
from humeanalytics.media.packing import Pack, PackedPicture, Picture, packed, write_pack
from humeanalytics.media.photos import prepare_photo
from humeanalytics.media.sound import sound_chunks
from humeanalytics.tables.expression import Frame, Placement


@dataclass(frozen=True, slots=True)
class Part:
    """What one upload carries, as it lies on the disk.

    Attributes:
        place: Which of its job's uploads it is.
        placement: Where it lies in its recordings. The number of a pack among those that were measured, and its face chain,
            are known only when its turn comes.
        uploads: The parts ``file`` of the request.
        position: The work it is about; None where it is about several.
    """

    place: Place
    path: Path
    sha256: str
    size_bytes: int
    billed_s: float
    placement: Placement
    uploads: tuple[Upload, ...]
    position: int | None

    def remove(self) -> None:
        """Free the disk."""
        self.path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Unusable:
    """Why the sound or the pictures of a recording cannot be sent, or a photo."""

    place: Place
    position: int
    message: str


def suited_models(media_type: str | None, scoring: ExpressionScoring) -> tuple[str, ...]:
    """Return which of the models asked for can answer for a recording of this type."""
    able = {"audio": ("audio",), "image": ("video",), "video": ("audio", "video")}.get(media_type or "", ())
    return tuple(model for model in able if model in scoring.models)


def parts_of(
    model: str, work: Work, scoring: ExpressionScoring, folder: Path, notes: list[str], known: KnownState | None, longest_s: float
) -> Generator[Part | Unusable, None, None]:
    """Prepare the sound or the pictures of one recording, and give each part as soon as it is complete.

    Raises:
        UnreadableRecording: It has nothing of that kind, is broken, or changed meanwhile.
        DiskFull: There is no room in ``folder``.
    """
    if model == "audio":
        for chunk in sound_chunks(work.uri, folder, notes, channels=scoring.channels, longest_s=longest_s, known=known):
            yield _sound_part(chunk, work)
        return
    frames = 0
    for pack in frame_packs(work.uri, folder, notes, fps=scoring.fps, crop=scoring.crop, known=known):
        numbered = tuple(_frame(picture, frames + i) for i, picture in enumerate(pack.pictures))
        frames += len(numbered)
        yield _pictures_part(pack, numbered, [work.uri] * len(numbered), work.position)


def photo_parts(
    works: Sequence[Work],
    scoring: ExpressionScoring,
    folder: Path,
    notes: list[str],
    known: Callable[[Work], KnownState | None],
) -> Generator[Part | Unusable, None, None]:
    """Prepare photos, and give them in packs; before the pack they would be in, why some cannot be sent.

    Raises:
        DiskFull: There is no room in ``folder``.
    """
    refused: list[Unusable] = []
    shown: list[Work] = []

    def pictures() -> Iterator[Picture]:
        for work in works:
            try:
                photo = prepare_photo(work.uri, crop=scoring.crop, known=known(work))
            except ItemError as error:
                refused.append(Unusable(Place("video", None, -1, work.position, 1), work.position, str(error)))
                continue
            notes.extend(f"{work.uri}: {note}" for note in photo.notes)
            shown.append(work)
            yield photo.picture

    first = 0
    for index, pictures_of_pack in enumerate(packed(pictures())):
        pack = write_pack(folder, index, pictures_of_pack)
        yield from refused
        refused.clear()
        of_pack = shown[first : first + len(pack.pictures)]
        first += len(of_pack)
        frames = tuple(_frame(picture, 0, work.position) for picture, work in zip(pack.pictures, of_pack, strict=True))
        only = of_pack[0].position if len(of_pack) == 1 else None
        yield _pictures_part(pack, frames, [work.uri for work in of_pack], only)
    yield from refused


def half_of(part: Part, place: Place) -> Part:
    """Return the pictures of a part that ``place``, one of its halves, names."""
    assert place.images is not None and part.placement.frames is not None
    chosen = slice(place.first - part.place.first, place.first - part.place.first + place.images)
    uploads, frames = part.uploads[chosen], part.placement.frames[chosen]
    sha256 = hashlib.sha256()
    for upload in uploads:
        with upload.open() as file:
            sha256.update(file.read())
    several = len({frame.recording for frame in part.placement.frames}) > 1
    position = (frames[0].recording if place.images == 1 else None) if several else part.position
    return Part(
        place,
        part.path,
        sha256.hexdigest(),
        sum(upload.size_bytes for upload in uploads),
        LIMITS.billed_s(images=len(uploads)),
        Placement(chunk=part.placement.chunk, frames=frames),
        uploads,
        position,
    )


def _sound_part(chunk: Chunk, work: Work) -> Part:
    placement = Placement(
        channel=chunk.channel,
        chunk=chunk.index,
        offset_ms=chunk.offset_ms,
        duration_ms=chunk.duration_s * 1000,
        begins=chunk.begins,
        ends=chunk.ends,
    )
    return Part(
        Place("audio", chunk.channel, chunk.index),
        chunk.path,
        chunk.sha256,
        chunk.size_bytes,
        LIMITS.billed_s(audio_s=chunk.duration_s),
        placement,
        (wav(work.uri, chunk.size_bytes, partial(_opened, chunk.path)),),
        work.position,
    )


def _pictures_part(pack: Pack, frames: tuple[Frame, ...], names: Sequence[str], position: int | None) -> Part:
    return Part(
        Place("video", None, pack.index, 0, len(frames)),
        pack.path,
        pack.sha256,
        pack.size_bytes,
        LIMITS.billed_s(images=len(frames)),
        Placement(chunk=pack.index, frames=frames),
        tuple(
            Upload(name, picture.size_bytes, "image/jpeg", partial(_picture, pack.path, picture), sent_name="image.jpg")
            for name, picture in zip(names, pack.pictures, strict=True)
        ),
        position,
    )


def _frame(picture: PackedPicture, number: int, recording: int = 0) -> Frame:
    region = picture.region
    across, down = region.width / picture.width, region.height / picture.height
    return Frame(number, picture.time_s, recording, region.x, region.y, across, down)


def _opened(path: Path) -> BinaryIO:
    return path.open("rb")


def _picture(path: Path, picture: PackedPicture) -> BinaryIO:
    with path.open("rb") as file:
        file.seek(picture.begin)
        return BytesIO(file.read(picture.size_bytes))
