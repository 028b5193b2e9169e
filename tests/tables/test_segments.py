"""Phases of a recording from annotations: ELAN's and Praat's, whole and broken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from humeanalytics.errors import UnreadableResponse, UsageError
from humeanalytics.tables.segments import Segment, in_order
from humeanalytics.tables.segments_files import is_annotation, read_annotation

SLOTS = {"ts1": 0, "ts2": 4000, "ts3": 9000}


def aligned(annotation_id: str, begin: str, end: str, text: str) -> str:
    return (
        f'<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="{annotation_id}" TIME_SLOT_REF1="{begin}" TIME_SLOT_REF2="{end}">\n'
        f"<ANNOTATION_VALUE>{text}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>\n"
    )


def referring(annotation_id: str, parent: str, text: str) -> str:
    return (
        f'<ANNOTATION><REF_ANNOTATION ANNOTATION_ID="{annotation_id}" ANNOTATION_REF="{parent}">'
        f"<ANNOTATION_VALUE>{text}</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>\n"
    )


def eaf(tiers: dict[str, str], slots: dict[str, int | None] | None = None, head: str = "") -> bytes:
    """A file of ELAN: tiers by name, slots by id (None: without a value)."""
    listed = "".join(
        f'<TIME_SLOT TIME_SLOT_ID="{name}"{"" if ms is None else f" TIME_VALUE={chr(34)}{ms}{chr(34)}"}/>\n'
        for name, ms in (SLOTS if slots is None else slots).items()
    )
    made = "".join(f'<TIER TIER_ID="{name}" LINGUISTIC_TYPE_REF="t">\n{inside}</TIER>\n' for name, inside in tiers.items())
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n{head}<ANNOTATION_DOCUMENT AUTHOR="" DATE="2026-01-01T00:00:00+00:00" '
        f'FORMAT="3.0" VERSION="3.0">\n<HEADER MEDIA_FILE="" TIME_UNITS="milliseconds"/>\n'
        f"<TIME_ORDER>\n{listed}</TIME_ORDER>\n{made}</ANNOTATION_DOCUMENT>\n"
    ).encode()


def spans(data: bytes, tier: str | None = None) -> list[tuple[float, float, str]]:
    return [(each.begin_s, each.end_s, each.segment) for each in read_annotation(data, tier=tier).segments]


def textgrid(*tiers: tuple[str, list[tuple[float, float, str]]]) -> bytes:
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", "xmax = 9", "tiers? <exists>"]
    lines += [f"size = {len(tiers)}", "item []:"]
    for n, (name, intervals) in enumerate(tiers, start=1):
        lines += [
            f"    item [{n}]:",
            '        class = "IntervalTier"',
            f'        name = "{name}"',
            "        xmin = 0",
            "        xmax = 9",
        ]
        lines += [f"        intervals: size = {len(intervals)}"]
        for m, (begin, end, text) in enumerate(intervals, start=1):
            lines += [
                f"        intervals [{m}]:",
                f"            xmin = {begin}",
                f"            xmax = {end}",
                f'            text = "{text}"',
            ]
    return "\n".join(lines).encode()


# ----------------------------------------------------------------------------------------------------------------- ELAN
def test_annotations_have_the_times_of_their_slots() -> None:
    data = eaf({"phase": aligned("a1", "ts1", "ts2", "rest") + aligned("a2", "ts2", "ts3", " Aufgabe &amp; Übung ")})
    assert spans(data) == [(0.0, 4.0, "rest"), (4.0, 9.0, "Aufgabe & Übung")]


def test_an_annotation_that_refers_to_another_takes_its_time_however_far_up() -> None:
    data = eaf(
        {
            "code": aligned("a1", "ts2", "ts3", ""),
            "phase": referring("a2", "a1", ""),
            "name": referring("a3", "a2", "task"),
        }
    )
    assert spans(data) == [(4.0, 9.0, "task")]


def test_slots_without_a_value_lie_evenly_between_those_that_have_one() -> None:
    slots = {"ts1": 1000, "u1": None, "other": 1500, "u2": None, "ts2": 4000}
    inside = aligned("a1", "ts1", "u1", "x") + aligned("a2", "u1", "u2", "y") + aligned("a3", "u2", "ts2", "z")
    assert spans(eaf({"phase": inside}, slots)) == [(1.0, 2.0, "x"), (2.0, 3.0, "y"), (3.0, 4.0, "z")]


def test_a_slot_that_nothing_gives_a_time_is_told_with_its_line() -> None:
    slots = {"ts1": 0, "u1": None}
    with pytest.raises(UnreadableResponse, match=r"phases.eaf, line \d+: the time slot 'u1' has no time"):
        read_annotation(eaf({"phase": aligned("a1", "ts1", "u1", "x")}, slots), name="phases.eaf")


def test_the_tier_is_chosen_by_name_and_need_not_be_named_where_only_one_says_anything() -> None:
    data = eaf({"empty": aligned("a0", "ts1", "ts2", " "), "phase": aligned("a1", "ts1", "ts2", "rest")})
    assert spans(data) == spans(data, "phase") == spans(data, " Phase") == [(0.0, 4.0, "rest")]
    assert spans(data, "empty") == []
    two = eaf({"phase": aligned("a1", "ts1", "ts2", "rest"), "gaze": aligned("a2", "ts1", "ts3", "away")})
    with pytest.raises(UnreadableResponse, match=r"2 tiers with something in them. Its tiers: 'phase', 'gaze'. Say .* --tier"):
        spans(two)
    with pytest.raises(UnreadableResponse, match=r"no tier 'task'. Its tiers: 'phase', 'gaze'"):
        spans(two, "task")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (eaf({"p": aligned("a1", "ts1", "ts2", "x")})[:-40], "is no XML"),
        (eaf({"p": aligned("a1", "ts1", "ts2", "x")}).replace(b"</TIER>", b"</TEIR>"), "line 12: this is no XML: mismatched tag"),
        (b"<?xml version='1.0'?><html></html>", "XML of the kind 'html'"),
        (eaf({"p": aligned("a1", "ts1", "ts9", "x")}), "the time slot 'ts9' is not there"),
        (eaf({"p": referring("a1", "a9", "x")}), "refers to 'a9', which is not there"),
        (eaf({"p": referring("a1", "a2", "x") + referring("a2", "a1", "y")}), "refers to itself"),
        (eaf({"p": aligned("a1", "ts1", "ts2", "x")}).replace(b'"4000"', b'"4s"'), "no whole number of milliseconds"),
        (eaf({"p": aligned("a1", "ts1", "ts2", "x")}).replace(b"TIME_SLOT_REF2", b"TIME_SLOT_REF"), "lacks its TIME_SLOT_REF2"),
        (eaf({"p": aligned("a1", "ts1", "ts2", "x")}).replace(b"milliseconds", b"PAL-frames"), "times are in PAL-frames"),
        (eaf({}), "it has no tier"),
    ],
)
def test_what_is_broken_says_so(data: bytes, told: str) -> None:
    assert is_annotation(data)
    with pytest.raises(UnreadableResponse) as caught:
        read_annotation(data, name="phases.eaf")
    assert told in str(caught.value) and "phases.eaf" in str(caught.value)


def test_entities_that_grow_without_end_are_refused_before_they_grow() -> None:
    grown = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    head = f'<!DOCTYPE ANNOTATION_DOCUMENT [<!ENTITY e0 "ha">{grown}]>\n'
    with pytest.raises(UnreadableResponse, match=r"phases.eaf, line 2: it declares an entity \('e0'\)"):
        read_annotation(eaf({"p": aligned("a1", "ts1", "ts2", "&e11;")}, head=head), name="phases.eaf")


def test_an_entity_from_a_file_is_refused_too() -> None:
    head = '<!DOCTYPE ANNOTATION_DOCUMENT [<!ENTITY secret SYSTEM "file:///etc/hostname">]>\n'
    with pytest.raises(UnreadableResponse, match="declares an entity"):
        read_annotation(eaf({"p": aligned("a1", "ts1", "ts2", "&secret;")}, head=head))


@given(st.binary(max_size=200), st.integers(0, 600))
def test_no_bytes_raise_anything_else(noise: bytes, at: int) -> None:
    whole = eaf({"p": aligned("a1", "ts1", "ts2", "x")})
    try:
        found = read_annotation(whole[:at] + noise + whole[at + len(noise) :])
    except UnreadableResponse:
        return
    assert all(isinstance(each.segment, str) and each.segment for each in found.segments)


# ------------------------------------------------------------------------------------------------------------- TextGrids
def test_empty_intervals_of_a_textgrid_are_no_segments() -> None:
    data = textgrid(("phase", [(0, 2, "rest"), (2, 3, ""), (3, 9, 'the "task"')]))
    assert spans(data.replace(b'the "task"', b'the ""task""')) == [(0.0, 2.0, "rest"), (3.0, 9.0, 'the "task"')]


def test_segments_of_a_textgrid_know_their_line_and_tier() -> None:
    data = textgrid(("words", [(0, 9, "hi")]), ("phase", [(0, 2, "rest"), (2, 9, "task")]))
    with pytest.raises(UnreadableResponse, match=r"2 tiers with something in them\. Its tiers: 'words', 'phase'"):
        spans(data)
    found = read_annotation(data, tier="phase", name="talk.TextGrid").segments
    lines = data.decode().split("\n")
    assert [each.place for each in found] == [
        f"talk.TextGrid, line {lines.index(f'            text = {chr(34)}{text}{chr(34)}') + 1}" for text in ("rest", "task")
    ]


def test_a_textgrid_that_is_cut_off_is_told() -> None:
    with pytest.raises(UnreadableResponse, match=r"a.TextGrid: line \d+: the file ends where"):
        read_annotation(textgrid(("phase", [(0, 2, "rest"), (2, 9, "task")]))[:-40], name="a.TextGrid")


# ------------------------------------------------------------------------------------------------------ what must hold
def segment(begin_s: float, end_s: float, name: str = "x", line: int = 2) -> Segment:
    return Segment(begin_s, end_s, name, f"phases.csv, line {line}")


def test_segments_come_in_order_and_may_touch() -> None:
    one, two, three = segment(0, 4), segment(4, 8), segment(9, 10)
    assert in_order([three, one, two], "talk.wav") == [one, two, three]


def test_what_overlaps_by_a_rounding_error_is_cut() -> None:
    found = in_order([segment(3.9995, 8), segment(0, 4)], "talk.wav")
    assert [(each.begin_s, each.end_s) for each in found] == [(0, 4), (4, 8)]
    with pytest.raises(UsageError, match="lasts until 4 s"):
        in_order([segment(0, 4), segment(3.9995, 3.9999)], "talk.wav")


@pytest.mark.parametrize(
    ("segments", "told"),
    [
        ([segment(4, 2)], "line 2: 'x' begins at 4 s and ends at 2 s; it has to end after it begins"),
        ([segment(4, 4)], "line 2: 'x' begins at 4 s and ends at 4 s"),
        ([segment(-1, 4)], "line 2: 'x' begins at -1 s, before the recording does"),
        ([segment(float("nan"), 4)], "line 2: begin and end of 'x' have to be numbers"),
        (
            [segment(0, 5, "rest"), segment(3, 9, "task", 3)],
            "line 3: 'task' of talk.wav begins at 3 s, while 'rest' (phases.csv, line 2) lasts until 5 s",
        ),
        ([segment(0, 9), segment(3, 4, "inside", 3)], "line 3: 'inside' of talk.wav begins at 3 s"),
    ],
)
def test_segments_that_cannot_be_are_refused(segments: list[Segment], told: str) -> None:
    with pytest.raises(UsageError) as caught:
        in_order(segments, "talk.wav")
    assert told in str(caught.value)
