"""Work on several processor cores at once, in processes that are started afresh (never forked) and may die."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import contextmanager, suppress
from itertools import islice
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")

_LOOK_S = 0.2


class WorkerDied(Exception):
    """A process that worked on something died: killed, out of memory, or brought down by a library."""


def cores() -> int:
    """Return how many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def worker_pool(workers: int) -> Iterator[Callable[[], Executor]]:
    """Yield what gives a pool of processes, a new one after one has broken. They end with the block.

    loky starts them by executing Python anew, without the caller's main module: it works from a plain script without a main
    guard, and from a notebook. They end with this process too, however that ends.
    """
    from loky import ProcessPoolExecutor

    # It takes memory that Arrow keeps for later for a leak, and starts such a process anew between two tasks: nothing is lost.
    warnings.filterwarnings("ignore", "A worker was restarted while some jobs were given to the executor", UserWarning)
    pools: list[Any] = []

    class Pool(ProcessPoolExecutor):  # type: ignore[misc]
        def submit(self, work: Callable[..., R], *given: Any, **named: Any) -> Future[R]:
            with _uninterrupted():  # the first task starts the processes, any later one may start one again
                future: Future[R] = super().submit(work, *given, **named)
            return future

    def pool() -> Executor:
        _start_trackers()
        made: Executor = Pool(max_workers=workers, initializer=_follow, initargs=(os.getpid(),))
        pools.append(made)
        made.submit(os.getpid)
        return made

    try:
        yield pool
    finally:
        for each in pools:
            each.shutdown(wait=True, kill_workers=True)


def _start_trackers() -> None:
    """Start what cleans up after processes: Python's own, when it starts, lets Ctrl-C through again for whatever starts next."""
    if os.name == "posix":
        from multiprocessing import resource_tracker

        resource_tracker.ensure_running()


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let Ctrl-C wait. Processes that are started meanwhile never get it: every process of a terminal does, one answers."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _follow(leader_pid: int) -> None:
    """In a worker: leave Ctrl-C to the one that started it, and end when that ends."""
    with suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(leader_pid,), daemon=True).start()


def _end_with(leader_pid: int) -> None:
    leader = multiprocessing.parent_process()
    if os.name == "nt" and leader is not None:
        leader.join()  # there a process keeps the id of its parent for good
    else:
        while os.getppid() == leader_pid:
            time.sleep(_LOOK_S)
    os._exit(1)


def map_in_order(
    work: Callable[[T], R],
    tasks: Iterable[T],
    make_executor: Callable[[], Executor],
    *,
    at_once: int,
    alone: Callable[[T], Sequence[T]] = lambda task: (task,),
) -> Iterator[tuple[T, R | WorkerDied]]:
    """Yield each task with what came of it, in order, while the next ones are worked on.

    A process that dies takes all tasks under way with it. They are taken up again one by one, split into the least parts there
    are, so that only the part which brings it down is given up.

    Args:
        work: What to do with a task.
        tasks: The tasks. Each is asked for only when there is room for it.
        make_executor: Makes an executor, and another one when the first has broken.
        at_once: How many tasks may be under way.
        alone: Splits a task into the least parts.
    """
    executor = make_executor()
    waiting = iter(tasks)
    under_way: deque[tuple[T, Future[R]]] = deque()
    try:
        while True:
            under_way.extend((task, _submitted(executor, work, task)) for task in islice(waiting, at_once - len(under_way)))
            if not under_way:
                return
            if not _broke(under_way[0][1]):
                task, future = under_way.popleft()
                yield task, future.result()
                continue
            executor = make_executor()
            for _ in range(len(under_way)):
                task, future = under_way.popleft()
                if not _broke(future):
                    yield task, future.result()
                    continue
                for part in alone(task):
                    again = _submitted(executor, work, part)
                    if _broke(again):
                        executor = make_executor()
                        yield part, WorkerDied("the process that read it died")
                    else:
                        yield part, again.result()
    finally:
        for _, future in under_way:
            future.cancel()


def _submitted(executor: Executor, work: Callable[[T], R], task: T) -> Future[R]:
    """Submit a task; an executor that has broken says so in the future, as if it broke a moment later."""
    try:
        return executor.submit(work, task)
    except BrokenExecutor as error:
        broken: Future[R] = Future()
        broken.set_exception(error)
        return broken


def _broke(future: Future[R]) -> bool:
    """Wait for what comes of a task; return whether its executor broke before."""
    return isinstance(future.exception(), BrokenExecutor)
