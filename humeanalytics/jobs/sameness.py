"""Recognise an answer in another form: the JSON, its CSV artifacts, the platform's download and copies of them are one.

What a saved payload tells of a recording differs from form to form (an md5 sum, a name, a random number), so ids alone do
not say that two answers are one. Their rows do. Rows that lie in the time or the picture of a recording, equal to the last
digit, are of the same bytes: no two recordings give them by chance. The rows of a text that was written are not such: many
people write "No.". There only all texts of a job together, under the same names, are taken for that job met again; and never
where two payloads tell of different jobs.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath

from humeanalytics.jobs.saved_work import Payload
from humeanalytics.tables.flattened import Answer

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Met:
    """One scoring that was met before.

    Attributes:
        scoring_id: Its id.
        recording_id: The recording it is of, as it was known then.
        model: The model.
        fingerprint: Of its rows.
        rows: How many.
        file: The file as that payload names it.
        response_id: The payload.
        jobs: What is known of Hume's job: the id it told, and ids in the name of the file.
    """

    scoring_id: str
    recording_id: str
    model: str
    fingerprint: str
    rows: int
    file: str
    response_id: str
    jobs: frozenset[str]


@dataclass(slots=True)
class Recognised:
    """What became clear of a payload.

    Attributes:
        known: For each of its answers the scoring that it is, or None if it is a new one.
        ties: Ids of recordings that turned out to mean the same as others: (id, the one that tells more).
    """

    known: list[str | None]
    ties: list[tuple[str, str]]


@dataclass
class _File:
    """What one payload holds of one recording."""

    recording_id: str
    name: str
    answers: list[tuple[Answer, bool]] = field(default_factory=list)

    def prints(self, *, timed: bool) -> dict[str, str]:
        """Return model -> fingerprint of the answers that have rows which are, or are not, in a recording's time."""
        return {a.model: a.fingerprint for a, is_timed in self.answers if a.rows and is_timed == timed}


class Sameness:
    """All that was met so far, as far as a run has looked it up; it grows with every payload.

    Args:
        ties: Pairs of recording ids that are known to mean the same.
    """

    def __init__(self, ties: Iterable[tuple[str, str]] = ()) -> None:
        self._towards: dict[str, str] = {}
        self._by_print: dict[tuple[str, str], dict[str, Met]] = defaultdict(dict)
        self._by_response: dict[str, list[Met]] = defaultdict(list)
        for one, other in ties:
            self.tie(one, other)

    def add(self, met: Met) -> None:
        """Take note of a scoring. Again changes nothing."""
        place = self._by_print[met.model, met.fingerprint]
        if met.scoring_id not in place:
            place[met.scoring_id] = met
            self._by_response[met.response_id].append(met)

    def canonical(self, recording_id: str) -> str:
        """Return the one id that stands for all that mean the same recording."""
        while (towards := self._towards.get(recording_id, recording_id)) != recording_id:
            recording_id = towards
        return recording_id

    def same_as(self, recording_ids: Iterable[str]) -> set[str]:
        """Return all ids that mean the same as any of these, these included."""
        given = set(recording_ids)
        wanted = {self.canonical(each) for each in given}
        return given | {each for each in (*self._towards, *self._towards.values()) if self.canonical(each) in wanted}

    def recognise(self, payload: Payload) -> Recognised:
        """Tell which answers of a payload were met before, and take note of the others."""
        files = list(_files(payload))
        jobs = jobs_of(payload.uri, payload.job_id)
        ties = [*self._same_texts(files, jobs), *self._same_media(files)]
        for one, other in ties:
            self.tie(one, other)
        known: list[str | None] = []
        for answer, recording_id, scoring_id in zip(payload.answers, payload.recording_ids, payload.scoring_ids, strict=True):
            before = self._known(answer, recording_id)
            known.append(before)
            if before is None:
                place = (recording_id, answer.model, answer.fingerprint, answer.rows, answer.file)
                self.add(Met(scoring_id, *place, payload.response_id, jobs))
        return Recognised(known, ties)

    def _known(self, answer: Answer, recording_id: str) -> str | None:
        canonical = self.canonical(recording_id)
        for met in self._by_print.get((answer.model, answer.fingerprint), {}).values():
            if self.canonical(met.recording_id) == canonical:
                return met.scoring_id
        return None

    # -------------------------------------------------------------------------------------------------- recordings
    def _same_media(self, files: Sequence[_File]) -> Iterator[tuple[str, str]]:
        """Yield ties of files to recordings that have the very same rows in time; then of those without rows beside them."""
        responses: set[str] = set()
        silent: list[_File] = []
        for file in files:
            prints = file.prints(timed=True)
            if not prints:
                silent += [file] if not file.prints(timed=False) else []
                continue
            found = [met for each in prints.items() for met in self._by_print.get(each, {}).values() if _could_be(file, met)]
            if found:
                best = min(found, key=lambda met: (met.file != file.name, met.response_id not in responses, met.scoring_id))
                responses.add(best.response_id)
                yield from self._tied(file.recording_id, best.recording_id)
        for file in silent:  # a model that finds nothing says the same of everybody: here the name decides, within one job
            found = [m for r in sorted(responses) for m in self._by_response[r] if m.file == file.name and _could_be(file, m)]
            recordings = {self.canonical(met.recording_id): met.recording_id for met in found}
            if len(recordings) == 1:
                yield from self._tied(file.recording_id, *recordings.values())

    def _same_texts(self, files: Sequence[_File], jobs: frozenset[str]) -> Iterator[tuple[str, str]]:
        """Yield ties of the texts of a job to those of the same job in another payload."""
        texts = [file for file in files if file.prints(timed=False)]
        if not texts or any(not file.recording_id.startswith("name:") for file in texts):
            return
        names = {file.name for file in files if any(answer.rows for answer, _ in file.answers)}
        met = (met for each in texts[0].prints(timed=False).items() for met in self._by_print.get(each, {}).values())
        for response in sorted({each.response_id for each in met}):
            told = frozenset[str]().union(*(met.jobs for met in self._by_response[response]))
            pairs = _paired(texts, names, self._by_response[response])
            if pairs and not (jobs and told and not jobs & told):
                for file, other in pairs:
                    yield from self._tied(file.recording_id, other)
                return

    def _tied(self, recording_id: str, other: str) -> Iterator[tuple[str, str]]:
        if self.canonical(recording_id) != self.canonical(other):
            less, more = sorted((recording_id, other), key=_tells)
            yield less, more

    def tie(self, one: str, other: str) -> None:
        """Take note that two ids mean the same recording."""
        one, other = self.canonical(one), self.canonical(other)
        if one != other:
            self._towards[one] = other


