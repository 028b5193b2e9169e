"""Photos as Hume's v1 takes them: upright JPEGs in plain colours, with nothing said of where and when they were taken."""

from __future__ import annotations

import io
import os
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame
from PIL import Image, ImageCms

from humeanalytics.media import heic, jpeg, signatures
from humeanalytics.media.geometry import Region, fitted
from humeanalytics.media.opening import KnownState, refused, unchanged
from humeanalytics.media.packing import Picture
from humeanalytics.media.probe import probe

#: Containers of `humeanalytics.media.signatures` -> the one reader of Pillow's that may look at them.
_READERS = {"jpeg": "JPEG", "png": "PNG", "webp": "WEBP", "tiff": "TIFF", "bmp": "BMP", "gif": "GIF", "avif": "AVIF"}
#: Beyond it, Pillow takes a picture for an attack.
_MOST_PIXELS_READ = 89_000_000
_ORIENTATION = 0x0112
_UPRIGHT = 1
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDES_CHANGE = {_TURNS[orientation] for orientation in (5, 6, 7, 8)}
_ICC = b"ICC_PROFILE\x00"
_JFIF, _COLOURS, _ADOBE, _COMMENT = 0xE0, 0xE2, 0xEE, 0xFE
_APPLICATION = range(0xE0, 0xF0)
#: What FFmpeg's and Pillow's readers raise of broken pictures.
_BROKEN = (
    *(OSError, EOFError, ValueError, SyntaxError, OverflowError, MemoryError, RuntimeError, TypeError, LookupError),
    *(struct.error, Image.DecompressionBombError),
)


@dataclass(frozen=True, slots=True)
class PreparedPhoto:
    """A photo to be sent, and sentences on what is not as it should be."""

    picture: Picture
    notes: tuple[str, ...]


def prepare_photo(
    path: str | os.PathLike[str],
    *,
    crop: Region | None = None,
    most_pixels: int = jpeg.MOST_PIXELS,
    most_bytes: int = jpeg.MOST_BYTES,
    known: KnownState | None = None,
) -> PreparedPhoto:
    """Make an acceptable JPEG of a photo: JPEG, PNG, WebP, HEIC, AVIF, TIFF, BMP or GIF.

    A baseline JPEG that stands upright keeps its picture bit by bit and only loses EXIF and its like. Anything
    else is decoded, turned upright as its EXIF asks, put on white where it is transparent, brought to sRGB, and encoded again.

    Args:
        crop: The part to look at, in pixels of the upright picture.
        most_pixels, most_bytes: A larger one is made smaller, or its quality is lowered.
        known: Size and time of change that the file had when its digest was taken.

    Raises:
        UnreadableRecording: It is no picture, broken, cut short, too large, changed while it was read, or ``crop`` lies outside.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Image.new("RGBA", (64, 48), (255, 0, 0, 128)).save(Path(folder, "red.png"))
        ...     photo = prepare_photo(Path(folder, "red.png")).picture
        >>> jpeg.shape(photo.jpeg)
        Shape(width=64, height=48, baseline=True, components=3)
    """
    file = Path(path).absolute()
    notes: list[str] = []
    with unchanged(file, known) as head:
        kind = signatures.kind_of(head)
        if kind is None or kind.media_type != "image":
            raise refused(file, f"is of the kind {probe(file).media_type}, not a photo")
        try:
            content = file.read_bytes()
            if kind.container == "jpeg" and crop is None:
                whole = _kept(content, most_pixels, most_bytes)
                if whole is not None:
                    return PreparedPhoto(whole, ())
            if kind.container == "heic":
                image = _plain(heic.decoded(file, content))
                size = image.size
            else:
                image, size = _decoded(file, content, kind.container, None if crop else most_pixels, notes)
        except _BROKEN as error:
            raise refused(file, f"is a broken {kind.container} picture, or one cut short: {error}".rstrip(". ")) from error
    region = crop or Region(0, 0, *size)
    if not region.lies_within(*size):
        raise refused(
            file, f"has {size[0]}x{size[1]} pixels; the crop {region.x},{region.y},{region.width},{region.height} lies outside"
        )
    if crop is not None:
        image = image.crop((crop.x, crop.y, crop.x + crop.width, crop.y + crop.height))
    frame = VideoFrame.from_ndarray(np.asarray(image), format="rgb24")
    planes = frame.reformat(format="yuvj420p", dst_colorspace="ITU601", dst_color_range="JPEG")
    made, width, height = jpeg.encoded(planes, best=jpeg.FINEST, most_bytes=most_bytes, most_pixels=most_pixels)
    return PreparedPhoto(Picture(made, width, height, region), tuple(notes))


