"""A sound on disk in pieces that an upload takes, cut where nobody notices."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from humeanalytics.errors import UsageError
from humeanalytics.media.scratch import writing
from humeanalytics.media.silence import LOOKAHEAD_SAMPLES, find_cut
from humeanalytics.media.wav import HEADER_BYTES, RATE_HZ, SAMPLE_BYTES, SAMPLES_PER_MS, header, verified_sha256

#: How a chunk begins or ends: with the recording itself, in silence, or in the middle of sound.
Edge = Literal["recording", "silence", "hard"]

#: 780 s: 24,960,044 bytes, which with the rest of an upload stay below 25 MB.
LONGEST_S = 780.0
_SHORTEST_LIMIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a recording's sound as a WAV file, verified.

    Attributes:
        channel: Which one of a recording that was split, from 0; None where all were mixed.
        index: From 0, within its channel.
        offset: Samples (at 16 kHz) of the recording before the first one here; a multiple of 16.
        samples: How many there are.
        begins, ends: What lies before the first sample and after the last.
        sha256: Of the file as it stands, header and all.
    """

    path: Path
    channel: int | None
    index: int
    offset: int
    samples: int
    begins: Edge
    ends: Edge
    sha256: str

    @property
    def size_bytes(self) -> int:
        return HEADER_BYTES + self.samples * SAMPLE_BYTES

    @property
    def offset_ms(self) -> int:
        """What is to be added to times within the chunk; exact."""
        return self.offset // SAMPLES_PER_MS

    @property
    def offset_s(self) -> float:
        return self.offset / RATE_HZ

    @property
    def duration_s(self) -> float:
        return self.samples / RATE_HZ


class _OnDisk:
    """The samples of an open WAV file, of which stretches are read."""

    def __init__(self, file: BinaryIO, samples: int) -> None:
        self._file, self._samples = file, samples

    def __len__(self) -> int:
        return self._samples

    def __getitem__(self, stretch: slice) -> NDArray[np.int16]:
        begin, end, _ = stretch.indices(self._samples)
        self._file.seek(HEADER_BYTES + begin * SAMPLE_BYTES)
        return np.fromfile(self._file, "<i2", max(end - begin, 0))


class ChunkWriter:
    """Takes the samples of one channel as they come, and gives the chunks as they are complete.

    One chunk lies on disk unfinished, and only while it is cut in memory: however long the recording, no more than
    ``longest_s`` and 10 s of it.
    """

    def __init__(self, folder: Path, channel: int | None, longest_s: float = LONGEST_S) -> None:
        if longest_s < _SHORTEST_LIMIT_S:
            raise UsageError(f"Sound cannot be cut into chunks of {longest_s:g} s: give {_SHORTEST_LIMIT_S:g} s or more.")
        self._folder = folder
        self._channel = channel
        self._limit = int(longest_s * 1000) * SAMPLES_PER_MS
        self._index = self._offset = self._samples = 0
        self._begins: Edge = "recording"
        self._file: BinaryIO | None = None

    def write(self, samples: NDArray[np.int16]) -> Iterator[Chunk]:
        """Add samples, of shape ``(n,)``."""
        self._append(samples)
        while self._samples >= self._limit + LOOKAHEAD_SAMPLES:
            yield from self._cut()

    def finish(self) -> Iterator[Chunk]:
        """Give what is left. Without any sample, that is nothing."""
        while self._samples > self._limit:
            yield from self._cut()
        if self._samples:
            yield self._complete("recording")
        self.close()

    @property
    def heard(self) -> bool:
        """Whether any sample came."""
        return bool(self._offset or self._samples)

    def close(self) -> None:
        """Remove what is not complete."""
        if self._file is not None:
            with contextlib.suppress(OSError):  # of a full disk, which was told already
                self._file.close()
            self._file = None
            self._path.unlink(missing_ok=True)

    @property
    def _path(self) -> Path:
        channel = "mixed" if self._channel is None else f"channel{self._channel}"
        return self._folder / f"{channel}-{self._index:04d}.wav"

    def _cut(self) -> Iterator[Chunk]:
        assert self._file is not None
        sound = _OnDisk(self._file, self._samples)
        cut = find_cut(sound, self._limit)
        beyond = sound[cut.at :]
        with writing(self._path):
            self._file.truncate(HEADER_BYTES + cut.at * SAMPLE_BYTES)
        self._samples = cut.at
        yield self._complete(cut.kind)
        self._append(beyond)

    def _append(self, samples: NDArray[np.int16]) -> None:
        with writing(self._path):
            if self._file is None:
                self._file = self._path.open("w+b")
                self._file.write(header(0))
            self._file.write(np.ascontiguousarray(samples, "<i2").data)
        self._samples += len(samples)

    def _complete(self, ends: Edge) -> Chunk:
        assert self._file is not None
        path, file, self._file = self._path, self._file, None
        with writing(path):
            with file:
                file.seek(0)
                file.write(header(self._samples))
            sha256 = verified_sha256(path, self._samples)
        chunk = Chunk(path, self._channel, self._index, self._offset, self._samples, self._begins, ends, sha256)
        self._offset += self._samples
        self._index += 1
        self._samples, self._begins = 0, ends
        return chunk
