"""Scores within people: against numpy, and with truths that are known because they were made."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from v1_frames import audio

from humeanalytics.analysis.baselines import baseline
from humeanalytics.analysis.comparisons import compare
from humeanalytics.analysis.covered_time import newly_covered_s
from humeanalytics.analysis.presence import presence
from humeanalytics.analysis.summaries import summarise
from humeanalytics.errors import UsageError

_ROW = pa.table({"participant": ["P1", "P1"], "recording_id": ["a", "b"], "text": ["x", "y"], "joy": [0.25, 0.75]})


def test_windows_that_say_things_again_do_not_move_the_baseline() -> None:
    begin = [0.0, *(0.25 * n for n in range(1, 5))]
    frame = pa.table(
        {"participant": ["P1"] * 5, "begin_s": begin, "end_s": [b + 4 for b in begin], "joy": [0.0, 1.0, 1.0, 1.0, 1.0]}
    )
    answer = baseline(pl.from_arrow(frame), how="difference")
    assert answer["joy"].to_pylist() == pytest.approx([-0.2, 0.8, 0.8, 0.8, 0.8])  # the mean of the rows is 0.8
    assert baseline(frame)["joy"].to_pylist() == pytest.approx([-0.5, 2.0, 2.0, 2.0, 2.0])
    assert baseline(frame, how="share")["joy"].to_pylist() == pytest.approx([0.0, 5.0, 5.0, 5.0, 5.0])


def test_a_row_of_the_answer_is_a_row_of_the_frame() -> None:
    answer = baseline(_ROW)
    assert answer.column_names == ["participant", "recording_id", "text", "joy", "measure", "n_units", "n_rows", "method", "seed"]
    assert answer.to_pylist()[1] == {
        "participant": "P1",
        "recording_id": "b",
        "text": "y",
        "joy": 1.0,
        "measure": "z of score",
        "n_units": 2,
        "n_rows": 2,
        "method": "within participant, every row counts the same",
        "seed": None,
    }
    unlabelled = pa.concat_tables([_ROW, _ROW.set_column(0, "participant", pa.array([None, "P2"]))])
    assert baseline(unlabelled, how="share")["text"].to_pylist() == ["x", "y", "y"]
    two = _ROW.append_column("anger", [[0.1, 0.2]])
    assert "anger" not in baseline(two, expressions="Joy").column_names


rows = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 20), st.integers(1, 8), st.none() | st.integers(0, 8)),
    min_size=1,
    max_size=20,
)


@given(rows, st.sampled_from(["z", "difference", "share"]))
def test_against_numpy(drawn: list[tuple[str, int, int, int | None]], how: str) -> None:
    who, begin, length, scores = (list(each) for each in zip(*drawn, strict=True))
    begin_s, end_s = np.array(begin) / 4, np.array(begin) / 4 + np.array(length) / 4
    values = np.array([np.nan if score is None else score / 8 for score in scores])
    frame = pa.table({"participant": who, "begin_s": begin_s, "end_s": end_s, "joy": pa.array(values, from_pandas=True)})
    part = np.array(["abc".index(each) for each in who])
    weight, expected = newly_covered_s(begin_s, end_s, part), np.full(len(who), np.nan)
    for person in set(part):
        own = (part == person) & ~np.isnan(values)
        if not own.any():
            continue
        weights = weight[own] if weight[own].sum() > 0 else np.ones(own.sum())
        mean = np.average(values[own], weights=weights)
        spread = np.sqrt(np.average((values[own] - mean) ** 2, weights=weights))
        if how == "difference":
            expected[own] = values[own] - mean
        elif (by := mean if how == "share" else spread) > 1e-9:
            expected[own] = (values[own] - (mean if how == "z" else 0)) / by
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ResourceWarning)  # other tests leave sockets, collected at any time
        if how == "z" and np.isnan(expected).all():
            with pytest.raises(UsageError, match="No expression varies"):
                baseline(frame, how=how)
            return
        found = baseline(frame, how=how)["joy"].to_pylist()
    assert found == [None if np.isnan(value) else pytest.approx(value, abs=1e-9) for value in expected]


def test_people_who_differ_hide_what_all_of_them_do() -> None:
    """Everybody's joy rises by 0.05, and people differ by far more: within people it shows, and nothing is left of who it is."""
    rng = np.random.default_rng(9)
    own = rng.uniform(0.1, 0.8, 30)
    frame = pa.table({
        "participant": [f"P{n}" for n in range(30)] * 2,
        "phase": ["1 before"] * 30 + ["2 after"] * 30,
        "joy": np.concatenate([own, own + 0.05]),
    })  # fmt: skip
    within = baseline(frame, how="difference")
    assert within["joy"].to_pylist() == pytest.approx([-0.025] * 30 + [0.025] * 30)
    (row,) = compare(within, "phase", "participant").to_pylist()
    assert (row["difference"], row["measure"]) == (pytest.approx(0.05), "difference of score")


def test_of_v1_how_presence_differs_from_what_is_usual() -> None:
    participants = {"r1": "P1", "r2": "P1"}
    often = {"r1": 3.0}
    scores, measured = audio(participants, lambda r, _n, end_s: 0.9 * (end_s == often.get(r)), participant=participants)
    with pytest.raises(UsageError, match=r"ha\.presence"):
        baseline(scores)
    answer = baseline(presence(scores, measured), how="difference", expressions="joy")
    assert answer["measure"][0].as_py() == "difference of presence"
    assert answer["joy"].to_pylist() == pytest.approx([1 - 3 / 39] + [-3 / 39] * 13)  # of the windows it is a fourteenth
    mixed = pa.concat_tables([answer, presence(scores, measured)], promote_options="permissive")
    with pytest.raises(UsageError, match="mixes measures"):
        summarise(mixed)


