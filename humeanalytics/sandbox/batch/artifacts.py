"""The artifacts of a job: a ZIP of CSV, one a model and file, as the service's platform made it.

The layout and the order of columns are not those of the JSON; the values are, to the last digit.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np

from humeanalytics.sandbox.batch.rows import FileRows, ModelRows, Row

#: Column -> where it stands in a prediction. ``Id`` comes first everywhere.
_COLUMNS: dict[str, dict[str, tuple[str, ...]]] = {
    "face": {
        "Frame": ("frame",),
        "Time": ("time",),
        "Probability": ("prob",),
        "FaceX0": ("box", "x"),
        "FaceY0": ("box", "y"),
        "FaceWidth": ("box", "w"),
        "FaceHeight": ("box", "h"),
    },
    "prosody": {
        "Text": ("text",),
        "BeginTime": ("time", "begin"),
        "EndTime": ("time", "end"),
        "Confidence": ("confidence",),
        "SpeakerConfidence": ("speaker_confidence",),
    },
    "burst": {"BeginTime": ("time", "begin"), "EndTime": ("time", "end")},
    "language": {
        "Text": ("text",),
        "BeginPosition": ("position", "begin"),
        "EndPosition": ("position", "end"),
        "BeginTime": ("time", "begin"),
        "EndTime": ("time", "end"),
        "Confidence": ("confidence",),
        "SpeakerConfidence": ("speaker_confidence",),
    },
    # ner and facemesh have not been seen; theirs follow from the others
    "ner": {
        "Entity": ("entity",),
        "BeginPosition": ("position", "begin"),
        "EndPosition": ("position", "end"),
        "EntityConfidence": ("entity_confidence",),
        "Support": ("support",),
        "Uri": ("uri",),
        "LinkWord": ("link_word",),
        "BeginTime": ("time", "begin"),
        "EndTime": ("time", "end"),
        "Confidence": ("confidence",),
        "SpeakerConfidence": ("speaker_confidence",),
    },
    "facemesh": {},
}


def _platform_order(names: tuple[str, ...]) -> list[str]:
    """Expressions in the order of the platform: "Desire" where its old name sorted, "Contemplation" before "Confusion"."""
    order = [name for name in names if name not in ("Contemplation", "Desire")]
    order.insert(order.index("Confusion"), "Contemplation")
    order.insert(order.index("Satisfaction") + 1, "Desire")
    return order


def _places(names: tuple[str, ...], kind: str) -> list[int]:
    """Where, in the order of the JSON, the names stand that the CSV has one after the other."""
    return [names.index(name) for name in (_platform_order(names) if kind == "expression" else names)]


def file_csv(rows: ModelRows) -> Iterator[list[Any]]:
    """Yield the lines of the CSV of one model and file, header first, in the order of time."""
    lists = [(names, np.array(_places(names, kind))) for _, kind, names in rows.names()]
    paths = _COLUMNS[rows.model]
    yield ["Id", *paths, *(names[place] for names, places in lists for place in places)]
    for row in rows.rows:
        cells: list[Any] = [row.group, *(_at(row, path) for path in paths.values())]
        for (_, places), scores in zip(lists, row.scores, strict=True):
            cells += [None] * len(places) if scores is None else scores[places].tolist()
        yield cells


def _at(row: Row, path: tuple[str, ...]) -> Any:
    value: Any = row.fields
    for key in path:
        value = None if value is None else value[key]
    return value


class ArtifactsWriter:
    """Write the artifacts of one job into an open ZIP."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._folders: set[str] = set()

    def file(self, source_folder: str, scored: FileRows) -> None:
        """Add what the models found in one file."""
        inner = safe = _safe_path(scored.file)
        number = 1
        while f"{source_folder}/{inner}" in self._folders:  # an archive can hold a name twice
            number += 1
            inner = f"{safe} ({number})"
        self._folders.add(f"{source_folder}/{inner}")
        for model in scored.models:
            with (
                self._archive.open(f"{source_folder}/csv/{inner}/{model.model}.csv", "w", force_zip64=True) as raw,
                io.TextIOWrapper(raw, encoding="utf-8", newline="") as text,
            ):
                csv.writer(text, lineterminator="\n").writerows(file_csv(model))
        for name, jpeg in scored.crops:
            self._archive.writestr(f"{source_folder}/faces/{inner}/{name}", jpeg)


def source_folder(kind: str, number: int, name: str) -> str:
    """Return the folder of a source: ``file-0-talk.wav``."""
    return f"{kind}-{number}-{_safe_path(name).replace('/', '_')}"


def _safe_path(name: str) -> str:
    """A name that stays in its folder wherever the ZIP is unpacked."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    return "/".join(parts) or "file"
