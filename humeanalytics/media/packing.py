"""Pictures put together into requests: as few as the limits allow, none so small that its minimum is paid for nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from humeanalytics.media.geometry import Box, Region
from humeanalytics.media.scratch import writing

#: Hume takes 25 MB with everything that stands around the pictures.
MOST_BODY_BYTES = 24_500_000
#: Boundary, headers and line ends of one part, generously.
PART_BYTES = 400
#: No limit of Hume's is known. One bad picture voids a request, and answers come only when all is measured.
MOST_PICTURES = 600
#: Hume bills 10 s at least: 30 pictures of a third of a second.
LEAST_PICTURES = 30


@dataclass(frozen=True, slots=True)
class Picture:
    """A JPEG to be sent.

    Attributes:
        region: The part of the recording's picture that it shows.
        width, height: Pixels of the JPEG, which may be fewer than those of the region.
        time_s: When it is shown, in seconds since the recording begins; 0 for a photo.
    """

    jpeg: bytes
    width: int
    height: int
    region: Region
    time_s: float = 0.0


@dataclass(frozen=True, slots=True)
class PackedPicture:
    """A picture whose JPEG lies in the file of a pack, from byte ``begin`` on."""

    begin: int
    size_bytes: int
    width: int
    height: int
    region: Region
    time_s: float

    def box_in_media(self, box: Box) -> Box:
        """Turn a box of Hume's, ``(x0, y0, x1, y1)``, into pixels of the recording's picture as it is shown."""
        return self.region.box_in_media(box, self.width, self.height)


@dataclass(frozen=True, slots=True)
class Pack:
    """The pictures of one request, in order, one JPEG after the other in one file.

    Attributes:
        sha256: Of the file.
    """

    path: Path
    index: int
    pictures: tuple[PackedPicture, ...]
    sha256: str

    @property
    def size_bytes(self) -> int:
        """Bytes of all pictures, without what stands around them in a request."""
        return sum(picture.size_bytes for picture in self.pictures)

    def jpegs(self) -> list[bytes]:
        """Read the pictures back, in order.

        Raises:
            OSError: The file is not what was written.
        """
        content = self.path.read_bytes()
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise OSError(f"{self.path} is not what was written there.")
        return [content[picture.begin : picture.begin + picture.size_bytes] for picture in self.pictures]


def packed(
    pictures: Iterable[Picture], *, most_bytes: int = MOST_BODY_BYTES, most: int = MOST_PICTURES, least: int = LEAST_PICTURES
) -> Iterator[list[Picture]]:
    """Divide pictures into requests, in order.

    A request has at most ``most_bytes`` (with `PART_BYTES` for each picture) and ``most`` pictures. The last one has ``least``,
    where the one before can spare them: a smaller one would be billed as that many all the same.

    Examples:
        >>> photo = Picture(b"." * 1000, 10, 10, Region(0, 0, 10, 10))
        >>> [len(pack) for pack in packed([photo] * 610)]
        [580, 30]
    """
    before: list[Picture] = []
    pack: list[Picture] = []
    room = most_bytes
    for picture in pictures:
        cost = len(picture.jpeg) + PART_BYTES
        if pack and (cost > room or len(pack) == most):
            if before:
                yield before
            before, pack, room = pack, [], most_bytes
        pack.append(picture)
        room -= cost
        if before and len(pack) >= least:
            yield before
            before = []
    while before and len(pack) < least < len(before) and (cost := len(before[-1].jpeg) + PART_BYTES) <= room:
        pack.insert(0, before.pop())
        room -= cost
    yield from (each for each in (before, pack) if each)


def write_pack(folder: Path, index: int, pictures: Iterable[Picture]) -> Pack:
    """Write the pictures of one request into a file of ``folder``.

    Raises:
        DiskFull: There is no room.
    """
    path = folder / f"pictures-{index:04d}.jpegs"
    sha256, begin, entries = hashlib.sha256(), 0, []
    with writing(path), path.open("wb") as file:
        for picture in pictures:
            size_bytes = file.write(picture.jpeg)
            sha256.update(picture.jpeg)
            entries.append(PackedPicture(begin, size_bytes, picture.width, picture.height, picture.region, picture.time_s))
            begin += size_bytes
    return Pack(path, index, tuple(entries), sha256.hexdigest())
