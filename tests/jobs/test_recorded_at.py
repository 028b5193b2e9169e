"""When a recording was made, out of the manifest, the media, the name or the file's last change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from humeanalytics.jobs.recorded_at import recorded_at, time_in_name


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("2026-10-01_14-03-22.wav", at(2026, 10, 1, 14, 3, 22)),
        ("20261001T140322Z.wav", at(2026, 10, 1, 14, 3, 22)),
        ("20261001140322.wav", at(2026, 10, 1, 14, 3, 22)),
        ("2026-10-01.wav", at(2026, 10, 1)),
        ("p007_2026_10_01.wav", at(2026, 10, 1)),
        ("2026-10-01T1403.wav", at(2026, 10, 1, 14, 3)),
        ("PXL_20261001_140322123.mp4", at(2026, 10, 1, 14, 3, 22, 123_000)),
        ("GMT20261001-140322_Recording.m4a", at(2026, 10, 1, 14, 3, 22)),
        ("2026-10-01T14-03-22-0400.wav", at(2026, 10, 1, 18, 3, 22)),
        ("2026-10-01T14:03:22+02:00.wav", at(2026, 10, 1, 12, 3, 22)),
        ("Screen Recording 2026-10-01 at 14.03.22.mov", at(2026, 10, 1, 14, 3, 22)),
        ("Screen Recording 2026-10-01 at 2.03.22 PM.mov", at(2026, 10, 1, 14, 3, 22)),
        ("Screen Recording 2026-10-01 at 12.03.22\u202fAM.mov", at(2026, 10, 1, 0, 3, 22)),
        ("IMG-20261001-WA0003.jpg", at(2026, 10, 1)),
        ("2026-10-01_12-34.wav", at(2026, 10, 1)),  # maybe take 12 of 34
        ("20261001_996432.wav", at(2026, 10, 1)),  # a number of something
        ("2026-10-01_2026-10-01.wav", at(2026, 10, 1)),
        ("2024-02-29.wav", at(2024, 2, 29)),
    ],
)
def test_a_time_in_the_name(name: str, expected: datetime) -> None:
    assert time_in_name(name) == expected


@pytest.mark.parametrize(
    "name",
    [
        "interview.wav",
        "01-10-2026.wav",
        "10_01_2026.wav",
        "26-10-01.wav",
        "2026-13-45.wav",
        "2026-02-29.wav",
        "20261399.wav",
        "2026-10_01.wav",
        "2026-10-01T25-00-00.wav",
        "2026-10-01 at 13.00.00 PM.wav",
        "2026-10-01T14:03:22+19:00.wav",
        "2026-10-01_2026-10-05.wav",
        "1696161802000.wav",
        "120261001.wav",
        "202610012.wav",
        "a1b20261001c3.wav",
        "20231105-1234-4abc-9def-0123456789ab.wav",
        "1812-10-01.wav",
    ],
)
def test_what_is_no_date_or_not_one_is_refused(name: str) -> None:
    assert time_in_name(name) is None


def test_manifest_before_media_before_name_before_change() -> None:
    name, one, two, three = "2026-10-01.wav", at(2026, 1, 1), at(2026, 2, 2), at(2026, 3, 3)
    assert recorded_at(name, manifest=one, media=two, modified=three) == (one, "manifest")
    assert recorded_at(name, media=two, modified=three) == (two, "media")
    assert recorded_at(name, modified=three) == (at(2026, 10, 1), "name")
    assert recorded_at("a.wav", modified=three) == (three, "modified")
    assert recorded_at("a.wav") == (None, None)


def test_every_answer_is_utc() -> None:
    local = datetime(2026, 10, 1, 14, tzinfo=timezone(timedelta(hours=2)))
    when, _ = recorded_at("a.wav", modified=local)
    assert when == at(2026, 10, 1, 12) and when.tzinfo is UTC
    naive = datetime(2026, 10, 1, 14)  # noqa: DTZ001 - without a zone it is UTC
    assert recorded_at("a.wav", manifest=naive) == (at(2026, 10, 1, 14), "manifest")


@given(
    st.datetimes(min_value=datetime.fromisoformat("1990-01-01"), max_value=datetime.fromisoformat("2099-12-31")),
    st.sampled_from(["%Y-%m-%d_%H-%M-%S", "%Y%m%dT%H%M%SZ", "%Y%m%d_%H%M%S", "%Y.%m.%d at %H.%M.%S"]),
    st.sampled_from(["", "p7_", "Ana "]),
)
def test_a_time_written_into_a_name_comes_back(when: datetime, pattern: str, before: str) -> None:
    when = when.replace(microsecond=0)
    assert time_in_name(before + when.strftime(pattern) + ".wav") == when.replace(tzinfo=UTC)


@given(st.text(alphabet="0123456789-_.TZ :+apm", max_size=40))
def test_no_name_crashes_it(name: str) -> None:
    found = time_in_name(name)
    assert found is None or found.tzinfo is UTC
