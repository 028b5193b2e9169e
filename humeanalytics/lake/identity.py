"""Which lake this is: the file ``lake.json`` at its root, and the few facts about it that never change once decided."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path

from humeanalytics.errors import LakeError, LakeMixed, LakeNotFound, LakeTooNew, LedgerMismatch
from humeanalytics.lake.durable import create_file, exclusive, make_folder, replace_file
from humeanalytics.recordings import media_type_of

#: The format this code writes. It rises when an older humeanalytics could no longer read a lake rightly.
FORMAT = 1
_FILE = "lake.json"
_LOCK = "lake.lock"
# Delta Lake's object store decodes or refuses these in the path of a table, however they are quoted.
_IMPOSSIBLE = re.compile(r"[\[\]\\\x00-\x1f\x7f]|%[0-9A-Fa-f]{2}")


@dataclass(frozen=True, slots=True)
class Identity:
    """What ``lake.json`` says.

    Attributes:
        format: Version of the lake's layout.
        lake_id: Made once, when the lake was.
        created_at: ISO 8601, UTC.
        synthetic: Whether its results come from the sandbox; None as long as there are none.
        ledger_id: The ledger that knows this lake's submissions; None as long as there are none.
    """

    format: int
    lake_id: str
    created_at: str
    synthetic: bool | None = None
    ledger_id: str | None = None


def read_identity(root: Path) -> Identity | None:
    """Return the identity of the lake in a folder, or None where there is no lake.

    Raises:
        LakeTooNew: A newer humeanalytics wrote it.
        LakeError: ``lake.json`` is broken.
    """
    file = root / _FILE
    try:
        told = json.loads(file.read_bytes())
        version = int(told["format"])
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise LakeError(f"{file} is broken ({error}). Put it back from a backup.", uri=str(root)) from error
    if version > FORMAT:
        raise LakeTooNew(
            f"The lake at {root} has format {version}; this humeanalytics reads up to format {FORMAT}. "
            "Upgrade it with: python -m pip install --upgrade humeanalytics",
            uri=str(root),
        )
    try:
        return Identity(**{field.name: told[field.name] for field in fields(Identity) if field.name in told})
    except TypeError as error:
        raise LakeError(f"{file} is broken ({error}). Put it back from a backup.", uri=str(root)) from error


def create_identity(root: Path) -> Identity:
    """Make a lake in an empty or new folder; of several processes at once one makes it and all get the same identity.

    Raises:
        LakeError: The folder holds something else, or its path is one that Delta Lake cannot take.
    """
    if _IMPOSSIBLE.search(root.as_posix()):
        raise LakeError(
            f"{root} cannot be a lake: Delta Lake takes no path with brackets, backslashes, control characters or a % "
            "before two hexadecimal digits. Choose another folder.",
            uri=str(root),
        )
    if root.exists() and not root.is_dir():
        raise LakeError(f"{root} is a file. A lake is a folder: name a new or an empty one.", uri=str(root))
    present = sorted(p.name for p in root.iterdir() if not p.name.startswith(".")) if root.exists() else []
    if set(present) - {_FILE, _LOCK}:
        raise LakeError(
            f"{root} is no lake but holds {looks_like(root, present)}. Name a new or an empty folder for the lake.", uri=str(root)
        )
    make_folder(root)
    new = Identity(FORMAT, uuid.uuid4().hex, datetime.now(UTC).isoformat(timespec="seconds"))
    create_file(root / _FILE, _encode(new))
    found = read_identity(root)
    if found is None:
        raise LakeNotFound(f"The lake at {root} vanished while it was being made.", uri=str(root))
    return found


def claim(root: Path, *, synthetic: bool) -> Identity:
    """Decide, once and durably, whether the lake holds the sandbox's results or real ones.

    Raises:
        LakeMixed: It is decided otherwise.
    """
    now = _require(root)
    if now.synthetic is None:
        with exclusive(root / _LOCK):
            now = _require(root)
            if now.synthetic is None:
                now = replace(now, synthetic=synthetic)
                replace_file(root / _FILE, _encode(now))
    if now.synthetic != synthetic:
        held, offered = ("the sandbox's", "real ones") if now.synthetic else ("real", "the sandbox's")
        raise LakeMixed(
            f"The lake at {root} holds {held} results, so {offered} cannot enter it. Choose another folder for these.",
            uri=str(root),
        )
    return now


def bind_ledger(root: Path, ledger_id: str) -> Identity:
    """Tie the lake to the ledger that is about to submit for it.

    Raises:
        LedgerMismatch: Its submissions are in another ledger.
    """
    now = _require(root)
    if now.ledger_id is None:
        with exclusive(root / _LOCK):
            now = _require(root)
            if now.ledger_id is None:
                now = replace(now, ledger_id=ledger_id)
                replace_file(root / _FILE, _encode(now))
    if now.ledger_id != ledger_id:
        raise LedgerMismatch(
            f"The submissions of the lake at {root} are in ledger {now.ledger_id}, not in {ledger_id}. Going on would pay "
            "twice for what is under way: point HUMEANALYTICS_STATE at the folder of that ledger.",
            uri=str(root),
        )
    return now


def looks_like(root: Path, present: Iterable[str] | None = None) -> str:
    """Say in a few words what a folder holds that is no lake."""
    names = list(present) if present is not None else sorted(p.name for p in root.iterdir() if not p.name.startswith("."))
    if "_delta_log" in names:
        return "a Delta table (a lake is the folder around its tables)"
    if "tables" in names or "raw" in names:
        return "what may be a lake without its lake.json (put that back from a backup)"
    kinds = {media_type_of(name) for name in names} - {None}
    if kinds:
        return f"recordings, such as {next(n for n in names if media_type_of(n))!r} (they are what `score` takes)"
    return f"{len(names)} other files and folders, such as {names[0]!r}" if names else "nothing"


def _require(root: Path) -> Identity:
    now = read_identity(root)
    if now is None:
        raise LakeNotFound(f"The lake at {root} is gone.", uri=str(root))
    return now


def _encode(identity: Identity) -> bytes:
    return json.dumps(asdict(identity), indent=1).encode() + b"\n"
