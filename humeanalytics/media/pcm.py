"""Sound out of a container: 16-bit samples at 16 kHz, each at the time at which the recording has it.

Time 0 is where the recording begins, pictures or sound, whichever comes first. Where a track starts later, or its time stamps
leave a hole (packets that were lost or damaged, a call on hold), silence takes the place: what is said afterwards is found
at its time. Time stamps that jump back, or so far ahead that they cannot be meant, are not followed.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Literal

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.filter import Graph
from numpy.typing import NDArray

from humeanalytics.media.opening import begin_us, note_if_short, packets_of, refused
from humeanalytics.media.wav import RATE_HZ

Channels = Literal["mix", "split"]
#: One row a channel.
Samples = NDArray[np.int16]

_BLOCK_SAMPLES = RATE_HZ
#: Time stamps are rounded, to milliseconds in some containers and to whole packets in others: less than this is no hole.
_TOLERANCE_SAMPLES = RATE_HZ // 10
#: Silence is paid for, and a damaged time stamp may ask for years of it. So holes are filled up to ten minutes all told,
#: and nine times what could be heard besides, as in a call of which only speech was stored; ...
_PLAUSIBLE_SAMPLES = 600 * RATE_HZ
_PLAUSIBLE_TIMES_HEARD = 9
#: ... one up to an hour; and a track starts up to four hours after the other.
_LONGEST_HOLE_SAMPLES = 3600 * RATE_HZ
_LATEST_START_SAMPLES = 4 * 3600 * RATE_HZ
_PLAUSIBLE_RATES_HZ = range(1000, 1_000_001)
_NOTEWORTHY_SAMPLES = 60 * RATE_HZ
#: A resampler gives a sample more or less than is due; of a sound shorter than its filter, it gives nothing.
_RESAMPLER_SLACK_SAMPLES = 64


def heard(container: InputContainer, stream: AudioStream, channels: Channels, notes: list[str]) -> Iterator[Samples]:
    """Yield the sound of a track in blocks of shape ``(channels, n)``, 16 bits at 16 kHz.

    ``"mix"`` gives one row. Of one or two channels it is their mean. Of a layout with names it is FFmpeg's downmix, scaled so
    that it cannot clip: in 5.1 centre 0.29, left and right 0.21 each, surrounds 0.15 each, nothing of the bass channel. Of
    more channels without names (the microphones of a field recorder) it is their mean. ``"split"`` gives each channel as it is.

    The number of samples is that of the recording at 16 kHz, rounded to the nearest. ``notes`` takes a sentence for whatever
    is not as it should be: damaged packets, holes, jumps, a track that ends early.

    Raises:
        UnreadableRecording: With ``"split"``, the number of channels changes on the way.
    """
    clock = _Clock(container, stream, notes)
    segment: _Segment | None = None
    for frame in _decoded(container, stream, notes):
        if frame.sample_rate not in _PLAUSIBLE_RATES_HZ:
            raise refused(container.name, f"says it has {frame.sample_rate:,} samples a second: its header is damaged")
        missing = clock.missing_before(frame, segment.now if segment else 0, first=segment is None)
        if segment is None or missing or not segment.takes(frame):
            ended, segment = segment, _Segment(frame, channels, (segment.now if segment else 0) + missing)
            if ended is not None:
                yield ended.finish()
                if ended.rows != segment.rows:
                    change = f"has {ended.rows} channels up to {ended.now / RATE_HZ:.1f} s and then {segment.rows}"
                    raise refused(container.name, f"{change}, so they cannot be split; mix them")
            yield from _silence(segment.rows, missing)
        yield from segment.feed(frame)
    if segment is not None:
        yield segment.finish()
        note_if_short("sound", container, stream, segment.now / RATE_HZ, notes)
    clock.tell()


def _decoded(container: InputContainer, stream: AudioStream, notes: list[str]) -> Iterator[AudioFrame]:
    damaged = 0
    for packet in packets_of(container, stream, notes):
        try:
            yield from packet.decode()
        except av.FFmpegError:
            damaged += 1
    if damaged:
        notes.append(f"{damaged:,} damaged {'packet was' if damaged == 1 else 'packets were'} left out of the sound.")


class _Clock:
    """Holds time stamps against the samples that came; everything in samples at 16 kHz since the recording's beginning."""

    def __init__(self, container: InputContainer, stream: AudioStream, notes: list[str]) -> None:
        base = stream.time_base or Fraction(1, RATE_HZ)
        self._numerator, self._denominator = base.numerator * RATE_HZ, base.denominator
        begin = begin_us(container)
        self._start = None if begin is None else begin * RATE_HZ // 1_000_000
        self._length = None if container.duration is None else (container.duration * RATE_HZ) // 1_000_000
        self._ahead = 0
        self._late = self._filled = self._holes = self._jumps = 0
        self._notes = notes

    def missing_before(self, frame: AudioFrame, now: int, *, first: bool) -> int:
        """Return how many samples of silence belong between ``now`` and a frame."""
        pts = frame.pts
        if pts is None:
            return 0
        at = pts * self._numerator // self._denominator
        if self._start is None:
            self._start = at
        at -= self._start + self._ahead
        missing = at - now
        if missing >= 0 and (first or missing > _TOLERANCE_SAMPLES):
            if missing <= self._plausible(now, first):
                if first:
                    self._late = missing
                else:
                    self._holes += 1
                    self._filled += missing
                return missing
        elif missing >= -_TOLERANCE_SAMPLES:
            return 0
        self._jumps += 1
        self._ahead += missing
        return 0

    def _plausible(self, now: int, first: bool) -> int:
        ahead = _LATEST_START_SAMPLES
        if not first:
            heard_samples = now - self._late - self._filled
            at_all = _PLAUSIBLE_SAMPLES + _PLAUSIBLE_TIMES_HEARD * heard_samples - self._filled
            ahead = min(at_all, _LONGEST_HOLE_SAMPLES)
        return ahead if self._length is None else min(ahead, self._length + RATE_HZ - now)

    def tell(self) -> None:
        if self._late > _NOTEWORTHY_SAMPLES:
            self._notes.append(f"The sound begins {self._late / RATE_HZ:.0f} s after the pictures; until then there is silence.")
        if self._holes:
            holes = "a hole" if self._holes == 1 else f"{self._holes:,} holes"
            self._notes.append(f"{self._filled / RATE_HZ:.1f} s of silence stand for {holes} in the sound.")
        if self._jumps:
            times = "once" if self._jumps == 1 else f"{self._jumps:,} times"
            self._notes.append(f"The time stamps of the sound jump {times}; from there on times count what could be heard.")


