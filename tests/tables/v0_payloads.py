"""Invent v0 batch jobs as rows, write them in every form people have saved them in, and say what tables they must give."""

from __future__ import annotations

import random
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import v0_forms
from v0_forms import LISTS, MODELS, shuffled_keys, whole_numbers, written

from humeanalytics import vocabulary
from humeanalytics.tables.flattened import Flattened

__all__ = [
    "FORMS",
    "LISTS",
    "MODELS",
    "JobMaker",
    "JobSource",
    "ModelAnswer",
    "Row",
    "actual_answers",
    "api_json",
    "expected_answers",
    "row_json",
    "shuffled_keys",
    "whole_numbers",
    "written",
]

TEXTS = (
    "No.",
    "",
    'he said "hi" \\ {[,]}',
    "ein Käse",
    "日本語 😀",
    '"emotions":[{"name":"Joy","score":1}]',
    "a\nb\t\u2028",
    "]}]}",
)


@dataclass
class Row:
    """One row: what its columns hold (scores apart), its lists of scores, and fields nobody has heard of."""

    columns: dict[str, Any]
    lists: dict[str, list[tuple[str, float | None]] | None]
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass
class ModelAnswer:
    metadata: dict[str, Any] | None
    groups: list[tuple[str, list[Row]]]


@dataclass
class File:
    name: str
    file_type: str | None
    models: dict[str, ModelAnswer]


@dataclass
class JobSource:
    described: dict[str, Any]
    files: list[File]
    errors: list[dict[str, Any]]


def float32(value: float) -> float:
    """Return the float32 nearest to a value."""
    return float(struct.unpack("<f", struct.pack("<f", value))[0])


