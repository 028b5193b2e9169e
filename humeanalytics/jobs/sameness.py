"""Recognise an answer in another form: the JSON, its CSV artifacts, the platform's download and copies of them are one.

What a saved payload tells of a recording differs from form to form (an md5 sum, a name, a random number), so ids alone do
not say that two answers are one. Their rows do. Rows that lie in the time or the picture of a recording, equal to the last
digit, are of the same bytes: no two recordings give them by chance. The rows of a text that was written are not such: many
people write "No.". There only all texts of a job together, under the same names, are taken for that job met again; and never
where two payloads tell of different jobs. Two ids that both tell more than a name (md5 sums, URLs) and differ are never one.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath

from humeanalytics.jobs.saved_work import Payload
from humeanalytics.tables.flattened import Answer

#: The kind of a payload that is one CSV.
ALONE = "artifact_csv"
_PLATFORM_NAME = re.compile(r"HumeAI_predictions_([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})", re.IGNORECASE)
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
        payload: The payload, as `payload_key` calls it.
        jobs: What is known of Hume's job: the id it told, and ids in the name of the file.
        alone: Whether it was in a CSV alone, which tells of no file.
    """

    scoring_id: str
    recording_id: str
    model: str
    fingerprint: str
    rows: int
    file: str
    payload: str
    jobs: frozenset[str]
    alone: bool = False


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
    """What one payload holds of one recording in one place."""

    recording_id: str
    name: str
    answers: list[tuple[Answer, bool]] = field(default_factory=list)
    is_long: bool = False

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
        self._alike: dict[str, dict[str, None]] = {}  # of several ids that mean the same: the one that stands for them -> all
        self._met: dict[str, Met] = {}
        self._by_place: dict[tuple[str, str, str], str] = {}
        self._by_print: dict[tuple[str, str], list[Met]] = defaultdict(list)
        self._by_payload: dict[str, dict[str, Met]] = defaultdict(dict)
        self._payloads: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)  # by print
        self._told: dict[str, set[str]] = {}
        self._of_job: dict[str, set[str]] = defaultdict(set)
        self._untold: set[str] = set()
        for one, other in ties:
            self.tie(one, other)

    # ------------------------------------------------------------------------------------------------------ what is known
    def add(self, met: Met) -> None:
        """Take note of a scoring. Again changes nothing."""
        if met.scoring_id not in self._met:
            self._met[met.scoring_id] = met
            self._by_place.setdefault((met.model, met.fingerprint, met.recording_id), met.scoring_id)
            if met.rows:
                self._by_print[met.model, met.fingerprint].append(met)
            self.add_source(met.scoring_id, met.payload, met.jobs)

    def add_source(self, scoring_id: str, payload: str, jobs: frozenset[str]) -> None:
        """Take note that a scoring that was added was met in a payload too."""
        self._by_payload[payload][scoring_id] = met = self._met[scoring_id]
        self._payloads[met.model, met.fingerprint][payload] = None
        self._told.setdefault(payload, set()).update(jobs)
        for job in jobs:
            self._of_job[job].add(payload)
        (self._untold.discard if self._told[payload] else self._untold.add)(payload)

    def canonical(self, recording_id: str) -> str:
        """Return the one id that stands for all that mean the same recording: of these the one that tells most."""
        while (towards := self._towards.get(recording_id, recording_id)) != recording_id:
            recording_id = towards
        return recording_id

    def same_as(self, recording_ids: Iterable[str]) -> set[str]:
        """Return all ids that mean the same as any of these, these included."""
        return {each for recording_id in recording_ids for each in self._ids(recording_id)}

    def tied_ids(self) -> set[str]:
        """Return all ids that mean the same as another one."""
        return {each for alike in self._alike.values() for each in alike}

    def tie(self, one: str, other: str) -> None:
        """Take note that two ids mean the same recording."""
        less, more = sorted((self.canonical(one), self.canonical(other)), key=_tells)
        if less != more:
            ids = self._ids(more) | self._ids(less)
            self._alike.pop(less, None)
            self._towards[less], self._alike[more] = more, ids

    def _ids(self, recording_id: str) -> dict[str, None]:
        canonical = self.canonical(recording_id)
        return self._alike.get(canonical, {canonical: None})

    # ------------------------------------------------------------------------------------------------------- recognising
    def recognise(self, payload: Payload) -> Recognised:
        """Tell which answers of a payload were met before, and take note of all of them."""
        files = list(_files(payload))
        jobs = jobs_of(payload.uri, payload.job_id)
        alone = payload.kind == ALONE
        key = payload_key(payload.response_id, payload.uri, payload.job_id)
        ties = self._tie_media(files)
        ties += self._tie_texts(files, jobs)
        ties += self._tie_long_texts(files, alone)
        known: list[str | None] = []
        for answer, recording_id, scoring_id in zip(payload.answers, payload.recording_ids, payload.scoring_ids, strict=True):
            before = self._known(answer, recording_id)
            known.append(before)
            if before is None:
                place = (recording_id, answer.model, answer.fingerprint, answer.rows, answer.file)
                self.add(Met(scoring_id, *place, key, jobs, alone))
            else:
                self.add_source(before, key, jobs)
        return Recognised(known, ties)

    def _known(self, answer: Answer, recording_id: str) -> str | None:
        places = ((answer.model, answer.fingerprint, each) for each in self._ids(recording_id))
        return next((self._by_place[place] for place in places if place in self._by_place), None)

    def _tie_media(self, files: Sequence[_File]) -> list[tuple[str, str]]:
        """Tie files to recordings that have the very same rows in time; then those without rows beside them."""
        ties: list[tuple[str, str]] = []
        payloads: set[str] = set()
        taken: set[str] = set()
        silent: dict[str, list[_File]] = defaultdict(list)
        for file in files:
            prints = file.prints(timed=True)
            if not prints and not file.prints(timed=False):
                silent[file.name].append(file)
            found = [
                met for each in prints.items() for met in self._by_print.get(each, ()) if self._may_be(file, met.recording_id)
            ]
            if found:
                best = min(found, key=lambda met: self._distance(file, met, payloads, taken))
                payloads.add(best.payload)
                ties += self._tied(file, best.recording_id)
                for met in found:  # each CSV of a recording may have come alone
                    ties += self._tied(file, met.recording_id) if met.alone and self._may_be(file, met.recording_id) else []
            taken.add(self.canonical(file.recording_id))
        beside: dict[str, set[str]] = defaultdict(set)
        for met in (met for payload in sorted(payloads) for met in self._by_payload[payload].values()):
            beside[met.file].add(self.canonical(met.recording_id))
        for name, alike in silent.items():  # a model that finds nothing says the same of everybody: here the name decides
            others = [other for other in beside[name] if self._may_be(alike[0], other)]
            if len(alike) == len(others) == 1:
                ties += self._tied(alike[0], others[0])
        return ties

    def _distance(
        self, file: _File, met: Met, payloads: Collection[str], taken: Collection[str]
    ) -> tuple[bool, bool, bool, bool, str]:
        """Order what a file may be: known to be so, of its name, no other file of its payload, where others were found."""
        other = self.canonical(met.recording_id)
        is_other = self.canonical(file.recording_id) != other
        return is_other, met.file != file.name, other in taken, met.payload not in payloads, met.scoring_id

    def _tie_texts(self, files: Sequence[_File], jobs: frozenset[str]) -> list[tuple[str, str]]:
        """Tie the texts of a job to those of the same job in another payload."""
        texts = [file for file in files if file.prints(timed=False) and not file.prints(timed=True)]
        if not texts:
            return []
        media = {self.canonical(file.recording_id) for file in files if file.prints(timed=True)}
        silent = {file.name: None for file in files if not any(answer.rows for answer, _ in file.answers)}
        rarest = min((self._payloads.get(each, {}) for text in texts for each in text.prints(timed=False).items()), key=len)
        may_be = rarest if not jobs else set().union(self._untold, *(self._of_job.get(job, ()) for job in jobs)) & rarest.keys()
        for payload in sorted(may_be):
            others: dict[str, dict[str, Met]] = defaultdict(dict)
            for met in self._by_payload[payload].values():
                if met.rows:
                    others[self.canonical(met.recording_id)][met.model] = met
            scored = (met for met in self._by_payload[payload].values() if self.canonical(met.recording_id) not in others)
            if not media <= others.keys() or not _are_alike(silent, {met.file: None for met in scored}):
                continue
            if pairs := self._paired(texts, {other: others[other] for other in others.keys() - media}):
                return [tie for file, other in pairs for tie in self._tied(file, other)]
        return []

    def _tie_long_texts(self, files: Sequence[_File], alone: bool) -> list[tuple[str, str]]:
        """Tie files of long texts to recordings that have the very same rows and name, whatever else was in their payloads.

        Texts that were sent in a request have numbers for names, which say nothing. A CSV alone has no name at all.
        """
        ties: list[tuple[str, str]] = []
        for file in files if any(file.is_long for file in files) else ():
            if not file.is_long or file.name.isdecimal():
                continue
            alike = [met for each in file.prints(timed=False).items() for met in self._by_print.get(each, ())]
            alike = [met for met in alike if self._may_be(file, met.recording_id)]
            named = {self.canonical(met.recording_id) for met in alike if not met.alone and (alone or met.file == file.name)}
            others = {self.canonical(met.recording_id) for met in alike if met.alone}
            for other in (*(named if len(named) == 1 else ()), *others):
                ties += self._tied(file, other) if self._may_be(file, other) else []
        return ties

    def _paired(self, texts: Sequence[_File], others: Mapping[str, Mapping[str, Met]]) -> list[tuple[_File, str]]:
        """Pair the texts of one payload with those of another: by name, or by their rows where one of them has no names.

        Of texts that are known by their bytes several may be one.

        Returns:
            Each text with the recording that it is; nothing if the two payloads differ in any of them.
        """
        names = {other: next(iter(scorings.values())).file for other, scorings in others.items()}
        alike: dict[tuple[str, str], list[str]] = defaultdict(list)
        for other, scorings in others.items():
            for model, met in scorings.items():
                alike[model, met.fingerprint].append(other)
        any_name = any(map(_are_random, ([file.name for file in texts], names.values())))
        ways: tuple[Callable[[_File, str], bool], ...] = (
            lambda file, other: other in free and self.canonical(file.recording_id) == other,
            lambda file, other: other in free and file.name == names[other],
            lambda file, other: other in free and any_name,
            lambda _, other: _tells(other) > 0,
        )
        free = set(others)
        left, pairs = list(texts), list[tuple[_File, str]]()
        for fits in ways:
            unpaired: list[_File] = []
            for file in left:
                prints = file.prints(timed=False)
                near = (other for each in prints.items() for other in alike[each] if fits(file, other))
                found = next((other for other in near if _agree(prints, others[other]) and self._may_be(file, other)), None)
                if found is None:
                    unpaired.append(file)
                else:
                    free.discard(found)
                    pairs.append((file, found))
            left = unpaired
        return [] if free or left else pairs

    def _may_be(self, file: _File, recording_id: str) -> bool:
        """Tell whether a file may be of a recording. Where both are known by more than a name, that is all there is to say."""
        one, other = self.canonical(file.recording_id), self.canonical(recording_id)
        return one == other or not (_tells(one) and _tells(other))

    def _tied(self, file: _File, recording_id: str) -> list[tuple[str, str]]:
        """Tie a file to a recording; return that, if it is new."""
        less, more = sorted((self.canonical(file.recording_id), self.canonical(recording_id)), key=_tells)
        self.tie(less, more)
        return [(less, more)] if less != more else []