class _Segment:
    """A stretch of frames of one format, on its way to 16 kHz. What comes out has the length of what went in, to the sample."""

    def __init__(self, frame: AudioFrame, channels: Channels, begin: int) -> None:
        layout = frame.layout.name
        nameless = frame.layout.nb_channels > 2 and layout.endswith(" channels")
        apart = channels == "split" or nameless
        self.rows = frame.layout.nb_channels if channels == "split" else 1
        self._format = (frame.format.name, layout, frame.sample_rate)
        self._rate_hz = frame.sample_rate
        self._average = nameless and channels == "mix"
        self._interleaved = frame.layout.nb_channels if apart else 1
        self._graph = _resampling(frame, layout if apart else "mono")
        self._begin = begin
        self._fed = self._given = self._waiting = 0

    @property
    def now(self) -> int:
        """Where the segment ends, as far as it has come; rounded to the nearest sample."""
        return self._begin + (2 * self._fed * RATE_HZ + self._rate_hz) // (2 * self._rate_hz)

    def takes(self, frame: AudioFrame) -> bool:
        return (frame.format.name, frame.layout.name, frame.sample_rate) == self._format

    def feed(self, frame: AudioFrame) -> Iterator[Samples]:
        self._graph.push(frame)
        self._fed += frame.samples
        self._waiting += frame.samples
        if self._waiting >= self._rate_hz:  # asking after each of many small frames would take longer than the work itself
            self._waiting = 0
            for rows in self._resampled():
                self._given += rows.shape[1]
                yield rows

    def finish(self) -> Samples:
        self._graph.push(None)
        last = np.concatenate([np.zeros((self.rows, 0), np.int16), *self._resampled()], axis=1)
        due = self.now - self._begin - self._given
        short = due - last.shape[1]
        if abs(short) > _RESAMPLER_SLACK_SAMPLES:
            raise RuntimeError(f"{self._fed:,} samples at {self._rate_hz} Hz became {short:,} samples too few at {RATE_HZ} Hz.")
        return np.pad(last[:, :due], ((0, 0), (0, max(short, 0))))

    def _resampled(self) -> Iterator[Samples]:
        while True:
            try:
                piece = self._graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return
            assert isinstance(piece, AudioFrame)
            # interleaved, not planar: PyAV reads beyond its planes where there are more than eight
            rows: Samples = np.asarray(piece.to_ndarray(), np.int16).reshape(-1, self._interleaved).T
            yield np.rint(rows.mean(axis=0, keepdims=True)).astype(np.int16) if self._average else rows


def _resampling(frame: AudioFrame, layout: str) -> Graph:
    graph = Graph()
    source = graph.add(
        "abuffer", sample_rate=str(frame.sample_rate), sample_fmt=frame.format.name, channel_layout=frame.layout.name
    )
    form = graph.add("aformat", sample_rates=str(RATE_HZ), sample_fmts="s16", channel_layouts=layout)
    graph.link_nodes(source, form, graph.add("abuffersink")).configure()
    graph.set_audio_frame_size(_BLOCK_SAMPLES)
    return graph


def _silence(rows: int, samples: int) -> Iterator[Samples]:
    for begin in range(0, samples, _BLOCK_SAMPLES):
        yield np.zeros((rows, min(_BLOCK_SAMPLES, samples - begin)), np.int16)
