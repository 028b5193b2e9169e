"""HEIC, the photos of many phones: HEVC pictures, mostly tiles of one, in the boxes of ISO/IEC 23008-12.

FFmpeg decodes the tiles but, through PyAV, does not put them together. So the boxes that say which picture is the photo,
where its tiles lie and how it is turned are read here, and the tiles given to the decoder one by one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import av
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace
from PIL import Image

from humeanalytics.media.opening import refused

_MOST_PIXELS = 89_000_000
_MATRICES = {1: Colorspace.ITU709, 5: Colorspace.ITU601, 6: Colorspace.ITU601, 9: Colorspace.bt2020}


@dataclass(slots=True)
class _Item:
    kind: bytes = b""
    properties: list[tuple[bytes, bytes]] = field(default_factory=list)
    extents: list[tuple[bool, int, int]] = field(default_factory=list)
    """Whether it lies in the box ``idat``, from where on, how many bytes."""
    tiles: tuple[int, ...] = ()

    def property(self, name: bytes) -> bytes | None:
        return next((payload for kind, payload in self.properties if kind == name), None)


def decoded(file: Path, content: bytes) -> Image.Image:
    """Return the photo of a HEIC file in RGB, upright; its colour profile stands in ``info["icc_profile"]``.

    Raises:
        UnreadableRecording: It is in a coding other than HEVC, or larger than 89 million pixels.
        ValueError: It is broken.
    """
    try:
        meta = next(payload for kind, payload in _boxes(content) if kind == b"meta")
        primary, items, inline = _described(meta)
        photo = items[primary]
        if photo.kind == b"grid":
            image = _assembled(file, photo, items, content, inline)
        elif photo.kind == b"hvc1":
            image = _picture(photo, content, inline)
        else:
            coding = photo.kind.decode("ascii", "replace")
            raise refused(file, f"is a HEIF picture in the coding {coding!r}, which is not read here; save it as JPEG")
        return _finished(image, photo)
    except (StopIteration, struct.error, IndexError, KeyError, av.FFmpegError) as error:
        raise ValueError(f"its boxes or its picture cannot be read ({type(error).__name__})") from error


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, at)
        begin = at + 8
        if size == 1:
            size, begin = struct.unpack_from(">Q", content, begin)[0], begin + 8
        end = at + size if size else len(content)
        if end <= at + 7 or end > len(content):
            raise ValueError(f"a box reaches to byte {end:,} of {len(content):,}")
        yield kind, content[begin:end]
        at = end


def _described(meta: bytes) -> tuple[int, dict[int, _Item], bytes]:
    """The id of the photo, all items, and what lies in the box ``idat``."""
    boxes = dict(_boxes(meta[4:]))
    items: dict[int, _Item] = {}
    information = _Reader(boxes[b"iinf"])
    count = information.number(2 if information.version == 0 else 4)
    for _, payload in list(_boxes(information.rest()))[:count]:
        entry = _Reader(payload)
        number = entry.number(4 if entry.version >= 3 else 2)
        entry.number(2)
        items[number] = _Item(kind=entry.take(4))
    _locate(_Reader(boxes[b"iloc"]), items)
    properties = dict(_boxes(boxes[b"iprp"]))
    _attribute(_Reader(properties[b"ipma"]), list(_boxes(properties[b"ipco"])), items)
    if b"iref" in boxes:
        references = _Reader(boxes[b"iref"])
        width = 4 if references.version else 2
        for kind, payload in _boxes(references.rest()):
            entry = _Reader(payload, full=False)
            number = entry.number(width)
            targets = tuple(entry.number(width) for _ in range(entry.number(2)))
            if kind == b"dimg":
                items[number].tiles = targets
    primary = _Reader(boxes[b"pitm"])
    return primary.number(4 if primary.version else 2), items, boxes.get(b"idat", b"")


def _locate(box: _Reader, items: dict[int, _Item]) -> None:
    sizes, more_sizes = box.number(1), box.number(1)
    offset_width, length_width, base_width = sizes >> 4, sizes & 15, more_sizes >> 4
    index_width = more_sizes & 15 if box.version else 0
    wide = 4 if box.version >= 2 else 2
    for _ in range(box.number(wide)):
        item = items.get(box.number(wide), _Item())
        inline = bool(box.version) and box.number(2) & 15 == 1
        box.number(2)
        base = box.number(base_width)
        for _ in range(box.number(2)):
            box.number(index_width)
            begin = base + box.number(offset_width)
            item.extents.append((inline, begin, box.number(length_width)))


def _attribute(box: _Reader, properties: list[tuple[bytes, bytes]], items: dict[int, _Item]) -> None:
    wide = 2 if box.flags & 1 else 1
    for _ in range(box.number(4)):
        item = items.get(box.number(4 if box.version else 2), _Item())
        for _ in range(box.number(1)):
            place = box.number(wide) & (0x7FFF if wide == 2 else 0x7F)
            if place:
                item.properties.append(properties[place - 1])


class _Reader:
    """Reads a box from its beginning on; a full box begins with a version and flags."""

    def __init__(self, payload: bytes, *, full: bool = True) -> None:
        self._payload = payload
        self._at = 0
        self.version = self.number(1) if full else 0
        self.flags = self.number(3) if full else 0

    def take(self, size: int) -> bytes:
        piece = self._payload[self._at : self._at + size]
        if len(piece) < size:
            raise ValueError("a box ends early")
        self._at += size
        return piece

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def rest(self) -> bytes:
        return self._payload[self._at :]


def _bytes_of(item: _Item, content: bytes, inline: bytes) -> bytes:
    return b"".join((inline if within else content)[begin : begin + size] for within, begin, size in item.extents)


def _assembled(file: Path, photo: _Item, items: dict[int, _Item], content: bytes, inline: bytes) -> Image.Image:
    grid = _Reader(_bytes_of(photo, content, inline), full=False)
    grid.number(1)
    wide = 4 if grid.number(1) & 1 else 2
    rows, columns = grid.number(1) + 1, grid.number(1) + 1
    width, height = grid.number(wide), grid.number(wide)
    if len(photo.tiles) != rows * columns:
        raise ValueError(f"{rows} by {columns} tiles are promised, {len(photo.tiles)} are there")
    if width * height > _MOST_PIXELS:
        raise refused(file, f"has {width}x{height} pixels; save a smaller copy, of {_MOST_PIXELS // 10**6} million at most")
    whole = Image.new("RGB", (width, height))
    for place, number in enumerate(photo.tiles):
        if items[number].kind != b"hvc1":
            raise refused(file, "is a HEIF picture of tiles that are not HEVC, which is not read here; save it as JPEG")
        tile = _picture(items[number], content, inline)
        whole.paste(tile, (place % columns * tile.width, place // columns * tile.height))
    return whole


def _picture(item: _Item, content: bytes, inline: bytes) -> Image.Image:
    decoder: VideoCodecContext = av.CodecContext.create("hevc", "r")
    decoder.extradata = item.property(b"hvcC")
    decoder.thread_count = 1
    frames = [*decoder.decode(Packet(_bytes_of(item, content, inline))), *decoder.decode(None)]
    if not frames or frames[0].is_corrupt:
        raise ValueError("its picture cannot be decoded")
    image = Image.fromarray(_in_rgb(frames[0], item.property(b"colr")).to_ndarray())
    if size := item.property(b"ispe"):
        width, height = struct.unpack_from(">II", size, 4)
        image = image.crop((0, 0, min(width, image.width), min(height, image.height)))
    return image


def _in_rgb(frame: VideoFrame, colours: bytes | None) -> VideoFrame:
    if colours is None or not colours.startswith(b"nclx"):
        return frame.reformat(format="rgb24")
    matrix = int.from_bytes(colours[8:10], "big")
    span = ColorRange.JPEG if colours[10] & 0x80 else ColorRange.MPEG
    return frame.reformat(format="rgb24", src_colorspace=_MATRICES.get(matrix), src_color_range=span)


def _finished(image: Image.Image, photo: _Item) -> Image.Image:
    """Turned and mirrored as the photo's properties ask, in their order."""
    profile = None
    for kind, payload in photo.properties:
        if kind == b"irot" and payload[0] & 3:
            turn = (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)[(payload[0] & 3) - 1]
            image = image.transpose(turn)
        elif kind == b"imir":
            flip = Image.Transpose.FLIP_LEFT_RIGHT if payload[0] & 1 else Image.Transpose.FLIP_TOP_BOTTOM
            image = image.transpose(flip)
        elif kind == b"colr" and payload[:4] in (b"prof", b"rICC"):
            profile = payload[4:]
    if profile is not None:
        image.info["icc_profile"] = profile
    return image
