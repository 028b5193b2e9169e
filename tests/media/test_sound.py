"""Any recording becomes plain WAV: the right samples, as many as there should be, each at its time."""

from __future__ import annotations

import hashlib
import os
import sys
import tracemalloc
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from humeanalytics.errors import DiskFull, UnreadableRecording, UsageError
from humeanalytics.media.chunks import Chunk
from humeanalytics.media.sound import PreparedSound, prepare_sound, sound_chunks
from humeanalytics.sandbox.speech import find_speech

RATE_HZ = 16_000
Write = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "prepared"
    made.mkdir()
    return made


def sine(samples: int, rate_hz: int, hz: float = 440.0, level: float = 0.5) -> np.ndarray:
    return level * np.sin(2 * np.pi * hz * np.arange(samples) / rate_hz)


def bursts(duration_s: float, rate_hz: int, *begins_s: float) -> np.ndarray:
    """Half a second of a loud tone at each of some times, and silence else."""
    sound = np.zeros(round(duration_s * rate_hz))
    for begin_s in begins_s:
        first = round(begin_s * rate_hz)
        sound[first : first + rate_hz // 2] = sine(rate_hz // 2, rate_hz)
    return sound


def read(chunk: Chunk) -> np.ndarray:
    with wave.open(str(chunk.path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, RATE_HZ)
        assert file.getnframes() == chunk.samples
        sound = np.frombuffer(file.readframes(chunk.samples), "<i2")
    content = chunk.path.read_bytes()
    assert len(content) == chunk.size_bytes == 44 + 2 * chunk.samples
    assert hashlib.sha256(content).hexdigest() == chunk.sha256
    assert (
        content[12:36] == bytes.fromhex("666d7420 10000000 0100 0100 803e0000 007d0000 0200 1000") and content[36:40] == b"data"
    )
    return sound


def only(sound: PreparedSound) -> np.ndarray:
    (chunk,) = sound.chunks
    assert (chunk.index, chunk.offset, chunk.begins, chunk.ends, chunk.channel) == (0, 0, "recording", "recording", None)
    assert sound.samples == chunk.samples
    return read(chunk)


def begins_s(sound: np.ndarray) -> list[float]:
    return [stretch.begin_ms / 1000 for stretch in find_speech(sound)]


# ------------------------------------------------------------------------------------------------------- sample formats
def test_plain_wav_goes_through_bit_by_bit(write_wav: Write, folder: Path) -> None:
    samples = np.random.default_rng(1).integers(-32768, 32768, 12_345).astype("<i2")
    assert np.array_equal(only(prepare_sound(write_wav(samples, RATE_HZ), folder)), samples)


@pytest.mark.parametrize("kind", ["u1", "<i4", "<f4", "<f8"])
def test_every_kind_of_sample_keeps_its_level(write_wav: Write, folder: Path, kind: str) -> None:
    truth = sine(16_000, RATE_HZ)
    scaled = {"u1": truth * 128 + 128, "<i4": truth * 2**31, "<f4": truth, "<f8": truth}[kind]
    sound = only(prepare_sound(write_wav(np.round(scaled, 9 if "f" in kind else 0).astype(kind), RATE_HZ), folder))
    coarseness = 260 if kind == "u1" else 1
    assert np.abs(sound - truth * 32768).max() <= coarseness


def test_silence_of_8_bits_is_silence(write_wav: Write, folder: Path) -> None:
    assert not only(prepare_sound(write_wav(np.full(8000, 128, "u1"), 8000), folder)).any()


def test_floats_beyond_full_scale_are_clipped_not_wrapped(write_wav: Write, folder: Path) -> None:
    sound = only(prepare_sound(write_wav(np.array([2.5, -2.5, 1.0, -1.0] * 100, "<f4"), RATE_HZ), folder))
    assert sound[:4].tolist() == [32767, -32768, 32767, -32768]


# --------------------------------------------------------------------------------------------------------- rate, length
@pytest.mark.parametrize("rate_hz", [8000, 11_025, 22_050, 32_000, 44_100, 48_000, 96_000])
def test_a_tone_is_resampled_to_itself(write_wav: Write, folder: Path, rate_hz: int) -> None:
    count = 2 * rate_hz + 1237
    sound = only(prepare_sound(write_wav((sine(count, rate_hz) * 32768).round().astype("<i2"), rate_hz), folder))
    assert len(sound) == int(count * RATE_HZ / rate_hz + 0.5)
    inner = slice(200, -200)
    assert np.abs(sound - sine(len(sound), RATE_HZ) * 32768)[inner].max() < 3


@pytest.mark.parametrize(("count", "rate_hz"), [(1, 44_100), (2, 8000), (3, 48_000), (100, 96_000), (44_101, 44_100)])
def test_the_length_is_exact_however_short(write_wav: Write, folder: Path, count: int, rate_hz: int) -> None:
    path = write_wav(np.full(count, 1000, "<i2"), rate_hz)
    expected = int(count * RATE_HZ / rate_hz + 0.5)
    if expected == 0:
        with pytest.raises(UnreadableRecording, match="no sound that can be decoded"):
            prepare_sound(path, folder)
    else:
        assert len(only(prepare_sound(path, folder))) == expected


@pytest.mark.parametrize(
    ("name", "codec", "rate_hz"),
    [
        ("a.m4a", "aac", 44_100),
        ("a.mka", "aac", 48_000),
        ("a.ts", "aac", 48_000),
        ("a.webm", "libopus", 48_000),
        ("a.ogg", "libopus", 48_000),
        ("a.mp3", "libmp3lame", 44_100),
        ("a.flac", "flac", 44_100),
        ("a.aiff", "pcm_s16be", 22_050),
        ("a.au", "pcm_mulaw", 8000),
        ("a.avi", "libmp3lame", 44_100),
    ],
)
def test_sound_stands_at_its_time_whatever_the_coding(
    write_sound: Write, folder: Path, name: str, codec: str, rate_hz: int
) -> None:
    sound = prepare_sound(write_sound(name, bursts(8, rate_hz, 1.0, 4.0, 6.5), rate_hz, codec), folder)
    slack_s = 0.06 if name in ("a.ts", "a.avi") else 0.03  # their encoders' warming up is not marked in the file
    assert begins_s(only(sound)) == pytest.approx([1.0, 4.0, 6.5], abs=slack_s)
    assert sound.duration_s == pytest.approx(8.0, abs=0.08)
    assert sound.notes == ()


def test_silence_alone_is_fine(write_wav: Write, folder: Path) -> None:
    sound = prepare_sound(write_wav(np.zeros(48_000, "<i2"), RATE_HZ), folder)
    assert not only(sound).any()
    assert sound.notes == ()


# ------------------------------------------------------------------------------------------------------------- channels
def test_two_channels_are_mixed_to_their_mean(write_wav: Write, folder: Path) -> None:
    left, right = np.full(16_000, 12_000), sine(16_000, RATE_HZ) * 20_000
    sound = only(prepare_sound(write_wav(np.stack([left, right], 1).astype("<i2"), RATE_HZ), folder))
    assert np.abs(sound - (left + right) / 2).max() <= 1


def test_surround_sound_keeps_speech_of_the_centre_and_drops_the_bass(write_sound: Write, folder: Path) -> None:
    heard = []
    for channel in range(6):
        samples = np.zeros((6, 48_000))
        samples[channel] = sine(48_000, 48_000)
        path = write_sound(f"{channel}.flac", samples, 48_000, "flac", layout="5.1")
        heard.append(np.abs(only(prepare_sound(path, folder))[1000:-1000]).max() / 16_384)
    front, centre, bass, back = 1 / np.sqrt(2), 1.0, 0.0, 0.5
    weights = np.array([front, front, centre, bass, back, back])
    assert heard == pytest.approx(list(weights / weights.sum()), abs=0.002)


def test_surround_sound_at_full_scale_is_not_clipped(write_sound: Write, folder: Path) -> None:
    samples = np.tile(sine(48_000, 48_000, level=0.99), (6, 1))
    sound = only(prepare_sound(write_sound("a.flac", samples, 48_000, "flac", layout="5.1"), folder))
    assert np.abs(sound[500:-500] - sine(16_000, RATE_HZ, level=0.99)[500:-500] * 32768).max() < 3


def test_channels_without_names_are_mixed_to_their_mean(write_wav: Write, folder: Path) -> None:
    for levels in ((1000, 2000, 4000, 9000, 12_000), range(1000, 17_000, 1000)):
        microphones = np.stack([np.full(4800, level) for level in levels], 1).astype("<i2")
        sound = only(prepare_sound(write_wav(microphones, RATE_HZ), folder))
        assert np.abs(sound - np.mean(levels)).max() <= 1


@pytest.mark.parametrize("count", [1, 2, 3, 6, 16])
def test_split_channels_are_each_as_they_were(write_wav: Write, folder: Path, count: int) -> None:
    samples = np.random.default_rng(2).integers(-30_000, 30_000, (20_000, count)).astype("<i2")
    sound = prepare_sound(write_wav(samples, RATE_HZ), folder, channels="split")
    assert [chunk.channel for chunk in sound.chunks] == list(range(count))
    assert (sound.channels, sound.samples) == (count, 20_000)
    for chunk, truth in zip(sound.chunks, samples.T, strict=True):
        assert np.array_equal(read(chunk), truth)


def test_channels_of_surround_sound_are_split_without_mixing(write_sound: Write, folder: Path) -> None:
    samples = np.stack([sine(44_100, 44_100, hz=200.0 + 100 * channel) for channel in range(6)])
    sound = prepare_sound(write_sound("a.flac", samples, 44_100, "flac", layout="5.1"), folder, channels="split")
    for channel, chunk in enumerate(sound.chunks):
        truth = sine(16_000, RATE_HZ, hz=200.0 + 100 * channel) * 32768
        assert np.abs(read(chunk) - truth)[200:-200].max() < 4


def test_one_voice_on_both_channels_is_told(write_wav: Write, folder: Path) -> None:
    voice = (sine(16_000, RATE_HZ) * 9000).astype("<i2")
    doubled = prepare_sound(write_wav(np.stack([voice, voice], 1), RATE_HZ), folder, channels="split")
    assert any("billed twice" in note for note in doubled.notes)
    two = prepare_sound(write_wav(np.stack([voice, voice[::-1]], 1), RATE_HZ), folder, channels="split")
    assert two.notes == ()


# ----------------------------------------------------------------------------------------------------------------- time
def test_sound_that_begins_after_the_pictures_is_put_at_its_time(write_sound: Write, folder: Path) -> None:
    sound = bursts(3, 48_000, 0.5)
    path = write_sound("a.mkv", sound, 48_000, "pcm_s16le", starts=[(1.25, 0, len(sound))], film_s=5)
    prepared = prepare_sound(path, folder)
    assert prepared.samples == round(4.25 * RATE_HZ)
    assert begins_s(only(prepared)) == pytest.approx([1.75], abs=0.002)


def test_a_hole_in_the_time_stamps_is_filled_with_silence(write_sound: Write, folder: Path) -> None:
    sound = bursts(4, 48_000, 0.5, 2.5)
    path = write_sound("a.mka", sound, 48_000, "pcm_s16le", starts=[(0.0, 0, 96_000), (7.0, 96_000, 192_000)])
    prepared = prepare_sound(path, folder)
    assert begins_s(only(prepared)) == pytest.approx([0.5, 7.5], abs=0.002)
    assert prepared.duration_s == pytest.approx(9.0, abs=0.002)
    assert prepared.notes == ("5.0 s of silence stand for a hole in the sound.",)


def test_sound_that_begins_much_later_is_told(write_sound: Write, folder: Path) -> None:
    sound = bursts(2, 8000, 0.5)
    path = write_sound("a.mkv", sound, 8000, "pcm_s16le", starts=[(90.0, 0, len(sound))], film_s=92)
    prepared = prepare_sound(path, folder)
    assert begins_s(only(prepared)) == pytest.approx([90.5], abs=0.002)
    assert prepared.notes == ("The sound begins 90 s after the pictures; until then there is silence.",)


@pytest.mark.parametrize(("hole_s", "filled"), [(590, True), (700, False), (90_000, False)])
def test_a_damaged_time_stamp_does_not_make_hours_of_silence(
    write_sound: Write, folder: Path, hole_s: float, filled: bool
) -> None:
    sound = bursts(4, 8000, 0.5, 2.5)
    path = write_sound("a.mka", sound, 8000, "pcm_s16le", starts=[(0.0, 0, 16_000), (2 + hole_s, 16_000, 32_000)])
    prepared = prepare_sound(path, folder)
    later_s = 2.5 + (hole_s if filled else 0)
    assert begins_s(only(prepared)) == pytest.approx([0.5, later_s], abs=0.002)
    (note,) = (note for note in prepared.notes if not note.startswith("Cut short"))
    assert note.startswith("590.0 s of silence" if filled else "The time stamps of the sound jump once")


def test_long_holes_in_a_long_recording_are_believed(write_sound: Write, folder: Path) -> None:
    sound = np.tile(bursts(100, 8000, 0.5), 2)
    path = write_sound("a.mka", sound, 8000, "pcm_s16le", starts=[(0.0, 0, 800_000), (900.0, 800_000, 1_600_000)])
    chunks = prepare_sound(path, folder).chunks
    assert [stretch.begin_ms + chunk.offset_ms for chunk in chunks for stretch in find_speech(read(chunk))] == [500, 900_500]


def test_rounded_time_stamps_are_no_holes(write_sound: Write, folder: Path) -> None:
    count = 44_100 * 4
    path = write_sound("a.mka", sine(count, 44_100), 44_100, "pcm_s16le")  # Matroska rounds each to a millisecond
    sound = prepare_sound(path, folder)
    assert sound.samples == round(count * RATE_HZ / 44_100)
    assert sound.notes == ()


def test_time_stamps_that_jump_back_are_told_and_no_sound_is_lost(write_sound: Write, folder: Path) -> None:
    first = write_sound("a.ts", bursts(4, 48_000, 3.0), 48_000, "aac")
    second = write_sound("b.ts", bursts(4, 48_000, 1.0), 48_000, "aac")
    joined = first.with_name("joined.ts")
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    prepared = prepare_sound(joined, folder)
    assert begins_s(only(prepared)) == pytest.approx([3.0, 5.0], abs=0.15)
    assert prepared.duration_s == pytest.approx(8.0, abs=0.2)


# ------------------------------------------------------------------------------------------------------------ splitting
def talk(duration_s: float, pauses_s: list[tuple[float, float]], seed: int = 3) -> np.ndarray:
    """Loud noise with silences (beginning and length in seconds)."""
    sound = np.random.default_rng(seed).normal(0, 4000, int(duration_s * RATE_HZ)).clip(-30_000, 30_000).astype("<i2")
    for begin_s, length_s in pauses_s:
        sound[int(begin_s * RATE_HZ) : int((begin_s + length_s) * RATE_HZ)] = 0
    return sound


def test_chunks_join_to_the_whole_and_speech_keeps_its_times(write_wav: Write, folder: Path) -> None:
    whole = talk(100, [(5.0, 0.4), (12.3, 1.5), (25.0, 2.0), (27.5, 1.2), (49.9, 1.1), (71.3, 3.0), (80.0, 0.9)])
    sound = prepare_sound(write_wav(whole, RATE_HZ), folder, longest_s=30)
    assert [chunk.index for chunk in sound.chunks] == list(range(len(sound.chunks)))
    assert np.array_equal(np.concatenate([read(chunk) for chunk in sound.chunks]), whole)
    assert all(chunk.offset % 16 == 0 and chunk.duration_s <= 30 for chunk in sound.chunks)
    assert sum(chunk.samples for chunk in sound.chunks[:2]) == sound.chunks[2].offset
    assert [chunk.ends for chunk in sound.chunks] == ["silence", "silence", "silence", "recording"]
    assert [chunk.begins for chunk in sound.chunks] == ["recording", "silence", "silence", "silence"]
    assert [chunk.offset_s for chunk in sound.chunks] == [0, 26.0, 50.45, 72.8]
    found = [
        (stretch.begin_ms + chunk.offset_ms, stretch.end_ms + chunk.offset_ms)
        for chunk in sound.chunks
        for stretch in find_speech(read(chunk))
    ]
    assert found == [(stretch.begin_ms, stretch.end_ms) for stretch in find_speech(whole)]


def test_a_cut_in_speech_is_flagged_on_both_sides(write_wav: Write, folder: Path) -> None:
    whole = talk(50, [(25.0, 0.3)])
    first, second = prepare_sound(write_wav(whole, RATE_HZ), folder, longest_s=30).chunks
    assert (first.ends, second.begins, second.ends) == ("hard", "hard", "recording")
    assert first.duration_s == pytest.approx(25.15, abs=0.06), "it goes to the quietest point"


def test_780_s_stay_whole_and_a_sample_more_does_not(write_wav: Write, folder: Path) -> None:
    path = write_wav(np.zeros(780 * RATE_HZ, "<i2"), RATE_HZ)
    assert [chunk.samples for chunk in prepare_sound(path, folder).chunks] == [780 * RATE_HZ]
    path = write_wav(np.zeros(780 * RATE_HZ + 1, "<i2"), RATE_HZ)
    chunks = prepare_sound(path, folder).chunks
    assert len(chunks) == 2 and chunks[1].duration_s >= 10, "Hume bills 10 s at least"
    assert all(chunk.size_bytes <= 24_960_044 for chunk in chunks)


def test_each_channel_is_cut_in_its_own_silence(write_wav: Write, folder: Path) -> None:
    left, right = talk(45, [(22.0, 2.0)]), talk(45, [(14.0, 2.0)], seed=4)
    sound = prepare_sound(write_wav(np.stack([left, right], 1), RATE_HZ), folder, channels="split", longest_s=30)
    assert [(chunk.channel, chunk.offset_s, chunk.ends) for chunk in sound.chunks] == [
        (0, 0.0, "silence"),
        (0, 23.0, "recording"),
        (1, 0.0, "silence"),
        (1, 15.0, "recording"),
    ]
    assert np.array_equal(np.concatenate([read(chunk) for chunk in sound.chunks[2:]]), right)


def test_chunks_come_while_the_rest_is_still_to_be_decoded(write_wav: Write, folder: Path) -> None:
    chunks = sound_chunks(write_wav(talk(100, [(25, 2)]), RATE_HZ), folder, [], longest_s=30)
    first = next(chunks)
    assert first.offset == 0 and read(first).size
    chunks.close()
    assert [path.name for path in folder.iterdir()] == [first.path.name], "what was not complete is gone"


def test_memory_does_not_grow_with_the_recording(write_wav: Write, folder: Path) -> None:
    peaks = []
    for minutes in (30, 60):
        path = write_wav(np.tile(np.frombuffer(b"\x80\x90\x70", "u1"), minutes * 60 * 4000 // 3), 4000)
        tracemalloc.start()
        for chunk in sound_chunks(path, folder, []):
            chunk.path.unlink()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0] < 80_000_000


def test_other_words_for_channels_are_refused(write_wav: Write, folder: Path) -> None:
    with pytest.raises(UsageError, match="'mix'"):
        prepare_sound(write_wav(np.zeros(16_000, "<i2"), RATE_HZ), folder, channels="stereo")  # type: ignore[arg-type]


def test_chunks_too_short_to_be_cut_are_refused(write_wav: Write, folder: Path) -> None:
    with pytest.raises(UsageError, match="30 s"):
        prepare_sound(write_wav(np.zeros(16_000, "<i2"), RATE_HZ), folder, longest_s=5)


# ------------------------------------------------------------------------------------------------------------ bad input
def test_a_film_without_sound_says_so(write_film: Write, folder: Path) -> None:
    path = write_film("silent.mkv", [(0.0, np.zeros((48, 64, 3), np.uint8))])
    with pytest.raises(UnreadableRecording, match=r"silent\.mkv has no sound, only pictures"):
        prepare_sound(path, folder)


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("empty.wav", b"", "is empty"),
        (
            "noise.mp3",
            bytes(np.random.default_rng(5).integers(1, 255, 50_000, dtype=np.uint8)),
            "broken, cut short or of an unknown",
        ),
        ("notes.txt", b"Dear diary", "is of the kind text"),
        ("page.wav", b"<!doctype html><html>", "HTML page"),
        ("zeros.wav", bytes(10_000), "zeros only"),
        ("photo.wav", b"\xff\xd8\xff\xe0" + bytes(100), "begins like a jpeg image"),
    ],
)
def test_what_is_no_sound_is_named(tmp_path: Path, folder: Path, name: str, content: bytes, what: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UnreadableRecording, match=what) as raised:
        prepare_sound(path, folder)
    assert raised.value.item == str(path)
    assert list(folder.iterdir()) == []


def test_a_missing_file_is_named(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(UnreadableRecording, match=r"gone\.wav does not exist"):
        prepare_sound(tmp_path / "gone.wav", folder)


@pytest.mark.parametrize("rate_hz", [1, 999, 1_526_774_656])
def test_a_rate_nobody_records_at_is_a_damaged_header(write_wav: Write, folder: Path, rate_hz: int) -> None:
    with pytest.raises(UnreadableRecording, match="samples a second: its header is damaged"):
        prepare_sound(write_wav(np.zeros(40_000, "u1"), rate_hz), folder)


def test_a_header_alone_holds_no_sound(write_wav: Write, folder: Path) -> None:
    with pytest.raises(UnreadableRecording):
        prepare_sound(write_wav(np.zeros(0, "<i2"), RATE_HZ), folder)
    assert list(folder.iterdir()) == []


def test_a_film_without_its_table_of_contents_is_broken(write_sound: Write, folder: Path) -> None:
    path = write_sound("a.m4a", bursts(8, 44_100, 1.0), 44_100, "aac")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UnreadableRecording, match="broken, cut short"):
        prepare_sound(path, folder)


def test_a_wav_cut_short_gives_what_there_is_and_a_warning(write_wav: Write, folder: Path) -> None:
    samples = talk(4, [])
    path = write_wav(samples, RATE_HZ)
    path.write_bytes(path.read_bytes()[: 44 + 2 * 40_001 + 1])
    prepared = prepare_sound(path, folder)
    assert np.array_equal(only(prepared), samples[:40_001])
    assert len(prepared.notes) == 1 and prepared.notes[0].startswith("Cut short")


def test_a_wav_whose_recorder_never_came_back_to_its_sizes_is_whole(write_wav: Write, folder: Path) -> None:
    samples = talk(2, [])
    for size in (b"\x00\x00\x00\x00", b"\xff\xff\xff\xff"):
        path = write_wav(samples, RATE_HZ)
        content = path.read_bytes()
        path.write_bytes(content[:4] + size + content[8:40] + size + content[44:])
        prepared = prepare_sound(path, folder)
        assert np.array_equal(only(prepared), samples)
        assert prepared.notes == ()


@pytest.mark.parametrize("name", ["a.m4a", "a.mka", "a.flac", "a.mp3"])
def test_a_coded_sound_cut_short_gives_what_there_is_and_a_warning(write_sound: Write, folder: Path, name: str) -> None:
    codec = {"a.flac": "flac", "a.mp3": "libmp3lame"}.get(name, "aac")
    options = {"movflags": "+faststart"} if name == "a.m4a" else None
    path = write_sound(name, bursts(20, 44_100, 2.0, 15.0), 44_100, codec, options=options)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    prepared = prepare_sound(path, folder)
    assert begins_s(only(prepared)) == pytest.approx([2.0], abs=0.03)
    assert any(note.startswith("Cut short: 20") for note in prepared.notes)


def test_damage_is_told_and_what_follows_keeps_its_time(write_sound: Write, folder: Path) -> None:
    rng = np.random.default_rng(6)
    sound = bursts(20, 48_000, 2.0, 15.0) + rng.normal(0, 0.0005, 20 * 48_000)
    path = write_sound("a.mka", sound, 48_000, "aac")
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 3000] = rng.bytes(3000)
    path.write_bytes(content)
    prepared = prepare_sound(path, folder)
    found = begins_s(only(prepared))
    assert (found[0], found[-1]) == pytest.approx((2.0, 15.0), abs=0.15)
    assert prepared.notes


