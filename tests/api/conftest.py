"""A server that does exactly what a test says with each connection, byte by byte, and settings that waste no time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from humeanalytics.settings import Settings

KEY = "k-3f9c1d77aa0e4b52"


@dataclass
class Request:
    """One request as it arrived."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int


@dataclass
class RawServer:
    """``answer`` gets each request and the writer of its connection; requests are kept."""

    url: str
    requests: list[Request] = field(default_factory=list)
    connections: int = 0


Answer = Callable[[Request, asyncio.StreamWriter], Awaitable[None]]


async def read_request(reader: asyncio.StreamReader, connection: int) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *lines = head.rstrip("\r\n").split("\r\n")
    method, target, _ = line.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(method, target, headers, body, connection)


@asynccontextmanager
async def serve(answer: Answer) -> AsyncIterator[RawServer]:
    server_facts = RawServer("")

    async def serve_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_facts.connections += 1
        connection = server_facts.connections
        try:
            while True:
                request = await read_request(reader, connection)
                server_facts.requests.append(request)
                await answer(request, writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client is through with it, or the test is
        finally:
            writer.close()

    server = await asyncio.start_server(serve_connection, "127.0.0.1", 0)
    server_facts.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield server_facts


@pytest.fixture
def raw_server() -> Callable[[Answer], AbstractAsyncContextManager[RawServer]]:
    """``async with raw_server(answer) as server``: a server on a free port of this machine."""
    return serve


@pytest.fixture
def make_settings() -> Callable[..., Settings]:
    """Settings with a key, quick retries and no limit worth speaking of."""

    def make(**changes: Any) -> Settings:
        quick: dict[str, Any] = {
            "api_key": KEY,
            "retry_first_s": 0.001,
            "retry_cap_s": 0.01,
            "retry_deadline_s": 2.0,
            "read_timeout_s": 5.0,
            "requests_per_s": 100_000.0,
        }
        return Settings(_env_file=None, **(quick | changes))  # type: ignore[call-arg]

    return make


class MemorySink:
    """A sink that keeps what it was told."""

    def __init__(self) -> None:
        self.data = b""
        self.ended: list[str] = []

    def write(self, data: bytes, /) -> None:
        assert not self.ended
        self.data += data

    def commit(self) -> None:
        self.ended.append("commit")

    def abort(self) -> None:
        self.ended.append("abort")


@pytest.fixture
def sinks() -> tuple[list[MemorySink], Callable[[], MemorySink]]:
    """The sinks opened so far, and what opens one."""
    opened: list[MemorySink] = []

    def open_sink() -> MemorySink:
        opened.append(MemorySink())
        return opened[-1]

    return opened, open_sink
