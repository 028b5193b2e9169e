"""Find the recording that a file of words is of: by its name, never by what is said in it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePath

from humeanalytics.jobs.summary import few
from humeanalytics.jobs.work import Source, name_of

_SUFFIX = re.compile(r"(?:\.(?:gz|zst))?\Z", re.IGNORECASE)
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")
_HEARD = (None, "audio", "video")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One recording as it may be meant: an item of the lake, or a file that is at hand.

    Attributes:
        uri: Where it is.
        recording_id: What stands for all ids it is known by; of a file that is not read yet, nothing.
        source: That file.
        duration_s: How long it is, where that is known.
    """

    uri: str
    recording_id: str | None
    source: Source | None = None
    duration_s: float | None = None

    @property
    def identity(self) -> str:
        return self.recording_id or self.uri


class WordRecordings:
    """The recordings there are, by name.

    Args:
        candidates: Those that the lake knows and those that are at hand, with the name and media type of each. Of one place
            the first holds.
    """

    def __init__(self, candidates: Iterable[tuple[Candidate, str, str | None]]) -> None:
        self._by_name: dict[str, dict[str, Candidate]] = defaultdict(dict)
        self._by_stem: dict[str, dict[str, Candidate]] = defaultdict(dict)
        for candidate, name, media_type in candidates:
            if media_type in _HEARD:
                self._by_name[name].setdefault(candidate.uri, candidate)
                self._by_stem[PurePath(name).stem].setdefault(candidate.uri, candidate)

    def find(self, uri: str, of: str | None, *, alone: bool) -> Candidate | str:
        """Return the recording that words are of, or why that cannot be told.

        Args:
            uri: The file of words; the member of an archive behind ``!/``.
            of: What the file calls the recording.
            alone: Whether it is the only one that the file tells of: the file's own name counts then, before ``of``.
        """
        member = uri.rpartition("!/")[2]
        names = [*_names(name_of(member)), *([of] if of else [])] if alone else [str(of)]
        for name in names:
            for known in (self._by_name, self._by_stem):
                if found := known.get(name):
                    return _one(list(found.values()), name, str(PurePath(uri).parent))
        return f"no recording is called {' or '.join(map(repr, names))}, with or without a suffix"


def _one(found: list[Candidate], name: str, folder: str) -> Candidate | str:
    beside = [each for each in found if str(PurePath(each.uri).parent) == folder]
    for several in (beside, found):
        if len({each.identity for each in several}) == 1:
            return min(several, key=lambda each: (each.source is not None, each.uri))
    return f"{len({each.identity for each in found})} recordings are called {name!r}: {few(sorted(each.uri for each in found))}"


def _names(file: str) -> Iterator[str]:
    """Yield what the recording of a file may be called, with its own suffix or without, the likeliest first.

    >>> list(_names("talk.en.vtt")), list(_names("talk.wav.json.gz"))
    (['talk.en', 'talk'], ['talk.wav'])
    """
    name = PurePath(_SUFFIX.sub("", file)).stem
    yield name
    before, _, language = name.rpartition(".")
    if before and _LANGUAGE.fullmatch(language):
        yield before
