"""One row a person: against calculations by brute force, and with truths that are known because they were made."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from v1_frames import audio

from humeanalytics.analysis.presence import presence
from humeanalytics.analysis.summaries import summarise
from humeanalytics.errors import UsageError
from humeanalytics.lake.lake import Lake, open_lake
from humeanalytics.tables.schema import schema_of

FORMS: list[Callable[[pa.Table], Any]] = [lambda t: t, lambda t: t.to_pandas(), pl.from_arrow, lambda t: t.to_reader()]
_KEYS = ("participant", "recording_id", "speaker_id")


def rows_of(*rows: tuple[str | None, str, str, float, float, float | None]) -> pa.Table:
    names = (*_KEYS, "begin_s", "end_s", "joy")
    types = [pa.string()] * 3 + [pa.float64()] * 3
    return pa.table({n: pa.array([row[at] for row in rows], t) for at, (n, t) in enumerate(zip(names, types, strict=True))})


def quietly(*arguments: Any, **more: Any) -> list[dict[str, Any]]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ResourceWarning)  # other tests leave sockets, collected at any time
        return list(summarise(*arguments, **more).to_pylist())


@pytest.mark.parametrize("form", FORMS, ids=["pyarrow", "pandas", "polars", "stream"])
def test_windows_count_once_where_the_mean_of_rows_is_far_off(form: Callable[[pa.Table], Any]) -> None:
    # 4 s without joy, then windows of 4 s each quarter of a second, for one second: rows say 0.8, time says 0.2
    late = [("P1", "r", "s", 0.25 * n, 4 + 0.25 * n, 1.0) for n in range(1, 5)]
    (row,) = quietly(form(rows_of(("P1", "r", "s", 0.0, 4.0, 0.0), *late)))
    assert row["joy_mean"] == pytest.approx(0.2) and row["joy_above"] == pytest.approx(0.2)
    assert row["joy_sd"] == pytest.approx(0.4) and row["joy_q75"] == 0.0 and row["joy_peaks"] == 1
    assert (row["n_units"], row["n_rows"], row["covered_s"], row["seed"]) == (1, 5, 5.0, None)


_people, _scores = st.sampled_from(["P1", "P2", None]), st.none() | st.integers(0, 4)
windows = st.lists(
    st.tuples(_people, st.sampled_from("ab"), st.sampled_from("xy"), st.integers(0, 30), st.integers(1, 9), _scores),
    min_size=1,
    max_size=25,
)


@settings(deadline=None)
@given(windows)
def test_against_going_through_every_tenth_of_a_second(drawn: list[tuple[str | None, str, str, int, int, int | None]]) -> None:
    rows = [(p, r, s, b / 10, (b + n) / 10, None if v is None else v / 4) for p, r, s, b, n, v in drawn]
    if all(row[0] is None for row in rows):
        return
    answer = {row["participant"]: row for row in quietly(rows_of(*rows))}
    for who in {row[0] for row in rows}:
        own = sorted((r for r in rows if r[0] == who), key=lambda r: (r[3], r[4]))
        taken: dict[tuple[str, str], set[int]] = {}
        covered: set[tuple[str, int]] = set()
        weighed = []
        for b, e, r, s in sorted({(b, e, r, s) for _, r, s, b, e, _ in own}):
            ticks = set(range(round(b * 10), round(e * 10)))
            same = [row[5] for row in own if row[1:5] == (r, s, b, e)]  # they share what they add
            weighed += [(Fraction(len(ticks - taken.setdefault((r, s), set())), len(same)), v) for v in same]
            taken[r, s] |= ticks
            covered |= {(r, tick) for tick in ticks}
        known = [(w, v) for w, v in weighed if v is not None]
        row = answer[who]
        assert row["n_rows"] == len(own) and row["covered_s"] == pytest.approx(len(covered) / 10)
        if not known:
            assert row["joy_mean"] is row["joy_q50"] is row["joy_above"] is None and row["joy_peaks"] == 0
            continue
        if sum(w for w, _ in known) == 0:
            known = [(Fraction(1), v) for _, v in known]
        weights, values = np.array([float(w) for w, _ in known]), np.array([v for _, v in known])
        mean = np.average(values, weights=weights)
        assert row["joy_mean"] == pytest.approx(mean)
        spread = np.sqrt(np.average((values - mean) ** 2, weights=weights)) if (weights > 0).sum() > 1 else None
        assert row["joy_sd"] == (spread if spread is None else pytest.approx(spread, abs=1e-9))
        assert row["joy_above"] == pytest.approx(np.average(values > 0.5, weights=weights))
        total = sum(w for w, _ in known)
        for name, share in (("joy_q50", Fraction(1, 2)), ("joy_q25", Fraction(1, 4))):
            assert row[name] == min(v for _, v in known if sum(w for w, each in known if each <= v) >= share * total)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(-2, 2, width=32) | st.just(0.1)), min_size=1, max_size=30))
def test_quantiles_of_rows_against_numpy(drawn: list[tuple[str, float]]) -> None:
    frame = pa.table({"participant": [who for who, _ in drawn], "joy": [score for _, score in drawn]})
    for row in quietly(frame, quantiles=(0.1, 0.5, 0.975)):
        own = [score for who, score in drawn if who == row["participant"]]
        expected = np.quantile(own, [0.1, 0.5, 0.975], method="inverted_cdf")
        assert [row["joy_q10"], row["joy_q50"], row["joy_q97_5"]] == expected.tolist()


def test_peaks_are_stretches_above_the_level_of_one_person() -> None:
    scores = [0.9, 0.1, 0.9, 0.9, None, 0.9, 0.5]
    rows = [("P1", "r", "x", float(n), n + 1.0, score) for n, score in enumerate(scores)]
    rows += [("P1", "r", "y", 2.0, 3.0, 0.9), ("P1", "q", "x", 0.0, 1.0, 0.9)]
    assert quietly(rows_of(*rows))[0]["joy_peaks"] == 5
    assert quietly(rows_of(*rows), level=0.05)[0]["joy_peaks"] == 4
    (presence_row,) = quietly(rows_of(*rows), level=0.95)
    assert (presence_row["joy_peaks"], presence_row["joy_above"]) == (0, 0.0)


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4, 5], [1, 0, 2, 3, 5, 4], [5, 3, 1, 0, 2, 4]])
def test_faces_of_one_frame_that_nobody_told_apart_are_one_stretch_in_whatever_order(order: list[int]) -> None:
    joy = [0.9, 0.1, 0.8, 0.2, 0.1, 0.7]
    frame = pa.table({"participant": ["P"] * 6, "face_id": ["unknown"] * 6, "time_s": [0, 0, 1, 1, 2, 2], "joy": joy})
    assert quietly(frame.take(order))[0]["joy_peaks"] == 1


def test_windows_at_one_place_share_the_time_they_add_in_whatever_order() -> None:
    rows = [("P1", "r", "s", 0.0, 4.0, 0.9), ("P1", "r", "s", 0.0, 4.0, 0.1), ("P1", "r", "s", 4.0, 8.0, 0.5)]
    for frame in (rows_of(*rows), rows_of(*rows[::-1])):
        row = quietly(frame)[0]
        assert (row["joy_mean"], row["joy_above"]) == (pytest.approx(0.5), pytest.approx(0.25))


def test_what_a_row_is() -> None:
    frame = rows_of(("P1", "r1", "a", 0.0, 1.0, 0.1), ("P1", "r2", "a", 0.0, 1.0, 0.3), (None, "r2", "b", 0.0, 1.0, 0.5))
    assert [(r["participant"], r["n_units"]) for r in quietly(frame)] == [("P1", 2), (None, 1)]
    assert [(r["recording_id"], r["joy_mean"]) for r in quietly(frame, "recording")] == [("r1", 0.1), ("r2", pytest.approx(0.4))]
    assert [(r["recording_id"], r["speaker_id"]) for r in quietly(frame, "speaker")] == [("r1", "a"), ("r2", "a"), ("r2", "b")]
    chats = pa.table({"chat_id": ["c2", "c1", "c2"], "joy": [0.1, 0.2, None]})
    assert [(r["chat_id"], r["joy_mean"], r["n_units"]) for r in quietly(chats, "chat")] == [("c1", 0.2, None), ("c2", 0.1, None)]


def test_faces_cover_their_frames() -> None:
    times = [n / 2 for n in range(20)] + [60.0, 60.5]
    frame = pa.table({"recording_id": ["r"] * 22, "duration_s": [22.0] * 22, "time_s": times, "joy": [0.5] * 22})
    (row,) = quietly(frame, "recording")
    assert (row["covered_s"], row["coverage"], row["joy_mean"]) == (11.0, 0.5, 0.5)
    twice = pa.concat_tables([frame, frame])  # two faces in each
    assert quietly(twice, "recording")[0]["covered_s"] == 11.0


def test_of_v1_presence_where_the_mean_of_what_is_told_is_far_too_high() -> None:
    participants = {"r1": "P1", "r2": "P2", "r3": "P2"}
    scores, measured = audio(
        participants, lambda r, n, e: 0.95 * (e == 12.0 and n == "joy" and r != "r3"), participant=participants
    )
    told = np.mean([row["probability"] for row in scores.to_pylist()])
    first, second = quietly(presence(scores, measured))
    assert told == pytest.approx(0.95)
    assert first["joy_presence"] == pytest.approx(3 / 19.5) and second["joy_presence"] == pytest.approx(3 / 39)
    assert (first["joy_peaks"], first["covered_s"], first["n_rows"]) == (1, 19.5, 7) and "joy_mean" not in first
    with pytest.raises(UsageError, match=r"ha\.presence"):
        summarise(scores)


_ROW = rows_of(("P1", "r", "s", 0.0, 1.0, 0.5))


@pytest.mark.parametrize(
    ("frame", "arguments", "message"),
    [
        (_ROW.slice(0, 0), {}, "no rows"),
        (_ROW.drop_columns("participant"), {}, "no column 'participant' to summarise by"),
        (_ROW.drop_columns("speaker_id"), {"per": "speaker"}, "no column 'speaker'"),
        (_ROW.set_column(0, "participant", pa.nulls(1, pa.string())), {}, "participant is null in every row"),
        (_ROW, {"models": ["prosody"]}, "models is for lakes"),
        (_ROW, {"quantiles": [50]}, "between 0 and 1, such as 0.25, not 50"),
        (_ROW, {"level": float("nan")}, "level is nan"),
        (_ROW, {"expressions": "rage"}, "no expression 'rage'"),
        (pa.concat_tables([_ROW.append_column("api", [[api]]) for api in ("batch", "expression")]), {}, "v0 and v1 together"),
    ],
)  # fmt: skip
def test_what_cannot_be_summarised(frame: pa.Table, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        summarise(frame, **arguments)


def test_hardly_anything() -> None:
    nothing = rows_of(("P1", "r", "s", 0.0, 1.0, None))
    (row,) = quietly(nothing)
    assert row["joy_mean"] is row["joy_sd"] is row["joy_q50"] is row["joy_above"] is None and row["n_rows"] == 1
    (row,) = quietly(_ROW)
    assert (row["joy_mean"], row["joy_sd"], row["joy_q25"], row["joy_above"]) == (0.5, None, 0.5, 0.0)


# ------------------------------------------------------------------------------------------------------------------ of a lake
def _table(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=schema_of(name))


def _fill(lake: Lake, load: str, *, settings_id: str | dict[str, str] = "one", **tables: list[dict[str, Any]]) -> None:
    """Commit rows with a scoring for each recording and model, and an item of 20 s with a participant."""
    models = {"audio_measurements": "audio", "prosody": "prosody", "face": "face"}
    met = {
        (row["recording_id"], models[name]): row["scoring_id"] for name, rows in tables.items() if name in models for row in rows
    }
    of = settings_id if isinstance(settings_id, dict) else dict.fromkeys([r for r, _ in met], settings_id)
    api = {"audio": "expression"}
    made: dict[str, list[dict[str, Any]]] = {
        **tables,
        "scorings": [
            {"scoring_id": s, "recording_id": r, "model": m, "api": api.get(m, "batch"), "settings_id": of[r], "rows": 1}
            for (r, m), s in met.items()
        ],
        "items": [{"item_id": f"i{r}", "recording_id": r, "uri": r, "name": r, "duration_s": 20.0} for r in {r for r, _ in met}],
        "labels": [{"item_id": f"i{r}", "key": "participant", "value": f"P-{r}"} for r in {r for r, _ in met}],
    }
    lake.loads.commit_all(load, "ingest", "run", {"load": load}, {name: _table(name, rows) for name, rows in made.items()})


def _spoken(recording: str, joy: float) -> dict[str, Any]:
    return {
        "recording_id": recording,
        "scoring_id": f"p{recording}",
        "file": "f",
        "speaker_id": "s",
        "begin_s": 0.0,
        "end_s": 5.0,
        "joy": joy,
    }


def _seen(recording: str, joy: float) -> dict[str, Any]:
    return {"recording_id": recording, "scoring_id": f"f{recording}", "file": "f", "face_id": "x", "time_s": 0.0, "joy": joy}


@pytest.fixture
def lake(tmp_path: Path) -> Any:
    with open_lake(tmp_path / "lake") as lake:
        yield lake


def test_models_of_a_lake_side_by_side(lake: Lake) -> None:
    _fill(lake, "l1", prosody=[_spoken("a", 0.25), _spoken("b", 0.5)], face=[_seen("b", 0.75), _seen("c", 0.125)])
    (row,) = [row for row in quietly(lake, models=["prosody"]) if row["participant"] == "P-a"]
    assert (row["joy_mean"], row["coverage"], row["anger_mean"]) == (0.25, 0.25, None)
    found = {row["participant"]: (row["face_joy_mean"], row["prosody_joy_mean"], row["prosody_n_rows"]) for row in quietly(lake)}
    assert found == {"P-a": (None, 0.25, 1), "P-b": (0.75, 0.5, 1), "P-c": (0.125, None, None)}
    with pytest.raises(UsageError, match="by different columns"):
        summarise(lake, "speaker")
    with pytest.raises(UsageError, match="models names 'voice'"):
        summarise(lake, models="voice")


def test_settings_and_versions_are_not_mixed(lake: Lake) -> None:
    with pytest.raises(UsageError, match="no scores of recordings"):
        summarise(lake)
    scores, measured = audio("uv", lambda *_: 0.9)
    keep = ("recording_id", "scoring_id", "measurement_id", "begin_s", "end_s")
    v1 = {
        "audio_measurements": measured.select([*keep, "expressions", "voice_attributes"]).to_pylist(),
        "audio_scores": scores.select([*keep, "kind", "name", "probability"]).to_pylist(),
    }
    _fill(lake, "l1", **v1)
    assert [(r["participant"], r["joy_presence"], r["coverage"]) for r in quietly(lake)] == [
        ("P-u", 1.0, 0.975),
        ("P-v", 1.0, 0.975),
    ]
    _fill(lake, "l2", settings_id={"a": "one", "b": "two"}, prosody=[_spoken("a", 0.25), _spoken("b", 0.5)])
    with pytest.raises(UsageError, match="audio is of v1, prosody is not"):
        summarise(lake)
    for asked in (lambda: summarise(lake, models="prosody"), lambda: summarise(lake["prosody"], "recording")):
        with pytest.raises(UsageError, match="several settings: settings_id is one, two"):
            asked()
    assert summarise(lake, models="prosody", mixed_settings=True).num_rows == 2
    assert summarise(lake.sql("FROM prosody WHERE recording_id = 'a'"), "recording").num_rows == 1
