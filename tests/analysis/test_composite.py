"""Composites: their arithmetic, what they say of themselves, and how the other analyses take them."""

from __future__ import annotations

import json
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

import humeanalytics as ha
from humeanalytics import vocabulary
from humeanalytics.analysis.composites import composite
from humeanalytics.analysis.definitions import SHIPPED, Composite
from humeanalytics.analysis.presence import presence
from humeanalytics.errors import UsageError

FORMS: list[Callable[[pa.Table], Any]] = [lambda t: t, lambda t: t.to_pandas(), pl.from_arrow, lambda t: t.to_reader()]
WARMTH = Composite("warmth", "3", {"Love": 1, "joy": 0.5, "Contempt": -2}, "made for this test")


@pytest.fixture(autouse=True)
def no_warnings() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ResourceWarning)  # other tests leave sockets, collected at any time
        yield


def scored(n: int = 40, seed: int = 0, model: str = "prosody", **more: Any) -> pa.Table:
    rng = np.random.default_rng(seed)
    columns = {name.column: rng.random(n) * rng.random() for name in vocabulary.names_of(model, "expression")}
    return pa.table({"recording_id": [f"r{at % 8}" for at in range(n)], **more, **columns})


@pytest.mark.parametrize("form", FORMS, ids=["pyarrow", "pandas", "polars", "stream"])
def test_a_weighted_mean_of_scores(form: Callable[[pa.Table], Any]) -> None:
    frame = scored()
    answer = composite(form(frame), [WARMTH, "frustration"])
    love, joy, contempt, anger, disappointment, distress = (
        np.array(frame[name]) for name in ("love", "joy", "contempt", "anger", "disappointment", "distress")
    )
    assert np.array(answer["warmth"]) == pytest.approx((love + 0.5 * joy - 2 * contempt) / 3.5)
    assert np.array(answer["frustration"]) == pytest.approx((anger + disappointment + distress) / 3)
    assert answer.column_names == ["recording_id", "warmth", "frustration", "measure", "n_rows", "method", "n_units", "seed"]
    first = answer.slice(0, 1).to_pylist()[0]
    assert (first["measure"], first["n_rows"], first["n_units"], first["seed"]) == ("score", 1, None, None)
    assert first["method"].startswith("warmth 3 = (1 Love + 0.5 joy - 2 Contempt) / 3.5; frustration 1 = (1 Anger + ")


def test_the_column_carries_its_definition() -> None:
    field = composite(scored(), WARMTH).schema.field("warmth")
    told = {key.decode(): value.decode() for key, value in field.metadata.items()}
    assert (told["composite"], told["version"], told["definition"]) == ("warmth", "3", WARMTH.definition)
    assert json.loads(told["weights"]) == {"Love": 1, "joy": 0.5, "Contempt": -2}


def test_relative_to_takes_members_in_their_own_standard_deviations() -> None:
    reference = scored(200, 1)
    frame = reference.slice(0, 30)
    answer = composite(frame, WARMTH, relative_to=reference)
    z = {
        name: (np.array(frame[name]) - np.mean(reference[name])) / np.std(reference[name]) for name in ("love", "joy", "contempt")
    }
    assert np.array(answer["warmth"]) == pytest.approx((z["love"] + 0.5 * z["joy"] - 2 * z["contempt"]) / 3.5)
    assert set(answer["measure"].to_pylist()) == {"z of score"} and answer["n_rows"][0].as_py() == 200
    with pytest.raises(UsageError, match="z of score already"):
        composite(ha.baseline(frame, "recording_id"), WARMTH, relative_to=reference)


def test_of_a_baseline_it_says_how_far_from_their_usual_somebody_is() -> None:
    frame = scored()
    z = ha.baseline(frame, "recording_id")
    answer = composite(z, WARMTH)
    expected = (np.array(z["love"]) + 0.5 * np.array(z["joy"]) - 2 * np.array(z["contempt"])) / 3.5
    assert np.array(answer["warmth"]) == pytest.approx(expected)
    assert set(answer["measure"].to_pylist()) == {"z of score"}


