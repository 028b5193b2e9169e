"""Find the sources and predictions in a saved payload, however it was wrapped.

Only the frame is read here; each prediction is left to its turn. A value that fits into the window of the stream is looked at as
a whole, a larger one as it comes: then what stands before the predictions has to say whose they are, or they are held until
it has been said.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any

import msgspec
from msgspec import Raw

from humeanalytics.errors import NotHumeData, UnreadableResponse
from humeanalytics.redaction import redact_text
from humeanalytics.tables.flattened import Failure, Source
from humeanalytics.tables.json_stream import JsonStream
from humeanalytics.tables.json_text import Undecoded, bytes_of, decode, opening_of, text_of
from humeanalytics.tables.looks import STREAMING, looks_like_object
from humeanalytics.vocabulary import MODELS

#: A JSON value: at hand, or the next one of a stream because it is too large to be.
Node = Undecoded | JsonStream
Members = Iterator[tuple[str, Node]]

_MAX_DEPTH = 32
_CAMEL = re.compile(r"[a-z][a-z0-9]*(?:[A-Z][a-z0-9]*)+")
_HUMP = re.compile(r"(?=[A-Z])")
_RENAMED = {"md5_sum": "md5sum", "md_5_sum": "md5sum"}
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SDK_KEY = re.compile(rb'"(md_5_sum|md5Sum|contentType|fileId)"')
_STREAMED = re.compile(rb'\{\s*"(predictions|warning|error)"')


@lru_cache(4096)
def canonical(key: str) -> str:
    """Return a key as Hume's API spells it, from that or from the spellings of its SDKs; any other as it is.

    >>> canonical("groupedPredictions"), canonical("md_5_sum"), canonical("file"), canonical("Participant A")
    ('grouped_predictions', 'md5sum', 'file', 'Participant A')
    """
    spelled = _HUMP.sub("_", key).lower() if _CAMEL.fullmatch(key) else key
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


@dataclass(frozen=True, slots=True)
class Prediction:
    """One element of ``results.predictions``, where it stands, and its members, not yet read."""

    source: Source
    place: str
    members: Members


class Payload:
    """One saved payload. What it says of itself is known once `predictions` has been read to its end.

    Attributes:
        item: Its name, for errors.
        job_id: Hume's id of the job, where a webhook's body tells.
        status: The job's status, where a webhook's body tells.
        failures: What Hume could not do.
    """

    def __init__(self, stream: JsonStream, item: str) -> None:
        self.item = item
        self.job_id: str | None = None
        self.status: str | None = None
        self.failures: list[Failure] = []
        self._stream = stream
        self._shape = "list"  # or the dialect that the list of sources is wrapped in
        self._signs: set[str] = set()  # what tells one dialect of the list from another
        self._sources = 0
        self._is_hume = False
        self._looks_like = ""
        self._described_at: int | None = None

    @property
    def dialect(self) -> str:
        """The form of the payload, in a word."""
        if self._shape != "list":
            return self._shape
        if "sdk" in self._signs:
            return "sdk"
        by_platform = "registry_file" in self._signs or ("file_type" not in self._signs and "uuid_file" in self._signs)
        return "platform" if by_platform else "api"

    @property
    def looks_like(self) -> str:
        """What the payload is if there are no predictions in it, in a few words."""
        return self._looks_like or "a JSON list without a source in it"

    def predictions(self) -> Iterator[Prediction]:
        """Yield the predictions in the order of the payload. The members of each are to be read before the next.

        Raises:
            NotHumeData: There is nothing of a v0 batch job in it.
            UnreadableResponse: It is broken, or something else stands where a source or prediction should.
        """
        top: Node = self._stream.all() or self._stream
        yield from self._read(top, "$", 0)
        self._stream.finish()
        if not self._is_hume:
            what = self.looks_like
            raise NotHumeData(f"{self.item}: this is {what}, not the predictions of a v0 batch job.", item=self.item)

    def note_file(self, file: str, file_type: str | None, *, by_sdk: bool) -> None:
        """Take note of what a prediction tells of the payload's dialect."""
        self._signs |= {"file_type"} if file_type is not None else set()
        self._signs |= {"uuid_file"} if _UUID.fullmatch(file) else set()
        self._signs |= {"sdk"} if by_sdk else set()

    # ------------------------------------------------------------------------------------------- the way to the sources
    def _read(self, node: Node, place: str, depth: int) -> Iterator[Prediction]:
        """Yield the predictions in one JSON value, whatever it is."""
        if depth < _MAX_DEPTH and kind_of(node) == "a list":
            yield from self._read_list(node, place, depth)
        elif depth < _MAX_DEPTH and kind_of(node) == "an object":
            kind, members = self._look(node, place)
            yield from self._read_object(kind, members, place, depth)

    def _read_object(
        self, kind: str, members: Members, place: str, depth: int, loose: Source | None = None
    ) -> Iterator[Prediction]:
        if kind == "source":
            if depth == 0:
                self._shape = "object"
            yield from self._read_source(members, place)
        elif kind == "prediction":
            self._shape = "wrapped"
            yield Prediction(loose or self._source({}), place, members)
        else:
            yield from self._read_wrapper(members, place, depth)

    def _look(self, node: Node, place: str) -> tuple[str, Members]:
        """Tell from its keys what an object is: ``source``, ``prediction`` or ``wrapper``; and give its members, all of them."""
        members = self.members(node, place)
        seen: dict[str, Node] = {}
        for key, value in members:
            if isinstance(value, JsonStream) and _kind({*seen, key}) == "wrapper":
                if key not in ("results", "models"):
                    return "wrapper", chain(seen.items(), [(key, value)], members)
                value = held(value)  # what this is can depend on a key that is still to come
            seen[key] = value
            if isinstance(value, JsonStream):
                break
        return _kind(seen.keys()), chain(seen.items(), members)

    def _read_list(self, node: Node, place: str, depth: int) -> Generator[Prediction, None, Source | None]:
        """Yield the predictions in a list; return their source if they stand in it without one."""
        known, other, loose = "", "", None
        for i, element in self.elements(node, place):
            at = f"{place}[{i}]"
            if kind_of(element) == "an object":
                kind, members = self._look(element, at)
                if kind == "wrapper":
                    other = other or at
                else:
                    known = known or at
                if kind == "prediction":
                    loose = loose or self._source({})
                yield from self._read_object(kind, members, at, depth + 1, loose)
            else:
                other = other or at
                yield from self._read(element, at, depth + 1)
            if known and other:  # a list of sources holds nothing else: what looks otherwise is broken, not decoration
                raise self.error(other, f"this is neither a source nor a prediction, although {known} is")
        return loose

    def _read_wrapper(self, members: Members, place: str, depth: int) -> Iterator[Prediction]:
        """Read an object that holds predictions under some key: a webhook's body, or what people made of it."""
        if self._shape == "list":
            self._shape = "wrapped"
        keys: list[str] = []
        texts: dict[str, str | None] = {}
        errors: Node | None = None
        loose = None
        for key, node in members:
            keys.append(key)
            at = f"{place}.{key}"
            if key == "errors" and kind_of(node) == "a list":
                errors = held(node)
            elif key == "predictions" and kind_of(node) == "a list":
                self._note_job(texts, depth)
                loose = yield from self._read_list(node, at, depth + 1)
            else:
                yield from self._read(node, at, depth + 1)
            if not isinstance(node, JsonStream):
                texts[key] = text_of(node, self.item, at)
                if key in MODELS and _STREAMED.match(bytes_of(node)):
                    self._describe(depth, STREAMING)
        self._describe(depth, looks_like_object(keys))
        if self._note_job(texts, depth) and texts.get("status") == "FAILED":
            said = (texts.get(key) for key in ("message", "error", "error_message"))
            self._fail(None, None, None, next(filter(None, said), "the job failed, and Hume did not say why"))
        if errors is not None and (loose or set(keys) == {"predictions", "errors"}):
            self._read_errors(loose or self._source({}), errors, f"{place}.errors")
        elif errors is not None:
            yield from self._read(errors, f"{place}.errors", depth + 1)

    def _describe(self, depth: int, what: str) -> None:
        """Remember what the outermost object looks like, in case nothing is found in it."""
        if self._described_at is None or depth < self._described_at:
            self._described_at, self._looks_like = depth, what

    def _note_job(self, texts: dict[str, str | None], depth: int) -> bool:
        """Take the job's id and status out of the body of a webhook; return whether it is one."""
        job_id, status = texts.get("job_id"), texts.get("status")
        if not job_id or not status or "request" in texts:
            return False
        self._is_hume = True
        if depth == 0:
            self._shape = "webhook"
        self.job_id, self.status = self.job_id or job_id, self.status or status
        return True

    # --------------------------------------------------------------------------------------------------- inside a source
    def _read_source(self, members: Members, place: str) -> Iterator[Prediction]:
        source: Source | None = None
        told = False
        for key, node in ordered(members, last="results", after="source"):
            at = f"{place}.{key}"
            if key == "source" and kind_of(node) != "null":
                described = held(node)
                by_sdk = _SDK_KEY.search(bytes_of(described)) is not None
                source = self._source(self._object(described, at), at, by_sdk=by_sdk)
            elif key == "error" and kind_of(node) != "null":
                told = True
                source = source or self._source({})
                self._fail(source, None, None, self._message(held(node), at))
            elif key == "results" and kind_of(node) != "null":
                told = True
                source = source or self._source({})
                yield from self._read_results(source, node, at)
        if not told:
            self._fail(source or self._source({}), None, None, "Hume gave neither results nor an error for this source")

    def _read_results(self, source: Source, node: Node, place: str) -> Iterator[Prediction]:
        for key, value in self.members(node, place):
            if key == "predictions":
                for i, element in self.elements(value, f"{place}.predictions"):
                    at = f"{place}.predictions[{i}]"
                    self._is_hume = True
                    yield Prediction(source, at, self.members(element, at))
            elif key == "errors":
                self._read_errors(source, held(value), f"{place}.errors")

    def _read_errors(self, source: Source, node: Node, place: str) -> None:
        for i, element in self.elements(node, place):
            at = f"{place}[{i}]"
            value = held(element)
            if kind_of(value) == "an object":
                error = self._object(value, at)
                said = error.get("message")
                message = self._message(value if said is None or kind_of(said) == "null" else said, at)
                file, model = (text_of(error.get(key), self.item, f"{at}.{key}") for key in ("file", "model"))
                self._fail(source, file, model, message)
            else:
                self._fail(source, None, None, self._message(value, at))

    def _source(self, members: dict[str, Raw], place: str = "$", *, by_sdk: bool = False) -> Source:
        self._is_hume = True
        names = ("type", "url", "filename", "content_type", "md5sum", "file_id")
        told = {name: text_of(members.get(name), self.item, f"{place}.{name}") for name in names}
        source = Source(
            index=self._sources,
            type=told["type"] or "unknown",
            url=told["url"] and redact_text(told["url"]),
            filename=told["filename"],
            content_type=told["content_type"],
            md5sum=told["md5sum"],
            file_id=told["file_id"],
        )
        self._signs |= {source.type, "sdk"} if by_sdk else {source.type}
        self._sources += 1
        return source

    def _fail(self, source: Source | None, file: str | None, model: str | None, message: str) -> None:
        self.failures.append(Failure(source, file, model, redact_text(message)))

    def _message(self, value: Undecoded, place: str) -> str:
        """Return an error of Hume's as text, whatever it is."""
        text = text_of(value, self.item, place)
        return text if text is not None else msgspec.json.encode(decode(value, Any, self.item, place)).decode()

    # ------------------------------------------------------------------------------------------------ objects and lists
    def members(self, node: Node, place: str, *, spelled: bool = False) -> Members:
        """Yield the members of an object, under canonical keys unless they are wanted as they are ``spelled``.

        One that is a stream is skipped where it is not read.
        """
        if kind_of(node) != "an object":
            raise self.error(place, f"this is {kind_of(node)}, not an object")
        if not isinstance(node, JsonStream):
            members = decode(node, dict[str, Raw], self.item, place)
            yield from (members if spelled else renamed(members, self.item, place)).items()
            return
        keys: set[str] = set()
        for key in node.members():
            name = key if spelled else canonical(key)
            if name in keys:
                raise self.error(place, f"{key!r} is one of two keys that are spellings of one")
            keys.add(name)
            yield from ((name, each) for each in _whole_or_not(node))

    def elements(self, node: Node, place: str) -> Iterator[tuple[int, Node]]:
        """Yield the elements of a list, null being an empty one, with their positions."""
        if kind_of(node) not in ("a list", "null"):
            raise self.error(place, f"this is {kind_of(node)}, not a list")
        if not isinstance(node, JsonStream):
            yield from enumerate(decode(node, list[Raw] | None, self.item, place) or ())
            return
        count = 0
        for run in node.runs():
            for each in _whole_or_not(node) if run is None else decode(run, list[Raw], self.item, place):
                yield count, each
                count += 1

    def _object(self, node: Node, place: str) -> dict[str, Raw]:
        if kind_of(node) != "an object":
            raise self.error(place, f"this is {kind_of(node)}, not an object")
        return renamed(decode(held(node), dict[str, Raw], self.item, place), self.item, place)

    def error(self, place: str, reason: str) -> UnreadableResponse:
        """Return an error that names the payload and the place in it."""
        return UnreadableResponse(f"{self.item}: {place}: {reason}.", item=self.item)


