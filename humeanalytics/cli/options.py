"""Options that several commands share, and how their results are printed."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from humeanalytics.errors import LakeNotFound, SettingsError, UsageError

if TYPE_CHECKING:
    from humeanalytics.lake.lake import Lake
    from humeanalytics.settings import Settings

LakeOption = Annotated[
    str | None, typer.Option("--lake", envvar="HUMEANALYTICS_LAKE", help="Folder of the lake.", metavar="FOLDER")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output, and nothing else.")]
SandboxOption = Annotated[bool, typer.Option("--sandbox", help="Run against the built-in emulator of Hume; needs no key.")]
SeedOption = Annotated[int, typer.Option("--seed", help="Seed of the emulator's scores.")]
WaitOption = Annotated[str | None, typer.Option("--wait", help="Wait for another run on this lake, e.g. 30m.", metavar="TIME")]


def lake_uri(given: str | None) -> str:
    """Return which lake is meant.

    Raises:
        SettingsError: Nothing says so.
    """
    from humeanalytics.settings import load_settings

    uri = given or load_settings().lake
    if not uri:
        raise SettingsError("Say which lake: --lake FOLDER, or set HUMEANALYTICS_LAKE.")
    return uri


@contextmanager
def existing_lake(given: str | None) -> Iterator[Lake]:
    """Open a lake that is there."""
    from humeanalytics.jobs.opening import open_lake

    uri = lake_uri(given)
    try:
        lake = open_lake(uri, create=False)
    except LakeNotFound as error:
        raise LakeNotFound(f"{error} Make one with: humeanalytics demo, score or ingest.", uri=uri) from None
    with lake:
        yield lake


@contextmanager
def service(
    uri: str,
    *,
    sandbox: bool,
    seed: int,
    flow: str = "batch",
    lock_wait_s: float = 0.0,
    transcripts: Path | None = None,
    **flags: Any,
) -> Iterator[Settings]:
    """Yield the settings of the service a verb shall talk to: Hume's, or an embedded sandbox's that lives in the lake."""
    from humeanalytics.settings import load_settings

    settings = load_settings(**flags)
    if not sandbox:
        yield settings
        return
    from humeanalytics.jobs.embedding import embedded_sandbox

    with embedded_sandbox(uri, seed, settings, flow=flow, wait_s=lock_wait_s, transcripts=transcripts) as hume:
        given = {name: value for name, value in flags.items() if value is not None}
        given |= {"state": settings.state, "expression_usd_per_s": settings.expression_usd_per_s}
        yield hume.settings.model_copy(update=given)


def seconds(text: str | None) -> float:
    """Return a time such as ``90s``, ``30m`` or ``2h`` in seconds; without a unit it is seconds.

    >>> seconds("30m"), seconds("1.5h"), seconds(None)
    (1800.0, 5400.0, 0.0)
    """
    if text is None:
        return 0.0
    units = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
    number, unit = (text[:-1], text[-1]) if text[-1:] in units else (text, "s")
    try:
        return float(number) * units[unit]
    except ValueError:
        raise UsageError(f"{text!r} is no time. Write for example 90s, 30m or 2h.") from None


def print_json(value: Any) -> None:
    """Print one JSON document: NaN as null, times as ISO 8601 with Z."""
    json.dump(plain(value), sys.stdout, ensure_ascii=False)
    sys.stdout.write("\n")


def plain(value: Any) -> Any:
    """Return a value as JSON can say it."""
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, date | Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(each) for each in value]
    if isinstance(value, bytes):
        return value.hex()
    return value if value is None or isinstance(value, bool | int | str) else str(value)
