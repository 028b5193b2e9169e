"""Find out what became of submissions whose answer was lost, by what the jobs at Hume hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isclose
from typing import Any

from humeanalytics.api.job import Job
from humeanalytics.jobs.intake import text_md5
from humeanalytics.jobs.scoring_settings import BatchScoring
from humeanalytics.jobs.work import LedgerJob, Work
from humeanalytics.redaction import without_signature

#: How far the ``Date`` of an answer (whole seconds) and the time a job was created may lie apart.
CLOCK_MARGIN_MS = 2_000


@dataclass(frozen=True, slots=True)
class Unknown:
    """One submission whose answer was lost."""

    job: LedgerJob
    works: Sequence[Work]
    scoring: BatchScoring


def find_accepted(unknown: Sequence[Unknown], listed: Sequence[Job], claimed: set[str]) -> dict[str, Job]:
    """Return which of the lost submissions were accepted: job id of ours -> job of Hume's.

    A job is ours if it holds exactly what we sent (md5 sums, URLs without signature, texts), asks for the same models and
    options, was created no earlier than we began to send, and no other submission of ours has it.
    """
    free = sorted((job for job in listed if job.job_id not in claimed), key=lambda job: (job.created_ms or 0, job.job_id))
    found: dict[str, Job] = {}
    for lost in sorted(unknown, key=lambda each: each.job.intent_server_ms or 0):
        wanted = _sent(lost.works)
        not_before = (lost.job.intent_server_ms or 0) - CLOCK_MARGIN_MS
        for job in free:
            if (job.created_ms or 0) >= not_before and _held(job) == wanted and _asks_for(job.request, lost.scoring):
                found[lost.job.job_id] = job
                free.remove(job)
                break
    return found


def _sent(works: Sequence[Work]) -> Counter[tuple[str, str]]:
    sent: Counter[tuple[str, str]] = Counter()
    for work in works:
        if work.kind == "url":
            sent["url", without_signature(work.uri)] += 1
        elif work.kind == "text":
            sent["text", work.md5 or ""] += 1
        else:
            sent["file", work.md5 or ""] += 1
    return sent


def _held(job: Job) -> Counter[tuple[str, str]]:
    held: Counter[tuple[str, str]] = Counter()
    held.update(("url", without_signature(url)) for url in job.urls)
    held.update(("text", text_md5(text)) for text in job.texts)
    held.update(("file", md5.lower()) for md5 in job.md5s)
    return held


def _asks_for(request: Mapping[str, Any], scoring: BatchScoring) -> bool:
    """Whether a request echo has the models and options of ``scoring``. Models not asked for are absent or null in it."""
    echoed = {name: options for name, options in (request.get("models") or {}).items() if options is not None}
    asked = scoring.request()["models"]
    if set(echoed) != set(asked):
        return False
    return all(_same(echoed[name].get(option, value), value) for name in asked for option, value in asked[name].items())


def _same(echoed: Any, asked: Any) -> bool:
    if isinstance(echoed, int | float) and isinstance(asked, int | float):
        return isclose(echoed, asked, rel_tol=1e-6)  # the echo of a threshold can be float32 noise
    if isinstance(echoed, Mapping) and isinstance(asked, Mapping):
        return all(_same(echoed.get(key, value), value) for key, value in asked.items())
    return bool(echoed == asked)
