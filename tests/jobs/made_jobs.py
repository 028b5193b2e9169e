"""Jobs that nobody scored: answers invented from numbers, in a blink, for tests that need many of them or odd ones."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import random
import struct
import uuid
import zipfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saved_jobs import SavedJob

from humeanalytics.lake.lake import Lake

NAMES = ("Joy", "Sadness", "Calmness")
#: Header of the CSV -> where the value stands in a row of the JSON.
_CSV = {
    "face": {
        "Frame": "frame",
        "Time": "time",
        "Probability": "prob",
        "FaceX0": "box.x",
        "FaceY0": "box.y",
        "FaceWidth": "box.w",
        "FaceHeight": "box.h",
    },
    "prosody": {
        "Text": "text",
        "BeginTime": "time.begin",
        "EndTime": "time.end",
        "Confidence": "confidence",
        "SpeakerConfidence": "speaker_confidence",
    },
    "burst": {"BeginTime": "time.begin", "EndTime": "time.end"},
    "language": {
        "Text": "text",
        "BeginPosition": "position.begin",
        "EndPosition": "position.end",
        "BeginTime": "time.begin",
        "EndTime": "time.end",
        "Confidence": "confidence",
        "SpeakerConfidence": "speaker_confidence",
    },
}


@dataclass(frozen=True)
class Made:
    """One file of a job that was invented.

    Attributes:
        name: The file, as Hume names it.
        content: Stands for the bytes of the recording: of equal content are equal scores, and an equal md5 sum.
        rows: How many rows each model gives.
        archive: The archive it was in when it was uploaded, if it was in one.
        md5: Its md5 sum, where that is to differ although the scores do not.
    """

    name: str
    content: int = 0
    rows: int = 3
    archive: str | None = None
    md5: str | None = None

    @property
    def data(self) -> bytes:
        """The bytes of the recording; no media at all, which nobody looks at here."""
        return f"recording {self.content}".encode()

    @property
    def md5sum(self) -> str:
        return self.md5 or hashlib.md5(self.data if self.archive is None else self.archive.encode()).hexdigest()


def made_job(
    *files: Made, texts: Sequence[str] = (), models: Sequence[str] = ("prosody", "burst"), job_id: str | None = None
) -> SavedJob:
    """Return a job of some files and texts, without details: its predictions as the API gives them, and its artifacts."""
    sources: list[dict[str, Any]] = []
    archives: dict[str, int] = {}
    csvs: dict[str, bytes] = {}
    for made in files:
        if made.archive not in archives:
            if made.archive is not None:
                archives[made.archive] = len(sources)
            name = made.archive or made.name
            sources.append(_source({"type": "file", "filename": name, "content_type": "audio/x-wav", "md5sum": made.md5sum}))
        number = archives.get(made.archive or "", len(sources) - 1)
        answers = {model: [_row(model, f"{made.content}", nth) for nth in range(made.rows)] for model in models}
        sources[number]["results"]["predictions"].append(_prediction(made.name, "audio", answers))
        for model, rows in answers.items():
            folder = (made.archive or made.name).replace("/", "_")
            csvs[f"file-{number}-{folder}/csv/{made.name}/{model}.csv"] = _csv(model, rows)
    if texts:
        sources.append(_source({"type": "text"}))
        for number, text in enumerate(texts, start=1):
            rows = [_row("language", text, 0, text=text)]
            sources[-1]["results"]["predictions"].append(_prediction(str(number), "text", {"language": rows}))
            csvs[f"text-{len(sources) - 1}-text/csv/{number}/language.csv"] = _csv("language", rows)
    told = job_id or str(uuid.UUID(bytes=hashlib.md5(repr((files, texts, models)).encode()).digest(), version=4))
    return SavedJob(told, b"{}", json.dumps(sources).encode(), zipped_files(csvs))


def zipped_files(members: dict[str, bytes]) -> bytes:
    """Return a ZIP archive of some files by path."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in members.items():
            archive.writestr(path, data)
    return out.getvalue()


