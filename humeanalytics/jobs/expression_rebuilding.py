"""The answers of v1 under raw/, put together again by the recordings they are about."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from humeanalytics.errors import UnreadableResponse
from humeanalytics.jobs import states
from humeanalytics.jobs.expression_answers import Answer, answer_of
from humeanalytics.jobs.expression_scoring import FLOW
from humeanalytics.jobs.ledger import Ledger
from humeanalytics.jobs.work import Work
from humeanalytics.lake.raw import RawStore
from humeanalytics.tables.expression import read_received


def unfinished_jobs(ledger: Ledger) -> set[str]:
    """Return the jobs of v1 whose answers are in no table yet: a part of them is missing."""
    apart = (states.INTENT, states.ACCEPTED, states.UNKNOWN, states.RECEIVED, *states.ENDED_BADLY)
    return {job.job_id for job in ledger.jobs(*apart, api=FLOW)}


class KeptUploads:
    """Collects what is kept of uploads, then gives it back by job and model.

    Args:
        raw: The answers.
        unfinished: Jobs of which a part is missing.
        in_tables: The answers that are in tables. One that cannot be read by now is given back all the same: whoever reads it
            says so, and keeps the rows there are.
    """

    def __init__(self, raw: RawStore, unfinished: set[str], in_tables: Collection[str]) -> None:
        self._raw, self._unfinished, self._in_tables = raw, unfinished, in_tables
        self._by_job: dict[tuple[str, str], list[tuple[str, str, Mapping[str, Any]]]] = {}

    def take(self, response_id: str, path: str, metas: Sequence[Mapping[str, Any]]) -> bool:
        """Take an answer, if it is one to an upload that this toolkit sent."""
        sent = [meta for meta in metas if path.startswith(f"{FLOW}/") and "upload_id" in meta]
        for meta in sent:
            if meta["job_id"] not in self._unfinished:
                self._by_job.setdefault((str(meta["job_id"]), str(meta["model"])), []).append((response_id, path, meta))
        return bool(sent)

    def jobs(self) -> Iterator[tuple[str, list[Answer], tuple[Work, ...]]]:
        """Yield, for each job and model, the path of one answer, all that are of use, and the recordings they are about."""
        for kept in self._by_job.values():
            answers = [answer_of(self._raw, response_id, meta) for response_id, _, meta in kept]
            if usable := [answer for answer in answers if self._is_of_use(answer)]:
                yield kept[0][1], usable, tuple(Work(**work) for work in kept[0][2]["works"])

    def _is_of_use(self, answer: Answer) -> bool:
        """Whether the run that received it put it into tables: one that cannot be read, or is about something else, was not."""
        try:
            return read_received(answer.uploaded).mismatch(answer.uploaded.placement) is None
        except UnreadableResponse:
            return answer.response_id in self._in_tables
