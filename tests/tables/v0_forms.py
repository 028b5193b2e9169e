"""Write what a v0 batch job answered, given as the API gives it, in every form that people have saved it in."""

from __future__ import annotations

import csv
import io
import json
import random
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from humeanalytics import vocabulary

MODELS = ("face", "prosody", "burst", "language", "ner", "facemesh")
LISTS = {
    "face": {"emotions": "expression", "facs": "facs", "descriptions": "description"},
    "prosody": {"emotions": "expression"},
    "burst": {"emotions": "expression", "descriptions": "vocalisation"},
    "language": {"emotions": "expression", "sentiment": "sentiment", "toxicity": "toxicity"},
    "ner": {"emotions": "expression"},
    "facemesh": {"emotions": "expression"},
}


# ------------------------------------------------------------------------------------------------------- other dialects
def changed(value: Any, change: Callable[[Any], Any]) -> Any:
    """Return JSON with ``change`` made to every object and value in it, innermost first."""
    if isinstance(value, dict):
        return change({key: changed(each, change) for key, each in value.items()})
    if isinstance(value, list):
        return [changed(each, change) for each in value]
    return change(value)


def shuffled_keys(payload: Any, rng: random.Random) -> Any:
    """Return JSON with the keys of every object in another order."""
    return changed(payload, lambda v: dict(rng.sample(list(v.items()), len(v))) if isinstance(v, dict) else v)


def whole_numbers(payload: Any) -> Any:
    """Return JSON with whole floats written as integers, as the platform does. No score of -0.0 is there to lose its sign."""
    return changed(payload, lambda v: int(v) if isinstance(v, float) and v.is_integer() else v)


def as_platform(payload: Any) -> Any:
    """Return predictions as the web platform let people download them."""

    def change(value: Any) -> Any:
        if isinstance(value, dict):
            value.pop("file_type", None)
            if value.get("type") == "file":
                return {"type": "registry_file", "file_id": "9f0c7f5e-3c60-4d6c-8f0e-6c6a4f3b2a10"}
            if "prob" in value or "emotions" in value:
                last = [key for key in ("emotions", "facs", "sentiment", "toxicity") if key in value]
                first = [key for key in ("box", "frame", "text") if key in value]
                middle = [key for key in value if key not in (*first, *last)]
                return {key: value[key] for key in (*first, *middle, *last)}
        return value

    return whole_numbers(changed(payload, change))


def as_of_2023(payload: Any) -> Any:
    """Return predictions as they were in June 2023: of one source, no list."""

    def change(value: Any) -> Any:
        if isinstance(value, dict):
            value.pop("file_type", None)
            if "type" in value:
                return dict(reversed(value.items()))
        return value

    old = changed(payload, change)
    return old[0] if len(old) == 1 else old


def as_sdk(payload: Any) -> Any:
    """Return predictions as ``model_dump()`` of the Python SDK gives them."""

    def change(value: Any) -> Any:
        if isinstance(value, dict) and "md5sum" in value:
            value["md_5_sum"] = value.pop("md5sum")
        if isinstance(value, dict) and "models" in value:
            value["models"] |= {model: None for model in MODELS if model not in value["models"]}
        return value

    return changed(payload, change)


def as_camel(payload: Any) -> Any:
    """Return predictions as a TypeScript program writes down what its SDK gave it."""

    def change(value: Any) -> Any:
        if isinstance(value, dict):
            return {_camel(key) if key not in MODELS else key: each for key, each in value.items()}
        return value

    return changed(payload, change)


def _camel(key: str) -> str:
    first, *rest = key.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _webhook(predictions: Any) -> Any:
    return {"job_id": "1f3a", "status": "COMPLETED", "predictions": predictions}


FORMS: dict[str, Callable[[list[Any]], Any]] = {
    "api": lambda payload: payload,
    "platform": as_platform,
    "2023": as_of_2023,
    "sdk": as_sdk,
    "camel": as_camel,
    "webhook": _webhook,
    "webhook dump": lambda payload: _webhook(as_sdk(payload)),
    "webhook camel": lambda payload: as_camel(_webhook(payload)),
    "wrapped": lambda payload: {"participant": "007", "notes": ["a", 1, None], "predictions": payload},
    "wrapped before": lambda payload: {"predictions": payload, "participant": {"id": "007"}, "errors": []},
    "by timestamp": lambda payload: {f"2024-01-0{i}T10:00": {"predictions": [each]} for i, each in enumerate(payload)},
    "each source under a key": lambda payload: {f"2024-01-0{i}T10:00": [each] for i, each in enumerate(payload)},
    "source by source": lambda payload: {"speakers": [{"name": "A", "results": None, "answer": [each]} for each in payload]},
    "by speaker": lambda payload: [{"speaker": f"S{i}", "predictions": [each]} for i, each in enumerate(payload)],
}


# ---------------------------------------------------------------------------------------------------------- other bytes
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[][{},:]')


def written(payload: Any, rng: random.Random) -> bytes:
    """Return JSON in some style of blanks, escapes and line ends."""
    indent = rng.choice([None, None, 0, 1, 2, 3, 4, "\t"])
    separators = rng.choice([(",", ":"), (", ", ": ")])
    text = json.dumps(payload, indent=indent, separators=separators, ensure_ascii=rng.random() < 0.5)
    if indent is None and rng.random() < 0.3:
        text = oddly_spaced(text, rng)
    if rng.random() < 0.3:
        text = text.replace("\n", "\r\n")
    text += rng.choice(["", "\n", "\r\n", "\n\n", " \t"])
    return (b"\xef\xbb\xbf" if rng.random() < 0.3 else b"") + text.encode()


