"""An answer of v1 on its way to the disk, and what the ledger is told of it once it lies there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from humeanalytics.errors import UnreadableResponse
from humeanalytics.jobs import upload_states
from humeanalytics.jobs.ledger import Ledger, now
from humeanalytics.lake.lake import Lake
from humeanalytics.lake.raw import RawFile, RawResponse, RawWriter
from humeanalytics.tables.expression import Placement, Received, Uploaded, read_received


class AnswerSink:
    """A `Sink` that keeps an answer under raw/. Called once for each attempt; a further one means that the service is busy.

    Args:
        lake: Where it is kept.
        complained: Called when the service took an attempt for one too many.
        came: Called when the answer is whole: what is left to do is the disk's.
        model: What answered: ``audio`` or ``video``.
        meta: What is noted beside the answer.
    """

    def __init__(
        self, lake: Lake, complained: Callable[[], None], came: Callable[[], None], model: str, meta: dict[str, Any]
    ) -> None:
        self._lake, self._complained, self._came, self._model, self._meta = lake, complained, came, model, meta
        self._attempts = 0
        self._writer: RawWriter | None = None
        self.kept: RawResponse | None = None

    def __call__(self) -> AnswerSink:
        self._attempts += 1
        if self._attempts > 1:
            self._complained()
        self._writer = self._lake.raw.writer("expression", self._model, "json")
        return self

    def write(self, data: bytes) -> None:
        assert self._writer is not None
        self._writer.write(data)

    def commit(self) -> None:
        assert self._writer is not None
        self._came()
        self.kept = self._writer.commit({**self._meta, "received_at": now()})

    def abort(self) -> None:
        if self._writer is not None:
            self._writer.abort()


Kept = RawResponse | RawFile


class _ReceivedPart(msgspec.Struct):
    audio_duration_ms: int | None = None
    frames: int | None = None


class _Envelope(msgspec.Struct):
    """What an answer tells beside its measurements, which are not looked at: that is done once, when they are loaded."""

    run_id: str
    request_id: str
    received: _ReceivedPart
    face_state: str | None = None


def _read(kept: Kept, lake: Lake, model: str, name: str, placement: Placement) -> Received:
    with lake.raw.open(kept.path) as stream:
        answer = stream.read()
    try:
        told = msgspec.json.decode(answer, type=_Envelope)
    except msgspec.DecodeError:  # in another form than documented; or no answer at all, and then this tells why
        return read_received(Uploaded(name, answer, placement))
    return Received(
        model=model,
        run_id=told.run_id,
        request_id=told.request_id,
        audio_ms=told.received.audio_duration_ms,
        frames=told.received.frames,
        face_state=told.face_state,
        other={},
        dialect="v1",
    )


def take_note(
    ledger: Ledger, lake: Lake, upload_id: str, kept: Kept, placement: Placement, name: str, answered_at: str
) -> Received | None:
    """Read an answer that lies under raw/, and write into the ledger what it tells beside its measurements.

    One that cannot be read, or is about something else than was sent, is a failure of the upload; its bytes stay.
    """
    facts: dict[str, Any] = {"response_id": kept.response_id, "answered_at": answered_at, "status": 200, "billed": "yes"}
    try:
        received = _read(kept, lake, ledger.upload(upload_id).model, name, placement)
    except UnreadableResponse as error:
        ledger.move_upload(upload_id, upload_states.RECEIVED, **facts)
        ledger.move_upload(upload_id, upload_states.FAILED, message=f"Its answer cannot be read: {error}")
        return None
    facts |= {
        "hume_run_id": received.run_id,
        "hume_request_id": received.request_id,
        "received_ms": received.audio_ms,
        "received_frames": received.frames,
        "face_state": received.face_state,
    }
    ledger.move_upload(upload_id, upload_states.RECEIVED, message=None, **facts)
    if wrong := received.mismatch(placement):
        ledger.move_upload(upload_id, upload_states.FAILED, message=f"{name}: {wrong}. None of it is put into the tables.")
        return None
    return received
