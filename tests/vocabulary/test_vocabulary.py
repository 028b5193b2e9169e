"""One rule turns names into columns; the known names never meet one another."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from humeanalytics import vocabulary


@pytest.mark.parametrize(
    ("name", "kind", "column"),
    [
        ("Joy", "expression", "joy"),
        ("Surprise (negative)", "expression", "surprise_negative"),
        ("Aesthetic Appreciation", "expression", "aesthetic_appreciation"),
        ("AU12 Lip Corner Puller", "facs", "facs_au12_lip_corner_puller"),
        ("Hand touching Face / Head", "facs", "facs_hand_touching_face_head"),
        ("Wide-eyed", "description", "desc_wide_eyed"),
        ("Uh-huh", "vocalisation", "desc_uh_huh"),
        ("9", "sentiment", "sentiment_9"),
        ("severe_toxic", "toxicity", "toxicity_severe_toxic"),
        ("Freude über Ärger", "expression", "freude_über_ärger"),
        ("A\u0308rger", "expression", "ärger"),
        ("喜び 2", "expression", "喜び_2"),
        ("  --Joy--  ", "expression", "joy"),
    ],
)
def test_a_name_becomes_a_column(name: str, kind: str, column: str) -> None:
    assert vocabulary.column(name, kind) == column


@pytest.mark.parametrize("name", ["", "???", "_", " - ", "😀"])
def test_a_name_without_letters_falls_back_to_its_hash(name: str) -> None:
    assert re.fullmatch(r"x_[0-9a-f]{8}", vocabulary.column(name))
    assert vocabulary.column(name) != vocabulary.column(name, "facs")


@given(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(list(vocabulary.PREFIXES)))
def test_any_name_becomes_a_column_that_is_one_already(name: str, kind: str) -> None:
    column = vocabulary.column(name, kind)
    assert column
    assert not re.search(r"\W|__|_$", column)
    if kind == "expression":
        assert vocabulary.column(column) == column or column.lower() != column


@pytest.mark.parametrize("model", vocabulary.MODELS)
def test_no_two_names_of_a_model_meet(model: str) -> None:
    columns = [name.column for name in vocabulary.names_of(model)]
    assert len({column.lower() for column in columns}) == len(columns)
    assert not any(column.startswith("x_") for column in columns)
    spelled = [name.name for name in vocabulary.names_of(model)]
    assert len(set(spelled)) == len(spelled)


@pytest.mark.parametrize(
    ("model", "counts"),
    [
        ("face", {"expression": 48, "facs": 36, "description": 27}),
        ("prosody", {"expression": 48}),
        ("burst", {"expression": 48, "vocalisation": 67}),
        ("language", {"expression": 53, "sentiment": 9, "toxicity": 6}),
        ("ner", {"expression": 53}),
        ("facemesh", {"expression": 48}),
    ],
)
def test_each_model_gives_its_names(model: str, counts: dict[str, int]) -> None:
    assert {kind: len(names) for kind in vocabulary.PREFIXES if (names := vocabulary.names_of(model, kind))} == counts


def test_expressions_are_in_the_order_of_the_json() -> None:
    for model in vocabulary.MODELS:
        names = [name.name for name in vocabulary.names_of(model, "expression")]
        assert names == sorted(names)


@pytest.mark.parametrize(
    ("spelled", "column"),
    [
        ("aestheticAppreciation", "aesthetic_appreciation"),
        ("surpriseNegative", "surprise_negative"),
        ("empathicPain", "empathic_pain"),
        ("joy", "joy"),
        ("Sexual Desire", "desire"),
        ("sexualDesire", "desire"),
        ("Zest", None),
        ("JOY", None),
    ],
)
def test_spellings_of_known_names(spelled: str, column: str | None) -> None:
    assert vocabulary.known_column(spelled) == column


def test_the_five_hands_are_action_units_whatever_they_stand_among() -> None:
    hands = [name.name for name in vocabulary.names_of("face", "facs") if name.name.startswith("Hand")]
    assert len(hands) == 5
    assert {vocabulary.kind_of(name, "face") for name in hands} == {"facs"}
    assert vocabulary.kind_of("AU26 Jaw Drop", "face") == "facs"
    assert vocabulary.kind_of("Jaw drop", "face") == "description"
    assert vocabulary.kind_of("Cry", "burst") == "vocalisation"
    assert vocabulary.kind_of("AU99 Something", "face") == "facs"
    assert vocabulary.kind_of("AU99 Something", "prosody") == "expression"
    assert vocabulary.kind_of("Zest", "face") == "expression"


def test_colours_are_hexadecimal() -> None:
    for name in vocabulary.names():
        assert name.colour is None or re.fullmatch(r"#[0-9a-f]{6}", name.colour)


def test_names_of_v1_are_as_v1_writes_them() -> None:
    lists = {(model, kind): size for model, kinds in vocabulary.MODELS_V1.items() for kind, size in kinds.items()}
    assert sum(len(vocabulary.names_v1_of(*which)) for which in lists) == len(vocabulary.names_v1())
    for which, size in lists.items():
        names = [name.name for name in vocabulary.names_v1_of(*which)]
        assert names == sorted(set(names)) and 0 < len(names) <= size
        assert all(name == name.lower().strip() for name in names)
    assert {name.source for name in vocabulary.names_v1()} == {"documented", "presumed"}
