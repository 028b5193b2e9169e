"""Frames written for other programs, read again by other libraries."""

from __future__ import annotations

import csv
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyreadstat
import pytest

import humeanalytics as ha
from humeanalytics.errors import UsageError
from humeanalytics.tables.schema import HUME_NAME

LONG = "facs_lip_corner_puller_of_a_very_long_name"
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
FRAME = pa.table(
    [
        pa.array(["=1+1", "Ä日本", None]),
        pa.array([0.5, float("nan"), None], pa.float32()),
        pa.array([1, 2, None]),
        pa.array([True, None, False]),
        pa.array([AT, None, None], pa.timestamp("us", "UTC")),
        pa.nulls(3),
        pa.array([1.0, 2.0, 3.0]),
        pa.array([4.0, 5.0, 6.0]),
        pa.array(["x", "y", "x"]).dictionary_encode(),
    ],
    schema=pa.schema(
        [
            ("participant", pa.string()),
            pa.field("joy_mean", pa.float32(), metadata={HUME_NAME: b"Joy"}),
            ("n_rows", pa.int64()),
            ("ok", pa.bool_()),
            ("at", pa.timestamp("us", "UTC")),
            ("empty", pa.null()),
            pa.field(f"{LONG}_mean", pa.float64(), metadata={HUME_NAME: b"Lip Corner Puller"}),
            (f"{LONG}_sd", pa.float64()),
            ("with", pa.dictionary(pa.int32(), pa.string())),
        ]
    ),
)


def test_csv_and_parquet(tmp_path: Path) -> None:
    assert pq.read_table(ha.write(FRAME, tmp_path / "a.parquet"))["joy_mean"].to_pylist()[2] is None
    with ha.write(FRAME, tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["participant"] for row in rows] == ["=1+1", "Ä日本", ""]
    assert rows[0]["joy_mean"] == "0.5"


def test_excel(tmp_path: Path) -> None:
    sheet = openpyxl.load_workbook(ha.write(FRAME, str(tmp_path / "a.xlsx"))).active
    assert sheet is not None
    rows = [[cell.value for cell in row] for row in sheet.rows]
    assert rows[0] == FRAME.column_names
    assert rows[1:] == [
        ["=1+1", 0.5, 1, True, AT.replace(tzinfo=None), None, 1, 4, "x"],
        ["Ä日本", None, 2, None, None, None, 2, 5, "y"],
        [None, None, None, False, None, None, 3, 6, "x"],
    ]
    assert [sheet["A2"].data_type, sheet["B2"].data_type, sheet["E2"].data_type] == ["s", "n", "d"]


@pytest.mark.parametrize(("name", "read"), [("a.sav", pyreadstat.read_sav), ("a.dta", pyreadstat.read_dta)])
def test_spss_and_stata(tmp_path: Path, name: str, read: Any) -> None:
    found, meta = read(str(ha.write(FRAME, tmp_path / name)))
    assert list(found["participant"]) == ["=1+1", "Ä日本", ""]
    assert found["joy_mean"][0] == 0.5 and found["joy_mean"][1:].isna().all()
    assert found["n_rows"].tolist()[:2] == [1, 2] and pd.isna(found["n_rows"][2])
    assert found["ok"].tolist()[::2] == [1, 0] and pd.isna(found["ok"][1])
    assert found["at"][0] == pd.Timestamp(AT.replace(tzinfo=None)) and found["at"][1:].isna().all()
    assert found["v_with"].tolist() == ["x", "y", "x"]
    short = [f"{LONG}_mean", f"{LONG}_sd"] if name == "a.sav" else [LONG[:32], f"{LONG[:30]}_2"]
    assert found[short].to_numpy().tolist() == [[1, 4], [2, 5], [3, 6]]
    labels = dict(zip(meta.column_names, meta.column_labels, strict=True))
    assert labels["joy_mean"] == "joy_mean · Joy"  # not Joy alone, as joy_sd would be too
    assert labels[short[0]] == f"{LONG}_mean · Lip Corner Puller"
    assert labels["v_with"] == "with"


def test_pandas_reads_it_too(tmp_path: Path) -> None:
    found = pd.read_stata(ha.write(FRAME, tmp_path / "a.dta"))
    assert found["joy_mean"][0] == 0.5


@pytest.mark.parametrize(
    ("frame", "name", "says"),
    [
        (FRAME, "a.txt", r"should end in \.csv, \.parquet, \.xlsx, \.sav, \.dta"),
        (FRAME, "nowhere/a.sav", "no folder"),
        (pa.table({"a": [[1, 2]]}), "a.sav", r"cannot hold a, which is list"),
        (pa.table({"n": [2**53 + 1]}), "a.xlsx", "would round the whole numbers of n"),
        (pa.table({"t": ["é" * 20_000]}), "a.sav", r"one of t has 40,000"),
        (pa.table({f"c{n}": [1] for n in range(16_385)}), "a.xlsx", "16,384 columns"),
    ],
)
def test_what_a_program_cannot_hold(tmp_path: Path, frame: pa.Table, name: str, says: str) -> None:
    (tmp_path / "a.sav").write_bytes(b"before")
    with pytest.raises(UsageError, match=says):
        ha.write(frame, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["a.sav"]
    assert (tmp_path / "a.sav").read_bytes() == b"before"


def test_a_command_for_spss(tmp_path: Path) -> None:
    source = Path(__file__).parents[2] / "data" / "predictions.json"
    assert ha.ingest(source, tmp_path / "lake").exit_code == 0
    command = ["summarise", "--per", "recording", "--lake", str(tmp_path / "lake"), "-o", str(tmp_path / "wide.sav")]
    done = subprocess.run([sys.executable, "-m", "humeanalytics", *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found, _ = pyreadstat.read_sav(str(tmp_path / "wide.sav"))
    with ha.open_lake(tmp_path / "lake") as lake:
        table = ha.summarise(lake, per="recording")
    assert len(found) == table.num_rows
    assert list(found.columns) == table.column_names
