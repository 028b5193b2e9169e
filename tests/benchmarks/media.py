"""Measure how fast recordings are made ready for v1, against FFmpeg's own command line in the same run.

    python tests/benchmarks/media.py sound       # real time factors on one core
    python tests/benchmarks/media.py pictures
    python tests/benchmarks/media.py small       # many short files, one after the other
    python tests/benchmarks/media.py long        # ten hours: duration and peak memory

Prints figures; asserts nothing. Where ``ffmpeg`` is not installed, the peer is the barest loop over PyAV that gives the same.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from humeanalytics.media.frames import prepare_frames
from humeanalytics.media.probe import probe
from humeanalytics.media.sound import prepare_sound

SECONDS = 600
TURNS = 5
LONG = """
import re, sys, time
from pathlib import Path
from humeanalytics.media.sound import sound_chunks
begun, cpu = time.perf_counter(), time.process_time()
notes, samples, count = [], 0, 0
for chunk in sound_chunks(sys.argv[1], sys.argv[2], notes, channels=sys.argv[3]):
    samples, count = samples + chunk.samples, count + 1
    chunk.path.unlink()
took_s, cpu_s = time.perf_counter() - begun, time.process_time() - cpu
status = Path("/proc/self/status")  # what getrusage() says begins with the parent's
peak_mb = int(re.search(r"VmHWM:\\s+(\\d+)", status.read_text())[1]) / 1000 if status.exists() else float("nan")
print(f"{samples / 16000 / 3600:.2f} h in {count} chunks: {took_s:.0f} s ({cpu_s:.0f} s of CPU), peak {peak_mb:.0f} MB", notes)
"""


def one_core() -> None:
    """Keep this process, and those it starts, on one core."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def conversation(seconds: int, rate_hz: int) -> np.ndarray:
    """Two voices of a sort, taking turns, on two channels: shape ``(2, n)``, 16 bits."""
    rng = np.random.default_rng(1)
    time_s = np.arange(seconds * rate_hz) / rate_hz
    hum = 0.3 * np.sin(2 * np.pi * 140 * time_s) + 0.1 * np.sin(2 * np.pi * 1130 * time_s) + rng.normal(0, 0.03, len(time_s))
    left = np.sin(2 * np.pi * time_s / 9) > 0.2
    right = np.sin(2 * np.pi * time_s / 9) < -0.2
    return (np.stack([hum * left, hum * right]) * 30_000).astype(np.int16)


