"""What the receiver answers to whom: webhooks of EVI, callbacks of v0, a count of both, and nothing else."""

from __future__ import annotations

import hmac
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import ceil
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from humeanalytics.errors import WebhookRefused
from humeanalytics.receiver.bodies import (
    TooLarge,
    TooSlow,
    Webhook,
    job_id_in,
    let_pass,
    read_head,
    read_whole,
    webhook_of,
)
from humeanalytics.receiver.rate import Rate
from humeanalytics.receiver.signature import SIGNATURE_HEADER, TIMESTAMP_HEADER, verify_webhook

EVI_PATH = "/webhooks/evi"
BATCH_PATH = "/callbacks/v0"
HEALTH_PATH = "/healthz"
#: A name that `humeanalytics.redaction` blanks: Hume's answers about a job repeat the URL of its callback.
TOKEN_PARAMETER = "token"

_log = logging.getLogger(__name__)
#: Requests that may turn out to be nobody's are read this many times as often as those that are kept.
_ATTEMPTS = 10
#: Where what was sent cannot be kept just now.
_AGAIN_S = 30


class Door(Protocol):
    """Who keeps what was taken. Called from several threads; when a call returns, what it took is on the disk."""

    def take_webhook(self, webhook: Webhook) -> bool:
        """Keep a webhook; return whether it is new."""

    def take_callback(self, job_id: str) -> bool:
        """Keep that a job has called; return whether that is new."""

    def counts(self) -> Mapping[str, Any]:
        """Return numbers that anybody may see."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Who is let in, and how much of them.

    Attributes:
        keys: With one of these a webhook of EVI must be signed; none: it need not be, and anybody may say anything.
        token: What the URL of a callback of v0 must hold.
        body_bytes: No webhook may be larger; of a callback no more is looked at.
        per_s: So many are kept a second, on the average.
        body_s: A body must have arrived within so many seconds.
    """

    keys: Sequence[str]
    token: str
    body_bytes: int = 1_000_000
    per_s: float = 50.0
    body_s: float = 10.0


class Receiver:
    """The ASGI application, ``app``. Of what it refuses it keeps a count, ``refused``, by reason, and nothing else."""

    def __init__(self, door: Door, terms: Terms, *, now_s: Callable[[], float] | None = None) -> None:
        self._door, self._terms, self._now_s = door, terms, now_s
        self._attempts, self._kept = Rate(_ATTEMPTS * terms.per_s), Rate(terms.per_s)
        self.refused: Counter[str] = Counter()
        routes = [
            Route(EVI_PATH, self._webhook, methods=["POST"]),
            Route(BATCH_PATH, self._callback, methods=["POST"]),
            Route(HEALTH_PATH, self._health, methods=["GET"]),
        ]
        self.app = Starlette(routes=routes, exception_handlers={HTTPException: self._no_such_place, Exception: _failed})
        self.app.router.redirect_slashes = False

    # ------------------------------------------------------------------------------------------------------------- kinds
    async def _webhook(self, request: Request) -> Response:
        if wait_s := self._attempts.wait_s():
            return self._refuse(429, "too many", wait_s)
        signed = self._signed(request)
        if self._terms.keys and None in signed:
            return self._refuse(401, "not signed")
        try:
            body = await read_whole(request.stream(), self._terms.body_bytes, self._terms.body_s)
            if self._terms.keys:
                now_s = None if self._now_s is None else self._now_s()
                await run_in_threadpool(verify_webhook, body, *signed, self._terms.keys, now_s=now_s)
        except TooLarge:
            return self._refuse(413, "too large")
        except (TooSlow, ClientDisconnect):
            return self._refuse(408, "too slow")
        except WebhookRefused as error:
            return self._refuse(401, error.reason)
        webhook = await run_in_threadpool(webhook_of, body)
        if webhook is None:
            return self._refuse(400, "not a webhook")
        return await self._keep(self._door.take_webhook, webhook)

    async def _callback(self, request: Request) -> Response:
        given = request.query_params.get(TOKEN_PARAMETER, "")
        if not hmac.compare_digest(given.encode("utf-8", "surrogatepass"), self._terms.token.encode("ascii")):
            return self._refuse(401, "token")
        if wait_s := self._attempts.wait_s():
            return self._refuse(429, "too many", wait_s)
        chunks = request.stream()
        try:
            head = await read_head(chunks, self._terms.body_bytes, self._terms.body_s)
        except (TooSlow, ClientDisconnect):
            return self._refuse(408, "too slow")
        job_id = await run_in_threadpool(job_id_in, head)
        if job_id is None:
            return self._refuse(400, "not a callback")
        answer = await self._keep(self._door.take_callback, job_id)
        with suppress(ClientDisconnect):
            await let_pass(chunks, self._terms.body_s)  # the predictions themselves, which are fetched from Hume instead
        return answer

    async def _health(self, request: Request) -> Response:
        counts = await run_in_threadpool(self._door.counts)
        return _closing(JSONResponse({"status": "ok", **counts, "refused": dict(self.refused)}))

    # ------------------------------------------------------------------------------------------------------------ answers
    async def _keep(self, take: Callable[[Any], bool], what: Webhook | str) -> Response:
        if wait_s := self._kept.wait_s():
            return self._refuse(429, "too many", wait_s)
        try:
            await run_in_threadpool(take, what)
        except Exception as error:
            # Not answered with success, so that it comes again; what it was is nobody's business in a log.
            _log.error("A delivery could not be kept: %s.", type(error).__name__)
            return self._refuse(503, "not kept", _AGAIN_S)
        return _closing(Response(status_code=200))

    def _refuse(self, status: int, reason: str, wait_s: float = 0.0) -> Response:
        self.refused[reason] += 1
        return _closing(Response(status_code=status, headers={"Retry-After": str(ceil(wait_s))} if wait_s else None))

    async def _no_such_place(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        self.refused["no such place"] += 1
        return _closing(Response(status_code=error.status_code, headers=error.headers))

    @staticmethod
    def _signed(request: Request) -> tuple[str | None, str | None]:
        """Return the headers of the signature; one that comes twice is none, for who knows which would be believed where."""
        found = [request.headers.getlist(name) for name in (TIMESTAMP_HEADER, SIGNATURE_HEADER)]
        timestamp, signature = (values[0] if len(values) == 1 else None for values in found)
        return timestamp, signature


async def _failed(request: Request, error: Exception) -> Response:
    return _closing(Response(status_code=500))


def _closing(response: Response) -> Response:
    """One request a connection: each connection has a deadline (`humeanalytics.receiver.serving`)."""
    response.headers["Connection"] = "close"
    return response
