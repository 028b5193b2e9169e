"""What a row of v0 batch JSON holds, model by model, and the column of each field."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from humeanalytics.tables.schema import SCORE_TABLES, schema_of

_SPAN = {"time.begin": "begin_s", "time.end": "end_s"}
_POSITION = {"position.begin": "position_begin", "position.end": "position_end"}
_SPOKEN = {"text": "text", "confidence": "confidence", "speaker_confidence": "speaker_confidence"}
_METADATA = {"metadata.detected_language": "detected_language", "metadata.confidence": "language_confidence"}
_ENTITY = {name: name for name in ("entity", "entity_confidence", "support", "uri", "link_word")}

#: Model -> path of a field in a row -> its column. Paths that begin with ``metadata`` stand beside the rows, once for all.
FIELDS: dict[str, dict[str, str]] = {
    "face": {"frame": "frame", "time": "time_s", "prob": "prob", **{f"box.{side}": f"box_{side}" for side in "xywh"}},
    "prosody": {**_SPAN, **_SPOKEN, **_METADATA},
    "burst": {**_SPAN},
    "language": {**_SPAN, **_POSITION, **_SPOKEN, **_METADATA},
    "ner": {**_SPAN, **_POSITION, **_ENTITY, **_SPOKEN, **_METADATA},
    "facemesh": {},
}
#: The same for rows that stand in no group, as those of the streaming API do: fields that have another name there, and ids.
STREAMED_FIELDS: dict[str, dict[str, str]] = FIELDS | {
    "face": FIELDS["face"] | {"face_id": "face_id"} | {f"bbox.{side}": f"box_{side}" for side in "xywh"}
}
#: Column -> type; the same in every model.
TYPES: dict[str, pa.DataType] = {
    column: schema_of(model).field(column).type for model, paths in STREAMED_FIELDS.items() for column in paths.values()
}
#: Model -> column of the id that rows are grouped by.
GROUP_COLUMNS = {model: "face_id" if model in ("face", "facemesh") else "speaker_id" for model in SCORE_TABLES}
#: Lists of scores in a row -> the kind of their names.
LISTS = {
    "emotions": "expression",
    "facs": "facs",
    "descriptions": "description",
    "sentiment": "sentiment",
    "toxicity": "toxicity",
}
#: Fields whose members are columns of their own.
NESTED = frozenset(("time", "box", "position"))
STREAMED_NESTED = NESTED | {"bbox"}
#: The first number that float32 rounds to infinity.
FLOAT32_END = 2.0**128 - 2.0**103


def kind_of_list(key: str, value: Any, model: str) -> str | None:
    """Return the kind of names in a list of scores, or None for a field that is no such list."""
    if key in LISTS:
        return "vocalisation" if key == "descriptions" and model == "burst" else LISTS[key]
    is_list = model not in FIELDS and type(value) is list and bool(value)
    if is_list and all(type(entry) is dict and entry.keys() == {"name", "score"} for entry in value):
        return "expression"
    return None
