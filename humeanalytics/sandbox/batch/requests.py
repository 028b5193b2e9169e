"""A request for a job: what it may say, what is assumed where it is silent, and how the service repeats it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from humeanalytics.sandbox.options import SandboxOptions
from humeanalytics.sandbox.words import GRANULARITIES

_TAGS = "zh da nl en en-AU en-IN en-NZ en-GB fr fr-CA de hi hi-Latn id it ja ko no pl pt pt-BR pt-PT ru es es-419 sv ta tr uk"
LANGUAGES = frozenset(_TAGS.split())
_UINT64 = 2**64 - 1

Config = dict[str, Any]


class InvalidRequest(Exception):
    """The request cannot be taken; the message says which field and why."""


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A valid request.

    Attributes:
        echo: The request as the service repeats it, but for ``files``.
        models: Options of the models that run, complete, by model.
        transcription: Its options, complete, or None where it is switched off.
    """

    echo: Config
    models: dict[str, Config]
    transcription: Config | None
    urls: list[str]
    texts: list[str]
    callback_url: str | None


Check = Callable[[Any, str], Any]


@dataclass(frozen=True, slots=True)
class _Field:
    default: Any
    check: Check


def _flag(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise InvalidRequest(f"{where} must be true or false")
    return value


def _number(low: float, high: float, whole: bool = False) -> Check:
    def check(value: Any, where: str) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidRequest(f"{where} must be a number")
        if not low <= value <= high:
            raise InvalidRequest(f"{where} must be {f'between {low:g} and {high:g}' if high < _UINT64 else f'at least {low:g}'}")
        return int(value) if whole else float(value)

    return check


def _one_of(values: tuple[str, ...]) -> Check:
    def check(value: Any, where: str) -> str:
        if value not in values:
            raise InvalidRequest(f"{where} must be one of {', '.join(values)}")
        return str(value)

    return check


def _switch(value: Any, where: str) -> Config | None:
    """``{}`` is on, null is off."""
    if value is not None and not isinstance(value, dict):
        raise InvalidRequest(f"{where} must be an object or null")
    return None if value is None else {}


def _language(value: Any, where: str) -> str | None:
    if value is not None and value not in LANGUAGES:
        raise InvalidRequest(f"{where} must be null or one of {', '.join(sorted(LANGUAGES))}")
    return value  # type: ignore[no-any-return]


def _window(value: Any, where: str) -> Config | None:
    return None if value is None else _read(value, _WINDOW, where, strict=False)


_FLAG = _Field(False, _flag)
_SWITCH = _Field(None, _switch)
_WINDOW = {"length": _Field(4.0, _number(0.5, 1e9)), "step": _Field(1.0, _number(0.5, 1e9))}
_TRANSCRIPTION = {
    "confidence_threshold": _Field(0.5, _number(0, 1)),
    "identify_speakers": _FLAG,
    "language": _Field(None, _language),
}
_GRANULARITY = _one_of(GRANULARITIES)
_MODELS: dict[str, dict[str, _Field]] = {
    "burst": {},
    "face": {
        "descriptions": _SWITCH,
        "facs": _SWITCH,
        "fps_pred": _Field(3.0, _number(0, 1e6)),
        "identify_faces": _FLAG,
        "min_face_size": _Field(60, _number(0, _UINT64, whole=True)),
        "prob_threshold": _Field(0.99, _number(0, 1)),
        "save_faces": _FLAG,
    },
    "facemesh": {},
    "language": {
        "granularity": _Field("word", _GRANULARITY),
        "identify_speakers": _FLAG,
        "sentiment": _SWITCH,
        "toxicity": _SWITCH,
    },
    "ner": {"identify_speakers": _FLAG},
    "prosody": {
        "granularity": _Field("utterance", _GRANULARITY),
        "identify_speakers": _FLAG,
        "window": _Field(None, _window),
    },
}
_TOP_LEVEL = ("models", "transcription", "urls", "text", "callback_url", "notify")


def read_request(body: Any, options: SandboxOptions) -> JobRequest:
    """Check the JSON body of a request and fill in what it leaves out.

    Raises:
        InvalidRequest: It breaks a rule or a limit.
    """
    if not isinstance(body, dict):
        raise InvalidRequest("request body must be an object")
    if options.strict:
        _refuse_unknown(body, _TOP_LEVEL, "")
    urls = [_url(url, f"urls[{i}]") for i, url in enumerate(_strings(body, "urls", options.max_urls))]
    texts = _strings(body, "text", options.max_texts)
    for i, text in enumerate(texts):
        if len(text) * 4 > options.max_text_bytes and len(text.encode("utf-8", "surrogatepass")) > options.max_text_bytes:
            raise InvalidRequest(f"text[{i}] exceeds the maximum of {options.max_text_bytes} bytes")
    callback_url = body.get("callback_url")
    if callback_url is not None:
        _url(callback_url, "callback_url")
    notify = body.get("notify")
    asked = body.get("models")
    models = _read_models({model: {} for model in _MODELS} if asked is None else asked, options.strict)
    echo: Config = {
        "callback_url": callback_url,
        "models": models if asked is None else {model: models.get(model) for model in _MODELS},
        "notify": False if notify is None else _flag(notify, "notify"),
        "text": texts,
        "urls": urls,
    }
    if "transcription" in body:
        transcription = body["transcription"]
        if transcription is not None:
            transcription = _read(transcription, _TRANSCRIPTION, "transcription", options.strict)
        echo["transcription"] = transcription
    else:
        transcription = _read({}, _TRANSCRIPTION, "transcription", options.strict)
    return JobRequest(echo, models, transcription, urls, texts, callback_url)


def _read_models(asked: Any, strict: bool) -> dict[str, Config]:
    if not isinstance(asked, dict):
        raise InvalidRequest("models must be an object")
    if strict:
        _refuse_unknown(asked, _MODELS, "models.")
    return {
        model: _read(asked[model], fields, f"models.{model}", strict)
        for model, fields in _MODELS.items()
        if asked.get(model) is not None
    }


def _read(value: Any, fields: Mapping[str, _Field], where: str, strict: bool) -> Config:
    if not isinstance(value, dict):
        raise InvalidRequest(f"{where} must be an object or null")
    if strict:
        _refuse_unknown(value, fields, f"{where}.")
    # An explicit null means "not set", as a client that writes out every field sends it.
    return {
        name: spec.default if value.get(name) is None else spec.check(value[name], f"{where}.{name}")
        for name, spec in fields.items()
    }


def _refuse_unknown(value: Mapping[str, Any], known: Any, where: str) -> None:
    unknown = [name for name in value if name not in known]
    if unknown:
        raise InvalidRequest(f"unknown field {where}{unknown[0]}")


def _strings(body: Mapping[str, Any], name: str, most: int) -> list[str]:
    value = body.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InvalidRequest(f"{name} must be a list of strings")
    if len(value) > most:
        raise InvalidRequest(f"{name} has {len(value)} entries; the maximum is {most}")
    return value


def _url(value: Any, where: str) -> str:
    try:
        parts = urlsplit(value) if isinstance(value, str) else None
    except ValueError:
        parts = None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidRequest(f"{where} must be an http or https URL")
    return str(value)
