"""What ``doctor`` looks at: which services live, what is installed, whether key, folder and lake are in order."""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from humeanalytics import __version__
from humeanalytics.api.batch import BatchApi
from humeanalytics.api.expression import ExpressionApi
from humeanalytics.errors import HumeAnalyticsError, MissingKey
from humeanalytics.jobs.opening import open_lake
from humeanalytics.jobs.standing import standing_of
from humeanalytics.settings import Settings, load_settings

#: What became of Hume's APIs, and what this version of the toolkit does with each.
SERVICES = (
    ("Expression Measurement v1", "live", "limited release since 2026-10-06: score uploads to it, the sandbox speaks it"),
    (
        "Expression Measurement v0",
        "ended",
        "on 2026-06-14: score with --sandbox, read saved answers with ingest",
    ),
    ("EVI chat history", "ended", "on 2026-11-13: export chats with --sandbox, read saved chats with flatten"),
)
_LIBRARIES = ("pyarrow", "deltalake", "duckdb", "av", "httpx", "numpy", "matplotlib")
_EXTRAS = {"pandas": "frames", "polars": "frames"}
_ROOM_GB = 1.0
_PATIENCE_S = 5.0


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. ``bad`` stops work, ``note`` does not."""

    name: str
    state: Literal["good", "note", "bad"]
    text: str

    @property
    def mark(self) -> str:
        return {"good": "ok", "note": "-", "bad": "BAD"}[self.state]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def check_up(lake: str | None, *, online: bool = False) -> list[Check]:
    """Look at services, libraries, settings, key, disk and lake. Asks the network only if ``online``."""
    checks = [Check(name, "note", f"{state} {text}") for name, state, text in SERVICES]
    checks.append(Check("humeanalytics", "good", f"{__version__} on Python {sys.version.split()[0]}, {sys.platform}"))
    checks += [_library(name) for name in _LIBRARIES]
    checks += [_extra(name, extra) for name, extra in _EXTRAS.items()]
    try:
        settings = load_settings()
    except HumeAnalyticsError as error:
        return [*checks, Check("settings", "bad", str(error))]
    checks.append(_key(settings))
    if online:
        checks += _online(settings)
    place = lake or settings.lake
    checks.append(_disk(place))
    if place:
        checks.append(_lake(place))
    return checks


def _library(name: str) -> Check:
    try:
        version = importlib.metadata.version(name)
        __import__(name)
    except ImportError as error:
        return Check(name, "bad", f"cannot be imported: {error}. Install again: python -m pip install humeanalytics")
    return Check(name, "good", version)


def _extra(name: str, extra: str) -> Check:
    try:
        return Check(name, "good", importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Check(name, "note", f"not installed; python -m pip install 'humeanalytics[{extra}]' adds it")


def _key(settings: Settings) -> Check:
    try:
        settings.expression_key()
    except MissingKey as error:
        return Check("key", "note", str(error))
    except HumeAnalyticsError as error:
        return Check("key", "bad", str(error))
    return Check("key", "good", f"set, for {settings.expression_base_url}")


def _online(settings: Settings) -> list[Check]:
    """Ask v1 whether it takes the key, and whoever speaks v0, unless that is Hume, where it has ended."""
    impatient = settings.model_copy(update={"retry_deadline_s": _PATIENCE_S})
    checks = [_asked("v1", ExpressionApi, impatient)]
    if settings.base_url.rstrip("/") != Settings.model_fields["base_url"].default:
        checks.append(_asked("v0", BatchApi, impatient))
    return checks


def _asked(name: str, kind: type[ExpressionApi] | type[BatchApi], settings: Settings) -> Check:
    async def ask() -> str:
        async with kind(settings) as api:
            await api.check()
            return str(api.origin)

    try:
        return Check(name, "good", f"{asyncio.run(ask())} takes the key")
    except HumeAnalyticsError as error:
        return Check(name, "bad", str(error))


def _disk(place: str | None) -> Check:
    folder = Path(place or os.curdir).absolute()
    while not folder.exists():
        folder = folder.parent
    free_gb = shutil.disk_usage(folder).free / 1e9
    return Check("disk", "good" if free_gb >= _ROOM_GB else "bad", f"{free_gb:,.1f} GB free at {folder}")


def _lake(place: str) -> Check:
    try:
        with open_lake(place, create=False) as lake:
            standing = standing_of(lake)
    except HumeAnalyticsError as error:
        return Check("lake", "bad", str(error))
    kind = "synthetic" if standing.synthetic else "real results"
    return Check("lake", "good", f"{place}: {kind}, {standing.recordings:,} recordings, {standing.loads:,} loads")
