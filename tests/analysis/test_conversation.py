"""Chats: how each side's voice moved, and what it did after the other; against numpy, known truths, and real lakes of turns."""

from __future__ import annotations

import itertools
import json
import shutil
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from v1_frames import audio

import humeanalytics as ha
from humeanalytics.analysis.conversations import conversation
from humeanalytics.analysis.presence import presence
from humeanalytics.analysis.responses import responses
from humeanalytics.errors import UsageError
from humeanalytics.sandbox.embedded import Sandbox
from humeanalytics.sandbox.options import SandboxOptions

FORMS: list[Callable[[pa.Table], Any]] = [lambda t: t, lambda t: t.to_pandas(), pl.from_arrow, lambda t: t.to_reader()]
SAMPLES = Path(__file__).parents[1] / "tables" / "samples"
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
Turn = tuple[str, float | None]


@pytest.fixture(autouse=True)
def no_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ResourceWarning)  # other tests leave sockets, collected at any time
        yield


def chats(**of: list[Turn]) -> pa.Table:
    """Chat -> its turns, one a minute, each a speaker (``greeting`` for that of the assistant) and a score of joy and anger."""
    rows: list[dict[str, Any]] = []
    for chat_id, turns in of.items():
        for at, (speaker, joy) in enumerate(turns):
            when = START + timedelta(minutes=at)
            rows.append(
                {
                    "chat_group_id": None,
                    "chat_id": chat_id,
                    "turn": at + 1,
                    "speaker": "assistant" if speaker == "greeting" else speaker,
                    "first_at": when,
                    "last_at": when,
                    "greeting": speaker == "greeting",
                    "scored_messages": int(joy is not None),
                    "joy": joy,
                    "anger": joy,
                }
            )
    schema = pa.schema(
        [(name, pa.string()) for name in ("chat_group_id", "chat_id")]
        + [("turn", pa.int64()), ("speaker", pa.string())]
        + [(name, pa.timestamp("us", "UTC")) for name in ("first_at", "last_at")]
        + [("greeting", pa.bool_()), ("scored_messages", pa.int64()), ("joy", pa.float64()), ("anger", pa.float64())]
    )
    return pa.Table.from_pylist(rows, schema)


def alternating(caller: Any, assistant: Any) -> list[Turn]:
    pairs = itertools.zip_longest(caller, assistant)
    return [turn for a, b in pairs for turn in (("caller", a), ("assistant", b)) if turn[1] is not None]


# ----------------------------------------------------------------------------------------------------------- conversation
@pytest.mark.parametrize("form", FORMS, ids=["pyarrow", "pandas", "polars", "stream"])
def test_how_each_side_moved(form: Callable[[pa.Table], Any]) -> None:
    caller, assistant = [0.9, 0.7, 0.75, 0.4, 0.3, 0.35], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    frame = chats(one=[("greeting", 5.0), *alternating(caller, assistant)], two=[("caller", 0.5)])
    rows = conversation(form(frame.take(np.random.default_rng(0).permutation(frame.num_rows))), "joy").to_pylist()
    assert [(row["chat_id"], row["speaker"]) for row in rows] == [("one", "caller"), ("one", "assistant"), ("two", "caller")]
    for row, scores, begin in ((rows[0], caller, 1), (rows[1], assistant, 2)):
        assert row["mean"] == pytest.approx(np.mean(scores))
        assert (row["at_start"], row["at_end"]) == pytest.approx((np.mean(scores[:2]), np.mean(scores[-2:])))
        assert row["change"] == pytest.approx(np.mean(scores[-2:]) - np.mean(scores[:2]))
        assert row["sd"] == pytest.approx(np.std(scores))
        assert row["change_in_sd"] == pytest.approx(row["change"] / np.std(scores))
        minutes = begin + 2 * np.arange(6)
        assert row["slope_per_min"] == pytest.approx(np.polyfit(minutes, scores, 1)[0])
        assert (row["n_turns"], row["n_rows"], row["n_units"], row["minutes"]) == (6, 6, 1, minutes[-1])
        assert (row["measure"], row["seed"]) == ("score", None)
    single = rows[2]
    assert (single["mean"], single["at_start"], single["at_end"], single["sd"], single["n_turns"]) == (0.5, 0.5, 0.5, 0.0, 1)
    assert [single[name] for name in ("change", "change_in_sd", "slope_per_min")] == [None] * 3


turn = st.tuples(
    st.sampled_from(["caller", "assistant"]), st.one_of(st.none(), st.integers(0, 16).map(lambda n: n / 16)), st.integers(1, 4)
)


