"""Find the sources and predictions in a saved payload, or the messages of the streaming API, however they were wrapped.

Only the frame is read here; each prediction is left to its turn. A value that fits into the window of the stream is looked at as
a whole, a larger one as it comes: then what stands before the predictions has to say whose they are, or they are held until
it has been said.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import msgspec
from msgspec import Raw

from humeanalytics.errors import NotHumeData, UnreadableResponse
from humeanalytics.redaction import redact_text
from humeanalytics.tables.flattened import Failure, Source
from humeanalytics.tables.json_stream import JsonStream
from humeanalytics.tables.json_text import Undecoded, bytes_of, decode, text_of
from humeanalytics.tables.looks import JOB, looks_like_object
from humeanalytics.tables.nodes import Members, Node, elements_of, held, kind_of, members_of, ordered, renamed
from humeanalytics.tables.streamed import Said, may_be_said, said_in, words_of
from humeanalytics.vocabulary import MODELS

_MAX_DEPTH = 32
# Keys that tell what an object is only together with others.
_FRAME = frozenset(("source", "results", "error", "file", "models"))
# Some of these stand in everything that is worth a look; a key spelled with escapes could be any.
_SIGNS = (b'"source"', b'"results"', b'"models"', b'redictions"', b'"job', b'"request"', b'"warning"', b'"error"', b"\\u")
_STATUSES = frozenset(("QUEUED", "IN_PROGRESS", "COMPLETED", "FAILED"))
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SDK_KEY = re.compile(rb'"(md_5_sum|md5Sum|contentType|fileId)"')


@dataclass(frozen=True, slots=True)
class Prediction:
    """One element of ``results.predictions``, where it stands, and its members, not yet read.

    Or a message of the streaming API: then ``file`` is what it counts as, and the members are models and what they said.
    """

    source: Source
    place: str
    members: Members
    file: str | None = None


class Payload:
    """One saved payload. What it says of itself is known once `predictions` has been read to its end.

    Args:
        stream: Its bytes, lists of scores cut out of them or not.
        item: Its name, for errors.
        restored: Puts what was cut out back into a decoded value.

    Attributes:
        item: Its name.
        failures: What Hume could not do.
    """

    def __init__(self, stream: JsonStream, item: str, restored: Callable[[Any], Any] | None = None) -> None:
        self.item = item
        self.failures: list[Failure] = []
        self._stream = stream
        self._restored = restored
        self._jobs: dict[str, str] = {}  # id -> status
        self._shape = "list"  # or the dialect that the list of sources is wrapped in
        self._signs: set[str] = set()  # what tells one dialect of the list from another
        self._sources = 0
        self._messages = 0
        self._messenger: Source | None = None  # the source that messages of the streaming API count as of
        self._is_hume = False
        self._looks_like = ""
        self._described_at: tuple[bool, int] | None = None

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
    def job_id(self) -> str | None:
        """Hume's id of the job, where a webhook's body tells; None also where several do."""
        return next(iter(self._jobs)) if len(self._jobs) == 1 else None

    @property
    def status(self) -> str | None:
        """The status of that job."""
        return next(iter(self._jobs.values())) if len(self._jobs) == 1 else None

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
        for place, value in self._values():
            yield from self._read(value, place, 0)
        if not self._is_hume:
            what = self.looks_like
            raise NotHumeData(f"{self.item}: this is {what}, not the predictions of a v0 batch job.", item=self.item)

    def note_file(self, file: str, file_type: str | None, *, by_sdk: bool) -> None:
        """Take note of what a prediction tells of the payload's dialect."""
        self._signs |= {"file_type"} if file_type is not None else set()
        self._signs |= {"uuid_file"} if _UUID.fullmatch(file) else set()
        self._signs |= {"sdk"} if by_sdk else set()

    def decoded(self, node: Node, place: str, type_: Any = Any) -> Any:
        """Return a value decoded, whole."""
        value = decode(held(node), type_, self.item, place)
        return self._restored(value) if self._restored else value

    # ------------------------------------------------------------------------------------------- the way to the sources
    def _values(self) -> Iterator[tuple[str, Node]]:
        """Yield the JSON value that the payload is, or, of JSON lines, each of them; with its place."""
        value = self._stream.value()
        is_one_of_many = value is not None and self._stream.head(1) in (b"{", b"[")
        yield ("value 1, $" if is_one_of_many else "$"), value or self._stream
        count = 1
        while self._stream.head(1) in (b"{", b"["):
            count += 1
            yield f"value {count}, $", self._stream.value() or self._stream
        self._stream.finish()

    def _read(self, node: Node, place: str, depth: int) -> Iterator[Prediction]:
        """Yield the predictions in one JSON value, whatever it is."""
        if depth < _MAX_DEPTH and kind_of(node) == "a list":
            yield from self._read_list(node, place, depth)
        elif depth < _MAX_DEPTH and kind_of(node) == "an object" and (depth == 0 or _is_worth_a_look(node)):
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
        members = members_of(node, self.item, place)
        seen: dict[str, Node] = {}
        for key, value in members:
            if isinstance(value, JsonStream) and _kind({*seen, key}) == "wrapper":
                if key == "predictions" or not _FRAME & {*seen, key}:
                    return "wrapper", chain(seen.items(), [(key, value)], members)
                value = held(value)  # what this is can depend on a key that is still to come
            seen[key] = value
            if isinstance(value, JsonStream):
                break
        return _kind(seen.keys()), chain(seen.items(), members)

    def _read_list(self, node: Node, place: str, depth: int) -> Generator[Prediction, None, Source | None]:
        """Yield the predictions in a list; return their source if they stand in it without one."""
        known, other, loose = "", "", None
        for i, element in elements_of(node, self.item, place, _is_worth_a_look):
            at = f"{place}[{i}]"
            if i and not _is_worth_a_look(element):
                other = other or at
            elif kind_of(element) == "an object":
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
        said: dict[str, Said] = {}
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
            elif key in MODELS and may_be_said(node):
                whole = held(node)
                by_model = said_in(whole, self.item, at)
                if by_model:
                    said[key] = by_model
                else:
                    yield from self._read(whole, at, depth + 1)
            else:
                yield from self._read(node, at, depth + 1)
            texts[key] = None if isinstance(node, JsonStream) else text_of(node, self.item, at)
        if _kind(keys) != "wrapper":
            raise self.error(place, f"what this is shows too late: {', '.join(keys)} should stand in another order")
        yield from self._read_message(said, texts, place)
        self._describe(depth, looks_like_object(keys))
        if self._note_job(texts, depth) and texts.get("status") == "FAILED":
            told = (texts.get(key) for key in ("message", "error", "error_message"))
            self._fail(None, None, None, next(filter(None, told), "the job failed, and Hume did not say why"))
        if errors is not None and (loose or set(keys) == {"predictions", "errors"}):
            self._read_errors(loose or self._source({}), errors, f"{place}.errors")
        elif errors is not None:
            yield from self._read(errors, f"{place}.errors", depth + 1)

    def _read_message(self, said: dict[str, Said], texts: dict[str, str | None], place: str) -> Iterator[Prediction]:
        """Read a message of the streaming API: what each model said, or a warning or error about all of it."""
        words = words_of(texts)
        if words is None and not said:
            return
        self._is_hume = True
        self._shape = "streaming"
        self._messenger = source = self._messenger or self._source({})
        file = texts.get("payload_id") or str(self._messages)
        self._messages += 1
        for model, told in ((None, words), *((model, each.words) for model, each in said.items())):
            if told is not None:
                self._fail(source, file, model, told)
        rows = [(model, each.rows) for model, each in said.items() if each.rows is not None]
        if rows:
            yield Prediction(source, place, iter(rows), file)

    def _describe(self, depth: int, what: str) -> None:
        """Remember what the outermost object looks like, or any that is a job, in case nothing is found in it."""
        described_at = what != JOB, depth
        if self._described_at is None or described_at < self._described_at:
            self._described_at, self._looks_like = described_at, what

    def _note_job(self, texts: dict[str, str | None], depth: int) -> bool:
        """Take the job's id and status out of the body of a webhook; return whether it is one."""
        job_id, status = texts.get("job_id"), texts.get("status")
        if not job_id or not status or "request" in texts:
            return False
        self._is_hume |= status in _STATUSES  # other services have jobs too
        if depth == 0:
            self._shape = "webhook"
        self._jobs.setdefault(job_id, status)
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
        for key, value in members_of(node, self.item, place):
            if key == "predictions":
                for i, element in elements_of(value, self.item, f"{place}.predictions"):
                    at = f"{place}.predictions[{i}]"
                    self._is_hume = True
                    yield Prediction(source, at, members_of(element, self.item, at))
            elif key == "errors":
                self._read_errors(source, held(value), f"{place}.errors")

    def _read_errors(self, source: Source, node: Node, place: str) -> None:
        for i, element in elements_of(node, self.item, place):
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
        return text if text is not None else msgspec.json.encode(self.decoded(value, place)).decode()

    def _object(self, node: Node, place: str) -> dict[str, Raw]:
        if kind_of(node) != "an object":
            raise self.error(place, f"this is {kind_of(node)}, not an object")
        return renamed(decode(held(node), dict[str, Raw], self.item, place), self.item, place)

    def error(self, place: str, reason: str) -> UnreadableResponse:
        """Return an error that names the payload and the place in it."""
        return UnreadableResponse(f"{self.item}: {place}: {reason}.", item=self.item)


def _is_worth_a_look(node: Node) -> bool:
    """Tell whether there could be anything of Hume's in a value, or what tells what it is instead: other JSON can be large."""
    if isinstance(node, JsonStream):
        return True
    data = bytes(bytes_of(node))
    return any(sign in data for sign in _SIGNS)


def _kind(keys: Iterable[str]) -> str:
    """Tell what an object with these keys is."""
    keys = set(keys)
    if ("results" in keys and keys & {"source", "error"}) or keys >= {"source", "error"}:
        return "source"
    return "prediction" if keys >= {"file", "models"} else "wrapper"
