"""Take single values of EVI's payloads for what they are: keys in either spelling, times, texts, JSON within texts.

Nothing here raises: what is not what it should be is None, and who asked decides whether that is worth a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

from humeanalytics.redaction import is_secret_name, redact_bytes
from humeanalytics.tables.unknown import as_json

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
#: A time below this is in seconds: as milliseconds it would lie in 1973, as seconds it lies before the year 5138.
_SECONDS_BELOW = 100_000_000_000
_LAST_MS = 253_402_300_799_999  # the end of the year 9999
_INT64 = 2**63
_MAX_DEPTH = 64


@lru_cache(maxsize=4096)
def snake(key: str) -> str:
    """Return a key as the API spells it, whoever spelled it.

    >>> snake("chatGroupId"), snake("chat_group_id")
    ('chat_group_id', 'chat_group_id')
    """
    return _HUMP.sub("_", key).lower() if _HUMP.search(key) else key


def members_of(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object with its keys as the API spells them; values stay as they are. Of two spellings the API's holds."""
    members = {snake(key): each for key, each in value.items()}
    if len(members) < len(value):
        members |= {key: value[key] for key in members if key in value}
    return members


def text_of(value: Any) -> str | None:
    """Return a text, or as text what is none: JSON; None for null and for nothing.

    >>> text_of(""), text_of("a"), text_of({"a": 1}), text_of(7)
    (None, 'a', '{"a":1}', '7')
    """
    if value is None or value == "":
        return None
    return value if isinstance(value, str) else as_json(value)


def id_of(value: Any) -> str | None:
    """Return an id: a text, or a number as text."""
    if isinstance(value, str):
        return value.strip() or None
    return str(value) if type(value) is int else None


def whole_of(value: Any) -> int | None:
    """Return a whole number, also of a float or a text that is one.

    >>> whole_of(3), whole_of(3.0), whole_of("3"), whole_of(True), whole_of("x")
    (3, 3, 3, None, None)
    """
    is_text = type(value) is str and re.fullmatch(r"\s*-?\d{1,19}\s*", value, re.ASCII)
    if is_text or (type(value) is float and value.is_integer()):
        value = int(value)
    return value if type(value) is int and -_INT64 <= value < _INT64 else None


def number_of(value: Any) -> float | None:
    """Return a number as a float."""
    return float(value) if type(value) in (int, float) and abs(value) < 2**1000 else None


def flag_of(value: Any) -> bool | None:
    """Return a truth value."""
    return value if type(value) is bool else None


def time_of(value: Any) -> tuple[int | None, int | None]:
    """Return a time in milliseconds since 1970, and the number it came as.

    Numbers below 1e11 are seconds. A text may be a number or a time as ISO 8601 writes it, in UTC unless it says otherwise.

    >>> time_of(1716244940648), time_of(1716244940), time_of("2024-05-20T22:42:20.648Z"), time_of(None)
    ((1716244940648, 1716244940648), (1716244940000, 1716244940), (1716244940648, 1716244940648), (None, None))
    """
    if type(value) is int and _SECONDS_BELOW <= value <= _LAST_MS:
        return value, value
    if type(value) is float and abs(value) < _LAST_MS:
        scaled = value * 1000 if value < _SECONDS_BELOW else value
        return (round(scaled) if 0 <= scaled <= _LAST_MS else None), round(value)
    raw = whole_of(value)
    if raw is None:
        raw = _iso_ms(value) if isinstance(value, str) else None
        return raw, raw
    scaled_raw = raw * 1000 if raw < _SECONDS_BELOW else raw
    return (scaled_raw if 0 <= scaled_raw <= _LAST_MS else None), raw


def _iso_ms(text: str) -> int | None:
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    since = (at if at.tzinfo else at.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
    return since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000


def object_of(value: Any) -> dict[str, Any] | None:
    """Return an object, also one that stands as JSON in a text; None for anything else."""
    if isinstance(value, str) and value.lstrip()[:1] == "{":
        try:
            value = msgspec.json.decode(value.encode("utf-8", "surrogatepass"))
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            return None
    return value if isinstance(value, dict) else None


def others_json(members: Mapping[str, Any], known: Iterable[str]) -> str | None:
    """Return as JSON what of an object nobody has heard of, or None if that is nothing. Secrets are blank."""
    others = {key: value for key, value in members.items() if key not in known and value is not None}
    return without_secrets(as_json(blanked(others))) if others else None


def without_secrets(text: str | None) -> str | None:
    """Return a text with signatures of URLs and secret fields blanked."""
    if text is None or text.isalpha():
        return text
    return redact_bytes(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")


def json_without_secrets(text: str | None) -> str | None:
    """Return JSON text with all fields blanked whose names say that they are secret, also in JSON within it.

    Byte for byte as it came where there are none; of text that is no JSON see `without_secrets`.

    >>> json_without_secrets('{"a": 1, "language_model_api_key": "k"}')
    '{"a":1,"language_model_api_key":""}'
    """
    value = object_of(text)
    if value is not None:
        kept = blanked(value)
        text = text if kept == value else as_json(kept)
    return without_secrets(text)


def blanked(value: Any, secret: bool = False, depth: int = 0) -> Any:
    """Return a JSON value with whatever stands under a secret name blanked: names stay, values go."""
    if depth > _MAX_DEPTH:
        return None
    if isinstance(value, dict):
        return {key: blanked(each, secret or is_secret_name(str(key)), depth + 1) for key, each in value.items()}
    if isinstance(value, list):
        return [blanked(each, secret, depth + 1) for each in value]
    if secret and value is not None and type(value) is not bool:
        return ""
    if isinstance(value, str) and (inside := object_of(value)) is not None:
        kept = blanked(inside, False, depth + 1)
        return value if kept == inside else as_json(kept)
    return value