@given(st.lists(st.lists(turn, min_size=1, max_size=12), min_size=1, max_size=3))
def test_against_walking_through_the_turns(given_chats: list[list[tuple[str, float | None, int]]]) -> None:
    frame = chats(**{f"c{at}": [(speaker, joy) for speaker, joy, _ in turns] for at, turns in enumerate(given_chats)})
    messages = [count if joy is not None else 0 for turns in given_chats for _, joy, count in turns]
    frame = frame.set_column(frame.column_names.index("scored_messages"), "scored_messages", pa.array(messages))
    answer = {(row["chat_id"], row["speaker"]): row for row in conversation(frame, "joy").to_pylist()}
    assert len(answer) == sum(len({speaker for speaker, *_ in turns}) for turns in given_chats)
    for (chat_id, speaker), row in answer.items():
        its = [(at, *each) for at, each in enumerate(given_chats[int(chat_id[1:])]) if each[0] == speaker]
        known = [(at, joy, count) for at, _, joy, count in its if joy is not None]
        assert (row["n_turns"], row["n_rows"]) == (len(its), len(known))
        if not known:
            assert row["mean"] is None and row["slope_per_min"] is None and row["sd"] is None
            continue
        minute, joy, weight = (np.array(column, float) for column in zip(*known, strict=True))
        third = max(1, len(known) // 3)
        assert row["mean"] == pytest.approx(np.average(joy, weights=weight))
        assert row["at_start"] == pytest.approx(np.average(joy[:third], weights=weight[:third]))
        assert row["at_end"] == pytest.approx(np.average(joy[-third:], weights=weight[-third:]))
        if len(known) > 1:
            slope = np.polyfit(minute, joy, 1, w=np.sqrt(weight))[0]
            assert row["slope_per_min"] == pytest.approx(slope, abs=1e-9)
        else:
            assert row["slope_per_min"] is None


# -------------------------------------------------------------------------------------------------------------- responses
def talks(
    seed: int, n_chats: int, n_turns: int, *, effect: float = 0.0, reaction: float = 0.0, trait: float = 0.0
) -> tuple[pa.Table, Any]:
    """Chats of callers who come back to their mean, and an assistant whose tone (calmness) answers their anger and may move it.

    Returns:
        The turns, and of each observation anger before, tone, anger after, a row each.
    """
    rng = np.random.default_rng(seed)
    made, observed = {}, []
    for chat in range(n_chats):
        usual, anger, turns = trait * rng.normal(), rng.normal(), []
        for _ in range(n_turns):
            tone = reaction * anger + rng.normal()
            after = usual + 0.4 * (anger - usual) + effect * tone + rng.normal()
            turns += [("caller", anger), ("assistant", tone)]
            observed.append((anger, tone, after))
            anger = after
        made[f"c{chat:03}"] = [*turns, ("caller", anger)]
    frame = chats(**made)  # type: ignore[arg-type]
    return frame, np.array(observed)


def test_an_effect_against_regression_by_hand_and_every_turn_of_signs() -> None:
    frame, observed = talks(1, 8, 6, effect=-0.5, reaction=0.8)
    (row,) = responses(frame, "anger", "joy", n_resamples=400).to_pylist()
    before, tone, after = observed.T
    design = np.column_stack([np.ones(len(tone)), tone, before])
    coefficients, *_ = np.linalg.lstsq(design, after, rcond=None)
    assert row["effect"] == pytest.approx(coefficients[1] * tone.std())
    left = [each - np.polyval(np.polyfit(before, each, 1), before) for each in (tone, after - before)]
    assert row["correlation"] == pytest.approx(np.corrcoef(*left)[0, 1])
    high = tone > np.median(tone)
    for name, which in (("change_after_high", high), ("change_after_low", ~high)):
        assert row[name] == pytest.approx((after - before).mean() + left[1][which].mean())
    gains = (left[0] * left[1]).reshape(8, 6).mean(axis=1)
    turned = [abs(np.mean(gains * signs)) for signs in itertools.product((1, -1), repeat=8)]
    assert row["p_value"] == pytest.approx(np.mean(np.array(turned) >= abs(gains.mean()) - 1e-12))
    assert row["ci_low"] < row["effect"] < row["ci_high"] and row["effect"] < 0
    assert (row["n_units"], row["n_rows"], row["unit"], row["speaker"]) == (8, 48, "chat_group_id", "caller")
    assert (row["expression"], row["after_speaker"], row["after"]) == ("Anger", "assistant", "Joy")


def test_who_answers_anger_gently_has_not_calmed_it() -> None:
    naive, honest = [], 0
    for seed in range(30):
        frame, observed = talks(seed, 14, 6, reaction=1.0, trait=0.5)
        before, tone, after = observed.T
        naive.append(np.corrcoef(after - before, tone)[0, 1])
        (row,) = responses(frame, "anger", "joy", n_resamples=100, n_permutations=400, seed=seed).to_pylist()
        honest += row["p_value"] < 0.05
    # Callers only came back to what is usual for them; of 84 observations -0.22 would be significant.
    assert np.mean(naive) < -0.25 and sum(r < -0.22 for r in naive) >= 20
    assert honest <= 5


def test_an_effect_that_was_put_in_is_found_whoever_responds() -> None:
    frame, _ = talks(3, 60, 8, effect=-0.6, reaction=0.5)
    (row,) = responses(frame, "anger", "joy").to_pylist()
    assert row["ci_low"] < -0.6 * np.sqrt(1.25) < row["ci_high"] + 0.15 and row["p_value"] < 0.001
    (reaction,) = responses(frame, "anger", "joy", of="assistant").to_pylist()
    assert reaction["speaker"] == "assistant" and reaction["after_speaker"] == "caller"
    assert reaction["effect"] > 0 and reaction["p_value"] < 0.001


def test_turns_count_only_three_in_a_row_of_one_chat() -> None:
    ok = alternating([0.1, 0.2, 0.4, 0.3], [0.5, 0.9, 0.1])
    frame = chats(
        a=[("greeting", 0.9), *ok],
        b=[("caller", 0.1), ("assistant", 0.5)],
        c=[("caller", 0.1), ("assistant", 0.5), ("assistant", 0.6), ("caller", 0.3)],
        d=[("caller", 0.2), ("assistant", None), ("caller", 0.5)],
        e=[("greeting", 0.3), ("caller", 0.3), ("assistant", 0.1), ("caller", 0.8)],
    )
    (row,) = responses(frame, "anger", "joy").to_pylist()
    assert (row["n_rows"], row["n_units"]) == (4, 2)
    gone = [
        chat == "e" and number == 3 for chat, number in zip(*(frame[n].to_pylist() for n in ("chat_id", "turn")), strict=True)
    ]
    without = frame.filter(pa.array([not each for each in gone]))
    (row,) = responses(without, "anger", "joy").to_pylist()
    assert (row["n_rows"], row["n_units"], row["p_value"]) == (3, 1, None)


def test_people_are_the_unit_where_the_frame_tells_them() -> None:
    frame, _ = talks(4, 12, 5)
    person = [f"P{int(chat[1:]) // 3}" if chat != "c011" else None for chat in frame["chat_id"].to_pylist()]
    frame = frame.append_column("participant", pa.array(person))
    with pytest.raises(UsageError, match="Say what is independent: unit='participant'"):
        responses(frame, "anger", "joy")
    (row,) = responses(frame, "anger", "joy", unit="participant").to_pylist()
    assert (row["n_units"], row["n_rows"], row["n_rows_unlabelled"], row["unit"]) == (4, 55, 11, "participant")
    assert responses(frame, "anger", "joy", unit="chat_id")["n_units"].to_pylist() == [12]
    groups = pa.array([each[:3] for each in frame["chat_id"].to_pylist()])
    grouped = frame.drop_columns("participant").set_column(0, "chat_group_id", groups)
    assert responses(grouped, "anger", "joy")["n_units"].to_pylist() == [2]


# -------------------------------------------------------------------------------------------------------------- real lakes
@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ha.Lake]:
    folder = tmp_path_factory.mktemp("chats") / "lake"
    with Sandbox(options=SandboxOptions(evi_chats=8, evi_events_per_chat=24, evi_running=0)) as hume:
        ha.export_chats(folder, settings=hume.settings.model_copy(update={"requests_per_s": 10_000.0}))
    with ha.open_lake(folder) as opened:
        yield opened


