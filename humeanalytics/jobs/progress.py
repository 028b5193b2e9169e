"""Show how far a run is: bars in a terminal or a notebook, a line now and then in a log. Flows only report numbers."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

#: Without a terminal (cron, a container) a line is written this often at most.
_LINE_EVERY_S = 10.0


class Progress(Protocol):
    """What flows report to."""

    def stage(self, name: str, done: int, total: int | None, detail: str = "") -> None:
        """Tell how much of one stage is done. ``total`` is None while it is not known."""


class Silent:
    """Reports to nobody."""

    def stage(self, name: str, done: int, total: int | None, detail: str = "") -> None:
        pass


class Lines:
    """Writes plain lines to standard error: at a stage's start and end, and every few seconds between."""

    def __init__(self) -> None:
        self._written: dict[str, tuple[float, int]] = {}

    def stage(self, name: str, done: int, total: int | None, detail: str = "") -> None:
        at, shown = self._written.get(name, (float("-inf"), -1))
        finished = total is not None and done >= total
        if done == shown or (not finished and time.monotonic() - at < _LINE_EVERY_S):
            return
        self._written[name] = (time.monotonic(), done)
        of = "" if total is None else f" of {total:,}"
        print(f"{time.strftime('%H:%M:%S')} {name}: {done:,}{of}{' ' + detail if detail else ''}", file=sys.stderr, flush=True)  # noqa: T201


class Bars:
    """Draws a bar for each stage with rich."""

    def __init__(self, display: RichProgress) -> None:
        self._display = display
        self._tasks: dict[str, TaskID] = {}

    def stage(self, name: str, done: int, total: int | None, detail: str = "") -> None:
        if name not in self._tasks:
            self._tasks[name] = self._display.add_task(name, total=total, detail=detail)
        self._display.update(self._tasks[name], completed=done, total=total, detail=detail)


@contextmanager
def show_progress(wanted: bool) -> Iterator[Progress]:
    """Yield what fits here: bars where somebody watches, lines where a log is kept, nothing where nobody asked."""
    if not wanted:
        yield Silent()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as RichProgress

    console = Console(stderr=True)
    if not (console.is_terminal or console.is_jupyter):
        yield Lines()
        return
    columns = (
        TextColumn("{task.description:<10}"),
        BarColumn(bar_width=32),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[detail]}"),
    )
    with RichProgress(*columns, console=console, transient=not console.is_jupyter) as display:
        yield Bars(display)
