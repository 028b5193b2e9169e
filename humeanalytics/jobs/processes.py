"""Work on several processor cores at once, in processes that are started afresh (never forked) and may die."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class WorkerDied(Exception):
    """A process that worked on something died: killed, out of memory, or brought down by a library."""


def cores() -> int:
    """Return how many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def worker_pool(workers: int) -> Iterator[Callable[[], Executor]]:
    """Yield what gives a pool of processes, a new one after one has broken. They end with the block.

    loky starts them by executing Python anew, without the caller's main module: it works from a plain script without a main
    guard, and from a notebook.
    """
    from loky import ProcessPoolExecutor

    pools: list[Any] = []

    def pool() -> Executor:
        made: Executor = ProcessPoolExecutor(max_workers=workers)
        pools.append(made)
        return made

    try:
        yield pool
    finally:
        for each in pools:
            each.shutdown(wait=True, kill_workers=True)


def map_in_order(
    work: Callable[[T], R],
    tasks: Sequence[T],
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
        tasks: The tasks.
        make_executor: Makes an executor, and another one when the first has broken.
        at_once: How many tasks may be under way.
        alone: Splits a task into the least parts.
    """
    executor = make_executor()
    waiting = deque(tasks)
    under_way: deque[tuple[T, Future[R]]] = deque()
    while waiting or under_way:
        while waiting and len(under_way) < at_once:
            task = waiting.popleft()
            under_way.append((task, executor.submit(work, task)))
        task, future = under_way.popleft()
        try:
            yield task, future.result()
        except BrokenProcessPool:
            suspects = [task, *(each for each, _ in under_way)]
            under_way.clear()
            executor = make_executor()
            for suspect in suspects:
                for part in alone(suspect):
                    try:
                        yield part, executor.submit(work, part).result()
                    except BrokenProcessPool:
                        executor = make_executor()
                        yield part, WorkerDied("the process that read it died")
