"""Access tokens: given for a key and a secret, good for a while."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Callable
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from humeanalytics.sandbox.clock import Clock
from humeanalytics.sandbox.replies import INVALID_KEY, json_reply

TOKEN_PATH = "/oauth2-cc/token"
_MOST_BYTES = 4096


class Tokens:
    """Gives tokens and knows its own again; those of an earlier process it does not.

    Args:
        clock: What time it is.
        lives_s: How long a token is good for, in seconds of the sandbox's clock.
    """

    def __init__(self, clock: Clock, lives_s: float) -> None:
        self._clock = clock
        self._lives_s = lives_s
        self._secret = secrets.token_bytes(16)
        self.knows_key: Callable[[str | None], bool] = bool

    def routes(self) -> list[Route]:
        return [Route(TOKEN_PATH, self.give, methods=["POST"])]

    def is_good(self, token: str) -> bool:
        """Tell whether a token is one of these and has not expired."""
        until, _, seal = token.partition(".")
        if not hmac.compare_digest(self._seal(until).encode(), seal.encode()):
            return False
        return self._clock.now_s() < float(until.replace("_", "."))

    async def give(self, request: Request) -> Response:
        body = (await request.body())[:_MOST_BYTES].decode("latin-1")
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        try:
            key, _, secret = base64.b64decode(given, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            key = secret = ""
        if kind.lower() != "basic" or not secret or not self.knows_key(key):
            return json_reply(INVALID_KEY, 401)
        if parse_qs(body).get("grant_type") != ["client_credentials"]:
            return json_reply({"error": "unsupported_grant_type"}, 400)
        until = repr(self._clock.now_s() + self._lives_s).replace(".", "_")
        token = f"{until}.{self._seal(until)}"
        return json_reply({"access_token": token, "token_type": "Bearer", "expires_in": int(self._lives_s)})

    def _seal(self, until: str) -> str:
        return hmac.new(self._secret, until.encode(), hashlib.sha256).hexdigest()