def write_sound(path: Path, sound: np.ndarray, rate_hz: int, codec: str, bit_rate: int) -> None:
    layout = "stereo" if len(sound) == 2 else "mono"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate_hz, layout=layout)
        if bit_rate:
            stream.bit_rate = bit_rate
        for first in range(0, sound.shape[1], 4800):
            piece = np.ascontiguousarray(sound[:, first : first + 4800].T.reshape(1, -1))
            frame = av.AudioFrame.from_ndarray(piece, format="s16", layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = rate_hz, first, Fraction(1, rate_hz)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def best_s(*calls: Callable[[], object]) -> list[float]:
    """The best time of each, in turn, so that whatever else the machine does meets all alike."""
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(TURNS):
        for call, taken in zip(calls, times, strict=True):
            begun = time.perf_counter()
            call()
            taken.append(time.perf_counter() - begun)
    return [min(taken) for taken in times]


def peer_of_sound(source: Path, target: Path) -> None:
    if shutil.which("ffmpeg"):
        command = [
            "ffmpeg",
            "-v",
            "error",
            "-y",
            "-threads",
            "1",
            "-i",
            source,
            "-vn",
            "-ac",
            "1",
            "-ar",
            "16000",
            "-c:a",
            "pcm_s16le",
        ]
        subprocess.run([*command, target], check=True)
        return
    with av.open(str(source)) as container, wave.open(str(target), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        resampler = av.AudioResampler(format="s16", layout="mono", rate=16_000)
        for frame in container.decode(audio=0):
            for piece in resampler.resample(frame):
                file.writeframes(piece.to_ndarray().tobytes())
        for piece in resampler.resample(None):
            file.writeframes(piece.to_ndarray().tobytes())


def sound(folder: Path) -> None:
    one_core()
    kinds = [
        ("WAV, 16 kHz, mono", "a.wav", 16_000, 1, "pcm_s16le", 0),
        ("WAV, 48 kHz, stereo", "b.wav", 48_000, 2, "pcm_s16le", 0),
        ("AAC, 44.1 kHz, mono, 64 kbit/s", "c.m4a", 44_100, 1, "aac", 64_000),
        ("AAC, 48 kHz, stereo, 128 kbit/s", "d.m4a", 48_000, 2, "aac", 128_000),
        ("MP3, 44.1 kHz, stereo, 128 kbit/s", "e.mp3", 44_100, 2, "libmp3lame", 128_000),
        ("Opus, 48 kHz, stereo, 64 kbit/s", "f.webm", 48_000, 2, "libopus", 64_000),
        ("FLAC, 44.1 kHz, stereo", "g.flac", 44_100, 2, "flac", 0),
    ]
    print(f"{SECONDS} s of sound, one core, best of {TURNS} | times real time | peer | ratio | split by channel")
    for name, file, rate_hz, channels, codec, bit_rate in kinds:
        path, prepared = folder / file, folder / f"{file}.prepared"
        prepared.mkdir()
        write_sound(path, conversation(SECONDS, rate_hz)[:channels], rate_hz, codec, bit_rate)
        ours, peer, split = best_s(
            lambda path=path, prepared=prepared: prepare_sound(path, prepared),
            lambda path=path: peer_of_sound(path, folder / "peer.wav"),
            lambda path=path, prepared=prepared: prepare_sound(path, prepared, channels="split"),
        )
        print(f"{name} | {SECONDS / ours:.0f} | {SECONDS / peer:.0f} | {ours / peer:.2f} | {SECONDS / split:.0f}", flush=True)


def pictures(folder: Path) -> None:
    one_core()
    print("a film of 20 s at 30 frames a second, one core | frames at 3 a second | ms of all | peer | ratio")
    for width, height in ((1280, 720), (1920, 1080)):
        path, prepared = folder / f"{height}.mp4", folder / f"{height}.prepared"
        prepared.mkdir()
        write_film(path, width, height, 600)
        found = prepare_frames(path, prepared).frames

        def peer(path: Path = path) -> None:
            command = ["ffmpeg", "-v", "error", "-y", "-threads", "1", "-i", path, "-vf", "fps=3", "-q:v", "4"]
            subprocess.run([*command, folder / "peer%04d.jpg"], check=True)

        calls = [lambda path=path, prepared=prepared: prepare_frames(path, prepared), *([peer] if shutil.which("ffmpeg") else [])]
        ours, *others = best_s(*calls)
        ratio = f"{others[0] * 1000:.0f} | {ours / others[0]:.2f}" if others else "ffmpeg is not installed |"
        print(f"H.264, {width}x{height} | {found} | {ours * 1000:.0f} | {ratio}", flush=True)


def write_film(path: Path, width: int, height: int, frames: int) -> None:
    rng = np.random.default_rng(1)
    room = np.kron(rng.integers(40, 200, (height // 8, width // 8, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(frames):
            picture = np.roll(room, 3 * number, axis=1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")))
        container.mux(stream.encode(None))


def small(folder: Path) -> None:
    one_core()
    path = folder / "a.wav"
    write_sound(path, conversation(30, 16_000)[:1], 16_000, "pcm_s16le", 0)
    prepared = folder / "prepared"
    prepared.mkdir()
    prepare_sound(path, prepared)
    begun = time.perf_counter()
    for _ in range(200):
        prepare_sound(path, prepared)
    took_s = time.perf_counter() - begun
    print(f"200 WAVs of 30 s, 16 kHz mono: {took_s / 200 * 1000:.1f} ms each, {200 * 30 / took_s:.0f} times real time")
    (probed_s,) = best_s(lambda: probe(path))
    print(f"looking at one: {probed_s * 1000:.1f} ms")


def long(folder: Path) -> None:
    for name, rate_hz, channels, way in (("telephone.wav", 8_000, 1, "mix"), ("call.wav", 16_000, 2, "split")):
        path, prepared = folder / name, folder / way
        prepared.mkdir()
        piece = np.ascontiguousarray(conversation(SECONDS, rate_hz)[:channels].T).tobytes()
        with wave.open(str(path), "wb") as file:
            file.setparams((channels, 2, rate_hz, 0, "NONE", ""))
            for _ in range(10 * 3600 // SECONDS):
                file.writeframesraw(piece)
        subprocess.run([sys.executable, "-c", LONG, str(path), str(prepared), way], check=True)
        path.unlink()


def main() -> None:
    measures = {"sound": sound, "pictures": pictures, "small": small, "long": long}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measure", choices=measures)
    with tempfile.TemporaryDirectory() as temporary:
        measures[parser.parse_args().measure](Path(temporary))


if __name__ == "__main__":
    main()
