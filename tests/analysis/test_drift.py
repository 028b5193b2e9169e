"""Drift from day to day: against statsmodels' kind of sums by hand, brute force, and truths that were put there."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from v1_frames import audio

from humeanalytics.analysis.drifts import drift
from humeanalytics.analysis.presence import presence
from humeanalytics.errors import UsageError

FORMS: list[Callable[[pa.Table], Any]] = [lambda t: t, lambda t: t.to_pandas(), pl.from_arrow, lambda t: t.to_reader()]
_MANY: dict[str, Any] = {"n_resamples": 200, "n_permutations": 500}


def drifts(*arguments: Any, **more: Any) -> list[dict[str, Any]]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ResourceWarning)  # other tests leave sockets, collected at any time
        return list(drift(*arguments, **more).to_pylist())


def sessions(days: dict[str, list[float]], joy: Callable[[str, float], float], n_rows: int = 2) -> pa.Table:
    """Recordings of people, a mean each, as two rows or more that differ."""
    rows = [
        {"participant": who, "recording_id": f"{who}{day}", "recorded_at": day, "joy": joy(who, day) + (-1) ** n * 0.1}
        for who, its in days.items()
        for day in its
        for n in range(n_rows)
    ]
    return pa.Table.from_pylist(rows)


@pytest.mark.parametrize("form", FORMS, ids=["pyarrow", "pandas", "polars", "stream"])
def test_within_people_against_dummies_and_every_turn(form: Callable[[pa.Table], Any]) -> None:
    rng = np.random.default_rng(1)
    days = {
        who: sorted(rng.choice(20, size, replace=False).astype(float).tolist())
        for who, size in zip("abcdef", (2, 3, 5, 4, 2, 1), strict=True)
    }
    noise = {(who, day): rng.normal(0, 0.05) for who in days for day in days[who]}
    frame = sessions(days, lambda who, day: 0.2 + 0.1 * "abcdef".index(who) + 0.004 * day + noise[who, day])
    (row,) = drifts(form(frame), **_MANY)
    plain = frame.to_pandas().groupby(["participant", "recorded_at"], as_index=False)["joy"].mean()
    dummies = pd.get_dummies(plain["participant"]).to_numpy(float)
    slope = np.linalg.lstsq(np.column_stack([plain["recorded_at"], dummies]), plain["joy"].to_numpy(), rcond=None)[0][0]
    assert row["slope_per_day"] == pytest.approx(slope)
    assert (row["n_units"], row["n_recordings"], row["n_rows"], row["n_rows_left_out"], row["within"]) == (5, 16, 32, 2, True)
    kept = plain[plain["participant"] != "f"]
    around = kept[["recorded_at", "joy"]] - kept.groupby("participant")[["recorded_at", "joy"]].transform("mean")
    products = (around["recorded_at"] * around["joy"]).groupby(kept["participant"]).sum().to_numpy()
    turned = [abs(np.dot(signs, products)) for signs in itertools.product((1, -1), repeat=5)]
    assert row["p_value"] == pytest.approx(np.mean(np.array(turned) >= abs(products.sum()) - 1e-12))
    assert row["q_value"] == row["p_value"] and row["ci_low"] < slope < row["ci_high"]
    assert row["mean"] == pytest.approx(kept.groupby("participant")["joy"].mean().mean())
    assert row["unit"] == "participant" and "all permutations" in row["method"]


def test_between_recordings_against_every_order() -> None:
    days, joy = [0.0, 1.0, 4.0, 5.0, 9.0], [0.3, 0.2, 0.5, 0.35, 0.6]
    frame = sessions({f"r{n}": [day] for n, day in enumerate(days)}, lambda who, _: joy[int(who[1])]).drop_columns("participant")
    (row,) = drifts(frame, **_MANY)
    assert row["slope_per_day"] == pytest.approx(np.polyfit(days, joy, 1)[0])
    slopes = [abs(np.polyfit(order, joy, 1)[0]) for order in itertools.permutations(days)]
    assert row["p_value"] == pytest.approx(np.mean(np.array(slopes) >= abs(row["slope_per_day"]) - 1e-12))
    assert (row["unit"], row["within"], row["n_units"], row["n_days"]) == ("recording_id", False, 5, 5)
    again = drifts(frame, **_MANY, seed=0)
    assert again == [row] and row["ci_low"] <= row["slope_per_day"] <= row["ci_high"]


def test_whoever_comes_later_makes_no_drift() -> None:
    """Everybody's joy falls by 0.01 a day, and people who come later have more of it: rows, and recordings, say that it rises."""
    rng = np.random.default_rng(2)
    days = {f"P{n:02}": [float(2 * n + d) for d in range(4)] for n in range(12)}
    frame = sessions(
        days, lambda who, day: 0.1 + 0.05 * int(who[1:]) - 0.01 * (day % 2 + 2 * (day // 2)) + rng.normal(0, 0.003), 6
    )
    naive = np.polyfit(frame["recorded_at"].to_numpy(), frame["joy"].to_numpy(), 1)[0]
    assert naive > 0.005
    assert drifts(frame, "recording_id", **_MANY)[0]["slope_per_day"] == pytest.approx(naive)
    (row,) = drifts(frame, "participant", **_MANY)
    assert row["slope_per_day"] == pytest.approx(-0.01, abs=0.002) and row["p_value"] < 0.01
    assert row["ci_low"] < -0.008 and row["ci_high"] < 0
    (between,) = drifts(frame, "participant", within=False, **_MANY)
    assert between["slope_per_day"] > 0.005 and not between["within"]


def test_many_rows_of_few_people_prove_nothing() -> None:
    """People wander, all rows of a day together: over rows p is next to nothing, over people it is what chance does."""
    rng, small, covered, naive = np.random.default_rng(3), 0, 0, 0
    for _ in range(60):
        wander = {who: np.cumsum(rng.normal(0, 0.05, 6)) for who in "abcdefgh"}
        frame = sessions({who: [float(n) for n in range(6)] for who in wander}, lambda w, d, its=wander: its[w][int(d)], 12)  # type: ignore[misc]
        (row,) = drifts(frame, **_MANY)
        small += row["p_value"] <= 0.05
        covered += row["ci_low"] <= 0 <= row["ci_high"]
        day, joy = frame["recorded_at"].to_numpy(), frame["joy"].to_numpy()
        naive += abs(np.corrcoef(day, joy)[0, 1]) * math.sqrt(len(day)) > 1.96
    assert small <= 8 and covered >= 48
    assert naive >= 15


def test_recordings_count_the_same_and_time_that_is_said_again_counts_once() -> None:
    begin = [0.0, *(0.25 * n for n in range(1, 5))]
    rows = [
        {"recording_id": f"r{day}", "recorded_at": day, "begin_s": b, "end_s": b + 4, "joy": 0.1 * day + (0.5 if n else 0.0)}
        for day in range(4)
        for n, b in enumerate(begin if day == 3 else begin[:1])
    ]
    (row,) = drifts(pa.Table.from_pylist(rows), **_MANY)  # of the last day the mean is 0.3 + 0.5 / 5, not 0.3 + 0.4
    assert row["slope_per_day"] == pytest.approx(np.polyfit(range(4), [0, 0.1, 0.2, 0.4], 1)[0])
    assert row["mean"] == pytest.approx(0.175) and "newly covered time" in row["method"]


def test_times_in_every_form_and_confidences() -> None:
    first = datetime(2026, 10, 1, 22, tzinfo=UTC)
    times = [first + timedelta(days=n) for n in range(5)]
    forms: list[Any] = [
        times,
        pa.array([each.replace(tzinfo=None) for each in times]),
        [each.isoformat() for each in times],
        [each.strftime("%Y-%m-%dT%H:%M:%SZ") for each in times],
        [date(2026, 10, n + 1) for n in range(5)],
        [f"2026-10-0{n + 1}" for n in range(5)],
        list(range(5)),
    ]
    scores = {"recording_id": list("abcde"), "joy": [0.5, 0.4, 0.3, None, 0.1], "confidence": [0.9, 0.8, 0.85, 0.7, 0.6]}
    for form in forms:
        answer = {row["column"]: row for row in drifts(pa.table({**scores, "recorded_at": form}), **_MANY)}
        assert answer["joy"]["slope_per_day"] == pytest.approx(-0.1) and answer["joy"]["n_units"] == 4
        assert answer["confidence"]["slope_per_day"] == pytest.approx(np.polyfit(range(5), scores["confidence"], 1)[0])
    assert [row["column"] for row in drifts(pa.table({**scores, "recorded_at": forms[0]}), expressions="Joy", **_MANY)] == ["joy"]


def test_of_v1_how_presence_drifts() -> None:
    recordings = {f"r{n}": f"P{n}" for n in range(4)}
    scores, measured = audio(
        recordings, lambda r, _n, end_s: 0.9 * (end_s <= 3.0 * int(r[1])), recorded_at={r: r[1] for r in recordings}
    )
    with pytest.raises(UsageError, match=r"ha\.presence"):
        drift(scores)
    frame = presence(scores, measured)
    frame = frame.set_column(frame.column_names.index("recorded_at"), "recorded_at", frame["recorded_at"].cast(pa.float64()))
    answer = drifts(frame, expressions="joy", **_MANY)
    assert answer[0]["measure"] == "presence" and answer[0]["slope_per_day"] > 0


_FRAME = pa.table({"recording_id": list("abcd"), "recorded_at": [0.0, 1.0, 2.0, 3.0], "joy": [0.1, 0.2, 0.3, 0.5]})


def _with(**columns: Any) -> pa.Table:
    return pa.table({**_FRAME.to_pydict(), **columns})


@pytest.mark.parametrize(
    ("frame", "arguments", "message"),
    [
        (_FRAME.drop_columns("recorded_at"), {}, "no column 'recorded_at' that says when.*JOIN items"),
        (_FRAME.slice(0, 0), {}, "no rows"),
        (_with(recorded_at=pa.nulls(4)), {}, "recorded_at is null in every row"),
        (_with(participant=pa.nulls(4, pa.string())), {}, "participant is null in every row: labels"),
        (_with(participant=["P", None, None, None], recorded_at=[None, 1.0, 2.0, 3.0]), {}, "No row has both"),
        (_with(recorded_at=["one", "two", "three", "four"]), {}, "no times as ISO 8601"),
        (_with(recorded_at=[5.0, 5.1, 5.2, 5.3]), {}, "4 recordings are all on one day: a drift takes 3"),
        (_with(recorded_at=[5.0, 5.1, 6.2, 6.3]), {}, "of 2 days.*ha.compare"),
        (_with(recording_id=["a", "a", "b", "c"]), {}, "not one time of a recording: that of a has several"),
        (_with(participant=["P"] * 4), {}, "1 units.*unit='recording_id'"),
        (_with(participant=["P", "P", "Q", "R"]), {"within": True}, "1 of 3 units"),
        (_FRAME, {"unit": "person"}, "no column 'person'"),
        (_FRAME, {"unit": "recorded_at"}, "both 'recorded_at'"),
        (_FRAME.drop_columns("recording_id"), {}, "Say what is independent"),
        (_FRAME, {"confidence": 1.0}, "confidence is 1"),
        (_FRAME, {"n_permutations": 10}, "n_permutations is 10"),
        (_with(settings_id=["x", "x", "y", "y"]), {}, "several settings"),
        (_FRAME, {"expressions": "anger"}, "anger is an expression, but not of this frame"),
    ],
)
def test_what_has_no_drift(frame: pa.Table, arguments: dict[str, Any], message: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ResourceWarning)  # other tests leave sockets, collected at any time
        with pytest.raises(UsageError, match=message):
            drift(frame, **arguments)


def test_what_is_missing_is_null_and_quiet() -> None:
    frame = _with(
        anger=pa.nulls(4, pa.float64()),
        fear=[0.1, None, None, 0.2],
        calmness=[0.2] * 4,
        recorded_at=[0.0, 1.0, 2.0, None],
    )
    answer = {row["column"]: row for row in drifts(frame, **_MANY)}
    assert {answer[name]["p_value"] for name in ("anger", "fear")} == {None}
    assert (answer["anger"]["n_units"], answer["anger"]["mean"], answer["fear"]["n_units"]) == (0, None, 1)
    assert (answer["calmness"]["slope_per_day"], answer["calmness"]["p_value"]) == (0.0, 1.0)
    assert (answer["joy"]["n_rows"], answer["joy"]["n_rows_left_out"]) == (3, 1)
    people = _with(participant=list("PPQQ"), joy=[0.1, 0.2, None, None])
    (row,) = drifts(people, **_MANY)
    assert (row["n_units"], row["slope_per_day"], row["within"]) == (1, None, True)
