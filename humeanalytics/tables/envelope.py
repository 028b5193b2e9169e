"""Find the sources and predictions in a saved payload, however it was wrapped.

Only the frame is read here; each prediction stays a slice of the payload's bytes until it is its turn.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Raw

from humeanalytics.errors import NotHumeData, UnreadableResponse
from humeanalytics.redaction import redact_text
from humeanalytics.tables.detect import looks_like, looks_like_object
from humeanalytics.tables.flattened import Failure, Source
from humeanalytics.tables.json_text import check_utf8, decode, opening_of, text_of, without_bom
from humeanalytics.vocabulary import MODELS

_MAX_DEPTH = 32
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_RENAMED = {"md5_sum": "md5sum", "md_5_sum": "md5sum"}
_SDK_KEY = re.compile(rb'"(md_5_sum|md5Sum|contentType|fileId)"')
_STREAMED = re.compile(rb'\{\s*"(predictions|warning|error)"')
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@lru_cache(4096)
def canonical(key: str) -> str:
    """Return a key as Hume's API spells it, from that or from the spellings of its SDKs.

    >>> canonical("groupedPredictions"), canonical("md_5_sum"), canonical("file")
    ('grouped_predictions', 'md5sum', 'file')
    """
    spelled = _HUMP.sub("_", key).lower()
    return _RENAMED.get(spelled, spelled)


def renamed(members: dict[str, Any], item: str, place: str) -> dict[str, Any]:
    """Return an object with canonical keys.

    Raises:
        UnreadableResponse: Two of its keys are spellings of one.
    """
    found = {canonical(key): value for key, value in members.items()}
    if len(found) != len(members):
        raise UnreadableResponse(f"{item}: {place}: two of the keys {', '.join(members)} are spellings of one.", item=item)
    return found


@dataclass(slots=True)
class Prediction:
    """One element of ``results.predictions``, not yet decoded, and where it stands."""

    source: Source
    place: str
    raw: Any


@dataclass(slots=True)
class _Value:
    """One JSON value looked at from outside: what it may be, and its members if it is an object."""

    kind: str  # source, prediction, results, object, array or scalar
    raw: Any
    members: dict[str, Raw] = field(default_factory=dict)


@dataclass(slots=True)
class Payload:
    """One saved payload. What it says of itself is known once `predictions` has been read to its end.

    Attributes:
        shape: ``list`` where the sources stand at the top, as Hume sends them; else the dialect they are wrapped in.
        signs: What has been seen that tells one dialect of the list from another.
    """

    data: bytes
    item: str
    job_id: str | None = None
    status: str | None = None
    failures: list[Failure] = field(default_factory=list)
    shape: str = "list"
    signs: set[str] = field(default_factory=set)
    sources: int = 0
    _is_hume: bool = False
    _looks_like: str = ""

    @property
    def dialect(self) -> str:
        """The form of the payload, in a word."""
        if self.shape != "list":
            return self.shape
        if "sdk" in self.signs:
            return "sdk"
        by_platform = "registry_file" in self.signs or ("file_type" not in self.signs and "uuid_file" in self.signs)
        return "platform" if by_platform else "api"

    def predictions(self) -> Iterator[Prediction]:
        """Yield the predictions in the order of the payload.

        Raises:
            NotHumeData: There is nothing of a v0 batch job in it.
            UnreadableResponse: It is broken, or something else stands where a source or prediction should.
        """
        json = without_bom(self.data)
        if opening_of(json) not in (b"[", b"{"):
            what = looks_like(self.data[:512])
            raise NotHumeData(f"{self.item}: this is {what}, not the predictions of a v0 batch job.", item=self.item)
        check_utf8(self.data, self.item)
        top = self._look(json, "$")
        if top.kind == "source":
            self.shape = "object"
        elif top.kind != "array":
            self.shape = "wrapped"
        yield from self._read(top, "$", 0)
        if not self._is_hume:
            what = self._looks_like or "a JSON list without a source in it"
            raise NotHumeData(f"{self.item}: this is {what}, not the predictions of a v0 batch job.", item=self.item)

    # ------------------------------------------------------------------------------------------- the way to the sources
    def _look(self, raw: Any, place: str) -> _Value:
        opening = opening_of(raw)
        if opening != b"{":
            return _Value("array" if opening == b"[" else "scalar", raw)
        members = renamed(decode(raw, dict[str, Raw], self.item, place), self.item, place)
        return _Value(_kind(members), raw, members)

    def _read(self, value: _Value, place: str, depth: int, loose: Source | None = None) -> Iterator[Prediction]:
        """Yield the predictions in one JSON value. ``loose`` is the source of predictions that stand in it without one."""
        if value.kind == "source":
            yield from self._read_source(value.members, place)
        elif value.kind == "results":
            self.shape = "wrapped"
            yield from self._read_results(loose or self._source({}), value.members, place)
        elif value.kind == "prediction":
            self.shape = "wrapped"
            yield self._prediction(loose or self._source({}), place, value.raw)
        elif value.kind == "array" and depth < _MAX_DEPTH:
            yield from self._read_list(value.raw, place, depth)
        elif value.kind == "object" and depth < _MAX_DEPTH:
            self._looks_like = self._looks_like or _described(value.members)
            self._note_job(value.members, depth)
            for key, member in value.members.items():
                if opening_of(member) in (b"[", b"{"):
                    inner = f"{place}.{key}"
                    yield from self._read(self._look(member, inner), inner, depth + 1)

    def _read_list(self, raw: Any, place: str, depth: int) -> Iterator[Prediction]:
        known, other, loose = "", "", None
        for i, element in enumerate(decode(raw, list[Raw], self.item, place)):
            at = f"{place}[{i}]"
            value = self._look(element, at)
            if value.kind in ("source", "prediction"):
                known = known or at
            else:
                other = other or at
            if value.kind == "prediction":
                loose = loose or self._source({})
            yield from self._read(value, at, depth + 1, loose)
            if known and other:  # a list of sources holds nothing else: what looks otherwise is broken, not decoration
                raise UnreadableResponse(
                    f"{self.item}: {other} is neither a source nor a prediction, although {known} is.", item=self.item
                )

    def _note_job(self, members: dict[str, Raw], depth: int) -> None:
        """Take the job's id and status out of the body of a webhook, and the message, if it tells of a job that failed."""
        job_id, status = text_of(members.get("job_id")), text_of(members.get("status"))
        if not (job_id and status) or "request" in members:
            return
        self._is_hume = True
        if depth == 0:
            self.shape = "webhook"
        self.job_id, self.status = self.job_id or job_id, self.status or status
        if status == "FAILED":
            said = (text_of(members.get(key)) for key in ("message", "error", "error_message"))
            self._fail(None, None, None, next(filter(None, said), "the job failed, and Hume did not say why"))

    # --------------------------------------------------------------------------------------------------- inside a source
    def _read_source(self, members: dict[str, Raw], place: str) -> Iterator[Prediction]:
        described = members.get("source")
        if described is not None and _SDK_KEY.search(memoryview(described)):
            self.signs.add("sdk")
        source = self._source(self._object(described, f"{place}.source") if described is not None else {})
        results, error = members.get("results"), members.get("error")
        failed = error is not None and opening_of(error) != b"n"
        if failed:
            self._fail(source, None, None, _message(error, self.item, f"{place}.error"))
        if results is not None and opening_of(results) != b"n":
            yield from self._read_results(source, self._object(results, f"{place}.results"), f"{place}.results")
        elif not failed:
            self._fail(source, None, None, "Hume gave neither results nor an error for this source")

    def _read_results(self, source: Source, members: dict[str, Any], place: str) -> Iterator[Prediction]:
        for i, raw in enumerate(self._list(members.get("predictions"), f"{place}.predictions")):
            yield self._prediction(source, f"{place}.predictions[{i}]", raw)
        for i, raw in enumerate(self._list(members.get("errors"), f"{place}.errors")):
            at = f"{place}.errors[{i}]"
            if opening_of(raw) == b"{":
                error = self._object(raw, at)
                message = _message(error.get("message") or raw, self.item, f"{at}.message")
                self._fail(source, text_of(error.get("file")), text_of(error.get("model")), message)
            else:
                self._fail(source, None, None, _message(raw, self.item, at))

    def _prediction(self, source: Source, place: str, raw: Any) -> Prediction:
        self._is_hume = True
        return Prediction(source, place, raw)

    def _source(self, members: dict[str, Raw]) -> Source:
        self._is_hume = True
        url = text_of(members.get("url"))
        source = Source(
            index=self.sources,
            type=text_of(members.get("type")) or "unknown",
            url=url and redact_text(url),
            filename=text_of(members.get("filename")),
            content_type=text_of(members.get("content_type")),
            md5sum=text_of(members.get("md5sum")),
            file_id=text_of(members.get("file_id")),
        )
        self.signs.add(source.type)
        self.sources += 1
        return source

    def note_file(self, file: str, file_type: str | None, sdk: bool) -> None:
        """Take note of what a decoded prediction tells of the payload's dialect."""
        if file_type is not None:
            self.signs.add("file_type")
        if _UUID.fullmatch(file):
            self.signs.add("uuid_file")
        if sdk:
            self.signs.add("sdk")

    def _fail(self, source: Source | None, file: str | None, model: str | None, message: str) -> None:
        self.failures.append(Failure(source, file, model, redact_text(message)))

    def _object(self, raw: Any, place: str) -> dict[str, Raw]:
        if opening_of(raw) != b"{":
            raise UnreadableResponse(f"{self.item}: {place} is no JSON object.", item=self.item)
        return renamed(decode(raw, dict[str, Raw], self.item, place), self.item, place)

    def _list(self, raw: Any, place: str) -> list[Raw]:
        if raw is None or opening_of(raw) == b"n":
            return []
        if opening_of(raw) != b"[":
            raise UnreadableResponse(f"{self.item}: {place} is no JSON list.", item=self.item)
        found: list[Raw] = decode(raw, list[Raw], self.item, place)
        return found


def _kind(members: dict[str, Raw]) -> str:
    if "results" in members and ({"source", "error"} & members.keys()):
        return "source"
    if "source" in members and "error" in members:
        return "source"
    if "file" in members and "models" in members:
        return "prediction"
    if {"predictions", "errors"} <= members.keys() and "job_id" not in members:
        return "results"
    return "object"


def _described(members: dict[str, Raw]) -> str:
    """Say what an object that is neither source nor prediction looks like."""
    for model in members.keys() & set(MODELS):
        if opening_of(members[model]) == b"{" and _STREAMED.match(memoryview(members[model])):
            return "an answer of Hume's streaming API"
    return looks_like_object(members)


def _message(raw: Any, item: str, place: str) -> str:
    """Return an error of Hume's as text, whatever it is."""
    text = text_of(raw)
    return text if text is not None else msgspec.json.encode(decode(raw, Any, item, place)).decode()