def jobs_of(uri: str, job_id: str | None) -> frozenset[str]:
    """Return what a payload tells of Hume's job: the id in it, and what looks like one in the name of its file and folder.

    >>> sorted(jobs_of("/data/HumeAI_predictions_8c5f6b8e-1f3a-4a6e-9b0e-0123456789ab.json", None))
    ['8c5f6b8e-1f3a-4a6e-9b0e-0123456789ab']
    """
    named = _UUID.findall("/".join(PurePath(uri).parts[-2:]))
    return frozenset(each.lower() for each in (*named, *([job_id] if job_id else ())))


def _files(payload: Payload) -> Iterator[_File]:
    files: dict[str, _File] = {}
    for answer, recording_id, is_timed in zip(payload.answers, payload.recording_ids, payload.is_timed, strict=True):
        if is_timed is None:
            continue
        file = files.setdefault(recording_id, _File(recording_id, answer.file))
        file.answers.append((answer, is_timed))
    yield from files.values()


def _could_be(file: _File, met: Met) -> bool:
    """Tell whether a file may be of a recording: what both tell of it does not contradict.

    Where both are known by more than a name (their bytes, a URL), that is all there is to say. The platform calls files by
    random numbers.
    """
    if not (file.recording_id.startswith("name:") or met.recording_id.startswith("name:")):
        return False
    return file.name == met.file or bool(_UUID.fullmatch(file.name) or _UUID.fullmatch(met.file))


def _paired(texts: Sequence[_File], names: set[str], scorings: Sequence[Met]) -> list[tuple[_File, str]]:
    """Pair the texts of one payload with those of another: by name, or by their rows where one of them has no names.

    Returns:
        Each text with the recording it is; nothing if the two payloads differ in any of them.
    """
    others: dict[str, dict[str, Met]] = defaultdict(dict)
    for met in scorings:
        if met.rows:
            others[met.file][met.model] = met
    by_name = others.keys() == names
    if not by_name and not (len(others) == len(names) and any(map(_are_random, (names, others)))):
        return []
    free = dict.fromkeys(others)
    pairs: list[tuple[_File, str]] = []
    for file in texts:
        places = (file.name,) if by_name else free
        place = next((place for place in places if place in free and _agree(file.prints(timed=False), others[place])), None)
        if place is None:
            return []
        del free[place]
        pairs.append((file, next(iter(others[place].values())).recording_id))
    return pairs


def _are_random(names: Iterable[str]) -> bool:
    return all(_UUID.fullmatch(name) for name in names)


def _agree(prints: Mapping[str, str], others: Mapping[str, Met]) -> bool:
    common = prints.keys() & others.keys()
    return bool(common) and all(prints[model] == others[model].fingerprint for model in common)


def _tells(recording_id: str) -> int:
    """How much an id tells of its recording."""
    kinds = ("name:", "url:", "md5:")
    return next((rank for rank, kind in enumerate(kinds) if recording_id.startswith(kind)), len(kinds))
