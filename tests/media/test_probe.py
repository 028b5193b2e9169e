"""What probe says of real files, and how it refuses everything else."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tarfile
import wave
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from humeanalytics.errors import UnreadableRecording
from humeanalytics.media.probe import MediaFacts, probe
from humeanalytics.samples import sample

RATE_HZ = 16_000


def tone(seconds: float) -> np.ndarray:
    return (8000 * np.sin(np.arange(int(seconds * RATE_HZ)) / 20)).astype("<i2")


def write_wav(path: Path, seconds: float) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE_HZ, 0, "NONE", "not compressed"))
        file.writeframes(tone(seconds).tobytes())
    return path


def encode(
    target: str | io.RawIOBase,
    *,
    format: str,
    audio: str | None = None,
    video: str | None = None,
    seconds: float = 2.0,
    tags: dict[str, str] | None = None,
    options: dict[str, str] | None = None,
    codec_options: dict[str, str] | None = None,
    rate_hz: int = RATE_HZ,
) -> None:
    with av.open(target, "w", format=format, options=options or {}) as container:
        container.metadata.update(tags or {})
        sound = container.add_stream(audio, rate=rate_hz, layout="mono", options=codec_options or {}) if audio else None
        picture = container.add_stream(video, rate=25) if video else None
        if picture is not None:
            picture.width, picture.height, picture.pix_fmt = 96, 64, "yuv420p"
            for number in range(int(seconds * 25)):
                frame = av.VideoFrame.from_ndarray(np.full((64, 96, 3), 4 * (number % 50), np.uint8), format="rgb24")
                container.mux(picture.encode(frame))
            container.mux(picture.encode(None))
        if sound is not None:
            samples = tone(seconds * rate_hz / RATE_HZ)
            for start in range(0, len(samples), 960):
                frame = av.AudioFrame.from_ndarray(samples[None, start : start + 960], format="s16", layout="mono")
                frame.sample_rate, frame.pts, frame.time_base = rate_hz, start, Fraction(1, rate_hz)
                container.mux(sound.encode(frame))
            container.mux(sound.encode(None))


class Pipe(io.RawIOBase):
    """A place to write that cannot go back, so that the encoder can put no duration at the beginning."""

    def __init__(self) -> None:
        self.written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.written += data
        return len(data)


def refused(path: Path) -> str:
    with pytest.raises(UnreadableRecording) as caught:
        probe(path)
    message = str(caught.value)
    assert path.name.split("\udcff")[0] in message
    assert caught.value.item
    return message


# ----------------------------------------------------------------------------------------------------------- recordings
def test_wav(tmp_path: Path) -> None:
    facts = probe(write_wav(tmp_path / "a.wav", 2.5))
    assert facts == MediaFacts("audio", "wav", duration_s=2.5, has_audio=True)


def test_the_content_decides_and_not_the_name(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", 1.0).rename(tmp_path / "notes.txt")
    assert probe(tmp_path / "notes.txt").media_type == "audio"


@pytest.mark.parametrize(
    ("format", "suffix", "audio", "video", "media_type"),
    [
        ("flac", "flac", "flac", None, "audio"),
        ("ogg", "opus", "libopus", None, "audio"),
        ("mp3", "mp3", "libmp3lame", None, "audio"),
        ("adts", "aac", "aac", None, "audio"),
        ("ipod", "m4a", "aac", None, "audio"),
        ("aiff", "aiff", "pcm_s16be", None, "audio"),
        ("mp4", "mp4", "aac", "libx264", "video"),
        ("mp4", "mp4", None, "libx264", "video"),
        ("mp4", "mp4", "aac", None, "audio"),
        ("mov", "mov", "aac", "libx264", "video"),
        ("matroska", "mkv", "libopus", "libx264", "video"),
        ("webm", "webm", "libopus", "libvpx", "video"),
        ("avi", "avi", "libmp3lame", "mpeg4", "video"),
        ("mpegts", "ts", "aac", "libx264", "video"),
        ("flv", "flv", "aac", "libx264", "video"),
    ],
)
def test_duration_and_streams_of_each_container(
    tmp_path: Path, format: str, suffix: str, audio: str | None, video: str | None, media_type: str
) -> None:
    path = tmp_path / f"a.{suffix}"
    encode(str(path), format=format, audio=audio, video=video, seconds=3.0)
    facts = probe(path)
    assert (facts.media_type, facts.has_audio, facts.has_video) == (media_type, audio is not None, video is not None)
    assert facts.duration_s == pytest.approx(3.0, abs=0.15)
    if video:
        assert (facts.width, facts.height, facts.fps) == (96, 64, pytest.approx(25, rel=0.02))
    else:
        assert (facts.width, facts.height, facts.fps) == (None, None, None)


@pytest.mark.parametrize(
    ("format", "codec", "options"),
    [
        ("adts", "aac", None),  # FFmpeg guesses from the first packets
        ("mp3", "libmp3lame", {"write_xing": "0", "id3v2_version": "0"}),
        ("webm", "libopus", {"live": "1"}),  # says nothing at all
        ("ogg", "libopus", None),
        ("wav", "pcm_s16le", None),  # sizes never filled in
    ],
)
def test_duration_of_a_stream_that_does_not_tell_it(
    tmp_path: Path, format: str, codec: str, options: dict[str, str] | None
) -> None:
    pipe = Pipe()
    encode(pipe, format=format, audio=codec, seconds=30.0, options=options)
    path = tmp_path / "streamed"
    path.write_bytes(pipe.written)
    assert probe(path).duration_s == pytest.approx(30.0, abs=0.15)


def test_a_varying_bit_rate_does_not_bend_the_duration(tmp_path: Path) -> None:
    quiet_then_loud = np.concatenate(
        [np.zeros(20 * RATE_HZ, np.int16), np.random.default_rng(1).integers(-9000, 9000, 20 * RATE_HZ)]
    )
    path = tmp_path / "a.aac"
    with av.open(str(path), "w", format="adts") as container:
        sound = container.add_stream("aac", rate=RATE_HZ, layout="mono")
        for start in range(0, len(quiet_then_loud), 1024):
            frame = av.AudioFrame.from_ndarray(
                quiet_then_loud[None, start : start + 1024].astype("<i2"), format="s16", layout="mono"
            )
            frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, start, Fraction(1, RATE_HZ)
            container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    with av.open(str(path)) as container:
        assert abs(container.duration / 1e6 - 40) > 2, "the container's own guess is good here: the test shows nothing"
    assert probe(path).duration_s == pytest.approx(40.0, abs=0.2)


def test_a_cover_picture_makes_no_video(tmp_path: Path) -> None:
    import struct

    picture = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(picture, "JPEG")
    body = b"\x00image/jpeg\x00\x03\x00" + picture.getvalue()
    frame = b"APIC" + struct.pack(">I", len(body)) + b"\x00\x00" + body
    size = len(frame)
    tag = b"ID3\x03\x00\x00" + bytes((size >> shift) & 0x7F for shift in (21, 14, 7, 0)) + frame
    encode(str(tmp_path / "plain.mp3"), format="mp3", audio="libmp3lame", options={"id3v2_version": "0"}, seconds=4.0)
    (tmp_path / "cover.mp3").write_bytes(tag + (tmp_path / "plain.mp3").read_bytes())
    with av.open(str(tmp_path / "cover.mp3")) as container:
        assert container.streams.video, "the picture was not seen at all: the test shows nothing"
    facts = probe(tmp_path / "cover.mp3")
    assert (facts.media_type, facts.has_video, facts.width) == ("audio", False, None)
    assert facts.duration_s == pytest.approx(4.0, abs=0.15)


def test_the_time_a_container_names_is_utc(tmp_path: Path) -> None:
    encode(str(tmp_path / "a.mp4"), format="mp4", audio="aac", tags={"creation_time": "2026-03-29T01:30:00+02:00"})
    assert probe(tmp_path / "a.mp4").recorded_at == datetime(2026, 3, 28, 23, 30, tzinfo=UTC)
    encode(str(tmp_path / "b.mp4"), format="mp4", audio="aac", tags={"creation_time": "1970-01-01T00:00:10Z"})
    assert probe(tmp_path / "b.mp4").recorded_at is None, "a clock that was never set"
    encode(str(tmp_path / "c.mkv"), format="matroska", audio="libopus", tags={"creation_time": "yesterday"})
    assert probe(tmp_path / "c.mkv").recorded_at is None


def test_an_mp4_cut_short_lasts_as_long_as_what_is_left(tmp_path: Path) -> None:
    whole = sample("012_greeting.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) * 6 // 10])
    left_s, whole_s = probe(tmp_path / "cut.mp4").duration_s, probe(sample("012_greeting.mp4")).duration_s
    assert left_s is not None and whole_s is not None
    assert 0.3 * whole_s < left_s < 0.8 * whole_s


def test_a_wav_cut_short_lasts_as_long_as_what_is_left(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", 4.0)
    path.write_bytes(path.read_bytes()[: 44 + 2 * RATE_HZ])
    assert probe(path).duration_s == 1.0


@pytest.mark.parametrize("format", ["jpeg", "png", "gif", "bmp", "tiff", "webp"])
def test_images(tmp_path: Path, format: str) -> None:
    path = tmp_path / f"frame%03d.{format}"  # a pattern to FFmpeg, a name to us
    Image.new("RGB", (123, 45), "teal").save(path, format.upper())
    assert probe(path) == MediaFacts("image", format, width=123, height=45)


def test_a_moving_gif_is_an_image(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (30, 20), (value, 0, 0)) for value in (0, 90, 180)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=100)
    assert probe(tmp_path / "a.gif") == MediaFacts("image", "gif", width=30, height=20)


@pytest.mark.parametrize("text", ["No.", "Grüße, 世界 \U0001f642\n", "\ufeffwith a byte order mark", "x" * 10_000 + "é" * 60_000])
def test_text(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.TXT").write_text(text, encoding="utf-8")
    assert probe(tmp_path / "a.TXT") == MediaFacts("text", "text")


@pytest.mark.parametrize(("mode", "container"), [("w:gz", "gzip"), ("w:bz2", "bzip2"), ("w:xz", "xz")])
def test_compressed_tar_archives(tmp_path: Path, mode: str, container: str) -> None:
    with tarfile.open(tmp_path / "a", mode) as tar:  # type: ignore[call-overload]
        tar.add(sample("007_diary.txt"), "one.txt")
    assert probe(tmp_path / "a") == MediaFacts("archive", container)


def test_zip_archive(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(sample("007_diary.txt"), "one.txt")
    assert probe(tmp_path / "a.zip") == MediaFacts("archive", "zip")


def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"tone-\xff.wav")
    try:
        write_wav(path, 1.0)
    except (OSError, UnicodeEncodeError):
        pytest.skip("this file system takes UTF-8 names only")
    assert probe(path).duration_s == 1.0
    path.write_bytes(b"")
    refused(path).encode("utf-8")


# ------------------------------------------------------------------------------------------------------------- refusals
def test_missing(tmp_path: Path) -> None:
    assert "does not exist" in refused(tmp_path / "a.wav")
    (tmp_path / "link.wav").symlink_to(tmp_path / "nowhere.wav")
    assert "link to a file that does not exist" in refused(tmp_path / "link.wav")


def test_empty_folder_and_pipe(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    assert "empty (0 bytes)" in refused(tmp_path / "a.wav")
    (tmp_path / "folder.wav").mkdir()
    assert "a folder" in refused(tmp_path / "folder.wav")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.wav")
        assert "pipe" in refused(tmp_path / "pipe.wav")


def test_not_allowed_to_read(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", 1.0)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    assert "cannot be read: Permission denied" in refused(path)


def compressed(compress: Callable[[bytes], bytes]) -> bytes:
    return compress(b"no tar at all")


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.mp4", b"<!DOCTYPE html>\n<html><title>Sign in</title></html>", "HTML page, maybe a saved 'view' link"),
        ("a.wav", b"\xef\xbb\xbf\n <HTML lang=en>", "HTML page"),
        ("a.mp3", b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "an XML document"),
        ("a.txt", b"%PDF-1.7\n%\xe2\xe3", "a PDF document"),
        ("a.wav", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        ("a.wav", bytes(5000), "zeros only"),
        ("a.m3u8", b"#EXTM3U\nfile:///etc/passwd\n", "a playlist"),
        ("a.csv", b"file,participant\na.wav,007\n", "like plain text; only .txt files"),
        ("a.wav", b'{"error": "not found"}', "like JSON"),
        ("a.txt", "no".encode("utf-16"), "UTF-16; save it as UTF-8"),
        ("a.txt", "No, caf\xe9.".encode("latin-1"), "known here; it begins with the bytes 4e 6f"),
        ("a.txt", b"x" * 5000 + b"\xe9", "not UTF-8 text from byte 5,000 on"),
        ("a.txt", b"x" * 5000 + b"\xe2\x82", "not UTF-8 text from byte 5,000 on"),
        ("a.txt", b"\xe2\x82\xac" * 700_000 + b"\xff", "not UTF-8 text from byte 2,100,000 on"),
        ("a.txt", b" \r\n\t", "holds no text"),
        ("a.zip", b"PK\x03\x04" + bytes(100), "cut short"),
        ("a.zip", b"PK\x05\x06" + bytes(18), "nothing in it"),
        ("a.tar.gz", compressed(gzip.compress), "holds no tar archive"),
        ("a.tar.bz2", compressed(bz2.compress), "holds no tar archive"),
        ("a.tar.xz", compressed(lzma.compress), "holds no tar archive"),
        ("a.tar.gz", gzip.compress(bytes(5000))[:20], "broken gzip archive"),
        ("a.wav", b"RIFF\x24\x00\x00\x00WAVEfmt ", "broken, cut short or of an unknown kind"),
        ("a.jpg", b"\xff\xd8\xff\xe0\x00\x10JFIF", "jpeg image"),
        ("a.bin", b"\x01\x02\x03\x04" * 50, "it begins with the bytes 01 02 03 04"),
        ("a.docx", b"PK\x03\x04" + bytes(22) + b"\x13\x00\x00\x00[Content_Types].xml", "an office document"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",  # bytes hold a time when compressed
)
def test_what_a_file_looked_like(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert expected in refused(tmp_path / name)


def test_a_wav_without_samples(tmp_path: Path) -> None:
    assert "holds no samples" in refused(write_wav(tmp_path / "a.wav", 0.0))


def test_an_uncompressed_tar(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.add(sample("007_diary.txt"), "one.txt")
    assert "without compression" in refused(tmp_path / "a.tar")


def test_a_container_of_subtitles_only(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mkv"), "w", format="matroska") as container:
        source = tmp_path / "a.srt"
        source.write_text("1\n00:00:00,000 --> 00:00:02,000\nHello\n")
        with av.open(str(source)) as subtitles:
            stream = container.add_stream_from_template(subtitles.streams[0])
            for packet in subtitles.demux():
                if packet.dts is not None:
                    packet.stream = stream
                    container.mux(packet)
    assert "neither sound nor picture" in refused(tmp_path / "a.mkv")


def test_a_playlist_inside_another_name_opens_nothing(tmp_path: Path) -> None:
    write_wav(tmp_path / "secret.wav", 1.0)
    (tmp_path / "a.wav").write_text(f"ffconcat version 1.0\nfile {tmp_path}/secret.wav\n")
    refused(tmp_path / "a.wav")


@settings(max_examples=150, deadline=None)
@given(st.binary(min_size=1, max_size=6000))
def test_noise_is_refused_and_never_crashes(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "noise.bin"
    path.write_bytes(data)
    try:
        facts = probe(path)
    except UnreadableRecording:
        return
    # A few bytes of luck make an archive or image header; sound and pictures that move need more than luck.
    assert facts.media_type not in ("text", "audio", "video")


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["007_interview.flac", "012_greeting.mp4", "012_interview_2026-10-02_09-30-00.wav"]),
    st.lists(st.tuples(st.integers(0, 60_000), st.integers(0, 255)), max_size=20),
    st.integers(1, 60_000),
)
def test_damaged_recordings_never_crash(
    tmp_path_factory: pytest.TempPathFactory, name: str, changes: list[tuple[int, int]], keep: int
) -> None:
    data = bytearray(sample(name).read_bytes()[:keep])
    for position, value in changes:
        data[position % len(data)] = value
    path = tmp_path_factory.getbasetemp() / f"damaged{Path(name).suffix}"
    path.write_bytes(data)
    try:
        facts = probe(path)
    except UnreadableRecording as error:
        assert str(path) in str(error)
    else:
        assert facts.duration_s is None or facts.duration_s > 0
