"""What a scoring by v1 should measure: its models and their options, in one canonical form.

Every option is spelled out with its default, because a default that changes at the service would change the measure silently.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from humeanalytics.api.expression import AudioConfig, VideoConfig
from humeanalytics.errors import SettingsError, UsageError
from humeanalytics.media.frames import FRAMES_PER_S
from humeanalytics.media.geometry import Region

FLOW = "expression"
MODELS = ("audio", "video")
_DEFAULTS: dict[str, dict[str, Any]] = {
    "audio": {"measurement_timer_ms": 3000, "channels": "mix"},
    "video": {"fps": FRAMES_PER_S, "crop": None, "threshold": 0.9, "min_size": 60},
}


@dataclass(frozen=True, slots=True)
class ExpressionScoring:
    """Settings of a scoring by v1. Make one with `expression_scoring`."""

    models: Mapping[str, Mapping[str, Any]]

    @property
    def canonical_json(self) -> str:
        return json.dumps({"api": FLOW, "models": self.models}, sort_keys=True)

    @property
    def settings_id(self) -> str:
        return hashlib.sha256(self.canonical_json.encode()).hexdigest()[:32]

    @classmethod
    def from_canonical(cls, canonical_json: str) -> ExpressionScoring:
        return cls(json.loads(canonical_json)["models"])

    @property
    def channels(self) -> Literal["mix", "split"]:
        """Whether the channels of sound are one recording, or a speaker each."""
        return "split" if self.models["audio"]["channels"] == "split" else "mix"

    @property
    def fps(self) -> float:
        return float(self.models["video"]["fps"])

    @property
    def crop(self) -> Region | None:
        """The part of a picture that is looked at."""
        text = self.models["video"]["crop"]
        return None if text is None else Region.parse(text)

    def audio_config(self) -> AudioConfig:
        return AudioConfig(measurement_timer_ms=self.models["audio"]["measurement_timer_ms"])

    def video_config(self, *, chained: bool, face_state: str | None = None) -> VideoConfig:
        """Return how images are measured; ``chained`` ones give a face state that the next request takes."""
        options = self.models["video"]
        return VideoConfig(options["threshold"], options["min_size"], True if chained else None, face_state)


def expression_scoring(
    models: Sequence[str] | Mapping[str, Mapping[str, Any] | None] | None = None, *, options: Mapping[str, Any] | None = None
) -> ExpressionScoring:
    """Return the settings of a scoring by v1 with every default spelled out.

    Args:
        models: ``audio``, ``video`` (photos too), or a mapping of them to their options. Default: both.
        options: Options for every chosen model that has them: ``measurement_timer_ms=5000``, ``channels="split"``, ``fps=1``,
            ``crop="640,0,640,360"``, ``threshold=0.8``, ``min_size=40``.

    Raises:
        SettingsError: A model or an option that v1 does not have, or a value out of range.

    Examples:
        >>> expression_scoring(["audio"], options={"channels": "split"}).models
        {'audio': {'measurement_timer_ms': 3000, 'channels': 'split'}}
    """
    given = models if isinstance(models, Mapping) else dict.fromkeys(models or MODELS)
    unknown = sorted(set(given) - set(MODELS))
    if unknown or not given:
        raise SettingsError(
            f"No such model: {', '.join(unknown) or '(none given)'}. v1 has: {', '.join(MODELS)}. Those of v0 need --api batch."
        )
    chosen = {name: {**_DEFAULTS[name], **_checked(name, given[name] or {})} for name in MODELS if name in given}
    for option, value in (options or {}).items():
        places = [name for name in chosen if option in _DEFAULTS[name]]
        if not places:
            raise SettingsError(f"None of {', '.join(chosen)} has an option {option!r} in v1.")
        for name in places:
            chosen[name] |= _checked(name, {option: value})
    scoring = ExpressionScoring(chosen)
    try:
        if "audio" in chosen:
            scoring.audio_config()
        if "video" in chosen:
            scoring.video_config(chained=False)
    except UsageError as error:
        raise SettingsError(str(error)) from None
    return scoring


def read_expression_scoring(path: Path) -> ExpressionScoring:
    """Read settings from a TOML file: a table ``[models.audio]``, a table ``[models.video]``, or both.

    Raises:
        SettingsError: The file cannot be read, is no TOML, or names what v1 does not have.
    """
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"Cannot read the scoring settings {path}: {error}") from error
    if unknown := sorted(set(given) - {"models"}):
        raise SettingsError(f"{path} has {', '.join(unknown)}; it may have [models.audio] and [models.video].")
    try:
        return expression_scoring(given.get("models"))
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from None


def _checked(model: str, given: Mapping[str, Any]) -> dict[str, Any]:
    checked: dict[str, Any] = {}
    for option, value in given.items():
        if option not in _DEFAULTS[model]:
            raise SettingsError(f"{model} has no option {option!r}. It has: {', '.join(_DEFAULTS[model])}.")
        checked[option] = _value(f"{model}.{option}", option, value)
    return checked


def _value(where: str, option: str, value: Any) -> Any:
    """Bring a value to one form, so that 3 and 3.0 are the same settings."""
    if option == "channels":
        if value not in ("mix", "split"):
            raise SettingsError(f"{where} is mix or split, not {value!r}.")
        return value
    if option == "crop":
        if value is None:
            return None
        try:
            region = Region.parse(value if isinstance(value, str) else ",".join(map(str, value)))
        except (UsageError, TypeError) as error:
            raise SettingsError(f"{where}: {error}") from None
        return f"{region.x},{region.y},{region.width},{region.height}"
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SettingsError(f"{where} is a number, not {value!r}.")
    if option == "fps":
        if not 0 < value <= 60:
            raise SettingsError(f"{where} is a number of frames a second, above 0 and up to 60, not {value!r}.")
        return float(value)
    if option == "threshold":
        return float(value)
    if value != int(value):
        raise SettingsError(f"{where} is a whole number, not {value!r}.")
    return int(value)
