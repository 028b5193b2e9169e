"""The study that ships, whose truth is known: what is built in is found, and nothing else."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

import humeanalytics as ha

STUDY = Path(__file__).parents[2] / "data" / "study"
#: What differs between the conditions while they recall, and which way (`make_study.py`).
DIFFERS = {"joy": 1, "amusement": 1, "anxiety": -1, "sadness": -1}
#: 1.8 standard deviations of 0.035 between people.
EFFECT = 1.8 * 0.035
MOOD_MOVES = {"joy", "amusement", "excitement", "contentment", "calmness", "sadness", "anxiety"}
BASELINE_S, RECALL_S, VOICE_AFTER_S = (0.0, 20.0), (20.0, 60.0), 2.0


@cache
def study() -> dict[str, pa.Table]:
    with (STUDY / "manifest.csv").open(encoding="utf-8", newline="") as file:
        told = {row["file"]: row for row in csv.DictReader(file)}
    tables = {}
    for name, table in ha.flatten(STUDY / "predictions.json.gz").items():
        for label in ("participant", "condition"):
            table = table.append_column(label, pa.array([told[file][label] for file in table["file"].to_pylist()]))
        tables[name] = table
    prosody = tables.pop("prosody")
    return tables | {
        name: prosody.filter(pc.equal(prosody["speaker_id"], speaker))
        for name, speaker in (("asks", "spk_0"), ("tells", "spk_1"))
    }


def between(table: pa.Table, span: tuple[float, float], late_s: float = 0.0) -> pa.Table:
    at_s = table["time_s" if "time_s" in table.column_names else "begin_s"]
    return table.filter(pc.and_(pc.greater_equal(at_s, span[0] + late_s), pc.less(at_s, span[1] + late_s)))


@pytest.mark.parametrize(("who", "late_s"), [("face", 0.0), ("tells", VOICE_AFTER_S)])
def test_what_differs_while_they_recall_is_found_and_nothing_else(who: str, late_s: float) -> None:
    rows = between(study()[who], RECALL_S, late_s)
    answer = {row["column"]: row for row in ha.compare(rows, "condition", "participant").to_pylist()}
    found = {column: row["difference"] for column, row in answer.items() if row["q_value"] < 0.05}
    assert (
        {"joy", "amusement"} <= {column for column, change in found.items() if change * DIFFERS.get(column, 0) > 0} == set(found)
    )
    # Asked about what one has a reason for, not about 48 expressions, the study is large enough for all of it.
    asked = ha.compare(rows, "condition", "participant", expressions=list(DIFFERS)).to_pylist()
    assert all(row["q_value"] < 0.05 and row["difference"] * DIFFERS[row["column"]] > 0 for row in asked)
    for column in ("joy", "amusement", "anxiety"):  # sadness is so low that it cannot fall as far
        assert answer[column]["ci_low"] <= DIFFERS[column] * EFFECT <= answer[column]["ci_high"]


@pytest.mark.parametrize("who", ["face", "tells", "asks"])
def test_nothing_differs_in_the_baseline_nor_in_who_asks(who: str) -> None:
    rows = study()[who] if who == "asks" else between(study()[who], BASELINE_S)
    assert [row["column"] for row in ha.compare(rows, "condition", "participant").to_pylist() if row["q_value"] < 0.05] == []


def test_people_go_with_their_own_voice_which_follows_their_face() -> None:
    frames = {"face": study()["face"], "voice": study()["tells"]}
    answer = {row["column"]: row for row in ha.agreement(frames, unit="participant", mixed_people=True).to_pylist()}
    assert {column for column, row in answer.items() if row["q_value"] < 0.05} <= MOOD_MOVES
    for column in ("joy", "amusement", "sadness"):
        row = answer[column]
        assert row["lag_low_s"] <= VOICE_AFTER_S <= row["lag_high_s"] and abs(row["lag_s"] - VOICE_AFTER_S) <= row["every_s"]
        assert row["correlation_at_lag"] > row["correlation"] > 0 and row["q_value"] < 0.01
    frames["voice"] = study()["asks"]
    strangers = ha.agreement(frames, unit="participant", mixed_people=True).to_pylist()
    assert [row["column"] for row in strangers if row["q_value"] is not None and row["q_value"] < 0.05] == []