# --------------------------------------------------------------------------------------------------------- making a job
class JobMaker:
    """Invents jobs. ``odd`` is how often something is missing, doubled, new or out of order.

    Most jobs have a few names of each kind only, the same ones in every row: that keeps them small.
    """

    def __init__(self, rng: random.Random, *, odd: float = 0.0, models: tuple[str, ...] = MODELS, rows: int = 3) -> None:
        self.rng, self.odd, self.models, self.rows = rng, odd, models, rows
        share = 1.0 if rng.random() < 0.1 else 0.15
        self.names = {
            (model, kind): [n.name for n in vocabulary.names_of(model, kind) if rng.random() < share]
            for model in MODELS
            for kind in LISTS[model].values()
        }

    def _oddly(self) -> bool:
        return self.rng.random() < self.odd

    def score(self) -> float | None:
        if self._oddly():
            return self.rng.choice([None, 0.0, 1.0, -0.5, 1e-7, 1.303, 0.1, 1 / 3, 12345.678, 2.5e-30])
        return float32(self.rng.betavariate(1, 6))

    def time(self) -> float:
        return self.rng.choice([0.0, 3.0, self.rng.random() * 100, round(self.rng.random() * 100, 2)])

    def scores(self, model: str, kind: str) -> list[tuple[str, float | None]]:
        names = list(self.names[model, kind])
        if self._oddly() and names:
            names = self.rng.sample(names, self.rng.randrange(len(names)))
        if self._oddly():
            self.rng.shuffle(names)
        if self._oddly():
            names.insert(self.rng.randrange(len(names) + 1), self.rng.choice(["Zest", "Zest!", "???", "Ärger", "Joy?"]))
        if self._oddly() and names:
            names.append(self.rng.choice(names))
        return [(name, self.score()) for name in names]

    def row(self, model: str, asked: set[str]) -> Row:
        rng = self.rng
        columns: dict[str, Any] = {}
        if model == "face":
            columns = {"frame": rng.randrange(9999), "time_s": self.time(), "prob": float32(0.9 + rng.random() / 10)}
            columns |= {f"box_{side}": rng.choice([-3.5, 12.0, rng.random() * 1000]) for side in "xywh"}
        elif model != "facemesh":
            timed = model in ("prosody", "burst") or rng.random() < 0.7
            begin = self.time()
            columns = {"begin_s": begin, "end_s": begin + rng.random()} if timed else {"begin_s": None, "end_s": None}
        if model in ("prosody", "language", "ner"):
            columns["text"] = rng.choice(TEXTS)
            columns["confidence"] = rng.choice([None, rng.random()])
            columns["speaker_confidence"] = rng.choice([None, None, rng.random()])
        if model in ("language", "ner"):
            columns["position_begin"] = rng.randrange(1000)
            columns["position_end"] = columns["position_begin"] + rng.randrange(30)
        if model == "ner":
            columns |= {"entity": rng.choice(TEXTS), "entity_confidence": rng.random(), "support": rng.choice([7.0, 0.5])}
            columns |= {"uri": "https://example.org/wiki/A", "link_word": "it"}
        lists: dict[str, list[tuple[str, float | None]] | None] = {
            key: self.scores(model, kind) if key == "emotions" or key in asked else None for key, kind in LISTS[model].items()
        }
        fields: dict[str, Any] = {}
        if self._oddly():
            fields = {rng.choice(["engagement", "gaze", "Joy"]): rng.choice([1.5, "left", {"x": [1]}, True])}
        return Row(columns, lists, fields)

    def answer(self, model: str) -> ModelAnswer:
        rng = self.rng
        metadata = None
        if model in ("prosody", "language", "ner") and rng.random() < 0.7:
            metadata = {"confidence": rng.random(), "detected_language": rng.choice(["en", None])}
        asked = {key for key in LISTS[model] if rng.random() < 0.5 or (model, key) == ("burst", "descriptions")}
        prefix = "face_" if model in ("face", "facemesh") else "spk_"
        ids = rng.choice([["unknown"], [f"{prefix}{i}" for i in range(3)][::-1], []])
        return ModelAnswer(
            metadata, [(id_, [self.row(model, asked) for _ in range(rng.randrange(self.rows + 1))]) for id_ in ids]
        )

    def file(self, name: str) -> File:
        models = [model for model in self.models if self.rng.random() < 0.4]
        file_type = self.rng.choice(["video", "audio", "image", "video_no_audio"])
        return File(name, file_type, {model: self.answer(model) for model in models})

    def job(self) -> list[JobSource]:
        sources = []
        for i in range(self.rng.randrange(1, 3)):
            described, names = self.rng.choice(
                [
                    ({"type": "url", "url": f"https://x.com/{i}.zip"}, [f"a{i}/1.jpg", f"a{i}/2.jpg"]),
                    ({"type": "file", "filename": "a.wav", "content_type": "audio/wav", "md5sum": f"{i:032x}"}, ["a.wav"]),
                    ({"type": "text"}, ["2", "9", "1"]),
                ]
            )
            errors = [{"file": "b.wav", "model": None, "message": "unable to transcribe file"}] if self._oddly() else []
            sources.append(JobSource(described, [self.file(name) for name in names], errors))
        return sources


# ------------------------------------------------------------------------------------------------------- writing it down
_PATHS = {
    "time_s": ("time",),
    "begin_s": ("time", "begin"),
    "end_s": ("time", "end"),
    "position_begin": ("position", "begin"),
    "position_end": ("position", "end"),
    **{f"box_{side}": ("box", side) for side in "xywh"},
}


def row_json(row: Row) -> dict[str, Any]:
    """Return a row as Hume's API writes it."""
    written: dict[str, Any] = {}
    for column, value in row.columns.items():
        path = _PATHS.get(column, (column,))
        if len(path) == 1:
            written[path[0]] = value
        elif value is None and path[0] == "time":
            written["time"] = None
        else:
            written.setdefault(path[0], {})[path[1]] = value
    for key, scores in row.lists.items():
        written[key] = None if scores is None else [{"name": name, "score": score} for name, score in scores]
    return written | row.fields