@pytest.mark.parametrize(
    ("frame", "arguments", "message"),
    [
        (_ROW, {"how": "ratio"}, "how is 'ratio'; it is one of z, difference, share, range"),
        (_ROW, {"within": "person"}, "no column 'person' to take a baseline in"),
        (_ROW.slice(0, 0), {}, "has no rows"),
        (_ROW.set_column(0, "participant", pa.nulls(2, pa.string())), {}, "participant null in every row"),
        (_ROW, {"within": "recording_id"}, "No expression varies within any recording_id"),
        (_ROW.set_column(3, "joy", pa.nulls(2, pa.float32())), {}, "No expression varies"),
        (baseline(_ROW), {}, "holds z of score already"),
        (_ROW.append_column("settings_id", [["x", "y"]]), {}, "several settings"),
    ],
)
def test_what_has_no_baseline(frame: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        baseline(frame, **arguments)


def test_the_share_of_the_range_against_pandas() -> None:
    rng = np.random.default_rng(2)
    frame = pa.table({
        "participant": [*rng.choice(["a", "b", "c"], 60), "d", "e", "e", None],
        "joy": pa.array([*rng.uniform(0, 1, 59), None, 0.3, 0.2, 0.2, 0.9]),
        "anger": [*rng.uniform(-1, 3, 60), float("inf"), 0.1, 0.4, 0.9],
    })  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ResourceWarning)  # other tests leave sockets, collected at any time
        answer = baseline(frame, how="range")
    plain = frame.to_pandas().dropna(subset="participant").replace(np.inf, np.nan)
    of = plain.groupby("participant")
    for column in ("joy", "anger"):
        low, high = of[column].transform("min"), of[column].transform("max")
        expected = (plain[column] - low) / (high - low).replace(0, np.nan)
        assert answer[column].to_pylist() == [None if np.isnan(value) else pytest.approx(value) for value in expected]
        known = answer[column].drop_null().to_numpy()
        assert (known.min(), known.max()) == (0, 1)
    assert answer["joy"].to_pylist()[-3:] == [None] * 3  # one score alone, and two that are the same
    assert set(answer["measure"].to_pylist()) == {"range of score"}
    assert answer["method"][0].as_py() == "within participant, from lowest to highest"
    with pytest.raises(UsageError, match="so there is no range to measure by"):
        baseline(_ROW, "recording_id", "range")
    with pytest.raises(UsageError, match="holds range of score already"):
        baseline(answer)


# --------------------------------------------------------------------------------------------------------------- of a phase
_PHASES = pa.table(
    {
        "participant": ["P1", "P1", "P1", "P1", "P2", "P2", "P3"],
        "recording_id": ["a", "a", "a", "b", "c", "c", "d"],
        "segment": ["rest", "rest", "task", "task", "rest", "task", "task"],
        "joy": [0.25, 0.5, 0.75, 1.0, 0.5, 0.75, 0.125],
    }
)


def test_everybody_by_their_own_in_a_phase() -> None:
    answer = baseline(_PHASES, how="difference", reference={"segment": "rest"})
    assert answer["joy"].to_pylist() == [-0.125, 0.125, 0.375, 0.625, 0.0, 0.25, None]
    assert answer["n_rows"].to_pylist() == [2, 2, 2, 2, 1, 1, 0]
    assert answer["n_units"].to_pylist() == [1, 1, 1, 1, 1, 1, 0]
    assert answer["method"][0].as_py() == "within participant, by segment 'rest', every row counts the same"
    z = baseline(_PHASES, reference={"segment": "rest"})["joy"].to_pylist()
    assert z == [-1.0, 1.0, 3.0, 5.0, None, None, None]
    share = baseline(_PHASES, how="share", reference={"segment": "rest"})["joy"].to_pylist()
    assert share == pytest.approx([2 / 3, 4 / 3, 2.0, 8 / 3, 1.0, 1.5, None])
    of_range = baseline(_PHASES, how="range", reference={"segment": "rest", "participant": "P1"})["joy"].to_pylist()
    assert of_range == [0.0, 1.0, 2.0, 3.0, None, None, None]


def test_a_phase_has_time_of_its_own() -> None:
    """A window that began in the task covers none of the rest's time away."""
    frame = pa.table(
        {
            "participant": ["P1"] * 3,
            "recording_id": ["a"] * 3,
            "segment": ["task", "rest", "rest"],
            "begin_s": [0.0, 1.0, 4.0],
            "end_s": [4.0, 5.0, 6.0],
            "joy": [0.9, 0.25, 0.75],
        }
    )
    answer = baseline(frame, how="difference", reference={"segment": "rest"})["joy"].to_pylist()
    usual = (4 * 0.25 + 1 * 0.75) / 5
    assert answer == pytest.approx([0.9 - usual, 0.25 - usual, 0.75 - usual])


@pytest.mark.parametrize(
    ("reference", "says"),
    [({"segment": "sleep"}, "No row has segment 'sleep'.*rest, task"), ({"phase": "rest"}, "phase")],
)
def test_a_phase_that_is_not_there(reference: dict[str, str], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        baseline(_PHASES, reference=reference)
