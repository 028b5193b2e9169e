"""Where what one upload carried lies in its recording, which its answer does not tell."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

#: What lies before or after a chunk of sound: nothing, a pause it was cut in, or sound.
Edge = Literal["recording", "silence", "hard"]


class Frame(msgspec.Struct, frozen=True, array_like=True):
    """One image of an upload.

    Attributes:
        frame_id: Its number in its recording.
        time_s: When it was shown, seconds from the start of its recording; 0 for a photo.
        recording: Which one it is of, where an upload carried several: an index that means something to the caller.
        left, top: Where in the recording's picture its upper left corner lies, in pixels as it is shown.
        across, down: Pixels of the recording's picture for one of the image.
    """

    frame_id: int
    time_s: float | None = None
    recording: int = 0
    left: float = 0
    top: float = 0
    across: float = 1
    down: float = 1


class Placement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where what one upload carried lies. Without anything said: at the start of a recording of its own.

    It has to be kept with the answer, for tables can be made from the two alone: `to_json` and `from_json`.

    Attributes:
        channel: The channel of the recording, where each is measured as its own.
        chunk: Its number among the uploads of its recording and channel, from 0.
        offset_ms: Where on the recording's clock its audio begins. Whole milliseconds make exact times.
        duration_ms: How long its audio is.
        begins, ends: What lies before the audio and after it.
        frames: Its images, in the order they were sent; None where that is not known.
        face_chain: Number of the chain of uploads over which faces keep their numbers, from 0 in a recording; a ``face_state``
            handed on makes one. Never less than that of the upload before.

    Examples:
        >>> Placement(offset_ms=780_000, chunk=1, begins="silence").to_json()
        {'chunk': 1, 'offset_ms': 780000, 'begins': 'silence'}
    """

    channel: int | None = None
    chunk: int = 0
    offset_ms: float = 0
    duration_ms: float | None = None
    begins: Edge = "recording"
    ends: Edge = "recording"
    frames: tuple[Frame, ...] | None = None
    face_chain: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON can hold it, without what has its default."""
        made: dict[str, Any] = msgspec.to_builtins(self)
        return made

    @classmethod
    def from_json(cls, value: Any) -> Placement:
        """Return what `to_json` was made from.

        Raises:
            ValueError: It is something else.
        """
        try:
            return msgspec.convert(value, cls)
        except msgspec.ValidationError as error:
            raise ValueError(f"this is no placement of an upload: {error}") from None


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """What one answer tells beside its measurements. None where it does not.

    Attributes:
        model: ``audio`` or ``video``.
        run_id, request_id: Hume's ids of the run and the request.
        audio_ms: How long the audio was that the server decoded.
        frames: How many images it measured.
        face_state: What a later upload has to be given for faces to keep their numbers; good for 24 hours.
        other: What nobody has heard of.
        dialect: The form it was read from: ``v1`` as the API and its Python SDK write it, ``v1_camel`` as a TypeScript SDK.
    """

    model: str
    run_id: str | None
    request_id: str | None
    audio_ms: int | None
    frames: int | None
    face_state: str | None
    other: dict[str, Any]
    dialect: str

    def mismatch(self, placement: Placement) -> str | None:
        """Say what does not fit between what was sent and what the server says it received; None where all does.

        Other audio than was sent means that the server took it for another format: its scores are of noise.

        >>> told = dict(run_id=None, request_id=None, frames=None, face_state=None, other={}, dialect="v1")
        >>> Received(model="audio", audio_ms=10_884, **told).mismatch(Placement(duration_ms=30_000))
        'Hume decoded 10.884 s of audio where 30.000 s were sent: it took it for another format, and measured noise'
        """
        sent_ms = placement.duration_ms
        if self.audio_ms is not None and sent_ms is not None and abs(self.audio_ms - sent_ms) > 1:
            decoded = f"Hume decoded {self.audio_ms / 1000:.3f} s of audio where {sent_ms / 1000:.3f} s were sent"
            return f"{decoded}: it took it for another format, and measured noise"
        if self.frames is not None and placement.frames is not None and self.frames != len(placement.frames):
            return f"Hume measured {self.frames} images where {len(placement.frames)} were sent"
        return None