def _kept(content: bytes, most_pixels: int, most_bytes: int) -> Picture | None:
    """The picture as it is, without what is said about it; None where it must be made anew."""
    pieces = jpeg.segments(content)
    shape = jpeg.shape(content)
    if not shape.baseline or shape.components != 3 or shape.width * shape.height > most_pixels:
        return None
    bare = b"".join(content[begin:end] for marker, begin, end in pieces if _belongs(marker, content[begin + 4 : end]))
    if len(bare) > most_bytes:
        return None
    with Image.open(io.BytesIO(content[: pieces[-1][2]]), formats=["JPEG"]) as image:
        if image.getexif().get(_ORIENTATION, _UPRIGHT) != _UPRIGHT:
            return None
        image.load()
    return Picture(bare, shape.width, shape.height, Region(0, 0, shape.width, shape.height))


def _belongs(marker: int, payload: bytes) -> bool:
    if marker == _COLOURS:
        return payload.startswith(_ICC)
    return marker in (_JFIF, _ADOBE) or (marker not in _APPLICATION and marker != _COMMENT)


def _decoded(
    file: Path, content: bytes, container: str, most_pixels: int | None, notes: list[str]
) -> tuple[Image.Image, tuple[int, int]]:
    """A picture in RGB, upright, maybe made smaller already; and the size it had, upright."""
    facts = probe(file)
    if (facts.width or 0) * (facts.height or 0) > _MOST_PIXELS_READ:
        raise refused(
            file, f"has {facts.width}x{facts.height} pixels; save a smaller copy, of {_MOST_PIXELS_READ // 10**6} million at most"
        )
    if container == "jpeg":
        content = content[: jpeg.segments(content)[-1][2]]
    with Image.open(io.BytesIO(content), formats=[_READERS[container]]) as image:
        if (pictures := getattr(image, "n_frames", 1)) > 1:
            notes.append(f"It holds {pictures} pictures; the first is scored.")
        width, height = image.size
        if most_pixels is not None and container == "jpeg":  # decodes no more than is needed
            image.thumbnail(fitted(width, height, most_pixels), Image.Resampling.LANCZOS, reducing_gap=3.0)
        image.load()  # some readers turn the picture now, and forget that it was to be turned
        turn = _TURNS.get(image.getexif().get(_ORIENTATION, _UPRIGHT))
        plain = _plain(image)
    if most_pixels is not None:
        plain.thumbnail(fitted(width, height, most_pixels), Image.Resampling.LANCZOS, reducing_gap=3.0)
    if turn is not None:
        plain = plain.transpose(turn)
    return plain, (height, width) if turn in _SIDES_CHANGE else (width, height)


def _plain(image: Image.Image) -> Image.Image:
    """The same in RGB, 8 bits a colour, sRGB."""
    if image.mode.startswith("I"):  # 16 bits of grey, which convert() would cut off at 255
        grey = np.asarray(image)
        return Image.fromarray(np.clip(grey >> 8, 0, 255).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        clear = image.convert("RGBA")
        paper = Image.new("RGBA", clear.size, "white")
        return Image.alpha_composite(paper, clear).convert("RGB")
    if image.mode in ("CMYK", "RGB") and (profile := image.info.get("icc_profile")):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
            if converted is not None:
                return converted
        except (ImageCms.PyCMSError, OSError):
            pass  # a profile that is broken says nothing of the colours
    return image.convert("RGB")