def jobs_of(uri: str, job_id: str | None) -> frozenset[str]:
    """Return what a payload tells of Hume's job: the id in it, and what looks like one in the name of its file and folder.

    >>> sorted(jobs_of("/data/HumeAI_predictions_8c5f6b8e-1f3a-4a6e-9b0e-0123456789ab.json", None))
    ['8c5f6b8e-1f3a-4a6e-9b0e-0123456789ab']
    """
    named = _UUID.findall("/".join(PurePath(uri).parts[-2:]))
    return frozenset(each.lower() for each in (*named, *([job_id] if job_id else ())))


def payload_key(response_id: str, uri: str, job_id: str | None) -> str:
    """Return what stands for a payload: of several jobs the very same bytes may be the answer, where only texts are in it."""
    return f"{response_id}/{namespace_of(uri, job_id, response_id)}"


def platform_job(uri: str) -> str | None:
    """Return the id of Hume's job in the name that the platform gave a download.

    >>> platform_job("/data/HumeAI_predictions_8c5f6b8e-1f3a-4a6e-9b0e-0123456789ab.json")
    '8c5f6b8e-1f3a-4a6e-9b0e-0123456789ab'
    """
    found = _PLATFORM_NAME.match(PurePath(uri).name)
    return found[1].lower() if found else None


