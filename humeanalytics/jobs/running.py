"""Run an async core from anywhere: a script, a thread, or a notebook whose event loop is already running."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from humeanalytics.errors import Interrupted

T = TypeVar("T")

_RESUME = "Stopped. Nothing is lost or half done: the same call goes on where this one ended."


def run_sync(core: Coroutine[Any, Any, T]) -> T:
    """Run ``core`` to its end and return what it returns.

    Raises:
        Interrupted: The user pressed Ctrl-C; the core was cancelled and has cleaned up after itself.
    """
    if _a_loop_is_running():
        return _in_a_thread(core)
    try:
        return asyncio.run(_ended_by_sigterm(core))
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise Interrupted(_RESUME) from None


async def _ended_by_sigterm(core: Coroutine[Any, Any, T]) -> T:
    """Let SIGTERM, with which containers stop what they run, end ``core`` as Ctrl-C does."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    before = signal.getsignal(signal.SIGTERM)
    try:
        loop.add_signal_handler(signal.SIGTERM, task.cancel)
    except (NotImplementedError, RuntimeError, ValueError):  # Windows, or a thread that gets no signals
        return await core
    try:
        return await core
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
        signal.signal(signal.SIGTERM, before)


def _a_loop_is_running() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _in_a_thread(core: Coroutine[Any, Any, T]) -> T:
    outcome: Future[T] = Future()
    ready = threading.Event()
    running: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[T]]] = []

    async def supervised() -> T:
        task = asyncio.ensure_future(core)
        running.append((asyncio.get_running_loop(), task))
        ready.set()
        return await task

    def work() -> None:
        try:
            outcome.set_result(asyncio.run(supervised()))
        except BaseException as error:
            outcome.set_exception(error)
            ready.set()

    thread = threading.Thread(target=work, name="humeanalytics", daemon=True)
    thread.start()
    try:
        return outcome.result()
    except KeyboardInterrupt:
        ready.wait()
        if running:
            loop, task = running[0]
            loop.call_soon_threadsafe(task.cancel)
        thread.join()
        raise Interrupted(_RESUME) from None
