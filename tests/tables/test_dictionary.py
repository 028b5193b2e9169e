"""The data dictionary in docs/ is what the schema says."""

from __future__ import annotations

from pathlib import Path

import pytest

from humeanalytics import vocabulary
from humeanalytics.tables import dictionary
from humeanalytics.tables.schema import SCORE_TABLES, TABLES

COMMITTED = Path(__file__).parents[2] / dictionary.DEFAULT_PATH


def test_the_committed_file_is_current() -> None:
    text = COMMITTED.read_text(encoding="utf-8")
    assert text == dictionary.dictionary(), "run: python -m humeanalytics.tables.dictionary --write"


def test_every_table_and_column_is_in_it() -> None:
    sections = {part.split("\n", 1)[0]: part for part in dictionary.dictionary().split("\n## ")}
    for table in TABLES.values():
        for column in table.columns:
            assert f"`{column.name}`" in sections[table.name]


def test_it_prints_or_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dictionary.main([])
    assert capsys.readouterr().out == dictionary.dictionary()
    dictionary.main(["--write", str(tmp_path / "d.md")])
    assert (tmp_path / "d.md").read_text(encoding="utf-8") == dictionary.dictionary()


def test_keys_come_first_and_known_names_have_columns() -> None:
    for model in SCORE_TABLES:
        names = TABLES[model].schema.names
        assert names[:3] == ["recording_id", "scoring_id", "load_id"]
        assert len({name.lower() for name in names}) == len(names)
        assert {name.column for name in vocabulary.names_of(model)} <= set(names)
