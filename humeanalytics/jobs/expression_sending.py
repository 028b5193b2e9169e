"""One upload to v1: written down before it goes, its answer on the disk before it is read, never sent twice unknowingly."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from humeanalytics.api.blocking import in_thread
from humeanalytics.api.expression import LIMITS
from humeanalytics.errors import (
    DiskFull,
    HumeAnalyticsError,
    ItemError,
    OutcomeUnknown,
    RequestRejected,
    ServerFailed,
)
from humeanalytics.jobs import upload_states
from humeanalytics.jobs.contents import Contents
from humeanalytics.jobs.expression_floor import ExpressionFloor
from humeanalytics.jobs.expression_keeping import AnswerSink, take_note
from humeanalytics.jobs.expression_parts import Part, half_of
from humeanalytics.jobs.expression_scoring import ExpressionScoring
from humeanalytics.jobs.ledger import now
from humeanalytics.jobs.ledger_uploads import LedgerUpload
from humeanalytics.tables.expression import Placement

#: Codes of a request that was refused for one of its images: halve it and go on.
_ONE_IMAGE_VOIDS_ALL = {"image_decode_failed", "image_too_large", "unsupported_media_type"}
#: Codes that no recording is to blame for: what we ask for is refused, and would be for every other one.
_OUR_FAULT = {"config_invalid", "message_invalid"}
#: So many uploads in a row that fail at the service, each after all its retries: then it is down.
_FAILURES_THAT_CONVINCE = 3
#: A face state is not used in the last hour of its life: too old a one is ignored without a word, and numbers start anew.
_FACE_STATE_S = LIMITS.face_state_s - 3600.0


class NotTheSame(Exception):
    """A recording is no longer what it was when a part of it was sent, or taken in."""


class JobSender:
    """Sends the uploads of one job. Sounds may go several at once, pictures one after the other."""

    def __init__(self, floor: ExpressionFloor, job_id: str, scoring: ExpressionScoring, *, chained: bool) -> None:
        self._floor, self._ledger, self._job_id, self._scoring, self._chained = floor, floor.ledger, job_id, scoring, chained
        self._known: dict[Any, LedgerUpload] = {}
        self._roots: dict[tuple[str, int | None, int], LedgerUpload] = {}
        for upload in floor.ledger.uploads_of(job_id):
            if upload.state != upload_states.RESENT:
                self._known[upload.place] = upload
                if upload.first == 0 and upload.part >= 0:
                    of = (upload.model, upload.channel, upload.part)
                    before = self._roots.get(of)
                    if before is None or (upload.images or 0) > (before.images or 0):
                        self._roots[of] = upload
        #: Whether something of this job could not be sent now.
        self.unfinished = False
        #: Whether an answer is missing that the rest of the pictures would go on from.
        self.broken_off = False
        self._meta = Contents.meta(floor.ledger, job_id)

    def check_prepared(self, part: Part) -> None:
        """Make sure that a part is what an earlier run sent under its number.

        Raises:
            NotTheSame: It is not: the rest of the recording would not fit to what was measured.
        """
        before = self._roots.get((part.place.model, part.place.channel, part.place.part))
        if before is None or not before.was_sent or before.sha256 == part.sha256:
            return
        placed = Placement.from_json(json.loads(before.placement_json or "{}"))
        same = (placed.offset_ms, placed.duration_ms, before.images)
        if same != (part.placement.offset_ms, part.placement.duration_ms, part.place.images):
            name = part.uploads[0].name
            raise NotTheSame(
                f"{name} is prepared in other pieces than when a part of it was measured: by another version, or with another "
                "expression_chunk_s. Score it anew, and pay for that part again, with --retry-failed."
            )

    async def send(self, part: Part) -> None:
        """Send a part, unless it was sent before; halve it where one of its images voids it."""
        before = self._known.get(part.place)
        if before is None or before.state == upload_states.PLANNED or self._may_go_again(before):
            await self._send(part)
        elif before.state == upload_states.SPLIT:
            await self._halves(part)
        elif before.state == upload_states.UNKNOWN:
            self._lost(part)

    def _may_go_again(self, before: LedgerUpload) -> bool:
        if before.state != upload_states.UNKNOWN:
            return False
        return self._floor.resend == "always" or (self._floor.resend == "unbilled" and before.billed == "no")

    async def _halves(self, part: Part) -> None:
        for place in part.place.halves():
            if not self.broken_off:
                await self.send(await in_thread(half_of, part, place))

    async def _send(self, part: Part) -> None:
        floor = self._floor
        async with floor.lanes.lane() as leave_lane:
            if floor.stopping.is_set() or not floor.budget.take(part.billed_s):
                if not floor.stopping.is_set():
                    floor.stop_at_budget()
                self.unfinished = True
                return
            floor.show()
            placement, face_state = self._placed(part)
            config = self._config(part, face_state)
            billed = True
            try:
                upload_id = await in_thread(self._journal, part, placement, config)
                billed = await self._exchange(part, placement, config, upload_id, leave_lane)
            finally:
                if not billed:
                    floor.budget.give_back(part.billed_s)
        if self._known_state(upload_id) == upload_states.SPLIT:
            await self._halves(part)

    def _known_state(self, upload_id: str) -> str:
        return self._ledger.upload(upload_id).state

    def _lost(self, part: Part) -> None:
        """The answer to a part is lost, and with it the face state that the next pictures would take."""
        self.broken_off = self.broken_off or (self._chained and part.place.model == "video")

    # ------------------------------------------------------------------------------------------------ what is asked for
    def _placed(self, part: Part) -> tuple[Placement, str | None]:
        """Where a part lies, with its number among the packs that were measured; and the face state it goes on with."""
        if part.place.model == "audio":
            return part.placement, None
        answered = [u for u in self._ledger.uploads_of(self._job_id) if u.model == "video" and u.response_id is not None]
        answered.sort(key=lambda upload: _chunk(upload))
        chunk = 0 if not answered else _chunk(answered[-1]) + 1
        placement = {**part.placement.to_json(), "chunk": chunk}
        if not self._chained or not answered:
            return Placement.from_json(placement), None
        last = answered[-1]
        fresh = last.answered_at is not None and _age_s(last.answered_at) < _FACE_STATE_S
        face_state = last.face_state if fresh else None
        chain = json.loads(last.placement_json or "{}").get("face_chain", 0) + (face_state is None)
        return Placement.from_json({**placement, "face_chain": chain}), face_state

    def _config(self, part: Part, face_state: str | None) -> dict[str, Any]:
        if part.place.model == "audio":
            return self._scoring.audio_config().as_json()
        return self._scoring.video_config(chained=self._chained, face_state=face_state).as_json()

    def _journal(self, part: Part, placement: Placement, config: dict[str, Any]) -> str:
        without_frames = {name: value for name, value in placement.to_json().items() if name != "frames"}
        upload_id = self._ledger.journal_upload(
            self._job_id,
            part.place,
            self._floor.run_id,
            position=part.position,
            sha256=part.sha256,
            size_bytes=part.size_bytes,
            placement_json=json.dumps(without_frames),
            config_json=json.dumps(config, sort_keys=True),
            intent_at=now(),
            intent_server_ms=self._floor.api.server_now_ms(),
            billed="unknown",
            billed_s=part.billed_s,
        )
        self._known[part.place] = self._ledger.upload(upload_id)
        return upload_id

    # ------------------------------------------------------------------------------------------------ what comes of it
    async def _exchange(
        self, part: Part, placement: Placement, config: dict[str, Any], upload_id: str, leave_lane: Callable[[], None]
    ) -> bool:
        """Send an upload that was written down; return whether it is, or may be, billed."""
        floor = self._floor
        meta = self._noted_beside(part, placement, config, upload_id)
        sink = AnswerSink(floor.lake, floor.lanes.complained, leave_lane, part.place.model, meta)
        try:
            await self._measure(part, config, sink)
        except OutcomeUnknown as error:
            self._lost(part)
            lost = {"lost_server_ms": floor.api.server_now_ms(), "status": error.status, "message": str(error)}
            await in_thread(self._ledger.move_upload, upload_id, upload_states.UNKNOWN, **lost)
            if isinstance(error.__cause__, DiskFull):
                floor.stop(error.__cause__)
            return True
        except asyncio.CancelledError:
            lost = {"lost_server_ms": floor.api.server_now_ms(), "message": "The run was stopped before the answer came."}
            self._ledger.move_upload(upload_id, upload_states.UNKNOWN, **lost)
            raise
        except RequestRejected as error:
            await self._refused(part, upload_id, error)
            return False
        except HumeAnalyticsError as error:
            # Nothing was taken: no connection, no permission, no room, or the service failed and says so.
            await in_thread(self._ledger.move_upload, upload_id, upload_states.PLANNED, message=str(error), billed="no")
            self._not_now(error)
            return False
        floor.lanes.went_well()
        floor.counts["failed_in_a_row"] = 0
        assert sink.kept is not None
        await in_thread(take_note, self._ledger, floor.lake, upload_id, sink.kept, placement, part.uploads[0].name, now())
        return True

    async def _measure(self, part: Part, config: dict[str, Any], sink: AnswerSink) -> None:
        api, scoring = self._floor.api, self._scoring
        if part.place.model == "audio":
            await api.measure_audio(part.uploads[0], scoring.audio_config(), sink)
        else:
            state = config.get("face_state")
            await api.measure_images(part.uploads, scoring.video_config(chained=self._chained, face_state=state), sink)

    def _noted_beside(self, part: Part, placement: Placement, config: dict[str, Any], upload_id: str) -> dict[str, Any]:
        """What stands beside the answer under raw/: enough to make tables of it without the ledger."""
        floor, job = self._floor, self._ledger.job(self._job_id)
        return {
            **self._meta,
            "origin": job.origin,
            "uri": f"{floor.settings.expression_base_url}/v1/expression/{part.place.model}/file",
            "upload_id": upload_id,
            "run_id": floor.run_id,
            "model": part.place.model,
            "sha256": part.sha256,
            "media_bytes": part.size_bytes,
            "billed_s": part.billed_s,
            "config": {name: value for name, value in config.items() if name != "face_state"},
            "placement": placement.to_json(),
            "sent_at": now(),
        }

    async def _refused(self, part: Part, upload_id: str, error: RequestRejected) -> None:
        facts = {"status": error.status, "error_code": error.code, "message": str(error), "billed": "no", "answered_at": now()}
        if error.code in _OUR_FAULT:
            await in_thread(self._ledger.move_upload, upload_id, upload_states.PLANNED, **facts)
            self.unfinished = True
            self._floor.stop(error)
        elif (part.place.images or 1) > 1 and error.code in _ONE_IMAGE_VOIDS_ALL:
            await in_thread(self._ledger.move_upload, upload_id, upload_states.SPLIT, **facts)
        else:
            await in_thread(self._ledger.move_upload, upload_id, upload_states.FAILED, **facts)

    def _not_now(self, error: HumeAnalyticsError) -> None:
        floor = self._floor
        self.unfinished = True
        if isinstance(error, ItemError):
            floor.troubles.append(error)
        elif isinstance(error, ServerFailed) and error.status != 503 and error.code is not None:
            floor.counts["failed_in_a_row"] += 1
            floor.troubles.append(error)
            if floor.counts["failed_in_a_row"] >= _FAILURES_THAT_CONVINCE:
                floor.stop(error)
        else:
            floor.stop(error)


def _chunk(upload: LedgerUpload) -> int:
    return int(json.loads(upload.placement_json or "{}").get("chunk", 0))


def _age_s(answered_at: str) -> float:
    return (datetime.fromisoformat(now()) - datetime.fromisoformat(answered_at)).total_seconds()
