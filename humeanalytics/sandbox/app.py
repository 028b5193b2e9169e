"""One sandbox, put together: state, clock, faults, queue, and the application that speaks for them."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from uuid import UUID, uuid5

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from humeanalytics.sandbox.batch.operations import BatchOperations
from humeanalytics.sandbox.batch.queue import JobQueue
from humeanalytics.sandbox.batch.store import JobStore
from humeanalytics.sandbox.clock import Clock
from humeanalytics.sandbox.control import Control, stored_clock
from humeanalytics.sandbox.evi.pages import PREFIX as EVI_PREFIX
from humeanalytics.sandbox.evi.pages import unknown_route
from humeanalytics.sandbox.evi.service import EviService
from humeanalytics.sandbox.expression import refusals
from humeanalytics.sandbox.expression.operations import ExpressionOperations
from humeanalytics.sandbox.expression.runs import RunStore
from humeanalytics.sandbox.faults import Faults
from humeanalytics.sandbox.gateway import Gateway
from humeanalytics.sandbox.options import SandboxOptions
from humeanalytics.sandbox.replies import json_reply

_USERS = UUID("5d1f0c1e-6c0b-4f0e-9a53-0a1d6f1b7a44")


class Service:
    """The emulated service on one folder of state; ``app`` is what a server runs, ``control`` what a test asks.

    Raises:
        StateInUse: Another sandbox has the folder open.
        ValueError: The folder was made with another seed.
    """

    def __init__(self, folder: Path, seed: int, api_key: str | None, options: SandboxOptions) -> None:
        self._store = JobStore(folder, seed)
        self._runs = RunStore(folder, options.expression_silence_s)
        clock = stored_clock(self._store)
        faults = Faults(seed)
        self._queue = JobQueue(self._store, clock, seed, options)
        self.control = Control(self._store, self._runs, clock, faults, seed)
        user_id = str(uuid5(_USERS, str(seed)))
        batch = BatchOperations(self._store, self._queue, clock, options, user_id)
        expression = ExpressionOperations(self._runs, clock, seed, options, user_id)
        self.evi = EviService(folder, seed, clock, options, user_id)
        routes = [*batch.routes(), *expression.routes(), *self.evi.routes(), *self.control.routes()]
        app = Starlette(routes=routes, exception_handlers={HTTPException: partial(_http_error, clock)})
        app.router.redirect_slashes = False
        self.app = Gateway(app, seed=seed, clock=clock, faults=faults, api_key=api_key, tokens=self.evi.tokens)
        self._queue.open()

    def close(self) -> None:
        """Stop working and close the files; what was accepted stays in the folder."""
        self._queue.close()
        self.evi.close()
        self._runs.close()
        self._store.close()


async def _http_error(clock: Clock, request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    if request.url.path.startswith("/v1/"):  # of a path that is not served the service never hears
        return refusals.gateway_error(404) if status == 404 else refusals.plain_error(status, request.url.path)
    if request.url.path.startswith(EVI_PREFIX):
        return unknown_route(status, request.method, request.url.path, clock.now_s())
    message = error.detail if isinstance(error, HTTPException) else "internal error"
    return json_reply({"message": message.lower()}, status)
