"""Groups compared: against calculations by hand and by brute force, and with truths that are known because they were made."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from v1_frames import audio

from humeanalytics.analysis.comparisons import compare
from humeanalytics.analysis.presence import presence
from humeanalytics.analysis.units import false_discovery, interval, resampled_means
from humeanalytics.errors import UsageError

FORMS: list[Callable[[pa.Table], Any]] = [lambda t: t, lambda t: t.to_pandas(), pl.from_arrow, lambda t: t.to_reader()]


def people(values: dict[str, dict[str, list[float]]], column: str = "joy") -> pa.Table:
    """Group -> person -> scores, a row each."""
    rows = [(g, p, s) for g, persons in values.items() for p, scores in persons.items() for s in scores]
    return pa.table(
        {
            "condition": [g for g, *_ in rows],
            "participant": [p for _, p, _ in rows],
            column: pa.array([s for *_, s in rows], pa.float64()),
        }
    )


def one(*arguments: Any, **more: Any) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ResourceWarning)  # other tests leave sockets, collected at any time
        (row,) = compare(*arguments, **more).to_pylist()
    return dict(row)


@pytest.mark.parametrize("form", FORMS, ids=["pyarrow", "pandas", "polars", "stream"])
def test_independent_groups_against_trying_every_permutation(form: Callable[[pa.Table], Any]) -> None:
    a, b = [0.10, 0.25, 0.20, 0.31], [0.22, 0.45, 0.40, 0.38, 0.51]
    values = {"a": {f"A{n}": [x - 0.1, x + 0.1] for n, x in enumerate(a)}, "b": {f"B{n}": [x] * (n + 1) for n, x in enumerate(b)}}
    row = one(form(people(values)), "condition", "participant")
    pool = a + b
    observed = np.mean(b) - np.mean(a)
    splits = [np.array(each) for each in itertools.combinations(range(9), 4)]
    dealt = [np.mean(np.delete(pool, each)) - np.mean(np.take(pool, each)) for each in splits]
    pooled = np.sqrt((3 * np.var(a, ddof=1) + 4 * np.var(b, ddof=1)) / 7)
    assert row["difference"] == pytest.approx(observed)
    assert row["p_value"] == pytest.approx(np.mean(np.abs(dealt) >= observed - 1e-12))
    assert row["effect_size"] == pytest.approx(observed / pooled * (1 - 3 / (4 * 9 - 9)))
    assert (row["n_units"], row["n_units_a"], row["n_units_b"], row["n_rows"], row["paired"]) == (9, 4, 5, 23, False)
    assert row["q_value"] == row["p_value"] and row["ci_low"] < observed < row["ci_high"]


def test_the_same_people_before_and_after_are_compared_with_themselves() -> None:
    before, after = [0.2, 0.8, 0.5, 0.1, 0.6], [0.3, 0.95, 0.55, 0.22, 0.58]
    values = {"before": {f"P{n}": [x] for n, x in enumerate(before)}, "after": {f"P{n}": [x] for n, x in enumerate(after)}}
    row = one(people(values), "condition", "participant", groups=("before", "after"))
    change = np.subtract(after, before)
    turned = [np.mean(change * signs) for signs in itertools.product((1, -1), repeat=5)]
    assert row["paired"] and row["n_units"] == 5
    assert row["difference"] == pytest.approx(change.mean())
    assert row["p_value"] == pytest.approx(np.mean(np.abs(turned) >= change.mean() - 1e-12))
    assert row["effect_size"] == pytest.approx(change.mean() / change.std(ddof=1) * (1 - 3 / (4 * 4 - 1)))
    assert one(people(values), "condition", "participant")["difference"] == pytest.approx(-change.mean())  # after, before


def test_people_who_are_in_one_group_only_have_to_be_spoken_about() -> None:
    values = {"a": {"P1": [0.1], "P2": [0.2], "P3": [0.9]}, "b": {"P1": [0.3], "P2": [0.5], "P4": [0.0]}}
    with pytest.raises(UsageError, match=r"2 of 4 units \(participant\) are in both 'a' and 'b'.*paired=True"):
        compare(people(values), "condition", "participant")
    row = one(people(values), "condition", "participant", paired=True)
    assert (row["difference"], row["n_units"], row["n_rows"]) == (pytest.approx(0.25), 2, 4)
    with pytest.raises(UsageError, match="not independent"):
        compare(people(values), "condition", "participant", paired=False)


def test_rows_of_one_person_are_not_taken_for_independent() -> None:
    """Many rows of few people who differ, in groups that do not: a test of rows finds something nearly always."""
    rng, by_rows, by_units = np.random.default_rng(4), 0, 0
    for _ in range(60):
        own = rng.normal(0.5, 0.1, 10)
        scores = own[:, None] + rng.normal(0, 0.05, (10, 40))
        values = {"ab"[n % 2]: {} for n in range(10)}
        for n in range(10):
            values["ab"[n % 2]][f"P{n}"] = scores[n].tolist()
        by_units += one(people(values), "condition", "participant", n_resamples=100)["p_value"] < 0.05
        a, b = scores[0::2].ravel(), scores[1::2].ravel()
        by_rows += abs(a.mean() - b.mean()) > 1.96 * np.sqrt(a.var() / len(a) + b.var() / len(b))
    assert by_rows > 30 and by_units <= 7


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    held = 0
    for _ in range(400):
        low, high = interval(resampled_means(rng, rng.normal(0.3, 1.0, (12, 1)), 300), 0.9)
        held += low[0] <= 0.3 <= high[0]
    assert 0.85 <= held / 400 <= 0.94


def test_windows_count_by_newly_covered_time_within_each_person() -> None:
    # 0-4 and 3-4 again: the second adds nothing, whoever takes the mean of rows has it half
    rows = [("a", "P1", 0.0, 4.0, 0.0), ("a", "P1", 3.0, 4.0, 1.0), ("a", "P2", 0.0, 4.0, 0.2)]
    rows += [("b", "P3", 0.0, 4.0, 0.6), ("b", "P3", 1.0, 5.0, 1.0), ("b", "P4", 0.0, 1.0, 0.5)]
    names = ("condition", "participant", "begin_s", "end_s", "joy")
    row = one(
        pa.table({name: [each[at] for each in rows] for at, name in enumerate(names)} | {"recording_id": ["r"] * 6}),
        "condition",
        "participant",
    )
    assert (row["mean_a"], row["mean_b"]) == (pytest.approx(0.1), pytest.approx(((0.6 * 4 + 1.0) / 5 + 0.5) / 2))


def test_groups_of_v1_are_compared_by_presence_where_naive_means_say_the_opposite() -> None:
    """Joy is above its cutoff all the time in a, rarely and then strongly in b: told probabilities are higher in b."""
    conditions = {f"r{n}": "ab"[n % 2] for n in range(8)}
    whose = {name: f"P{name}" for name in conditions}

    def truth(recording: str, name: str, end_s: float) -> float:
        return 0.5 if conditions[recording] == "a" else 0.9 * (end_s == 3.0 and name == "joy")

    scores, measured = audio(conditions, truth, condition=conditions, participant=whose)
    with pytest.raises(UsageError, match=r"ha\.presence"):
        compare(scores, "condition", "participant")
    joy = scores.filter(pa.compute.equal(scores["name"], "joy")).to_pylist()
    naive = {g: np.mean([row["probability"] for row in joy if conditions[row["recording_id"]] == g]) for g in "ab"}
    row = one(presence(scores, measured), "condition", "participant", expressions="joy")
    assert naive["b"] > naive["a"]
    assert (row["mean_a"], row["mean_b"], row["measure"]) == (1.0, pytest.approx(3 / 19.5), "presence")


def test_every_pair_of_more_groups_and_all_tests_count_for_false_discoveries() -> None:
    rng = np.random.default_rng(6)
    columns = {name: rng.random(90) for name in ("joy", "anger", "fear")}
    frame = pa.table({"participant": [f"P{n}" for n in range(90)], "condition": list("abc") * 30, **columns})
    answer = compare(frame, "condition", "participant", n_permutations=500)
    pairs = list(zip(answer["group_a"].to_pylist(), answer["group_b"].to_pylist(), strict=True))
    assert list(dict.fromkeys(pairs)) == [("a", "b"), ("a", "c"), ("b", "c")] and len(pairs) == 9
    assert answer["q_value"].to_pylist() == pytest.approx(false_discovery(np.array(answer["p_value"].to_pylist())).tolist())


def test_what_is_drawn_depends_on_the_seed_alone() -> None:
    rng = np.random.default_rng(7)
    frame = pa.table(
        {
            "participant": [f"P{n % 40}" for n in range(400)],
            "condition": ["a" if n % 40 < 20 else "b" for n in range(400)],
            "joy": rng.random(400),
        }
    )
    first, again = (compare(frame, "condition", "participant", seed=3, n_permutations=200) for _ in range(2))
    other = compare(frame, "condition", "participant", seed=4, n_permutations=200)
    assert first == again and first["ci_low"] != other["ci_low"] and first["difference"] == other["difference"]


def test_rows_without_a_label_are_left_out_and_counted() -> None:
    frame = people({"a": {"P1": [0.1], "P2": [0.3]}, "b": {"P3": [0.5], "P4": [0.7]}})
    nothing = pa.table({"condition": ["a", None, None], "participant": [None, "P9", None], "joy": [9.0, 9.0, 9.0]})
    row = one(pa.concat_tables([frame, nothing]), "condition", "participant")
    assert (row["difference"], row["n_rows"], row["n_rows_unlabelled"]) == (pytest.approx(0.4), 4, 3)


def test_an_expression_that_few_have_scores_of() -> None:
    frame = people({"a": {"P1": [0.1], "P2": [0.3]}, "b": {"P3": [0.5], "P4": [0.7]}})
    frame = frame.append_column("anger", pa.array([0.1, None, float("nan"), 0.5])).append_column(
        "fear", pa.array([None] * 4, pa.float64())
    )
    joy, *others = compare(frame, "condition", "participant").to_pylist()
    assert joy["p_value"] == pytest.approx(1 / 3) and joy["q_value"] == joy["p_value"]  # two that cannot be tested do not count
    anger, fear = sorted(others, key=lambda row: row["column"])
    assert (anger["difference"], anger["n_units_a"], anger["p_value"], anger["ci_low"]) == (pytest.approx(0.4), 1, None, None)
    assert (fear["mean_a"], fear["difference"], fear["n_units"], fear["n_rows"]) == (None, None, 0, 0)


def test_nothing_varies() -> None:
    row = one(people({"a": {"P1": [0.1], "P2": [0.1]}, "b": {"P3": [0.1], "P4": [0.1]}}), "condition", "participant")
    assert (row["difference"], row["effect_size"], row["p_value"]) == (0.0, None, 1.0)


_TWO = {"a": {"P1": [0.1], "P2": [0.3]}, "b": {"P3": [0.5]}}


@pytest.mark.parametrize(
    ("frame", "arguments", "message"),
    [
        (people(_TWO), {"unit": None}, r"Say what is independent: unit='participant'"),
        (people(_TWO), {}, r"'b' has 1 unit \(participant\)"),
        (people({"a": _TWO["a"]}), {}, "two different groups or more; of condition there is 'a'"),
        (people(_TWO), {"groups": ("a", "c")}, "condition is nowhere 'c'"),
        (people(_TWO), {"by": "phase"}, "no column 'phase' to compare"),
        (people(_TWO), {"by": "participant"}, "both 'participant'"),
        (people(_TWO), {"confidence": 95}, "confidence is 95"),
        (people(_TWO), {"n_permutations": 0}, "n_permutations is 0"),
        (people(_TWO).slice(0, 0), {}, "no rows"),
        (
            people(_TWO).set_column(2, "joy", pa.nulls(3, pa.float32())),
            {},
            "No row that has condition and participant has a score",
        ),
        (people(_TWO).drop_columns("participant"), {"unit": None}, "Say what is independent"),
        (people(_TWO).set_column(0, "condition", pa.nulls(3, pa.string())), {}, "condition is null in every row"),
        (people(_TWO).append_column("settings_id", [["x", "y", "y"]]), {}, "several settings: settings_id is x, y"),
        (people(_TWO).append_column("measure", [["presence", None, None]]), {}, "mixes measures: presence, score"),
        (people({str(n): {f"P{n}": [0.1]} for n in range(9)}), {}, "condition has 9 values"),
    ],
)
def test_what_cannot_be_compared(frame: pa.Table, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        compare(frame, **{"by": "condition", "unit": "participant", **arguments})


def test_recordings_are_the_units_where_nobody_says_whose_they_are() -> None:
    frame = people({"a": {"r1": [0.1], "r2": [0.3]}, "b": {"r3": [0.5], "r4": [0.7]}}).rename_columns(
        ["condition", "recording_id", "joy"]
    )
    assert one(frame, "condition")["unit"] == "recording_id"


@given(st.lists(st.floats(0, 1), max_size=20))
def test_false_discoveries_against_the_definition(p_values: list[float]) -> None:
    found = false_discovery(np.array(p_values))
    for p, q in zip(p_values, found, strict=True):
        expected = min(
            1.0, min(len(p_values) * other / sum(each <= other for each in p_values) for other in p_values if other >= p)
        )
        assert q == pytest.approx(expected)


def test_more_people_than_a_power_of_two_has_room_for() -> None:
    rng = np.random.default_rng(0)
    frame = pa.table(
        {
            "phase": ["a", "b"] * 1_100,
            "participant": [f"P{at // 2}" for at in range(2_200)],
            "joy": rng.normal(size=2_200),
        }
    )
    row = one(frame, "phase", "participant", n_permutations=100, n_resamples=100)
    assert row["n_units"] == 1_100 and 0 < row["p_value"] <= 1
