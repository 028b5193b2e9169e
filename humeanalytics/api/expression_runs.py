"""The runs of an organization: what was uploaded when, how large it was and what was billed for it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from humeanalytics.api.expression_request import LIMITS
from humeanalytics.api.expression_run import Run, RunEvent, RunLog, as_rfc3339
from humeanalytics.api.http import HumeClient
from humeanalytics.errors import InvalidAnswer

_RUNS = "/v1/expression/run"
_MOST_PAGES = 10_000

_P = TypeVar("_P", bound="_Page")


class Runs:
    """The three run endpoints of v1, as `ExpressionApi.runs`. Each method raises what `HumeClient` does."""

    def __init__(self, http: HumeClient) -> None:
        self._http = http

    async def check(self) -> None:
        """Ask for one run, for nothing but an answer."""
        await self._http.get_json(_RUNS, {"page_size": 1}, _RunsPage)

    async def newest_first(
        self,
        *,
        started_after: datetime | None = None,
        started_before: datetime | None = None,
        endpoint: str | None = None,
        mode: str | None = None,
        status: str | None = None,
        user_id: str | None = None,
        page_size: int | None = None,
    ) -> AsyncGenerator[Run, None]:
        """Yield the runs of the organization, each once, page after page to the last.

        A run can take a moment to appear after the answer to its upload, and in rare cases never does. It tells what was
        billed; what was measured is in the answer alone.

        Args:
            started_after: Only runs that started then or later.
            started_before: Only runs that started earlier.
            endpoint: ``audio`` or ``video``.
            mode: ``file`` or ``realtime``.
            status: ``live``, ``ended`` or ``errored``.
            user_id: Only runs of this user.
            page_size: How many to fetch at once, 1 to 200; the most by default.

        Raises:
            ValueError: A time has no time zone.
            InvalidAnswer: The pages have no end: nothing may be concluded from a run that is missing.
        """
        given = {
            "started_after": started_after and as_rfc3339(started_after),
            "started_before": started_before and as_rfc3339(started_before),
            "endpoint": endpoint,
            "mode": mode,
            "status": status,
            "user_id": user_id,
            "page_size": page_size or LIMITS.page_size,
        }
        seen: set[str] = set()
        async for page in self._pages(_RUNS, given, _RunsPage):
            for answer in page.runs:
                run = Run.from_answer(answer)
                if run.run_id not in seen:
                    seen.add(run.run_id)
                    yield run

    async def uploads_since(self, started_after: datetime, endpoint: str | None = None) -> list[Run]:
        """Return the runs of uploads that started at ``started_after`` or later, newest first, with size and seconds billed.

        What a lost answer is looked for in: of what size a run was (`Run.bytes_received`), how many seconds it cost
        (`Run.metered_s`), and whether it failed (`Run.failed`).

        Args:
            started_after: By the server's clock. `server_now_ms` is true to about a second: whoever took the moment from it
                should ask from a few seconds earlier.
            endpoint: ``audio`` or ``video``; both by default.

        Raises:
            ValueError, InvalidAnswer: As `newest_first`.
        """
        runs = self.newest_first(started_after=started_after, endpoint=endpoint, mode="file")
        # The service filters; that it does is not taken for granted where money hangs on it.
        return [
            run
            async for run in runs
            if run.mode in ("file", "")
            and (endpoint is None or run.endpoint in (endpoint, ""))
            and (run.started_at is None or run.started_at >= started_after)
        ]

    async def get(self, run_id: str) -> Run:
        """Return one run, with its settings.

        Raises:
            NotFound: The organization has no such run, or not yet: right after an upload it can take a moment.
        """
        run = Run.from_answer(await self._http.get_json(_path(run_id), None, dict[str, Any]))
        if run.run_id.lower() != run_id.lower():
            raise InvalidAnswer(
                f"Asked for run {run_id}, {self._http.origin} answered with run {run.run_id}. Check HUME_EXPRESSION_BASE_URL.",
                status=200,
            )
        return run

    async def events(self, run_id: str) -> AsyncGenerator[RunEvent, None]:
        """Yield the problems that a run noted, in order, page after page. Uploads note none, only realtime sessions do.

        Raises:
            NotFound: The organization has no such run.
        """
        async for page in self._pages(f"{_path(run_id)}/events", {"page_size": LIMITS.page_size}, _EventsPage):
            for answer in page.events:
                yield RunEvent.from_answer(answer)

    async def log(self, run_id: str) -> RunLog:
        """Return the whole log of a run, with what it says of its own completeness.

        Raises:
            NotFound: The organization has no such run.
        """
        params = {"page_size": LIMITS.page_size}
        pages = [page async for page in self._pages(f"{_path(run_id)}/events", params, _EventsPage)]
        return RunLog(
            events=tuple(RunEvent.from_answer(answer) for page in pages for answer in page.events),
            at_cap=any(page.at_cap for page in pages),
            capped_kinds=tuple(dict.fromkeys(kind for page in pages for kind in page.capped_kinds)),
            gaps=any(page.gaps for page in pages),
        )

    async def _pages(self, path: str, given: Mapping[str, Any], type_: type[_P]) -> AsyncGenerator[_P, None]:
        """Yield page after page, asked with the same parameters and the cursor of the one before."""
        params = {name: value for name, value in given.items() if value is not None}
        cursors: set[str] = set()
        while True:
            page = await self._http.get_json(path, params, type_)
            yield page
            if not page.next_cursor:
                return
            if page.next_cursor in cursors or len(cursors) >= _MOST_PAGES:
                raise InvalidAnswer(
                    f"GET {path} on {self._http.origin} has no end: its pages lead back to earlier ones. Nothing can "
                    "be concluded from what is missing in it. Run the same command again later.",
                    status=200,
                )
            cursors.add(page.next_cursor)
            params["cursor"] = page.next_cursor


class _Page(msgspec.Struct):
    next_cursor: str | None = None


class _RunsPage(_Page, kw_only=True):
    runs: list[dict[str, Any]]


class _EventsPage(_Page, kw_only=True):
    events: list[dict[str, Any]]
    at_cap: bool = False
    capped_kinds: list[str] = []
    gaps: bool = False


def _path(run_id: str) -> str:
    return f"{_RUNS}/{quote(run_id, safe='')}"
