"""Make the sample recordings of this folder again: ``python data/make_samples.py``.

Needs ``espeak-ng`` on the path and what humeanalytics itself needs (PyAV brings the encoders). Sounds are the same to the
sample for the same espeak-ng; compressed files may differ in their bytes from one build of the encoders to another.
"""

from __future__ import annotations

import io
import math
import subprocess
import wave
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw

FOLDER = Path(__file__).parent
RATE_HZ = 16_000
FRAMES_PER_S = 12
PICTURE_WIDTH, PICTURE_HEIGHT = 320, 240
DRAWN_AT = 3  # times the size, then reduced: smooth edges


@dataclass(frozen=True)
class Line:
    """One sentence: words a minute, pitch 0 to 99 and loudness 0 to 200 as espeak-ng counts them, then a pause."""

    text: str
    words_per_min: int
    pitch: int
    pause_s: float
    loudness: int = 100


ANA, BEN = "en-us+f4", "en-gb-x-rp+m3"  # two voices of espeak-ng

INTERVIEW_007 = (
    Line("Thank you, I am glad to be here.", 165, 55, 0.6),
    Line("When I opened the letter, I could not believe it.", 172, 62, 0.5),
    Line("We won! After three years, we really won!", 190, 78, 1.4, 112),
    Line("To be honest, I was afraid that nobody would come.", 138, 38, 0.7, 80),
    Line("Then the hall filled up, and I felt calm again.", 145, 48, 0.4, 90),
)
INTERVIEW_012 = (
    Line("Well, where should I begin?", 150, 42, 0.8),
    Line("The train was late, and then it was late again.", 178, 52, 0.3, 105),
    Line("I was so angry that I walked home in the rain.", 185, 60, 1.6, 112),
    Line("My neighbour had left soup at the door.", 140, 40, 0.5, 85),
    Line("That was kind. I laughed, all by myself, in the kitchen.", 158, 50, 0.4),
)
GREETING_012 = (
    Line("Hello! It is good to see you.", 160, 55, 0.7, 105),
    Line("Oh, is that really today?", 165, 65, 0.8),
    Line("Then let us begin.", 150, 45, 0.3),
)
DIARY_007 = (
    "The rehearsal went better than I had hoped. In the second half everybody listened to each other, and for a moment "
    "the room was completely still. I was proud of us.\n"
    "Afterwards I could not sleep. I kept wondering whether the new beginning is too slow.\n"
)
DIARY_012 = (
    "No letter today either. I have stopped looking out of the window, which helps a little.\n"
    "The dog next door has learned to open the gate. It came in, lay down under the table and refused to leave. "
    "I have not laughed like that for weeks!\n"
)


def speak(lines: tuple[Line, ...], voice: str) -> np.ndarray:
    """Return 16-bit samples at `RATE_HZ` of the lines spoken one after the other."""
    pieces = [np.zeros(int(0.4 * RATE_HZ), np.int16)]
    for line in lines:
        command = ["espeak-ng", "-v", voice, "-s", str(line.words_per_min), "-p", str(line.pitch), "-a", str(line.loudness)]
        spoken = subprocess.run([*command, "--stdout", line.text], check=True, capture_output=True).stdout
        pieces += [_resampled(spoken), np.zeros(int(line.pause_s * RATE_HZ), np.int16)]
    return np.concatenate(pieces)


def _resampled(wav: bytes) -> np.ndarray:
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE_HZ)
    with av.open(io.BytesIO(wav)) as container:
        frames = [out for frame in container.decode(audio=0) for out in resampler.resample(frame)]
    return np.concatenate([frame.to_ndarray()[0] for frame in (*frames, *resampler.resample(None))])


def write_wav(path: Path, samples: np.ndarray) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(samples.astype("<i2").tobytes())


