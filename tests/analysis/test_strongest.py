"""The strongest expressions, against calculations by hand and by brute force."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from v1_frames import audio

from humeanalytics.analysis.covered_time import newly_covered_s
from humeanalytics.analysis.presence import presence
from humeanalytics.analysis.strongest import BY_ROWS, BY_TIME, top
from humeanalytics.errors import UsageError
from humeanalytics.tables.schema import schema_of

FORMS: list[Callable[[pa.Table], Any]] = [lambda t: t, lambda t: t.to_pandas(), pl.from_arrow, lambda t: t.to_reader()]


@pytest.mark.parametrize("form", FORMS, ids=["pyarrow", "pandas", "polars", "stream"])
def test_any_frame(form: Callable[[pa.Table], Any]) -> None:
    table = pa.table({"text": ["x", "y", None], "joy": [0.2, None, 0.6], "surprise_negative": [0.1, 0.2, 0.3], "age": [1, 2, 3]})
    answer = top(form(table))
    assert answer.to_pylist() == [
        {
            "expression": "Joy",
            "column": "joy",
            "mean": pytest.approx(0.4),
            "q25": 0.2,
            "q75": 0.6,
            "ci_low": None,
            "ci_high": None,
            "n_units": None,
            "n_rows": 2,
            "measure": "score",
            "method": BY_ROWS,
            "seed": 0,
        },
        {
            "expression": "Surprise (negative)",
            "column": "surprise_negative",
            "mean": pytest.approx(0.2),
            "q25": 0.1,
            "q75": 0.3,
            "ci_low": None,
            "ci_high": None,
            "n_units": None,
            "n_rows": 3,
            "measure": "score",
            "method": BY_ROWS,
            "seed": 0,
        },
    ]


def test_windows_count_by_the_time_they_newly_cover() -> None:
    # 0-4, 1-5, 2-6 cover 4 + 1 + 1 s; the mean of the rows would be 0.5
    frame = pa.table({"begin_s": [0.0, 1.0, 2.0], "end_s": [4.0, 5.0, 6.0], "joy": [0.0, 0.5, 1.0]})
    (row,) = top(frame).to_pylist()
    assert row["mean"] == pytest.approx((0 * 4 + 0.5 + 1.0) / 6)
    assert (row["q25"], row["q75"], row["method"]) == (0.0, 0.5, BY_TIME)


def test_people_and_recordings_cover_time_of_their_own() -> None:
    frame = pa.table(
        {
            "recording_id": ["a", "a", "a", "b"],
            "speaker_id": ["spk_0", "spk_0", "spk_1", "spk_0"],
            "begin_s": [0.0, 0.0, 0.0, 0.0],
            "end_s": [1.0, 1.0, 1.0, 1.0],
            "joy": [0.3, 0.9, 0.6, 0.9],
        }
    )
    # The two windows of spk_0 in a at the same place share the second they add, whichever comes first.
    for rows in ([0, 1, 2, 3], [1, 0, 3, 2]):
        (row,) = top(frame.take(rows)).to_pylist()
        assert row["mean"] == pytest.approx(((0.3 + 0.9) / 2 + 0.6 + 0.9) / 3)


def test_a_recording_that_belongs_to_two_people_counts_for_both() -> None:
    frame = pa.table(
        {
            "recording_id": ["shared", "shared", "own"],
            "participant": ["007", "012", "012"],
            "begin_s": [0.0, 0.0, 0.0],
            "end_s": [2.0, 2.0, 2.0],
            "joy": [1.0, 1.0, 0.0],
        }
    )
    answer = top(frame, by="participant")
    assert dict(zip(answer["participant"].to_pylist(), answer["mean"].to_pylist(), strict=True)) == {"007": 1.0, "012": 0.5}


def test_groups_show_the_same_expressions() -> None:
    frame = pa.table(
        {"condition": ["b", "a", None, "a"], "joy": [0.9, 0.1, 0.5, 0.3], "anger": [0.0, 0.8, 0.1, 0.8], "fear": [0.0] * 4}
    )
    answer = top(frame, 2, by="condition")
    assert [(row["expression"], row["condition"], round(row["mean"], 3), row["n_rows"]) for row in answer.to_pylist()] == [
        ("Joy", "a", 0.2, 2),
        ("Joy", "b", 0.9, 1),
        ("Joy", None, 0.5, 1),
        ("Anger", "a", 0.8, 2),
        ("Anger", "b", 0.0, 1),
        ("Anger", None, 0.1, 1),
    ]


def test_groups_of_anything_that_has_a_text() -> None:
    frame = pa.table({"session": pa.array([2, 10, 2]), "joy": [0.1, 0.2, 0.3]})
    assert top(frame, by="session")["session"].to_pylist() == ["10", "2"]
    frame = frame.set_column(0, "session", pa.array(["x", "y", "x"]).dictionary_encode())
    assert top(frame, by="session")["session"].to_pylist() == ["x", "y"]


def test_only_expressions_are_ranked() -> None:
    schema = schema_of("face")
    row = {field.name: 0.9 if pa.types.is_floating(field.type) else None for field in schema}
    table = pa.Table.from_pylist([{**row, "joy": 0.95}], schema=schema)
    columns = top(table, 100)["column"].to_pylist()
    assert len(columns) == 48 and columns[0] == "joy"
    assert not any(name.startswith(("facs_", "desc_", "box_")) or name in ("prob", "time_s") for name in columns)


def test_a_name_nobody_has_heard_of_is_ranked_where_it_is_marked() -> None:
    field = pa.field("zest", pa.float32(), metadata={b"hume_name": b"Zest!"})
    answer = top(pa.table([pa.array([0.5], pa.float32()), pa.array([0.9])], schema=pa.schema([field, ("age", pa.float64())])))
    assert answer["expression"].to_pylist() == ["Zest!"]


def test_asked_for_by_column_or_name() -> None:
    frame = pa.table({"joy": [0.1], "surprise_positive": [0.2], "desc_smile": [0.3], "frustration": [0.4]})
    answer = top(frame, expressions=["Surprise (positive)", "desc_smile", "frustration", "surprisePositive"])
    assert answer["column"].to_pylist() == ["frustration", "desc_smile", "surprise_positive"]
    assert answer["expression"].to_pylist() == ["frustration", "Smile", "Surprise (positive)"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"expressions": ["joyy"]}, "no expression 'joyy': did you mean joy\\?"),
        ({"expressions": "Sarcasm"}, "sarcasm is an expression, but not of this frame, which has: joy, anger"),
        ({"expressions": "xyz"}, "it has: joy, anger"),
        ({"expressions": "text"}, "Column 'text' holds no numbers"),
        ({"expressions": []}, "at least one"),
        ({"by": "conditon"}, "no column 'conditon' to group by. It has: text, joy, anger"),
        ({"k": 0}, "k is 0"),
    ],
)
def test_wrong_use(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        top(pa.table({"text": ["x"], "joy": [0.1], "anger": [0.2]}), **arguments)


def test_no_frame_and_no_expressions() -> None:
    with pytest.raises(UsageError, match="int, not a frame"):
        top(5)
    with pytest.raises(UsageError, match="no expressions, such as joy"):
        top(pa.table({"a": [1.0]}))


def test_several_scorings_of_a_recording_are_refused() -> None:
    frame = pa.table({"recording_id": ["a", "a"], "scoring_id": ["1", "2"], "joy": [0.1, 0.2]})
    with pytest.raises(UsageError, match="several scorings"):
        top(frame)
    assert top(frame.set_column(0, "recording_id", pa.array(["a", "b"]))).num_rows == 1


@pytest.mark.parametrize(
    "frame",
    [
        pa.table({"joy": pa.array([], pa.float32())}),
        pa.table({"joy": pa.array([None, None], pa.float32())}),
        pa.table({"begin_s": pa.array([], pa.float64()), "end_s": pa.array([], pa.float64()), "joy": pa.array([], pa.float32())}),
        pd.DataFrame({"joy": [float("nan")]}),
    ],
    ids=["empty", "null", "empty spans", "nan"],
)
def test_nothing_to_rank(frame: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ResourceWarning)  # other tests leave sockets, collected at any time
        answer = top(frame)
    assert answer.num_rows == 0
    numbers = ["mean", "q25", "q75", "ci_low", "ci_high", "n_units", "n_rows", "measure"]
    assert answer.column_names == ["expression", "column", *numbers, "method", "seed"]


def test_no_rows_have_no_groups() -> None:
    assert (
        top(pa.table({"condition": pa.array([], pa.string()), "joy": pa.array([], pa.float32())}), by="condition").num_rows == 0
    )


def test_one_row_and_windows_without_length() -> None:
    frame = pa.table({"begin_s": [1.0], "end_s": [1.0], "joy": [0.5]})
    (row,) = top(frame).to_pylist()
    assert (row["mean"], row["q25"], row["q75"], row["n_rows"], row["method"]) == (0.5, 0.5, 0.5, 1, BY_ROWS)


def test_texts_among_speech_count_as_the_average_window() -> None:
    """Speech counts by its time as it would without them: one row that lost its time must not change what others weigh."""
    frame = pa.table({"begin_s": [0.0, 10.0, None], "end_s": [10.0, 12.0, None], "joy": [0.0, 1.0, 0.5]})
    (row,) = top(frame).to_pylist()
    assert row["mean"] == pytest.approx((10 * 0.0 + 2 * 1.0 + 6 * 0.5) / 18)
    assert row["method"] == "weighted by newly covered time, rows without a time as the average window"


def test_rows_without_a_label_are_of_their_recording() -> None:
    """Not of one more person, whom all of them would make up."""
    frame = pa.table(
        {
            "recording_id": ["a", "a", "b", "c", "d", "d"],
            "participant": ["P1", "P1", "P2", None, None, None],
            "joy": [0.1, 0.3, 0.5, 0.7, 0.2, 0.4],
        }
    )
    labelled = frame.set_column(1, "participant", [["P1", "P1", "P2", "c", "d", "d"]])
    assert top(frame)["n_units"].to_pylist() == [4]
    assert top(frame)["ci_low"].to_pylist() == pytest.approx(top(labelled)["ci_low"].to_pylist(), abs=0.02)
    assert top(frame.drop_columns(["participant"]))["n_units"].to_pylist() == [4]


def test_nan_counts_as_no_score() -> None:
    (row,) = top(pa.table({"joy": [float("nan"), 0.5]})).to_pylist()
    assert (row["mean"], row["n_rows"]) == (0.5, 1)


windows = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 40), st.integers(0, 20), st.floats(0, 1, width=32) | st.none()),
    min_size=1,
    max_size=30,
)


@given(windows)
def test_newly_covered_time_against_counting_it_out(rows: list[tuple[int, int, int, float | None]]) -> None:
    part, begin, length, _ = (np.array(each) for each in zip(*rows, strict=True))
    covered = newly_covered_s(begin / 4, (begin + length) / 4, part)
    for number in set(part):
        quarters = {q for p, b, n, _ in rows if p == number for q in range(b, b + n)}
        assert covered[part == number].sum() == pytest.approx(len(quarters) / 4, abs=1e-6)
    assert (covered >= 0).all() and (covered <= length / 4 + 1e-6).all()


@given(windows)
def test_mean_and_quartiles_against_numpy(rows: list[tuple[int, int, int, float | None]]) -> None:
    part, begin, length, scores = zip(*rows, strict=True)
    frame = pa.table(
        {
            "recording_id": [str(each) for each in part],
            "begin_s": [b / 4 for b in begin],
            "end_s": [(b + n) / 4 for b, n in zip(begin, length, strict=True)],
            "joy": pa.array(scores, pa.float32()),
        }
    )
    answer = top(frame).to_pylist()
    values = np.array([np.nan if score is None else score for score in scores])
    weights = newly_covered_s(np.array(begin) / 4, (np.array(begin) + np.array(length)) / 4, np.array(part))
    known = ~np.isnan(values)
    if not known.any():
        assert answer == []
        return
    if weights[known].sum() <= 0:
        weights = np.ones(len(weights))
    assert answer[0]["mean"] == pytest.approx(np.average(values[known], weights=weights[known]), abs=1e-9)
    low, high = np.quantile(values[known], [0.25, 0.75], weights=weights[known] / weights[known].sum(), method="inverted_cdf")
    for found, expected, share in ((answer[0]["q25"], low, 0.25), (answer[0]["q75"], high, 0.75)):
        if found != expected:  # a share met exactly: numpy rounds either way
            below = weights[known][values[known] <= min(found, expected)].sum() / weights[known].sum()
            assert below == pytest.approx(share, abs=1e-9)


def test_the_interval_is_of_people_and_not_of_rows() -> None:
    """Of 12 people with 50 rows each the mean is as sure as 12 numbers are; taken for 600 it would seem far surer."""
    rng, held, widths = np.random.default_rng(8), 0, []
    for _ in range(100):
        own = rng.normal(0.5, 0.1, 12)
        scores = (own[:, None] + rng.normal(0, 0.02, (12, 50))).ravel()
        frame = pa.table(
            {"participant": [f"P{n // 50}" for n in range(600)], "recording_id": [str(n) for n in range(600)], "joy": scores}
        )
        (row,) = top(frame, n_resamples=200).to_pylist()
        held += row["ci_low"] <= 0.5 <= row["ci_high"]
        widths.append((row["ci_high"] - row["ci_low"]) / (4 * scores.std() / np.sqrt(600)))
        assert (row["n_units"], row["n_rows"]) == (12, 600)
    assert held >= 85 and np.mean(widths) > 4


def test_an_interval_takes_two_units_and_the_recording_will_do() -> None:
    frame = pa.table({"recording_id": ["a", "a", "b"], "condition": ["x", "x", "y"], "joy": [0.1, 0.2, 0.3]})
    (row,) = top(frame).to_pylist()
    assert row["n_units"] == 2 and row["ci_low"] <= 0.2 <= row["ci_high"]
    assert [(r["n_units"], r["ci_low"]) for r in top(frame, by="condition").to_pylist()] == [(1, None), (1, None)]


def test_ranked_on_the_own_scale_of_each() -> None:
    usual = pa.table({"joy": [0.5, 0.7, 0.6, 0.8], "anger": [0.01, 0.02, 0.01, 0.02], "fear": [0.3] * 4})
    frame = pa.table({"joy": [0.65], "anger": [0.03], "fear": [0.3]})
    assert top(frame)["expression"].to_pylist() == ["Joy", "Fear", "Anger"]
    rows = top(frame, relative_to=usual).to_pylist()
    assert [(row["expression"], row["relative"]) for row in rows] == [("Anger", pytest.approx(3.0)), ("Joy", pytest.approx(0.0))]
    with pytest.raises(UsageError, match="relative_to varies in no expression"):
        top(frame, relative_to=usual.slice(0, 1))
    with pytest.raises(UsageError, match="relative_to holds presence, the frame score"):
        top(frame, relative_to=usual.append_column("measure", [["presence"] * 4]))


def test_of_v1_the_mean_of_what_is_told_ranks_what_is_rare_and_strong_first() -> None:
    scores, measured = audio("ab", lambda _r, name, end_s: 0.9 * (end_s == 3.0) if name == "joy" else 0.5)
    told = {name: np.mean([row["probability"] for row in scores.to_pylist() if row["name"] == name]) for name in ("joy", "anger")}
    rows = top(presence(scores, measured)).to_pylist()
    assert told["joy"] > told["anger"]
    assert [(row["column"], row["mean"]) for row in rows] == [("anger", 1.0), ("joy", pytest.approx(3 / 19.5))]
    with pytest.raises(UsageError, match=r"ha\.presence"):
        top(scores)


def test_groups_of_a_polars_frame_whose_texts_are_views() -> None:
    frame = pl.DataFrame({"group": ["b", "a", "b"], "who": ["1", "2", "3"], "joy": [0.25, 0.5, 0.75]})
    assert top(frame, by="group", unit="who").select(["group", "mean"]).to_pydict() == {"group": ["a", "b"], "mean": [0.5, 0.5]}


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(1, 4), st.booleans())
def test_each_group_has_its_own_strongest(seed: int, k: int, relative: bool) -> None:
    rng = np.random.default_rng(seed)
    columns = ["joy", "anger", "calmness"]
    scores = rng.uniform(0, 1, (40, 3))
    scores[rng.uniform(0, 1, scores.shape) < 0.3] = np.nan
    begin = np.arange(40) * 1.0
    plain = pd.DataFrame(scores, columns=columns).assign(
        condition=rng.choice(["b", "a", "c"], 40), recording_id=rng.choice(["r1", "r2", "r3"], 40), begin_s=begin, end_s=begin + 2
    )
    plain.loc[plain["condition"] == "c", "joy"] = np.nan
    options: dict[str, Any] = {"n_resamples": 100, "relative_to": plain if relative else None}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ResourceWarning)  # other tests leave sockets, collected at any time
        answer = top(plain, k, by="condition", each=True, **options).to_pylist()
        alone = []
        for group in sorted(set(plain["condition"])):
            own = plain[plain["condition"] == group]
            alone += [(group, row) for row in top(own, k, **options).to_pylist()]
    assert [row["condition"] for row in answer] == [group for group, _ in alone]
    for row, (_, expected) in zip(answer, alone, strict=True):
        for name in ("expression", "column", "mean", "q25", "q75", "n_units", "n_rows"):
            assert row[name] == (pytest.approx(expected[name]) if isinstance(expected[name], float) else expected[name])
        assert row["ci_low"] is None or row["ci_low"] <= row["mean"] <= row["ci_high"]


def test_each_is_of_groups_and_left_out_changes_nothing() -> None:
    frame = pa.table({"group": ["x", "x", "y", "y"], "joy": [0.9, 0.8, 0.1, 0.1], "anger": [0.2, 0.3, 0.4, 0.5]})
    assert [(r["group"], r["column"]) for r in top(frame, 1, by="group").to_pylist()] == [("x", "joy"), ("y", "joy")]
    of_each = [(r["group"], r["column"], round(r["mean"], 9)) for r in top(frame, 1, by="group", each=True).to_pylist()]
    assert of_each == [("x", "joy", 0.85), ("y", "anger", 0.45)]
    with pytest.raises(UsageError, match="say by="):
        top(frame, 1, each=True)
    assert top(frame.slice(0, 0), by="group", each=True).num_rows == 0
