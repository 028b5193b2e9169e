"""Frames of a film: the right ones, at the times at which they are shown, upright, whole or in part, within the limits."""

from __future__ import annotations

import hashlib
import io
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from humeanalytics.errors import UnreadableRecording, UsageError
from humeanalytics.media.frames import PreparedFrames, frame_packs, prepare_frames
from humeanalytics.media.geometry import Region

Write = Callable[..., Path]

RED, GREEN, BLUE, GREY = (220, 30, 30), (30, 200, 30), (40, 40, 220), (128, 128, 128)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "prepared"
    made.mkdir()
    return made


def quarters(width: int = 96, height: int = 64) -> np.ndarray:
    """Upper left red, upper right green, lower left blue, lower right grey."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2], picture[: height // 2, width // 2 :] = RED, GREEN
    picture[height // 2 :, : width // 2], picture[height // 2 :, width // 2 :] = BLUE, GREY
    return picture


def number(value: int) -> np.ndarray:
    """A grey picture that tells its number."""
    return np.full((48, 64, 3), value, np.uint8)


def pixels(jpeg: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(jpeg)) as image:
        assert image.format == "JPEG" and not image.getexif()
        assert "progression" not in image.info
        return np.asarray(image.convert("RGB")).astype(int)


def jpegs(frames: PreparedFrames) -> list[bytes]:
    return [jpeg for pack in frames.packs for jpeg in pack.jpegs()]


def times_s(frames: PreparedFrames) -> list[float]:
    return [picture.time_s for pack in frames.packs for picture in pack.pictures]


def corners(picture: np.ndarray) -> list[str]:
    """The colours of the four quarters, upper left, upper right, lower left, lower right."""
    height, width = picture.shape[:2]
    names = {"red": RED, "green": GREEN, "blue": BLUE, "grey": GREY}
    found = []
    for down, across in ((1, 1), (1, 3), (3, 1), (3, 3)):
        seen = picture[height * down // 4, width * across // 4]
        found.append(min(names, key=lambda name: np.abs(seen - np.array(names[name])).sum()))
        assert np.abs(seen - np.array(names[found[-1]])).max() <= 6, f"{seen} is {found[-1]} of another shade"
    return found


# ---------------------------------------------------------------------------------------------------------------- times
def expected(stamps_s: list[float], fps: float) -> list[float]:
    """The first frame that begins in each part of a second, a millisecond early or not."""
    taken: dict[int, float] = {}
    for stamp_s in stamps_s:
        taken.setdefault(int((stamp_s + 0.001) * fps), stamp_s)
    return list(taken.values())


def test_three_frames_a_second_by_default(write_film: Write, folder: Path) -> None:
    film = [(step / 30, number(step)) for step in range(60)]
    frames = prepare_frames(write_film("a.mkv", film, ticks_per_s=30), folder)
    assert times_s(frames) == pytest.approx([0, 1 / 3, 2 / 3, 1, 4 / 3, 5 / 3], abs=0.0005)
    assert [round(pixels(jpeg).mean()) for jpeg in jpegs(frames)] == pytest.approx([0, 10, 20, 30, 40, 50], abs=1)
    assert frames.frames == 6 and frames.notes == ()


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.integers(1, 900), min_size=1, max_size=40),
    st.sampled_from([0.5, 1.0, 3.0, 10.0, 50.0]),
)
def test_frames_of_a_variable_rate_keep_their_times(write_film: Write, folder: Path, gaps_ms: list[int], fps: float) -> None:
    stamps_ms = (np.cumsum(gaps_ms) - gaps_ms[0]).tolist()
    path = write_film("a.mkv", [(stamp / 1000, number(place % 200)) for place, stamp in enumerate(stamps_ms)])
    with av.open(str(path)) as container:
        real_s = [float(frame.pts * frame.time_base) for frame in container.decode(video=0)]
    assert real_s == [stamp / 1000 for stamp in stamps_ms], "the film is what it should be"
    frames = prepare_frames(path, folder, fps=fps)
    assert times_s(frames) == expected(real_s, fps)
    shown = [round(pixels(jpeg).mean()) for jpeg in jpegs(frames)]
    assert shown == pytest.approx([real_s.index(time_s) % 200 for time_s in times_s(frames)], abs=1)


def test_a_picture_that_stands_still_is_taken_once(write_film: Write, folder: Path) -> None:
    film = [(0.0, number(10)), (0.1, number(20)), (5.0, number(30)), (5.05, number(40))]
    assert times_s(prepare_frames(write_film("a.mkv", film), folder)) == [0.0, 5.0]


def test_frames_out_of_order_in_the_file_come_in_order(write_film: Write, folder: Path) -> None:
    film = [(step / 25, number(4 * step)) for step in range(50)]
    path = write_film("a.mp4", film, "libx264", pix_fmt="yuv420p", ticks_per_s=25)
    with av.open(str(path)) as container:
        stamps = [packet.pts for packet in container.demux(video=0) if packet.pts is not None]
    assert stamps != sorted(stamps), "the film has frames that depend on later ones"
    frames = prepare_frames(path, folder, fps=5)
    assert times_s(frames) == pytest.approx([step / 5 for step in range(10)])
    assert [pixels(jpeg).mean() for jpeg in jpegs(frames)] == pytest.approx([20 * step for step in range(10)], abs=3)


def test_times_count_from_the_beginning_of_the_recording(write_film: Write, folder: Path) -> None:
    film = [(step / 25, number(4 * step)) for step in range(50)]
    path = write_film("a.ts", film, "mpeg2video", pix_fmt="yuv420p", ticks_per_s=25)
    with av.open(str(path)) as container:
        assert container.start_time, "a transport stream begins somewhere"
    assert times_s(prepare_frames(path, folder, fps=5)) == pytest.approx([step / 5 for step in range(10)])


def test_time_stamps_that_jump_back_are_told(write_film: Write, folder: Path) -> None:
    film = [(step / 25, number(4 * step)) for step in range(50)]
    one = write_film("a.ts", film, "mpeg2video", pix_fmt="yuv420p", ticks_per_s=25)
    joined = one.with_name("joined.ts")
    joined.write_bytes(one.read_bytes() * 2)
    found = times_s(prepare_frames(joined, folder, fps=5))
    assert found == sorted(found)
    assert 3.5 < found[-1] < 4.1 and len(found) >= 18


# ------------------------------------------------------------------------------------------------------------- geometry
MATRICES = {
    "upright": ((1, 0, 0, 1), ["red", "green", "blue", "grey"]),
    "clockwise": ((0, 1, -1, 0), ["blue", "red", "grey", "green"]),
    "upside down": ((-1, 0, 0, -1), ["grey", "blue", "green", "red"]),
    "counterclockwise": ((0, -1, 1, 0), ["green", "grey", "red", "blue"]),
    "mirrored": ((-1, 0, 0, 1), ["green", "red", "grey", "blue"]),
    "flipped": ((1, 0, 0, -1), ["blue", "grey", "red", "green"]),
    "transposed": ((0, 1, 1, 0), ["red", "blue", "green", "grey"]),
    "transversed": ((0, -1, -1, 0), ["grey", "green", "blue", "red"]),
}


def turned(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """Write a display matrix into the track header of an MP4."""
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 4 + 40
    assert struct.unpack_from(">9i", content, at) == (65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
    a, b, c, d = (sign << 16 for sign in matrix)
    struct.pack_into(">9i", content, at, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", MATRICES)
def test_frames_are_turned_as_the_film_asks(write_film: Write, folder: Path, name: str) -> None:
    matrix, colours = MATRICES[name]
    film = [(step / 25, quarters()) for step in range(5)]
    path = write_film("a.mp4", film, "libx264", pix_fmt="yuv444p", ticks_per_s=25, options={"movflags": "+faststart"})
    picture = pixels(jpegs(prepare_frames(turned(path, matrix), folder))[0])
    assert picture.shape[:2] == ((96, 64) if matrix[0] == 0 else (64, 96))
    assert corners(picture) == colours


@pytest.mark.parametrize(
    ("codec", "pix_fmt"),
    [
        ("ffv1", "bgr0"),
        ("libx264", "yuv420p"),
        ("libx264", "yuv422p10le"),
        ("mjpeg", "yuvj420p"),
        ("png", "rgba"),
        ("qtrle", "rgb24"),
    ],
)
def test_colours_stay_what_they_are(write_film: Write, folder: Path, codec: str, pix_fmt: str) -> None:
    film = [(step / 25, quarters()) for step in range(3)]
    path = write_film("a.mov" if codec in ("png", "qtrle") else "a.mkv", film, codec, pix_fmt=pix_fmt, ticks_per_s=25)
    assert corners(pixels(jpegs(prepare_frames(path, folder))[0])) == ["red", "green", "blue", "grey"]


def test_colours_of_high_definition_are_those_of_a_jpeg(tmp_path: Path, folder: Path) -> None:
    source = av.VideoFrame.from_ndarray(quarters(), format="rgb24")
    frame = source.reformat(format="yuv444p", dst_colorspace="ITU709", dst_color_range="MPEG")
    path = tmp_path / "hd.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv444p"
        stream.codec_context.colorspace, stream.codec_context.color_range = 1, 1
        frame.pts = 0
        container.mux([*stream.encode(frame), *stream.encode(None)])
    assert corners(pixels(jpegs(prepare_frames(path, folder))[0])) == ["red", "green", "blue", "grey"]


def test_a_tile_is_cut_out_of_the_picture_as_it_is_shown(write_film: Write, folder: Path) -> None:
    film = [(step / 25, quarters(96, 64)) for step in range(3)]
    frames = prepare_frames(write_film("a.mkv", film), folder, crop=Region.parse("47,31,49,33"))
    (packed,) = frames.packs[0].pictures
    assert (packed.width, packed.height) == (49, 33)
    picture = pixels(jpegs(frames)[0])
    assert np.abs(picture[10:, 10:] - GREY).max() <= 6
    assert packed.box_in_media((0, 0, 49, 33)) == (47, 31, 96, 64)


def test_a_tile_of_a_turned_film_counts_from_its_upright_corner(write_film: Write, folder: Path) -> None:
    film = [(step / 25, quarters(96, 64)) for step in range(3)]
    path = turned(write_film("a.mp4", film, "libx264", pix_fmt="yuv444p", ticks_per_s=25), (0, 1, -1, 0))
    picture = pixels(jpegs(prepare_frames(path, folder, crop=Region(32, 0, 32, 48)))[0])
    assert picture.shape == (48, 32, 3)
    assert np.abs(picture[4:-4, 4:-4] - RED).max() <= 6, "upright, red is on the right at the top"


def test_pixels_that_are_not_square_become_so(write_film: Write, folder: Path) -> None:
    wide = write_film("a.mkv", [(0.0, quarters(90, 72))], "libx264", pix_fmt="yuv444p", aspect=Fraction(64, 45))
    frames = prepare_frames(wide, folder)
    assert pixels(jpegs(frames)[0]).shape == (72, 128, 3)
    narrow = write_film("b.mkv", [(0.0, quarters(96, 64))], "libx264", pix_fmt="yuv444p", aspect=Fraction(1, 2))
    frames = prepare_frames(narrow, folder)
    assert pixels(jpegs(frames)[0]).shape == (128, 96, 3)
    assert frames.packs[0].pictures[0].region == Region(0, 0, 96, 128)


def test_a_film_beyond_4k_is_made_smaller_and_boxes_find_back(write_film: Write, folder: Path) -> None:
    film = [(0.0, quarters(4096, 2304))]
    frames = prepare_frames(write_film("a.mkv", film, "mjpeg", pix_fmt="yuvj420p"), folder)
    (packed,) = frames.packs[0].pictures
    assert 8_280_000 <= packed.width * packed.height <= 8_294_400
    assert packed.box_in_media((0, 0, packed.width, packed.height)) == pytest.approx((0, 0, 4096, 2304))
    assert corners(pixels(jpegs(frames)[0])) == ["red", "green", "blue", "grey"]
    small = prepare_frames(write_film("b.mkv", film, "mjpeg", pix_fmt="yuvj420p"), folder, most_pixels=921_600)
    assert (small.packs[0].pictures[0].width, small.packs[0].pictures[0].height) == (1280, 720)


def test_a_crop_that_lies_outside_is_refused_with_the_size_there_is(write_film: Write, folder: Path) -> None:
    path = write_film("a.mkv", [(0.0, quarters(96, 64))])
    with pytest.raises(UnreadableRecording, match=r"a\.mkv .*crop 90,0,10,10 reaches beyond their 96x64 pixels"):
        prepare_frames(path, folder, crop=Region(90, 0, 10, 10))


# ---------------------------------------------------------------------------------------------------------------- packs
def test_packs_hold_what_they_say(write_film: Write, folder: Path) -> None:
    rng = np.random.default_rng(1)
    film = [(step / 10, rng.integers(0, 255, (64, 96, 3), np.uint8)) for step in range(100)]
    frames = prepare_frames(write_film("a.mkv", film), folder, fps=10, most_pictures=40)
    assert [len(pack.pictures) for pack in frames.packs] == [40, 30, 30]
    assert [pack.index for pack in frames.packs] == [0, 1, 2]
    assert times_s(frames) == [step / 10 for step in range(100)]
    for pack in frames.packs:
        content = pack.path.read_bytes()
        assert len(content) == pack.size_bytes and hashlib.sha256(content).hexdigest() == pack.sha256
    for jpeg, (_, truth) in zip(jpegs(frames), film, strict=True):
        assert np.abs(pixels(jpeg).mean(axis=(0, 1)) - truth.mean(axis=(0, 1))).max() < 4
    frames.packs[0].path.write_bytes(content)
    with pytest.raises(OSError, match="not what was written"):
        frames.packs[0].jpegs()


def test_packs_come_while_the_rest_is_still_to_be_decoded(write_film: Write, folder: Path) -> None:
    film = [(step / 10, number(step)) for step in range(200)]
    packs = frame_packs(write_film("a.mkv", film), folder, [], fps=10, most_pictures=50)
    assert len(next(packs).jpegs()) == 50
    packs.close()
    assert len(list(folder.iterdir())) == 1


# ------------------------------------------------------------------------------------------------------------ bad input
def test_sound_alone_has_no_frames(write_wav: Write, write_sound: Write, folder: Path) -> None:
    with pytest.raises(UnreadableRecording, match="has no pictures, only sound"):
        prepare_frames(write_wav(np.zeros(1600, "<i2"), 16_000), folder)


def test_the_cover_of_a_record_is_no_film(tmp_path: Path, write_sound: Write, folder: Path) -> None:
    song = write_sound("song.m4a", np.zeros(44_100), 44_100, "aac")
    cover = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(cover, "JPEG")
    path = tmp_path / "covered.mp3"
    with av.open(str(song)) as source, av.open(str(path), "w") as target:
        sound = target.add_stream("libmp3lame", rate=44_100)
        picture = target.add_stream("mjpeg")
        picture.width, picture.height, picture.pix_fmt = 64, 64, "yuvj420p"
        picture.disposition = av.stream.Disposition.attached_pic
        packet = av.Packet(cover.getvalue())
        packet.stream, packet.pts = picture, 0
        target.start_encoding()
        target.mux(packet)
        for frame in source.decode(audio=0):
            target.mux(sound.encode(frame))
        target.mux(sound.encode(None))
    with av.open(str(path)) as container:
        assert container.streams.video, "there is a cover"
    with pytest.raises(UnreadableRecording, match="has no pictures, only sound"):
        prepare_frames(path, folder)


def test_a_photo_is_no_film(tmp_path: Path, folder: Path) -> None:
    Image.new("RGB", (64, 48), "red").save(tmp_path / "photo.jpg")
    with pytest.raises(UnreadableRecording, match=r"photo\.jpg is of the kind image \(jpeg\)"):
        prepare_frames(tmp_path / "photo.jpg", folder)


def test_a_film_with_damage_gives_its_other_frames(write_film: Write, folder: Path) -> None:
    rng = np.random.default_rng(2)
    film = [(step / 10, rng.integers(0, 255, (64, 96, 3), np.uint8)) for step in range(60)]
    path = write_film("a.mkv", film, "mjpeg", pix_fmt="yuvj420p")
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 15_000] = bytes(15_000)
    path.write_bytes(content)
    frames = prepare_frames(path, folder, fps=10)
    stamps = [at_s for at_s, _ in film]
    assert 20 < frames.frames < 60
    assert set(times_s(frames)) <= set(stamps)
    good = 0
    for time_s, jpeg in zip(times_s(frames), jpegs(frames), strict=True):
        good += bool(np.abs(pixels(jpeg).mean(axis=(0, 1)) - film[stamps.index(time_s)][1].mean(axis=(0, 1))).max() < 5)
    assert good >= frames.frames - 3


def test_a_film_cut_short_gives_what_there_is_and_a_warning(write_film: Write, folder: Path) -> None:
    film = [(step / 10, number(step)) for step in range(200)]
    path = write_film("a.mp4", film, "mjpeg", pix_fmt="yuvj420p", ticks_per_s=10, options={"movflags": "+faststart"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    frames = prepare_frames(path, folder, fps=10)
    assert 50 < frames.frames < 150
    assert times_s(frames) == pytest.approx([step / 10 for step in range(frames.frames)])
    assert frames.notes[-1].startswith("Cut short: 19.9 s of pictures are promised")


def test_a_last_picture_that_is_shown_for_long_is_not_cut_short(write_film: Write, folder: Path) -> None:
    film = [(0.0, number(10)), (1.0, number(20)), (2.0, number(30))]
    path = write_film("a.mp4", film, "mjpeg", pix_fmt="yuvj420p", ticks_per_s=10)
    content = bytearray(path.read_bytes())
    at = content.index(b"stts") + 8
    entries, count, _, last_count = struct.unpack_from(">IIII", content, at)
    assert (entries, count, last_count) == (2, 2, 1)
    scale = struct.unpack_from(">I", content, content.index(b"mdhd") + 16)[0]
    struct.pack_into(">I", content, at + 16, 60 * scale)
    for kind, place, ticks_per_s in ((b"mdhd", 20, scale), (b"tkhd", 24, 1000), (b"mvhd", 20, 1000), (b"elst", 12, 1000)):
        struct.pack_into(">I", content, content.index(kind) + place, 62 * ticks_per_s)
    path.write_bytes(content)
    frames = prepare_frames(path, folder)
    assert (times_s(frames), frames.notes) == ([0.0, 1.0, 2.0], ())


def test_a_film_that_changes_while_it_is_read_is_refused(write_film: Write, folder: Path) -> None:
    path = write_film("a.mkv", [(step / 10, number(step)) for step in range(200)])
    packs = frame_packs(path, folder, [], fps=10, most_pictures=50)
    next(packs)
    with path.open("ab") as file:
        file.write(bytes(100))
    with pytest.raises(UnreadableRecording, match="changed while it was read"):
        list(packs)


@pytest.mark.parametrize("fps", [0, -1, float("nan")])
def test_a_rate_that_means_nothing_is_refused(write_film: Write, folder: Path, fps: float) -> None:
    with pytest.raises(UsageError, match="rate above 0"):
        prepare_frames(write_film("a.mkv", [(0.0, number(1))]), folder, fps=fps)


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,4,5", "a,b,c,d", "-1,0,10,10", "0,0,0,10", "1.5,0,10,10"])
def test_a_crop_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="crop"):
        Region.parse(text)