def _kind(keys: Iterable[str]) -> str:
    """Tell what an object with these keys is."""
    keys = set(keys)
    if ("results" in keys and keys & {"source", "error"}) or keys >= {"source", "error"}:
        return "source"
    return "prediction" if keys >= {"file", "models"} else "wrapper"


def kind_of(node: Node) -> str:
    """Return what kind of JSON value a node is, by its first byte."""
    opening = node.opening() if isinstance(node, JsonStream) else opening_of(node)
    return _KINDS.get(opening, "a number")


def held(node: Node) -> Undecoded:
    """Return a value whole, however large it is."""
    return node.whole_value() if isinstance(node, JsonStream) else node


def ordered(members: Members, *, last: str, after: str) -> Members:
    """Yield members so that ``last`` does not come before ``after``; if need be, it is held until the end."""
    waiting: Node | None = None
    is_due = False
    for key, node in members:
        is_due |= key == after
        if key == last and not is_due:
            waiting = held(node)  # which costs memory only if it is a stream
        else:
            yield key, node
    if waiting is not None:
        yield last, waiting


def _whole_or_not(stream: JsonStream) -> Iterator[Node]:
    """Yield the next value: whole if it fits into the window, else as the stream, and see to it that it is read."""
    value = stream.value()
    if value is not None:
        yield value
        return
    before = stream.position
    yield stream
    if stream.position == before:
        stream.skip()


_KINDS = {b"{": "an object", b"[": "a list", b'"': "a text", b"t": "true", b"f": "false", b"n": "null", b"": "nothing"}