def namespace_of(uri: str, job_id: str | None, sha256: str) -> str:
    """Return where recordings of a payload stand of which only a name is known: with Hume's job, else with the payload.

    The same bytes under names that tell of two jobs are of two jobs: many people write "No.".
    """
    named = sorted({each.lower() for each in _UUID.findall(PurePath(uri).name)})
    of_payload = hashlib.sha256(" ".join([sha256, *named]).encode()).hexdigest() if named else sha256
    return job_id or platform_job(uri) or of_payload[:32]


def _files(payload: Payload) -> Iterator[_File]:
    files: dict[tuple[str, str], _File] = {}
    told = zip(payload.answers, payload.recording_ids, payload.is_timed, payload.is_long, strict=True)
    for answer, recording_id, is_timed, is_long in told:
        if is_timed is None:
            continue
        file = files.setdefault((recording_id, answer.file), _File(recording_id, answer.file))
        file.answers.append((answer, is_timed))
        file.is_long |= is_long and not is_timed
    yield from files.values()


def is_random(name: str) -> bool:
    """Tell whether a name is a random number, as the platform calls files."""
    return _UUID.fullmatch(name) is not None


def _are_alike(names: Collection[str], others: Collection[str]) -> bool:
    """Tell whether names may be those of the same files: they are the same, or as many of which some are random."""
    return sorted(names) == sorted(others) or (len(names) == len(others) and any(map(_are_random, (names, others))))


def _are_random(names: Iterable[str]) -> bool:
    return all(map(is_random, names))


def _agree(prints: Mapping[str, str], others: Mapping[str, Met]) -> bool:
    common = prints.keys() & others.keys()
    return bool(common) and all(prints[model] == others[model].fingerprint for model in common)


def _tells(recording_id: str) -> int:
    """How much an id tells of its recording."""
    kinds = ("name:", "url:", "md5:")
    return next((rank for rank, kind in enumerate(kinds) if recording_id.startswith(kind)), len(kinds))