def api_json(job: list[JobSource]) -> list[dict[str, Any]]:
    """Return a job as ``GET /v0/batch/jobs/{id}/predictions`` gives it."""

    def answer_json(answer: ModelAnswer) -> dict[str, Any]:
        groups = [{"id": id_, "predictions": [row_json(row) for row in rows]} for id_, rows in answer.groups]
        return {"metadata": answer.metadata, "grouped_predictions": groups}

    return [
        {
            "source": dict(source.described),
            "results": {
                "predictions": [
                    {
                        "file": file.name,
                        "file_type": file.file_type,
                        "models": {model: answer_json(answer) for model, answer in file.models.items()},
                    }
                    for file in source.files
                ],
                "errors": source.errors,
            },
            "error": None,
        }
        for source in job
    ]


#: A job in each form.
FORMS: dict[str, Callable[[list[JobSource]], Any]] = {
    name: (lambda job, form=form: form(api_json(job))) for name, form in v0_forms.FORMS.items()
}


# ----------------------------------------------------------------------------------------------- what must come out of it
def expected_row(row: Row, model: str, file: str, group: str, metadata: dict[str, Any] | None) -> dict[str, Any]:
    """Return what is not null in a row's columns; scores nobody has heard of stand under their kind and name."""
    columns = {"file": file, "face_id" if model in ("face", "facemesh") else "speaker_id": group, **row.columns}
    if metadata and model in ("prosody", "language", "ner"):
        columns |= {"detected_language": metadata["detected_language"], "language_confidence": metadata["confidence"]}
    declared = {name.column for name in vocabulary.names_of(model)}
    for key, scores in row.lists.items():
        kind = LISTS[model][key]
        for name, score in reversed(scores or ()):  # of a doubled name the first holds
            column = vocabulary.column(name, kind)
            known = column in declared and any(each.name == name for each in vocabulary.names_of(model, kind))
            columns[column if known else f"{kind}:{name}"] = None if score is None else float32(score)
    columns |= {f"field:{name}": value for name, value in row.fields.items()}
    return {name: value for name, value in columns.items() if value is not None}


def _frozen(row: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, repr(value)) for name, value in row.items()))


Answers = list[tuple[str, str, frozenset[Any]]]


def expected_answers(job: list[JobSource], *, with_fields: bool = True) -> Answers:
    """Return for each answer of a job its file, its model and the rows it must give, each with how often."""
    found = []
    for source in job:
        for file in source.files:
            for model, answer in file.models.items():
                rows = [
                    expected_row(row, model, file.name, group, answer.metadata) for group, rows in answer.groups for row in rows
                ]
                if not with_fields:
                    rows = [{k: v for k, v in row.items() if not k.startswith("field:")} for row in rows]
                found.append((file.name, model, frozenset(Counter(map(_frozen, rows)).items())))
    return found


def actual_answers(flat: Flattened, *, with_fields: bool = True) -> Answers:
    """Return the answers that were read, in the form of `expected_answers`."""
    found = []
    for answer in flat.answers:
        table = flat.tables[answer.model].slice(answer.first_row, answer.rows)
        names = []
        for each in table.schema:
            metadata = each.metadata or {}
            if b"hume_field" in metadata:
                names.append(f"field:{metadata[b'hume_field'].decode()}")
            elif b"hume_kind" in metadata:
                names.append(f"{metadata[b'hume_kind'].decode()}:{metadata[b'hume_name'].decode()}")
            else:
                names.append(each.name)
        rows = [{k: v for k, v in row.items() if v is not None} for row in table.rename_columns(names).to_pylist()]
        if not with_fields:
            rows = [{k: v for k, v in row.items() if not k.startswith("field:")} for row in rows]
        found.append((answer.file, answer.model, frozenset(Counter(map(_frozen, rows)).items())))
    return found
