"""What a test asks of the sandbox itself, under ``/sandbox``: what was accepted, which faults, what time it is. No key."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from humeanalytics.sandbox.batch.store import JobStore
from humeanalytics.sandbox.clock import Clock
from humeanalytics.sandbox.expression.runs import RunStore
from humeanalytics.sandbox.faults import Faults, InvalidRule
from humeanalytics.sandbox.gateway import CONTROL_PATH
from humeanalytics.sandbox.replies import json_reply, refusal

_CLOCK_OFFSET = "clock_offset_s"


class Control:
    """The control of one sandbox; the embedded one calls it directly."""

    def __init__(self, store: JobStore, runs: RunStore, clock: Clock, faults: Faults, seed: int) -> None:
        self._store = store
        self._runs = runs
        self._clock = clock
        self._faults = faults
        self._seed = seed

    def routes(self) -> list[Route]:
        return [
            Route(CONTROL_PATH, self._get_overview, methods=["GET"]),
            Route(f"{CONTROL_PATH}/submissions", self._get_submissions, methods=["GET"]),
            Route(f"{CONTROL_PATH}/faults", self._get_faults, methods=["GET"]),
            Route(f"{CONTROL_PATH}/faults", self._post_faults, methods=["POST"]),
            Route(f"{CONTROL_PATH}/clock", self._post_clock, methods=["POST"]),
        ]

    def submissions(self) -> list[dict[str, Any]]:
        return sorted([*self._store.submissions(), *self._runs.submissions()], key=lambda submission: submission["at"])

    def set_faults(self, rules: Any) -> None:
        self._faults.replace(rules)

    def advance_clock(self, seconds: float) -> None:
        self._clock.advance(seconds)
        self._store.set_fact(_CLOCK_OFFSET, repr(self._clock.offset_s))

    async def _get_overview(self, request: Request) -> Response:
        now_ms = self._clock.now_ms()
        known = {"jobs": self._store.counts(), "runs": self._runs.counts(now_ms)}
        return json_reply({"seed": self._seed, "now_ms": now_ms, **known})

    async def _get_submissions(self, request: Request) -> Response:
        return json_reply(self.submissions())

    async def _get_faults(self, request: Request) -> Response:
        return json_reply(self._faults.report())

    async def _post_faults(self, request: Request) -> Response:
        try:
            self.set_faults(msgspec.json.decode(await request.body()))
        except (InvalidRule, msgspec.DecodeError) as error:
            return refusal(400, str(error))
        return json_reply(self._faults.report())

    async def _post_clock(self, request: Request) -> Response:
        try:
            body = msgspec.json.decode(await request.body(), type=dict[str, float])
            if set(body) != {"advance_s"}:
                raise ValueError('The body must be {"advance_s": seconds}.')
            self.advance_clock(body["advance_s"])
        except ValueError as error:  # msgspec's errors are ValueErrors too
            return refusal(400, str(error))
        return json_reply({"now_ms": self._clock.now_ms()})


def stored_clock(store: JobStore) -> Clock:
    """Return the clock of a sandbox, as far ahead as it was when its state was last open."""
    return Clock(float(store.fact(_CLOCK_OFFSET) or 0))