def oddly_spaced(text: str, rng: random.Random) -> str:
    """Return JSON with blanks around its tokens: the same ones around all of a kind, or now and then any."""
    blanks = ["", "", " ", "  ", "\n", "\t", "\r\n", " \n\n "]
    style = {token: (rng.choice(blanks), rng.choice(blanks)) for token in '[]{},:"'}
    if rng.random() < 0.5:
        return _TOKEN.sub(lambda m: m[0].join(style[m[0][0]]), text)
    return _TOKEN.sub(lambda m: m[0] if rng.random() < 0.98 else rng.choice(blanks) + m[0] + rng.choice(blanks), text)


# -------------------------------------------------------------------------------------------------------- other contents
def disordered(payload: Any, rng: random.Random, odd: float) -> Any:
    """Return predictions with groups, rows and names in another order, and some names missing, doubled or new."""

    def score_list(scores: list[dict[str, Any]]) -> list[dict[str, Any]]:
        found = [dict(score) for score in scores]
        if rng.random() < odd:
            found = rng.sample(found, rng.randrange(len(found) + 1))
        if rng.random() < odd and found:
            found.insert(rng.randrange(len(found) + 1), dict(rng.choice(found)) | {"score": rng.choice([0.5, 0, 1, None])})
        if rng.random() < odd:
            rng.shuffle(found)
        return found

    def change(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        for key in ("grouped_predictions", "predictions"):
            if key in value:
                rng.shuffle(value[key])
        for key in ("emotions", "facs", "descriptions", "sentiment", "toxicity"):
            if value.get(key):
                value[key] = score_list(value[key])
        if value.get("emotions") and rng.random() < odd:
            name = rng.choice(["Zest", "zest!", "???", "\u00c4rger", "Joy?", 'Wide, "quoted" name'])
            value["emotions"].insert(rng.randrange(len(value["emotions"])), {"name": name, "score": 0.125})
        return value

    return changed(payload, change)


# ------------------------------------------------------------------------------------------------------------- artifacts
COLUMNS = {
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


def platform_order(model: str) -> list[str]:
    """Return the names of a model as the platform's CSVs have them: hands among the descriptions, "Desire" where its old name
    sorted, "Contemplation" before "Confusion"."""
    kinds = [[name.name for name in vocabulary.names_of(model, kind)] for kind in LISTS[model].values()]
    expressions = [name for name in kinds[0] if name not in ("Contemplation", "Desire")]
    expressions.insert(expressions.index("Confusion"), "Contemplation")
    expressions.insert(expressions.index("Satisfaction") + 1, "Desire")
    return [*expressions, *(name for names in kinds[1:] for name in names)]  # the hands stand last among the action units


def csv_text(model: str, groups: Iterable[dict[str, Any]], rng: random.Random) -> str:
    """Return one CSV as the platform writes it: rows in order of time, null an empty cell; the header in any order at times."""
    rows = [(group["id"], row) for group in groups for row in group["predictions"]]
    named = [[(s["name"], s["score"]) for key in LISTS[model] for s in row.get(key) or ()] for _, row in rows]
    header = platform_order(model)
    most: Counter[str] = Counter(header)
    for scores in named:
        most |= Counter(name for name, _ in scores)
    header = [name for name in dict.fromkeys([*header, *most]) for _ in range(most[name])]
    if rng.random() < 0.5:
        rng.shuffle(header)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator=rng.choice(["\n", "\r\n"]))
    writer.writerow(["Id", *COLUMNS[model], *header])
    lines = []
    for (id_, row), scores in zip(rows, named, strict=True):
        values: dict[str, list[Any]] = {}
        for name, score in scores:
            values.setdefault(name, []).append(score)
        rest = {name: iter(each) for name, each in values.items()}
        cells = [_at(row, path) for path in COLUMNS[model].values()]
        lines.append((_begin(row), [id_, *cells, *(next(rest.get(name, iter(())), None) for name in header)]))
    lines.sort(key=lambda line: line[0])
    writer.writerows(cells for _, cells in lines)
    return out.getvalue()


def _at(row: dict[str, Any], path: str) -> Any:
    value: Any = row
    for key in path.split("."):
        value = None if value is None else value.get(key)
    return value


def _begin(row: dict[str, Any]) -> float:
    time = row.get("time")
    return float((time["begin"] if isinstance(time, dict) else time) or 0.0)


def artifacts_of(payload: Any, rng: random.Random) -> bytes:
    """Return the artifacts of a job whose predictions the API gives as ``payload``."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as archive:
        for i, source in enumerate(payload):
            kind = source["source"]["type"]
            name = source["source"].get("filename") or kind
            for file in source["results"]["predictions"]:
                for model, answer in file["models"].items():
                    path = f"{kind}-{i}-{name}/csv/{file['file']}/{model}.csv"
                    archive.writestr(path, csv_text(model, answer["grouped_predictions"], rng))
        archive.writestr("file-0-x/faces/1.jpg", b"no CSV")
    return out.getvalue()
