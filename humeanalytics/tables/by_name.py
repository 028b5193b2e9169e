"""Read one prediction by the names of its fields and scores, whatever their order: always right, at the speed of Python."""

from __future__ import annotations

from typing import Any

import msgspec
import pyarrow as pa

from humeanalytics import vocabulary
from humeanalytics.errors import UnreadableResponse
from humeanalytics.tables.columns import Layout, ModelRows, Place, place_text
from humeanalytics.tables.envelope import canonical, renamed
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
    "burst": _SPAN,
    "language": {**_SPAN, **_POSITION, **_SPOKEN, **_METADATA},
    "ner": {**_SPAN, **_POSITION, **_ENTITY, **_SPOKEN, **_METADATA},
    "facemesh": {},
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
_NESTED = frozenset(("time", "box", "position", "metadata"))
_INT64 = range(-(2**63), 2**63)


class PredictionReader:
    """Reads predictions of one payload into `ModelRows`, one for each model that is met.

    Attributes:
        tables: By table name, the rows so far.
    """

    def __init__(self, item: str) -> None:
        self.tables: dict[str, ModelRows] = {}
        self._item = item
        self._names: dict[str, str] = {}
        self._layouts: dict[tuple[tuple[str, tuple[str, ...]], ...], Layout] = {}

    def rows_of(self, hume_model: str) -> ModelRows:
        """Return the rows of a model, by what Hume calls it."""
        name = self._names.get(hume_model)
        if name is None:
            name = table_of(hume_model)
            if name in self.tables and name not in SCORE_TABLES:  # a model whose name differs from another's in signs only
                name = "model_" + vocabulary.fallback_column(hume_model)
            self._names[hume_model] = name
            self.tables.setdefault(name, ModelRows(name, hume_model, self._item))
        return self.tables[name]

    def read(self, hume_model: str, answer: Any, file: str, place: str) -> ModelRows:
        """Append the rows of one model's answer for one file.

        Args:
            hume_model: What Hume calls the model.
            answer: The decoded value under that name.
            file: The file as Hume names it.
            place: Where the answer stands, for errors.

        Raises:
            UnreadableResponse: Something is not of the type it must be; says where.
        """
        answer = self._object(answer, place)
        if "grouped_predictions" not in answer:
            raise self._error(place, f"there are no grouped_predictions; the keys are {', '.join(answer) or 'none'}")
        rows = self.rows_of(hume_model)
        paths = FIELDS.get(rows.model, {})
        shared: tuple[dict[str, Any], dict[str, Any]] = {"file": file}, {}
        for key, value in answer.items():
            if key == "metadata" and value is not None:
                for inner, part in self._object(value, f"{place}.metadata").items():
                    self._put(f"metadata.{inner}", part, paths, shared, f"{place}.metadata.{inner}")
            elif key not in ("metadata", "grouped_predictions"):
                _put_aside(key, value, shared[1])
        for g, group in enumerate(self._list(answer["grouped_predictions"], f"{place}.grouped_predictions")):
            at = f"{place}.grouped_predictions[{g}]"
            group = self._object(group, at)
            values, fields = dict(shared[0]), dict(shared[1])
            values[GROUP_COLUMNS.get(rows.model, "group_id")] = self._text(group.get("id"), f"{at}.id")
            for key, value in group.items():
                if key not in ("id", "predictions"):
                    _put_aside(f"group.{key}", value, fields)
            for r, row in enumerate(self._list(group.get("predictions"), f"{at}.predictions")):
                self._read_row(rows, (place, g, r), row, (dict(values), dict(fields)))
        return rows

    def _read_row(self, rows: ModelRows, place: Place, row: Any, into: tuple[dict[str, Any], dict[str, Any]]) -> None:
        paths = FIELDS.get(rows.model, {})
        lists: list[tuple[str, tuple[str, ...]]] = []
        scores: list[float | None] = []
        for key, value in self._object(row, place).items():
            kind = _kind_of_list(key, value, rows.model)
            if kind is not None:
                if value is not None:
                    names = self._read_scores(key, value, scores, place, into[1])
                    lists.append((kind, names))
            elif key in _NESTED and type(value) is dict:
                for inner, part in renamed(value, self._item, key).items():
                    self._put(f"{key}.{inner}", part, paths, into, place)
            else:
                self._put(key, value, paths, into, place)
        shape = tuple(lists)
        layout = self._layouts.get(shape)
        if layout is None:
            layout = self._layouts[shape] = tuple((kind, name) for kind, names in lists for name in names)
        rows.append(place, *into, layout, scores)

    def _read_scores(
        self, key: str, entries: Any, scores: list[float | None], place: Place, fields: dict[str, Any]
    ) -> tuple[str, ...]:
        """Add the scores of one list to those of the row, and return their names."""
        try:
            names = tuple([entry["name"] for entry in entries])
            values = [entry["score"] for entry in entries]
            as_expected = {2}.issuperset(map(len, entries)) and type(entries) is list
        except (KeyError, TypeError, IndexError):
            as_expected = False
        if not as_expected:
            names, values = self._read_odd_scores(key, entries, place, fields)
        if not {str}.issuperset(map(type, names)):
            raise self._error(place, f"a name in {key} is no text")
        if not {float, int, type(None)}.issuperset(map(type, values)):
            name, value = next(pair for pair in zip(names, values, strict=True) if type(pair[1]) not in (float, int, type(None)))
            raise self._error(place, f"the score of {name} in {key} is {_shown(value)}, not a number")
        if int in map(type, values) and any(type(value) is int and abs(value) > 2**53 for value in values):
            raise self._error(place, f"a score in {key} is a whole number beyond what a float holds")
        scores += values
        return names

    def _read_odd_scores(
        self, key: str, entries: Any, place: Place, fields: dict[str, Any]
    ) -> tuple[tuple[str, ...], list[float | None]]:
        """Read a list of scores with more or less in its entries than name and score. What is more becomes a field of the row."""
        more: dict[str, Any] = {}
        names, values = [], []
        for i, entry in enumerate(self._list(entries, place, key)):
            if type(entry) is not dict or "name" not in entry:
                raise self._error(place, f"{key}[{i}] is {_shown(entry)}, not an object with name and score")
            rest = {inner: value for inner, value in entry.items() if inner not in ("name", "score")}
            if "score" not in entry and rest:
                raise self._error(place, f"{key}[{i}] has no score; its keys are {', '.join(entry)}")
            if rest:
                more[str(entry["name"])] = rest
            names.append(entry["name"])
            values.append(entry.get("score"))
        if more:
            fields[f"{key}.more"] = more
        return tuple(names), values

    def _put(
        self, path: str, value: Any, paths: dict[str, str], into: tuple[dict[str, Any], dict[str, Any]], place: str | Place
    ) -> None:
        """Put one field of a row into its column, or among the fields nobody has heard of."""
        column = paths.get(path)
        if column is None:
            if value is not None:
                into[1][path] = value
        elif value is not None:
            into[0][column] = self._converted(value, _TYPES[column], place, path)

    def _converted(self, value: Any, type_: pa.DataType, place: str | Place, path: str) -> Any:
        if type_ == pa.string():
            if type(value) is str:
                return value
            raise self._error(place, f"{path} is {_shown(value)}, not a text")
        if type_ == pa.int64():
            if type(value) is float and value.is_integer():
                value = int(value)
            if type(value) is int and value in _INT64:
                return value
            raise self._error(place, f"{path} is {_shown(value)}, not a whole number of 64 bits")
        if type(value) is float:
            return value
        if type(value) is int and abs(value) <= 2**63 and float(value) == value:
            return float(value)
        raise self._error(place, f"{path} is {_shown(value)}, not a number that a float holds")

    # --------------------------------------------------------------------------------------------------------- what must be
    def _text(self, value: Any, place: str) -> str | None:
        if value is None or type(value) is str:
            return value
        raise self._error(place, f"{_shown(value)} is no text")

    def _object(self, value: Any, place: str | Place) -> dict[str, Any]:
        if type(value) is not dict:
            raise self._error(place, f"{_shown(value)} is no object")
        return renamed(value, self._item, place if isinstance(place, str) else place_text(place))

    def _list(self, value: Any, place: str | Place, key: str = "") -> list[Any]:
        if value is None:
            return []
        if type(value) is not list:
            raise self._error(place, f"{key} {_shown(value)} is no list".lstrip())
        return value

    def _error(self, place: str | Place, reason: str) -> UnreadableResponse:
        where = place if isinstance(place, str) else place_text(place)
        return UnreadableResponse(f"{self._item}: {where}: {reason}.", item=self._item)


