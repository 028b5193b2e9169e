"""One job of v1 from its recordings to its answers: prepare, send, settle."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Generator
from functools import partial
from pathlib import Path

from humeanalytics.api.blocking import in_thread
from humeanalytics.errors import DiskFull, ItemError
from humeanalytics.jobs import states, upload_states
from humeanalytics.jobs.expression_floor import ExpressionFloor
from humeanalytics.jobs.expression_parts import Part, Unusable, parts_of, photo_parts, suited_models
from humeanalytics.jobs.expression_scoring import ExpressionScoring
from humeanalytics.jobs.expression_sending import JobSender, NotTheSame
from humeanalytics.jobs.ledger import now
from humeanalytics.jobs.ledger_uploads import Place
from humeanalytics.jobs.work import Work
from humeanalytics.media.opening import KnownState


class JobWork:
    """Brings one job as far as it gets in this run."""

    def __init__(self, floor: ExpressionFloor, job_id: str, preparing: asyncio.Semaphore) -> None:
        self._floor, self._ledger, self._job_id, self._preparing = floor, floor.ledger, job_id, preparing
        self._works = floor.ledger.works(job_id)
        job = floor.ledger.job(job_id)
        self._scoring = ExpressionScoring.from_canonical(floor.ledger.settings_json(job.settings_id))
        self._photos = all(work.media_type == "image" for work in self._works)
        self._folder = floor.folder / job_id
        self._notes: list[str] = []
        self._sender = JobSender(floor, job_id, self._scoring, chained=not self._photos)
        self._sending: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Prepare and send whatever of the job was not sent yet, and write down how the job stands then."""
        gone = [work.uri for work in self._works if not Path(work.uri).exists()]
        if gone and self._ledger.job(self._job_id).state != states.PLANNED:
            why = f"{gone[0]} is not there, and a part of it was measured already. The next run that finds it goes on."
            self._floor.troubles.append(ItemError(why, item=gone[0]))
            return
        try:
            known = {work.position: await in_thread(self._known_state, work) for work in self._works}
            self._folder.mkdir(parents=True, exist_ok=True)
            try:
                await self._all_parts(known)
            finally:
                await self._until_sent()
        except NotTheSame as error:
            self._give_way(str(error))
            return
        except DiskFull as error:
            self._sender.unfinished = True
            self._floor.stop(error)
        finally:
            await in_thread(shutil.rmtree, self._folder, ignore_errors=True)
        ended = await in_thread(self._settled)
        self._floor.ended_job(self._job_id, len(self._works), ended)

    # ------------------------------------------------------------------------------------------------ parts
    async def _all_parts(self, known: dict[int, KnownState | None]) -> None:
        if self._photos:
            of = partial(photo_parts, self._works, self._scoring, self._folder, self._notes, lambda work: known[work.position])
            await self._send_parts(of(), in_order=True)
            return
        work = self._works[0]
        for model in suited_models(work.media_type, self._scoring):
            parts = parts_of(
                model, work, self._scoring, self._folder, self._notes, known[0], self._floor.settings.expression_chunk_s
            )
            try:
                await self._send_parts(parts, in_order=model == "video")
            except ItemError as error:
                if not self._is_as_it_was(work, known[0]):
                    raise NotTheSame(str(error)) from error
                await in_thread(self._unusable, Place(model, None, -1), work.position, str(error))

    async def _send_parts(self, parts: Generator[Part | Unusable, None, None], *, in_order: bool) -> None:
        async for part in self._prepared(parts):
            if isinstance(part, Unusable):
                await in_thread(self._unusable, part.place, part.position, part.message)
                continue
            self._sender.check_prepared(part)
            await self._floor.room.take(part.size_bytes)
            sending = asyncio.ensure_future(self._send(part))
            for held in (self._sending, self._floor.uploading):
                held.add(sending)
                sending.add_done_callback(held.discard)
            if in_order:
                await asyncio.wait([sending])
                if self._sender.broken_off:
                    return

    async def _prepared(self, parts: Generator[Part | Unusable, None, None]) -> AsyncIterator[Part | Unusable]:
        """Yield parts as they are prepared, in a thread; the next one while the last is sent."""

        async def following() -> Part | Unusable | None:
            async with self._preparing:
                return await in_thread(next, parts, None)

        ahead = asyncio.ensure_future(following())
        try:
            while not self._floor.stopping.is_set():
                part = await asyncio.shield(ahead)
                if part is None:
                    return
                ahead = asyncio.ensure_future(following())
                yield part
            self._sender.unfinished = True
        finally:
            await asyncio.wait([ahead])
            if not ahead.cancelled():
                ahead.exception()
            await in_thread(parts.close)

    async def _send(self, part: Part) -> None:
        try:
            await self._sender.send(part)
        except Exception as error:  # a full disk, or a bug: either ends the run, once what is under way has come
            self._sender.unfinished = True
            self._floor.stop(error)
        finally:
            self._floor.room.give_back(part.size_bytes)
            part.remove()

    async def _until_sent(self) -> None:
        """Wait for what is under way, also when the run is being stopped: it is paid for."""
        while self._sending:
            await asyncio.wait(self._sending)

    # ------------------------------------------------------------------------------------------------ standing
    def _known_state(self, work: Work) -> KnownState | None:
        """The size and time of change that the file had when its digest was taken.

        Raises:
            NotTheSame: It is known to be another file by now, or excluded.
        """
        found = self._ledger.file_state(work.uri)
        if found is None:
            return None
        recording_id, size_bytes, mtime_ns, excluded = found
        if excluded is not None:
            raise NotTheSame(f"{work.uri} was excluded meanwhile ({excluded}) and is not sent.")
        if recording_id != work.recording_id:
            raise NotTheSame(f"{work.uri} changed after a part of it was sent. The file as it is now is a recording of its own.")
        return None if size_bytes is None or mtime_ns is None else (size_bytes, mtime_ns)

    @staticmethod
    def _is_as_it_was(work: Work, known: KnownState | None) -> bool:
        try:
            facts = Path(work.uri).stat()
        except OSError:
            return False
        return known is None or (facts.st_size, facts.st_mtime_ns) == known

    def _unusable(self, place: Place, position: int, message: str) -> None:
        self._ledger.record_unusable(self._job_id, place, self._floor.run_id, message, position)

    def _give_way(self, why: str) -> None:
        """The recording is another by now: what was not sent is dropped, what was sent cannot be completed."""
        self._floor.troubles.append(ItemError(why, item=self._works[0].uri))
        if self._ledger.job(self._job_id).state == states.PLANNED:
            self._ledger.drop_planned(self._job_id)
        else:
            self._fail(why)

    def _fail(self, why: str) -> None:
        state, run_id = self._ledger.job(self._job_id).state, self._floor.run_id
        if state in (states.INTENT, states.UNKNOWN):
            self._ledger.move(self._job_id, states.ACCEPTED, run_id, accepted_at=now())
        self._ledger.move(self._job_id, states.FAILED, run_id, why=why, ended_at=now())

    def _settled(self) -> str:
        """Write down how the job stands; return its state."""
        with self._ledger.at_once():
            self._settle()
        return self._ledger.job(self._job_id).state

    def _settle(self) -> None:
        ledger, job_id, run_id = self._ledger, self._job_id, self._floor.run_id
        state = ledger.job(job_id).state
        uploads = [u for u in ledger.uploads_of(job_id) if u.state != upload_states.RESENT]
        of = {u.state for u in uploads}
        if upload_states.RECEIVED in of and state in (states.INTENT, states.UNKNOWN):
            ledger.move(job_id, states.ACCEPTED, run_id, accepted_at=now())
            state = states.ACCEPTED
        if upload_states.UNKNOWN in of:
            if state != states.UNKNOWN:
                ledger.move(job_id, states.UNKNOWN, run_id, why="the answer to an upload was lost")
        elif self._sender.unfinished or of & {upload_states.PLANNED, upload_states.INTENT}:
            pass  # the next run goes on with it
        elif upload_states.RECEIVED in of:
            ledger.move(job_id, states.RECEIVED, run_id, received_at=now(), message="; ".join(self._notes) or None)
        else:
            messages = dict.fromkeys(u.message for u in uploads if u.state == upload_states.FAILED and u.message)
            self._fail("; ".join(messages) or "v1 has no model that can answer for it.")
