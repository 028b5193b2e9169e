"""The sandbox inside a process: a server in a thread of its own, on a free port."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import uvicorn

from humeanalytics.sandbox.app import Service
from humeanalytics.sandbox.evi.control import EviControl
from humeanalytics.sandbox.gateway import ConnectionAwareProtocol
from humeanalytics.sandbox.options import SandboxOptions
from humeanalytics.settings import Settings, load_settings

_START_S = 30.0
#: How long answers under way may go on when the sandbox is closed.
_GRACE_S = 0.5
_DEFAULT_KEY = "sandbox"


class Sandbox:
    """Run a local Hume that follows the contracts, for tests, demonstrations and trying things out.

    A context manager; `start` and `close` do the same by hand. It listens on a port of this machine, in a thread, so it
    works beside a running event loop (a notebook) too.

    Args:
        seed: Scores depend on it and on the content alone.
        state: A folder that keeps every accepted job, also through a killed process; the next sandbox on it goes on where
            this one ended. None: a temporary folder, removed at the end.
        host: The address to listen on.
        port: The port to listen on; 0 takes a free one.
        api_key: The only key accepted. None: any key is, but there must be one.
        options: Delays, limits and the guesses where the contract is silent.

    Attributes:
        url: Where it listens, for example ``http://127.0.0.1:40123``.
        seed: The seed.
        settings: `humeanalytics.Settings` that point here, with waits short enough for tests.

    Raises:
        StateInUse: Another sandbox works on ``state``.
        ValueError: ``state`` was made with another seed.
        OSError: The port is taken.

    Examples:
        >>> with Sandbox() as hume:
        ...     hume.submissions()
        []
    """

    def __init__(
        self,
        *,
        seed: int = 7,
        state: str | Path | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        api_key: str | None = None,
        options: SandboxOptions | None = None,
    ) -> None:
        self.seed = seed
        self._state = None if state is None else Path(state)
        self._host = host
        self._port = port
        self._api_key = api_key
        self._options = options or SandboxOptions()
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._service: Service | None = None
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        self._url = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Sandbox seed={self.seed} {self._url or 'not running'}>"

    @property
    def url(self) -> str:
        self._running()
        return self._url

    @property
    def settings(self) -> Settings:
        self._running()
        return load_settings(
            api_key=self._api_key or _DEFAULT_KEY,
            expression_api_key=self._api_key or _DEFAULT_KEY,  # a real key never goes to a sandbox
            base_url=self._url,
            expression_base_url=self._url,
            settle_s=1.0,
            poll_first_s=0.05,
            poll_cap_s=1.0,
            retry_first_s=0.05,
            retry_cap_s=1.0,
            requests_per_s=1000.0,
        )

    def start(self) -> None:
        """Start to listen; returns when requests are answered. Starting a sandbox that runs does nothing."""
        if self._service is not None:
            return
        listener = _listen(self._host, self._port)
        try:
            folder = self._state
            if folder is None:
                self._temporary = tempfile.TemporaryDirectory(prefix="hume-sandbox-", ignore_cleanup_errors=True)
                folder = Path(self._temporary.name)
            self._service = Service(folder, self.seed, self._api_key, self._options)
        except BaseException:
            listener.close()
            self._clean_up()
            raise
        self._server = _Server(
            uvicorn.Config(
                self._service.app,
                http=ConnectionAwareProtocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                date_header=False,
                server_header=False,
                timeout_graceful_shutdown=10,
                timeout_keep_alive=75,  # a connection that is closed while a client reuses it is a fault nobody ordered
            )
        )
        self._thread = threading.Thread(target=self._serve, args=(listener,), name="sandbox-server", daemon=True)
        self._thread.start()
        if not self._server.listening.wait(_START_S):
            self.close()
            raise RuntimeError("The sandbox did not start to listen.")
        host, port = listener.getsockname()[:2]
        self._url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def close(self) -> None:
        """Stop listening and working. Closing a sandbox that does not run does nothing."""
        if self._server is not None and self._thread is not None:
            self._server.end()
            self._thread.join()
        if self._service is not None:
            self._service.close()
        self._server = self._thread = self._service = None
        self._url = ""
        self._clean_up()

    def submissions(self) -> list[dict[str, Any]]:
        """Return what was accepted and would be billed: ``api, job_id, fingerprint, at`` of each item, in order.

        ``api`` is ``batch`` (v0) or ``expression`` (v1), whose ``job_id`` is that of the run. ``fingerprint`` is the sha256 of a
        file's bytes, of a text or of a URL; ``at`` is Unix time in milliseconds.
        """
        return self._running().control.submissions()

    @property
    def evi(self) -> EviControl:
        """The conversations: all there is (``truth``, ``events``), and how to add, change and delete it."""
        return self._running().evi.control

    def set_faults(self, rules: list[dict[str, Any]]) -> None:
        """Replace the fault rules; `humeanalytics.sandbox.faults` says what a rule can be.

        Raises:
            InvalidRule: A rule cannot be; the message says which and why.
        """
        self._running().control.set_faults(rules)

    def advance_clock(self, seconds: float) -> None:
        """Put the sandbox's clock forward."""
        self._running().control.advance_clock(seconds)

    def _running(self) -> Service:
        if self._service is None:
            raise RuntimeError("The sandbox does not run; use it in a with statement, or start it.")
        return self._service

    def _serve(self, listener: socket.socket) -> None:
        assert self._server is not None
        asyncio.run(self._server.serve(sockets=[listener]))

    def _clean_up(self) -> None:
        if self._temporary is not None:
            self._temporary.cleanup()
            self._temporary = None


class _Server(uvicorn.Server):
    """uvicorn's server, which also says when it listens, and ends at once: uvicorn's own looks now and then whether it is to."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop, self._told_to_end = asyncio.get_running_loop(), asyncio.Event()
        await super().startup(sockets)
        self.listening.set()

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self._told_to_end.wait()

    def end(self) -> None:
        self.should_exit = True
        if self.listening.is_set():
            with suppress(RuntimeError):  # it ended by itself
                self._loop.call_soon_threadsafe(self._told_to_end.set)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.get_running_loop().call_later(_GRACE_S, self._cut_connections)
        await super().shutdown(sockets)

    def _cut_connections(self) -> None:
        """End answers that are still under way: a slow drip would go on for hours."""
        for connection in list(self.server_state.connections):
            connection.transport.abort()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio switches Nagle's delay off only where the protocol is named; with it every answer takes 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # elsewhere it would let two sandboxes share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener
