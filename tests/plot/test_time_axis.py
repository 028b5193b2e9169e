"""Times are written as people read them, at times that clocks have."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure

from humeanalytics.plot.time_axis import clock, set_time_axis


@pytest.mark.parametrize(
    ("seconds", "digits", "expected"),
    [
        (0, 0, "0:00"),
        (9.6, 0, "0:10"),
        (59.99, 1, "1:00.0"),
        (65, 0, "1:05"),
        (3599.7, 0, "1:00:00"),
        (3725.5, 1, "1:02:05.5"),
        (-5, 0, "-0:05"),
        (-0.001, 0, "0:00"),
        (360_000, 0, "100:00:00"),
    ],
)
def test_clock(seconds: float, digits: int, expected: str) -> None:
    assert clock(seconds, digits) == expected


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 20, ["0:00", "0:05", "0:10", "0:15", "0:20"]),
        (0, 3, ["0:00.0", "0:00.5", "0:01.0", "0:01.5", "0:02.0", "0:02.5", "0:03.0"]),
        (0, 0.2, ["0:00.00", "0:00.05", "0:00.10", "0:00.15", "0:00.20"]),
        (100, 400, ["2:00", "3:00", "4:00", "5:00", "6:00"]),
        (0, 10_800, ["0:00", "30:00", "1:00:00", "1:30:00", "2:00:00", "2:30:00", "3:00:00"]),
        (0, 5 * 86_400, ["0:00", "24:00:00", "48:00:00", "72:00:00", "96:00:00", "120:00:00"]),
    ],
)
def test_ticks(low: float, high: float, expected: list[str]) -> None:
    ax = Figure().add_subplot()
    ax.set_xlim(low, high)
    set_time_axis(ax.xaxis)
    assert [label.get_text() for label in ax.get_xticklabels()] == expected


def test_ticks_follow_a_zoom() -> None:
    ax = Figure().add_subplot()
    ax.set_xlim(0, 3600)
    set_time_axis(ax.xaxis)
    ax.set_xlim(61, 64)
    assert [label.get_text() for label in ax.get_xticklabels()] == [
        "1:01.0",
        "1:01.5",
        "1:02.0",
        "1:02.5",
        "1:03.0",
        "1:03.5",
        "1:04.0",
    ]


def test_an_enormous_range_has_few_ticks() -> None:
    ax = Figure().add_subplot()
    ax.set_xlim(0, 1e9)
    set_time_axis(ax.xaxis)
    assert 2 <= len(ax.get_xticks()) <= 10