def test_turns_of_an_exported_account(lake: ha.Lake) -> None:
    answer = conversation(lake["turns"]).to_pylist()
    turns = [row for row in lake["turns"].rows() if not row["greeting"]]
    sides = {(row["chat_id"], row["speaker"]) for row in turns}
    assert len(answer) == 48 * len(sides)
    for row in (row for row in answer if row["column"] == "anger"):
        its = [each for each in turns if (each["chat_id"], each["speaker"]) == (row["chat_id"], row["speaker"])]
        known = [each for each in its if each["anger"] is not None]
        assert (row["n_turns"], row["n_rows"]) == (len(its), len(known))
        if known:
            weights = [each["scored_messages"] for each in known]
            assert row["mean"] == pytest.approx(np.average([each["anger"] for each in known], weights=weights))
    told = responses(lake["turns"], ["anger", "joy"], ["sympathy"])
    assert told.num_rows == 2 and all(row["n_units"] > 1 and 0 < row["p_value"] <= 1 for row in told.to_pylist())
    made = ha.composite(lake["turns"], "frustration")
    assert set(conversation(made)["column"].to_pylist()) == {"frustration"}
    assert responses(made).num_rows == 1
    assert made.schema.metadata[b"synthetic"] == b"true"  # so that a picture of it says so


