"""Access tokens: when they are asked for anew, and what becomes of a refusal."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from humeanalytics.api.evi_token import TokenAuth
from humeanalytics.api.retry import TryAgain
from humeanalytics.errors import AuthenticationFailed, InvalidAnswer

SECRET = "s-77aa0e4b523f9c1d"


class Server:
    """Gives tokens ``t1``, ``t2``, ... and takes those not in ``revoked``."""

    def __init__(self, **answer: Any) -> None:
        self.answer = answer
        self.given = 0
        self.revoked: set[str] = set()
        self.used: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/oauth2-cc/token":
            kind, _, basic = request.headers["Authorization"].partition(" ")
            assert kind == "Basic"
            assert base64.b64decode(basic).decode().endswith(f":{SECRET}")
            assert request.content == b"grant_type=client_credentials"
            assert "X-Hume-Api-Key" not in request.headers
            self.given += 1
            return httpx.Response(200, json={"access_token": f"t{self.given}", **self.answer})
        token = request.headers["Authorization"].removeprefix("Bearer ")
        self.used.append(token)
        return httpx.Response(401 if token in self.revoked else 200, json={})


def run(server: Callable[[httpx.Request], httpx.Response], auth: TokenAuth, use: Any) -> Any:
    async def main() -> Any:
        async with httpx.AsyncClient(transport=httpx.MockTransport(server), auth=auth, base_url="https://hume.example") as client:
            return await use(client)

    return asyncio.run(main())


@pytest.fixture
def auth_with(make_settings: Any) -> Callable[..., TokenAuth]:
    def make(**options: Any) -> TokenAuth:
        return TokenAuth(make_settings(secret_key=SECRET, base_url="https://hume.example"), **options)

    return make


@pytest.mark.parametrize(
    ("answer", "good_s"), [({}, 1500), ({"expires_in": 600}, 500), ({"expires_in": 86_400}, 1500), ({"expires_in": None}, 1500)]
)
def test_a_token_is_renewed_before_it_expires(auth_with: Any, answer: dict[str, Any], good_s: float) -> None:
    now = {"s": 0.0}
    server = Server(**answer)

    async def use(client: httpx.AsyncClient) -> None:
        for now["s"] in (0.0, good_s - 1, good_s + 1, 2 * good_s):
            await client.get("/v0/evi/chats")

    run(server, auth_with(clock=lambda: now["s"]), use)
    assert server.used == ["t1", "t1", "t2", "t2"]


def test_many_tasks_ask_for_one_token(auth_with: Any) -> None:
    server = Server()

    async def use(client: httpx.AsyncClient) -> None:
        await asyncio.gather(*(client.get("/v0/evi/chats") for _ in range(20)))

    run(server, auth_with(), use)
    assert server.used == ["t1"] * 20


def test_a_token_that_is_refused_is_replaced_once(auth_with: Any) -> None:
    server = Server()
    server.revoked = {"t1"}

    async def use(client: httpx.AsyncClient) -> int:
        return (await client.get("/v0/evi/chats")).status_code

    assert run(server, auth_with(), use) == 200
    server = Server()
    server.revoked = {"t1", "t2", "t3"}
    assert run(server, auth_with(), use) == 401
    assert server.used == ["t1", "t2"]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(401, json={}), AuthenticationFailed),
        (httpx.Response(400, json={"error": "invalid_client"}), AuthenticationFailed),
        (httpx.Response(200, json={"token": "secret-token-value"}), InvalidAnswer),
        (httpx.Response(200, text="<html>"), InvalidAnswer),
        (httpx.Response(503), TryAgain),
        (httpx.Response(429, headers={"Retry-After": "3"}), TryAgain),
    ],
)
def test_no_token(auth_with: Any, answer: httpx.Response, error: type[Exception]) -> None:
    async def use(client: httpx.AsyncClient) -> None:
        await client.get("/v0/evi/chats")

    with pytest.raises(error) as raised:
        run(lambda request: answer, auth_with(), use)
    assert "secret-token-value" not in str(raised.value)
    assert SECRET not in str(raised.value)
    if answer.status_code == 429:
        assert raised.value.asked_s == 3.0  # type: ignore[attr-defined]


def test_nothing_secret_in_its_repr(auth_with: Any) -> None:
    assert SECRET not in repr(auth_with())
