"""What must not be taken together is refused by every analysis; and what v1 told is never averaged as it came."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from v1_frames import audio

import humeanalytics as ha
from humeanalytics.errors import UsageError

N = 48
MIX = ha.Composite("mix", "1", {"Joy": 1, "Anger": -1})


def rows(**more: Any) -> pa.Table:
    """Speech and turns of four people, of one scoring for each recording; with more columns, of which every other row has one."""
    at, rng = np.arange(N), np.random.default_rng(4)
    whose = at * 4 // N
    frame = {
        "recording_id": [f"r{w}" for w in whose],
        "participant": [f"P{w}" for w in whose],
        "condition": [("alone", "together")[w % 2] for w in whose],
        "begin_s": at * 1.0,
        "end_s": at + 1.5,
        "joy": rng.random(N),
        "anger": rng.random(N),
        "chat_id": [f"c{w}" for w in whose],
        "turn": at,
        "speaker": [("caller", "assistant")[k % 2] for k in at],
        "greeting": [False] * N,
        "first_at": [datetime(2026, 3, 1, 12, tzinfo=UTC) + timedelta(seconds=2 * int(k)) for k in at],
    }
    frame["last_at"] = frame["first_at"]
    return pa.table({**frame, **{name: list(values) * (N // len(values)) for name, values in more.items()}})


def measured(frame: pa.Table) -> pa.Table:
    """The same as windows that v1 measured, of which it told nothing."""
    windows = frame.drop_columns(["joy", "anger"]).append_column("measurement_id", pa.array(range(N)))
    return windows.append_column("expressions", pa.array([0] * N))


NOTHING_TOLD = pa.table({"recording_id": ["r0"], "measurement_id": [0], "kind": ["expression"], "name": ["joy"]}).slice(0, 0)
ANALYSES: dict[str, Callable[..., pa.Table]] = {
    "summarise": ha.summarise,
    "timeline": lambda frame, **more: ha.timeline(frame, recording="r0", **more),
    "timeline of two": lambda frame, **more: ha.timeline({"a": rows(), "b": frame}, recording="r0", every_s=1.0, **more),
    "top": ha.top,
    "top relative to": lambda frame, **more: ha.top(rows(), relative_to=frame, **more),
    "compare": lambda frame, **more: ha.compare(frame, "condition", "participant", **more),
    "baseline": ha.baseline,
    "agreement": lambda frame, **more: ha.agreement({"a": rows(), "b": frame}, unit="participant", **more),
    "partings": lambda frame, **more: ha.partings({"a": rows(), "b": frame}, unit="participant", **more),
    "events": ha.events,
    "quality": ha.quality,
    "composite": lambda frame, **more: ha.composite(frame, MIX, **more),
    "composite relative to": lambda frame, **more: ha.composite(rows(), MIX, relative_to=frame, **more),
    "conversation": ha.conversation,
    "responses": lambda frame, **more: ha.responses(frame, "joy", "anger", unit="participant", **more),
    "presence": lambda frame, **more: ha.presence(NOTHING_TOLD, measured(frame), **more),
}


@pytest.mark.parametrize("analysis", ANALYSES)
def test_mixed_settings_and_versions(analysis: str) -> None:
    ask = ANALYSES[analysis]
    with pytest.raises(UsageError, match=r"several settings: settings_id is one, two"):
        ask(rows(settings_id=["one", "two"]))
    with pytest.raises(UsageError, match=r"v0 and v1 together: api is batch, expression"):
        ask(rows(api=["batch", "expression"]))
    whole = ask(rows(settings_id=["one", "two"]), mixed_settings=True)
    assert whole.num_rows == ask(rows()).num_rows
    assert {"n_units", "n_rows", "method", "seed"} <= set(whole.column_names) and whole["method"].null_count == 0


@pytest.mark.parametrize("analysis", [name for name in ANALYSES if name not in ("quality", "presence")])
def test_scores_beside_presence(analysis: str) -> None:
    with pytest.raises(UsageError, match=r"mixes measures: presence, score|different measures|different scales"):
        ANALYSES[analysis](rows(measure=["presence", "score"]))


@pytest.mark.parametrize("analysis", [name for name in ANALYSES if name != "presence"])
def test_scores_of_v1_as_they_come(analysis: str) -> None:
    told = rows(name=["joy"], probability=[0.7])
    with pytest.raises(UsageError, match=r"presence first|Pass audio_measurements or video_faces"):
        ANALYSES[analysis](told)


@pytest.mark.parametrize("analysis", [name for name in ANALYSES if name not in ("conversation", "responses", "presence")])
def test_several_scorings_of_one_recording(analysis: str) -> None:
    with pytest.raises(UsageError, match=r"several scorings of one recording"):
        ANALYSES[analysis](rows(scoring_id=["first", "again"]))


# ---------------------------------------------------------------------------------- of v1 what was told, and what is true
def test_where_voice_and_face_part_is_where_one_of_them_is_not_told() -> None:
    # Both are there but for a while in which the voice is below its cutoff: what is missing there cannot differ.
    def truth(_recording: str, _name: str, end_s: float) -> float:
        return 0.1 if end_s in (15.0, 18.0) else 0.7 + end_s / 100

    scores, windows = audio(["r"], truth, ("joy",))
    always, _ = audio(["r"], lambda *_: 0.9, ("joy",))
    shown = {"face": ha.presence(always, windows), "voice": ha.presence(scores, windows)}
    # What never changes has no standard deviation: the face goes at the very end.
    joy = [1, 1, 1, 1, 1, 1, 0]
    shown["face"] = shown["face"].set_column(shown["face"].schema.get_field_index("joy"), "joy", pa.array(joy, pa.int8()))
    found = ha.partings(shown, z=1.0).to_pylist()
    assert any(row["score_second"] < 0.5 < row["score_first"] and 10 <= row["begin_s"] < row["end_s"] <= 18 for row in found)
    told = {"face": always, "voice": scores}
    named = {
        name: each.drop_columns(["kind", "name"]).rename_columns({"probability": "joy"}).filter(each["end_s"].to_numpy() != 19.5)
        for name, each in told.items()
    }
    assert ha.partings(named, z=1.0).num_rows == 0
    with pytest.raises(UsageError, match="presence first"):
        ha.partings(told)


def test_a_response_that_went_below_the_cutoff_is_one() -> None:
    # After a gentle answer anger falls below its cutoff, so nothing is told of it: of what was told nothing ever changes.
    gentle, at = [True, False] * 6, datetime(2026, 3, 1, 12, tzinfo=UTC)
    told: list[dict[str, Any]] = []
    for number, tone in enumerate(gentle):
        for turn, (speaker, anger) in enumerate([("caller", 0.8), ("assistant", None), ("caller", None if tone else 0.8)]):
            when = at + timedelta(seconds=turn)
            told.append(
                {
                    "chat_id": f"c{number:02}",
                    "turn": turn,
                    "speaker": speaker,
                    "greeting": False,
                    "first_at": when,
                    "last_at": when,
                }
                | {"anger": anger, "sympathy": 0.7 if speaker == "assistant" and tone else None}
            )
    naive = pa.Table.from_pylist(told)
    presence = pa.Table.from_pylist(
        [{**row, "measure": "presence", **{name: int(row[name] is not None) for name in ("anger", "sympathy")}} for row in told]
    )
    (row,) = ha.responses(presence, "anger", "sympathy").to_pylist()
    assert (row["change_after_low"], row["change_after_high"], row["measure"]) == (0.0, -1.0, "presence")
    assert row["correlation"] == pytest.approx(-1) and row["p_value"] < 0.01 and row["n_rows"] == 12
    with pytest.raises(UsageError, match="No three turns in a row have scores"):
        ha.responses(naive, "anger", "sympathy")


def test_over_time_what_was_told_is_always_high() -> None:
    scores, windows = audio(["r"], lambda _recording, _name, end_s: 0.9 if end_s < 7 else 0.1, ("joy",))
    told = scores.drop_columns(["kind", "name"]).rename_columns({"probability": "joy"})
    naive = ha.timeline(told, every_s=5.0)["joy"].to_pylist()
    answer = ha.timeline(ha.presence(scores, windows), every_s=5.0)["joy"].to_pylist()
    assert naive == pytest.approx([0.9, 0.9]) and answer[-1] == 0 and len(answer) == 4 and answer[1] < 0.5


def test_a_composite_of_what_was_told_is_high_and_rarely_there() -> None:
    scores, windows = audio(["r"], lambda _r, name, end_s: 0.5 if name == "anger" else 0.9 * (end_s < 7), ("joy", "anger"))
    made = ha.composite(ha.presence(scores, windows), ha.Composite("both", "1", {"Joy": 1, "Anger": 1}))
    assert made["both"].to_pylist() == [1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.5]
    wide: dict[float, dict[str, float]] = {}
    for row in scores.to_pylist():
        wide.setdefault(row["end_s"], {})[row["name"]] = row["probability"]
    naive = pa.table({name: [row.get(name) for row in wide.values()] for name in ("joy", "anger")})
    assert ha.composite(naive, ha.Composite("both", "1", {"Joy": 1, "Anger": 1}))["both"].to_pylist() == [0.7] * 2 + [None] * 5
