"""Photos of every kind become upright JPEGs in plain colours, or are refused with the reason."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from humeanalytics.errors import UnreadableRecording
from humeanalytics.media import heic, jpeg
from humeanalytics.media.geometry import Region
from humeanalytics.media.photos import prepare_photo

RED, GREEN, BLUE, GREY = (220, 30, 30), (30, 200, 30), (40, 40, 220), (128, 128, 128)


def quarters(width: int = 96, height: int = 64) -> Image.Image:
    """Upper left red, upper right green, lower left blue, lower right grey."""
    picture = Image.new("RGB", (width, height))
    half_width, half_height = width // 2, height // 2
    for colour, corner in ((RED, (0, 0)), (GREEN, (half_width, 0)), (BLUE, (0, half_height)), (GREY, (half_width, half_height))):
        picture.paste(colour, (*corner, corner[0] + half_width, corner[1] + half_height))
    return picture


def shown(content: bytes) -> np.ndarray:
    shape = jpeg.shape(content)
    assert shape.baseline and shape.components == 3
    assert content.startswith(b"\xff\xd8") and content.endswith(b"\xff\xd9")
    with Image.open(io.BytesIO(content)) as image:
        assert image.format == "JPEG" and image.mode == "RGB" and image.size == (shape.width, shape.height)
        assert not image.getexif() and "exif" not in image.info
        return np.asarray(image).astype(int)


def corners(picture: np.ndarray, slack: int = 6) -> list[str]:
    height, width = picture.shape[:2]
    names = {"red": RED, "green": GREEN, "blue": BLUE, "grey": GREY}
    found = []
    for down, across in ((1, 1), (1, 3), (3, 1), (3, 3)):
        seen = picture[height * down // 4, width * across // 4]
        found.append(min(names, key=lambda name: np.abs(seen - np.array(names[name])).sum()))
        assert np.abs(seen - np.array(names[found[-1]])).max() <= slack, f"{seen} is {found[-1]} of another shade"
    return found


AS_IS = ["red", "green", "blue", "grey"]


# ---------------------------------------------------------------------------------------------------- kept as they are
def test_a_plain_jpeg_keeps_its_picture_and_loses_where_it_was_taken(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x8825] = "Camera", {1: "N", 2: (52.0, 31.0, 12.0)}
    path = tmp_path / "a.jpg"
    quarters().save(path, quality=95, exif=exif, comment=b"secret", xmp=b"<x:xmpmeta>secret</x:xmpmeta>", icc_profile=srgb())
    photo = prepare_photo(path)
    content = photo.picture.jpeg
    assert b"secret" not in content and b"Camera" not in content and b"Exif" not in content
    assert np.array_equal(shown(content), np.asarray(Image.open(path)))
    assert (photo.picture.region, photo.notes) == (Region(0, 0, 96, 64), ())


def test_what_phones_append_behind_the_picture_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    quarters().save(path, quality=95)
    whole = path.read_bytes()
    second = io.BytesIO()
    quarters(48, 32).save(second, "JPEG")
    path.write_bytes(whole + second.getvalue() + b"film")
    assert prepare_photo(path).picture.jpeg == whole


# ------------------------------------------------------------------------------------------------------------- made anew
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tiff"])
def test_photos_are_turned_as_their_exif_asks(tmp_path: Path, orientation: int, suffix: str) -> None:
    upright = quarters()
    stored = {  # how a camera that was held so stores what shall be shown upright
        1: upright,
        2: upright.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: upright.transpose(Image.Transpose.ROTATE_180),
        4: upright.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: upright.transpose(Image.Transpose.TRANSPOSE),
        6: upright.transpose(Image.Transpose.ROTATE_90),
        7: upright.transpose(Image.Transpose.TRANSVERSE),
        8: upright.transpose(Image.Transpose.ROTATE_270),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{suffix}"
    options = {"tiff": {}, "png": {}, "webp": {"lossless": True}, "jpg": {"quality": 95, "subsampling": 0}}[suffix]
    stored.save(path, exif=exif, **options)
    picture = prepare_photo(path).picture
    assert (picture.width, picture.height, picture.region) == (96, 64, Region(0, 0, 96, 64))
    assert corners(shown(picture.jpeg)) == AS_IS


@pytest.mark.parametrize(
    ("name", "mode", "options"),
    [
        ("progressive.jpg", "RGB", {"progressive": True, "quality": 95}),
        ("a.png", "RGB", {}),
        ("a.png", "P", {}),
        ("a.png", "RGBA", {}),
        ("a.webp", "RGB", {"quality": 95}),
        ("a.avif", "RGB", {"quality": 95}),
        ("a.tiff", "RGB", {}),
        ("a.bmp", "RGB", {}),
        ("a.gif", "P", {}),
        ("a.tiff", "CMYK", {}),
    ],
)
def test_every_kind_of_picture_is_taken(tmp_path: Path, name: str, mode: str, options: dict[str, object]) -> None:
    picture = quarters().quantize(16) if mode == "P" else quarters().convert(mode)
    picture.save(tmp_path / name, **options)
    assert corners(shown(prepare_photo(tmp_path / name).picture.jpeg), slack=12) == AS_IS


def test_the_colours_of_print_become_those_of_a_screen(tmp_path: Path) -> None:
    path = tmp_path / "print.jpg"
    quarters().convert("CMYK").save(path, quality=95, subsampling=0)
    assert jpeg.shape(path.read_bytes()).components == 4
    assert corners(shown(prepare_photo(path).picture.jpeg)) == AS_IS


def test_grey_of_8_and_16_bits_keeps_its_shades(tmp_path: Path) -> None:
    ramp = np.tile(np.linspace(0, 255, 96), (64, 1))
    Image.fromarray(ramp.astype(np.uint8)).save(tmp_path / "8.png")
    Image.fromarray(ramp.astype(np.uint8)).save(tmp_path / "8.jpg", quality=95)
    Image.fromarray((ramp * 257).astype(np.uint16)).save(tmp_path / "16.png")
    for name in ("8.png", "8.jpg", "16.png"):
        assert np.abs(shown(prepare_photo(tmp_path / name).picture.jpeg) - ramp[..., None]).max() <= 4, name


def test_what_is_transparent_lies_on_white(tmp_path: Path) -> None:
    clear = Image.new("RGBA", (64, 48), (255, 0, 0, 0))
    clear.paste((0, 0, 255, 255), (0, 0, 32, 48))
    clear.save(tmp_path / "a.png")
    picture = shown(prepare_photo(tmp_path / "a.png").picture.jpeg)
    assert picture[24, 8].tolist() == pytest.approx([0, 0, 255], abs=4)
    assert picture[24, 56].tolist() == pytest.approx([255, 255, 255], abs=4)


def srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def test_a_broken_profile_does_not_break_the_photo(tmp_path: Path) -> None:
    quarters().save(tmp_path / "a.png", icc_profile=b"no profile at all")
    assert corners(shown(prepare_photo(tmp_path / "a.png").picture.jpeg)) == AS_IS


def test_of_a_moving_picture_the_first_is_scored_and_that_is_told(tmp_path: Path) -> None:
    quarters().save(
        tmp_path / "a.gif", save_all=True, append_images=[Image.new("RGB", (96, 64)), Image.new("RGB", (96, 64), "red")]
    )
    photo = prepare_photo(tmp_path / "a.gif")
    assert corners(shown(photo.picture.jpeg), slack=12) == AS_IS
    assert photo.notes == ("It holds 3 pictures; the first is scored.",)


# --------------------------------------------------------------------------------------------------------- limits, crop
def test_a_photo_beyond_the_limits_is_made_smaller(tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    quarters(4800, 3200).save(path, quality=90)
    picture = prepare_photo(path).picture
    assert 8_200_000 < picture.width * picture.height <= 8_294_400
    assert picture.region == Region(0, 0, 4800, 3200)
    assert corners(shown(picture.jpeg)) == AS_IS


def test_noise_is_brought_below_2_mb(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (1600, 2400, 3), np.uint8)
    path = tmp_path / "noise.png"
    Image.fromarray(noise).save(path, compress_level=0)
    picture = prepare_photo(path).picture
    assert len(picture.jpeg) <= 2_000_000
    assert shown(picture.jpeg).mean() == pytest.approx(127.5, abs=3)
    smallest = prepare_photo(path, most_bytes=20_000).picture
    assert len(smallest.jpeg) <= 20_000 and smallest.width < 2400
    assert smallest.width / smallest.height == pytest.approx(1.5, abs=0.05)


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_part_of_the_upright_picture(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = quarters() if orientation == 1 else quarters().transpose(Image.Transpose.ROTATE_90)
    stored.save(tmp_path / "a.jpg", quality=95, subsampling=0, exif=exif)
    picture = prepare_photo(tmp_path / "a.jpg", crop=Region(48, 0, 48, 32)).picture
    assert picture.region == Region(48, 0, 48, 32)
    assert np.abs(shown(picture.jpeg)[2:-2, 2:-2] - GREEN).max() <= 6
    with pytest.raises(UnreadableRecording, match=r"a\.jpg has 96x64 pixels; the crop 0,0,96,65 lies outside"):
        prepare_photo(tmp_path / "a.jpg", crop=Region(0, 0, 96, 65))


# ------------------------------------------------------------------------------------------------------------ bad input
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tiff", "avif"])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_photo_cut_short_is_refused(tmp_path: Path, suffix: str, share: float) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (64, 96, 3), np.uint8)
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(UnreadableRecording, match=rf"a\.{suffix} "):
        prepare_photo(path)


def test_what_is_no_photo_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "a.txt"
    text.write_text("a photo of a dog")
    with pytest.raises(UnreadableRecording, match="is of the kind text, not a photo"):
        prepare_photo(text)
    empty = tmp_path / "a.jpg"
    empty.write_bytes(b"")
    with pytest.raises(UnreadableRecording, match="is empty"):
        prepare_photo(empty)


def test_a_photo_that_is_not_what_was_taken_in_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    quarters().save(path)
    with pytest.raises(UnreadableRecording, match="changed since it was taken in"):
        prepare_photo(path, known=(path.stat().st_size + 1, path.stat().st_mtime_ns))


@given(st.binary(max_size=200), st.integers(0, 500), st.integers(0, 255))
def test_broken_jpegs_raise_value_errors_only(content: bytes, at: int, value: int) -> None:
    whole = io.BytesIO()
    quarters(16, 16).save(whole, "JPEG")
    damaged = bytearray(whole.getvalue())
    damaged[at % len(damaged)] = value
    for broken in (content, b"\xff\xd8" + content, bytes(damaged), bytes(damaged[:at])):
        try:
            jpeg.shape(broken)
        except ValueError as error:
            assert str(error).startswith("it ")


# ----------------------------------------------------------------------------------------------------------------- HEIC
def box(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(payload), kind) + payload


def full(kind: bytes, payload: bytes, version: int = 0, flags: int = 0) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags) + payload)


def hevc(picture: Image.Image) -> tuple[bytes, bytes]:
    """The decoder's configuration and the data of one picture, as they stand in an MP4."""
    target = io.BytesIO()
    with av.open(target, "w", format="mp4") as container:
        stream = container.add_stream("libx265", rate=1, options={"x265-params": "log-level=none:crf=4"})
        stream.width, stream.height, stream.pix_fmt = picture.width, picture.height, "yuv444p"
        frame = av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")
        for packet in (*stream.encode(frame), *stream.encode(None)):
            packet.pts = packet.dts = 0
            container.mux(packet)
    target.seek(0)
    with av.open(target) as container:
        data = b"".join(bytes(packet) for packet in container.demux(video=0))
    content = target.getvalue()
    at = content.index(b"hvcC") - 4
    return content[at + 8 : at + int.from_bytes(content[at : at + 4], "big")], data


