"""The same rows give the same answer: in whatever frame, type and order, and by whatever name an expression goes."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import humeanalytics as ha
from humeanalytics.errors import UsageError

TEXTS = ["recording_id", "speaker_id", "participant", "condition"]


def rows(seed: int) -> pa.Table:
    """Windows that overlap, some at one place and some without a length, of two speakers of six recordings; not all have joy."""
    rng, n = np.random.default_rng(seed), 60
    recording, begin_s = rng.integers(0, 6, n), rng.integers(0, 40, n) / 2
    joy = [None if rng.random() < 0.1 else int(score) / 1024 for score in rng.integers(0, 1024, n)]
    return pa.table(
        {
            "recording_id": [f"r{each}" for each in recording],
            "speaker_id": [f"spk_{each}" for each in rng.integers(0, 2, n)],
            "participant": [f"P{each % 4}" for each in recording],
            "condition": [("alone", "together")[each % 2] for each in recording],
            "begin_s": begin_s,
            "end_s": begin_s + rng.integers(0, 6, n) / 2,
            "joy": joy,
            "anger": rng.integers(0, 1024, n) / 1024,
        }
    )


def cast(table: pa.Table, columns: list[str], of: Callable[[pa.ChunkedArray], Any]) -> pa.Table:
    for name in columns:
        table = table.set_column(table.schema.get_field_index(name), name, of(table[name]))
    return table


FORMS: dict[str, Callable[[pa.Table], Any]] = {
    "float32": lambda t: cast(t, ["joy", "anger", "begin_s"], lambda values: values.cast(pa.float32())),
    "decimal": lambda t: cast(t, ["joy"], lambda v: pa.array([None if x is None else Decimal(x) for x in v.to_pylist()])),
    "NaN": lambda t: cast(t, ["joy"], lambda values: pc.fill_null(values, float("nan"))),
    "infinite": lambda t: cast(t, ["joy"], lambda values: pc.fill_null(values, float("inf"))),
    "dictionaries": lambda t: cast(t, TEXTS, lambda values: values.dictionary_encode()),
    "large strings": lambda t: cast(t, TEXTS, lambda values: values.cast(pa.large_string())),
    "chunks": lambda t: pa.concat_tables([t.slice(0, 7), t.slice(7, 20), t.slice(27)]),
    "pandas": lambda t: t.to_pandas(),
    "categories of pandas": lambda t: t.to_pandas().astype(dict.fromkeys(TEXTS, "category")),
    "polars": pl.from_arrow,
    "categories of polars": lambda t: pl.from_arrow(t).with_columns(pl.col(TEXTS).cast(pl.Categorical)),
    "enumeration of polars": lambda t: pl.from_arrow(t).with_columns(pl.col("condition").cast(pl.Enum(["together", "alone"]))),
    "another order": lambda t: t.take(pa.array(np.random.default_rng(1).permutation(t.num_rows))),
    "backwards": lambda t: t.take(pa.array(np.arange(t.num_rows)[::-1])),
}
MIX = ha.Composite("mix", "1", {"Joy": 1, "Anger": -1})
ANALYSES: dict[str, Callable[[Any], pa.Table]] = {
    "summarise": ha.summarise,
    "summarise by speaker": lambda frame: ha.summarise(frame, "speaker"),
    "timeline": lambda frame: ha.timeline(frame, recording="r1"),
    "timeline on a grid": lambda frame: ha.timeline(frame, recording="r1", every_s=0.5, smooth_s=2.0),
    "top": lambda frame: ha.top(frame, by="condition", n_resamples=100),
    "compare": lambda frame: ha.compare(frame, "condition", "participant", n_resamples=100, n_permutations=100),
    "baseline": ha.baseline,
    "events": lambda frame: ha.events(frame, z=1.0),
    "quality": ha.quality,
    "composite": lambda frame: ha.composite(frame, MIX),
    "agreement": lambda frame: ha.agreement({"a": rows(9), "b": frame}, unit="participant", every_s=0.5, n_resamples=100),
    "partings": lambda frame: ha.partings({"a": rows(9), "b": frame}, unit="participant", every_s=0.1, z=0.5),
}
#: A row of these is a row of the frame, so it moves along.
ROW_BY_ROW = {"baseline", "composite"}


def told(table: pa.Table, *, ordered: bool) -> list[tuple[Any, ...]]:
    names = [name for name in table.column_names if name not in ("begin_s", "end_s") or ordered]
    found = [
        tuple(float(f"{value:.6g}") if isinstance(value, float) else value for value in (row[name] for name in names))
        for row in table.to_pylist()
    ]
    return found if ordered else sorted(found, key=str)


@pytest.mark.parametrize("analysis", ANALYSES)
@pytest.mark.parametrize("seed", [1, 2])
def test_the_same_rows_give_the_same_answer(analysis: str, seed: int) -> None:
    table, ask, ordered = rows(seed), ANALYSES[analysis], analysis not in ROW_BY_ROW
    expected = told(ask(table), ordered=ordered)
    assert expected
    for form, make in FORMS.items():
        assert told(ask(make(table)), ordered=ordered) == expected, form


def test_columns_called_as_hume_calls_expressions() -> None:
    table = rows(1)
    named = table.rename_columns([*table.column_names[:-2], "Joy", "Anger"])
    for one, other in ((named, table), (table, named)):
        assert ha.top(one).drop_columns("column") == ha.top(other).drop_columns("column")
    for asked in ("joy", "Joy"):
        assert ha.top(named, expressions=asked)["column"].to_pylist() == ["Joy"]
    assert ha.composite(named, MIX)["mix"] == ha.composite(table, MIX)["mix"]
    assert (
        ha.summarise(named.rename_columns({"Anger": "aestheticAppreciation"})).schema.names[-3] == "aestheticAppreciation_peaks"
    )


@pytest.mark.parametrize(
    ("ask", "label"),
    [
        (lambda frame: ha.top(frame, by="mean"), "mean"),
        (lambda frame: ha.top(frame, by="expression"), "expression"),
        (lambda frame: ha.summarise(frame, "n_rows"), "n_rows"),
        (lambda frame: ha.summarise(frame, "joy_mean"), "joy_mean"),
        (ha.baseline, "method"),
        (lambda frame: ha.composite(frame, MIX), "seed"),
        (lambda frame: ha.partings({"a": frame, "b": frame}, unit="first"), "first"),
        (lambda frame: ha.timeline(frame, "n_rows", recording="r1"), "n_rows"),
    ],
)
def test_a_label_called_as_a_column_of_the_answer_is_refused_and_not_lost(ask: Callable[[Any], Any], label: str) -> None:
    table = rows(1)
    values = np.arange(60) if label == "n_rows" else table["condition"]
    with pytest.raises(UsageError, match=f"The answer has a column '{label}' of its own"):
        ask(table.append_column(label, pa.array(values) if label == "n_rows" else values))


def test_answers_can_be_asked_about_again() -> None:
    z = ha.baseline(rows(1))
    assert ha.compare(z, "condition", "participant", n_permutations=100)["measure"][0].as_py() == "z of score"
    assert ha.composite(z, MIX)["measure"][0].as_py() == "z of score"


@pytest.mark.parametrize("analysis", [name for name in ANALYSES if name != "timeline"])
def test_windows_that_end_before_they_begin_are_refused_and_not_left_out_of_means(analysis: str) -> None:
    table = cast(rows(1), ["end_s"], lambda values: pc.if_else(pc.equal(values, values[0]), pa.scalar(-5.0), values))
    with pytest.raises(UsageError, match=r"rows end before they begin, such as one from"):
        ANALYSES[analysis](table)


def test_what_is_drawn_does_not_hang_on_the_order_of_rows() -> None:
    rng, n = np.random.default_rng(2), 600
    whose, at = np.arange(n) // 20, np.arange(n) % 20
    since = pa.array(at * 1_000_000, pa.int64()).cast(pa.timestamp("us", "UTC"))
    table = pa.table(
        {
            "participant": [f"P{each}" for each in whose],
            "condition": [("alone", "together")[each % 2] for each in whose],
            "time_s": at * 1.0,
            "joy": rng.random(n),
            "anger": rng.random(n),
            "chat_id": [f"c{each}" for each in whose],
            "turn": at,
            "speaker": [("caller", "assistant")[each % 2] for each in at],
            "greeting": [False] * n,
            "first_at": since,
            "last_at": since,
        }
    )
    shuffled = table.take(pa.array(rng.permutation(n)))
    few = {"n_resamples": 150, "n_permutations": 150}
    for ask in (
        lambda frame: ha.top(frame, n_resamples=150),
        lambda frame: ha.compare(frame, "condition", "participant", **few),
        lambda frame: ha.agreement({"a": frame, "b": rows_of_others(frame)}, unit="participant", **few),
        lambda frame: ha.responses(frame, "joy", "anger", unit="participant", **few),
    ):
        assert told(ask(shuffled), ordered=True) == told(ask(table), ordered=True)


def rows_of_others(table: pa.Table) -> pa.Table:
    return cast(table, ["joy", "anger"], lambda values: pc.power(values, 2)).drop_columns(["chat_id"])
