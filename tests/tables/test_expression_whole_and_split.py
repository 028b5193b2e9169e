"""From a recording through media, upload and answer to tables: a recording that was split gives what it gives whole."""

from __future__ import annotations

import asyncio
import io
import json
import math
import wave
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from humeanalytics.api.expression import AudioConfig, ExpressionApi, ExpressionLimits, VideoConfig, jpeg, wav
from humeanalytics.media.frames import prepare_frames
from humeanalytics.media.sound import prepare_sound
from humeanalytics.samples import sample
from humeanalytics.sandbox.embedded import Sandbox
from humeanalytics.sandbox.options import SandboxOptions
from humeanalytics.tables.expression import (
    FlattenedExpression,
    Frame,
    Placement,
    Uploaded,
    flatten_saved,
    flatten_uploads,
    looks_like_v1,
)


class Kept:
    """A sink that keeps the whole of what was committed."""

    def __init__(self, answers: list[bytes]) -> None:
        self._answers, self._data = answers, io.BytesIO()

    def write(self, data: bytes, /) -> None:
        self._data.write(data)

    def commit(self) -> None:
        self._answers.append(self._data.getvalue())

    def abort(self) -> None:
        raise AssertionError("an answer was lost")


def talk(pauses_s: list[float], seed: int = 3) -> NDArray[np.int16]:
    """Stretches of something like a voice, 3 to 9 s each, with these pauses between them."""
    draw = np.random.default_rng(seed)
    pieces = []
    for pause_s in pauses_s:
        t = np.arange(int(draw.uniform(3, 9) * 16_000)) / 16_000
        swell = 0.25 * (1 + 0.3 * np.sin(2 * math.pi * draw.uniform(2, 5) * t))
        pieces += [np.sin(2 * math.pi * draw.uniform(90, 220) * t) * swell, np.zeros(int(pause_s * 16_000))]
    return (np.concatenate(pieces) * 32_000).astype("<i2")


def write_wav(path: Path, *channels: NDArray[np.int16]) -> Path:
    with wave.open(str(path), "wb") as out:
        out.setnchannels(len(channels))
        out.setsampwidth(2)
        out.setframerate(16_000)
        out.writeframes(np.stack(channels, 1).tobytes())
    return path


def measured(sandbox: Sandbox, path: Path, folder: Path, longest_s: float, split: bool = False) -> FlattenedExpression:
    """Prepare the sound of a recording, have each chunk measured, and flatten the answers, given in no particular order."""
    folder.mkdir()
    sound = prepare_sound(path, folder, channels="split" if split else "mix", longest_s=longest_s)

    async def uploads() -> list[Uploaded]:
        made = []
        async with ExpressionApi(sandbox.settings, limits=ExpressionLimits(body_bytes=10**9)) as expression:
            for chunk in sound.chunks:
                answers: list[bytes] = []
                file = wav(str(chunk.path), chunk.size_bytes, partial(chunk.path.open, "rb"))
                await expression.measure_audio(file, AudioConfig(), lambda: Kept(answers))  # noqa: B023
                placed = Placement(
                    channel=chunk.channel,
                    chunk=chunk.index,
                    offset_ms=chunk.offset_ms,
                    duration_ms=chunk.duration_s * 1000,
                    begins=chunk.begins,
                    ends=chunk.ends,
                )
                made.append(Uploaded(chunk.path.name, answers[0], placed))
        return made

    made = asyncio.run(uploads())
    flat = flatten_uploads(made[::-1])
    for received, placement in zip(flat.received, [upload.placement for upload in made], strict=True):
        assert received.mismatch(placement) is None
    return flat


def without_hume(table: pa.Table) -> pa.Table:
    return table.select([name for name in table.column_names if not name.startswith("hume_")])


@pytest.fixture(scope="module")
def unlimited() -> Any:
    with Sandbox(options=SandboxOptions(expression_max_body_bytes=None)) as sandbox:
        yield sandbox


