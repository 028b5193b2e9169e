"""The receiver's server: uvicorn in a thread of its own, with as many connections as are good for it, none of them for long."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Self

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from humeanalytics.errors import UsageError

_START_S = 30.0
#: Requests under way at once; whoever comes then is asked to come again (503).
_MOST_CONNECTIONS = 200
#: Whatever it does, a connection is cut after so long: slow headers, slow bodies, slow reading of the answer.
_CONNECTION_S = 60.0
_GRACE_S = 5


class ReceiverServer:
    """An application, served while the ``with`` block runs.

    Args:
        app: What answers.
        host: The address to listen on.
        port: The port; 0 takes a free one.

    Attributes:
        url: Where it listens, for example ``http://127.0.0.1:8899``.

    Raises:
        UsageError: It cannot listen there.
    """

    def __init__(self, app: ASGIApp, host: str, port: int) -> None:
        self._app, self._host, self._port = app, host, port
        self.url = ""

    def __enter__(self) -> Self:
        listener = _listen(self._host, self._port)
        host, port = listener.getsockname()[:2]
        self._server = _Server(
            uvicorn.Config(
                self._app,
                http=_Protocol,
                ws="none",
                lifespan="off",
                log_config=None,  # addresses of callbacks hold the token
                access_log=False,
                date_header=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=_MOST_CONNECTIONS,
                timeout_graceful_shutdown=_GRACE_S,
            )
        )
        self._thread = threading.Thread(target=self._serve, args=(listener,), name="receiver", daemon=True)
        self._thread.start()
        if not self._server.listening.wait(_START_S):
            self.__exit__()
            raise UsageError(f"The receiver did not begin to listen on {host}:{port}.")
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()

    def _serve(self, listener: socket.socket) -> None:
        asyncio.run(self._server.serve(sockets=[listener]))


class _Protocol(H11Protocol):
    """uvicorn's protocol on h11, which does not wait for ever."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._deadline = self.loop.call_later(_CONNECTION_S, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._deadline.cancel()
        super().connection_lost(exc)


class _Server(uvicorn.Server):
    """uvicorn's server, which also says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"Cannot listen on {host}, port {port}: {reason}. Choose another with --port.") from error
    listener.setblocking(False)
    return listener
