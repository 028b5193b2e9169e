"""Walk through JSON that may be at hand or still coming, object by object and list by list, under Hume's own keys."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from msgspec import Raw

from humeanalytics.errors import UnreadableResponse
from humeanalytics.tables.json_stream import JsonStream
from humeanalytics.tables.json_text import Undecoded, decode, opening_of

#: A JSON value: at hand, or the next one of a stream because it is too large to be.
Node = Undecoded | JsonStream
Members = Iterator[tuple[str, Node]]

_CAMEL = re.compile(r"[a-z][a-z0-9]*(?:[A-Z][a-z0-9]*)+")
_HUMP = re.compile(r"(?=[A-Z])")
_RENAMED = {"md5_sum": "md5sum", "md_5_sum": "md5sum"}
_KINDS = {b"{": "an object", b"[": "a list", b'"': "a text", b"t": "true", b"f": "false", b"n": "null", b"": "nothing"}


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


def kind_of(node: Node) -> str:
    """Return what kind of JSON value a node is, by its first byte."""
    opening = node.head(1) if isinstance(node, JsonStream) else opening_of(node)
    return _KINDS.get(opening, "a number")


def held(node: Node) -> Undecoded:
    """Return a value whole, however large it is."""
    return node.whole_value() if isinstance(node, JsonStream) else node


def members_of(node: Node, item: str, place: str, *, spelled: bool = False) -> Members:
    """Yield the members of an object, under canonical keys unless they are wanted as they are ``spelled``.

    One that is a stream is skipped where it is not read.

    Raises:
        UnreadableResponse: It is no object, or a broken one.
    """
    if kind_of(node) != "an object":
        raise UnreadableResponse(f"{item}: {place}: this is {kind_of(node)}, not an object.", item=item)
    if not isinstance(node, JsonStream):
        members = decode(node, dict[str, Raw], item, place)
        yield from (members if spelled else renamed(members, item, place)).items()
        return
    keys: set[str] = set()
    for key in node.members():
        name = key if spelled else canonical(key)
        if name in keys:
            raise UnreadableResponse(f"{item}: {place}: {key!r} is one of two keys that are spellings of one.", item=item)
        keys.add(name)
        yield from ((name, each) for each in _whole_or_not(node, item, place))


def elements_of(
    node: Node, item: str, place: str, is_worth: Callable[[Undecoded], bool] = lambda _: True
) -> Iterator[tuple[int, Node]]:
    """Yield the elements of a list, null being an empty one, with their positions. One that is a stream is skipped likewise.

    Args:
        node: The list.
        item: The name of the payload, for errors.
        place: Where the list stands in it.
        is_worth: Tells of a stretch of the list whether it is worth a look; of one that is not only the first element comes.

    Raises:
        UnreadableResponse: It is no list, or a broken one.
    """
    if kind_of(node) not in ("a list", "null"):
        raise UnreadableResponse(f"{item}: {place}: this is {kind_of(node)}, not a list.", item=item)
    if not isinstance(node, JsonStream):
        elements = decode(node, list[Raw] | None, item, place) or []
        yield from enumerate(elements if is_worth(node) else elements[:1])
        return
    count = 0
    for run in node.runs():
        if run is None:
            yield from ((count, each) for each in _whole_or_not(node, item, place))
            count += 1
        else:
            elements = decode(run, list[Raw], item, place)
            yield from enumerate(elements if is_worth(run) else elements[:1], count)
            count += len(elements)


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


def _whole_or_not(stream: JsonStream, item: str, place: str) -> Iterator[Node]:
    """Yield the next value: whole if it fits into the window, else as the stream, and see to it that it is read."""
    value = stream.value()
    if value is not None:
        decode(value, Raw, item, place)  # it may be of no interest, but it has to be JSON
        yield value
        return
    before = stream.position
    yield stream
    if stream.position == before:
        stream.skip()
