"""The ``config`` part of an upload: read as strictly as the service does."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from humeanalytics.sandbox.expression.refusals import Refused

_LARGEST_INT = 2**32 - 1


@dataclass(frozen=True, slots=True)
class AudioConfig:
    """How often an utterance is measured, in milliseconds of speech."""

    measurement_timer_ms: int = 3000

    def told(self) -> dict[str, Any]:
        """Return the configuration as a run tells it."""
        audio = {"type": "audio/pcm", "encoding": "s16le", "sample_rate": 16_000, "channels": 1}
        return {"schema": "v4", "audio": audio, "measurement_timer_ms": self.measurement_timer_ms}


@dataclass(frozen=True, slots=True)
class VideoConfig:
    """Which faces are listed, and whether and with what faces are followed from request to request."""

    threshold: float = 0.9
    min_size: int = 60
    return_face_state: bool = False
    face_state: str | None = None

    def told(self) -> dict[str, Any]:
        """Return the configuration as a run tells it."""
        face = {"threshold": round(self.threshold, 4), "min_size": self.min_size}
        return {"schema": "v4", "image": {"type": "image/jpeg"}, "face": face}


def read_audio_config(part: bytes | None, nulls: bool = True) -> AudioConfig:
    """Read the ``config`` of an audio upload; None is one that was not sent.

    Args:
        part: Its bytes.
        nulls: Whether null counts as not given, rather than as a wrong type.

    Raises:
        Refused: It is no JSON, or names an unknown field, or a value does not fit.

    Examples:
        >>> read_audio_config(b'{"measurement_timer_ms": 5000}')
        AudioConfig(measurement_timer_ms=5000)
    """
    given = _fields(_decode(part), {"measurement_timer_ms": _integer(3000, 10_000)}, nulls)
    return AudioConfig(**given)


def read_video_config(part: bytes | None, nulls: bool = True) -> VideoConfig:
    """Read the ``config`` of an image upload; see `read_audio_config`.

    Examples:
        >>> read_video_config(b'{"face": {"threshold": 0.8}, "face_state": "token"}')
        VideoConfig(threshold=0.8, min_size=60, return_face_state=False, face_state='token')
    """
    given = _fields(_decode(part), {"face": _is(dict, "a map"), "face_state": _is(str, "a string")}, nulls)
    face = {"threshold": _share, "min_size": _integer(1, _LARGEST_INT), "return_face_state": _is(bool, "a boolean")}
    return VideoConfig(**_fields(given.pop("face", {}), face, nulls), **given)


def _decode(part: bytes | None) -> dict[str, Any]:
    if part is None:
        return {}
    try:
        value = json.loads(part.decode("utf-8"), object_pairs_hook=_without_doubles, parse_constant=_no_constant)
        json.dumps(value, ensure_ascii=False).encode("utf-8")  # half a surrogate pair is no text
    except (ValueError, RecursionError) as error:
        raise Refused("config_invalid", f"config is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise Refused("config_invalid", f"invalid type: {_kind(value)}, expected a map")
    return value


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("duplicate field")
    return fields


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is no number")


_Check = Callable[[str, Any], Any]


def _fields(given: dict[str, Any], checks: dict[str, _Check], nulls: bool) -> dict[str, Any]:
    """Check the fields of an object; return those that are given."""
    for name in given:
        if name not in checks:
            expected = ", ".join(f"`{known}`" for known in checks)
            raise Refused("config_invalid", f"unknown field `{name}`, expected {'one of ' * (len(checks) > 1)}{expected}")
    return {name: checks[name](name, value) for name, value in given.items() if not (nulls and value is None)}


def _is(kind: type, expected: str) -> _Check:
    def check(name: str, value: Any) -> Any:
        if type(value) is not kind:
            raise Refused("config_invalid", f"{name}: invalid type: {_kind(value)}, expected {expected}")
        return value

    return check


def _integer(least: int, most: int) -> _Check:
    is_integer = _is(int, "an integer")

    def check(name: str, value: Any) -> Any:
        if not least <= is_integer(name, value) <= most:
            raise Refused("config_invalid", f"{name} must be {least} to {most}, not {value}")
        return value

    return check


def _share(name: str, value: Any) -> float:
    if type(value) not in (int, float):
        raise Refused("config_invalid", f"{name}: invalid type: {_kind(value)}, expected a number")
    if not 0 <= value <= 1:
        raise Refused("config_invalid", f"{name} must be 0 to 1, not {value}")
    return float(value)


def _kind(value: Any) -> str:
    kinds = {type(None): "null", bool: "boolean", int: "integer", float: "floating point", str: "string", list: "sequence"}
    return kinds.get(type(value), "map")
