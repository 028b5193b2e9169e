"""The header of a CSV of artifacts: what tells that it is one, of which model, and what its columns are called in the JSON."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable
from typing import IO

from humeanalytics import vocabulary
from humeanalytics.errors import NotHumeData
from humeanalytics.tables.looks import looks_like, looks_like_csv

#: Header -> path of the same value in a row of the JSON, compared without regard to case.
HEADERS = {
    "frame": "frame",
    "time": "time",
    "probability": "prob",
    "facex0": "box.x",
    "facey0": "box.y",
    "facewidth": "box.w",
    "faceheight": "box.h",
    "text": "text",
    "begintime": "time.begin",
    "endtime": "time.end",
    "beginposition": "position.begin",
    "endposition": "position.end",
    "confidence": "confidence",
    "speakerconfidence": "speaker_confidence",
    "entity": "entity",
    "entityconfidence": "entity_confidence",
    "support": "support",
    "uri": "uri",
    "linkword": "link_word",
}
#: The column of the group, spelled likewise.
ID = "id"
#: Columns that nobody else has.
_TYPICAL = ({"FaceX0", "FaceWidth"}, {"BeginTime", "SpeakerConfidence"})
#: Column -> the model that alone has it, apart from those that come before.
_MODEL_SIGNS = {"facex0": "face", "entity": "ner", "beginposition": "language", "text": "prosody", "begintime": "burst"}

_HEADER_BYTES = 1 << 20


def read_header(stream: IO[bytes], item: str) -> list[str]:
    """Read the first line of a CSV and return the names of its columns.

    Raises:
        NotHumeData: It is no CSV of artifacts.
    """
    line = stream.readline(_HEADER_BYTES)
    names = header_names(line)
    if names is None:
        raise NotHumeData(f"{item}: this is {looks_like(line[:512])}, not a CSV of artifacts.", item=item)
    if len(names) < 2 or ID not in map(spelled, names):
        what = looks_like_csv(names) if line.strip() else looks_like(line)
        raise NotHumeData(f"{item}: this is {what}, not a CSV of artifacts, which has a column Id.", item=item)
    return names


def header_names(line: bytes) -> list[str] | None:
    """Return the names of columns that the first line of a file holds, or None if it is no line of a CSV."""
    try:
        return next(csv.reader([line.decode("utf-8-sig").rstrip("\r\n")]), [])
    except (UnicodeDecodeError, csv.Error):
        return None


def is_artifact_header(names: Collection[str]) -> bool:
    """Tell whether a CSV with these columns is one of artifacts, and not just any in which something has an id."""
    expressions = {name.name for name in vocabulary.names_of("face", "expression")}
    typical = any(columns.issubset(names) for columns in _TYPICAL) or 2 * len(expressions & {*names}) > len(expressions)
    return "Id" in names and typical


def model_of(names: Iterable[str]) -> str:
    """Return the model whose CSVs have such columns, for one that is called by another name."""
    known = set(map(spelled, names))
    return next((model for name, model in _MODEL_SIGNS.items() if name in known), "facemesh")


def spelled(name: str) -> str:
    """Return the name of a column as `HEADERS` has it."""
    return name.strip().lower()