#: Column -> type; the same in every model.
_TYPES = {column: schema_of(model).field(column).type for model, paths in FIELDS.items() for column in paths.values()}


def table_of(hume_model: str) -> str:
    """Return the table of a model, by what Hume calls it. One nobody has heard of never meets a table of another purpose.

    >>> table_of("prosody"), table_of("faceMesh"), table_of("gaze 2")
    ('prosody', 'facemesh', 'model_gaze_2')
    """
    known = hume_model.lower()
    if known in SCORE_TABLES:
        return known
    return "model_" + vocabulary.column(canonical(hume_model))


def _kind_of_list(key: str, value: Any, model: str) -> str | None:
    """Return the kind of names in a list of scores, or None for a field that is no such list."""
    if key in LISTS:
        return "vocalisation" if key == "descriptions" and model == "burst" else LISTS[key]
    is_list = model not in FIELDS and type(value) is list and bool(value)
    if is_list and all(type(entry) is dict and entry.keys() == {"name", "score"} for entry in value):
        return "expression"
    return None


def _put_aside(path: str, value: Any, fields: dict[str, Any]) -> None:
    """Keep a scalar that stands beside the rows as a field of each; what is larger stays in the raw answer only."""
    if value is not None and not isinstance(value, dict | list):
        fields[path] = value


def _shown(value: Any) -> str:
    """Return a value for an error, cut short."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 60 else text[:57] + "..."
