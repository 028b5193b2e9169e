"""Tie what Hume answered to what was sent: which recording each answer is of, and what came of each recording."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from humeanalytics.jobs.work import Work
from humeanalytics.redaction import without_signature
from humeanalytics.tables.flattened import Answer, Failure, Flattened, Source
from humeanalytics.tables.keys import saved_recording_id

#: Where an answer comes from when it was found in a file.
SAVED = "saved"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one recording of a job."""

    work: Work
    done: bool
    messages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tied:
    """An answer tied to what was sent: a recording id for each of `Flattened.answers`, a work for each failure."""

    recording_ids: tuple[str, ...]
    failures: tuple[tuple[Failure, Work | None], ...]
    outcomes: tuple[Outcome, ...]


def scoring_id(*, api: str, origin: str, recording_id: str, model: str, settings_id: str | None, fingerprint: str) -> str:
    """Return the id of one answer of one model for one recording."""
    identity = "\n".join((api, origin, recording_id, model, settings_id or "", fingerprint))
    return hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def saved_scoring_ids(answers: Iterable[Answer], recording_ids: Iterable[str]) -> list[str]:
    """Return the scoring ids of answers of which only the file is known."""
    return [
        scoring_id(
            api=answer.api,
            origin=SAVED,
            recording_id=recording_id,
            model=answer.model,
            settings_id=None,
            fingerprint=answer.fingerprint,
        )
        for answer, recording_id in zip(answers, recording_ids, strict=True)
    ]


def tie(flattened: Flattened, works: Sequence[Work], hume_job_id: str) -> Tied:
    """Tie every answer and failure to a recording of the job.

    Uploads are known again by their md5 sum (two may have the same name), URLs without their signature, texts by their
    number. What cannot be tied for certain keeps an id that says only what is known: no answer is ever given to a
    recording it may not be of.
    """
    ties = _Ties(works, flattened)
    recording_ids: list[str] = []
    answered: Counter[int] = Counter()
    for answer in flattened.answers:
        work = ties.work_of(answer.source, answer.file)
        recording_ids.append(ties.recording_of(answer, work, hume_job_id))
        if work is not None:
            answered[work.position] += 1
    failures: list[tuple[Failure, Work | None]] = []
    messages: dict[int, list[str]] = {}
    for failure in flattened.failures:
        work = ties.work_of(failure.source, failure.file)
        failures.append((failure, work))
        if work is not None:
            messages.setdefault(work.position, []).append(failure.message)
    outcomes = tuple(Outcome(work, work.position in answered, tuple(messages.get(work.position, ()))) for work in works)
    return Tied(tuple(recording_ids), tuple(failures), outcomes)


class _Ties:
    def __init__(self, works: Sequence[Work], flattened: Flattened) -> None:
        self._by_md5 = {work.md5: work for work in works if work.kind == "file" and work.md5}
        self._by_url = {without_signature(work.uri): work for work in works if work.kind == "url"}
        self._texts = [work for work in works if work.kind == "text"]
        self._first_text = _first_text_number(len(self._texts), flattened)
        files_of: dict[int, set[str]] = {}
        for each in flattened.answers:
            files_of.setdefault(each.source.index, set()).add(each.file)
        self._many_files = {index for index, files in files_of.items() if len(files) > 1}

    def work_of(self, source: Source | None, file: str | None) -> Work | None:
        if source is None:
            return None
        if source.type == "file":
            return self._by_md5.get((source.md5sum or "").lower())
        if source.type == "url" and source.url is not None:
            return self._by_url.get(without_signature(source.url))
        if source.type == "text" and self._first_text is not None and file is not None and file.isdecimal():
            number = int(file) - self._first_text
            return self._texts[number] if 0 <= number < len(self._texts) else None
        return None

    def recording_of(self, answer: Answer, work: Work | None, hume_job_id: str) -> str:
        if work is None:
            return saved_recording_id(answer, hume_job_id)
        # All texts of a job are one source; of any other source, several files are the members of an archive.
        if work.kind != "text" and (work.media_type == "archive" or answer.source.index in self._many_files):
            return work.parts.get(answer.file) or saved_recording_id(answer, hume_job_id)
        return work.recording_id


def _first_text_number(count: int, flattened: Flattened) -> int | None:
    """Whether this answer counts its texts from 0 or from 1; None where it cannot be told.

    Both are possible as far as published. With one text missing from the answer the smallest number alone would mislead.
    """
    told: list[tuple[Source | None, str | None]] = [(each.source, each.file) for each in flattened.answers]
    told += [(each.source, each.file) for each in flattened.failures]
    numbers = {int(file) for source, file in told if source and source.type == "text" and file and file.isdecimal()}
    if 0 in numbers:
        return 0 if count not in numbers else None
    return 1 if count in numbers else None
