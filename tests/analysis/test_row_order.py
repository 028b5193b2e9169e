"""With one seed there is one answer: the order in which a query gives its rows, which nobody chooses, changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import humeanalytics as ha

PEOPLE, SECONDS, EPOCH = 9, 20, datetime(2026, 1, 1, tzinfo=UTC)


def rows_of(expressions: tuple[str, ...] = ("joy", "anger")) -> pa.Table:
    rng = np.random.default_rng(4)
    rows = [
        {"recording_id": f"r{person}", "participant": f"P{person}", "condition": "ab"[person % 2], "time_s": float(second)}
        | {name: float(rng.random() / 2 + person / 20) for name in expressions}
        for person in range(PEOPLE)
        for second in range(SECONDS)
    ]
    return pa.Table.from_pylist(rows)


def turns() -> pa.Table:
    rng = np.random.default_rng(5)
    rows = [
        {"chat_id": f"c{chat}", "turn": turn, "speaker": ("caller", "assistant")[turn % 2], "scored_messages": 1}
        | {
            "first_at": EPOCH + timedelta(seconds=10 * turn),
            "last_at": EPOCH + timedelta(seconds=10 * turn + 5),
            "greeting": False,
        }
        | {"joy": float(rng.random()), "anger": float(rng.random())}
        for chat in range(PEOPLE)
        for turn in range(8)
    ]
    return pa.Table.from_pylist(rows)


@pytest.mark.parametrize(
    ("frame", "analysis"),
    [
        (rows_of(), lambda frame: ha.compare(frame, by="condition", unit="participant", n_permutations=100, n_resamples=100)),
        (rows_of(), lambda frame: ha.top(frame, 2, unit="participant", n_resamples=100)),
        (
            rows_of(),
            lambda frame: ha.agreement(
                {"face": frame, "other": frame}, ["joy"], unit="participant", n_permutations=100, n_resamples=100
            ),
        ),
        (turns(), lambda frame: ha.responses(frame, n_permutations=100, n_resamples=100)),
    ],
    ids=["compare", "top", "agreement", "responses"],
)
def test_order_changes_nothing(frame: pa.Table, analysis: Callable[[pa.Table], pa.Table]) -> None:
    expected: list[dict[str, Any]] = analysis(frame).to_pylist()
    assert any(row["ci_low"] is not None for row in expected)
    for seed in range(3):
        shuffled = frame.take(pa.array(np.random.default_rng(seed).permutation(frame.num_rows)))
        for row, wanted in zip(analysis(shuffled).to_pylist(), expected, strict=True):
            assert _rounded(row) == _rounded(wanted)


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    """Sums depend on the order of their parts in the last digits."""
    return {name: float(f"{value:.9g}") if isinstance(value, float) else value for name, value in row.items()}
