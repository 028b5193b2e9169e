"""What stands in a picture of agreement: correlations with their intervals, and lags beside them."""

from __future__ import annotations

from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from plot_frames import agreed, study
from test_timeline import assert_words_stand_apart, words

from humeanalytics.errors import UsageError
from humeanalytics.plot import agreement

THREE = (("face", "voice"), ("face", "words"), ("voice", "words"))


def dots(ax: Axes) -> list[tuple[float, bool]]:
    found = [line for line in ax.get_lines() if line.get_marker() == "o"]
    return [(float(line.get_xdata()[0]), line.get_markerfacecolor() == line.get_color()) for line in found]


def test_the_numbers_are_those_of_the_answer() -> None:
    ax = agreement(agreed())
    expected = sorted(agreed().to_pylist(), key=lambda row: -row["correlation"])
    assert dots(ax) == [(row["correlation"], row["q_value"] <= 0.05) for row in expected]
    spans = {tuple(line.get_xdata()) for line in ax.get_lines()}
    assert {(row["ci_low"], row["ci_high"]) for row in expected} <= spans
    said = words(ax)
    assert {"+0.60", "+1.5 s", "0.400"} <= set(said) and said[0] == "face and voice"
    assert "12 participants" in " ".join(said) and "Benjamini and Hochberg, 6 tests" in " ".join(said)


def test_of_one_unit_there_is_a_correlation_and_no_more() -> None:
    ax = agreement(agreed(units=1))
    assert not any(filled for _, filled in dots(ax)) and len(dots(ax)) == 6
    assert "no interval and no test" in " ".join(words(ax)) and "1 participant;" in " ".join(words(ax))


def test_each_pair_has_a_panel() -> None:
    ax = agreement(agreed(THREE), k=2, synthetic=True)
    assert len(ax.figure.axes) == 3 and len({each.get_xlim() for each in ax.figure.axes}) == 1
    assert "the 6 with the lowest p of 18" in " ".join(words(ax))
    with pytest.raises(UsageError, match="3 pairs of modalities do not fit into one Axes"):
        agreement(agreed(THREE), ax=Figure().add_subplot())
    own = Figure().add_subplot()
    assert agreement(agreed(), ax=own) is own


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("pairs", [THREE[:1], THREE], ids=["one", "three"])
def test_words_stand_apart_and_inside(pairs: Any, theme: Any) -> None:
    assert_words_stand_apart(agreement(agreed(pairs), theme=theme, synthetic=True).figure)


def test_any_frame() -> None:
    for form in (lambda t: t.to_pandas(), pl.from_arrow, lambda t: t.to_reader()):
        assert words(agreement(form(agreed(units=1)))) == words(agreement(agreed(units=1)))


@pytest.mark.parametrize(
    ("given", "arguments", "message"),
    [
        (study(), {}, "no answer of agreement"),
        (agreed().slice(0, 0), {}, "Nothing to draw"),
        (agreed().set_column(4, "correlation", pa.nulls(6, pa.float64())), {}, "Nothing to draw"),
        (agreed(), {"k": 0}, "k is 0"),
        (agreed(), {"discoveries": 0}, "discoveries is 0"),
    ],
)
def test_wrong_use(given: pa.Table, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        agreement(given, **arguments)
