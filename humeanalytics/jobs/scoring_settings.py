"""What a scoring should measure: v0 models and their options, from flags or a file, in one canonical form.

Two scorings with the same canonical form are the same settings (`settings_id`), however they were written down. Every option
is spelled out with its default, because a default that changes at the service would change the measure silently.

Source of options, defaults and ranges: Hume's OpenAPI description of v0 batch.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from humeanalytics.errors import SettingsError
from humeanalytics.vocabulary import MODELS

#: The models of a scoring that names none. Named entities and face meshes are for those who ask.
DEFAULT_MODELS = ("face", "prosody", "burst", "language")
GRANULARITIES = ("word", "sentence", "utterance", "conversational_turn")

_DEFAULTS: dict[str, dict[str, Any]] = {
    "face": {
        **{"fps_pred": 3.0, "prob_threshold": 0.99, "identify_faces": False, "min_face_size": 60},
        **{"facs": None, "descriptions": None, "save_faces": False},
    },
    "prosody": {"granularity": "utterance", "window": None, "identify_speakers": False},
    "burst": {},
    "language": {"granularity": "utterance", "sentiment": None, "toxicity": None, "identify_speakers": False},
    "ner": {"identify_speakers": False},
    "facemesh": {},
}
_TRANSCRIPTION: dict[str, Any] = {"language": None, "identify_speakers": False, "confidence_threshold": 0.5}
_RANGES = {"fps_pred": (0.0, None), "prob_threshold": (0.0, 1.0), "min_face_size": (0, None), "confidence_threshold": (0.0, 1.0)}
_ON_OFF = frozenset({"facs", "descriptions", "sentiment", "toxicity"})
LANGUAGES = frozenset(
    [
        "zh",
        "da",
        "nl",
        "en",
        "en-AU",
        "en-IN",
        "en-NZ",
        "en-GB",
        "fr",
        "fr-CA",
        "de",
        "hi",
        "hi-Latn",
        "id",
        "it",
        "ja",
        "ko",
        "no",
        "pl",
        "pt",
        "pt-BR",
        "pt-PT",
        "ru",
        "es",
        "es-419",
        "sv",
        "ta",
        "tr",
        "uk",
    ]
)


@dataclass(frozen=True, slots=True)
class BatchScoring:
    """Settings of a v0 scoring. Make one with `batch_scoring`."""

    models: Mapping[str, Mapping[str, Any]]
    transcription: Mapping[str, Any] | None

    @property
    def canonical_json(self) -> str:
        return json.dumps({"api": "batch", "models": self.models, "transcription": self.transcription}, sort_keys=True)

    @property
    def settings_id(self) -> str:
        return hashlib.sha256(self.canonical_json.encode()).hexdigest()[:32]

    def request(self) -> dict[str, Any]:
        """Return the ``models`` and ``transcription`` of a request body, with unset options omitted."""
        models = {name: {k: v for k, v in options.items() if v is not None} for name, options in self.models.items()}
        transcription = None if self.transcription is None else {k: v for k, v in self.transcription.items() if v is not None}
        return {"models": models, "transcription": transcription}

    @classmethod
    def from_canonical(cls, canonical_json: str) -> BatchScoring:
        given = json.loads(canonical_json)
        return cls(given["models"], given["transcription"])


def batch_scoring(
    models: Sequence[str] | Mapping[str, Mapping[str, Any] | None] | None = None,
    *,
    options: Mapping[str, Any] | None = None,
    transcription: Mapping[str, Any] | bool | None = True,
) -> BatchScoring:
    """Return the settings of a v0 scoring with every default spelled out.

    Args:
        models: Model names, or a mapping of names to their options as Hume writes them.
        options: Options for every chosen model that has them: ``identify_speakers=True``, ``granularity="word"``, ``facs=True``,
            ``window=(4, 1)``, ``language="de"`` ...
        transcription: Options of the transcription, or False for none.

    Raises:
        SettingsError: A model or an option that Hume does not have (the service ignores those in silence, and then runs
            and bills all models), or a value out of range.

    Examples:
        >>> batch_scoring(["prosody"], options={"identify_speakers": True}).request()["models"]
        {'prosody': {'granularity': 'utterance', 'identify_speakers': True}}
    """
    given = models if isinstance(models, Mapping) else dict.fromkeys(models or DEFAULT_MODELS)
    unknown = sorted(set(given) - set(MODELS))
    if unknown or not given:
        raise SettingsError(f"No such model: {', '.join(unknown) or '(none given)'}. v0 has: {', '.join(MODELS)}.")
    chosen = {name: {**_DEFAULTS[name], **_checked(name, given[name] or {}, _DEFAULTS[name])} for name in MODELS if name in given}
    speech = None if transcription in (False, None) else dict(_TRANSCRIPTION)
    if speech is not None and isinstance(transcription, Mapping):
        speech |= _checked("transcription", transcription, _TRANSCRIPTION)
    for option, value in (options or {}).items():
        places = [(name, chosen[name]) for name in chosen if option in _DEFAULTS[name]]
        if option in _TRANSCRIPTION and speech is not None:
            places.append(("transcription", speech))
        if not places:
            raise SettingsError(f"None of {', '.join(chosen)} has an option {option!r}.")
        for name, place in places:
            place |= _checked(name, {option: value}, place)
    if speech is not None:
        # The option stands in two places of the API, of which older servers read one and newer ones the other.
        speech["identify_speakers"] |= any(options.get("identify_speakers") for options in chosen.values())
    return BatchScoring(chosen, speech)


def read_scoring(path: Path) -> BatchScoring:
    """Read settings from a TOML file: a table ``[models.NAME]`` for each model, and ``[transcription]``.

    Raises:
        SettingsError: The file cannot be read, is no TOML, or names what Hume does not have.
    """
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"Cannot read the scoring settings {path}: {error}") from error
    unknown = sorted(set(given) - {"models", "transcription"})
    if unknown:
        raise SettingsError(f"{path} has {', '.join(unknown)}; it may have [models.NAME] tables and [transcription].")
    try:
        return batch_scoring(given.get("models"), transcription=given.get("transcription", True))
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from None


def _checked(place: str, given: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    checked: dict[str, Any] = {}
    for option, value in given.items():
        if option not in known:
            raise SettingsError(f"{place} has no option {option!r}. It has: {', '.join(known) or 'none'}.")
        checked[option] = _value(place, option, value, known[option])
    return checked


def _value(place: str, option: str, value: Any, default: Any) -> Any:
    """Bring a value to the form of the API, so that 3 and 3.0, or True and {}, are the same settings."""
    where = f"{place}.{option}"
    if option in _ON_OFF:
        if value in (False, None):
            return None
        if value is True or value == {}:
            return {}
        raise SettingsError(f"{where} is on or off, not {value!r}.")
    if option == "window":
        return _window(where, value)
    if option == "granularity" and value not in GRANULARITIES:
        raise SettingsError(f"{where} is one of {', '.join(GRANULARITIES)}, not {value!r}.")
    if option == "language" and value is not None and value not in LANGUAGES:
        raise SettingsError(f"{where} is one of {', '.join(sorted(LANGUAGES))}, not {value!r}.")
    if isinstance(default, bool) and not isinstance(value, bool):
        raise SettingsError(f"{where} is true or false, not {value!r}.")
    if option in _RANGES:
        low, high = _RANGES[option]
        if isinstance(value, bool) or not isinstance(value, int | float) or value < low or (high is not None and value > high):
            raise SettingsError(f"{where} is a number from {low}{'' if high is None else f' to {high}'}, not {value!r}.")
        return type(default)(value)
    return value


def _window(where: str, value: Any) -> dict[str, float] | None:
    if value in (None, False):
        return None
    if value is True or value == {}:
        return {"length": 4.0, "step": 1.0}
    if isinstance(value, Mapping) and set(value) <= {"length", "step"}:
        length, step = value.get("length", 4), value.get("step", 1)
    elif isinstance(value, Sequence) and len(value) == 2 and not isinstance(value, str):
        length, step = value
    else:
        raise SettingsError(f"{where} is a length and a step in seconds, not {value!r}.")
    if not all(isinstance(v, int | float) and not isinstance(v, bool) and v >= 0.5 for v in (length, step)):
        raise SettingsError(f"{where}: length and step are seconds, 0.5 or more each, not {value!r}.")
    return {"length": float(length), "step": float(step)}