def photo_of(
    tiles: list[Image.Image], columns: int, size: tuple[int, int], *turns: bytes, grid_kind: bytes = b"grid", inline: bool = True
) -> bytes:
    """A HEIC file as phones write them: item 1 is a grid of items 2 and on."""
    coded = [hevc(tile) for tile in tiles]
    grid = struct.pack(">BBBBHH", 0, 0, len(tiles) // columns - 1, columns - 1, *size)
    tile_size = struct.pack(">II", tiles[0].width, tiles[0].height)
    properties = [box(b"hvcC", coded[0][0]), full(b"ispe", tile_size), full(b"ispe", struct.pack(">II", *size)), *turns]
    numbers = range(2, 2 + len(tiles))
    entries = [full(b"infe", struct.pack(">HH4s", 1, 0, grid_kind) + b"\0", 2)]
    entries += [full(b"infe", struct.pack(">HH4s", number, 0, b"hvc1") + b"\0", 2, 1) for number in numbers]
    own = bytes([3, *range(4, 4 + len(turns))])
    ipma = struct.pack(">I", 1 + len(tiles)) + struct.pack(">HB", 1, len(own)) + own
    ipma += b"".join(struct.pack(">HBBB", number, 2, 0x81, 2) for number in numbers)
    dimg = box(b"dimg", struct.pack(f">HH{len(tiles)}H", 1, len(tiles), *numbers))

    def meta(data_begin: int) -> bytes:
        begin, places = data_begin, []
        for number, (_, data) in zip(numbers, coded, strict=True):
            places.append(struct.pack(">HHHHII", number, 0, 0, 1, begin, len(data)))
            begin += len(data)
        where = struct.pack(">HHHHII", 1, 1 if inline else 0, 0, 1, 0 if inline else begin, len(grid))
        iloc = struct.pack(">BBH", 0x44, 0, 1 + len(tiles)) + where + b"".join(places)
        return full(
            b"meta",
            full(b"hdlr", bytes(4) + b"pict" + bytes(13))
            + full(b"pitm", struct.pack(">H", 1))
            + full(b"iinf", struct.pack(">H", len(entries)) + b"".join(entries))
            + full(b"iref", dimg)
            + box(b"iprp", box(b"ipco", b"".join(properties)) + full(b"ipma", ipma))
            + (box(b"idat", grid) if inline else b"")
            + full(b"iloc", iloc, 1),
        )

    ftyp = box(b"ftyp", b"heic" + bytes(4) + b"mif1heic")
    data_begin = len(ftyp) + len(meta(0)) + 8
    return ftyp + meta(data_begin) + box(b"mdat", b"".join(data for _, data in coded) + (b"" if inline else grid))


def tiled(picture: Image.Image, side: int) -> tuple[list[Image.Image], int]:
    columns, rows = -(-picture.width // side), -(-picture.height // side)
    tiles = [
        picture.crop((column * side, row * side, (column + 1) * side, (row + 1) * side))
        for row in range(rows)
        for column in range(columns)
    ]
    return tiles, columns


@pytest.mark.parametrize("inline", [True, False])
def test_a_photo_of_a_phone_is_put_together_from_its_tiles(tmp_path: Path, inline: bool) -> None:
    rng = np.random.default_rng(1)
    blurred = Image.fromarray(rng.integers(0, 256, (6, 9, 3), np.uint8)).resize((180, 120), Image.Resampling.BICUBIC)
    tiles, columns = tiled(blurred, 64)
    path = tmp_path / "IMG_0001.HEIC"
    path.write_bytes(photo_of(tiles, columns, (180, 120), inline=inline))
    picture = prepare_photo(path).picture
    assert (picture.width, picture.height) == (180, 120)
    assert np.abs(shown(picture.jpeg) - np.asarray(blurred).astype(int)).mean() < 5


IROT = {0: [], 1: [box(b"irot", b"\x01")], 2: [box(b"irot", b"\x02")], 3: [box(b"irot", b"\x03")]}


@pytest.mark.parametrize("quarter_turns", [0, 1, 2, 3])
def test_a_photo_of_a_phone_is_turned(tmp_path: Path, quarter_turns: int) -> None:
    stored = quarters(128, 64).rotate(-90 * quarter_turns, expand=True)  # the file asks for so many turns to the left
    tiles, columns = tiled(stored, 64)
    path = tmp_path / "a.heic"
    path.write_bytes(photo_of(tiles, columns, stored.size, *IROT[quarter_turns]))
    picture = prepare_photo(path).picture
    assert (picture.width, picture.height) == (128, 64)
    assert corners(shown(picture.jpeg)) == AS_IS


@pytest.mark.parametrize(("axis", "flip"), [(0, Image.Transpose.FLIP_TOP_BOTTOM), (1, Image.Transpose.FLIP_LEFT_RIGHT)])
def test_a_photo_of_a_phone_is_mirrored(tmp_path: Path, axis: int, flip: Image.Transpose) -> None:
    tiles, columns = tiled(quarters(128, 64).transpose(flip), 64)
    path = tmp_path / "a.heic"
    path.write_bytes(photo_of(tiles, columns, (128, 64), box(b"imir", bytes([axis]))))
    assert corners(shown(prepare_photo(path).picture.jpeg)) == AS_IS


def test_a_photo_in_a_coding_not_read_here_is_refused_with_advice(tmp_path: Path) -> None:
    path = tmp_path / "a.heic"
    path.write_bytes(photo_of([quarters(64, 64)], 1, (64, 64), grid_kind=b"iovl"))
    with pytest.raises(UnreadableRecording, match=r"a\.heic is a HEIF picture in the coding 'iovl'.*save it as JPEG"):
        prepare_photo(path)


def test_a_photo_of_a_phone_that_is_broken_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.heic"
    whole = photo_of([quarters(64, 64), quarters(64, 64)], 2, (128, 64))
    for size in (40, len(whole) // 2, len(whole) - 200):
        path.write_bytes(whole[:size])
        with pytest.raises(UnreadableRecording, match=r"a\.heic "):
            prepare_photo(path)


WHOLE = photo_of([quarters(64, 64), quarters(64, 64)], 2, (128, 64))
META_BYTES = WHOLE.index(b"mdat")


@given(st.integers(0, META_BYTES), st.binary(min_size=1, max_size=6))
def test_damage_to_the_boxes_of_a_photo_raises_what_is_expected_only(at: int, damage: bytes) -> None:
    content = WHOLE[:at] + damage + WHOLE[at + len(damage) :]
    try:
        heic.decoded(Path("a.heic"), content)
    except (ValueError, UnreadableRecording) as error:
        assert str(error)