@given(st.lists(st.tuples(*[st.one_of(st.none(), st.floats(0, 1, width=32))] * 3), max_size=12))
def test_a_row_that_lacks_a_member_is_null(rows: list[tuple[float | None, ...]]) -> None:
    names = ("love", "joy", "contempt")
    frame = pa.table({name: pa.array([row[at] for row in rows], pa.float32()) for at, name in enumerate(names)})
    found = composite(frame, WARMTH)["warmth"].to_pylist()
    for row, value in zip(rows, found, strict=True):
        if None in row:
            assert value is None
        else:
            assert value == pytest.approx((row[0] + 0.5 * row[1] - 2 * row[2]) / 3.5)  # type: ignore[operator]


# ------------------------------------------------------------------------------------------------------------ other analyses
def test_every_other_analysis_takes_it_as_an_expression() -> None:
    rng = np.random.default_rng(2)
    labels = {"participant": [f"P{at % 8}" for at in range(40)], "condition": ["a" if at % 8 < 4 else "b" for at in range(40)]}
    frame = scored(40, 3, **labels, time_s=rng.permutation(40).astype(float), anger_level=[1] * 40)
    made = composite(frame, ["frustration", WARMTH])
    compared = ha.compare(made, "condition", "participant", n_permutations=100, n_resamples=100)
    assert sorted(compared["column"].to_pylist()) == ["frustration", "warmth"]
    values, group = np.array(made["frustration"]), np.array(labels["condition"])
    row = next(row for row in compared.to_pylist() if row["column"] == "frustration")
    assert row["difference"] == pytest.approx(values[group == "b"].mean() - values[group == "a"].mean())
    assert {row["expression"] for row in ha.top(made, unit="participant").to_pylist()} == {"frustration", "warmth"}
    assert ha.summarise(made)["frustration_mean"].to_pylist()[0] == pytest.approx(values[::8].mean())
    over = ha.timeline(made.drop_columns("recording_id"), every_s=10.0)
    assert over.schema.field("warmth").metadata == made.schema.field("warmth").metadata
    assert np.std(ha.baseline(made)["warmth"].to_numpy()) == pytest.approx(1.0)
    assert ha.baseline(made).schema.field("warmth").metadata[b"version"] == b"3"
    assert set(ha.events(made, z=0.5)["column"].to_pylist()) <= {"frustration", "warmth"}


def test_where_metadata_is_lost_it_is_found_by_name() -> None:
    made = composite(scored(), "frustration").to_pandas()
    assert ha.top(made, expressions="frustration")["column"].to_pylist() == ["frustration"]


# --------------------------------------------------------------------------------------------------------------- definitions
def test_what_ships_prints_its_members_and_whose_it_is() -> None:
    known = {name.name for name in vocabulary.names_of("language", "expression")}
    voice = {name.name for name in vocabulary.names_of("prosody", "expression")}
    for name, each in SHIPPED.items():
        shown = repr(each)
        assert shown.startswith(f"Composite {name}, version {each.version}: (") and "not a measurement of Hume's" in shown
        assert set(each.weights) <= known and all(member in shown for member in each.weights)
        assert name.endswith("_in_words") or set(each.weights) <= voice
    with pytest.raises(UsageError, match=r"Say which composites. There are\n  Composite frustration, version 1: \(1 Anger"):
        composite(scored())


def test_definitions_are_values() -> None:
    again = Composite("warmth", "3", {"Contempt": -2.0, "joy": 0.5, "Love": 1.0}, "another note")
    assert again == WARMTH and hash(again) == hash(WARMTH)
    assert Composite("warmth", "4", WARMTH.weights) != WARMTH
    with pytest.raises(TypeError):
        WARMTH.weights["Joy"] = 3  # type: ignore[index]


def test_definitions_of_a_file() -> None:
    text = '[warmth]\nversion = 3\nnote = "n"\nweights = { Love = 1, joy = 0.5, Contempt = -2 }\n[calm]\nversion = "1b"\n'
    found = Composite.from_toml(text + "[calm.weights]\nCalmness = 1\n'Empathic Pain' = -1")
    assert found["warmth"] == WARMTH and found["warmth"].note == "n"
    assert composite(scored(), list(found.values())).column_names[1:3] == ["warmth", "calm"]
    for wrong, message in (
        ("[a", "not TOML"),
        ("a = 1", "'a' is no composite"),
        ("[a]\nweights = { Joy = 1 }", "'a' is no composite"),
        ("[a]\nversion = 1\nweights = { Joy = 'much' }", "they are numbers by expression"),
        ("[a]\nversion = 1\nweights = 3", "they are numbers by expression"),
    ):
        with pytest.raises(UsageError, match=message):
            Composite.from_toml(wrong)


