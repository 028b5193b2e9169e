"""Tell what a saved file is by its content, whatever its name: of Hume's, packed, or somebody else's."""

from __future__ import annotations

import codecs
import zipfile
from dataclasses import dataclass
from enum import StrEnum
from typing import IO

from humeanalytics.tables.archives import UNPACKING_ERRORS
from humeanalytics.tables.artifact_headers import header_names, is_artifact_header
from humeanalytics.tables.artifacts import is_artifact
from humeanalytics.tables.batch import first_look
from humeanalytics.tables.evi_forms import looks_like_evi
from humeanalytics.tables.expression_saved import looks_like_v1
from humeanalytics.tables.looks import BROKEN, JOB, STREAMING, looks_like, looks_like_csv
from humeanalytics.tables.words import is_words_json, words_form

_HEAD_BYTES = 1 << 16


class Kind(StrEnum):
    """What a saved file can be."""

    PREDICTIONS = "predictions"  # of a v0 batch job, in any of its forms
    ARTIFACTS = "artifacts"  # a ZIP with CSVs of a v0 batch job in it
    ARTIFACT_CSV = "artifact_csv"  # one of those CSVs
    JOB = "job"  # details of v0 jobs, which hold no scores
    STREAMING = "streaming"  # answers of the v0 streaming API
    EXPRESSION = "expression"  # answers of v1
    EVI = "evi"  # chats of EVI: pages of its history, captures, bodies of webhooks, ...
    WORDS = "words"  # a transcript or speaker turns, which lie beside recordings
    JSON = "json"  # that is broken before it tells what it is: `flatten_predictions` says where
    GZIP = "gzip"
    ZSTD = "zstd"
    ZIP = "zip"  # of anything else
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Detected:
    """What a file is. ``about`` says it in a few words; of predictions ``dialect`` names the form."""

    kind: Kind
    about: str
    dialect: str | None = None


def detect(file: IO[bytes]) -> Detected:
    """Return what a file is, by its content; the file stands at its beginning afterwards.

    Only as much is read as it takes to tell: of predictions the beginning, of a ZIP archive its directory. So a file may
    still turn out broken further on.

    Args:
        file: Opened for reading bytes; it must be able to seek.

    Examples:
        >>> import io
        >>> detect(io.BytesIO(b'{"job_id": "1", "request": {}, "state": {}}')).about
        'the details of a v0 job'
    """
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    file.seek(0)
    try:
        return _detect(file, head)
    finally:
        file.seek(0)


def _detect(file: IO[bytes], head: bytes) -> Detected:
    if head.startswith(b"\x1f\x8b"):
        return Detected(Kind.GZIP, looks_like(head))
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        return Detected(Kind.ZSTD, looks_like(head))
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _detect_zip(file)
    if head.removeprefix(codecs.BOM_UTF8).lstrip()[:1] in (b"{", b"["):
        return _detect_json(file, head)
    if form := words_form(head):
        return Detected(Kind.WORDS, f"words ({form})")
    names = header_names(head.split(b"\n", 1)[0]) or []
    if is_artifact_header(names):
        return Detected(Kind.ARTIFACT_CSV, f"a CSV of artifacts with {len(names)} columns")
    return Detected(Kind.OTHER, looks_like_csv(names) if len(names) > 1 and b"\0" not in head else looks_like(head))


def _detect_zip(file: IO[bytes]) -> Detected:
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
    except UNPACKING_ERRORS:
        return Detected(Kind.ZIP, "a ZIP archive that is broken")
    count = sum(map(is_artifact, names))
    if count:
        return Detected(Kind.ARTIFACTS, f"a ZIP archive with {count} CSVs of artifacts")
    return Detected(Kind.ZIP, f"a ZIP archive of {len(names)} files, none of them artifacts")


def _detect_json(file: IO[bytes], head: bytes) -> Detected:
    if looks_like_v1(head):
        return Detected(Kind.EXPRESSION, "answers of v1")
    if looks_like_evi(head):
        return Detected(Kind.EVI, "chats of EVI")
    dialect, about = first_look(file)
    if dialect == "streaming":
        return Detected(Kind.STREAMING, STREAMING, dialect)
    if dialect is not None:
        return Detected(Kind.PREDICTIONS, f"predictions of a v0 batch job ({dialect})", dialect)
    if about == JOB:
        return Detected(Kind.JOB, about)
    file.seek(0)
    if is_words_json(file):
        return Detected(Kind.WORDS, "words (json)")
    return Detected(Kind.JSON if about == BROKEN else Kind.OTHER, about)