def written(folder: Path, files: dict[str, bytes]) -> Path:
    """Write some files into a folder, and the folders in their paths."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def _source(described: dict[str, Any]) -> dict[str, Any]:
    return {"source": described, "results": {"predictions": [], "errors": []}}


def _prediction(file: str, file_type: str, answers: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    models: dict[str, Any] = {}
    for model, rows in answers.items():
        groups = [{"id": "unknown", "predictions": rows}] if rows else []
        models[model] = {"metadata": None, "grouped_predictions": groups}
    return {"file": file, "file_type": file_type, "models": models}


def _row(model: str, content: str, nth: int, *, text: str | None = None) -> dict[str, Any]:
    rng = random.Random(f"{model}/{content}/{nth}")
    emotions = [{"name": name, "score": _float32(rng.random())} for name in NAMES]
    if model == "face":
        box = {side: rng.random() * 100 for side in "xywh"}
        place: dict[str, Any] = {"frame": nth, "time": nth / 3, "prob": _float32(0.99 + rng.random() / 100), "box": box}
        return place | {"emotions": emotions, "facs": None, "descriptions": None}
    begin_s = nth + rng.random()
    time = {"begin": begin_s, "end": begin_s + 0.5}
    if model == "burst":
        return {"time": time, "emotions": emotions, "descriptions": None}
    said = f"word {rng.randrange(1000)}" if text is None else text
    confidences = {"confidence": None if text else rng.random(), "speaker_confidence": None}
    if model == "prosody":
        return {"text": said, "time": time, **confidences, "emotions": emotions}
    position = {"begin": 10 * nth, "end": 10 * nth + len(said)}
    lists = {"emotions": emotions, "sentiment": None, "toxicity": None}
    return {"text": said, "position": position, "time": None if text else time, **confidences, **lists}


def _float32(value: float) -> float:
    return float(struct.unpack("<f", struct.pack("<f", value))[0])


def _csv(model: str, rows: Iterable[dict[str, Any]]) -> bytes:
    out = io.StringIO()
    lines = csv.writer(out, lineterminator="\n")
    lines.writerow(["Id", *_CSV[model], *NAMES])
    for row in rows:
        scores = {each["name"]: each["score"] for each in row["emotions"]}
        lines.writerow(["unknown", *(_at(row, path) for path in _CSV[model].values()), *(scores[name] for name in NAMES)])
    return out.getvalue().encode()


def _at(row: dict[str, Any], path: str) -> Any:
    value: Any = row
    for key in path.split("."):
        value = None if value is None else value[key]
    return value


# ----------------------------------------------------------------------------------------------------------- what came of it
TABLES = ("face", "prosody", "burst", "language", "ner")


def counted(lake: Lake, *, suffix: str = "") -> Counter[str]:
    """Return how many rows each table of scores shows."""
    counts = " UNION ALL ".join(f"SELECT '{table}' AS name, count(*) AS n FROM {table}{suffix}" for table in TABLES)
    return Counter({row["name"]: row["n"] for row in lake.sql(counts).rows() if row["n"]})


def rows_of(*jobs: SavedJob) -> Counter[str]:
    """Return how many rows each table must show of some jobs, of which no two are alike."""
    total: Counter[str] = Counter()
    for job in jobs:
        total += job.rows()
    return total


#: Columns that tell of the run and not of what was read.
_OF_THE_RUN = {"load_id", "loaded_at", "seen_at", "set_at", "run_id", "happened_at", "received_at", "committed_at", "raw_path"}
SHOWN = ("prosody", "burst", "language", "scorings", "scoring_sources", "responses", "items", "recordings", "errors")
SHOWN += ("recording_aliases", "labels", "prosody_labelled")


def contents(lake: Lake, *, but: tuple[str, ...] = ()) -> dict[str, list[dict[str, Any]]]:
    """Whatever a lake tells of what was read, but not of when."""
    found = {}
    for table in SHOWN:
        columns = [row["column_name"] for row in lake.sql(f"DESCRIBE {table}").rows()]
        wanted = ", ".join(f'"{name}"' for name in columns if name not in _OF_THE_RUN and name not in but)
        found[table] = lake.sql(f"SELECT {wanted} FROM {table} ORDER BY ALL").rows()
    return found
