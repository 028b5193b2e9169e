"""Rows with composites, sums of expressions that have a name, in place of the expressions they are made of."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from humeanalytics import vocabulary
from humeanalytics.analysis import frames
from humeanalytics.analysis.covered_time import Floats
from humeanalytics.analysis.definitions import SHIPPED, Composite
from humeanalytics.analysis.observations import MEASURE, PRESENCE, Observations, observe
from humeanalytics.analysis.strongest import usual_of
from humeanalytics.errors import UsageError

_ANSWERS = (MEASURE, "n_units", "n_rows", "method", "seed")


@frames.says_of_what
def composite(
    frame: Any,
    definitions: str | Composite | Sequence[str | Composite] | None = None,
    *,
    relative_to: Any = None,
    mixed_settings: bool = False,
) -> pa.Table:
    """Return the rows of a frame with composites in place of the expressions they are made of.

    Hume has no frustration or engagement: the definitions that ship are this project's, and no measurement of Hume's. Each is a
    weighted mean of scores, so a row's value does not hang on which other rows are in the frame. But scores of different
    expressions are on different scales, and a member whose scores are high and vary much then outweighs the others. With
    ``relative_to`` all count alike: each member is first taken in standard deviations from its mean there. What is compared must
    be made with one and the same ``relative_to``. Made of what `baseline` returns, a composite says how far from their usual
    somebody is.

    Args:
        frame: A Query, pyarrow, pandas or polars frame with a column an expression; of v1 what `presence` returns.
        definitions: Names of `SHIPPED` composites (``frustration``, ``frustration_in_words`` for language, ``engagement``),
            `Composite` of your own, or several; left out, an error that prints what ships.
        relative_to: A frame of the same kind that says what is usual, such as the whole table of which ``frame`` is a part.
        mixed_settings: Take rows that were scored with different settings together. A Query asks its
            lake, and a column ``settings_id`` tells; other frames do not say.

    Returns:
        A row is a row of the frame, in order: its other columns, a float64 column for each composite, then ``measure`` (as it
        was; of presence ``composite of presence``; with ``relative_to`` ``z of score``), ``n_rows`` (of ``relative_to``;
        without it 1, the row itself), ``n_units`` (null: no units are drawn), ``method`` and ``seed`` (null). Null where any
        member is null: never the sum of some of them. Scores lie in 0 to 1, so a composite without negative weights does too,
        one with them in -1 to 1. The field of each composite holds its ``composite`` (name), ``version``, ``definition`` and
        ``weights`` (JSON) as metadata; by it, or by name where a frame has lost it, all other analyses take it as an
        expression.

    Raises:
        UsageError: No such composite; expressions that a definition needs are not in the frame, by name; a column of that name
            is there already; of ``relative_to`` another measure, or a member that does not vary there; or scores that must not be
            mixed are.

    Examples:
        >>> frame = pa.table({"who": ["a", "b"], "anger": [0.3, 0.5], "disappointment": [0.6, None], "distress": [0.0, 0.1]})
        >>> composite(frame, "frustration").select(["who", "frustration"]).to_pylist()
        [{'who': 'a', 'frustration': 0.3}, {'who': 'b', 'frustration': None}]
    """
    chosen = _chosen(definitions)
    members: dict[str, dict[str, float]] = {}

    def labels(schema: pa.Schema) -> list[str]:
        if taken := [each.name for each in chosen if each.name in schema.names]:
            raise UsageError(f"The frame has a column {taken[0]!r} already. Rename one of them.")
        if MEASURE not in schema.names:  # with it they are of an answer that this one takes the place of
            frames.check_free(schema.names, _ANSWERS)
        for each in chosen:
            members[each.name] = _members(each, schema)
        return []

    observations = observe(frame, None, labels, mixed_settings=mixed_settings, whole=True)
    columns = list(dict.fromkeys(column for weights in members.values() for column in weights))
    usual, n_usual = None, 1
    if relative_to is not None:
        usual, n_usual = _usual(relative_to, columns, observations, mixed_settings=mixed_settings)
    made = {}
    for each in chosen:
        weights = members[each.name]
        total = np.zeros(observations.table.num_rows)
        for column, weight in weights.items():
            scores = observations.scores(column)
            if usual is not None:
                scores = (scores - usual[0, columns.index(column)]) / usual[1, columns.index(column)]
            total += weight * scores  # NaN, where there is none, stays NaN
        made[each.name] = total / sum(map(abs, weights.values()))
    measure = observations.measure if usual is None else f"z of {observations.measure}"
    if measure == PRESENCE:  # no longer either 0 or 1
        measure = f"composite of {PRESENCE}"
    method = "; ".join(f"{each.name} {each.version} = {each.definition}" for each in chosen)
    method += "" if usual is None else "; of standard deviations from the mean of relative_to"
    return _answer(observations, chosen, made, {MEASURE: measure, "n_rows": n_usual, "method": method})


def _chosen(definitions: str | Composite | Sequence[str | Composite] | None) -> list[Composite]:
    several = [definitions] if isinstance(definitions, str | Composite) else list(definitions or ())
    shipped = "\n".join(f"  {each!r}".partition("\n")[0] for each in SHIPPED.values())
    found = []
    for each in several:
        if not isinstance(each, Composite) and each not in SHIPPED:
            raise UsageError(
                f"There is no composite {each!r}. Make one: ha.Composite('name', '1', {{'Joy': 1}}). There are\n{shipped}"
            )
        found.append(each if isinstance(each, Composite) else SHIPPED[each])
    if not found:
        raise UsageError(f"Say which composites. There are\n{shipped}")
    if len({each.name for each in found}) < len(found):
        raise UsageError(f"Two composites have one name: {', '.join(each.name for each in found)}.")
    return found


def _members(definition: Composite, schema: pa.Schema) -> dict[str, float]:
    """Return the columns of the members and their weights."""
    there, found, lacking = set(frames.expression_columns(schema)), {}, []
    for member, weight in definition.weights.items():
        called = vocabulary.known_column(member) or vocabulary.column(member)
        candidates = (member, called, *(each for each in there if vocabulary.known_column(each) == called))
        column = next((each for each in candidates if each in there), None)
        if column is None:
            lacking.append(member)
        else:
            found[column] = weight
    if lacking:
        raise UsageError(
            f"The frame has no {', '.join(lacking)}, of which {definition.name} {definition.version} is made: "
            f"{definition.definition}.{_who_has(lacking, schema)} It has: {', '.join(sorted(there)) or 'no expressions'}."
        )
    return found


def _who_has(lacking: Sequence[str], schema: pa.Schema) -> str:
    if MEASURE in schema.names:
        return " A frame of presence has columns of names only that were above their cutoff somewhere in it."
    columns = {vocabulary.known_column(member) for member in lacking}
    models = {name.column: name.models for name in vocabulary.names() if name.kind == "expression" and name.column in columns}
    rare = [f"{column} is given by {' and '.join(models[column])} only" for column in sorted(models) if len(models[column]) < 4]
    return f" Of v0's models {'; '.join(rare)}." if rare else ""


def _usual(reference: Any, columns: list[str], observations: Observations, *, mixed_settings: bool) -> tuple[Floats, int]:
    if observations.measure.startswith("z of "):
        raise UsageError(f"The frame holds {observations.measure} already; leave out relative_to.")
    usual, n_rows = usual_of(reference, columns, observations.measure, mixed_settings=mixed_settings)
    if flat := [observations.label(column) for at, column in enumerate(columns) if not usual[1, at] > 1e-12]:
        raise UsageError(f"relative_to does not vary in {', '.join(flat)}, so there is no standard deviation to measure by.")
    return usual, n_rows


def _answer(
    observations: Observations,
    chosen: Sequence[Composite],
    made: Mapping[str, Floats],
    said: Mapping[str, Any],
) -> pa.Table:
    rows = observations.table
    left_out = {*frames.expression_columns(rows.schema), *_ANSWERS}
    kept = [name for name in rows.column_names if name not in left_out]
    same = pa.array(np.zeros(rows.num_rows, np.int64))
    fields = [rows.schema.field(name) for name in kept]
    arrays = [rows[name] for name in kept]
    for each in chosen:
        definition = {"composite": each.name, "version": each.version, "definition": each.definition}
        definition["weights"] = json.dumps(dict(each.weights))
        fields.append(pa.field(each.name, pa.float64(), metadata=definition))
        arrays.append(pa.array(made[each.name], pa.float64(), from_pandas=True))
    for name, value in {**said, "n_units": None, "seed": None}.items():
        type_ = pa.int64() if name in ("n_rows", "n_units", "seed") else pa.string()
        fields.append(pa.field(name, type_))
        arrays.append(pa.array([value], type_).take(same))
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields, rows.schema.metadata))
