"""A fingerprint tells the same answer in any form, and tells any two different ones apart."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from v0_payloads import FORMS, JobMaker, api_json, shuffled_keys, whole_numbers, written

from humeanalytics.tables.batch import Flattened, flatten_predictions
from humeanalytics.tables.fingerprint import fingerprints, row_hashes


def of(flat: Flattened) -> list[tuple[str, int, str]]:
    return sorted((answer.model, answer.rows, answer.fingerprint) for answer in flat.answers)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_form_order_and_spelling_of_numbers_do_not_matter(seed: int) -> None:
    rng = random.Random(seed)
    job = JobMaker(rng, odd=0.05, rows=3).job()
    plain = of(flatten_predictions(json.dumps(api_json(job)).encode()))
    for form in ("platform", "camel", "sdk", "webhook"):
        payload = whole_numbers(shuffled_keys(FORMS[form](job), rng))
        for entry in _entries(payload):
            rng.shuffle(entry)
        assert of(flatten_predictions(written(payload, rng))) == plain


def _entries(payload: Any) -> list[list[Any]]:
    """Return the lists in a payload whose order says nothing: rows, groups, scores without doubles."""
    found: list[list[Any]] = []
    for value in payload.values() if isinstance(payload, dict) else payload if isinstance(payload, list) else ():
        found += _entries(value)
    if isinstance(payload, list) and payload and isinstance(payload[0], dict):
        names = [each.get("name") for each in payload]
        is_scores = "score" in payload[0] and len(set(names)) == len(names)
        if is_scores or "predictions" in payload[0] or "emotions" in payload[0]:
            found.append(payload)
    return found


def _numbers_and_texts(payload: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(payload, dict):
        return [place for key, value in payload.items() for place in _numbers_and_texts(value, (*path, key))]
    if isinstance(payload, list):
        return [place for i, value in enumerate(payload) for place in _numbers_and_texts(value, (*path, i))]
    return [path] if payload not in (None, "") and not isinstance(payload, bool) else []


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_any_one_value_changed_changes_it(seed: int) -> None:
    rng = random.Random(seed)
    job = JobMaker(rng, rows=3).job()
    payload = api_json(job)
    # A row's own values: not what the CSV artifacts do not have (metadata), nor the id of a group without rows.
    places = [p for p in _numbers_and_texts(payload) if p.count("predictions") == 2 and p[-1] != "name"]
    if not places:
        return
    place = rng.choice(places)
    other = copy.deepcopy(payload)
    inner = other
    for step in place[:-1]:
        inner = inner[step]
    value = inner[place[-1]]
    if isinstance(value, str):
        inner[place[-1]] = value + "x"
    elif isinstance(value, int):
        inner[place[-1]] = value + 1
    else:
        inner[place[-1]] = float(np.nextafter(np.float32(value), np.float32(9))) if "score" in place else value + 1.0
    before, after = (flatten_predictions(json.dumps(p).encode()) for p in (payload, other))
    differing = [a for a, b in zip(before.answers, after.answers, strict=True) if a.fingerprint != b.fingerprint]
    assert len(differing) == 1
    assert (differing[0].file, differing[0].model) == (
        payload[place[0]]["results"]["predictions"][place[3]]["file"],
        place[5],
    )


def table(**columns: Any) -> pa.Table:
    return pa.table({name: pa.array(values) for name, values in columns.items()})


def one(rows: pa.Table, model: str = "face") -> str:
    return fingerprints(rows, model, [(0, len(rows))])[0]


def test_what_no_form_can_tell_apart_is_the_same() -> None:
    plain = table(begin_s=[0.0, 1.0], text=["a", None])
    assert one(plain) == one(table(text=[None, "a"], begin_s=[1.0, 0.0]))
    assert one(plain) == one(table(begin_s=[-0.0, 1.0], text=["a", ""]))
    assert one(plain) == one(plain.append_column("confidence", pa.nulls(2, pa.float64())))
    assert one(plain) == one(plain.append_column("file", pa.array(["x", "y"])))
    assert one(plain) == one(plain.append_column("detected_language", pa.array(["en", "en"])))


@pytest.mark.parametrize(
    "other",
    [
        table(begin_s=[0.0, 1.0], text=["a", "a"]),
        table(begin_s=[1.0, 0.0], text=["a", None]),
        table(begin_s=[0.0, None], text=["a", None]),
        table(begin_s=[0.0, 1.0, 1.0], text=["a", None, None]),
        table(begin_s=[0.0], text=["a"]),
        table(end_s=[0.0, 1.0], text=["a", None]),
        table(begin_s=[0.0, 1.0], text=["a\0", None]),
    ],
)
def test_what_differs_is_told_apart(other: pa.Table) -> None:
    assert one(table(begin_s=[0.0, 1.0], text=["a", None])) != one(other)


def test_the_model_counts_and_so_does_how_often_a_row_stands() -> None:
    rows = table(begin_s=[1.0, 2.0, 2.0])
    assert one(rows, "face") != one(rows, "prosody")
    assert one(rows) != one(table(begin_s=[1.0, 1.0, 2.0]))
    assert one(rows.slice(0, 0), "face") != one(rows.slice(0, 0), "prosody")


def test_values_that_cancel_in_a_sum_do_not() -> None:
    left = table(begin_s=[1.0], end_s=[2.0])
    assert one(left) != one(table(begin_s=[2.0], end_s=[1.0]))
    texts = ["ab", "ba", "a", "b", "aab", "aba", "abb", "", "ÿ", "é", "a" * 1000, "a" * 1001]
    assert len({one(table(text=[text])) for text in texts}) == len(texts)


def test_chunks_slices_and_ranges_do_not_matter() -> None:
    rng = np.random.default_rng(1)
    rows = pa.table(
        {
            "joy": pa.array(rng.random(20_000, np.float32), mask=rng.random(20_000) < 0.1),
            "text": pa.array([f"t{i % 777}é" if i % 5 else None for i in range(20_000)]),
            "frame": pa.array(np.arange(20_000) - 10_000),
        }
    )
    whole = row_hashes(rows)
    pieces = pa.concat_tables([rows.slice(0, 1), rows.slice(1, 9_000), rows.slice(9_001)])
    assert (row_hashes(pieces) == whole).all()
    assert (row_hashes(rows.slice(12_345, 100)) == whole[:, 12_345:12_445]).all()
    assert len(np.unique(whole[0])) == 20_000
    assert fingerprints(rows, "face", [(5, 7)]) == [one(rows.slice(5, 7))]


def test_new_names_count_wherever_they_are_kept() -> None:
    def flat(count: int, last: float) -> str:
        scores = [{"name": f"New {i}", "score": 0.5} for i in range(count)] + [{"name": "Zzz", "score": last}]
        groups = [{"id": "u", "predictions": [{"emotions": scores}]}]
        payload = [
            {"source": {}, "results": {"predictions": [{"file": "a", "models": {"face": {"grouped_predictions": groups}}}]}}
        ]
        return flatten_predictions(json.dumps(payload).encode()).answers[0].fingerprint

    assert len({flat(count, last) for count in (1, 500, 501) for last in (0.25, 0.125)}) == 6
