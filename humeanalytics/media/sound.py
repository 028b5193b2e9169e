"""The sound of a recording, as Hume's v1 takes it: WAV files of 16 bits, 16 kHz, mono, none longer than 780 s."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer

from humeanalytics.errors import UsageError
from humeanalytics.media.chunks import LONGEST_S, Chunk, ChunkWriter
from humeanalytics.media.opening import KnownState, open_recording, promised_more, refused
from humeanalytics.media.pcm import Channels, Samples, heard
from humeanalytics.media.wav import RATE_HZ


@dataclass(frozen=True, slots=True)
class PreparedSound:
    """The whole sound of one recording, on disk.

    Attributes:
        chunks: Channel after channel, each in order of time.
        channels: How many ways the sound was scored: 1 when mixed.
        samples: Length of one channel, at 16 kHz.
        notes: Sentences on what is not as it should be: a file cut short, damaged packets, holes.
    """

    chunks: tuple[Chunk, ...]
    channels: int
    samples: int
    notes: tuple[str, ...]

    @property
    def duration_s(self) -> float:
        return self.samples / RATE_HZ


def prepare_sound(
    path: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    channels: Channels = "mix",
    longest_s: float = LONGEST_S,
    known: KnownState | None = None,
) -> PreparedSound:
    """Convert the sound of a recording into WAV files under ``folder``, which must exist and be this recording's own.

    Each file is read back and verified. When anything goes wrong, none is left.

    Args:
        path: Audio or video, in any container and codec that FFmpeg knows.
        channels: ``"mix"`` scores all channels as one sound (see `humeanalytics.media.pcm.heard` for how they are mixed);
            ``"split"`` scores each as a speaker of its own, and Hume bills each.
        longest_s: Longer sound is cut, in silence where there is any (see `humeanalytics.media.silence.find_cut`).
        known: Size and time of change that the file had when its digest was taken.

    Raises:
        UnreadableRecording: No sound in it, or none that can be decoded; broken; changed while it was read.
        DiskFull: No room in ``folder``.

    Examples:
        >>> import tempfile
        >>> from humeanalytics.samples import sample
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     sound = prepare_sound(sample("012_greeting.mp4"), folder)
        ...     [(chunk.offset_s, chunk.samples, chunk.ends) for chunk in sound.chunks], sound.notes
        ([(0.0, 126976, 'recording')], ())
    """
    notes: list[str] = []
    chunks: list[Chunk] = []
    try:
        chunks.extend(sound_chunks(path, folder, notes, channels=channels, longest_s=longest_s, known=known))
    except BaseException:
        for chunk in chunks:
            chunk.path.unlink(missing_ok=True)
        raise
    ways = {chunk.channel for chunk in chunks}
    return PreparedSound(
        tuple(sorted(chunks, key=lambda chunk: (chunk.channel or 0, chunk.index))),
        len(ways),
        sum(chunk.samples for chunk in chunks) // len(ways),
        tuple(notes),
    )


def sound_chunks(
    path: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    notes: list[str],
    *,
    channels: Channels = "mix",
    longest_s: float = LONGEST_S,
    known: KnownState | None = None,
) -> Iterator[Chunk]:
    """Do what `prepare_sound` does, but give each chunk as soon as it is complete, while the rest is still to be decoded.

    Only the end tells whether the file stayed as it was, and fills ``notes``. Chunks of several channels come interleaved.
    """
    if channels not in get_args(Channels):
        raise UsageError(f"Channels are mixed ('mix') or split ('split'), not {channels!r}.")
    writers: list[ChunkWriter] = []
    likeness = _Likeness()
    try:
        with open_recording(path, known) as container:
            stream = _track(container, notes)
            for block in heard(container, stream, channels, notes):
                if not writers:
                    ways = [None] if channels == "mix" else range(len(block))
                    writers.extend(ChunkWriter(Path(folder), way, longest_s) for way in ways)
                likeness.see(block)
                for writer, row in zip(writers, block, strict=True):
                    yield from writer.write(row)
            if not any(writer.heard for writer in writers):
                detail = f" ({notes[0]})" if notes else ""
                raise refused(path, f"holds a track of sound but no sound that can be decoded{detail}")
            _tell_of_length(Path(path), notes)
        likeness.tell(notes)
        for writer in writers:
            yield from writer.finish()
    finally:
        for writer in writers:
            writer.close()


def _track(container: InputContainer, notes: list[str]) -> AudioStream:
    tracks = [track for track in container.streams.audio if _can_be_decoded(track)]
    if not tracks:
        unknown = "holds a track of sound in a coding unknown here"
        raise refused(container.name, unknown if container.streams.audio else "has no sound, only pictures")
    best = container.streams.best("audio")
    track = next((track for track in tracks if best is not None and track.index == best.index), tracks[0])
    if len(tracks) > 1:
        notes.append(f"It has {len(tracks)} tracks of sound; the one scored is number {tracks.index(track) + 1}.")
    return track


def _can_be_decoded(track: AudioStream) -> bool:
    codec: Any = track.codec_context  # None, whatever its type says, where FFmpeg has no decoder
    return codec is not None and codec.sample_rate > 0


def _tell_of_length(path: Path, notes: list[str]) -> None:
    with path.open("rb") as file:
        if promised_more(file.read(12), path.stat().st_size) and not any(note.startswith("Cut short") for note in notes):
            notes.append("Cut short: the file says of itself that it is longer. What there is was read.")


class _Likeness:
    """Whether two channels hold one and the same sound, which would be billed twice."""

    def __init__(self) -> None:
        self._alike: bool | None = None

    def see(self, block: Samples) -> None:
        if self._alike is not False and block.size:
            self._alike = len(block) == 2 and bool(np.array_equal(block[0], block[1]))

    def tell(self, notes: list[str]) -> None:
        if self._alike:
            notes.append("Both channels hold the same sound: split, it is measured and billed twice.")


def channels_of(path: str | os.PathLike[str]) -> int:
    """Return how many channels the sound of a recording has: what it is billed for when they are split.

    Raises:
        UnreadableRecording: There is no sound in it, or it cannot be opened.
    """
    with open_recording(path) as container:
        return int(_track(container, []).codec_context.layout.nb_channels)
