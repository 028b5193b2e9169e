"""Take the values of a v1 answer for what they must be, or say where it is that they are not."""

from __future__ import annotations

from typing import Any, Never

import msgspec

from humeanalytics.errors import UnreadableResponse

#: Every key of an answer, as the API and its Python SDK spell it.
_KEYS = [
    "request_id",
    "run_id",
    "received",
    "audio_duration_ms",
    "frames",
    "utterances",
    "measurements",
    "face_state",
    "utterance_id",
    "audio_start_ms",
    "audio_end_ms",
    "measurement_id",
    "trigger",
    "expressions",
    "voice_attributes",
    "name",
    "probability",
    "frame_id",
    "faces",
    "face_id",
    "bbox",
    "confidence",
    "descriptions",
]
#: The same in the camelCase of a TypeScript SDK. A key that is in neither is nobody's business to respell.
_CAMEL = {key[0] + "".join(map(str.capitalize, key.split("_")))[1:]: key for key in _KEYS if "_" in key}
_EXACT = 2**53


class Values:
    """Reads values of one payload.

    Args:
        item: What errors call the payload.

    Attributes:
        camel: Whether a key in camelCase has been met.
    """

    def __init__(self, item: str) -> None:
        self.item = item
        self.camel = False

    def error(self, place: str, reason: str) -> Never:
        """Raise the error that names the payload and the place in it."""
        raise UnreadableResponse(f"{self.item}: {place}: {reason}.", item=self.item)

    def members(self, value: Any, place: str) -> dict[str, Any]:
        """Return an object, its known keys as the API spells them."""
        if type(value) is not dict:
            self.error(place, f"{shown(value)} is no object")
        given: dict[str, Any] = value
        if given.keys().isdisjoint(_CAMEL):
            return given
        self.camel = True
        members = {_CAMEL.get(key, key): each for key, each in given.items()}
        if len(members) < len(given):
            self.error(place, f"two of the keys {', '.join(given)} are spellings of one")
        return members

    def elements(self, value: Any, place: str) -> list[Any]:
        """Return a list."""
        if type(value) is not list:
            self.error(place, f"{shown(value)} is no list")
        return value

    def whole(self, members: dict[str, Any], key: str, place: str) -> int:
        """Return a whole number that a double holds too."""
        value = members.get(key)
        if type(value) is float and value.is_integer():
            value = int(value)
        if type(value) is not int or abs(value) > _EXACT:
            self._not(members, key, place, "a whole number")
        return value

    def whole_or_none(self, members: dict[str, Any], key: str, place: str) -> int | None:
        """Return a whole number, or None if there is none."""
        return None if members.get(key) is None else self.whole(members, key, place)

    def number(self, value: Any, place: str) -> float:
        """Return a number, exactly."""
        if type(value) is float:
            return value
        if type(value) is not int or abs(value) > _EXACT:
            self.error(place, f"{shown(value)} is not a number that a double holds")
        return float(value)

    def text_or_none(self, members: dict[str, Any], key: str, place: str) -> str | None:
        """Return a text, or None if there is none."""
        value = members.get(key)
        if value is not None and type(value) is not str:
            self._not(members, key, place, "a text")
        return value

    def _not(self, members: dict[str, Any], key: str, place: str, what: str) -> Never:
        if key not in members:
            self.error(place, f"there is no {key}; the keys are {', '.join(members) or 'none'}")
        self.error(f"{place}.{key}", f"{shown(members[key])} is not {what}")


def beside(members: dict[str, Any], known: frozenset[str]) -> dict[str, Any]:
    """Return what an object holds beside what is known of it. A null says nothing.

    >>> beside({"run_id": "x", "gaze": 0.5, "later": None}, frozenset({"run_id"}))
    {'gaze': 0.5}
    """
    if members.keys() <= known:
        return {}
    return {key: value for key, value in members.items() if key not in known and value is not None}


def shown(value: Any) -> str:
    """Return a value for an error, cut short.

    >>> shown({"a": 1}), shown("joy"), shown(None)
    ('an object', '"joy"', 'null')
    """
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 60 else text[:57] + "..."


def is_scores(value: Any) -> bool:
    """Tell whether a value nobody has heard of is a list of scores."""
    return type(value) is list and bool(value) and all(map(_is_score, value))


def _is_score(entry: Any) -> bool:
    if type(entry) is not dict or type(entry.get("name")) is not str:
        return False
    probability = entry.get("probability")
    return type(probability) is float or (type(probability) is int and abs(probability) <= _EXACT)