def test_a_recording_cut_in_pauses_gives_the_tables_of_the_whole(unlimited: Sandbox, tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", talk([1.5, 0.4, 2.0, 0.6, 3.0, 1.2, 0.3, 1.6, 2.2, 0.5, 1.4, 1.8, 0.7, 2.0, 1.3]))
    whole = measured(unlimited, path, tmp_path / "whole", 780.0)
    split = measured(unlimited, path, tmp_path / "split", 30.0)
    assert (len(whole.received), len(split.received) > 3) == (1, True)
    assert len(whole.tables["audio_measurements"]) > 30 and len(whole.tables["audio_scores"]) > 100
    for name, table in whole.tables.items():
        assert without_hume(split.tables[name]).equals(without_hume(table)), name
    assert split.answers[0].fingerprint == whole.answers[0].fingerprint
    assert split.tables["audio_utterances"]["hume_begin_ms"] != whole.tables["audio_utterances"]["hume_begin_ms"]


def test_without_a_pause_only_what_is_at_a_hard_cut_differs(unlimited: Sandbox, tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", talk([2.0, 0.3, 0.4, 0.3, 0.35, 0.3, 0.4, 0.3, 0.3, 0.4, 2.0, 1.5]))
    whole = measured(unlimited, path, tmp_path / "whole", 780.0)
    split = measured(unlimited, path, tmp_path / "split", 30.0)

    def spoken(flat: FlattenedExpression) -> dict[tuple[float, float], bool]:
        columns = ("begin_s", "end_s", "hard_cut")
        return {
            (b, e): hard for b, e, hard in zip(*(flat.tables["audio_utterances"][c].to_pylist() for c in columns), strict=True)
        }

    cut = {span for span, hard in spoken(split).items() if hard}
    assert cut and not any(spoken(whole).values())
    assert {span for span in spoken(split) if span not in cut} <= set(spoken(whole))
    for span in set(spoken(whole)) - set(spoken(split)):
        assert any(begin < span[1] and span[0] < end for begin, end in cut)


def test_channels_are_told_apart(unlimited: Sandbox, tmp_path: Path) -> None:
    left, right = talk([1.5, 1.5, 2.0, 1.5], 1), talk([2.0, 1.5, 1.2, 1.5], 2)
    size = max(len(left), len(right))
    left, right = (np.pad(sound, (0, size - len(sound))) for sound in (left, right))
    both = measured(unlimited, write_wav(tmp_path / "b.wav", left, right), tmp_path / "both", 780.0, split=True)
    for channel, sound in enumerate((left, right)):
        alone = measured(unlimited, write_wav(tmp_path / f"{channel}.wav", sound), tmp_path / str(channel), 780.0)
        for table, columns in (("audio_utterances", ["begin_s", "end_s"]), ("audio_scores", ["begin_s", "name", "probability"])):
            found = both.tables[table]
            mine = found.filter(pa.compute.equal(found["channel"], channel))
            assert mine.select(columns).equals(alone.tables[table].select(columns))


def test_frames_of_a_film_have_its_times_whatever_request_they_went_in(unlimited: Sandbox, tmp_path: Path) -> None:
    def frames_of(most: int, folder: Path) -> FlattenedExpression:
        folder.mkdir()
        film = prepare_frames(sample("012_greeting.mp4"), folder, most_pictures=most)

        async def uploads() -> list[Uploaded]:
            made, sent, state = [], 0, None
            async with ExpressionApi(unlimited.settings) as expression:
                for pack in film.packs:
                    answers: list[bytes] = []
                    images = [jpeg(f"{pack.index}", data) for data in pack.jpegs()]
                    config = VideoConfig(threshold=0.5, min_size=1, return_face_state=True, face_state=state)
                    await expression.measure_images(images, config, lambda: Kept(answers))  # noqa: B023
                    frames = tuple(
                        Frame(
                            sent + n,
                            picture.time_s,
                            left=picture.region.x,
                            top=picture.region.y,
                            across=picture.region.width / picture.width,
                            down=picture.region.height / picture.height,
                        )
                        for n, picture in enumerate(pack.pictures)
                    )
                    made.append(Uploaded(f"{pack.index}", answers[0], Placement(chunk=pack.index, frames=frames)))
                    state = json.loads(answers[0])["face_state"]
                    sent += len(frames)
            return made

        return flatten_uploads(asyncio.run(uploads()))

    whole, parts = frames_of(600, tmp_path / "whole"), frames_of(12, tmp_path / "parts")
    assert (len(whole.received), len(parts.received) > 1) == (1, True)
    times = whole.tables["video_frames"]["time_s"].to_pylist()
    assert times == sorted(times) and len(times) > 20 and times[-1] > 6
    assert len(whole.tables["video_scores"]) > 20
    for name, table in whole.tables.items():
        assert without_hume(parts.tables[name]).equals(without_hume(table)), name


def test_the_sandbox_answers_are_read_as_saved_ones_too(unlimited: Sandbox, tmp_path: Path) -> None:
    answers: list[bytes] = []
    path = write_wav(tmp_path / "a.wav", talk([1.5, 1.5]))

    async def run() -> None:
        async with ExpressionApi(unlimited.settings) as expression:
            unlimited.set_faults([{"new_names": True}, {"new_fields": True}])
            file = wav("a.wav", path.stat().st_size, partial(path.open, "rb"))
            await expression.measure_audio(file, AudioConfig(), lambda: Kept(answers))

    try:
        asyncio.run(run())
    finally:
        unlimited.set_faults([])
    assert looks_like_v1(answers[0])
    flat = flatten_saved(answers[0])
    triggers = set(flat.tables["audio_measurements"]["trigger"].to_pylist())
    assert triggers - {"interval", "speech_ended"}
    told = json.loads(answers[0])
    listed = sum(len(each["expressions"]) + len(each["voice_attributes"]) for each in told["measurements"])
    assert len(flat.tables["audio_scores"]) >= listed > 0
    beyond = [name for table in flat.tables.values() for name in table.schema.names if (table.schema.field(name).metadata or {})]
    assert beyond or flat.received[0].other
