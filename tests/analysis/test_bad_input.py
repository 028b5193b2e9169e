"""Whatever is passed: a right answer or an error that says what is missing; never a warning, NaN, or an error of a library."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import humeanalytics as ha
from humeanalytics.errors import UsageError

N = 24
_AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
MIX = ha.Composite("mix", "1", {"Joy": 1, "Anger": -1})


def rows(n: int = N) -> pd.DataFrame:
    """Speech of four people in two conditions, two recordings each, of windows that overlap; as turns of chats too."""
    at = np.arange(n)
    whose = at * 4 // max(n, 1)
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(
        {
            "recording_id": [f"r{w}{k % 2}" for w, k in zip(whose, at, strict=True)],
            "scoring_id": [f"s{w}{k % 2}" for w, k in zip(whose, at, strict=True)],
            "speaker_id": pd.Series(["spk_0"] * n, dtype=object),
            "participant": [f"P{w}" for w in whose],
            "condition": [("alone", "together")[w % 2] for w in whose],
            "begin_s": at * 2.0,
            "end_s": at * 2.0 + 3.0,
            "text": [f"word {k}" for k in at],
            "confidence": np.full(n, 0.9),
            "joy": rng.random(n).astype(np.float32),
            "anger": rng.random(n).astype(np.float32),
            "chat_id": [f"c{w}" for w in whose],
            "turn": at,
            "speaker": [("caller", "assistant")[k % 2] for k in at],
            "greeting": np.zeros(n, bool),
            "first_at": pd.Series([_AT + timedelta(seconds=2 * int(k)) for k in at], dtype="datetime64[us, UTC]"),
            "last_at": pd.Series([_AT + timedelta(seconds=2 * int(k) + 3) for k in at], dtype="datetime64[us, UTC]"),
        }
    )
    return frame


def with_(**columns: Any) -> pd.DataFrame:
    return rows().assign(**columns)


def some(values: Any, other: Any) -> list[Any]:
    """Every other row one, then the other."""
    return [(values, other)[k % 2] for k in range(N)]


FRAMES: dict[str, Callable[[], Any]] = {
    "as it should be": rows,
    "empty": lambda: rows(0),
    "empty, of types": lambda: pa.Table.from_pandas(rows(), preserve_index=False).slice(0, 0),
    "one row": lambda: rows(1),
    "two rows": lambda: rows(2),
    "five rows": lambda: rows(5),
    "no columns": lambda: pa.table({}),
    "no expressions": lambda: rows().drop(columns=["joy", "anger"]),
    "one expression": lambda: rows().drop(columns=["anger"]),
    "scores all null": lambda: with_(joy=None, anger=None).astype({"joy": "float32", "anger": "float32"}),
    "one expression all null": lambda: with_(anger=np.full(N, np.nan)),
    "one expression of null type": lambda: pa.Table.from_pandas(with_(anger=None)),
    "scores half null": lambda: with_(joy=some(0.5, None)),
    "NaN, not null": lambda: pl.from_pandas(rows()).with_columns(joy=pl.lit(float("nan"))),
    "infinite scores": lambda: with_(joy=some(math.inf, 0.25), anger=some(math.inf, -math.inf)),
    "nothing varies": lambda: with_(joy=0.5, anger=0.0),
    "nothing varies, in thirds": lambda: with_(joy=1 / 3, anger=0.1),
    "all zero": lambda: with_(joy=0.0, anger=0.0),
    "scores of int": lambda: with_(joy=some(0, 1), anger=some(1, 0)),
    "scores of text": lambda: with_(joy="high", anger="low"),
    "scores huge": lambda: with_(joy=some(1e300, -1e300)),
    "one group": lambda: with_(condition="alone"),
    "one person": lambda: with_(participant="P0", chat_id="c0"),
    "one person a group": lambda: rows()[lambda t: t.participant.isin(["P0", "P1"])],
    "labels all null": lambda: with_(participant=None, condition=None),
    "labels half null": lambda: with_(participant=some("P0", None), condition=some(None, "alone")),
    "labels never both": lambda: with_(participant=some("P0", None), condition=some(None, "alone"), chat_id=some("c0", None)),
    "labels of numbers and NaN": lambda: pl.from_pandas(rows()).with_columns(participant=pl.Series(some(1.0, math.nan))),
    "labels of lists": lambda: with_(participant=[["P0"]] * N, condition=[["alone"]] * N),
    "labels of bytes": lambda: with_(participant=b"\xff\xfe", condition=b"\xfa"),
    "labels of many scripts": lambda: with_(participant=some("Zoë 😀", "王'\"\n"), condition=some("", "ｘ\u0000")),
    "labels in categories": lambda: rows().astype({"participant": "category", "condition": "category", "chat_id": "category"}),
    "labels in categories of polars": lambda: pl.from_pandas(rows()).with_columns(
        pl.col("participant", "condition", "recording_id", "speaker_id", "speaker", "chat_id").cast(pl.Categorical)
    ),
    "no labels": lambda: rows().drop(columns=["participant", "condition"]),
    "no ids": lambda: rows().drop(columns=["recording_id", "scoring_id", "chat_id"]),
    "ids null": lambda: with_(recording_id=None, scoring_id=None, chat_id=None),
    "no times": lambda: rows().drop(columns=["begin_s", "end_s", "first_at", "last_at"]),
    "times half null": lambda: with_(begin_s=some(1.0, None), first_at=some(_AT, None)),
    "times all null": lambda: with_(begin_s=np.nan, end_s=np.nan, first_at=pd.NaT, last_at=pd.NaT),
    "times infinite": lambda: with_(end_s=some(math.inf, 70.0), begin_s=some(-math.inf, 1.0)),
    "times negative": lambda: rows().assign(begin_s=lambda t: t.begin_s - 100, end_s=lambda t: t.end_s - 100),
    "ends before it begins": lambda: rows().assign(end_s=lambda t: t.begin_s - 1, last_at=lambda t: t.first_at - timedelta(1)),
    "all at one time": lambda: with_(begin_s=1.0, end_s=1.0, first_at=_AT, last_at=_AT),
    "times of text": lambda: with_(begin_s="soon", end_s="later", first_at="soon", last_at="later", turn="one"),
    "times of day": lambda: rows().assign(begin_s=lambda t: t.first_at, end_s=lambda t: t.last_at),
    "times huge": lambda: with_(end_s=some(1e18, 50.0)),
    "only ends": lambda: rows().drop(columns=["begin_s", "first_at"]),
    "frames and windows": lambda: with_(time_s=1.0),
    "rows twice": lambda: pd.concat([rows(), rows()]),
    "a column twice": lambda: pa.Table.from_arrays([pa.array([0.5, 0.25])] * 2, ["joy", "joy"]),
    "turns of nobody": lambda: with_(turn=None, speaker="ghost", greeting=None),
    "greetings of text": lambda: with_(greeting="no"),
    "greetings all": lambda: with_(greeting=1),
    "columns twice, of pandas": lambda: pd.concat([rows(), rows()[["joy"]]], axis=1),
    "a lazy frame": lambda: pl.from_pandas(rows()).lazy(),
    "no frame": lambda: [1, 2, 3],
}

LABELS = {"participant", "condition"}
ANALYSES: dict[str, Callable[[Any], pa.Table]] = {
    "summarise": ha.summarise,
    "summarise by recording": lambda frame: ha.summarise(frame, "recording"),
    "timeline": ha.timeline,
    "timeline on a grid": lambda frame: ha.timeline(frame, recording="r00", every_s=1.0, smooth_s=3.0),
    "timeline of two": lambda frame: ha.timeline({"a": frame, "b": frame}, recording="r00", every_s=1.0),
    "top": lambda frame: ha.top(frame, n_resamples=100),
    "top of each condition": lambda frame: ha.top(frame, by="condition", each=True, n_resamples=100),
    "top by condition": lambda frame: ha.top(frame, by="condition", relative_to=frame, n_resamples=100),
    "compare": lambda frame: ha.compare(frame, "condition", "participant", n_resamples=100, n_permutations=100),
    "baseline z": ha.baseline,
    "baseline difference": lambda frame: ha.baseline(frame, how="difference"),
    "baseline share": lambda frame: ha.baseline(frame, how="share"),
    "baseline range": lambda frame: ha.baseline(frame, how="range"),
    "agreement": lambda frame: ha.agreement(
        {"a": frame, "b": frame}, unit="participant", max_lag_s=2, n_resamples=100, n_permutations=100
    ),
    "partings": lambda frame: ha.partings({"a": frame, "b": frame}, unit="participant"),
    "events": ha.events,
    "events and changes": lambda frame: ha.events(frame, changes=True, by="condition"),
    "drift": lambda frame: ha.drift(frame, time="first_at", n_resamples=100, n_permutations=100),
    "quality": ha.quality,
    "quality by condition": lambda frame: ha.quality(frame, by="condition"),
    "composite": lambda frame: ha.composite(frame, MIX),
    "composite relative": lambda frame: ha.composite(frame, MIX, relative_to=frame),
    "conversation": ha.conversation,
    "responses": lambda frame: ha.responses(frame, "joy", "anger", unit="participant", n_resamples=100, n_permutations=100),
    "presence": lambda frame: ha.presence(frame, frame),
}


#: Where an answer keeps the columns of the frame, whatever they hold.
_KEEPING = (
    "baseline z",
    "baseline difference",
    "baseline share",
    "baseline range",
    "composite",
    "composite relative",
    "presence",
)
_KEPT = {analysis: set(rows().columns) for analysis in _KEEPING}
#: What these ask for besides, so that even the right frame is none for them.
_OTHERS = {"timeline", "presence", "drift"}


@pytest.mark.parametrize("frame", FRAMES)
def test_a_right_answer_or_an_error_that_says_why(frame: str) -> None:
    given = FRAMES[frame]()
    for analysis, ask in ANALYSES.items():
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", ResourceWarning)  # other tests leave sockets, collected at any time
            try:
                answer = ask(given)
            except UsageError as error:
                assert len(str(error)) > 20, analysis
                assert frame != "as it should be" or analysis in _OTHERS, analysis
                continue
        assert {"n_units", "n_rows", "method", "seed"} <= set(answer.column_names), analysis
        assert len(set(answer.column_names)) == answer.num_columns, analysis
        made = [name for name in answer.column_names if name in ("joy", "anger") or name not in _KEPT.get(analysis, ())]
        for name in made:
            if pa.types.is_floating(answer[name].type):
                assert np.isfinite(answer[name].drop_null().to_numpy()).all(), (analysis, name)


@pytest.mark.parametrize("seed", [-1, None, 0.5, "7", 2**70])
@pytest.mark.parametrize("analysis", ["top", "compare", "agreement", "responses", "drift"])
def test_a_seed_that_cannot_be_drawn_from_again(analysis: str, seed: Any) -> None:
    asked: dict[str, Callable[..., pa.Table]] = {
        "top": ha.top,
        "compare": lambda frame, **more: ha.compare(frame, "condition", "participant", **more),
        "agreement": lambda frame, **more: ha.agreement({"a": frame, "b": frame}, unit="participant", **more),
        "responses": lambda frame, **more: ha.responses(frame, "joy", "anger", unit="participant", **more),
        "drift": lambda frame, **more: ha.drift(
            frame.assign(day=frame["recording_id"].str[1:].astype(float)), time="day", **more
        ),
    }
    with pytest.raises(UsageError, match="seed is"):
        asked[analysis](rows(), seed=seed)


def test_a_score_that_is_not_finite_is_none() -> None:
    given = rows()
    for other in (math.inf, -math.inf, math.nan):
        joy = given["joy"].where(given.index % 3 != 0, other).astype("float64")
        none = pa.Table.from_pandas(given.assign(joy=joy.where(given.index % 3 != 0)), preserve_index=False)
        for analysis in (
            "summarise",
            "top",
            "compare",
            "baseline z",
            "events",
            "composite",
            "conversation",
            "timeline on a grid",
        ):
            found = ANALYSES[analysis](pa.Table.from_pandas(given.assign(joy=joy), preserve_index=False))
            assert found.drop_columns([n for n in found.column_names if n == "joy"]).equals(
                ANALYSES[analysis](none).drop_columns([n for n in found.column_names if n == "joy"])
            ), analysis


def test_texts_in_place_of_scores_are_not_left_out_without_a_word() -> None:
    with pytest.raises(UsageError, match="'joy' is called as an expression and holds texts"):
        ha.summarise(with_(joy="0,3"))
    assert ha.summarise(with_(joy="0,3"), expressions="anger").num_rows == 4


def test_a_column_that_is_there_twice() -> None:
    twice = pa.Table.from_pandas(rows(), preserve_index=False)
    twice = twice.append_column("joy", twice["anger"])
    for ask in (ha.top, ha.baseline, lambda frame: ha.summarise(frame, expressions="joy")):
        with pytest.raises(UsageError, match="several columns 'joy'"):
            ask(twice)


def test_a_kind_that_v1_does_not_tell() -> None:
    measured = pa.table({"recording_id": ["r"], "scoring_id": ["s"], "measurement_id": ["m"], "expressions": [0]})
    scores = pa.table(
        {name: pa.array([], pa.string()) for name in ("recording_id", "scoring_id", "measurement_id", "kind", "name")}
    )
    with pytest.raises(UsageError, match="no kind 'expressionn'; it is one of expression, voice_attribute, description"):
        ha.presence(scores, measured, kind="expressionn")