def test_turns_of_saved_chats(tmp_path: Path) -> None:
    (tmp_path / "saved").mkdir()
    for path in SAMPLES.glob("v0_evi_*.json"):
        shutil.copy(path, tmp_path / "saved")
    ha.ingest(tmp_path / "saved", tmp_path / "lake")
    told = json.loads((SAMPLES / "v0_evi_chats_id.json").read_bytes())["events_page"]
    said = next(json.loads(event["emotion_features"]) for event in told if event["type"] == "USER_MESSAGE")
    with ha.open_lake(tmp_path / "lake") as saved:
        rows = [row for row in conversation(saved["turns"]).to_pylist() if row["speaker"] == "caller"]
        assert {row["expression"]: row["mean"] for row in rows if row["n_rows"]} == pytest.approx(said)
        with pytest.raises(UsageError, match="Nowhere in the frame does the assistant speak between two turns of the caller"):
            responses(saved["turns"])


# -------------------------------------------------------------------------------------------------------------- bad input
FRAME, _ = talks(5, 3, 3)


@pytest.mark.parametrize("ask", [conversation, responses])
@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (FRAME.slice(0, 0), "has no turns"),
        (FRAME.drop_columns(["turn", "greeting"]), "lacks turn, greeting, so it is no frame of turns"),
        (pa.concat_tables([FRAME, FRAME.slice(3, 1)]), r"Turn 4 of chat 'c000' is there twice \(of 1 such\)"),
        (FRAME.set_column(3, "speaker", pa.array(["agent"] * FRAME.num_rows)), "speaker is agent in some rows"),
        (FRAME.set_column(3, "speaker", pa.nulls(FRAME.num_rows, pa.string())), "speaker is null in some rows"),
        (FRAME.set_column(4, "first_at", pa.array([1.0] * FRAME.num_rows)), "first_at is no time but double"),
        (FRAME.append_column("settings_id", pa.array(["a", *["b"] * (FRAME.num_rows - 1)])), "several settings"),
    ],
)
def test_frames_that_are_no_turns(ask: Callable[..., Any], frame: pa.Table, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ask(frame, "joy")


def test_v1_has_no_turns_and_its_scores_no_means() -> None:
    # What was told of the caller is high; in most turns nothing was: of presence, that is what the answer says.
    scores, windows = audio(["r"], lambda recording, name, end_s: 0.9 if end_s <= 6 else 0.1, ("joy",))
    for ask in (conversation, responses):
        with pytest.raises(UsageError, match="Make a frame of presence first"):
            ask(scores)
    made = presence(scores, windows)
    n = made.num_rows
    frame = chats(c=[("caller", 0.0)] * n).drop_columns(["joy", "anger", "scored_messages"])
    for name in ("joy", "measure"):
        frame = frame.append_column(made.schema.field(name), made[name])
    (row,) = conversation(frame).to_pylist()
    assert (row["mean"], row["measure"]) == (pytest.approx(2 / 7), "presence")
    assert np.mean(scores["probability"].to_pylist()) == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"of": "user"}, "of is 'user'"),
        ({"confidence": 0.0}, "confidence is 0"),
        ({"n_permutations": 9}, "n_permutations is 9"),
        ({"unit": "participant"}, "no column 'participant'"),
        ({"expressions": "fear"}, "no expression 'fear'"),
        ({"after": "fear"}, "no expression 'fear'"),
    ],
)
def test_wrong_use_of_responses(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        responses(FRAME, **arguments)


def test_hardly_anything() -> None:
    flat = chats(a=alternating([0.5] * 5, [0.1, 0.2, 0.3, 0.4]), b=alternating([0.5] * 5, [0.4, 0.1, 0.2, 0.9]))
    (row,) = responses(flat, "anger", "joy").to_pylist()
    assert [row[name] for name in ("effect", "ci_low", "correlation", "p_value", "q_value")] == [None] * 5
    assert (row["change_after_low"], row["change_after_high"], row["n_units"]) == (0.0, 0.0, 2)
    assert conversation(flat, "joy")["change_in_sd"].to_pylist()[0] is None
    with pytest.raises(UsageError, match="No three turns in a row have scores"):
        responses(chats(a=[("caller", None), ("assistant", None), ("caller", None)]), "anger", "joy")
    silent = conversation(chats(a=[("caller", None), ("assistant", 0.5)]), "joy").to_pylist()
    assert (silent[0]["mean"], silent[0]["n_turns"], silent[0]["n_rows"]) == (None, 1, 0)
    unlabelled = FRAME.append_column("who", pa.nulls(FRAME.num_rows, pa.string()))
    with pytest.raises(UsageError, match="who is null in every row"):
        responses(unlabelled, unit="who")
    assert conversation(chats(a=[("greeting", 0.5)])).num_rows == 0