def test_a_file_that_changes_while_it_is_read_is_refused(write_wav: Write, folder: Path) -> None:
    path = write_wav(talk(100, [(25, 2)]), RATE_HZ)
    chunks = sound_chunks(path, folder, [], longest_s=30)
    next(chunks)
    with path.open("ab") as file:
        file.write(b"more")
    with pytest.raises(UnreadableRecording, match="changed while it was read"):
        list(chunks)


def test_a_file_that_is_not_what_was_taken_in_is_refused(write_wav: Write, folder: Path) -> None:
    path = write_wav(talk(1, []), RATE_HZ)
    known = (path.stat().st_size, path.stat().st_mtime_ns)
    prepare_sound(path, folder, known=known)
    os.utime(path, ns=(0, known[1] + 1_000_000_000))
    with pytest.raises(UnreadableRecording, match="changed since it was taken in"):
        prepare_sound(path, folder, known=known)


def test_split_channels_must_stay_as_many(write_sound: Write, folder: Path) -> None:
    mono = write_sound("a.ts", sine(96_000, 48_000), 48_000, "aac")
    stereo = write_sound("b.ts", np.stack([sine(96_000, 48_000)] * 2), 48_000, "aac", layout="stereo")
    joined = mono.with_name("joined.ts")
    joined.write_bytes(mono.read_bytes() + stereo.read_bytes())
    assert prepare_sound(joined, folder).duration_s == pytest.approx(4.0, abs=0.2)
    with pytest.raises(UnreadableRecording, match="cannot be split"):
        prepare_sound(joined, folder, channels="split")


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
@pytest.mark.parametrize("seconds", [0.01, 4])
def test_a_full_disk_is_told_as_such(write_wav: Write, folder: Path, seconds: float) -> None:
    (folder / "mixed-0000.wav").symlink_to("/dev/full")
    with pytest.raises(DiskFull, match="No space left"):
        prepare_sound(write_wav(talk(seconds, []), RATE_HZ), folder)
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
def test_a_failure_late_leaves_no_chunk(write_wav: Write, folder: Path) -> None:
    (folder / "mixed-0002.wav").symlink_to("/dev/full")
    with pytest.raises(DiskFull):
        prepare_sound(write_wav(talk(100, [(25, 2)]), RATE_HZ), folder, longest_s=30)
    assert list(folder.iterdir()) == []
