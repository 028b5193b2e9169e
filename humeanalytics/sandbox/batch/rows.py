"""The rows of one model for one file: the shape that both the JSON and the CSV of an answer are written from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from humeanalytics import vocabulary

#: Model -> the lists of scores in its rows: key in the JSON, kind of the names.
SCORE_LISTS: dict[str, tuple[tuple[str, str], ...]] = {
    "face": (("emotions", "expression"), ("facs", "facs"), ("descriptions", "description")),
    "prosody": (("emotions", "expression"),),
    "burst": (("emotions", "expression"), ("descriptions", "vocalisation")),
    "language": (("emotions", "expression"), ("sentiment", "sentiment"), ("toxicity", "toxicity")),
    "ner": (("emotions", "expression"),),
    "facemesh": (("emotions", "expression"),),
}
#: What ``new_names`` adds to every list of expressions.
NEW_EXPRESSIONS = ("Zest", "Ennui (mild)")

Scores = NDArray[np.float32]


@cache
def names_of(model: str, kind: str, new_names: bool = False) -> tuple[str, ...]:
    """Return the names of one list of scores, in the order of the JSON."""
    names = tuple(name.name for name in vocabulary.names_of(model, kind))
    return (*names, *NEW_EXPRESSIONS) if new_names and kind == "expression" else names


@dataclass(frozen=True, slots=True)
class Row:
    """One prediction: its group, the fields before the scores, and a vector (or None) for each list of scores."""

    group: str
    fields: dict[str, Any]
    scores: Sequence[Scores | None]


@dataclass(frozen=True, slots=True)
class ModelRows:
    """What one model found in one file; ``rows`` stand in the order of time."""

    model: str
    metadata: dict[str, Any] | None
    rows: list[Row]
    new_names: bool = False

    def names(self) -> list[tuple[str, str, tuple[str, ...]]]:
        """Return key, kind and names of each list of scores."""
        return [(key, kind, names_of(self.model, kind, self.new_names)) for key, kind in SCORE_LISTS[self.model]]

    def groups(self) -> list[tuple[str, list[Row]]]:
        """Return the rows by group; the largest group comes first, as in Hume's answers."""
        groups: dict[str, list[Row]] = {}
        for row in self.rows:
            groups.setdefault(row.group, []).append(row)
        return sorted(groups.items(), key=lambda item: -len(item[1]))

    def predictions(self, rows: list[Row]) -> Iterator[dict[str, Any]]:
        """Yield rows as objects of the JSON."""
        lists = [(key, names) for key, _, names in self.names()]
        for row in rows:
            prediction = dict(row.fields)
            for (key, names), scores in zip(lists, row.scores, strict=True):
                prediction[key] = (
                    None
                    if scores is None
                    else [{"name": name, "score": score} for name, score in zip(names, scores.tolist(), strict=True)]
                )
            yield prediction


@dataclass(frozen=True, slots=True)
class FileRows:
    """The whole answer for one file; ``crops`` are cut-out faces as (name, JPEG)."""

    file: str
    file_type: str
    models: list[ModelRows]
    crops: tuple[tuple[str, bytes], ...] = ()
