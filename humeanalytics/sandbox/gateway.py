"""The door: every request and answer passes here. Headers, faults, keys; and the raw connection, to break it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from email.utils import formatdate
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from humeanalytics.sandbox.clock import Clock
from humeanalytics.sandbox.evi.audio import STORAGE_PATH
from humeanalytics.sandbox.evi.pages import PREFIX as EVI_PREFIX
from humeanalytics.sandbox.evi.tokens import TOKEN_PATH, Tokens
from humeanalytics.sandbox.expression import refusals as expression
from humeanalytics.sandbox.faults import Faults, Rule
from humeanalytics.sandbox.replies import DISCONTINUED, INVALID_KEY, json_reply

CONTROL_PATH = "/sandbox"
_HTML = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center><hr><center>nginx</center></body></html>"
_GARBAGE = "\x1f\x8b\x00 this is not what was asked for \xff"
_DRIP_S = 0.05


class ConnectionAwareProtocol(H11Protocol):
    """uvicorn's protocol on h11, which also hands the application its connection: a fault has to be able to cut it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class Gateway:
    """The application as seen from outside.

    Args:
        app: What answers when nothing goes wrong.
        api_key: The key to insist on; None takes any, but wants one.
        tokens: The access tokens of EVI, which do instead of a key.
    """

    def __init__(self, app: ASGIApp, *, seed: int, clock: Clock, faults: Faults, api_key: str | None, tokens: Tokens) -> None:
        self._app = app
        self._mark = f"seed={seed}"
        self._clock = clock
        self._faults = faults
        self._api_key = api_key
        self._tokens = tokens
        tokens.knows_key = self._knows

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Hume-Sandbox"] = self._mark
                headers["Date"] = formatdate(self._clock.now_s(), usegmt=True)
            await send(message)

        path: str = scope["path"]
        if path == CONTROL_PATH or path.startswith(CONTROL_PATH + "/"):
            await self._app(scope, receive, send_marked)
            return
        rule, on_job = self._faults.strike(scope["method"], path)
        state: MutableMapping[str, Any] = scope["state"]
        state["job_rules"] = on_job
        app = self._refusal(path, Headers(scope=scope)) or self._app
        if rule is None:
            await app(scope, receive, send_marked)
        else:
            await _STRIKE[rule.action](self, rule, app, scope, receive, send_marked)

    def _refusal(self, path: str, headers: Headers) -> ASGIApp | None:
        """What answers instead of the application where the key is missing or wrong. v1 takes a token instead, not beside."""
        key = headers.get("x-hume-api-key")
        kind, _, token = headers.get("authorization", "").partition(" ")
        if path == TOKEN_PATH or path.startswith(STORAGE_PATH + "/"):  # they look for themselves
            return None
        if path.startswith(EVI_PREFIX) and kind.lower() == "bearer" and self._tokens.is_good(token):
            return None
        if not path.startswith("/v1/"):
            return None if self._knows(key) else _after_body(json_reply(INVALID_KEY, 401))
        given = [key] * (key is not None) + [token] * (kind.lower() == "bearer")
        if len(given) == 1 and self._knows(given[0]):
            return None
        return _after_body(expression.invalid_credential(had_key=key is not None))

    def _knows(self, key: str | None) -> bool:
        return bool(key and key.strip()) if self._api_key is None else key == self._api_key

    async def _status(self, rule: Rule, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        status = int(rule.argument)
        if rule.spec.get("html"):
            answer = Response(_HTML.format(f"{status} error"), status, media_type="text/html")
        elif isinstance(rule.spec.get("body"), str):
            answer = Response(rule.spec["body"], status, media_type="text/plain")
        elif "body" not in rule.spec and scope["path"].startswith("/v1/"):
            answer = expression.plain_error(status, scope["path"], rule.spec.get("code"))
        else:
            answer = json_reply(rule.spec.get("body", {"code": status, "message": f"fault on order: {status}"}), status)
        wait = rule.spec.get("retry_after")
        if isinstance(wait, dict) and "ms" in wait:
            answer.headers["retry-after-ms"] = f"{wait['ms']:g}"
        elif isinstance(wait, dict):
            answer.headers["Retry-After"] = formatdate(self._clock.now_s() + wait["date_in_s"], usegmt=True)
        elif wait is not None:
            answer.headers["Retry-After"] = wait if isinstance(wait, str) else f"{wait:g}"
        await _after_body(answer)(scope, receive, send)

    async def _discontinued(self, rule: Rule, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        await json_reply(DISCONTINUED, 403)(scope, receive, send)

    async def _drop_before(self, rule: Rule, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if rule.argument == "received":
            await _read(receive)
        await _cut(scope, receive, abort=True)

    async def _drop_after(self, rule: Rule, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, _swallow)
        await _cut(scope, receive, abort=True)

    async def _slow(self, rule: Rule, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        drip_bytes = max(1, round(rule.argument * _DRIP_S))
        pause_s = drip_bytes / rule.argument
        transport: asyncio.Transport = scope["state"]["transport"]

        async def send_slowly(message: Message) -> None:
            body = message.get("body", b"")
            for start in range(0, len(body), drip_bytes):
                if transport.is_closing():
                    return
                await send({"type": "http.response.body", "body": body[start : start + drip_bytes], "more_body": True})
                await asyncio.sleep(pause_s)
            await send({**message, "body": b""} if body else message)

        await app(scope, receive, send_slowly)

    async def _truncate(self, rule: Rule, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        left_bytes = 0

        async def send_part(message: Message) -> None:
            nonlocal left_bytes
            if message["type"] == "http.response.start":
                left_bytes = int(int(Headers(raw=message["headers"]).get("content-length", "0")) * rule.argument)
                await send(message)
            elif left_bytes:
                part = message.get("body", b"")[:left_bytes]
                left_bytes -= len(part)
                await send({"type": "http.response.body", "body": part, "more_body": True})

        await app(scope, receive, send_part)
        await _cut(scope, receive, abort=False)

    async def _wrong_body(self, rule: Rule, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, _swallow)
        body = (_GARBAGE if rule.argument is True else rule.argument).encode("latin-1", "replace")
        await Response(body, 200, media_type="application/json")(scope, receive, send)


_Strike = Callable[[Gateway, Rule, ASGIApp, Scope, Receive, Send], Awaitable[None]]
_STRIKE: dict[str, _Strike] = {
    "status": Gateway._status,
    "discontinued": Gateway._discontinued,
    "drop_before": Gateway._drop_before,
    "drop_after": Gateway._drop_after,
    "slow": Gateway._slow,
    "truncate": Gateway._truncate,
    "wrong_body": Gateway._wrong_body,
}


async def _swallow(message: Message) -> None:
    return None


def _after_body(answer: ASGIApp) -> ASGIApp:
    """Answer when the whole request has arrived: a client that is still sending may never see an early answer."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await _read(receive)
        await answer(scope, receive, send)

    return app


async def _read(receive: Receive) -> None:
    while (await receive()).get("more_body"):
        pass


async def _cut(scope: Scope, receive: Receive, abort: bool) -> None:
    """Close the connection, at once or after what is written has left, and wait until it is closed."""
    transport: asyncio.Transport = scope["state"]["transport"]
    transport.abort() if abort else transport.close()
    while (await receive())["type"] != "http.disconnect":
        pass
