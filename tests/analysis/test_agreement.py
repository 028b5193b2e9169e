"""Face, voice and words in time: against Pearson by hand, lags that were put in, and series that are nothing to each other."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from v1_frames import audio

from humeanalytics.analysis.agreements import agreement
from humeanalytics.analysis.over_time import timeline
from humeanalytics.analysis.partings import partings
from humeanalytics.analysis.presence import presence
from humeanalytics.errors import UsageError

FORMS: list[Callable[[pa.Table], Any]] = [lambda t: t, lambda t: t.to_pandas(), pl.from_arrow, lambda t: t.to_reader()]


@pytest.fixture(autouse=True)
def no_warnings() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ResourceWarning)  # other tests leave sockets, collected at any time
        yield


def faces(scores: Any, recording: str = "r", begin_s: float = 0.0, step_s: float = 1.0, **more: Any) -> pa.Table:
    n = len(scores)
    given = {name: pa.array([value] * n, pa.float64() if name == "anger" else pa.string()) for name, value in more.items()}
    return pa.table({"recording_id": [recording] * n, "time_s": begin_s + step_s * np.arange(n), "joy": scores, **given})


def speech(scores: Any, recording: str = "r", begin_s: float = 0.0, length_s: float = 1.0, **more: Any) -> pa.Table:
    n = len(scores)
    begin = begin_s + length_s * np.arange(n)
    given = {name: pa.array([value] * n, pa.float64() if name == "anger" else pa.string()) for name, value in more.items()}
    return pa.table({"recording_id": [recording] * n, "begin_s": begin, "end_s": begin + length_s, "joy": scores, **given})


def both(pairs: list[tuple[Any, Any]], **more: list[Any]) -> dict[str, pa.Table]:
    """A recording for each pair of series; ``more``: label -> a value a recording."""
    labels = [{name: values[at] for name, values in more.items()} for at in range(len(pairs))]
    face = [faces(x, f"r{at:03}", **labels[at]) for at, (x, _) in enumerate(pairs)]
    voice = [speech(y, f"r{at:03}", **labels[at]) for at, (_, y) in enumerate(pairs)]
    return {"face": pa.concat_tables(face), "voice": pa.concat_tables(voice)}


def one(*arguments: Any, **more: Any) -> dict[str, Any]:
    (row,) = agreement(*arguments, **more).to_pylist()
    return dict(row)


def slow(rng: np.random.Generator, n: int, memory: float = 0.97) -> Any:
    """A series whose neighbours are alike."""
    steps, series = rng.normal(size=n), np.zeros(n)
    for at in range(1, n):
        series[at] = memory * series[at - 1] + steps[at]
    return series


# ------------------------------------------------------------------------------------------------------------ correlation
@pytest.mark.parametrize("form", FORMS, ids=["pyarrow", "pandas", "polars", "stream"])
def test_the_mean_of_units_against_pearson_by_hand(form: Callable[[pa.Table], Any]) -> None:
    rng = np.random.default_rng(3)
    pairs = []
    for _ in range(6):
        x = rng.normal(size=60)
        pairs.append((x, 0.6 * x + rng.normal(size=60)))
    order = rng.permutation(360)
    frames = {name: form(table.take(order)) for name, table in both(pairs).items()}
    row = one(frames, max_lag_s=0)
    z = [np.arctanh(np.corrcoef(x, y)[0, 1]) for x, y in pairs]
    assert row["correlation"] == pytest.approx(np.tanh(np.mean(z)))
    turned = [abs(np.mean(z * signs)) for signs in np.array(np.meshgrid(*[[1, -1]] * 6)).reshape(6, -1).T]
    assert row["p_value"] == pytest.approx(np.mean(np.array(turned) >= np.mean(z) - 1e-12))
    assert row["ci_low"] < row["correlation"] < row["ci_high"]
    assert (row["n_units"], row["n_cells"], row["n_rows"], row["unit"]) == (6, 360, 720, "recording_id")
    assert (row["first"], row["second"], row["expression"], row["measure"], row["seed"]) == ("face", "voice", "Joy", "score", 0)
    assert row["lag_s"] is None


def test_recordings_of_a_person_are_one_unit_and_their_levels_do_not_count() -> None:
    rng = np.random.default_rng(5)
    # Each person's second recording is far above the first in both: over all rows that looks like perfect agreement.
    pairs = [(rng.normal(size=40) + 50 * (at % 2), rng.normal(size=40) + 50 * (at % 2)) for at in range(20)]
    frames = both(pairs, participant=[f"P{at // 2}" for at in range(20)])
    naive = np.corrcoef(np.concatenate([x for x, _ in pairs]), np.concatenate([y for _, y in pairs]))[0, 1]
    assert naive > 0.99
    with pytest.raises(UsageError, match="Say what is independent: unit='participant'"):
        agreement(frames)
    row = one(frames, unit="participant", max_lag_s=0)
    expected = []
    for at in range(0, 20, 2):
        x, y = (np.concatenate([pairs[n][side] - pairs[n][side].mean() for n in (at, at + 1)]) for side in (0, 1))
        expected.append(np.arctanh(np.corrcoef(x, y)[0, 1]))
    assert row["correlation"] == pytest.approx(np.tanh(np.mean(expected)))
    assert abs(row["correlation"]) < 0.2 and row["n_units"] == 10


def test_slow_series_that_have_nothing_to_do_with_each_other_are_not_significant() -> None:
    rng = np.random.default_rng(11)
    naive, honest = 0, 0
    for trial in range(40):
        pairs = [(slow(rng, 200), slow(rng, 200)) for _ in range(12)]
        x, y = (np.concatenate([pair[side] - pair[side].mean() for pair in pairs]) for side in (0, 1))
        r = np.corrcoef(x, y)[0, 1]
        naive += abs(r) * np.sqrt((len(x) - 2) / (1 - r**2)) > 1.96  # rows taken for independent
        row = one(both(pairs), max_lag_s=0, n_resamples=200, n_permutations=400, seed=trial)
        honest += row["p_value"] < 0.05
    assert naive >= 20
    assert honest <= 6


def test_a_lag_that_was_put_in_is_found() -> None:
    rng = np.random.default_rng(7)
    pairs = []
    for _ in range(8):
        x = slow(rng, 120, 0.6)
        pairs.append((x[3:], x[:-3] + 0.3 * rng.normal(size=117)))  # voice says at t what the face said 3 s before
    row = one(both(pairs), max_lag_s=6)
    assert (row["lag_s"], row["lag_low_s"], row["lag_high_s"]) == (3.0, 3.0, 3.0)
    by_hand = [np.arctanh(np.corrcoef(x[:-3], y[3:])[0, 1]) for x, y in pairs]
    assert row["correlation_at_lag"] == pytest.approx(np.tanh(np.mean(by_hand)))
    assert row["correlation_at_lag"] > row["correlation"]
    turned = one({"voice": both(pairs)["voice"], "face": both(pairs)["face"]}, max_lag_s=6)
    assert turned["lag_s"] == -3.0


series = st.lists(st.one_of(st.none(), st.integers(0, 8).map(lambda n: n / 8)), min_size=0, max_size=30)


@settings(deadline=None)
@given(series, series, st.integers(0, 5), st.integers(0, 3))
def test_gaps_and_lags_against_counting_it_out(x: list[Any], y: list[Any], begin: int, max_lag: int) -> None:
    face = faces(pa.array(x, pa.float64()))
    voice = speech(pa.array(y, pa.float64()), begin_s=float(begin))
    there = {at + begin: score for at, score in enumerate(y)}

    def pearson(lag: int) -> float | None:
        cells = [(a, there.get(at + lag)) for at, a in enumerate(x)]
        known = [(a, b) for a, b in cells if a is not None and b is not None]
        if len(known) < 10 or min(len(set(column)) for column in zip(*known, strict=True)) < 2:
            return None
        return float(np.corrcoef(*zip(*known, strict=True))[0, 1])

    try:
        row = one({"face": face, "voice": voice}, max_lag_s=max_lag)
    except UsageError:
        common = sum(a is not None and there.get(at) is not None for at, a in enumerate(x))
        assert common < 10
        return
    expected = [pearson(lag) for lag in range(-max_lag, max_lag + 1)]
    now = expected[max_lag]
    assert row["correlation"] == (now if now is None else pytest.approx(now, abs=1e-6))
    if max_lag and None not in expected:
        assert row["correlation_at_lag"] == pytest.approx(max(expected), abs=1e-6)  # type: ignore[type-var]
        assert expected[int(row["lag_s"]) + max_lag] == pytest.approx(max(expected), abs=1e-6)  # type: ignore[type-var]
    else:
        assert row["lag_s"] is None
    assert row["ci_low"] is None and row["p_value"] is None


def test_windows_count_by_how_far_they_reach_and_not_by_their_row() -> None:
    rng = np.random.default_rng(2)
    score = rng.normal(size=30)
    face = faces(np.repeat(score, 4), step_s=0.5)  # four frames in each window of 2 s
    row = one({"face": face, "voice": speech(score, length_s=2.0)}, max_lag_s=0)
    assert row["correlation"] == pytest.approx(1.0, abs=1e-6)
    assert row["n_cells"] == 60 and row["n_rows"] == 150


def test_three_modalities_give_every_pair_and_only_what_two_share() -> None:
    rng = np.random.default_rng(4)
    frames = both([(rng.normal(size=30), rng.normal(size=30)) for _ in range(3)])
    frames["words"] = frames["voice"].append_column("annoyance", frames["voice"]["joy"])
    frames["voice"] = frames["voice"].append_column("annoyance", pa.array(rng.normal(size=90)))
    answer = agreement(frames, max_lag_s=0)
    found = [(row["first"], row["second"], row["column"]) for row in answer.to_pylist()]
    assert found == [
        ("face", "voice", "joy"),
        ("face", "words", "joy"),
        ("voice", "words", "joy"),
        ("voice", "words", "annoyance"),
    ]
    assert answer["correlation"].to_pylist()[2] == pytest.approx(1.0, abs=1e-6)
    assert all(q >= p for p, q in zip(answer["p_value"].to_pylist(), answer["q_value"].to_pylist(), strict=True))
    with pytest.raises(UsageError, match="Of face: The frame has no expression 'annoyance'"):
        agreement(frames, "annoyance")


def test_the_same_seed_gives_the_same_answer() -> None:
    rng = np.random.default_rng(4)
    frames = both([(rng.normal(size=30), rng.normal(size=30)) for _ in range(4)])
    assert agreement(frames, seed=3).equals(agreement(frames, seed=3))
    assert not agreement(frames, seed=3).equals(agreement(frames, seed=4))


# --------------------------------------------------------------------------------------------------------------------- v1
def test_v1_is_taken_as_presence_for_its_scores_are_cut_off() -> None:
    recordings = [f"r{at}" for at in range(6)]

    def truth(recording: str, name: str, end_s: float) -> float:  # high for 9 s and rising, then gone
        return 0.5 + 0.02 * end_s if end_s <= 9 else 0.1

    def smile(at_s: float) -> float:  # high for 9 s too, and falling
        return 0.9 - 0.02 * at_s if at_s < 9 else 0.1

    scores, windows = audio(recordings, truth, ("joy",))
    smiles = pa.concat_tables([faces([smile(at / 2) for at in range(39)], each, step_s=0.5) for each in recordings])
    with pytest.raises(UsageError, match=r"Make a frame of presence first"):
        agreement({"face": smiles, "voice": scores})
    voice = presence(scores, windows)
    with pytest.raises(UsageError, match="face holds score, voice holds presence"):
        agreement({"face": smiles, "voice": voice})
    told = scores.drop_columns(["kind", "name"]).rename_columns({"probability": "joy"})
    naive = one({"face": smiles, "voice": told}, every_s=0.5, max_lag_s=0)
    assert naive["correlation"] < -0.8  # whatever was below the cutoff is missing from it
    above = pa.array([int(score > 0.4) for score in smiles["joy"].to_pylist()])
    face = smiles.set_column(2, "joy", above).append_column("measure", pa.array(["presence"] * smiles.num_rows))
    row = one({"face": face, "voice": voice}, every_s=0.5, max_lag_s=0)
    assert row["correlation"] > 0.8 and row["measure"] == "presence" and row["n_cells"] == 39 * 6


# -------------------------------------------------------------------------------------------------------------- bad input
def test_people_that_only_one_frame_tells_apart_are_not_averaged_unasked() -> None:
    rng = np.random.default_rng(6)
    x = rng.normal(size=30)
    face = pa.concat_tables([faces(x, face_id="face_0"), faces(rng.normal(size=30), face_id="face_1")])
    with pytest.raises(UsageError, match="face tells several apart by face_id in 1 of 1 recordings, such as r"):
        agreement({"face": face, "voice": speech(x)})
    assert one({"face": face, "voice": speech(x)}, mixed_people=True, max_lag_s=0)["n_rows"] == 90
    spoken = pa.concat_tables([speech(x, speaker_id="s0"), speech(-x, speaker_id="s1")])
    row = one({"voice": spoken, "words": spoken}, max_lag_s=0)  # both say whose a row is
    assert row["correlation"] == pytest.approx(1.0, abs=1e-6) and row["n_cells"] == 60


def test_rows_without_a_unit_are_counted_and_left_out() -> None:
    rng = np.random.default_rng(8)
    pairs = [(rng.normal(size=20), rng.normal(size=20)) for _ in range(4)]
    row = one(both(pairs, participant=["a", None, "b", None]), unit="participant", max_lag_s=0)
    assert (row["n_units"], row["n_rows"], row["n_rows_unlabelled"]) == (2, 80, 80)
    unlabelled = both(pairs, participant=[None] * 4)
    with pytest.raises(UsageError, match="participant is null in every row"):
        agreement(unlabelled, unit="participant")


def test_what_never_varies_has_no_correlation() -> None:
    rng = np.random.default_rng(9)
    row = one(both([(np.full(30, 0.3), rng.normal(size=30)) for _ in range(3)]))
    assert [row[name] for name in ("correlation", "ci_low", "p_value", "q_value", "lag_s")] == [None] * 5
    assert (row["n_units"], row["n_rows"]) == (0, 0)


NOISE = np.random.default_rng(10).normal(size=30)


@pytest.mark.parametrize(
    ("frames", "arguments", "message"),
    [
        ({"face": faces(NOISE)}, {}, "Pass two frames or more"),
        (faces(NOISE), {}, "Pass two frames or more"),
        ({"face": faces(NOISE), "voice": speech(NOISE).slice(0, 0)}, {}, "voice has no rows"),
        ({"face": faces(NOISE), "voice": speech(NOISE, "other")}, {}, "no recording and person in common"),
        ({"face": faces(NOISE), "voice": speech(NOISE, begin_s=500.0)}, {}, "at most 0 cells of 1 s in common"),
        ({"face": faces(NOISE[:1]), "voice": speech(NOISE[:1])}, {}, "at most 1 cells"),
        ({"face": faces(pa.nulls(30, pa.float64())), "voice": speech(NOISE)}, {}, "at most 0 cells"),
        ({"face": faces(NOISE).drop_columns("time_s"), "voice": speech(NOISE)}, {}, "Of face: A frame over time needs"),
        ({"face": faces(NOISE).drop_columns("recording_id"), "voice": speech(NOISE)}, {}, "face has no recording_id"),
        (
            {"face": faces(NOISE), "voice": speech(NOISE)},
            {"unit": "participant"},
            "Of face: The frame has no column 'participant'",
        ),
        ({"face": faces(NOISE), "voice": speech(NOISE).rename_columns({"joy": "anger"})}, {}, "no expression in common"),
        ({"face": faces(NOISE), "voice": speech(NOISE)}, {"every_s": 0.0}, "every_s is 0"),
        ({"face": faces(NOISE), "voice": speech(NOISE)}, {"max_lag_s": -1.0}, "max_lag_s is -1"),
        ({"face": faces(NOISE), "voice": speech(NOISE)}, {"max_lag_s": 1e6}, "1,000,000 steps"),
        ({"face": faces(NOISE), "voice": speech(NOISE)}, {"confidence": 1.0}, "confidence is 1"),
        ({"face": faces(NOISE), "voice": speech(NOISE)}, {"n_resamples": 5}, "n_resamples is 5"),
        (
            {"face": faces(NOISE), "voice": pa.concat_tables([speech(NOISE, settings_id="a"), speech(NOISE, settings_id="b")])},
            {},
            "Of voice: The frame has rows of several settings",
        ),
    ],
)
def test_wrong_use(frames: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        agreement(frames, **arguments)


# --------------------------------------------------------------------------------------------------------------- partings
def test_partings_against_z_scores_by_hand() -> None:
    rng = np.random.default_rng(12)
    x, y = rng.normal(size=50), rng.normal(size=50)
    y[20:24], x[20:24] = 4.0, -1.0
    y[40] = -5.0
    rows = partings({"face": faces(x), "voice": speech(y)}, z=2.5).to_pylist()
    difference = (y - y.mean()) / y.std() - (x - x.mean()) / x.std()
    apart = np.abs(difference) >= 2.5
    spans, at = [], 0
    while at < 50:
        if apart[at]:
            end = at + 1
            while end < 50 and apart[end] and difference[end] * difference[at] > 0:
                end += 1
            spans.append((at, end, difference[at:end].mean()))
            at = end
        else:
            at += 1
    expected = sorted(spans, key=lambda span: -abs(span[2]) * (span[1] - span[0]))
    assert [(row["begin_s"], row["end_s"]) for row in rows] == [(begin, end) for begin, end, _ in expected]
    assert [row["difference"] for row in rows] == pytest.approx([each for *_, each in expected])
    first = rows[0]
    assert (first["begin_s"], first["end_s"], first["score_second"], first["score_first"]) == (20, 24, 4.0, -1.0)
    assert (first["recording_id"], first["n_units"], first["n_cells"], first["n_rows"], first["seed"]) == ("r", 1, 4, 100, None)
    assert first["difference"] == pytest.approx(first["z_second"] - first["z_first"])
    assert partings({"face": faces(x), "voice": speech(y)}, z=2.5, k=1).to_pylist() == rows[:1]


def test_a_parting_ends_at_a_gap_and_with_its_recording() -> None:
    x, y = np.tile([0.1, 0.2], 20), np.tile([0.1, 0.2], 20)
    y[37:] = 0.9
    gap = [at for at in range(40) if at != 38]
    frames = both([(x, y), (x, y)])
    voice = frames["voice"].take([*gap, *(at + 40 for at in gap)])
    rows = partings({"face": frames["face"], "voice": voice}).to_pylist()
    assert sorted((row["recording_id"], row["begin_s"]) for row in rows) == [
        ("r000", 37.0), ("r000", 39.0), ("r001", 37.0), ("r001", 39.0)
    ]  # fmt: skip


def test_partings_of_hardly_anything() -> None:
    flat = partings({"face": faces(np.full(30, 0.5)), "voice": speech(NOISE)})
    assert flat.num_rows == 0 and "difference" in flat.column_names
    assert partings({"face": faces(NOISE), "voice": speech(NOISE, begin_s=99.0)}).num_rows == 0
    for arguments, message in (({"z": 0.0}, "z is 0"), ({"k": 0}, "k is 0")):
        with pytest.raises(UsageError, match=message):
            partings({"face": faces(NOISE), "voice": speech(NOISE)}, **arguments)


# --------------------------------------------------------------------------------------------------------------- timeline
def test_a_timeline_of_several_modalities_shares_its_cells() -> None:
    face = faces([0.1, 0.2, 0.3], begin_s=0.5, face_id="face_0", anger=0.5)
    voice = speech([0.6, 0.8], begin_s=1.0, length_s=2.0, speaker_id="s")
    answer = timeline({"face": face, "voice": voice}, every_s=1)
    assert answer.column_names[0] == "modality"
    assert answer.select(["modality", "person", "begin_s", "joy", "anger", "n_rows"]).to_pylist() == [
        {"modality": "face", "person": "face_0", "begin_s": 0.0, "joy": 0.1, "anger": 0.5, "n_rows": 1},
        {"modality": "face", "person": "face_0", "begin_s": 1.0, "joy": 0.2, "anger": 0.5, "n_rows": 1},
        {"modality": "face", "person": "face_0", "begin_s": 2.0, "joy": 0.3, "anger": 0.5, "n_rows": 1},
        *(
            {"modality": "voice", "person": "s", "begin_s": at, "joy": joy, "anger": None, "n_rows": 1}
            for at, joy in ((1.0, 0.6), (2.0, 0.6), (3.0, 0.8), (4.0, 0.8))
        ),
    ]
    assert set(answer["method"].to_pylist()) == {"means over cells of 1 s, windows by how far they reach in"}
    assert set(answer["measure"].to_pylist()) == {"score"} and set(answer["n_units"].to_pylist()) == {1}


@pytest.mark.parametrize(
    ("frames", "arguments", "message"),
    [
        ({}, {"every_s": 1}, "There is no modality"),
        ({"face": faces(NOISE)}, {}, "say every_s"),
        ({"face": faces(NOISE)}, {"every_s": 1, "person": "x"}, "choose rows in each frame"),
        ({"face": faces(NOISE), "voice": speech(NOISE, "other")}, {"every_s": 1}, "face of 'r', voice of 'other'"),
        ({"face": faces(NOISE), "voice": speech(NOISE, measure="presence")}, {"every_s": 1}, "presence and score"),
        (
            {"face": faces(NOISE), "voice": speech(NOISE)},
            {"every_s": 1, "expressions": "anger"},
            "Of face: .*anger is an expression",
        ),
    ],
)
def test_wrong_use_of_several_modalities(frames: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        timeline(frames, **arguments)