def _sound_frames(samples: np.ndarray, size: int) -> list[av.AudioFrame]:
    frames = []
    for start in range(0, len(samples), size):
        frame = av.AudioFrame.from_ndarray(samples[None, start : start + size], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, start, Fraction(1, RATE_HZ)
        frames.append(frame)
    return frames


def write_flac(path: Path, samples: np.ndarray) -> None:
    with av.open(str(path), "w", format="flac", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("flac", rate=RATE_HZ, layout="mono", format="s16", options={"compression_level": "8"})
        for frame in _sound_frames(samples, 4096):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def draw_face(t_s: float, loudness: float, mood: float) -> Image.Image:
    """Draw a face that blinks, sways, opens its mouth with the voice, and smiles (``mood`` 1) or does not (-1)."""
    s = DRAWN_AT
    picture = Image.new("RGB", (PICTURE_WIDTH * s, PICTURE_HEIGHT * s), "#20324a")
    draw = ImageDraw.Draw(picture)
    centre_x, centre_y = (160 + 4 * math.sin(0.9 * t_s)) * s, (122 + 2 * math.sin(1.7 * t_s)) * s

    def oval(x: float, y: float, w: float, h: float, fill: str) -> None:
        draw.ellipse((centre_x + (x - w) * s, centre_y + (y - h) * s, centre_x + (x + w) * s, centre_y + (y + h) * s), fill=fill)

    oval(0, 138, 92, 62, "#3f6f8f")  # shoulders
    oval(0, -14, 66, 82, "#3b2a20")  # hair
    oval(0, 4, 58, 74, "#e0ac86")
    eye_height = 1.2 if t_s % 2.6 > 2.45 else 8 + 3 * max(0.0, mood) * loudness
    for side in (-23, 23):
        oval(side, -10, 11, eye_height, "#ffffff")
        oval(side + 2 * math.sin(0.9 * t_s), -10, 4.5, min(5.0, eye_height), "#2b2018")
        brow_y = -30 - 5 * mood * loudness
        draw.line(
            (centre_x + (side - 12) * s, centre_y + brow_y * s, centre_x + (side + 12) * s, centre_y + (brow_y - 1) * s),
            fill="#3b2a20",
            width=4 * s,
        )
    oval(0, 10, 5, 7, "#cf946c")
    corners = 9 * mood
    mouth = [(centre_x + x * s, centre_y + (40 + corners * (1 - (x / 24) ** 2) - corners / 2) * s) for x in range(-24, 25, 2)]
    lower = [(x, y + 22 * loudness * (1 - ((x - centre_x) / (24 * s)) ** 2) * s) for x, y in reversed(mouth)]
    draw.polygon(mouth + lower, fill="#6b1f24")
    draw.line(mouth, fill="#a8443f", width=4 * s)
    return picture.resize((PICTURE_WIDTH, PICTURE_HEIGHT), Image.Resampling.LANCZOS)


def write_video(path: Path, samples: np.ndarray, recorded_at: str) -> None:
    duration_s = len(samples) / RATE_HZ
    with av.open(str(path), "w", options={"movflags": "+faststart", "fflags": "+bitexact"}) as container:
        container.metadata["creation_time"] = recorded_at
        video = container.add_stream("libx264", rate=FRAMES_PER_S, options={"crf": "28", "preset": "veryslow"})
        video.width, video.height, video.pix_fmt = PICTURE_WIDTH, PICTURE_HEIGHT, "yuv420p"
        sound = container.add_stream("aac", rate=RATE_HZ, layout="mono", bit_rate=48_000)
        for number in range(math.ceil(duration_s * FRAMES_PER_S)):
            t_s = number / FRAMES_PER_S
            heard = samples[int(t_s * RATE_HZ) : int((t_s + 1 / FRAMES_PER_S) * RATE_HZ)].astype(float)
            loudness = min(1.0, math.sqrt(float(np.mean(heard**2))) / 4000) if len(heard) else 0.0
            mood = math.cos(2 * math.pi * t_s / duration_s)
            frame = av.VideoFrame.from_image(draw_face(t_s, loudness, mood))
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for frame in _sound_frames(samples, 1024):
            container.mux(sound.encode(frame))
        container.mux(sound.encode(None))


def main() -> None:
    recordings, transcripts = FOLDER / "recordings", FOLDER / "transcripts"
    for folder in (recordings, transcripts):
        folder.mkdir(exist_ok=True)
    write_flac(recordings / "007_interview.flac", speak(INTERVIEW_007, ANA))
    write_wav(recordings / "012_interview_2026-10-02_09-30-00.wav", speak(INTERVIEW_012, BEN))
    write_video(recordings / "012_greeting.mp4", speak(GREETING_012, BEN), "2026-10-02T09:15:00Z")
    for stem, lines in (
        ("007_interview", INTERVIEW_007),
        ("012_interview_2026-10-02_09-30-00", INTERVIEW_012),
        ("012_greeting", GREETING_012),
    ):
        text = "".join(f"{line.text}\n" for line in lines)
        (transcripts / f"{stem}.txt").write_text(text, encoding="utf-8", newline="\n")
    (recordings / "007_diary.txt").write_text(DIARY_007, encoding="utf-8", newline="\n")
    (recordings / "012_diary.txt").write_text(DIARY_012, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