@pytest.mark.parametrize(
    ("name", "weights", "message"),
    [
        ("Warmth", {"Joy": 1}, "lower case letters"),
        ("", {"Joy": 1}, "lower case letters"),
        ("joy", {"Joy": 1}, "'joy' is a name of Hume's"),
        ("warmth", {}, "at least one member"),
        ("warmth", {"Joy": 0}, "weights other than 0"),
        ("warmth", {"Joy": float("nan")}, "weights other than 0"),
        ("warmth", {"Joy": 1, "joy": 2}, "an expression twice"),
        ("warmth", ["Joy"], "they are numbers by expression"),
    ],
)
def test_a_definition_that_cannot_be(name: str, weights: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Composite(name, "1", weights)


def test_members_that_a_model_does_not_have_are_named_with_who_has_them() -> None:
    with pytest.raises(UsageError, match=r"no Annoyance, Disapproval, .*annoyance is given by .*language.* only"):
        composite(scored(), "frustration_in_words")
    assert composite(scored(model="language"), "frustration_in_words").num_rows == 40
    with pytest.raises(UsageError, match=r"no Zest, of which zest 1 is made: \(1 Zest\) / 1\. It has: admiration"):
        composite(scored(), Composite("zest", "1", {"Zest": 1}))


def test_v1_goes_through_presence() -> None:
    # Anger is above the cutoff in few windows only, and then it is high; the others never are far from the middle.
    def truth(recording: str, name: str, end_s: float) -> float:
        return {"anger": 0.9 if end_s <= 3 else 0.05}.get(name, 0.41)

    scores, windows = audio([f"r{at}" for at in range(3)], truth, ("anger", "disappointment", "distress"))
    with pytest.raises(UsageError, match="Make a frame of presence first"):
        composite(scores, "frustration")
    made = composite(presence(scores, windows), "frustration")
    by_row = np.array(presence(scores, windows)["anger"])
    assert np.array(made["frustration"]) == pytest.approx((by_row + 2) / 3)
    assert set(made["measure"].to_pylist()) == {"composite of presence"}
    share = ha.top(made, unit="recording_id")["mean"][0].as_py()
    assert share == pytest.approx((3 / 19.5 + 2) / 3)  # anger was there for 3 of 19.5 s
    seen = scores.group_by("name").aggregate([("probability", "mean")]).to_pylist()
    naive = np.mean([row["probability_mean"] for row in seen])
    assert naive == pytest.approx((0.9 + 0.41 + 0.41) / 3)
    assert naive > (np.mean([truth("", "anger", end) for end in (3.0, 6.0, 9.0, 12.0, 15.0, 18.0, 19.5)]) + 0.82) / 3 + 0.2
    with pytest.raises(UsageError, match="columns of names only that were above their cutoff"):
        composite(presence(scores, windows), "engagement")


@pytest.mark.parametrize(
    ("frame", "arguments", "message"),
    [
        (scored(), {"definitions": "zest"}, "There is no composite 'zest'.*\n.*frustration"),
        (scored(), {"definitions": ["frustration", "frustration"]}, "Two composites have one name"),
        (scored(warmth=[1] * 40), {"definitions": WARMTH}, "a column 'warmth' already"),
        (scored(), {"definitions": WARMTH, "relative_to": scored().slice(0, 1)}, "does not vary in Love, Joy, Contempt"),
        (scored(), {"definitions": WARMTH, "relative_to": scored(measure=["presence"] * 40)}, "on different scales"),
        (scored(settings_id=["a", "b"] * 20), {"definitions": WARMTH}, "several settings"),
        (pa.table({"x": [1]}), {"definitions": WARMTH}, "no Love, joy, Contempt"),
    ],
)
def test_wrong_use(frame: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        composite(frame, **arguments)


def test_hardly_anything() -> None:
    assert composite(scored().slice(0, 0), WARMTH)["warmth"].to_pylist() == []
    nothing = pa.table({name: pa.nulls(3, pa.float32()) for name in ("love", "joy", "contempt")})
    assert composite(nothing, WARMTH)["warmth"].to_pylist() == [None] * 3
